"""A private Exim 4.96: it accepts mail at RCPT, and has no route out or delivers to a sink."""
import os
import pwd
import re
import shutil
import smtplib
import subprocess

from .nixie import REPOSITORY
from .proc import Child, free_port, tail, wait_until

PATIENCE = 5
# the files of contrib/exim that it includes
SNIPPETS = {'snippet': 'nixie-acl.conf', 'ask': 'nixie-ask.conf', 'router': 'nixie-router.conf', 'campaign': 'nixie-campaign.conf'}
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

# Everything goes to the sink, but for a domain of this host's own.
DELIVERING = '''\
NIXIE_SOCKET = {socket}
primary_hostname = mx.nixie.test
exim_path = {exim}
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
timezone = UTC
{log}
local_interfaces = 127.0.0.1
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
keep_environment = LD_LIBRARY_PATH
auth_advertise_hosts = *
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data

begin acl
.include {ask}
acl_check_rcpt:
  .include {snippet}
  require verify = sender
  accept
acl_check_data:
  .include {campaign}
  accept

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = yes
  server_set_id = $auth2

begin routers
.include {router}
aliases:
  driver = redirect
  domains = nixie.test
  data = ${{if match{{$local_part}}{{\\N^alias-(.*)$\\N}}{{target-$1@nixie.test}}}}
piped:
  driver = redirect
  domains = local.nixie.test
  local_parts = piped
  data = "|/bin/cat"
  pipe_transport = pipe
  user = Debian-exim
mailboxes:
  driver = accept
  domains = local.nixie.test
  local_parts = anna : full
  transport = mailbox
sink:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = sink

begin transports
mailbox:
  driver = appendfile
  file = {dir}/mail/$local_part_data
  user = Debian-exim
  quota = ${{if eq{{$local_part}}{{full}}{{1}}{{100M}}}}
pipe:
  driver = pipe
sink:
  driver = smtp
  port = {sink}
  allow_localhost
  hosts_try_fastopen =

begin retry
* * F,{retry},1s
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
    def __init__(self, directory, policy_socket, sink=None, log='', retry='1h', patience=60):
        """sink: a port that all mail is delivered to; log: options about logging; patience: so many seconds the snippets
        wait for an answer, PATIENCE as they are shipped, which a busy machine may need."""
        if os.geteuid() != 0:
            raise AssertionError('needs root: run sudo make check')
        self.program = find()
        self.directory = os.path.join(directory, 'exim')
        os.mkdir(self.directory, 0o755)
        owner = pwd.getpwnam('Debian-exim')
        for d in 'spool', 'log', 'mail':
            os.mkdir(os.path.join(self.directory, d), 0o750)
            os.chown(os.path.join(self.directory, d), owner.pw_uid, owner.pw_gid)
        self.port, self.child = free_port(), None
        self.conf = os.path.join(self.directory, 'exim.conf')
        self.log_path = os.path.join(self.directory, 'log', 'mainlog')
        self.values = dict(socket=policy_socket, exim=self.program, dir=self.directory, sink=sink, log=log, retry=retry)
        for name, snippet in SNIPPETS.items():
            # a copy: what delivers is not root, and may not enter where this repository is
            self.values[name] = os.path.join(directory, snippet)
            with open(os.path.join(REPOSITORY, 'contrib', 'exim', snippet)) as f, open(self.values[name], 'w') as to:
                to.write(f.read().replace('}{%ds:shutdown=yes}' % PATIENCE, '}{%ds:shutdown=yes}' % patience))
        self.configure()

    def configure(self, **values):
        """Write the configuration, with these of its values changed; for the next process of Exim."""
        with open(self.conf, 'w') as f:
            f.write((DELIVERING if self.values['sink'] else CONF).format(**{**self.values, **values}))

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
            with open(self.log_path, errors='replace') as f:
                return f.read()
        except FileNotFoundError:
            return ''

    def wait_log(self, *words, count=1, action=None):
        """Wait until count lines of the main log hold all the words; return them."""
        def lines():
            found = [x for x in self.log().split('\n')[:-1] if all(w in x for w in words)]      # whole lines
            if len(found) < count and action:
                action()
            return found if len(found) >= count else None
        try:
            return wait_until(lines, 'line with %r in the main log' % (words,))
        except AssertionError as e:
            raise AssertionError('%s\n%s' % (e, tail(self.log(), 20))) from None

    def flush(self):
        """Try all mail in the queue now, whatever the retry times say; returns when that is done, also for what
        another process, which has logged its result, had not let go of yet."""
        def tried():
            before = len(self.log())
            subprocess.run([self.program, '-C', self.conf, '-qff'], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return 'Spool file is locked' not in self.log()[before:]
        wait_until(tried, 'queue that nobody else works on')

    def empty_queue(self):
        """Also of what another process has just then."""
        spool = os.path.join(self.directory, 'spool', 'input')

        def emptied():
            waiting = sorted(name[:-2] for name in os.listdir(spool) if name.endswith('-H'))
            if waiting:
                subprocess.run([self.program, '-C', self.conf, '-Mrm'] + waiting, check=False,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return not waiting
        wait_until(emptied, 'empty queue')

    def send(self, *recipients, sender='sender@nixie.test', login=None, headers=b''):
        """One message; returns its id. Every recipient must be accepted."""
        with self.client() as c:
            c.ehlo()
            if login:
                c.login(login, 'secret')
            c.mail(sender)
            for r in recipients:
                code, text = c.rcpt(r)
                if code != 250:
                    raise AssertionError('RCPT TO:<%s>: %d %s' % (r, code, text.decode()))
            code, text = c.data(headers + b'Subject: a "test" for gone@nixie.test\r\n'
                                b'Message-ID: <%s@client.test>\r\n\r\ntest\r\n' % os.urandom(6).hex().encode())
            if code != 250:
                raise AssertionError('end of data: %d %s' % (code, text.decode()))
            return text.decode().rsplit('id=', 1)[-1]

    def submit(self, *recipients, sender='sender@nixie.test'):
        """One message of a program on this host, into the queue; returns its id."""
        name = '%s@program.test' % os.urandom(6).hex()     # Exim itself submits mail, too: what it returns to senders
        subprocess.run([self.program, '-C', self.conf, '-odq', '-f', sender, *recipients], check=True,
                       input=b'Message-ID: <%s>\nSubject: test\n\ntest\n' % name.encode())
        line, = self.wait_log(' <= ', 'P=local', 'id=' + name)
        return re.search(r' (\S+) <= ', line)[1]

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
