"""The figures of nixie-policyd over HTTP, as Prometheus and health checks ask for them."""
import os
import signal
import socket

from harness import prometheus
from harness.case import Case
from harness.policy import request
from harness.proc import free_port, wait_until


class Metrics(Case):
    def setUp(self):
        super().setUp()
        self.with_redis()
        self.address = os.path.join(self.directory, 'metrics')
        self.site.options['policyd']['metrics'] = ['unix:' + self.address]
        self.site.write_conf()

    def scrape(self):
        return prometheus.scrape(self.address)

    def test_what_is_asked_is_counted(self):
        self.site.policyd()
        self.site.ctl_ok('suppress', '--reason', 'recipient.unknown', 'gone@example.com')
        with self.site.policy_client() as c:
            for _ in range(3):
                self.assertSuppressed(c.ask('gone@example.com'))
            for n in range(5):
                self.assertDunno(c.ask('fine%d@example.com' % n))
            figures = self.scrape()
            self.assertEqual(figures['nixie_policy_connections'], 2)    # of policy, and this one
        self.assertEqual(figures['nixie_policy_requests_total{protocol="policy",outcome="reject"}'], 3)
        self.assertEqual(figures['nixie_policy_requests_total{protocol="policy",outcome="dunno"}'], 5)
        self.assertEqual(sum(v for k, v in figures.items() if k.startswith('nixie_policy_decisions_total')), 3)
        self.assertEqual(figures['nixie_policy_request_duration_seconds_count'], 8)
        self.assertGreater(figures['nixie_policy_request_duration_seconds_sum'], 0)
        self.assertEqual(figures['nixie_policy_store_duration_seconds_count'] + figures['nixie_policy_cache_hits_total'], 8)
        self.assertEqual(figures['nixie_policy_store_up'], 1)
        self.assertGreater(figures['nixie_policy_start_time_seconds'], 1.7e9)
        self.assertFalse([k for k in figures if 'would_decide' in k])

    def test_no_address_is_told(self):
        self.site.policyd()
        self.site.ctl_ok('suppress', 'secret.person@hidden.example')
        self.assertSuppressed(self.site.ask('secret.person@hidden.example', sender='boss@ours.example'))
        text = prometheus.get(self.address, '/metrics').body
        for word in (b'secret', b'hidden', b'boss', b'ours', b'@'):
            self.assertNotIn(word, text)

    def test_shadow_mode_counts_what_would_be(self):
        self.site.write_conf(policyd={'shadow': True})
        self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertDunno(self.site.ask('gone@example.com'))
        figures = self.scrape()
        self.assertEqual(figures['nixie_policy_shadow'], 1)
        self.assertEqual(sum(v for k, v in figures.items() if k.startswith('nixie_policy_would_decide_total')), 1)
        self.assertFalse([k for k in figures if 'decisions_total' in k])

    def test_reloads_and_malformed_requests(self):
        policyd = self.site.policyd()
        policyd.send_signal(signal.SIGHUP)
        policyd.wait_log('reloaded')
        self.site.write_raw('nonsense')
        policyd.send_signal(signal.SIGHUP)
        policyd.wait_log('reload refused')
        with self.site.policy_client() as c:
            c.send(b'nonsense\n\n')
            self.assertIsNone(c.answer())
        figures = self.scrape()
        self.assertEqual(figures['nixie_policy_reloads_total{result="ok"}'], 1)
        self.assertEqual(figures['nixie_policy_reloads_total{result="refused"}'], 1)
        self.assertEqual(figures['nixie_policy_malformed_total'], 1)

    def test_health_and_ready(self):
        self.site.policyd()
        wait_until(lambda: prometheus.get(self.address, '/ready').status == 200, 'Redis')
        self.assertEqual(prometheus.get(self.address, '/health').status, 200)
        self.redis.stop()
        wait_until(lambda: prometheus.get(self.address, '/ready').status == 503, 'what is said without Redis')
        self.assertEqual(prometheus.get(self.address, '/health').status, 200)
        self.assertDunno(self.site.ask('fine@example.com'))
        figures = self.scrape()
        self.assertEqual(figures['nixie_policy_store_up'], 0)
        self.assertEqual(figures['nixie_policy_store_errors_total{kind="unreachable"}'], 1)

    def test_why_redis_did_not_answer(self):
        """One waits for the server that hangs, the others are not sent there."""
        self.site.options['policyd']['deadline'] = '500ms'
        self.site.write_conf()
        self.site.policyd()
        self.assertDunno(self.site.ask('fine@example.com'))
        before = self.scrape()      # of a slow machine
        self.redis.freeze()
        try:
            with self.site.policy_client() as c:
                # at once: a server that hangs for long is given up, and then it is not reached
                c.send(b''.join(request('fine%d@example.com' % n) for n in range(3)))
                for _ in range(3):
                    self.assertDunno(c.action())
            figures = self.scrape()
        finally:
            self.redis.thaw()
        names = {k: 'nixie_policy_store_errors_total{kind="%s"}' % k for k in ('unreachable', 'timeout', 'refused', 'stalled')}
        kinds = {k: figures[name] - before[name] for k, name in names.items()}
        self.assertEqual((kinds['refused'], sum(kinds.values())), (0, 3), kinds)
        self.assertGreaterEqual(kinds['timeout'], 1, kinds)
        self.assertGreaterEqual(kinds['stalled'], 1, kinds)

    def test_what_is_no_scrape(self):
        self.site.policyd()
        for data, status in ((b'GET / HTTP/1.1\r\n\r\n', 404), (b'GET /metrics/ HTTP/1.0\r\n\r\n', 404), (b'DELETE /metrics HTTP/1.1\r\n\r\n', 405),
                             (b'GET /metrics HTTP/3.0\r\n\r\n', 505), (request('fine@example.com'), 400), (b'\x16\x03\x01\x02\x00\n', 400),
                             (b'GET /metrics HTTP/1.1\r\nX: ' + b'x' * 9000, 431)):
            answer = prometheus.exchange(self.address, data)
            self.assertEqual(answer.status, status, data)
            self.assertEqual(answer.fields['connection'], 'close')
        answer = prometheus.get(self.address, '/metrics', 'HEAD')
        self.assertEqual((answer.status, answer.body), (200, b''))
        self.assertGreater(int(answer.fields['content-length']), 1000)
        self.assertEqual(self.scrape()['nixie_policy_malformed_total'], 0)

    def test_in_pieces(self):
        self.site.policyd()
        with prometheus.connect(self.address) as s:
            for byte in b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n':
                s.sendall(bytes([byte]))
            s.shutdown(socket.SHUT_WR)
            with s.makefile('rb') as answer:
                self.assertEqual(answer.readline(), b'HTTP/1.1 200 OK\r\n')

    def test_over_tcp(self):
        port = free_port()
        self.site.write_conf(policyd={'metrics': ['inet:127.0.0.1:%d' % port]})
        self.site.policyd()
        self.assertRegex(' '.join(prometheus.scrape(('127.0.0.1', port))), r'nixie_build_info\{version="[0-9.]+"\}')

    def test_who_says_nothing_takes_no_ones_place(self):
        """Scrapers that hang do not use up the connections that Postfix needs."""
        self.site.write_conf(policyd={'max-connections': 24})
        policyd = self.site.policyd()
        idle = [prometheus.connect(self.address) for _ in range(60)]
        self.addCleanup(lambda: [s.close() for s in idle])
        clients = [self.site.policy_client() for _ in range(4)]
        for c in clients:
            self.assertDunno(c.ask('fine@example.com'))
        self.assertEqual(idle[0].recv(1), b'')      # the oldest had its time
        self.scrape()
        self.assertNotIn('max-connections', policyd.log())
        for c in clients:
            c.close()

    def test_it_goes_on_after_a_restart_in_place(self):
        policyd = self.site.policyd()
        before = self.scrape()['nixie_policy_start_time_seconds']
        policyd.send_signal(signal.SIGUSR2)
        policyd.wait_log('takes over')
        policyd.wait_ready()
        self.assertGreaterEqual(self.scrape()['nixie_policy_start_time_seconds'], before)
        self.assertDunno(self.site.ask('fine@example.com'))

    def test_while_no_more_clients_are_taken(self):
        """Then most of all somebody wants to know."""
        self.site.write_conf(policyd={'max-connections': 4})
        policyd = self.site.policyd()
        clients = [self.site.policy_client() for _ in range(8)]
        for c in clients:
            self.addCleanup(c.close)
        for c in clients[:4]:
            self.assertDunno(c.ask('fine@example.com'))
        policyd.wait_log(['warning', 'max-connections'])
        for _ in range(3):
            self.assertEqual(prometheus.get(self.address, '/health').status, 200)
            self.assertEqual(self.scrape()['nixie_policy_connections'], 5)
        # and scrapers take no client's place
        clients[0].close()
        self.assertDunno(clients[4].ask('fine@example.com'))
