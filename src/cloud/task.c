#include "cloud/task.h"

#include <pthread.h>

#include "base/log.h"
#include "base/map.h"
#include "base/rng.h"
#include "cloud/clock.h"
#include "cloud/park.h"
#include "cloud/work.h"

enum { THREADS = 2, TASKS_MAX = 50000, RETRY_FIRST_MS = 50, RETRY_MAX_MS = 60000 };

enum task_place { TASK_NEW, TASK_QUEUED, TASK_RUNNING, TASK_PARKED };

struct task {
    struct park_waiter waiter;
    struct task_table *table;
    struct arena *arena;
    struct task *next; /* in the queue */
    struct task *newer, *older;
    enum task_place place; /* under the table's lock */
    struct call call;      /* what lasts from run to run */
    struct str name;
    void *state;
    RESULT (*step)(struct call *call, void *state);
    void (*ended)(void *state);
    unsigned failures;
    /* By task_next(). */
    RESULT (*then)(struct call *call, void *state);
    struct str then_topic;
    int64_t then_ms;
};

struct task_table {
    struct cloud *cloud;
    pthread_mutex_t lock; /* taken while the parks' lock is held, never the other way round */
    pthread_cond_t wanted;
    struct map names;
    struct task *newest;
    struct task *first, *last; /* that wait for a thread */
    size_t count;
    size_t idle; /* threads that wait for a task */
    bool running, stopping;
    pthread_t threads[THREADS];
    size_t thread_count;
};

struct task_table *task_table_new(struct cloud *cloud)
{
    struct task_table *table = heap_alloc(sizeof *table);
    table->cloud = cloud;
    pthread_mutex_init(&table->lock, NULL);
    pthread_cond_init(&table->wanted, NULL);
    map_init(&table->names, NULL);
    return table;
}

/* --- making and ending
 * -----------------------------------------------------------------------------------------
 */

static struct principal task_principal(struct task *task, const struct task_config *config)
{
    if (config->principal != NULL)
        return *config->principal;
    return (struct principal){
        .kind = PRINCIPAL_SERVICE,
        .account = str_copy(task->arena, config->account),
        .name =
            str_format(task->arena, "%.*s.amazonaws.com", PRSTR(config->model->endpoint_prefix)),
    };
}

static struct task *task_make(struct cloud *cloud, const struct task_config *config)
{
    struct arena *arena = arena_new(0);
    struct task *task = ARENA_NEW(arena, struct task);
    char *id = arena_alloc(arena, 36);
    rng_uuid(id);
    task->table = cloud->tasks;
    task->arena = arena;
    task->name = str_copy(arena, config->name);
    task->state = arena_alloc(arena, config->state_size + 1);
    task->step = config->step;
    task->ended = config->ended;
    task->call = (struct call){
        .cloud = cloud,
        .task = task,
        .model = config->model,
        .account = str_copy(arena, config->account),
        .region = str_copy(arena, config->region),
        .partition = STR("aws"),
        .principal = task_principal(task, config),
        .request_id = str_make(id, 36),
        .endpoint = cloud->endpoint,
        .started_ms = clock_now(cloud->clock),
    };
    return task;
}

struct task *task_new(struct cloud *cloud, const struct task_config *config)
{
    struct task_table *table = cloud->tasks;
    struct task *task = NULL;
    pthread_mutex_lock(&table->lock);
    if (!table->stopping && table->count < TASKS_MAX &&
        map_get(&table->names, config->name) == NULL) {
        task = task_make(cloud, config);
        (void)map_put(&table->names, task->name, task);
        task->older = table->newest;
        if (table->newest != NULL)
            table->newest->newer = task;
        table->newest = task;
        table->count++;
    }
    pthread_mutex_unlock(&table->lock);
    return task;
}

void *task_state(const struct task *task)
{
    return task->state;
}

struct arena *task_arena(const struct task *task)
{
    return task->arena;
}

bool task_lives(struct cloud *cloud, struct str name)
{
    struct task_table *table = cloud->tasks;
    pthread_mutex_lock(&table->lock);
    bool lives = map_get(&table->names, name) != NULL;
    pthread_mutex_unlock(&table->lock);
    return lives;
}

/* It is no longer in the queue, and not parked. */
static void task_end(struct task *task)
{
    struct task_table *table = task->table;
    if (task->ended != NULL)
        task->ended(task->state);
    work_release(task->call.work);
    pthread_mutex_lock(&table->lock);
    (void)map_remove(&table->names, task->name);
    if (task->newer != NULL)
        task->newer->older = task->older;
    else
        table->newest = task->older;
    if (task->older != NULL)
        task->older->newer = task->newer;
    table->count--;
    pthread_mutex_unlock(&table->lock);
    arena_free(task->arena);
}

/* --- the queue
 * -------------------------------------------------------------------------------------------------
 */

static void *tasks_main(void *context);

/* Under the lock. Without a single thread nothing runs until the next task asks again. */
static void tasks_want_thread(struct task_table *table)
{
    if (!table->running || table->stopping || table->idle > 0 || table->thread_count == THREADS)
        return;
    if (pthread_create(&table->threads[table->thread_count], NULL, tasks_main, table) == 0)
        table->thread_count++;
    else
        log_line(LOG_ERROR, "no thread for tasks");
}

static void task_queue(struct task *task)
{
    struct task_table *table = task->table;
    pthread_mutex_lock(&table->lock);
    task->place = TASK_QUEUED;
    task->next = NULL;
    if (table->last == NULL)
        table->first = task;
    else
        table->last->next = task;
    table->last = task;
    tasks_want_thread(table);
    pthread_cond_signal(&table->wanted);
    pthread_mutex_unlock(&table->lock);
}

void task_start(struct task *task)
{
    task_queue(task);
}

static void task_wake(struct park_waiter *waiter)
{
    task_queue((struct task *)(void *)((char *)waiter - offsetof(struct task, waiter)));
}

/* Under the lock; NULL: nothing waits. */
static struct task *tasks_take(struct task_table *table)
{
    struct task *task = table->first;
    if (task == NULL)
        return NULL;
    table->first = task->next;
    if (table->first == NULL)
        table->last = NULL;
    task->place = TASK_RUNNING;
    return task;
}

/* --- a step
 * ----------------------------------------------------------------------------------------------------
 */

void task_next(struct call *call, RESULT (*step)(struct call *call, void *state), struct str topic,
               int64_t deadline_ms)
{
    struct task *task = call->task;
    task->then = step;
    task->then_topic = topic;
    task->then_ms = deadline_ms;
}

static void task_forget_effects(struct task *task, struct arena *arena)
{
    struct call *call = &task->call;
    call->arena = arena;
    call->now_ms = clock_now(call->cloud->clock);
    call->signals = NULL;
    call->signal_count = 0;
    call->signal_cap = 0;
    call->outbox_used = false;
    call->sequence_mark = 0;
    call->message = (struct str){0};
    task->then = NULL;
}

static RESULT task_run_once(struct task *task, struct arena *arena, bool writing)
{
    struct call *call = &task->call;
    task_forget_effects(task, arena);
    TRY(kv_begin(call->cloud->kv, writing, &call->txn));
    enum result result = task->step(call, task->state);
    if (result == RESULT_OK && writing)
        return call_commit(call);
    kv_abort(call->txn);
    call->txn = NULL;
    for (size_t i = 0; i < call->signal_count && result == RESULT_OK; i++)
        park_signal(call->cloud->parks, call->signals[i].topic, call->signals[i].count);
    return result;
}

static void task_park(struct task *task, struct str topic, int64_t deadline_ms, uint64_t mark)
{
    pthread_mutex_lock(&task->table->lock);
    task->place = TASK_PARKED;
    pthread_mutex_unlock(&task->table->lock);
    task->waiter.wake = task_wake;
    task->waiter.inward = true;
    park_add(task->call.cloud->parks, &task->waiter, topic, deadline_ms, mark);
}

static void task_retry(struct task *task, uint64_t mark)
{
    struct call *call = &task->call;
    int64_t wait = task->failures > 10 ? RETRY_MAX_MS : RETRY_FIRST_MS << task->failures;
    task->failures++;
    log_line(LOG_WARN, "task %.*s: a step failed (%u times): %.*s", PRSTR(task->name),
             task->failures, PRSTR(call->message));
    task_park(task, task->name, call->now_ms + (wait > RETRY_MAX_MS ? RETRY_MAX_MS : wait), mark);
}

/* Afterwards the task is another thread's, or no more. */
static void task_run(struct task *task)
{
    struct call *call = &task->call;
    struct cloud *cloud = call->cloud;
    struct arena *arena = arena_new(0);
    uint64_t mark = park_mark(cloud->parks);
    log_set_request(call->request_id);
    enum result result = task_run_once(task, arena, false);
    if (result == RESULT_RESTART)
        result = task_run_once(task, arena, true);
    call->runs++;
    if (result == RESULT_OK && task->then == NULL) {
        task_end(task);
    } else if (result == RESULT_OK) {
        task->failures = 0;
        task->step = task->then;
        struct str topic = task->then_topic;
        if (task->then_ms <= clock_now(cloud->clock))
            task_queue(task);
        else
            task_park(task, str_is_absent(topic) ? task->name : topic, task->then_ms, mark);
    } else if (result == RESULT_PARK) {
        task_park(task, call->park_topic, call->park_deadline_ms, mark);
    } else {
        task_retry(task, mark);
    }
    log_set_request((struct str){0});
    arena_free(arena);
}

/* --- the threads
 * -----------------------------------------------------------------------------------------------
 */

static void *tasks_main(void *context)
{
    struct task_table *table = context;
    pthread_mutex_lock(&table->lock);
    while (!table->stopping) {
        struct task *task = tasks_take(table);
        if (task == NULL) {
            table->idle++;
            pthread_cond_wait(&table->wanted, &table->lock);
            table->idle--;
            continue;
        }
        pthread_mutex_unlock(&table->lock);
        task_run(task);
        pthread_mutex_lock(&table->lock);
    }
    pthread_mutex_unlock(&table->lock);
    return NULL;
}

void tasks_run(struct task_table *table)
{
    pthread_mutex_lock(&table->lock);
    table->running = true;
    if (table->first != NULL)
        tasks_want_thread(table);
    pthread_mutex_unlock(&table->lock);
}

/* Without threads nobody else ends tasks: one that was found stays. */
static struct task *tasks_overdue(struct task_table *table)
{
    int64_t now = clock_now(table->cloud->clock);
    pthread_mutex_lock(&table->lock);
    struct task *task = table->newest;
    while (task != NULL && (task->place != TASK_PARKED || task->waiter.deadline_ms > now))
        task = task->older;
    pthread_mutex_unlock(&table->lock);
    return task;
}

RESULT tasks_step(struct cloud *cloud, size_t *steps)
{
    struct task_table *table = cloud->tasks;
    struct task *task;
    *steps = 0;
    for (;;) {
        while ((task = tasks_overdue(table)) != NULL)
            if (park_cancel(cloud->parks, &task->waiter))
                task_queue(task);
        pthread_mutex_lock(&table->lock);
        task = tasks_take(table);
        pthread_mutex_unlock(&table->lock);
        if (task == NULL)
            return RESULT_OK;
        task_run(task);
        ++*steps;
    }
}

static void tasks_stop(struct task_table *table)
{
    pthread_mutex_lock(&table->lock);
    table->stopping = true;
    pthread_cond_broadcast(&table->wanted);
    size_t count = table->thread_count;
    table->thread_count = 0;
    pthread_mutex_unlock(&table->lock);
    for (size_t i = 0; i < count; i++)
        pthread_join(table->threads[i], NULL);
    /* Nobody wakes one any more before the first of them goes. */
    for (struct task *task = table->newest; task != NULL; task = task->older)
        (void)park_cancel(table->cloud->parks, &task->waiter);
    table->first = table->last = NULL;
    while (table->newest != NULL)
        task_end(table->newest);
}

void task_table_free(struct task_table *table)
{
    if (table == NULL)
        return;
    tasks_stop(table);
    map_release(&table->names);
    pthread_mutex_destroy(&table->lock);
    pthread_cond_destroy(&table->wanted);
    heap_free(table);
}
