/* The host: a process with one thread and little memory that clones sandboxes. Being small makes
 * the clone cheap, having one thread makes "dies with its parent" true, and holding none of the
 * server's secrets makes what a sandbox's first process inherits harmless. */
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arena.h"

/* The next text of an order; NULL when there is none. */
static const char *next_text(const char **at, const char *end)
{
    const char *nul = memchr(*at, '\0', (size_t)(end - *at));
    if (nul == NULL)
        return NULL;
    const char *text = *at;
    *at = nul + 1;
    return text;
}

/* The server is trusted; what is checked here are our own mistakes. */
static bool host_parse(const struct order *order, size_t size, struct received *received)
{
    if (size < sizeof *order || size - sizeof *order != order->length ||
        order->argc + order->env_count > SANDBOX_MAX_WORDS || order->argc == 0 ||
        order->bind_count > SANDBOX_MAX_BINDS || order->port_count > SANDBOX_MAX_PORTS)
        return false;
    const char *at = (const char *)(order + 1);
    const char *end = at + order->length;
    received->order = order;
    received->cwd = next_text(&at, end);
    received->hostname = next_text(&at, end);
    bool whole = received->cwd != NULL && received->hostname != NULL;
    for (uint32_t i = 0; whole && i < order->argc; i++)
        whole = (received->argv[i] = next_text(&at, end)) != NULL;
    received->argv[order->argc] = NULL;
    for (uint32_t i = 0; whole && i < order->env_count; i++)
        whole = (received->env[i] = next_text(&at, end)) != NULL;
    received->env[order->env_count] = NULL;
    for (uint32_t i = 0; whole && i < order->bind_count; i++)
        whole = (received->from[i] = next_text(&at, end)) != NULL &&
                (received->to[i] = next_text(&at, end)) != NULL;
    return whole;
}

static bool write_proc(int pid, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

/* Who the sandbox's user is outside. Root chooses; others can only be themselves, and only after
 * giving up on supplementary groups. */
static bool write_ids(int pid)
{
    char uids[64], gids[64];
    bool root = geteuid() == 0;
    snprintf(uids, sizeof uids, "%d %u 1", INSIDE_UID, root ? OUTSIDE_ID : geteuid());
    snprintf(gids, sizeof gids, "%d %u 1", INSIDE_GID, root ? OUTSIDE_ID : getegid());
    return write_proc(pid, "uid_map", uids) && (root || write_proc(pid, "setgroups", "deny")) &&
           write_proc(pid, "gid_map", gids);
}

static void host_failed(int socket, const char *what)
{
    struct event event = {.kind = EVENT_FAILED, .error = errno};
    snprintf(event.text, sizeof event.text, "%s", what);
    struct iovec part = {.iov_base = &event, .iov_len = sizeof event};
    (void)message_send(socket, &part, 1, NULL, 0, MSG_DONTWAIT);
}

static void host_spawn(struct received *received, int orders)
{
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) != 0) {
        host_failed(received->socket, "pipe");
        return;
    }
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                                       CLONE_NEWUTS,
                              .exit_signal = SIGCHLD};
    if (received->order->network == SANDBOX_NETWORK_NONE)
        args.flags |= CLONE_NEWNET;
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) {
        close(orders);
        close(gate[1]);
        received->gate = gate[0];
        inside_run(received);
    }
    close(gate[0]);
    if (pid < 0) {
        host_failed(received->socket, "clone");
    } else if (!write_ids((int)pid)) {
        host_failed(received->socket, "uid_map");
        (void)syscall(SYS_kill, pid, SIGKILL);
    } else {
        int outside = (int)pid;
        if (write(gate[1], &outside, sizeof outside) != sizeof outside)
            (void)syscall(SYS_kill, pid, SIGKILL);
    }
    close(gate[1]);
}

void host_run(int orders)
{
    /* The children are looked after by their own sockets. */
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    /* Ctrl-C is the server's to handle. */
    (void)setsid();
    (void)prctl(PR_SET_NAME, "kumoniwa-host");
    struct sock_fprog filter = {0};
    enum result made = filter_make(&filter);
    /* Aligned: an order is read where it arrives. */
    struct order *order = heap_alloc(ORDER_MAX);
    struct received *received = heap_alloc(sizeof *received);
    for (;;) {
        size_t count = ORDER_MAX_DESCRIPTORS;
        ssize_t got = message_receive(orders, order, ORDER_MAX, received->descriptors, &count, 0);
        if (got <= 0)
            _exit(0);
        if (count < ORDER_FIXED_DESCRIPTORS) {
            for (size_t i = 0; i < count; i++)
                close(received->descriptors[i]);
            continue;
        }
        received->socket = received->descriptors[0];
        received->filter = &filter;
        errno = EINVAL;
        if (made != RESULT_OK)
            host_failed(received->socket, "the system call filter");
        else if (!host_parse(order, (size_t)got, received) ||
                 count != ORDER_FIXED_DESCRIPTORS + order->descriptor_count)
            host_failed(received->socket, "the order");
        else
            host_spawn(received, orders);
        for (size_t i = 0; i < count; i++)
            close(received->descriptors[i]);
    }
}
