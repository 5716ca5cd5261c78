"""What the Tab key gives in real shells, and what `nixie complete` says to them."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

from harness.case import Case
from harness.nixie import BIN, OK, REPOSITORY, USAGE, run, verbs
from harness.proc import LIMIT

SCRIPTS = os.path.join(REPOSITORY, 'contrib', 'completions')

# what is typed, and what there is then
ROWS = (
    ('sup', ['suppress']),
    ('rep', ['replay', 'report']),
    ('rules l', ['lint', 'list']),
    ('list --st', ['--status']),
    ('list --status h', ['hard', 'held']),
    ('list --category mailb', ['mailbox.full']),
    ('list --status=m', ['manual']),
    ('report --by p', ['provider']),
    ('import --format sp', ['sparkpost']),
    ('export --columns address,rea', ['address,reason']),
    ('rules list --class h', ['hard']),
    ('rules show recipient.unknown-us', ['recipient.unknown-user']),
    ('-o policyd.shad', ['policyd.shadow=']),
    ('import some', ['some-list.csv']),
    ('help rules unk', ['unknown']),
)


def complete(*words):
    done = run('nixie', 'complete', '--', *words)
    assert (done.returncode, done.stderr) == (OK, ''), done
    return [line.split('\t')[0] for line in done.stdout.splitlines()]


class Offers(Case):
    def test_rows(self):
        for typed, there in ROWS:
            if not typed.startswith('import some'):
                with self.subTest(typed=typed):
                    self.assertEqual(sorted(w.split('=', 1)[1] if w.startswith('--status=') else w for w in complete(*typed.split(' '))), there)

    def test_all_verbs_and_options(self):
        self.assertEqual(set(complete('')), {v.split()[0] for v in verbs()})
        for verb in verbs():
            text = run('nixie', *verb.split(), '--help').stdout
            self.assertEqual(set(complete(*verb.split(), '--')), set(re.findall(r'^  (?:-h, )?(--[a-z-]+)', text, re.M)), verb)

    def test_words_are_taken(self):
        """Each fixed word that is offered is one that the verb takes, and they are not all."""
        away = ('-o', 'redis.address=unix:%s/away' % self.directory, '-o', 'redis.timeout=100 ms', '-c', '/dev/null')
        for verb, option in (('list', 'status'), ('list', 'category'), ('report', 'by'), ('export', 'format'), ('export', 'status'), ('export', 'columns'),
                             ('import', 'format'), ('import', 'as'), ('rules list', 'class'), ('rules list', 'category')):
            more = ['-'] if verb == 'import' else []
            words = complete(*verb.split(), '--' + option, '')
            self.assertTrue(words)
            for word in words:
                with self.subTest(verb=verb, option=option, word=word):
                    self.assertNotEqual(run('nixie', *away, *verb.split(), '--' + option, word, *more).returncode, USAGE)
            self.assertEqual(run('nixie', *away, *verb.split(), '--' + option, 'nonsense', *more).returncode, USAGE)

    def test_files_and_odd_lines(self):
        self.assertEqual(complete('import', ''), [':files'])
        self.assertEqual(complete('replay', '--rules', ''), [':directories'])
        self.assertEqual(complete('-c', ''), [':files'])
        self.assertEqual(complete('check', 'user@'), [])
        self.assertEqual(complete('frobnicate', ''), [])
        self.assertEqual(complete('list', '--status', '=', 'he'), ['held'])
        self.assertEqual(complete('list', '--status', '='), complete('list', '--status', ''))
        self.assertEqual(complete('-c', '/does/not/exist', 'rules', 'show', ''), [])
        self.assertEqual(run('nixie', 'complete').returncode, USAGE)


class Shell:
    """An interactive shell on a terminal: lines are typed, and the Tab key behind them."""

    def __init__(self, directory, argv, setup):
        env = {'PATH': BIN + ':' + os.environ['PATH'], 'TERM': 'dumb', 'LC_ALL': 'C.UTF-8', 'HOME': directory, 'COLUMNS': '200', 'LINES': '100',
               'HISTFILE': '/dev/null', 'ZDOTDIR': directory}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe(argv[0], argv, env)
        self.seen = ''
        self.type(setup + '\n')
        self.type('echo rea""dy\n')
        self.wait('ready')

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, *words):
        """Until all of them were written."""
        end = time.monotonic() + LIMIT
        while not all(w in self.seen for w in words):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError('%r does not come: %r' % (words, self.seen))
            self.seen += os.read(self.fd, 65536).decode('utf-8', 'replace')

    def tab(self, line, words):
        self.seen = ''
        typed = 'nixie ' + line
        self.type(typed)
        self.wait(typed[-1])
        begun = re.split('[ =]', line)[-1]
        self.type('\t')
        if len(words) == 1:
            self.wait(words[0][len(begun):] if words[0].startswith(begun) else words[0])
        else:
            self.wait(*words)
        self.seen = ''
        self.type('\x15echo cle""ared\n')
        self.wait('cleared')

    def stop(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        finally:
            os.close(self.fd)


class Shells(Case):
    def setUp(self):
        super().setUp()
        open(os.path.join(self.directory, 'some-list.csv'), 'w').close()
        # the build tree finds its rules, a link would not
        self.assertTrue(os.access(os.path.join(BIN, 'nixie'), os.X_OK))

    def shell(self, name, argv, setup):
        self.assertIsNotNone(shutil.which(name), name + ' is missing: make deps-test')
        shell = Shell(self.directory, argv, setup)
        self.addCleanup(shell.stop)
        for line, words in ROWS:
            shell.tab(line, words)

    def test_bash(self):
        self.shell('bash', ['bash', '--norc', '--noprofile', '-i'], "PS1='> '; source %s/nixie.bash; bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous on'" % SCRIPTS)

    def test_zsh(self):
        os.mkdir(os.path.join(self.directory, 'site'))
        shutil.copy(os.path.join(SCRIPTS, '_nixie'), os.path.join(self.directory, 'site'))
        self.shell('zsh', ['zsh', '-f', '-i'], "PS1='> '; unsetopt PROMPT_SP LIST_AMBIGUOUS; fpath=(%s/site $fpath); autoload -U compinit; compinit -u -D; bindkey -e" % self.directory)

    def test_fish(self):
        """fish says itself what its Tab key would give."""
        self.assertIsNotNone(shutil.which('fish'), 'fish is missing: make deps-test')
        for line, words in ROWS:
            with self.subTest(line=line):
                done = subprocess.run(['fish', '--no-config', '-c', 'source %s/nixie.fish; complete -C "nixie %s"' % (SCRIPTS, line)], cwd=self.directory,
                                      env={**os.environ, 'PATH': BIN + ':' + os.environ['PATH'], 'HOME': self.directory}, stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True, check=False, timeout=LIMIT)
                self.assertEqual(done.stderr, '')
                self.assertEqual(sorted(w.split('\t')[0].replace('--status=', '') for w in done.stdout.splitlines()), words)
