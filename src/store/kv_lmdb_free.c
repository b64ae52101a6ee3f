/* The free pages inside the file, read from LMDB's own tree of them (number 0): an entry for each
 * transaction, of the pages that it freed, as a count and so many page numbers. LMDB takes those
 * freed before the oldest reader began; for a run of pages it merges what all such entries hold, so
 * a run that we find, it finds. */
#include "store/kv_lmdb_apart.h"

#include <stdlib.h>

/* Runs are sought among so many pages, oldest first: sorting millions of them for each put would
 * take longer. */
enum { PAGES_MAX = 65536 };

struct pages {
    size_t *numbers;
    size_t len, cap;
};

static void add_pages(struct pages *pages, const char *bytes, size_t count)
{
    if (count > PAGES_MAX - pages->len)
        count = PAGES_MAX - pages->len;
    if (count == 0)
        return;
    if (pages->len + count > pages->cap) {
        pages->cap = pages->len + count < 1024 ? 1024 : (pages->len + count) * 2;
        pages->numbers = heap_grow(pages->numbers, pages->cap * sizeof(size_t));
    }
    memcpy(pages->numbers + pages->len, bytes, count * sizeof(size_t));
    pages->len += count;
}

static void walk_entries(MDB_cursor *cursor, uint64_t oldest, struct kv_free *free,
                         struct pages *pages)
{
    MDB_val key, data;
    while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == 0) {
        size_t id, count;
        if (key.mv_size < sizeof(id) || data.mv_size < sizeof(count))
            return;
        memcpy(&id, key.mv_data, sizeof(id));
        memcpy(&count, data.mv_data, sizeof(count));
        if (id >= oldest || count > data.mv_size / sizeof(size_t) - 1)
            return;
        free->pages += count;
        add_pages(pages, (const char *)data.mv_data + sizeof(count), count);
    }
}

static int compare(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

static void count_runs(struct kv_free *free, const struct pages *pages)
{
    for (size_t i = 0, end; i < pages->len; i = end) {
        end = i + 1;
        while (end < pages->len && pages->numbers[end] == pages->numbers[end - 1] + 1)
            end++;
        if (end - i < KV_RUN_MAX) {
            free->runs[end - i]++;
        } else {
            free->long_runs++;
            free->long_run_pages += end - i;
        }
    }
}

void kv_free_count(struct kv *kv, struct kv_free *free)
{
    *free = (struct kv_free){0};
    uint64_t oldest = kv_apart_state(kv_apart_oldest(kv));
    MDB_txn *txn;
    if (mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn) != 0)
        return;
    /* What the last transaction freed is kept, too: the state before it can still be opened. */
    if (mdb_txn_id(txn) < oldest)
        oldest = mdb_txn_id(txn);
    struct pages pages = {0};
    MDB_cursor *cursor;
    if (mdb_cursor_open(txn, 0, &cursor) == 0) {
        walk_entries(cursor, oldest, free, &pages);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    if (pages.len > 0)
        qsort(pages.numbers, pages.len, sizeof(size_t), compare);
    count_runs(free, &pages);
    heap_free(pages.numbers);
}

uint64_t kv_free_places(const struct kv_free *free, uint64_t length)
{
    uint64_t places = 0;
    for (uint64_t i = length; i < KV_RUN_MAX; i++)
        places += free->runs[i] * (i / length);
    uint64_t more = free->long_run_pages / length;
    return places + (more > free->long_runs ? more - free->long_runs : 0);
}
