"""A systemd of the test's own, as process 1 of a container: the units as they are shipped, really started.

Everything it sees is a layer over the files of this host, in memory; its cgroup, processes, mounts and network
are its own. It needs root, overlayfs and a cgroup2 hierarchy; SkipTest says what is missing.
"""
import os
import shutil
import subprocess
import unittest

from .nixie import REPOSITORY, binary
from .proc import LIMIT, Child, kill_at_exit, wait_until

SYSTEMD = '/lib/systemd/systemd'
PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
UNITS = os.path.join(REPOSITORY, 'contrib', 'systemd')

# $1: a directory for the layer, $2: what is laid over, before it begins
BOOT = r'''
set -e
layer=$1 files=$2 root=$1/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for own in run tmp var/log var/spool; do mount -t tmpfs -o mode=755 tmpfs "$root/$own"; done
chmod 1777 "$root/tmp"
mkdir -p "$root/var/spool/postfix"
rm -rf "$root/etc/systemd/system" "$root/etc/nixie" "$root/var/lib/nixie" "$root/var/lib/nixie-redis"
cp -a "$files/." "$root/"
cd "$root"
mkdir old
pivot_root . old
umount -l /old
rmdir /old
exec </dev/null
exec env -i container=nixie PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=nixie-test.target --log-target=null
'''


def cgroup2():
    """Where the second hierarchy is mounted."""
    with open('/proc/mounts') as f:
        for line in f:
            fields = line.split()
            if fields[2] == 'cgroup2':
                return fields[1]
    raise unittest.SkipTest('no systemd of our own here: there is no cgroup2 hierarchy')


class Cgroup:
    """One of ours, and what is below it; gone when all in it is."""

    def __init__(self):
        self.path = os.path.join(cgroup2(), 'nixie-test-%d' % os.getpid())
        try:
            os.mkdir(self.path)
        except OSError as e:
            raise unittest.SkipTest('no systemd of our own here: %s' % e) from None

    def enter(self):
        return ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.path]

    def kill(self):
        for directory, _, _ in os.walk(self.path, topdown=False):
            wait_until(lambda: self._removed(directory), 'end of the processes in ' + directory)

    @staticmethod
    def _removed(directory):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True


class Systemd:
    """files: {path: text} that are there when it begins."""

    def __init__(self, directory, files):
        if os.geteuid() != 0:
            raise unittest.SkipTest('no systemd of our own here: only root can start one')
        for program in (SYSTEMD, 'unshare', 'nsenter', 'systemctl'):
            if shutil.which(program) is None:
                raise unittest.SkipTest('no systemd of our own here: %s is missing' % program)
        self.layer, self.files = os.path.join(directory, 'layer'), os.path.join(directory, 'files')
        os.mkdir(self.layer)
        self._install(files)
        self.cgroup = Cgroup()
        self.child = Child('systemd', self.cgroup.enter() + ['unshare', '--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--fork',
                                                             '--kill-child', 'sh', '-c', BOOT, 'sh', self.layer, self.files],
                           os.path.join(directory, 'systemd.log'))
        kill_at_exit(self.cgroup)   # after what is in it
        self.init = None
        try:
            wait_until(lambda: self.child.poll() is not None or self._is_up(), 'systemd', 2 * LIMIT)
        except AssertionError:
            self.stop()
            raise
        if self.child.poll() is not None:
            self.stop()
            raise unittest.SkipTest('no systemd of our own here: ' + self.child.log().strip())

    def _install(self, files):
        """As `make install` does."""
        shutil.copytree(UNITS, os.path.join(self.files, 'etc/systemd/system'), ignore=shutil.ignore_patterns('*.d', 'README.md'))
        for kind in ('sysusers.d', 'tmpfiles.d'):
            shutil.copytree(os.path.join(UNITS, kind), os.path.join(self.files, 'usr/lib', kind))
        for name, where in (('nixie', 'bin'), ('nixie-policyd', 'sbin'), ('nixie-logtail', 'sbin')):
            os.makedirs(os.path.join(self.files, 'usr/local', where), exist_ok=True)
            shutil.copy(binary(name), os.path.join(self.files, 'usr/local', where))
        shutil.copytree(os.path.join(REPOSITORY, 'conf/rules.d'), os.path.join(self.files, 'usr/local/share/nixie/rules.d'))
        files = {'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
                 'etc/hostname': 'nixie-test\n',
                 # a program with a sanitizer cannot look for leaks in a sandbox
                 'etc/systemd/system.conf.d/test.conf': '[Manager]\nDefaultEnvironment=ASAN_OPTIONS=detect_leaks=0\n',
                 'etc/systemd/system/nixie-test.target': '[Unit]\nDescription=nothing yet\n', **files}
        for path, text in files.items():
            path = os.path.join(self.files, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
        for directory, _, _ in os.walk(self.files):
            os.chmod(directory, 0o755)

    def _is_up(self):
        try:
            if self.init is None:
                with open('/proc/%d/task/%d/children' % (self.child.pid, self.child.pid)) as f:
                    self.init = next((int(pid) for pid in f.read().split()), None)
                return False
            with open('/proc/%d/comm' % self.init) as f:
                begun = f.read() == 'systemd\n'
        except FileNotFoundError:       # it has just ended, which the next look finds
            return False
        return begun and self.run('systemctl', 'is-system-running').stdout.strip() == 'running'

    def run(self, *args, stdin=None):
        """In its container, to its end."""
        return subprocess.run(['nsenter', '-t', str(self.init), '-m', '-p', '-u', '-i', '-n', '-C', '--'] + list(args), stdin=subprocess.PIPE if stdin else
                              subprocess.DEVNULL, input=stdin, env=dict(os.environ, PATH=PATH), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=2 * LIMIT, check=False)

    def ok(self, *args):
        done = self.run(*args)
        if done.returncode != 0:
            raise AssertionError('%s: status %d: %s%s' % (' '.join(args), done.returncode, done.stdout, done.stderr))
        return done.stdout

    def show(self, unit, *properties):
        """Values of its properties, in their order."""
        lines = self.ok('systemctl', 'show', '--property=' + ','.join(properties), unit).splitlines()
        found = dict(line.split('=', 1) for line in lines)
        values = [found[p] for p in properties]
        return values[0] if len(values) == 1 else values

    def path(self, path):
        """The same file, for those outside."""
        return '/proc/%d/root%s' % (self.init, path)

    def pid(self, inner):
        """The number of a process, for those outside."""
        for name in os.listdir('/proc'):
            if not name.isdigit():
                continue
            try:
                with open('/proc/%s/status' % name) as f:
                    numbers = next((line.split()[1:] for line in f if line.startswith('NSpid:')), [])
                same = os.readlink('/proc/%s/ns/pid' % name) == os.readlink('/proc/%d/ns/pid' % self.init)
            except OSError:
                continue
            if same and numbers[-1] == str(inner):
                return int(name)
        raise AssertionError('no process %s' % inner)

    def stop(self):
        self.child.kill()
        self.cgroup.kill()
