#define _GNU_SOURCE 1 /* memmem, memrchr */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/result.h"

__extension__ typedef unsigned __int128 u128;

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

static inline uint64_t load64(const void *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

static inline uint64_t load32(const void *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Eight ASCII bytes to lower case at once; bytes above 0x7f stay. */
static inline uint64_t lower8(uint64_t word)
{
    uint64_t seven = word & EACH_BYTE(0x7f);
    uint64_t from_a = seven + EACH_BYTE(0x80 - 'A');
    uint64_t past_z = seven + EACH_BYTE(0x7f - 'Z');
    uint64_t upper = (from_a ^ past_z) & ~word & EACH_BYTE(0x80);
    return word | upper >> 2;
}

static inline unsigned char lower1(unsigned char c)
{
    return (unsigned char)(c - 'A') < 26 ? (unsigned char)(c | 0x20) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    size_t i = 0;
    for (; i + 8 <= a.len; i += 8)
        if (lower8(load64(a.ptr + i)) != lower8(load64(b.ptr + i)))
            return false;
    for (; i < a.len; i++)
        if (lower1((unsigned char)a.ptr[i]) != lower1((unsigned char)b.ptr[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_is_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_make(s.ptr, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return suffix.len == 0 ||
           (s.len >= suffix.len && memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

size_t str_find_char(struct str s, char c)
{
    const char *found = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - s.ptr);
}

size_t str_find_last_char(struct str s, char c)
{
    const char *found = s.len == 0 ? NULL : memrchr(s.ptr, c, s.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - s.ptr);
}

size_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return SIZE_MAX;
    const char *found = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - s.ptr);
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    if (s.ptr == NULL)
        return s;
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return str_make(s.ptr + from, to - from);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_space(*s.ptr)) {
        s.ptr++;
        s.len--;
    }
    return s;
}

bool str_cut(struct str s, char separator, struct str *head, struct str *rest)
{
    size_t at = str_find_char(s, separator);
    if (at == SIZE_MAX) {
        *head = s;
        *rest = (struct str){0};
        return false;
    }
    *head = str_make(s.ptr, at);
    *rest = str_make(s.ptr + at + 1, s.len - at - 1);
    return true;
}

/* Any well-formed sequence after an ASCII byte; returns its length, 0 when it is not well formed.
 * The ranges are those of RFC 3629, section 4. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char first = p[0];
    if (first < 0xc2 || first > 0xf4)
        return 0;
    size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (left < len)
        return 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        if (i + 8 <= s.len && (load64(p + i) & EACH_BYTE(0x80)) == 0) {
            i += 8;
        } else if (p[i] < 0x80) {
            i++;
        } else {
            size_t len = utf8_sequence(p + i, s.len - i);
            if (len == 0)
                return false;
            i += len;
        }
    }
    return true;
}

size_t str_utf8_length(struct str s)
{
    size_t continuations = 0;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word = load64(s.ptr + i);
        uint64_t marks = word >> 7 & ~(word >> 6) & EACH_BYTE(1);
        continuations += (size_t)(marks * EACH_BYTE(1) >> 56);
    }
    for (; i < s.len; i++)
        continuations += ((unsigned char)s.ptr[i] & 0xc0) == 0x80;
    return s.len - continuations;
}

/* Folds the 128-bit product of two words: the high half is what makes every input bit reach every
 * output bit. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Words are xored with odd constants (fractions of square roots) before they are multiplied, so
 * that a zero word does not silence its partner. Inputs above 48 bytes run three lanes, because one
 * lane waits for its own multiplication. */
uint64_t str_hash(struct str s, uint64_t seed)
{
    static const uint64_t k0 = UINT64_C(0x6a09e667f3bcc909), k1 = UINT64_C(0xbb67ae8584caa73b),
                          k2 = UINT64_C(0x3c6ef372fe94f82b), k3 = UINT64_C(0xa54ff53a5f1d36f1);
    const char *p = s.ptr;
    size_t left = s.len;
    uint64_t a = 0, b = 0;
    seed ^= mix(seed ^ k0, k1);
    if (left > 48) {
        uint64_t lane1 = seed, lane2 = seed;
        do {
            seed = mix(load64(p) ^ k1, load64(p + 8) ^ seed);
            lane1 = mix(load64(p + 16) ^ k2, load64(p + 24) ^ lane1);
            lane2 = mix(load64(p + 32) ^ k3, load64(p + 40) ^ lane2);
            p += 48;
            left -= 48;
        } while (left > 48);
        seed ^= lane1 ^ lane2;
    }
    while (left > 16) {
        seed = mix(load64(p) ^ k1, load64(p + 8) ^ seed);
        p += 16;
        left -= 16;
    }
    if (left >= 8) {
        a = load64(p);
        b = load64(p + left - 8);
    } else if (left >= 4) {
        a = load32(p);
        b = load32(p + left - 4);
    } else if (left > 0) {
        a = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[left / 2] << 8 |
            (unsigned char)p[left - 1];
    }
    return mix(k2 ^ s.len, mix(a ^ k1, b ^ seed));
}

struct str str_copy(struct arena *arena, struct str s)
{
    if (s.ptr == NULL)
        return s;
    if (s.len == 0)
        return STR("");
    return str_make(memcpy(arena_alloc_raw(arena, s.len), s.ptr, s.len), s.len);
}

const char *str_to_c(struct arena *arena, struct str s)
{
    ASSERT(s.len < SIZE_MAX);
    char *c = arena_alloc_raw(arena, s.len + 1);
    if (s.len > 0)
        memcpy(c, s.ptr, s.len);
    c[s.len] = '\0';
    return c;
}

struct str str_format(struct arena *arena, const char *format, ...)
{
    char small[256];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(small, sizeof(small), format, arguments);
    va_end(arguments);
    ASSERT(len >= 0);
    if ((size_t)len < sizeof(small))
        return str_copy(arena, str_make(small, (size_t)len));
    char *large = arena_alloc_raw(arena, (size_t)len + 1);
    va_start(arguments, format);
    vsnprintf(large, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return str_make(large, (size_t)len);
}

struct str str_concat(struct arena *arena, struct str a, struct str b)
{
    size_t len;
    ASSERT(!__builtin_add_overflow(a.len, b.len, &len));
    if (len == 0)
        return STR("");
    char *both = arena_alloc_raw(arena, len);
    if (a.len > 0)
        memcpy(both, a.ptr, a.len);
    if (b.len > 0)
        memcpy(both + a.len, b.ptr, b.len);
    return str_make(both, len);
}

struct str str_lower(struct arena *arena, struct str s)
{
    if (s.len == 0)
        return s;
    char *lower = arena_alloc_raw(arena, s.len);
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word = lower8(load64(s.ptr + i));
        memcpy(lower + i, &word, sizeof(word));
    }
    for (; i < s.len; i++)
        lower[i] = (char)lower1((unsigned char)s.ptr[i]);
    return str_make(lower, s.len);
}
