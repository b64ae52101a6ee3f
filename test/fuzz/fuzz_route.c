/* Routing and decoding of whole requests: lines of method, path, query, host, scope, bucket,
 * headers as name:value up to an empty line, then the body. Whatever is found is decoded, and
 * answered with an error in its protocol. */
#include "fuzz/fuzz.h"
#include "wire/wire_int.h"

enum { HEADERS_MAX = 16 };

static struct str line(struct str *rest)
{
    struct str head;
    if (!str_cut(*rest, '\n', &head, rest))
        *rest = STR("");
    return head;
}

static struct str optional(struct str s)
{
    return str_is_empty(s) ? (struct str){0} : s;
}

static void answer(struct arena *arena, const struct wire_route *route, uint32_t error,
                   struct str message)
{
    struct wire_error_reply reply = {.error = error, .message = message, .request_id = STR("id-1")};
    struct wire_response response = {0};
    ASSERT(wire_encode_error(arena, route->model, route->protocol, &reply, &response) == RESULT_OK);
    ASSERT(response.body.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct wire_index *index = wire_index_new(wire_models, wire_model_count);
    struct str rest = str_make((const char *)data, size);
    struct wire_header headers[HEADERS_MAX];
    struct wire_request request = {.headers = headers};
    request.method = line(&rest);
    request.path = line(&rest);
    request.query = optional(line(&rest));
    request.host = line(&rest);
    struct str scope = optional(line(&rest));
    struct str bucket = optional(line(&rest));
    for (struct str head = line(&rest); head.len > 0; head = line(&rest)) {
        struct wire_header header;
        if (request.header_count < HEADERS_MAX && str_cut(head, ':', &header.name, &header.value))
            headers[request.header_count++] = header;
    }
    request.body = rest;
    struct wire_route route = {0};
    if (wire_route(arena, index, &request, scope, bucket, &route)) {
        const void *in = NULL;
        struct wire_failure failure = {0};
        ASSERT(route.model->protocols & (uint32_t)route.protocol);
        if (route.operation < 0)
            answer(arena, &route, WIRE_INVALID_ACTION, (struct str){0});
        else if (wire_decode_request(arena, &route, &request, &in, &failure) != RESULT_OK)
            answer(arena, &route, failure.error, failure.message);
    }
    wire_index_free(index);
    arena_free(arena);
    return 0;
}
