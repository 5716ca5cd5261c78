#!/usr/bin/env python3
"""How right the shipped rules are on tests/corpus/replies.tsv, against judging by the code alone.

usage: accuracy.py --nixie PROGRAM [--rules DIR] [--table FILE] [--check FILE] [--wrong]

The corpus: real replies with the category and class that a person gave them. The category
"ambiguous" means that the text does not decide; such replies are not scored.

Cross-validation asks how much of the result is owed to having seen the sample. The rules are
written by people, so nothing can be learnt anew without a fold; instead, for every fold, each
rule that wins replies of that fold only (and so might have been written for them) is disabled,
and the fold is judged by the rest. That is a lower bound: rules that nobody wrote for the sample
fall too when the sample has one reply of their kind. The same with a whole source left out.
"""
import argparse
import collections
import hashlib
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDS = 10
Reply = collections.namedtuple('Reply', 'code enhanced text category class_ source')
Judged = collections.namedtuple('Judged', 'class_ category rule')


def read_corpus(path):
    replies = []
    with open(path, encoding='utf-8') as file:
        for line in file:
            if line.startswith(('#', 'code\t')):
                continue
            reply = Reply(*line.rstrip('\n').split('\t'))
            if reply.category != 'ambiguous':
                replies.append(reply)
    return replies


# ---- the two usual ways, which the rules are compared with

def by_code(reply):
    """5xx is hard, everything else soft."""
    if reply.code.startswith('5'):
        return Judged('hard', 'recipient.unknown', '')
    return Judged('soft', 'server.busy', '')


STATUS = {  # RFC 3463, by subject and detail
    '1.0': 'recipient.unknown', '1.1': 'recipient.unknown', '1.2': 'domain.unknown', '1.3': 'recipient.syntax',
    '1.4': 'recipient.unknown', '1.6': 'recipient.moved', '1.10': 'domain.unknown', '2.1': 'recipient.disabled',
    '1.7': 'policy', '1.8': 'policy', '2.2': 'mailbox.full', '2.3': 'message.too-large', '3.4': 'message.too-large',
    '4.1': 'network', '4.2': 'network', '4.3': 'dns.failure', '4.4': 'dns.failure', '4.7': 'expired',
    '7.1': 'policy', '7.26': 'blocked.auth', '7.23': 'blocked.auth', '7.25': 'blocked.auth', '7.20': 'blocked.auth',
}
HARD = {'recipient.unknown', 'recipient.disabled', 'recipient.moved', 'recipient.syntax', 'domain.unknown'}
SUBJECT = {'2': 'policy', '3': 'server.busy', '4': 'network', '5': 'protocol', '6': 'protocol', '7': 'policy'}


def by_status(reply):
    """The enhanced status says it where there is one; else the code."""
    parts = reply.enhanced.split('.')
    if len(parts) != 3 or parts[1:] == ['0', '0']:
        return by_code(reply)
    category = STATUS.get('.'.join(parts[1:]), SUBJECT.get(parts[1], 'other'))
    return Judged('hard' if parts[0] == '5' and category in HARD else 'soft', category, '')


# ---- the rules

def classify(nixie, rules, replies, disabled=()):
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, 'disable.conf'), 'w') as file:
            file.write('disable = [ %s ];\n' % ', '.join('"%s"' % x for x in disabled) if disabled else '')
        command = [nixie, '-c', '/dev/null', 'classify', '--json', '--rules', directory, '--rules', rules]
        done = subprocess.run(command, input=''.join(r.text + '\n' for r in replies), text=True, encoding='utf-8',
                              stdout=subprocess.PIPE, check=True)
    judged = [json.loads(line) for line in done.stdout.splitlines()]
    if len(judged) != len(replies):
        sys.exit('nixie classify answered %d of %d replies' % (len(judged), len(replies)))
    return [Judged(j['class'], j['category'], j.get('rule', '')) for j in judged]


def left_out(nixie, rules, replies, judged, fold_of):
    """Each fold judged without the rules that won nothing outside of it."""
    folds_of_rule = collections.defaultdict(set)
    for reply, verdict in zip(replies, judged):
        folds_of_rule[verdict.rule].add(fold_of(reply))
    result = {}
    for fold in sorted({fold_of(r) for r in replies}):
        disabled = sorted(rule for rule, folds in folds_of_rule.items() if rule and folds == {fold})
        inside = [r for r in replies if fold_of(r) == fold]
        for reply, verdict in zip(inside, classify(nixie, rules, inside, disabled)):
            result[reply] = verdict
    return [result[r] for r in replies]


def hash_fold(reply):
    return int(hashlib.sha256(reply.text.encode()).hexdigest(), 16) % FOLDS


# ---- the table

def row(name, replies, judged):
    hard = [(r, j) for r, j in zip(replies, judged) if r.class_ == 'hard']
    others = [(r, j) for r, j in zip(replies, judged) if r.class_ != 'hard']
    right = sum(r.class_ == j.class_ for r, j in zip(replies, judged))
    category = sum(r.category == j.category for r, j in zip(replies, judged))
    called_hard = sum(j.class_ == 'hard' for r, j in others)
    missed = sum(j.class_ != 'hard' for r, j in hard)
    return '| %s | %.1f %% | %.1f %% (%d of %d) | %.1f %% (%d of %d) | %.1f %% |' % (
        name, 100 * right / len(replies), 100 * called_hard / len(others), called_hard, len(others),
        100 * missed / len(hard), missed, len(hard), 100 * category / len(replies))


def table(nixie, rules, replies):
    judged = classify(nixie, rules, replies)
    lines = [
        '# How right the shipped rules are', '',
        'Made by `make accuracy`; `make check` compares. %d replies of `replies.tsv` are scored, in %d categories;'
        % (len(replies), len({r.category for r in replies})),
        'those called ambiguous are not. What each row is: `accuracy.py`.', '',
        '| judged by | class right | soft called hard | hard missed | category right |', '|---|---|---|---|---|',
        row('code only', replies, [by_code(r) for r in replies]),
        row('enhanced status, then code', replies, [by_status(r) for r in replies]),
        row('nixie\'s rules', replies, judged),
        row('the same, cross-validated (%d folds)' % FOLDS, replies, left_out(nixie, rules, replies, judged, hash_fold)),
        row('the same, each source left out', replies, left_out(nixie, rules, replies, judged, lambda r: r.source)),
        '', 'The rules were written with this sample at hand: the third row says that they do what was meant, the rows below',
        'how much of that does not hang on having seen it. Replies of your own servers are the better judge:',
        '`nixie replay`, `nixie rules unknown`.', '']
    return '\n'.join(lines), judged


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--nixie', required=True)
    parser.add_argument('--rules', default=os.path.join(HERE, '../../conf/rules.d'))
    parser.add_argument('--corpus', default=os.path.join(HERE, 'replies.tsv'))
    parser.add_argument('--table', help='write the table here')
    parser.add_argument('--check', help='compare the table with this one; 1 when it differs')
    parser.add_argument('--wrong', action='store_true', help='print the replies that are judged wrongly')
    args = parser.parse_args()
    replies = read_corpus(args.corpus)
    text, judged = table(os.path.abspath(args.nixie), os.path.abspath(args.rules), replies)
    if args.wrong:
        for reply, verdict in zip(replies, judged):
            if reply.category != verdict.category:
                print('%s, not %s (%s): %s' % (reply.category, verdict.category, verdict.rule or 'no rule', reply.text))
    if args.check:
        with open(args.check, encoding='utf-8') as file:
            same = file.read() == text
        print(text if not same else '', end='')
        print('%d passed, %d failed' % (same, not same))
        sys.exit(0 if same else 'accuracy: %s is another table than the rules give; make accuracy writes it' % args.check)
    print(text)
    if args.table:
        with open(args.table, 'w', encoding='utf-8') as file:
            file.write(text)


if __name__ == '__main__':
    main()
