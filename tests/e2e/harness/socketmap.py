"""The client's side of Postfix's socket map protocol."""
from .client import StreamClient


def question(name, key):
    body = name.encode() + b' ' + (key if isinstance(key, bytes) else key.encode())
    return b'%d:%s,' % (len(body), body)


class MapClient(StreamClient):
    def answer(self):
        """One answer, without its netstring; None: closed instead."""
        while True:
            length, colon, rest = self._buffer.partition(b':')
            if colon and len(rest) > int(length):
                answer, comma = rest[:int(length)], rest[int(length):int(length) + 1]
                if comma != b',' or length != b'%d' % len(answer):
                    raise AssertionError('no netstring: %r' % self._buffer)
                self._buffer = rest[int(length) + 1:]
                return answer.decode()
            if not self.receive():
                return None

    def ask(self, name, key):
        self.send(question(name, key))
        return self.answer()


def look_up(path, name, key):
    """One question over a connection of its own."""
    with MapClient(path) as client:
        return client.ask(name, key)
