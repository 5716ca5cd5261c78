"""The client's side of Postfix's policy protocol."""
import socket

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


class PolicyClient:
    def __init__(self, address, limit=20.0):
        """address: a Unix socket's path, or (host, port)."""
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(limit)
        self.sock.connect(address)
        self._buffer = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def answer(self):
        """The bytes of one answer without its empty line; None: closed instead."""
        while b'\n\n' not in self._buffer:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b''
            if not data:
                if self._buffer:
                    raise AssertionError('half an answer: %r' % self._buffer)
                return None
            self._buffer += data
        answer, self._buffer = self._buffer.split(b'\n\n', 1)
        return answer

    def action(self):
        """The action of one answer, which must be one that Postfix takes well."""
        answer = self.answer()
        if answer is None:
            raise AssertionError('connection closed without an answer')
        if b'\r' in answer or b'\0' in answer or len(answer) > 500:
            raise AssertionError('answer Postfix would choke on: %r' % answer)
        if not answer.startswith(b'action=') or b'\n' in answer or not answer[7:].strip():
            raise AssertionError('not one action: %r' % answer)
        return answer[7:].decode('utf-8')

    def ask(self, recipient, **attributes):
        self.send(request(recipient, **attributes))
        return self.action()


def ask(address, recipient, **attributes):
    """One question over a connection of its own."""
    with PolicyClient(address) as client:
        return client.ask(recipient, **attributes)
