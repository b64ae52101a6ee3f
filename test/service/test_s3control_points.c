/* Access points and the accounts' public access settings, with every refusal, and what S3 makes of
 * them; the operations whose names were superseded. */
#include "service/s3control_support.h"

#define POINT .AccountId = OWNER, .Name = STR("point")
#define POINT_ARN "arn:aws:s3:us-east-1:000000000000:accesspoint/point"

static const struct s3control_CreateAccessPointResult *make_point(struct loopback *lo)
{
    s3_bucket(lo, "data", false);
    s3_put(lo, "data", STR("k"));
    return CONTROL_OK(lo, CreateAccessPoint, POINT, .Bucket = STR("data"));
}

static void test_making(void **state)
{
    struct loopback *lo = *state;
    const struct s3control_CreateAccessPointResult *made = make_point(lo);
    assert_text(made->AccessPointArn, STR(POINT_ARN));
    assert_true(str_ends_with(made->Alias, STR("-s3alias")));
    CONTROL_FAILS(lo, "AccessPointAlreadyOwnedByYou", NULL, CreateAccessPoint, POINT,
                  .Bucket = STR("data"));
    static const struct str names[] = {STR_INIT("-ab"),       STR_INIT("ab-"),
                                       STR_INIT("Point"),     STR_INIT("xn--a"),
                                       STR_INIT("a-s3alias"), STR_INIT("under_score")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        loopback_error(CONTROL_CALL(lo, CreateAccessPoint, .AccountId = OWNER, .Name = names[i],
                                    .Bucket = STR("data")),
                       "InvalidRequestException", NULL);
    CONTROL_FAILS(lo, "InvalidRequestException", NULL, CreateAccessPoint, .AccountId = OWNER,
                  .Name = STR("other"), .Bucket = STR("no-such-bucket"));
    struct s3control_Tag tags[51] = {{STR("k"), STR("v")}, {STR("k"), STR("w")}};
    CONTROL_FAILS(lo, "InvalidRequestException", NULL, CreateAccessPoint, .AccountId = OWNER,
                  .Name = STR("tagged"), .Bucket = STR("data"), .Tags = {tags, 2});
    for (size_t i = 0; i < 51; i++)
        tags[i] = (struct s3control_Tag){str_format(lo->arena, "k%zu", i), STR("")};
    CONTROL_FAILS(lo, "TooManyTagsException", NULL, CreateAccessPoint, .AccountId = OWNER,
                  .Name = STR("tagged"), .Bucket = STR("data"), .Tags = {tags, 51});
    lo->region = STR("eu-west-1");
    CONTROL_FAILS(lo, "InvalidRequestException",
                  "The bucket and the access point must be in the same Region.", CreateAccessPoint,
                  POINT, .Bucket = STR("data"));
    lo->region = STR("us-east-1");
    CONTROL_FAILS(lo, "AccessDenied", "Access Denied", CreateAccessPoint,
                  .AccountId = STR("111111111111"), .Name = STR("point"), .Bucket = STR("data"));
}

static void test_reading(void **state)
{
    struct loopback *lo = *state;
    struct str alias = make_point(lo)->Alias;
    const struct s3control_GetAccessPointResult *point = CONTROL_OK(lo, GetAccessPoint, POINT);
    assert_text(point->NetworkOrigin, STR("Internet"));
    assert_true(point->PublicAccessBlockConfiguration->RestrictPublicBuckets.value);
    assert_text(CONTROL_OK(lo, GetAccessPoint, .AccountId = OWNER, .Name = STR(POINT_ARN))->Name,
                STR("point"));
    struct s3control_VpcConfiguration vpc = {.VpcId = STR("vpc-12345678")};
    CONTROL_DO(lo, CreateAccessPoint, .AccountId = OWNER, .Name = STR("private"),
               .Bucket = STR("data"), .VpcConfiguration = &vpc);
    assert_text(
        CONTROL_OK(lo, GetAccessPoint, .AccountId = OWNER, .Name = STR("private"))->NetworkOrigin,
        STR("VPC"));
    const struct s3control_ListAccessPointsResult *list =
        CONTROL_OK(lo, ListAccessPoints, .AccountId = OWNER, .MaxResults = opt_int(1));
    assert_int_equal(list->AccessPointList.len, 1);
    list = CONTROL_OK(lo, ListAccessPoints, .AccountId = OWNER, .NextToken = list->NextToken);
    assert_int_equal(list->AccessPointList.len, 1);
    list = CONTROL_OK(lo, ListAccessPoints, .AccountId = OWNER, .Bucket = STR("other"));
    assert_int_equal(list->AccessPointList.len, 0);
    CONTROL_FAILS(lo, "InvalidNextTokenException", NULL, ListAccessPoints, .AccountId = OWNER,
                  .NextToken = STR("x"));
    CONTROL_FAILS(lo, "AccessDenied", NULL, ListAccessPoints, .AccountId = STR("111111111111"));
    /* By its alias and by its ARN, where a bucket's name stands. */
    loopback_ok(S3_CALL(lo, GetObject, .Bucket = alias, .Key = STR("k")));
    loopback_ok(S3_CALL(lo, GetObject, .Bucket = STR(POINT_ARN), .Key = STR("k")));
    loopback_error(S3_CALL(lo, GetObject,
                           .Bucket = STR("arn:aws:s3:us-east-1:000000000000:accesspoint/private"),
                           .Key = STR("k")),
                   "AccessDenied", NULL);
    CONTROL_DO(lo, DeleteAccessPoint, POINT);
    CONTROL_FAILS(lo, "NoSuchAccessPoint", "The specified accesspoint does not exist",
                  DeleteAccessPoint, POINT);
    CONTROL_FAILS(lo, "NoSuchAccessPoint", NULL, GetAccessPoint, POINT);
    loopback_error(S3_CALL(lo, GetObject, .Bucket = alias, .Key = STR("k")), "NoSuchAccessPoint",
                   NULL);
    loopback_error(S3_CALL(lo, GetObject, .Bucket = STR(POINT_ARN), .Key = STR("k")),
                   "NoSuchAccessPoint", NULL);
}

static void test_policies(void **state)
{
    struct loopback *lo = *state;
    make_point(lo);
    CONTROL_FAILS(lo, "NoSuchAccessPointPolicy", "The specified accesspoint policy does not exist",
                  GetAccessPointPolicy, POINT);
    CONTROL_FAILS(lo, "NoSuchAccessPointPolicy", NULL, GetAccessPointPolicyStatus, POINT);
    CONTROL_FAILS(lo, "NoSuchAccessPoint", NULL, GetAccessPointPolicy, .AccountId = OWNER,
                  .Name = STR("none"));
    CONTROL_FAILS(lo, "MalformedPolicy",
                  "Policies must be valid JSON and the first byte must be '{'",
                  PutAccessPointPolicy, POINT, .Policy = STR("x"));
    struct str elsewhere = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                               "\"Principal\":{\"AWS\":\"111111111111\"},\"Action\":"
                               "\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::data/*\"}]}");
    CONTROL_FAILS(lo, "MalformedPolicy", "Policy has invalid resource", PutAccessPointPolicy, POINT,
                  .Policy = elsewhere);
    struct str everybody =
        STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
            "\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"" POINT_ARN
            "/object/*\"}]}");
    CONTROL_FAILS(lo, "AccessDenied", NULL, PutAccessPointPolicy, POINT, .Policy = everybody);
    struct str nobody =
        STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\","
            "\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"" POINT_ARN
            "/object/*\"}]}");
    CONTROL_DO(lo, PutAccessPointPolicy, POINT, .Policy = nobody);
    assert_text(CONTROL_OK(lo, GetAccessPointPolicy, POINT)->Policy, nobody);
    assert_false(CONTROL_OK(lo, GetAccessPointPolicyStatus, POINT)->PolicyStatus->IsPublic.value);
    loopback_error(S3_CALL(lo, GetObject, .Bucket = STR(POINT_ARN), .Key = STR("k")),
                   "AccessDenied", NULL);
    loopback_ok(S3_CALL(lo, GetObject, .Bucket = STR("data"), .Key = STR("k")));
    CONTROL_DO(lo, DeleteAccessPointPolicy, POINT);
    loopback_ok(S3_CALL(lo, GetObject, .Bucket = STR(POINT_ARN), .Key = STR("k")));
}

static void test_tags(void **state)
{
    struct loopback *lo = *state;
    struct s3control_Tag tags[] = {{STR("a"), STR("1")}, {STR("aws:x"), STR("")}};
    struct str gone = STR("a");
    make_point(lo);
    static const struct str arns[] = {STR_INIT(POINT_ARN), STR_INIT("arn:aws:s3:::data")};
    for (size_t i = 0; i < 2; i++) {
        CONTROL_DO(lo, TagResource, .AccountId = OWNER, .ResourceArn = arns[i], .Tags = {tags, 1});
        assert_int_equal(
            CONTROL_OK(lo, ListTagsForResource, .AccountId = OWNER, .ResourceArn = arns[i])
                ->Tags.len,
            1);
        CONTROL_FAILS(lo, "InvalidRequestException", NULL, TagResource, .AccountId = OWNER,
                      .ResourceArn = arns[i], .Tags = {tags, 2});
        CONTROL_DO(lo, UntagResource, .AccountId = OWNER, .ResourceArn = arns[i],
                   .TagKeys = {&gone, 1});
        assert_int_equal(
            CONTROL_OK(lo, ListTagsForResource, .AccountId = OWNER, .ResourceArn = arns[i])
                ->Tags.len,
            0);
    }
    CONTROL_FAILS(lo, "InvalidRequestException", NULL, ListTagsForResource, .AccountId = OWNER,
                  .ResourceArn = STR("arn:aws:sqs:us-east-1:000000000000:q"));
    CONTROL_FAILS(lo, "NotFoundException", NULL, ListTagsForResource, .AccountId = OWNER,
                  .ResourceArn = STR("arn:aws:s3:::no-such-bucket"));
    CONTROL_FAILS(lo, "NoSuchAccessPoint", NULL, ListTagsForResource, .AccountId = OWNER,
                  .ResourceArn = STR("arn:aws:s3:us-east-1:000000000000:accesspoint/none"));
}

static void test_public_access(void **state)
{
    struct loopback *lo = *state;
    struct s3control_PublicAccessBlockConfiguration block = {.BlockPublicPolicy = opt_bool(true)};
    s3_bucket(lo, "data", false);
    loopback_ok(S3_CALL(lo, DeletePublicAccessBlock, .Bucket = STR("data")));
    CONTROL_FAILS(lo, "NoSuchPublicAccessBlockConfiguration",
                  "The public access block configuration was not found", GetPublicAccessBlock,
                  .AccountId = OWNER);
    CONTROL_DO(lo, PutPublicAccessBlock, .AccountId = OWNER,
               .PublicAccessBlockConfiguration = &block);
    const struct s3control_GetPublicAccessBlockOutput *kept =
        loopback_ok(CONTROL_CALL(lo, GetPublicAccessBlock, .AccountId = OWNER));
    assert_true(kept->PublicAccessBlockConfiguration->BlockPublicPolicy.value);
    assert_false(kept->PublicAccessBlockConfiguration->BlockPublicAcls.value);
    struct str everybody = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                               "\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":"
                               "\"arn:aws:s3:::data/*\"}]}");
    loopback_error(S3_CALL(lo, PutBucketPolicy, .Bucket = STR("data"), .Policy = everybody),
                   "AccessDenied", NULL);
    CONTROL_DO(lo, DeletePublicAccessBlock, .AccountId = OWNER);
    loopback_ok(S3_CALL(lo, PutBucketPolicy, .Bucket = STR("data"), .Policy = everybody));
    CONTROL_FAILS(lo, "AccessDenied", NULL, PutPublicAccessBlock, .AccountId = STR("111111111111"),
                  .PublicAccessBlockConfiguration = &block);
    CONTROL_FAILS(lo, "InvalidRequest", NULL, GetPublicAccessBlock, .AccountId = STR("1"));
}

static void test_superseded(void **state)
{
    struct loopback *lo = *state;
    struct s3_LifecycleExpiration expiration = {.Days = opt_int(3)};
    struct s3_Transition transition = {.Days = opt_int(1), .StorageClass = STR("GLACIER")};
    struct s3_Rule rule = {.ID = STR("r"),
                           .Prefix = STR("x/"),
                           .Status = STR("Enabled"),
                           .Expiration = &expiration,
                           .Transition = &transition};
    struct s3_LifecycleConfiguration lifecycle = {.Rules = {&rule, 1}};
    s3_bucket(lo, "data", false);
    loopback_ok(S3_CALL(lo, PutBucketLifecycle, .Bucket = STR("data"),
                        .LifecycleConfiguration = &lifecycle));
    const struct s3_GetBucketLifecycleOutput *kept =
        loopback_ok(S3_CALL(lo, GetBucketLifecycle, .Bucket = STR("data")));
    assert_int_equal(kept->Rules.len, 1);
    assert_text(kept->Rules.items[0].Prefix, STR("x/"));
    assert_text(kept->Rules.items[0].Transition->StorageClass, STR("GLACIER"));
    loopback_error(S3_CALL(lo, PutBucketLifecycle, .Bucket = STR("data")), "MalformedXML", NULL);
    struct s3_QueueConfigurationDeprecated queue = {
        .Id = STR("n"), .Event = STR("s3:ObjectCreated:*"), .Queue = s3_queue(lo, "events")};
    struct s3_NotificationConfigurationDeprecated given = {.QueueConfiguration = &queue};
    loopback_ok(S3_CALL(lo, PutBucketNotification, .Bucket = STR("data"),
                        .NotificationConfiguration = &given));
    const struct s3_NotificationConfigurationDeprecated *shown =
        loopback_ok(S3_CALL_OF(lo, GetBucketNotification, GetBucketNotificationConfigurationRequest,
                               .Bucket = STR("data")));
    assert_text(shown->QueueConfiguration->Queue, queue.Queue);
    assert_text(shown->QueueConfiguration->Event, queue.Event);
    assert_null(shown->TopicConfiguration);
    queue.Event = STR("s3:Nothing");
    loopback_error(S3_CALL(lo, PutBucketNotification, .Bucket = STR("data"),
                           .NotificationConfiguration = &given),
                   "InvalidArgument", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_making), S3_TEST(test_reading),       S3_TEST(test_policies),
        S3_TEST(test_tags),   S3_TEST(test_public_access), S3_TEST(test_superseded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
