/* Streams of changes ("Change data capture for DynamoDB Streams", Developer Guide), written in the
 * transaction of the change; services/dynamodbstreams reads them and draws the keys. */
#include "base/encode.h"
#include "base/rng.h"
#include "base/time.h"
#include "gen/dynamodbstreams.h"
#include "services/dynamodb/dynamodb_int.h"
#include "store/record.h"

enum { TRIM_PORTION = 500 };
#define KEPT_MS (INT64_C(24) * 3600 * 1000)
#define TRIM_EVERY_MS (INT64_C(3600) * 1000)

struct str stream_label(struct arena *arena, const struct dynamodb_table *table)
{
    struct civil_time t = time_to_civil(table->stream_created_ms);
    return str_format(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03d", t.year, t.month, t.day, t.hour,
                      t.minute, t.second, t.millisecond);
}

struct str stream_arn(struct arena *arena, const struct dynamodb_table *table)
{
    return str_format(arena, "%.*s/stream/%.*s", PRSTR(table_arn(arena, table)),
                      PRSTR(stream_label(arena, table)));
}

static struct key stream_key(struct call *call, struct str table, struct str label)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("dynamodbstreams"));
    key_str(&key, call->account);
    key_str(&key, call->region);
    key_str(&key, STR("stream"));
    key_str(&key, table);
    key_str(&key, label);
    return key;
}

static struct key stream_records_key(struct call *call, int64_t id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("ddb-s"));
    key_u64(&key, (uint64_t)id);
    return key;
}

static struct str stream_number(struct arena *arena, uint64_t sequence)
{
    return str_format(arena, "1%020llu", (unsigned long long)sequence);
}

static RESULT stream_put(struct call *call, const struct dynamodbstreams_stream *stream)
{
    struct key key = stream_key(call, stream->table, stream->label);
    return call_put_record(call, &key, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_stream,
                           stream);
}

/* --- beginning and ending
 * -------------------------------------------------------------------------------------------- */

static RESULT stream_want_trim(struct call *call, struct str table, struct str label)
{
    return job_schedule(call, STR("dynamodb.trim"), call->now_ms + TRIM_EVERY_MS,
                        str_format(call->arena, "%.*s %.*s", PRSTR(table), PRSTR(label)), NULL);
}

RESULT stream_begin(struct call *call, struct dynamodb_table *table, struct str view)
{
    uint64_t id;
    TRY(call_sequence(call, &id));
    table->stream_view = view;
    table->stream_id = (int64_t)id;
    /* Two streams of a table never have one label. */
    table->stream_created_ms =
        call->now_ms > table->stream_created_ms ? call->now_ms : table->stream_created_ms + 1;
    const struct dynamodbstreams_stream stream = {
        .table = table->name,
        .account = table->account,
        .region = table->region,
        .label = stream_label(call->arena, table),
        .id = table->stream_id,
        .view = view,
        .created_ms = table->stream_created_ms,
        .partition = table->partition,
        .sort = table->sort,
        .first = stream_number(call->arena, id),
    };
    TRY(stream_put(call, &stream));
    return stream_want_trim(call, stream.table, stream.label);
}

RESULT stream_end(struct call *call, struct dynamodb_table *table)
{
    struct dynamodbstreams_stream stream;
    bool found;
    uint64_t sequence;
    if (str_is_absent(table->stream_view))
        return RESULT_OK;
    struct key key = stream_key(call, table->name, stream_label(call->arena, table));
    TRY(call_get_record_copy(call, &key, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_stream,
                             &stream, &found));
    table->stream_view = (struct str){0};
    if (!found)
        return FAULT("a table's stream is not there");
    TRY(call_sequence(call, &sequence));
    stream.disabled_ms = call->now_ms;
    stream.last = stream_number(call->arena, sequence);
    return stream_put(call, &stream);
}

/* --- records
 * ---------------------------------------------------------------------------------------------------------
 */

static bool stream_shows(struct str view, bool new)
{
    return str_eq(view, DYNAMODB_STREAM_VIEW_TYPE_NEW_AND_OLD_IMAGES) ||
           str_eq(view,
                  new ? DYNAMODB_STREAM_VIEW_TYPE_NEW_IMAGE : DYNAMODB_STREAM_VIEW_TYPE_OLD_IMAGE);
}

static struct str stream_event_id(struct arena *arena)
{
    char bytes[16];
    struct buf hex;
    rng_bytes(bytes, sizeof bytes);
    buf_init(&hex, arena, 64);
    hex_encode(&hex, str_make(bytes, sizeof bytes));
    return buf_str(&hex);
}

/* Both services' models have the same attribute values. */
static struct dynamodbstreams_AttributeMap stream_map(const struct dynamodb_AttributeMap *item)
{
    _Static_assert(sizeof(struct dynamodbstreams_AttributeMap_entry) ==
                       sizeof(struct dynamodb_AttributeMap_entry),
                   "the two models' attribute values differ");
    return (struct dynamodbstreams_AttributeMap){(void *)item->items, item->len};
}

RESULT stream_write(struct call *call, const struct change *change)
{
    const struct dynamodb_table *table = change->table;
    const struct dynamodb_AttributeMap *old = change->old->found ? &change->old->item : NULL;
    const struct dynamodb_AttributeMap *new = change->new;
    const struct place place = {call, table, NULL};
    uint64_t sequence;
    /* "If an operation does not change any data, no record is written." */
    if (old != NULL && new != NULL && item_equal(call->arena, old, new))
        return RESULT_OK;
    TRY(call_sequence(call, &sequence));
    struct dynamodb_AttributeMap keys = place_key_of(&place, new != NULL ? new : old);
    struct dynamodbstreams_StreamRecord body = {
        .ApproximateCreationDateTime = opt_time(call->now_ms / 1000 * 1000),
        .Keys = stream_map(&keys),
        .SequenceNumber = stream_number(call->arena, sequence),
        .StreamViewType = table->stream_view,
    };
    size_t size = item_size(&keys);
    if (new != NULL && stream_shows(table->stream_view, true)) {
        body.NewImage = stream_map(new);
        size += change->new_size;
    }
    if (old != NULL && stream_shows(table->stream_view, false)) {
        body.OldImage = stream_map(old);
        size += change->old->size;
    }
    body.SizeBytes = opt_long((int64_t)size);
    struct dynamodbstreams_Identity service = {STR("dynamodb.amazonaws.com"), STR("Service")};
    const struct dynamodbstreams_Record record = {
        .eventID = stream_event_id(call->arena),
        .eventName = old == NULL   ? STR("INSERT")
                     : new == NULL ? STR("REMOVE")
                                   : STR("MODIFY"),
        .eventVersion = STR("1.1"),
        .eventSource = STR("aws:dynamodb"),
        .awsRegion = table->region,
        .dynamodb = &body,
        .userIdentity = change->by_service ? &service : NULL,
    };
    struct key key = stream_records_key(call, table->stream_id);
    key_u64(&key, sequence);
    /* Readers wait on the shard's name: shard_id() of dynamodbstreams. */
    call_signal(call, str_format(call->arena, "shardId-%020lld-%08x",
                                 (long long)table->stream_created_ms, (unsigned)table->stream_id));
    return call_put_record(call, &key, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_Record,
                           &record);
}

/* --- forgetting
 * ------------------------------------------------------------------------------------------------------
 */

static RESULT stream_trim(struct call *call, int64_t id, bool *more)
{
    struct key prefix = stream_records_key(call, id);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (size_t n = 0; n < TRIM_PORTION; n++) {
        struct dynamodbstreams_Record record;
        TRY(kv_next(cursor, &key, &value));
        *more = false;
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_Record, value,
                          &record));
        if (record.dynamodb->ApproximateCreationDateTime.ms + KEPT_MS >= call->now_ms)
            return RESULT_OK;
        TRY(kv_delete(call->txn, str_copy(call->arena, key), NULL));
    }
    *more = true;
    return RESULT_OK;
}

RESULT stream_deliver_trim(struct call *call, const struct outbox_item *item)
{
    struct dynamodbstreams_stream stream;
    struct str table, label;
    bool found, more;
    if (!str_cut(item->payload, ' ', &table, &label))
        return FAULT("dynamodb.trim: \"%.*s\" is not its payload", PRSTR(item->payload));
    struct key key = stream_key(call, table, label);
    TRY(call_get_record_copy(call, &key, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_stream,
                             &stream, &found));
    if (!found)
        return RESULT_OK;
    TRY(stream_trim(call, stream.id, &more));
    if (more)
        return job_schedule(call, STR("dynamodb.trim"), call->now_ms, item->payload, NULL);
    if (stream.disabled_ms != 0 && stream.disabled_ms + KEPT_MS < call->now_ms)
        return kv_delete(call->txn, key_bytes(&key), NULL);
    return stream_want_trim(call, table, label);
}
