/* The first process of a sandbox: builds it, starts the program, watches it and tells its end. It
 * keeps no privileges, and cannot be seen into: the program has its user id. */
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define TREES 86

void inside_fail(int socket, const char *what, const char *which)
{
    struct event event = {.kind = EVENT_FAILED, .error = errno};
    snprintf(event.text, sizeof event.text, "%s %s", what, which);
    struct iovec part = {.iov_base = &event, .iov_len = sizeof event};
    (void)message_send(socket, &part, 1, NULL, 0, MSG_DONTWAIT);
    _exit(127);
}

static void drop_privileges(int socket)
{
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    if (syscall(SYS_capset, &header, none) != 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        inside_fail(socket, "capset", "");
}

static void become_user(int socket)
{
    /* Refused where the map was written by an ordinary user, whose groups nobody inside can name.
     */
    /* The calls themselves: the C library's ask all threads that it knows of, and those that a
     * sanitizer had in the host were not cloned. */
    (void)syscall(SYS_setgroups, 0, NULL);
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0 ||
        syscall(SYS_setresgid, INSIDE_GID, INSIDE_GID, INSIDE_GID) != 0 ||
        syscall(SYS_setresuid, INSIDE_UID, INSIDE_UID, INSIDE_UID) != 0)
        inside_fail(socket, "setresuid", "");
}

static void limit(int socket, __rlimit_resource_t which, rlim_t most)
{
    struct rlimit value = {.rlim_cur = most, .rlim_max = most};
    struct rlimit now;
    /* Only root may go above what the server itself was given. */
    if (getrlimit(which, &now) == 0 && now.rlim_max < most)
        value.rlim_cur = value.rlim_max = now.rlim_max;
    if (setrlimit(which, &value) != 0)
        inside_fail(socket, "setrlimit", "");
}

/* 0, 1, 2 and then the spec's own, from 3; the rest closes at exec. */
static void place_descriptors(const struct received *received)
{
    int high[ORDER_MAX_DESCRIPTORS];
    size_t count = ORDER_FIXED_DESCRIPTORS - 1 + received->order->descriptor_count;
    for (size_t i = 0; i < count; i++) {
        high[i] = fcntl(received->descriptors[i + 1], F_DUPFD_CLOEXEC, 2 * ORDER_MAX_DESCRIPTORS);
        if (high[i] < 0)
            inside_fail(received->socket, "dup", "");
    }
    /* So does the socket, which must still be able to tell of a failure. */
    int socket = fcntl(received->socket, F_DUPFD_CLOEXEC, 2 * ORDER_MAX_DESCRIPTORS);
    for (size_t i = 0; i < count; i++)
        if (dup2(high[i], (int)i) < 0)
            inside_fail(socket, "dup2", "");
    (void)syscall(SYS_close_range, (unsigned)count, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
}

static void inside_exec(const struct received *received)
{
    const struct order *order = received->order;
    int socket = fcntl(received->socket, F_DUPFD_CLOEXEC, 2 * ORDER_MAX_DESCRIPTORS);
    if (socket < 0 || setsid() < 0)
        inside_fail(received->socket, "setsid", "");
    place_descriptors(received);
    if (chdir(received->cwd) != 0)
        inside_fail(socket, "chdir", received->cwd);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    umask(022);
    limit(socket, RLIMIT_CORE, 0);
    limit(socket, RLIMIT_FSIZE, order->file_bytes);
    limit(socket, RLIMIT_NOFILE, order->open_files);
    /* The first process counts too. */
    limit(socket, RLIMIT_NPROC, (rlim_t)order->processes + 1);
    limit(socket, RLIMIT_MEMLOCK, 64 << 10);
    limit(socket, RLIMIT_MSGQUEUE, 0);
    /* What one process can take between two looks of inside_watch(). Reserved and touched are one
     * to this limit, and run-times reserve much. */
    limit(socket, RLIMIT_DATA, 2 * order->memory_bytes + (1ULL << 30));
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, received->filter, 0, 0) != 0)
        inside_fail(socket, "seccomp", "");
    union {
        const char *const *from;
        char *const *to;
    } argv = {.from = received->argv}, env = {.from = received->env};
    execve(received->argv[0], argv.to, env.to);
    inside_fail(socket, "exec", received->argv[0]);
}

static void tell_started(const struct received *received, int pid, const int *listeners)
{
    int sent[1 + SANDBOX_MAX_PORTS];
    size_t count = received->order->port_count;
    sent[0] = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (sent[0] < 0)
        inside_fail(received->socket, "pidfd_open", "");
    memcpy(sent + 1, listeners, sizeof(int) * count);
    struct event event = {.kind = EVENT_STARTED, .pid = pid};
    struct iovec part = {.iov_base = &event, .iov_len = sizeof event};
    if (!message_send(received->socket, &part, 1, sent, count + 1, 0))
        _exit(1);
    for (size_t i = 0; i <= count; i++)
        close(sent[i]);
}

void inside_run(const struct received *received)
{
    signal(SIGCHLD, SIG_DFL);
    int trees[TREES], listeners[SANDBOX_MAX_PORTS] = {0}, pid;
    /* While still who the server is: it may read what others may not. */
    inside_open_trees(received, trees);
    if (read(received->gate, &pid, sizeof pid) != sizeof pid)
        _exit(1);
    become_user(received->socket);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(received->gate);
    inside_listen(received, listeners);
    inside_build(received, trees);
    drop_privileges(received->socket);
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        inside_fail(received->socket, "dumpable", "");
    (void)prctl(PR_SET_NAME, "sandbox");
    tell_started(received, pid, listeners);
    /* Before the fork, so that no end is missed. */
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    int program = fork();
    if (program < 0)
        inside_fail(received->socket, "fork", "");
    if (program == 0)
        inside_exec(received);
    for (uint32_t i = 1; i < ORDER_FIXED_DESCRIPTORS + received->order->descriptor_count; i++)
        close(received->descriptors[i]);
    inside_watch(received, program);
}
