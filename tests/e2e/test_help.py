"""What the programs tell of themselves: the help of each verb, and what is said of a wrong word."""
import gzip
import os
import re
import signal
import subprocess

from harness import returned
from harness.case import Case, SharedCase
from harness.maillog import full, hard
from harness.nixie import BIN, OK, REPOSITORY, USAGE, run, verbs
from harness.proc import LIMIT, wait_until

SHARE = os.path.join(os.path.dirname(os.path.abspath(BIN)), 'share')


def help_of(verb):
    return run('nixie', *verb.split(), '--help')


def minds_interrupt(pid):
    """Does nixie run, and would not just die of ^C?"""
    with open('/proc/%d/status' % pid) as f:
        said = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
    return said['Name'] == 'nixie' and (int(said['SigCgt'], 16) | int(said['SigBlk'], 16)) & 1 << signal.SIGINT - 1


def examples(verb):
    return help_of(verb).stdout.partition('\nExamples\n')[2].split('\n')


class Help(Case):
    def test_each_verb(self):
        self.assertGreater(len(verbs()), 25)
        for verb in verbs():
            with self.subTest(verb=verb):
                done = help_of(verb)
                self.assertEqual((done.returncode, done.stderr), (OK, ''))
                self.assertTrue(done.stdout.startswith('usage: nixie %s' % verb), done.stdout)
                self.assertEqual(run('nixie', *verb.split(), '-h').stdout, done.stdout)
                self.assertEqual(run('nixie', 'help', *verb.split()).stdout, done.stdout)

    def test_wrong_option(self):
        for verb in verbs():
            with self.subTest(verb=verb):
                done = run('nixie', '-c', '/dev/null', *verb.split(), '--nonsense')
                # a mail server is to keep the mail
                self.assertEqual((done.returncode, done.stdout), (os.EX_TEMPFAIL if verb == 'receive' else USAGE, ''))
                self.assertIn('%s: there is no option --nonsense\nusage: nixie %s' % (verb, verb), done.stderr)
                self.assertTrue(done.stderr.endswith('\nnixie %s --help tells more\n' % verb), done.stderr)
                self.assertNotIn('Examples', done.stderr)

    def test_did_you_mean(self):
        for words, meant in (('lsit', 'did you mean nixie list?'), ('supress a@b.example', 'did you mean nixie suppress?'),
                             ('expo', 'did you mean nixie export?'), ('frobnicate', 'there is no verb "frobnicate"; nixie --help'),
                             ('rules lnt', 'did you mean nixie rules lint?'), ('rules xyzzy', 'there is no verb "rules xyzzy"; nixie rules --help'),
                             ('help rlues', 'did you mean nixie rules?'), ('help rules lst', 'did you mean nixie rules list?'),
                             ('list --sttus held', 'did you mean --status?'), ('report --bye day', 'did you mean --by?'),
                             ('stats --jsn', 'did you mean --json?'), ('suppress --hrad a@b.example', 'did you mean --hard?'),
                             ('rules test --sterict', 'did you mean --strict?'), ('list --status', '--status needs a value: --status STATUS'),
                             ('suppress --for', '--for needs a value: --for TIME'), ('report --csv=1', '--csv takes no value'),
                             ('token --json=1 X', '--json takes no value'), ('list -x', 'there is no option -x'),
                             ('list --s held', 'there is no option --s\n')):
            with self.subTest(words=words):
                done = run('nixie', '-c', '/dev/null', *words.split())
                self.assertEqual((done.returncode, done.stdout), (USAGE, ''))
                self.assertIn(meant, done.stderr)
                self.assertEqual('did you mean' in done.stderr, 'did you mean' in meant)

    def test_needs_no_configuration(self):
        broken = os.path.join(self.directory, 'nixie.conf')
        with open(broken, 'w') as f:
            f.write('nonsense = 1;\n')
        done = run('nixie', '-c', broken, 'help', 'list')
        self.assertEqual((done.returncode, done.stderr), (OK, ''))


class Examples(SharedCase):
    """What the help shows works as it is typed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        secrets = os.path.join(cls.directory, 'secrets')
        with open(os.open(secrets, os.O_WRONLY | os.O_CREAT, 0o600), 'w') as f:
            f.write('0123456789abcdef0123456789abcdef\n')
        addresses = tuple({'for': use, 'address': use + '+{recipient}-{sig}@news.example'} for use in ('bounces', 'unsubscribe'))
        cls.site.write_conf(receive={'secret-file': secrets, 'addresses': addresses})
        with open(cls.site.log_path, 'w') as f:
            f.write(hard('user@example.com') + full('box@example.com') + full('box@example.com'))
        done = run('nixie-logtail', '-f', '-c', cls.site.conf_path, '--once')
        assert done.returncode == OK, done.stderr
        cls.here = os.path.join(cls.directory, 'here')
        os.makedirs(os.path.join(cls.here, 'new.d'))
        with open(os.path.join(cls.here, 'new.d', '10-ours.conf'), 'w') as f:
            f.write('rules = ( { id = "ours.one"; category = "recipient.unknown"; text = "no such"; code = "5xx"; } );\n')
        with open(os.path.join(cls.here, 'suppressions.csv'), 'w') as f:
            f.write('EmailAddress,Reason,LastUpdateTime\none@example.com,BOUNCE,2026-01-01T00:00:00Z\n')
        for name in ('unsubscribed.txt', 'dead.txt', 'recipients.txt'):
            with open(os.path.join(cls.here, name), 'w') as f:
                f.write('two@example.com\n')
        for name in ('bounce.eml', 'bounces', 'bounces.mbox'):
            with open(os.path.join(cls.here, name), 'wb') as f:
                f.write(b'From x Fri Nov 20 10:00:00 2026\n' if name.endswith('.mbox') else b'')
                f.write(returned.failed('user@example.com', returned.original('<a@shop.example>')))
        with gzip.open(os.path.join(cls.here, 'mail.log.1.gz'), 'wt') as f:
            f.write(hard('three@example.com'))

    def type(self, line):
        """in a shell, with this site's configuration; the places of an installation are this directory"""
        line = line.replace('/etc/nixie/rules.d', 'new.d').replace('--rules NEW', '--rules new.d').replace('/usr/local/share', SHARE).replace('/var/log/', '').replace('/var/mail/', '')
        line = re.sub(r'\bnixie (?=[a-z])', 'nixie -c %s ' % self.site.conf_path, line)
        endless = ' tail' in line or '--interval' in line
        with subprocess.Popen(['sh', '-c', ('exec ' if endless else '') + line], cwd=self.here, env={**os.environ, 'PATH': BIN + ':' + os.environ['PATH']},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            try:
                if endless:
                    wait_until(lambda: p.poll() is not None or minds_interrupt(p.pid), line)
                    p.send_signal(signal.SIGINT)
                out, err = p.communicate(timeout=LIMIT)
            finally:
                p.kill()
        return subprocess.CompletedProcess(line, p.returncode, out, err)

    def each(self, lines):
        for line in lines:
            with self.subTest(line=line):
                self.site.ctl('remove', '--force', 'user@example.com')
                self.site.ctl_ok('suppress', '--hard', 'user@example.com')
                done = self.type(line.strip())
                # nothing may be found, nothing more
                self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
                self.assertNotIn('usage: ', done.stderr)

    def test_each(self):
        lines = [line for verb in verbs() for line in examples(verb) if line]
        self.assertGreater(len(lines), 50)
        self.each(lines)

    def test_those_of_the_readme(self):
        with open(os.path.join(REPOSITORY, 'README.md'), encoding='utf-8') as f:
            lines = re.findall(r'(?m)^    (nixie .*)$', f.read())
        self.assertGreater(len(lines), 25)
        self.each(lines)
