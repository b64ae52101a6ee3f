/* What a fuzz target defines, once for each file fuzz_NAME.c. It must take any bytes, keep nothing
 * from one call to the next, and return 0. Run by libFuzzer (`make fuzz`) and, over
 * test/fuzz/corpus/NAME, by replay.c (`make test`). */
#ifndef KUMONIWA_TEST_FUZZ_H
#define KUMONIWA_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
