"""Encrypted connections to Redis: they work, and who cannot be trusted gets nothing."""
import os
import signal
import socket
import threading
import time

from harness.case import Case
from harness.maillog import delivered, hard
from harness.nixie import BAD_CONFIG, NO_REDIS
from harness.peace import PeaceCase
from harness.proc import free_port, wait_until
from harness.redis import RedisServer
from harness.servers import RedisCluster, TcpServer, Watched
from harness.tls import Authority, openssl
from harness.watch import Watch, told


class TlsCase(Case):
    NAMES = 'IP:127.0.0.1,DNS:redis.example'
    CLIENTS = 'no'

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.directory)
        self.redis = RedisServer(self.directory, *self.server_options())
        self.port = free_port()
        self.redis.options += ['--tls-port', str(self.port), '--bind', '127.0.0.1']
        self.addCleanup(self.redis.stop)
        self.redis.start()
        self.make_site(self.redis)
        self.use()

    def server_options(self):
        cert, key = self.authority.issue('server', self.NAMES)
        return ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', self.authority.ca, '--tls-auth-clients', self.CLIENTS]

    def use(self, **options):
        redis = {'address': 'inet:127.0.0.1:%d' % self.port, 'tls': True, 'tls-ca-file': self.authority.ca, 'timeout': '5s'}
        redis.update({k.replace('_', '-'): v for k, v in options.items()})
        self.site.options['redis'] = redis
        self.site.options['policyd']['deadline'] = '5s'
        self.site.write_conf()

    def refused(self, *words, status=NO_REDIS):
        done = self.site.ctl('check', 'user@example.com')
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        return done.stderr

    def refused_in_time(self, words):
        """Of the handshake and the answer, which have the same time, the handshake is late first, but for a machine out of breath."""
        wait_until(lambda: words in self.refused('redis.timeout'), words)


class Works(TlsCase):
    def test_all_programs(self):
        with open(self.site.log_path, 'w') as f:
            f.write(''.join(hard('gone%d@example.com' % i) + delivered('fine%d@example.com' % i) for i in range(500)))
        self.site.logtail()
        self.site.wait_status('gone499@example.com', 'hard')
        child = self.site.policyd()
        self.assertSuppressed(self.site.ask('gone7@example.com'))
        self.assertDunno(self.site.ask('fine7@example.com'))
        self.site.ctl_ok('suppress', 'fine7@example.com')
        wait_until(lambda: self.site.ask('fine7@example.com').startswith('5'), 'refusal', child=child)
        self.assertIn('gone499@example.com', self.site.ctl_ok('list'))
        self.assertIn(self.site.ctl('doctor').returncode, (0, 1))
        there, encrypted = self.connections()
        self.assertEqual(encrypted, there - 1)      # ours, of the Unix socket

    def connections(self):
        """How many there are, and how many of them are encrypted, in one look."""
        lines = self.redis.command('CLIENT', 'LIST').splitlines()
        return len(lines), sum(' laddr=127.0.0.1:%d ' % self.port in line for line in lines)

    def test_much_at_once(self):
        """More than a record, and more than a socket holds, in both directions."""
        names = ['user%05d@%s.example' % (i, 'x' * 50) for i in range(2000)]
        for n in range(0, 2000, 500):
            self.site.ctl_ok('suppress', '--yes', *names[n:n + 500])
        listed = self.site.ctl_ok('list')
        self.assertTrue(all(name in listed for name in names))
        w = Watch(self.site)
        w.wait_whole()
        w.mark()
        script = "for i = 1, 20000 do redis.call('SET', KEYS[1] .. i .. '@example.com', 1) end"

        def change():
            self.redis.command('EVAL', script, 1, 'nixie:{0}:addr:u')
            wait_until(lambda: w.said('lost') or len(w.lines()) - w.seen >= 20000, 'all of them', child=w)
        told(w, change)
        w.mark()
        w.ask(*names)
        self.assertEqual({a[1] for a in w.wait_answers(2000)}, {'ok'})

    def test_crash_and_restart(self):
        self.redis.kill()
        self.redis.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        child = self.site.policyd()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.redis.kill()
        child.wait_log('127.0.0.1:%d' % self.port)
        self.redis.start()
        child.wait_log('connected')
        self.site.ctl_ok('reset', '--force', 'gone@example.com')
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'the end of it', child=child)

    def test_restart_of_the_service(self):
        """The next program has the files to read, and no connection of this one."""
        self.site.ctl_ok('suppress', 'gone@example.com')
        child = self.site.policyd()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        for n in 2, 3:
            child.send_signal(signal.SIGUSR2)
            wait_until(lambda n=n: child.log().count('starts') >= n, 'the next program', child=child)
            wait_until(lambda: self.site.ask('gone@example.com').startswith('5'), 'refusal', child=child)
        # to ask, and to be told what changes
        wait_until(lambda: self.connections()[1] == 2, 'two connections', child=child)

    def test_hung(self):
        self.site.ctl_ok('suppress', 'gone@example.com')
        w = Watch(self.site)
        w.wait_whole()
        w.mark()
        self.redis.freeze()
        try:
            w.wait_for('lost', 'everything')
        finally:
            self.redis.thaw()
        w.wait_whole()
        w.mark()
        w.ask('gone@example.com')
        self.assertEqual(w.wait_answers(1)[0][1], 'ok')

    def test_hung_in_the_handshake(self):
        """It is waited for without turning in circles."""
        self.use(timeout='4s')
        self.redis.freeze()

        def waited():
            before = os.times()
            told = self.refused('redis.timeout')
            after = os.times()
            # who turns in circles does nothing else for four seconds
            self.assertLess(after.children_user + after.children_system - before.children_user - before.children_system, 2)
            return 'no TLS handshake within redis.timeout' in told
        try:
            wait_until(waited, 'a handshake that is late')
        finally:
            self.redis.thaw()

    def test_name(self):
        self.use(tls_server_name='redis.example')
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.use(address='inet:localhost:%d' % self.port, tls_server_name='127.0.0.1')
        self.site.ctl_ok('suppress', 'gone@example.com')


class Distrust(TlsCase):
    def test_another_ca(self):
        self.use(tls_ca_file=Authority(self.directory, 'another').ca)
        self.refused('certificate verify failed', 'redis.tls-ca-file')

    def test_the_system_trusts_it_not(self):
        self.use(tls_ca_file='')
        self.refused('certificate verify failed', 'redis.tls-ca-file')

    def test_another_name(self):
        self.use(tls_server_name='mail.example')
        self.refused('ostname mismatch', 'redis.tls-server-name')
        self.use(address='inet:localhost:%d' % self.port)
        self.refused('ostname mismatch', 'redis.tls-server-name')
        self.use(tls_server_name='127.0.0.2')
        self.refused('IP address mismatch', 'redis.tls-server-name')

    def test_nothing_in_the_clear(self):
        """Whoever answers in Redis's stead hears nothing of the password."""
        heard = []
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen()

            def answer():
                for _ in range(2):      # it is tried again at once
                    connection, _ = listener.accept()
                    with connection:
                        try:
                            heard.append(connection.recv(65536))
                            connection.sendall(b'+OK\r\n' * 10)
                            heard.append(connection.recv(65536))
                        except OSError:
                            pass
            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            self.use(address='inet:127.0.0.1:%d' % listener.getsockname()[1], password='battery staple')
            self.refused('wrong version number', 'tls-port')
            thread.join(30)
        self.assertTrue(heard)
        self.assertNotIn(b'staple', b''.join(heard))

    def test_a_port_in_the_clear(self):
        plain = TcpServer(self.directory, 'plain')
        self.addCleanup(plain.stop)
        plain.start()
        self.use(address='inet:' + plain.endpoint, timeout='1s')
        self.refused_in_time('TLS')

    def test_a_port_for_tls_in_the_clear(self):
        self.use(tls=False, tls_ca_file='')
        self.refused('redis.tls')

    def test_the_server_is_another_one_after_a_while(self):
        child = self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        cert, key = Authority(self.directory, 'another').issue('server', self.NAMES)
        self.redis.command('CONFIG', 'SET', 'tls-cert-file', cert, 'tls-key-file', key)
        self.redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        child.wait_log('certificate verify failed')
        self.assertDunno(self.site.ask('gone@example.com'))


class Clients(TlsCase):
    CLIENTS = 'yes'

    def test_certificate(self):
        cert, key = self.authority.issue('client', 'DNS:mail.example')
        self.use(tls_cert_file=cert, tls_key_file=key)
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertEqual(self.site.check('gone@example.com')['status'], 'manual')

    def test_none(self):
        self.refused('certificate required', 'redis.tls-cert-file')

    def test_of_another_ca(self):
        cert, key = Authority(self.directory, 'another').issue('client', 'DNS:mail.example')
        self.use(tls_cert_file=cert, tls_key_file=key)
        self.refused('unknown ca', 'redis.tls-cert-file')


class Files(TlsCase):
    def test_refused_at_the_start(self):
        cert, key = self.authority.issue('client', 'DNS:mail.example')
        _, other = self.authority.issue('other', 'DNS:mail.example')
        nonsense = self.authority.path('nonsense')
        with open(nonsense, 'w') as f:
            f.write('nonsense\n')
        for options, words in (
                ({'tls_ca_file': '/nowhere/ca.pem'}, ('redis.tls-ca-file', '/nowhere/ca.pem')),
                ({'tls_ca_file': nonsense}, ('redis.tls-ca-file', nonsense)),
                ({'tls_cert_file': cert}, ('redis.tls-cert-file and redis.tls-key-file', 'both')),
                ({'tls_cert_file': nonsense, 'tls_key_file': key}, ('redis.tls-cert-file', nonsense)),
                ({'tls_cert_file': cert, 'tls_key_file': nonsense}, ('redis.tls-key-file', nonsense)),
                ({'tls_cert_file': cert, 'tls_key_file': other}, ('redis.tls-key-file', 'mismatch')),
                ({'address': self.redis.address}, ('Unix socket',)),
                ({'tls': False}, ('redis.tls is false',))):
            with self.subTest(str(options)):
                self.use(**options)
                self.refused(*words, status=BAD_CONFIG)

    def test_a_key_with_a_passphrase(self):
        """Nobody is asked for it."""
        cert, key = self.authority.issue('client', 'DNS:mail.example')
        locked = self.authority.path('locked.key')
        openssl('ec', '-in', key, '-aes256', '-passout', 'pass:battery', '-out', locked)
        self.use(tls_cert_file=cert, tls_key_file=locked)
        self.refused('redis.tls-key-file', status=BAD_CONFIG)


class Several(PeaceCase):
    """Every connection is encrypted: the servers have no port in the clear."""

    def encrypt(self, servers, *more):
        authority = Authority(self.directory)
        cert, key = authority.issue('server', 'IP:127.0.0.1')
        options = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', authority.ca, '--tls-auth-clients', 'no',
                   '--tls-replication', 'yes', *more]
        for server in servers:
            at = server.options.index('--port')
            server.options[at] = '--tls-port'
            server.options[:0] = options
        self.authority = authority
        return options

    def use(self, site):
        site.options['redis'].update({'tls': True, 'tls-ca-file': self.authority.ca})
        site.write_conf()

    def prove(self):
        w = Watch(self.site)
        w.wait_whole()
        w.mark()
        names = ['gone%d@of%d.example' % (i, i) for i in range(30)]
        told(w, lambda: self.site.ctl_ok('suppress', '--reason', str(time.time()), '--yes', *names), *['changed ' + name for name in names])
        w.ask(*names)
        self.assertEqual({a[1] for a in w.wait_answers(30)}, {'ok'})

    def test_cluster(self):
        cluster = RedisCluster(self.directory)
        self.encrypt(cluster.nodes, '--tls-cluster', 'yes')
        self.addCleanup(cluster.stop)
        site = self.with_servers(cluster, 64)
        self.use(site)
        self.prove()
        for node in cluster.nodes:
            self.assertEqual(node.command('CONFIG', 'GET', 'port'), ['port', '0'])

    def test_sentinel(self):
        watched = Watched(self.directory)
        watched.encrypt(self.encrypt(watched.servers))
        self.addCleanup(watched.stop)
        self.use(self.with_servers(watched, 1))
        self.prove()
