"""nixie status, what log readers tell in Redis, and the alerts about logs."""
import json
import os
import re
import subprocess
import time

from harness.case import Case
from harness.maillog import delivered, hard, stamp
from harness.nixie import NO_REDIS, NOT_FOUND, OK, USAGE
from harness.proc import wait_until
from harness.terminal import on_terminal

READER = 'nixie:{0}:reader:'
FIELDS = ('state', 'version', 'pid', 'host', 'started', 'updated', 'path', 'file', 'offset', 'size', 'lag-bytes', 'lag-s', 'lines', 'lines-per-s',
          'attempts', 'rejected', 'long-lines', 'links', 'links-evicted', 'lost-lines', 'gaps', 'rewritten', 'last-event', 'idle-s')


class StatusCase(Case):
    def setUp(self):
        super().setUp()
        self.with_redis()

    def status(self, code=OK):
        done = self.site.ctl('status')
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def json(self, code=OK):
        done = self.site.ctl('status', '--json')
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        line, = done.stdout.splitlines()
        return json.loads(line)

    def write(self, text, mode='a', path=None):
        with open(path or self.site.log_path, mode) as f:
            f.write(text)

    def key(self, path=None):
        """Of the hash of a log's reader; None: there is none yet."""
        keys = [k for k in self.redis.command('KEYS', READER + '*') if k.endswith(':' + (path or self.site.log_path))]
        return keys[0] if keys else None

    def field(self, name, path=None):
        key = self.key(path)
        return key and self.redis.command('HGET', key, name)

    def wait_state(self, state, path=None):
        wait_until(lambda: self.field('state', path) == state, 'state %s (it is %s)' % (state, self.field('state', path)))

    def alerts(self):
        return [a.split('/')[0] for a in self.redis.hgetall('nixie:{0}:alerts')]

    def wait_alert(self, kind, there=True):
        wait_until(lambda: (kind in self.alerts()) == there, 'alert %s %s' % (kind, 'open' if there else 'closed'))


class Status(StatusCase):
    def test_nothing_yet(self):
        text = self.status(NOT_FOUND)
        self.assertIn('redis    reachable at unix:', text)
        self.assertIn('reader   none has written yet', text)
        self.assertIn('data     0 addresses are suppressed', text)
        self.assertEqual(self.json(NOT_FOUND)['readers'], [])

    def test_usage(self):
        self.assertEqual(self.site.ctl('status', 'now').returncode, USAGE)
        self.assertEqual(self.site.ctl('status', '--nonsense').returncode, USAGE)
        self.assertIn('usage: nixie status', self.site.ctl_ok('status', '--help'))
        self.assertIn('\n  status ', self.site.ctl_ok('--help'))

    def test_a_reader_that_runs(self):
        self.write(hard('gone@example.com') + delivered('fine@example.com'))
        reader = self.site.logtail()
        self.wait_state('caught-up')
        fields = self.redis.hgetall(self.key())
        self.assertEqual(sorted(fields), sorted(FIELDS))
        size = os.path.getsize(self.site.log_path)
        self.assertEqual((fields['pid'], fields['path'], fields['offset'], fields['size'], fields['lag-bytes'], fields['lag-s'], fields['lines'],
                          fields['attempts'], fields['gaps']), (str(reader.pid), self.site.log_path, str(size), str(size), '0', '0', '10', '2', '0'))
        text = self.status()
        self.assertRegex(text, r'(?m)^redis    reachable at unix:\S+, version \d+\.\S+, [\d.]+ MiB, append-only file, 1 partition$')
        self.assertRegex(text, r'(?m)^data     1 address is suppressed$')
        self.assertRegex(text, r'(?m)^alerts   none is open$')
        self.assertRegex(text, r'(?m)^reader   \S+:%s: caught-up, last line \d+ (s|min) old, \d+\.\d lines/s$' % re.escape(self.site.log_path))
        told = self.json()
        self.assertTrue(told['well'])
        self.assertEqual((told['suppressed'], told['alerts'], told['redis']['partitions']), (1, 0, 1))
        only, = told['readers']
        self.assertEqual((only['state'], only['running'], only['lines'], only['path']), ('caught-up', True, 10, self.site.log_path))
        self.assertNotIn('trouble', only)

    def test_counts_of_each_log(self):
        other = os.path.join(self.directory, 'other.log')
        self.site.options['logtail']['files'] = [self.site.log_path, other]
        self.site.write_conf()
        self.write(hard('gone@example.com'))
        self.write(delivered('fine@example.com') + delivered('fine@example.com'), path=other)
        self.site.logtail()
        self.wait_state('caught-up')
        self.wait_state('caught-up', other)
        self.assertEqual((self.field('attempts'), self.field('attempts', other)), ('1', '2'))
        self.assertEqual(len(self.json()['readers']), 2)

    def test_one_that_was_stopped(self):
        self.write(hard('gone@example.com'))
        self.site.logtail().stop()
        self.assertEqual(self.field('state'), 'stopped')
        self.assertRegex(self.status(NOT_FOUND), r'(?m)^reader   \S+: not running since \S+Z \(\d+ (s|min)\), ')
        only, = self.json(NOT_FOUND)['readers']
        self.assertEqual((only['running'], only['trouble']), (False, 'not running'))

    def test_one_that_was_killed(self):
        self.write(hard('gone@example.com'))
        self.site.logtail().kill()
        key = self.key()
        self.redis.command('HSET', key, 'updated', int(time.time()) - 300)
        self.assertIn('not running since', self.status(NOT_FOUND))
        # long ago it was another machine's
        self.redis.command('HSET', key, 'updated', int(time.time()) - 40 * 86400)
        self.assertIn('none has written yet', self.status(NOT_FOUND))

    def test_read_once_is_done(self):
        self.write(hard('gone@example.com'))
        self.site.start('nixie-logtail', '--once', ready=False).wait()
        self.assertEqual(self.field('state'), 'done')
        self.assertIn(': done, read to its end ', self.status())
        self.assertTrue(self.json()['well'])

    def test_one_that_is_behind(self):
        """As its hash says: it lags, and has lost something."""
        self.write(hard('gone@example.com'))
        self.site.logtail().stop()
        self.redis.command('HSET', self.key(), 'state', 'reading', 'updated', int(time.time()), 'lag-s', 5000, 'lag-bytes', 3 * 1024 * 1024,
                           'lost-lines', 12, 'gaps', 1, 'rejected', 2, 'lines-per-s', '1234.5')
        self.assertRegex(self.status(NOT_FOUND),
                         r'(?m)^reader   \S+: reading, 83 min and 3\.0 MiB behind, last line \d+ \w+ old, 1234\.5 lines/s, 12 lines lost in 1 gap, 2 rejected$')
        self.assertEqual(self.json(NOT_FOUND)['readers'][0]['trouble'], 'far behind')
        self.site.write_conf(alerts={'log-lag': '2 hours'})
        self.assertNotIn('trouble', self.json()['readers'][0])

    def test_strange_values(self):
        self.redis.command('ZADD', 'nixie:{0}:readers', 1, 'mx\x1b[31m:/x', 2, 'mx2:/gone')
        self.redis.command('HSET', READER + 'mx\x1b[31m:/x', 'state', 'dreaming', 'updated', int(time.time()), 'lag-s', 'never', 'lines-per-s', '1.2.3',
                           'last-event', '9223372036854775807')
        text = self.status()
        self.assertNotIn('\x1b', text)
        self.assertIn('mx\\x1b[31m:/x: ', text)
        self.assertEqual(len(self.json()['readers']), 1)

    def test_open_alerts(self):
        self.write(hard('gone@example.com'))
        self.site.logtail()
        self.wait_state('caught-up')
        # of another reader, and seen now: this one closes what nobody has seen for long
        self.redis.command('HSET', 'nixie:{0}:alerts', 'throttled/dest/example.com', 'since=1 opened=2 seen=%d count=4 of=5 by=mx2' % time.time())
        text = self.status(NOT_FOUND)
        self.assertIn('alerts   1 is open\nalert: rate limits at example.com', text)
        self.assertEqual(self.json(NOT_FOUND)['alerts'], 1)

    def test_no_redis(self):
        self.redis.kill()
        done = self.site.ctl('status')
        self.assertEqual((done.returncode, done.stdout), (NO_REDIS, ''))
        told = self.json(NO_REDIS)
        self.assertEqual((told['well'], told['redis']['reachable']), (False, False))

    def test_colour_on_terminals_only(self):
        self.write(hard('gone@example.com'))
        self.site.logtail()
        self.wait_state('caught-up')
        self.assertNotIn('\x1b', self.status())
        self.assertIn('\x1b[32mcaught-up\x1b[0m', on_terminal(self.site, 'status')[1])

    def test_several_partitions(self):
        self.site.options['redis']['partitions'] = 8
        self.site.write_conf()
        self.write(''.join(hard('gone%d@example.com' % n) for n in range(20)))
        self.site.logtail()
        self.wait_state('caught-up')
        told = self.json()
        self.assertEqual((told['suppressed'], told['redis']['partitions']), (20, 8))
        self.assertIn(', 8 partitions', self.status())


class Doors(StatusCase):
    """What nixie-policyd tells of itself."""
    FIELDS = ('state', 'version', 'host', 'pid', 'started', 'updated', 'shadow', 'connections', 'connections-total', 'requests', 'rejected',
              'deferred', 'other', 'would-reject', 'would-defer', 'would-other', 'parole', 'parole-refused', 'malformed', 'store-failures',
              'from-memory', 'cache-hits', 'cache-misses', 'cache-entries', 'cache-bytes', 'cache-limit', 'requests-per-s', 'p50-us', 'p99-us',
              'decided', 'would-decide')

    def name(self):
        names = list(self.redis.hgetall('nixie:{0}:doors'))
        return names[0] if names else None

    def door(self):
        return self.redis.hgetall('nixie:{0}:door:' + self.name()) if self.name() else {}

    def wait_told(self, policyd):
        wait_until(lambda: self.door().get('pid') == str(policyd.pid) and self.door()['state'] == 'serving', 'what it tells', child=policyd)

    def only(self):
        told = self.site.ctl('status', '--json').stdout
        door, = json.loads(told)['doors']
        return door

    def test_none(self):
        self.assertIn('policyd  none has told of itself yet', self.status(NOT_FOUND))
        self.assertEqual(self.json(NOT_FOUND)['doors'], [])

    def test_one_that_runs(self):
        before = int(time.time())
        policyd = self.site.policyd()
        self.wait_told(policyd)
        self.assertEqual(self.name().partition(':')[2], 'unix:' + self.site.policy_path)
        self.assertEqual(sorted(self.door()), sorted(self.FIELDS))
        door = self.only()
        self.assertEqual((door['running'], door['state'], door['pid'], door['name'], door['shadow']), (True, 'serving', policyd.pid, self.name(), False))
        self.assertTrue(before <= int(self.door()['started']) <= time.time(), (before, self.door()))
        self.assertRegex(self.site.ctl('status').stdout, r'(?m)^policyd  \S+:unix:%s: serving, 0\.0 requests/s, 0 requests$' % re.escape(self.site.policy_path))

    def test_it_tells_again_while_it_runs(self):
        policyd = self.site.policyd()
        self.wait_told(policyd)
        self.site.ctl_ok('suppress', 'gone@example.com')
        with self.site.policy_client() as c:
            self.assertSuppressed(c.ask('gone@example.com'))
            for _ in range(9):
                self.assertDunno(c.ask('fine@example.com'))
        n = 10
        while not self.stopped_with_latency(policyd, n):
            self.assertDunno(self.site.ask('fine@example.com'))
            n += 1
        door = self.only()
        self.assertEqual((door['rejected'], door['cache-hits'] + door['cache-misses'], door['connections'], door['connections-total']), (1, n, 0, n - 9))
        self.assertGreater(door['p99-us'], 0)
        self.assertGreaterEqual(door['p99-us'], door['p50-us'])
        self.assertEqual([(d['action'], d['n']) for d in door['decided']], [('reject', 1)])
        self.assertRegex(self.site.ctl('status').stdout,
                         r'(?m)^policyd  \S+: serving, \d+\.\d requests/s \(\d+ us, 99 %% below \d+ us\), %d requests, 1 refused, [\d.]+ %% from its cache$' % n)

    def stopped_with_latency(self, policyd, requests):
        """It stands still, and what it has told is of so many requests, some of them since it told before, and of no client: of that
        it tells every ten seconds, perhaps in the middle of a question."""
        wait_until(lambda: self.door()['requests'] == str(requests), 'what it tells', child=policyd)
        policyd.freeze()
        door = self.door()
        if door['p99-us'] != '0' and door['connections'] == '0':
            return True
        policyd.thaw()
        return False

    def test_one_that_was_stopped(self):
        """Its last words have everything."""
        policyd = self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        for _ in range(3):
            self.assertSuppressed(self.site.ask('gone@example.com'))
        policyd.stop()
        self.assertEqual((self.door()['state'], self.door()['requests'], self.door()['rejected']), ('stopped', '3', '3'))
        self.assertRegex(self.status(NOT_FOUND), r'(?m)^policyd  \S+: not running since \S+Z \(\d+ (s|min)\), 3 requests, 3 refused, ')
        door = self.only()
        self.assertEqual((door['running'], door['trouble']), (False, 'not running'))

    def test_one_that_was_killed(self):
        policyd = self.site.policyd()
        self.wait_told(policyd)
        policyd.kill()
        self.assertTrue(self.only()['running'])     # as far as anybody can know
        self.redis.command('HSET', 'nixie:{0}:door:' + self.name(), 'updated', str(int(time.time()) - 60))
        self.assertFalse(self.only()['running'])
        self.redis.command('HSET', 'nixie:{0}:door:' + self.name(), 'updated', str(int(time.time()) - 31 * 86400))
        self.assertEqual(self.json(NOT_FOUND)['doors'], [])

    def test_the_shadow(self):
        self.site.write_conf(policyd={'shadow': True})
        policyd = self.site.policyd()
        self.wait_told(policyd)
        self.assertIn('serving, in the shadow: refuses nothing', self.site.ctl('status').stdout)
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertDunno(self.site.ask('gone@example.com'))
        policyd.stop()
        door = self.only()
        self.assertEqual((door['shadow'], door['rejected'], door['would-reject'], len(door['would-decide'])), (True, 0, 1, 1))
        text = self.status(NOT_FOUND)
        self.assertIn('1 would have been but for the shadow', text)
        self.assertRegex(text, r'(?m)^         would reject for \S+: 1$')

    def test_a_redis_that_was_away(self):
        """It is told when it is back, with what happened meanwhile, and nobody waited for that."""
        policyd = self.site.policyd()
        self.wait_told(policyd)
        self.redis.stop()
        for n in range(3):
            self.assertDunno(self.site.ask('fine%d@example.com' % n))
        self.redis.start()
        wait_until(lambda: self.door().get('store-failures') == '3', 'what it tells', child=policyd)
        self.assertEqual(self.door()['requests'], '3')

    def test_a_redis_that_refuses(self):
        """Said once; mail is answered all the same."""
        self.redis.command('SET', 'nixie:{0}:doors', 'nonsense')
        policyd = self.site.policyd()
        policyd.wait_log(['refuses what nixie status asks', 'nixie doctor'])
        self.assertDunno(self.site.ask('fine@example.com'))
        self.assertIn('nixie:{0}:doors', self.site.ctl('doctor').stdout)
        self.assertEqual(policyd.stop(), 0)
        self.assertEqual(policyd.log().count('nixie status asks'), 1)

    def test_strange_values(self):
        self.redis.command('HSET', 'nixie:{0}:doors', 'mx1:\x1b[31m', '1', 'gone', '2')
        self.redis.command('HSET', 'nixie:{0}:door:mx1:\x1b[31m', 'updated', str(int(time.time())), 'would-decide', 'x\x1b[1m|y\n=3 ||', 'requests', 'many')
        text = self.status(NOT_FOUND)
        self.assertNotIn('\x1b', text)
        self.assertIn('policyd  mx1:\\x1b[31m: serving', text)
        self.assertEqual(self.only()['requests'], 0)

    def test_several_partitions(self):
        self.site.write_conf(redis={'partitions': 64})
        self.wait_told(self.site.policyd())
        self.assertEqual(len(self.redis.command('KEYS', 'nixie:{*}:door*')), 2)


class Alerts(StatusCase):
    def test_lost_lines(self):
        self.write(delivered('fine@example.com'))
        reader = self.site.logtail()
        self.write('%s mx1 systemd-journald[1]: Suppressed 1234 messages from postfix.service\n' % stamp())
        self.wait_alert('log-lost')
        reader.wait_log(['alert=open lines of', 'are lost: 1234, 1 time since'])
        wait_until(lambda: self.field('lost-lines') == '1234' and self.field('gaps') == '1', 'counts of what is lost')
        self.assertIn('1234 lines lost in 1 gap', self.status(NOT_FOUND))
        # it is open for a day, also for the next reader
        reader.stop()
        again = self.site.logtail()
        self.wait_state('caught-up')
        self.assertEqual(self.alerts(), ['log-lost'])
        again.stop()
        key, value = self.redis.hgetall('nixie:{0}:alerts').popitem()
        self.redis.command('HSET', 'nixie:{0}:alerts', key, re.sub(r'until=\d+', 'until=%d' % (time.time() - 1), value))
        reader = self.site.logtail()
        self.wait_alert('log-lost', False)
        reader.wait_log('alert=closed over: lines of')

    def test_a_silent_log(self):
        self.site.write_conf(alerts={'log-idle': '1s'})
        self.write(hard('gone@example.com', when=time.time() - 3 * 86400))
        reader = self.site.logtail()
        self.wait_state('caught-up')
        # an old log may be silent; one with a line of now may not
        self.assertNotIn('log-idle', self.alerts())
        self.write(hard('gone@example.com'))
        self.wait_alert('log-idle')
        reader.wait_log(['alert=open no line has come in', 'for more than 1 s, since'])
        self.site.write_conf(alerts={'log-idle': '1 hour'})
        reader.send_signal(1)
        self.wait_alert('log-idle', False)

    def test_never_silent(self):
        self.site.write_conf(alerts={'log-idle': '0s'})
        self.write(hard('gone@example.com'))
        reader = self.site.logtail()
        before = self.field('updated')
        wait_until(lambda: self.field('updated') not in (None, before) and int(self.field('idle-s')) > 2, 'a silent log')
        self.assertEqual(self.alerts(), [])
        reader.stop()

    def test_a_missing_log(self):
        reader = self.site.logtail(ready=False)
        self.wait_state('missing')
        self.wait_alert('log-missing')
        reader.wait_log(['alert=open', self.site.log_path + ' is not there, or may not be read'])
        only, = self.json(NOT_FOUND)['readers']
        self.assertEqual((only['state'], only['trouble']), ('missing', 'the log is not there, or may not be read'))
        self.write(hard('gone@example.com'))
        self.wait_alert('log-missing', False)
        self.wait_state('caught-up')

    def test_a_reader_that_was_away(self):
        """It reads what came since, and is behind while it cannot."""
        self.write(hard('gone@example.com', when=time.time() - 9000))
        self.site.logtail().stop()
        self.write(hard('gone2@example.com', when=time.time() - 5000))
        rotated = self.site.log_path + '.1'
        os.rename(self.site.log_path, rotated)
        subprocess.run(['gzip', rotated], check=True)
        os.chmod(rotated + '.gz', 0o644)
        self.write(delivered('fine@example.com'))
        os.environ['TMPDIR'] = os.path.join(self.directory, 'nowhere')  # so it cannot be unpacked
        try:
            reader = self.site.logtail(ready=False)
        finally:
            del os.environ['TMPDIR']
        self.wait_state('blocked')
        self.wait_alert('log-behind')
        self.assertRegex(self.status(NOT_FOUND), r': blocked, 2 h and [\d.]+ (bytes|KiB) behind')
        self.assertEqual(self.json(NOT_FOUND)['readers'][0]['trouble'], 'a rotated log cannot be unpacked')
        os.mkdir(os.path.join(self.directory, 'nowhere'))
        self.wait_state('caught-up')
        self.wait_alert('log-behind', False)
        self.assertEqual(self.site.status('gone2@example.com'), 'hard')
        reader.stop()

    def test_a_quiet_log_is_not_behind(self):
        """Its last line is of two hours ago, and of now there is one that tells of no delivery."""
        self.site.write_conf(alerts={'log-lag': '1 hour'})
        self.write(hard('gone@example.com', when=time.time() - 7200))
        self.site.logtail().stop()
        self.write('%s mx1 postfix/smtpd[1]: connect from client.example.org[192.0.2.7]\n' % stamp())
        self.site.logtail()
        self.wait_state('caught-up')
        self.assertEqual(self.redis.command('EXISTS', 'nixie:{0}:alert-log'), 0)

    def test_a_log_that_was_never_read_is_not_behind(self):
        self.site.write_conf(alerts={'log-lag': '1 hour'})
        self.write(hard('gone@example.com', when=time.time() - 30 * 86400))
        self.site.logtail()
        self.wait_state('caught-up')
        self.assertEqual(self.redis.command('EXISTS', 'nixie:{0}:alert-log'), 0)


class Away(StatusCase):
    def test_the_log_says_how_far_behind_it_is(self):
        self.write(hard('gone@example.com'))
        reader = self.site.logtail()
        self.wait_state('caught-up')
        reader.freeze()     # what it says first is of both
        self.redis.kill()
        self.write(hard('gone2@example.com'))
        reader.thaw()
        line = reader.wait_log(['waiting, nothing is lost', 'lag='])
        self.assertRegex(line, r'; lag=\d+s lag-bytes=[1-9]\d*$')
        self.redis.start()
        self.site.wait_status('gone2@example.com', 'hard')
        reader.wait_log('caught up again')
        self.wait_state('caught-up')
