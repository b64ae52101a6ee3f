#include "base/vec.h"

#include <stdint.h>

#include "base/result.h"

void *vec_grow(struct arena *arena, void *items, size_t len, size_t *cap, size_t item_size)
{
    if (len < *cap)
        return items;
    /* A list that was not made here comes with cap 0: it is as large as it is long. */
    size_t new_cap = len < 4 ? 8 : len * 2;
    ASSERT(item_size > 0 && new_cap > len && new_cap <= SIZE_MAX / item_size);
    items = arena_grow(arena, items, len * item_size, new_cap * item_size);
    *cap = new_cap;
    return items;
}
