"""nixie export and nixie import: our own lists there and back, and the lists that people bring along."""
import csv
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time

from harness.between import SLOW, Between
from harness.case import RedisCase
from harness.maillog import full, hard
from harness.nixie import NO_REDIS, NOT_FOUND, OK, USAGE, binary, run
from harness.proc import LIMIT, wait_until
from harness.terminal import on_terminal

DAY = 86400


class Exchange(RedisCase):
    def file(self, text, name='list.txt'):
        path = os.path.join(self.directory, name)
        with open(path, 'w', encoding='utf-8', newline='') as f:
            f.write(text)
        return path

    def imported(self, text, *args, status=OK, stdin=False):
        """What nixie import says of a list: the counts when it was done, else its messages."""
        done = self.site.ctl('import', '--json', *args, '-' if stdin else self.file(text), stdin=text if stdin else None)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout) if status == OK else done.stderr

    def counts(self, text, *args):
        said = self.imported(text, *args)
        return tuple(said[name] for name in ('new', 'changed', 'there', 'protected', 'skipped', 'errors'))

    def known(self, address):
        entry = self.site.check(address) or {}
        return entry.get('status'), entry.get('reason'), entry.get('since')

    def keys(self):
        return sorted(key for key in self.redis.command('KEYS', '*') if ':addr:' in key or ':domain:' in key)

    def export(self, *args):
        return self.site.ctl_ok('export', *args)

    def fill(self):
        """Some of everything that an entry can be."""
        now = time.time()
        with open(self.site.log_path, 'a') as f:
            f.write(hard('gone@a.example', when=now - DAY) + full('full@a.example', when=now - DAY)
                    + full('held@b.example', when=now - 9 * DAY) + full('held@b.example', when=now - 2 * DAY))
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, OK, done.stderr)
        self.site.ctl_ok('suppress', '--reason', 'by phone, "at once"; Müller', 'phone@c.example')
        self.site.ctl_ok('suppress', '--for', '15 days', 'term@c.example')
        self.site.ctl_ok('suppress', '--scope', 'sender:shop.example', 'some@c.example')
        self.site.ctl_ok('suppress', '--scope', 'login:a b', 'gone@a.example')
        self.site.ctl_ok('allow', 'boss@d.example', '@friends.example')
        self.site.ctl_ok('suppress', '@bad.example')
        self.site.ctl_ok('suppress', '"a, b"@e.example')


class Formulas(Exchange):
    def test_words_of_strangers_are_text_to_a_spreadsheet(self):
        words = {'a@a.example': '=HYPERLINK("http://evil.example")', 'b@a.example': "'=1+1", 'c@a.example': '-', 'd@a.example': "o'clock", 'e@a.example': '@SUM(1)'}
        for address, text in words.items():
            self.site.ctl_ok('suppress', '--reason', text, address)
        said = self.export('--columns', 'address,text')
        self.assertEqual({r['address']: r['text'] for r in csv.DictReader(io.StringIO(said))}, {
            **words, 'a@a.example': '\'=HYPERLINK("http://evil.example")', 'b@a.example': "''=1+1", 'e@a.example': "'@SUM(1)"})
        for form in 'csv', 'jsonl':
            path = self.file(self.export('--format', form), 'all')
            self.redis.command('FLUSHALL')
            self.site.ctl_ok('import', path)
            self.assertEqual({a: self.site.check(a)['text'] for a in words}, words)


class Seen(Exchange):
    def test_words_of_strangers_move_no_cursor(self):
        """On a terminal; a file has them as they are."""
        word = 'so \x1b[2Jit \u202eis\nhere'
        self.redis.command('HSET', 'nixie:{0}:addr:a@a.example', 'status', 'hard', 'reason', 'recipient.unknown', 'since', '1790000000', 'text', word)
        for form in (), ('--format', 'jsonl'):
            status, text = on_terminal(self.site, 'export', '--columns', 'address,text', *form)
            self.assertEqual(status, OK)
            self.assertNotRegex(text, '[\x00-\x09\x0b-\x1f]')
        self.assertEqual(on_terminal(self.site, 'export', '--columns', 'text')[1], 'text\nso \\x1b[2Jit \\xe2\\x80\\xaeis\\x0ahere\n')
        self.assertEqual(next(csv.DictReader(io.StringIO(self.export())))['text'], word)


class RoundTrip(Exchange):
    def there_and_back(self, *args):
        self.fill()
        before = sorted(self.export(*args).splitlines())
        self.assertEqual(len(before), 10 + ('jsonl' not in args))
        path = self.file(self.export(*args), 'all')
        keys = self.keys()
        index = self.suppressed()
        self.redis.command('FLUSHALL')
        self.assertIn('"new":10', self.site.ctl_ok('import', '--json', path))
        self.assertEqual(sorted(self.export(*args).splitlines()), before)
        self.assertEqual(self.keys(), keys)
        self.assertEqual(self.suppressed(), index)
        # once more: nothing changes
        said = json.loads(self.site.ctl_ok('import', '--json', path))
        self.assertEqual((said['new'], said['changed'], said['there'], said['protected']), (0, 0, 10, 0))

    def suppressed(self):
        found = []
        for p in range(self.partitions):
            for name in ('suppressed', 'until'):
                found.append((p, name, self.redis.command('ZRANGE', 'nixie:{%d}:%s' % (p, name), '0', '-1', 'WITHSCORES')))
        return found

    def test_csv(self):
        self.there_and_back()

    def test_json_lines(self):
        self.there_and_back('--format', 'jsonl')

    def test_an_import_can_be_undone(self):
        self.fill()
        path = self.file(self.export(), 'all')
        self.redis.command('FLUSHALL')
        self.site.ctl_ok('import', '--batch', 'moved', path)
        self.assertEqual(self.known('gone@a.example')[0], 'hard')
        self.site.ctl_ok('undo', '--batch', 'moved', '--yes')
        self.assertEqual(self.keys(), [])


class RoundTrip64(RoundTrip):
    partitions = 64


class Export(Exchange):
    def rows(self, *args):
        return list(csv.DictReader(io.StringIO(self.export(*args))))

    def test_by_status(self):
        self.fill()
        self.assertEqual({r['address'] for r in self.rows('--status', 'hard,allow')}, {'gone@a.example', 'boss@d.example', '@friends.example'})
        self.assertEqual({r['address'] for r in self.rows('--status', 'suppressed')},
                         {'gone@a.example', 'held@b.example', 'phone@c.example', 'term@c.example', '@bad.example', '"a, b"@e.example'.replace('"', '')})

    def test_what_is_quoted(self):
        self.site.ctl_ok('suppress', 'odd@a.example')
        for text, field in (('plain; a/b', 'plain; a/b'), ('a,b', '"a,b"'), ('say "x"', '"say ""x"""'), ('"', '""""'), (' in front', '" in front"'),
                            ('behind\t', '"behind\t"'), ('two\nlines', '"two\nlines"'), ('Müller', 'Müller')):
            self.redis.command('HSET', 'nixie:{0}:addr:odd@a.example', 'text', text)
            self.assertEqual(self.export('--columns', 'text,status'), 'text,status\n' + field + ',manual\n')

    def test_for_partners(self):
        self.fill()
        rows = self.rows('--hash', '--columns', 'address,reason')
        hashes = {hashlib.sha256(a.encode()).hexdigest() for a in ('gone@a.example', 'held@b.example', 'phone@c.example', 'term@c.example',
                                                                   '@bad.example', 'a, b@e.example')}
        self.assertEqual({r['sha256'] for r in rows}, hashes)
        self.assertEqual({frozenset(r) for r in rows}, {frozenset(('sha256', 'reason'))})
        self.assertNotIn('address', self.export('--hash').splitlines()[0].split(','))
        said = self.imported(self.export('--hash'), status=NOT_FOUND)
        self.assertIn('hashes', said)

    def test_what_the_partner_does(self):
        """The words of nixie(1), as they stand there."""
        self.site.ctl_ok('suppress', 'Some.One+News@Shop.EXAMPLE', 'other@shop.example')
        with open(os.path.join(os.path.dirname(__file__), '../../ctl/nixie.1'), encoding='utf-8') as f:
            words = f.read().split('one a line:\n.Bd -literal -offset indent\n')[1].split('.Ed')[0]
        self.file(self.export('--hash', '--columns', 'address,reason,since'), 'partner.csv')
        self.file('some.one+news@shop.example\nSome.One+News@SHOP.example\nsomeone@shop.example\nsome.one@shop.example\n', 'mine.txt')
        found = subprocess.run(['sh', '-c', words], cwd=self.directory, capture_output=True, text=True, check=True).stdout
        self.assertEqual({line.split(',')[1] for line in found.splitlines()}, {'some.one+news@shop.example'})

    def test_columns_in_json(self):
        self.fill()
        rows = [json.loads(line) for line in self.export('--json', '--columns', 'status,code,address', '--status', 'hard').splitlines()]
        self.assertEqual(rows, [{'status': 'hard', 'code': 550, 'address': 'gone@a.example'}])

    def test_into_a_file(self):
        self.fill()
        path = os.path.join(self.directory, 'out.csv')
        self.assertIn('10 entries written to ' + path, self.export(path))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, encoding='utf-8', newline='') as f:
            self.assertEqual(sorted(f.read().splitlines()), sorted(self.export().splitlines()))
        self.assertEqual([n for n in os.listdir(self.directory) if n.startswith('out.csv.')], [])

    def test_usage(self):
        for args in (('--format', 'xml'), ('--status', 'dead'), ('--columns', 'adress'), ('--columns', ''), ('a', 'b'), ('/nowhere/at/all',)):
            self.assertEqual(self.site.ctl('export', *args).returncode, USAGE, args)
        self.redis.stop()
        path = os.path.join(self.directory, 'out.csv')
        self.assertEqual(self.site.ctl('export', path).returncode, NO_REDIS)
        self.assertEqual([n for n in os.listdir(self.directory) if n.startswith('out.csv')], [])


SES = '''{ "SuppressedDestinationSummaries": [
    { "EmailAddress": "Bounced@Ses.example", "Reason": "BOUNCE", "LastUpdateTime": "2020-04-10T21:03:05+00:00" },
    { "EmailAddress": "angry@ses.example", "Reason": "COMPLAINT", "LastUpdateTime": 1586552585.077 } ],
  "NextToken": "x" }
'''
SES_CSV = 'EmailAddress,Reason,LastUpdateTime\r\nbounced@ses.example,BOUNCE,2020-04-10T21:03:05Z\r\nangry@ses.example,COMPLAINT,2020-04-10T21:03:05Z\r\n'
SENDGRID = '''status,reason,email,created
5.1.1,"550 5.1.1 The email account that you tried to reach does not exist. Please try
double-checking the recipient's email address",gone@sg.example,1443651125
5.2.1,550 5.2.1 The email account that you tried to reach is disabled,off@sg.example,1443651125
5.2.2,552 5.2.2 The email account that you tried to reach is over quota,full@sg.example,1443651125
5.7.1,"550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org",block@sg.example,1443651125
4.0.0,read error: timed out,slow@sg.example,1443651125
5.0.0,5.0.0 went wrong in words that nobody knows,odd@sg.example,1443651125
'''
SENDGRID_SPAM = '[{"created":1443651141,"email":"angry@sg.example","ip":"192.0.2.9"}]'
SENDGRID_INVALID = 'reason,email,created\nAddress is not RFC compliant in words nobody knows,bad@sg.example,1443651125\n'
SENDGRID_UNSUBSCRIBED = 'email,created\nleft@sg.example,1443651125\n'
MAILGUN = '''address,code,error,created_at
gone@mg.example,550,No such mailbox,"Fri, 21 Oct 2011 11:02:55 UTC"
old@mg.example,605,Not delivering to previously bounced address,"Fri, 21 Oct 2011 11:02:55 UTC"
full@mg.example,552,5.2.2 mailbox is over quota,"Fri, 21 Oct 2011 11:02:55 UTC"
'''
MAILGUN_JSON = '''{"items":[{"address":"left@mg.example","tags":["*"],"created_at":"Fri, 21 Oct 2011 11:02:55 UTC"},
{"address":"news@mg.example","tags":["news","shop"],"created_at":"Fri, 21 Oct 2011 11:02:55 UTC"}],
"paging":{"first":"https://api.example/first","last":"https://api.example/last"}}'''
MAILGUN_COMPLAINTS = 'address,created_at\nangry@mg.example,"Fri, 21 Oct 2011 11:02:55 UTC"\n'
POSTMARK = '''{"Suppressions":[
{"EmailAddress":"gone@pm.example","SuppressionReason":"HardBounce","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"},
{"EmailAddress":"angry@pm.example","SuppressionReason":"SpamComplaint","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"},
{"EmailAddress":"left@pm.example","SuppressionReason":"ManualSuppression","Origin":"Admin","CreatedAt":"2019-12-10T08:58:33-05:00"}]}'''
POSTMARK_CSV = 'RecipientEmail,SuppressionReason,Origin,CreatedAt\ngone@pm.example,HardBounce,Recipient,2019-12-10T13:58:33Z\n'
SPARKPOST = '''recipient,type,source,description,created
gone@sp.example,transactional,Bounce Rule,550 5.1.1 user unknown,2015-01-01T12:00:00+00:00
full@sp.example,transactional,Bounce Rule,452 4.2.2 mailbox over quota,2015-01-01T12:00:00+00:00
angry@sp.example,non_transactional,Spam Complaint,,2015-01-01T12:00:00+00:00
left@sp.example,non_transactional,List Unsubscribe,,2015-01-01T12:00:00+00:00
asked@sp.example,non_transactional,Manually Added,asked by phone,2015-01-01T12:00:00+00:00
'''
SPARKPOST_JSON = '''{"results":[
{"recipient":"link@sp.example","type":"non_transactional","source":"Unsubscribe Link","created":"2017-10-01T12:00:00+00:00","updated":"2017-10-01T12:00:00+00:00",
 "transactional":false,"non_transactional":true},
{"recipient":"law@sp.example","type":"transactional","source":"Compliance","description":"","created":"2017-10-01T12:00:00+00:00"},
{"recipient":"one@sp.example","type":"non_transactional","source":"List Unsubscribe","list_id":"weekly","created":"2017-10-01T12:00:00+00:00"},
{"recipient":"dead@sp.example","type":"transactional","source":"Bounce Rule","list_id":"weekly","description":"550 5.1.1 user unknown"}],
"links":[],"total_count":4}'''
CLEANED = '''"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE
gone@mc.example,Ä,"B, C",2,"2016-01-01 10:00:00","2017-03-01 10:00:00",Spring
'''
UNSUBSCRIBED = '''"Email Address","First Name",OPTIN_TIME,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER
left@mc.example,A,"2016-01-01 10:00:00","2017-03-01 10:00:00",Spring,1,NORMAL,
angry@mc.example,A,"2016-01-01 10:00:00","2017-03-01 10:00:00",Spring,1,SPAM: I never asked,
words@mc.example,A,"2016-01-01 10:00:00","2017-03-01 10:00:00",Spring,1,OTHER,too many
'''
BOTH = '''Email Address,UNSUB_TIME,CLEAN_TIME
both-left@mc.example,2017-03-01 10:00:00,
both-gone@mc.example,,2017-03-01 10:00:00
both-reads@mc.example,,
'''


class Import(Exchange):
    def test_amazon_ses(self):
        for text in (SES, SES_CSV):
            said = self.imported(text)
            self.assertEqual((said['format'], said['errors']), ('ses', 0))
            self.assertEqual(self.known('bounced@ses.example'), ('hard', 'recipient.unknown', '2020-04-10T21:03:05Z'))
            self.assertEqual(self.known('angry@ses.example'), ('complaint', 'complaint', '2020-04-10T21:03:05Z'))
            self.redis.command('FLUSHALL')
        self.assertEqual(self.counts('a@ses.example,BOUNCE\nb@ses.example, COMPLAINT\n'), (2, 0, 0, 0, 0, 0))
        self.assertEqual(self.known('b@ses.example')[0], 'complaint')
        self.assertEqual(self.counts('a@ses.example, BOUNCE\n'), (0, 0, 1, 0, 0, 0))
        # as it is uploaded to SES in JSON
        self.assertEqual(self.counts('{"emailAddress":"c@ses.example","reason":"BOUNCE"}\n{"emailAddress":"d@ses.example","reason":"COMPLAINT"}\n'),
                         (2, 0, 0, 0, 0, 0))

    def test_sendgrid(self):
        self.assertEqual(self.counts(SENDGRID), (3, 0, 0, 0, 3, 0))
        self.assertEqual(self.known('gone@sg.example'), ('hard', 'recipient.unknown', '2015-09-30T22:12:05Z'))
        entry = self.site.check('gone@sg.example')
        self.assertEqual((entry['origin'], entry['code'], entry['enhanced']), ('import', 550, '5.1.1'))
        self.assertTrue(entry['rule'])
        self.assertEqual(self.known('off@sg.example')[1], 'recipient.disabled')
        self.assertEqual(self.known('odd@sg.example')[:2], ('hard', 'recipient.unknown'))
        for address in ('full', 'block', 'slow'):
            self.assertIsNone(self.known(address + '@sg.example')[0])
        self.assertEqual(self.counts(SENDGRID_SPAM), (1, 0, 0, 0, 0, 0))
        self.assertEqual(self.known('angry@sg.example')[0], 'complaint')
        self.imported(SENDGRID_INVALID)
        self.assertEqual(self.known('bad@sg.example')[:2], ('hard', 'recipient.syntax'))
        self.imported(SENDGRID_UNSUBSCRIBED)
        self.assertEqual(self.known('left@sg.example')[0], 'manual')

    def test_mailgun(self):
        self.assertEqual(self.counts(MAILGUN), (2, 0, 0, 0, 1, 0))
        self.assertEqual(self.known('gone@mg.example'), ('hard', 'recipient.unknown', '2011-10-21T11:02:55Z'))
        self.assertEqual(self.known('old@mg.example')[:2], ('hard', 'recipient.unknown'))
        self.assertEqual(self.counts(MAILGUN_JSON), (1, 0, 0, 0, 1, 0))
        self.assertEqual(self.known('left@mg.example')[0], 'manual')
        self.assertEqual(self.known('news@mg.example')[0], None)
        # no tag is all mail
        self.assertEqual(self.counts('[{"address":"all@mg.example","tags":[],"created_at":"Mon, 01 Jan 0001 00:00:00 UTC"}]'), (1, 0, 0, 0, 0, 0))
        self.assertEqual(self.known('all@mg.example')[0], 'manual')
        self.imported(MAILGUN_COMPLAINTS)
        self.assertEqual(self.known('angry@mg.example')[0], 'complaint')

    def test_postmark(self):
        self.assertEqual(self.counts(POSTMARK), (3, 0, 0, 0, 0, 0))
        self.assertEqual(self.known('gone@pm.example'), ('hard', 'recipient.unknown', '2019-12-10T13:58:33Z'))
        self.assertEqual(self.known('angry@pm.example')[0], 'complaint')
        self.assertEqual(self.known('left@pm.example')[0], 'manual')
        self.assertEqual(self.counts(POSTMARK_CSV), (0, 0, 1, 0, 0, 0))
        self.assertIn('list.txt:2: SuppressionReason "Weather" is not known', self.imported(POSTMARK_CSV.replace('HardBounce', 'Weather'), status=NOT_FOUND))

    def test_sparkpost(self):
        said = self.imported(SPARKPOST)
        self.assertEqual((said['format'], said['new'], said['skipped']), ('sparkpost', 4, 1))
        self.assertEqual(self.known('gone@sp.example')[:2], ('hard', 'recipient.unknown'))
        self.assertEqual(self.known('angry@sp.example')[0], 'complaint')
        self.assertEqual(self.known('left@sp.example')[0], 'manual')
        self.assertEqual(self.site.check('asked@sp.example')['text'], 'asked by phone')
        self.assertEqual(self.counts(SPARKPOST_JSON), (3, 0, 0, 0, 1, 0))
        self.assertEqual([self.known(a + '@sp.example')[0] for a in ('link', 'law', 'one', 'dead')], ['manual', 'manual', None, 'hard'])
        # as it is uploaded to SparkPost
        self.assertEqual(self.counts('recipient,transactional,non_transactional,description\nup@sp.example,false,true,left\n'), (1, 0, 0, 0, 0, 0))
        self.assertEqual(self.known('up@sp.example')[0], 'manual')

    def test_mailchimp(self):
        self.assertEqual(self.counts(CLEANED), (1, 0, 0, 0, 0, 0))
        self.assertEqual(self.known('gone@mc.example'), ('hard', 'recipient.unknown', '2017-03-01T10:00:00Z'))
        self.assertEqual(self.counts(UNSUBSCRIBED), (3, 0, 0, 0, 0, 0))
        self.assertEqual(self.site.check('words@mc.example')['text'], 'too many')
        self.assertEqual(self.counts(BOTH), (2, 0, 0, 0, 1, 0))
        self.assertEqual([self.known('both-%s@mc.example' % a)[0] for a in ('left', 'gone', 'reads')], ['manual', 'hard', None])
        self.assertEqual(self.known('left@mc.example')[0], 'manual')
        self.assertEqual(self.known('angry@mc.example')[0], 'complaint')
        subscribed = '"Email Address",MEMBER_RATING,OPTIN_TIME\nfriend@mc.example,5,"2016-01-01 10:00:00"\n'
        self.assertIn('subscribers', self.imported(subscribed, status=NOT_FOUND))

    def test_plain_addresses(self):
        text = '# asked by letter\nOne@plain.example\n\n  two@plain.example \r\n@three.example\n'
        said = self.imported(text, '--reason', 'by letter', stdin=True)
        self.assertEqual((said['format'], said['new']), ('plain', 3))
        self.assertEqual(self.known('one@plain.example')[0], 'manual')
        self.assertEqual(self.site.check('one@plain.example')['text'], 'by letter')
        self.assertEqual(self.known('@three.example')[0], 'manual')
        self.assertEqual(self.counts('\ufeffE-Mail\nfour@plain.example\n', '--as', 'hard'), (1, 0, 0, 0, 0, 0))
        self.assertEqual(self.known('four@plain.example')[:2], ('hard', 'recipient.unknown'))

    def test_a_list_made_by_hand(self):
        self.assertEqual(self.counts('address;status\nu@hand.example;hard\n'), (1, 0, 0, 0, 0, 0))
        entry = self.site.check('u@hand.example')
        self.assertEqual((entry['reason'], entry['origin']), ('recipient.unknown', 'import'))
        self.assertTrue(entry['since'] and entry['by'])
        self.assertIn('held has an end', self.imported('address,status\nv@hand.example,held\n', status=NOT_FOUND))

    def test_what_people_decided_is_not_weakened(self):
        self.site.ctl_ok('suppress', 'manual@p.example')
        self.site.ctl_ok('allow', 'allow@p.example')
        self.site.ctl_ok('suppress', '--hard', 'hard@p.example')
        self.imported('address,status\ncomplaint@p.example,complaint\nsoft@p.example,soft\n')
        names = ('manual', 'allow', 'hard', 'complaint', 'soft')
        before = {n: self.site.check(n + '@p.example') for n in names}
        self.assertEqual(self.counts('address,status\n' + ''.join('%s@p.example,hard\n' % n for n in names)), (0, 1, 1, 3, 0, 0))
        for n in names[:4]:
            self.assertEqual(self.site.check(n + '@p.example'), before[n])
        self.assertEqual(self.known('soft@p.example')[0], 'hard')
        self.assertEqual(self.counts('address,status\n' + ''.join('%s@p.example,allow\n' % n for n in names)), (0, 2, 1, 2, 0, 0))
        self.assertEqual(self.known('manual@p.example')[0], 'manual')
        self.assertEqual(self.counts('address,status\ncomplaint@p.example,manual\nallow@p.example,manual\n'), (0, 1, 0, 1, 0, 0))

    def test_nothing_half_done(self):
        text = 'address,status\n' + ''.join('u%d@e.example,%s\n' % (i, 'hard' if i % 2 else 'dead') for i in range(60))
        said = self.imported(text, status=NOT_FOUND)
        self.assertIn('list.txt:2: status "dead": write soft, held', said)
        self.assertEqual(said.count('list.txt:'), 22)
        self.assertIn('and 10 more', said)
        self.assertIn('30 errors in 60 records: nothing was imported', said)
        self.assertEqual(self.keys(), [])
        self.assertEqual(self.counts(text, '--skip-errors'), (30, 0, 0, 0, 0, 30))

    def test_errors_by_line(self):
        text = 'address,status,text\nok@e.example,hard,"two\nlines"\nnobody,hard,\n<x@e.example>,hard,\n,hard,\nu@e.example\n'
        said = self.imported(text, status=NOT_FOUND)
        for part in ('list.txt:4: nobody: ', 'list.txt:5: <x@e.example>: ', 'list.txt:6: there is no address', 'list.txt:7: 1 fields, the header has 3'):
            self.assertIn(part, said)
        self.assertIn('standard input:2: ', self.imported('u@e.example\nnobody\n', status=NOT_FOUND, stdin=True))
        self.assertIn('no kind that is known', self.imported('name,age\nx,1\n', status=NOT_FOUND))
        self.assertIn('is empty', self.imported('', status=NOT_FOUND))
        self.assertIn('no address in it', self.imported('address,status\n', status=NOT_FOUND))

    def test_dry_run(self):
        self.site.ctl_ok('suppress', 'left@pm.example')
        before = self.redis.command('DBSIZE')
        said = self.imported(POSTMARK, '--dry-run')
        self.assertEqual((said['dry-run'], said['new'], said['there']), (True, 2, 1))
        self.assertEqual(self.redis.command('DBSIZE'), before)
        text = self.site.ctl_ok('import', '--dry-run', self.file(POSTMARK))
        self.assertIn('nothing was changed', text)
        self.assertIn('counted twice', text)

    def test_undo(self):
        self.site.ctl_ok('suppress', '--hard', 'angry@pm.example')
        before = self.site.check('angry@pm.example')
        text = self.site.ctl_ok('import', self.file(POSTMARK))
        self.assertEqual(self.known('angry@pm.example')[0], 'complaint')
        self.site.ctl_ok('undo', '--yes', '--batch', text.split('--batch ')[1].split()[0])
        self.assertIsNone(self.known('gone@pm.example')[0])
        after = self.site.check('angry@pm.example')
        for entry in (before, after):
            entry.pop('token')
            entry.pop('action')
        self.assertEqual(after, before)

    def test_usage(self):
        path = self.file('u@e.example\n')
        for args in ((), (path, path), ('--format', 'xml', path), ('--as', 'soft', path)):
            self.assertEqual(self.site.ctl('import', *args).returncode, USAGE, args)
        self.assertEqual(self.site.ctl('import', '/nowhere').returncode, NOT_FOUND)
        self.redis.stop()
        self.assertEqual(self.site.ctl('import', path).returncode, NO_REDIS)


class Import64(Import):
    partitions = 64


# runs a program, and prints behind what that says the most memory that it had
MEASURE = 'import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)'


class Many(Exchange):
    LINES = 200000

    def many(self, n):
        return self.file('address,status,since\n' + ''.join('reader%d@d%d.example,hard,2026-01-01T00:00:00Z\n' % (i, i % 997) for i in range(n)))

    def memory_of(self, path):
        """What it said, and the most memory that it ever had, in KiB."""
        done = run('nixie', '-c', self.site.conf_path, 'import', '--json', path, prefix=(sys.executable, '-c', MEASURE), limit=6 * LIMIT)
        self.assertEqual(done.returncode, OK, done.stderr)
        said, peak = done.stdout.splitlines()
        return json.loads(said), int(peak)

    def test_bounded_memory(self):
        said, small = self.memory_of(self.many(self.LINES // 10))
        self.assertEqual((said['new'], said['there']), (self.LINES // 10, 0))
        said, large = self.memory_of(self.many(self.LINES))
        self.assertEqual((said['new'], said['there']), (self.LINES * 9 // 10, self.LINES // 10))
        self.assertLess(large - small, 12 * 1024, 'KiB more for ten times as many')
        self.assertEqual(sum(int(self.redis.command('ZCARD', 'nixie:{%d}:suppressed' % p)) for p in range(self.partitions)), self.LINES)
        self.assertEqual(len(self.export().splitlines()), self.LINES + 1)

    def test_interrupted(self):
        path = self.many(50000)
        between = Between(self.redis.socket)
        self.addCleanup(between.stop)
        between.set(SLOW, 0.2)      # so that it is never done before it is interrupted
        p = subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, '-o', 'redis.address=' + between.address, 'import', path],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.kill)
        wait_until(lambda: len(self.redis.command('KEYS', 'nixie:{0}:suppressed')) > 0, what='the first of them')
        p.send_signal(signal.SIGINT)
        out, err = p.communicate()
        self.assertEqual(p.returncode, NOT_FOUND, out + err)
        self.assertRegex(err, r'interrupted after \d+ of .*run it again')
        self.assertIn('undo --batch', err)
        said = json.loads(self.site.ctl_ok('import', '--json', path))
        self.assertGreater(said['there'], 0)
        self.assertEqual(said['new'] + said['there'], 50000)


class Many64(Many):
    partitions, LINES = 64, 100000
