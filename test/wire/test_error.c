/* Error replies word for word, each protocol with a real service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gen/dynamodb.h"
#include "gen/ec2.h"
#include "gen/iam.h"
#include "gen/kms.h"
#include "gen/lambda.h"
#include "gen/route53.h"
#include "gen/s3.h"
#include "gen/sqs.h"
#include "wire/canonical.h"
#include "wire/wire_case.h"

static uint32_t error_index(const struct wire_model *model, const char *name)
{
    for (uint32_t i = 0; i < model->error_count; i++)
        if (str_eq(wire_string(model, model->errors[i].name), str_from_c(name)))
            return i;
    fail_msg("no error %s", name);
    return 0;
}

static struct wire_response encode(struct arena *arena, const struct wire_model *model,
                                   enum wire_protocol protocol, struct wire_error_reply reply)
{
    struct wire_response response = {0};
    reply.request_id = STR("id-1");
    assert_int_equal(wire_encode_error(arena, model, protocol, &reply, &response), RESULT_OK);
    return response;
}

static void check(const struct wire_model *model, enum wire_protocol protocol,
                  struct wire_error_reply reply, int status, const char *type, const char *body)
{
    struct arena *arena = arena_new(0);
    struct wire_response response = encode(arena, model, protocol, reply);
    assert_int_equal(response.status, status);
    case_assert_str(arena, case_header(&response, "content-type"), type);
    case_assert_str(arena, response.body, body);
    arena_free(arena);
}

/* What AWS sends with the most usual of DynamoDB's errors. */
static void test_checksum(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    const struct wire_error_reply reply = {
        .error = error_index(&dynamodb_model, "ConditionalCheckFailedException"),
        .message = STR("The conditional request failed")};
    struct wire_response response = encode(arena, &dynamodb_model, WIRE_PROTOCOL_JSON, reply);
    case_assert_str(arena, case_header(&response, "x-amz-crc32"), "396270901");
    const struct wire_error_reply other = {.error = error_index(&sqs_model, "QueueDoesNotExist")};
    response = encode(arena, &sqs_model, WIRE_PROTOCOL_JSON, other);
    assert_true(str_is_absent(case_header(&response, "x-amz-crc32")));
    arena_free(arena);
}

static void test_json(void **state)
{
    (void)state;
    struct wire_error_reply reply = {.error = error_index(&sqs_model, "QueueDoesNotExist"),
                                     .message = STR("The specified queue does not exist.")};
    check(&sqs_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.0",
          "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\","
          "\"message\":\"The specified queue does not exist.\"}");
    reply = (struct wire_error_reply){.error =
                                          error_index(&dynamodb_model, "ResourceNotFoundException"),
                                      .message = STR("Requested resource not found")};
    check(&dynamodb_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.0",
          "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException\","
          "\"message\":\"Requested resource not found\"}");
    reply = (struct wire_error_reply){.error = error_index(&kms_model, "NotFoundException"),
                                      .message = STR("Key \"k\" does not exist")};
    check(&kms_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.1",
          "{\"__type\":\"NotFoundException\",\"message\":\"Key \\\"k\\\" does not exist\"}");
}

/* What AWS's front end answers itself. */
static void test_front_end(void **state)
{
    (void)state;
    struct wire_error_reply reply = {.error = WIRE_SERIALIZATION,
                                     .message = STR("Start of list found where not expected")};
    check(&dynamodb_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.0",
          "{\"__type\":\"com.amazon.coral.service#SerializationException\","
          "\"Message\":\"Start of list found where not expected\"}");
    reply = (struct wire_error_reply){.error = WIRE_VALIDATION, .message = STR("m")};
    check(&dynamodb_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.0",
          "{\"__type\":\"com.amazon.coral.validate#ValidationException\",\"message\":\"m\"}");
    reply = (struct wire_error_reply){.error = WIRE_INVALID_ACTION};
    check(&kms_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.1",
          "{\"__type\":\"UnknownOperationException\"}");
    reply = (struct wire_error_reply){.error = WIRE_NOT_IMPLEMENTED, .message = STR("kms:Sign")};
    check(&kms_model, WIRE_PROTOCOL_JSON, reply, 501, "application/x-amz-json-1.1",
          "{\"__type\":\"NotImplemented\",\"message\":\"kms:Sign\"}");
}

static void test_query_compatible(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_error_reply reply = {.error = error_index(&sqs_model, "QueueDoesNotExist"),
                                     .message = STR("m")};
    struct wire_response response = encode(arena, &sqs_model, WIRE_PROTOCOL_JSON, reply);
    case_assert_str(arena, case_header(&response, "x-amzn-query-error"),
                    "AWS.SimpleQueueService.NonExistentQueue;Sender");
    case_assert_str(arena, case_header(&response, "x-amzn-requestid"), "id-1");
    response = encode(arena, &sqs_model, WIRE_PROTOCOL_CBOR, reply);
    case_assert_str(arena, case_header(&response, "x-amzn-query-error"),
                    "AWS.SimpleQueueService.NonExistentQueue;Sender");
    case_assert_str(arena, case_header(&response, "content-type"), "application/cbor");
    case_assert_str(arena, case_header(&response, "smithy-protocol"), "rpc-v2-cbor");
    case_assert_str(arena, canonical_cbor(arena, response.body, NULL),
                    "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"m\"}");
    reply.code = STR("Special");
    response = encode(arena, &sqs_model, WIRE_PROTOCOL_JSON, reply);
    case_assert_str(arena, case_header(&response, "x-amzn-query-error"), "Special;Sender");
    response = encode(arena, &kms_model, WIRE_PROTOCOL_JSON,
                      (struct wire_error_reply){.error = WIRE_VALIDATION});
    assert_true(str_is_absent(case_header(&response, "x-amzn-query-error")));
    arena_free(arena);
}

/* The members of an error's shape follow the message. */
static void test_detail(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    uint32_t error = error_index(&dynamodb_model, "ConditionalCheckFailedException");
    uint16_t shape = dynamodb_model.errors[error].shape;
    void *detail = arena_alloc(arena, dynamodb_model.shapes[shape].size);
    struct wire_failure failure;
    assert_int_equal(wire_json_decode(arena, &dynamodb_model, shape,
                                      STR("{\"message\":\"inner\",\"Item\":{\"k\":{\"S\":\"v\"}}}"),
                                      detail, &failure),
                     RESULT_OK);
    struct wire_error_reply reply = {
        .error = error, .message = STR("The conditional request failed"), .detail = detail};
    check(&dynamodb_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.0",
          "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
          "\"message\":\"The conditional request failed\",\"Item\":{\"k\":{\"S\":\"v\"}}}");
    reply.message = (struct str){0};
    check(&dynamodb_model, WIRE_PROTOCOL_JSON, reply, 400, "application/x-amz-json-1.0",
          "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
          "\"message\":\"inner\",\"Item\":{\"k\":{\"S\":\"v\"}}}");
    arena_free(arena);
}

static void test_rest_json(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_error_reply reply = {.error =
                                         error_index(&lambda_model, "ResourceNotFoundException"),
                                     .message = STR("Function not found: f")};
    struct wire_response response = encode(arena, &lambda_model, WIRE_PROTOCOL_REST_JSON, reply);
    assert_int_equal(response.status, 404);
    case_assert_str(arena, case_header(&response, "x-amzn-errortype"), "ResourceNotFoundException");
    case_assert_str(arena, case_header(&response, "content-type"), "application/json");
    case_assert_str(arena, response.body,
                    "{\"Type\":\"User\",\"Message\":\"Function not found: f\"}");
    /* Retry-After is a member in a header. */
    uint32_t error = error_index(&lambda_model, "TooManyRequestsException");
    uint16_t shape = lambda_model.errors[error].shape;
    void *detail = arena_alloc(arena, lambda_model.shapes[shape].size);
    struct wire_failure failure;
    assert_int_equal(wire_json_decode(arena, &lambda_model, shape,
                                      STR("{\"retryAfterSeconds\":\"7\",\"Reason\":"
                                          "\"CallerRateLimitExceeded\"}"),
                                      detail, &failure),
                     RESULT_OK);
    reply = (struct wire_error_reply){.error = error, .message = STR("m"), .detail = detail};
    response = encode(arena, &lambda_model, WIRE_PROTOCOL_REST_JSON, reply);
    assert_int_equal(response.status, 429);
    case_assert_str(arena, case_header(&response, "retry-after"), "7");
    case_assert_str(arena, canonical_json(arena, response.body, NULL),
                    "{\"Reason\":\"CallerRateLimitExceeded\",\"Type\":\"User\",\"message\":\"m\"}");
    arena_free(arena);
}

static void test_xml(void **state)
{
    (void)state;
    struct wire_error_reply reply = {.error = error_index(&iam_model, "NoSuchEntityException"),
                                     .message = STR("The role <r> & more")};
    check(&iam_model, WIRE_PROTOCOL_QUERY, reply, 404, "text/xml",
          "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error>"
          "<Type>Sender</Type><Code>NoSuchEntity</Code>"
          "<Message>The role &lt;r&gt; &amp; more</Message></Error>"
          "<RequestId>id-1</RequestId></ErrorResponse>");
    reply = (struct wire_error_reply){.error = error_index(&sqs_model, "QueueDoesNotExist"),
                                      .message = STR("m")};
    check(&sqs_model, WIRE_PROTOCOL_QUERY, reply, 400, "text/xml",
          "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>"
          "<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
          "<Message>m</Message><Detail/></Error><RequestId>id-1</RequestId></ErrorResponse>");
    reply = (struct wire_error_reply){.error = WIRE_VALIDATION,
                                      .message = STR("The instance ID 'i-1' does not exist"),
                                      .code = STR("InvalidInstanceID.NotFound")};
    check(&ec2_model, WIRE_PROTOCOL_EC2, reply, 400, "text/xml;charset=UTF-8",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>"
          "<Code>InvalidInstanceID.NotFound</Code>"
          "<Message>The instance ID 'i-1' does not exist</Message></Error></Errors>"
          "<RequestID>id-1</RequestID></Response>");
    reply = (struct wire_error_reply){.error = error_index(&route53_model, "NoSuchHostedZone"),
                                      .message = STR("m")};
    check(&route53_model, WIRE_PROTOCOL_REST_XML, reply, 404, "application/xml",
          "<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error>"
          "<Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>m</Message></Error>"
          "<RequestId>id-1</RequestId></ErrorResponse>");
}

/* "Error responses" of the Amazon S3 API Reference */
static void test_s3(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_header extra[] = {{STR("Key"), STR("a&b")}};
    struct wire_error_reply reply = {.error = error_index(&s3_model, "NoSuchKey"),
                                     .message = STR("The specified key does not exist."),
                                     .extra = extra,
                                     .extra_count = 1};
    struct wire_response response = encode(arena, &s3_model, WIRE_PROTOCOL_REST_XML, reply);
    assert_int_equal(response.status, 404);
    struct str host_id = case_header(&response, "x-amz-id-2");
    assert_int_equal(host_id.len, 76);
    case_assert_str(arena, case_header(&response, "x-amz-request-id"), "id-1");
    case_assert_str(arena, case_header(&response, "content-type"), "application/xml");
    assert_true(str_is_absent(case_header(&response, "x-amzn-requestid")));
    struct str expected =
        str_format(arena,
                   "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
                   "<Message>The specified key does not exist.</Message><Key>a&amp;b</Key>"
                   "<RequestId>id-1</RequestId><HostId>%.*s</HostId></Error>",
                   PRSTR(host_id));
    case_assert_str(arena, response.body, str_to_c(arena, expected));
    arena_free(arena);
}

/* Every error of every service has a reply in every protocol that the service speaks. */
static void test_all(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    size_t count = 0;
    for (size_t m = 0; m < wire_model_count; m++) {
        const struct wire_model *model = wire_models[m];
        for (uint32_t i = 0; i < model->error_count; i++) {
            for (uint32_t bit = 1; bit <= WIRE_PROTOCOL_CBOR; bit <<= 1) {
                if (!(model->protocols & bit))
                    continue;
                struct wire_error_reply reply = {.error = i, .message = STR("m")};
                struct wire_response response =
                    encode(arena, model, (enum wire_protocol)bit, reply);
                assert_in_range(response.status, 300, 599);
                assert_true(response.body.len > 0);
                count++;
            }
        }
        arena_reset(arena);
    }
    print_message("%zu replies\n", count);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_front_end),
        cmocka_unit_test(test_detail),
        cmocka_unit_test(test_query_compatible),
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_rest_json),
        cmocka_unit_test(test_s3),
        cmocka_unit_test(test_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
