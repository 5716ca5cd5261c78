"""The client's side of Postfix's socket map protocol."""
import socket


def question(name, key):
    body = name.encode() + b' ' + (key if isinstance(key, bytes) else key.encode())
    return b'%d:%s,' % (len(body), body)


class MapClient:
    def __init__(self, path, limit=20.0):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(limit)
        self.sock.connect(path)
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
        """One answer, without its netstring; None: closed instead."""
        while True:
            length, colon, rest = self._buffer.partition(b':')
            if colon and len(rest) > int(length):
                answer, comma = rest[:int(length)], rest[int(length):int(length) + 1]
                if comma != b',' or length != b'%d' % len(answer):
                    raise AssertionError('no netstring: %r' % self._buffer)
                self._buffer = rest[int(length) + 1:]
                return answer.decode()
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b''
            if not data:
                if self._buffer:
                    raise AssertionError('half an answer: %r' % self._buffer)
                return None
            self._buffer += data

    def ask(self, name, key):
        self.send(question(name, key))
        return self.answer()


def look_up(path, name, key):
    """One question over a connection of its own."""
    with MapClient(path) as client:
        return client.ask(name, key)
