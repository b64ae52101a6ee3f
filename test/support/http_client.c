#include "support/http_client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000, READ_SIZE = 64 * 1024 };

struct client client_unconnected(struct arena *arena)
{
    return (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .arena = arena};
}

void client_reach(struct client *client, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    union {
        struct sockaddr_in *in;
        struct sockaddr *any;
    } as = {.in = &address};
    if (connect(client->fd, as.any, sizeof(address)) != 0)
        abort();
}

struct client client_connect(struct arena *arena, uint16_t port)
{
    struct client client = client_unconnected(arena);
    client_reach(&client, port);
    return client;
}

void client_close(struct client *client)
{
    (void)close(client->fd);
    client->fd = -1;
}

bool client_send(struct client *client, struct str text)
{
    while (text.len > 0) {
        ssize_t count = send(client->fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        text = str_slice(text, (size_t)count, text.len);
    }
    return true;
}

bool client_has_more(const struct client *client)
{
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    return client->pending.len > 0 || poll(&poll_fd, 1, PATIENCE_MS) > 0;
}

/* Appends what has come to `pending`; false at the end of the connection or of patience. */
static bool receive(struct client *client)
{
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    if (poll(&poll_fd, 1, PATIENCE_MS) <= 0)
        return false;
    char *room = arena_alloc_raw(client->arena, READ_SIZE);
    ssize_t count = recv(client->fd, room, READ_SIZE, 0);
    if (count <= 0)
        return false;
    client->pending = str_concat(client->arena, client->pending, str_make(room, (size_t)count));
    return true;
}

static struct str take(struct client *client, size_t count)
{
    struct str taken = str_slice(client->pending, 0, count);
    client->pending = str_slice(client->pending, count, client->pending.len);
    return taken;
}

/* The text before `end`, which is taken too; absent when it does not come. */
static struct str take_until(struct client *client, struct str end)
{
    for (;;) {
        size_t at = client->pending.len == 0 ? SIZE_MAX : str_find(client->pending, end);
        if (at != SIZE_MAX) {
            struct str taken = take(client, at);
            (void)take(client, end.len);
            return taken;
        }
        if (!receive(client))
            return (struct str){0};
    }
}

static bool take_exactly(struct client *client, uint64_t count, struct str *out)
{
    while (client->pending.len < count) {
        if (!receive(client)) {
            *out = take(client, client->pending.len);
            return false;
        }
    }
    *out = take(client, (size_t)count);
    return true;
}

static bool take_chunks(struct client *client, struct str *out)
{
    *out = STR("");
    for (;;) {
        struct str line = take_until(client, STR("\r\n"));
        if (str_is_absent(line))
            return false;
        char *end;
        uint64_t size = strtoull(str_to_c(client->arena, line), &end, 16);
        struct str chunk;
        if (size == 0)
            return !str_is_absent(take_until(client, STR("\r\n")));
        bool whole = take_exactly(client, size, &chunk);
        *out = str_concat(client->arena, *out, chunk);
        if (!whole || str_is_absent(take_until(client, STR("\r\n"))))
            return false;
    }
}

struct str client_field(const struct client_reply *reply, struct str name)
{
    struct str line, rest = reply->head;
    while (!str_is_absent(rest)) {
        (void)str_cut(rest, '\n', &line, &rest);
        struct str field, value;
        if (str_cut(line, ':', &field, &value) && str_eq_nocase(field, name))
            return str_trim(value);
    }
    return (struct str){0};
}

static void take_body(struct client *client, struct str method, struct client_reply *reply)
{
    struct str length = client_field(reply, STR("content-length"));
    uint64_t count = 0;
    reply->body = STR("");
    if (str_eq(method, STR("HEAD")) || reply->status == 204 || reply->status == 304)
        reply->whole = true;
    else if (str_eq(client_field(reply, STR("transfer-encoding")), STR("chunked")))
        reply->whole = take_chunks(client, &reply->body);
    else if (str_to_u64(length, &count))
        reply->whole = take_exactly(client, count, &reply->body);
    else
        (void)take_exactly(client, SIZE_MAX, &reply->body);
}

struct client_reply client_read(struct client *client, struct str method)
{
    struct client_reply reply = {0};
    for (;;) {
        reply.head = take_until(client, STR("\r\n\r\n"));
        if (reply.head.len < 12 || !str_starts_with(reply.head, STR("HTTP/1.1 ")))
            return reply;
        uint64_t status = 0;
        if (!str_to_u64(str_slice(reply.head, 9, 12), &status))
            return reply;
        if (status == 100) {
            reply.continues++;
            continue;
        }
        reply.status = (unsigned)status;
        take_body(client, method, &reply);
        return reply;
    }
}

bool client_is_closed(struct client *client)
{
    char byte;
    return client->pending.len == 0 && client_has_more(client) &&
           recv(client->fd, &byte, 1, 0) <= 0;
}
