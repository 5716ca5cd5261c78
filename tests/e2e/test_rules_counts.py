"""What the rules did: nixie rules stats, nixie rules unknown, nixie replay."""
import gzip
import json
import os
import re

from harness.case import Case, SharedCase
from harness.maillog import Message, delivered, full, hard
from harness.nixie import BAD_CONFIG, NOT_FOUND, OK, REPOSITORY, USAGE, run

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
        head, first = text.splitlines()[:2]
        self.assertEqual(head.split(), ['hard', 'soft', 'none', 'last', 'category', 'today', 'rule'])
        self.assertEqual(first.split()[:4], ['0', '3', '0', '2026-09-21'])
        self.assertEqual(head.index('category'), first.index('other'))
        self.assertEqual(head.index('rule'), first.index('no rule:'))

    def test_stats_are_what_redis_says(self):
        counted = self.site.redis.hgetall('nixie:{0}:day:20260921:rule')
        self.assertEqual(counted, {'-|soft': '3', '-|failing': '3'})

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
            f.write(text)
        refused = self.site.ctl('rules', 'test', '--rules', directory)
        self.assertEqual(refused.returncode, BAD_CONFIG)
        line = text[:text.index('CHOOSE')].count('\n') + 1
        self.assertIn('/10-made.conf:%d: category: "CHOOSE" is none; nixie-rules(5)' % line, refused.stderr)
        self.assertIn('\n    text = "^<[^ ]{1,80}>: flux capacitor [^ ]{1,80} at [^ ]{1,80}$";\n', text)
        with open(os.path.join(directory, '10-made.conf'), 'w') as f:
            f.write(text.replace('CHOOSE', 'recipient.disabled'))
        replies = ''.join((UNKNOWN % (i, i)).format(to='u@example.com') + '\n' for i in range(3)) + '550 5.1.1 user unknown\n'
        lines = self.ctl('classify', '--rules', directory, stdin=replies).splitlines()
        self.assertEqual([line.split('\t')[2] for line in lines], ['ours.1'] * 3 + ['-'])
        self.ctl('rules', 'test', '--rules', directory)
        # with the guards that are proposed for a hard one, beside the shipped rules
        with open(os.path.join(directory, '10-made.conf'), 'w') as f:
            f.write(text.replace('CHOOSE', 'recipient.disabled').replace('# not-text', 'not-text'))
        shipped = os.path.join(REPOSITORY, 'conf', 'rules.d')
        rows = self.json('rules', 'lint', '--json', '--rules', directory, '--rules', shipped)
        self.assertEqual([r for r in rows if r.get('rule') == 'ours.1'], [])
        self.ctl('rules', 'test', '--rules', directory, '--rules', shipped)

    def test_as_rules_or_json(self):
        self.ctl('rules', 'unknown', '--as-rules', '--json', status=USAGE)

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

    def test_replay_against_several(self):
        empty = os.path.join(self.directory, 'no-rules')
        os.makedirs(empty, exist_ok=True)
        rows, _ = self.replayed('--against', empty, self.site.log_path)
        self.assertNotEqual(rows, [])
        for order in (empty, self.new_rules), (self.new_rules, empty):
            rows, summary = self.replayed('--against', order[0], '--against', order[1], self.site.log_path)
            self.assertEqual((rows, summary['changed']), ([], 0))

    def test_replay_of_one(self):
        log = os.path.join(self.directory, 'one.log')
        m = Message(when=1790000000)
        with open(log, 'w') as f:
            f.write(m.begin() + m.bounced('odd@example.com', UNKNOWN % (1, 1)) + m.removed())
        text = self.ctl('replay', '--rules', self.new_rules, log)
        self.assertIn('\n1 failure, 1 judged otherwise: 1 more address would be suppressed, 0 freed.', text)

    def test_replay_of_what_is_no_log(self):
        path = os.path.join(self.directory, 'no.log')
        with open(path, 'w') as f:
            f.write('2026-11-21 09:12:01 [warn] not found: /favicon.ico\n')
        done = self.site.ctl('replay', '--rules', self.new_rules, path)
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertIn(path + ': there is not one delivery in it', done.stderr)
        # the others are replayed all the same
        done = self.site.ctl('replay', '--json', '--rules', self.new_rules, path, self.site.log_path)
        self.assertEqual((done.returncode, json.loads(done.stdout.splitlines()[-1])['failures']), (NOT_FOUND, 5))

    def test_replay_refuses(self):
        self.ctl('replay', status=USAGE)
        self.ctl('replay', '--help')
        self.ctl('replay', '--rules', self.directory + '/absent', self.site.log_path, status=BAD_CONFIG)
        self.ctl('replay', '--rules', self.new_rules, self.directory + '/absent.log', status=NOT_FOUND)

    def test_replay_needs_no_redis_for_logs(self):
        done = run('nixie', '-o', 'redis.address=unix:/nonexistent/redis.sock', 'replay', '--rules', self.new_rules, self.site.log_path)
        self.assertEqual(done.returncode, OK, done.stderr)


class Drafts(Case):
    """rules unknown --as-rules, of texts that make no rule, and in an order that is always the same."""

    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        replies = ['550', '550 5.0.0', '550 x1y2z3w4', '550 flux \\"(a|b)*', '450 zork grommet', '550 zork grommet', '550 zork grommet two',
                   '554 ' + 'gizmo whatsit ' * 40]
        lines = ''
        for i, reply in enumerate(replies):
            m = Message(when=1790000000 + i)
            said = 'host mx.example.com[192.0.2.99] said: %s (in reply to RCPT TO command)' % reply.strip()
            lines += m.begin() + m.result('u%d@example.com' % i, 'bounced', '5.0.0', said) + m.removed()
        with open(self.site.log_path, 'w') as f:
            f.write(lines)
        self.site.logtail()

    def test_order(self):
        texts = [json.loads(x)['text'] for x in self.site.ctl('rules', 'unknown', '--json').stdout.splitlines()]
        self.assertGreater(len(texts), 4)
        self.assertEqual(texts, sorted(texts))

    def test_every_draft_can_be_read(self):
        text = self.site.ctl('rules', 'unknown', '--as-rules').stdout
        path = os.path.join(self.directory, 'made')
        os.mkdir(path)
        good = text.replace('CHOOSE', 'policy')
        comments = [line for line in good.splitlines() if line.startswith('#  ') and 'id = ' in line]
        self.assertGreaterEqual(len(comments), 2, text)
        self.assertNotIn('text = ""', text)
        self.assertNotIn('text = "^$"', text)
        for made, ids in ((good, good.count('id = ') - len(comments)), (re.sub('(?m)^#  ', '  ', good), good.count('id = '))):
            with open(os.path.join(path, '10-made.conf'), 'w') as f:
                f.write(made)
            rows = [json.loads(x) for x in self.site.ctl('rules', 'list', '--json', '--rules', path).stdout.splitlines()]
            self.assertEqual([r['id'] for r in rows], ['ours.%d' % (i + 1) for i in range(ids)], made)
            if made is good:
                done = self.site.ctl('rules', 'test', '--strict', '--rules', path)
                self.assertEqual(done.returncode, OK, done.stdout + done.stderr + made)

    def test_what_was_cut_has_no_end(self):
        text = self.site.ctl('rules', 'unknown', '--as-rules').stdout
        line, = [x for x in text.splitlines() if 'gizmo' in x and 'text = "' in x]
        self.assertTrue(line.startswith('    text = "^gizmo') and not line.endswith('$";'), line)
