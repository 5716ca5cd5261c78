# nixie: build, run, check, install. `make help` lists the targets.
# README.md tells the two that matter: `make run` and `make check`.

VERSION := 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
CC ?= cc
BUILD ?= build

PKGS_COMMON := libpcre2-8 libconfig libidn2 hiredis
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wpointer-arith -Wswitch-enum -Wconversion
HARDENING := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fstack-clash-protection
OPTIMIZE ?= -O2
CFLAGS ?= -g
NIXIE_CFLAGS := -std=c17 -D_GNU_SOURCE $(WARNINGS) $(OPTIMIZE) $(if $(SANITIZE),,$(HARDENING)) $(SANITIZE) \
	-DNIXIE_VERSION='"$(VERSION)"' -DNIXIE_SYSCONFDIR='"$(SYSCONFDIR)/nixie"'
NIXIE_LDFLAGS := $(SANITIZE) $(if $(SANITIZE),,-pie -Wl,-z,relro,-z,now)
# asked for when a recipe needs them: `make run` installs the libraries first
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS_COMMON) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS_COMMON) 2>/dev/null)

COMMON := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard common/*.c))
LIB := $(BUILD)/libnixie.a
PROGRAMS := $(BUILD)/bin/nixie $(BUILD)/bin/nixie-policyd $(BUILD)/bin/nixie-logtail

.PHONY: all programs
all: deps-build
	@$(MAKE) --no-print-directory programs
programs: $(PROGRAMS) $(BUILD)/share/nixie/rules.d

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(NIXIE_CFLAGS) $(CFLAGS) $(CPPFLAGS) -Icommon $(PKG_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/common/store_redis.o: common/lua/apply.lua

$(LIB): $(COMMON)
	@rm -f $@
	$(AR) rcs $@ $^

LINK = $(CC) $(NIXIE_LDFLAGS) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) $(LIB) $(PKG_LIBS)

$(BUILD)/bin/nixie: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard ctl/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@
$(BUILD)/bin/nixie-policyd: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard policyd/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(LINK) -o $@
$(BUILD)/bin/nixie-logtail: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard logtail/*.c)) $(LIB)
	@mkdir -p $(@D)
	$(LINK) -lz -o $@

# the build tree looks like an installed one: programs find their rules beside them
$(BUILD)/share/nixie/rules.d:
	@mkdir -p $(@D)
	ln -sfn $(abspath conf/rules.d) $@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: deps-build
deps-build:
