/* kill -9 at any point: what was acknowledged is there, what was not is there whole or not at all.
 *
 * A child commits transactions 1, 2, 3... Transaction n sets the counter to n, puts the entries
 * that n's seed makes, and deletes those of n - WINDOW; so the counter alone tells what the whole
 * store must hold. The counter stands apart and so do some of the entries, which take turns: every
 * fourth transaction writes over nothing but those. The child says in shared memory what was
 * acknowledged; it is killed from outside after a random time, or by its own write hook at the Nth
 * write, and the parent opens the store and compares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "store/kv_lmdb_int.h"
#include "store_support.h"

enum { WINDOW = 6, ENTRIES_MAX = 24, TURNS = 10, COUNTER_SIZE = 300 };

struct shared {
    _Atomic uint64_t acknowledged;
};

struct entry {
    struct str key, value;
};

/* The entries of transaction n. */
static size_t entries_of(struct arena *arena, uint64_t n, struct entry entries[ENTRIES_MAX])
{
    rng_set_seed(n + 1);
    size_t count = (size_t)rng_below(ENTRIES_MAX) + 1;
    for (size_t i = 0; i < count; i++) {
        /* Long keys share their chapters between transactions. */
        size_t pad = rng_below(3) == 0 ? (size_t)rng_below(1500) : 0;
        char *key = arena_alloc_raw(arena, pad + 32);
        memset(key, 'k', pad);
        int len = snprintf(key + pad, 32, "e%llu/%zu", (unsigned long long)n, i);
        size_t size = rng_below(6) == 0 ? (size_t)rng_below(20000) : (size_t)rng_below(200);
        char *value = arena_alloc_raw(arena, size + 1);
        memset(value, (char)(n + i), size);
        entries[i] = (struct entry){str_make(key, pad + (size_t)len), str_make(value, size)};
    }
    return count;
}

/* Which of those that take turns transaction n writes, and what. */
static struct entry turn_of(struct arena *arena, uint64_t n)
{
    rng_set_seed(n * 31 + 7);
    size_t size = 200 + (size_t)rng_below(rng_below(10) == 0 ? 300000 : 3000);
    char *value = arena_alloc_raw(arena, size);
    memset(value, (char)n, size);
    return (struct entry){str_format(arena, "turn%llu", (unsigned long long)(n % TURNS)),
                          str_make(value, size)};
}

static bool has_entries(uint64_t n)
{
    return n % 4 != 0;
}

static uint64_t read_counter(struct kv_txn *txn)
{
    struct str value;
    uint64_t n = 0;
    if (kv_get(txn, STR("counter"), &value) != RESULT_OK)
        return UINT64_MAX;
    if (value.ptr != NULL)
        memcpy(&n, value.ptr, sizeof(n));
    return n;
}

static enum result change(struct kv_txn *txn, struct arena *arena, uint64_t n)
{
    struct entry entries[ENTRIES_MAX];
    char counter[COUNTER_SIZE] = {0};
    memcpy(counter, &n, sizeof(n));
    size_t count = has_entries(n) ? entries_of(arena, n, entries) : 0;
    for (size_t i = 0; i < count; i++)
        TRY(i % 3 == 0 ? kv_put_apart(txn, entries[i].key, entries[i].value)
                       : kv_put(txn, entries[i].key, entries[i].value));
    TRY(kv_put_apart(txn, STR("counter"), str_make(counter, sizeof(counter))));
    struct entry turn = turn_of(arena, n);
    TRY(kv_put_apart(txn, turn.key, turn.value));
    count = n > WINDOW && has_entries(n - WINDOW) ? entries_of(arena, n - WINDOW, entries) : 0;
    for (size_t i = 0; i < count; i++)
        TRY(kv_delete(txn, entries[i].key, NULL));
    return RESULT_OK;
}

static bool die_at(void *context)
{
    uint64_t *countdown = context;
    if (--*countdown == 0)
        raise(SIGKILL);
    return true;
}

/* Until it is killed; a return is a failure. */
static void work(struct str directory, enum kv_durability durability, uint64_t writes,
                 struct shared *shared)
{
    uint64_t countdown = writes;
    struct kv_config config = {.directory = directory,
                               .durability = durability,
                               .write_hook = writes > 0 ? die_at : NULL,
                               .hook_context = &countdown};
    struct kv *kv;
    if (kv_open(&config, &kv) != RESULT_OK)
        return;
    kv->sweep_min = 0;
    struct arena *arena = arena_new(0);
    for (;;) {
        struct kv_txn *txn;
        arena_reset(arena);
        if (kv_begin(kv, true, &txn) != RESULT_OK)
            return;
        uint64_t n = read_counter(txn) + 1;
        if (change(txn, arena, n) != RESULT_OK || kv_commit(txn) != RESULT_OK)
            return;
        shared->acknowledged = n;
    }
}

static int compare_entries(const void *a, const void *b)
{
    return str_cmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

/* The store holds what the counter says, and nothing else. */
static uint64_t verify(struct str directory, enum kv_durability durability)
{
    struct arena *arena = arena_new(0);
    struct kv *kv = test_kv_open(directory, durability);
    struct kv_txn *txn = test_begin(kv, false);
    uint64_t n = read_counter(txn);
    static struct entry expected[WINDOW * ENTRIES_MAX + 1 + TURNS];
    size_t count = 0;
    for (uint64_t i = n > WINDOW ? n - WINDOW + 1 : 1; i <= n; i++)
        count += has_entries(i) ? entries_of(arena, i, expected + count) : 0;
    for (uint64_t i = n > TURNS ? n - TURNS + 1 : 1; i <= n; i++)
        expected[count++] = turn_of(arena, i);
    char counter[COUNTER_SIZE] = {0};
    memcpy(counter, &n, sizeof(n));
    if (n > 0)
        expected[count++] = (struct entry){STR("counter"), str_make(counter, sizeof(counter))};
    qsort(expected, count, sizeof(expected[0]), compare_entries);
    struct kv_cursor *cursor;
    struct str key, value;
    assert_int_equal(kv_cursor_open(txn, arena, STR(""), false, &cursor), RESULT_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
        assert_true(str_eq(key, expected[i].key));
        assert_true(str_eq(value, expected[i].value));
    }
    assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
    assert_null(key.ptr);
    kv_abort(txn);
    kv_close(kv);
    arena_free(arena);
    return n;
}

static void run(enum kv_durability durability, uint64_t seed, int rounds, long most_us)
{
    printf("seed %llu\n", (unsigned long long)seed);
    struct arena *arena = arena_new(0);
    struct str directory = test_directory(arena);
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    uint64_t total = 0;
    for (int round = 0; round < rounds; round++) {
        rng_set_seed(seed + (uint64_t)round);
        bool by_hook = round % 2 == 0;
        uint64_t writes = by_hook ? 1 + rng_below(rng_below(2) == 0 ? 40 : 400) : 0;
        struct timespec wait = {.tv_nsec = (long)rng_below((uint64_t)most_us) * 1000};
        fflush(NULL);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            work(directory, durability, writes, shared);
            _exit(1);
        }
        if (!by_hook) {
            nanosleep(&wait, NULL);
            kill(pid, SIGKILL);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        total = verify(directory, durability);
        assert_true(total == shared->acknowledged || total == shared->acknowledged + 1);
        shared->acknowledged = total;
    }
    printf("  %d kills, %llu transactions\n", rounds, (unsigned long long)total);
    assert_true(total > (uint64_t)rounds);
    rng_set_seed(0);
    munmap(shared, sizeof(*shared));
    test_directory_remove(directory);
    arena_free(arena);
}

static void process_durability(void **state)
{
    (void)state;
    run(KV_PROCESS, 100, 300, 20000);
}

static void power_durability(void **state)
{
    (void)state;
    run(KV_POWER, 7000, 80, 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_durability),
        cmocka_unit_test(power_durability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
