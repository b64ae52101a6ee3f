/* "AssumeRole", AWS Security Token Service API Reference; "Methods to assume a role", IAM User
 * Guide. */
#include "cloud/authorize.h"
#include "services/sts/sts_int.h"

/* All that one request comes to. */
struct assuming {
    const struct sts_AssumeRoleRequest *in;
    struct identity_role role;
    struct str account; /* the role's */
    struct session session;
    struct sts_keys keys;
    struct opt_int packed;
};

static RESULT assume_denied(struct call *call, struct str action, struct str role_arn)
{
    return call_fail(call, STS_ACCESS_DENIED,
                     "User: %.*s is not authorized to perform: %.*s on resource: %.*s",
                     PRSTR(call->principal.arn), PRSTR(action), PRSTR(role_arn));
}

/* A root user by a key that nobody issued stands for whoever tries the cloud out, not for the root
 * user that AWS refuses here. */
static RESULT assume_may_ask(struct call *call, const struct sts_AssumeRoleRequest *in)
{
    switch (call->principal.kind) {
    case PRINCIPAL_ROOT:
        if (!call->principal.drop_in && call->cloud->iam == IAM_ENFORCE)
            return call_fail(call, STS_ACCESS_DENIED, "Roles may not be assumed by root accounts.");
        return RESULT_OK;
    case PRINCIPAL_FEDERATED:
    case PRINCIPAL_ANONYMOUS:
        return assume_denied(call, STR("sts:AssumeRole"), in->RoleArn);
    case PRINCIPAL_USER:
    case PRINCIPAL_ROLE_SESSION:
    case PRINCIPAL_SERVICE:
        break;
    }
    return RESULT_OK;
}

/* One that a session has stays through all roles that it assumes ("Monitor and control actions
 * taken with assumed roles"). */
static RESULT assume_take_source(struct call *call, struct assuming *assuming)
{
    const struct session *from = call->principal.session;
    struct str asked = assuming->in->SourceIdentity;
    struct str kept = from == NULL ? (struct str){0} : from->source_identity;
    if (!str_is_absent(asked) && !str_is_absent(kept) && !str_eq(asked, kept))
        return assume_denied(call, STR("sts:SetSourceIdentity"), assuming->in->RoleArn);
    assuming->session.source_identity = str_is_absent(kept) ? asked : kept;
    return RESULT_OK;
}

static void assume_fill_keys(struct call *call, struct assuming *assuming)
{
    const struct session *session = &assuming->session;
    assuming->keys = (struct sts_keys){
        .call = call,
        .external_id = assuming->in->ExternalId,
        .session_name = assuming->in->RoleSessionName,
        .source_identity = session->source_identity,
        .transitive = session->transitive,
        .tags = session->tags,
        .tag_keys = sts_tag_keys(call, &session->tags),
        .role_tags = assuming->role.tags,
        .duration_s = assuming->in->DurationSeconds.set ? assuming->in->DurationSeconds.value : 0,
        .mfa = session->mfa,
    };
}

static RESULT assume_ask(struct call *call, struct assuming *assuming, struct str action)
{
    struct authorize_ask ask = {
        .action = action,
        .resource = assuming->role.arn,
        .owner = assuming->account,
        .policy = assuming->role.trust,
        .form = POLICY_FORM_TRUST,
        .needs_policy = true,
        .find = sts_find_key,
        .self = &assuming->keys,
    };
    return authorize_ask(call, &ask);
}

/* Tags and source identity need a permission of their own, in the trust policy too. */
static RESULT assume_ask_all(struct call *call, struct assuming *assuming)
{
    TRY(assume_ask(call, assuming, STR("sts:AssumeRole")));
    if (assuming->session.tags.len > 0)
        TRY(assume_ask(call, assuming, STR("sts:TagSession")));
    if (!str_is_absent(assuming->session.source_identity))
        TRY(assume_ask(call, assuming, STR("sts:SetSourceIdentity")));
    return RESULT_OK;
}

static RESULT assume_prepare(struct call *call, struct assuming *assuming)
{
    const struct sts_AssumeRoleRequest *in = assuming->in;
    struct session *session = &assuming->session;
    struct sts_parts parts = {in->Policy, &in->PolicyArns, &in->Tags, &in->TransitiveTagKeys};
    bool found;
    if (in->ProvidedContexts.items != NULL)
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement ProvidedContexts of AssumeRole yet.");
    TRY(assume_may_ask(call, in));
    TRY(sts_take_mfa(call, in->SerialNumber, in->TokenCode, session)); /* writes: goes first */
    TRY(sts_find_role(call, in->RoleArn, &assuming->role, &assuming->account, &found));
    if (!found || assuming->role.linked)
        return assume_denied(call, STR("sts:AssumeRole"), in->RoleArn);
    TRY(assume_take_source(call, assuming));
    TRY(sts_take_parts(call, &parts, assuming->account, call->principal.session, session,
                       &assuming->packed));
    assume_fill_keys(call, assuming);
    TRY(assume_ask_all(call, assuming));
    return sts_take_duration(call, in->DurationSeconds, &assuming->role,
                             call->principal.kind == PRINCIPAL_ROLE_SESSION, session);
}

RESULT sts_AssumeRole(struct call *call, const struct sts_AssumeRoleRequest *in,
                      struct sts_AssumeRoleResponse *out)
{
    struct assuming assuming = {.in = in};
    struct session *session = &assuming.session;
    struct sts_shown shown;
    TRY(assume_prepare(call, &assuming));
    session->role_arn = assuming.role.arn;
    session->role_id = assuming.role.id;
    session->name = in->RoleSessionName;
    session->kept = true;
    session->issuer = call->principal.arn;
    session->issuer_key = call->principal.access_key;
    struct principal who = {.account = assuming.account, .session = session};
    session_role_principal(call->arena, &assuming.role, &who);
    TRY(sts_issue(call, &who, in->MinimumSessionTokenSize, &shown));
    out->Credentials = shown.credentials;
    out->SessionTokenSize = shown.size;
    out->SessionTokenUtilization = shown.utilization;
    out->AssumedRoleUser = sts_assumed(call, &who);
    out->PackedPolicySize = assuming.packed;
    out->SourceIdentity = session->source_identity;
    return RESULT_OK;
}
