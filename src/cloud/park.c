#include "cloud/park.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/arena.h"
#include "base/time.h"
#include "cloud/clock.h"

/* Chains by topic in a table that grows; deadlines in a binary heap that one thread watches. RECENT
 * remembers the last signals, so that a signal between the look at the store and the registration
 * is seen. */
enum { RECENT = 256, FIRST_BUCKETS = 64 };

struct bucket {
    struct park_waiter *first, *last; /* oldest first */
};

struct park_table {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t timer;
    bool stopping;
    const struct clock *clock;
    struct bucket *buckets;
    size_t bucket_count; /* a power of two */
    struct park_waiter **heap;
    size_t count, heap_cap;
    size_t inward;           /* of those */
    uint64_t recent[RECENT]; /* hash of signal number n at n % RECENT */
    _Atomic uint64_t signals;
};

static struct bucket *park_bucket(struct park_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void bucket_append(struct bucket *bucket, struct park_waiter *waiter)
{
    waiter->next = NULL;
    waiter->previous = bucket->last;
    if (bucket->last != NULL)
        bucket->last->next = waiter;
    else
        bucket->first = waiter;
    bucket->last = waiter;
}

static void bucket_remove(struct bucket *bucket, struct park_waiter *waiter)
{
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        bucket->first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        bucket->last = waiter->previous;
}

static void heap_set(struct park_table *table, size_t index, struct park_waiter *waiter)
{
    table->heap[index] = waiter;
    waiter->heap_index = index;
}

static void heap_up(struct park_table *table, size_t index)
{
    struct park_waiter *waiter = table->heap[index];
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (table->heap[parent]->deadline_ms <= waiter->deadline_ms)
            break;
        heap_set(table, index, table->heap[parent]);
        index = parent;
    }
    heap_set(table, index, waiter);
}

static void heap_down(struct park_table *table, size_t index)
{
    struct park_waiter *waiter = table->heap[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= table->count)
            break;
        if (child + 1 < table->count &&
            table->heap[child + 1]->deadline_ms < table->heap[child]->deadline_ms)
            child++;
        if (waiter->deadline_ms <= table->heap[child]->deadline_ms)
            break;
        heap_set(table, index, table->heap[child]);
        index = child;
    }
    heap_set(table, index, waiter);
}

static void park_forget(struct park_table *table, struct park_waiter *waiter)
{
    bucket_remove(park_bucket(table, waiter->topic_hash), waiter);
    size_t index = waiter->heap_index;
    struct park_waiter *last = table->heap[--table->count];
    if (last != waiter) {
        heap_set(table, index, last);
        heap_up(table, index);
        heap_down(table, last->heap_index);
    }
    waiter->waiting = false;
    if (waiter->inward)
        table->inward--;
}

static void park_wake(struct park_table *table, struct park_waiter *waiter)
{
    park_forget(table, waiter);
    waiter->wake(waiter);
}

/* Sleeps until the first deadline by the cloud's clock, which may be advanced meanwhile. */
static void *park_timer(void *context)
{
    struct park_table *table = context;
    pthread_mutex_lock(&table->lock);
    while (!table->stopping) {
        int64_t now = clock_now(table->clock);
        while (table->count > 0 && table->heap[0]->deadline_ms <= now)
            park_wake(table, table->heap[0]);
        if (table->count == 0) {
            pthread_cond_wait(&table->changed, &table->lock);
            continue;
        }
        uint64_t wait_ms = (uint64_t)(table->heap[0]->deadline_ms - now);
        uint64_t until = time_monotonic_ns() + (wait_ms > 60000 ? 60000 : wait_ms) * 1000000;
        struct timespec at = {.tv_sec = (time_t)(until / 1000000000),
                              .tv_nsec = (long)(until % 1000000000)};
        pthread_cond_timedwait(&table->changed, &table->lock, &at);
    }
    pthread_mutex_unlock(&table->lock);
    return NULL;
}

RESULT park_table_new(struct arena *arena, const struct clock *clock, struct park_table **out)
{
    struct park_table *table = ARENA_NEW(arena, struct park_table);
    table->clock = clock;
    table->bucket_count = FIRST_BUCKETS;
    table->buckets = heap_alloc(FIRST_BUCKETS * sizeof(struct bucket));
    pthread_mutex_init(&table->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&table->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int error = pthread_create(&table->timer, NULL, park_timer, table);
    if (error != 0)
        return FAULT("pthread_create: %s", strerror(error));
    *out = table;
    return RESULT_OK;
}

void park_table_free(struct park_table *table)
{
    pthread_mutex_lock(&table->lock);
    table->stopping = true;
    pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
    pthread_join(table->timer, NULL);
    pthread_cond_destroy(&table->changed);
    pthread_mutex_destroy(&table->lock);
    heap_free(table->buckets);
    heap_free(table->heap);
}

uint64_t park_mark(const struct park_table *table)
{
    return atomic_load_explicit(&table->signals, memory_order_acquire);
}

static void park_grow(struct park_table *table)
{
    if (table->count == table->heap_cap) {
        table->heap_cap = table->heap_cap == 0 ? 64 : table->heap_cap * 2;
        table->heap = heap_grow(table->heap, table->heap_cap * sizeof(struct park_waiter *));
    }
    if (table->count < table->bucket_count)
        return;
    struct bucket *old = table->buckets;
    size_t old_count = table->bucket_count;
    table->bucket_count *= 4;
    table->buckets = heap_alloc(table->bucket_count * sizeof(struct bucket));
    for (size_t i = 0; i < old_count; i++) {
        struct park_waiter *next;
        for (struct park_waiter *waiter = old[i].first; waiter != NULL; waiter = next) {
            next = waiter->next;
            bucket_append(park_bucket(table, waiter->topic_hash), waiter);
        }
    }
    heap_free(old);
}

static bool park_signalled_since(const struct park_table *table, uint64_t mark, uint64_t hash)
{
    uint64_t now = table->signals;
    if (now - mark > RECENT)
        return true; /* cannot tell: a needless wake is harmless */
    for (uint64_t n = mark; n < now; n++)
        if (table->recent[n % RECENT] == hash)
            return true;
    return false;
}

void park_add(struct park_table *table, struct park_waiter *waiter, struct str topic,
              int64_t deadline_ms, uint64_t mark)
{
    waiter->topic_hash = str_hash(topic, 0);
    waiter->deadline_ms = deadline_ms;
    pthread_mutex_lock(&table->lock);
    if (park_signalled_since(table, mark, waiter->topic_hash)) {
        waiter->waiting = false;
        waiter->wake(waiter);
        pthread_mutex_unlock(&table->lock);
        return;
    }
    park_grow(table);
    waiter->waiting = true;
    if (waiter->inward)
        table->inward++;
    bucket_append(park_bucket(table, waiter->topic_hash), waiter);
    heap_set(table, table->count++, waiter);
    heap_up(table, waiter->heap_index);
    if (waiter->heap_index == 0)
        pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
}

bool park_cancel(struct park_table *table, struct park_waiter *waiter)
{
    pthread_mutex_lock(&table->lock);
    bool waiting = waiter->waiting;
    if (waiting)
        park_forget(table, waiter);
    pthread_mutex_unlock(&table->lock);
    return waiting;
}

void park_signal(struct park_table *table, struct str topic, unsigned count)
{
    uint64_t hash = str_hash(topic, 0);
    pthread_mutex_lock(&table->lock);
    table->recent[table->signals % RECENT] = hash;
    table->signals++;
    struct park_waiter *next;
    struct park_waiter *waiter = park_bucket(table, hash)->first;
    for (; waiter != NULL && count > 0; waiter = next) {
        next = waiter->next;
        if (waiter->topic_hash != hash)
            continue;
        park_wake(table, waiter);
        if (count != UINT_MAX)
            count--;
    }
    pthread_mutex_unlock(&table->lock);
}

void park_clock_changed(struct park_table *table)
{
    pthread_mutex_lock(&table->lock);
    pthread_cond_signal(&table->changed);
    pthread_mutex_unlock(&table->lock);
}

size_t park_count(struct park_table *table)
{
    pthread_mutex_lock(&table->lock);
    size_t count = table->count - table->inward;
    pthread_mutex_unlock(&table->lock);
    return count;
}
