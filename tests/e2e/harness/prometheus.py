"""The client's side of Prometheus: HTTP over a Unix socket or TCP, and its text format 0.0.4, read strictly."""
import re
import socket

from .proc import LIMIT

SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})? ([0-9.]+|\+Inf|NaN)\n')
UNITS = ('_ms', '_milliseconds', '_us', '_kib', '_minutes')


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b'\r\n\r\n')
        lines = head.decode('ascii').split('\r\n')
        self.version, self.status, self.reason = lines[0].split(' ', 2)
        self.status = int(self.status)
        self.fields = dict(line.lower().split(': ', 1) for line in lines[1:])


def connect(address):
    s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    s.settimeout(LIMIT)
    s.connect(address)
    return s


def exchange(address, data):
    """All that comes back until the other side closes; None: nothing."""
    with connect(address) as s:
        s.sendall(data)
        got = b''
        while True:
            more = s.recv(65536)
            if not more:
                break
            got += more
    return Answer(got) if got else None


def get(address, path, method='GET'):
    return exchange(address, ('%s %s HTTP/1.1\r\nHost: nixie\r\nUser-Agent: Prometheus/2.42.0\r\n'
                              'Accept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n\r\n' % (method, path)).encode())


def parse(text):
    """{'name{labels}': value}. What `promtool check metrics` complains of is an AssertionError."""
    series, families, kind, name, helped = {}, set(), None, None, None
    assert text.endswith('\n'), 'no newline at the end'
    for line in text.splitlines(keepends=True):
        comment = re.fullmatch(r'# (HELP|TYPE) ([a-z_][a-z0-9_]*) (.+)\n', line)
        if comment and comment[1] == 'HELP':
            helped = comment[2]
        elif comment:
            name, kind = comment[2], comment[3]
            assert name == helped, 'TYPE without HELP: ' + name
            assert name not in families, 'twice: ' + name
            assert kind in ('counter', 'gauge', 'histogram'), kind
            assert (kind == 'counter') == name.endswith('_total'), '%s is a %s' % (name, kind)
            assert not name.endswith(UNITS), 'no base unit: ' + name
            families.add(name)
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, 'no sample: %r' % line
            suffix = sample[1][len(name):]
            assert sample[1].startswith(name) and suffix in (('_bucket', '_sum', '_count') if kind == 'histogram' else ('',)), line
            key = sample[1] + ('{%s}' % sample[2] if sample[2] else '')
            assert key not in series, 'twice: ' + key
            series[key] = float(sample[3])
    check_histograms(series, families)
    return series


def check_histograms(series, families):
    for name in families:
        buckets = [(float(re.search(r'le="(.*?)"', k)[1].replace('+Inf', 'inf')), v) for k, v in series.items() if k.startswith(name + '_bucket{')]
        if buckets:
            assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets), name
            assert buckets[-1] == (float('inf'), series[name + '_count']), name


def scrape(address):
    answer = get(address, '/metrics')
    assert answer.status == 200, answer.status
    assert answer.fields['content-type'] == 'text/plain; version=0.0.4; charset=utf-8', answer.fields
    assert int(answer.fields['content-length']) == len(answer.body), answer.fields
    return parse(answer.body.decode('utf-8'))
