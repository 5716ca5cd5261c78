"""A year of a busy mail server as counters in Redis (nixie-redis(7)): what a report shows without reading a year of logs.

Weekdays have more mail than weekends, newsletters go out on Tuesdays and Thursdays, there is less in the holidays, a list
gets better over the year, and one day a provider refused by mistake."""
import random
import time

DAY = 86400
MAILBOXES = [('gmail.com', 'google', 30), ('outlook.com', 'microsoft', 11), ('hotmail.com', 'microsoft', 8), ('yahoo.com', 'yahoo', 8),
             ('gmx.example', 'gmx', 7), ('web.example', 'gmx', 6), ('icloud.com', 'apple', 4), ('t-online.example', 't-online', 4),
             ('laposte.example', 'la-poste', 2), ('xn--mller-kva.example', '', 1)]
SENDERS = [('news.shop.example', 60), ('shop.example', 25), ('invoices.example', 10), ('support.example', 5)]
CAMPAIGNS = ['spring-sale', 'summer-sale', 'weekly-digest', 'autumn-preview', 'black-friday', 'welcome', 'win-back-2019']
CATEGORIES = {'hard': [('recipient.unknown', 70), ('recipient.disabled', 12), ('domain.unknown', 10), ('recipient.moved', 5), ('recipient.syntax', 3)],
              'soft': [('mailbox.full', 30), ('greylisted', 5), ('spam.content', 14), ('blocked.reputation', 12), ('throttled', 9), ('network', 9),
                       ('server.busy', 7), ('dns.no-mx', 5), ('expired', 4), ('policy', 3), ('other', 2)]}
TYPOS = [('gnail.com', 31), ('gmial.com', 18), ('hotmial.com', 12), ('outlok.com', 7), ('yaho.com', 5)]
REPLIES = [('550 Requested action ended with result {n}', 'host mx.example.com[192.0.2.1] said: 550 Requested action ended with result 17 (in reply to RCPT TO command)', 412),
           ('554 Transaction failed: {id}', 'host mx2.example.net[192.0.2.9] said: 554 Transaction failed: 8f3c1a (in reply to end of DATA command)', 120),
           ('451 Ask again after lunch', 'host mx.pausa.example[198.51.100.7] said: 451 Ask again after lunch', 31),
           ('550 Postfach {n} nicht verfügbar', 'host mx.example.de[192.0.2.33] said: 550 Postfach 12 nicht verfügbar', 8)]


def name_of(day):
    return time.strftime('%Y%m%d', time.gmtime(day))


class Day:
    """The counters of one day, by dimension; '' are the totals."""

    def __init__(self, when):
        self.when, self.of = when, {}

    def add(self, dimension, name, n):
        counters = self.of.setdefault(dimension, {})
        counters[name] = counters.get(name, 0) + int(n)

    def results(self, where, n):
        """where: dimension to value; n: counter to how many"""
        for counter, value in n.items():
            if value < 1:
                continue
            if counter not in ('attempts', 'throttled', 'blocked', 'failing'):
                self.add('', counter, value)
            for dimension, of in where.items():
                if of:
                    self.add(dimension, '%s|%s' % (of, counter), value)

    def write(self, redis):
        name = name_of(self.when)
        redis.command('ZADD', 'nixie:{0}:days', name, name)
        for dimension, counters in self.of.items():
            key = 'nixie:{0}:day:' + name + (':' + dimension if dimension else '')
            flat = [x for pair in counters.items() for x in pair if pair[1]]
            if flat:
                redis.command('HSET', key, *flat)


def share(total, weights, rng):
    """total by weights, as whole numbers that are not quite even"""
    whole = sum(w for _, w in weights)
    return [(name, int(total * w / whole * rng.uniform(0.9, 1.1) + rng.random())) for name, w in weights]


def make_day(when, age, days, volume, others, rng):
    day = Day(when)
    civil = time.gmtime(when)
    rhythm = (1.0, 1.5, 1.0, 1.6, 0.9, 0.35, 0.3)[civil.tm_wday] * (0.6 if civil.tm_mon in (1, 8) else 1.3 if civil.tm_mon in (11, 12) else 1.0)
    hard_rate, soft_rate = 0.006 + 0.016 * age / days, 0.02 + 0.006 * rng.random()
    incident = age == days // 6
    domains = [(d, p, w) for d, p, w in MAILBOXES] + [('company-%d.example' % (i if i < 12 else rng.randrange(others)), '', 0.6) for i in range(40)]
    for domain, provider, weight in domains:
        total = volume * rhythm * weight / 104 * rng.uniform(0.9, 1.1)
        bad = incident and provider == 'microsoft'
        hard = int(total * (0.22 if bad else hard_rate * rng.uniform(0.5, 1.5) * (4 if weight < 1 else 1)) + rng.random() * 0.5)
        soft = int(total * soft_rate * rng.uniform(0.6, 1.4) + rng.random() * 0.5)
        if rhythm == 0.3 and provider == 'yahoo':
            soft += int(total * 0.03)
        delivered = int(total) - hard - soft
        throttled = soft // 2 + int(total * 0.12) if provider == 'yahoo' and age < 7 else soft // 10
        sender = rng.choices(SENDERS, [w for _, w in SENDERS])[0][0]
        day.results({'dest': domain, 'provider': provider, 'host': 'mx%d' % (1 + len(domain) % 2), 'sender': sender,
                     'campaign': rng.choice(CAMPAIGNS) if sender == 'news.shop.example' else ''},
                    {'attempts': delivered + 2 * soft + hard + throttled, 'delivered': delivered, 'soft': soft, 'hard': hard,
                     'deferred': soft + throttled, 'throttled': throttled, 'complaint': int(delivered * 0.0006 * rng.random() + rng.random() * 0.4)})
    for domain, n in TYPOS:
        day.results({'dest': domain, 'host': 'mx1', 'sender': 'shop.example'}, {'attempts': n // 7 + 1, 'hard': n // 7 + 1})
    totals = day.of['']
    day.add('', 'hard-as-soft', totals['soft'] * rng.uniform(0.2, 0.3))
    day.add('', 'soft-to-hard', totals['soft'] * rng.uniform(0.01, 0.02))
    for class_, categories in CATEGORIES.items():
        for category, n in share(totals[class_], categories, rng):
            day.add('', 'cat:' + category, n)
    day.add('', 'cat:complaint', totals.get('complaint', 0))
    day.add('', 'cat:suppressed', totals['hard'] // 3)
    return day


def write_year(redis, end, days=365, volume=90000, others=2000, seed=7):
    """`days` days, the last of them that of the time `end`; volume: messages of a usual day."""
    rng = random.Random(seed)
    today = int(end) - int(end) % DAY
    for age in range(days - 1, -1, -1):
        make_day(today - age * DAY, age, days, volume, others, rng).write(redis)
    for months in range(2):
        month = time.strftime('%Y%m', time.gmtime(today - months * 31 * DAY))
        for text, example, n in REPLIES:
            redis.command('ZADD', 'nixie:{0}:unclassified:' + month, n, text)
            redis.command('HSET', 'nixie:{0}:unclassified-text:' + month, text, example)
    for i in range(1200):
        redis.command('ZADD', 'nixie:{0}:suppressed', today - i * 300, 'gone%d@company-%d.example' % (i, i % 40))


def write_alert(redis, now):
    """One that is open."""
    redis.command('HSET', 'nixie:{0}:alerts', 'throttled/provider/yahoo', 'since=%d opened=%d seen=%d until=0 count=412 of=1900 usual=20 limit=0 by=mx1'
                  % (now - 7200, now - 7000, now - 60))
