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
    int socket, proc, program;
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

/* Private and shared anonymous memory of one process: what no other place can give back. */
static uint64_t watch_process(const struct watch *watch, const char *name)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "%.20s/status", name);
    int fd = openat(watch->proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    return status_field(text, "\nRssAnon:") + status_field(text, "\nRssShmem:");
}

static uint64_t watch_memory(const struct watch *watch)
{
    uint64_t sum = 0;
    _Alignas(struct entry) char entries[8192];
    if (lseek(watch->proc, 0, SEEK_SET) < 0)
        return 0;
    long got;
    while ((got = syscall(SYS_getdents64, watch->proc, entries, sizeof entries)) > 0) {
        for (long at = 0; at < got;) {
            const struct entry *entry = (const struct entry *)(const void *)(entries + at);
            bool first = entry->name[0] == '1' && entry->name[1] == '\0';
            if (entry->name[0] >= '1' && entry->name[0] <= '9' && !first)
                sum += watch_process(watch, entry->name);
            at += entry->length;
        }
    }
    return sum;
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
        kill(watch->program, command.value);
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
static void watch_children(const struct watch *watch)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == watch->program)
            watch_end(watch, SANDBOX_EXITED, status);
}

/* Milliseconds until the cap could be reached, at 2 GB/s. */
static int watch_look(struct watch *watch)
{
    uint64_t now = watch_memory(watch);
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
