/* Error replies, as each protocol words them. "AWS JSON 1.0 protocol", "AWS restJson1 protocol",
 * "Smithy RPC v2 CBOR protocol", "AWS query protocol", "AWS EC2 query protocol" and "AWS restXml
 * protocol" of Smithy 2.0, "AWS query compatible trait", and Amazon S3's "Error responses". */
#include <stdarg.h>
#include <stdio.h>

#include "base/digest.h"
#include "base/encode.h"
#include "wire/shape.h"
#include "wire/text.h"
#include "wire/wire_int.h"

RESULT wire_fail(struct arena *arena, struct wire_failure *failure, enum wire_common_error error,
                 const char *format, ...)
{
    va_list arguments;
    char text[512];
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ASSERT(len >= 0);
    struct str message = str_make(text, (size_t)len);
    if ((size_t)len < sizeof(text)) {
        message = str_copy(arena, message);
    } else {
        char *longer = arena_alloc_raw(arena, (size_t)len + 1);
        va_start(arguments, format);
        (void)vsnprintf(longer, (size_t)len + 1, format, arguments);
        va_end(arguments);
        message = str_make(longer, (size_t)len);
    }
    *failure = (struct wire_failure){.error = error, .message = message};
    return RESULT_ERROR;
}

/* Room is taken in powers of two, so that the count alone tells when there is none. */
void wire_add_header(struct arena *arena, struct wire_response *response, struct str name,
                     struct str value)
{
    size_t count = response->header_count;
    size_t size = sizeof(*response->headers);
    if (count == 0)
        response->headers = arena_alloc_raw(arena, 8 * size);
    else if (count >= 8 && (count & (count - 1)) == 0)
        response->headers = arena_grow(arena, response->headers, count * size, 2 * count * size);
    response->headers[response->header_count++] = (struct wire_header){name, value};
}

bool wire_is_s3(const struct wire_model *model)
{
    return str_eq(model->name, STR("s3"));
}

/* Long and opaque; the same for the same request. Nobody reads anything in it, so it is mixed and
 * not digested (splitmix64). */
struct str wire_s3_host_id(struct arena *arena, struct str request_id)
{
    enum { WORDS = 8, SHOWN = 57 };
    uint64_t state = 0, words[WORDS];
    for (size_t i = 0; i < request_id.len; i++)
        state = (state ^ (uint8_t)request_id.ptr[i]) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        words[i] = z ^ z >> 31;
    }
    struct buf out;
    buf_init(&out, arena, 128);
    base64_encode(&out, str_make((const char *)words, SHOWN));
    return buf_str(&out);
}

void wire_add_own_headers(struct arena *arena, const struct wire_model *model,
                          struct str request_id, struct wire_response *response)
{
    if (!wire_is_s3(model)) {
        wire_add_header(arena, response, STR("x-amzn-RequestId"), request_id);
        if (model->body_crc32)
            wire_add_header(arena, response, STR("x-amz-crc32"),
                            str_format(arena, "%u", (unsigned)digest_crc32(response->body)));
        return;
    }
    wire_add_header(arena, response, STR("x-amz-request-id"), request_id);
    wire_add_header(arena, response, STR("x-amz-id-2"), wire_s3_host_id(arena, request_id));
}

/* All that a reply is made of, looked up once. */
struct error {
    struct arena *arena;
    const struct wire_model *model;
    const struct wire_error *error;
    const struct wire_error_reply *reply;
    struct str code;         /* on XML and query wires */
    struct str name;         /* on JSON and CBOR wires */
    struct str message;      /* absent: none */
    struct str message_name; /* in JSON; the shape's spelling */
    const void *detail;      /* without the message; NULL: none */
};

static const struct wire_member *message_member(const struct wire_model *model, uint16_t shape)
{
    const struct wire_shape *structure = &model->shapes[shape];
    const struct wire_member *members = shape_members(model, structure);
    for (size_t i = 0; i < structure->member_count; i++)
        if (model->shapes[members[i].shape].type == WIRE_STRING &&
            str_eq_nocase(member_name(model, &members[i]), STR("message")))
            return &members[i];
    return NULL;
}

/* The message goes its own way: it is taken out of (a copy of) the detail. */
static void take_message(struct error *e)
{
    const struct wire_shape *shape = &e->model->shapes[e->error->shape];
    const struct wire_member *member = message_member(e->model, e->error->shape);
    if (member != NULL)
        e->message_name = wire_string(e->model, member->wire_name);
    if (e->reply->detail == NULL || e->error->shape == 0)
        return;
    e->detail = e->reply->detail;
    if (member == NULL)
        return;
    void *copy = arena_alloc_raw(e->arena, shape->size);
    memcpy(copy, e->detail, shape->size);
    struct str *message = member_place(member, copy);
    if (str_is_empty(e->message))
        e->message = *message;
    *message = (struct str){0};
    e->detail = copy;
}

/* AWS's front end spells these two its own way where no shape of the service says otherwise. */
static struct str default_message_name(uint32_t error)
{
    return error == WIRE_ACCESS_DENIED || error == WIRE_SERIALIZATION ? STR("Message")
                                                                      : STR("message");
}

/* "com.amazonaws.sqs#QueueDoesNotExist". Errors of the front end, which no shape of the service
 * describes, have the front end's namespace. */
static struct str qualified_name(const struct error *e)
{
    struct str space = wire_string(e->model, e->model->error_namespace);
    if (str_is_absent(space))
        return e->name;
    bool front_end = e->reply->error < WIRE_COMMON_ERRORS && e->error->shape == 0 &&
                     str_is_absent(e->reply->code);
    if (front_end)
        space = e->reply->error == WIRE_VALIDATION ? STR("com.amazon.coral.validate")
                                                   : STR("com.amazon.coral.service");
    return str_format(e->arena, "%.*s#%.*s", PRSTR(space), PRSTR(e->name));
}

/* CBOR wants an absolute name always. */
static struct str absolute_name(const struct error *e)
{
    if (e->model->error_namespace != 0)
        return qualified_name(e);
    struct str folder = e->model->name;
    struct buf out;
    buf_init(&out, e->arena, 512);
    buf_append(&out, STR("com.amazonaws."));
    for (size_t i = 0; i < folder.len; i++)
        if (folder.ptr[i] != '_')
            buf_append_char(&out, folder.ptr[i]);
    buf_append_char(&out, '#');
    buf_append(&out, e->name);
    return buf_str(&out);
}

/* Members that the HTTP bindings put into headers: Retry-After and its kin. */
static void add_detail_headers(const struct error *e, struct wire_response *response)
{
    if (e->detail == NULL)
        return;
    const struct wire_shape *shape = &e->model->shapes[e->error->shape];
    const struct wire_member *members = shape_members(e->model, shape);
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &members[i];
        const struct wire_shape *target = &e->model->shapes[member->shape];
        if (member->location != WIRE_IN_HEADER || !wire_is_simple(target) ||
            !member_is_present(e->model, member, e->detail))
            continue;
        struct buf value;
        buf_init(&value, e->arena, 8192);
        wire_text_write(&value, target, member, WIRE_TIME_RFC822, member_value(member, e->detail));
        wire_add_header(e->arena, response, wire_string(e->model, member->wire_name),
                        buf_str(&value));
    }
}

/* Lambda's errors say "Type": "User" or "Service" where the function did not. */
static void put_fault_type(const struct error *e, struct buf *out, bool *first)
{
    const struct wire_shape *shape = &e->model->shapes[e->error->shape];
    const struct wire_member *members = shape_members(e->model, shape);
    for (size_t i = 0; e->error->shape != 0 && i < shape->member_count; i++) {
        const struct wire_member *member = &members[i];
        if (!str_eq(member_name(e->model, member), STR("Type")) ||
            e->model->shapes[member->shape].type != WIRE_STRING ||
            (e->detail != NULL && member_is_present(e->model, member, e->detail)))
            continue;
        buf_append(out, *first ? STR("\"Type\":") : STR(",\"Type\":"));
        buf_append(out, e->error->server_fault ? STR("\"Service\"") : STR("\"User\""));
        *first = false;
    }
}

static RESULT json_body(const struct error *e, bool rest, struct str *body)
{
    struct buf out;
    bool first = true;
    buf_init(&out, e->arena, WIRE_BODY_MAX);
    buf_append_char(&out, '{');
    if (rest) {
        put_fault_type(e, &out, &first);
    } else {
        buf_append(&out, STR("\"__type\":"));
        wire_json_write_string(&out, qualified_name(e));
        first = false;
    }
    if (!str_is_absent(e->message)) {
        if (!first)
            buf_append_char(&out, ',');
        wire_json_write_string(&out, e->message_name);
        buf_append_char(&out, ':');
        wire_json_write_string(&out, e->message);
        first = false;
    }
    if (e->detail != NULL)
        TRY(wire_json_write_members(&out, e->model, e->error->shape, e->detail, &first));
    buf_append_char(&out, '}');
    if (buf_is_full(&out))
        return FAULT("an error reply is larger than %d bytes", WIRE_BODY_MAX);
    *body = buf_str(&out);
    return RESULT_OK;
}

/* What clients of the older query protocol know the error by. */
static void add_query_error(const struct error *e, struct wire_response *response)
{
    struct str code = str_is_absent(e->reply->code) ? wire_string(e->model, e->error->query_code)
                                                    : e->reply->code;
    if (!e->model->query_compatible || str_is_absent(code))
        return;
    struct str value = str_format(e->arena, "%.*s;%s", PRSTR(code),
                                  e->error->server_fault ? "Receiver" : "Sender");
    wire_add_header(e->arena, response, STR("x-amzn-query-error"), value);
}

static RESULT encode_json(const struct error *e, struct wire_response *response)
{
    TRY(json_body(e, false, &response->body));
    wire_add_header(e->arena, response, STR("Content-Type"),
                    e->model->json_version == 10 ? STR("application/x-amz-json-1.0")
                                                 : STR("application/x-amz-json-1.1"));
    add_query_error(e, response);
    return RESULT_OK;
}

static RESULT encode_rest_json(const struct error *e, struct wire_response *response)
{
    TRY(json_body(e, true, &response->body));
    wire_add_header(e->arena, response, STR("Content-Type"), STR("application/json"));
    wire_add_header(e->arena, response, STR("x-amzn-ErrorType"), e->name);
    add_detail_headers(e, response);
    return RESULT_OK;
}

static RESULT encode_cbor(const struct error *e, struct wire_response *response)
{
    struct buf out;
    buf_init(&out, e->arena, WIRE_BODY_MAX);
    TRY(wire_cbor_write_error(&out, e->model, absolute_name(e), e->message_name, e->message,
                              e->error->shape, e->detail));
    response->body = buf_str(&out);
    wire_add_header(e->arena, response, STR("Content-Type"), STR("application/cbor"));
    wire_add_header(e->arena, response, STR("smithy-protocol"), STR("rpc-v2-cbor"));
    add_query_error(e, response);
    return RESULT_OK;
}

static void put_element(struct buf *out, const char *name, struct str text)
{
    if (str_is_absent(text))
        return;
    buf_append_char(out, '<');
    buf_append_c(out, name);
    buf_append_char(out, '>');
    wire_xml_escape(out, text);
    buf_append(out, STR("</"));
    buf_append_c(out, name);
    buf_append_char(out, '>');
}

static RESULT put_detail(const struct error *e, struct buf *out)
{
    if (e->detail != NULL)
        TRY(wire_xml_write(out, e->model, e->error->shape, 0, 0, e->detail));
    for (size_t i = 0; i < e->reply->extra_count; i++)
        put_element(out, str_to_c(e->arena, e->reply->extra[i].name), e->reply->extra[i].value);
    return RESULT_OK;
}

/* query and rest-xml: <ErrorResponse><Error>...</Error><RequestId> */
static RESULT put_error_response(const struct error *e, bool empty_detail, struct buf *out)
{
    buf_append(out, STR("<ErrorResponse"));
    if (e->model->namespace_uri != 0) {
        buf_append(out, STR(" xmlns=\""));
        wire_xml_escape(out, wire_string(e->model, e->model->namespace_uri));
        buf_append_char(out, '"');
    }
    buf_append(out, STR("><Error>"));
    put_element(out, "Type", e->error->server_fault ? STR("Receiver") : STR("Sender"));
    put_element(out, "Code", e->code);
    put_element(out, "Message", e->message);
    if (empty_detail)
        buf_append(out, STR("<Detail/>"));
    TRY(put_detail(e, out));
    buf_append(out, STR("</Error>"));
    put_element(out, "RequestId", e->reply->request_id);
    buf_append(out, STR("</ErrorResponse>"));
    return RESULT_OK;
}

static RESULT put_ec2(const struct error *e, struct buf *out)
{
    buf_append(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>"));
    put_element(out, "Code", e->code);
    put_element(out, "Message", e->message);
    TRY(put_detail(e, out));
    buf_append(out, STR("</Error></Errors>"));
    put_element(out, "RequestID", e->reply->request_id);
    buf_append(out, STR("</Response>"));
    return RESULT_OK;
}

static RESULT put_s3(const struct error *e, struct buf *out)
{
    buf_append(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>"));
    put_element(out, "Code", e->code);
    put_element(out, "Message", e->message);
    TRY(put_detail(e, out));
    put_element(out, "Resource", e->reply->resource);
    put_element(out, "RequestId", e->reply->request_id);
    put_element(out, "HostId", wire_s3_host_id(e->arena, e->reply->request_id));
    buf_append(out, STR("</Error>"));
    return RESULT_OK;
}

static RESULT encode_xml(const struct error *e, enum wire_protocol protocol,
                         struct wire_response *response)
{
    struct buf out;
    struct str type = STR("text/xml");
    buf_init(&out, e->arena, WIRE_BODY_MAX);
    if (protocol == WIRE_PROTOCOL_EC2) {
        type = STR("text/xml;charset=UTF-8");
        TRY(put_ec2(e, &out));
    } else if (protocol == WIRE_PROTOCOL_QUERY) {
        TRY(put_error_response(e, e->model->query_compatible, &out));
    } else {
        type = STR("application/xml");
        TRY(wire_is_s3(e->model) ? put_s3(e, &out) : put_error_response(e, false, &out));
    }
    if (buf_is_full(&out))
        return FAULT("an error reply is larger than %d bytes", WIRE_BODY_MAX);
    response->body = buf_str(&out);
    wire_add_header(e->arena, response, STR("Content-Type"), type);
    if (protocol == WIRE_PROTOCOL_REST_XML)
        add_detail_headers(e, response);
    return RESULT_OK;
}

static RESULT encode(const struct error *e, enum wire_protocol protocol,
                     struct wire_response *response)
{
    switch (protocol) {
    case WIRE_PROTOCOL_JSON:
        return encode_json(e, response);
    case WIRE_PROTOCOL_REST_JSON:
        return encode_rest_json(e, response);
    case WIRE_PROTOCOL_CBOR:
        return encode_cbor(e, response);
    case WIRE_PROTOCOL_QUERY:
    case WIRE_PROTOCOL_EC2:
    case WIRE_PROTOCOL_REST_XML:
        return encode_xml(e, protocol, response);
    }
    return FAULT("protocol %d", (int)protocol);
}

RESULT wire_encode_error(struct arena *arena, const struct wire_model *model,
                         enum wire_protocol protocol, const struct wire_error_reply *reply,
                         struct wire_response *response)
{
    ASSERT(reply->error < model->error_count);
    const struct wire_error *error = &model->errors[reply->error];
    bool own_code = str_is_absent(reply->code);
    struct error e = {
        .arena = arena,
        .model = model,
        .error = error,
        .reply = reply,
        .code = own_code ? wire_string(model, error->code) : reply->code,
        .name = own_code ? wire_string(model, error->name) : reply->code,
        .message = reply->message,
        .message_name = default_message_name(reply->error),
    };
    struct wire_response made = {.status = error->status};
    take_message(&e);
    if (str_is_empty(e.message))
        e.message = (struct str){0};
    TRY(encode(&e, protocol, &made));
    wire_add_own_headers(arena, model, reply->request_id, &made);
    *response = made;
    return RESULT_OK;
}
