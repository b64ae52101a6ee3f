#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/str.h"

static const struct str absent = {0};

static void test_equality(void **state)
{
    (void)state;
    assert_true(str_eq(STR(""), absent));
    assert_true(str_eq(STR("abc"), STR("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-tYPE")));
    assert_false(str_eq_nocase(STR("content-type"), STR("content-typf")));
    assert_true(str_eq_nocase(absent, STR("")));
    assert_true(str_is_absent(str_from_c(NULL)));
    assert_false(str_is_absent(str_from_c("")));
}

/* Every pair of bytes, in the eight-byte path and in the tail. */
static void test_nocase_every_byte(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    for (int a = 0; a < 256; a++) {
        char text_a[11], lower_a[11];
        int la = a >= 'A' && a <= 'Z' ? a + 32 : a;
        memset(text_a, a, sizeof(text_a));
        memset(lower_a, la, sizeof(lower_a));
        assert_true(str_eq(str_lower(arena, str_make(text_a, 11)), str_make(lower_a, 11)));
        for (int b = 0; b < 256; b++) {
            char text_b[11];
            int lb = b >= 'A' && b <= 'Z' ? b + 32 : b;
            memset(text_b, b, sizeof(text_b));
            assert_int_equal(str_eq_nocase(str_make(text_a, 8), str_make(text_b, 8)), la == lb);
            assert_int_equal(str_eq_nocase(str_make(text_a, 3), str_make(text_b, 3)), la == lb);
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

static void test_order(void **state)
{
    (void)state;
    assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
    assert_int_equal(str_cmp(absent, STR("")), 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_true(str_cmp(STR("\x7f"), STR("\x80")) < 0); /* bytes are unsigned */
    assert_true(str_cmp(STR(""), STR("\0")) < 0);
}

static void test_search(void **state)
{
    (void)state;
    struct str s = STR("one/two/three");
    assert_true(str_starts_with(s, STR("one/")));
    assert_true(str_starts_with(s, STR("")));
    assert_true(str_starts_with(absent, STR("")));
    assert_false(str_starts_with(STR("on"), STR("one")));
    assert_true(str_ends_with(s, STR("three")));
    assert_true(str_ends_with(absent, STR("")));
    assert_false(str_ends_with(STR("ee"), STR("three")));
    assert_int_equal(str_find_char(s, '/'), 3);
    assert_int_equal(str_find_last_char(s, '/'), 7);
    assert_true(str_find_char(s, 'x') == SIZE_MAX);
    assert_true(str_find_char(absent, 'x') == SIZE_MAX);
    assert_true(str_find_last_char(absent, 'x') == SIZE_MAX);
    assert_int_equal(str_find(s, STR("two")), 4);
    assert_int_equal(str_find(s, STR("")), 0);
    assert_int_equal(str_find(absent, STR("")), 0);
    assert_true(str_find(s, STR("four")) == SIZE_MAX);
    assert_true(str_find(absent, STR("x")) == SIZE_MAX);
}

static void test_parts(void **state)
{
    (void)state;
    struct str s = STR("hello");
    assert_true(str_eq(str_slice(s, 1, 3), STR("el")));
    assert_true(str_eq(str_slice(s, 3, 99), STR("lo")));
    assert_true(str_eq(str_slice(s, 9, 99), STR("")));
    assert_true(str_eq(str_slice(s, 4, 2), STR("")));
    assert_true(str_is_absent(str_slice(absent, 1, 2)));
    assert_true(str_eq(str_trim(STR(" \t\r\n x y \v\f")), STR("x y")));
    assert_true(str_eq(str_trim(STR("  ")), STR("")));
    assert_true(str_eq(str_trim(absent), STR("")));

    struct str head, rest;
    assert_true(str_cut(STR("a=b=c"), '=', &head, &rest));
    assert_true(str_eq(head, STR("a")) && str_eq(rest, STR("b=c")));
    assert_true(str_cut(STR("a="), '=', &head, &rest));
    assert_true(str_eq(rest, STR("")) && !str_is_absent(rest));
    assert_false(str_cut(STR("abc"), '=', &head, &rest));
    assert_true(str_eq(head, STR("abc")) && str_is_absent(rest));
    assert_false(str_cut(absent, '=', &head, &rest));
    assert_true(str_is_absent(head) && str_is_absent(rest));
}

static void test_integers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "-",   "+1", " 1",  "1 ", "1.0",
                                      "0x1", "--1", "1-", "1e3", "१"};
    int64_t i = 77;
    uint64_t u = 77;
    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        assert_false(str_to_i64(str_from_c(bad[n]), &i));
        assert_false(str_to_u64(str_from_c(bad[n]), &u));
    }
    assert_false(str_to_i64(absent, &i));
    assert_false(str_to_i64(STR("9223372036854775808"), &i));
    assert_false(str_to_i64(STR("-9223372036854775809"), &i));
    assert_false(str_to_i64(STR("99999999999999999999999"), &i));
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_false(str_to_u64(STR("-1"), &u));
    assert_true(i == 77 && u == 77);
    assert_true(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(str_to_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(str_to_i64(STR("-0"), &i) && i == 0);
    assert_true(str_to_i64(STR("007"), &i) && i == 7);
    assert_true(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
}

static void assert_double(const char *text)
{
    double value;
    if (!str_to_double(str_from_c(text), &value))
        fail_msg("%s is a number", text);
    double expected = strtod(text, NULL);
    if (memcmp(&value, &expected, sizeof(value)) != 0)
        fail_msg("%s became %a, not %a", text, value, expected);
}

static void test_doubles(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "1",
        "0.1",
        "-2.5e-3",
        "1e22",
        "1e23",
        "9007199254740993",
        "123456789012345678",
        "1.7976931348623157e308",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "4.9406564584124654e-324",
        "1e-400",
        "0e999999999999999999999",
        "0.000e-5",
        "00.5",
        "1E+5",
        "0.30000000000000004",
        "8.5",
        "179769313486231570000000000000000000000e270",
        "0.000000000000000000000000000000000000000000000000000000000000001e63"};
    for (size_t n = 0; n < sizeof(good) / sizeof(good[0]); n++)
        assert_double(good[n]);
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      ".5",
                                      "5.",
                                      "1e",
                                      "1e+",
                                      "inf",
                                      "nan",
                                      "0x10",
                                      "1.7977e308",
                                      "1e309",
                                      "1 ",
                                      " 1",
                                      "1..2",
                                      "1e5.0",
                                      "1e99999999999999999999",
                                      "--1"};
    double value = 7;
    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
        if (str_to_double(str_from_c(bad[n]), &value))
            fail_msg("%s is no number", bad[n]);
    assert_true(value == 7);
}

/* Longer than any buffer: the half-way point between two doubles, and a hair above it. */
static void test_long_doubles(void **state)
{
    (void)state;
    char text[3000];
    memset(text, '0', sizeof(text));
    memcpy(text, "9007199254740993.", 17);
    text[2998] = '0';
    text[2999] = '\0';
    assert_double(text);
    text[2998] = '1';
    double value;
    assert_double(text);
    assert_true(str_to_double(str_from_c(text), &value) && value == 9007199254740994.0);
    memset(text, '7', 2999);
    assert_false(str_to_double(str_from_c(text), &value));
    memcpy(text, "0.", 2);
    assert_double(text);
    memset(text + 300, '3', 2000);
    text[290] = '\0';
    assert_double(text);
}

static void test_random_doubles(void **state)
{
    (void)state;
    rng_set_seed(11);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_u64();
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        char text[64];
        snprintf(text, sizeof(text), "%.*e", (int)rng_below(20), value);
        double back;
        if (str_to_double(str_from_c(text), &back))
            assert_double(text);
        else
            assert_true(isinf(strtod(text, NULL)));
    }
}

static bool utf8(const char *text)
{
    /* At every distance from the eight-byte steps. */
    char memory[64];
    size_t len = strlen(text);
    bool result = str_is_utf8(str_make(text, len));
    for (size_t pad = 0; pad < 20; pad++) {
        memset(memory, 'a', sizeof(memory));
        memcpy(memory + pad, text, len);
        assert_int_equal(str_is_utf8(str_make(memory, pad + len + 9)), result);
    }
    return result;
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "雲庭 kumoniwa 🌿"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x7f",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xe2\x82\x7f",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf0\x90\x80",
                                      "\xff"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(utf8(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(utf8(bad[i]));
    assert_true(str_is_utf8(absent));
    assert_true(str_is_utf8(STR("a\0b")));
    assert_int_equal(str_utf8_length(STR("雲庭 kumoniwa 🌿 and some more text 漢字")), 35);
    assert_int_equal(str_utf8_length(absent), 0);
}

/* All code points by definition: the encoding of each is accepted but for surrogates, and counted
 * as 1. */
static void test_utf8_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c <= 0x110fff; c++) {
        char t[4];
        size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = len - 1; i > 0; i--)
            t[i] = (char)(0x80 | (c >> (6 * (len - 1 - i)) & 0x3f));
        t[0] = (char)((len == 2 ? 0xc0 : len == 3 ? 0xe0 : 0xf0) | c >> (6 * (len - 1)));
        bool valid = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        if (str_is_utf8(str_make(t, len)) != valid)
            fail_msg("U+%04X", c);
        if (str_is_utf8(str_make(t, len - 1)))
            fail_msg("U+%04X cut", c);
        if (valid && str_utf8_length(str_make(t, len)) != 1)
            fail_msg("U+%04X length", c);
    }
}

static int count_bits(uint64_t x)
{
    return __builtin_popcountll(x);
}

/* Each bit of the input and of the seed changes about half of the output's bits. */
static void test_hash_avalanche(void **state)
{
    (void)state;
    rng_set_seed(5);
    static const size_t lengths[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 48, 49, 64, 97, 150};
    for (size_t n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
        size_t len = lengths[n];
        char text[160];
        for (size_t bit = 0; bit < len * 8; bit++) {
            int changed = 0;
            for (int round = 0; round < 64; round++) {
                rng_bytes(text, len);
                uint64_t seed = rng_u64();
                uint64_t before = str_hash(str_make(text, len), seed);
                text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
                changed += count_bits(before ^ str_hash(str_make(text, len), seed));
            }
            assert_in_range(changed, 64 * 24, 64 * 40);
        }
    }
    int changed = 0;
    for (int bit = 0; bit < 64; bit++)
        changed += count_bits(str_hash(STR("key"), 0) ^ str_hash(STR("key"), UINT64_C(1) << bit));
    assert_in_range(changed, 64 * 24, 64 * 40);
}

static int compare_words(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Numbered names and runs of zeros, as keys are: no two collide, and low bits spread. */
static void test_hash_spread(void **state)
{
    (void)state;
    enum { COUNT = 100000, BUCKETS = 1024, ZEROS = 300 };
    struct arena *arena = arena_new(0);
    uint64_t *hashes = ARENA_ARRAY(arena, COUNT + ZEROS, uint64_t);
    static const char zeros[ZEROS];
    int buckets[BUCKETS] = {0};
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "queue-%d", i);
        hashes[i] = str_hash(str_make(name, (size_t)len), 42);
        buckets[hashes[i] % BUCKETS]++;
    }
    for (size_t i = 0; i < ZEROS; i++)
        hashes[COUNT + i] = str_hash(str_make(zeros, i), 42);
    qsort(hashes, COUNT + ZEROS, sizeof(*hashes), compare_words);
    for (int i = 1; i < COUNT + ZEROS; i++)
        assert_true(hashes[i - 1] != hashes[i]);
    for (int i = 0; i < BUCKETS; i++)
        assert_in_range(buckets[i], 45, 160); /* 98 expected, 10 the deviation */
    arena_free(arena);
}

static void test_copies(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    char text[] = "text";
    struct str copy = str_copy(arena, str_from_c(text));
    text[0] = 'T';
    assert_true(str_eq(copy, STR("text")));
    assert_true(str_is_absent(str_copy(arena, absent)));
    assert_false(str_is_absent(str_copy(arena, STR(""))));
    assert_string_equal(str_to_c(arena, STR("abc")), "abc");
    assert_string_equal(str_to_c(arena, absent), "");
    assert_true(str_eq(str_concat(arena, STR("ab"), STR("cd")), STR("abcd")));
    assert_true(str_eq(str_concat(arena, absent, STR("cd")), STR("cd")));
    assert_false(str_is_absent(str_concat(arena, absent, absent)));
    assert_true(str_eq(str_lower(arena, STR("ABCdefGHI[@`{Ä")), STR("abcdefghi[@`{Ä")));
    assert_true(str_is_absent(str_lower(arena, absent)));
    assert_true(str_eq(str_format(arena, "%d-%.*s", 7, PRSTR(STR("x"))), STR("7-x")));
    for (int width = 250; width < 260; width++) { /* across the first attempt's size */
        struct str wide = str_format(arena, "%*d", width, 9);
        assert_int_equal(wide.len, width);
        assert_int_equal(wide.ptr[width - 1], '9');
    }
    arena_free(arena);
}

int main(void)
{
    printf("seeds: 11, 5\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_nocase_every_byte),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_long_doubles),
        cmocka_unit_test(test_random_doubles),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_every_code_point),
        cmocka_unit_test(test_hash_avalanche),
        cmocka_unit_test(test_hash_spread),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
