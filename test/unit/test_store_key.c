/* Tuples: there and back, and memcmp's order is the tuples' order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "store/key.h"

static void elements_come_back(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static const uint64_t numbers[] = {
        0, 1, 255, 256, 65535, 65536, UINT32_MAX, (1ULL << 56) - 1, 1ULL << 56, UINT64_MAX};
    static const int64_t integers[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    struct key key;
    key_init(&key, arena);
    key_str(&key, STR("sqs"));
    key_str(&key, STR(""));
    key_str(&key, STR("a\0b\0"));
    key_str(&key, STR("\0\xff"));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        key_u64(&key, numbers[i]);
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
        key_i64(&key, integers[i]);
    struct key_reader reader = key_read(arena, key_bytes(&key));
    struct str s;
    uint64_t n;
    int64_t i64;
    assert_false(key_next_u64(&reader, &n));
    assert_false(key_next_i64(&reader, &i64));
    assert_true(key_next_str(&reader, &s) && str_eq(s, STR("sqs")));
    assert_true(key_next_str(&reader, &s) && str_eq(s, STR("")) && s.ptr != NULL);
    assert_true(key_next_str(&reader, &s) && str_eq(s, STR("a\0b\0")));
    assert_true(key_next_str(&reader, &s) && str_eq(s, STR("\0\xff")));
    assert_false(key_next_str(&reader, &s));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_true(key_next_u64(&reader, &n) && n == numbers[i]);
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
        assert_true(key_next_i64(&reader, &i64) && i64 == integers[i]);
    assert_int_equal(reader.rest.len, 0);
    assert_false(key_next_str(&reader, &s) || key_next_u64(&reader, &n) ||
                 key_next_i64(&reader, &i64));
    arena_free(arena);
}

static void grow_and_overflow(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static char bytes[5000];
    memset(bytes, 'x', sizeof(bytes));
    for (size_t len = 0; len < sizeof(bytes); len += 13) {
        struct key key;
        struct str s;
        key_init(&key, arena);
        key_str(&key, STR("s3"));
        key_str(&key, str_make(bytes, len));
        bool fits = 4 + len + 2 <= KV_KEY_MAX;
        assert_int_equal(key_bytes(&key).ptr != NULL, fits);
        if (!fits) {
            key_u64(&key, 1);
            key_i64(&key, 1);
            assert_null(key_bytes(&key).ptr);
            continue;
        }
        struct key_reader reader = key_read(arena, key_bytes(&key));
        assert_true(key_next_str(&reader, &s) && str_eq(s, STR("s3")));
        assert_true(key_next_str(&reader, &s) && s.len == len);
    }
    /* Zeros take two bytes. */
    struct key key;
    memset(bytes, 0, sizeof(bytes));
    key_init(&key, arena);
    key_str(&key, str_make(bytes, KV_KEY_MAX / 2 - 1));
    assert_int_equal(key_bytes(&key).len, KV_KEY_MAX);
    key_init(&key, arena);
    key_str(&key, str_make(bytes, KV_KEY_MAX / 2));
    assert_null(key_bytes(&key).ptr);
    arena_free(arena);
}

struct tuple {
    struct str text;
    uint64_t number;
    int64_t integer;
    bool has_number, has_integer;
    struct str bytes;
};

static struct tuple random_tuple(struct arena *arena)
{
    static const char letters[] = {0, 1, 'a', 'b', (char)0xfe, (char)0xff};
    struct tuple tuple = {0};
    size_t len = (size_t)rng_below(5);
    char *text = arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = letters[rng_below(sizeof(letters))];
    tuple.text = str_make(text, len);
    tuple.number = rng_u64() >> rng_below(64);
    tuple.integer = (int64_t)rng_u64() >> rng_below(64);
    tuple.has_number = rng_below(4) != 0;
    tuple.has_integer = tuple.has_number && rng_below(2) == 0;
    struct key *key = ARENA_NEW(arena, struct key);
    key_init(key, arena);
    key_str(key, tuple.text);
    if (tuple.has_number)
        key_u64(key, tuple.number);
    if (tuple.has_integer)
        key_i64(key, tuple.integer);
    tuple.bytes = key_bytes(key);
    return tuple;
}

static int compare(const struct tuple *a, const struct tuple *b)
{
    int order = str_cmp(a->text, b->text);
    if (order != 0)
        return order;
    if (!a->has_number || !b->has_number)
        return a->has_number - b->has_number;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (!a->has_integer || !b->has_integer)
        return a->has_integer - b->has_integer;
    return a->integer < b->integer ? -1 : a->integer > b->integer;
}

static int sign(int n)
{
    return n < 0 ? -1 : n > 0;
}

static void order_is_kept(void **state)
{
    (void)state;
    printf("seed 7\n");
    rng_set_seed(7);
    struct arena *arena = arena_new(0);
    for (int i = 0; i < 20000; i++) {
        struct tuple a = random_tuple(arena), b = random_tuple(arena);
        if (rng_below(2) == 0) {
            b = a;
            struct key key;
            key_init(&key, arena);
            key_str(&key, a.text);
            b.number = rng_u64() >> rng_below(64);
            b.has_number = true;
            b.has_integer = false;
            key_u64(&key, b.number);
            b.bytes = str_copy(arena, key_bytes(&key));
        }
        assert_int_equal(sign(str_cmp(a.bytes, b.bytes)), sign(compare(&a, &b)));
        if (i % 100 == 0)
            arena_reset(arena);
    }
    rng_set_seed(0);
    arena_free(arena);
}

static void broken_keys_are_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        STR_INIT(""),          STR_INIT("\2"),        STR_INIT("\2abc"),
        STR_INIT("\2a\0\xff"), STR_INIT("\3"),        STR_INIT("\3\11"),
        STR_INIT("\3\2a"),     STR_INIT("\4abcdefg"), STR_INIT("\5")};
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct key_reader reader = key_read(arena, str_copy(arena, bad[i]));
        struct str s;
        uint64_t n;
        int64_t i64;
        assert_false(key_next_str(&reader, &s) || key_next_u64(&reader, &n) ||
                     key_next_i64(&reader, &i64));
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_back),
        cmocka_unit_test(grow_and_overflow),
        cmocka_unit_test(order_is_kept),
        cmocka_unit_test(broken_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
