"""A Redis Cluster, and a master with a replica that three sentinels watch, all on loopback."""
import os
import zlib

from .proc import LIMIT, Child, free_port, wait_until
from .redis import RedisClient, RedisError, RedisServer

SLOTS = 16384
# What is silent for so long is down: long enough that a machine which stands still for a moment is not, where nobody is to take over.
NODE_TIMEOUT_MS, LONE_NODE_TIMEOUT_MS = 4000, 15000
DOWN_AFTER_MS = 4000
# For whom take-overs that nobody asked for are welcome.
HASTY_NODE_TIMEOUT_MS, HASTY_DOWN_AFTER_MS = 1500, 2000
# Votes that are late are repeated after twice 5 s, and each server that seems to be away for a moment delays what is next.
FAIL_OVER_LIMIT = 6 * LIMIT
# What cannot be asked just now.
AWAY = (OSError, RedisError)


class TcpServer(RedisServer):
    """The Unix socket is for the tests, the port for nixie and the other servers."""

    def __init__(self, directory, name, *options):
        self.port = free_port()
        super().__init__(directory, '--port', str(self.port), '--bind', '127.0.0.1',
                         '--repl-diskless-sync-delay', '0', *options, name=name)
        self.endpoint = '127.0.0.1:%d' % self.port

    def lag_behind(self, master):
        """From now on this replica misses what its master is told, and neither can mend it."""
        self.command('CONFIG', 'SET', 'masterauth', 'wrong')
        master.command('CLIENT', 'KILL', 'TYPE', 'replica')
        wait_until(lambda: info(self, 'replication')['master_link_status'] == 'down', 'lost link')

    def stop(self):
        if self.child is not None:
            self.thaw()
        self.kill()


def info(server, section):
    return dict(line.split(':', 1) for line in server.command('INFO', section).splitlines() if ':' in line)


def wait_in_step(master, replica):
    """What anybody has told the master until now has come across. (WAIT is about what its own connection has written.)"""
    offset = int(info(master, 'replication')['master_repl_offset'])
    wait_until(lambda: int(info(replica, 'replication').get('slave_repl_offset', -1)) >= offset, 'replica in step')


def slot_of(key):
    before, brace, rest = key.partition('{')
    tag = rest.partition('}')[0] if brace and '}' in rest else ''
    crc = 0
    for byte in (tag or key).encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc % SLOTS


class RedisCluster:
    """Masters with as many replicas each; command() and hgetall() as of one server."""

    def __init__(self, directory, masters=3, replicas=0, node_timeout_ms=None):
        self.n, self.replicas = masters, replicas
        self.node_timeout_ms = node_timeout_ms or (NODE_TIMEOUT_MS if replicas else LONE_NODE_TIMEOUT_MS)
        self.nodes = []
        for i in range(masters * (1 + replicas)):
            self.nodes.append(self._node(directory, i))
        self.address = 'cluster:' + ','.join(node.endpoint for node in self.nodes[:masters])
        self.known = {}     # {slot: node}, as far as asked, and perhaps no longer true

    def _node(self, directory, i):
        bus_port = free_port()
        node = TcpServer(directory, 'node%d' % i, '--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf',
                         '--cluster-node-timeout', str(self.node_timeout_ms), '--cluster-port', str(bus_port),
                         # whose link is down for long, as that of lag_behind(), may take over all the same
                         '--cluster-replica-validity-factor', '0')
        node.bus_port = bus_port
        return node

    def join(self):
        """One more master, which serves nothing yet."""
        node = self._node(os.path.dirname(self.nodes[0].directory), len(self.nodes))
        self.nodes.append(node.start())
        self._wait(self._all_met, 'cluster of %d nodes' % len(self.nodes))
        self._wait(lambda: 'cluster_state:ok' in node.command('CLUSTER', 'INFO'), 'cluster as the new node sees it')
        return node

    def start(self):
        for node in self.nodes:
            node.start()
        for i, node in enumerate(self.nodes[:self.n]):
            node.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
            node.command('CLUSTER', 'ADDSLOTSRANGE', SLOTS * i // self.n, SLOTS * (i + 1) // self.n - 1)
        self._wait(self._all_met, 'cluster of %d nodes' % len(self.nodes))
        for i, node in enumerate(self.nodes[self.n:]):
            self._call(node, 'CLUSTER', 'REPLICATE', self.id_of(self.nodes[i % self.n]))
        self._wait(self._all_linked, 'replicas in step')
        self._wait(lambda: all('cluster_state:ok' in node.command('CLUSTER', 'INFO') for node in self.nodes), 'cluster')
        return self

    def _all_met(self):
        """Each is introduced to the first, and again when a handshake took longer than the nodes' timeout: then they forget it."""
        first = self.nodes[0]
        for node in self.nodes[1:]:
            if not self._knows(node, first) or not self._knows(first, node):
                node.command('CLUSTER', 'MEET', '127.0.0.1', first.port, first.bus_port)
        return all('cluster_known_nodes:%d\r' % len(self.nodes) in node.command('CLUSTER', 'INFO')
                   and 'handshake' not in node.command('CLUSTER', 'NODES') for node in self.nodes)

    @staticmethod
    def _knows(node, other):
        """Perhaps only by its address, as long as they shake hands."""
        return ':%d@' % other.port in node.command('CLUSTER', 'NODES')

    def _all_linked(self):
        return all(info(node, 'replication').get('master_link_status') == 'up' for node in self.nodes[self.n:])

    def _call(self, node, *args):
        """A node may not have heard yet of the one it is told about."""
        def called():
            try:
                return node.command(*args)
            except RedisError:
                return None
        return wait_until(called, ' '.join(map(str, args)), child=node.child)

    def _wait(self, condition, what):
        """A node that does not tell just now is asked again."""
        def so():
            try:
                return condition()
            except AWAY:
                return False
        wait_until(so, what, LIMIT)

    def stop(self):
        for node in self.nodes:
            node.stop()

    # -- who is who ------------------------------------------------------------

    @staticmethod
    def id_of(node):
        return node.command('CLUSTER', 'MYID')

    def living(self):
        return [node for node in self.nodes if node.child is not None]

    def masters(self):
        """{node: [(first slot, last slot)]}, as the first living node that is no fool tells."""
        ports = {node.port: node for node in self.nodes}
        for node in self.living():
            try:
                ranges = node.command('CLUSTER', 'SLOTS')
            except AWAY:
                continue
            found = {}
            for first, last, master, *_ in ranges:
                found.setdefault(ports[master[1]], []).append((first, last))
            return found
        raise AssertionError('no node answers')

    def owner(self, slot):
        for node, ranges in self.masters().items():
            if any(a <= slot <= b for a, b in ranges):
                return node
        raise AssertionError('nobody serves slot %d' % slot)

    def replica_of(self, master):
        mine = self.id_of(master)

        def told():
            for line in master.command('CLUSTER', 'NODES').splitlines():
                fields = line.split()
                if fields[3] == mine:
                    return next(node for node in self.nodes if self.id_of(node) == fields[0])
            return None
        return wait_until(told, 'replica of ' + master.name, child=master.child)

    # -- as one server ---------------------------------------------------------

    def command(self, *args):
        if args[0] == 'KEYS':
            return sorted(key for node in self.masters() for key in node.command(*args))
        slot = slot_of(args[1])
        try:
            return self.known[slot].command(*args)
        except (KeyError, OSError):
            pass
        except RedisError as e:
            if not str(e).startswith('MOVED'):
                raise
        self.known[slot] = self.owner(slot)
        return self.known[slot].command(*args)

    def hgetall(self, key):
        flat = self.command('HGETALL', key)
        return dict(zip(flat[::2], flat[1::2]))

    def errors(self, *words):
        """How often the living nodes have said so."""
        total = 0
        for node in self.living():
            stats = info(node, 'errorstats')
            total += sum(int(stats.get('errorstat_' + w, 'count=0').split('=')[1]) for w in words)
        return total

    # -- what happens to clusters ----------------------------------------------

    def move(self, slot, to, between=lambda: None):
        """Key by key, as redis-cli --cluster reshard does; between() after each."""
        origin = self.owner(slot)
        to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', self.id_of(origin))
        origin.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', self.id_of(to))
        while True:
            keys = origin.command('CLUSTER', 'GETKEYSINSLOT', slot, 1)
            if not keys:
                break
            origin.command('MIGRATE', '127.0.0.1', to.port, keys[0], 0, int(LIMIT * 1000))
            between()
        between()
        for node in to, origin:
            node.command('CLUSTER', 'SETSLOT', slot, 'NODE', self.id_of(to))
        wait_until(lambda: self.owner(slot) is to, 'the slot at its new node')

    def fail_over(self, master):
        """kill -9, and wait until another node serves what it served."""
        slot = self.masters()[master][0][0]
        master.kill()

        def taken_over():
            try:
                return all('cluster_state:ok' in node.command('CLUSTER', 'INFO') for node in self.living()) and self.owner(slot).child is not None
            except AWAY:
                return False
        wait_until(taken_over, 'fail-over of ' + master.name, FAIL_OVER_LIMIT)
        return self.owner(slot)


class Watched:
    """A master, a replica and three sentinels, two of which must agree."""
    NAME = 'post'

    def __init__(self, directory, down_after_ms=DOWN_AFTER_MS):
        self.directory, self.down_after_ms = directory, down_after_ms
        self.servers = [TcpServer(directory, 'server%d' % i) for i in range(2)]
        self.ports = [free_port() for _ in range(3)]
        self.sentinels, self.clients = [], []
        self.port_word, self.tls = 'port', ''
        self.address = 'sentinel:%s@%s' % (self.NAME, ','.join('127.0.0.1:%d' % p for p in self.ports))

    def encrypt(self, options):
        """Also the sentinels have TLS only; options are those of the servers."""
        self.port_word = 'port 0\ntls-port'
        self.tls = ''.join('%s %s\n' % (name[2:], value) for name, value in zip(options[::2], options[1::2]))

    def start(self):
        master, replica = [server.start() for server in self.servers]
        replica.command('REPLICAOF', '127.0.0.1', master.port)
        wait_until(lambda: info(replica, 'replication')['master_link_status'] == 'up', 'replica in step')
        for port in self.ports:
            self._start_sentinel(port, master.port)
        self.wait_whole()
        return self

    def _start_sentinel(self, port, master):
        directory = os.path.join(self.directory, 'sentinel%d' % port)
        os.mkdir(directory, 0o755)
        conf, path = os.path.join(directory, 'sentinel.conf'), os.path.join(directory, 's')
        name = self.NAME
        with open(conf, 'w') as f:
            f.write('%s %d\nbind 127.0.0.1\nunixsocket %s\ndir %s\nlogfile ""\n%s' % (self.port_word, port, path, directory, self.tls))
            f.write('sentinel monitor %s 127.0.0.1 %d 2\nsentinel down-after-milliseconds %s %d\n'
                    'sentinel failover-timeout %s 5000\n' % (name, master, name, self.down_after_ms, name))
        self.sentinels.append(Child('sentinel', ['redis-server', conf, '--sentinel'], os.path.join(directory, 'redis.log')))
        self.clients.append(RedisClient(path))

    def stop(self):
        for client in self.clients:
            client.close()
        for sentinel in self.sentinels:
            sentinel.kill()
        for server in self.servers:
            server.stop()

    def kill_sentinel(self, i):
        self.clients[i].close()
        self.sentinels[i].kill()
        del self.clients[i], self.sentinels[i]

    def master(self):
        """As all sentinels name it; None while they do not agree, or it is none yet."""
        try:
            named = {client('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', self.NAME)[1] for client in self.clients}
            server = next((s for s in self.servers if {str(s.port)} == named and s.child is not None), None)
            return server if server and server.command('ROLE')[0] == 'master' else None
        except AWAY:
            return None

    def replica(self):
        master = self.master()
        return next(s for s in self.servers if s is not master)

    def wait_master(self, other_than):
        def another():
            master = self.master()
            return master if master is not other_than else None
        return wait_until(another, 'another master', FAIL_OVER_LIMIT)

    def is_whole(self):
        """One is the master, the other follows it, and no sentinel sees it otherwise."""
        try:
            master = self.master()
            if master is None or any(s.child is None for s in self.servers):
                return False
            role, *of = next(s for s in self.servers if s is not master).command('ROLE')
            return role == 'slave' and of[1:3] == [master.port, 'connected'] and all(map(self._sees_both, self.clients))
        except AWAY:
            return False

    def _sees_both(self, client):
        def told(flat):
            return dict(zip(flat[::2], flat[1::2]))
        master = told(client('SENTINEL', 'MASTER', self.NAME))
        replicas = [told(flat)['flags'] for flat in client('SENTINEL', 'REPLICAS', self.NAME)]
        return (master['flags'], replicas, master['num-other-sentinels']) == ('master', ['slave'], '2')

    def wait_whole(self):
        wait_until(self.is_whole, 'peace among the servers', FAIL_OVER_LIMIT)

    def command(self, *args):
        return wait_until(self.master, 'master').command(*args)

    def hgetall(self, key):
        flat = self.command('HGETALL', key)
        return dict(zip(flat[::2], flat[1::2]))


def partition_of(address, partitions):
    return zlib.crc32(address.encode()) % partitions if partitions > 1 else 0
