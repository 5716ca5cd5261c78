"""A client of a stream socket: what it has received and nobody has taken yet is in _buffer."""
import socket

from .proc import LIMIT


class StreamClient:
    def __init__(self, address, limit=LIMIT):
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

    def receive(self):
        """More into _buffer. False: closed; AssertionError where that is in the middle of an answer."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b''
        if not data and self._buffer:
            raise AssertionError('half an answer: %r' % self._buffer)
        self._buffer += data
        return bool(data)
