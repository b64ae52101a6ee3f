/* The event history: management events of 90 days, kept in batches as they come out of the spool:
 * each event is one record, and a batch has one index entry for each value that its events have of
 * an attribute, with the places of those events. */
#include "services/cloudtrail/events.h"
#include "base/map.h"
#include "store/record.h"

/* A place in a batch is a byte of an index entry. */
enum { BATCH_MAX = 256, BATCH_NAME = 12 };

static struct key history_key(struct arena *arena, const char *table, struct str account,
                              struct str region)
{
    struct key key;
    key_init(&key, arena);
    key_str(&key, str_from_c(table));
    key_str(&key, account);
    key_str(&key, region);
    return key;
}

struct key events_prefix(struct call *call, struct str account, struct str region)
{
    return history_key(call->arena, "trail-event", account, region);
}

struct key events_index_prefix(struct call *call, struct str account, struct str region,
                               struct str attribute, struct str value)
{
    struct key key = history_key(call->arena, "trail-by", account, region);
    key_str(&key, attribute);
    key_str(&key, value);
    return key;
}

/* Account and region apart. */
static void events_batch_add(struct key *key, const struct events_batch *batch)
{
    key_i64(key, batch->first_ms);
    key_str(key, batch->name);
}

static struct key age_prefix(struct call *call)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("trail-age"));
    return key;
}

/* The order of forgetting is that of the last events. */
static struct key age_key(struct call *call, const struct events_batch *batch, int64_t last_ms)
{
    struct key key = age_prefix(call);
    key_i64(&key, last_ms);
    key_str(&key, batch->account);
    key_str(&key, batch->region);
    events_batch_add(&key, batch);
    return key;
}

/* --- the index of a batch --- */

/* An attribute that no key can hold is not looked up by. */
enum { INDEX_VALUE_MAX = 1024 };

enum attribute {
    BY_NAME,
    BY_READ_ONLY,
    BY_USER,
    BY_SOURCE,
    BY_ACCESS_KEY,
    BY_RESOURCE,
    BY_RESOURCE_TYPE,
    ATTRIBUTES
};
static const struct str attribute_names[ATTRIBUTES] = {
    [BY_NAME] = STR_INIT("EventName"),
    [BY_READ_ONLY] = STR_INIT("ReadOnly"),
    [BY_USER] = STR_INIT("Username"),
    [BY_SOURCE] = STR_INIT("EventSource"),
    [BY_ACCESS_KEY] = STR_INIT("AccessKeyId"),
    [BY_RESOURCE] = STR_INIT("ResourceName"),
    [BY_RESOURCE_TYPE] = STR_INIT("ResourceType"),
};

struct places {
    enum attribute attribute;
    struct str value;
    struct buf bytes;
    struct places *next;
};

struct batch_index {
    struct call *call;
    struct map map; /* of attribute, value */
    struct places *first;
    struct places *latest[ATTRIBUTES]; /* most events are like the one before */
};

static struct places *index_places(struct batch_index *index, enum attribute attribute,
                                   struct str value)
{
    struct arena *arena = index->call->arena;
    struct places *places = index->latest[attribute];
    if (places != NULL && str_eq(places->value, value))
        return places;
    struct buf name;
    buf_init(&name, arena, SIZE_MAX);
    buf_append_char(&name, (char)attribute);
    buf_append(&name, value);
    places = map_get(&index->map, buf_str(&name));
    if (places == NULL) {
        places = ARENA_NEW(arena, struct places);
        *places = (struct places){attribute, value, {0}, index->first};
        buf_init(&places->bytes, arena, BATCH_MAX);
        index->first = places;
        (void)map_put(&index->map, buf_str(&name), places);
    }
    index->latest[attribute] = places;
    return places;
}

static void index_note(struct batch_index *index, enum attribute attribute, struct str value,
                       size_t place)
{
    if (str_is_empty(value) || value.len > INDEX_VALUE_MAX)
        return;
    struct buf *bytes = &index_places(index, attribute, value)->bytes;
    char byte = (char)(uint8_t)place;
    if (bytes->len == 0 || bytes->ptr[bytes->len - 1] != byte)
        buf_append_char(bytes, byte);
}

static void index_event(struct batch_index *index, const struct cloud_trail_event *event,
                        size_t place)
{
    index_note(index, BY_NAME, event->name, place);
    index_note(index, BY_READ_ONLY, event->read_only ? STR("true") : STR("false"), place);
    index_note(index, BY_USER, event->user, place);
    index_note(index, BY_SOURCE, event->source, place);
    index_note(index, BY_ACCESS_KEY, event->access_key, place);
    for (size_t i = 0; i < event->resources.len; i++)
        index_note(index, BY_RESOURCE, event->resources.items[i], place);
    for (size_t i = 0; i < event->resource_types.len; i++)
        index_note(index, BY_RESOURCE_TYPE, event->resource_types.items[i], place);
}

static RESULT index_change(struct batch_index *index, const struct events_batch *batch, bool keep)
{
    struct call *call = index->call;
    for (struct places *places = index->first; places != NULL; places = places->next) {
        struct key key = events_index_prefix(call, batch->account, batch->region,
                                             attribute_names[places->attribute], places->value);
        events_batch_add(&key, batch);
        if (keep)
            TRY(kv_put(call->txn, key_bytes(&key), buf_str(&places->bytes)));
        else
            TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    }
    return RESULT_OK;
}

/* --- keeping --- */

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

/* Those of one account and region, from `at` on, whose turn has not come: the same events have the
 * same keys when they come again. */
static RESULT batch_keep(struct call *call, const struct cloud_trail_event *events,
                         const struct str *records, size_t count, size_t at, bool *kept)
{
    const struct cloud_trail_event *first = &events[at];
    const struct events_batch batch = {
        .account = first->account,
        .region = first->region,
        .first_ms = first->time_ms,
        .name = str_slice(first->id, first->id.len - BATCH_NAME, first->id.len),
    };
    struct batch_index index = {.call = call};
    int64_t last_ms = first->time_ms;
    size_t place = 0;
    map_init(&index.map, call->arena);
    for (size_t i = at; i < count; i++) {
        const struct cloud_trail_event *event = &events[i];
        if (kept[i] || !str_eq(event->account, batch.account) ||
            !str_eq(event->region, batch.region))
            continue;
        struct key key = events_prefix(call, batch.account, batch.region);
        events_batch_add(&key, &batch);
        key_u64(&key, place);
        TRY(kv_put(call->txn, key_bytes(&key), records[i]));
        index_event(&index, event, place++);
        last_ms = event->time_ms > last_ms ? event->time_ms : last_ms;
        kept[i] = true;
    }
    TRY(index_change(&index, &batch, true));
    struct key age = age_key(call, &batch, last_ms);
    return kv_put(call->txn, key_bytes(&age), STR(""));
}

static RESULT history_keep(struct call *call, const struct cloud_trail_event *events,
                           const struct str *records, size_t count)
{
    bool kept[BATCH_MAX] = {false}, any = false;
    ASSERT(count <= BATCH_MAX);
    for (size_t i = 0; i < count; i++)
        kept[i] = !str_is_absent(events[i].data_type) || events[i].id.len < BATCH_NAME;
    for (size_t i = 0; i < count; i++) {
        if (kept[i])
            continue;
        any = true;
        TRY(batch_keep(call, events, records, count, i, kept));
    }
    return any ? trim_schedule(call) : RESULT_OK;
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

RESULT cloudtrail_keep(struct call *call, const struct cloud_trail_event *events,
                       const struct str *records, size_t count)
{
    struct cloudtrail_trail *trails;
    struct member member = {0};
    size_t trail_count;
    bool organizations = false;
    TRY(history_keep(call, events, records, count));
    TRY(trails_of(call, (struct str){0}, &trails, &trail_count));
    for (size_t t = 0; t < trail_count; t++)
        organizations |= !str_is_absent(trails[t].organization);
    for (size_t i = 0; i < count && trail_count > 0; i++) {
        if (organizations)
            TRY(member_of(call, events[i].account, &member));
        for (size_t t = 0; t < trail_count; t++)
            if (trail_wants(&trails[t], &events[i], member.organization))
                TRY(trail_enqueue(call, &trails[t], &events[i]));
    }
    return RESULT_OK;
}

/* --- forgetting --- */

static RESULT trim_batch(struct call *call, const struct events_batch *batch, size_t *dropped)
{
    struct key prefix = events_prefix(call, batch->account, batch->region);
    struct batch_index index = {.call = call};
    struct kv_cursor *cursor;
    struct str key, value;
    size_t place = 0;
    map_init(&index.map, call->arena);
    events_batch_add(&prefix, batch);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;; place++) {
        struct cloud_trail_event event;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &cloud_model, CLOUD_SHAPE_trail_event, value, &event));
        index_event(&index, &event, place);
    }
    kv_cursor_close(cursor);
    TRY(index_change(&index, batch, false));
    return kv_delete_prefix(call->txn, key_bytes(&prefix), SIZE_MAX, dropped);
}

/* The batch that has waited longest; *found false: none is old enough. */
static RESULT trim_next(struct call *call, struct events_batch *batch, bool *found)
{
    struct key prefix = age_prefix(call);
    struct kv_cursor *cursor;
    struct str key, value, table;
    int64_t last_ms = 0;
    *found = false;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    if (str_is_absent(key))
        return RESULT_OK;
    key = str_copy(call->arena, key);
    struct key_reader reader = key_read(call->arena, key);
    if (!key_next_str(&reader, &table) || !key_next_i64(&reader, &last_ms) ||
        !key_next_str(&reader, &batch->account) || !key_next_str(&reader, &batch->region) ||
        !key_next_i64(&reader, &batch->first_ms) || !key_next_str(&reader, &batch->name))
        return FAULT("a broken key of a batch of events");
    kv_cursor_close(cursor);
    *found = last_ms <= call->now_ms - HISTORY_MS;
    return *found ? kv_delete(call->txn, key, NULL) : RESULT_OK;
}

RESULT cloudtrail_deliver_trim(struct call *call, const struct outbox_item *item)
{
    enum { STEP = 500, DAY_MS = 24 * 3600 * 1000 };
    struct events_batch batch;
    bool found = true;
    (void)item;
    for (size_t dropped = 0, some; found && dropped < STEP; dropped += some) {
        some = 0;
        TRY(trim_next(call, &batch, &found));
        if (found)
            TRY(trim_batch(call, &batch, &some));
    }
    int64_t next = found ? call->now_ms : call->now_ms + DAY_MS;
    return job_schedule(call, STR("cloudtrail.trim"), next, STR(""), NULL);
}
