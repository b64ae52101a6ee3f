#include "cloud/log_sink.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/log.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/clock.h"
#include "cloud/spool.h"
#include "store/key.h"

enum {
    LANES_MAX = 4096, /* streams in one buffer: those that are full of lost lines too */
    LINE_COST = 32,   /* of a line beside its text */
    LANE_COST = 512,  /* of a stream */
    TRANSACTION_LANES = 64,
    FAULTS_MAX = 5, /* then what cannot be kept is given up, which is logged */
    KEY_MAX = 2048,
};

/* Kinds of entries of the file: a lane is a stream of lines, and its first entry names it; their
 * tags are the lanes' numbers. */
enum { SPOOL_LANE, SPOOL_LINE, SPOOL_LINE_CREATES };

struct lane {
    struct log_sink_stream lines;
    struct log_sink_event *events;
    size_t cap;
    uint32_t number; /* among its batch's */
    bool spooled;
    uint64_t lost;
    int64_t lost_ms;
};
/* What has come and is not kept yet. Freed as a whole. Its lines stand in a file, those for which
 * the disk has no room in memory. */
struct batch {
    struct arena *arena;
    uint64_t number;
    struct spool *spool; /* NULL: there is no room */
    struct batch *next;  /* of those that a crash left */
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
    struct spool_family family;
    pthread_mutex_t mutex; /* of what follows, for moments */
    pthread_cond_t wake;
    struct batch *front; /* what comes; NULL: nothing has */
    uint64_t number;     /* of the next batch */
    bool stopping, running;
    pthread_t thread;
    pthread_mutex_t keeping; /* of what follows: one keeper at a time */
    struct batch *back;      /* what is being kept; NULL: nothing is */
    struct batch *left;      /* by a crash, to be kept before all else */
};

/* --- putting --- */

static struct batch *batch_new(uint64_t number)
{
    struct arena *arena = arena_new(0);
    struct batch *batch = ARENA_NEW(arena, struct batch);
    batch->arena = arena;
    batch->number = number;
    map_init(&batch->by_key, arena);
    return batch;
}

/* kept: its file has done its service. */
static void batch_free(struct batch *batch, bool kept)
{
    if (batch->lost > 0)
        log_line(LOG_WARN, "%llu lines for logs were lost: they came faster than they are kept",
                 (unsigned long long)batch->lost);
    if (batch->spool != NULL)
        spool_close(batch->spool, kept);
    arena_free(batch->arena);
}

/* key: account, region, group, stream, each with a zero behind it. */
static struct lane *lane_new(struct batch *batch, struct str key)
{
    struct str parts[4], rest = str_copy(batch->arena, key);
    for (size_t i = 0; i < 4; i++)
        if (!str_cut(rest, '\0', &parts[i], &rest))
            return NULL;
    struct lane *lane = ARENA_NEW(batch->arena, struct lane);
    lane->number = (uint32_t)batch->count;
    lane->lines = (struct log_sink_stream){
        .account = parts[0], .region = parts[1], .group = parts[2], .stream = parts[3]};
    VEC_PUSH(batch->arena, batch->lanes, batch->count, batch->cap, lane);
    return lane;
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
        if (batch->count == LANES_MAX || (lane = lane_new(batch, buf_str(&key))) == NULL)
            return NULL;
        const struct spool_entry entry = {
            .kind = SPOOL_LANE, .tag = lane->number, .bytes = buf_str(&key)};
        struct str kept;
        lane->spooled = batch->spool != NULL && spool_put(batch->spool, &entry, &kept);
        map_put(&batch->by_key, str_copy(batch->arena, buf_str(&key)), lane);
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
        const struct spool_entry entry = {
            .kind = line->create_group ? SPOOL_LINE_CREATES : SPOOL_LINE,
            .tag = lane->number,
            .time_ms = line->time_ms,
            .bytes = line->text,
        };
        struct log_sink_event event = {.time_ms = line->time_ms};
        if (!lane->spooled || !spool_put(batch->spool, &entry, &event.text))
            event.text = str_copy(batch->arena, line->text);
        VEC_PUSH(batch->arena, lane->events, lane->lines.count, lane->cap, event);
        batch->bytes += cost;
    }
}

static struct batch *sink_front(struct log_sink *sink)
{
    if (sink->front != NULL)
        return sink->front;
    struct batch *batch = batch_new(sink->number++);
    enum result result = spool_new(batch->arena, &sink->family, batch->number, &batch->spool);
    if (result != RESULT_OK)
        log_line(LOG_WARN, "lines for logs wait in memory alone: the disk is full");
    sink->front = batch;
    return batch;
}

void log_sink_put(struct log_sink *sink, const struct log_line *line)
{
    if (sink == NULL || sink->keeper == NULL || str_is_empty(line->text))
        return;
    pthread_mutex_lock(&sink->mutex);
    bool first = sink->front == NULL;
    struct batch *front = sink_front(sink);
    bool was_long = front->bytes > LOG_SINK_BYTES / 2;
    batch_put(front, line);
    if (first || (!was_long && front->bytes > LOG_SINK_BYTES / 2))
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

/* ("cloud", "log-spool"): number of the batch that is being kept, or was last, and of its lanes how
 * many are kept. */
static struct key place_key(struct arena *arena)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("cloud"));
    key_str(&key, STR("log-spool"));
    return key;
}

static RESULT place_put(struct call *call, uint64_t number, size_t done)
{
    struct key key = place_key(call->arena);
    return kv_put(call->txn, key_bytes(&key),
                  str_format(call->arena, "%llu %zu", (unsigned long long)number, done));
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
        if (lane->lines.count == 0)
            continue;
        lane->lines.events = lane->events;
        call.account = lane->lines.account;
        call.region = lane->lines.region;
        result = sink->keeper->log_keeper->keep(&call, &lane->lines);
    }
    if (result == RESULT_OK)
        result = place_put(&call, batch->number, to);
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

/* What is to be kept next; NULL: nothing. *fresh: it has just come. */
static struct batch *sink_next(struct log_sink *sink, bool *fresh)
{
    struct batch *next = sink->left;
    *fresh = next == NULL;
    if (!*fresh) {
        sink->left = next->next;
        return next;
    }
    pthread_mutex_lock(&sink->mutex);
    next = sink->front;
    sink->front = NULL;
    pthread_mutex_unlock(&sink->mutex);
    return next;
}

RESULT log_sink_flush(struct log_sink *sink)
{
    enum result result = RESULT_OK;
    if (sink == NULL)
        return RESULT_OK;
    pthread_mutex_lock(&sink->keeping);
    for (bool fresh = false; !fresh && result == RESULT_OK;) {
        if (sink->back == NULL)
            sink->back = sink_next(sink, &fresh);
        if (sink->back == NULL)
            break;
        result = batch_keep(sink, sink->back);
        if (result == RESULT_OK) {
            batch_free(sink->back, true);
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

/* --- what a crash left --- */

static void batch_replay(struct batch *batch)
{
    struct spool_entry entry;
    for (size_t at = 0; spool_next(batch->spool, &at, &entry);) {
        if (entry.kind == SPOOL_LANE) {
            /* Lanes that had no room in the file have none of their lines there, either. */
            while (batch->count < entry.tag && batch->count < LANES_MAX)
                (void)lane_new(batch, str_make("\0\0\0", 4));
            (void)lane_new(batch, entry.bytes);
        } else if (entry.tag < batch->count) {
            struct lane *lane = batch->lanes[entry.tag];
            struct log_sink_event event = {entry.time_ms, entry.bytes};
            lane->lines.create_group |= entry.kind == SPOOL_LINE_CREATES;
            VEC_PUSH(batch->arena, lane->events, lane->lines.count, lane->cap, event);
        }
    }
}

static RESULT place_get(struct log_sink *sink, struct arena *arena, uint64_t *number,
                        uint64_t *done)
{
    struct key key = place_key(arena);
    struct kv_txn *txn;
    struct str value, first, second;
    *number = *done = 0;
    TRY(kv_begin(sink->cloud->kv, false, &txn));
    enum result result = kv_get(txn, key_bytes(&key), &value);
    if (result == RESULT_OK && !str_is_absent(value) &&
        (!str_cut(value, ' ', &first, &second) || !str_to_u64(first, number) ||
         !str_to_u64(second, done)))
        result = FAULT("the record of the lines that are kept is broken");
    kv_abort(txn);
    return result;
}

static RESULT sink_recover(struct log_sink *sink, struct arena *arena)
{
    struct batch **last = &sink->left;
    uint64_t number, done, *numbers;
    size_t count;
    TRY(place_get(sink, arena, &number, &done));
    TRY(spool_list(arena, &sink->family, &numbers, &count));
    sink->number = number + 1;
    for (size_t i = 0; i < count; i++) {
        struct batch *batch = batch_new(numbers[i]);
        enum result result = spool_open(batch->arena, &sink->family, numbers[i], &batch->spool);
        if (result != RESULT_OK) {
            arena_free(batch->arena);
            return result;
        }
        batch_replay(batch);
        if (numbers[i] < number)
            batch->done = batch->count;
        else if (numbers[i] == number)
            batch->done = done < batch->count ? (size_t)done : batch->count;
        *last = batch;
        last = &batch->next;
        if (numbers[i] >= sink->number)
            sink->number = numbers[i] + 1;
    }
    return RESULT_OK;
}

/* --- life --- */

RESULT log_sink_open(struct cloud *cloud, struct log_sink **out)
{
    struct log_sink *sink = ARENA_NEW(cloud->arena, struct log_sink);
    pthread_condattr_t monotonic;
    sink->cloud = cloud;
    sink->family = (struct spool_family){cloud->directory, "lines", "kumolog1", 20 << 20};
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
    if (sink->keeper == NULL)
        return RESULT_OK;
    struct arena *scratch = arena_new(0);
    enum result result = sink_recover(sink, scratch);
    arena_free(scratch);
    return result;
}

RESULT log_sink_start(struct log_sink *sink)
{
    /* Who asks first sees all that was logged before. */
    if (sink->left != NULL && log_sink_flush(sink) != RESULT_OK)
        log_line(LOG_WARN, "lines for logs of before wait to be kept");
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
        log_line(LOG_WARN, "lines for logs could not be kept at the end: at the next start");
    if (sink->back != NULL)
        batch_free(sink->back, false);
    if (sink->front != NULL)
        batch_free(sink->front, false);
    while (sink->left != NULL) {
        struct batch *batch = sink->left;
        sink->left = batch->next;
        batch_free(batch, false);
    }
    pthread_cond_destroy(&sink->wake);
    pthread_mutex_destroy(&sink->keeping);
    pthread_mutex_destroy(&sink->mutex);
}
