#!/usr/bin/env python3
"""Is each test of tests/e2e/test_rotation.py worth something: does it fail when what it tests is taken out?
Number 0 is that of tests/e2e/test_backpressure.py.

usage: protections.py [-n NUMBER]... [--jobs N] [--tree DIRECTORY] [--list]

The tree is copied to a temporary directory, there one change at a time is made to the source, the
programs are built, and the tests that are named beside the change are run: at least one must fail,
and before that all of them must pass without any change. A change is found by its exact text; when
the source has become another one the row says so, and counts as a failure.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEFT_OUT = shutil.ignore_patterns('.git', 'build*', 'run', '__pycache__')
# A test that waits in vain shall not do so for the usual half minute.
WAIT_S = '12'
SOURCE = FILES = FOLLOW = 'logtail'     # wherever it is in there

# what: in a few words, what is taken out. edits: (file, or directory, in which the text is once; text; text instead). tests: at least one must fail.
Protection = namedtuple('Protection', 'number what edits tests')


def one(number, what, file, text, instead, *tests):
    return Protection(number, what, ((file, text, instead),), tests)


BY_INODE_ALONE = ((SOURCE, 'return source_file_bytes(fd) >= p->offset && hash_range', 'return source_file_bytes(fd) >= p->offset || hash_range'),
                  (SOURCE, 'return p->head_bytes <= sizeof bytes && source', 'return p->head_bytes <= sizeof bytes || source'))
TOLD = (SOURCE, 'return newest == NULL || (newest->offset == 0 && newest->tail_bytes == 0);', 'return true;')
LOOK_BACK = (SOURCE, 'if (source_file_rewritten(s) && !source_file_restart(s))', 'if (false && source_file_rewritten(s) && !source_file_restart(s))')
POLL = (FOLLOW, 'int64_t ms = f->config->logtail_poll_ms;', 'int64_t ms = 3600000;')
KEEP_OPEN = (SOURCE, 's->moved = !there || st.st_ino', 'if (!there) { source_file_close(s); return false; }\n\ts->moved = !there || st.st_ino')
WHOLE_LINES = (SOURCE, 'whole = ended || (s->final && have.n);', 'whole = have.n > 0;')

# A reader that goes on without Redis, and keeps what it read.
BUFFER = ((FOLLOW, '\tif (!follow_land(f))\n\t\treturn false;\n\tif (f->moves',
           '\tif (!store_ready(f->store)) {\n\t\tlog_warning("waiting, nothing is lost");\n\t\tstore_service(f->store, 0);\n'
           '\t\treturn result == SOURCE_LINE;\n\t}\n\tif (!follow_land(f))\n\t\treturn false;\n\tif (f->moves'),)

PROTECTIONS = (
    Protection(0, 'what Redis does not take is not read', BUFFER, ('BackPressureTest.redis_is_away_for_a_busy_hour',)),
    one(1, 'the old file is given a second', 'logtail/source.h', '#define SOURCE_DRAIN_MS 1000', '#define SOURCE_DRAIN_MS 0',
        '01_rename_while_both_files_are_written_to'),
    one(1, 'an empty new file is not gone to', SOURCE, 'if (st.st_size == 0 || looked_ms', 'if (looked_ms',
        '01_rename_create_hup_with_the_writer_appending_to_the_old_file'),
    one(1, 'the new file is watched', FOLLOW, 'one->watched == s->opened)', 'one->watched)', '01_again_and_again_and_told_by_inotify'),
    Protection(2, 'a file without a name is read on', (KEEP_OPEN,), ('02_unlinked_while_open_and_written_to',)),
    Protection(2, 'a lost place is told', (TOLD,), ('02_unlinked_while_stopped',)),
    Protection(3, 'a file that has another name is read on', (KEEP_OPEN,), ('03_nocreate_gap',)),
    one(3, 'what is missing is tried again', SOURCE, 'if (!source_file_open(s, s->path))\n\t\t\treturn SOURCE_MISSING',
        'if (s->problem[0] || !source_file_open(s, s->path))\n\t\t\treturn SOURCE_MISSING', '03_absent_at_the_start'),
    one(4, 'what may not be read is tried again', SOURCE, 'if (!source_file_open(s, s->path))\n\t\t\treturn SOURCE_MISSING',
        'if (s->problem[0] || !source_file_open(s, s->path))\n\t\t\treturn SOURCE_MISSING', '04_unreadable_until_chmod'),
    one(4, 'the next file that may not be read is told', SOURCE, 'if (!s->next_told)', 'if (false)',
        '04_rotated_to_a_file_that_is_unreadable_until_chmod'),
    Protection(5, 'a truncation is seen', (LOOK_BACK,), ('05_copytruncate',)),
    one(5, 'the copy is read on', SOURCE, 'if (go_to_copy(s)) {', 'if (false && go_to_copy(s)) {', '05_copytruncate_before_the_tail_is_read'),
    Protection(5, 'a truncation is told', ((SOURCE, 'log_warning("file=%s was truncated or rewritten', 'log_debug("file=%s was truncated or rewritten'),),
               ('05_truncated_and_nowhere_else',)),
    Protection(6, 'contents tell a file, not only its inode', BY_INODE_ALONE,
               ('06_copytruncate_while_stopped_and_regrown', '06_truncated_while_stopped_and_regrown')),
    one(6, 'the last bytes are compared', SOURCE, 'return s->seen_n && (source_file_peek', 'return false && (source_file_peek', '06_copytruncate_while_frozen_and_regrown'),
    one(6, 'before every read, not only after a pause', SOURCE, 's->quiet_since_ms = 0;\n\tremember_seen(s);', 's->quiet_since_ms = 0;',
        '06_copytruncate_while_redis_is_away_and_regrown'),
    one(7, 'NULs before a line are passed over', SOURCE, "s->buffer[s->start] == '\\0'", "s->buffer[s->start] == '\\1'",
        '07_sparse_hole', '07_sparse_hole_while_stopped', '07_hole_of_megabytes'),
    Protection(8, 'contents tell a file, not only its inode', BY_INODE_ALONE,
               ('08_inode_reused_by_a_longer_file', '08_inode_reused_and_the_old_file_is_compressed')),
    Protection(8, 'a lost place is told', (TOLD,), ('08_inode_reused_by_a_shorter_file',)),
    one(9, 'the next younger file is next', SOURCE, 'self + 1 < n ? v[self + 1].path : s->path', 's->path',
        '09_rotated_twice_while_stopped', '09_rotated_twice_while_frozen'),
    one(10, 'a compressed log is unpacked', SOURCE, 'struct unpack *u = unpack_open(fd);\n\tif (!u && unpack', 'struct unpack *u = NULL;\n\tif (!u && unpack',
        '10_compressed_while_stopped_gz', '10_compressed_while_stopped_xz', '10_compressed_while_stopped_zst'),
    one(10, 'contents tell what was compressed meanwhile', SOURCE, 'self < n && !(here.head_bytes && source_file_begins_as', 'self < n && !(false && source_file_begins_as',
        '10_compressed_while_frozen'),
    one(11, 'names with dates are siblings', FILES, "suffix.p[0] == '.' || suffix.p[0] == '-'", "suffix.p[0] == '.'",
        '11_dateext', '11_dateext_compressed'),
    one(11, 'another name does not matter', FILES, 'found = entry->d_ino == inode &&', 'found = false &&', '11_date_before_the_extension'),
    Protection(12, 'half a line is no line', (WHOLE_LINES,),
               ('12_partial_last_line_completed_later', '12_last_line_without_its_newline')),
    one(12, 'the place is at the end of a line', SOURCE, 's->offset = s->read_offset - (s->end - s->start);\n\t\ts->lines++;', 's->offset = s->read_offset;\n\t\ts->lines++;',
        '12_partial_status_line_over_a_restart'),
    one(13, 'the place is written with the counts', FOLLOW, 'ledger_start(flight->ledger, places_of(t), places_of(t) ?',
        'ledger_start(flight->ledger, places_of(t), places_of(t) && everywhere ?',
        '13_kill_9_again_and_again', '13_kill_9_in_the_first_milliseconds', '13_kill_9_when_redis_has_it_and_has_not_answered'),
    Protection(14, 'a damaged place is told', (TOLD,), ('14_the_place_is_damaged',)),
    one(14, 'a quiet reader asks where it is', FOLLOW, 'if (now_ms - f->rechecked_ms < RECHECK_MS)', 'if (now_ms >= 0)',
        '14_the_server_lost_all_its_data'),
    one(15, 'a short file is its own end', SOURCE, 'if (head_n < SOURCE_HEAD_BYTES)\n\t\treturn head_n;', '',
        '15_identical_files_and_then_more'),
    one(15, 'the end tells a file too, not only its beginning', SOURCE, 'tail == p->tail_hash;', 'true;', '15_identical_first_512_bytes'),
    one(15, 'the same beginning with a later line is no copy', SOURCE, 'found ? found : find_later(s, s->anchor.time_s)', 'found ? found : source_file_bytes(s->fd)',
        '15_identical_first_512_bytes'),
    one(16, '.10 is older than .9', FILES, '? -(int64_t)n : 0', '? (int64_t)n : 0', '16_many_rotations_of_one_time'),
    one(16, 'the lines tell the age, not only the file', SOURCE, 'while (self + 1 < n && strcmp', 'while (false && strcmp',
        '16_an_old_log_is_unpacked_beside'),
    one(17, 'what a link pointed to is found', FILES, 'found = entry->d_ino == inode &&', 'found = false &&',
        '17_symlink_swap', '17_symlink_swap_while_stopped'),
    one(17, 'siblings are where the link points to', FILES, 'ssize_t n = readlink(path, target, sizeof target - 1);', 'ssize_t n = 0;',
        '17_what_it_points_to_is_rotated_in_its_own_directory'),
    Protection(18, 'every log is polled', (POLL,), ('18_a_file_system_that_tells_nothing', '18_no_inotify_at_all')),
    Protection(19, 'every log is polled', (POLL,), ('19_no_watches_left',)),
    one(19, 'any event makes it look at all logs', FOLLOW, '{ t->inotify, POLLIN, 0 }', '{ -1, POLLIN, 0 }', '19_queue_overflow'),
    one(20, 'CR before the end of the line', 'common/line.c', 'bytes = line_forms_end(bytes);', '', '20_crlf_behind_a_text_without_an_end', '20_crlf'),
    one(20, 'a line that fills the buffer', SOURCE, 'if (!whole && n <= LINE_BYTES_MAX)', 'if (!whole)',
        '20_line_of_1_mib', '20_1_mib_without_newline_at_the_end'),
    one(20, 'long, but a line', 'common/line.h', '#define LINE_BYTES_MAX 16384', '#define LINE_BYTES_MAX 8192', '20_result_of_more_than_8_kib'),
    Protection(21, 'half a line is no line', (WHOLE_LINES,), ('21_line_split_over_two_writes', '21_line_in_many_writes')),
    one(22, 'two logs with the same lines are told', FOLLOW, 'if (!other || t->twin_told', 'if (true || t->twin_told', '22_the_same_events_in_two_logs'),
    one(22, 'a message is one occurrence', 'common/convert.c', '\t\t    sv_eq(w->v[i].message, o->message))', '\t\t    false)',
        '22_the_same_events_in_two_logs'),
    Protection(23, 'half a line is no line', (WHOLE_LINES,), ('23_the_log_s_disk_is_full_and_the_writer_tries_again',)),
    one(23, 'what Redis refused is tried again', FOLLOW, 'if (result == STORE_OK) {', 'if (result == STORE_OK || result == STORE_REFUSED) {',
        '23_the_disk_of_redis_is_full'),
    one(24, 'a younger file may begin earlier', SOURCE, '#define SET_BACK_S (3 * 3600)', '#define SET_BACK_S 0', '24_set_back_between_rotations'),
    one(24, 'time is measured by the clock that only goes on', 'common/clock.c', 'clock_gettime(CLOCK_MONOTONIC', 'clock_gettime(CLOCK_REALTIME',
        '24_the_clock_of_the_reader_is_set_back'),
    one(25, 'a new file with the same beginning is a copy', SOURCE, 'if (s->fd >= 0 && same_head(s, head, head_n))', 'if (false)',
        '25_edited_into_a_new_file', '25_edited_and_more_was_written_meanwhile'),
    one(25, 'an empty file may become what it was', SOURCE, 'if (size < s->head_n && (', 'if (false && (', '25_rewritten_in_place'),
    one(25, 'a file that is not all there yet is waited for', 'logtail/source.h', '#define SOURCE_REWRITE_MS 3000', '#define SOURCE_REWRITE_MS 0',
        '25_rewritten_in_place_without_a_line'),
    Protection(25, 'the last bytes are looked for', ((SOURCE, 'return found;\n}\n\n/* Where the first line', 'return 0;\n}\n\n/* Where the first line'),),
               ('25_rewritten_in_place_without_a_line', '25_edited_into_a_new_file')),
)


class Tree:
    """A copy of the source, and its programs."""

    def __init__(self, tree, directory):
        self.directory = directory
        shutil.copytree(tree, directory, ignore=LEFT_OUT, symlinks=True)

    def build(self):
        done = subprocess.run(['make', '-s', 'programs', 'BUILD=build'], cwd=self.directory, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return '' if done.returncode == 0 else done.stdout

    def test(self, names):
        """{name: ok, FAIL, skip} of each"""
        command = [sys.executable, 'tests/e2e/run.py', '--bin', 'build/bin']
        for name in names:
            command += ['-k', '%s.test_%s' % tuple(('RotationTest.' + name).split('.')[-2:])]
        done = subprocess.run(command, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              env=dict(os.environ, NIXIE_TEST_LIMIT=WAIT_S))
        found = {}
        for case, name, verdict in re.findall(r'^\w+\.(\w+)\.test_(\w+) \([\d.]+ s\) +(ok|FAIL|skip)', done.stdout, re.M):
            name = name if case == 'RotationTest' else '%s.%s' % (case, name)
            found[name] = 'FAIL' if found.get(name) == 'FAIL' else verdict
        return found, done.stdout

    def read(self, file):
        with open(os.path.join(self.directory, file), encoding='utf-8') as f:
            return f.read()

    def write(self, file, text):
        with open(os.path.join(self.directory, file), 'w', encoding='utf-8') as f:
            f.write(text)

    def prove(self, protection):
        """The verdict about one row, and the tests that failed."""
        before = {}
        try:
            for where, text, instead in protection.edits:
                file, problem = find(self.directory, where, text)
                if problem:
                    return 'NO LONGER APPLIES', problem
                now = self.read(file)
                before.setdefault(file, now)
                self.write(file, now.replace(text, instead))
            errors = self.build()
            if errors:
                return 'DOES NOT BUILD', errors.strip().splitlines()[0]
            found, output = self.test(protection.tests)
            failed = [name for name in protection.tests if found.get(name) == 'FAIL']
            if failed:
                return 'fails', ', '.join('test_' + name for name in failed)
            if set(found.values()) != {'ok'}:
                return 'NOT TESTED', output.strip().splitlines()[-1] if output else ''
            return 'PASSES WITHOUT IT', ', '.join('test_' + name for name in protection.tests)
        finally:
            for file, text in before.items():
                self.write(file, text)


def find(tree, where, text):
    """The file that has the text once, and None; or what is wrong."""
    path = os.path.join(tree, where)
    files = [where] if os.path.isfile(path) else [os.path.join(where, name) for name in sorted(os.listdir(path)) if name.endswith(('.c', '.h'))]
    found = {}
    for file in files:
        with open(os.path.join(tree, file), encoding='utf-8') as f:
            found[file] = f.read().count(text)
    if sum(found.values()) != 1:
        return None, '%r is %d times in %s' % (text, sum(found.values()), where)
    return next(file for file, n in found.items() if n), None


def outdated(tree):
    """What no longer applies of the table, as lines."""
    return ['%d %s: %s' % (p.number, p.what, problem) for p in PROTECTIONS
            for problem in (find(tree, where, text)[1] for where, text, _ in p.edits) if problem]


def prove_all(protections, tree, jobs, say):
    """[(protection, verdict, what)]; each copy of the tree takes the next row that is left."""
    with tempfile.TemporaryDirectory(prefix='nixie-protections-') as directory:
        trees = Queue()
        for n in range(jobs):
            trees.put(Tree(tree, os.path.join(directory, str(n))))
        first = trees.queue[0]
        errors = first.build()
        if errors:
            raise SystemExit('the tree does not build:\n' + errors)
        names = sorted({name for p in protections for name in p.tests})
        found, output = first.test(names)
        bad = [name for name in names if found.get(name) not in ('ok', 'skip')]
        if bad:
            raise SystemExit('%s\nfail, or are not there, before anything is taken out: %s' % (output, ', '.join(bad)))

        def prove(protection):
            copy = trees.get()
            try:
                verdict, what = copy.prove(protection)
            finally:
                trees.put(copy)
            say('%2d  %-17s  %s' % (protection.number, verdict, protection.what))
            return protection, verdict, what
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(prove, protections))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('-n', type=int, action='append', metavar='NUMBER', help='only the rows of this number')
    p.add_argument('--jobs', type=int, default=2, help='so many at a time (2)')
    p.add_argument('--tree', default=TOP, help='the source')
    p.add_argument('--list', action='store_true', help='only list the rows')
    options = p.parse_args()
    chosen = [row for row in PROTECTIONS if not options.n or row.number in options.n]
    if options.list:
        for row in chosen:
            print('%2d  %s: %s' % (row.number, row.what, ', '.join('test_' + name for name in row.tests)))
        return 0
    rows = prove_all(chosen, options.tree, options.jobs, lambda line: print(line, flush=True))
    print('\nno.  without                                               verdict            tests')
    for row, verdict, what in rows:
        print('%2d   %-52s  %-17s  %s' % (row.number, row.what, verdict, what))
    without = sorted(set(range(1, 26)) - {row.number for row, verdict, _ in rows if verdict == 'fails'}) if not options.n else []
    if without:
        print('no test of these numbers is proved: %s' % ', '.join(map(str, without)))
    bad = sum(verdict != 'fails' for _, verdict, _ in rows)
    print('%d proved, %d not' % (len(rows) - bad, bad))
    return 1 if bad or without else 0


if __name__ == '__main__':
    sys.exit(main())
