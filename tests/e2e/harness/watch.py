"""store-watch: the store as an event loop sees it, see tests/e2e/tools/store-watch.c."""
import os

from .nixie import tool
from .proc import LIMIT, Child, wait_until


class Watch(Child):
    def __init__(self, site):
        site.watches = getattr(site, 'watches', 0) + 1
        into, self._in = os.pipe()
        with os.fdopen(into) as stdin:
            super().__init__('store-watch', [tool('store-watch'), site.conf_path], os.path.join(site.directory, 'watch.%d.log' % site.watches), stdin=stdin)
        site.children.append(self)
        self.seen = 0

    def kill(self):
        super().kill()
        if self._in is not None:
            os.close(self._in)
            self._in = None

    def lines(self):
        return self.log().split('\n')[:-1]

    def mark(self):
        """What is waited for from now on comes behind what has been said."""
        self.seen = len(self.lines())

    def said(self, line):
        return line in self.lines()[self.seen:]

    def wait_for(self, *lines, limit=LIMIT):
        """Until all of them were said, in any order, since the mark."""
        wait_until(lambda: all(map(self.said, lines)), 'lines %r' % (lines,), limit, self)

    def whole(self):
        """Is every change told, as far as it has said?"""
        return next((line == 'whole' for line in reversed(self.lines()) if line in ('whole', 'lost')), False)

    def wait_whole(self, limit=LIMIT):
        wait_until(self.whole, 'watching of all servers', limit, self)

    def ask(self, *addresses):
        os.write(self._in, ''.join('lookup %s\n' % a for a in addresses).encode())

    def answers(self):
        """[(address, result, ms, status)] since the mark"""
        found = [line.split()[1:] for line in self.lines()[self.seen:] if line.startswith('answer ')]
        return [(a, result, int(ms), status) for a, result, ms, status in found]

    def wait_answers(self, n, limit=LIMIT):
        wait_until(lambda: len(self.answers()) >= n, '%d answers' % n, limit, self)
        return self.answers()


def told(w, change, *lines):
    """What is changed is told, line by line; what was said. A machine that stands still for seconds makes the watch lose the servers,
    and rightly tell of everything: then it is changed once more."""
    def tried():
        w.wait_whole()
        w.mark()
        change()
        wait_until(lambda: w.said('lost') or all(map(w.said, lines)), 'lines %r' % (lines,), child=w)
        said = w.lines()[w.seen:]
        return said if 'lost' not in said else None
    return wait_until(tried, 'peace while it was tried', child=w)
