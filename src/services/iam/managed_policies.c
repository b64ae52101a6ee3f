/* Managed policies, an account's own and AWS's ("Managed policies and inline policies", IAM User
 * Guide). */
#include "auth/policy.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/iam/aws_policies.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

enum { POLICY_SIZE_MAX = 6144 };

struct str iam_version_name(struct call *call, int64_t number)
{
    return str_format(call->arena, "v%lld", (long long)number);
}

struct str iam_policy_arn(struct call *call, const struct iam_managed_policy *policy)
{
    return iam_arn(call, "policy", policy->path, policy->name);
}

RESULT iam_managed_check(struct call *call, struct str document)
{
    const struct policy *compiled;
    struct str reason;
    if (policy_compile(call->arena, document, POLICY_FORM_MANAGED, &compiled, &reason) != RESULT_OK)
        return call_fail(call, IAM_MALFORMED_POLICY_DOCUMENT, "%.*s", PRSTR(reason));
    if (iam_document_size(document) > POLICY_SIZE_MAX)
        return iam_quota(call, "PolicySize", POLICY_SIZE_MAX);
    return RESULT_OK;
}

/* --- finding --- */

static void managed_of_aws(struct call *call, const struct iam_aws_policy *policy,
                           struct iam_managed *out)
{
    size_t slash = str_find_last_char(policy->full_name, '/');
    size_t name = slash == SIZE_MAX ? 0 : slash + 1;
    *out = (struct iam_managed){
        .name = str_slice(policy->full_name, name, policy->full_name.len),
        .path = str_format(call->arena, "/%.*s", (int)name, policy->full_name.ptr),
        .id = policy->id,
        .arn = str_format(call->arena, "arn:aws:iam::aws:policy/%.*s", PRSTR(policy->full_name)),
        .description = policy->description,
        .document = policy->document,
        .version = iam_version_name(call, policy->version),
        .created_ms = policy->created_ms,
        .updated_ms = policy->updated_ms,
        .of_aws = true,
    };
}

static const struct iam_aws_policy *aws_find(struct str full_name)
{
    size_t from = 0, to = iam_aws_policy_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = str_cmp(iam_aws_policies[middle].full_name, full_name);
        if (order == 0)
            return &iam_aws_policies[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static void managed_of_own(struct call *call, const struct iam_managed_policy *own, struct str arn,
                           struct iam_managed *out)
{
    *out = (struct iam_managed){
        .name = own->name,
        .path = own->path,
        .id = own->id,
        .arn = arn,
        .description = own->description,
        .document = own->document,
        .version = iam_version_name(call, own->default_version),
        .created_ms = own->created_ms,
        .updated_ms = own->updated_ms,
        .own = *own,
    };
}

RESULT iam_managed_find(struct call *call, struct str account, struct str text,
                        struct iam_managed *out, bool *found)
{
    struct arn arn;
    struct str kind = STR("policy/");
    *found = false;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("iam")) || arn.region.len > 0 ||
        !str_starts_with(arn.resource, kind))
        return RESULT_OK;
    struct str full_name = str_slice(arn.resource, kind.len, arn.resource.len);
    if (str_eq(arn.account, STR("aws"))) {
        const struct iam_aws_policy *policy = aws_find(full_name);
        *found = policy != NULL;
        if (*found)
            managed_of_aws(call, policy, out);
        return RESULT_OK;
    }
    if (!str_eq(arn.account, account))
        return RESULT_OK;
    struct iam_managed_policy own;
    size_t slash = str_find_last_char(full_name, '/');
    size_t name = slash == SIZE_MAX ? 0 : slash + 1;
    struct key key = iam_key_of(call, account, "policy", str_slice(full_name, name, full_name.len));
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_managed_policy, &own, found));
    /* "/PATH/" as in the ARN: "PATH/". */
    *found = *found && str_eq(str_slice(own.path, 1, own.path.len), str_slice(full_name, 0, name));
    if (*found)
        managed_of_own(call, &own, text, out);
    return RESULT_OK;
}

static RESULT managed_must(struct call *call, struct str arn, struct iam_managed *out)
{
    struct arn parts;
    bool found;
    if (!arn_parse(arn, &parts))
        return call_fail(call, IAM_INVALID_INPUT, "ARN %.*s is not valid.", PRSTR(arn));
    TRY(iam_managed_find(call, call->account, arn, out, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Policy %.*s was not found.", PRSTR(arn));
    return RESULT_OK;
}

RESULT iam_managed_to_change(struct call *call, struct str arn, struct iam_managed_policy *out)
{
    struct iam_managed policy;
    bool found;
    TRY(managed_must(call, arn, &policy));
    if (policy.of_aws) {
        struct str name = wire_string(call->model, call->model->operations[call->operation].name);
        return call_fail(call, IAM_ACCESS_DENIED,
                         "User: %.*s is not authorized to perform: iam:%.*s on resource: policy "
                         "%.*s",
                         PRSTR(call->principal.arn), PRSTR(name), PRSTR(arn));
    }
    struct key key = iam_key(call, "policy", policy.name);
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_managed_policy, out, &found);
}

RESULT iam_managed_put(struct call *call, const struct iam_managed_policy *policy)
{
    struct key key = iam_key(call, "policy", policy->name);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_managed_policy, policy);
}

RESULT iam_managed_shown(struct call *call, const struct iam_managed *policy, bool full,
                         struct iam_Policy *out)
{
    struct iam_policy_use use;
    TRY(iam_policy_use(call, policy->arn, &use));
    *out = (struct iam_Policy){
        .PolicyName = policy->name,
        .PolicyId = policy->id,
        .Arn = policy->arn,
        .Path = policy->path,
        .DefaultVersionId = policy->version,
        .AttachmentCount = opt_int((int32_t)use.attached),
        .PermissionsBoundaryUsageCount = opt_int((int32_t)use.bounding),
        .IsAttachable = opt_bool(true),
        .CreateDate = iam_time(policy->created_ms),
        .UpdateDate = iam_time(policy->updated_ms),
    };
    if (full) {
        out->Description = policy->description;
        out->Tags = iam_tags_shown(call, &policy->own.tags);
    }
    return RESULT_OK;
}

/* --- operations --- */

RESULT iam_CreatePolicy(struct call *call, const struct iam_CreatePolicyRequest *in,
                        struct iam_CreatePolicyResponse *out)
{
    struct key key = iam_key(call, "policy", in->PolicyName);
    struct iam_managed shown;
    struct str there;
    struct iam_managed_policy policy = {
        .name = in->PolicyName,
        .path = iam_path(in->Path),
        .id = iam_new_id(call, STR("ANPA")),
        .created_ms = call->now_ms,
        .updated_ms = call->now_ms,
        .description = in->Description,
        .default_version = 1,
        .last_version = 1,
        .versions = 1,
        .document = in->PolicyDocument,
    };
    TRY(iam_check_name(call, "policyName", in->PolicyName));
    TRY(iam_check_path(call, "path", in->Path));
    TRY(iam_managed_check(call, in->PolicyDocument));
    struct iam_tagging tagging = {"iam:policy", STR("iam:TagPolicy"), iam_policy_arn(call, &policy),
                                  in};
    TRY(iam_tags_made_with(call, &tagging, &in->Tags, &policy.tags));
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS,
                         "A policy called %.*s already exists. Duplicate names are not allowed.",
                         PRSTR(in->PolicyName));
    TRY(iam_count(call, &iam_policies_counted, 1));
    TRY(iam_count(call, &iam_versions_counted, 1));
    TRY(iam_managed_put(call, &policy));
    TRY(iam_version_put(call, policy.id, 1, policy.document));
    managed_of_own(call, &policy, iam_policy_arn(call, &policy), &shown);
    out->Policy = ARENA_NEW(call->arena, struct iam_Policy);
    TRY(iam_managed_shown(call, &shown, false, out->Policy));
    out->Policy->Tags = iam_tags_shown(call, &policy.tags);
    return RESULT_OK;
}

RESULT iam_GetPolicy(struct call *call, const struct iam_GetPolicyRequest *in,
                     struct iam_GetPolicyResponse *out)
{
    struct iam_managed policy;
    TRY(managed_must(call, in->PolicyArn, &policy));
    out->Policy = ARENA_NEW(call->arena, struct iam_Policy);
    return iam_managed_shown(call, &policy, true, out->Policy);
}

RESULT iam_DeletePolicy(struct call *call, const struct iam_DeletePolicyRequest *in,
                        struct iam_DeletePolicyResult *out)
{
    (void)out;
    struct iam_managed_policy policy;
    struct iam_policy_use use;
    size_t deleted;
    TRY(iam_managed_to_change(call, in->PolicyArn, &policy));
    TRY(iam_policy_use(call, in->PolicyArn, &use));
    if (use.attached > 0 || use.bounding > 0)
        return call_fail(call, IAM_DELETE_CONFLICT, "Cannot delete a policy attached to entities.");
    if (policy.versions > 1)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "This policy has more than one version. Before you delete a policy, you "
                         "must delete the policy's versions. The default version is deleted with "
                         "the policy.");
    struct key key = iam_key(call, "policy-version", policy.id);
    TRY(kv_delete_prefix(call->txn, key_bytes(&key), 16, &deleted));
    key = iam_key(call, "policy", policy.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(iam_count(call, &iam_versions_counted, -1));
    return iam_count(call, &iam_policies_counted, -1);
}

/* --- the list: the account's own by name, then AWS's --- */

struct policy_list {
    struct call *call;
    const struct iam_ListPoliciesRequest *in;
    struct iam_ListPoliciesResponse *out;
    size_t cap, limit;
    struct str last; /* 'l' and a key, or 'a' and a name of AWS's */
    bool full;
};

static bool policy_wanted(const struct policy_list *list, const struct iam_managed *policy,
                          const struct iam_Policy *shown)
{
    struct str usage = list->in->PolicyUsageFilter;
    bool boundary = str_eq(usage, STR("PermissionsBoundary"));
    if (!str_is_absent(list->in->PathPrefix) &&
        !str_starts_with(policy->path, list->in->PathPrefix))
        return false;
    if (list->in->OnlyAttached.set && list->in->OnlyAttached.value &&
        shown->AttachmentCount.value == 0 && shown->PermissionsBoundaryUsageCount.value == 0)
        return false;
    if (str_is_absent(usage))
        return true;
    return boundary ? shown->PermissionsBoundaryUsageCount.value > 0
                    : shown->AttachmentCount.value > 0;
}

static RESULT policy_list_take(struct policy_list *list, const struct iam_managed *policy,
                               char which, struct str position)
{
    struct iam_Policy shown;
    struct call *call = list->call;
    TRY(iam_managed_shown(call, policy, false, &shown));
    if (!policy_wanted(list, policy, &shown))
        return RESULT_OK;
    if (list->out->Policies.len >= list->limit) {
        list->full = true;
        return RESULT_OK;
    }
    VEC_PUSH(call->arena, list->out->Policies.items, list->out->Policies.len, list->cap, shown);
    list->last = str_concat(call->arena, str_make(&which, 1), position);
    return RESULT_OK;
}

static RESULT policy_list_own(struct policy_list *list, struct str after)
{
    struct call *call = list->call;
    struct key prefix = iam_key(call, "policy", (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(after))
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, after, str_make("", 1))));
    while (!list->full) {
        struct iam_managed_policy own;
        struct iam_managed policy;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_managed_policy, value, &own));
        managed_of_own(call, &own, iam_policy_arn(call, &own), &policy);
        TRY(policy_list_take(list, &policy, 'l', key));
    }
    return RESULT_OK;
}

static RESULT policy_list_aws(struct policy_list *list, struct str after)
{
    for (size_t i = 0; i < iam_aws_policy_count && !list->full; i++) {
        const struct iam_aws_policy *aws = &iam_aws_policies[i];
        struct iam_managed policy;
        if (!str_is_absent(after) && str_cmp(aws->full_name, after) <= 0)
            continue;
        managed_of_aws(list->call, aws, &policy);
        TRY(policy_list_take(list, &policy, 'a', aws->full_name));
    }
    return RESULT_OK;
}

RESULT iam_ListPolicies(struct call *call, const struct iam_ListPoliciesRequest *in,
                        struct iam_ListPoliciesResponse *out)
{
    struct policy_list list = {call, in, out, 1, 100, {0}, false};
    struct str position = {0}, after = {0};
    bool own = !str_eq(in->Scope, STR("AWS")), aws = !str_eq(in->Scope, STR("Local"));
    if (in->MaxItems.set)
        list.limit = (size_t)in->MaxItems.value;
    TRY(iam_check_path_prefix(call, in->PathPrefix));
    if (!str_is_absent(in->Marker)) {
        if (!paging_position(call, in->Marker, &position) || position.len == 0)
            return call_fail(call, IAM_VALIDATION, "Invalid Marker.");
        after = str_slice(position, 1, position.len);
    }
    bool in_aws = position.len > 0 && position.ptr[0] == 'a';
    out->Policies.items = ARENA_NEW(call->arena, struct iam_Policy);
    if (own && !in_aws)
        TRY(policy_list_own(&list, after));
    if (aws && !list.full)
        TRY(policy_list_aws(&list, in_aws ? after : (struct str){0}));
    out->IsTruncated = opt_bool(list.full);
    if (list.full)
        out->Marker = paging_token(call, list.last);
    return RESULT_OK;
}

/* --- tags --- */

RESULT iam_TagPolicy(struct call *call, const struct iam_TagPolicyRequest *in,
                     struct iam_TagPolicyResult *out)
{
    (void)out;
    struct iam_managed_policy policy;
    TRY(iam_managed_to_change(call, in->PolicyArn, &policy));
    TRY(iam_tags_add(call, "iam:policy", &in->Tags, &policy.tags));
    return iam_managed_put(call, &policy);
}

RESULT iam_UntagPolicy(struct call *call, const struct iam_UntagPolicyRequest *in,
                       struct iam_UntagPolicyResult *out)
{
    (void)out;
    struct iam_managed_policy policy;
    TRY(iam_managed_to_change(call, in->PolicyArn, &policy));
    iam_tags_remove(call, &in->TagKeys, &policy.tags);
    return iam_managed_put(call, &policy);
}

RESULT iam_ListPolicyTags(struct call *call, const struct iam_ListPolicyTagsRequest *in,
                          struct iam_ListPolicyTagsResponse *out)
{
    struct iam_managed policy;
    struct iam_tags_page page;
    TRY(managed_must(call, in->PolicyArn, &policy));
    TRY(iam_tags_page(call, &policy.own.tags, in->Marker, in->MaxItems, &page));
    *out = (struct iam_ListPolicyTagsResponse){page.tags, page.truncated, page.marker};
    return RESULT_OK;
}
