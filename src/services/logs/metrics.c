/* TestMetricFilter. */
#include "base/vec.h"
#include "services/logs/logs_int.h"
#include "services/logs/pattern.h"

RESULT logs_TestMetricFilter(struct call *call, const struct logs_TestMetricFilterRequest *in,
                             struct logs_TestMetricFilterResponse *out)
{
    struct pattern *pattern;
    struct str problem;
    size_t cap = 1;
    if (!log_pattern_parse(call->arena, in->filterPattern, &pattern, &problem))
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid filter pattern: %.*s",
                         PRSTR(problem));
    out->matches.items = ARENA_NEW(call->arena, struct logs_MetricFilterMatchRecord);
    for (size_t i = 0; i < in->logEventMessages.len; i++) {
        struct str message = in->logEventMessages.items[i];
        if (!log_pattern_matches(pattern, call->arena, message))
            continue;
        struct logs_MetricFilterMatchRecord match = {
            .eventNumber = opt_long((int64_t)i + 1),
            .eventMessage = message,
            .extractedValues = log_pattern_values(pattern, call->arena, message),
        };
        VEC_PUSH(call->arena, out->matches.items, out->matches.len, cap, match);
    }
    return RESULT_OK;
}
