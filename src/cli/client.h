/* The command line's own small HTTP client for http://HOST:PORT/_kumoniwa/...: one request, one
 * connection, the whole reply in memory. (libcurl would serve, but linking it costs every start of
 * the server 5 ms.) */
#ifndef KUMONIWA_CLI_CLIENT_H
#define KUMONIWA_CLI_CLIENT_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

/* $KUMONIWA_ENDPOINT, $AWS_ENDPOINT_URL or http://127.0.0.1:4566. */
struct str client_endpoint(struct arena *arena);

struct client_request {
    struct str method, path;
    struct str head; /* further lines, each with its CR LF; absent: none */
    struct str body;
};
struct client_reply {
    unsigned status;
    struct str head, body;
};
/* RESULT_ERROR: nobody answers, or not in HTTP; *message says so. */
RESULT client_send(struct arena *arena, const struct client_request *request,
                   struct client_reply *reply, struct str *message);
/* The value of a field of the reply's head, or absent. */
struct str client_field(const struct client_reply *reply, struct str name);

/* RESULT_ERROR: nobody answers; *message names the endpoint and says how to start one. An HTTP
 * status >= 400 is RESULT_ERROR too, with the server's own message. */
RESULT client_call(struct arena *arena, struct str method, struct str path, struct str *body,
                   struct str *message);

/* The text of a string or number member of a flat JSON object, for printing; absent when there is
 * none. Enough for what the server itself writes. */
struct str client_member(struct arena *arena, struct str json, struct str name);
/* The next object of a JSON array of flat objects; false at the end. */
bool client_next_object(struct str *rest, struct str *object);

#endif
