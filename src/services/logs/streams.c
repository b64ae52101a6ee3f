/* Log streams: made, described, deleted. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/logs/logs_int.h"
#include "store/record.h"

enum { STREAMS_PAGE = 50 };

struct key stream_key(struct call *call, const struct logs_group *group, struct str name)
{
    struct key key = log_key_of(call->arena, STR("logs-stream"), (uint64_t)group->id);
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

RESULT stream_find(struct call *call, const struct logs_group *group, struct str name,
                   struct logs_stream *stream)
{
    struct key key = stream_key(call, group, name);
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_stream, stream, &found));
    return found ? RESULT_OK
                 : call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                             "The specified log stream does not exist.");
}

RESULT stream_put(struct call *call, const struct logs_group *group,
                  const struct logs_stream *stream)
{
    struct key key = stream_key(call, group, stream->name);
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_stream, stream);
}

static struct key recent_key(struct call *call, const struct logs_group *group, int64_t last_ms,
                             struct str name)
{
    struct key key = log_key_of(call->arena, STR("logs-recent"), (uint64_t)group->id);
    key_i64(&key, last_ms);
    key_str(&key, name);
    return key;
}

RESULT stream_moved(struct call *call, const struct logs_group *group,
                    const struct logs_stream *stream, int64_t old_last_ms)
{
    struct key old = recent_key(call, group, old_last_ms, stream->name);
    struct key now = recent_key(call, group, stream->last_ms, stream->name);
    if (old_last_ms != stream->last_ms)
        TRY(kv_delete(call->txn, key_bytes(&old), NULL));
    return kv_put(call->txn, key_bytes(&now), STR(""));
}

RESULT stream_make(struct call *call, const struct logs_group *group, struct str name,
                   struct logs_stream *stream)
{
    uint64_t id;
    TRY(call_sequence(call, &id));
    *stream = (struct logs_stream){.name = name, .id = (int64_t)id, .created_ms = call->now_ms};
    TRY(stream_put(call, group, stream));
    return stream_moved(call, group, stream, 0);
}

RESULT logs_CreateLogStream(struct call *call, const struct logs_CreateLogStreamRequest *in,
                            struct logs_CreateLogStreamResult *out)
{
    struct logs_group group;
    struct logs_stream stream;
    struct str value;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    struct key key = stream_key(call, &group, in->logStreamName);
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    if (!str_is_absent(value))
        return call_fail(call, LOGS_RESOURCE_ALREADY_EXISTS,
                         "The specified log stream already exists");
    return stream_make(call, &group, in->logStreamName, &stream);
}

RESULT logs_DeleteLogStream(struct call *call, const struct logs_DeleteLogStreamRequest *in,
                            struct logs_DeleteLogStreamResult *out)
{
    struct logs_group group;
    struct logs_stream stream;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    TRY(stream_find(call, &group, in->logStreamName, &stream));
    if (group.protected)
        return call_fail(call, LOGS_VALIDATION,
                         "The log group has deletion protection enabled: its log streams cannot be "
                         "deleted.");
    struct key key = stream_key(call, &group, stream.name);
    struct key recent = recent_key(call, &group, stream.last_ms, stream.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(kv_delete(call->txn, key_bytes(&recent), NULL));
    return sweep_drop_soon(call, (uint64_t)group.id, (uint64_t)stream.id);
}

/* --- DescribeLogStreams --- */

static struct logs_LogStream stream_shown(struct call *call, const struct logs_group *group,
                                          const struct logs_stream *stream)
{
    struct log_walk_position at = {stream->ingested_ms, (uint64_t)stream->id,
                                   (uint64_t)stream->number};
    struct logs_LogStream shown = {
        .logStreamName = stream->name,
        .creationTime = opt_long(stream->created_ms),
        .arn = str_format(call->arena, "%.*s:log-stream:%.*s", PRSTR(group_arn(call, group->name)),
                          PRSTR(stream->name)),
        .storedBytes = opt_long(0), /* since 2019: "always zero" */
    };
    if (stream->number == 0)
        return shown;
    shown.firstEventTimestamp = opt_long(stream->first_ms);
    shown.lastEventTimestamp = opt_long(stream->last_ms);
    shown.lastIngestionTime = opt_long(stream->ingested_ms);
    shown.uploadSequenceToken = log_event_id(call->arena, at);
    return shown;
}

/* Where a listing begins: behind `after`, a key's end; or at the prefix's first or last name. */
static RESULT streams_seek(struct call *call, struct kv_cursor *cursor, const struct key *all,
                           struct str prefix, struct str after, bool descending)
{
    struct str base = key_bytes(all);
    if (!str_is_absent(after)) {
        struct str at = str_concat(call->arena, base, after);
        if (descending) /* it is the token's own: the first that comes is not shown again */
            return kv_cursor_seek(cursor, at);
        return kv_cursor_seek(cursor, str_concat(call->arena, at, str_make("", 1)));
    }
    if (str_is_absent(prefix))
        return RESULT_OK;
    struct key first = *all;
    key_str(&first, prefix);
    struct str at = str_slice(key_bytes(&first), 0, key_bytes(&first).len - 1);
    return kv_cursor_seek(cursor, descending ? str_concat(call->arena, at, STR("\xff")) : at);
}

/* The stream that an entry of a listing is about; found false: it is going. */
static RESULT stream_of_entry(struct call *call, const struct logs_group *group, bool by_time,
                              struct str rest, struct str value, struct logs_stream *stream,
                              bool *found)
{
    struct key_reader reader = key_read(call->arena, rest);
    int64_t ms;
    struct str name;
    *found = true;
    if (!by_time)
        return record_decode(call->arena, &logs_model, LOGS_SHAPE_stream, value, stream);
    if (!key_next_i64(&reader, &ms) || !key_next_str(&reader, &name))
        return FAULT("an entry of the order of streams is broken");
    struct key key = stream_key(call, group, name);
    return call_get_record(call, &key, &logs_model, LOGS_SHAPE_stream, stream, found);
}

RESULT logs_DescribeLogStreams(struct call *call, const struct logs_DescribeLogStreamsRequest *in,
                               struct logs_DescribeLogStreamsResponse *out)
{
    size_t limit = in->limit.set ? (size_t)in->limit.value : STREAMS_PAGE, cap = 1;
    bool descending = in->descending.set && in->descending.value, found;
    bool by_time = str_eq(in->orderBy, LOGS_ORDER_BY_LAST_EVENT_TIME);
    struct logs_group group;
    struct kv_cursor *cursor;
    struct str after, last = {0};
    TRY(group_find_either(call, in->logGroupName, in->logGroupIdentifier, &group));
    if (by_time && !str_is_absent(in->logStreamNamePrefix))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Cannot order by LastEventTime with a logStreamNamePrefix.");
    TRY(logs_page(call, in->nextToken, &after));
    struct key all = log_key_of(call->arena, by_time ? STR("logs-recent") : STR("logs-stream"),
                                (uint64_t)group.id);
    size_t base = key_bytes(&all).len;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), descending, &cursor));
    TRY(streams_seek(call, cursor, &all, in->logStreamNamePrefix, after, descending));
    out->logStreams.items = ARENA_NEW(call->arena, struct logs_LogStream);
    for (;;) {
        struct str key, value;
        struct logs_stream stream;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct str rest = str_copy(call->arena, str_slice(key, base, key.len));
        if (descending && str_eq(rest, after))
            continue;
        TRY(stream_of_entry(call, &group, by_time, rest, value, &stream, &found));
        if (!found)
            continue;
        if (!str_is_absent(in->logStreamNamePrefix) &&
            !str_starts_with(stream.name, in->logStreamNamePrefix))
            return RESULT_OK;
        if (out->logStreams.len == limit) {
            out->nextToken = paging_token(call, last);
            return RESULT_OK;
        }
        VEC_PUSH(call->arena, out->logStreams.items, out->logStreams.len, cap,
                 stream_shown(call, &group, &stream));
        last = rest;
    }
}
