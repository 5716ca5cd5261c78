"""nixie doctor and mail that comes back: each fault of the secret, of the way through Postfix, and of what came."""
import os
import pwd
import subprocess
import time

from harness import returned
from harness.maillog import Message
from harness.nixie import NOT_FOUND, OK, REPOSITORY, run
from harness.postfix import Postfix
from harness.proc import free_port
from test_doctor import GOOD, Doctor

FAULTS = NOT_FOUND
CHECKS = ('secret', 'way', 'remember', 'came back')


class Receiving(Doctor):
    def setUp(self):
        super().setUp()
        self.with_redis(*GOOD)
        self.secret = os.path.join(self.directory, 'secrets')
        with open(self.secret, 'w') as f:
            f.write('0123456789abcdef0123456789abcdef\n')
        os.chmod(self.secret, 0o600)
        if 'nixie' in {user.pw_name for user in pwd.getpwall()}:       # a host that has it installed
            os.chown(self.secret, pwd.getpwnam('nixie').pw_uid, -1)

    def configure(self, *templates, **values):
        receive = {'remember': '7 days', 'wait': '1 ms', 'secret-file': self.secret, **values}
        receive['addresses'] = templates or ({'for': 'bounces', 'address': 'bounces@example.org'},)
        self.site.write_conf(receive=receive)

    def faults(self, found):
        return [fault for fault in super().faults(found) if fault.split(' ', 1)[1] in CHECKS]

    def examine(self, *args, prefix=()):
        return self.doctor('doctor', *(args or ('--postfix', 'none')), '--exim', 'none', verb=False, prefix=prefix)

    def read(self, text):
        with open(self.site.log_path, 'a') as f:
            f.write(text)
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, OK, done.stderr)


class Here(Receiving):
    def test_of_a_host_without_such_mail_nothing_is_told(self):
        self.assertEqual(set(self.examine()) & set(CHECKS), set())

    def test_good(self):
        self.configure()
        message = Message()
        self.read(message.begin() + message.sent('reader@reader.example'))
        self.site.ctl_ok('receive', stdin=returned.failed('reader@reader.example', returned.original('<%s@example.org>' % message.qid)))
        found = self.examine()
        self.assertEqual(self.faults(found), [])
        self.only(found, 'secret', 'ok', '1 in ' + self.secret)
        self.only(found, 'remember', 'ok', 'receive.remember is 7 days')
        self.only(found, 'came back', 'ok', '1 mail in 7 days, 1 counted, 0 aside')
        self.assertEqual({f['group'] for check in CHECKS for f in found.get(check, [])}, {'Mail that comes back'})

    def test_whose_messages_are_remembered(self):
        self.site.write_conf(receive={'remember': '7 days', 'addresses': ({'for': 'complaints', 'address': 'fbl@shop.example'},)})
        found = [f['text'] for f in self.examine()['remember'] if f['level'] == 'warning']
        self.assertIn('no bounce address', ''.join(found))

    def test_secret(self):
        self.configure()
        os.chmod(self.secret, 0o644)
        self.only(self.examine(), 'secret', 'error', 'chmod o-rwx ' + self.secret)
        os.unlink(self.secret)
        finding = self.only(self.examine(), 'secret', 'error', 'No such file', 'nixie verp --new-secret >' + self.secret)
        self.assertIn('chgrp nixie', finding['advice'])

    def test_a_secret_of_another_user(self):
        """With a user nixie of the test's own, and the line typed."""
        self.configure()
        os.chown(self.secret, 0, 0)
        etc = os.path.join(self.directory, 'etc')
        os.mkdir(etc)
        script = ('cp -a /etc/. "$1" && sed -i /^nixie:/d "$1/passwd" "$1/group" && echo "nixie:x:4242:4242::/:/bin/false" >>"$1/passwd" && '
                  'echo "nixie:x:4242:" >>"$1/group" && mount --bind "$1" /etc && shift && exec "$@"')
        there = ['unshare', '-m', 'sh', '-c', script, 'sh', etc]
        finding = self.only(self.examine(prefix=there), 'secret', 'error', 'user nixie, as whom nixie receive runs, may not read ' + self.secret)
        subprocess.run([*there, 'sh', '-ec', finding['advice']], check=True)
        self.assertEqual(os.stat(self.secret).st_mode & 0o777, 0o640)
        self.only(self.examine(prefix=there), 'secret', 'ok')

    def test_nothing_is_remembered(self):
        self.configure({'for': 'bounces', 'address': 'bounces+{recipient}-{sig}@shop.example'}, remember='0')
        self.only(self.examine(), 'remember', 'ok', 'signed addresses are')

    def test_nothing_can_be_proof(self):
        self.configure({'for': 'bounces', 'address': 'bounces+{recipient}@shop.example'}, remember='0')
        self.only(self.examine(), 'remember', 'warning', 'nothing proves a bounce', 'remember = "30 days"')

    def test_mail_is_handed_over_and_nothing_is_configured(self):
        self.site.ctl_ok('receive', '--quiet', stdin=returned.failed('reader@reader.example', returned.original('<a@shop.example>')))
        found = self.examine()
        self.only(found, 'remember', 'warning', 'nothing proves a bounce')
        self.only(found, 'came back', 'ok', '1 mail in 7 days, 0 counted, 1 aside')

    def test_what_is_remembered_is_much(self):
        self.configure()
        self.redis.command('HSET', time.strftime('nixie:{0}:day:%Y%m%d', time.gmtime()), 'delivered', 70000000)
        self.redis.command('ZADD', 'nixie:{0}:days', time.strftime('%Y%m%d', time.gmtime()), time.strftime('%Y%m%d', time.gmtime()))
        self.redis.command('HSET', 'nixie:meta', 'schema', 1, 'partitions', 1)
        found = self.examine()
        self.only(found, 'remember', 'ok', '10000000 deliveries a day', '11444.1 MiB', 'zset-max-listpack-entries 1024')
        self.only(found, 'came back', 'warning', 'no mail has come back for 7 days, though 70000000 messages were delivered', 'contrib/postfix/README.md')

    def test_most_proves_nothing(self):
        self.configure()
        self.redis.command('HSET', 'nixie:meta', 'schema', 1, 'partitions', 1)
        day = time.strftime('%Y%m%d', time.gmtime())
        self.redis.command('ZADD', 'nixie:{0}:days', day, day)
        self.redis.command('HSET', 'nixie:{0}:day:%s:mail' % day, 'dsn|aside', 30, 'dsn|counted', 5)
        finding = self.only(self.examine(), 'came back', 'warning', '30 of 35 mails of 7 days prove nothing, 5 were counted')
        self.assertEqual(finding['advice'], 'nixie aside')


class ThroughPostfix(Receiving):
    """A Postfix that is set up, and not started."""
    TEMPLATES = ({'for': 'bounces', 'address': 'bounces+{recipient}-{sig}@shop.example'}, {'for': 'complaints', 'address': 'complaints@shop.example'})

    def setUp(self):
        super().setUp()
        self.postfix = Postfix(self.directory, free_port(), self.site.log_path)
        self.configure(*self.TEMPLATES)

    def set(self, *parameters):
        subprocess.run(['postconf', '-c', self.postfix.etc, '-e', *parameters], check=True)

    def ways(self):
        found = self.examine('--postfix', self.postfix.etc)
        return [(f['level'], f['text'], f.get('advice', '')) for f in found['way']]

    def test_as_the_snippets_have_it(self):
        bounces, complaints = self.ways()
        self.assertEqual((bounces[0], complaints[0]), ('warning', 'warning'))
        self.assertIn('does not get to nixie receive', bounces[1])
        self.assertIn('all that begins with bounces+', bounces[2])
        self.assertIn('a line for complaints@shop.example into nixie-virtual', complaints[2])
        table = os.path.join(REPOSITORY, 'contrib', 'postfix', 'nixie-virtual')
        self.set('virtual_alias_maps = regexp:' + table)
        for level, text, advice in self.ways():
            self.assertEqual(level, 'error', text)
            self.assertIn('goes to returned@nixie.invalid, which transport_maps of Postfix does not have', text)
            self.assertIn('nixie.invalid = nixie-receive:', advice)
        self.set('transport_maps = inline:{ { nixie.invalid = nixie-receive: } }')
        for level, text, advice in self.ways():
            self.assertEqual(level, 'error', text)
            self.assertIn('goes to the transport nixie-receive, which master.cf does not have', text)
            self.assertIn('master.cf.nixie', advice)
        with open(os.path.join(REPOSITORY, 'contrib', 'postfix', 'master.cf.nixie')) as f, open(os.path.join(self.postfix.etc, 'master.cf'), 'a') as to:
            to.write('\n' + f.read())
        self.assertEqual(self.ways(), [('ok', 'bounces+{recipient}-{sig}@shop.example goes to nixie-receive:', ''), ('ok', 'complaints@shop.example goes to nixie-receive:', '')])

    def test_an_alias(self):
        with open(os.path.join(self.directory, 'aliases'), 'w') as f:
            f.write('/^(bounces|complaints)$/ |"/usr/local/bin/nixie receive"\n')
        self.set('alias_maps = regexp:%s/aliases' % self.directory, 'recipient_delimiter = +')
        self.assertEqual([level for level, _, _ in self.ways()], ['ok', 'ok'])
