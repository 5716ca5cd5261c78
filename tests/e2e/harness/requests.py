"""Streams of policy requests at random, good and bad, and what a service must make of them."""
import re

from .policy import POSTFIX, action_of

REQUEST_MAX = 16384
GONE = ['gone%d@example.com' % n for n in range(16)]

# Since Postfix 2.1; the sample of harness/policy.py is of 3.7.
ATTRIBUTES = [name for name, _ in POSTFIX if name != 'request'] + ['compatibility_level', 'mail_version', 'tls_sni']
STATES = ['CONNECT', 'EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', 'END-OF-MESSAGE', 'VRFY', 'ETRN', '', 'FUTURE']
RECIPIENTS = [b'', b'@', b'user@', b'@example.com', b'postmaster', b'a@b@c', b'first last@example.com', b'u@[127.0.0.1]', b'u@[IPv6:::1]',
              b'"gone1@example.com', b'u\r@example.com', b'u@example.com\r', b'\xff\xfe@example.com', 'ü@exämple.test'.encode(),
              b'x' * 300 + b'@example.com', b'u@' + b'd' * 300 + b'.example', b'u@' + b'd.' * 120 + b'example', b'u@xn--', b'u@..', b'=', b'a=b@c=d',
              b'%s%n%d@example.com', b'gone1@example.com ', b'u@example.com\t', b'\x01\x02@example.com', b'u@\x7f', b"';DROP@example.com",
              b'x' * 7000 + b'@example.com', b'}:addr:gone1@example.com', b'u*?[a-z]@example.com']
VALUES = [b'', b'x', b'=', b'a=b=c', b'\r', b'caf\xc3\xa9', b'\xff\xfe\xfd', b' ', b'0' * 40, b'-1', b'y' * 1000, b'z' * 8000, b'[]{}<>"\'\\', b'\x1b[2J']


def one(chance):
    """A request that is good, but perhaps too long."""
    lines = [b'request=smtpd_access_policy']
    names = chance.sample(ATTRIBUTES, chance.randrange(len(ATTRIBUTES) + 1))
    if chance.random() < 0.1:
        names += chance.choices(ATTRIBUTES, k=3)        # again
    for name in names:
        if name == 'recipient':
            value = chance.choice(GONE).encode() if chance.random() < 0.5 else chance.choice(RECIPIENTS)
        elif name == 'protocol_state':
            value = chance.choice(STATES).encode() if chance.random() < 0.4 else b'RCPT'
        else:
            value = chance.choice(VALUES) if chance.random() < 0.3 else dict(POSTFIX).get(name, '').encode()
        lines.append(name.encode() + b'=' + value)
    for _ in range(chance.choice((0, 0, 0, 1, 5))):
        lines.append(b'from-the-future-%d=%s' % (chance.randrange(100), chance.choice(VALUES)))
    if chance.random() < 0.5:
        chance.shuffle(lines)
    return b'\n'.join(lines) + b'\n\n'


def mutated(chance, request):
    data = bytearray(request)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(data))
        what = chance.randrange(6)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            del data[at:at + chance.choice((1, 2, 50))]
        elif what == 2:
            data[at:at] = chance.choice((b'\n', b'\n\n', b'\0', b'=', b'\r\n', b'recipient=gone2@example.com\n', b'x' * 20000))
        elif what == 3:
            data[at:at] = data[chance.randrange(len(data)):][:chance.randrange(1, 200)]
        elif what == 4:
            data = bytearray(data.replace(b'\n', b'\r\n'))
        else:
            data[at] ^= 1 << chance.randrange(8)
        if not data:
            data = bytearray(b'\n')
    return bytes(data)


def stream(chance):
    """Some requests one after the other; most streams are good all over."""
    style = chance.random()
    parts = [one(chance) for _ in range(chance.choice((1, 1, 2, 3, 10, 40)))]
    if style < 0.4:
        at = chance.randrange(len(parts))
        parts[at] = mutated(chance, parts[at])
    elif style < 0.45:
        parts.insert(chance.randrange(len(parts) + 1), chance.randbytes(chance.choice((1, 10, 1000, 40000))))
    elif style < 0.5:
        parts.append(one(chance)[:-1])
    return b''.join(parts)


def pieces(chance, data):
    """The stream as it is written."""
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 1, 3, 20))))
    return [data[a:b] for a, b in zip([0] + cuts, cuts + [len(data)])]


def _understand(request):
    """(state, recipient) of one whole request; None: it is malformed."""
    values = {}
    if b'\0' in request:
        return None
    for line in request[:-2].split(b'\n') if request != b'\n' else []:
        name, equals, value = line.partition(b'=')
        if not name or not equals or (name == b'request' and value != b'smtpd_access_policy'):
            return None
        if name == b'request' and value != b'smtpd_access_policy':
            return None             # at once, whatever comes then
        values[name] = value        # of an attribute that is there twice the last one counts
    if b'request' not in values:
        return None
    return values.get(b'protocol_state', b''), values.get(b'recipient', b'')


def expected(data):
    """What each request is about, as far as the stream can be understood."""
    out = []
    while data:
        end = 1 if data[:1] == b'\n' else data.find(b'\n\n') + 2
        if end == 1 and data[:1] != b'\n' or end > REQUEST_MAX:
            break
        about = _understand(data[:end])
        if about is None:
            break
        out.append(about)
        data = data[end:]
    return out


def problem_of(about, answer):
    """What is wrong with the answer to a question about (state, recipient); '' if nothing is."""
    try:
        action = action_of(answer)
    except (AssertionError, UnicodeDecodeError) as e:
        return str(e)
    state, recipient = about
    token = re.search(r', token 1([0-9A-V])$', action)
    gone = recipient.decode('latin-1') in GONE and state in (b'', b'RCPT')
    if gone and not (action.startswith('550 ') and token and GONE[int(token[1], 32)].encode() == recipient):
        return 'the answer to %r is %r' % (about, action)
    if action != 'DUNNO' and not (token and GONE[int(token[1], 32)].split('@')[0].encode() in recipient.lower()):
        return 'the answer to %r is %r' % (about, action)
    return ''


def problem_of_all(data, received):
    """The same of all that came back for a stream, until its end."""
    abouts = expected(data)
    answers = received.split(b'\n\n')
    if answers.pop() != b'':
        return 'half an answer: %r' % received[-200:]
    for about, answer in zip(abouts, answers):
        problem = problem_of(about, answer)
        if problem:
            return problem
    if len(answers) != len(abouts):
        return '%d answers to %d requests' % (len(answers), len(abouts))
    return ''
