#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/sigv2.h"
#include "auth_support.h"

static enum result verify(struct auth_fixture *f, const char *path, const char *query,
                          struct str bucket, int64_t now_s)
{
    f->request.method = STR("GET");
    f->request.path = str_from_c(path);
    f->request.query = str_from_c(query);
    if (auth_parse(f) != RESULT_OK)
        return RESULT_ERROR;
    assert_int_equal(f->signature.form, SIGV4_V2_QUERY);
    return sigv2_verify_query(f->arena, &f->signature, &f->request, bucket, S3_SECRET, now_s * 1000,
                              0, &f->problem);
}

#define EXAMPLE "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620&Signature="

/* "Query string request authentication alternative", "Signing and authenticating REST requests". */
static void test_example(void **state)
{
    struct auth_fixture *f = *state;
    const char *query = EXAMPLE "NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D";
    assert_int_equal(verify(f, "/photos/puppy.jpg", query, STR("johnsmith"), 1175139620),
                     RESULT_OK);
    assert_int_equal(verify(f, "/johnsmith/photos/puppy.jpg", query, (struct str){0}, 1),
                     RESULT_OK);
    assert_int_equal(verify(f, "/photos/puppy.jpg", query, STR("johnsmith"), 1175139621),
                     RESULT_ERROR);
    auth_assert_problem(f, SIGV4_EXPIRED, STR("Request has expired"));
    assert_int_equal(verify(f, "/photos/puppy.png", query, STR("johnsmith"), 1), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
    auth_assert_str(f->problem.string_to_sign,
                    STR("GET\n\n\n1175139620\n/johnsmith/photos/puppy.png"));
}

static void test_what_is_signed(void **state)
{
    struct auth_fixture *f = *state;
    auth_add_header(f, STR("X-Amz-Meta-B"), STR(" two "));
    auth_add_header(f, STR("x-amz-meta-b"), STR("three"));
    auth_add_header(f, STR("Content-Type"), STR("text/x"));
    assert_int_equal(verify(f, "/b/k",
                            EXAMPLE "x&x-amz-meta-a=one&versionId=1%2B&acl&other=1&content-md5=m",
                            (struct str){0}, 1),
                     RESULT_ERROR);
    auth_assert_str(f->problem.string_to_sign,
                    STR("GET\nm\ntext/x\n1175139620\nx-amz-meta-a:one\nx-amz-meta-b:two,three\n"
                        "/b/k?acl&versionId=1+"));
}

static void test_parts(void **state)
{
    struct auth_fixture *f = *state;
    assert_int_equal(verify(f, "/b/k", "AWSAccessKeyId=a&Signature=b", (struct str){0}, 1),
                     RESULT_ERROR);
    auth_assert_problem(f, SIGV4_EXPIRED,
                        STR("Query-string authentication requires the Signature, Expires and "
                            "AWSAccessKeyId parameters"));
    const char *const bad[] = {"soon", "-1", "99999999999999999999", "9223372036854775807", "1.5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct str query = str_format(f->arena, "AWSAccessKeyId=a&Signature=b&Expires=%s", bad[i]);
        assert_int_equal(verify(f, "/b/k", str_to_c(f->arena, query), (struct str){0}, 1),
                         RESULT_ERROR);
        auth_assert_problem(
            f, SIGV4_EXPIRED,
            str_format(f->arena, "Invalid date (should be seconds since epoch): %s", bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_example, auth_set_up, auth_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_signed, auth_set_up, auth_tear_down),
        cmocka_unit_test_setup_teardown(test_parts, auth_set_up, auth_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
