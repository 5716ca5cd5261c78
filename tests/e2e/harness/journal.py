"""Real journal files, made by systemd-journal-remote out of lines of a mail log."""
import os
import re
import subprocess
import time
import uuid

PROGRAM = '/lib/systemd/systemd-journal-remote'
LINE = re.compile(r'(\S+) (\S+) ([^\[: ]+)(?:\[(\d+)\])?: (.*)\n?', re.S)


def field(name, value):
    """In the export format: binary when there is a newline in it."""
    data = value if isinstance(value, bytes) else str(value).encode('utf-8', 'surrogateescape')
    if b'\n' in data:
        return b'%s\n%s%s\n' % (name.encode(), len(data).to_bytes(8, 'little'), data)
    return b'%s=%s\n' % (name.encode(), data)


class Journal:
    """One host's: entries are numbered and timed on over all of its files."""

    def __init__(self, directory):
        self.directory, self.n = directory, 0
        self.boot, self.machine = uuid.uuid4().hex, uuid.uuid4().hex
        self.begin_us = int(time.time() * 1e6) - 3600 * 1000000
        os.makedirs(directory, exist_ok=True)

    def path(self, name):
        return os.path.join(self.directory, name + '.journal')

    def entry(self, **fields):
        """SYSLOG_FACILITY=2 is mail; None leaves a field out."""
        self.n += 1
        values = {'__REALTIME_TIMESTAMP': self.begin_us + self.n * 1000, '__MONOTONIC_TIMESTAMP': 1000000 + self.n * 1000,
                  '_BOOT_ID': self.boot, '_MACHINE_ID': self.machine, '_HOSTNAME': 'mx1', '_TRANSPORT': 'syslog',
                  'SYSLOG_FACILITY': 2, 'PRIORITY': 6}
        values.update(fields)
        return b''.join(field(k, v) for k, v in values.items() if v is not None) + b'\n'

    def entries(self, text, **fields):
        """Of lines with a stamp, which is not used: host tag[pid]: message."""
        out = []
        for line in text.splitlines(keepends=True):
            _, host, tag, pid, message = LINE.fullmatch(line).groups()
            out.append(self.entry(_HOSTNAME=host, SYSLOG_IDENTIFIER=tag, SYSLOG_PID=pid, _PID=pid, _COMM=tag.split('/')[-1],
                                  MESSAGE=message.rstrip('\n'), **fields))
        return b''.join(out)

    def write(self, text, name='system', **fields):
        """Append lines, or entries that are made already, to a file of the journal."""
        data = text if isinstance(text, bytes) else self.entries(text, **fields)
        if not os.path.exists(PROGRAM):
            raise AssertionError('%s is missing: install systemd-journal-remote' % PROGRAM)
        done = subprocess.run([PROGRAM, '-o', self.path(name), '-'], input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise AssertionError('systemd-journal-remote: %s' % done.stdout.decode('utf-8', 'replace'))
