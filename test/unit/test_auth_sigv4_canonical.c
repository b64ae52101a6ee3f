#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth_support.h"

static struct str canonical_text(struct auth_fixture *f, struct str signed_headers, bool s3)
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

/* ---- the canonical request ---- */

static void test_paths(void **state)
{
    struct auth_fixture *f = *state;
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
        auth_assert_str(line_of(canonical_text(f, STR("host"), false), 1),
                        str_from_c(cases[i].normalized));
        auth_assert_str(line_of(canonical_text(f, STR("host"), true), 1), str_from_c(cases[i].s3));
    }
}

static void test_queries(void **state)
{
    struct auth_fixture *f = *state;
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
        auth_assert_str(line_of(canonical_text(f, STR("host"), false), 2),
                        str_from_c(cases[i].canonical));
    }
}

static void test_headers(void **state)
{
    struct auth_fixture *f = *state;
    auth_add_header(f, STR("HOST"), STR("example.com"));
    auth_add_header(f, STR("X-Many"), STR("  a   b\t c  "));
    auth_add_header(f, STR("Unsigned"), STR("no"));
    auth_add_header(f, STR("x-mANY"), STR("2"));
    auth_add_header(f, STR("X-Empty"), STR("   "));
    auth_add_header(f, STR("X-Long"), STR("0123456789abcdef  0123456789"));
    auth_add_header(f, STR("X-Utf8"), STR("\xe9\x9b\xb2\xe5\xba\xad\xe9\x9b\xb2"));
    struct str expected =
        STR("GET\n/\n\nhost:example.com\nx-empty:\nx-long:0123456789abcdef 0123456789\n"
            "x-many:a b c,2\nx-missing:\nx-utf8:\xe9\x9b\xb2\xe5\xba\xad\xe9\x9b\xb2\n\n"
            "host;x-empty;x-long;x-many;x-missing;x-utf8\n"
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    auth_assert_str(canonical_text(f, STR("host;x-empty;x-long;x-many;x-missing;x-utf8"), false),
                    expected);
    /* In any order, case and number. */
    auth_assert_str(
        canonical_text(f, STR("X-Utf8;host;;x-many;X-MANY;x-missing;x-long; x-empty;host"), false),
        expected);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, auth_set_up, auth_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_paths),
        CASE(test_queries),
        CASE(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
