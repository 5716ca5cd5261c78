"""What the readers left in Redis, and in what it differs from what it should be."""
import calendar
import re
import time
from collections import Counter

from harness.redis import RedisClient

PARTITIONED = re.compile(r'nixie:\{(\d+)\}:(.*)', re.S)
DAY = re.compile(r'day:\d{8}')
MINUTE = re.compile(r'min:(\d{12})(:.+)?', re.S)

# made anew with every write, or told by whoever wrote it
CHANGING = {'addr': ('revision', 'token', 'by')}
# places are of files, alerts of who saw what and when, readers of when they ran
LEFT_OUT = 'pos', 'alerts', 'alert-log', 'reader', 'readers'
# Minutes are kept for so many hours, those of a dimension for fewer: one that ends while this runs may be in one of two runs only.
MINUTE_HOURS, DIMENSION_HOURS = 48, 3
STARTED, RUN_S = time.time(), 3600
SHOWN = 12
AT_A_TIME = 500


def begin():
    """Of a test: all before it may have taken longer."""
    global STARTED
    STARTED = time.time()


def fields_of(redis, key):
    return redis.hgetall(key)


def scores_of(redis, key):
    flat = redis.command('ZRANGE', key, '0', '-1', 'WITHSCORES')
    return dict(zip(flat[::2], flat[1::2]))


def entries_of(redis, key):
    """The contents of a stream, without ids, as often as they are there."""
    return Counter(tuple(fields) for _, fields in redis.command('XRANGE', key, '-', '+'))


def value_of(redis, key):
    return {'': redis.command('GET', key)}


READ = {'string': value_of, 'hash': fields_of, 'zset': scores_of, 'stream': entries_of}


# ---- all at once: it may be half a million keys

class Pipe(RedisClient):
    def ask(self, commands):
        out = []
        for i in range(0, len(commands), AT_A_TIME):
            part = commands[i:i + AT_A_TIME]
            self._send(part)
            out += [self._reply() for _ in part]
        return out

    def _send(self, commands):
        if self._sock is None:
            self._open()
        words = []
        for command in commands:
            words.append(b'*%d\r\n' % len(command))
            for word in command:
                word = str(word).encode('utf-8', 'surrogateescape')
                words.append(b'$%d\r\n%s\r\n' % (len(word), word))
        self._sock.sendall(b''.join(words))


def ask_all(path, commands):
    """The answers of the server at this socket; RedisError if one is an error."""
    pipe = Pipe(path)
    try:
        return pipe.ask(commands)
    finally:
        pipe.close()


COMMAND = {'hash': ('HGETALL',), 'zset': ('ZRANGE', '0', '-1', 'WITHSCORES'), 'stream': ('XRANGE', '-', '+'), 'string': ('GET',)}


def contents(kind, answer):
    if kind == 'stream':
        return Counter(tuple(fields) for _, fields in answer)
    return {'': answer} if kind == 'string' else dict(zip(answer[::2], answer[1::2]))


def read_all(stage):
    """{(partition, key without prefix): (type, what it holds)}"""
    keys = sorted(key for key in stage.keys() if PARTITIONED.match(key))
    kinds = stage.ask([('TYPE', key) for key in keys])
    commands = [COMMAND[kind] for kind in kinds]
    answers = stage.ask([(c[0], key) + c[1:] for c, key in zip(commands, keys)])
    data = {}
    for key, kind, answer in zip(keys, kinds, answers):
        partition, name = PARTITIONED.match(key).groups()
        data[int(partition), name] = kind, answer
    return data


def is_ending(name):
    """A minute whose time is up about now."""
    minute = MINUTE.fullmatch(name)
    if not minute:
        return False
    begin = calendar.timegm(time.strptime(minute[1], '%Y%m%d%H%M'))
    return begin + 3600 * (DIMENSION_HOURS if minute[2] else MINUTE_HOURS) < STARTED + RUN_S


def is_compared(name):
    family = name.split(':')[0]
    return family not in LEFT_OUT and family != 'roll' and not is_ending(name)


def snapshot(data):
    """{key, partition behind it: dict} of what is to be compared; the journals are one."""
    out = {}
    for (partition, name), (kind, answer) in data.items():
        family = name.split(':')[0]
        if not is_compared(name):
            continue
        value = contents(kind, answer)
        for field in CHANGING.get(family, ()):
            value.pop(field, None)
        if family == 'journal':
            out.setdefault('journal', Counter()).update(value)
        else:
            out['%s{%d}' % (name, partition)] = value
    return out


def overrolled(data):
    """What roll:hour and roll:day hold depends on who was how far when; never more than was counted in the end, and once."""
    wrong = []
    for (partition, name), (_, entries) in data.items():
        if name not in ('roll:hour', 'roll:day'):
            continue
        for entry, fields in entries:
            begin = int(entry.split('-')[0]) // 1000
            if name == 'roll:hour' and is_ending(periods(name, begin)[0]):
                continue
            total = Counter()
            for key in periods(name, begin):
                answer = data.get((partition, key), ('hash', ()))[1]
                total.update({k: int(v) for k, v in zip(answer[::2], answer[1::2])})
            wrong += ['%s{%d} %s: %s=%s, counted are %d' % (name, partition, entry, k, v, total[k])
                      for k, v in zip(fields[::2], fields[1::2]) if int(v) > total[k]]
            if not entry.endswith('-0'):
                wrong.append('%s{%d} %s: is there twice' % (name, partition, entry))
    return wrong


def periods(name, begin):
    if name == 'roll:day':
        return [time.strftime('day:%Y%m%d', time.gmtime(begin))]
    return [time.strftime('min:%Y%m%d%H%M', time.gmtime(begin + 60 * i)) for i in range(60)]


def totals(data):
    """The counters of all days and partitions together."""
    total = Counter()
    for (_, name), (_, answer) in data.items():
        if DAY.fullmatch(name):
            total.update({k: int(v) for k, v in zip(answer[::2], answer[1::2])})
    return total


def recount(text):
    """What the lines themselves say, by two numbers that need no nixie."""
    return {'deferred': text.count(b', status=deferred ('),
            'delivered': text.count(b', status=sent (') - text.count(b', relay=127.0.0.1[127.0.0.1]:10024, ')}


def journal_of(data):
    """Of addresses that several hosts write about, which of their failures came first is chance."""
    journal = Counter()
    for fields, n in data.pop('journal', {}).items():
        entry = dict(zip(fields[::2], fields[1::2]))
        if '@shared.' in entry['address']:
            entry = {k: entry[k] for k in ('address', 'from', 'to', 'why')}
        journal[tuple(sorted(entry.items()))] += n
    return journal


def dangling_tokens(data):
    """Entries whose token names no journal entry of theirs."""
    named = {}
    for (partition, name), (_, entries) in data.items():
        if name == 'journal':
            named.update(((partition, id_), dict(zip(f[::2], f[1::2])).get('address')) for id_, f in entries)
    lost = []
    for (partition, name), (_, answer) in data.items():
        if not name.startswith('addr:'):
            continue
        token = dict(zip(answer[::2], answer[1::2])).get('token', '')
        behind = '-%d' % partition if partition else ''
        id_ = token[:len(token) - len(behind)] if token.endswith(behind) else token
        if named.get((partition, id_)) != name[len('addr:'):]:
            lost.append('%s: token %s names %s' % (name, token, named.get((partition, id_))))
    return lost


def _number(value):
    try:
        return float(value or 0)
    except ValueError:
        return None


class Comparison:
    """lost and doubled: what is counted too low or too high, or is not or should not be there."""

    def __init__(self, want, got):
        self.lost = self.doubled = self.compared = 0
        self.differences = []
        wanted, found = journal_of(want), journal_of(got)
        for name in sorted(set(want) | set(got)):
            self._key(name, want.get(name, {}), got.get(name, {}))
        for entry in set(wanted) | set(found):
            self._transition(dict(entry), wanted[entry], found[entry])
        self.transitions, self.repeated = sum(wanted.values()), sum((found - wanted).values())

    def _key(self, name, want, got):
        for field in sorted(set(want) | set(got), key=str):
            self.compared += 1
            a, b = want.get(field), got.get(field)
            if a == b:
                continue
            x, y = _number(a), _number(b)
            if x is None or y is None or x > y:
                self.lost += 1
            if x is None or y is None or y > x:
                self.doubled += 1
            self.differences.append('%s %s: %r, should be %r' % (name, field, b, a))

    def _transition(self, entry, want, got):
        if got < want:
            self.lost += 1
            self.differences.append('journal: %d times, should be %d: %s' % (got, want, entry))
        elif got > want and want == 0:
            self.doubled += 1
            self.differences.append('journal: should not be there: %s' % entry)

    def __bool__(self):
        return not self.differences

    def report(self):
        """A few of each kind of key, and how many more."""
        out, kinds = [], Counter(d.split(':')[0] for d in self.differences)
        for kind, n in sorted(kinds.items()):
            some = [d for d in self.differences if d.split(':')[0] == kind]
            out += ['  ' + d[:400] for d in some[:SHOWN]]
            if n > SHOWN:
                out.append('  ... and %d more of %s' % (n - SHOWN, kind))
        return '\n'.join(out)
