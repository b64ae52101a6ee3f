#include "server/outflow.h"

#include "server/ahead.h"
#include "server/server.h"

/* A shorter piece is sent before another thread has begun. */
enum { AHEAD_LEAST = 1024 * 1024 };

struct outflow {
    struct request *request;
    const struct call_piece *pieces;
    size_t count, at;
    uint64_t done;              /* of the piece at hand */
    struct blob_reader *reader; /* its blob; NULL: none is open */
    struct ahead *ahead;        /* the same, from ahead_from on; NULL: all is the reader's */
    uint64_t ahead_from;
};

static void outflow_close(void *context)
{
    struct outflow *outflow = context;
    ahead_free(outflow->ahead);
    outflow->ahead = NULL;
    blob_reader_close(outflow->reader);
    outflow->reader = NULL;
}

static void outflow_wake(void *exchange)
{
    http_resume(exchange);
}

/* Where it cannot be had, it goes without. */
static void outflow_open_ahead(struct outflow *outflow, const struct call_piece *piece)
{
    struct request *request = outflow->request;
    struct blob_reader *reader;
    uint64_t from = (piece->offset + BLOB_CHUNK - 1) / BLOB_CHUNK * BLOB_CHUNK;
    if (piece->key.layers == 0 || piece->length < AHEAD_LEAST ||
        blob_reader_open(request->call.cloud->blobs, &piece->blob, &piece->key, &reader) !=
            RESULT_OK)
        return;
    outflow->ahead_from = from;
    outflow->ahead = ahead_new(request->call.cloud, &request->server->streams_ahead, reader, from,
                               piece->offset + piece->length, outflow_wake, request->exchange);
    if (outflow->ahead == NULL)
        blob_reader_close(reader);
}

static RESULT outflow_open(struct outflow *outflow, const struct call_piece *piece)
{
    struct blob_store *blobs = outflow->request->call.cloud->blobs;
    if (outflow->reader != NULL)
        return RESULT_OK;
    TRY(blob_reader_open(blobs, &piece->blob, &piece->key, &outflow->reader));
    outflow_open_ahead(outflow, piece);
    return RESULT_OK;
}

static int64_t outflow_read(struct outflow *outflow, const struct call_piece *piece, char *out,
                            size_t size, bool wait)
{
    size_t count;
    uint64_t offset = piece->offset + outflow->done;
    enum result result = outflow_open(outflow, piece);
    if (result == RESULT_OK && outflow->ahead != NULL && offset >= outflow->ahead_from)
        result = ahead_read(outflow->ahead, outflow->reader, offset, out, size, wait, &count);
    else if (result == RESULT_OK)
        result = blob_read(outflow->reader, offset, out, size, &count);
    if (result == RESULT_PARK)
        return HTTP_BODY_WAIT;
    return result == RESULT_OK ? (int64_t)count : -1;
}

static int64_t outflow_some(struct outflow *outflow, char *out, size_t size, bool wait)
{
    while (outflow->at < outflow->count) {
        const struct call_piece *piece = &outflow->pieces[outflow->at];
        uint64_t left = piece->length - outflow->done;
        if (left == 0) {
            outflow_close(outflow);
            outflow->at++;
            outflow->done = 0;
            continue;
        }
        size_t part = left < size ? (size_t)left : size;
        int64_t count = (int64_t)part;
        if (str_is_absent(piece->bytes))
            count = outflow_read(outflow, piece, out, part, wait);
        else
            memcpy(out, piece->bytes.ptr + piece->offset + outflow->done, part);
        if (count > 0)
            outflow->done += (uint64_t)count;
        return count;
    }
    return 0;
}

/* As many whole chunks as there is room for; what fails after some shows in the next pull. */
static int64_t outflow_pull(void *context, struct http_exchange *exchange, char *out, size_t size)
{
    (void)exchange;
    struct outflow *outflow = context;
    int64_t filled = outflow_some(outflow, out, size, true);
    while (filled > 0 && size - (size_t)filled >= BLOB_CHUNK) {
        int64_t more = outflow_some(outflow, out + filled, size - (size_t)filled, false);
        if (more == HTTP_BODY_WAIT || more == 0)
            break;
        if (more < 0)
            return -1;
        filled += more;
    }
    return filled;
}

/* --- a payload that is made while it is sent --- */

_Static_assert(CALL_SOURCE_WAIT == HTTP_BODY_WAIT, "waiting is the same in both");

struct outflow_source {
    struct call_source source;
    struct http_exchange *exchange;
};

static void source_wake(void *waker)
{
    struct outflow_source *outflow = waker;
    http_resume(outflow->exchange);
}

static int64_t source_pull(void *context, struct http_exchange *exchange, char *out, size_t size)
{
    (void)exchange;
    struct outflow_source *outflow = context;
    return outflow->source.pull(outflow->source.self, out, size, source_wake, outflow);
}

static void source_close(void *context)
{
    struct outflow_source *outflow = context;
    outflow->source.close(outflow->source.self);
}

static void outflow_begin_source(struct request *request, struct http_body *body)
{
    struct arena *arena = request->exchange->arena;
    struct outflow_source *outflow = ARENA_NEW(arena, struct outflow_source);
    *outflow = (struct outflow_source){request->call.stream.source, request->exchange};
    arena_on_reset(arena, source_close, outflow);
    *body = (struct http_body){.pull = source_pull, .pull_context = outflow, .length = UINT64_MAX};
}

void outflow_begin(struct request *request, struct http_body *body)
{
    const struct call_stream *stream = &request->call.stream;
    struct arena *arena = request->exchange->arena;
    if (stream->source.pull != NULL) {
        outflow_begin_source(request, body);
        return;
    }
    struct outflow *outflow = ARENA_NEW(arena, struct outflow);
    *outflow = (struct outflow){
        .request = request,
        .pieces = stream->pieces,
        .count = stream->piece_count,
    };
    arena_on_reset(arena, outflow_close, outflow);
    *body =
        (struct http_body){.pull = outflow_pull, .pull_context = outflow, .length = stream->length};
}
