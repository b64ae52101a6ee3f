/* Pollers of streams: "Using Lambda to process records from Amazon DynamoDB Streams", "Retain
 * discarded records", "Implementing stateful DynamoDB stream processing", "Configuring partial
 * batch response", AWS Lambda Developer Guide.
 *
 * Poller n of a mapping has lane n % lanes of shard n / lanes: the records whose keys fall to it,
 * in order. What is done stands in the store (record source_position), so that a crash repeats at
 * most the batch at hand. A poller reads ahead no further than the batch that it gathers. */
#include "base/rng.h"
#include "base/time.h"
#include "base/vec.h"
#include "cloud/task.h"
#include "services/lambda/stream_int.h"
#include "store/record.h"
#include "wire/json_text.h"
#include "wire/wire.h"

enum {
    EVENT_MOST = 6 * 1024 * 1024,
    STATE_MOST = 1024 * 1024, /* "Tumbling windows": 1 MB a shard */
    BATCH = 100,
    LOOK_MS = 60000,
    SKIPPED_MOST = 100, /* records that no filter lets through, until that is noted */
    RETRY_FIRST_MS = 100,
    RETRY_MOST_MS = 10000,
};

struct held_record {
    struct str sequence, record;
    int64_t arrival_ms;
};

struct stream_poller {
    struct source source; /* first */
    bool loaded;
    struct arena *shard_arena; /* of shard, position */
    struct str shard;
    size_t shards; /* how many there are */
    struct lambda_source_position position;
    struct arena *next_arena; /* of next, read */
    struct str next, read;    /* how far was read */
    bool closed;
    size_t skipped;
    struct arena *batch;
    struct held_record *records;
    size_t len, cap, bytes;
    int64_t window_ms;
    size_t part;     /* of a batch that failed, what is tried now; 0: all */
    size_t running;  /* how many of the records the run at hand has */
    bool final;      /* it closes the tumbling window */
    bool state_lost; /* the window ends early: its state has grown too large */
};

static RESULT stream_poll(struct call *call, void *state);
static RESULT stream_begin(struct call *call, void *state);
static RESULT stream_await(struct call *call, void *state);

static void stream_drop(struct arena **arena)
{
    if (*arena != NULL)
        arena_free(*arena);
    *arena = NULL;
}

static void stream_forget_batch(struct stream_poller *poller)
{
    attempt_drop(&poller->source.attempt);
    stream_drop(&poller->batch);
    poller->records = NULL;
    poller->len = poller->cap = poller->bytes = poller->part = poller->running = 0;
}

/* All is read anew from what is done. */
static void stream_forget(struct stream_poller *poller)
{
    stream_forget_batch(poller);
    stream_drop(&poller->next_arena);
    stream_drop(&poller->shard_arena);
    poller->next = poller->read = (struct str){0};
    poller->loaded = poller->closed = false;
    poller->skipped = 0;
}

static void stream_ended(void *state)
{
    stream_forget(state);
}

const struct source_kind source_stream = {
    .service = STR_INIT("dynamodb"),
    .step = stream_poll,
    .ended = stream_ended,
    .size = sizeof(struct stream_poller),
};

static int64_t stream_lanes(const struct source *source)
{
    return source->mapping.parallel > 1 ? source->mapping.parallel : 1;
}

/* --- positions
 * -------------------------------------------------------------------------------------------------
 */

static struct key positions_key(struct call *call, const struct stream_poller *poller)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("lambda-position"));
    key_str(&key, poller->source.uuid);
    key_str(&key, poller->shard);
    return key;
}

static RESULT position_put(struct call *call, const struct stream_poller *poller, int64_t lane,
                           const struct lambda_source_position *position)
{
    struct key key = positions_key(call, poller);
    key_u64(&key, (uint64_t)lane);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_source_position, position);
}

static int64_t poller_lane(const struct stream_poller *poller)
{
    return poller->source.number % stream_lanes(&poller->source);
}

/* The number of lanes is new: each begins where the one that was farthest behind had come. */
static RESULT positions_spread(struct call *call, struct stream_poller *poller,
                               struct lambda_source_position *out)
{
    struct key prefix = positions_key(call, poller);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t count = 0, deleted;
    struct lambda_source_position one;
    *out = (struct lambda_source_position){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;; count++) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_source_position, value,
                               &one));
        bool behind = count == 0 || str_is_absent(one.sequence) ||
                      (!str_is_absent(out->sequence) && str_cmp(one.sequence, out->sequence) < 0);
        if (behind)
            out->sequence = one.sequence;
    }
    if (count == 0)
        out->sequence = stream_dynamodb.start(call, &poller->source);
    out->lanes = stream_lanes(&poller->source);
    TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), 100, &deleted));
    for (int64_t lane = 0; lane < out->lanes; lane++)
        TRY(position_put(call, poller, lane, out));
    return RESULT_OK;
}

static RESULT position_load(struct call *call, struct stream_poller *poller)
{
    struct str_list shards;
    struct lambda_source_position position;
    bool found;
    size_t index = poller->source.number / (size_t)stream_lanes(&poller->source);
    TRY(stream_dynamodb.shards(call, &poller->source, &shards));
    stream_forget(poller);
    if (index >= shards.len) {
        poller->closed = true;
        return RESULT_OK;
    }
    poller->shards = shards.len;
    poller->shard_arena = arena_new(0);
    poller->shard = str_copy(poller->shard_arena, shards.items[index]);
    struct key key = positions_key(call, poller);
    key_u64(&key, (uint64_t)poller_lane(poller));
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_source_position, &position,
                             &found));
    if (!found || position.lanes != stream_lanes(&poller->source))
        TRY(positions_spread(call, poller, &position));
    TRY(call_copy(poller->shard_arena, &lambda_model, LAMBDA_SHAPE_source_position, &position,
                  &poller->position));
    poller->state_lost = poller->position.state.len > STATE_MOST;
    poller->loaded = true;
    return RESULT_OK;
}

/* The position as it is from now on, in the store and here. */
static RESULT position_set(struct call *call, struct stream_poller *poller,
                           const struct lambda_source_position *position)
{
    struct lambda_source_position copy;
    TRY(position_put(call, poller, poller_lane(poller), position));
    struct arena *arena = arena_new(0);
    struct str shard = str_copy(arena, poller->shard);
    TRY(call_copy(arena, &lambda_model, LAMBDA_SHAPE_source_position, position, &copy));
    stream_drop(&poller->shard_arena);
    poller->shard_arena = arena;
    poller->shard = shard;
    poller->position = copy;
    return RESULT_OK;
}

/* --- reading
 * ---------------------------------------------------------------------------------------------------
 */

static size_t stream_batch_size(const struct source *source)
{
    return source->mapping.batch_size > 0 ? (size_t)source->mapping.batch_size : BATCH;
}

static bool stream_is_full(const struct stream_poller *poller)
{
    return poller->len >= stream_batch_size(&poller->source) || poller->bytes >= EVENT_MOST;
}

static void stream_hold(struct call *call, struct stream_poller *poller,
                        const struct stream_record *record)
{
    if (poller->batch == NULL) {
        poller->batch = arena_new(0);
        poller->window_ms = call->now_ms + poller->source.mapping.window_s * 1000;
    }
    const struct held_record held = {.sequence = str_copy(poller->batch, record->sequence),
                                     .record = str_copy(poller->batch, record->record),
                                     .arrival_ms = record->arrival_ms};
    VEC_PUSH(poller->batch, poller->records, poller->len, poller->cap, held);
    poller->bytes += held.record.len;
}

/* One page; what is of this lane and wanted is held. */
static RESULT stream_read(struct call *call, struct stream_poller *poller, struct stream_page *page)
{
    struct str after = str_is_absent(poller->read) ? poller->position.sequence : poller->read;
    uint64_t lanes = (uint64_t)stream_lanes(&poller->source);
    uint64_t lane = (uint64_t)poller_lane(poller);
    TRY(stream_dynamodb.read(call, &poller->source, poller->shard, after, poller->next, page));
    for (size_t i = 0; i < page->len; i++) {
        const struct stream_record *record = &page->items[i];
        bool wanted = (lanes == 1 || record->key_hash % lanes == lane) &&
                      source_lets(call, &poller->source, record->record);
        if (wanted)
            stream_hold(call, poller, record);
        else
            poller->skipped++;
        after = record->sequence;
    }
    struct arena *arena = arena_new(0);
    poller->read = str_is_absent(after) ? after : str_copy(arena, after);
    poller->next = str_is_absent(page->next) ? page->next : str_copy(arena, page->next);
    poller->closed = str_is_absent(page->next);
    stream_drop(&poller->next_arena);
    poller->next_arena = arena;
    return RESULT_OK;
}

static int64_t tumbling_start(const struct stream_poller *poller, int64_t ms)
{
    int64_t length = poller->source.mapping.tumbling_s * 1000;
    return ms / length * length;
}

static int64_t tumbling_end(const struct stream_poller *poller)
{
    return poller->position.window_ms + poller->source.mapping.tumbling_s * 1000;
}

/* The open window is over by the clock, and nothing of it waits. */
static bool tumbling_is_over(const struct call *call, const struct stream_poller *poller)
{
    return poller->source.mapping.tumbling_s > 0 && poller->position.window_ms != 0 &&
           poller->len == 0 && call->now_ms >= tumbling_end(poller);
}

/* All that there was to read is skipped: that it was is noted now and then. */
static RESULT stream_note_skipped(struct call *call, struct stream_poller *poller)
{
    if (poller->len > 0 || poller->skipped < SKIPPED_MOST)
        return RESULT_OK;
    struct lambda_source_position position = poller->position;
    position.sequence = poller->read;
    position.retries = 0;
    TRY(position_set(call, poller, &position));
    poller->skipped = 0;
    return RESULT_OK;
}

static RESULT stream_wait(struct call *call, struct stream_poller *poller, struct str topic)
{
    int64_t until = call->now_ms + LOOK_MS;
    if (poller->len > 0 && poller->window_ms < until)
        until = poller->window_ms;
    if (poller->source.mapping.tumbling_s > 0 && poller->position.window_ms != 0 &&
        tumbling_end(poller) < until)
        until = tumbling_end(poller);
    task_next(call, stream_poll, topic, until);
    return stream_note_skipped(call, poller);
}

static RESULT stream_go(struct call *call, struct stream_poller *poller)
{
    struct stream_page page;
    size_t lanes = (size_t)stream_lanes(&poller->source);
    if (poller->loaded && poller->position.lanes != (int64_t)lanes)
        poller->loaded = false;
    if (!poller->loaded)
        TRY(position_load(call, poller));
    if (!poller->loaded) /* there is no such shard */
        return RESULT_OK;
    source_grow(call, &poller->source, &source_stream, lanes * poller->shards);
    bool due = poller->len > 0 &&
               (stream_is_full(poller) || call->now_ms >= poller->window_ms || poller->closed);
    if (due || tumbling_is_over(call, poller)) {
        task_next(call, stream_begin, (struct str){0}, 0);
        return RESULT_OK;
    }
    if (poller->closed) /* all of it is done */
        return stream_wait(call, poller, poller->shard);
    TRY(stream_read(call, poller, &page));
    bool ready = poller->len > 0 &&
                 (stream_is_full(poller) || (!page.more && poller->source.mapping.window_s == 0));
    if (ready || page.more) {
        task_next(call, ready ? stream_begin : stream_poll, (struct str){0}, 0);
        return stream_note_skipped(call, poller);
    }
    return stream_wait(call, poller, page.topic);
}

static RESULT stream_poll(struct call *call, void *state)
{
    struct stream_poller *poller = state;
    struct source *source = &poller->source;
    bool gone;
    enum result result = source_read(call, source, &gone);
    if (result == RESULT_OK && gone)
        return RESULT_OK;
    if (result == RESULT_OK)
        result = stream_go(call, poller);
    return result == RESULT_ERROR ? source_problem(call, source, stream_poll) : result;
}

/* --- settling
 * --------------------------------------------------------------------------------------------------
 */

static void stream_shift(struct stream_poller *poller, size_t count)
{
    for (size_t i = 0; i < count; i++)
        poller->bytes -= poller->records[i].record.len;
    poller->len -= count;
    if (poller->len > 0)
        memmove(poller->records, poller->records + count, poller->len * sizeof *poller->records);
    poller->part = poller->part > count ? poller->part - count : 0;
    if (poller->len == 0)
        stream_forget_batch(poller);
}

/* The first `count` records are done, or given up. */
static RESULT stream_done(struct call *call, struct stream_poller *poller, size_t count)
{
    struct lambda_source_position position = poller->position;
    if (count > 0)
        position.sequence = poller->records[count - 1].sequence;
    if (count == poller->len && poller->skipped > 0 && !str_is_absent(poller->read))
        position.sequence = poller->read;
    position.retries = 0;
    TRY(position_set(call, poller, &position));
    attempt_drop(&poller->source.attempt);
    stream_shift(poller, count);
    if (poller->len == 0)
        poller->skipped = 0;
    poller->source.refusals = 0;
    task_next(call, poller->len > 0 ? stream_begin : stream_poll, (struct str){0}, 0);
    return RESULT_OK;
}

static struct str second_text(struct arena *arena, int64_t ms)
{
    struct buf out;
    buf_init(&out, arena, 64);
    time_format_iso8601(&out, ms / 1000 * 1000);
    return buf_str(&out);
}

static struct str batch_info(struct call *call, const struct stream_poller *poller, size_t count)
{
    const struct held_record *first = &poller->records[0], *last = &poller->records[count - 1];
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_c(&out, "{\"shardId\":");
    wire_json_write_string(&out, poller->shard);
    buf_append_format(
        &out,
        ",\"startSequenceNumber\":\"%.*s\",\"endSequenceNumber\":\"%.*s\","
        "\"approximateArrivalOfFirstRecord\":\"%.*s\","
        "\"approximateArrivalOfLastRecord\":\"%.*s\",\"batchSize\":%zu,\"streamArn\":",
        PRSTR(first->sequence), PRSTR(last->sequence),
        PRSTR(second_text(call->arena, first->arrival_ms)),
        PRSTR(second_text(call->arena, last->arrival_ms)), count);
    wire_json_write_string(&out, poller->source.mapping.source_arn);
    buf_append_char(&out, '}');
    return buf_str(&out);
}

static struct str stream_event(struct call *call, const struct stream_poller *poller, size_t count);

/* Records are given up: the destination hears of it. */
static RESULT stream_give_up(struct call *call, struct stream_poller *poller, size_t count,
                             struct str condition, const struct function_result *result)
{
    const struct source *source = &poller->source;
    struct str function = source->target.name.function;
    if (!str_is_empty(source->mapping.on_failure)) {
        struct str prefix = str_format(call->arena, "aws/lambda/%.*s/%.*s", PRSTR(source->uuid),
                                       PRSTR(poller->shard));
        char id[36];
        rng_uuid(id);
        const struct destination_record record = {
            .request_id = result == NULL || str_is_empty(result->request_id)
                              ? str_make(id, sizeof id)
                              : result->request_id,
            .function_arn = source->target.invoked_arn,
            .condition = condition,
            .invoke_count = poller->position.retries + (result != NULL),
            .responded = result != NULL,
            .status = 200,
            .executed_version = source->target.version.version,
            .function_error = result != NULL && result->outcome == FUNCTION_ANSWERED
                                  ? (struct str){0} /* it named them itself */
                                  : STR("Unhandled"),
            .batch_name = stream_dynamodb.batch_name,
            .batch = batch_info(call, poller, count),
            .payload = stream_event(call, poller, count),
        };
        TRY(destination_post(call, source->mapping.on_failure, source->target.version.role,
                             function, prefix, &record));
    }
    return stream_done(call, poller, count);
}

/* --- running
 * ---------------------------------------------------------------------------------------------------
 */

static struct str stream_event(struct call *call, const struct stream_poller *poller, size_t count)
{
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append_c(&out, "{\"Records\":[");
    for (size_t i = 0; i < count; i++) {
        buf_append_c(&out, i == 0 ? "" : ",");
        buf_append(&out, poller->records[i].record);
    }
    buf_append_char(&out, ']');
    if (poller->source.mapping.tumbling_s > 0) {
        int64_t start = poller->position.window_ms;
        if (start == 0 && count > 0)
            start = tumbling_start(poller, poller->records[0].arrival_ms);
        buf_append_format(
            &out, ",\"window\":{\"start\":\"%.*s\",\"end\":\"%.*s\"},\"state\":",
            PRSTR(second_text(call->arena, start)),
            PRSTR(second_text(call->arena, start + poller->source.mapping.tumbling_s * 1000)));
        buf_append(&out, str_is_empty(poller->position.state) ? STR("{}") : poller->position.state);
        buf_append_c(&out, ",\"shardId\":");
        wire_json_write_string(&out, poller->shard);
        buf_append_c(&out, ",\"eventSourceARN\":");
        wire_json_write_string(&out, poller->source.mapping.source_arn);
        buf_append_format(&out, ",\"isFinalInvokeForWindow\":%s,\"isWindowTerminatedEarly\":%s",
                          poller->final ? "true" : "false", poller->state_lost ? "true" : "false");
    }
    buf_append_char(&out, '}');
    return buf_str(&out);
}

/* How many records are too old ("MaximumRecordAgeInSeconds"). */
static size_t stream_too_old(const struct call *call, const struct stream_poller *poller)
{
    int64_t age_s = poller->source.mapping.record_age_s;
    size_t count = 0;
    while (age_s > 0 && count < poller->len &&
           poller->records[count].arrival_ms + age_s * 1000 < call->now_ms)
        count++;
    return count;
}

/* The records of one run: as many as fit, and of one tumbling window. */
static void stream_choose(const struct call *call, struct stream_poller *poller)
{
    size_t most = stream_batch_size(&poller->source), bytes = 0;
    int64_t window = poller->position.window_ms;
    poller->running = 0;
    poller->final = poller->state_lost;
    if (poller->state_lost)
        return;
    if (poller->part > 0 && poller->part < most)
        most = poller->part;
    bool tumbling = poller->source.mapping.tumbling_s > 0;
    while (poller->running < poller->len && poller->running < most) {
        const struct held_record *record = &poller->records[poller->running];
        bytes += record->record.len + 1;
        if (poller->running > 0 && bytes > EVENT_MOST)
            break;
        int64_t own = tumbling ? tumbling_start(poller, record->arrival_ms) : 0;
        if (tumbling && window == 0)
            window = own;
        if (tumbling && own > window)
            break;
        poller->running++;
    }
    poller->final =
        tumbling && poller->running == 0 && (poller->len > 0 || tumbling_is_over(call, poller));
}

static RESULT stream_begin_run(struct call *call, struct stream_poller *poller)
{
    struct source *source = &poller->source;
    char id[36];
    size_t old = stream_too_old(call, poller);
    if (old > 0)
        return stream_give_up(call, poller, old, STR("RecordAgeExceeded"), NULL);
    stream_choose(call, poller);
    if (poller->running == 0 && !poller->final) {
        task_next(call, stream_poll, (struct str){0}, 0);
        return RESULT_OK;
    }
    rng_uuid(id);
    const struct attempt_event event = {.request_id = str_make(id, sizeof id),
                                        .payload = stream_event(call, poller, poller->running)};
    TRY(attempt_begin(call, &source->attempt, &source->target, &event));
    task_next(call, stream_await, source->attempt.topic, call->now_ms + LOOK_MS);
    return RESULT_OK;
}

static RESULT stream_begin(struct call *call, void *state)
{
    struct stream_poller *poller = state;
    struct source *source = &poller->source;
    bool gone;
    if (source->attempt.run != NULL) {
        task_next(call, stream_await, source->attempt.topic, call->now_ms + LOOK_MS);
        return RESULT_OK;
    }
    enum result result = source_read(call, source, &gone);
    if (result == RESULT_OK && (gone || poller->position.lanes != stream_lanes(source))) {
        stream_forget(poller);
        if (!gone)
            task_next(call, stream_poll, (struct str){0}, 0);
        return RESULT_OK;
    }
    if (result == RESULT_OK)
        result = stream_begin_run(call, poller);
    return result == RESULT_ERROR ? source_problem(call, source, stream_begin) : result;
}

/* --- what came of it --- */

/* "state" of a tumbling window's response; absent: it has none. */
static struct str tumbling_state(struct call *call, const struct function_result *result)
{
    struct str raw, payload = str_trim(result->payload);
    if (json_is_valid(payload) && json_kind_of(payload) == JSON_OBJECT &&
        json_member(call->arena, payload, STR("state"), &raw))
        return raw;
    return (struct str){0};
}

/* The window's state after a run that did at least some of its records. */
static void tumbling_keep(struct call *call, struct stream_poller *poller,
                          const struct function_result *result)
{
    if (poller->source.mapping.tumbling_s == 0)
        return;
    if (poller->final) {
        poller->position.window_ms = 0;
        poller->position.state = (struct str){0};
        poller->state_lost = false;
        return;
    }
    if (poller->position.window_ms == 0)
        poller->position.window_ms = tumbling_start(poller, poller->records[0].arrival_ms);
    poller->position.state = str_copy(call->arena, tumbling_state(call, result));
    poller->state_lost = poller->position.state.len > STATE_MOST;
}

/* How many of the run's records are done, up to the first that the function names. */
static bool stream_passed(struct call *call, const struct stream_poller *poller,
                          const struct function_result *result, size_t *passed)
{
    size_t count = poller->running;
    bool *failed = ARENA_ARRAY(call->arena, count + 1, bool);
    struct str *ids = ARENA_ARRAY(call->arena, count + 1, struct str);
    *passed = 0;
    if (result->outcome != FUNCTION_ANSWERED)
        return false;
    /* "If the response does not contain a state property, Lambda considers this a failed
     * invocation": but the last of a window, whose state nobody needs. */
    if (poller->source.mapping.tumbling_s > 0 && !poller->final &&
        str_is_absent(tumbling_state(call, result)))
        return false;
    for (size_t i = 0; i < count; i++)
        ids[i] = poller->records[i].sequence;
    if (poller->source.mapping.partial &&
        !source_failures(call->arena, result->payload, ids, count, failed))
        return false;
    while (*passed < count && !failed[*passed])
        ++*passed;
    return *passed == count;
}

static RESULT stream_failed(struct call *call, struct stream_poller *poller, size_t passed,
                            const struct function_result *result)
{
    const struct source *source = &poller->source;
    size_t left = poller->running - passed;
    struct lambda_source_position position = poller->position;
    if (passed > 0) {
        position.sequence = str_copy(call->arena, poller->records[passed - 1].sequence);
        position.retries = 0;
        stream_shift(poller, passed);
    }
    /* "Splitting batches doesn't consume the retry quota." With a response that names the first
     * failure, "the batch is bisected at the returned sequence number". */
    bool split = source->mapping.bisect && left > 1 && passed == 0;
    poller->part = split ? (left + 1) / 2 : left;
    if (!split && passed == 0)
        position.retries++;
    if (!split && source->mapping.retries >= 0 && position.retries > source->mapping.retries) {
        poller->running = 0;
        return stream_give_up(call, poller, left, STR("RetryAttemptsExhausted"), result);
    }
    attempt_drop(&poller->source.attempt);
    TRY(position_set(call, poller, &position));
    int64_t n = position.retries > 7 ? 7 : position.retries;
    int64_t wait = split || passed > 0 ? 0 : (int64_t)RETRY_FIRST_MS << n;
    if (wait > RETRY_MOST_MS)
        wait = RETRY_MOST_MS;
    task_next(call, stream_begin, (struct str){0}, call->now_ms + wait);
    return RESULT_OK;
}

/* "If invocation is unsuccessful, Lambda suspends further processing until a successful
 * invocation." */
static RESULT tumbling_again(struct call *call, struct stream_poller *poller)
{
    unsigned n = poller->source.refusals < 7 ? poller->source.refusals : 7;
    int64_t wait = (int64_t)RETRY_FIRST_MS << n;
    attempt_drop(&poller->source.attempt);
    poller->source.refusals++;
    task_next(call, stream_begin, (struct str){0},
              call->now_ms + (wait > RETRY_MOST_MS ? RETRY_MOST_MS : wait));
    return RESULT_OK;
}

static RESULT stream_settle(struct call *call, struct stream_poller *poller,
                            const struct function_result *result)
{
    size_t passed;
    bool all = stream_passed(call, poller, result, &passed);
    TRY(source_note(call, &poller->source,
                    result->outcome == FUNCTION_ANSWERED ? STR("OK")
                                                         : STR("PROBLEM: Function call failed")));
    if (!all && poller->final)
        return tumbling_again(call, poller);
    if (all || passed > 0)
        tumbling_keep(call, poller, result);
    return all ? stream_done(call, poller, poller->running)
               : stream_failed(call, poller, passed, result);
}

static RESULT stream_await(struct call *call, void *state)
{
    struct stream_poller *poller = state;
    struct source *source = &poller->source;
    const struct function_result *result;
    bool gone;
    if (source->attempt.run == NULL) { /* settled, but not committed */
        stream_forget(poller);
        task_next(call, stream_poll, (struct str){0}, 0);
        return RESULT_OK;
    }
    TRY(attempt_await(call, &source->attempt, &result));
    if (result->outcome == FUNCTION_STOPPED)
        return RESULT_OK;
    if (!kv_is_writing(call->txn)) /* it settles: once */
        return RESULT_RESTART;
    if (result->outcome == FUNCTION_UNABLE) {
        call->message = str_copy(call->arena, result->payload);
        attempt_drop(&source->attempt);
        return source_problem(call, source, stream_begin);
    }
    enum result read = source_read(call, source, &gone);
    if (read == RESULT_ERROR) {
        attempt_drop(&source->attempt);
        return source_problem(call, source, stream_begin);
    }
    TRY(read);
    if (gone || poller->position.lanes != stream_lanes(source)) {
        stream_forget(poller);
        if (!gone)
            task_next(call, stream_poll, (struct str){0}, 0);
        return RESULT_OK;
    }
    return stream_settle(call, poller, result);
}
