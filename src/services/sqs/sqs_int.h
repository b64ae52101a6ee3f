/* Between the files of SQS. */
#ifndef KUMONIWA_SERVICES_SQS_SQS_INT_H
#define KUMONIWA_SERVICES_SQS_SQS_INT_H

#include "cloud/call.h"
#include "cloud/outbox.h"
#include "gen/sqs.h"
#include "services/sqs/sqs.h"

/* "Amazon SQS message quotas", "Amazon SQS standard queue quotas", SQS Developer Guide. */
enum {
    SQS_MESSAGE_SIZE_MAX = 1024 * 1024,
    SQS_BATCH_SIZE_MAX = 1024 * 1024,
    SQS_BATCH_ENTRIES_MAX = 10,
    SQS_ATTRIBUTES_MAX = 10,
    SQS_IN_FLIGHT_MAX = 120000,
    SQS_VISIBILITY_MAX_S = 43200,
    SQS_DEDUPLICATION_MS = 5 * 60 * 1000,
    SQS_ATTEMPT_MS = 5 * 60 * 1000,
};

/* --- queue.c ---------------------------------------------------------------------------------- */

/* Finds the queue that an URL names, in any form that clients use; *queue's strings are in the
 * arena. RESULT_ERROR with QueueDoesNotExist, MissingParameter or InvalidAddress. */
RESULT queue_find(struct call *call, struct str url, struct sqs_queue *queue);
/* QueueUrl as given, or the path: the query protocol's oldest clients send to the queue's own and
 * name it nowhere else. */
struct str queue_request_url(struct call *call, struct str url);
/* Without complaint. What it finds serves queue_find() of the same URL in this run, too. */
RESULT queue_look(struct call *call, struct str url, struct sqs_queue *queue, bool *found);
/* By ARN; *found tells. */
RESULT queue_find_arn(struct call *call, struct str arn, struct sqs_queue *queue, bool *found);
RESULT queue_put(struct call *call, const struct sqs_queue *queue);
struct str queue_url(struct call *call, const struct sqs_queue *queue);
struct str queue_arn(struct arena *arena, const struct sqs_queue *queue);
/* What pollers of the queue wait on. */
struct str queue_topic(struct call *call, const struct sqs_queue *queue);
/* Keys of one account's and region's queues, to walk: (..., name). */
struct key queue_prefix(struct call *call, struct str account, struct str region);

/* --- attributes.c --- */

void queue_defaults(struct sqs_queue *queue);
/* Checks and sets attributes as CreateQueue (creating) or SetQueueAttributes give them. */
RESULT queue_set_attributes(struct call *call, struct sqs_queue *queue,
                            const struct str_map *attributes, bool creating);
/* "All", or the name of an attribute. */
bool queue_attribute_is_known(struct str name);
/* The name of the first given attribute whose value differs between the two, or absent. */
struct str queue_difference(struct call *call, const struct sqs_queue *have,
                            const struct sqs_queue *wanted, const struct str_map *given);

/* --- box.c: the messages of one queue --- */

enum sqs_place { SQS_READY = 0, SQS_IN_FLIGHT = 1, SQS_DELAYED = 2 };

/* Second element of the data keys; README.md draws them. */
enum sqs_kind {
    SQS_KIND_COUNTS = 1,
    SQS_KIND_MESSAGE,
    SQS_KIND_READY,
    SQS_KIND_IN_FLIGHT,
    SQS_KIND_DELAYED,
    SQS_KIND_STATE,
    SQS_KIND_GROUP,
    SQS_KIND_GROUP_READY,
    SQS_KIND_AVAILABLE,
    SQS_KIND_ATTEMPT,
    SQS_KIND_ATTEMPT_EXPIRY,
    SQS_KIND_SENT,
};

/* The same of what outlives a purge: ("sqs-queue", queue_id, kind, ...). */
enum sqs_memory { SQS_MEMORY_DEDUPLICATION = 1, SQS_MEMORY_DEDUPLICATION_EXPIRY };

/* A queue's messages within one transaction. */
struct box {
    struct call *call;
    const struct sqs_queue *queue;
    struct sqs_counts counts;
    bool changed;
};

RESULT box_open(struct call *call, const struct sqs_queue *queue, struct box *box);
/* Writes the counts. */
RESULT box_close(struct box *box);
struct key box_key(const struct box *box, enum sqs_kind kind);

/* Adds a message: ready at once, or at due_ms when that is in the future. */
RESULT box_add(struct box *box, uint64_t sequence, const struct sqs_message *message,
               int64_t due_ms);
/* Messages whose time has come become ready, up to `limit` of each kind. *next_due_ms: when the
 * first of the rest will; INT64_MAX: nothing becomes ready by itself. */
RESULT box_promote(struct box *box, size_t limit, int64_t *next_due_ms);
RESULT box_message(struct box *box, uint64_t sequence, struct sqs_message *message, bool *found);
RESULT box_state(struct box *box, uint64_t sequence, struct sqs_state *state, bool *found);
/* A ready message goes in flight until due_ms; *state as it is from now on. */
RESULT box_take(struct box *box, uint64_t sequence, const struct sqs_message *message,
                int64_t due_ms, struct sqs_state *state);
/* A message in flight gets another due time. */
RESULT box_retime(struct box *box, uint64_t sequence, struct sqs_state *state, int64_t due_ms);
/* Removes a message wherever it is. `known`: its state, where the caller has it; else NULL. */
RESULT box_remove(struct box *box, uint64_t sequence, const struct sqs_state *known);
/* The first sequence number under a prefix of ready messages; 0: none. */
RESULT box_first(struct box *box, struct key *prefix, uint64_t *sequence);
/* The oldest ready message that has no group; 0: none. */
RESULT box_first_ready(struct box *box, uint64_t *sequence);
/* Messages in flight or delayed whose time has come but which nobody has promoted yet, at most
 * `limit`. */
RESULT box_overdue(struct box *box, enum sqs_kind kind, int64_t limit, int64_t *count);

/* --- group.c: its message groups, which box.c tells what happens --- */

RESULT group_put_ready(struct box *box, struct str name, uint64_t sequence);
RESULT group_remove_ready(struct box *box, struct str name, uint64_t sequence);
/* A ready message goes in flight; one that was in flight no longer is. */
RESULT group_take(struct box *box, struct str name, uint64_t sequence);
RESULT group_land(struct box *box, struct str name);
/* FIFO: *due_ms of a new message moves behind the group's last delayed one. */
RESULT group_order_due(struct box *box, struct str name, int64_t *due_ms);
/* The group's oldest ready message, available or not; 0: none. */
RESULT group_first(struct box *box, struct str name, uint64_t *sequence);

struct group_choice {
    uint64_t sequence; /* 0: nothing may be received now */
    struct str group;  /* empty: the message has none */
};
/* What is to be received next: the oldest, but for groups that are noisy when `fair`. */
RESULT group_choose(struct box *box, bool fair, struct group_choice *choice);

/* --- send.c ----------------------------------------------------------------------------------- */

/* Group, deduplication and attempt ids: 1-128 alphanumeric characters and punctuation. `name`: the
 * parameter's. */
RESULT sqs_check_id(struct call *call, struct str value, const char *name);
/* MD5 over message attributes ("Amazon SQS message metadata", Calculating the MD5 message digest);
 * absent for none. */
struct str sqs_attributes_md5(struct arena *arena, const struct sqs_list_attribute *attributes);
struct str sqs_hex_md5(struct arena *arena, struct str bytes);
/* Moves a message that has been received too often to the dead-letter queue. */
RESULT sqs_bury(struct box *from, uint64_t sequence, const struct sqs_message *message,
                const struct sqs_state *state, struct box *to);
/* Moves a dead letter to a queue where it is a new message. */
RESULT sqs_revive(struct box *from, uint64_t sequence, const struct sqs_message *message,
                  struct box *to);

/* --- receive.c -------------------------------------------------------------------------------- */

enum { SQS_SYSTEM_ATTRIBUTES = 9 };
/* What MessageSystemAttributeNames may ask for, as far as the message has it; how many. */
size_t sqs_system_attributes(struct call *call, const struct sqs_message *message,
                             const struct sqs_state *state,
                             struct str_map_entry out[SQS_SYSTEM_ATTRIBUTES]);

/* --- delete.c --------------------------------------------------------------------------------- */

/* What a receipt handle names. */
struct receipt {
    uint64_t queue_id, sequence, receives;
};
struct str receipt_make(struct call *call, const struct receipt *receipt);

/* --- redrive.c, sweep.c --- */

RESULT redrive_deliver_move(struct call *call, const struct outbox_item *item);
/* Forgets the tasks of a queue that goes away. */
RESULT redrive_forget(struct call *call, const struct sqs_queue *queue);
/* Schedules the deletion of all that is kept under one of a queue's ids. */
RESULT sweep_drop_messages(struct call *call, const struct sqs_queue *queue);
RESULT sweep_drop_memory(struct call *call, const struct sqs_queue *queue);
RESULT sweep_deliver_drop(struct call *call, const struct outbox_item *item);
/* Makes sure that a retention job will run when a message that was sent then is too old. */
RESULT sweep_want_retention(struct box *box, int64_t sent_ms);
RESULT sweep_deliver_retention(struct call *call, const struct outbox_item *item);
/* Has the retention job run at once: the queue's retention has changed. */
RESULT sweep_retention_now(struct box *box);

/* --- permissions.c, peek.c --- */

RESULT sqs_resource_policy(struct call *call, const void *in, struct str *resource_arn,
                           struct str *owner_account, struct str *policy);
RESULT sqs_condition_key(struct call *call, const void *in, struct str key, struct str *value);
RESULT peek_answer(struct call *call, struct wire_response *response);
/* Forgets that a queue of that name was deleted. */
RESULT queue_deliver_deleted(struct call *call, const struct outbox_item *item);

/* --- batches ---------------------------------------------------------------------------------- */

/* Batch entry ids: 1-80 letters, digits, - and _, distinct. next() yields the i-th id. */
RESULT sqs_check_batch(struct call *call, size_t count,
                       struct str (*id)(const void *entries, size_t i), const void *entries,
                       const char *entry_type);
/* What a failed entry of a batch answers, from what call_fail() recorded. */
struct sqs_BatchResultErrorEntry sqs_batch_error(struct call *call, struct str id);

#endif
