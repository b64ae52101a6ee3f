/* /_aws/sqs/messages: what is in a queue, without receiving it ("SQS: Developer endpoint for
 * peeking into queues", LocalStack documentation). GET or POST with QueueUrl, or GET of
 * /_aws/sqs/messages/REGION/ACCOUNT/NAME; ShowInvisible and ShowDelayed show those too. Answers
 * like ReceiveMessage in the query protocol, or in JSON with Accept: application/json. */
#include "base/encode.h"
#include "base/vec.h"
#include "services/sqs/sqs_int.h"
#include "store/record.h"

enum { PEEK_MAX = 10000 };

static struct str peek_parameter(struct call *call, struct str name)
{
    const struct str sources[] = {call->request->query, call->request->body};
    for (size_t i = 0; i < 2; i++) {
        struct str rest = sources[i];
        while (!str_is_absent(rest)) {
            struct str pair, key, value, decoded;
            str_cut(rest, '&', &pair, &rest);
            if (str_cut(pair, '=', &key, &value) && str_eq(key, name) &&
                percent_decode(call->arena, value, true, &decoded))
                return decoded;
        }
    }
    return (struct str){0};
}

static bool peek_flag(struct call *call, struct str name)
{
    return str_eq_nocase(peek_parameter(call, name), STR("true"));
}

static void peek_show(struct call *call, const struct sqs_message *message,
                      const struct sqs_state *state, struct sqs_Message *shown)
{
    struct str_map_entry *all =
        ARENA_ARRAY(call->arena, SQS_SYSTEM_ATTRIBUTES + 2, struct str_map_entry);
    size_t count = sqs_system_attributes(call, message, state, all);
    all[count++] = (struct str_map_entry){STR("IsVisible"),
                                          state->place == SQS_READY ? STR("true") : STR("false")};
    all[count++] = (struct str_map_entry){STR("IsDelayed"),
                                          state->place == SQS_DELAYED ? STR("true") : STR("false")};
    *shown = (struct sqs_Message){
        .MessageId = message->id,
        .ReceiptHandle = STR("SQS/BACKDOOR/ACCESS"),
        .MD5OfBody = sqs_hex_md5(call->arena, message->body_md5),
        .Body = message->body,
        .Attributes = {.items = all, .len = count},
    };
    if (message->attributes.len == 0)
        return;
    struct sqs_MessageBodyAttributeMap *map = &shown->MessageAttributes;
    map->items =
        ARENA_ARRAY(call->arena, message->attributes.len, struct sqs_MessageBodyAttributeMap_entry);
    for (size_t i = 0; i < message->attributes.len; i++) {
        const struct sqs_attribute *attribute = &message->attributes.items[i];
        map->items[map->len].key = attribute->name;
        map->items[map->len++].value = (struct sqs_MessageAttributeValue){
            .StringValue = attribute->text,
            .BinaryValue = attribute->bytes,
            .DataType = attribute->type,
        };
    }
    shown->MD5OfMessageAttributes = sqs_attributes_md5(call->arena, &message->attributes);
}

static RESULT peek_walk(struct call *call, const struct sqs_queue *queue, bool invisible,
                        bool delayed, struct sqs_ReceiveMessageResult *out)
{
    struct box box;
    size_t cap = 0;
    struct kv_cursor *cursor;
    TRY(box_open(call, queue, &box));
    struct key prefix = box_key(&box, SQS_KIND_MESSAGE);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (out->Messages.len < PEEK_MAX) {
        struct str key, value;
        struct sqs_message message;
        struct sqs_state state;
        struct sqs_Message shown;
        uint64_t sequence;
        bool found;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_u64(&reader, &sequence))
            return FAULT("a message's key is broken");
        TRY(record_decode(call->arena, &sqs_model, SQS_SHAPE_message, value, &message));
        if (message.sent_ms + queue->retention_s * 1000 <= call->now_ms)
            continue; /* too old, and not yet removed */
        TRY(box_state(&box, sequence, &state, &found));
        if (state.due_ms <= call->now_ms)
            state.place = SQS_READY;
        if ((state.place == SQS_IN_FLIGHT && !invisible) ||
            (state.place == SQS_DELAYED && !delayed))
            continue;
        peek_show(call, &message, &state, &shown);
        VEC_PUSH(call->arena, out->Messages.items, out->Messages.len, cap, shown);
    }
    return RESULT_OK;
}

/* The queue that QueueUrl or the path names: REGION/ACCOUNT/NAME after it. */
static struct str peek_url(struct call *call)
{
    struct str url = peek_parameter(call, STR("QueueUrl")), prefix = STR("/_aws/sqs/messages/");
    if (!str_is_empty(url) || !str_starts_with(call->request->path, prefix))
        return url;
    return str_format(call->arena, "/queue/%.*s",
                      PRSTR(str_slice(call->request->path, prefix.len, call->request->path.len)));
}

RESULT peek_answer(struct call *call, struct wire_response *response)
{
    struct sqs_queue queue;
    struct sqs_ReceiveMessageResult out = {0};
    struct str accept = wire_request_header(call->request, STR("accept"));
    bool json = !str_is_absent(accept) && str_find(accept, STR("json")) != SIZE_MAX;
    struct wire_route route = {
        .model = &sqs_model,
        .operation = SQS_OP_ReceiveMessage,
        .protocol = json ? WIRE_PROTOCOL_JSON : WIRE_PROTOCOL_QUERY,
    };
    call->protocol = route.protocol;
    call->operation = SQS_OP_ReceiveMessage;
    struct str url = peek_url(call);
    enum result result = str_is_empty(url)
                             ? call_fail(call, SQS_MISSING_PARAMETER,
                                         "The request must contain the parameter QueueUrl.")
                             : queue_find(call, url, &queue);
    if (result == RESULT_OK)
        result = peek_walk(call, &queue, peek_flag(call, STR("ShowInvisible")),
                           peek_flag(call, STR("ShowDelayed")), &out);
    if (result == RESULT_ERROR) {
        struct wire_error_reply reply = {
            .error = call->error, .message = call->message, .request_id = call->request_id};
        return wire_encode_error(call->arena, &sqs_model, route.protocol, &reply, response);
    }
    TRY(result);
    return wire_encode_response(call->arena, &route, &out, call->request_id, response);
}
