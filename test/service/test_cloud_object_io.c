/* S3 objects as other services write and read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cloud/object_io.h"
#include "gen/s3.h"
#include "support/loopback.h"

enum { PART_SIZE = 5 * 1024 * 1024 };

struct world {
    struct loopback lb;
    struct call call; /* as an outbox handler has it */
    struct object_io_caller caller;
};

static void world_begin(struct world *world)
{
    world->call = (struct call){
        .arena = arena_new(0),
        .cloud = world->lb.cloud,
        .model = &s3_model,
        .account = world->lb.account,
        .region = STR("eu-west-1"),
        .partition = STR("aws"),
        .request_id = STR("r"),
        .now_ms = LOOPBACK_NOW,
        .principal = {.kind = PRINCIPAL_SERVICE, .name = STR("dynamodb.amazonaws.com")},
    };
    assert_int_equal(kv_begin(world->lb.cloud->kv, true, &world->call.txn), RESULT_OK);
}

static void world_end(struct world *world, bool commit)
{
    if (commit)
        assert_int_equal(call_commit(&world->call), RESULT_OK);
    else
        kv_abort(world->call.txn);
    arena_free(world->call.arena);
}

static int setup(void **state)
{
    static struct world world;
    loopback_open(&world.lb);
    world.lb.protocol = WIRE_PROTOCOL_REST_XML;
    world.lb.region = STR("us-west-2");
    world.caller =
        (struct object_io_caller){.principal = {.kind = PRINCIPAL_ROOT,
                                                .account = STR("000000000000"),
                                                .arn = STR("arn:aws:iam::000000000000:root"),
                                                .name = STR("root")}};
    struct s3_CreateBucketConfiguration where = {.LocationConstraint = STR("us-west-2")};
    const struct s3_CreateBucketRequest in = {.Bucket = STR("exports"),
                                              .CreateBucketConfiguration = &where};
    loopback_ok(loopback_call(&world.lb, &s3_model, S3_OP_CreateBucket, &in));
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    loopback_close(&world->lb);
    return 0;
}

static char pattern_at(uint64_t at)
{
    return (char)(at * 7 + at / 251);
}

static void put_pattern(struct world *world, struct str key, size_t size, bool commit)
{
    struct object_io_stored stored;
    struct object_io_problem problem = {0};
    world_begin(world);
    struct object_io_writer *writer = object_io_writer_new(&world->call);
    char piece[1000];
    for (size_t at = 0; at < size;) {
        size_t more = size - at < sizeof piece ? size - at : sizeof piece;
        for (size_t i = 0; i < more; i++)
            piece[i] = pattern_at(at + i);
        assert_int_equal(object_io_write(writer, str_make(piece, more)), RESULT_OK);
        at += more;
    }
    const struct object_io_put put = {
        .bucket = STR("exports"), .key = key, .content_type = STR("text/plain")};
    assert_int_equal(object_io_put(writer, &world->caller, &put, &stored, &problem), RESULT_OK);
    assert_int_equal(stored.size, size);
    assert_int_equal(stored.etag.len, 32);
    world_end(world, commit);
}

static void check_pattern(struct world *world, struct str key, size_t size)
{
    struct object_io_reader *reader;
    struct object_io_found found;
    struct object_io_problem problem = {0};
    world_begin(world);
    const struct object_io_get get = {.bucket = STR("exports"), .key = key};
    assert_int_equal(object_io_open(&world->call, &world->caller, &get, &reader, &found, &problem),
                     RESULT_OK);
    assert_int_equal(found.size, size);
    char room[70001];
    size_t got;
    uint64_t at = 0;
    do {
        assert_int_equal(object_io_read(reader, room, sizeof room, &got), RESULT_OK);
        for (size_t i = 0; i < got; i++)
            if (room[i] != pattern_at(at + i))
                fail_msg("byte %llu differs", (unsigned long long)(at + i));
        at += got;
    } while (got > 0);
    assert_int_equal(at, size);
    object_io_seek(reader, size / 2);
    assert_int_equal(object_io_read(reader, room, 1, &got), RESULT_OK);
    assert_int_equal(got, size > 0);
    if (size > 0)
        assert_int_equal(room[0], pattern_at(size / 2));
    object_io_seek(reader, size + 5);
    assert_int_equal(object_io_read(reader, room, 1, &got), RESULT_OK);
    assert_int_equal(got, 0);
    world_end(world, false);
}

static void test_sizes(void **state)
{
    struct world *world = *state;
    static const size_t sizes[] = {0, 1, 8192, 8193, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct str key = str_format(world->lb.arena, "of-%zu", sizes[i]);
        put_pattern(world, key, sizes[i], true);
        check_pattern(world, key, sizes[i]);
    }
}

/* What a client sees is what was put. */
static void test_seen_by_clients(void **state)
{
    struct world *world = *state;
    put_pattern(world, STR("a/b"), 20000, true);
    const struct s3_HeadObjectRequest in = {.Bucket = STR("exports"), .Key = STR("a/b")};
    const struct s3_HeadObjectOutput *out =
        loopback_ok(loopback_call(&world->lb, &s3_model, S3_OP_HeadObject, &in));
    assert_int_equal(out->ContentLength.value, 20000);
    assert_true(str_eq(out->ContentType, STR("text/plain")));
}

static void test_nothing_of_what_is_rolled_back(void **state)
{
    struct world *world = *state;
    put_pattern(world, STR("gone"), 100000, false);
    const struct s3_HeadObjectRequest in = {.Bucket = STR("exports"), .Key = STR("gone")};
    loopback_error(loopback_call(&world->lb, &s3_model, S3_OP_HeadObject, &in), "NoSuchKey", NULL);
}

static struct str upload_part(struct world *world, struct str id, int32_t number, bool in_memory)
{
    struct call_payload payload = {
        .present = true, .size = PART_SIZE, .digested = true, .checksum = DIGEST_CRC64NVME};
    char *bytes = arena_alloc(world->call.arena, PART_SIZE);
    for (size_t i = 0; i < PART_SIZE; i++)
        bytes[i] = pattern_at((uint64_t)(number - 1) * PART_SIZE + i);
    digest_md5(str_make(bytes, PART_SIZE), payload.md5);
    payload.in_memory = in_memory;
    payload.bytes = str_make(bytes, PART_SIZE);
    if (!in_memory) {
        struct blob_writer *file;
        assert_int_equal(blob_create(world->lb.cloud->blobs, &file), RESULT_OK);
        assert_int_equal(blob_append(file, payload.bytes), RESULT_OK);
        assert_int_equal(blob_publish(file, &payload.blob, &payload.size), RESULT_OK);
    }
    const struct s3_UploadPartRequest in = {.Bucket = STR("exports"),
                                            .Key = STR("parts"),
                                            .UploadId = id,
                                            .PartNumber = opt_int(number)};
    const struct call_invocation invocation = {.model = &s3_model,
                                               .operation = S3_OP_UploadPart,
                                               .in = &in,
                                               .principal = world->caller.principal,
                                               .account = world->lb.account,
                                               .region = STR("us-west-2"),
                                               .payload = &payload};
    const void *out;
    uint32_t error;
    struct str message;
    assert_int_equal(call_invoke(&world->call, &invocation, &out, &error, &message), RESULT_OK);
    return str_copy(world->lb.arena, ((const struct s3_UploadPartOutput *)out)->ETag);
}

static void test_many_pieces(void **state)
{
    struct world *world = *state;
    const struct s3_CreateMultipartUploadRequest create = {.Bucket = STR("exports"),
                                                           .Key = STR("parts")};
    const struct s3_CreateMultipartUploadOutput *made =
        loopback_ok(loopback_call(&world->lb, &s3_model, S3_OP_CreateMultipartUpload, &create));
    struct s3_CompletedPart parts[3] = {0};
    world_begin(world);
    for (int32_t i = 0; i < 3; i++) {
        parts[i].PartNumber = opt_int(i + 1);
        parts[i].ETag = upload_part(world, made->UploadId, i + 1, i == 1);
    }
    world_end(world, true);
    struct s3_CompletedMultipartUpload all = {.Parts = {parts, 3}};
    const struct s3_CompleteMultipartUploadRequest complete = {.Bucket = STR("exports"),
                                                               .Key = STR("parts"),
                                                               .UploadId = made->UploadId,
                                                               .MultipartUpload = &all};
    loopback_ok(loopback_call(&world->lb, &s3_model, S3_OP_CompleteMultipartUpload, &complete));
    check_pattern(world, STR("parts"), (size_t)3 * PART_SIZE);
}

static void test_list(void **state)
{
    struct world *world = *state;
    static const char *const keys[] = {"in/1", "in/2", "in/3", "out/1"};
    struct object_io_name *names;
    struct object_io_problem problem = {0};
    size_t count;
    bool more;
    for (size_t i = 0; i < 4; i++)
        put_pattern(world, str_from_c(keys[i]), i, true);
    world_begin(world);
    const struct object_io_list list = {
        .bucket = STR("exports"), .prefix = STR("in/"), .after = STR("in/1")};
    assert_int_equal(
        object_io_list(&world->call, &world->caller, &list, &names, &count, &more, &problem),
        RESULT_OK);
    assert_int_equal(count, 2);
    assert_false(more);
    assert_true(str_eq(names[0].key, STR("in/2")));
    assert_int_equal(names[1].size, 2);
    world_end(world, false);
}

static void test_refusals(void **state)
{
    struct world *world = *state;
    struct object_io_problem problem = {0};
    struct object_io_stored stored;
    struct object_io_reader *reader;
    struct object_io_found found;
    world_begin(world);
    struct object_io_put put = {.bucket = STR("nowhere"), .key = STR("k")};
    assert_int_equal(
        object_io_put_bytes(&world->call, &world->caller, &put, STR("x"), &stored, &problem),
        RESULT_ERROR);
    assert_true(str_eq(problem.code, STR("NoSuchBucket")));
    const struct object_io_get get = {.bucket = STR("exports"), .key = STR("k")};
    assert_int_equal(object_io_open(&world->call, &world->caller, &get, &reader, &found, &problem),
                     RESULT_ERROR);
    assert_true(str_eq(problem.code, STR("NoSuchKey")));
    struct object_io_caller other = world->caller;
    other.principal.account = STR("111111111111");
    other.principal.arn = STR("arn:aws:iam::111111111111:root");
    put.bucket = STR("exports");
    assert_int_equal(object_io_put_bytes(&world->call, &other, &put, STR("x"), &stored, &problem),
                     RESULT_ERROR);
    assert_true(str_eq(problem.code, STR("AccessDenied")));
    world_end(world, true);
}

static void test_kept_principal(void **state)
{
    struct world *world = *state;
    struct str bytes;
    struct principal back;
    world_begin(world);
    world->call.principal = (struct principal){.kind = PRINCIPAL_USER,
                                               .account = STR("111111111111"),
                                               .arn = STR("arn:aws:iam::111111111111:user/ann"),
                                               .user_id = STR("AIDA1"),
                                               .access_key = STR("AKIA1"),
                                               .name = STR("ann")};
    assert_int_equal(object_io_principal_keep(&world->call, &bytes), RESULT_OK);
    assert_int_equal(object_io_principal_read(world->call.arena, bytes, &back), RESULT_OK);
    assert_int_equal(back.kind, PRINCIPAL_USER);
    assert_true(str_eq(back.arn, world->call.principal.arn));
    assert_true(str_eq(back.name, STR("ann")));
    assert_true(str_eq(back.access_key, STR("AKIA1")));
    const struct session session = {.issued_ms = 5,
                                    .expires_ms = 7,
                                    .role_arn = STR("arn:aws:iam::111111111111:role/r"),
                                    .name = STR("s")};
    world->call.principal.kind = PRINCIPAL_ROLE_SESSION;
    world->call.principal.session = &session;
    assert_int_equal(object_io_principal_keep(&world->call, &bytes), RESULT_OK);
    assert_int_equal(object_io_principal_read(world->call.arena, bytes, &back), RESULT_OK);
    assert_int_equal(back.kind, PRINCIPAL_ROLE_SESSION);
    assert_true(str_eq(back.access_key, STR("AKIA1")));
    assert_int_equal(back.session->expires_ms, 7);
    assert_true(str_eq(back.session->role_arn, session.role_arn));
    assert_int_equal(object_io_principal_read(world->call.arena, STR("\x01\xff"), &back),
                     RESULT_FAULT);
    world_end(world, false);
}

int main(void)
{
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_sizes),
        WITH_WORLD(test_seen_by_clients),
        WITH_WORLD(test_nothing_of_what_is_rolled_back),
        WITH_WORLD(test_many_pieces),
        WITH_WORLD(test_list),
        WITH_WORLD(test_refusals),
        WITH_WORLD(test_kept_principal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
