/* Backups on demand ("Using On-Demand backup and restore for DynamoDB", Developer Guide): a record
 * with the table as it was, and a copy of its items under an id of its own, made by jobs. Restoring
 * is the copy the other way, into a table that stays CREATING until it is done.
 *
 *   ("dynamodb", account, region, "backup", table, backup id)  record backup
 *   ("ddb", items id, 0, ...)                                  its items, keyed as the table's */
#include "services/dynamodb/backup.h"
#include "base/encode.h"
#include "base/rng.h"
#include "cloud/arn.h"
#include "services/dynamodb/history.h"
#include "services/dynamodb/replica.h"
#include "store/record.h"

enum { COPY_ITEMS = 500, COPY_BYTES = 1024 * 1024, LIST_MAX = 100, PAYLOAD_MAX = 64 * 1024 };
#define SYSTEM_KEPT_MS (INT64_C(35) * 24 * 3600 * 1000)

/* --- records
 * -------------------------------------------------------------------------------------------------
 */

static struct key backup_prefix(struct call *call)
{
    return call_key(call, STR("backup"));
}

RESULT table_child_key(struct call *call, struct str text, struct str kind, struct key *key,
                       bool *valid)
{
    struct arn arn;
    struct str table, rest, word, id;
    *valid = arn_parse(text, &arn) && str_eq(arn.service, STR("dynamodb")) &&
             str_eq(arn.region, call->region) && str_eq(arn.account, call->account) &&
             str_starts_with(arn.resource, STR("table/")) &&
             str_cut(str_slice(arn.resource, 6, arn.resource.len), '/', &table, &rest) &&
             str_cut(rest, '/', &word, &id) && str_eq(word, kind);
    if (!*valid)
        return RESULT_OK;
    *key = call_key(call, kind);
    key_str(key, table);
    key_str(key, id);
    return RESULT_OK;
}

static RESULT backup_key(struct call *call, struct str text, struct key *key, bool *valid)
{
    return table_child_key(call, text, STR("backup"), key, valid);
}

static RESULT backup_find(struct call *call, struct str arn, struct dynamodb_backup *backup,
                          bool *found)
{
    struct key key;
    TRY(backup_key(call, arn, &key, found));
    if (!*found)
        return RESULT_OK;
    return call_get_record_copy(call, &key, &dynamodb_model, DYNAMODB_SHAPE_backup, backup, found);
}

RESULT backup_get(struct call *call, struct str arn, struct dynamodb_backup *backup)
{
    bool found;
    TRY(backup_find(call, arn, backup, &found));
    if (!found)
        return call_fail(call, DYNAMODB_BACKUP_NOT_FOUND, "Backup not found: %.*s", PRSTR(arn));
    return RESULT_OK;
}

RESULT backup_put(struct call *call, const struct dynamodb_backup *backup)
{
    struct key key;
    bool valid;
    TRY(backup_key(call, backup->arn, &key, &valid));
    if (!valid)
        return FAULT("a backup has no name: %.*s", PRSTR(backup->arn));
    return call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_backup, backup);
}

static RESULT backup_forget(struct call *call, const struct dynamodb_backup *backup)
{
    struct key key;
    bool valid;
    TRY(backup_key(call, backup->arn, &key, &valid));
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return store_drop(call, backup->items_id, -1);
}

struct str backup_make_id(struct call *call)
{
    char random[4];
    struct buf hex;
    rng_bytes(random, sizeof random);
    buf_init(&hex, call->arena, 16);
    hex_encode(&hex, str_make(random, sizeof random));
    return str_format(call->arena, "%014lld-%.*s", (long long)call->now_ms, PRSTR(buf_str(&hex)));
}

static RESULT backup_make(struct call *call, const struct dynamodb_table *table,
                          struct dynamodb_backup *out)
{
    struct counts counts;
    TRY(store_counts(call, table, NULL, &counts));
    *out = (struct dynamodb_backup){
        .arn = str_format(call->arena, "%.*s/backup/%.*s", PRSTR(table_arn(call->arena, table)),
                          PRSTR(backup_make_id(call))),
        .status = DYNAMODB_BACKUP_STATUS_CREATING,
        .created_ms = call->now_ms,
        .bytes = counts.bytes,
        .items = counts.items,
        .table = ARENA_NEW(call->arena, struct dynamodb_table),
    };
    *out->table = *table;
    return RESULT_OK;
}

RESULT backup_of_deleted(struct call *call, const struct dynamodb_table *table)
{
    struct dynamodb_backup backup;
    TRY(backup_make(call, table, &backup));
    backup.name = str_concat(call->arena, table->name, STR("$DeletedTableBackup"));
    backup.type = DYNAMODB_BACKUP_TYPE_SYSTEM;
    backup.status = DYNAMODB_BACKUP_STATUS_AVAILABLE;
    backup.expires_ms = call->now_ms + SYSTEM_KEPT_MS;
    backup.items_id = table->id;
    TRY(backup_put(call, &backup));
    return job_schedule(call, STR("dynamodb.expire"), backup.expires_ms, backup.arn, NULL);
}

RESULT backup_deliver_expire(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_backup backup;
    bool found;
    TRY(backup_find(call, item->payload, &backup, &found));
    if (!found)
        return RESULT_OK;
    if (backup.restores > 0)
        return job_schedule(call, STR("dynamodb.expire"), call->now_ms + 1000, item->payload, NULL);
    return backup_forget(call, &backup);
}

/* --- copying
 * -------------------------------------------------------------------------------------------------
 */

RESULT copying_post(struct call *call, struct str topic, const struct dynamodb_copying *copying)
{
    struct buf out;
    buf_init(&out, call->arena, PAYLOAD_MAX);
    TRY(record_encode(&out, &dynamodb_model, DYNAMODB_SHAPE_copying, copying));
    if (buf_is_full(&out))
        return FAULT("the payload of a copy is too long");
    struct str lane = str_format(call->arena, "ddb/copy/%lld", (long long)copying->target_id);
    return outbox_post(call, topic, lane, buf_str(&out));
}

static RESULT copying_read(struct call *call, struct str payload, struct dynamodb_copying *out)
{
    return record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_copying, payload, out);
}

struct copy_visit {
    struct call *call;
    int64_t target_id;
    const struct dynamodb_table *table; /* restoring: with its indexes */
};

static RESULT copy_visit(void *context, const struct history_item *item)
{
    const struct copy_visit *visit = context;
    struct key key;
    key_init(&key, visit->call->arena);
    key_str(&key, STR("ddb"));
    key_u64(&key, (uint64_t)visit->target_id);
    key_u64(&key, 0);
    struct str whole = str_concat(visit->call->arena, key_bytes(&key), item->key);
    return kv_put(visit->call->txn, whole, item->bytes);
}

static RESULT restore_visit(void *context, const struct history_item *item)
{
    const struct copy_visit *visit = context;
    struct dynamodb_AttributeMap new;
    const struct stored old = {0};
    struct change change = {.table = visit->table, .old = &old, .new = &new};
    TRY(codec_decode(visit->call->arena, item->bytes, &new, &change.new_size));
    return store_write(visit->call, &change, NULL);
}

static RESULT copy_portion(struct call *call, struct dynamodb_copying *copying,
                           RESULT (*visit)(void *context, const struct history_item *item),
                           const struct dynamodb_table *table)
{
    struct copy_visit context = {call, copying->target_id, table};
    const struct history_walk walk = {
        .call = call,
        .view = copying->view,
        .from = copying->from,
        .items_max = COPY_ITEMS,
        .bytes_max = COPY_BYTES,
        .visit = visit,
        .context = &context,
    };
    return history_walk(&walk, &copying->from);
}

RESULT backup_deliver(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_copying copying;
    struct dynamodb_backup backup;
    bool found;
    TRY(copying_read(call, item->payload, &copying));
    TRY(copy_portion(call, &copying, copy_visit, NULL));
    if (!str_is_absent(copying.from))
        return copying_post(call, STR("dynamodb.backup"), &copying);
    TRY(history_let_go(call, copying.holder));
    TRY(backup_find(call, copying.target, &backup, &found));
    if (!found)
        return FAULT("a backup in the making is not there: %.*s", PRSTR(copying.target));
    backup.status = DYNAMODB_BACKUP_STATUS_AVAILABLE;
    return backup_put(call, &backup);
}

static RESULT restore_done(struct call *call, const struct dynamodb_copying *copying,
                           struct dynamodb_table *table)
{
    struct dynamodb_backup backup;
    bool found;
    if (!str_is_absent(copying->holder))
        TRY(history_let_go(call, copying->holder));
    if (!str_is_absent(copying->backup_arn)) {
        TRY(backup_find(call, copying->backup_arn, &backup, &found));
        if (!found)
            return FAULT("a backup that was held is not there: %.*s", PRSTR(copying->backup_arn));
        backup.restores--;
        TRY(backup_put(call, &backup));
    }
    struct str own = call->region;
    table->restored->in_progress = false;
    TRY(table_put(call, table));
    call->region = table->region;
    enum result result = table_want_step(call, table);
    call->region = own;
    return result;
}

RESULT restore_deliver(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_copying copying;
    struct dynamodb_table table;
    bool found;
    TRY(copying_read(call, item->payload, &copying));
    struct str region = str_is_absent(copying.region) ? call->region : copying.region;
    TRY(replica_table(call, region, copying.target, &table, &found));
    if (!found || table.id != copying.target_id)
        return FAULT("a table that is being restored is not there: %.*s", PRSTR(copying.target));
    TRY(copy_portion(call, &copying, restore_visit, &table));
    if (!str_is_absent(copying.from))
        return copying_post(call, STR("dynamodb.restore"), &copying);
    return restore_done(call, &copying, &table);
}

/* --- showing
 * -------------------------------------------------------------------------------------------------
 */

static struct dynamodb_BackupDetails *backup_details(struct arena *arena,
                                                     const struct dynamodb_backup *backup)
{
    struct dynamodb_BackupDetails *out = ARENA_NEW(arena, struct dynamodb_BackupDetails);
    out->BackupArn = backup->arn;
    out->BackupName = backup->name;
    out->BackupSizeBytes = opt_long(backup->bytes);
    out->BackupStatus = backup->status;
    out->BackupType = backup->type;
    out->BackupCreationDateTime = opt_time(backup->created_ms);
    if (backup->expires_ms != 0)
        out->BackupExpiryDateTime = opt_time(backup->expires_ms);
    return out;
}

static struct dynamodb_SourceTableDetails *backup_source(struct arena *arena,
                                                         const struct dynamodb_backup *backup,
                                                         const struct dynamodb_TableDescription *at)
{
    const struct dynamodb_table *table = backup->table;
    struct dynamodb_SourceTableDetails *out = ARENA_NEW(arena, struct dynamodb_SourceTableDetails);
    out->TableName = table->name;
    out->TableId = table->uuid;
    out->TableArn = table_arn(arena, table);
    out->TableSizeBytes = opt_long(backup->bytes);
    out->ItemCount = opt_long(backup->items);
    out->KeySchema = at->KeySchema;
    out->TableCreationDateTime = opt_time(table->created_ms);
    out->ProvisionedThroughput = ARENA_NEW(arena, struct dynamodb_ProvisionedThroughput);
    out->ProvisionedThroughput->ReadCapacityUnits = opt_long(table->read_units);
    out->ProvisionedThroughput->WriteCapacityUnits = opt_long(table->write_units);
    out->OnDemandThroughput = at->OnDemandThroughput;
    out->BillingMode = table->on_demand ? DYNAMODB_BILLING_MODE_PAY_PER_REQUEST
                                        : DYNAMODB_BILLING_MODE_PROVISIONED;
    return out;
}

static struct dynamodb_GlobalSecondaryIndexes
backup_globals(struct arena *arena, const struct dynamodb_TableDescription *at)
{
    size_t count = at->GlobalSecondaryIndexes.len;
    struct dynamodb_GlobalSecondaryIndexes out = {
        .items = ARENA_ARRAY(arena, count + 1, struct dynamodb_GlobalSecondaryIndexInfo),
        .len = count,
    };
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_GlobalSecondaryIndexDescription *index =
            &at->GlobalSecondaryIndexes.items[i];
        struct dynamodb_ProvisionedThroughput *units =
            ARENA_NEW(arena, struct dynamodb_ProvisionedThroughput);
        units->ReadCapacityUnits = index->ProvisionedThroughput->ReadCapacityUnits;
        units->WriteCapacityUnits = index->ProvisionedThroughput->WriteCapacityUnits;
        out.items[i].IndexName = index->IndexName;
        out.items[i].KeySchema = index->KeySchema;
        out.items[i].Projection = index->Projection;
        out.items[i].ProvisionedThroughput = units;
        out.items[i].OnDemandThroughput = index->OnDemandThroughput;
    }
    return out;
}

/* NULL when the table had none of them. */
static struct dynamodb_SourceTableFeatureDetails *
backup_features(struct arena *arena, const struct dynamodb_backup *backup,
                const struct dynamodb_TableDescription *at)
{
    struct dynamodb_SourceTableFeatureDetails *out =
        ARENA_NEW(arena, struct dynamodb_SourceTableFeatureDetails);
    size_t locals = at->LocalSecondaryIndexes.len;
    if (at->GlobalSecondaryIndexes.len > 0)
        out->GlobalSecondaryIndexes = backup_globals(arena, at);
    if (locals > 0) {
        out->LocalSecondaryIndexes.items =
            ARENA_ARRAY(arena, locals, struct dynamodb_LocalSecondaryIndexInfo);
        out->LocalSecondaryIndexes.len = locals;
    }
    for (size_t i = 0; i < locals; i++) {
        const struct dynamodb_LocalSecondaryIndexDescription *index =
            &at->LocalSecondaryIndexes.items[i];
        out->LocalSecondaryIndexes.items[i] = (struct dynamodb_LocalSecondaryIndexInfo){
            index->IndexName, index->KeySchema, index->Projection};
    }
    out->StreamDescription = at->StreamSpecification;
    out->SSEDescription = at->SSEDescription;
    if (!str_is_absent(backup->table->ttl_attribute)) {
        out->TimeToLiveDescription = ARENA_NEW(arena, struct dynamodb_TimeToLiveDescription);
        out->TimeToLiveDescription->TimeToLiveStatus = DYNAMODB_TIME_TO_LIVE_STATUS_ENABLED;
        out->TimeToLiveDescription->AttributeName = backup->table->ttl_attribute;
    }
    return out;
}

static RESULT backup_describe(struct call *call, const struct dynamodb_backup *backup,
                              struct dynamodb_BackupDescription **description)
{
    struct dynamodb_TableDescription *at;
    TRY(describe_table(call, backup->table, &at));
    struct dynamodb_BackupDescription *out =
        ARENA_NEW(call->arena, struct dynamodb_BackupDescription);
    out->BackupDetails = backup_details(call->arena, backup);
    out->SourceTableDetails = backup_source(call->arena, backup, at);
    out->SourceTableFeatureDetails = backup_features(call->arena, backup, at);
    *description = out;
    return RESULT_OK;
}

/* --- the operations
 * -------------------------------------------------------------------------------------------------
 */

RESULT backup_table_get(struct call *call, struct str name, struct dynamodb_table *table)
{
    bool found;
    TRY(table_find(call, name, table, &found));
    if (!found || str_eq(table->status, DYNAMODB_TABLE_STATUS_DELETING))
        return call_fail(call, DYNAMODB_TABLE_NOT_FOUND, "Table not found: %.*s", PRSTR(name));
    call->account = table->account; /* whose jobs will find it */
    return RESULT_OK;
}

RESULT dynamodb_CreateBackup(struct call *call, const struct dynamodb_CreateBackupInput *in,
                             struct dynamodb_CreateBackupOutput *out)
{
    struct dynamodb_table table;
    struct dynamodb_backup backup;
    uint64_t id;
    TRY(backup_table_get(call, in->TableName, &table));
    if (str_eq(table.status, DYNAMODB_TABLE_STATUS_CREATING))
        return call_fail(call, DYNAMODB_TABLE_IN_USE, "Table is being created: %.*s",
                         PRSTR(table.name));
    TRY(backup_make(call, &table, &backup));
    TRY(call_sequence(call, &id));
    backup.name = in->BackupName;
    backup.type = DYNAMODB_BACKUP_TYPE_USER;
    backup.items_id = (int64_t)id;
    TRY(history_hold(call, &table));
    struct dynamodb_view view;
    TRY(history_view_now(call, &table, &view));
    const struct dynamodb_copying copying = {
        .view = &view, .holder = table.name, .target = backup.arn, .target_id = backup.items_id};
    TRY(backup_put(call, &backup));
    TRY(copying_post(call, STR("dynamodb.backup"), &copying));
    out->BackupDetails = backup_details(call->arena, &backup);
    return RESULT_OK;
}

RESULT dynamodb_DescribeBackup(struct call *call, const struct dynamodb_DescribeBackupInput *in,
                               struct dynamodb_DescribeBackupOutput *out)
{
    struct dynamodb_backup backup;
    TRY(backup_get(call, in->BackupArn, &backup));
    return backup_describe(call, &backup, &out->BackupDescription);
}

static RESULT backup_in_use(struct call *call)
{
    return call_fail(call, DYNAMODB_BACKUP_IN_USE,
                     "There is another ongoing conflicting backup control plane operation on the "
                     "table. The backup is either being created, deleted or restored to a table.");
}

RESULT dynamodb_DeleteBackup(struct call *call, const struct dynamodb_DeleteBackupInput *in,
                             struct dynamodb_DeleteBackupOutput *out)
{
    struct dynamodb_backup backup;
    TRY(backup_get(call, in->BackupArn, &backup));
    if (str_eq(backup.status, DYNAMODB_BACKUP_STATUS_CREATING) || backup.restores > 0)
        return backup_in_use(call);
    TRY(backup_forget(call, &backup));
    backup.status = DYNAMODB_BACKUP_STATUS_DELETED;
    return backup_describe(call, &backup, &out->BackupDescription);
}

static bool backup_is_listed(const struct dynamodb_ListBackupsInput *in,
                             const struct dynamodb_backup *backup)
{
    struct str type = str_is_absent(in->BackupType) ? DYNAMODB_BACKUP_TYPE_USER : in->BackupType;
    if (!str_eq(type, DYNAMODB_BACKUP_TYPE_FILTER_ALL) && !str_eq(type, backup->type))
        return false;
    if (in->TimeRangeLowerBound.set && backup->created_ms < in->TimeRangeLowerBound.ms)
        return false;
    return !in->TimeRangeUpperBound.set || backup->created_ms < in->TimeRangeUpperBound.ms;
}

static struct dynamodb_BackupSummary backup_summary(struct arena *arena,
                                                    const struct dynamodb_backup *backup)
{
    struct dynamodb_BackupSummary out = {
        .TableName = backup->table->name,
        .TableId = backup->table->uuid,
        .TableArn = table_arn(arena, backup->table),
        .BackupArn = backup->arn,
        .BackupName = backup->name,
        .BackupCreationDateTime = opt_time(backup->created_ms),
        .BackupStatus = backup->status,
        .BackupType = backup->type,
        .BackupSizeBytes = opt_long(backup->bytes),
    };
    if (backup->expires_ms != 0)
        out.BackupExpiryDateTime = opt_time(backup->expires_ms);
    return out;
}

static RESULT list_open(struct call *call, const struct dynamodb_ListBackupsInput *in,
                        struct kv_cursor **cursor)
{
    struct key prefix = backup_prefix(call), from;
    struct str name = in->TableName;
    bool valid;
    if (str_starts_with(name, STR("arn:")))
        name = str_slice(name, str_find_char(name, '/') + 1, name.len);
    if (!str_is_absent(name))
        key_str(&prefix, name);
    TRY(kv_cursor_open(call->txn, call->arena, str_copy(call->arena, key_bytes(&prefix)), false,
                       cursor));
    if (str_is_absent(in->ExclusiveStartBackupArn))
        return RESULT_OK;
    TRY(backup_key(call, in->ExclusiveStartBackupArn, &from, &valid));
    if (!valid)
        return DYNAMODB_ERROR(call, "Invalid ExclusiveStartBackupArn: %.*s",
                              PRSTR(in->ExclusiveStartBackupArn));
    return kv_cursor_seek(*cursor, str_concat(call->arena, key_bytes(&from), str_make("", 1)));
}

RESULT dynamodb_ListBackups(struct call *call, const struct dynamodb_ListBackupsInput *in,
                            struct dynamodb_ListBackupsOutput *out)
{
    struct kv_cursor *cursor;
    struct str key, value;
    size_t limit = in->Limit.set ? (size_t)in->Limit.value : LIST_MAX;
    struct dynamodb_BackupSummaries *list = &out->BackupSummaries;
    TRY(list_open(call, in, &cursor));
    list->items = ARENA_ARRAY(call->arena, limit, struct dynamodb_BackupSummary);
    for (;;) {
        struct dynamodb_backup backup;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_backup, value, &backup));
        if (!backup_is_listed(in, &backup))
            continue;
        if (list->len == limit)
            break;
        list->items[list->len++] = backup_summary(call->arena, &backup);
    }
    out->LastEvaluatedBackupArn = list->items[limit - 1].BackupArn;
    return RESULT_OK;
}
