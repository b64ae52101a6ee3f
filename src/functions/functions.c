/* The way in: specs that are held, runs, limits. */
#include "functions/functions_int.h"

#include <errno.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/rng.h"
#include "base/time.h"
#include "wire/wire.h"

/* --- meters --- */

static struct meter *meter_get(struct functions *functions, struct str key)
{
    struct meter *meter = map_get(&functions->meters, key);
    if (meter == NULL) {
        meter = heap_alloc(sizeof *meter + key.len);
        char *text = (char *)(meter + 1);
        memcpy(text, key.ptr, key.len);
        meter->key = str_make(text, key.len);
        (void)map_put(&functions->meters, meter->key, meter);
    }
    meter->refs++;
    return meter;
}

static void meter_release(struct functions *functions, struct meter *meter)
{
    if (--meter->refs > 0)
        return;
    (void)map_remove(&functions->meters, meter->key);
    heap_free(meter);
}

/* --- specs --- */

static void copy(struct arena *arena, struct str *s)
{
    if (!str_is_absent(*s))
        *s = str_copy(arena, *s);
}

static struct str *copy_strs(struct arena *arena, const struct str *from, size_t count)
{
    struct str *to = ARENA_ARRAY(arena, count + 1, struct str);
    for (size_t i = 0; i < count; i++)
        to[i] = str_copy(arena, from[i]);
    return to;
}

static void spec_copy(struct arena *arena, const struct function_spec *from,
                      struct function_spec *to)
{
    *to = *from;
    struct str *texts[] = {
        &to->key,           &to->pool,      &to->account,   &to->region,         &to->name,
        &to->version,       &to->arn,       &to->runtime,   &to->handler,        &to->task,
        &to->opt,           &to->root,      &to->workdir,   &to->access_key,     &to->secret_key,
        &to->session_token, &to->log_group, &to->log_level, &to->platform_level,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        copy(arena, texts[i]);
    to->command.items = copy_strs(arena, from->command.items, from->command.len);
    to->image_environment =
        copy_strs(arena, from->image_environment, from->image_environment_count);
    to->environment = copy_strs(arena, from->environment, from->environment_count);
}

void held_ref(struct held *held)
{
    held->refs++;
}

void held_release(struct functions *functions, struct held *held)
{
    if (--held->refs > 0)
        return;
    meter_release(functions, held->pool);
    meter_release(functions, held->account);
    arena_free(held->arena);
}

static void held_unlink(struct functions *functions, struct held *held)
{
    *(held->older == NULL ? &functions->oldest : &held->older->newer) = held->newer;
    *(held->newer == NULL ? &functions->newest : &held->newer->older) = held->older;
    held->older = held->newer = NULL;
}

static void held_link(struct functions *functions, struct held *held)
{
    held->used_ns = time_monotonic_ns();
    held->older = functions->newest;
    *(functions->newest == NULL ? &functions->oldest : &functions->newest->newer) = held;
    functions->newest = held;
}

/* Its idle environments end now, busy ones after their event. */
static void held_forget(struct functions *functions, struct held *held)
{
    if (held->gone)
        return;
    held->gone = true;
    held->wanted = 0;
    (void)map_remove(&functions->held, held->spec.key);
    if (!held->spec.debug)
        (void)map_remove(&functions->latest, held->spec.arn);
    held_unlink(functions, held);
    functions->held_count--;
    while (held->idle != NULL)
        environment_end(held->idle, "spindown");
    held_release(functions, held);
}

/* Specs that nothing was started of are forgotten, the oldest first. */
static void held_trim(struct functions *functions)
{
    struct held *held = functions->oldest;
    while (functions->held_count > HELD_MAX && held != NULL) {
        struct held *newer = held->newer;
        if (held->refs == 1 && held->wanted == 0)
            held_forget(functions, held);
        held = newer;
    }
}

uint64_t held_tidy(struct functions *functions, uint64_t now_ns)
{
    uint64_t kept_ns = (uint64_t)functions->config.idle_ms * 1000000;
    struct held *held = functions->oldest;
    while (held != NULL && held->used_ns + kept_ns <= now_ns) {
        struct held *newer = held->newer;
        if (held->refs == 1 && held->wanted == 0)
            held_forget(functions, held);
        held = newer;
    }
    if (functions->oldest == NULL)
        return 0;
    /* What is in use longer than it is kept is looked at again then. */
    uint64_t due = functions->oldest->used_ns + kept_ns;
    return due > now_ns ? due : now_ns + kept_ns;
}

static bool expires_soon(const struct functions *functions, const struct function_spec *spec)
{
    enum { MARGIN_MS = 60000 };
    return spec->expires_ms != 0 &&
           functions->config.now_ms(functions->config.context) + spec->timeout_ms + MARGIN_MS >
               spec->expires_ms;
}

/* Threads are started with the first spec: who has no functions has none of them. */
static RESULT threads_begin(struct functions *functions)
{
    struct str message = {0};
    if (functions->thread_runs || functions->stopping || functions->config.host == NULL)
        return RESULT_OK;
    enum result result = functions->api != NULL ? RESULT_OK : api_start(functions, &message);
    if (result == RESULT_ERROR)
        return FAULT("the Runtime API: %.*s", PRSTR(message));
    TRY(result);
    return engine_start(functions);
}

RESULT functions_hold(struct functions *functions, const struct function_spec *spec)
{
    (void)pthread_mutex_lock(&functions->lock);
    enum result begun = threads_begin(functions);
    if (begun != RESULT_OK) {
        (void)pthread_mutex_unlock(&functions->lock);
        return begun;
    }
    struct held *old = map_get(&functions->held, spec->key);
    /* Several callers find out at once that none is held: the first one's serves all. */
    if (old != NULL && !expires_soon(functions, &old->spec)) {
        (void)pthread_mutex_unlock(&functions->lock);
        return RESULT_OK;
    }
    struct arena *arena = arena_new(4096);
    struct held *held = ARENA_NEW(arena, struct held);
    held->arena = arena;
    held->refs = 1;
    spec_copy(arena, spec, &held->spec);
    struct str account = str_format(arena, "%.*s/%.*s", PRSTR(spec->account), PRSTR(spec->region));
    held->pool = meter_get(functions, held->spec.pool);
    held->account = meter_get(functions, account);
    if (old != NULL) {
        held->wanted = old->wanted;
        held_forget(functions, old);
    }
    /* Another content of the same version: what was started of the old one is of no use. */
    struct held *former = map_get(&functions->latest, held->spec.arn);
    if (former != NULL && !spec->debug)
        held_forget(functions, former);
    if (!spec->debug)
        (void)map_put(&functions->latest, held->spec.arn, held);
    (void)map_put(&functions->held, held->spec.key, held);
    held_link(functions, held);
    functions->held_count++;
    held_trim(functions);
    if (held->wanted > 0)
        environments_provision(functions, held);
    (void)pthread_mutex_unlock(&functions->lock);
    return RESULT_OK;
}

void functions_forget(struct functions *functions, struct str key)
{
    (void)pthread_mutex_lock(&functions->lock);
    struct held *held = map_get(&functions->held, key);
    if (held != NULL)
        held_forget(functions, held);
    (void)pthread_mutex_unlock(&functions->lock);
}

RESULT functions_provision(struct functions *functions, struct str key, unsigned count,
                           unsigned *ready)
{
    (void)pthread_mutex_lock(&functions->lock);
    struct held *held = map_get(&functions->held, key);
    enum result result = RESULT_ERROR;
    if (held != NULL) {
        held->wanted = count;
        held->retry_ns = 0;
        environments_provision(functions, held);
        unsigned there = 0;
        for (size_t i = 0; i < ENVIRONMENTS_MAX; i++) {
            const struct environment *one = functions->slots[i];
            there += one != NULL && one->held == held && one->provisioned &&
                     (one->phase == ENVIRONMENT_IDLE || one->phase == ENVIRONMENT_BUSY ||
                      one->phase == ENVIRONMENT_RETURNING);
        }
        *ready = there;
        result = RESULT_OK;
    }
    (void)pthread_mutex_unlock(&functions->lock);
    return result;
}

/* --- runs --- */

void run_ref(struct function_run *run)
{
    run->refs++;
}

void run_release(struct function_run *run)
{
    if (--run->refs > 0)
        return;
    held_release(run->functions, run->held);
    heap_free(run->stream);
    arena_free(run->arena);
}

struct str error_payload(struct arena *arena, struct str type, struct str message)
{
    struct buf out;
    buf_init(&out, arena, RESPONSE_MAX);
    buf_append(&out, STR("{\"errorType\":"));
    wire_json_write_string(&out, type);
    buf_append(&out, STR(",\"errorMessage\":"));
    wire_json_write_string(&out, message);
    buf_append(&out, STR("}"));
    return buf_str(&out);
}

static void run_tell(struct function_run *run)
{
    if (run->event.changed != NULL)
        run->event.changed(run->event.self);
}

static struct str trace_id(struct arena *arena)
{
    uint8_t bytes[20];
    char hex[40];
    rng_bytes(bytes, sizeof bytes);
    struct buf text;
    buf_init_fixed(&text, hex, sizeof hex);
    hex_encode(&text, str_make((const char *)bytes, sizeof bytes));
    return str_format(arena, "Root=1-%08llx-%.24s;Parent=%.16s;Sampled=0",
                      (unsigned long long)time_wall_ms() / 1000, hex, hex + 24);
}

static struct function_run *run_new(struct functions *functions, struct held *held,
                                    const struct function_event *event)
{
    struct arena *arena = arena_new(1024 + event->payload.len);
    struct function_run *run = ARENA_NEW(arena, struct function_run);
    run->functions = functions;
    run->refs = 1;
    functions->callers++;
    run->arena = arena;
    run->held = held;
    held_ref(held);
    run->event = *event;
    struct str *texts[] = {&run->event.request_id, &run->event.payload,  &run->event.client_context,
                           &run->event.cognito,    &run->event.trace_id, &run->event.invoked_arn,
                           &run->event.tenant};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        copy(arena, texts[i]);
    if (str_is_empty(run->event.trace_id))
        run->event.trace_id = trace_id(arena);
    struct function_result nothing = {.request_id = run->event.request_id, .init_us = -1};
    run->waiting = run->began = run->ended = nothing;
    buf_init(&run->payload, arena, RESPONSE_MAX + 1);
    return run;
}

static enum functions_answer run_admit(const struct held *held,
                                       const struct function_limits *limits)
{
    if (limits->function != UINT32_MAX)
        return held->pool->busy >= limits->function ? FUNCTIONS_FUNCTION_THROTTLED
                                                    : FUNCTIONS_TAKEN;
    return held->account->busy >= limits->account ? FUNCTIONS_ACCOUNT_THROTTLED : FUNCTIONS_TAKEN;
}

static void run_begin(struct functions *functions, struct held *held, struct function_run *run)
{
    functions->invoked++;
    held->pool->busy++;
    held->account->busy += !run->reserved;
    if (functions->config.host == NULL || functions->stopping) {
        run_end(run, functions->stopping ? FUNCTION_STOPPED : FUNCTION_UNABLE,
                STR("Functions cannot run here: sandboxes do not work on this machine "
                    "(kumoniwa doctor says what is missing)."));
        return;
    }
    run_ref(run);
    if (environment_take(functions, held, run) ||
        environment_new(functions, held, run, false) != NULL)
        return;
    run_end(run, FUNCTION_UNABLE, STR("Too many functions are running on this machine."));
    run_release(run);
}

enum functions_answer functions_invoke(struct functions *functions, struct str key,
                                       const struct function_limits *limits,
                                       const struct function_event *event,
                                       struct function_run **run)
{
    (void)pthread_mutex_lock(&functions->lock);
    struct held *held = map_get(&functions->held, key);
    enum functions_answer answer = FUNCTIONS_UNKNOWN;
    if (held != NULL && !expires_soon(functions, &held->spec))
        answer = run_admit(held, limits);
    if (answer == FUNCTIONS_TAKEN) {
        held_unlink(functions, held);
        held_link(functions, held);
        *run = run_new(functions, held, event);
        (*run)->reserved = limits->function != UINT32_MAX;
        run_begin(functions, held, *run);
    }
    (void)pthread_mutex_unlock(&functions->lock);
    return answer;
}

void run_end(struct function_run *run, enum function_outcome outcome, struct str payload)
{
    if (run->stage == RUN_ENDED)
        return;
    run->ended.outcome = outcome;
    run->ended.payload = payload;
    run->ended.content_type = run->began.content_type;
    run->stage = RUN_ENDED;
    run->environment = NULL;
    run->held->pool->busy--;
    run->held->account->busy -= !run->reserved;
    run_tell(run);
}

const struct function_result *function_run_result(struct function_run *run)
{
    struct functions *functions = run->functions;
    (void)pthread_mutex_lock(&functions->lock);
    const struct function_result *result = run->stage == RUN_ENDED   ? &run->ended
                                           : run->stage == RUN_BEGAN ? &run->began
                                                                     : &run->waiting;
    (void)pthread_mutex_unlock(&functions->lock);
    return result;
}

bool function_run_began(struct function_run *run)
{
    struct functions *functions = run->functions;
    (void)pthread_mutex_lock(&functions->lock);
    bool streamed = run->streamed;
    (void)pthread_mutex_unlock(&functions->lock);
    return streamed;
}

size_t function_run_read(struct function_run *run, char *out, size_t size)
{
    struct functions *functions = run->functions;
    (void)pthread_mutex_lock(&functions->lock);
    size_t count = run->stream_to - run->stream_from;
    if (count > size)
        count = size;
    if (count > 0)
        memcpy(out, run->stream + run->stream_from, count);
    run->stream_from += count;
    if (run->stream_from == run->stream_to)
        run->stream_from = run->stream_to = 0;
    if (count > 0 && run->source != NULL)
        http_resume(run->source);
    (void)pthread_mutex_unlock(&functions->lock);
    return count;
}

/* --- life --- */

static void functions_drop(struct functions *functions)
{
    if (functions->runtimes != NULL)
        runtimes_free(functions->runtimes);
    map_release(&functions->held);
    map_release(&functions->latest);
    map_release(&functions->meters);
    (void)pthread_mutex_destroy(&functions->lock);
    arena_free(functions->arena);
    heap_free(functions);
}

/* A debugger's port is for one process, and a process waits for a debugger once. An event that it
 * has not had yet is given to no other. */
static void end_debugged(struct functions *functions, const struct held *held)
{
    for (size_t i = 0; held->spec.debug && i < ENVIRONMENTS_MAX; i++) {
        struct environment *environment = functions->slots[i];
        if (environment == NULL || environment->held != held)
            continue;
        struct function_run *run = environment->run;
        if (run != NULL && !run->delivered) {
            environment->run = NULL;
            run->environment = NULL;
            run_end(run, FUNCTION_STOPPED, STR("Nobody waits for it any more."));
            run_release(run);
        }
        environment_end(environment, "debugged");
    }
}

void function_run_release(struct function_run *run)
{
    if (run == NULL)
        return;
    struct functions *functions = run->functions;
    (void)pthread_mutex_lock(&functions->lock);
    run->event.changed = NULL;
    /* Nobody reads a stream any more: what comes is thrown away. */
    run->abandoned = true;
    run->stream_from = run->stream_to = 0;
    if (run->source != NULL)
        http_resume(run->source);
    end_debugged(functions, run->held);
    run_release(run);
    functions->callers--;
    bool last = functions->freed && functions->callers == 0;
    (void)pthread_mutex_unlock(&functions->lock);
    if (last)
        functions_drop(functions);
}

RESULT functions_start(const struct functions_config *config, struct functions **out)
{
    struct arena *arena = arena_new(0);
    struct functions *functions = heap_alloc(sizeof *functions);
    functions->arena = arena;
    functions->config = *config;
    functions->config.directory = str_copy(arena, config->directory);
    if (functions->config.idle_limit == 0)
        functions->config.idle_limit = 32;
    if (functions->config.idle_ms == 0)
        functions->config.idle_ms = 600000;
    if (functions->config.endpoint_port == 0)
        functions->config.endpoint_port = 4566;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    functions->starting_limit = cores > 0 ? 4 * (unsigned)cores : 4;
    (void)pthread_mutex_init(&functions->lock, NULL);
    map_init(&functions->held, NULL);
    map_init(&functions->latest, NULL);
    map_init(&functions->meters, NULL);
    functions->epoll = functions->wake = -1;
    enum result result = runtimes_new(arena, functions->config.directory, &functions->runtimes);
    if (result != RESULT_OK) {
        functions_free(functions);
        return result;
    }
    *out = functions;
    return RESULT_OK;
}

void functions_stop(struct functions *functions)
{
    if (functions == NULL || functions->stopping)
        return;
    engine_stop(functions);
    if (functions->api != NULL)
        http_server_stop(functions->api, 0);
}

void functions_free(struct functions *functions)
{
    if (functions == NULL)
        return;
    functions_stop(functions);
    (void)pthread_mutex_lock(&functions->lock);
    while (functions->oldest != NULL)
        held_forget(functions, functions->oldest);
    functions->freed = true;
    bool last = functions->callers == 0;
    (void)pthread_mutex_unlock(&functions->lock);
    if (last)
        functions_drop(functions);
}

void functions_count(struct functions *functions, struct functions_counts *out)
{
    (void)pthread_mutex_lock(&functions->lock);
    *out = (struct functions_counts){
        .environments = (unsigned)functions->environments,
        .busy = (unsigned)functions->busy,
        .starting = (unsigned)functions->starting,
        .held = (unsigned)functions->held_count,
        .started = functions->started,
        .invoked = functions->invoked,
    };
    (void)pthread_mutex_unlock(&functions->lock);
}
