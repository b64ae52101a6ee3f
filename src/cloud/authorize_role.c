/* Handing roles to services: iam:PassRole, and whether a role trusts a service. */
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/identity.h"

struct pass {
    struct str service; /* "lambda.amazonaws.com" */
};

static bool pass_key(void *self, struct str key, struct policy_values *out)
{
    const struct pass *pass = self;
    if (!str_eq_nocase(key, STR("iam:PassedToService")))
        return false;
    *out = (struct policy_values){&pass->service, 1};
    return true;
}

RESULT authorize_pass_role(struct call *call, struct str role_arn, struct str service)
{
    struct pass pass = {.service = service};
    struct authorize_ask ask = {
        .action = STR("iam:PassRole"),
        .resource = role_arn,
        .find = pass_key,
        .self = &pass,
    };
    struct arn arn;
    if (call->principal.kind == PRINCIPAL_SERVICE || call->principal.kind == PRINCIPAL_ANONYMOUS)
        return RESULT_OK; /* what was let through once for somebody */
    if (arn_parse(role_arn, &arn) && !str_eq(arn.account, call->principal.account) &&
        call->cloud->iam == IAM_ENFORCE)
        return call_fail(call, WIRE_ACCESS_DENIED, "Cross-account pass role is not allowed.");
    return authorize_ask(call, &ask);
}

struct source {
    struct str arn, account;
};

static bool source_key(void *self, struct str key, struct policy_values *out)
{
    const struct source *source = self;
    const struct str *value = NULL;
    if (str_eq_nocase(key, STR("aws:SourceArn")))
        value = &source->arn;
    else if (str_eq_nocase(key, STR("aws:SourceAccount")))
        value = &source->account;
    if (value == NULL || str_is_empty(*value))
        return false;
    *out = (struct policy_values){value, 1};
    return true;
}

RESULT authorize_trusts(struct call *call, struct str role_arn, struct str service,
                        struct str source_arn, bool *trusts)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct identity_role role;
    struct arn arn;
    bool found = false;
    *trusts = false;
    if (identity->role == NULL || !arn_parse(role_arn, &arn))
        return RESULT_OK;
    TRY(identity->role(call, role_arn, &role, &found));
    if (!found)
        return RESULT_OK;
    struct source source = {.arn = source_arn, .account = arn.account};
    struct principal who = {.kind = PRINCIPAL_SERVICE, .name = service};
    struct authorize_ask ask = {
        .who = &who,
        .action = STR("sts:AssumeRole"),
        .resource = role_arn,
        .owner = arn.account,
        .policy = role.trust,
        .form = POLICY_FORM_TRUST,
        .needs_policy = true,
        .find = source_key,
        .self = &source,
    };
    return authorize_may(call, &ask, trusts);
}
