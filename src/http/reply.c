/* Replies: http_respond() builds the library's response object at once; exchange.c hands it over
 * when the library takes one. */
#include "http/http_int.h"

#include "base/log.h"

#include <unistd.h>

/* Of a large body as much as two chunks of a sealed blob have, which are opened into their place.
 */
enum { PULL_BLOCK = 16 * 1024, PULL_BLOCK_LARGE = 128 * 1024 };

/* The library asks for more; MHD_suspend_connection() and then 0 is its way of waiting. */
static ssize_t on_pull(void *context, uint64_t position, char *out, size_t size)
{
    struct http_connection *connection = context;
    if (!http_wait_end(connection))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    for (;;) {
        int64_t count =
            connection->pull(connection->pull_context, &connection->exchange, out, size);
        if (count > 0) {
            ASSERT((size_t)count <= size);
            return (ssize_t)count;
        }
        if (count == 0 &&
            (connection->pull_length == UINT64_MAX || position == connection->pull_length))
            return MHD_CONTENT_READER_END_OF_STREAM;
        /* An end before the declared length must not look like a whole body. */
        if (count != HTTP_BODY_WAIT)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (http_wait_begin(connection) == HTTP_WAITS)
            return 0;
    }
}

static struct MHD_Response *make_response(struct http_connection *connection,
                                          const struct http_body *body)
{
    if (body->pull != NULL) {
        connection->pull = body->pull;
        connection->pull_context = body->pull_context;
        connection->pull_length = body->length;
        uint64_t size = body->length == UINT64_MAX ? MHD_SIZE_UNKNOWN : body->length;
        size_t block = body->length > PULL_BLOCK ? PULL_BLOCK_LARGE : PULL_BLOCK;
        return MHD_create_response_from_callback(size, block, on_pull, connection, NULL);
    }
    if (body->is_file && body->length > 0)
        return MHD_create_response_from_fd_at_offset64(body->length, body->fd, body->offset);
    if (body->is_file)
        (void)close(body->fd);
    /* The library's type lacks a const; it only reads persistent buffers. */
    union {
        const char *in;
        void *out;
    } bytes = {.in = body->bytes.ptr};
    size_t size = body->is_file ? 0 : body->bytes.len;
    return MHD_create_response_from_buffer(size, size == 0 ? NULL : bytes.out,
                                           MHD_RESPMEM_PERSISTENT);
}

static bool is_servers_own(struct str name)
{
    switch (name.len) {
    case 4:
        return str_eq_nocase(name, STR("date"));
    case 14:
        return str_eq_nocase(name, STR("content-length"));
    case 17:
        return str_eq_nocase(name, STR("transfer-encoding"));
    default:
        return false;
    }
}

/* The library wants C strings, and no empty values: a blank stands for one (RFC 9110, 5.5: blanks
 * around a value are not part of it). */
static bool add_field(struct MHD_Response *response, struct arena *arena, struct http_field field)
{
    if (field.name.len == 0 || !http_is_field_value(field.name) ||
        !http_is_field_value(field.value))
        return false;
    enum { ROOM = 512 };
    char room[ROOM];
    char *text = room;
    if (field.name.len + field.value.len + 3 > ROOM)
        text = arena_alloc_raw(arena, field.name.len + field.value.len + 3);
    memcpy(text, field.name.ptr, field.name.len);
    text[field.name.len] = '\0';
    char *value = text + field.name.len + 1;
    if (field.value.len > 0)
        memcpy(value, field.value.ptr, field.value.len);
    else
        value[0] = ' ';
    value[field.value.len > 0 ? field.value.len : 1] = '\0';
    return MHD_add_response_header(response, text, value) == MHD_YES;
}

void http_respond(struct http_exchange *exchange, unsigned status, const struct http_field *fields,
                  size_t field_count, const struct http_body *body)
{
    static const struct http_body nothing = {.bytes = STR_INIT("")};
    struct http_connection *connection = exchange->connection;
    ASSERT(connection->reply == NULL && status >= 200 && status <= 599);
    struct MHD_Response *response = make_response(connection, body == NULL ? &nothing : body);
    bool good = response != NULL;
    for (size_t i = 0; good && i < field_count; i++) {
        if (!is_servers_own(fields[i].name))
            good = add_field(response, exchange->arena, fields[i]);
    }
    if (!good) {
        log_line(LOG_ERROR,
                 "http: a reply of status %u cannot be sent: a header field with control"
                 " characters, or no body",
                 status);
        if (response != NULL)
            MHD_destroy_response(response);
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        ASSERT(response != NULL);
        status = 500;
    }
    if (atomic_load_explicit(&connection->server->stopping, memory_order_relaxed))
        (void)MHD_add_response_header(response, "Connection", "close");
    connection->reply = response;
    connection->status = status;
}

void http_reply_refusal(struct http_connection *connection, struct http_refusal refusal)
{
    struct str text =
        str_format(connection->exchange.arena, "%u %s\n", refusal.status, refusal.reason);
    struct http_field fields[] = {{.name = STR("Content-Type"), .value = STR("text/plain")},
                                  {.name = STR("Connection"), .value = STR("close")}};
    http_respond(&connection->exchange, refusal.status, fields, 2,
                 &(struct http_body){.bytes = text});
}
