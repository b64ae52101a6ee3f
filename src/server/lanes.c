/* A stream's bytes stand in a ring of blocks; each lane counts the blocks that it is through with.
 * A lane that has blocks before it is in the pool's queue or runs, never both: so its function is
 * called by one thread at a time. One lock for all: it is taken a few times a block. */
#include "server/lanes.h"

#include <pthread.h>

#include "base/arena.h"
#include "store/blob.h"

enum {
    THREADS = 2,                /* as many as a small machine has cores */
    STREAMS = 16,               /* more are worked on by the threads that bring them */
    BLOCKS = 4,                 /* of a stream */
    BLOCK_SIZE = 4 * BLOB_CHUNK /* whole chunks of a sealed blob */
};

struct lane {
    struct lane *next; /* in the queue */
    struct lanes *lanes;
    struct lane_step step;
    uint64_t done; /* blocks */
    bool busy;     /* queued or running */
};

struct block {
    size_t size;
    char bytes[BLOCK_SIZE];
};

struct lanes {
    struct lane_pool *pool;
    struct lane lane[LANES_MAX];
    size_t count;
    void (*wake)(void *context);
    void *context;
    uint64_t put;  /* whole blocks */
    size_t filled; /* of the block behind them */
    size_t wanted; /* bytes of room that somebody waits for */
    bool ending;   /* somebody waits for the end */
    bool dropped;
    enum result result;
    struct block *blocks[BLOCKS]; /* made when needed */
};

struct lane_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct lane *first, *last;
    pthread_t threads[THREADS];
    size_t thread_count, streams;
    bool stopping;
};

/* --- under the lock --- */

static uint64_t slowest(const struct lanes *lanes)
{
    uint64_t least = lanes->put;
    for (size_t i = 0; i < lanes->count; i++)
        if (lanes->lane[i].done < least)
            least = lanes->lane[i].done;
    return least;
}

static bool has_room(const struct lanes *lanes, size_t size)
{
    size_t blocks = BLOCKS - (size_t)(lanes->put - slowest(lanes));
    return blocks > 0 && size <= blocks * BLOCK_SIZE - lanes->filled;
}

static bool is_busy(const struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++)
        if (lanes->lane[i].busy)
            return true;
    return false;
}

static void enqueue(struct lane_pool *pool, struct lane *lane)
{
    lane->next = NULL;
    if (pool->last == NULL)
        pool->first = lane;
    else
        pool->last->next = lane;
    pool->last = lane;
    pthread_cond_signal(&pool->work);
}

/* The block at hand goes to the lanes. */
static void hand_over(struct lanes *lanes)
{
    lanes->blocks[lanes->put % BLOCKS]->size = lanes->filled;
    lanes->put++;
    lanes->filled = 0;
    for (size_t i = 0; i < lanes->count; i++) {
        struct lane *lane = &lanes->lane[i];
        if (lane->busy)
            continue;
        lane->busy = true;
        enqueue(lanes->pool, lane);
    }
}

/* A lane is a block further. wake() is called under the lock, so that lanes_free() comes before or
 * after it. */
static void advance(struct lane *lane, enum result result)
{
    struct lanes *lanes = lane->lanes;
    lane->done++;
    if (result != RESULT_OK && lanes->result == RESULT_OK)
        lanes->result = result;
    lane->busy = lane->done < lanes->put && !lanes->dropped;
    if (lane->busy)
        enqueue(lanes->pool, lane);
    if (lanes->dropped) {
        pthread_cond_broadcast(&lanes->pool->idle);
        return;
    }
    bool wakes =
        (lanes->wanted > 0 && has_room(lanes, lanes->wanted)) || (lanes->ending && !is_busy(lanes));
    if (!wakes)
        return;
    lanes->wanted = 0;
    lanes->ending = false;
    lanes->wake(lanes->context);
}

/* --- the threads --- */

static void *lane_thread(void *context)
{
    struct lane_pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        struct lane *lane = pool->first;
        if (lane == NULL) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pool->first = lane->next;
        if (pool->first == NULL)
            pool->last = NULL;
        struct lanes *lanes = lane->lanes;
        const struct block *block = lanes->blocks[lane->done % BLOCKS];
        enum result result = lanes->result;
        if (result == RESULT_OK && !lanes->dropped) {
            pthread_mutex_unlock(&pool->lock);
            result = lane->step.run(lane->step.context, str_make(block->bytes, block->size));
            pthread_mutex_lock(&pool->lock);
        }
        advance(lane, result);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void start_threads(struct lane_pool *pool)
{
    while (pool->thread_count < THREADS &&
           pthread_create(&pool->threads[pool->thread_count], NULL, lane_thread, pool) == 0)
        pool->thread_count++;
}

struct lane_pool *lane_pool_new(void)
{
    struct lane_pool *pool = heap_alloc(sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    return pool;
}

void lane_pool_free(struct lane_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    heap_free(pool);
}

/* --- streams --- */

struct lanes *lanes_new(struct lane_pool *pool, const struct lane_step *steps, size_t count,
                        void (*wake)(void *context), void *context)
{
    ASSERT(count > 0 && count <= LANES_MAX);
    pthread_mutex_lock(&pool->lock);
    start_threads(pool);
    bool taken = pool->thread_count > 0 && pool->streams < STREAMS;
    pool->streams += taken;
    pthread_mutex_unlock(&pool->lock);
    if (!taken)
        return NULL;
    struct lanes *lanes = heap_alloc(sizeof *lanes);
    *lanes = (struct lanes){.pool = pool, .count = count, .wake = wake, .context = context};
    for (size_t i = 0; i < count; i++)
        lanes->lane[i] = (struct lane){.lanes = lanes, .step = steps[i]};
    return lanes;
}

bool lanes_room(struct lanes *lanes, size_t size)
{
    pthread_mutex_lock(&lanes->pool->lock);
    bool room = has_room(lanes, size);
    lanes->wanted = room ? 0 : size;
    pthread_mutex_unlock(&lanes->pool->lock);
    return room;
}

RESULT lanes_result(struct lanes *lanes)
{
    pthread_mutex_lock(&lanes->pool->lock);
    enum result result = lanes->result;
    pthread_mutex_unlock(&lanes->pool->lock);
    return result;
}

void lanes_put(struct lanes *lanes, struct str bytes)
{
    while (bytes.len > 0) {
        /* Only this thread moves `put` and `filled`, and no lane sees a block before it is handed
         * over. */
        struct block **block = &lanes->blocks[lanes->put % BLOCKS];
        size_t room = BLOCK_SIZE - lanes->filled, part = bytes.len < room ? bytes.len : room;
        if (*block == NULL)
            *block = heap_alloc(sizeof **block);
        memcpy((*block)->bytes + lanes->filled, bytes.ptr, part);
        lanes->filled += part;
        bytes = str_slice(bytes, part, bytes.len);
        if (lanes->filled < BLOCK_SIZE)
            return;
        pthread_mutex_lock(&lanes->pool->lock);
        hand_over(lanes);
        pthread_mutex_unlock(&lanes->pool->lock);
    }
}

bool lanes_end(struct lanes *lanes, enum result *result)
{
    pthread_mutex_lock(&lanes->pool->lock);
    if (lanes->filled > 0)
        hand_over(lanes);
    bool through = !is_busy(lanes);
    lanes->ending = !through;
    *result = lanes->result;
    pthread_mutex_unlock(&lanes->pool->lock);
    return through;
}

static void unqueue(struct lane_pool *pool, const struct lanes *lanes)
{
    struct lane *kept = NULL, **end = &kept;
    pool->last = NULL;
    for (struct lane *lane = pool->first, *next; lane != NULL; lane = next) {
        next = lane->next;
        if (lane->lanes == lanes) {
            lane->busy = false;
            continue;
        }
        lane->next = NULL;
        *end = pool->last = lane;
        end = &lane->next;
    }
    pool->first = kept;
}

void lanes_free(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    struct lane_pool *pool = lanes->pool;
    pthread_mutex_lock(&pool->lock);
    lanes->dropped = true;
    unqueue(pool, lanes);
    while (is_busy(lanes))
        pthread_cond_wait(&pool->idle, &pool->lock);
    pool->streams--;
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < BLOCKS; i++)
        heap_free(lanes->blocks[i]);
    heap_free(lanes);
}
