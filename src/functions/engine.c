/* The engine's thread: starts sandboxes, reads what they print, takes their connections in, and
 * minds the time. */
#include "functions/functions_int.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"

/* One that has been starting for so long does not hold up others. */
#define STARTING_NS SECOND_NS
/* Memory of an idle environment is not looked at any more. */
#define WATCH_NS SECOND_NS
#define RETRY_NS (5 * 1000000ULL)
/* Connections that there is no descriptor for are asked for so often. */
#define ACCEPT_NS (50 * 1000000ULL)
#define FOREVER_NS UINT64_MAX
enum { KINDS = 16 }; /* kinds of descriptors, in the low bits of what epoll brings */

void engine_wake(struct functions *functions)
{
    uint64_t one = 1;
    if (functions->wake < 0)
        return; /* it has not begun, or has ended */
    atomic_store_explicit(&functions->wakes_ns, 0, memory_order_relaxed);
    if (write(functions->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        log_line(LOG_WARN, "eventfd: %s", strerror(errno));
}

uint64_t engine_tag(uint64_t id, int kind)
{
    return id * KINDS + (uint64_t)kind;
}

bool engine_add(struct functions *functions, uint64_t id, int kind, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = engine_tag(id, kind)}};
    if (fd >= 0 && epoll_ctl(functions->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return true;
    log_line(LOG_ERROR, "epoll_ctl: %s", strerror(errno));
    return false;
}

void engine_watch(struct environment *environment, enum output_kind kind, bool on)
{
    struct epoll_event event = {
        .events = on ? EPOLLIN : 0,
        .data = {.u64 = engine_tag(environment->id, WATCH_OUTPUT + (int)kind)}};
    (void)epoll_ctl(environment->functions->epoll, EPOLL_CTL_MOD, environment->outputs[kind].fd,
                    &event);
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void engine_forget(struct environment *environment)
{
    outputs_close(environment);
    shut(&environment->listeners[0]);
    shut(&environment->listeners[1]);
    shut(&environment->go);
    shut(&environment->exits);
    if (environment->sandbox != NULL)
        sandbox_free(environment->sandbox);
    environment->sandbox = NULL;
}

/* --- starting --- */

/* The lock is let go while the sandbox is prepared; the environment is in no list. */
static void start_one(struct environment *environment)
{
    struct functions *functions = environment->functions;
    environment->phase = ENVIRONMENT_STARTING;
    environment->starting = true;
    functions->starting++;
    environment->begun_ns = time_monotonic_ns();
    environment->counted_until_ns = environment->begun_ns + STARTING_NS;
    report_init_start(environment);
    (void)pthread_mutex_unlock(&functions->lock);
    struct sandbox *sandbox = NULL;
    struct str problem = {0};
    enum result result = environment_launch(environment, &sandbox, &problem);
    (void)pthread_mutex_lock(&functions->lock);
    if (result != RESULT_OK) {
        /* Who ended it meanwhile has counted it out. */
        functions->starting -= environment->starting;
        environment->starting = false;
        if (environment->doomed)
            problem = STR("It was ended before it began.");
        if (result == RESULT_FULL && !environment->doomed)
            environment_queue(environment);
        else
            environment_unable(environment, str_is_absent(problem)
                                                ? STR("The sandbox could not be started.")
                                                : problem);
        return;
    }
    functions->started++;
    environment->sandbox = sandbox;
    environment->watched = true;
    if (environment->doomed) {
        sandbox_kill(sandbox);
    } else {
        uint64_t limit =
            environment->attempt == 0 ? INIT_NS : environment->held->spec.timeout_ms * 1000000ULL;
        environment_set_deadline(environment, environment->begun_ns + limit);
    }
    (void)engine_add(functions, environment->id, WATCH_SANDBOX, sandbox_fd(sandbox));
    output_open(environment, OUTPUT_STDOUT, sandbox_stdout(sandbox));
    output_open(environment, OUTPUT_STDERR, sandbox_stderr(sandbox));
    output_open(environment, OUTPUT_FRAMES, environment->outputs[OUTPUT_FRAMES].fd);
    if (environment->extension_count > 0) {
        output_open(environment, OUTPUT_EXTENSIONS, environment->outputs[OUTPUT_EXTENSIONS].fd);
        (void)engine_add(functions, environment->id, WATCH_EXITS, environment->exits);
    }
    sandbox_close_stdin(sandbox);
}

/* As many as were waiting when it began: one that cannot be started now waits for the next round.
 * While one is started the others may leave: they end, or their event has found another place. */
static bool start_some(struct functions *functions)
{
    for (size_t left = functions->queued; left > 0; left--) {
        if (functions->queue_first == NULL || functions->stopping ||
            functions->starting >= functions->starting_limit)
            break;
        start_one(environment_unqueue(functions));
    }
    return functions->queue_first != NULL && functions->starting < functions->starting_limit;
}

/* --- what happens --- */

static void on_sandbox(struct environment *environment)
{
    struct functions *functions = environment->functions;
    enum sandbox_state state = sandbox_update(environment->sandbox);
    if (state == SANDBOX_STARTING)
        return;
    int given = sandbox_take_socket(environment->sandbox);
    if (given >= 0)
        telemetry_socket(environment, given);
    if (!environment->running && state == SANDBOX_RUNNING) {
        environment->running = true;
        for (size_t i = 0; i < 2; i++) {
            if (environment->listeners[i] < 0)
                environment->listeners[i] = sandbox_take_listener(environment->sandbox, i);
            if (environment->listeners[i] >= 0)
                (void)engine_add(functions, environment->id, i == 0 ? WATCH_API : WATCH_CLOUD,
                                 environment->listeners[i]);
        }
    }
    if (state >= SANDBOX_FAILED)
        environment_ended(environment);
}

static void listen_for(struct environment *environment, bool on)
{
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {
            .events = on ? EPOLLIN : 0,
            .data = {.u64 = engine_tag(environment->id, i == 0 ? WATCH_API : WATCH_CLOUD)}};
        if (environment->running && environment->listeners[i] >= 0)
            (void)epoll_ctl(environment->functions->epoll, EPOLL_CTL_MOD, environment->listeners[i],
                            &event);
    }
}

/* What cannot be accepted would be told of again at once, and for ever. */
static void on_no_room(struct environment *environment)
{
    struct functions *functions = environment->functions;
    uint64_t now = time_monotonic_ns();
    if (functions->no_room_told_ns == 0 || now > functions->no_room_told_ns + 60 * SECOND_NS) {
        functions->no_room_told_ns = now;
        log_line(LOG_WARN, "functions: accept: %s: their connections wait", strerror(errno));
    }
    listen_for(environment, false);
    environment->listens_ns = now + ACCEPT_NS;
    engine_wake(functions);
}

/* A connection to the cloud's endpoint is the server's own from here on. */
static void on_connection(struct environment *environment, bool cloud)
{
    struct functions *functions = environment->functions;
    int fd = http_accept(environment->listeners[cloud]);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            on_no_room(environment);
        return;
    }
    if (cloud) {
        if (functions->config.connected != NULL)
            functions->config.connected(functions->config.context, fd);
        else
            close(fd);
        return;
    }
    if (environment->connections >= CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    environment->connections++;
    if (http_server_adopt(functions->api, fd, environment->id) != RESULT_OK) {
        environment->connections--;
        log_line(LOG_WARN, "a runtime's connection could not be taken");
    }
}

static void on_event(struct functions *functions, uint64_t what)
{
    int kind = (int)(what % KINDS);
    struct environment *environment = environment_find(functions, what / KINDS);
    if (environment == NULL || environment->sandbox == NULL)
        return;
    switch (kind) {
    case WATCH_SANDBOX:
        on_sandbox(environment);
        break;
    case WATCH_API:
    case WATCH_CLOUD:
        on_connection(environment, kind == WATCH_CLOUD);
        break;
    case WATCH_EXITS:
        extensions_exited(environment);
        break;
    case WATCH_TELEMETRY:
        telemetry_ready(environment);
        break;
    default:
        output_read(environment, (enum output_kind)(kind - WATCH_OUTPUT), false);
        break;
    }
}

/* --- time --- */

static void on_deadline(struct environment *environment)
{
    environment->deadline_ns = 0;
    switch (environment->phase) {
    case ENVIRONMENT_STARTING:
        if (environment->init_failed) {
            sandbox_kill(environment->sandbox);
        } else if (environment->attempt > 0 && environment->run != NULL) {
            environment_timed_out(environment);
        } else if (environment->run != NULL || environment->provisioned) {
            memcpy(environment->error_type, "Sandbox.Timedout", sizeof "Sandbox.Timedout");
            environment->init_failed = true;
            sandbox_kill(environment->sandbox);
        } else {
            environment_end(environment, "timeout");
        }
        break;
    case ENVIRONMENT_IDLE:
        if (!environment->provisioned)
            environment_end(environment, "spindown");
        break;
    case ENVIRONMENT_BUSY:
        environment_timed_out(environment);
        break;
    case ENVIRONMENT_RETURNING:
        if (environment->run != NULL)
            environment_give_back(environment);
        else
            environment_end(environment, "timeout");
        break;
    case ENVIRONMENT_ENDING:
        if (environment->sandbox != NULL)
            sandbox_kill(environment->sandbox);
        break;
    case ENVIRONMENT_QUEUED:
        break;
    }
}

static void earliest(uint64_t *of, uint64_t one)
{
    if (one != 0 && one < *of)
        *of = one;
}

static void look_at(struct environment *environment, uint64_t now, uint64_t *next)
{
    struct functions *functions = environment->functions;
    if (environment->starting && environment->counted_until_ns <= now) {
        environment->starting = false;
        functions->starting--;
    }
    if (environment->starting)
        earliest(next, environment->counted_until_ns);
    if (environment->listens_ns != 0 && environment->listens_ns <= now) {
        environment->listens_ns = 0;
        listen_for(environment, true);
    }
    earliest(next, environment->listens_ns);
    telemetry_tick(environment, now);
    earliest(next, telemetry_due_ns(environment));
    for (int kind = 0; kind < OUTPUT_KINDS; kind++) {
        if (environment->outputs[kind].paused)
            output_read(environment, (enum output_kind)kind, false);
        if (environment->outputs[kind].paused)
            earliest(next, now + RETRY_NS);
    }
    if (environment->phase == ENVIRONMENT_IDLE && environment->watched) {
        uint64_t since = environment->deadline_ns - (uint64_t)functions->config.idle_ms * 1000000;
        if (now > since + WATCH_NS || environment->deadline_ns == 0) {
            sandbox_watch(environment->sandbox, false);
            environment->watched = false;
        } else {
            earliest(next, now + WATCH_NS);
        }
    }
    if (environment->deadline_ns != 0 && environment->deadline_ns <= now)
        on_deadline(environment);
    else
        earliest(next, environment->deadline_ns);
}

/* Returns when to look again. */
static uint64_t look_around(struct functions *functions)
{
    uint64_t now = time_monotonic_ns();
    uint64_t next = functions->environments > 0 ? now + 5 * SECOND_NS : FOREVER_NS;
    size_t seen = 0, there = functions->environments;
    for (size_t i = 0; i < ENVIRONMENTS_MAX && seen < there; i++) {
        if (functions->slots[i] == NULL)
            continue;
        seen++;
        look_at(functions->slots[i], now, &next);
    }
    for (struct held *held = functions->newest; held != NULL; held = held->older) {
        if (held->wanted == held->kept || held->wanted == 0)
            continue;
        environments_provision(functions, held);
        earliest(&next, held->retry_ns);
    }
    earliest(&next, held_tidy(functions, now));
    if (functions->grown && functions->environments == 0 && functions->held_count == 0) {
        /* What many needed goes back to the system. */
        functions->grown = false;
        (void)malloc_trim(0);
    }
    return next;
}

static int wait_ms(uint64_t until)
{
    uint64_t now = time_monotonic_ns();
    if (until == FOREVER_NS)
        return -1;
    uint64_t ms = until <= now ? 0 : (until - now) / 1000000 + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void *engine_run(void *context)
{
    enum { EVENTS = 64 };
    struct functions *functions = context;
    struct epoll_event events[EVENTS];
    uint64_t next = 0;
    (void)pthread_mutex_lock(&functions->lock);
    while (!functions->stopping) {
        atomic_store_explicit(&functions->wakes_ns, next, memory_order_relaxed);
        (void)pthread_mutex_unlock(&functions->lock);
        int count = epoll_wait(functions->epoll, events, EVENTS, wait_ms(next));
        (void)pthread_mutex_lock(&functions->lock);
        bool woken = false;
        for (int i = 0; i < count && !functions->stopping; i++) {
            if (events[i].data.u64 == WATCH_WAKE) {
                uint64_t ignored;
                woken = read(functions->wake, &ignored, sizeof ignored) > 0;
            } else {
                on_event(functions, events[i].data.u64);
            }
        }
        bool again = start_some(functions);
        if (woken || again || next <= time_monotonic_ns())
            next = look_around(functions);
        if (again)
            earliest(&next, time_monotonic_ns() + RETRY_NS);
        /* Someone set an earlier deadline while this thread did not sleep. */
        if (atomic_load_explicit(&functions->wakes_ns, memory_order_relaxed) == 0)
            next = look_around(functions);
    }
    (void)pthread_mutex_unlock(&functions->lock);
    return NULL;
}

RESULT engine_start(struct functions *functions)
{
    functions->epoll = epoll_create1(EPOLL_CLOEXEC);
    functions->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = ENOMEM;
    if (functions->epoll >= 0 && functions->wake >= 0 &&
        engine_add(functions, 0, WATCH_WAKE, functions->wake))
        error = pthread_create(&functions->thread, NULL, engine_run, functions);
    functions->thread_runs = error == 0;
    if (error == 0)
        return RESULT_OK;
    shut(&functions->epoll);
    shut(&functions->wake);
    return FAULT("the thread of the environments: %s", strerror(error));
}

void engine_stop(struct functions *functions)
{
    (void)pthread_mutex_lock(&functions->lock);
    functions->stopping = true;
    bool runs = functions->thread_runs;
    engine_wake(functions);
    (void)pthread_mutex_unlock(&functions->lock);
    if (runs)
        (void)pthread_join(functions->thread, NULL);
    (void)pthread_mutex_lock(&functions->lock);
    for (size_t i = 0; i < ENVIRONMENTS_MAX; i++)
        if (functions->slots[i] != NULL)
            environment_stop(functions->slots[i]);
    shut(&functions->epoll);
    shut(&functions->wake);
    (void)pthread_mutex_unlock(&functions->lock);
}
