/* "The rate of lookup requests is limited to two per second, per account, per Region"
 * (LookupEvents, AWS CloudTrail API Reference). In memory: losing it lets two more through. The
 * spare key pair of signing.c is kept beside it. */
#include <pthread.h>

#include "base/arena.h"
#include "cloud/cloud.h"
#include "services/cloudtrail/cloudtrail_int.h"

/* An account and region that shares its slot with another starts anew when both ask in turn: some
 * are let through, none is refused that should not be. */
enum { SLOTS = 1024, LOOKUPS = 2, SECOND_MS = 1000 };

struct limits {
    struct signing_spare *spare;
    pthread_mutex_t lock;
    struct limit {
        uint64_t whose;
        int64_t at_ms[LOOKUPS]; /* of the last ones that were let through, oldest first */
    } slots[SLOTS];
};

void *limits_new(void)
{
    struct limits *limits = heap_alloc(sizeof *limits);
    *limits = (struct limits){.spare = signing_spare_new()};
    ASSERT(pthread_mutex_init(&limits->lock, NULL) == 0);
    return limits;
}

void limits_free(void *memory)
{
    struct limits *limits = memory;
    ASSERT(pthread_mutex_destroy(&limits->lock) == 0);
    signing_spare_free(limits->spare);
    heap_free(limits);
}

struct signing_spare *signing_spare_of(struct call *call)
{
    const struct limits *limits = cloud_memory(call->cloud, &cloudtrail_model);
    return limits->spare;
}

/* A clock that is set back finds no lookups in its future to wait for. */
static bool limit_admits(struct limit *limit, uint64_t whose, int64_t now_ms)
{
    if (limit->whose != whose || now_ms < limit->at_ms[LOOKUPS - 1])
        *limit = (struct limit){.whose = whose};
    if (limit->at_ms[0] != 0 && now_ms - limit->at_ms[0] < SECOND_MS)
        return false;
    limit->at_ms[0] = limit->at_ms[1];
    limit->at_ms[1] = now_ms;
    return true;
}

RESULT lookup_limit(struct call *call)
{
    struct limits *limits = cloud_memory(call->cloud, &cloudtrail_model);
    struct str whose =
        str_format(call->arena, "%.*s %.*s", PRSTR(call->account), PRSTR(call->region));
    uint64_t hash = str_hash(whose, 0);
    ASSERT(pthread_mutex_lock(&limits->lock) == 0);
    bool admitted = limit_admits(&limits->slots[hash % SLOTS], hash, call->now_ms);
    ASSERT(pthread_mutex_unlock(&limits->lock) == 0);
    return admitted ? RESULT_OK : call_fail(call, CLOUDTRAIL_THROTTLING, "Rate exceeded");
}
