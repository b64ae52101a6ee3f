/* Global tables of version 2017.11.29: tables of one name that stand in several regions already,
 * empty, are joined by name. What replicates them is the same as for the newer version.
 *
 *   ("dynamodb", account, "global", name)  record global */
#include "base/vec.h"
#include "services/dynamodb/backup.h"
#include "services/dynamodb/replica.h"
#include "store/record.h"

enum { LIST_MAX = 100 };

static struct key global_prefix(struct call *call)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("dynamodb"));
    key_str(&key, call->account);
    key_str(&key, STR("global"));
    return key;
}

static RESULT global_find(struct call *call, struct str name, struct dynamodb_global *global,
                          bool *found)
{
    struct key key = global_prefix(call);
    key_str(&key, name);
    return call_get_record_copy(call, &key, &dynamodb_model, DYNAMODB_SHAPE_global, global, found);
}

RESULT global_get(struct call *call, struct str name, struct dynamodb_global *global)
{
    bool found;
    TRY(global_find(call, name, global, &found));
    if (!found)
        return call_fail(call, DYNAMODB_GLOBAL_TABLE_NOT_FOUND,
                         "Global table not found: Global table with name: '%.*s' does not exist.",
                         PRSTR(name));
    return RESULT_OK;
}

static RESULT global_put(struct call *call, const struct dynamodb_global *global)
{
    struct key key = global_prefix(call);
    key_str(&key, global->name);
    if (global->regions.len == 0)
        return kv_delete(call->txn, key_bytes(&key), NULL);
    return call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_global, global);
}

bool global_has(const struct dynamodb_global *global, struct str region)
{
    for (size_t i = 0; i < global->regions.len; i++)
        if (str_eq(global->regions.items[i], region))
            return true;
    return false;
}

/* --- members
 * -------------------------------------------------------------------------------------------------
 */

/* "The table must have the same hash key and sort key (if present), the same name, and streams
 * enabled with NEW_AND_OLD_IMAGES; none of the tables can contain any data." */
static RESULT member_open(struct call *call, struct str region, struct str name,
                          const struct dynamodb_table *like, struct dynamodb_table *table)
{
    struct counts counts;
    bool found;
    TRY(replica_table(call, region, name, table, &found));
    if (!found)
        return call_fail(call, DYNAMODB_TABLE_NOT_FOUND,
                         "Table not found: Table with name: '%.*s' does not exist in region: "
                         "'%.*s'.",
                         PRSTR(name), PRSTR(region));
    if (!str_eq(table->stream_view, DYNAMODB_STREAM_VIEW_TYPE_NEW_AND_OLD_IMAGES))
        return DYNAMODB_ERROR(call,
                              "Streams with view type NEW_AND_OLD_IMAGES must be enabled on table "
                              "'%.*s' in region '%.*s'",
                              PRSTR(name), PRSTR(region));
    TRY(store_counts(call, table, NULL, &counts));
    if (counts.items > 0)
        return DYNAMODB_ERROR(call, "One or more replicas contain data: '%.*s' in region '%.*s'",
                              PRSTR(name), PRSTR(region));
    if (table->replicas.len > 0 && !table->replicas_joined)
        return DYNAMODB_ERROR(call, "Table '%.*s' has replicas of version 2019.11.21 already",
                              PRSTR(name));
    if (like != NULL &&
        (!str_eq(like->partition, table->partition) || !str_eq(like->sort, table->sort) ||
         table_type(like, like->partition) != table_type(table, table->partition)))
        return DYNAMODB_ERROR(call, "Tables '%.*s' do not have the same key schema", PRSTR(name));
    return RESULT_OK;
}

/* Every member learns of the one that joins, and it of them. */
static RESULT member_join(struct call *call, struct dynamodb_global *global, struct str region)
{
    struct dynamodb_table table, other;
    bool found;
    bool first = global->regions.len == 0;
    if (!first)
        TRY(replica_table(call, global->regions.items[0], global->name, &other, &found));
    TRY(member_open(call, region, global->name, first ? NULL : &other, &table));
    const struct dynamodb_replica own = {.region = region,
                                         .status = DYNAMODB_REPLICA_STATUS_ACTIVE};
    for (size_t i = 0; i < global->regions.len; i++) {
        const struct dynamodb_replica replica = {.region = global->regions.items[i],
                                                 .status = DYNAMODB_REPLICA_STATUS_ACTIVE};
        TRY(replica_table(call, replica.region, global->name, &other, &found));
        replica_list_add(call, &table, &replica);
        if (!found)
            continue;
        replica_list_add(call, &other, &own);
        other.replicas_joined = true;
        TRY(table_put(call, &other));
    }
    table.replicas_joined = true;
    TRY(table_put(call, &table));
    struct str_list regions = {ARENA_ARRAY(call->arena, global->regions.len + 1, struct str), 0};
    for (size_t i = 0; i < global->regions.len; i++)
        regions.items[regions.len++] = global->regions.items[i];
    regions.items[regions.len++] = region;
    global->regions = regions;
    return RESULT_OK;
}

/* The table stays, by itself. */
static RESULT member_leave(struct call *call, struct dynamodb_global *global, struct str region)
{
    struct dynamodb_table table;
    bool found;
    size_t kept = 0;
    TRY(replica_table(call, region, global->name, &table, &found));
    if (found) {
        TRY(replica_leave(call, &table));
        table.replicas.len = 0;
        table.replicas_joined = false;
        TRY(table_put(call, &table));
    }
    for (size_t i = 0; i < global->regions.len; i++)
        if (!str_eq(global->regions.items[i], region))
            global->regions.items[kept++] = global->regions.items[i];
    global->regions.len = kept;
    return RESULT_OK;
}

RESULT global_leave(struct call *call, const struct dynamodb_table *table)
{
    struct dynamodb_global global;
    bool found;
    if (!table->replicas_joined)
        return RESULT_OK;
    TRY(global_find(call, table->name, &global, &found));
    if (!found || !global_has(&global, table->region))
        return RESULT_OK;
    TRY(member_leave(call, &global, table->region));
    return global_put(call, &global);
}

/* --- the operations
 * -------------------------------------------------------------------------------------------------
 */

static struct dynamodb_GlobalTableDescription *global_describe(struct call *call,
                                                               const struct dynamodb_global *global)
{
    struct dynamodb_GlobalTableDescription *out =
        ARENA_NEW(call->arena, struct dynamodb_GlobalTableDescription);
    out->GlobalTableName = global->name;
    out->GlobalTableStatus = DYNAMODB_GLOBAL_TABLE_STATUS_ACTIVE;
    out->CreationDateTime = opt_time(global->created_ms);
    out->GlobalTableArn = str_format(call->arena, "arn:aws:dynamodb::%.*s:global-table/%.*s",
                                     PRSTR(call->account), PRSTR(global->name));
    out->ReplicationGroup.items =
        ARENA_ARRAY(call->arena, global->regions.len + 1, struct dynamodb_ReplicaDescription);
    out->ReplicationGroup.len = global->regions.len;
    for (size_t i = 0; i < global->regions.len; i++) {
        out->ReplicationGroup.items[i].RegionName = global->regions.items[i];
        out->ReplicationGroup.items[i].ReplicaStatus = DYNAMODB_REPLICA_STATUS_ACTIVE;
    }
    return out;
}

RESULT dynamodb_CreateGlobalTable(struct call *call,
                                  const struct dynamodb_CreateGlobalTableInput *in,
                                  struct dynamodb_CreateGlobalTableOutput *out)
{
    struct dynamodb_global global;
    bool found;
    TRY(global_find(call, in->GlobalTableName, &global, &found));
    if (found)
        return call_fail(call, DYNAMODB_GLOBAL_TABLE_ALREADY_EXISTS,
                         "Global table with name: '%.*s' already exists.",
                         PRSTR(in->GlobalTableName));
    global = (struct dynamodb_global){.name = in->GlobalTableName, .created_ms = call->now_ms};
    for (size_t i = 0; i < in->ReplicationGroup.len; i++) {
        struct str region = in->ReplicationGroup.items[i].RegionName;
        if (str_is_empty(region) || global_has(&global, region))
            return DYNAMODB_ERROR(call, "One or more parameter values were invalid: "
                                        "ReplicationGroup names a region twice, or none");
        TRY(member_join(call, &global, region));
    }
    TRY(global_put(call, &global));
    out->GlobalTableDescription = global_describe(call, &global);
    return RESULT_OK;
}

RESULT dynamodb_UpdateGlobalTable(struct call *call,
                                  const struct dynamodb_UpdateGlobalTableInput *in,
                                  struct dynamodb_UpdateGlobalTableOutput *out)
{
    struct dynamodb_global global;
    TRY(global_get(call, in->GlobalTableName, &global));
    for (size_t i = 0; i < in->ReplicaUpdates.len; i++) {
        const struct dynamodb_ReplicaUpdate *one = &in->ReplicaUpdates.items[i];
        if ((one->Create == NULL) == (one->Delete == NULL))
            return DYNAMODB_ERROR(call, "One or more parameter values were invalid: One of "
                                        "ReplicaUpdate's Create, Delete must be specified");
        struct str region = one->Create != NULL ? one->Create->RegionName : one->Delete->RegionName;
        bool member = global_has(&global, region);
        if (one->Create != NULL && member)
            return call_fail(call, DYNAMODB_REPLICA_ALREADY_EXISTS,
                             "Replica with region name: '%.*s' already exists.", PRSTR(region));
        if (one->Delete != NULL && !member)
            return call_fail(call, DYNAMODB_REPLICA_NOT_FOUND,
                             "Replica with region name: '%.*s' does not exist.", PRSTR(region));
        if (one->Create != NULL)
            TRY(member_join(call, &global, region));
        else
            TRY(member_leave(call, &global, region));
    }
    TRY(global_put(call, &global));
    out->GlobalTableDescription = global_describe(call, &global);
    return RESULT_OK;
}

RESULT dynamodb_DescribeGlobalTable(struct call *call,
                                    const struct dynamodb_DescribeGlobalTableInput *in,
                                    struct dynamodb_DescribeGlobalTableOutput *out)
{
    struct dynamodb_global global;
    TRY(global_get(call, in->GlobalTableName, &global));
    out->GlobalTableDescription = global_describe(call, &global);
    return RESULT_OK;
}

RESULT dynamodb_ListGlobalTables(struct call *call, const struct dynamodb_ListGlobalTablesInput *in,
                                 struct dynamodb_ListGlobalTablesOutput *out)
{
    struct key prefix = global_prefix(call);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t limit = in->Limit.set ? (size_t)in->Limit.value : LIST_MAX;
    TRY(kv_cursor_open(call->txn, call->arena, str_copy(call->arena, key_bytes(&prefix)), false,
                       &cursor));
    if (!str_is_empty(in->ExclusiveStartGlobalTableName)) {
        key_str(&prefix, in->ExclusiveStartGlobalTableName);
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, key_bytes(&prefix), str_make("", 1))));
    }
    out->GlobalTables.items = ARENA_ARRAY(call->arena, limit, struct dynamodb_GlobalTable);
    for (;;) {
        struct dynamodb_global global;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_global, value, &global));
        if (!str_is_absent(in->RegionName) && !global_has(&global, in->RegionName))
            continue;
        if (out->GlobalTables.len == limit)
            break;
        struct dynamodb_GlobalTable *one = &out->GlobalTables.items[out->GlobalTables.len++];
        one->GlobalTableName = global.name;
        one->ReplicationGroup.len = global.regions.len;
        one->ReplicationGroup.items =
            ARENA_ARRAY(call->arena, global.regions.len, struct dynamodb_Replica);
        for (size_t i = 0; i < global.regions.len; i++)
            one->ReplicationGroup.items[i].RegionName = global.regions.items[i];
    }
    out->LastEvaluatedGlobalTableName = out->GlobalTables.items[limit - 1].GlobalTableName;
    return RESULT_OK;
}
