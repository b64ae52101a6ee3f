#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth_support.h"
#include "base/time.h"

int64_t auth_instant(const char *basic)
{
    int64_t ms = 0;
    assert_true(time_parse_basic(str_from_c(basic), &ms));
    return ms;
}

int auth_set_up(void **state)
{
    struct arena *arena = arena_new(0);
    struct auth_fixture *f = ARENA_NEW(arena, struct auth_fixture);
    f->arena = arena;
    f->keys = sigv4_keys_new();
    f->request.method = STR("GET");
    f->request.path = STR("/");
    f->request.headers = f->headers;
    f->rules.secret = SECRET;
    f->rules.now_ms = auth_instant("20150830T123600Z");
    *state = f;
    return 0;
}

int auth_tear_down(void **state)
{
    struct auth_fixture *f = *state;
    sigv4_keys_free(f->keys);
    arena_free(f->arena);
    return 0;
}

void auth_add_header(struct auth_fixture *f, struct str name, struct str value)
{
    assert_true(f->request.header_count < AUTH_HEADERS_MAX);
    f->headers[f->request.header_count++] = (struct wire_header){name, value};
}

void auth_assert_str(struct str actual, struct str expected)
{
    if (!str_eq(actual, expected))
        fail_msg("[%.*s]\nis not\n[%.*s]", PRSTR(actual), PRSTR(expected));
}

enum result auth_parse(struct auth_fixture *f)
{
    f->problem = (struct sigv4_problem){0};
    f->signature = (struct sigv4){0};
    return sigv4_parse(f->arena, &f->request, &f->signature, &f->problem);
}

enum result auth_verify(struct auth_fixture *f, struct str body)
{
    uint8_t digest[SHA256_SIZE], key[SHA256_SIZE];
    digest_sha256(body, digest);
    f->problem = (struct sigv4_problem){0};
    return sigv4_verify(f->arena, f->keys, &f->signature, &f->request, &f->rules, digest, key,
                        &f->problem);
}

void auth_assert_problem(const struct auth_fixture *f, enum sigv4_fault fault, struct str message)
{
    assert_int_equal(f->problem.fault, fault);
    auth_assert_str(f->problem.message, message);
}

void auth_s3_example(struct auth_fixture *f, const char *method, struct str path, struct str query)
{
    f->request.method = str_from_c(method);
    f->request.path = path;
    f->request.query = query;
    f->request.header_count = 0;
    f->rules.s3 = true;
    f->rules.secret = S3_SECRET;
    f->rules.now_ms = auth_instant("20130524T000000Z");
    auth_add_header(f, STR("Host"), STR("examplebucket.s3.amazonaws.com"));
    auth_add_header(f, STR("x-amz-date"), STR("20130524T000000Z"));
}

void auth_presigned_example(struct auth_fixture *f, struct str query)
{
    auth_s3_example(f, "GET", STR("/test.txt"), query);
    f->request.header_count = 1;
}

void auth_sqs_request(struct auth_fixture *f, struct str body, int64_t now_ms, struct str names)
{
    struct buf time;
    buf_init(&time, f->arena, 32);
    time_format_basic(&time, now_ms);
    f->request.method = STR("POST");
    f->request.body = body;
    f->request.header_count = 0;
    auth_add_header(f, STR("Host"), STR("sqs.us-east-1.localhost:4566"));
    auth_add_header(f, STR("Accept-Encoding"), STR("identity"));
    auth_add_header(f, STR("Content-Type"), STR("application/x-amz-json-1.0"));
    auth_add_header(f, STR("X-Amz-Target"), STR("AmazonSQS.SendMessage"));
    auth_add_header(f, STR("x-amzn-query-mode"), STR("true"));
    auth_add_header(f, STR("User-Agent"),
                    STR("Boto3/1.42.0 md/Botocore#1.42.0 lang/python#3.11.2"));
    auth_add_header(f, STR("X-Amz-Date"), buf_str(&time));
    auth_add_header(f, STR("amz-sdk-request"), STR("attempt=1"));
    auth_add_header(f, STR("Content-Length"), STR("112"));
    uint8_t digest[SHA256_SIZE];
    char hex[SIGV4_HEX_SIZE];
    digest_sha256(body, digest);
    sigv4_hex(digest, hex);
    auth_add_header(f, STR("Authorization"),
                    sigv4_sign(f->arena, &f->request, STR("AKIDEXAMPLE"), SECRET, STR("us-east-1"),
                               STR("sqs"), now_ms, names, str_make(hex, sizeof(hex)), false));
}
