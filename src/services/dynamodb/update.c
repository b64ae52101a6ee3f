/* UpdateTable. */
#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/replica.h"

#define INVALID(call, ...)                                                                         \
    DYNAMODB_ERROR(call, "One or more parameter values were invalid: " __VA_ARGS__)

static bool update_creates_replica(const struct dynamodb_UpdateTableInput *in, struct str region)
{
    for (size_t i = 0; i < in->ReplicaUpdates.len; i++) {
        const struct dynamodb_CreateReplicationGroupMemberAction *create =
            in->ReplicaUpdates.items[i].Create;
        if (create != NULL && (str_is_absent(region) || str_eq(create->RegionName, region)))
            return true;
    }
    return false;
}

static RESULT update_refuse(struct call *call, const struct dynamodb_UpdateTableInput *in)
{
    const char *what = NULL;
    if (str_eq(in->MultiRegionConsistency, DYNAMODB_MULTI_REGION_CONSISTENCY_STRONG))
        what = "MultiRegionConsistency STRONG";
    else if (in->GlobalTableWitnessUpdates.len > 0)
        what = "GlobalTableWitnessUpdates";
    else if (!str_is_absent(in->GlobalTableSettingsReplicationMode))
        what = "GlobalTableSettingsReplicationMode";
    else if (in->DisassociationProtectionEnabled.set)
        what = "DisassociationProtectionEnabled";
    else if (in->VectorIndexUpdates.len > 0)
        what = "VectorIndexUpdates";
    if (what != NULL)
        return call_fail(call, DYNAMODB_NOT_IMPLEMENTED, "UpdateTable with %s is not implemented.",
                         what);
    /* "only valid when you create a global table by specifying one or more Create actions" */
    if (!str_is_absent(in->MultiRegionConsistency) && !update_creates_replica(in, (struct str){0}))
        return INVALID(call, "MultiRegionConsistency can only be specified when ReplicaUpdates "
                             "create a replica");
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
                                struct dynamodb_table *table, bool follows)
{
    const struct dynamodb_ProvisionedThroughput *units = in->ProvisionedThroughput;
    bool on_demand = str_is_absent(in->BillingMode)
                         ? table->on_demand
                         : str_eq(in->BillingMode, DYNAMODB_BILLING_MODE_PAY_PER_REQUEST);
    bool changes = on_demand != table->on_demand;
    if (units != NULL || in->OnDemandThroughput != NULL || (changes && !on_demand))
        TRY(schema_check_units(call, units, in->OnDemandThroughput, on_demand, (struct str){0}));
    struct limit_units has = LIMIT_UNITS(table);
    if (units != NULL && !changes && !follows)
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
                           struct dynamodb_table *table, bool follows)
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
    if (in->ProvisionedThroughput != NULL && !follows)
        TRY(update_check_changes(call, &has, in->ProvisionedThroughput,
                                 str_concat(call->arena, STR("index "), index->name)));
    if (in->ProvisionedThroughput != NULL)
        TRY(limit_change_units(call, &has, in->ProvisionedThroughput->ReadCapacityUnits.value,
                               in->ProvisionedThroughput->WriteCapacityUnits.value));
    TRY(limit_read_maximum(call, in->OnDemandThroughput, &index->read_maximum,
                           &index->write_maximum));
    return limit_read_warm(call, in->WarmThroughput, table->on_demand, index->read_units,
                           index->write_units, &index->warm_read, &index->warm_write);
}

/* "You cannot add or delete other indexes on the table" while one is being built ("Managing Global
 * Secondary Indexes", Developer Guide). */
static bool update_builds_index(const struct dynamodb_table *table, struct str but)
{
    for (size_t i = 0; i < table->indexes.len; i++) {
        const struct dynamodb_index *index = &table->indexes.items[i];
        if (index->backfilling && !str_eq(index->name, but))
            return true;
    }
    return false;
}

static RESULT update_index_limit(struct call *call)
{
    return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                     "Subscriber limit exceeded: Only 1 online index can be created or deleted "
                     "simultaneously per table");
}

static RESULT update_indexes(struct call *call, const struct dynamodb_UpdateTableInput *in,
                             struct dynamodb_table *table, bool follows)
{
    size_t made = 0;
    for (size_t i = 0; i < in->GlobalSecondaryIndexUpdates.len; i++) {
        const struct dynamodb_GlobalSecondaryIndexUpdate *one =
            &in->GlobalSecondaryIndexUpdates.items[i];
        if ((one->Create != NULL) + (one->Update != NULL) + (one->Delete != NULL) != 1)
            return INVALID(call, "One of GlobalSecondaryIndexUpdate's Create, Update, Delete must "
                                 "be specified");
        /* "You can create or delete only one global secondary index per UpdateTable operation". */
        struct str gone = one->Delete != NULL ? one->Delete->IndexName : (struct str){0};
        if (one->Update == NULL && (++made > 1 || update_builds_index(table, gone)))
            return update_index_limit(call);
        if (one->Create != NULL)
            TRY(update_create_index(call, one->Create, in->AttributeDefinitions, table));
        else if (one->Update != NULL)
            TRY(update_index(call, one->Update, table, follows));
        else {
            struct dynamodb_index *index = NULL;
            TRY(update_find_global(call, table, one->Delete->IndexName, &index));
            index->status = DYNAMODB_INDEX_STATUS_DELETING;
            index->backfilling = false;
            replica_forget_index(table, index->name);
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
        return INVALID(call, "Disabling Stream is not allowed for a Global Table replica.");
    return wanted ? stream_begin(call, table, in->StreamViewType) : stream_end(call, table);
}

static RESULT update_sse(struct call *call, const struct dynamodb_SSESpecification *in,
                         struct dynamodb_table *table, bool follows)
{
    struct str before = table->sse_key;
    TRY(table_read_sse(call, in, table));
    for (size_t i = 0; in != NULL && !in->Enabled.value && i < table->replicas.len; i++)
        table->replicas.items[i].sse_key = (struct str){0}; /* no member has a key then */
    if (in == NULL || follows || !str_eq(before, table->sse_key))
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

/* One member's table. follows: another member's was changed; what this one has already is no error.
 */
static RESULT update_one(struct call *call, const struct dynamodb_UpdateTableInput *in,
                         struct dynamodb_table *table, bool follows)
{
    TRY(table_get(call, in->TableName, table));
    TRY(update_usable(call, table));
    bool was_on_demand = table->on_demand;
    TRY(update_stream(call, in->StreamSpecification, table));
    if (in->AttributeDefinitions.len > 0)
        TRY(schema_read_attributes(call, in->AttributeDefinitions, table));
    TRY(update_throughput(call, in, table, follows));
    TRY(update_indexes(call, in, table, follows));
    if (was_on_demand && !table->on_demand)
        TRY(schema_check_index_units(call, table));
    schema_drop_unused(table); /* which is no error here, as it is of CreateTable */
    TRY(update_sse(call, in->SSESpecification, table, follows));
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
    enum result result = update_one(call, in, table, true);
    call->region = own;
    return result;
}

/* How the other members are encrypted: the kind is the same everywhere, keys are of one region. */
static RESULT update_other_sse(struct call *call, const struct dynamodb_SSESpecification *in,
                               const struct dynamodb_replica *replica,
                               const struct dynamodb_SSESpecification **out)
{
    static const struct dynamodb_SSESpecification usual = {.Enabled = {true, true}};
    *out = NULL;
    if (in == NULL || !str_is_absent(replica->sse_key))
        return RESULT_OK;
    if (!str_is_empty(in->KMSMasterKeyId))
        return replica_key_missing(call);
    *out = in->Enabled.value ? &usual : in;
    return RESULT_OK;
}

/* "Settings that are synchronized between replicas" ("How DynamoDB global tables work"): what each
 * may have of its own - reads, class - stays. */
static RESULT update_other(struct call *call, const struct dynamodb_UpdateTableInput *in,
                           struct str name, const struct dynamodb_replica *replica)
{
    struct dynamodb_table other;
    struct dynamodb_UpdateTableInput shared = {
        .AttributeDefinitions = in->AttributeDefinitions,
        .TableName = name,
        .BillingMode = in->BillingMode,
        .ProvisionedThroughput = in->ProvisionedThroughput,
        .GlobalSecondaryIndexUpdates = in->GlobalSecondaryIndexUpdates,
        .OnDemandThroughput = in->OnDemandThroughput,
        .WarmThroughput = in->WarmThroughput,
    };
    const struct dynamodb_SSESpecification *sse;
    TRY(update_other_sse(call, in->SSESpecification, replica, &sse));
    struct dynamodb_SSESpecification copy =
        sse == NULL ? (struct dynamodb_SSESpecification){0} : *sse;
    if (sse != NULL)
        shared.SSESpecification = &copy;
    if (str_is_absent(replica->class))
        shared.TableClass = in->TableClass;
    if (str_is_absent(shared.BillingMode) && shared.ProvisionedThroughput == NULL &&
        shared.GlobalSecondaryIndexUpdates.len == 0 && shared.OnDemandThroughput == NULL &&
        shared.WarmThroughput == NULL && sse == NULL && str_is_absent(shared.TableClass))
        return RESULT_OK;
    TRY(update_member(call, replica->region, &shared, &other));
    TRY(replica_override(call, replica, &other));
    return table_put(call, &other);
}

static RESULT update_others(struct call *call, const struct dynamodb_UpdateTableInput *in,
                            const struct dynamodb_table *table)
{
    for (size_t i = 0; i < table->replicas.len; i++) {
        const struct dynamodb_replica *replica = &table->replicas.items[i];
        if (!update_creates_replica(in, replica->region)) /* made of the changed table */
            TRY(update_other(call, in, table->name, replica));
    }
    return RESULT_OK;
}

RESULT dynamodb_UpdateTable(struct call *call, const struct dynamodb_UpdateTableInput *in,
                            struct dynamodb_UpdateTableOutput *out)
{
    struct dynamodb_table table;
    TRY(update_refuse(call, in));
    TRY(update_one(call, in, &table, false));
    TRY(update_others(call, in, &table));
    return describe_table(call, &table, &out->TableDescription);
}
