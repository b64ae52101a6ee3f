/* Random operations on a queue, its dead-letter queue and a third one, with move tasks between
 * them: messages are neither lost nor doubled, wherever they go. Bodies tell them apart, since ids
 * change on the way. */
#include "base/rng.h"
#include "service/sqs_support.h"

enum { STEPS = 3000, QUEUES = 3, HANDLES = 64, MAX_RECEIVES = 2 };

struct handle {
    struct str text;
    size_t queue, body;
};

struct world {
    struct loopback *lo;
    struct arena *arena;
    bool fifo;
    struct str names[QUEUES]; /* source, dead, other */
    bool *gone;               /* by body */
    size_t sent, alive;
    struct handle handles[HANDLES]; /* some of what was received */
    struct str task;
};

static struct str url_of(const struct world *world, size_t queue)
{
    return world->names[queue]; /* a name alone is an URL, too */
}

static int64_t count_all(struct world *world)
{
    static const char *const names[] = {"ApproximateNumberOfMessages",
                                        "ApproximateNumberOfMessagesNotVisible",
                                        "ApproximateNumberOfMessagesDelayed"};
    int64_t total = 0;
    for (size_t q = 0; q < QUEUES; q++) {
        for (size_t c = 0; c < 3; c++) {
            int64_t n;
            assert_true(str_to_i64(sqs_attribute(world->lo, url_of(world, q), names[c]), &n));
            total += n;
        }
    }
    return total;
}

static void step_send(struct world *world)
{
    struct loopback *lo = world->lo;
    struct str group = str_format(lo->arena, "g%d", (int)rng_below(3));
    bool grouped = world->fifo || rng_below(2) == 0;
    /* Some are sent to the dead-letter queue itself: nobody knows where they came from. */
    loopback_ok(SQS_CALL(lo, SendMessage, .QueueUrl = url_of(world, rng_below(12) == 0),
                         .MessageBody = str_format(lo->arena, "%zu", world->sent),
                         .MessageGroupId = grouped ? group : (struct str){0}));
    world->sent++;
    world->alive++;
}

static void step_receive(struct world *world)
{
    size_t queue = rng_below(QUEUES);
    const struct sqs_ReceiveMessageResult *result =
        SQS_OK(world->lo, ReceiveMessage, .QueueUrl = url_of(world, queue),
               .MaxNumberOfMessages = opt_int(1 + (int)rng_below(10)),
               .WaitTimeSeconds = opt_int(0), .VisibilityTimeout = opt_int((int)rng_below(20)),
               .MessageSystemAttributeNames = NAMES(world->lo, "All"));
    for (size_t i = 0; i < result->Messages.len; i++) {
        const struct sqs_Message *message = &result->Messages.items[i];
        int64_t body, receives;
        assert_true(str_to_i64(message->Body, &body));
        assert_true(body >= 0 && (size_t)body < world->sent);
        assert_false(world->gone[body]);
        assert_true(str_to_i64(sqs_shown(message, "ApproximateReceiveCount"), &receives));
        if (queue == 0)
            assert_true(receives <= MAX_RECEIVES);
        world->handles[rng_below(HANDLES)] =
            (struct handle){str_copy(world->arena, message->ReceiptHandle), queue, (size_t)body};
    }
}

static void step_delete(struct world *world)
{
    struct handle *handle = &world->handles[rng_below(HANDLES)];
    if (handle->text.len == 0)
        return;
    int before = (int)world->alive;
    struct loopback_reply reply =
        SQS_CALL(world->lo, DeleteMessage, .QueueUrl = url_of(world, handle->queue),
                 .ReceiptHandle = handle->text);
    if (reply.result != RESULT_OK) {
        assert_true(world->fifo);
        return;
    }
    int64_t total = count_all(world); /* says whether it was there */
    assert_true(total == before || total == before - 1);
    if (total == before - 1) {
        assert_false(world->gone[handle->body]);
        world->gone[handle->body] = true;
        world->alive--;
    }
    *handle = (struct handle){0};
}

static void step_move(struct world *world)
{
    struct loopback *lo = world->lo;
    const char *name = world->fifo ? "dead.fifo" : "dead",
               *other = world->fifo ? "other.fifo" : "other";
    struct loopback_reply reply = SQS_CALL(
        lo, StartMessageMoveTask, .SourceArn = sqs_arn(lo, name),
        .DestinationArn = rng_below(2) == 0 ? sqs_arn(lo, other) : (struct str){0},
        .MaxNumberOfMessagesPerSecond = rng_below(2) == 0 ? opt_int(2) : (struct opt_int){0});
    if (reply.result != RESULT_OK) /* one is running */
        reply = SQS_CALL(lo, CancelMessageMoveTask, .TaskHandle = world->task);
    else
        world->task = str_copy(
            world->arena, ((const struct sqs_StartMessageMoveTaskResult *)reply.out)->TaskHandle);
}

static void check_total(struct world *world)
{
    assert_int_equal(count_all(world), world->alive);
}

static void step(struct world *world)
{
    uint64_t dice = rng_below(100);
    if (dice < 25)
        step_send(world);
    else if (dice < 55)
        step_receive(world);
    else if (dice < 75)
        step_delete(world);
    else if (dice < 90)
        loopback_advance(world->lo, (int64_t)rng_below(8000));
    else if (dice < 93)
        step_move(world);
    else if (dice < 99)
        loopback_deliver(world->lo);
    else
        loopback_reopen(world->lo);
}

/* At the end each of those that are left comes once, from one of the queues. */
static void drain(struct world *world)
{
    loopback_advance(world->lo, 100000);
    loopback_deliver(world->lo);
    for (size_t q = 0; q < QUEUES; q++) {
        for (;;) {
            struct sqs_MessageList list = sqs_receive(world->lo, url_of(world, q), 10);
            if (list.len == 0)
                break;
            for (size_t i = 0; i < list.len; i++) {
                int64_t body;
                assert_true(str_to_i64(list.items[i].Body, &body));
                assert_false(world->gone[body]);
                world->gone[body] = true;
                world->alive--;
                sqs_delete(world->lo, url_of(world, q), list.items[i].ReceiptHandle);
            }
            arena_reset(world->lo->arena);
        }
    }
    assert_int_equal(world->alive, 0);
    check_total(world);
}

static void run(struct loopback *lo, bool fifo, uint64_t seed)
{
    struct world world = {.lo = lo, .fifo = fifo, .arena = arena_new(0)};
    struct arena *whole = lo->arena;
    const char *redrive =
        fifo ? "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead.fifo\","
               "\"maxReceiveCount\":2}"
             : "{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dead\","
               "\"maxReceiveCount\":2}";
    static const char *const names[2][QUEUES] = {{"source", "dead", "other"},
                                                 {"source.fifo", "dead.fifo", "other.fifo"}};
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_set_seed(seed);
    for (size_t q = QUEUES; q-- > 0;) {
        world.names[q] = str_from_c(names[fifo][q]);
        if (fifo)
            sqs_fifo(lo, names[fifo][q]);
        else
            sqs_queue(lo, names[fifo][q]);
    }
    loopback_ok(SQS_CALL(lo, SetQueueAttributes, .QueueUrl = world.names[0],
                         .Attributes = PAIRS(lo, "RedrivePolicy", redrive)));
    world.gone = ARENA_ARRAY(world.arena, STEPS, bool);
    lo->arena = arena_new(0);
    for (int i = 0; i < STEPS; i++) {
        step(&world);
        if (i % 25 == 0)
            check_total(&world);
        arena_reset(lo->arena);
    }
    drain(&world);
    arena_free(lo->arena);
    lo->arena = whole;
    rng_set_seed(0);
    arena_free(world.arena);
}

static void test_standard(void **state)
{
    run(*state, false, 20261123);
}

static void test_fifo(void **state)
{
    run(*state, true, 20261124);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_standard),
        SQS_TEST(test_fifo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
