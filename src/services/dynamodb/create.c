/* Making and deleting tables. */
#include "base/rng.h"
#include "cloud/arn.h"
#include "cloud/keys.h"
#include "cloud/organization.h"
#include "cloud/tags.h"
#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/replica.h"

#define INVALID(call, ...)                                                                         \
    DYNAMODB_ERROR(call, "One or more parameter values were invalid: " __VA_ARGS__)

/* "There is a limit of 50 tags per resource" (Tagging restrictions in DynamoDB). */
enum { TAGS_MAX = 50 };

/* --- tags
 * ---------------------------------------------------------------------------------------------------------------
 */

static struct str_map tags_map(struct arena *arena, struct dynamodb_TagList tags)
{
    struct str_map map = {.items = ARENA_ARRAY(arena, tags.len + 1, struct str_map_entry)};
    for (size_t i = 0; i < tags.len; i++)
        map.items[map.len++] = (struct str_map_entry){tags.items[i].Key, tags.items[i].Value};
    return map;
}

static RESULT tags_judge(struct call *call, const struct str_map *tags)
{
    size_t which;
    switch (tags_check(tags, TAGS_MAX, &which)) {
    case TAGS_OK:
        return RESULT_OK;
    case TAGS_TOO_MANY:
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: Too many tags: "
                                    "the limit is 50 per resource");
    case TAGS_KEY_TWICE:
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Duplicate tag key: %.*s",
                              PRSTR(tags->items[which].key));
    case TAGS_KEY_RESERVED:
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: Tag keys must not "
                                    "begin with aws:");
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
        return DYNAMODB_ERROR(call,
                              "One or more parameter values were invalid: Invalid tag key: %.*s",
                              PRSTR(tags->items[which].key));
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        break;
    }
    return DYNAMODB_ERROR(call,
                          "One or more parameter values were invalid: Invalid tag value: %.*s",
                          PRSTR(tags->items[which].value));
}

/* Of the tags of a request. */
static RESULT tags_judge_policy(struct call *call, struct str account, const struct str_map *given)
{
    struct str key;
    TRY(organization_tag_refused(call, account, STR("dynamodb:table"), given, &key));
    return str_is_absent(key) ? RESULT_OK : INVALID(call, ORGANIZATION_TAG_TEXT, PRSTR(key));
}

static RESULT tags_table(struct call *call, struct str text, struct dynamodb_table *table)
{
    struct arn arn;
    bool found;
    if (!arn_parse(text, &arn))
        return DYNAMODB_ERROR(call, "Invalid TableArn: %.*s", PRSTR(text));
    TRY(table_find(call, text, table, &found));
    if (!found)
        return call_fail(call, DYNAMODB_RESOURCE_NOT_FOUND,
                         "Requested resource not found: ResourcArn: %.*s not found", PRSTR(text));
    return RESULT_OK;
}

RESULT dynamodb_TagResource(struct call *call, const struct dynamodb_TagResourceInput *in,
                            struct dynamodb_TagResourceResult *out)
{
    (void)out;
    struct dynamodb_table table;
    struct str_map given = tags_map(call->arena, in->Tags);
    TRY(tags_judge(call, &given));
    TRY(tags_table(call, in->ResourceArn, &table));
    table.tags = tags_merge(call->arena, &table.tags, &given);
    TRY(tags_judge(call, &table.tags));
    TRY(tags_judge_policy(call, table.account, &given));
    return table_put(call, &table);
}

RESULT dynamodb_UntagResource(struct call *call, const struct dynamodb_UntagResourceInput *in,
                              struct dynamodb_UntagResourceResult *out)
{
    (void)out;
    struct dynamodb_table table;
    TRY(tags_table(call, in->ResourceArn, &table));
    table.tags = tags_without(call->arena, &table.tags, &in->TagKeys);
    return table_put(call, &table);
}

/* Fifty tags at most: one page. */
RESULT dynamodb_ListTagsOfResource(struct call *call,
                                   const struct dynamodb_ListTagsOfResourceInput *in,
                                   struct dynamodb_ListTagsOfResourceOutput *out)
{
    struct dynamodb_table table;
    if (!str_is_absent(in->NextToken))
        return DYNAMODB_ERROR(call, "Invalid NextToken: %.*s", PRSTR(in->NextToken));
    TRY(tags_table(call, in->ResourceArn, &table));
    out->Tags.items = ARENA_ARRAY(call->arena, table.tags.len + 1, struct dynamodb_Tag);
    for (size_t i = 0; i < table.tags.len; i++)
        out->Tags.items[out->Tags.len++] =
            (struct dynamodb_Tag){table.tags.items[i].key, table.tags.items[i].value};
    return RESULT_OK;
}

/* --- making
 * -----------------------------------------------------------------------------------------------------------
 */

RESULT table_read_sse(struct call *call, const struct dynamodb_SSESpecification *in,
                      struct dynamodb_table *table)
{
    if (in == NULL)
        return RESULT_OK;
    if (!in->Enabled.value) {
        if (!str_is_absent(in->KMSMasterKeyId) || !str_is_absent(in->SSEType))
            return INVALID(call, "SSEType and KMSMasterKeyId can only be specified when SSE is "
                                 "enabled");
        table->sse_key = (struct str){0};
        return RESULT_OK;
    }
    if (str_eq(in->SSEType, DYNAMODB_SSE_TYPE_AES256))
        return INVALID(call, "SSEType AES256 is not supported");
    struct str id =
        str_is_empty(in->KMSMasterKeyId) ? STR("alias/aws/dynamodb") : in->KMSMasterKeyId;
    struct keys_key *key = ARENA_NEW(call->arena, struct keys_key);
    struct keys_problem problem;
    enum result result = keys_find(call, call->account, call->region, id, key, &problem);
    if (result == RESULT_ERROR)
        return INVALID(call, "KMS validation error: %.*s", PRSTR(problem.message));
    TRY(result);
    table->sse_key = key->arn;
    return RESULT_OK;
}

RESULT table_read_stream(struct call *call, const struct dynamodb_StreamSpecification *in,
                         bool *enabled)
{
    *enabled = in != NULL && in->StreamEnabled.value;
    if (*enabled && str_is_absent(in->StreamViewType))
        return INVALID(call, "StreamViewType must be specified when StreamEnabled is true");
    if (in != NULL && !*enabled && !str_is_absent(in->StreamViewType))
        return INVALID(call, "StreamViewType cannot be specified when StreamEnabled is false");
    return RESULT_OK;
}

/* What is not implemented is refused, not ignored. */
static RESULT create_refuse(struct call *call, const struct dynamodb_CreateTableInput *in)
{
    const char *what = NULL;
    if (in->VectorIndexes.len > 0)
        what = "VectorIndexes";
    else if (!str_is_absent(in->GlobalTableSourceArn) ||
             !str_is_absent(in->GlobalTableSettingsReplicationMode))
        what = "GlobalTableSourceArn";
    if (what == NULL)
        return RESULT_OK;
    return call_fail(call, DYNAMODB_NOT_IMPLEMENTED, "CreateTable with %s is not implemented.",
                     what);
}

static RESULT create_read_throughput(struct call *call, const struct dynamodb_CreateTableInput *in,
                                     struct dynamodb_table *table)
{
    table->on_demand = str_eq(in->BillingMode, DYNAMODB_BILLING_MODE_PAY_PER_REQUEST);
    if (table->on_demand)
        table->on_demand_ms = call->now_ms;
    TRY(schema_check_units(call, in->ProvisionedThroughput, in->OnDemandThroughput,
                           table->on_demand, (struct str){0}));
    if (in->ProvisionedThroughput != NULL) {
        table->read_units = in->ProvisionedThroughput->ReadCapacityUnits.value;
        table->write_units = in->ProvisionedThroughput->WriteCapacityUnits.value;
    }
    TRY(limit_read_maximum(call, in->OnDemandThroughput, &table->read_maximum,
                           &table->write_maximum));
    return limit_read_warm(call, in->WarmThroughput, table->on_demand, table->read_units,
                           table->write_units, &table->warm_read, &table->warm_write);
}

RESULT dynamodb_CreateTable(struct call *call, const struct dynamodb_CreateTableInput *in,
                            struct dynamodb_CreateTableOutput *out)
{
    struct dynamodb_table old, table = {
                                   .name = in->TableName,
                                   .account = call->account,
                                   .region = call->region,
                                   .status = DYNAMODB_TABLE_STATUS_CREATING,
                                   .created_ms = call->now_ms,
                                   .class = in->TableClass,
                                   .protected = in->DeletionProtectionEnabled.value,
                                   .tags = tags_map(call->arena, in->Tags),
                               };
    bool found;
    bool streams;
    TRY(create_refuse(call, in));
    TRY(table_read_stream(call, in->StreamSpecification, &streams));
    TRY(create_read_throughput(call, in, &table));
    TRY(schema_read(call, in, &table));
    TRY(table_read_sse(call, in->SSESpecification, &table));
    TRY(tags_judge(call, &table.tags));
    TRY(tags_judge_policy(call, table.account, &table.tags));
    TRY(table_find(call, in->TableName, &old, &found));
    if (str_starts_with(in->TableName, STR("arn:"))) { /* table_find() has read it */
        table.name =
            str_slice(in->TableName, str_find_char(in->TableName, '/') + 1, in->TableName.len);
    }
    if (found && str_eq(old.status, DYNAMODB_TABLE_STATUS_DELETING))
        return call_fail(call, DYNAMODB_RESOURCE_IN_USE,
                         "Attempt to change a resource which is still in use: Table is being "
                         "deleted: %.*s",
                         PRSTR(table.name));
    if (found)
        return call_fail(call, DYNAMODB_RESOURCE_IN_USE, "Table already exists: %.*s",
                         PRSTR(table.name));
    TRY(limit_check_account(call, &table));
    uint64_t id;
    TRY(call_sequence(call, &id));
    table.id = (int64_t)id;
    char *uuid = arena_alloc(call->arena, 36);
    rng_uuid(uuid);
    table.uuid = str_make(uuid, 36);
    if (!str_is_absent(in->ResourcePolicy))
        TRY(policy_create(call, &table, in->ResourcePolicy));
    if (streams)
        TRY(stream_begin(call, &table, in->StreamSpecification->StreamViewType));
    TRY(table_put(call, &table));
    TRY(table_want_step(call, &table));
    return describe_table(call, &table, &out->TableDescription);
}

/* --- deleting
 * ---------------------------------------------------------------------------------------------------------
 */

RESULT table_check_protection(struct call *call, const struct dynamodb_table *table)
{
    if (!table->protected)
        return RESULT_OK;
    return DYNAMODB_ERROR(call, "Resource cannot be deleted as it is currently protected against "
                                "deletion. Disable deletion protection first.");
}

RESULT dynamodb_DeleteTable(struct call *call, const struct dynamodb_DeleteTableInput *in,
                            struct dynamodb_DeleteTableOutput *out)
{
    struct dynamodb_table table;
    TRY(table_get(call, in->TableName, &table));
    if (str_eq(table.status, DYNAMODB_TABLE_STATUS_CREATING) ||
        str_eq(table.status, DYNAMODB_TABLE_STATUS_UPDATING))
        return call_fail(call, DYNAMODB_RESOURCE_IN_USE,
                         "Attempt to change a resource which is still in use: Table is being %s: "
                         "%.*s",
                         table.status.ptr[0] == 'C' ? "created" : "updated", PRSTR(table.name));
    TRY(table_check_protection(call, &table));
    if (!str_eq(table.status, DYNAMODB_TABLE_STATUS_DELETING)) {
        TRY(global_leave(call, &table));
        TRY(replica_leave(call, &table));
        table.replicas.len = 0;
        table.status = DYNAMODB_TABLE_STATUS_DELETING;
        TRY(table_put(call, &table));
        TRY(table_want_step(call, &table));
    }
    TRY(describe_table(call, &table, &out->TableDescription));
    describe_only_deleted(out->TableDescription);
    return RESULT_OK;
}
