"""nixie report --html: one page that needs nothing else, looked at in a real Chromium: nothing is cut off, nothing lies on other
text, everything can be read in the light, in the dark, on a phone and on paper, and nothing is asked of a network."""
import calendar
import json
import os
import re
import stat
import subprocess
import xml.etree.ElementTree as ElementTree

from harness import year
from harness.case import Case
from harness.chromium import Chromium
from harness.nixie import NO_REDIS, NOT_FOUND, OK, USAGE, binary, run
from harness.proc import wait_until

NOON = calendar.timegm((2026, 11, 22, 12, 0, 0))
DAY = 86400

# What is measured in the page. Text is what has a text node of its own that is seen.
MEASURE = r'''(() => {
const found = { beyond: [], overlaps: [], contrast: [], empty: [], texts: 0, charts: 0 };
const width = document.documentElement.clientWidth;
document.querySelectorAll('details').forEach(d => { d.open = true; });
const name = e => e.tagName + '.' + (e.getAttribute('class') || '') + ' ' + e.textContent.trim().slice(0, 40);
const colour = text => { const n = text.match(/[\d.]+/g).map(Number); return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 }; };
const light = c => { const f = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); };
	return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b); };
const ground = e => { for (; e; e = e.parentElement) { const c = colour(getComputedStyle(e).backgroundColor); if (c.a > 0) return c; }
	return { r: 255, g: 255, b: 255, a: 1 }; };
const seen = e => { const s = getComputedStyle(e), b = e.getBoundingClientRect(); return s.display !== 'none' && s.visibility === 'visible' && b.width > 0 && b.height > 0; };
for (const e of document.body.querySelectorAll('*')) {
	if (e.closest('title') || !seen(e))
		continue;
	const box = e.getBoundingClientRect();
	if (box.left < -0.5 || box.right > width + 0.5)
		found.beyond.push(name(e) + ' ' + Math.round(box.left) + '..' + Math.round(box.right));
	if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth && getComputedStyle(e).overflowX !== 'visible')
		found.beyond.push('scrolls: ' + name(e));
	if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
		continue;
	found.texts++;
	const style = getComputedStyle(e), svg = e.closest('svg');
	const back = light(ground(svg ? svg.parentElement : e)), front = light(colour(svg ? style.fill : style.color));
	const contrast = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
	if (contrast < 4.5)
		found.contrast.push(contrast.toFixed(2) + ' ' + name(e));
	if (parseFloat(style.fontSize) < 12)
		found.contrast.push('small: ' + style.fontSize + ' ' + name(e));
}
for (const e of document.querySelectorAll('[class^="c-"], [class^="l-"]')) {
	const style = getComputedStyle(e), back = light(ground(e.closest('svg').parentElement));
	const mark = light(colour(e.getAttribute('class').startsWith('l-') ? style.stroke : style.fill));
	const contrast = (Math.max(back, mark) + 0.05) / (Math.min(back, mark) + 0.05);
	if (contrast < 3 && e.getBoundingClientRect().width > 0)
		found.contrast.push('mark ' + contrast.toFixed(2) + ' ' + name(e));
}
for (const chart of document.querySelectorAll('svg.chart')) {
	const texts = [...chart.querySelectorAll('text')].filter(seen).map(e => [e, e.getBoundingClientRect()]);
	texts.forEach(([e, a], i) => texts.slice(i + 1).forEach(([f, b]) => {
		/* a box has room above and below its letters */
		if (a.left < b.right && b.left < a.right && a.top + 3 < b.bottom - 3 && b.top + 3 < a.bottom - 3)
			found.overlaps.push(name(e) + ' / ' + name(f));
	}));
}
for (const chart of document.querySelectorAll('svg[role=img]')) {
	found.charts++;
	const marks = [...chart.querySelectorAll('[class^="c-"], [class^="l-"]')].filter(e => e.tagName === 'rect' || e.getAttribute('d'));
	if (!marks.length || !chart.getAttribute('aria-label') || !chart.querySelector('title'))
		found.empty.push(name(chart));
}
return found; })()'''


class Pages(Case):
    def setUp(self):
        super().setUp()
        self.with_redis()
        self.page = os.path.join(self.directory, 'page.html')

    def report(self, *args):
        return run('nixie', '-c', self.site.conf_path, 'report', *args, env={'NIXIE_CLOCK': str(NOON)})

    def write(self, *args, status=OK):
        done = self.report('--html', self.page, *args)
        self.assertEqual((done.returncode, done.stdout), (status, ''), done.stderr)
        return self.read()

    def read(self):
        with open(self.page, 'rb') as f:
            return f.read().decode('utf-8')    # strict

    def text_of(self, page):
        """The page is XML as well. Every blank is one."""
        return ' '.join(' '.join(ElementTree.fromstring(page).find('body').itertext()).split())

    def begin(self):
        self.redis.command('HSET', 'nixie:meta', 'schema', '1', 'partitions', '1', 'created', '1')

    def add_year(self, **args):
        self.begin()
        year.write_year(self.redis, NOON, **args)
        year.write_alert(self.redis, NOON)


class Content(Pages):
    def test_it_tells_what_the_report_tells(self):
        self.add_year()
        text = self.text_of(self.write())
        total, *others = [json.loads(line) for line in self.report('--json').stdout.splitlines()]
        self.assertIn('2026-11-16 to 2026-11-22, 7 days, UTC made 2026-11-22 12:00 UTC by nixie', text)
        for name in 'delivered', 'soft', 'hard', 'complaint':
            self.assertIn('{:,}'.format(total[name]), text)
        host = sum(r['attempts'] for r in self.rows('host'))
        self.assertIn('Attempts {:,} '.format(host), text)
        for row in others:
            self.assertIn(row['text'] if row['finding'] != 'typo' else '%s meant: %s' % (row['value'], row['intended']), text)
        self.assertIn('rate limits of provider yahoo jumped: 412 of 1900 attempts', text)
        self.assertIn('Suppressed now 1,200', text)
        self.assertIn('550 Requested action ended with result {n} host mx.example.com[192.0.2.1] said:', text)
        for what in 'dest', 'provider', 'sender', 'campaign', 'category':
            row = self.rows(what)[0]
            self.assertIn(row[what], text)
            self.assertIn('{:,}'.format(row['failures'] if what == 'category' else row['soft'] + row['hard']), text)

    def rows(self, what):
        out = self.report('--json', '--by', what).stdout
        return [r for r in map(json.loads, out.splitlines()) if r['row'] == what]

    def test_over_the_limit_in_words(self):
        self.add_year(days=3)
        self.site.write_conf(alerts={'hard': '0.1 %', 'minimum': 100})
        text = self.text_of(self.write())
        self.assertIn('▲ Over the limit: hard bounces', text)
        self.assertIn('▲ over the limit of 0.1 %', text)
        self.assertIn('✓ within the limit of 0.2 %', text)
        self.site.write_conf(alerts={'hard': '0.1 %', 'minimum': 100000000})
        self.assertIn('too few results to judge', self.text_of(self.write()))

    def test_the_period(self):
        self.add_year(days=40)
        page = self.write('--from', '2026-11-01', '--to', '2026-11-10')
        self.assertIn('2026-11-01 to 2026-11-10, 10 days', self.text_of(page))
        # the charts end with it, and what is after it is nowhere
        self.assertIn('2026-08-11 to 2026-11-10, UTC', self.text_of(page))
        self.assertIn('2025-11-11 to 2026-11-10, UTC', self.text_of(page))
        self.assertIn('<title>2026-11-10: delivered', page)
        self.assertNotIn('2026-11-11:', page)

    def test_all_that_there_is(self):
        self.add_year(days=40)
        self.assertIn('2026-10-14 to 2026-11-10, 28 days', self.text_of(self.write('--to', '2026-11-10')))
        self.assertIn('1970-01-01 to 1970-02-01, 32 days', self.text_of(self.write('--to', '1970-02-01', status=NOT_FOUND)))

    def test_each_day_has_its_mark(self):
        self.add_year(days=20)
        page = self.write()
        day = self.redis.hgetall('nixie:{0}:day:20261121')
        tip = '<title>2026-11-21: delivered {:,}, hard {:,}, soft {:,}</title>'.format(int(day['delivered']), int(day['hard']), int(day['soft']))
        self.assertEqual(page.count(tip), 2)    # of 3 months, and of 12

    def test_nothing_at_all(self):
        page = self.write(status=NOT_FOUND)
        text = self.text_of(page)
        for sentence in ('There are no results in this time.', 'There are no results in these months.', 'Nothing failed',
                         'There is no domain on record', 'There is no sender on record', 'No campaign is on record', 'No alert is open', 'All replies of these months were understood'):
            self.assertIn(sentence, text)
        self.assertNotIn('<svg class="chart"', page)
        self.assertNotIn('<table', page)

    def test_deliveries_only(self):
        self.begin()
        day = year.Day(NOON)
        day.results({'dest': 'a.example', 'host': 'mx1'}, {'attempts': 5, 'delivered': 5})
        day.write(self.redis)
        text = self.text_of(self.write())
        self.assertIn('Too few results to judge the rates.', text)
        self.assertIn('Nothing was converted', text)
        self.assertIn('None of them has a bounce.', text)
        self.assertIn('Nothing failed in this time.', text)

    def test_several_partitions(self):
        self.redis.command('HSET', 'nixie:meta', 'schema', '1', 'partitions', '2', 'created', '1')
        for p in range(2):
            self.redis.command('ZADD', 'nixie:{%d}:days' % p, '20261121', '20261121')
            self.redis.command('HSET', 'nixie:{%d}:day:20261121' % p, 'delivered', '1000', 'hard', '11')
            self.redis.command('HSET', 'nixie:{%d}:day:20261121:dest' % p, 'a.example|hard', '11', 'a.example|delivered', '1000')
            self.redis.command('ZADD', 'nixie:{%d}:suppressed' % p, NOON, 'a%d@a.example' % p)
        text = self.text_of(self.write())
        self.assertIn('Delivered 2,000', text)
        self.assertIn('Hard bounces 22', text)
        self.assertIn('Suppressed now 2 ', text)


class Files(Pages):
    def test_standard_output(self):
        self.add_year(days=2)
        page = self.write()
        done = self.report('--html', '-')
        self.assertEqual((done.returncode, done.stdout), (OK, page))

    def test_a_page_is_whole_or_not_there(self):
        self.add_year(days=2)
        before = self.write()
        self.assertEqual(stat.S_IMODE(os.stat(self.page).st_mode), 0o640)
        self.assertEqual(sorted(n for n in os.listdir(self.directory) if n.startswith('page')), ['page.html'])
        os.chown(self.page, 65534, 65534)
        os.chmod(self.page, 0o604)
        self.write()
        old = os.stat(self.page)
        self.assertEqual((stat.S_IMODE(old.st_mode), old.st_uid, old.st_gid), (0o604, 65534, 65534))
        self.redis.stop()
        done = self.report('--html', self.page)
        self.assertEqual(done.returncode, NO_REDIS)
        self.assertEqual(self.read(), before)

    def test_where_it_cannot_be_written(self):
        self.begin()
        for path in '/nonexistent/page.html', self.directory, '/dev/null':
            done = self.report('--html', path)
            self.assertIn(done.returncode, (USAGE, NOT_FOUND), done.stderr)
            self.assertIn('cannot write ' + path, done.stderr)
        # nor what a link names: under /dev that is what others write to
        link, behind = os.path.join(self.directory, 'link.html'), os.path.join(self.directory, 'behind.html')
        os.symlink(behind, link)
        for content in None, 'mine':
            if content:
                with open(behind, 'w') as f:
                    f.write(content)
            self.assertEqual(self.report('--html', link).returncode, USAGE)
            self.assertTrue(os.path.islink(link))
        with open(behind) as f:
            self.assertEqual(f.read(), 'mine')
        with open('/dev/full', 'w') as full:
            done = subprocess.run([binary('nixie'), '-c', self.site.conf_path, 'report', '--html', '-'], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertIn(b'cannot write the output: No space left', done.stderr)

    def test_usage(self):
        self.begin()
        for args in ['--by', 'day'], ['--csv'], ['--json'], ['--limit', '3'], ['--last', 'nonsense']:
            with self.subTest(args=args):
                done = self.report('--html', self.page, *args)
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertFalse(os.path.exists(self.page))


HOSTILE = ['<script>alert(1)</script>.example', '"><img src=x onerror=alert(2)>', "' onmouseover='alert(3)", '&lt;&amp;.example', 'שלום.example', 'مثال.example',
           '\u202egro.elpmaxe', 'tab\tand\x1b[31mred\x00nul', b'\xff\xfe\xc3broken', 'W' * 4096, '例え' * 500, 'style="background:url(//evil.example/x)"', ']]>', '<!--',
           'a' * 60 + '.' + 'b' * 60 + '.example']


class Hostile(Pages):
    def fill(self):
        self.begin()
        name = year.name_of(NOON)
        self.redis.command('ZADD', 'nixie:{0}:days', name, name)
        self.redis.command('HSET', 'nixie:{0}:day:' + name, 'delivered', '4000', 'hard', '500', 'soft', '700', 'soft-to-hard', '3', 'hard-as-soft', '9',
                           'complaint', '2', 'cat:<b>new</b>', '12', 'cat:mailbox.full', '700')
        for dimension in 'dest', 'provider', 'sender', 'campaign', 'host':
            for i, value in enumerate(HOSTILE):
                value = value if isinstance(value, bytes) else value.encode()
                for counter, n in (b'attempts', 400), (b'delivered', 300), (b'hard', 50 + i), (b'soft', 50), (b'throttled', 90):
                    self.redis.command('HSET', 'nixie:{0}:day:%s:%s' % (name, dimension), value + b'|' + counter, n)
        for i, value in enumerate(HOSTILE):
            self.redis.command('ZADD', 'nixie:{0}:unclassified:202611', 5 + i, value)
            self.redis.command('HSET', 'nixie:{0}:unclassified-text:202611', value, value)
        self.redis.command('HSET', 'nixie:{0}:alerts', 'throttled/dest/%3Cscript%3Ealert(4)%3C/script%3E', 'since=1 opened=1 seen=1 count=4 of=9')

    def test_names_are_only_text(self):
        self.fill()
        page = self.write()
        self.assertLess(len(page), 500000)
        text = self.text_of(page)
        tags = {e.tag for e in ElementTree.fromstring(page).iter()}
        self.assertEqual(tags & {'script', 'img', 'b', 'iframe', 'object', 'form', 'a'}, set())
        self.assertIn('<script>alert(1)</script>.example', text)
        self.assertIn('tab\\x09and\\x1b[31mred\\x00nul', text)
        self.assertIn('\\xff\\xfe\\xc3broken', text)
        self.assertNotIn('\u202e', page)
        self.assertNotIn('W' * 301, page)    # of a reply; of a name less
        self.assertEqual([c for c in page if ord(c) < 32 and c not in '\n\t'], [])
        for element in ElementTree.fromstring(page).iter():
            self.assertEqual([a for a in element.attrib if a.startswith('on') or a in ('style', 'src')], [])


class Looks(Pages):
    """One browser for each test: it takes a second."""

    def setUp(self):
        super().setUp()
        self.browser = Chromium(self.directory)
        self.addCleanup(self.browser.close)

    def look(self, widths=(360, 768, 1280)):
        shown = self.browser.open(self.page)
        for width in widths:
            for dark in False, True:
                shown.show(width, dark)
                found = shown.evaluate(MEASURE)
                with self.subTest(width=width, dark=dark):
                    self.assertGreater(found['texts'], 40)
                    self.assertEqual({k: found[k][:5] for k in ('beyond', 'overlaps', 'contrast', 'empty')},
                                     {'beyond': [], 'overlaps': [], 'contrast': [], 'empty': []})
                    self.assertLessEqual(shown.evaluate('document.documentElement.scrollWidth'), width)
                    self.assertEqual(shown.evaluate('matchMedia("(prefers-color-scheme: dark)").matches'), dark)
        return shown

    def assertAlone(self, shown):
        """Nothing was asked for but the file, and nothing was refused by its own policy."""
        asked = [e['request']['url'] for e in shown.events('Network.requestWillBeSent')]
        self.assertEqual([url for url in asked if not url.startswith(('data:', 'file://' + self.page))], [])
        self.assertEqual(shown.events('Audits.issueAdded'), [])
        page = self.read()
        self.assertEqual(set(re.findall(r'\b(?:src|href|action)\s*=\s*"([^"#]*)', page)), {'data:,'})
        self.assertNotIn('url(', re.sub(r'>[^<]*<|"[^"]*"', '', page.split('</style>')[1]))
        self.assertNotRegex(page.split('</style>')[0], r'url\(|@import')
        self.assertIn("default-src 'none'", page)

    def test_a_year(self):
        self.add_year()
        page = self.write('--last', '30 days')
        self.assertLess(len(page), 500000)
        shown = self.look()
        self.assertGreaterEqual(shown.evaluate('document.querySelectorAll("svg.chart").length'), 5)
        self.assertAlone(shown)

    def test_a_first_day(self):
        self.add_year(days=1)
        self.write()
        self.assertAlone(self.look(widths=(360, 1280)))

    def test_nothing(self):
        self.write(status=NOT_FOUND)
        self.assertAlone(self.look(widths=(360,)))

    def test_hostile_names(self):
        Hostile.fill(self)
        self.write()
        shown = self.look(widths=(360, 1280))
        self.assertAlone(shown)
        self.assertEqual(shown.events('Page.javascriptDialogOpening'), [])

    def test_no_script_runs(self):
        """Should one ever get in: the page's own policy forbids it."""
        self.add_year(days=1)
        page = self.write()
        with open(self.page, 'w', encoding='utf-8') as f:
            f.write(page.replace('</body>', '<script>document.title = "ran"</script></body>'))
        shown = self.browser.open(self.page)
        self.assertNotEqual(shown.evaluate('document.title'), 'ran')
        wait_until(lambda: 'ContentSecurityPolicyIssue' in [e['issue']['code'] for e in shown.events('Audits.issueAdded')], 'what was forbidden')

    def test_what_is_measured(self):
        """Each fault is found that the other tests find nothing of."""
        self.add_year(days=1)
        self.write()
        shown = self.browser.open(self.page, width=360)
        for fault, of in (('.bars { margin-right: -40px }', 'beyond'), ('.note { color: #999 }', 'contrast'), ('.chart text { fill: #aaa }', 'contrast'), ('.c-soft { fill: #e69f00 }', 'contrast'),
                          ('.chart text.y { transform: translateY(20px) scaleX(2) }', 'overlaps')):
            shown.evaluate('document.querySelector("style").sheet.insertRule(%s, document.querySelector("style").sheet.cssRules.length)' % json.dumps(fault))
            self.assertNotEqual(shown.evaluate(MEASURE)[of], [], fault)
            shown.evaluate('document.querySelector("style").sheet.deleteRule(document.querySelector("style").sheet.cssRules.length - 1)')
            self.assertEqual(shown.evaluate(MEASURE)[of], [], fault)
        shown.evaluate('document.querySelectorAll("svg.chart path").forEach(e => e.remove())')
        self.assertNotEqual(shown.evaluate(MEASURE)['empty'], [])

    def test_on_paper(self):
        self.add_year()
        self.write()
        shown = self.browser.open(self.page, dark=True)
        pdf = shown.pdf()
        self.assertTrue(pdf.startswith(b'%PDF-') and pdf.rstrip().endswith(b'%%EOF'))
        pages = max(int(n) for n in re.findall(rb'/Type /Pages\s*/Count (\d+)|/Count (\d+)', pdf)[0] if n)
        self.assertIn(pages, range(4, 14))
        # black on white, however dark the screen is; no chart and no row over the edge of a sheet of A4
        shown.show(720, dark=True, media='print')
        self.assertEqual(shown.evaluate('getComputedStyle(document.body).color'), 'rgb(27, 31, 36)')
        self.assertEqual(shown.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)')
        found = shown.evaluate(MEASURE)
        self.assertEqual((found['beyond'], found['contrast'], found['overlaps']), ([], [], []))
        self.assertEqual(shown.evaluate('[...document.querySelectorAll("figure, .bars li, tr")].filter(e => getComputedStyle(e).breakInside !== "avoid").length'), 0)


class Large(Pages):
    def test_a_year_of_100000_domains(self):
        """The days are as full as they can be."""
        self.begin()
        for age in range(365):
            name = year.name_of(NOON - age * DAY)
            self.redis.command('ZADD', 'nixie:{0}:days', name, name)
            self.redis.command('HSET', 'nixie:{0}:day:' + name, 'delivered', '900000', 'soft', '30000', 'hard', '9000')
            fields = ['d%d.example|%s' % (age * 274 + j, c) for j in range(500) for c in ('attempts', 'delivered', 'soft', 'hard')]
            self.redis.command('HSET', 'nixie:{0}:day:%s:dest' % name, *(x for f in fields for x in (f, '7')))
        page = self.write('--last', '12 months')
        self.assertLess(len(page), 1000000)
        self.assertRegex(self.text_of(page), r'and 100,\d\d\d more')
