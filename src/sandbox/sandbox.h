/* Processes that nobody trusts: each in its own user, mount, pid, ipc, uts and network namespaces,
 * over a read-only system, with a private /tmp, limits, a system call filter and no privileges.
 * What it needs from the machine and what each part keeps out: src/sandbox/README.md.
 *
 * A host is a small process forked from the server early; it makes the sandboxes. Nothing here
 * blocks: sandbox_spawn() hands over an order and returns; sandbox_fd() is then readable (poll,
 * epoll) whenever sandbox_update() has news. When the server ends, by whatever means, so does all
 * that runs in sandboxes. A host may be used by many threads at once; a sandbox belongs to one at a
 * time. */
#ifndef KUMONIWA_SANDBOX_SANDBOX_H
#define KUMONIWA_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/str.h"

struct arena;
struct sandbox;
struct sandbox_host;

#define SANDBOX_MAX_ORDER (128 << 10) /* bytes of all the texts of a spec, NULs counted */
#define SANDBOX_MAX_WORDS 1024        /* argv and env together */
#define SANDBOX_MAX_BINDS 64
#define SANDBOX_MAX_PORTS 4
#define SANDBOX_MAX_DESCRIPTORS 16

/* A file or directory of the machine, with what is mounted below it, seen read-only at `to` (an
 * absolute path without "." and ".."). It must be readable by everybody: inside, the process is
 * somebody else. */
struct sandbox_bind {
    struct str from;
    struct str to;
};

enum sandbox_network {
    SANDBOX_NETWORK_NONE, /* a loopback interface of its own, and the spec's ports on it */
    SANDBOX_NETWORK_HOST, /* the machine's network, its loopback included */
};

/* Numbers that are 0 take the value told. Texts hold no NUL. */
struct sandbox_spec {
    const struct str *argv; /* argv[0] is a path inside, not searched for */
    size_t argc;
    const struct str *env; /* NAME=VALUE; all of the environment */
    size_t env_count;
    struct str cwd;      /* absent: / */
    struct str hostname; /* absent: "sandbox" */
    const struct sandbox_bind *binds;
    size_t bind_count;
    /* Of the machine there are devices alone: binds bring a system of their own. One whose `from`
     * is a symbolic link and whose `to` is in the root directory becomes the same link. */
    bool bare;
    uint64_t memory_bytes; /* of all its processes together, /tmp not counted; 0: 128 MiB */
    uint64_t tmp_bytes;    /* 0: 512 MiB */
    uint64_t file_bytes;   /* largest file; 0: as tmp_bytes */
    uint32_t processes;    /* threads count; one more is used by the sandbox itself; 0: 1024 */
    uint32_t open_files;   /* 0: 1024 */
    enum sandbox_network network;
    /* Ports of 127.0.0.1 inside at which the server listens: see sandbox_take_listener(). Only with
     * SANDBOX_NETWORK_NONE. */
    uint16_t ports[SANDBOX_MAX_PORTS];
    size_t port_count;
    /* Become 3, 4, ... inside; they stay the caller's and may be closed after sandbox_spawn(). A
     * template process is one that is given a unix socket here, receives descriptors over it and
     * forks: its children are in the same sandbox. */
    const int *descriptors;
    size_t descriptor_count;
};

enum sandbox_state {
    SANDBOX_STARTING,
    SANDBOX_RUNNING,
    SANDBOX_FAILED, /* never ran: sandbox_failure() */
    SANDBOX_ENDED,  /* nothing of it is left: sandbox_end() */
};

enum sandbox_cause {
    SANDBOX_EXITED,        /* value: the exit code */
    SANDBOX_SIGNALLED,     /* value: the signal that the program died of */
    SANDBOX_KILLED,        /* by sandbox_kill() */
    SANDBOX_OUT_OF_MEMORY, /* above memory_bytes */
    SANDBOX_LOST,          /* the sandbox itself was killed from outside; no usage is known */
};

struct sandbox_end {
    enum sandbox_cause cause;
    int value;
    uint64_t max_memory_bytes; /* the largest sum seen, and at least the largest process */
    uint64_t cpu_us;           /* user and system, of all its processes */
    uint64_t wall_us;          /* from the program's start */
};

/* Forks the host. Call before threads exist and before secrets are read: the host keeps a copy of
 * what memory holds now. Keeps nothing open but its socket and standard error. */
RESULT sandbox_host_start(struct sandbox_host **host);
/* Ends the host and with it every sandbox. */
void sandbox_host_stop(struct sandbox_host *host);

/* RESULT_FULL: the spec passes a maximum above, has a text that is not allowed, or more sandboxes
 * are being started than the host's queue holds (*sandbox is untouched, nothing was started).
 * Whether the program could be started is known later. */
RESULT sandbox_spawn(struct sandbox_host *host, const struct sandbox_spec *spec,
                     struct sandbox **sandbox);
/* Kills what still runs, at once, and closes all descriptors. */
void sandbox_free(struct sandbox *sandbox);

/* For poll(): readable when sandbox_update() may answer anew. */
int sandbox_fd(const struct sandbox *sandbox);
enum sandbox_state sandbox_update(struct sandbox *sandbox);
/* What went wrong, in English; of a failed sandbox. Lives as long as the sandbox. */
struct str sandbox_failure(const struct sandbox *sandbox);
const struct sandbox_end *sandbox_end(const struct sandbox *sandbox);
/* Readable when the sandbox's first process has ended; -1 until it runs. */
int sandbox_pidfd(const struct sandbox *sandbox);
/* The id by which the machine knows the sandbox's first process; 0 until it runs. */
int sandbox_pid(const struct sandbox *sandbox);

/* The server's ends of the program's standard descriptors, non-blocking. Whoever reads decides how
 * much: a pipe that is not read stops its writer. The sandbox closes them. */
int sandbox_stdin(const struct sandbox *sandbox);
int sandbox_stdout(const struct sandbox *sandbox);
int sandbox_stderr(const struct sandbox *sandbox);
void sandbox_close_stdin(struct sandbox *sandbox);
/* The listening socket of ports[index], once it runs; the caller's from then on, -1 the second
 * time. Its connections come from this sandbox and no other. */
int sandbox_take_listener(struct sandbox *sandbox, size_t index);

/* Asks for a TCP socket of the sandbox's own network, to connect to a port that a program in it
 * listens at. sandbox_update() has it some time later. */
void sandbox_want_socket(struct sandbox *sandbox);
/* Non-blocking, not connected; the caller's from then on. -1: none has come. */
int sandbox_take_socket(struct sandbox *sandbox);

/* To the program, or to all processes of the sandbox (SIGSTOP and SIGCONT freeze and thaw it).
 * Unknown or ended: nothing happens. */
void sandbox_signal(struct sandbox *sandbox, int signal, bool all);
/* SIGTERM to the program, whose end no longer ends the others: the sandbox ends with the last of
 * them, or by sandbox_kill(). */
void sandbox_terminate(struct sandbox *sandbox);
/* Ends it; sandbox_update() then tells the usage. */
void sandbox_kill(struct sandbox *sandbox);
/* Memory is looked at every 2 to 100 ms, depending on how near the cap is. A sandbox that waits for
 * work costs nothing when this is off. On at the start. */
void sandbox_watch(struct sandbox *sandbox, bool on);

/* Whether sandboxes work on this machine, in one line for people: what is missing and what to do
 * about it. Starts one; takes some milliseconds, at most five seconds. */
bool sandbox_doctor(struct arena *arena, struct str *text);

#endif
