/* kv_put_apart(): snapshots, the room that is left, both durabilities, copies. Random operations
 * are in test_store_kv.c, kills in test_store_crash.c, full disks in test_store_space.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "store/kv_lmdb_apart.h"
#include "store_support.h"

struct fixture {
    struct arena *arena;
    struct str directory;
    struct kv *kv;
    enum kv_durability durability;
};

static int setup_with(void **state, enum kv_durability durability)
{
    struct fixture *fixture = heap_alloc(sizeof(*fixture));
    fixture->arena = arena_new(0);
    fixture->directory = test_directory(fixture->arena);
    fixture->durability = durability;
    fixture->kv = test_kv_open(fixture->directory, durability);
    *state = fixture;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, KV_PROCESS);
}

static int setup_power(void **state)
{
    return setup_with(state, KV_POWER);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    kv_close(fixture->kv);
    test_directory_remove(fixture->directory);
    arena_free(fixture->arena);
    heap_free(fixture);
    return 0;
}

static void put(struct kv_txn *txn, struct str key, struct str value)
{
    assert_int_equal(kv_put(txn, key, value), RESULT_OK);
}

static struct str get(struct kv_txn *txn, struct str key)
{
    struct str value;
    assert_int_equal(kv_get(txn, key, &value), RESULT_OK);
    return value;
}

static void assert_str(struct str actual, struct str expected)
{
    assert_true(actual.ptr != NULL);
    assert_int_equal(actual.len, expected.len);
    assert_memory_equal(actual.ptr, expected.ptr, expected.len);
}

enum { GENERATION_KEYS = 40, GENERATIONS = 1500 };

struct generations {
    struct kv *kv;
    _Atomic uint64_t written; /* the last one */
    _Atomic bool done;
};

static size_t generation_size(uint64_t generation, uint64_t key)
{
    return 300 + (generation * 37 + key * 1013) % 9000;
}

static struct str generation_key(char bytes[8], uint64_t key)
{
    int len = snprintf(bytes, 8, "g%d", (int)(key % GENERATION_KEYS));
    return str_make(bytes, (size_t)len);
}

static bool generation_is_whole(struct kv_txn *txn, uint64_t round, uint64_t *seen)
{
    for (uint64_t key = 0; key < GENERATION_KEYS; key++) {
        char bytes[8];
        struct str value;
        uint64_t generation;
        if (kv_get(txn, generation_key(bytes, key), &value) != RESULT_OK || value.len < 300)
            return false;
        memcpy(&generation, value.ptr, sizeof generation);
        if (key == 0)
            *seen = generation;
        if (generation != *seen || value.len != generation_size(*seen, key))
            return false;
        for (size_t i = sizeof generation; i < value.len; i++)
            if (value.ptr[i] != (char)(generation + key))
                return false;
        if (round % 7 == 0 && key % 16 == 0)
            usleep(200);
    }
    return true;
}

/* NULL: every reader saw one generation whole, and none older than the last that was acknowledged.
 */
static void *read_generations(void *context)
{
    struct generations *all = context;
    for (uint64_t round = 0; !all->done; round++) {
        struct kv_txn *txn;
        uint64_t least = all->written, seen = 0;
        if (kv_begin(all->kv, false, &txn) != RESULT_OK ||
            !generation_is_whole(txn, round, &seen) || seen < least)
            return context;
        kv_abort(txn);
    }
    return NULL;
}

static void write_generation(struct generations *all, uint64_t generation, bool commits)
{
    static char value[10000];
    struct kv_txn *txn = test_begin(all->kv, true);
    memcpy(value, &generation, sizeof generation);
    for (uint64_t key = 0; key < GENERATION_KEYS; key++) {
        char bytes[8];
        size_t size = generation_size(generation, key);
        memset(value + sizeof generation, (char)(generation + key), size - sizeof generation);
        assert_int_equal(kv_put_apart(txn, generation_key(bytes, key), str_make(value, size)),
                         RESULT_OK);
    }
    if (generation % 5 == 0) /* the tree changes too */
        put(txn, STR("other"), str_make(value, 8));
    if (!commits) {
        kv_abort(txn);
        return;
    }
    assert_int_equal(kv_commit(txn), RESULT_OK);
    all->written = generation;
}

/* More than two fifths of the log, and than two segments. */
static bool garbage_is_left(struct kv *kv)
{
    struct kv_apart *apart = kv->apart;
    pthread_mutex_lock(&apart->lock);
    uint64_t full = apart->full_bytes, garbage = full - apart->full_live;
    pthread_mutex_unlock(&apart->lock);
    return garbage > 2 * KV_LOG_SEGMENT && garbage > full / 5 * 2;
}

/* Readers see their snapshot while the values are written over, and brought to the log's end. */
static void values_apart_have_generations(void **state)
{
    struct fixture *fixture = *state;
    struct generations all = {.kv = fixture->kv};
    pthread_t threads[3];
    fixture->kv->sweep_min = 0;
    write_generation(&all, 1, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_generations, &all), 0);
    for (uint64_t generation = 2; generation < GENERATIONS; generation++)
        write_generation(&all, generation, generation % 11 != 0);
    all.done = true;
    for (int i = 0; i < 3; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    /* 280 MB were written; what stands is 200 KB. */
    for (int i = 0; garbage_is_left(fixture->kv); i++) {
        assert_true(i < 6000);
        usleep(10000);
    }
}

static void fill_apart(struct kv *kv, int first, int end, char letter)
{
    char key[16], value[1000];
    struct kv_txn *txn = test_begin(kv, true);
    memset(value, letter, sizeof value);
    for (int i = first; i < end; i++) {
        int len = snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(
            kv_put_apart(txn, str_make(key, (size_t)len), str_make(value, sizeof value)),
            RESULT_OK);
    }
    assert_int_equal(kv_commit(txn), RESULT_OK);
}

static void assert_few_are_in_use(struct kv *kv)
{
    assert_true(kv->apart->head->slots <= 2 * 4000);
    assert_true(kv->apart->head->log_segments <= 8);
}

/* Slots and the log's room come back when values are deleted. */
static void values_apart_leave_room(void **state)
{
    struct fixture *fixture = *state;
    struct kv *kv = fixture->kv;
    kv->sweep_min = 0;
    for (int round = 0; round < 20; round++) {
        fill_apart(kv, 0, 4000, (char)('a' + round));
        struct kv_txn *txn = test_begin(kv, true);
        size_t deleted;
        assert_int_equal(kv_delete_prefix(txn, STR("k"), 10000, &deleted), RESULT_OK);
        assert_int_equal(deleted, 4000);
        assert_int_equal(kv_commit(txn), RESULT_OK);
    }
    assert_few_are_in_use(kv);
    kv_close(kv);
    kv = fixture->kv = test_kv_open(fixture->directory, fixture->durability);
    fill_apart(kv, 0, 4000, 'z');
    assert_few_are_in_use(kv);
}

static void assert_value(struct kv_txn *txn, struct str key, char letter)
{
    char value[1000];
    memset(value, letter, sizeof value);
    assert_str(get(txn, key), str_make(value, sizeof value));
}

/* One durability reads and changes what the other has written; a copy has both. */
static void values_apart_are_for_all(void **state)
{
    struct fixture *fixture = *state;
    char value[1000];
    memset(value, 'o', sizeof value);
    fill_apart(fixture->kv, 0, 300, 'v');
    kv_close(fixture->kv);
    fixture->kv = test_kv_open(fixture->directory, KV_POWER);
    struct kv_txn *txn = test_begin(fixture->kv, true);
    assert_value(txn, STR("k7"), 'v');
    assert_int_equal(kv_put_apart(txn, STR("k7"), str_make(value, sizeof value)), RESULT_OK);
    assert_int_equal(kv_delete(txn, STR("k8"), NULL), RESULT_OK);
    assert_int_equal(kv_commit(txn), RESULT_OK);
    kv_close(fixture->kv);
    fixture->kv = test_kv_open(fixture->directory, KV_PROCESS);
    fill_apart(fixture->kv, 9, 10, 'o');
    struct str directory = test_directory(fixture->arena);
    assert_int_equal(kv_copy(fixture->kv, directory), RESULT_OK);
    struct kv *copy = test_kv_open(directory, KV_PROCESS);
    for (int i = 0; i < 2; i++) {
        txn = test_begin(i == 0 ? fixture->kv : copy, false);
        assert_value(txn, STR("k6"), 'v');
        assert_value(txn, STR("k7"), 'o');
        assert_null(get(txn, STR("k8")).ptr);
        assert_value(txn, STR("k9"), 'o');
        kv_abort(txn);
    }
    fill_apart(copy, 0, 300, 'n');
    kv_close(copy);
    test_directory_remove(directory);
}

/* What a user's value looks like does not matter. */
static void values_are_never_taken_for_references(void **state)
{
    struct fixture *fixture = *state;
    fill_apart(fixture->kv, 0, 3, 'a');
    static const char mark[] = "\xff\x91kumo\xf0\x1e\x01\1\0\0\0\0\0\0\0";
    for (size_t len = 1; len <= sizeof mark; len++) {
        struct kv_txn *txn = test_begin(fixture->kv, true);
        put(txn, STR("x"), str_make(mark, len));
        assert_int_equal(kv_put_apart(txn, STR("y"), str_make(mark, len)), RESULT_OK);
        assert_int_equal(kv_commit(txn), RESULT_OK);
        txn = test_begin(fixture->kv, false);
        assert_str(get(txn, STR("x")), str_make(mark, len));
        assert_str(get(txn, STR("y")), str_make(mark, len));
        kv_abort(txn);
    }
}

/* As a loss of power may leave them: refused, with words, and no fault in the midst of a read. */
static void files_of_different_moments_are_refused(void **state)
{
    struct fixture *fixture = *state;
    fill_apart(fixture->kv, 0, 3000, 'a');
    kv_close(fixture->kv);
    struct str path = str_concat(fixture->arena, fixture->directory, STR("/kv.values"));
    assert_int_equal(truncate(str_to_c(fixture->arena, path), 100000), 0);
    struct kv_config config = {.directory = fixture->directory, .durability = KV_PROCESS};
    log_set_level(LOG_ERROR);
    assert_int_equal(kv_open(&config, &fixture->kv), RESULT_FAULT);
    path = str_concat(fixture->arena, fixture->directory, STR("/kv.mdb"));
    assert_int_equal(unlink(str_to_c(fixture->arena, path)), 0);
    path = str_concat(fixture->arena, fixture->directory, STR("/kv.slots"));
    assert_int_equal(unlink(str_to_c(fixture->arena, path)), 0);
    fixture->kv = test_kv_open(fixture->directory, KV_PROCESS);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup, teardown),                                        \
    {                                                                                              \
#test " (power)", test, setup_power, teardown, NULL                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_apart_have_generations, setup, teardown),
        cmocka_unit_test_setup_teardown(values_apart_leave_room, setup, teardown),
        cmocka_unit_test_setup_teardown(values_apart_are_for_all, setup, teardown),
        BOTH(values_are_never_taken_for_references),
        cmocka_unit_test_setup_teardown(files_of_different_moments_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
