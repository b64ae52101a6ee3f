/* Who may what, without a client: anonymous callers, services, other accounts, and how a decision
 * follows from bucket, object and list together. */
#include "service/s3_support.h"

#define POLICY(more) STR("{\"Version\":\"2012-10-17\",\"Statement\":[" more "]}")

static struct loopback *as(struct loopback *lo, const char *account, enum principal_kind kind)
{
    lo->account = str_from_c(account);
    lo->principal = kind;
    lo->user = (struct str){0};
    return lo;
}

static struct loopback *owner(struct loopback *lo)
{
    return as(lo, "000000000000", PRINCIPAL_ROOT);
}

static struct loopback *other(struct loopback *lo)
{
    return as(lo, "111111111111", PRINCIPAL_ROOT);
}

static struct loopback *anybody(struct loopback *lo)
{
    lo->principal = PRINCIPAL_ANONYMOUS;
    lo->account = (struct str){0};
    return lo;
}

static struct loopback *service(struct loopback *lo, const char *name)
{
    as(lo, "000000000000", PRINCIPAL_SERVICE);
    lo->user = str_from_c(name);
    return lo;
}

/* Anybody may be let in. */
static void open_bucket(struct loopback *lo)
{
    s3_bucket(lo, "bucket", false);
    s3_put(lo, "bucket", STR("k"));
    loopback_ok(S3_CALL(lo, DeletePublicAccessBlock, .Bucket = STR("bucket")));
}

static void set_policy(struct loopback *lo, struct str text)
{
    struct loopback_reply reply =
        S3_CALL(owner(lo), PutBucketPolicy, .Bucket = STR("bucket"), .Policy = text);
    loopback_ok(reply);
}

#define GET(lo) S3_CALL((lo), GetObject, .Bucket = STR("bucket"), .Key = STR("k"))

static void test_nobody(void **state)
{
    struct loopback *lo = *state;
    open_bucket(lo);
    loopback_error(GET(anybody(lo)), "AccessDenied", "Access Denied");
    set_policy(lo, POLICY("{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\","
                          "\"Resource\":\"arn:aws:s3:::bucket/*\"}"));
    loopback_ok(GET(anybody(lo)));
    loopback_error(S3_CALL(anybody(lo), ListObjectsV2, .Bucket = STR("bucket")),
                   "BucketAccessDenied", "Access Denied");
    loopback_error(S3_CALL(anybody(lo), GetObject, .Bucket = STR("bucket"), .Key = STR("none")),
                   "AccessDenied", "Access Denied");
    loopback_error(S3_CALL(anybody(lo), CreateBucket, .Bucket = STR("mine")), "AccessDenied",
                   "Access Denied");
    loopback_error(S3_CALL(anybody(lo), ListBuckets, .Prefix = STR("b")), "AccessDenied",
                   "Access Denied");
    loopback_error(S3_CALL(anybody(lo), HeadBucket, .Bucket = STR("not-there")), "NoSuchBucket",
                   NULL);
}

static void test_services(void **state)
{
    struct loopback *lo = *state;
    open_bucket(lo);
    loopback_ok(GET(service(lo, "s3.amazonaws.com"))); /* itself */
    loopback_error(GET(service(lo, "cloudtrail.amazonaws.com")), "AccessDenied", NULL);
    set_policy(lo, POLICY("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
                          "\"cloudtrail.amazonaws.com\"},\"Action\":\"s3:GetObject\",\"Resource\":"
                          "\"arn:aws:s3:::bucket/*\",\"Condition\":{\"StringEquals\":"
                          "{\"aws:SourceArn\":\"arn:aws:cloudtrail:us-east-1:000000000000:trail/"
                          "t\"}}}"));
    service(lo, "cloudtrail.amazonaws.com");
    loopback_error(GET(lo), "AccessDenied", NULL);
    lo->source_arn = STR("arn:aws:cloudtrail:us-east-1:000000000000:trail/t");
    loopback_ok(GET(lo));
    lo->source_arn = (struct str){0};
}

static void test_restricted(void **state)
{
    struct loopback *lo = *state;
    struct s3_PublicAccessBlockConfiguration restrict_ = {.RestrictPublicBuckets = opt_bool(true)};
    open_bucket(lo);
    set_policy(lo, POLICY("{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
                          "\"Resource\":[\"arn:aws:s3:::bucket\",\"arn:aws:s3:::bucket/*\"]}"));
    loopback_ok(GET(other(lo)));
    loopback_ok(S3_CALL(owner(lo), PutPublicAccessBlock, .Bucket = STR("bucket"),
                        .PublicAccessBlockConfiguration = &restrict_));
    loopback_error(GET(other(lo)), "AccessDenied", "Access Denied");
    loopback_error(GET(anybody(lo)), "AccessDenied", "Access Denied");
    loopback_ok(GET(owner(lo)));
    /* What is not public is not restricted. */
    set_policy(lo, POLICY("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111111111111\"},"
                          "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::bucket/*\"}"));
    loopback_ok(GET(other(lo)));
}

/* The bucket's policy does not open what another account owns, but it closes it. */
static void test_objects_of_others(void **state)
{
    struct loopback *lo = *state;
    struct s3_OwnershipControlsRule rule = {.ObjectOwnership = STR("ObjectWriter")};
    struct s3_OwnershipControls controls = {.Rules = {&rule, 1}};
    open_bucket(lo);
    loopback_ok(S3_CALL(lo, PutBucketOwnershipControls, .Bucket = STR("bucket"),
                        .OwnershipControls = &controls));
    set_policy(lo, POLICY("{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
                          "\"Resource\":[\"arn:aws:s3:::bucket\",\"arn:aws:s3:::bucket/*\"]}"));
    s3_put(other(lo), "bucket", STR("k"));
    loopback_error(GET(owner(lo)), "AccessDenied", NULL);
    loopback_error(GET(anybody(lo)), "AccessDenied", NULL);
    loopback_ok(GET(other(lo)));
    loopback_ok(S3_CALL(lo, PutObjectAcl, .Bucket = STR("bucket"), .Key = STR("k"),
                        .ACL = STR("bucket-owner-read")));
    loopback_ok(GET(owner(lo)));
    set_policy(lo, POLICY("{\"Effect\":\"Deny\",\"Principal\":{\"AWS\":\"111111111111\"},"
                          "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::bucket/*\"}"));
    loopback_error(GET(other(lo)), "AccessDenied", "Access Denied");
    loopback_ok(S3_CALL(owner(lo), DeleteObject, .Bucket = STR("bucket"), .Key = STR("k")));
}

static void test_expected_owner(void **state)
{
    struct loopback *lo = *state;
    open_bucket(lo);
    loopback_ok(S3_CALL(lo, HeadBucket, .Bucket = STR("bucket"),
                        .ExpectedBucketOwner = STR("000000000000")));
    loopback_error(S3_CALL(lo, HeadBucket, .Bucket = STR("bucket"),
                           .ExpectedBucketOwner = STR("111111111111")),
                   "AccessDenied", "Access Denied");
}

/* Settings go with their bucket: the next of that name is as new. */
static void test_new_again(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    loopback_ok(S3_CALL(lo, DeletePublicAccessBlock, .Bucket = STR("bucket")));
    set_policy(lo, POLICY("{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
                          "\"Resource\":[\"arn:aws:s3:::bucket\",\"arn:aws:s3:::bucket/*\"]}"));
    loopback_ok(S3_CALL(lo, DeleteBucket, .Bucket = STR("bucket")));
    s3_bucket(lo, "bucket", false);
    loopback_error(S3_CALL(lo, GetBucketPolicy, .Bucket = STR("bucket")), "NoSuchBucketPolicy",
                   "The bucket policy does not exist");
    const struct s3_GetPublicAccessBlockOutput *shown =
        loopback_ok(S3_CALL(lo, GetPublicAccessBlock, .Bucket = STR("bucket")));
    assert_true(shown->PublicAccessBlockConfiguration->RestrictPublicBuckets.value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_nobody),         S3_TEST(test_services),
        S3_TEST(test_restricted),     S3_TEST(test_objects_of_others),
        S3_TEST(test_expected_owner), S3_TEST(test_new_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
