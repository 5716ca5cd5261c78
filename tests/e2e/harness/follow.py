"""A log, the reader that follows it, and a count of what was written, which Redis must have too."""
from .case import Case
from .maillog import delivered, hard


def append(path, data):
    with open(path, 'ab') as f:
        f.write(data if isinstance(data, bytes) else data.encode('utf-8', 'surrogateescape'))


class FollowCase(Case):
    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        self.log = self.site.log_path
        self.sent = self.hard = 0

    def impatient(self):
        """Before the reader starts: that Redis hangs is noticed soon."""
        self.site.options['redis']['timeout'] = '1s'
        self.site.write_conf()

    # What has been written is counted here, and must be counted there.

    def deliveries(self, n):
        first, self.sent = self.sent, self.sent + n
        return ''.join(delivered('ok%d@example.com' % i) for i in range(first, self.sent))

    def bounces(self, n):
        first, self.hard = self.hard, self.hard + n
        return ''.join(hard('gone%d@example.com' % i) for i in range(first, self.hard))

    def mixed(self, n):
        return ''.join(self.deliveries(2) + self.bounces(1) for _ in range(n))

    def settle(self):
        """Wait until all is counted; a last delivery makes sure that nothing comes after."""
        append(self.log, self.deliveries(1))
        self.site.wait_counter('delivered', self.sent)
        self.exact()

    def exact(self):
        """Nothing lost, nothing doubled, and the right ones suppressed."""
        got = {k: v for k, v in self.site.counters().items()
               if k in ('delivered', 'hard', 'soft', 'hard-as-soft', 'soft-to-hard')}
        wanted = {'delivered': self.sent, 'hard': self.hard}
        self.assertEqual(got, {k: v for k, v in wanted.items() if v})
        for i in range(self.hard):
            self.assertEqual(self.site.status('gone%d@example.com' % i), 'hard')
