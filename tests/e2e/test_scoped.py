"""nixie list --scoped: what holds for some senders only, which an ordinary list does not show."""
import json
import os
import time

from harness.case import RedisCase
from harness.nixie import NOT_FOUND, OK, USAGE
from harness.terminal import on_terminal, plain

SHOP, NEWS = 'sender:shop.example', 'login:news'
HIDDEN = 'for some senders only: nixie list --scoped'


class Scoped(RedisCase):
    def ctl(self, *args, status=OK, **more):
        done = self.site.ctl(*args, **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def rows(self, *args, status=OK):
        return [json.loads(line) for line in self.ctl('list', '--scoped', '--json', *args, status=status).stdout.splitlines()]

    def listed(self, *args, status=OK):
        return [(r['address'], r['scope'], r['status']) for r in self.rows(*args, status=status)]

    def index(self):
        members = {}
        for p in range(self.partitions):
            flat = self.redis.command('ZRANGE', 'nixie:{%d}:scoped' % p, 0, -1, 'WITHSCORES')
            members.update(zip(flat[::2], map(int, flat[1::2])))
        return members

    def entries(self):
        """{address: its fields}, without those that are another's with every write."""
        return {key.split(':addr:')[1]: {k: v for k, v in self.redis.hgetall(key).items() if k not in ('token', 'revision')}
                for key in self.redis.command('KEYS', 'nixie:*:addr:*')}

    def take(self, rows):
        """Imports [(address, status, scopes)]."""
        lines = ['address,status,scopes'] + ['%s,%s,"%s"' % row for row in rows]
        self.ctl('import', '-', stdin='\n'.join(lines) + '\n')

    def test_empty(self):
        self.assertIn('no address is suppressed for some senders', self.ctl('list', '--scoped', status=NOT_FOUND).stdout)
        self.assertEqual(self.rows(status=NOT_FOUND), [])
        self.assertNotIn(HIDDEN, self.ctl('list', status=NOT_FOUND).stderr)
        self.ctl('suppress', 'all@a.example')
        self.assertEqual(self.rows(status=NOT_FOUND), [])
        self.assertEqual(self.index(), {})
        self.assertEqual(json.loads(self.ctl('status', '--json', status=NOT_FOUND).stdout)['scoped'], 0)

    def test_what_it_shows(self):
        self.ctl('suppress', '--scope', SHOP, '--scope', SHOP, 'one@a.example')
        row, = self.rows()
        self.assertEqual(sorted(row), ['address', 'cursor', 'scope', 'since', 'status'])
        self.assertEqual((row['address'], row['scope'], row['status']), ('one@a.example', SHOP, 'manual'))
        self.assertRegex(row['since'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
        self.assertRegex(self.ctl('list', '--scoped').stdout, r'^  manual    one@a\.example  for sender:shop\.example since \d{4}-\d\d-\d\d\n$')
        status, text = on_terminal(self.site, 'list', '--scoped', columns=100)
        self.assertEqual(status, OK)
        self.assertRegex(plain(text), r'STATUS +ADDRESS +SCOPE +SINCE[^\n]*\n *manual +one@a\.example +sender:shop\.example +\d{4}-')
        self.assertIn('data     0 addresses are suppressed, 1 for some senders (nixie list --scoped)', self.ctl('status', status=NOT_FOUND).stdout)
        self.assertEqual(json.loads(self.ctl('status', '--json', status=NOT_FOUND).stdout)['scoped'], 1)

    def test_the_ordinary_list_tells_of_them(self):
        self.take([('hurt@a.example', 'none', SHOP + '=complaint,1790000000,0'), ('bye@b.example', 'none', SHOP + '=manual,1790000001,0'),
                   ('both@a.example', 'manual', SHOP + '=complaint,1790000002,0')])
        for args, n, status in ([], 2, OK), (['--status', 'complaint'], 1, NOT_FOUND), (['--status', 'manual'], 1, OK), (['--status', 'hard'], 0, NOT_FOUND), \
                (['--domain', 'b.example'], 1, NOT_FOUND), (['--until', '2026-09-22'], 2, NOT_FOUND), (['--category', 'other'], 0, NOT_FOUND):
            with self.subTest(args=args):
                done = self.site.ctl('list', *args)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                self.assertNotIn('--scoped', done.stdout)
                self.assertEqual(done.stderr, '%d address%s %s\n' % (n, ' is suppressed' if n == 1 else 'es are suppressed', HIDDEN) if n else '')
        self.assertEqual(self.ctl('list', '--json').stderr, '')
        self.assertEqual(self.ctl('list', '--after', 'both@a.example', status=NOT_FOUND).stderr, '')
        self.assertEqual([a for a, _, _ in self.listed()], ['hurt@a.example', 'bye@b.example', 'both@a.example'])

    def test_where_states_are_counted(self):
        text = self.ctl('stats').stdout
        self.assertNotIn('for some senders', text + self.ctl('top', '--once').stdout)
        self.take([('hurt@a.example', 'none', SHOP + '=complaint,1790000000,0'), ('bye@b.example', 'none', SHOP + '=manual,1790000001,0'),
                   ('twice@a.example', 'hard', SHOP + '=complaint,1790000002,0 ' + NEWS + '=manual,1790000002,0'),
                   ('over@a.example', 'none', SHOP + '=manual,1790000300,1790000400')])
        self.assertIn('\nSuppressed for some senders: 3  complaint 2  manual 2\nSuppressed addresses: 1  hard 1\n', self.ctl('stats').stdout)
        stats = json.loads(self.ctl('stats', '--json').stdout)
        self.assertEqual((stats['scoped'], stats['scoped-status'], stats['status']), (3, {'complaint': 2, 'manual': 2}, {'hard': 1}))
        # by the index, which knows no terms
        self.assertIn('1 suppressed  4 for some senders', self.ctl('top', '--once').stdout)
        self.assertEqual(json.loads(self.ctl('top', '--once', '--json').stdout)['scoped'], 4)
        self.assertIn('\nnixie_scoped_addresses 4\n', self.ctl('metrics').stdout)
        self.site.ctl_ok('suppress', 'new@a.example')
        for p in range(self.partitions):
            self.redis.command('ZADD', 'nixie:{%d}:days' % p, '20261121', '20261121')
            self.redis.command('HSET', 'nixie:{%d}:day:20261121' % p, 'delivered', '1000')
        page = self.ctl('report', '--html', '-', '--from', '2026-11-21', '--to', '2026-11-21').stdout
        self.assertRegex(page, r'; mail of some senders is refused for (<[^>]*>)*4<')

    def test_filters(self):
        self.take([('a@a.example', 'none', SHOP + '=complaint,1790000000,0 ' + NEWS + '=manual,1790000500,0'),
                   ('b@b.example', 'none', SHOP + '=manual,1790000100,4000000000'), ('c@a.example', 'none', NEWS + '=complaint,1790000200,0'),
                   ('over@a.example', 'none', SHOP + '=manual,1790000300,1790000400')])
        a1, a2, b, c = ('a@a.example', SHOP, 'complaint'), ('a@a.example', NEWS, 'manual'), ('b@b.example', SHOP, 'manual'), ('c@a.example', NEWS, 'complaint')

        def at(s):
            return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(1790000000 + s))

        for args, want in (([], [b, c, a1, a2]), (['--status', 'complaint'], [c, a1]), (['--status', 'manual'], [b, a2]),
                           (['--domain', 'B.example'], [b]), (['--domain', 'none.example'], []), (['--since', at(150)], [c, a2]),
                           (['--until', at(150)], [b, a1]), (['--since', at(100), '--until', at(200)], [b]),
                           (['--limit', '1'], [b]), (['--after', 'c@a.example'], [a1, a2])):
            with self.subTest(args=args):
                self.assertEqual(self.listed(*args, status=OK if want else NOT_FOUND), want)
        self.assertEqual(self.rows('--domain', 'b.example')[0]['until'], '2096-10-02T07:06:40Z')
        for args in ['--status', 'hard'], ['--category', 'other'], ['--provider', 'google'], ['--rule', 'x']:
            self.ctl('list', '--scoped', *args, status=USAGE)

    def test_those_that_are_taken_away_are_gone(self):
        for a in 'reset', 'removed', 'back', 'stays':
            self.ctl('suppress', '--scope', SHOP, a + '@a.example')
        self.ctl('suppress', 'back@a.example')
        self.ctl('suppress', '--scope', NEWS, 'stays@a.example')
        self.assertEqual(len(self.index()), 4)
        self.ctl('reset', '--force', '--scope', SHOP, 'reset@a.example', 'stays@a.example')
        self.ctl('remove', '--force', 'removed@a.example')
        done = self.ctl('suppress', '--scope', SHOP, 'undone@a.example', 'undone@b.example')
        self.assertEqual(len(self.index()), 4)
        undone = self.ctl('undo', '--batch', (done.stdout + done.stderr).split('--batch ')[1].split()[0])
        self.assertIn('\n2 scopes restored', undone.stdout)
        self.assertEqual(sorted(self.index()), ['back@a.example', 'stays@a.example'])
        done = self.ctl('remove', '--force', 'back@a.example', 'nobody@a.example', status=NOT_FOUND)
        self.assertEqual(self.listed(), [('stays@a.example', NEWS, 'manual')])
        self.ctl('undo', '--batch', (done.stdout + done.stderr).split('--batch ')[1].split()[0])
        self.assertEqual(sorted(self.index()), ['back@a.example', 'stays@a.example'])

    def test_older_data_comes_into_it_with_a_change(self):
        self.ctl('suppress', '--scope', SHOP, 'old@a.example')
        key = [k for k in self.redis.command('KEYS', '*:scoped')][0]
        self.redis.command('DEL', key)
        self.assertEqual(self.rows(status=NOT_FOUND), [])
        self.ctl('suppress', 'old@a.example')
        self.assertEqual(self.listed(), [('old@a.example', SHOP, 'manual')])

    def test_an_export_that_is_imported(self):
        self.ctl('suppress', '--scope', SHOP, 'x@a.example', 'y@a.example')
        self.ctl('suppress', '--scope', NEWS, 'y@a.example')
        self.ctl('suppress', 'y@a.example', 'z@a.example')
        self.take([('hurt@a.example', 'none', 'context:a%20b=complaint,1790000000,0 ' + SHOP + '=manual,1790000300,1790000400')])
        path = os.path.join(self.directory, 'all')
        before, listed, entries = self.index(), self.listed(), self.entries()
        self.assertEqual((len(before), len(entries)), (3, 4))
        self.assertEqual(sorted(entries['x@a.example']), ['scopes', 'status'])
        for kind in 'csv', 'jsonl':
            with self.subTest(kind=kind):
                self.ctl('export', '--format', kind, path)
                self.redis.command('FLUSHALL')
                self.ctl('import', path)
                self.assertEqual((self.index(), self.listed(), self.entries()), (before, listed, entries))
        # nothing of it is a failure
        rows = [json.loads(line) for line in self.ctl('export', '--json', '--status', 'none').stdout.splitlines()]
        self.assertEqual({r['address']: sorted(r) for r in rows}, dict.fromkeys(('x@a.example', 'hurt@a.example'), ['address', 'scopes', 'status']))
        journal = [dict(zip(f[::2], f[1::2])) for p in range(self.partitions)
                   for _, f in self.redis.command('XRANGE', 'nixie:{%d}:journal' % p, '-', '+')]
        self.assertEqual(sorted((e['address'], e['scope'], e['to'], e['reason'], e['rule']) for e in journal if e.get('scope')),
                         [('hurt@a.example', 'context:a b', 'complaint', 'complaint', ''), ('hurt@a.example', SHOP, 'manual', 'other', ''),
                          ('x@a.example', SHOP, 'manual', 'other', ''), ('y@a.example', NEWS, 'manual', 'other', ''), ('y@a.example', SHOP, 'manual', 'other', '')])

    def test_a_list_of_too_many(self):
        for i in range(15):
            self.ctl('suppress', '--scope', 'login:%d' % i, 'full@a.example')
        path = os.path.join(self.directory, 'list.csv')
        with open(path, 'w') as f:
            f.write('address,status,scopes\nfull@a.example,none,"%s"\n' % ' '.join('login:%s=manual,1790000000,0' % name for name in ('a', '3', 'b', 'c')))
        self.assertIn('\n  no room    2  ', self.ctl('import', '--dry-run', path).stdout)
        told = json.loads(self.ctl('import', '--json', path).stdout)
        self.assertEqual((told['changed'], told['no-room']), (1, 2))
        self.assertEqual([s for _, s, _ in self.listed()], ['login:%d' % i for i in range(15)] + ['login:a'])


class Partitions(Scoped):
    partitions = 16

    def test_one_order_over_all(self):
        addresses = ['u%02d@a%d.example' % (i, i % 3) for i in range(60)]
        self.take([(a, 'none', '%s=complaint,%d,0' % (SHOP, 1790000000 + i // 2)) for i, a in enumerate(addresses)])
        self.assertEqual([r['address'] for r in self.rows()], addresses)
        self.assertGreater(len(self.redis.command('KEYS', 'nixie:*:scoped')), 10)
        seen, after = [], []
        while True:
            rows = self.rows('--limit', '7', *after, status=OK if len(seen) < 60 else NOT_FOUND)
            if not rows:
                break
            seen += [r['address'] for r in rows]
            after = ['--after', rows[-1]['cursor']]
        self.assertEqual(seen, addresses)
