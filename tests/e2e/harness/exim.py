"""A private Exim 4.96 that accepts mail at RCPT and has no route out."""
import os
import pwd
import shutil
import smtplib
import subprocess

from .nixie import REPOSITORY
from .proc import Child, free_port, wait_until

SNIPPET = os.path.join(REPOSITORY, 'contrib', 'exim', 'nixie-acl.conf')
FETCH = os.path.join(REPOSITORY, 'contrib', 'debian', 'get-exim.sh')

CONF = '''\
NIXIE_SOCKET = {socket}
primary_hostname = mx.nixie.test
exim_path = {exim}
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
local_interfaces = 127.0.0.1
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
smtputf8_advertise_hosts = *
keep_environment = LD_LIBRARY_PATH
queue_only = true
acl_smtp_rcpt = acl_check_rcpt

begin acl
acl_check_rcpt:
  .include {snippet}
  accept

begin routers
nowhere:
  driver = redirect
  data = :fail: no route out
  allow_fail

begin transports
begin retry
* * F,1m,1m
'''


def find():
    """A runnable exim4: Debian's, or one unpacked beside Postfix."""
    installed = shutil.which('exim4', path='/usr/sbin')
    if installed:
        return installed
    done = subprocess.run(['sh', FETCH], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise AssertionError('exim4 is missing and %s failed:\n%s' % (FETCH, done.stderr))
    return done.stdout.split()[-1]


class Exim:
    def __init__(self, directory, policy_socket):
        if os.geteuid() != 0:
            raise AssertionError('needs root: run sudo make check')
        self.program = find()
        self.directory = os.path.join(directory, 'exim')
        os.mkdir(self.directory, 0o755)
        owner = pwd.getpwnam('Debian-exim')
        for d in 'spool', 'log':
            os.mkdir(os.path.join(self.directory, d), 0o750)
            os.chown(os.path.join(self.directory, d), owner.pw_uid, owner.pw_gid)
        self.port, self.child = free_port(), None
        self.conf = os.path.join(self.directory, 'exim.conf')
        with open(self.conf, 'w') as f:
            f.write(CONF.format(socket=policy_socket, exim=self.program, dir=self.directory,
                                snippet=SNIPPET))

    def start(self):
        args = [self.program, '-C', self.conf, '-bdf', '-oX', str(self.port),
                '-oP', os.path.join(self.directory, 'pid')]
        self.child = Child('exim', args, os.path.join(self.directory, 'start.log'))
        wait_until(self._up, 'SMTP greeting from Exim', child=self.child)
        return self

    def _up(self):
        try:
            with self.client():
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def stop(self):
        if self.child is not None:
            self.child.kill()

    def client(self):
        return smtplib.SMTP('127.0.0.1', self.port, local_hostname='client.test', timeout=60)

    def log(self):
        try:
            with open(os.path.join(self.directory, 'log', 'mainlog'), errors='replace') as f:
                return f.read()
        except FileNotFoundError:
            return ''

    def rcpt(self, recipient, sender='sender@nixie.test'):
        """The reply to one RCPT TO: (code, text). recipient goes out exactly as given."""
        with self.client() as c:
            c.ehlo()
            # Not through smtplib's commands: hostile addresses go out as they are.
            for verb, address in ('MAIL FROM', sender), ('RCPT TO', recipient):
                address = address if isinstance(address, bytes) else address.encode()
                c.send(verb.encode() + b':<' + address + b'>\r\n')
                code, text = c.getreply()
                if code != 250:
                    break
            return code, text.decode('utf-8', 'replace')
