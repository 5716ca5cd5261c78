"""A private Postfix that can never send mail out.

No DNS, its source address is loopback, and every destination but the sink is an
error. What nixie recommends is read from contrib/postfix/main.cf.nixie itself.
"""
import os
import pwd
import re
import shutil
import signal
import smtplib
import subprocess
import time

from .nixie import REPOSITORY
from .proc import LIMIT, Child, free_port, kill_at_exit, tail, wait_until

SNIPPET = os.path.join(REPOSITORY, 'contrib', 'postfix', 'main.cf.nixie')
# Its start script ends at once when it meets one of its own that is not gone yet, or a machine out of breath; nothing of nixie runs by then.
STARTS = 3
# One that talks to a client of the test goes on for as long as that does.
BUSY_S = 5

MAIN_CF = '''\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
sendmail_path = /usr/sbin/sendmail
mail_owner = postfix
setgid_group = postdrop
maillog_file = {log}
maillog_file_prefixes = {logdir}
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ=UTC
myhostname = mx.nixie.test
mydomain = nixie.test
mydestination =
local_recipient_maps =
local_transport = error:5.1.1 no local delivery
alias_maps =
alias_database =
virtual_alias_maps = inline:{{ {{ alias@nixie.test = target@nixie.test }} }}
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_bind_address = 127.0.0.1
smtp_tls_security_level = none
smtpd_tls_security_level = none
default_transport = error:5.4.4 no route out
relay_transport = error:5.4.4 no route out
virtual_transport = error:5.4.4 no route out
transport_maps = inline:{{ {{ nixie.test = smtp:[127.0.0.1]:{sink} }} }}
smtp_destination_recipient_limit = 1
smtp_address_preference = ipv4
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
notify_classes =
in_flow_delay = 0
minimal_backoff_time = 300s
queue_run_delay = 300s
'''

MASTER_CF = '''\
127.0.0.1:{port} inet n - n - - smtpd
pickup     unix n - n 60 1 pickup
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
verify     unix - - n - 1 verify
flush      unix n - n 1000? 0 flush
proxymap   unix - - n - - proxymap
smtp       unix - - n - - smtp
relay      unix - - n - - smtp
showq      unix n - n - - showq
error      unix - - n - - error
retry      unix - - n - - error
discard    unix - - n - - discard
anvil      unix - - n - 1 anvil
scache     unix - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
'''


class Postfix:
    def __init__(self, directory, sink_port, log):
        if os.geteuid() != 0:
            raise AssertionError('needs root: run sudo make check')
        if shutil.which('postfix', path='/usr/sbin:/usr/local/sbin') is None:
            raise AssertionError('postfix is missing: install postfix')
        self.directory = os.path.join(directory, 'postfix')
        self.etc = os.path.join(self.directory, 'etc')
        self.spool = os.path.join(self.directory, 'spool')
        for d in self.directory, self.etc, self.spool:
            os.mkdir(d, 0o755)
        data = os.path.join(self.directory, 'data')
        os.mkdir(data, 0o700)
        os.chown(data, pwd.getpwnam('postfix').pw_uid, -1)
        self.log_path, self.port, self.child = log, free_port(), None
        # What the snippet calls unix:nixie/policy.
        self.policy_path = os.path.join(self.spool, 'nixie', 'policy')
        os.mkdir(os.path.dirname(self.policy_path), 0o755)
        with open(SNIPPET) as f:
            snippet = f.read()
        main = MAIN_CF.format(dir=self.directory, log=log, logdir=os.path.dirname(log),
                              sink=sink_port)
        with open(os.path.join(self.etc, 'main.cf'), 'w') as f:
            f.write(main + '\n' + snippet)
        with open(os.path.join(self.etc, 'master.cf'), 'w') as f:
            f.write(MASTER_CF.format(port=self.port))
        self.cool()

    def cool(self):
        """After each change of main.cf: every program of Postfix waits until it is two seconds old
        before it believes what is in it. This one is written by now."""
        path = os.path.join(self.etc, 'main.cf')
        if os.path.exists(path):
            os.utime(path, (time.time() - 60,) * 2)

    def edit(self, *args):
        """postconf(1): -e name=value..., -M..., -P..."""
        self.cool()
        subprocess.run(['postconf', '-c', self.etc, *args], check=True)
        self.cool()

    def configure(self, master='', **parameters):
        """Before start(): parameters of main.cf, and more services."""
        if parameters:
            self.edit('-e', *('%s=%s' % item for item in parameters.items()))
        with open(os.path.join(self.etc, 'master.cf'), 'a') as f:
            f.write(master)

    @staticmethod
    def commented():
        """What the snippet has for those who want it: name -> value."""
        with open(SNIPPET) as f:
            return dict(re.findall(r'^#(\w+) = (.*)$', f.read(), re.M))

    def start(self):
        kill_at_exit(self)
        for attempt in range(STARTS):
            self.child = Child('postfix', ['postfix', '-c', self.etc, 'start-fg'],
                               os.path.join(self.directory, 'start.log'))
            try:
                wait_until(self._up, 'SMTP greeting from Postfix', 2 * LIMIT, self.child)
                return self
            except AssertionError as e:
                if attempt == STARTS - 1 or self.child.poll() is None:
                    raise AssertionError('%s\n%s' % (e, tail(self.log(), 8))) from None     # which has the reason
            self.kill()

    def _up(self):
        try:
            with self.client():
                return True
        except (OSError, smtplib.SMTPException):
            return False

    def kill(self):
        # master leads a process group of its own and takes its daemons with it.
        try:
            with open(os.path.join(self.spool, 'pid', 'master.pid')) as f:
                pid = int(f.read())
            if os.readlink('/proc/%d/cwd' % pid) == self.spool:
                os.killpg(pid, signal.SIGKILL)
        except (OSError, ValueError):
            pass
        if self.child is not None:
            self.child.kill()
            self.child = None

    stop = kill

    def client(self, port=None):
        return smtplib.SMTP('127.0.0.1', port or self.port, local_hostname='client.test', timeout=60)

    def set(self, **parameters):
        """Change main.cf and make every daemon read it. An smtpd may take one more client before it hears of it."""
        self.edit('-e', *('%s=%s' % item for item in parameters.items()))
        reloads, old = self.log().count('reload -- version'), self.daemons('smtpd')
        subprocess.run(['postfix', '-c', self.etc, 'reload'], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        wait_until(lambda: self.log().count('reload -- version') > reloads, 'reload of Postfix')
        end = time.monotonic() + BUSY_S
        while old & self.daemons('smtpd') and time.monotonic() < end:
            time.sleep(0.01)

    def daemons(self, name):
        """The processes of this one's master that have the name."""
        with open(os.path.join(self.spool, 'pid', 'master.pid')) as f:
            master = f.read().strip()
        found = set()
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                with open('/proc/%s/stat' % pid) as f:
                    before, _, behind = f.read().rpartition(')')
            except OSError:     # it has ended
                continue
            if before.partition('(')[2] == name and behind.split()[1] == master:
                found.add(int(pid))
        return found

    def wait_deferred(self, qid):
        """Until it lies in the queue for what is tried again later: qmgr takes it there after the result is logged."""
        def lies_there():
            return any(qid in names for _, _, names in os.walk(os.path.join(self.spool, 'deferred')))
        lines = self.wait_log(qid, 'status=deferred')
        wait_until(lies_there, 'deferred message ' + qid)
        return lines

    def flush(self):
        """Try all deferred mail now, also what has just been logged as deferred: until the queue manager has put that
        back, it is active, and not tried."""
        wait_until(lambda: not os.listdir(os.path.join(self.spool, 'active')), 'queue that nobody works on')
        subprocess.run(['postqueue', '-c', self.etc, '-f'], check=True)

    def postsuper(self, *args):
        subprocess.run(['postsuper', '-c', self.etc, *args], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def empty_queue(self):
        """So that the next flush() is about the next test's mail only."""
        self.postsuper('-d', 'ALL')

    def log(self):
        try:
            with open(self.log_path, encoding='utf-8', errors='replace') as f:
                return f.read()
        except FileNotFoundError:
            return ''

    def wait_log(self, *words, count=1, action=None):
        """Wait until count lines of the mail log hold all the words; return them."""
        def lines():
            found = [x for x in self.log().split('\n')[:-1] if all(w in x for w in words)]      # whole lines
            if len(found) >= count:
                return found
            if action:
                action()
            return None
        try:
            return wait_until(lines, 'line with %r in the mail log' % (words,))
        except AssertionError as e:
            raise AssertionError('%s\n%s' % (e, tail(self.log(), 20))) from None

    def rcpt(self, recipient, sender='sender@nixie.test', port=None):
        """The reply to one RCPT TO, nothing sent: (code, text)."""
        with self.client(port) as c:
            c.ehlo()
            c.mail(sender)
            code, text = c.rcpt(recipient)
            return code, text.decode('utf-8', 'replace')

    def send(self, *recipients, sender='sender@nixie.test', headers=b'', options='', port=None):
        """One message; returns its queue id. Every recipient must be accepted."""
        with self.client(port) as c:
            c.ehlo()
            # Not through smtplib's commands: odd addresses go out as they are.
            for line in ['MAIL FROM:<%s>%s' % (sender, options)] + ['RCPT TO:<%s>' % r for r in recipients]:
                c.send(line.encode() + b'\r\n')
                code, text = c.getreply()
                if code != 250:
                    raise AssertionError('%s: %d %s' % (line, code, text.decode()))
            code, text = c.data(headers + b'Subject: test\r\n\r\ntest\r\n')
            if code != 250:
                raise AssertionError('end of data: %d %s' % (code, text.decode()))
            return text.decode().rsplit(' ', 1)[-1]

    def sendmail(self, recipient, message, *options, sender='sender@nixie.test'):
        """The same by sendmail(1)."""
        subprocess.run(['sendmail', '-C', self.etc, '-f', sender, *options, recipient], input=message, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, PATH='/usr/sbin:/usr/bin:/bin'))
