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
    if (wire_encode_response(arena, &route, value, STR("request-id"), &response) != RESULT_OK)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
