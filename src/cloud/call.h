/* One operation being called: the struct that goes all the way through. Made per request (or per
 * internal call, job, test); belongs to one thread at a time; everything in it lives in
 * call->arena.
 *
 * A handler: RESULT sqs_SendMessage(struct call *call, const struct sqs_SendMessageRequest *in,
 *                                   struct sqs_SendMessageResult *out);
 * It runs inside call->txn. Any result but RESULT_OK rolls everything back. It may run more than
 * once for one request (RESULT_RESTART after a write in a read-only transaction, RESULT_PARK): all
 * its effects go through the transaction, call_signal() and the outbox, so that a rerun starts
 * clean. `out` is zeroed before each run. */
#ifndef KUMONIWA_CLOUD_CALL_H
#define KUMONIWA_CLOUD_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "cloud/cloud.h"
#include "cloud/session.h"
#include "store/key.h"

enum principal_kind {
    PRINCIPAL_ANONYMOUS,
    PRINCIPAL_ROOT,
    PRINCIPAL_USER,
    PRINCIPAL_ROLE_SESSION,
    PRINCIPAL_FEDERATED,
    PRINCIPAL_SERVICE, /* the cloud itself: "sqs.amazonaws.com" */
};

struct principal {
    enum principal_kind kind;
    struct str account;    /* 12 digits; absent for anonymous */
    struct str arn;        /* "arn:aws:iam::000000000000:root" */
    struct str user_id;    /* "AIDA...", account id for root, "AROA...:session" */
    struct str access_key; /* as signed with; absent for anonymous and services */
    struct str name;       /* service: "sqs.amazonaws.com"; user, role, federated user: its name */
    const struct session *session; /* cloud/session.h; NULL: long-term credentials, or none */
    bool drop_in; /* a root user by a key that was not issued here: nothing was verified */
};

/* A payload that streams in (WIRE_OP_STREAM_IN), verified: on disk and not yet alive (see
 * store/blob.h), or in memory when it is small and the service keeps small ones in its records. */
struct call_payload {
    bool present;
    bool in_memory;
    bool of_form; /* the file of a form, whose other fields stand for the request's headers */
    struct blob_id blob; /* unless in_memory */
    struct blob_key
        key;          /* that the blob is sealed with: the service keeps it, sealed in its turn */
    struct str bytes; /* when in_memory; plain */
    uint64_t size;
    /* S3: digests of the payload, compared with what the client sent. */
    bool digested;
    uint8_t md5[MD5_SIZE];
    enum digest_kind checksum; /* the client's choice, or CRC64NVME */
    bool checksum_chosen;      /* the client did choose */
    uint8_t checksum_value[SHA256_SIZE];
    uint8_t crc64nvme[8]; /* of a part (UploadPart), whatever the client chose */
};

/* A piece of a payload that streams out. */
struct call_piece {
    struct str bytes;    /* either these */
    struct blob_id blob; /* or, when they are absent, this range of a blob */
    struct blob_key key; /* that it is sealed with; no layers: it is not */
    uint64_t offset, length;
};

/* A payload that is made while it is sent. */
struct call_source {
    /* Fills at most `size` bytes and returns how many; 0: the end; -1: it broke;
     * CALL_SOURCE_WAIT: nothing yet, wake(waker) will be called, from any thread. NULL: no source.
     */
    int64_t (*pull)(void *self, char *out, size_t size, void (*wake)(void *waker), void *waker);
    void (*close)(void *self); /* it will not be pulled again; wake() is not called after it */
    void *self;
};
#define CALL_SOURCE_WAIT ((int64_t)-2)

/* A payload that streams out (WIRE_OP_STREAM_OUT). */
struct call_stream {
    bool present;
    struct str bytes; /* either these */
    bool is_file;     /* or this range; the descriptor is taken over */
    int fd;
    uint64_t offset, length;
    const struct call_piece *pieces; /* or all of these, `length` bytes together */
    size_t piece_count;
    bool length_only;          /* or nothing but the length, in the answer to HEAD */
    struct call_source source; /* or this, of unknown length */
};

struct call_topic {
    struct str topic;
    unsigned count; /* of waiters to wake; UINT_MAX: all */
};

struct call {
    struct arena *arena;
    struct cloud *cloud;
    struct kv_txn *txn;
    const struct wire_model *model;
    uint32_t operation;
    enum wire_protocol protocol;

    struct str account; /* the principal's; handlers that serve other accounts' resources take the
                           owner's */
    struct str region;
    bool any_region; /* nothing in the request says which: S3's unsigned ones, and its older URLs */
    int64_t signer_ahead_ms; /* how far the cloud's clock was ahead of the signer's */
    struct str partition;    /* "aws" */
    struct principal principal;
    struct str request_id;
    int64_t now_ms; /* cloud time, the same through one run of the handler */

    const struct wire_request *request; /* NULL for internal calls */
    struct str endpoint; /* "http://HOST:PORT" as this client reached us; cloud->endpoint for
                            internal calls */
    struct str source_ip;
    bool secure_transport;
    bool from_sandbox;                     /* the client is a function in a network of its own */
    struct str source_arn, source_account; /* on whose behalf a service calls; absent: nobody's */
    struct str trace; /* X-Amzn-Trace-Id of what caused an internal call; call_trace() asks */
    struct str_list called_via; /* services that pass a principal's call on, the first first */

    struct call_payload payload;
    struct call_stream stream;
    uint16_t status;                   /* handler may set; 0: the model's */
    const struct wire_header *headers; /* further reply headers, by call_add_header() */
    size_t header_count;

    /* Set by call_fail(). */
    uint32_t error;
    struct str message;
    const void *detail;

    /* Set by call_park(). */
    struct str park_topic;
    int64_t park_deadline_ms; /* cloud time */
    unsigned runs;            /* how often the handler has run before: 0 in the first */
    int64_t started_ms;       /* cloud time of the first run */
    /* By the service, for its `ended` hook (struct service_hooks): what this run met; NULL at
     * first.
     */
    void *noted;
    void *memo; /* what a read-only run found out for the writing one that follows its RESTART */

    struct work *work; /* cloud/work.h: what runs beside this call; NULL: nothing */
    struct task *task; /* cloud/task.h: whose step this is; NULL: not a task's */

    const void *found; /* what the service's `authorize` read for the function, in this run */

    struct call_topic *signals; /* to wake after commit */
    size_t signal_count, signal_cap;
    bool outbox_used;       /* wake the dispatcher after commit */
    uint64_t sequence_mark; /* see call_sequence(); 0: untouched */
};

/* --- failing
 * -----------------------------------------------------------------------------------------------
 */

/* Records a modelled error (an index of the service's list, e.g. SQS_QUEUE_DOES_NOT_EXIST); yields
 * RESULT_ERROR. */
RESULT call_fail(struct call *call, uint32_t error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the error shape's further members: a pointer to its generated struct, in the arena.
 */
RESULT call_fail_with(struct call *call, uint32_t error, const void *detail, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/* --- waiting
 * -----------------------------------------------------------------------------------------------
 */

/* Ends this run; the handler runs again when the topic is signalled or cloud time reaches the
 * deadline. Several signals may coalesce; being woken is no promise. Yields RESULT_PARK. */
RESULT call_park(struct call *call, struct str topic, int64_t deadline_ms);
/* Wakes all who are parked on the topic, after this transaction has committed. */
void call_signal(struct call *call, struct str topic);
/* Wakes the `count` that wait longest. For topics where each signal satisfies one waiter (a message
 * for one of many pollers): a woken handler that leaves something for others signals on. */
void call_signal_some(struct call *call, struct str topic, unsigned count);

/* A number greater than all that this cloud has given out before, across restarts. Writing
 * transactions only. */
RESULT call_sequence(struct call *call, uint64_t *out);

/* --- records
 * -----------------------------------------------------------------------------------------------
 */

/* A record of shape `shape` (SQS_SHAPE_queue) under key. get: *found false leaves *record zeroed;
 * strings are borrowed from the store (valid until the next write in this transaction); get_copy:
 * in the arena. */
RESULT call_get_record(struct call *call, const struct key *key, const struct wire_model *model,
                       uint16_t shape, void *record, bool *found);
RESULT call_get_record_copy(struct call *call, const struct key *key,
                            const struct wire_model *model, uint16_t shape, void *record,
                            bool *found);
RESULT call_put_record(struct call *call, const struct key *key, const struct wire_model *model,
                       uint16_t shape, const void *record);
/* The key (service, account, region, kind): append names to it. */
struct key call_key(struct call *call, struct str kind);

/* --- replies
 * -----------------------------------------------------------------------------------------------
 */

void call_add_header(struct call *call, struct str name, struct str value);

/* The trace header of the request, or of what caused an internal call; absent: none. */
struct str call_trace(const struct call *call);

/* --- running
 * -----------------------------------------------------------------------------------------------
 */

/* Authorises, runs the operation's function in a transaction, commits, wakes. `in` is decoded and
 * valid, `out` has the output shape's size and may hold strings borrowed from the store:
 * finish(call, out) runs before the transaction ends, to encode or copy them (NULL: the caller
 * knows that there are none). RESULT_ERROR: call->error is set; RESULT_PARK: park fields are set
 * and the caller registers the wait (cloud/park.h) and calls again. An operation without a function
 * fails with NotImplemented. A full disk fails with the service's 5xx. */
RESULT call_run(struct call *call, const void *in, void *out,
                RESULT (*finish)(struct call *call, const void *out));

/* A deep copy of a shape's struct into the arena, for `finish`. */
RESULT call_copy(struct arena *arena, const struct wire_model *model, uint16_t shape,
                 const void *value, void *copy);

/* Commits call->txn (ended either way) and lets its effects out: signals, the outbox. For who runs
 * a transaction without call_run(): the outbox's deliveries. */
RESULT call_commit(struct call *call);

/* An internal call of another operation, as a principal, inside the caller's transaction: what both
 * write is committed together. `in` must be valid. Any result but RESULT_OK may have left writes
 * behind: the caller's transaction must then not commit (an outbox handler returns the result and
 * is retried, or gives up at once before calling). On RESULT_ERROR *error and *message are the
 * callee's. On RESULT_PARK the callee's topic and deadline are the caller's, which may be a task's
 * step and wait for them. */
struct call_invocation {
    const struct wire_model *model;
    uint32_t operation;
    const void *in;
    struct principal principal;
    struct str account, region;
    struct str source_arn, source_account; /* the resource that caused it, for aws:SourceArn */
    struct str trace;                      /* the trace header of what caused it; absent: none */
    const struct call_payload *payload;    /* of an operation whose body streams in; NULL: none */
    struct call_stream *stream; /* takes what streams out, its descriptor too; NULL: not wanted */
};
/* In the caller's own name, account and region. */
struct call_invocation call_as_caller(const struct call *call, const struct wire_model *model,
                                      uint32_t operation, const void *in);
RESULT call_invoke(struct call *call, const struct call_invocation *invocation, const void **out,
                   uint32_t *error, struct str *message);

#endif
