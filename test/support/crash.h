/* A process that ends, as if killed, at its Nth write of the store. */
#ifndef KUMONIWA_TEST_SUPPORT_CRASH_H
#define KUMONIWA_TEST_SUPPORT_CRASH_H

#include "support/loopback.h"

/* Closes the cloud, lets a child open it and do the work, until the write after `writes` others
 * ends it, and opens the cloud again. *told (NULL: nobody listens) is what the child wrote to
 * `tell`, in the loopback's arena: 64 KiB at most. True: it came through. */
bool crash_at(struct loopback *loopback, int writes,
              void (*work)(struct loopback *loopback, int tell), struct str *told);

/* What the child tells of a step, at once; ends the child when nobody listens. */
void crash_tell(int tell, const void *report, size_t size);

/* The work in one cloud after another, each ended at one write more, until it comes through. After
 * each verify() has what was told. At least `least` writes. prepare: NULL, or what is there before.
 */
void crash_at_every_write(int least, void (*prepare)(struct loopback *loopback),
                          void (*work)(struct loopback *loopback, int tell),
                          void (*verify)(struct loopback *loopback, struct str told, bool lived));

#endif
