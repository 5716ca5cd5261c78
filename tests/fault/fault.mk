# make chaos: three logs, three readers, one Redis or a cluster, and whatever can crash does; in the
# end every value must be what one reader in peace gets. See tests/fault/chaos.py.
#
#     make chaos KILLS=200 SEED=7
#     make chaos KILLS=200 ON=cluster
#     make chaos KILLS=100 ON=sentinel
#     make chaos KILLS=100 ON=server PARTITIONS=64
#
# make check runs short ones: tests/e2e/test_chaos.py. Debian packages: redis-server, redis-tools.

KILLS ?= 60
SEED ?=
ON ?= server
PARTITIONS ?=
CHAOS ?=

.PHONY: chaos
chaos: programs
	@python3 tests/fault/chaos.py --bin $(BUILD)/bin --kills $(KILLS) --on $(ON) $(if $(PARTITIONS),--partitions $(PARTITIONS)) $(if $(SEED),--seed $(SEED)) $(CHAOS)

# make fault: what the policy service answers while Redis is stopped, paused, killed, full, slow, talks nonsense ...,
# with a real Postfix in front; a table of figures, in some four minutes. As root. See tests/fault/policy_faults.py.
#
#     make fault FAULT="--only paused --only killed --seconds 20"
#     make fault FAULT=--list
#
# make check runs short ones: tests/e2e/test_policy_faults.py.

FAULT ?=

.PHONY: fault
fault: programs
	@python3 tests/fault/policy_faults.py --bin $(BUILD)/bin $(FAULT)

# make protections: is each test of tests/e2e/test_rotation.py worth something? What it tests is taken out of a
# copy of the source, and then it must fail. Takes some ten minutes; not part of make check. See tests/fault/protections.py.
#
#     make protections ROWS="-n 5 -n 6"
#     make protections ROWS=--list

ROWS ?=

.PHONY: protections
protections:
	@python3 tests/fault/protections.py $(ROWS)
