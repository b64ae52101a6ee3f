/* Looking after a sandbox from its first process: commands, ends, memory. */
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"

struct watch {
    int socket, proc, program; /* program: 0 when it has ended and others have not */
    int status;                /* its, then */
    bool lingers;              /* its end is not that of the others */
    uint64_t cap, most, start_ns;
    bool on;
};

/* getdents64(2) */
struct entry {
    uint64_t inode;
    int64_t next;
    unsigned short length;
    unsigned char type;
    char name[];
};

/* The number after "NAME:" in kB, as bytes. */
static uint64_t status_field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10) << 10;
}

/* Where to read how much anonymous memory a process has: what no other place can give back. */
struct measure {
    const char *file, *private, *shared;
};

/* More processes than these are measured roughly: a bomb of forks would be looked at for too long.
 */
enum { EXACT_MAX = 64 };

/* At once, but pages that processes share since a fork count for each of them. */
static const struct measure roughly = {"status", "\nRssAnon:", "\nRssShmem:"};
/* Shared pages count in parts; the kernel walks through all of the process's memory for it. */
static const struct measure exactly = {"smaps_rollup", "\nPss_Anon:", "\nPss_Shmem:"};

/* False: it may not be looked at so. One that has ended has none. */
static bool watch_process(const struct watch *watch, const struct measure *measure,
                          const char *name, uint64_t *sum)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "%.20s/%s", name, measure->file);
    int fd = openat(watch->proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT;
    ssize_t got = read(fd, text, sizeof text - 1);
    int error = errno;
    close(fd);
    if (got <= 0)
        return got == 0 || error == ESRCH;
    text[got] = '\0';
    *sum += status_field(text, measure->private) + status_field(text, measure->shared);
    return true;
}

static bool watch_memory(const struct watch *watch, const struct measure *measure, uint64_t *sum,
                         unsigned *processes)
{
    _Alignas(struct entry) char entries[8192];
    bool good = lseek(watch->proc, 0, SEEK_SET) >= 0;
    long got;
    *sum = 0;
    *processes = 0;
    while (good && (got = syscall(SYS_getdents64, watch->proc, entries, sizeof entries)) > 0) {
        for (long at = 0; at < got;) {
            const struct entry *entry = (const struct entry *)(const void *)(entries + at);
            bool first = entry->name[0] == '1' && entry->name[1] == '\0';
            if (entry->name[0] >= '1' && entry->name[0] <= '9' && !first) {
                good = watch_process(watch, measure, entry->name, sum) && good;
                ++*processes;
            }
            at += entry->length;
        }
    }
    return good;
}

/* Kills the rest, collects everybody and tells how it was. */
__attribute__((noreturn)) static void watch_end(const struct watch *watch, enum sandbox_cause cause,
                                                int status)
{
    struct event event = {.kind = EVENT_ENDED, .end = {.cause = cause}};
    kill(-1, SIGKILL);
    while (wait(NULL) >= 0 || errno == EINTR)
        ;
    struct rusage usage = {0};
    getrusage(RUSAGE_CHILDREN, &usage);
    struct sandbox_end *end = &event.end;
    if (cause == SANDBOX_EXITED && WIFSIGNALED(status)) {
        end->cause = SANDBOX_SIGNALLED;
        end->value = WTERMSIG(status);
    } else if (cause == SANDBOX_EXITED) {
        end->value = WEXITSTATUS(status);
    }
    uint64_t largest = (uint64_t)usage.ru_maxrss << 10;
    end->max_memory_bytes = largest > watch->most ? largest : watch->most;
    end->cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                  (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    end->wall_us = (time_monotonic_ns() - watch->start_ns) / 1000;
    struct iovec part = {.iov_base = &event, .iov_len = sizeof event};
    (void)message_send(watch->socket, &part, 1, NULL, 0, MSG_DONTWAIT);
    _exit(0);
}

/* Nobody inside can see it before it is sent: the program shares no descriptors with this process.
 */
static void watch_socket(const struct watch *watch)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct event event = {.kind = EVENT_SOCKET};
    struct iovec part = {.iov_base = &event, .iov_len = sizeof event};
    (void)message_send(watch->socket, &part, 1, &fd, fd >= 0, MSG_DONTWAIT);
    if (fd >= 0)
        close(fd);
}

static void watch_command(struct watch *watch)
{
    struct command command;
    size_t none = 0;
    ssize_t got =
        message_receive(watch->socket, &command, sizeof command, NULL, &none, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    /* The server is gone, or has no more interest: the end of this process ends all others. */
    if (got != sizeof command)
        _exit(1);
    switch (command.kind) {
    case COMMAND_SIGNAL:
        if (watch->program != 0)
            kill(watch->program, command.value);
        break;
    case COMMAND_TERMINATE:
        watch->lingers = true;
        if (watch->program != 0)
            kill(watch->program, SIGTERM);
        break;
    case COMMAND_SIGNAL_ALL:
        kill(-1, command.value);
        break;
    case COMMAND_KILL:
        watch_end(watch, SANDBOX_KILLED, 0);
    case COMMAND_WATCH:
        watch->on = command.value != 0;
        break;
    case COMMAND_SOCKET:
        watch_socket(watch);
        break;
    }
}

/* Collects who has ended; orphans too. */
static void watch_children(struct watch *watch)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != watch->program)
            continue;
        if (!watch->lingers)
            watch_end(watch, SANDBOX_EXITED, status);
        watch->program = 0;
        watch->status = status;
    }
    if (pid < 0 && errno == ECHILD && watch->program == 0)
        watch_end(watch, SANDBOX_EXITED, watch->status);
}

/* Milliseconds until the cap could be reached, at 2 GB/s. */
static int watch_look(struct watch *watch)
{
    uint64_t now, exact;
    unsigned processes;
    (void)watch_memory(watch, &roughly, &now, &processes);
    if (now > watch->cap && processes <= EXACT_MAX &&
        watch_memory(watch, &exactly, &exact, &processes))
        now = exact;
    if (now > watch->most)
        watch->most = now;
    if (now > watch->cap)
        watch_end(watch, SANDBOX_OUT_OF_MEMORY, 0);
    uint64_t ms = (watch->cap - now) / 2000000;
    return ms < 2 ? 2 : ms > 100 ? 100 : (int)ms;
}

void inside_watch(const struct received *received, int program)
{
    struct watch watch = {.socket = received->socket,
                          .program = program,
                          .cap = received->order->memory_bytes,
                          .start_ns = time_monotonic_ns(),
                          .on = true};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int ended = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    watch.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ended < 0 || watch.proc < 0)
        inside_fail(watch.socket, "signalfd", "");
    struct pollfd events[] = {{.fd = watch.socket, .events = POLLIN},
                              {.fd = ended, .events = POLLIN}};
    for (;;) {
        int timeout = watch.on ? watch_look(&watch) : -1;
        if (poll(events, 2, timeout) <= 0)
            continue;
        struct signalfd_siginfo info;
        while (read(ended, &info, sizeof info) > 0)
            ;
        watch_children(&watch);
        if (events[0].revents != 0)
            watch_command(&watch);
    }
}
