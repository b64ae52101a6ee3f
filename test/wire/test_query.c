/* The query and ec2 protocols with the models of IAM, SNS, SQS, CloudWatch and EC2. Requests as in
 * the examples of their API references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gen/cloudwatch.h"
#include "gen/ec2.h"
#include "gen/iam.h"
#include "gen/sns.h"
#include "gen/sqs.h"
#include "wire/wire_case.h"

struct sample {
    const struct wire_model *model;
    const char *operation;
    enum wire_protocol protocol;
};

static void check_request(struct sample sample, const struct wire_request *request,
                          const char *expected, enum wire_common_error error)
{
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(sample.model, sample.protocol, sample.operation);
    struct wire_failure failure;
    struct str got = case_input(arena, &route, request, &failure);
    if (str_is_absent(got)) {
        case_assert_str(arena, failure.message, expected);
        assert_int_equal(failure.error, error);
    } else {
        case_assert_str(arena, got, expected);
    }
    arena_free(arena);
}

static void check_body(struct sample sample, const char *body, const char *expected)
{
    struct wire_request request = {
        .method = STR("POST"), .path = STR("/"), .host = STR("h"), .body = str_from_c(body)};
    check_request(sample, &request, expected, WIRE_COMMON_ERRORS);
}

static void check_refused(struct sample sample, const char *body, enum wire_common_error error,
                          const char *message)
{
    struct wire_request request = {
        .method = STR("POST"), .path = STR("/"), .host = STR("h"), .body = str_from_c(body)};
    check_request(sample, &request, message, error);
}

static void check_reply(struct sample sample, const char *json, const char *type,
                        const char *expected)
{
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(sample.model, sample.protocol, sample.operation);
    struct wire_response response = case_output(arena, &route, str_from_c(json));
    case_assert_str(arena, response.body, expected);
    case_assert_str(arena, case_header(&response, "Content-Type"), type);
    assert_int_equal(response.status, 200);
    arena_free(arena);
}

static const struct sample create_role = {&iam_model, "CreateRole", WIRE_PROTOCOL_QUERY};
static const struct sample create_topic = {&sns_model, "CreateTopic", WIRE_PROTOCOL_QUERY};
static const struct sample publish = {&sns_model, "Publish", WIRE_PROTOCOL_QUERY};
static const struct sample receive = {&sqs_model, "ReceiveMessage", WIRE_PROTOCOL_QUERY};
static const struct sample send_batch = {&sqs_model, "SendMessageBatch", WIRE_PROTOCOL_QUERY};
static const struct sample put_metric = {&cloudwatch_model, "PutMetricData", WIRE_PROTOCOL_QUERY};
static const struct sample describe = {&ec2_model, "DescribeInstances", WIRE_PROTOCOL_EC2};
static const struct sample run = {&ec2_model, "RunInstances", WIRE_PROTOCOL_EC2};

static void test_lists(void **state)
{
    (void)state;
    check_body(
        create_role,
        "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%7D"
        "&Tags.member.2.Key=b&Tags.member.2.Value=2&Tags.member.1.Key=a&Tags.member.1.Value="
        "&MaxSessionDuration=3600",
        "{\"AssumeRolePolicyDocument\":\"{}\",\"MaxSessionDuration\":3600,\"RoleName\":\"r\","
        "\"Tags\":[{\"Key\":\"a\",\"Value\":\"\"},{\"Key\":\"b\",\"Value\":\"2\"}]}");
    check_body(create_role, "RoleName=r&Tags=", "{\"RoleName\":\"r\",\"Tags\":[]}");
}

/* Ten comes after two; gaps close. */
static void test_items_are_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    check_body(
        put_metric,
        "MetricData.member.10.MetricName=j&MetricData.member.2.MetricName=b"
        "&MetricData.member.2.Value=1.5e3&MetricData.member.2.Values.member.1=NaN&Namespace=n",
        "{\"MetricData\":[{\"MetricName\":\"b\",\"Value\":1500,\"Values\":[\"NaN\"]},"
        "{\"MetricName\":\"j\"}],\"Namespace\":\"n\"}");
}

static void test_maps(void **state)
{
    (void)state;
    check_body(create_topic,
               "Name=t&Attributes.entry.1.key=DisplayName&Attributes.entry.1.value=a+b%2Bc",
               "{\"Attributes\":{\"DisplayName\":\"a b+c\"},\"Name\":\"t\"}");
    check_body(
        publish,
        "Message=m&MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType="
        "Binary&MessageAttributes.entry.1.Value.BinaryValue=AAE%3D",
        "{\"Message\":\"m\",\"MessageAttributes\":{\"n\":{\"BinaryValue\":\"AAE=\","
        "\"DataType\":\"Binary\"}}}");
    check_refused(create_topic, "Attributes.entry.1.key=DisplayName", WIRE_MISSING_PARAMETER,
                  "The request must contain the parameter Attributes.entry.1.value.");
}

static void test_sqs_as_it_was(void **state)
{
    (void)state;
    struct wire_request request = {
        .method = STR("GET"),
        .path = STR("/123456789012/MyQueue/"),
        .host = STR("sqs.us-east-1.amazonaws.com"),
        .query = STR("Action=ReceiveMessage&MaxNumberOfMessages=5&AttributeName=All"
                     "&MessageAttributeName.1=a&MessageAttributeName.2=b&Version=2012-11-05"
                     "&Expires=2030-01-01T00%3A00%3A00Z&AUTHPARAMS")};
    check_request(receive, &request,
                  "{\"AttributeNames\":[\"All\"],\"MaxNumberOfMessages\":5,"
                  "\"MessageAttributeNames\":[\"a\",\"b\"],"
                  "\"QueueUrl\":\"http://sqs.us-east-1.amazonaws.com/123456789012/MyQueue\"}",
                  WIRE_COMMON_ERRORS);
    check_body(send_batch,
               "QueueUrl=q&SendMessageBatchRequestEntry.1.Id=1"
               "&SendMessageBatchRequestEntry.1.MessageBody=b"
               "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n"
               "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=Number"
               "&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=1",
               "{\"Entries\":[{\"Id\":\"1\",\"MessageAttributes\":{\"n\":{\"DataType\":\"Number\","
               "\"StringValue\":\"1\"}},\"MessageBody\":\"b\"}],\"QueueUrl\":\"q\"}");
}

static void test_malformed(void **state)
{
    (void)state;
    check_refused(create_role, "RoleName=%zz", WIRE_MALFORMED_QUERY_STRING,
                  "The query string is malformed");
    check_refused(create_role, "RoleName=a&RoleName=b", WIRE_MALFORMED_QUERY_STRING,
                  "The parameter RoleName stands twice");
    check_refused(create_role, "Tags.member.x.Key=a", WIRE_MALFORMED_QUERY_STRING,
                  "The parameter Tags.member.x must be numbered");
    check_refused(create_role, "Tags.member.1.Key=a&Tags.member.01.Key=b", WIRE_SERIALIZATION,
                  "Unexpected structure of the parameter Tags.member.1");
    check_refused(create_role, "MaxSessionDuration=1h", WIRE_SERIALIZATION,
                  "The value of the parameter MaxSessionDuration is not a valid integer");
    check_refused(create_role, "MaxSessionDuration=2147483648", WIRE_SERIALIZATION,
                  "The value of the parameter MaxSessionDuration is not a valid integer");
    check_refused(create_role, "RoleName.x=1", WIRE_SERIALIZATION,
                  "Unexpected structure of the parameter RoleName.x");
    check_refused(create_role, "RoleName=%FF", WIRE_SERIALIZATION,
                  "The value of the parameter RoleName is not a valid string");
    check_refused(publish,
                  "MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.BinaryValue=*",
                  WIRE_SERIALIZATION,
                  "The value of the parameter MessageAttributes.entry.1.Value.BinaryValue is not a "
                  "valid blob");
}

static void test_ec2_requests(void **state)
{
    (void)state;
    check_body(describe,
               "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3AOwner"
               "&Filter.1.Value.1=a&Filter.1.Value.2=b&InstanceId.1=i-1&MaxResults=5&DryRun=true",
               "{\"DryRun\":true,\"Filters\":[{\"Name\":\"tag:Owner\",\"Values\":[\"a\",\"b\"]}],"
               "\"InstanceIds\":[\"i-1\"],\"MaxResults\":5}");
    check_body(
        run,
        "ImageId=ami-1&ClientToken=t&MinCount=1&MaxCount=2&BlockDeviceMapping.1.DeviceName=%2Fdev%"
        "2Fsda1"
        "&BlockDeviceMapping.1.Ebs.VolumeSize=8&SecurityGroupId.1=sg-1",
        "{\"BlockDeviceMappings\":[{\"DeviceName\":\"/dev/"
        "sda1\",\"Ebs\":{\"VolumeSize\":8}}],\"ClientToken\":\"t\","
        "\"ImageId\":\"ami-1\",\"MaxCount\":2,\"MinCount\":1,\"SecurityGroupIds\":[\"sg-1\"]}");
    check_refused(describe, "MaxResults=five", WIRE_INVALID_PARAMETER_VALUE,
                  "Value (five) for parameter MaxResults is invalid. Expected a valid integer.");
    check_refused(describe, "Filter.1.Names=x", WIRE_INVALID_PARAMETER_VALUE,
                  "The parameter Filter.1.Names is not recognized");
}

static void test_replies(void **state)
{
    (void)state;
    check_reply(create_topic, "{\"TopicArn\":\"arn:a&b\"}", "text/xml",
                "<CreateTopicResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">"
                "<CreateTopicResult><TopicArn>arn:a&amp;b</TopicArn></CreateTopicResult>"
                "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>"
                "</CreateTopicResponse>");
    check_reply(
        (struct sample){&iam_model, "DeleteRole", WIRE_PROTOCOL_QUERY}, "{}", "text/xml",
        "<DeleteRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">"
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DeleteRoleResponse>");
    check_reply(
        (struct sample){&iam_model, "ListRoles", WIRE_PROTOCOL_QUERY},
        "{\"Roles\":[{\"RoleName\":\"r\",\"CreateDate\":0}],\"IsTruncated\":false}", "text/xml",
        "<ListRolesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">"
        "<ListRolesResult><Roles><member><RoleName>r</RoleName>"
        "<CreateDate>1970-01-01T00:00:00Z</CreateDate></member></Roles>"
        "<IsTruncated>false</IsTruncated></ListRolesResult>"
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></ListRolesResponse>");
    check_reply(
        (struct sample){&sns_model, "GetTopicAttributes", WIRE_PROTOCOL_QUERY},
        "{\"Attributes\":{\"Owner\":\"1\"}}", "text/xml",
        "<GetTopicAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">"
        "<GetTopicAttributesResult><Attributes><entry><key>Owner</key><value>1</value></entry>"
        "</Attributes></GetTopicAttributesResult>"
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>"
        "</GetTopicAttributesResponse>");
    check_reply(
        receive,
        "{\"Messages\":[{\"MessageId\":\"m\",\"Body\":\"b\",\"Attributes\":{\"SenderId\":"
        "\"s\"}}]}",
        "text/xml",
        "<?xml version=\"1.0\"?><ReceiveMessageResponse "
        "xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult><Message>"
        "<MessageId>m</MessageId><Body>b</Body><Attribute><Name>SenderId</Name>"
        "<Value>s</Value></Attribute></Message></ReceiveMessageResult>"
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>"
        "</ReceiveMessageResponse>");
}

static void test_ec2_replies(void **state)
{
    (void)state;
    check_reply(
        describe,
        "{\"Reservations\":[{\"ReservationId\":\"r-1\",\"Groups\":[],\"Instances\":["
        "{\"InstanceId\":\"i-1\",\"LaunchTime\":0}]}]}",
        "text/xml;charset=UTF-8",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeInstancesResponse "
        "xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15\"><requestId>id-1</requestId>"
        "<reservationSet><item><reservationId>r-1</reservationId><groupSet/><instancesSet>"
        "<item><instanceId>i-1</instanceId><launchTime>1970-01-01T00:00:00.000Z</launchTime>"
        "</item></instancesSet></item></reservationSet></DescribeInstancesResponse>");
}

/* A hundred thousand items in the worst order cost no more than sorting them. */
static void test_many_items(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf body;
    buf_init(&body, arena, 1 << 24);
    for (unsigned i = 0; i < 50000; i++)
        buf_append_format(&body, "TagKeys.member.%u=k&TagKeys.member.%u=k&", i, 100000 - i);
    struct wire_route route = case_route(&iam_model, WIRE_PROTOCOL_QUERY, "UntagRole");
    struct wire_request request = {.method = STR("POST"), .path = STR("/"), .body = buf_str(&body)};
    struct wire_failure failure = {0};
    const void *in = NULL;
    assert_int_equal(wire_decode_request(arena, &route, &request, &in, &failure), RESULT_OK);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_items_are_in_the_order_of_their_numbers),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_sqs_as_it_was),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_ec2_requests),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_ec2_replies),
        cmocka_unit_test(test_many_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
