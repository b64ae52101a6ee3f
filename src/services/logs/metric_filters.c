/* PutMetricFilter, DescribeMetricFilters, DeleteMetricFilter, TestMetricFilter. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/logs/filters.h"
#include "store/record.h"

/* "CloudWatch Logs quotas", User Guide. */
enum { METRIC_FILTERS_MAX = 100, FILTERS_PAGE = 50, DIMENSIONS_MAX = 3 };

/* All filters of an account by name: their groups' names. */
static struct key index_key(struct call *call, struct str name, struct str group)
{
    struct key key = call_key(call, STR("metric-filter"));
    if (!str_is_absent(name)) {
        key_str(&key, name);
        key_str(&key, group);
    }
    return key;
}

/* --- PutMetricFilter --- */

/* A number, "$name", "$.path" or "$1". */
static bool is_metric_value(struct str text)
{
    double number;
    return str_starts_with(text, STR("$")) ? text.len > 1 : str_to_double(text, &number);
}

static RESULT check_transformation(struct call *call, const struct logs_MetricTransformation *in)
{
    if (!is_metric_value(in->metricValue))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Invalid metric transformation: metricValue must be a number or a "
                         "selector that begins with $.");
    if (str_find_char(in->metricName, ':') != SIZE_MAX ||
        str_find_char(in->metricNamespace, ':') != SIZE_MAX ||
        str_starts_with(in->metricNamespace, STR("AWS/")))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Invalid metric transformation: the metric's name or namespace is not "
                         "valid.");
    if (in->dimensions.len > 0 && in->defaultValue.set)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Invalid metric transformation: dimensions and default value are mutually "
                         "exclusive properties.");
    if (in->dimensions.len > DIMENSIONS_MAX)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Invalid metric transformation: at most %d dimensions are allowed.",
                         DIMENSIONS_MAX);
    for (size_t i = 0; i < in->dimensions.len; i++)
        if (!str_starts_with(in->dimensions.items[i].value, STR("$")))
            return call_fail(call, LOGS_INVALID_PARAMETER,
                             "Invalid metric transformation: the value of dimension %.*s must be a "
                             "selector that begins with $.",
                             PRSTR(in->dimensions.items[i].key));
    return RESULT_OK;
}

static RESULT check_filter(struct call *call, const struct logs_PutMetricFilterRequest *in,
                           struct pattern **pattern)
{
    if (in->applyOnTransformedLogs.set && in->applyOnTransformedLogs.value)
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "applyOnTransformedLogs is not implemented: events are not transformed.");
    if (!str_is_absent(in->fieldSelectionCriteria))
        return call_fail(call, LOGS_NOT_IMPLEMENTED, "fieldSelectionCriteria is not implemented.");
    if (in->emitSystemFieldDimensions.len > 0)
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "emitSystemFieldDimensions is not implemented.");
    TRY(filters_pattern(call, in->filterPattern, pattern));
    for (size_t i = 0; i < in->metricTransformations.len; i++)
        TRY(check_transformation(call, &in->metricTransformations.items[i]));
    return RESULT_OK;
}

RESULT logs_PutMetricFilter(struct call *call, const struct logs_PutMetricFilterRequest *in,
                            struct logs_PutMetricFilterResult *out)
{
    struct logs_group group;
    struct logs_metric_filter old;
    struct pattern *pattern;
    bool found;
    (void)out;
    TRY(check_filter(call, in, &pattern));
    TRY(group_find(call, in->logGroupName, &group));
    struct key key = metric_filter_key(call, (uint64_t)group.id, in->filterName);
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_metric_filter, &old, &found));
    TRY(filters_check_regexes(call, &group, pattern, &key));
    if (!found) {
        struct key index = index_key(call, in->filterName, group.name);
        if (group.metric_filters >= METRIC_FILTERS_MAX)
            return call_fail(call, LOGS_LIMIT_EXCEEDED, "Resource limit exceeded.");
        group.metric_filters++;
        TRY(group_put(call, &group));
        TRY(kv_put(call->txn, key_bytes(&index), STR("")));
    }
    const struct logs_metric_filter made = {
        .name = in->filterName,
        .pattern = in->filterPattern,
        .created_ms = found ? old.created_ms : call->now_ms,
        .transformations = in->metricTransformations,
    };
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_metric_filter, &made);
}

/* --- DeleteMetricFilter --- */

RESULT logs_DeleteMetricFilter(struct call *call, const struct logs_DeleteMetricFilterRequest *in,
                               struct logs_DeleteMetricFilterResult *out)
{
    struct logs_group group;
    bool existed;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    struct key key = metric_filter_key(call, (uint64_t)group.id, in->filterName);
    struct key index = index_key(call, in->filterName, group.name);
    TRY(kv_delete(call->txn, key_bytes(&key), &existed));
    if (!existed)
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                         "The specified metric filter does not exist.");
    TRY(kv_delete(call->txn, key_bytes(&index), NULL));
    group.metric_filters--;
    return group_put(call, &group);
}

RESULT metric_filters_drop(struct call *call, const struct logs_group *group)
{
    struct key prefix = metric_filter_key(call, (uint64_t)group->id, (struct str){0});
    struct kv_cursor *cursor;
    if (group->metric_filters == 0)
        return RESULT_OK;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct str key, value, name;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_str(&reader, &name))
            return FAULT("the key of a metric filter is broken");
        struct key index = index_key(call, name, group->name);
        TRY(kv_delete(call->txn, key_bytes(&index), NULL));
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* --- DescribeMetricFilters --- */

struct listing {
    const struct logs_DescribeMetricFiltersRequest *in;
    struct logs_MetricFilters *out;
    size_t limit, cap;
    struct str after; /* names up to this one, or with their groups, were shown before */
    bool full;
    struct str last;
};

static bool is_wanted(const struct logs_DescribeMetricFiltersRequest *in,
                      const struct logs_metric_filter *filter)
{
    if (!str_is_absent(in->filterNamePrefix) &&
        !str_starts_with(filter->name, in->filterNamePrefix))
        return false;
    if (str_is_absent(in->metricName))
        return true;
    for (size_t i = 0; i < filter->transformations.len; i++)
        if (str_eq(filter->transformations.items[i].metricName, in->metricName) &&
            str_eq(filter->transformations.items[i].metricNamespace, in->metricNamespace))
            return true;
    return false;
}

/* place: where a page may go on after. */
static void list_add(struct call *call, struct listing *listing, struct str place, struct str group,
                     const struct logs_metric_filter *filter)
{
    if (!is_wanted(listing->in, filter) ||
        (!str_is_absent(listing->after) && str_cmp(place, listing->after) <= 0))
        return;
    if (listing->out->len == listing->limit) {
        listing->full = true;
        return;
    }
    const struct logs_MetricFilter shown = {
        .filterName = filter->name,
        .filterPattern = filter->pattern,
        .metricTransformations = filter->transformations,
        .creationTime = opt_long(filter->created_ms),
        .logGroupName = group,
        .applyOnTransformedLogs = opt_bool(false),
    };
    VEC_PUSH(call->arena, listing->out->items, listing->out->len, listing->cap, shown);
    listing->last = place;
}

static RESULT list_group(struct call *call, struct listing *listing)
{
    struct logs_group group;
    struct kv_cursor *cursor;
    TRY(group_find(call, listing->in->logGroupName, &group));
    struct key prefix = metric_filter_key(call, (uint64_t)group.id, (struct str){0});
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (!listing->full) {
        struct logs_metric_filter filter;
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_metric_filter, value, &filter));
        list_add(call, listing, filter.name, group.name, &filter);
    }
    return RESULT_OK;
}

static RESULT list_account(struct call *call, struct listing *listing)
{
    struct key all = index_key(call, (struct str){0}, (struct str){0});
    struct kv_cursor *cursor;
    size_t base = key_bytes(&all).len;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    if (!str_is_absent(listing->after))
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, key_bytes(&all), listing->after)));
    while (!listing->full) {
        struct logs_metric_filter filter;
        struct logs_group group;
        struct str key, value, name, group_name;
        bool found;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        struct str place = str_copy(call->arena, str_slice(key, base, key.len));
        struct key_reader reader = key_read(call->arena, place);
        if (!key_next_str(&reader, &name) || !key_next_str(&reader, &group_name))
            return FAULT("the key of a metric filter is broken");
        TRY(group_find(call, group_name, &group));
        struct key at = metric_filter_key(call, (uint64_t)group.id, name);
        TRY(call_get_record_copy(call, &at, &logs_model, LOGS_SHAPE_metric_filter, &filter,
                                 &found));
        if (found)
            list_add(call, listing, place, group.name, &filter);
    }
    return RESULT_OK;
}

RESULT logs_DescribeMetricFilters(struct call *call,
                                  const struct logs_DescribeMetricFiltersRequest *in,
                                  struct logs_DescribeMetricFiltersResponse *out)
{
    struct listing listing = {
        .in = in,
        .out = &out->metricFilters,
        .limit = in->limit.set ? (size_t)in->limit.value : FILTERS_PAGE,
        .cap = 1,
    };
    if (str_is_absent(in->metricName) != str_is_absent(in->metricNamespace))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "metricName and metricNamespace must be specified together.");
    TRY(logs_page(call, in->nextToken, &listing.after));
    out->metricFilters.items = ARENA_NEW(call->arena, struct logs_MetricFilter);
    TRY(str_is_absent(in->logGroupName) ? list_account(call, &listing)
                                        : list_group(call, &listing));
    if (listing.full)
        out->nextToken = paging_token(call, listing.last);
    return RESULT_OK;
}

/* --- TestMetricFilter --- */

RESULT logs_TestMetricFilter(struct call *call, const struct logs_TestMetricFilterRequest *in,
                             struct logs_TestMetricFilterResponse *out)
{
    struct pattern *pattern;
    size_t cap = 1;
    TRY(filters_pattern(call, in->filterPattern, &pattern));
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
