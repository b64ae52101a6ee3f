/* A server over http.h alone, to measure its cost: not part of the product.
 *
 *     echo [PORT [THREADS]]
 *
 * POST anything: the body comes back, or 600 bytes when there is none. GET /wait: suspended until
 * GET /wake. Build: make build/release/test/http/echo */
#include "base/arena.h"
#include "http/http.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAITERS = 65536 };

struct echo {
    pthread_mutex_t lock;
    struct http_exchange *waiting[WAITERS];
    size_t count;
    char filler[600];
};

static void echo_head(void *context, struct http_exchange *exchange)
{
    (void)context;
    exchange->body_limit = 64 * 1024 * 1024;
}

static bool must_wait(struct echo *echo, struct http_exchange *exchange)
{
    if (exchange->resumed > 0 || !str_eq(exchange->path, STR("/wait")) || echo->count == WAITERS)
        return false;
    exchange->user = exchange;
    (void)pthread_mutex_lock(&echo->lock);
    echo->waiting[echo->count++] = exchange;
    (void)pthread_mutex_unlock(&echo->lock);
    http_suspend(exchange);
    return true;
}

static void wake_all(struct echo *echo)
{
    (void)pthread_mutex_lock(&echo->lock);
    for (size_t i = 0; i < echo->count; i++)
        http_resume(echo->waiting[i]);
    echo->count = 0;
    (void)pthread_mutex_unlock(&echo->lock);
}

static void echo_complete(void *context, struct http_exchange *exchange)
{
    struct echo *echo = context;
    if (must_wait(echo, exchange))
        return;
    if (str_eq(exchange->path, STR("/wake")))
        wake_all(echo);
    static const struct http_field fields[] = {
        {STR_INIT("Content-Type"), STR_INIT("application/x-amz-json-1.0")},
        {STR_INIT("x-amzn-RequestId"), STR_INIT("5f5c1f0a-8d2e-4d2b-9d8c-2b7e4a1f0c11")},
    };
    struct str body = exchange->body;
    if (body.len == 0)
        body = str_make(echo->filler, sizeof(echo->filler));
    http_respond(exchange, 200, fields, 2, &(struct http_body){.bytes = body});
}

static void echo_close(void *context, struct http_exchange *exchange)
{
    struct echo *echo = context;
    if (exchange->user == NULL)
        return;
    (void)pthread_mutex_lock(&echo->lock);
    for (size_t i = 0; i < echo->count; i++) {
        if (echo->waiting[i] == exchange)
            echo->waiting[i--] = echo->waiting[--echo->count];
    }
    (void)pthread_mutex_unlock(&echo->lock);
}

int main(int argc, char **argv)
{
    struct arena *arena = arena_new(0);
    struct echo *echo = heap_alloc(sizeof(*echo));
    memset(echo->filler, 'x', sizeof(echo->filler));
    (void)pthread_mutex_init(&echo->lock, NULL);
    struct http_config config = {
        .address = STR("127.0.0.1"),
        .port = (uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 0),
        .threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1,
        .handler = {.context = echo,
                    .head = echo_head,
                    .complete = echo_complete,
                    .close = echo_close},
    };
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    struct http_server *server;
    struct str message = {0};
    if (http_server_start(&config, &server, &message, arena) != RESULT_OK) {
        (void)fprintf(stderr, "%.*s\n", PRSTR(message));
        return 1;
    }
    (void)printf("%u\n", (unsigned)http_server_port(server));
    (void)fflush(stdout);
    int signal_number;
    (void)sigwait(&ends, &signal_number);
    http_server_stop(server, 300);
    heap_free(echo);
    arena_free(arena);
    return 0;
}
