/* ReceiveMessage: parameters, what is shown, long polling, retention. */
#include "service/sqs_support.h"

#define SECOND 1000

static void test_parameters(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "ranges");
    static const struct {
        int max, wait, visibility;
        const char *message;
    } wrong[] = {
        {0, 0, 0,
         "Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, "
         "if provided."},
        {11, 0, 0,
         "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, "
         "if provided."},
        {1, -1, 0,
         "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if "
         "provided."},
        {1, 21, 0,
         "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if "
         "provided."},
        {1, 0, -1,
         "Value -1 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, "
         "if provided."},
        {1, 0, 43201,
         "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= "
         "43200, if provided."},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        SQS_FAILS(lo, "InvalidParameterValueException", wrong[i].message, ReceiveMessage,
                  .QueueUrl = url, .MaxNumberOfMessages = opt_int(wrong[i].max),
                  .WaitTimeSeconds = opt_int(wrong[i].wait),
                  .VisibilityTimeout = opt_int(wrong[i].visibility));
    SQS_FAILS(lo, "InvalidAttributeName", "Unknown Attribute Colour.", ReceiveMessage,
              .QueueUrl = url, .AttributeNames = NAMES(lo, "SenderId", "Colour"));
    SQS_FAILS(lo, "InvalidAttributeName", "Unknown Attribute Colour.", ReceiveMessage,
              .QueueUrl = url, .MessageSystemAttributeNames = NAMES(lo, "Colour"));
    loopback_ok(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url,
                         .AttributeNames = NAMES(lo, "Policy", "QueueArn")));
    loopback_ok(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url, .MaxNumberOfMessages = opt_int(10),
                         .VisibilityTimeout = opt_int(43200)));
    const struct sqs_ReceiveMessageResult *nothing = SQS_OK(lo, ReceiveMessage, .QueueUrl = url);
    assert_null(nothing->Messages.items); /* no list at all, not an empty one */
}

static void test_max_number(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "many");
    for (int i = 0; i < 12; i++)
        sqs_send(lo, url, str_to_c(lo->arena, str_format(lo->arena, "%d", i)));
    assert_int_equal(SQS_OK(lo, ReceiveMessage, .QueueUrl = url)->Messages.len, 1);
    struct sqs_MessageList list = sqs_receive(lo, url, 10);
    assert_int_equal(list.len, 10);
    for (size_t i = 0; i < 10; i++) /* the oldest first */
        assert_str(list.items[i].Body, str_format(lo->arena, "%zu", i + 1));
    assert_int_equal(sqs_receive(lo, url, 10).len, 1);
    assert_counts(lo, url, 0, 12, 0);
}

static const struct sqs_Message *receive_with(struct loopback *lo, struct str url,
                                              struct str_list attributes, struct str_list system,
                                              struct str_list message)
{
    loopback_advance(lo, 30 * SECOND);
    const struct sqs_ReceiveMessageResult *result =
        SQS_OK(lo, ReceiveMessage, .QueueUrl = url, .AttributeNames = attributes,
               .MessageSystemAttributeNames = system, .MessageAttributeNames = message);
    assert_int_equal(result->Messages.len, 1);
    return &result->Messages.items[0];
}

static void test_what_is_shown(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "shown");
    struct sqs_MessageBodyAttributeMap map = {
        .items = ARENA_ARRAY(lo->arena, 3, struct sqs_MessageBodyAttributeMap_entry), .len = 3};
    static const char *const names[] = {"bar.one", "bar.two", "foo"};
    for (size_t i = 0; i < 3; i++) {
        map.items[i].key = str_from_c(names[i]);
        map.items[i].value = (struct sqs_MessageAttributeValue){
            .DataType = STR("String"), .StringValue = str_from_c(names[i])};
    }
    const struct sqs_SendMessageResult *sent =
        SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageAttributes = map);
    struct str_list none = {0};
    const struct sqs_Message *message = receive_with(lo, url, none, none, none);
    assert_int_equal(message->Attributes.len, 0);
    assert_int_equal(message->MessageAttributes.len, 0);
    assert_true(str_is_absent(message->MD5OfMessageAttributes));
    message = receive_with(lo, url, NAMES(lo, "SenderId"), none, NAMES(lo, "foo", "other"));
    assert_int_equal(message->Attributes.len, 1);
    assert_str(sqs_shown(message, "SenderId"), STR("000000000000"));
    assert_int_equal(message->MessageAttributes.len, 1);
    assert_str(message->MessageAttributes.items[0].key, STR("foo"));
    assert_false(str_eq(message->MD5OfMessageAttributes,
                        sent->MD5OfMessageAttributes)); /* of what is shown */
    message = receive_with(lo, url, none, NAMES(lo, "SentTimestamp", "ApproximateReceiveCount"),
                           NAMES(lo, "bar.*"));
    assert_int_equal(message->Attributes.len, 2);
    assert_str(sqs_shown(message, "ApproximateReceiveCount"), STR("3"));
    assert_int_equal(message->MessageAttributes.len, 2);
    message = receive_with(lo, url, NAMES(lo, "All"), none, NAMES(lo, ".*"));
    assert_int_equal(message->Attributes.len, 4);
    assert_str(sqs_shown(message, "ApproximateFirstReceiveTimestamp"), STR("1795219230000"));
    assert_int_equal(message->MessageAttributes.len, 3);
    assert_str(message->MD5OfMessageAttributes, sent->MD5OfMessageAttributes);
    assert_int_equal(receive_with(lo, url, none, none, NAMES(lo, "All"))->MessageAttributes.len, 3);
    assert_int_equal(receive_with(lo, url, none, none, NAMES(lo, "bar"))->MessageAttributes.len, 0);
}

/* --- waiting
 * -------------------------------------------------------------------------------------------------------
 */

static int64_t parked_until(struct loopback *lo, struct str url, int wait_s)
{
    struct loopback_reply reply = wait_s < 0 ? SQS_CALL(lo, ReceiveMessage, .QueueUrl = url)
                                             : SQS_CALL(lo, ReceiveMessage, .QueueUrl = url,
                                                        .WaitTimeSeconds = opt_int(wait_s));
    assert_int_equal(reply.result, RESULT_PARK);
    return reply.deadline_ms - loopback_now(lo);
}

static void test_waiting(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "waiting");
    assert_int_equal(parked_until(lo, url, 20), 20 * SECOND);
    assert_int_equal(parked_until(lo, url, 1), SECOND);
    assert_int_equal(
        SQS_OK(lo, ReceiveMessage, .QueueUrl = url, .WaitTimeSeconds = opt_int(0))->Messages.len,
        0);
    /* Sooner when something comes by itself. */
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"),
                         .DelaySeconds = opt_int(7)));
    assert_int_equal(parked_until(lo, url, 20), 7 * SECOND);
    assert_int_equal(parked_until(lo, url, 5), 5 * SECOND);
    loopback_advance(lo, 7 * SECOND);
    struct loopback_reply reply =
        SQS_CALL(lo, ReceiveMessage, .QueueUrl = url, .VisibilityTimeout = opt_int(3),
                 .WaitTimeSeconds = opt_int(20));
    assert_int_equal(((const struct sqs_ReceiveMessageResult *)loopback_ok(reply))->Messages.len,
                     1);
    assert_int_equal(parked_until(lo, url, 20), 3 * SECOND);
    /* The queue's own time counts when the caller gives none. */
    struct str patient =
        sqs_queue_with(lo, "patient", PAIRS(lo, "ReceiveMessageWaitTimeSeconds", "12"));
    assert_int_equal(parked_until(lo, patient, -1), 12 * SECOND);
    sqs_receive_none(lo, patient);
}

static void test_waiting_in_a_group(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "waiting.fifo");
    sqs_send_group(lo, url, "g", "one");
    sqs_send_group(lo, url, "g", "two");
    loopback_ok(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url, .VisibilityTimeout = opt_int(9)));
    assert_int_equal(parked_until(lo, url, 20), 9 * SECOND);
}

/* --- too old
 * -------------------------------------------------------------------------------------------------------
 */

static void test_retention_counts(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "aging", PAIRS(lo, "MessageRetentionPeriod", "60"));
    sqs_send(lo, url, "ready");
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("delayed"),
                         .DelaySeconds = opt_int(100)));
    sqs_send(lo, url, "flying");
    loopback_ok(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url, .VisibilityTimeout = opt_int(1000)));
    loopback_advance(lo, 20 * SECOND);
    sqs_send(lo, url, "younger");
    assert_counts(lo, url, 2, 1, 1);
    loopback_advance(lo, 40 * SECOND - 1);
    loopback_deliver(lo);
    assert_counts(lo, url, 2, 1, 1);
    loopback_advance(lo, 1);
    struct str younger = sqs_receive_one(lo, url, "younger"); /* whether the job has run or not */
    loopback_deliver(lo);
    assert_counts(lo, url, 0, 1, 0);
    loopback_advance(lo, 20 * SECOND);
    loopback_reopen(lo);
    loopback_deliver(lo);
    assert_counts(lo, url, 0, 0, 0);
    sqs_delete(lo, url, younger);
    sqs_send(lo, url, "again");
    loopback_advance(lo, 60 * SECOND);
    loopback_deliver(lo);
    assert_counts(lo, url, 0, 0, 0);
}

/* A new period counts for what is there already ("SetQueueAttributes", MessageRetentionPeriod). */
static void test_retention_changed(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "changed");
    sqs_send(lo, url, "one");
    loopback_advance(lo, 100 * SECOND);
    sqs_send(lo, url, "two");
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "MessageRetentionPeriod", "90")));
    loopback_deliver(lo);
    assert_counts(lo, url, 1, 0, 0);
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "MessageRetentionPeriod", "200")));
    loopback_advance(lo, 100 * SECOND);
    loopback_deliver(lo);
    assert_counts(lo, url, 1, 0, 0);
    loopback_advance(lo, 100 * SECOND);
    loopback_deliver(lo);
    assert_counts(lo, url, 0, 0, 0);
}

static void test_many_too_old(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "heap", PAIRS(lo, "MessageRetentionPeriod", "60"));
    for (int i = 0; i < 450; i++)
        sqs_send(lo, url, "old");
    loopback_advance(lo, 60 * SECOND);
    sqs_send(lo, url, "new");
    int calls = 1;
    while (sqs_receive(lo, url, 1).len == 0)
        calls++;
    assert_int_equal(calls, 3); /* 200 at a time */
    assert_counts(lo, url, 0, 1, 0);
}

/* Who waits keeps waiting while old messages are dropped and dead letters are moved. */
static void test_waiting_and_moving(void **state)
{
    struct loopback *lo = *state;
    struct str old = sqs_queue_with(lo, "heap", PAIRS(lo, "MessageRetentionPeriod", "60"));
    for (int i = 0; i < 250; i++)
        sqs_send(lo, old, "old");
    loopback_advance(lo, 60 * SECOND);
    for (int i = 0; i < 3; i++)
        assert_int_equal(parked_until(lo, old, 20), 20 * SECOND);
    struct kv_usage before, after;
    assert_int_equal(kv_usage(lo->cloud->kv, &before), RESULT_OK);
    loopback_deliver(lo); /* nothing is left for the job but itself */
    assert_int_equal(kv_usage(lo->cloud->kv, &after), RESULT_OK);
    assert_true(before.entries - after.entries <= 1);
    struct str dead = sqs_queue(lo, "dead");
    struct str url =
        sqs_queue_with(lo, "source",
                       PAIRS(lo, "RedrivePolicy",
                             "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\","
                             "\"maxReceiveCount\":1}"));
    sqs_send(lo, url, "x");
    sqs_receive_one(lo, url, "x");
    assert_int_equal(parked_until(lo, url, 20), 20 * SECOND);
    loopback_advance(lo, 30 * SECOND);
    assert_int_equal(parked_until(lo, url, 20), 20 * SECOND);
    assert_counts(lo, url, 0, 0, 0);
    assert_counts(lo, dead, 1, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_parameters),         SQS_TEST(test_max_number),
        SQS_TEST(test_what_is_shown),      SQS_TEST(test_waiting),
        SQS_TEST(test_waiting_in_a_group), SQS_TEST(test_retention_counts),
        SQS_TEST(test_retention_changed),  SQS_TEST(test_many_too_old),
        SQS_TEST(test_waiting_and_moving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
