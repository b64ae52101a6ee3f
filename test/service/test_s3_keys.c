/* The cloud's keys, and S3's objects under a customer's key: what a disabled key opens no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cloud/keys.h"
#include "gen/iam.h"
#include "gen/s3.h"
#include "support/loopback.h"

static int setup(void **state)
{
    struct loopback *lb = heap_alloc(sizeof *lb);
    loopback_open(lb);
    *state = lb;
    return 0;
}

static int teardown(void **state)
{
    loopback_close(*state);
    heap_free(*state);
    return 0;
}

/* A call in a transaction of its own. */
static struct call begin(struct loopback *lb)
{
    struct call call = {
        .arena = lb->arena,
        .cloud = lb->cloud,
        .model = &s3_model,
        .account = lb->account,
        .region = lb->region,
        .partition = STR("aws"),
        .now_ms = loopback_now(lb),
    };
    assert_int_equal(kv_begin(lb->cloud->kv, true, &call.txn), RESULT_OK);
    return call;
}

static void end(struct call *call)
{
    assert_int_equal(kv_commit(call->txn), RESULT_OK);
}

static struct str_map context_of(struct str_map_entry *entries, size_t count)
{
    return (struct str_map){entries, count};
}

static void test_sealing(void **state)
{
    struct loopback *lb = *state;
    struct str_map_entry ab[] = {{STR("a"), STR("1")}, {STR("b"), STR("2")}};
    struct str_map_entry ba[] = {{STR("b"), STR("2")}, {STR("a"), STR("1")}};
    struct str_map one = context_of(ab, 2), same = context_of(ba, 2), other = context_of(ab, 1);
    struct keys_problem problem = {0};
    struct keys_key key, by;
    struct str secret, sealed, generated;
    uint8_t data_key[KEYS_DATA];
    struct call call = begin(lb);
    assert_int_equal(keys_create(&call, lb->account, lb->region, &key), RESULT_OK);
    assert_false(key.of_service);
    sealed = keys_seal(&call, &key, &one, STR("the secret"));
    keys_generate(&call, &key, NULL, data_key, &generated);
    assert_int_equal(str_find(sealed, STR("secret")), SIZE_MAX);
    end(&call);
    loopback_reopen(lb); /* the root key is the same */
    call = begin(lb);
    assert_int_equal(keys_open(&call, sealed, &same, &secret, &by, &problem), RESULT_OK);
    assert_true(str_eq(secret, STR("the secret")));
    assert_true(str_eq(by.arn, key.arn));
    assert_int_equal(keys_open(&call, generated, NULL, &secret, &by, &problem), RESULT_OK);
    assert_int_equal(secret.len, KEYS_DATA);
    assert_memory_equal(secret.ptr, data_key, KEYS_DATA);
    assert_int_equal(keys_open(&call, sealed, &other, &secret, &by, &problem), RESULT_ERROR);
    assert_int_equal(problem.fault, KEYS_INVALID_CIPHERTEXT);
    for (size_t i = 0; i < sealed.len; i++) {
        char *bad = arena_alloc(lb->arena, sealed.len);
        memcpy(bad, sealed.ptr, sealed.len);
        bad[i] = (char)(bad[i] ^ 1);
        struct str text = str_make(bad, sealed.len);
        assert_int_equal(keys_open(&call, text, &one, &secret, &by, &problem), RESULT_ERROR);
    }
    assert_int_equal(keys_set_disabled(&call, &key, true), RESULT_OK);
    assert_int_equal(keys_open(&call, sealed, &one, &secret, &by, &problem), RESULT_ERROR);
    assert_int_equal(problem.fault, KEYS_DISABLED);
    end(&call);
}

static void test_names(void **state)
{
    struct loopback *lb = *state;
    struct keys_problem problem = {0};
    struct keys_key key, found;
    struct call call = begin(lb);
    assert_int_equal(keys_create(&call, lb->account, lb->region, &key), RESULT_OK);
    const struct str good[] = {key.id, key.arn};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(keys_find(&call, lb->account, lb->region, good[i], &found, &problem),
                         RESULT_OK);
        assert_true(str_eq(found.arn, key.arn));
    }
    const struct str bad[] = {STR("alias/none"), STR("no-id"), STR("arn:aws:kms"),
                              STR("arn:aws:kms:eu-west-1:000000000000:key/x")};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(keys_find(&call, lb->account, lb->region, bad[i], &found, &problem),
                         RESULT_ERROR);
        assert_int_equal(problem.fault, KEYS_NOT_FOUND);
    }
    /* AWS's own is made when it is wanted, once. */
    struct str alias = STR("alias/aws/s3");
    assert_int_equal(keys_find(&call, lb->account, lb->region, alias, &found, &problem), RESULT_OK);
    assert_true(found.of_service);
    struct str arn = found.arn;
    assert_int_equal(keys_find(&call, lb->account, lb->region, alias, &found, &problem), RESULT_OK);
    assert_true(str_eq(found.arn, arn));
    end(&call);
}

static struct loopback_reply get(struct loopback *lb, struct str key)
{
    const struct s3_GetObjectRequest in = {.Bucket = STR("bucket"), .Key = key};
    return loopback_call(lb, &s3_model, S3_OP_GetObject, &in);
}

static void test_customers_key(void **state)
{
    struct loopback *lb = *state;
    const struct s3_CreateBucketRequest create = {.Bucket = STR("bucket")};
    struct keys_key key;
    loopback_ok(loopback_call(lb, &s3_model, S3_OP_CreateBucket, &create));
    struct call call = begin(lb);
    assert_int_equal(keys_create(&call, lb->account, lb->region, &key), RESULT_OK);
    end(&call);
    const bool bucket_keys[] = {false, true};
    for (size_t i = 0; i < 2; i++) {
        const struct s3_PutObjectRequest put = {
            .Bucket = STR("bucket"),
            .Key = i == 0 ? STR("a") : STR("b"),
            .ServerSideEncryption = STR("aws:kms"),
            .SSEKMSKeyId = key.arn,
            .BucketKeyEnabled = opt_bool(bucket_keys[i]),
        };
        const struct s3_PutObjectOutput *out =
            loopback_ok(loopback_call(lb, &s3_model, S3_OP_PutObject, &put));
        assert_true(str_eq(out->SSEKMSKeyId, key.arn));
        loopback_ok(get(lb, put.Key));
    }
    call = begin(lb);
    assert_int_equal(keys_set_disabled(&call, &key, true), RESULT_OK);
    end(&call);
    loopback_error(get(lb, STR("a")), "KmsDisabled", NULL);
    loopback_error(get(lb, STR("b")), "KmsDisabled", NULL);
    call = begin(lb);
    assert_int_equal(keys_set_disabled(&call, &key, false), RESULT_OK);
    end(&call);
    loopback_ok(get(lb, STR("a")));
    loopback_ok(get(lb, STR("b")));
    /* Another account may not use it. */
    const struct s3_PutObjectRequest put = {.Bucket = STR("theirs"),
                                            .Key = STR("k"),
                                            .ServerSideEncryption = STR("aws:kms"),
                                            .SSEKMSKeyId = key.arn};
    const struct s3_CreateBucketRequest theirs = {.Bucket = STR("theirs")};
    lb->account = STR("111111111111");
    loopback_ok(loopback_call(lb, &s3_model, S3_OP_CreateBucket, &theirs));
    loopback_error(loopback_call(lb, &s3_model, S3_OP_PutObject, &put), "AccessDenied", NULL);
}

static void allow(struct loopback *lb, const char *actions)
{
    const struct iam_PutUserPolicyRequest policy = {
        .UserName = STR("alice"),
        .PolicyName = STR("p"),
        .PolicyDocument =
            str_format(lb->arena,
                       "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                       "\"Action\":[%s],\"Resource\":\"*\"}]}",
                       actions),
    };
    lb->user = (struct str){0};
    loopback_ok(loopback_call(lb, &iam_model, IAM_OP_PutUserPolicy, &policy));
    lb->user = STR("alice");
}

/* Whoever may use S3 may use aws/s3; a customer's key asks for its own actions. */
static void test_permissions(void **state)
{
    struct loopback *lb = *state;
    const struct s3_CreateBucketRequest create = {.Bucket = STR("bucket")};
    const struct iam_CreateUserRequest user = {.UserName = STR("alice")};
    struct keys_key key;
    loopback_ok(loopback_call(lb, &s3_model, S3_OP_CreateBucket, &create));
    loopback_ok(loopback_call(lb, &iam_model, IAM_OP_CreateUser, &user));
    struct call call = begin(lb);
    assert_int_equal(keys_create(&call, lb->account, lb->region, &key), RESULT_OK);
    end(&call);
    struct s3_PutObjectRequest put = {
        .Bucket = STR("bucket"), .Key = STR("k"), .ServerSideEncryption = STR("aws:kms")};
    allow(lb, "\"s3:*\"");
    loopback_ok(loopback_call(lb, &s3_model, S3_OP_PutObject, &put));
    loopback_ok(get(lb, STR("k")));
    put.SSEKMSKeyId = key.arn;
    loopback_error(loopback_call(lb, &s3_model, S3_OP_PutObject, &put), "AccessDenied", NULL);
    allow(lb, "\"s3:*\",\"kms:GenerateDataKey\"");
    loopback_ok(loopback_call(lb, &s3_model, S3_OP_PutObject, &put));
    loopback_error(get(lb, STR("k")), "AccessDenied", NULL);
    allow(lb, "\"s3:*\",\"kms:Decrypt\"");
    loopback_ok(get(lb, STR("k")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sealing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_customers_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_permissions, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
