/* Suspension, and the watcher.
 *
 * libmicrohttpd wants every MHD_suspend_connection() on the worker and exactly one
 * MHD_resume_connection() for it, and forgets suspended sockets entirely. So: `wait` decides who
 * resumes, and a thread of ours watches the sockets that were ever suspended for a hang-up. That
 * thread also ends connections that trickle: a head must be whole idle_seconds after it could
 * begin, a body must bring HTTP_BODY_LEAST bytes in each idle_seconds. */
#include "http/http_int.h"

#include "base/arena.h"
#include "base/log.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP_BODY_LEAST = 1024, WATCH_EVENTS = 64, TABLE_FIRST = 256 };

void http_progress(struct http_connection *connection, enum http_phase phase)
{
    uint32_t tick = atomic_load_explicit(&connection->server->tick, memory_order_relaxed);
    atomic_store_explicit(&connection->since, tick, memory_order_relaxed);
    atomic_store_explicit(&connection->phase, (int)phase, memory_order_relaxed);
}

void http_suspend(struct http_exchange *exchange)
{
    exchange->connection->suspend_wanted = true;
}

static bool move(struct http_connection *connection, enum http_wait from, enum http_wait to)
{
    int expected = (int)from;
    return atomic_compare_exchange_strong(&connection->wait, &expected, (int)to);
}

void http_resume(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    for (;;) {
        if (move(connection, HTTP_WAIT_SUSPENDED, HTTP_WAIT_RESUMING)) {
            MHD_resume_connection(connection->mhd);
            return;
        }
        if (move(connection, HTTP_WAIT_NONE, HTTP_WAIT_PENDING) ||
            move(connection, HTTP_WAIT_PENDING, HTTP_WAIT_PENDING) ||
            move(connection, HTTP_WAIT_RESUMING, HTTP_WAIT_RESUMING))
            return;
    }
}

void http_wait_abort(struct http_connection *connection)
{
    atomic_store(&connection->gone, true);
    if (move(connection, HTTP_WAIT_SUSPENDED, HTTP_WAIT_RESUMING))
        MHD_resume_connection(connection->mhd);
}

enum http_wait_result http_wait_begin(struct http_connection *connection)
{
    if (move(connection, HTTP_WAIT_PENDING, HTTP_WAIT_NONE)) {
        connection->exchange.resumed++;
        return HTTP_AGAIN;
    }
    MHD_suspend_connection(connection->mhd);
    if (!move(connection, HTTP_WAIT_NONE, HTTP_WAIT_SUSPENDED)) {
        /* A resume came in between; nobody else acts on a pending one. */
        atomic_store(&connection->wait, HTTP_WAIT_RESUMING);
        MHD_resume_connection(connection->mhd);
    } else if (atomic_load(&connection->gone) || atomic_load(&connection->server->closing)) {
        http_wait_abort(connection);
    }
    return HTTP_WAITS;
}

bool http_wait_end(struct http_connection *connection)
{
    if (!move(connection, HTTP_WAIT_RESUMING, HTTP_WAIT_NONE))
        return true;
    connection->exchange.resumed++;
    return !atomic_load(&connection->gone) && !atomic_load(&connection->server->closing);
}

static uint32_t monotonic_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)now.tv_sec;
}

static void wake_watcher(const struct http_server *server)
{
    uint64_t one = 1;
    if (write(server->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        log_line(LOG_WARN, "http: eventfd: %s", strerror(errno));
}

static bool hung_up(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};
    return poll(&poll_fd, 1, 0) > 0 &&
           (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

bool http_client_gone(const struct http_exchange *exchange)
{
    const struct http_connection *connection = exchange->connection;
    return atomic_load(&connection->gone) || hung_up(connection->fd);
}

static void watch(struct http_connection *connection)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data = {.fd = connection->fd}};
    if (epoll_ctl(connection->server->watch_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        log_line(LOG_WARN, "http: epoll_ctl: %s", strerror(errno));
}

void http_table_put(struct http_server *server, struct http_connection *connection)
{
    size_t fd = (size_t)connection->fd;
    (void)pthread_mutex_lock(&server->table_lock);
    if (fd >= server->table_size) {
        size_t size = server->table_size == 0 ? TABLE_FIRST : server->table_size;
        while (size <= fd)
            size *= 2;
        size_t old = server->table_size;
        server->table = heap_grow(server->table, size * sizeof(*server->table));
        memset(server->table + old, 0, (size - old) * sizeof(*server->table));
        server->table_size = size;
    }
    server->table[fd] = connection;
    server->table_count++;
    if (server->watcher_sleeps) {
        /* Its clock stands still. */
        atomic_store_explicit(&server->tick, monotonic_seconds(), memory_order_relaxed);
        http_progress(connection, (enum http_phase)atomic_load(&connection->phase));
        server->watcher_sleeps = false;
        wake_watcher(server);
    }
    (void)pthread_mutex_unlock(&server->table_lock);
    watch(connection);
}

void http_table_remove(struct http_server *server, struct http_connection *connection)
{
    (void)pthread_mutex_lock(&server->table_lock);
    server->table[connection->fd] = NULL;
    server->table_count--;
    (void)pthread_mutex_unlock(&server->table_lock);
}

/* An event may be about a descriptor that has changed hands since: it is a hint, the socket tells.
 */
static void on_hang_up(struct http_server *server, int fd)
{
    (void)pthread_mutex_lock(&server->table_lock);
    struct http_connection *connection = (size_t)fd < server->table_size ? server->table[fd] : NULL;
    if (connection != NULL && hung_up(fd))
        http_wait_abort(connection);
    (void)pthread_mutex_unlock(&server->table_lock);
}

/* The library overlooks an end that comes together with data. */
static bool is_over(const struct http_connection *connection)
{
    int unread = 0;
    return atomic_load(&connection->gone) && ioctl(connection->fd, FIONREAD, &unread) == 0 &&
           unread == 0;
}

static bool is_stuck(struct http_connection *connection, uint32_t now)
{
    uint32_t since = atomic_load_explicit(&connection->since, memory_order_relaxed);
    bool over = is_over(connection);
    uint32_t limit = over ? 1 : connection->server->config.idle_seconds;
    if ((int32_t)(now - since) <= (int32_t)limit) /* it may have begun after now was read */
        return false;
    int phase = atomic_load_explicit(&connection->phase, memory_order_relaxed);
    /* Of a body that is thrown away no more will come either. */
    if (phase == HTTP_PHASE_HEAD || (over && phase == HTTP_PHASE_DRAIN))
        return true;
    if (phase != HTTP_PHASE_BODY || atomic_load(&connection->wait) != HTTP_WAIT_NONE)
        return false;
    uint64_t taken = atomic_load_explicit(&connection->taken, memory_order_relaxed);
    if (taken - atomic_exchange(&connection->swept, taken) < HTTP_BODY_LEAST)
        return true;
    atomic_store_explicit(&connection->since, now, memory_order_relaxed);
    return false;
}

/* Shutting the socket down makes the library end the connection; the descriptor is valid as long as
 * it is in the table. */
static void sweep(struct http_server *server, uint32_t now)
{
    (void)pthread_mutex_lock(&server->table_lock);
    for (size_t fd = 0; fd < server->table_size; fd++) {
        struct http_connection *connection = server->table[fd];
        if (connection != NULL && is_stuck(connection, now))
            (void)shutdown((int)fd, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&server->table_lock);
}

/* After a crowd has left, its memory goes back to the system. */
static void trim(struct http_server *server, unsigned *peak)
{
    enum { CROWD = 1000 };
    unsigned count = http_server_connections(server);
    if (count > *peak)
        *peak = count;
    if (*peak < CROWD || count > *peak / 2)
        return;
    *peak = count;
    (void)malloc_trim(0);
}

/* False: the server ends. */
static bool on_wake(struct http_server *server)
{
    uint64_t ignored;
    ssize_t got = read(server->wake_fd, &ignored, sizeof ignored);
    (void)got;
    (void)pthread_mutex_lock(&server->table_lock);
    bool ends = server->watcher_ends;
    (void)pthread_mutex_unlock(&server->table_lock);
    return !ends;
}

/* An idle program sleeps: without connections there is nothing to look after. */
static int watcher_wait_ms(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->table_lock);
    bool sleeps = server->watcher_sleeps = server->table_count == 0;
    (void)pthread_mutex_unlock(&server->table_lock);
    return sleeps ? -1 : 1000;
}

static void *run_watcher(void *context)
{
    struct http_server *server = context;
    struct epoll_event events[WATCH_EVENTS];
    unsigned peak = 0;
    int wait_ms = 1000;
    for (;;) {
        int count = epoll_wait(server->watch_fd, events, WATCH_EVENTS, wait_ms);
        wait_ms = 1000;
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != server->wake_fd)
                on_hang_up(server, events[i].data.fd);
            else if (!on_wake(server))
                return NULL;
        }
        uint32_t now = monotonic_seconds();
        if (now == atomic_load_explicit(&server->tick, memory_order_relaxed))
            continue;
        atomic_store_explicit(&server->tick, now, memory_order_relaxed);
        sweep(server, now);
        trim(server, &peak);
        wait_ms = watcher_wait_ms(server);
    }
}

RESULT http_watch_start(struct http_server *server)
{
    (void)pthread_mutex_init(&server->table_lock, NULL);
    atomic_store(&server->tick, monotonic_seconds());
    server->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = server->wake_fd}};
    if (server->watch_fd < 0 || server->wake_fd < 0 ||
        epoll_ctl(server->watch_fd, EPOLL_CTL_ADD, server->wake_fd, &event) != 0)
        return FAULT("http: epoll: %s", strerror(errno));
    int error = pthread_create(&server->watcher, NULL, run_watcher, server);
    if (error != 0)
        return FAULT("http: pthread_create: %s", strerror(error));
    server->watcher_runs = true;
    return RESULT_OK;
}

void http_watch_stop(struct http_server *server)
{
    if (server->watcher_runs) {
        (void)pthread_mutex_lock(&server->table_lock);
        server->watcher_ends = true;
        (void)pthread_mutex_unlock(&server->table_lock);
        wake_watcher(server);
        (void)pthread_join(server->watcher, NULL);
    }
    if (server->watch_fd >= 0)
        (void)close(server->watch_fd);
    if (server->wake_fd >= 0)
        (void)close(server->wake_fd);
    (void)pthread_mutex_destroy(&server->table_lock);
    heap_free(server->table);
}
