/* Which questions a request raises ("Required permissions for Amazon S3 API operations"). */
#include "cloud/authorize.h"
#include "services/s3/access.h"
#include "services/s3/copy_source.h"
#include "services/s3/settings.h"

/* The action of a request that names a version. */
static struct str of_version(struct call *call, struct str action)
{
    static const struct {
        struct str plain, of_version;
    } map[] = {
        {STR_INIT("s3:GetObject"), STR_INIT("s3:GetObjectVersion")},
        {STR_INIT("s3:GetObjectAcl"), STR_INIT("s3:GetObjectVersionAcl")},
        {STR_INIT("s3:GetObjectAttributes"), STR_INIT("s3:GetObjectVersionAttributes")},
        {STR_INIT("s3:GetObjectTagging"), STR_INIT("s3:GetObjectVersionTagging")},
        {STR_INIT("s3:PutObjectAcl"), STR_INIT("s3:PutObjectVersionAcl")},
        {STR_INIT("s3:PutObjectTagging"), STR_INIT("s3:PutObjectVersionTagging")},
        {STR_INIT("s3:DeleteObject"), STR_INIT("s3:DeleteObjectVersion")},
        {STR_INIT("s3:DeleteObjectTagging"), STR_INIT("s3:DeleteObjectVersionTagging")},
    };
    (void)call;
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (str_eq(action, map[i].plain))
            return map[i].of_version;
    return action;
}

struct needs {
    struct call *call;
    const void *in;
    const struct access_target *target;
    struct str key, version_id;
};

static RESULT need(const struct needs *needs, struct str action)
{
    bool on_object = !str_is_absent(needs->key);
    struct access_question question = {
        .call = needs->call,
        .in = needs->in,
        .target = needs->target,
        .action = str_is_absent(needs->version_id) ? action : of_version(needs->call, action),
        .key = on_object ? needs->key : (struct str){0},
        .version_id = needs->version_id,
    };
    return access_ask(&question, NULL);
}

static bool has(const struct needs *needs, const char *member)
{
    return !str_is_absent(access_member(needs->call, needs->in, member));
}

static bool has_grants(const struct needs *needs)
{
    return has(needs, "ACL") || has(needs, "GrantFullControl") || has(needs, "GrantRead") ||
           has(needs, "GrantReadACP") || has(needs, "GrantWrite") || has(needs, "GrantWriteACP");
}

/* What PutObject and its kin ask besides s3:PutObject. Services are given buckets by policies that
 * allow s3:PutObject alone and demand an ACL ("Amazon S3 bucket policy for CloudTrail"). */
static RESULT need_of_write(const struct needs *needs)
{
    if (has_grants(needs) && needs->call->principal.kind != PRINCIPAL_SERVICE)
        TRY(need(needs, STR("s3:PutObjectAcl")));
    if (has(needs, "Tagging"))
        TRY(need(needs, STR("s3:PutObjectTagging")));
    if (has(needs, "ObjectLockMode"))
        TRY(need(needs, STR("s3:PutObjectRetention")));
    if (has(needs, "ObjectLockLegalHoldStatus"))
        TRY(need(needs, STR("s3:PutObjectLegalHold")));
    return RESULT_OK;
}

/* The source of a copy; what cannot be read is the function's to refuse. */
static RESULT need_of_source(const struct needs *needs, bool with_tags)
{
    struct call *call = needs->call;
    struct needs source = {.call = call, .in = needs->in};
    struct str bucket;
    const struct access_target *target;
    if (!copy_source_read(call, access_member(call, needs->in, "CopySource"), &bucket, &source.key,
                          &source.version_id))
        return RESULT_OK;
    TRY(access_target(call, bucket, &target));
    if (!target->found)
        return RESULT_OK;
    access_remember(call, target);
    source.target = target;
    TRY(need(&source, STR("s3:GetObject")));
    if (!with_tags)
        return RESULT_OK;
    struct access_question question = {
        .call = call, .target = target, .key = source.key, .version_id = source.version_id};
    TRY(access_read_object(&question));
    if (!question.place.found)
        return RESULT_OK;
    if (question.place.object.annotation_count > 0 &&
        !str_eq(access_member(call, needs->in, "AnnotationDirective"), STR("EXCLUDE"))) {
        TRY(need(&source, STR("s3:GetObjectAnnotation")));
        TRY(need(needs, STR("s3:PutObjectAnnotation")));
    }
    if (question.place.object.tags.len == 0 ||
        str_eq(access_member(call, needs->in, "TaggingDirective"), STR("REPLACE")))
        return RESULT_OK;
    TRY(need(&source, STR("s3:GetObjectTagging")));
    return has(needs, "Tagging") ? RESULT_OK : need(needs, STR("s3:PutObjectTagging"));
}

/* A bucket that is not there yet: whoever makes it will own it. */
static RESULT need_of_new(struct call *call, const struct s3_CreateBucketRequest *in)
{
    const struct access_target target = {.asked = in->Bucket,
                                         .bucket = {.name = in->Bucket,
                                                    .account = call->account,
                                                    .ownership = STR("BucketOwnerEnforced")}};
    const struct needs needs = {.call = call, .in = in, .target = &target};
    if (call->principal.kind == PRINCIPAL_ANONYMOUS)
        return RESULT_OK; /* refused by the function */
    TRY(need(&needs, STR("s3:CreateBucket")));
    if (has_grants(&needs))
        TRY(need(&needs, STR("s3:PutBucketAcl")));
    if (!str_is_absent(in->ObjectOwnership))
        TRY(need(&needs, STR("s3:PutBucketOwnershipControls")));
    if (in->ObjectLockEnabledForBucket.set && in->ObjectLockEnabledForBucket.value) {
        TRY(need(&needs, STR("s3:PutBucketObjectLockConfiguration")));
        TRY(need(&needs, STR("s3:PutBucketVersioning")));
    }
    if (in->CreateBucketConfiguration != NULL && in->CreateBucketConfiguration->Tags.len > 0)
        TRY(need(&needs, STR("s3:TagResource")));
    return RESULT_OK;
}

static RESULT need_all(struct call *call)
{
    const struct authorize_ask ask = {
        .action = authorize_action(call), .resource = STR("*"), .form = POLICY_FORM_RESOURCE};
    if (call->principal.kind == PRINCIPAL_ANONYMOUS)
        return RESULT_OK; /* refused by the function */
    return authorize_ask(call, &ask);
}

/* "The root principal in a bucket owner's AWS account can perform the GetBucketPolicy,
 * PutBucketPolicy, and DeleteBucketPolicy API actions, even if their bucket policy explicitly
 * denies" (PutBucketPolicy). */
static bool mends(const struct call *call, const struct s3_bucket *bucket)
{
    return call->principal.kind == PRINCIPAL_ROOT && str_eq(call->account, bucket->account) &&
           (call->operation == S3_OP_PutBucketPolicy || call->operation == S3_OP_GetBucketPolicy ||
            call->operation == S3_OP_DeleteBucketPolicy);
}

/* A root user's session may be limited ("S3UnlockBucketPolicy"). */
static RESULT need_of_mender(struct call *call, const struct s3_bucket *bucket)
{
    const struct authorize_ask ask = {
        .action = authorize_action(call),
        .resource = str_concat(call->arena, STR("arn:aws:s3:::"), bucket->name),
        .owner = bucket->account,
        .form = POLICY_FORM_RESOURCE,
    };
    return call->principal.session == NULL ? RESULT_OK : authorize_ask(call, &ask);
}

/* Buckets whose requesters pay ("Using Requester Pays general purpose buckets"): the owner's
 * account aside, whoever asks says that he will. */
static RESULT need_of_payer(struct call *call, const struct s3_bucket *bucket, const void *in)
{
    if (!setting_is_there(bucket, S3_SETTING_REQUEST_PAYMENT) ||
        call->principal.kind == PRINCIPAL_SERVICE || str_eq(call->account, bucket->account))
        return RESULT_OK;
    bool says = str_eq(access_member(call, in, "RequestPayer"), STR("requester"));
    if (call->request != NULL)
        says = says || str_eq(wire_request_header(call->request, STR("x-amz-request-payer")),
                              STR("requester"));
    if (call->principal.kind == PRINCIPAL_ANONYMOUS || !says)
        return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
    call_add_header(call, STR("x-amz-request-charged"), STR("requester"));
    return RESULT_OK;
}

static RESULT need_of_operation(const struct needs *needs)
{
    struct call *call = needs->call;
    TRY(need(needs, authorize_action(call)));
    switch (call->operation) {
    case S3_OP_PutObject:
    case S3_OP_CreateMultipartUpload:
        return need_of_write(needs);
    case S3_OP_CopyObject:
        TRY(need_of_write(needs));
        return need_of_source(needs, true);
    case S3_OP_UploadPartCopy:
        return need_of_source(needs, false);
    case S3_OP_GetObjectAttributes:
        return need(needs, STR("s3:GetObjectAttributes"));
    default:
        return RESULT_OK;
    }
}

/* Most buckets have neither policy nor lists, and most callers are whoever may all. */
static RESULT is_unasked(struct call *call, const struct access_target *target, bool *unasked)
{
    const struct s3_bucket *bucket = &target->bucket;
    *unasked = false;
    if (target->by_point || acl_is_enabled(bucket) || setting_is_there(bucket, S3_SETTING_POLICY) ||
        call->operation == S3_OP_CopyObject || call->operation == S3_OP_UploadPartCopy)
        return RESULT_OK;
    return authorize_is_unlimited(call, bucket->account, unasked);
}

RESULT s3_authorize(struct call *call, const void *in)
{
    struct str asked = access_member(call, in, "Bucket");
    const struct access_target *target;
    switch (call->operation) {
    case S3_OP_CreateBucket:
        return need_of_new(call, in);
    case S3_OP_OptionsBucket:
    case S3_OP_OptionsObject:
    case S3_OP_PostObject: /* asks as PutObject when the form has been read */
    case S3_OP_GetWebsitePage:
    case S3_OP_GetWebsiteRoot:
    case S3_OP_HeadWebsitePage:
    case S3_OP_HeadWebsiteRoot:
        return RESULT_OK;
    default:
        break;
    }
    if (str_is_absent(asked))
        return need_all(call);
    TRY(access_target(call, asked, &target));
    if (!target->found)
        return RESULT_OK;
    access_remember(call, target);
    TRY(need_of_payer(call, &target->bucket, in));
    if (call->operation == S3_OP_DeleteObjects)
        return RESULT_OK; /* each key is asked about */
    if (mends(call, &target->bucket))
        return need_of_mender(call, &target->bucket);
    bool unlimited;
    TRY(is_unasked(call, target, &unlimited));
    if (unlimited)
        return RESULT_OK;
    const struct needs needs = {
        .call = call,
        .in = in,
        .target = target,
        .key = access_member(call, in, "Key"),
        .version_id = access_member(call, in, "VersionId"),
    };
    return need_of_operation(&needs);
}

/* --- questions from functions --- */

static bool is_itself(const struct call *call)
{
    struct str name, rest;
    return call->principal.kind == PRINCIPAL_SERVICE &&
           (!str_cut(call->principal.name, '.', &name, &rest) || str_eq(name, STR("s3")));
}

/* As the request named it: through an access point, perhaps. */
static RESULT target_of(struct call *call, const struct s3_bucket *bucket,
                        const struct access_target **target, struct access_target *own)
{
    TRY(access_target(call, bucket->name, target));
    if (!(*target)->found) {
        *own = (struct access_target){.asked = bucket->name, .found = true, .bucket = *bucket};
        *target = own;
    }
    return RESULT_OK;
}

RESULT access_delete(struct call *call, const struct s3_DeleteObjectsRequest *in,
                     const struct s3_ObjectIdentifier *one)
{
    const struct access_target *target;
    if (call->cloud->iam == IAM_OFF || is_itself(call))
        return RESULT_OK;
    TRY(access_target(call, in->Bucket, &target));
    const struct needs needs = {
        .call = call, .in = in, .target = target, .key = one->Key, .version_id = one->VersionId};
    return need(&needs, STR("s3:DeleteObject"));
}

RESULT access_list(struct call *call, const struct s3_bucket *bucket)
{
    const struct access_target *target;
    struct access_target own;
    if (call->cloud->iam == IAM_OFF || is_itself(call))
        return RESULT_OK;
    TRY(target_of(call, bucket, &target, &own));
    struct access_question question = {
        .call = call, .target = target, .action = STR("s3:ListBucket")};
    return access_ask(&question, NULL);
}

RESULT access_may(struct call *call, const struct s3_bucket *bucket, struct str action,
                  struct str key, bool *may)
{
    const struct access_target *target;
    struct access_target own;
    *may = true;
    if (call->cloud->iam == IAM_OFF || is_itself(call))
        return RESULT_OK;
    TRY(target_of(call, bucket, &target, &own));
    struct access_question question = {
        .call = call, .target = target, .action = action, .key = key};
    return access_ask(&question, may);
}
