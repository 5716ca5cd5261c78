"""Is any answer of the policy service older than it may be? Entries change all the time, others ask, and each
answer is held against what was true.

Truth keeps for each address what was written, when the write began and when Redis acknowledged it. A state was
true from the beginning of its write to the acknowledgement of the next one. An answer is stale by as much as
its question was sent after the end of the state that it tells. Each suppression bears a number, in the token
of the refusal, so that a refusal tells which state it knows.

While Redis cannot be asked, from the beginning of an outage to when the service knows of a change made after
it, what was true when it began may be told, and DUNNO."""
import bisect
import random
import threading
import time

from harness.proc import wait_until
from harness.redis import RedisError
from harness.servers import AWAY

CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
NEVER = float('inf')


def number_of(action):
    """Of the suppression that a refusal tells of; None: it is none."""
    if action == 'DUNNO':
        return None
    token = action.rpartition(', token ')[2]
    if not action.startswith('550 5.1.1 ') or not token:
        raise AssertionError('unexpected answer: ' + action)
    number = 0
    for c in token:
        number = number * 32 + CROCKFORD.index(c)
    return number


class Truth:
    def __init__(self, addresses):
        # [write began, acknowledged, number or None]
        self.states = {address: [[-NEVER, -NEVER, None]] for address in addresses}
        self.outages = []       # [begin, end]

    def begin(self, address, number):
        self.states[address].append([time.monotonic(), NEVER, number])

    def acknowledged(self, address):
        self.states[address][-1][1] = time.monotonic()

    def now(self, address):
        return self.states[address][-1][2]

    def outage_of(self, answer):
        for begin, end in self.outages:
            if begin <= answer.sent + answer.took and answer.sent <= end:
                return begin
        return None

    def stale_by(self, answer):
        """Seconds; 0: it is true. NEVER: it never was."""
        number = number_of(answer.action)
        outage = self.outage_of(answer)
        if outage is not None and number is None:
            return 0.0
        sent = answer.sent if outage is None else min(answer.sent, outage)
        states = self.states[answer.recipient]
        best = NEVER
        # the states whose write had begun when the answer came, the latest first
        i = bisect.bisect_right(states, [answer.sent + answer.took, NEVER]) - 1
        while i >= 0:
            over = states[i + 1][1] if i + 1 < len(states) else NEVER
            if states[i][2] == number:
                best = min(best, max(0.0, sent - over))
            if sent - over >= best or best == 0:
                break
            i -= 1
        return best


class Changer(threading.Thread):
    """Suppresses and resets one address after the other, thousands of times. write(address, number or None) does it.

    choose() is for who asks: now it is about one that is just being changed, so that the answer and the news
    of the change cross; now about one that was changed long ago, so that what went wrong then is seen."""

    def __init__(self, truth, write, bound_s, pause_s=0.0002, seed=1):
        super().__init__(daemon=True)
        self.truth, self.write, self.bound_s, self.pause_s = truth, write, bound_s, pause_s
        # those that only tell whether an outage is over: of each server there should be one
        self.probes = [a for a in truth.states if a.startswith('probe')]
        self.addresses = [a for a in truth.states if a not in self.probes]
        self.at = 0
        self.random = random.Random(seed)
        self.number = 1 << 20
        self.changes, self.failure = 0, None
        self._turn, self._stopping = threading.Lock(), threading.Event()

    def run(self):
        try:
            while not self._stopping.is_set():
                with self._turn:
                    self.change(self.addresses[self.at % len(self.addresses)])
                self.at += 1
                time.sleep(self.pause_s)
        except Exception as e:      # told by stop()
            self.failure = e

    def choose(self, chance):
        if chance.random() < 0.5:
            return 'changing', self.addresses[(self.at + chance.randrange(-1, 3)) % len(self.addresses)]
        long_ago = time.monotonic() - 1.1 * self.bound_s
        for _ in range(10):
            address = self.addresses[chance.randrange(max(0, self.at - len(self.addresses) + 50), self.at + 1) % len(self.addresses)]
            if self.truth.states[address][-1][1] < long_ago:
                break
        return 'calm', address

    def stop(self):
        self._stopping.set()
        self.join()
        if self.failure is not None:
            raise AssertionError('the changer has failed: %r' % self.failure)

    def change(self, address):
        """Until it is acknowledged, however often that takes."""
        suppressed = self.truth.now(address) is not None
        self.number += 1
        number = None if suppressed and self.random.random() < 0.7 else self.number
        self.truth.begin(address, number)
        wait_until(lambda: self._written(address, number), 'change of ' + address)
        self.truth.acknowledged(address)
        self.changes += 1

    def _written(self, address, number):
        try:
            self.write(address, number)
            return True
        except AWAY:
            return False

    def all_gone(self, flush):
        """FLUSHALL by flush(): every address at once."""
        with self._turn:
            for address in self.truth.states:
                self.truth.begin(address, None)
            flush()
            for address in self.truth.states:
                self.truth.acknowledged(address)

    def outage(self, break_it, ask):
        """break_it() returns when Redis can be asked again; ask(recipient) is a question of ours."""
        begin = time.monotonic()
        outage = [begin, NEVER]
        self.truth.outages.append(outage)
        break_it()
        for probe in self.probes:
            with self._turn:
                self.change(probe)
                if self.truth.now(probe) is None:
                    self.change(probe)      # from nothing: to a suppression
            number = self.truth.now(probe)
            wait_until(lambda: number_of(ask(probe)) == number, 'an answer that knows of a change after the outage')
        outage[1] = time.monotonic()


def entry_writer(command, key):
    """By the documented keys, all fields at once, and DEL; SOFT entries too. command may be that of a cluster."""
    def write(address, number):
        if number is None and address.startswith('soft'):
            command('HSET', key(address), 'status', 'soft', 'reason', 'mailbox.full')
        elif number is None:
            command('DEL', key(address))
        else:
            command('HSET', key(address), 'status', 'hard', 'reason', 'recipient.unknown', 'origin', 'log', 'since', '1700000000',
                    'token', '%d-0' % number)
    return write


def replicated(write, command):
    """As write(), acknowledged when a replica has it too: a fail-over then takes nothing back."""
    def with_replica(address, number):
        write(address, number)
        if command('WAIT', 1, 1000) < 1:
            raise RedisError('no replica has it')
    return with_replica


def oldest(truth, answers):
    """(seconds, answer) of the stalest."""
    worst = max(answers, key=truth.stale_by)
    return truth.stale_by(worst), worst
