/* Records from a broken disk: any bytes decode or are refused, without a wild read; what decodes
 * encodes, and decodes to the same again. */
#include "fuzz/fuzz.h"

#include <stdlib.h>

#include "base/arena.h"
#include "store/record.h"
#include "support/record_shapes.h"

static struct str encode(struct arena *arena, uint16_t shape, const void *record)
{
    struct buf buf;
    buf_init(&buf, arena, 1 << 28);
    if (record_encode(&buf, &record_model, shape, record) != RESULT_OK)
        abort();
    return buf_str(&buf);
}

static void decode_as(struct arena *arena, uint16_t shape, struct str bytes)
{
    void *record = arena_alloc(arena, record_model.shapes[shape].size);
    if (record_decode(arena, &record_model, shape, bytes, record) != RESULT_OK)
        return;
    struct str once = encode(arena, shape, record);
    if (record_decode_copy(arena, &record_model, shape, once, record) != RESULT_OK)
        abort();
    if (!str_eq(once, encode(arena, shape, record)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    struct arena *arena = arena_new(0);
    struct str bytes = str_make((const char *)data, size);
    decode_as(arena, SHAPE_RICH, bytes);
    decode_as(arena, SHAPE_FIRST, bytes);
    decode_as(arena, SHAPE_SECOND, bytes);
    decode_as(arena, SHAPE_INNER, bytes);
    arena_free(arena);
    return 0;
}
