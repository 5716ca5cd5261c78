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
