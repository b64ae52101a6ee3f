/* The cloud's one clock: the machine's, plus an offset that `kumoniwa clock advance` moves. The
 * offset is kept in the store. It never goes back. */
#ifndef KUMONIWA_CLOUD_CLOCK_H
#define KUMONIWA_CLOUD_CLOCK_H

#include "store/kv.h"

struct clock;

RESULT clock_open(struct arena *arena, struct kv *kv, struct clock **out);
int64_t clock_now(const struct clock *clock); /* milliseconds since 1970 */
int64_t clock_offset_ms(const struct clock *clock);
/* Durable before it returns. The caller wakes parks and the dispatcher (cloud_clock_advance in
 * cloud.c does all). */
RESULT clock_advance(struct clock *clock, int64_t ms);
/* Tests: stands still at this instant (moved by clock_advance only). */
void clock_freeze(struct clock *clock, int64_t at_ms);

#endif
