/* Signing keys: derivation, HMAC with a prepared key, and the cache.
 *
 * The cache is set-associative: a name's hash picks a set, the set's lock is held for the compare
 * and the copy. Entries hold the name whole, so that a hash collision cannot lend a key. */
#include "auth/sigv4_int.h"

#include <pthread.h>

#include "base/rng.h"

enum { KEY_SETS = 256, KEY_WAYS = 4, KEY_NAME_MAX = 192, HMAC_BLOCK = 64 };

struct key_entry {
    uint64_t hash; /* 0: empty */
    uint64_t used; /* the set's tick when it was last found */
    uint16_t secret_len, date_len, region_len, service_len;
    char name[KEY_NAME_MAX]; /* secret, date, region, service */
    struct sigv4_key key;
};

struct key_set {
    pthread_mutex_t lock;
    uint64_t tick;
    struct key_entry ways[KEY_WAYS];
};

struct sigv4_keys {
    uint64_t seed;
    struct key_set sets[KEY_SETS];
};

void sigv4_hex(const uint8_t digest[SHA256_SIZE], char out[SIGV4_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
}

bool sigv4_is_hex_digest(struct str s)
{
    if (s.len != SIGV4_HEX_SIZE)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return true;
}

void sigv4_key_prepare(struct sigv4_key *key, const uint8_t bytes[SHA256_SIZE])
{
    memcpy(key->bytes, bytes, SHA256_SIZE);
    digest_hmac_prepare(&key->hmac, str_make((const char *)bytes, SHA256_SIZE));
}

void sigv4_key_sign(const struct sigv4_key *key, struct str text, char out[SIGV4_HEX_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    digest_hmac_run(&key->hmac, text, digest);
    sigv4_hex(digest, out);
}

/* "Create a signed AWS API request", step 4, IAM User Guide. */
void sigv4_key_derive(struct sigv4_key *key, const struct sigv4_key_name *name)
{
    char secret[HMAC_BLOCK];
    size_t len = name->secret.len + 4;
    if (len <= sizeof(secret)) {
        memcpy(secret, "AWS4", 4);
        if (name->secret.len > 0)
            memcpy(secret + 4, name->secret.ptr, name->secret.len);
    } else { /* what HMAC does with a long key */
        struct digest digest;
        digest_begin(&digest, DIGEST_SHA256);
        digest_update(&digest, STR("AWS4"));
        digest_update(&digest, name->secret);
        digest_end(&digest, (uint8_t *)secret);
        len = SHA256_SIZE;
    }
    const struct str steps[] = {name->date, name->region, name->service, STR("aws4_request")};
    uint8_t bytes[SHA256_SIZE];
    digest_hmac_prepare(&key->hmac, str_make(secret, len));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        digest_hmac_run(&key->hmac, steps[i], bytes);
        sigv4_key_prepare(key, bytes);
    }
}

struct sigv4_keys *sigv4_keys_new(void)
{
    struct sigv4_keys *keys = heap_alloc(sizeof(*keys));
    keys->seed = rng_u64();
    for (size_t i = 0; i < KEY_SETS; i++)
        pthread_mutex_init(&keys->sets[i].lock, NULL);
    return keys;
}

void sigv4_keys_free(struct sigv4_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < KEY_SETS; i++)
        pthread_mutex_destroy(&keys->sets[i].lock);
    heap_free(keys);
}

/* The name in one piece: false when it is longer than what a key is kept for. */
static bool key_entry_name(struct key_entry *entry, const struct sigv4_key_name *name)
{
    const struct str parts[] = {name->secret, name->date, name->region, name->service};
    size_t len = 0;
    for (size_t i = 0; i < 4; i++) {
        if (parts[i].len > KEY_NAME_MAX - len)
            return false;
        if (parts[i].len > 0)
            memcpy(entry->name + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    entry->secret_len = (uint16_t)name->secret.len;
    entry->date_len = (uint16_t)name->date.len;
    entry->region_len = (uint16_t)name->region.len;
    entry->service_len = (uint16_t)name->service.len;
    return true;
}

static bool key_entry_is(const struct key_entry *entry, const struct sigv4_key_name *name,
                         uint64_t hash)
{
    if (entry->hash != hash || entry->secret_len != name->secret.len ||
        entry->date_len != name->date.len || entry->region_len != name->region.len ||
        entry->service_len != name->service.len)
        return false;
    const char *at = entry->name;
    if (!str_eq(str_make(at, entry->secret_len), name->secret))
        return false;
    at += entry->secret_len;
    if (!str_eq(str_make(at, entry->date_len), name->date))
        return false;
    at += entry->date_len;
    if (!str_eq(str_make(at, entry->region_len), name->region))
        return false;
    at += entry->region_len;
    return str_eq(str_make(at, entry->service_len), name->service);
}

static uint64_t key_hash(const struct sigv4_keys *keys, const struct sigv4_key_name *name)
{
    uint64_t hash = str_hash(name->secret, keys->seed);
    hash = str_hash(name->date, hash);
    hash = str_hash(name->region, hash);
    hash = str_hash(name->service, hash);
    return hash == 0 ? 1 : hash;
}

bool sigv4_keys_find(struct sigv4_keys *keys, const struct sigv4_key_name *name,
                     struct sigv4_key *out)
{
    uint64_t hash = key_hash(keys, name);
    struct key_set *set = &keys->sets[hash % KEY_SETS];
    bool found = false;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < KEY_WAYS && !found; i++) {
        struct key_entry *entry = &set->ways[i];
        if (key_entry_is(entry, name, hash)) {
            entry->used = ++set->tick;
            *out = entry->key;
            found = true;
        }
    }
    pthread_mutex_unlock(&set->lock);
    return found;
}

void sigv4_keys_put(struct sigv4_keys *keys, const struct sigv4_key_name *name,
                    const struct sigv4_key *key)
{
    struct key_entry made = {.hash = key_hash(keys, name), .key = *key};
    if (!key_entry_name(&made, name))
        return;
    struct key_set *set = &keys->sets[made.hash % KEY_SETS];
    pthread_mutex_lock(&set->lock);
    struct key_entry *victim = &set->ways[0];
    for (size_t i = 0; i < KEY_WAYS; i++) {
        if (key_entry_is(&set->ways[i], name, made.hash)) {
            victim = &set->ways[i];
            break;
        }
        if (set->ways[i].used < victim->used)
            victim = &set->ways[i];
    }
    made.used = ++set->tick;
    *victim = made;
    pthread_mutex_unlock(&set->lock);
}
