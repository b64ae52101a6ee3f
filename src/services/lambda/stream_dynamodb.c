/* DynamoDB's streams as event sources: "Using Lambda with DynamoDB Streams", "Example event",
 * AWS Lambda Developer Guide. Read as the function's role. */
#include "gen/dynamodbstreams.h"
#include "services/lambda/stream_int.h"
#include "wire/wire.h"

enum { PAGE = 1000 };

static RESULT dynamodb_invoke(struct call *call, const struct source *source, uint32_t operation,
                              const void *in, const void **out, uint32_t *error)
{
    return source_invoke(call, source, &dynamodbstreams_model, operation, in, out, error);
}

static RESULT dynamodb_shards(struct call *call, const struct source *source, struct str_list *out)
{
    const struct dynamodbstreams_DescribeStreamInput in = {.StreamArn = source->mapping.source_arn};
    const void *answer;
    uint32_t error;
    TRY(dynamodb_invoke(call, source, DYNAMODBSTREAMS_OP_DescribeStream, &in, &answer, &error));
    const struct dynamodbstreams_DescribeStreamOutput *described = answer;
    const struct dynamodbstreams_ShardDescriptionList *shards =
        &described->StreamDescription->Shards;
    out->items = ARENA_ARRAY(call->arena, shards->len + 1, struct str);
    out->len = shards->len;
    for (size_t i = 0; i < shards->len; i++)
        out->items[i] = shards->items[i].ShardId;
    return RESULT_OK;
}

/* A stream's sequence numbers and a mapping's id are of one sequence, the cloud's: what the table
 * had seen when the mapping was made came before it. */
static struct str dynamodb_start(struct call *call, const struct source *source)
{
    if (!str_eq(source->mapping.starting_position, STR("LATEST")))
        return (struct str){0};
    return str_format(call->arena, "1%020llu", (unsigned long long)source->mapping.id);
}

static RESULT dynamodb_iterator(struct call *call, const struct source *source, struct str shard,
                                struct str sequence, struct str *out)
{
    struct dynamodbstreams_GetShardIteratorInput in = {
        .StreamArn = source->mapping.source_arn,
        .ShardId = shard,
        .ShardIteratorType = STR("AFTER_SEQUENCE_NUMBER"),
        .SequenceNumber = sequence,
    };
    const void *answer = NULL;
    uint32_t error = 0;
    enum result result = RESULT_ERROR;
    if (!str_is_absent(sequence))
        result = dynamodb_invoke(call, source, DYNAMODBSTREAMS_OP_GetShardIterator, &in, &answer,
                                 &error);
    /* Not kept any more, or never there: what is left is read, and what was done skipped. */
    if (result == RESULT_ERROR &&
        (str_is_absent(sequence) || error == DYNAMODBSTREAMS_TRIMMED_DATA_ACCESS ||
         error == DYNAMODBSTREAMS_VALIDATION)) {
        in.ShardIteratorType = STR("TRIM_HORIZON");
        in.SequenceNumber = (struct str){0};
        result = dynamodb_invoke(call, source, DYNAMODBSTREAMS_OP_GetShardIterator, &in, &answer,
                                 &error);
    }
    if (result == RESULT_OK)
        *out = ((const struct dynamodbstreams_GetShardIteratorOutput *)answer)->ShardIterator;
    return result;
}

static RESULT dynamodb_json(struct call *call, const struct source *source,
                            const struct dynamodbstreams_Record *record, struct str *out)
{
    struct buf json;
    struct dynamodbstreams_Record plain = *record;
    buf_init(&json, call->arena, SIZE_MAX);
    plain.userIdentity = NULL; /* its members are written small in events */
    TRY(wire_json_encode(&json, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_Record, &plain));
    json.len--;
    if (record->userIdentity != NULL) {
        buf_append_c(&json, ",\"userIdentity\":{\"type\":");
        wire_json_write_string(&json, record->userIdentity->Type);
        buf_append_c(&json, ",\"principalId\":");
        wire_json_write_string(&json, record->userIdentity->PrincipalId);
        buf_append_char(&json, '}');
    }
    buf_append_c(&json, ",\"eventSourceARN\":");
    wire_json_write_string(&json, source->mapping.source_arn);
    buf_append_char(&json, '}');
    *out = buf_str(&json);
    return RESULT_OK;
}

static RESULT dynamodb_record(struct call *call, const struct source *source,
                              const struct dynamodbstreams_Record *record,
                              struct stream_record *out)
{
    const struct dynamodbstreams_StreamRecord *body = record->dynamodb;
    out->sequence = body->SequenceNumber;
    out->arrival_ms = body->ApproximateCreationDateTime.ms;
    if (source->mapping.parallel > 1) {
        struct buf keys;
        const struct dynamodbstreams_StreamRecord only = {.Keys = body->Keys};
        buf_init(&keys, call->arena, SIZE_MAX);
        TRY(wire_json_encode(&keys, &dynamodbstreams_model, DYNAMODBSTREAMS_SHAPE_StreamRecord,
                             &only));
        out->key_hash = str_hash(buf_str(&keys), 0);
    }
    return dynamodb_json(call, source, record, &out->record);
}

static RESULT dynamodb_read(struct call *call, const struct source *source, struct str shard,
                            struct str sequence, struct str next, struct stream_page *out)
{
    const void *answer;
    uint32_t error;
    if (str_is_absent(next))
        TRY(dynamodb_iterator(call, source, shard, sequence, &next));
    const struct dynamodbstreams_GetRecordsInput in = {.ShardIterator = next,
                                                       .Limit = opt_int(PAGE)};
    enum result result =
        dynamodb_invoke(call, source, DYNAMODBSTREAMS_OP_GetRecords, &in, &answer, &error);
    if (result == RESULT_ERROR && error == DYNAMODBSTREAMS_EXPIRED_ITERATOR)
        return dynamodb_read(call, source, shard, sequence, (struct str){0}, out);
    TRY(result);
    const struct dynamodbstreams_GetRecordsOutput *got = answer;
    *out = (struct stream_page){
        .items = ARENA_ARRAY(call->arena, got->Records.len + 1, struct stream_record),
        .next = got->NextShardIterator,
        .topic = shard,
        .more = got->Records.len > 0 && !str_is_absent(got->NextShardIterator),
    };
    for (size_t i = 0; i < got->Records.len; i++) {
        const struct dynamodbstreams_Record *record = &got->Records.items[i];
        if (!str_is_absent(sequence) && str_cmp(record->dynamodb->SequenceNumber, sequence) <= 0)
            continue;
        TRY(dynamodb_record(call, source, record, &out->items[out->len++]));
    }
    return RESULT_OK;
}

const struct stream_source stream_dynamodb = {
    .service = STR_INIT("dynamodb"),
    .batch_name = STR_INIT("DDBStreamBatchInfo"),
    .shards = dynamodb_shards,
    .start = dynamodb_start,
    .read = dynamodb_read,
};
