"""Lists in and out of Redis, against redis-cli with the same keys.

What nixie import has written is read back once and becomes the yardstick of writing: the same hashes, index and journal as
plain commands, through redis-cli --pipe into an empty server; DEBUG DIGEST tells that they are the same. The yardstick of
reading is HGETALL of each of these keys through redis-cli --pipe: what that costs the server. redis-cli itself is slow at
taking so many replies, so it is no yardstick for the client.
"""

import os
import socket
import time

from lab import Failure, Redis
from table import Row, Table, middle_column, ratio_column, value_column

ADDRESSES = 200000
MANY_ADDRESSES = 1000000
PIPELINE = 1000
LOG_LINES = 20000
KINDS = ("hard,recipient.unknown,550,5.1.1,User unknown", "hard,recipient.disabled,554,5.2.1,This account is closed",
         "complaint,complaint,,,", "manual,other,,,asked by phone")


class Connection:
    """Asks for many things at once, and takes what RESP has of numbers, texts and lists."""

    def __init__(self, redis):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(redis.socket_path)
        self.file = self.socket.makefile("rb")

    def all_of(self, commands):
        commands = list(commands)
        for first in range(0, len(commands), PIPELINE):
            some = commands[first:first + PIPELINE]
            self.socket.sendall(b"".join(encode(words) for words in some))
            for _ in some:
                yield self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Failure(rest.decode())
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return self.file.read(int(rest) + 2)[:-2] if kind == b"$" else rest

    def close(self):
        self.file.close()
        self.socket.close()


def encode(words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def write_list(path, addresses):
    with open(path, "w") as file:
        file.write("address,status,reason,code,enhanced,text,since\n")
        for i in range(addresses):
            file.write(f"reader{i}@d{i % 997}.example,{KINDS[i % 7 % 4]},2026-01-{i % 28 + 1:02d}T00:00:{i % 60:02d}Z\n")


def commands_of(redis):
    """Everything that is there, as the commands that make it; and those that read the entries."""
    connection = Connection(redis)
    (names,) = connection.all_of([["KEYS", "*"]])
    entries = [name for name in names if b":addr:" in name]
    reading = [["HGETALL", name] for name in entries]
    writing = [["HSET", name, *fields] for name, fields in zip(entries, connection.all_of(reading))]
    (meta, index, journal) = connection.all_of([["HGETALL", "nixie:meta"], ["ZRANGE", "nixie:{0}:suppressed", 0, -1, "WITHSCORES"],
                                                ["XRANGE", "nixie:{0}:journal", "-", "+"]])
    writing.append(["HSET", "nixie:meta", *meta])
    writing += [["ZADD", "nixie:{0}:suppressed", score, member] for member, score in zip(index[::2], index[1::2])]
    writing += [["XADD", "nixie:{0}:journal", place, *fields] for place, fields in journal]
    connection.close()
    return writing, reading


def write_commands(path, commands):
    with open(path, "wb") as file:
        file.writelines(encode(words) for words in commands)


class ListRun:
    def __init__(self, bench, addresses):
        self.lab = bench.lab
        self.bench = bench
        self.addresses = addresses
        self.list, self.writing, self.reading = (self.lab.path(f"list-{addresses}.{what}") for what in ("csv", "write", "read"))
        self.lab.progress(f"lists: {addresses} addresses")
        write_list(self.list, addresses)

    def server(self, name="redis"):
        return Redis(self.lab, name, options=("--enable-debug-command", "local"))

    def nixie(self, redis, *words):
        return [self.lab.program("nixie"), "-c", self.lab.write_config(redis), *words]

    def pipe(self, redis):
        return ["redis-cli", "-s", redis.socket_path, "--pipe"]

    def measure(self, row, redis, command, stdin=None):
        before = redis.cpu_seconds()
        cost = self.lab.run(command, stdin=stdin)
        store_s = redis.cpu_seconds() - before
        row.add(wall_s=cost["wall_s"], client_s=cost["cpu_s"], store_s=store_s, rss_mib=cost["peak_rss_kib"] / 1024,
                store_us=store_s * 1e6 / self.addresses)

    def filled(self, row=None, name="redis"):
        """A server with the list. Its import is measured for a row."""
        redis = self.server(name)
        command = self.nixie(redis, "import", self.list)
        self.measure(row or Row(""), redis, command)
        if redis.command("ZCARD", "nixie:{0}:suppressed") != str(self.addresses):
            raise Failure("nixie import has not imported all of the list")
        return redis

    def read_log(self, redis):
        """Some results of yesterday, for reports."""
        path = self.lab.path("report.log")
        self.bench.generate(path, "-n", str(LOG_LINES), "-t", str(int(time.time()) // 86400 * 86400 - 86400))
        config = self.lab.write_config(redis, logtail={"files": [path], "start": "beginning"})
        self.lab.run([self.lab.program("nixie-logtail"), "-f", "-c", config, "--once"])

    def record(self):
        """The yardsticks' commands; they must make the same data."""
        redis = self.filled()
        writing, reading = commands_of(redis)
        write_commands(self.writing, writing)
        write_commands(self.reading, reading)
        digest = redis.command("DEBUG", "DIGEST")
        redis.stop()
        redis = self.server()
        self.measure(Row(""), redis, self.pipe(redis), self.writing)
        if redis.command("DEBUG", "DIGEST") != digest:
            self.bench.note("lists: the commands of redis-cli do not make what nixie import makes")
        redis.stop()

    def measure_pipe(self, row):
        redis = self.server()
        self.measure(row, redis, self.pipe(redis), self.writing)
        redis.stop()

    def measure_import(self, row):
        self.filled(row).stop()


def columns(base):
    return [value_column("Redis CPU us/address", "store_us"), ratio_column("/ redis-cli", "store_us", base), value_column("client CPU s", "client_s"),
            value_column("wall s", "wall_s"), middle_column("peak MiB", "rss_mib")]


def import_columns(base):
    return [*columns(base), ratio_column("client CPU / redis-cli", "client_s", base), ratio_column("wall / redis-cli", "wall_s", base)]


def bench_import(bench):
    run = ListRun(bench, bench.addresses)
    run.record()
    pipe, nixie = Row("redis-cli --pipe, the same data as commands"), Row("nixie import")
    again, dry = Row("nixie import, all are there"), Row("nixie import --dry-run, all are there")
    there = run.filled(name="there")
    bench.in_rounds("lists, import", {
        pipe.label: lambda: run.measure_pipe(pipe),
        nixie.label: lambda: run.measure_import(nixie),
        again.label: lambda: run.measure(again, there, run.nixie(there, "import", run.list)),
        dry.label: lambda: run.measure(dry, there, run.nixie(there, "import", "--dry-run", run.list)),
    })
    there.stop()
    megabytes = os.path.getsize(run.writing) / 1e6
    return run, Table(f"Importing {run.addresses:,} addresses, {megabytes:.0f} MB of commands", [pipe, nixie, again, dry], import_columns(pipe))


def bench_read(bench, run, what):
    redis = run.filled()
    if ["report"] in what:
        run.read_log(redis)
    if not os.path.exists(run.reading):
        write_commands(run.reading, (["HGETALL", f"nixie:{{0}}:addr:reader{i}@d{i % 997}.example"] for i in range(run.addresses)))
    pipe = Row("redis-cli --pipe, HGETALL of each")
    rows = {pipe: lambda: run.measure(pipe, redis, run.pipe(redis), run.reading)}
    for words in what:
        row = Row("nixie " + " ".join(words))
        rows[row] = lambda row=row, words=words: run.measure(row, redis, run.nixie(redis, *words))
    bench.in_rounds("lists, reading", {row.label: measure for row, measure in rows.items()})
    redis.stop()
    return Table(f"Reading {run.addresses:,} addresses", list(rows), columns(pipe))


def bench_lists(bench):
    run, importing = bench_import(bench)
    exporting = bench_read(bench, run, [["export"], ["export", "--format", "jsonl"], ["export", "--hash"]])
    many = ListRun(bench, bench.many)
    return [importing, exporting, bench_read(bench, many, [["list", "--json"], ["export"], ["report"]])]
