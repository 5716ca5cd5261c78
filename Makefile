# nixie: build, run, check, install. `make help` lists the targets.
# README.md tells the two that matter: `make run` and `make check`.

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
CC ?= cc
BUILD ?= build

PKGS_COMMON := libpcre2-8 libconfig libidn2 hiredis
# of compressed logs and journals: not of policyd
LOG_LIBS := -lz -llzma -lzstd -lsystemd
# of mail that comes back: of nixie alone
MAIL_LIBS = $(shell pkg-config --libs gmime-3.0 2>/dev/null)
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wpointer-arith -Wswitch-enum -Wconversion
HARDENING := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fstack-clash-protection
OPTIMIZE ?= -O2
CFLAGS ?= -g
NIXIE_CFLAGS := -std=c17 -D_GNU_SOURCE $(WARNINGS) $(OPTIMIZE) $(if $(SANITIZE),,$(HARDENING)) $(SANITIZE) \
	-DNIXIE_VERSION='"$(VERSION)"' -DNIXIE_SYSCONFDIR='"$(SYSCONFDIR)/nixie"'
NIXIE_LDFLAGS := $(SANITIZE) $(if $(SANITIZE),,-pie -Wl,-z,relro,-z,now)
# asked for when a recipe needs them: `make run` installs the libraries first
# -isystem: their headers are not held to our warnings (hiredis 1.x has some)
PKG_CFLAGS = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS_COMMON) $(PKGS_TLS) 2>/dev/null)) $(if $(PKGS_TLS),-DNIXIE_TLS)
PKG_LIBS = $(shell pkg-config --libs $(PKGS_COMMON) $(PKGS_TLS) 2>/dev/null)
# TLS=no builds without
TLS ?= $(shell pkg-config --exists 'libssl >= 1.1.1' 2>/dev/null && echo yes)
PKGS_TLS = $(if $(filter yes,$(TLS)),libssl libcrypto)

COMMON := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard common/*.c))
LIB := $(BUILD)/libnixie.a
PROGRAMS := $(BUILD)/bin/nixie $(BUILD)/bin/nixie-policyd $(BUILD)/bin/nixie-logtail

# what `make run` reads, and where it keeps its data: the sample's are not yours
LOG ?= contrib/sample/mail.log
RUNDIR ?= $(if $(filter contrib/sample/mail.log,$(LOG)),run/sample,run)
REDIS ?=

.PHONY: all programs
all: deps-build
	@$(MAKE) --no-print-directory programs
programs: $(PROGRAMS) $(BUILD)/share/nixie/rules.d

# objects are made anew when a path or a flag is another one
FLAGS := $(CC) $(NIXIE_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(PKGS_TLS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(FLAGS))' > $@
FORCE:

$(BUILD)/obj/%.o: %.c Makefile $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(NIXIE_CFLAGS) $(CFLAGS) $(CPPFLAGS) -Icommon $(PKG_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/common/mail.o: PKGS_COMMON += gmime-3.0
$(BUILD)/obj/common/store_redis_write.o: common/lua/apply.lua
$(BUILD)/obj/common/store_redis.o: common/lua/parole.lua
$(BUILD)/obj/ctl/page.o: ctl/page.css

$(LIB): $(COMMON)
	@rm -f $@
	$(AR) rcs $@ $^

LINK = $(CC) $(NIXIE_LDFLAGS) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(LIB) $(PKG_LIBS)

$(BUILD)/bin/nixie: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard ctl/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(LINK) $(LOG_LIBS) $(MAIL_LIBS) -o $@
$(BUILD)/bin/nixie-policyd: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard policyd/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@
$(BUILD)/bin/nixie-logtail: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard logtail/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(LINK) $(LOG_LIBS) -o $@

# the build tree looks like an installed one: programs find their rules beside them
$(BUILD)/share/nixie/rules.d:
	@mkdir -p $(@D)
	ln -sfn $(abspath conf/rules.d) $@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- what a user types

.PHONY: help run check
help:
	@echo "make            build the programs into $(BUILD)/bin"
	@echo "make run        install what is needed, build, and run on LOG=$(LOG)"
	@echo "                RUNDIR=$(RUNDIR)  REDIS=unix:/path or inet:host:port for a server of yours"
	@echo "make check      all tests: unit, end to end with real Redis, Postfix and Exim"
	@echo "make install    DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR)"
	@echo "make bench      figures, as ratios against something measured in the same run"
	@echo "make bench-lists   lists in and out, against redis-cli with the same keys"
	@echo "make bench-mail    mail that comes back, read, against cat of the same files"
	@echo "make bench-policy  the policy service alone, against its goals; in tests/bench/bench.mk how to choose"
	@echo "make accuracy   how right the shipped rules are on tests/corpus"
	@echo "make chaos      kill everything while it reads; KILLS=60 SEED= ON=server|cluster|sentinel PARTITIONS= ; nothing is lost or doubled"
	@echo "make fault      the policy service while Redis suffers: no question unanswered, nobody refused by mistake; a table"
	@echo "make protections  take out of the source what each test of tests/e2e/test_rotation.py tests: it must fail; ROWS=\"-n 5\""
	@echo "make lint layers asan fuzz clean"

run: deps-build deps-run
	@$(MAKE) --no-print-directory -s programs
	@exec contrib/run/nixie-run $(BUILD)/bin conf/nixie.conf "$(RUNDIR)" "$(LOG)" $(REDIS)

# ---- dependencies: Debian packages by group, see contrib/debian/packages

.PHONY: deps-build deps-run deps-test deps-lint deps-bench
deps-build deps-run deps-test deps-lint deps-bench:
	@contrib/debian/install-deps $(@:deps-%=%)

# ---- tests

-include tests/unit/unit.mk
-include tests/fuzz/fuzz.mk
-include tests/bench/bench.mk
-include tests/fault/fault.mk

check: deps-build deps-run deps-test
	@tests/check.sh $(MAKE)

.PHONY: e2e e2e-tools docs layers lint asan accuracy
# what the end-to-end tests look through, linked with the library
e2e-tools: $(BUILD)/test/store-watch $(BUILD)/test/peak
$(BUILD)/test/store-watch $(BUILD)/test/peak: $(BUILD)/test/%: $(BUILD)/obj/tests/e2e/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@
# how right the shipped rules are on the corpus; writes tests/corpus/accuracy.md
accuracy: programs
	@python3 tests/corpus/accuracy.py --nixie $(BUILD)/bin/nixie --table tests/corpus/accuracy.md
e2e: programs e2e-tools
	@python3 tests/e2e/run.py --bin $(BUILD)/bin
docs: programs
	@python3 tests/docs/check_docs.py
layers:
	@tests/layers.sh

lint: deps-build deps-test deps-lint layers
	$(MAKE) --no-print-directory -s programs CC=gcc BUILD=build-gcc CFLAGS="-g -Werror"
	$(MAKE) --no-print-directory -s programs CC=clang BUILD=build-clang CFLAGS="-g -Werror"
	cppcheck --quiet --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem --suppress=ctuuninitvar --error-exitcode=1 \
		--std=c11 -Icommon -D_GNU_SOURCE common logtail policyd ctl
	shellcheck -S warning contrib/run/nixie-run contrib/debian/install-deps tests/*.sh
	@echo "lint: clean"

# everything again with AddressSanitizer and UndefinedBehaviorSanitizer
ASAN = SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" OPTIMIZE=-O1 BUILD=build-asan
asan: deps-build deps-run deps-test
	@$(MAKE) --no-print-directory -s $(ASAN) programs e2e-tools
	@$(MAKE) --no-print-directory -s $(ASAN) unit
	@python3 tests/e2e/run.py --bin build-asan/bin

# ---- installation

MAN := policyd/nixie-policyd.8 logtail/nixie-logtail.8 ctl/nixie.1 conf/nixie.conf.5 conf/nixie-rules.5 \
	common/nixie-redis.7 common/nixie.7
MANDIR := $(PREFIX)/share/man
# where the shells of Debian look; below /usr/local zsh looks elsewhere
COMPLETIONS := bash-completion/completions/nixie $(if $(filter /usr,$(PREFIX)),zsh/vendor-completions,zsh/site-functions)/_nixie \
	fish/vendor_completions.d/nixie.fish
INSTALL ?= install

.PHONY: install uninstall clean
install: all
	$(INSTALL) -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(PREFIX)/sbin $(PREFIX)/share/nixie/rules.d $(PREFIX)/share/doc/nixie \
		$(PREFIX)/lib/systemd/system $(PREFIX)/lib/sysusers.d $(PREFIX)/lib/tmpfiles.d $(SYSCONFDIR)/nixie/rules.d)
	$(INSTALL) -m 755 $(BUILD)/bin/nixie $(DESTDIR)$(PREFIX)/bin/
	$(INSTALL) -m 755 $(BUILD)/bin/nixie-policyd $(BUILD)/bin/nixie-logtail $(DESTDIR)$(PREFIX)/sbin/
	$(INSTALL) -m 644 conf/rules.d/*.conf $(DESTDIR)$(PREFIX)/share/nixie/rules.d/
	$(INSTALL) -m 644 README.md LICENSE conf/nixie.conf $(DESTDIR)$(PREFIX)/share/doc/nixie/
	for file in contrib/postfix/* contrib/exim/* contrib/systemd/README.md contrib/logrotate/* contrib/prometheus/* contrib/grafana/*; do \
		$(INSTALL) -D -m 644 $$file $(DESTDIR)$(PREFIX)/share/doc/nixie/$$file || exit 1; done
	[ -e $(DESTDIR)$(SYSCONFDIR)/nixie/nixie.conf ] || $(INSTALL) -m 644 conf/nixie.conf $(DESTDIR)$(SYSCONFDIR)/nixie/
	for page in $(MAN); do \
		$(INSTALL) -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done
	for to in $(COMPLETIONS); do \
		case $$to in bash*) from=nixie.bash ;; *) from=$${to##*/} ;; esac; \
		$(INSTALL) -D -m 644 contrib/completions/$$from $(DESTDIR)$(PREFIX)/share/$$to || exit 1; done
	for unit in contrib/systemd/*.service contrib/systemd/*.socket; do \
		sed -e 's|/usr/local|$(PREFIX)|g' -e 's|/etc/nixie|$(SYSCONFDIR)/nixie|g' $$unit \
			> $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done
	$(INSTALL) -m 644 contrib/systemd/sysusers.d/nixie.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/
	$(INSTALL) -m 644 contrib/systemd/tmpfiles.d/nixie.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/

# leaves the configuration and the data
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/nixie sbin/nixie-policyd sbin/nixie-logtail lib/sysusers.d/nixie.conf lib/tmpfiles.d/nixie.conf)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/,$(notdir $(wildcard contrib/systemd/*.service contrib/systemd/*.socket)))
	rm -f $(foreach page,$(MAN),$(DESTDIR)$(MANDIR)/man$(lastword $(subst ., ,$(page)))/$(notdir $(page)))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/,$(COMPLETIONS))
	rm -rf $(DESTDIR)$(PREFIX)/share/nixie $(DESTDIR)$(PREFIX)/share/doc/nixie

clean:
	rm -rf build build-asan build-clang build-gcc build-fuzz
