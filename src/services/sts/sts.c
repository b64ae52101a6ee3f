/* "GetCallerIdentity", AWS Security Token Service API Reference. */
#include "services/sts/sts.h"

#include "cloud/call.h"
#include "cloud/credentials.h"
#include "gen/sts.h"

static const uint32_t sts_asking[] = {
    STS_OP_AssumeRole,        STS_OP_AssumeRoleWithSAML, STS_OP_AssumeRoleWithWebIdentity,
    STS_OP_GetCallerIdentity, STS_OP_GetSessionToken,
};

const struct service_hooks sts_hooks = {
    .model = &sts_model,
    .asking = sts_asking,
    .asking_count = sizeof sts_asking / sizeof sts_asking[0],
};

RESULT sts_GetCallerIdentity(struct call *call, const struct sts_GetCallerIdentityRequest *in,
                             struct sts_GetCallerIdentityResponse *out)
{
    (void)in; /* has no members */
    out->UserId = call->principal.user_id;
    out->Account = call->principal.account;
    out->Arn = call->principal.arn;
    return RESULT_OK;
}

RESULT sts_GetAccessKeyInfo(struct call *call, const struct sts_GetAccessKeyInfoRequest *in,
                            struct sts_GetAccessKeyInfoResponse *out)
{
    struct credentials credentials;
    bool found;
    TRY(credentials_find(call->cloud, call->txn, call->arena, in->AccessKeyId, &credentials,
                         &found));
    if (!found)
        return call_fail(call, STS_VALIDATION, "The access key %.*s does not exist.",
                         PRSTR(in->AccessKeyId));
    out->Account = credentials.principal.account;
    return RESULT_OK;
}
