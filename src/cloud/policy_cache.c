#include "cloud/policy_cache.h"

#include <pthread.h>

#include "base/rng.h"

enum { SLOTS = 1024 };

struct policy_cache_entry {
    struct arena *arena; /* of everything in it, itself too */
    struct str text;
    enum policy_form form;
    const struct policy *policy;
    unsigned held; /* by the slot and by requests */
};

struct policy_cache {
    pthread_mutex_t lock;
    uint64_t seed; /* nobody can choose what falls together */
    struct policy_cache_entry *slots[SLOTS];
};

struct policy_cache *policy_cache_new(void)
{
    struct policy_cache *cache = heap_alloc(sizeof *cache);
    pthread_mutex_init(&cache->lock, NULL);
    cache->seed = rng_u64();
    return cache;
}

void policy_cache_free(struct policy_cache *cache)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (cache->slots[i] != NULL)
            arena_free(cache->slots[i]->arena);
    pthread_mutex_destroy(&cache->lock);
    heap_free(cache);
}

static struct policy_cache_entry *entry_make(struct str text, enum policy_form form)
{
    struct arena *arena = arena_new(0);
    struct policy_cache_entry *entry = ARENA_NEW(arena, struct policy_cache_entry);
    struct str reason;
    entry->arena = arena;
    entry->text = str_copy(arena, text);
    entry->form = form;
    entry->held = 2;
    if (policy_compile(arena, entry->text, form, &entry->policy, &reason) != RESULT_OK)
        entry->policy = NULL;
    return entry;
}

/* Under the lock. */
static void entry_drop(struct policy_cache_entry *entry)
{
    if (entry != NULL && --entry->held == 0)
        arena_free(entry->arena);
}

struct policy_cache_entry *policy_cache_take(struct policy_cache *cache, struct str text,
                                             enum policy_form form, const struct policy **policy)
{
    struct policy_cache_entry **slot =
        &cache->slots[(str_hash(text, cache->seed) + (uint64_t)form) % SLOTS];
    pthread_mutex_lock(&cache->lock);
    struct policy_cache_entry *entry = *slot;
    if (entry != NULL && entry->form == form && str_eq(entry->text, text)) {
        entry->held++;
        pthread_mutex_unlock(&cache->lock);
    } else {
        pthread_mutex_unlock(&cache->lock);
        entry = entry_make(text, form);
        pthread_mutex_lock(&cache->lock);
        entry_drop(*slot);
        *slot = entry;
        pthread_mutex_unlock(&cache->lock);
    }
    *policy = entry->policy;
    return entry;
}

void policy_cache_release(struct policy_cache *cache, struct policy_cache_entry *entry)
{
    pthread_mutex_lock(&cache->lock);
    entry_drop(entry);
    pthread_mutex_unlock(&cache->lock);
}
