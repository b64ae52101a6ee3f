/* Values of metrics that parts of the cloud find (metric filters of logs, ...) on their way to who
 * keeps metrics: Amazon CloudWatch, when it is built. Told in the transaction that finds them, by
 * service_hooks.metric_keeper; who finds no keeper keeps them itself, and says where. */
#ifndef KUMONIWA_CLOUD_METRIC_DATA_H
#define KUMONIWA_CLOUD_METRIC_DATA_H

#include "cloud/call.h"

struct metric_value {
    struct str space, name, unit; /* unit absent: "None" */
    struct str_map dimensions;
    int64_t time_ms;
    double value;
    bool is_default; /* nothing was found in that minute: counts only until something is */
};

struct metric_keeper {
    /* Of call->account and call->region. Borrowed until it returns. */
    RESULT (*keep)(struct call *call, const struct metric_value *values, size_t count);
};

/* NULL: nobody. */
const struct metric_keeper *metric_keeper_of(const struct cloud *cloud);

#endif
