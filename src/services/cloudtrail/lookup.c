/* LookupEvents: the history walked backwards, all of it or the batches that have a value of an
 * attribute. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/cloudtrail/events.h"
#include "store/record.h"

/* Events stand in the order in which they came: their times, taken by several threads, are out of
 * order by a little. */
enum { DISORDER_MS = 1000, ID_DISORDER_MS = 100 };

struct lookup {
    struct call *call;
    const struct cloudtrail_LookupEventsRequest *in;
    struct cloudtrail_LookupEventsResponse *out;
    int64_t from_ms, to_ms;
    struct key prefix;
    bool by_index;
    size_t limit, cap;
    struct str last; /* what was shown last: a key, with by_index and the place in the batch */
    bool over;
};

static RESULT lookup_check(struct call *call, struct lookup *lookup)
{
    const struct cloudtrail_LookupEventsRequest *in = lookup->in;
    if (in->LookupAttributes.len > 1)
        return call_fail(call, CLOUDTRAIL_INVALID_LOOKUP_ATTRIBUTES,
                         "You can specify only one attribute in the LookupAttributes list.");
    if (in->MaxResults.set && (in->MaxResults.value < 1 || in->MaxResults.value > LOOKUP_MAX))
        return call_fail(call, CLOUDTRAIL_INVALID_MAX_RESULTS,
                         "The maximum number of results must be between 1 and 50.");
    if (in->StartTime.set && in->EndTime.set && in->StartTime.ms > in->EndTime.ms)
        return call_fail(call, CLOUDTRAIL_INVALID_TIME_RANGE,
                         "The start time must be before the end time.");
    lookup->limit = in->MaxResults.set ? (size_t)in->MaxResults.value : LOOKUP_MAX;
    lookup->to_ms = in->EndTime.set ? in->EndTime.ms : INT64_MAX;
    lookup->from_ms = call->now_ms - HISTORY_MS;
    if (in->StartTime.set && in->StartTime.ms > lookup->from_ms)
        lookup->from_ms = in->StartTime.ms;
    return RESULT_OK;
}

static void lookup_begin(struct call *call, struct lookup *lookup)
{
    const struct cloudtrail_LookupAttributesList *attributes = &lookup->in->LookupAttributes;
    lookup->by_index = attributes->len == 1;
    lookup->prefix = lookup->by_index ? events_index_prefix(call, call->account, call->region,
                                                            attributes->items[0].AttributeKey,
                                                            attributes->items[0].AttributeValue)
                                      : events_prefix(call, call->account, call->region);
}

static struct cloudtrail_Event event_shown(struct call *call, const struct cloud_trail_event *event)
{
    struct cloudtrail_Event shown = {
        .EventId = event->id,
        .EventName = event->name,
        .ReadOnly = event->read_only ? STR("true") : STR("false"),
        .AccessKeyId = event->access_key,
        .EventTime = opt_time(event->time_ms / 1000 * 1000),
        .EventSource = event->source,
        .Username = event->user,
        .CloudTrailEvent = event->text,
    };
    shown.Resources.items =
        ARENA_ARRAY(call->arena, event->resources.len + 1, struct cloudtrail_Resource);
    shown.Resources.len = event->resources.len;
    for (size_t i = 0; i < event->resources.len; i++)
        shown.Resources.items[i] = (struct cloudtrail_Resource){
            .ResourceType = event->resource_types.items[i],
            .ResourceName = event->resources.items[i],
        };
    return shown;
}

/* *over: all that follows is older than what is wanted. */
static RESULT lookup_take(struct lookup *lookup, struct str bytes, struct str position)
{
    struct call *call = lookup->call;
    struct cloud_trail_event event;
    TRY(record_decode(call->arena, &cloud_model, CLOUD_SHAPE_trail_event, bytes, &event));
    if (event.time_ms > lookup->to_ms)
        return RESULT_OK;
    if (event.time_ms < lookup->from_ms) {
        lookup->over = event.time_ms < lookup->from_ms - DISORDER_MS;
        return RESULT_OK;
    }
    if (lookup->out->Events.len == lookup->limit) {
        lookup->out->NextToken = paging_token(call, lookup->last);
        lookup->over = true;
        return RESULT_OK;
    }
    lookup->last = position;
    VEC_PUSH(call->arena, lookup->out->Events.items, lookup->out->Events.len, lookup->cap,
             event_shown(call, &event));
    return RESULT_OK;
}

/* The events of a batch that an index entry names, from the last one on; below: those before that
 * place only. */
static RESULT lookup_batch(struct lookup *lookup, struct str key, struct str places, unsigned below)
{
    struct call *call = lookup->call;
    struct str rest = str_slice(key, key_bytes(&lookup->prefix).len, key.len);
    struct key events = events_prefix(call, call->account, call->region);
    struct str batch = str_concat(call->arena, key_bytes(&events), rest);
    for (size_t i = places.len; i-- > 0 && !lookup->over;) {
        uint8_t place = (uint8_t)places.ptr[i];
        struct key number;
        struct str bytes;
        if (place >= below)
            continue;
        key_init(&number, call->arena);
        key_u64(&number, place);
        TRY(kv_get(call->txn, str_concat(call->arena, batch, key_bytes(&number)), &bytes));
        if (str_is_absent(bytes))
            return FAULT("an index names an event that is not there");
        TRY(lookup_take(lookup, bytes, str_concat(call->arena, key, str_make(&places.ptr[i], 1))));
    }
    return RESULT_OK;
}

static RESULT lookup_walk(struct lookup *lookup, struct kv_cursor *cursor, struct str after)
{
    struct call *call = lookup->call;
    while (!lookup->over) {
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        key = str_copy(call->arena, key);
        if (lookup->by_index) {
            struct str batch = str_slice(after, 0, after.len - (after.len > 0));
            bool again = after.len > 0 && str_eq(key, batch);
            TRY(lookup_batch(lookup, key, value,
                             again ? (uint8_t)after.ptr[after.len - 1] : UINT8_MAX + 1U));
        } else if (after.len == 0 || !str_eq(key, after)) {
            TRY(lookup_take(lookup, value, key));
        }
    }
    return RESULT_OK;
}

/* Where the walk begins. */
static RESULT lookup_seek(struct lookup *lookup, struct kv_cursor *cursor, struct str after)
{
    if (after.len > 0)
        return kv_cursor_seek(cursor, str_slice(after, 0, after.len - lookup->by_index));
    if (lookup->to_ms == INT64_MAX)
        return RESULT_OK;
    struct key to = lookup->prefix;
    key_i64(&to, lookup->to_ms + DISORDER_MS);
    return kv_cursor_seek(cursor, key_bytes(&to));
}

/* An id tells its event's time. */
static RESULT lookup_id(struct lookup *lookup, struct str id)
{
    struct call *call = lookup->call;
    struct key prefix = events_prefix(call, call->account, call->region), from = prefix;
    struct kv_cursor *cursor;
    int64_t time_ms;
    id = str_lower(call->arena, id);
    if (!trail_event_time(id, &time_ms))
        return RESULT_OK;
    key_i64(&from, time_ms + ID_DISORDER_MS);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), true, &cursor));
    TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    for (;;) {
        struct cloud_trail_event event;
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &cloud_model, CLOUD_SHAPE_trail_event, value, &event));
        if (event.time_ms < time_ms - ID_DISORDER_MS)
            return RESULT_OK;
        if (!str_eq(event.id, id))
            continue;
        *lookup->out->Events.items = event_shown(call, &event);
        lookup->out->Events.len = 1;
        return RESULT_OK;
    }
}

RESULT cloudtrail_LookupEvents(struct call *call, const struct cloudtrail_LookupEventsRequest *in,
                               struct cloudtrail_LookupEventsResponse *out)
{
    struct lookup lookup = {.call = call, .in = in, .out = out, .cap = 1};
    struct kv_cursor *cursor;
    struct str after = {0};
    TRY(lookup_limit(call));
    TRY(lookup_check(call, &lookup));
    out->Events.items = ARENA_NEW(call->arena, struct cloudtrail_Event);
    if (str_eq(in->EventCategory, STR("insight")))
        return RESULT_OK; /* nobody looks for unusual activity here: README.md */
    if (in->LookupAttributes.len == 1 &&
        str_eq(in->LookupAttributes.items[0].AttributeKey, STR("EventId")))
        return lookup_id(&lookup, in->LookupAttributes.items[0].AttributeValue);
    lookup_begin(call, &lookup);
    if (!str_is_absent(in->NextToken) && !paging_position(call, in->NextToken, &after))
        return call_fail(call, CLOUDTRAIL_INVALID_NEXT_TOKEN, "Invalid token specified.");
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&lookup.prefix), true, &cursor));
    TRY(lookup_seek(&lookup, cursor, after));
    return lookup_walk(&lookup, cursor, after);
}
