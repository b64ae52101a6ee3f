/* Buckets: names, owners, regions. */
#include "base/encode.h"
#include "cloud/arn.h"
#include "services/s3/access.h"
#include "services/s3/access_log.h"

/* --- names --- */

static bool name_is_address(struct str name)
{
    unsigned dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '.')
            dots++;
        else if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
    }
    return dots == 3;
}

static bool name_is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* "General purpose bucket naming rules", Amazon S3 User Guide. */
bool bucket_name_is_valid(struct str name)
{
    static const struct str prefixes[] = {STR_INIT("xn--"), STR_INIT("sthree-"),
                                          STR_INIT("amzn-s3-demo-")};
    static const struct str suffixes[] = {STR_INIT("-s3alias"), STR_INIT("--ol-s3"),
                                          STR_INIT(".mrap"), STR_INIT("--x-s3"),
                                          STR_INIT("--table-s3")};
    if (name.len < 3 || name.len > 63 || !name_is_alphanumeric(name.ptr[0]) ||
        !name_is_alphanumeric(name.ptr[name.len - 1]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!name_is_alphanumeric(c) && c != '-' && c != '.')
            return false;
        if (c == '.' && name.ptr[i - 1] == '.')
            return false;
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (str_starts_with(name, prefixes[i]))
            return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (str_ends_with(name, suffixes[i]))
            return false;
    return !name_is_address(name);
}

/* --- records --- */

static struct key bucket_key(struct call *call, struct str name)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3"));
    key_str(&key, STR("bucket"));
    key_str(&key, name);
    return key;
}

RESULT bucket_find(struct call *call, struct str name, struct s3_bucket *bucket, bool *found)
{
    struct key key = bucket_key(call, name);
    TRY(call_get_record_copy(call, &key, &s3_model, S3_SHAPE_bucket, bucket, found));
    access_log_note(call, bucket);
    return RESULT_OK;
}

RESULT bucket_put(struct call *call, const struct s3_bucket *bucket)
{
    struct key key = bucket_key(call, bucket->name);
    return call_put_record(call, &key, &s3_model, S3_SHAPE_bucket, bucket);
}

bool bucket_is_versioned(const struct s3_bucket *bucket)
{
    return bucket->versioning.len > 0;
}

struct str s3_owner_id(struct arena *arena, struct str account)
{
    if (str_eq(account, STR("anonymous"))) /* whose objects are that nobody signed for */
        return STR("65a011a29cdf8ec533ec3d1ccaae921c");
    return account_canonical_id(arena, account);
}

struct s3_Owner *s3_owner(struct call *call, struct str account)
{
    struct s3_Owner *owner = ARENA_NEW(call->arena, struct s3_Owner);
    owner->ID = s3_owner_id(call->arena, account);
    return owner;
}

/* --- opening --- */

/* "Verifying bucket ownership with bucket owner condition", Amazon S3 User Guide. */
static RESULT check_owner(struct call *call, const struct s3_bucket *bucket, struct str expected)
{
    if (!arn_is_account(expected))
        return call_fail(call, S3_INVALID_BUCKET_OWNER_AWS_ACCOUNT_ID,
                         "The value of the expected bucket owner parameter must be an AWS account "
                         "ID.");
    return str_eq(expected, bucket->account) ? RESULT_OK
                                             : call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
}

RESULT bucket_open_anywhere(struct call *call, struct str name, struct str expected_owner,
                            struct s3_bucket *bucket)
{
    const struct access_target *target;
    TRY(access_target(call, name, &target));
    if (target->found) {
        *bucket = target->bucket;
        return str_is_absent(expected_owner) ? RESULT_OK
                                             : check_owner(call, bucket, expected_owner);
    }
    bool by_host = call->request != NULL && !str_is_absent(call->request->host) &&
                   str_find(call->request->host, STR(".s3-accesspoint")) != SIZE_MAX;
    if (by_host || str_starts_with(name, STR("arn:")) || str_ends_with(name, STR("-s3alias")))
        return call_fail(call, S3_NO_SUCH_ACCESS_POINT, "The specified accesspoint does not exist");
    if (str_eq(name, STR("_kumoniwa"))) /* of a website, where pages can only be read */
        return call_fail(call, WIRE_INVALID_ACTION,
                         "The specified method is not allowed against this resource.");
    return s3_fail_bucket(call, S3_NO_SUCH_BUCKET, name, "The specified bucket does not exist");
}

RESULT bucket_open(struct call *call, struct str name, struct str expected_owner,
                   struct s3_bucket *bucket)
{
    TRY(bucket_open_anywhere(call, name, expected_owner, bucket));
    return bucket_check_region(call, bucket);
}
