# Builds the benchmark's programs: build/bench/load and build/bench/echo. Include it from the Makefile; its
# own warnings and compiler stand unless the Makefile has set them before (WARNINGS, CC).

BENCH_WARNINGS ?= $(or $(WARNINGS),-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla \
    -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wswitch-enum -Wcast-qual -Wundef -Werror)
BENCH_CFLAGS ?= -std=gnu17 -D_GNU_SOURCE -O2 -g $(BENCH_WARNINGS) -Isrc
BENCH_LOAD := bytes client histogram load longpoll process report sign workload
BENCH_ECHO := bytes echo

.PHONY: bench-programs
bench-programs: build/bench/load build/bench/echo

build/bench/load: $(BENCH_LOAD:%=build/bench/%.o)
	$(CC) -o $@ $^ -lcrypto

build/bench/echo: $(BENCH_ECHO:%=build/bench/%.o)
	$(CC) -o $@ $^

build/bench/%.o: bench/%.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard build/bench/*.d)
