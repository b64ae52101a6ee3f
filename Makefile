# Kumoniwa. `make help` lists what can be made; everything that is made stands under build/.
#
# Sources are found by pattern: a new file under src/, test/ or bench/ needs no line here.
#   src/*/*.c src/services/*/*.c   the program           test/{unit,service,wire}/test_*.c  one cmocka program each
#   build/gen/*.c                  made by the generator test/{unit,service,wire,support}/ others: linked to every test
#   bench/*.c with a main()        one program each      build/gen/test/*.c    generated for tests alone, linked too
#   bench/*.c without              linked to them        test/fuzz/fuzz_*.c    one fuzz target each
# Variables: V=1 shows the commands; PROGRAM=build/asan/kumoniwa runs the end-to-end tests against that one;
# FUZZ_SECONDS per target; PYTEST_JOBS; PREFIX and DESTDIR for install.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
SHELL := /bin/bash

PREFIX ?= /usr/local
PROGRAM ?= build/kumoniwa
FUZZ_SECONDS ?= 30
PYTEST_JOBS ?= 2
V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
else
say = @:
endif

# --- set-up and generated sources ---------------------------------------------------------------------------------
# build/gen/sources.mk is included below, so make brings it up to date first (installing what is missing, running
# the generator) and then starts over, seeing the generated files.

# $(1) a file, $(2) its text: rewritten only when the text differs, so that others can depend on it.
define keep_text
$(if $(filter-out $(file <$(1)),$(2))$(filter-out $(2),$(file <$(1))),$(shell mkdir -p $(dir $(1)))$(file >$(1),$(2)))
endef

quiet_goals := help clean distclean uninstall format
ifneq ($(filter-out $(quiet_goals),$(or $(MAKECMDGOALS),build)),)
$(call keep_text,build/service-sources.list,$(sort $(wildcard src/services/*/*.c)))
include build/gen/sources.mk
endif

not_generator := tools/run-tests.py tools/compile-commands.py tools/test_generate.py
generator_inputs := $(filter-out $(not_generator),$(wildcard tools/*.py)) models/services.list \
	$(wildcard models/*/* models/*/*/* src/*/*.records src/services/*/unimplemented.txt src/services/*/*.records \
	src/services/*/iam.list src/services/*/managed/*.json src/functions/runtimes/* \
	src/functions/runtimes/*/* test/wire/vectors.skip) build/service-sources.list

# The generator asks which services have code: a file more or less under src/services is news to it.
build/service-sources.list: build/setup/build
	@touch $@

build/gen/sources.mk: build/setup/build $(generator_inputs)
	@mkdir -p build/gen
	$(if $(wildcard tools/generate.py),$(Q)build/venv/bin/python tools/generate.py \
		--models build/models/botocore/data --list models/services.list --services src/services \
		--overlays models/overlays --out build/gen)
	@echo '# When this file was made, build/gen was up to date.' >$@

export SETUP_ALSO := $(if $(filter test% check asan tsan setup,$(MAKECMDGOALS)),test) \
	$(if $(filter check fuzz setup,$(MAKECMDGOALS)),check) $(if $(filter bench,$(MAKECMDGOALS)),bench)
build/setup/build: tools/setup.sh tools/packages.build models/botocore.txt
	@tools/setup.sh build
build/setup/test: build/setup/build tools/packages.test test/e2e/requirements.txt test/e2e/layers.txt \
		$(wildcard test/e2e/js/package-lock.json)
	@tools/setup.sh test
build/setup/check: build/setup/build tools/packages.check
	@tools/setup.sh check
build/setup/bench: build/setup/build tools/packages.bench
	@tools/setup.sh bench

# --- compiling ----------------------------------------------------------------------------------------------------

CC := gcc
CLANG := clang
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
ccache := $(if $(shell command -v ccache),ccache)

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wswitch-enum -Wcast-qual -Wundef -Werror
common := -std=gnu17 -D_GNU_SOURCE -Isrc -Ibuild -isystem /usr/include/libxml2 -pthread -fno-pie -ffunction-sections -fdata-sections \
	-fdebug-prefix-map=$(CURDIR)=.
sanitize := -O1 -g -fno-omit-frame-pointer -Wno-maybe-uninitialized -Wno-format-overflow

# One variant a folder under build/: its compiler and its flags.
release_cc := $(ccache) $(CC)
release_flags := -O2 -g -fno-plt -fstack-protector-strong -D_FORTIFY_SOURCE=2
asan_cc := $(ccache) $(CC)
asan_flags := $(sanitize) -fsanitize=address,undefined -fno-sanitize-recover=all
tsan_cc := $(ccache) $(CC)
tsan_flags := $(sanitize) -fsanitize=thread
fuzz_cc := $(ccache) $(CLANG)
fuzz_flags := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
variants := release asan tsan fuzz

# Generated sources are tables: compiled once, plainly, and linked into every variant.
generated_flags := -std=gnu17 -D_GNU_SOURCE -Isrc -Ibuild -fno-pie -fdata-sections -ffunction-sections -O1 -g0 -Wall \
	-Werror

# The static libmicrohttpd: src/http stands in for parts of it (pool.c, tls.c, what is wrapped), see src/http/README.md;
# -u makes tests, which link against an archive, take pool.c in too.
libraries := -l:libmicrohttpd.a -llmdb -lexpat -lpcre2-8 -lssl -lcrypto -lcurl -lyaml -lseccomp -lz -lbz2 -lm
wrapped := MHD_str_equal_caseless_bin_n_ MHD_str_to_uint64_n_ accept4
link := -no-pie -pthread -Wl,-u,MHD_pool_create $(wrapped:%=-Wl,--wrap=%) -Wl,--as-needed -Wl,--gc-sections -Wl,-O1 -Wl,-z,relro

main_source := src/cli/main.c
sources := $(sort $(wildcard src/*/*.c src/services/*/*.c))
library_sources := $(filter-out $(main_source),$(sources))
generated := $(sort $(wildcard build/gen/*.c))
generated_for_tests := $(sort $(wildcard build/gen/test/*.c))
test_folders := unit service wire
test_sources := $(sort $(wildcard $(test_folders:%=test/%/test_*.c)))
support_sources := $(sort $(filter-out $(test_sources),$(wildcard $(test_folders:%=test/%/*.c) test/support/*.c)))
fuzz_sources := $(sort $(wildcard test/fuzz/fuzz_*.c))
bench_sources := $(sort $(wildcard bench/*.c))
bench_mains := $(if $(bench_sources),$(sort $(shell grep -l '^int main\>' $(bench_sources))))
bench_support := $(filter-out $(bench_mains),$(bench_sources))

bench_programs := $(bench_mains:%.c=build/%)
bench_objects := $(bench_support:%.c=build/release/%.o)
generated_objects := $(generated:build/gen/%.c=build/release/gen/%.o)
generated_test_objects := $(generated_for_tests:build/gen/%.c=build/release/gen/%.o)

define variant_rules
$(1)_objects := $$(library_sources:%.c=build/$(1)/%.o)
$(1)_support := $$(support_sources:%.c=build/$(1)/%.o)
$$($(1)_support) $$(test_sources:%.c=build/$(1)/%.o) $$(fuzz_sources:%.c=build/$(1)/%.o): | build/setup/test
$(call keep_text,build/$(1)/flags,$($(1)_cc) $(warnings) $(common) $($(1)_flags))
build/$(1)/test/%.o: defines := -Itest
build/$(1)/%.o: %.c build/$(1)/flags
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$($(1)_cc) $$(warnings) $$(common) $$($(1)_flags) $$(defines) -MMD -MP -c $$< -o $$@
# Archives, so that a test takes in what it uses and no more.
build/$(1)/libkumoniwa.a: $$($(1)_objects) $$(generated_objects) build/$(1)/members
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcsT $$@ $$(filter %.o,$$^)
build/$(1)/libsupport.a: $$($(1)_support) $$(generated_test_objects) build/$(1)/members
	$$(Q)rm -f $$@ && ar rcsT $$@ $$(filter %.o,$$^)
$(call keep_text,build/$(1)/members,$(library_sources) $(generated) $(support_sources) $(generated_for_tests))
build/$(1)/kumoniwa: build/$(1)/$$(main_source:.c=.o) $$($(1)_objects) $$(generated_objects) build/$(1)/members
	$$(call say,LINK,$$@)
	$$(Q)$$($(1)_cc) $$($(1)_flags) $$(link) $$(filter %.o,$$^) -o $$@ $$(libraries)
# Named, so that make sees that it can be made: else it may prefer the rule after the next, which has no main().
build/$(1)/test/fuzz/replay.o: test/fuzz/replay.c
build/$(1)/test/fuzz/%: build/$(1)/test/fuzz/%.o $$(if $$(filter fuzz,$(1)),,build/$(1)/test/fuzz/replay.o) \
		build/$(1)/libsupport.a build/$(1)/libkumoniwa.a
	$$(call say,LINK,$$@)
	$$(Q)$$($(1)_cc) $$(subst fuzzer-no-link,fuzzer,$$($(1)_flags)) $$(link) $$^ -o $$@ $$(libraries)
build/$(1)/test/%: build/$(1)/test/%.o build/$(1)/libsupport.a build/$(1)/libkumoniwa.a
	$$(call say,LINK,$$@)
	$$(Q)$$($(1)_cc) $$($(1)_flags) $$(link) $$^ -o $$@ -lcmocka $$(libraries)
endef
ifneq ($(filter-out $(quiet_goals),$(or $(MAKECMDGOALS),build)),)
$(foreach variant,$(variants),$(eval $(call variant_rules,$(variant))))
$(eval $(call keep_text,build/release/gen/flags,$(release_cc) $(generated_flags)))
endif

$(fuzz_objects) $(fuzz_support) $(fuzz_sources:%.c=build/fuzz/%.o): | build/setup/check

build/release/gen/%.o: build/gen/%.c build/release/gen/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(release_cc) $(generated_flags) -MMD -MP -c $< -o $@

# The debug information stands beside the program, where gdb finds it.
build/kumoniwa: build/release/kumoniwa
	$(Q)objcopy --only-keep-debug $< build/kumoniwa.debug
	$(Q)objcopy --strip-debug --strip-unneeded --add-gnu-debuglink=build/kumoniwa.debug $< $@.new
	$(Q)mv $@.new $@
	@size=$$(stat -c %s $@); echo "  $@: $$((size / 1024)) KiB"; \
		test $$size -lt 19000000 || { echo "error: $@ is larger than 19 MB"; exit 1; }

-include $(wildcard build/*/src/*/*.d build/*/src/services/*/*.d build/*/test/*/*.d build/*/bench/*.d \
	build/release/gen/*.d build/release/gen/test/*.d)

# --- what can be made ---------------------------------------------------------------------------------------------

.PHONY: help build run test test-unit test-e2e test-crash test-sdks check bench fuzz tsan asan install uninstall clean \
	distclean format pages setup

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

build: build/kumoniwa compile_commands.json ## build/kumoniwa (the default)

run: build ## set up, build, and serve on 127.0.0.1:4566
	@build/kumoniwa serve $(ARGS)

setup: build/setup/build build/setup/test build/setup/check ## install what building, testing and checking need

test_programs = $(test_sources:%.c=build/$(1)/%)
replay_programs = $(fuzz_sources:%.c=build/$(1)/%)
unittests := $(wildcard tools/test_*.py bench/check_*.py)
run_tests = build/venv/bin/python tools/run-tests.py --program $(PROGRAM) --pytest-jobs $(PYTEST_JOBS)

asan: build/asan/kumoniwa ## the program with AddressSanitizer and UBSan
test: build/setup/test $(PROGRAM) $(bench_programs) $(call test_programs,asan) $(call replay_programs,asan) ## all tests but those of the SDKs
	@$(run_tests) --cmocka $(call test_programs,asan) --replay $(call replay_programs,asan) --unittest $(unittests) --pytest test/e2e test/crash
test-unit: build/setup/test $(bench_programs) $(call test_programs,asan) $(call replay_programs,asan) ## unit, service and wire tests
	@$(run_tests) --cmocka $(call test_programs,asan) --replay $(call replay_programs,asan) --unittest $(unittests)
test-e2e: build/setup/test $(PROGRAM) ## unmodified clients against the program
	@$(run_tests) --pytest test/e2e
test-crash: build/setup/test $(PROGRAM) ## kill the program again and again, and look for what it lost
	@$(run_tests) --pytest test/crash
test-sdks: $(PROGRAM) ## the SDKs for Go, Java and Rust, as far as their toolchains are here
	@build/venv/bin/python test/sdks/run.py --program $(PROGRAM)
tsan: build/setup/test build/tsan/kumoniwa $(call test_programs,tsan) ## unit, service and wire tests with ThreadSanitizer
	@$(run_tests) --no-aslr --cmocka $(call test_programs,tsan)

compatibility: build/gen/sources.mk ## docs/compatibility.md, from the code
	@build/venv/bin/python tools/compatibility.py

fuzz: build/setup/check $(call replay_programs,fuzz) ## every fuzz target for FUZZ_SECONDS
	@tools/fuzz.sh $(FUZZ_SECONDS) $(call replay_programs,fuzz)

check: build/setup/check build/setup/test build/kumoniwa compile_commands.json ## everything that can be said about the code without running it
	@build/venv/bin/python tools/checks/all.py
format: ## lay out all C sources
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

build/release/libbench.a: $(bench_objects)
	$(Q)rm -f $@ && ar rcsT $@ $^
$(bench_programs): build/%: build/release/%.o build/release/libbench.a build/release/libkumoniwa.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(release_cc) $(release_flags) $(link) $^ -o $@ $(libraries)
bench: build/setup/bench build/kumoniwa $(bench_programs) ## the benchmark
	@KUMONIWA=$(abspath build/kumoniwa) bench/run

compile_commands.json: build/sources.list Makefile tools/compile-commands.py
	@build/venv/bin/python tools/compile-commands.py --out $@ --sources build/sources.list -- \
		$(CC) $(warnings) $(common) $(release_flags) -Itest
build/sources.list: build/setup/build
	@touch $@
$(call keep_text,build/sources.list,$(sources) $(test_sources) $(support_sources) $(fuzz_sources) \
	$(wildcard test/fuzz/replay.c) $(bench_sources))

unit_folder := $(PREFIX)/lib/systemd/system
install: build/kumoniwa ## program, man page, completions, systemd unit: under $(DESTDIR)$(PREFIX)
	install -D -m 755 build/kumoniwa $(DESTDIR)$(PREFIX)/bin/kumoniwa
	install -D -m 644 docs/kumoniwa.1 $(DESTDIR)$(PREFIX)/share/man/man1/kumoniwa.1
	install -D -m 644 tools/completions/kumoniwa.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kumoniwa
	install -D -m 644 tools/completions/_kumoniwa $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kumoniwa
	install -D -m 644 tools/completions/kumoniwa.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/kumoniwa.fish
	install -d $(DESTDIR)$(unit_folder)
	sed 's|@BINDIR@|$(PREFIX)/bin|' tools/kumoniwa.service.in >$(DESTDIR)$(unit_folder)/kumoniwa.service
	chmod 644 $(DESTDIR)$(unit_folder)/kumoniwa.service
uninstall: ## what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/kumoniwa $(DESTDIR)$(PREFIX)/share/man/man1/kumoniwa.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/kumoniwa \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_kumoniwa \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/kumoniwa.fish $(DESTDIR)$(unit_folder)/kumoniwa.service

clean: ## what was compiled and generated; keeps what was fetched
	rm -rf build/release build/asan build/tsan build/fuzz build/bench build/gen build/check build/kumoniwa \
		build/kumoniwa.debug build/sources.list build/results compile_commands.json
distclean: ## all of build/
	rm -rf build compile_commands.json
