/* PutResourcePolicy, DescribeResourcePolicies, DeleteResourcePolicy: what others may do with an
 * account's logs, or with one group's. */
#include "auth/policy.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/logs/logs_int.h"
#include "store/record.h"
#include "wire/json_text.h"

/* "CloudWatch Logs quotas", User Guide. */
enum { POLICIES_MAX = 10, POLICIES_PAGE = 50 };

/* Of the account by name, of a group by its ARN. */
static struct key policy_key(struct call *call, bool of_account, struct str name)
{
    struct key key = call_key(call, of_account ? STR("resource-policy") : STR("group-policy"));
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

static RESULT policy_find(struct call *call, struct str name, struct str resource,
                          struct logs_policy *policy, bool *found)
{
    struct key key =
        policy_key(call, str_is_absent(resource), str_is_absent(resource) ? name : resource);
    return call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_policy, policy, found);
}

/* Whose group the resource is must be there. */
static RESULT check_resource(struct call *call, struct str resource)
{
    struct logs_group group;
    if (str_is_absent(resource))
        return RESULT_OK;
    if (!str_starts_with(resource, STR("arn:")))
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid resourceArn.");
    return group_find_either(call, (struct str){0}, resource, &group);
}

static RESULT count_policies(struct call *call, size_t *count)
{
    struct key prefix = policy_key(call, true, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    *count = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        ++*count;
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static struct str revision_text(struct call *call, const struct logs_policy *policy)
{
    return str_format(call->arena, "%lld", (long long)policy->revision);
}

static struct logs_ResourcePolicy policy_shown(struct call *call, const struct logs_policy *policy)
{
    return (struct logs_ResourcePolicy){
        .policyName = policy->name,
        .policyDocument = policy->document,
        .lastUpdatedTime = opt_long(policy->updated_ms),
        .policyScope = str_is_absent(policy->resource) ? LOGS_POLICY_SCOPE_ACCOUNT
                                                       : LOGS_POLICY_SCOPE_RESOURCE,
        .resourceArn = policy->resource,
        .revisionId = revision_text(call, policy),
    };
}

static RESULT check_revision(struct call *call, const struct logs_policy *policy, bool found,
                             struct str expected)
{
    if (str_is_absent(expected) || (found && str_eq(expected, revision_text(call, policy))))
        return RESULT_OK;
    return call_fail(call, LOGS_OPERATION_ABORTED,
                     "The expected revision is not that of the policy.");
}

RESULT logs_PutResourcePolicy(struct call *call, const struct logs_PutResourcePolicyRequest *in,
                              struct logs_PutResourcePolicyResponse *out)
{
    const struct policy *compiled;
    struct logs_policy old = {0};
    struct str reason;
    size_t count;
    bool found, of_account = str_is_absent(in->resourceArn);
    if (str_is_absent(in->policyDocument) || (of_account && str_is_absent(in->policyName)))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "policyName and policyDocument must be specified.");
    if (policy_compile(call->arena, in->policyDocument, POLICY_FORM_RESOURCE, &compiled, &reason) !=
        RESULT_OK)
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid resource policy: %.*s",
                         PRSTR(reason));
    TRY(check_resource(call, in->resourceArn));
    TRY(policy_find(call, in->policyName, in->resourceArn, &old, &found));
    TRY(check_revision(call, &old, found, in->expectedRevisionId));
    TRY(count_policies(call, &count));
    if (of_account && !found && count >= POLICIES_MAX)
        return call_fail(call, LOGS_LIMIT_EXCEEDED, "Resource limit exceeded.");
    const struct logs_policy made = {
        .name = in->policyName,
        .document = in->policyDocument,
        .updated_ms = call->now_ms,
        .resource = in->resourceArn,
        .revision = old.revision + 1,
    };
    struct key key = policy_key(call, of_account, of_account ? in->policyName : in->resourceArn);
    out->resourcePolicy = ARENA_NEW(call->arena, struct logs_ResourcePolicy);
    *out->resourcePolicy = policy_shown(call, &made);
    out->revisionId = out->resourcePolicy->revisionId;
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_policy, &made);
}

RESULT logs_DeleteResourcePolicy(struct call *call,
                                 const struct logs_DeleteResourcePolicyRequest *in,
                                 struct logs_DeleteResourcePolicyResult *out)
{
    struct logs_policy old;
    bool found = false, of_account = str_is_absent(in->resourceArn);
    (void)out;
    if (of_account && str_is_absent(in->policyName))
        return call_fail(call, LOGS_INVALID_PARAMETER, "policyName must be specified.");
    TRY(policy_find(call, in->policyName, in->resourceArn, &old, &found));
    if (!found)
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND, "Policy with name [%.*s] does not exist.",
                         PRSTR(in->policyName));
    TRY(check_revision(call, &old, found, in->expectedRevisionId));
    struct key key = policy_key(call, of_account, of_account ? in->policyName : in->resourceArn);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT logs_DescribeResourcePolicies(struct call *call,
                                     const struct logs_DescribeResourcePoliciesRequest *in,
                                     struct logs_DescribeResourcePoliciesResponse *out)
{
    size_t limit = in->limit.set ? (size_t)in->limit.value : POLICIES_PAGE, cap = 1;
    bool of_account =
        !str_eq(in->policyScope, LOGS_POLICY_SCOPE_RESOURCE) && str_is_absent(in->resourceArn);
    struct key prefix = policy_key(call, of_account, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value, after, last = {0};
    TRY(logs_page(call, in->nextToken, &after));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    out->resourcePolicies.items = ARENA_NEW(call->arena, struct logs_ResourcePolicy);
    for (;;) {
        struct logs_policy policy;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_policy, value, &policy));
        struct str place = of_account ? policy.name : policy.resource;
        if ((!str_is_absent(after) && str_cmp(place, after) <= 0) ||
            (!str_is_absent(in->resourceArn) && !str_eq(in->resourceArn, policy.resource)))
            continue;
        if (out->resourcePolicies.len == limit) {
            out->nextToken = paging_token(call, last);
            return RESULT_OK;
        }
        VEC_PUSH(call->arena, out->resourcePolicies.items, out->resourcePolicies.len, cap,
                 policy_shown(call, &policy));
        last = place;
    }
}

/* --- what they decide --- */

/* The statements of a document, one behind the other. */
static void add_statements(struct arena *arena, struct buf *out, struct str document)
{
    struct str raw;
    if (!json_member(arena, document, STR("Statement"), &raw))
        return;
    raw = str_trim(raw);
    if (json_kind_of(raw) == JSON_ARRAY)
        raw = str_trim(str_slice(raw, 1, raw.len - 1));
    if (str_is_empty(raw))
        return;
    if (out->len > 0)
        buf_append_char(out, ',');
    buf_append(out, raw);
}

static bool is_guarded(uint32_t operation, const void *in, struct str *group)
{
    switch (operation) {
    case LOGS_OP_PutLogEvents:
        *group = ((const struct logs_PutLogEventsRequest *)in)->logGroupName;
        return true;
    case LOGS_OP_CreateLogStream:
        *group = ((const struct logs_CreateLogStreamRequest *)in)->logGroupName;
        return true;
    case LOGS_OP_CreateLogGroup:
        *group = ((const struct logs_CreateLogGroupRequest *)in)->logGroupName;
        return true;
    case LOGS_OP_DescribeLogStreams:
        *group = ((const struct logs_DescribeLogStreamsRequest *)in)->logGroupName;
        return true;
    default:
        return false;
    }
}

/* The account's policies and the group's own, as one. */
RESULT logs_resource_policy(struct call *call, const void *in, struct str *resource_arn,
                            struct str *owner_account, struct str *policy)
{
    struct key prefix = policy_key(call, true, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value, group;
    struct logs_policy found_policy;
    struct buf statements;
    bool found;
    (void)resource_arn;
    *owner_account = call->account;
    if (!is_guarded(call->operation, in, &group))
        return RESULT_OK;
    buf_init(&statements, call->arena, SIZE_MAX);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_policy, value, &found_policy));
        add_statements(call->arena, &statements, found_policy.document);
    }
    kv_cursor_close(cursor);
    TRY(policy_find(call, (struct str){0}, group_arn(call, group), &found_policy, &found));
    if (found)
        add_statements(call->arena, &statements, found_policy.document);
    if (statements.len > 0)
        *policy = str_format(call->arena, "{\"Version\":\"2012-10-17\",\"Statement\":[%.*s]}",
                             PRSTR(buf_str(&statements)));
    return RESULT_OK;
}
