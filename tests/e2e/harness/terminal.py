"""nixie on a terminal of so many columns: what a person sees."""
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios

from .nixie import binary
from .proc import LIMIT


def on_terminal(site, *args, columns=80, env=None):
    """Exit status, and the text with its escape sequences; standard error is not on it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))
    environ = dict(os.environ, LC_ALL='C.UTF-8', TERM='xterm', TZ='UTC')
    environ.pop('NO_COLOR', None)
    environ.update(env or {})
    with subprocess.Popen([binary('nixie'), '-c', site.conf_path] + list(args), stdin=subprocess.DEVNULL,
                          stdout=slave, env=environ, start_new_session=True) as p:
        os.close(slave)
        signal.alarm(int(LIMIT))
        out = b''
        try:
            while True:
                try:
                    got = os.read(master, 65536)
                except OSError:     # the other side is closed
                    break
                if not got:
                    break
                out += got
        finally:
            signal.alarm(0)
            os.close(master)
    return p.returncode, out.decode('utf-8').replace('\r\n', '\n')


def plain(text):
    return re.sub('\033\\[[0-9;]*m', '', text)
