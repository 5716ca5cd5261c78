"""Whatever a real Postfix writes into its log, nixie-logtail --parse tells what really happened."""
import json
import os
import pwd
import re
import smtplib

from harness.case import Case, make_directory
from harness.nixie import OK, Site, run
from harness.postfix import Postfix
from harness.proc import free_port, wait_until
from harness.sink import Sink

# What the tests send through: in front of a domain's results is who delivers it.
MASTER_CF = '''\
lmtp       unix - - n - - lmtp
local      unix - n n - - local
virtual    unix - n n - - virtual
swallow    unix - n n - - pipe user=nobody argv=/bin/true
nouser     unix - n n - - pipe user=nobody argv=/bin/sh {etc}/nouser
six        unix - - n - - smtp -o inet_protocols=all -o smtp_bind_address6=::1
out        unix - - n - - smtp -o syslog_name=postfix-out
softly     unix - - n - - smtp -o soft_bounce=yes
flip       unix - - n - - smtp -o smtp_delivery_status_filter=regexp:{etc}/flip
uncached   unix - - n - - smtp -o address_verify_negative_cache=no
internal   unix - - n - - smtp -o info_log_address_format=internal
scan       unix - - n - - smtp -o smtp_send_xforward_command=yes
bcc        unix n - n - 0 cleanup -o always_bcc=archive@nixie.test
long       unix n - n - 0 cleanup -o enable_long_queue_ids=yes
127.0.0.1:{verify} inet n - n - - smtpd -o smtpd_recipient_restrictions=reject_unverified_recipient,permit
127.0.0.1:{bcc} inet n - n - - smtpd -o cleanup_service_name=bcc
127.0.0.1:{long} inet n - n - - smtpd -o cleanup_service_name=long -o syslog_name=postfix/submission
127.0.0.1:{scan} inet n - n - - smtpd -o content_filter=scan:[127.0.0.1]:{filter}
127.0.0.1:{back} inet n - n - - smtpd -o smtpd_authorized_xforward_hosts=127.0.0.0/8
127.0.0.1:{other} inet n - n - - smtpd -o syslog_name=postfix-10.20.30.40 -o smtpd_authorized_xforward_hosts=127.0.0.0/8
'''

FLIP = '''\
/^5\\.7\\.1 (.*)/ 4.7.1 $1
/^4\\.2\\.2 (.*)/ 5.2.2 $1
'''

ALIASES = '''\
piped "|/bin/true"
away further@nixie.test
'''

TRANSPORTS = {
    'nixie.test': 'smtp:[127.0.0.1]:{sink}', 'lmtp.test': 'lmtp:unix:{lmtp}', 'six.test': 'six:[::1]:{six}',
    'swallow.test': 'swallow:', 'nouser.test': 'nouser:', 'discard.test': 'discard:not wanted', 'error.test': 'error:5.1.2 no such domain here',
    'retry.test': 'retry:4.4.1 not now', 'virtual.test': 'virtual:', 'local.test': 'local:', 'out.test': 'out:[127.0.0.1]:{sink}',
    'softly.test': 'softly:[127.0.0.1]:{sink}', 'flip.test': 'flip:[127.0.0.1]:{sink}', 'internal.test': 'internal:[127.0.0.1]:{sink}',
    'busy.test': 'smtp:[127.0.0.1]:{closed}', 'rude.test': 'smtp:[127.0.0.1]:{rude}',
    'nowhere.test': 'nosuch:', 'uncached.test': 'uncached:[127.0.0.1]:{sink}',
    'two.test': 'smtp:[127.0.0.1]:{grey}, [127.0.0.1]:{sink}',
}

UNKNOWN = '550 5.1.1 <{0}>: User unknown'


class Forms(Case):
    @classmethod
    def setUpClass(cls):
        cls.directory = make_directory(cls.addClassCleanup)
        cls.site = Site(cls.directory)
        cls.sink, cls.six, cls.rude, cls.grey, cls.filter = cls.sinks = Sink(), Sink('::1'), Sink(), Sink(), Sink()
        lmtp = os.path.join(cls.directory, 'lmtp')
        cls.lmtp = Sink(lmtp)
        os.chmod(lmtp, 0o777)
        for sink in cls.sinks + (cls.lmtp,):
            cls.addClassCleanup(sink.stop)
        cls.rude.greeting = '554 5.7.1 nobody likes you'
        cls.postfix = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.addClassCleanup(cls.postfix.stop)
        cls.ports = {name: free_port() for name in ('verify', 'bcc', 'long', 'scan', 'back', 'other', 'closed')}
        cls.configure(dict(cls.ports, sink=cls.sink.port, six=cls.six.port, rude=cls.rude.port, grey=cls.grey.port, filter=cls.filter.port, lmtp=lmtp,
                           etc=cls.postfix.etc))
        cls.postfix.start()

    @classmethod
    def configure(cls, values):
        mail, vmail, aliases = (os.path.join(cls.directory, name) for name in ('mail', 'vmail', 'aliases'))
        os.mkdir(mail)
        os.chmod(mail, 0o1777)
        user = pwd.getpwnam('daemon')
        os.mkdir(vmail)
        os.chown(vmail, user.pw_uid, user.pw_gid)
        for path, text in ((aliases, ALIASES), (os.path.join(cls.postfix.etc, 'flip'), FLIP),
                           (os.path.join(cls.postfix.etc, 'nouser'), 'echo no such user\nexit 67\n')):
            with open(path, 'w') as f:
                f.write(text)
        cls.postfix.configure(
            MASTER_CF.format(**values),
            transport_maps='inline:{ %s }' % ' '.join('{ %s = %s }' % (k, v.format(**values)) for k, v in TRANSPORTS.items()),
            smtpd_recipient_restrictions='permit_mynetworks,reject',
            # no user can be looked up before the address is verified
            address_verify_map='', address_verify_poll_delay='1s', unverified_recipient_reject_code='550',
            mail_spool_directory=mail + '/', alias_maps='texthash:' + aliases,
            virtual_mailbox_base=vmail, virtual_mailbox_maps='inline:{ { box@virtual.test = box/ } }', virtual_minimum_uid='1',
            virtual_uid_maps='static:%d' % user.pw_uid, virtual_gid_maps='static:%d' % user.pw_gid,
            smtpd_client_port_logging='no', smtp_connect_timeout='5s')

    def setUp(self):
        for sink in self.sinks:
            sink.at_rcpt.clear()
            sink.at_data.clear()
        self.name = self.id().rsplit('.', 1)[-1].replace('test_', '').replace('_', '-')

    def tearDown(self):
        self.postfix.empty_queue()

    # -- asking ------------------------------------------------------------------

    def parse(self, *options):
        """The results of the log as it is now; every status line is one, and none is invented."""
        path, log = os.path.join(self.directory, 'parsed'), self.postfix.log()
        log = log[:log.rindex('\n') + 1]
        with open(path, 'w') as f:
            f.write(log)
        done = run('nixie-logtail', '-c', self.site.conf_path, *options, '--parse', path)
        self.assertEqual(done.returncode, OK, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        lines = re.findall(r'^.{16}\S+ \S+\[\d+\]: \w+: (?:(?:to|from)=<.*, )?status=', log, re.M)
        self.assertEqual(len(rows), len(lines))
        self.assertRegex(done.stderr, r'lines=\d+ attempts=%d .*rejected=0 .*not-syslog=0' % len(lines))
        return rows

    def results(self, qid, *options, count=1, to=None):
        """What became of a message, when so much of it is in the log."""
        self.postfix.wait_log(' %s: ' % qid, 'status=', count=count)
        rows = [r for r in self.parse(*options) if r['queue_id'] == qid]
        return rows if to is None else [r for r in rows if r.get('to') == to]

    def one(self, to, want, *options, **kw):
        """Sends a message; its only result is `want`, with what is not of interest left out."""
        rows = self.results(self.postfix.send(to, **kw), *options)
        self.assertEqual(len(rows), 1, rows)
        self.assertEqual({k: rows[0].get(k) for k in want}, want)
        return rows[0]

    def sink_relay(self, sink):
        return {'relay_host': '127.0.0.1', 'relay_ip': '127.0.0.1', 'relay_port': sink.port}

    def dry_run(self):
        done = run('nixie-logtail', '-c', self.site.conf_path, '--dry-run', self.site.log_path)
        self.assertEqual(done.returncode, OK, done.stderr)
        return done.stdout

    # -- who delivers ----------------------------------------------------------

    def test_smtp(self):
        self.one(self.name + '@nixie.test', dict(
            self.sink_relay(self.sink), to=self.name + '@nixie.test', process='postfix/smtp', status='sent', dsn='2.0.0', code=250,
            text='250 2.0.0 Ok: taken by the sink', sender='sender@nixie.test', orig_to=None, not_counted=None, ambiguous=None))

    def test_smtp_over_ipv6(self):
        row = self.one(self.name + '@six.test', {'relay_ip': '::1', 'relay_port': self.six.port, 'status': 'sent'})
        self.assertTrue(row['relay_host'])

    def test_lmtp_over_a_unix_socket(self):
        self.one(self.name + '@lmtp.test', {'process': 'postfix/lmtp', 'relay_host': 'mx.nixie.test', 'relay_ip': None, 'relay_port': None, 'status': 'sent',
                                            'text': '250 2.0.0 Ok: taken by the sink'})

    def test_pipe(self):
        self.one(self.name + '@swallow.test', {'process': 'postfix/pipe', 'relay_host': 'swallow', 'status': 'sent', 'dsn': '2.0.0',
                                               'text': 'delivered via swallow service', 'not_counted': None})
        self.one(self.name + '@nouser.test', {'relay_host': 'nouser', 'status': 'bounced', 'dsn': '5.1.1', 'category': 'recipient.unknown',
                                              'text': 'user unknown. Command output: no such user '})

    def test_discard_asks_nobody(self):
        self.one(self.name + '@discard.test', {'process': 'postfix/discard', 'relay_host': 'none', 'status': 'sent', 'text': 'not wanted',
                                               'not_counted': 'no-attempt'})

    def test_error(self):
        # smtpd refuses at once what has no way out
        for to, want in (('a@error.test', {'status': 'bounced', 'dsn': '5.1.2', 'text': 'no such domain here', 'not_counted': None}),
                         ('a@retry.test', {'status': 'deferred', 'dsn': '4.4.1', 'text': 'not now', 'not_counted': 'no-attempt'})):
            self.postfix.sendmail(to, b'test\n')
            line, = self.postfix.wait_log('to=<%s>' % to, 'status=')
            row, = self.results(re.search(r': (\w+): to=', line).group(1))
            self.assertEqual({k: row.get(k) for k in want}, want)
            self.assertEqual([row['process'], row['relay_host']], ['postfix/error', 'none'])

    def test_virtual(self):
        self.one('box@virtual.test', {'process': 'postfix/virtual', 'relay_host': 'virtual', 'status': 'sent', 'text': 'delivered to maildir'})
        self.one(self.name + '@virtual.test', {'status': 'bounced', 'dsn': '5.1.1', 'category': 'recipient.unknown', 'class': 'hard'})

    def test_local(self):
        self.one('daemon@local.test', {'process': 'postfix/local', 'relay_host': 'local', 'status': 'sent', 'text': 'delivered to maildir'})
        self.one('piped@local.test', {'status': 'sent', 'text': 'delivered to command: /bin/true'})
        self.one(self.name + '@local.test', {'status': 'bounced', 'dsn': '5.1.1', 'category': 'recipient.unknown'})

    def test_forwarded(self):
        row = self.one('away@local.test', {'status': 'sent', 'not_counted': 'internal-hops'})
        qid = re.fullmatch(r'forwarded as (\w+)', row['text']).group(1)
        row, = self.results(qid)
        self.assertEqual([row['to'], row['orig_to'], row['status'], row.get('not_counted')],
                         ['further@nixie.test', 'away@local.test', 'sent', None])

    def test_another_name_of_syslog(self):
        self.one(self.name + '@out.test', {'process': 'postfix-out/smtp', 'status': 'sent'})

    # -- what a server says ----------------------------------------------------

    def test_several_lines(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '550-5.1.1 The email account\r\n550-5.1.1 that you tried to reach\r\n550 5.1.1 does not exist.'
        self.one(to, {'status': 'bounced', 'dsn': '5.1.1', 'code': 550, 'category': 'recipient.unknown', 'class': 'hard',
                      'text': 'host 127.0.0.1[127.0.0.1] said: 550-5.1.1 The email account 550-5.1.1 that you tried to reach '
                              '550 5.1.1 does not exist. (in reply to RCPT TO command)'})

    def test_parentheses(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '550 5.1.1 a) b (c (d)), e=f, status=sent (g'
        self.one(to, {'status': 'bounced', 'code': 550, 'ambiguous': None,
                      'text': 'host 127.0.0.1[127.0.0.1] said: 550 5.1.1 a) b (c (d)), e=f, status=sent (g (in reply to RCPT TO command)'})

    def test_a_line_that_is_cut(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '\r\n'.join(['550-5.2.2 ' + 'mailbox is full ' * 20] * 9 + ['550 5.2.2 end'])
        row = self.one(to, {'status': 'bounced', 'dsn': '5.2.2', 'code': 550, 'category': 'mailbox.full', 'class': 'soft'})
        self.assertGreater(len(row['text']), 1500)

    def test_at_the_end_of_data(self):
        to = self.name + '@nixie.test'
        self.sink.at_data[to] = '554 5.7.1 no'
        self.one(to, {'status': 'bounced', 'dsn': '5.7.1', 'code': 554,
                      'text': 'host 127.0.0.1[127.0.0.1] said: 554 5.7.1 no (in reply to end of DATA command)'})

    def test_a_rude_greeting_is_deferred(self):
        self.one(self.name + '@rude.test', {'status': 'deferred', 'dsn': '4.7.1', 'code': 554,
                                            'text': 'host 127.0.0.1[127.0.0.1] refused to talk to me: 554 5.7.1 nobody likes you'})

    def test_a_closed_port(self):
        row = self.one(self.name + '@busy.test', {'status': 'deferred', 'relay_host': 'none', 'dsn': '4.4.1', 'category': 'network', 'not_counted': None})
        self.assertRegex(row['text'], r'^connect to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: Connection refused$')

    def test_a_host_that_was_skipped_is_no_result(self):
        to = self.name + '@two.test'
        self.grey.at_rcpt[to] = '450 4.2.0 not from you'
        qid = self.postfix.send(to)
        self.postfix.wait_log(qid + ': host ', '450 4.2.0 not from you')
        row, = self.results(qid)
        self.assertEqual([row['status'], row['relay_port']], ['sent', self.sink.port])

    def test_wrong_class(self):
        to = self.name + '@nixie.test'
        self.sink.at_data[to] = '354 again'
        self.one(to, {'status': 'bounced', 'dsn': '5.5.0', 'class': 'soft'})

    # -- what the administrator turned round -------------------------------------

    def test_soft_bounce(self):
        to = self.name + '@softly.test'
        self.sink.at_rcpt[to] = UNKNOWN.format(to)
        self.one(to, {'status': 'SOFTBOUNCE', 'dsn': '4.1.1', 'code': 550, 'category': 'recipient.unknown'})

    def test_a_filter_of_statuses(self):
        to = self.name + '@flip.test'
        self.sink.at_rcpt[to] = '550 5.7.1 spam'
        self.one(to, {'status': 'deferred', 'dsn': '4.7.1', 'code': 550})
        to = self.name + '-full@flip.test'
        self.sink.at_rcpt[to] = '452 4.2.2 mailbox full'
        self.one(to, {'status': 'bounced', 'dsn': '5.2.2', 'code': 452, 'category': 'mailbox.full', 'class': 'soft'})

    # -- odd addresses -----------------------------------------------------------

    def test_smtputf8(self):
        for to in 'Jörg@nixie.test', '用户@nixie.test':
            with self.subTest(to):
                self.one(to, {'to': to, 'status': 'sent'}, options=' SMTPUTF8')

    def test_quoted_local_parts(self):
        for local in ('"a>, relay=x, status=bounced (x"', '"a>, orig_to=<b@nixie.test>, relay=x, delay=0, dsn=5.1.1, status=bounced (550 5.1.1 no)"',
                      '"a b"', r'"a\"b>, relay=x"', '"a@b"', r'"a\\"'):
            with self.subTest(local):
                to = local + '@nixie.test'
                self.one(to, {'to': to, 'orig_to': None, 'status': 'sent', 'dsn': '2.0.0', 'relay_port': self.sink.port, 'ambiguous': None})
        self.one('x@nixie.test', {'status': 'sent', 'sender': '"b>, size=1, nrcpt=9 (queue active)"@nixie.test'},
                 sender='"b>, size=1, nrcpt=9 (queue active)"@nixie.test')

    def test_the_internal_form(self):
        self.one('"a b"@internal.test', {'to': 'a b@internal.test', 'status': 'sent', 'ambiguous': None})
        # a local part that ends where it likes: both readings count for nobody
        for local in ('"victim@internal.test>, relay=x, status=bounced (x"',
                      '"victim@internal.test>, relay=x[192.0.2.1]:25, delay=0, delays=0/0/0/0, dsn=5.1.1, status=bounced (550 5.1.1 no)"',
                      '"victim@internal.test>, orig_to=<b@c>, relay=x, delay=0, dsn=5.1.1, status=bounced (550 5.1.1 no)"'):
            with self.subTest(local):
                self.one(local + '@internal.test', {'ambiguous': True, 'not_counted': 'ambiguous'})
        self.assertNotIn('victim', self.dry_run())

    def test_a_server_that_imitates_a_line(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '550 5.1.1 x>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (550 5.1.1 no)'
        self.one(to, {'to': to, 'ambiguous': True, 'not_counted': 'ambiguous'})
        self.sink.at_rcpt[to] = '550 5.1.1 no)\r\n'.rstrip() + ' ABCDEF0123: to=<victim@nixie.test>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)'
        self.one(to, {'to': to, 'ambiguous': True, 'not_counted': 'ambiguous'})
        self.assertNotIn('victim', self.dry_run())

    def test_an_alias(self):
        row, = self.results(self.postfix.send('alias@nixie.test'))
        self.assertEqual([row['to'], row['orig_to']], ['target@nixie.test', 'alias@nixie.test'])

    def test_verp(self):
        to = 'bounces+%s=example.org@nixie.test' % self.name
        self.one(to, {'to': to, 'status': 'sent', 'sender': 'list+x=y.example@nixie.test'}, sender='list+x=y.example@nixie.test')

    # -- queues ------------------------------------------------------------------

    def test_long_queue_ids(self):
        qid = self.postfix.send(self.name + '@nixie.test', port=self.ports['long'])
        self.assertRegex(qid, r'[a-z].*z')
        row, = self.results(qid)
        self.assertEqual([row['status'], row['sender']], ['sent', 'sender@nixie.test'])

    def expire(self, to, qid):
        self.postfix.set(maximal_queue_lifetime='1s')
        try:
            self.postfix.wait_log(qid + ': from=', 'status=expired', action=self.postfix.flush)
        finally:
            self.postfix.set(maximal_queue_lifetime='2d')

    def test_expired(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '450 4.2.1 busy'
        qid = self.postfix.send(to)
        self.postfix.wait_deferred(qid)
        self.expire(to, qid)
        rows = self.results(qid, count=2)
        self.assertEqual([(r.get('to'), r['status'], r['sender']) for r in rows[:1] + rows[-1:]],
                         [(to, 'deferred', 'sender@nixie.test'), (None, 'expired', 'sender@nixie.test')])

    def test_expired_by_force(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '450 4.2.1 busy'
        qid = self.postfix.send(to)
        self.postfix.wait_deferred(qid)
        self.postfix.postsuper('-f', qid)
        self.postfix.wait_log(qid + ': from=', 'status=force-expired', action=self.postfix.flush)
        row = self.results(qid, count=2)[-1]
        self.assertEqual([row.get('to'), row['status'], row['sender']], [None, 'force-expired', 'sender@nixie.test'])

    def test_notifications_are_nobodys(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = UNKNOWN.format(to)
        qid = self.postfix.send(to, sender=self.name + '-s@nixie.test')
        line, = self.postfix.wait_log(qid + ': sender non-delivery notification: ')
        row, = self.results(line.rsplit(' ', 1)[-1])
        self.assertEqual([row['to'], row['status'], row['sender'], row['not_counted']], [self.name + '-s@nixie.test', 'sent', '', 'null-sender'])

    # -- what is not the sender's delivery -----------------------------------------

    def test_sendmail_bv(self):
        self.sink.at_rcpt['bad-bv@nixie.test'] = UNKNOWN.format('bad-bv@nixie.test')
        for to, status in ('good-bv@nixie.test', 'deliverable'), ('bad-bv@nixie.test', 'undeliverable'):
            with self.subTest(to):
                self.postfix.sendmail(to, b'', '-bv')
                line, = self.postfix.wait_log('to=<%s>' % to, 'status=' + status)
                row, = self.results(re.search(r': (\w+): to=', line).group(1))
                self.assertEqual([row['to'], row['status'], row['not_counted']], [to, status, 'probes'])
                self.assertEqual(row.get('category'), 'recipient.unknown' if status == 'undeliverable' else None)

    def test_reject_unverified_recipient(self):
        for to in 'bad-rcpt@nixie.test', 'bad-rcpt@uncached.test':
            self.sink.at_rcpt[to] = UNKNOWN.format(to)
        for to, status, code in (('good-rcpt@nixie.test', 'deliverable', 250), ('bad-rcpt@nixie.test', 'undeliverable', 550),
                                 ('bad-rcpt@uncached.test', 'undeliverable-but-not-cached', 450)):
            with self.subTest(to):
                with self.postfix.client(self.ports['verify']) as c:
                    c.ehlo()
                    c.mail('sender@nixie.test')
                    wait_until(lambda: c.rcpt(to)[0] == code, 'the probe of ' + to)
                line, *_ = self.postfix.wait_log('to=<%s>' % to, 'status=' + status)
                row, = self.results(re.search(r': (\w+): to=', line).group(1))
                self.assertEqual([row['status'], row['not_counted']], [status, 'probes'])
                self.assertTrue(row['sender'].startswith('double-bounce@'))

    def test_always_bcc(self):
        to = self.name + '@nixie.test'
        qid = self.postfix.send(to, port=self.ports['bcc'])
        rows = self.results(qid, count=2)
        self.assertEqual({r['to']: r.get('not_counted') for r in rows}, {to: None, 'archive@nixie.test': None})
        rows = self.results(qid, '-o', 'logtail.bcc=other@nixie.test, Archive@nixie.test', count=2)
        self.assertEqual({r['to']: r.get('not_counted') for r in rows}, {to: None, 'archive@nixie.test': 'bcc'})

    def pass_on(self, port):
        """A content filter that gives mail back to this port."""
        def pass_on(sender, recipients, text, identity):
            with smtplib.SMTP('127.0.0.1', port, local_hostname='filter.test', timeout=60) as c:
                c.ehlo()
                c.docmd('XFORWARD', 'IDENT=' + identity)
                c.mail(sender)
                for r in recipients:
                    c.rcpt(r)
                code, reply = c.data(text)
            return '%d 2.0.0 from MTA(smtp:[127.0.0.1]:%d): %d %s' % (code, port, code, reply.decode())
        return pass_on

    def test_through_a_filter(self):
        for name in 'back', 'other':
            with self.subTest(name):
                to = '%s-%s@nixie.test' % (self.name, name)
                self.filter.pass_on = self.pass_on(self.ports[name])
                first = self.postfix.send(to, port=self.ports['scan'])
                row, = self.results(first)
                self.assertEqual([row['status'], row['not_counted'], row['relay_port']], ['sent', 'internal-hops', self.filter.port])
                second = row['text'].rsplit(' ', 1)[-1]
                line, = self.postfix.wait_log(second + ': client=')
                self.assertIn('orig_queue_id=' + first, line)
                row, = self.results(second)
                self.assertEqual([row['to'], row['status'], row.get('not_counted')], [to, 'sent', None])

    def test_what_has_no_queue_id(self):
        with self.postfix.client() as c:
            c.ehlo()
            c.mail('sender@nixie.test')
            self.assertEqual(c.rcpt(self.name + '@error.test')[0], 550)
        self.postfix.wait_log('NOQUEUE: reject: RCPT')
        self.one(self.name + '@nixie.test', {'status': 'sent'})

    def test_requeued(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '450 4.2.1 busy'
        first = self.postfix.send(to)
        self.postfix.wait_deferred(first)
        del self.sink.at_rcpt[to]
        self.postfix.postsuper('-r', first)
        line, = self.postfix.wait_log('postfix/pickup', 'orig_id=' + first, action=self.postfix.flush)
        row, = self.results(re.search(r': (\w+): uid=', line).group(1))
        self.assertEqual([row['to'], row['status'], row['sender']], [to, 'sent', 'sender@nixie.test'])

    def test_a_transport_that_is_not_there(self):
        self.one(self.name + '@nowhere.test', {'process': 'postfix/error', 'status': 'deferred', 'text': 'mail transport unavailable',
                                               'not_counted': 'no-attempt'})

    def test_removed_by_the_administrator(self):
        to = self.name + '@nixie.test'
        self.sink.at_rcpt[to] = '450 4.2.1 busy'
        qid = self.postfix.send(to)
        self.postfix.wait_deferred(qid)
        self.postfix.postsuper('-d', qid)
        self.postfix.wait_log('postfix/postsuper', qid + ': removed')
        row, = self.results(qid)
        self.assertEqual(row['status'], 'deferred')
