/* Items in the store, and everything that changes with one of them: entries of indexes, the expiry,
 * counts. All of it in the transaction of the change. */
#include "services/dynamodb/history.h"
#include "services/dynamodb/meter.h"
#include "services/dynamodb/replica.h"

enum { DROP_PORTION = 1000, COUNTS_MAX = 64 };

/* --- reading
 * ---------------------------------------------------------------------------------------------------------
 */

RESULT store_get(struct call *call, const struct dynamodb_table *table,
                 const struct dynamodb_AttributeMap *key, bool keep, struct stored *out)
{
    const struct place place = {call, table, NULL};
    struct key at = place_item(&place, key);
    struct str bytes;
    *out = (struct stored){0};
    TRY(kv_get(call->txn, key_bytes(&at), &bytes));
    if (str_is_absent(bytes))
        return RESULT_OK;
    out->found = true;
    out->bytes = keep ? str_copy(call->arena, bytes) : bytes;
    return codec_decode(call->arena, out->bytes, &out->item, &out->size);
}

/* --- counts
 * -----------------------------------------------------------------------------------------------------------
 *
 * ("ddb-n", table id) -> (index id, items, bytes)*, 0 the table itself. */

struct count_row {
    int64_t index, items, bytes;
};
struct count_rows {
    struct count_row rows[COUNTS_MAX];
    size_t len;
    bool changed;
};

static RESULT counts_read(struct call *call, const struct dynamodb_table *table,
                          struct count_rows *out)
{
    struct key key = table_key(call, "ddb-n", table);
    struct str bytes;
    out->len = 0;
    out->changed = false;
    TRY(kv_get(call->txn, key_bytes(&key), &bytes));
    if (bytes.len > sizeof out->rows || bytes.len % sizeof out->rows[0] != 0)
        return FAULT("a table's counts are broken");
    if (bytes.len > 0)
        memcpy(out->rows, bytes.ptr, bytes.len);
    out->len = bytes.len / sizeof out->rows[0];
    return RESULT_OK;
}

static void counts_add(struct count_rows *counts, int64_t index, int64_t items, int64_t bytes)
{
    if (items == 0 && bytes == 0)
        return;
    size_t i = 0;
    while (i < counts->len && counts->rows[i].index != index)
        i++;
    if (i == counts->len) {
        ASSERT(counts->len < COUNTS_MAX);
        counts->rows[counts->len++] = (struct count_row){.index = index};
    }
    counts->rows[i].items += items;
    counts->rows[i].bytes += bytes;
    counts->changed = true;
}

static RESULT counts_write(struct call *call, const struct dynamodb_table *table,
                           const struct count_rows *counts)
{
    if (!counts->changed)
        return RESULT_OK;
    struct key key = table_key(call, "ddb-n", table);
    return kv_put(call->txn, key_bytes(&key),
                  str_make((const char *)counts->rows, counts->len * sizeof counts->rows[0]));
}

RESULT store_counts(struct call *call, const struct dynamodb_table *table,
                    const struct dynamodb_index *index, struct counts *out)
{
    struct count_rows counts;
    int64_t id = index == NULL ? 0 : index->id;
    TRY(counts_read(call, table, &counts));
    *out = (struct counts){0};
    for (size_t i = 0; i < counts.len; i++)
        if (counts.rows[i].index == id)
            *out = (struct counts){counts.rows[i].items, counts.rows[i].bytes};
    return RESULT_OK;
}

/* --- entries of indexes
 * ---------------------------------------------------------------------------------------------- */

/* What the index holds of an item. */
static struct dynamodb_AttributeMap entry_item(const struct place *place,
                                               const struct dynamodb_AttributeMap *item)
{
    const struct dynamodb_index *index = place->index;
    if (str_eq(index->projection, DYNAMODB_PROJECTION_TYPE_ALL))
        return *item;
    struct dynamodb_AttributeMap keys = place_key_of(place, item);
    struct dynamodb_AttributeMap entry = {.items = ARENA_ARRAY(place->call->arena,
                                                               keys.len + index->included.len,
                                                               struct dynamodb_AttributeMap_entry)};
    for (size_t i = 0; i < keys.len; i++)
        entry.items[entry.len++] = keys.items[i];
    for (size_t i = 0; i < index->included.len; i++) {
        struct str name = index->included.items[i];
        const struct dynamodb_AttributeValue *value = item_get(item, name);
        if (value != NULL && item_get(&entry, name) == NULL)
            entry.items[entry.len++] = (struct dynamodb_AttributeMap_entry){name, *value};
    }
    return entry;
}

struct entry {
    bool present;
    struct key key;
    struct str bytes;
    size_t size;
};

static RESULT entry_make(const struct place *place, const struct dynamodb_AttributeMap *item,
                         struct entry *out)
{
    out->present = item != NULL && place_has(place, item);
    if (!out->present)
        return RESULT_OK;
    struct dynamodb_AttributeMap kept = entry_item(place, item);
    out->key = place_item(place, item);
    out->size = item_size(&kept);
    return codec_encode(place->call->arena, &kept, out->size, &out->bytes);
}

/* "Write operations" of "Using Global Secondary Indexes": an entry that stays the same costs
 * nothing, one whose key changes is deleted and put. */
static RESULT entry_change(const struct place *place, const struct change *change,
                           struct count_rows *counts, struct capacity *capacity, int64_t *grown)
{
    struct kv_txn *txn = place->call->txn;
    struct entry old, new;
    TRY(entry_make(place, change->old->found ? &change->old->item : NULL, &old));
    TRY(entry_make(place, change->new, &new));
    int64_t id = place->index->id;
    bool same_key = old.present && new.present &&str_eq(key_bytes(&old.key), key_bytes(&new.key));
    if (same_key && str_eq(old.bytes, new.bytes) && !place->index->backfilling)
        return RESULT_OK;
    double units = 0;
    bool stood = old.present;
    if (old.present && !same_key) {
        TRY(kv_delete(txn, key_bytes(&old.key), &stood));
        units += capacity_write(old.size);
    } else if (old.present && place->index->backfilling) {
        struct str bytes;
        TRY(kv_get(txn, key_bytes(&old.key), &bytes));
        stood = !str_is_absent(bytes);
    }
    if (stood) { /* while back-filling it may not yet */
        counts_add(counts, id, -1, -(int64_t)old.size);
        *grown -= (int64_t)old.size;
    }
    if (new.present) {
        TRY(kv_put(txn, key_bytes(&new.key), new.bytes));
        units += capacity_write(same_key && old.size > new.size ? old.size : new.size);
        counts_add(counts, id, 1, (int64_t) new.size);
        *grown += (int64_t) new.size;
    }
    if (capacity == NULL)
        return RESULT_OK;
    capacity_add_index(capacity, place->index, units);
    if (!str_is_absent(place->index->insights))
        meter_count(place->call, place, new.present ? change->new : &change->old->item, units);
    return RESULT_OK;
}

RESULT store_fill(struct call *call, const struct dynamodb_table *table,
                  const struct dynamodb_index *index, const struct dynamodb_AttributeMap *item)
{
    const struct place place = {call, table, index};
    struct count_rows counts;
    struct entry entry;
    struct str bytes;
    TRY(entry_make(&place, item, &entry));
    if (!entry.present)
        return RESULT_OK;
    TRY(kv_get(call->txn, key_bytes(&entry.key), &bytes));
    if (!str_is_absent(bytes))
        return RESULT_OK; /* written since the index was made */
    TRY(kv_put(call->txn, key_bytes(&entry.key), entry.bytes));
    TRY(counts_read(call, table, &counts));
    counts_add(&counts, index->id, 1, (int64_t)entry.size);
    return counts_write(call, table, &counts);
}

/* --- writing
 * ---------------------------------------------------------------------------------------------------------
 */

static RESULT store_write_item(struct call *call, const struct change *change)
{
    const struct place place = {call, change->table, NULL};
    struct str bytes;
    if (change->new == NULL) {
        struct key key = place_item(&place, &change->old->item);
        return kv_delete(call->txn, key_bytes(&key), NULL);
    }
    struct key key = place_item(&place, change->new);
    TRY(codec_encode(call->arena, change->new, change->new_size, &bytes));
    return kv_put_apart(call->txn, key_bytes(&key), bytes);
}

static RESULT store_change(struct call *call, const struct change *change,
                           struct capacity *capacity)
{
    const struct dynamodb_table *table = change->table;
    size_t old_size = change->old->found ? change->old->size : 0;
    size_t new_size = change->new == NULL ? 0 : change->new_size;
    if (capacity != NULL)
        capacity->units += capacity_write(old_size > new_size ? old_size : new_size);
    if (!change->old->found && change->new == NULL)
        return RESULT_OK;
    struct count_rows counts;
    TRY(counts_read(call, table, &counts));
    TRY(store_write_item(call, change));
    counts_add(&counts, 0, (change->new != NULL) - change->old->found,
               (int64_t)new_size - (int64_t)old_size);
    int64_t collection = (int64_t)new_size - (int64_t)old_size, elsewhere = 0, total;
    for (size_t i = 0; i < table->indexes.len; i++) {
        const struct place place = {call, table, &table->indexes.items[i]};
        int64_t *grown = place.index->global ? &elsewhere : &collection;
        if (!str_eq(place.index->status, DYNAMODB_INDEX_STATUS_DELETING))
            TRY(entry_change(&place, change, &counts, capacity, grown));
    }
    if (collection_is_kept(table))
        TRY(collection_add(call, table, change->new != NULL ? change->new : &change->old->item,
                           collection, capacity == NULL ? &total : &capacity->collection_bytes));
    if (!str_is_absent(table->ttl_attribute))
        TRY(ttl_write(call, change));
    if (!str_is_absent(table->stream_view) && change->replicated >= 0)
        TRY(stream_write(call, change));
    if (table->replicas.len > 0)
        TRY(replica_write(call, change));
    if (table->log_id != 0)
        TRY(history_write(call, change));
    return counts_write(call, table, &counts);
}

RESULT store_write(struct call *call, const struct change *change, struct capacity *capacity)
{
    /* Jobs of the change are its table's, whoever makes it and from wherever. */
    struct str account = call->account, region = call->region;
    call->account = change->table->account;
    call->region = change->table->region;
    enum result result = store_change(call, change, capacity);
    call->account = account;
    call->region = region;
    return result;
}

/* --- dropping
 * --------------------------------------------------------------------------------------------------------
 */

RESULT store_drop(struct call *call, int64_t table, int64_t index)
{
    struct str payload = str_format(call->arena, "%lld %lld", (long long)table, (long long)index);
    return outbox_post(call, STR("dynamodb.drop"), (struct str){0}, payload);
}

static RESULT drop_counts(struct call *call, uint64_t id, int64_t index)
{
    const struct dynamodb_table table = {.id = (int64_t)id};
    struct count_rows counts;
    TRY(counts_read(call, &table, &counts));
    for (size_t i = 0; i < counts.len; i++) {
        if (counts.rows[i].index != index)
            continue;
        counts.rows[i] = counts.rows[--counts.len];
        counts.changed = true;
    }
    return counts_write(call, &table, &counts);
}

RESULT store_deliver_drop(struct call *call, const struct outbox_item *item)
{
    struct str table_text, index_text;
    uint64_t table;
    int64_t index;
    size_t deleted;
    if (!str_cut(item->payload, ' ', &table_text, &index_text) || !str_to_u64(table_text, &table) ||
        !str_to_i64(index_text, &index))
        return FAULT("dynamodb.drop: \"%.*s\" is not its payload", PRSTR(item->payload));
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("ddb"));
    key_u64(&key, table);
    if (index >= 0)
        key_u64(&key, (uint64_t)index);
    TRY(kv_delete_prefix(call->txn, key_bytes(&key), DROP_PORTION, &deleted));
    if (deleted == DROP_PORTION)
        return outbox_post(call, STR("dynamodb.drop"), (struct str){0}, item->payload);
    if (index >= 0)
        return drop_counts(call, table, index);
    const struct dynamodb_table gone = {.id = (int64_t)table};
    key = table_key(call, "ddb-c", &gone);
    TRY(kv_delete_prefix(call->txn, key_bytes(&key), DROP_PORTION, &deleted));
    if (deleted == DROP_PORTION)
        return outbox_post(call, STR("dynamodb.drop"), (struct str){0}, item->payload);
    key = table_key(call, "ddb-n", &gone);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = table_key(call, "ddb-r", &gone);
    TRY(kv_delete_prefix(call->txn, key_bytes(&key), DROP_PORTION, &deleted));
    if (deleted == DROP_PORTION)
        return outbox_post(call, STR("dynamodb.drop"), (struct str){0}, item->payload);
    key = table_key(call, "ddb-t", &gone);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}
