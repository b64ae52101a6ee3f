/* Tables as clients see them. */
#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/replica.h"

/* Of the table (index NULL) or of an index. */
static struct dynamodb_KeySchema describe_key(struct arena *arena,
                                              const struct dynamodb_table *table,
                                              const struct dynamodb_index *index)
{
    const struct key_schema has = table_schema(table, index);
    struct dynamodb_KeySchema schema = {
        .items =
            ARENA_ARRAY(arena, has.partition_len + has.sort_len, struct dynamodb_KeySchemaElement)};
    for (size_t i = 0; i < has.partition_len; i++)
        schema.items[schema.len++] =
            (struct dynamodb_KeySchemaElement){has.partition[i].name, DYNAMODB_KEY_TYPE_HASH};
    for (size_t i = 0; i < has.sort_len; i++)
        schema.items[schema.len++] =
            (struct dynamodb_KeySchemaElement){has.sort[i].name, DYNAMODB_KEY_TYPE_RANGE};
    return schema;
}

static struct dynamodb_Projection *describe_projection(struct arena *arena,
                                                       const struct dynamodb_index *index)
{
    struct dynamodb_Projection *projection = ARENA_NEW(arena, struct dynamodb_Projection);
    projection->ProjectionType = index->projection;
    if (index->included.len > 0)
        projection->NonKeyAttributes = index->included;
    return projection;
}

static struct dynamodb_OnDemandThroughput *describe_maximum(struct arena *arena, int64_t read,
                                                            int64_t write)
{
    if (read == 0 && write == 0)
        return NULL;
    struct dynamodb_OnDemandThroughput *out = ARENA_NEW(arena, struct dynamodb_OnDemandThroughput);
    out->MaxReadRequestUnits = opt_long(read == 0 ? -1 : read);
    out->MaxWriteRequestUnits = opt_long(write == 0 ? -1 : write);
    return out;
}

static struct str describe_index_arn(struct arena *arena, const struct dynamodb_table *table,
                                     const struct dynamodb_index *index)
{
    return str_format(arena, "%.*s/index/%.*s", PRSTR(table_arn(arena, table)), PRSTR(index->name));
}

static RESULT describe_local(struct call *call, const struct dynamodb_table *table,
                             const struct dynamodb_index *index,
                             struct dynamodb_LocalSecondaryIndexDescription *out)
{
    struct counts counts;
    TRY(store_counts(call, table, index, &counts));
    out->IndexName = index->name;
    out->KeySchema = describe_key(call->arena, table, index);
    out->Projection = describe_projection(call->arena, index);
    out->IndexSizeBytes = opt_long(counts.bytes);
    out->ItemCount = opt_long(counts.items);
    out->IndexArn = describe_index_arn(call->arena, table, index);
    return RESULT_OK;
}

static int64_t describe_warm(bool on_demand, int64_t given, int64_t units, int64_t least)
{
    int64_t has = on_demand ? least : units;
    return given > has ? given : has;
}

static RESULT describe_global(struct call *call, const struct dynamodb_table *table,
                              const struct dynamodb_index *index,
                              struct dynamodb_GlobalSecondaryIndexDescription *out)
{
    struct counts counts;
    TRY(store_counts(call, table, index, &counts));
    out->IndexName = index->name;
    out->KeySchema = describe_key(call->arena, table, index);
    out->Projection = describe_projection(call->arena, index);
    out->IndexStatus = index->status;
    if (index->backfilling)
        out->Backfilling = opt_bool(true);
    out->ProvisionedThroughput =
        ARENA_NEW(call->arena, struct dynamodb_ProvisionedThroughputDescription);
    if (index->increased_ms != 0)
        out->ProvisionedThroughput->LastIncreaseDateTime = opt_time(index->increased_ms);
    if (index->decreased_ms != 0)
        out->ProvisionedThroughput->LastDecreaseDateTime = opt_time(index->decreased_ms);
    out->ProvisionedThroughput->NumberOfDecreasesToday =
        opt_long(limit_is_today(call, index->decreased_ms) ? index->decreases : 0);
    out->ProvisionedThroughput->ReadCapacityUnits = opt_long(index->read_units);
    out->ProvisionedThroughput->WriteCapacityUnits = opt_long(index->write_units);
    out->IndexSizeBytes = opt_long(counts.bytes);
    out->ItemCount = opt_long(counts.items);
    out->IndexArn = describe_index_arn(call->arena, table, index);
    out->OnDemandThroughput =
        describe_maximum(call->arena, index->read_maximum, index->write_maximum);
    out->WarmThroughput =
        ARENA_NEW(call->arena, struct dynamodb_GlobalSecondaryIndexWarmThroughputDescription);
    out->WarmThroughput->ReadUnitsPerSecond = opt_long(
        describe_warm(table->on_demand, index->warm_read, index->read_units, DYNAMODB_WARM_READ));
    out->WarmThroughput->WriteUnitsPerSecond = opt_long(describe_warm(
        table->on_demand, index->warm_write, index->write_units, DYNAMODB_WARM_WRITE));
    out->WarmThroughput->Status = index->status;
    return RESULT_OK;
}

static RESULT describe_indexes(struct call *call, const struct dynamodb_table *table,
                               struct dynamodb_TableDescription *out)
{
    size_t count = table->indexes.len;
    struct dynamodb_LocalSecondaryIndexDescription *local =
        ARENA_ARRAY(call->arena, count + 1, struct dynamodb_LocalSecondaryIndexDescription);
    struct dynamodb_GlobalSecondaryIndexDescription *global =
        ARENA_ARRAY(call->arena, count + 1, struct dynamodb_GlobalSecondaryIndexDescription);
    size_t locals = 0, globals = 0;
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_index *index = &table->indexes.items[i];
        if (index->global)
            TRY(describe_global(call, table, index, &global[globals++]));
        else
            TRY(describe_local(call, table, index, &local[locals++]));
    }
    if (locals > 0)
        out->LocalSecondaryIndexes =
            (struct dynamodb_LocalSecondaryIndexDescriptionList){local, locals};
    if (globals > 0)
        out->GlobalSecondaryIndexes =
            (struct dynamodb_GlobalSecondaryIndexDescriptionList){global, globals};
    return RESULT_OK;
}

static void describe_throughput(struct call *call, const struct dynamodb_table *table,
                                struct dynamodb_TableDescription *out)
{
    struct dynamodb_ProvisionedThroughputDescription *units =
        ARENA_NEW(call->arena, struct dynamodb_ProvisionedThroughputDescription);
    if (table->increased_ms != 0)
        units->LastIncreaseDateTime = opt_time(table->increased_ms);
    if (table->decreased_ms != 0)
        units->LastDecreaseDateTime = opt_time(table->decreased_ms);
    units->NumberOfDecreasesToday =
        opt_long(limit_is_today(call, table->decreased_ms) ? table->decreases : 0);
    units->ReadCapacityUnits = opt_long(table->read_units);
    units->WriteCapacityUnits = opt_long(table->write_units);
    out->ProvisionedThroughput = units;
    if (table->on_demand_ms != 0) {
        out->BillingModeSummary = ARENA_NEW(call->arena, struct dynamodb_BillingModeSummary);
        out->BillingModeSummary->BillingMode = table->on_demand
                                                   ? DYNAMODB_BILLING_MODE_PAY_PER_REQUEST
                                                   : DYNAMODB_BILLING_MODE_PROVISIONED;
        out->BillingModeSummary->LastUpdateToPayPerRequestDateTime = opt_time(table->on_demand_ms);
    }
    out->OnDemandThroughput =
        describe_maximum(call->arena, table->read_maximum, table->write_maximum);
    out->WarmThroughput = ARENA_NEW(call->arena, struct dynamodb_TableWarmThroughputDescription);
    out->WarmThroughput->ReadUnitsPerSecond = opt_long(
        describe_warm(table->on_demand, table->warm_read, table->read_units, DYNAMODB_WARM_READ));
    out->WarmThroughput->WriteUnitsPerSecond = opt_long(describe_warm(
        table->on_demand, table->warm_write, table->write_units, DYNAMODB_WARM_WRITE));
    out->WarmThroughput->Status = table->status;
}

static void describe_stream(struct call *call, const struct dynamodb_table *table,
                            struct dynamodb_TableDescription *out)
{
    if (table->stream_created_ms == 0)
        return;
    out->LatestStreamLabel = stream_label(call->arena, table);
    out->LatestStreamArn = stream_arn(call->arena, table);
    if (str_is_absent(table->stream_view))
        return;
    out->StreamSpecification = ARENA_NEW(call->arena, struct dynamodb_StreamSpecification);
    out->StreamSpecification->StreamEnabled = opt_bool(true);
    out->StreamSpecification->StreamViewType = table->stream_view;
}

static void describe_options(struct call *call, const struct dynamodb_table *table,
                             struct dynamodb_TableDescription *out)
{
    out->DeletionProtectionEnabled = opt_bool(table->protected);
    if (!str_is_absent(table->sse_key)) {
        out->SSEDescription = ARENA_NEW(call->arena, struct dynamodb_SSEDescription);
        out->SSEDescription->Status = DYNAMODB_SSE_STATUS_ENABLED;
        out->SSEDescription->SSEType = DYNAMODB_SSE_TYPE_KMS;
        out->SSEDescription->KMSMasterKeyArn = table->sse_key;
    }
    if (!str_is_absent(table->class)) {
        out->TableClassSummary = ARENA_NEW(call->arena, struct dynamodb_TableClassSummary);
        out->TableClassSummary->TableClass = table->class;
        if (table->class_changed_ms != 0)
            out->TableClassSummary->LastUpdateDateTime = opt_time(table->class_changed_ms);
    }
}

static void describe_restored(struct call *call, const struct dynamodb_table *table,
                              struct dynamodb_TableDescription *out)
{
    if (table->restored == NULL)
        return;
    out->RestoreSummary = ARENA_NEW(call->arena, struct dynamodb_RestoreSummary);
    out->RestoreSummary->SourceBackupArn = table->restored->backup_arn;
    out->RestoreSummary->SourceTableArn = table->restored->table_arn;
    out->RestoreSummary->RestoreDateTime = opt_time(table->restored->time_ms);
    out->RestoreSummary->RestoreInProgress = opt_bool(table->restored->in_progress);
}

RESULT describe_table(struct call *call, const struct dynamodb_table *table,
                      struct dynamodb_TableDescription **description)
{
    struct counts counts;
    struct dynamodb_TableDescription *out =
        ARENA_NEW(call->arena, struct dynamodb_TableDescription);
    size_t count = table->attributes.len;
    TRY(store_counts(call, table, NULL, &counts));
    out->AttributeDefinitions.items =
        ARENA_ARRAY(call->arena, count, struct dynamodb_AttributeDefinition);
    out->AttributeDefinitions.len = count;
    for (size_t i = 0; i < count; i++)
        out->AttributeDefinitions.items[i] = (struct dynamodb_AttributeDefinition){
            table->attributes.items[i].name, table->attributes.items[i].type};
    out->TableName = table->name;
    out->KeySchema = describe_key(call->arena, table, NULL);
    out->TableStatus = table->status;
    out->CreationDateTime = opt_time(table->created_ms);
    out->TableSizeBytes = opt_long(counts.bytes);
    out->ItemCount = opt_long(counts.items);
    out->TableArn = table_arn(call->arena, table);
    out->TableId = table->uuid;
    describe_throughput(call, table, out);
    describe_options(call, table, out);
    describe_stream(call, table, out);
    describe_restored(call, table, out);
    replica_describe(call, table, out);
    TRY(describe_indexes(call, table, out));
    *description = out;
    return RESULT_OK;
}

void describe_only_deleted(struct dynamodb_TableDescription *description)
{
    const struct dynamodb_TableDescription whole = *description;
    *description = (struct dynamodb_TableDescription){
        .TableName = whole.TableName,
        .TableStatus = whole.TableStatus,
        .ProvisionedThroughput = whole.ProvisionedThroughput,
        .TableSizeBytes = whole.TableSizeBytes,
        .ItemCount = whole.ItemCount,
        .TableArn = whole.TableArn,
        .TableId = whole.TableId,
        .BillingModeSummary = whole.BillingModeSummary,
        .TableClassSummary = whole.TableClassSummary,
        .SSEDescription = whole.SSEDescription,
        .LatestStreamLabel = whole.LatestStreamLabel,
        .LatestStreamArn = whole.LatestStreamArn,
        .DeletionProtectionEnabled = whole.DeletionProtectionEnabled,
    };
}

RESULT dynamodb_DescribeTable(struct call *call, const struct dynamodb_DescribeTableInput *in,
                              struct dynamodb_DescribeTableOutput *out)
{
    struct dynamodb_table table;
    TRY(table_get(call, in->TableName, &table));
    return describe_table(call, &table, &out->Table);
}

/* There are none before EnableKinesisStreamingDestination, which is refused. */
RESULT dynamodb_DescribeKinesisStreamingDestination(
    struct call *call, const struct dynamodb_DescribeKinesisStreamingDestinationInput *in,
    struct dynamodb_DescribeKinesisStreamingDestinationOutput *out)
{
    struct dynamodb_table table;
    TRY(table_get(call, in->TableName, &table));
    out->TableName = table.name;
    out->KinesisDataStreamDestinations.items =
        ARENA_ARRAY(call->arena, 1, struct dynamodb_KinesisDataStreamDestination);
    return RESULT_OK;
}

RESULT dynamodb_ListTables(struct call *call, const struct dynamodb_ListTablesInput *in,
                           struct dynamodb_ListTablesOutput *out)
{
    struct key prefix = table_prefix(call);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t limit = in->Limit.set ? (size_t)in->Limit.value : 100;
    size_t prefix_len = key_bytes(&prefix).len;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_empty(in->ExclusiveStartTableName)) {
        struct key from = prefix;
        key_str(&from, in->ExclusiveStartTableName);
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, key_bytes(&from), str_make("", 1))));
    }
    out->TableNames.items = ARENA_ARRAY(call->arena, limit, struct str);
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        if (out->TableNames.len == limit)
            break;
        struct key_reader reader = key_read(call->arena, str_slice(key, prefix_len, key.len));
        if (!key_next_str(&reader, &out->TableNames.items[out->TableNames.len++]))
            return FAULT("a table's key is broken");
    }
    out->LastEvaluatedTableName = out->TableNames.items[limit - 1];
    return RESULT_OK;
}
