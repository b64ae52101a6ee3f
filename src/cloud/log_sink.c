#include "cloud/log_sink.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/log.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/clock.h"

enum {
    LANES_MAX = 4096, /* streams in one buffer: those that are full of lost lines too */
    LINE_COST = 32,   /* of a line beside its text */
    LANE_COST = 512,  /* of a stream */
    TRANSACTION_LANES = 64,
    FAULTS_MAX = 5, /* then what cannot be kept is given up, which is logged */
    KEY_MAX = 2048,
};

struct lane {
    struct log_sink_stream lines;
    struct log_sink_event *events;
    size_t cap;
    uint64_t lost;
    int64_t lost_ms;
};
/* What has come and is not kept yet. Freed as a whole. */
struct batch {
    struct arena *arena;
    struct map by_key;
    struct lane **lanes;
    size_t count, cap;
    size_t bytes;
    uint64_t lost; /* of streams that it has no room for */
    size_t done;   /* lanes that are kept */
    unsigned faults;
};
struct log_sink {
    struct cloud *cloud;
    const struct service_hooks *keeper; /* NULL: nobody */
    pthread_mutex_t mutex;              /* of what follows, for moments */
    pthread_cond_t wake;
    struct batch *front; /* what comes; NULL: nothing has */
    bool stopping, running;
    pthread_t thread;
    pthread_mutex_t keeping; /* of what follows: one keeper at a time */
    struct batch *back;      /* what is being kept; NULL: nothing is */
};

/* --- putting --- */

static struct batch *batch_new(void)
{
    struct arena *arena = arena_new(0);
    struct batch *batch = ARENA_NEW(arena, struct batch);
    batch->arena = arena;
    map_init(&batch->by_key, arena);
    return batch;
}

static void batch_free(struct batch *batch)
{
    if (batch->lost > 0)
        log_line(LOG_WARN, "%llu lines for logs were lost: they came faster than they are kept",
                 (unsigned long long)batch->lost);
    arena_free(batch->arena);
}

/* NULL: there is no room for it. */
static struct lane *batch_lane(struct batch *batch, const struct log_line *line)
{
    char room[KEY_MAX];
    struct buf key;
    const struct str parts[] = {line->account, line->region, line->group, line->stream};
    buf_init_fixed(&key, room, sizeof room);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buf_append(&key, parts[i]);
        buf_append_char(&key, '\0');
    }
    if (buf_is_full(&key))
        return NULL;
    struct lane *lane = map_get(&batch->by_key, buf_str(&key));
    if (lane == NULL) {
        if (batch->count == LANES_MAX)
            return NULL;
        lane = ARENA_NEW(batch->arena, struct lane);
        lane->lines = (struct log_sink_stream){
            .account = str_copy(batch->arena, line->account),
            .region = str_copy(batch->arena, line->region),
            .group = str_copy(batch->arena, line->group),
            .stream = str_copy(batch->arena, line->stream),
        };
        map_put(&batch->by_key, str_copy(batch->arena, buf_str(&key)), lane);
        VEC_PUSH(batch->arena, batch->lanes, batch->count, batch->cap, lane);
        batch->bytes += LANE_COST + key.len;
    }
    lane->lines.create_group |= line->create_group;
    return lane;
}

static void batch_put(struct batch *batch, const struct log_line *line)
{
    struct lane *lane = batch_lane(batch, line);
    size_t cost = line->text.len + LINE_COST;
    if (lane == NULL) {
        batch->lost++;
    } else if (cost > LOG_SINK_BYTES || batch->bytes > LOG_SINK_BYTES - cost) {
        lane->lost++;
        lane->lost_ms = line->time_ms;
    } else {
        struct log_sink_event event = {line->time_ms, str_copy(batch->arena, line->text)};
        VEC_PUSH(batch->arena, lane->events, lane->lines.count, lane->cap, event);
        batch->bytes += cost;
    }
}

void log_sink_put(struct log_sink *sink, const struct log_line *line)
{
    if (sink == NULL || sink->keeper == NULL || str_is_empty(line->text))
        return;
    pthread_mutex_lock(&sink->mutex);
    bool first = sink->front == NULL;
    if (first)
        sink->front = batch_new();
    bool was_long = sink->front->bytes > LOG_SINK_BYTES / 2;
    batch_put(sink->front, line);
    if (first || (!was_long && sink->front->bytes > LOG_SINK_BYTES / 2))
        pthread_cond_signal(&sink->wake);
    pthread_mutex_unlock(&sink->mutex);
}

/* --- keeping --- */

static void lane_note_lost(struct batch *batch, struct lane *lane)
{
    if (lane->lost == 0)
        return;
    struct log_sink_event event = {
        lane->lost_ms,
        str_format(batch->arena, "%llu lines were lost here: they came faster than they are kept.",
                   (unsigned long long)lane->lost),
    };
    VEC_PUSH(batch->arena, lane->events, lane->lines.count, lane->cap, event);
    lane->lost = 0;
}

/* The lanes [done, to) in one transaction. */
static RESULT batch_keep_lanes(struct log_sink *sink, struct batch *batch, size_t to)
{
    struct cloud *cloud = sink->cloud;
    struct arena *arena = arena_new(0);
    char id[36];
    rng_uuid(id);
    struct call call = {
        .arena = arena,
        .cloud = cloud,
        .model = sink->keeper->model,
        .partition = STR("aws"),
        .principal = {.kind = PRINCIPAL_SERVICE, .name = STR("logs.amazonaws.com")},
        .now_ms = clock_now(cloud->clock),
        .endpoint = cloud->endpoint,
        .request_id = str_make(id, sizeof id),
    };
    enum result result = kv_begin(cloud->kv, true, &call.txn);
    for (size_t i = batch->done; result == RESULT_OK && i < to; i++) {
        struct lane *lane = batch->lanes[i];
        lane_note_lost(batch, lane);
        lane->lines.events = lane->events;
        call.account = lane->lines.account;
        call.region = lane->lines.region;
        result = sink->keeper->log_keeper->keep(&call, &lane->lines);
    }
    if (result == RESULT_OK)
        result = call_commit(&call);
    else
        kv_abort(call.txn);
    arena_free(arena);
    return result;
}

static RESULT batch_keep(struct log_sink *sink, struct batch *batch)
{
    while (batch->done < batch->count) {
        size_t to = batch->done + TRANSACTION_LANES;
        if (to > batch->count)
            to = batch->count;
        enum result result = batch_keep_lanes(sink, batch, to);
        if (result != RESULT_OK && result != RESULT_FULL && ++batch->faults == FAULTS_MAX) {
            log_line(LOG_ERROR, "lines for logs of %zu streams cannot be kept: given up",
                     to - batch->done);
            batch->faults = 0;
            result = RESULT_OK;
        }
        TRY(result);
        batch->done = to;
    }
    return RESULT_OK;
}

RESULT log_sink_flush(struct log_sink *sink)
{
    enum result result = RESULT_OK;
    if (sink == NULL)
        return RESULT_OK;
    pthread_mutex_lock(&sink->keeping);
    for (int round = 0; round < 2 && result == RESULT_OK; round++) {
        if (sink->back == NULL) {
            pthread_mutex_lock(&sink->mutex);
            sink->back = sink->front;
            sink->front = NULL;
            pthread_mutex_unlock(&sink->mutex);
        }
        if (sink->back == NULL)
            break;
        result = batch_keep(sink, sink->back);
        if (result == RESULT_OK) {
            batch_free(sink->back);
            sink->back = NULL;
        }
    }
    pthread_mutex_unlock(&sink->keeping);
    return result;
}

/* Lets others come along; no longer when there are many already. The mutex is held. */
static void sink_gather(struct log_sink *sink)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOG_SINK_WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (!sink->stopping && sink->front != NULL && sink->front->bytes <= LOG_SINK_BYTES / 2)
        if (pthread_cond_timedwait(&sink->wake, &sink->mutex, &until) == ETIMEDOUT)
            return;
}

static void *sink_run(void *context)
{
    struct log_sink *sink = context;
    bool again = false;
    pthread_mutex_lock(&sink->mutex);
    while (!sink->stopping) {
        if (sink->front == NULL && !again) {
            pthread_cond_wait(&sink->wake, &sink->mutex);
            continue;
        }
        sink_gather(sink);
        pthread_mutex_unlock(&sink->mutex);
        again = log_sink_flush(sink) != RESULT_OK;
        if (again) {
            log_line(LOG_WARN, "lines for logs wait to be kept: trying again");
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        }
        pthread_mutex_lock(&sink->mutex);
    }
    pthread_mutex_unlock(&sink->mutex);
    return NULL;
}

/* --- life --- */

RESULT log_sink_open(struct cloud *cloud, struct log_sink **out)
{
    struct log_sink *sink = ARENA_NEW(cloud->arena, struct log_sink);
    pthread_condattr_t monotonic;
    sink->cloud = cloud;
    for (size_t i = 0; cloud->hooks[i] != NULL; i++)
        if (cloud->hooks[i]->log_keeper != NULL)
            sink->keeper = cloud->hooks[i];
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&sink->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&sink->mutex, NULL);
    pthread_mutex_init(&sink->keeping, NULL);
    *out = sink;
    return RESULT_OK;
}

RESULT log_sink_start(struct log_sink *sink)
{
    int error = pthread_create(&sink->thread, NULL, sink_run, sink);
    if (error != 0)
        return FAULT("the thread that keeps logs: %s", strerror(error));
    sink->running = true;
    return RESULT_OK;
}

void log_sink_stop(struct log_sink *sink)
{
    if (sink == NULL)
        return;
    pthread_mutex_lock(&sink->mutex);
    sink->stopping = true;
    pthread_cond_signal(&sink->wake);
    pthread_mutex_unlock(&sink->mutex);
    if (sink->running)
        pthread_join(sink->thread, NULL);
    sink->running = false;
}

void log_sink_close(struct log_sink *sink)
{
    if (sink == NULL)
        return;
    log_sink_stop(sink);
    if (log_sink_flush(sink) != RESULT_OK)
        log_line(LOG_WARN, "lines for logs could not be kept at the end");
    if (sink->back != NULL)
        batch_free(sink->back);
    if (sink->front != NULL)
        batch_free(sink->front);
    pthread_cond_destroy(&sink->wake);
    pthread_mutex_destroy(&sink->keeping);
    pthread_mutex_destroy(&sink->mutex);
}
