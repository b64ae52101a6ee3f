/* A log-linear histogram of nanoseconds: 128 equal buckets in every power of two, so that any value
 * is known to 0.8 %, at a fixed cost in memory and time. */
#ifndef KUMONIWA_BENCH_HISTOGRAM_H
#define KUMONIWA_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BUCKETS = 128 * (40 - 7 + 1)
}; /* up to 2^40 ns, 18 minutes; longer counts as that */

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t sum;
    uint64_t max;
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t ns);
/* The value that `quantile` (0..1) of all values do not exceed, to the bucket's upper end; 0 when
 * empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);
uint64_t histogram_mean(const struct histogram *histogram);

#endif
