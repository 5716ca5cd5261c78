"""Mail that comes back through a real Postfix, as contrib/postfix has it."""
import os
import pwd
import re
import subprocess

from harness import returned
from harness.nixie import REPOSITORY
from harness.postfix import Postfix
from harness.receiving import AUTHENTIC, LOOP, OTHERS, USER, ReceivingCase, ReceivingTests, signed

ALIASED = 'bounces+{recipient}-{sig}@alias.example'


class ReturnedPostfix(ReceivingTests, ReceivingCase):
    copied_to = 'postmaster@shop.example'
    at_once = 100

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.site.policy_path = cls.server.policy_path
        cls.site.options['policyd']['listen'] = ['unix:' + cls.site.policy_path]
        cls.site.options['receive']['addresses'] += ({'for': 'bounces', 'address': ALIASED},)
        cls.begin()

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.directory, name)
        with open(path, 'w') as f:
            f.write(text)
        return path

    @classmethod
    def configure(cls):
        """As contrib/postfix/README.md says: the files, merged into what is there."""
        virtual = cls.write('nixie-virtual', cls.snippet('postfix', 'nixie-virtual'))
        lines = cls.snippet('postfix', 'main.cf.nixie-receive').replace('/etc/postfix/nixie-virtual', virtual).splitlines()
        ours = dict(line.split(' = ', 1) for line in lines if line and line[0] != '#')
        sink = 'smtp:[127.0.0.1]:%d' % cls.sink.port
        ours['transport_maps'] += ', inline:{ { nixie.test = %s }, { shop.example = %s } }' % (sink, sink)
        # What a filter for DKIM does.
        results = cls.write('results', '/^%s$/ PREPEND %s\n/^/ PREPEND %s\n' % (LOOP.replace('.', '\\.'), AUTHENTIC, OTHERS))
        ours['smtpd_recipient_restrictions'] = ('check_policy_service { unix:nixie/policy, timeout=10s, default_action=DUNNO }, '
                                                'check_sender_access regexp:%s, permit' % results)
        cls.server.configure(master=cls.snippet('postfix', 'master.cf.nixie') + 'local unix - n n - - local\n', relay_domains='shop.example',
                             delay_warning_time='1s', message_size_limit='20000000', mydestination='alias.example', recipient_delimiter='+',
                             local_transport='local:', alias_maps='hash:' + cls.aliases(), **ours)

    @classmethod
    def aliases(cls):
        """The file that README.md has, for who cannot change master.cf."""
        with open(os.path.join(REPOSITORY, 'contrib', 'postfix', 'README.md')) as f:
            line = re.search(r'^ +(bounces: .*)$', f.read(), re.M).group(1)
        path = cls.write('nixie-aliases', line.replace('/usr/local/bin/nixie', '%s -c %s' % (cls.program, cls.site.conf_path)) + '\n')
        subprocess.run(['postalias', '-c', cls.server.etc, 'hash:' + path], check=True)
        os.chown(path + '.db', pwd.getpwnam(USER).pw_uid, -1)
        return path

    def wait_deferred(self, to):
        line, = self.server.wait_log('orig_to=<%s>' % to, 'relay=nixie-receive', 'status=')
        self.assertRegex(line, 'status=(deferred|SOFTBOUNCE) ')

    def push(self):
        if self.deferred:
            self.server.flush()

    def test_alias(self):
        self.inject(signed(self.address, ALIASED), returned.failed(self.address, returned.original(self.message_id())))
        self.wait_received(dsn_counted=1)
        self.assertEqual(self.counted(), {'hard': 1})
