/* Blobs: written aside, alive with their record, gone after it, and no leftovers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "store/blob.h"
#include "store_support.h"

struct fixture {
    struct arena *arena;
    struct str directory;
    struct kv *kv;
    struct blob_store *blobs;
    enum kv_durability durability;
};

static void open_all(struct fixture *fixture)
{
    fixture->kv = test_kv_open(fixture->directory, fixture->durability);
    struct str path = str_concat(fixture->arena, fixture->directory, STR("/blobs"));
    assert_int_equal(blob_store_open(path, fixture->durability, &fixture->blobs), RESULT_OK);
}

static int setup_with(void **state, enum kv_durability durability)
{
    struct fixture *fixture = heap_alloc(sizeof(*fixture));
    fixture->arena = arena_new(0);
    fixture->directory = test_directory(fixture->arena);
    fixture->durability = durability;
    open_all(fixture);
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
    blob_store_close(fixture->blobs);
    kv_close(fixture->kv);
    test_directory_remove(fixture->directory);
    arena_free(fixture->arena);
    heap_free(fixture);
    return 0;
}

static struct blob_id publish(struct fixture *fixture, struct str bytes)
{
    struct blob_writer *writer;
    struct blob_id id;
    uint64_t size;
    assert_int_equal(blob_create(fixture->blobs, &writer), RESULT_OK);
    assert_int_equal(blob_append(writer, str_slice(bytes, 0, 3)), RESULT_OK);
    assert_int_equal(blob_append(writer, str_slice(bytes, 3, bytes.len)), RESULT_OK);
    assert_int_equal(blob_publish(writer, &id, &size), RESULT_OK);
    assert_int_equal(size, bytes.len);
    return id;
}

static void change(struct fixture *fixture, const struct blob_id *retained,
                   const struct blob_id *released)
{
    struct kv_txn *txn = test_begin(fixture->kv, true);
    if (retained != NULL)
        assert_int_equal(blob_retain(fixture->blobs, txn, retained), RESULT_OK);
    if (released != NULL)
        assert_int_equal(blob_release(fixture->blobs, txn, released), RESULT_OK);
    assert_int_equal(kv_commit(txn), RESULT_OK);
}

static bool is_there(struct fixture *fixture, const struct blob_id *id)
{
    int fd;
    log_set_level(LOG_ERROR);
    if (blob_open(fixture->blobs, id, &fd) != RESULT_OK)
        return false;
    close(fd);
    return true;
}

static void blobs_are_read_as_written(void **state)
{
    struct fixture *fixture = *state;
    struct blob_id id = publish(fixture, STR("hello, blob"));
    change(fixture, &id, NULL);
    int fd;
    char bytes[32];
    assert_int_equal(blob_open(fixture->blobs, &id, &fd), RESULT_OK);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 11);
    assert_memory_equal(bytes, "hello, blob", 11);

    /* Open, it stays readable after its release. */
    size_t removed;
    blob_store_set_grace(fixture->blobs, 0);
    change(fixture, NULL, &id);
    assert_int_equal(blob_collect(fixture->blobs, fixture->kv, 10, &removed), RESULT_OK);
    assert_int_equal(removed, 1);
    assert_false(is_there(fixture, &id));
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), 11);
    close(fd);
}

static void collecting_waits_and_has_a_limit(void **state)
{
    struct fixture *fixture = *state;
    struct blob_id ids[5];
    size_t removed;
    for (int i = 0; i < 5; i++) {
        ids[i] = publish(fixture, STR("some bytes"));
        change(fixture, &ids[i], NULL);
        change(fixture, NULL, &ids[i]);
    }
    assert_int_equal(blob_collect(fixture->blobs, fixture->kv, 10, &removed), RESULT_OK);
    assert_int_equal(removed, 0);
    assert_true(is_there(fixture, &ids[0]));
    blob_store_set_grace(fixture->blobs, 0);
    assert_int_equal(blob_collect(fixture->blobs, fixture->kv, 3, &removed), RESULT_OK);
    assert_int_equal(removed, 3);
    assert_int_equal(blob_collect(fixture->blobs, fixture->kv, 3, &removed), RESULT_OK);
    assert_int_equal(removed, 2);
    struct kv_usage usage;
    assert_int_equal(kv_usage(fixture->kv, &usage), RESULT_OK);
    assert_int_equal(usage.entries, 0);
}

static void sweeping_leaves_what_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct blob_id alive = publish(fixture, STR("alive")), orphan = publish(fixture, STR("orphan")),
                   released = publish(fixture, STR("released")),
                   dropped = publish(fixture, STR("dropped"));
    change(fixture, &alive, NULL);
    change(fixture, &released, NULL);
    change(fixture, NULL, &released);
    blob_drop(fixture->blobs, &dropped);
    assert_false(is_there(fixture, &dropped));
    struct blob_writer *unfinished, *discarded;
    assert_int_equal(blob_create(fixture->blobs, &unfinished), RESULT_OK);
    assert_int_equal(blob_append(unfinished, STR("half")), RESULT_OK);
    assert_int_equal(blob_create(fixture->blobs, &discarded), RESULT_OK);
    blob_discard(discarded);
    blob_discard(NULL);

    size_t removed;
    assert_int_equal(blob_sweep(fixture->blobs, fixture->kv, &removed), RESULT_OK);
    assert_int_equal(removed, 2); /* the orphan, and what is in tmp */
    assert_true(is_there(fixture, &alive));
    assert_true(is_there(fixture, &released));
    assert_false(is_there(fixture, &orphan));
    blob_discard(unfinished);

    blob_store_close(fixture->blobs);
    kv_close(fixture->kv);
    open_all(fixture);
    assert_int_equal(blob_sweep(fixture->blobs, fixture->kv, &removed), RESULT_OK);
    assert_int_equal(removed, 0);
    assert_true(is_there(fixture, &alive));
    struct blob_id more = publish(fixture, STR("after reopening"));
    assert_true(is_there(fixture, &more));
}

/* In a child with a mount namespace of its own. 77: mounting is not allowed. */
static int fill_the_disk(struct arena *arena, struct str directory)
{
    const char *path = str_to_c(arena, directory);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", path, "tmpfs", 0, "size=256k") != 0)
        return 77;
    struct blob_store *blobs;
    struct blob_writer *writer;
    static const char bytes[100000] = {1};
    int code = 1;
    if (blob_store_open(str_concat(arena, directory, STR("/blobs")), KV_PROCESS, &blobs) !=
        RESULT_OK)
        return 2;
    for (int round = 0; round < 3; round++) {
        enum result result = blob_create(blobs, &writer);
        int parts = 0;
        for (; result == RESULT_OK && parts < 10; parts++)
            result = blob_append(writer, str_make(bytes, sizeof(bytes)));
        code = result == RESULT_FULL && parts >= 2 ? 0 : 3;
        /* Nothing of it stays. */
        blob_discard(writer);
    }
    blob_store_close(blobs);
    return code;
}

static void a_full_disk_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct str directory = test_directory(fixture->arena);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_the_disk(fixture->arena, directory));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    test_directory_remove(directory);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void releasing_twice_is_a_fault(void **state)
{
    struct fixture *fixture = *state;
    struct blob_id id = publish(fixture, STR("once"));
    change(fixture, &id, NULL);
    change(fixture, NULL, &id);
    struct kv_txn *txn = test_begin(fixture->kv, true);
    log_set_level(LOG_ERROR);
    assert_int_equal(blob_release(fixture->blobs, txn, &id), RESULT_FAULT);
    kv_abort(txn);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup, teardown),                                        \
    {                                                                                              \
#test " (power)", test, setup_power, teardown, NULL                                        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(blobs_are_read_as_written),
        BOTH(collecting_waits_and_has_a_limit),
        BOTH(sweeping_leaves_what_is_known),
        BOTH(releasing_twice_is_a_fault),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
