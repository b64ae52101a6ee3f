#include "histogram.h"

#include <stddef.h>
#include <string.h>

enum { LINEAR_BITS = 7, LINEAR = 1 << LINEAR_BITS };

/* Below 128 a value is its own bucket. Above, the seven bits behind the leading one choose the
 * bucket. */
static size_t bucket_of(uint64_t ns)
{
    if (ns < LINEAR)
        return (size_t)ns;
    unsigned shift = 63U - (unsigned)__builtin_clzll(ns) - LINEAR_BITS;
    size_t bucket = ((size_t)shift + 1) * LINEAR + (size_t)((ns >> shift) - LINEAR);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_end(size_t bucket)
{
    if (bucket < LINEAR)
        return bucket;
    unsigned shift = (unsigned)(bucket / LINEAR) - 1;
    return ((bucket % LINEAR + LINEAR + 1) << shift) - 1;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[bucket_of(ns)]++;
    histogram->total++;
    histogram->sum += ns;
    if (ns > histogram->max)
        histogram->max = ns;
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    uint64_t wanted = (uint64_t)(quantile * (double)histogram->total + 0.5);
    uint64_t seen = 0;
    if (wanted == 0)
        wanted = 1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted) {
            uint64_t value = upper_end(i);
            return value < histogram->max ? value : histogram->max;
        }
    }
    return histogram->max;
}

uint64_t histogram_mean(const struct histogram *histogram)
{
    return histogram->total == 0 ? 0 : histogram->sum / histogram->total;
}
