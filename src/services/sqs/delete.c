/* DeleteMessage, ChangeMessageVisibility and their batches, Amazon SQS API Reference. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/sqs/sqs_int.h"

/* --- receipt handles -------------------------------------------------------------------------- */

static void receipt_write(char *at, uint64_t n)
{
    for (int i = 0; i < 8; i++)
        at[i] = (char)(n >> (56 - 8 * i));
}

static uint64_t receipt_read(const char *at)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n << 8 | (unsigned char)at[i];
    return n;
}

struct str receipt_make(struct call *call, const struct receipt *receipt)
{
    char payload[24];
    receipt_write(payload, receipt->queue_id);
    receipt_write(payload + 8, receipt->sequence);
    receipt_write(payload + 16, receipt->receives);
    return seal_make(call, STR("sqs/receipt"), str_make(payload, sizeof payload));
}

static bool receipt_open(struct call *call, struct str handle, struct receipt *receipt)
{
    struct str payload;
    if (!seal_open(call, STR("sqs/receipt"), handle, &payload) || payload.len != 24)
        return false;
    receipt->queue_id = receipt_read(payload.ptr);
    receipt->sequence = receipt_read(payload.ptr + 8);
    receipt->receives = receipt_read(payload.ptr + 16);
    return true;
}

/* --- one message ------------------------------------------------------------------------------ */

/* What a handle still says of its message. */
struct held {
    struct receipt receipt;
    struct sqs_state state;
    bool exists;  /* in this queue */
    bool current; /* no later receive has made another handle */
    bool in_flight;
};

static RESULT receipt_find(struct box *box, struct str handle, struct held *held)
{
    struct call *call = box->call;
    *held = (struct held){0};
    if (str_is_empty(handle))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter ReceiptHandle.");
    if (!receipt_open(call, handle, &held->receipt) ||
        held->receipt.queue_id != (uint64_t)box->queue->queue_id)
        return call_fail(call, SQS_RECEIPT_HANDLE_IS_INVALID,
                         "The input receipt handle \"%.*s\" is not a valid receipt handle.",
                         PRSTR(handle));
    TRY(box_state(box, held->receipt.sequence, &held->state, &held->exists));
    held->current = held->exists && held->state.receives == (int64_t)held->receipt.receives;
    held->in_flight =
        held->current && held->state.place == SQS_IN_FLIGHT && held->state.due_ms > call->now_ms;
    return RESULT_OK;
}

static RESULT delete_one(struct box *box, struct str handle)
{
    struct call *call = box->call;
    struct held held;
    TRY(receipt_find(box, handle, &held));
    if (!held.exists)
        return RESULT_OK; /* deleted already: "DeleteMessage", it succeeds again */
    if (box->queue->fifo && !held.in_flight)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter ReceiptHandle is invalid. Reason: The receipt handle has "
            "expired.",
            PRSTR(handle));
    if (!held.current)
        return RESULT_OK; /* "If you don't use the most recent handle the message might not be
                             deleted" */
    return box_remove(box, held.receipt.sequence, &held.state);
}

static RESULT visibility_one(struct box *box, struct str handle, struct opt_int timeout)
{
    struct call *call = box->call;
    struct held held;
    if (!timeout.set)
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter VisibilityTimeout.");
    if (timeout.value < 0 || timeout.value > SQS_VISIBILITY_MAX_S)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %d for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must "
            "be an integer between 0 and 43200",
            timeout.value);
    TRY(receipt_find(box, handle, &held));
    if (!held.exists)
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %.*s for parameter ReceiptHandle is invalid. Reason: Message does not exist "
            "or is not available for visibility timeout change.",
            PRSTR(handle));
    if (!held.in_flight)
        return call_fail(call, SQS_MESSAGE_NOT_INFLIGHT, "The specified message isn't in flight.");
    int64_t due_ms = call->now_ms + (int64_t)timeout.value * 1000;
    /* "Amazon SQS visibility timeout", SQS Developer Guide: twelve hours from when it was received.
     */
    if (due_ms - held.state.received_ms > (int64_t)SQS_VISIBILITY_MAX_S * 1000)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Value %d for parameter VisibilityTimeout is invalid. Reason: Total "
                         "VisibilityTimeout for the message is beyond the limit [43200 seconds]",
                         timeout.value);
    TRY(box_retime(box, held.receipt.sequence, &held.state, due_ms));
    int64_t next_due_ms;
    return due_ms <= call->now_ms ? box_promote(box, SQS_BATCH_ENTRIES_MAX, &next_due_ms)
                                  : RESULT_OK;
}

/* --- the operations --------------------------------------------------------------------------- */

RESULT sqs_DeleteMessage(struct call *call, const struct sqs_DeleteMessageRequest *in,
                         struct sqs_DeleteMessageResult *out)
{
    (void)out;
    struct sqs_queue queue;
    struct box box;
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(box_open(call, &queue, &box));
    TRY(delete_one(&box, in->ReceiptHandle));
    if (queue.fifo)
        call_signal_some(call, queue_topic(call, &queue), 1); /* its group may be free now */
    return box_close(&box);
}

RESULT sqs_ChangeMessageVisibility(struct call *call,
                                   const struct sqs_ChangeMessageVisibilityRequest *in,
                                   struct sqs_ChangeMessageVisibilityResult *out)
{
    (void)out;
    struct sqs_queue queue;
    struct box box;
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(box_open(call, &queue, &box));
    TRY(visibility_one(&box, in->ReceiptHandle, in->VisibilityTimeout));
    call_signal_some(call, queue_topic(call, &queue), 1);
    return box_close(&box);
}

static struct str delete_batch_id(const void *entries, size_t i)
{
    return ((const struct sqs_DeleteMessageBatchRequestEntry *)entries)[i].Id;
}

RESULT sqs_DeleteMessageBatch(struct call *call, const struct sqs_DeleteMessageBatchRequest *in,
                              struct sqs_DeleteMessageBatchResult *out)
{
    struct sqs_queue queue;
    struct box box;
    size_t ok_cap = 0, failed_cap = 0;
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(sqs_check_batch(call, in->Entries.len, delete_batch_id, in->Entries.items,
                        "DeleteMessageBatchRequestEntry"));
    TRY(box_open(call, &queue, &box));
    for (size_t i = 0; i < in->Entries.len; i++) {
        struct str id = in->Entries.items[i].Id;
        enum result result = delete_one(&box, in->Entries.items[i].ReceiptHandle);
        struct sqs_DeleteMessageBatchResultEntry done = {id};
        if (result == RESULT_ERROR)
            VEC_PUSH(call->arena, out->Failed.items, out->Failed.len, failed_cap,
                     sqs_batch_error(call, id));
        else if (result == RESULT_OK)
            VEC_PUSH(call->arena, out->Successful.items, out->Successful.len, ok_cap, done);
        else
            return result;
    }
    if (queue.fifo)
        call_signal_some(call, queue_topic(call, &queue), (unsigned)in->Entries.len);
    return box_close(&box);
}

static struct str visibility_batch_id(const void *entries, size_t i)
{
    return ((const struct sqs_ChangeMessageVisibilityBatchRequestEntry *)entries)[i].Id;
}

RESULT sqs_ChangeMessageVisibilityBatch(struct call *call,
                                        const struct sqs_ChangeMessageVisibilityBatchRequest *in,
                                        struct sqs_ChangeMessageVisibilityBatchResult *out)
{
    struct sqs_queue queue;
    struct box box;
    size_t ok_cap = 0, failed_cap = 0;
    TRY(queue_find(call, in->QueueUrl, &queue));
    TRY(sqs_check_batch(call, in->Entries.len, visibility_batch_id, in->Entries.items,
                        "ChangeMessageVisibilityBatchRequestEntry"));
    TRY(box_open(call, &queue, &box));
    for (size_t i = 0; i < in->Entries.len; i++) {
        const struct sqs_ChangeMessageVisibilityBatchRequestEntry *entry = &in->Entries.items[i];
        enum result result = visibility_one(&box, entry->ReceiptHandle, entry->VisibilityTimeout);
        struct sqs_ChangeMessageVisibilityBatchResultEntry done = {entry->Id};
        if (result == RESULT_ERROR)
            VEC_PUSH(call->arena, out->Failed.items, out->Failed.len, failed_cap,
                     sqs_batch_error(call, entry->Id));
        else if (result == RESULT_OK)
            VEC_PUSH(call->arena, out->Successful.items, out->Successful.len, ok_cap, done);
        else
            return result;
    }
    call_signal_some(call, queue_topic(call, &queue), (unsigned)in->Entries.len);
    return box_close(&box);
}
