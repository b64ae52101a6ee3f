/* "GetSessionToken", "GetFederationToken", AWS Security Token Service API Reference. */
#include "cloud/authorize.h"
#include "services/sts/sts_int.h"

enum { HOUR_S = 3600, HALF_DAY_S = 43200 };

/* Both are for long-term credentials of users and root users. */
static RESULT token_may_ask(struct call *call, const char *operation)
{
    const struct principal *who = &call->principal;
    if (who->session != NULL || (who->kind != PRINCIPAL_USER && who->kind != PRINCIPAL_ROOT))
        return call_fail(call, STS_ACCESS_DENIED, "Cannot call %s with session credentials",
                         operation);
    return RESULT_OK;
}

/* A root user's last an hour at most, whatever it asks for. */
static void token_take_time(struct call *call, struct opt_int asked, struct session *session)
{
    bool root = call->principal.kind == PRINCIPAL_ROOT;
    int64_t seconds = asked.set ? asked.value : root ? HOUR_S : HALF_DAY_S;
    if (root && seconds > HOUR_S)
        seconds = HOUR_S;
    session->issued_ms = call->now_ms;
    session->expires_ms = call->now_ms / 1000 * 1000 + seconds * 1000;
    session->issuer = call->principal.arn;
    session->issuer_key = call->principal.access_key;
}

/* Whether IAM keeps the caller: then what it may ends with it. */
static RESULT token_take_user(struct call *call, struct session *session)
{
    const struct identity_table *identity = identity_of(call->cloud);
    const struct principal *who = &call->principal;
    struct str id = {0};
    struct str_map tags;
    bool found = false;
    if (who->kind == PRINCIPAL_USER && identity->user != NULL)
        TRY(identity->user(call, who->account, who->name, &id, &tags, &found));
    session->kept = found && str_eq(id, who->user_id);
    return RESULT_OK;
}

RESULT sts_GetSessionToken(struct call *call, const struct sts_GetSessionTokenRequest *in,
                           struct sts_GetSessionTokenResponse *out)
{
    struct session session = {0};
    struct sts_shown shown;
    struct principal who = call->principal;
    TRY(token_may_ask(call, "GetSessionToken"));
    TRY(sts_take_mfa(call, in->SerialNumber, in->TokenCode, &session));
    token_take_time(call, in->DurationSeconds, &session);
    TRY(token_take_user(call, &session));
    who.session = &session;
    TRY(sts_issue(call, &who, in->MinimumSessionTokenSize, &shown));
    out->Credentials = shown.credentials;
    out->SessionTokenSize = shown.size;
    out->SessionTokenUtilization = shown.utilization;
    return RESULT_OK;
}

static RESULT federation_may_tag(struct call *call, const struct sts_GetFederationTokenRequest *in,
                                 struct str arn)
{
    struct authorize_ask ask = {
        .action = STR("sts:TagSession"),
        .resource = arn,
        .in = in,
    };
    return in->Tags.len == 0 ? RESULT_OK : authorize_ask(call, &ask);
}

RESULT sts_GetFederationToken(struct call *call, const struct sts_GetFederationTokenRequest *in,
                              struct sts_GetFederationTokenResponse *out)
{
    struct session session = {.name = in->Name};
    struct sts_parts parts = {.policy = in->Policy, .arns = &in->PolicyArns, .tags = &in->Tags};
    struct sts_shown shown;
    TRY(token_may_ask(call, "GetFederationToken"));
    struct principal who = {
        .kind = PRINCIPAL_FEDERATED,
        .account = call->principal.account,
        .arn = str_format(call->arena, "arn:aws:sts::%.*s:federated-user/%.*s",
                          PRSTR(call->principal.account), PRSTR(in->Name)),
        .user_id =
            str_format(call->arena, "%.*s:%.*s", PRSTR(call->principal.account), PRSTR(in->Name)),
        .name = in->Name,
        .session = &session,
    };
    TRY(federation_may_tag(call, in, who.arn));
    TRY(sts_take_parts(call, &parts, who.account, NULL, &session, &out->PackedPolicySize));
    token_take_time(call, in->DurationSeconds, &session);
    TRY(token_take_user(call, &session));
    if (call->principal.kind == PRINCIPAL_USER) {
        session.user_name = call->principal.name;
        session.user_id = call->principal.user_id;
    }
    TRY(sts_issue(call, &who, in->MinimumSessionTokenSize, &shown));
    out->Credentials = shown.credentials;
    out->SessionTokenSize = shown.size;
    out->SessionTokenUtilization = shown.utilization;
    out->FederatedUser = ARENA_NEW(call->arena, struct sts_FederatedUser);
    *out->FederatedUser =
        (struct sts_FederatedUser){.FederatedUserId = who.user_id, .Arn = who.arn};
    return RESULT_OK;
}
