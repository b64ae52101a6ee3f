#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/result.h"

enum { FIRST_CAP = 128 };

void buf_init(struct buf *buf, struct arena *arena, size_t max)
{
    ASSERT(arena != NULL);
    *buf = (struct buf){.arena = arena, .max = max};
}

void buf_init_fixed(struct buf *buf, char *memory, size_t size)
{
    *buf = (struct buf){.ptr = memory, .cap = size, .max = size};
}

bool buf_reserve(struct buf *buf, size_t more)
{
    if (buf->full)
        return false;
    if (more <= buf->cap - buf->len)
        return true;
    if (more > buf->max - buf->len) {
        buf->full = true;
        return false;
    }
    size_t needed = buf->len + more;
    size_t cap = buf->cap > buf->max / 2 ? buf->max : buf->cap * 2;
    if (cap < needed)
        cap = needed;
    if (cap < FIRST_CAP)
        cap = FIRST_CAP < buf->max ? FIRST_CAP : buf->max;
    buf->ptr = arena_grow(buf->arena, buf->ptr, buf->len, cap);
    buf->cap = cap;
    return true;
}

void buf_append_slow(struct buf *buf, struct str s)
{
    if (s.len > 0 && buf_reserve(buf, s.len)) {
        memcpy(buf->ptr + buf->len, s.ptr, s.len);
        buf->len += s.len;
    }
}

void buf_append_c(struct buf *buf, const char *c)
{
    buf_append(buf, str_from_c(c));
}

static const char digit_pairs[201] = "00010203040506070809"
                                     "10111213141516171819"
                                     "20212223242526272829"
                                     "30313233343536373839"
                                     "40414243444546474849"
                                     "50515253545556575859"
                                     "60616263646566676869"
                                     "70717273747576777879"
                                     "80818283848586878889"
                                     "90919293949596979899";

enum { DIGITS_MAX = 20 };

/* Writes the digits so that they end before `end`; returns their beginning. */
static char *write_digits(char *end, uint64_t n)
{
    while (n >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + n % 100 * 2, 2);
        n /= 100;
    }
    if (n >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + n * 2, 2);
    } else {
        *--end = (char)('0' + n);
    }
    return end;
}

void buf_append_u64(struct buf *buf, uint64_t n)
{
    char digits[DIGITS_MAX];
    char *begin = write_digits(digits + DIGITS_MAX, n);
    buf_append(buf, str_make(begin, (size_t)(digits + DIGITS_MAX - begin)));
}

void buf_append_i64(struct buf *buf, int64_t n)
{
    char digits[DIGITS_MAX + 1];
    char *end = digits + DIGITS_MAX + 1;
    char *begin = write_digits(end, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
    if (n < 0)
        *--begin = '-';
    buf_append(buf, str_make(begin, (size_t)(end - begin)));
}

void buf_append_format(struct buf *buf, const char *format, ...)
{
    /* Not straight into the buffer: vsnprintf wants a byte for its NUL that the maximum may forbid.
     */
    char small[512];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    ASSERT(len >= 0);
    if ((size_t)len < sizeof(small)) {
        buf_append(buf, str_make(small, (size_t)len));
        return;
    }
    char *large = heap_alloc((size_t)len + 1);
    va_start(arguments, format);
    vsnprintf(large, (size_t)len + 1, format, arguments);
    va_end(arguments);
    buf_append(buf, str_make(large, (size_t)len));
    heap_free(large);
}
