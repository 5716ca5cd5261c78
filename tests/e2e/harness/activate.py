"""Starts a program as systemd does with a .socket unit: sockets that are listened on already, as descriptors 3, 4, ...

usage: activate.py [NAME=ENDPOINT]... [--names NAMES] -- PROGRAM ARGUMENT...
ENDPOINT is unix:PATH, inet:HOST:PORT or dgram:PATH; --names is for LISTEN_FDNAMES as it stands, "none" for none.
"""
import os
import socket
import sys


def open_socket(endpoint):
    kind, _, where = endpoint.partition(':')
    if kind == 'inet':
        s = socket.socket(socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((where.rpartition(':')[0], int(where.rpartition(':')[2])))
    else:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind == 'unix' else socket.SOCK_DGRAM)
        s.bind(where)
        os.chmod(where, 0o666)
    if kind != 'dgram':
        s.listen(100)
    return s


def main(argv):
    at = argv.index('--')
    ours, program = argv[:at], argv[at + 1:]
    fixed = None
    if '--names' in ours:
        fixed = ours[ours.index('--names') + 1]
        ours = ours[:ours.index('--names')]
    pairs = [word.split('=', 1) for word in ours]
    sockets = [open_socket(endpoint) for _, endpoint in pairs]
    above = [os.dup2(s.fileno(), 100 + n) for n, s in enumerate(sockets)]     # out of the way of 3, 4, ...
    for n, fd in enumerate(above):
        os.dup2(fd, 3 + n, inheritable=True)
    names = fixed if fixed is not None else ':'.join(name for name, _ in pairs)
    environ = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(pairs)))
    if names != 'none':
        environ['LISTEN_FDNAMES'] = names
    os.closerange(100, 100 + len(above))
    os.execve(program[0], program, environ)


main(sys.argv[1:])
