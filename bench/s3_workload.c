/* S3: small objects put, got and listed. The bucket is --queue, an object is --body-bytes; keys are
 * numbers, so that a run knows which there are. */
#include "load.h"

enum { KEY_DIGITS = 10, GET_KEYS = 1000 };

static void append_key(struct bytes *out, uint64_t number)
{
    char digits[KEY_DIGITS];
    for (size_t i = KEY_DIGITS; i-- > 0; number /= 10)
        digits[i] = (char)('0' + number % 10);
    bytes_append(out, STR("k"));
    bytes_append(out, str_make(digits, KEY_DIGITS));
}

/* conn->handle holds the path, or the query. */
static void build_object(struct load *load, struct conn *conn, struct request *request,
                         struct str method, uint64_t number)
{
    conn->handle.len = 0;
    bytes_append(&conn->handle, STR("/"));
    bytes_append(&conn->handle, str_from_c(load->options.queue));
    bytes_append(&conn->handle, STR("/"));
    append_key(&conn->handle, number);
    *request = (struct request){
        .method = method,
        .path = bytes_str(&conn->handle),
        .query = STR(""),
        .content_type = STR(""),
        .target = STR(""),
        .body = STR(""),
    };
}

static void exchange_or_die(struct load *load, const struct request *request, const char *what)
{
    struct conn conn = {0};
    struct reply reply;
    load_exchange(load, &conn, request, &reply);
    if (reply.status != 200) {
        load_show_error(load, what, &reply);
        die("%s failed", what);
    }
    conn_release(&conn);
}

void prepare_bucket(struct load *load)
{
    struct bytes path = {0};
    bytes_append(&path, STR("/"));
    bytes_append(&path, str_from_c(load->options.queue));
    const struct request request = {.method = STR("PUT"),
                                    .path = bytes_str(&path),
                                    .query = STR(""),
                                    .content_type = STR(""),
                                    .target = STR(""),
                                    .body = STR("")};
    exchange_or_die(load, &request, "CreateBucket");
    bytes_release(&path);
    load->left = load->options.messages;
}

void prepare_objects(struct load *load)
{
    struct conn conn = {0};
    struct request request;
    prepare_bucket(load);
    for (uint64_t i = 0; i < GET_KEYS; i++) {
        build_object(load, &conn, &request, STR("PUT"), i);
        request.body = bytes_str(&load->filler);
        exchange_or_die(load, &request, "PutObject");
    }
    conn_release(&conn);
}

bool build_put_object(struct load *load, struct conn *conn, struct request *request)
{
    build_object(load, conn, request, STR("PUT"), load->sequence++);
    request->body = bytes_str(&load->filler);
    return true;
}

bool build_fill_objects(struct load *load, struct conn *conn, struct request *request)
{
    if (load->left == 0)
        return false;
    load->left--;
    build_object(load, conn, request, STR("PUT"), load->left);
    return true;
}

enum outcome check_put_object(struct load *load, struct conn *conn, const struct reply *reply,
                              uint64_t *messages)
{
    (void)load;
    (void)conn;
    ++*messages;
    return reply->status == 200 && bytes_find(reply->head, 0, STR("ETag:")) != SIZE_MAX
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}

static uint64_t next_random(struct load *load)
{
    load->sequence = load->sequence * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return load->sequence >> 33;
}

bool build_get_object(struct load *load, struct conn *conn, struct request *request)
{
    build_object(load, conn, request, STR("GET"), next_random(load) % GET_KEYS);
    return true;
}

enum outcome check_get_object(struct load *load, struct conn *conn, const struct reply *reply,
                              uint64_t *messages)
{
    (void)conn;
    ++*messages;
    return reply->status == 200 && reply->body.len == load->filler.len &&
                   memcmp(reply->body.ptr, load->filler.ptr, load->filler.len) == 0
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}

/* --messages says how many keys there are: a page of a thousand begins at any of them. */
bool build_list(struct load *load, struct conn *conn, struct request *request)
{
    static const uint64_t page = 1000;
    uint64_t keys = load->options.messages;
    build_object(load, conn, request, STR("GET"), 0);
    request->path = str_slice(request->path, 0, request->path.len - KEY_DIGITS - 2);
    conn->body.len = 0;
    bytes_append(&conn->body, STR("list-type=2&max-keys=1000"));
    if (keys > page) {
        bytes_append(&conn->body, STR("&start-after="));
        append_key(&conn->body, next_random(load) % (keys - page));
    }
    request->query = bytes_str(&conn->body);
    return true;
}

enum outcome check_list(struct load *load, struct conn *conn, const struct reply *reply,
                        uint64_t *messages)
{
    (void)load;
    (void)conn;
    ++*messages;
    return reply->status == 200 &&
                   bytes_find(reply->body, 0, STR("<KeyCount>1000</KeyCount>")) != SIZE_MAX
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}
