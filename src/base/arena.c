#include "base/arena.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 32 };
#else
enum { RED_ZONE = 0 };
#endif

enum {
    ALIGNMENT = 16,
    FIRST_CHUNK_DEFAULT = 1024,
    CHUNK_MIN = 2048,
    CHUNK_MAX = 65536,
    /* A request above this gets a chunk of its own: what it leaves unused of the current chunk
     * would be a large part of that chunk, and the current chunk stays open for small ones. */
    OWN_CHUNK_ABOVE = CHUNK_MAX / 4,
    LARGE_PIECE = 256 * 1024,
};

struct chunk {
    struct chunk *next;
    size_t size; /* with this header */
};

struct action {
    struct action *next;
    void (*run)(void *context);
    void *context;
};

/* The first chunk follows the struct in the same piece of memory. */
struct arena {
    char *position; /* where the next allocation begins, aligned */
    char *end;      /* of the current chunk */
    char *newest;   /* the newest allocation of the current chunk, or NULL */
    struct chunk *chunks;
    struct action *actions; /* the newest first */
    size_t first_size;
    size_t next_size; /* of the next chunk */
    size_t taken;
    struct arena *parent;
    struct arena *children;
    struct arena *next_sibling;
    struct arena *previous_sibling;
};

_Static_assert(sizeof(struct arena) % ALIGNMENT == 0, "the first chunk begins aligned");
_Static_assert(sizeof(struct chunk) % ALIGNMENT == 0, "a chunk's memory begins aligned");

#ifdef ARENA_ASAN
/* Not inlined: the compiler would take poisoning fresh memory for reading it. */
__attribute__((noinline)) static void poison(char *memory, size_t size)
{
    __asan_poison_memory_region(memory, size);
}

static void unpoison(char *memory, size_t size)
{
    __asan_unpoison_memory_region(memory, size);
}
#else
static void poison(char *memory, size_t size)
{
    (void)memory;
    (void)size;
}

static void unpoison(char *memory, size_t size)
{
    (void)memory;
    (void)size;
}
#endif

__attribute__((noreturn, cold)) static void out_of_memory(void)
{
    /* The log formats into memory of the stack, but its sinks may be what fails: straight to
     * stderr. */
    static const char message[] = "kumoniwa: out of memory\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)written;
    abort();
}

void arena_process_start(void)
{
    /* Left alone, glibc learns from the first large piece that is freed to keep such pieces. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
}

static void *take(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL)
        out_of_memory();
    return memory;
}

/* What an allocation takes of its chunk. Never 0, so that no two allocations share an address. */
static size_t footprint(size_t size)
{
    if (size == 0)
        size = 1;
    return ((size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1)) + RED_ZONE;
}

static void open_first_chunk(struct arena *arena)
{
    char *memory = (char *)(arena + 1);
    poison(memory, arena->first_size);
    arena->position = memory + RED_ZONE;
    arena->end = memory + arena->first_size;
    arena->newest = NULL;
    arena->chunks = NULL;
    size_t next = arena->first_size * 2;
    arena->next_size = next < CHUNK_MIN ? CHUNK_MIN : next > CHUNK_MAX ? CHUNK_MAX : next;
    arena->taken = sizeof(*arena) + arena->first_size;
}

struct arena *arena_new(size_t first_chunk)
{
    if (first_chunk == 0)
        first_chunk = FIRST_CHUNK_DEFAULT;
    if (first_chunk > SIZE_MAX / 4)
        out_of_memory();
    size_t first_size = ((first_chunk + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1)) + RED_ZONE;
    struct arena *arena = take(sizeof(*arena) + first_size);
    memset(arena, 0, sizeof(*arena));
    arena->first_size = first_size;
    open_first_chunk(arena);
    return arena;
}

struct arena *arena_new_child(struct arena *parent)
{
    struct arena *child = arena_new(0);
    child->parent = parent;
    child->next_sibling = parent->children;
    if (parent->children != NULL)
        parent->children->previous_sibling = child;
    parent->children = child;
    return child;
}

/* Leaves the arena without children, actions and chunks but the first. Children go first: they were
 * made later than what they stand on. An action may still allocate and add actions. */
static void forget(struct arena *arena)
{
    while (arena->children != NULL)
        arena_free(arena->children);
    while (arena->actions != NULL) {
        struct action *action = arena->actions;
        arena->actions = action->next;
        action->run(action->context);
    }
    while (arena->chunks != NULL) {
        struct chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    forget(arena);
    if (arena->next_sibling != NULL)
        arena->next_sibling->previous_sibling = arena->previous_sibling;
    if (arena->previous_sibling != NULL)
        arena->previous_sibling->next_sibling = arena->next_sibling;
    else if (arena->parent != NULL)
        arena->parent->children = arena->next_sibling;
    free(arena);
}

void arena_reset(struct arena *arena)
{
    forget(arena);
    open_first_chunk(arena);
}

static char *add_chunk(struct arena *arena, size_t size)
{
    struct chunk *chunk = take(size);
    *chunk = (struct chunk){.next = arena->chunks, .size = size};
    arena->chunks = chunk;
    arena->taken += size;
    char *memory = (char *)(chunk + 1);
    poison(memory, size - sizeof(*chunk));
    return memory + RED_ZONE;
}

__attribute__((noinline)) static void *alloc_in_new_chunk(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 4)
        out_of_memory();
    size_t needed = sizeof(struct chunk) + RED_ZONE + footprint(size);
    if (needed > OWN_CHUNK_ABOVE) {
        char *memory = add_chunk(arena, needed);
        unpoison(memory, size);
        return memory;
    }
    while (arena->next_size < needed)
        arena->next_size *= 2;
    size_t chunk_size = arena->next_size;
    char *memory = add_chunk(arena, chunk_size);
    arena->end = memory - RED_ZONE - sizeof(struct chunk) + chunk_size;
    arena->position = memory + footprint(size);
    arena->newest = memory;
    if (arena->next_size < CHUNK_MAX)
        arena->next_size *= 2;
    unpoison(memory, size);
    return memory;
}

void *arena_alloc_raw(struct arena *arena, size_t size)
{
    size_t left = (size_t)(arena->end - arena->position);
    /* The first comparison keeps footprint() from wrapping round. */
    if (size > left || footprint(size) > left)
        return alloc_in_new_chunk(arena, size);
    char *memory = arena->position;
    arena->position += footprint(size);
    arena->newest = memory;
    unpoison(memory, size);
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc_raw(arena, size), 0, size);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory();
    return arena_alloc(arena, total);
}

void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size)
{
    if (old == NULL)
        return arena_alloc_raw(arena, new_size);
    if (new_size <= old_size)
        return old;
    if (old == arena->newest) {
        size_t room = (size_t)(arena->end - arena->newest);
        if (new_size <= room && footprint(new_size) <= room) {
            arena->position = arena->newest + footprint(new_size);
            unpoison(arena->newest, new_size);
            return old;
        }
    }
    /* The old copy stays readable: a view of it lives as long as the arena, as any other. */
    void *memory = arena_alloc_raw(arena, new_size);
    if (old_size > 0)
        memcpy(memory, old, old_size);
    return memory;
}

void arena_on_reset(struct arena *arena, void (*run)(void *context), void *context)
{
    struct action *action = arena_alloc_raw(arena, sizeof(*action));
    *action = (struct action){.next = arena->actions, .run = run, .context = context};
    arena->actions = action;
}

size_t arena_footprint(const struct arena *arena)
{
    size_t sum = arena->taken;
    for (const struct arena *child = arena->children; child != NULL; child = child->next_sibling)
        sum += arena_footprint(child);
    return sum;
}

void *heap_alloc(size_t size)
{
    void *memory = calloc(1, size == 0 ? 1 : size);
    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *heap_grow(void *old, size_t new_size)
{
    void *memory = realloc(old, new_size == 0 ? 1 : new_size);
    if (memory == NULL)
        out_of_memory();
    return memory;
}

void heap_free(void *memory)
{
    free(memory);
}
