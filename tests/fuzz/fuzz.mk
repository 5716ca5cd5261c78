# make fuzz: every tests/fuzz/fuzz_NAME.c is a libFuzzer target, run for FUZZ_SECONDS
# from the seeds in tests/fuzz/seeds/NAME, or else tests/corpus/NAME; stops at a finding, which it leaves in
# build-fuzz/found. make fuzz-seeds: the seeds only. FUZZ=NAME... chooses among them.
# Debian packages beside the build's: clang libclang-rt-14-dev.

FUZZ_SECONDS ?= 20
FUZZ ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BUILD := build-fuzz
FUZZ_MAX_LEN := 4096
# long enough for a request that is too long
FUZZ_MAX_LEN_PROTO := 20000
# a report with a long line of its own
FUZZ_MAX_LEN_MAIL := 40000
FUZZ_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard logtail/*.c)) policyd/proto.c policyd/http.c policyd/socketmap.c ctl/rows.c ctl/lists.c ctl/exchange.c)
# fuzzer-no-link: for the code under test; the targets are linked with the fuzzer itself
FUZZ_MAKE = $(MAKE) --no-print-directory -s CC=clang BUILD=$(FUZZ_BUILD) OPTIMIZE=-O1 \
	SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

$(BUILD)/fuzz/%.o: tests/fuzz/%.c Makefile tests/fuzz/fuzz.mk
	@mkdir -p $(@D)
	$(CC) $(NIXIE_CFLAGS) $(CFLAGS) $(CPPFLAGS) -Icommon -Ilogtail -Ipolicyd -Ictl $(PKG_CFLAGS) -MMD -MP -c $< -o $@

$(FUZZ:%=$(BUILD)/fuzz/fuzz_%): %: %.o $(FUZZ_OBJECTS) $(LIB)
	$(LINK) -fsanitize=fuzzer $(LOG_LIBS) $(MAIL_LIBS) -o $@

.PHONY: fuzz fuzz-seeds fuzz-programs
fuzz-programs: $(FUZZ:%=$(BUILD)/fuzz/fuzz_%)

fuzz:
	@$(FUZZ_MAKE) fuzz-programs
	@for name in $(FUZZ); do \
		mkdir -p $(FUZZ_BUILD)/corpus/$$name $(FUZZ_BUILD)/found; \
		max=$(FUZZ_MAX_LEN); case $$name in proto|http|socketmap) max=$(FUZZ_MAX_LEN_PROTO) ;; mail) max=$(FUZZ_MAX_LEN_MAIL) ;; esac; \
		log=$(FUZZ_BUILD)/found/$$name.log; dict=tests/fuzz/$$name.dict; test -e $$dict || dict=/dev/null; \
		seeds=tests/fuzz/seeds/$$name; test -d $$seeds || seeds=tests/corpus/$$name; \
		$(FUZZ_BUILD)/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -max_len=$$max -timeout=10 -rss_limit_mb=1024 \
			-dict=$$dict -artifact_prefix=$(FUZZ_BUILD)/found/$$name- $(FUZZ_BUILD)/corpus/$$name $$seeds >$$log 2>&1 || \
			{ tail -n 60 $$log; echo "fuzz: $$name failed"; exit 1; }; \
		echo "fuzz: $$name: $$(sed -n 's/^Done //p' $$log), nothing found"; \
	done

fuzz-seeds:
	@$(FUZZ_MAKE) fuzz-programs
	@for name in $(FUZZ); do \
		seeds=tests/fuzz/seeds/$$name; test -d $$seeds || seeds=tests/corpus/$$name; \
		$(FUZZ_BUILD)/fuzz/fuzz_$$name -runs=0 -timeout=10 $$seeds >$(FUZZ_BUILD)/$$name.log 2>&1 || \
			{ cat $(FUZZ_BUILD)/$$name.log; echo "fuzz-seeds: $$name failed"; exit 1; }; \
	done
	@echo "$(words $(FUZZ)) passed, 0 failed"

-include $(wildcard $(BUILD)/fuzz/*.d)
