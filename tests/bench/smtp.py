"""What the check costs mail: smtpd of a real Postfix without a policy service, with a bare one, and with nixie."""

import os
import re
import sys
import time

from lab import Failure, key_values
from policy import PolicyRun
from table import Goal, Row, Table, goal_table, middle_column, ratio_column, value_column

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from harness.postfix import Postfix  # noqa: E402
from harness.proc import free_port  # noqa: E402

SESSIONS = 10
MESSAGES = 100
RECIPIENTS = 400
# Few at a time, one service after the other, and often: what disturbs one then disturbs its neighbour.
TURNS_A_ROUND = 6
# HOLD: what the queue manager does with the mail is no part of the measurement.
SERVICE = """\
127.0.0.1:{port} inet n - n - - smtpd
    -o {{ smtpd_recipient_restrictions = {check} permit_mynetworks, reject_unauth_destination }}
    -o {{ smtpd_data_restrictions = check_client_access static:HOLD }}
"""


class SmtpRun:
    """One Postfix, one smtpd service for each thing to measure."""

    def __init__(self, bench):
        self.bench, self.lab = bench, bench.lab
        self.policy = PolicyRun(bench)
        self.log = self.lab.path("mail.log")
        self.postfix = Postfix(self.lab.directory, free_port(), self.log)
        checks = {"none": "", "echo": f"check_policy_service unix:{self.policy.echo_path},",
                  "nixie": f"check_policy_service unix:{self.policy.nixie_path},"}
        self.ports = {name: free_port() for name in checks}
        self.postfix.configure(master="".join(SERVICE.format(port=self.ports[name], check=check)
                                              for name, check in checks.items()),
                               default_transport="discard:bench")
        self.postfix.start()
        self.first = 0

    def measure_messages(self, row, service, new):
        self.first += MESSAGES
        name = f"reader{self.first if new else 0:09d}@bench.test"
        begin = time.monotonic()
        self.lab.output_of(["smtp-source", "-s", str(SESSIONS), "-m", str(MESSAGES), "-r", "1", "-l", "2000",
                            *(["-N"] if new else []), "-f", "news@bench.test", "-t", name,
                            f"127.0.0.1:{self.ports[service]}"])
        row.add(rate=MESSAGES / (time.monotonic() - begin))

    def measure_recipients(self, row, service, new):
        self.first += RECIPIENTS
        result = key_values(self.lab.output_of([
            self.lab.tool("smtp-rcpt"), "-n", str(RECIPIENTS), "-b", str(self.first if new else 0),
            f"inet:127.0.0.1:{self.ports[service]}"]))
        if result["accepted"] != RECIPIENTS:
            raise Failure(f"{service}: {result['accepted']:.0f} of {RECIPIENTS} recipients accepted, see {self.log}")
        row.add(p50=result["p50_us"], p99=result["p99_us"])

    def stop(self):
        trouble = len(re.findall("problem talking to server", self.postfix.log()))
        if trouble:
            self.bench.note(f"smtp: {trouble} times Postfix had a problem talking to the policy service")
        self.postfix.stop()
        self.policy.stop()


def bench_smtp(bench):
    if os.geteuid() != 0:
        raise Failure("Postfix wants to be started by root")
    run = SmtpRun(bench)
    none, echo = Row("no policy service"), Row("policy-echo")
    hits, misses = Row("nixie-policyd, same recipients"), Row("nixie-policyd, new recipients")
    services = {none: ("none", True), echo: ("echo", True), hits: ("nixie", False), misses: ("nixie", True)}
    try:
        for row, (service, new) in services.items():  # processes, connections and answers there are from now on
            run.measure_messages(Row("warming"), service, new)
            run.measure_recipients(Row("warming"), service, False)
        for _ in range(TURNS_A_ROUND):
            for title, measure in ("messages", run.measure_messages), ("recipients", run.measure_recipients):
                bench.in_rounds(f"smtp, {title}", {
                    row.label: lambda row=row, measure=measure, of=of: measure(row, *of) for row, of in services.items()})
            run.postfix.empty_queue()
    finally:
        run.stop()
    added = Row("added by nixie, same recipients")
    for with_nixie, with_echo in zip(hits.values["p50"], echo.values["p50"]):
        added.add(ratio=with_nixie - with_echo)
    title = f"Through a real Postfix: {MESSAGES} messages of 1 recipient in {SESSIONS} sessions; RCPT TO in one, microseconds"
    return [Table(title, list(services), [
        value_column("messages/s", "rate"), ratio_column("/ none", "rate", none), value_column("RCPT p50", "p50"),
        ratio_column("/ none", "p50", none), middle_column("p99", "p99")]),
        goal_table("Goals of the policy service with Postfix", [
            Goal("messages/s, same recipients / no policy service", hits.ratios("rate", none), at_least=0.95),
            Goal("messages/s, new recipients / no policy service", misses.ratios("rate", none), at_least=0.95),
            Goal("RCPT p50, same recipients, microseconds more than echo", added.values["ratio"], at_most=10)])]
