/* What a bucket says of itself: versioning, tags, access control list. */
#include "services/s3/s3_int.h"

RESULT s3_PutBucketVersioning(struct call *call, const struct s3_PutBucketVersioningRequest *in,
                              struct s3_PutBucketVersioningResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_VersioningConfiguration *wanted = in->VersioningConfiguration;
    if (wanted != NULL && !str_is_absent(wanted->MFADelete) &&
        !str_eq(wanted->MFADelete, STR("Disabled")))
        return call_fail(call, S3_UNBUILT_HEADER, "MFA delete is not implemented.");
    if (wanted == NULL ||
        (!str_eq(wanted->Status, STR("Enabled")) && !str_eq(wanted->Status, STR("Suspended"))))
        return call_fail(call, S3_ILLEGAL_VERSIONING_CONFIGURATION,
                         "The Versioning element must be specified");
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
    return RESULT_OK;
}

RESULT s3_PutBucketTagging(struct call *call, const struct s3_PutBucketTaggingRequest *in,
                           struct s3_PutBucketTaggingResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(s3_read_tag_set(call, in->Tagging, 50, &bucket.tags));
    call->status = 204;
    return bucket_put(call, &bucket);
}

RESULT s3_GetBucketTagging(struct call *call, const struct s3_GetBucketTaggingRequest *in,
                           struct s3_GetBucketTaggingOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (bucket.tags.len == 0)
        return call_fail(call, S3_NO_SUCH_TAG_SET, "The TagSet does not exist");
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

/* --- access control lists: disabled, so that the owner alone is on them --- */

static struct s3_Grants owner_grants(struct call *call, struct str account)
{
    struct s3_Grant *grant = ARENA_NEW(call->arena, struct s3_Grant);
    grant->Grantee = ARENA_NEW(call->arena, struct s3_Grantee);
    grant->Grantee->ID = s3_owner_id(call->arena, account);
    grant->Grantee->Type = STR("CanonicalUser");
    grant->Permission = STR("FULL_CONTROL");
    return (struct s3_Grants){.items = grant, .len = 1};
}

RESULT s3_GetBucketAcl(struct call *call, const struct s3_GetBucketAclRequest *in,
                       struct s3_GetBucketAclOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    out->Owner = s3_owner(call, bucket.account);
    out->Grants = owner_grants(call, bucket.account);
    return RESULT_OK;
}

RESULT s3_GetObjectAcl(struct call *call, const struct s3_GetObjectAclRequest *in,
                       struct s3_GetObjectAclOutput *out)
{
    struct s3_bucket bucket;
    struct s3_object object;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    out->Owner = s3_owner(call, bucket.account);
    out->Grants = owner_grants(call, bucket.account);
    return RESULT_OK;
}

RESULT s3_PutBucketAcl(struct call *call, const struct s3_PutBucketAclRequest *in,
                       struct s3_PutBucketAclResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    return call_fail(call, S3_ACCESS_CONTROL_LIST_NOT_SUPPORTED, "The bucket does not allow ACLs");
}

RESULT s3_PutObjectAcl(struct call *call, const struct s3_PutObjectAclRequest *in,
                       struct s3_PutObjectAclOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct s3_object object;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    return call_fail(call, S3_ACCESS_CONTROL_LIST_NOT_SUPPORTED, "The bucket does not allow ACLs");
}
