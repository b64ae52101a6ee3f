/* Operations on bucket policies. */
#include "cloud/bucket_policy.h"
#include "auth/policy_words.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/s3/access.h"
#include "services/s3/settings.h"

RESULT bucket_policy_is_public(struct call *call, struct str text, bool *is_public)
{
    const struct policy *policy;
    struct str reason = {0};
    *is_public = false;
    if (str_is_absent(text))
        return RESULT_OK;
    if (policy_compile(call->arena, text, POLICY_FORM_RESOURCE, &policy, &reason) != RESULT_OK)
        return FAULT("a bucket's policy does not compile");
    *is_public = policy_is_public(call->arena, policy);
    return RESULT_OK;
}

RESULT bucket_policy_text(struct call *call, const struct s3_bucket *bucket, struct str *text)
{
    struct s3_policy_text kept;
    bool found;
    TRY(setting_get(call, bucket, S3_SETTING_POLICY, (struct str){0}, &kept, &found));
    *text = found ? kept.text : (struct str){0};
    return RESULT_OK;
}

RESULT s3_policy_of_arn(struct call *call, struct str text, struct str *owner, struct str *policy)
{
    struct s3_bucket bucket;
    struct arn arn;
    bool found = false;
    *owner = *policy = (struct str){0};
    if (arn_parse(text, &arn) && bucket_name_is_valid(arn.resource))
        TRY(bucket_find(call, arn.resource, &bucket, &found));
    if (!found)
        return RESULT_OK;
    *owner = bucket.account;
    return bucket_policy_text(call, &bucket, policy);
}

/* "If you have the correct permissions, but you're not using an identity that belongs to the bucket
 * owner's account, Amazon S3 returns a 405 Method Not Allowed error" (PutBucketPolicy). */
static RESULT check_owner(struct call *call, const struct s3_bucket *bucket)
{
    if (call->principal.kind == PRINCIPAL_SERVICE || str_eq(call->account, bucket->account))
        return RESULT_OK;
    struct s3_MethodNotAllowed *detail = ARENA_NEW(call->arena, struct s3_MethodNotAllowed);
    detail->Method = call->request == NULL ? STR("PUT") : call->request->method;
    detail->ResourceType = STR("BUCKETPOLICY");
    return call_fail_with(call, WIRE_INVALID_ACTION, detail,
                          "The specified method is not allowed against this resource.");
}

static RESULT no_policy(struct call *call, const struct s3_bucket *bucket)
{
    return s3_fail_bucket(call, S3_NO_SUCH_BUCKET_POLICY, bucket->name,
                          "The bucket policy does not exist");
}

/* x-amz-confirm-remove-self-bucket-access: nobody but root shuts himself out by mistake. */
static RESULT check_self(struct call *call, const struct s3_PutBucketPolicyRequest *in,
                         const struct s3_bucket *bucket)
{
    struct authorize_ask ask = {
        .action = STR("s3:PutBucketPolicy"),
        .resource = str_format(call->arena, "arn:%.*s:s3:::%.*s", PRSTR(call->partition),
                               PRSTR(bucket->name)),
        .owner = bucket->account,
        .policy = in->Policy,
        .form = POLICY_FORM_RESOURCE,
        .in = in,
    };
    bool confirmed =
        in->ConfirmRemoveSelfBucketAccess.set && in->ConfirmRemoveSelfBucketAccess.value;
    bool allowed = true;
    if (!confirmed && call->principal.kind != PRINCIPAL_ROOT &&
        call->principal.kind != PRINCIPAL_SERVICE)
        TRY(authorize_may(call, &ask, &allowed));
    if (allowed)
        return RESULT_OK;
    return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
}

RESULT s3_PutBucketPolicy(struct call *call, const struct s3_PutBucketPolicyRequest *in,
                          struct s3_PutBucketPolicyResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct str reason = {0};
    bool is_public;
    int64_t bits;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(check_owner(call, &bucket));
    TRY(s3_check_body(call));
    struct str text = str_is_absent(in->Policy) ? STR("") : in->Policy;
    struct policy_guarded guarded = {.bucket = bucket.name};
    enum result result = bucket_policy_check(call, &guarded, text, &is_public, &reason);
    if (result == RESULT_ERROR)
        return call_fail(call, S3_MALFORMED_POLICY, "%.*s", PRSTR(reason));
    TRY(result);
    TRY(public_access_of(call, &bucket, &bits));
    if (is_public && (bits & PUBLIC_ACCESS_BLOCK_POLICY) != 0)
        return call_fail(call, WIRE_ACCESS_DENIED,
                         "User: %.*s is not authorized to perform: s3:PutBucketPolicy on resource: "
                         "\"arn:%.*s:s3:::%.*s\" because public policies are prevented by the "
                         "BlockPublicPolicy setting in S3 Block Public Access.",
                         PRSTR(call->principal.arn), PRSTR(call->partition), PRSTR(bucket.name));
    TRY(check_self(call, in, &bucket));
    struct s3_policy_text kept = {.text = text};
    call->status = 204;
    return setting_put(call, &bucket, S3_SETTING_POLICY, (struct str){0}, &kept);
}

RESULT s3_GetBucketPolicy(struct call *call, const struct s3_GetBucketPolicyRequest *in,
                          struct s3_GetBucketPolicyOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(check_owner(call, &bucket));
    TRY(bucket_policy_text(call, &bucket, &out->Policy));
    return str_is_absent(out->Policy) ? no_policy(call, &bucket) : RESULT_OK;
}

RESULT s3_DeleteBucketPolicy(struct call *call, const struct s3_DeleteBucketPolicyRequest *in,
                             struct s3_DeleteBucketPolicyResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(check_owner(call, &bucket));
    call->status = 204;
    return setting_delete(call, &bucket, S3_SETTING_POLICY, (struct str){0}, &existed);
}

RESULT s3_GetBucketPolicyStatus(struct call *call, const struct s3_GetBucketPolicyStatusRequest *in,
                                struct s3_GetBucketPolicyStatusOutput *out)
{
    struct s3_bucket bucket;
    struct str text;
    bool is_public;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(bucket_policy_text(call, &bucket, &text));
    if (str_is_absent(text))
        return no_policy(call, &bucket);
    TRY(bucket_policy_is_public(call, text, &is_public));
    out->PolicyStatus = ARENA_NEW(call->arena, struct s3_PolicyStatus);
    out->PolicyStatus->IsPublic = opt_bool(is_public);
    return RESULT_OK;
}
