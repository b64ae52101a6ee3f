#include "services/logs/filters.h"

#include "services/logs/mask.h"
#include "services/logs/tail.h"
#include "store/record.h"

static RESULT item_post(struct call *call, struct str topic, const struct logs_came *came)
{
    struct buf bytes;
    struct str lane = str_format(call->arena, "%lld/%s/%.*s", (long long)came->group_id,
                                 came->of_account ? "account" : "group", PRSTR(came->filter));
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &logs_model, LOGS_SHAPE_came, came));
    return outbox_post(call, topic, lane, buf_str(&bytes));
}

/* One item a subscription: each goes on by itself. */
static RESULT subscriptions_wake(struct call *call, struct logs_came *came)
{
    struct key prefix = subscription_key(call, (uint64_t)came->group_id, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct logs_subscription subscription;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_subscription, value,
                               &subscription));
        came->filter = subscription.name;
        TRY(item_post(call, STR("logs.subscription"), came));
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT filters_wake(struct call *call, const struct logs_group *group,
                    const struct logs_stream *stream, const struct log_event *events, size_t count)
{
    struct logs_subscription subscription;
    bool found;
    struct logs_came came = {
        .group = group->name,
        .group_id = group->id,
        .stream = stream->name,
        .stream_id = stream->id,
        .number = (int64_t)events[0].at.number,
        .count = (int64_t)count,
        .from_ms = events[0].at.ms,
        .to_ms = events[count - 1].at.ms,
    };
    if (tail_is_watched(call->cloud, (uint64_t)group->id))
        TRY(item_post(call, STR("logs.tail"), &came));
    if (group->metric_filters > 0)
        TRY(item_post(call, STR("logs.measure"), &came));
    if (group->subscriptions > 0)
        TRY(subscriptions_wake(call, &came));
    TRY(account_subscription(call, group->name, &subscription, &found));
    if (!found)
        return RESULT_OK;
    came.filter = subscription.name;
    came.of_account = true;
    return item_post(call, STR("logs.subscription"), &came);
}

/* They stand in the tail as they came, until they are packed. */
static RESULT read_tail(struct call *call, const struct logs_came *came, struct log_event **events,
                        size_t *count)
{
    struct key key = log_key_tail(call->arena, (uint64_t)came->group_id, (uint64_t)came->stream_id);
    struct str value;
    struct log_batch batch;
    key_u64(&key, (uint64_t)came->number);
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    *count = 0;
    if (str_is_absent(value))
        return RESULT_OK;
    TRY(log_batch_read(str_copy(call->arena, value), &batch));
    TRY(log_batch_events(call->arena, &batch, events));
    *count = batch.count;
    return RESULT_OK;
}

static RESULT read_segments(struct call *call, const struct logs_came *came, int64_t span_ms,
                            const struct log_masks *masks, struct log_event **events, size_t *count)
{
    const struct log_stream_id id = {(uint64_t)came->group_id, (uint64_t)came->stream_id, span_ms,
                                     masks};
    const struct log_range range = {{came->from_ms, 0}, {came->to_ms, UINT64_MAX}, false};
    uint64_t first = (uint64_t)came->number, end = first + (uint64_t)came->count;
    const struct log_event *event;
    struct log_reader *reader;
    *events = ARENA_ARRAY(call->arena, (size_t)came->count, struct log_event);
    TRY(log_reader_open(call->arena, call->txn, &id, &range, &reader));
    for (;;) {
        TRY(log_reader_next(reader, &event));
        if (event == NULL || *count == (size_t)came->count)
            break;
        if (event->at.number < first || event->at.number >= end)
            continue;
        (*events)[*count] = *event;
        (*events)[(*count)++].message = str_copy(call->arena, event->message);
    }
    log_reader_close(reader);
    return RESULT_OK;
}

RESULT filters_read(struct call *call, const struct outbox_item *item, struct logs_came *came,
                    struct logs_group *group, struct log_event **events, size_t *count)
{
    struct logs_stream stream;
    bool found;
    *count = 0;
    TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_came, item->payload, came));
    struct key key = call_key(call, STR("group"));
    key_str(&key, came->group);
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_group, group, &found));
    if (!found || group->id != came->group_id)
        return RESULT_OK;
    struct key stream_at = stream_key(call, group, came->stream);
    TRY(call_get_record_copy(call, &stream_at, &logs_model, LOGS_SHAPE_stream, &stream, &found));
    if (!found || stream.id != came->stream_id)
        return RESULT_OK;
    const struct log_masks *masks;
    TRY(protection_masks(call, group, false, &masks));
    TRY(read_tail(call, came, events, count));
    for (size_t i = 0; masks != NULL && i < *count; i++)
        (*events)[i].message = log_mask(masks, call->arena, &(*events)[i]);
    return *count > 0 ? RESULT_OK : read_segments(call, came, stream.span_ms, masks, events, count);
}

RESULT filters_pattern(struct call *call, struct str text, struct pattern **out)
{
    struct str problem;
    if (log_pattern_parse(call->arena, text, out, &problem))
        return RESULT_OK;
    return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid filter pattern: %.*s", PRSTR(problem));
}

/* "There is a maximum of 5 filter patterns containing regex for each log group when creating metric
 * filters or subscription filters." */
enum { REGEX_FILTERS_MAX = 5 };

static RESULT pattern_of(struct call *call, bool subscription, struct str value, struct str *out)
{
    struct logs_subscription one;
    struct logs_metric_filter other;
    if (subscription) {
        TRY(record_decode(call->arena, &logs_model, LOGS_SHAPE_subscription, value, &one));
        *out = one.pattern;
    } else {
        TRY(record_decode(call->arena, &logs_model, LOGS_SHAPE_metric_filter, value, &other));
        *out = other.pattern;
    }
    return RESULT_OK;
}

RESULT filters_check_regexes(struct call *call, const struct logs_group *group,
                             const struct pattern *pattern, const struct key *key)
{
    size_t count = 0;
    for (int kind = 0; kind < 2 && log_pattern_has_regex(pattern); kind++) {
        struct key all = kind == 0 ? metric_filter_key(call, (uint64_t)group->id, (struct str){0})
                                   : subscription_key(call, (uint64_t)group->id, (struct str){0});
        struct kv_cursor *cursor;
        TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
        for (;;) {
            struct str at, value, text;
            struct pattern *other;
            TRY(kv_next(cursor, &at, &value));
            if (str_is_absent(at))
                break;
            TRY(pattern_of(call, kind == 1, value, &text));
            TRY(filters_pattern(call, text, &other));
            count += !str_eq(at, key_bytes(key)) && log_pattern_has_regex(other);
        }
        kv_cursor_close(cursor);
    }
    return count < REGEX_FILTERS_MAX
               ? RESULT_OK
               : call_fail(call, LOGS_LIMIT_EXCEEDED, "Resource limit exceeded.");
}

struct str filters_source_arn(struct call *call, struct str group)
{
    return str_concat(call->arena, group_arn(call, group), STR(":*"));
}
