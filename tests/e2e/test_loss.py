"""Lines that are lost: what says so is believed, what a delivery among them may have ended is not counted."""
import os
import time

from harness.case import Case
from harness.maillog import Message, delivered, full, hard, stamp
from harness.nixie import OK, run
from harness.proc import wait_until

DAY = 86400
GAPS = 'nixie:{0}:gaps'
NO_MX = '421 4.4.0 [internal] no MXs for this domain could be reached at this time'


def says(text, when, process='systemd-journald[1]'):
    """A line of the host's own logger."""
    return '%s mx1 %s: %s\n' % (stamp(when), process, text)


def suppressed(when, n=1234):
    return says('Suppressed %d messages from postfix.service' % n, when)


class Loss(Case):
    def setUp(self):
        super().setUp()
        self.with_redis()
        self.now = int(time.time()) - 10 * DAY
        self.first, self.second = (full('user@example.com', when=self.now + n * DAY) for n in (0, 5))
        self.between = self.now + 2 * DAY

    def read(self, *texts, path=None):
        """One reading for each text; the log grows."""
        path = path or self.site.log_path
        for text in texts:
            with open(path, 'a') as f:
                f.write(text)
            done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', path)
            self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def want(self, status, address='user@example.com'):
        self.assertEqual(self.site.status(address), status)

    def lost(self):
        return {k.split(':', 1)[1]: int(v) for k, v in self.redis.hgetall(GAPS).items()}

    def test_without_a_loss_it_converts(self):
        self.read(self.first, self.second)
        self.want('held')
        self.assertEqual(self.lost(), {})

    def test_a_notice_between(self):
        for name, text in (('journald', suppressed(self.between)),
                           ('rsyslog', says('imuxsock[pid: 4]: 7 messages lost due to rate-limiting (200 allowed within 5 seconds)',
                                            self.between, 'rsyslogd'))):
            with self.subTest(name):
                self.redis.command('FLUSHALL')
                path = os.path.join(self.directory, name)
                self.read(self.first, text, self.second, path=path)
                self.want('soft')
                self.assertEqual(self.lost(), {path: self.between})

    def test_in_one_reading(self):
        self.read(self.first + suppressed(self.between) + self.second)
        self.want('soft')

    def test_a_notice_before_both(self):
        self.read(suppressed(self.now - DAY), self.first, self.second)
        self.want('held')

    def test_it_converts_by_what_comes_after(self):
        self.read(self.first, suppressed(self.between), self.second, full('user@example.com', when=self.now + 9 * DAY))
        self.want('held')

    def test_what_no_delivery_ends_converts(self):
        m = [Message(when=self.now + n * DAY) for n in range(4)]
        texts = [x.begin() + x.bounced('user@example.com', NO_MX) + x.removed() for x in m]
        self.read(texts[0], suppressed(self.now + DAY // 2), *texts[1:])
        self.want('hard')

    def test_what_a_reply_says(self):
        fake = Message(when=self.between)
        words = '552 5.2.2 systemd-journald[1]: Suppressed 9 messages from postfix.service; rsyslogd: imjournal: begin to drop messages due to rate-limiting'
        self.read(self.first, fake.begin() + fake.bounced('other@example.com', words) + fake.removed(), self.second)
        self.want('held')
        self.assertEqual(self.lost(), {})

    def test_another_service(self):
        self.read(self.first, says('Suppressed 12 messages from nginx.service', self.between), self.second)
        self.want('held')

    def test_in_another_log(self):
        other = os.path.join(self.directory, 'other.log')
        self.read(self.first)
        self.read(suppressed(self.between), path=other)
        self.read(self.second)
        self.want('soft')
        self.assertEqual(self.lost(), {other: self.between})

    def test_the_place_is_gone(self):
        self.read(self.first)
        os.unlink(self.site.log_path)
        said = self.read(delivered('other@example.com', when=self.between), self.second)
        self.want('soft')
        self.assertEqual(self.lost(), {self.site.log_path: self.between})
        self.assertNotIn('are lost', said)      # of the last reading: it lost nothing

    def test_a_log_that_is_emptied(self):
        """Without a copy nobody knows what was written since it was read last."""
        self.read(self.first)
        self.site.logtail()
        with open(self.site.log_path, 'w') as f:
            f.write(delivered('other@example.com', when=self.between) + self.second)
        wait_until(lambda: self.lost() == {self.site.log_path: self.between}, 'the gap')
        wait_until(lambda: self.site.counter('soft') == 2, 'the second failure')
        self.want('soft')

    def test_a_line_too_long(self):
        self.read(self.first, says('x' * 20000, self.between, 'dovecot') + delivered('other@example.com', when=self.between), self.second)
        self.want('soft')

    def test_whoever_was_pending_may_have_had_the_mail(self):
        """Deferred, then lines are lost, then the message expires: which names nobody."""
        m = Message(when=self.now)
        self.read(m.begin() + m.deferred('user@example.com', '450 5.1.1 <{to}>: User unknown'), suppressed(self.between),
                  m.line('qmgr', '%s: from=<%s>, status=expired, returned to sender' % (m.qid, m.sender), 3 * DAY))
        self.want('soft')
        self.assertEqual(self.redis.command('EXISTS', 'nixie:{0}:win:user@example.com'), 0)

    def test_what_is_hard_at_once_is(self):
        self.read(suppressed(self.between), hard('user@example.com', when=self.now))
        self.want('hard')

    def test_it_is_told(self):
        self.read(self.first, suppressed(self.between))
        for verb in 'check', 'explain':
            text = self.site.ctl_ok(verb, 'user@example.com')
            self.assertIn('1 failure is not counted towards a conversion: log lines were lost at '
                          + time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self.between)), text)
        self.assertEqual(self.site.check('user@example.com')['uncounted'], 1)
        self.read(self.second)
        self.assertIn('1 failure is not', self.site.ctl_ok('check', 'user@example.com'))

    def test_nothing_to_tell(self):
        self.read(suppressed(self.now - DAY), self.first)
        self.assertNotIn('not counted', self.site.ctl_ok('check', 'user@example.com') + self.site.ctl_ok('explain', 'user@example.com'))
        self.assertNotIn('uncounted', self.site.check('user@example.com'))

    def test_dry_run_says_the_same(self):
        with open(self.site.log_path, 'w') as f:
            f.write(self.first + suppressed(self.between) + self.second)
        done = run('nixie-logtail', '--dry-run', self.site.log_path)
        self.assertEqual(done.returncode, OK)
        self.assertIn(' losses=1 lost-lines=1234', done.stderr)
        self.assertNotIn('held', done.stdout.split('Nothing was written')[0].split('mailbox.full')[-1])

    def test_old_ones_are_taken_away(self):
        self.redis.command('HSET', GAPS, 'mx7:/old', int(time.time()) - 800 * DAY, 'mx7:/new', self.between, 'mx7:/odd', 'never')
        self.read(self.first, self.second)
        self.want('soft')
        self.assertEqual(sorted(self.redis.hgetall(GAPS)), ['mx7:/new', 'mx7:/odd'])

    def test_one_of_the_future_is_of_now(self):
        self.read(self.first, suppressed(time.time() + 400 * DAY))
        lost, = self.lost().values()
        self.assertLessEqual(lost, time.time())

    def test_a_running_reader_hears_of_others(self):
        """And writes its own again that the store has lost."""
        with open(self.site.log_path, 'w') as f:
            f.write(self.first + suppressed(self.now + DAY))
        self.site.logtail()
        source, = self.redis.hgetall(GAPS)
        self.redis.command('DEL', GAPS)
        wait_until(lambda: self.lost() == {self.site.log_path: self.now + DAY}, 'the gap, written again')
        self.redis.command('HSET', GAPS, 'mx7:/var/log/mail.log', self.between)

        # it reads what others lost at the same time as it writes how it is
        reader = 'nixie:{0}:reader:' + source
        for _ in range(2):
            before = self.redis.hgetall(reader)['updated']
            wait_until(lambda before=before: self.redis.hgetall(reader)['updated'] != before, 'the state of the reader')
        with open(self.site.log_path, 'a') as f:
            f.write(self.second + hard('gone@example.com', when=self.now + 6 * DAY))
        self.site.wait_status('gone@example.com', 'hard')
        self.want('soft')
        # of old logs it is no news
        self.assertEqual(self.redis.command('EXISTS', 'nixie:{0}:alert-log'), 0)
