"""nixie top: a live screen that fits its terminal, outlives Redis and leaves the terminal as it was."""
import json
import os
import signal
import termios
import time
from collections import Counter

from harness.between import Late
from harness.case import RedisCase
from harness.maillog import delivered, full, hard
from harness.nixie import NO_REDIS, OK, USAGE
from harness.proc import wait_until
from harness.terminal import Session, on_terminal

SIZES = (80, 24), (40, 10), (200, 60), (20, 1), (1, 1), (30, 3), (79, 6)


class Top(RedisCase):
    options = {'redis': {'timeout': '1s'}}

    def fill(self):
        """20 delivered, 2 soft and 3 hard, some minutes ago."""
        when = self.now - 300
        self.read(*[delivered('reader%d@big.example' % i, when=when, sender='news@a.example') for i in range(20)],
                  *[hard('gone%d@old.example' % i, when=when + 1, sender='shop@b.example') for i in range(3)],
                  *[full('box%d@full.example' % i, when=when + 2) for i in range(2)])

    def start(self, *args, **kw):
        session = Session(self.site, 'top', '--interval', '1', *args, **kw)
        self.addCleanup(session.close)
        return session

    def today(self):
        """In the first minutes of a day that is less than fill() has made."""
        total = Counter()
        for key in self.redis.command('KEYS', time.strftime('nixie:{*}:day:%Y%m%d', time.gmtime(self.now))):
            total.update({name: int(value) for name, value in self.redis.hgetall(key).items()})
        return total

    def frame(self, *args):
        return json.loads(self.site.ctl_ok('top', '--json', '--once', *args))


class Numbers(Top):
    def test_as_the_log_has_them(self):
        self.fill()
        frame = self.frame('--minutes', '60')
        want = {'delivered': 20, 'soft': 2, 'hard': 3, 'deferred': 0}
        today = self.today()
        for name in want:
            self.assertEqual(frame['today'][name], today[name])
            self.assertEqual(frame['hour'][name], want[name])
            self.assertEqual(sum(m[name] for m in frame['minutes']), want[name])
        self.assertEqual(len(frame['minutes']), 61)
        # the result comes a second after the message
        minute, = [m for m in frame['minutes'] if m['minute'] == time.strftime('%Y-%m-%dT%H:%M:00Z', time.gmtime(self.now - 299))]
        self.assertGreaterEqual(minute['delivered'], 1)
        self.assertEqual((frame['hour']['hard-permille'], frame['hour']['all-permille']), (120.0, 200.0))
        self.assertEqual((frame['suppressed'], frame['reachable'], frame['by']), (3, True, 'dest'))
        self.assertEqual([(r['value'], r['hard'], r['soft'], r['delivered']) for r in frame['rows']],
                         [('old.example', 3, 0, 0), ('full.example', 0, 2, 0), ('big.example', 0, 0, 20)])
        senders = self.frame('--by', 'sender', '--minutes', '60')['rows']
        self.assertEqual([(r['value'], r['hard']) for r in senders], [('b.example', 3), ('example.org', 0), ('a.example', 0)])
        self.assertEqual(self.frame('--by', 'host', '--minutes', '60')['rows'][0]['attempts'], 25)
        reader, = frame['readers']
        self.assertEqual((reader['state'], reader['running']), ('done', False))

    def test_over_the_limit(self):
        self.site.options['alerts'] = {'minimum': 5}
        self.site.write_conf()
        self.fill()
        self.assertEqual(self.frame()['hour']['over'], ['hard-permille', 'all-permille'])
        text = self.site.ctl_ok('top', '--once', '--minutes', '60')
        self.assertIn('hard 12.0 %! (limit 2)', text)
        status, text = on_terminal(self.site, 'top', '--once')
        self.assertEqual(status, OK)
        self.assertNotIn('\033', text)
        session = self.start()
        session.wait('hard 12.0 % (limit 2)')
        self.assertIn('\033[31m12.0 %', session.sequences)

    def test_of_the_last_minutes_only(self):
        self.read(hard('a@long-ago.example', when=self.now - 1800), hard('b@just-now.example', when=self.now - 70))
        self.assertEqual([r['value'] for r in self.frame('--minutes', '5')['rows']], ['just-now.example'])
        self.assertEqual(len(self.frame('--minutes', '60')['rows']), 2)


class NumbersOf64(Numbers):
    partitions = 64


class Pipes(Top):
    def test_one_picture_without_codes(self):
        self.fill()
        text = self.site.ctl_ok('top')
        self.assertNotIn('\033', text)
        self.assertTrue(text.isascii())
        self.assertTrue(all(len(line) <= 80 and line == line.rstrip() for line in text.splitlines()), text)
        for word in 'delivered', 'old.example', '3 suppressed', 'reader   done':
            self.assertIn(word, text)

    def test_an_object_a_frame_until_the_reader_goes(self):
        import subprocess
        from harness.nixie import binary
        with subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'top', '--json', '--interval', '1'], stdout=subprocess.PIPE) as p:
            frames = [json.loads(p.stdout.readline()) for _ in range(2)]
            self.redis.stop()
            while frames[-1]['reachable']:
                frames.append(json.loads(p.stdout.readline()))
            self.assertIn('Redis', frames[-1]['trouble'])
            self.assertNotIn('suppressed', frames[-1])
            p.stdout.close()
            self.assertEqual(p.wait(), OK)

    def test_one_look_waits_as_long_as_it_may(self):
        """By redis.timeout; only a screen, where somebody types, does not."""
        between = Late(self.redis.socket, b'HGETALL', 1, 3)
        self.addCleanup(between.stop)
        self.site.ctl_ok('-o', 'redis.address=' + between.address, '-o', 'redis.timeout=10s', 'top', '--once')
        self.assertLessEqual(between.left, 0, 'it was not asked')

    def test_without_redis(self):
        self.redis.stop()
        self.assertEqual(self.site.ctl('top').returncode, NO_REDIS)
        done = self.site.ctl('top', '--once', '--json')
        self.assertEqual(done.returncode, NO_REDIS)
        self.assertIs(json.loads(done.stdout)['reachable'], False)

    def test_usage(self):
        for args in ['x'], ['--interval', '0'], ['--interval', 'x'], ['--minutes', '61'], ['--by', 'day']:
            self.assertEqual(self.site.ctl('top', *args).returncode, USAGE, args)


class Live(Top):
    def test_it_fits_every_terminal(self):
        self.fill()
        for columns, lines in SIZES:
            session = self.start(columns=columns, lines=lines)
            wait_until(lambda: session.update().strip(), 'picture of %d x %d' % (columns, lines))
            session.type('q')
            self.assertEqual(session.end(), OK)

    def test_what_it_shows(self):
        self.fill()
        shown = {(80, 24): ('big.example', 'reader', 'hard 12.0 %', 'q quit', '15 min', 'today', '\N{FULL BLOCK}'),
                 (40, 10): ('delivered', 'old.example', 'HARD %', 'q quit'),
                 (200, 60): ('ATTEMPTS', 'full.example', '60 min', 'last hour', 'q quit')}
        for (columns, lines), words in shown.items():
            session = self.start(columns=columns, lines=lines)
            text = session.wait(*words)
            self.assertEqual(len(text.splitlines()), lines)
            self.assertTrue(session.screen.alternate and not session.screen.cursor)

    def test_resized(self):
        self.fill()
        session = self.start('--interval', '3600')
        session.wait('DELIVERED', 'q quit')
        session.resize(40, 10)
        session.wait('old.example', 'q quit', gone=['DELIVERED'])
        session.resize(200, 60)
        session.wait('ATTEMPTS', 'last hour')
        session.type('q')
        self.assertEqual(session.end(), OK)
        self.assertTrue(session.is_restored())

    def test_keys(self):
        self.fill()
        session = self.start()
        session.wait('DOMAIN', 'old.example')
        for key, title, name in ('2', 'PROVIDER', ''), ('3', 'SENDER', 'b.example'), ('4', 'CAMPAIGN', 'no results'), ('5', 'HOST', 'mx1'), \
                ('\033[C', 'DOMAIN', 'old.example'), ('\033[D', 'HOST', 'mx1'), ('\t', 'DOMAIN', 'big.example'):
            session.type(key)
            session.wait(title + ' ', name)
        for want in '60 min', '5 min', '15 min':
            session.type('m')
            session.wait('5 hosts  ' + want)
        session.type('\033[B')
        session.wait('full.example', gone=['old.example'])
        session.type('\033[F')
        session.wait('big.example', gone=['full.example'])
        session.type('\033[H')
        session.wait('old.example')
        session.type('?')
        session.wait('ends it', gone=['old.example'])
        session.type('?')
        session.wait('old.example')
        session.type('\033[99~x\033')
        session.type('q')
        self.assertEqual(session.end(), OK)
        self.assertTrue(session.is_restored())

    def test_paused(self):
        self.fill()
        session = self.start()
        session.wait('3 suppressed')
        session.type('p')
        before = session.wait('paused')
        self.site.ctl_ok('suppress', 'more@z.example')
        wait_until(lambda: self.frame()['suppressed'] == 4, 'another one')
        session.type('?')
        session.wait('ends it')
        session.type('?')
        wait_until(lambda: session.update() == before, 'the same picture')
        session.type('p')
        session.wait('4 suppressed', gone=['paused'])

    def test_it_follows(self):
        session = self.start()
        session.wait('0 suppressed', 'no results')
        self.fill()
        session.wait('3 suppressed', 'old.example')
        self.site.policyd().stop()
        session.wait('policyd  stopped')

    def test_redis_goes_away_and_comes_back(self):
        self.fill()
        session = self.start()
        session.wait('old.example')
        self.redis.stop()
        session.wait('Redis cannot be asked; this was read at', 'old.example', '3 suppressed')
        session.type('?')
        session.wait('ends it')
        session.type('?')
        self.redis.start()
        self.site.ctl_ok('suppress', 'more@z.example')
        session.wait('4 suppressed', gone=['cannot be asked'])
        self.redis.freeze()
        session.wait('Redis cannot be asked')
        self.redis.thaw()
        session.wait('old.example', gone=['cannot be asked'])

    def test_redis_is_not_there_at_the_start(self):
        self.redis.stop()
        session = self.start()
        session.wait('Redis cannot be asked', 'not known')
        self.redis.start()
        session.wait('0 suppressed', gone=['cannot be asked'])

    def test_the_terminal_is_as_it_was(self):
        for how in signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, '\003', '\034':
            session = self.start()
            session.wait('0 suppressed')
            if isinstance(how, str):
                session.type(how)
            else:
                os.kill(session.process.pid, how)
            self.assertEqual(session.end(), OK)
            self.assertTrue(session.is_restored(), how)
            self.assertEqual(session.screen.main, '')

    def test_stopped_and_continued(self):
        session = self.start()
        session.wait('0 suppressed')
        os.kill(session.process.pid, signal.SIGTSTP)
        pid, status = os.waitpid(session.process.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        session.update()
        self.assertTrue(session.is_restored())
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: session.update() and session.screen.alternate, 'the picture again')
        session.type('q')
        self.assertEqual(session.end(), OK)
        self.assertTrue(session.is_restored())

    def test_keys_that_the_shell_took(self):
        session = self.start()
        session.wait('0 suppressed')
        self.site.redis.command('CLIENT', 'PAUSE', '1500')
        time.sleep(1.2)                     # it waits for an answer
        session.type('x')
        os.kill(session.process.pid, signal.SIGTSTP)
        pid, _ = os.waitpid(session.process.pid, os.WUNTRACED)
        session.update()
        self.assertTrue(session.is_restored())
        termios.tcflush(session.slave, termios.TCIFLUSH)
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: session.update() and session.screen.alternate, 'the picture again')
        session.type('?')
        session.wait('the table before, the next one')
        session.type('q')
        self.assertEqual(session.end(), OK)
        self.assertTrue(session.is_restored())

    def test_names_from_strangers(self):
        evil = '\033[2J\033]0;title\007\r\n\u65e5\u672c\u8a9e\u202e\u0301e' + 'x' * 300
        minute = 'nixie:{0}:min:%s:%%s' % time.strftime('%Y%m%d%H%M', time.gmtime())
        for dimension in 'dest', 'campaign':
            self.redis.command('HSET', minute % dimension, evil + '|hard', 5, '\ufffd|bad' + '|hard', 4, b'\xff\xfe|soft', 3)
        for args in {}, {'columns': 40, 'lines': 10}, {'env': {'LC_ALL': 'C'}}, {'columns': 300, 'lines': 24}:
            session = self.start('--by', 'campaign', '--minutes', '5', **args)
            shown = {'\\xff': args.get('lines', 24) == 24, '\u65e5': args.get('columns', 0) == 300}
            text = session.wait('\\x1b[2J', 'q quit', *[word for word in shown if shown[word]])
            self.assertEqual({word: word in text for word in shown}, shown)
            self.assertEqual(text.isascii(), 'env' in args)
            session.type('q')
            self.assertEqual(session.end(), OK)
        self.assertEqual(json.loads(self.site.ctl_ok('top', '--json', '--once', '--by', 'campaign'))['rows'][0]['value'], evil)

    def test_no_colour(self):
        session = self.start(env={'NO_COLOR': '1'})
        session.wait('0 suppressed')
        session.type('q')
        self.assertEqual(session.end(), OK)
        self.assertNotRegex(session.sequences.replace('\033[0m\033[?1049l', ''), '\033\\[[0-9;]*m')

    def test_a_dumb_terminal_gets_one_picture(self):
        status, text = on_terminal(self.site, 'top', env={'TERM': 'dumb'})
        self.assertEqual(status, OK)
        self.assertIn('0 suppressed', text)
        self.assertNotIn('\033', text)
