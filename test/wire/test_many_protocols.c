/* A service that speaks JSON, CBOR and the older query protocol means the same in all three,
 * although query names lists and maps after their items: SQS, with its real model. Forms as in the
 * examples of the "Amazon SQS API Reference" and "Making Query API requests" (Developer Guide). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "gen/sqs.h"
#include "wire/canonical.h"
#include "wire/wire.h"

static const struct wire_header form_headers[] = {
    {STR_INIT("Content-Type"), STR_INIT("application/x-www-form-urlencoded")}};
static const struct wire_header json_headers[] = {
    {STR_INIT("Content-Type"), STR_INIT("application/x-amz-json-1.0")}};

static int operation_index(const char *name)
{
    for (uint32_t i = 0; i < sqs_model.operation_count; i++)
        if (str_eq(wire_string(&sqs_model, sqs_model.operations[i].name), str_from_c(name)))
            return (int)i;
    fail_msg("no operation %s", name);
    return -1;
}

static const void *decode(struct arena *arena, const struct wire_route *route, struct str body)
{
    bool form = route->protocol == WIRE_PROTOCOL_QUERY;
    struct wire_request request = {.method = STR("POST"),
                                   .path = STR("/"),
                                   .headers = form ? form_headers : json_headers,
                                   .header_count = 1,
                                   .host = STR("sqs.us-east-1.amazonaws.com"),
                                   .body = body};
    const void *in = NULL;
    struct wire_failure failure = {0};
    if (wire_decode_request(arena, route, &request, &in, &failure) != RESULT_OK)
        fail_msg("%.*s", PRSTR(failure.message));
    return in;
}

static void assert_same(struct arena *arena, struct str expected, struct str got)
{
    assert_string_equal(str_to_c(arena, expected), str_to_c(arena, got));
}

static void check_request(const char *operation, struct str form, struct str json)
{
    struct arena *arena = arena_new(0);
    struct wire_route route = {.model = &sqs_model, .operation = operation_index(operation)};
    struct str bodies[] = {form, json};
    for (int i = 0; i < 2; i++) {
        route.protocol = i == 0 ? WIRE_PROTOCOL_QUERY : WIRE_PROTOCOL_JSON;
        const void *in = decode(arena, &route, bodies[i]);
        struct buf out;
        buf_init(&out, arena, 1 << 16);
        uint16_t shape = sqs_model.operations[route.operation].input;
        assert_int_equal(wire_json_encode(&out, &sqs_model, shape, in), RESULT_OK);
        assert_same(arena, canonical_json(arena, json, NULL),
                    canonical_json(arena, buf_str(&out), NULL));
    }
    arena_free(arena);
}

static void check_response(const char *operation, struct str json, struct str xml)
{
    struct arena *arena = arena_new(0);
    struct wire_route route = {.model = &sqs_model, .operation = operation_index(operation)};
    uint16_t shape = sqs_model.operations[route.operation].output;
    void *value = arena_alloc(arena, sqs_model.shapes[shape].size);
    struct wire_failure failure = {0};
    if (wire_json_decode(arena, &sqs_model, shape, json, value, &failure) != RESULT_OK)
        fail_msg("%.*s", PRSTR(failure.message));
    struct wire_response response = {0};
    route.protocol = WIRE_PROTOCOL_JSON;
    assert_int_equal(wire_encode_response(arena, &route, value, STR("id"), &response), RESULT_OK);
    assert_same(arena, canonical_json(arena, json, NULL),
                canonical_json(arena, response.body, NULL));
    route.protocol = WIRE_PROTOCOL_CBOR;
    assert_int_equal(wire_encode_response(arena, &route, value, STR("id"), &response), RESULT_OK);
    assert_same(arena, canonical_json(arena, json, NULL),
                canonical_cbor(arena, response.body, NULL));
    route.protocol = WIRE_PROTOCOL_QUERY;
    assert_int_equal(wire_encode_response(arena, &route, value, STR("id"), &response), RESULT_OK);
    assert_same(arena, canonical_xml(arena, xml), canonical_xml(arena, response.body));
    arena_free(arena);
}

static void test_send_message(void **state)
{
    (void)state;
    check_request(
        "SendMessage",
        STR("Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2Fh%2Fq&MessageBody=a+b"
            "&DelaySeconds=5&MessageAttribute.1.Name=color&MessageAttribute.1.Value.DataType=String"
            "&MessageAttribute.1.Value.StringValue=red&MessageAttribute.2.Name=raw"
            "&MessageAttribute.2.Value.DataType=Binary&MessageAttribute.2.Value.BinaryValue=AAE%"
            "3D"),
        STR("{\"QueueUrl\":\"http://h/q\",\"MessageBody\":\"a b\",\"DelaySeconds\":5,"
            "\"MessageAttributes\":{\"color\":{\"DataType\":\"String\",\"StringValue\":\"red\"},"
            "\"raw\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AAE=\"}}}"));
}

static void test_lists_and_maps(void **state)
{
    (void)state;
    check_request("CreateQueue",
                  STR("Action=CreateQueue&Version=2012-11-05&QueueName=q&Attribute.1.Name="
                      "VisibilityTimeout&Attribute.1.Value=40&Tag.1.Key=a&Tag.1.Value=b"),
                  STR("{\"QueueName\":\"q\",\"Attributes\":{\"VisibilityTimeout\":\"40\"},"
                      "\"tags\":{\"a\":\"b\"}}"));
    check_request("ReceiveMessage",
                  STR("Action=ReceiveMessage&Version=2012-11-05&QueueUrl=u&MaxNumberOfMessages=5"
                      "&AttributeName.1=All&MessageAttributeName.1=x&MessageAttributeName.2=y"),
                  STR("{\"QueueUrl\":\"u\",\"MaxNumberOfMessages\":5,\"AttributeNames\":[\"All\"],"
                      "\"MessageAttributeNames\":[\"x\",\"y\"]}"));
    check_request("DeleteMessageBatch",
                  STR("Action=DeleteMessageBatch&Version=2012-11-05&QueueUrl=u"
                      "&DeleteMessageBatchRequestEntry.1.Id=one"
                      "&DeleteMessageBatchRequestEntry.1.ReceiptHandle=h1"
                      "&DeleteMessageBatchRequestEntry.2.Id=two"
                      "&DeleteMessageBatchRequestEntry.2.ReceiptHandle=h2"),
                  STR("{\"QueueUrl\":\"u\",\"Entries\":[{\"Id\":\"one\",\"ReceiptHandle\":\"h1\"},"
                      "{\"Id\":\"two\",\"ReceiptHandle\":\"h2\"}]}"));
}

static void test_receive_message(void **state)
{
    (void)state;
    check_response(
        "ReceiveMessage",
        STR("{\"Messages\":[{\"MessageId\":\"i\",\"ReceiptHandle\":\"h\",\"MD5OfBody\":\"m\","
            "\"Body\":\"b\",\"Attributes\":{\"SenderId\":\"s\"},\"MessageAttributes\":"
            "{\"color\":{\"DataType\":\"String\",\"StringValue\":\"red\"}}}]}"),
        STR("<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">"
            "<ReceiveMessageResult><Message><MessageId>i</MessageId><ReceiptHandle>h"
            "</ReceiptHandle><MD5OfBody>m</MD5OfBody><Body>b</Body><Attribute><Name>SenderId"
            "</Name><Value>s</Value></Attribute><MessageAttribute><Name>color</Name><Value>"
            "<StringValue>red</StringValue><DataType>String</DataType></Value></MessageAttribute>"
            "</Message></ReceiveMessageResult><ResponseMetadata><RequestId>id</RequestId>"
            "</ResponseMetadata></ReceiveMessageResponse>"));
}

static void test_batch_and_list_results(void **state)
{
    (void)state;
    check_response("ListQueues", STR("{\"QueueUrls\":[\"u1\",\"u2\"]}"),
                   STR("<ListQueuesResponse><ListQueuesResult><QueueUrl>u1</QueueUrl><QueueUrl>u2"
                       "</QueueUrl></ListQueuesResult></ListQueuesResponse>"));
    check_response(
        "DeleteMessageBatch",
        STR("{\"Successful\":[{\"Id\":\"one\"}],\"Failed\":[{\"Id\":\"two\",\"SenderFault\":true,"
            "\"Code\":\"c\"}]}"),
        STR("<DeleteMessageBatchResponse><DeleteMessageBatchResult><DeleteMessageBatchResultEntry>"
            "<Id>one</Id></DeleteMessageBatchResultEntry><BatchResultErrorEntry><Id>two</Id>"
            "<SenderFault>true</SenderFault><Code>c</Code></BatchResultErrorEntry>"
            "</DeleteMessageBatchResult></DeleteMessageBatchResponse>"));
    check_response("GetQueueAttributes", STR("{\"Attributes\":{\"DelaySeconds\":\"0\"}}"),
                   STR("<GetQueueAttributesResponse><GetQueueAttributesResult><Attribute><Name>"
                       "DelaySeconds</Name><Value>0</Value></Attribute></GetQueueAttributesResult>"
                       "</GetQueueAttributesResponse>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_message),
        cmocka_unit_test(test_lists_and_maps),
        cmocka_unit_test(test_receive_message),
        cmocka_unit_test(test_batch_and_list_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
