/* SendMessage: bodies, sizes, attributes and their digests, delays, groups. */
#include "service/sqs_support.h"

static struct sqs_MessageBodyAttributeMap one_attribute(struct loopback *lo, const char *name,
                                                        const char *type, const char *text,
                                                        const char *bytes)
{
    struct sqs_MessageBodyAttributeMap map = {
        .items = ARENA_ARRAY(lo->arena, 1, struct sqs_MessageBodyAttributeMap_entry), .len = 1};
    map.items[0].key = str_from_c(name);
    map.items[0].value = (struct sqs_MessageAttributeValue){.DataType = str_from_c(type),
                                                            .StringValue = str_from_c(text),
                                                            .BinaryValue = str_from_c(bytes)};
    return map;
}

static struct str filled(struct loopback *lo, size_t size)
{
    char *text = arena_alloc_raw(lo->arena, size + 1);
    memset(text, 'x', size);
    return str_make(text, size);
}

static void test_reply(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "plain");
    const struct sqs_SendMessageResult *sent =
        SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("hello world"));
    assert_str(sent->MD5OfMessageBody, STR("5eb63bbbe01eeed093cb22bb8f5acdc3"));
    assert_int_equal(sent->MessageId.len, 36);
    assert_true(str_is_absent(sent->MD5OfMessageAttributes));
    assert_true(str_is_absent(sent->MD5OfMessageSystemAttributes));
    assert_true(str_is_absent(sent->SequenceNumber));
    struct sqs_MessageList list = sqs_receive(lo, url, 1);
    assert_int_equal(list.len, 1);
    assert_str(list.items[0].MessageId, sent->MessageId);
    assert_str(list.items[0].MD5OfBody, sent->MD5OfMessageBody);
    assert_str(list.items[0].Body, STR("hello world"));
    assert_str(sqs_shown(&list.items[0], "SenderId"), STR("000000000000"));
    assert_str(sqs_shown(&list.items[0], "SentTimestamp"), STR("1795219200000"));
    assert_str(sqs_shown(&list.items[0], "ApproximateReceiveCount"), STR("1"));
    assert_str(sqs_shown(&list.items[0], "ApproximateFirstReceiveTimestamp"), STR("1795219200000"));
    assert_int_equal(list.items[0].Attributes.len, 4);
    assert_int_equal(list.items[0].MessageAttributes.len, 0);
}

static void test_bodies(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "bodies");
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter MessageBody.", SendMessage, .QueueUrl = url,
              .MessageBody = STR(""));
    static const char *const good[] = {"\t\n\r ", "\xed\x9f\xbf" /* D7FF */,
                                       "\xee\x80\x80" /* E000 */, "\xef\xbf\xbd" /* FFFD */,
                                       "\xf4\x8f\xbf\xbf" /* 10FFFF */};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        sqs_send(lo, url, good[i]);
        sqs_receive_one(lo, url, good[i]);
    }
    SQS_FAILS(lo, "InvalidMessageContents",
              "Invalid characters found: #x1. Valid unicode characters are #x9 | #xA | #xD | #x20 "
              "to #xD7FF | "
              "#xE000 to #xFFFD | #x10000 to #x10FFFF",
              SendMessage, .QueueUrl = url, .MessageBody = STR("a\x01"));
    SQS_FAILS(lo, "InvalidMessageContents",
              "Invalid characters found: #xFFFE. Valid unicode characters are #x9 | #xA | #xD | "
              "#x20 to #xD7FF "
              "| #xE000 to #xFFFD | #x10000 to #x10FFFF",
              SendMessage, .QueueUrl = url, .MessageBody = STR("a\xef\xbf\xbe"));
    SQS_FAILS(lo, "InvalidMessageContents", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("\xef\xbf\xbf"));
    SQS_FAILS(lo, "InvalidMessageContents", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = str_make("a\0b", 3));
}

static void test_size(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "large");
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = filled(lo, 1048576)));
    assert_int_equal(sqs_receive(lo, url, 1).items[0].Body.len, 1048576);
    SQS_FAILS(
        lo, "InvalidParameterValueException",
        "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        SendMessage, .QueueUrl = url, .MessageBody = filled(lo, 1048577));
    struct str small = sqs_queue_with(lo, "small", PAIRS(lo, "MaximumMessageSize", "1024"));
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = small, .MessageBody = filled(lo, 1024)));
    SQS_FAILS(
        lo, "InvalidParameterValueException",
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
        SendMessage, .QueueUrl = small, .MessageBody = filled(lo, 1025));
    /* Names, types and values of attributes count: 1 + 6 + 3. */
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = small, .MessageBody = filled(lo, 1014),
                         .MessageAttributes = one_attribute(lo, "a", "String", "xyz", NULL)));
    SQS_FAILS(
        lo, "InvalidParameterValueException",
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
        SendMessage, .QueueUrl = small, .MessageBody = filled(lo, 1015),
        .MessageAttributes = one_attribute(lo, "a", "String", "xyz", NULL));
}

/* Digests as the SDKs compute them: length and bytes of name, type, transport type, length and
 * bytes of the value. */
static void test_attributes(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "attributes");
    struct sqs_MessageBodyAttributeMap map = {
        .items = ARENA_ARRAY(lo->arena, 3, struct sqs_MessageBodyAttributeMap_entry), .len = 3};
    map.items[0] = one_attribute(lo, "zone", "String.place", "garden", NULL).items[0];
    map.items[1] = one_attribute(lo, "count", "Number", "42", NULL).items[0];
    map.items[2] = one_attribute(lo, "blob", "Binary", NULL, "abc").items[0];
    const struct sqs_SendMessageResult *sent =
        SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageAttributes = map);
    assert_str(sent->MD5OfMessageAttributes, STR("4d2831cc111d7c6e0f9f52401454c108"));
    struct sqs_MessageList list = sqs_receive(lo, url, 1);
    assert_str(list.items[0].MD5OfMessageAttributes, sent->MD5OfMessageAttributes);
    assert_int_equal(list.items[0].MessageAttributes.len, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_str(list.items[0].MessageAttributes.items[i].key, map.items[i].key);
        assert_str(list.items[0].MessageAttributes.items[i].value.DataType,
                   map.items[i].value.DataType);
        assert_str(list.items[0].MessageAttributes.items[i].value.StringValue,
                   map.items[i].value.StringValue);
        assert_str(list.items[0].MessageAttributes.items[i].value.BinaryValue,
                   map.items[i].value.BinaryValue);
    }
    struct sqs_MessageBodySystemAttributeMap system = {
        .items = ARENA_ARRAY(lo->arena, 1, struct sqs_MessageBodySystemAttributeMap_entry),
        .len = 1};
    system.items[0].key = STR("AWSTraceHeader");
    system.items[0].value = (struct sqs_MessageSystemAttributeValue){
        .DataType = STR("String"), .StringValue = STR("Root=1-5759e988-bd862e3fe1be46a994272793")};
    sent = SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("y"),
                  .MessageSystemAttributes = system);
    assert_str(sent->MD5OfMessageSystemAttributes, STR("62a56dd927315f2b2e12832b84617ea5"));
    assert_true(str_is_absent(sent->MD5OfMessageAttributes));
    list = sqs_receive(lo, url, 1);
    assert_str(sqs_shown(&list.items[0], "AWSTraceHeader"),
               STR("Root=1-5759e988-bd862e3fe1be46a994272793"));
    system.items[0].value.DataType = STR("Number");
    SQS_FAILS(lo, "InvalidParameterValueException",
              "The message system attribute 'AWSTraceHeader' must contain non-empty message "
              "attribute value for "
              "message attribute type 'String'.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("y"),
              .MessageSystemAttributes = system);
    system.items[0].key = STR("Other");
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Message system attribute name 'Other' is invalid.", SendMessage, .QueueUrl = url,
              .MessageBody = STR("y"), .MessageSystemAttributes = system);
}

struct refusal {
    const char *name, *type, *text, *bytes, *message;
};

static void test_attributes_refused(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "refused");
    static const struct refusal refusals[] = {
        {"a", "Strung", "x", NULL,
         "The message attribute 'a' has an invalid message attribute type, the set of supported "
         "type prefixes is "
         "Binary, Number, and String."},
        {"a", "Stringy", "x", NULL, NULL},
        {"a", "string", "x", NULL, NULL},
        {"a", "", "x", NULL,
         "The message attribute 'a' must contain non-empty message attribute type."},
        {"a", NULL, "x", NULL,
         "The message attribute 'a' must contain non-empty message attribute type."},
        {"a", "String", "", NULL,
         "The message attribute 'a' must contain non-empty message attribute value for message "
         "attribute type "
         "'String'."},
        {"a", "String", NULL, "bytes", NULL},
        {"a", "Binary", "text", NULL,
         "The message attribute 'a' must contain non-empty message attribute value for message "
         "attribute type "
         "'Binary'."},
        {"a", "Number.int", "1x", NULL,
         "Can't cast the value of message (user) attribute 'a' to a number."},
        {"a", "Number", "", NULL,
         "The message attribute 'a' must contain non-empty message attribute value for message "
         "attribute type "
         "'Number'."},
        {"", "String", "x", NULL, "The request must contain non-empty message attribute names."},
        {".a", "String", "x", NULL,
         "The message attribute name '.a' is invalid. Attribute name can contain A-Z, a-z, 0-9, "
         "underscore (_), "
         "hyphen (-), and period (.) characters."},
        {"a.", "String", "x", NULL, NULL},
        {"a..b", "String", "x", NULL, NULL},
        {"a b", "String", "x", NULL, NULL},
        {"aws.x", "String", "x", NULL,
         "You cannot use message attribute names beginning with 'AWS.' or 'Amazon.' because these "
         "strings are "
         "reserved for internal use."},
        {"AMAZON.x", "String", "x", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        SQS_FAILS(lo, "InvalidParameterValueException", r->message, SendMessage, .QueueUrl = url,
                  .MessageBody = STR("x"),
                  .MessageAttributes = one_attribute(lo, r->name, r->type, r->text, r->bytes));
    }
    SQS_FAILS(lo, "InvalidMessageContents", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"),
              .MessageAttributes = one_attribute(lo, "a", "String", "\x02", NULL));
    struct str_list list = NAMES(lo, "one");
    struct sqs_MessageBodyAttributeMap with_list = one_attribute(lo, "a", "String", "x", NULL);
    with_list.items[0].value.StringListValues = list;
    SQS_FAILS(lo, "UnsupportedOperation",
              "Message attribute list values in SendMessage operation are not supported.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"),
              .MessageAttributes = with_list);
    assert_counts(lo, url, 0, 0, 0);
}

static void test_attribute_limits(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "limits");
    struct sqs_MessageBodyAttributeMap map = {
        .items = ARENA_ARRAY(lo->arena, 11, struct sqs_MessageBodyAttributeMap_entry), .len = 10};
    for (size_t i = 0; i < 11; i++)
        map.items[i] = one_attribute(lo, str_to_c(lo->arena, str_format(lo->arena, "name-%zu", i)),
                                     "Number", "-1.5e3", NULL)
                           .items[0];
    map.items[0].key = filled(lo, 256);
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"),
                         .MessageAttributes = map));
    map.len = 11;
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Number of message attributes [11] exceeds the allowed maximum [10].", SendMessage,
              .QueueUrl = url, .MessageBody = STR("x"), .MessageAttributes = map);
    map.len = 1;
    map.items[0].key = filled(lo, 257);
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Message (user) attribute name must be shorter than 256 bytes, but it was 257 bytes.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageAttributes = map);
}

static void test_delay(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "later", PAIRS(lo, "DelaySeconds", "10"));
    sqs_send(lo, url, "by the queue");
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("at once"),
                         .DelaySeconds = opt_int(0)));
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("late"),
                         .DelaySeconds = opt_int(900)));
    assert_counts(lo, url, 1, 0, 2);
    sqs_delete(lo, url, sqs_receive_one(lo, url, "at once"));
    loopback_advance(lo, 9999);
    sqs_receive_none(lo, url);
    loopback_advance(lo, 1);
    assert_counts(lo, url, 1, 0, 1);
    sqs_delete(lo, url, sqs_receive_one(lo, url, "by the queue"));
    loopback_advance(lo, 900000 - 10000 - 1);
    sqs_receive_none(lo, url);
    loopback_reopen(lo);
    loopback_advance(lo, 1);
    struct sqs_MessageList list = sqs_receive(lo, url, 1);
    assert_str(list.items[0].Body, STR("late"));
    assert_str(sqs_shown(&list.items[0], "SentTimestamp"), STR("1795219200000"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
              "and <= 900.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .DelaySeconds = opt_int(901));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value -1 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
              "and <= 900.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .DelaySeconds = opt_int(-1));
}

static void test_standard_parameters(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "standard");
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value d for parameter MessageDeduplicationId is invalid. Reason: The request "
              "include parameter that "
              "is not valid for this queue type.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"),
              .MessageDeduplicationId = STR("d"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only "
              "include "
              "alphanumeric and punctuation characters. 1 to 128 in length.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageGroupId = STR("a b"));
    SQS_FAILS(lo, "InvalidParameterValueException", NULL, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"), .MessageGroupId = filled(lo, 129));
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"),
                         .MessageGroupId = filled(lo, 128)));
    assert_str(sqs_shown(&sqs_receive(lo, url, 1).items[0], "MessageGroupId"), filled(lo, 128));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_reply),
        SQS_TEST(test_bodies),
        SQS_TEST(test_size),
        SQS_TEST(test_attributes),
        SQS_TEST(test_attributes_refused),
        SQS_TEST(test_attribute_limits),
        SQS_TEST(test_delay),
        SQS_TEST(test_standard_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
