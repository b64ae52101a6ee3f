/* What the files of functions/ share. One lock guards everything here; whoever calls a function of
 * this header holds it, unless it says otherwise. Threads: those of the callers, the engine's own
 * (engine.c: processes, pipes, time), and that of the Runtime API's server. */
#ifndef KUMONIWA_FUNCTIONS_FUNCTIONS_INT_H
#define KUMONIWA_FUNCTIONS_FUNCTIONS_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "functions/functions.h"
#include "functions/runtime.h"
#include "http/http.h"
#include "sandbox/sandbox.h"

enum {
    ENVIRONMENTS_MAX = 4096, /* a power of two: the slot is part of the id */
    HELD_MAX = 1024,         /* specs that are kept without an environment */
    RESPONSE_MAX = 6291556,  /* "Lambda quotas": 6 MB */
    STREAM_MAX = 200 << 20,  /* of a streamed response */
    STREAM_ROOM = 256 << 10, /* of it that waits for its reader */
    LINE_BYTES = 256 << 10,  /* of one line of the log */
    TAIL_BYTES = 4096,       /* LogResult */
    EXTENSIONS_MAX = 10,     /* "Lambda quotas" would have layers limit them */
    CONNECTIONS_MAX = 128,   /* from one sandbox to one port */
    ERROR_TYPE_MAX = 128,
    STREAM_NAME_MAX = 96,
};

#define SECOND_NS 1000000000ULL
#define INIT_NS (10 * SECOND_NS) /* "Init phase" */

/* How many of something run: of a pool, or of an account in a region. */
struct meter {
    unsigned refs, busy;
    struct str key;
};

/* A spec and what was started of it. */
struct held {
    unsigned refs; /* the table, environments, runs */
    struct arena *arena;
    struct function_spec spec;
    struct meter *pool, *account;
    bool gone;                /* not in the table any more: environments end when they are idle */
    struct environment *idle; /* those that ask for an event; the latest first */
    struct environment *waiting;   /* those that have a run and cannot take it yet */
    struct environment *returning; /* answered, and without a run */
    unsigned wanted, kept;         /* provisioned concurrency: wished, and there */
    uint64_t retry_ns;             /* when it may be tried again */
    uint64_t used_ns;              /* last */
    struct held *older, *newer;    /* by use */
};

enum run_stage { RUN_WAITING, RUN_BEGAN, RUN_ENDED };

struct function_run {
    struct functions *functions;
    unsigned refs; /* the caller, the environment, an exchange that sends its payload */
    struct arena *arena;
    struct held *held;
    struct environment *environment; /* NULL once ended */
    struct function_event event;
    bool reserved;  /* counts for its pool alone */
    bool delivered; /* the runtime has it */
    enum run_stage stage;
    uint64_t delivered_ns;
    /* What function_run_result() shows at each stage; never changed once it is shown. */
    struct function_result waiting, began, ended;
    struct buf payload; /* of the response, while it comes in pieces */
    char *stream;       /* of it what its reader has not taken yet: STREAM_ROOM bytes */
    size_t stream_from, stream_to;
    uint64_t stream_total;
    bool streamed;                /* the runtime answers in pieces, for a reader */
    bool abandoned;               /* nobody wants it any more */
    struct http_exchange *source; /* waits for room */
    struct str stream_error;      /* from the trailer; absent: none */
};

enum environment_phase {
    ENVIRONMENT_QUEUED,   /* waits until fewer are starting */
    ENVIRONMENT_STARTING, /* until the runtime and all extensions ask for an event */
    ENVIRONMENT_IDLE,
    ENVIRONMENT_BUSY,
    ENVIRONMENT_RETURNING, /* has answered and not asked again */
    ENVIRONMENT_ENDING,
};

/* Pieces of lines, from one descriptor. */
enum output_kind { OUTPUT_STDOUT, OUTPUT_STDERR, OUTPUT_FRAMES, OUTPUT_EXTENSIONS, OUTPUT_KINDS };
struct output {
    int fd; /* -1: none */
    bool watched, paused;
    char *part; /* of a line, or of a frame */
    size_t length, room;
    size_t skip; /* of a frame that is too long */
};

struct extension {
    char id[36];
    struct str name;
    bool internal, invoke, shutdown;
    bool started; /* external: its process was; it has not registered yet when id is empty */
    bool asked;   /* has asked for an event and has got none since */
    struct http_exchange *next;
    struct str error;         /* that it reported, or how it ended */
    struct function_run *run; /* whose INVOKE event it has not had yet */
    bool wants_shutdown;
};

struct telemetry; /* telemetry.c */

struct environment {
    struct functions *functions;
    uint64_t id;
    struct arena *arena;
    struct held *held;
    enum environment_phase phase;
    struct environment *next, *previous; /* in one of held's lists */
    struct environment *older, *newer;   /* among all idle ones; or the queue to start */
    struct sandbox *sandbox;
    bool running;  /* the sandbox was seen running */
    bool starting; /* counts in functions->starting */
    bool waits;    /* is in held->waiting */
    bool doomed;   /* is to end as soon as it can */
    bool provisioned;
    bool made_to_keep;   /* was when it was made */
    bool watched;        /* sandbox_watch() is on */
    int listeners[2];    /* the Runtime API's, the cloud's */
    uint64_t listens_ns; /* when they are listened to again; 0: they are */
    unsigned connections;
    struct str looked_for; /* programs to start, none of which is there; absent: one is */
    int go, exits;         /* extensions: starts the runtime; tells who ended */
    int attempt;           /* 0: the init phase; 1: once more within the first invocation */
    uint64_t begun_ns, deadline_ns, counted_until_ns;
    uint64_t return_ns; /* until when what has answered may go on */
    int64_t init_us;    /* -1: not over */
    bool init_told;     /* in a REPORT line */
    struct function_run *run;
    struct http_exchange *next_exchange; /* the runtime's, that asks */
    bool asked;                          /* the runtime has asked */
    bool init_failed;
    char error_type[ERROR_TYPE_MAX]; /* of what went wrong, by the runtime's own account */
    struct str error_payload;
    const char *ending; /* the shutdown's reason */
    struct output outputs[OUTPUT_KINDS];
    uint64_t budget_ns; /* when what is written was paid for */
    bool tailing;
    char tail[TAIL_BYTES];
    size_t tail_at, tail_length;
    struct str stream; /* the log's */
    uint64_t memory_seen_ns;
    int64_t memory_mb;
    struct extension extensions[EXTENSIONS_MAX];
    size_t extension_count;
    struct telemetry *telemetry;
};

struct functions {
    struct functions_config config;
    struct arena *arena;
    pthread_mutex_t lock;
    struct map held;   /* by key */
    struct map latest; /* by ARN with the version: what is held of it */
    struct map meters; /* by key */
    struct held *oldest, *newest;
    size_t held_count;
    struct environment *slots[ENVIRONMENTS_MAX];
    size_t slot_hint, environments, busy, starting, idle;
    uint64_t generation;
    struct environment *idle_oldest, *idle_newest;
    struct environment *queue_first, *queue_last; /* to be started */
    size_t queued;                                /* how many those are */
    uint64_t started, invoked;
    struct runtimes *runtimes;
    struct http_server *api;
    int epoll, wake;
    _Atomic uint64_t wakes_ns; /* when the engine will look by itself */
    pthread_t thread;
    bool thread_runs, stopping, freed;
    uint64_t no_room_told_ns; /* when it was last logged that connections wait */
    bool grown;               /* there were environments since memory was given back */
    size_t callers;           /* runs that are not released */
    unsigned starting_limit;
};

/* --- functions.c --- */
void held_ref(struct held *held);
void held_release(struct functions *functions, struct held *held);
/* Forgets specs that nothing was started of and that were not used for as long as environments are
 * kept. Returns when there may be another; 0: there is none. */
uint64_t held_tidy(struct functions *functions, uint64_t now_ns);
void run_ref(struct function_run *run);
void run_release(struct function_run *run);
/* The run has its result; the environment forgets it. */
void run_end(struct function_run *run, enum function_outcome outcome, struct str payload);
/* {"errorType":...,"errorMessage":...} */
struct str error_payload(struct arena *arena, struct str type, struct str message);

/* --- environments.c --- */
struct environment *environment_find(struct functions *functions, uint64_t id);
/* NULL: there are too many. */
struct environment *environment_new(struct functions *functions, struct held *held,
                                    struct function_run *run, bool provisioned);
/* A warm one takes the run; false: there is none. */
bool environment_take(struct functions *functions, struct held *held, struct function_run *run);
/* The runtime, or an extension, has asked for an event: perhaps all have. */
void environment_asked(struct environment *environment);
/* Something answered the current run: the environment has no run any more. status: NULL, "error",
 * "timeout". */
void environment_answer(struct environment *environment, enum function_outcome outcome,
                        struct str payload, const char *status, struct str error_type);
/* The runtime's initialisation has failed, as error_type and error_payload of it say; it is
 * expected to exit. */
void environment_init_failed(struct environment *environment);
/* Ends it: SHUTDOWN to extensions, then the kill. */
void environment_end(struct environment *environment, const char *reason);
void environment_set_deadline(struct environment *environment, uint64_t deadline_ns);
void environment_timed_out(struct environment *environment);
/* The sandbox has ended or could not be started. */
void environment_ended(struct environment *environment);
/* Nothing can run: text says why. */
void environment_unable(struct environment *environment, struct str text);
/* As many are kept as are wanted: new ones begin, unless some have just failed; what is too many
 * becomes ordinary, and ends when it is idle. */
void environments_provision(struct functions *functions, struct held *held);
/* The run that it took while it returned goes elsewhere: it has not asked in time. */
void environment_give_back(struct environment *environment);
/* The program ends: at once, and the run with it. */
void environment_stop(struct environment *environment);
/* To be started, behind the others, and out again to be started now; NULL: nobody waits. */
void environment_queue(struct environment *environment);
struct environment *environment_unqueue(struct functions *functions);
/* The run is handed out: what the runtime is told of it is in `run`. */
void environment_deliver(struct environment *environment);

/* --- launch.c --- */
/* Without the lock: nobody else touches what it reads. On RESULT_ERROR *problem, in the
 * environment's arena, says what is wrong. */
RESULT environment_launch(struct environment *environment, struct sandbox **sandbox,
                          struct str *problem);

/* --- engine.c --- */
RESULT engine_start(struct functions *functions);
void engine_stop(struct functions *functions); /* without the lock */
void engine_wake(struct functions *functions);
void engine_watch(struct environment *environment, enum output_kind kind, bool on);
void engine_forget(struct environment *environment); /* closes what the engine watches of it */
enum {
    WATCH_WAKE,
    WATCH_SANDBOX,
    WATCH_API,
    WATCH_CLOUD,
    WATCH_EXITS,
    WATCH_TELEMETRY,
    WATCH_OUTPUT, /* + enum output_kind */
};
uint64_t engine_tag(uint64_t id, int kind);
bool engine_add(struct functions *functions, uint64_t id, int kind, int fd);

/* --- runtime_api.c, extensions_api.c --- */
RESULT api_start(struct functions *functions, struct str *message);
struct api_reply {
    unsigned status;
    struct str body;
    const char *error_type, *error_message; /* in place of a body */
    struct http_field fields[10];
    size_t field_count;
    struct function_run *run; /* whose payload the body is */
    bool wait;
};
void api_error(struct api_reply *reply, unsigned status, const char *type, const char *message);
/* Paths below /2020-01-01/, /2020-08-15/ and /2022-07-01/. */
void extensions_serve(struct environment *environment, struct http_exchange *exchange,
                      struct api_reply *reply);
bool extensions_ready(const struct environment *environment); /* all have asked */
void extensions_invoke(struct environment *environment);
/* True: somebody is to be waited for. */
bool extensions_shutdown(struct environment *environment);
void extensions_forget(struct environment *environment);
void extensions_exited(struct environment *environment); /* environment->exits is readable */
/* The exchange is over. */
void extensions_closed(struct environment *environment, struct http_exchange *exchange);

/* --- output.c --- */
void output_open(struct environment *environment, enum output_kind kind, int fd);
/* Reads what is there. all: to its end, as it is now. */
void output_read(struct environment *environment, enum output_kind kind, bool all);
void outputs_drain(struct environment *environment);
void outputs_close(struct environment *environment); /* what is left is told */
/* A line to the log, the tail and who subscribed. */
enum line_source { LINE_PLATFORM, LINE_FUNCTION, LINE_EXTENSION };
void environment_line(struct environment *environment, enum line_source source, int64_t time_ms,
                      struct str text);
struct str tail_text(const struct environment *environment, struct arena *arena);

/* --- report.c: what the platform says --- */
void report_init_start(struct environment *environment);
/* status: "success", "error", "timeout"; error: NULL or its type */
void report_init_end(struct environment *environment, const char *status, const char *error);
void report_start(struct environment *environment, struct function_run *run);
void report_end(struct environment *environment, struct function_run *run, const char *status,
                struct str error);
void report_extension(struct environment *environment, const struct extension *extension,
                      const char *state);
void report_subscription(struct environment *environment, bool logs, struct str name,
                         const bool types[3]);
int64_t environment_memory(struct environment *environment, bool now);
/* How its sandbox ended, or why it never ran: the type of the error, and a C string in text. */
const char *report_ending(struct environment *environment, char *text, size_t size);

/* --- telemetry.c --- */
/* record: JSON text; type: "platform.start", "function", "extension" */
void telemetry_put(struct environment *environment, const char *type, struct str record,
                   int64_t time_ms);
bool telemetry_wanted(const struct environment *environment, enum line_source source);
void telemetry_subscribe(struct environment *environment, struct http_exchange *exchange,
                         struct str name, struct api_reply *reply);
void telemetry_tick(struct environment *environment, uint64_t now_ns);
void telemetry_ready(struct environment *environment);
void telemetry_socket(struct environment *environment, int fd); /* takes it over */
void telemetry_flush(struct environment *environment);
void telemetry_free(struct environment *environment);
uint64_t telemetry_due_ns(const struct environment *environment);

#endif
