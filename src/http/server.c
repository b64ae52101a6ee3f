/* Start and stop of the server: the listening socket, libmicrohttpd's options, the end. */
#include "http/http_int.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/time.h"
#include "http/pool_interface.h"
#include "http/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    HEADER_LIMIT_DEFAULT = 32 * 1024,
    HEADER_COUNT_DEFAULT = 256,
    IDLE_SECONDS_DEFAULT = 60,
    BUFFER_TOTAL_DEFAULT = 512 * 1024 * 1024,
    CONNECTION_LIMIT_DEFAULT = 65000,
    DESCRIPTORS_KEPT = 128, /* for files, sandboxes and the store */
    POOL_INCREMENT = 1024,
};

static void fill_defaults(struct http_config *config)
{
    if (config->threads == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        config->threads = cores > 0 ? (unsigned)cores : 1;
    }
    if (config->header_limit == 0)
        config->header_limit = HEADER_LIMIT_DEFAULT;
    if (config->header_count == 0)
        config->header_count = HEADER_COUNT_DEFAULT;
    if (config->buffer_total == 0)
        config->buffer_total = BUFFER_TOTAL_DEFAULT;
    if (config->idle_seconds == 0)
        config->idle_seconds = IDLE_SECONDS_DEFAULT;
    if (config->connection_limit == 0) {
        config->connection_limit = CONNECTION_LIMIT_DEFAULT;
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
            limit.rlim_cur < CONNECTION_LIMIT_DEFAULT + DESCRIPTORS_KEPT)
            config->connection_limit = limit.rlim_cur > 2 * DESCRIPTORS_KEPT
                                           ? (unsigned)limit.rlim_cur - DESCRIPTORS_KEPT
                                           : DESCRIPTORS_KEPT;
    }
    if (config->connection_limit < config->threads)
        config->connection_limit = config->threads;
}

static void say(struct str *message, struct arena *arena, const struct http_config *config,
                const char *what)
{
    *message = str_format(arena, "cannot listen on %.*s port %u: %s", PRSTR(config->address),
                          (unsigned)config->port, what);
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool read_address(const struct http_config *config, union address *out, socklen_t *size)
{
    char text[INET6_ADDRSTRLEN];
    if (config->address.len >= sizeof(text))
        return false;
    memcpy(text, config->address.ptr, config->address.len);
    text[config->address.len] = '\0';
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(config->port);
        *size = sizeof(out->v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(config->port);
        *size = sizeof(out->v6);
        return true;
    }
    return false;
}

static bool listen_on(int fd, const union address *address, socklen_t size)
{
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
        return false;
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0)
        return false;
    return bind(fd, &address->any, size) == 0 && listen(fd, BACKLOG) == 0;
}

static RESULT open_socket(struct http_server *server, struct str *message, struct arena *arena)
{
    union address address;
    socklen_t size;
    if (!read_address(&server->config, &address, &size)) {
        say(message, arena, &server->config, "not an IP address");
        return RESULT_ERROR;
    }
    server->listen_fd =
        socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listen_fd < 0 || !listen_on(server->listen_fd, &address, size)) {
        say(message, arena, &server->config, strerror(errno));
        return RESULT_ERROR;
    }
    size = sizeof(address);
    if (getsockname(server->listen_fd, &address.any, &size) != 0)
        return FAULT("getsockname: %s", strerror(errno));
    server->port =
        ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return RESULT_OK;
}

static void sleep_ms(long ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* Without a descriptor for a connection that waits the library either asks again and again, or not
 * until one of that thread's connections ends, which may be never. So it does not see that error:
 * the linker gives it this in the place of accept4() (--wrap in the Makefile). It asks again after
 * the pause; it is told of an error that it thinks nothing of, and tells on_log(). */
enum { NO_ROOM = EUSERS };

int accept_at_once(int fd, struct sockaddr *address, socklen_t *size,
                   int flags) __asm__("__real_accept4");
int accept_patiently(int fd, struct sockaddr *address, socklen_t *size,
                     int flags) __asm__("__wrap_accept4");

int accept_patiently(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    int accepted = accept_at_once(fd, address, size, flags);
    if (accepted < 0 &&
        (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        sleep_ms(1);
        errno = NO_ROOM;
    }
    return accepted;
}

int http_accept(int fd)
{
    return accept_at_once(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Once a minute. */
static void tell_no_room(struct http_server *server)
{
    uint64_t now = time_monotonic_ns() / 1000000000 + 1;
    uint64_t told = atomic_load_explicit(&server->no_room_told, memory_order_relaxed);
    if ((told == 0 || now >= told + 60) &&
        atomic_compare_exchange_strong(&server->no_room_told, &told, now))
        log_line(LOG_WARN, "http: no descriptor or no memory for another connection: those that "
                           "come wait (`kumoniwa doctor` shows the limit)");
}

__attribute__((format(printf, 2, 0))) static void on_log(void *context, const char *format,
                                                         va_list arguments)
{
    static const char accepting[] = "Error accepting connection";
    if (errno == NO_ROOM && strncmp(format, accepting, sizeof(accepting) - 1) == 0) {
        tell_no_room(context);
        return;
    }
    char line[512];
    int length = vsnprintf(line, sizeof(line), format, arguments);
    if (length < 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    log_line(LOG_DEBUG, "http: %s", line);
}

/* The library must not touch what was sent: decoding is the reader's. */
static size_t keep_escapes(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context;
    (void)mhd;
    return strlen(text);
}

/* Options whose type is size_t or a pointer go through MHD_OPTION_ARRAY as intptr_t. */
static size_t fill_tls(const struct http_server *server, struct arena *arena,
                       struct MHD_OptionItem *items)
{
    const struct http_config *config = &server->config;
    if (str_is_absent(config->tls_certificate))
        return 0;
    union {
        const char *in;
        void *out;
    } certificate = {.in = str_to_c(arena, config->tls_certificate)},
      key = {.in = str_to_c(arena, config->tls_key)};
    items[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, certificate.out};
    items[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key.out};
    return 2;
}

static RESULT start_daemon(struct http_server *server, struct str *message, struct arena *arena)
{
    const struct http_config *config = &server->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[3] = {{MHD_OPTION_END, 0, NULL}};
    if (fill_tls(server, arena, tls) > 0) {
        flags |= MHD_USE_TLS;
        if (!tls_load()) {
            say(message, arena, config, "libgnutls is missing");
            return RESULT_ERROR;
        }
    }
    /* Adopted connections go round the threads of a pool by themselves. */
    struct MHD_OptionItem listens[] = {
        {MHD_OPTION_LISTEN_SOCKET, server->listen_fd, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (config->adopts_only) {
        flags |= MHD_USE_NO_LISTEN_SOCKET;
        listens[0] = listens[1];
    }
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, http_on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_ARRAY, listens, MHD_OPTION_THREAD_POOL_SIZE,
        config->threads > 1 ? config->threads : 0U, MHD_OPTION_CONNECTION_LIMIT,
        config->connection_limit, MHD_OPTION_CONNECTION_TIMEOUT, config->idle_seconds,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->connections_per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, http_pool_size(config),
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)POOL_INCREMENT, MHD_OPTION_URI_LOG_CALLBACK,
        http_on_target, server, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        http_on_connection, server, MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
    if (server->daemon == NULL) {
        say(message, arena, config,
            (flags & MHD_USE_TLS) != 0 ? "is the certificate and its key good?"
                                       : "no memory, threads or descriptors");
        return RESULT_ERROR;
    }
    return RESULT_OK;
}

RESULT http_server_start(const struct http_config *config, struct http_server **out,
                         struct str *message, struct arena *message_arena)
{
    struct http_server *server = heap_alloc(sizeof(*server));
    server->config = *config;
    server->listen_fd = server->watch_fd = server->wake_fd = -1;
    fill_defaults(&server->config);
    enum result result =
        config->adopts_only ? RESULT_OK : open_socket(server, message, message_arena);
    if (result == RESULT_OK)
        result = http_watch_start(server);
    if (result == RESULT_OK)
        result = start_daemon(server, message, message_arena);
    if (result != RESULT_OK) {
        http_watch_stop(server);
        if (server->listen_fd >= 0)
            (void)close(server->listen_fd);
        heap_free(server);
        return result;
    }
    *out = server;
    return RESULT_OK;
}

/* The tag travels where an address has nothing to say: the library copies all of it. */
RESULT http_server_adopt(struct http_server *server, int fd, uint64_t tag)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    _Static_assert(sizeof address.sin_zero == sizeof tag, "the tag's place");
    memcpy(address.sin_zero, &tag, sizeof tag);
    union {
        struct sockaddr_in *in;
        struct sockaddr *out;
    } as = {.in = &address};
    if (MHD_add_connection(server->daemon, fd, as.out, sizeof(address)) != MHD_YES)
        return FAULT("MHD_add_connection: %s", strerror(errno));
    return RESULT_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

unsigned http_server_connections(const struct http_server *server)
{
    return atomic_load_explicit(&server->connections, memory_order_relaxed);
}

struct census {
    unsigned running, suspended;
};

/* Counts the exchanges in being; with `end`, also ends every one of them. */
static struct census look(struct http_server *server, bool end)
{
    struct census census = {0};
    (void)pthread_mutex_lock(&server->table_lock);
    for (size_t fd = 0; fd < server->table_size; fd++) {
        struct http_connection *connection = server->table[fd];
        if (connection == NULL)
            continue;
        int wait = atomic_load(&connection->wait);
        if (wait == HTTP_WAIT_SUSPENDED)
            census.suspended++;
        else if (wait != HTTP_WAIT_NONE || atomic_load(&connection->phase) != HTTP_PHASE_HEAD)
            census.running++;
        if (end) {
            (void)shutdown((int)fd, SHUT_RDWR);
            http_wait_abort(connection);
        }
    }
    (void)pthread_mutex_unlock(&server->table_lock);
    return census;
}

/* Waits for what is being answered. Suspended exchanges are waited for only SUSPENDED_GRACE_MS:
 * most of them wait for something that may never come. */
static void wait_for_answers(struct http_server *server, unsigned grace_ms)
{
    enum { SUSPENDED_GRACE_MS = 50 };
    uint64_t begin = time_monotonic_ns();
    for (;;) {
        struct census census = look(server, false);
        uint64_t passed = (time_monotonic_ns() - begin) / 1000000;
        if (passed >= grace_ms ||
            (census.running == 0 && (census.suspended == 0 || passed >= SUSPENDED_GRACE_MS)))
            return;
        sleep_ms(1);
    }
}

/* The library forbids stopping while anything is suspended; since `closing` nothing stays so. And
 * it follows a null pointer when a malformed request arrives while it stops (MHD_queue_response()
 * then reports success and queues nothing): all connections should be gone before. */
static void end_all(struct http_server *server)
{
    enum { PATIENCE_MS = 400 };
    for (int passed = 0;; passed++) {
        struct census census = look(server, true);
        bool all_gone = http_server_connections(server) == 0;
        if (census.suspended == 0 && (all_gone || passed >= PATIENCE_MS))
            return;
        sleep_ms(1);
    }
}

void http_server_stop(struct http_server *server, unsigned grace_ms)
{
    if (server == NULL)
        return;
    atomic_store(&server->stopping, true);
    int listen_fd = MHD_quiesce_daemon(server->daemon);
    wait_for_answers(server, grace_ms);
    atomic_store(&server->closing, true);
    end_all(server);
    MHD_stop_daemon(server->daemon);
    http_watch_stop(server);
    if (listen_fd >= 0)
        (void)close(listen_fd);
    heap_free(server);
}
