"""nixie on a terminal of so many columns: what a person sees."""
import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

from .nixie import binary
from .proc import LIMIT, wait_until


def everything(master):
    """What was written to the other side until nobody holds that any more; closes this one. A single read is
    not enough: it takes what is there, and a program writes more than once."""
    out, end = b'', time.monotonic() + LIMIT
    try:
        while True:
            if not select.select([master], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError('what is written to the terminal has no end within %g s: %r' % (LIMIT, out[-1000:]))
            try:
                got = os.read(master, 65536)
            except OSError:     # the other side is closed
                break
            if not got:
                break
            out += got
    finally:
        os.close(master)
    return out.decode('utf-8')


def on_terminal(site, *args, columns=80, env=None, typed=None, stdin=None):
    """Exit status, and the text with its escape sequences. Standard error is not on it, unless something is
    typed: then it is the terminal of the session, with the echo of that; stdin: a list in place of it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))
    environ = dict(os.environ, LC_ALL='C.UTF-8', TERM='xterm', TZ='UTC')
    environ.pop('NO_COLOR', None)
    environ.update(env or {})
    talks = {} if typed is None else {'stderr': slave, 'preexec_fn': lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0)}
    with subprocess.Popen([binary('nixie'), '-c', site.conf_path] + list(args), env=environ, start_new_session=True, stdout=slave,
                          stdin=subprocess.PIPE if stdin is not None else slave if typed is not None else subprocess.DEVNULL, **talks) as p:
        os.close(slave)
        with contextlib.suppress(OSError):      # who does not want it may have ended by now
            if stdin is not None:
                with p.stdin:
                    p.stdin.write(stdin.encode())
            if typed is not None:
                os.write(master, typed.encode())
        out = everything(master)
    return p.returncode, out.replace('\r\n', '\n')


def plain(text):
    return re.sub('\033\\[[0-9;]*m', '', text)


class Screen:
    """A terminal with what stands on it: enough of ECMA-48 for our own programs, and nothing else. Text that
    does not fit into its line is a failure, and so is a sequence that is not known here."""

    SEQUENCE = re.compile('\033\\[([?0-9;]*)([A-Za-z])')

    def __init__(self, columns, lines):
        self.alternate, self.cursor, self.wraps, self.main = False, True, True, ''
        self.resize(columns, lines)

    def resize(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.cells = [[' '] * columns for _ in range(lines)]
        self.row = self.column = 0

    def feed(self, text):
        """Returns what is left: half of a sequence."""
        at = 0
        while at < len(text):
            if text[at] == '\033':
                m = self.SEQUENCE.match(text, at)
                if m is None:
                    assert len(text) - at < 20, 'an unknown sequence: %r' % text[at:at + 20]
                    return text[at:]
                self.obey(m[1], m[2])
                at = m.end()
            else:
                self.put(text[at])
                at += 1
        return ''

    def obey(self, parameters, letter):
        if letter == 'H':
            row, column = [int(x) for x in (parameters or '1;1').split(';')]
            assert 1 <= row <= self.lines and column == 1, (row, column)
            self.row, self.column = row - 1, 0
        elif letter == 'K':
            assert self.column < self.columns
            self.cells[self.row][self.column:] = [' '] * (self.columns - self.column)
        elif letter == 'J':
            for row in range(0 if parameters == '2' else self.row, self.lines):
                self.cells[row] = [' '] * self.columns
        elif letter in 'hl' and parameters in ('?1049', '?25', '?7'):
            setattr(self, {'?1049': 'alternate', '?25': 'cursor', '?7': 'wraps'}[parameters], letter == 'h')
        else:
            assert letter == 'm', 'an unknown sequence: %s%s' % (parameters, letter)

    def put(self, c):
        if not self.alternate:
            self.main += c
            return
        assert unicodedata.category(c)[0] != 'C', 'a control: %r' % c
        wide = 2 if unicodedata.east_asian_width(c) in 'WF' else 1
        assert self.column + wide <= self.columns, 'the line is full: %r' % ''.join(self.cells[self.row])
        self.cells[self.row][self.column:self.column + wide] = [c] + [''] * (wide - 1)
        self.column += wide

    def text(self):
        return '\n'.join(''.join(line).rstrip() for line in self.cells)


class Session:
    """nixie on a terminal of its own that a test looks at, types on and resizes."""

    def __init__(self, site, *args, columns=80, lines=24, env=None):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.screen, self.rest = Screen(columns, lines), b''
        self.half, self.sequences = '', ''
        self._size(columns, lines)
        environ = dict(os.environ, LC_ALL='C.UTF-8', TERM='xterm', TZ='UTC')
        environ.pop('NO_COLOR', None)
        environ.update(env or {})
        self.process = subprocess.Popen([binary('nixie'), '-c', site.conf_path] + list(args), stdin=slave, stdout=slave, stderr=slave,
                                        env=environ, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def _size(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))

    def resize(self, columns, lines):
        self.update()
        self.screen.resize(columns, lines)
        self._size(columns, lines)

    def update(self):
        """Takes what was written; the text on the screen."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                got = os.read(self.master, 65536)
            except OSError:
                break
            if not got:
                break
            decoder = codecs.getincrementaldecoder('utf-8')()
            text = decoder.decode(self.rest + got)
            self.rest = decoder.getstate()[0]
            self.sequences += text
            self.half = self.screen.feed(self.half + text)
        return self.screen.text()

    def wait(self, *words, gone=()):
        """Until all of these are on the screen, and none of those."""
        def seen():
            text = self.update()
            return all(w in text for w in words) and not any(w in text for w in gone)
        try:
            wait_until(seen, ' and '.join(words))
        except AssertionError as e:
            raise AssertionError('%s; there is:\n%s' % (e, self.screen.text()))
        return self.screen.text()

    def wait_main(self, *words):
        """Until all of these were written, with their colours, by a program that does not take the whole screen."""
        def written():
            self.update()
            return all(w in self.sequences for w in words)
        try:
            wait_until(written, ' and '.join(map(repr, words)))
        except AssertionError as e:
            raise AssertionError('%s; there is:\n%r' % (e, self.sequences))
        return self.sequences

    def type(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """Its exit status, when it ended by itself; the terminal is as it was."""
        def ended():
            self.update()
            return self.process.poll() is not None
        wait_until(ended, 'end of nixie')
        self.update()
        return self.process.returncode

    def is_restored(self):
        s = self.screen
        return not s.alternate and s.cursor and s.wraps and termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.slave)
        os.close(self.master)
