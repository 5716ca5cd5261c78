"""A redis-server of our own on a Unix socket, and a small RESP2 client."""
import glob
import os
import shutil
import socket

from .proc import LIMIT, Child, wait_until


class RedisError(Exception):
    pass


class RedisClient:
    def __init__(self, path, limit=LIMIT):
        self._path, self._limit, self._sock, self._in = path, limit, None, None

    def _open(self):
        self._sock = socket.socket(socket.AF_UNIX)
        self._in = self._sock.makefile('rb')
        self._sock.settimeout(self._limit)
        self._sock.connect(self._path)

    def close(self):
        for end in self._in, self._sock:
            if end is not None:
                end.close()
        self._in = self._sock = None

    def __call__(self, *args):
        """Send one command, return its reply: bytes become str, errors RedisError."""
        try:
            if self._sock is None:
                self._open()
            out = b'*%d\r\n' % len(args)
            for a in args:
                a = a if isinstance(a, bytes) else str(a).encode()
                out += b'$%d\r\n%s\r\n' % (len(a), a)
            self._sock.sendall(out)
            return self._reply()
        except OSError:
            self.close()
            raise

    def _reply(self):
        line = self._in.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('redis closed the connection')
        kind, rest = line[:1], line[1:-2]
        if kind == b'-':
            raise RedisError(rest.decode())
        if kind == b'+':
            return rest.decode()
        if kind == b':':
            return int(rest)
        n = int(rest)
        if n < 0:
            return None
        if kind == b'$':
            return self._in.read(n + 2)[:-2].decode('utf-8', 'surrogateescape')
        return [self._reply() for _ in range(n)]

    def hgetall(self, key):
        flat = self('HGETALL', key)
        return dict(zip(flat[::2], flat[1::2]))


class RedisServer:
    """Data and socket live in directory; start() after kill() finds the same data: what is answered is in the file by
    then, though perhaps not on the disk, which only a crash of the machine would show. With everysec a busy disk holds
    that up, and a kill loses it; and each server stands still while it waits for the disk."""

    def __init__(self, directory, *options, name='redis'):
        if shutil.which('redis-server') is None:
            raise AssertionError('redis-server is missing: install redis-server')
        self.directory = os.path.join(directory, name)
        os.mkdir(self.directory, 0o755)
        self.socket = os.path.join(self.directory, 'redis.sock')
        self.address = 'unix:' + self.socket
        self.options, self.name, self.child = list(options), name, None
        self.prefix = []        # of the command line: nsenter(1) ...
        self.command = RedisClient(self.socket)
        self.hgetall = self.command.hgetall

    def start(self):
        args = list(self.prefix) + ['redis-server', '--port', '0', '--unixsocket', self.socket,
                '--unixsocketperm', '777', '--dir', self.directory, '--appendonly', 'yes',
                '--appendfsync', 'no', '--save', '', '--daemonize', 'no',
                '--logfile', '', '--maxclients', '4000'] + self.options
        self.child = Child(self.name, args, os.path.join(self.directory, 'redis.log'))
        wait_until(self._up, 'answer from redis-server', child=self.child)
        return self

    def _up(self):
        try:
            return self.command('PING') == 'PONG'
        except RedisError as e:
            return 'NOAUTH' in str(e)
        except (OSError, ConnectionError):
            return False

    def kill(self):
        """kill -9: what a crash looks like."""
        self.command.close()
        if self.child is not None:
            self.child.kill()
            self.child = None

    def tear(self, n):
        """Cut n bytes off the append-only file: what a crash of the machine leaves."""
        path, = glob.glob(os.path.join(self.directory, 'appendonlydir', '*.incr.aof'))
        os.truncate(path, max(0, os.path.getsize(path) - n))

    def freeze(self):
        self.child.freeze()

    def thaw(self):
        self.child.thaw()

    stop = kill
