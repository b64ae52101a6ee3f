/* A full disk: puts are refused before a page is written that has no block, reads and deletions go
 * on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "store/kv_lmdb_int.h"
#include "store_support.h"

enum { MIB = 1024 * 1024, DISK = 10 * MIB };

/* A disk of DISK bytes that takes whole requests or none. */
static int small_disk(int fd, int mode, off_t offset, off_t len)
{
    if (offset + len > DISK) {
        errno = ENOSPC;
        return -1;
    }
    return fallocate(fd, mode, offset, len);
}

/* No file that LMDB writes to may pass its blocks. */
static void assert_inside(struct kv *kv)
{
    MDB_envinfo info;
    assert_int_equal(mdb_env_info(kv->env, &info), 0);
    assert_true((info.me_last_pgno + 1) * kv->space.page_size <= kv->space.allocated);
}

struct record {
    uint32_t number;
    char bytes[300];
};

static struct str key_of(struct arena *arena, uint32_t number, size_t pad)
{
    char *bytes = arena_alloc(arena, 8 + pad);
    memset(bytes, 'p', pad);
    memcpy(bytes + pad, &number, sizeof(number));
    return str_make(bytes, 8 + pad);
}

/* Puts transactions of `batch` until one is refused; how many keys stand. */
static uint32_t fill(struct kv *kv, uint32_t first, size_t batch, size_t value_size, size_t pad)
{
    struct arena *arena = arena_new(0);
    char *value = arena_alloc(arena, value_size);
    uint32_t number = first;
    for (;;) {
        arena_reset(arena);
        value = arena_alloc(arena, value_size);
        memset(value, (char)number, value_size);
        struct kv_txn *txn = test_begin(kv, true);
        enum result result = RESULT_OK;
        for (size_t i = 0; i < batch && result == RESULT_OK; i++)
            /* In no order: splits and copies everywhere. */
            result = kv_put(txn, key_of(arena, (number + (uint32_t)i) * 2654435761u, pad),
                            str_make(value, value_size));
        if (result != RESULT_OK) {
            assert_int_equal(result, RESULT_FULL);
            assert_int_equal(kv_commit(txn), RESULT_FULL);
            break;
        }
        assert_int_equal(kv_commit(txn), RESULT_OK);
        assert_inside(kv);
        number += (uint32_t)batch;
    }
    arena_free(arena);
    return number;
}

static void check(struct kv *kv, uint32_t first, uint32_t end, size_t value_size, size_t pad)
{
    struct arena *arena = arena_new(0);
    struct kv_txn *txn = test_begin(kv, false);
    for (uint32_t i = first; i < end; i++) {
        arena_reset(arena);
        struct str value;
        assert_int_equal(kv_get(txn, key_of(arena, i * 2654435761u, pad), &value), RESULT_OK);
        assert_int_equal(value.len, value_size);
    }
    kv_abort(txn);
    arena_free(arena);
}

/* May be refused (an old reader): the first key that still stands. */
static uint32_t try_delete_range(struct kv *kv, uint32_t first, uint32_t end)
{
    struct arena *arena = arena_new(0);
    enum result result = RESULT_OK;
    for (; first < end; first++) {
        arena_reset(arena);
        struct kv_txn *txn = test_begin(kv, true);
        result = kv_delete(txn, key_of(arena, first * 2654435761u, 0), NULL);
        assert_int_equal(kv_commit(txn), result);
        assert_inside(kv);
        if (result != RESULT_OK)
            break;
    }
    assert_true(result == RESULT_OK || result == RESULT_FULL);
    arena_free(arena);
    return first;
}

static void delete_range(struct kv *kv, uint32_t first, uint32_t end, size_t pad)
{
    struct arena *arena = arena_new(0);
    while (first < end) {
        arena_reset(arena);
        struct kv_txn *txn = test_begin(kv, true);
        for (int i = 0; i < 7 && first < end; i++, first++) {
            bool existed = false;
            assert_int_equal(kv_delete(txn, key_of(arena, first * 2654435761u, pad), &existed),
                             RESULT_OK);
            assert_true(existed);
        }
        assert_int_equal(kv_commit(txn), RESULT_OK);
        assert_inside(kv);
    }
    arena_free(arena);
}

/* Fill, look, delete half, fill again: several times over. */
static void exercise(struct kv *kv, size_t batch, size_t value_size, size_t pad)
{
    uint32_t first = 0, end = fill(kv, 0, batch, value_size, pad);
    printf("  %u keys of %zu bytes, values of %zu, %zu a transaction\n", end, 8 + pad, value_size,
           batch);
    assert_true(end > 0);
    for (int round = 0; round < 3; round++) {
        check(kv, first, end, value_size, pad);
        printf("    %u to %u\n", first, end);
        uint32_t half = first + (end - first) / 2;
        delete_range(kv, first, half, pad);
        first = half;
        /* What was freed is used again (large values may not find their pages side by side). */
        kv->space.refused_at = 0;
        uint32_t more = fill(kv, end, batch, value_size, pad);
        if (value_size < 1000)
            assert_true(more > end + (end - first) / 4);
        end = more;
    }
    check(kv, first, end, value_size, pad);
    delete_range(kv, first, end, pad);
    struct kv_usage usage;
    assert_int_equal(kv_usage(kv, &usage), RESULT_OK);
    assert_int_equal(usage.entries, 0);
}

static const struct load {
    size_t batch, value_size, pad;
} loads[] = {{1, 100, 0},    {50, 200, 0},   {1000, 40, 100}, {3, 5000, 0},
             {1, 300000, 0}, {20, 50, 1200}, {1, 1, 4000}};
enum { LOADS = sizeof(loads) / sizeof(loads[0]) };

static void refuses_in_time(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    for (int durability = KV_PROCESS; durability <= KV_POWER; durability++) {
        for (size_t i = 0; i < LOADS; i++) {
            if (durability == KV_POWER && i != 3)
                continue; /* a sync each: slow, and nothing new */
            struct arena *arena = arena_new(0);
            struct str directory = test_directory(arena);
            struct kv *kv = test_kv_open(directory, (enum kv_durability)durability);
            kv->space.allocate = small_disk;
            exercise(kv, loads[i].batch, loads[i].value_size, loads[i].pad);
            kv_close(kv);
            test_directory_remove(directory);
            arena_free(arena);
        }
    }
}

/* An old reader keeps freed pages from being used again: they must not be counted on. */
static void counts_on_no_page_that_a_reader_sees(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct str directory = test_directory(arena);
    struct kv *kv = test_kv_open(directory, KV_PROCESS);
    kv->space.allocate = small_disk;
    uint32_t end = fill(kv, 0, 20, 200, 0);
    struct kv_txn *reader = test_begin(kv, false);
    uint32_t first = try_delete_range(kv, 0, end / 4);
    printf("  %u of %u deletions while a reader stands\n", first, end / 4);
    assert_true(first > 10 && first < end / 4);
    assert_int_equal(fill(kv, end, 20, 200, 0), end);
    kv_abort(reader);
    check(kv, first, end, 200, 0);
    delete_range(kv, first, end / 2, 0);
    assert_true(fill(kv, end, 20, 200, 0) > end + end / 8);
    kv_close(kv);
    test_directory_remove(directory);
    arena_free(arena);
}

/* A file system without fallocate. */
static int no_fallocate(int fd, int mode, off_t offset, off_t len)
{
    (void)fd;
    (void)mode;
    (void)offset;
    (void)len;
    errno = EOPNOTSUPP;
    return -1;
}

static void writes_zeros_where_blocks_cannot_be_asked_for(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct str directory = test_directory(arena);
    struct kv *kv = test_kv_open(directory, KV_PROCESS);
    kv->space.allocate = no_fallocate;
    char value[3000] = {1};
    struct kv_txn *txn = test_begin(kv, true);
    for (uint32_t i = 0; i < 3000; i++)
        assert_int_equal(
            kv_put(txn, key_of(arena, i * 2654435761u, 0), str_make(value, sizeof(value))),
            RESULT_OK);
    assert_int_equal(kv_commit(txn), RESULT_OK);
    struct stat stat;
    assert_int_equal(fstat(kv->space.fd, &stat), 0);
    assert_true((uint64_t)stat.st_blocks * 512 >= kv->space.allocated);
    check(kv, 0, 3000, sizeof(value), 0);
    kv_close(kv);
    test_directory_remove(directory);
    arena_free(arena);
}

/* The real thing, in a child with a mount namespace of its own. Its exit code: 0 good, 77 mounting
 * is not allowed. */
static int on_a_small_file_system(struct arena *arena, struct str directory)
{
    const char *path = str_to_c(arena, directory);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", path, "tmpfs", 0, "size=8m") != 0)
        return 77;
    for (size_t i = 0; i < LOADS; i++) {
        struct kv *kv = test_kv_open(directory, KV_PROCESS);
        exercise(kv, loads[i].batch, loads[i].value_size, loads[i].pad);
        kv_close(kv);
        const char *file = str_to_c(arena, str_concat(arena, directory, STR("/kv.mdb")));
        unlink(file);
        kv = test_kv_open(directory, KV_PROCESS);
        fill(kv, 0, loads[i].batch, loads[i].value_size, loads[i].pad);
        kv_close(kv);
        /* Somebody else takes the rest; opening, reading and deleting still work. */
        const char *hog = str_to_c(arena, str_concat(arena, directory, STR("/hog")));
        int fd = open(hog, O_WRONLY | O_CREAT, 0600);
        static const char bytes[4096] = {1};
        while (write(fd, bytes, sizeof(bytes)) > 0)
            ;
        close(fd);
        kv = test_kv_open(directory, KV_PROCESS);
        struct kv_txn *txn = test_begin(kv, true);
        /* There may be free pages inside the file for it. */
        enum result result = kv_put(txn, STR("x"), STR("y"));
        assert_true(result == RESULT_OK || result == RESULT_FULL);
        assert_int_equal(kv_commit(txn), result);
        delete_range(kv, 0, 1, loads[i].pad);
        check(kv, 1, 2, loads[i].value_size, loads[i].pad);
        kv_close(kv);
        unlink(hog);
        unlink(file);
    }
    return 0;
}

static const char *path_in(struct arena *arena, struct str directory, const char *name)
{
    return str_to_c(arena, str_concat(arena, directory, str_from_c(name)));
}

/* Values that stand apart, one a transaction, until one is refused. */
static uint32_t fill_apart(struct kv *kv, uint32_t first, uint32_t end, char letter)
{
    char value[1500];
    memset(value, letter, sizeof(value));
    for (struct arena *arena = arena_new(0);; first++) {
        struct kv_txn *txn = test_begin(kv, true);
        enum result result = first < end ? kv_put_apart(txn, key_of(arena, first * 2654435761u, 0),
                                                        str_make(value, sizeof(value)))
                                         : RESULT_FULL;
        assert_true(result == RESULT_OK || result == RESULT_FULL);
        enum result commit = kv_commit(txn);
        if (result == RESULT_FULL || commit == RESULT_FULL) {
            arena_free(arena);
            return first;
        }
        arena_reset(arena);
    }
}

static int apart_on_a_small_file_system(struct arena *arena, struct str directory)
{
    const char *path = str_to_c(arena, directory);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", path, "tmpfs", 0, "size=24m") != 0)
        return 77;
    struct kv *kv = test_kv_open(directory, KV_PROCESS);
    kv->sweep_min = 0;
    uint32_t end = fill_apart(kv, 0, UINT32_MAX, 'a');
    printf("  %u values\n", end);
    assert_true(end > 5000);
    check(kv, 0, end, 1500, 0);
    /* Nothing more goes in; what stands can be read and deleted, and leaves room. */
    delete_range(kv, 0, 100, 0);
    kv_close(kv);
    int fd = open(path_in(arena, directory, "/hog"), O_WRONLY | O_CREAT, 0600);
    static const char bytes[4096] = {1};
    while (write(fd, bytes, sizeof(bytes)) > 0)
        ;
    close(fd);
    kv = test_kv_open(directory, KV_PROCESS);
    kv->sweep_min = 0;
    check(kv, 100, end, 1500, 0);
    delete_range(kv, 100, end / 2, 0);
    uint32_t again = fill_apart(kv, 0, UINT32_MAX / 2, 'b');
    printf("  %u values come into the room of half of them\n", again);
    assert_true(again > end / 4);
    /* Writing over goes on on a full disk, when garbage has been collected. */
    kv->sweep_min = 256 << 20;
    delete_range(kv, 0, 400, 0);
    for (uint32_t done = 0, tries = 0; done < 3 * again; tries++) {
        uint32_t from = 400 + done % (again - 400),
                 to = fill_apart(kv, from, from + 100 < again ? from + 100 : again, 'c');
        done += to - from;
        assert_true(tries < 20000);
        if (to == from)
            usleep(1000);
    }
    check(kv, 400, again, 1500, 0);
    kv_close(kv);
    return 0;
}

static void in_a_child(int (*run)(struct arena *arena, struct str directory))
{
    struct arena *arena = arena_new(0);
    struct str directory = test_directory(arena);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int code = run(arena, directory);
        fflush(NULL);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    test_directory_remove(directory);
    arena_free(arena);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void survives_a_small_file_system(void **state)
{
    (void)state;
    in_a_child(on_a_small_file_system);
}

static void values_apart_survive_a_small_file_system(void **state)
{
    (void)state;
    in_a_child(apart_on_a_small_file_system);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_in_time),
        cmocka_unit_test(counts_on_no_page_that_a_reader_sees),
        cmocka_unit_test(writes_zeros_where_blocks_cannot_be_asked_for),
        cmocka_unit_test(survives_a_small_file_system),
        cmocka_unit_test(values_apart_survive_a_small_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
