/* The public protocol vectors, case by case: requests are decoded and compared with what was meant,
 * results and errors are encoded and compared with what was sent. The cases and their models are
 * generated (tools/gen_vectors.py); those in test/wire/vectors.skip say something about clients
 * alone. VECTOR=part-of-an-id runs some of them. Where the vectors were absent when the generator
 * ran there are no cases, and the tests are skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "gen/test/vectors.h"
#include "wire/canonical.h"

enum { MAX_JSON = 1 << 20 };

/* Prints what differs; always false. */
static bool differs(const struct vector_case *vector, const char *what, struct str expected,
                    struct str got)
{
    printf("%s: %s\n  expected: %.*s\n  got:      %.*s\n", vector->id, what, PRSTR(expected),
           str_is_absent(got) ? 8 : (int)got.len, str_is_absent(got) ? "(absent)" : got.ptr);
    return false;
}

static struct wire_route route_of(const struct vector_case *vector)
{
    return (struct wire_route){
        .model = vector->model, .operation = vector->operation, .protocol = vector->protocol};
}

static bool check_request(struct arena *arena, const struct vector_case *vector)
{
    struct wire_route route = route_of(vector);
    struct wire_request request = {
        .method = vector->method,
        .path = vector->path,
        .query = vector->query,
        .host = vector->host,
        .headers = vector->headers,
        .header_count = vector->header_count,
        .body = vector->body,
    };
    struct wire_failure failure = {0};
    const void *in = NULL;
    if (wire_decode_request(arena, &route, &request, &in, &failure) != RESULT_OK)
        return differs(vector, "is not decoded", vector->json, failure.message);
    struct buf out;
    buf_init(&out, arena, MAX_JSON);
    if (wire_json_encode(&out, vector->mirror, vector->mirror_shape, in) != RESULT_OK)
        return differs(vector, "the input is not printed", vector->json, STR(""));
    struct str expected = canonical_json(arena, vector->json, NULL);
    struct str got = canonical_json(arena, buf_str(&out), NULL);
    return str_eq(expected, got) || differs(vector, "input", expected, got);
}

/* The struct that the case's JSON describes; NULL: it cannot be read. */
static void *value_of(struct arena *arena, const struct vector_case *vector)
{
    void *value = arena_alloc(arena, vector->mirror->shapes[vector->mirror_shape].size);
    struct wire_failure failure = {0};
    if (wire_json_decode(arena, vector->mirror, vector->mirror_shape, vector->json, value,
                         &failure) == RESULT_OK)
        return value;
    differs(vector, "the value is not read", vector->json, failure.message);
    return NULL;
}

/* An error's name without the namespace before it and the address after it. */
static struct str bare_error(struct str name)
{
    size_t hash = str_find_char(name, '#');
    if (hash != SIZE_MAX)
        name = str_slice(name, hash + 1, name.len);
    size_t colon = str_find_char(name, ':');
    return colon == SIZE_MAX ? name : str_slice(name, 0, colon);
}

static struct str header_of(const struct vector_case *vector, struct str name)
{
    for (size_t i = 0; i < vector->header_count; i++)
        if (str_eq_nocase(vector->headers[i].name, name))
            return vector->headers[i].value;
    return (struct str){0};
}

static struct str media_type(struct str value)
{
    size_t semicolon = str_find_char(value, ';');
    return semicolon == SIZE_MAX ? value : str_slice(value, 0, semicolon);
}

static bool check_headers(const struct vector_case *vector, const struct wire_response *response)
{
    bool good = true;
    for (size_t i = 0; i < vector->header_count; i++) {
        struct str name = vector->headers[i].name, expected = vector->headers[i].value;
        struct str got = {0};
        for (size_t j = 0; j < response->header_count; j++)
            if (str_eq_nocase(response->headers[j].name, name))
                got = response->headers[j].value;
        bool same = str_eq(got, expected);
        if (str_eq_nocase(name, STR("x-amzn-errortype")))
            same = str_eq(bare_error(got), bare_error(expected));
        if (str_eq_nocase(name, STR("content-type"))) /* an empty body needs none */
            same = str_is_empty(response->body) || str_eq(media_type(got), media_type(expected));
        if (!same)
            good = differs(vector, name.ptr, expected, got);
    }
    return good;
}

static struct str canonical_body(struct arena *arena, const struct vector_case *vector,
                                 struct str body)
{
    static const char *const said_elsewhere[] = {"__type", "code", "message", NULL};
    const char *const *drop = vector->kind == VECTOR_ERROR ? said_elsewhere : NULL;
    switch (vector->body_kind) {
    case VECTOR_BODY_JSON:
        return canonical_json(arena, body, drop);
    case VECTOR_BODY_CBOR:
        return canonical_cbor(arena, body, drop);
    case VECTOR_BODY_XML:
        return canonical_xml(arena, body);
    case VECTOR_BODY_RAW:
    case VECTOR_BODY_NONE:
        break;
    }
    return body;
}

static bool check_body(struct arena *arena, const struct vector_case *vector,
                       const struct wire_response *response)
{
    if (vector->body_kind == VECTOR_BODY_NONE)
        return true;
    struct str expected = canonical_body(arena, vector, vector->body);
    struct str got = canonical_body(arena, vector, response->body);
    if (str_is_absent(got) && !str_is_empty(expected))
        return differs(vector, "the body is malformed", expected, response->body);
    return str_eq(expected, got) || differs(vector, "body", expected, got);
}

static bool check_status(const struct vector_case *vector, const struct wire_response *response)
{
    if (vector->status == response->status)
        return true;
    printf("%s: status %d, expected %d\n", vector->id, response->status, vector->status);
    return false;
}

static bool check_response(struct arena *arena, const struct vector_case *vector)
{
    struct wire_route route = route_of(vector);
    struct wire_response response = {0};
    const void *value = value_of(arena, vector);
    if (value == NULL)
        return false;
    struct str request_id = header_of(vector, STR("x-amzn-requestid"));
    request_id = str_is_absent(request_id) ? STR("request-id") : request_id;
    if (wire_encode_response(arena, &route, value, request_id, &response) != RESULT_OK)
        return differs(vector, "is not encoded", vector->json, STR(""));
    bool good = check_status(vector, &response);
    good = check_headers(vector, &response) && good;
    return check_body(arena, vector, &response) && good;
}

/* JSON and CBOR say the error's name in the body, where the vector does. */
static bool check_type(struct arena *arena, const struct vector_case *vector,
                       const struct wire_response *response)
{
    bool cbor = vector->body_kind == VECTOR_BODY_CBOR;
    if (!cbor && vector->body_kind != VECTOR_BODY_JSON)
        return true;
    struct str expected = cbor ? canonical_cbor_member(arena, vector->body, "__type")
                               : canonical_json_member(arena, vector->body, "__type");
    if (str_is_absent(expected))
        return true;
    struct str got = cbor ? canonical_cbor_member(arena, response->body, "__type")
                          : canonical_json_member(arena, response->body, "__type");
    expected = bare_error(str_slice(expected, 1, expected.len - 1));
    got = bare_error(str_slice(got, 1, got.len == 0 ? 0 : got.len - 1));
    return str_eq(expected, got) || differs(vector, "__type", expected, got);
}

static bool check_error(struct arena *arena, const struct vector_case *vector)
{
    struct wire_response response = {0};
    const void *detail = value_of(arena, vector);
    if (detail == NULL)
        return false;
    bool has_detail = vector->model->errors[vector->error].shape != 0;
    struct wire_error_reply reply = {.error = vector->error,
                                     .message = vector->message,
                                     .detail = has_detail ? detail : NULL,
                                     .request_id = STR("foo-id")};
    if (wire_encode_error(arena, vector->model, vector->protocol, &reply, &response) != RESULT_OK)
        return differs(vector, "is not encoded", vector->json, STR(""));
    bool good = check_status(vector, &response);
    good = check_headers(vector, &response) && good;
    good = check_type(arena, vector, &response) && good;
    return check_body(arena, vector, &response) && good;
}

static int header_compare(const void *a, const void *b)
{
    return str_cmp(((const struct wire_frame_header *)a)->name,
                   ((const struct wire_frame_header *)b)->name);
}

/* Headers in one order, the payload's value, one text for equal frames; absent: the frame is
 * broken. */
static struct str frame_text(struct arena *arena, struct str bytes)
{
    struct wire_frame frame = {0};
    size_t used = 0;
    enum wire_frame_state state = wire_decode_frame(arena, bytes, &frame, &used);
    if (state != WIRE_FRAME_WHOLE || used != bytes.len)
        return (struct str){0};
    struct str type = wire_frame_string(&frame, STR(":content-type")), payload = frame.payload;
    bool json = str_ends_with(type, STR("json"));
    qsort(frame.headers, frame.header_count, sizeof(*frame.headers), header_compare);
    struct buf out;
    buf_init(&out, arena, MAX_JSON);
    for (size_t i = 0; i < frame.header_count; i++) {
        struct wire_frame_header *header = &frame.headers[i];
        if (json && str_eq(header->name, STR(":content-type")))
            continue; /* the vectors' text/json is nobody's */
        buf_append(&out, header->name);
        buf_append_format(&out, " %d ", header->type);
        buf_append(&out, header->value);
        buf_append_char(&out, '\n');
    }
    if (json)
        payload = canonical_json(arena, payload, NULL);
    if (str_eq(type, STR("text/xml"))) { /* the vectors' roots follow no rule */
        payload = canonical_xml(arena, payload);
        payload =
            str_slice(payload, str_find_char(payload, '>') + 1, str_find_last_char(payload, '<'));
    }
    buf_append(&out, payload);
    return buf_str(&out);
}

static bool check_event(struct arena *arena, const struct vector_case *vector)
{
    struct wire_route route = route_of(vector);
    const void *value = value_of(arena, vector);
    struct str frame = {0};
    if (value == NULL)
        return false;
    enum result result =
        vector->member == VECTOR_INITIAL
            ? wire_encode_initial_response(arena, &route, value, &frame)
            : wire_encode_event(arena, &route, vector->shape, vector->member, value, &frame);
    if (result != RESULT_OK)
        return differs(vector, "is not encoded", vector->json, STR(""));
    struct str expected = frame_text(arena, vector->body);
    struct str got = frame_text(arena, frame);
    return str_eq(expected, got) || differs(vector, "frame", expected, got);
}

static void run_kind(enum vector_kind kind,
                     bool (*check)(struct arena *arena, const struct vector_case *vector))
{
    const char *part = getenv("VECTOR");
    size_t run = 0, failed = 0, skipped = 0;
    if (vector_case_count == 0)
        skip();
    for (size_t i = 0; i < vector_case_count; i++) {
        const struct vector_case *vector = &vector_cases[i];
        if (vector->kind != kind || (part != NULL && strstr(vector->id, part) == NULL))
            continue;
        if (vector->skip != NULL) {
            skipped++;
            continue;
        }
        struct arena *arena = arena_new(0);
        run++;
        if (!check(arena, vector))
            failed++;
        arena_free(arena);
    }
    printf("%zu cases, %zu failed, %zu about clients alone\n", run, failed, skipped);
    assert_int_equal(failed, 0);
}

static void test_requests(void **state)
{
    (void)state;
    run_kind(VECTOR_REQUEST, check_request);
}

static void test_responses(void **state)
{
    (void)state;
    run_kind(VECTOR_RESPONSE, check_response);
}

static void test_errors(void **state)
{
    (void)state;
    run_kind(VECTOR_ERROR, check_error);
}

static void test_events(void **state)
{
    (void)state;
    run_kind(VECTOR_EVENT, check_event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
