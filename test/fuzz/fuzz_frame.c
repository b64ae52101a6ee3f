/* Event stream frames, one after another. */
#include "fuzz/fuzz.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(0);
    struct str bytes = str_make((const char *)data, size);
    struct wire_frame frame;
    size_t used;

    while (wire_decode_frame(arena, bytes, &frame, &used) == WIRE_FRAME_WHOLE) {
        ASSERT(used > 0 && used <= bytes.len);
        (void)wire_frame_string(&frame, STR(":event-type"));
        bytes = str_slice(bytes, used, bytes.len);
    }
    arena_free(arena);
    return 0;
}
