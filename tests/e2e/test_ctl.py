"""nixie, the operator's command: every verb, its output, its exit status."""
import json
import os
import re
import subprocess
import time

from harness import maillog
from harness.case import SharedCase
from harness.maillog import delivered, full, hard
from harness.nixie import NO_REDIS, NOT_FOUND, OK, USAGE, binary, run
from harness.proc import LIMIT


class Verbs(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        m = maillog.Message(when=time.time() - 60 * 86400)
        with open(cls.site.log_path, 'w') as f:
            f.write(hard('Gone@Example.com') + full('full@example.com')
                    + delivered('fine@example.com') + delivered('fine@example.com')
                    + m.begin() + m.bounced('other@example.com', '550 5.0.0 flux capacitor'))
        cls.site.logtail()

    def ctl(self, *args, status=OK, stdin=None):
        done = self.site.ctl(*args, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        if status == OK:
            self.assertEqual(done.stderr, '')
        elif status != NOT_FOUND:
            self.assertEqual(done.stdout, '')
            self.assertRegex(done.stderr, r'^(nixie|usage): ')
        return done.stdout if status in (OK, NOT_FOUND) else done.stderr

    def json(self, *args, status=OK, stdin=None):
        return [json.loads(x) for x in self.ctl(*args, status=status, stdin=stdin).splitlines()]

    # -- check -----------------------------------------------------------------

    def test_check_hard(self):
        text = self.ctl('check', 'gone@example.com')
        for word in 'gone@example.com', 'hard', 'recipient.unknown', '5.1.1':
            self.assertIn(word, text)
        known, = self.json('check', '--json', 'GONE@example.com.')
        self.assertEqual(known['address'], 'gone@example.com')
        self.assertEqual(known['status'], 'hard')
        self.assertEqual(known['reason'], 'recipient.unknown')
        self.assertEqual(known['origin'], 'log')
        self.assertEqual(str(known['code']), '550')
        self.assertEqual(known['enhanced'], '5.1.1')
        self.assertIn('User unknown', known['text'])
        self.assertEqual(known['remote'], 'mx.example.com')
        self.assertEqual(int(known['count']), 1)
        self.assertTrue(known['rule'])
        self.assertTrue(known['action'].startswith('550 5.1.1 '), known['action'])
        self.assertNotIn('until', known)
        for name in 'first', 'last', 'since':
            self.assertIn(name, known)

    def test_check_soft(self):
        known, = self.json('check', '--json', 'full@example.com')
        self.assertEqual((known['status'], known['reason']), ('soft', 'mailbox.full'))
        self.assertEqual(known['action'], 'DUNNO')
        self.assertIn('mailbox.full', self.ctl('check', 'full@example.com'))

    def test_an_option_is_no_value(self):
        for args in (['export', '--format', '--help'], ['history', '--last', '--json'], ['list', '--domain', '--limit', '3'], ['rules', 'stats', '--limit', '--json']):
            self.assertRegex(self.ctl(*args, status=USAGE), r'^nixie: error: \S+( stats)?: %s needs a value, and %s is an option' % tuple(args[-2 - ('3' in args):][:2]))
        self.assertIn('--since: -3h: write 3h', self.ctl('list', '--since', '-3h', status=USAGE))
        self.ctl('suppress', '--reason', '-- by phone', '--dry-run', 'some@reason.example')

    def test_check_unknown(self):
        text = self.ctl('check', 'nobody@example.com', status=NOT_FOUND)
        self.assertIn('nobody@example.com', text)
        for row in self.json('check', '--json', 'nobody@example.com', status=NOT_FOUND):
            self.assertEqual(row['address'], 'nobody@example.com')
            self.assertEqual(row['action'], 'DUNNO')
            self.assertNotIn(row.get('status'), ('soft', 'held', 'hard', 'manual', 'allow'))

    def test_check_several(self):
        rows = self.json('check', '--json', 'gone@example.com', 'full@example.com')
        self.assertEqual([r['status'] for r in rows], ['hard', 'soft'])

    def test_check_without_address(self):
        self.assertIn('check', self.ctl('check', status=USAGE))

    def test_not_an_address(self):
        for bad in 'nobody', 'a@', '@', '@a@b', '':
            for verb in 'check', 'suppress', 'allow', 'reset', 'remove':
                with self.subTest('%s %r' % (verb, bad)):
                    self.assertIn(bad, self.ctl(verb, bad, status=USAGE))

    def test_control_characters_do_not_reach_the_terminal(self):
        done = self.site.ctl('check', 'a\x1b[31m\n@example.com')
        self.assertNotIn('\x1b', done.stdout + done.stderr)

    # -- explain of an address ---------------------------------------------------

    def rules_of(self, category):
        """A directory whose only rule judges REPLY so."""
        directory = os.path.join(self.site.directory, 'rules-' + category)
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, '10-own.conf'), 'w') as f:
            f.write('rules = ( { id = "own.%s"; category = "%s"; text = "user unknown"; } );' % (category, category))
        return directory

    def test_explain_address(self):
        row, = self.json('explain', '--json', 'Gone@Example.COM')
        self.assertEqual((row['address'], row['category'], row['class']), ('gone@example.com', 'recipient.unknown', 'hard'))
        self.assertEqual((row['code'], row['enhanced'], row['relay'], row['phase']), (550, '5.1.1', 'mx.example.com', 'rcpt'))
        self.assertEqual((row['stored']['status'], row['stored']['category'], row['stored']['same']), ('hard', 'recipient.unknown', True))
        self.assertEqual(row['stored']['rule'], row['rule'])
        self.assertIn('as the rules say now', self.ctl('explain', '<gone@example.com>'))

    def test_explain_address_by_other_rules(self):
        row, = self.json('explain', '--json', '--rules', self.rules_of('policy'), 'gone@example.com')
        self.assertEqual((row['category'], row['rule']), ('policy', 'own.policy'))
        self.assertEqual((row['stored']['category'], row['stored']['same']), ('recipient.unknown', False))
        self.assertIn('the rules say otherwise now', self.ctl('explain', '--rules', self.rules_of('policy'), 'gone@example.com'))
        self.assertIn('by another rule', self.ctl('explain', '--rules', self.rules_of('recipient.unknown'), 'gone@example.com'))

    def test_explain_unknown_address(self):
        self.assertEqual(self.ctl('explain', 'nobody@example.com', status=NOT_FOUND), '')

    def test_explain_address_without_a_reply(self):
        self.ctl('suppress', 'by-phone@example.com')
        self.assertEqual(self.ctl('explain', 'by-phone@example.com', status=NOT_FOUND), '')

    # -- changing --------------------------------------------------------------

    def test_suppress_is_do_not_mail(self):
        a = 'manual@example.com'
        self.assertIn(a, self.ctl('suppress', a))
        known, = self.json('check', '--json', a)
        self.assertEqual((known['status'], known['origin']), ('manual', 'manual'))
        self.assertTrue(known['action'].startswith('550 5.7.1 '), known['action'])
        self.ctl('suppress', a)             # again is no error

    def test_do_not_mail_leaves_only_by_force(self):
        for verb in 'reset', 'remove', 'allow':
            with self.subTest(verb):
                a = 'protected-%s@example.com' % verb
                self.ctl('suppress', a)
                self.assertIn('--force', self.ctl(verb, a, status=USAGE))
                self.assertEqual(self.site.status(a), 'manual')
                self.ctl(verb, '--force', a)
                known = self.json('check', '--json', a, status=OK if verb == 'allow' else NOT_FOUND)
                self.assertEqual([k['action'] for k in known], ['DUNNO'] * len(known))

    def test_suppress_hard_and_reset(self):
        a = 'by-hand@example.com'
        self.ctl('suppress', '--hard', a)
        self.assertEqual(self.site.status(a), 'hard')
        self.ctl('reset', a)
        self.assertNotEqual(self.site.status(a), 'hard')

    def test_suppress_for_a_term(self):
        a = 'term@example.com'
        self.ctl('suppress', '--for', '15 days', a)
        known, = self.json('check', '--json', a)
        self.assertEqual(known['status'], 'held')
        self.assertIn('until', known)
        self.assertIn(' until ', known['action'])
        self.ctl('suppress', '--for', 'soon', a, status=USAGE)

    def test_suppress_takes_one_status(self):
        for options in (('--hard', '--manual'), ('--manual', '--for', '15 days'), ('--for', '15 days', '--hard')):
            self.ctl('suppress', *options, 'twice@example.com', status=USAGE)
        self.assertIn(self.site.status('twice@example.com'), (None, '', 'none'))

    def test_suppress_several_and_bad_among_them(self):
        self.ctl('suppress', 'one@example.com', 'two@example.com')
        self.assertEqual(self.site.status('two@example.com'), 'manual')
        self.ctl('suppress', 'three@example.com', 'nonsense', status=USAGE)
        self.assertIsNone(self.site.status('three@example.com'))

    def test_allow_remove(self):
        a = 'allow@example.com'
        self.assertIn(a, self.ctl('allow', a))
        known, = self.json('check', '--json', a)
        self.assertEqual((known['status'], known['action']), ('allow', 'DUNNO'))
        self.ctl('remove', a)
        self.ctl('check', a, status=NOT_FOUND)

    def test_remove_forgets(self):
        a = 'forget@example.com'
        self.ctl('suppress', '--hard', a)
        self.ctl('remove', a)
        self.ctl('check', a, status=NOT_FOUND)
        self.assertIsNone(self.redis.command('ZSCORE', 'nixie:{0}:suppressed', a))

    def test_reset_and_remove_of_nothing(self):
        for verb in 'reset', 'remove':
            with self.subTest(verb):
                self.ctl(verb, 'nothing@example.com', status=NOT_FOUND)

    def test_json_of_changes(self):
        a = 'json@example.com'
        for args in ('suppress', '--hard'), ('reset',), ('suppress',), ('allow', '--force'), ('remove',):
            with self.subTest(args):
                row, = self.json(*args, '--json', a)
                self.assertEqual(row['address'], a)

    def test_entries_in_redis(self):
        a = 'redis@example.com'
        self.ctl('suppress', a)
        entry = self.redis.hgetall('nixie:{0}:addr:' + a)
        self.assertEqual(entry['status'], 'manual')
        self.assertEqual(entry['origin'], 'manual')
        self.assertRegex(entry['since'], r'^\d{10}$')
        self.assertIn(a, self.redis.command('ZRANGE', 'nixie:{0}:suppressed', 0, -1))
        self.assertEqual(self.redis.command('TTL', 'nixie:{0}:addr:' + a), -1)
        meta = self.redis.hgetall('nixie:meta')
        self.assertIn('schema', meta)
        self.assertEqual(meta['partitions'], '1')

    # -- list and stats ----------------------------------------------------------

    def test_list(self):
        self.ctl('suppress', 'listed@example.com')
        text = self.ctl('list')
        self.assertIn('gone@example.com', text)
        self.assertIn('listed@example.com', text)
        self.assertNotIn('full@example.com', text)
        rows = {r['address']: r for r in self.json('list', '--json')}
        self.assertEqual(rows['gone@example.com']['reason'], 'recipient.unknown')
        self.assertNotIn('fine@example.com', rows)
        rows = self.json('list', '--json', '--status', 'manual')
        self.assertEqual({r['status'] for r in rows}, {'manual'})
        self.ctl('list', '--status', 'nonsense', status=USAGE)

    def test_token(self):
        # What the help desk reads in a rejection.
        action = self.json('check', '--json', 'gone@example.com')[0]['action']
        token = re.search(r'token (\S+)$', action).group(1)
        text = self.ctl('token', token)
        self.assertIn('gone@example.com', text)
        self.assertIn('recipient.unknown', text)
        self.assertRegex(text, r'(?m)^  time +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$')
        row, = self.json('token', '--json', token.lower())
        self.assertEqual(row['address'], 'gone@example.com')
        self.assertIn('\n  time      %s\n' % row['time'], text)
        self.ctl('token', '000000000', status=NOT_FOUND)
        self.ctl('token', '!?', status=USAGE)

    def test_token_of_a_pasted_refusal(self):
        token = self.json('check', '--json', 'gone@example.com')[0]['token']
        text = self.ctl('token', token)
        for pasted in (token + '.', '(%s),' % token, 'token ' + token, 'Token %s, ' % token, '550 5.1.1 Recipient suppressed by nixie: '
                       'recipient.unknown since 2026-09-21, token %s (in reply to RCPT TO command)' % token):
            self.assertEqual(self.ctl('token', pasted), text)
        self.assertEqual(self.ctl('token', 'token', token), text)
        self.ctl('token', '550 5.1.1 no such user', status=USAGE)

    def test_token_tells_the_state_now(self):
        token = self.json('check', '--json', 'gone@example.com')[0]['token']
        self.assertRegex(self.ctl('token', token), r'(?m)^  now       hard since 20\d\d-\d\d-\d\d, recipient.unknown \(.*\)\n'
                         r'  next      nixie check gone@example.com\n +nixie history gone@example.com\n +nixie reset gone@example.com\n')
        self.site.ctl_ok('suppress', '--reason', 'by phone', "o'neil@now.example")
        first = self.json('check', '--json', "o'neil@now.example")[0]
        self.site.ctl_ok('suppress', '--hard', '--force', "o'neil@now.example")
        second = self.json('check', '--json', "o'neil@now.example")[0]
        self.site.ctl_ok('reset', "o'neil@now.example")
        text = self.ctl('token', second['token'])
        self.assertRegex(text, r'\n  before    manual since 20\d\d-\d\d-\d\d, by hand\n')
        self.assertIn("\n  now       not suppressed\n  next      nixie check 'o'\\''neil@now.example'\n", text)
        self.assertNotIn('nixie reset', text)
        before = self.json('token', '--json', second['token'])[0]['before']
        self.assertEqual((before['status'], before['text'], before['since']), ('manual', 'by phone', first['since']))
        self.site.ctl_ok('suppress', '@now.example')
        self.assertIn('\n  now       not suppressed; but the whole domain is manual\n', self.ctl('token', second['token']))
        self.site.ctl_ok('remove', '--force', '@now.example')

    def test_stats(self):
        stats, = self.json('stats', '--json')
        self.assertEqual(stats['delivered'], 2)
        self.assertEqual(stats['hard'], 1)
        self.assertEqual(stats['soft'], 2)
        self.assertEqual(stats['hard-as-soft'], 2)
        self.assertEqual(stats['soft-to-hard'], 0)
        self.assertEqual(stats['categories']['recipient.unknown'], 1)
        self.assertEqual(stats['categories']['mailbox.full'], 1)
        self.assertEqual(stats['categories']['other'], 1)
        self.assertGreaterEqual(stats['suppressed'], 1)
        text = self.ctl('stats')
        self.assertRegex(text, r'\n  hard +1  20\.00 %  the address is dead\n')
        self.assertRegex(text, r'\n  converted +2\n +2 of code 5xx are soft, 0 became held or hard by repetition\n')


class Offline(SharedCase):
    """explain and classify: no Redis asked. (Its socket is nowhere here.)"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis.stop()

    def test_explain_reply(self):
        done = self.site.ctl('explain', '550 5.1.1 <u@example.com>: User unknown')
        self.assertEqual(done.returncode, OK, done.stderr)
        for word in 'recipient.unknown', 'hard', '5.1.1':
            self.assertIn(word, done.stdout)

    def test_explain_log_line(self):
        m = maillog.Message()
        line = m.bounced('u@example.com', '552 5.2.2 <{to}>: mailbox full').strip()
        row = json.loads(self.site.ctl_ok('explain', '--json', line))
        self.assertEqual((row['category'], row['class']), ('mailbox.full', 'soft'))
        self.assertTrue(row['rule'])
        self.assertEqual(str(row['code']), '552')
        self.assertEqual(row['enhanced'], '5.2.2')

    def test_explain_nothing_matches(self):
        row = json.loads(self.site.ctl_ok('explain', '--json', '550 flux capacitor'))
        self.assertEqual((row['category'], row['class']), ('other', 'soft'))

    def test_explain_address(self):
        done = self.site.ctl('explain', 'gone@example.com')
        self.assertEqual(done.returncode, NO_REDIS, done.stdout + done.stderr)
        self.assertEqual(done.stdout, '')
        self.assertIn('Redis', done.stderr)

    def test_explain_goes_on_behind_an_address(self):
        done = self.site.ctl('explain', '--json', 'gone@example.com', '550 5.1.1 no such user')
        self.assertEqual(done.returncode, NO_REDIS)
        self.assertEqual(json.loads(done.stdout)['category'], 'recipient.unknown')

    def test_classify(self):
        replies = ('550 5.1.1 <u@example.com>: User unknown\n'
                   '552 5.2.2 mailbox full\tmx.example.com\n'
                   '550 flux capacitor\n')
        done = run('nixie', '-c', self.site.conf_path, 'classify', stdin=replies)
        self.assertEqual(done.returncode, OK, done.stderr)
        rows = [line.split('\t') for line in done.stdout.splitlines()]
        self.assertEqual([len(r) for r in rows], [5, 5, 5])
        self.assertEqual(rows[0][:2], ['hard', 'recipient.unknown'])
        self.assertEqual(rows[0][3:], ['550', '5.1.1'])
        self.assertEqual(rows[1][:2], ['soft', 'mailbox.full'])
        self.assertEqual(rows[2], ['soft', 'other', '-', '550', '-'])

    def test_classify_last_line_without_newline(self):
        done = run('nixie', '-c', self.site.conf_path, 'classify', stdin='550 5.1.1 User unknown')
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_classify_hostile_input(self):
        data = b'\0\0\n\xff\xfe\n' + b'5' * 100000 + b'\n\n\t\n550 5.1.1 a\tb\tc\n'
        done = run('nixie', '-c', self.site.conf_path, 'classify', stdin=data)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 6)


class CommandLine(SharedCase):
    def test_help_and_version(self):
        for name in 'nixie', 'nixie-policyd', 'nixie-logtail':
            for option in '-h', '--help', '-V', '--version':
                with self.subTest('%s %s' % (name, option)):
                    done = run(name, option)
                    self.assertEqual(done.returncode, OK, done.stderr)
                    self.assertTrue(done.stdout.strip())
        text = run('nixie', '--help').stdout
        for verb in ('check', 'explain', 'classify', 'list', 'suppress', 'allow', 'reset',
                     'remove', 'stats', 'rules test', 'rules lint', 'replay'):
            self.assertIn(verb, text)

    def test_usage_errors(self):
        for name, args in (('nixie', ()), ('nixie', ('frobnicate',)), ('nixie', ('--frobnicate',)),
                           ('nixie', ('check', '--frobnicate', 'a@example.com')),
                           ('nixie-policyd', ('--frobnicate',)),
                           ('nixie-logtail', ('--frobnicate',)),
                           ('nixie-policyd', ('stray-argument',))):
            with self.subTest('%s %s' % (name, ' '.join(args))):
                done = run(name, *args)
                self.assertEqual(done.returncode, USAGE, done.stdout + done.stderr)
                self.assertTrue(done.stderr.strip())

    def test_full_disk_is_an_error(self):
        self.site.ctl_ok('suppress', 'x@example.com')
        with open('/dev/full', 'w') as full_disk:
            done = subprocess.run([binary('nixie'), '-c', self.site.conf_path, 'list'],
                                  stdout=full_disk, stderr=subprocess.PIPE, timeout=LIMIT)
        self.assertGreater(done.returncode, 0)
        self.assertTrue(done.stderr)
