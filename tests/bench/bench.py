#!/usr/bin/python3
"""Measures nixie against yardsticks on the same machine, in the same run.

Absolute figures belong to one machine and one hour. So everything is measured
in rounds, each round measures nixie and its yardsticks one after another in
alternating order, and what counts is the ratio within a round. Tables show
"median [least - most]" of the rounds. CPU times come from the kernel.

usage: bench.py [--lines N] [--rounds N] [--only PART]... [--connections N]...
                [--addresses N] [--many N] [--messages N] [--json FILE] [--bin DIR] [--tools DIR] [--keep]
"""

import argparse
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from lab import Failure, Lab, Redis, key_values, peak_rss_kib, steal_ticks  # noqa: E402
from lists import ADDRESSES, MANY_ADDRESSES, bench_lists  # noqa: E402
from policy import CONNECTIONS, bench_policy  # noqa: E402
from returned import MESSAGES, bench_mail  # noqa: E402
from rulesets import Rulesets  # noqa: E402
from smtp import bench_smtp  # noqa: E402
from table import Row, Table, middle_column, ratio_column, value_column  # noqa: E402

REPLIES = 40000
RULES = (100, 300, 1000)
RULE_REPLIES = 1500  # of the generated log, beside the examples of the shipped rules
PARTITIONS = (1, 64)
LATENCY_SAMPLES = 100
CATCH_UP_SECONDS = 120
C_LOCALE = {**os.environ, "LC_ALL": "C"}


class Bench:
    """What the parts share: the laboratory, the options and the generated log."""

    def __init__(self, lab, lines, rounds, connections, addresses, many, messages):
        self.lab = lab
        self.lines = lines
        self.rounds = rounds
        self.connections = connections
        self.addresses = addresses
        self.many = many
        self.messages = messages
        self.notes = []
        self._log = None

    def log(self):
        """Path and genlog's summary of the generated log, which ended yesterday."""
        if self._log is None:
            self.lab.progress("generating the log")
            start = int(time.time()) // 86400 * 86400 - 86400
            path = self.lab.path("mail.log")
            summary = self.generate(path, "-n", str(self.lines), "-t", str(start))
            self._log = path, summary
        return self._log

    def generate(self, path, *options):
        with open(path, "wb") as file:
            done = subprocess.run([self.lab.tool("genlog"), *options], stdout=file,
                                  stderr=subprocess.PIPE, check=True)
        return key_values(done.stderr.decode())

    def in_rounds(self, part, measurements):
        """Runs {label: function} in every round, each round in the other order."""
        for turn in range(self.rounds):
            order = list(measurements.items())
            for label, measure in order if turn % 2 == 0 else reversed(order):
                self.lab.progress(f"{part}, round {turn + 1} of {self.rounds}: {label}")
                measure()

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)


# ---- reading a log ----

def bench_reading(bench):
    lab = bench.lab
    path, _ = bench.log()
    megabytes = os.path.getsize(path) / 1e6
    config = lab.path("empty.conf")
    open(config, "w").close()
    tenth, tenth_lines = first_lines(lab, path, bench.lines // 10)
    wc, grep, nixie = Row("wc -l"), Row("LC_ALL=C grep -c status="), Row("nixie-logtail --dry-run")
    short, nothing = Row("nixie-logtail --dry-run, the first tenth"), Row("nixie-logtail --dry-run, an empty log")

    def measure(row, command, lines=bench.lines):
        cost = lab.run(command, env=C_LOCALE)
        row.add(cpu_s=cost["cpu_s"], wall_s=cost["wall_s"], rss_mib=cost["peak_rss_kib"] / 1024)
        if row in (nixie, short): # without the rules, which are read once
            row.add(line_us=(cost["cpu_s"] - nothing.values["cpu_s"][-1]) * 1e6 / lines)

    def dry_run(row, log, *lines):
        measure(row, [lab.program("nixie-logtail"), "-c", config, "--dry-run", log], *lines)

    bench.in_rounds("reading", {
        wc.label: lambda: measure(wc, ["wc", "-l", path]),
        grep.label: lambda: measure(grep, ["grep", "-c", "status=", path]),
        nothing.label: lambda: dry_run(nothing, "/dev/null"),
        nixie.label: lambda: dry_run(nixie, path),
        short.label: lambda: dry_run(short, tenth, tenth_lines),
    })
    return [Table(f"Reading a log of {bench.lines:,} lines, {megabytes:.0f} MB", [wc, grep, nixie, short, nothing], [
        value_column("CPU s", "cpu_s"), middle_column("wall s", "wall_s"),
        middle_column("peak MiB", "rss_mib"), ratio_column("CPU / wc", "cpu_s", wc),
        ratio_column("CPU / grep", "cpu_s", grep), value_column("CPU us/line", "line_us"),
        ratio_column("/ that of the whole log", "line_us", nixie)])]


def first_lines(lab, path, lines):
    """A file with the beginning of another, and how many lines it has."""
    head = lab.path("head.log")
    with open(path, "rb") as log, open(head, "wb") as out:
        for line in itertools.islice(log, lines):
            out.write(line)
    return head, lines


# ---- classifying replies ----

def bench_classify(bench):
    return [*classify_command(bench), *classify_engine(bench)]


def classify_command(bench):
    """The command, as a process that reads texts and writes lines."""
    lab = bench.lab
    path, answers = lab.path("replies"), lab.path("classified")
    bench.generate(path, "-n", str(REPLIES), "-f", "replies")
    grep, nixie = Row("grep -cP of one pattern"), Row("nixie classify")
    config = lab.path("empty.conf")
    open(config, "w").close()
    classify = [lab.program("nixie"), "-c", config, "classify"]

    def measure_grep():
        cost = lab.run(["grep", "-cP", "(?i)user (is )?unknown|no such (user|mailbox)", path], env=C_LOCALE)
        grep.add(cpu_us=cost["cpu_s"] * 1e6 / REPLIES, rss_mib=cost["peak_rss_kib"] / 1024)

    def measure_nixie():
        start_s = lab.run(classify)["cpu_s"]  # no input: only the rules are read
        cost = lab.run(classify, stdin=path, stdout=answers)
        nixie.add(cpu_us=(cost["cpu_s"] - start_s) * 1e6 / REPLIES, start_ms=start_s * 1000,
                  rss_mib=cost["peak_rss_kib"] / 1024)

    bench.in_rounds("classifying", {grep.label: measure_grep, nixie.label: measure_nixie})
    check_classified(bench, answers)
    return [Table(f"Classifying {REPLIES:,} replies", [grep, nixie], [
        value_column("CPU us a reply", "cpu_us"), ratio_column("/ grep", "cpu_us", grep),
        middle_column("reading rules, ms", "start_ms"), middle_column("peak MiB", "rss_mib")])]


def check_classified(bench, answers):
    with open(answers, errors="replace") as file:
        categories = [line.split("\t")[1] for line in file if line.count("\t") >= 2]
    if len(categories) != REPLIES:
        bench.note(f"nixie classify answered {len(categories)} of {REPLIES} replies")
    elif categories.count("other") > 0:
        bench.note(f"{100 * categories.count('other') / REPLIES:.1f} % of the replies are of category other")


def classify_engine(bench):
    """The engine alone, by the number of rules, see classify.c."""
    lab = bench.lab
    shipped = os.path.join(os.path.dirname(lab.programs), "share/nixie/rules.d")
    rulesets, texts = Rulesets(shipped), lab.path("texts")
    bench.generate(texts, "-n", str(RULE_REPLIES), "-f", "replies")
    parse, one = Row("reply_parse alone"), Row("pcre2_match of one pattern")
    rows = {count: Row(f"{count:,} rules") for count in RULES}

    def measure(count):
        with open(texts, "rb") as file:
            result = key_values(lab.output_of([lab.tool("classify"), "-e", shipped, lab.path(f"rules-{count}")], file))
        us = result["fast_us"]
        rows[count].add(us=us, engine_us=us, again_us=result["again_us"], plain_us=result["plain_us"],
                        to_plain=us / result["plain_us"], to_one=us / result["pcre2_us"],
                        load_ms=result["load_ms"], rss_mib=result["peak_rss_kib"] / 1024)
        parse.add(us=result["parse_us"])
        one.add(us=result["pcre2_us"])
        check_engine(bench, count, result)

    for count in RULES:
        rulesets.write(lab.path(f"rules-{count}"), count)
    bench.in_rounds("classifying", {row.label: lambda count=count: measure(count) for count, row in rows.items()})
    title = (f"Classifying {RULE_REPLIES:,} replies and the examples of {rulesets.count} shipped rules, "
             "CPU microseconds a text")
    return [Table(title, [parse, one, *rows.values()], [
        value_column("a new text", "us"), middle_column("seen before", "again_us"),
        middle_column("one by one", "plain_us"), value_column("new / one by one", "to_plain"),
        value_column("new / pcre2_match", "to_one"),
        ratio_column(f"/ {RULES[0]} rules", "engine_us", rows[RULES[0]]),
        middle_column("reading rules, ms", "load_ms"), middle_column("peak MiB", "rss_mib")])]


def check_engine(bench, count, result):
    if result["rules"] != count:
        bench.note(f"classify: {result['rules']:.0f} rules instead of {count}")
    if result["differences"] or result["limit_hits"]:
        bench.note(f"classify, {count} rules: {result['differences']:.0f} texts are judged otherwise one by one, "
                   f"{result['limit_hits']:.0f} patterns gave up")


# ---- ingesting a log ----

class IngestRun:
    """The same log into fresh Redis servers: by nixie-logtail, and by replaying what it sent."""

    def __init__(self, bench, partitions):
        self.bench = bench
        self.lab = bench.lab
        self.partitions = partitions
        self.log_path, summary = bench.log()
        self.events = summary["sent"] + summary["deferred"] + summary["bounced"]
        self.sent = summary["sent"]
        self.keys = None
        self.stream = self._record()

    def _logtail(self, redis, endpoint):
        config = self.lab.write_config(redis, logtail={"files": [self.log_path], "start": "beginning"})
        command = [self.lab.program("nixie-logtail"), "-f", "-c", config, "-o", f"redis.address={endpoint}",
                   "-o", f"redis.partitions={self.partitions}"]
        return self.lab.start_notifying("nixie-logtail", command, CATCH_UP_SECONDS)

    def _record(self):
        """Ingests once through resp-proxy; the files with what each connection sent."""
        self.bench.lab.progress("ingest: recording the commands of nixie-logtail")
        redis = Redis(self.lab)
        endpoint = f"unix:{self.lab.path('proxy.sock')}"
        prefix = f"stream-{self.partitions}"
        if os.path.exists(self.lab.path("proxy.sock")):
            os.unlink(self.lab.path("proxy.sock"))
        proxy = self.lab.start("resp-proxy", [
            self.lab.tool("resp-proxy"), self.lab.path(prefix), endpoint, redis.endpoint])
        while not os.path.exists(self.lab.path("proxy.sock")):
            time.sleep(0.01)
        logtail, _ = self._logtail(redis, endpoint)
        self.lab.stop(logtail)
        self._check_counts(redis)
        self.keys = redis.command("DBSIZE")
        self.lab.stop(proxy)
        redis.stop()
        names = [name for name in os.listdir(self.lab.directory) if name.startswith(prefix + ".")]
        return [self.lab.path(name) for name in sorted(names, key=lambda name: int(name.split(".")[1]))]

    def _check_counts(self, redis):
        days = redis.command("--raw", "KEYS", "nixie:{*}:day:????????").split()
        delivered = sum(int(redis.command("HGET", day, "delivered") or 0) for day in days)
        if delivered != self.sent:
            self.bench.note(f"ingest: the log has {self.sent:.0f} deliveries, Redis {delivered}")

    def measure_nixie(self, row):
        redis = Redis(self.lab)
        before = redis.cpu_seconds()
        logtail, seconds = self._logtail(redis, redis.endpoint)
        store_s = redis.cpu_seconds() - before
        rss_mib = peak_rss_kib(logtail.pid) / 1024
        client_s = self.lab.stop(logtail)
        self._add(row, seconds, store_s, client_s, rss_mib)
        row.add(**script_times(redis))
        redis.stop()

    def measure_pipeline(self, row):
        redis = Redis(self.lab)
        before = redis.cpu_seconds()
        answer = self.lab.path("pipeline.out")
        cost = self.lab.run([self.lab.tool("ingest-pipeline"), redis.endpoint, *self.stream], stdout=answer)
        store_s = redis.cpu_seconds() - before
        with open(answer) as file:
            result = key_values(file.read())
        if result["errors"] or redis.command("DBSIZE") != self.keys:
            self.bench.note(f"ingest: the replay is not the same work: {result['errors']:.0f} errors, "
                            f"{redis.command('DBSIZE')} keys instead of {self.keys}")
        self._add(row, result["seconds"], store_s, cost["cpu_s"], cost["peak_rss_kib"] / 1024)
        redis.stop()

    def _add(self, row, seconds, store_s, client_s, rss_mib):
        row.add(rate=self.events / seconds, seconds=seconds, store_us=store_s * 1e6 / self.events,
                client_us=client_s * 1e6 / self.events, rss_mib=rss_mib)


def script_times(redis):
    """Of the calls of the script, each a batch of one partition, by Redis's own clock."""
    calls = re.search(r"cmdstat_evalsha:calls=(\d+),usec=(\d+)", redis.command("INFO", "commandstats"))
    times = re.search(r"evalsha:p50=([\d.]+),p99=([\d.]+)", redis.command("INFO", "latencystats"))
    if not calls or not times:
        raise Failure("Redis has counted no script")
    return {"batches": int(calls[1]), "script_us": int(calls[2]) / int(calls[1]), "script_p50": float(times[1]), "script_p99": float(times[2])}


def bench_ingest(bench):
    tables = []
    rows = {}
    for partitions in PARTITIONS:
        run = IngestRun(bench, partitions)
        of = f", {partitions} partitions" if partitions > 1 else ""
        pipeline, nixie = Row(f"the same commands, bare pipeline{of}"), Row(f"nixie-logtail{of}")
        bench.in_rounds(f"ingest{of}", {
            pipeline.label: lambda: run.measure_pipeline(pipeline),
            nixie.label: lambda: run.measure_nixie(nixie),
        })
        megabytes = sum(os.path.getsize(path) for path in run.stream) / 1e6
        title = (f"Ingesting {bench.lines:,} lines with {run.events:,.0f} delivery attempts{of}, "
                 f"{megabytes:.1f} MB of commands, {run.keys} keys")
        tables.append(Table(title, [pipeline, nixie], [
            value_column("attempts/s", "rate"), ratio_column("/ pipeline", "rate", pipeline),
            middle_column("seconds", "seconds"), value_column("Redis CPU us/attempt", "store_us"),
            ratio_column("/ pipeline", "store_us", pipeline),
            middle_column("client CPU us/attempt", "client_us"), middle_column("peak MiB", "rss_mib")]))
        rows[partitions] = nixie
    tables.append(Table("The script, one call a batch and partition, microseconds by Redis's own clock", list(rows.values()), [
        middle_column("calls", "batches"), value_column("mean", "script_us"), value_column("p50", "script_p50"),
        value_column("p99", "script_p99")]))
    return tables + [bench_position(bench)]


CALLS = 100000


def bench_position(bench):
    """What it costs a call of the script to compare the place in the log with that in Redis."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../common/lua/apply.lua")) as file:
        script = file.read()
    redis = Redis(bench.lab)
    sha = redis.command("SCRIPT", "LOAD", script)
    key, at = "nixie:{0}:pos:mx1:/var/log/mail.log", "fd00.1a2b3c.0123456789abcdef:123456789"
    redis.command("HSET", key, "at", at)
    rows = {
        "HGET of a field": ["HGET", key, "at"],
        "the script without an operation": ["EVALSHA", sha, "1", key],
        "the script that compares the place": ["EVALSHA", sha, "1", key, "at", "1", at],
    }
    rows = {label: (Row(label), words) for label, words in rows.items()}

    def measure(row, words):
        before = redis.cpu_seconds()
        bench.lab.output_of(["redis-benchmark", "-s", redis.socket_path, "-q", "-c", "1", "-P", "32", "-n", str(CALLS), *words])
        row.add(cpu=(redis.cpu_seconds() - before) * 1e6 / CALLS)

    bench.in_rounds("position", {label: lambda row=row, words=words: measure(row, words) for label, (row, words) in rows.items()})
    redis.stop()
    every = [row for row, _ in rows.values()]
    return Table("The place in the log, compared", every, [value_column("Redis CPU us/call", "cpu"), ratio_column("/ HGET", "cpu", every[0])])


# ---- from the log to Redis ----

def bench_latency(bench):
    lab = bench.lab
    redis = Redis(lab)
    path = lab.path("live.log")
    open(path, "w").close()
    config = lab.write_config(redis, logtail={"files": [path], "start": "beginning"})
    logtail, _ = lab.start_notifying("nixie-logtail", [lab.program("nixie-logtail"), "-f", "-c", config], 20)
    row = Row("nixie-logtail")

    def measure():
        time.sleep(1)  # the addresses of a run bear its second
        result = key_values(lab.output_of([
            lab.tool("latency"), "-n", str(LATENCY_SAMPLES), path, redis.endpoint]))
        row.add(p50=result["p50_us"], p99=result["p99_us"], worst=result["max_us"], poll=result["poll_us"])

    bench.in_rounds("latency", {row.label: measure})
    lab.stop(logtail)
    redis.stop()
    return [Table(f"From write() of a bounce to its address in Redis, {LATENCY_SAMPLES} a round, microseconds", [row], [
        value_column("p50", "p50"), value_column("p99", "p99"), middle_column("max", "worst"),
        middle_column("one EXISTS", "poll")])]


PARTS = {
    "reading": bench_reading,
    "classify": bench_classify,
    "policy": bench_policy,
    "smtp": bench_smtp,
    "ingest": bench_ingest,
    "latency": bench_latency,
    "lists": bench_lists,
    "mail": bench_mail,
}


def parse_arguments():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(description="Measures nixie against yardsticks in the same run.")
    parser.add_argument("--lines", type=int, default=1000000, help="of the generated log")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--connections", action="append", type=int, choices=CONNECTIONS, metavar="N",
                        help="of the policy part: " + ", ".join(map(str, CONNECTIONS)))
    parser.add_argument("--addresses", type=int, default=ADDRESSES, help="of the part lists")
    parser.add_argument("--many", type=int, default=MANY_ADDRESSES, help="of the part lists, where all are listed")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="of the part mail")
    parser.add_argument("--json", metavar="FILE", help="every single value")
    parser.add_argument("--bin", default=os.path.join(root, "build/bin"), metavar="DIR", help="nixie's programs")
    parser.add_argument("--tools", default=os.path.join(root, "build/bench"), metavar="DIR",
                        help="the programs of tests/bench")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    return parser.parse_args()


def run_parts(bench, parts):
    """Prints each table as it is done; a part that fails does not stop the others."""
    results, failures = {}, 0
    for part in parts:
        try:
            tables = PARTS[part](bench)
        except (Failure, subprocess.SubprocessError) as failure:
            bench.lab.progress.clear()
            print(f"{part}: {failure}\n", file=sys.stderr)
            failures += 1
            bench.lab.stop_all()
            continue
        bench.lab.progress.clear()
        results[part] = [table.data() for table in tables]
        print("\n".join(table.text() for table in tables), flush=True)
    return results, failures


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = parse_arguments()
    stolen, ticks = steal_ticks()
    load = os.getloadavg()[0]
    lab = Lab(arguments.bin, arguments.tools, arguments.keep)
    bench = Bench(lab, arguments.lines, arguments.rounds, arguments.connections or list(CONNECTIONS),
                  arguments.addresses, arguments.many, arguments.messages)
    try:
        results, failures = run_parts(bench, arguments.only or PARTS)
    finally:
        lab.close()
    stolen_after, ticks_after = steal_ticks()
    steal = 100 * (stolen_after - stolen) / max(1, ticks_after - ticks)
    bench.note(f"{os.cpu_count()} processors, {steal:.1f} % of their time taken by the hypervisor")
    if load > 0.5:
        bench.note(f"the machine was busy with other things before this began (load {load:.1f}): the ratios are rough")
    for text in bench.notes:
        print(f"note: {text}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"lines": bench.lines, "rounds": bench.rounds, "notes": bench.notes, "parts": results},
                      file, indent=1)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
