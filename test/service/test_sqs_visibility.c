/* Visibility timeouts, ChangeMessageVisibility, DeleteMessage, receipt handles. */
#include "service/sqs_support.h"

#define SECOND 1000

static const char *invalid_handle(struct loopback *lo, struct str handle, const char *reason)
{
    return str_to_c(lo->arena,
                    str_format(lo->arena,
                               "Value %.*s for parameter ReceiptHandle is invalid. Reason: %s",
                               PRSTR(handle), reason));
}

static void test_timeout(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "default");
    sqs_send(lo, url, "x");
    sqs_receive_one(lo, url, "x");
    loopback_advance(lo, 30 * SECOND - 1);
    sqs_receive_none(lo, url);
    assert_counts(lo, url, 0, 1, 0);
    loopback_advance(lo, 1);
    assert_counts(lo, url, 1, 0, 0); /* before anybody has looked */
    sqs_receive_one(lo, url, "x");
    loopback_advance(lo, 30 * SECOND);
    loopback_ok(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url, .VisibilityTimeout = opt_int(0)));
    loopback_ok(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url, .VisibilityTimeout = opt_int(2)));
    loopback_advance(lo, 2 * SECOND);
    struct sqs_MessageList list = sqs_receive(lo, url, 1);
    assert_int_equal(list.len, 1);
    assert_str(sqs_shown(&list.items[0], "ApproximateReceiveCount"), STR("5"));
    assert_str(sqs_shown(&list.items[0], "ApproximateFirstReceiveTimestamp"), STR("1795219200000"));
}

static void change(struct loopback *lo, struct str url, struct str handle, int timeout_s)
{
    loopback_ok(SQS_CALL(lo, ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = handle,
                         .VisibilityTimeout = opt_int(timeout_s)));
}

static void test_change(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "change");
    sqs_send(lo, url, "x");
    struct str handle = sqs_receive_one(lo, url, "x");
    loopback_advance(lo, 15 * SECOND);
    change(lo, url, handle, 10);
    loopback_advance(lo, 10 * SECOND - 1);
    sqs_receive_none(lo, url);
    change(lo, url, handle, 100);
    loopback_reopen(lo);
    loopback_advance(lo, 100 * SECOND - 1);
    sqs_receive_none(lo, url);
    loopback_advance(lo, 1);
    handle = sqs_receive_one(lo, url, "x");
    change(lo, url, handle, 0);
    assert_counts(lo, url, 1, 0, 0);
    /* The changed timeout is not remembered. */
    sqs_receive_one(lo, url, "x");
    loopback_advance(lo, 30 * SECOND);
    sqs_receive_one(lo, url, "x");
}

static void test_change_refused(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "refused");
    sqs_send(lo, url, "x");
    struct str handle = sqs_receive_one(lo, url, "x");
    static const int wrong[] = {-1, 43201};
    for (size_t i = 0; i < 2; i++)
        SQS_FAILS(
            lo, "InvalidParameterValueException",
            str_to_c(lo->arena,
                     str_format(lo->arena,
                                "Value %d for parameter VisibilityTimeout is invalid. Reason: "
                                "VisibilityTimeout must be an integer between 0 and 43200",
                                wrong[i])),
            ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = handle,
            .VisibilityTimeout = opt_int(wrong[i]));
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter VisibilityTimeout.", ChangeMessageVisibility,
              .QueueUrl = url, .ReceiptHandle = handle);
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter ReceiptHandle.", ChangeMessageVisibility,
              .QueueUrl = url, .ReceiptHandle = STR(""), .VisibilityTimeout = opt_int(1));
    SQS_FAILS(lo, "ReceiptHandleIsInvalid",
              "The input receipt handle \"nonsense\" is not a valid receipt handle.",
              ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = STR("nonsense"),
              .VisibilityTimeout = opt_int(1));
    loopback_advance(lo, 30 * SECOND);
    SQS_FAILS(lo, "MessageNotInflight", "The specified message isn't in flight.",
              ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = handle,
              .VisibilityTimeout = opt_int(1));
    struct str newer = sqs_receive_one(lo, url, "x");
    SQS_FAILS(lo, "MessageNotInflight", NULL, ChangeMessageVisibility, .QueueUrl = url,
              .ReceiptHandle = handle, .VisibilityTimeout = opt_int(1));
    sqs_delete(lo, url, newer);
    SQS_FAILS(
        lo, "InvalidParameterValueException",
        invalid_handle(lo, newer,
                       "Message does not exist or is not available for visibility timeout change."),
        ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = newer,
        .VisibilityTimeout = opt_int(1));
}

/* Twelve hours from the receive, not from the first one, and no matter how often it is changed. */
static void test_twelve_hours(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "half-a-day");
    sqs_send(lo, url, "x");
    struct str handle = sqs_receive_one(lo, url, "x");
    change(lo, url, handle, 43200);
    loopback_advance(lo, 43199 * SECOND);
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value 2 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout "
              "for the message "
              "is beyond the limit [43200 seconds]",
              ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = handle,
              .VisibilityTimeout = opt_int(2));
    change(lo, url, handle, 1);
    loopback_advance(lo, SECOND);
    handle = sqs_receive_one(lo, url, "x");
    change(lo, url, handle, 43200);
    loopback_advance(lo, SECOND);
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total "
              "VisibilityTimeout for the "
              "message is beyond the limit [43200 seconds]",
              ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = handle,
              .VisibilityTimeout = opt_int(43200));
}

static void test_delete(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "delete");
    sqs_send(lo, url, "x");
    struct str first = sqs_receive_one(lo, url, "x");
    loopback_advance(lo, 30 * SECOND);
    struct str second = sqs_receive_one(lo, url, "x");
    assert_false(str_eq(first, second));
    sqs_delete(lo, url,
               first); /* "the request will succeed, but the message will not be deleted" */
    assert_counts(lo, url, 0, 1, 0);
    loopback_advance(lo, 30 * SECOND);
    sqs_delete(lo, url, second); /* visible again, and not received since */
    assert_counts(lo, url, 0, 0, 0);
    sqs_delete(lo, url, second);
    sqs_delete(lo, url, first);
    loopback_advance(lo, 60 * SECOND);
    sqs_receive_none(lo, url);
    SQS_FAILS(lo, "ReceiptHandleIsInvalid",
              "The input receipt handle \"abc\" is not a valid receipt handle.", DeleteMessage,
              .QueueUrl = url, .ReceiptHandle = STR("abc"));
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter ReceiptHandle.", DeleteMessage,
              .QueueUrl = url, .ReceiptHandle = STR(""));
    /* One byte changed. */
    char *altered = arena_alloc_raw(lo->arena, second.len);
    memcpy(altered, second.ptr, second.len);
    altered[second.len / 2] = altered[second.len / 2] == 'A' ? 'B' : 'A';
    SQS_FAILS(lo, "ReceiptHandleIsInvalid", NULL, DeleteMessage, .QueueUrl = url,
              .ReceiptHandle = str_make(altered, second.len));
}

static void test_fifo_expired(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "expired.fifo");
    sqs_send_group(lo, url, "g", "x");
    struct str handle = sqs_receive_one(lo, url, "x");
    loopback_advance(lo, 30 * SECOND);
    SQS_FAILS(lo, "InvalidParameterValueException",
              invalid_handle(lo, handle, "The receipt handle has expired."), DeleteMessage,
              .QueueUrl = url, .ReceiptHandle = handle);
    struct str newer = sqs_receive_one(lo, url, "x");
    SQS_FAILS(lo, "InvalidParameterValueException",
              invalid_handle(lo, handle, "The receipt handle has expired."), DeleteMessage,
              .QueueUrl = url, .ReceiptHandle = handle);
    sqs_delete(lo, url, newer);
    sqs_delete(lo, url, newer);
    sqs_delete(lo, url, handle);
    assert_counts(lo, url, 0, 0, 0);
}

/* "Quotas related to queues": about 120,000 in flight; who does not wait is told. */
static void test_in_flight_limit(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "limit", PAIRS(lo, "VisibilityTimeout", "43200"));
    struct arena *whole = lo->arena;
    struct sqs_SendMessageBatchRequestEntry entries[10];
    for (int i = 0; i < 10; i++)
        entries[i] = (struct sqs_SendMessageBatchRequestEntry){.Id = str_format(whole, "%d", i),
                                                               .MessageBody = STR("x")};
    lo->arena = arena_new(0);
    for (int i = 0; i < 12001; i++) {
        loopback_ok(SQS_CALL(lo, SendMessageBatch, .QueueUrl = url, .Entries = {entries, 10}));
        if (i < 12000)
            loopback_ok(SQS_CALL(lo, ReceiveMessage, .QueueUrl = url,
                                 .MaxNumberOfMessages = opt_int(i == 0 ? 5 : 10)));
        arena_reset(lo->arena);
    }
    assert_counts(lo, url, 15, 119995, 0);
    assert_int_equal(sqs_receive(lo, url, 10).len, 5); /* no more than fit */
    SQS_FAILS(lo, "OverLimit", NULL, ReceiveMessage, .QueueUrl = url);
    assert_int_equal(
        SQS_CALL(lo, ReceiveMessage, .QueueUrl = url, .WaitTimeSeconds = opt_int(5)).result,
        RESULT_PARK);
    arena_free(lo->arena);
    lo->arena = whole;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_timeout),         SQS_TEST(test_change), SQS_TEST(test_change_refused),
        SQS_TEST(test_twelve_hours),    SQS_TEST(test_delete), SQS_TEST(test_fifo_expired),
        SQS_TEST(test_in_flight_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
