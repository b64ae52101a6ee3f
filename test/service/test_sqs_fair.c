/* Fair queues: message groups on a standard queue ("How Amazon SQS fair queues work", SQS Developer
 * Guide). */
#include "service/sqs_support.h"

static void send_many(struct loopback *lo, struct str url, const char *group, int count)
{
    for (int i = 0; i < count; i++)
        sqs_send_group(lo, url, group, group);
}

static void receive_all(struct loopback *lo, struct str url, size_t count)
{
    while (count > 0) {
        size_t got = sqs_receive(lo, url, count > 10 ? 10 : (int)count).len;
        assert_true(got > 0);
        count -= got;
    }
}

/* While nobody takes too much, the oldest comes first, and groups are received from in parallel. */
static void test_quiet(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "quiet");
    static const char *const groups[] = {"a", "b", "a", NULL, "b", "a"};
    for (size_t i = 0; i < 6; i++)
        SQS_OK(lo, SendMessage, .QueueUrl = url, .MessageBody = str_format(lo->arena, "%zu", i),
               .MessageGroupId = str_from_c(groups[i]));
    assert_counts(lo, url, 6, 0, 0);
    struct sqs_MessageList list = sqs_receive(lo, url, 4);
    assert_int_equal(list.len, 4);
    for (size_t i = 0; i < 4; i++)
        assert_str(list.items[i].Body, str_format(lo->arena, "%zu", i));
    assert_str(sqs_shown(&list.items[0], "MessageGroupId"), STR("a"));
    assert_true(str_is_absent(sqs_shown(&list.items[3], "MessageGroupId")));
    sqs_delete(lo, url, list.items[1].ReceiptHandle);
    loopback_advance(lo, 30000);
    list = sqs_receive(lo, url, 10);
    assert_int_equal(list.len, 5);
    static const char *const order[] = {"0", "2", "3", "4", "5"};
    for (size_t i = 0; i < 5; i++)
        assert_str(list.items[i].Body, str_from_c(order[i]));
}

/* A group with more than 10% of what is in flight, 30 at least, waits while others have something.
 */
static void test_noisy(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "noisy");
    send_many(lo, url, "loud", 100);
    receive_all(lo, url, 29);
    sqs_send_group(lo, url, "still", "1");
    sqs_send(lo, url, "2");
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("loud")); /* 29 are not many */
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("1"));    /* 30 are */
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("2"));
}

static void test_noisy_order(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "noisy");
    send_many(lo, url, "loud", 100);
    receive_all(lo, url, 30);
    sqs_send_group(lo, url, "still", "1");
    sqs_send(lo, url, "2");
    sqs_send_group(lo, url, "still", "3");
    struct sqs_MessageList list = sqs_receive(lo, url, 10);
    assert_int_equal(list.len, 10);
    for (size_t i = 0; i < 3; i++)
        assert_str(list.items[i].Body, str_format(lo->arena, "%zu", i + 1));
    for (size_t i = 3; i < 10; i++) /* nothing is held back when nobody else wants it */
        assert_str(list.items[i].Body, STR("loud"));
    assert_counts(lo, url, 63, 40, 0);
    sqs_send_group(lo, url, "still", "4");
    sqs_send_group(lo, url, "still", "5");
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("4"));
    loopback_reopen(lo);
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("5"));
    /* What was in flight is back: nobody is noisy any more. */
    sqs_send_group(lo, url, "still", "6");
    loopback_advance(lo, 30000);
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("loud"));
}

/* A large share, not a large number: 30 of 400 are not noisy. */
static void test_share(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "share");
    for (int i = 0; i < 370; i++)
        sqs_send(lo, url, "crowd");
    send_many(lo, url, "large", 31);
    receive_all(lo, url, 400);
    sqs_send_group(lo, url, "still", "still");
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("large"));
    assert_str(sqs_receive(lo, url, 1).items[0].Body, STR("still"));
}

/* Delays, deletions, dead letters and purges leave no trace of a group. */
static void test_accounts(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue_with(lo, "accounts", PAIRS(lo, "MessageRetentionPeriod", "60"));
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("late"),
                         .MessageGroupId = STR("g"), .DelaySeconds = opt_int(10)));
    send_many(lo, url, "g", 3);
    struct sqs_MessageList list = sqs_receive(lo, url, 2);
    sqs_delete(lo, url, list.items[0].ReceiptHandle);
    loopback_ok(SQS_CALL(lo, ChangeMessageVisibility, .QueueUrl = url,
                         .ReceiptHandle = list.items[1].ReceiptHandle,
                         .VisibilityTimeout = opt_int(0)));
    assert_counts(lo, url, 2, 0, 1);
    loopback_advance(lo, 10000);
    list = sqs_receive(lo, url, 10);
    assert_int_equal(list.len, 3);
    assert_str(list.items[0].Body, STR("late")); /* sent first */
    loopback_advance(lo, 50000);
    loopback_deliver(lo);
    assert_counts(lo, url, 0, 0, 0);
    send_many(lo, url, "g", 1);
    loopback_ok(SQS_CALL(lo, PurgeQueue, .QueueUrl = url));
    send_many(lo, url, "g", 1);
    assert_counts(lo, url, 1, 0, 0);
    assert_int_equal(sqs_receive(lo, url, 10).len, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_quiet), SQS_TEST(test_noisy),    SQS_TEST(test_noisy_order),
        SQS_TEST(test_share), SQS_TEST(test_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
