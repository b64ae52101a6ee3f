/* FIFO queues: groups, deduplication, sequence numbers, receive attempts. */
#include "service/sqs_support.h"

#define SECOND 1000
#define MINUTES 60000

static const struct sqs_SendMessageResult *send(struct loopback *lo, struct str url,
                                                const char *group, const char *deduplication,
                                                const char *body)
{
    return SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = str_from_c(body),
                  .MessageGroupId = str_from_c(group),
                  .MessageDeduplicationId = str_from_c(deduplication));
}

/* The bodies that are received at once, joined by commas. */
static struct str bodies(struct loopback *lo, struct str url, int max)
{
    struct sqs_MessageList list = sqs_receive(lo, url, max);
    struct str joined = STR("");
    for (size_t i = 0; i < list.len; i++)
        joined = str_format(lo->arena, "%.*s%s%.*s", PRSTR(joined), i == 0 ? "" : ",",
                            PRSTR(list.items[i].Body));
    return joined;
}

static void test_parameters(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "strict.fifo", PAIRS(lo, "FifoQueue", "true"));
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter MessageGroupId.", SendMessage,
              .QueueUrl = url, .MessageBody = STR("x"), .MessageDeduplicationId = STR("d"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "The queue should either have ContentBasedDeduplication enabled or "
              "MessageDeduplicationId provided "
              "explicitly",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageGroupId = STR("g"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only "
              "include alphanumeric "
              "and punctuation characters. 1 to 128 in length.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageGroupId = STR(""),
              .MessageDeduplicationId = STR("d"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value a b for parameter MessageDeduplicationId is invalid. Reason: "
              "MessageDeduplicationId can only "
              "include alphanumeric and punctuation characters. 1 to 128 in length.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageGroupId = STR("g"),
              .MessageDeduplicationId = STR("a b"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value 5 for parameter DelaySeconds is invalid. Reason: The request include "
              "parameter that is not "
              "valid for this queue type.",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"), .MessageGroupId = STR("g"),
              .MessageDeduplicationId = STR("d"), .DelaySeconds = opt_int(5));
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"),
                         .MessageGroupId = STR("!~"), .MessageDeduplicationId = STR("d"),
                         .DelaySeconds = opt_int(0)));
}

static void test_shown(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "shown.fifo");
    const struct sqs_SendMessageResult *sent = send(lo, url, "g", "d", "x");
    assert_int_equal(sent->SequenceNumber.len, 20);
    const struct sqs_SendMessageResult *later = send(lo, url, "g", "e", "y");
    assert_true(str_cmp(sent->SequenceNumber, later->SequenceNumber) < 0);
    struct sqs_MessageList list = sqs_receive(lo, url, 10);
    assert_int_equal(list.len, 2);
    assert_str(sqs_shown(&list.items[0], "SequenceNumber"), sent->SequenceNumber);
    assert_str(sqs_shown(&list.items[0], "MessageGroupId"), STR("g"));
    assert_str(sqs_shown(&list.items[0], "MessageDeduplicationId"), STR("d"));
    assert_int_equal(list.items[0].Attributes.len, 7);
    /* The hash of the body stands for an id that is not given. */
    SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("abc"), .MessageGroupId = STR("h"));
    list = sqs_receive(lo, url, 10);
    assert_str(sqs_shown(&list.items[0], "MessageDeduplicationId"),
               STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

static void test_groups(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "groups.fifo");
    sqs_send_group(lo, url, "a", "a1");
    sqs_send_group(lo, url, "b", "b1");
    sqs_send_group(lo, url, "a", "a2");
    sqs_send_group(lo, url, "a", "a3");
    sqs_send_group(lo, url, "b", "b2");
    struct sqs_MessageList first = sqs_receive(lo, url, 2); /* as many of one group as fit */
    assert_int_equal(first.len, 2);
    assert_str(first.items[0].Body, STR("a1"));
    assert_str(first.items[1].Body, STR("a2"));
    assert_str(bodies(lo, url, 10), STR("b1,b2")); /* a3 waits for a1 and a2 */
    sqs_receive_none(lo, url);
    sqs_delete(lo, url, first.items[0].ReceiptHandle);
    sqs_receive_none(lo, url);
    sqs_delete(lo, url, first.items[1].ReceiptHandle);
    sqs_send_group(lo, url, "a", "a4");
    assert_str(bodies(lo, url, 10), STR("a3,a4"));
    assert_counts(lo, url, 0, 4, 0);
    loopback_reopen(lo);
    loopback_advance(lo, 30 * SECOND);
    assert_str(bodies(lo, url, 10), STR("b1,b2,a3,a4"));
}

static void test_group_returns(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "returns.fifo");
    for (int i = 1; i <= 4; i++)
        sqs_send_group(lo, url, "g", str_to_c(lo->arena, str_format(lo->arena, "%d", i)));
    struct sqs_MessageList list = sqs_receive(lo, url, 2);
    loopback_ok(SQS_CALL(lo, ChangeMessageVisibility, .QueueUrl = url,
                         .ReceiptHandle = list.items[0].ReceiptHandle,
                         .VisibilityTimeout = opt_int(0)));
    sqs_receive_none(lo, url); /* 2 is still in flight */
    loopback_ok(SQS_CALL(lo, ChangeMessageVisibility, .QueueUrl = url,
                         .ReceiptHandle = list.items[1].ReceiptHandle,
                         .VisibilityTimeout = opt_int(0)));
    assert_str(bodies(lo, url, 10), STR("1,2,3,4"));
}

static void test_deduplication(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "once.fifo");
    const struct sqs_SendMessageResult *sent = send(lo, url, "g", "id", "one");
    const struct sqs_SendMessageResult *again = send(lo, url, "h", "id", "two");
    assert_str(again->MessageId, sent->MessageId);
    assert_str(again->SequenceNumber, sent->SequenceNumber);
    assert_str(again->MD5OfMessageBody,
               STR("b8a9f715dbb64fd5c56e7783c6820a61")); /* of what was sent now */
    sqs_delete(lo, url, sqs_receive_one(lo, url, "one"));
    loopback_advance(lo, 5 * MINUTES - 1);
    send(lo, url, "g", "id", "three");
    sqs_receive_none(lo, url);
    loopback_reopen(lo);
    send(lo, url, "g", "id", "four");
    sqs_receive_none(lo, url);
    loopback_advance(lo, 1); /* from the first, not from the repetitions */
    send(lo, url, "g", "id", "five");
    sqs_delete(lo, url, sqs_receive_one(lo, url, "five"));
    /* By content; an id that is given counts instead. */
    sqs_send_group(lo, url, "g", "same");
    sqs_send_group(lo, url, "g", "same");
    send(lo, url, "g", "other", "same");
    send(lo, url, "g", "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5",
         "same by its hash");
    assert_str(bodies(lo, url, 10), STR("same,same"));
}

static void test_deduplication_outlives(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "purge.fifo");
    send(lo, url, "g", "id", "one");
    loopback_ok(SQS_CALL(lo, PurgeQueue, .QueueUrl = url));
    loopback_deliver(lo);
    send(lo, url, "g", "id", "two");
    sqs_receive_none(lo, url);
    loopback_ok(SQS_CALL(lo, DeleteQueue, .QueueUrl = url));
    loopback_deliver(lo);
    loopback_advance(lo, 60 * SECOND);
    url = sqs_fifo(lo, "purge.fifo");
    send(lo, url, "g", "id", "three");
    sqs_receive_one(lo, url, "three");
}

static void test_deduplication_by_group(void **state)
{
    struct loopback *lo = *state;
    struct str url =
        sqs_queue_with(lo, "high.fifo",
                       PAIRS(lo, "FifoQueue", "true", "DeduplicationScope", "messageGroup",
                             "FifoThroughputLimit", "perMessageGroupId"));
    send(lo, url, "a", "id", "one");
    send(lo, url, "b", "id", "two");
    send(lo, url, "a", "id", "three");
    assert_str(bodies(lo, url, 10), STR("one,two"));
}

static void test_delayed_group(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(
        lo, "later.fifo",
        PAIRS(lo, "FifoQueue", "true", "ContentBasedDeduplication", "true", "DelaySeconds", "10"));
    sqs_send_group(lo, url, "g", "one");
    sqs_send_group(lo, url, "h", "other");
    assert_counts(lo, url, 0, 0, 2);
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "DelaySeconds", "0")));
    loopback_advance(lo, 4 * SECOND);
    sqs_send_group(lo, url, "g", "two"); /* must not overtake */
    sqs_send_group(lo, url, "i", "at once");
    assert_str(bodies(lo, url, 10), STR("at once"));
    loopback_advance(lo, 6 * SECOND);
    assert_str(bodies(lo, url, 10), STR("one,two,other"));
}

/* --- receive attempts --- */

static struct sqs_MessageList attempt(struct loopback *lo, struct str url, const char *id)
{
    return SQS_OK(lo, ReceiveMessage, .QueueUrl = url, .MaxNumberOfMessages = opt_int(2),
                  .ReceiveRequestAttemptId = str_from_c(id), .WaitTimeSeconds = opt_int(0))
        ->Messages;
}

static void not_retryable(struct loopback *lo, struct str url)
{
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value try for parameter ReceiveRequestAttemptId is invalid. Reason: The "
              "receiveRequestAttemptId is "
              "not valid anymore since the receive call is not retryable.",
              ReceiveMessage, .QueueUrl = url, .ReceiveRequestAttemptId = STR("try"));
}

/* Once the timeout is over without anybody having changed anything, the id stands for a receive
 * like any other. */
static void test_attempt_after_timeout(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "timeout.fifo");
    sqs_send_group(lo, url, "g", "1");
    struct sqs_MessageList first = attempt(lo, url, "try");
    loopback_advance(lo, 30 * SECOND);
    struct sqs_MessageList second = attempt(lo, url, "try");
    assert_int_equal(second.len, 1);
    assert_false(str_eq(second.items[0].ReceiptHandle, first.items[0].ReceiptHandle));
    loopback_ok(SQS_CALL(lo, ChangeMessageVisibility, .QueueUrl = url,
                         .ReceiptHandle = second.items[0].ReceiptHandle,
                         .VisibilityTimeout = opt_int(60)));
    not_retryable(lo, url);
    loopback_ok(SQS_CALL(lo, ChangeMessageVisibility, .QueueUrl = url,
                         .ReceiptHandle = second.items[0].ReceiptHandle,
                         .VisibilityTimeout = opt_int(0)));
    not_retryable(lo, url);
    assert_int_equal(attempt(lo, url, "another").len, 1);
    loopback_advance(lo, 31 * SECOND);
    not_retryable(lo, url); /* received by somebody else */
}

static void test_attempt(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "attempt.fifo");
    for (int i = 1; i <= 3; i++)
        sqs_send_group(lo, url, "g", str_to_c(lo->arena, str_format(lo->arena, "%d", i)));
    struct sqs_MessageList first = attempt(lo, url, "try");
    assert_int_equal(first.len, 2);
    assert_int_equal(attempt(lo, url, "another").len, 0);
    loopback_advance(lo, 20 * SECOND);
    struct sqs_MessageList again = attempt(lo, url, "try");
    assert_int_equal(again.len, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_str(again.items[i].MessageId, first.items[i].MessageId);
        assert_str(again.items[i].ReceiptHandle, first.items[i].ReceiptHandle);
    }
    /* The visibility timeout began anew. */
    loopback_advance(lo, 29 * SECOND);
    sqs_receive_none(lo, url);
    /* Something was deleted: the call cannot be repeated any more. */
    sqs_delete(lo, url, first.items[0].ReceiptHandle);
    not_retryable(lo, url);
    loopback_advance(lo, SECOND); /* 2 and 3 are visible again */
    again = attempt(lo, url, "new");
    assert_int_equal(again.len, 2);
    assert_str(again.items[0].Body, STR("2"));
    assert_str(again.items[1].Body, STR("3"));
}

static void test_attempt_ends(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "ends.fifo",
                                    PAIRS(lo, "FifoQueue", "true", "ContentBasedDeduplication",
                                          "true", "VisibilityTimeout", "600"));
    sqs_send_group(lo, url, "g", "x");
    assert_int_equal(attempt(lo, url, "try").len, 1);
    loopback_advance(lo, 5 * MINUTES - 1);
    assert_int_equal(attempt(lo, url, "try").len, 1);
    loopback_advance(lo, 1);
    assert_int_equal(attempt(lo, url, "try").len, 0);
    static const char *const wrong[] = {"", "a b"};
    for (size_t i = 0; i < 2; i++)
        SQS_FAILS(
            lo, "InvalidParameterValueException",
            str_to_c(
                lo->arena,
                str_format(lo->arena,
                           "Value %s for parameter ReceiveRequestAttemptId is invalid. Reason: "
                           "ReceiveRequestAttemptId can only include alphanumeric and punctuation "
                           "characters. 1 to 128 in length.",
                           wrong[i])),
            ReceiveMessage, .QueueUrl = url, .ReceiveRequestAttemptId = str_from_c(wrong[i]));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value try for parameter ReceiveRequestAttemptId is invalid. Reason: The request "
              "include parameter "
              "that is not valid for this queue type.",
              ReceiveMessage, .QueueUrl = sqs_queue(lo, "plain"),
              .ReceiveRequestAttemptId = STR("try"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_parameters),
        SQS_TEST(test_shown),
        SQS_TEST(test_groups),
        SQS_TEST(test_group_returns),
        SQS_TEST(test_deduplication),
        SQS_TEST(test_deduplication_outlives),
        SQS_TEST(test_deduplication_by_group),
        SQS_TEST(test_delayed_group),
        SQS_TEST(test_attempt),
        SQS_TEST(test_attempt_after_timeout),
        SQS_TEST(test_attempt_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
