#include "cloud/metrics.h"

#include <stdatomic.h>

#include "base/arena.h"

/* By class of status: 2xx (and 3xx), 4xx, 5xx. */
enum { METRIC_CLASSES = 3 };

struct metric {
    _Atomic uint64_t count[METRIC_CLASSES];
    _Atomic uint64_t nanoseconds;
};

struct metrics {
    _Atomic(struct metric *) *services; /* by model; made at a service's first call */
    struct arena *arena;
    _Atomic uint64_t total;
};

struct metrics *metrics_new(struct arena *arena)
{
    struct metrics *metrics = ARENA_NEW(arena, struct metrics);
    metrics->services = arena_alloc_array(arena, wire_model_count, sizeof(*metrics->services));
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    for (size_t i = 0; i < wire_model_count; i++)
        heap_free(metrics->services[i]);
}

static struct metric *metrics_of(struct metrics *metrics, const struct wire_model *model)
{
    size_t index = 0;
    while (index < wire_model_count && wire_models[index] != model)
        index++;
    if (index == wire_model_count)
        return NULL; /* a test's own model */
    struct metric *have = metrics->services[index];
    if (have != NULL)
        return have;
    struct metric *made = heap_alloc(model->operation_count * sizeof(struct metric));
    if (atomic_compare_exchange_strong(&metrics->services[index], &have, made))
        return made;
    heap_free(made);
    return have;
}

void metrics_count(struct metrics *metrics, const struct wire_model *model, uint32_t operation,
                   uint16_t status, uint64_t nanoseconds)
{
    struct metric *service = metrics_of(metrics, model);
    atomic_fetch_add_explicit(&metrics->total, 1, memory_order_relaxed);
    if (service == NULL || operation >= model->operation_count)
        return;
    struct metric *metric = &service[operation];
    unsigned class = status >= 500 ? 2 : status >= 400 ? 1 : 0;
    atomic_fetch_add_explicit(&metric->count[class], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->nanoseconds, nanoseconds, memory_order_relaxed);
}

uint64_t metrics_total(const struct metrics *metrics)
{
    return metrics->total;
}

void metrics_write(struct metrics *metrics, struct buf *out)
{
    static const char *const classes[METRIC_CLASSES] = {"2xx", "4xx", "5xx"};
    buf_append_c(
        out,
        "# TYPE kumoniwa_requests_total counter\n# TYPE kumoniwa_request_seconds_sum counter\n");
    for (size_t i = 0; i < wire_model_count; i++) {
        const struct wire_model *model = wire_models[i];
        struct metric *service = metrics->services[i];
        for (uint32_t o = 0; service != NULL && o < model->operation_count; o++) {
            struct str name = model->name;
            struct str operation = wire_string(model, model->operations[o].name);
            for (size_t c = 0; c < METRIC_CLASSES; c++)
                if (service[o].count[c] > 0)
                    buf_append_format(out,
                                      "kumoniwa_requests_total{service=\"%.*s\",operation=\"%.*s\","
                                      "status=\"%s\"} %llu\n",
                                      PRSTR(name), PRSTR(operation), classes[c],
                                      (unsigned long long)service[o].count[c]);
            if (service[o].nanoseconds > 0)
                buf_append_format(
                    out, "kumoniwa_request_seconds_sum{service=\"%.*s\",operation=\"%.*s\"} %.6f\n",
                    PRSTR(name), PRSTR(operation), (double)service[o].nanoseconds / 1e9);
        }
    }
}
