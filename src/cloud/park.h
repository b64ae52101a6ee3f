/* Who waits for what. A waiter is registered under a topic with a deadline in cloud time and is
 * woken once: its function is called (on the signalling thread or the timer's) and it is forgotten.
 * 10,000 waiters cost little.
 *
 * Registration must not lose a signal sent between the handler's look at the store and the
 * registration: the caller takes park_mark() before the handler's transaction begins and passes it;
 * a signal since then wakes at once. */
#ifndef KUMONIWA_CLOUD_PARK_H
#define KUMONIWA_CLOUD_PARK_H

#include "base/result.h"
#include "base/str.h"

struct arena;
struct clock;
struct park_table;

RESULT park_table_new(struct arena *arena, const struct clock *clock, struct park_table **out);
void park_table_free(struct park_table *table); /* wakes nobody; joins the timer */

uint64_t park_mark(const struct park_table *table);

/* waiter: memory of the caller, stays untouched until woken or cancelled. */
struct park_waiter {
    void (*wake)(struct park_waiter *waiter);
    bool inward; /* the program waits, not a client */
    uint64_t topic_hash;
    int64_t deadline_ms;
    struct park_waiter *next, *previous; /* private */
    size_t heap_index;
    bool waiting;
};
void park_add(struct park_table *table, struct park_waiter *waiter, struct str topic,
              int64_t deadline_ms, uint64_t mark);
/* True: was waiting and will not be woken. False: woken already or being woken (wake has returned
 * when this returns). */
bool park_cancel(struct park_table *table, struct park_waiter *waiter);

/* Wakes the `count` that wait longest on the topic (UINT_MAX: all). Topics are compared by a 64-bit
 * hash: a collision is a needless wake. */
void park_signal(struct park_table *table, struct str topic, unsigned count);
/* The clock was advanced: look at the deadlines again. */
void park_clock_changed(struct park_table *table);
size_t park_count(struct park_table *table); /* clients that wait */

#endif
