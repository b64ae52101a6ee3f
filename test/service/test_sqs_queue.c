/* CreateQueue, DeleteQueue, PurgeQueue, GetQueueUrl and the forms of queue URLs. */
#include "service/sqs_support.h"

#define NO_QUEUE "The specified queue does not exist."
#define BAD_NAME                                                                                   \
    "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
#define BAD_FIFO_NAME                                                                              \
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, " \
    "must "                                                                                        \
    "end with .fifo suffix and be 1 to 80 in length"

static struct str repeat(struct loopback *lo, char c, size_t count, const char *end)
{
    char *text = arena_alloc_raw(lo->arena, count + strlen(end) + 1);
    memset(text, c, count);
    memcpy(text + count, end, strlen(end));
    return str_make(text, count + strlen(end));
}

static void test_create_and_find(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "orders");
    assert_str(url, STR("http://localhost:4566/000000000000/orders"));
    assert_str(SQS_OK(lo, GetQueueUrl, .QueueName = STR("orders"))->QueueUrl, url);
    assert_str(SQS_OK(lo, GetQueueUrl, .QueueName = STR("orders"),
                      .QueueOwnerAWSAccountId = STR("000000000000"))
                   ->QueueUrl,
               url);
    SQS_FAILS(lo, "QueueDoesNotExist", NO_QUEUE, GetQueueUrl, .QueueName = STR("other"));
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter QueueName.", GetQueueUrl,
              .QueueName = STR(""));
    lo->protocol = WIRE_PROTOCOL_QUERY;
    SQS_FAILS(lo, "QueueDoesNotExist", "The specified queue does not exist for this wsdl version.",
              GetQueueUrl, .QueueName = STR("other"));
}

static void test_names(void **state)
{
    struct loopback *lo = *state;
    struct str_map fifo = PAIRS(lo, "FifoQueue", "true");
    loopback_ok(SQS_CALL(lo, CreateQueue, .QueueName = repeat(lo, 'q', 80, "")));
    loopback_ok(
        SQS_CALL(lo, CreateQueue, .QueueName = repeat(lo, 'q', 75, ".fifo"), .Attributes = fifo));
    loopback_ok(SQS_CALL(lo, CreateQueue, .QueueName = STR("aZ09-_")));
    SQS_FAILS(lo, "InvalidParameterValueException", BAD_NAME, CreateQueue,
              .QueueName = repeat(lo, 'q', 81, ""));
    SQS_FAILS(lo, "InvalidParameterValueException", BAD_NAME, CreateQueue, .QueueName = STR("a.b"));
    SQS_FAILS(lo, "InvalidParameterValueException", BAD_NAME, CreateQueue,
              .QueueName = STR("a.fifo"));
    SQS_FAILS(lo, "InvalidParameterValueException", BAD_FIFO_NAME, CreateQueue,
              .QueueName = STR("a"), .Attributes = fifo);
    SQS_FAILS(lo, "InvalidParameterValueException", BAD_FIFO_NAME, CreateQueue,
              .QueueName = STR(".fifo"), .Attributes = fifo);
    SQS_FAILS(lo, "InvalidParameterValueException", BAD_FIFO_NAME, CreateQueue,
              .QueueName = STR("a.b.fifo"), .Attributes = fifo);
    SQS_FAILS(lo, "InvalidParameterValueException", BAD_FIFO_NAME, CreateQueue,
              .QueueName = repeat(lo, 'q', 76, ".fifo"), .Attributes = fifo);
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter QueueName.", CreateQueue,
              .QueueName = STR(""));
}

static void test_create_again(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "again", PAIRS(lo, "DelaySeconds", "5"));
    assert_str(sqs_queue(lo, "again"), url);
    assert_str(sqs_queue_with(lo, "again", PAIRS(lo, "DelaySeconds", "5")), url);
    assert_str(sqs_queue_with(lo, "again", PAIRS(lo, "VisibilityTimeout", "30")), url);
    SQS_FAILS(lo, "QueueNameExists",
              "A queue already exists with the same name and a different value for attribute "
              "DelaySeconds",
              CreateQueue, .QueueName = STR("again"), .Attributes = PAIRS(lo, "DelaySeconds", "6"));
    SQS_FAILS(
        lo, "QueueNameExists",
        "A queue already exists with the same name and a different value for attribute Policy",
        CreateQueue, .QueueName = STR("again"),
        .Attributes = PAIRS(lo, "Policy", "{\"Version\":\"2012-10-17\",\"Statement\":[]}"));
    assert_str(sqs_attribute(lo, url, "DelaySeconds"), STR("5"));
}

static void test_delete(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "gone");
    sqs_send(lo, url, "lost");
    loopback_ok(SQS_CALL(lo, DeleteQueue, .QueueUrl = url));
    SQS_FAILS(lo, "QueueDoesNotExist", NO_QUEUE, DeleteQueue, .QueueUrl = url);
    SQS_FAILS(lo, "QueueDoesNotExist", NO_QUEUE, SendMessage, .QueueUrl = url,
              .MessageBody = STR("x"));
    loopback_advance(lo, 59999);
    SQS_FAILS(lo, "QueueDeletedRecently",
              "You must wait 60 seconds after deleting a queue before you can create another with "
              "the same "
              "name.",
              CreateQueue, .QueueName = STR("gone"));
    loopback_advance(lo, 1);
    assert_str(sqs_queue(lo, "gone"), url);
    assert_counts(lo, url, 0, 0, 0);
    sqs_receive_none(lo, url);
    loopback_deliver(lo);
    sqs_send(lo, url, "new");
    sqs_receive_one(lo, url, "new");
}

static void test_purge(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "purged");
    sqs_send(lo, url, "one");
    struct str handle = sqs_receive_one(lo, url, "one");
    sqs_send(lo, url, "two");
    loopback_ok(SQS_CALL(lo, PurgeQueue, .QueueUrl = url));
    assert_counts(lo, url, 0, 0, 0);
    sqs_send(lo, url, "three");
    SQS_FAILS(lo, "PurgeQueueInProgress",
              "Only one PurgeQueue operation on purged is allowed every 60 seconds.", PurgeQueue,
              .QueueUrl = url);
    loopback_advance(lo, 59999);
    SQS_FAILS(lo, "PurgeQueueInProgress", NULL, PurgeQueue, .QueueUrl = url);
    sqs_delete(lo, url, handle); /* of a message that the purge took */
    SQS_FAILS(lo, "ReceiptHandleIsInvalid", NULL, DeleteMessage, .QueueUrl = sqs_queue(lo, "other"),
              .ReceiptHandle = handle);
    loopback_deliver(lo);
    loopback_reopen(lo);
    sqs_receive_one(lo, url, "three");
    loopback_advance(lo, 1);
    loopback_ok(SQS_CALL(lo, PurgeQueue, .QueueUrl = url));
    loopback_advance(lo, 30000);
    sqs_receive_none(lo, url);
}

static void test_url_forms(void **state)
{
    struct loopback *lo = *state;
    static const char *const good[] = {
        "http://localhost:4566/000000000000/here",
        "https://elsewhere.example/000000000000/here",
        "http://localhost:4566/000000000000/here/",
        "http://localhost:4566/queue/us-east-1/000000000000/here",
        "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/here",
        "https://sqs.us-east-1.amazonaws.com/000000000000/here",
        "https://queue.amazonaws.com/000000000000/here",
        "https://us-east-1.queue.amazonaws.com/000000000000/here",
        "http://us-east-1.queue.localhost.localstack.cloud:4566/000000000000/here",
        "/000000000000/here",
        "here",
    };
    static const char *const bad[] = {
        "http://localhost:4566/000000000000/there",
        "http://localhost:4566/111111111111/here",
        "http://localhost:4566/queue/eu-west-1/000000000000/here",
        "https://sqs.eu-west-1.amazonaws.com/000000000000/here",
    };
    static const char *const strange[] = {
        "http://localhost:4566",
        "http://localhost:4566/",
        "http://localhost:4566/000000000000/here/more",
        "http://localhost:4566/000000000000//here",
        "nonsense://",
    };
    sqs_queue(lo, "here");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        loopback_ok(
            SQS_CALL(lo, SendMessage, .QueueUrl = str_from_c(good[i]), .MessageBody = STR("x")));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        SQS_FAILS(lo, "QueueDoesNotExist", NO_QUEUE, SendMessage, .QueueUrl = str_from_c(bad[i]),
                  .MessageBody = STR("x"));
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
        SQS_FAILS(lo, "InvalidAddress",
                  str_to_c(lo->arena,
                           str_format(lo->arena, "The address %s is not valid for this endpoint.",
                                      strange[i])),
                  SendMessage, .QueueUrl = str_from_c(strange[i]), .MessageBody = STR("x"));
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter QueueUrl.", SendMessage, .QueueUrl = STR(""),
              .MessageBody = STR("x"));
    /* The region of the URL counts, not the caller's. */
    lo->region = STR("eu-west-1");
    loopback_ok(SQS_CALL(lo, SendMessage,
                         .QueueUrl = STR("https://sqs.us-east-1.amazonaws.com/000000000000/here"),
                         .MessageBody = STR("x")));
    SQS_FAILS(lo, "QueueDoesNotExist", NO_QUEUE, SendMessage,
              .QueueUrl = STR("http://localhost:4566/000000000000/here"), .MessageBody = STR("x"));
}

static void test_survives_restart(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "kept", PAIRS(lo, "VisibilityTimeout", "7"));
    sqs_send(lo, url, "a");
    sqs_send(lo, url, "b");
    struct sqs_MessageList list = sqs_receive(lo, url, 1);
    assert_int_equal(list.len, 1);
    loopback_reopen(lo);
    assert_str(sqs_attribute(lo, url, "VisibilityTimeout"), STR("7"));
    assert_counts(lo, url, 1, 1, 0);
    sqs_delete(lo, url, list.items[0].ReceiptHandle);
    assert_counts(lo, url, 1, 0, 0);
    sqs_receive_one(lo, url, "b");
    loopback_reopen(lo);
    loopback_advance(lo, 7000);
    sqs_receive_one(lo, url, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_create_and_find),  SQS_TEST(test_names), SQS_TEST(test_create_again),
        SQS_TEST(test_delete),           SQS_TEST(test_purge), SQS_TEST(test_url_forms),
        SQS_TEST(test_survives_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
