/* kv.h: what it promises, and every operation against a sorted list, with keys short and long. */
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

static void keeps_what_is_committed(void **state)
{
    struct fixture *fixture = *state;
    struct kv_txn *txn = test_begin(fixture->kv, true);
    put(txn, STR("a"), STR("1"));
    put(txn, STR("empty"), STR(""));
    assert_str(get(txn, STR("a")), STR("1"));
    assert_true(kv_is_writing(txn));
    assert_int_equal(kv_commit(txn), RESULT_OK);

    txn = test_begin(fixture->kv, true);
    put(txn, STR("a"), STR("2"));
    kv_abort(txn);

    kv_close(fixture->kv);
    fixture->kv = test_kv_open(fixture->directory, fixture->durability);
    txn = test_begin(fixture->kv, false);
    assert_str(get(txn, STR("a")), STR("1"));
    assert_str(get(txn, STR("empty")), STR(""));
    assert_null(get(txn, STR("b")).ptr);
    assert_int_equal(kv_put(txn, STR("a"), STR("3")), RESULT_RESTART);
    assert_int_equal(kv_delete(txn, STR("a"), NULL), RESULT_RESTART);
    assert_int_equal(kv_commit(txn), RESULT_OK);
}

static void readers_see_their_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct kv_txn *writer = test_begin(fixture->kv, true);
    put(writer, STR("a"), STR("1"));
    struct kv_txn *before = test_begin(fixture->kv, false);
    assert_int_equal(kv_commit(writer), RESULT_OK);
    struct kv_txn *after = test_begin(fixture->kv, false);
    assert_null(get(before, STR("a")).ptr);
    assert_str(get(after, STR("a")), STR("1"));
    kv_abort(after);
    kv_abort(before);
    kv_abort(NULL);
}

static void keys_have_limits(void **state)
{
    struct fixture *fixture = *state;
    static char bytes[KV_KEY_MAX + 1];
    memset(bytes, 'k', sizeof(bytes));
    struct kv_txn *txn = test_begin(fixture->kv, true);
    log_set_level(LOG_ERROR);
    assert_int_equal(kv_put(txn, str_make(bytes, sizeof(bytes)), STR("")), RESULT_FAULT);
    assert_int_equal(kv_put(txn, STR(""), STR("")), RESULT_FAULT);
    assert_int_equal(kv_put(txn, (struct str){0}, STR("")), RESULT_FAULT);
    put(txn, str_make(bytes, KV_KEY_MAX), STR("longest"));
    assert_str(get(txn, str_make(bytes, KV_KEY_MAX)), STR("longest"));
    assert_null(get(txn, str_make(bytes, KV_KEY_MAX - 1)).ptr);
    assert_null(get(txn, str_make(bytes, 480)).ptr);
    struct kv_cursor *cursor;
    struct str key, value;
    assert_int_equal(
        kv_cursor_open(txn, fixture->arena, str_make(bytes, sizeof(bytes)), true, &cursor),
        RESULT_OK);
    assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
    assert_null(key.ptr);
    kv_abort(txn);
}

static void large_values(void **state)
{
    struct fixture *fixture = *state;
    size_t len = 20u << 20;
    char *bytes = heap_alloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7);
    for (int round = 0; round < 3; round++) {
        struct kv_txn *txn = test_begin(fixture->kv, true);
        put(txn, STR("large"), str_make(bytes, len));
        assert_int_equal(kv_commit(txn), RESULT_OK);
        txn = test_begin(fixture->kv, false);
        assert_str(get(txn, STR("large")), str_make(bytes, len));
        kv_abort(txn);
    }
    heap_free(bytes);
}

/* What we start must not reach the store. */
static void descriptors_are_not_inherited(void **state)
{
    (void)state;
    for (int fd = 3; fd < 64; fd++) {
        int flags = fcntl(fd, F_GETFD);
        char path[64], target[256];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t len = readlink(path, target, sizeof(target));
        if (flags < 0 || len < 0 ||
            str_find(str_make(target, (size_t)len), STR("kv.mdb")) == SIZE_MAX)
            continue;
        assert_int_equal(flags & FD_CLOEXEC, FD_CLOEXEC);
    }
}

static void usage_counts(void **state)
{
    struct fixture *fixture = *state;
    struct kv_usage usage;
    assert_int_equal(kv_usage(fixture->kv, &usage), RESULT_OK);
    assert_int_equal(usage.entries, 0);
    uint64_t before = usage.used;
    struct kv_txn *txn = test_begin(fixture->kv, true);
    char value[1000] = {0};
    for (int i = 0; i < 100; i++)
        put(txn, str_format(fixture->arena, "%d", i), str_make(value, sizeof(value)));
    assert_int_equal(kv_commit(txn), RESULT_OK);
    assert_int_equal(kv_usage(fixture->kv, &usage), RESULT_OK);
    assert_int_equal(usage.entries, 100);
    assert_true(usage.used > before + 100000 && usage.used < before + 300000);
    assert_true(usage.free_on_disk > 0);
}

static void copies_are_whole(void **state)
{
    struct fixture *fixture = *state;
    struct str directory = test_directory(fixture->arena);
    struct kv_txn *txn = test_begin(fixture->kv, true);
    char bytes[2000];
    memset(bytes, 'x', sizeof(bytes));
    put(txn, STR("short"), STR("1"));
    put(txn, str_make(bytes, sizeof(bytes)), STR("2"));
    assert_int_equal(kv_commit(txn), RESULT_OK);
    assert_int_equal(kv_copy(fixture->kv, directory), RESULT_OK);
    log_set_level(LOG_ERROR);
    assert_int_equal(kv_copy(fixture->kv, directory), RESULT_FAULT); /* not empty */
    struct kv *copy = test_kv_open(directory, fixture->durability);
    txn = test_begin(copy, true);
    assert_str(get(txn, STR("short")), STR("1"));
    assert_str(get(txn, str_make(bytes, sizeof(bytes))), STR("2"));
    put(txn, STR("more"), STR("3"));
    assert_int_equal(kv_commit(txn), RESULT_OK);
    kv_close(copy);
    test_directory_remove(directory);
}

/* ---- the sorted list ---- */

struct pair {
    struct str key, value;
};

struct model {
    struct pair *pairs;
    size_t len;
};

enum { MODEL_MAX = 600 };

/* The first index whose key is >= key. */
static size_t model_find(const struct model *model, struct str key)
{
    size_t i = 0;
    while (i < model->len && str_cmp(model->pairs[i].key, key) < 0)
        i++;
    return i;
}

static bool model_has(const struct model *model, size_t i, struct str key)
{
    return i < model->len && str_eq(model->pairs[i].key, key);
}

static void model_put(struct model *model, struct str key, struct str value)
{
    size_t i = model_find(model, key);
    if (!model_has(model, i, key)) {
        memmove(&model->pairs[i + 1], &model->pairs[i], (model->len - i) * sizeof(struct pair));
        model->len++;
    }
    model->pairs[i] = (struct pair){key, value};
}

static bool model_delete(struct model *model, struct str key)
{
    size_t i = model_find(model, key);
    if (!model_has(model, i, key))
        return false;
    model->len--;
    memmove(&model->pairs[i], &model->pairs[i + 1], (model->len - i) * sizeof(struct pair));
    return true;
}

/* What a cursor must yield after `last` (absent: at first, from `from`); index or SIZE_MAX. */
static size_t model_next(const struct model *model, struct str prefix, bool backward,
                         struct str from, struct str last)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < model->len; i++) {
        struct str key = model->pairs[i].key;
        if (!str_starts_with(key, prefix))
            continue;
        if (last.ptr != NULL) {
            int order = str_cmp(key, last);
            if (backward ? order >= 0 : order <= 0)
                continue;
        } else if (from.ptr != NULL) {
            int order = str_cmp(key, from);
            if (backward ? order > 0 : order < 0)
                continue;
        }
        if (backward)
            best = i;
        else if (best == SIZE_MAX)
            best = i;
    }
    return best;
}

static struct str any_key(const struct model *model, struct arena *arena)
{
    if (model->len > 0 && rng_below(2) == 0)
        return model->pairs[rng_below(model->len)].key;
    return test_random_key(arena);
}

static struct str any_prefix(const struct model *model, struct arena *arena)
{
    struct str key = any_key(model, arena);
    switch (rng_below(4)) {
    case 0:
        return STR("");
    case 1:
        return str_slice(key, 0, 480);
    case 2:
        return key;
    default:
        return str_slice(key, 0, (size_t)rng_below(key.len + 1));
    }
}

/* A key is always put in the same way. */
static bool is_apart(struct str key)
{
    size_t sum = key.len;
    for (size_t i = 0; i < key.len; i++)
        sum += (unsigned char)key.ptr[i];
    return sum % 2 == 0;
}

static struct str any_value(struct arena *arena)
{
    static const size_t lengths[] = {0, 20, 255, 256, 257, 1000, 1024, 5000};
    size_t len = lengths[rng_below(sizeof(lengths) / sizeof(lengths[0]))];
    char *bytes = arena_alloc_raw(arena, len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)rng_u64();
    return str_make(bytes, len);
}

static void change(struct kv_txn *txn, struct model *model, struct arena *arena)
{
    struct str key = any_key(model, arena);
    bool existed;
    if (model->len >= MODEL_MAX || rng_below(3) == 0) {
        bool expected = model_delete(model, key);
        assert_int_equal(kv_delete(txn, key, &existed), RESULT_OK);
        assert_int_equal(existed, expected);
    } else {
        struct str value = any_value(arena);
        model_put(model, key, value);
        if (is_apart(key))
            assert_int_equal(kv_put_apart(txn, key, value), RESULT_OK);
        else
            put(txn, key, value);
    }
}

static void walk(struct kv_txn *txn, struct model *model, struct arena *arena, bool writing)
{
    struct arena *scratch = arena_new(0);
    struct str prefix = any_prefix(model, arena), from = {0}, last = {0};
    bool backward = rng_below(2) == 0;
    struct kv_cursor *cursor;
    assert_int_equal(kv_cursor_open(txn, scratch, prefix, backward, &cursor), RESULT_OK);
    size_t steps = 1 + (size_t)rng_below(rng_below(8) == 0 ? MODEL_MAX : 12);
    for (size_t i = 0; i < steps; i++) {
        if (rng_below(10) == 0) {
            from = rng_below(4) == 0 ? (struct str){0} : any_key(model, arena);
            if (from.ptr != NULL && rng_below(3) == 0)
                from = str_concat(arena, prefix, from);
            last = (struct str){0};
            assert_int_equal(kv_cursor_seek(cursor, from), RESULT_OK);
        }
        if (writing && rng_below(3) == 0)
            change(txn, model, arena);
        size_t expected = model_next(model, prefix, backward, from, last);
        struct str key, value;
        assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
        if (expected == SIZE_MAX) {
            assert_null(key.ptr);
            break;
        }
        assert_str(key, model->pairs[expected].key);
        assert_str(value, model->pairs[expected].value);
        last = model->pairs[expected].key;
    }
    kv_cursor_close(cursor);
    arena_free(scratch);
}

static void delete_some(struct kv_txn *txn, struct model *model, struct arena *arena)
{
    struct str prefix = any_prefix(model, arena);
    size_t limit = 1 + (size_t)rng_below(20), expected = 0, deleted;
    for (size_t i; expected < limit; expected++) {
        i = model_next(model, prefix, false, (struct str){0}, (struct str){0});
        if (i == SIZE_MAX)
            break;
        assert_true(model_delete(model, model->pairs[i].key));
    }
    assert_int_equal(kv_delete_prefix(txn, prefix, limit, &deleted), RESULT_OK);
    assert_int_equal(deleted, expected);
}

static void assert_same(struct kv_txn *txn, const struct model *model)
{
    struct arena *scratch = arena_new(0);
    struct kv_cursor *cursor;
    struct str key, value;
    assert_int_equal(kv_cursor_open(txn, scratch, STR(""), false, &cursor), RESULT_OK);
    for (size_t i = 0; i < model->len; i++) {
        assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
        assert_str(key, model->pairs[i].key);
        assert_str(value, model->pairs[i].value);
        assert_str(get(txn, key), value);
    }
    assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
    assert_null(key.ptr);
    kv_cursor_close(cursor);
    arena_free(scratch);
}

static void behaves_as_a_sorted_list(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        rng_set_seed(seed);
        struct arena *arena = arena_new(0);
        struct model model = {.pairs = ARENA_ARRAY(arena, MODEL_MAX + 2, struct pair)};
        struct model before = {.pairs = ARENA_ARRAY(arena, MODEL_MAX + 2, struct pair)};
        for (int round = 0; round < 60; round++) {
            before.len = model.len;
            memcpy(before.pairs, model.pairs, model.len * sizeof(struct pair));
            struct kv_txn *txn = test_begin(fixture->kv, true);
            for (uint64_t i = rng_below(40); i > 0; i--)
                change(txn, &model, arena);
            walk(txn, &model, arena, true);
            if (rng_below(6) == 0)
                delete_some(txn, &model, arena);
            if (rng_below(4) == 0) {
                kv_abort(txn);
                model.len = before.len;
                memcpy(model.pairs, before.pairs, model.len * sizeof(struct pair));
            } else {
                assert_int_equal(kv_commit(txn), RESULT_OK);
            }
            txn = test_begin(fixture->kv, false);
            for (int i = 0; i < 10; i++)
                walk(txn, &model, arena, false);
            assert_same(txn, &model);
            kv_abort(txn);
        }
        struct kv_txn *txn = test_begin(fixture->kv, true);
        size_t deleted;
        assert_int_equal(kv_delete_prefix(txn, STR(""), SIZE_MAX, &deleted), RESULT_OK);
        assert_int_equal(deleted, model.len);
        assert_int_equal(kv_commit(txn), RESULT_OK);
        /* No marker, no chapter is left. */
        struct kv_usage usage;
        assert_int_equal(kv_usage(fixture->kv, &usage), RESULT_OK);
        assert_int_equal(usage.entries, 0);
        arena_free(arena);
    }
    rng_set_seed(0);
}

/* ---- threads ---- */

enum { THREADS = 6, ROUNDS = 100 };

static void *count_up(void *context)
{
    struct kv *kv = context;
    for (int i = 0; i < ROUNDS; i++) {
        struct kv_txn *txn;
        struct str value;
        uint64_t n = 0;
        char bytes[sizeof(n)];
        bool give_up = i % 5 == 4;
        if (kv_begin(kv, true, &txn) != RESULT_OK)
            return context;
        if (kv_get(txn, STR("counter"), &value) == RESULT_OK && value.ptr != NULL)
            memcpy(&n, value.ptr, sizeof(n));
        n++;
        memcpy(bytes, &n, sizeof(n));
        if (kv_put(txn, STR("counter"), str_make(bytes, sizeof(n))) != RESULT_OK)
            return context;
        if (give_up)
            kv_abort(txn);
        else if (kv_commit(txn) != RESULT_OK)
            return context;
        if (kv_begin(kv, false, &txn) != RESULT_OK)
            return context;
        uint64_t seen = 0;
        if (kv_get(txn, STR("counter"), &value) == RESULT_OK && value.ptr != NULL)
            memcpy(&seen, value.ptr, sizeof(seen));
        kv_abort(txn);
        if (!give_up && seen < n)
            return context;
    }
    return NULL;
}

static void threads_take_turns(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, fixture->kv), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    struct kv_txn *txn = test_begin(fixture->kv, false);
    uint64_t n;
    memcpy(&n, get(txn, STR("counter")).ptr, sizeof(n));
    assert_int_equal(n, THREADS * ROUNDS * 4 / 5);
    kv_abort(txn);
}

static void too_many_readers_are_told(void **state)
{
    struct fixture *fixture = *state;
    static struct kv_txn *txns[512];
    for (int i = 0; i < 512; i++)
        txns[i] = test_begin(fixture->kv, false);
    struct kv_txn *txn;
    log_set_level(LOG_ERROR);
    assert_int_equal(kv_begin(fixture->kv, false, &txn), RESULT_FAULT);
    for (int i = 0; i < 512; i++)
        kv_abort(txns[i]);
    kv_abort(test_begin(fixture->kv, false));
}

static bool refuse_at(void *context)
{
    int *countdown = context;
    return --*countdown != 0;
}

/* Whichever write fails, the commit fails with it, and nothing has changed. */
static void a_refused_write_fails_the_commit(void **state)
{
    struct fixture *fixture = *state;
    kv_close(fixture->kv);
    int countdown = -1;
    struct kv_config config = {.directory = fixture->directory,
                               .durability = fixture->durability,
                               .write_hook = refuse_at,
                               .hook_context = &countdown};
    assert_int_equal(kv_open(&config, &fixture->kv), RESULT_OK);
    char long_key[1000];
    memset(long_key, 'l', sizeof(long_key));
    for (int nth = 1; nth < 12; nth++) {
        struct kv_txn *txn = test_begin(fixture->kv, true);
        countdown = nth;
        enum result result = kv_put(txn, STR("a"), STR("1"));
        if (result == RESULT_OK)
            result = kv_put(txn, str_make(long_key, sizeof(long_key)), STR("2"));
        if (result == RESULT_OK)
            result = kv_delete(txn, STR("a"), NULL);
        enum result commit = kv_commit(txn);
        bool refused = countdown <= 0;
        countdown = -1;
        assert_int_equal(commit, refused ? RESULT_FULL : RESULT_OK);
        assert_true(result == RESULT_OK || result == commit);
        txn = test_begin(fixture->kv, true);
        assert_int_equal(get(txn, str_make(long_key, sizeof(long_key))).ptr != NULL, !refused);
        assert_null(get(txn, STR("a")).ptr);
        if (!refused)
            assert_int_equal(kv_delete(txn, str_make(long_key, sizeof(long_key)), NULL), RESULT_OK);
        assert_int_equal(kv_commit(txn), RESULT_OK);
    }
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup, teardown),                                        \
    {                                                                                              \
#test " (power)", test, setup_power, teardown, NULL                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(keeps_what_is_committed),
        BOTH(readers_see_their_snapshot),
        BOTH(keys_have_limits),
        BOTH(large_values),
        BOTH(descriptors_are_not_inherited),
        BOTH(usage_counts),
        BOTH(copies_are_whole),
        BOTH(behaves_as_a_sorted_list),
        BOTH(threads_take_turns),
        BOTH(too_many_readers_are_told),
        BOTH(a_refused_write_fails_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
