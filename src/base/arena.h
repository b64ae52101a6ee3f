/* Memory by lifetime: process, connection, request, scratch. What is allocated from an arena lives
 * until the arena is reset or freed; nothing is freed alone. Arenas form a tree: freeing a parent
 * frees its children. An arena belongs to one thread at a time. malloc() is called in arena.c
 * alone; running out of memory ends the process (the store keeps what was acknowledged). Under
 * AddressSanitizer every allocation stands between red zones and reset memory is poisoned. */
#ifndef KUMONIWA_BASE_ARENA_H
#define KUMONIWA_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* First thing in main(): pieces above 256 KiB go back to the system when they are freed. */
void arena_process_start(void);

/* first_chunk: bytes of the first chunk, taken together with the arena itself (0: a default of 1
 * KiB); later chunks double up to 64 KiB. */
struct arena *arena_new(size_t first_chunk);
/* A child dies with its parent at the latest. */
struct arena *arena_new_child(struct arena *parent);
void arena_free(struct arena *arena);
/* Forgets all allocations and children, runs the reset actions in reverse order, and keeps the
 * first chunk for reuse. */
void arena_reset(struct arena *arena);

/* Zeroed memory, aligned to 16 bytes. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
/* Not zeroed; aligned to 16 bytes. */
void *arena_alloc_raw(struct arena *arena, size_t size) __attribute__((malloc, returns_nonnull));
/* count * size bytes, zeroed; ends the process on overflow. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));
/* Extends the newest allocation in place when it can, copies otherwise. The added part is not
 * zeroed. */
void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size)
    __attribute__((returns_nonnull));

/* Runs action(context) when the arena is reset or freed: closes descriptors, ends transactions. */
void arena_on_reset(struct arena *arena, void (*action)(void *context), void *context);

/* Bytes taken from the system by this arena and its children. */
size_t arena_footprint(const struct arena *arena);

/* Process-lifetime objects that are freed one by one (connections, caches): zeroed, never NULL. */
void *heap_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *heap_grow(void *old, size_t new_size) __attribute__((returns_nonnull));
void heap_free(void *memory);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, count, type) ((type *)arena_alloc_array((arena), (count), sizeof(type)))

#endif
