/* A cloud in a private directory, called without a socket: what service tests drive. Its clock
 * stands still and moves when the test says so; the outbox is delivered when the test says so. */
#ifndef KUMONIWA_TEST_SUPPORT_LOOPBACK_H
#define KUMONIWA_TEST_SUPPORT_LOOPBACK_H

#include "cloud/call.h"

struct loopback {
    struct arena *arena; /* of everything until loopback_close() */
    struct cloud *cloud;
    struct arena *cloud_arena;
    char directory[256];
    struct str account, region;    /* of the calls to come; "000000000000", "us-east-1" */
    enum principal_kind principal; /* PRINCIPAL_ROOT */
    struct str user;               /* of that name; absent: the account's root */
    const struct principal *who;   /* in place of the three above; NULL: those */
    struct str source_ip;          /* "127.0.0.1" */
    struct str source_arn;         /* on whose behalf a service calls */
    enum wire_protocol protocol;   /* WIRE_PROTOCOL_JSON */
    /* Of the requests to come, as a client would have sent them. */
    struct str method, path;           /* "POST", "/" */
    const struct wire_header *headers; /* an empty body's Content-MD5 comes along */
    size_t header_count;
    struct str payload; /* of operations whose body streams in; absent: none */
    bool payload_of_form;
    bool (*write_hook)(void *context); /* for the next open */
    void *hook_context;
    int64_t stopped_ms; /* where the clock stood */
};

/* What a call came to. */
struct loopback_reply {
    enum result result;
    const void *out; /* the operation's output; NULL unless RESULT_OK */
    struct str code; /* of the error, as JSON names it */
    struct str message;
    const void *detail;
    int64_t deadline_ms;               /* RESULT_PARK: until when */
    uint16_t status;                   /* 0: the model's */
    const struct wire_header *headers; /* that the function added */
    size_t header_count;
    struct str stream; /* what it streams out, of bytes that are in a record; absent: nothing */
};

/* 2026-11-21T00:00:00Z, where the clock stands at first. */
#define LOOPBACK_NOW INT64_C(1795219200000)

void loopback_open(struct loopback *loopback);
/* Closes the cloud and opens it again on the same data; the clock goes on from where it stood. */
void loopback_reopen(struct loopback *loopback);
/* The two halves of it: in between nothing is open, and the test may fork. */
void loopback_stop(struct loopback *loopback);
void loopback_start(struct loopback *loopback);
void loopback_close(struct loopback *loopback);

/* Validates `in` by the model, then calls the operation. */
struct loopback_reply loopback_call(struct loopback *loopback, const struct wire_model *model,
                                    uint32_t operation, const void *in);

/* The headers for pages of other origins (struct service_hooks.cross_origin) that an answer to the
 * request would have; result RESULT_OK. */
struct loopback_reply loopback_cross_origin(struct loopback *loopback,
                                            const struct wire_model *model, struct str path);
/* A header of a reply; absent: it has none. */
struct str loopback_header(struct loopback_reply reply, const char *name);

int64_t loopback_now(const struct loopback *loopback);
void loopback_advance(struct loopback *loopback, int64_t ms);
/* Delivers events and jobs that are due; how many. */
size_t loopback_deliver(struct loopback *loopback);

/* Fails the test unless the reply is what it should be. */
#define loopback_ok(reply) loopback_check_ok((reply), __FILE__, __LINE__)
#define loopback_error(reply, code, message)                                                       \
    loopback_check_error((reply), (code), (message), __FILE__, __LINE__)
const void *loopback_check_ok(struct loopback_reply reply, const char *file, int line);
/* message NULL: any. */
void loopback_check_error(struct loopback_reply reply, const char *code, const char *message,
                          const char *file, int line);

#endif
