#!/usr/bin/env python3
"""End-to-end tests of nixie: real Redis, real Postfix, real Exim, loopback only.

usage: run.py [-k PATTERN]... [--bin DIRECTORY] [--keep] [--list]

A line for each test, then "N passed, N failed". A missing server is a failure. Tests of a class
that says how many of them may run at a time (at_a_time) do: those that mostly wait.
"""
import argparse
import io
import os
import signal
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
TEST_LIMIT_S = 120      # a test that takes longer hangs


class Result(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream, self.passed, self.failed = stream, 0, 0

    @staticmethod
    def _name(test):
        name = test.id() if hasattr(test, 'id') else str(test)
        return name.replace('__main__.', '')

    def _line(self, test, verdict):
        took = time.monotonic() - getattr(self, '_start', time.monotonic())
        print('%-72s %s' % ('%s (%.1f s)' % (self._name(test), took), verdict),
              file=self.stream, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()
        signal.alarm(TEST_LIMIT_S)

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
        self._line(test, 'FAIL' + label)
        text = self._exc_info_to_string(err, test)
        diagnostics = getattr(test, 'diagnostics', None)
        if diagnostics:
            try:
                text += diagnostics()
            except OSError:
                pass
        print('    ' + text.rstrip().replace('\n', '\n    '), file=self.stream, flush=True)

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
        self._start = time.monotonic()

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
            result.passed += part.passed
            result.failed += part.failed
            result.skipped += part.skipped


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
    result = Result(sys.stdout)
    try:
        beside = {}
        for test in flatten(suite):
            if getattr(test, 'at_a_time', 1) > 1:
                beside.setdefault(type(test), []).append(test)
        for tests in beside.values():
            run_beside(tests, result)
        unittest.TestSuite(test for test in flatten(suite) if type(test) not in beside).run(result)
    except KeyboardInterrupt:
        print('interrupted: %d passed, %d failed so far' % (result.passed, result.failed))
        return 130
    line = '%d passed, %d failed' % (result.passed, result.failed)
    if result.skipped:
        line += ', %d skipped' % len(result.skipped)
    print(line)
    return 0 if result.failed == 0 and result.passed else 1


if __name__ == '__main__':
    sys.exit(main())
