/* UpdateTable. */
#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/replica.h"

#define INVALID(call, ...)                                                                         \
    DYNAMODB_ERROR(call, "One or more parameter values were invalid: " __VA_ARGS__)

static RESULT update_refuse(struct call *call, const struct dynamodb_UpdateTableInput *in)
{
    const char *what = NULL;
    if (!str_is_absent(in->MultiRegionConsistency) || in->GlobalTableWitnessUpdates.len > 0 ||
        !str_is_absent(in->GlobalTableSettingsReplicationMode) ||
        in->DisassociationProtectionEnabled.set)
        what = "settings of global tables";
    else if (in->VectorIndexUpdates.len > 0)
        what = "VectorIndexUpdates";
    if (what != NULL)
        return call_fail(call, DYNAMODB_NOT_IMPLEMENTED, "UpdateTable with %s is not implemented.",
                         what);
    if (str_is_absent(in->BillingMode) && in->ProvisionedThroughput == NULL &&
        in->GlobalSecondaryIndexUpdates.len == 0 && in->StreamSpecification == NULL &&
        in->SSESpecification == NULL && str_is_absent(in->TableClass) &&
        in->ReplicaUpdates.len == 0 && !in->DeletionProtectionEnabled.set &&
        in->OnDemandThroughput == NULL && in->WarmThroughput == NULL)
        return DYNAMODB_ERROR(
            call, "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
                  "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required");
    return RESULT_OK;
}

/* --- throughput
 * --------------------------------------------------------------------------------------------------------
 */

/* what: "table", or "index NAME" at first and "index" in the figures. */
static RESULT update_check_changes(struct call *call, const struct limit_units *has,
                                   const struct dynamodb_ProvisionedThroughput *units,
                                   struct str what)
{
    struct str kind, name;
    if (units->ReadCapacityUnits.value != *has->read ||
        units->WriteCapacityUnits.value != *has->write)
        return RESULT_OK;
    str_cut(what, ' ', &kind, &name);
    return DYNAMODB_ERROR(
        call,
        "The provisioned throughput for the %.*s will not change. The requested value equals the "
        "current value. Current ReadCapacityUnits provisioned for the %.*s: %lld. Requested "
        "ReadCapacityUnits: %lld. Current WriteCapacityUnits provisioned for the %.*s: %lld. "
        "Requested WriteCapacityUnits: %lld. Refer to the Amazon DynamoDB Developer Guide for "
        "current limits and how to request higher limits.",
        PRSTR(what), PRSTR(kind), (long long)*has->read, (long long)units->ReadCapacityUnits.value,
        PRSTR(kind), (long long)*has->write, (long long)units->WriteCapacityUnits.value);
}

static RESULT update_throughput(struct call *call, const struct dynamodb_UpdateTableInput *in,
                                struct dynamodb_table *table)
{
    const struct dynamodb_ProvisionedThroughput *units = in->ProvisionedThroughput;
    bool on_demand = str_is_absent(in->BillingMode)
                         ? table->on_demand
                         : str_eq(in->BillingMode, DYNAMODB_BILLING_MODE_PAY_PER_REQUEST);
    bool changes = on_demand != table->on_demand;
    if (units != NULL || in->OnDemandThroughput != NULL || (changes && !on_demand))
        TRY(schema_check_units(call, units, in->OnDemandThroughput, on_demand, (struct str){0}));
    struct limit_units has = LIMIT_UNITS(table);
    if (units != NULL && !changes)
        TRY(update_check_changes(call, &has, units, STR("table")));
    if (changes && on_demand)
        TRY(limit_change_mode(call, table));
    table->on_demand = on_demand;
    if (units != NULL)
        TRY(limit_change_units(call, &has, units->ReadCapacityUnits.value,
                               units->WriteCapacityUnits.value));
    else if (changes && on_demand)
        table->read_units = table->write_units = 0;
    for (size_t i = 0; changes && on_demand && i < table->indexes.len; i++)
        table->indexes.items[i].read_units = table->indexes.items[i].write_units = 0;
    TRY(limit_read_maximum(call, in->OnDemandThroughput, &table->read_maximum,
                           &table->write_maximum));
    return limit_read_warm(call, in->WarmThroughput, on_demand, table->read_units,
                           table->write_units, &table->warm_read, &table->warm_write);
}

/* --- indexes
 * -----------------------------------------------------------------------------------------------------------
 */

static RESULT update_find_global(struct call *call, struct dynamodb_table *table, struct str name,
                                 struct dynamodb_index **out)
{
    struct dynamodb_index *index = table_index(table, name);
    if (index == NULL || !index->global)
        return call_fail(call, DYNAMODB_RESOURCE_NOT_FOUND, "Requested resource not found");
    *out = index;
    return RESULT_OK;
}

/* A new index's keys stand in the request's own definitions, even those that the table has. */
static RESULT update_check_defined(struct call *call, struct dynamodb_KeySchema keys,
                                   struct dynamodb_AttributeDefinitions definitions)
{
    struct dynamodb_table alone = {0};
    struct schema_key key = {.several = true};
    TRY(schema_read_attributes(call, definitions, &alone));
    return schema_read_key(call, keys, "globalSecondaryIndexUpdates.1.member.create.keySchema",
                           &alone, &key);
}

static RESULT update_create_index(struct call *call,
                                  const struct dynamodb_CreateGlobalSecondaryIndexAction *in,
                                  struct dynamodb_AttributeDefinitions definitions,
                                  struct dynamodb_table *table)
{
    const struct dynamodb_GlobalSecondaryIndex index = {
        .IndexName = in->IndexName,
        .KeySchema = in->KeySchema,
        .Projection = in->Projection,
        .ProvisionedThroughput = in->ProvisionedThroughput,
        .OnDemandThroughput = in->OnDemandThroughput,
        .WarmThroughput = in->WarmThroughput,
    };
    if (table_index(table, in->IndexName) != NULL)
        return DYNAMODB_ERROR(call, "Attempting to create an index which already exists: %.*s",
                              PRSTR(in->IndexName));
    TRY(update_check_defined(call, in->KeySchema, definitions));
    TRY(schema_add_global(call, &index, table));
    struct dynamodb_index *made = &table->indexes.items[table->indexes.len - 1];
    made->backfilling = true;
    return fill_begin(call, table, made->id);
}

static RESULT update_index(struct call *call,
                           const struct dynamodb_UpdateGlobalSecondaryIndexAction *in,
                           struct dynamodb_table *table)
{
    struct dynamodb_index *index = NULL;
    TRY(update_find_global(call, table, in->IndexName, &index));
    if (in->ProvisionedThroughput == NULL && in->OnDemandThroughput == NULL &&
        in->WarmThroughput == NULL)
        return INVALID(call, "ProvisionedThroughput must be specified for index: %.*s",
                       PRSTR(in->IndexName));
    if (in->ProvisionedThroughput != NULL || in->OnDemandThroughput != NULL)
        TRY(schema_check_units(call, in->ProvisionedThroughput, in->OnDemandThroughput,
                               table->on_demand, in->IndexName));
    struct limit_units has = LIMIT_UNITS(index);
    if (in->ProvisionedThroughput != NULL) {
        TRY(update_check_changes(call, &has, in->ProvisionedThroughput,
                                 str_concat(call->arena, STR("index "), index->name)));
        TRY(limit_change_units(call, &has, in->ProvisionedThroughput->ReadCapacityUnits.value,
                               in->ProvisionedThroughput->WriteCapacityUnits.value));
    }
    TRY(limit_read_maximum(call, in->OnDemandThroughput, &index->read_maximum,
                           &index->write_maximum));
    return limit_read_warm(call, in->WarmThroughput, table->on_demand, index->read_units,
                           index->write_units, &index->warm_read, &index->warm_write);
}

static RESULT update_indexes(struct call *call, const struct dynamodb_UpdateTableInput *in,
                             struct dynamodb_table *table)
{
    size_t made = 0;
    for (size_t i = 0; i < in->GlobalSecondaryIndexUpdates.len; i++) {
        const struct dynamodb_GlobalSecondaryIndexUpdate *one =
            &in->GlobalSecondaryIndexUpdates.items[i];
        if ((one->Create != NULL) + (one->Update != NULL) + (one->Delete != NULL) != 1)
            return INVALID(call, "One of GlobalSecondaryIndexUpdate's Create, Update, Delete must "
                                 "be specified");
        /* "You can create or delete only one global secondary index per UpdateTable operation". */
        if (one->Update == NULL && ++made > 1)
            return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                             "Subscriber limit exceeded: Only 1 online index can be created or "
                             "deleted simultaneously per table");
        if (one->Create != NULL)
            TRY(update_create_index(call, one->Create, in->AttributeDefinitions, table));
        else if (one->Update != NULL)
            TRY(update_index(call, one->Update, table));
        else {
            struct dynamodb_index *index = NULL;
            TRY(update_find_global(call, table, one->Delete->IndexName, &index));
            index->status = DYNAMODB_INDEX_STATUS_DELETING;
            index->backfilling = false;
        }
    }
    return RESULT_OK;
}

static RESULT update_stream(struct call *call, const struct dynamodb_StreamSpecification *in,
                            struct dynamodb_table *table)
{
    bool wanted, has = !str_is_absent(table->stream_view);
    TRY(table_read_stream(call, in, &wanted));
    if (in == NULL)
        return RESULT_OK;
    if (wanted && has)
        return DYNAMODB_ERROR(call, "Table already has an enabled stream: TableName: %.*s",
                              PRSTR(table->name));
    if (!wanted && !has)
        return DYNAMODB_ERROR(call, "Table already has stream disabled: TableName: %.*s",
                              PRSTR(table->name));
    if (!wanted && table->replicas.len > 0)
        return INVALID(call, "The stream of a table with replicas cannot be disabled: %.*s",
                       PRSTR(table->name));
    return wanted ? stream_begin(call, table, in->StreamViewType) : stream_end(call, table);
}

static RESULT update_sse(struct call *call, const struct dynamodb_SSESpecification *in,
                         struct dynamodb_table *table)
{
    struct str before = table->sse_key;
    TRY(table_read_sse(call, in, table));
    if (in == NULL || !str_eq(before, table->sse_key))
        return RESULT_OK;
    return str_is_absent(before)
               ? INVALID(call, "Table is already encrypted by default.")
               : INVALID(call, "Table is already encrypted by given KMSMasterKeyId");
}

/* --- the operation
 * --------------------------------------------------------------------------------------------------
 */

static RESULT update_usable(struct call *call, const struct dynamodb_table *table)
{
    const char *doing = NULL;
    if (str_eq(table->status, DYNAMODB_TABLE_STATUS_CREATING))
        doing = "created";
    else if (str_eq(table->status, DYNAMODB_TABLE_STATUS_UPDATING))
        doing = "updated";
    else if (str_eq(table->status, DYNAMODB_TABLE_STATUS_DELETING))
        doing = "deleted";
    if (doing == NULL)
        return RESULT_OK;
    return call_fail(call, DYNAMODB_RESOURCE_IN_USE,
                     "Attempt to change a resource which is still in use: Table is being %s: %.*s",
                     doing, PRSTR(table->name));
}

/* One member's table, but for its replicas. */
static RESULT update_one(struct call *call, const struct dynamodb_UpdateTableInput *in,
                         struct dynamodb_table *table)
{
    TRY(table_get(call, in->TableName, table));
    TRY(update_usable(call, table));
    TRY(update_stream(call, in->StreamSpecification, table));
    if (in->AttributeDefinitions.len > 0)
        TRY(schema_read_attributes(call, in->AttributeDefinitions, table));
    TRY(update_throughput(call, in, table));
    TRY(update_indexes(call, in, table));
    schema_drop_unused(table); /* which is no error here, as it is of CreateTable */
    TRY(update_sse(call, in->SSESpecification, table));
    if (!str_is_absent(in->TableClass))
        TRY(limit_change_class(call, table, in->TableClass));
    if (in->ProvisionedThroughput != NULL || !str_is_absent(in->BillingMode) ||
        in->GlobalSecondaryIndexUpdates.len > 0)
        TRY(limit_check_account(call, table));
    if (in->DeletionProtectionEnabled.set)
        table->protected = in->DeletionProtectionEnabled.value;
    TRY(replica_update(call, in->ReplicaUpdates, table));
    table->status = DYNAMODB_TABLE_STATUS_UPDATING;
    TRY(table_put(call, table));
    return table_want_step(call, table);
}

RESULT update_member(struct call *call, struct str region,
                     const struct dynamodb_UpdateTableInput *in, struct dynamodb_table *table)
{
    struct str own = call->region;
    call->region = region;
    enum result result = update_one(call, in, table);
    call->region = own;
    return result;
}

/* "Settings that are synchronized between replicas": indexes, billing mode, capacity. */
static RESULT update_others(struct call *call, const struct dynamodb_UpdateTableInput *in,
                            const struct dynamodb_table *table)
{
    const struct dynamodb_UpdateTableInput shared = {
        .AttributeDefinitions = in->AttributeDefinitions,
        .TableName = table->name,
        .BillingMode = in->BillingMode,
        .ProvisionedThroughput = in->ProvisionedThroughput,
        .GlobalSecondaryIndexUpdates = in->GlobalSecondaryIndexUpdates,
        .OnDemandThroughput = in->OnDemandThroughput,
    };
    if (str_is_absent(shared.BillingMode) && shared.ProvisionedThroughput == NULL &&
        shared.GlobalSecondaryIndexUpdates.len == 0 && shared.OnDemandThroughput == NULL)
        return RESULT_OK;
    for (size_t i = 0; i < table->replicas.len; i++) {
        struct dynamodb_table other;
        TRY(update_member(call, table->replicas.items[i].region, &shared, &other));
    }
    return RESULT_OK;
}

RESULT dynamodb_UpdateTable(struct call *call, const struct dynamodb_UpdateTableInput *in,
                            struct dynamodb_UpdateTableOutput *out)
{
    struct dynamodb_table table;
    TRY(update_refuse(call, in));
    TRY(update_one(call, in, &table));
    TRY(update_others(call, in, &table));
    return describe_table(call, &table, &out->TableDescription);
}
