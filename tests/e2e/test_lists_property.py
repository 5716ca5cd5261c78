"""Our own lists lose nothing: entries of every kind, with texts that nobody would write, out, in again elsewhere, and out: the same bytes."""
import csv
import io
import os
import random

from harness.servers import partition_of
from test_exchange import Exchange

ENTRIES = 400
SEED = int(os.environ.get('NIXIE_SEED', '20261122'))
LOCALS = ['a', 'A.b', ' lead', 'trail ', '"', '\\', 'a,b', 'a;b', 'a"b', '""', "o'neil", 'a@b', '@', '#', '=1+1', '[1]', '{x', 'Ä', 'ü日', 'a\tb', '(c)', '<x>', 'null', '-', 'x' * 60]
TEXTS = ['', 'x', ' x ', '"', '""', ',', ';', '\t', '\n', '\r', '\r\n', 'a\nb', '\\', '\\n', '\\u0041', 'null', 'true', '0', '1e9', '#', '=1', "'", '{}', '[]', 'Müller', '日本', '\x1b[31m',
         '\x7f', '\u0085', '\u2028', '\ufeff', 'x' * 1000, ' ', '%20', '%', '"a","b"', 'a;b,c\td', '5.1.1', '\U0001f4a9', 'a\x01b']
STATUSES = ['soft', 'held', 'hard', 'complaint', 'manual', 'allow']
REASONS = ['other', 'recipient.unknown', 'mailbox.full', 'complaint', 'recipient.disabled', 'recipient.syntax']
SCOPES = ['sender:shop.example=manual,1790000000,0', 'login:a%20b=complaint,1790000001,1999999999',
          'sender:shop.example=manual,1790000000,0 context:x%3Dy=manual,1,0 login:news=complaint,1790000001,0']


class OurOwn(Exchange):
    partitions = 1

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)

    def some(self, of, chance=0.5):
        return self.random.choice(of) if self.random.random() < chance else ''

    def text(self):
        return ''.join(self.random.choice(TEXTS) for _ in range(self.random.choice((0, 1, 1, 2, 5))))[:500]

    def number(self, most):
        return str(self.random.randrange(1, most)) if self.random.random() < 0.5 else ''

    def entry(self):
        status = self.random.choice(STATUSES)
        e = {'status': status, 'reason': self.random.choice(REASONS), 'origin': self.random.choice(('log', 'import', 'operator')),
             'code': self.some(('550', '452', '1', '999')), 'enhanced': self.some(('5.1.1', '4.999.999', '2.0.0')), 'rule': self.text(), 'text': self.text(),
             'remote': self.text(), 'first': self.number(4 * 10**9), 'last': self.number(4 * 10**9), 'since': str(self.random.randrange(1, 4 * 10**9)),
             'until': str(self.random.randrange(1, 4 * 10**9)) if status == 'held' else self.number(4 * 10**9), 'term': self.number(99), 'parole': self.number(4 * 10**9), 'count': self.number(10**6),
             'by': self.text(), 'parole-by': self.text(), 'batch': self.text(), 'scopes': self.some(SCOPES, 0.2), 'revision': '1', 'token': '1-1'}
        return {name: value for name, value in e.items() if value}

    def fill(self):
        """By hand, in places where nixie itself would write them."""
        places = self.places()
        for place in places:
            name = 'domain:' + place[1:] if place[0] == '@' and place.count('@') == 1 else 'addr:' + place
            words = ['nixie:{%d}:%s' % (partition_of(place, self.partitions), name)]
            for pair in self.entry().items():
                words += pair
            self.redis.command('HSET', *words)
        return places

    def places(self):
        """Keys as nixie makes them of addresses that are written in all the ways there are."""
        quoted = ['"%s"@d%d.example' % (local.replace('\\', '\\\\').replace('"', '\\"'), i) for i in range(4) for local in LOCALS]
        plain = ['r%d@plain.example' % i for i in range(ENTRIES - len(quoted))] + ['@d%d.example' % i for i in range(9)]
        for address in quoted:
            self.site.ctl('suppress', address) # not all of them are addresses
        self.site.ctl_ok('suppress', '--yes', *plain)
        places = [key.split(':', 3)[3] if ':addr:' in key else '@' + key.split(':', 3)[3] for key in self.keys_as_they_are()]
        self.redis.command('FLUSHALL')
        return places

    def keys_as_they_are(self):
        return sorted(key for key in self.redis.command('KEYS', '*') if ':addr:' in key or ':domain:' in key)

    def records(self, text, csv_):
        return sorted(map(tuple, csv.reader(io.StringIO(text, newline='')))) if csv_ else sorted(text.split('\n'))

    def there_and_back(self, *args):
        places = self.fill()
        before = self.export(*args)
        self.assertEqual(len(self.records(before, 'jsonl' not in args)), len(places) + 1)
        self.redis.command('FLUSHALL')
        said = self.imported(before)
        self.assertEqual((said['new'], said['there']), (len(places), 0), SEED)
        after = self.export(*args)
        lost = set(self.records(before, 'jsonl' not in args)) ^ set(self.records(after, 'jsonl' not in args))
        self.assertFalse(lost, 'NIXIE_SEED=%d: %s' % (SEED, '\n'.join(repr(record)[:500] for record in sorted(lost)[:4])))
        self.assertEqual(len(after.encode()), len(before.encode()))

    def test_csv(self):
        self.there_and_back()

    def test_json_lines(self):
        self.there_and_back('--format', 'jsonl')


class OurOwn64(OurOwn):
    partitions = 64
