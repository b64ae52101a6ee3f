/* Packed streams: reading ends; and what is taken up at a point goes on as it did. */
#include "fuzz/fuzz.h"

#include "base/gzip.h"

enum { ROOM = 4096, MOST = 4 * 1024 * 1024 };

static RESULT read_input(void *context, uint64_t offset, char *room, size_t size, size_t *got)
{
    const struct str *input = context;
    struct str piece = str_slice(*input, (size_t)offset, (size_t)offset + size);
    *got = offset < input->len ? piece.len : 0;
    if (*got > 0)
        memcpy(room, piece.ptr, *got);
    return RESULT_OK;
}

static struct str unpack(struct arena *arena, struct str input, const struct gunzip_point *from,
                         struct gunzip_point *point)
{
    const struct gunzip_source source = {read_input, &input};
    struct gunzip *gunzip;
    struct buf out;
    char room[ROOM];
    size_t got = 0;
    buf_init(&out, arena, MOST);
    if (gunzip_open(arena, &source, from, &gunzip) != RESULT_OK)
        return STR("");
    while (!buf_is_full(&out) && gunzip_read(gunzip, room, sizeof room, &got) == RESULT_OK &&
           got > 0)
        buf_append(&out, str_make(room, got));
    if (point != NULL && !gunzip_point_before(gunzip, out.len, point))
        *point = (struct gunzip_point){0};
    return buf_str(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct str input = str_make((const char *)data, size);
    struct gunzip_point start = {0}, point;
    struct str whole = unpack(arena, input, &start, &point);
    if (point.in_at > 0 && whole.len < MOST - ROOM) {
        struct str rest = unpack(arena, input, &point, NULL);
        ASSERT(str_eq(rest, str_slice(whole, (size_t)point.out_at, whole.len)));
    }
    /* And there and back. */
    struct buf packed;
    buf_init(&packed, arena, 2 * size + 1024);
    ASSERT(gzip_pack(input, &packed) == RESULT_OK);
    ASSERT(str_eq(unpack(arena, buf_str(&packed), &start, NULL), input) || size >= MOST);
    arena_free(arena);
    return 0;
}
