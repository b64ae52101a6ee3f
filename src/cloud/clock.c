#include "cloud/clock.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/time.h"
#include "store/key.h"

struct clock {
    struct kv *kv;
    _Atomic int64_t offset_ms;
    _Atomic int64_t frozen_ms; /* 0: runs */
};

static struct key clock_key(struct arena *arena)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("cloud"));
    key_str(&key, STR("clock"));
    return key;
}

RESULT clock_open(struct arena *arena, struct kv *kv, struct clock **out)
{
    struct clock *clock = ARENA_NEW(arena, struct clock);
    clock->kv = kv;
    struct kv_txn *txn;
    TRY(kv_begin(kv, false, &txn));
    struct key key = clock_key(arena);
    struct str value;
    enum result result = kv_get(txn, key_bytes(&key), &value);
    int64_t offset = 0;
    if (result == RESULT_OK && !str_is_absent(value) && !str_to_i64(value, &offset))
        result = FAULT("the clock's offset in the store is not a number");
    kv_abort(txn);
    TRY(result);
    clock->offset_ms = offset;
    *out = clock;
    return RESULT_OK;
}

int64_t clock_now(const struct clock *clock)
{
    int64_t frozen = clock->frozen_ms;
    return (frozen != 0 ? frozen : time_wall_ms()) + clock->offset_ms;
}

int64_t clock_offset_ms(const struct clock *clock)
{
    return clock->offset_ms;
}

RESULT clock_advance(struct clock *clock, int64_t ms)
{
    ASSERT(ms >= 0);
    char text[24];
    struct buf value;
    buf_init_fixed(&value, text, sizeof text);
    buf_append_i64(&value, clock->offset_ms + ms);
    struct kv_txn *txn;
    TRY(kv_begin(clock->kv, true, &txn));
    struct key key = clock_key(NULL);
    enum result result = kv_put(txn, key_bytes(&key), buf_str(&value));
    if (result != RESULT_OK) {
        kv_abort(txn);
        return result;
    }
    TRY(kv_commit(txn));
    clock->offset_ms += ms;
    return RESULT_OK;
}

void clock_freeze(struct clock *clock, int64_t at_ms)
{
    clock->frozen_ms = at_ms - clock->offset_ms;
}
