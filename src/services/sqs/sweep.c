/* What happens to messages without anybody asking: data of queues that were deleted or purged is
 * dropped in portions, messages older than their queue's retention are removed. */
#include "services/sqs/sqs_int.h"
#include "store/record.h"

enum { SWEEP_PORTION = 1000 };

/* --- dropping --------------------------------------------------------------------------------- */

static RESULT sweep_drop(struct call *call, const char *prefix, int64_t id)
{
    return outbox_post(call, STR("sqs.drop"), (struct str){0},
                       str_format(call->arena, "%s %lld", prefix, (long long)id));
}

RESULT sweep_drop_messages(struct call *call, const struct sqs_queue *queue)
{
    return sweep_drop(call, "sqs-data", queue->data_id);
}

RESULT sweep_drop_memory(struct call *call, const struct sqs_queue *queue)
{
    return sweep_drop(call, "sqs-queue", queue->queue_id);
}

RESULT sweep_deliver_drop(struct call *call, const struct outbox_item *item)
{
    struct str name, number;
    uint64_t id;
    size_t deleted;
    if (!str_cut(item->payload, ' ', &name, &number) || !str_to_u64(number, &id))
        return FAULT("sqs.drop: \"%.*s\" is not its payload", PRSTR(item->payload));
    struct key prefix;
    key_init(&prefix, call->arena);
    key_str(&prefix, name);
    key_u64(&prefix, id);
    TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), SWEEP_PORTION, &deleted));
    if (deleted < SWEEP_PORTION)
        return RESULT_OK;
    return outbox_post(call, STR("sqs.drop"), (struct str){0}, item->payload);
}

/* --- retention -------------------------------------------------------------------------------- */

/* The job names its queue, the data that it was made for and its time: one that is not as the
 * counts have it is void. */
static RESULT sweep_schedule(struct box *box, int64_t due_ms)
{
    struct str payload =
        str_format(box->call->arena, "%lld %lld %.*s", (long long)box->queue->data_id,
                   (long long)due_ms, PRSTR(queue_arn(box->call->arena, box->queue)));
    box->counts.retention_due_ms = due_ms;
    box->changed = true;
    return job_schedule(box->call, STR("sqs.retention"), due_ms, payload, NULL);
}

RESULT sweep_want_retention(struct box *box, int64_t sent_ms)
{
    int64_t due_ms = sent_ms + box->queue->retention_s * 1000;
    if (box->counts.retention_due_ms != 0 && box->counts.retention_due_ms <= due_ms)
        return RESULT_OK;
    return sweep_schedule(box, due_ms);
}

RESULT sweep_retention_now(struct box *box)
{
    if (box->counts.retention_due_ms == 0)
        return RESULT_OK;
    return sweep_schedule(box, box->call->now_ms);
}

/* Where a walk of an order of messages by age stands. */
struct sweep_walk {
    struct kv_cursor *cursor;
    size_t prefix_len;
};

static RESULT sweep_walk_open(struct box *box, enum sqs_kind kind, struct sweep_walk *walk)
{
    struct key prefix = box_key(box, kind);
    walk->prefix_len = key_bytes(&prefix).len;
    return kv_cursor_open(box->call->txn, box->call->arena, key_bytes(&prefix), false,
                          &walk->cursor);
}

/* The next message in the order of sending; *sequence 0: none is left. */
static RESULT sweep_next_sent(struct box *box, struct sweep_walk *walk, uint64_t *sequence,
                              int64_t *sent_ms)
{
    struct str key, value;
    struct sqs_message message;
    TRY(kv_next(walk->cursor, &key, &value));
    *sequence = 0;
    if (str_is_absent(key))
        return RESULT_OK;
    struct key_reader reader =
        key_read(box->call->arena, str_slice(key, walk->prefix_len, key.len));
    if (!key_next_u64(&reader, sequence))
        return FAULT("a message's key is broken");
    TRY(record_decode(box->call->arena, &sqs_model, SQS_SHAPE_message, value, &message));
    *sent_ms = message.sent_ms;
    return RESULT_OK;
}

/* The same of those that were moved here, by when they were first sent. */
static RESULT sweep_next_moved(struct box *box, struct sweep_walk *walk, uint64_t *sequence,
                               int64_t *sent_ms)
{
    struct str key, value;
    TRY(kv_next(walk->cursor, &key, &value));
    *sequence = 0;
    if (str_is_absent(key))
        return RESULT_OK;
    struct key_reader reader =
        key_read(box->call->arena, str_slice(key, walk->prefix_len, key.len));
    if (!key_next_i64(&reader, sent_ms) || !key_next_u64(&reader, sequence))
        return FAULT("a moved message's key is broken");
    return RESULT_OK;
}

/* Removes up to a portion of what is too old. *next_ms: when the oldest of the rest will be;
 * INT64_MAX: none is left. */
static RESULT sweep_expired(struct box *box, enum sqs_kind kind, int64_t *next_ms)
{
    struct sweep_walk walk;
    TRY(sweep_walk_open(box, kind, &walk));
    for (int n = 0; n < SWEEP_PORTION; n++) {
        uint64_t sequence;
        int64_t sent_ms;
        TRY(kind == SQS_KIND_SENT ? sweep_next_moved(box, &walk, &sequence, &sent_ms)
                                  : sweep_next_sent(box, &walk, &sequence, &sent_ms));
        *next_ms = INT64_MAX;
        if (sequence == 0)
            return RESULT_OK;
        *next_ms = sent_ms + box->queue->retention_s * 1000;
        if (*next_ms > box->call->now_ms)
            return RESULT_OK;
        TRY(box_remove(box, sequence, NULL));
    }
    *next_ms = box->call->now_ms;
    return RESULT_OK;
}

static bool sweep_read(struct str payload, int64_t *data_id, int64_t *due_ms, struct str *arn)
{
    struct str id_text, due_text, rest;
    return str_cut(payload, ' ', &id_text, &rest) && str_cut(rest, ' ', &due_text, arn) &&
           str_to_i64(id_text, data_id) && str_to_i64(due_text, due_ms);
}

RESULT sweep_deliver_retention(struct call *call, const struct outbox_item *item)
{
    struct str arn;
    struct sqs_queue queue;
    struct box box;
    bool found;
    int64_t data_id, due_ms, next_ms, next_moved_ms;
    if (!sweep_read(item->payload, &data_id, &due_ms, &arn))
        return FAULT("sqs.retention: \"%.*s\" is not its payload", PRSTR(item->payload));
    TRY(queue_find_arn(call, arn, &queue, &found));
    if (!found || queue.data_id != data_id)
        return RESULT_OK;
    TRY(box_open(call, &queue, &box));
    if (box.counts.retention_due_ms != due_ms)
        return RESULT_OK;
    TRY(sweep_expired(&box, SQS_KIND_SENT, &next_moved_ms));
    TRY(sweep_expired(&box, SQS_KIND_MESSAGE, &next_ms));
    if (next_moved_ms < next_ms)
        next_ms = next_moved_ms;
    box.counts.retention_due_ms = 0;
    box.changed = true;
    if (next_ms != INT64_MAX)
        TRY(sweep_schedule(&box, next_ms));
    return box_close(&box);
}
