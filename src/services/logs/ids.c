/* Ids of events: 56 decimal digits, as AWS's, of 48 bits of time, 64 of the stream, 64 of the
 * number. */
#include "services/logs/logs_int.h"

enum { ID_DIGITS = 56, LIMBS = 6 };

struct str log_event_id(struct arena *arena, struct log_walk_position at)
{
    uint32_t limbs[LIMBS] = {
        (uint32_t)((uint64_t)at.ms >> 32), (uint32_t)at.ms,
        (uint32_t)(at.stream >> 32),       (uint32_t)at.stream,
        (uint32_t)(at.number >> 32),       (uint32_t)at.number,
    };
    char *digits = arena_alloc_raw(arena, ID_DIGITS);
    for (size_t i = ID_DIGITS; i-- > 0;) {
        uint64_t rest = 0;
        for (size_t limb = 0; limb < LIMBS; limb++) {
            rest = rest << 32 | limbs[limb];
            limbs[limb] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        digits[i] = (char)('0' + rest);
    }
    return str_make(digits, ID_DIGITS);
}

bool log_event_id_read(struct str id, struct log_walk_position *at)
{
    uint32_t limbs[LIMBS] = {0};
    if (id.len != ID_DIGITS)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        uint64_t carry = (uint64_t)(id.ptr[i] - '0');
        if (carry > 9)
            return false;
        for (size_t limb = LIMBS; limb-- > 0;) {
            carry += (uint64_t)limbs[limb] * 10;
            limbs[limb] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry != 0)
            return false;
    }
    at->ms = (int64_t)((uint64_t)limbs[0] << 32 | limbs[1]);
    at->stream = (uint64_t)limbs[2] << 32 | limbs[3];
    at->number = (uint64_t)limbs[4] << 32 | limbs[5];
    return at->ms >= 0;
}
