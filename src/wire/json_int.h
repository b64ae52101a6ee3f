/* What the JSON reader and writer share: finding the end of a run of plain characters, eight bytes
 * a step. */
#ifndef KUMONIWA_WIRE_JSON_INT_H
#define KUMONIWA_WIRE_JSON_INT_H

#include "base/str.h"

/* The high bit of each byte that is '"', '\\' or below ' '. A borrow may flag bytes above a true
 * hit falsely, never below: the lowest flag is true. */
static inline uint64_t json_special_bytes(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    uint64_t quotes = bytes ^ (ones * '"');
    uint64_t slashes = bytes ^ (ones * '\\');
    uint64_t found = ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes) |
                     ((bytes - ones * ' ') & ~bytes);
    return found & highs;
}

/* How many bytes stand before the first of '"', '\\' or a control character. *seen collects the
 * bits of all bytes looked at: bit 7 of any of its bytes clear means the run is ASCII. */
static inline size_t json_plain_run(const char *p, size_t len, uint64_t *seen)
{
    size_t i = 0;
    while (len - i >= 8) {
        uint64_t bytes;
        memcpy(&bytes, p + i, sizeof(bytes));
        *seen |= bytes;
        uint64_t special = json_special_bytes(bytes);
        if (special != 0)
            return i + (size_t)__builtin_ctzll(special) / 8;
        i += 8;
    }
    for (; i < len && p[i] != '"' && p[i] != '\\' && (unsigned char)p[i] >= ' '; i++)
        *seen |= (unsigned char)p[i];
    return i;
}

#endif
