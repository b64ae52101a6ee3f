/* Multi-region access points: requests that are carried out later, routes, and the buckets behind.
 */
#include "service/s3control_support.h"

#define BOTH .AccountId = OWNER, .Name = STR("both")

static struct loopback_reply create(struct loopback *lo, const char *token, const char *name,
                                    const char *first, const char *second)
{
    struct s3control_Region regions[] = {{.Bucket = str_from_c(first)},
                                         {.Bucket = str_from_c(second)}};
    struct s3control_CreateMultiRegionAccessPointInput details = {
        .Name = str_from_c(name), .Regions = {regions, second == NULL ? 1 : 2}};
    return CONTROL_CALL(lo, CreateMultiRegionAccessPoint, .AccountId = OWNER,
                        .ClientToken = str_from_c(token), .Details = &details);
}

static void make_buckets(struct loopback *lo)
{
    struct s3_CreateBucketConfiguration west = {.LocationConstraint = STR("us-west-2")};
    s3_bucket(lo, "east", false);
    s3_bucket(lo, "near", false);
    lo->region = STR("us-west-2");
    loopback_ok(
        S3_CALL(lo, CreateBucket, .Bucket = STR("west"), .CreateBucketConfiguration = &west));
    lo->region = STR("us-east-1");
}

/* Its alias. */
static struct str make_point(struct loopback *lo)
{
    make_buckets(lo);
    loopback_ok(create(lo, "one", "both", "east", "west"));
    while (loopback_deliver(lo) > 0)
        ;
    return CONTROL_OK(lo, GetMultiRegionAccessPoint, BOTH)->AccessPoint->Alias;
}

static void test_making(void **state)
{
    struct loopback *lo = *state;
    make_buckets(lo);
    loopback_error(create(lo, "a", "both", "east", "no-such"), "InvalidRequestException",
                   "The bucket no-such does not exist, or is not of the account.");
    loopback_error(create(lo, "b", "both", "east", "near"), "InvalidRequestException",
                   "A Multi-Region Access Point has at most one bucket in a Region.");
    const struct s3control_CreateMultiRegionAccessPointResult *made =
        loopback_ok(create(lo, "c", "both", "east", "west"));
    struct str request = made->RequestTokenARN;
    const struct s3control_DescribeMultiRegionAccessPointOperationResult *told =
        CONTROL_OK(lo, DescribeMultiRegionAccessPointOperation, .AccountId = OWNER,
                   .RequestTokenARN = request);
    assert_text(told->AsyncOperation->RequestStatus, STR("INPROGRESS"));
    struct str alias = CONTROL_OK(lo, GetMultiRegionAccessPoint, BOTH)->AccessPoint->Alias;
    loopback_error(S3_CALL(lo, ListObjectsV2, .Bucket = alias), "NoSuchMultiRegionAccessPoint",
                   NULL);                                        /* not ready */
    made = loopback_ok(create(lo, "c", "both", "east", "west")); /* the same request */
    assert_text(made->RequestTokenARN, request);
    loopback_error(create(lo, "c", "other", "east", NULL), "InvalidRequestException",
                   "The client token was used for another request.");
    loopback_error(create(lo, "d", "both", "east", NULL), "MultiRegionAccessPointAlreadyOwnedByYou",
                   NULL);
    while (loopback_deliver(lo) > 0)
        ;
    told = CONTROL_OK(lo, DescribeMultiRegionAccessPointOperation, .AccountId = OWNER,
                      .RequestTokenARN = request);
    assert_text(told->AsyncOperation->RequestStatus, STR("SUCCEEDED"));
    loopback_ok(S3_CALL(lo, ListObjectsV2, .Bucket = alias));
    CONTROL_FAILS(lo, "NoSuchAsyncRequest", NULL, DescribeMultiRegionAccessPointOperation,
                  .AccountId = OWNER, .RequestTokenARN = str_concat(lo->arena, request, STR("x")));
    CONTROL_FAILS(lo, "NoSuchMultiRegionAccessPoint", NULL, GetMultiRegionAccessPoint,
                  .AccountId = OWNER, .Name = STR("none"));
    CONTROL_FAILS(lo, "AccessDenied", NULL, GetMultiRegionAccessPoint,
                  .AccountId = STR("111111111111"), .Name = STR("both"));
    struct s3control_DeleteMultiRegionAccessPointInput gone = {.Name = STR("both")};
    CONTROL_DO(lo, DeleteMultiRegionAccessPoint, .AccountId = OWNER, .ClientToken = STR("e"),
               .Details = &gone);
    loopback_error(S3_CALL(lo, ListObjectsV2, .Bucket = alias), "NoSuchMultiRegionAccessPoint",
                   NULL);
    while (loopback_deliver(lo) > 0)
        ;
    CONTROL_FAILS(lo, "NoSuchMultiRegionAccessPoint", NULL, GetMultiRegionAccessPoint, BOTH);
    assert_int_equal(
        CONTROL_OK(lo, ListMultiRegionAccessPoints, .AccountId = OWNER)->AccessPoints.len, 0);
}

static struct loopback_reply dial(struct loopback *lo, struct str alias, const char *bucket,
                                  const char *region, int percent)
{
    struct s3control_MultiRegionAccessPointRoute route = {.Bucket = str_from_c(bucket),
                                                          .Region = str_from_c(region),
                                                          .TrafficDialPercentage =
                                                              opt_int(percent)};
    return CONTROL_CALL(lo, SubmitMultiRegionAccessPointRoutes, .AccountId = OWNER, .Mrap = alias,
                        .RouteUpdates = {&route, 1});
}

static void test_routes(void **state)
{
    struct loopback *lo = *state;
    struct str alias = make_point(lo);
    struct str arn = str_concat(lo->arena, STR("arn:aws:s3::000000000000:accesspoint/"), alias);
    s3_put(lo, "east", STR("in-east"));
    loopback_ok(S3_CALL(lo, HeadObject, .Bucket = alias, .Key = STR("in-east")));
    loopback_ok(S3_CALL(lo, HeadObject, .Bucket = arn, .Key = STR("in-east")));
    loopback_ok(dial(lo, alias, NULL, "us-east-1", 0));
    loopback_error(S3_CALL(lo, HeadObject, .Bucket = arn, .Key = STR("in-east")), "NoSuchKey",
                   NULL);
    loopback_ok(S3_CALL(lo, PutObject, .Bucket = arn, .Key = STR("in-west")));
    assert_int_equal(
        CONTROL_OK(lo, GetMultiRegionAccessPointRoutes, .AccountId = OWNER, .Mrap = arn)
            ->Routes.items[0]
            .TrafficDialPercentage.value,
        0);
    loopback_error(dial(lo, alias, "west", NULL, 0), "InvalidRequestException",
                   "At least one Region must be active at all times.");
    loopback_error(dial(lo, alias, NULL, NULL, 0), "InvalidRequestException",
                   "Either the Bucket or the Region value must be provided.");
    loopback_error(dial(lo, alias, "west", NULL, 50), "InvalidRequestException",
                   "TrafficDialPercentage must be 0 or 100.");
    loopback_error(dial(lo, alias, "near", NULL, 100), "InvalidRequestException",
                   "The Multi-Region Access Point has no such bucket or Region.");
    loopback_error(dial(lo, STR("none.mrap"), "west", NULL, 100), "NoSuchMultiRegionAccessPoint",
                   NULL);
    loopback_ok(dial(lo, alias, "east", NULL, 100));
    loopback_ok(S3_CALL(lo, HeadObject, .Bucket = alias, .Key = STR("in-east")));
    /* Not for everything, nor by another's ARN. */
    loopback_error(S3_CALL(lo, GetBucketVersioning, .Bucket = alias), "MethodNotAllowed", NULL);
    loopback_error(S3_CALL(lo, CopyObject, .Bucket = alias, .Key = STR("c"),
                           .CopySource = STR("east/in-east")),
                   "MethodNotAllowed", NULL);
    loopback_error(S3_CALL(lo, HeadObject,
                           .Bucket = str_concat(
                               lo->arena, STR("arn:aws:s3::111111111111:accesspoint/"), alias),
                           .Key = STR("in-east")),
                   "NoSuchMultiRegionAccessPoint", NULL);
}

static struct str policy(struct loopback *lo, const char *effect, struct str alias)
{
    return str_format(lo->arena,
                      "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"%s\","
                      "\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":"
                      "\"arn:aws:s3::000000000000:accesspoint/%.*s/object/*\"}]}",
                      effect, PRSTR(alias));
}

static void test_policies(void **state)
{
    struct loopback *lo = *state;
    struct str alias = make_point(lo);
    s3_put(lo, "east", STR("k"));
    assert_null(CONTROL_OK(lo, GetMultiRegionAccessPointPolicy, BOTH)->Policy->Established);
    struct s3control_PutMultiRegionAccessPointPolicyInput given = {.Name = STR("both"),
                                                                   .Policy = STR("x")};
#define PUT(token) .AccountId = OWNER, .ClientToken = STR(token), .Details = &given
    CONTROL_FAILS(lo, "MalformedPolicy", NULL, PutMultiRegionAccessPointPolicy, PUT("a"));
    given.Policy = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                       "\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":"
                       "\"arn:aws:s3:::east/*\"}]}");
    CONTROL_FAILS(lo, "MalformedPolicy", "Policy has invalid resource",
                  PutMultiRegionAccessPointPolicy, PUT("b"));
    given.Policy = policy(lo, "Allow", alias);
    CONTROL_FAILS(lo, "AccessDenied", NULL, PutMultiRegionAccessPointPolicy, PUT("c")); /* public */
    given.Policy = policy(lo, "Deny", alias);
    CONTROL_DO(lo, PutMultiRegionAccessPointPolicy, PUT("d"));
    const struct s3control_MultiRegionAccessPointPolicyDocument *shown =
        CONTROL_OK(lo, GetMultiRegionAccessPointPolicy, BOTH)->Policy;
    assert_null(shown->Established);
    assert_text(shown->Proposed->Policy, given.Policy);
    loopback_ok(S3_CALL(lo, HeadObject, .Bucket = alias, .Key = STR("k"))); /* not yet */
    while (loopback_deliver(lo) > 0)
        ;
    shown = CONTROL_OK(lo, GetMultiRegionAccessPointPolicy, BOTH)->Policy;
    assert_text(shown->Established->Policy, given.Policy);
    assert_false(
        CONTROL_OK(lo, GetMultiRegionAccessPointPolicyStatus, BOTH)->Established->IsPublic.value);
    loopback_error(S3_CALL(lo, HeadObject, .Bucket = alias, .Key = STR("k")), "AccessDenied", NULL);
    loopback_ok(S3_CALL(lo, HeadObject, .Bucket = STR("east"), .Key = STR("k")));
    given.Name = STR("none");
    CONTROL_FAILS(lo, "NoSuchMultiRegionAccessPoint", NULL, PutMultiRegionAccessPointPolicy,
                  PUT("e"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {S3_TEST(test_making), S3_TEST(test_routes),
                                       S3_TEST(test_policies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
