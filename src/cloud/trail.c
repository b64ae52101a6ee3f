#include "cloud/trail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "cloud/clock.h"
#include "store/record.h"

/* Events wait this long for others to come along. */
enum { TRAIL_WAIT_MS = 100, TRAIL_BATCH_MAX = 256, TRAIL_EVENT_MAX = 256 << 10 };

struct trail {
    struct cloud *cloud;
    int directory;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t wake;
    int fd; /* of the file that is being written; -1: none yet */
    uint64_t number;
    size_t written; /* events in it */
    bool stopping;
    bool running;
    pthread_t thread;
    pthread_mutex_t taking; /* one taker at a time */
    _Atomic bool wants_data;
};

static void trail_name(char name[40], uint64_t number)
{
    snprintf(name, 40, "trail-%020llu.spool", (unsigned long long)number);
}

static bool trail_number(const char *name, uint64_t *number)
{
    struct str text = str_from_c(name), prefix = STR("trail-"), suffix = STR(".spool");
    return str_starts_with(text, prefix) && str_ends_with(text, suffix) &&
           text.len > prefix.len + suffix.len &&
           str_to_u64(str_slice(text, prefix.len, text.len - suffix.len), number);
}

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
    char *id = arena_alloc(arena, 36), time[16];
    rng_uuid(id);
    snprintf(time, sizeof time, "%012llx", (unsigned long long)time_ms & 0xffffffffffffULL);
    memcpy(id, time, 8);
    memcpy(id + 9, time + 8, 4);
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

/* --- appending --- */

static RESULT trail_write(struct trail *trail, struct str bytes)
{
    char name[40];
    if (trail->fd < 0) {
        trail_name(name, trail->number);
        trail->fd = openat(trail->directory, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (trail->fd < 0)
            return FAULT("%s: %s", name, strerror(errno));
    }
    ssize_t put = write(trail->fd, bytes.ptr, bytes.len);
    if (put != (ssize_t)bytes.len) {
        enum result result = put >= 0 || errno == ENOSPC
                                 ? RESULT_FULL
                                 : FAULT("a trail's spool: %s", strerror(errno));
        /* Only the end of a file may be torn: the next event begins another. */
        close(trail->fd);
        trail->fd = -1;
        trail->number++;
        return result;
    }
    if (trail->written++ == 0)
        pthread_cond_signal(&trail->wake);
    return RESULT_OK;
}

void trail_append(struct trail *trail, struct arena *arena, const struct cloud_trail_event *event)
{
    struct buf bytes;
    uint32_t size = 0;
    if (trail == NULL)
        return;
    buf_init(&bytes, arena, TRAIL_EVENT_MAX);
    buf_append(&bytes, str_make((const char *)&size, sizeof size));
    if (record_encode(&bytes, &cloud_model, CLOUD_SHAPE_trail_event, event) != RESULT_OK) {
        log_line(LOG_WARN, "an event of %.*s is too long for the trail", PRSTR(event->name));
        return;
    }
    size = (uint32_t)(bytes.len - sizeof size);
    memcpy(bytes.ptr, &size, sizeof size);
    pthread_mutex_lock(&trail->mutex);
    enum result result = trail_write(trail, buf_str(&bytes));
    pthread_mutex_unlock(&trail->mutex);
    if (result != RESULT_OK)
        log_line(LOG_WARN, "an event of %.*s did not reach the trail", PRSTR(event->name));
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
                         const struct cloud_trail_event *events, size_t count)
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
    enum result result = hooks->trail->keep(&call, events, count);
    if (result == RESULT_OK)
        return call_commit(&call);
    kv_abort(call.txn);
    return result;
}

static bool trail_next(struct arena *arena, struct str *rest, struct cloud_trail_event *event)
{
    uint32_t size;
    if (rest->len < sizeof size)
        return false;
    memcpy(&size, rest->ptr, sizeof size);
    if (rest->len - sizeof size < size)
        return false;
    struct str bytes = str_slice(*rest, sizeof size, sizeof size + size);
    *rest = str_slice(*rest, sizeof size + size, rest->len);
    if (record_decode(arena, &cloud_model, CLOUD_SHAPE_trail_event, bytes, event) == RESULT_OK)
        return true;
    log_line(LOG_WARN, "a broken event ends a file of the trail's spool");
    return false;
}

/* A transaction's worth of them; *more: there may be others. */
static RESULT trail_take_some(struct trail *trail, struct str *rest, bool *more)
{
    struct arena *arena = arena_new(0);
    struct cloud_trail_event *events =
        ARENA_ARRAY(arena, TRAIL_BATCH_MAX, struct cloud_trail_event);
    size_t len = 0;
    while (len < TRAIL_BATCH_MAX && trail_next(arena, rest, &events[len]))
        len++;
    *more = len == TRAIL_BATCH_MAX;
    enum result result = trail_keep(trail, arena, events, len);
    arena_free(arena);
    return result;
}

static RESULT trail_take(struct trail *trail, const char *name)
{
    struct stat about;
    enum result result = RESULT_OK;
    int fd = openat(trail->directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FAULT("%s: %s", name, strerror(errno));
    if (fstat(fd, &about) == 0 && about.st_size > 0) {
        size_t size = (size_t)about.st_size;
        char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            close(fd);
            return FAULT("%s: mmap: %s", name, strerror(errno));
        }
        struct str rest = str_make(bytes, size);
        for (bool more = true; more && result == RESULT_OK;)
            result = trail_take_some(trail, &rest, &more);
        munmap(bytes, size);
    }
    close(fd);
    TRY(result);
    if (unlinkat(trail->directory, name, 0) != 0)
        return FAULT("%s: %s", name, strerror(errno));
    return RESULT_OK;
}

/* Closed files are taken oldest first; the one being written is closed before. */
static RESULT trail_take_all(struct trail *trail)
{
    pthread_mutex_lock(&trail->mutex);
    if (trail->fd >= 0)
        close(trail->fd);
    trail->fd = -1;
    trail->written = 0;
    uint64_t before = ++trail->number;
    pthread_mutex_unlock(&trail->mutex);
    for (;;) {
        uint64_t oldest = UINT64_MAX, number;
        char name[40];
        int fd = openat(trail->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd < 0 ? NULL : fdopendir(fd);
        if (folder == NULL)
            return FAULT("the data directory: %s", strerror(errno));
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
            if (trail_number(entry->d_name, &number) && number < oldest)
                oldest = number;
        closedir(folder);
        if (oldest >= before)
            return RESULT_OK;
        trail_name(name, oldest);
        TRY(trail_take(trail, name));
    }
}

static RESULT trail_step(struct trail *trail)
{
    pthread_mutex_lock(&trail->taking);
    enum result result = trail_take_all(trail);
    pthread_mutex_unlock(&trail->taking);
    return result;
}

static void *trail_run(void *context)
{
    struct trail *trail = context;
    pthread_mutex_lock(&trail->mutex);
    for (;;) {
        while (trail->written == 0 && !trail->stopping)
            pthread_cond_wait(&trail->wake, &trail->mutex);
        if (trail->stopping)
            break;
        pthread_mutex_unlock(&trail->mutex);
        nanosleep(&(struct timespec){.tv_nsec = TRAIL_WAIT_MS * 1000000L}, NULL);
        enum result result = trail_step(trail);
        if (result != RESULT_OK) {
            log_line(LOG_WARN, "events wait to be kept by the trail: trying again");
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        }
        pthread_mutex_lock(&trail->mutex);
        if (result != RESULT_OK)
            trail->written++;
    }
    bool left = trail->written > 0;
    pthread_mutex_unlock(&trail->mutex);
    if (left && trail_step(trail) != RESULT_OK)
        log_line(LOG_WARN, "events wait to be kept by the trail: at the next start");
    return NULL;
}

/* --- life --- */

RESULT trail_open(struct cloud *cloud, struct str directory, struct trail **out)
{
    struct trail *trail = ARENA_NEW(cloud->arena, struct trail);
    *trail = (struct trail){.cloud = cloud, .fd = -1};
    pthread_mutex_init(&trail->mutex, NULL);
    pthread_mutex_init(&trail->taking, NULL);
    pthread_cond_init(&trail->wake, NULL);
    trail->directory = open(str_to_c(cloud->arena, directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (trail->directory < 0)
        return FAULT("%.*s: %s", PRSTR(directory), strerror(errno));
    /* Numbers go on beyond those of files that a crash left. */
    int fd = openat(trail->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    uint64_t number;
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (trail_number(entry->d_name, &number) && number >= trail->number) {
            trail->number = number + 1;
            trail->written = 1; /* there is something to take */
        }
    }
    if (folder != NULL)
        closedir(folder);
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
    if (trail->fd >= 0)
        close(trail->fd);
    close(trail->directory);
    pthread_cond_destroy(&trail->wake);
    pthread_mutex_destroy(&trail->taking);
    pthread_mutex_destroy(&trail->mutex);
}
