/* A process that ends, as if killed, at its Nth write of the store. */
#ifndef KUMONIWA_TEST_SUPPORT_CRASH_H
#define KUMONIWA_TEST_SUPPORT_CRASH_H

#include "support/loopback.h"

/* Closes the cloud, lets a child open it and do the work, until the write after `writes` others
 * ends it, and opens the cloud again. *told (NULL: nobody listens) is what the child wrote to
 * `tell`, in the loopback's arena: 64 KiB at most. True: it came through. */
bool crash_at(struct loopback *loopback, int writes,
              void (*work)(struct loopback *loopback, int tell), struct str *told);

#endif
