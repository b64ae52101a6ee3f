/* The life of environments: queued, started, idle, busy, ended. */
#include "functions/functions_int.h"

#include <errno.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"

/* A run that was given to an environment that has answered waits this long for it to ask, or for
 * half of what its start took, on a machine that is busy; then a new one is started. */
#define RETURN_NS (20 * 1000000ULL)
#define RETURN_MOST_NS (SECOND_NS / 2)
/* "Shutdown phase": with extensions 2 s, without none. What a runtime that has reported a failed
 * initialisation has to exit. */
#define SHUTDOWN_NS (2 * SECOND_NS)
#define EXIT_NS (SECOND_NS / 2)

/* --- lists --- */

static void list_add(struct environment **list, struct environment *environment)
{
    environment->previous = NULL;
    environment->next = *list;
    if (*list != NULL)
        (*list)->previous = environment;
    *list = environment;
}

static void list_remove(struct environment **list, struct environment *environment)
{
    *(environment->previous == NULL ? list : &environment->previous->next) = environment->next;
    if (environment->next != NULL)
        environment->next->previous = environment->previous;
    environment->next = environment->previous = NULL;
}

static void idle_add(struct environment *environment)
{
    struct functions *functions = environment->functions;
    list_add(&environment->held->idle, environment);
    if (environment->provisioned)
        return;
    environment->newer = NULL;
    environment->older = functions->idle_newest;
    *(functions->idle_newest == NULL ? &functions->idle_oldest : &functions->idle_newest->newer) =
        environment;
    functions->idle_newest = environment;
    functions->idle++;
}

static void idle_remove(struct environment *environment)
{
    struct functions *functions = environment->functions;
    list_remove(&environment->held->idle, environment);
    if (environment->provisioned)
        return;
    *(environment->older == NULL ? &functions->idle_oldest : &environment->older->newer) =
        environment->newer;
    *(environment->newer == NULL ? &functions->idle_newest : &environment->newer->older) =
        environment->older;
    environment->older = environment->newer = NULL;
    functions->idle--;
}

/* Those whose run has not been handed out: whoever is idle first takes it. What has failed once is
 * tried to its end. */
static void waiting_add(struct environment *environment)
{
    environment->waits = environment->run != NULL && environment->attempt == 0;
    if (environment->waits)
        list_add(&environment->held->waiting, environment);
}

static void waiting_remove(struct environment *environment)
{
    if (environment->waits)
        list_remove(&environment->held->waiting, environment);
    environment->waits = false;
}

void environment_queue(struct environment *environment)
{
    struct functions *functions = environment->functions;
    environment->phase = ENVIRONMENT_QUEUED;
    if (!environment->waits)
        waiting_add(environment);
    environment->newer = NULL;
    environment->older = functions->queue_last;
    *(functions->queue_last == NULL ? &functions->queue_first : &functions->queue_last->newer) =
        environment;
    functions->queue_last = environment;
    functions->queued++;
    engine_wake(functions);
}

static void queue_remove(struct environment *environment)
{
    struct functions *functions = environment->functions;
    *(environment->older == NULL ? &functions->queue_first : &environment->older->newer) =
        environment->newer;
    *(environment->newer == NULL ? &functions->queue_last : &environment->newer->older) =
        environment->older;
    environment->older = environment->newer = NULL;
    functions->queued--;
}

struct environment *environment_unqueue(struct functions *functions)
{
    struct environment *environment = functions->queue_first;
    if (environment != NULL)
        queue_remove(environment);
    return environment;
}

/* --- beginning and end --- */

struct environment *environment_find(struct functions *functions, uint64_t id)
{
    struct environment *environment = functions->slots[id % ENVIRONMENTS_MAX];
    return environment != NULL && environment->id == id ? environment : NULL;
}

/* "2026/11/21/[$LATEST]" and 32 hexadecimal digits. */
static struct str stream_name(struct environment *environment)
{
    const struct functions_config *config = &environment->functions->config;
    struct civil_time day = time_to_civil(config->now_ms(config->context));
    uint8_t bytes[16];
    char hex[32];
    rng_bytes(bytes, sizeof bytes);
    struct buf text;
    buf_init_fixed(&text, hex, sizeof hex);
    hex_encode(&text, str_make((const char *)bytes, sizeof bytes));
    return str_format(environment->arena, "%04d/%02d/%02d/[%.*s]%.32s", day.year, day.month,
                      day.day, PRSTR(environment->held->spec.version), hex);
}

static bool find_slot(struct functions *functions, size_t *slot)
{
    for (size_t i = 0; i < ENVIRONMENTS_MAX; i++) {
        *slot = functions->slot_hint++ % ENVIRONMENTS_MAX;
        if (functions->slots[*slot] == NULL)
            return true;
    }
    return false;
}

struct environment *environment_new(struct functions *functions, struct held *held,
                                    struct function_run *run, bool provisioned)
{
    size_t slot;
    if (functions->stopping || !find_slot(functions, &slot))
        return NULL;
    struct environment *environment = heap_alloc(sizeof *environment);
    environment->functions = functions;
    environment->id = ++functions->generation * ENVIRONMENTS_MAX + slot;
    environment->arena = arena_new(0);
    environment->held = held;
    held_ref(held);
    environment->listeners[0] = environment->listeners[1] = -1;
    environment->go = environment->exits = -1;
    for (size_t i = 0; i < OUTPUT_KINDS; i++)
        environment->outputs[i].fd = -1;
    environment->init_us = -1;
    environment->provisioned = environment->made_to_keep = provisioned;
    held->kept += provisioned;
    environment->stream = stream_name(environment);
    functions->slots[slot] = environment;
    functions->environments++;
    functions->grown = true;
    environment->run = run;
    if (run != NULL)
        run->environment = environment;
    environment_queue(environment);
    return environment;
}

static void stop_starting(struct environment *environment)
{
    struct functions *functions = environment->functions;
    functions->starting -= environment->starting;
    environment->starting = false;
    if (functions->queue_first != NULL)
        engine_wake(functions);
}

/* A run that was given to an environment that does not take it gets another; false: it has ended.
 */
static bool start_other(struct functions *functions, struct held *held, struct function_run *run)
{
    run->environment = NULL;
    if (environment_new(functions, held, run, false) != NULL)
        return true;
    run_end(run, FUNCTION_UNABLE, STR("Too many functions are running on this machine."));
    run_release(run);
    return false;
}

/* Of no list any more. */
static void environment_free(struct environment *environment)
{
    struct functions *functions = environment->functions;
    struct held *held = environment->held;
    waiting_remove(environment);
    stop_starting(environment);
    /* Whoever asks is sent away when it looks again. */
    if (environment->next_exchange != NULL)
        http_resume(environment->next_exchange);
    extensions_forget(environment);
    engine_forget(environment);
    telemetry_free(environment);
    functions->slots[environment->id % ENVIRONMENTS_MAX] = NULL;
    functions->environments--;
    if (environment->provisioned) {
        held->kept--;
        if (held->wanted > held->kept)
            engine_wake(functions);
    }
    held_release(functions, held);
    arena_free(environment->arena);
    heap_free(environment);
}

void environment_set_deadline(struct environment *environment, uint64_t deadline_ns)
{
    environment->deadline_ns = environment->held->spec.debug ? 0 : deadline_ns;
    if (environment->deadline_ns != 0 &&
        environment->deadline_ns <
            atomic_load_explicit(&environment->functions->wakes_ns, memory_order_relaxed))
        engine_wake(environment->functions);
}

static void leave_phase(struct environment *environment)
{
    struct functions *functions = environment->functions;
    waiting_remove(environment);
    switch (environment->phase) {
    case ENVIRONMENT_QUEUED:
        queue_remove(environment);
        break;
    case ENVIRONMENT_IDLE:
        idle_remove(environment);
        break;
    case ENVIRONMENT_BUSY:
        functions->busy--;
        break;
    case ENVIRONMENT_RETURNING:
        if (environment->run == NULL)
            list_remove(&environment->held->returning, environment);
        break;
    case ENVIRONMENT_STARTING:
    case ENVIRONMENT_ENDING:
        break;
    }
}

void environment_end(struct environment *environment, const char *reason)
{
    if (environment->phase == ENVIRONMENT_ENDING)
        return;
    bool queued = environment->phase == ENVIRONMENT_QUEUED;
    leave_phase(environment);
    environment->phase = ENVIRONMENT_ENDING;
    environment->ending = reason;
    environment->doomed = true;
    stop_starting(environment);
    if (queued) {
        environment_free(environment);
        return;
    }
    if (environment->sandbox == NULL)
        return; /* the engine is starting it, and will look */
    if (environment->running && extensions_shutdown(environment)) {
        sandbox_terminate(environment->sandbox);
        environment->deadline_ns = 0;
        environment_set_deadline(environment, time_monotonic_ns() + SHUTDOWN_NS);
        return;
    }
    sandbox_kill(environment->sandbox);
    environment->deadline_ns = 0;
}

/* --- idle and busy --- */

/* Idle ones beyond the limit end. */
static void environments_trim(struct functions *functions)
{
    while (functions->idle > functions->config.idle_limit)
        environment_end(functions->idle_oldest, "spindown");
}

static bool is_stale(const struct environment *environment)
{
    enum { MARGIN_MS = 30000 };
    const struct functions_config *config = &environment->functions->config;
    const struct function_spec *spec = &environment->held->spec;
    return environment->held->gone ||
           (spec->expires_ms != 0 &&
            config->now_ms(config->context) + spec->timeout_ms + MARGIN_MS > spec->expires_ms);
}

static void give(struct environment *environment, struct function_run *run)
{
    environment->run = run;
    run->environment = environment;
}

static void be_busy(struct environment *environment)
{
    waiting_remove(environment);
    environment->phase = ENVIRONMENT_BUSY;
    environment->functions->busy++;
    environment->asked = false;
    environment->deadline_ns = 0;
    if (!environment->watched) {
        sandbox_watch(environment->sandbox, true);
        environment->watched = true;
    }
    extensions_invoke(environment);
    if (environment->next_exchange != NULL)
        http_resume(environment->next_exchange);
}

static uint64_t return_wait_ns(const struct environment *environment)
{
    uint64_t half = environment->init_us > 0 ? (uint64_t)environment->init_us * 1000 / 2 : 0;
    if (half > RETURN_MOST_NS)
        return RETURN_MOST_NS;
    return half > RETURN_NS ? half : RETURN_NS;
}

bool environment_take(struct functions *functions, struct held *held, struct function_run *run)
{
    (void)functions;
    while (held->idle != NULL) {
        struct environment *environment = held->idle;
        if (is_stale(environment)) {
            environment_end(environment, "spindown");
            continue;
        }
        idle_remove(environment);
        give(environment, run);
        be_busy(environment);
        return true;
    }
    /* One that has just answered will ask in a moment. */
    struct environment *environment = held->returning;
    if (environment == NULL || environment->doomed || is_stale(environment))
        return false;
    list_remove(&held->returning, environment);
    give(environment, run);
    environment_set_deadline(environment, time_monotonic_ns() + return_wait_ns(environment));
    return true;
}

/* One that was to be started for it is not needed; one that is starting will be idle. */
static struct function_run *take_waiting(struct held *held)
{
    struct environment *waiting = held->waiting;
    if (waiting == NULL)
        return NULL;
    struct function_run *run = waiting->run;
    waiting_remove(waiting);
    waiting->run = NULL;
    if (waiting->phase == ENVIRONMENT_QUEUED) {
        queue_remove(waiting);
        waiting->phase = ENVIRONMENT_ENDING;
        environment_free(waiting);
    }
    return run;
}

static void end_init(struct environment *environment)
{
    uint64_t now = time_monotonic_ns();
    environment->init_us = (int64_t)(now - environment->begun_ns) / 1000;
    stop_starting(environment);
    report_init_end(environment, "success", NULL);
}

/* Everybody asks: there is a run, or there is none. */
static void be_idle(struct environment *environment)
{
    struct functions *functions = environment->functions;
    if (environment->doomed || is_stale(environment)) {
        if (environment->run != NULL) {
            /* It was given to this one while it returned. */
            struct function_run *run = environment->run;
            environment->run = NULL;
            (void)start_other(functions, environment->held, run);
        } else if (environment->phase == ENVIRONMENT_RETURNING) {
            list_remove(&environment->held->returning, environment);
        }
        environment->phase = ENVIRONMENT_STARTING; /* of no list */
        environment_end(environment, "spindown");
        return;
    }
    if (environment->phase == ENVIRONMENT_RETURNING && environment->run == NULL)
        list_remove(&environment->held->returning, environment);
    if (environment->run == NULL) {
        struct function_run *run = take_waiting(environment->held);
        if (run != NULL)
            give(environment, run);
    }
    if (environment->run != NULL) {
        be_busy(environment);
        return;
    }
    environment->phase = ENVIRONMENT_IDLE;
    idle_add(environment);
    environment_set_deadline(environment,
                             time_monotonic_ns() + (uint64_t)functions->config.idle_ms * 1000000);
    environments_trim(functions);
}

void environment_asked(struct environment *environment)
{
    if (!environment->asked || !extensions_ready(environment))
        return;
    switch (environment->phase) {
    case ENVIRONMENT_STARTING:
        end_init(environment);
        be_idle(environment);
        break;
    case ENVIRONMENT_RETURNING:
        be_idle(environment);
        break;
    case ENVIRONMENT_QUEUED:
    case ENVIRONMENT_IDLE:
    case ENVIRONMENT_BUSY:
    case ENVIRONMENT_ENDING:
        break;
    }
}

void environment_deliver(struct environment *environment)
{
    struct function_run *run = environment->run;
    run->delivered = true;
    run->delivered_ns = time_monotonic_ns();
    environment->tailing = run->event.tail;
    environment->tail_at = environment->tail_length = 0;
    environment->error_type[0] = '\0';
    report_start(environment, run);
    environment_set_deadline(environment,
                             run->delivered_ns + environment->held->spec.timeout_ms * 1000000ULL);
}

static void measure(struct environment *environment, struct function_run *run, const char *status)
{
    const struct function_spec *spec = &environment->held->spec;
    uint64_t from = run->delivered ? run->delivered_ns : environment->begun_ns;
    struct function_result *result = &run->ended;
    result->duration_us = (int64_t)(time_monotonic_ns() - from) / 1000;
    if (status != NULL && str_eq(str_from_c(status), STR("timeout")))
        result->duration_us = (int64_t)spec->timeout_ms * 1000;
    int64_t billed_us = result->duration_us;
    if (!environment->init_told && environment->init_us >= 0 && environment->attempt == 0 &&
        !environment->provisioned) {
        result->init_us = environment->init_us;
        billed_us += environment->init_us;
    }
    environment->init_told = true;
    result->billed_ms = (billed_us + 999) / 1000;
    result->max_memory_mb = environment_memory(environment, false);
    if (result->max_memory_mb > spec->memory_mb)
        result->max_memory_mb = spec->memory_mb;
}

void environment_answer(struct environment *environment, enum function_outcome outcome,
                        struct str payload, const char *status, struct str error_type)
{
    struct function_run *run = environment->run;
    outputs_drain(environment);
    measure(environment, run, status);
    report_end(environment, run, status, error_type);
    if (run->event.tail)
        run->ended.tail = tail_text(environment, run->arena);
    environment->tailing = false;
    waiting_remove(environment);
    environment->run = NULL;
    environment->deadline_ns = 0;
    if (environment->phase == ENVIRONMENT_BUSY) {
        environment->functions->busy--;
        environment->phase = ENVIRONMENT_RETURNING;
        list_add(&environment->held->returning, environment);
        /* The time of the event is also that of what the runtime does after its answer. */
        environment->return_ns =
            run->delivered_ns + environment->held->spec.timeout_ms * 1000000ULL;
        environment_set_deadline(environment, environment->return_ns);
    }
    run_end(run, outcome, payload);
    run_release(run);
    environment_asked(environment);
}

/* --- what goes wrong --- */

static struct str failure_text(struct environment *environment, const char *what)
{
    return str_format(environment->run->arena, "RequestId: %.*s Error: %s",
                      PRSTR(environment->run->event.request_id), what);
}

/* What fails before the runtime has asked is told as if it had. */
static void begin_late(struct environment *environment)
{
    struct function_run *run = environment->run;
    if (run->delivered)
        return;
    run->delivered = true;
    run->delivered_ns = environment->begun_ns;
    environment->tailing = run->event.tail;
    report_start(environment, run);
}

/* Fails the run with an error of the platform's own. */
static void fail_run(struct environment *environment, const char *type, const char *what)
{
    struct function_run *run = environment->run;
    begin_late(environment);
    struct str text = failure_text(environment, what);
    environment_line(environment, LINE_PLATFORM,
                     environment->functions->config.now_ms(environment->functions->config.context),
                     str_format(run->arena, "%.*s\n%s", PRSTR(text), type));
    environment_answer(environment, FUNCTION_FAILED,
                       error_payload(run->arena, str_from_c(type), text), "error",
                       str_from_c(type));
}

void environment_timed_out(struct environment *environment)
{
    struct function_run *run = environment->run;
    const struct functions_config *config = &environment->functions->config;
    char what[64], when[40];
    struct buf stamp;
    buf_init_fixed(&stamp, when, sizeof when);
    int64_t now = config->now_ms(config->context);
    time_format_iso8601(&stamp, now);
    begin_late(environment);
    struct buf text;
    buf_init_fixed(&text, what, sizeof what);
    buf_append_format(&text, "Task timed out after %.2f seconds",
                      (double)environment->held->spec.timeout_ms / 1000);
    buf_append_char(&text, '\0');
    outputs_drain(environment);
    if (!environment->held->spec.log_json)
        environment_line(environment, LINE_PLATFORM, now,
                         str_format(run->arena, "%.*s %.*s %s\n", PRSTR(buf_str(&stamp)),
                                    PRSTR(run->event.request_id), what));
    struct str payload =
        error_payload(run->arena, STR("Sandbox.Timedout"), failure_text(environment, what));
    environment->doomed = true;
    environment_answer(environment, FUNCTION_FAILED, payload, "timeout", (struct str){0});
    environment_end(environment, "timeout");
}

void environment_init_failed(struct environment *environment)
{
    environment->init_failed = true;
    environment_set_deadline(environment, time_monotonic_ns() + EXIT_NS);
}

/* The init phase has failed, and an event waits: it is tried again as part of the invocation, with
 * the function's own time. */
static void start_again(struct environment *environment)
{
    struct functions *functions = environment->functions;
    if (environment->next_exchange != NULL)
        http_resume(environment->next_exchange);
    environment->next_exchange = NULL;
    extensions_forget(environment);
    engine_forget(environment);
    /* What still comes from the old processes is for nobody. */
    environment->id =
        ++functions->generation * ENVIRONMENTS_MAX + environment->id % ENVIRONMENTS_MAX;
    telemetry_free(environment);
    environment->sandbox = NULL;
    environment->running = environment->watched = environment->asked = false;
    environment->init_failed = false;
    environment->error_type[0] = '\0';
    environment->error_payload = (struct str){0};
    environment->connections = 0;
    environment->deadline_ns = environment->listens_ns = 0;
    environment->attempt = 1;
    waiting_remove(environment);
    stop_starting(environment);
    environment_queue(environment);
}

static void fail_init_again(struct environment *environment, const char *type, const char *text)
{
    struct function_run *run = environment->run;
    if (str_is_absent(environment->error_payload)) {
        fail_run(environment, type, text);
        return;
    }
    begin_late(environment);
    environment_answer(environment, FUNCTION_FAILED,
                       str_copy(run->arena, environment->error_payload), "error",
                       str_from_c(environment->error_type));
}

static void end_during_init(struct environment *environment, const char *type, const char *text)
{
    const char *known = environment->error_type[0] != '\0' ? environment->error_type : type;
    report_init_end(environment, "error", known);
    if (environment->provisioned)
        environment->held->retry_ns = time_monotonic_ns() + SECOND_NS;
    if (environment->run == NULL)
        return;
    if (environment->attempt == 0)
        start_again(environment);
    else
        fail_init_again(environment, type, text);
}

void environment_ended(struct environment *environment)
{
    char text[512];
    const char *type = report_ending(environment, text, sizeof text);
    outputs_close(environment);
    for (size_t i = 0; i < environment->extension_count; i++)
        if (!str_is_absent(environment->extensions[i].error) &&
            environment->phase != ENVIRONMENT_ENDING)
            type = "Extension.Crash";
    if (environment->phase == ENVIRONMENT_STARTING) {
        end_during_init(environment, type, text);
        if (environment->phase == ENVIRONMENT_QUEUED)
            return;
    } else if (environment->run != NULL) {
        environment->doomed = true;
        if (environment->run->delivered) {
            fail_run(environment, type, text);
        } else {
            /* It ended before it had the event: another one takes it. */
            struct function_run *run = environment->run;
            environment->run = NULL;
            leave_phase(environment);
            environment->phase = ENVIRONMENT_ENDING;
            (void)start_other(environment->functions, environment->held, run);
        }
    }
    if (environment->phase != ENVIRONMENT_ENDING && environment->phase != ENVIRONMENT_STARTING)
        leave_phase(environment);
    environment->phase = ENVIRONMENT_ENDING;
    environment_free(environment);
}

void environment_unable(struct environment *environment, struct str text)
{
    struct function_run *run = environment->run;
    log_line(LOG_WARN, "function %.*s: %.*s", PRSTR(environment->held->spec.name), PRSTR(text));
    environment->held->retry_ns = time_monotonic_ns() + 10 * SECOND_NS;
    if (run != NULL) {
        environment->run = NULL;
        run_end(run, FUNCTION_UNABLE, str_copy(run->arena, text));
        run_release(run);
    }
    environment->phase = ENVIRONMENT_ENDING;
    environment_free(environment);
}

void environments_provision(struct functions *functions, struct held *held)
{
    while (held->kept < held->wanted && held->retry_ns <= time_monotonic_ns())
        if (environment_new(functions, held, NULL, true) == NULL)
            return;
    for (size_t i = 0; held->kept > held->wanted && i < ENVIRONMENTS_MAX; i++) {
        struct environment *one = functions->slots[i];
        if (one == NULL || one->held != held || !one->provisioned ||
            one->phase == ENVIRONMENT_ENDING)
            continue;
        /* It becomes an ordinary one; idle ones end. */
        bool idle = one->phase == ENVIRONMENT_IDLE;
        if (idle)
            idle_remove(one);
        one->provisioned = false;
        held->kept--;
        if (idle) {
            idle_add(one);
            environment_end(one, "spindown");
        }
    }
}

void environment_give_back(struct environment *environment)
{
    struct function_run *run = environment->run;
    if (run == NULL)
        return;
    environment->run = NULL;
    list_add(&environment->held->returning, environment);
    environment_set_deadline(environment, environment->return_ns);
    (void)start_other(environment->functions, environment->held, run);
}

void environment_stop(struct environment *environment)
{
    struct function_run *run = environment->run;
    leave_phase(environment);
    environment->phase = ENVIRONMENT_ENDING;
    if (run != NULL) {
        environment->run = NULL;
        run_end(run, FUNCTION_STOPPED, (struct str){0});
        run_release(run);
    }
    environment_free(environment);
}
