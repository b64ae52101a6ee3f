#include "services/dynamodb/hot_keys.h"

#include <stdlib.h>

#include "base/arena.h"

struct hot_keys *hot_keys_new(void)
{
    return heap_alloc(sizeof(struct hot_keys));
}

void hot_keys_free(struct hot_keys *hot)
{
    for (size_t m = 0; hot != NULL && m < HOT_MINUTES; m++)
        for (size_t i = 0; i < HOT_KEYS; i++)
            heap_free(hot->minutes[m].keys[i].ptr);
    heap_free(hot);
}

static void row_take(struct hot_key *row, struct str key, uint64_t hash)
{
    if (row->cap < key.len) {
        row->ptr = heap_grow(row->ptr, key.len);
        row->cap = key.len;
    }
    if (key.len > 0)
        memcpy(row->ptr, key.ptr, key.len);
    row->len = key.len;
    row->hash = hash;
}

void hot_keys_add(struct hot_keys *hot, int64_t now_ms, struct str key, double weight)
{
    int64_t minute = now_ms / 60000;
    struct hot_minute *at = &hot->minutes[minute % HOT_MINUTES];
    uint64_t hash = str_hash(key, 0);
    struct hot_key *least = &at->keys[0];
    if (at->minute != minute) {
        at->minute = minute;
        at->len = 0;
        at->total = 0;
    }
    at->total += weight;
    for (size_t i = 0; i < at->len; i++) {
        struct hot_key *row = &at->keys[i];
        if (row->hash == hash && str_eq(str_make(row->ptr, row->len), key)) {
            row->weight += weight;
            return;
        }
        if (row->weight < least->weight)
            least = row;
    }
    if (at->len < HOT_KEYS) {
        least = &at->keys[at->len++];
        least->weight = 0;
    }
    /* The newcomer inherits the weight of what it drives out: that much may be too much. */
    row_take(least, key, hash);
    least->error = least->weight;
    least->weight += weight;
}

static int row_order(const void *a, const void *b)
{
    double left = ((const struct hot_key *)a)->weight, right = ((const struct hot_key *)b)->weight;
    return left < right ? 1 : left > right ? -1 : 0;
}

const struct hot_minute *hot_keys_minute(struct hot_keys *hot, int64_t minute)
{
    struct hot_minute *at = &hot->minutes[minute % HOT_MINUTES];
    if (at->minute != minute || at->len == 0)
        return NULL;
    qsort(at->keys, at->len, sizeof at->keys[0], row_order);
    return at;
}
