/* Heads, good and bad, over real sockets: every bad one gets its status, a closed connection, and
 * never reaches the handler. */
#include "support/http_client.h"

#include "base/buf.h"
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

struct world {
    struct arena *arena;
    struct http_server *server;
    _Atomic unsigned heads, closes;
};

static void on_head(void *context, struct http_exchange *exchange)
{
    struct world *world = context;
    (void)exchange;
    atomic_fetch_add(&world->heads, 1);
}

/* Answers with what it saw: "METHOD|path|query|a=1;b=2;|body" */
static void on_complete(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct buf out;
    buf_init(&out, exchange->arena, 1 << 20);
    buf_append(&out, exchange->method);
    buf_append_char(&out, '|');
    buf_append(&out, exchange->path);
    buf_append_char(&out, '|');
    buf_append(&out, str_is_absent(exchange->query) ? STR("absent") : exchange->query);
    buf_append_char(&out, '|');
    for (size_t i = 0; i < exchange->field_count; i++) {
        buf_append(&out, exchange->fields[i].name);
        buf_append_char(&out, '=');
        buf_append(&out, exchange->fields[i].value);
        buf_append_char(&out, ';');
    }
    buf_append_char(&out, '|');
    buf_append(&out, exchange->body);
    http_respond(exchange, 200, NULL, 0, &(struct http_body){.bytes = buf_str(&out)});
}

static void on_close(void *context, struct http_exchange *exchange)
{
    struct world *world = context;
    (void)exchange;
    atomic_fetch_add(&world->closes, 1);
}

static int set_up(void **state)
{
    struct arena *arena = arena_new(0);
    struct world *world = ARENA_NEW(arena, struct world);
    world->arena = arena;
    struct http_config config = {
        .address = STR("127.0.0.1"),
        .threads = 1,
        .handler = {.context = world, .head = on_head, .complete = on_complete, .close = on_close},
    };
    struct str message;
    *state = world;
    return http_server_start(&config, &world->server, &message, arena) == RESULT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    http_server_stop(world->server, 100);
    assert_int_equal(atomic_load(&world->heads), atomic_load(&world->closes));
    arena_free(world->arena);
    return 0;
}

static void assert_str(struct str a, struct str b)
{
    if (!str_eq(a, b))
        fail_msg("\"%.*s\" is not \"%.*s\"", PRSTR(a), PRSTR(b));
}

static struct client_reply ask(struct world *world, struct str request)
{
    struct client client = client_connect(world->arena, http_server_port(world->server));
    assert_true(client_send(&client, request));
    struct client_reply reply = client_read(&client, STR("GET"));
    client_close(&client);
    return reply;
}

struct good {
    struct str request, answer;
};

static void test_good(void **state)
{
    static const struct good cases[] = {
        {STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), STR_INIT("GET|/|absent|Host=a;|")},
        {STR_INIT("GET /a%2Fb?x=%20+&y&&z==? HTTP/1.1\r\nhost:a\r\n\r\n"),
         STR_INIT("GET|/a%2Fb|x=%20+&y&&z==?|host=a;|")},
        {STR_INIT("GET /? HTTP/1.1\r\nHost: a\r\n\r\n"), STR_INIT("GET|/||Host=a;|")},
        {STR_INIT("GET http://a:1/b?c HTTP/1.1\r\nHost: a:1\r\n\r\n"),
         STR_INIT("GET|/b|c|Host=a:1;|")},
        {STR_INIT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), STR_INIT("OPTIONS|*|absent|Host=a;|")},
        {STR_INIT("GET / HTTP/1.0\r\n\r\n"), STR_INIT("GET|/|absent||")},
        {STR_INIT(
             "PURGE /\xe3\x81\x82 HTTP/1.1\r\nHost: a\r\nX:\t \xe3\x81\x82 b \t\r\nE:\r\nx: 2\r\n"
             "\r\n"),
         STR_INIT("PURGE|/\xe3\x81\x82|absent|Host=a;X=\xe3\x81\x82 b;E=;x=2;|")},
        {STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
         STR_INIT("POST|/|absent|Host=a;Content-Length=3;|abc")},
        {STR_INIT("POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:\t03 \t\r\n\r\nabc"),
         STR_INIT("POST|/|absent|Host=a;content-LENGTH=03;|abc")},
        {STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                  "3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"),
         STR_INIT("POST|/|absent|Host=a;Transfer-Encoding=Chunked;|abc0123456789")},
        {STR_INIT("GET / HTTP/1.1\nHost: a\n\n"), STR_INIT("GET|/|absent|Host=a;|")},
        {STR_INIT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), STR_INIT("GET|/|absent|Host=a;|")},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_reply reply = ask(*state, cases[i].request);
        assert_int_equal(reply.status, 200);
        assert_true(reply.whole);
        assert_str(reply.body, cases[i].answer);
    }
}

struct bad {
    unsigned status; /* 0: closed without a word, which is all that libmicrohttpd does then */
    struct str request;
};

static const struct bad bad_heads[] = {
    {0, STR_INIT("nonsense\r\n\r\n")},
    {400, STR_INIT("GET /\r\n")},
    {400, STR_INIT("GET /\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")},
    {505, STR_INIT("GET / HTTP/2.0\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/x.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("G\"T / HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET /?a\0b HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET a HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\nD: e\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA(: b\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA\0B: b\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\nD: e\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\nD: e\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n")},
    {400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nA: \x01\r\n\r\n")},
    {400,
     STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n0\r\n\r\n")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: \r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: three\r\n"
                   "Content-Length: 3\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                   "Content-Length: three\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.0\r\nContent-Length: three\r\n\r\nabc")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: three\r\n\r\n")},
    {505, STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    {413,
     STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc")},
    {413, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nabc")},
    {501, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")},
    {501, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n")},
    {400, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
    {400, STR_INIT("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
};

static void test_bad(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
        struct client client = client_connect(world->arena, http_server_port(world->server));
        (void)client_send(&client, bad_heads[i].request);
        struct client_reply reply = client_read(&client, STR("GET"));
        if (reply.status != bad_heads[i].status)
            fail_msg("case %zu: %u instead of %u: %.*s", i, reply.status, bad_heads[i].status,
                     PRSTR(bad_heads[i].request));
        if (reply.status != 0)
            assert_str(client_field(&reply, STR("Connection")), STR("close"));
        /* One reply, and nothing after it. */
        if (!client_is_closed(&client) || reply.whole != (reply.status != 0))
            fail_msg("case %zu stays open, or says more: %.*s", i, PRSTR(bad_heads[i].request));
        client_close(&client);
    }
    assert_int_equal(atomic_load(&world->heads), 0);
}

/* What libmicrohttpd finds wrong with a body it answers itself. */
static void test_bad_chunks(void **state)
{
    static const struct bad cases[] = {
        {400, STR_INIT("x\r\n")},
        {400, STR_INIT("3\r\nabcd\r\n")},
        {400, STR_INIT("-1\r\n")},
        {413, STR_INIT("fffffffffffffffff\r\n")},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str request = str_concat(
            world->arena, STR("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            cases[i].request);
        struct client client = client_connect(world->arena, http_server_port(world->server));
        assert_true(client_send(&client, request));
        struct client_reply reply = client_read(&client, STR("POST"));
        assert_int_equal(reply.status, cases[i].status);
        assert_true(reply.whole);
        assert_true(client_is_closed(&client));
        client_close(&client);
    }
}

static struct str repeat(struct arena *arena, struct str s, size_t count)
{
    struct buf buf;
    buf_init(&buf, arena, SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        buf_append(&buf, s);
    return buf_str(&buf);
}

static void test_limits(void **state)
{
    struct world *world = *state;
    struct arena *arena = world->arena;
    struct str big = repeat(arena, STR("v"), 31 * 1024);
    struct str request =
        str_format(arena, "GET / HTTP/1.1\r\nHost: a\r\nBig: %.*s\r\n\r\n", PRSTR(big));
    struct client_reply reply = ask(world, request);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 31 * 1024 + strlen("GET|/|absent|Host=a;Big=;|"));

    /* A long target, as presigned URLs have. */
    reply = ask(world, str_format(arena, "GET /?%.*s HTTP/1.1\r\nHost: a\r\n\r\n", PRSTR(big)));
    assert_int_equal(reply.status, 200);

    big = repeat(arena, STR("v"), 33 * 1024);
    reply =
        ask(world, str_format(arena, "GET / HTTP/1.1\r\nHost: a\r\nBig: %.*s\r\n\r\n", PRSTR(big)));
    assert_int_equal(reply.status, 431);

    struct str many = repeat(arena, STR("A: b\r\n"), 255);
    reply = ask(world, str_format(arena, "GET / HTTP/1.1\r\nHost: a\r\n%.*s\r\n", PRSTR(many)));
    assert_int_equal(reply.status, 200);
    many = repeat(arena, STR("A: b\r\n"), 256);
    reply = ask(world, str_format(arena, "GET / HTTP/1.1\r\nHost: a\r\n%.*s\r\n", PRSTR(many)));
    assert_int_equal(reply.status, 431);
    many = repeat(arena, STR("A:\r\n"), 200000);
    struct client client = client_connect(arena, http_server_port(world->server));
    (void)client_send(&client, str_concat(arena, STR("GET / HTTP/1.1\r\n"), many));
    reply = client_read(&client, STR("GET"));
    assert_true(reply.status == 431 || reply.status == 0);
    client_close(&client);
}

/* Byte by byte, the same answer. */
static void test_dribble(void **state)
{
    struct world *world = *state;
    struct str request =
        STR("POST /p?q HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nX: y\r\n\r\nabcd");
    struct client client = client_connect(world->arena, http_server_port(world->server));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < request.len; i++)
            assert_true(client_send(&client, str_slice(request, i, i + 1)));
        struct client_reply reply = client_read(&client, STR("POST"));
        assert_int_equal(reply.status, 200);
        assert_str(reply.body, STR("POST|/p|q|Host=a;Content-Length=4;X=y;|abcd"));
    }
    client_close(&client);
}

static void test_pipelined(void **state)
{
    struct world *world = *state;
    enum { COUNT = 50 };
    struct str one = STR("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    struct client client = client_connect(world->arena, http_server_port(world->server));
    assert_true(client_send(&client, repeat(world->arena, one, COUNT)));
    for (int i = 0; i < COUNT; i++) {
        struct client_reply reply = client_read(&client, STR("POST"));
        assert_int_equal(reply.status, 200);
        assert_str(reply.body, STR("POST|/p|absent|Host=a;Content-Length=2;|ab"));
    }
    client_close(&client);
}

static void test_field_get(void **state)
{
    (void)state;
    struct http_field fields[] = {{STR("A"), STR("1")}, {STR("b"), STR("2")}, {STR("B"), STR("3")}};
    struct http_exchange exchange = {.fields = fields, .field_count = 3};
    assert_str(http_field_get(&exchange, STR("a")), STR("1"));
    assert_str(http_field_get(&exchange, STR("B")), STR("2"));
    assert_true(str_is_absent(http_field_get(&exchange, STR("c"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dribble, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipelined, set_up, tear_down),
        cmocka_unit_test(test_field_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
