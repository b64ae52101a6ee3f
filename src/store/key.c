#include "store/key.h"

enum { TYPE_STR = 0x02, TYPE_U64 = 0x03, TYPE_I64 = 0x04 };

void key_init(struct key *key, struct arena *arena)
{
    key->len = 0;
    key->overflow = false;
    key->large = false;
    key->big = NULL;
    key->arena = arena;
}

/* Room for n more bytes, or NULL and overflow. */
static char *room(struct key *key, size_t n)
{
    size_t len = key->len;
    if (!key->large && len + n <= sizeof(key->small) && !key->overflow)
        return key->small + len;
    if (key->overflow || n > KV_KEY_MAX - len) {
        key->overflow = true;
        return NULL;
    }
    if (!key->large) {
        /* The longest key at once: keys this long are rare, and short-lived. */
        key->big = arena_alloc_raw(key->arena, KV_KEY_MAX);
        memcpy(key->big, key->small, len);
        key->large = true;
    }
    return key->big + len;
}

static void add(struct key *key, size_t n)
{
    key->len = (uint16_t)(key->len + n);
}

void key_str(struct key *key, struct str s)
{
    /* Before anything is added up: s may have any length. */
    if (s.len > KV_KEY_MAX) {
        key->overflow = true;
        return;
    }
    size_t zeros = 0;
    for (const char *p = s.ptr;
         s.len > 0 && (p = memchr(p, 0, (size_t)(s.ptr + s.len - p))) != NULL; p++)
        zeros++;
    char *out = room(key, s.len + zeros + 2);
    if (out == NULL)
        return;
    add(key, s.len + zeros + 2);
    *out++ = TYPE_STR;
    if (zeros == 0) {
        if (s.len > 0)
            memcpy(out, s.ptr, s.len);
        out += s.len;
    } else {
        for (size_t i = 0; i < s.len; i++) {
            *out++ = s.ptr[i];
            if (s.ptr[i] == 0)
                *out++ = (char)0xff;
        }
    }
    *out = 0;
}

void key_u64(struct key *key, uint64_t n)
{
    unsigned len = n == 0 ? 0 : (71U - (unsigned)__builtin_clzll(n)) / 8;
    char *out = room(key, len + 2);
    if (out == NULL)
        return;
    add(key, len + 2);
    out[0] = TYPE_U64;
    out[1] = (char)len;
    for (unsigned i = 0; i < len; i++)
        out[2 + i] = (char)(n >> (8 * (len - 1 - i)));
}

void key_i64(struct key *key, int64_t n)
{
    char *out = room(key, 9);
    if (out == NULL)
        return;
    add(key, 9);
    uint64_t bits = (uint64_t)n ^ (UINT64_C(1) << 63);
    out[0] = TYPE_I64;
    for (unsigned i = 0; i < 8; i++)
        out[1 + i] = (char)(bits >> (8 * (7 - i)));
}

struct str key_bytes(const struct key *key)
{
    if (key->overflow)
        return (struct str){0};
    return str_make(key->large ? key->big : key->small, key->len);
}

struct key_reader key_read(struct arena *arena, struct str bytes)
{
    return (struct key_reader){.rest = bytes, .arena = arena};
}

bool key_next_str(struct key_reader *reader, struct str *out)
{
    struct str rest = reader->rest;
    if (rest.len < 2 || rest.ptr[0] != TYPE_STR)
        return false;
    const char *begin = rest.ptr + 1, *end = rest.ptr + rest.len, *p = begin;
    size_t zeros = 0;
    while ((p = memchr(p, 0, (size_t)(end - p))) != NULL) {
        if (p + 1 == end || p[1] != (char)0xff)
            break;
        zeros++;
        p += 2;
    }
    if (p == NULL)
        return false;
    reader->rest = str_make(p + 1, (size_t)(end - p - 1));
    size_t len = (size_t)(p - begin);
    if (zeros == 0) {
        *out = str_make(begin, len);
        return true;
    }
    char *plain = arena_alloc_raw(reader->arena, len - zeros);
    *out = str_make(plain, len - zeros);
    for (size_t i = 0; i < len; i++) {
        *plain++ = begin[i];
        if (begin[i] == 0)
            i++;
    }
    return true;
}

bool key_next_u64(struct key_reader *reader, uint64_t *out)
{
    struct str rest = reader->rest;
    if (rest.len < 2 || rest.ptr[0] != TYPE_U64)
        return false;
    size_t len = (unsigned char)rest.ptr[1];
    if (len > 8 || rest.len < len + 2)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++)
        n = n << 8 | (unsigned char)rest.ptr[2 + i];
    *out = n;
    reader->rest = str_make(rest.ptr + len + 2, rest.len - len - 2);
    return true;
}

bool key_next_i64(struct key_reader *reader, int64_t *out)
{
    struct str rest = reader->rest;
    if (rest.len < 9 || rest.ptr[0] != TYPE_I64)
        return false;
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | (unsigned char)rest.ptr[1 + i];
    *out = (int64_t)(bits ^ (UINT64_C(1) << 63));
    reader->rest = str_make(rest.ptr + 9, rest.len - 9);
    return true;
}
