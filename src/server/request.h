/* One AWS request on its way through the server: what src/server/exchange.c keeps between the HTTP
 * layer's calls. */
#ifndef KUMONIWA_SERVER_REQUEST_H
#define KUMONIWA_SERVER_REQUEST_H

#include "cloud/call.h"
#include "cloud/park.h"
#include "http/http.h"

struct cloud_trail_event;
struct server;
struct intake;

struct request {
    struct call call; /* first: the finish callback gets the request from it */
    struct server *server;
    struct http_exchange *exchange;
    struct wire_request wire;
    struct wire_route route;
    bool routed;
    bool hosted;   /* its host is a service's own: service_hooks.place_of_host */
    bool prepared; /* decoded, or refused */
    struct sigv4 signature;
    uint8_t signing_key[SHA256_SIZE];
    bool verified; /* signing_key is set: the key is one that we issued */
    const void *in;
    struct wire_response response;
    struct arena *run_arena; /* of one run of the handler; its reply is in it */
    struct intake *intake;   /* a body that streams to disk; NULL: buffered */
    uint64_t started_ns;
    struct cloud_trail_event *told; /* what CloudTrail hears of the answer; NULL: nothing */

    struct park_waiter waiter;
    struct str park_topic;
    bool waiting;            /* registered, not yet run again */
    bool wants_more_signals; /* woken and gone: the signal is for another */

    /* The error to answer with; code overrides the common error's name (S3's own names). */
    uint32_t error;
    struct str message;
    struct str code;
    const struct wire_header *extra; /* S3: further elements of the error */
    size_t extra_count;
};

/* A further element of S3's error. */
void request_detail(struct request *request, struct str name, struct str value);

/* What the chunks of its body are signed with; NULL when nobody here knows. */
const uint8_t *request_signing_key(const struct request *request);

/* Records the error that answers this request; yields RESULT_ERROR. */
RESULT request_fail(struct request *request, enum wire_common_error error, struct str message);

#endif
