#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "wire/canonical.h"
#include "wire/wire_case.h"

struct wire_route case_route(const struct wire_model *model, enum wire_protocol protocol,
                             const char *operation)
{
    for (uint32_t i = 0; i < model->operation_count; i++)
        if (str_eq(wire_string(model, model->operations[i].name), str_from_c(operation)))
            return (struct wire_route){.model = model, .operation = (int)i, .protocol = protocol};
    fail_msg("no operation %s", operation);
    return (struct wire_route){0};
}

struct str case_input(struct arena *arena, const struct wire_route *route,
                      const struct wire_request *request, struct wire_failure *failure)
{
    const void *in = NULL;
    struct buf out;

    *failure = (struct wire_failure){0};
    if (wire_decode_request(arena, route, request, &in, failure) != RESULT_OK)
        return (struct str){0};
    buf_init(&out, arena, 1 << 20);
    uint16_t shape = route->model->operations[route->operation].input;
    assert_int_equal(wire_json_encode(&out, route->model, shape, in), RESULT_OK);
    return canonical_json(arena, buf_str(&out), NULL);
}

struct wire_response case_output(struct arena *arena, const struct wire_route *route,
                                 struct str json)
{
    uint16_t shape = route->model->operations[route->operation].output;
    void *value = arena_alloc(arena, route->model->shapes[shape].size);
    struct wire_failure failure = {0};
    struct wire_response response = {0};

    if (wire_json_decode(arena, route->model, shape, json, value, &failure) != RESULT_OK)
        fail_msg("%.*s", PRSTR(failure.message));
    assert_int_equal(wire_encode_response(arena, route, value, STR("id-1"), &response), RESULT_OK);
    return response;
}

struct str case_header(const struct wire_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (str_eq_nocase(response->headers[i].name, str_from_c(name)))
            return response->headers[i].value;
    return (struct str){0};
}

void case_assert_str(struct arena *arena, struct str got, const char *expected)
{
    if (str_is_absent(got))
        fail_msg("absent, expected %s", expected);
    assert_string_equal(str_to_c(arena, got), expected);
}
