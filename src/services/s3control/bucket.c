/* What S3 says of a bucket. */
#include "gen/s3.h"
#include "services/s3control/s3control_int.h"

RESULT bucket_head(struct call *call, struct str bucket, struct str owner,
                   struct bucket_found *found)
{
    const struct s3_HeadBucketRequest in = {.Bucket = bucket, .ExpectedBucketOwner = owner};
    const struct call_invocation head = {
        .model = &s3_model,
        .operation = S3_OP_HeadBucket,
        .in = &in,
        .principal = {.kind = PRINCIPAL_SERVICE, .name = STR("s3.amazonaws.com")},
        .account = owner,
        .region = call->region,
    };
    const void *out;
    *found = (struct bucket_found){0};
    enum result result = call_invoke(call, &head, &out, &found->error, &found->message);
    if (result == RESULT_OK)
        found->region = ((const struct s3_HeadBucketOutput *)out)->BucketRegion;
    return result == RESULT_ERROR ? RESULT_OK : result;
}
