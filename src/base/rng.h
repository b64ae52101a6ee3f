/* Randomness. Secrets and ids come from the kernel through a per-thread buffer; tests fix the seed.
 */
#ifndef KUMONIWA_BASE_RNG_H
#define KUMONIWA_BASE_RNG_H

#include "base/str.h"

void rng_bytes(void *out, size_t len);
uint64_t rng_u64(void);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(uint64_t bound);
/* 36 characters, RFC 9562 version 4, into out; not NUL-terminated. */
void rng_uuid(char out[36]);
/* len characters of the alphabet. */
struct str rng_text(struct arena *arena, struct str alphabet, size_t len);

/* Tests only: makes this thread's stream a function of the seed (0: back to the kernel). */
void rng_set_seed(uint64_t seed);

#endif
