"""What the readers left in Redis, and in what it differs from what it should be."""
from collections import Counter

# made anew with every write, or told by whoever wrote it
CHANGING = {'addr': ('revision', 'token', 'by')}
SHOWN = 12


def fields_of(redis, key):
    return redis.hgetall(key)


def scores_of(redis, key):
    flat = redis.command('ZRANGE', key, '0', '-1', 'WITHSCORES')
    return dict(zip(flat[::2], flat[1::2]))


def entries_of(redis, key):
    """The contents of a stream, without ids, as often as they are there."""
    return Counter(tuple(fields) for _, fields in redis.command('XRANGE', key, '-', '+'))


def value_of(redis, key):
    return {'': redis.command('GET', key)}


READ = {'string': value_of, 'hash': fields_of, 'zset': scores_of, 'stream': entries_of}


def snapshot(redis, prefix='nixie:{0}:'):
    """{key without prefix: dict}; places are left out, they are of files."""
    data = {}
    for key in redis.command('KEYS', prefix + '*'):
        name = key[len(prefix):]
        kind = name.split(':')[0]
        if kind == 'pos':
            continue
        data[name] = dict(READ[redis.command('TYPE', key)](redis, key))
        for field in CHANGING.get(kind, ()):
            data[name].pop(field, None)
    return data


def journal_of(data):
    """Of addresses that several hosts write about, which of their failures came first is chance."""
    journal = Counter()
    for fields, n in data.pop('journal', {}).items():
        entry = dict(zip(fields[::2], fields[1::2]))
        if '@shared.' in entry['address']:
            entry = {k: entry[k] for k in ('address', 'from', 'to', 'why')}
        journal[tuple(sorted(entry.items()))] += n
    return journal


def dangling_tokens(redis, prefix='nixie:{0}:'):
    """Entries whose token names no journal entry of theirs."""
    lost = []
    for key in redis.command('KEYS', prefix + 'addr:*'):
        address, token = key[len(prefix + 'addr:'):], redis.hgetall(key).get('token')
        found = redis.command('XRANGE', prefix + 'journal', token, token) if token else []
        if not any(dict(zip(f[::2], f[1::2])).get('address') == address for _, f in found):
            lost.append('%s: token %s names %s' % (address, token, found))
    return lost


def _number(value):
    try:
        return float(value or 0)
    except ValueError:
        return None


class Comparison:
    """lost and doubled: what is counted too low or too high, or is not or should not be there."""

    def __init__(self, want, got):
        self.lost = self.doubled = self.compared = 0
        self.differences = []
        wanted, found = journal_of(want), journal_of(got)
        for name in sorted(set(want) | set(got)):
            self._key(name, want.get(name, {}), got.get(name, {}))
        for entry in set(wanted) | set(found):
            self._transition(dict(entry), wanted[entry], found[entry])
        self.transitions, self.repeated = sum(wanted.values()), sum((found - wanted).values())

    def _key(self, name, want, got):
        for field in sorted(set(want) | set(got), key=str):
            self.compared += 1
            a, b = want.get(field), got.get(field)
            if a == b:
                continue
            x, y = _number(a), _number(b)
            if x is None or y is None or x > y:
                self.lost += 1
            if x is None or y is None or y > x:
                self.doubled += 1
            self.differences.append('%s %s: %r, should be %r' % (name, field, b, a))

    def _transition(self, entry, want, got):
        if got < want:
            self.lost += 1
            self.differences.append('journal: %d times, should be %d: %s' % (got, want, entry))
        elif got > want and want == 0:
            self.doubled += 1
            self.differences.append('journal: should not be there: %s' % entry)

    def __bool__(self):
        return not self.differences

    def report(self):
        """A few of each kind of key, and how many more."""
        out, kinds = [], Counter(d.split(':')[0] for d in self.differences)
        for kind, n in sorted(kinds.items()):
            some = [d for d in self.differences if d.split(':')[0] == kind]
            out += ['  ' + d[:400] for d in some[:SHOWN]]
            if n > SHOWN:
                out.append('  ... and %d more of %s' % (n - SHOWN, kind))
        return '\n'.join(out)
