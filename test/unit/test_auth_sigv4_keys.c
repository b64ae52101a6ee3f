#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth_support.h"

/* ---- signing keys ---- */

static struct sigv4_key_name key_name(struct auth_fixture *f, uint64_t i)
{
    return (struct sigv4_key_name){
        .secret = str_format(f->arena, "secret-%d", (int)(i % 7)),
        .date = str_format(f->arena, "2026%04d", (int)(i / 7 % 365)),
        .region = str_format(f->arena, "region-%d", (int)(i / 2555)),
        .service = STR("sqs"),
    };
}

static void test_key_cache(void **state)
{
    struct auth_fixture *f = *state;
    struct sigv4_key key, found;
    enum { NAMES = 5000 };
    for (uint64_t i = 0; i < NAMES; i++) {
        struct sigv4_key_name name = key_name(f, i);
        assert_false(sigv4_keys_find(f->keys, &name, &found));
        sigv4_key_derive(&key, &name);
        sigv4_keys_put(f->keys, &name, &key);
        assert_true(sigv4_keys_find(f->keys, &name, &found));
        assert_memory_equal(found.bytes, key.bytes, SHA256_SIZE);
    }
    int kept = 0;
    for (uint64_t i = 0; i < NAMES; i++) {
        struct sigv4_key_name name = key_name(f, i);
        if (!sigv4_keys_find(f->keys, &name, &found))
            continue;
        sigv4_key_derive(&key, &name);
        assert_memory_equal(found.bytes, key.bytes, SHA256_SIZE);
        kept++;
    }
    assert_true(kept > 900 && kept <= 1024);
}

/* The same text cut elsewhere is another name; what is too long is not kept. */
static void test_key_names(void **state)
{
    struct auth_fixture *f = *state;
    struct sigv4_key key, found;
    struct sigv4_key_name name = {STR("ab"), STR("c"), STR("d"), STR("e")};
    struct sigv4_key_name other = {STR("a"), STR("bc"), STR("d"), STR("e")};
    sigv4_key_derive(&key, &name);
    sigv4_keys_put(f->keys, &name, &key);
    assert_true(sigv4_keys_find(f->keys, &name, &found));
    assert_false(sigv4_keys_find(f->keys, &other, &found));

    char text[300];
    memset(text, 'x', sizeof(text));
    name.secret = str_make(text, sizeof(text));
    sigv4_key_derive(&key, &name);
    uint8_t expected[SHA256_SIZE], next[SHA256_SIZE];
    digest_hmac_sha256(str_concat(f->arena, STR("AWS4"), name.secret), STR("c"), expected);
    static const char *const steps[] = {"d", "e", "aws4_request"};
    for (size_t i = 0; i < 3; i++) {
        digest_hmac_sha256(str_make((const char *)expected, sizeof(expected)), str_from_c(steps[i]),
                           next);
        memcpy(expected, next, sizeof(next));
    }
    assert_memory_equal(key.bytes, expected, sizeof(expected));
    sigv4_keys_put(f->keys, &name, &key);
    assert_false(sigv4_keys_find(f->keys, &name, &found));
}

/* A request that fails leaves no key behind. */
static void test_strangers_leave_no_key(void **state)
{
    struct auth_fixture *f = *state;
    struct sigv4_key_name name = {SECRET, STR("20150830"), STR("us-east-1"), STR("sqs")};
    struct sigv4_key found;
    auth_sqs_request(f, STR("{}"), f->rules.now_ms, SQS_NAMES);
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(auth_verify(f, STR("other")), RESULT_ERROR);
    assert_false(sigv4_keys_find(f->keys, &name, &found));
    assert_int_equal(auth_verify(f, STR("{}")), RESULT_OK);
    assert_true(sigv4_keys_find(f->keys, &name, &found));
}

struct worker {
    struct auth_fixture *fixture;
    uint64_t seed;
    pthread_t thread;
    int wrong;
};

/* Finds and puts few names that all share the cache. */
static void *work(void *context)
{
    struct worker *worker = context;
    for (uint64_t i = 0; i < 3000; i++) {
        char secret[] = "secret-0";
        secret[7] = (char)('0' + (i * worker->seed) % 10);
        const struct sigv4_key_name name = {str_from_c(secret), STR("20261121"), STR("us-east-1"),
                                            STR("sqs")};
        struct sigv4_key key, found;
        sigv4_key_derive(&key, &name);
        if (!sigv4_keys_find(worker->fixture->keys, &name, &found))
            sigv4_keys_put(worker->fixture->keys, &name, &key);
        else
            worker->wrong += memcmp(found.bytes, key.bytes, SHA256_SIZE) != 0;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct worker workers[4];
    for (size_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){.fixture = *state, .seed = 2 * i + 1};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, auth_set_up, auth_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_key_cache),
        CASE(test_key_names),
        CASE(test_threads),
        CASE(test_strangers_leave_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
