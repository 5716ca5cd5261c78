"""nixie-policyd against a bare server that answers without reading, and against Redis itself.

The goals are ratios within a round, see goals(): what disturbs a round disturbs both.
"""

import os
import resource
import socket
import time

from lab import Failure, Redis, cpu_seconds, key_values, rss_kib
from table import Goal, Row, Table, goal_table, middle_column, middle_ratio_column, ratio_column, value_column

CONNECTIONS = {1: 15000, 10: 60000, 100: 100000, 500: 100000}  # requests of a measurement
GONE_PERCENT = 10
CACHED_KEYS = 10000
GET_CONNECTIONS, GET_REQUESTS = 50, 60000
IDLE_CONNECTIONS = 2000
IDLE_LIMIT_MIB = 32
REQUEST = b"request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=idle%d@d00.example\n\n"


class PolicyRun:
    """The echo server, nixie-policyd and its Redis, up side by side."""

    def __init__(self, bench):
        lab = self.lab = bench.lab
        self.bench = bench
        os.chmod(lab.directory, 0o755)  # smtpd of the part smtp is not root
        self.redis = Redis(lab)
        self.nixie_path, self.echo_path = lab.path("policy.sock"), lab.path("echo.sock")
        self.nixie_endpoint, self.echo_endpoint = f"unix:{self.nixie_path}", f"unix:{self.echo_path}"
        config = lab.write_config(self.redis, policyd={"listen": [self.nixie_endpoint], "socket_mode": "0666"})
        self.echo = lab.start("policy-echo", [lab.tool("policy-echo"), self.echo_endpoint])
        self.nixie, _ = lab.start_notifying(
            "nixie-policyd", [lab.program("nixie-policyd"), "-f", "-c", config], 20)
        while not os.path.exists(self.echo_path):
            self.echo.check_alive()
            time.sleep(0.01)
        os.chmod(self.echo_path, 0o666)
        self.next_key = CACHED_KEYS
        self.suppress(0, CACHED_KEYS * GONE_PERCENT // 100)

    def suppress(self, first, count):
        """Makes the recipients policy-load names gone... hard, as nixie-redis(7) describes entries."""
        now = str(int(time.time()))
        fields = ["status", "hard", "reason", "recipient.unknown", "origin", "log", "rule", "bench.unknown",
                  "code", "550", "enhanced", "5.1.1", "text", "User unknown", "remote", "mx.example",
                  "first", now, "last", now, "since", now, "count", "1"]
        self.redis.feed(["HSET", f"nixie:{{0}}:addr:gone{key:09d}@d{key % 97:02d}.example", *fields]
                        for key in range(first, first + count))
        time.sleep(0.1)  # what this invalidates in caches is no part of the measurement

    def load(self, row, endpoint, server, connections, *options):
        before, store_before = cpu_seconds(server.pid), self.redis.cpu_seconds()
        result = key_values(self.lab.output_of([
            self.lab.tool("policy-load"), "-c", str(connections), "-n", str(CONNECTIONS[connections]),
            "-p", str(GONE_PERCENT), *options, endpoint]))
        server_us = (cpu_seconds(server.pid) - before) * 1e6 / result["requests"]
        store_us = (self.redis.cpu_seconds() - store_before) * 1e6 / result["requests"]
        row.add(rate=result["req_per_s"], p50=result["p50_us"], p99=result["p99_us"], p999=result["p999_us"],
                worst=result["max_us"], server_us=server_us, store_us=store_us)
        return result

    def load_nixie(self, row, connections, *options):
        result = self.load(row, self.nixie_endpoint, self.nixie, connections, *options)
        if result["rejected"] != result["gone"]:
            self.bench.note(f"{row.label}: {result['rejected']:.0f} of {result['gone']:.0f} suppressed "
                            "recipients were rejected")

    def measure_echo(self, row, connections):
        self.load(row, self.echo_endpoint, self.echo, connections, "-k", str(CACHED_KEYS))

    def measure_hits(self, row, connections):
        """Each recipient once, that a cache knows it; then these again, at random."""
        self.load_nixie(Row("warming the cache"), 10, "-n", str(CACHED_KEYS), "-q", "-b", "0")
        self.load_nixie(row, connections, "-k", str(CACHED_KEYS))

    def measure_misses(self, row, connections):
        requests = CONNECTIONS[connections]
        first, self.next_key = self.next_key, self.next_key + requests
        self.suppress(first, requests * GONE_PERCENT // 100)
        self.load_nixie(row, connections, "-q", "-b", str(first))

    def measure_benchmark(self, row):
        before = self.redis.cpu_seconds()
        text = self.lab.output_of(["redis-benchmark", "-s", self.redis.socket_path, "-t", "get", "--csv",
                                   "-c", str(GET_CONNECTIONS), "-P", "1", "-n", str(GET_REQUESTS), "-r", "1000000"])
        fields = [field.strip('"') for field in text.strip().splitlines()[-1].split(",")]
        store_us = (self.redis.cpu_seconds() - before) * 1e6 / GET_REQUESTS
        row.add(rate=float(fields[1]), p50=float(fields[4]) * 1000, p99=float(fields[6]) * 1000,
                worst=float(fields[7]) * 1000, store_us=store_us)

    def measure_get(self, row):
        before = self.redis.cpu_seconds()
        result = key_values(self.lab.output_of([
            self.lab.tool("redis-get"), "-n", str(CONNECTIONS[1]), self.redis.socket_path]))
        store_us = (self.redis.cpu_seconds() - before) * 1e6 / result["requests"]
        row.add(rate=result["req_per_s"], p50=result["p50_us"], p99=result["p99_us"], p999=result["p999_us"],
                worst=result["max_us"], store_us=store_us)

    def stop(self):
        self.lab.stop(self.nixie)
        self.lab.stop(self.echo)
        self.redis.stop()


class Rows:
    """What is measured with so many connections."""

    def __init__(self, connections):
        self.echo = Row("policy-echo")
        self.hits, self.misses = Row("nixie-policyd, same recipients"), Row("nixie-policyd, new recipients")
        # one connection waits for each answer: what it can be compared with does the same
        self.get = Row("redis-get" if connections == 1 else f"redis-benchmark GET -P 1 -c {GET_CONNECTIONS}")

    def both(self):
        """A new recipient costs a question to Redis beside that to the server."""
        row = Row("policy-echo + redis-get")
        for metric in "p50", "p99":
            for echo, get in zip(self.echo.values[metric], self.get.values[metric]):
                row.add(**{metric: echo + get})
        return row


def bench_policy(bench):
    run = PolicyRun(bench)
    tables, measured = [idle_table(bench, run)], {}
    for connections in bench.connections:
        measured[connections] = Rows(connections)
        tables.append(policy_table(bench, run, connections, measured[connections]))
    run.stop()
    return [*tables, goal_table("Goals of the policy service, ratios within a round", goals(measured))]


def policy_table(bench, run, connections, rows):
    bench.in_rounds(f"policy, {connections} connections", {
        rows.echo.label: lambda: run.measure_echo(rows.echo, connections),
        rows.hits.label: lambda: run.measure_hits(rows.hits, connections),
        rows.misses.label: lambda: run.measure_misses(rows.misses, connections),
        rows.get.label: lambda: (run.measure_get if connections == 1 else run.measure_benchmark)(rows.get),
    })
    shown, base = [rows.echo, rows.hits, rows.misses, rows.get], rows.echo
    return Table(f"Policy requests over {connections} connections, microseconds", shown, [
        value_column("requests/s", "rate"), ratio_column("/ echo", "rate", base),
        middle_ratio_column("/ GET", "rate", rows.get), middle_column("p50", "p50"),
        middle_ratio_column("/ echo", "p50", base), middle_column("p99", "p99"),
        middle_ratio_column("/ echo", "p99", base), middle_column("p99.9", "p999"),
        middle_ratio_column("/ echo", "p999", base), middle_column("max", "worst"),
        middle_column("server CPU", "server_us"), middle_ratio_column("/ echo", "server_us", base),
        middle_column("Redis CPU", "store_us")])


def goals(measured):
    out = []
    for n, rows in measured.items():
        if n == 1:
            out.append(Goal("p50 of new recipients / (echo + redis-get), 1 connection",
                            rows.misses.ratios("p50", rows.both()), at_most=1.15))
            continue
        out.append(Goal(f"requests/s, same recipients / echo, {n} connections",
                        rows.hits.ratios("rate", rows.echo), at_least=0.85))
        out.append(Goal(f"server CPU, same recipients / echo, {n} connections",
                        rows.hits.ratios("server_us", rows.echo), at_most=1.25))
        if n < 100:
            continue
        out.append(Goal(f"requests/s, new recipients / echo, {n} connections",
                        rows.misses.ratios("rate", rows.echo), at_least=0.65))
        out.append(Goal(f"requests/s, new recipients / {rows.get.label}, {n} connections",
                        rows.misses.ratios("rate", rows.get), at_least=1.5))
        if n == 100:
            out.append(Goal("p99, same recipients / echo, 100 connections",
                            rows.hits.ratios("p99", rows.echo), at_most=1.25))
            out.append(Goal("p99, new recipients / echo, 100 connections",
                            rows.misses.ratios("p99", rows.echo), at_most=1.5))
    return out


# ---- connections that only wait ----

def idle_table(bench, run):
    """What the connections of idle smtpds take: each has asked once. Before anything has filled a cache."""
    bench.lab.progress(f"policy, {IDLE_CONNECTIONS} idle connections")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, IDLE_CONNECTIONS + 100), hard))
    rows = []
    for label, path, server in ("policy-echo", run.echo_path, run.echo), ("nixie-policyd", run.nixie_path, run.nixie):
        before = rss_kib(server.pid)
        clients = [idle_client(path, n) for n in range(IDLE_CONNECTIONS)]
        after = rss_kib(server.pid)
        rows.append(Row(label))
        rows[-1].add(before=before / 1024, after=after / 1024, each=(after - before) / IDLE_CONNECTIONS,
                     limit=after / 1024 / IDLE_LIMIT_MIB)
        for client in clients:
            client.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return Table(f"Memory of {IDLE_CONNECTIONS:,} idle connections", rows, [
        value_column("MiB before", "before"), value_column("MiB", "after"),
        value_column("KiB each", "each"), value_column(f"/ {IDLE_LIMIT_MIB} MiB", "limit")])


def idle_client(path, number):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(path)
    client.sendall(REQUEST % number)
    if b"\n\n" not in client.recv(4096):
        raise Failure(f"{path}: no answer")
    return client
