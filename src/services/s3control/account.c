/* Block public access for all buckets of an account ("Configuring block public access settings for
 * your account", Amazon S3 User Guide). */
#include "services/s3control/s3control_int.h"

static int64_t bit_of(struct opt_bool setting, int64_t bit)
{
    return setting.set && setting.value ? bit : 0;
}

int64_t public_access_bits(const struct s3control_PublicAccessBlockConfiguration *wanted)
{
    return ACCESS_SET | bit_of(wanted->BlockPublicAcls, ACCESS_BLOCK_ACLS) |
           bit_of(wanted->IgnorePublicAcls, ACCESS_IGNORE_ACLS) |
           bit_of(wanted->BlockPublicPolicy, ACCESS_BLOCK_POLICY) |
           bit_of(wanted->RestrictPublicBuckets, ACCESS_RESTRICT);
}

const struct s3control_PublicAccessBlockConfiguration *public_access_shown(struct call *call,
                                                                           int64_t bits)
{
    struct s3control_PublicAccessBlockConfiguration *shown =
        ARENA_NEW(call->arena, struct s3control_PublicAccessBlockConfiguration);
    shown->BlockPublicAcls = opt_bool(bits & ACCESS_BLOCK_ACLS);
    shown->IgnorePublicAcls = opt_bool(bits & ACCESS_IGNORE_ACLS);
    shown->BlockPublicPolicy = opt_bool(bits & ACCESS_BLOCK_POLICY);
    shown->RestrictPublicBuckets = opt_bool(bits & ACCESS_RESTRICT);
    return shown;
}

RESULT account_check(struct call *call, struct str account)
{
    if (str_eq(account, call->account) || call->principal.kind == PRINCIPAL_SERVICE)
        return RESULT_OK;
    return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
}

RESULT s3control_PutPublicAccessBlock(struct call *call,
                                      const struct s3control_PutPublicAccessBlockRequest *in,
                                      struct s3control_PutPublicAccessBlockResult *out)
{
    (void)out;
    TRY(account_check(call, in->AccountId));
    return account_set_public_access(call, in->AccountId,
                                     public_access_bits(in->PublicAccessBlockConfiguration));
}

RESULT s3control_GetPublicAccessBlock(struct call *call,
                                      const struct s3control_GetPublicAccessBlockRequest *in,
                                      struct s3control_GetPublicAccessBlockOutput *out)
{
    int64_t bits;
    TRY(account_check(call, in->AccountId));
    TRY(account_public_access(call, in->AccountId, &bits));
    if (bits == 0)
        return call_fail(call, S3CONTROL_NO_SUCH_PUBLIC_ACCESS_BLOCK_CONFIGURATION,
                         "The public access block configuration was not found");
    struct s3control_PublicAccessBlockConfiguration *shown =
        ARENA_NEW(call->arena, struct s3control_PublicAccessBlockConfiguration);
    *shown = *public_access_shown(call, bits);
    out->PublicAccessBlockConfiguration = shown;
    return RESULT_OK;
}

RESULT s3control_DeletePublicAccessBlock(struct call *call,
                                         const struct s3control_DeletePublicAccessBlockRequest *in,
                                         struct s3control_DeletePublicAccessBlockResult *out)
{
    (void)out;
    TRY(account_check(call, in->AccountId));
    call->status = 204;
    return account_set_public_access(call, in->AccountId, 0);
}
