#include "cloud/audit.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "cloud/ring.h"

/* The file: SLOTS entries of 256 bytes. An entry's number is written last: a torn entry shows an
 * old number or 0. */
enum { AUDIT_SLOTS = 16384, AUDIT_TEXT = 212 };

struct audit_slot {
    _Atomic uint64_t number; /* from 1 */
    int64_t time_ms;
    uint32_t micros;
    uint16_t status;
    uint8_t lengths[8];
    char text[AUDIT_TEXT];
    char unused[14];
};
_Static_assert(sizeof(struct audit_slot) == 256, "the ring file's format");

struct audit {
    struct audit_slot *slots;
    _Atomic uint64_t last;
};

RESULT audit_open(struct arena *arena, struct str path, struct audit **out)
{
    void *map;
    TRY(ring_map(arena, path, AUDIT_SLOTS * sizeof(struct audit_slot), &map));
    struct audit *audit = ARENA_NEW(arena, struct audit);
    audit->slots = map;
    uint64_t last = 0;
    for (size_t i = 0; i < AUDIT_SLOTS; i++) {
        if (audit->slots[i].number == 0)
            break; /* the ring is filled from its start */
        if (audit->slots[i].number > last)
            last = audit->slots[i].number;
    }
    audit->last = last;
    *out = audit;
    return RESULT_OK;
}

void audit_close(struct audit *audit)
{
    munmap(audit->slots, AUDIT_SLOTS * sizeof(struct audit_slot));
}

static void audit_put(struct audit_slot *slot, size_t *at, unsigned index, struct str s,
                      size_t most)
{
    size_t len = s.len < most ? s.len : most;
    if (len > AUDIT_TEXT - *at)
        len = AUDIT_TEXT - *at;
    if (len > UINT8_MAX)
        len = UINT8_MAX;
    if (len > 0)
        memcpy(slot->text + *at, s.ptr, len);
    slot->lengths[index] = (uint8_t)len;
    *at += len;
}

void audit_append(struct audit *audit, const struct audit_entry *entry)
{
    uint64_t number = atomic_fetch_add(&audit->last, 1) + 1;
    struct audit_slot *slot = &audit->slots[(number - 1) % AUDIT_SLOTS];
    atomic_store_explicit(&slot->number, 0, memory_order_release);
    slot->time_ms = entry->time_ms;
    slot->micros = entry->micros;
    slot->status = entry->status;
    size_t at = 0;
    audit_put(slot, &at, 0, entry->request_id, 36);
    audit_put(slot, &at, 1, entry->service, 24);
    audit_put(slot, &at, 2, entry->operation, 40);
    audit_put(slot, &at, 3, entry->region, 16);
    audit_put(slot, &at, 4, entry->source_ip, 40);
    audit_put(slot, &at, 5, entry->error, 64);
    audit_put(slot, &at, 6, entry->principal, 48);
    audit_put(slot, &at, 7, entry->message, AUDIT_TEXT);
    atomic_store_explicit(&slot->number, number, memory_order_release);
}

static void audit_get(struct arena *arena, const struct audit_slot *slot, struct audit_entry *entry)
{
    struct str *fields[8] = {&entry->request_id, &entry->service,   &entry->operation,
                             &entry->region,     &entry->source_ip, &entry->error,
                             &entry->principal,  &entry->message};
    size_t at = 0;
    for (size_t i = 0; i < 8; i++) {
        size_t len = slot->lengths[i];
        if (len > AUDIT_TEXT - at)
            len = AUDIT_TEXT - at;
        *fields[i] = str_copy(arena, str_make(slot->text + at, len));
        at += len;
    }
    entry->time_ms = slot->time_ms;
    entry->micros = slot->micros;
    entry->status = slot->status;
}

RESULT audit_read(struct audit *audit, struct arena *arena, struct str request_id, size_t limit,
                  struct audit_entry **entries, size_t *count)
{
    uint64_t last = audit->last;
    uint64_t held = last < AUDIT_SLOTS ? last : AUDIT_SLOTS;
    struct audit_entry *found =
        ARENA_ARRAY(arena, (limit < held ? limit : held) + 1, struct audit_entry);
    size_t n = 0;
    for (uint64_t back = 0; back < held && n < limit; back++) {
        uint64_t number = last - back;
        struct audit_slot copy;
        struct audit_slot *slot = &audit->slots[(number - 1) % AUDIT_SLOTS];
        memcpy(&copy, slot, sizeof copy);
        if (copy.number != number ||
            atomic_load_explicit(&slot->number, memory_order_acquire) != number)
            continue;
        audit_get(arena, &copy, &found[n]);
        if (str_is_absent(request_id) || str_eq(found[n].request_id, request_id))
            n++;
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct audit_entry swap = found[i];
        found[i] = found[n - 1 - i];
        found[n - 1 - i] = swap;
    }
    *entries = found;
    *count = n;
    return RESULT_OK;
}
