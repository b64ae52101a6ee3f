/* The server's side. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "sandbox/sandbox_int.h"

struct sandbox_host {
    int orders;
    pid_t pid;
};

struct sandbox {
    int socket, pidfd, pid;
    int standard[3]; /* the server's ends */
    int listeners[SANDBOX_MAX_PORTS];
    int given; /* that was asked for and not taken yet */
    enum sandbox_state state;
    char failure[240];
    struct sandbox_end end;
};

RESULT sandbox_host_start(struct sandbox_host **host)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return FAULT("socketpair: %s", strerror(errno));
    /* Orders of many at once; the kernel cuts it to what it allows. */
    int room = 4 << 20;
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    pid_t pid = fork();
    if (pid < 0) {
        close(pair[0]);
        close(pair[1]);
        return FAULT("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        /* Whatever else is open is the server's: its locks, its listening sockets. */
        int orders = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
        int null = open("/dev/null", O_RDWR);
        if (orders < 0 || null < 0 || dup2(orders, 3) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
            _exit(1);
        (void)syscall(SYS_close_range, 4, ~0U, 0);
        (void)fcntl(3, F_SETFD, FD_CLOEXEC);
        host_run(3);
    }
    close(pair[1]);
    struct sandbox_host *made = heap_alloc(sizeof *made);
    *made = (struct sandbox_host){.orders = pair[0], .pid = pid};
    *host = made;
    return RESULT_OK;
}

void sandbox_host_stop(struct sandbox_host *host)
{
    close(host->orders);
    (void)kill(host->pid, SIGKILL);
    while (waitpid(host->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    heap_free(host);
}

/* Absolute, and without steps that lead elsewhere. */
static bool place_is_good(struct str path)
{
    struct str rest = path, part;
    if (!str_starts_with(path, STR("/")) || path.len < 2)
        return false;
    while (!str_is_absent(rest)) {
        if (!str_cut(rest, '/', &part, &rest))
            part = rest, rest = (struct str){0};
        if (str_eq(part, STR(".")) || str_eq(part, STR("..")))
            return false;
    }
    return true;
}

/* False: it holds a NUL. */
static bool put_text(struct buf *texts, struct str text)
{
    buf_append(texts, text);
    buf_append_char(texts, '\0');
    return str_find_char(text, '\0') == SIZE_MAX;
}

static bool put_texts(struct buf *texts, const struct sandbox_spec *spec)
{
    bool good = put_text(texts, str_is_absent(spec->cwd) ? STR("/") : spec->cwd) &&
                put_text(texts, str_is_absent(spec->hostname) ? STR("sandbox") : spec->hostname);
    for (size_t i = 0; good && i < spec->argc; i++)
        good = put_text(texts, spec->argv[i]);
    for (size_t i = 0; good && i < spec->env_count; i++)
        good = put_text(texts, spec->env[i]);
    for (size_t i = 0; good && i < spec->bind_count; i++)
        good = place_is_good(spec->binds[i].to) && put_text(texts, spec->binds[i].from) &&
               put_text(texts, spec->binds[i].to);
    return good && !buf_is_full(texts);
}

static struct order make_order(const struct sandbox_spec *spec)
{
    struct order order = {
        .argc = (uint32_t)spec->argc,
        .env_count = (uint32_t)spec->env_count,
        .bind_count = (uint32_t)spec->bind_count,
        .descriptor_count = (uint32_t)spec->descriptor_count,
        .port_count = (uint32_t)spec->port_count,
        .network = spec->network,
        .bare = spec->bare,
        .processes = spec->processes == 0 ? 1024 : spec->processes,
        .open_files = spec->open_files == 0 ? 1024 : spec->open_files,
        .memory_bytes = spec->memory_bytes == 0 ? 128 << 20 : spec->memory_bytes,
        .tmp_bytes = spec->tmp_bytes == 0 ? 512 << 20 : spec->tmp_bytes,
    };
    order.file_bytes = spec->file_bytes == 0 ? order.tmp_bytes : spec->file_bytes;
    memcpy(order.ports, spec->ports, sizeof order.ports);
    return order;
}

static void close_all(int *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
}

/* inside[]: the socket and the program's ends of its pipes. */
static bool make_ends(struct sandbox *sandbox, int inside[ORDER_FIXED_DESCRIPTORS])
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    sandbox->socket = pair[0];
    inside[0] = pair[1];
    for (int i = 0; i < 3; i++) {
        if (pipe2(pair, O_CLOEXEC) != 0)
            return false;
        sandbox->standard[i] = pair[i == 0];
        inside[i + 1] = pair[i != 0];
        if (fcntl(sandbox->standard[i], F_SETFL, O_NONBLOCK) != 0)
            return false;
    }
    return true;
}

RESULT sandbox_spawn(struct sandbox_host *host, const struct sandbox_spec *spec,
                     struct sandbox **sandbox)
{
    if (spec->argc == 0 || spec->argc + spec->env_count > SANDBOX_MAX_WORDS ||
        spec->bind_count > SANDBOX_MAX_BINDS || spec->port_count > SANDBOX_MAX_PORTS ||
        spec->descriptor_count > SANDBOX_MAX_DESCRIPTORS || spec->memory_bytes > INT64_MAX / 4 ||
        (spec->port_count > 0 && spec->network != SANDBOX_NETWORK_NONE))
        return RESULT_FULL;
    struct arena *arena = arena_new(0);
    struct buf texts;
    buf_init(&texts, arena, SANDBOX_MAX_ORDER);
    if (!put_texts(&texts, spec)) {
        arena_free(arena);
        return RESULT_FULL;
    }
    struct order order = make_order(spec);
    order.length = (uint32_t)texts.len;
    struct sandbox *made = heap_alloc(sizeof *made);
    *made = (struct sandbox){.socket = -1,
                             .pidfd = -1,
                             .standard = {-1, -1, -1},
                             .listeners = {-1, -1, -1, -1},
                             .given = -1};
    int descriptors[ORDER_MAX_DESCRIPTORS] = {-1, -1, -1, -1};
    enum result result = RESULT_OK;
    if (!make_ends(made, descriptors)) {
        result = FAULT("a sandbox's pipes: %s", strerror(errno));
    } else {
        if (spec->descriptor_count > 0)
            memcpy(descriptors + ORDER_FIXED_DESCRIPTORS, spec->descriptors,
                   sizeof(int) * spec->descriptor_count);
        struct iovec parts[2] = {{.iov_base = &order, .iov_len = sizeof order},
                                 {.iov_base = texts.ptr, .iov_len = texts.len}};
        if (!message_send(host->orders, parts, 2, descriptors,
                          ORDER_FIXED_DESCRIPTORS + spec->descriptor_count, MSG_DONTWAIT))
            result = errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE
                         ? RESULT_FULL
                         : FAULT("the host of sandboxes: %s", strerror(errno));
    }
    close_all(descriptors, ORDER_FIXED_DESCRIPTORS);
    arena_free(arena);
    if (result == RESULT_OK)
        *sandbox = made;
    else
        sandbox_free(made);
    return result;
}

void sandbox_free(struct sandbox *sandbox)
{
    if (sandbox->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, sandbox->pidfd, SIGKILL, NULL, 0);
    close_all(&sandbox->socket, 1);
    close_all(&sandbox->pidfd, 1);
    close_all(sandbox->standard, 3);
    close_all(sandbox->listeners, SANDBOX_MAX_PORTS);
    close_all(&sandbox->given, 1);
    heap_free(sandbox);
}

int sandbox_fd(const struct sandbox *sandbox)
{
    return sandbox->socket;
}

/* One event; false when there is none now. */
static bool take_event(struct sandbox *sandbox)
{
    struct event event;
    int descriptors[1 + SANDBOX_MAX_PORTS];
    size_t count = 1 + SANDBOX_MAX_PORTS;
    ssize_t got =
        message_receive(sandbox->socket, &event, sizeof event, descriptors, &count, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got != sizeof event) {
        sandbox->state = SANDBOX_ENDED;
        sandbox->end = (struct sandbox_end){.cause = SANDBOX_LOST};
        return false;
    }
    switch (event.kind) {
    case EVENT_STARTED:
        sandbox->state = SANDBOX_RUNNING;
        sandbox->pid = event.pid;
        sandbox->pidfd = count > 0 ? descriptors[0] : -1;
        for (size_t i = 1; i < count; i++)
            sandbox->listeners[i - 1] = descriptors[i];
        break;
    case EVENT_FAILED: {
        struct buf text;
        buf_init_fixed(&text, sandbox->failure, sizeof sandbox->failure - 1);
        buf_append(&text, str_make(event.text, strnlen(event.text, sizeof event.text)));
        buf_append(&text, STR(": "));
        buf_append_c(&text, strerror(event.error));
        sandbox->state = SANDBOX_FAILED;
        break;
    }
    case EVENT_SOCKET:
        close_all(&sandbox->given, 1);
        sandbox->given = count > 0 ? descriptors[0] : -1;
        break;
    case EVENT_ENDED:
        sandbox->state = SANDBOX_ENDED;
        sandbox->end = event.end;
        break;
    }
    return true;
}

enum sandbox_state sandbox_update(struct sandbox *sandbox)
{
    while (sandbox->state < SANDBOX_FAILED && take_event(sandbox))
        ;
    return sandbox->state;
}

struct str sandbox_failure(const struct sandbox *sandbox)
{
    return str_from_c(sandbox->failure);
}

const struct sandbox_end *sandbox_end(const struct sandbox *sandbox)
{
    return &sandbox->end;
}

int sandbox_pidfd(const struct sandbox *sandbox)
{
    return sandbox->pidfd;
}

int sandbox_pid(const struct sandbox *sandbox)
{
    return sandbox->pid;
}

int sandbox_stdin(const struct sandbox *sandbox)
{
    return sandbox->standard[0];
}

int sandbox_stdout(const struct sandbox *sandbox)
{
    return sandbox->standard[1];
}

int sandbox_stderr(const struct sandbox *sandbox)
{
    return sandbox->standard[2];
}

void sandbox_close_stdin(struct sandbox *sandbox)
{
    close_all(sandbox->standard, 1);
    sandbox->standard[0] = -1;
}

int sandbox_take_listener(struct sandbox *sandbox, size_t index)
{
    ASSERT(index < SANDBOX_MAX_PORTS);
    int listener = sandbox->listeners[index];
    sandbox->listeners[index] = -1;
    return listener;
}

static void command(const struct sandbox *sandbox, enum command_kind kind, int value)
{
    struct command command = {.kind = kind, .value = value};
    struct iovec part = {.iov_base = &command, .iov_len = sizeof command};
    /* The queue of one that does not listen is full: then it must go. */
    if (!message_send(sandbox->socket, &part, 1, NULL, 0, MSG_DONTWAIT) && errno == EAGAIN &&
        sandbox->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, sandbox->pidfd, SIGKILL, NULL, 0);
}

void sandbox_want_socket(struct sandbox *sandbox)
{
    command(sandbox, COMMAND_SOCKET, 0);
}

int sandbox_take_socket(struct sandbox *sandbox)
{
    int given = sandbox->given;
    sandbox->given = -1;
    return given;
}

void sandbox_signal(struct sandbox *sandbox, int signal, bool all)
{
    command(sandbox, all ? COMMAND_SIGNAL_ALL : COMMAND_SIGNAL, signal);
}

void sandbox_terminate(struct sandbox *sandbox)
{
    command(sandbox, COMMAND_TERMINATE, 0);
}

void sandbox_kill(struct sandbox *sandbox)
{
    command(sandbox, COMMAND_KILL, 0);
}

void sandbox_watch(struct sandbox *sandbox, bool on)
{
    command(sandbox, COMMAND_WATCH, on);
}
