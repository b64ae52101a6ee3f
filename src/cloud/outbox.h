/* Effects that leave a transaction: written in it, delivered after its commit by the dispatcher, at
 * least once, in a transaction that also removes the item: effects inside the store happen exactly
 * once.
 *
 *   ("outbox", "now", lane, sequence)  events, in order within a lane
 *   ("outbox", "due", due_ms, sequence)    jobs, at or after their time
 *
 * A lane is what must stay in order (a FIFO queue's group, a stream's shard, an item's key): while
 * its first item is being retried, later ones of the lane wait; other lanes go on. Retries back off
 * from 50 ms to 60 s by cloud time, forever: a handler that wants to give up returns RESULT_OK. */
#ifndef KUMONIWA_CLOUD_OUTBOX_H
#define KUMONIWA_CLOUD_OUTBOX_H

#include "cloud/call.h"

struct outbox_item {
    struct str topic; /* chooses the handler: struct outbox_handler */
    struct str lane;
    struct str payload; /* the topic's own: a record's bytes, or text */
    struct str account, region;
    int64_t created_ms;
    int64_t due_ms; /* 0: an event */
    uint64_t sequence;
    int64_t attempts;
};

/* An event. lane absent: one lane per topic. */
RESULT outbox_post(struct call *call, struct str topic, struct str lane, struct str payload);
/* A job. *id (may be NULL) cancels it. */
struct job_id {
    int64_t due_ms;
    uint64_t sequence;
};
RESULT job_schedule(struct call *call, struct str topic, int64_t due_ms, struct str payload,
                    struct job_id *id);
RESULT job_cancel(struct call *call, const struct job_id *id, bool *existed);

/* The dispatcher: one thread that delivers. */
RESULT dispatcher_start(struct cloud *cloud, struct dispatcher **out);
void dispatcher_stop(struct dispatcher *dispatcher); /* finishes the delivery at hand */
void dispatcher_wake(struct dispatcher *dispatcher);
/* Tests: delivers everything that is due now, on this thread; *delivered counts. Also used by the
 * thread. */
RESULT dispatcher_step(struct cloud *cloud, size_t *delivered);

#endif
