/* Policies of tables and streams ("Using resource-based policies for DynamoDB", Developer Guide).
 *
 *   ("dynamodb", account, region, "policy", table, stream's label or "")  record policy
 *
 * A table's record says whether it is guarded, so that requests to others read nothing. */
#include "auth/policy.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/dynamodb/backup.h"
#include "services/dynamodb/replica.h"

/* "The maximum size supported for a resource-based policy document is 20 KB. DynamoDB counts
 * whitespaces" (PutResourcePolicy). */
enum { POLICY_SIZE_MAX = 20 * 1024, POLICIES_MAX = 1000 };

static struct key policy_key(struct call *call, const struct dynamodb_table *table,
                             struct str label)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("dynamodb"));
    key_str(&key, table->account);
    key_str(&key, table->region);
    key_str(&key, STR("policy"));
    key_str(&key, table->name);
    key_str(&key, label);
    return key;
}

static RESULT policy_get(struct call *call, const struct dynamodb_table *table, struct str label,
                         struct dynamodb_policy *policy, bool *found)
{
    struct key key = policy_key(call, table, label);
    return call_get_record_copy(call, &key, &dynamodb_model, DYNAMODB_SHAPE_policy, policy, found);
}

RESULT policy_of_table(struct call *call, const struct dynamodb_table *table, struct str *document)
{
    struct dynamodb_policy policy;
    bool found;
    TRY(policy_get(call, table, STR(""), &policy, &found));
    if (found)
        *document = policy.document;
    return RESULT_OK;
}

/* --- what a request names
 * --------------------------------------------------------------------------------------------- */

/* What ResourceArn means: a table, or a stream of it. */
struct guarded {
    struct str arn;
    struct dynamodb_table table;
    struct str label; /* "": the table */
    struct dynamodb_policy policy;
    bool has;
};

static RESULT guarded_missing(struct call *call, struct str text)
{
    return call_fail(call, DYNAMODB_RESOURCE_NOT_FOUND,
                     "Requested resource not found: ResourceArn: %.*s not found", PRSTR(text));
}

static RESULT guarded_find(struct call *call, struct str text, struct guarded *out)
{
    struct arn arn;
    bool found;
    out->arn = text;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("dynamodb")) ||
        !str_starts_with(arn.resource, STR("table/")))
        return DYNAMODB_ERROR(call, "Invalid ResourceArn: %.*s", PRSTR(text));
    struct str name = text;
    size_t stream = str_find(text, STR("/stream/"));
    out->label = STR("");
    if (stream != SIZE_MAX) {
        name = str_slice(text, 0, stream);
        out->label = str_slice(text, stream + 8, text.len);
    } else if (str_find(text, STR("/index/")) != SIZE_MAX) {
        return DYNAMODB_ERROR(call, "Invalid ResourceArn: %.*s", PRSTR(text));
    }
    TRY(table_find(call, name, &out->table, &found));
    if (!found || str_eq(out->table.status, DYNAMODB_TABLE_STATUS_DELETING))
        return guarded_missing(call, text);
    if (!str_is_empty(out->label) && (out->table.stream_created_ms == 0 ||
                                      !str_eq(out->label, stream_label(call->arena, &out->table))))
        return guarded_missing(call, text);
    call->account = out->table.account;
    return policy_get(call, &out->table, out->label, &out->policy, &out->has);
}

static RESULT guarded_expect(struct call *call, const struct guarded *guarded, struct str revision)
{
    if (str_is_absent(revision) || (guarded->has && str_eq(revision, guarded->policy.revision)) ||
        (!guarded->has && str_eq(revision, STR("NO_POLICY"))))
        return RESULT_OK;
    return call_fail(call, DYNAMODB_POLICY_NOT_FOUND,
                     "Resource-based policy not found for the provided ResourceArn: %.*s with the "
                     "expected revision id: %.*s",
                     PRSTR(guarded->arn), PRSTR(revision));
}

static RESULT guarded_put(struct call *call, struct guarded *guarded)
{
    struct key key = policy_key(call, &guarded->table, guarded->label);
    if (str_is_empty(guarded->label) && !guarded->table.guarded) {
        guarded->table.guarded = true;
        TRY(table_put(call, &guarded->table));
    }
    return call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_policy, &guarded->policy);
}

/* --- documents
 * --------------------------------------------------------------------------------------------------------
 */

static RESULT policy_check(struct call *call, struct str document)
{
    const struct policy *compiled;
    struct str reason;
    if (document.len > POLICY_SIZE_MAX)
        return DYNAMODB_ERROR(call, "Resource-based policy document size exceeds the limit of "
                                    "20480 bytes");
    if (policy_compile(call->arena, document, POLICY_FORM_RESOURCE, &compiled, &reason) !=
        RESULT_OK)
        return DYNAMODB_ERROR(call, "The resource-based policy document is invalid: %.*s",
                              PRSTR(reason));
    return RESULT_OK;
}

/* Who takes away its own right to change the policy says so. */
static RESULT policy_check_self(struct call *call, const struct guarded *guarded,
                                struct str document)
{
    const struct authorize_ask ask = {
        .action = STR("dynamodb:PutResourcePolicy"),
        .resource = guarded->arn,
        .owner = guarded->table.account,
        .policy = document,
        .form = POLICY_FORM_RESOURCE,
    };
    bool allowed;
    TRY(authorize_may(call, &ask, &allowed));
    if (allowed)
        return RESULT_OK;
    return DYNAMODB_ERROR(call, "The resource-based policy would remove your permissions to change "
                                "the policy of this resource; set ConfirmRemoveSelfResourceAccess "
                                "to confirm");
}

/* Numbers that grow, as AWS's do. */
static struct str policy_revision(struct call *call, struct str before)
{
    int64_t last = 0;
    (void)str_to_i64(before, &last);
    return str_format(call->arena, "%lld",
                      (long long)(call->now_ms > last ? call->now_ms : last + 1));
}

RESULT policy_create(struct call *call, struct dynamodb_table *table, struct str document)
{
    TRY(policy_check(call, document));
    const struct dynamodb_policy policy = {.document = document,
                                           .revision = policy_revision(call, STR("0"))};
    struct key key = policy_key(call, table, STR(""));
    table->guarded = true;
    return call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_policy, &policy);
}

RESULT policy_forget(struct call *call, const struct dynamodb_table *table)
{
    struct key key;
    size_t deleted;
    key_init(&key, call->arena);
    key_str(&key, STR("dynamodb"));
    key_str(&key, table->account);
    key_str(&key, table->region);
    key_str(&key, STR("policy"));
    key_str(&key, table->name);
    return kv_delete_prefix(call->txn, key_bytes(&key), POLICIES_MAX, &deleted);
}

/* --- the operations
 * -------------------------------------------------------------------------------------------------
 */

RESULT dynamodb_PutResourcePolicy(struct call *call,
                                  const struct dynamodb_PutResourcePolicyInput *in,
                                  struct dynamodb_PutResourcePolicyOutput *out)
{
    struct guarded guarded = {0};
    TRY(guarded_find(call, in->ResourceArn, &guarded));
    TRY(policy_check(call, in->Policy));
    TRY(guarded_expect(call, &guarded, in->ExpectedRevisionId));
    if (!in->ConfirmRemoveSelfResourceAccess.value)
        TRY(policy_check_self(call, &guarded, in->Policy));
    out->RevisionId = guarded.policy.revision;
    if (guarded.has && str_eq(guarded.policy.document, in->Policy))
        return RESULT_OK; /* "will return the same revision ID" */
    guarded.policy.document = in->Policy;
    guarded.policy.revision = policy_revision(call, guarded.policy.revision);
    out->RevisionId = guarded.policy.revision;
    return guarded_put(call, &guarded);
}

RESULT dynamodb_GetResourcePolicy(struct call *call,
                                  const struct dynamodb_GetResourcePolicyInput *in,
                                  struct dynamodb_GetResourcePolicyOutput *out)
{
    struct guarded guarded = {0};
    TRY(guarded_find(call, in->ResourceArn, &guarded));
    if (!guarded.has)
        return call_fail(call, DYNAMODB_POLICY_NOT_FOUND,
                         "Resource-based policy not found for the provided ResourceArn: %.*s",
                         PRSTR(in->ResourceArn));
    out->Policy = guarded.policy.document;
    out->RevisionId = guarded.policy.revision;
    return RESULT_OK;
}

/* "If there's no policy ... DeleteResourcePolicy ... doesn't result in an error response, unless
 * you specify an ExpectedRevisionId". */
RESULT dynamodb_DeleteResourcePolicy(struct call *call,
                                     const struct dynamodb_DeleteResourcePolicyInput *in,
                                     struct dynamodb_DeleteResourcePolicyOutput *out)
{
    struct guarded guarded = {0};
    TRY(guarded_find(call, in->ResourceArn, &guarded));
    if (!guarded.has && !str_is_absent(in->ExpectedRevisionId))
        return call_fail(call, DYNAMODB_POLICY_NOT_FOUND,
                         "Resource-based policy not found for the provided ResourceArn: %.*s",
                         PRSTR(in->ResourceArn));
    TRY(guarded_expect(call, &guarded, in->ExpectedRevisionId));
    if (!guarded.has)
        return RESULT_OK;
    struct key key = policy_key(call, &guarded.table, guarded.label);
    out->RevisionId = guarded.policy.revision;
    if (str_is_empty(guarded.label)) {
        guarded.table.guarded = false;
        TRY(table_put(call, &guarded.table));
    }
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* --- what guards an operation on a table
 * ------------------------------------------------------------------------------- */

/* The member that names the table, of the operations that do not ask for themselves. */
static struct str hook_resource(const struct call *call, const void *in)
{
#define NAMED(operation, shape, member)                                                            \
    case DYNAMODB_OP_##operation:                                                                  \
        return ((const struct dynamodb_##shape *)in)->member
    switch (call->operation) {
        NAMED(CreateBackup, CreateBackupInput, TableName);
        NAMED(DeleteResourcePolicy, DeleteResourcePolicyInput, ResourceArn);
        NAMED(DeleteTable, DeleteTableInput, TableName);
        NAMED(DescribeContinuousBackups, DescribeContinuousBackupsInput, TableName);
        NAMED(DescribeContributorInsights, DescribeContributorInsightsInput, TableName);
        NAMED(DescribeTable, DescribeTableInput, TableName);
        NAMED(DescribeTimeToLive, DescribeTimeToLiveInput, TableName);
        NAMED(ExportTableToPointInTime, ExportTableToPointInTimeInput, TableArn);
        NAMED(GetResourcePolicy, GetResourcePolicyInput, ResourceArn);
        NAMED(ListTagsOfResource, ListTagsOfResourceInput, ResourceArn);
        NAMED(PutResourcePolicy, PutResourcePolicyInput, ResourceArn);
    case DYNAMODB_OP_RestoreTableToPointInTime:
        return restore_source_name(in);
        NAMED(TagResource, TagResourceInput, ResourceArn);
        NAMED(UntagResource, UntagResourceInput, ResourceArn);
        NAMED(UpdateContinuousBackups, UpdateContinuousBackupsInput, TableName);
        NAMED(UpdateContributorInsights, UpdateContributorInsightsInput, TableName);
        NAMED(UpdateTable, UpdateTableInput, TableName);
        NAMED(UpdateTimeToLive, UpdateTimeToLiveInput, TableName);
    default:
        return (struct str){0};
    }
#undef NAMED
}

/* The table or stream that the request names; *found false: none, which the operation tells. */
static RESULT hook_find(struct call *call, const void *in, struct guarded *out, bool *found)
{
    struct str text = hook_resource(call, in);
    struct arn arn;
    size_t stream = str_find(text, STR("/stream/"));
    *found = false;
    out->label = STR("");
    if (str_is_absent(text) ||
        !table_parse_name(call, stream == SIZE_MAX ? text : str_slice(text, 0, stream), &arn))
        return RESULT_OK;
    if (stream != SIZE_MAX)
        out->label = str_slice(text, stream + 8, text.len);
    struct str name = stream == SIZE_MAX ? text : str_slice(text, 0, stream);
    if (call->operation == DYNAMODB_OP_RestoreTableToPointInTime) /* whatever region it is of */
        TRY(replica_table(call, arn.region, name, &out->table, found));
    else
        TRY(table_find(call, name, &out->table, found));
    if (!*found)
        out->table = (struct dynamodb_table){
            .name = arn.resource, .account = arn.account, .region = arn.region};
    out->arn = table_arn(call->arena, &out->table);
    if (stream != SIZE_MAX)
        out->arn = str_format(call->arena, "%.*s/stream/%.*s", PRSTR(out->arn), PRSTR(out->label));
    return RESULT_OK;
}

RESULT policy_hook(struct call *call, const void *in, struct str *arn, struct str *owner,
                   struct str *document)
{
    struct guarded guarded = {0};
    bool found;
    TRY(hook_find(call, in, &guarded, &found));
    if (str_is_absent(guarded.arn))
        return RESULT_OK;
    *arn = guarded.arn;
    *owner = guarded.table.account;
    if (!found || (str_is_empty(guarded.label) && !guarded.table.guarded))
        return RESULT_OK;
    TRY(policy_get(call, &guarded.table, guarded.label, &guarded.policy, &guarded.has));
    if (guarded.has)
        *document = guarded.policy.document;
    return RESULT_OK;
}

RESULT policy_condition_key(struct call *call, const void *in, struct str key, struct str *value)
{
    const struct str tag = STR("aws:ResourceTag/");
    struct guarded guarded = {0};
    bool found;
    if (!str_eq_nocase(str_slice(key, 0, tag.len), tag))
        return RESULT_OK;
    TRY(hook_find(call, in, &guarded, &found));
    for (size_t i = 0; found && i < guarded.table.tags.len; i++)
        if (str_eq_nocase(guarded.table.tags.items[i].key, str_slice(key, tag.len, key.len)))
            *value = guarded.table.tags.items[i].value;
    return RESULT_OK;
}
