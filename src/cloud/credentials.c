#include "cloud/credentials.h"

#include "base/rng.h"
#include "cloud/arn.h"
#include "cloud/clock.h"
#include "gen/cloud.h"
#include "store/record.h"

static struct key credentials_key(struct arena *arena, struct str access_key)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("credentials"));
    key_str(&key, access_key);
    return key;
}

static struct principal credentials_root(struct arena *arena, struct str account,
                                         struct str access_key)
{
    return (struct principal){
        .kind = PRINCIPAL_ROOT,
        .account = account,
        .arn = str_format(arena, "arn:aws:iam::%.*s:root", PRSTR(account)),
        .user_id = account,
        .access_key = access_key,
        .name = STR("root"),
    };
}

static struct principal credentials_principal(struct arena *arena, struct str access_key,
                                              const struct cloud_access_key *record)
{
    if (str_is_empty(record->user_name))
        return credentials_root(arena, record->account, access_key);
    struct str path = str_is_empty(record->user_path) ? STR("/") : record->user_path;
    return (struct principal){
        .kind = PRINCIPAL_USER,
        .account = record->account,
        .arn = str_format(arena, "arn:aws:iam::%.*s:user%.*s%.*s", PRSTR(record->account),
                          PRSTR(path), PRSTR(record->user_name)),
        .user_id = record->user_id,
        .access_key = access_key,
        .name = record->user_name,
    };
}

RESULT credentials_find(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                        struct str access_key, struct credentials *out, bool *found)
{
    struct key key = credentials_key(arena, access_key);
    struct str value;
    TRY(kv_get(txn, key_bytes(&key), &value));
    struct str own_key = str_copy(arena, access_key);
    if (!str_is_absent(value)) {
        struct cloud_access_key record;
        TRY(record_decode_copy(arena, &cloud_model, CLOUD_SHAPE_access_key, value, &record));
        *out = (struct credentials){
            .principal = credentials_principal(arena, own_key, &record),
            .secret = record.secret,
            .active = !record.inactive,
        };
        *found = true;
        return RESULT_OK;
    }
    *found = !cloud->strict_auth;
    if (*found) {
        struct str account = arn_is_account(access_key) ? own_key : STR("000000000000");
        *out = (struct credentials){
            .principal = credentials_root(arena, account, own_key),
            .active = true,
        };
        out->principal.drop_in = true;
    }
    return RESULT_OK;
}

RESULT credentials_issue(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                         struct str account, struct str user_name, struct credentials *out)
{
    struct str id = rng_text(arena, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 17);
    struct credentials_owner owner = {
        .account = account, .name = user_name, .id = str_concat(arena, STR("AIDA"), id)};
    return credentials_issue_for(cloud, txn, arena, &owner, out);
}

static RESULT credentials_put(struct kv_txn *txn, struct arena *arena, struct str access_key,
                              const struct cloud_access_key *record)
{
    struct buf bytes;
    buf_init(&bytes, arena, 8192);
    TRY(record_encode(&bytes, &cloud_model, CLOUD_SHAPE_access_key, record));
    struct key key = credentials_key(arena, access_key);
    return kv_put(txn, key_bytes(&key), buf_str(&bytes));
}

RESULT credentials_set_active(struct kv_txn *txn, struct arena *arena, struct str access_key,
                              bool active, bool *found)
{
    struct key key = credentials_key(arena, access_key);
    struct cloud_access_key record;
    struct str value;
    TRY(kv_get(txn, key_bytes(&key), &value));
    *found = !str_is_absent(value);
    if (!*found)
        return RESULT_OK;
    TRY(record_decode_copy(arena, &cloud_model, CLOUD_SHAPE_access_key, value, &record));
    record.inactive = !active;
    return credentials_put(txn, arena, access_key, &record);
}

RESULT credentials_set_owner(struct kv_txn *txn, struct arena *arena, struct str access_key,
                             const struct credentials_owner *owner)
{
    struct key key = credentials_key(arena, access_key);
    struct cloud_access_key record;
    struct str value;
    TRY(kv_get(txn, key_bytes(&key), &value));
    if (str_is_absent(value))
        return RESULT_OK;
    TRY(record_decode_copy(arena, &cloud_model, CLOUD_SHAPE_access_key, value, &record));
    record.user_name = owner->name;
    record.user_path = owner->path;
    return credentials_put(txn, arena, access_key, &record);
}

RESULT credentials_issue_for(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                             const struct credentials_owner *owner, struct credentials *out)
{
    struct str id_letters = STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    struct str secret_letters =
        STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    struct str access_key = str_concat(arena, STR("AKIA"), rng_text(arena, id_letters, 16));
    struct cloud_access_key record = {
        .account = owner->account,
        .user_name = owner->name,
        .user_path = owner->path,
        .user_id = owner->id,
        .secret = rng_text(arena, secret_letters, 40),
        .created_ms = clock_now(cloud->clock),
    };
    TRY(credentials_put(txn, arena, access_key, &record));
    *out = (struct credentials){
        .principal = credentials_principal(arena, access_key, &record),
        .secret = record.secret,
        .active = true,
    };
    return RESULT_OK;
}

RESULT credentials_revoke(struct cloud *cloud, struct kv_txn *txn, struct str access_key,
                          bool *existed)
{
    (void)cloud;
    struct key key = credentials_key(NULL, access_key);
    return kv_delete(txn, key_bytes(&key), existed);
}
