#include "cloud/identity_use.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/rng.h"
#include "cloud/authorize.h"
#include "cloud/clock.h"
#include "cloud/identity.h"

enum { SLOTS = 2048, QUARTER_MS = 15 * 60 * 1000 };

/* A slot holds 32 bits of the hash and the quarter of an hour in which it was told. */
struct identity_uses {
    uint64_t seed;
    _Atomic uint64_t slots[SLOTS];
};

struct identity_uses *identity_uses_new(struct arena *arena)
{
    struct identity_uses *uses = ARENA_NEW(arena, struct identity_uses);
    uses->seed = rng_u64();
    return uses;
}

static uint64_t use_hash(const struct call *call, uint64_t seed)
{
    const struct principal *who = &call->principal;
    bool role = who->kind == PRINCIPAL_ROLE_SESSION;
    uint64_t hash = str_hash(role ? who->session->role_arn : who->access_key, seed);
    hash = str_hash(call->model->signing_name, hash);
    return str_hash(call->region, hash);
}

/* True once for a slot and quarter, whatever the number of threads. */
static bool use_is_due(struct identity_uses *uses, uint64_t hash, int64_t now_ms)
{
    _Atomic uint64_t *slot = &uses->slots[hash % SLOTS];
    uint64_t quarter = (uint64_t)(now_ms / QUARTER_MS) & UINT32_MAX;
    uint64_t now = (hash >> 32) << 32 | quarter;
    uint64_t was = atomic_load_explicit(slot, memory_order_relaxed);
    return was != now && atomic_compare_exchange_strong(slot, &was, now);
}

static RESULT use_tell(struct call *call, const struct identity_use *use)
{
    struct call as = *call;
    as.signals = NULL;
    as.signal_count = as.signal_cap = 0;
    as.outbox_used = false;
    as.account = use->principal->account;
    TRY(kv_begin(call->cloud->kv, true, &as.txn));
    enum result result = identity_of(call->cloud)->used(&as, use);
    if (result == RESULT_OK)
        return kv_commit(as.txn);
    kv_abort(as.txn);
    return result;
}

void identity_used(struct call *call)
{
    const struct principal *who = &call->principal;
    struct identity_uses *uses = call->cloud->uses;
    if (identity_of(call->cloud)->used == NULL || call->request == NULL || who->drop_in ||
        (who->kind != PRINCIPAL_USER && who->kind != PRINCIPAL_ROLE_SESSION &&
         who->kind != PRINCIPAL_ROOT))
        return;
    if (!use_is_due(uses, use_hash(call, uses->seed), call->now_ms))
        return;
    struct identity_use use = {
        .principal = who,
        .service = call->model->signing_name,
        .region = call->region,
        .action = authorize_action(call),
        .now_ms = call->now_ms,
    };
    if (use_tell(call, &use) != RESULT_OK)
        log_line(LOG_WARN, "the last use of %.*s could not be kept", PRSTR(who->arn));
}
