#!/usr/bin/python3
"""How much memory an address takes in Redis, by what is known of it.

Each kind of address gets a private redis-server (a Unix socket, no
persistence) with the settings of contrib/systemd/nixie-redis.service, is
written by the programs themselves (nixie-logtail from a generated log, nixie
suppress), and is checked. What counts is the growth of used_memory; what
deleting some of them frees tells the shares. "rest" is the tables that the
keys are found by.

For millions of them --copy: the programs write the first 48,000, and
redis-cli --pipe the others: the commands that the programs' scripts left in
the append-only file, field by field, with another number in the address. A
kind that is a part of another one, a window alone, is always written so.

Then the same addresses in more compact forms, to know what they could save.

usage: sizes.py [--addresses N] [--copy] [--only KIND]... [--set OPTION=VALUE]... [--no-compact] [--json FILE]
                [--bin DIR]
"""

import argparse
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

from table import Row, Table, middle_column  # noqa: E402

ADDRESS_BYTES = 25
SAMPLE = 50
COMPACT = 20000
DAY = 86400
HOURS_MAX = 4  # for one kind
LOADING_MAX = 3600  # seconds, for a server that starts
JOURNAL_MAX = 1000000  # SCHEMA_JOURNAL_MAX
DOMAINS = ("example.com", "example.net", "mail.example", "post.example.org", "firm.example", "web.example.de")
NAMES = ("anna.schmidt", "j.rodriguez", "info", "k.mueller", "marie-claire", "office", "peter.jones", "newsletter")

# As servers say it; {to}: the address.
UNKNOWN = (
    "550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table",
    "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the "
    "recipient's email address for typos or 550-5.1.1 unnecessary spaces. For more information, go to 550 5.1.1  "
    "https://support.google.com/mail/?p=NoSuchUser 5b1f17b1804b1-43379d3b8f2si123.12 - gsmtp",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    "550 5.1.1 <{to}>... User unknown",
    "550 No such user here",
)
FULL = (
    "552 5.2.2 <{to}>: user is over quota",
    "452-4.2.2 The recipient's inbox is out of storage space. Please direct the 452-4.2.2 recipient to "
    "https://support.google.com/mail/?p=OverQuotaTemp 5b1f17b1804b1-43379d3b8f2si123.12 - gsmtp",
    "552 5.2.2 Mailbox size limit exceeded",
)
NO_MX = ("421 4.4.0 [internal] no MXs for this domain could be reached at this time",)

# Addresses that far apart differ in their number only.
COPY_FROM = 1000 * len(DOMAINS) * len(NAMES)
NUMBER = re.compile(rb"\d{8}(?=@(?:" + b"|".join(re.escape(domain.encode()) for domain in DOMAINS) + rb"))")


def address(number):
    domain = DOMAINS[number % len(DOMAINS)]
    tail = f"{number:08d}@{domain}"
    name = NAMES[number // len(DOMAINS) % len(NAMES)]
    return (name + "x" * ADDRESS_BYTES)[:max(0, ADDRESS_BYTES - len(tail))] + tail


def write_log(path, count, replies, passes):
    """One message to each address in each pass, all bounced; passes are days ago and take 30 days each."""
    now = int(time.time()) // DAY * DAY
    with open(path, "w") as log:
        for turn, days_ago in enumerate(passes):
            for number in range(count):
                to = address(number)
                reply = replies[number % len(replies)].format(to=to)
                when = now - days_ago * DAY + number * 30 * DAY // count
                code = "5.1.1" if reply.startswith("550") else "5.2.2"
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S.123456+00:00", time.gmtime(when))
                log.write(
                    f"{stamp} mx1 postfix/qmgr[812]: 4X{turn}{number:09x}zq: from=<news@shop.example.org>, size=21234, "
                    f"nrcpt=1 (queue active)\n"
                    f"{stamp} mx1 postfix/smtp[4711]: 4X{turn}{number:09x}zq: to=<{to}>, "
                    f"relay=mx.{to.split('@')[1]}[192.0.2.99]:25, delay=1.3, delays=0.1/0/0.4/0.8, dsn={code}, "
                    f"status=bounced (host mx.{to.split('@')[1]}[192.0.2.99] said: {reply} (in reply to RCPT TO command))\n"
                    f"{stamp} mx1 postfix/qmgr[812]: 4X{turn}{number:09x}zq: removed\n")


class Kind:
    """A way for an address to be known, and what it leaves; part: the one kind of key that is kept of it."""

    def __init__(self, name, status, replies=(), passes=(), changes=1, suppressed=True, part=None):
        self.name, self.status, self.replies, self.passes = name, status, replies, passes
        self.changes, self.suppressed, self.part = changes, suppressed, part

    def fill(self, site, count):
        if not self.passes:
            return self._suppress(site, count)
        write_log(site.log_path, count, self.replies, self.passes)
        done = run("nixie-logtail", "-f", "--once", "-c", site.conf_path, limit=HOURS_MAX * 3600)
        os.unlink(site.log_path)
        return done

    @staticmethod
    def _suppress(site, count):
        for first in range(0, count, 2000):
            addresses = [address(number) for number in range(first, min(first + 2000, count))]
            done = run("nixie", "-c", site.conf_path, "suppress", "--yes", "--reason", "unsubscribed, old system", *addresses)
            if done.returncode:
                break
        return done


KINDS = (
    Kind("hard, one failure", "hard", UNKNOWN, (120,)),
    Kind("held, two failures", "held", FULL, (120, 60), changes=2),
    Kind("soft, two of four", "soft", NO_MX, (120, 60), suppressed=False),
    Kind("manual, no history", "manual"),
    Kind("window of two, alone", "window", NO_MX, (120, 60), changes=0, suppressed=False, part="win"),
)


def commands_in(path):
    """Those of an append-only file, each a list of words."""
    with open(path, "rb") as log:
        while head := log.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int(log.readline()[1:])
                words.append(log.read(size + 2)[:size])
            yield words


def encoded(words):
    return b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Copies:
    """What was written about the addresses below `end`, for the addresses that follow.

    Of what several addresses share, it is the journal that cannot be written twice: its ids have to rise, and the file
    has the length it had in place of the most that it may have.
    """

    def __init__(self, path, part, end):
        self.pieces, self.numbers, self.ids, self.rest = [], [], [], []
        for words in commands_in(path):
            if part and words[1:2] and not words[1].startswith(b"nixie:{0}:%s:" % part.encode()):
                continue
            found = NUMBER.search(b" ".join(words))
            if found and int(found[0]) < end:
                self._add(words)
        self._close()
        self.span_ms = max(ms for _, ms in self.ids) - min(ms for _, ms in self.ids) + 1 if self.ids else 0

    def _close(self):
        self.pieces.append(b"".join(self.rest))
        self.rest = []

    def _hole(self, holes, value):
        self._close()
        holes.append((len(self.pieces), value))
        self.pieces.append(None)

    def _add_text(self, text):
        end = 0
        for found in NUMBER.finditer(text):
            self.rest.append(text[end:found.start()])
            self._hole(self.numbers, int(found[0]))
            end = found.end()
        self.rest.append(text[end:])

    def _add(self, words):
        self.rest.append(b"*%d\r\n" % len(words))
        if words[0] == b"XADD" and words[1].endswith(b":journal"):  # key MAXLEN = length id
            ms, _, sequence = words[5].partition(b"-")
            self.rest += encoded(words[:3] + [b"~", b"%d" % JOURNAL_MAX]), b"$%d\r\n" % len(words[5])
            self._hole(self.ids, int(ms))
            self.rest.append(b"-" + sequence + b"\r\n")
            words = words[6:]
        self._add_text(encoded(words))

    def make(self, first, later_ms):
        for place, number in self.numbers:
            self.pieces[place] = b"%08d" % (first + number)
        for place, ms in self.ids:
            self.pieces[place] = b"%d" % (ms + later_ms)
        return b"".join(self.pieces)


def copy(site, path, kind, written, count):
    """The first `written` addresses are in the file at path; with a part of them nothing is in the server yet."""
    copies = Copies(path, kind.part, written)
    span_ms = copies.span_ms
    with subprocess.Popen(["redis-cli", "-s", site.redis.socket, "--pipe", "--pipe-timeout", "600"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as pipe:
        for turn, first in enumerate(range(0, count, written)):
            if first + written > count:
                copies = Copies(path, kind.part, count - first)
            if first or kind.part:
                pipe.stdin.write(copies.make(first, turn * span_ms))
        said = pipe.communicate()[0].decode()
    if pipe.returncode or not re.search(r"errors: 0, replies: [1-9]", said):
        sys.exit(f"{kind.name}: redis-cli --pipe: {said[-1000:]}")


def write(site, kind, count, by_copy):
    """All by the programs; or the first ones, and from what they wrote the others."""
    redis, written = site.redis, min(count, COPY_FROM) if by_copy or kind.part else count
    copied = written < count or kind.part
    if copied:
        redis.command("CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
        redis.command("CONFIG", "SET", "appendonly", "yes")
    done = kind.fill(site, written)
    if done.returncode:
        sys.exit(f"{kind.name}: {done.stderr[-1000:]}")
    if copied:
        redis.command("CONFIG", "SET", "appendonly", "no")
        if kind.part:
            redis.command("FLUSHALL", "SYNC")
        path, = glob.glob(os.path.join(redis.directory, "appendonlydir", "*.incr.aof"))
        copy(site, path, kind, written, count)
        os.unlink(path)


def server_options(overrides):
    """Those of the unit that matter to memory; no append-only file: it takes none.

    hz: a table that grows keeps its old self until all has moved, and some of it moves each time.
    """
    with open(os.path.join(ROOT, "contrib/systemd/nixie-redis.service")) as unit:
        words = re.sub(r"\\\n", " ", unit.read())
    found = dict(re.findall(r"--(hash-[a-z-]+|zset-[a-z-]+|stream-[a-z-]+|maxmemory-policy) (\S+)", words))
    found.update(overrides, appendonly="no", hz="500")
    return [word for name, value in found.items() for word in ("--" + name, value)]


def memory(redis, field):
    return int(re.search(rf"^{field}:(\d+)", redis.command("INFO", "memory"), re.M)[1])


def used_memory(redis):
    """When nothing changes any more: clients gone, tables rehashed."""
    last, same = None, 0
    while same < 10:
        value = memory(redis, "used_memory")
        same = same + 1 if value == last else 0
        last = value
        time.sleep(0.3)
    return value


def mean(values):
    return sum(values) / len(values)


def check_sample(kind, site, redis, numbers, count):
    """Is what lies there what the program says, and all of it?"""
    problems, occurrences = [], len(kind.passes)
    if kind.suppressed and redis.command("ZCARD", "nixie:{0}:suppressed") != count:
        problems.append(f"the index has {redis.command('ZCARD', 'nixie:{0}:suppressed')} addresses")
    if kind.part and redis.command("DBSIZE") != count:
        problems.append("there is another number of keys")
    for number in numbers:
        if kind.part:
            if redis.command("ZCARD", "nixie:{0}:win:" + address(number)) != occurrences:
                problems.append(f"{address(number)} has another window")
            continue
        known = site.check(address(number)) or {}
        if known.get("status") != kind.status:
            problems.append(f"{address(number)} is {known.get('status')}, not {kind.status}")
        if redis.command("XLEN", "nixie:{0}:hist:" + address(number)) != occurrences:
            problems.append(f"{address(number)} has another history")
    if problems:
        sys.exit(f"{kind.name}: {problems[0]}")


def shares(redis, count):
    """Bytes an address, by key: what is free when those of some addresses are deleted.

    MEMORY USAGE would do for a hash; of a stream it tells a third more than there is.
    """
    sample = random.Random(2).sample(range(count), min(COMPACT, count // 4))
    parts, before = {}, used_memory(redis)

    def deleted(part, of, *commands):
        nonlocal before
        for words in commands:
            redis.command(*words)
        after = used_memory(redis)
        parts[part], before = (before - after) / of, after

    for part in "addr", "win", "hist":
        deleted(part, len(sample), *(("DEL", f"nixie:{{0}}:{part}:{address(number)}") for number in sample))
    for part in "suppressed", "until":
        deleted(part, len(sample), *(("ZREM", "nixie:{0}:" + part, address(number)) for number in sample))
    deleted("journal", count, ("DEL", "nixie:{0}:journal"))
    return parts


def answers(redis):
    try:
        return redis.command("PING") == "PONG"
    except (OSError, RedisError):
        return False


class Lab:
    """Servers in one directory that is gone at the end."""

    def __init__(self, overrides, by_copy):
        self.directory = tempfile.mkdtemp(prefix="nixie-sizes-", dir="/tmp")
        self.options, self.serial, self.by_copy = server_options(overrides), 0, by_copy

    def redis(self):
        self.serial += 1
        redis = RedisServer(self.directory, *self.options, name=f"redis{self.serial}").start()
        redis.command.close()
        redis.command = RedisClient(redis.socket, 3600)  # SAVE, and DEL of a large journal, take their time
        return redis

    @staticmethod
    def restart(redis):
        """From what SAVE wrote; start() alone does not wait for gigabytes."""
        redis.kill()
        try:
            redis.start()
        except AssertionError:
            wait_until(lambda: answers(redis), "loaded data", LOADING_MAX, child=redis.child)

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def measure(lab, kind, count, row, compact):
    redis = lab.redis()
    directory = os.path.join(lab.directory, f"site{lab.serial}")
    os.mkdir(directory)
    site = Site(directory, redis)
    empty, empty_resident, begin = used_memory(redis), memory(redis, "used_memory_rss"), time.monotonic()
    write(site, kind, count, lab.by_copy)
    seconds = time.monotonic() - begin
    total = (used_memory(redis) - empty) / count
    resident = (memory(redis, "used_memory_rss") - empty_resident) / count
    numbers = random.Random(1).sample(range(count), SAMPLE)
    check_sample(kind, site, redis, numbers, count)
    entries = redis.command("XLEN", "nixie:{0}:journal")
    redis.command("SAVE")
    disk = os.path.getsize(os.path.join(redis.directory, "dump.rdb")) / count
    if compact is not None:
        measure_compact(lab, redis, count, compact)
    parts = shares(redis, count)
    lab.restart(redis)  # streams are packed tighter then
    restarted = (used_memory(redis) - empty) / count
    a_change = parts["journal"] * count / entries if entries else 0
    row.add(total=total, **parts, rest=total - sum(parts.values()), disk=disk, seconds=seconds, resident=resident,
            restarted=restarted, change=a_change, without_journal=total - parts["journal"])
    redis.stop()
    shutil.rmtree(redis.directory)


def measure_compact(lab, redis, count, rows):
    """The entry and the history of some addresses in other forms, each in a server of its own."""
    command, count = redis.command, min(COMPACT, count)
    entries, histories = [], []
    for number in range(count):
        entries.append(command("HGETALL", "nixie:{0}:addr:" + address(number)))
        histories.append([fields for _, fields in command("XRANGE", "nixie:{0}:hist:" + address(number), "-", "+")])

    def short(fields):
        return [word if i % 2 else chr(ord("a") + i // 2) for i, word in enumerate(fields)]

    def packed(fields):
        return "|".join(fields[1::2])

    forms = {
        "addr: as it is": lambda n: ("HSET", "nixie:{0}:addr:" + address(n), *entries[n]),
        "addr: with names of one letter": lambda n: ("HSET", "nixie:{0}:addr:" + address(n), *short(entries[n])),
        "addr: as one string": lambda n: ("SET", "nixie:{0}:addr:" + address(n), packed(entries[n])),
        "hist: as one string": lambda n: ("SET", "nixie:{0}:hist:" + address(n), "\n".join(map(packed, histories[n]))),
        "hist: as a list": lambda n: ("RPUSH", "nixie:{0}:hist:" + address(n), *map(packed, histories[n])),
        "both as one string": lambda n: ("SET", "nixie:{0}:addr:" + address(n),
                                         packed(entries[n]) + "\n" + "\n".join(map(packed, histories[n]))),
    }
    for label, form in forms.items():
        other = lab.redis()
        empty = used_memory(other)
        for number in range(count):
            other.command(*form(number))
        rows.setdefault(label, Row(label)).add(total=(used_memory(other) - empty) / count)
        other.stop()


def formula(kind, row):
    """Bytes of N addresses: each its own, and of the journal what it keeps."""
    each, change = row.values["without_journal"][0], row.values["change"][0]

    def gib(count):
        return (count * each + min(count * kind.changes, JOURNAL_MAX) * change) / 2 ** 30

    journal = f" + min({kind.changes} N, 10^6) x {change:.0f} B" if kind.changes else ""
    return (f"  {kind.name}: N x {each:.0f} B{journal};  "
            f"10^6: {gib(10 ** 6):.2f} GiB, 10^7: {gib(10 ** 7):.1f} GiB, 10^8: {gib(10 ** 8):.0f} GiB")


def parse_arguments():
    parser = argparse.ArgumentParser(description="How much memory an address takes in Redis.")
    parser.add_argument("--addresses", type=int, default=200000, metavar="N", help="of each kind")
    parser.add_argument("--copy", action="store_true",
                        help=f"the programs write the first {COPY_FROM}, redis-cli --pipe the others")
    parser.add_argument("--only", action="append", metavar="KIND", choices=[kind.status for kind in KINDS],
                        help=", ".join(kind.status for kind in KINDS))
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="of redis-server")
    parser.add_argument("--no-compact", action="store_true", help="leave out the other forms")
    parser.add_argument("--json", metavar="FILE", help="every single value")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/bin"), metavar="DIR", help="nixie's programs")
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kinds = [kind for kind in KINDS if not arguments.only or kind.status in arguments.only]
    rows, compact = {kind: Row(kind.name) for kind in kinds}, {}
    lab = Lab(dict(pair.split("=", 1) for pair in arguments.set), arguments.copy)
    try:
        for kind in kinds:
            wanted = compact if kind.status == "hard" and not arguments.no_compact else None
            measure(lab, kind, arguments.addresses, rows[kind], wanted)
    finally:
        lab.close()
    columns = [middle_column(heading, metric) for heading, metric in (
        ("bytes", "total"), ("addr:", "addr"), ("win:", "win"), ("hist:", "hist"), ("suppressed", "suppressed"),
        ("until", "until"), ("journal", "journal"), ("rest", "rest"), ("resident", "resident"),
        ("restarted", "restarted"), ("on disk", "disk"), ("writing, s", "seconds"))]
    print(Table(f"Bytes an address in Redis, {arguments.addresses:,} addresses of {ADDRESS_BYTES} bytes",
                list(rows.values()), columns).text())
    print("Memory of N addresses")
    print("\n".join(formula(kind, row) for kind, row in rows.items()) + "\n")
    if compact:
        print(Table(f"Other forms, {min(COMPACT, arguments.addresses):,} hard addresses", list(compact.values()),
                    [middle_column("bytes an address, with its key", "total")]).text())
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"addresses": arguments.addresses, "options": lab.options,
                       "kinds": {row.label: row.values for row in rows.values()},
                       "forms": {label: row.values for label, row in compact.items()}}, file, indent=1)


if __name__ == "__main__":
    arguments = parse_arguments()
    os.environ["NIXIE_BIN"] = os.path.abspath(arguments.bin)
    from harness.nixie import Site, run  # noqa: E402: they ask where the programs are
    from harness.proc import wait_until  # noqa: E402
    from harness.redis import RedisClient, RedisError, RedisServer  # noqa: E402
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
