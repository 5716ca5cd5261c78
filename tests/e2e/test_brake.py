"""The brake: when failures jump, addresses are held instead of suppressed, and an alert says so.

The days lie in the future, because programs take their clock from NIXIE_CLOCK and Redis does not:
what was to expire by an earlier clock would be gone at once.
"""
import contextlib
import functools
import os
import re
import signal
import time

from harness.case import Case
from harness.maillog import Message
from harness.nixie import OK
from harness.proc import wait_until

MINUTE, HOUR, DAY = 60, 3600, 86400
# The jump begins then, at ten in the morning (UTC).
T = (int(time.time()) // DAY + 30) * DAY + 10 * HOUR
MINIMUM = 20            # brake.minimum
BUCKET = 5 * MINUTE     # a twelfth of brake.window

GOOGLE, OTHER = 'aspmx.l.google.com', 'mx.example.net'
NO_SUCH = {GOOGLE: '550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking '
                   "the recipient's email address for typos or unnecessary spaces. - gsmtp",
           OTHER: '550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table'}
NO_MX = '421 4.4.0 [internal] no MXs for this domain could be reached at this time'
BRAKED = {'hard/provider/google', 'hard/dest/gmail.com'}


def mail(when, to, reply=None, relay=GOOGLE, sender='news@example.org', host='mx1'):
    """One message: delivered, or refused with that reply."""
    m = Message(sender=sender, when=when, host=host)
    text = '250 2.0.0 OK' if not reply else 'host %s[192.0.2.99] said: %s (in reply to RCPT TO command)' % (relay, reply.format(to=to))
    return (m.begin() + m.line('smtp', '%s: to=<%s>, relay=%s[192.0.2.99]:25, delay=1, delays=0/0/0/1, dsn=%s, status=%s (%s)' % (
        m.qid, to, relay, reply.split()[1] if reply else '2.0.0', 'bounced' if reply else 'sent', text), 1.0) + m.removed())


def gone(when, to, relay=GOOGLE, **kw):
    return mail(when, to, NO_SUCH[relay], relay, **kw)


def every(step, begin, end, one):
    """one(time, n) for each time."""
    return ''.join(one(when, n) for n, when in enumerate(range(begin, end, step)))


@functools.lru_cache(None)
def week(percent=1, step=300):
    """Seven days of what is usual, up to T: gmail.com and another domain in turns."""
    def one(when, n):
        relay, domain = (GOOGLE, 'gmail.com') if n % 2 else (OTHER, 'example.net')
        if n // 2 % (100 // percent) == 50 % (100 // percent):
            return gone(when, 'dead%d@%s' % (n, domain), relay)
        return mail(when, 'reader%d@%s' % (n % 300, domain), relay=relay)
    return every(step, T - 7 * DAY, T, one)


@functools.lru_cache(None)
def jump(begin=T, end=T + 3 * HOUR, step=60):
    """Google says that its users are none."""
    return every(step, begin, end, lambda when, n: gone(when, 'valid%d@gmail.com' % ((when - T) // step)))


@functools.lru_cache(None)
def quiet(begin=T + 3 * HOUR, end=T + 6 * HOUR, step=60):
    return every(step, begin, end, lambda when, n: mail(when, 'reader%d@gmail.com' % n))


def stamp_of(line):
    return line[:26]


def merge(*texts):
    """As one host would have written them."""
    return ''.join(sorted(''.join(texts).splitlines(True), key=stamp_of))


class BrakeCase(Case):
    partitions = 1

    def setUp(self):
        super().setUp()
        self.with_redis()
        self.configure(self.site)
        self.said = ''

    def make_site(self, redis=None, name=None):
        site = super().make_site(redis, name)
        site.options['brake'] = {'enabled': True}
        site.write_conf()
        return site

    def configure(self, site, **redis):
        site.options['redis'].update(redis)
        if self.partitions > 1:
            site.options['redis']['partitions'] = self.partitions
        site.write_conf()

    @contextlib.contextmanager
    def clock(self, now):
        os.environ['NIXIE_CLOCK'] = str(int(now))
        try:
            yield
        finally:
            del os.environ['NIXIE_CLOCK']

    def logtail(self, now, *args, host='mx1', site=None, **kw):
        """On a host of that name."""
        with self.clock(now):
            return (site or self.site).logtail(*args, prefix=('unshare', '-u', 'sh', '-c', 'hostname "$0" && exec "$@"', host), **kw)

    def append(self, text, site=None):
        with open((site or self.site).log_path, 'a') as f:
            f.write(text)

    def read(self, text, now, host='mx1', site=None):
        """To the end of the log, when it is so late; returns what was said."""
        self.append(text, site)
        child = self.logtail(now, '--once', host=host, site=site, ready=False)
        self.assertEqual(child.wait(), OK, child.log())
        self.said += child.log()
        return child.log()

    def read_live(self, text, begin, end, step=15 * MINUTE):
        """Piece by piece, each when it was written: so many restarts."""
        lines = text.splitlines(True)
        for until in range(begin + step, end + step, step):
            piece = [line for line in lines if stamp_of(line) < self.stamp(until)]
            del lines[:len(piece)]
            self.read(''.join(piece), until)

    @staticmethod
    def stamp(when):
        return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(when))

    def states(self, prefix='nixie'):
        """{address: (status, reason, since, until)} of everybody on record."""
        out = {}
        for key in self.redis.command('KEYS', prefix + ':{*}:addr:*'):
            e = self.redis.hgetall(key)
            out[key.split(':addr:')[1]] = e['status'], e.get('reason'), e.get('since'), e.get('until')
        return out

    def by_status(self, pattern, prefix='nixie'):
        """{status: {addresses}} of those that match."""
        out = {}
        for address, state in self.states(prefix).items():
            if re.search(pattern, address):
                out.setdefault(state[0], set()).add(address)
        return out

    def entry(self, address):
        return self.redis.hgetall('nixie:{0}:addr:' + address)

    def alerts(self, prefix='nixie'):
        return set(self.redis.hgetall(prefix + ':{0}:alerts'))

    def alert_log(self, prefix='nixie', kind='hard'):
        """[(id, event)] of these alerts, in order."""
        rows = [dict(zip(f[::2], f[1::2])) for _, f in self.redis.command('XRANGE', prefix + ':{0}:alert-log', '-', '+')]
        return [(r['alert'], r['event']) for r in rows if r['alert'].startswith(kind + '/')]

    def assertOnce(self, ids, closed=True, prefix='nixie'):
        log = self.alert_log(prefix)
        for alert in ids:
            self.assertEqual([e for a, e in log if a == alert], ['open', 'closed'] if closed else ['open'], (alert, log))
        self.assertEqual(bool(ids & self.alerts(prefix)), not closed)

    def journal(self, partition=0):
        return [dict(zip(f[::2], f[1::2])) for _, f in self.redis.command('XRANGE', 'nixie:{%d}:journal' % partition, '-', '+')]


class Event(BrakeCase):
    """A provider that is one of two: half of all mail, so that the jump is one of all mail, too."""

    def test_few_become_hard_all_others_are_held(self):
        self.read(week() + jump(), T + 3 * HOUR)
        by = self.by_status('^valid')
        self.assertEqual(set(by), {'hard', 'held'})
        # the last one of the minimum opens it, and is held already
        self.assertEqual(by['hard'], {'valid%d@gmail.com' % n for n in range(MINIMUM - 1)})
        self.assertEqual(len(by['held']), 180 - (MINIMUM - 1))
        for address in by['held']:
            e = self.entry(address)
            self.assertEqual((int(e['until']) - int(e['since']), e['reason']), (DAY, 'recipient.unknown'))
        why = {j['address']: j['why'] for j in self.journal() if j['address'].startswith('valid')}
        self.assertEqual({a for a, w in why.items() if w == 'brake'}, by['held'])
        self.assertEqual({a for a, w in why.items() if w == 'failure'}, by['hard'])
        self.assertOnce(BRAKED, closed=False)

    def test_it_opens_and_closes_once(self):
        self.read(week() + jump() + quiet(), T + 6 * HOUR)
        self.assertOnce(BRAKED)
        self.assertEqual(self.said.count('alert=open hard bounces of provider google'), 1)
        self.assertEqual(self.said.count('alert=closed over: hard bounces of provider google'), 1)
        # then a dead address is one again
        self.read(gone(T + 6 * HOUR, 'dead@gmail.com'), T + 6 * HOUR + 5)
        self.assertEqual(self.entry('dead@gmail.com')['status'], 'hard')

    def test_the_command_that_the_alert_tells(self):
        self.read(week() + jump() + quiet(), T + 6 * HOUR)
        before = {a: s for a, s in self.states().items() if not a.startswith('valid')}
        self.assertGreater(len([s for s in before.values() if s[0] == 'hard']), 15)
        line, = [x for x in self.said.splitlines() if 'alert=open hard bounces of provider google' in x]
        command = re.search(r'nixie (undo --yes .*)$', line).group(1)
        self.assertEqual(command, 'undo --yes --since %sZ --provider google' % self.stamp(T))
        self.assertIn('180 addresses restored', self.site.ctl_ok(*command.split(), '--yes'))
        self.assertEqual(self.states(), before)

    def test_closing_names_the_same_beginning(self):
        self.read(jump(T, T + 2 * HOUR), T + 2 * HOUR)
        self.read(jump(T + 2 * HOUR) + quiet(T + 3 * HOUR, T + 5 * HOUR), T + 5 * HOUR)
        lines = [x for x in self.said.splitlines() if 'hard bounces of provider google' in x]
        self.assertEqual(['alert=open' in x for x in lines], [True, False], lines)
        for line in lines:
            self.assertIn('undo --yes --since %sZ --provider google' % self.stamp(T), line)

    def test_after_the_term_one_message(self):
        self.read(week() + jump() + quiet(), T + 6 * HOUR)
        later = T + DAY + 4 * HOUR
        self.site.write_conf()
        with self.clock(T + 6 * HOUR):
            self.site.policyd()
        self.assertSuppressed(self.site.ask('valid100@gmail.com', instance='4f2.1'), 'recipient.unknown')
        self.site.children[-1].stop()
        with self.clock(later):
            self.site.policyd()
        for who in 'valid100@gmail.com', 'valid101@gmail.com':
            answers = [self.site.ask(who, instance='4f2.%d' % n) for n in range(5)]
            self.assertDunno(answers[0])
            for answer in answers[1:]:
                self.assertSuppressed(answer, 'awaiting the fate of another message')
        self.read(mail(later, 'valid100@gmail.com') + gone(later + 5, 'valid101@gmail.com'), later + 10)
        self.assertEqual(self.entry('valid100@gmail.com'), {})
        e = self.entry('valid101@gmail.com')
        self.assertEqual((e['status'], e.get('until')), ('hard', None))
        self.assertDunno(self.site.ask('valid100@gmail.com', instance='4f2.9'))
        self.assertSuppressed(self.site.ask('valid101@gmail.com', instance='4f2.9'), 'recipient.unknown')

    def test_what_was_held_or_said_before_stays(self):
        self.site.ctl_ok('suppress', 'valid100@gmail.com')
        full = '552 5.2.2 The recipient\'s inbox is out of storage space. - gsmtp'
        self.read(week() + mail(T - 4 * DAY, 'valid101@gmail.com', full) + mail(T - HOUR, 'valid101@gmail.com', full), T)
        held = self.states()['valid101@gmail.com']
        self.assertEqual(held[:2], ('held', 'mailbox.full'))
        self.read(jump(), T + 3 * HOUR)
        self.assertEqual(self.states()['valid100@gmail.com'][0], 'manual')
        self.assertEqual(self.states()['valid101@gmail.com'], held)

    def test_read_again_it_is_the_same(self):
        text = merge(jump(), quiet())
        self.read(week(), T)
        self.read_live(text, T, T + 6 * HOUR)
        live = self.states()
        again = self.make_site(self.redis, 'again')
        self.configure(again, prefix='again')
        self.read(week() + text, T + 6 * HOUR, site=again)
        self.assertEqual(self.states('again'), live)
        self.assertEqual(len(self.by_status('^valid', 'again')['hard']), MINIMUM - 1)
        self.assertOnce(BRAKED)
        self.assertOnce(BRAKED, prefix='again')

    def test_off(self):
        self.site.options['brake'] = {'enabled': False}
        self.site.write_conf()
        self.read(week() + jump(), T + 3 * HOUR)
        self.assertEqual(set(self.by_status('^valid')), {'hard'})
        self.assertEqual(self.alert_log(), [])
        # nor when a restart finds the jump in the counters
        self.read(gone(T + 3 * HOUR, 'valid@gmail.com'), T + 3 * HOUR + 5)
        self.assertEqual(self.alert_log(), [])


class EventInPartitions(BrakeCase):
    partitions = 8

    def test_the_same_in_eight_partitions(self):
        self.read(week() + jump(T, T + 90 * MINUTE), T + 90 * MINUTE)
        self.read(jump(T + 90 * MINUTE) + quiet(), T + 6 * HOUR)
        eight = self.states()
        partitions = {key.split(':')[1] for key in self.redis.command('KEYS', 'nixie:{*}:addr:valid*')}
        self.assertEqual(len(partitions), 8)
        self.assertOnce(BRAKED)
        one = self.make_site(self.redis, 'one')
        one.options['redis']['prefix'] = 'one'
        one.write_conf()
        self.read(week() + jump() + quiet(), T + 6 * HOUR, site=one)
        self.assertEqual(eight, self.states('one'))
        self.assertEqual(len(self.by_status('^valid')['hard']), MINIMUM - 1)

    def test_the_command_reaches_all(self):
        self.read(week() + jump(), T + 3 * HOUR)
        self.site.ctl_ok('undo', '--since', self.stamp(T) + 'Z', '--provider', 'google', '--yes')
        self.assertEqual(self.by_status('^valid'), {})


class Others(BrakeCase):
    """Who else is touched."""

    def busy(self, begin, end, dead):
        """Much mail to another provider, with some dead addresses."""
        def one(when, n):
            if n % 100 == 50:
                return gone(when, '%s%d@example.net' % (dead, (when - T) // 5), OTHER)
            return mail(when, 'reader%d@example.net' % (n % 300), relay=OTHER)
        return every(5, begin, end, one)

    def test_another_provider_is_not_touched(self):
        # 60 of 780 an hour: no jump of all mail
        self.read(merge(week(), self.busy(T - HOUR, T, 'before')), T)
        self.read(merge(jump(T, T + 2 * HOUR), self.busy(T, T + 2 * HOUR, 'lost')), T + 2 * HOUR)
        self.assertEqual(self.alerts(), BRAKED)
        self.assertEqual({k: len(v) for k, v in self.by_status('^valid').items()}, {'hard': MINIMUM - 1, 'held': 120 - (MINIMUM - 1)})
        lost = self.by_status('^lost')
        self.assertEqual(set(lost), {'hard'})
        self.assertGreater(len(lost['hard']), 10)

    def test_when_all_mail_jumped_everybody_is_held(self):
        # the jump is more than a tenth of all mail: then it may as well be ours
        calm = every(60, T, T + 2 * HOUR, lambda when, n: mail(when + 30, 'reader%d@example.net' % n, relay=OTHER) if n % 20 else
                     gone(when + 30, 'lost%d@example.net' % n, OTHER))
        self.read(merge(week(), jump(T, T + 2 * HOUR), calm), T + 2 * HOUR)
        self.assertIn('hard/all', self.alerts())
        self.assertEqual({a: s[0] for a, s in self.states().items() if a.startswith('lost')},
                         {'lost%d@example.net' % n: 'hard' if n == 0 else 'held' for n in range(0, 120, 20)})
        self.assertNotIn('hard/dest/example.net', self.alerts())

    def test_a_small_dead_domain(self):
        dead = every(180, T, T + 45 * MINUTE, lambda when, n: gone(when + 7, 'gone%d@dead.example' % n, OTHER))
        self.read(merge(week(), dead, self.busy(T - HOUR, T + HOUR, 'lost')), T + HOUR)
        self.assertEqual({k: len(v) for k, v in self.by_status('@dead.example').items()}, {'hard': 15})
        self.assertEqual(self.alert_log(), [])

    def test_a_busy_provider(self):
        # two a second: when it opens, a tenth of what the newest two buckets hold has failed
        def busy(begin, end, one):
            return ''.join(one(begin + n / 2, n) for n in range(2 * (end - begin)))
        before = busy(T - 2 * BUCKET, T, lambda when, n: mail(when, 'reader%d@gmail.com' % (n % 300)))
        failing = busy(T, T + 2 * MINUTE, lambda when, n: gone(when, 'valid%d@gmail.com' % n))
        self.read(merge(before, failing), T + 2 * MINUTE)
        by = self.by_status('^valid')
        before = 2 * BUCKET         # results in the bucket before
        self.assertLessEqual(len(by['hard']), before // 9)     # n of (before + n) are a tenth
        self.assertGreater(len(by['hard']), MINIMUM)
        self.assertEqual(by['hard'], {'valid%d@gmail.com' % n for n in range(len(by['hard']))})
        self.assertEqual(len(by['held']), 240 - len(by['hard']))

    def test_a_wrong_rule(self):
        rules = os.path.join(self.directory, 'own')
        os.mkdir(rules)
        with open(os.path.join(rules, 'own.conf'), 'w') as f:
            f.write('rules = ( { id = "own.wrong"; category = "recipient.unknown"; text = "not today"; } );\n')
        self.site.options['rules'] = {'directories': [rules]}
        self.site.write_conf()
        # a list of which a twentieth is dead: four times that are 20 % of all mail, and own.wrong has 14 %

        def one(when, n):
            if n % 20 == 3:
                return gone(when, 'lost%d@d%d.example' % (n, n % 97), OTHER)
            if n % 7 == 6:
                return mail(when, 'fine%d@d%d.example' % (n, n % 97), '550 5.7.1 not today, please', OTHER)
            return mail(when, 'reader%d@d%d.example' % (n, n % 97), relay=OTHER)
        self.read(week(percent=5), T)
        self.read(every(10, T, T + 2 * HOUR, one), T + 2 * HOUR)
        self.assertEqual(self.alerts(), {'hard/rule/own.wrong'})
        fine = self.by_status('^fine')
        self.assertEqual(len(fine['held']) + len(fine['hard']), len([n for n in range(720) if n % 20 != 3 and n % 7 == 6]))
        self.assertLessEqual(len(fine['hard']), MINIMUM)
        self.assertEqual(set(self.by_status('^lost')), {'hard'})
        line, = [x for x in self.said.splitlines() if 'alert=open hard bounces by rule own.wrong' in x]
        self.site.ctl_ok(*re.search(r'nixie (undo --yes .*)$', line).group(1).split())
        self.assertEqual(self.by_status('^fine'), {})
        self.assertEqual(set(self.by_status('^lost')), {'hard'})

    def test_an_alias_is_held_as_its_target(self):
        self.site.options['attribute-to'] = 'both'
        self.site.write_conf()
        text = week() + jump(T, T + HOUR)
        alias = gone(T + HOUR, 'valid@gmail.com').replace('to=<valid@gmail.com>,', 'to=<valid@gmail.com>, orig_to=<alias@here.example>,')
        self.assertIn('orig_to', alias)
        self.read(text + alias, T + HOUR + 5)
        self.assertEqual({a: s[0] for a, s in self.states().items() if a in ('valid@gmail.com', 'alias@here.example')},
                         {'valid@gmail.com': 'held', 'alias@here.example': 'held'})


class OurDns(BrakeCase):
    def expired(self, when, to):
        """Given up after four hours."""
        m = Message(when=when)
        return (m.begin() + ''.join(m.deferred(to, NO_MX, after=float(a)) for a in range(60, 4 * HOUR, 15 * MINUTE))
                + m.line('qmgr', '%s: from=<%s>, status=expired, returned to sender' % (m.qid, m.sender), 4.0 * HOUR)
                + m.removed(4.0 * HOUR + 1))

    def test_nobody_becomes_hard(self):
        readers = ['reader%d@d%d.example' % (n, n % 23) for n in range(60)]
        text = ''.join(self.expired(T + k * 5 * HOUR + n * 300, to) for k in range(4) for n, to in enumerate(readers))
        text = merge(week(), text).splitlines(True)
        # a restart after midnight: most of what is usual then is the failures of the day before
        first = [line for line in text if stamp_of(line) < self.stamp(T + 15 * HOUR)]
        self.read(''.join(first), T + 15 * HOUR)
        self.read(''.join(text[len(first):]), T + DAY)
        by = self.by_status('^reader.*@d[0-9]+.example')
        self.assertNotIn('hard', by)
        self.assertEqual(by.get('held'), set(readers))
        self.assertEqual({j['why'] for j in self.journal() if j['to'] == 'held'}, {'brake'})
        self.assertIn('failing/all', self.alerts())
        # the domains are there again: so are the readers
        self.read(''.join(mail(T + DAY + n * 30, to, relay=OTHER) for n, to in enumerate(readers)), T + DAY + HOUR)
        self.assertEqual(self.by_status('^reader.*@d[0-9]+.example'), {})

    def test_what_fails_as_usual_opens_nothing(self):
        # A queue with dead domains in it: a quarter of all attempts, each day
        def one(when, n):
            m = Message(when=when)
            if n % 4:
                return mail(when, 'reader%d@example.net' % (n % 300), relay=OTHER)
            return m.begin() + m.deferred('nobody%d@d%d.example' % (n % 40, n % 23), NO_MX)
        self.read(every(120, T - 8 * DAY, T, one), T)
        opened = len(self.alert_log(kind='failing'))
        self.read(every(20, T, T + 6 * HOUR, one), T + 6 * HOUR)
        self.assertEqual(self.alert_log(kind='failing')[opened:], [])
        self.assertEqual({a for a in self.alerts() if a.startswith('failing/')}, set())


class Restarts(BrakeCase):
    """A reader that follows the log while it is so late: the jump lasts since forty minutes."""
    NOW = T + 40 * MINUTE

    def setUp(self):
        super().setUp()
        self.read(week(), T)
        self.reader = self.logtail(self.NOW)

    def follow(self, begin, end, step=20):
        """What failed in these minutes is written, and read."""
        n = (end - begin) * MINUTE // step
        before = self.site.counter('hard')
        self.append(jump(T + begin * MINUTE, T + end * MINUTE, step))
        self.site.wait_counter('hard', before + n)

    def held_and_hard(self):
        by = self.by_status('^valid')
        return len(by.get('held', ())), len(by.get('hard', ()))

    def restart(self, how):
        if how == signal.SIGKILL:
            self.reader.kill()
        else:
            self.assertEqual(self.reader.stop(how), OK)
        self.reader = self.logtail(self.NOW)

    def test_in_the_middle(self):
        self.follow(0, 10)
        self.assertEqual(self.held_and_hard(), (30 - (MINIMUM - 1), MINIMUM - 1))
        self.restart(signal.SIGTERM)
        self.follow(10, 20)
        self.assertEqual(self.held_and_hard(), (60 - (MINIMUM - 1), MINIMUM - 1))
        self.restart(signal.SIGKILL)
        self.follow(20, 30)
        self.assertEqual(self.held_and_hard(), (90 - (MINIMUM - 1), MINIMUM - 1))
        self.assertOnce(BRAKED, closed=False)
        self.reader.kill()
        self.read(quiet(T + 40 * MINUTE, T + 3 * HOUR), T + 3 * HOUR)
        self.assertOnce(BRAKED)
        self.read(gone(T + 3 * HOUR, 'dead@gmail.com'), T + 3 * HOUR + 5)
        self.assertEqual(self.entry('dead@gmail.com')['status'], 'hard')

    def test_killed_before_it_opened(self):
        # what was counted before counts
        self.follow(0, 5)
        self.assertEqual(self.held_and_hard(), (0, 15))
        self.restart(signal.SIGKILL)
        self.follow(5, 10)
        self.assertEqual(self.held_and_hard(), (30 - (MINIMUM - 1), MINIMUM - 1))

    def test_being_seen_again_is_not_another_opening(self):
        self.follow(0, 10)
        for minutes in 6, 12:
            self.reader.stop()
            self.NOW += minutes * MINUTE
            self.reader = self.logtail(self.NOW)
            self.follow(5 + minutes, 10 + minutes)
        self.assertOnce(BRAKED, closed=False)
        seen = re.search(r'seen=(\d+)', self.redis.hgetall('nixie:{0}:alerts')['hard/provider/google']).group(1)
        self.assertEqual(int(seen), self.NOW)

    def test_a_restart_makes_no_jump(self):
        # 31 of 581 are no tenth; of the minute the failures are the first counter
        before = self.site.counters()
        self.append(''.join(mail(T - 300 + n, 'reader%d@gmail.com' % n) for n in range(250)) + gone(T, 'dead@gmail.com'))
        self.site.wait_counter('hard', before['hard'] + 1)
        self.append(''.join(mail(T + 1 + n / 10, 'reader%d@gmail.com' % n) for n in range(300))
                    + ''.join(gone(T + 32 + n / 2, 'dead%d@gmail.com' % n) for n in range(30)))
        self.site.wait_counter('hard', before['hard'] + 31)
        self.restart(signal.SIGKILL)
        self.restart(signal.SIGTERM)
        self.assertEqual(self.alert_log(), [])

    def test_switched_off_and_on(self):
        self.follow(0, 10)
        self.site.options['brake'] = {'enabled': False}
        self.site.write_conf()
        self.reader.send_signal(signal.SIGHUP)
        self.reader.wait_log('reloaded')
        self.follow(10, 15)
        self.assertEqual(self.held_and_hard(), (30 - (MINIMUM - 1), MINIMUM - 1 + 15))
        # what was counted is written before that
        wait_until(lambda: not BRAKED & self.alerts(), 'end of the alerts', child=self.reader)
        self.assertOnce(BRAKED)
        self.site.options['brake'] = {'enabled': True}
        self.site.write_conf()
        self.reader.send_signal(signal.SIGHUP)
        wait_until(lambda: self.reader.log().count('alert=open hard bounces of provider google') == 2, 'second opening', child=self.reader)
        self.follow(15, 20)
        self.assertEqual(self.held_and_hard()[1], MINIMUM - 1 + 15)


class TwoHosts(BrakeCase):
    """mx2 has a log and a reader of its own."""

    def setUp(self):
        super().setUp()
        self.read(week(), T)
        self.first = self.site
        self.second = self.make_site(self.redis, 'second')

    def read_at(self, host, text, now):
        return self.read(text, now, host=host, site={'mx1': self.first, 'mx2': self.second}[host])

    def test_the_other_honours_it(self):
        self.read_at('mx1', jump(T, T + HOUR), T + HOUR)
        text = every(60, T + 50 * MINUTE, T + HOUR, lambda when, n: gone(when, 'mine%d@gmail.com' % n, host='mx2'))
        self.read_at('mx2', text, T + HOUR)
        self.assertEqual({k: len(v) for k, v in self.by_status('^mine').items()}, {'held': 10})
        self.assertOnce(BRAKED, closed=False)
        self.read_at('mx1', quiet(T + HOUR, T + 4 * HOUR), T + 4 * HOUR)
        self.assertOnce(BRAKED)
        self.read_at('mx2', gone(T + 4 * HOUR, 'mine@gmail.com', host='mx2'), T + 4 * HOUR + 5)
        self.assertEqual(self.entry('mine@gmail.com')['status'], 'hard')

    def test_a_reader_that_runs_hears_of_it(self):
        reader = self.logtail(T + HOUR, host='mx2', site=self.second)
        self.read_at('mx1', jump(T, T + HOUR), T + HOUR)
        # the counters of both are one: what opened the alert there is not what opens it here
        reader.wait_log('caught up')

        def heard():
            n = heard.n = heard.n + 1
            before = self.site.counter('hard')
            self.append(gone(T + HOUR - 60, 'mine%d@gmail.com' % n, host='mx2'), self.second)
            self.site.wait_counter('hard', before + 1)
            return self.entry('mine%d@gmail.com' % n)['status'] == 'held'
        heard.n = 0
        end = time.monotonic() + 60
        while not heard():
            self.assertLess(time.monotonic(), end, 'no brake at the second reader')
            time.sleep(1)
        self.assertLess(heard.n, MINIMUM)
        self.assertOnce(BRAKED, closed=False)

    def test_who_opened_it_closes_it(self):
        self.read_at('mx1', jump(T, T + HOUR), T + HOUR)
        # as many here, and then quiet, while it goes on there
        self.read_at('mx2', every(60, T + 20 * MINUTE, T + HOUR, lambda when, n: gone(when, 'mine%d@gmail.com' % n, host='mx2'))
                     + every(5, T + HOUR, T + 3 * HOUR, lambda when, n: mail(when, 'reader%d@gmail.com' % n, host='mx2')), T + 3 * HOUR)
        self.assertOnce(BRAKED, closed=False)
        self.read_at('mx1', jump(T + HOUR, T + 3 * HOUR), T + 3 * HOUR)
        self.assertOnce(BRAKED, closed=False)
        self.assertEqual(len(self.by_status('^(valid|mine)')['hard']), MINIMUM - 1)
        self.read_at('mx1', quiet(T + 3 * HOUR, T + 6 * HOUR, 20), T + 6 * HOUR)
        self.assertOnce(BRAKED)
