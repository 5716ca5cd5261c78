#!/usr/bin/env python3
"""Whatever crashes, each line counts once: three logs, three readers, one Redis, and no peace.

usage: chaos.py [--kills N] [--seed S] [--on server|cluster|sentinel] [--partitions N]
                [--only KIND]... [--no-repair] [--bin DIRECTORY] [--keep]

Three hosts write logs, each is followed by a nixie-logtail, all into one Redis, or a Redis Cluster
of three masters with a replica each, or the master that Sentinel names (stages.py). Meanwhile, at
random: readers and Redis are killed, the append-only file is torn in the middle of a transaction,
a replica takes over, one that lags too, a second reader reads the same log, logs are rotated by
renaming (copytruncate is not supported: what is written between the copy and the truncation is
nowhere), Redis hangs, readers are told to stop; in a cluster, slots go to other nodes; sentinels
and replicas die, and all servers at once. In the end everything in Redis must be what one reader
gets that reads the same logs in peace. The brake is off: what it decides depends on what others
have told by then. Before Redis starts redis-check-aof --fix cuts off a torn transaction as a whole. With --no-repair Redis does it, and leaves the first half standing: then
what another reader writes before this one, and one more crash, count it twice. It is random, so that it may find something else every time;
the seed gives the same logs and the same order of disturbances, not the same microseconds.
"""
import argparse
import gzip
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [p for p in (HERE, os.path.join(os.path.dirname(HERE), 'e2e')) if p not in sys.path]

HOSTS = 'mx1', 'mx2', 'mx3'
MESSAGES_PER_KILL = {'server': 40, 'cluster': 20, 'sentinel': 20}      # and host
# Each partition gets every hour and day that closes: few lines over a year would be mostly that.
SECONDS_PER_MESSAGE = 1200
PARTITIONS = {'server': 1, 'cluster': 64, 'sentinel': 1}
KEPT_ROTATIONS = 30
CATCH_UP_S = 360.0
SEGMENT_S = 0.8                 # what is due is written in that time


class Writer(threading.Thread):
    """What syslogd does with the three logs: appends, in pieces that end anywhere, and reopens after a rotation."""

    def __init__(self, directory, lines, seed):
        super().__init__(daemon=True)
        self.path = os.path.join(directory, 'mail.log')
        self.text = ''.join(lines).encode()
        self.random = random.Random('%s/%s' % (seed, directory[-3:]))
        self.at = self.target = 0
        self.pace = 0       # seconds for a byte
        self.turn, self.rotations, self.stopping = threading.Condition(), 0, False
        self.file = open(self.path, 'ab', buffering=0)

    def run(self):
        while True:
            with self.turn:
                while self.at >= self.target and not self.stopping:
                    self.turn.wait()
                if self.stopping:
                    return
                before = self.at
                self._write(self.random.choice((90, 700, 4000)))
            time.sleep((self.at - before) * self.pace)

    def _write(self, n, whole=False):
        end = min(len(self.text), self.at + self.random.randrange(1, n + 1))
        if whole:
            end = self.text.find(b'\n', max(end - 1, 0)) + 1 or len(self.text)
        self.at += self.file.write(self.text[self.at:end])

    def go_to(self, share, seconds=0.0):
        """Have so much of the log written, within about that time."""
        with self.turn:
            self.target = max(self.target, int(len(self.text) * min(1.0, share)))
            self.pace = seconds / max(1, self.target - self.at)
            self.turn.notify()

    def rotate(self):
        """As logrotate does with create: renamed, and a moment later syslogd reopens. False: nothing to rotate."""
        with self.turn:
            if self.file.tell() < 4096 or len(self.text) - self.at < 4096:
                return False
            for n in range(KEPT_ROTATIONS, 0, -1):
                for ending in '', '.gz':
                    old = '%s.%d%s' % (self.path, n, ending)
                    if os.path.exists(old):
                        os.rename(old, '%s.%d%s' % (self.path, n + 1, ending))
            os.rename(self.path, self.path + '.1')
            time.sleep(self.random.choice((0, 0, 0.05, 0.3)))
            self._write(3000, whole=True)       # to the old one still
            self.file.close()
            self.file = open(self.path, 'ab', buffering=0)
            self.rotations += 1
        if self.random.random() < 0.5:
            self._compress(self.path + '.2')
        return True

    @staticmethod
    def _compress(path):
        """As gzip does, which keeps the time; delaycompress: never the newest."""
        if not os.path.exists(path):
            return
        st = os.stat(path)
        with open(path, 'rb') as plain, open(path + '.gz', 'wb') as packed:
            with gzip.GzipFile('', 'wb', fileobj=packed, mtime=int(st.st_mtime)) as f:
                shutil.copyfileobj(plain, f, 10000)
        os.utime(path + '.gz', ns=(st.st_atime_ns, st.st_mtime_ns))
        os.unlink(path)

    def stop(self):
        with self.turn:
            self.stopping = True
            self.turn.notify()
        self.join()
        self.file.close()


class Reader:
    """The nixie-logtail of one host; a second one now and then."""

    def __init__(self, site, host):
        self.site, self.host = site, host
        self.child, self.guest, self.died = None, None, []

    def start(self):
        self.child = self.site.logtail(ready=False)

    def end(self, number, which='child'):
        """Kill -9, or SIGTERM: then it may take its time, and must end well."""
        child = getattr(self, which)
        setattr(self, which, None)
        if child is None:
            return
        if child.poll() is not None:
            self.died.append('%s: a reader ended by itself with status %d:\n%s' % (self.host, child.returncode, child.log()[-2000:]))
        elif number == signal.SIGTERM:
            status, behind = child.stop(), child.log().partition(' starts: ')[2]
            if status != 0 and behind.count('\n') > 1:     # else it died before it could take signals: it takes them right behind that line
                self.died.append('%s: status %d after SIGTERM:\n%s' % (self.host, status, child.log()[-2000:]))
        child.kill()
        self.site.children.remove(child)


class Chaos:
    def __init__(self, directory, kills, seed, only=(), messages=None, repair=True, on='server', partitions=None):
        self.directory, self.kills, self.seed, self.repair, self.on = directory, kills, seed, repair, on
        self.partitions = partitions or PARTITIONS[on]
        self.random = random.Random(seed)
        self.count, self.ended = Counter(), 0
        self.only = only
        self.messages = messages or max(150, kills * MESSAGES_PER_KILL[on])
        self.now = time.time()
        self.batch = self.random.choice((15, 60, 500))
        self.writers, self.readers = [], []
        self.patience_s, self.crashes, self.say = 3.0, 2, lambda text: None

    def site(self, directory, redis, batch):
        from harness.nixie import Site
        os.makedirs(directory, 0o755, exist_ok=True)
        site = Site(directory, redis)
        site.options['logtail'].update(batch=batch)
        site.options['redis'].update(partitions=self.partitions, timeout='1s')
        site.options['brake'] = {'enabled': False}
        site.write_conf()
        return site

    # -- the run -----------------------------------------------------------------------

    def run(self):
        """The comparison with a run in peace; everything that was started has ended."""
        import compare
        from stages import STAGES
        from traffic import SPAN, Host
        compare.begin()
        span = SPAN if self.partitions == 1 else min(SPAN, 3 * 86400 + SECONDS_PER_MESSAGE * self.messages)
        self.stage = STAGES[self.on](self.directory, self.repair)
        self.kinds = [k for k in KINDS if k.__name__ in GENERAL + self.stage.KINDS and (not self.only or k.__name__ in self.only)]
        try:
            for n, host in enumerate(HOSTS):
                site = self.site(os.path.join(self.directory, host), self.stage, self.batch)
                self.writers.append(Writer(site.directory, Host(self.seed, host, n, self.messages, self.now, span).lines(), self.seed))
                self.readers.append(Reader(site, host))
            self._begin()
            self._disturb()
            self._settle()
            return self._compare()
        finally:
            for writer in self.writers:
                if writer.is_alive():
                    writer.stop()
            for reader in self.readers:
                reader.site.stop()
            self.stage.stop()

    def _begin(self):
        """A log has a place before anything happens: one without is read from its present file only."""
        for writer, reader in zip(self.writers, self.readers):
            writer.start()
            writer.go_to(0.01)
            reader.start()
        self._wait(lambda: all(p and all(p) for p in self.places().values()), 'first place of each log')

    def _disturb(self):
        deck = []
        while self.ended < self.kills:
            if not deck:
                deck = list(self.kinds)
                self.random.shuffle(deck)
            kind = deck.pop()
            for writer in self.writers:
                writer.go_to(0.02 + 0.9 * (self.ended + 1) / self.kills, SEGMENT_S)
            before = time.monotonic()
            done = kind(self)
            self.count[kind.__name__] += done
            self.say('%4d kills, %s: %s, %.1f s' % (self.ended, kind.__name__.replace('_', ' '), 'done' if done else 'not possible',
                                                    time.monotonic() - before))
            self.breathe()

    def write_on(self):
        """Some more lines during this disturbance, even when all were written that were due."""
        for writer in self.writers:
            writer.go_to(writer.target / len(writer.text) + 0.2 / self.kills, SEGMENT_S)

    def breathe(self):
        """Mostly until every reader has gone on, so that there is something to lose; at times not at all."""
        if self.random.random() < 0.25:
            return
        before, end = self.places(), time.monotonic() + self.patience_s
        while time.monotonic() < end and any(b == a for b, a in zip(before.values(), self.places().values())):
            time.sleep(0.01)
        time.sleep(self.random.uniform(0, 0.15))

    def _settle(self):
        for writer in self.writers:
            writer.go_to(1.0)
        for reader in self.readers:
            if reader.child is None or reader.child.poll() is not None:
                reader.end(signal.SIGKILL)
                reader.start()
        self._wait(self._at_the_end, 'end of all logs')
        for reader in self.readers:
            reader.end(signal.SIGTERM, 'guest')
            reader.end(signal.SIGTERM)
        # what a torn file still holds shows at the next start, or at the one after that
        for _ in range(self.crashes):
            self.stage.wait_whole()
            self.stage.wait_written()
            self.stage.crash()
        # nobody reads any more, but who is the master may have to be found out again
        self._wait(self._at_the_end, 'end of all logs after the last restart of Redis')

    def _asked(self, question):
        """Its answer, also of servers that fail over just now."""
        answer = []
        self._wait(lambda: answer.append(question()) or True, 'answer of the servers')
        return answer[0]

    def _wait(self, condition, what):
        from stages import AWAY
        end = time.monotonic() + CATCH_UP_S
        while True:
            try:
                if condition():
                    return
            except AWAY:
                pass
            if time.monotonic() > end:
                raise AssertionError('no %s within %g s: %r\n%s' % (what, CATCH_UP_S, self.places(), ''.join(
                    '%s:\n%s\n' % (r.host, r.child.log()[-1500:]) for r in self.readers if r.child)))
            time.sleep(0.02)

    def places(self):
        """{host: [(inode, offset), or None, for each partition]}, or None while that cannot be asked"""
        from stages import AWAY
        commands = [('HMGET', self._key(writer, p), 'inode', 'offset') for writer in self.writers for p in range(self.partitions)]
        try:
            answers = [(int(i), int(o)) if i else None for i, o in self.stage.ask(commands)]
        except AWAY:
            return {reader.host: None for reader in self.readers}
        return {reader.host: answers[n * self.partitions:(n + 1) * self.partitions] for n, reader in enumerate(self.readers)}

    @staticmethod
    def _key(writer, partition):
        return 'nixie:{%d}:pos:%s:%s' % (partition, os.uname().nodename, os.path.realpath(writer.path))

    def _at_the_end(self):
        for writer, place in zip(self.writers, self.places().values()):
            st = os.stat(writer.path)
            if writer.at < len(writer.text) or place is None or set(place) != {(st.st_ino, st.st_size)}:
                return False
        return True

    # -- the verdict -------------------------------------------------------------------

    def reference(self):
        """The same lines, read once, one log after the other."""
        from compare import read_all
        from harness.nixie import run
        from stages import Server
        stage = Server(os.path.join(self.directory, 'peace'), False)
        try:
            for writer, reader in zip(self.writers, self.readers):
                site = self.site(os.path.join(stage.directory, reader.host), stage, 500)
                with open(site.log_path, 'wb') as f:
                    f.write(writer.text)
                done = run('nixie-logtail', '-f', '-c', site.conf_path, '--once', limit=300)
                if done.returncode != 0:
                    raise AssertionError('the reference: status %d: %s' % (done.returncode, done.stderr))
            return read_all(stage)
        finally:
            stage.stop()

    def _compare(self):
        from compare import Comparison, dangling_tokens, overrolled, read_all, recount, snapshot, totals
        os.mkdir(os.path.join(self.directory, 'peace'), 0o755)
        want, got = self.reference(), self._asked(lambda: read_all(self.stage))
        comparison = Comparison(snapshot(want), snapshot(got))
        comparison.dangling = dangling_tokens(got)
        comparison.died = [line for reader in self.readers for line in reader.died]
        comparison.wrong = overrolled(got)
        text, total = b''.join(writer.text for writer in self.writers), totals(got)
        comparison.wrong += ['%s: %d, in the logs are %d' % (k, total[k], n) for k, n in recount(text).items() if total[k] != n]
        comparison.bytes, comparison.lines = len(text), text.count(b'\n')
        return comparison


# ---- disturbances: each does one thing to it, and says whether it was done

def kill_reader(chaos):
    reader = chaos.random.choice(chaos.readers)
    reader.end(signal.SIGKILL)
    chaos.ended += 1
    time.sleep(chaos.random.choice((0, 0, 0.1)))
    reader.start()
    if chaos.random.random() < 0.3:     # in the first milliseconds, again
        time.sleep(chaos.random.uniform(0, 0.06))
        reader.end(signal.SIGKILL)
        chaos.ended += 1
        reader.start()
    return True


def stop_reader(chaos):
    reader = chaos.random.choice(chaos.readers)
    reader.end(signal.SIGTERM)
    chaos.ended += 1
    reader.start()
    return True


def second_reader(chaos):
    """Both read the same log for a while; then one of them goes, this way or that."""
    reader = chaos.random.choice(chaos.readers)
    if reader.guest is None:
        reader.guest = reader.site.logtail(ready=False)
        end = time.monotonic() + 2
        while time.monotonic() < end and 'caught up' not in reader.guest.log():
            time.sleep(0.02)
        chaos.write_on()
        time.sleep(chaos.random.uniform(0.05, 0.8))
    if chaos.random.random() < 0.3:
        return True                     # stays, and meets the next disturbance
    if chaos.random.random() < 0.5:
        reader.child, reader.guest = reader.guest, reader.child
    reader.end(chaos.random.choice((signal.SIGKILL, signal.SIGTERM)), 'guest')
    chaos.ended += 1
    return True


def rotate(chaos):
    done = False
    for writer in chaos.random.sample(chaos.writers, chaos.random.choice((1, 1, 3))):
        done = writer.rotate() or done
    return done


def kill_redis(chaos):
    """It comes back, before somebody else has taken over, or after."""
    victim = chaos.stage.victim(chaos.random)
    chaos.stage.kill(victim)
    chaos.ended += 1
    time.sleep(chaos.random.choice((0, 0, 0.2, 1.0)))
    chaos.stage.start(victim)
    return True


def freeze_redis(chaos):
    """Longer than redis.timeout, or not: what was sent is done when it wakes. So long that a replica takes over, or not."""
    victim = chaos.stage.victim(chaos.random)
    chaos.write_on()
    chaos.stage.freeze(victim)
    time.sleep(chaos.random.choice((0.05, 0.4, 1.3, 2.2) if chaos.on == 'server' else (0.05, 0.4, 1.3, 4)))
    chaos.stage.thaw(victim)
    return True


def went_back(chaos, before):
    """Counts for the report the places that Redis has lost."""
    end = time.monotonic() + 3.0     # a master that comes back waits two seconds
    after = chaos.places()
    while not any(after.values()) and time.monotonic() < end:
        time.sleep(0.01)
        after = chaos.places()
    for host in before:
        if before[host] and after[host]:
            chaos.count['places that went back'] += sum(
                b is not None and (a is None or (a[0] == b[0] and a[1] < b[1])) for b, a in zip(before[host], after[host]))


def tear(chaos):
    """The machine of Redis crashes; that of the readers is another one, or not."""
    together = chaos.random.random() < 0.3
    victim = chaos.stage.victim(chaos.random)
    before = chaos.places()
    for reader in chaos.readers if together else ():
        reader.end(signal.SIGKILL)
        chaos.ended += 1
    chaos.stage.kill(victim)
    chaos.ended += 1
    chaos.count['bytes torn off'] += chaos.stage.tear(
        victim, chaos.random, chaos.random.choice((1, 1, 4, 2 * chaos.partitions)))
    chaos.stage.start(victim)
    went_back(chaos, before)
    for reader in chaos.readers if together else ():
        reader.start()
    if chaos.random.random() < 0.7:
        chaos.breathe()
    else:
        time.sleep(chaos.random.uniform(0, 0.6))
    chaos.stage.kill(victim)
    chaos.ended += 1
    chaos.stage.start(victim)
    return True


def fail_over(chaos):
    """The replica missed the last moments, and nobody will ever know them but from the logs."""
    victim = chaos.stage.victim(chaos.random)
    replica = chaos.stage.lag(victim)
    missed = chaos.places()
    chaos.write_on()
    end = time.monotonic() + chaos.random.uniform(0.05, 1.5)
    while time.monotonic() < end and missed == chaos.places():
        time.sleep(0.01)
    time.sleep(chaos.random.uniform(0, 0.2))
    before = chaos.places()
    chaos.stage.take_over(victim, replica)
    chaos.ended += 1
    went_back(chaos, before)
    return True


def kill_master(chaos):
    """Its replica has all but what was on the way."""
    victim = chaos.stage.victim(chaos.random)
    chaos.write_on()
    time.sleep(chaos.random.uniform(0, 0.3))
    chaos.stage.take_over(victim, chaos.stage.replica_of(victim))
    chaos.ended += 1
    return True


def kill_replica(chaos):
    replica = chaos.stage.replica_of(chaos.stage.victim(chaos.random))
    chaos.stage.kill(replica)
    chaos.ended += 1
    chaos.stage.start(replica)
    return True


def kill_sentinel(chaos):
    chaos.stage.kill_sentinel(chaos.random.randrange(3), chaos.random.choice((0, 0.3)))
    chaos.ended += 1
    return True


def crash_all(chaos):
    """The lights go out; those of the readers too, or not."""
    together = chaos.random.random() < 0.3
    for reader in chaos.readers if together else ():
        reader.end(signal.SIGKILL)
        chaos.ended += 1
    chaos.stage.wait_whole()
    chaos.ended += chaos.stage.crash()
    for reader in chaos.readers if together else ():
        reader.start()
    return True


def move_slots(chaos):
    """Some partitions go to another node; now and then a reader dies in the middle of it."""
    from stages import slot_of
    origin = chaos.stage.victim(chaos.random)
    others = [node for node in sorted(chaos.stage.masters(), key=lambda n: n.name) if node is not origin]
    to = chaos.random.choice(others)
    ranges = chaos.stage.masters()[origin]
    mine = [p for p in range(chaos.partitions) if any(a <= slot_of('{%d}' % p) <= b for a, b in ranges)]

    def between():
        time.sleep(chaos.random.choice((0, 0.002, 0.02)))
        if chaos.random.random() < 0.01:
            kill_reader(chaos)

    for partition in chaos.random.sample(mine, min(len(mine), chaos.random.choice((1, 3, 8)))):
        chaos.write_on()
        chaos.stage.move(slot_of('{%d}' % partition), to, between)
        chaos.count['moved slots'] += 1
    return bool(mine)


GENERAL = 'kill_reader', 'stop_reader', 'second_reader', 'rotate'
KINDS = (kill_reader, stop_reader, second_reader, rotate, kill_redis, freeze_redis, tear, fail_over,
         kill_master, kill_replica, kill_sentinel, move_slots, crash_all)


def tell(chaos, comparison, say):
    survived = ', '.join('%s %d' % (name.replace('_', ' '), n) for name, n in sorted(chaos.count.items()))
    say('chaos: on %s, %d partitions: %d kills: %s' % (chaos.on, chaos.partitions, chaos.ended, survived))
    say('chaos: %d lines, %d bytes; %d values compared; lost %d, doubled %d; journal: %d transitions, %d repeated; tokens that name nothing: %d' % (
        comparison.lines, comparison.bytes, comparison.compared, comparison.lost, comparison.doubled,
        comparison.transitions, comparison.repeated, len(comparison.dangling)))
    for line in comparison.died + comparison.dangling[:5] + comparison.wrong[:5]:
        say(line)
    if not comparison:
        say(comparison.report())


def good(comparison):
    return bool(comparison) and not comparison.died and not comparison.dangling and not comparison.wrong


def options_of(argv):
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--kills', type=int, default=60, metavar='N', help='processes to kill or stop (60)')
    p.add_argument('--seed', default=None, help='of logs and disturbances (a random one)')
    p.add_argument('--on', default='server', choices=list(PARTITIONS), help='what they write into (server)')
    p.add_argument('--partitions', type=int, metavar='N', help='of the data (1; on a cluster 64)')
    p.add_argument('--only', action='append', default=[], choices=[k.__name__ for k in KINDS], help='only these disturbances')
    p.add_argument('--no-repair', action='store_true', help='start Redis on a torn file as it is')
    p.add_argument('--messages', type=int, metavar='N', help='messages of each host (20 or 40 per kill)')
    p.add_argument('--bin', metavar='DIRECTORY', help='where the programs are (build/bin)')
    p.add_argument('--verbose', action='store_true', help='tell each disturbance')
    p.add_argument('--keep', action='store_true', help='keep the directory in any case')
    return p.parse_args(argv)


def main():
    options = options_of(sys.argv[1:])
    if options.bin:
        os.environ['NIXIE_BIN'] = os.path.abspath(options.bin)
    from harness import case
    seed = options.seed or '%d' % random.SystemRandom().randrange(1000000)
    case.KEEP = True
    directory = case.make_directory(None)
    print('chaos: seed %s, %s' % (seed, directory), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start = time.monotonic()
    chaos = Chaos(directory, options.kills, seed, options.only, options.messages, not options.no_repair,
                  options.on, options.partitions)
    if options.verbose:
        chaos.say = lambda text: print('chaos: ' + text, flush=True)
    comparison = None
    try:
        comparison = chaos.run()
        tell(chaos, comparison, print)
    except AssertionError as e:
        print('chaos: after %d kills: %s' % (chaos.ended, e))
    print('chaos: %d s, batch %d, seed %s' % (time.monotonic() - start, chaos.batch, seed))
    if comparison is None or not good(comparison):
        print('chaos: FAILED; everything is in %s' % directory)
        return 1
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
