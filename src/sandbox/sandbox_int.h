/* What server, host and the first process of a sandbox say to each other. All on one machine, all
 * of one program: plain structs over SOCK_SEQPACKET sockets.
 *
 *     server --order--> host                    one socket for all; descriptors travel along
 *     server <--event-- host or first process   a socket for each sandbox
 *     server --command--> first process         the same socket */
#ifndef KUMONIWA_SANDBOX_SANDBOX_INT_H
#define KUMONIWA_SANDBOX_SANDBOX_INT_H

#include <linux/filter.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "sandbox/sandbox.h"

/* Descriptors that travel with an order: the sandbox's socket, standard input, output and error,
 * then the spec's own. */
#define ORDER_FIXED_DESCRIPTORS 4
#define ORDER_MAX_DESCRIPTORS (ORDER_FIXED_DESCRIPTORS + SANDBOX_MAX_DESCRIPTORS)

/* Whom the process is inside: Lambda's own ids. */
#define INSIDE_UID 993
#define INSIDE_GID 990
/* Whom it is outside, when the server is root: an id that nobody has. Limits on processes do not
 * bind root. */
#define OUTSIDE_ID 879993

/* After it `length` bytes of NUL-terminated texts: cwd, hostname, argv, env, each bind's from and
 * to. */
struct order {
    uint32_t argc, env_count, bind_count, descriptor_count, port_count;
    uint32_t network, bare;
    uint32_t processes, open_files;
    uint64_t memory_bytes, tmp_bytes, file_bytes;
    uint16_t ports[SANDBOX_MAX_PORTS];
    uint32_t length;
};

#define ORDER_MAX (sizeof(struct order) + SANDBOX_MAX_ORDER)

enum event_kind { EVENT_STARTED, EVENT_FAILED, EVENT_ENDED, EVENT_SOCKET };

/* EVENT_STARTED brings the pidfd and the listeners, EVENT_SOCKET a socket. */
struct event {
    enum event_kind kind;
    int pid;                /* started */
    int error;              /* failed: errno */
    char text[120];         /* failed: what was tried */
    struct sandbox_end end; /* ended */
};

enum command_kind {
    COMMAND_SIGNAL,
    COMMAND_SIGNAL_ALL,
    COMMAND_TERMINATE,
    COMMAND_KILL,
    COMMAND_WATCH,
    COMMAND_SOCKET
};

struct command {
    enum command_kind kind;
    int value; /* the signal; 0 or 1 for COMMAND_WATCH */
};

/* An order with its texts found, as the host and the sandbox see it. */
struct received {
    const struct order *order;
    const char *cwd, *hostname;
    const char *argv[SANDBOX_MAX_WORDS + 1];
    const char *env[SANDBOX_MAX_WORDS + 1];
    const char *from[SANDBOX_MAX_BINDS], *to[SANDBOX_MAX_BINDS];
    int descriptors[ORDER_MAX_DESCRIPTORS];
    int socket; /* descriptors[0] */
    /* Given by the host. */
    const struct sock_fprog *filter;
    int gate; /* readable when the host is done with the ids: the pid outside, an int */
};

/* The host's life; never returns. */
__attribute__((noreturn)) void host_run(int orders);
/* The sandbox's first process, in its namespaces already; never returns. */
__attribute__((noreturn)) void inside_run(const struct received *received);
/* Mounts and network of a new sandbox; listeners[] gets as many sockets as the order has ports.
 * Ends the process with inside_fail() when something fails. */
void inside_open_trees(const struct received *received, int *trees);
void inside_build(const struct received *received, const int *trees);
void inside_listen(const struct received *received, int *listeners);
/* Says EVENT_FAILED with errno and ends the process. */
__attribute__((noreturn)) void inside_fail(int socket, const char *what, const char *which);
/* The program itself: limits, privileges, filter, exec; never returns. */
/* Looks after the program until it ends; never returns. */
__attribute__((noreturn)) void inside_watch(const struct received *received, int program);

/* The filter that every program gets, made once by the host; lives for ever. */
RESULT filter_make(struct sock_fprog *filter);

/* One message with descriptors; false with errno. */
bool message_send(int socket, const struct iovec *parts, size_t count, const int *descriptors,
                  size_t descriptor_count, int flags);
/* *descriptor_count: room, then how many came (close-on-exec). Bytes read, 0 at the end, or -1. */
ssize_t message_receive(int socket, void *data, size_t size, int *descriptors,
                        size_t *descriptor_count, int flags);

#endif
