/* The head of a request and the framing of its body: bytes go to a server over a pair of sockets,
 * and what reaches the handler must be well formed. */
#include "base/arena.h"
#include "base/result.h"
#include "fuzz/fuzz.h"
#include "http/http_int.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct fuzz {
    struct http_server *server;
    _Atomic unsigned heads, closes;
};

static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static void on_head(void *context, struct http_exchange *exchange)
{
    struct fuzz *fuzz = context;
    atomic_fetch_add(&fuzz->heads, 1);
    ASSERT(exchange->method.len > 0 && is_clean(exchange->method));
    ASSERT(exchange->path.len > 0 &&
           (exchange->path.ptr[0] == '/' || exchange->path.ptr[0] == '*'));
    ASSERT(is_clean(exchange->path) && is_clean(exchange->query));
    unsigned lengths = 0, hosts = 0, encodings = 0;
    for (size_t i = 0; i < exchange->field_count; i++) {
        const struct http_field *field = &exchange->fields[i];
        ASSERT(field->name.len > 0 && is_clean(field->name) && is_clean(field->value));
        ASSERT(str_find_char(field->name, ' ') == SIZE_MAX);
        ASSERT(str_find_char(field->name, ':') == SIZE_MAX);
        lengths += str_eq_nocase(field->name, STR("content-length"));
        hosts += str_eq_nocase(field->name, STR("host"));
        encodings += str_eq_nocase(field->name, STR("transfer-encoding"));
    }
    ASSERT(lengths + encodings <= 1 && hosts <= 1);
    ASSERT(exchange->has_length == (lengths == 1));
    exchange->body_limit = 4096;
}

static void on_complete(void *context, struct http_exchange *exchange)
{
    (void)context;
    ASSERT(exchange->body.len <= 4096);
    ASSERT(exchange->sink_result != RESULT_OK || !exchange->has_length ||
           exchange->body.len == exchange->content_length);
    http_respond(exchange, 200, NULL, 0, &(struct http_body){.bytes = exchange->body});
}

static void on_close(void *context, struct http_exchange *exchange)
{
    struct fuzz *fuzz = context;
    (void)exchange;
    atomic_fetch_add(&fuzz->closes, 1);
}

static void serve(struct fuzz *fuzz, const uint8_t *data, size_t size)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        abort();
    ASSERT(http_server_adopt(fuzz->server, pair[1], 0) == RESULT_OK);
    while (size > 0) {
        ssize_t count = send(pair[0], data, size, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        data += count;
        size -= (size_t)count;
    }
    /* Until the server has read it all, or has closed its end, or has answered and reads no more.
     */
    enum { PATIENCE = 2000 };
    int unread = 1;
    for (int i = 0; i < PATIENCE && unread > 0; i++) {
        if (ioctl(pair[1], FIONREAD, &unread) != 0)
            break;
        (void)sched_yield();
    }
    char reply[4096];
    while (recv(pair[0], reply, sizeof(reply), MSG_DONTWAIT) > 0)
        continue;
    (void)close(pair[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The threads of a server that outlived main() would look like a leak of theirs. */
    enum { INPUT_MAX = 64 * 1024 };
    if (size > INPUT_MAX)
        return 0;
    struct fuzz fuzz = {0};
    struct arena *arena = arena_new(0);
    struct http_config config = {
        .address = STR("127.0.0.1"),
        .threads = 1,
        .handler = {.context = &fuzz, .head = on_head, .complete = on_complete, .close = on_close}};
    struct str message;
    ASSERT(http_server_start(&config, &fuzz.server, &message, arena) == RESULT_OK);
    serve(&fuzz, data, size);
    http_server_stop(fuzz.server, 0);
    ASSERT(atomic_load(&fuzz.heads) == atomic_load(&fuzz.closes));
    arena_free(arena);
    return 0;
}
