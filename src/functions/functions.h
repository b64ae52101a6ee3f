/* Execution environments of functions: "Understanding the Lambda execution environment lifecycle"
 * and "Using the Lambda runtime API", AWS Lambda Developer Guide. An environment is a sandbox with
 * one runtime process in it, that asks the Runtime API for one event after another; it is started
 * when an event finds none idle, kept for the next one, and ended when it is not wanted any more.
 * This layer knows nothing of AWS's operations or of the store: who invokes tells all that is
 * needed in a spec, and gets a result.
 *
 * Any thread may call any function here; none of them blocks. */
#ifndef KUMONIWA_FUNCTIONS_FUNCTIONS_H
#define KUMONIWA_FUNCTIONS_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/str.h"
#include "wire/types.h"

struct functions;
struct function_run;
struct sandbox_host;

/* One line of a function's log, or of the platform about it. Borrowed for the call. */
struct function_log {
    struct str account, region;
    struct str group, stream; /* "/aws/lambda/NAME", "2026/11/21/[$LATEST]0123..." */
    bool create_group;        /* the function may */
    int64_t time_ms;
    struct str text; /* without its newline; at most 256 KiB */
};

struct functions_config {
    struct sandbox_host *host; /* NULL: nothing can run; functions_invoke() results say why */
    struct str directory;      /* for runtimes and sockets; its content is this layer's, and may be
                                  lost at any time */
    unsigned idle_limit;       /* environments that are kept warm, of all functions; 0: 32 */
    int64_t idle_ms;           /* real time after which an unused one ends; 0: 10 minutes */
    uint16_t endpoint_port;    /* at which the cloud answers inside a sandbox: 4566 */
    int64_t (*now_ms)(void *context); /* the cloud's clock */
    /* The cloud's URL on the machine's own network; for functions that are there. */
    struct str (*endpoint)(void *context);
    /* Takes over a connection from inside a sandbox to the cloud's endpoint. */
    void (*connected)(void *context, int descriptor);
    void (*log)(void *context, const struct function_log *line);
    void *context;
};

RESULT functions_start(const struct functions_config *config, struct functions **out);
/* Ends all environments; runs that were under way end with FUNCTION_STOPPED, as those that are
 * begun later do. NULL is fine, as is a second time. */
void functions_stop(struct functions *functions);
/* Stops, too. Runs are still to be released; nothing else may be called any more. */
void functions_free(struct functions *functions);

/* What environments of one version of a function share. */
struct function_spec {
    struct str
        key; /* names this content for ever: equal keys mean equal specs, credentials apart */
    struct str pool; /* whose concurrency it uses: the function's ARN without a version */
    struct str account, region;
    struct str name, version, arn; /* arn: with the version */
    struct str runtime;            /* "python3.12"; absent: of an image */
    struct str handler;
    struct str task; /* directory that is /var/task, readable by everybody */
    struct str opt;  /* directory that is /opt: the layers in their order; absent: none */
    /* Of an image: a root file system in place of the machine's, its command, its own variables,
     * that the function's come before. */
    struct str root;
    struct str_list command;
    struct str workdir; /* absent: / */
    const struct str *image_environment;
    size_t image_environment_count;
    const struct str *environment; /* "NAME=VALUE", the function's own */
    size_t environment_count;
    struct str access_key, secret_key, session_token;
    int64_t expires_ms; /* of the credentials, cloud time */
    uint32_t memory_mb, tmp_mb, timeout_ms;
    struct str log_group;
    bool logged;          /* the execution role may write it: else config.log is told nothing */
    bool makes_group;     /* the role may create the group */
    bool log_json;        /* LoggingConfig: format JSON */
    struct str log_level; /* application log level; absent: all */
    struct str platform_level; /* system log level; absent: INFO */
    bool outside;              /* is on the machine's network, not on one of its own */
    bool debug;                /* waits for a debugger: no time limits; ends with its run's
                                  release */
};

/* How many may run at once. */
struct function_limits {
    unsigned function; /* reserved concurrency of the pool; UINT_MAX: none is reserved */
    unsigned account;  /* of all pools without reserved concurrency, by account and region */
};

struct function_event {
    struct str request_id;
    struct str payload;
    struct str client_context; /* JSON; absent: none */
    struct str cognito;        /* JSON; absent: none */
    struct str trace_id;       /* X-Amzn-Trace-Id; absent: one is made */
    struct str invoked_arn;
    struct str tenant; /* absent: none */
    bool tail;         /* the last 4 KiB of the log are wanted */
    bool streaming;    /* the result may be taken while it is made */
    /* Called once when the run has ended, and for a streaming one whenever there is more; on any
     * thread; must only signal. */
    void (*changed)(void *self);
    void *self;
};

enum function_outcome {
    FUNCTION_RUNNING,
    FUNCTION_ANSWERED,  /* payload is the handler's */
    FUNCTION_FAILED,    /* payload is {"errorMessage":...,"errorType":...}: of the handler, of its
                           initialisation, of an exit, a time-out, too little memory */
    FUNCTION_TOO_LARGE, /* the response passed 6 MB: payload as FUNCTION_FAILED */
    FUNCTION_UNABLE,    /* no environment could be started: payload is a text that says why */
    FUNCTION_STOPPED,   /* the program is ending, nothing is known of the run */
};
struct function_result {
    enum function_outcome outcome;
    struct str payload;
    struct str content_type; /* streaming: as the runtime said */
    struct str tail;         /* not yet Base64 */
    struct str request_id;
    int64_t duration_us, init_us; /* init_us: -1 when the environment was warm */
    int64_t billed_ms, max_memory_mb;
};

enum functions_answer {
    FUNCTIONS_TAKEN,   /* *run is the caller's */
    FUNCTIONS_UNKNOWN, /* no spec of that key is held, or its credentials are about to
                          expire: functions_hold() and once more */
    FUNCTIONS_FUNCTION_THROTTLED,
    FUNCTIONS_ACCOUNT_THROTTLED,
};
/* Keeps a spec (a copy) for events to come; a later one of the same key takes its place. */
RESULT functions_hold(struct functions *functions, const struct function_spec *spec);
enum functions_answer functions_invoke(struct functions *functions, struct str key,
                                       const struct function_limits *limits,
                                       const struct function_event *event,
                                       struct function_run **run);
/* The version is gone or has changed: its idle environments end, busy ones after their event. */
void functions_forget(struct functions *functions, struct str key);
/* Keeps `count` environments of the version started (provisioned concurrency), whose spec is held;
 * *ready says how many are. */
RESULT functions_provision(struct functions *functions, struct str key, unsigned count,
                           unsigned *ready);

/* Lives as long as the run. */
const struct function_result *function_run_result(struct function_run *run);
/* The response streams, and what has come of it is to be read, not in the result's payload. */
bool function_run_began(struct function_run *run);
/* Of a streaming run: moves what has come out of the runtime; 0 with FUNCTION_RUNNING: nothing
 * yet. */
size_t function_run_read(struct function_run *run, char *out, size_t size);
/* The caller wants no more of it; a run that is under way goes on to its end, as AWS's does. */
void function_run_release(struct function_run *run);

/* What is running now, for pages and tests. */
struct functions_counts {
    unsigned environments, busy, starting, held;
    uint64_t started, invoked;
};
void functions_count(struct functions *functions, struct functions_counts *out);

#endif
