"""What the readers write into: one server, a Redis Cluster, or the master that Sentinel names.

All three can be asked, and hurt, in the same way; KINDS are the disturbances that each knows.
A victim is a server that serves data now, whose replica is in step and can take over.
"""
import glob
import os
import shutil
import subprocess
import time

from compare import ask_all
from harness.proc import Child, free_port, wait_until
from harness.redis import RedisClient, RedisError, RedisServer
from harness.servers import HASTY_DOWN_AFTER_MS, HASTY_NODE_TIMEOUT_MS, RedisCluster, Watched, info, slot_of

MULTI = b'*1\r\n$5\r\nMULTI\r\n'
TAIL_BYTES = 4 << 20
MOVED_AT_A_TIME = 20
LIMIT_S = 360.0
# what cannot be asked just now
AWAY = (OSError, RedisError)


# ---- the append-only file

def aof_of(server):
    """The part that grows; None: there is none just now."""
    return max(glob.glob(os.path.join(server.directory, 'appendonlydir', '*.incr.aof')),
               key=lambda p: int(p.split('.')[-3]), default=None)


def repair(server):
    """Cuts off a torn transaction as a whole; redis-server itself leaves its first commands standing."""
    manifest, = glob.glob(os.path.join(server.directory, 'appendonlydir', '*.manifest'))
    done = subprocess.run(['redis-check-aof', '--fix', manifest], input='y\n', stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError('redis-check-aof: %s' % done.stdout)


def tear(server, random, transactions, keep):
    """Cut the append-only file somewhere in one of its last transactions, behind `keep` = (path, size); the bytes that went."""
    path = aof_of(server)
    if path is None:
        return 0
    size = os.path.getsize(path)
    least = keep[1] if keep and keep[0] == path else 0
    with open(path, 'rb') as f:
        f.seek(max(0, least, size - TAIL_BYTES))
        tail = f.read()
    begins, at = [], tail.find(MULTI)
    while at >= 0:
        begins.append(at)
        at = tail.find(MULTI, at + 1)
    if not begins:
        return 0
    which = max(0, len(begins) - transactions)
    end = begins[which + 1] if which + 1 < len(begins) else len(tail)
    cut = len(tail) - random.randrange(begins[which] + len(MULTI), end)
    os.truncate(path, size - cut)
    return cut


def in_step(replica):
    """It has what its master has, on disk too: else, promoted, it would come back empty after a crash."""
    told = dict(info(replica, 'replication'), **info(replica, 'persistence'))
    return (told.get('master_link_status') == 'up' and told.get('master_sync_in_progress') == '0'
            and told.get('aof_rewrite_in_progress') == '0' and told.get('aof_rewrite_scheduled') == '0'
            and told.get('loading') == '0')


class Stage:
    """Servers that are killed and come back. `frozen` are not to be asked."""
    KINDS = ()

    def __init__(self, directory, fix):
        self.directory, self.fix, self.frozen = directory, fix, set()
        self.kept = {}      # {server: (append-only file, size)}: what is before that is never torn off

    def kill(self, server):
        server.kill()
        self.frozen.discard(server)

    def start(self, server):
        if self.fix:
            repair(server)
        for again in range(5):      # its port may be that of a connection just now
            try:
                server.start()
                return
            except AssertionError:
                server.kill()
                if again == 4:
                    raise
                time.sleep(0.2)

    def freeze(self, server):
        self.frozen.add(server)
        server.freeze()

    def thaw(self, server):
        server.thaw()
        self.frozen.discard(server)

    def tear(self, server, random, transactions):
        return tear(server, random, transactions, self.kept.get(server))

    def crash(self):
        """All at once, and back: how many were killed."""
        servers = self.servers()
        for server in servers:
            self.kill(server)
        for server in servers:
            self.start(server)
        self.wait_whole()
        return len(servers)

    def wait_whole(self):
        """All servers live, agree, and every replica is in step."""
        def whole():
            try:
                return self.is_whole()
            except AWAY:
                return False
        wait_until(whole, 'peace among the servers', LIMIT_S)

    def wait_written(self):
        """A busy disk holds up the append-only file for seconds, and a replica that got all anew has none before it has written it
        anew: what was answered is in it."""
        done = {'aof_buffer_length:0', 'aof_rewrite_in_progress:0', 'aof_rewrite_scheduled:0'}

        def written():
            return all(done <= set(server.command('INFO', 'persistence').split()) for server in self.servers())
        wait_until(written, 'the append-only files', LIMIT_S)


# ---- one server, which a second one follows now and then

class Server(Stage):
    """`path` is what the readers know: a link to the socket of the server of the day."""
    KINDS = 'kill_redis', 'freeze_redis', 'tear', 'fail_over'

    def __init__(self, directory, fix):
        super().__init__(directory, fix)
        self.serial = 0
        self.path = os.path.join(directory, 'redis.sock')
        self.address = 'unix:' + self.path
        self.server = self._new_server()
        self._point()

    def _new_server(self):
        self.serial += 1
        port = free_port()
        server = RedisServer(self.directory, '--port', str(port), '--bind', '127.0.0.1', '--repl-diskless-sync-delay', '0',
                             name='redis.%d' % self.serial)
        server.port = port
        return server.start()

    def _point(self):
        """Atomically: there is always something at the path, dead or alive."""
        new = self.path + '.new'
        os.symlink(self.server.socket, new)
        os.rename(new, self.path)
        self.command = RedisClient(self.path)

    def stop(self):
        self.server.stop()

    def servers(self):
        return [self.server]

    def victim(self, _):
        return self.server

    @staticmethod
    def is_whole():
        return True

    def keys(self):
        return self.server.command('KEYS', '*')

    def ask(self, commands):
        return ask_all(self.server.socket, commands)

    def lag(self, victim):
        """A second server with all that the first one has, and from now on no more."""
        replica = self._new_server()
        replica.command('REPLICAOF', '127.0.0.1', victim.port)
        wait_until(lambda: in_step(replica), 'replica in step', child=replica.child)
        replica.command('REPLICAOF', '127.0.0.1', '1')
        return replica

    def take_over(self, victim, replica):
        self.server = replica
        victim.kill()
        replica.command('REPLICAOF', 'NO', 'ONE')
        self._point()
        shutil.rmtree(victim.directory, ignore_errors=True)


# ---- what a replica can do by itself

class Replicated(Stage):
    def lag(self, victim):
        replica = self.replica_of(victim)
        replica.lag_behind(victim)
        return replica

    def take_over(self, victim, replica):
        """kill -9; the replica takes over, and the old master comes back as a replica."""
        self.kill(victim)
        wait_until(lambda: self.serves(replica), 'fail-over of %s to %s' % (victim.name, replica.name), LIMIT_S)
        replica.command('CONFIG', 'SET', 'masterauth', '')
        self.start(victim)

    def serves(self, server):
        try:
            return server in self.masters()
        except AWAY:
            return False

    def victim(self, random):
        def found():
            try:
                return self.is_whole() and sorted(self.masters(), key=lambda s: s.name)
            except AWAY:
                return None
        return random.choice(wait_until(found, 'peace among the servers', LIMIT_S))

    def living(self):
        return [s for s in self.servers() if s.child is not None and s not in self.frozen]


class ClusterView(RedisCluster):
    """Of several that say that they serve a slot the one is right who was elected last."""

    def nodes_lines(self, node):
        return [line.split() for line in node.command('CLUSTER', 'NODES').splitlines()]

    def masters(self):
        claims = {}
        for node in self.asked():
            try:
                me, = [f for f in self.nodes_lines(node) if 'myself' in f[2]]
            except AWAY:
                continue
            if 'master' not in me[2]:
                continue
            for part in me[8:]:
                if part[0] == '[':
                    continue
                first, _, last = part.partition('-')
                for slot in range(int(first), int(last or first) + 1):
                    if slot not in claims or claims[slot][0] < int(me[6]):
                        claims[slot] = int(me[6]), node
        found = {}
        for slot, (_, node) in sorted(claims.items()):
            ranges = found.setdefault(node, [])
            if ranges and ranges[-1][1] == slot - 1:
                ranges[-1] = ranges[-1][0], slot
            else:
                ranges.append((slot, slot))
        return found


class Cluster(Replicated):
    """Three masters, three replicas."""
    KINDS = ('kill_redis', 'freeze_redis', 'tear', 'fail_over', 'kill_master', 'kill_replica', 'move_slots', 'crash_all')

    def __init__(self, directory, fix):
        super().__init__(directory, fix)
        self.cluster = ClusterView(directory, replicas=1, node_timeout_ms=HASTY_NODE_TIMEOUT_MS)
        self.cluster.asked = self.living
        self.address = self.cluster.address
        self.stop = self.cluster.stop
        self.cluster.start()

    def servers(self):
        return self.cluster.nodes

    def masters(self):
        return self.cluster.masters()

    def replica_of(self, master):
        return self.cluster.replica_of(master)

    def is_whole(self):
        nodes, masters = self.servers(), self.masters()
        if len(masters) != self.cluster.n or len(self.living()) != len(nodes):
            return False
        if sum(b - a + 1 for ranges in masters.values() for a, b in ranges) != 16384:
            return False
        followed = set()
        for node in nodes:
            lines = self.cluster.nodes_lines(node)
            if any('fail' in f[2] or f[7] != 'connected' for f in lines) or 'cluster_state:ok' not in node.command('CLUSTER', 'INFO'):
                return False
            if node not in masters:
                me, = [f for f in lines if 'myself' in f[2]]
                followed.add(me[3])
                if 'slave' not in me[2] or not in_step(node):
                    return False
        # all of them know who serves what
        said = {tuple(sorted((r[0], r[1], r[2][1]) for r in node.command('CLUSTER', 'SLOTS'))) for node in nodes}
        return len(followed) == self.cluster.n and len(said) == 1

    def _by_owner(self, commands):
        """{node: [(index, command)]}"""
        owner = {}
        for node, ranges in self.masters().items():
            for first, last in ranges:
                owner.update((slot, node) for slot in range(first, last + 1))
        parts, slots = {}, {}
        for i, command in enumerate(commands):
            tag = command[1].partition('}')[0]
            if tag not in slots:
                slots[tag] = slot_of(command[1])
            if slots[tag] not in owner:
                raise ConnectionError('nobody serves slot %d' % slots[tag])
            parts.setdefault(owner[slots[tag]], []).append((i, command))
        return parts

    def ask(self, commands):
        answers = [None] * len(commands)
        for node, part in self._by_owner(commands).items():
            for (i, _), answer in zip(part, ask_all(node.socket, [command for _, command in part])):
                answers[i] = answer
        return answers

    def keys(self):
        return [key for node in self.masters() for key in node.command('KEYS', '*')]

    def move(self, slot, to, between):
        """As redis-cli --cluster reshard does; between() while some keys are here and some there."""
        origin = self.cluster.owner(slot)
        to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', self.cluster.id_of(origin))
        origin.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', self.cluster.id_of(to))
        while True:
            keys = origin.command('CLUSTER', 'GETKEYSINSLOT', slot, MOVED_AT_A_TIME)
            if not keys:
                break
            origin.command('MIGRATE', '127.0.0.1', to.port, '', 0, 20000, 'KEYS', *keys)
            between()
        for node in to, origin:
            node.command('CLUSTER', 'SETSLOT', slot, 'NODE', self.cluster.id_of(to))
        # What was moved is nowhere else: before anything crashes it is in the replicas, and on disk.
        for node in to, origin:
            node.command('WAIT', 1, 20000)
            for server in node, self.replica_of(node):
                path = aof_of(server)
                self.kept[server] = path, os.path.getsize(path) if path else 0


class Sentinel(Replicated):
    """A master and a replica, which three sentinels watch."""
    KINDS = 'kill_redis', 'freeze_redis', 'tear', 'fail_over', 'kill_master', 'kill_replica', 'kill_sentinel', 'crash_all'

    def __init__(self, directory, fix):
        super().__init__(directory, fix)
        self.watched = Watched(directory, HASTY_DOWN_AFTER_MS)
        self.address = self.watched.address
        self.stop = self.watched.stop
        self.watched.start()

    def servers(self):
        return self.watched.servers

    def named(self):
        """{port of the master, as each sentinel says}"""
        return {int(client('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', self.watched.NAME)[1]) for client in self.watched.clients}

    def masters(self):
        """None or one, on which all agree."""
        named = self.named()
        return [s for s in self.living() if {s.port} == named and s.command('ROLE')[0] == 'master']

    def replica_of(self, master):
        return next(s for s in self.servers() if s is not master)

    def is_whole(self):
        return len(self.living()) == len(self.servers()) and self.watched.is_whole() and in_step(self.watched.replica())

    def _master(self):
        masters = self.masters()
        if not masters:
            raise ConnectionError('no master')
        return masters[0]

    def ask(self, commands):
        return ask_all(self._master().socket, commands)

    def keys(self):
        return self._master().command('KEYS', '*')

    def kill_sentinel(self, i, pause_s):
        watched = self.watched
        directory = os.path.join(self.directory, 'sentinel%d' % watched.ports[i])
        watched.clients[i].close()
        watched.sentinels[i].kill()
        time.sleep(pause_s)
        watched.sentinels[i] = Child('sentinel', ['redis-server', os.path.join(directory, 'sentinel.conf'), '--sentinel'],
                                     os.path.join(directory, 'redis.log'))


STAGES = {'server': Server, 'cluster': Cluster, 'sentinel': Sentinel}
