"""nixie tail: each change of an address, as it happens."""
import json
import os
import signal
import subprocess
import time

from harness import returned
from harness.case import RedisCase
from harness.maillog import Message, delivered, full, hard
from harness.nixie import NO_REDIS, OK, USAGE, binary
from harness.proc import LIMIT, Child, wait_until
from harness.terminal import Session


class Tail(RedisCase):
    def setUp(self):
        super().setUp()
        self.site.ctl_ok('suppress', 'before@a.example')

    def start(self, *args):
        child = Child('tail', [binary('nixie'), '-c', self.site.conf_path, 'tail'] + list(args), os.path.join(self.directory, 'tail.log'),
                      env={'TZ': 'UTC'})
        self.addCleanup(child.kill)
        tries = iter(range(1000))

        def follows():      # it shows what comes, not what was: something comes until it is there
            self.site.ctl_ok('suppress', 'try%d@a.example' % next(tries))
            return '@a.example' in child.log()
        wait_until(follows, 'a change that is shown', child=child)
        return child

    @staticmethod
    def whole(child):
        """It writes bytes, not lines: the end of the last one may be still to come."""
        return child.log().split('\n')[:-1]

    def lines(self, child, n):
        """Those about other addresses."""
        def shown():
            return [x for x in self.whole(child) if 'z.example' in x]
        wait_until(lambda: len(shown()) >= n, '%d changes, there are %s' % (n, child.log()), child=child)
        return shown()

    def test_each_change_as_json(self):
        child = self.start('--json')
        now = int(time.time()) - 600
        self.read(full('box@z.example', when=now), hard('gone@z.example', when=now + 10), delivered('box@z.example', when=now + 20))
        self.site.ctl_ok('suppress', '--reason', 'asked', 'who@z.example')
        self.site.ctl_ok('reset', 'gone@z.example')
        rows = [json.loads(x) for x in self.lines(child, 5)]
        self.assertEqual(len(rows), 5)
        got = {}
        for r in rows:
            got.setdefault(r['address'], []).append((r['from'], r['to'], r['why']))
        self.assertEqual(got, {'box@z.example': [('none', 'soft', 'failure'), ('soft', 'none', 'delivered')],
                               'gone@z.example': [('none', 'hard', 'failure'), ('hard', 'none', 'reset')],
                               'who@z.example': [('none', 'manual', 'asked')]})
        gone = next(r for r in rows if r['address'] == 'gone@z.example')
        self.assertEqual(gone['reason'], 'recipient.unknown')
        self.assertEqual(gone['time'], time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now + 11)))
        told = json.loads(self.site.ctl_ok('token', '--json', gone['token']))
        self.assertEqual((told['address'], told['rule']), ('gone@z.example', gone['rule']))
        self.assertNotIn('before@a.example', child.log())

    def test_what_came_by_mail(self):
        self.site.write_conf(receive={'remember': '7 days'})
        child = self.start()
        failed, complained = Message(), Message()
        self.read(failed.begin(), failed.sent('gone@z.example'), complained.begin(), complained.sent('reader@z.example'))
        self.site.ctl_ok('receive', stdin=returned.failed('gone@z.example', returned.original('<%s@example.org>' % failed.qid)))
        self.site.ctl_ok('receive', stdin=returned.complaint(returned.original('<%s@example.org>' % complained.qid), 'reader@z.example'))
        # in two partitions; of one look what is in the first of them is shown first
        failure, complaint = sorted(self.lines(child, 2), key=lambda line: 'complaint' in line)
        self.assertRegex(failure, r'Z +none -> hard +gone@z\.example  recipient\.unknown  \S+  failure, by receive, batch receive-\d{8}$')
        self.assertRegex(complaint, r'Z +none -> complaint +reader@z\.example for sender:shop\.example  complaint, by receive, batch receive-\d{8}$')

    def test_as_text_until_it_is_interrupted(self):
        for number in signal.SIGINT, signal.SIGTERM:
            child = self.start()
            self.read(hard('gone%d@z.example' % number, when=time.time() - 60))
            line, = [x for x in self.lines(child, 1) if 'gone%d@' % number in x]
            self.assertRegex(line, r'^20\S+Z +none -> hard +gone\d+@z\.example  recipient\.unknown  \S+  failure, by \S+$')
            child.send_signal(number)
            self.assertEqual(child.wait(), OK, child.log())
            os.unlink(os.path.join(self.directory, 'tail.log'))

    def test_some_of_them(self):
        now = int(time.time()) - 600
        children = []
        for i, args in enumerate((['--status', 'hard'], ['--domain', 'B.example'], ['--status', 'none', '--domain', '@a.example'])):
            child = Child('tail%d' % i, [binary('nixie'), '-c', self.site.conf_path, 'tail', '--json'] + args,
                          os.path.join(self.directory, 'tail%d.log' % i))
            self.addCleanup(child.kill)
            children.append(child)
        tries = iter(range(1000))

        def follow():       # all show what comes from now on
            n = next(tries)
            self.site.ctl_ok('suppress', '--hard', 'try%d@b.example' % n, 'try%d@a.example' % n)
            self.site.ctl_ok('reset', 'try%d@a.example' % n)
            return all(child.log() for child in children)
        wait_until(follow, 'three that follow')
        self.read(hard('x@a.example', when=now), hard('x@b.example', when=now + 1), full('y@b.example', when=now + 2))
        self.site.ctl_ok('reset', 'x@a.example')
        self.site.ctl_ok('reset', 'x@b.example')
        want = [[('x@a.example', 'hard'), ('x@b.example', 'hard')],
                [('x@b.example', 'hard'), ('x@b.example', 'none'), ('y@b.example', 'soft')], [('x@a.example', 'none')]]
        for child, changes in zip(children, want):
            def shown(child=child):
                rows = [json.loads(line) for line in self.whole(child)]
                return sorted((r['address'], r['to']) for r in rows if r['address'][0] in 'xy')
            wait_until(lambda shown=shown, changes=changes: len(shown()) >= len(changes), 'changes', child=child)
            self.assertEqual(shown(), changes)

    def test_colours_of_kinds(self):
        session = Session(self.site, 'tail', columns=200)
        self.addCleanup(session.close)
        session.wait_main('waiting for changes')
        self.read(hard('gone@z.example'), full('box@z.example'))
        self.site.ctl_ok('suppress', '--reason', '\033[2J\r\nasked', 'who@z.example')
        self.site.ctl_ok('reset', 'gone@z.example')
        text = session.wait_main('-> \033[31mhard     \033[0m  gone@z.example', '-> \033[33msoft     \033[0m  box@z.example',
                                 '-> \033[1m\033[31mmanual   \033[0m  who@z.example', '-> \033[32mnone     \033[0m  gone@z.example')
        self.assertIn('\\x1b[2J\\x0d\\x0aasked', text)
        session.type('\003')
        self.assertEqual(session.end(), OK)

    def test_its_reader_goes_away(self):
        with subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'tail'], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
            p.stdout.close()
            self.assertEqual(p.wait(LIMIT), OK)
            self.assertEqual(p.stderr.read(), b'')

    def test_redis_goes_away_and_comes_back(self):
        child = self.start('--json')
        self.redis.stop()
        child.wait_log('waiting')
        self.redis.start()
        self.site.ctl_ok('suppress', 'later@z.example')
        self.assertEqual(json.loads(self.lines(child, 1)[0])['address'], 'later@z.example')
        self.assertEqual(child.log().count('; waiting'), 1)

    def test_usage(self):
        self.assertEqual(self.site.ctl('tail', 'gone@z.example').returncode, USAGE)
        self.assertEqual(self.site.ctl('tail', '--status', 'gone').returncode, USAGE)
        self.redis.stop()
        self.assertEqual(self.site.ctl('tail').returncode, NO_REDIS)


class TailOf64(Tail):
    partitions = 64
