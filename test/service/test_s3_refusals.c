/* What S3's errors say beyond code and message, and what requests may not say: one call each. */
#include "s3_support.h"

enum { S3_TEST_KEY_MAX = 1024 };

static struct loopback_reply copy_from(struct loopback *lo, struct str source)
{
    return S3_CALL(lo, CopyObject, .Bucket = STR("bucket"), .Key = STR("copy"),
                   .CopySource = source);
}

/* --- the bucket is named --- */

static void test_named_buckets(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    const struct str bucket = STR("bucket");
    const struct {
        struct loopback_reply reply;
        const char *code, *message;
    } all[] = {
        {S3_CALL(lo, GetBucketTagging, .Bucket = bucket), "NoSuchTagSet",
         "The TagSet does not exist"},
        {S3_CALL(lo, GetBucketLifecycleConfiguration, .Bucket = bucket),
         "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
        {S3_CALL(lo, GetBucketReplication, .Bucket = bucket),
         "ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
        {S3_CALL(lo, GetObjectLockConfiguration, .Bucket = bucket),
         "ObjectLockConfigurationNotFoundError",
         "Object Lock configuration does not exist for this bucket"},
        {S3_CALL(lo, GetBucketCors, .Bucket = bucket), "NoSuchCORSConfiguration",
         "The CORS configuration does not exist"},
        {S3_CALL(lo, GetBucketWebsite, .Bucket = bucket), "NoSuchWebsiteConfiguration",
         "The specified bucket does not have a website configuration"},
        {S3_CALL(lo, GetBucketPolicy, .Bucket = bucket), "NoSuchBucketPolicy",
         "The bucket policy does not exist"},
        {S3_CALL(lo, GetBucketMetricsConfiguration, .Bucket = bucket, .Id = STR("none")),
         "NoSuchConfiguration", "The specified configuration does not exist."},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        loopback_error(all[i].reply, all[i].code, all[i].message);
        assert_non_null(all[i].reply.detail);
        assert_text(*(const struct str *)all[i].reply.detail, bucket);
    }
    loopback_error(S3_CALL(lo, HeadBucket, .Bucket = bucket, .ExpectedBucketOwner = STR("me")),
                   "InvalidBucketOwnerAWSAccountID", NULL);
    loopback_error(
        S3_CALL(lo, HeadBucket, .Bucket = bucket, .ExpectedBucketOwner = STR("111111111111")),
        "AccessDenied", "Access Denied");
}

static void test_locations(void **state)
{
    struct loopback *lo = *state;
    struct s3_CreateBucketConfiguration configuration = {.LocationConstraint = STR("nowhere")};
    struct loopback_reply reply = S3_CALL(lo, CreateBucket, .Bucket = STR("bucket"),
                                          .CreateBucketConfiguration = &configuration);
    loopback_error(reply, "InvalidLocationConstraint",
                   "The specified location-constraint is not valid");
    const struct s3_InvalidLocationConstraint *detail = reply.detail;
    assert_text(detail->LocationConstraint, STR("nowhere"));
}

static struct loopback_reply create_in(struct loopback *lo, const char *name, const char *space)
{
    return S3_CALL(lo, CreateBucket, .Bucket = str_from_c(name),
                   .BucketNamespace = str_from_c(space));
}

static void test_namespaces(void **state)
{
    struct loopback *lo = *state;
    loopback_ok(create_in(lo, "data-000000000000-us-east-1-an", "account-regional"));
    loopback_ok(create_in(lo, "data-an-old", "global"));
    static const struct {
        const char *name, *space;
    } wrong[] = {
        {"data", "account-regional"},
        {"data-111111111111-us-east-1-an", "account-regional"},
        {"data-000000000000-eu-west-1-an", "account-regional"},
        {"-000000000000-us-east-1-an", "account-regional"},
        {"more-000000000000-us-east-1-an", "global"},
        {"more-000000000000-us-east-1-an", NULL},
        {"more-an", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        loopback_error(create_in(lo, wrong[i].name, wrong[i].space), "InvalidBucketName",
                       "The specified bucket is not valid.");
    loopback_error(create_in(lo, "data", "moon"), "InvalidArgument",
                   "Invalid x-amz-bucket-namespace header: moon");
}

/* --- objects --- */

static void test_long_keys(void **state)
{
    struct loopback *lo = *state;
    char text[S3_TEST_KEY_MAX + 1];
    s3_bucket(lo, "bucket", false);
    memset(text, 'k', sizeof text);
    const struct str key = str_make(text, sizeof text), bucket = STR("bucket");
    const struct loopback_reply all[] = {
        S3_CALL(lo, PutObject, .Bucket = bucket, .Key = key),
        S3_CALL(lo, GetObject, .Bucket = bucket, .Key = key),
        S3_CALL(lo, HeadObject, .Bucket = bucket, .Key = key),
        S3_CALL(lo, DeleteObject, .Bucket = bucket, .Key = key),
        S3_CALL(lo, GetObjectTagging, .Bucket = bucket, .Key = key),
        S3_CALL(lo, CreateMultipartUpload, .Bucket = bucket, .Key = key),
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct s3_KeyTooLongError *detail = all[i].detail;
        loopback_error(all[i], "KeyTooLongError", "Your key is too long");
        assert_int_equal(detail->Size.value, S3_TEST_KEY_MAX + 1);
        assert_int_equal(detail->MaxSizeAllowed.value, S3_TEST_KEY_MAX);
    }
}

static void test_part_numbers(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    s3_put(lo, "bucket", STR("k"));
    struct loopback_reply reply =
        S3_CALL(lo, GetObject, .Bucket = STR("bucket"), .Key = STR("k"), .PartNumber = opt_int(3));
    loopback_error(reply, "InvalidPartNumber", "The requested partnumber is not satisfiable");
    const struct s3_InvalidPartNumber *detail = reply.detail;
    assert_int_equal(detail->ActualPartCount.value, 1);
    assert_int_equal(detail->PartNumberRequested.value, 3);
}

static void assert_argument(struct loopback_reply reply, const char *message, const char *name,
                            const char *value)
{
    loopback_error(reply, "InvalidArgument", message);
    const struct s3_InvalidArgument *detail = reply.detail;
    assert_non_null(detail);
    assert_text(detail->ArgumentName, str_from_c(name));
    assert_text(detail->ArgumentValue, str_from_c(value));
}

static void test_words_that_nobody_knows(void **state)
{
    struct loopback *lo = *state;
    loopback_ok(
        S3_CALL(lo, CreateBucket, .Bucket = STR("bucket"), .ObjectOwnership = STR("ObjectWriter")));
    const struct s3_PutObjectRequest base = {.Bucket = STR("bucket"), .Key = STR("k")};
    struct s3_PutObjectRequest one = base;
    one.StorageClass = STR("WARM");
    struct loopback_reply reply = loopback_call(lo, &s3_model, S3_OP_PutObject, &one);
    loopback_error(reply, "InvalidStorageClass", "The storage class you specified is not valid");
    assert_text(((const struct s3_InvalidStorageClass *)reply.detail)->StorageClassRequested,
                STR("WARM"));
    one = base;
    one.ServerSideEncryption = STR("rot13");
    assert_argument(loopback_call(lo, &s3_model, S3_OP_PutObject, &one),
                    "The encryption method specified is not supported",
                    "x-amz-server-side-encryption", "rot13");
    one = base;
    one.GrantRead = STR("id=me");
    assert_argument(loopback_call(lo, &s3_model, S3_OP_PutObject, &one), "Invalid id",
                    "CanonicalUser/ID", "me");
    one.GrantRead = STR("uri=\"http://all\"");
    assert_argument(loopback_call(lo, &s3_model, S3_OP_PutObject, &one), "Invalid group uri",
                    "Group/URI", "http://all");
    one = base;
    one.ACL = STR("mine");
    assert_argument(loopback_call(lo, &s3_model, S3_OP_PutObject, &one),
                    "The canned ACL mine is not valid.", "x-amz-acl", "mine");
}

static void test_redirects(void **state)
{
    struct loopback *lo = *state;
    char longer[2049];
    s3_bucket(lo, "bucket", false);
    memset(longer, '/', sizeof longer);
    const struct str bucket = STR("bucket"), key = STR("k");
    loopback_error(
        S3_CALL(lo, PutObject, .Bucket = bucket, .Key = key,
                .WebsiteRedirectLocation = STR("page.html")),
        "InvalidRedirectLocation",
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.");
    loopback_error(S3_CALL(lo, CreateMultipartUpload, .Bucket = bucket, .Key = key,
                           .WebsiteRedirectLocation = str_make(longer, sizeof longer)),
                   "InvalidRedirectLocation",
                   "The length of website redirect location cannot exceed 2,048 characters.");
    loopback_ok(S3_CALL(lo, PutObject, .Bucket = bucket, .Key = key,
                        .WebsiteRedirectLocation = STR("https://example.com/")));
}

static void test_tags(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    struct loopback_reply reply =
        S3_CALL(lo, PutObject, .Bucket = STR("bucket"), .Key = STR("k"), .Tagging = STR("a=1&a=2"));
    loopback_error(reply, "InvalidArgument",
                   "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                   "parameters without tag name duplicates.");
    const struct s3_InvalidArgument *argument = reply.detail;
    assert_text(argument->ArgumentName, STR("x-amz-tagging"));
    assert_text(argument->ArgumentValue, STR("a=1&a=2"));
    reply = S3_CALL(lo, PutObject, .Bucket = STR("bucket"), .Key = STR("k"),
                    .Tagging = STR("good=1&bad=%3C"));
    loopback_error(reply, "InvalidTag", "The TagValue you have provided is invalid");
    const struct s3_InvalidTag *tag = reply.detail;
    assert_text(tag->TagKey, STR("bad"));
    assert_text(tag->TagValue, STR("<"));
    loopback_error(
        S3_CALL(lo, PutObject, .Bucket = STR("bucket"), .Key = STR("k"), .Tagging = STR("aws:x=1")),
        "InvalidTag", "System tags cannot be added/updated by requester");
}

/* --- copies --- */

static void test_sources(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", true);
    s3_put(lo, "bucket", STR("k"));
    struct loopback_reply reply = copy_from(lo, STR("bucket"));
    loopback_error(reply, "InvalidArgument",
                   "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    const struct s3_InvalidArgument *argument = reply.detail;
    assert_text(argument->ArgumentName, STR("x-amz-copy-source"));
    assert_text(argument->ArgumentValue, STR("bucket"));
    const struct s3_DeleteObjectOutput *marker =
        loopback_ok(S3_CALL(lo, DeleteObject, .Bucket = STR("bucket"), .Key = STR("k")));
    struct str source = str_format(lo->arena, "bucket/k?versionId=%.*s", PRSTR(marker->VersionId));
    loopback_error(copy_from(lo, source), "InvalidRequest",
                   "The source of a copy request may not specifically refer to a delete marker by "
                   "version id.");
    loopback_error(copy_from(lo, STR("bucket/k")), "DeleteMarkerFound",
                   "The specified key does not exist.");
}

static void test_conditions_on_sources(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    s3_put(lo, "bucket", STR("k"));
    const struct s3_HeadObjectOutput *head =
        loopback_ok(S3_CALL(lo, HeadObject, .Bucket = STR("bucket"), .Key = STR("k")));
    const struct s3_CopyObjectRequest base = {
        .Bucket = STR("bucket"), .Key = STR("copy"), .CopySource = STR("bucket/k")};
    struct s3_CopyObjectRequest all[4];
    static const char *const names[] = {
        "x-amz-copy-source-If-Match", "x-amz-copy-source-If-None-Match",
        "x-amz-copy-source-If-Modified-Since", "x-amz-copy-source-If-Unmodified-Since"};
    for (size_t i = 0; i < 4; i++)
        all[i] = base;
    all[0].CopySourceIfMatch = STR("\"other\"");
    all[1].CopySourceIfNoneMatch = head->ETag;
    all[2].CopySourceIfModifiedSince = opt_time(loopback_now(lo) + 1000000);
    all[3].CopySourceIfUnmodifiedSince = opt_time(1000);
    for (size_t i = 0; i < 4; i++) {
        struct loopback_reply reply = loopback_call(lo, &s3_model, S3_OP_CopyObject, &all[i]);
        loopback_error(reply, "PreconditionFailed",
                       "At least one of the pre-conditions you specified did not hold");
        assert_text(((const struct s3_PreconditionFailed *)reply.detail)->Condition,
                    str_from_c(names[i]));
    }
}

static void test_lists_name_versions(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", true);
    struct str version_id = s3_put(lo, "bucket", STR("k"));
    struct loopback_reply reply =
        S3_CALL(lo, GetObjectAcl, .Bucket = STR("bucket"), .Key = STR("k"));
    loopback_ok(reply);
    assert_text(loopback_header(reply, "x-amz-version-id"), version_id);
    reply = S3_CALL(lo, PutObjectAcl, .Bucket = STR("bucket"), .Key = STR("k"),
                    .ACL = STR("bucket-owner-full-control"));
    loopback_ok(reply);
    assert_text(loopback_header(reply, "x-amz-version-id"), version_id);
}

/* --- listings --- */

static void test_markers(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "bucket", false);
    const struct s3_CreateMultipartUploadOutput *upload =
        loopback_ok(S3_CALL(lo, CreateMultipartUpload, .Bucket = STR("bucket"), .Key = STR("k")));
    loopback_error(S3_CALL(lo, ListMultipartUploads, .Bucket = STR("bucket"), .KeyMarker = STR("k"),
                           .UploadIdMarker = STR("none")),
                   "InvalidArgument", "Invalid uploadId marker");
    loopback_error(S3_CALL(lo, ListParts, .Bucket = STR("bucket"), .Key = STR("k"),
                           .UploadId = upload->UploadId, .PartNumberMarker = opt_int(-1)),
                   "InvalidArgument",
                   "Argument part-number-marker must be an integer between 0 and 2147483647");
    loopback_error(S3_CALL(lo, ListBuckets, .MaxBuckets = opt_int(0)), "InvalidArgument",
                   "Argument max-buckets must be an integer between 1 and 10000");
    struct str attribute = STR("Size");
    struct loopback_reply reply = S3_CALL(lo, GetObjectAttributes, .Bucket = STR("bucket"),
                                          .Key = STR("k"), .ObjectAttributes = {&attribute, 1});
    loopback_error(reply, "InvalidArgument", "Invalid attribute name specified.");
    assert_text(((const struct s3_InvalidArgument *)reply.detail)->ArgumentValue, attribute);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_named_buckets),
        S3_TEST(test_locations),
        S3_TEST(test_namespaces),
        S3_TEST(test_long_keys),
        S3_TEST(test_redirects),
        S3_TEST(test_words_that_nobody_knows),
        S3_TEST(test_part_numbers),
        S3_TEST(test_tags),
        S3_TEST(test_sources),
        S3_TEST(test_conditions_on_sources),
        S3_TEST(test_lists_name_versions),
        S3_TEST(test_markers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
