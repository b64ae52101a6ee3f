/* Pollers of queues: "Using Lambda with Amazon SQS", "Understanding polling and batching behavior",
 * "Handling errors for an SQS event source", AWS Lambda Developer Guide. A poller receives as the
 * function's role, long polling; runs the function with a batch; and deletes what was done. What
 * was not done becomes visible again by itself.
 *
 * One poller listens, as long as nothing comes. More come while batches are full, and when a
 * function takes its time and nobody would hear of the next message; those that find nothing go. */
#include "base/encode.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/task.h"
#include "gen/sqs.h"
#include "services/lambda/events_int.h"
#include "wire/json_text.h"
#include "wire/wire.h"

enum {
    RECEIVE_MOST = 10,
    WAIT_S = 20,
    EVENT_MOST = 6 * 1024 * 1024, /* "Payload limit" */
    POLLERS = 50,                 /* of a mapping without MaximumConcurrency */
    REFUSALS_MOST = 8,            /* then the batch is left to its visibility timeout */
    LOOK_MS = 60000,
    BUSY_MS = 50, /* a run that takes longer is not waited for by what comes meanwhile */
    AGAIN_MS = 1000,
};

struct queued {
    struct str id, receipt, group, record, trace; /* record: JSON */
};

struct queue_poller {
    struct source source; /* first */
    struct arena *batch;  /* NULL: no messages are held */
    struct queued *messages;
    size_t len, cap;
    size_t bytes;
    struct str source_arn; /* that they came from */
    size_t running;        /* how many of them the run at hand has */
    int64_t window_ms;     /* until when more are gathered */
    int64_t begun_ms;      /* the run at hand */
    size_t most;           /* pollers that were of use then */
    struct str trace;
};

static RESULT queue_poll(struct call *call, void *state);
static RESULT queue_begin(struct call *call, void *state);
static RESULT queue_await(struct call *call, void *state);

static void queue_forget(struct queue_poller *poller)
{
    attempt_drop(&poller->source.attempt);
    if (poller->batch != NULL)
        arena_free(poller->batch);
    poller->batch = NULL;
    poller->messages = NULL;
    poller->len = poller->cap = poller->bytes = poller->running = 0;
    poller->trace = (struct str){0};
}

static void queue_ended(void *state)
{
    queue_forget(state);
}

const struct source_kind source_sqs = {
    .service = STR_INIT("sqs"),
    .step = queue_poll,
    .ended = queue_ended,
    .size = sizeof(struct queue_poller),
};

/* --- records: "Standard queue message event", "FIFO queue message event" --- */

static void record_base64(struct buf *out, struct str bytes)
{
    buf_append_char(out, '"');
    base64_encode(out, bytes);
    buf_append_char(out, '"');
}

static void record_attributes(struct buf *out, const struct sqs_MessageBodyAttributeMap *map)
{
    buf_append_c(out, ",\"messageAttributes\":{");
    for (size_t i = 0; i < map->len; i++) {
        const struct sqs_MessageAttributeValue *value = &map->items[i].value;
        buf_append_c(out, i == 0 ? "" : ",");
        wire_json_write_string(out, map->items[i].key);
        buf_append_c(out, ":{");
        if (!str_is_absent(value->StringValue)) {
            buf_append_c(out, "\"stringValue\":");
            wire_json_write_string(out, value->StringValue);
            buf_append_char(out, ',');
        }
        if (!str_is_absent(value->BinaryValue)) {
            buf_append_c(out, "\"binaryValue\":");
            record_base64(out, value->BinaryValue);
            buf_append_char(out, ',');
        }
        buf_append_c(out, "\"stringListValues\":[],\"binaryListValues\":[],\"dataType\":");
        wire_json_write_string(out, value->DataType);
        buf_append_char(out, '}');
    }
    buf_append_char(out, '}');
}

static void record_head(struct buf *out, const struct sqs_Message *message)
{
    buf_append_c(out, "{\"messageId\":");
    wire_json_write_string(out, message->MessageId);
    buf_append_c(out, ",\"receiptHandle\":");
    wire_json_write_string(out, message->ReceiptHandle);
    buf_append_c(out, ",\"body\":");
}

static void record_tail(struct buf *out, const struct source *source,
                        const struct sqs_Message *message)
{
    buf_append_c(out, ",\"attributes\":{");
    for (size_t i = 0; i < message->Attributes.len; i++) {
        buf_append_c(out, i == 0 ? "" : ",");
        wire_json_write_string(out, message->Attributes.items[i].key);
        buf_append_char(out, ':');
        wire_json_write_string(out, message->Attributes.items[i].value);
    }
    buf_append_char(out, '}');
    record_attributes(out, &message->MessageAttributes);
    if (!str_is_absent(message->MD5OfMessageAttributes)) {
        buf_append_c(out, ",\"md5OfMessageAttributes\":");
        wire_json_write_string(out, message->MD5OfMessageAttributes);
    }
    buf_append_c(out, ",\"md5OfBody\":");
    wire_json_write_string(out, message->MD5OfBody);
    buf_append_c(out, ",\"eventSource\":\"aws:sqs\",\"eventSourceARN\":");
    wire_json_write_string(out, source->mapping.source_arn);
    buf_append_c(out, ",\"awsRegion\":");
    wire_json_write_string(out, source->region);
    buf_append_char(out, '}');
}

static struct str record_make(struct arena *arena, const struct source *source,
                              const struct sqs_Message *message)
{
    struct buf out;
    buf_init(&out, arena, SIZE_MAX);
    record_head(&out, message);
    wire_json_write_string(&out, message->Body);
    record_tail(&out, source, message);
    return buf_str(&out);
}

/* Filters see a body that is JSON as JSON ("Filtering with Amazon SQS"). */
static bool queue_lets(struct call *call, const struct source *source,
                       const struct sqs_Message *message)
{
    struct buf out;
    if (source->mapping.filters.len == 0)
        return true;
    buf_init(&out, call->arena, SIZE_MAX);
    record_head(&out, message);
    struct str body = str_trim(message->Body);
    enum json_kind kind = json_kind_of(body);
    bool json = (kind == JSON_OBJECT || kind == JSON_ARRAY) && json_is_valid(body);
    if (json)
        buf_append(&out, body);
    else
        wire_json_write_string(&out, message->Body);
    record_tail(&out, source, message);
    return source_lets(call, source, buf_str(&out));
}

static struct str attribute_of(const struct sqs_Message *message, struct str name)
{
    for (size_t i = 0; i < message->Attributes.len; i++)
        if (str_eq(message->Attributes.items[i].key, name))
            return message->Attributes.items[i].value;
    return (struct str){0};
}

static void queue_hold(struct queue_poller *poller, const struct sqs_Message *message)
{
    struct arena *arena = poller->batch;
    const struct queued queued = {
        .id = str_copy(arena, message->MessageId),
        .receipt = str_copy(arena, message->ReceiptHandle),
        .group = str_copy(arena, attribute_of(message, STR("MessageGroupId"))),
        .record = record_make(arena, &poller->source, message),
        .trace = str_copy(arena, attribute_of(message, STR("AWSTraceHeader"))),
    };
    VEC_PUSH(arena, poller->messages, poller->len, poller->cap, queued);
    poller->bytes += queued.record.len;
}

/* --- deleting --- */

static struct str queue_url(struct call *call, const struct source *source)
{
    struct str rest = source->mapping.source_arn, part, account = {0};
    for (int i = 0; i < 5; i++) {
        str_cut(rest, ':', &part, &rest);
        account = part;
    }
    return str_format(call->arena, "%.*s/%.*s/%.*s", PRSTR(call->cloud->endpoint), PRSTR(account),
                      PRSTR(rest));
}

static RESULT queue_delete(struct call *call, const struct source *source,
                           const struct str *receipts, size_t count)
{
    const void *out;
    uint32_t error;
    struct sqs_DeleteMessageBatchRequestEntry entries[RECEIVE_MOST];
    for (size_t from = 0; from < count; from += RECEIVE_MOST) {
        size_t portion = count - from < RECEIVE_MOST ? count - from : RECEIVE_MOST;
        for (size_t i = 0; i < portion; i++)
            entries[i] = (struct sqs_DeleteMessageBatchRequestEntry){
                .Id = str_format(call->arena, "%zu", i), .ReceiptHandle = receipts[from + i]};
        const struct sqs_DeleteMessageBatchRequest in = {.QueueUrl = queue_url(call, source),
                                                         .Entries = {entries, portion}};
        TRY(source_invoke(call, source, &sqs_model, SQS_OP_DeleteMessageBatch, &in, &out, &error));
    }
    return RESULT_OK;
}

/* --- receiving --- */

static size_t queue_batch_size(const struct source *source)
{
    return source->mapping.batch_size > 0 ? (size_t)source->mapping.batch_size : RECEIVE_MOST;
}

/* What came is held, or deleted when no filter lets it through. */
static RESULT queue_take(struct call *call, struct queue_poller *poller,
                         const struct sqs_MessageList *list)
{
    struct str receipts[RECEIVE_MOST];
    size_t unwanted = 0;
    if (poller->batch == NULL) {
        poller->batch = arena_new(0);
        poller->window_ms = call->now_ms + poller->source.mapping.window_s * 1000;
        poller->source_arn = str_copy(poller->batch, poller->source.mapping.source_arn);
    }
    for (size_t i = 0; i < list->len; i++)
        if (queue_lets(call, &poller->source, &list->items[i]))
            queue_hold(poller, &list->items[i]);
        else
            receipts[unwanted++] = str_copy(call->arena, list->items[i].ReceiptHandle);
    return queue_delete(call, &poller->source, receipts, unwanted);
}

/* How many pollers of the mapping are of use. */
static size_t queue_most(const struct source *source)
{
    int64_t most = source->mapping.concurrency > 0 ? source->mapping.concurrency : POLLERS;
    int64_t reserved = source->target.function.reserved;
    if (reserved >= 0 && reserved < most)
        most = reserved;
    return most < 1 ? 1 : (size_t)most;
}

static bool queue_is_full(const struct queue_poller *poller)
{
    return poller->len >= queue_batch_size(&poller->source) || poller->bytes >= EVENT_MOST;
}

static RESULT queue_receive(struct call *call, struct queue_poller *poller, bool others,
                            const struct sqs_ReceiveMessageResult **out)
{
    const struct source *source = &poller->source;
    struct str all = STR("All");
    size_t room = queue_batch_size(source) - poller->len;
    int64_t wait = WAIT_S;
    uint32_t error;
    const void *result;
    if (poller->len > 0) /* of the window, what is left of it */
        wait = (poller->window_ms - call->now_ms + 999) / 1000;
    if (poller->len == 0 && others)
        wait = 0; /* one is enough to wait */
    const struct sqs_ReceiveMessageRequest in = {
        .QueueUrl = queue_url(call, source),
        .MaxNumberOfMessages = opt_int((int32_t)(room < RECEIVE_MOST ? room : RECEIVE_MOST)),
        .WaitTimeSeconds = opt_int((int32_t)(wait < 0        ? 0
                                             : wait > WAIT_S ? WAIT_S
                                                             : wait)),
        .MessageSystemAttributeNames = {&all, 1},
        .MessageAttributeNames = {&all, 1},
    };
    TRY(source_invoke(call, source, &sqs_model, SQS_OP_ReceiveMessage, &in, &result, &error));
    *out = result;
    return RESULT_OK;
}

/* Nothing came for now, and the transaction is to be rolled back: the poller waits, as long as its
 * batch may. */
static RESULT queue_idle(struct call *call, struct queue_poller *poller)
{
    if (poller->len > 0 && call->park_deadline_ms > poller->window_ms)
        call->park_deadline_ms = poller->window_ms;
    return RESULT_PARK;
}

static RESULT queue_poll(struct call *call, void *state)
{
    struct queue_poller *poller = state;
    struct source *source = &poller->source;
    const struct sqs_ReceiveMessageResult *out = NULL;
    bool gone;
    enum result result = source_read(call, source, &gone);
    if (result == RESULT_OK && gone)
        return RESULT_OK; /* what is held becomes visible again */
    if (result == RESULT_OK && poller->len > 0 &&
        (queue_is_full(poller) || call->now_ms >= poller->window_ms)) {
        task_next(call, queue_begin, (struct str){0}, 0);
        return RESULT_OK;
    }
    bool others = source_listens(source, true) > 1;
    if (result == RESULT_OK)
        result = queue_receive(call, poller, others, &out);
    if (result == RESULT_PARK)
        return queue_idle(call, poller);
    if (result == RESULT_ERROR)
        return source_problem(call, source, queue_poll);
    TRY(result);
    if (out->Messages.len == 0 && others && poller->len == 0 && source_may_leave(source))
        return RESULT_OK; /* it is not needed any more */
    size_t before = poller->len;
    if (out->Messages.len > 0)
        TRY(queue_take(call, poller, &out->Messages));
    if (poller->len > before && queue_is_full(poller))
        source_grow(call, source, &source_sqs, queue_most(source));
    bool begin = poller->len > before && (queue_is_full(poller) || source->mapping.window_s == 0);
    task_next(call, begin ? queue_begin : queue_poll, (struct str){0}, 0);
    return RESULT_OK;
}

/* --- running --- */

static struct str queue_event(struct call *call, struct queue_poller *poller)
{
    struct buf out;
    size_t most = queue_batch_size(&poller->source);
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_c(&out, "{\"Records\":[");
    poller->running = 0;
    poller->trace = (struct str){0};
    for (size_t i = 0; i < poller->len && i < most; i++) {
        const struct queued *message = &poller->messages[i];
        if (i > 0 && out.len + message->record.len + 3 > EVENT_MOST)
            break;
        buf_append_c(&out, i == 0 ? "" : ",");
        buf_append(&out, message->record);
        if (!str_is_absent(message->trace))
            poller->trace = trace_longer(poller->trace, message->trace);
        poller->running++;
    }
    buf_append_c(&out, "]}");
    return buf_str(&out);
}

/* The messages that have been dealt with go; what is left is run next. */
static void queue_advance(struct call *call, struct queue_poller *poller)
{
    poller->len -= poller->running;
    memmove(poller->messages, poller->messages + poller->running,
            poller->len * sizeof *poller->messages);
    poller->running = 0;
    attempt_drop(&poller->source.attempt);
    if (poller->len == 0)
        queue_forget(poller);
    task_next(call, poller->len == 0 ? queue_poll : queue_begin, (struct str){0}, 0);
}

static RESULT queue_refused(struct call *call, struct queue_poller *poller)
{
    struct source *source = &poller->source;
    bool loop = call->error == LAMBDA_RECURSIVE_INVOCATION;
    /* Left to the visibility timeout: they come again, or go to the queue's dead-letter queue. */
    if (loop || source->refusals >= REFUSALS_MOST) {
        queue_forget(poller);
        return source_problem(call, source, queue_poll);
    }
    return source_problem(call, source, queue_begin);
}

static RESULT queue_begin(struct call *call, void *state)
{
    struct queue_poller *poller = state;
    struct source *source = &poller->source;
    bool gone;
    char id[36];
    rng_uuid(id);
    if (source->attempt.run == NULL) {
        enum result result = source_read(call, source, &gone);
        if (result == RESULT_OK && gone)
            return RESULT_OK;
        const struct attempt_event event = {.request_id = str_make(id, sizeof id),
                                            .payload = queue_event(call, poller),
                                            .trace_id = poller->trace};
        if (result == RESULT_OK)
            result = attempt_begin(call, &source->attempt, &source->target, &event);
        if (result == RESULT_ERROR)
            return queue_refused(call, poller);
        TRY(result);
        poller->begun_ms = call->now_ms;
        poller->most = queue_most(source);
        (void)source_listens(source, false);
    }
    source->refusals = 0;
    task_next(call, queue_await, source->attempt.topic, call->now_ms + BUSY_MS);
    return RESULT_OK;
}

/* Which of the messages that were run are done. */
static size_t queue_done(struct call *call, const struct queue_poller *poller,
                         const struct function_result *result, struct str *receipts)
{
    size_t count = poller->running, done = 0;
    bool *failed = ARENA_ARRAY(call->arena, count, bool);
    struct str *ids = ARENA_ARRAY(call->arena, count, struct str);
    if (result->outcome != FUNCTION_ANSWERED)
        return 0;
    for (size_t i = 0; i < count; i++)
        ids[i] = poller->messages[i].id;
    if (poller->source.mapping.partial &&
        !source_failures(call->arena, result->payload, ids, count, failed))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!failed[i])
            receipts[done++] = poller->messages[i].receipt;
    return done;
}

/* Parks while the function runs; what comes meanwhile finds another poller. */
static RESULT queue_wait(struct call *call, struct queue_poller *poller)
{
    struct source *source = &poller->source;
    int64_t busy_ms = poller->begun_ms + BUSY_MS;
    if (call->now_ms < busy_ms)
        return call_park(call, source->attempt.topic, busy_ms);
    if (source_listens(source, false) == 0)
        source_grow(call, source, &source_sqs, poller->most);
    int64_t look_ms = source_listens(source, false) > 0 ? LOOK_MS : AGAIN_MS;
    return call_park(call, source->attempt.topic, call->now_ms + look_ms);
}

/* The role of the run deletes what it has done, also when the mapping is gone since. */
static RESULT queue_read_again(struct call *call, struct queue_poller *poller, bool *gone)
{
    struct source *source = &poller->source;
    bool found;
    TRY(source_read(call, source, gone));
    if (!*gone)
        return RESULT_OK;
    source->mapping.source_arn = poller->source_arn;
    TRY(event_role(call, source->attempt.role, STR("lambda"), &source->role, &found));
    return found ? RESULT_OK
                 : call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "The role does not exist.");
}

static RESULT queue_await(struct call *call, void *state)
{
    struct queue_poller *poller = state;
    struct source *source = &poller->source;
    const struct function_result *result;
    bool gone;
    if (source->attempt.run == NULL) { /* settled, but not committed */
        queue_forget(poller);
        task_next(call, queue_poll, (struct str){0}, 0);
        return RESULT_OK;
    }
    result = function_run_result(source->attempt.run);
    if (result->outcome == FUNCTION_RUNNING)
        return queue_wait(call, poller);
    if (result->outcome == FUNCTION_STOPPED)
        return RESULT_OK;
    if (result->outcome == FUNCTION_UNABLE) {
        call->message = str_copy(call->arena, result->payload);
        queue_forget(poller);
        return source_problem(call, source, queue_poll);
    }
    enum result read = queue_read_again(call, poller, &gone);
    if (read == RESULT_ERROR) {
        queue_forget(poller);
        return source_problem(call, source, queue_poll);
    }
    TRY(read);
    struct str *receipts = ARENA_ARRAY(call->arena, poller->running, struct str);
    size_t done = queue_done(call, poller, result, receipts);
    if (done > 0)
        read = queue_delete(call, source, receipts, done);
    if (read == RESULT_ERROR) {
        queue_forget(poller);
        return source_problem(call, source, queue_poll);
    }
    TRY(read);
    if (!gone)
        TRY(source_note(call, source,
                        result->outcome == FUNCTION_ANSWERED
                            ? STR("OK")
                            : STR("PROBLEM: Function call failed")));
    queue_advance(call, poller);
    return RESULT_OK;
}
