#include "cloud/trail.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "base/rng.h"
#include "cloud/clock.h"
#include "cloud/spool.h"
#include "store/record.h"

enum {
    TRAIL_WAIT_MS = 100,   /* events wait this long for others to come along */
    TRAIL_REST_MS = 10000, /* a file that could be used again is kept for as long */
    TRAIL_BATCH_MAX = 256,
    TRAIL_EVENT_MAX = 256 << 10,
    TRAIL_FILE_MAX = 4 << 20,
    TRAIL_FILES_MAX = 64, /* that wait: then events are lost */
    TRAIL_SETTLE_MS = 2000,
};

struct trail_file {
    struct arena *arena;
    struct spool *spool;
    struct trail_file *next;
    size_t at;    /* of what was not taken yet */
    bool is_left; /* by a crash */
};

struct trail {
    struct cloud *cloud;
    struct spool_family family;
    pthread_mutex_t mutex; /* of what follows, for moments */
    pthread_cond_t wake, settled;
    uint64_t rounds_begun, rounds_ended; /* the thread's: each takes all that there is */
    bool hurried;                        /* somebody waits for the next one */
    struct trail_file *front;            /* takes events; NULL: none came */
    struct trail_file *first, *last;     /* full ones, oldest first */
    struct trail_file *spare;            /* taken, and mapped still */
    size_t waiting;                      /* full ones */
    uint64_t number;                     /* of the next file */
    uint64_t lost;
    bool stopping;
    bool running;
    pthread_t thread;
    /* The thread's. */
    struct trail_file *back; /* is being taken */
    uint64_t *left;          /* numbers of those that a crash left */
    size_t left_count, left_at;
    _Atomic bool wants_data;
};

bool trail_wants_data(const struct trail *trail)
{
    return trail != NULL && atomic_load_explicit(&trail->wants_data, memory_order_relaxed);
}

void trail_set_data(struct trail *trail, bool wanted)
{
    if (trail != NULL)
        atomic_store_explicit(&trail->wants_data, wanted, memory_order_relaxed);
}

/* --- ids --- */

struct str trail_event_id(struct arena *arena, int64_t time_ms)
{
    char *id = arena_alloc(arena, 36);
    uint64_t time = (uint64_t)time_ms;
    rng_uuid(id);
    for (int i = 12; i >= 0; i--) {
        if (i == 8)
            continue;
        id[i] = "0123456789abcdef"[time & 15];
        time >>= 4;
    }
    id[14] = '7';
    return str_make(id, 36);
}

bool trail_event_time(struct str id, int64_t *time_ms)
{
    *time_ms = 0;
    if (id.len != 36)
        return false;
    for (size_t i = 0; i < 13; i++) {
        char c = id.ptr[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (i == 8 ? c != '-' : digit < 0)
            return false;
        if (i != 8)
            *time_ms = *time_ms << 4 | digit;
    }
    return true;
}

/* --- files --- */

static void file_close(struct trail_file *file, bool remove)
{
    if (file == NULL)
        return;
    spool_close(file->spool, remove);
    arena_free(file->arena);
}

static RESULT file_begin(struct trail *trail, struct trail_file **out)
{
    struct trail_file *file = trail->spare;
    if (file != NULL) {
        trail->spare = NULL;
        file->at = 0;
        if (spool_again(file->spool, trail->number) == RESULT_OK) {
            trail->number++;
            *out = file;
            return RESULT_OK;
        }
        file_close(file, true);
    }
    struct arena *arena = arena_new(1024);
    file = ARENA_NEW(arena, struct trail_file);
    *file = (struct trail_file){.arena = arena};
    enum result result = spool_new(arena, &trail->family, trail->number, &file->spool);
    if (result != RESULT_OK) {
        arena_free(arena);
        return result;
    }
    trail->number++;
    *out = file;
    return RESULT_OK;
}

static RESULT file_open(struct trail *trail, uint64_t number, struct trail_file **out)
{
    struct arena *arena = arena_new(1024);
    struct trail_file *file = ARENA_NEW(arena, struct trail_file);
    *file = (struct trail_file){.arena = arena, .is_left = true};
    enum result result = spool_open(arena, &trail->family, number, &file->spool);
    if (result != RESULT_OK) {
        arena_free(arena);
        return result;
    }
    *out = file;
    return RESULT_OK;
}

/* --- appending --- */

/* False: it is lost. */
static bool trail_put(struct trail *trail, struct str bytes)
{
    const struct spool_entry entry = {.bytes = bytes};
    struct str kept;
    bool first = trail->front == NULL;
    if (!first) {
        if (spool_put(trail->front->spool, &entry, &kept))
            return true;
        if (trail->waiting == TRAIL_FILES_MAX)
            return false;
        if (trail->last != NULL)
            trail->last->next = trail->front;
        else
            trail->first = trail->front;
        trail->last = trail->front;
        trail->front = NULL;
        trail->waiting++;
    }
    pthread_cond_signal(&trail->wake);
    return file_begin(trail, &trail->front) == RESULT_OK &&
           spool_put(trail->front->spool, &entry, &kept);
}

void trail_append(struct trail *trail, struct arena *arena, const struct cloud_trail_event *event)
{
    struct buf bytes;
    if (trail == NULL)
        return;
    buf_init(&bytes, arena, TRAIL_EVENT_MAX);
    (void)buf_reserve(&bytes, event->text.len + 512);
    if (record_encode(&bytes, &cloud_model, CLOUD_SHAPE_trail_event, event) != RESULT_OK) {
        log_line(LOG_WARN, "an event of %.*s is too long for the trail", PRSTR(event->name));
        return;
    }
    pthread_mutex_lock(&trail->mutex);
    if (!trail_put(trail, buf_str(&bytes)) && trail->lost++ == 0)
        log_line(LOG_WARN, "events do not reach the trail: there is no room for them");
    pthread_mutex_unlock(&trail->mutex);
}

/* --- taking --- */

static const struct service_hooks *trail_keeper_of(const struct trail *trail)
{
    for (size_t i = 0; trail->cloud->hooks[i] != NULL; i++)
        if (trail->cloud->hooks[i]->trail != NULL)
            return trail->cloud->hooks[i];
    return NULL;
}

static RESULT trail_keep(struct trail *trail, struct arena *arena,
                         const struct cloud_trail_event *events, const struct str *records,
                         size_t count)
{
    const struct service_hooks *hooks = trail_keeper_of(trail);
    struct cloud *cloud = trail->cloud;
    char *id = arena_alloc(arena, 36);
    rng_uuid(id);
    struct call call = {
        .arena = arena,
        .cloud = cloud,
        .region = cloud->default_region,
        .partition = STR("aws"),
        .principal = {.kind = PRINCIPAL_SERVICE, .name = STR("cloudtrail.amazonaws.com")},
        .now_ms = clock_now(cloud->clock),
        .endpoint = cloud->endpoint,
        .request_id = str_make(id, 36),
    };
    if (hooks == NULL || count == 0)
        return RESULT_OK;
    call.model = hooks->model;
    TRY(kv_begin(cloud->kv, true, &call.txn));
    enum result result = hooks->trail->keep(&call, events, records, count);
    if (result == RESULT_OK)
        return call_commit(&call);
    kv_abort(call.txn);
    return result;
}

/* A transaction's worth of them; *more: there may be others. */
static RESULT trail_take_some(struct trail *trail, struct trail_file *file, bool *more)
{
    struct arena *arena = arena_new(0);
    struct cloud_trail_event *events =
        ARENA_ARRAY(arena, TRAIL_BATCH_MAX, struct cloud_trail_event);
    struct str *records = ARENA_ARRAY(arena, TRAIL_BATCH_MAX, struct str);
    struct spool_entry entry;
    size_t count = 0, at = file->at;
    *more = true;
    while (count < TRAIL_BATCH_MAX && (*more = spool_next(file->spool, &at, &entry))) {
        records[count] = entry.bytes;
        if (record_decode(arena, &cloud_model, CLOUD_SHAPE_trail_event, entry.bytes,
                          &events[count]) == RESULT_OK)
            count++;
        else
            log_line(LOG_WARN, "a broken event is left out of the trail");
    }
    enum result result = trail_keep(trail, arena, events, records, count);
    arena_free(arena);
    if (result == RESULT_OK)
        file->at = at;
    return result;
}

/* *fresh: events came to it until now. *out NULL: nothing is to be taken. */
static RESULT trail_next(struct trail *trail, struct trail_file **out, bool *fresh)
{
    *out = NULL;
    if (trail->left_at < trail->left_count) {
        TRY(file_open(trail, trail->left[trail->left_at], out));
        trail->left_at++;
        return RESULT_OK;
    }
    pthread_mutex_lock(&trail->mutex);
    if (trail->first != NULL) {
        *out = trail->first;
        trail->first = trail->first->next;
        if (trail->first == NULL)
            trail->last = NULL;
        (*out)->next = NULL;
        trail->waiting--;
    } else {
        *out = trail->front;
        trail->front = NULL;
        *fresh = true;
    }
    pthread_mutex_unlock(&trail->mutex);
    return RESULT_OK;
}

static void trail_taken(struct trail *trail)
{
    struct trail_file *file = trail->back;
    trail->back = NULL;
    pthread_mutex_lock(&trail->mutex);
    if (!file->is_left && trail->spare == NULL && !trail->stopping) {
        trail->spare = file;
        file = NULL;
    }
    if (trail->lost > 0)
        log_line(LOG_WARN, "%llu events did not reach the trail", (unsigned long long)trail->lost);
    trail->lost = 0;
    pthread_mutex_unlock(&trail->mutex);
    file_close(file, true);
}

/* All that came until now. */
static RESULT trail_take_all(struct trail *trail)
{
    for (bool fresh = false;;) {
        if (trail->back == NULL && !fresh)
            TRY(trail_next(trail, &trail->back, &fresh));
        if (trail->back == NULL)
            return RESULT_OK;
        for (bool more = true; more;)
            TRY(trail_take_some(trail, trail->back, &more));
        trail_taken(trail);
    }
}

/* False: the time is over. The mutex is held. */
static bool trail_wait(struct trail *trail, pthread_cond_t *condition, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return pthread_cond_timedwait(condition, &trail->mutex, &until) != ETIMEDOUT;
}

/* Until there is something to take. The mutex is held. */
static void trail_rest(struct trail *trail)
{
    while (trail->front == NULL && trail->first == NULL && !trail->hurried && !trail->stopping) {
        if (trail->spare == NULL) {
            pthread_cond_wait(&trail->wake, &trail->mutex);
        } else if (!trail_wait(trail, &trail->wake, TRAIL_REST_MS)) {
            file_close(trail->spare, true);
            trail->spare = NULL;
        }
    }
    bool waits = true;
    while (waits && trail->first == NULL && !trail->hurried && !trail->stopping)
        waits = trail_wait(trail, &trail->wake, TRAIL_WAIT_MS);
}

/* The mutex is held, but not while it takes. */
static void trail_round(struct trail *trail)
{
    trail->rounds_begun++;
    trail->hurried = false;
    pthread_mutex_unlock(&trail->mutex);
    enum result result = trail_take_all(trail);
    if (result != RESULT_OK) {
        log_line(LOG_WARN, "events wait to be kept by the trail: trying again");
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    pthread_mutex_lock(&trail->mutex);
    trail->rounds_ended = trail->rounds_begun;
    pthread_cond_broadcast(&trail->settled);
    if (result == RESULT_OK)
        trail_rest(trail);
}

static void *trail_run(void *context)
{
    struct trail *trail = context;
    pthread_mutex_lock(&trail->mutex);
    while (!trail->stopping)
        trail_round(trail);
    pthread_mutex_unlock(&trail->mutex);
    if (trail_take_all(trail) != RESULT_OK)
        log_line(LOG_WARN, "events wait to be kept by the trail: at the next start");
    return NULL;
}

void trail_settle(struct trail *trail)
{
    if (trail == NULL || !trail->running)
        return;
    pthread_mutex_lock(&trail->mutex);
    uint64_t awaited = trail->rounds_begun + 1;
    trail->hurried = true;
    pthread_cond_signal(&trail->wake);
    bool waits = true;
    while (waits && trail->rounds_ended < awaited && !trail->stopping)
        waits = trail_wait(trail, &trail->settled, TRAIL_SETTLE_MS);
    pthread_mutex_unlock(&trail->mutex);
}

/* --- life --- */

RESULT trail_open(struct cloud *cloud, struct str directory, struct trail **out)
{
    struct trail *trail = ARENA_NEW(cloud->arena, struct trail);
    pthread_condattr_t monotonic;
    *trail =
        (struct trail){.cloud = cloud, .family = {directory, "events", "kumoevt1", TRAIL_FILE_MAX}};
    TRY(spool_list(cloud->arena, &trail->family, &trail->left, &trail->left_count));
    if (trail->left_count > 0)
        trail->number = trail->left[trail->left_count - 1] + 1;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&trail->wake, &monotonic);
    pthread_cond_init(&trail->settled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&trail->mutex, NULL);
    *out = trail;
    return RESULT_OK;
}

RESULT trail_start(struct trail *trail)
{
    int error = pthread_create(&trail->thread, NULL, trail_run, trail);
    if (error != 0)
        return FAULT("the trail's thread: %s", strerror(error));
    trail->running = true;
    return RESULT_OK;
}

void trail_close(struct trail *trail)
{
    if (trail == NULL)
        return;
    pthread_mutex_lock(&trail->mutex);
    trail->stopping = true;
    pthread_cond_signal(&trail->wake);
    pthread_mutex_unlock(&trail->mutex);
    if (trail->running)
        pthread_join(trail->thread, NULL);
    file_close(trail->spare, true);
    file_close(trail->back, false);
    file_close(trail->front, false);
    while (trail->first != NULL) {
        struct trail_file *file = trail->first;
        trail->first = file->next;
        file_close(file, false);
    }
    pthread_cond_destroy(&trail->wake);
    pthread_cond_destroy(&trail->settled);
    pthread_mutex_destroy(&trail->mutex);
}
