#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth_support.h"

static void check_expires(struct auth_fixture *f, const char *expires, const char *message)
{
    auth_presigned_example(f, str_format(f->arena, "%sX-Amz-Expires=%s%s", PRESIGNED_HEAD, expires,
                                         PRESIGNED_SIGNATURE));
    enum result result = auth_parse(f);
    if (message == NULL) {
        assert_int_equal(result, RESULT_OK);
        return;
    }
    assert_int_equal(result, RESULT_ERROR);
    auth_assert_problem(f, SIGV4_MALFORMED, str_from_c(message));
}

static void test_presigned_limits(void **state)
{
    struct auth_fixture *f = *state;
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
    auth_presigned_example(f, STR(PRESIGNED_HEAD "x=y" PRESIGNED_SIGNATURE));
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_INCOMPLETE);
}

static void test_presigned_parts(void **state)
{
    struct auth_fixture *f = *state;
    f->request.query = STR("Action=ListQueues&X-Amz-Credential=x%2Fy");
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    auth_assert_problem(
        f, SIGV4_INCOMPLETE,
        STR("AWS query-string parameters must include 'X-Amz-Algorithm'. AWS "
            "query-string parameters must include 'X-Amz-Signature'. AWS query-string "
            "parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters "
            "must include 'X-Amz-Date'. Re-examine the query-string parameters."));
    f->request.query = STR("X-Amz-Algorithm=AWS4-HMAC-SHA1&X-Amz-Credential=x");
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_UNSUPPORTED,
                        STR("Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."));
    f->request.query = STR("AWSAccessKeyId=AK&Expires=1&Signature=x%3D");
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_V2_QUERY);
    assert_int_equal(f->signature.time_ms, 1000);
    f->request.query = STR("AWSAccessKeyId=AK&SignatureVersion=2&Signature=x%3D&Expires=1");
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_V2);
    f->request.query = STR("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%zz");
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MALFORMED);
    f->request.query = STR(PRESIGNED_HEAD "X-Amz-Expires=1" PRESIGNED_SIGNATURE);
    auth_add_header(f, STR("authorization"), STR("AWS4-HMAC-SHA256 Credential=x"));
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_TWO_FORMS);
}

/* ---- the Authorization header ---- */

static enum result parse_authorization(struct auth_fixture *f, const char *value)
{
    f->request.header_count = 0;
    auth_add_header(f, STR("X-AMZ-DATE"), STR("20150830T123600Z"));
    auth_add_header(f, STR("AUTHORIZATION"), str_from_c(value));
    return auth_parse(f);
}

static void test_forms(void **state)
{
    struct auth_fixture *f = *state;
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_NONE);
    static const struct {
        const char *value;
        enum sigv4_form form;
    } cases[] = {
        {"AWS AKID:frJIUN8DYpKDtOLCwo//yllqDzg=", SIGV4_V2},
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
    auth_assert_str(f->signature.access_key, STR("AKID"));
}

static void test_parts(void **state)
{
    struct auth_fixture *f = *state;
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
        auth_assert_str(f->signature.access_key, STR("AKID"));
        auth_assert_str(f->signature.date, STR("20150830"));
        auth_assert_str(f->signature.region, STR("us-east-1"));
        auth_assert_str(f->signature.service, STR("sqs"));
        auth_assert_str(f->signature.time, STR("20150830T123600Z"));
        assert_int_equal(f->signature.time_ms, auth_instant("20150830T123600Z"));
        auth_assert_str(f->signature.signed_headers, STR("host;x-amz-date"));
        auth_assert_str(f->signature.signature, STR("00ff"));
        assert_true(str_is_absent(f->signature.security_token));
        assert_true(str_is_absent(f->signature.payload_hash));
        assert_int_equal(f->signature.expires_s, 0);
    }
}

static void check_refusal(struct auth_fixture *f, const char *value, enum sigv4_fault fault,
                          const char *message)
{
    assert_int_equal(parse_authorization(f, value), RESULT_ERROR);
    auth_assert_problem(f, fault, str_from_c(message));
}

static void test_refusals(void **state)
{
    struct auth_fixture *f = *state;
    check_refusal(f, "AWS4-HMAC-SHA256 SignedHeaders=host", SIGV4_INCOMPLETE,
                  "Authorization header requires 'Credential' parameter. Authorization header "
                  "requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256 "
                  "SignedHeaders=host");
    check_refusal(f, "AWS4-HMAC-SHA256 foo", SIGV4_INCOMPLETE,
                  "'foo' not a valid key=value pair (missing equal-sign) in Authorization header: "
                  "'AWS4-HMAC-SHA256 foo'.");
    check_refusal(f, "AWS4-HMAC-SHA1 Credential=x", SIGV4_UNSUPPORTED,
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
    auth_add_header(f, STR("authorization"), STR("AWS4-HMAC-SHA256"));
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    auth_assert_problem(
        f, SIGV4_INCOMPLETE,
        STR("Authorization header requires 'Credential' parameter. Authorization header "
            "requires 'Signature' parameter. Authorization header requires "
            "'SignedHeaders' parameter. Authorization header requires existence of "
            "either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"));
}

static void test_date_header(void **state)
{
    struct auth_fixture *f = *state;
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
        auth_add_header(f, str_from_c(cases[i].name), str_from_c(cases[i].value));
        auth_add_header(f, STR("Authorization"),
                        STR("AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/sqs/aws4_request, "
                            "SignedHeaders=host, Signature=x"));
        enum result result = auth_parse(f);
        assert_int_equal(result, cases[i].good ? RESULT_OK : RESULT_ERROR);
        if (cases[i].good) {
            auth_assert_str(f->signature.time, STR("20150830T123600Z"));
        } else {
            auth_assert_problem(f, SIGV4_NO_DATE,
                                str_format(f->arena,
                                           "Date must be in ISO-8601 'basic format'. Got '%s'. See "
                                           "http://en.wikipedia.org/wiki/ISO_8601",
                                           cases[i].value));
        }
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, auth_set_up, auth_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_presigned_limits), CASE(test_presigned_parts), CASE(test_forms), CASE(test_parts),
        CASE(test_refusals),         CASE(test_date_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
