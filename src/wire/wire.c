/* Requests and replies by protocol; what is the same for all of them. */
#include "wire/wire.h"

#include "base/rng.h"
#include "wire/shape.h"
#include "wire/wire_int.h"

struct str wire_request_header(const struct wire_request *request, struct str name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (str_eq_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    return (struct str){0};
}

size_t wire_decode_budget(size_t body_len)
{
    enum { FACTOR = 64, BASE = 1 << 20, LIMIT = 256 << 20 };
    if (body_len > (LIMIT - BASE) / FACTOR)
        return LIMIT;
    return BASE + FACTOR * body_len;
}

void *wire_list_grow(struct arena *arena, struct wire_list *list, size_t *cap, size_t size,
                     size_t *budget)
{
    if (list->len == *cap) {
        size_t more = *cap == 0 ? 4 : *cap * 2;
        if ((more - *cap) * size > *budget)
            return NULL;
        *budget -= (more - *cap) * size;
        list->items = list->items == NULL
                          ? arena_alloc_raw(arena, more * size)
                          : arena_grow(arena, list->items, *cap * size, more * size);
        *cap = more;
    }
    void *place = (char *)list->items + list->len * size;
    memset(place, 0, size);
    return place;
}

static RESULT decode(struct arena *arena, const struct wire_route *route,
                     const struct wire_request *request, void *value, struct wire_failure *failure)
{
    const struct wire_model *model = route->model;
    uint16_t shape = model->operations[route->operation].input;
    switch (route->protocol) {
    case WIRE_PROTOCOL_JSON:
        return wire_json_read(arena, model, shape, request->body, value, failure);
    case WIRE_PROTOCOL_CBOR:
        return wire_cbor_read(arena, model, shape, request->body, value, failure);
    case WIRE_PROTOCOL_QUERY:
    case WIRE_PROTOCOL_EC2:
        return wire_query_read(arena, route, request, value, failure);
    case WIRE_PROTOCOL_REST_JSON:
    case WIRE_PROTOCOL_REST_XML:
        if (!str_is_absent(route->path)) {
            struct wire_request matched = *request;
            matched.path = route->path;
            return wire_rest_read(arena, route, &matched, value, failure);
        }
        return wire_rest_read(arena, route, request, value, failure);
    }
    return FAULT("protocol %d", (int)route->protocol);
}

/* "idempotencyToken trait": absent tokens are filled, here for clients that do not. */
static void fill_tokens(struct arena *arena, const struct wire_model *model,
                        const struct wire_shape *shape, void *structure)
{
    enum { UUID_LENGTH = 36 };
    const struct wire_member *members = shape_members(model, shape);
    for (size_t i = 0; i < shape->member_count; i++) {
        if (!(members[i].flags & WIRE_MEMBER_IDEMPOTENCY_TOKEN))
            continue;
        struct str *token = member_place(&members[i], structure);
        if (model->shapes[members[i].shape].type != WIRE_STRING || !str_is_absent(*token))
            continue;
        char *uuid = arena_alloc_raw(arena, UUID_LENGTH);
        rng_uuid(uuid);
        *token = str_make(uuid, UUID_LENGTH);
    }
}

RESULT wire_decode_request(struct arena *arena, const struct wire_route *route,
                           const struct wire_request *request, const void **in,
                           struct wire_failure *failure)
{
    const struct wire_model *model = route->model;
    ASSERT(route->operation >= 0 && (uint32_t)route->operation < model->operation_count);
    const struct wire_shape *shape = &model->shapes[model->operations[route->operation].input];
    void *value = arena_alloc(arena, shape->size);
    TRY(decode(arena, route, request, value, failure));
    fill_tokens(arena, model, shape, value);
    *in = value;
    return RESULT_OK;
}

/* An operation without output answers an empty body; an empty output is an empty structure. */
static RESULT encode_json(struct arena *arena, const struct wire_route *route, const void *out,
                          struct wire_response *response)
{
    const struct wire_model *model = route->model;
    uint16_t shape = model->operations[route->operation].output;
    struct buf body;
    if (model->operations[route->operation].flags & WIRE_OP_EVENT_OUT) { /* it streams */
        wire_add_header(arena, response, STR("Content-Type"),
                        STR("application/vnd.amazon.eventstream"));
        return RESULT_OK;
    }
    buf_init(&body, arena, WIRE_BODY_MAX);
    if (shape != 0)
        TRY(wire_json_write(&body, model, shape, out));
    response->body = buf_str(&body);
    wire_add_header(arena, response, STR("Content-Type"),
                    model->json_version == 10 ? STR("application/x-amz-json-1.0")
                                              : STR("application/x-amz-json-1.1"));
    return RESULT_OK;
}

static RESULT encode_cbor(struct arena *arena, const struct wire_route *route, const void *out,
                          struct wire_response *response)
{
    const struct wire_model *model = route->model;
    uint16_t shape = model->operations[route->operation].output;
    struct buf body;
    buf_init(&body, arena, WIRE_BODY_MAX);
    if (shape != 0) {
        TRY(wire_cbor_write(&body, model, shape, out));
        wire_add_header(arena, response, STR("Content-Type"), STR("application/cbor"));
    }
    response->body = buf_str(&body);
    wire_add_header(arena, response, STR("smithy-protocol"), STR("rpc-v2-cbor"));
    return RESULT_OK;
}

static RESULT encode(struct arena *arena, const struct wire_route *route, const void *out,
                     struct str request_id, struct wire_response *response)
{
    switch (route->protocol) {
    case WIRE_PROTOCOL_JSON:
        return encode_json(arena, route, out, response);
    case WIRE_PROTOCOL_CBOR:
        return encode_cbor(arena, route, out, response);
    case WIRE_PROTOCOL_QUERY:
    case WIRE_PROTOCOL_EC2:
        return wire_query_write(arena, route, out, request_id, response);
    case WIRE_PROTOCOL_REST_JSON:
    case WIRE_PROTOCOL_REST_XML:
        return wire_rest_write(arena, route, out, response);
    }
    return FAULT("protocol %d", (int)route->protocol);
}

RESULT wire_encode_response(struct arena *arena, const struct wire_route *route, const void *out,
                            struct str request_id, struct wire_response *response)
{
    const struct wire_operation *operation = &route->model->operations[route->operation];
    struct wire_response made = {.status = operation->status};
    enum result result = encode(arena, route, out, request_id, &made);
    if (result == RESULT_FULL)
        return FAULT("the reply of %.*s is larger than %d bytes",
                     PRSTR(wire_string(route->model, operation->name)), WIRE_BODY_MAX);
    TRY(result);
    wire_add_own_headers(arena, route->model, request_id, &made);
    *response = made;
    return RESULT_OK;
}
