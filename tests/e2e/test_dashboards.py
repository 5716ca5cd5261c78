"""nixie metrics, and what other tools show of Redis: node_exporter, redis_exporter, Prometheus and the dashboards of Grafana."""
import calendar
import glob
import json
import os
import re
import shlex
import stat
import subprocess
import time
import unittest
import urllib.parse
import urllib.request

from harness.case import Case, SharedCase, not_at_midnight
from harness.maillog import delivered, hard
from harness.nixie import NO_REDIS, OK, REPOSITORY, USAGE, run
from harness.proc import LIMIT, Child, free_port, wait_until
from harness.sample import DAY, mail, round_, some_days

CONTRIB = os.path.join(REPOSITORY, 'contrib')
GRAFANA = os.path.join(CONTRIB, 'grafana')
LUA = os.path.join(CONTRIB, 'prometheus', 'nixie-redis-exporter.lua')
RULES = os.path.join(CONTRIB, 'prometheus', 'nixie.rules.yml')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def dashboard(name):
    with open(os.path.join(GRAFANA, name), encoding='utf-8') as f:
        return json.load(f)


def targets(board):
    """(panel, target) of all panels."""
    return [(p, t) for p in board['panels'] for t in p.get('targets', [])]


def promtool(*args, stdin=None):
    done = subprocess.run(['promtool'] + list(args), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode('utf-8', 'replace')


class Figures:
    """What `nixie metrics` said: figures('nixie_results_total', result='hard') is a number, None where there is none."""

    def __init__(self, text):
        self.text, self.series = text, {}
        for line in text.splitlines():
            if not line.startswith('#'):
                name, labels, value = re.fullmatch(r'([a-z_]+)(?:\{(.*)\})? (\S+)', line).groups()
                key = name, frozenset(LABEL.findall(labels or ''))
                assert key not in self.series, 'twice: ' + line
                self.series[key] = float(value)

    def __call__(self, name, **labels):
        return self.series.get((name, frozenset(labels.items())))

    def by(self, name, label):
        """{value of the label: n}"""
        return {dict(labels)[label]: n for (family, labels), n in self.series.items() if family == name and len(labels) == 1}


class MetricsCase(Case):
    partitions = 1

    def setUp(self):
        super().setUp()
        self.with_redis()
        self.site.options['redis']['partitions'] = self.partitions
        self.site.write_conf()

    def read(self, text, *args):
        with open(self.site.log_path, 'a') as f:
            f.write(text)
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', *args)
        self.assertEqual(done.returncode, OK, done.stderr)

    def metrics(self, *args, clock=None):
        done = run('nixie', '-c', self.site.conf_path, 'metrics', *args, env={'NIXIE_CLOCK': str(clock)} if clock else None)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(promtool('check', 'metrics', stdin=done.stdout.encode()), (0, ''), done.stdout)
        return Figures(done.stdout)


class Metrics(MetricsCase):
    def setUp(self):
        super().setUp()
        self.begin = time.time()
        self.read(some_days(self.begin))

    def test_the_figures_of_report(self):
        got = self.metrics()
        for words, of_results, of_failures in (('--last', '1 day'), 'nixie_today_%s', 'nixie_today_failures'), \
                (('--from', time.strftime('%Y-01-01', time.gmtime())), 'nixie_%s_total', 'nixie_failures_total'):
            rows = [json.loads(line) for line in self.site.ctl_ok('report', '--json', *words).splitlines()]
            total = rows[0]
            for name in 'delivered', 'soft', 'hard', 'complaint':
                self.assertEqual(got(of_results % 'results', result=name), total[name], name)
            self.assertEqual(got(of_results % 'deferrals'), total['deferred'])
            for kind in 'hard-as-soft', 'soft-to-hard':
                self.assertEqual(got(of_results % 'conversions', kind=kind), total[kind])
            rows = [json.loads(line) for line in self.site.ctl_ok('report', '--json', '--by', 'category', *words).splitlines()]
            want = {r['category']: r['failures'] for r in rows if r['row'] == 'category'}
            self.assertGreater(len(want), 2)
            self.assertEqual({k: v for k, v in got.by(of_failures, 'category').items() if v}, want)
            host, = [json.loads(line) for line in self.site.ctl_ok('report', '--json', '--by', 'host', *words).splitlines() if '"host"' in line]
            self.assertEqual(got(of_results % 'attempts'), host['attempts'])
            self.assertEqual(got.by(of_results % 'troubled_attempts', 'trouble'), {k: host[k] for k in ('throttled', 'blocked', 'failing')})
        self.assertGreaterEqual(got('nixie_results_total', result='hard'), got('nixie_today_results', result='hard'))

    def test_by_what_they_have_in_common(self):
        got = self.metrics()
        for dimension in 'dest', 'provider', 'sender', 'campaign':
            rows = [json.loads(line) for line in self.site.ctl_ok('report', '--json', '--last', '1 day', '--by', dimension).splitlines()]
            rows = {r[dimension]: r for r in rows if r['row'] == dimension}
            self.assertTrue(rows, dimension)
            for value, row in rows.items():
                self.assertEqual(got('nixie_today_%s_attempts' % dimension, **{dimension: value}), row['attempts'])
                for result in 'delivered', 'soft', 'hard', 'complaint':
                    self.assertEqual(got('nixie_today_%s_results' % dimension, result=result, **{dimension: value}), row[result])
            self.assertEqual(sum(got.by('nixie_today_%s_attempts' % dimension, dimension).values()), sum(r['attempts'] for r in rows.values()))

    def test_the_state_of_status(self):
        policyd = self.site.policyd()
        self.assertDunno(self.site.ask('fine@example.com'))
        policyd.stop()
        self.site.ctl_ok('suppress', 'asked@example.com')
        self.site.ctl_ok('suppress', '--scope', 'sender:shop.example', 'reader@example.com')
        got, told = self.metrics(), json.loads(self.site.ctl('status', '--json').stdout)
        self.assertEqual(got('nixie_up'), 1)
        self.assertEqual((got('nixie_suppressed_addresses'), got('nixie_scoped_addresses')), (told['suppressed'], 1))
        self.assertEqual(sum(got.by('nixie_alerts_open', 'kind').values()), told['alerts'])
        reader, = told['readers']
        name = reader['source']
        for family, field in ('lines_total', 'lines'), ('attempts_total', 'attempts'), ('lag_seconds', 'lag-s'), ('lag_bytes', 'lag-bytes'), \
                ('lost_lines_total', 'lost-lines'), ('gaps_total', 'gaps'), ('rejected_lines_total', 'rejected'), ('links', 'links'):
            self.assertEqual(got('nixie_reader_' + family, source=name), reader[field], family)
        self.assertEqual(got('nixie_reader_state', source=name, state='done'), 1)
        self.assertEqual(got('nixie_reader_up', source=name), 0)
        self.assertAlmostEqual(got('nixie_gap_time_seconds', source=name), self.begin, delta=300)
        door, = told['doors']
        self.assertEqual(got('nixie_policyd_up', service=door['name']), 0)
        self.assertEqual(got('nixie_policyd_requests_total', service=door['name']), 1)
        self.assertEqual(got('nixie_schema_version'), 1)
        self.assertEqual(got('nixie_partitions'), self.partitions)

    def test_who_runs(self):
        self.site.logtail()
        policyd = self.site.policyd()
        wait_until(lambda: 1 in self.metrics().by('nixie_policyd_up', 'service').values(), 'service', child=policyd)
        wait_until(lambda: 1 in self.metrics().by('nixie_reader_up', 'source').values(), 'reader')
        # who is gone for long is told of no more
        for name in self.redis.hgetall('nixie:{0}:doors'):
            policyd.kill()
            self.redis.command('HSET', 'nixie:{0}:door:' + name, 'updated', int(time.time()) - 100)
            self.assertEqual(self.metrics()('nixie_policyd_up', service=name), 0)
            self.redis.command('HSET', 'nixie:{0}:door:' + name, 'updated', int(time.time()) - 40 * DAY)
            self.assertIsNone(self.metrics()('nixie_policyd_up', service=name))

    def test_json(self):
        got = self.metrics()
        rows = [json.loads(line) for line in self.site.ctl_ok('metrics', '--json').splitlines()]
        self.assertEqual({(r['metric'], frozenset(r['labels'].items())): r['value'] for r in rows}, got.series)
        self.assertEqual({r['type'] for r in rows if r['metric'].endswith('_total')}, {'counter'})
        self.assertEqual({r['type'] for r in rows if not r['metric'].endswith('_total')}, {'gauge'})

    def test_the_manual_has_them_all(self):
        with open(os.path.join(REPOSITORY, 'ctl', 'nixie.1'), encoding='utf-8') as f:
            page = f.read()
        told = set(re.findall(r'^\.It Li (nixie_\w+) Ta', page, re.M))
        got = {re.sub('_(dest|provider|sender|campaign)_', '_DIMENSION_', name) for name in re.findall(r'^# TYPE (\w+) ', self.metrics().text, re.M)}
        self.assertEqual(got, told)

    def test_no_name_of_nixie_policyd(self):
        with open(os.path.join(REPOSITORY, 'policyd', 'nixie-policyd.8'), encoding='utf-8') as f:
            theirs = set(re.findall(r'\bnixie_\w+', f.read()))
        self.assertGreater(len(theirs), 15)
        self.assertEqual(theirs & set(re.findall(r'^# TYPE (\w+) ', self.metrics().text, re.M)), set())


class MetricsOfPartitions(Metrics):
    partitions = 8
    test_who_runs = test_json = test_the_manual_has_them_all = test_no_name_of_nixie_policyd = None


class Bounds(MetricsCase):
    def put(self, dimension, **counters):
        day = time.strftime('%Y%m%d', time.gmtime())
        self.redis.command('ZADD', 'nixie:{0}:days', day, day)
        for name, n in counters.items():
            self.redis.command('HSET', 'nixie:{0}:day:%s:%s' % (day, dimension), name, n)

    def test_nothing_yet(self):
        got = self.metrics()
        self.assertEqual((got('nixie_up'), got('nixie_suppressed_addresses'), got('nixie_results_total', result='hard')), (1, 0, 0))

    def test_a_rest(self):
        """Those with most failures by name; a value that is called as the rest is one of it."""
        self.read(''.join(hard('gone@d%d.example' % n) * (n + 1) for n in range(30)) + delivered('fine@good.example'))
        self.put('campaign', **{'other|attempts': 3, '*|attempts': 4, 'spring|attempts': 5})
        got = self.metrics().by('nixie_today_dest_attempts', 'dest')
        self.assertEqual(len(got), 21)
        self.assertEqual((got['d29.example'], got['d10.example'], got['other']), (30, 11, 10 * 11 / 2 + 1))
        self.assertEqual(self.metrics('--limit', '1').by('nixie_today_dest_attempts', 'dest'), {'d29.example': 30, 'other': 29 * 30 / 2 + 1})
        self.assertEqual(self.metrics().by('nixie_today_campaign_attempts', 'campaign'), {'spring': 5, 'other': 7})
        self.assertEqual(len(self.metrics('--limit', '1000').by('nixie_today_dest_attempts', 'dest')), 31)

    def test_strange_values(self):
        values = {b'a"b': 'a\\"b', b'back\\slash': 'back\\\\slash', b'line\nend': 'line%0Aend', b'esc\x1b[1m': 'esc%1B[1m', b'lat\xe9in': 'lat%E9in',
                  'grün'.encode(): 'grün', b'c1\xc2\x9b': 'c1%C2%9B', b'50%': '50%25', b'50%25': '50%2525', b'{}': '{}', b'tab\t': 'tab%09'}
        day = time.strftime('%Y%m%d', time.gmtime())
        self.redis.command('ZADD', 'nixie:{0}:days', day, day)
        for n, value in enumerate(values):
            self.redis.command('HSET', 'nixie:{0}:day:%s:campaign' % day, value + b'|attempts', n + 1)
        self.assertEqual(self.metrics().by('nixie_today_campaign_attempts', 'campaign'), {v: n + 1 for n, v in enumerate(values.values())})

    def test_a_total_only_grows(self):
        """A day that expires, and the end of a year."""
        begin = calendar.timegm((time.gmtime().tm_year + 1, 1, 1, 0, 0, 0))
        for back, n in ((DAY, 7), (300 * DAY, 5), (380 * DAY, 100)):
            day = time.strftime('%Y%m%d', time.gmtime(begin - back))
            self.redis.command('ZADD', 'nixie:{0}:days', day, day)
            self.redis.command('HSET', 'nixie:{0}:day:' + day, 'hard', n)
        at_the_end = self.metrics(clock=begin - 60)
        self.assertEqual(at_the_end('nixie_results_total', result='hard'), 12)
        self.assertEqual(at_the_end('nixie_today_results', result='hard'), 7)
        self.redis.command('DEL', 'nixie:{0}:day:' + day)
        self.assertEqual(self.metrics(clock=begin - 60)('nixie_results_total', result='hard'), 12)
        then = self.metrics(clock=begin + 60)
        self.assertEqual(then('nixie_results_total', result='hard'), 0)
        self.assertEqual((then('nixie_counters_start_time_seconds'), then('nixie_today_start_time_seconds')), (begin, begin))

    def test_usage(self):
        for words in ('now',), ('--limit', '0'), ('--limit', '1001'), ('--limit', 'x'), ('--output',), ('--output', '/nowhere/nixie.prom'):
            self.assertEqual(self.site.ctl('metrics', *words).returncode, USAGE, words)
        self.assertIn('usage: nixie metrics', self.site.ctl_ok('metrics', '--help'))


class Output(MetricsCase):
    def setUp(self):
        super().setUp()
        self.to = os.path.join(self.directory, 'textfile')
        os.mkdir(self.to)
        self.file = os.path.join(self.to, 'nixie.prom')

    def write(self, status=OK):
        done = self.site.ctl('metrics', '--output', self.file)
        self.assertEqual((done.returncode, done.stdout), (status, ''), done.stderr)
        self.assertEqual(os.listdir(self.to), ['nixie.prom'])
        with open(self.file) as f:
            return Figures(f.read())

    def test_only_a_file_is_replaced(self):
        link, fifo = os.path.join(self.directory, 'link.prom'), os.path.join(self.directory, 'fifo.prom')
        os.symlink(self.file, link)
        os.mkfifo(fifo)
        for path in link, fifo, '/dev/null':
            done = self.site.ctl('metrics', '--output', path)
            self.assertEqual(done.returncode, USAGE, done.stderr)
            self.assertIn('cannot write ' + path, done.stderr)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(os.listdir(self.to), [])

    def test_who_has_the_old_one_open_reads_it_to_its_end(self):
        self.read(hard('gone@example.com'))
        before = self.write()
        with open(self.file) as f:
            half = f.read(100)
            self.read(hard('gone2@example.com'))
            self.assertEqual(self.write()('nixie_suppressed_addresses'), 2)
            self.assertEqual(half + f.read(), before.text)
        self.assertEqual(before('nixie_suppressed_addresses'), 1)
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o644)

    def test_without_redis(self):
        self.write()
        self.redis.stop()
        self.assertEqual(self.write(NO_REDIS).series, {('nixie_up', frozenset()): 0})
        self.assertEqual(self.site.ctl('metrics').returncode, NO_REDIS)

    def test_a_redis_that_refuses_a_part(self):
        """No figures at all rather than some, which would look like a beginning from 0."""
        self.read(hard('gone@example.com'))
        self.redis.command('DEL', 'nixie:{0}:readers')
        self.redis.command('SET', 'nixie:{0}:readers', 'nonsense')
        self.assertEqual(self.write(NO_REDIS).series, {('nixie_up', frozenset()): 0})

    def test_a_name_that_is_taken(self):
        os.mkdir(self.file)
        done = self.site.ctl('metrics', '--output', self.file)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn('cannot write ' + self.file, done.stderr)
        self.assertEqual(os.listdir(self.to), ['nixie.prom'])


# ---- dashboards ----

BOARDS = {'nixie-prometheus.json': 'prometheus', 'nixie-redis.json': 'redis-datasource'}


class Boards(unittest.TestCase):
    """As files: what Grafana would take, and take wrong."""

    def test_all_are_looked_at(self):
        self.assertEqual(sorted(BOARDS), sorted(os.path.basename(p) for p in glob.glob(os.path.join(GRAFANA, '*.json'))))
        self.assertEqual(len({dashboard(name)['uid'] for name in BOARDS}), len(BOARDS))

    def test_panels(self):
        for name, kind in BOARDS.items():
            board = dashboard(name)
            panels = board['panels']
            self.assertGreater(len(panels), 20, name)
            self.assertEqual(len({p['id'] for p in panels}), len(panels), name)
            self.assertIsNone(board['id'])
            taken = {}
            for p in panels:
                g = p['gridPos']
                self.assertTrue(0 <= g['x'] and g['w'] > 0 and g['x'] + g['w'] <= 24 and g['h'] > 0, p['title'])
                for cell in ((x, y) for x in range(g['x'], g['x'] + g['w']) for y in range(g['y'], g['y'] + g['h'])):
                    self.assertNotIn(cell, taken, '%s: %s lies over %s' % (name, p['title'], taken.get(cell)))
                    taken[cell] = p['title']
                self.assertTrue(p['title'])
                if p['type'] != 'row':
                    self.assertTrue(p['targets'], p['title'])
                    refs = [t['refId'] for t in p['targets']]
                    self.assertEqual(len(set(refs)), len(refs), p['title'])
                    self.assertEqual(p['datasource'], {'type': kind, 'uid': '${datasource}'})

    def test_a_data_source_that_is_chosen(self):
        """Nothing names one of somebody's, and each variable that is used is there."""
        for name, kind in BOARDS.items():
            board = dashboard(name)
            variables = {v['name']: v for v in board['templating']['list']}
            self.assertEqual((variables['datasource']['type'], variables['datasource']['query']), ('datasource', kind))
            for panel, target in targets(board):
                self.assertEqual(target['datasource'], {'type': kind, 'uid': '${datasource}'}, panel['title'])
            used = set(re.findall(r'\$\{?([a-z_A-Z]+)', json.dumps([board['panels'], board['templating']]).replace('\\\\$', '')))
            self.assertEqual({u for u in used if not u.startswith('__')} - {'time'}, set(variables) - {'time'}, name)
            self.assertIn(kind, [r['id'] for r in board['__requires']])


class Shown(SharedCase):
    """The real programs, after an end-to-end run: each query of each dashboard has data."""

    @classmethod
    def setUpClass(cls):
        not_at_midnight(600)    # all of the class is about one day
        super().setUpClass()
        cls.textfile = os.path.join(cls.directory, 'textfile')
        os.mkdir(cls.textfile)
        cls.ports = {name: free_port() for name in ('policyd', 'node', 'redis', 'prometheus')}
        cls.site.options['policyd']['metrics'] = ['inet:127.0.0.1:%d' % cls.ports['policyd']]
        cls.site.options['alerts'] = {'minimum': 10}
        cls.site.write_conf()
        cls.append(some_days(time.time()))
        done = run('nixie-logtail', '-f', '-c', cls.site.conf_path, '--once')
        assert done.returncode == OK, done.stderr
        cls.site.policyd()
        cls.site.logtail()
        cls.site.ctl_ok('suppress', '--reason', 'asked by phone', 'asked@example.com')
        cls.site.ctl_ok('suppress', '--scope', 'sender:shop.example', 'reader@example.com')
        wait_until(lambda: cls.redis.command('HLEN', 'nixie:{0}:alerts') > 0, 'alerts')
        cls.round(1)
        cls.start_exporters()
        cls.start_prometheus()
        for job in 'policyd', 'node', 'redis':
            wait_until(lambda: cls.value('up{job="%s"}' % job) == 1, 'scrape of ' + job)
        # what is counted between two looks is what rates are of
        before = cls.redis_count()
        wait_until(lambda: cls.value('nixie_results_total{result="hard"}') == before, 'first figures')
        cls.round(2)
        wait_until(lambda: cls.value('nixie_results_total{result="hard"}') == cls.redis_count() > before, 'second figures')

    @classmethod
    def redis_count(cls):
        return sum(int(cls.redis.command('HGET', 'nixie:{0}:day:' + day, 'hard') or 0) for day in cls.redis.command('ZRANGE', 'nixie:{0}:days', 0, -1)
                   if day.startswith(time.strftime('%Y', time.gmtime())))

    @classmethod
    def append(cls, text):
        with open(cls.site.log_path, 'a') as f:
            f.write(text)

    @classmethod
    def round(cls, number):
        """Some mail, some questions, and the figures of it."""
        marker = cls.site.counter('delivered') + 5
        cls.append(round_(time.time(), number) + mail(time.time() + 3, 'marker@example.com', 'sent'))
        cls.site.wait_counter('delivered', marker)
        with cls.site.policy_client() as c:
            for n in range(20):
                c.ask('asked@example.com')
                c.ask('fine%d.%d@example.com' % (number, n))
        cls.site.ctl_ok('metrics', '--output', os.path.join(cls.textfile, 'nixie.prom'))

    @classmethod
    def child(cls, name, *args):
        child = Child(name, [name] + list(args), os.path.join(cls.directory, name + '.log'))
        cls.addClassCleanup(child.kill)
        return child

    @classmethod
    def start_exporters(cls):
        cls.child('prometheus-node-exporter', '--collector.disable-defaults', '--collector.textfile', '--collector.textfile.directory=' + cls.textfile,
                  '--web.listen-address=127.0.0.1:%d' % cls.ports['node'])
        cls.child('prometheus-redis-exporter', '-redis.addr', 'unix://' + cls.redis.socket, '-script', LUA,
                  '-check-single-keys', 'db0=nixie:{0}:suppressed,nixie:{0}:until', '-web.listen-address', '127.0.0.1:%d' % cls.ports['redis'])

    @classmethod
    def start_prometheus(cls):
        config = os.path.join(cls.directory, 'prometheus.yml')
        with open(config, 'w') as f:
            f.write('global:\n  scrape_interval: 3s\n  scrape_timeout: 3s\n  evaluation_interval: 1s\nrule_files: [ "%s" ]\nscrape_configs:\n' % RULES)
            for job in 'policyd', 'node', 'redis':
                f.write('  - job_name: %s\n    static_configs:\n      - targets: [ "127.0.0.1:%d" ]\n' % (job, cls.ports[job]))
        assert promtool('check', 'config', config)[0] == 0, promtool('check', 'config', config)[1]
        cls.child('prometheus', '--config.file=' + config, '--storage.tsdb.path=' + os.path.join(cls.directory, 'tsdb'),
                  '--web.listen-address=127.0.0.1:%d' % cls.ports['prometheus'])

    @classmethod
    def api(cls, path, **words):
        url = 'http://127.0.0.1:%d/api/v1/%s?%s' % (cls.ports['prometheus'], path, urllib.parse.urlencode(words))
        try:
            with urllib.request.urlopen(url, timeout=LIMIT) as answer:
                return json.load(answer)['data']
        except urllib.error.HTTPError as e:
            if e.code == 503:   # it is starting
                return None
            raise AssertionError('%s: %s' % (words, e.read().decode())) from None
        except OSError:         # it does not listen yet
            return None

    @classmethod
    def query(cls, expression):
        """[(labels, value)], without what is not a number."""
        data = cls.api('query', query=expression)
        return [(r['metric'], float(r['value'][1])) for r in data['result'] if r['value'][1] != 'NaN'] if data else []

    @classmethod
    def value(cls, expression):
        got = cls.query(expression)
        return got[0][1] if len(got) == 1 else None

    def test_each_expression_has_data(self):
        board = dashboard('nixie-prometheus.json')
        node = '127.0.0.1:%d' % self.ports['node']
        for variable in board['templating']['list'][1:]:
            metric, label = re.fullmatch(r'label_values\((\w+), (\w+)\)', variable['query']['query']).groups()
            self.assertEqual(self.api('label/%s/values' % label, **{'match[]': metric}), ['127.0.0.1:%d' % self.ports[variable['name'].replace('instance', 'node')]])
        for panel, target in targets(board):
            expression = target['expr'].replace('$__rate_interval', '1m').replace('$instance', node).replace('$policyd', '127.0.0.1:%d' % self.ports['policyd'])
            self.assertNotIn('$', expression)
            wait_until(lambda: self.query(expression), 'data of "%s": %s' % (panel['title'], expression))

    def test_they_are_the_figures_of_report(self):
        total = json.loads(self.site.ctl_ok('report', '--json', '--last', '1 day').splitlines()[0])
        for name in 'delivered', 'soft', 'hard', 'complaint':
            # more than once where a scrape was late
            wait_until(lambda name=name: self.value('nixie_today_results{result="%s"}' % name) == total[name], name)
        share = next(t['expr'] for p, t in targets(dashboard('nixie-prometheus.json')) if p['title'] == 'Hard today')
        found = wait_until(lambda: self.value(share.replace('$instance', '127.0.0.1:%d' % self.ports['node'])), share)
        self.assertAlmostEqual(found * 1000, total['hard-permille'], delta=0.06)

    def differences(self, got, want):
        """{what: (by the script, by nixie metrics)}, of what is not the same."""
        pairs = {'suppressed': (got['suppressed'], want('nixie_suppressed_addresses')), 'scoped': (got['scoped'], want('nixie_scoped_addresses'))}
        for name in 'delivered', 'soft', 'hard', 'complaint':
            pairs['total ' + name] = got['total.' + name], want('nixie_results_total', result=name)
            pairs['today ' + name] = got['today.' + name], want('nixie_today_results', result=name)
        for category, n in want.by('nixie_failures_total', 'category').items():
            pairs[category] = got.get('total.cat:' + category, 0), n
        pairs['alerts'] = {k[7:]: v for k, v in got.items() if k.startswith('alerts.')}, {k: v for k, v in want.by('nixie_alerts_open', 'kind').items() if v}
        pairs['lag'] = got['reader.lag-s.' + self.redis.command('ZRANGE', 'nixie:{0}:readers', 0, -1)[0]], 0
        return {k: pair for k, pair in pairs.items() if pair[0] != pair[1]}

    def script(self):
        """The text of the exporter, and what the script told it."""
        with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % self.ports['redis'], timeout=LIMIT) as answer:
            text = answer.read().decode()
        return text, {k: float(v) for k, v in re.findall(r'^redis_script_values\{key="(.*)"\} (\S+)$', text, re.M)}

    def test_the_script_of_redis_exporter(self):
        """The same as nixie metrics, and only numbers."""
        def same():
            # alerts are opened, and the reader tells how it is, at times of their own
            text, got = self.script()
            return not self.differences(got, Figures(self.site.ctl_ok('metrics'))) and (text, got)
        try:
            text, got = wait_until(same, 'the same figures')
        except AssertionError:
            self.assertEqual(self.differences(self.script()[1], Figures(self.site.ctl_ok('metrics'))), {})
            raise
        self.assertIn('redis_key_size{db="db0",key="nixie:{0}:suppressed"} %d' % got['suppressed'], text)
        self.assertIn('redis_exporter_last_scrape_error{err=""} 0', text)

    def test_the_rules(self):
        code, text = promtool('check', 'rules', RULES)
        self.assertEqual(code, 0, text)

        def states():
            groups = (self.api('rules') or {'groups': []})['groups']
            return {r['name']: (r['health'], r['state']) for g in groups for r in g['rules']}
        wait_until(lambda: states() and {h for h, _ in states().values()} == {'ok'}, 'rules that are evaluated')

        def as_they_should():
            self.site.ctl_ok('metrics', '--output', os.path.join(self.textfile, 'nixie.prom'))      # as its timer does
            now = states()
            firing, inactive = ('NixieHardShare', 'NixieAlertOpen'), ('NixieRedisAway', 'NixieReaderNotRunning', 'NixieFiguresOld', 'NixieReaderBehind')
            return {now.get(n, '?')[-1] for n in firing} == {'firing'} and {now.get(n, '?')[-1] for n in inactive} == {'inactive'}
        wait_until(as_they_should, 'alerts that fire, and others that do not')

    # -- straight from Redis

    def redis_cli(self, *argv):
        done = subprocess.run(['redis-cli', '-s', self.redis.socket, '-e', '--no-auth-warning', '--user', 'grafana', '--pass', 'secret'] + list(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        text = done.stdout.decode('utf-8', 'replace')
        self.assertEqual(done.returncode, 0, text)
        return text.splitlines()

    def variables(self, board):
        """Of each variable the value that Grafana would choose first."""
        values = {}
        for v in board['templating']['list'][1:]:
            if v['type'] == 'textbox':
                values[v['name']] = v['query']
                continue
            found = self.redis_cli(*shlex.split(self.fill(v['query'], values)))
            if v['regex']:
                found = [re.search(v['regex'].strip('/'), f)[1] for f in found]
            self.assertTrue(found, v['name'])
            values[v['name']] = sorted(found, reverse=v['sort'] == 4)[0]
        return values

    def fill(self, text, values):
        return re.sub(r'\$\{(\w+)\}', lambda m: values[m[1]], text)

    def command(self, target):
        """The words that the data source sends."""
        if target['type'] == 'cli':
            return shlex.split(target['query'])
        words = [target['command'].upper(), target['keyName']]
        if target['command'] == 'xrange':       # of the range of time that is shown
            return words + [str(int(time.time() - 7 * DAY) * 1000), str(int(time.time()) * 1000)]
        if target['command'] == 'xrevrange':
            return words + [target['end'], target['start'], 'COUNT', str(target['count'])]
        if target['command'] == 'zrange':
            return words + [target['min'], target['max'], 'WITHSCORES']
        self.assertIn(target['command'], ('hgetall', 'hget', 'hmget', 'hlen'))
        return words + shlex.split(target.get('field', ''))

    def test_each_command_has_data(self):
        """For a user who may only what the README says."""
        with open(os.path.join(GRAFANA, 'README.md'), encoding='utf-8') as f:
            rights = re.search(r'^    (ACL SETUSER grafana(?:.*\n)(?:        .*\n)*)', f.read(), re.M)[1]
        self.assertEqual(self.redis.command(*rights.split()), 'OK')
        board = dashboard('nixie-redis.json')
        values = self.variables(board)
        self.assertEqual(values['day'], time.strftime('%Y%m%d', time.gmtime()))
        wait_until(lambda: self.redis.command('HGET', 'nixie:{0}:door:' + values['door'], 'requests') == '80', 'what the service tells')
        for panel, target in targets(board):
            words = [self.fill(w, values) for w in self.command(target)]
            got = self.redis_cli(*words)
            # a field that is 0 is there; of what has no key the length is 0
            self.assertTrue([line for line in got if line and (line != '0' or words[0] in ('HGET', 'HMGET'))], '%s: %s: %s' % (panel['title'], words, got))
            if words[0] == 'HMGET':
                self.assertNotIn('', got, words)
            self.kept(panel, got)

    def kept(self, panel, got):
        """What the panel keeps of the fields is there."""
        for t in panel.get('transformations', []):
            if t['id'] != 'filterFieldsByName' or 'hard share' in t['options']['include']['pattern']:
                continue
            pattern = re.compile(t['options']['include']['pattern'].replace('\\$time|', ''))
            self.assertTrue([line for line in got if pattern.search(line)], '%s: %s' % (panel['title'], pattern.pattern))

    def test_what_it_may_ask(self):
        """Commands of plain Redis, which write nothing."""
        for _, target in targets(dashboard('nixie-redis.json')):
            flags = self.redis.command('COMMAND', 'INFO', self.command(target)[0])[0][2]
            self.assertIn('readonly', flags)
