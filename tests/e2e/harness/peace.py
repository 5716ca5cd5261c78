"""Logs that are fed to a reader while its servers suffer, and what one reader in peace makes of them."""
import os
import re
import sys
import threading
import time

from .case import Case
from .nixie import OK, REPOSITORY, Site, run
from .proc import LIMIT, wait_until
from .redis import RedisServer
from .servers import AWAY, partition_of

sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))

import compare                      # noqa: E402
from compare import CHANGING, READ, Comparison, is_compared    # noqa: E402
from traffic import Host            # noqa: E402

SETTLE_S = 3 * LIMIT


class PartitionedSite(Site):
    """A site whose data is in several partitions."""

    def __init__(self, directory, redis, partitions):
        self.partitions = partitions
        super().__init__(directory, redis)
        self.options['redis']['partitions'] = partitions
        self.write_conf()

    def key(self, address, kind='addr'):
        return 'nixie:{%d}:%s:%s' % (partition_of(address, self.partitions), kind, address)

    def status(self, address):
        return self.redis.command('HGET', self.key(address), 'status')

    def counters(self):
        total = {}
        for key in self.redis.command('KEYS', 'nixie:{*}:day:*'):
            if re.fullmatch(r'.*:day:\d{8}', key):
                for name, value in self.redis.hgetall(key).items():
                    total[name] = total.get(name, 0) + int(value)
        return {k: v for k, v in total.items() if v}

    def once(self):
        done = run('nixie-logtail', '-f', '-c', self.conf_path, '--once')
        if done.returncode != OK:
            raise AssertionError('nixie-logtail --once: status %d: %s' % (done.returncode, done.stderr))


def snapshot(redis):
    """{kind of key, partition behind it: contents}; the journal is one. Places are of files, readers of
    when they ran, and which hours and days of a log that is read late get a roll depends on how it was read."""
    data = {}
    for key in redis.command('KEYS', 'nixie:{*}:*'):
        partition, name = re.fullmatch(r'nixie:\{(\d+)\}:(.*)', key, re.S).groups()
        kind = name.split(':')[0]
        if not is_compared(name):
            continue
        type_ = redis.command('TYPE', key)
        if type_ == 'none':     # gone meanwhile
            continue
        value = dict(READ[type_](redis, key))
        for field in CHANGING.get(kind, ()):
            value.pop(field, None)
        if kind == 'journal':
            for entry, n in value.items():
                journal = data.setdefault('journal', {})
                journal[entry] = journal.get(entry, 0) + n
        else:
            data['%s{%s}' % (name, partition)] = value
    return data


class Feeder:
    """What syslogd does: appends, in pieces that end anywhere, until told to stop."""

    def __init__(self, path, text):
        self.path, self.rest = path, text.encode()
        self.total, self.thread, self.stopping = len(self.rest), None, threading.Event()

    def feed(self, share):
        """So much of all, at once."""
        self._append(int(self.total * share))

    def _append(self, n):
        with open(self.path, 'ab') as f:
            f.write(self.rest[:n])
        self.rest = self.rest[n:]

    def __enter__(self):
        """Meanwhile: a hundredth now and then; the last tenth is for finish()."""
        self.stopping.clear()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self):
        while len(self.rest) > self.total // 10 and not self.stopping.wait(0.05):
            self._append(self.total // 100 + 7)

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def finish(self):
        self._append(len(self.rest))


class PeaceCase(Case):
    """self.text, and self.want: what one server in peace has of it."""
    MESSAGES = 250

    def setUp(self):
        super().setUp()
        compare.begin()

    def with_servers(self, servers, partitions):
        self.addCleanup(servers.stop)
        servers.start()
        self.redis, self.partitions = servers, partitions
        self.site = PartitionedSite(self.directory, servers, partitions)
        self.addCleanup(self.site.stop)
        return self.site

    def policyd(self, suppressed):
        """A policyd that has found its servers: it answers before it has, as a mail must not wait."""
        child = self.site.policyd()
        wait_until(lambda: self.site.ask(suppressed).startswith('5'), 'refusal', child=child)
        return child

    def make_log(self, seed=1):
        self.text = ''.join(Host(str(seed), 'mx1', 0, self.MESSAGES, time.time()).lines())
        self.want = self.peace(self.partitions)
        return Feeder(self.site.log_path, self.text)

    def peace(self, partitions):
        redis = RedisServer(self.directory, name='peace%d' % partitions).start()
        try:
            directory = os.path.join(self.directory, 'site%d' % partitions)
            os.mkdir(directory, 0o755)
            site = PartitionedSite(directory, redis, partitions)
            with open(site.log_path, 'w') as f:
                f.write(self.text)
            site.once()
            return snapshot(redis)
        finally:
            redis.stop()

    def compare(self):
        """Falsy while a server is away."""
        try:
            return Comparison(self.copy(self.want), self.copy(snapshot(self.redis)))
        except AWAY:
            return None

    @staticmethod
    def copy(data):
        return {key: dict(value) for key, value in data.items()}

    def assertWhole(self, child=None):
        """Nothing is lost and nothing doubled, once the reader has read it all."""
        try:
            whole = wait_until(self.compare, 'all of the log in Redis', SETTLE_S, child)
        except AssertionError as e:
            found = self.compare()
            raise AssertionError('%s\nlost %d, doubled %d\n%s' % (e, found.lost, found.doubled, found.report())
                                 if found is not None else str(e)) from None
        self.assertGreater(whole.compared, 500)

        def asked():        # of servers that may fail over just now
            try:
                return [self.dangling()]
            except AWAY:
                return None
        self.assertEqual(wait_until(asked, 'tokens and journal', SETTLE_S, child), [[]])

    def dangling(self):
        """Every token names a journal entry of its address: those that do not."""
        lost = []
        for key in self.redis.command('KEYS', 'nixie:{*}:addr:*'):
            entry = self.redis.hgetall(key)
            token = entry.get('token')
            if not token:
                continue
            journal = key.partition(':addr:')[0] + ':journal'
            stream_id = '-'.join(token.split('-')[:2])
            found = self.redis.command('XRANGE', journal, stream_id, stream_id)
            fields = found[0][1] if found else []
            if dict(zip(fields[::2], fields[1::2])).get('address') != key.partition(':addr:')[2]:
                lost.append('token %s of %s' % (token, key))
        return lost
