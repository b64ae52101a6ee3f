/* Counters per service and operation, kept in memory, relaxed atomics. */
#ifndef KUMONIWA_CLOUD_METRICS_H
#define KUMONIWA_CLOUD_METRICS_H

#include "base/buf.h"
#include "wire/desc.h"

struct metrics;

struct metrics *metrics_new(struct arena *arena);
void metrics_free(struct metrics *metrics);
void metrics_count(struct metrics *metrics, const struct wire_model *model, uint32_t operation,
                   uint16_t status, uint64_t nanoseconds);
/* Prometheus's text format: kumoniwa_requests_total{service,operation,status} and
 * kumoniwa_request_seconds_sum. */
void metrics_write(struct metrics *metrics, struct buf *out);
uint64_t metrics_total(const struct metrics *metrics);

#endif
