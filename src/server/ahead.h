/* Opening a sealed blob ahead of the connection that sends it: a thread for long work
 * (cloud/work.h) opens the chunks to come while the connection's own thread writes. The connection
 * never waits for a thread that has not begun: it opens what nobody has begun by itself.
 *
 * One reader of bytes in order; ahead_read() and ahead_free() are its, on one thread at a time. */
#ifndef KUMONIWA_SERVER_AHEAD_H
#define KUMONIWA_SERVER_AHEAD_H

#include <stdatomic.h>

#include "cloud/call.h"

struct ahead;

/* Of the blob's plain bytes [from, end), which begins with a chunk. The reader is taken over: no
 * other may use it. *streams counts those that are open in the process; NULL: there are no threads,
 * or too many streams already, and the reader stays the caller's. wake(context) is called on
 * another thread, never after ahead_free(). */
struct ahead *ahead_new(struct cloud *cloud, _Atomic unsigned *streams, struct blob_reader *reader,
                        uint64_t from, uint64_t end, void (*wake)(void *context), void *context);
void ahead_free(struct ahead *ahead); /* NULL is fine */

/* Bytes at `offset`, where the last ones ended: at most `size`, at least one. RESULT_PARK: they are
 * being opened, and if `wait` wake() follows. `own` is the caller's reader of the same blob. */
RESULT ahead_read(struct ahead *ahead, struct blob_reader *own, uint64_t offset, char *out,
                  size_t size, bool wait, size_t *read);

#endif
