# The only makefile ever invoked.  Each folder contributes a module.mk fragment
# that names its sources; every rule lives here.  `make help` lists the targets.

O       ?= build
ifeq ($(origin CC),default)
CC      := gcc
endif
V       ?= 0
WERROR  ?= 0
SAN     ?=
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
Q       := $(if $(filter 1,$(V)),,@)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

WARN := -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wwrite-strings -Wpointer-arith \
        -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wcast-align \
        -Wimplicit-fallthrough -Wno-format-truncation $(if $(filter 1,$(WERROR)),-Werror)
HARD := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection \
        $(if $(findstring clang,$(CC)),,-ftrivial-auto-var-init=zero) \
        $(if $(SAN),,-D_FORTIFY_SOURCE=3)
LDHARD := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)

CFLAGS  ?= -O2 -g
ALL_CFLAGS   = -std=gnu17 -D_GNU_SOURCE -I. $(WARN) $(HARD) $(SANFLAGS) $(CFLAGS)
ALL_LDFLAGS  = $(LDHARD) $(SANFLAGS) $(LDFLAGS)

LIBS :=
PROGS :=
TESTS :=
FUZZERS :=
# Each names its sources, libraries and programs.  A program in the guest or the tests is no part of `install`.
PRIVATE_PROGS :=
include $(sort $(wildcard */module.mk */*/module.mk test/unit/*.mk test/fuzz/*.mk))

# $1 = library name; uses $1_DIR, $1_SRC (or $1_LIB_SRC, where a program has the same name)
define lib_rules
$1_LIB_OBJ := $$(patsubst %.c,$(O)/$$($1_DIR)/%.o,$$(or $$($1_LIB_SRC),$$($1_SRC)))
ALL_OBJ += $$($1_LIB_OBJ)
$(O)/lib$1.a: $$($1_LIB_OBJ)
	@echo "  AR      $$@"
	$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
endef
# $1 = program name; uses $1_DIR, $1_SRC, $1_LIBS, $1_LDLIBS
define prog_rules
$1_OBJ := $$($1_SRC:%.c=$(O)/$$($1_DIR)/%.o)
ALL_OBJ += $$($1_OBJ)
$(O)/bin/$1: $$($1_OBJ) $$($1_LIBS:%=$(O)/lib%.a)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	$(Q)$(CC) $$(ALL_LDFLAGS) $$($1_LDFLAGS) -o $$@ $$^ $$($1_LDLIBS)
endef
# Each fuzz_x is also linked with a plain main() as replay_x, so `make test` needs no libFuzzer.
define replay_rules
$(O)/bin/replay_$(1:fuzz_%=%): $$($1_OBJ) $(O)/test/fuzz/replay.o $$($1_LIBS:%=$(O)/lib%.a)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	$(Q)$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$($1_LDLIBS)
endef
ALL_OBJ := $(O)/test/fuzz/replay.o
REPLAYS := $(FUZZERS:fuzz_%=$(O)/bin/replay_%)
ifneq ($(findstring fuzzer,$(SAN)),)
$(foreach p,$(FUZZERS),$(eval $p_LDFLAGS := -fsanitize=fuzzer))
endif
$(foreach l,$(LIBS),$(eval $(call lib_rules,$l)))
$(foreach p,$(PROGS) $(PRIVATE_PROGS) $(TESTS) $(FUZZERS),$(eval $(call prog_rules,$p)))
$(foreach p,$(FUZZERS),$(eval $(call replay_rules,$p)))

# Rewritten only when the flags change, so objects never mix two sets of flags.
$(O)/.flags: FORCE
	@mkdir -p $(O)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' >$@

$(O)/%.o: %.c $(O)/.flags
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

## all      every program, in $(O)/bin
all: $(PROGS:%=$(O)/bin/%) $(PRIVATE_PROGS:%=$(O)/bin/%)

## test     unit tests and fuzz corpora: seconds, no privileges
test: $(TESTS:%=$(O)/bin/%) $(REPLAYS)
	$(Q)tools/run-tests $^

## check    what a change must pass: all, test, lint, command-line tests
check: all test lint cli

## cli      command-line tests: bats, seconds to a minute
cli: all
	$(Q)O=$(abspath $(O)) JOBS=$(JOBS) tools/run-bats test/cli

## system   real VMs through the docker CLI: root; KVM or software emulation; JOBS shares at once (2)
JOBS ?= 2
SYSTEM ?= test/system
system: all iso
	$(Q)O=$(abspath $(O)) JOBS=$(JOBS) tools/run-bats $(SYSTEM)

## system-asan  a selection of the system tests with programs under sanitizers, in build-asan: root
SYSTEM_ASAN := $(addprefix test/system/,copy.bats exec.bats health.bats http.bats logs.bats registry.bats)
system-asan: iso asan-programs
	$(Q)O=$(abspath build-asan) VIC_ISO=$(abspath $(O))/iso JOBS=$(JOBS) tools/run-bats $(SYSTEM_ASAN)
asan-programs:
	$(Q)$(MAKE) O=build-asan SAN=address,undefined CFLAGS='-O1 -g' all

## bench    measurements, as ratios within one run: root
bench: all iso
	$(Q)O=$(abspath $(O)) test/bench/run

## soak     SOAK_CONTAINERS (500) short containers, 5 at once, each with exec, cp and logs: root
soak: all iso
	$(Q)O=$(abspath $(O)) test/soak/run
## soak-output  that no byte of output is lost, in SOAK_RUNS (200) containers: root
soak-output: all iso
	$(Q)O=$(abspath $(O)) test/soak/output

## lint     format, layers, headers, shell scripts
lint: check-format check-layers check-headers check-shell
check-format:
	$(Q)git ls-files '*.[ch]' | xargs clang-format --dry-run -Werror
check-layers:
	$(Q)tools/check-layers
check-shell:
	$(Q)tools/check-shell
HDRS = $(sort $(shell git ls-files '*.h' 2>/dev/null))
check-headers: $(HDRS:%=$(O)/%.hdr-ok)
$(O)/%.hdr-ok: %
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -fsyntax-only -include $< -xc /dev/null && touch $@
## tidy     clang-tidy, findings are errors
# One file per process: clang-tidy 14 takes every va_list after the first file's for uninitialised.
tidy:
	$(Q)git ls-files '*.c' | xargs -P $(shell nproc) -n 1 sh -c \
	    'clang-tidy --quiet "$$@" -- -std=gnu17 -D_GNU_SOURCE -I. 2>/dev/null' tidy

## analyze  gcc -fanalyzer over the programs, in build-analyze
# It sees one file at a time, where cJSON_IsString(NULL) may be true and a result unset: no reports of NULL.
analyze:
	$(Q)$(MAKE) O=build-analyze WERROR=1 CFLAGS='-O1 -g -fanalyzer -DVIC_ANALYZE \
	    -Wno-analyzer-null-dereference -Wno-analyzer-null-argument' all

## asan     tests under AddressSanitizer and UBSan, in build-asan
asan:
	$(Q)ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 \
	    UBSAN_OPTIONS=print_stacktrace=1 $(MAKE) O=build-asan SAN=address,undefined CFLAGS='-O1 -g' test
## fuzz     each fuzzer for FUZZ_SECONDS (10), in build-fuzz; needs clang
fuzz:
	$(Q)$(MAKE) O=build-fuzz CC=clang SAN=fuzzer-no-link,address,undefined CFLAGS='-O1 -g' run-fuzz
# What is found goes to the build folder; test/fuzz/corpus holds seeds.
run-fuzz: $(FUZZERS:%=$(O)/bin/%)
	$(Q)for f in $(FUZZERS); do \
	    mkdir -p $(O)/corpus/$$f && $(O)/bin/$$f -max_total_time=$(or $(FUZZ_SECONDS),10) -verbosity=0 \
	        -artifact_prefix=$(O)/corpus/ $(O)/corpus/$$f test/fuzz/corpus/$${f#fuzz_} || exit 1; done

## iso      bootstrap.iso, kernel and initrd of every containerVM, in $(O)/iso
iso: $(TETHER) $(COPIER)
	$(Q)iso/build $(O)/iso $(TETHER) $(COPIER)
## install  programs, the containerVM's ISO and, without DESTDIR, the system users
ISO_FILES := bootstrap.iso vmlinux vmlinuz initrd.img cmdline kernel-version
install: all iso
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(PREFIX)/share/vic $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man8
	install -m 0755 $(PROGS:%=$(O)/bin/%) $(DESTDIR)$(BINDIR)/
	install -m 0644 $(ISO_FILES:%=$(O)/iso/%) $(DESTDIR)$(PREFIX)/share/vic/
	install -m 0644 $(wildcard doc/man/*.1) $(DESTDIR)$(MANDIR)/man1/
	install -m 0644 $(wildcard doc/man/*.8) $(DESTDIR)$(MANDIR)/man8/
	$(if $(DESTDIR),,bash -c '. tools/host.bash && users_ensure')

## clean    remove every build folder
clean:
	rm -rf build build-analyze build-asan build-fuzz
print-programs: # for tests
	@echo $(PROGS)
help:
	@sed -n 's/^## //p' Makefile
FORCE:
.PHONY: FORCE help all test check cli system system-asan asan-programs bench soak soak-output lint check-format \
        check-layers check-headers check-shell tidy analyze asan fuzz run-fuzz iso install \
        print-programs clean

-include $(ALL_OBJ:.o=.d)
