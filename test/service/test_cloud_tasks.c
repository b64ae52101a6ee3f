/* Calls without a client: cloud/task.h, stepped by hand and by its threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "cloud/park.h"
#include "cloud/task.h"
#include "gen/sqs.h"
#include "support/loopback.h"

/* What a step notes where the test sees it, when the task has gone too. */
struct seen {
    _Atomic int steps, ended, failing;
};
struct counting {
    struct seen *seen;
    int left;
};

static struct task *counting_new(struct loopback *lo, const char *name,
                                 RESULT (*step)(struct call *call, void *state), struct seen *seen)
{
    struct task_config config = {
        .name = str_from_c(name),
        .model = &sqs_model,
        .account = lo->account,
        .region = lo->region,
        .step = step,
        .state_size = sizeof(struct counting),
    };
    struct task *task = task_new(lo->cloud, &config);
    if (task != NULL)
        ((struct counting *)task_state(task))->seen = seen;
    return task;
}

static size_t step_all(struct loopback *lo)
{
    size_t steps;
    assert_int_equal(tasks_step(lo->cloud, &steps), RESULT_OK);
    return steps;
}

/* What services wait for from the start on waits. */
static void open_quiet(struct loopback *lo)
{
    loopback_open(lo);
    while (step_all(lo) > 0)
        ;
}

static struct key note_key(struct call *call, int n)
{
    struct key key = call_key(call, STR("note"));
    key_u64(&key, (uint64_t)n);
    return key;
}

static bool note_is_there(struct loopback *lo, int n)
{
    struct call call = {
        .arena = lo->arena, .model = &sqs_model, .account = lo->account, .region = lo->region};
    struct key key = note_key(&call, n);
    struct str value;
    struct kv_txn *txn;
    assert_int_equal(kv_begin(lo->cloud->kv, false, &txn), RESULT_OK);
    assert_int_equal(kv_get(txn, key_bytes(&key), &value), RESULT_OK);
    bool there = !str_is_absent(value);
    kv_abort(txn);
    return there;
}

static RESULT step_count(struct call *call, void *state)
{
    struct counting *counting = state;
    struct key key = note_key(call, counting->left);
    assert_int_equal(call->principal.kind, PRINCIPAL_SERVICE);
    assert_true(str_eq(call->principal.name, STR("sqs.amazonaws.com")));
    TRY(kv_put(call->txn, key_bytes(&key), STR("x")));
    counting->seen->steps++;
    if (--counting->left > 0)
        task_next(call, step_count, (struct str){0}, 0);
    return RESULT_OK;
}

static void a_task_goes_on_and_ends(void **unused)
{
    (void)unused;
    struct loopback lo = {0};
    struct seen seen = {0};
    open_quiet(&lo);
    struct task *task = counting_new(&lo, "counts", step_count, &seen);
    ((struct counting *)task_state(task))->left = 3;
    assert_null(counting_new(&lo, "counts", step_count, &seen));
    assert_int_equal(step_all(&lo), 0);
    task_start(task);
    assert_true(task_lives(lo.cloud, STR("counts")));
    assert_int_equal(step_all(&lo), 3);
    assert_int_equal(seen.steps, 3);
    assert_false(task_lives(lo.cloud, STR("counts")));
    for (int n = 1; n <= 3; n++)
        assert_true(note_is_there(&lo, n));
    loopback_close(&lo);
}

/* Fails as often as it is told, and leaves nothing behind when it does. */
static RESULT step_fail(struct call *call, void *state)
{
    struct counting *counting = state;
    struct key key = note_key(call, 7);
    TRY(kv_put(call->txn, key_bytes(&key), STR("x")));
    counting->seen->steps++;
    return counting->seen->failing-- > 0 ? RESULT_ERROR : RESULT_OK;
}

static void a_failing_step_runs_again_later(void **unused)
{
    (void)unused;
    struct loopback lo = {0};
    struct seen seen = {.failing = 2};
    open_quiet(&lo);
    task_start(counting_new(&lo, "fails", step_fail, &seen));
    step_all(&lo);
    assert_int_equal(seen.steps, 1);
    assert_false(note_is_there(&lo, 7));
    loopback_advance(&lo, 49);
    assert_int_equal(step_all(&lo), 0);
    loopback_advance(&lo, 1);
    step_all(&lo);
    assert_int_equal(seen.steps, 2);
    loopback_advance(&lo, 99);
    assert_int_equal(step_all(&lo), 0);
    loopback_advance(&lo, 1);
    step_all(&lo);
    assert_int_equal(seen.steps, 3);
    assert_true(note_is_there(&lo, 7));
    assert_false(task_lives(lo.cloud, STR("fails")));
    loopback_close(&lo);
}

static RESULT step_wait(struct call *call, void *state)
{
    struct counting *counting = state;
    counting->seen->steps++;
    return call_park(call, STR("tasks/topic"), call->now_ms + 5000);
}

static void note_end(void *state)
{
    ((struct counting *)state)->seen->ended++;
}

static void a_parked_task_wakes_and_is_ended(void **unused)
{
    (void)unused;
    struct loopback lo = {0};
    struct seen seen = {0};
    open_quiet(&lo);
    struct task_config config = {.name = STR("waits"),
                                 .model = &sqs_model,
                                 .account = lo.account,
                                 .region = lo.region,
                                 .step = step_wait,
                                 .ended = note_end,
                                 .state_size = sizeof(struct counting)};
    struct task *task = task_new(lo.cloud, &config);
    ((struct counting *)task_state(task))->seen = &seen;
    task_start(task);
    assert_int_equal(step_all(&lo), 1);
    assert_int_equal(step_all(&lo), 0);
    park_signal(lo.cloud->parks, STR("tasks/topic"), 1);
    assert_int_equal(step_all(&lo), 1);
    loopback_advance(&lo, 5000);
    assert_int_equal(step_all(&lo), 1);
    assert_int_equal(seen.ended, 0);
    loopback_stop(&lo);
    assert_int_equal(seen.ended, 1);
    loopback_start(&lo);
    loopback_close(&lo);
}

/* Receives one message, long polling, and deletes nothing. */
static RESULT step_receive(struct call *call, void *state)
{
    struct counting *counting = state;
    const struct sqs_ReceiveMessageRequest in = {.QueueUrl = STR("q"),
                                                 .WaitTimeSeconds = opt_int(20)};
    const struct call_invocation invocation = {.model = &sqs_model,
                                               .operation = SQS_OP_ReceiveMessage,
                                               .in = &in,
                                               .principal = call->principal,
                                               .account = call->account,
                                               .region = call->region};
    const void *out;
    uint32_t error;
    counting->seen->steps++;
    TRY(call_invoke(call, &invocation, &out, &error, &call->message));
    assert_int_equal(((const struct sqs_ReceiveMessageResult *)out)->Messages.len, 1);
    counting->seen->ended++;
    return RESULT_OK;
}

static void an_inner_call_parks_the_task(void **unused)
{
    (void)unused;
    struct loopback lo = {0};
    struct seen seen = {0};
    const struct sqs_CreateQueueRequest create = {.QueueName = STR("q")};
    const struct sqs_SendMessageRequest send = {.QueueUrl = STR("q"), .MessageBody = STR("m")};
    open_quiet(&lo);
    loopback_ok(loopback_call(&lo, &sqs_model, SQS_OP_CreateQueue, &create));
    task_start(counting_new(&lo, "receives", step_receive, &seen));
    step_all(&lo);
    assert_true(seen.steps > 0);
    assert_int_equal(seen.ended, 0);
    assert_int_equal(step_all(&lo), 0);
    loopback_ok(loopback_call(&lo, &sqs_model, SQS_OP_SendMessage, &send));
    assert_int_equal(step_all(&lo), 1);
    assert_int_equal(seen.ended, 1);
    loopback_close(&lo);
}

/* --- with threads --- */

enum { MANY = 200, ROUNDS = 20 };

static RESULT step_round(struct call *call, void *state)
{
    struct counting *counting = state;
    counting->seen->steps++;
    if (--counting->left > 0)
        task_next(call, step_round, STR("nobody"), call->now_ms + counting->left % 2);
    return RESULT_OK;
}

static void threads_run_many(void **unused)
{
    (void)unused;
    static struct seen seen;
    struct loopback lo = {0};
    open_quiet(&lo);
    assert_int_equal(cloud_start(lo.cloud), RESULT_OK);
    for (int i = 0; i < MANY; i++) {
        struct task *task = counting_new(
            &lo, str_to_c(lo.arena, str_format(lo.arena, "many/%d", i)), step_round, &seen);
        ((struct counting *)task_state(task))->left = ROUNDS;
        task_start(task);
    }
    for (int i = 0; i < 60000 && seen.steps < MANY * ROUNDS; i++) {
        loopback_advance(&lo, 1);
        usleep(1000);
    }
    assert_int_equal(seen.steps, MANY * ROUNDS);
    /* Some more, that are parked or queued when the cloud closes. */
    for (int i = 0; i < MANY; i++)
        task_start(counting_new(&lo, str_to_c(lo.arena, str_format(lo.arena, "more/%d", i)),
                                step_wait, &seen));
    loopback_close(&lo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_goes_on_and_ends),
        cmocka_unit_test(a_failing_step_runs_again_later),
        cmocka_unit_test(a_parked_task_wakes_and_is_ended),
        cmocka_unit_test(an_inner_call_parks_the_task),
        cmocka_unit_test(threads_run_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
