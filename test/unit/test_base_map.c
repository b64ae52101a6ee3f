#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/rng.h"

static void test_empty(void **state)
{
    (void)state;
    struct map map;
    map_init(&map, NULL);
    assert_null(map_get(&map, STR("a")));
    assert_null(map_remove(&map, STR("a")));
    assert_int_equal(map.live, 0);
    map_release(&map);
    map_release(&map);
}

static void test_put_get_remove(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct map map;
    int a, b, c;
    map_init(&map, arena);
    assert_null(map_put(&map, STR("key"), &a));
    assert_null(map_put(&map, STR(""), &b)); /* the empty key is one */
    assert_ptr_equal(map_put(&map, STR("key"), &c), &a);
    assert_ptr_equal(map_get(&map, STR("key")), &c);
    assert_ptr_equal(map_get(&map, STR("")), &b);
    assert_int_equal(map.live, 2);
    assert_ptr_equal(map_remove(&map, STR("key")), &c);
    assert_null(map_get(&map, STR("key")));
    assert_null(map_remove(&map, STR("key")));
    assert_int_equal(map.live, 1);
    assert_null(map_put(&map, STR("key"), &a));
    assert_ptr_equal(map_get(&map, STR("key")), &a);
    map_release(&map);
    arena_free(arena);
}

/* Against an array that says what the map must hold; the walk must give the order of insertion. */
static void check_against_model(struct arena *arena, size_t keys, int rounds)
{
    struct arena *model_arena = arena_new(0);
    struct str *names = ARENA_ARRAY(model_arena, keys, struct str);
    int **expected = ARENA_ARRAY(model_arena, keys, int *);
    uint64_t *inserted = ARENA_ARRAY(model_arena, keys, uint64_t);
    int values[8];
    uint64_t now = 0;
    size_t live = 0;
    for (size_t i = 0; i < keys; i++)
        names[i] = str_format(model_arena, "key-%zu", i);

    struct map map;
    map_init(&map, arena);
    for (int round = 0; round < rounds; round++) {
        size_t k = rng_below(keys);
        if (rng_below(2) == 0) {
            int *value = &values[rng_below(8)];
            assert_ptr_equal(map_put(&map, names[k], value), expected[k]);
            if (expected[k] == NULL) {
                inserted[k] = ++now;
                live++;
            }
            expected[k] = value;
        } else {
            assert_ptr_equal(map_remove(&map, names[k]), expected[k]);
            live -= expected[k] != NULL;
            expected[k] = NULL;
        }
        assert_int_equal(map.live, live);
    }
    for (size_t i = 0; i < keys; i++)
        assert_ptr_equal(map_get(&map, names[i]), expected[i]);
    uint64_t last = 0;
    size_t walked = 0;
    for (size_t i = 0; i < map.len; i++) {
        if (map.entries[i].value == NULL)
            continue;
        size_t k = 0;
        assert_int_equal(sscanf(str_to_c(model_arena, map.entries[i].key), "key-%zu", &k), 1);
        assert_ptr_equal(expected[k], map.entries[i].value);
        assert_true(inserted[k] > last);
        last = inserted[k];
        walked++;
    }
    assert_int_equal(walked, live);
    /* Churn does not make it grow: at most twice the keys, doubled twice by the load factor. */
    assert_true(map.slot_count <= 32 || map.slot_count <= keys * 8);
    map_release(&map);
    arena_free(model_arena);
}

static void test_against_model(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4, 8, 9, 16, 17, 100, 3000};
    rng_set_seed(3);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct arena *arena = arena_new(0);
        check_against_model(arena, sizes[i], 20000);
        arena_free(arena);
        check_against_model(NULL, sizes[i], 20000);
    }
}

static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    struct arena *arena = arena_new(0);
    struct map map;
    map_init(&map, NULL);
    struct str *keys = ARENA_ARRAY(arena, COUNT, struct str);
    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = str_format(arena, "%zu", i);
        map_put(&map, keys[i], &keys[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_ptr_equal(map_get(&map, keys[i]), &keys[i]);
    assert_null(map_get(&map, STR("200000")));
    map_release(&map);
    arena_free(arena);
}

/* A removed key may die at once: nothing reads it again. */
static void test_removed_key_is_forgotten(void **state)
{
    (void)state;
    struct map map;
    int value;
    map_init(&map, NULL);
    for (int i = 0; i < 1000; i++) {
        char *key = heap_alloc(16);
        int len = snprintf(key, 16, "%d", i);
        struct str s = str_make(key, (size_t)len);
        map_put(&map, s, &value);
        assert_ptr_equal(map_remove(&map, s), &value);
        heap_free(key);
    }
    assert_in_range(map.len, 0, 16);
    map_release(&map);
}

int main(void)
{
    printf("seed: 3\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_put_get_remove),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_removed_key_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
