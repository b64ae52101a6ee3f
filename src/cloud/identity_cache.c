#include "cloud/identity_cache.h"

#include <pthread.h>

#include "base/log.h"
#include "base/rng.h"

enum { SLOTS = 1024, NAME_MAX = 192 };

struct entry {
    struct identity_compiled compiled; /* first: what is given out is the entry */
    struct arena *arena;               /* of everything in it, itself too */
    struct str name;
    uint64_t generation;
    unsigned held; /* by the slot and by requests */
};

struct identity_cache {
    pthread_mutex_t lock;
    uint64_t seed;
    struct arena *arena;
    const struct policy *nothing;
    struct entry *slots[SLOTS];
};

struct identity_cache *identity_cache_new(void)
{
    struct identity_cache *cache = heap_alloc(sizeof *cache);
    struct str reason;
    pthread_mutex_init(&cache->lock, NULL);
    cache->seed = rng_u64();
    cache->arena = arena_new(0);
    ASSERT(policy_compile(cache->arena,
                          STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Deny\","
                              "\"Action\":\"nothing:Nothing\",\"Resource\":\"*\"}}"),
                          POLICY_FORM_INLINE, &cache->nothing, &reason) == RESULT_OK);
    return cache;
}

const struct policy *identity_cache_nothing(const struct identity_cache *cache)
{
    return cache->nothing;
}

static void entry_drop(struct entry *entry)
{
    if (entry != NULL && --entry->held == 0)
        arena_free(entry->arena);
}

void identity_cache_free(struct identity_cache *cache)
{
    for (size_t i = 0; i < SLOTS; i++)
        entry_drop(cache->slots[i]);
    arena_free(cache->arena);
    pthread_mutex_destroy(&cache->lock);
    heap_free(cache);
}

/* --- generations --- */

static struct key generation_key(struct call *call, struct str account)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("identities"));
    key_str(&key, account);
    return key;
}

RESULT identity_changed(struct call *call)
{
    uint64_t generation = rng_u64() | 1; /* never the 0 of an account without one */
    struct key key = generation_key(call, call->account);
    return kv_put(call->txn, key_bytes(&key),
                  str_make((const char *)&generation, sizeof generation));
}

static RESULT generation_of(struct call *call, struct str account, uint64_t *out)
{
    struct key key = generation_key(call, account);
    struct str value;
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    *out = 0;
    if (value.len == sizeof *out)
        memcpy(out, value.ptr, sizeof *out);
    return RESULT_OK;
}

/* --- entries --- */

/* "u000000000000alice", "rarn:aws:iam::000000000000:role/x": names are found in any case. */
static bool entry_name(const struct principal *who, struct buf *out)
{
    bool role = who->kind == PRINCIPAL_ROLE_SESSION;
    buf_append_char(out, role ? 'r' : 'u');
    if (!role)
        buf_append(out, who->account);
    buf_append(out, role                               ? who->session->role_arn
                    : who->kind == PRINCIPAL_FEDERATED ? who->session->user_name
                                                       : who->name);
    return !buf_is_full(out);
}

static RESULT entry_id(struct call *call, const struct principal *who, struct entry *entry)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct str id = {0};
    struct str_map tags;
    struct identity_role role;
    bool found = false;
    if (who->kind == PRINCIPAL_ROLE_SESSION) {
        if (identity->role != NULL)
            TRY(identity->role(call, who->session->role_arn, &role, &found));
        id = found ? role.id : id;
    } else if (identity->user != NULL) {
        struct str name = who->kind == PRINCIPAL_FEDERATED ? who->session->user_name : who->name;
        TRY(identity->user(call, who->account, name, &id, &tags, &found));
    }
    entry->compiled.known = found;
    entry->compiled.id = found ? str_copy(entry->arena, id) : (struct str){0};
    return RESULT_OK;
}

static void entry_compile(struct identity_cache *cache, struct entry *entry,
                          const struct identity_policies *policies)
{
    struct policy_attached *items =
        ARENA_ARRAY(entry->arena, policies->len + 1, struct policy_attached);
    size_t len = 0;
    for (size_t i = 0; i < policies->len; i++) {
        const struct identity_policy *item = &policies->items[i];
        struct policy_attached attached = {item->kind, NULL, str_copy(entry->arena, item->name), 0};
        struct str reason, text = str_copy(entry->arena, item->document);
        if (policy_compile(entry->arena, text, POLICY_FORM_INLINE, &attached.policy, &reason) !=
            RESULT_OK) {
            log_line(LOG_WARN, "iam: the policy %.*s cannot be read and allows nothing: %.*s",
                     PRSTR(attached.name), PRSTR(reason));
            attached.policy = cache->nothing;
        }
        items[len++] = attached;
    }
    entry->compiled.items = items;
    entry->compiled.len = len;
}

static RESULT entry_make(struct identity_cache *cache, struct call *call,
                         const struct principal *who, struct str name, struct entry **out)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct identity_policies policies = {0};
    struct arena *arena = arena_new(0);
    struct entry *entry = ARENA_NEW(arena, struct entry);
    entry->arena = arena;
    entry->name = str_copy(arena, name);
    entry->held = 2;
    enum result result = entry_id(call, who, entry);
    if (result == RESULT_OK && identity->policies != NULL)
        result = identity->policies(call, who, &policies);
    if (result != RESULT_OK) {
        arena_free(arena);
        return result;
    }
    entry->compiled.known = policies.known || entry->compiled.known;
    entry_compile(cache, entry, &policies);
    *out = entry;
    return RESULT_OK;
}

RESULT identity_cache_take(struct identity_cache *cache, struct call *call,
                           const struct principal *who, const struct identity_compiled **out)
{
    char memory[NAME_MAX];
    struct buf text;
    uint64_t generation;
    buf_init_fixed(&text, memory, sizeof memory);
    TRY(generation_of(call, who->account, &generation));
    if (!entry_name(who, &text)) { /* an ARN of the longest kind */
        buf_init(&text, call->arena, 4096);
        (void)entry_name(who, &text);
    }
    struct str name = buf_str(&text);
    struct entry **slot = &cache->slots[str_hash(name, cache->seed) % SLOTS];
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = *slot;
    if (entry != NULL && entry->generation == generation && str_eq(entry->name, name)) {
        entry->held++;
        pthread_mutex_unlock(&cache->lock);
    } else {
        pthread_mutex_unlock(&cache->lock);
        TRY(entry_make(cache, call, who, name, &entry));
        entry->generation = generation;
        pthread_mutex_lock(&cache->lock);
        entry_drop(*slot);
        *slot = entry;
        pthread_mutex_unlock(&cache->lock);
    }
    *out = &entry->compiled;
    return RESULT_OK;
}

void identity_cache_release(struct identity_cache *cache, const struct identity_compiled *held)
{
    if (held == NULL)
        return;
    struct entry *entry = (struct entry *)(uintptr_t)held;
    pthread_mutex_lock(&cache->lock);
    entry_drop(entry);
    pthread_mutex_unlock(&cache->lock);
}
