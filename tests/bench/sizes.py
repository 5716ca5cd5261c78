#!/usr/bin/python3
"""How much memory an address takes in Redis, by what is known of it.

Each kind of address gets a private redis-server with the settings of
contrib/systemd/nixie-redis.service, is written by the programs themselves
(nixie-logtail from a generated log, nixie suppress), and is checked. What
counts is the growth of used_memory; what deleting some of them frees tells the
shares. "rest" is the tables that the keys are found by.

Then the same addresses in more compact forms, to know what they could save.

usage: sizes.py [--addresses N] [--only KIND]... [--set OPTION=VALUE]... [--json FILE] [--bin DIR]
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
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
    """A way for an address to be known, and what it leaves."""

    def __init__(self, name, status, replies=(), passes=(), changes=1, suppressed=True):
        self.name, self.status, self.replies, self.passes = name, status, replies, passes
        self.changes, self.suppressed = changes, suppressed

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
            done = run("nixie", "-c", site.conf_path, "suppress", "--reason", "unsubscribed, old system", *addresses)
            if done.returncode:
                break
        return done


KINDS = (
    Kind("hard, one failure", "hard", UNKNOWN, (120,)),
    Kind("held, two failures", "held", FULL, (120, 60), changes=2),
    Kind("soft, two of four", "soft", NO_MX, (120, 60), suppressed=False),
    Kind("manual, no history", "manual"),
)


def server_options(overrides):
    """Those of the unit that matter to memory; no append-only file: it takes none."""
    with open(os.path.join(ROOT, "contrib/systemd/nixie-redis.service")) as unit:
        words = re.sub(r"\\\n", " ", unit.read())
    found = dict(re.findall(r"--(hash-[a-z-]+|zset-[a-z-]+|stream-[a-z-]+|maxmemory-policy) (\S+)", words))
    found.update(overrides, appendonly="no")
    return [word for name, value in found.items() for word in ("--" + name, value)]


def used_memory(redis):
    """When nothing changes any more: clients gone, tables rehashed."""
    last, same = None, 0
    while same < 4:
        text = redis.command("INFO", "memory")
        value = int(re.search(r"^used_memory:(\d+)", text, re.M)[1])
        same = same + 1 if value == last else 0
        last = value
        time.sleep(0.3)
    return value


def mean(values):
    return sum(values) / len(values)


def check_sample(kind, site, redis, numbers, count):
    """Is what lies there what the program says, and all of it?"""
    problems = []
    for number in numbers:
        known = site.check(address(number)) or {}
        if known.get("status") != kind.status:
            problems.append(f"{address(number)} is {known.get('status')}, not {kind.status}")
    if kind.suppressed and redis.command("ZCARD", "nixie:{0}:suppressed") != count:
        problems.append("the index has another number of addresses")
    occurrences = len(kind.passes)
    for number in numbers:
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


class Lab:
    """Servers in one directory that is gone at the end."""

    def __init__(self, overrides):
        self.directory = tempfile.mkdtemp(prefix="nixie-sizes-", dir="/tmp")
        self.options, self.serial = server_options(overrides), 0

    def redis(self):
        self.serial += 1
        redis = RedisServer(self.directory, *self.options, name=f"redis{self.serial}").start()
        redis.command.close()
        redis.command = RedisClient(redis.socket, 3600)  # SAVE, and DEL of a large journal, take their time
        return redis

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def measure(lab, kind, count, row, compact):
    redis = lab.redis()
    directory = os.path.join(lab.directory, f"site{lab.serial}")
    os.mkdir(directory)
    site = Site(directory, redis)
    empty, begin = used_memory(redis), time.monotonic()
    done = kind.fill(site, count)
    if done.returncode:
        sys.exit(f"{kind.name}: {done.stderr[-1000:]}")
    seconds = time.monotonic() - begin
    total = (used_memory(redis) - empty) / count
    numbers = random.Random(1).sample(range(count), SAMPLE)
    check_sample(kind, site, redis, numbers, count)
    entries = redis.command("XLEN", "nixie:{0}:journal")
    redis.command("SAVE")
    disk = os.path.getsize(os.path.join(redis.directory, "dump.rdb")) / count
    if compact is not None:
        measure_compact(lab, redis, count, compact)
    parts = shares(redis, count)
    redis.kill()
    redis.start()  # from what SAVE wrote: streams are packed tighter then
    restarted = (used_memory(redis) - empty) / count
    a_change = parts["journal"] * count / entries
    row.add(total=total, **parts, rest=total - sum(parts.values()), disk=disk, seconds=seconds,
            restarted=restarted, change=a_change, without_journal=total - parts["journal"])
    redis.stop()


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

    return (f"  {kind.name}: N x {each:.0f} B + min({kind.changes} N, 10^6) x {change:.0f} B;  "
            f"10^6: {gib(10 ** 6):.2f} GiB, 10^7: {gib(10 ** 7):.1f} GiB, 10^8: {gib(10 ** 8):.0f} GiB")


def parse_arguments():
    parser = argparse.ArgumentParser(description="How much memory an address takes in Redis.")
    parser.add_argument("--addresses", type=int, default=200000, metavar="N", help="of each kind")
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
    lab = Lab(dict(pair.split("=", 1) for pair in arguments.set))
    try:
        for kind in kinds:
            wanted = compact if kind.status == "hard" and not arguments.no_compact else None
            measure(lab, kind, arguments.addresses, rows[kind], wanted)
    finally:
        lab.close()
    columns = [middle_column(heading, metric) for heading, metric in (
        ("bytes", "total"), ("addr:", "addr"), ("win:", "win"), ("hist:", "hist"), ("suppressed", "suppressed"),
        ("until", "until"), ("journal", "journal"), ("rest", "rest"), ("restarted", "restarted"), ("on disk", "disk"), ("writing, s", "seconds"))]
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
    from harness.redis import RedisClient, RedisServer  # noqa: E402
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
