/* "GetCallerIdentity", "GetAccessKeyInfo", "DecodeAuthorizationMessage", AWS Security Token Service
 * API Reference. */
#include "cloud/authorize_message.h"
#include "services/sts/sts_int.h"

static const uint32_t sts_asking[] = {
    STS_OP_AssumeRole,          STS_OP_AssumeRoleWithSAML, STS_OP_AssumeRoleWithWebIdentity,
    STS_OP_AssumeRoot,          STS_OP_GetCallerIdentity,  STS_OP_GetSessionToken,
    STS_OP_GetWebIdentityToken,
};

static const struct service_page sts_pages[] = {
    {STR_INIT(IDENTITY_ISSUER_PATH), sts_issuer_page},
};

const struct service_hooks sts_hooks = {
    .pages = sts_pages,
    .page_count = sizeof sts_pages / sizeof sts_pages[0],
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

RESULT sts_refuse_sessions(struct call *call, const char *operation)
{
    const struct principal *who = &call->principal;
    if (who->session != NULL && who->kind != PRINCIPAL_ROLE_SESSION)
        return call_fail(call, STS_ACCESS_DENIED, "Cannot call %s with session credentials",
                         operation);
    return RESULT_OK;
}

RESULT sts_GetAccessKeyInfo(struct call *call, const struct sts_GetAccessKeyInfoRequest *in,
                            struct sts_GetAccessKeyInfoResponse *out)
{
    struct credentials credentials = {0};
    bool found;
    TRY(sts_refuse_sessions(call, "GetAccessKeyInfo"));
    if (session_key_account(call->cloud, call->arena, in->AccessKeyId, &out->Account))
        return RESULT_OK;
    TRY(credentials_find(call->cloud, call->txn, call->arena, in->AccessKeyId, &credentials,
                         &found));
    if (!found)
        return call_fail(call, STS_VALIDATION, "The access key %.*s does not exist.",
                         PRSTR(in->AccessKeyId));
    out->Account = credentials.principal.account;
    return RESULT_OK;
}

RESULT sts_DecodeAuthorizationMessage(struct call *call,
                                      const struct sts_DecodeAuthorizationMessageRequest *in,
                                      struct sts_DecodeAuthorizationMessageResponse *out)
{
    TRY(sts_refuse_sessions(call, "DecodeAuthorizationMessage"));
    if (!authorize_message_open(call, in->EncodedMessage, &out->DecodedMessage))
        return call_fail(call, STS_INVALID_AUTHORIZATION_MESSAGE,
                         "Message is not valid for decryption");
    return RESULT_OK;
}
