#include "cloud/outbox.h"

#include <pthread.h>
#include <time.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"
#include "cloud/clock.h"
#include "gen/cloud.h"
#include "store/record.h"

/* A lane gives way after this many deliveries, so that a busy one does not starve the rest; and so
 * do jobs to events: one that goes on and on by scheduling itself at once is due again behind all
 * that are due. */
enum {
    LANE_TURN = 32,
    JOBS_TURN = 32,
    RETRY_FIRST_MS = 50,
    RETRY_MAX_MS = 60000,
    COLLECT_EVERY_MS = 10000
};

struct dispatcher {
    struct cloud *cloud;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    bool stopping;
    bool awake;            /* something was posted since the thread last looked */
    uint64_t collected_ns; /* when released blobs were last looked for */
};

/* --- writing
 * ------------------------------------------------------------------------------------------------
 */

static struct key outbox_prefix(struct arena *arena, struct str kind)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("outbox"));
    key_str(&key, kind);
    return key;
}

static struct key outbox_event_key(struct arena *arena, struct str lane, uint64_t sequence)
{
    struct key key = outbox_prefix(arena, STR("now"));
    key_str(&key, lane);
    key_u64(&key, sequence);
    return key;
}

static struct key outbox_job_key(struct arena *arena, const struct job_id *id)
{
    struct key key = outbox_prefix(arena, STR("due"));
    key_i64(&key, id->due_ms);
    key_u64(&key, id->sequence);
    return key;
}

static RESULT outbox_write(struct call *call, const struct key *key, struct str topic,
                           struct str payload)
{
    struct cloud_outbox record = {
        .topic = topic,
        .payload = payload,
        .account = call->account,
        .region = call->region,
        .created_ms = call->now_ms,
    };
    TRY(call_put_record(call, key, &cloud_model, CLOUD_SHAPE_outbox, &record));
    call->outbox_used = true;
    return RESULT_OK;
}

RESULT outbox_post(struct call *call, struct str topic, struct str lane, struct str payload)
{
    uint64_t sequence;
    TRY(call_sequence(call, &sequence));
    struct str in_lane = str_is_absent(lane) ? topic : lane;
    struct key key = outbox_event_key(call->arena, in_lane, sequence);
    return outbox_write(call, &key, topic, payload);
}

RESULT job_schedule(struct call *call, struct str topic, int64_t due_ms, struct str payload,
                    struct job_id *id)
{
    struct job_id job = {.due_ms = due_ms};
    TRY(call_sequence(call, &job.sequence));
    struct key key = outbox_job_key(call->arena, &job);
    TRY(outbox_write(call, &key, topic, payload));
    if (id != NULL)
        *id = job;
    return RESULT_OK;
}

RESULT job_cancel(struct call *call, const struct job_id *id, bool *existed)
{
    struct key key = outbox_job_key(call->arena, id);
    return kv_delete(call->txn, key_bytes(&key), existed);
}

/* --- delivering --- */

static const struct outbox_handler *outbox_find(struct cloud *cloud, struct str topic,
                                                const struct wire_model **model)
{
    for (size_t h = 0; cloud->hooks[h] != NULL; h++) {
        const struct service_hooks *hooks = cloud->hooks[h];
        for (size_t i = 0; i < hooks->handler_count; i++) {
            if (str_eq(hooks->handlers[i].topic, topic)) {
                *model = hooks->model;
                return &hooks->handlers[i];
            }
        }
    }
    return NULL;
}

struct delivery {
    struct cloud *cloud;
    struct arena *arena;
    struct str key;
    struct outbox_item item;
};

static RESULT delivery_run(struct delivery *delivery, struct call *call)
{
    const struct wire_model *model;
    const struct outbox_handler *handler =
        outbox_find(delivery->cloud, delivery->item.topic, &model);
    if (handler == NULL)
        return FAULT("nobody takes \"%.*s\" from the outbox", PRSTR(delivery->item.topic));
    call->model = model;
    call->principal.name =
        str_format(delivery->arena, "%.*s.amazonaws.com", PRSTR(model->endpoint_prefix));
    TRY(handler->deliver(call, &delivery->item));
    return kv_delete(call->txn, delivery->key, NULL);
}

static void delivery_call(struct delivery *delivery, struct call *call)
{
    struct cloud *cloud = delivery->cloud;
    *call = (struct call){
        .arena = delivery->arena,
        .cloud = cloud,
        .account = delivery->item.account,
        .region = delivery->item.region,
        .partition = STR("aws"),
        .principal = {.kind = PRINCIPAL_SERVICE, .account = delivery->item.account},
        .now_ms = clock_now(cloud->clock),
        .endpoint = cloud->endpoint,
    };
    char *id = arena_alloc(delivery->arena, 36);
    rng_uuid(id);
    call->request_id = str_make(id, 36);
}

/* Notes the failure in the item itself: when to try again, and how often it has been tried. */
static RESULT delivery_postpone(struct delivery *delivery)
{
    struct call call;
    delivery_call(delivery, &call);
    struct outbox_item *item = &delivery->item;
    int64_t wait = item->attempts > 10 ? RETRY_MAX_MS : RETRY_FIRST_MS << item->attempts;
    struct cloud_outbox record = {
        .topic = item->topic,
        .payload = item->payload,
        .account = item->account,
        .region = item->region,
        .created_ms = item->created_ms,
        .attempts = item->attempts + 1,
        .not_before_ms = call.now_ms + (wait > RETRY_MAX_MS ? RETRY_MAX_MS : wait),
    };
    struct buf bytes;
    buf_init(&bytes, delivery->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &cloud_model, CLOUD_SHAPE_outbox, &record));
    TRY(kv_begin(delivery->cloud->kv, true, &call.txn));
    enum result result = kv_put(call.txn, delivery->key, buf_str(&bytes));
    if (result == RESULT_OK)
        return kv_commit(call.txn);
    kv_abort(call.txn);
    return result;
}

/* *delivered: the item is gone. */
static RESULT delivery_make(struct delivery *delivery, bool *delivered)
{
    struct call call;
    delivery_call(delivery, &call);
    log_set_request(call.request_id);
    enum result result = kv_begin(delivery->cloud->kv, true, &call.txn);
    if (result == RESULT_OK) {
        result = delivery_run(delivery, &call);
        if (result == RESULT_OK)
            result = call_commit(&call);
        else
            kv_abort(call.txn);
    }
    if (result != RESULT_OK) {
        log_line(LOG_WARN, "outbox: %.*s was not delivered (attempt %lld): %.*s",
                 PRSTR(delivery->item.topic), (long long)delivery->item.attempts + 1,
                 PRSTR(call.message));
        TRY(delivery_postpone(delivery));
    }
    log_set_request((struct str){0});
    *delivered = result == RESULT_OK;
    return RESULT_OK;
}

/* The first item at or after `from` under the prefix; the key is absent when there is none. */
static RESULT outbox_peek(struct cloud *cloud, struct arena *arena, struct str prefix,
                          struct str from, struct delivery *out, struct cloud_outbox *record)
{
    struct kv_txn *txn;
    TRY(kv_begin(cloud->kv, false, &txn));
    struct kv_cursor *cursor;
    struct str key, value;
    enum result result = kv_cursor_open(txn, arena, prefix, false, &cursor);
    if (result == RESULT_OK && !str_is_absent(from))
        result = kv_cursor_seek(cursor, from);
    if (result == RESULT_OK)
        result = kv_next(cursor, &key, &value);
    if (result == RESULT_OK) {
        *out = (struct delivery){.cloud = cloud, .arena = arena};
        if (!str_is_absent(key)) {
            out->key = str_copy(arena, key);
            result = record_decode_copy(arena, &cloud_model, CLOUD_SHAPE_outbox, value, record);
        }
    }
    kv_abort(txn);
    return result;
}

static void delivery_fill(struct delivery *delivery, const struct cloud_outbox *record, bool job)
{
    struct outbox_item *item = &delivery->item;
    *item = (struct outbox_item){
        .topic = record->topic,
        .payload = record->payload,
        .account = record->account,
        .region = record->region,
        .created_ms = record->created_ms,
        .attempts = record->attempts,
    };
    struct key_reader reader = key_read(delivery->arena, delivery->key);
    struct str skipped;
    bool whole =
        key_next_str(&reader, &skipped) && key_next_str(&reader, &skipped) &&
        (job ? key_next_i64(&reader, &item->due_ms) : key_next_str(&reader, &item->lane)) &&
        key_next_u64(&reader, &item->sequence);
    ASSERT(whole);
}

/* The least of the instants at which something is wanted again. */
static void outbox_wanted_at(int64_t *next_ms, int64_t at_ms)
{
    if (at_ms < *next_ms)
        *next_ms = at_ms;
}

/* One lane's turn, from `from` on; *after is where the next lane begins, absent at the end. */
static RESULT outbox_lane(struct cloud *cloud, struct arena *arena, struct str from,
                          struct str *after, size_t *delivered, int64_t *next_ms)
{
    struct key prefix = outbox_prefix(arena, STR("now"));
    struct str lane = {0};
    *after = (struct str){0};
    for (int turn = 0; turn < LANE_TURN; turn++) {
        struct delivery delivery;
        struct cloud_outbox record;
        TRY(outbox_peek(cloud, arena, key_bytes(&prefix), from, &delivery, &record));
        if (str_is_absent(delivery.key))
            return RESULT_OK;
        delivery_fill(&delivery, &record, false);
        if (turn > 0 && !str_eq(lane, delivery.item.lane)) {
            *after = delivery.key;
            return RESULT_OK;
        }
        lane = delivery.item.lane;
        if (record.not_before_ms > clock_now(cloud->clock)) {
            outbox_wanted_at(next_ms, record.not_before_ms);
            break;
        }
        bool done;
        TRY(delivery_make(&delivery, &done));
        if (!done)
            break;
        ++*delivered;
        from = delivery.key;
    }
    /* This lane has had its turn: go on behind it. */
    struct key end = outbox_event_key(arena, lane, UINT64_MAX);
    *after = str_copy(arena, key_bytes(&end));
    return RESULT_OK;
}

static RESULT outbox_events(struct cloud *cloud, struct arena *arena, size_t *delivered,
                            int64_t *next_ms)
{
    struct str from = {0};
    do {
        struct arena *scratch = arena_new_child(arena);
        struct str after;
        enum result result = outbox_lane(cloud, scratch, from, &after, delivered, next_ms);
        from = str_is_absent(after) ? after : str_copy(arena, after);
        arena_free(scratch);
        TRY(result);
    } while (!str_is_absent(from));
    return RESULT_OK;
}

static RESULT outbox_jobs(struct cloud *cloud, struct arena *arena, size_t *delivered,
                          int64_t *next_ms)
{
    struct key prefix = outbox_prefix(arena, STR("due"));
    struct str from = {0};
    for (size_t before = *delivered; *delivered - before < JOBS_TURN;) {
        struct arena *scratch = arena_new_child(arena);
        struct delivery delivery;
        struct cloud_outbox record;
        bool done = true, more = false;
        enum result result =
            outbox_peek(cloud, scratch, key_bytes(&prefix), from, &delivery, &record);
        if (result == RESULT_OK && !str_is_absent(delivery.key)) {
            delivery_fill(&delivery, &record, true);
            int64_t now = clock_now(cloud->clock);
            more = delivery.item.due_ms <= now;
            outbox_wanted_at(next_ms, more ? INT64_MAX : delivery.item.due_ms);
            if (more && record.not_before_ms > now) {
                outbox_wanted_at(next_ms, record.not_before_ms);
                done = false;
            } else if (more) {
                result = delivery_make(&delivery, &done);
                *delivered += done;
            }
            if (!done) { /* go on behind it */
                struct job_id behind = {delivery.item.due_ms, delivery.item.sequence + 1};
                struct key key = outbox_job_key(scratch, &behind);
                from = str_copy(arena, key_bytes(&key));
            }
        }
        arena_free(scratch);
        TRY(result);
        if (!more)
            return RESULT_OK;
    }
    return RESULT_OK;
}

static RESULT dispatcher_pass(struct cloud *cloud, size_t *delivered, int64_t *next_ms)
{
    struct arena *arena = arena_new(0);
    *next_ms = INT64_MAX;
    enum result result = outbox_events(cloud, arena, delivered, next_ms);
    if (result == RESULT_OK)
        result = outbox_jobs(cloud, arena, delivered, next_ms);
    arena_free(arena);
    return result;
}

RESULT dispatcher_step(struct cloud *cloud, size_t *delivered)
{
    size_t total = 0, before;
    int64_t next_ms;
    do {
        before = total;
        TRY(dispatcher_pass(cloud, &total, &next_ms));
    } while (total != before);
    *delivered = total;
    return RESULT_OK;
}

/* --- the thread --- */

static void dispatcher_wait(struct dispatcher *dispatcher, int64_t next_ms)
{
    pthread_mutex_lock(&dispatcher->lock);
    if (!dispatcher->awake && !dispatcher->stopping) {
        int64_t wait_ms =
            next_ms == INT64_MAX ? COLLECT_EVERY_MS : next_ms - clock_now(dispatcher->cloud->clock);
        if (wait_ms > COLLECT_EVERY_MS)
            wait_ms = COLLECT_EVERY_MS;
        if (wait_ms > 0) {
            uint64_t until = time_monotonic_ns() + (uint64_t)wait_ms * 1000000;
            struct timespec at = {.tv_sec = (time_t)(until / 1000000000),
                                  .tv_nsec = (long)(until % 1000000000)};
            pthread_cond_timedwait(&dispatcher->wanted, &dispatcher->lock, &at);
        }
    }
    pthread_mutex_unlock(&dispatcher->lock);
}

static bool dispatcher_goes_on(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->awake = false;
    bool goes_on = !dispatcher->stopping;
    pthread_mutex_unlock(&dispatcher->lock);
    return goes_on;
}

/* Files of blobs that records have released go; a fault is logged, and the next time comes. */
static void dispatcher_collect(struct dispatcher *dispatcher)
{
    enum { COLLECT_LIMIT = 1000 };
    uint64_t now_ns = time_monotonic_ns();
    size_t removed;
    if (now_ns - dispatcher->collected_ns < COLLECT_EVERY_MS * UINT64_C(1000000))
        return;
    dispatcher->collected_ns = now_ns;
    while (blob_collect(dispatcher->cloud->blobs, dispatcher->cloud->kv, COLLECT_LIMIT, &removed) ==
               RESULT_OK &&
           removed == COLLECT_LIMIT)
        continue;
}

static void *dispatcher_main(void *context)
{
    struct dispatcher *dispatcher = context;
    while (dispatcher_goes_on(dispatcher)) {
        dispatcher_collect(dispatcher);
        size_t delivered = 0;
        int64_t next_ms = INT64_MAX;
        if (dispatcher_pass(dispatcher->cloud, &delivered, &next_ms) != RESULT_OK)
            next_ms =
                clock_now(dispatcher->cloud->clock) + 1000; /* logged; the store may recover */
        else if (delivered > 0)
            continue;
        dispatcher_wait(dispatcher, next_ms);
    }
    return NULL;
}

RESULT dispatcher_start(struct cloud *cloud, struct dispatcher **out)
{
    struct dispatcher *dispatcher = ARENA_NEW(cloud->arena, struct dispatcher);
    dispatcher->cloud = cloud;
    pthread_mutex_init(&dispatcher->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&dispatcher->wanted, &attributes);
    pthread_condattr_destroy(&attributes);
    *out = dispatcher; /* before its thread, which wakes it for what its deliveries post */
    int error = pthread_create(&dispatcher->thread, NULL, dispatcher_main, dispatcher);
    if (error == 0)
        return RESULT_OK;
    *out = NULL;
    return FAULT("pthread_create: %s", strerror(error));
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->stopping = true;
    pthread_cond_signal(&dispatcher->wanted);
    pthread_mutex_unlock(&dispatcher->lock);
    pthread_join(dispatcher->thread, NULL);
    pthread_cond_destroy(&dispatcher->wanted);
    pthread_mutex_destroy(&dispatcher->lock);
}

void dispatcher_wake(struct dispatcher *dispatcher)
{
    if (dispatcher == NULL)
        return;
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->awake = true;
    pthread_cond_signal(&dispatcher->wanted);
    pthread_mutex_unlock(&dispatcher->lock);
}
