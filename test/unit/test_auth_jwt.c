/* JSON Web Tokens: the example of RFC 7515, A.3, and everything near it that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/jwt.h"

#define HEAD "eyJhbGciOiJFUzI1NiJ9"
#define CLAIMS                                                                                     \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define SIGNATURE                                                                                  \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define TOKEN HEAD "." CLAIMS "." SIGNATURE
#define KEY_PARTS                                                                                  \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","      \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""

static enum jwt_verdict verdict_of(struct str token, struct str keys)
{
    struct arena *arena = arena_new(0);
    struct jwt jwt;
    assert_true(jwt_parse(arena, token, &jwt));
    enum jwt_verdict verdict = jwt_verify(arena, &jwt, keys);
    arena_free(arena);
    return verdict;
}

static void test_example(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct jwt jwt;
    assert_true(jwt_parse(arena, STR(TOKEN), &jwt));
    assert_true(str_eq(jwt.algorithm, STR("ES256")) && str_is_absent(jwt.key_id));
    assert_true(str_starts_with(jwt.claims, STR("{\"iss\":\"joe\"")));
    arena_free(arena);
    assert_int_equal(verdict_of(STR(TOKEN), STR("{\"keys\":[{" KEY_PARTS "}]}")), JWT_GOOD);
    /* Keys of other kinds stand beside it. */
    assert_int_equal(verdict_of(STR(TOKEN), STR("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":"
                                                "\"AQAB\"},{},{" KEY_PARTS "}]}")),
                     JWT_GOOD);
}

static void test_keys_that_do_not_serve(void **state)
{
    (void)state;
    static const char *const sets[] = {
        "",
        "{}",
        "[]",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[null,1,\"x\",[]]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
        "{\"keys\":[{\"use\":\"enc\"," KEY_PARTS "}]}",
        "{\"keys\":[{\"alg\":\"ES384\"," KEY_PARTS "}]}",
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        assert_int_equal(verdict_of(STR(TOKEN), str_from_c(sets[i])), JWT_NO_KEY);
}

/* Whatever character changes: refused, or still the same bytes. */
static void test_every_character_counts(void **state)
{
    (void)state;
    char text[] = TOKEN;
    struct str keys = STR("{\"keys\":[{" KEY_PARTS "}]}");
    for (size_t i = 0; i < sizeof text - 1; i++) {
        struct arena *arena = arena_new(0);
        struct jwt jwt;
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        struct str token = str_make(text, sizeof text - 1);
        bool last = i == sizeof HEAD - 2 || i == sizeof text - 2 ||
                    i == sizeof HEAD + sizeof CLAIMS - 2; /* bits that nobody reads */
        if (jwt_parse(arena, token, &jwt) && !last)
            assert_int_not_equal(jwt_verify(arena, &jwt, keys), JWT_GOOD);
        text[i] = was;
        arena_free(arena);
    }
}

static void test_what_is_no_token(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "a.b.c",
        "e30.e30",
        "e30.e30.",
        "e30.e30.e30.",
        HEAD "." CLAIMS "." SIGNATURE ".",
        HEAD "..",
        "bnVsbA.bnVsbA.AA",
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct jwt jwt;
        assert_false(jwt_parse(arena, str_from_c(texts[i]), &jwt));
    }
    /* {"alg":"none"}, {"alg":"HS256"}: read, and never good. */
    assert_int_equal(
        verdict_of(STR("eyJhbGciOiJub25lIn0.e30."), STR("{\"keys\":[{" KEY_PARTS "}]}")),
        JWT_NO_KEY);
    assert_int_equal(
        verdict_of(STR("eyJhbGciOiJIUzI1NiJ9.e30.AAAA"), STR("{\"keys\":[{" KEY_PARTS "}]}")),
        JWT_NO_KEY);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_keys_that_do_not_serve),
        cmocka_unit_test(test_every_character_counts),
        cmocka_unit_test(test_what_is_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
