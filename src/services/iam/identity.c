/* What IAM tells the rest of the cloud: cloud/identity.h. */
#include "cloud/identity.h"

#include "base/vec.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

static RESULT identity_inline(struct call *as, const char *kind, struct str name,
                              struct identity_policies *out, size_t *cap)
{
    struct key prefix = iam_key(as, kind, name);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(as->txn, as->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct iam_inline_policy policy;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(as->arena, &iam_model, IAM_SHAPE_inline_policy, value, &policy));
        struct identity_policy item = {POLICY_IDENTITY, policy.name, policy.document};
        VEC_PUSH(as->arena, out->items, out->len, *cap, item);
    }
}

static RESULT iam_identity_policies(struct call *call, const struct principal *who,
                                    struct identity_policies *out)
{
    struct iam_user user;
    size_t cap = 0;
    struct call as = *call; /* under the principal's account, whatever the call is about */
    as.account = who->account;
    if (who->kind == PRINCIPAL_ROLE_SESSION)
        return RESULT_OK; /* no roles are kept yet */
    struct str name = who->kind == PRINCIPAL_FEDERATED ? who->session->user_name : who->name;
    TRY(iam_user_find(&as, name, &user, &out->known));
    return out->known ? identity_inline(&as, "user-policy", name, out, &cap) : RESULT_OK;
}

static RESULT iam_identity_user(struct call *call, struct str account, struct str name,
                                struct str *id, struct str_map *tags, bool *found)
{
    struct iam_user user;
    struct call as = *call;
    as.account = account;
    *found = false;
    if (str_is_absent(name))
        return RESULT_OK;
    TRY(iam_user_find(&as, name, &user, found));
    if (*found) {
        *id = user.id;
        *tags = user.tags;
    }
    return RESULT_OK;
}

static const struct identity_table iam_identity = {
    .policies = iam_identity_policies,
    .user = iam_identity_user,
};

/* --- what a request is about --- */

/* The ARN of the user that an operation is about: its path is not in the request. Every input but
 * those of CreateUser and ListUsers begins with the user's name. */
static RESULT iam_resource(struct call *call, const void *in, struct str *resource_arn,
                           struct str *owner_account, struct str *policy)
{
    (void)owner_account; /* always the caller's */
    (void)policy;
    struct iam_user user = {.path = STR("/")};
    bool found;
    if (call->operation == IAM_OP_ListUsers)
        return RESULT_OK;
    if (call->operation == IAM_OP_CreateUser) {
        const struct iam_CreateUserRequest *request = in;
        user.name = request->UserName;
        user.path = str_is_absent(request->Path) ? user.path : request->Path;
    } else {
        struct str name = *(const struct str *)in;
        name = str_is_absent(name) ? call->principal.name : name;
        TRY(iam_user_find(call, name, &user, &found));
        if (!found)
            user = (struct iam_user){.name = name, .path = STR("/")};
    }
    *resource_arn = iam_user_arn(call, &user);
    return RESULT_OK;
}

const struct service_hooks iam_hooks = {
    .model = &iam_model,
    .resource_policy = iam_resource,
    .identity = &iam_identity,
};
