/* Between the files of SQS. */
#ifndef KUMONIWA_SERVICES_SQS_SQS_INT_H
#define KUMONIWA_SERVICES_SQS_SQS_INT_H

#include "cloud/call.h"
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

/* --- queue.c ------------------------------------------------------------------------------------------------ */

/* Finds the queue that an URL names, in any form that clients use; *queue's strings are in the arena. RESULT_ERROR
 * with QueueDoesNotExist, MissingParameter or InvalidAddress. */
RESULT queue_find(struct call *call, struct str url, struct sqs_queue *queue);
RESULT queue_find_url(struct call *call, struct str url, struct sqs_queue *queue, bool *found);
/* By ARN or by name; *found tells. */
RESULT queue_find_arn(struct call *call, struct str arn, struct sqs_queue *queue, bool *found);
RESULT queue_find_name(struct call *call, struct str account, struct str region, struct str name,
                       struct sqs_queue *queue, bool *found);
RESULT queue_put(struct call *call, const struct sqs_queue *queue);
struct str queue_url(struct call *call, const struct sqs_queue *queue);
struct str queue_arn(struct arena *arena, const struct sqs_queue *queue);
/* What pollers of the queue wait on. */
struct str queue_topic(struct call *call, const struct sqs_queue *queue);
/* Keys of one account's and region's queues, to walk: (…, name). */
struct key queue_prefix(struct call *call, struct str account, struct str region);

/* --- attributes.c ------------------------------------------------------------------------------------------- */

void queue_defaults(struct sqs_queue *queue);
/* Checks and sets attributes as CreateQueue (creating) or SetQueueAttributes give them. */
RESULT queue_set_attributes(struct call *call, struct sqs_queue *queue, const struct str_map *attributes,
                            bool creating);
/* The name of the first given attribute whose value differs between the two, or absent. */
struct str queue_difference(struct call *call, const struct sqs_queue *have, const struct sqs_queue *wanted,
                            const struct str_map *given);

/* --- box.c: the messages of one queue ------------------------------------------------------------------------- */

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
    SQS_KIND_DEDUPLICATION,
    SQS_KIND_DEDUPLICATION_EXPIRY,
    SQS_KIND_ATTEMPT,
    SQS_KIND_ATTEMPT_EXPIRY,
    SQS_KIND_RANK,
};

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
RESULT box_add(struct box *box, uint64_t sequence, const struct sqs_message *message, int64_t due_ms);
/* Messages whose time has come become ready, up to `limit` of them. */
RESULT box_promote(struct box *box, size_t limit);
RESULT box_message(struct box *box, uint64_t sequence, struct sqs_message *message, bool *found);
RESULT box_state(struct box *box, uint64_t sequence, struct sqs_state *state, bool *found);
/* A ready message goes in flight until due_ms; *state as it is from now on. The group of a FIFO message is settled by
 * box_settle_group() once all of it that is taken was taken. */
RESULT box_take(struct box *box, uint64_t sequence, const struct sqs_message *message, int64_t due_ms,
                struct sqs_state *state);
/* A message in flight gets another due time. */
RESULT box_retime(struct box *box, uint64_t sequence, struct sqs_state *state, int64_t due_ms);
/* Removes a message wherever it is. */
RESULT box_remove(struct box *box, uint64_t sequence);
/* FIFO: in_flight changes by delta, and the group is available exactly when it has ready messages and none in flight. */
RESULT box_settle_group(struct box *box, struct str group, int64_t delta);

/* The next ready message after `cursor` of a standard queue, in fair order; *sequence 0 at the end. */
RESULT box_ready_cursor(struct box *box, struct kv_cursor **cursor);
RESULT box_next_ready(struct box *box, struct kv_cursor *cursor, uint64_t *sequence);
/* When something becomes ready by itself next: INT64_MAX when nothing will. */
RESULT box_next_due(struct box *box, int64_t *due_ms);
/* Messages in flight or delayed whose time has come but which nobody has promoted yet, at most `limit`. */
RESULT box_overdue(struct box *box, enum sqs_kind kind, int64_t limit, int64_t *count);

/* --- send.c --------------------------------------------------------------------------------------------------- */

/* The number of a FIFO message as clients see it: 20 digits that grow. */
struct str sqs_sequence_number(struct arena *arena, uint64_t sequence);
/* MD5 over message attributes ("Amazon SQS message metadata", Calculating the MD5 message digest); absent for none. */
struct str sqs_attributes_md5(struct arena *arena, const struct sqs_list_attribute *attributes);
struct str sqs_hex_md5(struct arena *arena, struct str bytes);
/* Puts a message that is whole already into another queue: dead letters and their redrive. */
RESULT sqs_transfer(struct box *from, uint64_t sequence, const struct sqs_message *message, struct box *to,
                    struct str dead_letter_source);

/* --- delete.c --------------------------------------------------------------------------------------------------- */

/* What a receipt handle names. */
struct receipt {
    uint64_t data_id, sequence, receives;
};
struct str receipt_make(struct call *call, const struct receipt *receipt);
bool receipt_open(struct call *call, struct str handle, struct receipt *receipt);

/* --- redrive.c, sweep.c ------------------------------------------------------------------------------------------ */

RESULT redrive_deliver_move(struct call *call, const struct outbox_item *item);
/* Schedules the deletion of all data under data_id. */
RESULT sweep_drop(struct call *call, int64_t data_id);
RESULT sweep_deliver_drop(struct call *call, const struct outbox_item *item);
/* Makes sure that a retention job will run for the queue. */
RESULT sweep_want_retention(struct box *box);
RESULT sweep_deliver_retention(struct call *call, const struct outbox_item *item);

/* --- permissions.c, peek.c ---------------------------------------------------------------------------------------- */

RESULT sqs_resource_policy(struct call *call, const void *in, struct str *resource_arn,
                           struct str *owner_account, struct str *policy);
RESULT peek_answer(struct call *call, struct wire_response *response);

/* --- batches ------------------------------------------------------------------------------------------------------ */

/* Batch entry ids: 1-80 letters, digits, - and _, distinct. next() yields the i-th id. */
RESULT sqs_check_batch(struct call *call, size_t count, struct str (*id)(const void *entries, size_t i),
                       const void *entries, const char *entry_type);
/* What a failed entry of a batch answers, from what call_fail() recorded. */
struct sqs_BatchResultErrorEntry sqs_batch_error(struct call *call, struct str id);

#endif
