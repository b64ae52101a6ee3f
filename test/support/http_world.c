#include "support/http_world.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

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

void world_pause_ms(long ms)
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

size_t world_resume_all(struct world *world)
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
    if (exchange->overloaded)
        answer(exchange, 503, STR("overloaded"));
    else if (exchange->sink_result == RESULT_FULL)
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
        world_pause_ms(200);
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

void world_start(struct world *world, struct http_config config)
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

int world_set_up(void **state)
{
    struct arena *arena = arena_new(0);
    struct world *world = ARENA_NEW(arena, struct world);
    world->arena = arena;
    (void)pthread_mutex_init(&world->lock, NULL);
    *state = world;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *world = *state;
    if (world->server != NULL)
        http_server_stop(world->server, 500);
    assert_int_equal(atomic_load(&world->heads), atomic_load(&world->closes));
    (void)pthread_mutex_destroy(&world->lock);
    arena_free(world->arena);
    return 0;
}

void world_assert_str(struct str a, struct str b)
{
    if (!str_eq(a, b))
        fail_msg("\"%.*s\" is not \"%.*s\"", PRSTR(a), PRSTR(b));
}

struct client world_connect(struct world *world)
{
    return client_connect(world->arena, http_server_port(world->server));
}

void world_send_head(struct world *world, struct client *client, const char *method,
                     const char *target, const char *fields)
{
    struct str head =
        str_format(world->arena, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, fields);
    assert_true(client_send(client, head));
}

struct client_reply world_get(struct world *world, struct client *client, const char *target)
{
    world_send_head(world, client, "GET", target, "");
    return client_read(client, STR("GET"));
}

void world_wait_until(const _Atomic unsigned *counter, unsigned value)
{
    for (int i = 0; i < 60000 && atomic_load(counter) < value; i++)
        world_pause_ms(1);
    assert_int_equal(atomic_load(counter), value);
}

size_t world_wait_for_waiting(struct world *world, size_t count)
{
    for (int i = 0; i < 60000; i++) {
        (void)pthread_mutex_lock(&world->lock);
        size_t waiting = world->waiting_count;
        (void)pthread_mutex_unlock(&world->lock);
        if (waiting >= count)
            return waiting;
        world_pause_ms(1);
    }
    fail_msg("nobody waits");
    return 0;
}

struct str world_text(struct world *world, size_t size)
{
    char *bytes = arena_alloc_raw(world->arena, size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i % 23);
    return str_make(bytes, size);
}

struct str world_chunked(struct world *world, struct str body, size_t chunk)
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

static void *run_sender(void *context)
{
    struct sender *sender = context;
    sender->sent = client_send(sender->client, sender->text);
    return NULL;
}

void sender_start(struct sender *sender, struct client *client, struct str text)
{
    *sender = (struct sender){.client = client, .text = text};
    assert_int_equal(pthread_create(&sender->thread, NULL, run_sender, sender), 0);
}

bool sender_end(struct sender *sender)
{
    (void)pthread_join(sender->thread, NULL);
    return sender->sent;
}

static void *run_resumer(void *context)
{
    struct resumer *resumer = context;
    uint64_t random = SEED;
    while (!atomic_load(&resumer->ends)) {
        (void)world_resume_all(resumer->world);
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (uint64_t i = random >> 54; i > 0; i--)
            atomic_signal_fence(memory_order_seq_cst);
        if (random >> 63 != 0)
            world_pause_ms(0);
    }
    return NULL;
}

void resumer_start(struct resumer *resumer, struct world *world)
{
    resumer->world = world;
    atomic_store(&resumer->ends, false);
    assert_int_equal(pthread_create(&resumer->thread, NULL, run_resumer, resumer), 0);
}

void resumer_end(struct resumer *resumer)
{
    atomic_store(&resumer->ends, true);
    (void)pthread_join(resumer->thread, NULL);
}
