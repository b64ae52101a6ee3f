/* The program's server: the cloud, its HTTP face, its life. */
#ifndef KUMONIWA_SERVER_SERVER_H
#define KUMONIWA_SERVER_SERVER_H

#include <pthread.h>

#include "cloud/cloud.h"
#include "http/http.h"
#include "server/config.h"
#include "server/init_hooks.h"

struct server {
    const struct config *config;
    struct cloud *cloud;
    struct http_server *_Atomic
        http; /* NULL until http_server_start() has returned: requests may be there before */
    int64_t started_ms;
    struct str data; /* the directory in use */
    struct init_hooks init;
    struct lane_pool *lanes; /* for bodies that come in */
    struct sandbox_host *host;
    struct http_server *inner; /* with --tls: plain HTTP, for connections from inside sandboxes */
    pthread_mutex_t adopting;  /* held while one is given to a server that must not stop */
    bool closed;               /* no more of them */
    _Atomic unsigned streams_ahead; /* bodies that go out and are opened ahead (ahead.h) */
};

struct sandbox_host;

/* Serves until SIGTERM or SIGINT; the process's exit code. Everything that goes wrong at the start
 * is told on standard error, with the way out. host: makes the sandboxes of functions, started
 * before any thread was; NULL: functions do not run. */
int server_run(const struct config *config, struct sandbox_host *host);

/* The hooks of the services that are built in, NULL-terminated (services.c). */
extern const struct service_hooks *const server_services[];

/* exchange.c: the HTTP handler, context a struct server. */
void exchange_head(void *context, struct http_exchange *exchange);
enum result exchange_sink(void *context, struct http_exchange *exchange, struct str piece);
void exchange_complete(void *context, struct http_exchange *exchange);
void exchange_close(void *context, struct http_exchange *exchange);

/* local.c: paths that are not AWS's: /_localstack/..., /_aws/..., /_kumoniwa/... */
bool local_claims(struct str path);
void local_answer(struct server *server, struct http_exchange *exchange);

#endif
