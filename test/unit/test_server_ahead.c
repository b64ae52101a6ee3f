/* Blobs that are opened ahead: the bytes are those of the blob, whoever opened them, and nothing is
 * left behind when the connection goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "cloud/work.h"
#include "server/ahead.h"
#include "store_support.h"

enum { CHUNKS = 100, TAIL = 777 };

struct fixture {
    struct arena *arena;
    struct str directory;
    struct kv *kv;
    struct cloud cloud;
    struct blob_id id;
    struct blob_key key;
    uint64_t size;
    _Atomic unsigned streams;
    sem_t woken;
};

static char byte_at(uint64_t offset)
{
    return (char)(uint8_t)(offset * 131 + offset / 251);
}

static int setup(void **state)
{
    struct fixture *f = heap_alloc(sizeof *f);
    f->arena = arena_new(0);
    f->directory = test_directory(f->arena);
    f->kv = test_kv_open(f->directory, KV_PROCESS);
    struct str path = str_concat(f->arena, f->directory, STR("/blobs"));
    assert_int_equal(blob_store_open(path, KV_PROCESS, &f->cloud.blobs), RESULT_OK);
    assert_int_equal(workers_start(&f->cloud, &f->cloud.workers), RESULT_OK);
    struct blob_writer *writer;
    blob_key_make(&f->key, 1);
    assert_int_equal(blob_create_sealed(f->cloud.blobs, &f->key, &writer), RESULT_OK);
    f->size = (uint64_t)CHUNKS * BLOB_CHUNK + TAIL;
    char *bytes = heap_alloc(f->size);
    for (uint64_t i = 0; i < f->size; i++)
        bytes[i] = byte_at(i);
    assert_int_equal(blob_append(writer, str_make(bytes, f->size)), RESULT_OK);
    assert_int_equal(blob_publish(writer, &f->id, &f->size), RESULT_OK);
    heap_free(bytes);
    sem_init(&f->woken, 0, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    workers_stop(f->cloud.workers);
    assert_int_equal(atomic_load(&f->streams), 0);
    sem_destroy(&f->woken);
    blob_store_close(f->cloud.blobs);
    kv_close(f->kv);
    test_directory_remove(f->directory);
    arena_free(f->arena);
    heap_free(f);
    return 0;
}

static void wake(void *context)
{
    struct fixture *f = context;
    sem_post(&f->woken);
}

static struct blob_reader *open_reader(struct fixture *f)
{
    struct blob_reader *reader;
    assert_int_equal(blob_reader_open(f->cloud.blobs, &f->id, &f->key, &reader), RESULT_OK);
    return reader;
}

static struct ahead *begin(struct fixture *f, uint64_t from, uint64_t end)
{
    struct ahead *ahead = ahead_new(&f->cloud, &f->streams, open_reader(f), from, end, wake, f);
    assert_non_null(ahead);
    return ahead;
}

/* Reads [from, end) in pieces of `size`; a chunk's time is lost now and then, so that both sides
 * come to open some. */
static void read_range(struct fixture *f, uint64_t from, uint64_t end, size_t size, unsigned pause)
{
    struct blob_reader *own = open_reader(f);
    struct ahead *ahead = begin(f, from, end);
    char *out = heap_alloc(size);
    for (uint64_t at = from; at < end;) {
        size_t part = end - at < size ? (size_t)(end - at) : size, got = 0;
        enum result result = ahead_read(ahead, own, at, out, part, true, &got);
        if (result == RESULT_PARK) {
            sem_wait(&f->woken);
            continue;
        }
        assert_int_equal(result, RESULT_OK);
        assert_in_range(got, 1, part);
        for (size_t i = 0; i < got; i++)
            assert_int_equal(out[i], byte_at(at + i));
        at += got;
        if (pause > 0)
            usleep(pause);
    }
    heap_free(out);
    ahead_free(ahead);
    blob_reader_close(own);
}

static void test_all_bytes(void **state)
{
    struct fixture *f = *state;
    read_range(f, 0, f->size, 2 * 65536, 0);
    read_range(f, 0, f->size, 2 * 65536, 300);
    read_range(f, 0, f->size, 10000, 0);
    read_range(f, 3 * (uint64_t)BLOB_CHUNK, f->size - 5, BLOB_CHUNK, 50);
    read_range(f, CHUNKS * (uint64_t)BLOB_CHUNK, f->size, 100, 0);
}

/* A pool whose threads do other things: the connection's thread opens all. */
struct stop {
    struct work_slice slice;
    sem_t gate;
};

static void stand_still(struct work_slice *slice)
{
    struct stop *stop = (struct stop *)(void *)slice;
    sem_wait(&stop->gate);
}

static void test_busy_threads(void **state)
{
    struct fixture *f = *state;
    struct stop stops[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        sem_init(&stops[i].gate, 0, 0);
        stops[i].slice.run = stand_still;
        assert_true(work_post(&f->cloud, &stops[i].slice));
    }
    read_range(f, 0, f->size, 65536, 0);
    for (size_t i = 0; i < 4; i++)
        sem_post(&stops[i].gate);
    workers_stop(f->cloud.workers);
    f->cloud.workers = NULL;
    for (size_t i = 0; i < 4; i++)
        sem_destroy(&stops[i].gate);
}

static void test_left_early(void **state)
{
    struct fixture *f = *state;
    char *out = heap_alloc(BLOB_CHUNK);
    for (unsigned i = 0; i < 200; i++) {
        struct blob_reader *own = open_reader(f);
        struct ahead *ahead = begin(f, 0, f->size);
        size_t got;
        (void)!ahead_read(ahead, own, 0, out, BLOB_CHUNK, true, &got);
        if (i % 3 == 0)
            usleep(100);
        ahead_free(ahead);
        blob_reader_close(own);
    }
    heap_free(out);
}

static void test_few_streams(void **state)
{
    struct fixture *f = *state;
    struct ahead *all[16];
    for (size_t i = 0; i < 16; i++)
        all[i] = begin(f, 0, f->size);
    struct blob_reader *reader = open_reader(f);
    assert_null(ahead_new(&f->cloud, &f->streams, reader, 0, f->size, wake, f));
    blob_reader_close(reader);
    for (size_t i = 0; i < 16; i++)
        ahead_free(all[i]);
    assert_int_equal(atomic_load(&f->streams), 0);
}

/* An altered chunk is not given out, whoever opened it. */
static void test_altered(void **state)
{
    struct fixture *f = *state;
    int fd;
    assert_int_equal(blob_open(f->cloud.blobs, &f->id, &fd), RESULT_OK);
    char path[64], name[512];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, name, sizeof name - 1);
    assert_true(length > 0);
    name[length] = '\0';
    close(fd);
    fd = open(name, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "?", 1, 5 * 65536 + 100), 1);
    close(fd);
    struct blob_reader *own = open_reader(f);
    struct ahead *ahead = begin(f, 0, f->size);
    char *out = heap_alloc(BLOB_CHUNK);
    uint64_t at = 0;
    enum result result;
    do {
        size_t got = 0;
        result = ahead_read(ahead, own, at, out, BLOB_CHUNK, true, &got);
        if (result == RESULT_PARK)
            sem_wait(&f->woken);
        at += result == RESULT_OK ? got : 0;
    } while (result == RESULT_OK || result == RESULT_PARK);
    assert_int_equal(result, RESULT_FAULT);
    assert_int_equal(at, 5 * BLOB_CHUNK);
    heap_free(out);
    ahead_free(ahead);
    blob_reader_close(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_left_early, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_altered, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
