/* How connections end: clients that hang up or trickle, limits, the server's stop. */
#include "support/http_world.h"
#include "support/process.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A client that hangs up is noticed although it is suspended; one that sends ahead is not gone. */
static void test_gone(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct client staying = world_connect(world);
    world_send_head(world, &staying, "GET", "/wait", "");
    world_send_head(world, &staying, "GET", "/", "");
    for (int round = 0; round < 3; round++) {
        struct client client = world_connect(world);
        assert_int_equal(world_get(world, &client, "/").status, 200);
        world_send_head(world, &client, "GET", "/wait", "");
        (void)world_wait_for_waiting(world, 2);
        client_close(&client);
        world_wait_until(&world->closes, 2 * (unsigned)round + 2);
    }
    struct client pulling = world_connect(world);
    world_send_head(world, &pulling, "GET", "/pull-wait?10", "");
    (void)world_wait_for_waiting(world, 2);
    client_close(&pulling);
    world_wait_until(&world->closes, 7);
    assert_int_equal(world_resume_all(world), 1);
    assert_int_equal(client_read(&staying, STR("GET")).status, 200);
    assert_int_equal(client_read(&staying, STR("GET")).status, 200);
    client_close(&staying);
}

/* An end that comes together with data, which libmicrohttpd overlooks. */
static void test_end_with_data(void **state)
{
    static const struct str cases[] = {
        STR_INIT("GET / HT"),
        STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"),
        /* The answer is there already, and waits for the rest. */
        STR_INIT("POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"),
    };
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1, .idle_seconds = 600});
    for (size_t i = 0; i < 4; i++) {
        struct client blocking = world_connect(world), client = world_connect(world);
        world_send_head(world, &blocking, "GET", "/slow", "");
        world_pause_ms(20);
        assert_true(client_send(&client, cases[i]));
        assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
        if (i == 1)
            assert_int_equal(client_read(&client, STR("GET")).status, 200);
        assert_true(client_is_closed(&client));
        client_close(&client);
        client_close(&blocking);
    }
}

static void test_idle(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1, .idle_seconds = 1});
    struct client waiting = world_connect(world), silent = world_connect(world),
                  used = world_connect(world), slow = world_connect(world),
                  body = world_connect(world);
    world_send_head(world, &waiting, "GET", "/wait", "");
    assert_int_equal(world_get(world, &used, "/").status, 200);
    world_send_head(world, &body, "POST", "/", "Content-Length: 1000\r\n");
    /* Something comes every 100 ms, and still these two do not get on. */
    bool slow_goes_on = client_send(&slow, STR("GET /")), body_goes_on = true;
    for (int i = 0; i < 400 && (slow_goes_on || body_goes_on); i++) {
        slow_goes_on = slow_goes_on && client_send(&slow, STR("a"));
        body_goes_on = body_goes_on && client_send(&body, STR("aa"));
        world_pause_ms(100);
    }
    assert_false(slow_goes_on || body_goes_on);
    assert_true(client_is_closed(&slow));
    assert_true(client_is_closed(&body));
    assert_true(client_is_closed(&silent));
    assert_true(client_is_closed(&used));
    assert_int_equal(world_resume_all(world), 1);
    assert_int_equal(client_read(&waiting, STR("GET")).status, 200);
    client_close(&waiting);
    client_close(&silent);
    client_close(&used);
    client_close(&slow);
    client_close(&body);
}

/* The clock of the watcher stands while nobody is connected: whoever comes then has his time. */
static void test_idle_after_a_sleep(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1, .idle_seconds = 4});
    struct client first = world_connect(world);
    assert_int_equal(world_get(world, &first, "/").status, 200);
    client_close(&first);
    world_pause_ms(5500);
    struct client late = world_connect(world);
    world_pause_ms(900);
    assert_int_equal(world_get(world, &late, "/").status, 200);
    assert_true(client_is_closed(&late));
    client_close(&late);
}

static void test_connection_limits(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1, .connections_per_address = 2});
    struct client first = world_connect(world), second = world_connect(world);
    assert_int_equal(world_get(world, &first, "/").status, 200);
    assert_int_equal(world_get(world, &second, "/").status, 200);
    assert_int_equal(http_server_connections(world->server), 2);
    struct client third = world_connect(world);
    assert_true(client_is_closed(&third));
    client_close(&third);
    client_close(&first);
    for (int i = 0; i < 2000 && http_server_connections(world->server) > 1; i++)
        world_pause_ms(1);
    third = world_connect(world);
    assert_int_equal(world_get(world, &third, "/").status, 200);
    client_close(&third);
    client_close(&second);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is being answered is answered; whoever waits is closed, not waited for. */
static void test_stop(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 2});
    struct client clients[50];
    for (int i = 0; i < 50; i++) {
        clients[i] = world_connect(world);
        world_send_head(world, &clients[i], "GET", i % 2 == 0 ? "/wait" : "/pull-wait?100", "");
    }
    (void)world_wait_for_waiting(world, 50);
    struct client idle = world_connect(world), slow = world_connect(world);
    assert_int_equal(world_get(world, &idle, "/").status, 200);
    world_send_head(world, &slow, "GET", "/slow", "");
    world_wait_until(&world->heads, 52);
    int64_t begin = now_ms();
    http_server_stop(world->server, 20000);
    world->server = NULL;
    assert_true(now_ms() - begin < 15000);
    struct client_reply reply = client_read(&slow, STR("GET"));
    assert_int_equal(reply.status, 200);
    world_assert_str(client_field(&reply, STR("connection")), STR("close"));
    assert_true(client_is_closed(&idle));
    for (int i = 0; i < 50; i++)
        client_close(&clients[i]);
    client_close(&idle);
    client_close(&slow);
}

static size_t count_lines(FILE *file)
{
    size_t count = 0;
    rewind(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        count += c == '\n';
    return count;
}

/* Whoever is connected is answered, whoever comes waits, nothing spins, and one line says so. A
 * connection that stays must not keep its worker from accepting again. */
static void test_no_descriptors(void **state)
{
    enum { THREADS = 2, NEW = 4 };
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = THREADS});
    FILE *log = tmpfile();
    assert_non_null(log);
    log_set_file(fileno(log));
    struct client old = world_connect(world), waiting[NEW];
    assert_int_equal(world_get(world, &old, "/").status, 200);
    for (size_t i = 0; i < NEW; i++)
        waiting[i] = client_unconnected(world->arena);
    struct rlimit before = process_take_descriptors();
    for (size_t i = 0; i < NEW; i++) {
        client_reach(&waiting[i], http_server_port(world->server));
        world_send_head(world, &waiting[i], "GET", "/", "");
    }
    uint64_t spent = process_cpu_ms();
    bool answered = true;
    for (int i = 0; i < 20; i++) {
        answered = answered && world_get(world, &old, "/").status == 200;
        world_pause_ms(50);
    }
    spent = process_cpu_ms() - spent;
    process_set_limit(before);
    log_set_file(-1);
    assert_true(answered);
    assert_true(spent < 500);
    assert_int_equal(count_lines(log), 1);
    for (size_t i = 0; i < NEW; i++) {
        assert_int_equal(client_read(&waiting[i], STR("GET")).status, 200);
        client_close(&waiting[i]);
    }
    client_close(&old);
    (void)fclose(log);
}

static void test_start_errors(void **state)
{
    struct world *world = *state;
    world_start(world, (struct http_config){.threads = 1});
    struct str message = {0};
    struct http_server *server;
    struct http_config config = {.address = STR("127.0.0.1"),
                                 .port = http_server_port(world->server)};
    assert_int_equal(http_server_start(&config, &server, &message, world->arena), RESULT_ERROR);
    assert_true(str_ends_with(message, STR("Address already in use")));
    config = (struct http_config){.address = STR("nowhere")};
    assert_int_equal(http_server_start(&config, &server, &message, world->arena), RESULT_ERROR);
    world_assert_str(message, STR("cannot listen on nowhere port 0: not an IP address"));
    config = (struct http_config){
        .address = STR("127.0.0.1"), .tls_certificate = STR("rubbish"), .tls_key = STR("rubbish")};
    assert_int_equal(http_server_start(&config, &server, &message, world->arena), RESULT_ERROR);
    assert_true(str_find(message, STR("certificate")) != SIZE_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_gone),
        TEST(test_end_with_data),
        TEST(test_idle),
        TEST(test_idle_after_a_sleep),
        TEST(test_connection_limits),
        TEST(test_stop),
        TEST(test_no_descriptors),
        TEST(test_start_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
