"""SIGUSR2: the next program in the place of this one, and no client notices."""
import os
import shutil
import signal
import socket
import threading

from harness import nixie, prometheus
from harness.case import Case
from harness.policy import request
from harness.proc import free_port, wait_until
from harness.redis import RedisServer


class Restart(Case):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.directory)
        self.redis.start()
        self.addCleanup(self.redis.stop)
        self.make_site(self.redis)
        self.site.ctl_ok('suppress', 'gone@example.com')

    def restart(self, child, times=1):
        child.send_signal(signal.SIGUSR2)
        wait_until(lambda: child.log().count('took over') >= times, 'the restart', child=child)

    def test_clients_stay(self):
        child = self.site.policyd()
        with self.site.policy_client() as idle, self.site.policy_client() as half:
            self.assertSuppressed(idle.ask('gone@example.com'))
            whole = request('gone@example.com')
            half.send(whole[:200])
            for n in range(1, 4):
                self.restart(child, n)
                self.assertSuppressed(idle.ask('gone@example.com'))
            half.send(whole[200:])
            self.assertSuppressed(half.action())
            self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertIsNone(child.poll())
        child.stop()
        self.assertEqual(child.returncode, 0)
        self.assertFalse(os.path.exists(self.site.policy_path))

    def test_under_load_each_question_has_its_answer(self):
        child = self.site.policyd()
        stop, faults, asked = threading.Event(), [], [0] * 8

        def ask(n):
            try:
                with self.site.policy_client() as c:
                    while not stop.is_set():
                        self.assertSuppressed(c.ask('gone@example.com'))
                        self.assertDunno(c.ask('user%d-%d@example.com' % (n, asked[n])))
                        asked[n] += 1
            except Exception as e:  # pylint: disable=broad-except
                faults.append(e)
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(asked))]
        for t in threads:
            t.start()
        for n in range(1, 6):
            before = sum(asked)
            self.restart(child, n)
            wait_until(lambda before=before: sum(asked) > before + 100 or faults, 'more answers')
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(faults, [])

    def test_new_options(self):
        child = self.site.policyd()
        second = os.path.join(self.directory, 'second')
        self.site.write_conf(policyd={'listen': ['unix:' + second, 'unix:' + self.site.policy_path]})
        self.restart(child)
        self.assertSuppressed(nixie.ask(second, 'gone@example.com'))
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.site.write_conf(policyd={'listen': ['unix:' + second]})
        self.restart(child, 2)
        self.assertSuppressed(nixie.ask(second, 'gone@example.com'))
        self.assertFalse(os.path.exists(self.site.policy_path))

    def test_bad_configuration_is_refused(self):
        child = self.site.policyd()
        with self.site.policy_client() as c:
            self.site.write_raw('policyd = { deadline = "soon"; };\n')
            child.send_signal(signal.SIGUSR2)
            child.wait_log('restart refused')
            self.assertSuppressed(c.ask('gone@example.com'))
            self.site.write_conf()
            self.restart(child)
            self.assertSuppressed(c.ask('gone@example.com'))

    def test_a_socket_in_use(self):
        """The new configuration has one that another has: it goes on without, and whoever is there notices nothing."""
        child = self.site.policyd()
        with socket.socket() as other, self.site.policy_client() as c:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(('127.0.0.1', free_port()))      # which nobody else takes when it is free again
            other.listen(1)
            address = other.getsockname()
            endpoint = 'inet:%s:%d' % address
            self.site.write_conf(policyd={'metrics': [endpoint]})
            self.restart(child)
            self.assertSuppressed(c.ask('gone@example.com'))
            self.assertSuppressed(self.site.ask('gone@example.com'))
            child.wait_log([endpoint, 'going on without it'])
        self.restart(child, 2)
        self.assertEqual(prometheus.get(address, '/health').status, 200)
        self.assertEqual(child.stop(), 0)

    def test_another_program(self):
        """It ends well, whatever it is asked; but it is not ours."""
        there = os.path.join(self.directory, 'nixie-policyd')
        shutil.copy(nixie.binary('nixie-policyd'), there)
        real, nixie.binary = nixie.binary, lambda name: there if name == 'nixie-policyd' else real(name)
        self.addCleanup(setattr, nixie, 'binary', real)
        child = self.site.policyd()
        with self.site.policy_client() as c:
            os.unlink(there)
            shutil.copy('/bin/true', there)
            child.send_signal(signal.SIGUSR2)
            child.wait_log('restart refused')
            self.assertSuppressed(c.ask('gone@example.com'))
            self.assertSuppressed(self.site.ask('gone@example.com'))

    def test_a_program_that_is_gone(self):
        """Taken away, as in the middle of an upgrade; then it is there again."""
        there = os.path.join(self.directory, 'nixie-policyd')
        shutil.copy(nixie.binary('nixie-policyd'), there)
        real, nixie.binary = nixie.binary, lambda name: there if name == 'nixie-policyd' else real(name)
        self.addCleanup(setattr, nixie, 'binary', real)
        child = self.site.policyd()
        with self.site.policy_client() as c:
            os.unlink(there)
            child.send_signal(signal.SIGUSR2)
            child.wait_log('restart refused')
            self.assertSuppressed(c.ask('gone@example.com'))
            shutil.copy(real('nixie-policyd'), there)
            self.restart(child)
            self.assertSuppressed(c.ask('gone@example.com'))

    def test_while_redis_hangs(self):
        self.site.write_conf(policyd={'deadline': '500ms'})
        child = self.site.policyd()
        with self.site.policy_client() as c:
            self.redis.freeze()
            self.addCleanup(self.redis.thaw)
            c.send(request('user@example.com'))
            self.restart(child)
            self.assertDunno(c.action())
            self.assertDunno(c.ask('user@example.com'))
