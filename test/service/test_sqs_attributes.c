/* GetQueueAttributes, SetQueueAttributes and the attributes of CreateQueue. */
#include "service/sqs_support.h"

static void test_defaults(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "standard");
    static const char *const expected[][2] = {
        {"VisibilityTimeout", "30"},
        {"MaximumMessageSize", "1048576"},
        {"MessageRetentionPeriod", "345600"},
        {"ApproximateNumberOfMessages", "0"},
        {"ApproximateNumberOfMessagesNotVisible", "0"},
        {"CreatedTimestamp", "1795219200"},
        {"LastModifiedTimestamp", "1795219200"},
        {"QueueArn", "arn:aws:sqs:us-east-1:000000000000:standard"},
        {"ApproximateNumberOfMessagesDelayed", "0"},
        {"DelaySeconds", "0"},
        {"ReceiveMessageWaitTimeSeconds", "0"},
        {"SqsManagedSseEnabled", "true"},
    };
    size_t count = sizeof expected / sizeof expected[0];
    const struct sqs_GetQueueAttributesResult *all =
        SQS_OK(lo, GetQueueAttributes, .QueueUrl = url, .AttributeNames = NAMES(lo, "All"));
    assert_int_equal(all->Attributes.len, count);
    for (size_t i = 0; i < count; i++) {
        assert_str(all->Attributes.items[i].key, str_from_c(expected[i][0]));
        assert_str(all->Attributes.items[i].value, str_from_c(expected[i][1]));
    }
    assert_null(SQS_OK(lo, GetQueueAttributes, .QueueUrl = url)->Attributes.items);
    struct str fifo = sqs_queue_with(lo, "f.fifo", PAIRS(lo, "FifoQueue", "true"));
    all = SQS_OK(lo, GetQueueAttributes, .QueueUrl = fifo,
                 .AttributeNames = NAMES(lo, "QueueArn", "All"));
    assert_int_equal(all->Attributes.len, count + 4);
    assert_str(sqs_attribute(lo, fifo, "FifoQueue"), STR("true"));
    assert_str(sqs_attribute(lo, fifo, "ContentBasedDeduplication"), STR("false"));
    assert_str(sqs_attribute(lo, fifo, "DeduplicationScope"), STR("queue"));
    assert_str(sqs_attribute(lo, fifo, "FifoThroughputLimit"), STR("perQueue"));
    SQS_FAILS(lo, "InvalidAttributeName", "Unknown Attribute Colour.", GetQueueAttributes,
              .QueueUrl = url, .AttributeNames = NAMES(lo, "All", "Colour"));
}

struct range {
    const char *name, *below, *min, *max, *above;
};

static void test_ranges(void **state)
{
    struct loopback *lo = *state;
    static const struct range ranges[] = {
        {"VisibilityTimeout", "-1", "0", "43200", "43201"},
        {"MaximumMessageSize", "1023", "1024", "1048576", "1048577"},
        {"MessageRetentionPeriod", "59", "60", "1209600", "1209601"},
        {"DelaySeconds", "-1", "0", "900", "901"},
        {"ReceiveMessageWaitTimeSeconds", "-1", "0", "20", "21"},
        {"KmsDataKeyReusePeriodSeconds", "59", "60", "86400", "86401"},
    };
    struct str url = sqs_queue_with(lo, "ranges", PAIRS(lo, "KmsMasterKeyId", "alias/aws/sqs"));
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const struct range *r = &ranges[i];
        const char *const wrong[] = {r->below, r->above, "", "x", "1.0"}, *const right[] = {r->min,
                                                                                            r->max};
        const char *message = str_to_c(
            lo->arena, str_format(lo->arena, "Invalid value for the parameter %s.", r->name));
        for (size_t w = 0; w < 5; w++) {
            SQS_FAILS(lo, "InvalidAttributeValue", message, SetQueueAttributes, .QueueUrl = url,
                      .Attributes = PAIRS(lo, r->name, wrong[w]));
            SQS_FAILS(lo, "InvalidAttributeValue", message, CreateQueue, .QueueName = STR("new"),
                      .Attributes = PAIRS(lo, r->name, wrong[w]));
        }
        for (size_t k = 0; k < 2; k++) {
            loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                                 .Attributes = PAIRS(lo, r->name, right[k])));
            assert_str(sqs_attribute(lo, url, r->name), str_from_c(right[k]));
        }
    }
}

static void test_set(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "set");
    loopback_advance(lo, 5000);
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "VisibilityTimeout", "7", "DelaySeconds", "3")));
    assert_str(sqs_attribute(lo, url, "VisibilityTimeout"), STR("7"));
    assert_str(sqs_attribute(lo, url, "DelaySeconds"), STR("3"));
    assert_str(sqs_attribute(lo, url, "CreatedTimestamp"), STR("1795219200"));
    assert_str(sqs_attribute(lo, url, "LastModifiedTimestamp"), STR("1795219205"));
    /* All or nothing. */
    SQS_FAILS(lo, "InvalidAttributeName", "Unknown Attribute Colour.", SetQueueAttributes,
              .QueueUrl = url, .Attributes = PAIRS(lo, "VisibilityTimeout", "8", "Colour", "red"));
    assert_str(sqs_attribute(lo, url, "VisibilityTimeout"), STR("7"));
    static const char *const fixed[] = {"QueueArn", "CreatedTimestamp",
                                        "ApproximateNumberOfMessages", "All"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        SQS_FAILS(lo, "InvalidAttributeName", NULL, SetQueueAttributes, .QueueUrl = url,
                  .Attributes = PAIRS(lo, fixed[i], "1"));
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter Attribute.Name.", SetQueueAttributes,
              .QueueUrl = url);
    SQS_FAILS(lo, "QueueDoesNotExist", "The specified queue does not exist.", SetQueueAttributes,
              .QueueUrl = STR("http://localhost:4566/000000000000/none"),
              .Attributes = PAIRS(lo, "DelaySeconds", "1"));
}

static void test_fifo_only(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "standard"),
               fifo = sqs_queue_with(lo, "f.fifo", PAIRS(lo, "FifoQueue", "true"));
    SQS_FAILS(lo, "InvalidAttributeName", "Unknown Attribute FifoQueue.", CreateQueue,
              .QueueName = STR("n"), .Attributes = PAIRS(lo, "FifoQueue", "false"));
    SQS_FAILS(lo, "InvalidAttributeValue", "Invalid value for the parameter FifoQueue.",
              CreateQueue, .QueueName = STR("n.fifo"),
              .Attributes = PAIRS(lo, "FifoQueue", "maybe"));
    SQS_FAILS(
        lo, "InvalidAttributeValue",
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        SetQueueAttributes, .QueueUrl = fifo, .Attributes = PAIRS(lo, "FifoQueue", "false"));
    SQS_FAILS(lo, "InvalidAttributeName", "Unknown Attribute FifoQueue.", SetQueueAttributes,
              .QueueUrl = url, .Attributes = PAIRS(lo, "FifoQueue", "true"));
    SQS_FAILS(lo, "InvalidAttributeName", "Unknown Attribute ContentBasedDeduplication.",
              SetQueueAttributes, .QueueUrl = url,
              .Attributes = PAIRS(lo, "ContentBasedDeduplication", "true"));
    SQS_FAILS(lo, "InvalidAttributeName",
              "You can specify the DeduplicationScope only when FifoQueue is set to true.",
              SetQueueAttributes, .QueueUrl = url,
              .Attributes = PAIRS(lo, "DeduplicationScope", "queue"));
    SQS_FAILS(lo, "InvalidAttributeName",
              "You can specify the FifoThroughputLimit only when FifoQueue is set to true.",
              SetQueueAttributes, .QueueUrl = url,
              .Attributes = PAIRS(lo, "FifoThroughputLimit", "perQueue"));
    SQS_FAILS(lo, "InvalidAttributeValue", "Invalid value for the parameter DeduplicationScope.",
              SetQueueAttributes, .QueueUrl = fifo,
              .Attributes = PAIRS(lo, "DeduplicationScope", "all"));
    SQS_FAILS(
        lo, "InvalidAttributeValue",
        "The perMessageGroupId value is allowed for FifoThroughputLimit only when the value for "
        "DeduplicationScope is messageGroup.",
        SetQueueAttributes, .QueueUrl = fifo,
        .Attributes = PAIRS(lo, "FifoThroughputLimit", "perMessageGroupId"));
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = fifo,
                         .Attributes = PAIRS(lo, "FifoThroughputLimit", "perMessageGroupId",
                                             "DeduplicationScope", "messageGroup", "FifoQueue",
                                             "true", "ContentBasedDeduplication", "TRUE")));
    assert_str(sqs_attribute(lo, fifo, "FifoThroughputLimit"), STR("perMessageGroupId"));
    assert_str(sqs_attribute(lo, fifo, "DeduplicationScope"), STR("messageGroup"));
    assert_str(sqs_attribute(lo, fifo, "ContentBasedDeduplication"), STR("true"));
    SQS_FAILS(lo, "InvalidAttributeValue", NULL, SetQueueAttributes, .QueueUrl = fifo,
              .Attributes = PAIRS(lo, "DeduplicationScope", "queue"));
}

static void test_encryption(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "keys");
    assert_true(str_is_absent(sqs_attribute(lo, url, "KmsMasterKeyId")));
    assert_true(str_is_absent(sqs_attribute(lo, url, "KmsDataKeyReusePeriodSeconds")));
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "KmsMasterKeyId", "alias/aws/sqs")));
    assert_str(sqs_attribute(lo, url, "KmsMasterKeyId"), STR("alias/aws/sqs"));
    assert_str(sqs_attribute(lo, url, "KmsDataKeyReusePeriodSeconds"), STR("300"));
    assert_str(sqs_attribute(lo, url, "SqsManagedSseEnabled"), STR("false"));
    SQS_FAILS(lo, "InvalidAttributeValue",
              "You can use one type of server-side encryption (SSE) at one time. You can either "
              "enable KMS SSE or "
              "SQS SSE.",
              SetQueueAttributes, .QueueUrl = url,
              .Attributes =
                  PAIRS(lo, "SqsManagedSseEnabled", "true", "KmsMasterKeyId", "alias/mine"));
    loopback_ok(
        SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                 .Attributes = PAIRS(lo, "SqsManagedSseEnabled", "true", "KmsMasterKeyId", "")));
    assert_true(str_is_absent(sqs_attribute(lo, url, "KmsMasterKeyId")));
    assert_str(sqs_attribute(lo, url, "SqsManagedSseEnabled"), STR("true"));
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "KmsMasterKeyId", "alias/mine")));
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "SqsManagedSseEnabled", "true")));
    assert_true(str_is_absent(sqs_attribute(lo, url, "KmsMasterKeyId")));
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "SqsManagedSseEnabled", "false")));
    assert_str(sqs_attribute(lo, url, "SqsManagedSseEnabled"), STR("false"));
    SQS_FAILS(lo, "InvalidAttributeValue", "Invalid value for the parameter SqsManagedSseEnabled.",
              SetQueueAttributes, .QueueUrl = url,
              .Attributes = PAIRS(lo, "SqsManagedSseEnabled", "1"));
}

static void test_policy(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "policy");
    static const char policy[] = "{\"Version\":\"2012-10-17\",\"Statement\":[]}";
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "Policy", policy)));
    assert_str(sqs_attribute(lo, url, "Policy"), str_from_c(policy));
    static const char *const wrong[] = {"nonsense",
                                        "[]",
                                        "{\"Version\":",
                                        "\"text\"",
                                        "{}",
                                        ("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":"
                                         "\"Allow\",\"Action\":\"sqs:*\",\"Resource\":\"*\"}]}")};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        SQS_FAILS(lo, "InvalidAttributeValue", "Invalid value for the parameter Policy.",
                  SetQueueAttributes, .QueueUrl = url, .Attributes = PAIRS(lo, "Policy", wrong[i]));
    loopback_ok(
        SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url, .Attributes = PAIRS(lo, "Policy", "")));
    assert_true(str_is_absent(sqs_attribute(lo, url, "Policy")));
}

/* A RedrivePolicy is the same when it says the same. */
static void test_create_again(void **state)
{
    struct loopback *lo = *state;
    static const char one[] = "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:"
                              "dead\",\"maxReceiveCount\":5}";
    static const char other[] = "{ \"maxReceiveCount\": \"5\", \"deadLetterTargetArn\": "
                                "\"arn:aws:sqs:us-east-1:000000000000:dead\" }";
    static const char third[] = "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:"
                                "dead\",\"maxReceiveCount\":6}";
    sqs_queue(lo, "dead");
    struct str url = sqs_queue_with(lo, "again", PAIRS(lo, "RedrivePolicy", one));
    assert_str(sqs_queue_with(lo, "again", PAIRS(lo, "RedrivePolicy", other)), url);
    SQS_FAILS(lo, "QueueNameExists", NULL, CreateQueue, .QueueName = STR("again"),
              .Attributes = PAIRS(lo, "RedrivePolicy", third));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_defaults),     SQS_TEST(test_ranges),     SQS_TEST(test_set),
        SQS_TEST(test_fifo_only),    SQS_TEST(test_encryption), SQS_TEST(test_policy),
        SQS_TEST(test_create_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
