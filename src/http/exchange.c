/* The way of an exchange through libmicrohttpd's callbacks. The library calls http_on_access() once
 * for the head, once or more for each piece of the body, and once more at its end. It takes a reply
 * in the first and in the last of these only, and after a reply in the first it closes the
 * connection. Hence `drain`: a reply made earlier waits while the rest of the body is thrown away.
 */
#include "http/http_int.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { BODY_RESERVED = 2 << 20 };

static enum MHD_Result queue_reply(struct http_connection *connection)
{
    struct MHD_Response *reply = connection->reply;
    connection->reply = NULL;
    http_progress(connection, HTTP_PHASE_REPLY);
    enum MHD_Result queued = MHD_queue_response(connection->mhd, connection->status, reply);
    MHD_destroy_response(reply);
    return queued;
}

/* Whether the rest of the body is worth reading so that the connection lives on. */
static bool may_drain(const struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    return !connection->expects_continue &&
           (!exchange->has_length || exchange->content_length <= HTTP_DRAIN_LIMIT);
}

/* After complete() or head(): sends the reply or waits. `at_head` and `at_end` say which of the
 * library's calls this is. */
static enum MHD_Result settle(struct http_connection *connection, bool at_head, bool at_end)
{
    if (connection->reply == NULL) {
        log_line(LOG_ERROR, "http: a handler neither answered nor suspended %.*s %.*s",
                 PRSTR(connection->exchange.method), PRSTR(connection->exchange.path));
        return MHD_NO;
    }
    if (at_end || (at_head && connection->body_coming && !may_drain(connection)))
        return queue_reply(connection);
    http_progress(connection, HTTP_PHASE_DRAIN);
    return MHD_YES;
}

static enum MHD_Result run_complete(struct http_connection *connection, bool at_head, bool at_end)
{
    const struct http_handler *handler = &connection->server->config.handler;
    http_progress(connection, HTTP_PHASE_COMPLETE);
    for (;;) {
        connection->suspend_wanted = false;
        handler->complete(handler->context, &connection->exchange);
        if (connection->reply != NULL || !connection->suspend_wanted)
            return settle(connection, at_head, at_end);
        if (http_wait_begin(connection) == HTTP_WAITS)
            return MHD_YES;
    }
}

static enum MHD_Result take_head(struct http_connection *connection, const char *method,
                                 const char *version)
{
    struct http_exchange *exchange = &connection->exchange;
    const struct http_handler *handler = &connection->server->config.handler;
    struct http_refusal refusal = http_head_take(connection, method, version);
    if (refusal.status != 0) {
        http_reply_refusal(connection, refusal);
        return queue_reply(connection);
    }
    connection->opened = true;
    exchange->body_limit = 0;
    handler->head(handler->context, exchange);
    if (connection->reply != NULL)
        return settle(connection, true, false);
    if (exchange->body_limit == 0)
        exchange->body_limit = exchange->body_sink ? SIZE_MAX : HTTP_BODY_LIMIT_DEFAULT;
    buf_init(&connection->body, exchange->arena, exchange->body_limit);
    if (exchange->has_length && exchange->content_length > exchange->body_limit) {
        exchange->sink_result = RESULT_FULL;
        return run_complete(connection, true, false);
    }
    http_progress(connection, HTTP_PHASE_BODY);
    return MHD_YES;
}

/* Bodies of all connections together have a limit: many large ones at once are refused, not kept.
 */
static enum result buffer_piece(struct http_connection *connection, struct str piece)
{
    struct http_server *server = connection->server;
    size_t before = atomic_fetch_add_explicit(&server->buffered, piece.len, memory_order_relaxed);
    connection->counted += piece.len;
    if (before + piece.len > server->config.buffer_total) {
        connection->exchange.overloaded = true;
        return RESULT_FULL;
    }
    /* At once what is to come, within reason: a buffer that grows leaves its smaller selves. */
    if (connection->body.len == 0 && connection->exchange.has_length) {
        size_t all = (size_t)connection->exchange.content_length;
        (void)buf_reserve(&connection->body, all > BODY_RESERVED ? BODY_RESERVED : all);
    }
    buf_append(&connection->body, piece);
    return RESULT_OK;
}

static enum MHD_Result take_piece(struct http_connection *connection, struct str piece,
                                  size_t *left)
{
    struct http_exchange *exchange = &connection->exchange;
    const struct http_handler *handler = &connection->server->config.handler;
    uint64_t taken = atomic_load_explicit(&connection->taken, memory_order_relaxed);
    enum result result = RESULT_OK;
    if (piece.len > exchange->body_limit - taken) {
        result = RESULT_FULL;
    } else if (exchange->body_sink) {
        while ((result = handler->sink(handler->context, exchange, piece)) == RESULT_PARK) {
            if (http_wait_begin(connection) == HTTP_WAITS)
                return MHD_YES;
        }
    } else {
        result = buffer_piece(connection, piece);
    }
    *left = 0;
    atomic_store_explicit(&connection->taken, taken + piece.len, memory_order_relaxed);
    if (result == RESULT_OK)
        return MHD_YES;
    exchange->sink_result = result;
    return run_complete(connection, false, false);
}

static enum MHD_Result drain(struct http_connection *connection, size_t *left)
{
    connection->drained += *left;
    *left = 0;
    /* A chunked body may have no end; a declared one has. */
    if (!connection->exchange.has_length && connection->drained > HTTP_DRAIN_LIMIT)
        return MHD_NO;
    return MHD_YES;
}

void *http_on_target(void *server, const char *target, struct MHD_Connection *mhd)
{
    (void)server;
    struct http_connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    http_head_target(connection, target);
    return connection;
}

enum MHD_Result http_on_access(void *server, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *piece,
                               size_t *piece_size, void **context)
{
    (void)server;
    (void)mhd;
    (void)url;
    struct http_connection *connection = *context;
    if (connection == NULL || !http_wait_end(connection))
        return MHD_NO;
    bool at_end = *piece_size == 0;
    switch ((enum http_phase)atomic_load_explicit(&connection->phase, memory_order_relaxed)) {
    case HTTP_PHASE_HEAD:
        return take_head(connection, method, version);
    case HTTP_PHASE_BODY:
        if (!at_end)
            return take_piece(connection, str_make(piece, *piece_size), piece_size);
        connection->exchange.body = buf_str(&connection->body);
        return run_complete(connection, false, true);
    case HTTP_PHASE_COMPLETE:
        /* The rest of a body that complete() was called in the midst of. Where that was the head's
         * call, the library repeats this one, and cannot be told from the end: the reply then
         * closes the connection. */
        *piece_size = 0;
        return run_complete(connection, false, at_end);
    case HTTP_PHASE_DRAIN:
        return at_end ? queue_reply(connection) : drain(connection, piece_size);
    case HTTP_PHASE_REPLY:
        break;
    }
    return MHD_YES;
}

static void begin_exchange(struct http_connection *connection)
{
    struct arena *arena = connection->exchange.arena;
    uint16_t peer_port = connection->exchange.peer_port;
    uint64_t tag = connection->exchange.tag;
    connection->exchange = (struct http_exchange){
        .peer = str_from_c(connection->peer),
        .peer_port = peer_port,
        .tag = tag,
        .tls = !str_is_absent(connection->server->config.tls_certificate),
        .arena = arena,
        .connection = connection,
    };
    connection->opened = false;
    connection->suspend_wanted = false;
    connection->body_coming = false;
    connection->expects_continue = false;
    connection->drained = 0;
    atomic_store_explicit(&connection->swept, 0, memory_order_relaxed);
    connection->body = (struct buf){0};
    connection->pull = NULL;
    atomic_store_explicit(&connection->taken, 0, memory_order_relaxed);
    http_progress(connection, HTTP_PHASE_HEAD);
}

void http_on_completed(void *server, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode why)
{
    (void)server;
    (void)mhd;
    (void)why;
    struct http_connection *connection = *context;
    if (connection == NULL)
        return;
    const struct http_handler *handler = &connection->server->config.handler;
    if (connection->opened)
        handler->close(handler->context, &connection->exchange);
    if (connection->reply != NULL) {
        MHD_destroy_response(connection->reply);
        connection->reply = NULL;
    }
    atomic_store(&connection->wait, HTTP_WAIT_NONE);
    if (connection->counted > 0)
        atomic_fetch_sub_explicit(&connection->server->buffered, connection->counted,
                                  memory_order_relaxed);
    connection->counted = 0;
    arena_reset(connection->exchange.arena);
    begin_exchange(connection);
    *context = NULL;
}

static void note_peer(struct http_connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    if (address != NULL && address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        (void)inet_ntop(AF_INET, &in.sin_addr, connection->peer, sizeof(connection->peer));
        connection->exchange.peer_port = ntohs(in.sin_port);
        if (in.sin_port == 0)
            memcpy(&connection->exchange.tag, in.sin_zero, sizeof in.sin_zero);
    } else if (address != NULL && address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof(in));
        (void)inet_ntop(AF_INET6, &in.sin6_addr, connection->peer, sizeof(connection->peer));
        connection->exchange.peer_port = ntohs(in.sin6_port);
    }
}

/* A socket that is closed with bytes unread resets the connection, and the client may lose the
 * reply that it was sent: what came of a request that was refused is thrown away before. */
static void throw_away_unread(int fd)
{
    enum { PIECE = 32 << 10, PIECES = 128 };
    char piece[PIECE];
    for (int i = 0; i < PIECES; i++)
        if (recv(fd, piece, sizeof piece, MSG_DONTWAIT) <= 0)
            return;
}

void http_on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                        enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_connection *connection = heap_alloc(sizeof(*connection));
        connection->server = server;
        connection->mhd = mhd;
        connection->fd =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        connection->exchange.arena = arena_new(0);
        note_peer(connection);
        begin_exchange(connection);
        atomic_fetch_add(&server->connections, 1);
        http_table_put(server, connection);
        *socket_context = connection;
        return;
    }
    struct http_connection *connection = *socket_context;
    *socket_context = NULL;
    if (connection->exchange.tag != 0 && server->config.gone != NULL)
        server->config.gone(server->config.handler.context, connection->exchange.tag);
    http_table_remove(server, connection);
    throw_away_unread(connection->fd);
    atomic_fetch_sub(&server->connections, 1);
    arena_free(connection->exchange.arena);
    heap_free(connection);
}
