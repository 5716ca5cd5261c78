"""File systems of a test's own: in a mount namespace that ends with the test, seen from outside below /proc."""
import os
import shutil
import unittest

from .proc import Child, wait_until


class Mounts:
    """Runs the mount(8) arguments; prefix is for programs that shall see the result."""

    def __init__(self, directory, *args):
        if shutil.which('unshare') is None or shutil.which('nsenter') is None:
            raise unittest.SkipTest('unshare(1) or nsenter(1) of util-linux is missing')
        user = [] if os.geteuid() == 0 else ['-U', '-r']
        self.child = Child('unshare', ['unshare'] + user + ['-m', 'sh', '-c', 'mount "$@" && echo mounted && exec sleep 1000', 'sh']
                           + list(args), os.path.join(directory, 'mounts.log'))
        wait_until(lambda: 'mounted' in self.child.log() or self.child.poll() is not None, 'mount')
        if self.child.poll() is not None:
            raise unittest.SkipTest('no mounts in a namespace of our own here: ' + self.child.log().strip())
        self.prefix = ['nsenter', '-t', str(self.child.pid), '-m'] + (['-U', '--preserve-credentials'] if user else []) + ['--']
        self.stop = self.child.kill

    def path(self, path):
        """The same file, for those outside."""
        return '/proc/%d/root%s' % (self.child.pid, path)


def user_namespace(limit):
    """The prefix for a program that has no more than its own share of a resource: limit is 'max_inotify_watches=0'."""
    name, value = limit.split('=')
    return ['unshare', '-U', '-r', 'sh', '-c', 'echo %s > /proc/sys/user/%s && exec "$@"' % (value, name), 'sh']
