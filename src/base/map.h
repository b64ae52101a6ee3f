/* A hash map from strings to pointers, in insertion order when walked. Keys are borrowed: they must
 * live as long as the map. In an arena: nothing is freed alone. With arena NULL the map owns heap
 * memory and map_release() frees it. Not thread safe. */
#ifndef KUMONIWA_BASE_MAP_H
#define KUMONIWA_BASE_MAP_H

#include "base/str.h"

struct map_entry {
    struct str key;
    void *value; /* NULL: removed */
};

struct map {
    struct arena *arena;
    struct map_entry *entries; /* in insertion order */
    uint32_t *slots;           /* index + 1 into entries; 0: free */
    size_t len;                /* entries used, removed ones too */
    size_t live;
    size_t slot_count; /* a power of two */
    uint64_t seed;
};

void map_init(struct map *map, struct arena *arena);
void map_release(struct map *map);
void *map_get(const struct map *map, struct str key);
/* Sets key to value (not NULL); returns the value that stood there before, or NULL. */
void *map_put(struct map *map, struct str key, void *value);
/* Returns the removed value, or NULL. */
void *map_remove(struct map *map, struct str key);

#endif
