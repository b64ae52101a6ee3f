/* Growing arrays in an arena, for the {items, len} pairs that the generated shapes use.
 *
 *     size_t cap = 0;
 *     VEC_PUSH(arena, list.items, list.len, cap, item);
 */
#ifndef KUMONIWA_BASE_VEC_H
#define KUMONIWA_BASE_VEC_H

#include "base/arena.h"

/* Room for at least one more item; returns the array, old or moved. */
void *vec_grow(struct arena *arena, void *items, size_t len, size_t *cap, size_t item_size);

#define VEC_PUSH(arena, items, len, cap, item)                                                     \
    do {                                                                                           \
        (items) = vec_grow((arena), (items), (len), &(cap), sizeof(*(items)));                     \
        (items)[(len)++] = (item);                                                                 \
    } while (0)

#endif
