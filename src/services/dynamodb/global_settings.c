/* Settings of global tables of version 2017.11.29: capacity and table class of the members, each as
 * UpdateTable would change it, all in one transaction. */
#include "services/dynamodb/replica.h"

static void settings_describe(struct call *call, const struct dynamodb_table *table,
                              struct dynamodb_ReplicaSettingsDescription *out)
{
    out->RegionName = table->region;
    out->ReplicaStatus = str_eq(table->status, DYNAMODB_TABLE_STATUS_UPDATING)
                             ? DYNAMODB_REPLICA_STATUS_UPDATING
                             : DYNAMODB_REPLICA_STATUS_ACTIVE;
    out->ReplicaProvisionedReadCapacityUnits = opt_long(table->read_units);
    out->ReplicaProvisionedWriteCapacityUnits = opt_long(table->write_units);
    if (table->on_demand) {
        out->ReplicaBillingModeSummary = ARENA_NEW(call->arena, struct dynamodb_BillingModeSummary);
        out->ReplicaBillingModeSummary->BillingMode = DYNAMODB_BILLING_MODE_PAY_PER_REQUEST;
        out->ReplicaBillingModeSummary->LastUpdateToPayPerRequestDateTime =
            opt_time(table->on_demand_ms);
    }
    if (!str_is_absent(table->class)) {
        out->ReplicaTableClassSummary = ARENA_NEW(call->arena, struct dynamodb_TableClassSummary);
        out->ReplicaTableClassSummary->TableClass = table->class;
    }
    size_t count = 0;
    struct dynamodb_ReplicaGlobalSecondaryIndexSettingsDescription *indexes =
        ARENA_ARRAY(call->arena, table->indexes.len + 1,
                    struct dynamodb_ReplicaGlobalSecondaryIndexSettingsDescription);
    for (size_t i = 0; i < table->indexes.len; i++) {
        const struct dynamodb_index *index = &table->indexes.items[i];
        if (!index->global)
            continue;
        indexes[count].IndexName = index->name;
        indexes[count].IndexStatus = index->status;
        indexes[count].ProvisionedReadCapacityUnits = opt_long(index->read_units);
        indexes[count++].ProvisionedWriteCapacityUnits = opt_long(index->write_units);
    }
    if (count > 0) {
        out->ReplicaGlobalSecondaryIndexSettings.items = indexes;
        out->ReplicaGlobalSecondaryIndexSettings.len = count;
    }
}

static RESULT settings_describe_all(struct call *call, const struct dynamodb_global *global,
                                    struct dynamodb_ReplicaSettingsDescriptionList *out)
{
    out->items = ARENA_ARRAY(call->arena, global->regions.len + 1,
                             struct dynamodb_ReplicaSettingsDescription);
    for (size_t i = 0; i < global->regions.len; i++) {
        struct dynamodb_table table;
        bool found;
        TRY(replica_table(call, global->regions.items[i], global->name, &table, &found));
        if (found)
            settings_describe(call, &table, &out->items[out->len++]);
    }
    return RESULT_OK;
}

RESULT
dynamodb_DescribeGlobalTableSettings(struct call *call,
                                     const struct dynamodb_DescribeGlobalTableSettingsInput *in,
                                     struct dynamodb_DescribeGlobalTableSettingsOutput *out)
{
    struct dynamodb_global global;
    TRY(global_get(call, in->GlobalTableName, &global));
    out->GlobalTableName = global.name;
    return settings_describe_all(call, &global, &out->ReplicaSettings);
}

/* --- changing them
 * -------------------------------------------------------------------------------------------------
 */

/* What the request says of one member; NULL: nothing of it alone. */
static const struct dynamodb_ReplicaSettingsUpdate *
settings_of(const struct dynamodb_UpdateGlobalTableSettingsInput *in, struct str region)
{
    for (size_t i = 0; i < in->ReplicaSettingsUpdate.len; i++)
        if (str_eq(in->ReplicaSettingsUpdate.items[i].RegionName, region))
            return &in->ReplicaSettingsUpdate.items[i];
    return NULL;
}

/* Capacity that follows the load is Application Auto Scaling's, which is not there. */
static RESULT settings_refuse(struct call *call,
                              const struct dynamodb_UpdateGlobalTableSettingsInput *in)
{
    bool scaling = in->GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate != NULL;
    for (size_t i = 0; i < in->GlobalTableGlobalSecondaryIndexSettingsUpdate.len; i++)
        scaling |= in->GlobalTableGlobalSecondaryIndexSettingsUpdate.items[i]
                       .ProvisionedWriteCapacityAutoScalingSettingsUpdate != NULL;
    for (size_t i = 0; i < in->ReplicaSettingsUpdate.len; i++) {
        const struct dynamodb_ReplicaSettingsUpdate *one = &in->ReplicaSettingsUpdate.items[i];
        scaling |= one->ReplicaProvisionedReadCapacityAutoScalingSettingsUpdate != NULL;
        for (size_t k = 0; k < one->ReplicaGlobalSecondaryIndexSettingsUpdate.len; k++)
            scaling |= one->ReplicaGlobalSecondaryIndexSettingsUpdate.items[k]
                           .ProvisionedReadCapacityAutoScalingSettingsUpdate != NULL;
    }
    return scaling ? call_fail(call, DYNAMODB_NOT_IMPLEMENTED,
                               "UpdateGlobalTableSettings with auto scaling is not implemented.")
                   : RESULT_OK;
}

static RESULT settings_check(struct call *call,
                             const struct dynamodb_UpdateGlobalTableSettingsInput *in,
                             const struct dynamodb_global *global)
{
    TRY(settings_refuse(call, in));
    for (size_t i = 0; i < in->ReplicaSettingsUpdate.len; i++) {
        struct str region = in->ReplicaSettingsUpdate.items[i].RegionName;
        if (!global_has(global, region))
            return call_fail(call, DYNAMODB_REPLICA_NOT_FOUND,
                             "Replica with region name: '%.*s' does not exist.", PRSTR(region));
    }
    return RESULT_OK;
}

/* Units of one table or index; NULL: they are what they were. */
static struct dynamodb_ProvisionedThroughput *settings_units(struct arena *arena,
                                                             struct opt_long read,
                                                             struct opt_long write,
                                                             int64_t has_read, int64_t has_write)
{
    struct dynamodb_ProvisionedThroughput *units =
        ARENA_NEW(arena, struct dynamodb_ProvisionedThroughput);
    units->ReadCapacityUnits = opt_long(read.set ? read.value : has_read);
    units->WriteCapacityUnits = opt_long(write.set ? write.value : has_write);
    bool same =
        units->ReadCapacityUnits.value == has_read && units->WriteCapacityUnits.value == has_write;
    return same ? NULL : units;
}

/* What the request says of an index of a member. */
static RESULT settings_index(struct call *call,
                             const struct dynamodb_UpdateGlobalTableSettingsInput *in,
                             const struct dynamodb_ReplicaSettingsUpdate *own,
                             const struct dynamodb_index *index,
                             struct dynamodb_GlobalSecondaryIndexUpdateList *out)
{
    struct opt_long read = {0}, write = {0};
    for (size_t i = 0; i < in->GlobalTableGlobalSecondaryIndexSettingsUpdate.len; i++)
        if (str_eq(in->GlobalTableGlobalSecondaryIndexSettingsUpdate.items[i].IndexName,
                   index->name))
            write = in->GlobalTableGlobalSecondaryIndexSettingsUpdate.items[i]
                        .ProvisionedWriteCapacityUnits;
    for (size_t i = 0; own != NULL && i < own->ReplicaGlobalSecondaryIndexSettingsUpdate.len; i++)
        if (str_eq(own->ReplicaGlobalSecondaryIndexSettingsUpdate.items[i].IndexName, index->name))
            read = own->ReplicaGlobalSecondaryIndexSettingsUpdate.items[i]
                       .ProvisionedReadCapacityUnits;
    struct dynamodb_ProvisionedThroughput *units =
        settings_units(call->arena, read, write, index->read_units, index->write_units);
    if (units == NULL)
        return RESULT_OK;
    struct dynamodb_UpdateGlobalSecondaryIndexAction *update =
        ARENA_NEW(call->arena, struct dynamodb_UpdateGlobalSecondaryIndexAction);
    update->IndexName = index->name;
    update->ProvisionedThroughput = units;
    out->items[out->len++].Update = update;
    return RESULT_OK;
}

/* Every index that the request names is one of the table's. */
static RESULT settings_check_index(struct call *call, const struct dynamodb_table *table,
                                   struct str name)
{
    const struct dynamodb_index *index = table_index(table, name);
    if (index != NULL && index->global)
        return RESULT_OK;
    return call_fail(call, DYNAMODB_INDEX_NOT_FOUND,
                     "The operation tried to access a nonexistent index: %.*s", PRSTR(name));
}

static RESULT settings_indexes(struct call *call,
                               const struct dynamodb_UpdateGlobalTableSettingsInput *in,
                               const struct dynamodb_ReplicaSettingsUpdate *own,
                               const struct dynamodb_table *table,
                               struct dynamodb_GlobalSecondaryIndexUpdateList *out)
{
    for (size_t i = 0; i < in->GlobalTableGlobalSecondaryIndexSettingsUpdate.len; i++)
        TRY(settings_check_index(
            call, table, in->GlobalTableGlobalSecondaryIndexSettingsUpdate.items[i].IndexName));
    for (size_t i = 0; own != NULL && i < own->ReplicaGlobalSecondaryIndexSettingsUpdate.len; i++)
        TRY(settings_check_index(
            call, table, own->ReplicaGlobalSecondaryIndexSettingsUpdate.items[i].IndexName));
    out->items = ARENA_ARRAY(call->arena, table->indexes.len + 1,
                             struct dynamodb_GlobalSecondaryIndexUpdate);
    for (size_t i = 0; i < table->indexes.len; i++)
        if (table->indexes.items[i].global)
            TRY(settings_index(call, in, own, &table->indexes.items[i], out));
    return RESULT_OK;
}

static RESULT settings_apply(struct call *call,
                             const struct dynamodb_UpdateGlobalTableSettingsInput *in,
                             struct str region, size_t *changed)
{
    const struct dynamodb_ReplicaSettingsUpdate *own = settings_of(in, region);
    struct dynamodb_UpdateTableInput update = {.TableName = in->GlobalTableName};
    struct dynamodb_table table;
    bool found;
    TRY(replica_table(call, region, in->GlobalTableName, &table, &found));
    if (!found)
        return RESULT_OK;
    bool on_demand = str_eq(in->GlobalTableBillingMode, DYNAMODB_BILLING_MODE_PAY_PER_REQUEST);
    if (!str_is_absent(in->GlobalTableBillingMode) && on_demand != table.on_demand)
        update.BillingMode = in->GlobalTableBillingMode;
    struct opt_long read =
        own == NULL ? (struct opt_long){0} : own->ReplicaProvisionedReadCapacityUnits;
    update.ProvisionedThroughput =
        settings_units(call->arena, read, in->GlobalTableProvisionedWriteCapacityUnits,
                       table.read_units, table.write_units);
    TRY(settings_indexes(call, in, own, &table, &update.GlobalSecondaryIndexUpdates));
    if (own != NULL && !str_eq(own->ReplicaTableClass, table.class))
        update.TableClass = own->ReplicaTableClass;
    if (str_is_absent(update.BillingMode) && update.ProvisionedThroughput == NULL &&
        update.GlobalSecondaryIndexUpdates.len == 0 && str_is_absent(update.TableClass))
        return RESULT_OK;
    ++*changed;
    return update_member(call, region, &update, &table);
}

RESULT dynamodb_UpdateGlobalTableSettings(struct call *call,
                                          const struct dynamodb_UpdateGlobalTableSettingsInput *in,
                                          struct dynamodb_UpdateGlobalTableSettingsOutput *out)
{
    struct dynamodb_global global;
    size_t changed = 0;
    TRY(global_get(call, in->GlobalTableName, &global));
    TRY(settings_check(call, in, &global));
    for (size_t i = 0; i < global.regions.len; i++)
        TRY(settings_apply(call, in, global.regions.items[i], &changed));
    if (changed == 0)
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: No setting of the "
                              "global table would change: %.*s",
                              PRSTR(global.name));
    out->GlobalTableName = global.name;
    return settings_describe_all(call, &global, &out->ReplicaSettings);
}
