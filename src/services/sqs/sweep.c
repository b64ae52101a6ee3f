/* What happens to messages without anybody asking: data of queues that were deleted or purged is dropped in portions,
 * messages older than their queue's retention are removed. */
#include "cloud/outbox.h"
#include "services/sqs/sqs_int.h"
#include "store/record.h"

enum { SWEEP_PORTION = 1000 };

/* --- dropping ------------------------------------------------------------------------------------------------------ */

RESULT sweep_drop(struct call *call, int64_t data_id)
{
    struct str id = str_format(call->arena, "%lld", (long long)data_id);
    return outbox_post(call, STR("sqs.drop"), (struct str){0}, id);
}

RESULT sweep_deliver_drop(struct call *call, const struct outbox_item *item)
{
    int64_t data_id;
    size_t deleted;
    if (!str_to_i64(item->payload, &data_id))
        return FAULT("sqs.drop: \"%.*s\" is not an id", PRSTR(item->payload));
    struct key prefix;
    key_init(&prefix, call->arena);
    key_str(&prefix, STR("sqs-data"));
    key_u64(&prefix, (uint64_t)data_id);
    TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), SWEEP_PORTION, &deleted));
    return deleted < SWEEP_PORTION ? RESULT_OK : sweep_drop(call, data_id);
}

/* --- retention ------------------------------------------------------------------------------------------------------- */

/* The job names its queue and the data that it was made for: a purge makes it void. */
static RESULT sweep_schedule(struct box *box, int64_t due_ms)
{
    struct str payload = str_format(box->call->arena, "%lld %.*s", (long long)box->queue->data_id,
                                    PRSTR(queue_arn(box->call->arena, box->queue)));
    box->counts.retention_due_ms = due_ms;
    box->changed = true;
    return job_schedule(box->call, STR("sqs.retention"), due_ms, payload, NULL);
}

RESULT sweep_want_retention(struct box *box)
{
    if (box->counts.retention_due_ms != 0)
        return RESULT_OK;
    return sweep_schedule(box, box->call->now_ms + box->queue->retention_s * 1000);
}

/* Removes up to a portion of what is too old. *next_ms: when the oldest of the rest will be, 0: none is left. */
static RESULT sweep_expired(struct box *box, int64_t *next_ms)
{
    struct call *call = box->call;
    struct key prefix = box_key(box, SQS_KIND_MESSAGE);
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    *next_ms = call->now_ms;
    for (int n = 0; n < SWEEP_PORTION; n++) {
        struct str key, value;
        struct sqs_message message;
        uint64_t sequence;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key)) {
            *next_ms = 0;
            return RESULT_OK;
        }
        TRY(record_decode(call->arena, &sqs_model, SQS_SHAPE_message, value, &message));
        int64_t expires_ms = message.sent_ms + box->queue->retention_s * 1000;
        if (expires_ms > call->now_ms) {
            *next_ms = expires_ms;
            return RESULT_OK;
        }
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_u64(&reader, &sequence))
            return FAULT("a message's key is broken");
        TRY(box_remove(box, sequence));
    }
    return RESULT_OK;
}

RESULT sweep_deliver_retention(struct call *call, const struct outbox_item *item)
{
    struct str id_text, arn;
    struct sqs_queue queue;
    struct box box;
    bool found;
    int64_t data_id, next_ms;
    if (!str_cut(item->payload, ' ', &id_text, &arn) || !str_to_i64(id_text, &data_id))
        return FAULT("sqs.retention: \"%.*s\" is not its payload", PRSTR(item->payload));
    TRY(queue_find_arn(call, arn, &queue, &found));
    if (!found || queue.data_id != data_id)
        return RESULT_OK;
    TRY(box_open(call, &queue, &box));
    TRY(sweep_expired(&box, &next_ms));
    box.counts.retention_due_ms = 0;
    box.changed = true;
    if (next_ms != 0)
        TRY(sweep_schedule(&box, next_ms));
    return box_close(&box);
}
