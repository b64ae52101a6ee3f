/* Serving function URLs: between url_serve.c, url_event.c and url_reply.c. */
#ifndef KUMONIWA_SERVICES_LAMBDA_URL_INT_H
#define KUMONIWA_SERVICES_LAMBDA_URL_INT_H

#include <stdatomic.h>

#include "base/buf.h"
#include "services/lambda/create.h"

/* The event of a request: "Request and response payloads", payload format version 2.0. */
struct str url_event(struct call *call, const struct lambda_url *url, struct str trace);

/* A run that a request waits for; lives beside the call (cloud/work.h), and goes on with the reply
 * where it streams. */
struct url_run {
    struct arena *arena;
    struct cloud *cloud;
    struct function_run *run;
    struct str trace;
    bool streams;    /* taken over by the reply */
    struct buf head; /* what has come of a stream before its body */
    size_t head_sent;
    char topic[48];
    void (*_Atomic wake)(void *waker);
    void *waker;
};
void url_run_free(struct url_run *run);

/* The answer to a request whose run has ended, or has begun to stream; parks until it knows. */
RESULT url_reply(struct call *call, const struct lambda_url *url, struct url_run *run,
                 struct lambda_FunctionUrlReply *out);
/* An answer of Lambda's own. */
RESULT url_say(struct call *call, uint16_t status, struct str text,
               struct lambda_FunctionUrlReply *out);
/* Adds the headers of a URL's Cors to an answer; preflight: all of them. */
void url_cors(struct call *call, const struct lambda_url *url, bool preflight);

#endif
