/* What becomes of tables by themselves: CREATING and UPDATING end, what is DELETING goes, indexes
 * are filled with the items that stood before them while writing goes on. */
#include "services/dynamodb/backup.h"
#include "services/dynamodb/history.h"
#include "services/dynamodb/meter.h"

enum { FILL_PORTION = 500, HELD_MS = 50 };

/* --- statuses
 * --------------------------------------------------------------------------------------------------------
 */

RESULT table_want_step(struct call *call, const struct dynamodb_table *table)
{
    struct str payload =
        str_format(call->arena, "%lld %.*s", (long long)table->id, PRSTR(table->name));
    return outbox_post(call, STR("dynamodb.step"), (struct str){0}, payload);
}

/* "ID NAME": a table of that name made anew is another one. */
static RESULT payload_table(struct call *call, struct str payload, struct dynamodb_table *table,
                            bool *found)
{
    struct str id_text, name;
    int64_t id;
    if (!str_cut(payload, ' ', &id_text, &name) || !str_to_i64(id_text, &id))
        return FAULT("dynamodb: \"%.*s\" is not a job's payload", PRSTR(payload));
    TRY(table_find(call, name, table, found));
    *found = *found && table->id == id;
    return RESULT_OK;
}

/* What is behind a table that had point-in-time recovery becomes its backup. */
static RESULT table_leave_backup(struct call *call, const struct dynamodb_table *table)
{
    TRY(backup_of_deleted(call, table));
    for (size_t i = 0; i < table->indexes.len; i++)
        TRY(store_drop(call, table->id, table->indexes.items[i].id));
    if (table->ttl_index != 0)
        TRY(store_drop(call, table->id, table->ttl_index));
    return RESULT_OK;
}

static RESULT table_go(struct call *call, struct dynamodb_table *table,
                       const struct outbox_item *item)
{
    if (table->copies > 0) /* somebody reads it still */
        return job_schedule(call, STR("dynamodb.step"), call->now_ms + HELD_MS, item->payload,
                            NULL);
    TRY(stream_end(call, table));
    if (table->pitr)
        TRY(table_leave_backup(call, table));
    else
        TRY(store_drop(call, table->id, -1));
    table->pitr = false;
    TRY(history_release(call, table));
    TRY(policy_forget(call, table));
    meter_forget(call, table->id, -1);
    return table_forget(call, table);
}

RESULT table_deliver_step(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_table table;
    bool found;
    TRY(payload_table(call, item->payload, &table, &found));
    if (!found)
        return RESULT_OK;
    if (str_eq(table.status, DYNAMODB_TABLE_STATUS_DELETING))
        return table_go(call, &table, item);
    if (table.importing)
        return RESULT_OK; /* who fills it asks again */
    size_t kept = 0;
    for (size_t i = 0; i < table.indexes.len; i++) {
        struct dynamodb_index *index = &table.indexes.items[i];
        if (str_eq(index->status, DYNAMODB_INDEX_STATUS_DELETING)) {
            TRY(store_drop(call, table.id, index->id));
            meter_forget(call, table.id, index->id);
            continue;
        }
        if (index->global && !index->backfilling)
            index->status = DYNAMODB_INDEX_STATUS_ACTIVE;
        table.indexes.items[kept++] = *index;
    }
    if (kept < table.indexes.len) {
        table.indexes.len = kept;
        schema_drop_unused(&table);
    }
    table.status = DYNAMODB_TABLE_STATUS_ACTIVE;
    return table_put(call, &table);
}

/* --- filling
 * ---------------------------------------------------------------------------------------------------------
 *
 * payload: "INDEX-ID FROM-PARTITION-HASH TABLE-ID NAME". Every portion ends at the end of a
 * partition, so that the hash says where to go on. */

static RESULT fill_post(struct call *call, const struct dynamodb_table *table, int64_t index,
                        uint64_t part)
{
    struct str payload =
        str_format(call->arena, "%lld %llu %lld %.*s", (long long)index, (unsigned long long)part,
                   (long long)table->id, PRSTR(table->name));
    struct str lane = str_format(call->arena, "ddb/%lld", (long long)table->id);
    return outbox_post(call, STR("dynamodb.fill"), lane, payload);
}

RESULT fill_begin(struct call *call, const struct dynamodb_table *table, int64_t index)
{
    return fill_post(call, table, index, 0);
}

static struct dynamodb_index *fill_index(const struct dynamodb_table *table, int64_t id)
{
    for (size_t i = 0; i < table->indexes.len; i++)
        if (table->indexes.items[i].id == id)
            return &table->indexes.items[i];
    return NULL;
}

/* From one part of the table on; *next is the part where to go on, 2^32 at the end. */
static RESULT fill_portion(struct call *call, const struct dynamodb_table *table, int64_t id,
                           uint64_t part, uint64_t *next)
{
    const struct place place = {call, table, NULL};
    const struct dynamodb_index *index = fill_index(table, id);
    struct key prefix = place_prefix(&place), from = place_part(&place, part);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t prefix_len = key_bytes(&prefix).len;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    int64_t last = -1;
    for (size_t n = 0;; n++) {
        struct dynamodb_AttributeMap item;
        size_t size;
        int64_t at;
        TRY(kv_next(cursor, &key, &value));
        *next = UINT64_C(1) << 32;
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(call->arena, str_slice(key, prefix_len, key.len));
        if (!key_next_i64(&reader, &at))
            return FAULT("an item's key is broken");
        *next = (uint64_t)at;
        if (n >= FILL_PORTION && at != last)
            return RESULT_OK;
        last = at;
        TRY(codec_decode(call->arena, str_copy(call->arena, value), &item, &size));
        if (id == table->ttl_index)
            TRY(ttl_fill(call, table, &item));
        else if (index != NULL)
            TRY(store_fill(call, table, index, &item));
    }
}

RESULT fill_deliver(struct call *call, const struct outbox_item *item)
{
    struct str id_text, part_text, rest;
    struct dynamodb_table table;
    bool found;
    int64_t id;
    uint64_t part, next;
    if (!str_cut(item->payload, ' ', &id_text, &rest) || !str_cut(rest, ' ', &part_text, &rest) ||
        !str_to_i64(id_text, &id) || !str_to_u64(part_text, &part))
        return FAULT("dynamodb.fill: \"%.*s\" is not its payload", PRSTR(item->payload));
    TRY(payload_table(call, rest, &table, &found));
    struct dynamodb_index *index = found ? fill_index(&table, id) : NULL;
    bool expiry = found && id == table.ttl_index && !str_is_absent(table.ttl_attribute);
    if (!expiry && (index == NULL || !index->backfilling))
        return RESULT_OK;
    TRY(fill_portion(call, &table, id, part, &next));
    if (next < UINT64_C(1) << 32)
        return fill_post(call, &table, id, next);
    if (index == NULL)
        return RESULT_OK;
    index->backfilling = false;
    index->status = DYNAMODB_INDEX_STATUS_ACTIVE;
    return table_put(call, &table);
}
