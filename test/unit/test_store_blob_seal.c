/* Sealed blobs: what is read is what was written, from anywhere; on the disk stands nothing of it;
 * a changed byte is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rng.h"
#include "store/blob.h"
#include "store_support.h"

struct fixture {
    struct arena *arena;
    struct blob_store *blobs;
};

static int setup(void **state)
{
    struct fixture *fixture = heap_alloc(sizeof *fixture);
    fixture->arena = arena_new(0);
    struct str path = str_concat(fixture->arena, test_directory(fixture->arena), STR("/blobs"));
    assert_int_equal(blob_store_open(path, KV_PROCESS, &fixture->blobs), RESULT_OK);
    rng_set_seed(20261121);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    blob_store_close(fixture->blobs);
    arena_free(fixture->arena);
    heap_free(fixture);
    return 0;
}

static char *pattern(struct arena *arena, size_t size)
{
    char *out = arena_alloc_raw(arena, size + 1);
    for (size_t i = 0; i < size; i++)
        out[i] = (char)("It was written here. "[i % 21]);
    return out;
}

static struct blob_id store(struct fixture *fixture, const struct blob_key *key, const char *bytes,
                            size_t size)
{
    struct blob_writer *writer;
    struct blob_id id;
    uint64_t written;
    assert_int_equal(blob_create_sealed(fixture->blobs, key, &writer), RESULT_OK);
    for (size_t at = 0; at < size;) {
        size_t part = 1 + (size_t)rng_below(40000);
        if (part > size - at)
            part = size - at;
        assert_int_equal(blob_append(writer, str_make(bytes + at, part)), RESULT_OK);
        at += part;
    }
    assert_int_equal(blob_publish(writer, &id, &written), RESULT_OK);
    assert_int_equal(written, size);
    return id;
}

static void read_through(struct fixture *fixture, const struct blob_id *id,
                         const struct blob_key *key, const char *bytes, size_t size)
{
    struct blob_reader *reader;
    char *out = arena_alloc_raw(fixture->arena, size + BLOB_CHUNK);
    size_t read;
    assert_int_equal(blob_reader_open(fixture->blobs, id, key, &reader), RESULT_OK);
    for (size_t at = 0; at < size; at += read) {
        size_t wanted = rng_below(2) == 0 ? BLOB_CHUNK : 1 + (size_t)rng_below(30000);
        if (wanted > size - at)
            wanted = size - at;
        assert_int_equal(blob_read(reader, at, out + at, wanted, &read), RESULT_OK);
        assert_true(read > 0 && read <= wanted);
    }
    assert_memory_equal(out, bytes, size);
    for (size_t i = 0; i < 50 && size > 0; i++) {
        size_t at = (size_t)rng_below(size), wanted = 1 + (size_t)rng_below(200);
        if (wanted > size - at)
            wanted = size - at;
        assert_int_equal(blob_read(reader, at, out, wanted, &read), RESULT_OK);
        assert_memory_equal(out, bytes + at, read);
    }
    assert_int_equal(blob_read(reader, size, out, 1, &read), RESULT_FAULT);
    blob_reader_close(reader);
}

static void test_sizes(void **state)
{
    struct fixture *fixture = *state;
    static const size_t sizes[] = {
        0, 1, 1000, BLOB_CHUNK - 1, BLOB_CHUNK, 65536, BLOB_CHUNK * 2, BLOB_CHUNK * 2 + 1, 300000};
    for (unsigned layers = 0; layers <= 2; layers++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct blob_key key;
            blob_key_make(&key, layers);
            const char *bytes = pattern(fixture->arena, sizes[i]);
            struct blob_id id = store(fixture, &key, bytes, sizes[i]);
            read_through(fixture, &id, &key, bytes, sizes[i]);
        }
}

static int raw_open(struct fixture *fixture, const struct blob_id *id, size_t *size)
{
    int fd;
    struct stat status;
    char name[64];
    assert_int_equal(blob_open(fixture->blobs, id, &fd), RESULT_OK);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int writable = open(name, O_RDWR | O_CLOEXEC);
    assert_true(writable >= 0);
    assert_int_equal(fstat(writable, &status), 0);
    (void)close(fd);
    *size = (size_t)status.st_size;
    return writable;
}

static void test_disk(void **state)
{
    struct fixture *fixture = *state;
    enum { SIZE = 200000 };
    const char *bytes = pattern(fixture->arena, SIZE);
    for (unsigned layers = 1; layers <= 2; layers++) {
        struct blob_key key, wrong;
        struct blob_reader *reader;
        size_t size, read;
        char *out = arena_alloc_raw(fixture->arena, SIZE);
        blob_key_make(&key, layers);
        struct blob_id id = store(fixture, &key, bytes, SIZE);
        int fd = raw_open(fixture, &id, &size);
        assert_int_equal(size, SIZE + 4 * 16);
        char *raw = arena_alloc_raw(fixture->arena, size);
        assert_int_equal(pread(fd, raw, size, 0), size);
        assert_int_equal(str_find(str_make(raw, size), STR("written")), SIZE_MAX);
        /* Another key; a changed bit; a file that was cut. */
        for (unsigned layer = 0; layer < layers; layer++) {
            wrong = key;
            wrong.bytes[layer][5] ^= 1;
            assert_int_equal(blob_reader_open(fixture->blobs, &id, &wrong, &reader), RESULT_OK);
            assert_int_equal(blob_read(reader, 0, out, SIZE, &read), RESULT_FAULT);
            blob_reader_close(reader);
        }
        char bad = (char)(raw[70000] ^ 4);
        assert_int_equal(pwrite(fd, &bad, 1, 70000), 1);
        assert_int_equal(blob_reader_open(fixture->blobs, &id, &key, &reader), RESULT_OK);
        assert_int_equal(blob_read(reader, 0, out, SIZE, &read), RESULT_OK);
        assert_int_equal(blob_read(reader, BLOB_CHUNK + 1, out, 1, &read), RESULT_FAULT);
        assert_int_equal(ftruncate(fd, (off_t)size - 20), 0);
        assert_int_equal(blob_read(reader, SIZE - 30, out, 1, &read), RESULT_FAULT);
        blob_reader_close(reader);
        (void)close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
