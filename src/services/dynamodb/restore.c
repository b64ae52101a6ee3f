/* Tables made from a backup or from a moment of another table ("Restoring a DynamoDB table from a
 * backup", "Point-in-time recovery: how it works", Developer Guide), and the switch of
 * point-in-time recovery. What a restored table has of its source: keys, indexes, throughput,
 * encryption; not tags, streams, time to live, policies, protection. */
#include "base/rng.h"
#include "cloud/arn.h"
#include "services/dynamodb/backup.h"
#include "services/dynamodb/history.h"

enum { PITR_DAYS = 35 };
#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* --- what the restored table is like
 * -------------------------------------------------------------------------------------------------
 */

/* What both operations may ask to be different. */
struct overrides {
    struct str target;
    struct str billing;
    struct dynamodb_GlobalSecondaryIndexList global;
    struct dynamodb_LocalSecondaryIndexList local;
    const struct dynamodb_ProvisionedThroughput *units;
    const struct dynamodb_OnDemandThroughput *maximum;
    const struct dynamodb_SSESpecification *sse;
    struct dynamodb_VectorIndexList vectors;
};
#define OVERRIDES(in)                                                                              \
    ((struct overrides){                                                                           \
        .target = (in)->TargetTableName,                                                           \
        .billing = (in)->BillingModeOverride,                                                      \
        .global = (in)->GlobalSecondaryIndexOverride,                                              \
        .local = (in)->LocalSecondaryIndexOverride,                                                \
        .units = (in)->ProvisionedThroughputOverride,                                              \
        .maximum = (in)->OnDemandThroughputOverride,                                               \
        .sse = (in)->SSESpecificationOverride,                                                     \
        .vectors = (in)->VectorIndexOverride,                                                      \
    })

static bool same_key(struct dynamodb_KeySchema schema, const struct dynamodb_index *index)
{
    const struct dynamodb_table no_types = {0};
    const struct key_schema has = table_schema(&no_types, index);
    if (schema.len != has.partition_len + has.sort_len)
        return false;
    for (size_t i = 0; i < schema.len; i++)
        if (!str_eq(schema.items[i].AttributeName, i < has.partition_len
                                                       ? has.partition[i].name
                                                       : has.sort[i - has.partition_len].name))
            return false;
    return true;
}

static bool same_projection(const struct dynamodb_Projection *projection,
                            const struct dynamodb_index *index)
{
    if (projection == NULL || !str_eq(projection->ProjectionType, index->projection) ||
        projection->NonKeyAttributes.len != index->included.len)
        return false;
    for (size_t i = 0; i < index->included.len; i++) {
        size_t at = 0;
        while (at < index->included.len &&
               !str_eq(projection->NonKeyAttributes.items[at], index->included.items[i]))
            at++;
        if (at == index->included.len)
            return false;
    }
    return true;
}

/* "The indexes provided should match existing secondary indexes." */
static RESULT index_matches(struct call *call, const struct dynamodb_table *source, struct str name,
                            struct dynamodb_KeySchema schema,
                            const struct dynamodb_Projection *projection, bool global,
                            struct dynamodb_index *out)
{
    const struct dynamodb_index *index = table_index(source, name);
    if (index == NULL || index->global != global || !same_key(schema, index) ||
        !same_projection(projection, index))
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Index %.*s in the "
                              "override does not match any index of the source",
                              PRSTR(name));
    *out = *index;
    return RESULT_OK;
}

void index_begin_anew(struct dynamodb_index *index)
{
    index->increased_ms = index->decreased_ms = index->decreases = 0;
}

static void index_push(struct call *call, struct dynamodb_table *table,
                       const struct dynamodb_index *index)
{
    struct dynamodb_list_index list = {
        .items = ARENA_ARRAY(call->arena, table->indexes.len + 1, struct dynamodb_index)};
    for (size_t i = 0; i < table->indexes.len; i++)
        list.items[list.len++] = table->indexes.items[i];
    struct dynamodb_index *own = &list.items[list.len++];
    *own = *index;
    if (index->global)
        own->status = DYNAMODB_INDEX_STATUS_CREATING;
    own->backfilling = false;
    if (table->on_demand)
        own->read_units = own->write_units = 0;
    index_begin_anew(own);
    table->indexes = list;
}

static RESULT restore_globals(struct call *call, const struct overrides *in,
                              const struct dynamodb_table *source, struct dynamodb_table *table)
{
    for (size_t i = 0; i < in->global.len; i++) {
        const struct dynamodb_GlobalSecondaryIndex *given = &in->global.items[i];
        struct dynamodb_index index;
        TRY(index_matches(call, source, given->IndexName, given->KeySchema, given->Projection, true,
                          &index));
        if (given->ProvisionedThroughput != NULL || given->OnDemandThroughput != NULL)
            TRY(schema_check_units(call, given->ProvisionedThroughput, given->OnDemandThroughput,
                                   table->on_demand, given->IndexName));
        if (given->ProvisionedThroughput != NULL) {
            index.read_units = given->ProvisionedThroughput->ReadCapacityUnits.value;
            index.write_units = given->ProvisionedThroughput->WriteCapacityUnits.value;
        }
        TRY(limit_read_maximum(call, given->OnDemandThroughput, &index.read_maximum,
                               &index.write_maximum));
        index_push(call, table, &index);
    }
    return RESULT_OK;
}

static RESULT restore_indexes(struct call *call, const struct overrides *in,
                              const struct dynamodb_table *source, struct dynamodb_table *table)
{
    table->indexes = (struct dynamodb_list_index){0};
    for (size_t i = 0; i < source->indexes.len; i++) {
        const struct dynamodb_index *index = &source->indexes.items[i];
        bool given = index->global ? in->global.items != NULL : in->local.items != NULL;
        if (!given && !str_eq(index->status, DYNAMODB_INDEX_STATUS_DELETING))
            index_push(call, table, index);
    }
    TRY(restore_globals(call, in, source, table));
    for (size_t i = 0; i < in->local.len; i++) {
        const struct dynamodb_LocalSecondaryIndex *given = &in->local.items[i];
        struct dynamodb_index index;
        TRY(index_matches(call, source, given->IndexName, given->KeySchema, given->Projection,
                          false, &index));
        index_push(call, table, &index);
    }
    schema_drop_unused(table);
    return RESULT_OK;
}

static RESULT restore_throughput(struct call *call, const struct overrides *in,
                                 struct dynamodb_table *table)
{
    bool on_demand = str_is_absent(in->billing)
                         ? table->on_demand
                         : str_eq(in->billing, DYNAMODB_BILLING_MODE_PAY_PER_REQUEST);
    bool changes = on_demand != table->on_demand;
    if (in->units != NULL || in->maximum != NULL || (changes && !on_demand))
        TRY(schema_check_units(call, in->units, in->maximum, on_demand, (struct str){0}));
    table->on_demand = on_demand;
    table->on_demand_ms = on_demand ? call->now_ms : 0;
    if (on_demand)
        table->read_units = table->write_units = 0;
    if (in->units != NULL) {
        table->read_units = in->units->ReadCapacityUnits.value;
        table->write_units = in->units->WriteCapacityUnits.value;
    }
    return limit_read_maximum(call, in->maximum, &table->read_maximum, &table->write_maximum);
}

static RESULT restore_is_new(struct call *call, struct str name)
{
    struct dynamodb_table old;
    bool found;
    TRY(table_find(call, name, &old, &found));
    if (found && str_eq(old.status, DYNAMODB_TABLE_STATUS_DELETING))
        return call_fail(call, DYNAMODB_TABLE_IN_USE, "Table is being deleted: %.*s", PRSTR(name));
    if (found)
        return call_fail(call, DYNAMODB_TABLE_ALREADY_EXISTS, "Table already exists: %.*s",
                         PRSTR(name));
    return RESULT_OK;
}

/* The new table's record, without its place of origin. */
static RESULT restore_make(struct call *call, const struct overrides *in,
                           const struct dynamodb_table *source, struct dynamodb_table *table)
{
    uint64_t id;
    char *uuid = arena_alloc(call->arena, 36);
    if (in->vectors.len > 0)
        return call_fail(call, DYNAMODB_NOT_IMPLEMENTED,
                         "Restoring with VectorIndexOverride is not implemented.");
    TRY(restore_is_new(call, in->target));
    TRY(call_sequence(call, &id));
    rng_uuid(uuid);
    *table = (struct dynamodb_table){
        .name = in->target,
        .account = call->account,
        .region = call->region,
        .uuid = str_make(uuid, 36),
        .id = (int64_t)id,
        .status = DYNAMODB_TABLE_STATUS_CREATING,
        .created_ms = call->now_ms,
        .attributes = source->attributes,
        .partition = source->partition,
        .sort = source->sort,
        .next_index = source->next_index,
        .on_demand = source->on_demand,
        .read_units = source->read_units,
        .write_units = source->write_units,
        .read_maximum = source->read_maximum,
        .write_maximum = source->write_maximum,
        .class = source->class,
        .sse_key = source->sse_key,
        .restored = ARENA_NEW(call->arena, struct dynamodb_restored),
    };
    TRY(restore_throughput(call, in, table)); /* which the indexes' must fit */
    TRY(restore_indexes(call, in, source, table));
    TRY(schema_check_index_units(call, table));
    insights_forget(table);
    TRY(limit_check_account(call, table));
    /* Keys are of one region: elsewhere it is DynamoDB's own. */
    static const struct dynamodb_SSESpecification usual = {.Enabled = {true, true}};
    bool moves = !str_eq(source->region, call->region) && !str_is_absent(source->sse_key);
    return table_read_sse(call, in->sse == NULL && moves ? &usual : in->sse, table);
}

/* "You can also restore your DynamoDB table data across AWS Regions" ("Before you begin using
 * point-in-time recovery"): the request goes to the new table's region, the work is done in the
 * source's. */
static struct str restore_region(const struct call *call, struct str source)
{
    struct arn arn;
    return arn_parse(source, &arn) && !str_is_empty(arn.region) ? arn.region : call->region;
}

static RESULT restore_start(struct call *call, struct str source_region,
                            const struct dynamodb_table *table, struct dynamodb_copying *copying,
                            struct dynamodb_TableDescription **out)
{
    struct str own = call->region;
    copying->target = table->name;
    copying->target_id = table->id;
    copying->region = table->region;
    TRY(table_put(call, table));
    call->region = source_region;
    enum result result = copying_post(call, STR("dynamodb.restore"), copying);
    call->region = own;
    TRY(result);
    return describe_table(call, table, out);
}

/* --- the operations
 * -------------------------------------------------------------------------------------------------
 */

static RESULT restore_backup(struct call *call, struct str arn, struct dynamodb_backup *backup)
{
    TRY(backup_get(call, arn, backup));
    if (!str_eq(backup->status, DYNAMODB_BACKUP_STATUS_AVAILABLE))
        return call_fail(call, DYNAMODB_BACKUP_IN_USE, "Backup is being created: %.*s", PRSTR(arn));
    backup->restores++;
    return backup_put(call, backup);
}

RESULT dynamodb_RestoreTableFromBackup(struct call *call,
                                       const struct dynamodb_RestoreTableFromBackupInput *in,
                                       struct dynamodb_RestoreTableFromBackupOutput *out)
{
    struct overrides overrides = OVERRIDES(in);
    struct dynamodb_backup backup;
    struct dynamodb_table table;
    struct str own = call->region, region = restore_region(call, in->BackupArn);
    call->region = region;
    enum result result = restore_backup(call, in->BackupArn, &backup);
    call->region = own;
    TRY(result);
    TRY(restore_make(call, &overrides, backup.table, &table));
    *table.restored = (struct dynamodb_restored){
        .backup_arn = backup.arn,
        .table_arn = table_arn(call->arena, backup.table),
        .time_ms = backup.created_ms,
        .in_progress = true,
    };
    struct dynamodb_view view = {.items_id = backup.items_id};
    struct dynamodb_copying copying = {.view = &view, .backup_arn = backup.arn};
    return restore_start(call, region, &table, &copying, &out->TableDescription);
}

static int64_t pitr_earliest(const struct call *call, const struct dynamodb_table *table)
{
    int64_t kept_ms = call->now_ms - table->pitr_days * DAY_MS;
    return kept_ms > table->pitr_since_ms ? kept_ms : table->pitr_since_ms;
}

RESULT pitr_check(struct call *call, const struct dynamodb_table *table)
{
    if (table->pitr)
        return RESULT_OK;
    return call_fail(call, DYNAMODB_POINT_IN_TIME_RECOVERY_UNAVAILABLE,
                     "Point in time recovery is not enabled for table '%.*s'", PRSTR(table->name));
}

bool pitr_covers(const struct call *call, const struct dynamodb_table *table, int64_t time_ms)
{
    /* Clients give whole seconds: the one in which it was switched on counts. */
    return time_ms >= pitr_earliest(call, table) / 1000 * 1000 && time_ms <= call->now_ms;
}

struct str restore_source_name(const struct dynamodb_RestoreTableToPointInTimeInput *in)
{
    return str_is_absent(in->SourceTableArn) ? in->SourceTableName : in->SourceTableArn;
}

/* Held, and seen as it was then. */
static RESULT restore_source(struct call *call,
                             const struct dynamodb_RestoreTableToPointInTimeInput *in,
                             struct dynamodb_table *source, struct dynamodb_view *view)
{
    struct str name = restore_source_name(in);
    if (str_is_absent(name))
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: SourceTableName or "
                                    "SourceTableArn must be specified");
    struct str account = call->account;
    TRY(backup_table_get(call, name, source));
    if (!str_eq(source->account, account)) /* the new table is the caller's, its source too */
        return call_fail(call, DYNAMODB_TABLE_NOT_FOUND, "Table not found: %.*s", PRSTR(name));
    TRY(pitr_check(call, source));
    bool latest = in->UseLatestRestorableTime.value;
    if (latest == in->RestoreDateTime.set)
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: Exactly one of "
                                    "RestoreDateTime and UseLatestRestorableTime must be "
                                    "specified");
    if (!latest && !pitr_covers(call, source, in->RestoreDateTime.ms))
        return call_fail(call, DYNAMODB_INVALID_RESTORE_TIME,
                         "An invalid restore time was specified. RestoreDateTime must be between "
                         "EarliestRestorableDateTime and LatestRestorableDateTime.");
    TRY(history_hold(call, source));
    return latest ? history_view_now(call, source, view)
                  : history_view_at(call, source, in->RestoreDateTime.ms, view);
}

RESULT dynamodb_RestoreTableToPointInTime(struct call *call,
                                          const struct dynamodb_RestoreTableToPointInTimeInput *in,
                                          struct dynamodb_RestoreTableToPointInTimeOutput *out)
{
    struct overrides overrides = OVERRIDES(in);
    struct dynamodb_table source, table;
    struct dynamodb_view view;
    struct str own = call->region, region = restore_region(call, restore_source_name(in));
    call->region = region;
    enum result result = restore_source(call, in, &source, &view);
    call->region = own;
    TRY(result);
    TRY(restore_make(call, &overrides, &source, &table));
    *table.restored = (struct dynamodb_restored){
        .table_arn = table_arn(call->arena, &source),
        .time_ms = in->RestoreDateTime.set ? in->RestoreDateTime.ms : call->now_ms,
        .in_progress = true,
    };
    struct dynamodb_copying copying = {.view = &view, .holder = source.name};
    return restore_start(call, region, &table, &copying, &out->TableDescription);
}

/* --- the switch
 * -------------------------------------------------------------------------------------------------
 */

static struct dynamodb_ContinuousBackupsDescription *
pitr_describe(struct call *call, const struct dynamodb_table *table)
{
    struct dynamodb_ContinuousBackupsDescription *out =
        ARENA_NEW(call->arena, struct dynamodb_ContinuousBackupsDescription);
    struct dynamodb_PointInTimeRecoveryDescription *pitr =
        ARENA_NEW(call->arena, struct dynamodb_PointInTimeRecoveryDescription);
    out->ContinuousBackupsStatus = DYNAMODB_CONTINUOUS_BACKUPS_STATUS_ENABLED;
    out->PointInTimeRecoveryDescription = pitr;
    pitr->PointInTimeRecoveryStatus = table->pitr ? DYNAMODB_POINT_IN_TIME_RECOVERY_STATUS_ENABLED
                                                  : DYNAMODB_POINT_IN_TIME_RECOVERY_STATUS_DISABLED;
    if (!table->pitr)
        return out;
    pitr->RecoveryPeriodInDays = opt_int((int32_t)table->pitr_days);
    pitr->EarliestRestorableDateTime = opt_time(pitr_earliest(call, table));
    pitr->LatestRestorableDateTime = opt_time(call->now_ms);
    return out;
}

RESULT dynamodb_DescribeContinuousBackups(struct call *call,
                                          const struct dynamodb_DescribeContinuousBackupsInput *in,
                                          struct dynamodb_DescribeContinuousBackupsOutput *out)
{
    struct dynamodb_table table;
    TRY(backup_table_get(call, in->TableName, &table));
    out->ContinuousBackupsDescription = pitr_describe(call, &table);
    return RESULT_OK;
}

RESULT dynamodb_UpdateContinuousBackups(struct call *call,
                                        const struct dynamodb_UpdateContinuousBackupsInput *in,
                                        struct dynamodb_UpdateContinuousBackupsOutput *out)
{
    const struct dynamodb_PointInTimeRecoverySpecification *wanted =
        in->PointInTimeRecoverySpecification;
    struct dynamodb_table table;
    TRY(backup_table_get(call, in->TableName, &table));
    bool enable = wanted->PointInTimeRecoveryEnabled.value;
    if (str_eq(table.status, DYNAMODB_TABLE_STATUS_CREATING))
        return call_fail(call, DYNAMODB_CONTINUOUS_BACKUPS_UNAVAILABLE,
                         "Backups are being enabled for the table: %.*s. Please retry later",
                         PRSTR(table.name));
    if (!enable && wanted->RecoveryPeriodInDays.set)
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: "
                                    "RecoveryPeriodInDays can only be specified when "
                                    "PointInTimeRecoveryEnabled is true");
    if (enable && wanted->RecoveryPeriodInDays.set)
        table.pitr_days = wanted->RecoveryPeriodInDays.value;
    else if (enable && !table.pitr)
        table.pitr_days = PITR_DAYS;
    if (enable && !table.pitr) {
        TRY(history_begin(call, &table));
        table.pitr_since_ms = call->now_ms;
        TRY(history_want_trim(call, &table));
    }
    table.pitr = enable;
    TRY(history_release(call, &table));
    TRY(table_put(call, &table));
    out->ContinuousBackupsDescription = pitr_describe(call, &table);
    return RESULT_OK;
}
