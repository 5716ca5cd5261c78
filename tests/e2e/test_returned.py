"""nixie receive: mail that came back changes what it proves, once, and nothing else."""
import email.utils
import json
import mailbox
import os
import re
import subprocess
import time

from harness import returned
from harness.case import RedisCase
from harness.maillog import Message
from harness.nixie import BAD_CONFIG, NOT_FOUND, OK, REPOSITORY, USAGE, binary
from harness.proc import wait_until

AGAIN = 75  # EX_TEMPFAIL
SECRET = 'a secret of twenty bytes'


class Returned(RedisCase):
    options = {'receive': {'remember': '7 days', 'wait': '1 ms'}}

    def receive(self, mail, *args):
        """What it did, as JSON."""
        done = self.site.ctl('receive', '--json', *args, stdin=mail)
        self.assertEqual(done.returncode, OK, done.stderr)
        return json.loads(done.stdout)

    def claims(self, mail, *args):
        return [(c['effect'], c.get('address'), c.get('proof'), c['outcome']) for c in self.receive(mail, *args)['claims']]

    def sent(self, *recipients, **kw):
        """A message that the log tells was delivered to them: its Message-ID."""
        message = Message(**kw)
        self.read(message.begin(len(recipients)), *[message.sent(to) for to in recipients])
        return '<%s@example.org>' % message.qid

    def partition(self, address):
        for p in range(self.partitions):
            if self.redis.command('EXISTS', 'nixie:{%d}:addr:%s' % (p, address)):
                return p
        return 0

    def entry(self, address):
        return self.redis.hgetall('nixie:{%d}:addr:%s' % (self.partition(address), address))

    def status(self, address):
        return self.entry(address).get('status', 'none')

    def counters(self, dimension=''):
        total = {}
        for key in self.redis.command('KEYS', 'nixie:{*}:day:????????' + (':' + dimension if dimension else '')):
            for name, value in self.redis.hgetall(key).items():
                total[name] = total.get(name, 0) + int(value)
        return total

    def asides(self):
        return [dict(zip(fields[::2], fields[1::2])) for _, fields in self.redis.command('XRANGE', 'nixie:{0}:aside', '-', '+')]


    def sign(self, **more):
        """Templates and a secret in the configuration."""
        path = os.path.join(self.directory, 'secret')
        with open(path, 'w') as f:
            f.write('a secret of twenty bytes\n')
        os.chmod(path, 0o600)
        self.site.options['receive'].update({
            'addresses': ({'for': 'bounces', 'address': 'bounces+{recipient}-{sig}@shop.example'},
                          {'for': 'bounces', 'address': 'bounces@shop.example'},
                          {'for': 'unsubscribe', 'address': 'leave+{recipient}-{sig}@shop.example'},
                          {'for': 'unsubscribe', 'address': 'leave@shop.example'}), 'secret-file': path}, **more)
        self.site.write_conf()

    def signed(self, address, use='bounces'):
        return self.site.ctl_ok('verp', '--for', use, address).strip()


class ByMessage(Returned):
    def test_a_bounce_after_the_delivery(self):
        about = self.sent('reader@reader.example')
        row = self.receive(returned.failed('reader@reader.example', returned.original(about)))
        self.assertEqual((row['outcome'], [(c['effect'], c['address'], c['proof'], c['status']) for c in row['claims']]),
                         ('counted', [('failure', 'reader@reader.example', 'message', 'hard')]))
        entry = self.entry('reader@reader.example')
        self.assertEqual((entry['status'], entry['origin'], entry['reason'], entry['code']), ('hard', 'dsn', 'recipient.unknown', '550'))
        counted = self.counters()
        self.assertEqual((counted['delivered'], counted['hard'], counted['cat:recipient.unknown'], counted['returned']), (1, 1, 1, 1))
        self.assertEqual(self.counters('mail'), {'dsn|counted': 1})
        history = json.loads(self.site.ctl('history', '--json', 'reader@reader.example').stdout)
        self.assertEqual((history['category'], history['sender']), ('recipient.unknown', 'news@shop.example'))
        # it was delivered once: no attempt more
        dest = self.counters('dest')
        self.assertEqual((dest['reader.example|attempts'], dest['reader.example|delivered'], dest['reader.example|hard']), (1, 1, 1))

    def test_the_same_mail_again(self):
        about = self.sent('reader@reader.example')
        mail = returned.failed('reader@reader.example', returned.original(about))
        self.receive(mail)
        # another server put its line above
        self.assertEqual(self.receive(b'Delivered-To: bounces@shop.example\n' + mail)['outcome'], 'again')
        # and another mail about the same
        self.assertEqual(self.receive(returned.failed('reader@reader.example', returned.original(about)))['outcome'], 'told')
        self.assertEqual((self.counters()['hard'], self.counters()['returned'], self.entry('reader@reader.example')['count']), (1, 2, '1'))

    def test_what_was_aside_is_looked_at_again(self):
        """The configuration was mended, or the log was behind: the same mailbox is received again."""
        message = Message()
        bounce = returned.failed('reader@reader.example', returned.original('<%s@example.org>' % message.qid))
        self.assertEqual([self.receive(bounce)['outcome'] for _ in range(2)], ['aside', 'again'])
        self.assertEqual((len(self.asides()), self.counters('mail')), (1, {'dsn|aside': 1}))
        self.read(message.begin(1), message.sent('reader@reader.example'))
        self.assertEqual([self.receive(bounce)['outcome'] for _ in range(2)], ['counted', 'again'])
        self.assertEqual((self.status('reader@reader.example'), self.entry('reader@reader.example')['count'], self.counters()['hard'], len(self.asides())),
                         ('hard', '1', 1, 1))

    def test_what_was_aside_beside_what_counted(self):
        self.site.write_conf(receive={'shared': 2})
        about = self.sent('one@reader.example', 'two@reader.example')
        mail = returned.dsn([(to, 'failed', '5.1.1', returned.NO_SUCH_USER) for to in ('one@reader.example', 'three@other.example')], returned.original(about))
        self.assertEqual([(c['address'], c['outcome']) for c in self.receive(mail)['claims']], [('one@reader.example', 'counted'), ('three@other.example', 'aside')])
        self.assertEqual(self.receive(mail)['outcome'], 'again')
        self.assertEqual((self.entry('one@reader.example')['count'], self.counters()['hard'], len(self.asides()), self.counters()['returned']), ('1', 1, 1, 1))

    def test_who_stands_behind_the_reader_does_not_speak_for_him(self):
        """Of two that failed, one is whom we wrote to: that is the failure, wherever it stands."""
        about = self.sent('one@reader.example')
        mail = returned.dsn([(to, 'failed', '5.1.1', returned.NO_SUCH_USER) for to in ('staff@other.example', 'one@reader.example')], returned.original(about))
        self.assertEqual([(c['address'], c['outcome'], c['status']) for c in self.receive(mail)['claims']], [('one@reader.example', 'counted', 'hard')])

    def test_nobody_made_it_up(self):
        self.sent('reader@reader.example')
        row = self.receive(returned.failed('reader@reader.example', returned.original('<invented@shop.example>')))
        self.assertEqual((row['outcome'], row['claims'][0]['outcome'], self.status('reader@reader.example')), ('aside', 'aside', 'none'))
        aside, = self.asides()
        self.assertEqual((aside['kind'], aside['address'], aside['category'], aside['about']),
                         ('dsn', 'reader@reader.example', 'recipient.unknown', '<invented@shop.example>'))
        self.assertIn('receive.remember', aside['why'])
        self.assertNotIn('hard', self.counters())
        self.assertEqual(self.counters('mail'), {'dsn|aside': 1})

    def test_who_got_a_message_cannot_speak_of_somebody_else(self):
        about = self.sent('stranger@evil.example')
        self.sent('reader@reader.example')
        row = self.receive(returned.failed('reader@reader.example', returned.original(about)))
        # the message went to the stranger: what fails behind his address is soft, and his own
        self.assertEqual([(c['address'], c['other']) for c in row['claims']], [('stranger@evil.example', True)])
        self.assertEqual((self.status('reader@reader.example'), self.status('stranger@evil.example')), ('none', 'soft'))

    def test_a_message_to_several_proves_nothing(self):
        about = self.sent('one@reader.example', 'two@other.example')
        mail = returned.failed('one@reader.example', returned.original(about))
        self.assertEqual((self.receive(mail)['outcome'], self.status('one@reader.example')), ('aside', 'none'))
        self.assertIn('receive.shared', self.asides()[0]['why'])
        self.site.write_conf(receive={'shared': 2})
        self.assertEqual(self.claims(returned.failed('one@reader.example', returned.original(about))),
                         [('failure', 'one@reader.example', 'message', 'counted')])
        self.assertEqual((self.status('one@reader.example'), self.status('two@other.example')), ('hard', 'none'))

    def test_an_alias_does_not_suffer_for_one_behind_it(self):
        about = self.sent('team@reader.example')
        row = self.receive(returned.dsn([('gone@inside.example', 'failed', '5.1.1', returned.NO_SUCH_USER, 'team@reader.example')],
                                        returned.original(about)))
        self.assertTrue(row['claims'][0]['other'])
        self.assertEqual((self.status('team@reader.example'), self.status('gone@inside.example')), ('soft', 'none'))
        self.assertEqual(self.counters()['hard-as-soft'], 1)

    def test_a_server_has_a_name_of_its_own_for_the_same_mailbox(self):
        about = self.sent('reader@reader.example')
        self.receive(returned.failed('reader@mail.reader.example', returned.original(about)))
        self.assertEqual(self.status('reader@reader.example'), 'hard')

    def test_who_forwards_to_several_failed_once(self):
        about = self.sent('team@reader.example')
        gone = [(name + '@inside.example', 'failed', '5.1.1', returned.NO_SUCH_USER) for name in ('a', 'b', 'c')]
        self.receive(returned.dsn(gone, returned.original(about)))
        self.assertEqual(self.entry('team@reader.example')['count'], '1')

    def test_other_actions_change_nothing(self):
        about = self.sent('reader@reader.example')
        for action, status in ('delayed', '4.4.1'), ('relayed', '2.0.0'), ('delivered', '2.0.0'), ('expanded', '2.0.0'):
            row = self.receive(returned.dsn([('reader@reader.example', action, status, None)], returned.original(about)))
            self.assertEqual((row['outcome'], row['claims']), ('nothing', []), action)
        self.assertEqual((self.status('reader@reader.example'), self.counters('mail')), ('none', {'dsn|nothing': 4}))

    def test_rules_are_those_of_logs(self):
        about = self.sent('reader@reader.example')
        self.receive(returned.dsn([('reader@reader.example', 'failed', '5.2.2', 'smtp; 552 5.2.2 mailbox full')], returned.original(about)))
        entry = self.entry('reader@reader.example')
        self.assertEqual((entry['status'], entry['reason']), ('soft', 'mailbox.full'))
        about = self.sent('other@reader.example')
        self.receive(returned.dsn([('other@reader.example', 'failed', '5.7.1', 'smtp; 550 5.7.1 blocked using zen.spamhaus.org')],
                                  returned.original(about)))
        self.assertEqual((self.status('other@reader.example'), self.entry('other@reader.example')['reason']), ('soft', 'blocked.reputation'))

    def test_a_message_without_a_message_id(self):
        message = Message()
        self.read(message.line('smtpd', '%s: client=c[192.0.2.7]' % message.qid), message.line('cleanup', '%s: message-id=<>' % message.qid),
                  message.active(), message.sent('reader@reader.example'))
        about = [('Received', 'from c by mx1 (Postfix) with ESMTP id %s; Thu, 19 Nov 2026 14:00:00 +0000' % message.qid), ('From', 'news@shop.example')]
        self.assertEqual(self.claims(returned.failed('reader@reader.example', about)), [('failure', 'reader@reader.example', 'message', 'counted')])

    def test_several_that_the_log_told(self):
        message = Message()
        gone = ['r%d@reader.example' % i for i in range(9)]
        self.read(message.begin(9), *[message.bounced(to) for to in gone], message.removed())
        mail = returned.dsn([(to, 'failed', '5.1.1', returned.NO_SUCH_USER) for to in gone + ['made-up@reader.example']],
                            returned.original('<%s@example.org>' % message.qid))
        self.assertEqual([(address, outcome) for _, address, _, outcome in self.claims(mail)],
                         [(to, 'told') for to in gone] + [('made-up@reader.example', 'aside')])

    def test_one_recipient_under_two_names(self):
        """attribute-to = both: it is not two who know the message."""
        self.site.options['attribute-to'] = 'both'
        self.site.write_conf()
        message = Message()
        self.read(message.begin(), message.sent('reader@reader.example').replace('relay=', 'orig_to=<alias@shop.example>, relay='))
        self.assertEqual(self.claims(returned.failed('reader@reader.example', returned.original('<%s@example.org>' % message.qid))),
                         [('failure', 'reader@reader.example', 'message', 'counted')])

    def test_undo_takes_the_occurrences_too(self):
        about = self.sent('reader@reader.example')
        self.receive(returned.dsn([('reader@reader.example', 'failed', '5.2.2', 'smtp; 552 5.2.2 mailbox full')], returned.original(about)))
        self.assertEqual(len(self.redis.command('KEYS', 'nixie:{*}:win:*')), 1)
        self.site.ctl_ok('undo', '--batch', time.strftime('receive-%Y%m%d', time.gmtime()), '--yes')
        self.assertEqual((self.status('reader@reader.example'), self.redis.command('KEYS', 'nixie:{*}:win:*')), ('none', []))

    def test_forgotten_after_a_while(self):
        about = self.sent('reader@reader.example', when=time.time() - 9 * 86400)
        self.assertEqual(self.receive(returned.failed('reader@reader.example', returned.original(about)))['outcome'], 'aside')
        key, = self.redis.command('KEYS', 'nixie:{*}:sent:*')
        self.assertLessEqual(self.redis.command('TTL', key), 8 * 86400)

    def test_nothing_is_remembered_unless_it_is_asked_for(self):
        self.site.write_conf(receive={'remember': '0'})
        about = self.sent('reader@reader.example')
        self.assertEqual(self.redis.command('KEYS', 'nixie:*:sent:*'), [])
        row = self.receive(returned.failed('reader@reader.example', returned.original(about)))
        self.assertEqual((row['outcome'], 'receive.remember is off' in row['claims'][0]['why']), ('aside', True))

    def test_suppression_is_seen_by_those_who_ask(self):
        about = self.sent('reader@reader.example')
        self.site.policyd()
        self.assertDunno(self.site.ask('reader@reader.example'))
        self.receive(returned.failed('reader@reader.example', returned.original(about)))
        wait_until(lambda: self.site.ask('reader@reader.example') != 'DUNNO', 'a refusal')
        self.assertSuppressed(self.site.ask('reader@reader.example'))

    def test_the_brake(self):
        self.site.write_conf(brake={'enabled': True})
        self.redis.command('HSET', 'nixie:{0}:alerts', 'hard/dest/reader.example',
                           'since=%d opened=%d seen=%d until=0 count=9 of=9 usual=1 by=test' % (self.now, self.now, self.now))
        about = self.sent('reader@reader.example')
        self.receive(returned.failed('reader@reader.example', returned.original(about)))
        self.assertEqual(self.status('reader@reader.example'), 'held')


class InPartitions(ByMessage):
    partitions = 16


class WithTheLog(Returned):
    """The failure that the log tells, and the notice of it that our own server wrote."""
    def lines(self):
        message = Message()
        return '<%s@example.org>' % message.qid, [message.begin(), message.bounced('reader@reader.example'), message.removed()]

    def test_the_log_first(self):
        about, lines = self.lines()
        self.read(*lines)
        self.assertEqual(self.claims(returned.failed('reader@reader.example', returned.original(about))),
                         [('failure', 'reader@reader.example', None, 'told')])
        self.assertEqual((self.counters()['hard'], self.entry('reader@reader.example')['count'], self.asides()), (1, '1', []))

    def test_the_log_first_and_signed(self):
        about, lines = self.lines()
        self.sign()
        self.read(*lines)
        self.assertEqual(self.claims(returned.failed('reader@reader.example', returned.original(about), to=self.signed('reader@reader.example'))),
                         [('failure', 'reader@reader.example', 'signature', 'told')])
        self.assertEqual((self.counters()['hard'], self.entry('reader@reader.example')['count']), (1, '1'))

    def test_the_mail_first_and_signed(self):
        about, lines = self.lines()
        self.sign()
        self.assertEqual(self.receive(returned.failed('reader@reader.example', returned.original(about),
                                                      to=self.signed('reader@reader.example')))['outcome'], 'counted')
        self.read(*lines)
        self.assertEqual((self.counters()['hard'], self.entry('reader@reader.example')['count'], self.entry('reader@reader.example')['origin']),
                         (1, '1', 'dsn'))

    def test_a_message_that_was_deferred_until_it_expired(self):
        message = Message(when=time.time() - 86400)
        about = '<%s@example.org>' % message.qid
        self.sign()
        self.read(message.begin(), message.deferred('reader@reader.example'))
        self.receive(returned.dsn([('reader@reader.example', 'failed', '4.2.1', 'smtp; 450 4.2.1 mailbox busy')], returned.original(about),
                                  to=self.signed('reader@reader.example')))
        self.read(message.line('qmgr', '%s: from=<news@example.org>, status=expired, returned to sender' % message.qid, 86000))
        self.assertEqual((self.counters()['soft'], self.entry('reader@reader.example')['count']), (1, '1'))

    def received_before(self, mail, lines):
        """It looks in vain first (nothing depends on that); then these lines are read."""
        self.site.write_conf(receive={'wait': '60 s'})
        self.site.logtail()
        with subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'receive', '--json'], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            p.stdin.write(mail)
            p.stdin.close()
            time.sleep(0.5)
            with open(self.site.log_path, 'a') as f:
                f.write(''.join(lines))
            row = json.loads(p.stdout.read())
        self.assertEqual(p.returncode, OK)
        return row['outcome']

    def test_a_failure_is_waited_for(self):
        about, lines = self.lines()
        self.assertEqual(self.received_before(returned.failed('reader@reader.example', returned.original(about)), lines), 'told')

    def test_a_delivery_is_waited_for(self):
        """Of a message that is known to have been put off."""
        message = Message()
        self.read(message.begin(), message.deferred('reader@reader.example'))
        mail = returned.failed('reader@reader.example', returned.original('<%s@example.org>' % message.qid))
        self.assertEqual(self.received_before(mail, [message.sent('reader@reader.example', 30)]), 'counted')


class BySignature(Returned):
    options = {'receive': {'remember': '0'}}

    def setUp(self):
        super().setUp()
        self.sign()

    def test_a_bounce(self):
        to = self.signed('reader@reader.example')
        row = self.receive(returned.failed('reader@reader.example', returned.original('<a@shop.example>'), to=to))
        self.assertEqual((row['outcome'], row['claims'][0]['proof'], self.status('reader@reader.example')), ('counted', 'signature', 'hard'))

    def test_where_it_came_to_is_told_by_who_hands_it_over(self):
        mail = returned.failed('reader@reader.example', returned.original('<a@shop.example>'), to='someone@shop.example')
        self.assertEqual(self.receive(mail, '--recipient', self.signed('reader@reader.example'))['outcome'], 'counted')

    def test_who_is_meant_is_whom_we_wrote_to(self):
        to = self.signed('reader@reader.example')
        mail = returned.dsn([('x@elsewhere.example', 'failed', '5.1.1', returned.NO_SUCH_USER),
                             ('y@elsewhere.example', 'failed', '5.1.1', returned.NO_SUCH_USER)], returned.original('<a@shop.example>'), to=to)
        row = self.receive(mail)
        self.assertEqual([(c['address'], c['other'], c['status']) for c in row['claims']], [('reader@reader.example', True, 'soft')])
        self.assertEqual(self.status('x@elsewhere.example'), 'none')

    def test_of_several_the_one_who_bears_the_name(self):
        to = self.signed('reader@reader.example')
        mail = returned.dsn([('x@elsewhere.example', 'failed', '4.2.2', 'smtp; 452 4.2.2 mailbox full'),
                             ('reader@reader.example', 'failed', '5.1.1', returned.NO_SUCH_USER)], returned.original('<a@shop.example>'), to=to)
        self.receive(mail)
        self.assertEqual(self.status('reader@reader.example'), 'hard')

    def test_a_forged_signature(self):
        to = self.signed('reader@reader.example').replace('reader=', 'victim=')
        row = self.receive(returned.failed('victim@reader.example', returned.original('<a@shop.example>'), to=to))
        self.assertEqual((row['outcome'], row['claims'][0]['why']), ('aside', 'its signature is not ours'))
        self.assertEqual(self.status('victim@reader.example'), 'none')

    def test_a_bounce_to_an_unsigned_address(self):
        row = self.receive(returned.failed('reader@reader.example', returned.original('<a@shop.example>'), to='bounces@shop.example'))
        self.assertEqual((row['outcome'], self.status('reader@reader.example')), ('aside', 'none'))

    def test_an_answer_at_the_bounce_address(self):
        about = '<a@shop.example>'
        self.assertEqual(self.claims(returned.autoreply(self.signed('reader@reader.example'), 'reader@reader.example', about)),
                         [('failure', 'reader@reader.example', 'signature', 'counted')])
        entry = self.entry('reader@reader.example')
        self.assertEqual((entry['status'], entry['reason'], entry['text']), ('soft', 'autoreply', 'Out of office'))

    def test_an_answer_to_the_author(self):
        self.assertEqual(self.claims(returned.autoreply('editor@shop.example', 'reader@reader.example', '<a@shop.example>')), [])
        self.assertEqual((self.status('reader@reader.example'), self.counters('mail')), ('none', {'autoreply|nothing': 1}))

    def test_a_challenge(self):
        mail = returned.plain(self.signed('reader@reader.example'), 'reader@reader.example', 'Please confirm', ('X-Delivery-Agent', 'TMDA/1.1.12'))
        self.assertEqual(self.claims(mail), [('failure', 'reader@reader.example', 'signature', 'counted')])
        self.assertEqual((self.status('reader@reader.example'), self.entry('reader@reader.example')['reason']), ('soft', 'challenge'))

    def test_ordinary_mail_is_nobodys_affair(self):
        self.assertEqual(self.claims(returned.plain('bounces@shop.example', 'reader@reader.example', 'Hello')), [])
        self.assertEqual(self.counters('mail'), {'ordinary|nothing': 1})


OUR = 'mx.shop.example'
PASS = ('Authentication-Results', OUR + '; dkim=pass header.d=provider.example')


class Complaints(Returned):
    options = {'receive': {'remember': '7 days', 'wait': '1 ms', 'authserv-id': [OUR], 'recipient-headers': ['X-Reader'],
                           'feedback-loops': ({'dkim': 'provider.example', 'recipients': ['reader.example']},)}}

    def scope(self, address):
        entry = self.entry(address)
        return entry.get('status', 'none'), entry.get('scopes', '').split(',')[0]

    def test_of_an_authenticated_loop(self):
        about = returned.original('<a@shop.example>', ('List-Id', '<spring.shop.example>'))
        row = self.receive(returned.complaint(about, 'reader@reader.example', headers=[PASS]))
        self.assertEqual([(c['effect'], c['proof'], c['scope']) for c in row['claims']], [('complaint', 'feedback-loop', 'sender:shop.example')])
        self.assertEqual(self.scope('reader@reader.example'), ('none', 'sender:shop.example=complaint'))
        self.assertEqual(self.counters()['complaint'], 1)
        self.assertEqual(self.counters('sender'), {'shop.example|complaint': 1})
        self.assertEqual(self.counters('campaign'), {'spring.shop.example|complaint': 1})
        self.site.policyd()
        self.assertSuppressed(self.site.ask('reader@reader.example', sender='news@shop.example'))
        self.assertDunno(self.site.ask('reader@reader.example', sender='invoice@other.example'))

    def test_a_campaign_is_text_to_a_spreadsheet(self):
        """Its name is in a header that the complainer sends."""
        self.receive(returned.complaint(returned.original('<a@shop.example>', ('X-Campaign', '=2+5')), 'reader@reader.example', headers=[PASS]))
        self.assertIn('\n"\'=2+5",', self.site.ctl_ok('report', '--by', 'campaign', '--csv'))
        self.assertIn('"=2+5"', self.site.ctl_ok('report', '--by', 'campaign', '--json'))

    def test_it_stands_in_its_column(self):
        self.read(Message().begin())
        self.receive(returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=[PASS]))
        self.receive(returned.failed('gone@reader.example', returned.original(self.sent('gone@reader.example'))))
        lines = [line for line in self.site.ctl_ok('stats').splitlines() if line.startswith(('  complaint ', '  recipient.unknown '))]
        self.assertEqual(len(set(line.index(' 1 #') for line in lines)), 1, lines)
        self.assertEqual(len(lines), 2)

    def test_for_all_mail(self):
        self.site.write_conf(receive={'complaint-scope': 'all'})
        self.receive(returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=[PASS]))
        entry = self.entry('reader@reader.example')
        self.assertEqual((entry['status'], entry['origin'], entry['reason'], entry['text']), ('complaint', 'feedback', 'complaint', 'abuse'))
        # a person's word is stronger, and it is not taken back by a delivery
        self.sent('reader@reader.example')
        self.assertEqual(self.status('reader@reader.example'), 'complaint')

    def test_who_is_no_loop_of_ours(self):
        for headers in [], [('Authentication-Results', 'mx.evil.example; dkim=pass header.d=provider.example')], \
                [('Authentication-Results', OUR + '; dkim=fail header.d=provider.example')], \
                [('Authentication-Results', OUR + '; dkim=pass header.d=evil.example')]:
            row = self.receive(returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=headers))
            self.assertEqual((row['outcome'], self.scope('reader@reader.example')), ('aside', ('none', '')), headers)
            self.assertEqual(row['claims'][0]['why'], 'no feedback loop has signed it, as far as receive.authserv-id tells')
        self.assertNotIn('complaint', self.counters())

    def test_a_loop_whose_domain_signs_for_its_users(self):
        self.site.write_conf(receive={'feedback-loops': ({'dkim': 'provider.example', 'from': 'staff@provider.example'},)})
        about = returned.original('<a@shop.example>')
        for author, outcome in (('mallory@provider.example', 'aside'), ('staff@provider.example, mallory@provider.example', 'aside'),
                                ('Staff <Staff@provider.example>', 'counted')):
            bytes_ = returned.complaint(about, 'reader@reader.example', headers=[PASS])
            self.assertIn(b'\nFrom: ', b'\n' + bytes_)
            row = self.receive(re.sub(rb'(?m)^From: .*$', b'From: ' + author.encode(), bytes_, count=1))
            self.assertEqual(row['claims'][0]['outcome'] if outcome == 'counted' else row['outcome'], outcome, author)

    def test_a_loop_speaks_of_its_own_users(self):
        row = self.receive(returned.complaint(returned.original('<a@shop.example>'), 'reader@other.example', headers=[PASS]))
        self.assertEqual((row['outcome'], 'receive.feedback-loops' in row['claims'][0]['why']), ('aside', True))

    def test_the_history_tells_it(self):
        for n, (scope, words) in enumerate({'sender': 'wants no  mail of sender shop.example\n', 'all': 'wants no  mail at all\n'}.items()):
            self.site.options['receive']['complaint-scope'] = scope
            self.site.write_conf()
            self.receive(returned.complaint(returned.original('<%d@shop.example>' % n), 'reader@reader.example', headers=[PASS]))
            text = self.site.ctl_ok('history', 'reader@reader.example')
            self.assertRegex(text.splitlines()[1], r'Z  complaint$')
            for line in words, 'proof     feedback-loop: an authenticated feedback loop\n':
                self.assertIn(line, text)
        rows = [json.loads(line) for line in self.site.ctl_ok('history', '--json', 'reader@reader.example').splitlines()]
        self.assertEqual([[r.get(k) for k in ('event', 'class', 'scope', 'proof')] for r in rows],
                         [[None, 'complaint', scope, 'feedback-loop'] for scope in ('sender:shop.example', 'all')])
        # which no rule has judged, and none judges otherwise
        self.assertEqual(json.loads(self.site.ctl_ok('replay', '--json', '--rules', os.path.join(REPOSITORY, 'conf', 'rules.d')))['failures'], 0)

    def test_redacted_and_named_by_a_header_of_ours(self):
        about = returned.original('<a@shop.example>', ('X-Reader', 'reader@reader.example'))
        self.assertEqual(self.claims(returned.complaint(about, headers=[PASS])), [('complaint', 'reader@reader.example', 'feedback-loop', 'counted')])

    def test_redacted_and_known_by_its_message(self):
        about = self.sent('reader@reader.example')
        self.assertEqual(self.claims(returned.complaint(returned.original(about))), [('complaint', 'reader@reader.example', 'message', 'counted')])

    def test_redacted_and_signed(self):
        self.sign()
        signed = [self.signed(name + '@reader.example') for name in 'abc']
        for name, about, mail_from in ('a', returned.original('<a@shop.example>'), signed[0]), \
                ('b', returned.original('<b@shop.example>', sender=signed[1]), 'x@shop.example'), \
                ('c', returned.original('<c@shop.example>', ('X-Reader', signed[2])), 'x@shop.example'), \
                ('d', returned.original('<d@shop.example>', ('List-Unsubscribe', '<https://shop.example/leave>, <mailto:%s?subject=leave>'
                                                             % self.signed('d@reader.example', 'unsubscribe'))), 'x@shop.example'):
            self.assertEqual(self.claims(returned.complaint(about, mail_from=mail_from)),
                             [('complaint', name + '@reader.example', 'signature', 'counted')])

    def test_redacted_and_unknown(self):
        row = self.receive(returned.complaint(returned.original('<a@shop.example>'), headers=[PASS]))
        self.assertEqual((row['outcome'], row['claims'][0].get('address')), ('aside', None))

    def test_somebody_else_than_the_message_went_to(self):
        about = self.sent('stranger@evil.example')
        row = self.receive(returned.complaint(returned.original(about), 'reader@reader.example'))
        self.assertEqual((row['outcome'], self.scope('reader@reader.example')), ('aside', ('none', '')))

    def test_each_once(self):
        about = returned.original('<a@shop.example>')
        self.receive(returned.complaint(about, 'reader@reader.example', headers=[PASS]))
        self.assertEqual(self.receive(returned.complaint(about, 'reader@reader.example', headers=[PASS]))['outcome'], 'told')
        self.assertEqual(self.counters()['complaint'], 1)

    def test_one_mail_that_names_a_reader_twice(self):
        named = b'Original-Rcpt-To: <reader@reader.example>\n'
        mail = returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=[PASS])
        self.assertEqual(mail.count(named), 1)
        row = self.receive(mail.replace(named, named + b'Original-Rcpt-To: <other@reader.example>\n' + named))
        self.assertEqual([(c['address'], c['outcome']) for c in row['claims']],
                         [('reader@reader.example', 'counted'), ('other@reader.example', 'counted'), ('reader@reader.example', 'told')])
        self.assertEqual((row['outcome'], self.counters()['complaint'], self.counters('mail')), ('counted', 2, {'complaint|counted': 1}))

    def test_who_is_allowed_stays_so(self):
        self.site.ctl_ok('allow', 'reader@reader.example')
        self.receive(returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=[PASS]))
        self.assertEqual((self.scope('reader@reader.example'), self.counters()['complaint']), (('allow', ''), 1))

    def test_what_a_loop_sends_and_is_no_report(self):
        self.site.options['receive']['addresses'] = ({'for': 'complaints', 'address': 'complaints@shop.example'},)
        self.site.write_conf()
        mail = returned.plain('complaints@shop.example', 'loop@provider.example', 'complaint about message from 192.0.2.1', PASS)
        self.assertEqual([(c['outcome'], c['why']) for c in self.receive(mail)['claims']],
                         [('aside', 'it comes from a feedback loop, and is no report (RFC 5965)')])

    def test_other_reports_are_none(self):
        for kind in 'not-spam', 'auth-failure':
            self.assertEqual(self.claims(returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=[PASS], kind=kind)), [])

    def test_undo_of_some(self):
        """A batch is all of a day: what is meant of it can be told."""
        self.receive(returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=[PASS]))
        self.receive(returned.complaint(returned.original('<b@shop.example>'), 'reader@sub.reader.example', headers=[PASS]))
        self.site.ctl_ok('undo', '--batch', time.strftime('receive-%Y%m%d', time.gmtime()), '--domain', 'sub.reader.example')
        self.assertEqual([self.scope(a)[1] for a in ('reader@reader.example', 'reader@sub.reader.example')], ['sender:shop.example=complaint', ''])

    def test_undo(self):
        self.receive(returned.complaint(returned.original('<a@shop.example>'), 'reader@reader.example', headers=[PASS]))
        batch = time.strftime('receive-%Y%m%d', time.gmtime())
        self.site.ctl_ok('undo', '--batch', batch, '--yes')
        self.assertEqual(self.scope('reader@reader.example'), ('none', ''))


class Unsubscribes(Returned):
    options = {'receive': {'remember': '0', 'authserv-id': [OUR]}}

    def setUp(self):
        super().setUp()
        self.sign()

    def leave(self, to, *headers):
        return self.claims(returned.plain(to, 'Reader <reader@reader.example>', 'unsubscribe', *headers))

    def test_a_signed_address(self):
        self.assertEqual(self.leave(self.signed('other@reader.example', 'unsubscribe')), [('unsubscribe', 'other@reader.example', 'signature', 'counted')])
        self.assertIn('sender:shop.example=manual', self.entry('other@reader.example')['scopes'])
        self.assertEqual((self.counters()['unsubscribe'], self.counters('mail')), (1, {'unsubscribe|counted': 1}))
        self.site.policyd()
        self.assertSuppressed(self.site.ask('other@reader.example', sender='news@shop.example'))
        self.assertDunno(self.site.ask('other@reader.example', sender='x@other.example'))

    def test_the_history_tells_it(self):
        """Who asks why no mail comes is told when the reader unsubscribed, from whom, and by what that is known."""
        mail = returned.plain(self.signed('other@reader.example', 'unsubscribe'), 'other@reader.example', 'unsubscribe')
        # an ordinary mail by its kind
        self.assertIn('\n  proven     other@reader.example  unsubscribe  signature  sender:shop.example\n', self.site.ctl_ok('receive', '--dry-run', stdin=mail))
        self.leave(self.signed('other@reader.example', 'unsubscribe'))
        text = self.site.ctl_ok('history', 'other@reader.example')
        self.assertRegex(text, r'^other@reader\.example\n\S+Z  unsubscribed\n')
        for line in 'wants no  mail of sender shop.example', 'proof     signature: an address that was signed', 'told by   a mail\n':
            self.assertIn(line, text)
        row = json.loads(self.site.ctl_ok('history', '--json', 'other@reader.example'))
        self.assertEqual([row.get(k) for k in ('event', 'scope', 'proof', 'told-by', 'class', 'category')],
                         ['unsubscribe', 'sender:shop.example', 'signature', 'mail', None, None])
        self.assertEqual(row['time'], time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(int(self.entry('other@reader.example')['scopes'].split(',')[1]))))
        # no failure
        self.assertIn('0 failures are on record', self.site.ctl('history', '--dest', 'reader.example').stdout)
        self.site.ctl_ok('reset', '--force', '--scope', 'sender:shop.example', 'other@reader.example')
        self.assertIn('1 event is on record', self.site.ctl('check', 'other@reader.example').stdout)

    def test_undone_with_what_else_was_proven_of_it(self):
        """That an address is dead, and that its reader unsubscribed, are two things, of one address."""
        self.leave(self.signed('other@reader.example', 'unsubscribe'))
        self.receive(returned.failed('other@reader.example', returned.original('<a@shop.example>'), to=self.signed('other@reader.example')))
        batch = time.strftime('receive-%Y%m%d', time.gmtime())
        self.assertIn('\n1 address, 1 scope would be what they were\n', self.site.ctl_ok('undo', '--batch', batch, '--dry-run'))
        self.assertIn('\n1 address, 1 scope restored; ', self.site.ctl_ok('undo', '--batch', batch))
        self.assertEqual(self.entry('other@reader.example').get('scopes'), None)

    def test_failures_are_undone_without_what_readers_said(self):
        for name in 'one', 'two':
            self.leave(self.signed(name + '@reader.example', 'unsubscribe'))
        self.receive(returned.failed('one@reader.example', returned.original('<a@shop.example>'), to=self.signed('one@reader.example')))
        batch = time.strftime('receive-%Y%m%d', time.gmtime())
        self.assertIn('\nof these 2 by readers who complained or unsubscribed', self.site.ctl_ok('undo', '--batch', batch, '--dry-run'))
        text = self.site.ctl_ok('undo', '--batch', batch, '--failures')
        self.assertIn('\n1 address restored; ', text)
        self.assertNotIn('by readers', text)
        self.assertEqual(self.status('one@reader.example'), 'none')
        for name in 'one', 'two':
            self.assertIn('sender:shop.example=manual', self.entry(name + '@reader.example')['scopes'])
        self.assertEqual(self.site.ctl('undo', '--failures').returncode, USAGE)

    def test_whose_mail_it_is_about(self):
        """The addresses of senders are in another domain than that where they may be told."""
        self.site.options['receive']['addresses'] = ({'for': 'unsubscribe', 'address': 'leave+{recipient}-{sig}@www.example', 'sender': 'News.Example'},)
        self.site.write_conf()
        self.leave(self.signed('other@reader.example', 'unsubscribe'))
        self.assertIn('sender:news.example=manual', self.entry('other@reader.example')['scopes'])

    def test_an_author_who_is_proven(self):
        for header, want in ((OUR + '; dmarc=pass header.from=reader.example', 'counted'), (OUR + '; dmarc=fail header.from=reader.example', 'aside'),
                             ('mx.evil.example; dmarc=pass header.from=reader.example', 'aside'), (OUR + '; dmarc=pass header.from=evil.example', 'aside')):
            (_, _, _, outcome), = self.leave('leave@shop.example', ('Authentication-Results', header))
            self.assertEqual(outcome, want, header)
            self.site.ctl('remove', '--yes', '--force', 'reader@reader.example')

    def test_nobody_unsubscribes_somebody_else(self):
        (_, address, _, outcome), = self.leave('leave@shop.example')
        self.assertEqual((outcome, self.status('reader@reader.example')), ('aside', 'none'))
        forged = self.signed('other@reader.example', 'unsubscribe').replace('other=', 'third=')
        (_, address, _, outcome), = self.leave(forged)
        self.assertEqual((outcome, self.entry('third@reader.example')), ('aside', {}))

    def test_a_bounce_address_is_no_unsubscribe_address(self):
        self.assertEqual(self.leave(self.signed('other@reader.example')), [])
        self.assertEqual(self.entry('other@reader.example'), {})

    def test_one_mail_for_two(self):
        mail = returned.plain('list@shop.example', 'Reader <reader@reader.example>', 'unsubscribe')
        for name in 'one', 'two':
            self.assertEqual(self.receive(mail, '--recipient', self.signed(name + '@reader.example', 'unsubscribe'))['outcome'], 'counted')
            self.assertIn('manual', self.entry(name + '@reader.example')['scopes'])

    def test_one_mail_for_two_by_a_server_that_notes_where_it_came_to(self):
        """As Exim does (envelope_to_add)."""
        mail = returned.plain('list@shop.example', 'Reader <reader@reader.example>', 'unsubscribe')
        for name in 'one', 'two':
            noted = b'Envelope-to: %s\n' % self.signed(name + '@reader.example', 'unsubscribe').encode() + mail
            self.assertEqual([self.receive(noted)['outcome'] for _ in range(2)], ['counted', 'again'])
            self.assertIn('manual', self.entry(name + '@reader.example')['scopes'])

    def test_it_is_a_persons_word(self):
        self.leave(self.signed('other@reader.example', 'unsubscribe'))
        self.assertNotEqual(self.site.ctl('reset', '--scope', 'sender:shop.example', 'other@reader.example').returncode, OK)
        self.assertIn('sender:shop.example=manual', self.entry('other@reader.example')['scopes'])


class Carried(Returned):
    """How it is handed over, and what a mail server is told."""

    def test_redis_is_away(self):
        about = self.sent('reader@reader.example')
        mail = returned.failed('reader@reader.example', returned.original(about))
        self.redis.stop()
        done = self.site.ctl('receive', stdin=mail)
        self.assertEqual((done.returncode, done.stdout), (AGAIN, ''))
        self.assertIn('Redis', done.stderr)
        self.redis.start()
        self.assertEqual(self.receive(mail)['outcome'], 'counted')

    def test_redis_refuses_in_the_middle(self):
        """What is written before stays, and is not doubled by the next try."""
        about = self.sent('reader@reader.example')
        mail = returned.failed('reader@reader.example', returned.original(about))
        self.redis.command('SET', 'nixie:{0}:aside', 'no stream')
        self.redis.command('SET', 'nixie:{0}:day:%s:mail' % time.strftime('%Y%m%d', time.gmtime()), 'no hash')
        self.assertEqual(self.site.ctl('receive', stdin=mail).returncode, AGAIN)
        self.assertEqual(self.status('reader@reader.example'), 'hard')
        self.redis.command('DEL', 'nixie:{0}:aside', 'nixie:{0}:day:%s:mail' % time.strftime('%Y%m%d', time.gmtime()))
        self.assertEqual(self.receive(mail)['outcome'], 'counted')
        self.assertEqual((self.counters()['hard'], self.counters()['returned'], self.counters('mail')), (1, 1, {'dsn|counted': 1}))

    def test_a_configuration_that_is_wrong(self):
        with open(self.site.conf_path, 'a') as f:
            f.write('nonsense = 1;\n')
        self.assertEqual(self.site.ctl('receive', stdin=b'From: a@b.example\n\nx\n').returncode, AGAIN)

    def test_a_pattern_that_is_broken(self):
        """Of standard input it is met by the mail that needs it, which waits; what a person gives is looked at before."""
        about, other = self.sent('reader@reader.example'), self.sent('other@reader.example')
        rules = os.path.join(self.directory, 'rules.d')
        os.mkdir(rules)
        ours = os.path.join(rules, '10-ours.conf')
        with open(ours, 'w') as f:
            f.write('rules = (\n{ id = "ours"; category = "policy"; text = "wor{2,1}ds of ours"; } );\n')
        self.site.options['rules'] = {'directories': [rules]}
        self.site.write_conf()
        self.assertEqual(self.receive(returned.failed('other@reader.example', returned.original(other)))['outcome'], 'counted')
        mail = returned.dsn([('reader@reader.example', 'failed', '5.1.1', 'smtp; 550 5.1.1 wor ds of ours')], returned.original(about))
        for command, want in (('receive',), AGAIN), (('receive', '-'), AGAIN), (('receive', '--dry-run'), BAD_CONFIG):
            done = self.site.ctl(*command, stdin=mail)
            self.assertEqual((done.returncode, done.stdout), (want, ''))
            self.assertRegex(done.stderr, r'^nixie: \S+: %s:2: text: [^\n]+ of the pattern\n$' % ours)
        self.assertEqual((self.status('reader@reader.example'), self.counters('mail')), ('none', {'dsn|counted': 1}))
        box = os.path.join(self.directory, 'box')
        with open(box, 'wb') as f:
            f.write(b'From: a@b.example\n\nx\n')
        self.assertEqual(self.site.ctl('receive', '--dry-run', box).returncode, BAD_CONFIG)
        self.assertEqual(self.site.ctl('rules', 'lint').returncode, BAD_CONFIG)
        os.remove(ours)
        self.assertEqual(self.receive(mail)['outcome'], 'counted')
        self.assertEqual(self.counters('mail'), {'dsn|counted': 2})

    def test_a_secret_that_cannot_be_read(self):
        self.sign()
        os.remove(os.path.join(self.directory, 'secret'))
        done = self.site.ctl('receive', stdin=b'From: a@b.example\n\nx\n')
        self.assertEqual(done.returncode, AGAIN)
        self.assertIn(os.path.join(self.directory, 'secret'), done.stderr)

    def test_options_that_are_wrong(self):
        self.assertEqual(self.site.ctl('receive', '--nonsense', stdin=b'').returncode, AGAIN)
        self.assertEqual(self.site.ctl('receive', os.path.join(self.directory, 'none')).returncode, AGAIN)
        self.assertEqual(self.site.ctl('receive', '--dry-run', os.path.join(self.directory, 'none')).returncode, NOT_FOUND)

    def test_quiet(self):
        about = self.sent('reader@reader.example')
        done = self.site.ctl('receive', '--quiet', '-', stdin=returned.failed('reader@reader.example', returned.original(about)))
        self.assertEqual((done.returncode, done.stdout, done.stderr, self.status('reader@reader.example')), (OK, '', '', 'hard'))

    def test_a_mailbox_twice(self):
        path = os.path.join(self.directory, 'box')
        box = mailbox.Maildir(path)
        for i in range(30):
            about = self.sent('reader%d@reader.example' % i) if i % 10 == 0 else '<made-up-%d@shop.example>' % i
            box.add(returned.failed('reader%d@reader.example' % i, returned.original(about)))
        for want in '30 messages: 30 dsn; 3 counted, 27 aside', '30 messages: 30 dsn; 30 again':
            done = self.site.ctl('receive', path)
            sums = [line for line in done.stdout.splitlines() if line.startswith('30 messages')]
            self.assertEqual((done.returncode, sums), (OK, [want]), done.stderr)
        self.assertEqual((self.counters()['hard'], self.counters()['returned'], len(self.asides())), (3, 30, 27))

    def test_a_mailbox_is_taken_back_by_itself(self):
        """Not with what else came that day."""
        mails = {to: returned.failed(to, returned.original(self.sent(to))) for to in ('by-server@reader.example', 'by-file@reader.example')}
        self.assertEqual(self.receive(mails['by-server@reader.example'])['batch'], time.strftime('receive-%Y%m%d', time.gmtime()))
        path = os.path.join(self.directory, 'bounce.eml')
        with open(path, 'wb') as f:
            f.write(mails['by-file@reader.example'])
        line = self.site.ctl_ok('receive', path).splitlines()[-1]
        self.assertTrue(line.startswith('take this back with: nixie undo --batch receive-'), line)
        self.assertNotIn('take this back', self.site.ctl_ok('receive', path))
        self.assertIn('1 address restored', self.site.ctl_ok('undo', '--batch', line.split()[-1]))
        self.assertEqual([self.status(to) for to in mails], ['hard', 'none'])

    def test_an_old_mail_is_dated_by_our_servers_line(self):
        about = self.sent('reader@reader.example', when=time.time() - 3 * 86400)
        when = int(time.time()) - 2 * 86400
        self.receive(returned.failed('reader@reader.example', returned.original(about), received=when))
        self.assertEqual(self.entry('reader@reader.example')['since'], str(when))

    def test_a_mailbox_without_such_lines_has_the_authors_date(self):
        about = self.sent('reader@reader.example', when=time.time() - 30 * 3600)
        mail = returned.failed('reader@reader.example', returned.original(about))
        when = int(time.time()) - 86400
        path = os.path.join(self.directory, 'bounce.eml')
        with open(path, 'wb') as f:
            f.write(b''.join(line for line in mail.splitlines(True) if not line.startswith(b'Date:')).replace(
                b'From: ', b'Date: ' + email.utils.formatdate(when).encode() + b'\nFrom: ', 1))
        self.receive(b'', path)
        self.assertEqual(self.entry('reader@reader.example')['since'], str(when))

    def test_no_date_from_the_future_or_from_nowhere(self):
        for i, when in enumerate([time.time() + 9 * 86400, 12345]):
            about = self.sent('reader%d@reader.example' % i)
            self.receive(returned.failed('reader%d@reader.example' % i, returned.original(about), received=when))
            self.assertLessEqual(abs(int(self.entry('reader%d@reader.example' % i)['since']) - time.time()), 600)

    def test_at_the_same_time(self):
        """Twenty at once, five of each: each of the four is counted once."""
        mails = [returned.failed('r%d@reader.example' % i, returned.original(self.sent('r%d@reader.example' % i))) for i in range(4)]
        with_pipes = [subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'receive', '--quiet'], stdin=subprocess.PIPE) for _ in range(20)]
        for i, p in enumerate(with_pipes):
            p.stdin.write(mails[i % 4])
        for p in with_pipes:
            p.stdin.close()
        self.assertEqual([p.wait() for p in with_pipes], [OK] * 20)
        self.assertEqual((self.counters()['hard'], [self.entry('r%d@reader.example' % i)['count'] for i in range(4)]), (4, ['1'] * 4))

    def test_what_was_aside_at_the_same_time(self):
        """Two readers of the mailbox, after the configuration was mended: one of them has done it."""
        self.site.write_conf(receive={'shared': 2})
        message = Message()
        mail = returned.dsn([(to, 'failed', '5.1.1', returned.NO_SUCH_USER) for to in ('one@reader.example', 'three@other.example')],
                            returned.original('<%s@example.org>' % message.qid))
        self.assertEqual(self.receive(mail)['outcome'], 'aside')
        self.read(message.begin(2), message.sent('one@reader.example'), message.sent('two@reader.example'))
        self.site.write_conf(receive={'shared': 2, 'wait': '3 s'})   # for three@other.example: both have begun by then
        readers = [subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'receive', '--json'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for _ in range(2)]
        for p in readers:
            p.stdin.write(mail)
            p.stdin.close()
        outcomes = []
        for p in readers:
            with p:
                outcomes.append(json.loads(p.stdout.read())['outcome'])
        self.assertEqual(sorted(outcomes), ['again', 'counted'])
        self.assertEqual((self.counters()['hard'], self.counters()['returned'], self.counters('mail'), len(self.asides())),
                         (1, 2, {'dsn|aside': 1, 'dsn|counted': 1}, 2))
