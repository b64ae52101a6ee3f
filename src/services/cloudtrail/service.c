/* What CloudTrail gives the cloud besides its operations. */
#include "services/cloudtrail/cloudtrail_int.h"

static const struct outbox_handler cloudtrail_handlers[] = {
    {STR_INIT("cloudtrail.trim"), cloudtrail_deliver_trim},
    {STR_INIT("cloudtrail.logs"), cloudtrail_deliver_logs},
    {STR_INIT("cloudtrail.digest"), cloudtrail_deliver_digest},
    {STR_INIT("cloudtrail.switch"), cloudtrail_deliver_switch},
};

static const struct trail_keeper cloudtrail_keeper = {.keep = cloudtrail_keep};

/* Whether any trail wants data events is not stored. */
static RESULT cloudtrail_start(struct cloud *cloud)
{
    struct call call = {.arena = arena_new(0), .cloud = cloud, .partition = STR("aws")};
    struct cloudtrail_trail *trails;
    size_t count;
    enum result result = kv_begin(cloud->kv, false, &call.txn);
    if (result == RESULT_OK) {
        result = trails_of(&call, (struct str){0}, &trails, &count);
        for (size_t i = 0; result == RESULT_OK && i < count; i++)
            if (trail_selects_data(&trails[i]))
                trail_set_data(cloud->trail, true);
        kv_abort(call.txn);
    }
    arena_free(call.arena);
    return result;
}

const struct service_hooks cloudtrail_hooks = {
    .model = &cloudtrail_model,
    .handlers = cloudtrail_handlers,
    .handler_count = sizeof cloudtrail_handlers / sizeof cloudtrail_handlers[0],
    .start = cloudtrail_start,
    .memory_new = limits_new,
    .memory_free = limits_free,
    .trail = &cloudtrail_keeper,
};
