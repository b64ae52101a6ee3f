#include "cli/client.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

struct str client_endpoint(struct arena *arena)
{
    const char *own = getenv("KUMONIWA_ENDPOINT");
    const char *aws = getenv("AWS_ENDPOINT_URL");
    const char *chosen = own != NULL && own[0] != '\0'   ? own
                         : aws != NULL && aws[0] != '\0' ? aws
                                                         : NULL;
    struct str endpoint = chosen == NULL ? STR("http://127.0.0.1:4566") : str_from_c(chosen);
    while (str_ends_with(endpoint, STR("/")) && !str_ends_with(endpoint, STR("://")))
        endpoint.len--;
    return str_copy(arena, endpoint);
}

static int client_connect(struct arena *arena, struct str authority)
{
    struct str host = authority, port = STR("80");
    size_t colon = str_find_last_char(authority, ':');
    if (colon != SIZE_MAX && !str_ends_with(authority, STR("]"))) {
        host = str_slice(authority, 0, colon);
        port = str_slice(authority, colon + 1, authority.len);
    }
    if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
        host = str_slice(host, 1, host.len - 1);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int error = getaddrinfo(str_to_c(arena, host), str_to_c(arena, port), &hints, &found);
    if (error != 0) {
        errno = EHOSTUNREACH;
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            int reason = errno;
            close(fd);
            errno = reason;
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static bool client_exchange(int fd, struct str request, struct buf *reply)
{
    while (request.len > 0) {
        ssize_t n = send(fd, request.ptr, request.len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        request = str_slice(request, (size_t)n, request.len);
    }
    char piece[65536];
    ssize_t n;
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
        buf_append(reply, str_make(piece, (size_t)n));
    return n == 0 && !buf_is_full(reply);
}

static RESULT client_read_reply(struct str text, struct client_reply *reply, struct str *message)
{
    size_t end = str_find(text, STR("\r\n\r\n"));
    uint64_t status;
    if (end == SIZE_MAX || !str_starts_with(text, STR("HTTP/1.")) ||
        !str_to_u64(str_slice(text, 9, 12), &status)) {
        *message = STR("what answers there does not speak HTTP");
        return RESULT_ERROR;
    }
    *reply = (struct client_reply){
        .status = (unsigned)status,
        .head = str_slice(text, 0, end + 2),
        .body = str_slice(text, end + 4, text.len),
    };
    return RESULT_OK;
}

struct str client_field(const struct client_reply *reply, struct str name)
{
    struct str line, rest = reply->head, key, value;
    while (str_cut(rest, '\n', &line, &rest))
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(key, name))
            return str_trim(value);
    return (struct str){0};
}

RESULT client_send(struct arena *arena, const struct client_request *asked,
                   struct client_reply *out, struct str *message)
{
    struct str endpoint = client_endpoint(arena);
    if (!str_starts_with(endpoint, STR("http://")) || endpoint.len == 7) {
        *message = str_format(
            arena,
            "\"%.*s\": this command speaks plain HTTP; set KUMONIWA_ENDPOINT to an http:// "
            "address of the server",
            PRSTR(endpoint));
        return RESULT_ERROR;
    }
    struct str authority = str_slice(endpoint, 7, endpoint.len);
    int fd = client_connect(arena, authority);
    if (fd < 0) {
        *message =
            str_format(arena,
                       "nobody answers at %.*s (%s): start the cloud with `kumoniwa serve`, or "
                       "set KUMONIWA_ENDPOINT",
                       PRSTR(endpoint), strerror(errno));
        return RESULT_ERROR;
    }
    struct str head = str_format(
        arena,
        "%.*s %.*s HTTP/1.0\r\nHost: %.*s\r\nContent-Length: %zu\r\nConnection: close\r\n%.*s\r\n",
        PRSTR(asked->method), PRSTR(asked->path), PRSTR(authority), asked->body.len,
        PRSTR(asked->head));
    struct str request = str_concat(arena, head, asked->body);
    struct buf reply;
    buf_init(&reply, arena, 64 * 1024 * 1024);
    bool whole = client_exchange(fd, request, &reply);
    close(fd);
    if (!whole) {
        *message = str_format(arena, "%.*s closed the connection", PRSTR(endpoint));
        return RESULT_ERROR;
    }
    return client_read_reply(buf_str(&reply), out, message);
}

RESULT client_call(struct arena *arena, struct str method, struct str path, struct str *body,
                   struct str *message)
{
    const struct client_request request = {.method = method, .path = path};
    struct client_reply reply;
    TRY(client_send(arena, &request, &reply, message));
    if (reply.status >= 400) {
        struct str error = client_member(arena, reply.body, STR("error"));
        *message = str_is_absent(error) ? str_format(arena, "the server answered %u", reply.status)
                                        : error;
        return RESULT_ERROR;
    }
    *body = reply.body;
    return RESULT_OK;
}

/* --- reading what the server wrote --- */

/* One past the closing quote of the string that begins at `from`. */
static size_t client_string_end(struct str json, size_t from)
{
    size_t at = from + 1;
    while (at < json.len && json.ptr[at] != '"')
        at += json.ptr[at] == '\\' ? 2 : 1;
    return at + 1;
}

static struct str client_unescape(struct arena *arena, struct str text)
{
    struct buf out;
    buf_init(&out, arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\\' && i + 1 < text.len) {
            c = text.ptr[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        buf_append_char(&out, c);
    }
    return buf_str(&out);
}

struct str client_member(struct arena *arena, struct str json, struct str name)
{
    struct str wanted = str_format(arena, "\"%.*s\": ", PRSTR(name));
    size_t at = str_find(json, wanted);
    if (at == SIZE_MAX)
        return (struct str){0};
    at += wanted.len;
    if (at < json.len && json.ptr[at] == '"') {
        size_t end = client_string_end(json, at);
        return client_unescape(arena, str_slice(json, at + 1, end - 1));
    }
    size_t end = at;
    while (end < json.len && strchr(",}] \n", json.ptr[end]) == NULL)
        end++;
    return str_slice(json, at, end);
}

bool client_next_object(struct str *rest, struct str *object)
{
    size_t start = str_find_char(*rest, '{');
    if (start == SIZE_MAX)
        return false;
    size_t at = start + 1;
    while (at < rest->len && rest->ptr[at] != '}')
        at = rest->ptr[at] == '"' ? client_string_end(*rest, at) : at + 1;
    *object = str_slice(*rest, start, at + 1);
    *rest = str_slice(*rest, at + 1, rest->len);
    return true;
}
