"""The append-only file ends in the middle of what was written of mail that comes back: after a crash of the machine."""
import glob
import os
import subprocess

from harness import returned
from harness.maillog import Message
from harness.nixie import OK
from test_returned_crash import Interrupted


def commands(data):
    """[(where it begins, its words)] of what is RESP, and of what is said between."""
    at, found = 0, []
    while at < len(data):
        begin, words = at, []
        end = data.index(b'\r\n', at)
        n = int(data[at + 1:end]) if data[at:at + 1] == b'*' else 0
        at = end + 2
        for _ in range(n):
            end = data.index(b'\r\n', at)
            size = int(data[at + 1:end])
            words.append(data[end + 2:end + 2 + size])
            at = end + 2 + size + 2
        if words:
            found.append((begin, words))
    return found


class Torn(Interrupted):
    def setUp(self):
        super().setUp()
        # with everysec a kill may lose what was written last
        self.redis.options += ['--appendfsync', 'always']
        self.redis.command('CONFIG', 'SET', 'appendfsync', 'always')
        self.message = Message('news@shop.example')
        self.mail = returned.failed('reader@reader.example', returned.original('<%s@example.org>' % self.message.qid), received=self.when)

    # -- the file ------------------------------------------------------------------------

    def aof(self):
        path, = glob.glob(os.path.join(self.redis.directory, 'appendonlydir', '*.incr.aof'))
        return path

    def keep(self):
        """So far it is now; the server runs anew."""
        self.redis.kill()
        with open(self.aof(), 'rb') as f:
            data = f.read()
        self.redis.start()
        return data

    def again(self, data, fix=False):
        self.redis.kill()
        with open(self.aof(), 'wb') as f:
            f.write(data)
        if fix:
            manifest = os.path.join(self.redis.directory, 'appendonlydir', 'appendonly.aof.manifest')
            done = subprocess.run(['redis-check-aof', '--fix', manifest], input=b'y\n', stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
        self.redis.start()

    def cuts(self, before, after, first):
        """In what was written between: within its transaction's second command, the first one of that kind, the one behind it, the last one."""
        tail = commands(after[len(before):])
        self.assertIn(b'MULTI', [words[0] for _, words in tail])
        kind = next(i for i, (_, words) in enumerate(tail) if words[0] == first[0] and first[1] in words[1])
        multi = max(i for i in range(kind) if tail[i][1] == [b'MULTI'])
        last = next(i for i in range(kind, len(tail)) if tail[i][1] == [b'EXEC'])
        self.assertGreater(last - multi, 4)
        return [len(before) + tail[i][0] + 9 for i in sorted({multi + 2, kind, kind + 1, last})]

    def assertMended(self, before, after, first, mend):
        """mend() does what the programs do by themselves; a second start reads both, the half and the whole."""
        want = self.state()
        for cut in self.cuts(before, after, first):
            for fix in False, True:
                with self.subTest(cut=cut - len(before), fix=fix):
                    self.again(after[:cut], fix)
                    self.assertNotEqual(self.state(), want)
                    mend()
                    self.assertEqual(self.state(), want)
                    self.redis.kill()
                    self.redis.start()
                    self.assertEqual(self.state(), want)

    # -- what is torn --------------------------------------------------------------------

    def receive_it(self):
        self.assertEqual(self.hand_over(self.mail), OK, self.complained)

    def test_who_was_written_to(self):
        """The batch of the log that has it is the next that is written."""
        self.read(Message('news@shop.example').begin(), self.message.begin())
        before = self.keep()
        self.read(self.message.sent('reader@reader.example'))
        after = self.keep()
        self.receive_it()

        def mend():
            self.read()
            self.receive_it()
        self.assertMended(before, after, (b'ZADD', b':sent:'), mend)

    def test_what_it_proves(self):
        self.read(self.message.begin(), self.message.sent('reader@reader.example'))
        before = self.keep()
        self.receive_it()
        self.assertMended(before, self.keep(), (b'HSET', b':addr:'), self.receive_it)

    def test_that_it_came(self):
        self.read(self.message.begin(), self.message.sent('reader@reader.example'))
        before = self.keep()
        self.receive_it()
        self.assertMended(before, self.keep(), (b'HSET', b':mail'), self.receive_it)

    def test_what_is_kept_aside(self):
        before = self.keep()
        self.receive_it()
        self.assertMended(before, self.keep(), (b'XADD', b':aside'), self.receive_it)
