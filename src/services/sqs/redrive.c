/* Moving dead letters back: StartMessageMoveTask, CancelMessageMoveTask, ListMessageMoveTasks,
 * Amazon SQS API Reference. A task is a record and a job that moves a portion and schedules itself
 * again. */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/sqs/sqs_int.h"
#include "store/record.h"

/* "Configuring a dead-letter queue redrive", SQS Developer Guide: at most 100 active tasks per
 * account, each for at most 36 hours. */
enum {
    MOVE_PORTION = 100,
    MOVE_RATE_MAX = 500,
    MOVE_TASKS_KEPT = 10,
    MOVE_ACTIVE_MAX = 100,
    MOVE_HOURS_MAX = 36,
    MOVE_COUNT_MAX = 10000,
};

/* Tasks of a source, the newest first: (..., source ARN, -sequence). */
static struct key move_prefix(struct call *call, struct str source_arn)
{
    struct key key = call_key(call, STR("move"));
    key_str(&key, source_arn);
    return key;
}

static struct key move_key(struct call *call, struct str source_arn, uint64_t sequence)
{
    struct key key = move_prefix(call, source_arn);
    key_i64(&key, -(int64_t)sequence);
    return key;
}

/* What the handle and the job's payload hold: the sequence and the source. */
static bool move_read(struct str text, uint64_t *sequence, struct str *source_arn)
{
    struct str number;
    return str_cut(text, ' ', &number, source_arn) && str_to_u64(number, sequence);
}

static struct str move_payload(struct call *call, uint64_t sequence, struct str source_arn)
{
    return str_format(call->arena, "%llu %.*s", (unsigned long long)sequence, PRSTR(source_arn));
}

static RESULT move_find_queue(struct call *call, struct str arn, struct sqs_queue *queue,
                              const char *what)
{
    struct arn parts;
    bool found;
    if (!arn_parse(arn, &parts) || !str_eq(parts.service, STR("sqs")))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "You must use this format to specify the %s: arn:<partition>:<service>:<region>:"
            "<account-id>:<resource-id>",
            what);
    TRY(queue_find_arn(call, arn, queue, &found));
    /* Each account and region has its own: a task moves nothing across. */
    if (!found || !str_eq(queue->account, call->account) || !str_eq(queue->region, call->region))
        return call_fail(call, SQS_RESOURCE_NOT_FOUND,
                         "The resource that you specified for the %s parameter doesn't exist.",
                         what);
    return RESULT_OK;
}

/* Only a dead-letter queue can be a source: one that some queue's RedrivePolicy names. */
static RESULT move_is_dead_letter(struct call *call, const struct sqs_queue *queue, bool *is)
{
    struct key prefix = queue_prefix(call, queue->account, queue->region);
    struct str arn = queue_arn(call->arena, queue);
    struct kv_cursor *cursor;
    *is = false;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (!*is) {
        struct str key, value;
        struct sqs_queue other;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &sqs_model, SQS_SHAPE_queue, value, &other));
        *is = str_eq(other.dead_letter_arn, arn);
    }
    return RESULT_OK;
}

/* The newest task of the source, if any. */
static RESULT move_newest(struct call *call, struct str source_arn, struct sqs_move_task *task,
                          bool *found)
{
    struct key prefix = move_prefix(call, source_arn);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    *found = !str_is_absent(key);
    if (!*found)
        return RESULT_OK;
    return record_decode_copy(call->arena, &sqs_model, SQS_SHAPE_move_task, value, task);
}

static bool move_is_active(const struct sqs_move_task *task)
{
    return str_eq(task->status, STR("RUNNING")) || str_eq(task->status, STR("CANCELLING"));
}

/* Tasks of the account and region that are active. */
static RESULT move_count_active(struct call *call, size_t *count)
{
    struct key prefix = call_key(call, STR("move"));
    struct kv_cursor *cursor;
    *count = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct str key, value;
        struct sqs_move_task task;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &sqs_model, SQS_SHAPE_move_task, value, &task));
        *count += move_is_active(&task);
    }
}

/* Forgets tasks of a source but the newest `keep`. */
static RESULT move_trim(struct call *call, struct str source_arn, size_t keep)
{
    struct key prefix = move_prefix(call, source_arn);
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (size_t n = 0;; n++) {
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        if (n >= keep)
            TRY(kv_delete(call->txn, str_copy(call->arena, key), NULL));
    }
}

RESULT redrive_forget(struct call *call, const struct sqs_queue *queue)
{
    return move_trim(call, queue_arn(call->arena, queue), 0);
}

static RESULT move_check_destination(struct call *call,
                                     const struct sqs_StartMessageMoveTaskRequest *in,
                                     const struct sqs_queue *source)
{
    struct sqs_queue destination;
    if (str_is_empty(in->DestinationArn))
        return RESULT_OK;
    TRY(move_find_queue(call, in->DestinationArn, &destination, "DestinationArn"));
    if (str_eq(in->DestinationArn, in->SourceArn))
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Source queue arn and destination queue arn cannot be the same.");
    if (destination.fifo != source->fifo)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Source and destination queue must be of the same type.");
    return RESULT_OK;
}

static RESULT move_check(struct call *call, const struct sqs_StartMessageMoveTaskRequest *in,
                         struct sqs_queue *source)
{
    struct sqs_move_task task;
    bool is_dead_letter, found;
    size_t active;
    if (str_is_empty(in->SourceArn))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter SourceArn.");
    if (in->MaxNumberOfMessagesPerSecond.set &&
        (in->MaxNumberOfMessagesPerSecond.value < 1 ||
         in->MaxNumberOfMessagesPerSecond.value > MOVE_RATE_MAX))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %d for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be "
            "between 1 and 500.",
            in->MaxNumberOfMessagesPerSecond.value);
    TRY(move_find_queue(call, in->SourceArn, source, "SourceArn"));
    TRY(move_check_destination(call, in, source));
    TRY(move_is_dead_letter(call, source, &is_dead_letter));
    if (!is_dead_letter)
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Source queue must be configured as a Dead Letter Queue.");
    TRY(move_newest(call, in->SourceArn, &task, &found));
    if (found && move_is_active(&task))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "There is already a task running. Only one active task is allowed for a source "
            "queue arn at a given time.");
    TRY(move_count_active(call, &active));
    if (active >= MOVE_ACTIVE_MAX)
        return call_fail(call, SQS_OVER_LIMIT,
                         "The maximum number of active message move tasks is reached: %d.",
                         MOVE_ACTIVE_MAX);
    return RESULT_OK;
}

RESULT sqs_StartMessageMoveTask(struct call *call, const struct sqs_StartMessageMoveTaskRequest *in,
                                struct sqs_StartMessageMoveTaskResult *out)
{
    struct sqs_queue source;
    struct box box;
    uint64_t sequence;
    int64_t returned, arrived;
    TRY(move_check(call, in, &source));
    TRY(move_trim(call, in->SourceArn, MOVE_TASKS_KEPT - 1));
    TRY(box_open(call, &source, &box));
    TRY(box_overdue(&box, SQS_KIND_IN_FLIGHT, MOVE_COUNT_MAX, &returned));
    TRY(box_overdue(&box, SQS_KIND_DELAYED, MOVE_COUNT_MAX, &arrived));
    TRY(call_sequence(call, &sequence));
    struct str payload = move_payload(call, sequence, in->SourceArn);
    struct sqs_move_task task = {
        .handle = seal_make(call, STR("sqs/move"), payload),
        .status = STR("RUNNING"),
        .source_arn = in->SourceArn,
        .destination_arn = str_is_empty(in->DestinationArn) ? (struct str){0} : in->DestinationArn,
        .rate = in->MaxNumberOfMessagesPerSecond.value,
        .to_move = box.counts.ready + returned + arrived,
        .started_ms = call->now_ms,
    };
    struct key key = move_key(call, in->SourceArn, sequence);
    TRY(call_put_record(call, &key, &sqs_model, SQS_SHAPE_move_task, &task));
    TRY(job_schedule(call, STR("sqs.move"), call->now_ms, payload, NULL));
    out->TaskHandle = task.handle;
    return RESULT_OK;
}

RESULT sqs_CancelMessageMoveTask(struct call *call,
                                 const struct sqs_CancelMessageMoveTaskRequest *in,
                                 struct sqs_CancelMessageMoveTaskResult *out)
{
    struct str payload, source_arn;
    struct sqs_move_task task;
    uint64_t sequence;
    bool found;
    if (str_is_empty(in->TaskHandle))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter TaskHandle.");
    if (!seal_open(call, STR("sqs/move"), in->TaskHandle, &payload) ||
        !move_read(payload, &sequence, &source_arn))
        return call_fail(call, SQS_INVALID_PARAMETER_VALUE,
                         "Value for parameter TaskHandle is invalid.");
    struct key key = move_key(call, source_arn, sequence);
    TRY(call_get_record_copy(call, &key, &sqs_model, SQS_SHAPE_move_task, &task, &found));
    if (!found)
        return call_fail(call, SQS_RESOURCE_NOT_FOUND, "Task does not exist.");
    if (!str_eq(task.status, STR("RUNNING")))
        return call_fail(call, SQS_UNSUPPORTED_OPERATION, "Only active tasks can be cancelled.");
    task.status = STR("CANCELLING");
    out->ApproximateNumberOfMessagesMoved = opt_long(task.moved);
    return call_put_record(call, &key, &sqs_model, SQS_SHAPE_move_task, &task);
}

RESULT sqs_ListMessageMoveTasks(struct call *call, const struct sqs_ListMessageMoveTasksRequest *in,
                                struct sqs_ListMessageMoveTasksResult *out)
{
    struct sqs_queue source;
    struct kv_cursor *cursor;
    size_t cap = 0;
    if (str_is_empty(in->SourceArn))
        return call_fail(call, SQS_MISSING_PARAMETER,
                         "The request must contain the parameter SourceArn.");
    if (in->MaxResults.set && (in->MaxResults.value < 1 || in->MaxResults.value > MOVE_TASKS_KEPT))
        return call_fail(
            call, SQS_INVALID_PARAMETER_VALUE,
            "Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and 10.",
            in->MaxResults.value);
    TRY(move_find_queue(call, in->SourceArn, &source, "SourceArn"));
    size_t limit = in->MaxResults.set ? (size_t)in->MaxResults.value : 1;
    struct key prefix = move_prefix(call, in->SourceArn);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (out->Results.len < limit) {
        struct str key, value;
        struct sqs_move_task task;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &sqs_model, SQS_SHAPE_move_task, value, &task));
        struct sqs_ListMessageMoveTasksResultEntry entry = {
            .Status = task.status,
            .SourceArn = task.source_arn,
            .DestinationArn = task.destination_arn,
            .ApproximateNumberOfMessagesMoved = opt_long(task.moved),
            .ApproximateNumberOfMessagesToMove = opt_long(task.to_move),
            .FailureReason = task.failure,
            .StartedTimestamp = opt_long(task.started_ms),
        };
        if (str_eq(task.status, STR("RUNNING")))
            entry.TaskHandle = task.handle; /* shown for running tasks alone */
        if (task.rate != 0)
            entry.MaxNumberOfMessagesPerSecond = opt_int((int32_t)task.rate);
        VEC_PUSH(call->arena, out->Results.items, out->Results.len, cap, entry);
    }
    return RESULT_OK;
}

/* --- the job ---------------------------------------------------------------------------------- */

/* One message to the task's destination, or to the queue that it came from. *gone: nobody takes it.
 */
static RESULT move_one(struct box *from, const struct sqs_move_task *task, uint64_t sequence,
                       bool *gone)
{
    struct call *call = from->call;
    struct sqs_message message;
    struct sqs_queue target;
    struct box to;
    bool found;
    *gone = false;
    TRY(box_message(from, sequence, &message, &found));
    struct str arn =
        str_is_empty(task->destination_arn) ? message.dead_letter_source : task->destination_arn;
    TRY(queue_find_arn(call, arn, &target, &found));
    *gone = !found;
    if (!found)
        return RESULT_OK;
    TRY(box_open(call, &target, &to));
    TRY(sqs_revive(from, sequence, &message, &to));
    return box_close(&to);
}

static void move_fail(struct sqs_move_task *task, const char *reason)
{
    task->status = STR("FAILED");
    task->failure = str_from_c(reason);
}

/* A portion; *more: there is something left to move. */
static RESULT move_portion(struct call *call, struct sqs_move_task *task,
                           const struct sqs_queue *source, bool *more)
{
    struct box box;
    int64_t next_due_ms, portion = task->rate == 0 ? MOVE_PORTION : task->rate;
    TRY(box_open(call, source, &box));
    TRY(box_promote(&box, (size_t)portion, &next_due_ms));
    *more = true;
    for (int64_t n = 0; n < portion && *more; n++) {
        struct group_choice next;
        bool gone;
        TRY(group_choose(&box, false, &next));
        *more = next.sequence != 0 && task->moved < task->to_move;
        if (!*more)
            break;
        TRY(move_one(&box, task, next.sequence, &gone));
        if (gone) {
            move_fail(task, str_is_absent(task->destination_arn)
                                ? "CouldNotDetermineMessageSource"
                                : "AWS.SimpleQueueService.NonExistentQueue");
            *more = false;
            break;
        }
        task->moved++;
    }
    return box_close(&box);
}

RESULT redrive_deliver_move(struct call *call, const struct outbox_item *item)
{
    struct str source_arn;
    struct sqs_move_task task;
    struct sqs_queue source;
    uint64_t sequence;
    bool found, exists, more = false;
    if (!move_read(item->payload, &sequence, &source_arn))
        return FAULT("sqs.move: \"%.*s\" is not its payload", PRSTR(item->payload));
    struct key key = move_key(call, source_arn, sequence);
    TRY(call_get_record_copy(call, &key, &sqs_model, SQS_SHAPE_move_task, &task, &found));
    TRY(queue_find_arn(call, source_arn, &source, &exists));
    if (!found || !exists)
        return RESULT_OK;
    if (str_eq(task.status, STR("CANCELLING")))
        task.status = STR("CANCELLED");
    else if (task.started_ms + (int64_t)MOVE_HOURS_MAX * 3600 * 1000 <= call->now_ms)
        move_fail(&task, "The task ran for more than 36 hours.");
    else if (str_eq(task.status, STR("RUNNING")))
        TRY(move_portion(call, &task, &source, &more));
    if (more)
        TRY(job_schedule(call, STR("sqs.move"), call->now_ms + (task.rate == 0 ? 0 : 1000),
                         item->payload, NULL));
    else if (str_eq(task.status, STR("RUNNING")))
        task.status = STR("COMPLETED");
    return call_put_record(call, &key, &sqs_model, SQS_SHAPE_move_task, &task);
}
