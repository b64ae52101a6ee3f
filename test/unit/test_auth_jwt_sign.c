/* What is signed is verified by the key's public half, and by no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/jwt.h"
#include "auth/jwt_sign.h"

static struct str set_of(struct arena *arena, const struct jwt_key *key)
{
    return str_format(arena, "{\"keys\":[%.*s]}", PRSTR(key->jwk));
}

static void signs(enum jwt_kind kind, const char *algorithm)
{
    struct arena *arena = arena_new(0);
    struct jwt_key key, other;
    struct str kid = STR("k"), token, claims = STR("{\"sub\":\"me\"}");
    struct jwt jwt;
    assert_int_equal(jwt_key_make(arena, kind, kid, &key), RESULT_OK);
    assert_int_equal(jwt_key_make(arena, kind, kid, &other), RESULT_OK);
    for (int i = 0; i < 20; i++) { /* numbers of ECDSA have leading zeros now and then */
        assert_int_equal(jwt_sign(arena, kind, kid, key.private_der, claims, &token), RESULT_OK);
        assert_true(jwt_parse(arena, token, &jwt));
        assert_true(str_eq(jwt.algorithm, str_from_c(algorithm)) && str_eq(jwt.key_id, kid));
        assert_true(str_eq(jwt.claims, claims));
        assert_int_equal(jwt_verify(arena, &jwt, set_of(arena, &key)), JWT_GOOD);
    }
    assert_int_equal(jwt_verify(arena, &jwt, set_of(arena, &other)), JWT_FORGED);
    jwt.signed_part = str_concat(arena, jwt.signed_part, STR("A"));
    assert_int_equal(jwt_verify(arena, &jwt, set_of(arena, &key)), JWT_FORGED);
    arena_free(arena);
}

static void test_rs256(void **state)
{
    (void)state;
    signs(JWT_RS256, "RS256");
}

static void test_es384(void **state)
{
    (void)state;
    signs(JWT_ES384, "ES384");
}

static void test_a_key_that_is_none(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct str token;
    assert_int_equal(jwt_sign(arena, JWT_ES384, STR("k"), STR("no key"), STR("{}"), &token),
                     RESULT_FAULT);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rs256),
        cmocka_unit_test(test_es384),
        cmocka_unit_test(test_a_key_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
