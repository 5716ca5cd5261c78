"""nixie tail: each change of an address, as it happens."""
import json
import os
import signal
import subprocess
import time

from harness.case import Case
from harness.maillog import delivered, full, hard
from harness.nixie import NO_REDIS, OK, USAGE, binary, run
from harness.proc import LIMIT, Child, wait_until


class Tail(Case):
    partitions = 1

    def setUp(self):
        super().setUp()
        self.with_redis()
        self.site.options['redis']['partitions'] = self.partitions
        self.site.write_conf()
        self.site.ctl_ok('suppress', 'before@a.example')

    def read(self, *texts):
        with open(self.site.log_path, 'a') as f:
            f.write(''.join(texts))
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, OK, done.stderr)

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

    def lines(self, child, n):
        """Those about other addresses."""
        def shown():
            return [x for x in child.log().splitlines() if 'z.example' in x]
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

    def test_as_text_until_it_is_interrupted(self):
        for number in signal.SIGINT, signal.SIGTERM:
            child = self.start()
            self.read(hard('gone%d@z.example' % number, when=time.time() - 60))
            line, = [x for x in self.lines(child, 1) if 'gone%d@' % number in x]
            self.assertRegex(line, r'^20\S+Z +none -> hard +gone\d+@z\.example  recipient\.unknown  \S+  failure, by \S+$')
            child.send_signal(number)
            self.assertEqual(child.wait(), OK, child.log())
            os.unlink(os.path.join(self.directory, 'tail.log'))

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
        self.redis.stop()
        self.assertEqual(self.site.ctl('tail').returncode, NO_REDIS)


class TailOf64(Tail):
    partitions = 64
