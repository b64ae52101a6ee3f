/* Random operations on one queue against a model of it in memory: what is received when, what is
 * counted, what is gone. Everything that the model knows must hold after every step: nothing
 * acknowledged is lost, nothing deleted returns, a FIFO queue's groups keep their order and are
 * received from by one consumer at a time. */
#include "base/rng.h"
#include "service/sqs_support.h"

enum { STEPS = 4000, MESSAGES_MAX = STEPS, GROUPS = 5, RETENTION_S = 400 };

struct modelled {
    struct str id, handle;   /* handle: of the last receive */
    struct str old_handle;   /* of the one before it */
    int group;               /* 0: none */
    int64_t sent_ms, due_ms; /* invisible until due_ms */
    bool in_flight, gone;
};

struct model {
    struct loopback *lo;
    struct arena *arena;
    struct str url;
    bool fifo;
    struct modelled *messages;
    size_t count;
    int64_t purged_ms;
};

static int64_t model_now(const struct model *model)
{
    return loopback_now(model->lo);
}

static bool is_there(const struct model *model, const struct modelled *message)
{
    return !message->gone && message->sent_ms + RETENTION_S * 1000 > model_now(model);
}

static bool is_visible(const struct model *model, const struct modelled *message)
{
    return is_there(model, message) && message->due_ms <= model_now(model);
}

static bool is_flying(const struct model *model, const struct modelled *message)
{
    return is_there(model, message) && message->in_flight && message->due_ms > model_now(model);
}

static bool is_blocked(const struct model *model, int group)
{
    for (size_t i = 0; i < model->count && model->fifo; i++)
        if (model->messages[i].group == group && is_flying(model, &model->messages[i]))
            return true;
    return false;
}

static struct modelled *find(struct model *model, struct str id)
{
    for (size_t i = 0; i < model->count; i++)
        if (str_eq(model->messages[i].id, id))
            return &model->messages[i];
    fail_msg("a message that nobody sent: %.*s", PRSTR(id));
    return NULL;
}

/* --- steps
 * ---------------------------------------------------------------------------------------------------------
 */

static void step_send(struct model *model)
{
    struct loopback *lo = model->lo;
    struct modelled *message = &model->messages[model->count];
    struct sqs_SendMessageRequest in = {.QueueUrl = model->url,
                                        .MessageBody = str_format(lo->arena, "%zu", model->count)};
    *message = (struct modelled){.sent_ms = model_now(model), .due_ms = model_now(model)};
    if (model->fifo || rng_below(2) == 0) {
        message->group = 1 + (int)rng_below(GROUPS);
        in.MessageGroupId = str_format(lo->arena, "group-%d", message->group);
    }
    if (!model->fifo && rng_below(4) == 0) {
        in.DelaySeconds = opt_int((int)rng_below(30));
        message->due_ms += in.DelaySeconds.value * 1000;
    }
    const struct sqs_SendMessageResult *sent =
        loopback_ok(loopback_call(lo, &sqs_model, SQS_OP_SendMessage, &in));
    message->id = str_copy(model->arena, sent->MessageId);
    model->count++;
}

/* A group's message may be received when all its earlier ones are received, too, or cannot be. */
static void check_order(struct model *model, const struct modelled *message, const bool *taken)
{
    for (size_t i = 0; &model->messages[i] != message; i++)
        if (model->messages[i].group == message->group && is_visible(model, &model->messages[i]) &&
            !taken[i])
            fail_msg("a message overtook another of its group");
}

static size_t count_receivable(const struct model *model)
{
    bool blocked[GROUPS + 1];
    size_t count = 0;
    for (int g = 0; g <= GROUPS; g++)
        blocked[g] = is_blocked(model, g);
    for (size_t i = 0; i < model->count; i++)
        count += is_visible(model, &model->messages[i]) && !blocked[model->messages[i].group];
    return count;
}

static void check_received(struct model *model, const struct sqs_MessageList *list)
{
    bool *taken = ARENA_ARRAY(model->lo->arena, MESSAGES_MAX, bool);
    for (size_t i = 0; i < list->len; i++) {
        struct modelled *message = find(model, list->items[i].MessageId);
        size_t index = (size_t)(message - model->messages);
        assert_true(is_visible(model, message));
        assert_false(is_blocked(model, message->group));
        assert_false(taken[index]);
        if (model->fifo)
            check_order(model, message, taken);
        taken[index] = true;
    }
}

static void step_receive(struct model *model)
{
    int max = 1 + (int)rng_below(10), timeout_s = (int)rng_below(40);
    size_t expected = count_receivable(model);
    const struct sqs_ReceiveMessageResult *result =
        SQS_OK(model->lo, ReceiveMessage, .QueueUrl = model->url,
               .MaxNumberOfMessages = opt_int(max), .VisibilityTimeout = opt_int(timeout_s));
    assert_int_equal(result->Messages.len, expected < (size_t)max ? expected : (size_t)max);
    check_received(model, &result->Messages);
    for (size_t i = 0; i < result->Messages.len; i++) {
        struct modelled *message = find(model, result->Messages.items[i].MessageId);
        message->in_flight = true;
        message->due_ms = model_now(model) + timeout_s * 1000;
        message->old_handle = message->handle;
        message->handle = str_copy(model->arena, result->Messages.items[i].ReceiptHandle);
    }
}

/* One that has been received; NULL: none was found quickly. */
static struct modelled *pick(struct model *model)
{
    for (int tries = 0; tries < 20 && model->count > 0; tries++) {
        struct modelled *message = &model->messages[rng_below(model->count)];
        if (message->handle.len > 0 && (tries > 15 || is_flying(model, message)))
            return message;
    }
    return NULL;
}

static void step_delete(struct model *model)
{
    struct modelled *message = pick(model);
    if (message == NULL)
        return;
    bool old = message->old_handle.len > 0 && rng_below(5) == 0;
    struct loopback_reply reply =
        SQS_CALL(model->lo, DeleteMessage, .QueueUrl = model->url,
                 .ReceiptHandle = old ? message->old_handle : message->handle);
    /* What has expired may not have been swept yet: either answer will do. */
    bool expired = !message->gone && !is_there(model, message);
    bool refused = model->fifo && !message->gone && (old || !is_flying(model, message));
    if (!expired)
        assert_int_equal(reply.result, refused ? RESULT_ERROR : RESULT_OK);
    if (!old && !refused)
        message->gone = true;
}

static void step_change(struct model *model)
{
    struct modelled *message = pick(model);
    int timeout_s = (int)rng_below(60);
    if (message == NULL)
        return;
    struct loopback_reply reply =
        SQS_CALL(model->lo, ChangeMessageVisibility, .QueueUrl = model->url,
                 .ReceiptHandle = message->handle, .VisibilityTimeout = opt_int(timeout_s));
    bool expired = !message->gone && !is_there(model, message);
    bool flying = is_flying(model, message);
    if (!expired)
        assert_int_equal(reply.result, flying ? RESULT_OK : RESULT_ERROR);
    if (flying)
        message->due_ms = model_now(model) + timeout_s * 1000;
}

static void step_advance(struct model *model)
{
    loopback_advance(model->lo, (int64_t)rng_below(20000));
    /* What is too old is never received; but until the job has removed it, it blocks its FIFO
     * group. */
    if (model->fifo || rng_below(2) == 0)
        loopback_deliver(model->lo);
}

static void step_purge(struct model *model)
{
    if (model->purged_ms + 60000 > model_now(model))
        return;
    loopback_ok(SQS_CALL(model->lo, PurgeQueue, .QueueUrl = model->url));
    model->purged_ms = model_now(model);
    for (size_t i = 0; i < model->count; i++)
        model->messages[i].gone = true;
}

static void check_counts(struct model *model)
{
    int ready = 0, in_flight = 0, delayed = 0;
    loopback_deliver(model->lo);
    for (size_t i = 0; i < model->count; i++) {
        const struct modelled *message = &model->messages[i];
        ready += is_visible(model, message);
        in_flight += is_flying(model, message);
        delayed += is_there(model, message) && !message->in_flight && !is_visible(model, message);
    }
    assert_counts(model->lo, model->url, ready, in_flight, delayed);
}

static void step(struct model *model)
{
    uint64_t dice = rng_below(1000);
    if (dice < 330)
        step_send(model);
    else if (dice < 600)
        step_receive(model);
    else if (dice < 780)
        step_delete(model);
    else if (dice < 880)
        step_change(model);
    else if (dice < 980)
        step_advance(model);
    else if (dice < 990)
        check_counts(model);
    else if (dice < 997)
        loopback_reopen(model->lo);
    else
        step_purge(model);
}

static void run(struct loopback *lo, bool fifo, uint64_t seed)
{
    struct model model = {.lo = lo, .fifo = fifo, .arena = arena_new(0)};
    struct arena *whole = lo->arena;
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_set_seed(seed);
    model.url = fifo ? sqs_queue_with(lo, "model.fifo",
                                      PAIRS(lo, "FifoQueue", "true", "ContentBasedDeduplication",
                                            "true", "MessageRetentionPeriod", "400"))
                     : sqs_queue_with(lo, "model", PAIRS(lo, "MessageRetentionPeriod", "400"));
    model.messages = ARENA_ARRAY(model.arena, MESSAGES_MAX, struct modelled);
    lo->arena = arena_new(0);
    for (int i = 0; i < STEPS; i++) {
        step(&model);
        if (i % 50 == 0)
            check_counts(&model);
        arena_reset(lo->arena);
    }
    check_counts(&model);
    arena_free(lo->arena);
    lo->arena = whole;
    rng_set_seed(0);
    arena_free(model.arena);
}

static void test_standard(void **state)
{
    run(*state, false, 20261121);
}

static void test_standard_again(void **state)
{
    run(*state, false, 7);
}

static void test_fifo(void **state)
{
    run(*state, true, 20261122);
}

static void test_fifo_again(void **state)
{
    run(*state, true, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_standard),
        SQS_TEST(test_standard_again),
        SQS_TEST(test_fifo),
        SQS_TEST(test_fifo_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
