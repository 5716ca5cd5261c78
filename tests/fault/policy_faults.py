#!/usr/bin/env python3
"""The policy service while Redis suffers: every question answered in time, nobody refused by mistake, mail flows.

usage: policy_faults.py [--only FAULT]... [--seconds S] [--rate N] [--connections N] [--no-postfix]
                        [--bin DIRECTORY] [--keep] [--list]

For each fault a Redis, nixie-policyd, connections that ask all the time, and a real Postfix that asks the
same service for real mail. Recipients are of four kinds: `gone` are suppressed and were asked about before
the fault, `cold` are suppressed and were not, `soft` are known and may have mail, `new` nobody knows. The
table tells, in milliseconds: the longest and the 99th percentile of what an answer took during the fault,
how many of the `gone` were refused in that time, how long after its end everybody was refused who should
be, and what a RCPT TO of Postfix took at most.
"""
import argparse
import functools
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [p for p in (os.path.join(os.path.dirname(HERE), 'e2e'),) if p not in sys.path]

from harness import between     # noqa: E402
from harness.load import Answer, Load, percentile_ms, refused   # noqa: E402
from harness.proc import LIMIT, wait_until  # noqa: E402
from harness.redis import RedisServer       # noqa: E402
from harness.servers import AWAY, RedisCluster, Watched, partition_of       # noqa: E402

GONE, COLD, SOFT, NEW = 'gone', 'cold', 'soft', 'new'
OF_EACH = {GONE: 200, COLD: 5000, SOFT: 200}
DEADLINE_S = 0.25       # policyd.deadline
# With the deadline it makes the second that a closed connection costs Postfix. Tests on a busy machine give far more.
SLACK_S = 0.75
QUIET_S = 1.0           # before the fault, and after everything is well again
ENOUGH = 100            # questions during a fault, so that it tells something
ENOUGH_MAIL = 20        # recipients; a slow disk takes seconds for each mail


def entry_of(kind):
    now = str(int(time.time()))
    if kind == SOFT:
        return ['status', 'soft', 'reason', 'mailbox.full', 'origin', 'log', 'first', now, 'last', now, 'count', '1']
    return ['status', 'hard', 'reason', 'recipient.unknown', 'origin', 'log', 'rule', 'test.unknown', 'code', '550',
            'enhanced', '5.1.1', 'text', 'User unknown', 'first', now, 'last', now, 'since', now, 'count', '1']


class Stage:
    """Redis of some arrangement: address, partitions, command()."""
    partitions = 1

    def __init__(self, directory):
        self.directory = directory

    def key(self, recipient):
        return 'nixie:{%d}:addr:%s' % (partition_of(recipient, self.partitions), recipient)

    def write(self, recipient, kind):
        wait_until(lambda: self._written(recipient, kind), 'entry of ' + recipient)

    def _written(self, recipient, kind):
        try:
            self.command('HSET', self.key(recipient), *entry_of(kind))
            return True
        except AWAY:
            return False


class One(Stage):
    """One server on a Unix socket."""

    def start(self):
        self.server = RedisServer(self.directory)
        self.server.start()
        self.command, self.address = self.server.command, self.server.address

    def stop(self):
        if self.server.child is not None:
            self.server.thaw()
        self.server.stop()


class Behind(One):
    """One server behind something that spoils what goes through."""

    def start(self):
        super().start()
        self.between = between.Between(self.server.socket)
        self.address = self.between.address

    def stop(self):
        self.between.stop()
        super().stop()


class OnSentinel(Stage):
    def start(self):
        self.watched = Watched(self.directory).start()
        self.command, self.address = self.watched.command, self.watched.address

    def stop(self):
        self.watched.stop()


class OnCluster(Stage):
    partitions = 16

    def start(self):
        self.cluster = RedisCluster(self.directory, replicas=1).start()
        self.command, self.address = self.cluster.command, self.cluster.address

    def stop(self):
        self.cluster.stop()


class Fault:
    """begin() and end() are its own time; seconds is how long it lasts. lookups: do questions to Redis go on as ever?"""
    stage, lookups, seconds, site = One, False, 3.0, None

    def __init__(self, stage, seconds):
        self.on, self.seconds = stage, seconds or self.seconds

    def begin(self):
        raise NotImplementedError

    def last(self):
        time.sleep(self.seconds)

    def end(self):
        pass


class Stopped(Fault):
    """SHUTDOWN, and started again."""

    def begin(self):
        self.on.server.child.stop(signal.SIGTERM)
        self.on.server.kill()

    def end(self):
        self.on.server.start()


class Paused(Fault):
    """SIGSTOP for 3 s."""

    def begin(self):
        self.on.server.freeze()

    def end(self):
        self.on.server.thaw()


class PausedLong(Paused):
    """SIGSTOP for 10 s."""
    seconds = 10.0


class Killed(Fault):
    """kill -9 three times, and started at once."""

    def begin(self):
        self.on.server.kill()

    def last(self):
        for _ in range(2):
            self.on.server.start()
            time.sleep(self.seconds / 3)
            self.on.server.kill()

    def end(self):
        self.on.server.start()


class FailOver(Fault):
    """the master is killed, Sentinel names another"""
    stage = OnSentinel

    def begin(self):
        self.old = self.on.watched.master()
        wait_until(lambda: self.old.command('WAIT', 1, 1000) == 1, 'replica in step')
        self.old.kill()

    def last(self):
        self.on.watched.wait_master(self.old)


class ClusterNode(Fault):
    """a master of a cluster is killed, its replica takes over"""
    stage = OnCluster

    def begin(self):
        self.thread = threading.Thread(target=self._fail_over)
        self.thread.start()

    def _fail_over(self):
        master = next(iter(self.on.cluster.masters()))
        wait_until(lambda: master.command('WAIT', 1, 1000) == 1, 'replica in step')
        self.on.cluster.fail_over(master)

    def last(self):
        self.thread.join()


class OutOfMemory(Fault):
    """maxmemory 1, noeviction"""
    lookups = True

    def begin(self):
        self.on.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
        self.on.command('CONFIG', 'SET', 'maxmemory', '1')

    def end(self):
        self.on.command('CONFIG', 'SET', 'maxmemory', '0')


class ReadOnly(Fault):
    """it has become a replica of nobody"""
    lookups = True

    def begin(self):
        self.on.command('REPLICAOF', '127.0.0.1', '9')

    def end(self):
        self.on.command('REPLICAOF', 'NO', 'ONE')


class WrongType(Fault):
    """the entries of some are strings"""
    lookups = True      # of all others
    RECIPIENTS = ['odd%d@example.com' % n for n in range(20)]

    def begin(self):
        for recipient in self.RECIPIENTS:
            self.on.command('DEL', self.on.key(recipient))
            self.on.command('SET', self.on.key(recipient), 'status hard')

    def end(self):
        for recipient in self.RECIPIENTS:
            self.on.command('DEL', self.on.key(recipient))
            self.on.write(recipient, SOFT)


class Spoiled(Fault):
    stage, mode, delay_s = Behind, between.PASS, None

    def begin(self):
        self.on.between.set(self.mode, self.delay_s)

    def end(self):
        self.on.between.set(between.PASS)


class Silent(Spoiled):
    """connections are taken, nothing is answered"""
    mode = between.SILENT


class Half(Spoiled):
    """half an answer, then no more"""
    mode = between.HALF


class Garbage(Spoiled):
    """bytes at random"""
    mode = between.GARBAGE


class WrongReplies(Spoiled):
    """replies to other questions, one sort after the other"""
    mode = between.WRONG

    def last(self):
        for reply in between.WRONG_REPLIES:
            self.on.between.wrong = [reply]
            self.begin()
            time.sleep(self.seconds / len(between.WRONG_REPLIES))
            self.end()
            wait_until(lambda: refused_now(self.site, 'gone2@example.com'), 'refusal after the reply %r' % reply)


class Closing(Spoiled):
    """connections are closed at the first question"""
    mode = between.CLOSE


class Slow(Spoiled):
    """each reply 60 ms late"""
    mode, delay_s, lookups = between.SLOW, 0.06, True


class TooSlow(Spoiled):
    """each reply 400 ms late"""
    mode, delay_s = between.SLOW, 0.4


class Hole(Spoiled):
    """packets are lost, all of them"""
    mode = between.HOLE


FAULTS = {
    'stopped': Stopped, 'paused': Paused, 'paused-10s': PausedLong, 'killed': Killed, 'fail-over': FailOver,
    'cluster': ClusterNode, 'out-of-memory': OutOfMemory, 'read-only': ReadOnly, 'wrong-type': WrongType,
    'silent': Silent, 'half': Half, 'garbage': Garbage, 'wrong-replies': WrongReplies, 'closing': Closing,
    'slow': Slow, 'too-slow': TooSlow, 'black-hole': Hole,
}


class Mail(threading.Thread):
    """Sessions of SMTP one message after the other, and what each RCPT TO took. gone: an address that is
    to be refused whenever it is asked about."""

    def __init__(self, postfix, gone=None):
        super().__init__(daemon=True)
        self.postfix, self.gone, self.took, self.failure = postfix, gone, [], None
        self._stopping = threading.Event()

    def run(self):
        number = 0
        try:
            while not self._stopping.is_set():
                with self.postfix.client() as c:
                    c.ehlo()
                    for _ in range(20):     # of one session
                        number += 1
                        self._send(c, 'mail%d@flow.test' % number)
                        if self._stopping.wait(0.01):
                            break
        except Exception as e:      # told by stop()
            self.failure = e

    def _send(self, c, recipient):
        c.mail('news@flow.test')
        if self.gone:
            self._rcpt(c, self.gone, 550)
        self._rcpt(c, recipient, 250)
        code, text = c.data(b'Subject: mail\r\n\r\nmail\r\n')
        if code != 250:
            raise AssertionError('end of data: %d %s' % (code, text.decode()))

    def _rcpt(self, c, recipient, expected):
        begin = time.monotonic()
        code, text = c.rcpt(recipient)
        self.took.append(time.monotonic() - begin)
        if code != expected:
            raise AssertionError('RCPT TO:<%s>: %d %s' % (recipient, code, text.decode()))

    def stop(self):
        self._stopping.set()
        self.join()


class Run:
    """One fault, from a service in peace to one in peace again."""

    def __init__(self, name, directory, make_site, seconds=None, rate=1500, connections=40, postfix=None):
        self.name, self.directory, self.make_site, self.postfix = name, directory, make_site, postfix
        kind = FAULTS[name]
        self.stage = kind.stage(directory)
        self.fault = kind(self.stage, seconds)
        self.rate, self.n = rate, connections
        self.mail, self.warming = None, []

    def run(self):
        self.stage.start()
        try:
            self._with_redis()
        finally:
            self.stage.stop()
        return self

    def _with_redis(self):
        for kind, n in OF_EACH.items():
            for i in range(n if kind != COLD else n // 5):
                self.stage.write('%s%d@example.com' % (kind, i), kind)
        for recipient in WrongType.RECIPIENTS:
            self.stage.write(recipient, SOFT)
        site = self.make_site(self.directory, self.stage)
        site.options['policyd']['deadline'] = '%dms' % (DEADLINE_S * 1000)
        site.write_conf()
        self.fault.site = site
        child = site.policyd()
        wait_until(lambda: refused_now(site, 'gone0@example.com'), 'refusal', child=child)
        self._warm(site)
        self.load = Load(site.policy_path, self.n, self._choose, self.rate)
        self.load.start()
        if self.postfix:
            self.mail = Mail(self.postfix)
            self.mail.start()
        try:
            self._suffer(site, child)
        finally:
            self.load.stop()
            if self.mail:
                self.mail.stop()
        self.alive = child.poll() is None
        self.log = child.log()
        child.stop()

    def _warm(self, site):
        with site.policy_client() as c:
            for i in range(OF_EACH[GONE]):
                # an answer that was late is not kept
                wait_until(lambda i=i: refused(self._ask(c, GONE, 'gone%d@example.com' % i)), 'refusal before the fault')
            for i in range(OF_EACH[SOFT]):
                self._ask(c, SOFT, 'soft%d@example.com' % i)
            for recipient in WrongType.RECIPIENTS:
                self._ask(c, SOFT, recipient)

    def _ask(self, client, kind, recipient):
        sent = time.monotonic()
        action = client.ask(recipient)
        self.warming.append(Answer(sent, time.monotonic() - sent, kind, recipient, action))
        return self.warming[-1]

    @staticmethod
    def _choose(chance):
        roll = chance.random()
        if roll < 0.4:
            return GONE, 'gone%d@example.com' % chance.randrange(OF_EACH[GONE])
        if roll < 0.5:
            return COLD, 'cold%d@example.com' % chance.randrange(OF_EACH[COLD] // 5)
        if roll < 0.6:
            return SOFT, 'soft%d@example.com' % chance.randrange(OF_EACH[SOFT])
        if roll < 0.65:
            return SOFT, chance.choice(WrongType.RECIPIENTS)
        return NEW, 'new%d@example.com' % chance.randrange(10 ** 9)

    def _suffer(self, site, child):
        time.sleep(QUIET_S)
        self._warm(site)        # once more: what was asked at the very start may not have been kept
        self.begun = time.monotonic()
        self.fault.begin()
        self.fault.last()
        wait_until(lambda: len(self.load.since(self.begun)) > ENOUGH, 'questions during the fault', child=child)
        self.fault.end()
        self.ended = time.monotonic()
        wait_until(lambda: refused_now(site, 'gone1@example.com'), 'refusal after the fault', child=child)
        wait_until(lambda: self._quiet(), 'peace after the fault', child=child)
        # what is decided now counts: nothing of before the fault is believed any more
        self.stage.write('fresh@example.com', GONE)
        wait_until(lambda: refused_now(site, 'fresh@example.com'), 'refusal of what was suppressed after the fault', child=child)
        if self.mail:
            wait_until(lambda: self.mail.failure or len(self.mail.took) > ENOUGH_MAIL, 'mail', 3 * LIMIT)

    def _quiet(self):
        lately = self.load.since(time.monotonic() - QUIET_S, kinds=(GONE, COLD))
        return len(lately) > self.rate * QUIET_S / 20 and all(map(refused, lately))

    # -- what is told ----------------------------------------------------------

    def during(self, *kinds):
        return self.load.since(self.begun, self.ended, kinds or None)

    def refused_share(self, kind):
        asked = self.during(kind)
        return sum(map(refused, asked)) / len(asked) if asked else 1.0

    def recovery_ms(self):
        """After its end: until the last who should have been refused and was not."""
        late = [a.sent + a.took for a in self.load.since(self.ended, kinds=(GONE, COLD)) if not refused(a)]
        return max([0.0] + [(at - self.ended) * 1000 for at in late])

    def longest_ms(self):
        return max(a.took for a in self.load.answers) * 1000

    def problems(self, slack_s=SLACK_S):
        """What must not be."""
        out = []
        if not self.alive:
            out.append('nixie-policyd died')
        for sent, kind, recipient, why in self.load.lost:
            out.append('%s at %+.3f s: %s' % (recipient, sent - self.begun, why))
        if self.load.closed:
            out.append('%d idle connections were closed' % self.load.closed)
        for a in self.load.answers:
            if a.kind in (SOFT, NEW) and a.action != 'DUNNO':
                out.append('%s was answered %s' % (a.recipient, a.action))
            elif a.kind in (GONE, COLD) and not refused(a) and not self._may_pass(a):
                out.append('%s was let through at %+.3f s of %.3f' % (a.recipient, a.sent - self.begun, self.ended - self.begun))
        if self.longest_ms() > (DEADLINE_S + slack_s) * 1000:
            out.append('an answer took %.0f ms' % self.longest_ms())
        return out + self._mail_problems()

    def _may_pass(self, answer):
        """Suppressed, and let through: who was asked about before the fault never is; others in a fault that keeps
        lookups from being answered, or soon after, and when this machine has so much to do that the deadline passes:
        theirs, or that of somebody else, as then nobody waits for that server."""
        if answer.kind == GONE:
            return False
        return any(begin <= answer.sent + answer.took and answer.sent <= end + QUIET_S for begin, end in self._stalls()) or (
            not self.fault.lookups and answer.sent + answer.took >= self.begun)

    @functools.lru_cache(None)
    def _stalls(self):
        """[begin, end]: an answer that was late, and those behind it that nobody waited for, as long as the server hangs."""
        stalls = []
        for a in sorted(self.warming + self.load.answers):
            late = a.took > 0.9 * DEADLINE_S
            if stalls and a.sent <= stalls[-1][1] + QUIET_S and (late or (a.kind == COLD and not refused(a))):
                stalls[-1][1] = max(stalls[-1][1], a.sent + a.took)
            elif late:
                stalls.append([a.sent, a.sent + a.took])
        return stalls

    def _mail_problems(self):
        if not self.mail:
            return []
        out = ['Postfix: ' + line for line in self.postfix.log().splitlines() if 'problem talking to server' in line]
        if self.mail.failure:
            out.append('mail: %r' % self.mail.failure)
        if not self.mail.took:
            out.append('no mail was sent')
        return out


def refused_now(site, recipient):
    return site.ask(recipient).startswith('5')


# ---- make fault ----

HEADINGS = ('fault', 'asked', 'lost', 'wrong', 'gone refused', 'p50', 'p99', 'longest', 'well after', 'RCPT TO at most', 'mails', '')


def row(run, problems):
    during = run.during()
    wrong = sum(a.kind in (SOFT, NEW) and a.action != 'DUNNO' for a in run.load.answers)
    mail = ['%.0f' % (max(run.mail.took) * 1000), '%d' % len(run.mail.took)] if run.mail and run.mail.took else ['-', '-']
    return [run.name, str(len(run.load.answers)), str(len(run.load.lost)), str(wrong), '%.1f %%' % (100 * run.refused_share(GONE)),
            '%.1f' % percentile_ms(during, 0.5), '%.1f' % percentile_ms(during, 0.99), '%.0f' % run.longest_ms(),
            '%.0f' % run.recovery_ms(), *mail, 'BAD' if problems else 'good']


def table(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return '\n'.join('  '.join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(r, widths))).rstrip() for r in rows)


class Stop:
    """What is to be undone at the end of one fault."""

    def __init__(self, keep):
        self.keep = keep

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix='nixie-', dir='/tmp')
        os.chmod(self.directory, 0o755)
        self.things = []
        return self

    def __exit__(self, *_):
        for thing in reversed(self.things):
            thing.stop()
        if self.keep:
            print('kept: ' + self.directory)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def site_with_postfix(things, postfix):
    from harness.nixie import Site
    from harness.peace import PartitionedSite

    def make(directory, stage):
        site = PartitionedSite(directory, stage, stage.partitions) if stage.partitions > 1 else Site(directory, stage)
        things.append(site)
        if postfix:
            site.options['policyd']['listen'].append('unix:' + postfix.policy_path)
            site.write_conf()
        return site
    return make


def start_postfix(directory, things):
    from harness.postfix import Postfix
    postfix = Postfix(directory, 9, os.path.join(directory, 'maillog'))
    postfix.configure(default_transport='discard:')
    things.append(postfix)
    # the service comes later, and asking for a greeting does not need it
    return postfix.start()


def one(name, options):
    with Stop(options.keep) as stop:
        postfix = start_postfix(stop.directory, stop.things) if options.postfix else None
        run = Run(name, stop.directory, site_with_postfix(stop.things, postfix), options.seconds, options.rate,
                  options.connections, postfix).run()
        problems = run.problems()
        return row(run, problems), problems


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--only', action='append', choices=FAULTS, metavar='FAULT', help=', '.join(FAULTS))
    p.add_argument('--seconds', type=float, help='how long each fault lasts (each has its own)')
    p.add_argument('--rate', type=int, default=1500, help='questions a second')
    p.add_argument('--connections', type=int, default=100)
    p.add_argument('--no-postfix', dest='postfix', action='store_false', help='without a Postfix (which needs root)')
    p.add_argument('--bin', metavar='DIRECTORY', help='where the programs are (build/bin)')
    p.add_argument('--keep', action='store_true', help='keep the directories under /tmp')
    p.add_argument('--list', action='store_true', help='only list the faults')
    options = p.parse_args()
    if options.list:
        for name, kind in FAULTS.items():
            print('%-14s %s' % (name, kind.__doc__.splitlines()[0]))
        return 0
    if options.bin:
        from harness import nixie
        nixie.BIN = os.path.abspath(options.bin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows, bad = [list(HEADINGS)], 0
    for name in options.only or FAULTS:
        print('%s: %s ...' % (name, FAULTS[name].__doc__.splitlines()[0]), file=sys.stderr, flush=True)
        try:
            cells, problems = one(name, options)
        except Exception as e:      # whatever a fault does to the test itself, the others follow
            traceback.print_exc()
            cells, problems = [name] + ['-'] * (len(HEADINGS) - 2) + ['BAD'], [repr(e)]
        rows.append(cells)
        bad += bool(problems)
        for problem in problems[:10]:
            print('    ' + problem, flush=True)
    print(table(rows))
    print('%d faults, %d of them bad; milliseconds; the deadline of policyd is %.0f ms' % (len(rows) - 1, bad, DEADLINE_S * 1000))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
