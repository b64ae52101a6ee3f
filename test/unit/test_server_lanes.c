#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "server/lanes.h"

/* What a lane saw: bytes whose values count up. */
struct seen {
    uint64_t bytes;
    bool wrong;
    unsigned delay_us;
    uint64_t fail_at; /* 0: never */
};

static RESULT look(void *context, struct str bytes)
{
    struct seen *seen = context;
    for (size_t i = 0; i < bytes.len; i++)
        seen->wrong = seen->wrong || (uint8_t)bytes.ptr[i] != (uint8_t)(seen->bytes + i);
    seen->bytes += bytes.len;
    if (seen->delay_us > 0)
        usleep(seen->delay_us);
    return seen->fail_at > 0 && seen->bytes >= seen->fail_at ? RESULT_FULL : RESULT_OK;
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned wakes;
};

static void wake(void *context)
{
    struct waiter *waiter = context;
    pthread_mutex_lock(&waiter->lock);
    waiter->wakes++;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static void sleep_on(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (waiter->wakes == 0)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    waiter->wakes--;
    pthread_mutex_unlock(&waiter->lock);
}

#define WAITER                                                                                     \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                     \
    }

/* Brings `total` bytes in pieces, waiting for room; how often it waited. */
static unsigned bring(struct lanes *lanes, struct waiter *waiter, uint64_t total)
{
    static const size_t sizes[] = {1, 24 * 1024, 100, 32 * 1024 + 7, 65536};
    char piece[65536];
    uint64_t done = 0;
    unsigned waits = 0;
    for (size_t turn = 0; done < total; turn++) {
        size_t size = sizes[turn % 5] < total - done ? sizes[turn % 5] : (size_t)(total - done);
        for (size_t i = 0; i < size; i++)
            piece[i] = (char)(uint8_t)(done + i);
        while (!lanes_room(lanes, size)) {
            waits++;
            sleep_on(waiter);
        }
        lanes_put(lanes, str_make(piece, size));
        done += size;
    }
    return waits;
}

static enum result end(struct lanes *lanes, struct waiter *waiter)
{
    enum result result;
    while (!lanes_end(lanes, &result))
        sleep_on(waiter);
    return result;
}

static void test_order_and_back_pressure(void **state)
{
    (void)state;
    struct lane_pool *pool = lane_pool_new();
    for (unsigned slow = 0; slow < 3; slow++) {
        struct seen seen[3] = {0};
        struct waiter waiter = WAITER;
        seen[slow].delay_us = 3000;
        const struct lane_step steps[] = {{look, &seen[0]}, {look, &seen[1]}, {look, &seen[2]}};
        struct lanes *lanes = lanes_new(pool, steps, 3, wake, &waiter);
        assert_non_null(lanes);
        uint64_t total = 5000000 + slow;
        assert_true(bring(lanes, &waiter, total) > 0);
        assert_int_equal(end(lanes, &waiter), RESULT_OK);
        lanes_free(lanes);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(seen[i].bytes, total);
            assert_false(seen[i].wrong);
        }
    }
    lane_pool_free(pool);
}

static void test_failure(void **state)
{
    (void)state;
    struct lane_pool *pool = lane_pool_new();
    struct seen seen[2] = {{.fail_at = 1000000}, {0}};
    struct waiter waiter = WAITER;
    const struct lane_step steps[] = {{look, &seen[0]}, {look, &seen[1]}};
    struct lanes *lanes = lanes_new(pool, steps, 2, wake, &waiter);
    (void)bring(lanes, &waiter, 8000000);
    assert_int_equal(end(lanes, &waiter), RESULT_FULL);
    assert_int_equal(lanes_result(lanes), RESULT_FULL);
    assert_true(seen[0].bytes < 8000000); /* nobody works for nothing */
    lanes_free(lanes);
    lane_pool_free(pool);
}

static void test_dropped_in_the_midst(void **state)
{
    (void)state;
    struct lane_pool *pool = lane_pool_new();
    for (unsigned turn = 0; turn < 50; turn++) {
        struct seen seen[2] = {{.delay_us = 500}, {.delay_us = 100}};
        struct waiter waiter = WAITER;
        const struct lane_step steps[] = {{look, &seen[0]}, {look, &seen[1]}};
        struct lanes *lanes = lanes_new(pool, steps, 2, wake, &waiter);
        (void)bring(lanes, &waiter, 1000000);
        if (turn % 2 == 0)
            (void)lanes_room(lanes, 65536);
        lanes_free(lanes);
        seen[0] = seen[1] = (struct seen){0}; /* nobody looks at them any more */
    }
    lane_pool_free(pool);
}

struct client {
    struct lane_pool *pool;
    unsigned inline_turns;
};

static void *one_client(void *context)
{
    struct client *client = context;
    for (unsigned turn = 0; turn < 5; turn++) {
        struct seen seen[3] = {0};
        struct waiter waiter = WAITER;
        const struct lane_step steps[] = {{look, &seen[0]}, {look, &seen[1]}, {look, &seen[2]}};
        struct lanes *lanes = lanes_new(client->pool, steps, 3, wake, &waiter);
        if (lanes == NULL) {
            client->inline_turns++;
            continue;
        }
        (void)bring(lanes, &waiter, 1500000);
        enum result result = end(lanes, &waiter);
        lanes_free(lanes);
        for (size_t i = 0; i < 3; i++)
            if (result != RESULT_OK || seen[i].wrong || seen[i].bytes != 1500000)
                return client;
    }
    return NULL;
}

static void test_many_streams(void **state)
{
    (void)state;
    enum { CLIENTS = 20 };
    struct lane_pool *pool = lane_pool_new();
    struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.pool = pool};
        assert_int_equal(pthread_create(&threads[i], NULL, one_client, &clients[i]), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    lane_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_back_pressure),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_dropped_in_the_midst),
        cmocka_unit_test(test_many_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
