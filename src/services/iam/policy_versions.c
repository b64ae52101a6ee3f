/* Versions of managed policies ("Versioning IAM policies", IAM User Guide). */
#include "base/vec.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

enum { VERSIONS_MAX = 5 };

/* ("iam", ACCOUNT, "policy-version", POLICY-ID, NUMBER) */
static struct key version_key(struct call *call, struct str policy_id, int64_t number)
{
    struct key key = iam_key(call, "policy-version", policy_id);
    key_u64(&key, (uint64_t)number);
    return key;
}

RESULT iam_version_put(struct call *call, struct str policy_id, int64_t number, struct str document)
{
    struct key key = version_key(call, policy_id, number);
    struct iam_policy_version version = {number, document, call->now_ms};
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_policy_version, &version);
}

static RESULT version_get(struct call *call, struct str policy_id, int64_t number,
                          struct iam_policy_version *out, bool *found)
{
    struct key key = version_key(call, policy_id, number);
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_policy_version, out, found);
}

/* "v3", or 0; the model has checked its form, but for what may follow a dot. */
static int64_t version_number(struct str name)
{
    int64_t number;
    return name.len > 1 && str_to_i64(str_slice(name, 1, name.len), &number) ? number : 0;
}

static RESULT version_absent(struct call *call, struct str arn, struct str version)
{
    return call_fail(call, IAM_NO_SUCH_ENTITY,
                     "Policy %.*s version %.*s does not exist or is not attachable.", PRSTR(arn),
                     PRSTR(version));
}

static RESULT version_must(struct call *call, struct str arn,
                           const struct iam_managed_policy *policy, struct str name,
                           struct iam_policy_version *version)
{
    bool found;
    TRY(version_get(call, policy->id, version_number(name), version, &found));
    return found ? RESULT_OK : version_absent(call, arn, name);
}

RESULT iam_CreatePolicyVersion(struct call *call, const struct iam_CreatePolicyVersionRequest *in,
                               struct iam_CreatePolicyVersionResponse *out)
{
    struct iam_managed_policy policy;
    bool chosen = in->SetAsDefault.set && in->SetAsDefault.value;
    TRY(iam_managed_to_change(call, in->PolicyArn, &policy));
    TRY(iam_managed_check(call, in->PolicyDocument));
    if (policy.versions >= VERSIONS_MAX)
        return call_fail(call, IAM_LIMIT_EXCEEDED,
                         "A managed policy can have up to %d versions. Before you create a new "
                         "version, you must delete an existing version.",
                         VERSIONS_MAX);
    policy.last_version++;
    policy.versions++;
    policy.updated_ms = call->now_ms;
    if (chosen) {
        policy.default_version = policy.last_version;
        policy.document = in->PolicyDocument;
    }
    TRY(iam_count(call, &iam_versions_counted, 1));
    TRY(iam_version_put(call, policy.id, policy.last_version, in->PolicyDocument));
    TRY(iam_managed_put(call, &policy));
    out->PolicyVersion = ARENA_NEW(call->arena, struct iam_PolicyVersion);
    *out->PolicyVersion = (struct iam_PolicyVersion){
        .VersionId = iam_version_name(call, policy.last_version),
        .IsDefaultVersion = opt_bool(chosen),
        .CreateDate = iam_time(call->now_ms),
    };
    return RESULT_OK;
}

RESULT iam_DeletePolicyVersion(struct call *call, const struct iam_DeletePolicyVersionRequest *in,
                               struct iam_DeletePolicyVersionResult *out)
{
    (void)out;
    struct iam_managed_policy policy;
    struct iam_policy_version version;
    TRY(iam_managed_to_change(call, in->PolicyArn, &policy));
    TRY(version_must(call, in->PolicyArn, &policy, in->VersionId, &version));
    if (version.number == policy.default_version)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete the default version of a policy.");
    struct key key = version_key(call, policy.id, version.number);
    policy.versions--;
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(iam_count(call, &iam_versions_counted, -1));
    return iam_managed_put(call, &policy);
}

RESULT iam_SetDefaultPolicyVersion(struct call *call,
                                   const struct iam_SetDefaultPolicyVersionRequest *in,
                                   struct iam_SetDefaultPolicyVersionResult *out)
{
    (void)out;
    struct iam_managed_policy policy;
    struct iam_policy_version version;
    TRY(iam_managed_to_change(call, in->PolicyArn, &policy));
    TRY(version_must(call, in->PolicyArn, &policy, in->VersionId, &version));
    policy.default_version = version.number;
    policy.document = str_copy(call->arena, version.document);
    policy.updated_ms = call->now_ms;
    return iam_managed_put(call, &policy);
}

/* --- reading, AWS's too --- */

static RESULT versions_of(struct call *call, struct str arn, struct iam_managed *policy)
{
    bool found;
    TRY(iam_managed_find(call, call->account, arn, policy, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Policy %.*s was not found.", PRSTR(arn));
    return RESULT_OK;
}

static struct iam_PolicyVersion version_of_aws(const struct iam_managed *policy)
{
    return (struct iam_PolicyVersion){
        .VersionId = policy->version,
        .IsDefaultVersion = opt_bool(true),
        .CreateDate = iam_time(policy->updated_ms),
    };
}

static struct iam_PolicyVersion version_of_own(struct call *call,
                                               const struct iam_managed_policy *policy,
                                               const struct iam_policy_version *version)
{
    return (struct iam_PolicyVersion){
        .VersionId = iam_version_name(call, version->number),
        .IsDefaultVersion = opt_bool(version->number == policy->default_version),
        .CreateDate = iam_time(version->created_ms),
    };
}

RESULT iam_GetPolicyVersion(struct call *call, const struct iam_GetPolicyVersionRequest *in,
                            struct iam_GetPolicyVersionResponse *out)
{
    struct iam_managed policy;
    struct iam_policy_version version;
    TRY(versions_of(call, in->PolicyArn, &policy));
    out->PolicyVersion = ARENA_NEW(call->arena, struct iam_PolicyVersion);
    if (policy.of_aws) {
        if (!str_eq(policy.version, in->VersionId))
            return version_absent(call, in->PolicyArn, in->VersionId);
        *out->PolicyVersion = version_of_aws(&policy);
        out->PolicyVersion->Document = iam_shown_document(call, policy.document);
        return RESULT_OK;
    }
    TRY(version_must(call, in->PolicyArn, &policy.own, in->VersionId, &version));
    *out->PolicyVersion = version_of_own(call, &policy.own, &version);
    out->PolicyVersion->Document = iam_shown_document(call, version.document);
    return RESULT_OK;
}

/* Newest first, as AWS lists them. */
static RESULT versions_own(struct call *call, const struct iam_managed_policy *policy, bool shown,
                           struct iam_policyDocumentVersionListType *out)
{
    struct key prefix = iam_key(call, "policy-version", policy->id);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), true, &cursor));
    for (size_t cap = 0;;) {
        struct iam_policy_version version;
        struct iam_PolicyVersion item;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_policy_version, value, &version));
        item = version_of_own(call, policy, &version);
        if (shown)
            item.Document = iam_shown_document(call, version.document);
        VEC_PUSH(call->arena, out->items, out->len, cap, item);
    }
}

RESULT iam_versions_shown(struct call *call, const struct iam_managed *policy, bool documents,
                          struct iam_policyDocumentVersionListType *out)
{
    *out = (struct iam_policyDocumentVersionListType){0};
    if (!policy->of_aws)
        return versions_own(call, &policy->own, documents, out);
    out->items = ARENA_NEW(call->arena, struct iam_PolicyVersion);
    out->items[0] = version_of_aws(policy);
    if (documents)
        out->items[0].Document = iam_shown_document(call, policy->document);
    out->len = 1;
    return RESULT_OK;
}

/* At most five: the marker counts. */
static struct str version_position(const void *list, size_t i)
{
    static const struct str positions[] = {STR_INIT("0"), STR_INIT("1"), STR_INIT("2"),
                                           STR_INIT("3"), STR_INIT("4"), STR_INIT("5")};
    (void)list;
    return positions[i < VERSIONS_MAX ? i : VERSIONS_MAX];
}

RESULT iam_ListPolicyVersions(struct call *call, const struct iam_ListPolicyVersionsRequest *in,
                              struct iam_ListPolicyVersionsResponse *out)
{
    struct iam_managed policy;
    struct iam_policyDocumentVersionListType all;
    struct iam_window window;
    TRY(versions_of(call, in->PolicyArn, &policy));
    TRY(iam_versions_shown(call, &policy, false, &all));
    TRY(iam_window_open(call, in->Marker, in->MaxItems, &all, all.len, version_position, &window));
    out->Versions.items = all.items + window.from;
    out->Versions.len = window.to - window.from;
    iam_window_end(call, &window, window.to > 0 ? version_position(&all, window.to - 1) : STR(""),
                   &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}
