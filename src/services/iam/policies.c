/* Inline policies of users ("Managed policies and inline policies", IAM User Guide), and what they
 * are to the rest of the cloud. */
#include "auth/policy.h"
#include "base/encode.h"
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

/* "IAM and AWS STS quotas": all inline policies of a user together, white space not counted. */
enum { USER_POLICY_SIZE_MAX = 2048 };

static struct key policy_key(struct call *call, struct str user, struct str name)
{
    struct key key = iam_key(call, "user-policy", user);
    key_str(&key, name);
    return key;
}

static size_t policy_size(struct str document)
{
    size_t size = 0;
    for (size_t i = 0; i < document.len; i++) {
        char c = document.ptr[i];
        size += !(c == ' ' || c == '\t' || c == '\r' || c == '\n');
    }
    return size;
}

/* Of all policies of the user but the one of that name. */
static RESULT policy_size_of_others(struct call *call, struct str user, struct str name,
                                    size_t *size)
{
    struct key prefix = iam_key(call, "user-policy", user);
    struct kv_cursor *cursor;
    struct str key, value;
    *size = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct iam_inline_policy policy;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_inline_policy, value, &policy));
        if (!str_eq(policy.name, name))
            *size += policy_size(policy.document);
    }
}

RESULT iam_PutUserPolicy(struct call *call, const struct iam_PutUserPolicyRequest *in,
                         struct iam_PutUserPolicyResult *out)
{
    (void)out;
    struct iam_user user;
    const struct policy *compiled;
    struct str reason;
    size_t others;
    TRY(iam_user_must(call, in->UserName, &user));
    if (policy_compile(call->arena, in->PolicyDocument, POLICY_FORM_INLINE, &compiled, &reason) !=
        RESULT_OK)
        return call_fail(call, IAM_MALFORMED_POLICY_DOCUMENT, "%.*s", PRSTR(reason));
    TRY(policy_size_of_others(call, in->UserName, in->PolicyName, &others));
    if (others + policy_size(in->PolicyDocument) > USER_POLICY_SIZE_MAX)
        return call_fail(call, IAM_LIMIT_EXCEEDED,
                         "Maximum policy size of %d bytes exceeded for user %.*s",
                         USER_POLICY_SIZE_MAX, PRSTR(user.name));
    struct iam_inline_policy record = {in->PolicyName, in->PolicyDocument};
    struct key key = policy_key(call, in->UserName, in->PolicyName);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_inline_policy, &record);
}

static RESULT policy_find(struct call *call, struct str user_name, struct str name,
                          struct iam_inline_policy *policy)
{
    struct iam_user user;
    bool found;
    TRY(iam_user_must(call, user_name, &user));
    struct key key = policy_key(call, user_name, name);
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_inline_policy, policy, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "The user policy with name %.*s cannot be found.", PRSTR(name));
    return RESULT_OK;
}

RESULT iam_GetUserPolicy(struct call *call, const struct iam_GetUserPolicyRequest *in,
                         struct iam_GetUserPolicyResponse *out)
{
    struct iam_inline_policy policy;
    TRY(policy_find(call, in->UserName, in->PolicyName, &policy));
    struct buf encoded; /* "URL-encoded compliant with RFC 3986" */
    buf_init(&encoded, call->arena, 3 * policy.document.len + 1);
    percent_encode(&encoded, policy.document, false);
    out->UserName = in->UserName;
    out->PolicyName = policy.name;
    out->PolicyDocument = buf_str(&encoded);
    return RESULT_OK;
}

RESULT iam_DeleteUserPolicy(struct call *call, const struct iam_DeleteUserPolicyRequest *in,
                            struct iam_DeleteUserPolicyResult *out)
{
    (void)out;
    struct iam_inline_policy policy;
    TRY(policy_find(call, in->UserName, in->PolicyName, &policy));
    struct key key = policy_key(call, in->UserName, in->PolicyName);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_ListUserPolicies(struct call *call, const struct iam_ListUserPoliciesRequest *in,
                            struct iam_ListUserPoliciesResponse *out)
{
    struct iam_user user;
    struct iam_pages pages;
    struct str key, value, last = {0};
    TRY(iam_user_must(call, in->UserName, &user));
    struct key prefix = iam_key(call, "user-policy", in->UserName);
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->IsTruncated = opt_bool(false);
    out->PolicyNames.items = ARENA_NEW(call->arena, struct str);
    for (size_t cap = 1;;) {
        struct iam_inline_policy policy;
        TRY(kv_next(pages.cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        if (out->PolicyNames.len == pages.limit)
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_inline_policy, value, &policy));
        VEC_PUSH(call->arena, out->PolicyNames.items, out->PolicyNames.len, cap, policy.name);
        last = str_copy(call->arena, key);
    }
    out->IsTruncated = opt_bool(true);
    out->Marker = paging_token(call, last);
    return RESULT_OK;
}
