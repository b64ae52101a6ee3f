/* A small HTTP client for tests: what it sends is exactly what the test says. */
#ifndef KUMONIWA_TEST_SUPPORT_HTTP_CLIENT_H
#define KUMONIWA_TEST_SUPPORT_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/str.h"

struct client {
    int fd;
    struct arena *arena;
    struct str pending; /* received, belonging to the next reply */
};

struct client_reply {
    unsigned status;    /* 0: the connection ended before a whole reply */
    struct str head;    /* status line and fields */
    struct str body;    /* chunks put together */
    bool whole;         /* the body came to its proper end */
    unsigned continues; /* "100 Continue" before it */
};

struct client client_connect(struct arena *arena, uint16_t port);
/* The same in two steps, the second of which needs no descriptor. */
struct client client_unconnected(struct arena *arena);
void client_reach(struct client *client, uint16_t port);
void client_close(struct client *client);
/* False when the server does not take it any more. */
bool client_send(struct client *client, struct str text);
/* Waits at most half a minute, as all here. `method` matters for HEAD alone. */
struct client_reply client_read(struct client *client, struct str method);
/* The value of a field of the reply; absent when there is none. */
struct str client_field(const struct client_reply *reply, struct str name);
/* Waits until something has come. */
bool client_has_more(const struct client *client);
/* Waits until the server closes; false when it sends something more, or stays. */
bool client_is_closed(struct client *client);

#endif
