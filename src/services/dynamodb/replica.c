/* Members of global tables: who they are, and how changes go from one to the others. */
#include "services/dynamodb/replica.h"

#include "base/rng.h"
#include "services/dynamodb/backup.h"
#include "services/dynamodb/history.h"
#include "store/record.h"

enum { PAYLOAD_MAX = 64 * 1024 * 1024, SEQUENCE_SIZE = 8, COPY_ITEMS = 500, COPY_BYTES = 1 << 20 };
/* A change that is older than this and has not arrived would bring a deleted item back. */
#define TOMBSTONE_MS (INT64_C(3600) * 1000)

/* --- members
 * -------------------------------------------------------------------------------------------------
 */

static struct dynamodb_replica *replica_find(const struct dynamodb_table *table, struct str region)
{
    for (size_t i = 0; i < table->replicas.len; i++)
        if (str_eq(table->replicas.items[i].region, region))
            return &table->replicas.items[i];
    return NULL;
}

void replica_list_add(struct call *call, struct dynamodb_table *table,
                      const struct dynamodb_replica *replica)
{
    struct dynamodb_list_replica list = {
        .items = ARENA_ARRAY(call->arena, table->replicas.len + 1, struct dynamodb_replica)};
    for (size_t i = 0; i < table->replicas.len; i++)
        list.items[list.len++] = table->replicas.items[i];
    list.items[list.len++] = *replica;
    table->replicas = list;
}

static void replica_list_remove(struct dynamodb_table *table, struct str region)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->replicas.len; i++)
        if (!str_eq(table->replicas.items[i].region, region))
            table->replicas.items[kept++] = table->replicas.items[i];
    table->replicas.len = kept;
}

RESULT replica_table(struct call *call, struct str region, struct str name,
                     struct dynamodb_table *table, bool *found)
{
    struct str own = call->region;
    call->region = region;
    enum result result = table_find(call, name, table, found);
    call->region = own;
    return result;
}

/* --- sequences
 * -------------------------------------------------------------------------------------------------
 */

static struct str item_key(struct call *call, const struct dynamodb_table *table,
                           const struct dynamodb_AttributeMap *item)
{
    const struct place place = {call, table, NULL};
    struct key prefix = place_prefix(&place), at = place_item(&place, item);
    return str_copy(call->arena,
                    str_slice(key_bytes(&at), key_bytes(&prefix).len, key_bytes(&at).len));
}

static struct str sequence_key(struct call *call, const struct dynamodb_table *table,
                               struct str item)
{
    struct key prefix = table_key(call, "ddb-r", table);
    return str_concat(call->arena, key_bytes(&prefix), item);
}

static RESULT sequence_get(struct call *call, struct str key, int64_t *sequence)
{
    struct str bytes;
    TRY(kv_get(call->txn, key, &bytes));
    *sequence = 0;
    if (!str_is_absent(bytes) && bytes.len != SEQUENCE_SIZE)
        return FAULT("the sequence of an item's last change is broken");
    if (!str_is_absent(bytes))
        memcpy(sequence, bytes.ptr, SEQUENCE_SIZE);
    return RESULT_OK;
}

/* Of an item that goes the number is forgotten later. */
static RESULT sequence_put(struct call *call, const struct dynamodb_table *table, struct str item,
                           int64_t sequence, bool gone)
{
    struct str bytes = str_make((const char *)&sequence, SEQUENCE_SIZE);
    TRY(kv_put(call->txn, sequence_key(call, table, item), bytes));
    if (!gone)
        return RESULT_OK;
    struct str payload = str_concat(
        call->arena, bytes, str_concat(call->arena, str_make((const char *)&table->id, 8), item));
    return job_schedule(call, STR("dynamodb.tombstone"), call->now_ms + TOMBSTONE_MS, payload,
                        NULL);
}

RESULT replica_deliver_forget(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_table table = {0};
    int64_t noted, sequence;
    struct str bytes;
    if (item->payload.len < 2 * SEQUENCE_SIZE)
        return FAULT("dynamodb.tombstone: a payload of %zu bytes", item->payload.len);
    memcpy(&noted, item->payload.ptr, SEQUENCE_SIZE);
    memcpy(&table.id, item->payload.ptr + SEQUENCE_SIZE, SEQUENCE_SIZE);
    struct str key = str_slice(item->payload, 2 * SEQUENCE_SIZE, item->payload.len);
    struct str at = sequence_key(call, &table, key);
    TRY(sequence_get(call, at, &sequence));
    const struct place place = {call, &table, NULL};
    struct key prefix = place_prefix(&place);
    TRY(kv_get(call->txn, str_concat(call->arena, key_bytes(&prefix), key), &bytes));
    if (sequence != noted || !str_is_absent(bytes))
        return RESULT_OK;
    return kv_delete(call->txn, at, NULL);
}

/* --- changes
 * -------------------------------------------------------------------------------------------------
 */

/* Changes of one item go one after another. */
static struct str replica_lane(struct call *call, const struct dynamodb_table *table,
                               struct str region, struct str item)
{
    return str_format(call->arena, "ddb/rep/%lld/%.*s/%016llx", (long long)table->id, PRSTR(region),
                      (unsigned long long)str_hash(item, 0));
}

RESULT replica_write(struct call *call, const struct change *change)
{
    const struct dynamodb_table *table = change->table;
    const struct place place = {call, table, NULL};
    const struct dynamodb_AttributeMap *item =
        change->new != NULL ? change->new : &change->old->item;
    struct str key = item_key(call, table, item);
    if (change->replicated < 0)
        return RESULT_OK;
    if (change->replicated > 0)
        return sequence_put(call, table, key, change->replicated, change->new == NULL);
    uint64_t sequence;
    TRY(call_sequence(call, &sequence));
    TRY(sequence_put(call, table, key, (int64_t)sequence, change->new == NULL));
    struct dynamodb_AttributeMap names = place_key_of(&place, item);
    struct dynamodb_replicated event = {
        .name = table->name, .source = table->region, .sequence = (int64_t)sequence};
    TRY(codec_encode(call->arena, &names, 0, &event.key));
    if (change->new != NULL)
        TRY(codec_encode(call->arena, change->new, change->new_size, &event.item));
    for (size_t i = 0; i < table->replicas.len; i++) {
        struct buf payload;
        event.region = table->replicas.items[i].region;
        buf_init(&payload, call->arena, PAYLOAD_MAX);
        TRY(record_encode(&payload, &dynamodb_model, DYNAMODB_SHAPE_replicated, &event));
        TRY(outbox_post(call, STR("dynamodb.replicate"),
                        replica_lane(call, table, event.region, key), buf_str(&payload)));
    }
    return RESULT_OK;
}

/* In the target's region and in nobody's name; a later change that stands there stays. */
static RESULT replica_apply(struct call *call, const struct dynamodb_table *table,
                            const struct dynamodb_replicated *event)
{
    struct dynamodb_AttributeMap key, new;
    struct stored old;
    int64_t sequence;
    size_t size;
    struct change change = {.table = table, .old = &old, .replicated = event->sequence};
    TRY(codec_decode(call->arena, event->key, &key, &size));
    struct str at = item_key(call, table, &key);
    TRY(sequence_get(call, sequence_key(call, table, at), &sequence));
    if (sequence >= event->sequence)
        return RESULT_OK;
    TRY(store_get(call, table, &key, true, &old));
    if (!str_is_absent(event->item)) {
        TRY(codec_decode(call->arena, event->item, &new, &change.new_size));
        change.new = &new;
    } else if (!old.found) {
        return sequence_put(call, table, at, event->sequence, true);
    }
    return store_write(call, &change, NULL);
}

RESULT replica_deliver(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_replicated event;
    struct dynamodb_table table;
    bool found;
    TRY(record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_replicated, item->payload,
                      &event));
    call->region = event.region;
    TRY(table_find(call, event.name, &table, &found));
    if (!found || replica_find(&table, event.source) == NULL ||
        str_eq(table.status, DYNAMODB_TABLE_STATUS_DELETING))
        return RESULT_OK; /* it is no member any more */
    return replica_apply(call, &table, &event);
}

/* --- a new member's items
 * -------------------------------------------------------------------------------------------------
 */

struct copy {
    struct call *call;
    const struct dynamodb_table *table;
};

static RESULT copy_visit(void *context, const struct history_item *item)
{
    const struct copy *copy = context;
    struct call *call = copy->call;
    struct dynamodb_AttributeMap new;
    const struct stored old = {0};
    int64_t sequence;
    TRY(sequence_get(call, sequence_key(call, copy->table, item->key), &sequence));
    if (sequence != 0)
        return RESULT_OK; /* changed since */
    struct change change = {.table = copy->table, .old = &old, .new = &new, .replicated = -1};
    TRY(codec_decode(call->arena, item->bytes, &new, &change.new_size));
    return store_write(call, &change, NULL);
}

static RESULT replica_set_status(struct call *call, struct str region, struct str name,
                                 struct str of, struct str status)
{
    struct dynamodb_table table;
    bool found;
    TRY(replica_table(call, region, name, &table, &found));
    struct dynamodb_replica *replica = found ? replica_find(&table, of) : NULL;
    if (replica == NULL)
        return RESULT_OK;
    replica->status = status;
    return table_put(call, &table);
}

static RESULT replica_ready(struct call *call, struct dynamodb_table *table)
{
    struct str own = call->region;
    table->importing = false;
    TRY(table_put(call, table));
    for (size_t i = 0; i < table->replicas.len; i++)
        TRY(replica_set_status(call, table->replicas.items[i].region, table->name, table->region,
                               DYNAMODB_REPLICA_STATUS_ACTIVE));
    call->region = table->region;
    enum result result = table_want_step(call, table);
    call->region = own;
    return result;
}

RESULT replica_deliver_copy(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_copying copying;
    struct dynamodb_table table;
    bool found;
    TRY(record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_copying, item->payload,
                      &copying));
    TRY(replica_table(call, copying.region, copying.target, &table, &found));
    if (!found || table.id != copying.target_id)
        return FAULT("a replica in the making is not there: %.*s", PRSTR(copying.target));
    struct copy copy = {call, &table};
    const struct history_walk walk = {
        .call = call,
        .view = copying.view,
        .from = copying.from,
        .items_max = COPY_ITEMS,
        .bytes_max = COPY_BYTES,
        .visit = copy_visit,
        .context = &copy,
    };
    TRY(history_walk(&walk, &copying.from));
    if (!str_is_absent(copying.from))
        return copying_post(call, STR("dynamodb.replica"), &copying);
    TRY(history_let_go(call, copying.holder));
    return replica_ready(call, &table);
}

/* --- joining and leaving
 * -------------------------------------------------------------------------------------------------
 */

static RESULT region_check(struct call *call, struct str region)
{
    size_t dashes = 0;
    bool plain = region.len > 0 && region.len < 32;
    for (size_t i = 0; i < region.len; i++) {
        char c = region.ptr[i];
        dashes += c == '-';
        plain = plain && (c == '-' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
    }
    if (!plain || dashes < 2)
        return DYNAMODB_ERROR(call, "Region %.*s is not supported", PRSTR(region));
    if (str_eq(region, call->region))
        return DYNAMODB_ERROR(call, "Cannot add, delete, or update the local region through "
                                    "ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable "
                                    "as required.");
    return RESULT_OK;
}

/* "Streams are enabled by default on all replicas" ("How DynamoDB global tables work"); capacity
 * follows the load. */
static RESULT source_check(struct call *call, struct dynamodb_table *table)
{
    if (str_is_absent(table->stream_view))
        TRY(stream_begin(call, table, DYNAMODB_STREAM_VIEW_TYPE_NEW_AND_OLD_IMAGES));
    if (!str_eq(table->stream_view, DYNAMODB_STREAM_VIEW_TYPE_NEW_AND_OLD_IMAGES))
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Table %.*s must have "
                              "streams enabled with StreamViewType NEW_AND_OLD_IMAGES to have "
                              "replicas",
                              PRSTR(table->name));
    if (!table->on_demand)
        return DYNAMODB_ERROR(
            call, "Table write capacity should either be Pay-Per-Request or AutoScaled.");
    return RESULT_OK;
}

static RESULT replica_read_maximum(struct call *call,
                                   const struct dynamodb_OnDemandThroughputOverride *in,
                                   int64_t *maximum)
{
    int64_t no_writes;
    if (in == NULL)
        return RESULT_OK;
    const struct dynamodb_OnDemandThroughput given = {.MaxReadRequestUnits =
                                                          in->MaxReadRequestUnits};
    return limit_read_maximum(call, &given, maximum, &no_writes);
}

static RESULT replica_read_indexes(struct call *call,
                                   struct dynamodb_ReplicaGlobalSecondaryIndexList in,
                                   struct dynamodb_replica *replica)
{
    if (in.len == 0)
        return RESULT_OK;
    replica->indexes.items = ARENA_ARRAY(call->arena, in.len, struct dynamodb_replica_index);
    replica->indexes.len = in.len;
    for (size_t i = 0; i < in.len; i++) {
        struct dynamodb_replica_index *index = &replica->indexes.items[i];
        index->name = in.items[i].IndexName;
        if (in.items[i].ProvisionedThroughputOverride != NULL)
            index->read_units = in.items[i].ProvisionedThroughputOverride->ReadCapacityUnits.value;
        TRY(replica_read_maximum(call, in.items[i].OnDemandThroughputOverride,
                                 &index->read_maximum));
    }
    return RESULT_OK;
}

#define READ_OVERRIDES(call, in, replica)                                                          \
    do {                                                                                           \
        if (!str_is_absent((in)->KMSMasterKeyId))                                                  \
            (replica)->sse_key = (in)->KMSMasterKeyId;                                             \
        if ((in)->ProvisionedThroughputOverride != NULL)                                           \
            (replica)->read_units = (in)->ProvisionedThroughputOverride->ReadCapacityUnits.value;  \
        TRY(replica_read_maximum((call), (in)->OnDemandThroughputOverride,                         \
                                 &(replica)->read_maximum));                                       \
        if (!str_is_absent((in)->TableClassOverride))                                              \
            (replica)->class = (in)->TableClassOverride;                                           \
        TRY(replica_read_indexes((call), (in)->GlobalSecondaryIndexes, (replica)));                \
    } while (0)

/* The key of that name where the table is; absent: DynamoDB's own there. */
static RESULT key_apply(struct call *call, struct str name, struct dynamodb_table *table)
{
    const struct dynamodb_SSESpecification sse = {.Enabled = opt_bool(true),
                                                  .KMSMasterKeyId = name};
    struct str own = call->region;
    call->region = table->region;
    enum result result = table_read_sse(call, &sse, table);
    call->region = own;
    return result;
}

void replica_forget_index(struct dynamodb_table *table, struct str index)
{
    for (size_t i = 0; i < table->replicas.len; i++) {
        struct dynamodb_list_replica_index *own = &table->replicas.items[i].indexes;
        size_t kept = 0;
        for (size_t k = 0; k < own->len; k++)
            if (!str_eq(own->items[k].name, index))
                own->items[kept++] = own->items[k];
        own->len = kept;
    }
}

RESULT replica_key_missing(struct call *call)
{
    return DYNAMODB_ERROR(call, "One or more parameter values were invalid: KMSMasterKeyId must be "
                                "specified for each replica of a table that is encrypted with a "
                                "customer managed key");
}

/* Keys are of one region: a replica of a table with a customer's key must be given its own. */
static RESULT key_inherit(struct call *call, const struct dynamodb_table *source,
                          const struct dynamodb_replica *replica, struct dynamodb_table *table)
{
    struct dynamodb_table usual = *source;
    if (str_is_absent(source->sse_key) || !str_is_absent(replica->sse_key))
        return RESULT_OK;
    TRY(key_apply(call, (struct str){0}, &usual));
    if (!str_eq(usual.sse_key, source->sse_key))
        return replica_key_missing(call);
    return key_apply(call, (struct str){0}, table);
}

RESULT replica_override(struct call *call, const struct dynamodb_replica *replica,
                        struct dynamodb_table *table)
{
    if (!str_is_absent(replica->sse_key))
        TRY(key_apply(call, replica->sse_key, table));
    if (replica->read_units != 0 && !table->on_demand)
        table->read_units = replica->read_units;
    if (replica->read_maximum != 0 && table->on_demand)
        table->read_maximum = replica->read_maximum;
    if (!str_is_absent(replica->class))
        table->class = replica->class;
    for (size_t i = 0; i < replica->indexes.len; i++) {
        const struct dynamodb_replica_index *given = &replica->indexes.items[i];
        struct dynamodb_index *index = table_index(table, given->name);
        if (index == NULL || !index->global)
            return DYNAMODB_ERROR(call,
                                  "One or more parameter values were invalid: The table does not "
                                  "have the specified index: %.*s",
                                  PRSTR(given->name));
        if (given->read_units != 0 && !table->on_demand)
            index->read_units = given->read_units;
        if (given->read_maximum != 0 && table->on_demand)
            index->read_maximum = given->read_maximum;
    }
    return RESULT_OK;
}

static RESULT replica_make(struct call *call, const struct dynamodb_table *source,
                           const struct dynamodb_replica *replica, struct dynamodb_table *table)
{
    uint64_t id;
    char *uuid = arena_alloc(call->arena, 36);
    TRY(call_sequence(call, &id));
    rng_uuid(uuid);
    *table = *source;
    table->region = replica->region;
    table->uuid = str_make(uuid, 36);
    table->id = (int64_t)id;
    table->status = DYNAMODB_TABLE_STATUS_CREATING;
    table->created_ms = call->now_ms;
    table->tags = (struct str_map){0};
    table->restored = NULL;
    table->class_changes = table->mode_changes = (struct str){0};
    table->increased_ms = table->decreased_ms = table->decreases = 0;
    table->class_changed_ms = 0;
    table->protected = table->guarded = table->pitr = false;
    table->log_id = table->copies = table->stream_id = table->stream_created_ms = 0;
    table->importing = true;
    struct dynamodb_list_index indexes = source->indexes;
    table->indexes.items = ARENA_ARRAY(call->arena, indexes.len + 1, struct dynamodb_index);
    for (size_t i = 0; i < indexes.len; i++) {
        table->indexes.items[i] = indexes.items[i];
        index_begin_anew(&table->indexes.items[i]);
    }
    insights_forget(table);
    TRY(key_inherit(call, source, replica, table));
    return replica_override(call, replica, table);
}

static RESULT replica_begin_copy(struct call *call, struct dynamodb_table *source,
                                 const struct dynamodb_table *table)
{
    struct dynamodb_view view;
    TRY(history_hold(call, source));
    TRY(history_view_now(call, source, &view));
    const struct dynamodb_copying copying = {
        .view = &view,
        .holder = source->name,
        .target = table->name,
        .target_id = table->id,
        .region = table->region,
    };
    return copying_post(call, STR("dynamodb.replica"), &copying);
}

/* The members besides the source learn of the new one, and it of them. */
static RESULT replica_introduce(struct call *call, const struct dynamodb_table *source,
                                const struct dynamodb_replica *replica,
                                struct dynamodb_table *table)
{
    const struct dynamodb_replica own = {.region = source->region,
                                         .status = DYNAMODB_REPLICA_STATUS_ACTIVE};
    for (size_t i = 0; i < source->replicas.len; i++) {
        struct dynamodb_table other;
        bool found;
        TRY(replica_table(call, source->replicas.items[i].region, source->name, &other, &found));
        if (!found)
            continue;
        replica_list_add(call, &other, replica);
        TRY(table_put(call, &other));
    }
    replica_list_add(call, table, &own);
    return RESULT_OK;
}

static RESULT replica_create(struct call *call,
                             const struct dynamodb_CreateReplicationGroupMemberAction *in,
                             struct dynamodb_table *source)
{
    struct dynamodb_replica replica = {.region = in->RegionName,
                                       .status = DYNAMODB_REPLICA_STATUS_CREATING};
    struct dynamodb_table table;
    bool found;
    TRY(source_check(call, source));
    TRY(replica_table(call, in->RegionName, source->name, &table, &found));
    if (found)
        return DYNAMODB_ERROR(call,
                              "Failed to create a the new replica of table with name: '%.*s' "
                              "because one or more replicas already existed as tables.",
                              PRSTR(source->name));
    READ_OVERRIDES(call, in, &replica);
    TRY(replica_make(call, source, &replica, &table));
    TRY(replica_introduce(call, source, &replica, &table));
    struct str own = call->region;
    call->region = table.region;
    enum result result = stream_begin(call, &table, source->stream_view);
    if (result == RESULT_OK && table.ttl_index != 0)
        table.ttl_changed_ms = call->now_ms;
    call->region = own;
    TRY(result);
    TRY(table_put(call, &table));
    replica_list_add(call, source, &replica);
    return replica_begin_copy(call, source, &table);
}

static RESULT replica_change(struct call *call,
                             const struct dynamodb_UpdateReplicationGroupMemberAction *in,
                             struct dynamodb_table *source)
{
    struct dynamodb_table table;
    bool found;
    struct dynamodb_replica *replica = replica_find(source, in->RegionName);
    TRY(replica_table(call, in->RegionName, source->name, &table, &found));
    if (!found || replica == NULL)
        return DYNAMODB_ERROR(call,
                              "Update global table operation failed because one or more replicas "
                              "were not part of the global table.");
    READ_OVERRIDES(call, in, replica);
    TRY(replica_override(call, replica, &table));
    TRY(table_put(call, &table));
    for (size_t i = 0; i < table.replicas.len; i++) {
        struct dynamodb_table other;
        TRY(replica_table(call, table.replicas.items[i].region, source->name, &other, &found));
        if (!found || str_eq(other.region, source->region))
            continue;
        replica_list_remove(&other, in->RegionName);
        replica_list_add(call, &other, replica);
        TRY(table_put(call, &other));
    }
    return RESULT_OK;
}

RESULT replica_leave(struct call *call, const struct dynamodb_table *table)
{
    for (size_t i = 0; i < table->replicas.len; i++) {
        struct dynamodb_table other;
        bool found;
        TRY(replica_table(call, table->replicas.items[i].region, table->name, &other, &found));
        if (!found)
            continue;
        replica_list_remove(&other, table->region);
        TRY(table_put(call, &other));
    }
    return RESULT_OK;
}

static RESULT replica_delete(struct call *call, struct str region, struct dynamodb_table *source)
{
    struct dynamodb_table table;
    bool found;
    TRY(replica_table(call, region, source->name, &table, &found));
    if (!found || replica_find(source, region) == NULL)
        return DYNAMODB_ERROR(call,
                              "Update global table operation failed because one or more replicas "
                              "were not part of the global table.");
    if (table.importing)
        return call_fail(call, DYNAMODB_RESOURCE_IN_USE,
                         "Attempt to change a resource which is still in use: Table is being "
                         "created: %.*s",
                         PRSTR(table.name));
    TRY(table_check_protection(call, &table));
    TRY(replica_leave(call, &table));
    replica_list_remove(source, region);
    table.replicas.len = 0;
    table.status = DYNAMODB_TABLE_STATUS_DELETING;
    TRY(table_put(call, &table));
    struct str own = call->region;
    call->region = region;
    enum result result = table_want_step(call, &table);
    call->region = own;
    return result;
}

RESULT replica_update(struct call *call, struct dynamodb_ReplicationGroupUpdateList updates,
                      struct dynamodb_table *table)
{
    for (size_t i = 0; i < updates.len; i++) {
        const struct dynamodb_ReplicationGroupUpdate *one = &updates.items[i];
        if (one->Disassociate != NULL)
            return call_fail(call, DYNAMODB_NOT_IMPLEMENTED,
                             "ReplicaUpdates with Disassociate is not implemented.");
        if ((one->Create != NULL) + (one->Update != NULL) + (one->Delete != NULL) != 1)
            return DYNAMODB_ERROR(call, "One or more parameter values were invalid: One of "
                                        "ReplicationGroupUpdate's Create, Update, Delete must be "
                                        "specified");
        struct str region = one->Create != NULL   ? one->Create->RegionName
                            : one->Update != NULL ? one->Update->RegionName
                                                  : one->Delete->RegionName;
        TRY(region_check(call, region));
        if (one->Create != NULL)
            TRY(replica_create(call, one->Create, table));
        else if (one->Update != NULL)
            TRY(replica_change(call, one->Update, table));
        else
            TRY(replica_delete(call, region, table));
    }
    return RESULT_OK;
}

/* --- showing
 * -------------------------------------------------------------------------------------------------
 */

static struct dynamodb_ProvisionedThroughputOverride *shown_units(struct arena *arena,
                                                                  int64_t units)
{
    if (units == 0)
        return NULL;
    struct dynamodb_ProvisionedThroughputOverride *out =
        ARENA_NEW(arena, struct dynamodb_ProvisionedThroughputOverride);
    out->ReadCapacityUnits = opt_long(units);
    return out;
}

static struct dynamodb_OnDemandThroughputOverride *shown_maximum(struct arena *arena, int64_t units)
{
    if (units == 0)
        return NULL;
    struct dynamodb_OnDemandThroughputOverride *out =
        ARENA_NEW(arena, struct dynamodb_OnDemandThroughputOverride);
    out->MaxReadRequestUnits = opt_long(units);
    return out;
}

static struct dynamodb_ReplicaDescription
replica_description(struct call *call, const struct dynamodb_table *table,
                    const struct dynamodb_replica *replica)
{
    struct arena *arena = call->arena;
    struct dynamodb_table member = *table;
    size_t count = replica->indexes.len;
    member.region = replica->region;
    struct dynamodb_ReplicaDescription out = {
        .RegionName = replica->region,
        .ReplicaStatus = replica->status,
        .ReplicaArn = table_arn(arena, &member),
        .KMSMasterKeyId = replica->sse_key,
        .ProvisionedThroughputOverride = shown_units(arena, replica->read_units),
        .OnDemandThroughputOverride = shown_maximum(arena, replica->read_maximum),
    };
    if (!str_is_absent(replica->class)) {
        out.ReplicaTableClassSummary = ARENA_NEW(arena, struct dynamodb_TableClassSummary);
        out.ReplicaTableClassSummary->TableClass = replica->class;
    }
    if (count == 0)
        return out;
    out.GlobalSecondaryIndexes.items =
        ARENA_ARRAY(arena, count, struct dynamodb_ReplicaGlobalSecondaryIndexDescription);
    out.GlobalSecondaryIndexes.len = count;
    for (size_t i = 0; i < count; i++) {
        struct dynamodb_ReplicaGlobalSecondaryIndexDescription *index =
            &out.GlobalSecondaryIndexes.items[i];
        index->IndexName = replica->indexes.items[i].name;
        index->ProvisionedThroughputOverride =
            shown_units(arena, replica->indexes.items[i].read_units);
        index->OnDemandThroughputOverride =
            shown_maximum(arena, replica->indexes.items[i].read_maximum);
    }
    return out;
}

void replica_describe(struct call *call, const struct dynamodb_table *table,
                      struct dynamodb_TableDescription *out)
{
    size_t count = table->replicas.len;
    if (count == 0)
        return;
    out->GlobalTableVersion = table->replicas_joined ? STR("2017.11.29") : STR("2019.11.21");
    if (!table->replicas_joined) {
        out->MultiRegionConsistency = DYNAMODB_MULTI_REGION_CONSISTENCY_EVENTUAL;
        out->GlobalTableSettingsReplicationMode =
            DYNAMODB_GLOBAL_TABLE_SETTINGS_REPLICATION_MODE_ENABLED_WITH_OVERRIDES;
    }
    out->Replicas.items = ARENA_ARRAY(call->arena, count, struct dynamodb_ReplicaDescription);
    out->Replicas.len = count;
    for (size_t i = 0; i < count; i++)
        out->Replicas.items[i] = replica_description(call, table, &table->replicas.items[i]);
    for (size_t i = 0; i < count; i++) /* which all share */
        out->Replicas.items[i].WarmThroughput = out->WarmThroughput;
}
