/* "GetCallerIdentity", AWS Security Token Service API Reference. */
#include "services/sts/sts.h"

#include "cloud/call.h"
#include "cloud/credentials.h"
#include "gen/sts.h"

const struct service_hooks sts_hooks = {.model = &sts_model};

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
