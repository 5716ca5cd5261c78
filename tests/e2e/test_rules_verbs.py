"""nixie rules and nixie explain: the operator's view on rules, without Redis."""
import json
import os

from harness import maillog
from harness.case import Case
from harness.nixie import BAD_CONFIG, NOT_FOUND, OK, REPOSITORY, USAGE, run

SHIPPED = os.path.join(REPOSITORY, 'conf', 'rules.d')

BASE = '''
words = ( { name = "about-sender"; text = [ "your address", "sender" ]; } );
providers = ( { name = "big"; relay = [ "big.example" ]; } );
blocklists = ( { name = "Listing"; text = "listing[.]example"; url = "https://listing.example/"; } );
rules = (
  { id = "base.blocked"; category = "blocked.reputation"; text = "blocked using"; match = ( "554 blocked using x" ); },
  { id = "base.full"; category = "mailbox.full"; text = [ "mailbox full", "over quota" ]; match = ( "552 mailbox full" ); },
  { id = "base.unknown"; category = "recipient.unknown"; code = "5xx"; text = "no such (user|mailbox)";
    not-text = "${about-sender}"; note = "says so"; url = "https://example.com/unknown";
    match = ( "550 no such user" ); no-match = ( "550 sender: no such user" ); },
  { id = "base.550"; category = "policy"; code = "550"; match = ( "550 x" ); }
);
'''


class RulesCase(Case):
    def rules(self, text, directory='own', name='10-own.conf'):
        """A rule file in a directory of its own; returns the directory."""
        path = os.path.join(self.directory, directory)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, name), 'w', encoding='utf-8') as f:
            f.write(text)
        return path

    def line_of(self, text, part):
        return text[:text.index(part)].count('\n') + 1

    def nixie(self, *args, status=OK, stdin=None):
        done = run('nixie', '-c', '/dev/null', *args, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def json(self, *args, status=OK, stdin=None):
        return [json.loads(x) for x in self.nixie(*args, status=status, stdin=stdin).stdout.splitlines()]


class Listing(RulesCase):
    def test_list_in_order(self):
        d = self.rules(BASE)
        rows = self.json('rules', 'list', '--rules', d, '--json')
        self.assertEqual([r['id'] for r in rows], ['base.blocked', 'base.full', 'base.unknown', 'base.550'])
        self.assertEqual(rows[2]['class'], 'hard')
        self.assertEqual(rows[2]['category'], 'recipient.unknown')
        self.assertEqual(rows[2]['line'], self.line_of(BASE, '{ id = "base.unknown"'))
        self.assertTrue(rows[2]['file'].endswith('/10-own.conf'))
        self.assertFalse(rows[2]['disabled'])
        text = self.nixie('rules', 'list', '--rules', d).stdout
        self.assertEqual(len({line.index(' 10-own.conf:') for line in text.splitlines()}), 1)
        self.assertNotIn(d, text)
        self.assertIn('10-own.conf:%d\n' % rows[2]['line'], text)
        self.assertNotIn('\x1b', text)

    def test_list_a_part(self):
        d = self.rules(BASE)
        ids = [r['id'] for r in self.json('rules', 'list', '--rules', d, '--json', '--class', 'soft')]
        self.assertEqual(ids, ['base.blocked', 'base.full', 'base.550'])
        ids = [r['id'] for r in self.json('rules', 'list', '--rules', d, '--json', '--category', 'mailbox.full')]
        self.assertEqual(ids, ['base.full'])
        self.nixie('rules', 'list', '--rules', d, '--category', 'virus', status=NOT_FOUND)
        self.nixie('rules', 'list', '--rules', d, '--category', 'nonsense', status=USAGE)
        self.nixie('rules', 'list', '--rules', d, '--class', 'nonsense', status=USAGE)

    def test_replaced_and_disabled(self):
        own = self.rules('disable = [ "base.550" ]; rules = ( { id = "base.full"; category = "mailbox.full"; text = "voll"; } );')
        base = self.rules(BASE, 'base', '10-base.conf')
        rows = {r['id']: r for r in self.json('rules', 'list', '--rules', own, '--rules', base, '--json')}
        self.assertTrue(rows['base.550']['disabled'])
        self.assertTrue(rows['base.full']['file'].endswith('/10-own.conf'))
        self.assertTrue(rows['base.full']['replaced-file'].endswith('/10-base.conf'))
        self.assertEqual(rows['base.full']['replaced-line'], self.line_of(BASE, '{ id = "base.full"'))
        self.assertEqual(list(rows), ['base.blocked', 'base.full', 'base.unknown', 'base.550'])
        text = self.nixie('rules', 'list', '--rules', own, '--rules', base).stdout
        self.assertRegex(text, r'base\.550 .* disabled')
        self.assertRegex(text, r'base\.full .* replaces 10-base\.conf:\d+')

    def test_show(self):
        d = self.rules(BASE)
        row, = self.json('rules', 'show', '--rules', d, '--json', 'base.unknown')
        self.assertEqual(row['conditions'], {'code': ['5xx'], 'text': ['no such (user|mailbox)'], 'not-text': ['${about-sender}']})
        self.assertEqual((row['position'], row['fault'], row['note']), (3, 'recipient', 'says so'))
        self.assertEqual([e['reply'] for e in row['match']], ['550 no such user'])
        self.assertEqual([e['reply'] for e in row['no-match']], ['550 sender: no such user'])
        text = self.nixie('rules', 'show', '--rules', d, 'base.unknown', 'base.full').stdout
        for word in ('3 of 4', 'no such (user|mailbox)', '${about-sender}', 'https://example.com/unknown', 'over quota'):
            self.assertIn(word, text)
        self.nixie('rules', 'show', '--rules', d, 'nobody', status=NOT_FOUND)
        self.nixie('rules', 'show', '--rules', d, status=USAGE)

    def test_words(self):
        d = self.rules(BASE)
        row, = self.json('rules', 'words', '--rules', d, '--json')
        self.assertTrue(row.pop('file').endswith('/10-own.conf'))
        self.assertEqual(row, {'name': 'about-sender', 'line': 2, 'expressions': 2, 'rules': ['base.unknown']})
        self.assertEqual(self.nixie('rules', 'words', '--rules', d).stdout.split(),
                         'about-sender 2 expressions in 1 rule 10-own.conf:2'.split())
        row, = self.json('rules', 'words', '--rules', d, '--json', 'about-sender')
        self.assertEqual(row['text'], ['your address', 'sender'])
        text = self.nixie('rules', 'words', '--rules', d, '${about-sender}').stdout
        for word in 'your address', 'base.unknown', '/10-own.conf:2':
            self.assertIn(word, text)
        self.nixie('rules', 'words', '--rules', d, 'about-nobody', status=NOT_FOUND)
        # a block list is none
        self.nixie('rules', 'words', '--rules', d, 'Listing', status=NOT_FOUND)
        empty = self.rules('rules = ( { id = "a.one"; category = "policy"; text = "x"; } );', 'empty')
        self.assertEqual(self.nixie('rules', 'words', '--rules', empty, status=NOT_FOUND).stdout, 'no list of words\n')

    def test_forms(self):
        own = self.rules('disable = "b.g"; forms = ( { id = "a.f"; kind = "dsn"; from = "mx.example"; text = "mine"; } );')
        base = self.rules('forms = ( { id = "b.g"; kind = "autoreply"; subject = "^away"; answer = true; },\n'
                          '          { id = "a.f"; kind = "dsn"; text = "theirs"; } );', 'base')
        out = self.nixie('rules', 'forms', '--rules', own, '--rules', base).stdout
        self.assertEqual(out.split('\n')[:2], ['b.g  autoreply  10-own.conf:1  disabled', 'a.f  dsn        10-own.conf:1  replaces 10-own.conf:2'])
        one, = self.json('rules', 'forms', '--json', '--rules', own, '--rules', base, 'a.f')
        self.assertEqual((one['kind'], one['from'], one['text'], one['action'], one['replaced-line']), ('dsn', ['mx.example'], ['mine'], 'failed', 2))
        self.assertIn('answer          true', self.nixie('rules', 'forms', '--rules', base, 'b.g').stdout)
        self.nixie('rules', 'forms', '--rules', base, 'none', status=NOT_FOUND)

    def test_words_of_two_directories(self):
        own = self.rules('words = ( { name = "about-sender"; text = "absender"; } ); disable = [ "base.unknown" ];')
        base = self.rules(BASE, 'base', '10-base.conf')
        row, = self.json('rules', 'words', '--rules', own, '--rules', base, '--json', 'about-sender')
        self.assertEqual((row['text'], row['rules'], row['replaced-line']), (['absender'], [], 2))
        self.assertTrue(row['replaced-file'].endswith('/base/10-base.conf'))
        self.assertIn('replaces 10-base.conf:2', self.nixie('rules', 'words', '--rules', own, '--rules', base).stdout)

    def test_arguments_that_are_none(self):
        d = self.rules(BASE)
        for verb in ('rules', 'list'), ('rules', 'test'), ('rules', 'lint'), ('classify',):
            with self.subTest(verb):
                done = self.nixie(*verb, '--rules', d, d, status=USAGE, stdin='550 x\n')
                self.assertIn('--rules DIR', done.stderr)
                self.assertEqual(done.stdout, '')

    def test_usage(self):
        self.assertIn('lint', self.nixie('rules', '--help').stdout)
        self.nixie('rules', status=USAGE)
        self.nixie('rules', 'frobnicate', status=USAGE)
        for verb in 'list', 'show', 'test', 'lint', 'words':
            self.nixie('rules', verb, '--help')
            self.nixie('rules', verb, '--frobnicate', status=USAGE)
            self.nixie('rules', verb, '--rules', self.directory + '/absent', status=BAD_CONFIG)
            self.nixie('rules', verb, '--rules', self.rules('rules = ( { id = "x"; } );', 'bad'), status=BAD_CONFIG)


class Testing(RulesCase):
    def test_as_they_say(self):
        self.assertEqual(self.nixie('rules', 'test', '--rules', self.rules(BASE)).stdout,
                         '4 rules, 5 examples: all as they say\n')

    def test_shipped(self):
        done = run('nixie', '-c', '/dev/null', 'rules', 'test', '--strict', '--rules', SHIPPED)
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)

    def test_another_rule_wins(self):
        text = BASE.replace('"552 mailbox full"', '"552 blocked using mailbox full"')
        d = self.rules(text)
        out = self.nixie('rules', 'test', '--rules', d, status=NOT_FOUND).stdout
        self.assertIn('/10-own.conf:%d: base.full should win' % self.line_of(text, '{ id = "base.full"'), out)
        self.assertRegex(out, r'base\.blocked wins: soft blocked\.reputation, .*/10-own.conf:6, by "blocked using"')
        self.assertIn('it holds too, and comes later', out)
        self.assertIn('1 not as they say', out)
        failure, total = self.json('rules', 'test', '--rules', d, '--json', status=NOT_FOUND)
        self.assertEqual((failure['rule'], failure['winner']['id'], failure['check']), ('base.full', 'base.blocked', 'match'))
        self.assertEqual(total, {'rules': 4, 'forms': 0, 'examples': 5, 'failures': 1, 'warnings': 0})

    def test_why_it_does_not_hold(self):
        text = BASE.replace('"550 no such user" );', '"550 no such user, sender", "450 no such user" );')
        failures = self.json('rules', 'test', '--rules', self.rules(text), '--json', status=NOT_FOUND)[:-1]
        self.assertEqual([f['why'] for f in failures],
                         ['its not-text does not hold: there is "sender"', 'its code does not hold'])
        self.assertNotIn('winner', failures[1])

    def test_before_rcpt(self):
        text = BASE.replace('"550 no such user" );', '"550 no such user (in reply to MAIL FROM command)" );')
        failure = self.json('rules', 'test', '--rules', self.rules(text), '--json', status=NOT_FOUND)[0]
        self.assertIn('before RCPT TO', failure['why'])

    def test_counter_example(self):
        text = BASE.replace('"550 sender: no such user"', '"550 no such user here"')
        out = self.nixie('rules', 'test', '--rules', self.rules(text), status=NOT_FOUND).stdout
        self.assertIn('base.unknown should not win: 550 no such user here', out)

    def test_without_an_example(self):
        own = self.rules('rules = ( { id = "own.one"; category = "policy"; text = "zork"; } );')
        base = self.rules(BASE, 'base')
        out = self.nixie('rules', 'test', '--rules', own, '--rules', base).stdout
        self.assertIn('own.one has no example in match (a warning)', out)
        self.assertIn('all as they say, 1 warning\n', out)
        self.nixie('rules', 'test', '--strict', '--rules', own, '--rules', base, status=NOT_FOUND)

    def test_disabled_and_replaced_ones_are_not_tried(self):
        own = self.rules('disable = [ "base.550" ]; rules = ( { id = "base.full"; category = "mailbox.full"; text = "voll";'
                         ' match = ( "552 voll" ); } );')
        base = self.rules(BASE, 'base')
        self.assertEqual(self.nixie('rules', 'test', '--rules', own, '--rules', base).stdout,
                         '3 rules, 4 examples: all as they say\n')

    def test_forms(self):
        form = 'forms = ( { id = "a.f"; kind = "dsn"; text = "came back"; recipients = "^For (?<recipient>${address})"; match = ( "%s" ); no-match = ( "%s" ); } );'
        good, other = 'From: a@b.example\\n\\ncame back\\nFor u@example.com\\n', 'From: a@b.example\\n\\ncame back\\n'
        self.assertEqual(self.nixie('rules', 'test', '--rules', self.rules(form % (good, other))).stdout, '0 rules, 1 form, 2 examples: all as they say\n')
        out = self.nixie('rules', 'test', '--rules', self.rules(form % (other, good)), status=NOT_FOUND).stdout
        self.assertIn('a.f should take this mail: it is ordinary', out)
        self.assertIn('a.f should not take this mail', out)
        *told, total = self.json('rules', 'test', '--json', '--rules', self.rules(form % (other, good)), status=NOT_FOUND)
        self.assertEqual([(t['form'], t['check'], t['line']) for t in told], [('a.f', 'match', 1), ('a.f', 'no-match', 1)])
        self.assertEqual((total['forms'], total['failures']), (1, 2))
        none = self.rules('forms = ( { id = "a.f"; kind = "challenge"; text = "x"; } );')
        self.assertIn('1 form, 0 examples: all as they say, 1 warning\n', self.nixie('rules', 'test', '--rules', none).stdout)
        self.nixie('rules', 'test', '--strict', '--rules', none, status=NOT_FOUND)

    def test_relay_of_an_example(self):
        rule = 'rules = ( { id = "a.b"; category = "policy"; text = "zork"; relay = "mx.example.com"; match = ( "550 zork%s" ); } );'
        self.nixie('rules', 'test', '--rules', self.rules(rule % '\\ta.mx.example.com'))
        self.nixie('rules', 'test', '--rules', self.rules(rule % '\\tmx.example.net'), status=NOT_FOUND)


class Linting(RulesCase):
    def lint(self, text, status=NOT_FOUND, more=()):
        rows = self.json('rules', 'lint', '--json', '--rules', self.rules(text), *more, status=status)
        return {(r['level'], r['check'], r['rule']) for r in rows[:-1]}, rows[-1]

    def rule(self, rest, id_='a.one', category='policy'):
        return '{ id = "%s"; category = "%s"; %s }' % (id_, category, rest)

    def check(self, want, *rules, more=''):
        """Is this found, at least?"""
        found, _ = self.lint(more + 'rules = ( %s );' % ', '.join(rules), status=NOT_FOUND if want[0] in ('error', 'warning') else OK)
        self.assertIn(want, found)

    def clean(self, *rules, more=''):
        found, _ = self.lint(more + 'rules = ( %s );' % ', '.join(rules), status=OK)
        self.assertEqual(found, set())

    def test_clean(self):
        _, total = self.lint(BASE, OK)
        self.assertEqual((total['rules'], total['errors'], total['warnings'], total['remarks']), (4, 0, 0, 0))
        self.assertEqual(self.nixie('rules', 'lint', '--rules', self.rules(BASE)).stdout,
                         '4 rules, 0 forms: 0 errors, 0 warnings, 0 remarks\n')

    def test_shipped(self):
        done = run('nixie', '-c', '/dev/null', 'rules', 'lint', '--rules', SHIPPED)
        self.assertEqual(done.returncode, OK, done.stdout[-4000:] + done.stderr)

    def forms(self, *forms, status=NOT_FOUND):
        """What is found of forms, each of which has a kind if it says none."""
        forms = [f if 'kind' in f else 'kind = "dsn"; ' + f for f in forms]
        text = 'forms = ( %s );' % ', '.join('{ id = "f.%d"; %s }' % (n + 1, f) for n, f in enumerate(forms))
        rows = self.json('rules', 'lint', '--json', '--rules', self.rules(text), status=status)
        self.assertEqual((rows[-1]['rules'], rows[-1]['forms']), (0, len(forms)))
        return [(r['level'], r['check'], r['form']) for r in rows[:-1]]

    def test_forms_that_never_win(self):
        for name, first, second, check in (
                ('the same', 'text = "alpha";', 'text = "alpha";', 'duplicate'),
                ('a part of the words', 'text = "alpha";', 'text = "^alpha beta"; subject = "gamma";', 'unreachable'),
                ('a branch', 'text = "alpha|beta";', 'text = "beta";', 'unreachable'),
                ('whoever at the domain', 'from = "a.example";', 'from = [ "b@a.example", "c@mx.a.example" ];', 'unreachable'),
                ('of whatever domain', 'from = "boss@";', 'from = "boss@a.example";', 'unreachable'),
                ('a header', 'header = "X-Loop: alpha";', 'header = "x-loop: ^alpha beta"; text = "gamma";', 'unreachable'),
                ('an answer or not', 'kind = "autoreply"; text = "alpha";', 'kind = "autoreply"; text = "alpha"; answer = true;', 'unreachable'),
                ('more is left out', 'text = "alpha"; not-text = "beta";', 'text = "alpha"; not-text = [ "beta", "gamma" ];', 'unreachable'),
                ('the same recipients', 'text = "alpha"; recipients = "(?<recipient>${address})";',
                 'text = "alpha"; subject = "beta"; recipients = "(?<recipient>${address})";', 'unreachable')):
            with self.subTest(name=name):
                self.assertEqual(self.forms(first, second), [('error', check, 'f.2')])

    def test_forms_that_can_win(self):
        for name, first, second in (
                ('another kind', 'text = "alpha";', 'kind = "challenge"; text = "alpha";'),
                ('words that are not in the other', 'text = "alpha beta";', 'text = "alpha";'),
                ('one of several words', 'text = "alpha";', 'text = [ "alpha", "beta" ];'),
                ('another domain', 'from = "a.example";', 'from = "b@aa.example";'),
                ('another header', 'header = "X-Loop: alpha";', 'header = "X-Other: alpha";'),
                ('an answer', 'text = "alpha"; answer = true;', 'text = "alpha";'),
                ('something is left out', 'text = "alpha"; not-text = "beta";', 'text = "alpha";'),
                ('recipients, which it may not find', 'text = "alpha"; recipients = "^(?<recipient>${address})";', 'text = "alpha";'),
                ('a copy, which may have the words', 'text = "alpha"; copy = "^-- letter --";', 'text = "alpha"; subject = "beta";'),
                ('a copy, which may have the words that it leaves out', 'text = "alpha"; not-text = "beta";',
                 'text = "alpha"; not-text = "beta"; copy = "^-- letter --";')):
            with self.subTest(name=name):
                self.assertEqual(self.forms(first, second, status=OK), [])

    def test_a_form_for_itself(self):
        for name, form, want in (
                ('found in the empty text', 'text = "x*";', ('error', 'empty-text')),
                ('empty in what it leaves out', 'text = "x"; not-text = "y?";', ('error', 'empty-text')),
                ('leaves out what it asks for', 'subject = "over quota"; not-subject = "quota";', ('error', 'never')),
                ('twice', 'text = [ "alpha", "beta", "alpha" ];', ('warning', 'twice')),
                ('slow on one line', 'text = "(a+)+b";', ('warning', 'slow')),
                ('slow on blanks', 'text = "alpha"; recipients = "^[ \\\\t]*<?(?<recipient>${address})>";', ('warning', 'slow')),
                ('slow on lines', 'text = "(?:.*\\\\n)*?(?:.*\\\\n)*?alpha";', ('warning', 'slow')),
                ('a header', 'header = "X-Loop: (a|aa)+$";', ('warning', 'slow'))):
            with self.subTest(name=name):
                self.assertIn(want + ('f.1',), self.forms(form))
        self.assertEqual(self.forms('text = "alpha"; recipients = "^[ \\\\t]*+<?(?<recipient>${address})>";', status=OK), [])

    def test_a_form_that_takes_no_example_of_its_own(self):
        mail = 'match = "From: mailer-daemon@a.example\\nSubject: x\\n\\nalpha beta\\n";'
        self.assertEqual(self.forms('text = "alph[a]";' + mail, 'text = "beta$";' + mail), [('error', 'shadowed', 'f.2')])
        out = self.nixie('rules', 'lint', '--rules', os.path.join(self.directory, 'own'), status=NOT_FOUND).stdout
        self.assertRegex(out, r'10-own[.]conf:1: error: form f.2: it takes none of its own examples; the first is taken by form:f.1[^\n]* \[shadowed\]\n')
        self.assertTrue(out.endswith('\n0 rules, 2 forms: 1 error, 0 warnings, 0 remarks\n'), out)

    def test_unreachable(self):
        two = 'a.two'
        for name, first, second in (
                ('a shorter list', 'text = [ "alpha", "beta" ];', 'text = "beta"; code = "550";'),
                ('a part of the word', 'text = "quota";', 'text = [ "over quota", "quota (is )?exceeded" ];'),
                ('a branch', 'text = "alpha|beta|gamma";', 'text = "gamma|alpha";'),
                ('a code', 'code = "5xx";', 'code = [ "550", "554" ]; text = "alpha";'),
                ('a status', 'enhanced = "x.1.x";', 'enhanced = "5.1.1";'),
                ('a relay', 'relay = "example.com";', 'relay = "mx.example.com"; text = "alpha";'),
                ('more is left out', 'text = "alpha"; not-text = "beta";', 'text = "alpha"; not-text = [ "beta", "gamma" ];'),
                ('a wider guard', 'text = "alpha"; not-text = "beta ray";', 'text = "alpha"; not-text = "beta";')):
            with self.subTest(name):
                self.check(('error', 'unreachable', two), self.rule(first), self.rule(second, two))

    def test_reachable(self):
        for name, first, second in (
                ('another word', 'text = "alpha";', 'text = [ "alpha", "beta" ];'),
                ('a condition more', 'text = "alpha"; code = "550";', 'text = "alpha";'),
                ('a narrower code', 'code = "550"; text = "alpha";', 'code = "5xx"; text = "alpha";'),
                ('less is left out', 'text = "alpha"; not-text = [ "beta", "gamma" ];', 'text = "alpha"; not-text = "beta";'),
                ('an expression is no part', 'text = "a[.]pha";', 'text = "xa[.]phax";'),
                ('a word is in one branch only', 'text = "quota";', 'text = "mailbox (quota|size) exceeded";')):
            with self.subTest(name):
                self.clean(self.rule(first), self.rule(second, 'a.two'))

    def test_hard_ones_do_not_hide_soft_ones(self):
        hard = self.rule('text = "alpha"; not-text = "zork";', category='recipient.unknown')
        self.clean(hard, self.rule('text = "alpha"; not-text = "zork";', 'a.two'))
        self.check(('error', 'unreachable', 'a.two'), hard, self.rule('text = "alpha"; not-text = "zork"; phase = "rcpt";', 'a.two'))

    def test_lists_count_as_what_is_in_them(self):
        words = 'words = ( { name = "w"; text = [ "alpha", "beta" ]; } );'
        self.check(('error', 'unreachable', 'a.two'), self.rule('text = [ "${w}", "gamma" ];'),
                   self.rule('text = [ "beta", "gamma" ];', 'a.two'), more=words)
        self.check(('error', 'duplicate', 'a.two'), self.rule('text = "${w}";'),
                   self.rule('text = [ "beta", "alpha" ];', 'a.two'), more=words)

    def test_disabled_ones_hide_nothing(self):
        self.clean(self.rule('text = "alpha";'), self.rule('text = "alpha";', 'a.two'), more='disable = [ "a.one" ];')

    def test_shadowed(self):
        self.check(('error', 'shadowed', 'a.two'), self.rule('text = "alpha";'), self.rule('text = "b?eta"; match = ( "550 alpha beta" );', 'a.two'))

    def test_never(self):
        for rest in ('code = "550"; not-code = "5xx";', 'text = "alpha"; not-text = "alph";', 'relay = "mx.example.com"; not-relay = "example.com";'):
            with self.subTest(rest):
                self.check(('error', 'never', 'a.one'), self.rule(rest))
        self.check(('error', 'never', 'a.one'), self.rule('text = "alpha"; phase = [ "helo", "mail" ];', category='recipient.unknown'))

    def test_patterns(self):
        one = 'a.one'
        for want, text in ((('error', 'empty-text', one), 'zzz(alpha)?|b*'), (('warning', 'unbounded', one), 'alpha.*beta'),
                           (('warning', 'unbounded', one), 'alpha\\\\S+beta'), (('warning', 'unbounded', one), 'alpha[^x]{3,}beta'),
                           (('warning', 'slow', one), 'alpha.{0,160}.{0,160}beta'), (('warning', 'slow', one), 'alpha (b+)+gamma'),
                           (('warning', 'masked', one), '<[a-z]{1,64}@[^>]{1,64}> alpha'), (('remark', 'no-word', one), '[a-z]{3}[0-9]{4}')):
            with self.subTest(text):
                self.check(want, self.rule('text = "%s";' % text))

    def test_good_patterns(self):
        for text in ('alpha.{0,60}beta', 'alpha +beta', 'alpha[.]*', '<[^>]{1,64}> alpha', 'alpha <-@->', 'alpha.{0,160}beta|gamma',
                     '(no|unknown) (user|mailbox)[a-z]{0,3}'):
            with self.subTest(text):
                self.clean(self.rule('text = "%s";' % text))

    def test_lists_are_looked_at_too(self):
        found, _ = self.lint('words = ( { name = "w"; text = [ "alpha",\n"beta.*gamma" ]; } );'
                             'rules = ( { id = "a.one"; category = "policy"; text = "zork"; not-text = "${w}"; } );')
        self.assertEqual(found, {('warning', 'unbounded', 'words w')})

    def test_lists_that_replace_others(self):
        base = self.rules(BASE, 'base')
        more = ('--rules', base)
        found, _ = self.lint('words = ( { name = "about-sender"; text = "absender"; } );', more=more)
        self.assertEqual(found, {('warning', 'replaces', 'words about-sender')})
        self.assertIn('also for the 1 rule that names it', self.nixie('rules', 'lint', *('--rules', self.directory + '/own'), *more,
                                                                     status=NOT_FOUND).stdout)
        found, _ = self.lint('blocklists = ( { name = "Listing"; text = "listing[.]example"; } );', more=more)
        self.assertEqual(found, {('warning', 'replaces', 'blocklists Listing')})
        # what is meant to clear one
        found, _ = self.lint('words = ( { name = "about-sender"; text = [ ]; } );', OK, more)
        self.assertEqual(found, {('remark', 'replaces', 'words about-sender')})
        found, _ = self.lint('words = ( { name = "ours.sender"; text = "absender"; } );', OK, more)
        self.assertEqual(found, set())

    def test_numbers_of_one(self):
        out = self.nixie('rules', 'lint', '--rules', self.rules('rules = ( %s );' % self.rule('text = "alpha.*beta";')), status=NOT_FOUND).stdout
        self.assertTrue(out.endswith('1 rule, 0 forms: 0 errors, 1 warning, 0 remarks\n'), out)

    def test_twice(self):
        self.check(('warning', 'twice', 'a.one'), self.rule('text = [ "alpha", "beta", "alpha" ];'))
        self.check(('warning', 'twice', 'a.one'), self.rule('text = "zork"; not-text = [ "${w}", "alpha" ];'),
                   more='words = ( { name = "w"; text = [ "alpha", "beta" ]; } );')

    def test_others(self):
        self.check(('remark', 'no-guard', 'a.one'), self.rule('text = "alpha";', category='recipient.unknown'))
        self.check(('warning', 'mta-of-server', 'a.one'), self.rule('text = "alpha"; mta = "exim"; said-by = "server";'))

    def test_greedy(self):
        others = [self.rule('text = "w%dord"; match = ( "550 w%dord and more" );' % (i, i), 'b.%d' % i) for i in range(20)]
        self.check(('remark', 'greedy', 'z.one'), *others, self.rule('text = "and more"; ', 'z.one', 'network'))
        self.check(('warning', 'greedy', 'z.one'), *others, self.rule('text = "and more"; not-text = "zork"; ', 'z.one', 'recipient.unknown'))

    def test_line_of_a_finding(self):
        text = '\n\nrules = (\n { id = "a.one"; category = "policy"; text = "alpha.*beta"; }\n);\n'
        out = self.nixie('rules', 'lint', '--rules', self.rules(text), status=NOT_FOUND).stdout
        self.assertRegex(out, r'(?m)^.*/10-own\.conf:4: warning: a\.one: "alpha\.\*beta": .* \[unbounded\]$')


class Explaining(RulesCase):
    def explain(self, *args, status=OK, rules=BASE):
        return self.json('explain', '--rules', self.rules(rules), '--json', *args, status=status)

    def test_reply(self):
        row, = self.explain('550 5.1.1 <u@example.com>: no such user')
        self.assertEqual((row['class'], row['category'], row['fault'], row['rule']), ('hard', 'recipient.unknown', 'recipient', 'base.unknown'))
        self.assertEqual(row['line'], self.line_of(BASE, '{ id = "base.unknown"'))
        self.assertEqual([(c['name'], c['holds'], c.get('matched')) for c in row['conditions']],
                         [('code', True, None), ('text', True, 'no such user'), ('not-text', True, None)])
        self.assertEqual(row['conditions'][2]['values'], ['${about-sender}'])
        self.assertEqual([(c['id'], c['category']) for c in row['candidates']], [('base.550', 'policy')])
        self.assertEqual((row['code'], row['enhanced'], row['said-by']), (550, '5.1.1', 'server'))
        self.assertEqual((row['by-code'], row['by-status'], row['because']), ('hard', 'hard', 'no such user'))

    def test_words(self):
        text = self.nixie('explain', '--rules', self.rules(BASE), '550 5.1.1 no such user').stdout
        for word in ('hard  recipient.unknown', 'base.unknown', '/10-own.conf:', 'no such (user|mailbox)', '"no such user"',
                     '${about-sender}', 'base.550', 'https://example.com/unknown', 'says so'):
            self.assertIn(word, text)
        self.assertNotIn('\x1b', text)

    def test_by_code_and_by_status(self):
        for reply, code, status in (('552 5.2.2 x', 'hard', 'soft'), ('450 4.1.1 x', 'soft', 'hard'), ('550 x', 'hard', None),
                                    ('421 x', 'soft', None), ('554 5.7.1 x', 'hard', 'soft'), ('x', None, None)):
            with self.subTest(reply):
                row, = self.explain(reply)
                self.assertEqual((row.get('by-code'), row.get('by-status')), (code, status))
                text = self.nixie('explain', '--rules', self.rules(BASE), reply).stdout
                self.assertRegex(text, r'by code +%s\n  by status +%s\n' % (code or 'nothing', status or 'nothing'))

    def test_blocklist_and_retry(self):
        row, = self.explain('554 blocked using listing.example, try again in 5 minutes')
        self.assertEqual((row['blocklist'], row['blocklist-url'], row['retry-after']), ('Listing', 'https://listing.example/', 300))
        self.assertNotIn('provider', row)

    def test_log_line(self):
        m = maillog.Message()
        line = m.bounced('u@example.com', '550 5.1.1 no such user').strip().replace('relay=mx.example.com', 'relay=mx.big.example')
        row, = self.explain(line)
        self.assertEqual((row['recipient'], row['status'], row['phase'], row['provider']), ('u@example.com', 'bounced', 'rcpt', 'big'))
        self.assertEqual((row['rule'], row['relay']), ('base.unknown', 'mx.big.example'))
        # the same without a header, as people paste it
        self.assertEqual(self.explain(line[line.index('to=<'):]), [row])

    def test_log_line_of_another_domain(self):
        rules = 'rules = ( { id = "a.dns"; category = "domain.unknown"; text = "host not found"; not-text = "zork"; } );'
        line = maillog.Message().result('u@example.com', 'bounced', '5.4.4', 'Name service error for name=%s type=A: Host not found')
        row, = self.explain(line.strip() % 'example.com', rules=rules)
        self.assertEqual((row['category'], row['rule']), ('domain.unknown', 'a.dns'))
        row, = self.explain(line.strip() % 'relay.example.org', rules=rules)
        self.assertEqual((row['category'], row['class'], row['rule']), ('dns.failure', 'soft', 'a.dns'))
        self.assertIn('not the recipient', row['overruled'])

    def test_log_line_without_a_failure(self):
        m = maillog.Message()
        for line in m.sent('u@example.com'), m.removed(), m.active():
            with self.subTest(line):
                self.assertEqual(self.explain(line.strip(), status=NOT_FOUND), [])

    def test_log_line_of_exim(self):
        result = '** u@example.com R=dnslookup T=remote_smtp H=mx.big.example [192.0.2.1]'
        said = ': SMTP error from remote mail server after RCPT TO:<u@example.com>: 550 5.1.1 no such user'
        for line in ('2026-11-21 09:12:01 1tDxyz-0000AB-CD ' + result + said, '1tDxyz-0000AB-CD ' + result + said,
                     '2026-11-21 09:12:01.123 +0100 [77] 1tDxyz-00000000ABC-CDEF ' + result + ' X=TLS1.3:x:256 CV=yes' + said + ' DT=1s',
                     'Nov 21 09:12:01 mx exim[77]: 1tDxyz-0000AB-CD ' + result + said):
            with self.subTest(line):
                row, = self.explain(line)
                self.assertEqual((row['recipient'], row['status'], row['phase'], row['provider']), ('u@example.com', 'bounced', 'rcpt', 'big'))
                self.assertEqual((row['rule'], row['relay'], row['code'], row['enhanced']), ('base.unknown', 'mx.big.example', 550, '5.1.1'))
        row, = self.explain('1tDxyz-0000AB-CD == u@example.com R=r T=t defer (-44): SMTP error from remote mail server after RCPT TO:<u@example.com>: '
                            '452-4.2.2 mailbox\\n452 4.2.2 is over quota')
        self.assertEqual((row['status'], row['category'], row['enhanced']), ('deferred', 'mailbox.full', '4.2.2'))
        for line in ('2026-11-21 09:12:01 1tDxyz-00000000ABC-CDEF => u@example.com R=dnslookup T=remote_smtp C="250 no such user"',
                     '2026-11-21 09:12:01 1tDxyz-0000AB-CD Completed', '1tDxyz-0000AB-CD *> u@example.com R=r T=t'):
            with self.subTest(line):
                self.assertEqual(self.explain(line, status=NOT_FOUND), [])
        done = self.nixie('explain', '--rules', self.rules(BASE), '1tDxyz-0000AB-CD == u@example.com routing defer (-52): retry time not reached')
        self.assertIn('against nobody', done.stderr)
        for reply in '550 no such user ** ask 1tDxyz-0000AB-CD', '550 1tDxyz-0000AB-CD no such user => gone', '550 a-b-c ** no such user':
            with self.subTest(reply):
                self.assertEqual(self.explain(reply)[0]['rule'], 'base.unknown')

    def test_quotes_are_missing(self):
        done = self.nixie('explain', '--rules', self.rules(BASE), '550', 'no', 'such', 'user')
        self.assertIn("nixie explain '550 5.1.1 no such user'", done.stderr)
        self.assertEqual(self.nixie('explain', '--rules', self.rules(BASE), '550 no such user', '552 mailbox full').stderr, '')

    def test_hostile_words(self):
        text = self.nixie('explain', '--rules', self.rules(BASE), '550 no such user \x1b[31m\x07').stdout
        self.assertNotIn('\x1b', text)
        self.assertEqual(len(self.explain('550 no such user ' + '<' * 9000)), 1)

    def test_several_directories(self):
        own = self.rules('rules = ( { id = "own.one"; category = "policy"; text = "no such user"; } );')
        base = self.rules(BASE, 'base')
        row, = self.json('explain', '--json', '--rules', own, '--rules', base, '550 no such user')
        self.assertEqual([row['rule']] + [c['id'] for c in row['candidates']], ['own.one', 'base.unknown', 'base.550'])
        row, = self.json('explain', '--json', '--rules', base, '--rules', own, '550 no such user')
        self.assertEqual(row['rule'], 'base.unknown')
        out = self.nixie('classify', '--rules', own, '--rules', base, stdin='550 no such user\n').stdout
        self.assertEqual(out, 'soft\tpolicy\town.one\t550\t-\n')

    def test_classify_json(self):
        row, = self.json('classify', '--rules', self.rules(BASE), '--json',
                         stdin='554 blocked using listing.example, retry after 60\tmx.big.example\n')
        self.assertEqual(row, {'class': 'soft', 'category': 'blocked.reputation', 'rule': 'base.blocked', 'code': 554,
                               'provider': 'big', 'blocklist': 'Listing', 'retry-after': 60})
