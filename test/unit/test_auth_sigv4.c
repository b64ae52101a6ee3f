#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "auth_support.h"
#include "base/rng.h"
#include "base/time.h"

/* ---- the public vectors ---- */

static struct str read_file(struct arena *arena, const char *folder, const char *name,
                            const char *kind)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s.%s", folder, name, kind);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return (struct str){0};
    struct buf buf;
    buf_init(&buf, arena, 1 << 20);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0;)
        buf_append(&buf, str_make(piece, n));
    fclose(file);
    return buf_str(&buf);
}

/* Lines that begin with white space go on with the value before. */
static void read_request(struct auth_fixture *f, struct str text)
{
    struct str line, rest, target, query;
    str_cut(text, '\n', &line, &rest);
    f->request.header_count = 0;
    str_cut(line, ' ', &f->request.method, &target);
    target = str_slice(target, 0, str_find(target, STR(" HTTP/1.1")));
    str_cut(target, '?', &f->request.path, &query);
    f->request.query = query;
    bool more = true;
    while (more) {
        more = str_cut(rest, '\n', &line, &rest);
        if (line.len == 0)
            break;
        if (line.ptr[0] == ' ') {
            struct wire_header *last = &f->headers[f->request.header_count - 1];
            last->value.len = (size_t)(line.ptr + line.len - last->value.ptr);
            continue;
        }
        struct str name, value;
        assert_true(str_cut(line, ':', &name, &value));
        auth_add_header(f, name, value);
    }
    f->request.body = str_is_absent(rest) ? STR("") : rest;
}

static void check_vector(struct auth_fixture *f, const char *folder, const char *name)
{
    struct str signed_request = read_file(f->arena, folder, name, "sreq");
    assert_false(str_is_absent(signed_request));
    read_request(f, signed_request);
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_HEADER);

    uint8_t digest[SHA256_SIZE];
    char hex[SIGV4_HEX_SIZE];
    digest_sha256(f->request.body, digest);
    sigv4_hex(digest, hex);
    struct sigv4_canonical canonical = {
        .request = &f->request,
        .signed_headers = f->signature.signed_headers,
        .payload_hash = str_make(hex, sizeof(hex)),
    };
    sigv4_canonicalize(f->arena, &canonical);
    auth_assert_str(canonical.text, read_file(f->arena, folder, name, "creq"));
    auth_assert_str(sigv4_string_to_sign(f->arena, &f->signature, canonical.text),
                    read_file(f->arena, folder, name, "sts"));
    auth_assert_str(sigv4_sign(f->arena, &f->request, STR("AKIDEXAMPLE"), SECRET, STR("us-east-1"),
                               STR("service"), auth_instant("20150830T123600Z"),
                               f->signature.signed_headers, canonical.payload_hash, false),
                    read_file(f->arena, folder, name, "authz"));
    /* One signed request of the suite carries a made-up signature; its .authz is right. */
    f->headers[f->request.header_count - 1].value = read_file(f->arena, folder, name, "authz");
    assert_int_equal(auth_parse(f), RESULT_OK);
    for (int i = 0; i < 2; i++) { /* the key derived, then from the cache */
        if (auth_verify(f, f->request.body) != RESULT_OK)
            fail_msg("%s: %.*s", name, PRSTR(f->problem.message));
    }
    f->request.method = STR("PATCH");
    assert_int_equal(auth_verify(f, f->request.body), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
}

static int check_vectors(struct auth_fixture *f, const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[1024];
        struct stat status;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
            continue;
        char request[2048];
        snprintf(request, sizeof(request), "%s/%s.sreq", path, entry->d_name);
        if (stat(request, &status) == 0) {
            check_vector(f, path, entry->d_name);
            count++;
        } else {
            count += check_vectors(f, path);
        }
    }
    closedir(dir);
    return count;
}

static void test_vectors(void **state)
{
    const char *vectors = getenv("KUMONIWA_VECTORS");
    char folder[1024];
    struct stat status;
    snprintf(folder, sizeof(folder), "%s/sigv4", vectors == NULL ? "../shared/vectors" : vectors);
    if (stat(folder, &status) != 0)
        skip();
    int count = check_vectors(*state, folder);
    printf("%d vectors\n", count);
    assert_true(count >= 30);
}

/* ---- AWS's examples for S3: "Authenticating Requests: Using the Authorization Header" ---- */

static void add_s3_authorization(struct auth_fixture *f, const char *signed_headers,
                                 const char *signature)
{
    auth_add_header(
        f, STR("Authorization"),
        str_format(f->arena,
                   "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                   "aws4_request,SignedHeaders=%s,Signature=%s",
                   signed_headers, signature));
    assert_int_equal(auth_parse(f), RESULT_OK);
}

static void test_s3_get(void **state)
{
    struct auth_fixture *f = *state;
    auth_s3_example(f, "GET", STR("/test.txt"), (struct str){0});
    auth_add_header(f, STR("Range"), STR("bytes=0-9"));
    auth_add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
    add_s3_authorization(f, "host;range;x-amz-content-sha256;x-amz-date",
                         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    assert_int_equal(auth_verify(f, STR("")), RESULT_OK);
    /* The body's digest is that of another body. */
    assert_int_equal(auth_verify(f, STR("x")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_BAD_PAYLOAD_HASH,
                        STR("The provided 'x-amz-content-sha256' header does not match what was "
                            "computed."));
}

static void test_s3_put(void **state)
{
    struct auth_fixture *f = *state;
    auth_s3_example(f, "PUT", STR("/test$file.text"), (struct str){0});
    auth_add_header(f, STR("Date"), STR("Fri, 24 May 2013 00:00:00 GMT"));
    auth_add_header(f, STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY"));
    auth_add_header(f, STR("x-amz-content-sha256"),
                    STR("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"));
    add_s3_authorization(f, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    assert_int_equal(auth_verify(f, STR("Welcome to Amazon S3.")), RESULT_OK);
    f->request.path = STR("/test%24file.text"); /* the same object, written otherwise */
    assert_int_equal(auth_verify(f, STR("Welcome to Amazon S3.")), RESULT_OK);
}

static void test_s3_queries(void **state)
{
    struct auth_fixture *f = *state;
    auth_s3_example(f, "GET", STR("/"), STR("lifecycle"));
    auth_add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
    add_s3_authorization(f, "host;x-amz-content-sha256;x-amz-date",
                         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    assert_int_equal(auth_verify(f, STR("")), RESULT_OK);

    auth_s3_example(f, "GET", STR("/"), STR("prefix=J&max-keys=2"));
    auth_add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
    add_s3_authorization(f, "host;x-amz-content-sha256;x-amz-date",
                         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    assert_int_equal(auth_verify(f, STR("")), RESULT_OK);
}

static void test_s3_presigned(void **state)
{
    struct auth_fixture *f = *state;
    auth_presigned_example(f, STR(PRESIGNED_HEAD "X-Amz-Expires=86400" PRESIGNED_SIGNATURE));
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_PRESIGNED);
    assert_int_equal(f->signature.expires_s, 86400);
    auth_assert_str(f->signature.access_key, STR("AKIAIOSFODNN7EXAMPLE"));
    assert_int_equal(auth_verify(f, STR("")), RESULT_OK);
    f->rules.now_ms += INT64_C(86400) * 1000 + 999;
    assert_int_equal(auth_verify(f, STR("")), RESULT_OK);
    f->rules.now_ms += 1;
    assert_int_equal(auth_verify(f, STR("")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_EXPIRED, STR("Request has expired"));
    f->rules.now_ms = auth_instant("20130523T234459Z");
    assert_int_equal(auth_verify(f, STR("")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_SKEWED, STR("Request is not yet valid"));
    f->rules.now_ms = auth_instant("20130523T234500Z");
    assert_int_equal(auth_verify(f, STR("")), RESULT_OK);

    auth_add_header(f, STR("X-Amz-Acl"), STR("public-read"));
    assert_int_equal(auth_verify(f, STR("")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_UNSIGNED_HEADER,
                        STR("There were headers present in the request which were not signed"));
    f->request.header_count--;
    f->request.path = STR("/test.tx");
    assert_int_equal(auth_verify(f, STR("")), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
    auth_assert_str(f->problem.canonical_request,
                    STR("GET\n/test.tx\n"
                        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
                        "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&"
                        "X-Amz-Expires=86400&X-Amz-SignedHeaders=host\n"
                        "host:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD"));
}

static void test_clock(void **state)
{
    struct auth_fixture *f = *state;
    auth_sqs_request(f, STR("{}"), auth_instant("20261121T051500Z"), SQS_NAMES);
    assert_int_equal(auth_parse(f), RESULT_OK);
    f->rules.now_ms = auth_instant("20261121T053000Z") + 999;
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_OK);
    f->rules.now_ms = auth_instant("20261121T050000Z");
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_OK);
    f->rules.now_ms = auth_instant("20261121T063000Z");
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_ERROR);
    auth_assert_problem(
        f, SIGV4_SKEWED,
        STR("Signature expired: 20261121T051500Z is now earlier than 20261121T061500Z "
            "(20261121T063000Z - 15 min.)"));
    f->rules.now_ms = auth_instant("20261121T045959Z");
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_SKEWED,
                        STR("Signature not yet current: 20261121T051500Z is still later than "
                            "20261121T051459Z (20261121T045959Z + 15 min.)"));
    f->rules.s3 = true;
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_SKEWED,
                        STR("The difference between the request time and the current time is too "
                            "large."));
    f->rules.s3 = false;
    f->rules.skip_time = true;
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_OK);
}

static void test_tampering(void **state)
{
    struct auth_fixture *f = *state;
    struct str body = STR("{\"QueueUrl\":\"q\",\"MessageBody\":\"m\"}");
    auth_sqs_request(f, body, f->rules.now_ms, SQS_NAMES);
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(auth_verify(f, body), RESULT_OK);
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
    auth_assert_str(
        f->problem.message,
        STR("The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service "
            "documentation for details."));
    assert_true(str_starts_with(f->problem.string_to_sign,
                                STR("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/sqs/"
                                    "aws4_request\n")));
    f->rules.secret = STR("another");
    assert_int_equal(auth_verify(f, body), RESULT_ERROR);
    f->rules.secret = SECRET;

    struct str *target = &f->headers[3].value, old = *target;
    *target = STR("AmazonSQS.DeleteQueue");
    assert_int_equal(auth_verify(f, body), RESULT_ERROR);
    *target = old;
    for (size_t i = 0; i < f->signature.signature.len; i++) {
        char *copy = arena_alloc_raw(f->arena, SIGV4_HEX_SIZE);
        memcpy(copy, f->signature.signature.ptr, SIGV4_HEX_SIZE);
        copy[i] = copy[i] == '0' ? '1' : '0';
        struct str right = f->signature.signature;
        f->signature.signature = str_make(copy, SIGV4_HEX_SIZE);
        assert_int_equal(auth_verify(f, body), RESULT_ERROR);
        f->signature.signature = str_slice(right, 0, i);
        assert_int_equal(auth_verify(f, body), RESULT_ERROR);
        f->signature.signature = right;
    }
    assert_int_equal(auth_verify(f, body), RESULT_OK);
}

static void test_what_must_be_signed(void **state)
{
    struct auth_fixture *f = *state;
    auth_sqs_request(f, STR("{}"), f->rules.now_ms, STR("content-type;host;x-amz-date"));
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_UNSIGNED_HEADER,
                        STR("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."));
    auth_sqs_request(f, STR("{}"), f->rules.now_ms, STR("content-type;x-amz-date;x-amz-target"));
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_UNSIGNED_HEADER,
                        STR("'Host' or ':authority' must be a 'SignedHeader' in the AWS "
                            "Authorization."));
}

static void test_scope(void **state)
{
    struct auth_fixture *f = *state;
    auth_sqs_request(f, STR("{}"), f->rules.now_ms, SQS_NAMES);
    assert_int_equal(auth_parse(f), RESULT_OK);
    f->rules.service = STR("sqs");
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_OK);
    f->rules.service = STR("sns");
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_BAD_SCOPE,
                        STR("Credential should be scoped to correct service: 'sns'."));
}

static void test_payload_hashes(void **state)
{
    struct auth_fixture *f = *state;
    auth_s3_example(f, "PUT", STR("/k"), (struct str){0});
    add_s3_authorization(f, "host;x-amz-date", "00");
    assert_int_equal(auth_verify(f, STR("")), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_NO_PAYLOAD_HASH,
                        STR("Missing required header for this request: x-amz-content-sha256"));

    static const struct {
        const char *hash;
        enum sigv4_fault fault;
    } cases[] = {
        {"UNSIGNED-PAYLOAD", SIGV4_OK},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_OK},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_OK},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         SIGV4_BAD_PAYLOAD_HASH},
        {"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
         SIGV4_WRONG_PAYLOAD_HASH},
        {"", SIGV4_WRONG_PAYLOAD_HASH},
        {"unsigned", SIGV4_WRONG_PAYLOAD_HASH},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auth_s3_example(f, "PUT", STR("/k"), (struct str){0});
        auth_add_header(f, STR("x-amz-content-sha256"), str_from_c(cases[i].hash));
        auth_add_header(f, STR("Authorization"),
                        sigv4_sign(f->arena, &f->request, STR("AKID"), S3_SECRET, STR("eu-west-1"),
                                   STR("s3"), f->rules.now_ms,
                                   STR("host;x-amz-content-sha256;x-amz-date"),
                                   str_from_c(cases[i].hash), true));
        assert_int_equal(auth_parse(f), RESULT_OK);
        enum result result = auth_verify(f, STR("the body"));
        assert_int_equal(result, cases[i].fault == SIGV4_OK ? RESULT_OK : RESULT_ERROR);
        assert_int_equal(f->problem.fault, cases[i].fault);
    }
}

/* A bare '+' has been signed in both ways. */
static void test_plus(void **state)
{
    struct auth_fixture *f = *state;
    static const char *const signed_as[] = {"q=a%2Bb", "q=a%20b", "q=a+b"};
    for (size_t i = 0; i < 3; i++) {
        f->request.query = str_from_c(signed_as[i]);
        auth_sqs_request(f, STR(""), f->rules.now_ms, SQS_NAMES);
        f->request.query = STR("q=a+b");
        assert_int_equal(auth_parse(f), RESULT_OK);
        assert_int_equal(auth_verify(f, STR("")), RESULT_OK);
        f->request.query = STR("q=a+c");
        assert_int_equal(auth_verify(f, STR("")), RESULT_ERROR);
    }
}

static void test_streamed_body(void **state)
{
    struct auth_fixture *f = *state;
    uint8_t key[SHA256_SIZE], direct[SHA256_SIZE];
    auth_sqs_request(f, STR(""), f->rules.now_ms, SQS_NAMES);
    f->request.header_count--;
    struct str authorization =
        sigv4_sign(f->arena, &f->request, STR("AKID"), SECRET, STR("us-east-1"), STR("glacier"),
                   f->rules.now_ms, SQS_NAMES, STR("UNSIGNED-PAYLOAD"), false);
    auth_add_header(f, STR("Authorization"), authorization);
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(sigv4_verify(f->arena, f->keys, &f->signature, &f->request, &f->rules, NULL,
                                  key, &f->problem),
                     RESULT_OK);
    digest_hmac_sha256(str_concat(f->arena, STR("AWS4"), SECRET), STR("20150830"), direct);
    static const char *const steps[] = {"us-east-1", "glacier", "aws4_request"};
    for (size_t i = 0; i < 3; i++) {
        uint8_t next[SHA256_SIZE];
        digest_hmac_sha256(str_make((const char *)direct, sizeof(direct)), str_from_c(steps[i]),
                           next);
        memcpy(direct, next, sizeof(next));
    }
    assert_memory_equal(key, direct, sizeof(key));
}

/* ---- what is signed is verified, whatever it is ---- */

static struct str random_text(struct auth_fixture *f, struct str alphabet, size_t most)
{
    return rng_text(f->arena, alphabet, rng_below(most + 1));
}

static void test_random_round_trip(void **state)
{
    struct auth_fixture *f = *state;
    rng_set_seed(41);
    for (int round = 0; round < 3000; round++) {
        f->rules.s3 = rng_below(2) == 0;
        f->request.path = str_concat(f->arena, STR("/"), random_text(f, STR("ab/.%2+ ~\xc3"), 20));
        f->request.query = random_text(f, STR("ab=&%27+ *\xe9"), 30);
        f->request.header_count = 0;
        auth_add_header(f, STR("Host"), STR("localhost"));
        auth_add_header(f, STR("x-amz-date"), STR("20150830T123600Z"));
        auth_add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
        auth_add_header(f, STR("X-Amz-Meta-A"), random_text(f, STR("a  \t,\xe9"), 24));
        auth_add_header(f, STR("X-Amz-Meta-A"), random_text(f, STR("a  \t,\xe9"), 24));
        auth_add_header(f, STR("Authorization"),
                        sigv4_sign(f->arena, &f->request, STR("AKID"), SECRET, STR("us-east-1"),
                                   f->rules.s3 ? STR("s3") : STR("lambda"), f->rules.now_ms,
                                   STR("X-Amz-Meta-A;x-amz-date;x-amz-content-sha256;host"),
                                   EMPTY_HASH, f->rules.s3));
        assert_int_equal(auth_parse(f), RESULT_OK);
        assert_int_equal(auth_verify(f, STR("")), RESULT_OK);
        f->headers[4].value = str_concat(f->arena, f->headers[4].value, STR("!"));
        assert_int_equal(auth_verify(f, STR("")), RESULT_ERROR);
    }
    rng_set_seed(0);
}

/* ---- cost: printed, not asserted ---- */

static void test_cost(void **state)
{
    struct auth_fixture *f = *state;
    enum { ROUNDS = 100000, REPEATS = 5 };
    struct str body = STR("{\"QueueUrl\":\"http://sqs.us-east-1.localhost:4566/000000000000/q\","
                          "\"MessageBody\":\"hello from the other side\"}");
    uint8_t digest[SHA256_SIZE], key[SHA256_SIZE];
    digest_sha256(body, digest);
    f->rules.now_ms = auth_instant("20261121T051500Z");
    auth_sqs_request(
        f, body, f->rules.now_ms,
        STR("amz-sdk-request;content-type;host;x-amz-date;x-amz-target;x-amzn-query-mode"));
    struct arena *scratch = arena_new(8192);
    uint64_t parse_ns = UINT64_MAX, whole_ns = UINT64_MAX;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t begin = time_monotonic_ns();
        for (int i = 0; i < ROUNDS; i++) {
            arena_reset(scratch);
            if (sigv4_parse(scratch, &f->request, &f->signature, &f->problem) != RESULT_OK)
                fail();
        }
        uint64_t middle = time_monotonic_ns();
        for (int i = 0; i < ROUNDS; i++) {
            arena_reset(scratch);
            if (sigv4_parse(scratch, &f->request, &f->signature, &f->problem) != RESULT_OK ||
                sigv4_verify(scratch, f->keys, &f->signature, &f->request, &f->rules, digest, key,
                             &f->problem) != RESULT_OK)
                fail();
        }
        uint64_t end = time_monotonic_ns();
        parse_ns = middle - begin < parse_ns ? middle - begin : parse_ns;
        whole_ns = end - middle < whole_ns ? end - middle : whole_ns;
    }
    printf("parse %.3f us, parse and verify %.3f us, best of %d\n",
           (double)parse_ns / ROUNDS / 1000, (double)whole_ns / ROUNDS / 1000, (int)REPEATS);
    arena_free(scratch);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, auth_set_up, auth_tear_down)

int main(void)
{
    printf("seed: 41\n");
    const struct CMUnitTest tests[] = {
        CASE(test_vectors),
        CASE(test_s3_get),
        CASE(test_s3_put),
        CASE(test_s3_queries),
        CASE(test_s3_presigned),
        CASE(test_clock),
        CASE(test_tampering),
        CASE(test_what_must_be_signed),
        CASE(test_scope),
        CASE(test_payload_hashes),
        CASE(test_plus),
        CASE(test_streamed_body),
        CASE(test_random_round_trip),
        CASE(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
