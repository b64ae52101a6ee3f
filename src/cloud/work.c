#include "cloud/work.h"

#include <limits.h>
#include <pthread.h>

#include "cloud/park.h"

/* As many as a small machine has cores: they compete with the server's threads. */
enum { WORKERS = 2, TOPIC_SIZE = 64 };

struct work_state {
    RESULT (*run)(struct work *work);
    struct work_slice slice; /* its place among those that wait */
    struct work *work;
    enum result result;
    _Atomic bool done;
    _Atomic unsigned owners; /* the call, and the pool while it has it */
    bool at_once;            /* no thread of its own: it is the call's arena's */
    char topic[TOPIC_SIZE];
};

struct workers {
    struct cloud *cloud;
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct work_slice *first, *last; /* waiting */
    _Atomic bool *running[WORKERS];  /* how to cancel what runs */
    bool stopping;
    pthread_t threads[WORKERS];
    size_t count;
};

struct worker_start {
    struct workers *workers;
    size_t index;
};

static struct str topic_of(const struct work *work)
{
    return str_from_c(work->state->topic);
}

static void work_disown(struct work *work)
{
    if (atomic_fetch_sub(&work->state->owners, 1) > 1)
        return;
    if (work->drop != NULL)
        work->drop(work);
    arena_free(work->arena);
}

void work_release(struct work *work)
{
    if (work == NULL || work->state->at_once)
        return;
    atomic_store(&work->cancelled, true);
    work_disown(work);
}

struct work *work_find(struct call *call, struct str name)
{
    struct work *work = call->work;
    return work != NULL && str_eq(work->name, name) ? work : NULL;
}

struct work *work_new(struct call *call, struct str name, size_t data_size)
{
    work_release(call->work);
    struct arena *arena = arena_new(0);
    struct work *work = ARENA_NEW(arena, struct work);
    struct work_state *state = ARENA_NEW(arena, struct work_state);
    work->arena = arena;
    work->cloud = call->cloud;
    work->data = arena_alloc(arena, data_size);
    work->name = str_copy(arena, name);
    work->state = state;
    state->work = work;
    state->owners = 1;
    struct str topic = str_format(arena, "work/%p", (void *)work);
    memcpy(state->topic, topic.ptr, topic.len < TOPIC_SIZE ? topic.len : TOPIC_SIZE - 1);
    call->work = work;
    return work;
}

static void drop_inline(void *context)
{
    work_disown(context);
}

static void work_run(struct work_slice *slice);

RESULT work_start(struct call *call, struct work *work, bool at_once,
                  RESULT (*run)(struct work *work))
{
    struct work_state *state = work->state;
    state->run = run;
    bool waits = call->request != NULL || call->task != NULL;
    if (at_once || !waits || call->cloud->workers == NULL) {
        /* A call of the server's or a task keeps it to its end, through further runs. */
        if (!waits) {
            state->at_once = true;
            arena_on_reset(call->arena, drop_inline, work);
        }
        state->result = run(work);
        atomic_store(&state->done, true);
        return RESULT_OK;
    }
    atomic_fetch_add(&state->owners, 1);
    state->slice = (struct work_slice){.run = work_run, .cancelled = &work->cancelled};
    (void)work_post(call->cloud, &state->slice);
    return work_await(call, work);
}

RESULT work_await(struct call *call, struct work *work)
{
    if (!atomic_load(&work->state->done))
        return call_park(call, topic_of(work), INT64_MAX);
    return work->state->result;
}

/* --- the threads --- */

bool work_post(struct cloud *cloud, struct work_slice *slice)
{
    struct workers *workers = cloud->workers;
    if (workers == NULL)
        return false;
    slice->next = NULL;
    pthread_mutex_lock(&workers->lock);
    if (workers->last == NULL)
        workers->first = slice;
    else
        workers->last->next = slice;
    workers->last = slice;
    pthread_cond_signal(&workers->wanted);
    pthread_mutex_unlock(&workers->lock);
    return true;
}

static struct work_slice *take(struct workers *workers, size_t index)
{
    pthread_mutex_lock(&workers->lock);
    workers->running[index] = NULL;
    while (workers->first == NULL && !workers->stopping)
        pthread_cond_wait(&workers->wanted, &workers->lock);
    struct work_slice *slice = workers->first;
    if (slice != NULL) {
        workers->first = slice->next;
        if (workers->first == NULL)
            workers->last = NULL;
        if (workers->stopping && slice->cancelled != NULL)
            atomic_store(slice->cancelled, true);
    }
    workers->running[index] = slice == NULL ? NULL : slice->cancelled;
    pthread_mutex_unlock(&workers->lock);
    return slice;
}

/* What ran may be freed while nobody looks. */
static void forget(struct workers *workers, const _Atomic bool *cancelled)
{
    pthread_mutex_lock(&workers->lock);
    for (size_t i = 0; i < WORKERS; i++)
        if (workers->running[i] == cancelled)
            workers->running[i] = NULL;
    pthread_mutex_unlock(&workers->lock);
}

static void work_run(struct work_slice *slice)
{
    struct work_state *state =
        (struct work_state *)(void *)((char *)slice - offsetof(struct work_state, slice));
    struct work *work = state->work;
    struct workers *workers = work->cloud->workers;
    enum result result = RESULT_FAULT;
    if (!atomic_load(&work->cancelled))
        result = state->run(work);
    forget(workers, slice->cancelled);
    state->result = result;
    atomic_store(&state->done, true);
    park_signal(work->cloud->parks, topic_of(work), UINT_MAX);
    work_disown(work);
}

static void *worker(void *context)
{
    struct worker_start *start = context;
    struct workers *workers = start->workers;
    size_t index = start->index;
    struct work_slice *slice;
    heap_free(start);
    while ((slice = take(workers, index)) != NULL)
        slice->run(slice);
    return NULL;
}

RESULT workers_start(struct cloud *cloud, struct workers **out)
{
    struct workers *workers = heap_alloc(sizeof *workers);
    workers->cloud = cloud;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wanted, NULL);
    *out = workers;
    for (size_t i = 0; i < WORKERS; i++) {
        struct worker_start *start = heap_alloc(sizeof *start);
        *start = (struct worker_start){workers, i};
        if (pthread_create(&workers->threads[i], NULL, worker, start) != 0) {
            heap_free(start);
            return FAULT("no thread for long work");
        }
        workers->count++;
    }
    return RESULT_OK;
}

void workers_stop(struct workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    for (size_t i = 0; i < WORKERS; i++)
        if (workers->running[i] != NULL)
            atomic_store(workers->running[i], true);
    pthread_cond_broadcast(&workers->wanted);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_mutex_destroy(&workers->lock);
    pthread_cond_destroy(&workers->wanted);
    heap_free(workers);
}
