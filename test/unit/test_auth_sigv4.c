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

#include "auth/sigv4_int.h"
#include "base/encode.h"
#include "base/rng.h"
#include "base/time.h"

#define SECRET STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
#define S3_SECRET STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
#define EMPTY_HASH STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

enum { HEADERS_MAX = 32 };

struct fixture {
    struct arena *arena;
    struct sigv4_keys *keys;
    struct wire_header headers[HEADERS_MAX];
    struct wire_request request;
    struct sigv4_rules rules;
    struct sigv4 signature;
    struct sigv4_problem problem;
};

static int64_t instant(const char *basic)
{
    int64_t ms = 0;
    assert_true(time_parse_basic(str_from_c(basic), &ms));
    return ms;
}

static int set_up(void **state)
{
    struct arena *arena = arena_new(0);
    struct fixture *f = ARENA_NEW(arena, struct fixture);
    f->arena = arena;
    f->keys = sigv4_keys_new();
    f->request.method = STR("GET");
    f->request.path = STR("/");
    f->request.headers = f->headers;
    f->rules.secret = SECRET;
    f->rules.now_ms = instant("20150830T123600Z");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sigv4_keys_free(f->keys);
    arena_free(f->arena);
    return 0;
}

static void add_header(struct fixture *f, struct str name, struct str value)
{
    assert_true(f->request.header_count < HEADERS_MAX);
    f->headers[f->request.header_count++] = (struct wire_header){name, value};
}

static void assert_str(struct str actual, struct str expected)
{
    if (!str_eq(actual, expected))
        fail_msg("[%.*s]\nis not\n[%.*s]", PRSTR(actual), PRSTR(expected));
}

static enum result parse(struct fixture *f)
{
    f->problem = (struct sigv4_problem){0};
    f->signature = (struct sigv4){0};
    return sigv4_parse(f->arena, &f->request, &f->signature, &f->problem);
}

static enum result verify(struct fixture *f, struct str body)
{
    uint8_t digest[SHA256_SIZE], key[SHA256_SIZE];
    digest_sha256(body, digest);
    f->problem = (struct sigv4_problem){0};
    return sigv4_verify(f->arena, f->keys, &f->signature, &f->request, &f->rules, digest, key,
                        &f->problem);
}

static void assert_problem(const struct fixture *f, enum sigv4_fault fault, struct str message)
{
    assert_int_equal(f->problem.fault, fault);
    assert_str(f->problem.message, message);
}

static struct str canonical_text(struct fixture *f, struct str signed_headers, bool s3)
{
    struct sigv4_canonical canonical = {
        .request = &f->request,
        .signed_headers = signed_headers,
        .payload_hash = EMPTY_HASH,
        .s3 = s3,
    };
    sigv4_canonicalize(f->arena, &canonical);
    return canonical.text;
}

/* The n-th line, from 0. */
static struct str line_of(struct str text, int n)
{
    struct str line = text;
    for (int i = 0; i <= n; i++)
        str_cut(text, '\n', &line, &text);
    return line;
}

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
static void read_request(struct fixture *f, struct str text)
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
        add_header(f, name, value);
    }
    f->request.body = str_is_absent(rest) ? STR("") : rest;
}

static void check_vector(struct fixture *f, const char *folder, const char *name)
{
    struct str signed_request = read_file(f->arena, folder, name, "sreq");
    assert_false(str_is_absent(signed_request));
    read_request(f, signed_request);
    assert_int_equal(parse(f), RESULT_OK);
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
    assert_str(canonical.text, read_file(f->arena, folder, name, "creq"));
    assert_str(sigv4_string_to_sign(f->arena, &f->signature, canonical.text),
               read_file(f->arena, folder, name, "sts"));
    assert_str(sigv4_sign(f->arena, &f->request, STR("AKIDEXAMPLE"), SECRET, STR("us-east-1"),
                          STR("service"), instant("20150830T123600Z"), f->signature.signed_headers,
                          canonical.payload_hash, false),
               read_file(f->arena, folder, name, "authz"));
    /* One signed request of the suite carries a made-up signature; its .authz is right. */
    f->headers[f->request.header_count - 1].value = read_file(f->arena, folder, name, "authz");
    assert_int_equal(parse(f), RESULT_OK);
    for (int i = 0; i < 2; i++) { /* the key derived, then from the cache */
        if (verify(f, f->request.body) != RESULT_OK)
            fail_msg("%s: %.*s", name, PRSTR(f->problem.message));
    }
    f->request.method = STR("PATCH");
    assert_int_equal(verify(f, f->request.body), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
}

static int check_vectors(struct fixture *f, const char *folder)
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

static void s3_example(struct fixture *f, const char *method, struct str path, struct str query)
{
    f->request.method = str_from_c(method);
    f->request.path = path;
    f->request.query = query;
    f->request.header_count = 0;
    f->rules.s3 = true;
    f->rules.secret = S3_SECRET;
    f->rules.now_ms = instant("20130524T000000Z");
    add_header(f, STR("Host"), STR("examplebucket.s3.amazonaws.com"));
    add_header(f, STR("x-amz-date"), STR("20130524T000000Z"));
}

static void add_s3_authorization(struct fixture *f, const char *signed_headers,
                                 const char *signature)
{
    add_header(f, STR("Authorization"),
               str_format(f->arena,
                          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                          "aws4_request,SignedHeaders=%s,Signature=%s",
                          signed_headers, signature));
    assert_int_equal(parse(f), RESULT_OK);
}

static void test_s3_get(void **state)
{
    struct fixture *f = *state;
    s3_example(f, "GET", STR("/test.txt"), (struct str){0});
    add_header(f, STR("Range"), STR("bytes=0-9"));
    add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
    add_s3_authorization(f, "host;range;x-amz-content-sha256;x-amz-date",
                         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    assert_int_equal(verify(f, STR("")), RESULT_OK);
    /* The body's digest is that of another body. */
    assert_int_equal(verify(f, STR("x")), RESULT_ERROR);
    assert_problem(f, SIGV4_BAD_PAYLOAD_HASH,
                   STR("The provided 'x-amz-content-sha256' header does not match what was "
                       "computed."));
}

static void test_s3_put(void **state)
{
    struct fixture *f = *state;
    s3_example(f, "PUT", STR("/test$file.text"), (struct str){0});
    add_header(f, STR("Date"), STR("Fri, 24 May 2013 00:00:00 GMT"));
    add_header(f, STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY"));
    add_header(f, STR("x-amz-content-sha256"),
               STR("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"));
    add_s3_authorization(f, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    assert_int_equal(verify(f, STR("Welcome to Amazon S3.")), RESULT_OK);
    f->request.path = STR("/test%24file.text"); /* the same object, written otherwise */
    assert_int_equal(verify(f, STR("Welcome to Amazon S3.")), RESULT_OK);
}

static void test_s3_queries(void **state)
{
    struct fixture *f = *state;
    s3_example(f, "GET", STR("/"), STR("lifecycle"));
    add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
    add_s3_authorization(f, "host;x-amz-content-sha256;x-amz-date",
                         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    assert_int_equal(verify(f, STR("")), RESULT_OK);

    s3_example(f, "GET", STR("/"), STR("prefix=J&max-keys=2"));
    add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
    add_s3_authorization(f, "host;x-amz-content-sha256;x-amz-date",
                         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    assert_int_equal(verify(f, STR("")), RESULT_OK);
}

/* "Authenticating Requests: Using Query Parameters". */
#define PRESIGNED_HEAD                                                                             \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"         \
    "us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&"
#define PRESIGNED_SIGNATURE                                                                        \
    "&X-Amz-SignedHeaders=host&X-Amz-Signature="                                                   \
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

static void presigned_example(struct fixture *f, struct str query)
{
    s3_example(f, "GET", STR("/test.txt"), query);
    f->request.header_count = 1;
}

static void test_s3_presigned(void **state)
{
    struct fixture *f = *state;
    presigned_example(f, STR(PRESIGNED_HEAD "X-Amz-Expires=86400" PRESIGNED_SIGNATURE));
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_PRESIGNED);
    assert_int_equal(f->signature.expires_s, 86400);
    assert_str(f->signature.access_key, STR("AKIAIOSFODNN7EXAMPLE"));
    assert_int_equal(verify(f, STR("")), RESULT_OK);
    f->rules.now_ms += INT64_C(86400) * 1000 + 999;
    assert_int_equal(verify(f, STR("")), RESULT_OK);
    f->rules.now_ms += 1;
    assert_int_equal(verify(f, STR("")), RESULT_ERROR);
    assert_problem(f, SIGV4_EXPIRED, STR("Request has expired"));
    f->rules.now_ms = instant("20130523T234459Z");
    assert_int_equal(verify(f, STR("")), RESULT_ERROR);
    assert_problem(f, SIGV4_SKEWED, STR("Request is not yet valid"));
    f->rules.now_ms = instant("20130523T234500Z");
    assert_int_equal(verify(f, STR("")), RESULT_OK);

    add_header(f, STR("X-Amz-Acl"), STR("public-read"));
    assert_int_equal(verify(f, STR("")), RESULT_ERROR);
    assert_problem(f, SIGV4_UNSIGNED_HEADER,
                   STR("There were headers present in the request which were not signed"));
    f->request.header_count--;
    f->request.path = STR("/test.tx");
    assert_int_equal(verify(f, STR("")), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
    assert_str(f->problem.canonical_request,
               STR("GET\n/test.tx\n"
                   "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
                   "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&"
                   "X-Amz-Expires=86400&X-Amz-SignedHeaders=host\n"
                   "host:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD"));
}

static void check_expires(struct fixture *f, const char *expires, const char *message)
{
    presigned_example(f, str_format(f->arena, "%sX-Amz-Expires=%s%s", PRESIGNED_HEAD, expires,
                                    PRESIGNED_SIGNATURE));
    enum result result = parse(f);
    if (message == NULL) {
        assert_int_equal(result, RESULT_OK);
        return;
    }
    assert_int_equal(result, RESULT_ERROR);
    assert_problem(f, SIGV4_MALFORMED, str_from_c(message));
}

static void test_presigned_limits(void **state)
{
    struct fixture *f = *state;
    check_expires(f, "1", NULL);
    check_expires(f, "604800", NULL);
    check_expires(f, "604801",
                  "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                  "X-Amz-Expires must be less than 604800 seconds");
    check_expires(f, "0", "X-Amz-Expires must be at least 1 second");
    check_expires(f, "-5", "X-Amz-Expires must be non-negative");
    check_expires(f, "soon", "X-Amz-Expires should be a number");
    check_expires(f, "", "X-Amz-Expires should be a number");
    check_expires(f, "99999999999999999999", "X-Amz-Expires should be a number");
    presigned_example(f, STR(PRESIGNED_HEAD "x=y" PRESIGNED_SIGNATURE));
    assert_int_equal(parse(f), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_INCOMPLETE);
}

static void test_presigned_parts(void **state)
{
    struct fixture *f = *state;
    f->request.query = STR("Action=ListQueues&X-Amz-Credential=x%2Fy");
    assert_int_equal(parse(f), RESULT_ERROR);
    assert_problem(f, SIGV4_INCOMPLETE,
                   STR("AWS query-string parameters must include 'X-Amz-Algorithm'. AWS "
                       "query-string parameters must include 'X-Amz-Signature'. AWS query-string "
                       "parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters "
                       "must include 'X-Amz-Date'. Re-examine the query-string parameters."));
    f->request.query = STR("X-Amz-Algorithm=AWS4-HMAC-SHA1&X-Amz-Credential=x");
    assert_int_equal(parse(f), RESULT_ERROR);
    assert_problem(f, SIGV4_INCOMPLETE, STR("Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."));
    f->request.query = STR("X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=x");
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_A);
    f->request.query = STR("AWSAccessKeyId=AK&Expires=1&Signature=x%3D");
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_V2);
    f->request.query = STR("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%zz");
    assert_int_equal(parse(f), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MALFORMED);
    f->request.query = STR(PRESIGNED_HEAD "X-Amz-Expires=1" PRESIGNED_SIGNATURE);
    add_header(f, STR("authorization"), STR("AWS4-HMAC-SHA256 Credential=x"));
    assert_int_equal(parse(f), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MALFORMED);
}

/* ---- the Authorization header ---- */

static enum result parse_authorization(struct fixture *f, const char *value)
{
    f->request.header_count = 0;
    add_header(f, STR("X-AMZ-DATE"), STR("20150830T123600Z"));
    add_header(f, STR("AUTHORIZATION"), str_from_c(value));
    return parse(f);
}

static void test_forms(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_NONE);
    static const struct {
        const char *value;
        enum sigv4_form form;
    } cases[] = {
        {"AWS AKID:frJIUN8DYpKDtOLCwo//yllqDzg=", SIGV4_V2},
        {"AWS4-ECDSA-P256-SHA256 Credential=AKID/20150830/s3/aws4_request", SIGV4_A},
        {"Bearer abc", SIGV4_BEARER},
        {"bearer abc", SIGV4_BEARER},
        {"Basic dTpw", SIGV4_NONE},
        {"allow", SIGV4_NONE},
        {"", SIGV4_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse_authorization(f, cases[i].value), RESULT_OK);
        assert_int_equal(f->signature.form, cases[i].form);
    }
    assert_int_equal(parse_authorization(f, "AWS AKID:x"), RESULT_OK);
    assert_str(f->signature.access_key, STR("AKID"));
}

static void test_parts(void **state)
{
    struct fixture *f = *state;
    static const char *const values[] = {
        "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/sqs/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=00ff",
        "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/sqs/aws4_request,"
        "SignedHeaders=host;x-amz-date,Signature=00ff",
        "AWS4-HMAC-SHA256   Signature=00ff ,,  SignedHeaders=host;x-amz-date , "
        "Credential=AKID/20150830/us-east-1/sqs/aws4_request",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_int_equal(parse_authorization(f, values[i]), RESULT_OK);
        assert_int_equal(f->signature.form, SIGV4_HEADER);
        assert_str(f->signature.access_key, STR("AKID"));
        assert_str(f->signature.date, STR("20150830"));
        assert_str(f->signature.region, STR("us-east-1"));
        assert_str(f->signature.service, STR("sqs"));
        assert_str(f->signature.time, STR("20150830T123600Z"));
        assert_int_equal(f->signature.time_ms, instant("20150830T123600Z"));
        assert_str(f->signature.signed_headers, STR("host;x-amz-date"));
        assert_str(f->signature.signature, STR("00ff"));
        assert_true(str_is_absent(f->signature.security_token));
        assert_true(str_is_absent(f->signature.payload_hash));
        assert_int_equal(f->signature.expires_s, 0);
    }
}

static void check_refusal(struct fixture *f, const char *value, enum sigv4_fault fault,
                          const char *message)
{
    assert_int_equal(parse_authorization(f, value), RESULT_ERROR);
    assert_problem(f, fault, str_from_c(message));
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    check_refusal(f, "AWS4-HMAC-SHA256 SignedHeaders=host", SIGV4_INCOMPLETE,
                  "Authorization header requires 'Credential' parameter. Authorization header "
                  "requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256 "
                  "SignedHeaders=host");
    check_refusal(f, "AWS4-HMAC-SHA256 foo", SIGV4_INCOMPLETE,
                  "'foo' not a valid key=value pair (missing equal-sign) in Authorization header: "
                  "'AWS4-HMAC-SHA256 foo'.");
    check_refusal(f, "AWS4-HMAC-SHA1 Credential=x", SIGV4_INCOMPLETE,
                  "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'.");
    check_refusal(f,
                  "AWS4-HMAC-SHA256 Credential=a/b/20150830/us-east-1/sqs/aws4_request, "
                  "SignedHeaders=host, Signature=x",
                  SIGV4_MALFORMED,
                  "Credential must have exactly 5 slash-delimited elements, e.g. "
                  "keyid/date/region/service/term, got 'a/b/20150830/us-east-1/sqs/aws4_request'");
    check_refusal(f,
                  "AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/s3, "
                  "SignedHeaders=host, Signature=x",
                  SIGV4_MALFORMED,
                  "The authorization header is malformed; the Credential is mal-formed; expecting "
                  "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
    check_refusal(f,
                  "AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/sqs/aws5_request, "
                  "SignedHeaders=host, Signature=x",
                  SIGV4_BAD_SCOPE,
                  "Credential should be scoped with a valid terminator: 'aws4_request', not "
                  "'aws5_request'.");
    check_refusal(f,
                  "AWS4-HMAC-SHA256 Credential=a/20150829/us-east-1/sqs/aws4_request, "
                  "SignedHeaders=host, Signature=x",
                  SIGV4_BAD_SCOPE,
                  "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                  "from HTTP: '20150829' != '20150830', from '20150830T123600Z'.");
    f->request.header_count = 0;
    add_header(f, STR("authorization"), STR("AWS4-HMAC-SHA256"));
    assert_int_equal(parse(f), RESULT_ERROR);
    assert_problem(f, SIGV4_INCOMPLETE,
                   STR("Authorization header requires 'Credential' parameter. Authorization header "
                       "requires 'Signature' parameter. Authorization header requires "
                       "'SignedHeaders' parameter. Authorization header requires existence of "
                       "either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"));
}

static void test_date_header(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *value;
        bool good;
    } cases[] = {
        {"date", "Sun, 30 Aug 2015 12:36:00 GMT", true},
        {"Date", "20150830T123600Z", true},
        {"Date", "2015-08-30T12:36:00Z", true},
        {"Date", "yesterday", false},
        {"x-amz-date", "2015-08-30T12:36:00Z", false},
        {"x-amz-date", "20150830T126600Z", false},
        {"x-amz-date", "", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->request.header_count = 0;
        add_header(f, str_from_c(cases[i].name), str_from_c(cases[i].value));
        add_header(f, STR("Authorization"),
                   STR("AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/sqs/aws4_request, "
                       "SignedHeaders=host, Signature=x"));
        enum result result = parse(f);
        assert_int_equal(result, cases[i].good ? RESULT_OK : RESULT_ERROR);
        if (cases[i].good) {
            assert_str(f->signature.time, STR("20150830T123600Z"));
        } else {
            assert_problem(f, SIGV4_MALFORMED,
                           str_format(f->arena,
                                      "Date must be in ISO-8601 'basic format'. Got '%s'. See "
                                      "http://en.wikipedia.org/wiki/ISO_8601",
                                      cases[i].value));
        }
    }
}

/* ---- the canonical request ---- */

static void test_paths(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *normalized, *s3;
    } cases[] = {
        {"", "/", "/"},
        {"/", "/", "/"},
        {"/a/b", "/a/b", "/a/b"},
        {"/a//b/", "/a/b/", "/a//b/"},
        {"/./a/../b/.", "/b/", "/./a/../b/."},
        {"/../..", "/", "/../.."},
        {"/.hidden/..x", "/.hidden/..x", "/.hidden/..x"},
        {"/a%20b", "/a%2520b", "/a%20b"},
        {"/a b", "/a%20b", "/a%20b"},
        {"/a+b", "/a%2Bb", "/a%2Bb"},
        {"/a%2fb", "/a%252fb", "/a%2Fb"},
        {"/%41%7e%zz%", "/%2541%257e%25zz%25", "/A~%25zz%25"},
        {"/k=v:@$", "/k%3Dv%3A%40%24", "/k%3Dv%3A%40%24"},
        {"/2015-03-31/functions/arn%3Aaws%3Alambda", "/2015-03-31/functions/arn%253Aaws%253Alambda",
         "/2015-03-31/functions/arn%3Aaws%3Alambda"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->request.path = str_from_c(cases[i].path);
        assert_str(line_of(canonical_text(f, STR("host"), false), 1),
                   str_from_c(cases[i].normalized));
        assert_str(line_of(canonical_text(f, STR("host"), true), 1), str_from_c(cases[i].s3));
    }
}

static void test_queries(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *query, *canonical;
    } cases[] = {
        {"", ""},
        {"a", "a="},
        {"a=", "a="},
        {"b=2&a=1", "a=1&b=2"},
        {"a=2&a=10&a=", "a=&a=10&a=2"},
        {"&&b&&a&", "a=&b="},
        {"=x", "=x"},
        {"a=b=c", "a=b%3Dc"},
        {"a=%7e%2f%c3%a9", "a=~%2F%C3%A9"},
        {"a=\xc3\xa9*!'()", "a=%C3%A9%2A%21%27%28%29"},
        {"a=1%", "a=1%25"},
        {"a=1%2", "a=1%252"},
        {"a-b=1&a=1", "a=1&a-b=1"},
        {"%62=1&a=2", "a=2&b=1"},
        {"q=a+b", "q=a%2Bb"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->request.query = str_from_c(cases[i].query);
        assert_str(line_of(canonical_text(f, STR("host"), false), 2),
                   str_from_c(cases[i].canonical));
    }
}

static void test_headers(void **state)
{
    struct fixture *f = *state;
    add_header(f, STR("HOST"), STR("example.com"));
    add_header(f, STR("X-Many"), STR("  a   b\t c  "));
    add_header(f, STR("Unsigned"), STR("no"));
    add_header(f, STR("x-mANY"), STR("2"));
    add_header(f, STR("X-Empty"), STR("   "));
    add_header(f, STR("X-Long"), STR("0123456789abcdef  0123456789"));
    add_header(f, STR("X-Utf8"), STR("\xe9\x9b\xb2\xe5\xba\xad\xe9\x9b\xb2"));
    struct str expected =
        STR("GET\n/\n\nhost:example.com\nx-empty:\nx-long:0123456789abcdef 0123456789\n"
            "x-many:a b c,2\nx-missing:\nx-utf8:\xe9\x9b\xb2\xe5\xba\xad\xe9\x9b\xb2\n\n"
            "host;x-empty;x-long;x-many;x-missing;x-utf8\n"
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_str(canonical_text(f, STR("host;x-empty;x-long;x-many;x-missing;x-utf8"), false),
               expected);
    /* In any order, case and number. */
    assert_str(
        canonical_text(f, STR("X-Utf8;host;;x-many;X-MANY;x-missing;x-long; x-empty;host"), false),
        expected);
}

/* ---- verification ---- */

/* A SendMessage as an SDK sends it. */
static void sqs_request(struct fixture *f, struct str body, int64_t now_ms, struct str names)
{
    struct buf time;
    buf_init(&time, f->arena, 32);
    time_format_basic(&time, now_ms);
    f->request.method = STR("POST");
    f->request.body = body;
    f->request.header_count = 0;
    add_header(f, STR("Host"), STR("sqs.us-east-1.localhost:4566"));
    add_header(f, STR("Accept-Encoding"), STR("identity"));
    add_header(f, STR("Content-Type"), STR("application/x-amz-json-1.0"));
    add_header(f, STR("X-Amz-Target"), STR("AmazonSQS.SendMessage"));
    add_header(f, STR("x-amzn-query-mode"), STR("true"));
    add_header(f, STR("User-Agent"), STR("Boto3/1.42.0 md/Botocore#1.42.0 lang/python#3.11.2"));
    add_header(f, STR("X-Amz-Date"), buf_str(&time));
    add_header(f, STR("amz-sdk-request"), STR("attempt=1"));
    add_header(f, STR("Content-Length"), STR("112"));
    uint8_t digest[SHA256_SIZE];
    char hex[SIGV4_HEX_SIZE];
    digest_sha256(body, digest);
    sigv4_hex(digest, hex);
    add_header(f, STR("Authorization"),
               sigv4_sign(f->arena, &f->request, STR("AKIDEXAMPLE"), SECRET, STR("us-east-1"),
                          STR("sqs"), now_ms, names, str_make(hex, sizeof(hex)), false));
}

#define SQS_NAMES STR("content-type;host;x-amz-date;x-amz-target")

static void test_clock(void **state)
{
    struct fixture *f = *state;
    sqs_request(f, STR("{}"), instant("20261121T051500Z"), SQS_NAMES);
    assert_int_equal(parse(f), RESULT_OK);
    f->rules.now_ms = instant("20261121T053000Z") + 999;
    assert_int_equal(verify(f, STR("{}")), RESULT_OK);
    f->rules.now_ms = instant("20261121T050000Z");
    assert_int_equal(verify(f, STR("{}")), RESULT_OK);
    f->rules.now_ms = instant("20261121T063000Z");
    assert_int_equal(verify(f, STR("{}")), RESULT_ERROR);
    assert_problem(f, SIGV4_SKEWED,
                   STR("Signature expired: 20261121T051500Z is now earlier than 20261121T061500Z "
                       "(20261121T063000Z - 15 min.)"));
    f->rules.now_ms = instant("20261121T045959Z");
    assert_int_equal(verify(f, STR("{}")), RESULT_ERROR);
    assert_problem(f, SIGV4_SKEWED,
                   STR("Signature not yet current: 20261121T051500Z is still later than "
                       "20261121T051459Z (20261121T045959Z + 15 min.)"));
    f->rules.s3 = true;
    assert_int_equal(verify(f, STR("{}")), RESULT_ERROR);
    assert_problem(f, SIGV4_SKEWED,
                   STR("The difference between the request time and the current time is too "
                       "large."));
    f->rules.s3 = false;
    f->rules.skip_time = true;
    assert_int_equal(verify(f, STR("{}")), RESULT_OK);
}

static void test_tampering(void **state)
{
    struct fixture *f = *state;
    struct str body = STR("{\"QueueUrl\":\"q\",\"MessageBody\":\"m\"}");
    sqs_request(f, body, f->rules.now_ms, SQS_NAMES);
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(verify(f, body), RESULT_OK);
    assert_int_equal(verify(f, STR("{}")), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
    assert_str(f->problem.message,
               STR("The request signature we calculated does not match the signature you provided. "
                   "Check your AWS Secret Access Key and signing method. Consult the service "
                   "documentation for details."));
    assert_true(str_starts_with(f->problem.string_to_sign,
                                STR("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/sqs/"
                                    "aws4_request\n")));
    f->rules.secret = STR("another");
    assert_int_equal(verify(f, body), RESULT_ERROR);
    f->rules.secret = SECRET;

    struct str *target = &f->headers[3].value, old = *target;
    *target = STR("AmazonSQS.DeleteQueue");
    assert_int_equal(verify(f, body), RESULT_ERROR);
    *target = old;
    for (size_t i = 0; i < f->signature.signature.len; i++) {
        char *copy = arena_alloc_raw(f->arena, SIGV4_HEX_SIZE);
        memcpy(copy, f->signature.signature.ptr, SIGV4_HEX_SIZE);
        copy[i] = copy[i] == '0' ? '1' : '0';
        struct str right = f->signature.signature;
        f->signature.signature = str_make(copy, SIGV4_HEX_SIZE);
        assert_int_equal(verify(f, body), RESULT_ERROR);
        f->signature.signature = str_slice(right, 0, i);
        assert_int_equal(verify(f, body), RESULT_ERROR);
        f->signature.signature = right;
    }
    assert_int_equal(verify(f, body), RESULT_OK);
}

static void test_what_must_be_signed(void **state)
{
    struct fixture *f = *state;
    sqs_request(f, STR("{}"), f->rules.now_ms, STR("content-type;host;x-amz-date"));
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(verify(f, STR("{}")), RESULT_ERROR);
    assert_problem(f, SIGV4_UNSIGNED_HEADER,
                   STR("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."));
    sqs_request(f, STR("{}"), f->rules.now_ms, STR("content-type;x-amz-date;x-amz-target"));
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(verify(f, STR("{}")), RESULT_ERROR);
    assert_problem(f, SIGV4_UNSIGNED_HEADER,
                   STR("'Host' or ':authority' must be a 'SignedHeader' in the AWS "
                       "Authorization."));
}

static void test_scope(void **state)
{
    struct fixture *f = *state;
    sqs_request(f, STR("{}"), f->rules.now_ms, SQS_NAMES);
    assert_int_equal(parse(f), RESULT_OK);
    f->rules.service = STR("sqs");
    assert_int_equal(verify(f, STR("{}")), RESULT_OK);
    f->rules.service = STR("sns");
    assert_int_equal(verify(f, STR("{}")), RESULT_ERROR);
    assert_problem(f, SIGV4_BAD_SCOPE,
                   STR("Credential should be scoped to correct service: 'sns'."));
}

static void test_payload_hashes(void **state)
{
    struct fixture *f = *state;
    s3_example(f, "PUT", STR("/k"), (struct str){0});
    add_s3_authorization(f, "host;x-amz-date", "00");
    assert_int_equal(verify(f, STR("")), RESULT_ERROR);
    assert_problem(f, SIGV4_INCOMPLETE,
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
        {"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", SIGV4_MALFORMED},
        {"", SIGV4_MALFORMED},
        {"unsigned", SIGV4_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s3_example(f, "PUT", STR("/k"), (struct str){0});
        add_header(f, STR("x-amz-content-sha256"), str_from_c(cases[i].hash));
        add_header(f, STR("Authorization"),
                   sigv4_sign(f->arena, &f->request, STR("AKID"), S3_SECRET, STR("eu-west-1"),
                              STR("s3"), f->rules.now_ms,
                              STR("host;x-amz-content-sha256;x-amz-date"),
                              str_from_c(cases[i].hash), true));
        assert_int_equal(parse(f), RESULT_OK);
        enum result result = verify(f, STR("the body"));
        assert_int_equal(result, cases[i].fault == SIGV4_OK ? RESULT_OK : RESULT_ERROR);
        assert_int_equal(f->problem.fault, cases[i].fault);
    }
}

/* A bare '+' has been signed in both ways. */
static void test_plus(void **state)
{
    struct fixture *f = *state;
    static const char *const signed_as[] = {"q=a%2Bb", "q=a%20b", "q=a+b"};
    for (size_t i = 0; i < 3; i++) {
        f->request.query = str_from_c(signed_as[i]);
        sqs_request(f, STR(""), f->rules.now_ms, SQS_NAMES);
        f->request.query = STR("q=a+b");
        assert_int_equal(parse(f), RESULT_OK);
        assert_int_equal(verify(f, STR("")), RESULT_OK);
        f->request.query = STR("q=a+c");
        assert_int_equal(verify(f, STR("")), RESULT_ERROR);
    }
}

static void test_streamed_body(void **state)
{
    struct fixture *f = *state;
    uint8_t key[SHA256_SIZE], direct[SHA256_SIZE];
    sqs_request(f, STR(""), f->rules.now_ms, SQS_NAMES);
    f->request.header_count--;
    struct str authorization =
        sigv4_sign(f->arena, &f->request, STR("AKID"), SECRET, STR("us-east-1"), STR("glacier"),
                   f->rules.now_ms, SQS_NAMES, STR("UNSIGNED-PAYLOAD"), false);
    add_header(f, STR("Authorization"), authorization);
    assert_int_equal(parse(f), RESULT_OK);
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

/* ---- signing keys ---- */

static struct sigv4_key_name key_name(struct fixture *f, uint64_t i)
{
    return (struct sigv4_key_name){
        .secret = str_format(f->arena, "secret-%d", (int)(i % 7)),
        .date = str_format(f->arena, "2026%04d", (int)(i / 7 % 365)),
        .region = str_format(f->arena, "region-%d", (int)(i / 2555)),
        .service = STR("sqs"),
    };
}

static void test_key_cache(void **state)
{
    struct fixture *f = *state;
    struct sigv4_key key, found;
    enum { NAMES = 5000 };
    for (uint64_t i = 0; i < NAMES; i++) {
        struct sigv4_key_name name = key_name(f, i);
        assert_false(sigv4_keys_find(f->keys, &name, &found));
        sigv4_key_derive(&key, &name);
        sigv4_keys_put(f->keys, &name, &key);
        assert_true(sigv4_keys_find(f->keys, &name, &found));
        assert_memory_equal(found.bytes, key.bytes, SHA256_SIZE);
    }
    int kept = 0;
    for (uint64_t i = 0; i < NAMES; i++) {
        struct sigv4_key_name name = key_name(f, i);
        if (!sigv4_keys_find(f->keys, &name, &found))
            continue;
        sigv4_key_derive(&key, &name);
        assert_memory_equal(found.bytes, key.bytes, SHA256_SIZE);
        kept++;
    }
    assert_true(kept > 900 && kept <= 1024);
}

/* The same text cut elsewhere is another name; what is too long is not kept. */
static void test_key_names(void **state)
{
    struct fixture *f = *state;
    struct sigv4_key key, found;
    struct sigv4_key_name name = {STR("ab"), STR("c"), STR("d"), STR("e")};
    struct sigv4_key_name other = {STR("a"), STR("bc"), STR("d"), STR("e")};
    sigv4_key_derive(&key, &name);
    sigv4_keys_put(f->keys, &name, &key);
    assert_true(sigv4_keys_find(f->keys, &name, &found));
    assert_false(sigv4_keys_find(f->keys, &other, &found));

    char text[300];
    memset(text, 'x', sizeof(text));
    name.secret = str_make(text, sizeof(text));
    sigv4_key_derive(&key, &name);
    uint8_t expected[SHA256_SIZE], next[SHA256_SIZE];
    digest_hmac_sha256(str_concat(f->arena, STR("AWS4"), name.secret), STR("c"), expected);
    static const char *const steps[] = {"d", "e", "aws4_request"};
    for (size_t i = 0; i < 3; i++) {
        digest_hmac_sha256(str_make((const char *)expected, sizeof(expected)), str_from_c(steps[i]),
                           next);
        memcpy(expected, next, sizeof(next));
    }
    assert_memory_equal(key.bytes, expected, sizeof(expected));
    sigv4_keys_put(f->keys, &name, &key);
    assert_false(sigv4_keys_find(f->keys, &name, &found));
}

/* A request that fails leaves no key behind. */
static void test_strangers_leave_no_key(void **state)
{
    struct fixture *f = *state;
    struct sigv4_key_name name = {SECRET, STR("20150830"), STR("us-east-1"), STR("sqs")};
    struct sigv4_key found;
    sqs_request(f, STR("{}"), f->rules.now_ms, SQS_NAMES);
    assert_int_equal(parse(f), RESULT_OK);
    assert_int_equal(verify(f, STR("other")), RESULT_ERROR);
    assert_false(sigv4_keys_find(f->keys, &name, &found));
    assert_int_equal(verify(f, STR("{}")), RESULT_OK);
    assert_true(sigv4_keys_find(f->keys, &name, &found));
}

/* ---- what is signed is verified, whatever it is ---- */

static struct str random_text(struct fixture *f, struct str alphabet, size_t most)
{
    return rng_text(f->arena, alphabet, rng_below(most + 1));
}

static void test_random_round_trip(void **state)
{
    struct fixture *f = *state;
    rng_set_seed(41);
    for (int round = 0; round < 3000; round++) {
        f->rules.s3 = rng_below(2) == 0;
        f->request.path = str_concat(f->arena, STR("/"), random_text(f, STR("ab/.%2+ ~\xc3"), 20));
        f->request.query = random_text(f, STR("ab=&%27+ *\xe9"), 30);
        f->request.header_count = 0;
        add_header(f, STR("Host"), STR("localhost"));
        add_header(f, STR("x-amz-date"), STR("20150830T123600Z"));
        add_header(f, STR("x-amz-content-sha256"), EMPTY_HASH);
        add_header(f, STR("X-Amz-Meta-A"), random_text(f, STR("a  \t,\xe9"), 24));
        add_header(f, STR("X-Amz-Meta-A"), random_text(f, STR("a  \t,\xe9"), 24));
        add_header(f, STR("Authorization"),
                   sigv4_sign(f->arena, &f->request, STR("AKID"), SECRET, STR("us-east-1"),
                              f->rules.s3 ? STR("s3") : STR("lambda"), f->rules.now_ms,
                              STR("X-Amz-Meta-A;x-amz-date;x-amz-content-sha256;host"), EMPTY_HASH,
                              f->rules.s3));
        assert_int_equal(parse(f), RESULT_OK);
        assert_int_equal(verify(f, STR("")), RESULT_OK);
        f->headers[4].value = str_concat(f->arena, f->headers[4].value, STR("!"));
        assert_int_equal(verify(f, STR("")), RESULT_ERROR);
    }
    rng_set_seed(0);
}

/* ---- cost: printed, not asserted ---- */

static void test_cost(void **state)
{
    struct fixture *f = *state;
    enum { ROUNDS = 100000, REPEATS = 5 };
    struct str body = STR("{\"QueueUrl\":\"http://sqs.us-east-1.localhost:4566/000000000000/q\","
                          "\"MessageBody\":\"hello from the other side\"}");
    uint8_t digest[SHA256_SIZE], key[SHA256_SIZE];
    digest_sha256(body, digest);
    f->rules.now_ms = instant("20261121T051500Z");
    sqs_request(f, body, f->rules.now_ms,
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

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    printf("seed: 41\n");
    const struct CMUnitTest tests[] = {
        CASE(test_vectors),
        CASE(test_s3_get),
        CASE(test_s3_put),
        CASE(test_s3_queries),
        CASE(test_s3_presigned),
        CASE(test_presigned_limits),
        CASE(test_presigned_parts),
        CASE(test_forms),
        CASE(test_parts),
        CASE(test_refusals),
        CASE(test_date_header),
        CASE(test_paths),
        CASE(test_queries),
        CASE(test_headers),
        CASE(test_clock),
        CASE(test_tampering),
        CASE(test_what_must_be_signed),
        CASE(test_scope),
        CASE(test_payload_hashes),
        CASE(test_plus),
        CASE(test_streamed_body),
        CASE(test_key_cache),
        CASE(test_key_names),
        CASE(test_strangers_leave_no_key),
        CASE(test_random_round_trip),
        CASE(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
