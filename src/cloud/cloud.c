#include "cloud/cloud.h"

#include "base/rng.h"
#include "cloud/audit.h"
#include "cloud/authorize.h"
#include "cloud/clock.h"
#include "cloud/denials.h"
#include "cloud/fetch.h"
#include "cloud/identity_use.h"
#include "cloud/keys.h"
#include "cloud/log_sink.h"
#include "cloud/metrics.h"
#include "cloud/outbox.h"
#include "cloud/park.h"
#include "cloud/task.h"
#include "cloud/trail.h"
#include "cloud/work.h"
#include "store/key.h"

enum { RESET_BATCH = 10000 };

static struct key cloud_key(struct str name)
{
    struct key key;
    key_init(&key, NULL);
    key_str(&key, STR("cloud"));
    key_str(&key, name);
    return key;
}

/* The secret and the sequence's mark, made when the store is new. */
static RESULT cloud_read_state(struct cloud *cloud, struct kv_txn *txn)
{
    struct key secret_key = cloud_key(STR("secret"));
    struct str secret;
    TRY(kv_get(txn, key_bytes(&secret_key), &secret));
    if (str_is_absent(secret)) {
        rng_bytes(cloud->secret, sizeof cloud->secret);
        secret = str_make((const char *)cloud->secret, sizeof cloud->secret);
        TRY(kv_put(txn, key_bytes(&secret_key), secret));
    } else if (secret.len == sizeof cloud->secret) {
        memcpy(cloud->secret, secret.ptr, sizeof cloud->secret);
    } else {
        return FAULT("the store's secret has %zu bytes", secret.len);
    }
    TRY(keys_open_root(cloud, txn, cloud->arena));
    struct key sequence_key = cloud_key(STR("sequence"));
    struct str mark_text;
    uint64_t mark = 0;
    TRY(kv_get(txn, key_bytes(&sequence_key), &mark_text));
    if (!str_is_absent(mark_text) && !str_to_u64(mark_text, &mark))
        return FAULT("the store's sequence mark is not a number");
    cloud->sequence = mark;
    cloud->sequence_mark = mark;
    return RESULT_OK;
}

static RESULT cloud_load_state(struct cloud *cloud)
{
    struct kv_txn *txn;
    TRY(kv_begin(cloud->kv, false, &txn));
    enum result result = cloud_read_state(cloud, txn);
    kv_abort(txn);
    if (result != RESULT_RESTART)
        return result;
    TRY(kv_begin(cloud->kv, true, &txn));
    result = cloud_read_state(cloud, txn);
    if (result == RESULT_OK)
        return kv_commit(txn);
    kv_abort(txn);
    return result;
}

void cloud_derive(const struct cloud *cloud, struct str purpose, uint8_t key[SHA256_SIZE])
{
    struct str secret = str_make((const char *)cloud->secret, sizeof cloud->secret);
    digest_hmac_sha256(secret, purpose, key);
}

static RESULT cloud_open_parts(struct cloud *cloud, const struct cloud_config *config)
{
    struct kv_config kv_config = {
        .directory = config->directory,
        .durability = config->durability,
        .write_hook = config->write_hook,
        .hook_context = config->hook_context,
    };
    TRY(kv_open(&kv_config, &cloud->kv));
    struct str blobs = str_concat(cloud->arena, config->directory, STR("/blobs"));
    TRY(blob_store_open(blobs, config->durability, &cloud->blobs));
    TRY(cloud_load_state(cloud));
    TRY(clock_open(cloud->arena, cloud->kv, &cloud->clock));
    TRY(park_table_new(cloud->arena, cloud->clock, &cloud->parks));
    cloud->tasks = task_table_new(cloud);
    cloud->fetcher = fetcher_new(cloud->arena, cloud->parks);
    struct str ring = str_concat(cloud->arena, config->directory, STR("/audit.ring"));
    TRY(audit_open(cloud->arena, ring, &cloud->audit));
    ring = str_concat(cloud->arena, config->directory, STR("/denials.ring"));
    TRY(denials_open(cloud->arena, ring, &cloud->denials));
    TRY(trail_open(cloud, config->directory, &cloud->trail));
    TRY(log_sink_open(cloud, &cloud->log_sink));
    size_t swept;
    TRY(blob_sweep(cloud->blobs, cloud->kv, &swept));
    for (size_t i = 0; cloud->hooks[i] != NULL; i++)
        if (cloud->hooks[i]->start != NULL)
            TRY(cloud->hooks[i]->start(cloud));
    return RESULT_OK;
}

static void cloud_open_memories(struct cloud *cloud)
{
    size_t count = 0;
    while (cloud->hooks[count] != NULL)
        count++;
    cloud->memories = ARENA_ARRAY(cloud->arena, count + 1, void *);
    for (size_t i = 0; i < count; i++)
        if (cloud->hooks[i]->memory_new != NULL)
            cloud->memories[i] = cloud->hooks[i]->memory_new();
}

static void cloud_close_memories(struct cloud *cloud)
{
    for (size_t i = 0; cloud->hooks[i] != NULL; i++)
        if (cloud->memories[i] != NULL)
            cloud->hooks[i]->memory_free(cloud->memories[i]);
}

void *cloud_memory(const struct cloud *cloud, const struct wire_model *model)
{
    for (size_t i = 0; cloud->hooks[i] != NULL; i++)
        if (cloud->hooks[i]->model == model)
            return cloud->memories[i];
    return NULL;
}

RESULT cloud_open(struct arena *arena, const struct cloud_config *config, struct cloud **out,
                  struct str *message)
{
    struct cloud *cloud = ARENA_NEW(arena, struct cloud);
    cloud->arena = arena;
    cloud->hooks = config->hooks;
    cloud->directory = str_copy(cloud->arena, config->directory);
    cloud->default_region = config->default_region;
    cloud->endpoint = config->endpoint;
    cloud->strict_auth = config->strict_auth;
    cloud->iam = config->iam;
    cloud_open_memories(cloud);
    cloud->authorizer = authorizer_new(arena, config->hooks);
    cloud->uses = identity_uses_new(arena);
    for (size_t i = 0; config->hooks[i] != NULL; i++)
        if (config->hooks[i]->identity != NULL)
            cloud->identity_model = config->hooks[i]->model;
    cloud->patterns = wire_patterns_new();
    cloud->index = wire_index_new(wire_models, wire_model_count);
    cloud->signing_keys = sigv4_keys_new();
    cloud->metrics = metrics_new(arena);
    enum result result = cloud_open_parts(cloud, config);
    if (result != RESULT_OK) {
        *message = result == RESULT_FULL
                       ? str_format(arena,
                                    "the disk that holds %.*s is full: free some space there, or "
                                    "choose another directory with --data",
                                    PRSTR(config->directory))
                       : str_format(arena, "cannot open the data in %.*s: the line above says why",
                                    PRSTR(config->directory));
        cloud_close(cloud);
        return result;
    }
    *out = cloud;
    return RESULT_OK;
}

RESULT cloud_start(struct cloud *cloud)
{
    TRY(workers_start(cloud, &cloud->workers));
    /* These threads wake the dispatcher: they begin after it, and end before it. */
    TRY(dispatcher_start(cloud, &cloud->dispatcher));
    TRY(log_sink_start(cloud->log_sink));
    tasks_run(cloud->tasks);
    return trail_start(cloud->trail);
}

void cloud_close(struct cloud *cloud)
{
    task_table_free(cloud->tasks);
    trail_close(cloud->trail);
    log_sink_stop(cloud->log_sink);
    if (cloud->dispatcher != NULL)
        dispatcher_stop(cloud->dispatcher);
    cloud->dispatcher = NULL;
    workers_stop(cloud->workers);
    log_sink_close(cloud->log_sink); /* what those logged until their end */
    if (cloud->fetcher != NULL)
        fetcher_free(cloud->fetcher);
    if (cloud->parks != NULL)
        park_table_free(cloud->parks);
    if (cloud->audit != NULL)
        audit_close(cloud->audit);
    if (cloud->denials != NULL)
        denials_close(cloud->denials);
    if (cloud->blobs != NULL)
        blob_store_close(cloud->blobs);
    if (cloud->kv != NULL)
        kv_close(cloud->kv);
    if (cloud->metrics != NULL)
        metrics_free(cloud->metrics);
    cloud_close_memories(cloud);
    authorizer_free(cloud->authorizer);
    sigv4_keys_free(cloud->signing_keys);
    wire_patterns_free(cloud->patterns);
    wire_index_free(cloud->index);
    cloud->workers = NULL;
    cloud->tasks = NULL;
}

RESULT cloud_advance_clock(struct cloud *cloud, int64_t ms)
{
    trail_settle(cloud->trail); /* what happened before it is not told of as if it came after */
    TRY(clock_advance(cloud->clock, ms));
    park_clock_changed(cloud->parks);
    dispatcher_wake(cloud->dispatcher);
    return RESULT_OK;
}

/* Deletes up to RESET_BATCH keys that are not the cloud's own; *deleted counts. */
static RESULT cloud_forget(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                           size_t *deleted)
{
    struct key own;
    key_init(&own, arena);
    key_str(&own, STR("cloud"));
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(txn, arena, STR(""), false, &cursor));
    for (size_t n = 0; n < RESET_BATCH; n++) {
        struct str key, value;
        do
            TRY(kv_next(cursor, &key, &value));
        while (!str_is_absent(key) && str_starts_with(key, key_bytes(&own)));
        if (str_is_absent(key)) {
            *deleted = n;
            return RESULT_OK;
        }
        bool kept;
        key = str_copy(arena, key);
        TRY(blob_clear_entry(cloud->blobs, txn, key, &kept));
        if (!kept)
            TRY(kv_delete(txn, key, NULL));
    }
    *deleted = RESET_BATCH;
    return RESULT_OK;
}

RESULT cloud_reset(struct cloud *cloud)
{
    size_t deleted;
    do {
        struct kv_txn *txn;
        TRY(kv_begin(cloud->kv, true, &txn));
        struct arena *arena = arena_new(0);
        enum result result = cloud_forget(cloud, txn, arena, &deleted);
        if (result == RESULT_OK)
            result = kv_commit(txn);
        else
            kv_abort(txn);
        arena_free(arena); /* the cursor is in it, which the transaction's end closes */
        TRY(result);
    } while (deleted == RESET_BATCH);
    return RESULT_OK;
}
