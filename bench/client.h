/* One keep-alive HTTP/1.1 connection of the load generator: never blocks, belongs to one epoll set,
 * carries one exchange at a time. Replies may come by Content-Length, chunked or until close (RFC
 * 9112, 6.3). */
#ifndef KUMONIWA_BENCH_CLIENT_H
#define KUMONIWA_BENCH_CLIENT_H

#include <sys/socket.h>

#include "sign.h"

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_IDLE, CONN_SENDING, CONN_WAITING };

struct reply {
    int status;
    bool close;      /* the server ends the connection after this reply */
    struct str head; /* the status line and headers */
    struct str body; /* both borrowed until the connection's next request */
};

struct conn {
    int fd;
    int epoll_fd;
    enum conn_state state;
    struct bytes head;  /* of the request */
    struct bytes body;  /* where builders put a body of their own */
    struct str payload; /* the body that is sent */
    size_t sent;        /* of head and payload together */
    struct bytes in;    /* the reply so far */
    size_t head_len;    /* of the reply; 0: not whole yet */
    size_t body_len;    /* by Content-Length, or of the chunks decoded so far */
    size_t chunk_at;    /* where the next chunk's size line begins */
    bool chunked, until_close, close;
    int status;

    uint64_t start_ns; /* when the request was due (open loop) or sent */
    bool wants_write;  /* EPOLLOUT is asked for */

    /* The workload's own. */
    size_t operation;
    uint64_t sequence;
    uint64_t messages;
    struct bytes handle;
};

struct endpoint {
    struct sockaddr_storage address;
    socklen_t address_len;
    struct bytes host; /* for the Host header */
};

enum progress {
    PROGRESS_MORE,   /* nothing to do until the next event */
    PROGRESS_READY,  /* connected: a request may be sent */
    PROGRESS_REPLY,  /* *reply is whole; the connection is idle, or closed when reply->close */
    PROGRESS_FAILED, /* refused, reset, or the peer does not speak HTTP; the connection is closed */
};

/* Takes "http://HOST:PORT" with an optional '/' behind it; ends the program when it cannot be
 * resolved. */
void endpoint_resolve(struct endpoint *endpoint, const char *url);

/* False: no descriptor, or refused at once (errno says why). */
bool conn_open(struct conn *conn, const struct endpoint *endpoint, int epoll_fd);
void conn_close(struct conn *conn);
/* Closes and frees all that the connection holds. */
void conn_release(struct conn *conn);

/* Signs the request and begins to send it; its body must stay until the reply. False: the
 * connection broke and is closed. */
bool conn_send(struct conn *conn, struct signer *signer, const struct request *request);

/* To be called for every event of the connection. */
enum progress conn_event(struct conn *conn, uint32_t events, struct reply *reply);

#endif
