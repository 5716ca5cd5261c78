#!/usr/bin/python3
"""Do the manuals and the sample configuration tell what the source says?

Run from anywhere after `make programs`; NIXIE_BIN names another place of the programs."""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get('NIXIE_BIN', os.path.join(TOP, 'build', 'bin'))

PAGES = {
    'nixie': 'ctl/nixie.1',
    'nixie-policyd': 'policyd/nixie-policyd.8',
    'nixie-logtail': 'logtail/nixie-logtail.8',
    'nixie.conf': 'conf/nixie.conf.5',
    'nixie-rules': 'conf/nixie-rules.5',
    'nixie-redis': 'common/nixie-redis.7',
    'nixie(7)': 'common/nixie.7',
}
PROGRAMS = ('nixie', 'nixie-policyd', 'nixie-logtail')
SECTIONS = {
    'nixie': ('FILES', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO'),
    'nixie-policyd': ('SIGNALS', 'FILES', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO'),
    'nixie-logtail': ('SIGNALS', 'FILES', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO'),
}

passed, failures = 0, []


def check(ok, what):
    global passed
    if ok:
        passed += 1
    else:
        failures.append(what)


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        return f.read()


def page(name):
    return read(PAGES[name])


def plain(mdoc):
    """mdoc(7) source without what hides words from a search."""
    return mdoc.replace('\\(dq', '"').replace('\\(aq', "'").replace('\\&', '').replace('\\-', '-')


def found(rows, what):
    """A pattern that finds nothing in the source would let everything pass."""
    check(rows, 'check_docs.py finds no %s in the source any more' % what)
    return rows


# ---- options ----

def options():
    """name, type, default, reloadable, from the table in config_options.c"""
    row = re.compile(r'\{ "([a-z.-]+)", OPTION_(\w+), AT\([\w.]+\), ("((?:[^"\\]|\\.)*)"|NULL), '
                     r'[^\n]*?, (true|false), (?:NULL|check_\w+),\n', re.M)
    return found([(m[1], m[2], m[4], m[5] == 'true') for m in row.finditer(read('common/config_options.c'))],
                 'options')


def sample_options():
    """name to value as text, from the sample; the groups are one level deep"""
    values, group = {}, ''
    text = re.sub(r'^\s*//.*$', '', read('conf/nixie.conf'), flags=re.M)
    text = re.sub(r'=\s*\((.*?)\);', lambda m: '= %s;' % ' '.join(m[1].split()), text, flags=re.S)
    for line in text.split('\n'):
        opens = re.match(r'\s*([a-z-]+)\s*:\s*\{', line)
        value = re.match(r'\s*([a-z-]+)\s*=\s*(.*);\s*$', line)
        if opens:
            group = opens[1] + '.'
        elif re.match(r'\s*\}', line):
            group = ''
        elif value:
            values[group + value[1]] = value[2]
    return values


def blocks(mdoc, macro):
    """what stands behind each `.It <macro> name`, up to the next such item"""
    parts = re.split(r'^\.It %s (\S+).*$' % macro, mdoc, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def told_default(block):
    """'...', 'empty', or None, of the line "Default: ..." """
    m = re.search(r'^Default: (.*?)\.?$|^Default:\n\.Ql (.*?) \.$', block, re.M)
    return m and (m[1] if m[1] is not None else plain(m[2]))


def check_options():
    sample, manual = sample_options(), blocks(page('nixie.conf'), 'Va')
    for name, kind, default, reload_ in options():
        check(name in sample, 'conf/nixie.conf has no %s' % name)
        check(name in manual, 'nixie.conf.5 has no %s' % name)
        if default is not None and name in sample:
            value = re.sub(r'[\[\]"]', '', sample[name]).strip()
            check(value == default, 'conf/nixie.conf: %s is %s, the default is "%s"' % (name, sample[name], default))
        if name in manual:
            told = told_default(manual[name])
            check(kind in ("CONVERSIONS", "TERMS", "ANSWERS") or told == (default or 'empty'),
                  'nixie.conf.5: %s: default is %r, it says %r' % (name, default, told))
            check('Reload: %s.' % ('yes' if reload_ else 'no') in manual[name],
                  'nixie.conf.5: %s: Reload: is wrong or missing' % name)
    known = {o[0] for o in options()}
    for name in sample:
        check(name in known, 'conf/nixie.conf has %s, which is no option' % name)


def check_words_and_ranges():
    """choices, and the numbers of the table's ranges, stand in the manual"""
    source, manual = read('common/config_options.c'), blocks(page('nixie.conf'), 'Va')
    words = dict(re.findall(r'(\w+_words)\[\] = \{ (.*?), NULL \};', source))
    for name, array in re.findall(r'\{ "([a-z.-]+)", OPTION_ENUM, .*?, (\w+_words),', source):
        for word in re.findall(r'"([a-z-]+)"', words[array]):
            check(re.search(r'^\.Ql %s\b' % word, manual.get(name, ''), re.M),
                  'nixie.conf.5: %s can be %s' % (name, word))
    for name, low, high in re.findall(r'\{ "([a-z.-]+)", OPTION_NUMBER, AT\(\w+\), "\w*", (\d+), (\d+),', source):
        check('Type: number, %s to %s.' % (low, high) in manual.get(name, ''),
              'nixie.conf.5: %s goes from %s to %s' % (name, low, high))


# ---- programs ----

def run(*argv):
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, timeout=300).stdout.decode('utf-8', 'replace')
    except OSError as e:
        check(False, '%s: %s; run make' % (argv[0], e.strerror))
        return ''


def long_options(text):
    return sorted(set(re.findall(r'(?<![\w-])--([a-z][a-z-]*)', text)))


def documents(mdoc, option):
    return re.search(r'^\.It .*\bFl -%s\b' % re.escape(option), mdoc, re.M)


def verbs():
    return found(re.findall(r'\{ "([a-z-]+)", verb_\w+, (?:true|false) \}', read('ctl/main.c')), 'verbs')


def check_programs():
    for name in PROGRAMS:
        text = run(os.path.join(BIN, name), '--help')
        check(len(text) > 100, '%s --help prints nothing' % name)
        for option in long_options(text):
            check(documents(page(name), option), '%s: --%s is not in %s' % (name, option, PAGES[name]))
        for section in SECTIONS[name]:
            check('.Sh %s\n' % section in page(name), '%s has no %s' % (PAGES[name], section))


def flags(text):
    return set(re.findall(r'\bFl -([a-z-]+)', text))


def verb_headers():
    """verb or "rules SUBVERB" to its options in the header of its paragraph in nixie.1; where "options" is among them,
    also those that the verbs of the section have in common"""
    item = re.compile(r'^\.It (?:Xo\n\.Cm ([a-z ]+)\n(.*?)^\.Xc$|Cm ([a-z]+(?: [a-z]+)?)(?= |$)([^\n]*)$)', re.M | re.S)
    headers = {}
    for section in page('nixie').split('\n.Ss ')[1:]:
        items = list(item.finditer(section))
        preface = section[:items[0].start()] if items else ''
        common = flags('\n'.join(re.findall(r'^\.It (?:Xo\n.*?^\.Xc$|[^\n]*)', preface, re.M | re.S)))
        for m in items:
            header = m[2] or m[4] or ''
            headers[m[1] or m[3]] = flags(header) | (common if 'Ar options' in header else set())
    return headers


def accepted(verb, options):
    """those that the program takes: it stops at --help, or at what is wrong"""
    loop = ('for o; do case $o in scope) x=sender:shop.example ;; *) x=1d ;; esac; said=$("$nixie" -c /dev/null %s "--$o=$x" --help 2>&1 >/dev/null </dev/null); '
            'case $said in *"takes no value"* | "") echo "$o" ;; esac; done' % verb)
    return subprocess.run(['sh', '-c', loop, 'sh', *options], env={**os.environ, 'nixie': os.path.join(BIN, 'nixie')},
                          stdout=subprocess.PIPE, check=False, timeout=1800).stdout.decode().split()


def check_help():
    """the options in the help of a verb are those of its paragraph in nixie.1, and those that it takes"""
    subverbs = found(re.findall(r'\{ "([a-z-]+)", rules_\w+, (?:true|false)', read('ctl/rules.c')), 'subverbs of rules')
    names = [v for v in verbs() if v != 'rules'] + ['rules ' + name for name in subverbs]
    helps = {name: run(os.path.join(BIN, 'nixie'), *name.split(), '--help') for name in names}
    everything = {o for text in helps.values() for o in long_options(text)}
    headers, summary = verb_headers(), run(os.path.join(BIN, 'nixie'), '--help')
    for number, (name, text) in enumerate(helps.items()):
        usage, _, rest = text.partition('\n\n')
        listed = set(re.findall(r'^  (?:-h, )?--([a-z-]+)', rest, re.M)) - {'help'}
        check(name in headers, 'nixie.1 has no verb %s' % name)
        check(re.search(r'^  %s( |$)' % name, summary, re.M), 'nixie --help has no %s' % name)
        check(re.search(r'^Examples\n  .*\bnixie %s\b' % name, text, re.M), 'nixie %s --help has no example' % name)
        check(listed == set(long_options(usage)), 'nixie %s --help: usage and options differ' % name)
        check(listed == headers.get(name), 'nixie %s: --help has %s, nixie.1 has %s' % (name, listed, headers.get(name)))
        # one that is the begin of a longer one is taken for that
        # (of those that it should not take, a quarter: each is tried with some verbs)
        options = [o for i, o in enumerate(sorted(everything - {'help'}))
                   if o in listed or ((i + number) % 4 == 0 and not any(x.startswith(o) for x in listed))]
        taken = set(accepted(name, options))
        check(taken == listed, 'nixie %s takes %s, its help has %s' % (name, taken, listed))
    for text in [summary, *helps.values()]:
        for line in text.split('\n'):
            check(len(line) < 80, 'nixie --help: wider than a page: %s' % line)


def check_exit_codes():
    """the numbers of enum exit_code are those of nixie.1"""
    names = found(re.search(r'enum exit_code \{ (.*?) \}', read('common/cli.h')), 'exit codes')
    status = page('nixie').split('.Sh EXIT STATUS')[-1].split('.Sh ')[0]
    for code in range(len(names[1].split(',')) if names else 0):
        check('.It %d\n' % code in status, 'nixie.1: exit status %d is missing' % code)


# ---- categories, keys, limits ----

def check_categories():
    rows = re.findall(r'\{ "([a-z.-]+)", CLASS_(\w+), FAULT_(\w+), "[\d.]+", "([^"]*)" \}', read('common/category.c'))
    for name, class_, fault, meaning in found(rows, 'categories'):
        row = '.It %s Ta %s Ta %s Ta %s\n' % (name, class_.lower(), fault.lower(), meaning)
        check(row in page('nixie-rules'), 'nixie-rules.5 lacks the row: %s' % row.strip())


def check_rule_members():
    m = found(re.search(r'a rule has no .*?; it has (.*?)", name\)', read('common/rules_load.c'), re.S), 'members of rules')
    told = re.sub(r'"\s*"', '', m[1]) if m else ''
    plain_, _, others = told.partition(', these with not- before them, ')
    names = plain_.split(', ') + others.split(', ')
    # an id and a category cannot be negated
    for name in found(names[:2] + [n + x for x in names[2:] for n in ('', 'not-') if not n or x in plain_.split(', ')], 'members'):
        check(re.search(r'^\.It Va (.* , )?%s\b' % name, page('nixie-rules'), re.M), 'nixie-rules.5 has no %s' % name)


def rule_blocks():
    """the examples of nixie-rules.5 that are rule files"""
    blocks_ = re.findall(r'^\.Bd -literal[^\n]*\n(.*?)^\.Ed$', page('nixie-rules'), re.M | re.S)
    return [plain(b).replace('\\e', '\\') for b in blocks_ if re.search(r'^(rules|words|providers|blocklists) = \(', b, re.M)]


def check_rule_examples():
    """each of them in a file of one's own, beside the shipped rules, passes what the page tells to try"""
    shipped = os.path.join(os.path.dirname(os.path.abspath(BIN)), 'share', 'nixie', 'rules.d')
    for text in found(rule_blocks(), 'rule files in nixie-rules.5'):
        with tempfile.TemporaryDirectory() as own:
            with open(os.path.join(own, '10-ours.conf'), 'w', encoding='utf-8') as f:
                f.write(text)
            for verb in ('test', 'lint'):
                said = run(os.path.join(BIN, 'nixie'), '-c', '/dev/null', 'rules', verb, '--rules', own, '--rules', shipped)
                faults = [line for line in said.splitlines()[:-1] if ': remark:' not in line]
                check(said and not faults and re.match(r'\d+ rules', said.splitlines()[-1]),
                      'nixie-rules.5: rules %s of an example:\n%s\n  %s' % (verb, text, '\n  '.join(faults[:5] or [said])))


def check_explain_example():
    """nixie.1 shows what nixie explain prints, with the first rules of nixie-rules.5"""
    m = re.search(r"^\$ nixie explain '(.*)'\n(.*?)^\.Ed$", page('nixie'), re.M | re.S)
    if not found(m, 'example of explain in nixie.1'):
        return
    shipped = os.path.join(os.path.dirname(os.path.abspath(BIN)), 'share', 'nixie', 'rules.d')
    with tempfile.TemporaryDirectory() as own:
        with open(os.path.join(own, '10-ours.conf'), 'w', encoding='utf-8') as f:
            f.write(rule_blocks()[0])
        said = run(os.path.join(BIN, 'nixie'), '-c', '/dev/null', 'explain', '--rules', own, '--rules', shipped, m[1])
    said = said.replace(own, '/etc/nixie/rules.d')
    check(plain(m[2]) == said, 'nixie.1: nixie explain prints:\n' + said)


def check_readme_example():
    """README.md shows what nixie explain prints in a clone"""
    m = re.search(r"^    \$ build/bin/nixie explain '(.*)'\n((?:    .*\n)+)", read('README.md'), re.M)
    if not found(m, 'example of explain in README.md'):
        return
    said = run(os.path.join(BIN, 'nixie'), '-c', '/dev/null', 'explain', m[1])
    said = said.replace(os.path.dirname(os.path.abspath(BIN)), '/home/you/nixie/build')
    check(m[2] == ''.join('    %s\n' % line for line in said.splitlines()), 'README.md: nixie explain prints:\n' + said)


def check_keys():
    source, manual = read('common/schema.c'), page('nixie-redis')
    shapes = found(re.findall(r'\[KEY_\w+\] = "([a-z:-]+)"', source), 'keys')
    for shape in shapes:
        check(re.search(r'^\.It Ql nixie:\{0\}:%s( |$)' % shape, manual, re.M), 'nixie-redis.7 has no key %s' % shape)
    check('.It Ql nixie:meta\n' in manual, 'nixie-redis.7 has no nixie:meta')
    entry = set(re.findall(r'sv_eq\(field, SV\("([a-z]+)"\)\)', source)) | \
        set(re.findall(r'\{ \{ "([a-z]+)", \d+ \}, FIELD_', source))
    fields = ' '.join(re.findall(r'^\.It Va (.*)$', manual, re.M)).replace(' ,', '').split()
    for name in found(sorted(entry), 'fields of an entry'):
        check(name in fields, 'nixie-redis.7: addr: has no field %s' % name)
    version = found(re.search(r'#define SCHEMA_VERSION (\d+)', read('common/schema.h')), 'schema version')
    check(version and 'This page is schema %s.' % version[1] in manual, 'nixie-redis.7 tells of another schema')


def constants():
    """NAME to number, of every #define in a header that is one"""
    values = {}
    for directory in ('common', 'policyd', 'logtail', 'ctl'):
        for name in sorted(os.listdir(os.path.join(TOP, directory))):
            if not name.endswith('.h'):
                continue
            for define, value in re.findall(r'^#define ([A-Z][A-Z0-9_]+)[ \t]+([^\n]*)', read(directory + '/' + name), re.M):
                value = re.sub(r'/\*.*', '', value).replace('(size_t)', '').strip().strip('"')
                if re.fullmatch(r'\(?\d+(?: *\* *\d+)*\)?', value):
                    product = 1
                    for factor in re.findall(r'\d+', value):
                        product *= int(factor)
                    values[define] = product
    return values


def check_limits():
    values = constants()
    for name, value in found(re.findall(r'^\.It Dv (\w+) Ta (\d+) Ta', page('nixie(7)'), re.M), 'limits in nixie.7'):
        check(values.get(name) == int(value), 'nixie.7: %s is %s, the headers say %s' % (name, value, values.get(name)))


# ---- the pages themselves ----

def check_pages():
    names = {os.path.basename(path) for path in PAGES.values()}
    for path in PAGES.values():
        problems = [line for line in run('mandoc', '-Tlint', '-Wwarning', os.path.join(TOP, path)).splitlines()
                    if 'outdated mandoc.db' not in line]
        check(not problems, '\n  '.join(problems[:5]))
        for name, section in re.findall(r'\bXr (nixie\S*) (\d)', read(path)):
            check('%s.%s' % (name, section) in names, '%s refers to %s(%s)' % (path, name, section))


def main():
    for step in (check_options, check_words_and_ranges, check_programs, check_help, check_exit_codes, check_categories,
                 check_rule_members, check_rule_examples, check_explain_example, check_readme_example,
                 check_keys, check_limits, check_pages):
        step()
    for what in failures:
        print('--- failed: %s' % what)
    print('%d passed, %d failed' % (passed, len(failures)))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
