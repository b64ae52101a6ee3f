/* The machine's limit: an HTTP/1.1 keep-alive server that looks for the end of a request and
 * answers the same bytes every time. One thread, one epoll set, one read and one write an exchange:
 * whatever a real server does comes on top of this.
 *
 *     echo [--port N] [--size BYTES]
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "bytes.h"

enum { EVENTS = 256, HEAD_MAX = 16 * 1024, READ_SIZE = 64 * 1024 };

struct peer {
    int fd;
    uint64_t body_left; /* of the request that is being read */
    size_t len;         /* of a head that has not come whole */
    char part[HEAD_MAX];
};

struct echo {
    int epoll_fd, listen_fd;
    struct bytes reply;
    char input[HEAD_MAX + READ_SIZE];
};

/* Content-Length of a head, 0 when it has none; false when it is not a number or the body is
 * chunked. */
static bool read_length(struct str head, uint64_t *length)
{
    static const struct str name = STR_INIT("content-length:");
    static const struct str encoding = STR_INIT("transfer-encoding:");
    *length = 0;
    for (size_t at = bytes_find(head, 0, STR("\r\n")) + 2; at < head.len;) {
        size_t end = bytes_find(head, at, STR("\r\n"));
        if (end - at > name.len && strncasecmp(head.ptr + at, name.ptr, name.len) == 0) {
            size_t from = at + name.len;
            while (from < end && head.ptr[from] == ' ')
                from++;
            return str_to_u64(str_make(head.ptr + from, end - from), length);
        }
        if (end - at > encoding.len && strncasecmp(head.ptr + at, encoding.ptr, encoding.len) == 0)
            return false;
        at = end + 2;
    }
    return true;
}

static void drop(struct peer *peer)
{
    close(peer->fd);
    heap_free(peer);
}

/* A client that leaves so many answers unread that the socket is full is not one of a benchmark:
 * dropped. */
static bool answer(const struct echo *echo, const struct peer *peer)
{
    return send(peer->fd, echo->reply.ptr, echo->reply.len, MSG_NOSIGNAL) ==
           (ssize_t)echo->reply.len;
}

/* Takes every whole request out of the input; keeps a head's beginning for the next time. */
static bool consume(const struct echo *echo, struct peer *peer, struct str input)
{
    for (size_t at = 0; at < input.len;) {
        if (peer->body_left == 0) {
            size_t end = bytes_find(input, at, STR("\r\n\r\n"));
            if (end == SIZE_MAX) {
                peer->len = input.len - at;
                if (peer->len > sizeof peer->part)
                    return false;
                memcpy(peer->part, input.ptr + at, peer->len);
                return true;
            }
            if (!read_length(str_make(input.ptr + at, end + 2 - at), &peer->body_left))
                return false;
            at = end + 4;
        }
        size_t here = input.len - at;
        if (peer->body_left > here) {
            peer->body_left -= here;
            return true;
        }
        at += (size_t)peer->body_left;
        peer->body_left = 0;
        if (!answer(echo, peer))
            return false;
    }
    return true;
}

static void serve(struct echo *echo, struct peer *peer)
{
    size_t kept = peer->len;
    memcpy(echo->input, peer->part, kept);
    ssize_t got = recv(peer->fd, echo->input + kept, READ_SIZE, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    peer->len = 0;
    if (got <= 0 || !consume(echo, peer, str_make(echo->input, kept + (size_t)got)))
        drop(peer);
}

static void take_peers(const struct echo *echo)
{
    for (;;) {
        const int on = 1;
        int fd = accept4(echo->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct peer *peer = heap_alloc(sizeof *peer);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        peer->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(echo->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            die("epoll_ctl: %s", strerror(errno));
    }
}

static void make_reply(struct bytes *reply, uint64_t size)
{
    bytes_append(reply, STR("HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                            "x-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\n"
                            "Content-Length: "));
    bytes_append_u64(reply, size);
    bytes_append(reply, STR("\r\n\r\n"));
    for (uint64_t i = 0; i < size; i++)
        bytes_append(reply, STR("."));
}

static int listen_on(uint64_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0)
        die("port %llu: %s", (unsigned long long)port, strerror(errno));
    return fd;
}

int main(int argc, char **argv)
{
    static const struct option flags[] = {
        {"port", required_argument, NULL, 'p'},
        {"size", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    struct echo *echo = heap_alloc(sizeof *echo);
    uint64_t port = 4600, size = 106; /* as long as the answer to SendMessage */
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        uint64_t *value = flag == 'p' ? &port : &size;
        if (flag == '?' || !str_to_u64(str_from_c(optarg), value))
            die("usage: echo [--port N] [--size BYTES]");
    }
    if (port > UINT16_MAX || size > 1 << 20)
        die("--port goes to 65535, --size to 1048576");
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    make_reply(&echo->reply, size);
    echo->listen_fd = listen_on(port);
    echo->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (echo->epoll_fd < 0 ||
        epoll_ctl(echo->epoll_fd, EPOLL_CTL_ADD, echo->listen_fd, &event) != 0)
        die("epoll: %s", strerror(errno));
    printf("echo: http://127.0.0.1:%llu\n", (unsigned long long)port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(echo->epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                take_peers(echo);
            else
                serve(echo, events[i].data.ptr);
        }
    }
}
