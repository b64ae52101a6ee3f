/* Bytes worked on beside the thread that brings them. A stream has some lanes, each a function that
 * sees all of its bytes in order; lanes run side by side on threads that all streams share, so that
 * a digest need not wait for the disk. What a stream has in flight is bounded: whoever brings bytes
 * asks for room first. */
#ifndef KUMONIWA_SERVER_LANES_H
#define KUMONIWA_SERVER_LANES_H

#include "base/result.h"
#include "base/str.h"

struct lane_pool;
struct lanes;

enum { LANES_MAX = 3 };

struct lane_step {
    RESULT (*run)(void *context, struct str bytes);
    void *context;
};

/* Its threads begin with the first stream. */
struct lane_pool *lane_pool_new(void);
/* When no stream is left. NULL is fine. */
void lane_pool_free(struct lane_pool *pool);

/* NULL: there are streams enough, or no thread could be made; do the work at hand then. wake: see
 * below; called from another thread, which must not come back to this stream. */
struct lanes *lanes_new(struct lane_pool *pool, const struct lane_step *steps, size_t count,
                        void (*wake)(void *context), void *context);
/* Whether so many bytes can be put now. If not, wake() is called once when they can. Never more
 * than 256 KiB. */
bool lanes_room(struct lanes *lanes, size_t size);
/* What a lane that failed said; RESULT_OK: none did. */
RESULT lanes_result(struct lanes *lanes);
/* Copies. There must be room. */
void lanes_put(struct lanes *lanes, struct str bytes);
/* No more bytes come. True: every lane is through, and *result is RESULT_OK or what the first that
 * failed said; else wake() is called once when it is so. */
bool lanes_end(struct lanes *lanes, enum result *result);
/* Forgets what no lane has begun with, waits for what runs. NULL is fine. */
void lanes_free(struct lanes *lanes);

#endif
