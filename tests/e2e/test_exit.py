"""The exit status of each verb, as nixie(1) promises: 0 done or found, 1 not found, 2 usage, 3 Redis, 4 configuration."""
import os

from harness.case import SharedCase
from harness.maillog import full, hard
from harness.nixie import BAD_CONFIG, NO_REDIS, NOT_FOUND, OK, USAGE, run, verbs

NEW_RULE = 'rules = ( { id = "ours.one"; category = "recipient.unknown"; text = "no such"; code = "5xx"; %s } );\n'

# verb: what is found or done; what is not; what is wrong; does it ask Redis. An empty list: there is no such thing.
# {dir} is a directory of the test's own.
ROWS = {
    'check': (['hard@example.com'], ['nobody@example.com'], [[], ['x']], True),
    'list': ([], ['--domain', 'none.example'], [['x'], ['--status', 'soft'], ['--limit', '0'], ['--since', 'x'],
             ['--scoped', '--status', 'hard'], ['--scoped', '--category', 'other']], True),
    'history': (['hard@example.com'], ['nobody@example.com'], [[], ['x']], True),
    'history ': (['--last', '7 days'], ['--dest', 'none.example'], [['--class', 'x'], ['--last', 'x'], ['--limit', '0']], True),
    'stats': ([], None, [['x']], True),
    'report': ([], ['--from', '2001-01-01', '--to', '2001-01-02'], [['x'], ['--by', 'x'], ['--last', 'x'], ['--csv', '--json']], True),
    'tail': (None, None, [['x']], True),
    'token': (None, ['1M7PY53CG-8'], [[], ['x y'], ['1M7PY53CG-8', '1M7PY53CG-8']], True),
    'alerts': (None, [], [['x']], True),
    'top': (['--once'], None, [['x'], ['--interval', '0'], ['--minutes', '61'], ['--by', 'day']], True),
    'status': ([], None, [['x']], True),
    'metrics': ([], None, [['x'], ['--limit', '0'], ['--output', '{dir}/none/nixie.prom']], True),
    'doctor': (None, [], [['x']], True),
    'suppress': (['one@example.com'], None, [[], ['x'], ['--for', 'x', 'a@b.example'], ['--scope', 'x', 'a@b.example']], True),
    'allow': (['two@example.com'], None, [[], ['x']], True),
    'reset': (['one@example.com', '--force'], ['nobody@example.com'], [[], ['x'], ['asked@example.com']], True),
    'remove': (['two@example.com'], ['nobody@example.com'], [[], ['x']], True),
    'undo': (['--since', '1d', '--dry-run'], ['--since', '2001-01-01', '--until', '2001-01-02'], [[], ['x'], ['--since', 'x']], True),
    'export': ([], None, [['--format', 'x'], ['--status', 'x'], ['--columns', 'x'], ['a', 'b']], True),
    'import': (['{dir}/list.txt'], ['{dir}/wrong.txt'], [[], ['a', 'b'], ['--format', 'x', '-'], ['--as', 'x', '-']], True),
    # a mail server is told other ones: test_returned.py
    'receive': (['--dry-run', '{dir}/list.txt'], ['--dry-run', '{dir}/none'], [['--dry-run', '--rules']], False),
    'verp': (['--new-secret'], None, [[], ['--for', 'x', 'a@b.example'], ['--new-secret', 'x']], False),
    'aside': (None, [], [['x'], ['--kind', 'x'], ['--limit', '0'], ['--since', 'x']], True),
    'explain': (['550 5.1.1 no such user'], None, [[]], False),
    'explain ': (['hard@example.com'], ['nobody@example.com'], [], True),
    'classify': ([], None, [['x']], False),
    'rules list': ([], ['--category', 'autoreply', '--class', 'hard'], [['x'], ['--category', 'x'], ['--class', 'x']], False),
    'rules show': (['recipient.unknown-user'], ['x'], [[]], False),
    'rules test': ([], ['--rules', '{dir}/fails.d'], [['x']], False),
    'rules lint': ([], ['--rules', '{dir}/fails.d'], [['x']], False),
    'rules words': ([], ['x'], [], False),
    'rules forms': ([], ['x'], [], False),
    'rules stats': ([], None, [['x'], ['--limit', 'x']], True),
    'rules forms': ([], ['x'], [['--x']], False),
    'rules unknown': ([], None, [['x'], ['--limit', 'x']], True),
    'replay': (['--rules', '{dir}/new.d', '{dir}/mail.log'], ['--rules', '{dir}/new.d', '{dir}/none'], [[], ['--rules']], False),
    'replay ': (['--rules', '{dir}/new.d'], None, [], True),
    'help': (['list'], None, [['x'], ['rules', 'x'], ['--x']], None),
    'complete': (['--', 'li'], None, [[], ['--x']], None),
}


def asking(row):
    return next((args for args in row[:2] if args is not None), [])


# that Redis is away is a finding of these
SAY_IT_THEMSELVES = ('doctor', 'status')


class ExitStatus(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.write_conf()
        with open(cls.site.log_path, 'w') as f:
            f.write(hard('hard@example.com') + full('box@example.com'))
        done = run('nixie-logtail', '-f', '-c', cls.site.conf_path, '--once')
        assert done.returncode == OK, done.stderr
        cls.site.ctl_ok('suppress', 'asked@example.com')
        for name, more in (('new.d', 'match = [ "550 no such user" ];'), ('fails.d', 'match = [ "550 something else" ];')):
            os.mkdir(os.path.join(cls.directory, name))
            with open(os.path.join(cls.directory, name, '10-ours.conf'), 'w') as f:
                f.write(NEW_RULE % more)
        for name, text in (('list.txt', 'three@example.com\n'), ('wrong.txt', 'three@example.com\nno address\n'),
                           ('broken.conf', 'nonsense = 1;\n')):
            with open(os.path.join(cls.directory, name), 'w') as f:
                f.write(text)
        cls.broken = os.path.join(cls.directory, 'broken.conf')

    def ctl(self, verb, args, *options):
        words = [a.replace('{dir}', self.directory) for a in args]
        return run('nixie', *(options or ('-c', self.site.conf_path)), *verb.split(), *words, stdin='')

    def each(self, status, get, *options):
        tried = 0
        for verb, row in ROWS.items():
            for args in get(row):
                with self.subTest(verb=verb, args=args):
                    done = self.ctl(verb, args, *options)
                    tried += 1
                    self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                    if status != OK and status != NOT_FOUND and verb not in SAY_IT_THEMSELVES:
                        self.assertNotEqual(done.stderr, '')
        return tried

    def test_all_verbs_are_here(self):
        self.assertEqual(sorted({verb.strip() for verb in ROWS}), sorted(verbs()))

    def test_done(self):
        self.assertGreater(self.each(OK, lambda row: [row[0]] if row[0] is not None else []), 20)

    def test_not_found(self):
        self.assertGreater(self.each(NOT_FOUND, lambda row: [row[1]] if row[1] is not None else []), 12)

    def test_usage(self):
        self.assertGreater(self.each(USAGE, lambda row: row[2]), 50)

    def test_usage_without_a_verb(self):
        self.assertEqual(run('nixie').returncode, USAGE)
        self.assertEqual(run('nixie', 'frobnicate').returncode, USAGE)
        self.assertEqual(run('nixie', 'rules').returncode, USAGE)
        self.assertEqual(run('nixie', '--nonsense').returncode, USAGE)

    def test_no_redis(self):
        def args(row):
            return [asking(row)] if row[3] else []
        away = ('-c', self.site.conf_path, '-o', 'redis.address=unix:%s/away' % self.directory, '-o', 'redis.timeout=100 ms')
        self.assertGreater(self.each(NO_REDIS, args, *away), 20)

    def test_without_redis_all_the_same(self):
        away = ('-c', self.site.conf_path, '-o', 'redis.address=unix:%s/away' % self.directory)
        self.assertGreater(self.each(OK, lambda row: [row[0]] if row[3] is False else [], *away), 6)

    def test_configuration(self):
        def args(row):
            return [asking(row)] if row[3] is not None else []
        for broken in (['-c', self.broken], ['-c', os.path.join(self.directory, 'none.conf')], ['-o', 'nonsense=1']):
            self.assertGreater(self.each(BAD_CONFIG, args, *broken), 20)
