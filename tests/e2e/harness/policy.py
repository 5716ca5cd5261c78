"""The client's side of Postfix's policy protocol."""
import re

from .client import StreamClient

# What access(5) allows and Postfix takes for what is meant: no code and no verb that wants a text without one,
# no controls (a CR makes smtpd wait for its timeout, twice), never empty (that permits), never OK.
ANSWER = re.compile(
    rb'action=(?:DUNNO|(?:REJECT|DEFER|DEFER_IF_PERMIT|DEFER_IF_REJECT|HOLD|DISCARD|WARN|INFO)(?: \S[^\x00-\x1f\x7f]*)?'
    rb'|[45][0-9][0-9] [45]\.[0-9]{1,3}\.[0-9]{1,3} \S[^\x00-\x1f\x7f]*|PREPEND [!-9;-~]+: \S[^\x00-\x1f\x7f]*'
    rb'|(?:REDIRECT|BCC) [!-~]+@[!-~]+|FILTER [a-z0-9-]+:[!-~]*)')
ANSWER_MAX = 500

# What Postfix 3.7 sends for one RCPT command.
POSTFIX = (
    ('request', 'smtpd_access_policy'), ('protocol_state', 'RCPT'), ('protocol_name', 'ESMTP'),
    ('client_address', '192.0.2.7'), ('client_name', 'client.example.net'),
    ('client_port', '45123'), ('reverse_client_name', 'client.example.net'),
    ('server_address', '192.0.2.25'), ('server_port', '25'), ('helo_name', 'client.example.net'),
    ('sender', 'news@example.org'), ('recipient', ''), ('recipient_count', '0'),
    ('queue_id', ''), ('instance', '4f2.6741a1b2.c3d4e.0'), ('size', '12345'),
    ('etrn_domain', ''), ('stress', ''), ('sasl_method', ''), ('sasl_username', ''),
    ('sasl_sender', ''), ('ccert_subject', ''), ('ccert_issuer', ''), ('ccert_fingerprint', ''),
    ('ccert_pubkey_fingerprint', ''), ('encryption_protocol', ''), ('encryption_cipher', ''),
    ('encryption_keysize', '0'), ('policy_context', ''),
)


def action_of(answer):
    """What an answer, without its empty line, says; AssertionError when Postfix would choke on it."""
    if len(answer) > ANSWER_MAX or not ANSWER.fullmatch(answer):
        raise AssertionError('answer Postfix would choke on: %r' % answer)
    return answer[len(b'action='):].decode('utf-8')


def request(recipient=None, **attributes):
    """The bytes of one request; an attribute given as None is left out."""
    values = dict(POSTFIX)
    if recipient is not None:
        values['recipient'] = recipient
    values.update(attributes)
    out = b''
    for name, value in values.items():
        if value is not None:
            value = value if isinstance(value, bytes) else value.encode()
            out += name.encode() + b'=' + value + b'\n'
    return out + b'\n'


class PolicyClient(StreamClient):
    def answer(self):
        """The bytes of one answer without its empty line; None: closed instead."""
        while b'\n\n' not in self._buffer:
            if not self.receive():
                return None
        answer, self._buffer = self._buffer.split(b'\n\n', 1)
        return answer

    def action(self):
        """The action of one answer, which must be one that Postfix takes well."""
        answer = self.answer()
        if answer is None:
            raise AssertionError('connection closed without an answer')
        return action_of(answer)

    def ask(self, recipient, **attributes):
        self.send(request(recipient, **attributes))
        return self.action()


def ask(address, recipient, **attributes):
    """One question over a connection of its own."""
    with PolicyClient(address) as client:
        return client.ask(recipient, **attributes)
