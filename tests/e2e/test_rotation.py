"""The 25 things that happen to a log while it is followed, by number: each line counts once, or a warning says what cannot.

Each test is proved by tests/fault/protections.py, which takes out of the source what the number needs.
"""
import gzip
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from harness import maillog
from harness.case import Case
from harness.follow import FollowCase, append
from harness.maillog import delivered, full, hard
from harness.mounts import Mounts, user_namespace
from harness.nixie import REPOSITORY, run
from harness.proc import wait_until

LOST = 'may be missing', 'are missing'
# of the second that a file which was rotated away is given, and of the three for one that is being rewritten
DRAIN_S, REWRITE_S = 0.8, 2.5
FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'


class RotationTest(FollowCase):
    at_a_time = 4       # a rotated file is given a second: they mostly wait

    # -- what is done to the log -------------------------------------------------

    def pause(self, seconds):
        """Not a wait for anything: the log is left alone for so long."""
        time.sleep(seconds)

    def set(self, **options):
        self.site.options['logtail'].update({k.replace('_', '-'): v for k, v in options.items()})
        self.site.write_conf()

    def rotate(self, to='.1', create=True):
        os.rename(self.log, self.log + to)
        if create:
            append(self.log, '')

    def pack(self, name, opener=gzip.open):
        """What logrotate's compress leaves of the log."""
        with open(self.log, 'rb') as f, opener(self.log + name, 'wb') as z:
            shutil.copyfileobj(f, z)
        os.unlink(self.log)

    def copytruncate(self, to='.1'):
        shutil.copy(self.log, self.log + to)
        os.truncate(self.log, 0)

    def read_and_stop(self, more=5):
        """So much was read when the reader stopped, and so much more was written then."""
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(more) if more else '')

    def with_other(self):
        """A second log, which look() writes to."""
        self.other = self.log + '-other'
        append(self.other, '')
        self.set(files=[self.log, self.other])

    def look(self):
        """Until the reader has looked at every log again: it looks at all of them in turn."""
        for _ in range(2):
            append(self.other, self.deliveries(1))
            self.site.wait_counter('delivered', self.sent)

    def peacefully(self):
        """Settled, and nobody is frightened."""
        self.settle()
        for words in LOST:
            self.assertNotIn(words, self.site.children[-1].log())

    # -- 1: rename, create, HUP: the writer goes on with the old file for seconds --

    def test_01_rename_create_hup_with_the_writer_appending_to_the_old_file(self):
        append(self.log, self.mixed(5))
        self.site.logtail()
        with open(self.log, 'a') as old:
            self.rotate()
            for _ in range(2):
                self.pause(1.3)
                old.write(self.mixed(2))
                old.flush()
                self.site.wait_counter('delivered', self.sent)
        append(self.log, self.mixed(5))     # HUP: it has opened the new one
        self.peacefully()

    def in_time(self, begin, write, limit):
        """begin() starts a reader; write() does something to its log, and returns how long that took. Who is stopped himself for as
        long as the reader waits for a writer cannot tell, and begins anew."""
        child = begin()
        while write() > limit:
            child.kill()
            self.redis.command('FLUSHALL')
            for name in os.listdir(self.directory):
                if name.startswith(os.path.basename(self.log)) or name.endswith('day.log'):
                    os.unlink(os.path.join(self.directory, name))
            self.sent = self.hard = 0
            child = begin()

    def begin(self):
        append(self.log, self.mixed(5))
        return self.site.logtail()

    def write_to_both(self):
        """The longest time that the old file was left alone."""
        longest = 0.0
        with open(self.log, 'a') as old:
            before = time.monotonic()
            self.rotate()
            append(self.log, self.mixed(2))
            for _ in range(8):
                self.pause(0.2)
                old.write(self.mixed(1))
                old.flush()
                before, last = time.monotonic(), before
                longest = max(longest, before - last)
                append(self.log, self.mixed(1))
        return longest

    def test_01_rename_while_both_files_are_written_to(self):
        self.in_time(self.begin, self.write_to_both, DRAIN_S)
        self.peacefully()

    def test_01_rename_before_the_tail_is_read(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.freeze()
        append(self.log, self.mixed(50))
        self.rotate()
        append(self.log, self.mixed(5))
        child.thaw()
        self.peacefully()

    def test_01_again_and_again_and_told_by_inotify(self):
        self.set(poll_interval='1 hour')
        append(self.log, self.mixed(1))
        self.site.logtail()
        for n in range(3):
            self.rotate('.%d' % (3 - n))
            append(self.log, self.mixed(4))
            self.site.wait_counter('delivered', self.sent)
        self.peacefully()

    # -- 2: unlinked while it is open ----------------------------------------------

    def write_to_the_unlinked(self):
        with open(self.log, 'a') as old:
            os.unlink(self.log)
            for _ in range(3):
                old.write(self.mixed(2))
                old.flush()
                self.site.wait_counter('delivered', self.sent)
            before = time.monotonic()
            append(self.log, self.mixed(3))
            old.write(self.mixed(2))
            old.flush()
            return time.monotonic() - before

    def test_02_unlinked_while_open_and_written_to(self):
        self.in_time(self.begin, self.write_to_the_unlinked, DRAIN_S)
        self.settle()

    def test_02_unlinked_and_made_again(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        os.unlink(self.log)
        self.pause(0.3)
        self.assertIsNone(child.poll())
        append(self.log, self.mixed(5))
        self.settle()

    def test_02_unlinked_while_stopped(self):
        self.read_and_stop(0)
        append(self.log, ''.join(delivered('lost%d@example.com' % i) for i in range(5)))
        os.unlink(self.log)
        append(self.log, self.mixed(5))
        self.site.logtail().wait_log('may be missing')      # said, and everything that can be read is
        self.settle()

    # -- 3: nocreate -------------------------------------------------------------------

    def test_03_nocreate_gap(self):
        self.with_other()
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.rotate(create=False)
        self.look()
        append(self.log + '.1', self.mixed(2))
        self.site.wait_counter('delivered', self.sent)
        append(self.log, self.mixed(5))
        self.peacefully()

    def test_03_stopped_in_the_gap(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        self.rotate(create=False)
        append(self.log + '.1', self.mixed(2))
        self.site.wait_counter('delivered', self.sent)
        self.assertEqual(child.stop(), 0)
        append(self.log + '.1', self.mixed(2))
        self.site.logtail()
        append(self.log, self.mixed(5))
        self.peacefully()

    def test_03_absent_at_the_start(self):
        self.site.logtail(ready=False).wait_log([self.log, 'waiting for it'])
        append(self.log, self.mixed(5))
        self.peacefully()

    # -- 4: permission denied -----------------------------------------------------------

    def obedient(self):
        """root, whose home the programs may lie in, but one who obeys file modes"""
        if os.geteuid() != 0:
            return ()
        if shutil.which('setpriv') is None:
            self.skipTest('root reads everything and setpriv(1) is missing')
        return 'setpriv', '--bounding-set=-dac_override,-dac_read_search'

    def test_04_unreadable_until_chmod(self):
        append(self.log, self.mixed(5))
        os.chmod(self.log, 0)
        child = self.site.logtail(ready=False, prefix=self.obedient())
        child.wait_log([self.log, 'permission denied', 'waiting for it'])
        self.assertIsNone(child.poll())
        os.chmod(self.log, 0o644)
        self.peacefully()

    def test_04_rotated_to_a_file_that_is_unreadable_until_chmod(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail(prefix=self.obedient())
        self.rotate()
        os.chmod(self.log, 0)
        append(self.log + '.1', self.mixed(5))
        append(self.log, self.mixed(5))
        child.wait_log([self.log, 'permission denied', 'waiting for it'])
        os.chmod(self.log, 0o644)
        self.peacefully()

    # -- 5: copytruncate -------------------------------------------------------------------

    def test_05_copytruncate(self):
        append(self.log, self.mixed(10))
        self.site.logtail()
        self.copytruncate()
        append(self.log, self.mixed(3))
        self.settle()

    def test_05_copytruncate_before_the_tail_is_read(self):
        append(self.log, self.mixed(10))
        child = self.site.logtail()
        child.freeze()
        append(self.log, self.mixed(3))
        self.copytruncate()
        append(self.log, self.mixed(1))
        child.thaw()
        child.wait_log(['was truncated', self.log + '.1'])
        self.peacefully()

    def test_05_truncated_and_nowhere_else(self):
        append(self.log, self.mixed(10))
        child = self.site.logtail()
        child.freeze()
        append(self.log, delivered('lost@example.com'))
        os.truncate(self.log, 0)
        append(self.log, self.mixed(3))
        child.thaw()
        child.wait_log(['was truncated or rewritten', 'are missing'])
        self.settle()

    # -- 6: copytruncate, and grown past the place again --------------------------------------

    def test_06_copytruncate_while_stopped_and_regrown(self):
        self.read_and_stop(2)
        self.copytruncate()
        append(self.log, self.mixed(30))
        self.site.logtail()
        self.peacefully()

    def test_06_truncated_while_stopped_and_regrown(self):
        self.read_and_stop(0)
        os.truncate(self.log, 0)
        append(self.log, self.mixed(30))
        self.site.logtail().wait_log('may be missing')
        self.settle()

    def test_06_copytruncate_while_frozen_and_regrown(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.freeze()
        append(self.log, self.mixed(2))
        self.copytruncate()
        append(self.log, self.mixed(30))
        child.thaw()
        self.peacefully()

    def test_06_copytruncate_while_redis_is_away_and_regrown(self):
        """The reader is in the middle of the log, and cannot go on."""
        self.impatient()
        append(self.log, self.mixed(1))
        child = self.site.logtail()
        self.redis.freeze()
        append(self.log, self.mixed(500))
        child.wait_log('waiting, nothing is lost')
        self.copytruncate()
        append(self.log, self.mixed(600))
        self.redis.thaw()
        self.peacefully()

    # -- 7: NULs where a writer went on behind what was truncated ----------------------------

    def result(self):
        """What comes first behind the hole counts: a result whose message began before."""
        self.sent += 1
        return maillog.Message().sent('ok%d@example.com' % (self.sent - 1)) + self.mixed(3)

    def sparse(self, old):
        """What such a writer makes of a truncated log: nothing up to where it was."""
        old.seek(0, os.SEEK_END)
        os.truncate(self.log, 0)
        old.write(self.result().encode())
        self.assertEqual(old.tell(), os.path.getsize(self.log))
        with open(self.log, 'rb') as f:
            self.assertEqual(f.read(1000), bytes(1000))

    def test_07_sparse_hole(self):
        append(self.log, self.mixed(10))
        self.site.logtail()
        with open(self.log, 'r+b', buffering=0) as old:
            self.sparse(old)
            self.site.wait_counter('delivered', self.sent)
            old.write(self.mixed(3).encode())
            self.settle()

    def test_07_sparse_hole_while_stopped(self):
        self.read_and_stop(0)
        with open(self.log, 'r+b', buffering=0) as old:
            self.sparse(old)
        self.site.logtail().wait_log('may be missing')
        self.settle()

    def test_07_hole_of_megabytes(self):
        append(self.log, self.mixed(3))
        self.site.logtail()
        os.truncate(self.log, 5 << 20)      # what a crash of the machine leaves at the end of a log
        append(self.log, self.result())
        self.peacefully()

    # -- 8: the inode is used again at once -----------------------------------------------------

    def make_again(self, written, compress, then):
        """So much is written while the reader is stopped, the log compressed or not, and deleted; then another is made, with its inode."""
        for parent in [self.directory] * 5 + ['/var/tmp'] * 5:      # one of them may be on a file system that gives it again
            self.redis.command('FLUSHALL')
            self.sent = self.hard = 0
            directory = tempfile.mkdtemp(dir=parent)
            self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
            self.log = os.path.join(directory, 'mail.log')
            self.set(files=[self.log])
            self.read_and_stop(written)
            inode = os.stat(self.log).st_ino
            if compress:
                with open(self.log, 'rb') as f, gzip.open(self.log + '.1.gz', 'wb') as z:
                    shutil.copyfileobj(f, z)
            text = self.mixed(then)
            os.unlink(self.log)
            append(self.log, text)
            if os.stat(self.log).st_ino == inode:
                return
        self.skipTest('neither %s nor /var/tmp gives an inode again that was freed' % self.directory)

    def test_08_inode_reused_by_a_shorter_file(self):
        self.make_again(0, False, 1)
        self.site.logtail().wait_log('may be missing')
        self.settle()

    def test_08_inode_reused_by_a_longer_file(self):
        self.make_again(0, False, 30)
        self.site.logtail().wait_log('may be missing')
        self.settle()

    def test_08_inode_reused_and_the_old_file_is_compressed(self):
        self.make_again(3, True, 30)
        self.site.logtail()
        self.peacefully()

    # -- 9: rotated more than once meanwhile ---------------------------------------------------

    def rotate_twice(self):
        os.rename(self.log, self.log + '.2')
        append(self.log + '.1', self.mixed(5))
        append(self.log, self.mixed(5))

    def test_09_rotated_while_killed_and_the_new_file_is_longer(self):
        append(self.log, self.mixed(5))
        self.site.logtail().kill()
        append(self.log, self.mixed(1))
        self.rotate()
        append(self.log, self.mixed(60))
        self.site.logtail()
        self.peacefully()

    def test_09_rotated_twice_while_stopped(self):
        self.read_and_stop()
        self.rotate_twice()
        self.site.logtail()
        self.peacefully()

    def test_09_rotated_twice_while_frozen(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.freeze()
        append(self.log, self.mixed(5))
        self.rotate_twice()
        child.thaw()
        self.peacefully()

    def test_09_once_goes_past_a_rotation(self):
        append(self.log, self.mixed(5))
        once = ('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(run(*once).returncode, 0)
        append(self.log, self.mixed(5))
        self.rotate(create=False)
        append(self.log, self.mixed(5))
        self.assertEqual(run(*once).returncode, 0)
        self.exact()

    # -- 10: compressed meanwhile ------------------------------------------------------------------

    def compressed(self, ending, opener):
        self.read_and_stop()
        self.pack('.1' + ending, opener)
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    def test_10_compressed_while_stopped_gz(self):
        self.compressed('.gz', gzip.open)

    def test_10_compressed_while_stopped_xz(self):
        self.compressed('.xz', lzma.open)

    def test_10_compressed_while_stopped_zst(self):
        self.read_and_stop()
        subprocess.run(['zstd', '-q', '--rm', self.log, '-o', self.log + '.1.zst'], check=True)
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    def test_10_compressed_while_frozen(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.freeze()
        append(self.log, self.mixed(5))
        self.pack('.2.gz')
        append(self.log + '.1', self.mixed(5))
        append(self.log, self.mixed(5))
        child.thaw()
        self.peacefully()

    def test_10_rotated_twice_while_stopped_and_compressed(self):
        self.read_and_stop()
        self.pack('.2.gz')
        append(self.log + '.1', self.mixed(5))
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    # -- 11: names with dates -------------------------------------------------------------------------

    def test_11_dateext(self):
        self.read_and_stop()
        self.rotate('-20261120', create=False)
        append(self.log, self.mixed(5))
        self.rotate('-20261121', create=False)
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    def test_11_dateext_compressed(self):
        self.read_and_stop()
        self.pack('-20261121.gz')
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    def test_11_date_before_the_extension(self):
        """logrotate's `extension .log`: no name that begins with that of the log."""
        self.read_and_stop()
        os.rename(self.log, self.log.replace('.log', '-20261121.log'))
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    # -- 12: the last line is not whole ---------------------------------------------------------------

    def partial(self, cut):
        append(self.log, self.deliveries(3))
        text = self.bounces(1)
        append(self.log, text[:cut])
        self.site.logtail()
        self.assertIsNone(self.site.status('gone0@example.com'))
        append(self.log, text[cut:])
        self.peacefully()

    def test_12_partial_last_line_completed_later(self):
        text = hard('gone0@example.com')
        self.partial(text.index('status=bounced') + 10)

    def test_12_last_line_without_its_newline(self):
        m = maillog.Message()
        append(self.log, m.begin() + m.bounced('gone0@example.com').rstrip('\n'))
        self.site.logtail()
        self.assertIsNone(self.site.status('gone0@example.com'))
        append(self.log, '\n')
        self.hard += 1
        self.peacefully()

    def test_12_partial_status_line_over_a_restart(self):
        text = self.bounces(1).splitlines(keepends=True)
        half = text[3].index('status=') + 9
        append(self.log, ''.join(text[:3]) + text[3][:half])
        self.assertEqual(self.site.logtail().stop(), 0)
        self.site.logtail().kill()
        append(self.log, text[3][half:] + ''.join(text[4:]))
        self.site.logtail()
        self.peacefully()

    # -- 13: kill -9 between reading and writing ---------------------------------------------------------

    def test_13_kill_9_again_and_again(self):
        """A writer that never pauses, a reader that keeps dying."""
        done = threading.Event()
        parts = [self.mixed(5) for _ in range(60)]

        def write():
            for part in parts:
                append(self.log, part)
                if done.wait(0.02):
                    break
        append(self.log, parts.pop())
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(6):
                child = self.site.logtail(ready=False)
                before = self.site.counter('delivered')
                self.site.wait_counter('delivered', min(before + 1, self.sent))
                child.kill()
        except BaseException:
            done.set()
            raise
        finally:
            writer.join()
        self.site.logtail()
        self.peacefully()

    def test_13_kill_9_in_the_first_milliseconds(self):
        append(self.log, self.mixed(300))
        for n in range(8):
            child = self.site.logtail(ready=False)
            self.pause(0.005 * n)       # only to die at another moment each time
            child.kill()
        self.site.logtail()
        self.peacefully()

    def test_13_kill_9_when_redis_has_it_and_has_not_answered(self):
        self.impatient()
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        self.redis.freeze()
        append(self.log, self.mixed(5))
        child.wait_log('waiting, nothing is lost')
        child.kill()
        self.redis.thaw()
        self.site.logtail()
        self.peacefully()

    def test_13_kill_9_when_redis_has_nothing(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        self.redis.kill()
        append(self.log, self.mixed(5))
        child.wait_log('waiting, nothing is lost')
        child.kill()
        self.redis.start()
        self.site.logtail()
        self.peacefully()

    # -- 14: no place, or a damaged one ---------------------------------------------------------------------

    def place(self):
        key, = self.redis.command('KEYS', 'nixie:{0}:pos:*')
        return key

    def test_14_the_server_lost_all_its_data(self):
        append(self.log, self.mixed(20))
        self.site.logtail()
        self.exact()
        self.redis.command('FLUSHALL')
        self.site.wait_counter('delivered', self.sent)      # without another line
        self.site.wait_counter('hard', self.hard)
        self.exact()
        self.peacefully()

    def test_14_the_place_is_damaged(self):
        """It is told, and what is there is read again: that counts double, which nobody can know any more."""
        for field, value in (('offset', 'x'), ('offset', '7'), ('inode', '-1'), ('head-hash', 'zz'), ('tail-hash', ''), ('at', 'nonsense')):
            with self.subTest(field=field, value=value):
                self.redis.command('FLUSHALL')
                if os.path.exists(self.log):
                    os.unlink(self.log)
                self.sent = self.hard = 0
                self.read_and_stop(0)
                self.redis.command('HSET', self.place(), field, value)
                child = self.site.logtail()
                if self.site.counter('delivered') > self.sent:
                    child.wait_log('may be missing')
                    self.assertEqual(self.site.counter('delivered'), 2 * self.sent)
                    self.assertIn('counts again', child.log())
                else:
                    self.peacefully()
                child.kill()

    def test_14_the_place_is_not_a_place(self):
        self.read_and_stop(3)
        place = self.place()
        self.redis.command('RENAME', place, 'aside')
        self.redis.command('SET', place, 'nonsense')
        child = self.site.logtail(ready=False)
        child.wait_log(['waiting, nothing is lost', place])
        self.redis.command('RENAME', 'aside', place)
        self.peacefully()

    # -- 15: empty and tiny files, beginnings that are the same ---------------------------------------------

    def test_15_empty_files(self):
        append(self.log, '')
        self.assertEqual(self.site.logtail().stop(), 0)
        self.rotate('.2')
        append(self.log + '.1', '')
        child = self.site.logtail()
        self.pause(1.3)
        self.rotate('.1')
        append(self.log, self.mixed(5))
        self.site.wait_counter('delivered', self.sent)
        self.assertEqual(child.stop(), 0)
        self.site.logtail()
        self.peacefully()

    def test_15_tiny_files(self):
        append(self.log, 'x\n')
        self.assertEqual(self.site.logtail().stop(), 0)
        self.rotate('.1')
        append(self.log, 'x\n' + self.mixed(5))
        self.site.logtail()
        self.site.wait_counter('delivered', self.sent)
        self.rotate('.1')
        append(self.log, 'x\n')
        self.peacefully()

    def test_15_identical_first_lines(self):
        banner = 'logfile turned over\n'    # how some syslogs begin each file
        append(self.log, banner + self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        self.rotate('.1')
        append(self.log, banner + self.mixed(10))
        self.site.logtail()
        self.peacefully()

    def test_15_identical_first_512_bytes(self):
        """The compressed log of the day before begins alike, and is long enough."""
        banner = '-' * 600 + '\n'
        with gzip.open(self.log + '.2.gz', 'wt') as z:
            z.write(banner + ''.join(delivered('yesterday%d@example.com' % i) for i in range(30)))
        append(self.log, banner + self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(2))
        self.pack('.1.gz')
        append(self.log, banner + self.at(0.01, 5))
        self.site.logtail()
        self.settle()

    def test_15_identical_files_and_then_more(self):
        banner = 'logfile turned over\n'
        append(self.log, banner)
        self.site.logtail()
        for n in range(2):
            self.rotate('.%d' % (2 - n))
            append(self.log, banner + self.mixed(5) + banner + self.mixed(5))
            self.site.wait_counter('delivered', self.sent)
        self.peacefully()

    # -- 16: .10 is older than .9 --------------------------------------------------------------------------------

    def test_16_many_rotations_of_one_time(self):
        self.read_and_stop(2)
        m = maillog.Message(when=time.time() - 600)
        append(self.log, m.begin() + m.deferred('slow@example.com'))
        os.rename(self.log, self.log + '.10')
        append(self.log + '.9', self.mixed(2))
        append(self.log, m.active(after=100) + m.sent('slow@example.com', after=100) + m.removed(after=101) + self.mixed(2))
        self.sent += 1
        for name in '.10', '.9':
            os.utime(self.log + name, (1, 1))
        self.site.logtail()
        self.peacefully()

    def test_16_an_old_log_is_unpacked_beside(self):
        old = hard('old@example.com', when=time.time() - 365 * 86400)
        self.read_and_stop()
        os.rename(self.log, self.log + '.1')
        append(self.log + '.2', old)            # younger than .1, and its lines are not
        append(self.log, self.mixed(5))
        os.utime(self.log + '.1', (1, 1))
        self.site.logtail()
        self.peacefully()

    # -- 17: a symbolic link that is pointed at another file ---------------------------------------------------------

    def point(self, target):
        """In one step, as ln -sfT does."""
        os.symlink(target, self.log + '~')
        os.rename(self.log + '~', self.log)

    def target(self, name):
        return os.path.join(self.directory, name)

    def begin_with_a_link(self):
        self.point('monday.log')
        return self.begin()

    def write_behind_the_link(self):
        with open(self.target('monday.log'), 'a') as old:
            append(self.target('tuesday.log'), self.mixed(2))
            before = time.monotonic()
            self.point('tuesday.log')
            old.write(self.mixed(3))
            old.flush()
            return time.monotonic() - before

    def test_17_symlink_swap(self):
        self.in_time(self.begin_with_a_link, self.write_behind_the_link, DRAIN_S)
        self.peacefully()

    def test_17_symlink_swap_while_stopped(self):
        self.point(self.target('monday.log'))
        self.read_and_stop()
        self.point(self.target('tuesday.log'))
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    def test_17_what_it_points_to_is_rotated_in_its_own_directory(self):
        os.mkdir(self.target('srv'))
        self.point('srv/mail.log')
        self.read_and_stop()
        os.rename(self.target('srv/mail.log'), self.target('srv/mail.log.2'))
        append(self.target('srv/mail.log.1'), self.mixed(5))
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.peacefully()

    # -- 18: no inotify --------------------------------------------------------------------------------------------

    def test_18_a_file_system_that_tells_nothing(self):
        """An overlay over a directory that others write to: like a network file system it has no events of that."""
        lower, nothing, merged = (self.target(name) for name in ('lower', 'nothing', 'merged'))
        for path in lower, nothing, merged:
            os.mkdir(path)
        self.log = os.path.join(lower, 'mail.log')
        append(self.log, self.mixed(5))
        mounts = Mounts(self.directory, '-t', 'overlay', '-o', 'lowerdir=%s:%s' % (lower, nothing), 'overlay', merged)
        self.addCleanup(mounts.stop)
        self.set(files=[os.path.join(merged, 'mail.log')])
        self.site.logtail(prefix=mounts.prefix)
        for _ in range(3):
            append(self.log, self.mixed(5))
            self.site.wait_counter('delivered', self.sent)
        self.peacefully()

    def without_inotify(self, limit, *words):
        append(self.log, self.mixed(5))
        child = self.site.logtail(prefix=user_namespace(limit))
        child.wait_log(words)
        append(self.log, self.mixed(5))
        self.site.wait_counter('delivered', self.sent)
        self.rotate()
        append(self.log, self.mixed(5))
        self.peacefully()

    def test_18_no_inotify_at_all(self):
        self.without_inotify('max_inotify_instances=0', 'no inotify', 'polled every 100 ms', 'max_user_instances')

    # -- 19: the limits of inotify -----------------------------------------------------------------------------------

    def test_19_no_watches_left(self):
        self.without_inotify('max_inotify_watches=0', 'cannot be watched', self.log, 'polled every 100 ms', 'max_user_watches')

    def test_19_queue_overflow(self):
        with open('/proc/sys/fs/inotify/max_queued_events') as f:
            enough = int(f.read()) + 1000
        self.with_other()
        self.set(poll_interval='1 hour')
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.freeze()
        with open(self.log, 'ab', buffering=0) as one, open(self.other, 'ab', buffering=0) as other:
            for _ in range(enough // 2):    # the same event twice in a row would be one
                one.write(b'\n')
                other.write(b'\n')
            one.write(self.mixed(5).encode())
        child.thaw()
        self.site.wait_counter('delivered', self.sent)
        self.peacefully()

    # -- 20: ends and lengths of lines ----------------------------------------------------------------------------------

    def around(self, line):
        append(self.log, self.mixed(2) + self.deliveries(1))
        append(self.log, line)
        append(self.log, self.mixed(2))
        self.site.logtail()
        append(self.log, line)
        self.peacefully()

    def test_20_crlf(self):
        append(self.log, self.mixed(5).replace('\n', '\r\n'))
        self.site.logtail()
        append(self.log, self.mixed(5).replace('\n', '\r\n'))
        self.peacefully()
        self.assertNotIn('\r', self.site.check('gone0@example.com').get('text', ''))

    def test_20_crlf_behind_a_text_without_an_end(self):
        """Exim's texts end with the line."""
        stamp = time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(time.time() - 60))
        append(self.log, '%s 1tDxyz-0000AB-CD <= news@example.org H=web [192.0.2.7] P=esmtp S=999\r\n'
               '%s 1tDxyz-0000AB-CD ** gone@example.net R=dnslookup T=remote_smtp H=mx.example.net [192.0.2.9]: SMTP error from remote '
               'mail server after RCPT TO:<gone@example.net>: 550 5.1.1 User unknown\r\n' % (stamp, stamp))
        self.site.logtail()
        entry = self.redis.hgetall('nixie:{0}:addr:gone@example.net')
        self.assertEqual(entry['status'], 'hard')
        self.assertTrue(entry['text'].endswith('User unknown'), entry)

    def test_20_result_of_more_than_8_kib(self):
        m = maillog.Message()
        reply = '550 5.1.1 <{to}>: User unknown' + ' and very much so' * 500
        text = m.begin() + m.bounced('long@example.com', reply) + m.removed()
        self.assertGreater(len(max(text.splitlines(), key=len)), 8192)
        append(self.log, self.mixed(1) + text)
        self.hard += 1
        self.site.logtail()
        self.site.wait_status('long@example.com', 'hard')
        append(self.log, self.deliveries(1))
        self.site.wait_counter('delivered', self.sent)
        self.assertEqual(self.site.counter('hard'), self.hard)

    def test_20_line_of_1_mib(self):
        self.around('Nov 21 10:00:00 mx1 postfix/smtp[1]: ' + 'x' * (1 << 20) + '\n')

    def test_20_status_line_of_1_mib(self):
        m = maillog.Message()
        self.around(m.bounced('x' * (1 << 20) + '@example.com'))
        self.assertEqual(self.redis.command('ZCARD', 'nixie:{0}:suppressed'), self.hard)

    def test_20_1_mib_without_newline_at_the_end(self):
        append(self.log, self.mixed(2) + 'y' * (1 << 20))
        child = self.site.logtail()
        self.exact()
        append(self.log, '\n')
        self.peacefully()
        self.assertIsNone(child.poll())

    # -- 21: a line in two writes ------------------------------------------------------------------------------------------

    def test_21_line_split_over_two_writes(self):
        self.with_other()
        self.site.logtail()
        for share in 0.1, 0.5, 0.9:
            text = self.bounces(1)
            line = next(n for n in text.splitlines(keepends=True) if 'status=bounced' in n)
            cut = text.index(line) + int(len(line) * share)
            append(self.log, text[:cut])
            self.look()
            self.assertIsNone(self.site.status('gone%d@example.com' % (self.hard - 1)))
            append(self.log, text[cut:])
            self.site.wait_status('gone%d@example.com' % (self.hard - 1), 'hard')
        self.peacefully()

    def test_21_line_in_many_writes(self):
        self.site.logtail()
        text = (self.mixed(3)).encode()
        with open(self.log, 'ab', buffering=0) as f:
            for at in range(0, len(text), 37):
                f.write(text[at:at + 37])
        self.peacefully()

    # -- 22: one event in two logs --------------------------------------------------------------------------------------------

    def test_22_the_same_events_in_two_logs(self):
        """The counts are double, as the manual says and a warning tells; addresses do not pay for it."""
        second = self.target('mail.info')
        self.set(files=[self.log, second])
        text = self.mixed(3) + full('full@example.com', when=time.time() - 4 * 86400)
        for n in range(2):
            m = maillog.Message(when=time.time() - 1000 * (2 - n))
            text += m.begin() + m.result('nomx@example.com', 'bounced', '4.4.0',
                                         '[internal] no MXs for this domain could be reached at this time') + m.removed()
        append(self.log, text)
        append(second, text)
        child = self.site.logtail()
        child.wait_log(['has the same lines as', self.log, second, 'counts twice'])
        self.assertEqual(self.site.counter('delivered'), 2 * self.sent)
        for address, messages in ('full@example.com', 1), ('nomx@example.com', 2):
            entry = self.redis.hgetall('nixie:{0}:addr:' + address)
            self.assertEqual((entry['status'], entry['count']), ('soft', str(messages)))
            self.assertEqual(self.redis.command('ZCARD', 'nixie:{0}:win:' + address), messages)
        changes = [dict(zip(f[::2], f[1::2]))['address'] for _, f in self.redis.command('XRANGE', 'nixie:{0}:journal', '-', '+')]
        self.assertEqual(len(changes), len(set(changes)))

    def test_22_two_logs_that_share_nothing(self):
        second = self.target('mail.info')
        self.set(files=[self.log, second])
        append(self.log, self.mixed(5))
        append(second, self.mixed(5))
        child = self.site.logtail()
        self.peacefully()
        self.assertNotIn('has the same lines', child.log())

    # -- 23: the disk is full ------------------------------------------------------------------------------------------------

    def small_disk(self):
        """8 MiB of memory, and how to fill and free them."""
        path = self.target('disk')
        os.mkdir(path)
        self.mounts = Mounts(self.directory, '-t', 'tmpfs', '-o', 'size=8m,mode=0755', 'tmpfs', path)
        self.addCleanup(self.mounts.stop)
        self.disk = self.mounts.path(path)
        return path

    def fill(self):
        with open(os.path.join(self.disk, 'ballast'), 'ab', buffering=0) as f:
            try:
                while f.write(bytes(4096)):
                    pass
            except OSError:
                pass

    def free(self):
        os.unlink(os.path.join(self.disk, 'ballast'))

    def cut_by_a_full_disk(self):
        """The disk took the line of a delivery up to the middle of its status. The rest."""
        self.with_other()
        self.set(files=[os.path.join(self.small_disk(), 'mail.log'), self.other])
        self.log = os.path.join(self.disk, 'mail.log')
        append(self.log, self.mixed(5))
        text = self.deliveries(1).encode()
        cut = text.index(b'status=sent') + 9
        room = (-os.path.getsize(self.log) - cut) % 4096    # the disk gives whole pages
        append(self.log, 'x' * (room - 1) + '\n' if room else '')
        child = self.site.logtail(prefix=self.mounts.prefix)
        self.fill()
        with open(self.log, 'ab', buffering=0) as f:
            self.assertEqual(f.write(text), cut)
            self.assertRaises(OSError, f.write, text[cut:])
        self.free()
        self.sent -= 1      # not yet
        self.look()
        return child, text[cut:]

    def test_23_the_log_s_disk_is_full_and_the_writer_tries_again(self):
        _, rest = self.cut_by_a_full_disk()
        append(self.log, rest + self.mixed(5).encode())
        self.sent += 1
        self.peacefully()

    def test_23_the_log_s_disk_is_full_and_the_writer_begins_anew(self):
        """What was cut is lost; that is told."""
        child, _ = self.cut_by_a_full_disk()
        append(self.log, self.mixed(5))
        child.wait_log(['begins like a delivery result', 'not counted'])
        self.settle()

    def test_23_the_disk_of_redis_is_full(self):
        path = self.small_disk()
        self.redis.kill()
        self.redis.prefix, self.redis.options = self.mounts.prefix, ['--dir', path]
        self.redis.start()
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        self.fill()

        def noticed():      # Redis takes what it could not write, and refuses the next
            append(self.log, self.mixed(5))
            return 'MISCONF' in child.log()
        wait_until(noticed, 'refusal', child=child)
        child.wait_log(['waiting, nothing is lost', 'MISCONF'])
        self.free()
        self.peacefully()

    # -- 24: the clock is set back ------------------------------------------------------------------------------------------------

    def at(self, hours, n):
        """Lines of an hour that is not this one."""
        when = time.time() - 60 + hours * 3600
        first, self.sent = self.sent, self.sent + n
        text = ''.join(delivered('ok%d@example.com' % i, when=when) for i in range(first, self.sent))
        first, self.hard = self.hard, self.hard + n
        return text + ''.join(hard('gone%d@example.com' % i, when=when) for i in range(first, self.hard))

    def test_24_stamps_go_back_an_hour(self):
        append(self.log, self.at(0, 5) + self.at(-1, 5))
        child = self.site.logtail()
        append(self.log, self.at(-1, 5))
        self.site.wait_counter('delivered', self.sent)
        self.assertEqual(child.stop(), 0)
        append(self.log, self.at(-1, 5))
        self.site.logtail()
        self.peacefully()

    def test_24_set_back_between_rotations(self):
        append(self.log, self.at(0, 5))
        self.assertEqual(self.site.logtail().stop(), 0)
        self.rotate('.2')
        append(self.log, self.at(-1, 5))
        self.rotate('.1')
        append(self.log, self.at(-1, 5))
        self.site.logtail()
        self.peacefully()

    def test_24_the_clock_of_the_reader_is_set_back(self):
        if not os.path.exists(FAKETIME):
            self.skipTest('libfaketime is missing: install faketime')
        offset = self.target('offset')

        def set_back(hours):
            with open(offset + '.new', 'w') as f:
                f.write('-%dh\n' % hours)
            os.rename(offset + '.new', offset)
        set_back(0)
        append(self.log, self.mixed(5))
        self.site.logtail(prefix=('env', 'LD_PRELOAD=' + FAKETIME, 'FAKETIME_TIMESTAMP_FILE=' + offset, 'FAKETIME_NO_CACHE=1',
                                  'FAKETIME_DONT_FAKE_MONOTONIC=1', 'ASAN_OPTIONS=verify_asan_link_order=0'))
        self.rotate()
        append(self.log, self.mixed(5))
        for n in range(6):      # while the old file is given its second
            set_back(n)
            self.pause(0.1)
        self.peacefully()

    # -- 25: the whole file is written anew by an editor ------------------------------------------------------------------------

    def edit(self, expression):
        """Another file with the same name and nearly the same contents, as most editors leave it."""
        subprocess.run(['sed', '-i', expression, self.log], check=True)

    def test_25_edited_into_a_new_file(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        self.edit('7d')
        child.wait_log('was rewritten with the same beginning')
        append(self.log, self.mixed(5))
        self.peacefully()

    def test_25_edited_and_more_was_written_meanwhile(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.freeze()
        append(self.log, self.mixed(2))
        self.edit('7d')
        append(self.log, self.mixed(5))
        child.thaw()
        self.peacefully()

    def rewrite(self, change=lambda lines: lines, pieces=4):
        """In place: emptied, and then written again bit by bit."""
        def begin():
            self.with_other()
            append(self.log, self.mixed(10))
            return self.site.logtail()

        def write():
            with open(self.log, 'rb') as f:
                text = b''.join(change(f.readlines()))
            before = time.monotonic()
            with open(self.log, 'r+b', buffering=0) as f:
                f.truncate(0)
                for n in range(pieces):
                    self.look()
                    f.write(text[len(text) * n // pieces:len(text) * (n + 1) // pieces])
            return time.monotonic() - before
        self.in_time(begin, write, REWRITE_S)

    def test_25_rewritten_in_place(self):
        self.rewrite()
        append(self.log, self.mixed(5))
        self.peacefully()

    def test_25_rewritten_in_place_without_a_line(self):
        self.rewrite(lambda lines: lines[:7] + lines[8:])
        append(self.log, self.mixed(5))
        self.peacefully()

    def test_25_rewritten_without_its_last_lines(self):
        """Where the old lines end is not to be known; that is told, and nothing counts twice."""
        append(self.log, self.mixed(10))
        child = self.site.logtail()
        with open(self.log, 'rb') as f:
            lines = f.readlines()
        with open(self.log, 'wb') as f:
            f.write(b''.join(lines[:-4]))
        append(self.log, self.at(0.01, 5))
        child.wait_log(['was rewritten with the same beginning', 'may be missing'])
        append(self.log, self.at(0.01, 5))
        self.settle()

    def test_25_rewritten_while_stopped(self):
        """Then it is another file to everybody: told, and what is in it counts again."""
        self.read_and_stop(0)
        self.edit('7d')
        child = self.site.logtail()
        child.wait_log('counts again')


class Protections(Case):
    def test_the_table_is_of_this_source(self):
        """make protections takes long to say so."""
        sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))
        import protections
        self.assertEqual(protections.outdated(REPOSITORY), [])
        self.assertEqual({p.number for p in protections.PROTECTIONS}, set(range(26)))
