/* The event history: management events of 90 days, looked up by their attributes. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/cloudtrail/cloudtrail_int.h"
#include "store/record.h"

/* Newest first: times are stored negated. */
static struct key event_prefix(struct call *call, struct str account, struct str region)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloudtrail-event"));
    key_str(&key, account);
    key_str(&key, region);
    return key;
}

static void event_end(struct key *key, const struct cloud_trail_event *event)
{
    key_i64(key, -event->time_ms);
    key_str(key, event->id);
}

static struct key index_prefix(struct call *call, struct str account, struct str region,
                               const char *attribute, struct str value)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloudtrail-by"));
    key_str(&key, account);
    key_str(&key, region);
    key_str(&key, str_from_c(attribute));
    key_str(&key, value);
    return key;
}

static struct key age_prefix(struct call *call)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloudtrail-age"));
    return key;
}

/* --- keeping --- */

struct index_entry {
    const char *attribute;
    struct str value;
};

/* An attribute that no key can hold is not looked up by. */
enum { INDEX_VALUE_MAX = 1024, INDEX_MAX = 5 };

static size_t index_entries(const struct cloud_trail_event *event, struct index_entry *out)
{
    const struct index_entry all[INDEX_MAX] = {
        {"EventName", event->name},
        {"ReadOnly", event->read_only ? STR("true") : STR("false")},
        {"Username", event->user},
        {"EventSource", event->source},
        {"AccessKeyId", event->access_key},
    };
    size_t count = 0;
    for (size_t i = 0; i < INDEX_MAX; i++)
        if (!str_is_empty(all[i].value) && all[i].value.len <= INDEX_VALUE_MAX)
            out[count++] = all[i];
    return count;
}

typedef RESULT index_change(struct call *call, struct str key);

static RESULT index_put(struct call *call, struct str key)
{
    return kv_put(call->txn, key, STR(""));
}

static RESULT index_delete(struct call *call, struct str key)
{
    return kv_delete(call->txn, key, NULL);
}

static RESULT index_one(struct call *call, const struct cloud_trail_event *event,
                        const char *attribute, struct str value, index_change *change)
{
    struct key key = index_prefix(call, event->account, event->region, attribute, value);
    event_end(&key, event);
    return change(call, key_bytes(&key));
}

static RESULT index_all(struct call *call, const struct cloud_trail_event *event,
                        index_change *change)
{
    struct index_entry entries[INDEX_MAX];
    size_t count = index_entries(event, entries);
    for (size_t i = 0; i < count; i++)
        TRY(index_one(call, event, entries[i].attribute, entries[i].value, change));
    for (size_t i = 0; i < event->resources.len; i++)
        if (event->resources.items[i].len <= INDEX_VALUE_MAX)
            TRY(index_one(call, event, "ResourceName", event->resources.items[i], change));
    for (size_t i = 0; i < event->resource_types.len; i++)
        TRY(index_one(call, event, "ResourceType", event->resource_types.items[i], change));
    return RESULT_OK;
}

/* Once an event comes, the history is trimmed every day for as long as it has any. */
static RESULT trim_schedule(struct call *call)
{
    struct key key;
    struct str there;
    key_init(&key, call->arena);
    key_str(&key, STR("cloudtrail-trim"));
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return RESULT_OK;
    TRY(kv_put(call->txn, key_bytes(&key), STR("")));
    return job_schedule(call, STR("cloudtrail.trim"), call->now_ms + HISTORY_MS, STR(""), NULL);
}

static RESULT history_keep(struct call *call, const struct cloud_trail_event *event)
{
    struct buf bytes;
    struct key key = event_prefix(call, event->account, event->region);
    event_end(&key, event);
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &cloud_model, CLOUD_SHAPE_trail_event, event));
    TRY(kv_put(call->txn, key_bytes(&key), buf_str(&bytes)));
    TRY(index_all(call, event, index_put));
    key = age_prefix(call);
    key_i64(&key, event->time_ms);
    key_str(&key, event->account);
    key_str(&key, event->region);
    key_str(&key, event->id);
    TRY(kv_put(call->txn, key_bytes(&key), STR("")));
    return trim_schedule(call);
}

/* The events of a batch are mostly of one account. */
struct member {
    struct str account, organization;
};

static RESULT member_of(struct call *call, struct str account, struct member *known)
{
    struct str master;
    if (str_eq(known->account, account))
        return RESULT_OK;
    known->account = account;
    return organization_of(call, account, &known->organization, &master);
}

RESULT cloudtrail_keep(struct call *call, const struct cloud_trail_event *events, size_t count)
{
    struct cloudtrail_trail *trails;
    struct member member = {0};
    size_t trail_count;
    bool organizations = false;
    TRY(trails_of(call, (struct str){0}, &trails, &trail_count));
    for (size_t t = 0; t < trail_count; t++)
        organizations |= !str_is_absent(trails[t].organization);
    for (size_t i = 0; i < count; i++) {
        if (str_is_absent(events[i].data_type))
            TRY(history_keep(call, &events[i]));
        if (organizations)
            TRY(member_of(call, events[i].account, &member));
        for (size_t t = 0; t < trail_count; t++)
            if (trail_wants(&trails[t], &events[i], member.organization))
                TRY(trail_enqueue(call, &trails[t], &events[i]));
    }
    return RESULT_OK;
}

/* --- forgetting --- */

static RESULT trim_one(struct call *call, struct str key)
{
    struct key_reader reader = key_read(call->arena, key);
    struct cloud_trail_event event = {0};
    struct str table, bytes;
    if (!key_next_str(&reader, &table) || !key_next_i64(&reader, &event.time_ms) ||
        !key_next_str(&reader, &event.account) || !key_next_str(&reader, &event.region) ||
        !key_next_str(&reader, &event.id))
        return FAULT("a broken key of an event's age");
    struct key at = event_prefix(call, event.account, event.region);
    event_end(&at, &event);
    TRY(kv_get(call->txn, key_bytes(&at), &bytes));
    if (!str_is_absent(bytes)) {
        TRY(record_decode_copy(call->arena, &cloud_model, CLOUD_SHAPE_trail_event, bytes, &event));
        TRY(index_all(call, &event, index_delete));
    }
    TRY(kv_delete(call->txn, key_bytes(&at), NULL));
    return kv_delete(call->txn, key, NULL);
}

RESULT cloudtrail_deliver_trim(struct call *call, const struct outbox_item *item)
{
    enum { STEP = 500, DAY_MS = 24 * 3600 * 1000 };
    struct key prefix = age_prefix(call);
    struct kv_cursor *cursor;
    struct str keys[STEP], value, table;
    size_t count = 0;
    int64_t time_ms = 0;
    (void)item;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (count < STEP) {
        struct str key;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        struct key_reader reader = key_read(call->arena, key);
        if (!key_next_str(&reader, &table) || !key_next_i64(&reader, &time_ms))
            return FAULT("a broken key of an event's age");
        if (time_ms > call->now_ms - HISTORY_MS)
            break;
        keys[count++] = str_copy(call->arena, key);
    }
    kv_cursor_close(cursor);
    for (size_t i = 0; i < count; i++)
        TRY(trim_one(call, keys[i]));
    int64_t next = count == STEP ? call->now_ms : call->now_ms + DAY_MS;
    return job_schedule(call, STR("cloudtrail.trim"), next, STR(""), NULL);
}

/* --- LookupEvents --- */

struct lookup {
    const struct cloudtrail_LookupEventsRequest *in;
    int64_t from_ms, to_ms;
    struct key prefix;
    bool by_index;
    size_t limit;
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
    lookup->prefix = lookup->by_index
                         ? index_prefix(call, call->account, call->region,
                                        str_to_c(call->arena, attributes->items[0].AttributeKey),
                                        attributes->items[0].AttributeValue)
                         : event_prefix(call, call->account, call->region);
}

static RESULT lookup_read(struct call *call, const struct lookup *lookup, struct str key,
                          struct str value, struct cloud_trail_event *event)
{
    struct str rest = str_slice(key, key_bytes(&lookup->prefix).len, key.len);
    if (lookup->by_index) {
        struct key at = event_prefix(call, call->account, call->region);
        TRY(kv_get(call->txn, str_concat(call->arena, key_bytes(&at), rest), &value));
        if (str_is_absent(value))
            return FAULT("an index names an event that is not there");
    }
    return record_decode(call->arena, &cloud_model, CLOUD_SHAPE_trail_event, value, event);
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

/* The id tells the time, and both are the key. */
static RESULT lookup_id(struct call *call, struct str id,
                        struct cloudtrail_LookupEventsResponse *out)
{
    struct cloud_trail_event event = {.id = str_lower(call->arena, id)};
    struct key key = event_prefix(call, call->account, call->region);
    struct str value;
    if (!trail_event_time(event.id, &event.time_ms))
        return RESULT_OK;
    event_end(&key, &event);
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    if (str_is_absent(value))
        return RESULT_OK;
    TRY(record_decode(call->arena, &cloud_model, CLOUD_SHAPE_trail_event, value, &event));
    *out->Events.items = event_shown(call, &event);
    out->Events.len = 1;
    return RESULT_OK;
}

RESULT cloudtrail_LookupEvents(struct call *call, const struct cloudtrail_LookupEventsRequest *in,
                               struct cloudtrail_LookupEventsResponse *out)
{
    struct lookup lookup = {.in = in};
    struct kv_cursor *cursor;
    struct str position, last = {0};
    size_t cap = 1;
    TRY(lookup_limit(call));
    TRY(lookup_check(call, &lookup));
    out->Events.items = ARENA_NEW(call->arena, struct cloudtrail_Event);
    if (str_eq(in->EventCategory, STR("insight")))
        return RESULT_OK; /* nobody looks for unusual activity here: README.md */
    if (in->LookupAttributes.len == 1 &&
        str_eq(in->LookupAttributes.items[0].AttributeKey, STR("EventId")))
        return lookup_id(call, in->LookupAttributes.items[0].AttributeValue, out);
    lookup_begin(call, &lookup);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&lookup.prefix), false, &cursor));
    if (!str_is_absent(in->NextToken)) {
        if (!paging_position(call, in->NextToken, &position))
            return call_fail(call, CLOUDTRAIL_INVALID_NEXT_TOKEN, "Invalid token specified.");
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, position, str_make("", 1))));
    } else if (lookup.to_ms != INT64_MAX) {
        struct key from = lookup.prefix;
        key_i64(&from, -lookup.to_ms);
        TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    }
    for (;;) {
        struct cloud_trail_event event;
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(lookup_read(call, &lookup, key, value, &event));
        if (event.time_ms < lookup.from_ms)
            return RESULT_OK;
        if (out->Events.len == lookup.limit) {
            out->NextToken = paging_token(call, last);
            return RESULT_OK;
        }
        last = str_copy(call->arena, key);
        VEC_PUSH(call->arena, out->Events.items, out->Events.len, cap, event_shown(call, &event));
    }
}
