/* Logs Insights QL: stats. "stats", "CloudWatch Logs Insights language query syntax", User Guide.
 */
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "services/logs/query.h"

/* Percentiles are exact up to so many values; beyond them values are counted in buckets that are
 * one percent wide, from 1e-9 to 1e15, and a percentile is off by half of that at most. */
enum { EXACT_MAX = 16384, BUCKETS = 5600 };
#define BUCKET_WIDTH 1.01
#define BUCKET_LEAST 1e-9

struct percentile {
    double *values;
    size_t count, cap;
    uint64_t *below, *above, zero; /* buckets by size of negative and positive values */
    uint64_t total;
};
struct accumulator {
    uint64_t count;
    double sum, mean, square;
    struct value value;
    struct map *seen;
    struct percentile *percentile;
};
struct group {
    struct value *by;
    struct accumulator *accumulators;
};
struct stats {
    struct arena *arena;
    const struct command *command;
    struct map by_key;
    struct group **groups;
    size_t count, cap;
};

int query_aggregate(struct str name)
{
    static const struct {
        struct str name;
        enum aggregate aggregate;
    } names[] = {
        {STR_INIT("count"), AGGREGATE_COUNT},
        {STR_INIT("count_distinct"), AGGREGATE_DISTINCT},
        {STR_INIT("sum"), AGGREGATE_SUM},
        {STR_INIT("avg"), AGGREGATE_AVG},
        {STR_INIT("min"), AGGREGATE_MIN},
        {STR_INIT("max"), AGGREGATE_MAX},
        {STR_INIT("stddev"), AGGREGATE_STDDEV},
        {STR_INIT("pct"), AGGREGATE_PCT},
        {STR_INIT("percentile"), AGGREGATE_PCT},
        {STR_INIT("median"), AGGREGATE_MEDIAN},
        {STR_INIT("earliest"), AGGREGATE_EARLIEST},
        {STR_INIT("latest"), AGGREGATE_LATEST},
        {STR_INIT("sortsFirst"), AGGREGATE_FIRST},
        {STR_INIT("sortsLast"), AGGREGATE_LAST},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq_nocase(names[i].name, name))
            return (int)names[i].aggregate;
    return -1;
}

/* --- percentiles --- */

static size_t bucket_of(double size)
{
    double at = log(size / BUCKET_LEAST) / log(BUCKET_WIDTH);
    return at < 0 ? 0 : at >= BUCKETS - 1 ? BUCKETS - 1 : (size_t)at;
}

static double bucket_middle(size_t bucket)
{
    return BUCKET_LEAST * pow(BUCKET_WIDTH, (double)bucket + 0.5);
}

static void bucket_add(struct percentile *percentile, double value)
{
    if (value > 0)
        percentile->above[bucket_of(value)]++;
    else if (value < 0)
        percentile->below[bucket_of(-value)]++;
    else
        percentile->zero++;
}

static void percentile_add(struct arena *arena, struct percentile *percentile, double value)
{
    percentile->total++;
    if (percentile->above != NULL) {
        bucket_add(percentile, value);
        return;
    }
    VEC_PUSH(arena, percentile->values, percentile->count, percentile->cap, value);
    if (percentile->count < EXACT_MAX)
        return;
    percentile->above = ARENA_ARRAY(arena, BUCKETS, uint64_t);
    percentile->below = ARENA_ARRAY(arena, BUCKETS, uint64_t);
    for (size_t i = 0; i < percentile->count; i++)
        bucket_add(percentile, percentile->values[i]);
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Between two values in proportion, as percentiles are where values are few. */
static double percentile_exact(struct percentile *percentile, double percent)
{
    double at = percent / 100 * (double)(percentile->count - 1);
    size_t low = (size_t)at, high = low + 1 < percentile->count ? low + 1 : low;
    qsort(percentile->values, percentile->count, sizeof *percentile->values, by_size);
    return percentile->values[low] +
           (at - (double)low) * (percentile->values[high] - percentile->values[low]);
}

static struct value percentile_value(struct percentile *percentile, double percent)
{
    if (percentile == NULL || percentile->total == 0 || !(percent >= 0 && percent <= 100))
        return (struct value){0};
    if (percentile->above == NULL)
        return value_of_number(percentile_exact(percentile, percent));
    uint64_t seen = 0, wanted = (uint64_t)(percent / 100 * (double)(percentile->total - 1));
    for (size_t i = BUCKETS; i-- > 0;)
        if ((seen += percentile->below[i]) > wanted)
            return value_of_number(-bucket_middle(i));
    if ((seen += percentile->zero) > wanted)
        return value_of_number(0);
    for (size_t i = 0; i < BUCKETS; i++)
        if ((seen += percentile->above[i]) > wanted)
            return value_of_number(bucket_middle(i));
    return (struct value){0};
}

/* --- groups --- */

struct stats *stats_new(struct arena *arena, const struct command *command)
{
    struct stats *stats = ARENA_NEW(arena, struct stats);
    stats->arena = arena;
    stats->command = command;
    map_init(&stats->by_key, arena);
    return stats;
}

static struct group *group_of(struct stats *stats, const struct evaluation *evaluation)
{
    const struct command *command = stats->command;
    struct value *by = ARENA_ARRAY(evaluation->arena, command->by_count + 1, struct value);
    struct buf key;
    buf_init(&key, evaluation->arena, SIZE_MAX);
    for (size_t i = 0; i < command->by_count; i++) {
        by[i] = query_evaluate(evaluation, command->by[i].expr);
        struct str text = value_text(evaluation->arena, &by[i]);
        buf_append_char(&key, by[i].kind == VALUE_NONE ? 'n' : 'v');
        buf_append_u64(&key, text.len);
        buf_append_char(&key, ':');
        buf_append(&key, text);
    }
    struct group *group = map_get(&stats->by_key, buf_str(&key));
    if (group != NULL)
        return group;
    group = ARENA_NEW(stats->arena, struct group);
    group->by = ARENA_ARRAY(stats->arena, command->by_count + 1, struct value);
    for (size_t i = 0; i < command->by_count; i++)
        group->by[i] = value_copy(stats->arena, &by[i]);
    group->accumulators =
        ARENA_ARRAY(stats->arena, command->aggregate_count + 1, struct accumulator);
    map_put(&stats->by_key, str_copy(stats->arena, buf_str(&key)), group);
    VEC_PUSH(stats->arena, stats->groups, stats->count, stats->cap, group);
    return group;
}

static void keep(struct arena *arena, struct accumulator *to, const struct value *value)
{
    to->value = value_copy(arena, value);
}

static void see(struct arena *arena, struct accumulator *to, struct str text)
{
    if (to->seen == NULL) {
        to->seen = ARENA_NEW(arena, struct map);
        map_init(to->seen, arena);
    }
    if (map_get(to->seen, text) == NULL)
        map_put(to->seen, str_copy(arena, text), to);
}

static void add_number(struct arena *arena, struct accumulator *to, enum aggregate aggregate,
                       double number)
{
    double away = number - to->mean;
    to->count++;
    to->sum += number;
    to->mean += away / (double)to->count;
    to->square += away * (number - to->mean);
    if (aggregate != AGGREGATE_PCT && aggregate != AGGREGATE_MEDIAN)
        return;
    if (to->percentile == NULL)
        to->percentile = ARENA_NEW(arena, struct percentile);
    percentile_add(arena, to->percentile, number);
}

static void accumulate(struct stats *stats, const struct evaluation *evaluation,
                       const struct expr *expr, struct accumulator *to)
{
    enum aggregate aggregate = (enum aggregate)expr->function;
    struct value value = {0};
    double number;
    if (expr->count == 0) { /* count(*) */
        to->count++;
        return;
    }
    value = query_evaluate(evaluation, expr->args[0]);
    if (value.kind == VALUE_NONE)
        return;
    int order = to->value.kind == VALUE_NONE ? 0 : value_cmp(evaluation->arena, &value, &to->value);
    bool first = to->value.kind == VALUE_NONE;
    switch (aggregate) {
    case AGGREGATE_COUNT:
        to->count++;
        break;
    case AGGREGATE_DISTINCT:
        see(stats->arena, to, value_text(evaluation->arena, &value));
        break;
    case AGGREGATE_MIN:
    case AGGREGATE_FIRST:
        if (first || order < 0)
            keep(stats->arena, to, &value);
        break;
    case AGGREGATE_MAX:
    case AGGREGATE_LAST:
        if (first || order > 0)
            keep(stats->arena, to, &value);
        break;
    case AGGREGATE_LATEST: /* events come newest first */
        if (first)
            keep(stats->arena, to, &value);
        break;
    case AGGREGATE_EARLIEST:
        if (first || order != 0)
            keep(stats->arena, to, &value);
        break;
    case AGGREGATE_SUM:
    case AGGREGATE_AVG:
    case AGGREGATE_STDDEV:
    case AGGREGATE_PCT:
    case AGGREGATE_MEDIAN:
        if (value_number(&value, &number))
            add_number(stats->arena, to, aggregate, number);
        break;
    }
}

void stats_add(struct stats *stats, const struct evaluation *evaluation)
{
    struct group *group = group_of(stats, evaluation);
    for (size_t i = 0; i < stats->command->aggregate_count; i++)
        accumulate(stats, evaluation, stats->command->aggregates[i], &group->accumulators[i]);
}

/* --- results --- */

static struct value result_of(const struct evaluation *evaluation, const struct expr *expr,
                              struct accumulator *from)
{
    struct value percent;
    double number = 50, count = (double)from->count;
    switch ((enum aggregate)expr->function) {
    case AGGREGATE_COUNT:
        return value_of_number(count);
    case AGGREGATE_DISTINCT:
        return value_of_number(from->seen == NULL ? 0 : (double)from->seen->live);
    case AGGREGATE_SUM:
        return from->count == 0 ? (struct value){0} : value_of_number(from->sum);
    case AGGREGATE_AVG:
        return from->count == 0 ? (struct value){0} : value_of_number(from->sum / count);
    case AGGREGATE_STDDEV:
        return from->count == 0 ? (struct value){0} : value_of_number(sqrt(from->square / count));
    case AGGREGATE_PCT:
        percent = query_evaluate(evaluation, expr->args[1]);
        if (!value_number(&percent, &number))
            return (struct value){0};
        return percentile_value(from->percentile, number);
    case AGGREGATE_MEDIAN:
        return percentile_value(from->percentile, number);
    case AGGREGATE_MIN:
    case AGGREGATE_MAX:
    case AGGREGATE_EARLIEST:
    case AGGREGATE_LATEST:
    case AGGREGATE_FIRST:
    case AGGREGATE_LAST:
        break;
    }
    return from->value;
}

/* Without "by" there is one row, even of no events. */
bool stats_next(struct stats *stats, struct arena *arena, int64_t now_ms, size_t *at,
                struct row *out)
{
    const struct command *command = stats->command;
    struct row none = {0};
    struct evaluation evaluation = {.arena = arena, .row = &none, .now_ms = now_ms};
    if (stats->count == 0 && command->by_count == 0)
        (void)group_of(stats, &evaluation);
    if (*at == stats->count)
        return false;
    struct group *group = stats->groups[(*at)++];
    struct value *results = ARENA_ARRAY(arena, command->aggregate_count + 1, struct value);
    for (size_t i = 0; i < command->aggregate_count; i++)
        results[i] = result_of(&evaluation, command->aggregates[i], &group->accumulators[i]);
    *out = (struct row){.looked = true};
    for (size_t i = 0; i < command->by_count; i++) {
        struct named_value value = {command->by[i].name, group->by[i]};
        VEC_PUSH(arena, out->values, out->count, out->cap, value);
    }
    evaluation.row = out;
    evaluation.aggregates = results;
    for (size_t i = 0; i < command->count; i++) {
        struct named_value value = {command->items[i].name,
                                    query_evaluate(&evaluation, command->items[i].expr)};
        VEC_PUSH(arena, out->values, out->count, out->cap, value);
    }
    return true;
}
