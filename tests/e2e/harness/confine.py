"""Runs a program under the system call filter of a systemd unit, as systemd makes it: by libseccomp.

usage: /usr/bin/python3 confine.py [--deadly] UNIT -- PROGRAM ARGUMENT...
What the unit forbids gets EPERM; with --deadly it ends the program, so that nothing of it can be missed.
SystemCallFilter=, RestrictAddressFamilies=, MemoryDenyWriteExecute= and LimitNOFILE= are applied.
"""
import os
import re
import resource
import socket
import subprocess
import sys

import seccomp

PROT_WRITE, PROT_EXEC = 2, 4


def settings(path):
    """{name: [value, ...]} of the section Service."""
    found, section = {}, None
    with open(path, encoding='utf-8') as f:
        for line in f.read().replace('\\\n', ' ').splitlines():
            if line.startswith('['):
                section = line
            elif section == '[Service]' and '=' in line and not line.startswith('#'):
                name, value = line.split('=', 1)
                found.setdefault(name, []).append(value.strip())
    return found


def expand(word):
    """System calls of "@group" or of a name, by systemd's own table."""
    if not word.startswith('@'):
        return {word}
    out = subprocess.run(['systemd-analyze', 'syscall-filter', '--no-pager', word], stdout=subprocess.PIPE, check=True,
                         universal_newlines=True).stdout
    calls = set()
    for member in re.findall(r'^ +([@a-z]\S*)$', out, re.M):
        calls |= expand(member)
    return calls


def allowed(lines):
    calls = set()
    for line in lines:
        taken = line.startswith('~')
        for word in line.lstrip('~').split():
            calls = calls - expand(word) if taken else calls | expand(word)
    return calls


def make_filter(unit, action):
    f = seccomp.SyscallFilter(action)
    conditions = {}
    if 'RestrictAddressFamilies' in unit:
        families = ' '.join(unit['RestrictAddressFamilies']).split()
        conditions['socket'] = [seccomp.Arg(0, seccomp.EQ, getattr(socket, family)) for family in families]
    if unit.get('MemoryDenyWriteExecute') == ['yes']:
        conditions['mmap'] = [seccomp.Arg(2, seccomp.MASKED_EQ, PROT_WRITE | PROT_EXEC, bits) for bits in (0, PROT_WRITE, PROT_EXEC)]
        conditions['mprotect'] = [seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0)]
    for call in sorted(allowed(unit['SystemCallFilter'])):
        try:
            for condition in conditions.get(call, [None]):
                f.add_rule(seccomp.ALLOW, call, *([condition] if condition else []))
        except RuntimeError:
            pass    # of another architecture
    return f


def main(argv):
    at = argv.index('--')
    unit = settings(argv[at - 1])
    soft = int(unit['LimitNOFILE'][0])
    f = make_filter(unit, seccomp.KILL_PROCESS if '--deadly' in argv[:at] else seccomp.ERRNO(1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
    f.load()
    os.execv(argv[at + 1], argv[at + 1:])


main(sys.argv[1:])
