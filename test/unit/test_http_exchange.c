/* Exchanges over real sockets: bodies both ways, suspension, replies. */
#include "support/http_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

static void test_bodies(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 30000, 70000, 1000000, 5000000};
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 2});
    struct client client = world_connect(world);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct str body = world_text(world, sizes[i]);
        struct sender sender;
        world_send_head(
            world, &client, "POST", "/big",
            str_to_c(world->arena, str_format(world->arena, "Content-Length: %zu\r\n", body.len)));
        sender_start(&sender, &client, body);
        struct client_reply reply = client_read(&client, STR("POST"));
        assert_true(sender_end(&sender));
        assert_int_equal(reply.status, 200);
        assert_true(str_eq(reply.body, body));

        world_send_head(world, &client, "POST", "/big", "Transfer-Encoding: chunked\r\n");
        sender_start(&sender, &client, world_chunked(world, body, 1 + sizes[i] / 7));
        reply = client_read(&client, STR("POST"));
        assert_true(sender_end(&sender));
        assert_int_equal(reply.status, 200);
        assert_true(str_eq(reply.body, body));
    }
    client_close(&client);
}

static void test_body_limit(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    world_send_head(world, &client, "POST", "/ten", "Content-Length: 10\r\n");
    assert_true(client_send(&client, STR("0123456789")));
    assert_int_equal(client_read(&client, STR("POST")).status, 200);
    /* The reply comes when the body has been read, so that the client sees it; the connection lives
     * on. */
    world_send_head(world, &client, "POST", "/ten", "Content-Length: 11\r\n");
    assert_true(client_send(&client, STR("0123456789a")));
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    world_send_head(world, &client, "POST", "/ten", "Transfer-Encoding: chunked\r\n");
    assert_true(client_send(&client, STR("8\r\n01234567\r\n3\r\nabc\r\n4\r\nmore\r\n0\r\n\r\n")));
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    world_send_head(world, &client, "POST", "/sink-ten", "Transfer-Encoding: chunked\r\n");
    assert_true(client_send(&client, STR("8\r\n01234567\r\n3\r\nabc\r\n0\r\n\r\n")));
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    /* Too long a body is answered at once. */
    world_send_head(world, &client, "POST", "/", "Content-Length: 99999999999\r\n");
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    assert_true(client_is_closed(&client));
    client_close(&client);
}

static void test_expect(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    world_send_head(world, &client, "PUT", "/", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    assert_true(client_has_more(&client));
    assert_true(client_send(&client, STR("abc")));
    struct client_reply reply = client_read(&client, STR("PUT"));
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.continues, 1);
    /* Answered by head(): no "continue", and the body is not waited for. */
    world_send_head(world, &client, "PUT", "/early",
                    "Content-Length: 3\r\nExpect: 100-continue\r\n");
    reply = client_read(&client, STR("PUT"));
    assert_int_equal(reply.status, 403);
    assert_int_equal(reply.continues, 0);
    assert_true(client_is_closed(&client));
    client_close(&client);
    client = world_connect(world);
    world_send_head(world, &client, "PUT", "/ten",
                    "Content-Length: 11\r\nExpect: 100-continue\r\n");
    reply = client_read(&client, STR("PUT"));
    assert_int_equal(reply.status, 413);
    assert_int_equal(reply.continues, 0);
    client_close(&client);
}

static void test_early(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    struct client_reply reply = world_get(world, &client, "/early");
    assert_int_equal(reply.status, 403);
    struct sender sender;
    world_send_head(world, &client, "POST", "/early", "Content-Length: 3000000\r\n");
    sender_start(&sender, &client, world_text(world, 3000000));
    assert_int_equal(client_read(&client, STR("POST")).status, 403);
    assert_true(sender_end(&sender));
    assert_int_equal(world_get(world, &client, "/").status, 200);
    /* A chunked body without an end is not read for ever. */
    world_send_head(world, &client, "POST", "/early", "Transfer-Encoding: chunked\r\n");
    struct str endless = world_chunked(world, world_text(world, 20 * 1024 * 1024), 1024 * 1024);
    sender_start(&sender, &client, endless);
    assert_int_equal(client_read(&client, STR("POST")).status, 0);
    (void)sender_end(&sender);
    client_close(&client);
    assert_int_equal(atomic_load(&world->completes), 1);
}

static void test_sink(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    struct resumer resumer;
    resumer_start(&resumer, world);
    static const char *const targets[] = {"/sink", "/sink-park"};
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&world->sunk, 0);
        struct sender sender;
        world_send_head(world, &client, "PUT", targets[i], "Content-Length: 2000000\r\n");
        sender_start(&sender, &client, world_text(world, 2000000));
        struct client_reply reply = client_read(&client, STR("PUT"));
        assert_true(sender_end(&sender));
        assert_int_equal(reply.status, 200);
        world_assert_str(reply.body, STR("2000000"));
        atomic_store(&world->sunk, 0);
        world_send_head(world, &client, "PUT", targets[i], "Transfer-Encoding: chunked\r\n");
        sender_start(&sender, &client, world_chunked(world, world_text(world, 200000), 777));
        reply = client_read(&client, STR("PUT"));
        assert_true(sender_end(&sender));
        world_assert_str(reply.body, STR("200000"));
    }
    world_send_head(world, &client, "PUT", "/sink-fail", "Content-Length: 200000\r\n");
    struct sender sender;
    sender_start(&sender, &client, world_text(world, 200000));
    assert_int_equal(client_read(&client, STR("PUT")).status, 500);
    assert_true(sender_end(&sender));
    resumer_end(&resumer);
    client_close(&client);
}

/* While the sink refuses, no more of the body is taken than buffers hold. */
static void test_back_pressure(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    world_send_head(world, &client, "PUT", "/sink-park", "Content-Length: 100000000\r\n");
    struct sender sender;
    sender_start(&sender, &client, world_text(world, 50000000));
    (void)world_wait_for_waiting(world, 1);
    world_pause_ms(100);
    assert_int_equal(atomic_load(&world->sunk), 0);
    /* The worker is free meanwhile. */
    struct client other = world_connect(world);
    assert_int_equal(world_get(world, &other, "/").status, 200);
    client_close(&other);
    (void)shutdown(client.fd, SHUT_RDWR);
    (void)sender_end(&sender);
    client_close(&client);
    /* The end of the connection stands behind data that nobody reads: it is seen once they are. */
    struct resumer resumer;
    resumer_start(&resumer, world);
    world_wait_until(&world->closes, 2);
    resumer_end(&resumer);
}

static void test_suspend(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 2});
    struct client clients[20];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            if (round == 0)
                clients[i] = world_connect(world);
            world_send_head(world, &clients[i], "POST", "/wait", "Content-Length: 3\r\n");
            assert_true(client_send(&clients[i], STR("abc")));
        }
        assert_int_equal(world_wait_for_waiting(world, 20), 20);
        assert_int_equal(world_resume_all(world), 20);
        for (int i = 0; i < 20; i++) {
            struct client_reply reply = client_read(&clients[i], STR("POST"));
            assert_int_equal(reply.status, 200);
            world_assert_str(reply.body, STR("abc"));
        }
    }
    assert_int_equal(atomic_load(&world->completes), 120);
    for (int i = 0; i < 20; i++)
        client_close(&clients[i]);
}

static void test_resumed_before(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    assert_int_equal(world_get(world, &client, "/at-once?5").status, 200);
    assert_int_equal(atomic_load(&world->completes), 6);
    client_close(&client);
}

static void test_race(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 2});
    struct resumer resumers[2];
    resumer_start(&resumers[0], world);
    resumer_start(&resumers[1], world);
    enum { CLIENTS = 8 };
    struct client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = world_connect(world);
        for (int k = 0; k < 5; k++)
            world_send_head(world, &clients[i], "GET", "/race?300", "");
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < 5; k++)
            assert_int_equal(client_read(&clients[i], STR("GET")).status, 200);
        client_close(&clients[i]);
    }
    resumer_end(&resumers[0]);
    resumer_end(&resumers[1]);
    assert_true(atomic_load(&world->completes) >= CLIENTS * 5 * 301);
}

static void test_pull(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    struct resumer resumer;
    resumer_start(&resumer, world);
    static const char *const targets[] = {"/pull?0",
                                          "/pull?1000000",
                                          "/pull-chunked?0",
                                          "/pull-chunked?1000000",
                                          "/pull-wait?1000000",
                                          "/pull-wait?0"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct client_reply reply = world_get(world, &client, targets[i]);
        assert_int_equal(reply.status, 200);
        assert_true(reply.whole);
        assert_int_equal(reply.body.len, targets[i][strlen(targets[i]) - 2] == '?' ? 0 : 1000000);
    }
    resumer_end(&resumer);
    /* What ends early does not look whole. */
    assert_false(world_get(world, &client, "/pull-short?100000").whole);
    client_close(&client);
    client = world_connect(world);
    assert_false(world_get(world, &client, "/pull-fail?1000000").whole);
    client_close(&client);
    client = world_connect(world);
    world_send_head(world, &client, "HEAD", "/pull?1000000", "");
    struct client_reply reply = client_read(&client, STR("HEAD"));
    world_assert_str(client_field(&reply, STR("Content-Length")), STR("1000000"));
    assert_int_equal(world_get(world, &client, "/").status, 200);
    client_close(&client);
}

static void test_file(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    static const size_t sizes[] = {0, 1, 250000};
    for (size_t i = 0; i < 3; i++) {
        struct client_reply reply =
            world_get(world, &client,
                      str_to_c(world->arena, str_format(world->arena, "/file?%zu", sizes[i])));
        assert_int_equal(reply.status, 206);
        assert_int_equal(reply.body.len, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(reply.body.ptr[k], (char)((k + 7) % 251));
    }
    world_send_head(world, &client, "HEAD", "/file?250000", "");
    struct client_reply reply = client_read(&client, STR("HEAD"));
    world_assert_str(client_field(&reply, STR("content-length")), STR("250000"));
    assert_int_equal(world_get(world, &client, "/").status, 200);
    client_close(&client);
}

static void test_replies(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client client = world_connect(world);
    struct client_reply reply = world_get(world, &client, "/fields");
    assert_int_equal(reply.status, 200);
    world_assert_str(reply.body, STR("four"));
    world_assert_str(client_field(&reply, STR("x-meta")), STR("\xe9t\xe9 \xe3\x81\x82"));
    world_assert_str(client_field(&reply, STR("x-empty")), STR(""));
    world_assert_str(client_field(&reply, STR("content-length")), STR("4"));
    assert_true(client_field(&reply, STR("date")).len > 20);
    world_send_head(world, &client, "HEAD", "/fields", "");
    reply = client_read(&client, STR("HEAD"));
    world_assert_str(client_field(&reply, STR("content-length")), STR("4"));
    reply = world_get(world, &client, "/fields-bad");
    assert_int_equal(reply.status, 500);
    assert_true(str_is_absent(client_field(&reply, STR("X-Injected"))));
    reply = world_get(world, &client, "/status?204");
    assert_int_equal(reply.status, 204);
    assert_true(str_is_absent(client_field(&reply, STR("content-length"))));
    assert_int_equal(world_get(world, &client, "/status?304").status, 304);
    assert_int_equal(world_get(world, &client, "/status?599").status, 599);
    world_assert_str(world_get(world, &client, "/peer").body, STR("127.0.0.1 1"));
    client_close(&client);
}

/* Bodies of all connections together: a second large one is refused while the first is held. */
static void test_buffer_total(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1, .buffer_total = 100 * 1000});
    struct client first = world_connect(world);
    struct client second = world_connect(world);
    struct str half = str_make(arena_alloc(world->arena, 60 * 1000), 60 * 1000);
    world_send_head(world, &first, "POST", "/big", "Content-Length: 60001\r\n");
    assert_true(client_send(&first, half));
    /* The first is answered for a request of its own once it is whole, so it is still held here. */
    assert_int_equal(world_get(world, &second, "/status?204").status, 204);
    world_send_head(world, &second, "POST", "/big", "Content-Length: 60000\r\n");
    assert_true(client_send(&second, half));
    assert_int_equal(client_read(&second, STR("POST")).status, 503);
    assert_true(client_send(&first, STR("x")));
    assert_int_equal(client_read(&first, STR("POST")).status, 200);
    client_close(&first);
    client_close(&second);
    second = world_connect(world);
    world_send_head(world, &second, "POST", "/big", "Content-Length: 60000\r\n");
    assert_true(client_send(&second, half));
    assert_int_equal(client_read(&second, STR("POST")).status, 200);
    client_close(&second);
}

int main(void)
{
    (void)printf("seed %d\n", SEED);
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_bodies),       TEST(test_body_limit),     TEST(test_expect),
        TEST(test_early),        TEST(test_sink),           TEST(test_back_pressure),
        TEST(test_suspend),      TEST(test_resumed_before), TEST(test_race),
        TEST(test_pull),         TEST(test_file),           TEST(test_replies),
        TEST(test_buffer_total),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
