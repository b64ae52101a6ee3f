/* Condition keys that come from who asks: tags, and what a session carries ("AWS global condition
 * context keys": properties of the principal and of a role session, IAM User Guide). */
#include "base/time.h"
#include "cloud/authorize_int.h"
#include "cloud/identity.h"

static const struct str *tag_of(const struct str_map *tags, struct str name)
{
    for (size_t i = 0; i < tags->len; i++)
        if (str_eq_nocase(tags->items[i].key, name))
            return &tags->items[i].value;
    return NULL;
}

/* A session's own tags come before those of its role or user ("Passing session tags"). */
static bool principal_tag(struct authorize_request *request, struct str name,
                          struct policy_values *out)
{
    const struct identity_table *identity = identity_of(request->call->cloud);
    const struct principal *who = request->who;
    const struct session *session = who->session;
    struct identity_role role = {0};
    struct str_map kept = {0};
    struct str id;
    bool found = false;
    const struct str *value = session == NULL ? NULL : tag_of(&session->tags, name);
    if (value != NULL)
        return authorize_set(request, *value, out);
    if (who->kind == PRINCIPAL_ROLE_SESSION && session != NULL && identity->role != NULL) {
        if (identity->role(request->call, session->role_arn, &role, &found) != RESULT_OK)
            return false;
        kept = role.tags;
    } else if ((who->kind == PRINCIPAL_USER || who->kind == PRINCIPAL_FEDERATED) &&
               identity->user != NULL) {
        struct str user = who->kind == PRINCIPAL_USER ? who->name : session->user_name;
        if (identity->user(request->call, who->account, user, &id, &kept, &found) != RESULT_OK)
            return false;
    }
    value = found ? tag_of(&kept, name) : NULL;
    return value != NULL && authorize_set(request, *value, out);
}

static bool set_time(struct authorize_request *request, int64_t ms, struct policy_values *out)
{
    struct buf text;
    buf_init(&text, request->call->arena, 64);
    time_format_iso8601(&text, ms / 1000 * 1000);
    return authorize_set(request, buf_str(&text), out);
}

static bool set_number(struct authorize_request *request, int64_t n, struct policy_values *out)
{
    return authorize_set(request, str_format(request->call->arena, "%lld", (long long)n), out);
}

bool authorize_session_key(struct authorize_request *request, struct str key,
                           struct policy_values *out)
{
    const struct session *session = request->who->session;
    struct str tag = STR("aws:PrincipalTag/");
    if (str_eq_nocase(str_slice(key, 0, tag.len), tag))
        return principal_tag(request, str_slice(key, tag.len, key.len), out);
    if (session == NULL)
        return false;
    if (str_eq_nocase(key, STR("aws:MultiFactorAuthPresent")))
        return authorize_set(request, session->mfa ? STR("true") : STR("false"), out);
    if (str_eq_nocase(key, STR("aws:MultiFactorAuthAge")))
        return session->mfa &&
               set_number(request, (request->call->now_ms - session->mfa_ms) / 1000, out);
    if (str_eq_nocase(key, STR("aws:TokenIssueTime")))
        return set_time(request, session->issued_ms, out);
    if (str_eq_nocase(key, STR("aws:SourceIdentity")))
        return authorize_set(request, session->source_identity, out);
    if (str_eq_nocase(key, STR("aws:FederatedProvider")))
        return authorize_set(request, session->federated_provider, out);
    const struct str *claim = tag_of(&session->claims, key);
    return claim != NULL && authorize_set(request, *claim, out);
}
