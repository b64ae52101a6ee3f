/* Numbers of slots that were given up (kv_lmdb_apart.c). They stand in the tree of chapters under
 * the id 0, which no chapter has: (0, version, count) -> numbers. They may be given out again when
 * every reader sees that version. */
#include "store/kv_lmdb_apart.h"

void kv_numbers_push(struct kv_numbers *list, uint64_t number)
{
    if (list->len == list->cap) {
        list->cap = list->cap == 0 ? 64 : list->cap * 2;
        list->items = heap_grow(list->items, list->cap * sizeof *list->items);
    }
    list->items[list->len++] = number;
}

enum { FREED_KEY = KV_ID + 8 + 4 };

static void big_endian(char *bytes, uint64_t n, int len)
{
    for (int i = len - 1; i >= 0; i--, n >>= 8)
        bytes[i] = (char)n;
}

static bool freed_version(MDB_val key, uint64_t *version)
{
    const unsigned char *bytes = key.mv_data;
    uint64_t id = 0;
    *version = 0;
    if (key.mv_size < KV_ID)
        return false;
    memcpy(&id, bytes, KV_ID);
    for (int i = KV_ID; i < KV_ID + 8 && key.mv_size == FREED_KEY; i++)
        *version = *version << 8 | bytes[i];
    return id == 0;
}

RESULT kv_apart_entries(struct kv_txn *txn, uint64_t *count)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t version;
    *count = 0;
    TRY(kv_result("opening a cursor",
                  mdb_cursor_open(txn->txn, txn->kv->trees[KV_CHAPTERS], &cursor)));
    int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    for (; code == 0 && freed_version(key, &version); ++*count)
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? RESULT_OK : kv_result("counting free slots", code);
}

/* The first of those entries, if it may be used: *key has its key. */
static RESULT find_freed(struct kv_txn *txn, char key[FREED_KEY], MDB_val *numbers, bool *found)
{
    struct kv_apart *apart = txn->kv->apart;
    MDB_cursor *cursor;
    MDB_val at;
    uint64_t version;
    TRY(kv_result("opening a cursor",
                  mdb_cursor_open(txn->txn, txn->kv->trees[KV_CHAPTERS], &cursor)));
    int code = mdb_cursor_get(cursor, &at, numbers, MDB_FIRST);
    bool some = code == 0 && freed_version(at, &version);
    apart->may_have_freed = some;
    *found = some && version <= kv_apart_oldest(txn->kv) && version < txn->apart_version;
    if (*found)
        memcpy(key, at.mv_data, FREED_KEY);
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? RESULT_OK : kv_result("looking for free slots", code);
}

RESULT kv_freed_take(struct kv_txn *txn)
{
    struct kv_apart *apart = txn->kv->apart;
    char key[FREED_KEY];
    MDB_val numbers;
    bool found = false, existed;
    if (apart->may_have_freed)
        TRY(find_freed(txn, key, &numbers, &found));
    if (!found)
        return RESULT_OK;
    if (apart->loaded_from == SIZE_MAX)
        apart->loaded_from = apart->taken.len;
    for (size_t i = 0; i + sizeof(uint64_t) <= numbers.mv_size; i += sizeof(uint64_t)) {
        uint64_t number;
        memcpy(&number, (const char *)numbers.mv_data + i, sizeof number);
        kv_numbers_push(&apart->available, number);
    }
    return kv_raw_delete(txn, KV_CHAPTERS, str_make(key, FREED_KEY), &existed);
}

RESULT kv_freed_put(struct kv_txn *txn)
{
    struct kv_apart *apart = txn->kv->apart;
    char key[FREED_KEY] = {0};
    if (apart->dropped.len == 0)
        return RESULT_OK;
    big_endian(key + KV_ID, txn->apart_version, 8);
    big_endian(key + KV_ID + 8, apart->drops++, 4);
    apart->may_have_freed = true;
    return kv_raw_put(txn, KV_CHAPTERS, str_make(key, FREED_KEY),
                      str_make((const char *)apart->dropped.items,
                               apart->dropped.len * sizeof *apart->dropped.items),
                      true);
}
