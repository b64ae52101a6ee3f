/* What is known of single events: GetLogRecord, and the fields of a group: GetLogGroupFields. */
#include "base/encode.h"
#include "base/map.h"
#include "base/vec.h"
#include "services/logs/queries.h"

enum { FIELDS_MAX = 200, SAMPLE = 1000 };

/* base64url of group, stream and event id, with zeros between. */
struct str query_pointer(struct arena *arena, struct str group, struct str stream,
                         struct log_walk_position at)
{
    struct buf plain, out;
    buf_init(&plain, arena, SIZE_MAX);
    buf_append(&plain, group);
    buf_append_char(&plain, '\0');
    buf_append(&plain, stream);
    buf_append_char(&plain, '\0');
    buf_append(&plain, log_event_id(arena, at));
    buf_init(&out, arena, SIZE_MAX);
    base64url_encode(&out, buf_str(&plain));
    return buf_str(&out);
}

static bool pointer_read(struct arena *arena, struct str pointer, struct str *group,
                         struct str *stream, struct log_walk_position *at)
{
    struct str plain, rest, id;
    return base64url_decode(arena, pointer, &plain) && str_cut(plain, '\0', group, &rest) &&
           str_cut(rest, '\0', stream, &id) && log_event_id_read(id, at);
}

static void record_add(struct call *call, struct str_map *out, size_t *cap, struct str name,
                       struct str value)
{
    struct str_map_entry entry = {name, value};
    VEC_PUSH(call->arena, out->items, out->len, *cap, entry);
}

static void record_show(struct call *call, const struct query_event *event, struct str_map *out)
{
    static const struct str own[] = {STR_INIT("@timestamp"),     STR_INIT("@message"),
                                     STR_INIT("@logStream"),     STR_INIT("@log"),
                                     STR_INIT("@ingestionTime"), STR_INIT("@ptr")};
    struct named_value *found = ARENA_ARRAY(call->arena, FIELDS_MAX, struct named_value);
    struct row row = {.event = event};
    const struct evaluation evaluation = {call->arena, &row, NULL, call->now_ms};
    size_t cap = 0, count = query_discover(call->arena, event->message, found, FIELDS_MAX);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        struct value value = query_field(&evaluation, own[i]);
        if (value.kind == VALUE_TIME) /* here in milliseconds */
            value.kind = VALUE_NUMBER;
        record_add(call, out, &cap, own[i], value_text(call->arena, &value));
    }
    for (size_t i = 0; i < count; i++) {
        struct str text = value_text(call->arena, &found[i].value);
        if (!str_is_absent(text))
            record_add(call, out, &cap, found[i].name, text);
    }
}

RESULT logs_GetLogRecord(struct call *call, const struct logs_GetLogRecordRequest *in,
                         struct logs_GetLogRecordResponse *out)
{
    struct str group_name, stream_name;
    struct log_walk_position at;
    struct logs_group group;
    struct logs_stream stream;
    struct log_reader *reader;
    const struct log_event *event;
    if (!pointer_read(call->arena, in->logRecordPointer, &group_name, &stream_name, &at))
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid logRecordPointer.");
    TRY(group_find(call, group_name, &group));
    TRY(stream_find(call, &group, stream_name, &stream));
    const struct log_masks *masks;
    TRY(protection_masks(call, &group, in->unmask.set && in->unmask.value, &masks));
    const struct log_stream_id id = {(uint64_t)group.id, (uint64_t)stream.id, stream.span_ms,
                                     masks};
    const struct log_range range = {{at.ms, at.number}, {at.ms, at.number}, false};
    TRY(log_reader_open(call->arena, call->txn, &id, &range, &reader));
    TRY(log_reader_next(reader, &event));
    if (event == NULL || (uint64_t)stream.id != at.stream ||
        event->at.ms < group_oldest_ms(&group, call->now_ms))
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND, "The log event does not exist.");
    const struct query_event shown = {
        .ms = event->at.ms,
        .ingested_ms = event->ingested_ms,
        .message = str_copy(call->arena, event->message),
        .stream = stream.name,
        .log = str_format(call->arena, "%.*s:%.*s", PRSTR(call->account), PRSTR(group.name)),
        .pointer = in->logRecordPointer,
    };
    record_show(call, &shown, &out->logRecord);
    return RESULT_OK;
}

/* --- GetLogGroupFields --- */

struct census {
    struct map by_name; /* to counters */
    struct str *names;
    uint32_t **counts;
    size_t count, cap, count_cap;
    uint32_t events;
};

static void census_add(struct call *call, struct census *census, struct str name)
{
    uint32_t *count = map_get(&census->by_name, name);
    if (count == NULL) {
        if (census->count == FIELDS_MAX)
            return;
        count = ARENA_NEW(call->arena, uint32_t);
        name = str_copy(call->arena, name);
        map_put(&census->by_name, name, count);
        size_t len = census->count;
        VEC_PUSH(call->arena, census->counts, len, census->count_cap, count);
        VEC_PUSH(call->arena, census->names, census->count, census->cap, name);
    }
    (*count)++;
}

/* "time: ... the 8 minutes before and 8 minutes after this time are searched", API Reference; by
 * itself the last 15 minutes. */
static RESULT census_take(struct call *call, const struct logs_group *group, int64_t from_ms,
                          int64_t to_ms, struct census *census)
{
    struct log_walk_stream *streams;
    struct log_walk *walk;
    struct arena *scratch = arena_new_child(call->arena);
    size_t count;
    int64_t oldest = group_oldest_ms(group, call->now_ms);
    struct log_walk_position from = {from_ms < oldest ? oldest : from_ms, 0, 0};
    struct log_walk_position to = {to_ms, UINT64_MAX, UINT64_MAX};
    const struct log_masks *masks;
    TRY(protection_masks(call, group, false, &masks));
    TRY(log_walk_streams(call->arena, call->txn, (uint64_t)group->id, masks, (struct str){0},
                         from.ms, to.ms, &streams, &count));
    TRY(log_walk_open(call->arena, call->txn, streams, count, from, to, true, &walk));
    while (census->events < SAMPLE) {
        const struct log_event *event;
        const struct log_walk_stream *stream;
        struct named_value *found = ARENA_ARRAY(scratch, FIELDS_MAX, struct named_value);
        TRY(log_walk_next(walk, &event, &stream));
        if (event == NULL)
            break;
        census->events++;
        size_t fields = query_discover(scratch, event->message, found, FIELDS_MAX);
        for (size_t i = 0; i < fields; i++)
            census_add(call, census, found[i].name);
        arena_reset(scratch);
    }
    return RESULT_OK;
}

RESULT logs_GetLogGroupFields(struct call *call, const struct logs_GetLogGroupFieldsRequest *in,
                              struct logs_GetLogGroupFieldsResponse *out)
{
    static const struct str always[] = {STR_INIT("@timestamp"),     STR_INIT("@message"),
                                        STR_INIT("@logStream"),     STR_INIT("@log"),
                                        STR_INIT("@ingestionTime"), STR_INIT("@ptr")};
    struct logs_group group;
    struct census census = {0};
    size_t cap = 0;
    int64_t minute = 60000, to = call->now_ms, from = to - 15 * minute;
    TRY(group_find_either(call, in->logGroupName, in->logGroupIdentifier, &group));
    if (in->time.set) {
        from = in->time.value * 1000 - 8 * minute;
        to = in->time.value * 1000 + 8 * minute;
    }
    map_init(&census.by_name, call->arena);
    TRY(census_take(call, &group, from, to, &census));
    out->logGroupFields.items = ARENA_NEW(call->arena, struct logs_LogGroupField);
    for (size_t i = 0; census.events > 0 && i < sizeof always / sizeof always[0]; i++) {
        const struct logs_LogGroupField field = {always[i], opt_int(100)};
        VEC_PUSH(call->arena, out->logGroupFields.items, out->logGroupFields.len, cap, field);
    }
    for (size_t i = 0; census.events > 0 && i < census.count; i++) {
        uint32_t percent = *census.counts[i] * 100 / census.events;
        const struct logs_LogGroupField field = {census.names[i], opt_int((int32_t)percent)};
        VEC_PUSH(call->arena, out->logGroupFields.items, out->logGroupFields.len, cap, field);
    }
    return RESULT_OK;
}
