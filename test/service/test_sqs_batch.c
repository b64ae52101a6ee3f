/* SendMessageBatch, DeleteMessageBatch, ChangeMessageVisibilityBatch. */
#include "service/sqs_support.h"

#define TOO_MANY "Maximum number of entries per request are 10. You have sent 11."
#define BAD_ID                                                                                     \
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can "  \
    "be at most 80 "                                                                               \
    "letters long."

static struct str filled(struct loopback *lo, size_t size)
{
    char *text = arena_alloc_raw(lo->arena, size + 1);
    memset(text, 'x', size);
    return str_make(text, size);
}

static struct sqs_SendMessageBatchRequestEntryList entries(struct loopback *lo, size_t count,
                                                           struct str body)
{
    struct sqs_SendMessageBatchRequestEntryList list = {
        .items = ARENA_ARRAY(lo->arena, count + 1, struct sqs_SendMessageBatchRequestEntry),
        .len = count};
    for (size_t i = 0; i < count; i++)
        list.items[i] = (struct sqs_SendMessageBatchRequestEntry){
            .Id = str_format(lo->arena, "id-%zu", i), .MessageBody = body};
    return list;
}

static void test_send(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "batch");
    struct sqs_SendMessageBatchRequestEntryList list = entries(lo, 10, STR("hello world"));
    list.items[3].MessageBody = STR("");
    list.items[4].DelaySeconds = opt_int(901);
    list.items[5].DelaySeconds = opt_int(5);
    list.items[6].MessageBody = STR("\x01");
    list.items[7].MessageDeduplicationId = STR("d");
    const struct sqs_SendMessageBatchResult *result =
        SQS_OK(lo, SendMessageBatch, .QueueUrl = url, .Entries = list);
    assert_int_equal(result->Successful.len, 6);
    assert_int_equal(result->Failed.len, 4);
    assert_str(result->Successful.items[0].Id, STR("id-0"));
    assert_str(result->Successful.items[0].MD5OfMessageBody,
               STR("5eb63bbbe01eeed093cb22bb8f5acdc3"));
    assert_int_equal(result->Successful.items[0].MessageId.len, 36);
    assert_str(result->Successful.items[3].Id, STR("id-5"));
    const struct sqs_BatchResultErrorEntry *failed = result->Failed.items;
    assert_str(failed[0].Id, STR("id-3"));
    assert_true(failed[0].SenderFault.value);
    assert_str(failed[0].Code, STR("MissingParameter"));
    assert_str(failed[0].Message, STR("The request must contain the parameter MessageBody."));
    assert_str(failed[1].Code, STR("InvalidParameterValue"));
    assert_str(failed[1].Message, STR("Value 901 for parameter DelaySeconds is invalid. Reason: "
                                      "DelaySeconds must be >= 0 and <= 900."));
    assert_str(failed[2].Code, STR("InvalidMessageContents"));
    assert_str(failed[3].Id, STR("id-7"));
    assert_counts(lo, url, 5, 0, 1);
}

static void test_ids(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "ids");
    SQS_FAILS(lo, "EmptyBatchRequest",
              "There should be at least one SendMessageBatchRequestEntry in the request.",
              SendMessageBatch, .QueueUrl = url);
    SQS_FAILS(lo, "EmptyBatchRequest",
              "There should be at least one DeleteMessageBatchRequestEntry in the request.",
              DeleteMessageBatch, .QueueUrl = url);
    SQS_FAILS(
        lo, "EmptyBatchRequest",
        "There should be at least one ChangeMessageVisibilityBatchRequestEntry in the request.",
        ChangeMessageVisibilityBatch, .QueueUrl = url);
    SQS_FAILS(lo, "TooManyEntriesInBatchRequest", TOO_MANY, SendMessageBatch, .QueueUrl = url,
              .Entries = entries(lo, 11, STR("x")));
    struct sqs_DeleteMessageBatchRequestEntry deletions[11] = {{STR("a"), STR("h")}};
    struct sqs_ChangeMessageVisibilityBatchRequestEntry changes[11] = {
        {STR("a"), STR("h"), opt_int(1)}};
    SQS_FAILS(lo, "TooManyEntriesInBatchRequest", TOO_MANY, DeleteMessageBatch, .QueueUrl = url,
              .Entries = {deletions, 11});
    SQS_FAILS(lo, "TooManyEntriesInBatchRequest", TOO_MANY, ChangeMessageVisibilityBatch,
              .QueueUrl = url, .Entries = {changes, 11});
    struct sqs_SendMessageBatchRequestEntryList list = entries(lo, 3, STR("x"));
    list.items[2].Id = STR("id-0");
    SQS_FAILS(lo, "BatchEntryIdsNotDistinct", "Id id-0 repeated.", SendMessageBatch,
              .QueueUrl = url, .Entries = list);
    static const char *const wrong[] = {"", "a b", "a.b", "a/b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        list.items[2].Id = str_from_c(wrong[i]);
        SQS_FAILS(lo, "InvalidBatchEntryId", BAD_ID, SendMessageBatch, .QueueUrl = url,
                  .Entries = list);
    }
    list.items[2].Id = filled(lo, 81);
    SQS_FAILS(lo, "InvalidBatchEntryId", BAD_ID, SendMessageBatch, .QueueUrl = url,
              .Entries = list);
    assert_counts(lo, url, 0, 0, 0);
    list.items[2].Id = filled(lo, 80);
    list.items[1].Id = STR("aZ09-_");
    loopback_ok(SQS_CALL(lo, SendMessageBatch, .QueueUrl = url, .Entries = list));
    assert_counts(lo, url, 3, 0, 0);
}

static void test_size(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "size");
    struct sqs_SendMessageBatchRequestEntryList list = entries(lo, 2, filled(lo, 524288));
    loopback_ok(SQS_CALL(lo, SendMessageBatch, .QueueUrl = url, .Entries = list));
    list.items[1].MessageBody = filled(lo, 524289);
    SQS_FAILS(lo, "BatchRequestTooLong",
              "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
              SendMessageBatch, .QueueUrl = url, .Entries = list);
    struct str small = sqs_queue_with(lo, "small", PAIRS(lo, "MaximumMessageSize", "1024"));
    list.items[0].MessageBody = filled(lo, 1024);
    list.items[1].MessageBody = filled(lo, 1025);
    const struct sqs_SendMessageBatchResult *result =
        SQS_OK(lo, SendMessageBatch, .QueueUrl = small, .Entries = list);
    assert_int_equal(result->Successful.len, 1);
    assert_str(result->Failed.items[0].Message, STR("One or more parameters are invalid. Reason: "
                                                    "Message must be shorter than 1024 bytes."));
}

static void test_fifo_order(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_fifo(lo, "order.fifo");
    struct sqs_SendMessageBatchRequestEntryList list = entries(lo, 10, STR("x"));
    for (size_t i = 0; i < 10; i++) {
        list.items[i].MessageBody = str_format(lo->arena, "%zu", i);
        list.items[i].MessageGroupId = STR("g");
    }
    list.items[4].MessageBody = STR("3"); /* a duplicate within the batch */
    list.items[7].MessageGroupId = (struct str){0};
    const struct sqs_SendMessageBatchResult *result =
        SQS_OK(lo, SendMessageBatch, .QueueUrl = url, .Entries = list);
    assert_int_equal(result->Successful.len, 9);
    assert_str(result->Successful.items[4].MessageId, result->Successful.items[3].MessageId);
    assert_str(result->Failed.items[0].Message,
               STR("The request must contain the parameter MessageGroupId."));
    struct sqs_MessageList received = sqs_receive(lo, url, 10);
    assert_int_equal(received.len, 8);
    static const char *const order[] = {"0", "1", "2", "3", "5", "6", "8", "9"};
    for (size_t i = 0; i < 8; i++)
        assert_str(received.items[i].Body, str_from_c(order[i]));
}

static void test_delete_and_change(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "both");
    for (int i = 0; i < 4; i++)
        sqs_send(lo, url, "x");
    struct sqs_MessageList list = sqs_receive(lo, url, 10);
    struct sqs_DeleteMessageBatchRequestEntry deletions[] = {
        {STR("a"), list.items[0].ReceiptHandle},
        {STR("b"), STR("nonsense")},
        {STR("c"), list.items[1].ReceiptHandle},
        {STR("d"), list.items[1].ReceiptHandle},
        {STR("e"), (struct str){0}},
    };
    const struct sqs_DeleteMessageBatchResult *deleted =
        SQS_OK(lo, DeleteMessageBatch, .QueueUrl = url, .Entries = {deletions, 5});
    assert_int_equal(deleted->Successful.len, 3);
    assert_int_equal(deleted->Failed.len, 2);
    assert_str(deleted->Successful.items[2].Id, STR("d"));
    assert_str(deleted->Failed.items[0].Id, STR("b"));
    assert_str(deleted->Failed.items[0].Code, STR("ReceiptHandleIsInvalid"));
    assert_str(deleted->Failed.items[0].Message,
               STR("The input receipt handle \"nonsense\" is not a valid receipt handle."));
    assert_str(deleted->Failed.items[1].Code, STR("MissingParameter"));
    assert_counts(lo, url, 0, 2, 0);
    struct sqs_ChangeMessageVisibilityBatchRequestEntry changes[] = {
        {STR("a"), list.items[2].ReceiptHandle, opt_int(0)},
        {STR("b"), list.items[3].ReceiptHandle, opt_int(43201)},
        {STR("c"), list.items[0].ReceiptHandle, opt_int(10)},
        {STR("d"), list.items[3].ReceiptHandle, opt_int(100)},
    };
    const struct sqs_ChangeMessageVisibilityBatchResult *changed =
        SQS_OK(lo, ChangeMessageVisibilityBatch, .QueueUrl = url, .Entries = {changes, 4});
    assert_int_equal(changed->Successful.len, 2);
    assert_int_equal(changed->Failed.len, 2);
    assert_str(changed->Failed.items[0].Id, STR("b"));
    assert_str(changed->Failed.items[1].Id, STR("c"));
    assert_counts(lo, url, 1, 1, 0);
    loopback_advance(lo, 60000);
    assert_counts(lo, url, 1, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_send),
        SQS_TEST(test_ids),
        SQS_TEST(test_size),
        SQS_TEST(test_fifo_order),
        SQS_TEST(test_delete_and_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
