"""Mail that comes back through a real Exim, as contrib/exim has it."""
import os
import re

from harness.exim import Exim
from harness.nixie import REPOSITORY
from harness.receiving import AUTHENTIC, LOOP, ReceivingCase, ReceivingTests

MACROS = r'''
NIXIE_RETURNED = \N^(bounces|leave)(\+.*)?@shop\.example$\N : complaints@shop.example
NIXIE_COPIED = bounces@shop.example
queue_only = true
delay_warning = 1s : 1d
'''
# Of the loop: as if it had signed; of others what Exim itself finds, by the lines of contrib/exim/README.md.
with open(os.path.join(REPOSITORY, 'contrib', 'exim', 'README.md')) as f:
    FINDS = re.search(r'^ *warn\n( *remove_header = Authentication-Results\n.*)\n', f.read(), re.M).group(1)
RESULTS = '''
  warn
    senders = %s
    remove_header = Authentication-Results
    add_header = :at_start:%s
  warn
    !senders = %s
%s
''' % (LOOP, AUTHENTIC, LOOP, FINDS)


class ReturnedExim(ReceivingTests, ReceivingCase):
    copied_to = 'bounces@shop.example'
    at_once = 10     # a queue run takes one after the other

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = Exim(cls.directory, cls.site.policy_path, cls.sink.port)
        cls.site.log_path = cls.server.log_path
        cls.site.options['logtail'].update(files=[cls.server.log_path], timezone='UTC')
        cls.begin()

    @classmethod
    def include(cls, name):
        path = os.path.join(cls.directory, name)
        with open(path, 'w') as f:
            f.write(cls.snippet('exim', name))
        return '.include %s\n' % path

    @classmethod
    def configure(cls):
        """As contrib/exim/README.md says: the files, included in what is there."""
        with open(cls.server.conf) as f:
            text = f.read()
        text = text.replace('begin acl\n', MACROS + '\nbegin acl\n', 1)
        text = text.replace('acl_check_data:\n', 'acl_check_data:\n' + RESULTS, 1)
        text = re.sub(r'(begin routers\n\.include .*\n)', lambda m: m.group(1) + cls.include('nixie-receive-router.conf'), text, count=1)
        text = text.replace('begin transports\n', 'begin transports\n' + cls.include('nixie-receive-transport.conf'), 1)
        with open(cls.server.conf, 'w') as f:
            f.write(text)

    def push(self):
        """As root, who alone can run a program as somebody else."""
        self.server.flush()

    def wait_deferred(self, to):
        self.server.wait_log(to, 'T=nixie_receive', ' == ', action=self.push)
