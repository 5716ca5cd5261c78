# make unit: every tests/unit/test_*.c is one program, built into $(BUILD)/test/;
# all are run, and the last line sums up. Debian package beside the build's: libcmocka-dev.

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/test/%,$(wildcard tests/unit/test_*.c))
UNIT_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard logtail/*.c)) policyd/proto.c policyd/metrics.c policyd/cache.c policyd/http.c policyd/activation.c \
	policyd/socketmap.c policyd/status_filter.c ctl/table.c ctl/spark.c ctl/frame.c ctl/screen.c ctl/typo.c ctl/rows.c ctl/lists.c ctl/exchange.c ctl/html.c ctl/chart.c ctl/exposition.c ctl/json.c)

$(BUILD)/test/%.o: tests/unit/%.c Makefile tests/unit/unit.mk
	@mkdir -p $(@D)
	$(CC) $(NIXIE_CFLAGS) $(CFLAGS) $(CPPFLAGS) -Icommon -Ilogtail -Ipolicyd -Ictl $(PKG_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/test/test_model: $(BUILD)/test/model.o

$(UNIT_TESTS): %: %.o $(UNIT_OBJECTS) $(LIB)
	$(LINK) -lcmocka $(LOG_LIBS) $(MAIL_LIBS) -o $@

.PHONY: unit unit-programs
unit-programs: $(UNIT_TESTS)
unit: unit-programs
	@tests/unit/run.sh $(UNIT_TESTS)

-include $(wildcard $(BUILD)/test/*.d)
