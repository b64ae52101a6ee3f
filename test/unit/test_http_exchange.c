/* Exchanges over real sockets: bodies both ways, suspension, limits, ends. The path says what the
 * handler does. */
#include "base/buf.h"
#include "http/http.h"
#include "support/http_client.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAITERS = 256, SEED = 20261121 };

struct world {
    struct arena *arena;
    struct http_server *server;
    _Atomic unsigned heads, closes, completes;
    _Atomic size_t sunk;
    pthread_mutex_t lock;
    struct http_exchange *waiting[WAITERS];
    size_t waiting_count;
};

static bool is(const struct http_exchange *exchange, const char *path)
{
    return str_eq(exchange->path, str_from_c(path));
}

static uint64_t number_of(const struct http_exchange *exchange)
{
    uint64_t number = 0;
    if (!str_to_u64(exchange->query, &number))
        abort();
    return number;
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static void answer(struct http_exchange *exchange, unsigned status, struct str body)
{
    http_respond(exchange, status, NULL, 0, &(struct http_body){.bytes = body});
}

static void enlist(struct world *world, struct http_exchange *exchange)
{
    (void)pthread_mutex_lock(&world->lock);
    if (world->waiting_count == WAITERS)
        abort();
    world->waiting[world->waiting_count++] = exchange;
    (void)pthread_mutex_unlock(&world->lock);
}

static size_t resume_all(struct world *world)
{
    (void)pthread_mutex_lock(&world->lock);
    size_t count = world->waiting_count;
    for (size_t i = 0; i < count; i++)
        http_resume(world->waiting[i]);
    world->waiting_count = 0;
    (void)pthread_mutex_unlock(&world->lock);
    return count;
}

static void forget(struct world *world, struct http_exchange *exchange)
{
    (void)pthread_mutex_lock(&world->lock);
    for (size_t i = 0; i < world->waiting_count; i++) {
        if (world->waiting[i] == exchange)
            world->waiting[i--] = world->waiting[--world->waiting_count];
    }
    (void)pthread_mutex_unlock(&world->lock);
}

static void on_head(void *context, struct http_exchange *exchange)
{
    struct world *world = context;
    atomic_fetch_add(&world->heads, 1);
    if (is(exchange, "/early"))
        answer(exchange, 403, STR("no"));
    if (is(exchange, "/ten"))
        exchange->body_limit = 10;
    if (is(exchange, "/big"))
        exchange->body_limit = 64 * 1024 * 1024;
    if (str_starts_with(exchange->path, STR("/sink")))
        exchange->body_sink = true;
    if (is(exchange, "/sink-ten"))
        exchange->body_limit = 10;
}

static enum result on_sink(void *context, struct http_exchange *exchange, struct str piece)
{
    struct world *world = context;
    if (is(exchange, "/sink-fail"))
        return RESULT_ERROR;
    /* Every piece is refused once. */
    if (is(exchange, "/sink-park") && (exchange->user = exchange->user ? NULL : world) != NULL) {
        enlist(world, exchange);
        return RESULT_PARK;
    }
    atomic_fetch_add(&world->sunk, piece.len);
    return RESULT_OK;
}

struct pull {
    uint64_t left;
    bool waits, fails;
    unsigned calls;
};

static int64_t on_pull(void *context, struct http_exchange *exchange, char *out, size_t size)
{
    struct pull *pull = exchange->user;
    pull->calls++;
    if (pull->waits && pull->calls % 2 == 1) {
        enlist(context, exchange);
        return HTTP_BODY_WAIT;
    }
    if (pull->fails && pull->calls > 2)
        return -1;
    size_t count = pull->left < size ? (size_t)pull->left : size;
    memset(out, 'p', count);
    pull->left -= count;
    return (int64_t)count;
}

static void pull_reply(struct world *world, struct http_exchange *exchange)
{
    struct pull *pull = ARENA_NEW(exchange->arena, struct pull);
    uint64_t length = number_of(exchange);
    *pull = (struct pull){
        .left = is(exchange, "/pull-short") ? length / 2 : length,
        .waits = is(exchange, "/pull-wait"),
        .fails = is(exchange, "/pull-fail"),
    };
    exchange->user = pull;
    bool chunked = is(exchange, "/pull-chunked") || is(exchange, "/pull-wait");
    http_respond(exchange, 200, NULL, 0,
                 &(struct http_body){.pull = on_pull,
                                     .pull_context = world,
                                     .length = chunked ? UINT64_MAX : length});
}

/* A file of the bytes 0, 1, 2 ... 250 again and again; the query is the length of the range, from 7
 * on. */
static void file_reply(struct http_exchange *exchange)
{
    char path[] = "/tmp/kumoniwa-test-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0)
        abort();
    for (size_t i = 0; i < 300000;) {
        char bytes[1000];
        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (char)(i++ % 251);
        if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
            abort();
    }
    http_respond(
        exchange, 206, NULL, 0,
        &(struct http_body){.is_file = true, .fd = fd, .offset = 7, .length = number_of(exchange)});
}

static void fields_reply(struct http_exchange *exchange)
{
    static const struct http_field good[] = {
        {STR_INIT("X-Meta"), STR_INIT("\xe9t\xe9 \xe3\x81\x82")},
        {STR_INIT("X-Empty"), STR_INIT("")},
        {STR_INIT("X-Two"), STR_INIT("1")},
        {STR_INIT("X-Two"), STR_INIT("2")},
        {STR_INIT("Content-Length"), STR_INIT("1")},
        {STR_INIT("Date"), STR_INIT("never")},
    };
    static const struct http_field bad[] = {{STR_INIT("X-Bad"), STR_INIT("a\r\nX-Injected: b")}};
    if (is(exchange, "/fields"))
        http_respond(exchange, 200, good, 6, &(struct http_body){.bytes = STR("four")});
    else
        http_respond(exchange, 200, bad, 1, &(struct http_body){.bytes = STR("four")});
}

static bool waits(struct world *world, struct http_exchange *exchange)
{
    if (is(exchange, "/wait") && exchange->resumed == 0) {
        enlist(world, exchange);
        http_suspend(exchange);
        return true;
    }
    /* Resumed before it is suspended, as often as the query says. */
    if (is(exchange, "/at-once") && exchange->resumed < number_of(exchange)) {
        http_resume(exchange);
        http_suspend(exchange);
        return true;
    }
    /* Resumed by another thread, as often as the query says, at any moment. */
    if (is(exchange, "/race") && exchange->resumed < number_of(exchange)) {
        enlist(world, exchange);
        http_suspend(exchange);
        return true;
    }
    return false;
}

static void on_complete(void *context, struct http_exchange *exchange)
{
    struct world *world = context;
    atomic_fetch_add(&world->completes, 1);
    if (waits(world, exchange))
        return;
    if (exchange->sink_result == RESULT_FULL)
        answer(exchange, 413, STR("full"));
    else if (exchange->sink_result != RESULT_OK)
        answer(exchange, 500, STR("failed"));
    else if (exchange->body_sink)
        answer(exchange, 200, str_format(exchange->arena, "%zu", atomic_load(&world->sunk)));
    else if (str_starts_with(exchange->path, STR("/pull")))
        pull_reply(world, exchange);
    else if (is(exchange, "/file"))
        file_reply(exchange);
    else if (str_starts_with(exchange->path, STR("/fields")))
        fields_reply(exchange);
    else if (is(exchange, "/status"))
        answer(exchange, (unsigned)number_of(exchange), STR(""));
    else if (is(exchange, "/peer"))
        answer(
            exchange, 200,
            str_format(exchange->arena, "%.*s %d", PRSTR(exchange->peer), exchange->peer_port > 0));
    else if (is(exchange, "/slow")) {
        pause_ms(200);
        answer(exchange, 200, STR("slow"));
    } else
        answer(exchange, 200, exchange->body);
}

static void on_close(void *context, struct http_exchange *exchange)
{
    struct world *world = context;
    forget(world, exchange);
    atomic_fetch_add(&world->closes, 1);
}

static void start(struct world *world, struct http_config config)
{
    config.address = STR("127.0.0.1");
    config.handler = (struct http_handler){.context = world,
                                           .head = on_head,
                                           .sink = on_sink,
                                           .complete = on_complete,
                                           .close = on_close};
    struct str message;
    assert_int_equal(http_server_start(&config, &world->server, &message, world->arena), RESULT_OK);
}

static int set_up(void **state)
{
    struct arena *arena = arena_new(0);
    struct world *world = ARENA_NEW(arena, struct world);
    world->arena = arena;
    (void)pthread_mutex_init(&world->lock, NULL);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    if (world->server != NULL)
        http_server_stop(world->server, 500);
    assert_int_equal(atomic_load(&world->heads), atomic_load(&world->closes));
    (void)pthread_mutex_destroy(&world->lock);
    arena_free(world->arena);
    return 0;
}

static void assert_str(struct str a, struct str b)
{
    if (!str_eq(a, b))
        fail_msg("\"%.*s\" is not \"%.*s\"", PRSTR(a), PRSTR(b));
}

static struct client connect_to(struct world *world)
{
    return client_connect(world->arena, http_server_port(world->server));
}

static void send_head(struct world *world, struct client *client, const char *method,
                      const char *target, const char *fields)
{
    struct str head =
        str_format(world->arena, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, fields);
    assert_true(client_send(client, head));
}

static struct client_reply get(struct world *world, struct client *client, const char *target)
{
    send_head(world, client, "GET", target, "");
    return client_read(client, STR("GET"));
}

static void wait_until(const _Atomic unsigned *counter, unsigned value)
{
    for (int i = 0; i < 5000 && atomic_load(counter) < value; i++)
        pause_ms(1);
    assert_int_equal(atomic_load(counter), value);
}

static size_t wait_for_waiting(struct world *world, size_t count)
{
    for (int i = 0; i < 5000; i++) {
        (void)pthread_mutex_lock(&world->lock);
        size_t waiting = world->waiting_count;
        (void)pthread_mutex_unlock(&world->lock);
        if (waiting >= count)
            return waiting;
        pause_ms(1);
    }
    fail_msg("nobody waits");
    return 0;
}

static struct str filled(struct world *world, size_t size)
{
    char *bytes = arena_alloc_raw(world->arena, size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 23);
    return str_make(bytes, size);
}

static struct str chunked(struct world *world, struct str body, size_t chunk)
{
    struct buf out;
    buf_init(&out, world->arena, SIZE_MAX);
    for (size_t i = 0; i < body.len; i += chunk) {
        struct str piece = str_slice(body, i, i + chunk);
        buf_append_format(&out, "%zx\r\n", piece.len);
        buf_append(&out, piece);
        buf_append_c(&out, "\r\n");
    }
    buf_append_c(&out, "0\r\n\r\n");
    return buf_str(&out);
}

/* A sender beside the reader: bodies that are larger than the sockets' buffers. */
struct sender {
    pthread_t thread;
    struct client *client;
    struct str text;
    bool sent;
};

static void *run_sender(void *context)
{
    struct sender *sender = context;
    sender->sent = client_send(sender->client, sender->text);
    return NULL;
}

static void sender_start(struct sender *sender, struct client *client, struct str text)
{
    *sender = (struct sender){.client = client, .text = text};
    assert_int_equal(pthread_create(&sender->thread, NULL, run_sender, sender), 0);
}

static bool sender_end(struct sender *sender)
{
    (void)pthread_join(sender->thread, NULL);
    return sender->sent;
}

static void test_bodies(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 30000, 70000, 1000000, 5000000};
    struct world *world = *state;
    start(world, (struct http_config){.threads = 2});
    struct client client = connect_to(world);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct str body = filled(world, sizes[i]);
        struct sender sender;
        send_head(
            world, &client, "POST", "/big",
            str_to_c(world->arena, str_format(world->arena, "Content-Length: %zu\r\n", body.len)));
        sender_start(&sender, &client, body);
        struct client_reply reply = client_read(&client, STR("POST"));
        assert_true(sender_end(&sender));
        assert_int_equal(reply.status, 200);
        assert_true(str_eq(reply.body, body));

        send_head(world, &client, "POST", "/big", "Transfer-Encoding: chunked\r\n");
        sender_start(&sender, &client, chunked(world, body, 1 + sizes[i] / 7));
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
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    send_head(world, &client, "POST", "/ten", "Content-Length: 10\r\n");
    assert_true(client_send(&client, STR("0123456789")));
    assert_int_equal(client_read(&client, STR("POST")).status, 200);
    /* The reply comes when the body has been read, so that the client sees it; the connection lives
     * on. */
    send_head(world, &client, "POST", "/ten", "Content-Length: 11\r\n");
    assert_true(client_send(&client, STR("0123456789a")));
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    send_head(world, &client, "POST", "/ten", "Transfer-Encoding: chunked\r\n");
    assert_true(client_send(&client, STR("8\r\n01234567\r\n3\r\nabc\r\n4\r\nmore\r\n0\r\n\r\n")));
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    send_head(world, &client, "POST", "/sink-ten", "Transfer-Encoding: chunked\r\n");
    assert_true(client_send(&client, STR("8\r\n01234567\r\n3\r\nabc\r\n0\r\n\r\n")));
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    /* Too long a body is answered at once. */
    send_head(world, &client, "POST", "/", "Content-Length: 99999999999\r\n");
    assert_int_equal(client_read(&client, STR("POST")).status, 413);
    assert_true(client_is_closed(&client, 2000));
    client_close(&client);
}

static void test_expect(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    send_head(world, &client, "PUT", "/", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    pause_ms(50);
    assert_true(client_send(&client, STR("abc")));
    struct client_reply reply = client_read(&client, STR("PUT"));
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.continues, 1);
    /* Answered by head(): no "continue", and the body is not waited for. */
    send_head(world, &client, "PUT", "/early", "Content-Length: 3\r\nExpect: 100-continue\r\n");
    reply = client_read(&client, STR("PUT"));
    assert_int_equal(reply.status, 403);
    assert_int_equal(reply.continues, 0);
    assert_true(client_is_closed(&client, 2000));
    client_close(&client);
    client = connect_to(world);
    send_head(world, &client, "PUT", "/ten", "Content-Length: 11\r\nExpect: 100-continue\r\n");
    reply = client_read(&client, STR("PUT"));
    assert_int_equal(reply.status, 413);
    assert_int_equal(reply.continues, 0);
    client_close(&client);
}

static void test_early(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    struct client_reply reply = get(world, &client, "/early");
    assert_int_equal(reply.status, 403);
    struct sender sender;
    send_head(world, &client, "POST", "/early", "Content-Length: 3000000\r\n");
    sender_start(&sender, &client, filled(world, 3000000));
    assert_int_equal(client_read(&client, STR("POST")).status, 403);
    assert_true(sender_end(&sender));
    assert_int_equal(get(world, &client, "/").status, 200);
    /* A chunked body without an end is not read for ever. */
    send_head(world, &client, "POST", "/early", "Transfer-Encoding: chunked\r\n");
    struct str endless = chunked(world, filled(world, 20 * 1024 * 1024), 1024 * 1024);
    sender_start(&sender, &client, endless);
    assert_int_equal(client_read(&client, STR("POST")).status, 0);
    (void)sender_end(&sender);
    client_close(&client);
    assert_int_equal(atomic_load(&world->completes), 1);
}

struct resumer {
    pthread_t thread;
    struct world *world;
    _Atomic bool ends;
};

static void *run_resumer(void *context)
{
    struct resumer *resumer = context;
    uint64_t random = SEED;
    while (!atomic_load(&resumer->ends)) {
        (void)resume_all(resumer->world);
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t i = random >> 54; i > 0; i--)
            atomic_signal_fence(memory_order_seq_cst);
        if (random >> 63 != 0)
            pause_ms(0);
    }
    return NULL;
}

static void resumer_start(struct resumer *resumer, struct world *world)
{
    resumer->world = world;
    atomic_store(&resumer->ends, false);
    assert_int_equal(pthread_create(&resumer->thread, NULL, run_resumer, resumer), 0);
}

static void resumer_end(struct resumer *resumer)
{
    atomic_store(&resumer->ends, true);
    (void)pthread_join(resumer->thread, NULL);
}

static void test_sink(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    struct resumer resumer;
    resumer_start(&resumer, world);
    static const char *const targets[] = {"/sink", "/sink-park"};
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&world->sunk, 0);
        struct sender sender;
        send_head(world, &client, "PUT", targets[i], "Content-Length: 2000000\r\n");
        sender_start(&sender, &client, filled(world, 2000000));
        struct client_reply reply = client_read(&client, STR("PUT"));
        assert_true(sender_end(&sender));
        assert_int_equal(reply.status, 200);
        assert_str(reply.body, STR("2000000"));
        atomic_store(&world->sunk, 0);
        send_head(world, &client, "PUT", targets[i], "Transfer-Encoding: chunked\r\n");
        sender_start(&sender, &client, chunked(world, filled(world, 200000), 777));
        reply = client_read(&client, STR("PUT"));
        assert_true(sender_end(&sender));
        assert_str(reply.body, STR("200000"));
    }
    send_head(world, &client, "PUT", "/sink-fail", "Content-Length: 200000\r\n");
    struct sender sender;
    sender_start(&sender, &client, filled(world, 200000));
    assert_int_equal(client_read(&client, STR("PUT")).status, 500);
    assert_true(sender_end(&sender));
    resumer_end(&resumer);
    client_close(&client);
}

/* While the sink refuses, no more of the body is taken than buffers hold. */
static void test_back_pressure(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    send_head(world, &client, "PUT", "/sink-park", "Content-Length: 100000000\r\n");
    struct sender sender;
    sender_start(&sender, &client, filled(world, 50000000));
    (void)wait_for_waiting(world, 1);
    pause_ms(100);
    assert_int_equal(atomic_load(&world->sunk), 0);
    /* The worker is free meanwhile. */
    struct client other = connect_to(world);
    assert_int_equal(get(world, &other, "/").status, 200);
    client_close(&other);
    (void)shutdown(client.fd, SHUT_RDWR);
    (void)sender_end(&sender);
    client_close(&client);
    /* The end of the connection stands behind data that nobody reads: it is seen once they are. */
    struct resumer resumer;
    resumer_start(&resumer, world);
    wait_until(&world->closes, 2);
    resumer_end(&resumer);
}

static void test_suspend(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 2});
    struct client clients[20];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++) {
            if (round == 0)
                clients[i] = connect_to(world);
            send_head(world, &clients[i], "POST", "/wait", "Content-Length: 3\r\n");
            assert_true(client_send(&clients[i], STR("abc")));
        }
        assert_int_equal(wait_for_waiting(world, 20), 20);
        assert_int_equal(resume_all(world), 20);
        for (int i = 0; i < 20; i++) {
            struct client_reply reply = client_read(&clients[i], STR("POST"));
            assert_int_equal(reply.status, 200);
            assert_str(reply.body, STR("abc"));
        }
    }
    assert_int_equal(atomic_load(&world->completes), 120);
    for (int i = 0; i < 20; i++)
        client_close(&clients[i]);
}

static void test_resumed_before(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    assert_int_equal(get(world, &client, "/at-once?5").status, 200);
    assert_int_equal(atomic_load(&world->completes), 6);
    client_close(&client);
}

static void test_race(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 2});
    struct resumer resumers[2];
    resumer_start(&resumers[0], world);
    resumer_start(&resumers[1], world);
    enum { CLIENTS = 8 };
    struct client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(world);
        for (int k = 0; k < 5; k++)
            send_head(world, &clients[i], "GET", "/race?300", "");
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

/* A client that hangs up is noticed although it is suspended; one that sends ahead is not gone. */
static void test_gone(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client staying = connect_to(world);
    send_head(world, &staying, "GET", "/wait", "");
    send_head(world, &staying, "GET", "/", "");
    for (int round = 0; round < 3; round++) {
        struct client client = connect_to(world);
        assert_int_equal(get(world, &client, "/").status, 200);
        send_head(world, &client, "GET", "/wait", "");
        (void)wait_for_waiting(world, 2);
        client_close(&client);
        wait_until(&world->closes, 2 * (unsigned)round + 2);
    }
    struct client pulling = connect_to(world);
    send_head(world, &pulling, "GET", "/pull-wait?10", "");
    (void)wait_for_waiting(world, 2);
    client_close(&pulling);
    wait_until(&world->closes, 7);
    assert_int_equal(resume_all(world), 1);
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
    };
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    for (size_t i = 0; i < 3; i++) {
        struct client blocking = connect_to(world), client = connect_to(world);
        send_head(world, &blocking, "GET", "/slow", "");
        pause_ms(20);
        assert_true(client_send(&client, cases[i]));
        assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
        if (i == 1)
            assert_int_equal(client_read(&client, STR("GET")).status, 200);
        assert_true(client_is_closed(&client, 4000));
        client_close(&client);
        client_close(&blocking);
    }
}

static void test_pull(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    struct resumer resumer;
    resumer_start(&resumer, world);
    static const char *const targets[] = {"/pull?0",
                                          "/pull?1000000",
                                          "/pull-chunked?0",
                                          "/pull-chunked?1000000",
                                          "/pull-wait?1000000",
                                          "/pull-wait?0"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct client_reply reply = get(world, &client, targets[i]);
        assert_int_equal(reply.status, 200);
        assert_true(reply.whole);
        assert_int_equal(reply.body.len, targets[i][strlen(targets[i]) - 2] == '?' ? 0 : 1000000);
    }
    resumer_end(&resumer);
    /* What ends early does not look whole. */
    assert_false(get(world, &client, "/pull-short?100000").whole);
    client_close(&client);
    client = connect_to(world);
    assert_false(get(world, &client, "/pull-fail?1000000").whole);
    client_close(&client);
    client = connect_to(world);
    send_head(world, &client, "HEAD", "/pull?1000000", "");
    struct client_reply reply = client_read(&client, STR("HEAD"));
    assert_str(client_field(&reply, STR("Content-Length")), STR("1000000"));
    assert_int_equal(get(world, &client, "/").status, 200);
    client_close(&client);
}

static void test_file(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    static const size_t sizes[] = {0, 1, 250000};
    for (size_t i = 0; i < 3; i++) {
        struct client_reply reply =
            get(world, &client,
                str_to_c(world->arena, str_format(world->arena, "/file?%zu", sizes[i])));
        assert_int_equal(reply.status, 206);
        assert_int_equal(reply.body.len, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(reply.body.ptr[k], (char)((k + 7) % 251));
    }
    send_head(world, &client, "HEAD", "/file?250000", "");
    struct client_reply reply = client_read(&client, STR("HEAD"));
    assert_str(client_field(&reply, STR("content-length")), STR("250000"));
    assert_int_equal(get(world, &client, "/").status, 200);
    client_close(&client);
}

static void test_replies(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct client client = connect_to(world);
    struct client_reply reply = get(world, &client, "/fields");
    assert_int_equal(reply.status, 200);
    assert_str(reply.body, STR("four"));
    assert_str(client_field(&reply, STR("x-meta")), STR("\xe9t\xe9 \xe3\x81\x82"));
    assert_str(client_field(&reply, STR("x-empty")), STR(""));
    assert_str(client_field(&reply, STR("content-length")), STR("4"));
    assert_true(client_field(&reply, STR("date")).len > 20);
    send_head(world, &client, "HEAD", "/fields", "");
    reply = client_read(&client, STR("HEAD"));
    assert_str(client_field(&reply, STR("content-length")), STR("4"));
    reply = get(world, &client, "/fields-bad");
    assert_int_equal(reply.status, 500);
    assert_true(str_is_absent(client_field(&reply, STR("X-Injected"))));
    reply = get(world, &client, "/status?204");
    assert_int_equal(reply.status, 204);
    assert_true(str_is_absent(client_field(&reply, STR("content-length"))));
    assert_int_equal(get(world, &client, "/status?304").status, 304);
    assert_int_equal(get(world, &client, "/status?599").status, 599);
    assert_str(get(world, &client, "/peer").body, STR("127.0.0.1 1"));
    client_close(&client);
}

static void test_idle(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1, .idle_seconds = 1});
    struct client waiting = connect_to(world), silent = connect_to(world), used = connect_to(world),
                  slow = connect_to(world), body = connect_to(world);
    send_head(world, &waiting, "GET", "/wait", "");
    assert_int_equal(get(world, &used, "/").status, 200);
    send_head(world, &body, "POST", "/", "Content-Length: 1000\r\n");
    /* Something comes every 100 ms, and still these two do not get on. */
    struct str head = STR("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    for (size_t i = 0; i < 45; i++) {
        if (!client_send(&slow, str_slice(head, i, i + 1)) && !client_send(&body, STR("a")))
            break;
        (void)client_send(&body, STR("a"));
        pause_ms(100);
    }
    assert_true(client_is_closed(&slow, 0));
    assert_true(client_is_closed(&body, 0));
    assert_true(client_is_closed(&silent, 0));
    assert_true(client_is_closed(&used, 0));
    assert_int_equal(resume_all(world), 1);
    assert_int_equal(client_read(&waiting, STR("GET")).status, 200);
    client_close(&waiting);
    client_close(&silent);
    client_close(&used);
    client_close(&slow);
    client_close(&body);
}

static void test_connection_limits(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1, .connections_per_address = 2});
    struct client first = connect_to(world), second = connect_to(world);
    assert_int_equal(get(world, &first, "/").status, 200);
    assert_int_equal(get(world, &second, "/").status, 200);
    assert_int_equal(http_server_connections(world->server), 2);
    struct client third = connect_to(world);
    assert_true(client_is_closed(&third, 2000));
    client_close(&third);
    client_close(&first);
    for (int i = 0; i < 2000 && http_server_connections(world->server) > 1; i++)
        pause_ms(1);
    third = connect_to(world);
    assert_int_equal(get(world, &third, "/").status, 200);
    client_close(&third);
    client_close(&second);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is being answered is answered; whoever waits is closed; all in less than a second. */
static void test_stop(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 2});
    struct client clients[50];
    for (int i = 0; i < 50; i++) {
        clients[i] = connect_to(world);
        send_head(world, &clients[i], "GET", i % 2 == 0 ? "/wait" : "/pull-wait?100", "");
    }
    (void)wait_for_waiting(world, 50);
    struct client idle = connect_to(world), slow = connect_to(world);
    assert_int_equal(get(world, &idle, "/").status, 200);
    send_head(world, &slow, "GET", "/slow", "");
    wait_until(&world->heads, 52);
    int64_t begin = now_ms();
    http_server_stop(world->server, 800);
    world->server = NULL;
    assert_true(now_ms() - begin < 900);
    struct client_reply reply = client_read(&slow, STR("GET"));
    assert_int_equal(reply.status, 200);
    assert_str(client_field(&reply, STR("connection")), STR("close"));
    assert_true(client_is_closed(&idle, 0));
    for (int i = 0; i < 50; i++)
        client_close(&clients[i]);
    client_close(&idle);
    client_close(&slow);
}

static void test_start_errors(void **state)
{
    struct world *world = *state;
    start(world, (struct http_config){.threads = 1});
    struct str message = {0};
    struct http_server *server;
    struct http_config config = {.address = STR("127.0.0.1"),
                                 .port = http_server_port(world->server)};
    assert_int_equal(http_server_start(&config, &server, &message, world->arena), RESULT_ERROR);
    assert_true(str_ends_with(message, STR("Address already in use")));
    config = (struct http_config){.address = STR("nowhere")};
    assert_int_equal(http_server_start(&config, &server, &message, world->arena), RESULT_ERROR);
    assert_str(message, STR("cannot listen on nowhere port 0: not an IP address"));
    config = (struct http_config){
        .address = STR("127.0.0.1"), .tls_certificate = STR("rubbish"), .tls_key = STR("rubbish")};
    assert_int_equal(http_server_start(&config, &server, &message, world->arena), RESULT_ERROR);
    assert_true(str_find(message, STR("certificate")) != SIZE_MAX);
}

int main(void)
{
    (void)printf("seed %d\n", SEED);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_end_with_data),  TEST(test_bodies),
        TEST(test_body_limit),     TEST(test_expect),
        TEST(test_early),          TEST(test_sink),
        TEST(test_back_pressure),  TEST(test_suspend),
        TEST(test_resumed_before), TEST(test_race),
        TEST(test_gone),           TEST(test_pull),
        TEST(test_file),           TEST(test_replies),
        TEST(test_idle),           TEST(test_connection_limits),
        TEST(test_stop),           TEST(test_start_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
