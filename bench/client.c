#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_STEP = 4096, HEAD_MAX = 64 * 1024, REPLY_MAX = 1 << 30 };

void endpoint_resolve(struct endpoint *endpoint, const char *url)
{
    char host[256], port[6];
    const char *rest = url;
    if (strncmp(url, "http://", 7) != 0)
        die("the endpoint must begin with http://: %s", url);
    rest += 7;
    size_t len = strcspn(rest, "/");
    if (rest[len] != '\0' && rest[len + 1] != '\0')
        die("the endpoint must not have a path: %s", url);
    bool bracketed = rest[0] == '[';
    const char *host_end = bracketed ? memchr(rest, ']', len) : memchr(rest, ':', len);
    size_t host_len = host_end == NULL ? len : (size_t)(host_end - rest);
    const char *port_at = host_end == NULL ? NULL : host_end + (bracketed ? 1 : 0);
    size_t port_len = port_at == NULL ? 0 : len - (size_t)(port_at - rest);
    if (host_len == 0 || host_len >= sizeof host || port_len > sizeof port ||
        (bracketed && host_end == NULL) || (port_len != 0 && *port_at != ':'))
        die("not an endpoint: %s", url);
    snprintf(host, sizeof host, "%.*s", (int)(host_len - (bracketed ? 1 : 0)),
             rest + (bracketed ? 1 : 0));
    snprintf(port, sizeof port, "%.*s", (int)(port_len < 2 ? 2 : port_len - 1),
             port_len < 2 ? "80" : port_at + 1);

    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0)
        die("%s: %s", url, gai_strerror(error));
    memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
    endpoint->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    endpoint->host.len = 0;
    bytes_append(&endpoint->host, str_make(rest, len));
}

static void watch(struct conn *conn, int operation, bool wants_write)
{
    struct epoll_event event = {.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = conn};
    if (epoll_ctl(conn->epoll_fd, operation, conn->fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
    conn->wants_write = wants_write;
}

bool conn_open(struct conn *conn, const struct endpoint *endpoint, int epoll_fd)
{
    int fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->address_len) != 0 &&
        errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    conn->fd = fd;
    conn->epoll_fd = epoll_fd;
    conn->state = CONN_CONNECTING;
    watch(conn, EPOLL_CTL_ADD, true);
    return true;
}

void conn_close(struct conn *conn)
{
    if (conn->state != CONN_CLOSED)
        close(conn->fd);
    conn->state = CONN_CLOSED;
}

void conn_release(struct conn *conn)
{
    conn_close(conn);
    bytes_release(&conn->head);
    bytes_release(&conn->body);
    bytes_release(&conn->in);
    bytes_release(&conn->handle);
}

static bool send_rest(struct conn *conn)
{
    size_t whole = conn->head.len + conn->payload.len;
    while (conn->sent < whole) {
        struct iovec parts[2];
        size_t count = 0;
        if (conn->sent < conn->head.len)
            parts[count++] = (struct iovec){.iov_base = conn->head.ptr + conn->sent,
                                            .iov_len = conn->head.len - conn->sent};
        size_t skip = conn->sent > conn->head.len ? conn->sent - conn->head.len : 0;
        if (conn->payload.len > skip) {
            /* The kernel only reads it; iovec has no const form. */
            union {
                const char *from;
                void *base;
            } part = {.from = conn->payload.ptr + skip};
            parts[count++] =
                (struct iovec){.iov_base = part.base, .iov_len = conn->payload.len - skip};
        }
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            if (!conn->wants_write)
                watch(conn, EPOLL_CTL_MOD, true);
            conn->state = CONN_SENDING;
            return true;
        }
        if (sent < 0) {
            conn_close(conn);
            return false;
        }
        conn->sent += (size_t)sent;
    }
    if (conn->wants_write)
        watch(conn, EPOLL_CTL_MOD, false);
    conn->state = CONN_WAITING;
    return true;
}

bool conn_send(struct conn *conn, struct signer *signer, const struct request *request)
{
    sign_request(signer, request, &conn->head);
    conn->payload = request->body;
    conn->sent = 0;
    conn->in.len = 0;
    conn->head_len = 0;
    return send_rest(conn);
}

static bool name_is(struct str line, struct str name)
{
    return line.len > name.len && line.ptr[name.len] == ':' &&
           strncasecmp(line.ptr, name.ptr, name.len) == 0;
}

static struct str value_of(struct str line, struct str name)
{
    const char *from = line.ptr + name.len + 1, *end = line.ptr + line.len;
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return str_make(from, (size_t)(end - from));
}

static bool value_is(struct str value, struct str word)
{
    return value.len == word.len && strncasecmp(value.ptr, word.ptr, word.len) == 0;
}

static bool read_header(struct conn *conn, struct str line, bool *has_length)
{
    static const struct str length = STR_INIT("content-length");
    static const struct str encoding = STR_INIT("transfer-encoding");
    static const struct str connection = STR_INIT("connection");
    if (name_is(line, length)) {
        uint64_t n;
        if (!str_to_u64(value_of(line, length), &n) || n > REPLY_MAX)
            return false;
        conn->body_len = (size_t)n;
        *has_length = true;
    } else if (name_is(line, encoding)) {
        if (!value_is(value_of(line, encoding), STR("chunked")))
            return false;
        conn->chunked = true;
    } else if (name_is(line, connection)) {
        if (value_is(value_of(line, connection), STR("close")))
            conn->close = true;
        else if (value_is(value_of(line, connection), STR("keep-alive")))
            conn->close = false;
    }
    return true;
}

/* The head ends at head_len. False: not HTTP/1. */
static bool read_head(struct conn *conn)
{
    struct str head = str_make(conn->in.ptr, conn->head_len);
    uint64_t status;
    bool has_length = false;
    if (head.len < 16 || memcmp(head.ptr, "HTTP/1.", 7) != 0 ||
        !str_to_u64(str_make(head.ptr + 9, 3), &status))
        return false;
    conn->status = (int)status;
    conn->chunked = conn->until_close = false;
    conn->close = head.ptr[7] == '0';
    conn->body_len = 0;
    for (size_t at = bytes_find(head, 0, STR("\r\n")) + 2; at + 2 < head.len;) {
        size_t end = bytes_find(head, at, STR("\r\n"));
        if (!read_header(conn, str_make(head.ptr + at, end - at), &has_length))
            return false;
        at = end + 2;
    }
    if (status == 204 || status == 304) {
        conn->body_len = 0;
        conn->chunked = false;
    } else if (!conn->chunked && !has_length) {
        conn->until_close = conn->close = true;
    }
    if (conn->chunked) {
        conn->body_len = 0;
        conn->chunk_at = conn->head_len;
    }
    return true;
}

/* Moves the chunks' data together behind the head. Trailers are read and dropped. */
static enum progress read_chunks(struct conn *conn)
{
    struct str in = bytes_str(&conn->in);
    for (;;) {
        size_t line_end = bytes_find(in, conn->chunk_at, STR("\r\n"));
        if (line_end == SIZE_MAX)
            return in.len - conn->chunk_at > HEAD_MAX ? PROGRESS_FAILED : PROGRESS_MORE;
        size_t size = 0, at = conn->chunk_at;
        for (; at < line_end && in.ptr[at] != ';' && in.ptr[at] != ' '; at++) {
            const char *digit = memchr("0123456789abcdefABCDEF", in.ptr[at], 22);
            if (digit == NULL || size > REPLY_MAX)
                return PROGRESS_FAILED;
            size_t value = (size_t)(digit - "0123456789abcdefABCDEF");
            size = size * 16 + (value > 15 ? value - 6 : value);
        }
        if (at == conn->chunk_at)
            return PROGRESS_FAILED;
        if (size == 0) {
            /* The last chunk's own line end may be the first half of the empty line. */
            return bytes_find(in, line_end, STR("\r\n\r\n")) == SIZE_MAX ? PROGRESS_MORE
                                                                         : PROGRESS_REPLY;
        }
        if (size > REPLY_MAX)
            return PROGRESS_FAILED;
        if (in.len < line_end + 2 + size + 2)
            return PROGRESS_MORE;
        memmove(conn->in.ptr + conn->head_len + conn->body_len, in.ptr + line_end + 2, size);
        conn->body_len += size;
        conn->chunk_at = line_end + 2 + size + 2;
    }
}

/* Looks at what has come. at_end: the peer has closed. */
static enum progress judge(struct conn *conn, size_t before, bool at_end)
{
    if (conn->head_len == 0) {
        size_t end = bytes_find(bytes_str(&conn->in), before < 3 ? 0 : before - 3, STR("\r\n\r\n"));
        if (end == SIZE_MAX)
            return at_end || conn->in.len > HEAD_MAX ? PROGRESS_FAILED : PROGRESS_MORE;
        conn->head_len = end + 4;
        if (!read_head(conn))
            return PROGRESS_FAILED;
    }
    enum progress progress = PROGRESS_MORE;
    if (conn->until_close) {
        conn->body_len = conn->in.len - conn->head_len;
        if (at_end)
            progress = PROGRESS_REPLY;
    } else if (conn->chunked) {
        progress = read_chunks(conn);
    } else if (conn->in.len - conn->head_len >= conn->body_len) {
        progress = PROGRESS_REPLY;
    }
    if (conn->in.len > (size_t)2 * REPLY_MAX)
        return PROGRESS_FAILED;
    return progress == PROGRESS_MORE && at_end ? PROGRESS_FAILED : progress;
}

static enum progress receive(struct conn *conn, struct reply *reply)
{
    for (;;) {
        bytes_reserve(&conn->in, conn->in.len < READ_STEP ? READ_STEP - conn->in.len : READ_STEP);
        size_t before = conn->in.len, room = conn->in.cap - conn->in.len;
        ssize_t got = recv(conn->fd, conn->in.ptr + before, room, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return PROGRESS_MORE;
        /* Bytes that nobody asked for, or the end of an idle connection. */
        if (got < 0 || (conn->state != CONN_WAITING && conn->state != CONN_SENDING))
            return PROGRESS_FAILED;
        conn->in.len += (size_t)got;
        enum progress progress = judge(conn, before, got == 0);
        if (progress == PROGRESS_REPLY) {
            *reply = (struct reply){
                .status = conn->status,
                .close = conn->close,
                .head = str_make(conn->in.ptr, conn->head_len),
                .body = str_make(conn->in.ptr + conn->head_len, conn->body_len),
            };
            return PROGRESS_REPLY;
        }
        if (progress == PROGRESS_FAILED || (size_t)got < room)
            return progress;
    }
}

static enum progress connected(struct conn *conn, uint32_t events)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0 && (events & (EPOLLERR | EPOLLHUP)) != 0)
        error = ECONNRESET;
    if (error != 0) {
        conn_close(conn);
        errno = error;
        return PROGRESS_FAILED;
    }
    watch(conn, EPOLL_CTL_MOD, false);
    conn->state = CONN_IDLE;
    return PROGRESS_READY;
}

enum progress conn_event(struct conn *conn, uint32_t events, struct reply *reply)
{
    if (conn->state == CONN_CLOSED)
        return PROGRESS_MORE;
    if (conn->state == CONN_CONNECTING)
        return connected(conn, events);
    if (conn->state == CONN_SENDING && (events & EPOLLOUT) != 0 && !send_rest(conn))
        return PROGRESS_FAILED;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0)
        return PROGRESS_MORE;
    enum progress progress = receive(conn, reply);
    if (progress == PROGRESS_FAILED)
        conn_close(conn);
    if (progress == PROGRESS_REPLY) {
        /* A reply to a request that was not sent whole (an early refusal) leaves the stream
         * unusable. */
        if (reply->close || conn->state == CONN_SENDING) {
            reply->close = true;
            conn_close(conn);
        } else {
            conn->state = CONN_IDLE;
        }
    }
    return progress;
}
