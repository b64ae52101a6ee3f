/* Time to live ("Expiring items by using DynamoDB Time to Live (TTL)", Developer Guide): items
 * whose attribute holds a second that has passed go by themselves; AWS promises days, here a job
 * runs when the first is due.
 *
 *   ("ddb", table id, ttl index, second, item) -> the item's key
 *   ("ddb-t", table id) -> when the job runs next, in ms */
#include "services/dynamodb/dynamodb_int.h"

enum { TTL_PORTION = 500, TTL_OTHERS_MS = 60 * 1000 };

/* "Items with a TTL attribute value that is older than five years are not deleted". */
#define TTL_PAST_S (INT64_C(5) * 365 * 24 * 3600)
#define TTL_AGAIN_MS (INT64_C(3600) * 1000)

/* --- expiries
 * --------------------------------------------------------------------------------------------------------
 */

/* The second that an item expires at, or false: none, no number, or too large. Fractions are cut.
 */
static bool ttl_second(const struct dynamodb_table *table, const struct dynamodb_AttributeMap *item,
                       int64_t *second)
{
    const struct dynamodb_AttributeValue *value =
        item == NULL ? NULL : item_get(item, table->ttl_attribute);
    if (value == NULL || value->N.ptr == NULL)
        return false;
    struct str whole, fraction;
    str_cut(value->N, '.', &whole, &fraction);
    return str_to_i64(whole, second) && *second > 0 && *second < INT64_MAX / 1000;
}

static struct key ttl_due_key(struct call *call, const struct dynamodb_table *table)
{
    return table_key(call, "ddb-t", table);
}

static RESULT ttl_due(struct call *call, const struct dynamodb_table *table, int64_t *due_ms)
{
    struct key key = ttl_due_key(call, table);
    struct str bytes;
    TRY(kv_get(call->txn, key_bytes(&key), &bytes));
    *due_ms = INT64_MAX;
    if (!str_is_absent(bytes) && !str_to_i64(bytes, due_ms))
        return FAULT("the time of a table's expiry job is broken");
    return RESULT_OK;
}

/* Has the job run then, unless it runs earlier anyway. */
static RESULT ttl_want(struct call *call, const struct dynamodb_table *table, int64_t due_ms)
{
    int64_t planned_ms;
    TRY(ttl_due(call, table, &planned_ms));
    if (planned_ms <= due_ms)
        return RESULT_OK;
    struct key key = ttl_due_key(call, table);
    TRY(kv_put(call->txn, key_bytes(&key), str_format(call->arena, "%lld", (long long)due_ms)));
    struct str payload = str_format(call->arena, "%lld %lld %.*s", (long long)due_ms,
                                    (long long)table->id, PRSTR(table->name));
    return job_schedule(call, STR("dynamodb.ttl"), due_ms, payload, NULL);
}

static RESULT ttl_put(struct call *call, const struct dynamodb_table *table, int64_t second,
                      const struct dynamodb_AttributeMap *item)
{
    if (second * 1000 < call->now_ms - TTL_PAST_S * 1000)
        return RESULT_OK;
    const struct place place = {call, table, NULL};
    struct key key = place_expiry(&place, second, item);
    struct dynamodb_AttributeMap kept = place_key_of(&place, item);
    struct str bytes;
    TRY(codec_encode(call->arena, &kept, 0, &bytes));
    TRY(kv_put(call->txn, key_bytes(&key), bytes));
    return ttl_want(call, table, second * 1000);
}

RESULT ttl_write(struct call *call, const struct change *change)
{
    const struct place place = {call, change->table, NULL};
    int64_t old, new;
    const struct dynamodb_AttributeMap *before = change->old->found ? &change->old->item : NULL;
    bool had = ttl_second(change->table, before, &old);
    bool has = ttl_second(change->table, change->new, &new);
    if (had && (!has || old != new)) {
        struct key key = place_expiry(&place, old, before);
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    }
    if (has && (!had || old != new))
        TRY(ttl_put(call, change->table, new, change->new));
    return RESULT_OK;
}

RESULT ttl_fill(struct call *call, const struct dynamodb_table *table,
                const struct dynamodb_AttributeMap *item)
{
    int64_t second;
    return ttl_second(table, item, &second) ? ttl_put(call, table, second, item) : RESULT_OK;
}

/* --- the job
 * ------------------------------------------------------------------------------------------------------------
 */

static RESULT ttl_expire(struct call *call, const struct dynamodb_table *table,
                         const struct dynamodb_AttributeMap *key)
{
    struct stored old;
    int64_t second;
    TRY(store_get(call, table, key, true, &old));
    if (!old.found || !ttl_second(table, &old.item, &second) || second * 1000 > call->now_ms)
        return RESULT_OK;
    const struct change change = {.table = table, .old = &old, .by_service = true};
    return store_write(call, &change, NULL);
}

/* Of a global table one member removes what has expired, the first by its region's name that is not
 * in the making, and the others hear of it as of any change: so only its stream has the removal as
 * the service's ("DynamoDB Streams and Time to Live", Developer Guide). */
static bool ttl_is_ours(const struct dynamodb_table *table)
{
    for (size_t i = 0; i < table->replicas.len; i++) {
        const struct dynamodb_replica *other = &table->replicas.items[i];
        if (str_eq(other->status, DYNAMODB_REPLICA_STATUS_ACTIVE) &&
            str_cmp(other->region, table->region) < 0)
            return false;
    }
    return true;
}

/* Removes up to a portion of what has expired. *next_ms: when the next does; INT64_MAX: none. What
 * another member removes is looked for again, for that one may leave. */
static RESULT ttl_portion(struct call *call, const struct dynamodb_table *table, int64_t *next_ms)
{
    bool ours = ttl_is_ours(table);
    const struct place place = {call, table, NULL};
    struct key prefix = place_expiry_prefix(&place);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t prefix_len = key_bytes(&prefix).len;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (size_t n = 0;; n++) {
        struct dynamodb_AttributeMap item_key;
        size_t size;
        int64_t second;
        TRY(kv_next(cursor, &key, &value));
        *next_ms = INT64_MAX;
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(call->arena, str_slice(key, prefix_len, key.len));
        if (!key_next_i64(&reader, &second))
            return FAULT("an expiry's key is broken");
        *next_ms = second * 1000;
        if (*next_ms > call->now_ms)
            return RESULT_OK;
        *next_ms = ours ? call->now_ms : call->now_ms + TTL_OTHERS_MS;
        if (n == TTL_PORTION || !ours)
            return RESULT_OK;
        struct str own = str_copy(call->arena, key);
        TRY(codec_decode(call->arena, str_copy(call->arena, value), &item_key, &size));
        TRY(ttl_expire(call, table, &item_key));
        TRY(kv_delete(call->txn, own, NULL));
    }
}

RESULT ttl_deliver(struct call *call, const struct outbox_item *item)
{
    struct str due_text, id_text, name, rest;
    struct dynamodb_table table;
    bool found;
    int64_t due_ms, id, planned_ms, next_ms;
    if (!str_cut(item->payload, ' ', &due_text, &rest) || !str_cut(rest, ' ', &id_text, &name) ||
        !str_to_i64(due_text, &due_ms) || !str_to_i64(id_text, &id))
        return FAULT("dynamodb.ttl: \"%.*s\" is not its payload", PRSTR(item->payload));
    TRY(table_find(call, name, &table, &found));
    if (!found || table.id != id || str_is_absent(table.ttl_attribute))
        return RESULT_OK;
    TRY(ttl_due(call, &table, &planned_ms));
    if (planned_ms != due_ms)
        return RESULT_OK; /* another job has taken its place */
    TRY(ttl_portion(call, &table, &next_ms));
    struct key key = ttl_due_key(call, &table);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return next_ms == INT64_MAX ? RESULT_OK : ttl_want(call, &table, next_ms);
}

/* --- the operations
 * -------------------------------------------------------------------------------------------------
 */

static RESULT ttl_switch(struct call *call, bool enable, struct str attribute,
                         struct dynamodb_table *table)
{
    table->ttl_changed_ms = call->now_ms;
    if (enable) {
        table->ttl_attribute = attribute;
        table->ttl_index = ++table->next_index;
        TRY(fill_begin(call, table, table->ttl_index));
    } else {
        table->ttl_attribute = (struct str){0};
        TRY(store_drop(call, table->id, table->ttl_index));
        table->ttl_index = 0;
        struct key key = ttl_due_key(call, table);
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    }
    return table_put(call, table);
}

/* Replicas expire alike. */
static RESULT ttl_switch_others(struct call *call, const struct dynamodb_table *table, bool enable)
{
    struct str own = call->region;
    enum result result = RESULT_OK;
    for (size_t i = 0; i < table->replicas.len && result == RESULT_OK; i++) {
        struct dynamodb_table other;
        bool found;
        call->region = table->replicas.items[i].region;
        result = table_find(call, table->name, &other, &found);
        if (result == RESULT_OK && found && str_is_absent(other.ttl_attribute) == enable)
            result = ttl_switch(call, enable, table->ttl_attribute, &other);
    }
    call->region = own;
    return result;
}

RESULT dynamodb_UpdateTimeToLive(struct call *call, const struct dynamodb_UpdateTimeToLiveInput *in,
                                 struct dynamodb_UpdateTimeToLiveOutput *out)
{
    const struct dynamodb_TimeToLiveSpecification *wanted = in->TimeToLiveSpecification;
    struct dynamodb_table table;
    bool found;
    TRY(table_find(call, in->TableName, &table, &found));
    if (found && table_is_being_made(&table))
        return call_fail(call, DYNAMODB_RESOURCE_IN_USE,
                         "Attempt to change a resource which is still in use: Table is being "
                         "created: %.*s",
                         PRSTR(table.name));
    TRY(table_open(call, in->TableName, &table));
    bool enabled = !str_is_absent(table.ttl_attribute);
    if (enabled && !str_eq(table.ttl_attribute, wanted->AttributeName))
        return DYNAMODB_ERROR(call,
                              "TimeToLive is active on a different AttributeName: current "
                              "AttributeName is %.*s",
                              PRSTR(table.ttl_attribute));
    if (enabled == wanted->Enabled.value)
        return DYNAMODB_ERROR(call, "TimeToLive is already %s", enabled ? "enabled" : "disabled");
    /* "Any additional UpdateTimeToLive calls for the same table during this one hour duration
     * result in a ValidationException" (UpdateTimeToLive, API reference). */
    if (table.ttl_changed_ms != 0 && call->now_ms < table.ttl_changed_ms + TTL_AGAIN_MS)
        return DYNAMODB_ERROR(call, "Time to live has been modified multiple times within a fixed "
                                    "interval");
    TRY(ttl_switch(call, !enabled, wanted->AttributeName, &table));
    TRY(ttl_switch_others(call, &table, !enabled));
    out->TimeToLiveSpecification = ARENA_NEW(call->arena, struct dynamodb_TimeToLiveSpecification);
    *out->TimeToLiveSpecification = *wanted;
    return RESULT_OK;
}

RESULT dynamodb_DescribeTimeToLive(struct call *call,
                                   const struct dynamodb_DescribeTimeToLiveInput *in,
                                   struct dynamodb_DescribeTimeToLiveOutput *out)
{
    struct dynamodb_table table;
    TRY(table_open(call, in->TableName, &table));
    bool enabled = !str_is_absent(table.ttl_attribute);
    out->TimeToLiveDescription = ARENA_NEW(call->arena, struct dynamodb_TimeToLiveDescription);
    out->TimeToLiveDescription->TimeToLiveStatus =
        enabled ? DYNAMODB_TIME_TO_LIVE_STATUS_ENABLED : DYNAMODB_TIME_TO_LIVE_STATUS_DISABLED;
    out->TimeToLiveDescription->AttributeName = table.ttl_attribute;
    return RESULT_OK;
}
