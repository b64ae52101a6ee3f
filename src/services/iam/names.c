/* Names, paths, ids, ARNs and quotas ("IAM identifiers", "IAM and AWS STS quotas", IAM User Guide).
 */
#include "base/encode.h"
#include "base/rng.h"
#include "cloud/arn.h"
#include "services/iam/iam_int.h"

struct key iam_key_of(struct call *call, struct str account, const char *kind, struct str name)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("iam"));
    key_str(&key, account);
    key_str(&key, str_from_c(kind));
    if (!str_is_absent(name))
        key_str(&key, str_lower(call->arena, name));
    return key;
}

struct key iam_key(struct call *call, const char *kind, struct str name)
{
    return iam_key_of(call, call->account, kind, name);
}

struct str iam_arn(struct call *call, const char *type, struct str path, struct str name)
{
    return str_format(call->arena, "arn:%.*s:iam::%.*s:%s%.*s%.*s", PRSTR(call->partition),
                      PRSTR(call->account), type, PRSTR(path), PRSTR(name));
}

struct str iam_new_id(struct call *call, struct str prefix)
{
    return str_concat(call->arena, prefix,
                      rng_text(call->arena, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 17));
}

RESULT iam_check_name(struct call *call, const char *member, struct str name)
{
    return name.len == 0 || arn_is_name(name)
               ? RESULT_OK
               : call_fail(call, IAM_VALIDATION,
                           "The specified value for %s is invalid. It must contain only "
                           "alphanumeric characters and/or the following: +=,.@_-",
                           member);
}

RESULT iam_check_path(struct call *call, const char *member, struct str path)
{
    bool good = str_is_absent(path) ||
                (path.len > 0 && path.ptr[0] == '/' && path.ptr[path.len - 1] == '/');
    for (size_t i = 0; i < path.len && good; i++)
        good = path.ptr[i] > ' ' && path.ptr[i] < '\x7F' &&
               !(i > 0 && path.ptr[i] == '/' && path.ptr[i - 1] == '/');
    if (good)
        return RESULT_OK;
    return call_fail(call, IAM_VALIDATION,
                     "The specified value for %s is invalid. It must begin and end with / and "
                     "contain only alphanumeric characters and/or / characters.",
                     member);
}

RESULT iam_check_path_prefix(struct call *call, struct str prefix)
{
    bool good = str_is_absent(prefix) || (prefix.len > 0 && prefix.ptr[0] == '/');
    for (size_t i = 0; i < prefix.len && good; i++)
        good = prefix.ptr[i] > ' ';
    if (good)
        return RESULT_OK;
    return call_fail(call, IAM_VALIDATION,
                     "The specified value for pathPrefix is invalid. It must begin with / and "
                     "contain only alphanumeric characters and/or / characters.");
}

struct str iam_shown_document(struct call *call, struct str document)
{
    struct buf encoded;
    buf_init(&encoded, call->arena, 3 * document.len + 1);
    percent_encode(&encoded, document, false);
    return buf_str(&encoded);
}

size_t iam_document_size(struct str document)
{
    size_t size = 0;
    for (size_t i = 0; i < document.len; i++) {
        char c = document.ptr[i];
        size += !(c == ' ' || c == '\t' || c == '\r' || c == '\n');
    }
    return size;
}

RESULT iam_has_any(struct call *call, const char *kind, struct str name, bool *any)
{
    struct key prefix = iam_key(call, kind, name);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    *any = !str_is_absent(key);
    return RESULT_OK;
}

RESULT iam_keep_for_a_week(struct call *call, const struct key *key)
{
    int64_t week_ms = INT64_C(7) * 24 * 3600 * 1000;
    return job_schedule(call, STR("iam.forget"), call->now_ms + week_ms, key_bytes(key), NULL);
}

RESULT iam_forget(struct call *call, const struct outbox_item *item)
{
    return kv_delete(call->txn, item->payload, NULL);
}

/* --- quotas --- */

RESULT iam_quota(struct call *call, const char *name, int64_t limit)
{
    return call_fail(call, IAM_LIMIT_EXCEEDED, "Cannot exceed quota for %s: %lld", name,
                     (long long)limit);
}

const struct iam_counted iam_users_counted = {"users", "UsersPerAccount", 5000};
const struct iam_counted iam_groups_counted = {"groups", "GroupsPerAccount", 300};
const struct iam_counted iam_roles_counted = {"roles", "RolesPerAccount", 1000};
const struct iam_counted iam_profiles_counted = {"profiles", "InstanceProfilesPerAccount", 1000};
const struct iam_counted iam_policies_counted = {"policies", "PoliciesPerAccount", 1500};
const struct iam_counted iam_versions_counted = {"versions", "PolicyVersionsInUse", 10000};

RESULT iam_counted(struct call *call, const struct iam_counted *what, int64_t *number)
{
    struct key key = iam_key(call, "count", str_from_c(what->name));
    struct iam_count count;
    bool found;
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_count, &count, &found));
    *number = count.number;
    return RESULT_OK;
}

RESULT iam_count(struct call *call, const struct iam_counted *what, int change)
{
    struct iam_count count;
    TRY(iam_counted(call, what, &count.number));
    count.number += change;
    if (change > 0 && count.number > what->limit)
        return iam_quota(call, what->quota, what->limit);
    struct key key = iam_key(call, "count", str_from_c(what->name));
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_count, &count);
}
