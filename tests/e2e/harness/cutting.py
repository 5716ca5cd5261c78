"""Stands between nixie and Redis, and lets so many writes pass: what a crash at each moment leaves, one after the other."""
import os
import re
import socket
import threading


# As RESP has it. A trial of the user's rights leaves nothing.
WRITING = re.compile(rb'\*\d+\r\n\$\d+\r\n(HSETNX|EVAL|EVALSHA)\r\n')
TRIAL = b':try\r\n'


class Closed(Exception):
    pass


class _Stream:
    """Whole commands, or replies, of RESP2 as bytes."""

    def __init__(self, end):
        self.end, self.rest = end, b''

    def _line(self):
        while b'\r\n' not in self.rest:
            self._more()
        line, self.rest = self.rest.split(b'\r\n', 1)
        return line + b'\r\n'

    def _more(self):
        try:
            data = self.end.recv(65536)
        except OSError:
            data = b''
        if not data:
            raise Closed
        self.rest += data

    def next(self):
        line = self._line()
        n = int(line[1:]) if line[:1] in b'$*' else -1
        if line[:1] == b'*':
            return line + b''.join(self.next() for _ in range(n))
        while n >= 0 and len(self.rest) < n + 2:
            self._more()
        value, self.rest = self.rest[:max(0, n + 2)], self.rest[max(0, n + 2):]
        return line + (value if n >= 0 else b'')


class Cutting:
    """address is for nixie's configuration. The first `after` commands that write are carried out. Before the next one act() is
    called, and where that is False it is not, and the connection ends. Without it the reply to the last of them is lost with
    its connection, and what comes by another one passes. after: None: all pass. writes: how many did; reading between them
    leaves what was there."""

    def __init__(self, directory, server_path):
        path, self.server_path = os.path.join(directory, 'cut.sock'), server_path
        self.address = 'unix:' + path
        self.begin(None)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self, after, act=None):
        self.after, self.act, self.was_cut, self.writes = after, act, False, 0

    def stop(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.server_path)
            except OSError:     # Redis is away just then: so is what nixie connects to
                client.close()
                server.close()
                continue
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    def _pass(self, client, server):
        asks, answers = _Stream(client), _Stream(server)
        try:
            while True:
                command = asks.next()
                writes = WRITING.match(command) and TRIAL not in command
                if writes and self.act and self.after == self.writes and not self.was_cut:
                    self.was_cut = True
                    if not self.act():
                        return
                server.sendall(command)
                reply = answers.next()
                self.writes += bool(writes)
                if writes and not self.act and self.after == self.writes:
                    self.was_cut = True
                    return
                client.sendall(reply)
        except (Closed, OSError):
            pass
        finally:
            client.close()
            server.close()
