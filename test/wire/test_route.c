/* Where requests go: by target, rpc-v2-cbor path, Action, scope, host, and what remains to S3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "wire/wire.h"

struct sent {
    const char *method, *path, *query, *host, *body, *scope, *bucket;
    struct wire_header headers[4];
};

static struct str or_absent(const char *text)
{
    return str_from_c(text);
}

/* "service.Operation", "service.?" for an operation that is not known, "" for none at all. */
static void check(struct sent sent, const char *expected, enum wire_protocol protocol,
                  const char *path)
{
    struct arena *arena = arena_new(0);
    struct wire_index *index = wire_index_new(wire_models, wire_model_count);
    size_t headers = 0;
    while (headers < 4 && !str_is_absent(sent.headers[headers].name))
        headers++;
    struct wire_request request = {
        .method = str_from_c(sent.method == NULL ? "POST" : sent.method),
        .path = str_from_c(sent.path == NULL ? "/" : sent.path),
        .query = or_absent(sent.query),
        .host = str_from_c(sent.host == NULL ? "127.0.0.1" : sent.host),
        .headers = sent.headers,
        .header_count = headers,
        .body = or_absent(sent.body),
    };
    struct wire_route route = {0};
    struct str got = STR("");
    if (wire_route(arena, index, &request, or_absent(sent.scope), or_absent(sent.bucket), &route))
        got = str_format(
            arena, "%.*s.%.*s", PRSTR(route.model->name),
            PRSTR(route.operation < 0
                      ? STR("?")
                      : wire_string(route.model, route.model->operations[route.operation].name)));
    assert_string_equal(str_to_c(arena, got), expected);
    if (expected[0] != '\0')
        assert_int_equal(route.protocol, protocol);
    if (path != NULL)
        assert_string_equal(str_to_c(arena, route.path), path);
    wire_index_free(index);
    arena_free(arena);
}

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        STR_INIT(name), STR_INIT(value)                                                            \
    }
#define FORM HEADER("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")

static void test_target(void **state)
{
    (void)state;
    check(
        (struct sent){.scope = "sqs", .headers = {HEADER("X-Amz-Target", "AmazonSQS.SendMessage")}},
        "sqs.SendMessage", WIRE_PROTOCOL_JSON, NULL);
    check((struct sent){.headers = {HEADER("x-amz-target", "DynamoDB_20120810.GetItem")}},
          "dynamodb.GetItem", WIRE_PROTOCOL_JSON, NULL);
    check((struct sent){.scope = "dynamodb",
                        .headers = {HEADER("x-amz-target", "DynamoDBStreams_20120810.GetRecords")}},
          "dynamodbstreams.GetRecords", WIRE_PROTOCOL_JSON, NULL);
    check((struct sent){.headers = {HEADER("x-amz-target", "com.amazonaws.cloudtrail.v20131101."
                                                           "CloudTrail_20131101.LookupEvents")}},
          "cloudtrail.LookupEvents", WIRE_PROTOCOL_JSON, NULL);
    check((struct sent){.scope = "sqs", .headers = {HEADER("X-Amz-Target", "AmazonSQS.Send")}},
          "sqs.?", WIRE_PROTOCOL_JSON, NULL);
    check((struct sent){.scope = "kms", .headers = {HEADER("X-Amz-Target", "Nothing.Send")}},
          "kms.?", WIRE_PROTOCOL_JSON, NULL);
    check((struct sent){.scope = "kms"}, "kms.?", WIRE_PROTOCOL_JSON, NULL);
}

static void test_cbor(void **state)
{
    (void)state;
    struct sent sent = {.path = "/service/AmazonSQS/operation/SendMessage",
                        .headers = {HEADER("Smithy-Protocol", "rpc-v2-cbor")}};
    check(sent, "sqs.SendMessage", WIRE_PROTOCOL_CBOR, NULL);
    sent.path = "/service/AmazonSQS/operation/Nothing";
    check(sent, "sqs.?", WIRE_PROTOCOL_CBOR, NULL);
    sent.path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    check(sent, "cloudwatch.PutMetricData", WIRE_PROTOCOL_CBOR, NULL);
    /* Without the header it is a path like any other. */
    check((struct sent){.method = "PUT", .path = "/service/AmazonSQS/operation/SendMessage"},
          "s3.PutObject", WIRE_PROTOCOL_REST_XML, NULL);
}

static void test_action(void **state)
{
    (void)state;
    check((struct sent){.scope = "sqs",
                        .headers = {FORM},
                        .body = "Action=SendMessage&MessageBody=x&Version=2012-11-05"},
          "sqs.SendMessage", WIRE_PROTOCOL_QUERY, NULL);
    check((struct sent){.scope = "sqs",
                        .path = "/000000000000/q",
                        .headers = {FORM},
                        .body = "MessageBody=x&Action=SendMessage"},
          "sqs.SendMessage", WIRE_PROTOCOL_QUERY, NULL);
    check((struct sent){.method = "GET", .scope = "sts", .query = "Action=GetCallerIdentity"},
          "sts.GetCallerIdentity", WIRE_PROTOCOL_QUERY, NULL);
    check((struct sent){.scope = "ec2", .headers = {FORM}, .body = "Action=RunInstances"},
          "ec2.RunInstances", WIRE_PROTOCOL_EC2, NULL);
    check((struct sent){.scope = "iam", .headers = {FORM}, .body = "Action=Nothing"}, "iam.?",
          WIRE_PROTOCOL_QUERY, NULL);
    check((struct sent){.scope = "iam", .headers = {FORM}, .body = "Version=2010-05-08"}, "iam.?",
          WIRE_PROTOCOL_QUERY, NULL);
    /* The parameter's name alone counts. */
    check((struct sent){.scope = "sqs",
                        .headers = {FORM},
                        .body = "MessageBody=Action=DeleteQueue&XAction=a&Action=SendMessage"},
          "sqs.SendMessage", WIRE_PROTOCOL_QUERY, NULL);
}

/* DescribeTags is EC2's, Auto Scaling's and Load Balancing's. */
static void test_action_of_several_services(void **state)
{
    (void)state;
    check((struct sent){.scope = "autoscaling", .headers = {FORM}, .body = "Action=DescribeTags"},
          "autoscaling.DescribeTags", WIRE_PROTOCOL_QUERY, NULL);
    check((struct sent){.scope = "ec2", .headers = {FORM}, .body = "Action=DescribeTags"},
          "ec2.DescribeTags", WIRE_PROTOCOL_EC2, NULL);
    check((struct sent){.headers = {FORM}, .body = "Action=DescribeTags&Version=2011-01-01"},
          "autoscaling.DescribeTags", WIRE_PROTOCOL_QUERY, NULL);
    check((struct sent){.headers = {FORM},
                        .host = "elasticloadbalancing.eu-west-1.amazonaws.com",
                        .body = "Action=DescribeTags"},
          "elbv2.DescribeTags", WIRE_PROTOCOL_QUERY, NULL);
    /* Unsigned, as AssumeRoleWithWebIdentity is. */
    check((struct sent){.headers = {FORM},
                        .body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"},
          "sts.AssumeRoleWithWebIdentity", WIRE_PROTOCOL_QUERY, NULL);
    /* SQS takes any version that its clients have spoken. */
    check((struct sent){.scope = "sqs", .query = "Action=ListQueues&Version=2009-02-01"},
          "sqs.ListQueues", WIRE_PROTOCOL_QUERY, NULL);
}

static void test_rest(void **state)
{
    (void)state;
    check((struct sent){.method = "GET", .scope = "lambda", .path = "/2015-03-31/functions/f"},
          "lambda.GetFunction", WIRE_PROTOCOL_REST_JSON, "/2015-03-31/functions/f");
    check((struct sent){.method = "GET", .scope = "lambda", .path = "/nothing"}, "lambda.?",
          WIRE_PROTOCOL_REST_JSON, NULL);
    check((struct sent){.method = "GET", .scope = "apigateway", .path = "/restapis"},
          "apigateway.GetRestApis", WIRE_PROTOCOL_REST_JSON, NULL);
    check((struct sent){.method = "GET", .scope = "apigateway", .path = "/v2/apis"},
          "apigatewayv2.GetApis", WIRE_PROTOCOL_REST_JSON, NULL);
    check((struct sent){.scope = "ses",
                        .path = "/v2/email/outbound-emails",
                        .headers = {HEADER("Content-Type", "application/json")}},
          "sesv2.SendEmail", WIRE_PROTOCOL_REST_JSON, NULL);
    check((struct sent){.scope = "ses", .headers = {FORM}, .body = "Action=SendEmail"},
          "ses.SendEmail", WIRE_PROTOCOL_QUERY, NULL);
    check((struct sent){.method = "GET",
                        .host = "lambda.us-east-1.amazonaws.com",
                        .path = "/2015-03-31/functions/f"},
          "lambda.GetFunction", WIRE_PROTOCOL_REST_JSON, NULL);
}

static void test_s3(void **state)
{
    (void)state;
    check((struct sent){.method = "GET", .scope = "s3", .path = "/"}, "s3.ListBuckets",
          WIRE_PROTOCOL_REST_XML, "/");
    check((struct sent){.method = "PUT", .path = "/bucket/a/b"}, "s3.PutObject",
          WIRE_PROTOCOL_REST_XML, "/bucket/a/b");
    check((struct sent){.method = "GET", .path = "/", .bucket = "b", .query = "list-type=2"},
          "s3.ListObjectsV2", WIRE_PROTOCOL_REST_XML, "/b");
    check((struct sent){.method = "GET", .scope = "s3", .path = "/k/l", .bucket = "b"},
          "s3.GetObject", WIRE_PROTOCOL_REST_XML, "/b/k/l");
    check((struct sent){.method = "GET", .scope = "s3express", .path = "/b/k"}, "s3.GetObject",
          WIRE_PROTOCOL_REST_XML, NULL);
    check((struct sent){.method = "PATCH", .path = "/b/k"}, "s3.?", WIRE_PROTOCOL_REST_XML, NULL);
    /* An object's query string may name an action. */
    check(
        (struct sent){.method = "GET", .scope = "s3", .path = "/b/k", .query = "Action=ListQueues"},
        "s3.GetObject", WIRE_PROTOCOL_REST_XML, NULL);
    check((struct sent){.method = "GET", .path = "/b/k", .query = "Action=ListQueues"},
          "s3.GetObject", WIRE_PROTOCOL_REST_XML, NULL);
    /* S3 Control has S3's scope, and any path could be a key's. */
    check((struct sent){.method = "GET",
                        .scope = "s3",
                        .path = "/v20180820/configuration/publicAccessBlock",
                        .headers = {HEADER("x-amz-account-id", "000000000000")}},
          "s3control.GetPublicAccessBlock", WIRE_PROTOCOL_REST_XML, NULL);
    check((struct sent){.method = "GET",
                        .scope = "s3",
                        .path = "/v20180820/configuration/publicAccessBlock"},
          "s3.GetObject", WIRE_PROTOCOL_REST_XML, NULL);
}

static void test_nothing(void **state)
{
    (void)state;
    check((struct sent){.method = "GET", .scope = "execute-api", .path = "/prod/x"}, "", 0, NULL);
}

/* Every operation of every service that names itself is found by its name. */
static void test_all_targets(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_index *index = wire_index_new(wire_models, wire_model_count);
    size_t count = 0;
    for (size_t m = 0; m < wire_model_count; m++) {
        const struct wire_model *model = wire_models[m];
        for (uint32_t i = 0; i < model->operation_count && !str_is_absent(model->target_prefix);
             i++) {
            if (!(model->protocols & WIRE_PROTOCOL_JSON))
                continue;
            struct wire_header header = {
                STR("X-Amz-Target"),
                str_format(arena, "%.*s.%.*s", PRSTR(model->target_prefix),
                           PRSTR(wire_string(model, model->operations[i].name)))};
            struct wire_request request = {
                .method = STR("POST"), .path = STR("/"), .headers = &header, .header_count = 1};
            struct wire_route route;
            assert_true(
                wire_route(arena, index, &request, (struct str){0}, (struct str){0}, &route));
            assert_ptr_equal(route.model, model);
            assert_int_equal(route.operation, i);
            count++;
        }
    }
    print_message("%zu operations\n", count);
    wire_index_free(index);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_target),  cmocka_unit_test(test_cbor),
        cmocka_unit_test(test_action),  cmocka_unit_test(test_action_of_several_services),
        cmocka_unit_test(test_rest),    cmocka_unit_test(test_s3),
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_all_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
