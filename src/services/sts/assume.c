/* What the operations that assume roles share. */
#include "services/sts/sts_int.h"

#include "cloud/arn.h"

enum { HOUR_S = 3600 };

RESULT sts_find_role(struct call *call, struct str role_arn, struct identity_role *role,
                     struct str *account, bool *found)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct arn arn;
    if (!arn_parse(role_arn, &arn) || !str_eq(arn.service, STR("iam")) ||
        !arn_is_account(arn.account) || !str_starts_with(arn.resource, STR("role/")))
        return call_fail(call, STS_VALIDATION, "%.*s is invalid", PRSTR(role_arn));
    *account = arn.account;
    *found = false;
    return identity->role == NULL ? RESULT_OK : identity->role(call, role_arn, role, found);
}

RESULT sts_take_duration(struct call *call, struct opt_int asked, const struct identity_role *role,
                         bool chained, struct session *session)
{
    int64_t seconds = asked.set ? asked.value : HOUR_S;
    int64_t most = role->max_session_s == 0 ? HOUR_S : role->max_session_s;
    if (chained && seconds > HOUR_S)
        return call_fail(call, STS_VALIDATION,
                         "The requested DurationSeconds exceeds the 1 hour session limit for roles "
                         "assumed by role chaining");
    if (seconds > most)
        return call_fail(call, STS_VALIDATION,
                         "The requested DurationSeconds exceeds the MaxSessionDuration set for "
                         "this role.");
    session->chained = chained;
    session->issued_ms = call->now_ms;
    session->expires_ms = call->now_ms / 1000 * 1000 + seconds * 1000;
    return RESULT_OK;
}

struct sts_AssumedRoleUser *sts_assumed(struct call *call, const struct principal *who)
{
    struct sts_AssumedRoleUser *user = ARENA_NEW(call->arena, struct sts_AssumedRoleUser);
    *user = (struct sts_AssumedRoleUser){.AssumedRoleId = who->user_id, .Arn = who->arn};
    return user;
}

/* --- condition keys ("IAM and AWS STS condition context keys", IAM User Guide) --- */

static bool give(struct sts_keys *keys, struct str value, struct policy_values *out)
{
    if (str_is_absent(value))
        return false;
    struct str *kept = ARENA_NEW(keys->call->arena, struct str);
    *kept = value;
    *out = (struct policy_values){kept, 1};
    return true;
}

static bool give_from(struct sts_keys *keys, const struct str_map *map, struct str name,
                      struct policy_values *out)
{
    for (size_t i = 0; i < map->len; i++)
        if (str_eq_nocase(map->items[i].key, name))
            return give(keys, map->items[i].value, out);
    return false;
}

static bool give_list(const struct str_list *list, struct policy_values *out)
{
    *out = (struct policy_values){list->items, list->len};
    return list->len > 0;
}

static bool give_tag(struct sts_keys *keys, struct str key, struct policy_values *out)
{
    struct str name, rest;
    if (!str_cut(key, '/', &name, &rest))
        return false;
    if (str_eq_nocase(name, STR("aws:RequestTag")))
        return give_from(keys, &keys->tags, rest, out);
    if (str_eq_nocase(name, STR("aws:ResourceTag")) || str_eq_nocase(name, STR("iam:ResourceTag")))
        return give_from(keys, &keys->role_tags, rest, out);
    return false;
}

struct str_list sts_tag_keys(struct call *call, const struct str_map *tags)
{
    struct str_list names = {ARENA_ARRAY(call->arena, tags->len + 1, struct str), tags->len};
    for (size_t i = 0; i < tags->len; i++)
        names.items[i] = tags->items[i].key;
    return names;
}

bool sts_find_key(void *self, struct str key, struct policy_values *out)
{
    struct sts_keys *keys = self;
    if (str_eq_nocase(key, STR("sts:ExternalId")))
        return give(keys, keys->external_id, out);
    if (str_eq_nocase(key, STR("sts:RoleSessionName")))
        return give(keys, keys->session_name, out);
    if (str_eq_nocase(key, STR("sts:SourceIdentity")))
        return give(keys, keys->source_identity, out);
    if (str_eq_nocase(key, STR("sts:TransitiveTagKeys")))
        return give_list(&keys->transitive, out);
    if (str_eq_nocase(key, STR("aws:TagKeys")))
        return give_list(&keys->tag_keys, out);
    if (str_eq_nocase(key, STR("sts:DurationSeconds")))
        return keys->duration_s > 0 &&
               give(keys, str_format(keys->call->arena, "%lld", (long long)keys->duration_s), out);
    if (keys->mfa && str_eq_nocase(key, STR("aws:MultiFactorAuthPresent")))
        return give(keys, STR("true"), out);
    if (keys->mfa && str_eq_nocase(key, STR("aws:MultiFactorAuthAge")))
        return give(keys, STR("0"), out);
    return give_from(keys, &keys->claims, key, out) || give_tag(keys, key, out);
}
