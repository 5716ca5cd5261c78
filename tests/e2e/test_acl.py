"""The ACL users of nixie-redis(7): enough, and nothing of it too much."""
import os
import re
import time

from harness import returned
from harness.case import Case
from harness.maillog import Message, delivered, full, hard
from harness.nixie import OK, REPOSITORY, run
from harness.proc import wait_until

DAY = 86400
AGAIN = 75  # EX_TEMPFAIL
FLUX = '550 5.0.0 flux capacitor'


def documented():
    """{user: [commands]} of the manual."""
    with open(os.path.join(REPOSITORY, 'common', 'nixie-redis.7')) as f:
        text = f.read()
    users = {}
    for name, rest in re.findall(r'^ACL SETUSER (\S+) (.*?)(?=^ACL|^\.Ed)', text, re.M | re.S):
        users[name] = re.findall(r'\+([a-z|]+)', rest)
    return users


class Acl(Case):
    def setUp(self):
        super().setUp()
        self.site = self.with_redis()

    def be(self, user, commands):
        self.redis.command('ACL', 'SETUSER', user, 'reset', 'on', '>secret', '~nixie:*', *['+' + c for c in commands])
        self.site.write_conf(redis={'user': user, 'password': 'secret'})

    def log(self, *texts):
        with open(self.site.log_path, 'a') as f:
            f.write(''.join(texts))

    def traffic(self):
        """Something of everything that logtail writes."""
        m, unknown = Message(), Message()
        return (hard('dead@example.com') + full('full@example.com') + delivered('full@example.com')
                + m.begin() + m.deferred('later@example.com') + m.sent('later@example.com', after=2)
                + unknown.begin() + unknown.bounced('odd@example.com', FLUX) + unknown.removed())

    def logtail(self, status):
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def data(self):
        keys = sorted(k for k in self.redis.command('KEYS', '*') if k != 'nixie:meta' and not k.endswith(':try'))
        return {k: self.redis.command('TYPE', k) for k in keys}

    def test_documented(self):
        self.assertEqual(sorted(documented()), ['nixie', 'nixie-logtail', 'nixie-policyd'])

    def test_logtail(self):
        self.be('nixie-logtail', documented()['nixie-logtail'])
        self.log(self.traffic())
        self.logtail(OK)
        self.assertEqual(self.redis.hgetall('nixie:{0}:addr:dead@example.com')['status'], 'hard')

    def test_logtail_without_one_command_writes_nothing(self):
        commands = documented()['nixie-logtail']
        self.log(self.traffic())
        for missing in commands:
            if missing == 'select':
                continue # only with a redis.database
            with self.subTest(missing):
                self.redis.command('FLUSHALL')
                self.be('lacking', [c for c in commands if c != missing])
                reader = self.site.logtail(ready=False)
                wait_until(lambda: 'waiting, nothing is lost' in reader.log() or self.data(), 'an end')
                reader.kill()
                self.assertEqual(self.data(), {}, missing)
                self.assertRegex(reader.log(), "NOPERM|can't run this command")

    def test_policyd(self):
        now = time.time()
        self.log(full('held@example.com', when=now - 24 * DAY) + full('held@example.com', when=now - 20 * DAY) + hard('dead@example.com'))
        self.logtail(OK)
        self.be('nixie-policyd', documented()['nixie-policyd'])
        self.site.policyd()
        self.assertSuppressed(self.site.ask('dead@example.com'), 'recipient.unknown')
        self.assertDunno(self.site.ask('held@example.com', instance='1.1')) # the one on parole
        self.assertSuppressed(self.site.ask('held@example.com', instance='1.2'), 'mailbox.full')

    def test_ctl(self):
        self.log(self.traffic())
        self.logtail(OK)
        self.be('nixie', documented()['nixie'])
        for args in (('check', 'dead@example.com'), ('list',), ('stats',), ('suppress', 'a@example.com'), ('allow', '@b.example'),
                     ('reset', 'dead@example.com'), ('suppress', '--scope', 'sender:x.example', 'c@example.com'),
                     ('remove', '--force', 'a@example.com'), ('rules', 'stats'), ('rules', 'unknown'),
                     ('replay', '--rules', os.path.join(REPOSITORY, 'conf', 'rules.d')), ('undo', '--domain', 'example.com', '--dry-run')):
            with self.subTest(' '.join(args)):
                done = self.site.ctl(*args)
                self.assertEqual(done.returncode, OK, done.stderr)

    def test_mail_that_came_back(self):
        """All programs with the group receive, and each as the user of its own."""
        self.site.options['receive'] = {'remember': '7 days', 'wait': '1 ms'}
        users, one, other = documented(), Message(), Message()
        self.be('nixie-logtail', users['nixie-logtail'])
        self.log(one.begin(), one.sent('dead@reader.example'), other.begin(), other.sent('other@reader.example'))
        self.logtail(OK)
        self.be('nixie', users['nixie'])
        for mail in (returned.failed('dead@reader.example', returned.original('<%s@example.org>' % one.qid)),
                     returned.complaint(returned.original('<%s@example.org>' % other.qid), 'other@reader.example'),
                     returned.failed('any@reader.example', returned.original('<made-up@shop.example>'))):
            self.site.ctl_ok('receive', stdin=mail)
        for verb in ('aside', 'report', 'metrics'):
            self.site.ctl_ok(verb)
        counted = self.redis.hgetall(time.strftime('nixie:{0}:day:%Y%m%d:mail', time.gmtime()))
        self.assertEqual(counted, {'dsn|counted': '1', 'complaint|counted': '1', 'dsn|aside': '1'})
        self.be('nixie-policyd', users['nixie-policyd'])
        self.site.policyd()
        self.assertSuppressed(self.site.ask('dead@reader.example'), 'recipient.unknown')

    def test_receive_without_one_command(self):
        """What it may not do is not dealt with: the mail server keeps the mail."""
        self.site.options['receive'] = {'remember': '7 days', 'wait': '1 ms'}
        self.site.write_conf()
        message = Message()
        self.log(message.begin(), message.sent('dead@reader.example'))
        self.logtail(OK)
        mail = returned.failed('dead@reader.example', returned.original('<%s@example.org>' % message.qid))
        commands = documented()['nixie']
        for missing in ('zrangebylex', 'hgetall', 'hset', 'zrange', 'zadd', 'xadd', 'expireat', 'eval'):
            with self.subTest(missing):
                self.be('lacking', [c for c in commands if c != missing])
                done = self.site.ctl('receive', stdin=mail)
                self.assertEqual(done.returncode, AGAIN, done.stderr)
                self.assertRegex(done.stderr, "NOPERM|can't run this command")
        self.assertEqual([k for k in self.redis.command('KEYS', '*') if ':told:' in k], [])
        self.be('nixie', commands)
        self.site.ctl_ok('receive', stdin=mail)
        self.assertEqual(self.redis.hgetall('nixie:{0}:addr:dead@reader.example')['status'], 'hard')
