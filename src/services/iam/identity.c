/* What IAM tells the rest of the cloud: cloud/identity.h. */
#include "cloud/identity.h"

#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/identity_cache.h"
#include "services/iam/iam_int.h"
#include "services/iam/resource.h"
#include "services/iam/topics.h"

/* The call, as one about the account that is asked about. */
static struct call identity_as(const struct call *call, struct str account)
{
    struct call as = *call;
    as.account = account;
    return as;
}

static void identity_add(struct call *as, struct identity_policies *out, size_t *cap,
                         enum policy_kind kind, struct str name, struct str document)
{
    struct identity_policy item = {kind, name, document};
    VEC_PUSH(as->arena, out->items, out->len, *cap, item);
}

static RESULT identity_managed(struct call *as, struct identity_policies *out, size_t *cap,
                               enum policy_kind kind, struct str arn)
{
    struct iam_managed policy;
    bool found;
    TRY(iam_managed_find(as, as->account, arn, &policy, &found));
    /* A policy that is attached cannot be deleted; were it gone, it would allow nothing. */
    identity_add(as, out, cap, kind, arn, found ? policy.document : STR(""));
    return RESULT_OK;
}

static RESULT identity_holdings(struct call *as, struct str id, struct identity_policies *out,
                                size_t *cap)
{
    struct iam_holdings holdings;
    bool found;
    TRY(iam_holdings_get(as, as->account, id, &holdings, &found));
    for (size_t i = 0; i < holdings.inlined.len; i++)
        identity_add(as, out, cap, POLICY_IDENTITY, holdings.inlined.items[i].name,
                     holdings.inlined.items[i].document);
    for (size_t i = 0; i < holdings.attached.len; i++)
        TRY(identity_managed(as, out, cap, POLICY_IDENTITY, holdings.attached.items[i]));
    if (!str_is_absent(holdings.boundary))
        TRY(identity_managed(as, out, cap, POLICY_BOUNDARY, holdings.boundary));
    for (size_t i = 0; i < holdings.groups.len; i++)
        TRY(identity_holdings(as, holdings.groups.items[i], out, cap));
    return RESULT_OK;
}

/* By its ARN, path and all. */
static RESULT role_of(struct call *as, struct str text, struct iam_role *role, bool *found)
{
    struct arn arn;
    *found = false;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("iam")) ||
        !str_starts_with(arn.resource, STR("role/")))
        return RESULT_OK;
    size_t slash = str_find_last_char(arn.resource, '/');
    as->account = arn.account;
    TRY(iam_role_find(as, str_slice(arn.resource, slash + 1, arn.resource.len), role, found));
    *found = *found && str_eq(iam_role_arn(as, role), text);
    return RESULT_OK;
}

static RESULT iam_identity_policies(struct call *call, const struct principal *who,
                                    struct identity_policies *out)
{
    struct call as = identity_as(call, who->account);
    struct iam_user user;
    struct iam_role role;
    size_t cap = 0;
    if (who->kind == PRINCIPAL_ROLE_SESSION) {
        TRY(role_of(&as, who->session->role_arn, &role, &out->known));
        return out->known ? identity_holdings(&as, role.id, out, &cap) : RESULT_OK;
    }
    struct str name = who->kind == PRINCIPAL_FEDERATED ? who->session->user_name : who->name;
    TRY(iam_user_find(&as, name, &user, &out->known));
    return out->known ? identity_holdings(&as, user.id, out, &cap) : RESULT_OK;
}

static RESULT iam_identity_role(struct call *call, struct str role_arn, struct identity_role *out,
                                bool *found)
{
    struct call as = *call;
    struct iam_role role;
    struct str trust;
    TRY(role_of(&as, role_arn, &role, found));
    if (!*found)
        return RESULT_OK;
    TRY(iam_trust_now(&as, &role, &trust));
    *out = (struct identity_role){
        .arn = role_arn,
        .name = role.name,
        .path = role.path,
        .id = role.id,
        .trust = trust,
        .max_session_s = role.max_session_s,
        .tags = role.tags,
        .linked = !str_is_absent(role.linked),
    };
    return RESULT_OK;
}

static RESULT iam_identity_user(struct call *call, struct str account, struct str name,
                                struct str *id, struct str_map *tags, bool *found)
{
    struct call as = identity_as(call, account);
    struct iam_user user;
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

static RESULT iam_identity_managed_policy(struct call *call, struct str account, struct str arn,
                                          struct str *document, bool *found)
{
    struct call as = identity_as(call, account);
    struct iam_managed policy;
    TRY(iam_managed_find(&as, account, arn, &policy, found));
    if (*found)
        *document = policy.document;
    return RESULT_OK;
}

/* --- use --- */

static RESULT use_put(struct call *as, const char *kind, struct str name,
                      const struct iam_last_use *use)
{
    struct key key = iam_key(as, kind, name);
    return call_put_record(as, &key, &iam_model, IAM_SHAPE_last_use, use);
}

static RESULT iam_identity_used(struct call *call, const struct identity_use *use)
{
    const struct principal *who = use->principal;
    struct call as = identity_as(call, who->account);
    struct iam_last_use last = {use->now_ms, use->region, use->service, who->arn};
    if (who->kind == PRINCIPAL_ROLE_SESSION) {
        struct iam_role role;
        bool found;
        TRY(role_of(&as, who->session->role_arn, &role, &found));
        if (!found)
            return RESULT_OK;
        struct str id = str_copy(call->arena, role.id);
        TRY(use_put(&as, "role-used", id, &last));
        return iam_advisor_touch(&as, id, &last);
    }
    if (who->kind == PRINCIPAL_USER) {
        struct iam_user user;
        bool found;
        TRY(iam_user_find(&as, who->name, &user, &found));
        if (found)
            TRY(iam_advisor_touch(&as, str_copy(call->arena, user.id), &last));
    }
    if (who->kind == PRINCIPAL_ROOT) /* for reports of whole accounts */
        TRY(iam_advisor_touch(&as, who->account, &last));
    return use_put(&as, "key-used", who->access_key, &last);
}

static const struct identity_table iam_identity = {
    .policies = iam_identity_policies,
    .role = iam_identity_role,
    .user = iam_identity_user,
    .managed_policy = iam_identity_managed_policy,
    .check_mfa = iam_check_mfa,
    .oidc = iam_find_oidc,
    .saml = iam_find_saml,
    .root_access = iam_root_access,
    .outbound = iam_outbound,
    .is_issuer = iam_is_issuer,
    .used = iam_identity_used,
};

static const struct outbox_handler iam_handlers[] = {
    {STR_INIT("iam.delete-linked-role"), iam_linked_role_deletion},
    {STR_INIT("iam.credential-report"), iam_credential_report},
    {STR_INIT("iam.forget"), iam_forget},
};

const struct service_hooks iam_hooks = {
    .model = &iam_model,
    .handlers = iam_handlers,
    .handler_count = sizeof iam_handlers / sizeof iam_handlers[0],
    .resource_policy = iam_resource,
    .condition_key = iam_condition_key,
    .identity = &iam_identity,
};
