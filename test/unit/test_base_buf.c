#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"

static void test_grows_to_its_maximum(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf buf;
    buf_init(&buf, arena, 1000);
    assert_true(str_eq(buf_str(&buf), STR("")));
    assert_false(str_is_absent(buf_str(&buf)));
    for (int i = 0; i < 1000; i++)
        buf_append_char(&buf, (char)('a' + i % 26));
    assert_false(buf_is_full(&buf));
    assert_int_equal(buf.len, 1000);
    buf_append_char(&buf, 'x');
    assert_true(buf_is_full(&buf));
    assert_int_equal(buf.len, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf.ptr[i], 'a' + i % 26);
    buf_clear(&buf);
    buf_append(&buf, STR("again"));
    assert_true(str_eq(buf_str(&buf), STR("again")));
    arena_free(arena);
}

/* What does not fit is dropped whole, and so is all that follows: no hole in the middle. */
static void test_drops(void **state)
{
    (void)state;
    char memory[10];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof(memory));
    buf_append(&buf, STR("12345678"));
    buf_append(&buf, (struct str){0});
    buf_append(&buf, STR("abc"));
    assert_true(buf_is_full(&buf));
    buf_append(&buf, STR("a"));
    buf_append_char(&buf, 'a');
    buf_append_format(&buf, "%d", 1);
    assert_false(buf_reserve(&buf, 1));
    assert_true(str_eq(buf_str(&buf), STR("12345678")));
    buf_clear(&buf);
    assert_true(buf_reserve(&buf, 10));
    assert_false(buf_reserve(&buf, 11));
    buf_init_fixed(&buf, memory, 0);
    assert_false(buf_is_full(&buf));
    buf_append(&buf, STR("a"));
    assert_true(buf_is_full(&buf));
}

static void test_huge_reserve(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf buf;
    buf_init(&buf, arena, 100);
    buf_append(&buf, STR("x"));
    assert_false(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf_is_full(&buf));
    arena_free(arena);
}

static void test_numbers(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0,         1,          9,        10,         11,
        99,        100,        101,      999,        1000,
        12345,     4294967295, 1u << 31, 1000000007, 9999999999999999999u,
        UINT64_MAX};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char memory[64], expected[64];
        struct buf buf;
        buf_init_fixed(&buf, memory, sizeof(memory));
        buf_append_u64(&buf, values[i]);
        buf_append_char(&buf, ' ');
        buf_append_i64(&buf, (int64_t)values[i]);
        buf_append_char(&buf, ' ');
        buf_append_i64(&buf, (int64_t)(0 - values[i]));
        int len = snprintf(expected, sizeof(expected), "%" PRIu64 " %" PRId64 " %" PRId64,
                           values[i], (int64_t)values[i], (int64_t)(0 - values[i]));
        assert_true(str_eq(buf_str(&buf), str_make(expected, (size_t)len)));
    }
    char memory[32];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof(memory));
    buf_append_i64(&buf, INT64_MIN);
    assert_true(str_eq(buf_str(&buf), STR("-9223372036854775808")));
}

static void test_format(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf buf;
    buf_init(&buf, arena, 2000);
    buf_append_format(&buf, "%s=%d;", "key", 7);
    buf_append_c(&buf, "c");
    assert_true(str_eq(buf_str(&buf), STR("key=7;c")));
    buf_append_format(&buf, "%1000d", 5);
    assert_int_equal(buf.len, 1007);
    assert_int_equal(buf.ptr[1006], '5');
    buf_append_format(&buf, "%993d", 6); /* exactly to the maximum */
    assert_false(buf_is_full(&buf));
    assert_int_equal(buf.len, 2000);
    assert_int_equal(buf.ptr[1999], '6');
    buf_append_format(&buf, "%s", "");
    assert_false(buf_is_full(&buf));
    buf_append_format(&buf, "x");
    assert_true(buf_is_full(&buf));
    arena_free(arena);
}

/* A part of the buffer may be appended to it while it moves. */
static void test_append_itself(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf buf;
    buf_init(&buf, arena, 1 << 20);
    buf_append(&buf, STR("ab"));
    for (int i = 0; i < 18; i++) {
        buf_append(&buf, buf_str(&buf));
        arena_alloc(arena, 1); /* so that it cannot grow in place */
    }
    assert_int_equal(buf.len, 2 << 18);
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.ptr[i], "ab"[i % 2]);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_maximum),
        cmocka_unit_test(test_drops),
        cmocka_unit_test(test_huge_reserve),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_append_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
