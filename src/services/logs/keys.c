/* Keys of events, and counters. */
#include "services/logs/logs_int.h"

static struct key key_of(struct arena *arena, struct str what, uint64_t group)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, what);
    key_u64(&key, group);
    return key;
}

struct key log_key_of(struct arena *arena, struct str what, uint64_t group)
{
    return key_of(arena, what, group);
}

struct key log_key_tail(struct arena *arena, uint64_t group, uint64_t stream)
{
    struct key key = key_of(arena, STR("logs-tail"), group);
    key_u64(&key, stream);
    return key;
}

struct key log_key_segment(struct arena *arena, uint64_t group, uint64_t stream)
{
    struct key key = key_of(arena, STR("logs-segment"), group);
    key_u64(&key, stream);
    return key;
}

RESULT log_count_get(struct kv_txn *txn, const struct key *key, int64_t *out)
{
    struct str value;
    TRY(kv_get(txn, key_bytes(key), &value));
    *out = 0;
    if (value.len == sizeof *out)
        memcpy(out, value.ptr, sizeof *out);
    return RESULT_OK;
}

RESULT log_count_add(struct kv_txn *txn, const struct key *key, int64_t difference)
{
    int64_t count;
    TRY(log_count_get(txn, key, &count));
    count += difference;
    return kv_put(txn, key_bytes(key), str_make((const char *)&count, sizeof count));
}
