/* Calls without a client: what goes on by itself, such as a poller of a queue or the run of an
 * event that somebody left. A task is a chain of steps; each runs on one of two threads, in a
 * transaction like a handler's, which begins reading and starts again writing at the first write
 * (RESULT_RESTART). What a step yields:
 *
 *   RESULT_OK     committed. task_next() has said what comes then; without it the task ends.
 *   RESULT_PARK   rolled back; the same step runs again when the topic is signalled or the deadline
 *                 passes (call_park()).
 *   else          rolled back, logged; the same step runs again after 50 ms, doubled up to 60 s.
 *
 * A step may run more than once, so what it does outside of its transaction it notes in the task's
 * state. Names are of the living: two tasks of one name never live at once. Nothing of a task is
 * stored: who needs one after a restart starts it again (service_hooks.start).
 *
 * Without threads (a cloud that was opened and not started: tests) tasks run when tasks_step() is
 * called. */
#ifndef KUMONIWA_CLOUD_TASK_H
#define KUMONIWA_CLOUD_TASK_H

#include "cloud/call.h"

struct task;
struct task_table;

struct task_config {
    struct str name;
    const struct wire_model *model; /* of the service whose task it is */
    /* NULL: the service itself ("lambda.amazonaws.com"). Copied shallowly: what it points to
     * outlives the task. */
    const struct principal *principal;
    struct str account, region;
    RESULT (*step)(struct call *call, void *state); /* the first */
    void (*ended)(
        void *state); /* no step will follow; also at the end of the cloud. NULL: nothing */
    size_t state_size;
};

/* Reserves the name; NULL: it lives already, or too many do, or the cloud is closing. Any thread.
 * Between this and task_start() the state, which is zeroed, may be filled. */
struct task *task_new(struct cloud *cloud, const struct task_config *config);
void *task_state(const struct task *task);
struct arena *task_arena(const struct task *task); /* the task's life long; of its steps alone */
/* The task is its threads' from here on. */
void task_start(struct task *task);
bool task_lives(struct cloud *cloud, struct str name);

/* From within a step: what follows once it is committed; topic absent: at the deadline, which may
 * be in the past. Signals since the step began count. */
void task_next(struct call *call, RESULT (*step)(struct call *call, void *state), struct str topic,
               int64_t deadline_ms);

/* Runs all that can run now, on this thread; *steps counts. */
RESULT tasks_step(struct cloud *cloud, size_t *steps);

struct task_table *task_table_new(struct cloud *cloud);
/* From now on there are threads, as soon as the first task wants them. */
void tasks_run(struct task_table *table);
/* Ends all tasks after the steps at hand. NULL is fine. */
void task_table_free(struct task_table *table);

#endif
