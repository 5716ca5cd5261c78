"""Rule directories of any size, made of the shipped rules, the same each time.

Fewer rules than are shipped: every n-th of them. More: all of them, and others
that speak of mail services nobody has heard of, in the ways real ones do, so
that their words differ from each other and from the shipped ones.
"""

import os
import random
import re

# what a libconfig file is made of, as far as groups are looked for
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|#[^\n]*|//[^\n]*|/\*.*?\*/|[(){}\[\]]|[^\s"#/(){}\[\]]+|\s+|/', re.S)
SYLLABLES = ("ba", "bel", "cor", "dan", "del", "du", "fer", "fi", "gan", "go", "hal", "hu", "jo", "kar", "ki", "lan",
             "lo", "mar", "mi", "nor", "nu", "or", "pel", "pi", "ran", "ro", "sal", "su", "tan", "tor", "ul", "van",
             "ve", "wil", "zan", "zu")
OBJECTS = ("subscriber", "inbox", "postbox", "client record", "mail identity", "destination", "delivery point",
           "mail profile", "addressee", "contract", "mail slot", "local part")
STATES = ("retired", "archived", "withdrawn", "not provisioned", "cancelled", "barred", "frozen", "migrated away",
          "purged", "unassigned")
# category, code, texts
TEXTS = (
    ("recipient.unknown", "5xx",
     '"{object} .{{0,40}}(is|was|has been) {state} (at|by) {name}", "{name}: {object} {state}"'),
    ("recipient.disabled", "550",
     '"{name} {object} (is )?{state}", "{short}-[0-9]{{2,4}}.{{0,30}}{object}"'),
    ("mailbox.full", "x52",
     '"{object} .{{0,30}}(allowance|space|storage) at {name}", "{name} storage (plan|limit)"'),
    ("blocked.reputation", "5xx",
     '"(rejected|refused|stopped) by {name} ?(guard|shield|watch)?", "postmaster[.]{name}[.](com|net)"'),
    ("blocked.reputation", "55x",
     '"https?://(www[.])?{name}[.](com|net|org)/(blocked|errors?|help)", "{short} ?[-:#] ?[0-9]{{3,5}}"'),
    ("blocked.auth", "5xx",
     '"{name} (requires|wants|needs) (aligned )?(spf|dkim|dmarc)", "{short}auth[0-9]{{2}}"'),
    ("throttled", "4xx",
     '"{name} .{{0,40}}(too (many|fast)|rate|volume)", "{short}-rate"'),
    ("greylisted", "45x",
     '"{name} (defers|delays) (new|unknown) (senders|hosts)", "{short} greytrap"'),
    ("spam.content", "55x",
     '"{name} (content|spam) (filter|engine)", "scored [0-9.]+ by {name}"'),
    ("policy", "5xx",
     '"(policy|terms) of {name}", "{name} (does not|will not|cannot) (accept|take|carry)"'),
)


def groups(text, name):
    """The groups in the top-level list `name = ( {...}, {...} )`, as they are written; and the list."""
    depth, start, found, inside, last, opened = 0, 0, [], False, b"", 0
    for match in TOKEN.finditer(text):
        token = match.group()
        if token in (b"(", b"{", b"["):
            if depth == 0 and last == name + b"=":
                inside, opened = True, match.start()
            if depth == 1 and inside:
                start = match.start()
            depth += 1
        elif token in (b")", b"}", b"]"):
            depth -= 1
            if depth == 1 and inside:
                found.append(text[start:match.end()])
            if depth == 0 and inside:
                return found, text[opened:match.end()]
        elif depth == 0 and not token.isspace() and token[:1] not in (b"#", b"/"):
            last = last + b"=" if token == b"=" else token
    return found, b""


def names(count):
    """Services' names, each once."""
    chance, made = random.Random(1), {}
    while len(made) < count:
        stem = "".join(chance.choice(SYLLABLES) for _ in range(3))
        made[stem + chance.choice(("mail", "net", "post", "ix", ""))] = True
    return list(made)


def variants(count):
    """Rules of services that do not exist."""
    chance, made = random.Random(2), []
    for number, name in enumerate(names(count)):
        category, code, texts = TEXTS[number % len(TEXTS)]
        text = texts.format(name=name, short=name[:5], object=chance.choice(OBJECTS), state=chance.choice(STATES))
        guard = ""
        if category.startswith("recipient"):
            guard = ' not-text = [ "temporar", "your (ip|domain) .{0,40}listed" ];'
        made.append(f'{{ id = "{name}.{number}"; category = "{category}"; code = "{code}"; '
                    f'text = [ {text} ];{guard} }}'.encode())
    return made


class Rulesets:
    """The shipped rules, read once."""

    def __init__(self, directory):
        self.files = {}  # name: (rules, what stands beside them)
        for name in sorted(os.listdir(directory)):
            if name.endswith(".conf"):
                with open(os.path.join(directory, name), "rb") as file:
                    text = file.read()
                rules, whole = groups(text, b"rules")
                self.files[name] = rules, text.replace(whole, b"( )", 1) if whole else text
        self.count = sum(len(rules) for rules, _ in self.files.values())

    def write(self, directory, count):
        """A directory with so many rules in it. It is read in the order of the shipped one."""
        os.makedirs(directory, exist_ok=True)
        taken = {i * self.count // count for i in range(count)} if count < self.count else range(self.count)
        number = 0
        for name, (rules, beside) in self.files.items():
            chosen = [rule for i, rule in enumerate(rules, number) if i in taken]
            number += len(rules)
            with open(os.path.join(directory, name), "wb") as file:
                file.write(beside.replace(b"rules = ( )", b"rules = (\n" + b",\n".join(chosen) + b"\n)", 1))
        with open(os.path.join(directory, "50-variants.conf"), "wb") as file:
            file.write(b"rules = (\n" + b",\n".join(variants(max(0, count - self.count))) + b"\n);\n")
