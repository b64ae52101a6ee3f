#include "base/gzip.h"

#include <zlib.h>

#include "base/vec.h"

enum {
    PACKED_ROOM = 16 * 1024,
    WINDOW_SIZE = 32 * 1024,
    POINT_EVERY = 128 * 1024, /* unpacked bytes between two points that are kept */
    TRAILER_SIZE = 8,
    WINDOW_GZIP = 15 + 16, /* zlib's windowBits: a gzip header is read */
    WINDOW_RAW = -15,
};

/* zlib's memory comes from the arena. */
static voidpf gzip_alloc(voidpf opaque, uInt items, uInt size)
{
    return arena_alloc_raw(opaque, (size_t)items * size);
}

static void gzip_free(voidpf opaque, voidpf address)
{
    (void)opaque, (void)address;
}

RESULT gzip_pack(struct str in, struct buf *out)
{
    struct arena *arena = arena_new(0);
    z_stream stream = {.zalloc = gzip_alloc, .zfree = gzip_free, .opaque = arena};
    if (in.len > UINT32_MAX || deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_GZIP,
                                            8, Z_DEFAULT_STRATEGY) != Z_OK) {
        arena_free(arena);
        return FAULT("%zu bytes cannot be packed", in.len);
    }
    unsigned char room[PACKED_ROOM];
    stream.next_in = (unsigned char *)(uintptr_t)in.ptr; /* zlib does not write there */
    stream.avail_in = (uInt)in.len;
    int status;
    do {
        stream.next_out = room;
        stream.avail_out = sizeof room;
        status = deflate(&stream, Z_FINISH);
        buf_append(out, str_make((const char *)room, sizeof room - stream.avail_out));
    } while (status == Z_OK);
    arena_free(arena);
    return status == Z_STREAM_END ? RESULT_OK : FAULT("deflate: %d", status);
}

/* --- unpacking --- */

struct gunzip {
    struct arena *arena;
    struct gunzip_source source;
    z_stream stream;
    bool raw;   /* taken up in the middle: the trailer is ours to skip */
    bool ended; /* between members, or at the end */
    uint64_t in_at, out_at;
    struct gunzip_point *points;
    size_t point_count, point_cap;
    uint64_t pointed_at;
    unsigned char room[PACKED_ROOM];
};

static RESULT gunzip_begin(struct gunzip *gunzip, bool raw)
{
    gunzip->stream.next_in = gunzip->room;
    gunzip->stream.avail_in = 0;
    gunzip->raw = raw;
    gunzip->ended = false;
    int status = inflateInit2(&gunzip->stream, raw ? WINDOW_RAW : WINDOW_GZIP);
    return status == Z_OK ? RESULT_OK : FAULT("inflateInit2: %d", status);
}

RESULT gunzip_open(struct arena *arena, const struct gunzip_source *source,
                   const struct gunzip_point *from, struct gunzip **out)
{
    struct gunzip *gunzip = ARENA_NEW(arena, struct gunzip);
    gunzip->arena = arena;
    gunzip->source = *source;
    gunzip->stream = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free, .opaque = arena};
    gunzip->in_at = from->in_at;
    gunzip->out_at = gunzip->pointed_at = from->out_at;
    *out = gunzip;
    TRY(gunzip_begin(gunzip, from->in_at > 0));
    if (from->bits > 0) {
        char last;
        size_t got;
        TRY(source->read(source->context, from->in_at - 1, &last, 1, &got));
        if (got != 1 || inflatePrime(&gunzip->stream, from->bits,
                                     (unsigned char)last >> (8 - from->bits)) != Z_OK)
            return FAULT("a packed stream is shorter than it was");
    }
    if (from->window.len > 0 &&
        inflateSetDictionary(&gunzip->stream, (const unsigned char *)from->window.ptr,
                             (uInt)from->window.len) != Z_OK)
        return FAULT("a packed stream cannot be taken up again");
    return RESULT_OK;
}

static void gunzip_note_point(struct gunzip *gunzip)
{
    if (gunzip->out_at < gunzip->pointed_at + POINT_EVERY)
        return;
    unsigned char *window = arena_alloc_raw(gunzip->arena, WINDOW_SIZE);
    uInt size = WINDOW_SIZE;
    if (inflateGetDictionary(&gunzip->stream, window, &size) != Z_OK)
        return;
    const struct gunzip_point point = {
        .in_at = gunzip->in_at - gunzip->stream.avail_in,
        .out_at = gunzip->out_at,
        .bits = gunzip->stream.data_type & 7,
        .window = str_make((const char *)window, size),
    };
    VEC_PUSH(gunzip->arena, gunzip->points, gunzip->point_count, gunzip->point_cap, point);
    gunzip->pointed_at = gunzip->out_at;
}

static RESULT gunzip_fill(struct gunzip *gunzip, size_t *got)
{
    TRY(gunzip->source.read(gunzip->source.context, gunzip->in_at, (char *)gunzip->room,
                            sizeof gunzip->room, got));
    gunzip->in_at += *got;
    gunzip->stream.next_in = gunzip->room;
    gunzip->stream.avail_in = (uInt)*got;
    return RESULT_OK;
}

/* One member has ended: another may follow. */
static RESULT gunzip_next_member(struct gunzip *gunzip, bool *more)
{
    size_t got;
    gunzip->in_at -= gunzip->stream.avail_in;
    if (gunzip->raw)
        gunzip->in_at += TRAILER_SIZE;
    TRY(gunzip_begin(gunzip, false));
    TRY(gunzip_fill(gunzip, &got));
    *more = got > 0;
    return RESULT_OK;
}

RESULT gunzip_read(struct gunzip *gunzip, char *room, size_t size, size_t *got)
{
    z_stream *stream = &gunzip->stream;
    *got = 0;
    stream->next_out = (unsigned char *)room;
    stream->avail_out = (uInt)size;
    while (stream->avail_out > 0) {
        if (gunzip->ended) {
            bool more;
            TRY(gunzip_next_member(gunzip, &more));
            gunzip->ended = !more;
            if (!more)
                break;
        }
        size_t filled = stream->avail_in;
        if (filled == 0)
            TRY(gunzip_fill(gunzip, &filled));
        uInt before = stream->avail_out;
        int status = inflate(stream, Z_BLOCK);
        gunzip->out_at += before - stream->avail_out;
        if (status == Z_STREAM_END)
            gunzip->ended = true;
        else if ((status != Z_OK && status != Z_BUF_ERROR) || filled == 0)
            return RESULT_ERROR;
        else if ((stream->data_type & 192) == 128) /* after a block, and not the last one */
            gunzip_note_point(gunzip);
    }
    *got = size - stream->avail_out;
    return RESULT_OK;
}

bool gunzip_point_before(const struct gunzip *gunzip, uint64_t out_at, struct gunzip_point *point)
{
    for (size_t i = gunzip->point_count; i > 0; i--) {
        if (gunzip->points[i - 1].out_at > out_at)
            continue;
        *point = gunzip->points[i - 1];
        return true;
    }
    return false;
}
