/* Block public access and object ownership ("Blocking public access to your Amazon S3 storage",
 * "Controlling ownership of objects and disabling ACLs", Amazon S3 User Guide). Both stand in the
 * bucket's own record: every request asks for them. */
#include "services/s3/access.h"
#include "services/s3/settings.h"

RESULT public_access_of(struct call *call, const struct s3_bucket *bucket, int64_t *bits)
{
    int64_t account;
    TRY(account_public_access(call, bucket->account, &account));
    *bits = bucket->public_access | account;
    return RESULT_OK;
}

/* --- block public access --- */

static int64_t bit_of(struct opt_bool setting, enum public_access bit)
{
    return setting.set && setting.value ? (int64_t)bit : 0;
}

RESULT s3_PutPublicAccessBlock(struct call *call, const struct s3_PutPublicAccessBlockRequest *in,
                               struct s3_PutPublicAccessBlockResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_PublicAccessBlockConfiguration *wanted = in->PublicAccessBlockConfiguration;
    if (wanted == NULL)
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against our "
                         "published schema");
    bucket.public_access = (int64_t)PUBLIC_ACCESS_SET |
                           bit_of(wanted->BlockPublicAcls, PUBLIC_ACCESS_BLOCK_ACLS) |
                           bit_of(wanted->IgnorePublicAcls, PUBLIC_ACCESS_IGNORE_ACLS) |
                           bit_of(wanted->BlockPublicPolicy, PUBLIC_ACCESS_BLOCK_POLICY) |
                           bit_of(wanted->RestrictPublicBuckets, PUBLIC_ACCESS_RESTRICT);
    return bucket_put(call, &bucket);
}

RESULT s3_GetPublicAccessBlock(struct call *call, const struct s3_GetPublicAccessBlockRequest *in,
                               struct s3_GetPublicAccessBlockOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (bucket.public_access == 0) {
        return s3_fail_bucket(call, S3_NO_SUCH_PUBLIC_ACCESS_BLOCK_CONFIGURATION, bucket.name,
                              "The public access block configuration was not found");
    }
    struct s3_PublicAccessBlockConfiguration *shown =
        ARENA_NEW(call->arena, struct s3_PublicAccessBlockConfiguration);
    shown->BlockPublicAcls = opt_bool(bucket.public_access & PUBLIC_ACCESS_BLOCK_ACLS);
    shown->IgnorePublicAcls = opt_bool(bucket.public_access & PUBLIC_ACCESS_IGNORE_ACLS);
    shown->BlockPublicPolicy = opt_bool(bucket.public_access & PUBLIC_ACCESS_BLOCK_POLICY);
    shown->RestrictPublicBuckets = opt_bool(bucket.public_access & PUBLIC_ACCESS_RESTRICT);
    out->PublicAccessBlockConfiguration = shown;
    return RESULT_OK;
}

RESULT s3_DeletePublicAccessBlock(struct call *call,
                                  const struct s3_DeletePublicAccessBlockRequest *in,
                                  struct s3_DeletePublicAccessBlockResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    bucket.public_access = 0;
    call->status = 204;
    return bucket_put(call, &bucket);
}

/* --- ownership --- */

bool ownership_is_known(struct str name)
{
    return str_eq(name, STR("BucketOwnerEnforced")) || str_eq(name, STR("BucketOwnerPreferred")) ||
           str_eq(name, STR("ObjectWriter"));
}

/* Lists that let in others must be gone before lists are disabled ("Prerequisites for disabling
 * ACLs"). */
static RESULT ownership_check_acl(struct call *call, const struct s3_bucket *bucket)
{
    struct s3_AccessControlPolicy acl;
    bool found;
    TRY(setting_get(call, bucket, S3_SETTING_ACL, (struct str){0}, &acl, &found));
    struct str owner = s3_owner_id(call->arena, bucket->account);
    for (size_t i = 0; found && i < acl.Grants.len; i++)
        if (!str_eq(acl.Grants.items[i].Grantee->ID, owner))
            return call_fail(call, S3_INVALID_BUCKET_ACL_WITH_OBJECT_OWNERSHIP,
                             "Bucket cannot have ACLs set with ObjectOwnership's "
                             "BucketOwnerEnforced setting");
    return RESULT_OK;
}

RESULT s3_PutBucketOwnershipControls(struct call *call,
                                     const struct s3_PutBucketOwnershipControlsRequest *in,
                                     struct s3_PutBucketOwnershipControlsResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_OwnershipControls *controls = in->OwnershipControls;
    if (controls == NULL || controls->Rules.len != 1 ||
        !ownership_is_known(controls->Rules.items[0].ObjectOwnership))
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against our "
                         "published schema");
    bucket.ownership = controls->Rules.items[0].ObjectOwnership;
    if (!acl_is_enabled(&bucket))
        TRY(ownership_check_acl(call, &bucket));
    return bucket_put(call, &bucket);
}

RESULT s3_GetBucketOwnershipControls(struct call *call,
                                     const struct s3_GetBucketOwnershipControlsRequest *in,
                                     struct s3_GetBucketOwnershipControlsOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (str_is_empty(bucket.ownership)) {
        return s3_fail_bucket(call, S3_OWNERSHIP_CONTROLS_NOT_FOUND, bucket.name,
                              "The bucket ownership controls were not found");
    }
    out->OwnershipControls = ARENA_NEW(call->arena, struct s3_OwnershipControls);
    struct s3_OwnershipControlsRule *rule = ARENA_NEW(call->arena, struct s3_OwnershipControlsRule);
    rule->ObjectOwnership = bucket.ownership;
    out->OwnershipControls->Rules = (struct s3_OwnershipControlsRules){rule, 1};
    return RESULT_OK;
}

RESULT s3_DeleteBucketOwnershipControls(struct call *call,
                                        const struct s3_DeleteBucketOwnershipControlsRequest *in,
                                        struct s3_DeleteBucketOwnershipControlsResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    bucket.ownership = (struct str){0};
    call->status = 204;
    return bucket_put(call, &bucket);
}
