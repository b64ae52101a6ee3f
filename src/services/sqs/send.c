/* SendMessage and SendMessageBatch, Amazon SQS API Reference. */
#include "base/encode.h"
#include "base/rng.h"
#include "base/vec.h"
#include "services/sqs/sqs_int.h"
#include "store/record.h"

/* What both operations say of one message. */
struct sending {
    struct str body;
    struct opt_int delay;
    const struct sqs_MessageBodyAttributeMap *attributes;
    const struct sqs_MessageBodySystemAttributeMap *system;
    struct str deduplication, group;
};

struct sent {
    struct str md5, attributes_md5, system_md5, id, sequence_number;
};

/* The number of a FIFO message as clients see it: 20 digits that grow. */
static struct str sqs_sequence_number(struct arena *arena, uint64_t sequence)
{
    return str_format(arena, "%llu",
                      (unsigned long long)(UINT64_C(18000000000000000000) + sequence));
}

/* --- digests ---------------------------------------------------------------------------------- */

struct str sqs_hex_md5(struct arena *arena, struct str bytes)
{
    char *text = arena_alloc_raw(arena, 2 * MD5_SIZE);
    struct buf hex;
    buf_init_fixed(&hex, text, 2 * MD5_SIZE);
    hex_encode(&hex, bytes);
    return buf_str(&hex);
}

static void md5_part(struct digest *digest, struct str bytes)
{
    uint8_t length[4] = {(uint8_t)(bytes.len >> 24), (uint8_t)(bytes.len >> 16),
                         (uint8_t)(bytes.len >> 8), (uint8_t)bytes.len};
    digest_update(digest, str_make((const char *)length, sizeof length));
    digest_update(digest, bytes);
}

struct str sqs_attributes_md5(struct arena *arena, const struct sqs_list_attribute *attributes)
{
    if (attributes->len == 0)
        return (struct str){0};
    size_t order[SQS_ATTRIBUTES_MAX];
    size_t count = attributes->len < SQS_ATTRIBUTES_MAX ? attributes->len : SQS_ATTRIBUTES_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        while (at > 0 &&
               str_cmp(attributes->items[order[at - 1]].name, attributes->items[i].name) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    struct digest digest;
    digest_begin(&digest, DIGEST_MD5);
    for (size_t i = 0; i < count; i++) {
        const struct sqs_attribute *attribute = &attributes->items[order[i]];
        bool binary = str_starts_with(attribute->type, STR("Binary"));
        md5_part(&digest, attribute->name);
        md5_part(&digest, attribute->type);
        digest_update(&digest, binary ? str_make("\x02", 1) : str_make("\x01", 1));
        md5_part(&digest, binary ? attribute->bytes : attribute->text);
    }
    uint8_t md5[MD5_SIZE];
    digest_end(&digest, md5);
    return sqs_hex_md5(arena, str_make((const char *)md5, sizeof md5));
}

/* --- message attributes --- */

static bool attribute_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* "Message attribute components", SQS Developer Guide. */
static RESULT attribute_check_name(struct call *call, struct str name)
{
    bool good = name.len >= 1 && name.len <= 256 && name.ptr[0] != '.' &&
                name.ptr[name.len - 1] != '.' && str_find(name, STR("..")) == SIZE_MAX;
    if (str_is_empty(name))
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "The request must contain non-empty message attribute names.");
    if (name.len > 256)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Message (user) attribute name must be shorter than 256 bytes, but it was %zu bytes.",
            name.len);
    for (size_t i = 0; i < name.len; i++)
        good = good && attribute_character(name.ptr[i]);
    struct str four = str_slice(name, 0, 4), seven = str_slice(name, 0, 7);
    if (str_eq_nocase(four, STR("AWS.")) || str_eq_nocase(seven, STR("Amazon.")))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "You cannot use message attribute names beginning with 'AWS.' or 'Amazon.' because "
            "these strings are reserved for internal use.");
    if (!good)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "The message attribute name '%.*s' is invalid. Attribute name can contain A-Z, a-z, "
            "0-9, underscore (_), hyphen (-), and period (.) characters.",
            PRSTR(name));
    return RESULT_OK;
}

/* #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF ("SendMessage",
 * MessageBody). */
static RESULT sending_check_characters(struct call *call, struct str body)
{
    size_t i = 0;
    while (i < body.len) {
        unsigned char c = (unsigned char)body.ptr[i];
        bool bad = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
        bad = bad || (c == 0xEF && i + 2 < body.len && (unsigned char)body.ptr[i + 1] == 0xBF &&
                      (unsigned char)body.ptr[i + 2] >= 0xBE);
        if (bad)
            return call_fail(
                call, SQS_INVALID_MESSAGE_CONTENTS,
                "Invalid characters found: #x%X. Valid unicode characters are #x9 | #xA | #xD | "
                "#x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
                c == 0xEF ? 0xFFC0u + ((unsigned char)body.ptr[i + 2] & 0x3Fu) : c);
        i++;
    }
    return RESULT_OK;
}

static bool attribute_is_type(struct str type, struct str base)
{
    return str_starts_with(type, base) && (type.len == base.len || type.ptr[base.len] == '.');
}

static bool attribute_is_number(struct str text)
{
    double value;
    return text.len <= 128 && str_to_double(str_trim(text), &value);
}

static RESULT attribute_check_value(struct call *call, const struct sqs_attribute *attribute)
{
    struct str type = attribute->type, name = attribute->name;
    bool string = attribute_is_type(type, STR("String"));
    bool number = attribute_is_type(type, STR("Number"));
    bool binary = attribute_is_type(type, STR("Binary"));
    if (str_is_empty(type))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "The message attribute '%.*s' must contain non-empty message attribute type.",
            PRSTR(name));
    if (!string && !number && !binary)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "The message attribute '%.*s' has an invalid message attribute type, the set of "
            "supported type prefixes is Binary, Number, and String.",
            PRSTR(name));
    if (type.len > 256)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "The message attribute '%.*s' type must be shorter than 256 bytes.",
                         PRSTR(name));
    if (str_is_empty(binary ? attribute->bytes : attribute->text))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "The message attribute '%.*s' must contain non-empty message attribute value for "
            "message attribute type '%s'.",
            PRSTR(name),
            string   ? "String"
            : number ? "Number"
                     : "Binary");
    if (number && !attribute_is_number(attribute->text))
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Can't cast the value of message (user) attribute '%.*s' to a number.",
                         PRSTR(name));
    return binary ? RESULT_OK : sending_check_characters(call, attribute->text);
}

static RESULT sending_attributes(struct call *call, const struct sqs_MessageBodyAttributeMap *map,
                                 struct sqs_list_attribute *list, size_t *size)
{
    if (map->len > SQS_ATTRIBUTES_MAX)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Number of message attributes [%zu] exceeds the allowed maximum [10].",
                         map->len);
    list->items = ARENA_ARRAY(call->arena, map->len + 1, struct sqs_attribute);
    list->len = map->len;
    for (size_t i = 0; i < map->len; i++) {
        const struct sqs_MessageAttributeValue *value = &map->items[i].value;
        struct sqs_attribute *attribute = &list->items[i];
        if (value->StringListValues.len > 0 || value->BinaryListValues.len > 0)
            return call_fail(
                call, SQS_UNSUPPORTED_OPERATION,
                "Message attribute list values in SendMessage operation are not supported.");
        *attribute = (struct sqs_attribute){
            .name = map->items[i].key,
            .type = value->DataType,
            .text = value->StringValue,
            .bytes = value->BinaryValue,
        };
        TRY(attribute_check_name(call, attribute->name));
        TRY(attribute_check_value(call, attribute));
        for (size_t j = 0; j < i; j++)
            if (str_eq(list->items[j].name, attribute->name))
                return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                                 "Message (user) attribute name '%.*s' is given twice.",
                                 PRSTR(attribute->name));
        *size +=
            attribute->name.len + attribute->type.len + attribute->text.len + attribute->bytes.len;
    }
    return RESULT_OK;
}

/* AWSTraceHeader is the only one ("SendMessage", MessageSystemAttributes). */
static RESULT sending_system(struct call *call, const struct sqs_MessageBodySystemAttributeMap *map,
                             struct str *trace, struct str *md5)
{
    for (size_t i = 0; i < map->len; i++) {
        const struct sqs_MessageSystemAttributeValue *value = &map->items[i].value;
        if (!str_eq(map->items[i].key, STR("AWSTraceHeader")))
            return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                             "Message system attribute name '%.*s' is invalid.",
                             PRSTR(map->items[i].key));
        if (!str_eq(value->DataType, STR("String")) || str_is_empty(value->StringValue))
            return call_fail(
                call, SQS_INVALID_PARAMETER_VALUE,
                "The message system attribute 'AWSTraceHeader' must contain non-empty message "
                "attribute value for message attribute type 'String'.");
        *trace = value->StringValue;
        struct sqs_attribute one = {
            .name = map->items[i].key, .type = value->DataType, .text = value->StringValue};
        struct sqs_list_attribute list = {&one, 1};
        *md5 = sqs_attributes_md5(call->arena, &list);
    }
    return RESULT_OK;
}

/* --- bodies and parameters --- */

RESULT sqs_check_id(struct call *call, struct str value, const char *name)
{
    bool good = value.len >= 1 && value.len <= 128;
    for (size_t i = 0; i < value.len && good; i++)
        good = value.ptr[i] > 0x20 && value.ptr[i] < 0x7F;
    if (good)
        return RESULT_OK;
    return call_fail(
        call, SQS_INVALID_PARAMETER_VALUE,
        "Value %.*s for parameter %s is invalid. Reason: %s can only include alphanumeric and "
        "punctuation characters. 1 to 128 in length.",
        PRSTR(value), name, name);
}

static RESULT sending_check_fifo(struct call *call, const struct sqs_queue *queue,
                                 struct sending *sending)
{
    if (str_is_absent(sending->group))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter MessageGroupId.");
    TRY(sqs_check_id(call, sending->group, "MessageGroupId"));
    if (sending->delay.set && sending->delay.value != 0)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %d for parameter DelaySeconds is invalid. Reason: The request include "
            "parameter that is not valid for this queue type.",
            sending->delay.value);
    if (!str_is_absent(sending->deduplication))
        return sqs_check_id(call, sending->deduplication, "MessageDeduplicationId");
    if (!queue->content_deduplication)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "The queue should either have ContentBasedDeduplication enabled or "
                         "MessageDeduplicationId provided explicitly");
    uint8_t sum[SHA256_SIZE];
    digest_sha256(sending->body, sum);
    struct buf hex;
    buf_init(&hex, call->arena, 2 * SHA256_SIZE);
    hex_encode(&hex, str_make((const char *)sum, sizeof sum));
    sending->deduplication = buf_str(&hex);
    return RESULT_OK;
}

static RESULT sending_check(struct call *call, const struct sqs_queue *queue,
                            struct sending *sending)
{
    if (str_is_empty(sending->body))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter MessageBody.");
    TRY(sending_check_characters(call, sending->body));
    if (sending->delay.set && (sending->delay.value < 0 || sending->delay.value > 900))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 "
            "and <= 900.",
            sending->delay.value);
    if (queue->fifo)
        return sending_check_fifo(call, queue, sending);
    if (!str_is_absent(sending->deduplication))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter MessageDeduplicationId is invalid. Reason: The request "
            "include parameter that is not valid for this queue type.",
            PRSTR(sending->deduplication));
    /* A group on a standard queue makes it fair ("Amazon SQS fair queues"). */
    return str_is_absent(sending->group) ? RESULT_OK
                                         : sqs_check_id(call, sending->group, "MessageGroupId");
}

/* --- deduplication ---------------------------------------------------------------------------- */

/* Beyond a purge: "Amazon SQS continues to keep track of the message deduplication ID even after
 * the message is received and deleted" (SendMessage). */
static struct key deduplication_prefix(struct box *box, enum sqs_memory memory)
{
    struct key key;
    key_init(&key, box->call->arena);
    key_str(&key, STR("sqs-queue"));
    key_u64(&key, (uint64_t)box->queue->queue_id);
    key_u64(&key, memory);
    return key;
}

static struct key deduplication_key(struct box *box, const struct sending *sending)
{
    struct key key = deduplication_prefix(box, SQS_MEMORY_DEDUPLICATION);
    bool by_group = str_eq(box->queue->deduplication_scope, STR("messageGroup"));
    key_str(&key, by_group ? sending->group : STR(""));
    key_str(&key, sending->deduplication);
    return key;
}

/* Forgets ids whose five minutes are over, a few at a time. */
static RESULT deduplication_expire(struct box *box)
{
    struct call *call = box->call;
    struct key prefix = deduplication_prefix(box, SQS_MEMORY_DEDUPLICATION_EXPIRY);
    for (int n = 0; n < 2; n++) {
        struct kv_cursor *cursor;
        struct str key, value;
        int64_t expires_ms;
        TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_i64(&reader, &expires_ms))
            return FAULT("an expiry key is broken");
        if (expires_ms > call->now_ms)
            return RESULT_OK;
        struct str expiry = str_copy(call->arena, key);
        struct str target = str_copy(call->arena, value);
        struct sqs_deduplication record = {0};
        struct str bytes;
        TRY(kv_get(call->txn, target, &bytes));
        if (!str_is_absent(bytes))
            TRY(record_decode(call->arena, &sqs_model, SQS_SHAPE_deduplication, bytes, &record));
        if (!str_is_absent(bytes) && record.expires_ms <= call->now_ms)
            TRY(kv_delete(call->txn, target, NULL));
        TRY(kv_delete(call->txn, expiry, NULL));
    }
    return RESULT_OK;
}

static RESULT deduplication_find(struct box *box, const struct sending *sending, struct sent *sent,
                                 bool *duplicate)
{
    struct call *call = box->call;
    struct sqs_deduplication record;
    struct key key = deduplication_key(box, sending);
    TRY(deduplication_expire(box));
    TRY(call_get_record_copy(call, &key, &sqs_model, SQS_SHAPE_deduplication, &record, duplicate));
    *duplicate = *duplicate && record.expires_ms > call->now_ms;
    if (*duplicate) {
        sent->id = record.message_id;
        sent->sequence_number = record.sequence_number;
    }
    return RESULT_OK;
}

static RESULT deduplication_remember(struct box *box, const struct sending *sending,
                                     const struct sent *sent, uint64_t sequence)
{
    struct call *call = box->call;
    struct sqs_deduplication record = {
        .message_id = sent->id,
        .sequence_number = sent->sequence_number,
        .expires_ms = call->now_ms + SQS_DEDUPLICATION_MS,
    };
    struct key key = deduplication_key(box, sending);
    TRY(call_put_record(call, &key, &sqs_model, SQS_SHAPE_deduplication, &record));
    struct key expiry = deduplication_prefix(box, SQS_MEMORY_DEDUPLICATION_EXPIRY);
    key_i64(&expiry, record.expires_ms);
    key_u64(&expiry, sequence);
    return kv_put(call->txn, key_bytes(&expiry), key_bytes(&key));
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct str sending_id(struct call *call)
{
    char *id = arena_alloc_raw(call->arena, 36);
    rng_uuid(id);
    return str_make(id, 36);
}

/* One message that has been checked; *size counts what it weighs against the queue's limit. */
static RESULT sending_store(struct box *box, const struct sending *sending,
                            struct sqs_message *message, struct sent *sent)
{
    struct call *call = box->call;
    bool duplicate = false;
    if (box->queue->fifo)
        TRY(deduplication_find(box, sending, sent, &duplicate));
    if (duplicate)
        return RESULT_OK;
    uint64_t sequence;
    TRY(call_sequence(call, &sequence));
    sent->id = sending_id(call);
    message->id = sent->id;
    if (box->queue->fifo) {
        sent->sequence_number = sqs_sequence_number(call->arena, sequence);
        message->sequence_number = sent->sequence_number;
        TRY(deduplication_remember(box, sending, sent, sequence));
    }
    int64_t delay_s =
        sending->delay.set && !box->queue->fifo ? sending->delay.value : box->queue->delay_s;
    return box_add(box, sequence, message, call->now_ms + delay_s * 1000);
}

static RESULT sending_one(struct box *box, struct sending *sending, struct sent *sent, size_t *size)
{
    struct call *call = box->call;
    *sent = (struct sent){0};
    struct sqs_message message = {
        .body = sending->body,
        .sent_ms = call->now_ms,
        .sender = call->principal.user_id,
    };
    *size = sending->body.len;
    TRY(sending_check(call, box->queue, sending));
    TRY(sending_attributes(call, sending->attributes, &message.attributes, size));
    TRY(sending_system(call, sending->system, &message.trace, &sent->system_md5));
    /* A function's SDK says so what its run has been through (Lambda's loop detection). */
    if (str_is_absent(message.trace))
        message.trace = call_trace(call);
    if (*size > (size_t)box->queue->maximum_message_size)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "One or more parameters are invalid. Reason: Message must be shorter than %lld "
            "bytes.",
            (long long)box->queue->maximum_message_size);
    message.group = sending->group;
    message.deduplication = sending->deduplication;
    uint8_t md5[MD5_SIZE];
    digest_md5(sending->body, md5);
    message.body_md5 = str_make((const char *)md5, sizeof md5);
    sent->md5 = sqs_hex_md5(call->arena, message.body_md5);
    sent->attributes_md5 = sqs_attributes_md5(call->arena, &message.attributes);
    return sending_store(box, sending, &message, sent);
}

RESULT sqs_SendMessage(struct call *call, const struct sqs_SendMessageRequest *in,
                       struct sqs_SendMessageResult *out)
{
    struct sqs_queue queue;
    struct box box;
    struct sent sent;
    size_t size;
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(box_open(call, &queue, &box));
    struct sending sending = {
        .body = in->MessageBody,
        .delay = in->DelaySeconds,
        .attributes = &in->MessageAttributes,
        .system = &in->MessageSystemAttributes,
        .deduplication = in->MessageDeduplicationId,
        .group = in->MessageGroupId,
    };
    TRY(sending_one(&box, &sending, &sent, &size));
    TRY(box_close(&box));
    call_signal_some(call, queue_topic(call, &queue), 1);
    *out = (struct sqs_SendMessageResult){
        .MD5OfMessageBody = sent.md5,
        .MD5OfMessageAttributes = sent.attributes_md5,
        .MD5OfMessageSystemAttributes = sent.system_md5,
        .MessageId = sent.id,
        .SequenceNumber = sent.sequence_number,
    };
    return RESULT_OK;
}

/* --- batches ---------------------------------------------------------------------------------- */

static bool batch_id_allowed(struct str id)
{
    if (id.len < 1 || id.len > 80)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (!attribute_character(id.ptr[i]) || id.ptr[i] == '.')
            return false;
    return true;
}

RESULT sqs_check_batch(struct call *call, size_t count,
                       struct str (*id)(const void *entries, size_t i), const void *entries,
                       const char *entry_type)
{
    if (count == 0)
        return call_fail(call, SQS_EMPTY_BATCH_REQUEST,
                         "There should be at least one %s in the request.", entry_type);
    if (count > SQS_BATCH_ENTRIES_MAX)
        return call_fail(call, SQS_TOO_MANY_ENTRIES_IN_BATCH_REQUEST,
                         "Maximum number of entries per request are 10. You have sent %zu.", count);
    for (size_t i = 0; i < count; i++)
        if (!batch_id_allowed(id(entries, i)))
            return call_fail(
                call, SQS_INVALID_BATCH_ENTRY_ID,
                "A batch entry id can only contain alphanumeric characters, hyphens and "
                "underscores. It can be at most 80 letters long.");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (str_eq(id(entries, i), id(entries, j)))
                return call_fail(call, SQS_BATCH_ENTRY_IDS_NOT_DISTINCT, "Id %.*s repeated.",
                                 PRSTR(id(entries, i)));
    return RESULT_OK;
}

struct sqs_BatchResultErrorEntry sqs_batch_error(struct call *call, struct str id)
{
    const struct wire_error *error = &call->model->errors[call->error];
    uint32_t code = call->protocol == WIRE_PROTOCOL_QUERY && error->query_code != 0
                        ? error->query_code
                        : error->code;
    return (struct sqs_BatchResultErrorEntry){
        .Id = id,
        .SenderFault = opt_bool(!error->server_fault),
        .Code = wire_string(call->model, code),
        .Message = call->message,
    };
}

static struct str send_batch_id(const void *entries, size_t i)
{
    return ((const struct sqs_SendMessageBatchRequestEntry *)entries)[i].Id;
}

static size_t send_batch_size(const struct sqs_SendMessageBatchRequest *in)
{
    size_t size = 0;
    for (size_t i = 0; i < in->Entries.len; i++) {
        const struct sqs_SendMessageBatchRequestEntry *entry = &in->Entries.items[i];
        size += entry->MessageBody.len;
        for (size_t a = 0; a < entry->MessageAttributes.len; a++) {
            const struct sqs_MessageAttributeValue *value =
                &entry->MessageAttributes.items[a].value;
            size += entry->MessageAttributes.items[a].key.len + value->DataType.len +
                    value->StringValue.len + value->BinaryValue.len;
        }
    }
    return size;
}

static struct sqs_SendMessageBatchResultEntry send_batch_result(struct str id,
                                                                const struct sent *sent)
{
    return (struct sqs_SendMessageBatchResultEntry){
        .Id = id,
        .MessageId = sent->id,
        .MD5OfMessageBody = sent->md5,
        .MD5OfMessageAttributes = sent->attributes_md5,
        .MD5OfMessageSystemAttributes = sent->system_md5,
        .SequenceNumber = sent->sequence_number,
    };
}

RESULT sqs_SendMessageBatch(struct call *call, const struct sqs_SendMessageBatchRequest *in,
                            struct sqs_SendMessageBatchResult *out)
{
    struct sqs_queue queue;
    struct box box;
    size_t ok_cap = 0, failed_cap = 0;
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(sqs_check_batch(call, in->Entries.len, send_batch_id, in->Entries.items,
                        "SendMessageBatchRequestEntry"));
    size_t total = send_batch_size(in);
    if (total > SQS_BATCH_SIZE_MAX)
        return call_fail(call, SQS_BATCH_REQUEST_TOO_LONG,
                         "Batch requests cannot be longer than %d bytes. You have sent %zu bytes.",
                         SQS_BATCH_SIZE_MAX, total);
    TRY(box_open(call, &queue, &box));
    for (size_t i = 0; i < in->Entries.len; i++) {
        const struct sqs_SendMessageBatchRequestEntry *entry = &in->Entries.items[i];
        struct sending sending = {
            .body = entry->MessageBody,
            .delay = entry->DelaySeconds,
            .attributes = &entry->MessageAttributes,
            .system = &entry->MessageSystemAttributes,
            .deduplication = entry->MessageDeduplicationId,
            .group = entry->MessageGroupId,
        };
        struct sent sent;
        size_t size;
        /* An entry is checked wholly before it writes: a refused one has left nothing behind. */
        enum result result = sending_one(&box, &sending, &sent, &size);
        if (result == RESULT_ERROR)
            VEC_PUSH(call->arena, out->Failed.items, out->Failed.len, failed_cap,
                     sqs_batch_error(call, entry->Id));
        else if (result == RESULT_OK)
            VEC_PUSH(call->arena, out->Successful.items, out->Successful.len, ok_cap,
                     send_batch_result(entry->Id, &sent));
        else
            return result;
    }
    TRY(box_close(&box));
    if (out->Successful.len > 0)
        call_signal_some(call, queue_topic(call, &queue), (unsigned)out->Successful.len);
    return RESULT_OK;
}

/* --- moving ----------------------------------------------------------------------------------- */

static RESULT sending_move(struct box *from, uint64_t sequence, struct box *to,
                           struct sqs_message *moved)
{
    struct call *call = from->call;
    uint64_t new_sequence;
    TRY(box_remove(from, sequence, NULL));
    TRY(call_sequence(call, &new_sequence));
    if (to->queue->fifo)
        moved->sequence_number = sqs_sequence_number(call->arena, new_sequence);
    TRY(box_add(to, new_sequence, moved, 0));
    call_signal_some(call, queue_topic(call, to->queue), 1);
    return RESULT_OK;
}

RESULT sqs_bury(struct box *from, uint64_t sequence, const struct sqs_message *message,
                const struct sqs_state *state, struct box *to)
{
    struct sqs_message moved = *message;
    moved.dead_letter_source = queue_arn(from->call->arena, from->queue);
    moved.earlier_receives += state->receives;
    if (moved.first_receive_ms == 0)
        moved.first_receive_ms = state->first_receive_ms;
    if (to->queue->fifo) {
        /* "Setting-up dead-letter queue retention" and "Learn how to configure a dead-letter queue
         * redrive", SQS Developer Guide: in FIFO queues the retention starts anew, and the
         * message's id takes the place of its deduplication id. */
        moved.sent_ms = from->call->now_ms;
        moved.deduplication = message->id;
    }
    return sending_move(from, sequence, to, &moved);
}

RESULT sqs_revive(struct box *from, uint64_t sequence, const struct sqs_message *message,
                  struct box *to)
{
    /* "All redriven messages are considered new messages with a new messageID and enqueueTime" (the
     * same page). */
    struct sqs_message moved = *message;
    moved.id = sending_id(from->call);
    moved.sent_ms = from->call->now_ms;
    moved.dead_letter_source = (struct str){0};
    moved.earlier_receives = moved.first_receive_ms = 0;
    return sending_move(from, sequence, to, &moved);
}
