/* What the files of http/ share. A struct http_connection lives as long as its socket; the exchange
 * in it is used again for each request, its arena reset between them. */
#ifndef KUMONIWA_HTTP_HTTP_INT_H
#define KUMONIWA_HTTP_HTTP_INT_H

#include "base/buf.h"
#include "http/http.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

/* How far an exchange has come. Written by the connection's worker; the sweeper reads it. */
enum http_phase {
    HTTP_PHASE_HEAD,     /* nothing, or an unfinished head */
    HTTP_PHASE_BODY,     /* the body is being taken */
    HTTP_PHASE_COMPLETE, /* complete() has been called and has not answered yet */
    HTTP_PHASE_DRAIN, /* the reply is made; the rest of the body is thrown away before it goes out
                       */
    HTTP_PHASE_REPLY, /* the reply has been handed to the library */
};

/* Where an exchange stands between http_suspend() and http_resume(). Every change is a
 * read-modify-write, so that whoever sees a later state sees what was done before an earlier one.
 */
enum http_wait {
    HTTP_WAIT_NONE,
    HTTP_WAIT_PENDING,   /* resumed before it was suspended: the suspension will not take place */
    HTTP_WAIT_SUSPENDED, /* whoever moves it on calls MHD_resume_connection(), once */
    HTTP_WAIT_RESUMING,  /* the worker will come by */
};

struct http_connection {
    struct http_exchange exchange; /* first */
    struct http_server *server;
    struct MHD_Connection *mhd;
    int fd;

    _Atomic int phase;      /* enum http_phase */
    _Atomic int wait;       /* enum http_wait */
    _Atomic bool gone;      /* the client hung up, or the server closes */
    _Atomic uint32_t since; /* tick of the last progress, for the sweeper */
    _Atomic uint64_t taken; /* bytes of the body so far */
    _Atomic uint64_t swept; /* `taken` when the sweeper last looked */

    bool opened;         /* head() was called: close() is owed */
    bool suspend_wanted; /* http_suspend() was called by the handler that is running */
    bool body_coming;
    bool expects_continue;
    uint64_t drained;
    struct buf body;
    size_t counted; /* of body, in server->buffered */

    unsigned status;
    struct MHD_Response *reply;
    int64_t (*pull)(void *context, struct http_exchange *exchange, char *out, size_t size);
    void *pull_context;
    uint64_t pull_length;

    char peer[INET6_ADDRSTRLEN];
};

struct http_server {
    struct http_config config; /* with its defaults filled in */
    struct MHD_Daemon *daemon;
    int listen_fd;
    uint16_t port;
    _Atomic unsigned connections;
    _Atomic size_t buffered;       /* bytes of bodies in memory, of all connections */
    _Atomic uint64_t no_room_told; /* when that connections wait was logged, in seconds */
    _Atomic bool stopping;         /* replies carry Connection: close */
    _Atomic bool closing;          /* nothing may be suspended any more */

    /* The watcher: notices suspended clients that hang up, and connections without progress. */
    int watch_fd; /* epoll */
    int wake_fd;  /* eventfd: connections have come, or the end */
    pthread_t watcher;
    bool watcher_runs;
    _Atomic uint32_t tick; /* seconds since start */
    pthread_mutex_t table_lock;
    struct http_connection **table; /* by descriptor */
    size_t table_size, table_count; /* room, connections */
    bool watcher_sleeps;            /* without a time: there are no connections */
    bool watcher_ends;
};

enum {
    /* What is left of a body after an early reply is read and thrown away up to here, so that the
     * client sees the reply and not a reset connection. */
    HTTP_DRAIN_LIMIT = 16 * 1024 * 1024,
    HTTP_BODY_LIMIT_DEFAULT = 1024 * 1024,
};

/* A head that is refused. */
struct http_refusal {
    unsigned status;
    const char *reason; /* one line, for a person */
};

/* head.c: fills the exchange's fields from the head that libmicrohttpd holds, and judges it. Status
 * 0: it is good. */
struct http_refusal http_head_take(struct http_connection *connection, const char *method,
                                   const char *version);
/* The request target, before libmicrohttpd changes it. Copied to the arena. */
void http_head_target(struct http_connection *connection, const char *target);

/* Whether it holds no control character but tabs. */
bool http_is_field_value(struct str s);

/* wait.c */
enum http_wait_result {
    HTTP_WAITS, /* suspended: return to libmicrohttpd without touching the exchange */
    HTTP_AGAIN, /* a resume was there already: run the handler again */
};
enum http_wait_result http_wait_begin(struct http_connection *connection);
/* Called whenever libmicrohttpd comes back; false: the connection must end. */
bool http_wait_end(struct http_connection *connection);
/* Ends a suspension because the client is gone or the server stops. */
void http_wait_abort(struct http_connection *connection);
void http_progress(struct http_connection *connection, enum http_phase phase);

RESULT http_watch_start(struct http_server *server);
void http_watch_stop(struct http_server *server);
void http_table_put(struct http_server *server, struct http_connection *connection);
void http_table_remove(struct http_server *server, struct http_connection *connection);

/* exchange.c: libmicrohttpd's callbacks. */
void *http_on_target(void *server, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_on_access(void *server, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *piece,
                               size_t *piece_size, void **context);
void http_on_completed(void *server, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode why);
void http_on_connection(void *server, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode code);

/* reply.c: a short reply of the server's own, after which the connection closes. */
void http_reply_refusal(struct http_connection *connection, struct http_refusal refusal);

#endif
