"""What the rules did: nixie rules stats, nixie rules unknown, nixie replay."""
import gzip
import json
import os

from harness.case import SharedCase
from harness.maillog import Message, delivered, full, hard
from harness.nixie import BAD_CONFIG, NOT_FOUND, OK, USAGE, run

UNKNOWN = '550 5.0.0 <{to}>: flux capacitor %d at mx%d.example.com'

RULES = '''rules = (
  { id = "ours.flux"; category = "recipient.disabled"; text = "flux capacitor"; },
  { id = "ours.gone-is-policy"; category = "policy"; text = "user unknown in virtual"; }
);
'''


class Counted(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lines = hard('gone@example.com') + full('full@example.com') + delivered('fine@example.com')
        for i in range(3):
            m = Message(when=1790000000 + i)
            to = 'odd%d@example.com' % i
            lines += m.begin() + m.bounced(to, UNKNOWN % (i, i)) + m.removed()
        with open(cls.site.log_path, 'w') as f:
            f.write(lines)
        with gzip.open(cls.site.log_path + '.gz', 'wt') as f:
            f.write(lines)
        cls.site.logtail()
        cls.new_rules = os.path.join(cls.directory, 'new-rules')
        os.mkdir(cls.new_rules)
        with open(os.path.join(cls.new_rules, '10-ours.conf'), 'w') as f:
            f.write(RULES)

    def ctl(self, *args, status=OK, stdin=None):
        done = self.site.ctl(*args, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def json(self, *args):
        return [json.loads(x) for x in self.ctl(*args).splitlines()]

    # -- rules stats ---------------------------------------------------------------

    def test_stats(self):
        rows = {r['rule']: r for r in self.json('rules', 'stats', '--json')}
        self.assertEqual((rows['-']['soft'], rows['-']['hard']), (3, 0))
        self.assertEqual(rows['-']['last'], '2026-09-21')
        self.assertEqual(sum(r['hard'] for r in rows.values()), 1)
        self.assertEqual(sum(r['soft'] for r in rows.values()), 4)
        hit, = [r for r in rows.values() if r['hard']]
        self.assertEqual(hit['category'], 'recipient.unknown')
        text = self.ctl('rules', 'stats')
        self.assertIn(hit['rule'], text)
        self.assertIn('nixie rules unknown', text)

    def test_stats_are_what_redis_says(self):
        counted = self.site.redis.hgetall('nixie:{0}:day:20260921:rule')
        self.assertEqual(counted, {'-|soft': '3'})

    def test_stats_limit(self):
        self.assertEqual(len(self.json('rules', 'stats', '--json', '--limit', '1')), 1)
        self.ctl('rules', 'stats', '--limit', 'x', status=USAGE)

    # -- rules unknown -------------------------------------------------------------

    def test_unknown(self):
        row, = self.json('rules', 'unknown', '--json')
        self.assertEqual(row['count'], 3)
        self.assertEqual(row['last'], '2026-09')
        self.assertEqual(row['text'], '550 5.0.0 <{addr}>: flux capacitor {n} at {host}')
        self.assertIn('flux capacitor 0 at mx0.example.com', row['example'])
        text = self.ctl('rules', 'unknown')
        self.assertIn('550 5.0.0 <{addr}>: flux capacitor {n} at {host}', text)

    def test_unknown_becomes_a_rule(self):
        directory = os.path.join(self.directory, 'made')
        os.mkdir(directory)
        text = self.ctl('rules', 'unknown', '--as-rules')
        with open(os.path.join(directory, '10-made.conf'), 'w') as f:
            f.write(text.replace('category = "other"', 'category = "recipient.disabled"'))
        replies = ''.join((UNKNOWN % (i, i)).format(to='u@example.com') + '\n' for i in range(3)) + '550 5.1.1 user unknown\n'
        lines = self.ctl('classify', '--rules', directory, stdin=replies).splitlines()
        self.assertEqual([line.split('\t')[2] for line in lines], ['ours.1'] * 3 + ['-'])
        self.ctl('rules', 'test', '--rules', directory)

    # -- replay --------------------------------------------------------------------

    def replayed(self, *args):
        rows = self.json('replay', '--json', '--rules', self.new_rules, *args)
        return rows[:-1], rows[-1]

    def check_replay(self, rows, summary):
        self.assertEqual({(r['change'], r['address']) for r in rows if 'address' in r},
                         {('suppressed', 'odd%d@example.com' % i) for i in range(3)} | {('freed', 'gone@example.com')})
        self.assertEqual((summary['failures'], summary['suppressed'], summary['freed']), (5, 3, 1))
        odd = [r for r in rows if r['change'] == 'verdict' and r['after']['rule'] == 'ours.flux']
        self.assertEqual([r['count'] for r in odd], [3])
        self.assertEqual(odd[0]['before'], {'class': 'soft', 'category': 'other', 'rule': '-'})
        self.assertEqual(odd[0]['after']['class'], 'hard')

    def test_replay_of_a_log(self):
        self.check_replay(*self.replayed(self.site.log_path))

    def test_replay_of_a_compressed_log(self):
        self.check_replay(*self.replayed(self.site.log_path + '.gz'))

    def test_replay_of_the_history(self):
        self.check_replay(*self.replayed())

    def test_replay_changes_nothing(self):
        before = self.ctl('check', '--json', 'gone@example.com')
        text = self.ctl('replay', '--rules', self.new_rules)
        self.assertIn('Nothing was changed', text)
        self.assertEqual(self.ctl('check', '--json', 'gone@example.com'), before)

    def test_replay_of_the_same_rules(self):
        rows, summary = self.replayed('--against', self.new_rules, self.site.log_path)
        self.assertEqual(rows, [])
        self.assertEqual((summary['changed'], summary['suppressed'], summary['freed']), (0, 0, 0))

    def test_replay_refuses(self):
        self.ctl('replay', status=USAGE)
        self.ctl('replay', '--rules', self.directory + '/absent', self.site.log_path, status=BAD_CONFIG)
        self.ctl('replay', '--rules', self.new_rules, self.directory + '/absent.log', status=NOT_FOUND)

    def test_replay_needs_no_redis_for_logs(self):
        done = run('nixie', '-o', 'redis.address=unix:/nonexistent/redis.sock', 'replay', '--rules', self.new_rules, self.site.log_path)
        self.assertEqual(done.returncode, OK, done.stderr)
