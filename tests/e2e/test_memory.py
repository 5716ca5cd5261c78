"""What nixie-policyd keeps in memory: as Redis has it while Redis tells, and what it remembers while Redis is away."""
import os
import signal

from harness.case import Case
from harness.proc import wait_until
from harness.redis import RedisServer

HEAD = '# nixie-policyd: what it remembers, 1\n'


class Memory(Case):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.directory)
        self.redis.start()
        self.addCleanup(self.redis.stop)
        self.make_site(self.redis)
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.site.ctl_ok('suppress', '@closed.example')

    def questions(self):
        """How many HGETALLs Redis has been asked."""
        for line in self.redis.command('INFO', 'commandstats').splitlines():
            if line.startswith('cmdstat_hgetall:'):
                return int(line.split('calls=')[1].split(',')[0])
        return 0

    def warm(self, *recipients):
        """Until they are answered from memory."""
        def none_is_asked():
            before = self.questions()
            for recipient in recipients:
                self.site.ask(recipient)
            return self.questions() == before
        wait_until(none_is_asked, 'answers from memory', child=self.site.children[-1])

    def test_redis_is_asked_once(self):
        self.site.policyd()
        self.warm('gone@example.com', 'user@example.com', 'any@closed.example')
        before = self.questions()
        for _ in range(20):
            self.assertSuppressed(self.site.ask('gone@example.com'))
            self.assertSuppressed(self.site.ask('any@closed.example'))
            self.assertDunno(self.site.ask('user@example.com'))
        self.assertEqual(self.questions(), before)

    def test_changes_show_at_once(self):
        self.site.policyd()
        self.warm('gone@example.com', 'user@example.com')
        for _ in range(10):
            self.site.ctl_ok('suppress', 'user@example.com')
            wait_until(lambda: self.site.ask('user@example.com').startswith('5'), 'the refusal')
            self.site.ctl_ok('reset', '--force', 'user@example.com')
            wait_until(lambda: self.site.ask('user@example.com') == 'DUNNO', 'the end of it')
        self.site.ctl_ok('suppress', '@example.com')
        wait_until(lambda: self.site.ask('other@example.com').startswith('5'), 'the refusal of the domain')

    def test_age_of_an_answer(self):
        """A change that Redis does not tell of, as its databases are swapped."""
        self.site.write_conf(policyd={'cache-age': '300ms'})
        self.site.policyd()
        self.warm('gone@example.com')
        self.redis.command('SWAPDB', '0', '1')
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'the other database')

    def test_no_age_is_no_memory(self):
        self.site.write_conf(policyd={'cache-age': '0s'})
        self.site.policyd()
        before = self.questions()
        for _ in range(5):
            self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertEqual(self.questions(), before + 10)

    def test_suppressed_ones_stay_so_while_redis_is_away(self):
        self.site.ctl_ok('suppress', 'freed@example.com')
        child = self.site.policyd()
        self.warm('gone@example.com', 'user@example.com', 'any@closed.example', 'freed@example.com')
        self.site.ctl_ok('reset', '--force', 'freed@example.com')
        self.redis.stop()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertSuppressed(self.site.ask('any@closed.example'))
        # nobody knows whether this one is allowed, in spite of its domain
        for unknown in 'user@example.com', 'freed@example.com', 'never-asked@example.com', 'another@closed.example':
            self.assertDunno(self.site.ask(unknown))
        self.assertIn('from=memory', child.log())
        self.redis.start()
        wait_until(lambda: 'connected' in child.log(), 'the connection')
        self.site.ctl_ok('reset', '--force', 'gone@example.com')
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'the end of it')

    def test_not_for_ever(self):
        self.site.write_conf(policyd={'remember': '0s'})
        self.site.policyd()
        self.warm('gone@example.com')
        self.redis.stop()
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'no memory')

    def test_over_a_restart(self):
        path = os.path.join(self.directory, 'snapshot')
        self.site.write_conf(policyd={'snapshot': path})
        child = self.site.policyd()
        self.site.ctl_ok('suppress', '--scope', 'sender:shop.example', 'some@example.com')
        self.warm('gone@example.com', 'any@closed.example', 'user@example.com', 'some@example.com')
        refusal = self.site.ask('gone@example.com')
        child.stop()
        with open(path, encoding='utf-8') as f:
            self.assertEqual(f.readline(), HEAD)
            names = sorted(line.split('\t')[1] for line in f)
        self.assertEqual(names, ['@closed.example', 'gone@example.com', 'some@example.com'])
        self.redis.stop()
        self.site.policyd()
        self.assertEqual(self.site.ask('gone@example.com'), refusal)
        self.assertDunno(self.site.ask('any@closed.example'))   # that it has no entry was not kept
        self.assertSuppressed(self.site.ask('some@example.com', sender='news@shop.example'))
        self.assertDunno(self.site.ask('some@example.com', sender='news@other.example'))
        self.assertDunno(self.site.ask('user@example.com'))

    def test_a_damaged_snapshot(self):
        path = os.path.join(self.directory, 'snapshot')
        self.site.write_conf(policyd={'snapshot': path})
        with open(path, 'wb') as f:
            f.write(HEAD.encode() + b'\n\t\t\n99999999999\tx@example.com\tstatus=hard\n12\t\tstatus=hard\nnonsense\n' + b'x' * 100000 +
                    b'\n12\t' + b'y' * 1000 + b'@example.com\tstatus=hard\n%d\tok@example.com\tstatus=hard since=5' % 1700000000)
        self.redis.stop()
        child = self.site.policyd()
        child.wait_log('0 addresses and domains are remembered')
        self.assertDunno(self.site.ask('ok@example.com'))
        child.stop()

    def test_a_snapshot_that_cannot_be_written(self):
        self.site.write_conf(policyd={'snapshot': '/proc/nixie'})
        child = self.site.policyd()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        child.stop(signal.SIGTERM)
        self.assertIn('policyd.snapshot is not written', child.log())
