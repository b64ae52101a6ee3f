/* The cloud's one clock: the machine's, plus an offset that `kumoniwa clock advance` moves. The
 * offset is kept in the store. It never goes back. */
#ifndef KUMONIWA_CLOUD_CLOCK_H
#define KUMONIWA_CLOUD_CLOCK_H

#include "store/kv.h"

struct clock;

RESULT clock_open(struct arena *arena, struct kv *kv, struct clock **out);
int64_t clock_now(const struct clock *clock); /* milliseconds since 1970 */
int64_t clock_offset_ms(const struct clock *clock);
/* What the offset was when the machine's clock stood there: the moves of the last week are known,
 * and that is how long a signature may be valid. Signers' dates have whole seconds: one of the very
 * second of a move counts as after it, unless clock_note_signed() had seen one of it before. */
int64_t clock_offset_at(struct clock *clock, int64_t machine_ms);
/* Something signed in advance at this second of the machine's clock has come. */
void clock_note_signed(struct clock *clock, int64_t machine_ms);
/* How long the second lasts in which what is signed still counts as before the last move. */
int64_t clock_settles_ms(struct clock *clock);
/* Durable before it returns. The caller wakes parks and the dispatcher (cloud_clock_advance in
 * cloud.c does all). */
RESULT clock_advance(struct clock *clock, int64_t ms);
/* Tests: stands still at this instant (moved by clock_advance only). */
void clock_freeze(struct clock *clock, int64_t at_ms);

#endif
