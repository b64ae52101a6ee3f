#include "cloud/call.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/vec.h"
#include "cloud/clock.h"
#include "cloud/outbox.h"
#include "cloud/park.h"
#include "store/record.h"
#include "wire/wire.h"

/* Numbers are reserved in the store this many at a time. */
enum { SEQUENCE_BLOCK = 1 << 20 };

__attribute__((format(printf, 2, 0))) static struct str
call_format(struct call *call, const char *format, va_list arguments)
{
    char text[2048];
    int len = vsnprintf(text, sizeof text, format, arguments);
    ASSERT(len >= 0);
    size_t kept = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    return str_copy(call->arena, str_make(text, kept));
}

RESULT call_fail(struct call *call, uint32_t error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    call->message = call_format(call, format, arguments);
    va_end(arguments);
    call->error = error;
    call->detail = NULL;
    return RESULT_ERROR;
}

RESULT call_fail_with(struct call *call, uint32_t error, const void *detail, const char *format,
                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    call->message = call_format(call, format, arguments);
    va_end(arguments);
    call->error = error;
    call->detail = detail;
    return RESULT_ERROR;
}

RESULT call_park(struct call *call, struct str topic, int64_t deadline_ms)
{
    call->park_topic = topic;
    call->park_deadline_ms = deadline_ms;
    return RESULT_PARK;
}

void call_signal_some(struct call *call, struct str topic, unsigned count)
{
    struct call_topic entry = {topic, count};
    VEC_PUSH(call->arena, call->signals, call->signal_count, call->signal_cap, entry);
}

void call_signal(struct call *call, struct str topic)
{
    call_signal_some(call, topic, UINT_MAX);
}

RESULT call_sequence(struct call *call, uint64_t *out)
{
    struct cloud *cloud = call->cloud;
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    /* The single writer: nobody else counts meanwhile. A number given to a transaction that fails
     * is lost. */
    uint64_t number = ++cloud->sequence;
    if (number + SEQUENCE_BLOCK > cloud->sequence_mark && call->sequence_mark == 0) {
        struct key key;
        key_init(&key, call->arena);
        key_str(&key, STR("cloud"));
        key_str(&key, STR("sequence"));
        uint64_t mark = number + 2 * (uint64_t)SEQUENCE_BLOCK;
        struct str text = str_format(call->arena, "%llu", (unsigned long long)mark);
        TRY(kv_put(call->txn, key_bytes(&key), text));
        call->sequence_mark = mark; /* counts once the commit is through */
    }
    ASSERT(number <= cloud->sequence_mark || call->sequence_mark != 0);
    *out = number;
    return RESULT_OK;
}

static RESULT call_get(struct call *call, const struct key *key, const struct wire_model *model,
                       uint16_t shape, void *record, bool *found, bool copy)
{
    struct str value;
    TRY(kv_get(call->txn, key_bytes(key), &value));
    if (str_is_absent(value)) {
        memset(record, 0, model->shapes[shape].size);
        *found = false;
        return RESULT_OK;
    }
    if (copy)
        TRY(record_decode_copy(call->arena, model, shape, value, record));
    else
        TRY(record_decode(call->arena, model, shape, value, record));
    *found = true;
    return RESULT_OK;
}

RESULT call_get_record(struct call *call, const struct key *key, const struct wire_model *model,
                       uint16_t shape, void *record, bool *found)
{
    return call_get(call, key, model, shape, record, found, false);
}

RESULT call_get_record_copy(struct call *call, const struct key *key,
                            const struct wire_model *model, uint16_t shape, void *record,
                            bool *found)
{
    return call_get(call, key, model, shape, record, found, true);
}

RESULT call_put_record(struct call *call, const struct key *key, const struct wire_model *model,
                       uint16_t shape, const void *record)
{
    struct buf bytes;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, model, shape, record));
    return kv_put(call->txn, key_bytes(key), buf_str(&bytes));
}

struct key call_key(struct call *call, struct str kind)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, call->model->name);
    key_str(&key, call->account);
    key_str(&key, call->region);
    key_str(&key, kind);
    return key;
}

void call_add_header(struct call *call, struct str name, struct str value)
{
    struct wire_header *headers =
        ARENA_ARRAY(call->arena, call->header_count + 1, struct wire_header);
    for (size_t i = 0; i < call->header_count; i++)
        headers[i] = call->headers[i];
    headers[call->header_count] = (struct wire_header){name, value};
    call->headers = headers;
    call->header_count++;
}

struct str call_trace(const struct call *call)
{
    if (!str_is_absent(call->trace) || call->request == NULL)
        return call->trace;
    return wire_request_header(call->request, STR("X-Amzn-Trace-Id"));
}

RESULT call_copy(struct arena *arena, const struct wire_model *model, uint16_t shape,
                 const void *value, void *copy)
{
    struct buf bytes;
    buf_init(&bytes, arena, SIZE_MAX);
    TRY(record_encode(&bytes, model, shape, value));
    return record_decode(arena, model, shape, buf_str(&bytes), copy);
}
