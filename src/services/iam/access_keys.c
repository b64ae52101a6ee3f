/* Access keys ("Manage access keys for IAM users", IAM User Guide). Secret and state stand in the
 * record that signatures are verified with (cloud/credentials.h), here only whose a key is. */
#include "base/vec.h"
#include "cloud/credentials.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

enum { KEYS_PER_USER = 2 };

static RESULT key_count(struct call *call, struct str user, size_t *count)
{
    struct key prefix = iam_key(call, "user-key", user);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (*count = 0;; ++*count) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
    }
}

RESULT iam_CreateAccessKey(struct call *call, const struct iam_CreateAccessKeyRequest *in,
                           struct iam_CreateAccessKeyResponse *out)
{
    struct iam_user user;
    struct credentials made;
    size_t count;
    TRY(iam_user_or_caller(call, in->UserName, &user));
    TRY(key_count(call, user.name, &count));
    if (count >= KEYS_PER_USER)
        return iam_quota(call, "AccessKeysPerUser", KEYS_PER_USER);
    struct credentials_owner owner = {
        .account = call->account,
        .name = str_copy(call->arena, user.name),
        .path = str_is_absent(user.path) ? (struct str){0} : str_copy(call->arena, user.path),
        .id = str_copy(call->arena, user.id),
    };
    TRY(credentials_issue_for(call->cloud, call->txn, call->arena, &owner, &made));
    struct iam_user_key record = {.id = made.principal.access_key, .created_ms = call->now_ms};
    struct key key = iam_key(call, "user-key", owner.name);
    key_str(&key, record.id);
    TRY(call_put_record(call, &key, &iam_model, IAM_SHAPE_user_key, &record));
    out->AccessKey = ARENA_NEW(call->arena, struct iam_AccessKey);
    *out->AccessKey = (struct iam_AccessKey){
        .UserName = str_is_empty(owner.name) ? (struct str){0} : owner.name,
        .AccessKeyId = record.id,
        .Status = STR("Active"),
        .SecretAccessKey = made.secret,
        .CreateDate = {true, call->now_ms},
    };
    return RESULT_OK;
}

/* Of the user, or NoSuchEntity. */
static RESULT key_find(struct call *call, struct str user_name, struct str id, struct key *key)
{
    struct iam_user user;
    struct iam_user_key record;
    bool found;
    TRY(iam_user_or_caller(call, user_name, &user));
    *key = iam_key(call, "user-key", user.name);
    key_str(key, id);
    TRY(call_get_record(call, key, &iam_model, IAM_SHAPE_user_key, &record, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The Access Key with id %.*s cannot be found.",
                         PRSTR(id));
    return RESULT_OK;
}

RESULT iam_UpdateAccessKey(struct call *call, const struct iam_UpdateAccessKeyRequest *in,
                           struct iam_UpdateAccessKeyResult *out)
{
    (void)out;
    struct key key;
    bool found;
    TRY(key_find(call, in->UserName, in->AccessKeyId, &key));
    if (str_eq(in->Status, STR("Expired")))
        return call_fail(call, IAM_VALIDATION, "Status must be Active or Inactive.");
    return credentials_set_active(call->txn, call->arena, in->AccessKeyId,
                                  str_eq(in->Status, STR("Active")), &found);
}

RESULT iam_DeleteAccessKey(struct call *call, const struct iam_DeleteAccessKeyRequest *in,
                           struct iam_DeleteAccessKeyResult *out)
{
    (void)out;
    struct key key;
    bool existed;
    TRY(key_find(call, in->UserName, in->AccessKeyId, &key));
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = iam_key(call, "key-used", in->AccessKeyId);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return credentials_revoke(call->cloud, call->txn, in->AccessKeyId, &existed);
}

RESULT iam_ListAccessKeys(struct call *call, const struct iam_ListAccessKeysRequest *in,
                          struct iam_ListAccessKeysResponse *out)
{
    struct iam_user user;
    struct iam_pages pages;
    struct str value;
    TRY(iam_user_or_caller(call, in->UserName, &user));
    struct key prefix = iam_key(call, "user-key", user.name);
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->AccessKeyMetadata.items = ARENA_NEW(call->arena, struct iam_AccessKeyMetadata);
    for (size_t cap = 1;;) {
        struct iam_user_key record;
        struct credentials credentials;
        bool found;
        TRY(iam_pages_next(&pages, out->AccessKeyMetadata.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_user_key, value, &record));
        TRY(credentials_find(call->cloud, call->txn, call->arena, record.id, &credentials, &found));
        struct iam_AccessKeyMetadata shown = {
            .UserName = str_is_empty(user.name) ? (struct str){0} : user.name,
            .AccessKeyId = record.id,
            .Status = found && credentials.active ? STR("Active") : STR("Inactive"),
            .CreateDate = iam_time(record.created_ms),
        };
        VEC_PUSH(call->arena, out->AccessKeyMetadata.items, out->AccessKeyMetadata.len, cap, shown);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

/* Of any account: who knows a key's id may ask whose it is ("GetAccessKeyLastUsed"). */
RESULT iam_GetAccessKeyLastUsed(struct call *call, const struct iam_GetAccessKeyLastUsedRequest *in,
                                struct iam_GetAccessKeyLastUsedResponse *out)
{
    struct credentials credentials;
    struct iam_last_use use;
    bool found;
    TRY(credentials_find(call->cloud, call->txn, call->arena, in->AccessKeyId, &credentials,
                         &found));
    if (!found || str_is_absent(credentials.secret) ||
        !str_eq(credentials.principal.account, call->account))
        return call_fail(call, IAM_ACCESS_DENIED,
                         "User: %.*s is not authorized to perform: iam:GetAccessKeyLastUsed on "
                         "resource: access key %.*s",
                         PRSTR(call->principal.arn), PRSTR(in->AccessKeyId));
    struct key key = iam_key(call, "key-used", in->AccessKeyId);
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_last_use, &use, &found));
    if (credentials.principal.kind == PRINCIPAL_USER)
        out->UserName = credentials.principal.name;
    out->AccessKeyLastUsed = ARENA_NEW(call->arena, struct iam_AccessKeyLastUsed);
    *out->AccessKeyLastUsed = (struct iam_AccessKeyLastUsed){
        .LastUsedDate = iam_time(use.at_ms),
        .ServiceName = found ? use.service : STR("N/A"),
        .Region = found ? use.region : STR("N/A"),
    };
    return RESULT_OK;
}
