# make bench: nixie against yardsticks, see tests/bench/bench.py.
#
#     make bench BENCH="--lines 200000 --rounds 3 --only policy"
#
# make bench-policy: the policy service alone, against its goals, in some two minutes. While tuning:
#
#     make bench-policy BENCH="--rounds 3 --connections 100"
#     make bench BENCH="--only policy --rounds 3 --connections 1 --connections 500"
#     make bench BENCH="--only smtp"        through a real Postfix, as root
#
# make bench-lists: import, export, list and report against redis-cli with the same keys, see tests/bench/lists.py.
#
#     make bench-lists N=1000000 N1M=2000000 BENCH="--rounds 3"
#
# make bench-mail: nixie receive on generated mail, an mbox and a Maildir of it, against cat of the same files, see tests/bench/returned.py.
#
#     make bench-mail BENCH="--messages 100000 --rounds 3"
#
# make bench-sizes: how much memory an address takes in Redis, see tests/bench/sizes.py.
#
#     make bench-sizes BENCH="--addresses 1000000 --only hard"
#
# Debian packages beside those of the build: python3, redis-server,
# redis-tools (redis-cli, redis-benchmark), libhiredis-dev, postfix (the part smtp). grep and wc are there.

BENCH ?=
BENCH_SOURCES := tests/bench
BUILD ?= build
BENCH_BUILD := $(BUILD)/bench
BENCH_CFLAGS := -std=c17 -D_GNU_SOURCE -O2 $(WARNINGS)

BENCH_TOOLS := genlog policy-load policy-echo ingest-pipeline resp-proxy latency measure classify redis-get smtp-rcpt
BENCH_COMMON := endpoint sample
BENCH_HEADERS := $(wildcard $(BENCH_SOURCES)/*.h)

$(BENCH_BUILD)/%.o: $(BENCH_SOURCES)/%.c $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(BENCH_CFLAGS) -c -o $@ $<

$(addprefix $(BENCH_BUILD)/,policy-load policy-echo ingest-pipeline resp-proxy latency measure redis-get smtp-rcpt): \
$(BENCH_BUILD)/%: $(BENCH_BUILD)/%.o $(BENCH_COMMON:%=$(BENCH_BUILD)/%.o)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(BENCH_LIBS)

$(BENCH_BUILD)/ingest-pipeline $(BENCH_BUILD)/redis-get: BENCH_LIBS = $(shell pkg-config --libs hiredis)
$(BENCH_BUILD)/genlog: BENCH_LIBS = -lm

$(BENCH_BUILD)/genlog: $(patsubst $(BENCH_SOURCES)/%.c,$(BENCH_BUILD)/%.o,$(wildcard $(BENCH_SOURCES)/genlog*.c))
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(BENCH_LIBS)

# measures the engine in process: the one tool that is linked with it. -iquote: <err.h> is the system's
$(BENCH_BUILD)/classify.o: $(BENCH_SOURCES)/classify.c $(wildcard common/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(BENCH_CFLAGS) -iquote common $(PKG_CFLAGS) -c -o $@ $<
$(BENCH_BUILD)/classify: $(BENCH_BUILD)/classify.o $(LIB)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

.PHONY: bench bench-policy bench-lists bench-mail bench-tools bench-sizes
bench-tools: $(BENCH_TOOLS:%=$(BENCH_BUILD)/%)

bench: all bench-tools
	/usr/bin/python3 $(BENCH_SOURCES)/bench.py --bin $(BUILD)/bin --tools $(BENCH_BUILD) $(BENCH)

bench-policy: programs bench-tools
	/usr/bin/python3 $(BENCH_SOURCES)/bench.py --bin $(BUILD)/bin --tools $(BENCH_BUILD) --only policy --only smtp $(BENCH)

N ?= 200000
N1M ?= 1000000
bench-lists: programs bench-tools
	/usr/bin/python3 $(BENCH_SOURCES)/bench.py --bin $(BUILD)/bin --tools $(BENCH_BUILD) --only lists --addresses $(N) --many $(N1M) $(BENCH)

bench-mail: programs bench-tools
	/usr/bin/python3 $(BENCH_SOURCES)/bench.py --bin $(BUILD)/bin --tools $(BENCH_BUILD) --only mail $(BENCH)

bench-sizes: all
	/usr/bin/python3 $(BENCH_SOURCES)/sizes.py --bin $(BUILD)/bin $(BENCH)
