/* REST requests: a byte for the service, then "METHOD TARGET", header lines, an empty line and the
 * body. */
#include "fuzz/fuzz.h"
#include "gen/apigateway.h"
#include "gen/lambda.h"
#include "gen/s3.h"
#include "gen/s3control.h"
#include "wire/wire_int.h"

enum { HEADERS_MAX = 16 };

static const struct wire_model *const models[] = {&s3_model, &lambda_model, &s3control_model,
                                                  &apigateway_model};

static struct str next_line(struct str *rest)
{
    struct str line;
    if (str_is_absent(*rest))
        return STR("");
    str_cut(*rest, '\n', &line, rest);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct wire_model *model = models[data[0] % (sizeof(models) / sizeof(models[0]))];
    struct str rest = str_make((const char *)data + 1, size - 1), target;
    struct wire_header headers[HEADERS_MAX];
    struct wire_request request = {.host = STR("h"), .headers = headers};

    str_cut(next_line(&rest), ' ', &request.method, &target);
    str_cut(target, '?', &request.path, &request.query);
    for (struct str line = next_line(&rest); line.len > 0 && request.header_count < HEADERS_MAX;
         line = next_line(&rest)) {
        str_cut(line, ':', &headers[request.header_count].name,
                &headers[request.header_count].value);
        request.header_count++;
    }
    request.body = rest;
    struct wire_route route = {.model = model,
                               .operation = wire_rest_match(model, &request, request.path),
                               .protocol = model->protocols & WIRE_PROTOCOL_REST_XML
                                               ? WIRE_PROTOCOL_REST_XML
                                               : WIRE_PROTOCOL_REST_JSON};
    if (route.operation < 0)
        return 0;
    struct arena *arena = arena_new(0);
    struct wire_failure failure = {0};
    void *value = arena_alloc(arena, model->shapes[model->operations[route.operation].input].size);
    if (wire_rest_read(arena, &route, &request, value, &failure) != RESULT_OK)
        ASSERT(failure.message.len > 0);
    arena_free(arena);
    return 0;
}
