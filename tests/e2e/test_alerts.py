"""nixie alerts, and where else open alerts are told: what stands in Redis, and what the log reader puts there."""
import json
import os
import re
import subprocess
import time

from harness.case import Case
from harness.maillog import delivered, hard
from harness.nixie import NO_REDIS, NOT_FOUND, OK, REPOSITORY, USAGE
from harness.proc import wait_until
from harness.terminal import on_terminal

KEY, LOG = 'nixie:{0}:alerts', 'nixie:{0}:alert-log'
BRAKE = 'since=1795252500 opened=1795252985 seen=1795253600 until=0 count=57 of=61 usual=8 limit=0 by=mx1'
THROTTLED = 'since=1795240000 opened=1795252984 seen=1795252999 until=0 count=30 of=40 usual=0 limit=0 by=mx2'
RATE = 'since=1795219200 opened=1795252985 seen=1795253600 until=0 count=57 of=1200 usual=0 limit=20 by=mx1'
TEXT = ('hard bounces of provider google jumped: 57 of 61 results (usually 0.8 %) since 2026-11-21T09:15:00Z, '
        'noticed by mx1; until it is over new ones are refused for a short term only (held), and then asked again; '
        'take back what was added (only shown with --dry-run in place of --yes): '
        'nixie undo --yes --since 2026-11-21T09:15:00Z --provider google')


class AlertCase(Case):
    def setUp(self):
        super().setUp()
        self.with_redis()

    def ctl(self, *args, status=OK):
        done = self.site.ctl(*args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def json(self, *args, status=OK):
        return [json.loads(x) for x in self.ctl(*args, '--json', status=status).splitlines()]

    def open(self, *pairs):
        """As redis-cli would."""
        subprocess.run(['redis-cli', '-s', self.redis.socket, 'HSET', KEY, *pairs], check=True, stdout=subprocess.DEVNULL)


class Told(AlertCase):
    """Alerts that somebody wrote."""

    def test_none(self):
        self.assertEqual(self.ctl('alerts', status=NOT_FOUND), 'no alert is open\n')
        self.assertEqual(self.json('alerts', status=NOT_FOUND), [])
        self.assertEqual(self.ctl('alerts', '--log', status=NOT_FOUND), 'there was no alert yet\n')
        self.assertEqual(self.json('alerts', '--log', status=NOT_FOUND), [])
        self.assertNotIn('alert', self.ctl('stats'))

    def test_usage(self):
        self.ctl('alerts', '--nonsense', status=USAGE)
        self.ctl('alerts', 'hard/all', status=USAGE)
        self.assertIn('usage: nixie alerts', self.ctl('alerts', '--help'))
        self.assertIn('\n  alerts ', self.ctl('--help'))

    def test_no_redis(self):
        self.redis.kill()
        self.ctl('alerts', status=NO_REDIS)
        self.ctl('alerts', '--log', status=NO_REDIS)

    def test_paragraphs_newest_first(self):
        self.open('throttled/dest/example.com', THROTTLED, 'rate-hard/sender/news.example.org', RATE, 'hard/provider/google', BRAKE)
        self.assertEqual(self.ctl('alerts').split('hard/provider/google: ')[1].split('\nrate')[0], TEXT + '''
  opened    2026-11-21T09:23:05Z
  last seen 2026-11-21T09:33:20Z
  by        mx1''')
        names = re.findall(r'(?m)^([a-z][a-z-]*/\S+): ', self.ctl('alerts'))
        self.assertEqual(names, ['hard/provider/google', 'rate-hard/sender/news.example.org', 'throttled/dest/example.com'])
        self.assertIn('are over the limit of 2 % on 2026-11-21: 57 of 1200 (4.8 %)', self.ctl('alerts'))

    def test_json(self):
        self.open('rate-hard/sender/news.example.org', RATE, 'hard/provider/google', BRAKE, 'throttled/all', THROTTLED)
        brake, rate, throttled = self.json('alerts')
        self.assertEqual(brake, {
            'alert': 'hard/provider/google', 'kind': 'hard', 'dimension': 'provider', 'value': 'google',
            'since': '2026-11-21T09:15:00Z', 'opened': '2026-11-21T09:23:05Z', 'seen': '2026-11-21T09:33:20Z',
            'count': 57, 'of': 61, 'usual-permille': 8, 'by': 'mx1', 'text': TEXT})
        self.assertEqual((rate['kind'], rate['limit-permille'], rate['value']), ('rate-hard', 20, 'news.example.org'))
        self.assertNotIn('usual-permille', rate)
        self.assertEqual((throttled['alert'], throttled['dimension']), ('throttled/all', 'all'))
        self.assertNotIn('value', throttled)

    def test_what_nobody_wrote_so(self):
        """Damaged ones are left out, strange values are made harmless, and no time is too great."""
        far = 'since=9223372036854775807 opened=9223372036854775807 seen=1 until=2 count=1 of=2 by=%1B]0;x%07'
        self.open('nonsense', BRAKE, 'hard/dest/x', 'since=never', 'hard/planet/mars', BRAKE,
                  'hard/dest/%1B[31mred%0A;rm', far)
        for args in ('alerts',), ('stats',):
            text = self.ctl(*args)
            self.assertNotIn('\x1b', text)
            self.assertNotIn('\x07', text)
            self.assertIn('\\x1b[31mred', text)
            self.assertNotIn('mars', text)
        only, = self.json('alerts')
        self.assertEqual(only['value'], '\x1b[31mred\n;rm')
        self.assertEqual(only['opened'], '9999-12-31T23:59:59Z')
        self.assertEqual(only['until'], '1970-01-01T00:00:02Z')
        self.assertIn('see undo in nixie(1)', only['text'])

    def test_long_values(self):
        self.open('hard/dest/' + '%5C' * 255, BRAKE)
        self.assertIn('; take back what was added', self.ctl('alerts'))
        self.assertEqual(self.json('alerts')[0]['value'], '\\' * 255)

    def test_colour_on_terminals_only(self):
        self.open('hard/provider/google', BRAKE, 'rate-hard/all', RATE)
        self.assertNotIn('\x1b', self.ctl('alerts') + self.ctl('stats'))
        text = on_terminal(self.site, 'alerts')[1]
        self.assertIn('\x1b[31mhard/provider/google\x1b[0m: ', text)
        self.assertIn('\x1b[33mrate-hard/all\x1b[0m: ', text)
        self.assertIn('\x1b[31malert\x1b[0m: hard bounces of provider google', on_terminal(self.site, 'stats')[1])

    def test_stats_begins_with_them(self):
        self.open('throttled/dest/example.com', THROTTLED, 'hard/provider/google', BRAKE)
        first, second, third = self.ctl('stats').splitlines()[:3]
        self.assertEqual(first, 'alert: ' + TEXT)
        self.assertTrue(second.startswith('alert: rate limits at example.com jumped: 30 of 40 attempts since '), second)
        self.assertTrue(third.startswith('Delivery results'), third)
        one, = self.json('stats')
        self.assertIn('delivered', one)

    def test_doctor(self):
        findings = {f['check']: f for f in self.json('doctor', status=NOT_FOUND)}
        self.assertEqual(findings['alerts']['level'], 'ok')
        self.open('hard/provider/google', BRAKE)
        findings = {f['check']: f for f in self.json('doctor', status=NOT_FOUND)}
        self.assertEqual(findings['alerts'], {'group': 'Redis', 'check': 'alerts', 'level': 'warning', 'text': '1 alert is open', 'advice': 'nixie alerts'})
        self.open('throttled/all', THROTTLED)
        self.assertRegex(self.ctl('doctor', '--postfix', 'none', '--exim', 'none', status=NOT_FOUND), r'(?m)^warning  alerts        2 alerts are open\n {25}nixie alerts$')
        self.redis.command('DEL', KEY)
        self.redis.command('SET', KEY, 'dear diary')
        findings = {f['check']: f for f in self.json('doctor', status=NOT_FOUND)}
        self.assertEqual(findings['alerts']['level'], 'error')

    def add(self, ms, alert, event, what):
        self.redis.command('XADD', LOG, '%d-0' % ms, 'alert', alert, 'event', event, 'what', what)

    def test_log(self):
        self.add(1795252985000, 'hard/provider/google', 'open', BRAKE)
        self.add(1795253301000, 'throttled/all', 'open', THROTTLED)
        self.add(1795257000000, 'hard/provider/google', 'closed', BRAKE)
        self.add(1795257001000, 'nonsense', 'open', BRAKE)
        self.add(1795257002000, 'hard/provider/google', 'open', BRAKE)
        self.assertEqual(self.ctl('alerts', '--log').splitlines(), [
            '2026-11-21T09:23:05Z  open    hard/provider/google  57 of 61, by mx1',
            '2026-11-21T09:28:21Z  open    throttled/all  30 of 40, by mx2',
            '2026-11-21T10:30:00Z  closed  hard/provider/google  57 of 61, by mx1',
            '2026-11-21T10:30:02Z  open    hard/provider/google  57 of 61, by mx1'])
        rows = self.json('alerts', '--log')
        self.assertEqual([r['event'] for r in rows], ['open', 'open', 'closed', 'open'])
        self.assertEqual((rows[2]['time'], rows[2]['alert'], rows[2]['text']), ('2026-11-21T10:30:00Z', 'hard/provider/google', TEXT))

    def test_long_log(self):
        """More than the reader asks for at once."""
        for i in range(2345):
            self.add(1795252985000 + i, 'hard/all' if i % 2 else 'blocked/all', 'open' if i % 4 < 2 else 'closed', BRAKE)
        rows = self.json('alerts', '--log')
        self.assertEqual(len(rows), 2345)
        self.assertEqual([r['event'] for r in rows[:5]], ['open', 'open', 'closed', 'closed', 'open'])
        self.redis.command('DEL', LOG)
        self.redis.command('XADD', LOG, '5-1', 'something', 'else')
        self.ctl('alerts', '--log', status=NOT_FOUND)


class Noticed(AlertCase):
    """Alerts that the log reader notices."""

    def setUp(self):
        super().setUp()
        self.site.write_conf(brake={'enabled': True})

    def write(self, n, begin=0):
        now = time.time()
        with open(self.site.log_path, 'a') as f:
            f.write(''.join(hard('left%d@provider.example' % i, when=now - 300) for i in range(begin, begin + n)))

    def test_a_jump(self):
        self.write(60)
        child = self.site.logtail()
        wait_until(lambda: {'hard/all', 'hard/dest/provider.example'} <= set(self.redis.hgetall(KEY)), 'alerts', child=child)
        rows = {r['alert']: r for r in self.json('alerts')}
        of_all = rows['hard/all']
        self.assertEqual((of_all['kind'], of_all['dimension']), ('hard', 'all'))
        self.assertGreaterEqual(of_all['count'], 20)
        self.assertGreaterEqual(of_all['of'], of_all['count'])
        self.assertLessEqual(of_all['since'], of_all['opened'])
        self.assertTrue(of_all['by'])
        self.assertIn('\nalert: ', '\n' + self.ctl('stats'))
        child.wait_log('alert=open hard bounces jumped')
        self.assertIn(', by ' + of_all['by'] + '\n', self.ctl('alerts', '--log'))
        self.assertEqual({r['event'] for r in self.json('alerts', '--log')}, {'open'})
        # what it tells to type is what takes back
        typed = re.search(r'nixie (undo --yes --since \S+ --domain provider\.example)$', rows['hard/dest/provider.example']['text'])[1]
        before = self.site.check('left0@provider.example')
        self.assertEqual(before['status'], 'hard')
        self.assertEqual(self.site.check('left59@provider.example')['status'], 'held')
        self.ctl(*typed.split(), '--yes')
        self.assertIsNone(self.site.check('left0@provider.example'))

    def test_closed_again(self):
        self.write(60)
        child = self.site.logtail('-o', 'brake.window=1 min')
        child.wait_log('caught up')
        # all of it is older than the window now
        wait_until(lambda: not self.redis.hgetall(KEY) and self.redis.command('XLEN', LOG), 'end of the alerts', child=child)
        self.assertEqual(self.ctl('alerts', status=NOT_FOUND), 'no alert is open\n')
        lines = self.ctl('alerts', '--log').splitlines()
        self.assertEqual(sorted({line.split()[1] for line in lines}), ['closed', 'open'])
        self.assertEqual(len(lines) % 2, 0)
        child.wait_log('alert=closed over: hard bounces jumped')
        # with the numbers of its opening, not those of the quiet window that closed it
        said = [re.search(r'hard bounces jumped: (\d+ of \d+) results', line).group(1) for line in child.log().splitlines()
                if re.search(r'alert=(open|closed) .*hard bounces jumped', line)]
        self.assertEqual(said[0], said[1])

    def test_nobody_looks_out(self):
        self.write(60)
        self.site.logtail('-o', 'brake.enabled=false', '--once').wait()
        self.ctl('alerts', status=NOT_FOUND)
        self.assertEqual(self.site.check('left59@provider.example')['status'], 'hard')


class Good(AlertCase):
    def test_good_mail_opens_nothing(self):
        self.site.write_conf(brake={'enabled': True})
        with open(self.site.log_path, 'w') as f:
            f.write(''.join(delivered('fine%d@example.com' % i) for i in range(60)) + hard('gone@example.com'))
        self.site.logtail('--once').wait()
        self.ctl('alerts', status=NOT_FOUND)


class Allowed(AlertCase):
    def test_user_of_the_manual(self):
        """The ACL user of nixie-redis(7) may ask for all of it."""
        self.open('hard/provider/google', BRAKE)
        self.redis.command('XADD', LOG, '1795252985000-0', 'alert', 'hard/all', 'event', 'open', 'what', BRAKE)
        with open(os.path.join(REPOSITORY, 'common', 'nixie-redis.7')) as f:
            words = re.search(r'^ACL SETUSER nixie on >secret (.*?)^(?:ACL|\.Ed)', f.read(), re.M | re.S)[1].split()
        self.redis.command('ACL', 'SETUSER', 'nixie', 'on', '>secret', *words)
        self.site.write_conf(redis={'user': 'nixie', 'password': 'secret'})
        self.assertEqual(len(self.json('alerts')), 1)
        self.assertEqual(len(self.json('alerts', '--log')), 1)
        self.assertIn('alert: ', self.ctl('stats'))
