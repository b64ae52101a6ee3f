/* Work that is too long for a server's thread or the store's writer: bytes read through, digests.
 * It runs on a thread of its own while the call that wants it is parked; the handler runs again
 * when it is done, and finds it.
 *
 *     if ((work = work_find(call, name)) == NULL) {
 *         work = work_new(call, name, sizeof(struct input));    // input in work->arena, all of it
 *         ...
 *         TRY(work_start(call, work, false, run));                     // parks, or is done already
 *     }
 *     TRY(work_await(call, work));                              // parks while it runs
 *     use(work->data);
 *
 * What it found may be old when the handler runs again: it checks. One piece of work a call; a new
 * one takes the place of the old. A call that cannot park (internal, or a test's) does it at once.
 */
#ifndef KUMONIWA_CLOUD_WORK_H
#define KUMONIWA_CLOUD_WORK_H

#include <stdatomic.h>

#include "cloud/call.h"

struct work {
    struct arena *arena; /* its own: of the input, and of what it finds out */
    struct cloud *cloud;
    void *data; /* the caller's struct */
    struct str name;
    /* Runs once, when the work is forgotten; may be NULL. */
    void (*drop)(struct work *work);
    _Atomic bool
        cancelled; /* nobody wants it any more: run() may look, and stop with RESULT_FAULT */
    struct work_state *state; /* private */
};

/* The call's work of that name; NULL: it has none. */
struct work *work_find(struct call *call, struct str name);
struct work *work_new(struct call *call, struct str name, size_t data_size);
/* at_once: it is short, the thread at hand does it. */
RESULT work_start(struct call *call, struct work *work, bool at_once,
                  RESULT (*run)(struct work *work));
/* RESULT_OK when it is done and run() yielded RESULT_OK; else what run() yielded. */
RESULT work_await(struct call *call, struct work *work);
/* The call is over. NULL is fine. */
void work_release(struct work *work);

/* A slice of something that goes on and on, such as a reply that is made while it is sent: runs
 * once, soon, on one of the threads. It takes some milliseconds at most, so that slices of many
 * take turns; what it needs outlives it. False: there are no threads, the caller runs it. */
struct work_slice {
    void (*run)(struct work_slice *slice);
    _Atomic bool *cancelled; /* set when the threads are stopped; may be NULL */
    struct work_slice *next; /* private */
};
bool work_post(struct cloud *cloud, struct work_slice *slice);

RESULT workers_start(struct cloud *cloud, struct workers **out);
void workers_stop(struct workers *workers); /* NULL is fine; cancels what runs, and waits for it */

#endif
