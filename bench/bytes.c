#include "bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/arena.h"

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void bytes_reserve(struct bytes *bytes, size_t more)
{
    if (bytes->cap - bytes->len >= more)
        return;
    size_t cap = bytes->cap < 512 ? 512 : bytes->cap * 2;
    while (cap - bytes->len < more)
        cap *= 2;
    bytes->ptr = heap_grow(bytes->ptr, cap);
    bytes->cap = cap;
}

void bytes_release(struct bytes *bytes)
{
    heap_free(bytes->ptr);
    *bytes = (struct bytes){0};
}

void bytes_append_u64(struct bytes *bytes, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    bytes_append(bytes, str_make(digits + at, sizeof digits - at));
}

void bytes_append_hex(struct bytes *bytes, uint64_t n, size_t digits)
{
    char text[16];
    if (digits > sizeof text)
        digits = sizeof text;
    for (size_t i = digits; i-- > 0; n >>= 4)
        text[i] = "0123456789abcdef"[n & 15];
    bytes_append(bytes, str_make(text, digits));
}

void bytes_append_json(struct bytes *bytes, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20) {
            bytes_append(bytes, STR("\\u00"));
            bytes_append_hex(bytes, c, 2);
            continue;
        }
        if (c == '"' || c == '\\')
            bytes_append(bytes, STR("\\"));
        bytes_append(bytes, str_make(s.ptr + i, 1));
    }
}

size_t bytes_find(struct str s, size_t from, struct str needle)
{
    if (from >= s.len)
        return SIZE_MAX;
    const char *found = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - s.ptr);
}

uint64_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit: %s", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit: %s", strerror(errno));
    return limit.rlim_cur;
}
