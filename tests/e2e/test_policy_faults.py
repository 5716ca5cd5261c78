"""A short `make fault`: Redis suffers; every question is answered in time, nobody is refused by mistake."""
import os
import sys

from harness.case import Case
from harness.nixie import REPOSITORY, Site
from harness.peace import PartitionedSite
from harness.postfix import Postfix

sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))

import policy_faults    # noqa: E402

# On a busy machine; what hangs, hangs for longer.
SLACK_S = 5.0


class Faults(Case):
    at_a_time = 3

    def make(self, directory, stage):
        site = PartitionedSite(directory, stage, stage.partitions) if stage.partitions > 1 else Site(directory, stage)
        self.addCleanup(site.stop)
        return site

    def survive(self, name, seconds=1.5):
        run = policy_faults.Run(name, self.directory, self.make, seconds, rate=400, connections=30).run()
        self.assertGreater(len(run.during()), 50)
        self.assertEqual(run.problems(SLACK_S), [])
        return run

    def test_stopped(self):
        self.survive('stopped')

    def test_paused(self):
        run = self.survive('paused')
        self.assertTrue(run.during(policy_faults.NEW))

    def test_killed(self):
        self.survive('killed')

    def test_fail_over(self):
        self.survive('fail-over')

    def test_master_of_a_cluster_killed(self):
        self.survive('cluster')

    def test_out_of_memory(self):
        self.survive('out-of-memory')

    def test_read_only(self):
        self.survive('read-only')

    def test_wrong_type(self):
        self.survive('wrong-type')

    def test_silent(self):
        self.survive('silent')

    def test_half_an_answer(self):
        self.survive('half')

    def test_garbage(self):
        self.survive('garbage')

    def test_wrong_replies(self):
        self.survive('wrong-replies')

    def test_closing(self):
        self.survive('closing')

    def test_slow(self):
        self.survive('slow')

    def test_too_slow(self):
        self.survive('too-slow')

    def test_black_hole(self):
        self.survive('black-hole')


class WithPostfix(Case):
    """Mail flows, and Postfix has nothing to say about the service."""

    def survive(self, name, seconds):
        postfix = Postfix(self.directory, 9, os.path.join(self.directory, 'maillog'))
        self.addCleanup(postfix.stop)
        postfix.configure(default_transport='discard:')
        postfix.start()

        def make(directory, stage):
            site = Site(directory, stage)
            self.addCleanup(site.stop)
            site.options['policyd']['listen'].append('unix:' + postfix.policy_path)
            site.write_conf()
            return site
        run = policy_faults.Run(name, self.directory, make, seconds, rate=200, connections=10, postfix=postfix).run()
        self.assertEqual(run.problems(SLACK_S), [])
        self.assertGreater(len(run.mail.took), 20)

    def test_paused(self):
        self.survive('paused', 3.0)

    def test_black_hole(self):
        self.survive('black-hole', 2.0)
