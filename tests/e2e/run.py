#!/usr/bin/env python3
"""End-to-end tests of nixie: real Redis, real Postfix, real Exim, loopback only.

usage: run.py [-k PATTERN]... [-j N] [--bin DIRECTORY] [--keep] [--list]

A line for each test, then again which failed and the essence of why, then "N passed, N failed".
A missing server is a failure.

Tests mostly wait: for servers to start, for time to pass. So N processes run some of them each, of
one class. Tests of a class that says how many of them may run at a time (at_a_time) do that besides.
"""
import argparse
import atexit
import io
import itertools
import json
import os
import random
import select
import signal
import sys
import time
import traceback
import unittest
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
TEST_LIMIT_S = 1800     # a test that takes longer hangs: each of its waits has a shorter limit, but there may be several
TESTS_OF_A_PROCESS = 4
ESSENCE_LINES = 12      # of a failure that is told again at the end
ESSENCE_COLUMNS = 240


def essence(name, text):
    """Of a traceback: the lines of tests that led there, and what the exception says, the
    end of it when it is long."""
    lines = text.rstrip().split('\n')
    at = [i for i, line in enumerate(lines) if line.startswith('  File ')]
    says = list(itertools.dropwhile(lambda line: line.startswith(' '), lines[at[-1]:] if at else lines))
    says = [line for line in says if line.strip()] or ['no reason']
    where = [line.strip() for i in at if os.sep + 'test_' in lines[i] for line in lines[i:i + 2]][-4:]
    room = ESSENCE_LINES - 1 - len(where)
    if len(says) > room:
        says = says[:2] + ['...'] + says[3 - room:]
    told = ['--- failed: %s: %s' % (name, says[0])] + ['    ' + line for line in where + says[1:]]
    return '\n'.join(line[:ESSENCE_COLUMNS] for line in told)


class Result(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream, self.passed, self.failed = stream, 0, 0
        self.essences = []      # of the failures, for the end

    @staticmethod
    def _name(test):
        name = test.id() if hasattr(test, 'id') else str(test)
        return name.replace('__main__.', '')

    def _line(self, test, verdict, text=''):
        took = time.monotonic() - getattr(self, '_start', time.monotonic())
        self.stream.write('%-72s %s\n' % ('%s (%.1f s)' % (self._name(test), took), verdict) + text)
        self.stream.flush()

    def startTest(self, test):
        super().startTest(test)
        self._begin()
        signal.alarm(TEST_LIMIT_S)

    def _begin(self):
        from harness.case import not_at_midnight    # which main() has made known where it is
        not_at_midnight()
        self._start = time.monotonic()

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def addSuccess(self, test):
        self.passed += 1
        self._line(test, 'ok')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line(test, 'skip: ' + reason)

    def _bad(self, test, err, label=''):
        self.failed += 1
        text = self._exc_info_to_string(err, test)
        self.essences.append(essence(self._name(test) + label, text))
        diagnostics = getattr(test, 'diagnostics', None)
        if diagnostics:
            try:
                text += diagnostics()
            except OSError:
                pass
        self._line(test, 'FAIL' + label, '    ' + text.rstrip().replace('\n', '\n    ') + '\n')

    def add(self, passed, failed, skipped, essences):
        """What another one has found."""
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        self.essences += essences

    def found(self):
        return self.passed, self.failed, [(str(test), reason) for test, reason in self.skipped], self.essences

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(test, err, ' ' + subtest._subDescription())


class Part(Result):
    """Of one test beside others: what it says comes in one piece, and the alarm is not its own."""

    def __init__(self):
        super().__init__(io.StringIO())

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self._begin()

    def stopTest(self, test):
        unittest.TestResult.stopTest(self, test)


def run_beside(tests, result):
    """All tests of one class, some at a time; their results in the order of their names."""
    def run(test):
        part = Part()
        test.run(part)
        return part
    with ThreadPoolExecutor(tests[0].at_a_time) as pool:
        for part in pool.map(run, tests):
            result.stream.write(part.stream.getvalue())
            result.stream.flush()
            result.add(*part.found())


class Pipe:
    """To the process that has started this one: what is to be printed, and at last what was found."""

    def __init__(self, fd):
        self._file = os.fdopen(fd, 'w', encoding='utf-8', errors='surrogateescape')

    def write(self, text):
        json.dump(text, self._file)
        self._file.write('\n')

    def flush(self):
        self._file.flush()

    def tell(self, found):
        self.write(found)
        self.flush()


class Worker:
    """A process of its own that runs some tests of one class."""

    def __init__(self, tests, others):
        self.tests, self._buffer, self.found = tests, b'', None
        self.fd, back = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for fd in [self.fd] + [worker.fd for worker in others]:
                    os.close(fd)
                random.seed()
                self._run(Pipe(back))
                status = 0
            except BaseException as e:
                status = 1
                if not isinstance(e, KeyboardInterrupt):
                    traceback.print_exc()
            atexit._run_exitfuncs()     # ends what the tests have started
            os._exit(status)
        os.close(back)

    def _run(self, pipe):
        result = Result(pipe)
        if at_a_time(self.tests[0]) > 1:
            run_beside(self.tests, result)
        else:
            unittest.TestSuite(self.tests).run(result)
        pipe.tell(result.found())

    def read(self):
        """What it says is printed. False: it has ended."""
        got = os.read(self.fd, 1 << 16)
        *lines, self._buffer = (self._buffer + got).split(b'\n')
        for line in lines:
            said = json.loads(line)
            if isinstance(said, str):
                print(said, end='', flush=True)
            else:
                self.found = said
        return bool(got)

    def end(self, result):
        os.close(self.fd)
        _, status = os.waitpid(self.pid, 0)
        if self.found is not None:
            result.add(*self.found)
        else:
            result.add(0, 1, [], ['--- failed: %s and others of its class: ended with status %d' % (self.tests[0].id(), status)])


def run_all(units, result, most):
    """So many processes at most; each runs one unit, a list of tests."""
    workers = []
    try:
        while units or workers:
            while units and len(workers) < most:
                workers.append(Worker(units.pop(0), workers))
            ready, _, _ = select.select([w.fd for w in workers], [], [])
            for worker in [w for w in workers if w.fd in ready]:
                if not worker.read():
                    workers.remove(worker)
                    worker.end(result)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for worker in workers:
            os.kill(worker.pid, signal.SIGTERM)
        for worker in workers:
            os.waitpid(worker.pid, 0)
        raise


def at_a_time(test):
    return getattr(test, 'at_a_time', 1)


def units_of(tests):
    """Those that belong together: of a class that sets itself up, or says so (together), all; of
    others, a few, or one each where they take long (apart). First the classes of which many run at
    a time, as they take long, too."""
    units = []
    for kind, some in itertools.groupby(tests, type):
        some = list(some)
        alone = at_a_time(some[0]) > 1 or getattr(kind, 'together', False) or kind.setUpClass.__func__ is not unittest.TestCase.setUpClass.__func__
        size = len(some) if alone else 1 if getattr(kind, 'apart', False) else TESTS_OF_A_PROCESS
        units += [some[i:i + size] for i in range(0, len(some), size)]
    return sorted(units, key=lambda unit: at_a_time(unit[0]) == 1)


def on_alarm(_number, _frame):
    raise AssertionError('the test hangs: more than %d s' % TEST_LIMIT_S)


def on_term(_number, _frame):
    raise KeyboardInterrupt     # unittest takes a SystemExit for a failed test


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('-k', action='append', metavar='PATTERN', help='only tests whose name has it')
    p.add_argument('-j', type=int, metavar='N', default=(os.cpu_count() or 1) + 1, help='so many processes')
    p.add_argument('--bin', metavar='DIRECTORY', help='where the programs are (build/bin)')
    p.add_argument('--keep', action='store_true', help='keep the directories under /tmp')
    p.add_argument('--list', action='store_true', help='only list the tests')
    options = p.parse_args()
    if options.bin:
        os.environ['NIXIE_BIN'] = os.path.abspath(options.bin)
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True
    from harness import case
    case.KEEP = options.keep

    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGHUP, on_term)
    # in the background of a shell it is ignored, which what we start would inherit, and ^C is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(0o022)
    loader = unittest.TestLoader()
    loader.testNamePatterns = ['*%s*' % k for k in options.k] if options.k else None
    suite = loader.discover(HERE, 'test_*.py', HERE)
    if options.list:
        for test in flatten(suite):
            print(test.id())
        return 0
    sys.stdout.reconfigure(errors='backslashreplace')
    result = Result(sys.stdout)
    try:
        run_all(units_of(flatten(suite)), result, max(options.j, 1))
    except KeyboardInterrupt:
        print('\n'.join(result.essences))
        print('interrupted: %d passed, %d failed so far' % (result.passed, result.failed))
        return 130
    line = '%d passed, %d failed' % (result.passed, result.failed)
    if result.skipped:
        line += ', %d skipped' % len(result.skipped)
    print('\n'.join(result.essences + [line]))
    return 0 if result.failed == 0 and result.passed else 1


if __name__ == '__main__':
    sys.exit(main())
