/* What a bucket says of itself: versioning and tags. */
#include "cloud/organization.h"
#include "services/s3/access.h"
#include "services/s3/lock.h"
#include "services/s3/settings.h"

RESULT s3_PutBucketVersioning(struct call *call, const struct s3_PutBucketVersioningRequest *in,
                              struct s3_PutBucketVersioningResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_VersioningConfiguration *wanted = in->VersioningConfiguration;
    if (wanted == NULL ||
        (!str_eq(wanted->Status, STR("Enabled")) && !str_eq(wanted->Status, STR("Suspended"))))
        return call_fail(call, S3_ILLEGAL_VERSIONING_CONFIGURATION,
                         "The Versioning element must be specified");
    if (lock_is_on(&bucket) && !str_eq(wanted->Status, STR("Enabled")))
        return call_fail(call, S3_INVALID_BUCKET_STATE,
                         "An Object Lock configuration is present on this bucket, so the "
                         "versioning state cannot be changed.");
    if (setting_is_there(&bucket, S3_SETTING_REPLICATION) &&
        !str_eq(wanted->Status, STR("Enabled")))
        return call_fail(
            call, S3_INVALID_BUCKET_STATE,
            "A replication configuration is present on this bucket, so you cannot "
            "change the versioning state. To change the versioning state, first delete "
            "the replication configuration.");
    TRY(mfa_delete_change(call, &bucket, wanted->MFADelete, in->MFA));
    bucket.versioning = wanted->Status;
    return bucket_put(call, &bucket);
}

RESULT s3_GetBucketVersioning(struct call *call, const struct s3_GetBucketVersioningRequest *in,
                              struct s3_GetBucketVersioningOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (bucket_is_versioned(&bucket))
        out->Status = bucket.versioning;
    if (bucket.mfa_delete)
        out->MFADelete = STR("Enabled");
    return RESULT_OK;
}

RESULT bucket_check_tag_policy(struct call *call, const struct s3_bucket *bucket)
{
    struct str key;
    TRY(organization_tag_refused(call, bucket->account, STR("s3:bucket"), &bucket->tags, &key));
    return str_is_absent(key) ? RESULT_OK
                              : call_fail(call, S3_TAG_POLICY, ORGANIZATION_TAG_TEXT, PRSTR(key));
}

RESULT s3_PutBucketTagging(struct call *call, const struct s3_PutBucketTaggingRequest *in,
                           struct s3_PutBucketTaggingResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(s3_read_tag_set(call, in->Tagging, 50, &bucket.tags));
    TRY(bucket_check_tag_policy(call, &bucket));
    call->status = 204;
    return bucket_put(call, &bucket);
}

RESULT s3_GetBucketTagging(struct call *call, const struct s3_GetBucketTaggingRequest *in,
                           struct s3_GetBucketTaggingOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (bucket.tags.len == 0)
        return s3_fail_bucket(call, S3_NO_SUCH_TAG_SET, bucket.name, "The TagSet does not exist");
    out->TagSet = s3_tag_set(call, &bucket.tags);
    return RESULT_OK;
}

RESULT s3_DeleteBucketTagging(struct call *call, const struct s3_DeleteBucketTaggingRequest *in,
                              struct s3_DeleteBucketTaggingResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    bucket.tags = (struct str_map){0};
    return bucket_put(call, &bucket);
}
