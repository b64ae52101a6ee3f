/* Which bucket a request means ("Using Amazon S3 access points", "Access point aliases"). */
#include "cloud/arn.h"
#include "services/s3/access.h"

/* accesspoint/NAME or accesspoint:NAME, what stands behind it goes into the key elsewhere. */
static bool point_of_arn(struct str text, struct arn *arn, struct str *name)
{
    struct str kind = STR("accesspoint");
    if (!arn_parse(text, arn) || !str_eq(arn->service, STR("s3")) ||
        !str_starts_with(arn->resource, kind) || arn->resource.len < kind.len + 2 ||
        (arn->resource.ptr[kind.len] != '/' && arn->resource.ptr[kind.len] != ':'))
        return false;
    *name = str_slice(arn->resource, kind.len + 1, arn->resource.len);
    return true;
}

/* NAME-ACCOUNT, the first label of an access point's host. */
static bool point_of_label(struct str label, struct str *name, struct str *account)
{
    size_t dash = str_find_last_char(label, '-');
    if (dash == SIZE_MAX || dash == 0)
        return false;
    *name = str_slice(label, 0, dash);
    *account = str_slice(label, dash + 1, label.len);
    return arn_is_account(*account);
}

/* "Multi-Region Access Point compatibility with S3 operations" (Using Multi-Region Access Points
 * with supported API operations, Amazon S3 User Guide). */
static bool is_for_many_regions(uint32_t operation)
{
    static const uint32_t supported[] = {
        S3_OP_AbortMultipartUpload,
        S3_OP_CompleteMultipartUpload,
        S3_OP_CreateMultipartUpload,
        S3_OP_DeleteObject,
        S3_OP_DeleteObjectTagging,
        S3_OP_GetObject,
        S3_OP_GetObjectAcl,
        S3_OP_GetObjectLegalHold,
        S3_OP_GetObjectRetention,
        S3_OP_GetObjectTagging,
        S3_OP_HeadObject,
        S3_OP_ListMultipartUploads,
        S3_OP_ListObjectsV2,
        S3_OP_ListParts,
        S3_OP_PutObject,
        S3_OP_PutObjectAcl,
        S3_OP_PutObjectLegalHold,
        S3_OP_PutObjectRetention,
        S3_OP_PutObjectTagging,
        S3_OP_RestoreObject,
        S3_OP_UploadPart,
    };
    for (size_t i = 0; i < sizeof supported / sizeof supported[0]; i++)
        if (supported[i] == operation)
            return true;
    return false;
}

/* "Access point compatibility" (Amazon S3 User Guide): what is done to objects, and of what is done
 * to buckets this. */
static bool is_for_points(const struct call *call)
{
    static const uint32_t of_buckets[] = {
        S3_OP_DeleteObjects,      S3_OP_GetBucketAcl,
        S3_OP_GetBucketCors,      S3_OP_GetBucketLocation,
        S3_OP_GetBucketPolicy,    S3_OP_GetBucketNotificationConfiguration,
        S3_OP_HeadBucket,         S3_OP_ListMultipartUploads,
        S3_OP_ListObjects,        S3_OP_ListObjectsV2,
        S3_OP_ListObjectVersions, S3_OP_OptionsBucket,
        S3_OP_PostObject,
    };
    if (call->model != &s3_model ||
        str_find(wire_string(&s3_model, s3_model.operations[call->operation].uri), STR("{Key")) !=
            SIZE_MAX)
        return true;
    for (size_t i = 0; i < sizeof of_buckets / sizeof of_buckets[0]; i++)
        if (of_buckets[i] == call->operation)
            return true;
    return false;
}

/* An alias, or the ARN of one: its requests go to a bucket wherever it is. */
static RESULT find_multi_region(struct call *call, struct str asked, struct access_point *point,
                                bool *found)
{
    struct str name = asked;
    struct arn arn;
    if (str_starts_with(asked, STR("arn:")) &&
        (!point_of_arn(asked, &arn, &name) || !str_is_empty(arn.region)))
        return RESULT_OK;
    TRY(multi_region_find(call, name, point, found));
    *found = *found && (name.ptr == asked.ptr || str_eq(point->account, arn.account));
    if (!*found)
        return call_fail(call, S3_NO_SUCH_MULTI_REGION_ACCESS_POINT,
                         "The specified Multi-Region Access Point does not exist");
    if (!is_for_many_regions(call->operation))
        return call_fail(call, WIRE_INVALID_ACTION,
                         "The specified method is not allowed against this resource.");
    call->any_region = true;
    return RESULT_OK;
}

static RESULT find_point(struct call *call, struct str asked, struct access_point *point,
                         bool *found)
{
    struct str name, account;
    struct arn arn;
    *found = false;
    if (str_ends_with(asked, STR(".mrap")))
        return find_multi_region(call, asked, point, found);
    if (str_starts_with(asked, STR("arn:")))
        return point_of_arn(asked, &arn, &name)
                   ? access_point_find(call, arn.account, arn.region, name, point, found)
                   : RESULT_OK;
    if (str_ends_with(asked, STR("-s3alias")))
        return access_point_find_alias(call, asked, point, found);
    if (point_of_label(asked, &name, &account))
        return access_point_find(call, account, call->region, name, point, found);
    return RESULT_OK;
}

/* Strings in the arena. */
static RESULT access_resolve(struct call *call, struct str asked, struct access_target *target)
{
    *target = (struct access_target){.asked = asked};
    if (bucket_name_is_valid(asked))
        TRY(bucket_find(call, asked, &target->bucket, &target->found));
    if (target->found)
        return RESULT_OK;
    TRY(find_point(call, asked, &target->point, &target->by_point));
    if (!target->by_point)
        return RESULT_OK;
    if (!is_for_points(call))
        return call_fail(call, WIRE_INVALID_ACTION,
                         "The specified method is not allowed against this resource.");
    TRY(bucket_find(call, target->point.bucket, &target->bucket, &target->found));
    /* Another's bucket may have taken the name since. */
    target->found = target->found && str_eq(target->bucket.account, target->point.bucket_account);
    return RESULT_OK;
}

/* Of one run: the bucket, and the source's of a copy. */
struct access_found {
    const struct access_target *targets[2];
};

void access_remember(struct call *call, const struct access_target *target)
{
    struct access_found *found = ARENA_NEW(call->arena, struct access_found);
    if (call->found != NULL)
        *found = *(const struct access_found *)call->found;
    found->targets[found->targets[0] != NULL] = target;
    call->found = found;
}

RESULT access_target(struct call *call, struct str asked, const struct access_target **target)
{
    const struct access_found *found = call->found;
    for (size_t i = 0; found != NULL && i < 2; i++) {
        *target = found->targets[i];
        if (*target != NULL &&
            (str_eq((*target)->asked, asked) ||
             ((*target)->by_point && (*target)->found && str_eq((*target)->bucket.name, asked))))
            return RESULT_OK;
    }
    struct access_target *made = ARENA_NEW(call->arena, struct access_target);
    TRY(access_resolve(call, asked, made));
    *target = made;
    return RESULT_OK;
}
