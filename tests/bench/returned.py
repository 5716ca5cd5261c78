"""Mail that came back, read by nixie receive, against cat of the same files.

The mail is generated: notifications with the headers or with all of what was sent, complaints, automatic answers, bounces of
Exim and qmail, and ordinary mail with a page of HTML, in sizes as they come. The same of it in every run.
"""

import base64
import os
import random
import time

from lab import Failure, Redis
from table import Row, Table, middle_column, ratio_column, value_column

MESSAGES = 20000
WORDS = ("the", "letter", "you", "sent", "could", "not", "be", "delivered", "because", "mailbox", "host", "answer", "until", "Monday", "thank", "please")
REPLIES = ("550 5.1.1 <%s>: Recipient address rejected: User unknown", "552 5.2.2 <%s>: mailbox is full", "554 5.7.1 <%s>: blocked, see https://x.example/",
           "450 4.2.0 <%s>: greylisted, try again later", "550-5.1.1 The email account that you tried to reach does not exist.\n    550 5.1.1 Try %s again")
DATE = "Fri, 20 Nov 2026 10:15:00 +0000"


class Writer:
    """Messages of each kind; n is of the message."""

    def __init__(self):
        self.random = random.Random(47)

    def text(self, words):
        return "".join(self.random.choice(WORDS) + ("\n" if i % 12 == 11 else " ") for i in range(words)) + "\n"

    def page(self, paragraphs):
        rows = "".join(f'<tr><td style="padding: 4px">{self.text(40)}</td><td><a href="https://shop.example/{i}">{self.text(3)}</a></td></tr>\n'
                       for i in range(paragraphs))
        return f"<!DOCTYPE html>\n<html><head><title>News</title><style>td {{ font: 12px sans-serif }}</style></head><body><table>\n{rows}</table></body></html>\n"

    def letter(self, n, whole):
        """What was sent: its headers, or all of it."""
        received = "".join(f"Received: from h{i}.shop.example (h{i}.shop.example [192.0.2.{i}])\n\tby mx.shop.example (Postfix) with ESMTPS id {n:X}{i}\n"
                           f"\tfor <reader{n}@reader.example>; {DATE}\n" for i in range(4))
        head = (f"{received}DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shop.example; s=a;\n\tt=1763633700; h=From:To:Subject:Date;\n"
                f"\tbh={base64.b64encode(bytes(32)).decode()};\n\tb={base64.b64encode(bytes(128)).decode()}\n"
                f"From: Shop <news@shop.example>\nTo: reader{n}@reader.example\nSubject: =?utf-8?q?Neue_Gr=C3=BC=C3=9Fe?= {n}\nDate: {DATE}\n"
                f"Message-ID: <letter-{n}@shop.example>\nList-Unsubscribe: <https://shop.example/u/{n}>\nMIME-Version: 1.0\n")
        if not whole:
            return head
        return f'{head}Content-Type: multipart/alternative; boundary="alt"\n\n--alt\nContent-Type: text/plain\n\n{self.text(300)}' \
               f"--alt\nContent-Type: text/html; charset=utf-8\n\n{self.page(60)}--alt--\n"

    def head(self, n, sender, subject, more=""):
        return (f"Return-Path: <>\nReceived: from mx.reader.example (mx.reader.example [198.51.100.7])\n\tby mx.shop.example (Postfix) with ESMTP id {n:X}\n"
                f"\tfor <bounce@shop.example>; {DATE}\nFrom: {sender}\nTo: bounce@shop.example\nSubject: {subject}\nDate: {DATE}\n"
                f"Message-ID: <back-{n}@mx.reader.example>\nMIME-Version: 1.0\n{more}")

    def notification(self, n, whole=False):
        to = f"reader{n}@reader.example"
        reply = self.random.choice(REPLIES) % to
        kind = "message/rfc822" if whole else "text/rfc822-headers"
        return self.head(n, "MAILER-DAEMON@mx.reader.example (Mail Delivery System)", "Undelivered Mail Returned to Sender",
                         f'Content-Type: multipart/report; report-type=delivery-status;\n\tboundary="{n:X}.1/mx.reader.example"\n') + f"""
--{n:X}.1/mx.reader.example
Content-Type: text/plain; charset=us-ascii

{self.text(80)}
<{to}>: host mx.reader.example[198.51.100.7] said: {reply}

--{n:X}.1/mx.reader.example
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.reader.example
X-Postfix-Queue-ID: {n:X}
X-Postfix-Sender: rfc822; bounce@shop.example
Arrival-Date: {DATE}

Final-Recipient: rfc822; {to}
Original-Recipient: rfc822;{to}
Action: failed
Status: {reply[4:9]}
Remote-MTA: dns; mx.reader.example
Diagnostic-Code: smtp; {reply}

--{n:X}.1/mx.reader.example
Content-Type: {kind}

{self.letter(n, whole)}
--{n:X}.1/mx.reader.example--
"""

    def complaint(self, n):
        return self.head(n, "fbl@provider.example", "complaint", "Content-Type: multipart/report; report-type=feedback-report; boundary=fbl\n") + f"""
--fbl
Content-Type: text/plain

{self.text(60)}
--fbl
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider-FBL/1.0
Version: 1
Original-Mail-From: <bounce@shop.example>
Original-Rcpt-To: reader{n}@provider.example
Source-IP: 192.0.2.1

--fbl
Content-Type: message/rfc822

{self.letter(n, True)}
--fbl--
"""

    def answer(self, n):
        return self.head(n, f"reader{n}@reader.example", "=?utf-8?q?Automatische_Antwort=3A_Gr=C3=BC=C3=9Fe?=",
                         f"Auto-Submitted: auto-replied\nIn-Reply-To: <letter-{n}@shop.example>\nContent-Type: multipart/alternative; boundary=alt\n") + f"""
--alt
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Ich bin bis Montag nicht im B=FCro. {self.text(40)}
--alt
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

{base64.encodebytes(self.page(4).encode()).decode()}
--alt--
"""

    def exim(self, n):
        to = f"reader{n}@reader.example"
        return self.head(n, "Mail Delivery System <Mailer-Daemon@mx.reader.example>", "Mail delivery failed: returning message to sender",
                         f"X-Failed-Recipients: {to}\nAuto-Submitted: auto-replied\n") + f"""
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {to}
    host mx.reader.example [198.51.100.7]
    SMTP error from remote mail server after RCPT TO:<{to}>:
    {self.random.choice(REPLIES) % to}

------ This is a copy of the message, including all the headers. ------

{self.letter(n, True)}"""

    def qmail(self, n):
        return self.head(n, "MAILER-DAEMON@mx.reader.example", "failure notice") + f"""
Hi. This is the qmail-send program at mx.reader.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<reader{n}@reader.example>:
198.51.100.7 does not like recipient.
Remote host said: {self.random.choice(REPLIES) % 'it'}
Giving up on 198.51.100.7.

--- Below this line is a copy of the message.

{self.letter(n, True)}"""

    def ordinary(self, n):
        return self.head(n, f"Reader {n} <reader{n}@reader.example>", "a question", "Content-Type: multipart/alternative; boundary=alt\n") + f"""
--alt
Content-Type: text/plain; charset=utf-8

{self.text(200)}
--alt
Content-Type: text/html; charset=utf-8

{self.page(30)}
--alt--
"""

    def message(self, n):
        kinds, weights = zip((self.notification, 35), (lambda n: self.notification(n, True), 20), (self.complaint, 10), (self.answer, 15),
                             (self.exim, 5), (self.qmail, 3), (self.ordinary, 12))
        return self.random.choices(kinds, weights)[0](n)


def write_mail(lab, messages):
    """An mbox and a Maildir of the same mail."""
    writer = Writer()
    mbox, maildir = lab.path("mbox"), lab.path("Maildir")
    os.makedirs(os.path.join(maildir, "new"))
    os.mkdir(os.path.join(maildir, "cur"))
    with open(mbox, "w") as box:
        for n in range(messages):
            text = writer.message(n)
            box.write(f"From MAILER-DAEMON Fri Nov 20 10:15:00 2026\n{text}\n")
            with open(os.path.join(maildir, "new", f"{n:08d}.M1P1.mx"), "w") as file:
                file.write(text)
    return mbox, maildir


class MailRun:
    def __init__(self, bench):
        self.lab = bench.lab
        self.messages = bench.messages
        self.lab.progress(f"mail: {self.messages} messages")
        self.mbox, self.maildir = write_mail(self.lab, self.messages)
        self.log = self.deliveries()

    def receive(self, *words, config=os.devnull):
        return [self.lab.program("nixie"), "-c", config, "receive", *words]

    def measure(self, row, command, messages=None, stdin=None):
        cost = self.lab.run(command, stdin=stdin)
        messages = messages or self.messages
        row.add(per_second=messages / cost["wall_s"], wall_s=cost["wall_s"], cpu_s=cost["cpu_s"], cpu_us=cost["cpu_s"] * 1e6 / messages,
                rss_mib=cost["peak_rss_kib"] / 1024)

    def deliveries(self):
        """What a log tells of the messages that the mail is about."""
        path = self.lab.path("mail.log")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 3600))
        with open(path, "w") as log:
            for n in range(self.messages):
                line = f"{stamp} mx postfix/%s[1]: {n:010X}: "
                log.write(line % "smtpd" + "client=c[192.0.2.1]\n" + line % "cleanup" + f"message-id=<letter-{n}@shop.example>\n" +
                          line % "qmgr" + "from=<bounce@shop.example>, size=1000, nrcpt=1 (queue active)\n" +
                          line % "smtp" + f"to=<reader{n}@reader.example>, relay=mx.reader.example[198.51.100.7]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
                          "status=sent (250 2.0.0 Ok)\n" + line % "qmgr" + "removed\n")
        return path

    def measure_written(self, row):
        """Into an empty Redis that knows the deliveries."""
        redis = Redis(self.lab)
        config = self.lab.write_config(redis, logtail={"files": [self.log], "start": "beginning"})
        with open(config, "a") as file:
            file.write('receive: { remember = "30 days"; addresses = ( { for = "bounces"; address = "bounce@shop.example"; } ); };\n')
        self.lab.run([self.lab.program("nixie-logtail"), "-f", "-c", config, "--once"])
        before = redis.cpu_seconds()
        self.measure(row, self.receive("--quiet", self.mbox, config=config))
        row.add(store_us=(redis.cpu_seconds() - before) * 1e6 / self.messages)
        counted = redis.command("HGET", redis.command("KEYS", "nixie:{0}:day:????????:mail"), "dsn|counted")
        if int(counted or 0) < self.messages / 4:
            raise Failure(f"nixie receive counted {counted} notifications of {self.messages} messages")
        redis.stop()


def bench_mail(bench):
    """Rows are label and command; the first is the yardstick of those behind it."""
    run = MailRun(bench)
    one = os.path.join(run.maildir, "new", "00000000.M1P1.mx")
    tables = []
    for title, messages, stdin, commands in (
            ("mbox", run.messages, None, {"cat": ["cat", run.mbox], "nixie receive": None, "nixie receive --dry-run": run.receive("--dry-run", run.mbox),
                                          "nixie receive --dry-run --json": run.receive("--dry-run", "--json", run.mbox)}),
            ("Maildir", run.messages, None, {"cat, by find": ["find", run.maildir, "-type", "f", "-exec", "cat", "{}", "+"],
                                             "nixie receive --dry-run": run.receive("--dry-run", run.maildir)}),
            ("one message a process", 1, one, {"cat": ["cat"], "nixie --version": run.receive()[:1] + ["--version"],
                                               "nixie receive --dry-run": run.receive("--dry-run")})):
        rows = {label: Row(label) for label in commands}
        bench.in_rounds(f"mail, {title}", {label: lambda label=label: run.measure(rows[label], commands[label], messages, stdin) if commands[label]
                                           else run.measure_written(rows[label]) for label in commands})
        base = next(iter(rows.values()))
        tables.append(Table(f"Mail that came back, {title}: {messages:,} of {os.path.getsize(run.mbox) / run.messages / 1024:.0f} KiB", list(rows.values()), [
            value_column("messages/s", "per_second"), value_column("CPU us/message", "cpu_us"), value_column("Redis us/message", "store_us"), ratio_column("CPU / cat", "cpu_s", base),
            ratio_column("wall / cat", "wall_s", base), middle_column("peak MiB", "rss_mib")]))
    return tables
