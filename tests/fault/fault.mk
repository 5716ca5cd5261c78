# make chaos: three logs, three readers, one Redis, and whatever can crash does; in the end
# every value must be what one reader in peace gets. See tests/fault/chaos.py.
#
#     make chaos KILLS=200 SEED=7
#
# make check runs a short one: tests/e2e/test_chaos.py. Debian packages: redis-server, redis-tools.

KILLS ?= 60
SEED ?=
CHAOS ?=

.PHONY: chaos
chaos: programs
	@python3 tests/fault/chaos.py --bin $(BUILD)/bin --kills $(KILLS) $(if $(SEED),--seed $(SEED)) $(CHAOS)
