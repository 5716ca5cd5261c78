"""Configuration and rule files: good ones pass, bad ones are named with file, line and remedy."""
import json
import os
import signal

from harness.case import Case
from harness.maillog import hard
from harness.nixie import BAD_CONFIG, OK, REPOSITORY, run
from harness.proc import wait_until

DAEMONS = 'nixie-policyd', 'nixie-logtail'

RULE = '''\
rules = (
  { id = "test.%s";
    category = "recipient.disabled";
    text = "%s";
    match = ( "550 5.7.9 %s" ); }
);
'''


class Checking(Case):
    """-t"""

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.directory, 'nixie.conf')

    def check(self, text, *args, only=DAEMONS):
        with open(self.path, 'w') as f:
            f.write(text)
        return [run(name, '-t', '-c', self.path, *args) for name in only]

    def good(self, text):
        for done in self.check(text):
            self.assertEqual(done.returncode, OK, done.stderr)
            self.assertNotRegex(done.stderr, '(?i)warning|error|fatal')

    def bad(self, text, line, *words, only=DAEMONS):
        """The daemons say FILE:LINE and every word (a | b: one of them)."""
        for done in self.check(text, only=only):
            self.assertEqual(done.returncode, BAD_CONFIG, done.stdout + done.stderr)
            self.assertIn(self.path, done.stderr)
            self.assertRegex(done.stderr.replace(self.path, 'FILE'), r'FILE\D{0,8}%d\b' % line)
            for word in words:
                self.assertTrue(any(w.lower() in done.stderr.lower() for w in word.split('|')),
                                '%r not in %r' % (word, done.stderr))

    def test_shipped_configuration(self):
        path = os.path.join(REPOSITORY, 'conf', 'nixie.conf')
        for name in DAEMONS:
            done = run(name, '-t', '-c', path)
            self.assertEqual(done.returncode, OK, done.stderr)
            self.assertNotRegex(done.stderr, '(?i)warning|error|fatal')

    def test_empty_file(self):
        self.good('')

    def test_every_option(self):
        self.good('''
redis = { address = "inet:127.0.0.1:6379"; user = "u"; password = "p"; database = 3;
          prefix = "nixie"; timeout = "250ms"; };
rules = { directories = [ ]; };
address = { local-part = "keep-case"; subaddress-delimiter = "+"; };
attribute-to = "original";
conversions = (
  { match = "dns.no-mx"; count = 4; window = "12 months"; to = "hard"; },
  { match = "mailbox.full"; count = 2; span = "3 days"; reset-on-delivery = true; to = "held";
    term = "15 days"; } );
policyd = { listen = [ "unix:/run/nixie/policy", "inet:127.0.0.1:10040" ]; socket-mode = "0666";
            on-store-failure = "defer"; deadline = "100ms"; shadow = true; };
logtail = { files = [ "/var/log/mail.log" ]; start = "end"; timezone = "Europe/Berlin";
            link-memory = "64MiB"; poll-interval = "500ms"; };
''')

    def test_unknown_option(self):
        self.bad('\n\npolicyd = {\n  shadowy = true;\n};\n', 4, 'policyd.shadowy', 'no option')

    def test_unknown_group(self):
        self.bad('\npoliceyd = { shadow = true; };\n', 2, 'policeyd', 'no option')

    def test_wrong_type(self):
        self.bad('\nredis = { database = "three"; };\n', 2, 'redis.database', 'number|integer')
        self.bad('policyd = {\n shadow = "yes";\n};\n', 2, 'policyd.shadow', 'true')
        self.bad('policyd = {\n shadow = 1;\n};\n', 2, 'policyd.shadow', 'false')
        self.bad('redis = {\n timeout = 5;\n};\n', 2, 'redis.timeout', '"1s"')
        self.bad('logtail = {\n files = 3;\n};\n', 2, 'logtail.files')
        self.bad('\nredis = "unix:/run/redis.sock";\n', 2, 'redis')

    def test_not_one_of_the_words(self):
        self.bad('\nattribute-to = "last";\n', 2, 'attribute-to', 'final', 'original', 'both')
        self.bad('policyd = { on-store-failure = "explode"; };\n', 1, 'policyd.on-store-failure',
                 'dunno', 'defer')

    def test_duration_and_size(self):
        self.bad('redis = {\n timeout = "soon";\n};\n', 2, 'redis.timeout', '"1s"|"10s"|"250ms"')
        self.bad('redis = {\n timeout = "5";\n};\n', 2, 'redis.timeout', '5')
        self.bad('redis = {\n timeout = "-1s";\n};\n', 2, 'redis.timeout', '-1s')
        self.bad('logtail = { link-memory = "much"; };\n', 1, 'logtail.link-memory', 'MiB')

    def test_out_of_range(self):
        self.bad('\nredis = { database = 16; };\n', 2, 'redis.database', 'from 0 to 15')
        self.bad('\nredis = { database = -1; };\n', 2, 'redis.database')
        self.bad('policyd = { deadline = "12 months"; };\n', 1, 'policyd.deadline')
        self.bad('policyd = { socket-mode = "0999"; };\n', 1, 'policyd.socket-mode', '0999')

    def test_address(self):
        self.bad('redis = { address = "localhost:6379"; };\n', 1, 'redis.address', 'unix:', 'inet:')
        self.bad('policyd = { listen = [ "/run/policy" ]; };\n', 1, 'policyd.listen', 'unix:')
        self.bad('policyd = { listen = [ "inet:127.0.0.1:99999" ]; };\n', 1, 'policyd.listen')
        self.bad('policyd = { listen = [ "unix:/%s" ]; };\n' % ('x' * 200), 1, 'policyd.listen')

    def test_conversion_without_a_condition(self):
        # It would make the first occurrence hard.
        self.bad('conversions = (\n { match = "dns.no-mx"; to = "hard"; } );\n', 2, 'count|span')

    def test_conversion_to_nothing_known(self):
        self.bad('conversions = (\n { match = "dns.no-mx"; count = 4; window = "1 day"; '
                 'to = "gone"; } );\n', 2, 'held', 'hard')

    def test_conversion_of_nothing_known(self):
        # Neither a category nor a rule: a typing error that would switch it off.
        self.bad('conversions = (\n { match = "dns.no-mxx"; count = 4; window = "1 day"; '
                 'to = "hard"; } );\n', 2, 'dns.no-mxx', only=['nixie-logtail'])

    def test_conversion_of_a_rule(self):
        rule = json.loads(run('nixie', 'explain', '--json', '550 5.1.1 User unknown').stdout)['rule']
        self.good('conversions = ( { match = "%s"; count = 4; window = "1 day"; to = "hard"; } );\n'
                  % rule)

    def test_timezone(self):
        self.bad('logtail = { timezone = "Mars/Olympus"; };\n', 1, 'logtail.timezone', 'Mars/Olympus',
                 only=['nixie-logtail'])

    def test_syntax_error(self):
        self.bad('redis = {\n address = \n};\n', 3, 'syntax')
        self.bad('redis = { timeout = "1s"; };\npolicyd = { shadow = true;\n', 3, 'syntax')

    def test_binary_file(self):
        for done in self.check('\0\1\2\3' * 100):
            self.assertEqual(done.returncode, BAD_CONFIG)
            self.assertIn(self.path, done.stderr)

    def test_missing_file(self):
        for name in DAEMONS + ('nixie',):
            args = ['stats'] if name == 'nixie' else ['-t']
            done = run(name, '-c', self.path + '.absent', *args)
            self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
            self.assertIn(self.path + '.absent', done.stderr)

    def test_option_on_the_command_line(self):
        for done in self.check('policyd = { shadow = false; };\n', '-o', 'policyd.shadow=true'):
            self.assertEqual(done.returncode, OK, done.stderr)
        for bad in 'policyd.shadowy=true', 'redis.database=x', 'policyd.shadow', '=':
            for done in self.check('', '-o', bad):
                with self.subTest(bad):
                    self.assertIn(done.returncode, (2, BAD_CONFIG), done.stderr)
                    self.assertIn(bad.split('=')[0], done.stderr)

    def test_nixie_itself(self):
        with open(self.path, 'w') as f:
            f.write('nonsense')
        done = run('nixie', '-c', self.path, 'check', 'a@example.com')
        self.assertEqual(done.returncode, BAD_CONFIG)
        self.assertIn(self.path, done.stderr)


class Rules(Case):
    def setUp(self):
        super().setUp()
        self.rules = os.path.join(self.directory, 'rules.d')
        os.mkdir(self.rules, 0o755)
        self.path = os.path.join(self.rules, '10-test.conf')

    def site_with_rules(self, redis=True):
        site = self.with_redis() if redis else self.make_site()
        site.options['rules'] = {'directories': [self.rules]}
        site.write_conf()
        return site

    def write(self, text):
        with open(self.path + '.new', 'w') as f:
            f.write(text)
        os.rename(self.path + '.new', self.path)

    def bad(self, text, line, *words):
        site = self.site_with_rules(redis=False)
        self.write(text)
        done = run('nixie-logtail', '-t', '-c', site.conf_path)
        self.assertEqual(done.returncode, BAD_CONFIG, done.stdout + done.stderr)
        self.assertRegex(done.stderr.replace(self.path, 'FILE'), r'FILE\D{0,8}%d\b' % line)
        for word in words:
            self.assertIn(word.lower(), done.stderr.lower())

    def classify(self, site, reply):
        return site.ctl_ok('classify', stdin=reply + '\n').split('\t')[:3]

    def test_operators_rule_comes_first(self):
        site = self.site_with_rules(redis=False)
        self.write(RULE % ('mine', 'user unknown', 'User unknown'))
        self.assertEqual(self.classify(site, '550 5.1.1 User unknown'),
                         ['hard', 'recipient.disabled', 'test.mine'])

    def test_syntax_error(self):
        self.bad('rules = (\n { id = "x"; category = \n} );\n', 3, 'syntax')

    def test_unknown_category(self):
        self.bad('rules = (\n { id = "x.y"; category = "recipient.gone";\n text = "gone"; } );\n',
                 2, 'recipient.gone')

    def test_broken_pattern(self):
        self.bad('rules = (\n { id = "x.y"; category = "other";\n text = "(gone"; } );\n', 3, 'text')

    def test_nothing_to_match(self):
        self.bad('rules = (\n { id = "x.y"; category = "other"; } );\n', 2, 'x.y')

    def test_unknown_member(self):
        self.bad('rules = (\n { id = "x.y"; category = "other";\n text = "a"; texts = "b"; } );\n',
                 3, 'texts')

    def test_duplicate_id(self):
        self.bad('rules = (\n { id = "x.y"; category = "other"; text = "a"; },\n'
                 ' { id = "x.y"; category = "other"; text = "b"; } );\n', 3, 'x.y')

    def test_missing_directory(self):
        site = self.site_with_rules(redis=False)
        os.rmdir(self.rules)
        done = run('nixie-logtail', '-t', '-c', site.conf_path)
        self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
        self.assertIn(self.rules, done.stderr)

    def test_logtail_refuses_to_start(self):
        site = self.site_with_rules()
        self.write('rules = ( { id = "x" } )')
        child = site.logtail(ready=False)
        self.assertEqual(child.wait(), BAD_CONFIG)
        self.assertIn(self.path, child.log())

    def test_sighup_takes_new_rules_and_keeps_old_ones_when_broken(self):
        site = self.site_with_rules()
        self.write(RULE % ('one', 'flux capacitor', 'flux capacitor'))
        child = site.logtail()

        def bounce(address):
            with open(site.log_path, 'a') as f:
                f.write(hard(address).replace('User unknown in virtual mailbox table',
                                              'flux capacitor'))
            site.wait_status(address, 'hard')
            return self.redis.command('HGET', 'nixie:{0}:addr:' + address, 'rule')

        self.assertEqual(bounce('a@example.com'), 'test.one')
        self.write('rules = (')
        child.send_signal(signal.SIGHUP)
        line = child.wait_log(self.path)
        self.assertRegex(line.lower(), 'error|warning')
        self.assertEqual(bounce('b@example.com'), 'test.one')
        self.write(RULE % ('two', 'flux capacitor', 'flux capacitor'))
        child.send_signal(signal.SIGHUP)
        serial = iter(range(1000))
        wait_until(lambda: bounce('c%d@example.com' % next(serial)) == 'test.two', 'new rules',
                   child=child)


class Starting(Case):
    def test_daemons_refuse_a_broken_file(self):
        site = self.with_redis()
        site.write_raw('policyd = { shadow = 1; \n')
        for start in site.policyd, site.logtail:
            child = start(ready=False)
            self.assertEqual(child.wait(), BAD_CONFIG)
            self.assertIn(site.conf_path, child.log())

    def test_overriding_an_option(self):
        site = self.with_redis()
        site.policyd('-o', 'policyd.shadow=true')
        site.ctl_ok('suppress', 'gone@example.com')
        self.assertDunno(site.ask('gone@example.com'))

    def test_prefix_and_database(self):
        site = self.with_redis()
        site.options['redis'].update(prefix='post', database=2)
        site.write_conf()
        site.policyd()
        site.ctl_ok('suppress', 'gone@example.com')
        self.assertSuppressed(site.ask('gone@example.com'))
        self.assertEqual(self.redis.command('DBSIZE'), 0)
        self.redis.command('SELECT', 2)
        keys = self.redis.command('KEYS', '*')
        self.assertIn('post:{0}:addr:gone@example.com', keys)
        self.assertEqual([k for k in keys if not k.startswith('post:')], [])

    def test_schema_of_the_future(self):
        site = self.with_redis()
        site.ctl_ok('suppress', 'gone@example.com')
        self.redis.command('HSET', 'nixie:meta', 'schema', '9999')
        done = site.ctl('check', 'gone@example.com')
        self.assertNotIn(done.returncode, (0, 1))
        self.assertIn('9999', done.stderr)
