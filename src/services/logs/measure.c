/* Metric filters: "Creating metrics from log events using filters", User Guide. What they find goes
 * to who keeps metrics (cloud/metric_data.h), and as long as nobody does, into minutes here:
 *
 *   ("logs", account, region, "metric", namespace, name, dimensions as JSON, minute's ms)
 * metric_minute
 */
#include <math.h>

#include "base/vec.h"
#include "cloud/metric_data.h"
#include "services/logs/filters.h"
#include "store/record.h"
#include "wire/json_text.h"
#include "wire/wire.h"

enum { MINUTE_MS = 60000 };

struct key metric_filter_key(struct call *call, uint64_t group, struct str name)
{
    struct key key = log_key_of(call->arena, STR("logs-metric-filter"), group);
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

/* --- finding values --- */

struct found_values {
    struct metric_value *items;
    size_t len, cap;
};

/* A number, or a selector of one. */
static bool value_of(const struct pattern *pattern, struct arena *arena, struct str text,
                     struct str message, double *out)
{
    if (str_starts_with(text, STR("$")))
        text = log_pattern_value(pattern, arena, message, text);
    return !str_is_absent(text) && str_to_double(str_trim(text), out) && isfinite(*out);
}

/* False: one of them is not in the event, and it counts for nothing. */
static bool dimensions_of(const struct pattern *pattern, struct arena *arena,
                          const struct str_map *wanted, struct str message, struct str_map *out)
{
    *out = (struct str_map){ARENA_ARRAY(arena, wanted->len + 1, struct str_map_entry), wanted->len};
    for (size_t i = 0; i < wanted->len; i++) {
        struct str value = wanted->items[i].value;
        if (str_starts_with(value, STR("$")))
            value = log_pattern_value(pattern, arena, message, value);
        if (str_is_absent(value) || str_is_empty(value))
            return false;
        out->items[i] = (struct str_map_entry){wanted->items[i].key, value};
    }
    return true;
}

static void measure_event(struct call *call, const struct logs_metric_filter *filter,
                          const struct pattern *pattern, const struct log_event *event,
                          struct found_values *out)
{
    for (size_t i = 0; i < filter->transformations.len; i++) {
        const struct logs_MetricTransformation *wanted = &filter->transformations.items[i];
        struct metric_value value = {.space = wanted->metricNamespace,
                                     .name = wanted->metricName,
                                     .unit = wanted->unit,
                                     .time_ms = event->at.ms};
        if (value_of(pattern, call->arena, wanted->metricValue, event->message, &value.value) &&
            dimensions_of(pattern, call->arena, &wanted->dimensions, event->message,
                          &value.dimensions))
            VEC_PUSH(call->arena, out->items, out->len, out->cap, value);
    }
}

static void measure_default(struct call *call, const struct logs_metric_filter *filter,
                            const struct log_event *event, struct found_values *out)
{
    for (size_t i = 0; i < filter->transformations.len; i++) {
        const struct logs_MetricTransformation *wanted = &filter->transformations.items[i];
        const struct metric_value value = {.space = wanted->metricNamespace,
                                           .name = wanted->metricName,
                                           .unit = wanted->unit,
                                           .time_ms = event->at.ms,
                                           .value = wanted->defaultValue.value,
                                           .is_default = true};
        if (wanted->defaultValue.set)
            VEC_PUSH(call->arena, out->items, out->len, out->cap, value);
    }
}

static RESULT measure(struct call *call, const struct logs_metric_filter *filter,
                      const struct log_event *events, size_t count, struct found_values *out)
{
    struct pattern *pattern;
    struct arena *scratch = arena_new_child(call->arena);
    TRY(filters_pattern(call, filter->pattern, &pattern));
    for (size_t i = 0; i < count; i++) {
        if (log_pattern_matches(pattern, scratch, events[i].message))
            measure_event(call, filter, pattern, &events[i], out);
        else
            measure_default(call, filter, &events[i], out);
        arena_reset(scratch);
    }
    return RESULT_OK;
}

/* --- keeping them --- */

static void put_dimensions(struct buf *out, const struct str_map *dimensions)
{
    buf_append_char(out, '{');
    for (size_t i = 0; i < dimensions->len; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        wire_json_write_string(out, dimensions->items[i].key);
        buf_append_char(out, ':');
        wire_json_write_string(out, dimensions->items[i].value);
    }
    buf_append_char(out, '}');
}

static RESULT minute_add(struct call *call, const struct metric_value *value)
{
    struct key key = call_key(call, STR("metric"));
    struct logs_metric_minute minute;
    struct buf dimensions;
    bool found;
    buf_init(&dimensions, call->arena, SIZE_MAX);
    put_dimensions(&dimensions, &value->dimensions);
    key_str(&key, value->space);
    key_str(&key, value->name);
    key_str(&key, buf_str(&dimensions));
    key_i64(&key, value->time_ms - value->time_ms % MINUTE_MS);
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_metric_minute, &minute, &found));
    if (found && value->is_default) /* it says nothing new */
        return RESULT_OK;
    if (!found || minute.only_default)
        minute = (struct logs_metric_minute){
            .least = value->value, .most = value->value, .only_default = value->is_default};
    minute.count++;
    minute.sum += value->value;
    minute.least = value->value < minute.least ? value->value : minute.least;
    minute.most = value->value > minute.most ? value->value : minute.most;
    minute.unit = str_is_absent(value->unit) ? LOGS_STANDARD_UNIT_NONE : value->unit;
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_metric_minute, &minute);
}

RESULT logs_deliver_measure(struct call *call, const struct outbox_item *item)
{
    const struct metric_keeper *keeper = metric_keeper_of(call->cloud);
    struct found_values found = {0};
    struct logs_came came;
    struct logs_group group;
    struct log_event *events;
    struct kv_cursor *cursor;
    size_t count;
    TRY(filters_read(call, item, &came, &group, &events, &count));
    if (count == 0)
        return RESULT_OK;
    struct key prefix = metric_filter_key(call, (uint64_t)group.id, (struct str){0});
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct logs_metric_filter filter;
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_metric_filter, value, &filter));
        TRY(measure(call, &filter, events, count, &found));
    }
    kv_cursor_close(cursor);
    if (keeper != NULL && found.len > 0)
        return keeper->keep(call, found.items, found.len);
    for (size_t i = 0; i < found.len; i++)
        TRY(minute_add(call, &found.items[i]));
    return RESULT_OK;
}

/* --- the page of what is kept here --- */

static RESULT show_minute(struct call *call, struct str key_rest, struct str value, bool first,
                          struct buf *out)
{
    struct key_reader reader = key_read(call->arena, key_rest);
    struct logs_metric_minute minute;
    struct str space, name, dimensions;
    int64_t ms;
    if (!key_next_str(&reader, &space) || !key_next_str(&reader, &name) ||
        !key_next_str(&reader, &dimensions) || !key_next_i64(&reader, &ms))
        return FAULT("the key of a metric is broken");
    TRY(record_decode(call->arena, &logs_model, LOGS_SHAPE_metric_minute, value, &minute));
    buf_append(out, first ? STR("\n{\"Namespace\":") : STR(",\n{\"Namespace\":"));
    wire_json_write_string(out, space);
    buf_append(out, STR(",\"MetricName\":"));
    wire_json_write_string(out, name);
    buf_append_format(out, ",\"Dimensions\":%.*s,\"Timestamp\":%lld,\"SampleCount\":%lld",
                      PRSTR(dimensions), (long long)ms, (long long)minute.count);
    buf_append_format(out,
                      ",\"Sum\":%.17g,\"Minimum\":%.17g,\"Maximum\":%.17g,\"Unit\":", minute.sum,
                      minute.least, minute.most);
    wire_json_write_string(out, minute.unit);
    buf_append_char(out, '}');
    return RESULT_OK;
}

/* /_kumoniwa/logs/metrics: minutes of the default region's account 000000000000, or of
 * /_kumoniwa/logs/metrics/ACCOUNT/REGION; the first 10,000. */
RESULT logs_answer_metrics(struct call *call, struct wire_response *response)
{
    enum { SHOWN = 10000 };
    struct str path = call->request->path, prefix = STR("/_kumoniwa/logs/metrics/");
    struct str account = STR("000000000000"), region = call->cloud->default_region;
    struct kv_cursor *cursor;
    struct buf out;
    if (str_starts_with(path, prefix) &&
        !str_cut(str_slice(path, prefix.len, path.len), '/', &account, &region)) {
        response->status = 404;
        return RESULT_OK;
    }
    call->account = account;
    call->region = region;
    struct key all = call_key(call, STR("metric"));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append(&out, STR("{\"Metrics\":["));
    for (size_t i = 0; i < SHOWN; i++) {
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(show_minute(call, str_slice(key, key_bytes(&all).len, key.len), value, i == 0, &out));
    }
    buf_append(&out, STR("]}\n"));
    response->headers = ARENA_NEW(call->arena, struct wire_header);
    response->headers[0] = (struct wire_header){STR("content-type"), STR("application/json")};
    response->header_count = 1;
    response->body = buf_str(&out);
    return RESULT_OK;
}
