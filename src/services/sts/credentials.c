/* Credentials as responses show them. */
#include "services/sts/sts_int.h"

RESULT sts_issue(struct call *call, const struct principal *who, struct opt_int least,
                 struct sts_shown *out)
{
    struct credentials made;
    enum result result =
        session_issue(call->cloud, call->arena, who, least.set ? (size_t)least.value : 0, &made);
    if (result == RESULT_ERROR)
        return call_fail(call, STS_PACKED_POLICY_TOO_LARGE,
                         "The session token exceeds the allowed size of %d bytes.",
                         SESSION_TOKEN_MAX);
    TRY(result);
    out->credentials = ARENA_NEW(call->arena, struct sts_Credentials);
    *out->credentials = (struct sts_Credentials){
        .AccessKeyId = made.principal.access_key,
        .SecretAccessKey = made.secret,
        .SessionToken = made.session_token,
        .Expiration = opt_time(made.expires_ms),
    };
    size_t size = made.session_token.len;
    out->size = opt_int((int32_t)size);
    out->utilization = opt_int((int32_t)((size * 100 + SESSION_TOKEN_MAX - 1) / SESSION_TOKEN_MAX));
    return RESULT_OK;
}
