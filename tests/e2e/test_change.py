"""nixie suppress, allow, reset, remove: of one, of several, of a list, of what a filter chooses."""
import itertools
import json
import os
import signal
import subprocess
import threading
import time

from harness.case import RedisCase
from harness.cutting import Cutting
from harness.maillog import Message, full, hard
from harness.nixie import NOT_FOUND, OK, USAGE, binary, tool
from harness.proc import LIMIT, wait_until
from harness.terminal import on_terminal, plain

DAY = 86400


class Change(RedisCase):
    def ctl(self, *args, status=OK, stdin=None):
        """Its standard output, and with another status than OK the errors behind it."""
        done = self.site.ctl(*args, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + (done.stderr if status else '')

    def json(self, *args, status=OK, stdin=None):
        done = self.site.ctl(*args, '--json', stdin=stdin)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def status(self, address):
        return (self.site.check(address) or {}).get('status')

    def journal(self):
        return sum(int(self.redis.command('XLEN', 'nixie:{%d}:journal' % p)) for p in range(self.partitions))

    def keys(self, word):
        return [key for key in self.redis.command('KEYS', '*') if word in key]

    def batch_of(self, text):
        return text.split('--batch ')[1].split()[0]


class Named(Change):
    def test_tells_each_and_how_to_take_them_back(self):
        text = self.ctl('suppress', '--reason', 'asked by phone', 'a@example.com', 'b@example.com')
        self.assertIn('a@example.com: none -> manual\nb@example.com: none -> manual\n2 addresses changed\n', text)
        self.ctl('undo', '--batch', self.batch_of(text))
        self.assertEqual((self.status('a@example.com'), self.status('b@example.com')), (None, None))

    def test_one_has_a_batch_too(self):
        text = self.ctl('suppress', 'a@example.com')
        self.assertRegex(text, r'^a@example.com: none -> manual\ntake this back with: nixie undo --batch suppress-\d+-\d+\n$')

    def test_reason_is_kept(self):
        self.ctl('suppress', '--hard', '--reason', 'moved away, says the postman', 'a@example.com')
        known = self.site.check('a@example.com')
        self.assertEqual(known['text'], 'moved away, says the postman')
        self.assertIn('  reason    moved away, says the postman\n', self.ctl('check', 'a@example.com'))
        self.assertIn('  reason    moved away, says the postman\n', self.ctl('reset', '--dry-run', 'a@example.com'))
        self.assertIn('moved away, says the postman', self.ctl('token', known['token']))

    def test_so_already(self):
        self.ctl('suppress', '--reason', 'by phone', 'a@example.com')
        self.redis.command('HSET', 'nixie:{0}:addr:a@example.com', 'since', '1790000000')
        before = self.journal()
        self.assertIn('a@example.com: is manual already, since 2026-09-21', self.ctl('suppress', 'a@example.com'))
        self.assertEqual(self.journal(), before)
        # another reason is kept, and the date it has
        self.ctl('suppress', '--reason', 'by letter', 'a@example.com')
        known = self.site.check('a@example.com')
        self.assertEqual((known['text'], known['since'][:10]), ('by letter', '2026-09-21'))

    def test_json(self):
        self.read(hard('gone@example.com', when=1790000000))
        self.ctl('suppress', 'kept@example.com')
        rows = self.json('reset', 'gone@example.com', 'kept@example.com', 'nobody@example.com', status=NOT_FOUND)
        self.assertEqual([(r['address'], r['from'], r['to'], r['result']) for r in rows],
                         [('gone@example.com', 'hard', 'none', 'changed'), ('kept@example.com', 'manual', 'manual', 'protected'),
                          ('nobody@example.com', 'none', 'none', 'unknown')])
        self.assertEqual((rows[0]['before']['reason'], rows[0]['before']['code'], rows[0]['before']['count']), ('recipient.unknown', 550, 1))
        self.assertRegex(rows[0]['batch'], r'^reset-')
        self.assertNotIn('batch', rows[1])
        row, = self.json('undo', '--batch', rows[0]['batch'])
        self.assertEqual((row['address'], row['from'], row['to'], row['result']), ('gone@example.com', 'none', 'hard', 'undone'))
        self.assertEqual(self.status('gone@example.com'), 'hard')

    def test_dry_run(self):
        self.read(hard('gone@example.com'))
        self.ctl('suppress', 'kept@example.com')
        before = self.journal(), self.redis.hgetall('nixie:{0}:addr:gone@example.com')
        text = self.ctl('suppress', '--for', '2 days', '--force', '--dry-run', 'gone@example.com', 'new@example.com')
        self.assertIn('gone@example.com: hard -> held\nnew@example.com: none -> held\n2 addresses would change; nothing was changed\n', text)
        self.assertIn('--force', self.ctl('reset', '--dry-run', 'kept@example.com', status=USAGE))
        self.assertEqual([r['result'] for r in self.json('remove', '--dry-run', '--force', 'gone@example.com', 'kept@example.com')], ['would-change'] * 2)
        self.assertEqual((self.journal(), self.redis.hgetall('nixie:{0}:addr:gone@example.com')), before)

    def test_usage(self):
        for args in (), ('--domain', 'x.example', 'a@x.example'), ('-', 'a@x.example'), ('--domain', 'x.example', '-'), ('--category', 'nonsense'), \
                ('--since', 'once'):
            for verb in 'suppress', 'allow', 'reset', 'remove':
                with self.subTest(verb=verb, args=args):
                    self.assertRegex(self.ctl(verb, *args, status=USAGE), '^(nixie|usage): ')


class CutToken(Change):
    """A double click takes the word up to the hyphen: that is the change of another person."""
    partitions = 2
    MS = 4000000000000
    TOKEN = '3MD998G00'

    def add(self, seq, address, partition=0):
        self.redis.command('XADD', 'nixie:{%d}:journal' % partition, '%d-%d' % (self.MS, seq), 'address', address, 'from', 'none', 'to', 'hard',
                           'why', 'failure', 'by', 'logtail', 'time', '1790000000')

    def test_the_others_are_named(self):
        self.add(0, 'first@example.com')
        self.assertNotIn('but', self.ctl('token', self.TOKEN))
        for seq in 1, 2:
            self.add(seq, 'next%d@example.com' % seq)
        self.add(0, 'else@example.com', partition=1)
        text = self.ctl('token', self.TOKEN)
        self.assertIn('address   first@example.com\n', text)
        said = text.split('is that the whole token?')[1]
        for line in ('%s-1     next1@example.com: none -> hard', '%s-2     next2@example.com: none -> hard', '%s-0-1   else@example.com: none -> hard'):
            self.assertIn('  ' + line % self.TOKEN + '\n', said)
        beside = [json.loads(x) for x in self.ctl('token', '--json', self.TOKEN).splitlines()][0]['beside']
        self.assertIn({'token': self.TOKEN + '-1', 'address': 'next1@example.com'}, beside)
        # the whole of one leaves no doubt
        for whole in self.TOKEN + '-1', self.TOKEN + '-0', self.TOKEN + '-0-1':
            self.assertNotIn('whole token', self.ctl('token', whole))

    def test_the_only_one_is_meant(self):
        self.add(0, 'else@example.com', partition=1)
        self.assertIn('address   else@example.com\n', self.ctl('token', self.TOKEN))

    def test_none_of_several_is_taken(self):
        for seq in range(1, 31):
            self.add(seq, 'next%d@example.com' % seq)
        text = self.ctl('token', self.TOKEN, status=NOT_FOUND)
        self.assertIn('first part of several tokens', text)
        self.assertIn('-1     next1@example.com', text)
        self.assertNotIn('next21@', text)
        self.assertIn('  and more\n', text)


class Protected(Change):
    def test_why_who_and_when(self):
        self.ctl('suppress', '--reason', 'asked by phone', 'kept@example.com')
        for verb in 'reset', 'remove', 'allow':
            text = self.ctl(verb, 'kept@example.com', status=USAGE)
            self.assertRegex(text, r'kept@example.com is protected: do-not-mail.* since 20\d\d-\d\d-\d\d, by \S+ \(asked by phone\); --force')
        self.site.ctl_ok('import', '--as', 'complaint', '-', stdin='angry@example.com\n')
        self.assertRegex(self.ctl('reset', 'angry@example.com', status=USAGE), r'they complained about our mail \(complaint\) since .*--force')
        self.ctl('suppress', 'angry@example.com')       # that is stronger

    def test_allowed_is_not_suppressed_by_the_way(self):
        self.ctl('allow', '--reason', 'the boss', 'boss@example.com')
        for options in (), ('--hard',), ('--for', '2 days'):
            self.assertRegex(self.ctl('suppress', *options, 'boss@example.com', status=USAGE), r'is allowed.* since .*\(the boss\); --force')
        self.assertEqual(self.status('boss@example.com'), 'allow')
        self.assertIn('nixie remove', self.ctl('reset', 'boss@example.com', status=NOT_FOUND))
        self.ctl('suppress', '--force', 'boss@example.com')
        self.assertEqual(self.status('boss@example.com'), 'manual')

    def test_the_others_are_done(self):
        self.ctl('suppress', 'kept1@example.com', 'kept2@example.com')
        self.ctl('suppress', '--hard', 'hard1@example.com', 'hard2@example.com')
        text = self.ctl('reset', 'kept1@example.com', 'hard1@example.com', 'kept2@example.com', 'hard2@example.com', status=NOT_FOUND)
        self.assertIn('2 addresses changed\nleft out: 2 protected (--force changes them, too)\n', text)
        for address in 'kept1@example.com', 'kept2@example.com':
            self.assertIn(address + ' is protected', text)
            self.assertEqual(self.status(address), 'manual')
        self.assertIsNone(self.status('hard2@example.com'))


class Evidence(Change):
    """What speaks against a reset."""

    def test_hard(self):
        self.read(hard('gone@example.com', when=1790000000) + hard('gone@example.com', when=1790000000 + DAY))
        text = self.ctl('reset', 'gone@example.com')
        before, line = text.split('gone@example.com: hard -> none')
        self.assertRegex(before, r'^gone@example.com is hard since 2026-09-21, recipient.unknown \(')
        self.assertRegex(before, r'last +2026-09-2\d +550 5.1.1 .*User unknown.*\(mx.example.com\)')
        self.assertRegex(before, r'failures +\d since 2026-09-21')
        self.assertIn('harms your reputation', before)
        self.assertIsNone(self.status('gone@example.com'))

    def test_soft_and_held(self):
        now = time.time()
        self.read(full('full@example.com') + full('held@example.com', when=now - 9 * DAY) + full('held@example.com', when=now - 2 * DAY))
        self.assertIn('its mail flows', self.ctl('reset', 'full@example.com'))
        text = self.ctl('reset', 'held@example.com')
        self.assertRegex(text, r'held@example.com is held since .* until 20\d\d-\d\d-\d\d, mailbox.full')
        self.assertIn('its term would have ended by itself', text)
        self.assertEqual(self.keys(':addr:') + self.keys(':win:'), [])


class Removing(Change):
    def test_nothing_is_left(self):
        self.read(hard('gone@example.com') + full('gone@example.com'))
        self.assertEqual(len(self.keys('gone@example.com')), 3)     # entry, occurrences, history
        self.assertIn('--batch', self.ctl('remove', 'gone@example.com'))
        self.assertEqual(self.keys('gone@example.com'), [])
        self.assertIsNone(self.redis.command('ZSCORE', 'nixie:{0}:suppressed', 'gone@example.com'))
        self.ctl('history', 'gone@example.com', status=NOT_FOUND)

    def test_after_a_reset(self):
        self.read(hard('gone@example.com'))
        self.ctl('reset', 'gone@example.com')
        self.assertEqual(len(self.keys(':hist:')), 1)
        self.assertIn('gone@example.com: would be forgotten, with its history', self.ctl('remove', '--dry-run', 'gone@example.com'))
        self.assertEqual(len(self.keys(':hist:')), 1)
        text = self.ctl('remove', 'gone@example.com')
        self.assertIn('gone@example.com: forgotten, with its history', text)
        self.assertEqual(self.keys('gone@example.com'), [])
        self.ctl('remove', 'gone@example.com', status=NOT_FOUND)
        self.assertIn('cannot come back', self.ctl('undo', '--batch', self.batch_of(text)))

    def test_undo_brings_back_the_entry(self):
        self.read(hard('gone@example.com'))
        text = self.ctl('remove', 'gone@example.com')
        self.assertIn('but not the histories', text)
        text = self.ctl('undo', '--batch', self.batch_of(text))
        self.assertIn('1 address restored', text)
        self.assertIn('histories and occurrences that were removed cannot come back', text)
        self.assertEqual(self.site.check('gone@example.com')['reason'], 'recipient.unknown')
        self.ctl('history', 'gone@example.com', status=NOT_FOUND)


class HistoryOnly(Change):
    def test_check_tells_of_it(self):
        self.read(hard('once@example.com', when=1790000000) + hard('once@example.com', when=1790000000 + DAY))
        self.ctl('reset', 'once@example.com')
        self.assertRegex(self.ctl('check', 'once@example.com', status=NOT_FOUND),
                         r'^once@example.com: nothing is known now; policyd answers DUNNO\n  but +2 events are on record: nixie history once@example.com\n')
        self.assertNotIn('but', self.ctl('check', 'other@example.com', status=NOT_FOUND))


class ByHand(Change):
    def test_a_term_without_a_failure(self):
        self.ctl('suppress', '--for', '15 days', '--reason', 'on holiday', 'away@example.com')
        self.site.policyd()
        for text in self.ctl('list'), self.ctl('check', 'away@example.com'), self.site.ask('away@example.com'):
            self.assertIn('by hand', text)
            self.assertNotIn('other', text)
        self.assertRegex(self.site.ask('away@example.com'), r'^550 5\.7\.1 Recipient suppressed by nixie: by hand since \S+ until \S+, token ')
        self.ctl('list', '--category', 'other', status=NOT_FOUND)

    def test_after_failures_their_reason(self):
        self.read(full('full@example.com'))
        self.ctl('suppress', '--for', '15 days', 'full@example.com')
        known = self.site.check('full@example.com')
        self.assertEqual((known['status'], known['reason'], known['origin']), ('held', 'mailbox.full', 'manual'))
        self.assertIn('mailbox.full since', known['action'])


    def test_a_term_does_not_free_sooner(self):
        self.ctl('suppress', '--hard', 'gone@example.com')
        self.assertRegex(self.ctl('suppress', '--for', '1 day', 'gone@example.com', status=NOT_FOUND), 'gone@example.com is hard for ever, .*--force')
        self.assertEqual(self.status('gone@example.com'), 'hard')
        self.ctl('suppress', '--for', '15 days', 'away@example.com')
        rows = self.json('suppress', '--for', '1 day', '--domain', 'example.com', status=NOT_FOUND)
        self.assertEqual({r['address']: r['result'] for r in rows}, {'gone@example.com': 'longer', 'away@example.com': 'longer'})
        self.ctl('suppress', '--for', '20 days', 'away@example.com')
        self.ctl('suppress', '--force', '--for', '1 day', 'gone@example.com')
        self.assertEqual(self.status('gone@example.com'), 'held')


class Listed(Change):
    """On standard input."""

    def test_comments_blanks_and_line_ends(self):
        text = self.ctl('suppress', '-', stdin='\ufeff# of the phone\r\na@example.com\r\n\r\n  b@example.com \n\t# c@example.com\n"d d"@example.com')
        self.assertIn('3 addresses changed', text)
        self.assertEqual([self.status(a) for a in ('a@example.com', 'b@example.com', '"d d"@example.com', 'c@example.com')],
                         ['manual', 'manual', 'manual', None])

    def test_errors_by_line(self):
        lines = 'a@example.com\nnonsense\n\nb@example.com\n@\n' + 'x' * 5000 + '@example.com\nc\0@example.com\n'
        text = self.ctl('suppress', '-', stdin=lines, status=USAGE)
        for number in 2, 5, 6, 7:
            self.assertIn('standard input:%d: ' % number, text)
        self.assertIn('4 of its lines are no address: nothing was changed', text)
        self.assertEqual(self.keys(':addr:'), [])
        text = self.ctl('suppress', '--skip-errors', '-', stdin=lines, status=NOT_FOUND)
        self.assertIn('2 addresses changed', text)
        self.assertEqual(len(self.keys(':addr:')), 2)

    def test_nothing_on_it(self):
        self.assertIn('no address', self.ctl('reset', '-', stdin='# none\n', status=USAGE))

    def test_twice_the_same(self):
        self.assertIn('1 address changed', self.ctl('suppress', '-', stdin='a@example.com\nA@Example.COM\n'))
        self.assertEqual(self.journal(), 1)


class Chosen(Change):
    """By a filter."""

    def setUp(self):
        super().setUp()
        now = time.time()
        m = Message(when=now - DAY)
        self.read(''.join(hard('gone%d@a.example' % i, when=now - 9 * DAY) for i in range(3))
                  + ''.join(hard('gone%d@b.example' % i, when=now - DAY) for i in range(3))
                  + m.begin() + m.bounced('blocked@a.example', '550 5.1.2 Bad destination host') + m.removed())
        self.ctl('suppress', 'kept@a.example')

    def suppressed(self, *args):
        return sorted(json.loads(line)['address'] for line in self.site.ctl('list', '--json', *args).stdout.splitlines())

    def test_the_same_as_list(self):
        for args in ('--domain', 'A.Example'), ('--since', '2 days'), ('--category', 'recipient.unknown'), ('--status', 'hard', '--domain', 'b.example'):
            with self.subTest(args):
                rows = self.json('suppress', '--hard', '--force', '--dry-run', *args)
                self.assertEqual(sorted(r['address'] for r in rows), self.suppressed(*args))

    def test_many_protected_ones_are_counted(self):
        self.site.ctl_ok('suppress', '--yes', '-', stdin=''.join('kept%d@a.example\n' % i for i in range(30)))
        text = self.ctl('reset', '--yes', '--domain', 'a.example', status=NOT_FOUND)
        self.assertEqual(text.count(' is protected: do-not-mail'), 20)
        self.assertIn('and 11 more are left out\n', text)
        self.assertIn('left out: 31 protected (--status hard or --status held leaves them out)', text)
        self.assertNotIn('--force', text)

    def test_a_whole_domain_is_among_them(self):
        self.site.ctl_ok('suppress', '--yes', '@e.example', *('many%d@e.example' % i for i in range(11)))
        done = self.site.ctl('reset', '--domain', 'e.example', '--status', 'manual', '--force', stdin='')
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('  whole     1 of them stands for a whole domain, as @example.com', done.stderr)
        self.assertIn('1 of them is for a whole domain\n', self.ctl('reset', '--yes', '--domain', 'e.example', '--status', 'manual', '--force'))
        self.assertNotIn('whole domain', self.ctl('suppress', '--dry-run', '--manual', '--domain', 'b.example'))

    def test_the_way_back_works_as_typed(self):
        text = self.site.ctl_ok('suppress', '--yes', '-', stdin=''.join('many%d@c.example\n' % i for i in range(11)))
        self.assertRegex(text, r'nixie undo --batch suppress-\S+ --yes\n')
        text = self.ctl(*text.split('with: nixie ')[1].split())
        self.assertRegex(text, r'nixie undo --batch undo-\S+ --yes\n')
        self.ctl(*text.split('with: nixie ')[1].split())
        text = self.site.ctl_ok('import', '-', stdin='one@d.example\n')
        self.assertRegex(text, r'nixie undo --batch \S+\n')
        self.ctl(*text.split('with: nixie ')[1].split())

    def test_only_those(self):
        text = self.ctl('reset', '--domain', 'a.example', '--status', 'hard')
        self.assertIn('gone1@a.example: hard -> none', text)
        self.assertEqual(self.suppressed('--domain', 'a.example'), ['kept@a.example'])
        self.assertEqual(len(self.suppressed('--domain', 'b.example')), 3)
        self.ctl('undo', '--batch', self.batch_of(text))
        self.assertIn('gone1@a.example', self.suppressed())

    def test_protected_ones_are_left_out(self):
        text = self.ctl('reset', '--domain', 'a.example', status=NOT_FOUND)
        self.assertIn('kept@a.example is protected', text)
        self.assertIn('left out: 1 protected', text)
        self.assertEqual(self.suppressed('--domain', 'a.example'), ['kept@a.example'])

    def test_none(self):
        self.assertIn('no suppressed address is so', self.ctl('reset', '--domain', 'c.example', status=NOT_FOUND))
        self.redis.command('FLUSHALL')
        for verb in 'suppress', 'allow', 'reset', 'remove':
            self.assertIn('no suppressed address is so', self.ctl(verb, '--status', 'hard', status=NOT_FOUND))
            self.assertEqual(self.json(verb, '--status', 'hard', '--dry-run', status=NOT_FOUND), [])
        self.assertIn('no such change', self.ctl('undo', '--batch', 'reset-1-1', status=NOT_FOUND))
        self.assertIn('--batch ID', self.ctl('undo', '--since', '3h', status=NOT_FOUND))


class Chosen64(Chosen):
    partitions = 64


class Asked(Change):
    """More than ten."""

    def setUp(self):
        super().setUp()
        self.list = ''.join('reader%d@d%d.example\n' % (i, i % 7) for i in range(1234))
        self.names = self.list.split()

    def test_nobody_to_ask(self):
        for args, stdin in ((['-'], self.list), (self.names[:11], None)):
            text = self.ctl('suppress', *args, stdin=stdin, status=USAGE)
            self.assertIn('nothing was changed', text)
            self.assertIn('--dry-run', text)
            self.assertIn('nixie suppress --yes', text)
        self.assertEqual(self.keys(':addr:'), [])
        self.assertIn('1,234 addresses changed', self.ctl('suppress', '--yes', '-', stdin=self.list))
        self.assertIn('nixie reset --yes', self.ctl('reset', '--force', '--status', 'manual', status=USAGE))
        self.assertEqual(len(self.keys(':addr:')), 1234)

    def test_ten_are_not_asked_about(self):
        self.ctl('suppress', *self.names[:10])
        # nor ten of many
        self.assertIn('10 addresses changed', self.ctl('suppress', *self.names[:20], '--dry-run').replace('would change; nothing was changed', 'changed'))
        self.assertIn('left out: 10 so already', self.ctl('suppress', *self.names[:20]))

    def test_the_question(self):
        self.ctl('suppress', '--hard', '--yes', '-', stdin=self.list)
        for typed in '\n', 'n\n', 'never\n', '\x04':
            with self.subTest(typed):
                code, text = on_terminal(self.site, 'reset', '--status', 'hard', typed=typed)
                self.assertEqual(code, NOT_FOUND, text)
                self.assertIn('Change 1,234 addresses? [y/N]', text)
        text = plain(text)
        self.assertRegex(text, r'status +hard -> none 1,234\n')
        self.assertRegex(text, r'domains +d0.example 177, d1.example 177, d2.example 176, .*others 352')
        self.assertIn('harms your reputation', text)
        self.assertEqual(self.status('reader1@d1.example'), 'hard')
        code, text = on_terminal(self.site, 'reset', '--status', 'hard', typed='y\n')
        self.assertEqual(code, OK, text)
        self.assertIn('1,234 addresses changed', text)
        self.assertIn('changing [', text)
        self.assertEqual(self.keys(':addr:'), [])
        # and undo asks, too
        batch = self.batch_of(text)
        self.assertIn('--yes', self.ctl('undo', '--batch', batch, status=USAGE))
        code, text = on_terminal(self.site, 'undo', '--batch', batch, typed='no\n')
        self.assertEqual(code, NOT_FOUND, text)
        code, text = on_terminal(self.site, 'undo', '--batch', batch, typed='yes\n')
        self.assertEqual(code, OK, text)
        self.assertIn('1,234 addresses restored', text)

    def test_a_list_and_the_question(self):
        code, text = on_terminal(self.site, 'suppress', '-', typed='y\n', stdin=self.list)
        self.assertEqual(code, OK, text)
        self.assertIn('1,234 addresses changed', text)

    def test_protected_ones_are_counted(self):
        self.ctl('suppress', '--yes', *self.names[:50])
        self.ctl('suppress', '--hard', '--yes', *self.names[50:100])
        text = self.ctl('reset', '--yes', *self.names[:110], status=NOT_FOUND)
        self.assertIn('50 addresses changed\nleft out: 50 protected (nixie check tells by whom), 10 not known\n', text)
        self.assertEqual(text.count('is protected'), 20)        # the first of them by name


class Undoing(Change):
    def test_an_entry_whose_scope_another_batch_changed(self):
        text = self.ctl('suppress', '--hard', 'a@example.com', 'b@example.com')
        self.ctl('suppress', '--scope', 'sender:shop.example', 'a@example.com')
        self.assertIn('2 addresses restored', self.ctl('undo', '--batch', self.batch_of(text)))
        known = self.site.check('a@example.com')
        self.assertEqual(known['status'], 'none')
        self.assertIn('sender:shop.example=manual', known['scopes'])

    def test_a_scope_whose_entry_another_batch_changed(self):
        text = self.ctl('suppress', '--scope', 'sender:shop.example', 'a@example.com')
        self.ctl('suppress', '--hard', 'a@example.com')
        self.assertIn('1 scope restored', self.ctl('undo', '--batch', self.batch_of(text)))
        known = self.site.check('a@example.com')
        self.assertEqual((known['status'], known.get('scopes')), ('hard', None))

    def test_those_that_are_left(self):
        text = self.ctl('suppress', '--hard', 'a@example.com', 'b@example.com')
        self.ctl('suppress', 'a@example.com')
        batch = self.batch_of(text)
        self.assertIn('a@example.com: left alone', self.ctl('undo', '--dry-run', '--batch', batch))
        self.assertEqual([r['result'] for r in self.json('undo', '--batch', batch)], ['left', 'undone'])
        self.assertEqual(self.status('a@example.com'), 'manual')


class Conflicts(Change):
    def test_it_is_read_again(self):
        """Somebody writes the entry between the reading and the writing, twice."""
        self.ctl('suppress', '--hard', 'busy@example.com')
        key, calls = 'nixie:{0}:addr:busy@example.com', self.applied()
        cut = Cutting(self.directory, self.redis.socket)
        self.addCleanup(cut.stop)
        changes = itertools.count(1)

        def somebody_writes():
            n = next(changes)
            self.redis.command('HSET', key, 'count', n, 'revision', 100000 + n)
            if self.applied() == calls:     # and before the next one, too
                cut.after, cut.was_cut = cut.after + 1, False
            return True
        cut.begin(0, somebody_writes)
        text = self.ctl('-o', 'redis.address=' + cut.address, 'suppress', 'busy@example.com', 'other@example.com')
        self.assertEqual(self.applied(), calls + 3)      # two conflicts
        entry = self.redis.hgetall(key)
        self.assertEqual((entry['status'], entry['count']), ('manual', str(next(changes) - 1)))
        self.assertEqual(text.count('busy@example.com: hard -> manual'), 1)
        self.assertEqual(self.journal(), 3)

    def applied(self):
        lines = self.redis.command('INFO', 'commandstats').splitlines()
        return sum(int(line.split('calls=')[1].split(',')[0]) for line in lines if line.startswith('cmdstat_evalsha:'))

    def test_beside_a_reader(self):
        """A log is read, and people change the same addresses: no status is made up of both."""
        names = ['reader%d@example.com' % i for i in range(40)]
        stop = threading.Event()
        codes = []

        def change():
            while not stop.is_set():
                codes.append(self.site.ctl('suppress', '--yes', '--reason', 'by hand', *names).returncode)
                codes.append(self.site.ctl('reset', '--yes', '--force', *names).returncode)
        thread = threading.Thread(target=change)
        thread.start()
        try:
            self.read(''.join(full(n, when=1790000000 + i * 60) for i in range(30) for n in names))
            wait_until(lambda: len(codes) >= 4, 'some changes')
        finally:
            stop.set()
            thread.join()
        self.assertLessEqual(set(codes), {OK, NOT_FOUND})        # not found: nothing to reset, nothing failed meanwhile
        self.assertEqual(self.site.counter('soft'), 30 * len(names))
        self.ctl('suppress', '--yes', *names)
        self.assertEqual({self.status(n) for n in names[:5]}, {'manual'})


class Many(Change):
    N = 100000

    def run_it(self, *args, stdin):
        """What it said, and the most memory that it had, in KiB."""
        with open(os.path.join(self.directory, 'list'), 'w') as f:
            f.write(stdin)
        used = os.path.join(self.directory, 'used')
        with open(f.name) as f:
            done = subprocess.run([tool('peak'), used, binary('nixie'), '-c', self.site.conf_path, *args], stdin=f, capture_output=True, text=True,
                                  check=False, env=dict(os.environ, ASAN_OPTIONS='quarantine_size_mb=1'))
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)
        with open(used) as f:
            return done.stdout, int(f.read())

    def names(self, n):
        return ''.join('reader%d@d%d.example\n' % (i, i % 997) for i in range(n))

    def suppressed(self):
        return sum(int(self.redis.command('ZCARD', 'nixie:{%d}:suppressed' % p)) for p in range(self.partitions))

    def test_bounded_memory(self):
        few = self.N // 10
        out, listed = self.run_it('suppress', '--hard', '--yes', '-', stdin=self.names(few))
        self.assertIn('{:,} addresses changed'.format(few), out)
        out, chosen = self.run_it('reset', '--yes', '--status', 'hard', stdin='')
        self.assertIn('{:,} addresses changed'.format(few), out)
        self.assertEqual(self.suppressed(), 0)
        self.assertIn('{:,} addresses restored'.format(few), self.ctl('undo', '--yes', '--batch', self.batch_of(out)))
        self.assertEqual(self.suppressed(), few)
        # ten times as many
        out, peak = self.run_it('suppress', '--hard', '--yes', '-', stdin=self.names(self.N))
        self.assertIn('{:,} addresses changed\nleft out: {:,} so already'.format(self.N - few, few), out)
        self.assertLess(peak - listed, 8 * 1024, 'KiB more')
        self.assertEqual(self.suppressed(), self.N)
        out, peak = self.run_it('reset', '--yes', '--status', 'hard', stdin='')
        self.assertIn('{:,} addresses changed'.format(self.N), out)
        self.assertLess(peak - chosen, 8 * 1024, 'KiB more')
        self.assertEqual((self.suppressed(), self.keys(':addr:')), (0, []))

    def interrupted(self, cut, after, *args, stdin=subprocess.DEVNULL):
        """What it said when so many scripts were done, and ^C was typed during the next."""
        started = threading.Event()

        def type_it():
            started.wait(LIMIT)
            os.kill(p.pid, signal.SIGINT)
            return True
        cut.begin(after, type_it)
        with subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, '-o', 'redis.address=' + cut.address, *args], stdin=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            started.set()
            out, err = p.communicate()
        self.assertEqual(p.returncode, NOT_FOUND, out + err)
        return err

    def test_interrupted(self):
        with open(os.path.join(self.directory, 'list'), 'w') as f:
            f.write(self.names(50000))
        cut = Cutting(self.directory, self.redis.socket)
        self.addCleanup(cut.stop)
        with open(f.name) as f:
            said = self.interrupted(cut, 8 * self.partitions, 'suppress', '--yes', '-', stdin=f)
        self.assertRegex(said, r'interrupted after [\d,]+ addresses; to go on run it again')
        there = self.suppressed()
        self.assertGreater(there, 0)
        self.assertRegex(self.interrupted(cut, 1, 'undo', '--yes', '--batch', self.batch_of(said)), r'interrupted after \d+ address')
        self.assertGreater(self.suppressed(), 0)
        self.assertLess(self.suppressed(), there)
        self.ctl('undo', '--yes', '--batch', self.batch_of(said))
        self.assertEqual(self.suppressed(), 0)


class Many64(Many):
    partitions, N = 64, 30000
