"""nixie-redis(7): each command that it prints is typed into redis-cli after an end-to-end run; no key is there that it does not tell of."""
import calendar
import json
import os
import re
import subprocess
import time

from harness import returned
from harness.case import RedisCase, SharedCase
from harness.maillog import Message
from harness.nixie import OK, REPOSITORY, run
from harness.proc import wait_until
from harness.sample import DAY, HOUR, in_order, mail, some_days

PAGE = os.path.join(REPOSITORY, 'common', 'nixie-redis.7')
SAMPLE = os.path.join(REPOSITORY, 'contrib', 'sample', 'mail.log')
TOTALS = ('delivered', 'soft', 'hard', 'complaint', 'deferred', 'hard-as-soft', 'soft-to-hard')
OUTCOMES = ('nothing', 'counted', 'told', 'aside')
TALLIES = ('attempts', 'delivered', 'deferred', 'soft', 'hard', 'complaint', 'throttled', 'blocked', 'failing')
# Of those, for the brake alone
BY_MAIL = ('mail-soft', 'mail-hard')
# What stands for a part of a name: by the .Ar of the page, or by .Ql where that is all
PARTS = {'address': r'[^@]+@.+', 'domain': r'.+', 'message': r'[^/]+/[^/]+/[^/]+', 'yyyymmdd': r'\d{8}', 'yyyymm': r'\d{6}', 'yyyymmddhhmm': r'\d{12}',
         'digits': '[0-9a-f]{3}', 'id': '[0-9a-f]{24}', 'dimension': '(?:dest|provider|sender|campaign|host)', 'period': '(?:hour|day)', 'source': r'[^:]+:.+', 'name': r'[^:]+:.+'}
# Names of fields are of what was counted
COUNTED = ('day', 'min', 'roll')
# ... and of logs and services
NAMED = ('gaps', 'doors')


def plain(mdoc):
    return mdoc.replace('\\(dq', '"').replace('\\(aq', "'").replace('\\&', '').replace('\\-', '-').replace('\\e', '\\')


class Key:
    """One that the page tells of: name, a pattern of keys, its type, and [(command, what it prints)]."""

    def __init__(self, head, text):
        words = head.split()
        pattern, self.name = '', ''
        for macro, word in zip(words[::2], words[1::2]):
            word = plain(word)
            if macro == 'Ar':
                pattern += PARTS[word]
            else:
                self.name += word
                pattern += re.escape(word)
        if self.name.startswith('nixie:{0}:min:'):      # "those of a day, rule and mail"
            pattern = pattern.replace('|host)', '|host|rule|mail)')
        self.text, self.pattern = text, re.compile(pattern)
        self.type = {'Hash': 'hash', 'Sorted': 'zset', 'Stream': 'stream'}[re.match(r'(\w+)', text)[1]]
        self.kind = re.sub(r'^nixie:(?:\{0\}:)?', '', self.name).split(':')[0]
        self.examples = []
        for block in re.findall(r'^\.Bd -literal\n(.*?)^\.Ed$', text, re.M | re.S):
            for command, output in re.findall(r'^> (.*)\n((?:(?!> ).*\n)*)', plain(block), re.M):
                self.examples.append((command, joined(output)))


def joined(output):
    """Lines that the page had to break are one again."""
    lines = []
    for line in output.splitlines():
        if lines and lines[-1].count('"') % 2:
            lines[-1] += ' ' + line.strip()
        else:
            lines.append(line)
    return lines


def keys():
    with open(PAGE, encoding='utf-8') as f:
        text = f.read().split('.Sh KEYS\n')[1].split('\n.Sh ')[0]
    parts = re.split(r'^\.It ((?:Ql|Ar) nixie:.*)$', text, flags=re.M)
    return [Key(re.sub(r' Ns | No ', ' ', head), body.lstrip('\n')) for head, body in zip(parts[1::2], parts[2::2])]


def strings(lines):
    """Values of what redis-cli prints, in their order."""
    out = []
    for line in lines:
        m = re.fullmatch(r'[ \d)]*(?:"((?:[^"\\]|\\.)*)"|\(integer\) (\d+))', line)
        out.append(m[1] if m and m[1] is not None else m[2] if m else line)
    return out


def frame(lines):
    """How it is numbered and nested."""
    return [re.sub(r'\s+', ' ', re.sub(r'"(?:[^"\\]|\\.)*"|(?<=\(integer\) )\d+', '_', line)).strip() for line in lines]


def kind_of(value):
    """A number, or the names that are packed in it, or text."""
    if re.fullmatch(r'\d+', value):
        return 'number'
    names = re.findall(r'(?:^| )([a-z]+)=', value.split(' text=')[0])
    return ' '.join(names) if len(names) > 3 else 'text' if value else 'nothing'


def shape(key, command, lines):
    """What must be the same of an example and of what is there; of a hash {field: kind}, in any order."""
    verb, values = command.split()[0], strings(lines)
    if verb == 'HGETALL':
        fields = [re.sub('^to:.*', 'to:', f) if key.kind not in NAMED else '' for f in values[::2]]
        return frame(lines), dict(zip(fields, map(kind_of, values[1::2])))
    if verb == 'XREVRANGE':
        return frame(lines), bool(re.fullmatch(r'\d{13}-\d+', values[0])), dict(zip(values[1::2], map(kind_of, values[2::2])))
    if 'WITHSCORES' in command:
        return frame(lines[:2]), [kind_of(v) for v in values[:2]]
    return frame(lines[:2]), [kind_of(v) for v in values[:2]]


class RedisPage(SharedCase):
    """With one partition, as in the examples."""
    partitions = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site.options['redis']['partitions'] = cls.partitions
        cls.site.options['alerts'] = {'minimum': 10}
        cls.site.options['brake'] = {'enabled': True}
        cls.site.options['receive'] = {'remember': '7 days', 'wait': '1 ms'}
        cls.site.write_conf()
        cls.now = time.time()
        while (cls.now % DAY) > DAY - 120 or cls.now % HOUR > HOUR - 60:      # no day and no hour ends while it runs
            time.sleep(1)
            cls.now = time.time()
        with open(cls.site.log_path, 'w') as f:
            f.write(cls.sample() + cls.recent() + cls.delivered())
        done = run('nixie-logtail', '-f', '-c', cls.site.conf_path, '--once')
        assert done.returncode == OK, done.stderr
        for mail in cls.came_back():
            cls.site.ctl_ok('receive', stdin=mail)
        cls.site.ctl_ok('suppress', '--reason', 'closed', '@closed.example')
        cls.site.ctl_ok('suppress', '--reason', 'asked by phone', 'reader@example.com')
        policyd = cls.site.policyd()
        cls.site.ask('reader@example.com')
        policyd.stop()
        cls.site.logtail()
        wait_until(lambda: cls.redis.command('HLEN', 'nixie:{0}:alerts') > 0, 'alerts')
        wait_until(lambda: cls.redis.command('HGET', 'nixie:{0}:reader:' + cls.redis.command('ZRANGE', 'nixie:{0}:readers', 0, -1)[0], 'state') == 'caught-up', 'reader')
        for key in cls.redis.command('KEYS', '*'):
            cls.redis.command('PERSIST', key)       # none is to expire between two looks
        cls.there = sorted(cls.redis.command('KEYS', '*'))

    @classmethod
    def sample(cls):
        """The sample of this repository, as if its end were five days ago."""
        with open(SAMPLE, encoding='utf-8') as f:
            lines = f.read().splitlines(keepends=True)

        def moment(line):
            return calendar.timegm(time.strptime(line[:19], '%Y-%m-%dT%H:%M:%S'))
        days = int(cls.now // DAY) - 5 - max(moment(line) for line in lines) // DAY
        return ''.join(time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment(line) + days * DAY)) + line[19:] for line in lines)

    @classmethod
    def recent(cls):
        """Of four days; and the bad hour of a provider."""
        text = some_days(cls.now)
        for n in range(60):
            text += mail(cls.now - 600 + n, 'r%d@gmail.com' % n, 'sent' if n < 3 else 'unknown', 'shop@example.org', 'aspmx.l.google.com')
        # signed in, and of a campaign: all that is known of a message that waits
        busy = mail(cls.now - 30, 'ann@busy.example', 'busy', 'shop@example.org', 'mx.busy.example', 'spring-2026')
        return in_order(text + busy.replace('[192.0.2.7]\n', '[192.0.2.7], sasl_method=PLAIN, sasl_username=shop\n', 1))

    @classmethod
    def delivered(cls):
        """What mails come back of."""
        cls.messages = [Message(when=cls.now - 20), Message(when=cls.now - 20)]
        return ''.join(m.begin() + m.sent(to) for m, to in zip(cls.messages, ('reader@reader.example', 'other@reader.example')))

    @classmethod
    def came_back(cls):
        one, other = (returned.original('<%s@example.org>' % m.qid) for m in cls.messages)
        return [returned.failed('reader@reader.example', one), returned.complaint(other, 'other@reader.example'),
                returned.failed('nobody@reader.example', returned.original('<made-up@shop.example>'))]

    def cli(self, command):
        """As a person types it."""
        done = subprocess.run(['redis-cli', '-s', self.redis.socket, '--no-raw'], input=command + '\n', stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        # of an answer that took half a second it tells how long that was
        return [line for line in done.stdout.splitlines() if not re.fullmatch(r'\(\d+\.\d\ds\)', line)]

    def commands(self, key, command):
        """The command as it is printed, and then with other keys of the kind: those of this run."""
        verb, name, rest = re.fullmatch(r'(\S+) (\S+) ?(.*)', command).groups()
        if name in self.there:
            yield command
        for other in self.there:
            if not key.pattern.fullmatch(other):
                continue
            if key.kind in ('alerts', 'unclassified-text'):       # a field is a name too
                for field in self.redis.hgetall(other):
                    yield '%s %s "%s"' % (verb, other, field.replace('"', '\\"'))
            else:
                yield ' '.join((verb, other, rest)).strip()

    def test_each_example(self):
        for key in keys():
            self.assertTrue(key.examples, 'nixie-redis.7 has no example of ' + key.name)
            for command, output in key.examples:
                with self.subTest(command):
                    if key.kind in COUNTED:
                        self.check_counted(key, command, output)
                    else:
                        self.check_shape(key, command, output)

    def check_shape(self, key, command, output):
        want, got = shape(key, command, output), []
        for other in self.commands(key, command):
            got.append(shape(key, other, self.cli(other)))
            if got[-1] == want:
                return
        self.fail('the page prints\n%s\nand there is\n%s' % (want, '\n'.join(map(str, got[:3]))))

    def check_counted(self, key, command, output):
        """Names of counters stand in the page; those there and those in the example."""
        known = {w for line in re.findall(r'^\.Ql (.*)$', key.text, re.M) for w in re.findall(r'[a-z]+:?[a-z0-9-]*', plain(line))}
        if key.kind != 'day':       # "the fields of day"
            known |= set(TOTALS) | set(TALLIES) | set(BY_MAIL) | set(OUTCOMES) | {'code:4', 'code:5', 'cat:', 'returned', 'unsubscribe'}
        if 'rule' in known or key.name.endswith(':rule'):       # <rule>|<class>
            known |= {'none', 'soft', 'hard', 'complaint'}
        dimension = bool(re.search(r'\d:(rule|mail|dest|provider|sender|campaign|host)\b', command))
        there = list(self.commands(key, command))
        for lines in [output] + [self.cli(c) for c in there[::len(there) // 20 + 1]]:      # there is one of each minute
            values = strings(lines)
            values = values[1:] if command.startswith('XREVRANGE') else values
            self.assertTrue(values, command)
            self.assertEqual(len(values) % 2, 0)
            for field, n in zip(values[::2], values[1::2]):
                self.assertRegex(n, r'^\d+$')
                self.assertEqual('|' in field, dimension, field)
                self.assertIn('cat:' if field.startswith('cat:') else field.rsplit('|', 1)[-1], known, command)

    def test_each_key(self):
        """Every one is told of, once at least, is of the type that is told, and of each that is told of there is one."""
        told, found = keys(), {}
        self.assertGreater(len(told), 20)
        for name in self.there:
            of = [k for k in told if k.pattern.fullmatch(re.sub(r'^nixie:\{\d+\}:', 'nixie:{0}:', name))]
            self.assertTrue(of, 'nixie-redis.7 does not tell of ' + name)
            for k in of:
                found[k.name] = True
                self.assertEqual(self.redis.command('TYPE', name), k.type, name)
        self.assertEqual({k.name for k in told} - set(found), set())

    # -- the figures of the programs are those of the keys

    def day(self, dimension=''):
        """Sums over all days and partitions: {field: n}."""
        total = {}
        for name in self.there:
            if re.fullmatch(r'nixie:\{\d+\}:day:\d{8}%s' % (':' + dimension if dimension else ''), name):
                for field, n in self.redis.hgetall(name).items():
                    total[field] = total.get(field, 0) + int(n)
        return total

    def report(self, *words):
        rows = [json.loads(line) for line in self.site.ctl_ok('report', '--json', '--from', '1970-01-01', *words).splitlines()]
        return [r for r in rows if r['row'] != 'finding']

    def test_report(self):
        total, fields = self.report()[0], self.day()
        self.assertEqual({k: total[k] for k in TOTALS}, {k: fields.get(k, 0) for k in TOTALS})
        self.assertTrue(all(total[k] for k in TOTALS if k != 'complaint'), total)

    def test_report_by_day(self):
        rows = {r['day'].replace('-', ''): r for r in self.report('--by', 'day') if r['row'] == 'day'}
        self.assertEqual(sorted(rows), [d for d in self.redis.command('ZRANGE', 'nixie:{0}:days', 0, -1) if set(self.redis.hgetall('nixie:{0}:day:' + d)) & set(TOTALS)])
        for name, row in rows.items():
            fields = self.redis.hgetall('nixie:{0}:day:' + name)
            self.assertEqual({k: row[k] for k in TOTALS}, {k: int(fields.get(k, 0)) for k in TOTALS}, name)

    def test_report_by_hour(self):
        """Hours that are over, and the minutes behind them."""
        rows = {r['hour']: r for r in self.report('--by', 'hour') if r['row'] == 'hour'}
        hours = {}
        for id_, fields in self.redis.command('XRANGE', 'nixie:{0}:roll:hour', '-', '+'):
            name = time.strftime('%Y-%m-%dT%H:00:00Z', time.gmtime(int(id_.split('-')[0]) // 1000))
            hours[name] = {k: int(v) for k, v in zip(fields[::2], fields[1::2])}
        newest = max(hours)
        for name in self.there:
            m = re.fullmatch(r'nixie:\{0\}:min:(\d{4})(\d\d)(\d\d)(\d\d)\d\d', name)
            hour = m and '%s-%s-%sT%s:00:00Z' % m.groups()
            if m and hour > newest:
                to = hours.setdefault(hour, {})
                for k, v in self.redis.hgetall(name).items():
                    to[k] = to.get(k, 0) + int(v)
        self.assertGreater(len(hours), 40)
        if time.time() // HOUR == self.now // HOUR:     # else it may be in the stream by now
            self.assertGreater(max(hours), newest)
        self.assertEqual({h: {k: r[k] for k in TOTALS} for h, r in rows.items()},
                         {h: {k: f.get(k, 0) for k in TOTALS} for h, f in hours.items() if set(f) & set(TOTALS)})

    def test_report_by_dimension(self):
        for dimension in 'dest', 'provider', 'sender', 'campaign', 'host':
            with self.subTest(dimension):
                rows = {r[dimension]: r for r in self.report('--by', dimension) if r['row'] == dimension}
                fields = self.day(dimension)
                self.assertEqual({(v, k): r[k] for v, r in rows.items() for k in TALLIES if r[k]},
                                 {tuple(f.rsplit('|', 1)): n for f, n in fields.items() if f.rsplit('|', 1)[1] not in BY_MAIL})
                self.assertTrue(rows)

    def test_report_by_rule_and_category(self):
        rows = {r['rule']: r for r in self.report('--by', 'rule') if r['row'] == 'rule'}
        self.assertEqual({(v, k): r[k] for v, r in rows.items() for k in ('soft', 'hard', 'complaint', 'throttled', 'blocked', 'failing') if r[k]},
                         {tuple(f.rsplit('|', 1)): n for f, n in self.day('rule').items() if f.rsplit('|', 1)[1] not in ('none', *BY_MAIL)})
        rows = {r['category']: r['failures'] for r in self.report('--by', 'category') if r['row'] == 'category'}
        self.assertEqual(rows, {f[4:]: n for f, n in self.day().items() if f.startswith('cat:')})

    def test_status(self):
        # it tells anew every five seconds
        def both():
            told = json.loads(self.site.ctl('status', '--json').stdout)
            return told, {r['source']: self.redis.hgetall('nixie:{0}:reader:' + r['source']) for r in told['readers']}

        def same():
            told, hashes = both()
            return all(hashes[r['source']]['updated'] == str(self.seconds(r['updated'])) for r in told['readers']) and (told, hashes)
        told, hashes = wait_until(same, 'a moment between two writings')
        self.assertEqual(sorted(hashes), sorted(self.redis.command('ZRANGE', 'nixie:{0}:readers', 0, -1)))
        for r in told['readers']:
            self.assert_same(r, hashes[r['source']])
        self.assertEqual(sorted(d['name'] for d in told['doors']), sorted(self.redis.hgetall('nixie:{0}:doors')))
        for d in told['doors']:
            self.assert_same(d, self.redis.hgetall('nixie:{0}:door:' + d['name']))
            self.assertEqual(d['rejected'], 1)
        self.assertEqual(told['suppressed'], self.redis.command('ZCARD', 'nixie:{0}:suppressed'))
        self.assertEqual(told['alerts'], self.redis.command('HLEN', 'nixie:{0}:alerts'))

    @staticmethod
    def seconds(text):
        return calendar.timegm(time.strptime(text, '%Y-%m-%dT%H:%M:%SZ'))

    def assert_same(self, told, fields):
        for name, value in fields.items():
            if name in ('decided', 'would-decide'):
                value = [{'action': a, 'category': c, 'n': int(n)} for a, c, n in re.findall(r'(\S+)\|(\S+)=(\d+)', value)]
            elif name in ('updated', 'started', 'last-event'):
                value = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(int(value)))
            elif re.fullmatch(r'\d+(\.\d)?', value) and name not in ('version',):
                value = bool(int(value)) if name == 'shadow' else float(value)
            self.assertEqual(told[name], value, name)

    def test_alerts_and_journal(self):
        def same():
            # the reader goes on noticing them
            told = {json.loads(line)['alert'] for line in self.site.ctl_ok('alerts', '--json').splitlines()}
            log = self.site.ctl_ok('alerts', '--log', '--json').splitlines()
            return told == set(self.redis.hgetall('nixie:{0}:alerts')) and len(log) == self.redis.command('XLEN', 'nixie:{0}:alert-log') > 0
        wait_until(same, 'the same alerts from nixie and from Redis')
        bounces = [json.loads(line) for line in self.site.ctl_ok('history', '--json', 'hugo.left@oldisp.example').splitlines()]
        self.assertEqual(len(bounces), self.redis.command('XLEN', 'nixie:{0}:hist:hugo.left@oldisp.example'))


class RedisPageInPartitions(RedisPage):
    """Which keys there are, and that the total is the sum."""
    partitions = 8
    test_each_example = test_report_by_day = test_report_by_hour = test_status = test_alerts_and_journal = None


class Memory(SharedCase):
    """What the page tells of mail that comes back, with the settings of the unit."""

    def test_mail_that_comes_back(self):
        with open(PAGE, encoding='utf-8') as f:
            text = ' '.join(f.read().split('.Ss Mail that comes back\n')[1].split('\n.Ss ')[0].split())
        packed = int(re.search(r'takes (\d+) bytes, measured with 100 members of 40 bytes', text)[1])
        many = int(re.search(r'With more of them one takes (\d+)', text)[1])
        told = int(re.search(r'[.]Pq Ql told takes (\d+) bytes', text)[1])
        for setting in ('hash-max-listpack-value', '512'), ('zset-max-listpack-value', '256'), ('stream-node-max-bytes', '1024'):
            self.redis.command('CONFIG', 'SET', *setting)
        for members, want in (100, packed), (1000, many):
            self.grows(want, members, """for i = 1, ARGV[1] do redis.call('ZADD', 'nixie:{0}:sent:20261122:' .. string.format('%03x', math.floor(i / ARGV[2])), 0,
                string.format('%013x|reader%07d@mail.example', i * 7919, i)) end""")
        self.grows(told, 1, """for i = 1, ARGV[1] do local key = 'nixie:{0}:told:' .. redis.sha1hex(i):sub(1, 24)
            redis.call('HSET', key, 'by', 'log', 'time', '1795309590') redis.call('EXPIREAT', key, 1895309590) end""")

    def grows(self, want, members, script, n=65536):
        self.redis.command('FLUSHALL')
        before = self.used()
        self.redis.command('EVAL', script, 0, n, members)
        self.assertAlmostEqual((self.used() - before) / n, want, delta=want / 5)

    def used(self):
        return int(re.search(r'used_memory:(\d+)', self.redis.command('INFO', 'memory'))[1])


class WhoWrites(RedisCase):
    def test_nixie_receive(self):
        """Nothing but mail that comes back: of each key that is there the page says that nixie receive, or nixie, writes it."""
        secrets = os.path.join(self.site.directory, 'secrets')
        with open(secrets, 'w') as f:
            f.write('a secret of twenty bytes\n')
        os.chmod(secrets, 0o600)
        self.site.options['receive'] = {'wait': '1 ms', 'secret-file': secrets, 'addresses': (
            {'for': 'bounces', 'address': 'bounces+{recipient}-{sig}@shop.example'}, {'for': 'unsubscribe', 'address': 'leave+{recipient}-{sig}@shop.example'})}
        self.site.write_conf()
        about = returned.original('<one@shop.example>')
        for n, said in enumerate((returned.NO_SUCH_USER, 'smtp; 552 5.2.2 <{to}>: Mailbox is full', 'smtp; 550 The flux is out of phase')):
            to = 'reader%d@reader.example' % n
            signed = self.site.ctl_ok('verp', to).strip()
            self.site.ctl_ok('receive', stdin=returned.dsn([(to, 'failed', '5.0.0', said)], about, to=signed))
        self.site.ctl_ok('receive', stdin=returned.plain(self.site.ctl_ok('verp', '--for', 'unsubscribe', 'x@reader.example').strip(), 'x@reader.example', 'leave'))
        self.site.ctl_ok('receive', stdin=returned.failed('nobody@reader.example', about))
        there, page = self.redis.command('KEYS', '*'), keys()
        self.assertTrue({'addr', 'win', 'unclassified', 'aside', 'told', 'scoped', 'hist', 'min', 'days'} <= {k.split(':')[2] for k in there if ':{0}:' in k}, there)
        for name in there:
            text = next(plain(k.text) for k in page if k.pattern.fullmatch(name)).replace('\n', ' ')
            who = re.search(r'Written (.*?)(?:; |read by|Expires|No expiry|The last|$)', text)[1]
            with self.subTest(name):
                self.assertRegex(who, r'\bnixie\b(?!-)|the first program|expiring with it')
