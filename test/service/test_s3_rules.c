/* Names of buckets, veiled ids, joined checksums; and operations of S3 without a body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "services/s3/s3_int.h"
#include "support/loopback.h"

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {"abc", "a.b-c", "1bucket", "docs.example.com"};
    static const char *const bad[] = {
        "ab",       "Abc",       "a_b",       "-abc",     "abc-",           ".abc",     "a..b",
        "10.0.0.1", "xn--bogus", "x-s3alias", "sthree-x", "amzn-s3-demo-x", "a--ol-s3", ""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(bucket_name_is_valid(str_from_c(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(bucket_name_is_valid(str_from_c(bad[i])));
    char longest[64];
    memset(longest, 'a', sizeof longest);
    assert_true(bucket_name_is_valid(str_make(longest, 63)));
    assert_false(bucket_name_is_valid(str_make(longest, 64)));
}

static void test_ids(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    static const uint64_t numbers[] = {0, 1, 255, UINT64_C(1) << 40, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t back = 7;
        struct str id = s3_make_id(arena, numbers[i]);
        assert_int_equal(id.len, 32);
        assert_int_equal(str_find_char(id, '-'), SIZE_MAX);
        assert_true(s3_read_id(arena, id, &back));
        assert_int_equal(back, numbers[i]);
    }
    uint64_t back;
    assert_false(s3_read_id(arena, STR("short"), &back));
    assert_false(s3_read_id(arena, STR("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"), &back));
    arena_free(arena);
}

static void crc_of(enum digest_kind kind, struct str data, uint8_t *out)
{
    struct digest digest;
    digest_begin(&digest, kind);
    digest_update(&digest, data);
    digest_end(&digest, out);
}

static void test_joined_checksums(void **state)
{
    (void)state;
    static const enum digest_kind kinds[] = {DIGEST_CRC32, DIGEST_CRC32C, DIGEST_CRC64NVME};
    static const size_t lengths[] = {0, 1, 7, 8, 100, 4096, 9999};
    char data[20000];
    rng_set_seed(4711);
    rng_bytes(data, sizeof data);
    rng_set_seed(0);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            uint8_t a[8], b[8], whole[8];
            size_t first = 10000, second = lengths[i];
            crc_of(kinds[k], str_make(data, first), a);
            crc_of(kinds[k], str_make(data + first, second), b);
            crc_of(kinds[k], str_make(data, first + second), whole);
            s3_crc_join(kinds[k], a, b, second);
            assert_memory_equal(a, whole, digest_size(kinds[k]));
        }
    }
}

#define S3_CALL(lo, operation, ...)                                                                \
    loopback_call((lo), &s3_model, S3_OP_##operation,                                              \
                  &(struct s3_##operation##Request){__VA_ARGS__})

/* Uploads of a bucket that is gone go with it. */
static void test_deleted_bucket(void **state)
{
    (void)state;
    struct loopback lo = {.protocol = WIRE_PROTOCOL_REST_XML};
    loopback_open(&lo);
    struct str bucket = STR("bucket");
    loopback_ok(S3_CALL(&lo, CreateBucket, .Bucket = bucket));
    const struct s3_CreateMultipartUploadOutput *upload =
        loopback_ok(S3_CALL(&lo, CreateMultipartUpload, .Bucket = bucket, .Key = STR("k")));
    assert_int_equal(upload->UploadId.len, 32);
    loopback_ok(S3_CALL(&lo, DeleteBucket, .Bucket = bucket));
    assert_true(loopback_deliver(&lo) > 0);
    loopback_error(S3_CALL(&lo, HeadBucket, .Bucket = bucket), "NoSuchBucket",
                   "The specified bucket does not exist");
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    struct key prefix;
    struct str key, value;
    key_init(&prefix, lo.arena);
    key_str(&prefix, STR("s3-upload"));
    assert_int_equal(kv_begin(lo.cloud->kv, false, &txn), RESULT_OK);
    assert_int_equal(kv_cursor_open(txn, lo.arena, key_bytes(&prefix), false, &cursor), RESULT_OK);
    assert_int_equal(kv_next(cursor, &key, &value), RESULT_OK);
    assert_true(str_is_absent(key));
    kv_abort(txn);
    loopback_close(&lo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_joined_checksums),
        cmocka_unit_test(test_deleted_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
