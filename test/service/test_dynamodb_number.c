#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"
#include "services/dynamodb/number.h"

static void expect_text(struct arena *arena, const char *text, const char *canonical)
{
    struct str out;
    assert_int_equal(number_normalize(arena, str_from_c(text), &out), NUMBER_OK);
    if (!str_eq(out, str_from_c(canonical)))
        fail_msg("%s gave %.*s, not %s", text, PRSTR(out), canonical);
    struct str again;
    assert_int_equal(number_normalize(arena, out, &again), NUMBER_OK);
    assert_true(str_eq(out, again));
}

static void test_canonical(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static const char *const cases[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"+0", "0"},
        {"000", "0"},
        {"0.000", "0"},
        {"0e100000", "0"},
        {"1", "1"},
        {"+1", "1"},
        {"-1", "-1"},
        {"007", "7"},
        {"1.0", "1"},
        {"1.50", "1.5"},
        {".5", "0.5"},
        {"5.", "5"},
        {"-0.050", "-0.05"},
        {"1e2", "100"},
        {"1E+2", "100"},
        {"12.34e1", "123.4"},
        {"12.34e-3", "0.01234"},
        {"100", "100"},
        {"1234567890123456789012345678901234567800000",
         "1234567890123456789012345678901234567800000"},
        {"99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
        {"0.10000000000000000000000000000000000001", "0.10000000000000000000000000000000000001"},
        {"1e5", "100000"},
        {"1e-5", "0.00001"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(arena, cases[i][0], cases[i][1]);
    arena_free(arena);
}

static void expect_status(struct arena *arena, const char *text, enum number_status status)
{
    struct str out;
    if (number_normalize(arena, str_from_c(text), &out) != status)
        fail_msg("%s", text);
}

static void test_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static const char *const syntax[] = {"",      "-",   "+",   ".",     "e1",       "1e",   "1e+",
                                         "1.2.3", "a",   "0x1", " 1",    "1 ",       "1,0",  "--1",
                                         "+-1",   "NaN", "1-",  "1e1.5", "Infinity", "1e1e1"};
    for (size_t i = 0; i < sizeof(syntax) / sizeof(syntax[0]); i++)
        expect_status(arena, syntax[i], NUMBER_SYNTAX);
    expect_status(arena, "123456789012345678901234567890123456789", NUMBER_PRECISION);
    expect_status(arena, "1.00000000000000000000000000000000000001", NUMBER_PRECISION);
    expect_status(arena, "9.9999999999999999999999999999999999999e125", NUMBER_OK);
    expect_status(arena, "-9.9999999999999999999999999999999999999e125", NUMBER_OK);
    expect_status(arena, "1e126", NUMBER_OVERFLOW);
    expect_status(arena, "1e99999999999", NUMBER_OVERFLOW);
    expect_status(arena, "1e-130", NUMBER_OK);
    expect_status(arena, "1e-131", NUMBER_UNDERFLOW);
    expect_status(arena, "-1e-99999999999", NUMBER_UNDERFLOW);
    assert_true(str_eq(number_problem(arena, NUMBER_SYNTAX, STR("b")),
                       STR("The parameter cannot be converted to a numeric value: b")));
    arena_free(arena);
}

static void expect_sum(struct arena *arena, const char *a, const char *b, bool subtract,
                       const char *sum)
{
    struct str out;
    assert_int_equal(number_add_text(arena, str_from_c(a), str_from_c(b), subtract, &out),
                     NUMBER_OK);
    if (!str_eq(out, str_from_c(sum)))
        fail_msg("%s %c %s gave %.*s", a, subtract ? '-' : '+', b, PRSTR(out));
}

static void test_sums(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    expect_sum(arena, "1", "2", false, "3");
    expect_sum(arena, "1", "2", true, "-1");
    expect_sum(arena, "0.1", "0.2", false, "0.3");
    expect_sum(arena, "999", "1", false, "1000");
    expect_sum(arena, "1000", "1", true, "999");
    expect_sum(arena, "-5", "5", false, "0");
    expect_sum(arena, "0", "-7.5", false, "-7.5");
    expect_sum(arena, "0", "-7.5", true, "7.5");
    expect_sum(arena, "9007199254740993", "1", false, "9007199254740994");
    expect_sum(arena, "99999999999999999999999999999999999999", "1", false,
               "100000000000000000000000000000000000000");
    expect_sum(arena, "1", "0.0000000000000000000000000000000000001", true,
               "0.9999999999999999999999999999999999999");
    struct str out;
    assert_int_equal(number_add_text(arena, STR("1e50"), STR("1"), false, &out), NUMBER_PRECISION);
    assert_int_equal(number_add_text(arena, STR("1e125"), STR("1e-130"), true, &out),
                     NUMBER_PRECISION);
    assert_int_equal(number_add_text(arena, STR("9.9e125"), STR("1e124"), false, &out),
                     NUMBER_OVERFLOW);
    assert_int_equal(number_add_text(arena, STR("1.1e-130"), STR("1e-130"), true, &out),
                     NUMBER_UNDERFLOW);
    arena_free(arena);
}

/* Sums of whole numbers, against the machine's. */
static void test_sums_random(void **state)
{
    (void)state;
    const uint64_t seed = 20261121;
    printf("seed %llu\n", (unsigned long long)seed);
    rng_set_seed(seed);
    struct arena *arena = arena_new(0);
    for (int i = 0; i < 20000; i++) {
        int64_t a = (int64_t)(rng_u64() >> (2 + rng_u64() % 61));
        int64_t b = (int64_t)(rng_u64() >> (2 + rng_u64() % 61));
        a = rng_u64() & 1 ? -a : a;
        b = rng_u64() & 1 ? -b : b;
        struct str x = str_format(arena, "%lld", (long long)a);
        struct str y = str_format(arena, "%lld", (long long)b);
        struct str sum;
        assert_int_equal(number_add_text(arena, x, y, false, &sum), NUMBER_OK);
        assert_true(str_eq(sum, str_format(arena, "%lld", (long long)(a + b))));
        assert_int_equal(number_compare_text(x, y), (a > b) - (a < b));
        arena_reset(arena);
    }
    arena_free(arena);
}

static struct str key_of(struct arena *arena, const struct number *number)
{
    struct buf out;
    buf_init(&out, arena, 64);
    number_key_encode(&out, number);
    return buf_str(&out);
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static struct number random_number(void)
{
    struct number number = {0};
    if (rng_u64() % 50 == 0)
        return number;
    number.negative = rng_u64() & 1;
    number.count = (uint8_t)(1 + rng_u64() % (rng_u64() % 2 ? 3 : NUMBER_DIGITS_MAX));
    for (int i = 0; i < number.count; i++)
        number.digits[i] = (uint8_t)(rng_u64() % 10);
    number.digits[0] = (uint8_t)(1 + rng_u64() % 2);
    number.digits[number.count - 1] = (uint8_t)(1 + rng_u64() % 9);
    number.exponent =
        (int16_t)(rng_u64() % 2 ? (int)(rng_u64() % 3) - 1 : (int)(rng_u64() % 256) - 129);
    return number;
}

static void test_key_order(void **state)
{
    (void)state;
    rng_set_seed(7);
    printf("seed 7\n");
    struct arena *arena = arena_new(0);
    for (int i = 0; i < 50000; i++) {
        struct number a = random_number();
        struct number b = random_number();
        struct str x = key_of(arena, &a);
        struct str y = key_of(arena, &b);
        if (sign(str_cmp(x, y)) != number_compare(&a, &b)) {
            char text[2][NUMBER_TEXT_MAX];
            fail_msg("%.*s %.*s", (int)number_format(&a, text[0]), text[0],
                     (int)number_format(&b, text[1]), text[1]);
        }
        struct number back;
        assert_true(number_key_decode(x, &back));
        assert_int_equal(number_compare(&a, &back), 0);
        char text[NUMBER_TEXT_MAX];
        struct number read;
        size_t length = number_format(&a, text);
        assert_true(length <= NUMBER_TEXT_MAX);
        assert_int_equal(number_parse(str_make(text, length), &read), NUMBER_OK);
        assert_int_equal(number_compare(&a, &read), 0);
        arena_reset(arena);
    }
    struct number none;
    assert_false(number_key_decode(STR(""), &none));
    assert_false(number_key_decode(STR("\x03\x80"), &none));
    assert_false(number_key_decode(STR("\x09\x80\x02"), &none));
    arena_free(arena);
}

static void test_size(void **state)
{
    (void)state;
    assert_int_equal(number_size(STR("0")), 1);
    assert_int_equal(number_size(STR("1")), 2);
    assert_int_equal(number_size(STR("12")), 2);
    assert_int_equal(number_size(STR("123")), 3);
    assert_int_equal(number_size(STR("-123")), 4);
    assert_int_equal(number_size(STR("100")), 2);
    assert_int_equal(number_size(STR("0.01")), 2);
    assert_int_equal(number_size(STR("99999999999999999999999999999999999999")), 20);
    assert_int_equal(number_size(STR("-9.9999999999999999999999999999999999999")), 21);
    struct number n = number_from_u64(UINT64_MAX);
    char text[NUMBER_TEXT_MAX];
    assert_true(str_eq(str_make(text, number_format(&n, text)), STR("18446744073709551615")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sums),      cmocka_unit_test(test_sums_random),
        cmocka_unit_test(test_key_order), cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
