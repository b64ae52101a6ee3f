/* Growing byte buffers of the benchmark programs: reused for request after request, so that the
 * steady state of a run allocates nothing. Running out of memory ends the program. */
#ifndef KUMONIWA_BENCH_BYTES_H
#define KUMONIWA_BENCH_BYTES_H

#include "base/str.h"

struct bytes {
    char *ptr;
    size_t len;
    size_t cap;
};

/* Prints "PROGRAM: text" on standard error and exits with 1. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* Makes room for `more` bytes behind len. */
void bytes_reserve(struct bytes *bytes, size_t more);
void bytes_release(struct bytes *bytes);

static inline void bytes_append(struct bytes *bytes, struct str s)
{
    if (bytes->cap - bytes->len < s.len)
        bytes_reserve(bytes, s.len);
    if (s.len != 0)
        memcpy(bytes->ptr + bytes->len, s.ptr, s.len);
    bytes->len += s.len;
}

static inline struct str bytes_str(const struct bytes *bytes)
{
    return str_make(bytes->ptr == NULL ? "" : bytes->ptr, bytes->len);
}

void bytes_append_u64(struct bytes *bytes, uint64_t n);
/* Exactly `digits` lower-case hexadecimal digits, the low ones of n. */
void bytes_append_hex(struct bytes *bytes, uint64_t n, size_t digits);
/* The inside of a JSON string; s must be UTF-8. */
void bytes_append_json(struct bytes *bytes, struct str s);

/* Index of needle in s at or after `from`, or SIZE_MAX. */
size_t bytes_find(struct str s, size_t from, struct str needle);

/* Raises the limit of open descriptors to the hard limit; returns it. */
uint64_t raise_descriptor_limit(void);

#endif
