/* DescribeStream, GetRecords, GetShardIterator, ListStreams ("Amazon DynamoDB Streams", API
 * reference). */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/call.h"
#include "cloud/paging.h"
#include "gen/dynamodb.h"
#include "gen/dynamodbstreams.h"
#include "services/dynamodbstreams/dynamodbstreams.h"
#include "store/record.h"

enum { RECORDS_MAX = 1000, PAGE_SIZE = 1024 * 1024, STREAMS_MAX = 100, SHARDS_MAX = 100 };
#define KEPT_MS (INT64_C(24) * 3600 * 1000)
#define ITERATOR_MS (INT64_C(15) * 60 * 1000)

static RESULT stream_policy(struct call *call, const void *in, struct str *arn, struct str *owner,
                            struct str *policy);

const struct service_hooks dynamodbstreams_hooks = {
    .model = &dynamodbstreams_model,
    .resource_policy = stream_policy,
};

/* "The upper limit is ...", which the model does not have. */
static RESULT limit_read(struct call *call, struct opt_int given, size_t most, size_t *limit)
{
    if (given.set && (size_t)given.value > most)
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION,
                         "1 validation error detected: Value '%d' at 'limit' failed to satisfy "
                         "constraint: Member must have value less than or equal to %zu",
                         given.value, most);
    *limit = given.set ? (size_t)given.value : most;
    return RESULT_OK;
}

/* --- streams --- */

static struct str stream_arn(struct arena *arena, const struct dynamodbstreams_stream *stream)
{
    struct str resource =
        str_format(arena, "table/%.*s/stream/%.*s", PRSTR(stream->table), PRSTR(stream->label));
    return arn_make(arena, STR("dynamodb"), stream->region, stream->account, resource);
}

static struct str shard_id(struct arena *arena, const struct dynamodbstreams_stream *stream)
{
    return str_format(arena, "shardId-%020lld-%08x", (long long)stream->created_ms,
                      (unsigned)stream->id);
}

static RESULT stream_missing(struct call *call, struct str arn)
{
    return call_fail(call, DYNAMODBSTREAMS_RESOURCE_NOT_FOUND,
                     "Requested resource not found: Stream: %.*s not found", PRSTR(arn));
}

static RESULT stream_find(struct call *call, struct str text, struct dynamodbstreams_stream *out)
{
    struct arn arn;
    bool found;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("dynamodb")) ||
        !str_starts_with(arn.resource, STR("table/")))
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION, "Invalid StreamArn: %.*s", PRSTR(text));
    struct str rest = str_slice(arn.resource, 6, arn.resource.len);
    size_t slash = str_find(rest, STR("/stream/"));
    if (slash == SIZE_MAX)
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION, "Invalid StreamArn: %.*s", PRSTR(text));
    if (!str_eq(arn.region, call->region))
        return stream_missing(call, text);
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("dynamodbstreams"));
    key_str(&key, arn.account); /* another's, when its policy allows it: stream_policy() */
    key_str(&key, arn.region);
    key_str(&key, STR("stream"));
    key_str(&key, str_slice(rest, 0, slash));
    key_str(&key, str_slice(rest, slash + 8, rest.len));
    TRY(call_get_record(call, &key, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_stream, out,
                        &found));
    return found ? RESULT_OK : stream_missing(call, text);
}

RESULT dynamodbstreams_ListStreams(struct call *call,
                                   const struct dynamodbstreams_ListStreamsInput *in,
                                   struct dynamodbstreams_ListStreamsOutput *out)
{
    struct key prefix = call_key(call, STR("stream"));
    struct kv_cursor *cursor;
    struct str key, value;
    size_t limit;
    struct dynamodbstreams_stream stream;
    TRY(limit_read(call, in->Limit, STREAMS_MAX, &limit));
    if (!str_is_absent(in->TableName))
        key_str(&prefix, in->TableName);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(in->ExclusiveStartStreamArn)) {
        TRY(stream_find(call, in->ExclusiveStartStreamArn, &stream));
        struct key from = call_key(call, STR("stream"));
        key_str(&from, stream.table);
        key_str(&from, stream.label);
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, key_bytes(&from), str_make("", 1))));
    }
    out->Streams.items = ARENA_ARRAY(call->arena, limit, struct dynamodbstreams_Stream);
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        if (out->Streams.len == limit)
            break;
        TRY(record_decode(call->arena, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_stream, value,
                          &stream));
        out->Streams.items[out->Streams.len++] = (struct dynamodbstreams_Stream){
            .StreamArn = stream_arn(call->arena, &stream),
            .TableName = stream.table,
            .StreamLabel = stream.label,
        };
    }
    out->LastEvaluatedStreamArn = out->Streams.items[limit - 1].StreamArn;
    return RESULT_OK;
}

RESULT dynamodbstreams_DescribeStream(struct call *call,
                                      const struct dynamodbstreams_DescribeStreamInput *in,
                                      struct dynamodbstreams_DescribeStreamOutput *out)
{
    struct dynamodbstreams_stream stream;
    struct arena *arena = call->arena;
    size_t limit; /* of shards, of which there is one */
    TRY(limit_read(call, in->Limit, SHARDS_MAX, &limit));
    TRY(stream_find(call, in->StreamArn, &stream));
    struct dynamodbstreams_StreamDescription *description =
        ARENA_NEW(arena, struct dynamodbstreams_StreamDescription);
    description->StreamArn = stream_arn(arena, &stream);
    description->StreamLabel = stream.label;
    description->StreamStatus = stream.disabled_ms == 0 ? STR("ENABLED") : STR("DISABLED");
    description->StreamViewType = stream.view;
    description->CreationRequestDateTime = opt_time(stream.created_ms);
    description->TableName = stream.table;
    description->KeySchema.items = ARENA_ARRAY(arena, 2, struct dynamodbstreams_KeySchemaElement);
    description->KeySchema.items[0] =
        (struct dynamodbstreams_KeySchemaElement){stream.partition, STR("HASH")};
    description->KeySchema.items[1] =
        (struct dynamodbstreams_KeySchemaElement){stream.sort, STR("RANGE")};
    description->KeySchema.len = str_is_absent(stream.sort) ? 1 : 2;
    description->Shards.items = ARENA_ARRAY(arena, 1, struct dynamodbstreams_Shard);
    struct dynamodbstreams_Shard *shard = &description->Shards.items[0];
    shard->ShardId = shard_id(arena, &stream);
    shard->SequenceNumberRange = ARENA_NEW(arena, struct dynamodbstreams_SequenceNumberRange);
    shard->SequenceNumberRange->StartingSequenceNumber = stream.first;
    shard->SequenceNumberRange->EndingSequenceNumber = stream.last;
    /* The one shard has no children, and nothing comes after it. */
    bool children = in->ShardFilter != NULL;
    bool beyond = str_eq(in->ExclusiveStartShardId, shard->ShardId);
    description->Shards.len = children || beyond ? 0 : 1;
    out->StreamDescription = description;
    return RESULT_OK;
}

/* --- positions --- */

/* "1" and twenty digits. */
static bool sequence_read(struct str text, uint64_t *out)
{
    return text.len == 21 && text.ptr[0] == '1' && str_to_u64(str_slice(text, 1, 21), out);
}

static struct key records_prefix(struct call *call, int64_t id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("ddb-s"));
    key_u64(&key, (uint64_t)id);
    return key;
}

/* As AWS shows it ("GetShardIterator", example): the stream, a number, and what nobody can read. */
static struct str iterator_make(struct call *call, struct str arn, uint64_t position)
{
    struct str seal =
        seal_make(call, STR("stream-iterator"),
                  str_format(call->arena, "%llu %lld %.*s", (unsigned long long)position,
                             (long long)(call->now_ms + ITERATOR_MS), PRSTR(arn)));
    return str_format(call->arena, "%.*s|1|%.*s", PRSTR(arn), PRSTR(seal));
}

/* One past the newest record. */
static RESULT position_latest(struct call *call, const struct dynamodbstreams_stream *stream,
                              uint64_t *position)
{
    struct key prefix = records_prefix(call, stream->id);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t len = key_bytes(&prefix).len;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), true, &cursor));
    TRY(kv_next(cursor, &key, &value));
    *position = 0;
    if (str_is_absent(key))
        return RESULT_OK;
    struct key_reader reader = key_read(call->arena, str_slice(key, len, key.len));
    if (!key_next_u64(&reader, position))
        return FAULT("a stream record's key is broken");
    ++*position;
    return RESULT_OK;
}

/* A sequence number that the stream has had: gone after a day. */
static RESULT position_given(struct call *call, const struct dynamodbstreams_stream *stream,
                             const struct dynamodbstreams_GetShardIteratorInput *in,
                             uint64_t *position)
{
    struct key key = records_prefix(call, stream->id);
    struct str value;
    uint64_t first, end;
    if (str_is_absent(in->SequenceNumber))
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION,
                         "SequenceNumber must be specified for ShardIteratorType %.*s",
                         PRSTR(in->ShardIteratorType));
    TRY(position_latest(call, stream, &end));
    if (!sequence_read(in->SequenceNumber, position) || !sequence_read(stream->first, &first) ||
        *position < first || (end != 0 && *position >= end))
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION,
                         "Invalid SequenceNumber: %.*s is not in shard %.*s",
                         PRSTR(in->SequenceNumber), PRSTR(in->ShardId));
    key_u64(&key, *position);
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    if (str_is_absent(value) && *position != first)
        return call_fail(call, DYNAMODBSTREAMS_TRIMMED_DATA_ACCESS,
                         "The operation attempted to read past the oldest stream record in a "
                         "shard.");
    if (str_eq(in->ShardIteratorType, STR("AFTER_SEQUENCE_NUMBER")))
        ++*position;
    return RESULT_OK;
}

/* The first record at `position` or behind it; *found false: there is none. */
static RESULT record_at(struct call *call, const struct dynamodbstreams_stream *stream,
                        uint64_t position, bool *found, uint64_t *sequence, int64_t *time_ms)
{
    struct key prefix = records_prefix(call, stream->id), from = records_prefix(call, stream->id);
    struct dynamodbstreams_Record record;
    struct kv_cursor *cursor;
    struct str key, value;
    size_t len = key_bytes(&prefix).len;
    key_u64(&from, position);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    TRY(kv_next(cursor, &key, &value));
    *found = !str_is_absent(key);
    if (!*found)
        return RESULT_OK;
    struct key_reader reader = key_read(call->arena, str_slice(key, len, key.len));
    if (!key_next_u64(&reader, sequence))
        return FAULT("a stream record's key is broken");
    TRY(record_decode(call->arena, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_Record, value,
                      &record));
    *time_ms = record.dynamodb->ApproximateCreationDateTime.ms;
    return RESULT_OK;
}

/* The first record that is as new as the request's time: times grow with sequence numbers, so it is
 * found by halves. */
static RESULT position_at(struct call *call, const struct dynamodbstreams_stream *stream,
                          const struct dynamodbstreams_GetShardIteratorInput *in,
                          uint64_t *position)
{
    uint64_t low = 0, high;
    if (!in->Timestamp.set)
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION,
                         "Timestamp must be specified for ShardIteratorType AT_TIMESTAMP");
    if (in->Timestamp.ms > call->now_ms)
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION, "Timestamp must not be in the future");
    TRY(position_latest(call, stream, &high));
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, sequence = 0;
        int64_t time_ms = 0;
        bool found;
        TRY(record_at(call, stream, middle, &found, &sequence, &time_ms));
        if (!found || time_ms >= in->Timestamp.ms)
            high = middle;
        else
            low = sequence + 1;
    }
    *position = low;
    return RESULT_OK;
}

RESULT dynamodbstreams_GetShardIterator(struct call *call,
                                        const struct dynamodbstreams_GetShardIteratorInput *in,
                                        struct dynamodbstreams_GetShardIteratorOutput *out)
{
    struct dynamodbstreams_stream stream;
    uint64_t position = 0;
    TRY(stream_find(call, in->StreamArn, &stream));
    if (!str_eq(in->ShardId, shard_id(call->arena, &stream)))
        return call_fail(call, DYNAMODBSTREAMS_RESOURCE_NOT_FOUND,
                         "Requested resource not found: Shard: %.*s in Stream: %.*s not found",
                         PRSTR(in->ShardId), PRSTR(in->StreamArn));
    if (str_eq(in->ShardIteratorType, STR("AT_TIMESTAMP")))
        TRY(position_at(call, &stream, in, &position));
    else if (str_eq(in->ShardIteratorType, STR("LATEST")))
        TRY(position_latest(call, &stream, &position));
    else if (!str_eq(in->ShardIteratorType, STR("TRIM_HORIZON")))
        TRY(position_given(call, &stream, in, &position));
    out->ShardIterator = iterator_make(call, in->StreamArn, position);
    return RESULT_OK;
}

/* --- records --- */

static RESULT iterator_open(struct call *call, struct str text, struct str *arn, uint64_t *position)
{
    struct str payload, position_text, expiry_text, rest, shown, number, seal;
    int64_t expires_ms;
    if (!str_cut(text, '|', &shown, &rest) || !str_cut(rest, '|', &number, &seal) ||
        !seal_open(call, STR("stream-iterator"), seal, &payload) ||
        !str_cut(payload, ' ', &position_text, &rest) || !str_cut(rest, ' ', &expiry_text, arn) ||
        !str_to_u64(position_text, position) || !str_to_i64(expiry_text, &expires_ms) ||
        !str_eq(shown, *arn))
        return call_fail(call, DYNAMODBSTREAMS_VALIDATION, "Invalid ShardIterator");
    if (expires_ms < call->now_ms)
        return call_fail(call, DYNAMODBSTREAMS_EXPIRED_ITERATOR,
                         "Iterator expired. Request a new iterator and try again.");
    return RESULT_OK;
}

RESULT dynamodbstreams_GetRecords(struct call *call,
                                  const struct dynamodbstreams_GetRecordsInput *in,
                                  struct dynamodbstreams_GetRecordsOutput *out)
{
    struct dynamodbstreams_stream stream;
    struct kv_cursor *cursor;
    struct str arn, key, value;
    uint64_t position;
    size_t bytes = 0, cap = 0;
    size_t limit;
    TRY(limit_read(call, in->Limit, RECORDS_MAX, &limit));
    TRY(iterator_open(call, in->ShardIterator, &arn, &position));
    TRY(stream_find(call, arn, &stream));
    struct key prefix = records_prefix(call, stream.id), from = records_prefix(call, stream.id);
    size_t len = key_bytes(&prefix).len;
    key_u64(&from, position);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    out->Records.items = ARENA_ARRAY(call->arena, 1, struct dynamodbstreams_Record);
    bool end = false;
    while (out->Records.len < limit && bytes < PAGE_SIZE) {
        struct dynamodbstreams_Record record;
        TRY(kv_next(cursor, &key, &value));
        end = str_is_absent(key);
        if (end)
            break;
        TRY(record_decode(call->arena, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_Record, value,
                          &record));
        struct key_reader reader = key_read(call->arena, str_slice(key, len, key.len));
        if (!key_next_u64(&reader, &position))
            return FAULT("a stream record's key is broken");
        position++;
        if (record.dynamodb->ApproximateCreationDateTime.ms + KEPT_MS < call->now_ms)
            continue;
        bytes += value.len;
        VEC_PUSH(call->arena, out->Records.items, out->Records.len, cap, record);
    }
    if (!end || stream.disabled_ms == 0)
        out->NextShardIterator = iterator_make(call, arn, position);
    return RESULT_OK;
}

/* --- policies, which DynamoDB keeps: its README draws the key --- */

/* The ARN that the request names, or absent. */
static struct str policy_resource(struct call *call, const void *in)
{
    switch (call->operation) {
    case DYNAMODBSTREAMS_OP_DescribeStream:
        return ((const struct dynamodbstreams_DescribeStreamInput *)in)->StreamArn;
    case DYNAMODBSTREAMS_OP_GetShardIterator:
        return ((const struct dynamodbstreams_GetShardIteratorInput *)in)->StreamArn;
    case DYNAMODBSTREAMS_OP_GetRecords: {
        struct str arn = {0};
        uint64_t position;
        struct str text = ((const struct dynamodbstreams_GetRecordsInput *)in)->ShardIterator;
        /* What is wrong with an iterator is the operation's to tell. */
        return iterator_open(call, text, &arn, &position) == RESULT_OK ? arn : (struct str){0};
    }
    default:
        return (struct str){0};
    }
}

static RESULT stream_policy(struct call *call, const void *in, struct str *resource,
                            struct str *owner, struct str *document)
{
    struct str text = policy_resource(call, in);
    struct dynamodb_policy policy;
    struct arn arn;
    bool found;
    size_t stream = str_find(text, STR("/stream/"));
    if (stream == SIZE_MAX || !arn_parse(text, &arn) ||
        !str_starts_with(arn.resource, STR("table/")))
        return RESULT_OK;
    *resource = text;
    *owner = arn.account;
    size_t slash = str_find(arn.resource, STR("/stream/"));
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("dynamodb"));
    key_str(&key, arn.account);
    key_str(&key, arn.region);
    key_str(&key, STR("policy"));
    key_str(&key, str_slice(arn.resource, 6, slash));
    key_str(&key, str_slice(arn.resource, slash + 8, arn.resource.len));
    TRY(call_get_record_copy(call, &key, &dynamodb_model, DYNAMODB_SHAPE_policy, &policy, &found));
    if (found)
        *document = policy.document;
    return RESULT_OK;
}
