"""nixie import while something happens: it is killed, others write the same addresses, hands have written there before."""
import json
import subprocess
import threading

from harness.maillog import hard
from harness.nixie import NO_REDIS, OK, binary, run
from harness.proc import wait_until
from harness.servers import partition_of
from test_exchange import Exchange

LINES = 12000


class While(Exchange):
    def many(self, n=LINES):
        """Two kinds of entries, and some who are there twice."""
        kinds = ('hard,recipient.unknown,,', 'held,mailbox.full,2099-01-01T00:00:00Z,552', 'soft,mailbox.full,,452', 'manual,other,,')
        return self.file('address,status,reason,until,code,since\n' + ''.join(
            'reader%d@d%d.example,%s,2026-01-01T00:00:%02dZ\n' % (i, i % 97, kinds[i % 4], i % 60)
            for i in (line % (n - 100) for line in range(n))))

    def start(self, *args):
        p = subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'import', '--json', *args], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        return p

    def entry_key(self, address):
        partition = partition_of(address, self.partitions)
        return 'nixie:{%d}:%s' % (partition, 'domain:' + address[1:] if address[0] == '@' else 'addr:' + address)

    def written(self):
        return sum(int(self.redis.command('ZCARD', 'nixie:{%d}:suppressed' % p)) for p in range(self.partitions))

    def steps(self):
        """The journal: {id with the partition: fields}"""
        found = {}
        for p in range(self.partitions):
            for id_, fields in self.redis.command('XRANGE', 'nixie:{%d}:journal' % p, '-', '+'):
                found[id_ + ('-%d' % p if p else '')] = dict(zip(fields[::2], fields[1::2]))
        return found

    def check_tokens(self, count):
        """Every entry names its step in the journal, and there is none for nothing."""
        steps = self.steps()
        keys = self.keys()
        self.assertEqual((len(keys), len(steps)), (count, count))
        for key in keys[::17]:
            token = self.redis.command('HGET', key, 'token')
            self.assertEqual(steps[token]['address'], key.split(':addr:')[1])
            self.assertEqual((steps[token]['from'], steps[token]['to']), ('none', self.redis.command('HGET', key, 'status')))

    def kill_in_the_middle(self, path, least):
        """Of the first that are written, at the least. False: it was done before."""
        p = self.start('--batch', 'moved', path)
        while self.written() < least and p.poll() is None:
            pass
        p.kill()
        p.wait()
        return len(self.keys()) < LINES - 100

    def test_killed(self):
        path = self.many()
        self.site.ctl_ok('import', path)
        whole = sorted(self.export().splitlines())
        self.redis.command('FLUSHALL')
        while not (self.kill_in_the_middle(path, 1) and self.kill_in_the_middle(path, 3000)):
            self.redis.command('FLUSHALL')
        said = json.loads(self.site.ctl_ok('import', '--json', '--batch', 'moved', path))
        self.assertGreater(said['there'], 3000)
        self.assertEqual(sorted(self.export().splitlines()), whole)
        self.check_tokens(LINES - 100)
        self.site.ctl_ok('undo', '--batch', 'moved', '--yes')
        self.assertEqual(self.keys(), [])

    def test_the_server_goes_in_the_middle(self):
        path = self.many()
        p = self.start(path)
        wait_until(lambda: self.written() > 0, what='some of them')
        self.redis.command('CONFIG', 'SET', 'maxmemory', '1')
        out, err = p.communicate()
        self.redis.command('CONFIG', 'SET', 'maxmemory', '0')
        if p.returncode == OK: # it was faster
            return
        self.assertEqual(p.returncode, NO_REDIS, out + err)
        self.assertIn('OOM', err)
        self.assertRegex(err, r'stopped after \d+ of')
        self.assertIn('undo --batch', err)
        self.site.ctl_ok('import', path)
        self.check_tokens(LINES - 100)

    def test_others_write_the_same(self):
        """What a person decides meanwhile stays, whoever was first; what the log says is not lost."""
        path = self.many()
        mine = ['reader%d@d%d.example' % (i, i % 97) for i in range(0, LINES - 200, 400)]
        with open(self.site.log_path, 'a') as f:
            f.write(''.join(hard(a) for a in mine[1::2]))
        p = self.start(path)
        reading = threading.Thread(target=lambda: run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once'))
        reading.start()
        for address in mine[::2]:
            self.site.ctl_ok('allow', address)
        reading.join()
        out, err = p.communicate()
        self.assertEqual(p.returncode, OK, out + err)
        for address in mine[::2]:
            self.assertEqual(self.known(address)[0], 'allow')
        for address in mine[1::2]:
            self.assertIn(self.known(address)[0], ('hard', 'manual'))
            self.assertGreaterEqual(self.site.check(address)['count'], 1, address)
        self.assertEqual(len(self.keys()), LINES - 100)

    def test_what_hands_have_written(self):
        """An entry without a revision is an entry."""
        people = {'a@h.example': 'manual', 'b@h.example': 'allow', 'c@h.example': 'complaint', 'd@h.example': 'hard', '@h.example': 'allow'}
        for address, status in people.items():
            self.redis.command('HSET', self.entry_key(address), 'status', status)
        text = 'address,status,scopes\n' + ''.join('%s,hard,\n' % a for a in people)
        self.assertEqual(self.counts(text), (0, 0, 1, 4, 0, 0))
        # twice in the list it is written in another way
        for address, status in people.items():
            self.imported('address,status,until\n%s,held,2099-01-01T00:00:00Z\n%s,hard,\n' % (address, address))
            self.assertEqual(self.known(address)[0], status)

    def test_a_key_of_another_kind(self):
        self.redis.command('SET', self.entry_key('text@h.example'), 'x')
        said = self.imported('text@h.example\nother@h.example\n', status=NO_REDIS)
        self.assertIn('WRONGTYPE', said)
        self.assertIn('text@h.example', said)

    def test_every_kind_ends_when_it_should(self):
        self.imported('address,status,until\nsoft@k.example,soft,\nhard@k.example,hard,\nheld@k.example,held,2099-01-01T00:00:00Z\n')
        ttl = {a: self.redis.command('TTL', self.entry_key(a + '@k.example')) for a in ('soft', 'hard', 'held')}
        self.assertGreater(ttl['soft'], 86400)
        self.assertEqual((ttl['hard'], ttl['held']), (-1, -1))
        until = sum((self.redis.command('ZRANGE', 'nixie:{%d}:until' % p, '0', '-1', 'WITHSCORES') for p in range(self.partitions)), [])
        self.assertEqual(until, ['held@k.example', '4070908800'])
        self.assertEqual(self.written(), 2)

    def test_the_tokens_go_on(self):
        """Steps of one moment, of several batches: no id twice, none before another."""
        self.imported(''.join('a%d@t.example\n' % i for i in range(600)))
        self.imported(''.join('b%d@t.example\n' % i for i in range(600)))
        self.check_tokens(1200)


class While64(While):
    partitions = 64
