/* CreateBucket, DeleteBucket, HeadBucket, ListBuckets, GetBucketLocation and what a bucket says of
 * itself: versioning, tags, access control list. */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/s3/access.h"
#include "services/s3/crypt.h"
#include "services/s3/inventory.h"
#include "services/s3/lock.h"
#include "services/s3/settings.h"

static struct key owned_prefix(struct call *call, struct str account)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3"));
    key_str(&key, STR("owned"));
    key_str(&key, account);
    return key;
}

static struct key owned_key(struct call *call, const struct s3_bucket *bucket)
{
    struct key key = owned_prefix(call, bucket->account);
    key_str(&key, bucket->name);
    return key;
}

static struct str bucket_arn(struct call *call, struct str name)
{
    return str_format(call->arena, "arn:%.*s:s3:::%.*s", PRSTR(call->partition), PRSTR(name));
}

/* --- CreateBucket --- */

static RESULT fail_location(struct call *call, struct str location)
{
    struct s3_InvalidLocationConstraint *detail =
        ARENA_NEW(call->arena, struct s3_InvalidLocationConstraint);
    detail->LocationConstraint = location;
    return call_fail_with(call, S3_INVALID_LOCATION_CONSTRAINT, detail,
                          "The specified location-constraint is not valid");
}

/* Which region: us-east-1 may make buckets anywhere, another only at home (CreateBucket,
 * LocationConstraint). */
static RESULT create_region(struct call *call, struct str location, struct str *region)
{
    bool classic = str_eq(call->region, STR("us-east-1"));
    *region = call->region;
    if (str_is_absent(location)) {
        if (classic)
            return RESULT_OK;
        return call_fail(call, S3_ILLEGAL_LOCATION_CONSTRAINT,
                         "The unspecified location constraint is incompatible for the region "
                         "specific endpoint this request was sent to.");
    }
    *region = str_eq(location, STR("EU")) ? STR("eu-west-1") : location;
    if (!arn_is_region(*region) || str_eq(*region, STR("us-east-1")))
        return fail_location(call, location);
    if (!classic && !str_eq(*region, call->region))
        return call_fail(call, S3_ILLEGAL_LOCATION_CONSTRAINT,
                         "The %.*s location constraint is incompatible for the region specific "
                         "endpoint this request was sent to.",
                         PRSTR(location));
    return RESULT_OK;
}

static RESULT fail_name(struct call *call, struct str name)
{
    return s3_fail_bucket(call, S3_INVALID_BUCKET_NAME, name, "The specified bucket is not valid.");
}

/* "Account regional namespace naming rules": NAME-ACCOUNT-REGION-an stands there and nowhere
 * else. */
static RESULT create_namespace(struct call *call, const struct s3_CreateBucketRequest *in,
                               struct str region)
{
    bool regional = str_eq(in->BucketNamespace, STR("account-regional"));
    struct str suffix = STR("-an");
    if (regional)
        suffix = str_format(call->arena, "-%.*s-%.*s-an", PRSTR(call->account), PRSTR(region));
    bool ends = str_ends_with(in->Bucket, suffix) && in->Bucket.len > suffix.len;
    return ends == regional ? RESULT_OK : fail_name(call, in->Bucket);
}

static RESULT create_check(struct call *call, const struct s3_CreateBucketRequest *in)
{
    if (call->principal.kind == PRINCIPAL_ANONYMOUS)
        return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
    if (!str_is_absent(in->BucketNamespace) && !str_eq(in->BucketNamespace, STR("global")) &&
        !str_eq(in->BucketNamespace, STR("account-regional")))
        return s3_invalid_argument(call, "x-amz-bucket-namespace", in->BucketNamespace,
                                   "Invalid x-amz-bucket-namespace header: %.*s",
                                   PRSTR(in->BucketNamespace));
    if (!bucket_name_is_valid(in->Bucket))
        return fail_name(call, in->Bucket);
    if (!str_is_absent(in->ObjectOwnership) && !ownership_is_known(in->ObjectOwnership))
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "Invalid x-amz-object-ownership header: %.*s", PRSTR(in->ObjectOwnership));
    const struct s3_CreateBucketConfiguration *more = in->CreateBucketConfiguration;
    if (more != NULL && (more->Location != NULL || more->Bucket != NULL))
        return call_fail(call, S3_UNBUILT_HEADER, "Directory buckets are not implemented.");
    return RESULT_OK;
}

/* "In the us-east-1 Region, ... returns 200 OK" (CreateBucket, Errors). */
static RESULT create_again(struct call *call, const struct s3_bucket *old, struct str region)
{
    if (!str_eq(old->account, call->account)) {
        return s3_fail_bucket(call, S3_BUCKET_ALREADY_EXISTS, old->name,
                              "The requested bucket name is not available. The bucket namespace is "
                              "shared by all users of the system. Please select a different name "
                              "and try again.");
    }
    if (str_eq(old->region, STR("us-east-1")) && str_eq(region, STR("us-east-1")))
        return RESULT_OK;
    return s3_fail_bucket(
        call, S3_BUCKET_ALREADY_OWNED_BY_YOU, old->name,
        "Your previous request to create the named bucket succeeded and you already own it.");
}

static RESULT create_new(struct call *call, const struct s3_CreateBucketRequest *in,
                         struct str region, struct str location)
{
    uint64_t id;
    TRY(call_sequence(call, &id));
    struct s3_bucket bucket = {
        .name = in->Bucket,
        .account = call->account,
        .region = region,
        .location = location,
        .created_ms = call->now_ms / 1000 * 1000,
        .id = (int64_t)id,
        .ownership =
            str_is_absent(in->ObjectOwnership) ? STR("BucketOwnerEnforced") : in->ObjectOwnership,
        .public_access = PUBLIC_ACCESS_ALL,
    };
    const struct acl_request request = {in->ACL,          in->GrantFullControl, in->GrantRead,
                                        in->GrantReadACP, in->GrantWrite,       in->GrantWriteACP};
    const struct s3_AccessControlPolicy *acl;
    TRY(acl_of_new_bucket(call, &bucket, &request, &acl));
    if (in->CreateBucketConfiguration != NULL &&
        in->CreateBucketConfiguration->Tags.items != NULL) {
        struct s3_Tagging tagging = {.TagSet = in->CreateBucketConfiguration->Tags};
        TRY(s3_read_tag_set(call, &tagging, 50, &bucket.tags));
        TRY(bucket_check_tag_policy(call, &bucket));
    }
    TRY(bucket_put(call, &bucket));
    if (acl != NULL)
        TRY(setting_put(call, &bucket, S3_SETTING_ACL, (struct str){0}, acl));
    if (in->ObjectLockEnabledForBucket.set && in->ObjectLockEnabledForBucket.value)
        TRY(lock_enable(call, &bucket));
    struct key owned = owned_key(call, &bucket);
    return kv_put(call->txn, key_bytes(&owned), bucket.region);
}

RESULT s3_CreateBucket(struct call *call, const struct s3_CreateBucketRequest *in,
                       struct s3_CreateBucketOutput *out)
{
    struct str location = {0}, region;
    struct s3_bucket old;
    bool found;
    if (in->CreateBucketConfiguration != NULL)
        location = in->CreateBucketConfiguration->LocationConstraint;
    TRY(create_check(call, in));
    TRY(s3_check_body(call));
    TRY(create_region(call, location, &region));
    TRY(create_namespace(call, in, region));
    TRY(bucket_find(call, in->Bucket, &old, &found));
    if (found)
        TRY(create_again(call, &old, region));
    else
        TRY(create_new(call, in, region, location));
    out->Location = str_is_absent(location) ? str_concat(call->arena, STR("/"), in->Bucket)
                                            : str_format(call->arena, "%.*s/%.*s",
                                                         PRSTR(call->endpoint), PRSTR(in->Bucket));
    out->BucketArn = bucket_arn(call, in->Bucket);
    return RESULT_OK;
}

/* --- DeleteBucket --- */

static RESULT bucket_has(struct call *call, const struct s3_bucket *bucket, struct str table,
                         bool *has)
{
    struct key prefix;
    struct kv_cursor *cursor;
    struct str key, value;
    key_init(&prefix, call->arena);
    key_str(&prefix, table);
    key_i64(&prefix, bucket->id);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    kv_cursor_close(cursor);
    *has = !str_is_absent(key);
    return RESULT_OK;
}

RESULT s3_DeleteBucket(struct call *call, const struct s3_DeleteBucketRequest *in,
                       struct s3_DeleteBucketResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool objects, versions, uploads;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(bucket_has(call, &bucket, STR("s3-object"), &objects));
    TRY(bucket_has(call, &bucket, STR("s3-version"), &versions));
    if (objects || versions) {
        struct s3_BucketNotEmpty *detail = ARENA_NEW(call->arena, struct s3_BucketNotEmpty);
        detail->BucketName = in->Bucket;
        return call_fail_with(
            call, S3_BUCKET_NOT_EMPTY, detail, "%s",
            objects ? "The bucket you tried to delete is not empty"
                    : "The bucket you tried to delete is not empty. You must delete all versions "
                      "in the bucket.");
    }
    TRY(bucket_has(call, &bucket, STR("s3-upload"), &uploads));
    if (uploads)
        TRY(job_schedule(call, STR("s3.drop"), call->now_ms,
                         str_format(call->arena, "%lld", (long long)bucket.id), NULL));
    TRY(settings_drop(call, &bucket));
    TRY(inventory_drop(call, bucket.id, (struct str){0}));
    TRY(crypt_drop_bucket(call, &bucket));
    struct key owned = owned_key(call, &bucket), key;
    TRY(kv_delete(call->txn, key_bytes(&owned), NULL));
    key_init(&key, call->arena);
    key_str(&key, STR("s3"));
    key_str(&key, STR("bucket"));
    key_str(&key, bucket.name);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* --- HeadBucket, GetBucketLocation --- */

RESULT s3_HeadBucket(struct call *call, const struct s3_HeadBucketRequest *in,
                     struct s3_HeadBucketOutput *out)
{
    struct s3_bucket bucket;
    const struct access_target *target;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(access_target(call, in->Bucket, &target));
    out->BucketRegion = bucket.region;
    out->BucketArn = bucket_arn(call, bucket.name);
    out->AccessPointAlias = opt_bool(target->by_point);
    return RESULT_OK;
}

RESULT s3_GetBucketLocation(struct call *call, const struct s3_GetBucketLocationRequest *in,
                            struct s3_GetBucketLocationOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open_anywhere(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    out->LocationConstraint = bucket.location; /* absent for us-east-1 */
    return RESULT_OK;
}

/* --- ListBuckets --- */

static RESULT list_start(struct call *call, const struct s3_ListBucketsRequest *in,
                         struct key *from, bool *seek)
{
    struct str position;
    *seek = !str_is_absent(in->ContinuationToken);
    if (!*seek)
        return RESULT_OK;
    if (!paging_position(call, in->ContinuationToken, &position))
        return s3_invalid_argument(call, "continuation-token", in->ContinuationToken,
                                   "The continuation token provided is incorrect");
    key_str(from, position);
    return RESULT_OK;
}

static RESULT list_add(struct call *call, const struct s3_ListBucketsRequest *in, struct str name,
                       struct str region, struct s3_Buckets *list, size_t *cap)
{
    struct s3_bucket bucket;
    bool found;
    TRY(bucket_find(call, name, &bucket, &found));
    if (!found)
        return FAULT("a bucket that is owned does not exist");
    struct s3_Bucket entry = {.Name = bucket.name, .CreationDate = opt_time(bucket.created_ms)};
    if (in->MaxBuckets.set || !str_is_absent(in->Prefix) || !str_is_absent(in->BucketRegion) ||
        !str_is_absent(in->ContinuationToken))
        entry.BucketRegion = str_copy(call->arena, region);
    VEC_PUSH(call->arena, list->items, list->len, *cap, entry);
    return RESULT_OK;
}

/* ListDirectoryBuckets is the same request to another host, which clients that were given an
 * endpoint do not go to; it must not be told of these buckets. */
static RESULT list_check_kind(struct call *call)
{
    if (call->request == NULL)
        return RESULT_OK;
    struct str signature = wire_request_header(call->request, STR("authorization"));
    if (str_find(signature, STR("/s3express/aws4_request")) == SIZE_MAX &&
        str_find(call->request->query, STR("max-directory-buckets=")) == SIZE_MAX &&
        str_find(call->request->query, STR("x-id=ListDirectoryBuckets")) == SIZE_MAX)
        return RESULT_OK;
    return call_fail(call, S3_UNBUILT_HEADER, "Directory buckets are not implemented.");
}

RESULT s3_ListBuckets(struct call *call, const struct s3_ListBucketsRequest *in,
                      struct s3_ListBucketsOutput *out)
{
    TRY(list_check_kind(call));
    if (call->principal.kind == PRINCIPAL_ANONYMOUS)
        return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
    if (in->MaxBuckets.set && (in->MaxBuckets.value < 1 || in->MaxBuckets.value > 10000))
        return s3_invalid_argument(call, "max-buckets",
                                   str_format(call->arena, "%d", (int)in->MaxBuckets.value),
                                   "Argument max-buckets must be an integer between 1 and 10000");
    size_t limit = in->MaxBuckets.set ? (size_t)in->MaxBuckets.value : 10000, cap = 0;
    struct key prefix = owned_prefix(call, call->account), from = prefix;
    struct kv_cursor *cursor;
    bool seek;
    TRY(list_start(call, in, &from, &seek));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (seek)
        TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    out->Buckets.items = ARENA_NEW(call->arena, struct s3_Bucket);
    cap = 1;
    for (;;) {
        struct str key, region, skip, name;
        TRY(kv_next(cursor, &key, &region));
        if (str_is_absent(key))
            break;
        struct key_reader reader = key_read(call->arena, key);
        if (!key_next_str(&reader, &skip) || !key_next_str(&reader, &skip) ||
            !key_next_str(&reader, &skip) || !key_next_str(&reader, &name))
            return FAULT("a broken key of a bucket's owner");
        if ((seek && str_eq(key, key_bytes(&from))) ||
            !str_starts_with(name, str_is_absent(in->Prefix) ? STR("") : in->Prefix) ||
            (!str_is_absent(in->BucketRegion) && !str_eq(region, in->BucketRegion)))
            continue;
        if (out->Buckets.len == limit) {
            out->ContinuationToken =
                paging_token(call, out->Buckets.items[out->Buckets.len - 1].Name);
            break;
        }
        TRY(list_add(call, in, name, region, &out->Buckets, &cap));
    }
    out->Owner = s3_owner(call, call->account);
    out->Prefix = in->Prefix;
    return RESULT_OK;
}
