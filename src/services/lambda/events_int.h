/* Functions that run without a client: asynchronous events, event source mappings. What async.c,
 * destination.c, poll*.c and trace.c share; keys and records: README.md. */
#ifndef KUMONIWA_SERVICES_LAMBDA_EVENTS_INT_H
#define KUMONIWA_SERVICES_LAMBDA_EVENTS_INT_H

#include "base/buf.h"
#include "services/lambda/lambda_int.h"

/* --- attempt.c: a run that a task waits for --- */

struct attempt {
    struct cloud *cloud;
    struct str topic; /* signalled when the run has changed */
    struct function_run *run;
    struct str invoked_arn, version, role; /* of the target; in `arena` */
    struct arena *arena;                   /* of the run; NULL: there is none */
};
/* Lasts as long as the task's state. */
void attempt_init(struct attempt *attempt, struct call *call, struct arena *arena);
struct attempt_event {
    struct str request_id, payload, trace_id;
};
/* Finds the function and starts a run of it. As lambda_run_start(), and RESULT_ERROR with
 * LAMBDA_RESOURCE_NOT_FOUND or LAMBDA_RECURSIVE_INVOCATION. */
RESULT attempt_begin(struct call *call, struct attempt *attempt, const struct lambda_target *target,
                     const struct attempt_event *event);
/* Parks while it runs. */
RESULT attempt_await(struct call *call, struct attempt *attempt,
                     const struct function_result **out);
/* Forgets the run, if there is one. */
void attempt_drop(struct attempt *attempt);
/* Whether an error of attempt_begin() passes by itself: throttled, no environment to be had. */
bool attempt_is_throttled(const struct call *call);

/* --- trace.c --- */

/* The trace header that the function's run gets: that of what caused it (absent: none) with this
 * run counted in its Lineage. *loops: it has been through this function 16 times already, and the
 * function does not allow that. */
struct str trace_next(struct call *call, const struct lambda_target *target, struct str trace,
                      bool *loops);
/* The trace header that came along; without one that of a new trace. */
struct str trace_begin(struct call *call, struct str trace);
/* Which of two has been through more functions' runs; absent ones through none. */
struct str trace_longer(struct str a, struct str b);

/* --- destination.c --- */

/* {"version":"1.0",...}: what destinations are sent about an invocation. Members that are absent
 * are left out. */
struct destination_record {
    struct str request_id, function_arn, condition;
    int64_t invoke_count;
    struct str request_payload; /* JSON */
    bool responded;             /* there was a response */
    int64_t status;
    struct str executed_version, function_error, response_payload; /* JSON */
    struct str batch_name, batch; /* "DDBStreamBatchInfo" and its JSON */
    struct str payload;           /* JSON, the whole event of a batch: S3 alone */
};
/* Has it sent in a transaction of its own, as the function's execution role. An S3 object's key
 * begins with `prefix`. */
RESULT destination_post(struct call *call, struct str target_arn, struct str role_arn,
                        struct str function, struct str prefix,
                        const struct destination_record *record);
/* The event itself to a dead-letter queue, with attributes that say what was wrong. */
RESULT destination_bury(struct call *call, struct str target_arn, struct str role_arn,
                        struct str function, struct str payload, struct str request_id,
                        int64_t status, struct str message);
RESULT destination_deliver(struct call *call, const struct outbox_item *item);
/* RESULT_ERROR: a target that is not built yet, or none at all. batches: of an event source. */
RESULT destination_check(struct call *call, struct str target_arn, bool failure, bool batches);

/* A session of the role for lambda.amazonaws.com; *found false: there is none. */
RESULT event_role(struct call *call, struct str role_arn, struct str function,
                  struct principal *out, bool *found);

/* --- async.c --- */

RESULT async_start(struct cloud *cloud);
/* (lambda_function_key(call, name, "event-invoke"), qualifier) */
struct key event_invoke_key(struct call *call, const struct lambda_name *name,
                            struct str qualifier);
/* What PutFunctionEventInvokeConfig said of "$LATEST", a version or an alias. */
RESULT event_invoke_get(struct call *call, const struct lambda_name *name, struct str qualifier,
                        struct lambda_event_invoke *out, bool *found);
/* Forgets the events of a function that is deleted. */
RESULT async_forget(struct call *call, const struct lambda_name *name);
RESULT async_deliver_forget(struct call *call, const struct outbox_item *item);

/* --- poll.c: event source mappings --- */

struct source_kind;

/* After a mapping was put (its own account and region are the call's) or removed, in the same
 * transaction: its pollers start, notice, or end. */
RESULT source_changed(struct call *call, struct str uuid, bool removed);
/* ("lambda", account, region, "mapping", uuid); strings are in the arena. */
RESULT event_source_get(struct call *call, struct str account, struct str region, struct str uuid,
                        struct lambda_event_source *out, bool *found);
RESULT event_source_put(struct call *call, struct str account, struct str region,
                        const struct lambda_event_source *mapping);
RESULT sources_start(struct cloud *cloud);

/* A poller's state begins with this. */
struct source {
    struct sources *sources;
    struct arena *arena; /* the task's */
    struct str account, region, uuid;
    unsigned number; /* of the mapping's pollers; no two that live have the same */
    bool listens;    /* source_listens() */
    struct attempt attempt;
    /* As read in this step, in the call's arena. */
    struct lambda_event_source mapping;
    struct lambda_target target;
    struct principal role;
    char problem[256];                              /* to note in the mapping */
    unsigned refusals;                              /* of the function, one after another */
    RESULT (*then)(struct call *call, void *state); /* after the note */
};
/* Reads the mapping, its function and role. *gone: the poller is to end. RESULT_ERROR: it cannot
 * work now, call->message says why. */
RESULT source_read(struct call *call, struct source *source, bool *gone);
/* Ends the step: writes what is new of the mapping's LastProcessingResult, and goes on with
 * `then` at the time. */
RESULT source_note(struct call *call, struct source *source, struct str result);
/* The same, after a failure before anything was changed: waits before it tries again. */
RESULT source_problem(struct call *call, struct source *source,
                      RESULT (*then)(struct call *call, void *state));
/* One more poller of the mapping, if it may have one now; of a stream as many as are missing. At
 * most `most` in all. */
void source_grow(struct call *call, struct source *source, const struct source_kind *kind,
                 size_t most);
/* Whether this poller would take what comes: each does at first, none while its function runs. How
 * many of the mapping do. */
size_t source_listens(struct source *source, bool listens);
/* Another one listens: this one is told off, and may end. */
bool source_may_leave(struct source *source);
/* An operation of another service in the role's name. */
RESULT source_invoke(struct call *call, const struct source *source, const struct wire_model *model,
                     uint32_t operation, const void *in, const void **out, uint32_t *error);
/* Whether the mapping's filters let the record (JSON) through. */
bool source_lets(struct call *call, const struct source *source, struct str record);
/* ReportBatchItemFailures: marks what the response names; false: all of the batch failed. */
bool source_failures(struct arena *arena, struct str response, const struct str *ids, size_t count,
                     bool *failed);

/* How pollers of a kind of source begin, and what their states take. */
struct source_kind {
    struct str service; /* of the source's ARN */
    RESULT (*step)(struct call *call, void *state);
    void (*ended)(void *state);
    size_t size;
};
extern const struct source_kind source_sqs;
extern const struct source_kind source_stream;

#endif
