/* Dead letters: RedrivePolicy, RedriveAllowPolicy, ListDeadLetterSourceQueues, message move tasks.
 */
#include "service/sqs_support.h"

#define SECOND 1000

static struct str_map redrive_to(struct loopback *lo, const char *name, const char *count)
{
    return PAIRS(
        lo, "RedrivePolicy",
        str_to_c(lo->arena,
                 str_format(lo->arena, "{\"deadLetterTargetArn\":\"%.*s\",\"maxReceiveCount\":%s}",
                            PRSTR(sqs_arn(lo, name)), count)));
}

static struct str source_of(struct loopback *lo, const char *name, const char *dead,
                            const char *count)
{
    return sqs_queue_with(lo, name, redrive_to(lo, dead, count));
}

/* Receives and lets go until the message is dead: `count` times, and once more for the move. */
static void kill_message(struct loopback *lo, struct str url, const char *body, int count)
{
    for (int i = 0; i < count; i++) {
        struct str handle = sqs_receive_one(lo, url, body);
        loopback_ok(SQS_CALL(lo, ChangeMessageVisibility, .QueueUrl = url, .ReceiptHandle = handle,
                             .VisibilityTimeout = opt_int(0)));
    }
    sqs_receive_none(lo, url);
}

static void test_dead_letter(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_queue(lo, "dead"), url = source_of(lo, "source", "dead", "2");
    struct str id = sqs_send(lo, url, "x");
    loopback_advance(lo, 5 * SECOND);
    kill_message(lo, url, "x", 2);
    assert_counts(lo, url, 0, 0, 0);
    assert_counts(lo, dead, 1, 0, 0);
    struct sqs_MessageList list = sqs_receive(lo, dead, 1);
    assert_int_equal(list.len, 1);
    assert_str(list.items[0].MessageId, id);
    assert_str(sqs_shown(&list.items[0], "DeadLetterQueueSourceArn"), sqs_arn(lo, "source"));
    assert_str(sqs_shown(&list.items[0], "SentTimestamp"), STR("1795219200000"));
    assert_str(sqs_shown(&list.items[0], "ApproximateReceiveCount"),
               STR("3")); /* across all queues */
    assert_str(sqs_shown(&list.items[0], "ApproximateFirstReceiveTimestamp"), STR("1795219205000"));
}

/* The next message is received in the same call in which a dead one is moved. */
static void test_dead_letter_makes_way(void **state)
{
    struct loopback *lo = *state;
    sqs_queue(lo, "dead");
    struct str url = source_of(lo, "source", "dead", "\"1\"");
    sqs_send(lo, url, "one");
    sqs_receive_one(lo, url, "one");
    sqs_send(lo, url, "two");
    loopback_advance(lo, 30 * SECOND);
    sqs_receive_one(lo, url, "two");
}

static void test_dead_letter_fifo(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_fifo(lo, "dead.fifo");
    struct str url = sqs_queue_with(lo, "source.fifo",
                                    PAIRS(lo, "FifoQueue", "true", "RedrivePolicy",
                                          "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:"
                                          "000000000000:dead.fifo\",\"maxReceiveCount\":1}"));
    const struct sqs_SendMessageResult *sent = NULL;
    for (int i = 0; i < 2; i++)
        sent = SQS_OK(lo, SendMessage, .QueueUrl = url,
                      .MessageBody = str_format(lo->arena, "%d", i), .MessageGroupId = STR("g"),
                      .MessageDeduplicationId = str_format(lo->arena, "d%d", i));
    assert_int_equal(sqs_receive(lo, url, 1).len, 1);
    loopback_advance(lo, 30 * SECOND);
    struct str handle = sqs_receive_one(lo, url, "1"); /* 0 is moved on the way */
    assert_counts(lo, dead, 1, 0, 0);
    (void)handle;
    loopback_advance(lo, 30 * SECOND);
    sqs_receive_none(lo, url);
    struct sqs_MessageList list = sqs_receive(lo, dead, 10);
    assert_int_equal(list.len, 2);
    assert_str(list.items[1].MessageId, sent->MessageId);
    assert_str(sqs_shown(&list.items[1], "MessageDeduplicationId"), sent->MessageId);
    assert_str(sqs_shown(&list.items[1], "MessageGroupId"), STR("g"));
    assert_str(sqs_shown(&list.items[1], "SentTimestamp"), STR("1795219260000"));
    assert_true(str_cmp(sqs_shown(&list.items[1], "SequenceNumber"), sent->SequenceNumber) > 0);
}

/* "The expiration of a message is always based on its original enqueue timestamp." */
static void test_dead_letter_ages(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_queue_with(lo, "dead", PAIRS(lo, "MessageRetentionPeriod", "100"));
    struct str url = source_of(lo, "source", "dead", "1");
    sqs_send(lo, url, "old");
    loopback_advance(lo, 50 * SECOND);
    sqs_send(lo, dead, "direct");
    kill_message(lo, url, "old", 1);
    assert_counts(lo, dead, 2, 0, 0);
    loopback_advance(lo, 50 * SECOND);
    loopback_deliver(lo);
    assert_counts(lo, dead, 1, 0, 0);
    sqs_receive_one(lo, dead, "direct");
    loopback_advance(lo, 50 * SECOND);
    loopback_deliver(lo);
    assert_counts(lo, dead, 0, 0, 0);
}

static void test_dead_queue_gone(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_queue(lo, "dead"), url = source_of(lo, "source", "dead", "1");
    sqs_send(lo, url, "x");
    loopback_ok(SQS_CALL(lo, DeleteQueue, .QueueUrl = dead));
    for (int i = 0; i < 3; i++) {
        sqs_receive_one(lo, url, "x");
        loopback_advance(lo, 30 * SECOND);
    }
}

static void refuse(struct loopback *lo, const char *policy, const char *reason)
{
    SQS_FAILS(lo, "InvalidParameterValueException",
              str_to_c(lo->arena,
                       str_format(lo->arena,
                                  "Value %s for parameter RedrivePolicy is invalid. Reason: %s",
                                  policy, reason)),
              CreateQueue, .QueueName = STR("refused"),
              .Attributes = PAIRS(lo, "RedrivePolicy", policy));
}

static void test_policy_refused(void **state)
{
    struct loopback *lo = *state;
    sqs_queue(lo, "dead");
    sqs_fifo(lo, "dead.fifo");
    refuse(lo, "nonsense", "Redrive policy is not a valid JSON map.");
    refuse(lo, "[]", "Redrive policy is not a valid JSON map.");
    refuse(lo, "{\"maxReceiveCount\":1}",
           "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
    refuse(lo, "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\"}",
           "Redrive policy does not contain mandatory attribute: maxReceiveCount.");
    refuse(lo,
           "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\","
           "\"maxReceiveCount\":0}",
           "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.");
    refuse(
        lo,
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\",\"maxReceiveCount\":"
        "1001}",
        "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive.");
    refuse(lo,
           "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:gone\","
           "\"maxReceiveCount\":1}",
           "Dead letter target does not exist.");
    refuse(lo,
           "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:111111111111:dead\","
           "\"maxReceiveCount\":1}",
           "Dead-letter target owner should be same as the source.");
    refuse(lo,
           "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead.fifo\","
           "\"maxReceiveCount\":1}",
           "Dead-letter queue must be same type of queue as the source.");
    struct str url = source_of(lo, "source", "dead", "1000");
    assert_str(sqs_attribute(lo, url, "RedrivePolicy"),
               STR("{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\","
                   "\"maxReceiveCount\":1000}"));
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = url,
                         .Attributes = PAIRS(lo, "RedrivePolicy", "")));
    assert_true(str_is_absent(sqs_attribute(lo, url, "RedrivePolicy")));
    SQS_FAILS(lo, "InvalidParameterValueException", NULL, SetQueueAttributes, .QueueUrl = url,
              .Attributes = redrive_to(lo, "source", "1")); /* of itself */
}

static void test_allow_policy(void **state)
{
    struct loopback *lo = *state;
    static const char *const wrong[] = {
        "nonsense",
        "{}",
        "{\"redrivePermission\":\"some\"}",
        "{\"redrivePermission\":\"byQueue\"}",
        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[]}",
        "{\"redrivePermission\":\"allowAll\",\"sourceQueueArns\":[\"arn:aws:sqs:eu-west-1:1:a\"]}",
    };
    struct str dead = sqs_queue(lo, "dead");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        SQS_FAILS(lo, "InvalidAttributeValue",
                  "Invalid value for the parameter RedriveAllowPolicy.", SetQueueAttributes,
                  .QueueUrl = dead, .Attributes = PAIRS(lo, "RedriveAllowPolicy", wrong[i]));
    loopback_ok(SQS_CALL(
        lo, SetQueueAttributes, .QueueUrl = dead,
        .Attributes = PAIRS(lo, "RedriveAllowPolicy", "{\"redrivePermission\":\"denyAll\"}")));
    SQS_FAILS(lo, "InvalidParameterValueException", NULL, CreateQueue, .QueueName = STR("source"),
              .Attributes = redrive_to(lo, "dead", "1"));
    loopback_ok(SQS_CALL(
        lo, SetQueueAttributes, .QueueUrl = dead,
        .Attributes =
            PAIRS(lo, "RedriveAllowPolicy",
                  "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"arn:aws:sqs:us-east-1:"
                  "000000000000:other\",\"arn:aws:sqs:us-east-1:000000000000:source\"]}")));
    SQS_FAILS(lo, "InvalidParameterValueException", NULL, CreateQueue, .QueueName = STR("stranger"),
              .Attributes = redrive_to(lo, "dead", "1"));
    source_of(lo, "source", "dead", "1");
}

static void test_list_sources(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_queue(lo, "dead");
    assert_int_equal(SQS_OK(lo, ListDeadLetterSourceQueues, .QueueUrl = dead)->queueUrls.len, 0);
    sqs_queue(lo, "another");
    for (int i = 0; i < 5; i++)
        source_of(lo, str_to_c(lo->arena, str_format(lo->arena, "source-%d", i)), "dead", "3");
    assert_int_equal(SQS_OK(lo, ListDeadLetterSourceQueues, .QueueUrl = dead)->queueUrls.len, 5);
    const struct sqs_ListDeadLetterSourceQueuesResult *page =
        SQS_OK(lo, ListDeadLetterSourceQueues, .QueueUrl = dead, .MaxResults = opt_int(4));
    assert_int_equal(page->queueUrls.len, 4);
    page = SQS_OK(lo, ListDeadLetterSourceQueues, .QueueUrl = dead, .MaxResults = opt_int(4),
                  .NextToken = page->NextToken);
    assert_int_equal(page->queueUrls.len, 1);
    assert_str(page->queueUrls.items[0], STR("http://localhost:4566/000000000000/source-4"));
    assert_true(str_is_absent(page->NextToken));
}

/* --- move tasks
 * ----------------------------------------------------------------------------------------------------
 */

static const struct sqs_ListMessageMoveTasksResultEntry *newest(struct loopback *lo,
                                                                const char *name)
{
    const struct sqs_ListMessageMoveTasksResult *result =
        SQS_OK(lo, ListMessageMoveTasks, .SourceArn = sqs_arn(lo, name));
    assert_int_equal(result->Results.len, 1);
    return &result->Results.items[0];
}

/* "All redriven messages are considered new messages with a new messageID and enqueueTime." */
static void test_move_back(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_queue(lo, "dead"), url = source_of(lo, "source", "dead", "1");
    struct str id = sqs_send(lo, url, "x");
    loopback_advance(lo, 5 * SECOND);
    kill_message(lo, url, "x", 1);
    const struct sqs_StartMessageMoveTaskResult *task =
        SQS_OK(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"));
    const struct sqs_ListMessageMoveTasksResultEntry *entry = newest(lo, "dead");
    assert_str(entry->Status, STR("RUNNING"));
    assert_str(entry->TaskHandle, task->TaskHandle);
    assert_str(entry->SourceArn, sqs_arn(lo, "dead"));
    assert_true(str_is_absent(entry->DestinationArn));
    assert_false(entry->MaxNumberOfMessagesPerSecond.set);
    assert_int_equal(entry->ApproximateNumberOfMessagesToMove.value, 1);
    loopback_deliver(lo);
    entry = newest(lo, "dead");
    assert_str(entry->Status, STR("COMPLETED"));
    assert_true(str_is_absent(entry->TaskHandle));
    assert_int_equal(entry->ApproximateNumberOfMessagesMoved.value, 1);
    assert_int_equal(entry->StartedTimestamp.value, LOOPBACK_NOW + 5 * SECOND);
    assert_counts(lo, dead, 0, 0, 0);
    struct sqs_MessageList list = sqs_receive(lo, url, 1);
    assert_int_equal(list.len, 1);
    assert_false(str_eq(list.items[0].MessageId, id));
    assert_str(sqs_shown(&list.items[0], "ApproximateReceiveCount"), STR("1"));
    assert_str(sqs_shown(&list.items[0], "SentTimestamp"), STR("1795219205000"));
    assert_true(str_is_absent(sqs_shown(&list.items[0], "DeadLetterQueueSourceArn")));
}

static void test_move_elsewhere(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_queue(lo, "dead"), other = sqs_queue(lo, "other");
    source_of(lo, "source", "dead", "1");
    for (int i = 0; i < 250; i++)
        sqs_send(lo, dead, "x"); /* sent there: nobody knows where they came from */
    loopback_ok(SQS_CALL(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"),
                         .DestinationArn = sqs_arn(lo, "other")));
    for (int i = 0; i < 5; i++)
        loopback_deliver(lo);
    assert_counts(lo, dead, 0, 0, 0);
    assert_counts(lo, other, 250, 0, 0);
    assert_str(newest(lo, "dead")->DestinationArn, sqs_arn(lo, "other"));
    sqs_send(lo, dead, "x");
    loopback_ok(SQS_CALL(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead")));
    loopback_deliver(lo);
    assert_str(newest(lo, "dead")->Status, STR("FAILED"));
    assert_str(newest(lo, "dead")->FailureReason, STR("CouldNotDetermineMessageSource"));
    assert_counts(lo, dead, 1, 0, 0);
}

static void test_move_rate_and_cancel(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_queue(lo, "dead"), other = sqs_queue(lo, "other");
    source_of(lo, "source", "dead", "1");
    for (int i = 0; i < 10; i++)
        sqs_send(lo, dead, "x");
    struct str handle =
        SQS_OK(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"),
               .DestinationArn = sqs_arn(lo, "other"), .MaxNumberOfMessagesPerSecond = opt_int(3))
            ->TaskHandle;
    loopback_deliver(lo);
    assert_counts(lo, other, 3, 0, 0);
    loopback_advance(lo, SECOND - 1);
    loopback_deliver(lo);
    assert_counts(lo, other, 3, 0, 0);
    loopback_reopen(lo);
    loopback_advance(lo, 1);
    loopback_deliver(lo);
    assert_counts(lo, other, 6, 0, 0);
    assert_int_equal(newest(lo, "dead")->MaxNumberOfMessagesPerSecond.value, 3);
    SQS_FAILS(lo, "InvalidParameterValueException",
              "There is already a task running. Only one active task is allowed for a source queue "
              "arn at a given "
              "time.",
              StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"));
    assert_int_equal(SQS_OK(lo, CancelMessageMoveTask, .TaskHandle = handle)
                         ->ApproximateNumberOfMessagesMoved.value,
                     6);
    assert_str(newest(lo, "dead")->Status, STR("CANCELLING"));
    SQS_FAILS(lo, "UnsupportedOperation", "Only active tasks can be cancelled.",
              CancelMessageMoveTask, .TaskHandle = handle);
    loopback_advance(lo, SECOND);
    loopback_deliver(lo);
    assert_str(newest(lo, "dead")->Status, STR("CANCELLED"));
    assert_counts(lo, other, 6, 0, 0);
    assert_counts(lo, dead, 4, 0, 0);
    loopback_ok(SQS_CALL(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"),
                         .DestinationArn = sqs_arn(lo, "other")));
    loopback_deliver(lo);
    const struct sqs_ListMessageMoveTasksResult *both = SQS_OK(
        lo, ListMessageMoveTasks, .SourceArn = sqs_arn(lo, "dead"), .MaxResults = opt_int(10));
    assert_int_equal(both->Results.len, 2);
    assert_str(both->Results.items[0].Status, STR("COMPLETED"));
    assert_str(both->Results.items[1].Status, STR("CANCELLED"));
}

static void test_move_fifo(void **state)
{
    struct loopback *lo = *state;
    struct str dead = sqs_fifo(lo, "dead.fifo"), other = sqs_fifo(lo, "other.fifo");
    sqs_queue_with(lo, "source.fifo",
                   PAIRS(lo, "FifoQueue", "true", "RedrivePolicy",
                         "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead."
                         "fifo\",\"maxReceiveCount\":1}"));
    for (int i = 0; i < 6; i++)
        sqs_send_group(lo, dead, i % 2 == 0 ? "a" : "b",
                       str_to_c(lo->arena, str_format(lo->arena, "%d", i)));
    loopback_ok(SQS_CALL(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead.fifo"),
                         .DestinationArn = sqs_arn(lo, "other.fifo")));
    loopback_deliver(lo);
    assert_counts(lo, dead, 0, 0, 0);
    struct sqs_MessageList list = sqs_receive(lo, other, 10);
    static const char *const order[] = {"0", "2", "4", "1", "3", "5"};
    assert_int_equal(list.len, 6);
    for (size_t i = 0; i < 6; i++)
        assert_str(list.items[i].Body, str_from_c(order[i]));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Source and destination queue must be of the same type.", StartMessageMoveTask,
              .SourceArn = sqs_arn(lo, "dead.fifo"),
              .DestinationArn = (sqs_queue(lo, "plain"), sqs_arn(lo, "plain")));
}

static void test_move_stays_at_home(void **state)
{
    struct loopback *lo = *state;
    sqs_queue(lo, "dead");
    source_of(lo, "source", "dead", "1");
    lo->account = STR("111111111111");
    sqs_queue(lo, "theirs");
    struct str theirs = sqs_arn(lo, "theirs");
    lo->account = STR("000000000000");
    lo->region = STR("eu-west-1");
    sqs_queue(lo, "far");
    struct str far = sqs_arn(lo, "far");
    lo->region = STR("us-east-1");
    SQS_FAILS(lo, "ResourceNotFoundException", NULL, StartMessageMoveTask,
              .SourceArn = sqs_arn(lo, "dead"), .DestinationArn = theirs);
    SQS_FAILS(lo, "ResourceNotFoundException", NULL, StartMessageMoveTask,
              .SourceArn = sqs_arn(lo, "dead"), .DestinationArn = far);
    SQS_FAILS(lo, "ResourceNotFoundException", NULL, ListMessageMoveTasks, .SourceArn = far);
    SQS_FAILS(lo, "AccessDeniedException", NULL, ListMessageMoveTasks, .SourceArn = theirs);
}

static void test_move_refused(void **state)
{
    struct loopback *lo = *state;
    sqs_queue(lo, "plain");
    sqs_queue(lo, "dead");
    source_of(lo, "source", "dead", "1");
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Source queue must be configured as a Dead Letter Queue.", StartMessageMoveTask,
              .SourceArn = sqs_arn(lo, "plain"));
    SQS_FAILS(lo, "ResourceNotFoundException",
              "The resource that you specified for the SourceArn parameter doesn't exist.",
              StartMessageMoveTask, .SourceArn = sqs_arn(lo, "gone"));
    SQS_FAILS(lo, "ResourceNotFoundException",
              "The resource that you specified for the DestinationArn parameter doesn't exist.",
              StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"),
              .DestinationArn = sqs_arn(lo, "gone"));
    SQS_FAILS(lo, "ResourceNotFoundException", NULL, ListMessageMoveTasks,
              .SourceArn = sqs_arn(lo, "gone"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "You must use this format to specify the SourceArn: "
              "arn:<partition>:<service>:<region>:<account-id>:"
              "<resource-id>",
              StartMessageMoveTask, .SourceArn = STR("nonsense"));
    SQS_FAILS(lo, "InvalidParameterValueException",
              "Source queue arn and destination queue arn cannot be the same.",
              StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"),
              .DestinationArn = sqs_arn(lo, "dead"));
    static const int rates[] = {0, 501};
    for (size_t i = 0; i < 2; i++)
        SQS_FAILS(lo, "InvalidParameterValueException", NULL, StartMessageMoveTask,
                  .SourceArn = sqs_arn(lo, "dead"),
                  .MaxNumberOfMessagesPerSecond = opt_int(rates[i]));
    static const int results[] = {0, 11};
    for (size_t i = 0; i < 2; i++)
        SQS_FAILS(lo, "InvalidParameterValueException", NULL, ListMessageMoveTasks,
                  .SourceArn = sqs_arn(lo, "dead"), .MaxResults = opt_int(results[i]));
    SQS_FAILS(lo, "InvalidParameterValueException", "Value for parameter TaskHandle is invalid.",
              CancelMessageMoveTask, .TaskHandle = STR("nonsense"));
    SQS_FAILS(lo, "MissingRequiredParameterException",
              "The request must contain the parameter TaskHandle.", CancelMessageMoveTask,
              .TaskHandle = STR(""));
    assert_int_equal(
        SQS_OK(lo, ListMessageMoveTasks, .SourceArn = sqs_arn(lo, "dead"))->Results.len, 0);
    struct str handle =
        SQS_OK(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead"))->TaskHandle;
    loopback_ok(SQS_CALL(lo, DeleteQueue, .QueueUrl = STR("dead")));
    loopback_deliver(lo);
    SQS_FAILS(lo, "ResourceNotFoundException", "Task does not exist.", CancelMessageMoveTask,
              .TaskHandle = handle);
}

static void test_move_history(void **state)
{
    struct loopback *lo = *state;
    sqs_queue(lo, "dead");
    source_of(lo, "source", "dead", "1");
    for (int i = 0; i < 13; i++) {
        loopback_ok(SQS_CALL(lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, "dead")));
        loopback_deliver(lo);
        loopback_advance(lo, SECOND);
    }
    const struct sqs_ListMessageMoveTasksResult *result = SQS_OK(
        lo, ListMessageMoveTasks, .SourceArn = sqs_arn(lo, "dead"), .MaxResults = opt_int(10));
    assert_int_equal(result->Results.len, 10);
    assert_int_equal(result->Results.items[0].StartedTimestamp.value, LOOPBACK_NOW + 12 * SECOND);
    assert_int_equal(result->Results.items[9].StartedTimestamp.value, LOOPBACK_NOW + 3 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_dead_letter),
        SQS_TEST(test_dead_letter_makes_way),
        SQS_TEST(test_dead_letter_fifo),
        SQS_TEST(test_dead_letter_ages),
        SQS_TEST(test_dead_queue_gone),
        SQS_TEST(test_policy_refused),
        SQS_TEST(test_allow_policy),
        SQS_TEST(test_list_sources),
        SQS_TEST(test_move_back),
        SQS_TEST(test_move_elsewhere),
        SQS_TEST(test_move_rate_and_cancel),
        SQS_TEST(test_move_fifo),
        SQS_TEST(test_move_stays_at_home),
        SQS_TEST(test_move_refused),
        SQS_TEST(test_move_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
