/* Asynchronous events where nothing can run (no environments are started here): they wait, are
 * tried again later and later, and are given up when they are too old. Runs themselves are tested
 * end to end: test/e2e/test_boto3_lambda_async.py. */
#include "service/lambda_support.h"

#include "cloud/task.h"
#include "gen/sqs.h"
#include "store/record.h"

static void step(struct loopback *lo)
{
    size_t steps;
    assert_int_equal(tasks_step(lo->cloud, &steps), RESULT_OK);
    (void)loopback_deliver(lo);
}

static void send(struct loopback *lo, const char *function, const char *payload)
{
    const struct lambda_InvocationResponse *answer = loopback_ok(LAMBDA_CALL(
        lo, Invoke, InvocationRequest, .FunctionName = str_from_c(function),
        .InvocationType = LAMBDA_INVOCATION_TYPE_EVENT, .Payload = str_from_c(payload)));
    assert_int_equal(answer->StatusCode.value, 202);
}

/* The events of all functions: how many, and of the first when it is due and how often it was
 * refused. */
struct waiting {
    size_t count;
    int64_t due_ms, refusals;
};

static struct waiting look(struct loopback *lo)
{
    struct waiting waiting = {0};
    struct arena *arena = arena_new(0);
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    struct str key, value, part;
    struct key prefix;
    key_init(&prefix, arena);
    key_str(&prefix, STR("lambda-async"));
    assert_int_equal(kv_begin(lo->cloud->kv, false, &txn), RESULT_OK);
    assert_int_equal(kv_cursor_open(txn, arena, key_bytes(&prefix), false, &cursor), RESULT_OK);
    for (;; waiting.count++) {
        struct lambda_async_event event;
        assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
        if (str_is_absent(key))
            break;
        if (waiting.count > 0)
            continue;
        struct key_reader reader = key_read(arena, key);
        for (int i = 0; i < 4; i++)
            assert_true(key_next_str(&reader, &part));
        assert_true(key_next_i64(&reader, &waiting.due_ms));
        assert_int_equal(
            record_decode(arena, &lambda_model, LAMBDA_SHAPE_async_event, value, &event),
            RESULT_OK);
        waiting.refusals = event.refusals;
    }
    kv_abort(txn);
    arena_free(arena);
    return waiting;
}

static void what_cannot_run_is_tried_later_and_later(void **state)
{
    struct loopback *lo = *state;
    int64_t expected = 1000;
    (void)lambda_make(lo, "f");
    send(lo, "f", "{\"a\":1}");
    for (int n = 1; n <= 14; n++) {
        step(lo);
        struct waiting waiting = look(lo);
        assert_int_equal(waiting.count, 1);
        assert_int_equal(waiting.refusals, n);
        assert_int_equal(waiting.due_ms - loopback_now(lo), expected);
        loopback_advance(lo, expected - 1);
        step(lo);
        assert_int_equal(look(lo).refusals, n);
        loopback_advance(lo, 1);
        expected = expected * 2 > 300000 ? 300000 : expected * 2;
    }
}

static const struct sqs_Message *receive(struct loopback *lo, const char *queue)
{
    struct str all = STR("All");
    const struct sqs_ReceiveMessageRequest in = {.QueueUrl = str_from_c(queue),
                                                 .MessageAttributeNames = {&all, 1}};
    const struct sqs_ReceiveMessageResult *got =
        loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_ReceiveMessage, &in));
    return got->Messages.len == 0 ? NULL : &got->Messages.items[0];
}

static void what_is_too_old_is_buried(void **state)
{
    struct loopback *lo = *state;
    const struct sqs_CreateQueueRequest create = {.QueueName = STR("dead")};
    struct lambda_DeadLetterConfig dead = {.TargetArn =
                                               STR("arn:aws:sqs:us-east-1:000000000000:dead")};
    (void)lambda_make(lo, "f");
    loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_CreateQueue, &create));
    IAM_DO(lo, PutRolePolicy, .RoleName = STR("f"), .PolicyName = STR("p"),
           .PolicyDocument = STR("{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
                                 "\"sqs:SendMessage\",\"Resource\":\"*\"}]}"));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .DeadLetterConfig = &dead);
    loopback_advance(lo, 1000);
    send(lo, "f", "{\"a\":1}");
    int64_t begin = loopback_now(lo);
    while (look(lo).count > 0 && loopback_now(lo) < begin + INT64_C(7) * 3600 * 1000) {
        step(lo);
        loopback_advance(lo, 60000);
    }
    assert_int_equal(look(lo).count, 0);
    assert_true(loopback_now(lo) - begin > INT64_C(5) * 3600 * 1000 + 54 * 60 * 1000);
    step(lo);
    const struct sqs_Message *message = receive(lo, "dead");
    assert_non_null(message);
    assert_true(str_eq(message->Body, STR("{\"a\":1}")));
    assert_int_equal(message->MessageAttributes.len, 3);
}

static void accepted_events_survive_a_restart(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    for (int i = 0; i < 20; i++)
        send(lo, "f", "{}");
    step(lo);
    assert_int_equal(look(lo).count, 20);
    loopback_reopen(lo);
    assert_int_equal(look(lo).count, 20);
    loopback_advance(lo, 1000);
    step(lo);
    assert_int_equal(look(lo).count, 20);
    assert_int_equal(look(lo).refusals, 2);
}

static void events_of_a_deleted_function_go(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    (void)lambda_make(lo, "g");
    for (int i = 0; i < 1200; i++)
        send(lo, "f", "{}");
    send(lo, "g", "{}");
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"));
    (void)loopback_deliver(lo);
    assert_int_equal(look(lo).count, 1);
}

static void no_event_is_taken_that_cannot_be_one(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    loopback_error(LAMBDA_CALL(lo, Invoke, InvocationRequest, .FunctionName = STR("f"),
                               .InvocationType = LAMBDA_INVOCATION_TYPE_EVENT, .Payload = STR("{")),
                   "InvalidRequestContentException", NULL);
    loopback_error(LAMBDA_CALL(lo, Invoke, InvocationRequest, .FunctionName = STR("none"),
                               .InvocationType = LAMBDA_INVOCATION_TYPE_EVENT),
                   "ResourceNotFoundException", NULL);
    assert_int_equal(look(lo).count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(what_cannot_run_is_tried_later_and_later),
        LAMBDA_TEST(what_is_too_old_is_buried),
        LAMBDA_TEST(accepted_events_survive_a_restart),
        LAMBDA_TEST(events_of_a_deleted_function_go),
        LAMBDA_TEST(no_event_is_taken_that_cannot_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
