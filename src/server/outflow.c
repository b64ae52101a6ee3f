#include "server/outflow.h"

struct outflow {
    struct blob_store *blobs;
    const struct call_piece *pieces;
    size_t count, at;
    uint64_t done;              /* of the piece at hand */
    struct blob_reader *reader; /* its blob; NULL: none is open */
};

static void outflow_close(void *context)
{
    struct outflow *outflow = context;
    blob_reader_close(outflow->reader);
    outflow->reader = NULL;
}

static int64_t outflow_read(struct outflow *outflow, const struct call_piece *piece, char *out,
                            size_t size)
{
    size_t count;
    if (outflow->reader == NULL &&
        blob_reader_open(outflow->blobs, &piece->blob, &piece->key, &outflow->reader) != RESULT_OK)
        return -1;
    if (blob_read(outflow->reader, piece->offset + outflow->done, out, size, &count) != RESULT_OK)
        return -1;
    return (int64_t)count;
}

static int64_t outflow_some(struct outflow *outflow, char *out, size_t size)
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
            count = outflow_read(outflow, piece, out, part);
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
    int64_t filled = outflow_some(outflow, out, size);
    while (filled > 0 && size - (size_t)filled >= BLOB_CHUNK) {
        int64_t more = outflow_some(outflow, out + filled, size - (size_t)filled);
        if (more < 0)
            return -1;
        if (more == 0)
            break;
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
        .blobs = request->call.cloud->blobs,
        .pieces = stream->pieces,
        .count = stream->piece_count,
    };
    arena_on_reset(arena, outflow_close, outflow);
    *body =
        (struct http_body){.pull = outflow_pull, .pull_context = outflow, .length = stream->length};
}
