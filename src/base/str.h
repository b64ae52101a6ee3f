/* Borrowed strings: a pointer and a length, passed by value, never assumed NUL-terminated.
 * ptr == NULL means "absent"; an empty present string has a non-NULL ptr and len 0.
 * No function here allocates unless it takes an arena. */
#ifndef KUMONIWA_BASE_STR_H
#define KUMONIWA_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena;

struct str {
    const char *ptr;
    size_t len;
};

/* A struct str of a string literal. */
#define STR(literal) ((struct str){.ptr = "" literal, .len = sizeof(literal) - 1})
/* The same for static initialisers. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        .ptr = "" literal, .len = sizeof(literal) - 1                                              \
    }
/* printf("%.*s", PRSTR(s)) */
#define PRSTR(s) (int)(s).len, (s).ptr

static inline struct str str_make(const char *ptr, size_t len)
{
    return (struct str){.ptr = ptr, .len = len};
}
static inline struct str str_from_c(const char *c)
{
    return (struct str){.ptr = c, .len = c == NULL ? 0 : strlen(c)};
}
static inline bool str_is_absent(struct str s)
{
    return s.ptr == NULL;
}
static inline bool str_is_empty(struct str s)
{
    return s.len == 0;
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
/* Byte order; a prefix sorts before what it begins. */
int str_cmp(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
/* Index of the first occurrence, or SIZE_MAX. */
size_t str_find_char(struct str s, char c);
size_t str_find_last_char(struct str s, char c);
size_t str_find(struct str s, struct str needle);
/* The part [from, to), clamped to the string. */
struct str str_slice(struct str s, size_t from, size_t to);
/* Without ASCII white space at both ends. */
struct str str_trim(struct str s);
/* Cuts at the first `separator`: *head is what stands before, *rest what follows. False when there
 * is none: *head is all of s and *rest absent. */
bool str_cut(struct str s, char separator, struct str *head, struct str *rest);
bool str_is_digits(struct str s); /* decimal ones, at least one */
/* Strict decimal, the whole string, in range; false otherwise and *out untouched. */
bool str_to_i64(struct str s, int64_t *out);
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_double(struct str s, double *out);
/* Valid UTF-8 by RFC 3629 (no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);
/* Number of Unicode code points; s must be valid UTF-8. */
size_t str_utf8_length(struct str s);
uint64_t str_hash(struct str s, uint64_t seed);

/* Copies live as long as the arena. */
struct str str_copy(struct arena *arena, struct str s);
const char *str_to_c(struct arena *arena, struct str s);
struct str str_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct str str_concat(struct arena *arena, struct str a, struct str b);
struct str str_lower(struct arena *arena, struct str s); /* ASCII only */

#endif
