/* Batches and segments: their bytes. */
#include <zlib.h>

#include "services/logs/event.h"

enum { LEVEL = 1 };     /* of compression: what arrives waits for it */
enum { HEAD_MAX = 45 }; /* bytes of a batch's head */

int log_position_cmp(struct log_position a, struct log_position b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.number == b.number ? 0 : a.number < b.number ? -1 : 1;
}

/* --- numbers --- */

static void put_number(struct buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        buf_append_char(out, (char)(unsigned char)(n | 0x80));
    buf_append_char(out, (char)(unsigned char)n);
}

static void put_difference(struct buf *out, uint64_t now, uint64_t before)
{
    uint64_t difference = now - before;
    put_number(out, difference << 1 ^ (0 - (difference >> 63)));
}

static bool take_number(struct str *rest, uint64_t *out)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && rest->len > 0; shift += 7) {
        unsigned char c = (unsigned char)rest->ptr[0];
        *rest = str_slice(*rest, 1, rest->len);
        n |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *out = n;
            return true;
        }
    }
    return false;
}

static bool take_difference(struct str *rest, uint64_t *value)
{
    uint64_t n;
    if (!take_number(rest, &n))
        return false;
    *value += n >> 1 ^ (0 - (n & 1));
    return true;
}

/* --- zlib, its memory from an arena --- */

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    return arena_alloc_raw(opaque, (size_t)items * size);
}

static void zlib_free(voidpf opaque, voidpf address)
{
    (void)opaque, (void)address;
}

/* Absent when it does not get smaller. */
static RESULT pack(struct arena *arena, struct str body, struct str *out)
{
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = arena};
    char *room = arena_alloc_raw(arena, body.len + 1);
    *out = (struct str){0};
    if (body.len >= UINT32_MAX || deflateInit(&stream, LEVEL) != Z_OK)
        return FAULT("%zu bytes of events cannot be packed", body.len);
    stream.next_in = (unsigned char *)(uintptr_t)body.ptr; /* zlib does not write there */
    stream.avail_in = (uInt)body.len;
    stream.next_out = (unsigned char *)room;
    stream.avail_out = (uInt)body.len;
    if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
        *out = str_make(room, stream.total_out);
    deflateEnd(&stream);
    return RESULT_OK;
}

static RESULT unpack(struct arena *arena, const struct log_batch *batch, struct str *out)
{
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = arena};
    if (batch->size >= UINT32_MAX || batch->body.len >= UINT32_MAX || inflateInit(&stream) != Z_OK)
        return FAULT("a segment of %llu bytes", (unsigned long long)batch->size);
    char *room = arena_alloc_raw(arena, batch->size + 1);
    stream.next_in = (unsigned char *)(uintptr_t)batch->body.ptr;
    stream.avail_in = (uInt)batch->body.len;
    stream.next_out = (unsigned char *)room;
    stream.avail_out = (uInt)batch->size;
    int status = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (status != Z_STREAM_END || stream.total_out != batch->size)
        return FAULT("a segment of events is broken: %d", status);
    *out = str_make(room, batch->size);
    return RESULT_OK;
}

/* --- batches --- */

static size_t number_size(uint64_t n)
{
    size_t size = 1;
    for (; n >= 0x80; n >>= 7)
        size++;
    return size;
}

static size_t difference_size(uint64_t now, uint64_t before)
{
    uint64_t difference = now - before;
    return number_size(difference << 1 ^ (0 - (difference >> 63)));
}

static size_t body_size(const struct log_event *events, size_t count)
{
    struct log_event before = {0};
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += difference_size((uint64_t)events[i].at.ms, (uint64_t)before.at.ms) +
                difference_size(events[i].at.number, before.at.number) +
                difference_size((uint64_t)events[i].ingested_ms, (uint64_t)before.ingested_ms) +
                number_size(events[i].message.len) + events[i].message.len;
        before = events[i];
    }
    return size;
}

static void put_body(struct buf *out, const struct log_event *events, size_t count)
{
    struct log_event before = {0};
    for (size_t i = 0; i < count; i++) {
        put_difference(out, (uint64_t)events[i].at.ms, (uint64_t)before.at.ms);
        put_difference(out, events[i].at.number, before.at.number);
        put_difference(out, (uint64_t)events[i].ingested_ms, (uint64_t)before.ingested_ms);
        put_number(out, events[i].message.len);
        buf_append(out, events[i].message);
        before = events[i];
    }
}

static void put_head(struct buf *out, const struct log_event *events, size_t count, bool packed,
                     size_t size)
{
    buf_append_char(out, packed ? 1 : 0);
    put_difference(out, count == 0 ? 0 : (uint64_t)events[0].at.ms, 0);
    put_difference(out, count == 0 ? 0 : (uint64_t)events[count - 1].at.ms, 0);
    put_number(out, count);
    put_number(out, size);
}

/* Buffers get their whole size at once: one that grows leaves its smaller selves behind. */
RESULT log_batch_write(struct buf *out, const struct log_event *events, size_t count, bool packed)
{
    size_t size = body_size(events, count);
    struct str smaller = {0};
    enum result result = RESULT_OK;
    struct arena *arena = NULL;
    if (packed) {
        struct buf body;
        arena = arena_new(0);
        buf_init(&body, arena, SIZE_MAX);
        (void)buf_reserve(&body, size);
        put_body(&body, events, count);
        result = pack(arena, buf_str(&body), &smaller);
    }
    (void)buf_reserve(out, (str_is_absent(smaller) ? size : smaller.len) + HEAD_MAX);
    put_head(out, events, count, !str_is_absent(smaller), size);
    if (str_is_absent(smaller))
        put_body(out, events, count);
    else
        buf_append(out, smaller);
    if (arena != NULL)
        arena_free(arena);
    return result;
}

RESULT log_batch_read(struct str bytes, struct log_batch *batch)
{
    uint64_t first = 0, last = 0;
    struct str rest = str_slice(bytes, 1, bytes.len);
    *batch = (struct log_batch){.packed = bytes.len > 0 && bytes.ptr[0] == 1};
    if (bytes.len == 0 || (unsigned char)bytes.ptr[0] > 1 || !take_difference(&rest, &first) ||
        !take_difference(&rest, &last) || !take_number(&rest, &batch->count) ||
        !take_number(&rest, &batch->size) || batch->count > batch->size ||
        (!batch->packed && batch->size != rest.len))
        return FAULT("a batch of events is broken");
    batch->first_ms = (int64_t)first;
    batch->last_ms = (int64_t)last;
    batch->body = rest;
    return RESULT_OK;
}

RESULT log_batch_events(struct arena *arena, const struct log_batch *batch,
                        struct log_event **events)
{
    struct str rest = batch->body;
    uint64_t ms = 0, number = 0, ingested = 0, length;
    if (batch->packed)
        TRY(unpack(arena, batch, &rest));
    struct log_event *list = ARENA_ARRAY(arena, batch->count, struct log_event);
    for (uint64_t i = 0; i < batch->count; i++) {
        if (!take_difference(&rest, &ms) || !take_difference(&rest, &number) ||
            !take_difference(&rest, &ingested) || !take_number(&rest, &length) || length > rest.len)
            return FAULT("an event is broken");
        list[i] = (struct log_event){
            .at = {(int64_t)ms, number},
            .ingested_ms = (int64_t)ingested,
            .message = str_slice(rest, 0, length),
        };
        rest = str_slice(rest, length, rest.len);
    }
    *events = list;
    return RESULT_OK;
}
