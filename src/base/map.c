#include "base/map.h"

#include "base/arena.h"
#include "base/result.h"
#include "base/rng.h"

enum {
    /* Up to here a map has no slots: comparing a few lengths costs less than one hash. */
    SCAN_MAX = 8,
    FIRST_SLOTS = 32,
};

/* Room for entries. The slots are never more than half full (removed entries keep theirs). */
static size_t entry_cap(const struct map *map)
{
    if (map->entries == NULL)
        return 0;
    return map->slot_count == 0 ? SCAN_MAX : map->slot_count / 2;
}

void map_init(struct map *map, struct arena *arena)
{
    *map = (struct map){.arena = arena};
}

void map_release(struct map *map)
{
    if (map->arena == NULL) {
        heap_free(map->entries);
        heap_free(map->slots);
    }
    *map = (struct map){.arena = map->arena};
}

static struct map_entry *find_by_scan(const struct map *map, struct str key)
{
    for (size_t i = 0; i < map->len; i++)
        if (map->entries[i].value != NULL && str_eq(map->entries[i].key, key))
            return &map->entries[i];
    return NULL;
}

static struct map_entry *find(const struct map *map, struct str key)
{
    if (map->slot_count == 0)
        return find_by_scan(map, key);
    size_t mask = map->slot_count - 1;
    for (size_t at = (size_t)str_hash(key, map->seed) & mask; map->slots[at] != 0;
         at = (at + 1) & mask) {
        struct map_entry *entry = &map->entries[map->slots[at] - 1];
        if (entry->value != NULL && str_eq(entry->key, key))
            return entry;
    }
    return NULL;
}

static void fill_slot(struct map *map, size_t index)
{
    size_t mask = map->slot_count - 1;
    size_t at = (size_t)str_hash(map->entries[index].key, map->seed) & mask;
    while (map->slots[at] != 0)
        at = (at + 1) & mask;
    map->slots[at] = (uint32_t)(index + 1);
}

static void drop_removed(struct map *map)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->len; i++)
        if (map->entries[i].value != NULL)
            map->entries[kept++] = map->entries[i];
    map->len = kept;
}

static void grow_entries(struct map *map, size_t cap)
{
    size_t size = cap * sizeof(*map->entries);
    if (map->arena == NULL)
        map->entries = heap_grow(map->entries, size);
    else
        map->entries = arena_grow(map->arena, map->entries, map->len * sizeof(*map->entries), size);
}

static void grow(struct map *map)
{
    if (map->entries == NULL) {
        grow_entries(map, SCAN_MAX);
        return;
    }
    size_t slot_count = map->slot_count == 0 ? FIRST_SLOTS : map->slot_count * 2;
    ASSERT(slot_count / 2 < UINT32_MAX);
    if (map->slot_count == 0)
        map->seed = rng_u64(); /* keys come from clients: nobody must know which ones collide */
    grow_entries(map, slot_count / 2);
    if (map->arena == NULL) {
        heap_free(map->slots);
        map->slots = heap_alloc(slot_count * sizeof(*map->slots));
    } else {
        map->slots = ARENA_ARRAY(map->arena, slot_count, uint32_t);
    }
    map->slot_count = slot_count;
}

/* Makes room for one more entry. Where a quarter or more was removed, its room is enough: a map
 * whose keys come and go stays as large as it was. */
static void make_room(struct map *map)
{
    size_t cap = entry_cap(map);
    if (map->len < cap)
        return;
    drop_removed(map);
    if (map->len > cap / 4 * 3 || cap == 0)
        grow(map);
    else if (map->slot_count > 0)
        memset(map->slots, 0, map->slot_count * sizeof(*map->slots));
    if (map->slot_count > 0)
        for (size_t i = 0; i < map->len; i++)
            fill_slot(map, i);
}

void *map_get(const struct map *map, struct str key)
{
    struct map_entry *entry = find(map, key);
    return entry == NULL ? NULL : entry->value;
}

void *map_put(struct map *map, struct str key, void *value)
{
    ASSERT(value != NULL);
    struct map_entry *entry = find(map, key);
    if (entry != NULL) {
        void *before = entry->value;
        entry->value = value;
        return before;
    }
    make_room(map);
    map->entries[map->len] = (struct map_entry){.key = key, .value = value};
    if (map->slot_count > 0)
        fill_slot(map, map->len);
    map->len++;
    map->live++;
    return NULL;
}

void *map_remove(struct map *map, struct str key)
{
    struct map_entry *entry = find(map, key);
    if (entry == NULL)
        return NULL;
    void *value = entry->value;
    /* The key is borrowed and may die after this; the entry keeps its slot, but is never compared.
     */
    *entry = (struct map_entry){0};
    map->live--;
    return value;
}
