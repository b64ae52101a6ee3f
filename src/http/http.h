/* The HTTP/1.1 server, on libmicrohttpd: worker threads, keep-alive, bodies that stream both ways
 * with back-pressure, suspension, TLS, limits. It knows nothing of AWS.
 *
 * An exchange is one request and its reply. Everything about it happens on its connection's worker
 * thread, but for http_resume(), which any thread may call. The handler's functions, in order:
 *
 *   head      The request line and headers are there. It sets exchange->body_limit and
 *             exchange->body_sink, or answers at once with http_respond(). Then a body that is
 *             coming is thrown away and the reply follows it; but when the client waits for
 *             `100 Continue` (sent only when head returns without answering) or announces
 *             more than 16 MiB, the reply goes out at once and the connection closes.
 *   sink      (Only if set.) Each piece of the body, as it comes. Any result but RESULT_OK:
 *             `complete` is called at once with exchange->sink_result set and the rest of the
 *             body is thrown away. RESULT_PARK is back-pressure: nothing was taken; the same
 *             piece comes again, perhaps with more behind it, after http_resume().
 *   complete  The body is whole (buffered in exchange->body when there is no sink). It calls
 *             http_respond() or http_suspend(); after http_resume() it is called again, with
 *             exchange->resumed counted up.
 *   close     The exchange is over: replied, timed out, or the client went away (then also
 *             while suspended). The exchange's arena goes right after. */
#ifndef KUMONIWA_HTTP_HTTP_H
#define KUMONIWA_HTTP_HTTP_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

struct http_server;
struct http_exchange;

struct http_field {
    struct str name;
    struct str value;
};

struct http_handler {
    void *context;
    void (*head)(void *context, struct http_exchange *exchange);
    enum result (*sink)(void *context, struct http_exchange *exchange, struct str piece);
    void (*complete)(void *context, struct http_exchange *exchange);
    void (*close)(void *context, struct http_exchange *exchange);
};

struct http_config {
    struct str address; /* "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;      /* 0: any free one, see http_server_port() */
    bool adopts_only;   /* does not listen: connections come by http_server_adopt() alone */
    unsigned threads;   /* 0: as many as cores */
    struct str tls_certificate, tls_key; /* PEM texts; absent: no TLS */
    size_t header_limit;       /* bytes of request line and headers together; 0: 32 KiB -> 431 */
    unsigned header_count;     /* 0: 256 -> 431 */
    size_t buffer_total;       /* bytes of buffered bodies of all connections; 0: 512 MiB */
    unsigned idle_seconds;     /* a connection without progress is closed; 0: 60. Suspended ones are
                                  exempt */
    unsigned connection_limit; /* 0: 65,000, or what RLIMIT_NOFILE allows */
    unsigned connections_per_address; /* 0: no limit */
    struct http_handler handler;
    /* A connection that was adopted with this tag is gone; NULL: not wanted. */
    void (*gone)(void *context, uint64_t tag);
};

struct http_exchange {
    /* The request: borrowed for the exchange's life. */
    struct str method;
    struct str path;           /* before '?', still percent-encoded, as it came */
    struct str query;          /* after '?', as it came; absent without '?' */
    struct http_field *fields; /* in order, repeated ones apart */
    size_t field_count;
    struct str peer; /* "127.0.0.1" */
    uint16_t peer_port;
    uint64_t tag; /* that http_server_adopt() was given; 0: an accepted connection */
    bool tls;
    bool has_length; /* Content-Length given */
    uint64_t content_length;
    struct str body; /* when complete, without a sink */
    unsigned resumed;
    bool overloaded;         /* buffer_total was passed: sink_result is RESULT_FULL */
    enum result sink_result; /* RESULT_FULL: body_limit was passed */

    /* The handler's. */
    size_t body_limit; /* bytes; default 1 MiB when there is no sink, unlimited with one */
    bool body_sink;
    void *user;
    struct arena *arena; /* dies with the exchange */

    struct http_connection *connection; /* private */
};

RESULT http_server_start(const struct http_config *config, struct http_server **out,
                         struct str *message, struct arena *message_arena);
uint16_t http_server_port(const struct http_server *server);
/* Stops listening, lets exchanges that are being answered finish for at most grace_ms, closes the
 * rest (close is called for each, suspended ones too), joins the threads. */
void http_server_stop(struct http_server *server, unsigned grace_ms);
unsigned http_server_connections(const struct http_server *server);
/* Serves a connected socket as if it had been accepted, from 127.0.0.1; any thread. Takes the
 * descriptor over, whatever comes of it. Not once http_server_stop() has been called. */
RESULT http_server_adopt(struct http_server *server, int fd, uint64_t tag);
/* A connection of a listening socket, not blocking, closed on exec. Negative: errno says why.
 * accept4() itself is libmicrohttpd's here, and waits a moment where it fails for want of room. */
int http_accept(int fd);

/* The first field of that name, compared without case; absent when there is none. */
struct str http_field_get(const struct http_exchange *exchange, struct str name);
/* The same of the trailer of a chunked body, once it is whole: in `complete` only, and before the
 * answer. */
struct str http_trailer_get(const struct http_exchange *exchange, const char *name);

/* The reply's body: exactly one of these forms. */
struct http_body {
    struct str bytes; /* borrowed until close */
    /* A range of a file, sent by sendfile where TLS does not forbid it; the descriptor is taken
     * over. */
    bool is_file;
    int fd;
    uint64_t offset, length;
    /* Pulled: fills at most `size` bytes and returns how many; 0: the end; -1: abort the
     * connection; HTTP_BODY_WAIT: nothing yet, the exchange is suspended until http_resume().
     * length UINT64_MAX: chunked. */
    int64_t (*pull)(void *context, struct http_exchange *exchange, char *out, size_t size);
    void *pull_context;
};
#define HTTP_BODY_WAIT ((int64_t)-2)

/* Content-Length and Date are the server's; a HEAD reply carries the length and no body; `status`
 * 100-599. Fields are borrowed until close. */
void http_respond(struct http_exchange *exchange, unsigned status, const struct http_field *fields,
                  size_t field_count, const struct http_body *body);

/* Between http_suspend() and http_resume() the connection costs memory but no time. A resume that
 * comes before or during the suspend is not lost. Resuming an exchange that has closed is the
 * caller's error: it must forget the exchange in `close`. */
void http_suspend(struct http_exchange *exchange);
void http_resume(struct http_exchange *exchange);

/* Whether the client is still there; for pulls and long waits. */
bool http_client_gone(const struct http_exchange *exchange);

#endif
