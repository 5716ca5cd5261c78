"""One Redis for the readers, at one path: servers that crash, tear, and are followed by a replica."""
import glob
import os
import shutil
import subprocess

from harness.proc import free_port, wait_until
from harness.redis import RedisClient, RedisError, RedisServer

MULTI = b'*1\r\n$5\r\nMULTI\r\n'
TAIL_BYTES = 4 << 20
# what cannot be asked just now
AWAY = (OSError, RedisError)


class Cluster:
    """`path` is what the readers know: a link to the socket of the server of the day."""

    def __init__(self, directory, repair=True):
        self.directory, self.serial, self.repair = directory, 0, repair
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
        self.command, self.hgetall = RedisClient(self.path), self.server.hgetall

    def stop(self):
        self.server.stop()

    def kill(self):
        self.server.kill()

    def start(self):
        if self.repair:
            self._repair()
        self.server.start()

    def _repair(self):
        """Cuts off a torn transaction as a whole; redis-server itself leaves its first commands standing."""
        manifest, = glob.glob(os.path.join(self.server.directory, 'appendonlydir', '*.manifest'))
        done = subprocess.run(['redis-check-aof', '--fix', manifest], input='y\n', stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise AssertionError('redis-check-aof: %s' % done.stdout)

    # -- a crash of the machine ------------------------------------------------------

    def tear(self, random, transactions):
        """Cut the append-only file somewhere in one of its last transactions; the bytes that went."""
        path = max(glob.glob(os.path.join(self.server.directory, 'appendonlydir', '*.incr.aof')),
                   key=lambda p: int(p.split('.')[-3]))
        size = os.path.getsize(path)
        with open(path, 'rb') as f:
            f.seek(max(0, size - TAIL_BYTES))
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

    # -- fail-over ---------------------------------------------------------------------

    def replicate(self):
        """A second server with all that the first one has, on disk too."""
        replica = self._new_server()
        replica.command('REPLICAOF', '127.0.0.1', self.server.port)

        def synced():
            info = info_of(replica)
            # promoted before its own append-only file is whole it would come back empty after a crash
            return (info.get('master_link_status') == 'up' and info.get('master_sync_in_progress') == '0'
                    and info.get('aof_rewrite_in_progress') == '0' and info.get('aof_rewrite_scheduled') == '0')
        wait_until(synced, 'replica in step', child=replica.child)
        return replica

    @staticmethod
    def cut_off(replica):
        """From now on it lags: it has its data, and a master that nobody can reach."""
        replica.command('REPLICAOF', '127.0.0.1', '1')

    def promote(self, replica):
        old, self.server = self.server, replica
        old.kill()
        replica.command('REPLICAOF', 'NO', 'ONE')
        self._point()
        shutil.rmtree(old.directory, ignore_errors=True)


def info_of(server):
    text = server.command('INFO', 'replication') + server.command('INFO', 'persistence')
    return dict(line.split(':', 1) for line in text.splitlines() if ':' in line)
