"""nixie doctor: every fault that it looks for, with real servers that have it."""
import json
import os
import re
import socket
import subprocess
import threading
import time

from harness.between import Late
from harness.case import Case
from harness.journal import Journal
from harness.maillog import delivered, hard
from harness.nixie import BAD_CONFIG, NO_REDIS, NOT_FOUND, OK, REPOSITORY, USAGE, run
from harness.proc import wait_until
from harness.redis import RedisError, RedisServer

GOOD = ('--hash-max-listpack-value', '512', '--zset-max-listpack-value', '256',
        '--stream-node-max-bytes', '1024', '--maxmemory-policy', 'noeviction', '--appendfsync', 'everysec')
FAULTS = NOT_FOUND
# the mail servers of this host are none of ours
ALONE = ('--postfix', 'none', '--exim', 'none')


def answering(server, answer, first=False):
    """Every client of the listening socket gets it, when it has asked or at first, whether it waits for that or not."""
    def serve():
        while True:
            try:
                end, _ = server.accept()
            except OSError:
                return
            try:
                if not first:
                    end.recv(65536)
                end.sendall(answer)
                end.recv(65536)
            except OSError:
                pass
            end.close()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


class Doctor(Case):
    def doctor(self, *args, status=None, verb=True, prefix=(), stderr=False):
        """All findings as {check: [finding]}; ok ones too. The Postfix of this host is none of ours."""
        words = [*args, *(['doctor', *ALONE] if verb else []), '--json']
        done = self.site.ctl(*words, prefix=prefix)
        self.status = done.returncode
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        if not stderr:
            self.assertEqual(done.stderr, '')
        found = {}
        for line in done.stdout.splitlines():
            finding = json.loads(line)
            self.assertIn(finding['level'], ('ok', 'warning', 'error'))
            self.assertIn(finding['group'], ('nixie', 'Redis', 'Logs', 'Policy service', 'Postfix', 'Exim', 'Mail that comes back'))
            found.setdefault(finding['check'], []).append(finding)
        return found

    def only(self, found, check, level, *words):
        """The one finding of a check that is not ok, or the ok one."""
        bad = [f for f in found.get(check, []) if f['level'] != 'ok'] or found.get(check, [])
        self.assertEqual(len(bad), 1, found)
        self.assertEqual(bad[0]['level'], level, found)
        for word in words:
            self.assertIn(word, bad[0]['text'] + ' ' + bad[0].get('advice', ''))
        if level != 'ok':
            self.assertTrue(bad[0].get('advice') or 'Redis at' in bad[0]['text'], 'no advice: %r' % bad)
        return bad[0]

    def faults(self, found):
        return sorted('%s %s' % (f['level'], f['check']) for v in found.values() for f in v
                      if f['level'] != 'ok')

    def healthy(self, *options):
        site = self.with_redis(*GOOD, *options)
        with open(site.log_path, 'w') as f:
            f.write(hard('gone@example.com') + delivered('fine@example.com'))
        site.policyd()
        site.logtail('--once').wait()
        return site


class Healthy(Doctor):
    def test_nothing_is_wrong(self):
        self.healthy()
        found = self.doctor(status=OK)
        self.assertEqual(self.faults(found), [])
        for check in ('config', 'rules', 'conversions', 'server', 'version', 'data', 'rights', 'role',
                      'persistence', 'eviction', 'memory', 'encoding', 'clock', 'log', 'policyd'):
            self.assertIn(check, found)
        self.assertIn('to its end', found['log'][0]['text'])

    def test_for_people(self):
        self.healthy()
        done = self.site.ctl('doctor', *ALONE)
        self.assertEqual(done.returncode, OK, done.stdout)
        groups = re.findall(r'(?m)^(\w+(?: \w+)?)\n(?=ok )', done.stdout)
        self.assertEqual(groups, ['nixie', 'Redis', 'Logs', 'Policy service'])
        for line in done.stdout.splitlines()[:-1]:
            if line and line not in groups and not line.startswith(' ' * 25):   # of daemons of other tests
                self.assertRegex(line, r'^ok       [a-z]+ +\S')
        self.assertRegex(done.stdout.splitlines()[-1], r'^0 errors, 0 warnings, \d+ ok$')
        self.redis.command('CONFIG', 'SET', 'appendfsync', 'no')
        done = self.site.ctl('doctor', *ALONE)
        self.assertEqual(done.returncode, FAULTS)
        self.assertRegex(done.stdout, r'(?m)^warning  persistence   .*\n {25}CONFIG SET appendfsync everysec')

    def test_writes_nothing(self):
        self.healthy()
        self.site.stop()        # nixie-policyd tells Redis now and then how it is
        self.redis.command('SET', 'nixie:{0}:domain:nixie doctor', 'taken')
        keys = sorted(self.redis.command('KEYS', '*'))
        before = {k: self.redis.command('DUMP', k) for k in keys}
        offset = re.search(r'rdb_changes_since_last_save:(\d+)', self.redis.command('INFO', 'persistence'))[1]
        self.doctor()
        self.assertEqual(keys, sorted(self.redis.command('KEYS', '*')))
        self.assertEqual(before, {k: self.redis.command('DUMP', k) for k in keys})
        self.assertEqual(offset, re.search(r'rdb_changes_since_last_save:(\d+)',
                                           self.redis.command('INFO', 'persistence'))[1])

    def test_empty_server(self):
        self.with_redis(*GOOD)
        open(self.site.log_path, 'w').close()
        found = self.doctor(status=FAULTS)
        self.assertEqual(self.faults(found), ['warning policyd'])
        self.assertEqual(self.redis.command('DBSIZE'), 0)

    def test_usage(self):
        self.make_site()
        self.assertEqual(self.site.ctl('doctor', '--nonsense').returncode, USAGE)

    def test_every_command_is_tried(self):
        """What the store and its scripts send, the doctor asks for."""
        tried, sent = set(), set()
        with open(os.path.join(REPOSITORY, 'common/store_redis_doctor.c')) as f:
            tried.update(re.findall(r'^\t\{ "([a-z]+)[|"]', f.read(), re.M))
        directory = os.path.join(REPOSITORY, 'common')
        for name in os.listdir(directory):
            if re.fullmatch(r'store_redis(_(?!doctor)\w+)?\.c', name):
                with open(os.path.join(directory, name)) as f:
                    sent.update(w.lower() for w in re.findall(r'\{ SV\("([A-Z]+)"\)', f.read()))
        for name in os.listdir(os.path.join(directory, 'lua')):
            with open(os.path.join(directory, 'lua', name)) as f:
                sent.update(w.lower() for w in re.findall(
                    r"(?:redis\.p?call\(|write\(|\{ )'([A-Z]+)'", f.read()))
        self.assertGreater(len(sent), 20)
        self.assertEqual(sent - tried, set())


class Server(Doctor):
    def test_absent(self):
        self.make_site()
        found = self.doctor(status=NO_REDIS)
        self.only(found, 'server', 'error', 'No such file', 'is redis-server running')
        self.assertIn('policyd', found)

    def test_frozen(self):
        self.healthy()
        self.redis.freeze()
        try:
            found = self.doctor('-o', 'redis.timeout=300ms', status=NO_REDIS)
        finally:
            self.redis.thaw()
        self.only(found, 'server', 'error', 'does not answer')

    def test_not_redis(self):
        self.make_site()
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(os.path.join(self.directory, 'absent.sock'))
        server.listen()
        answering(server, b'220 mail.example ESMTP\r\n', first=True)
        found = self.doctor('-o', 'redis.timeout=500ms', status=NO_REDIS)
        self.assertEqual(found['server'][0]['level'], 'error')

    def test_password(self):
        self.with_redis(*GOOD, '--requirepass', 'secret')
        found = self.doctor(status=NO_REDIS)
        self.only(found, 'server', 'error', 'NOAUTH', 'set redis.password')
        found = self.doctor('-o', 'redis.password=wrong', status=NO_REDIS)
        self.only(found, 'server', 'error', 'redis.password')
        self.only(self.doctor('-o', 'redis.password=secret'), 'rights', 'ok')

    def test_replica(self):
        self.healthy()
        replica = RedisServer(self.directory, *GOOD, '--replicaof', '127.0.0.1 1', name='replica')
        self.addCleanup(replica.stop)
        replica.start()
        found = self.doctor('-o', 'redis.address=' + replica.address, status=FAULTS)
        self.only(found, 'role', 'error', 'replica', 'redis.address')

    def test_cluster(self):
        self.with_redis(*GOOD, '--cluster-enabled', 'yes', '--port', '0')
        found = self.doctor(status=FAULTS)
        self.only(found, 'role', 'error', 'cluster')

    def test_clock(self):
        self.healthy()
        found = self.doctor(status=FAULTS, prefix=['env', 'NIXIE_CLOCK=%d' % (time.time() + 1800)])
        self.only(found, 'clock', 'warning', 'behind', 'NTP')

    def late(self, *args):
        between = Late(self.redis.socket, *args)
        self.addCleanup(between.stop)
        found = self.doctor('-o', 'redis.address=' + between.address, status=OK)
        self.assertLessEqual(between.left, 0, 'it was not asked')
        return found

    def test_one_late_answer(self):
        """Of a machine that has too much to do: the server is neither far away nor its clock wrong."""
        self.healthy()
        self.only(self.late(b'PING', 2, 0.5), 'server', 'ok', 'answers in')     # the first one asks whether it may ask
        self.only(self.late(b'TIME', 1, 5), 'clock', 'ok')


class Settings(Doctor):
    def setUp(self):
        super().setUp()
        self.healthy()

    def set(self, *pairs):
        for name, value in zip(pairs[::2], pairs[1::2]):
            self.redis.command('CONFIG', 'SET', name, value)

    def used(self):
        return int(re.search(r'used_memory:(\d+)', self.redis.command('INFO', 'memory'))[1])

    def test_only_snapshots(self):
        self.set('appendonly', 'no', 'save', '900 1')
        found = self.doctor(status=FAULTS)
        self.only(found, 'persistence', 'warning', 'snapshot', 'appendonly yes')
        self.assertEqual(self.faults(found), ['warning persistence'])

    def test_no_persistence(self):
        self.set('appendonly', 'no', 'save', '')
        self.only(self.doctor(status=FAULTS), 'persistence', 'error', 'forgets everything', 'appendonly yes')

    def test_no_fsync(self):
        self.set('appendfsync', 'no')
        self.only(self.doctor(status=FAULTS), 'persistence', 'warning', 'appendfsync')
        self.set('appendfsync', 'always')
        self.only(self.doctor(status=OK), 'persistence', 'ok')

    def test_snapshot_failed(self):
        os.mkdir(os.path.join(self.redis.directory, 'dump.rdb'))  # a file cannot be renamed to it
        self.redis.command('BGSAVE')

        def failed():
            text = self.redis.command('INFO', 'persistence')
            return 'rdb_last_bgsave_status:err' in text
        wait_until(failed, 'failed snapshot')
        self.only(self.doctor(status=FAULTS), 'persistence', 'error', 'snapshot', 'disk')

    def test_eviction(self):
        self.set('maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lru')
        found = self.doctor(status=FAULTS)
        self.only(found, 'eviction', 'error', 'allkeys-lru', 'noeviction')
        self.assertEqual(self.faults(found), ['error eviction'])
        self.set('maxmemory-policy', 'volatile-ttl')
        self.only(self.doctor(status=FAULTS), 'eviction', 'warning', 'volatile-ttl')
        self.set('maxmemory', '0')
        self.doctor(status=OK)

    def test_evicted(self):
        self.set('maxmemory-policy', 'allkeys-lru')
        for i in range(200):
            self.redis.command('SET', 'other:%d' % i, 'x' * 10000)

        def evicted():
            # what waits to be written to a busy disk is in what is used, and does not count
            self.set('maxmemory', str(self.used() - 1000000))
            self.redis.command('SET', 'other', 'x')
            return 'evicted_keys:0' not in self.redis.command('INFO', 'stats')
        wait_until(evicted, 'eviction')
        self.set('maxmemory', '0')
        self.only(self.doctor(status=FAULTS), 'eviction', 'warning', 'have been evicted')

    def test_memory(self):
        self.redis.command('SET', 'other', 'x' * 50000000)
        wait_until(lambda: self.used() < 60000000, 'end of what the command itself took')
        used = self.used()
        self.set('maxmemory', str(int(used * 1.2)))
        self.only(self.doctor(status=FAULTS), 'memory', 'warning', 'maxmemory')
        self.set('maxmemory', str(used // 2))
        found = self.doctor(status=FAULTS)
        self.only(found, 'memory', 'error', 'maxmemory')
        self.only(found, 'writes', 'error', 'OOM')

    def test_encoding(self):
        advice = ('hash-max-listpack-value 512', 'zset-max-listpack-value 256', 'stream-node-max-bytes 1024')
        self.set('hash-max-listpack-value', '64')
        self.only(self.doctor(status=FAULTS), 'encoding', 'warning', 'values of 64 bytes', *advice)
        self.set('hash-max-listpack-value', '512', 'stream-node-max-bytes', '4096')
        self.only(self.doctor(status=FAULTS), 'encoding', 'warning', 'nodes of 4096', *advice)
        self.set('stream-node-max-bytes', '1024', 'zset-max-listpack-value', '64')
        self.only(self.doctor(status=FAULTS), 'encoding', 'warning', 'sorted sets up to 64', *advice)
        self.set('zset-max-listpack-value', '256')
        self.only(self.doctor(status=OK), 'encoding', 'ok', '512', '256', '1024')

    def test_encoding_as_we_run_it(self):
        """What the unit and make run set is what the check wants, and what the manual says."""
        for path in 'contrib/systemd/nixie-redis.service', 'contrib/run/nixie-run', 'common/nixie-redis.7':
            with open(os.path.join(REPOSITORY, path)) as f:
                text = f.read()
            for name, value in zip(GOOD[0:6:2], GOOD[1:6:2]):
                self.assertRegex(text, r'%s %s\b' % (name.lstrip('-'), value), path)

    def test_schema(self):
        self.redis.command('HSET', 'nixie:meta', 'schema', '99')
        found = self.doctor(status=FAULTS)
        self.only(found, 'data', 'error', 'schema 99', 'upgrade nixie')
        self.redis.command('HSET', 'nixie:meta', 'schema', '1', 'partitions', '4096')
        self.only(self.doctor(status=FAULTS), 'data', 'error', '4096 partitions')

    def test_foreign_keys(self):
        self.redis.command('DEL', 'nixie:{0}:journal')
        self.redis.command('SET', 'nixie:{0}:journal', 'dear diary')
        self.only(self.doctor(status=FAULTS), 'data', 'error', 'nixie:{0}:journal', 'redis.prefix')


class Rights(Doctor):
    AS = ('-o', 'redis.user=nixie', '-o', 'redis.password=x')

    def setUp(self):
        super().setUp()
        self.healthy()

    def user(self, *rules):
        try:
            self.redis.command('ACL', 'DELUSER', 'nixie')
        except RedisError:
            pass
        self.redis.command('ACL', 'SETUSER', 'nixie', 'on', '>x', *rules)

    def test_all_rights(self):
        self.user('~nixie:*', '+@all')
        self.doctor(*self.AS, status=OK)

    def test_lacks_commands(self):
        self.user('~nixie:*', '+@all', '-xadd', '-evalsha', '-script|load')
        found = self.doctor(*self.AS, status=FAULTS)
        self.only(found, 'rights', 'error', 'xadd', 'evalsha', 'ACL SETUSER nixie', '+script|load', '+xadd')
        self.assertEqual(self.faults(found), ['error rights'])
        # the advice is what helps
        advice = self.only(found, 'rights', 'error')['advice'].split()
        self.redis.command(*advice)
        self.doctor(*self.AS, status=OK)

    def test_lacks_keys(self):
        self.user('~nixie:{0}:*', '+@all')
        found = self.doctor(*self.AS, status=FAULTS)
        self.only(found, 'rights', 'error', 'nixie:meta', 'ACL SETUSER nixie ~nixie:*')

    def test_may_only_read(self):
        self.user('%R~nixie:*', '+@all')
        found = self.doctor(*self.AS, status=FAULTS)
        self.only(found, 'rights', 'error', 'nixie:{0}:journal', 'nixie:meta')

    def test_users_of_the_manual(self):
        with open(os.path.join(REPOSITORY, 'common/nixie-redis.7')) as f:
            words = re.search(r'^ACL SETUSER nixie on >secret (.*?)^(?:ACL|\.Ed)', f.read(), re.M | re.S)[1].split()
        self.user(*words, '+info', '+config|get')
        self.doctor(*self.AS, status=OK)

    def test_least_rights(self):
        """Settings need not be seen: that is told, and nothing else is wrong."""
        self.user('~nixie:*', '+@all', '-config', '-info')
        found = self.doctor(*self.AS, status=FAULTS)
        self.assertEqual(self.faults(found), ['warning settings', 'warning settings'])
        self.only(found, 'rights', 'ok')


class Here(Doctor):
    def test_log_absent_and_unread(self):
        self.healthy()
        missing = os.path.join(self.directory, 'absent.log')
        self.site.write_conf(logtail={'files': [self.site.log_path, missing]})
        self.only(self.doctor(status=FAULTS), 'log', 'error', missing, 'logtail.files')
        with open(missing, 'w') as f:
            f.write(delivered('fine@example.com'))
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'never read', 'nixie-logtail')

    def test_log_grew(self):
        self.healthy()
        key, = self.redis.command('KEYS', 'nixie:{0}:pos:*')
        with open(self.site.log_path, 'a') as f:
            f.write(delivered('fine@example.com'))
        self.assertIn('more to read', self.doctor(status=OK)['log'][0]['text'])
        self.redis.command('HSET', key, 'updated', int(time.time()) - 3 * 3600 - 60)
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'not read for 3 h', 'is nixie-logtail running')
        self.site.logtail('--once').wait()
        self.doctor(status=OK)

    def test_log_rotated(self):
        self.healthy()
        key, = self.redis.command('KEYS', 'nixie:{0}:pos:*')
        self.redis.command('HSET', key, 'updated', int(time.time()) - 3 * 3600 - 60)
        self.doctor(status=OK)  # read to its end: idle, that is all
        os.rename(self.site.log_path, self.site.log_path + '.1')
        with open(self.site.log_path, 'w') as f:
            f.write(delivered('fine@example.com'))
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'not read for 3 h')

    def test_log_is_a_journal(self):
        self.healthy()
        self.redis.command('DEL', *self.redis.command('KEYS', 'nixie:{0}:pos:*'))
        journal = Journal(os.path.join(self.directory, 'journal'))
        self.site.options['logtail']['files'] = ['journal:' + journal.directory]
        self.site.write_conf()
        self.only(self.doctor(status=FAULTS), 'log', 'error', 'no journal file')
        journal.write(delivered('fine@example.com'))
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'never read', 'nixie-logtail')
        self.site.logtail('--once').wait()
        self.assertIn('to its end', self.only(self.doctor(status=OK), 'log', 'ok', journal.directory)['text'])
        journal.begin_us += 5000000
        journal.write(delivered('fine@example.com'))
        self.assertIn('more to read', self.doctor(status=OK)['log'][0]['text'])
        key, = self.redis.command('KEYS', 'nixie:{0}:pos:*')
        self.redis.command('HSET', key, 'updated', int(time.time()) - 3 * 3600 - 60)
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'not read for 3 h', 'newer entries')

    def test_log_is_a_socket(self):
        self.healthy()
        self.redis.command('DEL', *self.redis.command('KEYS', 'nixie:{0}:pos:*'))
        self.site.options['logtail']['files'] = ['syslog:' + os.path.join(self.directory, 'log')]
        self.site.write_conf()
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'start nixie-logtail')
        self.site.logtail()
        self.only(self.doctor(status=OK), 'log', 'ok', 'somebody reads it')

    def test_log_is_a_fifo(self):
        self.healthy()
        os.mkfifo(os.path.join(self.directory, 'fifo'))
        self.site.options['logtail']['files'].append(os.path.join(self.directory, 'fifo'))
        self.site.write_conf()
        self.assertIn('a FIFO', self.doctor(status=OK)['log'][0]['text'])

    def test_log_is_a_pattern(self):
        self.healthy()
        self.site.options['logtail']['files'] = [os.path.join(self.directory, 'mail*.log')]
        self.site.write_conf()
        found = self.doctor(status=OK)
        self.only(found, 'log', 'ok', self.site.log_path)
        self.assertNotIn('source', found)
        self.site.options['logtail']['files'] = [os.path.join(self.directory, 'exim*.log')]
        self.site.write_conf()
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'no file matches')

    def test_log_from_the_future(self):
        self.healthy()
        key, = self.redis.command('KEYS', 'nixie:{0}:pos:*')
        self.redis.command('HSET', key, 'time', int(time.time()) + 7 * 3600)
        self.only(self.doctor(status=FAULTS), 'log', 'warning', 'future', 'logtail.timezone')

    def test_other_sources(self):
        self.healthy()
        self.redis.command('HSET', 'nixie:{0}:pos:mx9:/var/log/mail.log', 'at', 'x', 'path', '/var/log/mail.log',
                           'time', int(time.time()) - 7260, 'updated', int(time.time()) - 300)
        self.only(self.doctor(status=OK), 'source', 'ok', 'mx9:/var/log/mail.log', 'last line 2 h ago')

    def test_policyd_absent(self):
        self.healthy()
        for child in self.site.children:
            child.kill()
        self.only(self.doctor(status=FAULTS), 'policyd', 'warning', self.site.policy_path, 'start it')

    def test_policyd_frozen(self):
        self.with_redis(*GOOD)
        open(self.site.log_path, 'w').close()
        policyd = self.site.policyd()
        policyd.send_signal(19)
        self.only(self.doctor(status=FAULTS), 'policyd', 'error', 'does not answer')
        policyd.send_signal(18)
        self.doctor(status=OK)

    def test_policyd_without_redis(self):
        self.healthy()
        self.site.write_conf(policyd={'on-store-failure': 'defer'},
                             redis={'address': 'unix:' + os.path.join(self.directory, 'nowhere.sock')})
        self.site.children[0].stop()
        self.site.policyd()
        found = self.doctor('-o', 'redis.address=' + self.redis.address, status=FAULTS)
        self.only(found, 'policyd', 'error', 'DEFER_IF_PERMIT', 'reach Redis')

    def test_another_program_listens(self):
        self.with_redis(*GOOD)
        open(self.site.log_path, 'w').close()
        server = socket.socket(socket.AF_INET)
        self.addCleanup(server.close)
        server.bind(('127.0.0.1', 0))
        server.listen()
        answering(server, b'220 mail.example \033[31mESMTP\r\n')
        endpoint = 'inet:127.0.0.1:%d' % server.getsockname()[1]
        found = self.doctor('-o', 'policyd.listen=' + endpoint, status=FAULTS)
        self.only(found, 'policyd', 'error', endpoint, 'another program')
        self.assertNotIn('\033', self.site.ctl('-o', 'policyd.listen=' + endpoint, 'doctor').stdout)

    def test_shadow(self):
        self.healthy()
        self.site.write_conf(policyd={'shadow': True})
        self.only(self.doctor(status=OK), 'policyd', 'ok', 'refuses nothing')

    def test_rules_and_conversions(self):
        self.healthy()
        rules = os.path.join(self.directory, 'rules')
        os.mkdir(rules)
        with open(os.path.join(rules, 'mine.conf'), 'w') as f:
            f.write('rules = ( { id = "broken"; } );\n')
        self.site.write_conf(rules={'directories': [rules]})
        self.only(self.doctor(status=BAD_CONFIG), 'rules', 'error', 'mine.conf', 'nixie rules test')
        self.site.write_conf(conversions=(
            {'match': 'mailbox.full', 'count': 2, 'window': '2 days', 'span': '3 days', 'to': 'hard'},
            {'match': 'recipient.unknown', 'count': 2, 'to': 'hard'},
            {'match': 'dns.no-mx', 'count': 4, 'window': '12 months', 'to': 'hard'},
            {'match': 'server.busy', 'count': 5, 'window': '3 days', 'per': 'day', 'to': 'hard'}))
        found = self.doctor(status=FAULTS)
        texts = [f['text'] for f in found['conversions']]
        for words in ('longer than its window', 'not soft', 'fewer days'):
            self.assertEqual(len([t for t in texts if words in t]), 1, texts)
        self.assertEqual(len(texts), 3)

    def test_configuration(self):
        self.healthy()
        self.site.write_raw('nonsense = 1;\n')
        self.assertEqual(self.site.ctl('doctor', *ALONE).returncode, BAD_CONFIG)


class Host(Doctor):
    def test_maps_and_metrics(self):
        site = self.with_redis(*GOOD)
        open(site.log_path, 'w').close()
        for option in ('maps', 'metrics'):
            site.options['policyd'][option] = ['unix:%s/%s' % (self.directory, option)]
        site.write_conf()
        found = self.doctor(status=FAULTS)
        self.assertEqual(self.faults(found), ['warning maps', 'warning metrics', 'warning policyd'])
        policyd = site.policyd()
        self.assertEqual(self.faults(self.doctor(status=OK)), [])
        policyd.kill()
        for option in ('maps', 'metrics'):
            path = os.path.join(self.directory, option)
            if os.path.exists(path):
                os.unlink(path)
            self.only(self.with_answer(path, b'220 mail.example ESMTP,\r\n', option), option, 'error', 'another program', 'policyd.' + option)

    def with_answer(self, path, answer, _option):
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        thread = answering(server, answer, first=True)
        try:
            return self.doctor()
        finally:
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join()

    def test_lost_lines(self):
        self.healthy()
        self.redis.command('HSET', 'nixie:{0}:gaps', 'mx1:/var/log/mail.log', str(int(time.time()) - 7200))
        self.only(self.doctor(status=FAULTS), 'lost', 'warning', 'mx1:/var/log/mail.log', '2 h ago', 'nixie status')
        self.redis.command('HSET', 'nixie:{0}:gaps', 'mx1:/var/log/mail.log', str(int(time.time()) - 30 * 86400))
        self.assertNotIn('lost', self.doctor(status=OK))

    def test_clock(self):
        self.healthy()
        self.assertIn('1970-01-01', str(self.doctor(prefix=['env', 'NIXIE_CLOCK=1000'])['time']))

    def test_daemons(self):
        """One that was started by hand, with options of its own; what is said leads to it."""
        site = self.healthy()
        own = [f['text'] for f in self.doctor(status=OK)['daemon'] if self.directory in f['text']]
        self.assertEqual(len(own), 1, own)
        self.assertRegex(own[0], r'^nixie-policyd \(process \d+\) runs with -c ' + re.escape(site.conf_path))
        # the same socket by a name that is good here only
        directory, name = os.path.split(site.options['redis']['address'][len('unix:'):])
        same = self.doctor('-o', 'redis.address=unix:' + name, prefix=['env', '-C', directory])
        self.assertEqual([f['text'] for f in same['daemon'] if self.directory in f['text']], own)
        done = run('nixie', '-c', '/dev/null', 'doctor', *ALONE, '--json')
        said = [f for f in map(json.loads, done.stdout.splitlines()) if f['check'] == 'daemon' and site.conf_path in f.get('advice', '')]
        self.assertEqual(len(said), 1, done.stdout)
        self.assertIn('another redis.address', said[0]['text'])
        line = said[0]['advice'].split(': ', 1)[1]
        done = subprocess.run(['sh', '-c', '%s %s' % (line, ' '.join(ALONE))], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, OK, done.stdout + done.stderr)

    def named_like_us(self, directory, user=None):
        """Any program under the name of ours, in that directory; it lasts as long as the test, and its configuration is a FIFO."""
        script = 'read line'
        os.makedirs(directory)
        os.chmod(self.directory, 0o755)
        os.mkfifo(os.path.join(directory, script))
        p = subprocess.Popen(['nixie-policyd', '-c', script], executable='/bin/sh', cwd=directory, user=user, stdin=subprocess.PIPE)
        self.addCleanup(p.wait)
        self.addCleanup(p.stdin.close)
        wait_until(lambda: open('/proc/%d/cmdline' % p.pid, 'rb').read().startswith(b'nixie-policyd'), 'it has its name')
        finding, = [f for f in self.doctor(status=None)['daemon'] if '(process %d) ' % p.pid in f['text']]
        return finding

    def test_a_daemon_in_a_directory_that_a_shell_would_run(self):
        """Who has a process here says what its directory is called: it is a word of the advice, whatever it holds."""
        self.healthy()
        made = os.path.join(self.directory, 'made')
        advice = self.named_like_us(os.path.join(self.directory, "it's; touch made; `touch made`"))['advice']
        line = advice.split(': ', 1)[1].split(' && ')[0]
        done = subprocess.run(['sh', '-c', line + ' && pwd'], cwd=self.directory, capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, done.stderr), (os.path.join(self.directory, "it's; touch made; `touch made`") + '\n', ''))
        self.assertFalse(os.path.exists(made))

    def test_a_daemon_of_another_user(self):
        """Its configuration could include what never ends."""
        self.healthy()
        finding = self.named_like_us(os.path.join(self.directory, 'theirs'), user=65534)
        self.assertIn("is another user's, and its configuration is not read", finding['text'])
        self.assertNotIn('advice', finding)
