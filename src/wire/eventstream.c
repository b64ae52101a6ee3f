/* Event stream frames (Smithy, "Amazon Event Stream Specification"):
 *
 *   total length, length of the headers, CRC-32 of these 8 bytes | headers | payload | CRC-32 of
 * all before
 *
 * all numbers big-endian. A header: length of its name (1 byte), name, type (1), value; strings and
 * byte arrays with two bytes of length before them. */
#include "base/digest.h"
#include "base/encode.h"
#include "wire/shape.h"
#include "wire/text.h"
#include "wire/wire_int.h"

enum { PRELUDE_SIZE = 12, TRAILER_SIZE = 4, HEADERS_MAX = 128 << 10, PAYLOAD_MAX = 24 << 20 };

enum header_type {
    HEADER_TRUE,
    HEADER_FALSE,
    HEADER_BYTE,
    HEADER_SHORT,
    HEADER_INT,
    HEADER_LONG,
    HEADER_BYTES,
    HEADER_STRING,
    HEADER_TIMESTAMP,
    HEADER_UUID,
};

static void put_number(struct buf *out, uint64_t number, unsigned size)
{
    while (size-- > 0)
        buf_append_char(out, (char)(unsigned char)(number >> (8 * size)));
}

static uint64_t get_number(struct str bytes, size_t at, unsigned size)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < size; i++)
        number = number << 8 | (unsigned char)bytes.ptr[at + i];
    return number;
}

/* ---- writing */

static void put_name(struct buf *headers, struct str name, enum header_type type)
{
    put_number(headers, name.len, 1);
    buf_append(headers, name);
    put_number(headers, type, 1);
}

static void put_string(struct buf *headers, struct str name, struct str value)
{
    put_name(headers, name, HEADER_STRING);
    put_number(headers, value.len, 2);
    buf_append(headers, value);
}

static void put_header(struct buf *headers, const struct wire_model *model,
                       const struct wire_member *member, const void *place)
{
    const struct wire_shape *shape = shape_at(model, member->shape);
    struct str name = member_name(model, member);

    switch ((enum wire_type)shape->type) {
    case WIRE_BOOL:
        put_name(headers, name, member_bool(member->flags, place) ? HEADER_TRUE : HEADER_FALSE);
        break;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG: {
        unsigned order = (unsigned)shape->type - WIRE_BYTE;
        put_name(headers, name, HEADER_BYTE + order);
        put_number(headers, (uint64_t)member_integer(shape, member->flags, place), 1U << order);
        break;
    }
    case WIRE_TIMESTAMP:
        put_name(headers, name, HEADER_TIMESTAMP);
        put_number(headers, (uint64_t)member_time(member->flags, place), 8);
        break;
    case WIRE_BLOB: {
        struct str bytes = *(const struct str *)place;
        put_name(headers, name, HEADER_BYTES);
        put_number(headers, bytes.len, 2);
        buf_append(headers, bytes);
        break;
    }
    case WIRE_STRING:
        put_string(headers, name, *(const struct str *)place);
        break;
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
    case WIRE_LIST:
    case WIRE_MAP:
    case WIRE_STRUCT:
        break; /* no header is of these types (Smithy, eventHeader trait) */
    }
}

static RESULT finish(struct arena *arena, const struct buf *headers, struct str payload,
                     struct str *frame)
{
    size_t total = PRELUDE_SIZE + headers->len + payload.len + TRAILER_SIZE;
    struct buf out;

    if (buf_is_full(headers) || payload.len > PAYLOAD_MAX)
        return FAULT("an event of %zu bytes does not fit into a frame", total);
    buf_init(&out, arena, total);
    buf_reserve(&out, total);
    put_number(&out, total, 4);
    put_number(&out, headers->len, 4);
    put_number(&out, digest_crc32(buf_str(&out)), 4);
    buf_append(&out, buf_str(headers));
    buf_append(&out, payload);
    put_number(&out, digest_crc32(buf_str(&out)), 4);
    *frame = buf_str(&out);
    return RESULT_OK;
}

static struct str document_type(enum wire_protocol protocol)
{
    switch (protocol) {
    case WIRE_PROTOCOL_REST_XML:
    case WIRE_PROTOCOL_QUERY:
    case WIRE_PROTOCOL_EC2:
        return STR("text/xml");
    case WIRE_PROTOCOL_CBOR:
        return STR("application/cbor");
    case WIRE_PROTOCOL_JSON:
    case WIRE_PROTOCOL_REST_JSON:
        break;
    }
    return STR("application/json");
}

static RESULT write_document(struct buf *out, const struct wire_route *route, uint16_t shape,
                             const void *value)
{
    const struct wire_model *model = route->model;
    switch (route->protocol) {
    case WIRE_PROTOCOL_REST_XML:
    case WIRE_PROTOCOL_QUERY:
    case WIRE_PROTOCOL_EC2:
        return wire_xml_write(out, model, shape, shape_at(model, shape)->name, 0, value);
    case WIRE_PROTOCOL_CBOR:
        return wire_cbor_write(out, model, shape, value);
    case WIRE_PROTOCOL_JSON:
    case WIRE_PROTOCOL_REST_JSON:
        break;
    }
    return wire_json_write(out, model, shape, value);
}

/* The payload and its type, absent when the event has none. */
static RESULT write_payload(struct buf *out, const struct wire_route *route, uint16_t event,
                            const void *value, struct str *content_type)
{
    const struct wire_model *model = route->model;
    const struct wire_shape *shape = shape_at(model, event);
    const struct wire_member *members = shape_members(model, shape);
    bool has_body = false;

    *content_type = (struct str){0};
    for (size_t i = 0; i < shape->member_count; i++) {
        if (!(members[i].flags & WIRE_MEMBER_EVENT_HEADER))
            has_body = true;
        if (!(members[i].flags & WIRE_MEMBER_EVENT_PAYLOAD))
            continue;
        if (!member_is_present(model, &members[i], value))
            return RESULT_OK;
        const struct wire_shape *inner = shape_at(model, members[i].shape);
        const void *place = member_value(&members[i], value);
        if (wire_is_simple(inner)) {
            bool blob = inner->type == WIRE_BLOB;
            *content_type = blob ? STR("application/octet-stream") : STR("text/plain");
            buf_append(out, *(const struct str *)place);
            return RESULT_OK;
        }
        *content_type = document_type(route->protocol);
        if (inner->type == WIRE_STRUCT)
            place = *(const void *const *)place;
        return write_document(out, route, members[i].shape, place);
    }
    if (!has_body)
        return RESULT_OK;
    *content_type = document_type(route->protocol);
    return write_document(out, route, event, value);
}

RESULT wire_encode_event(struct arena *arena, const struct wire_route *route, uint16_t union_shape,
                         uint16_t member, const void *value, struct str *frame)
{
    const struct wire_model *model = route->model;
    const struct wire_member *event = &shape_members(model, shape_at(model, union_shape))[member];
    const struct wire_shape *shape = shape_at(model, event->shape);
    const struct wire_member *members = shape_members(model, shape);
    bool exception = shape->flags & WIRE_SHAPE_EXCEPTION;
    struct str content_type;
    struct buf headers, payload;

    buf_init(&headers, arena, HEADERS_MAX);
    buf_init(&payload, arena, PAYLOAD_MAX + 1);
    TRY(write_payload(&payload, route, event->shape, value, &content_type));
    put_string(&headers, exception ? STR(":exception-type") : STR(":event-type"),
               member_name(model, event));
    if (!str_is_absent(content_type))
        put_string(&headers, STR(":content-type"), content_type);
    put_string(&headers, STR(":message-type"), exception ? STR("exception") : STR("event"));
    for (size_t i = 0; i < shape->member_count; i++)
        if (members[i].flags & WIRE_MEMBER_EVENT_HEADER &&
            member_is_present(model, &members[i], value))
            put_header(&headers, model, &members[i], member_value(&members[i], value));
    return finish(arena, &headers, buf_str(&payload), frame);
}

RESULT wire_encode_initial_response(struct arena *arena, const struct wire_route *route,
                                    const void *out, struct str *frame)
{
    uint16_t output = route->model->operations[route->operation].output;
    struct buf headers, payload;

    buf_init(&headers, arena, HEADERS_MAX);
    buf_init(&payload, arena, PAYLOAD_MAX + 1);
    TRY(write_document(&payload, route, output, out));
    put_string(&headers, STR(":event-type"), STR("initial-response"));
    put_string(&headers, STR(":content-type"), document_type(route->protocol));
    put_string(&headers, STR(":message-type"), STR("event"));
    return finish(arena, &headers, buf_str(&payload), frame);
}

RESULT wire_encode_event_error(struct arena *arena, struct str code, struct str message,
                               struct str *frame)
{
    struct buf headers;

    buf_init(&headers, arena, HEADERS_MAX);
    put_string(&headers, STR(":error-code"), code);
    put_string(&headers, STR(":error-message"), str_slice(message, 0, UINT16_MAX));
    put_string(&headers, STR(":message-type"), STR("error"));
    return finish(arena, &headers, STR(""), frame);
}

/* ---- reading */

/* The value at *at of the headers; false: it does not fit in there. */
static bool get_value(struct str headers, size_t *at, enum header_type type, struct str *value)
{
    static const unsigned char sizes[] = {
        [HEADER_BYTE] = 1, [HEADER_SHORT] = 2,     [HEADER_INT] = 4,
        [HEADER_LONG] = 8, [HEADER_TIMESTAMP] = 8, [HEADER_UUID] = 16};
    size_t size = sizes[type];

    if (type == HEADER_BYTES || type == HEADER_STRING) {
        if (headers.len - *at < 2)
            return false;
        size = (size_t)get_number(headers, *at, 2);
        *at += 2;
    }
    if (headers.len - *at < size)
        return false;
    *value = str_make(headers.ptr + *at, size);
    *at += size;
    return true;
}

static bool get_headers(struct arena *arena, struct str headers, struct wire_frame *frame)
{
    size_t cap = headers.len / 3 + 1, at = 0;

    frame->headers = arena_alloc_array(arena, cap, sizeof(*frame->headers));
    while (at < headers.len) {
        struct wire_frame_header *header = &frame->headers[frame->header_count];
        size_t name_len = (unsigned char)headers.ptr[at++];
        if (name_len == 0 || headers.len - at < name_len + 1)
            return false;
        header->name = str_make(headers.ptr + at, name_len);
        at += name_len;
        header->type = (uint8_t)headers.ptr[at++];
        if (header->type > HEADER_UUID || !get_value(headers, &at, header->type, &header->value))
            return false;
        frame->header_count++;
    }
    return true;
}

enum wire_frame_state wire_decode_frame(struct arena *arena, struct str bytes,
                                        struct wire_frame *frame, size_t *used)
{
    if (bytes.len < PRELUDE_SIZE)
        return WIRE_FRAME_PARTIAL;
    size_t total = (size_t)get_number(bytes, 0, 4), headers_len = (size_t)get_number(bytes, 4, 4);
    if (digest_crc32(str_slice(bytes, 0, 8)) != get_number(bytes, 8, 4) ||
        headers_len > HEADERS_MAX ||
        total > PRELUDE_SIZE + HEADERS_MAX + PAYLOAD_MAX + TRAILER_SIZE ||
        total < PRELUDE_SIZE + headers_len + TRAILER_SIZE)
        return WIRE_FRAME_BROKEN;
    if (bytes.len < total)
        return WIRE_FRAME_PARTIAL;
    if (digest_crc32(str_slice(bytes, 0, total - TRAILER_SIZE)) !=
        get_number(bytes, total - TRAILER_SIZE, 4))
        return WIRE_FRAME_BROKEN;
    *frame = (struct wire_frame){
        .payload = str_slice(bytes, PRELUDE_SIZE + headers_len, total - TRAILER_SIZE)};
    if (!get_headers(arena, str_slice(bytes, PRELUDE_SIZE, PRELUDE_SIZE + headers_len), frame))
        return WIRE_FRAME_BROKEN;
    *used = total;
    return WIRE_FRAME_WHOLE;
}

struct str wire_frame_string(const struct wire_frame *frame, struct str name)
{
    for (size_t i = 0; i < frame->header_count; i++)
        if (frame->headers[i].type == HEADER_STRING && str_eq(frame->headers[i].name, name))
            return frame->headers[i].value;
    return (struct str){0};
}
