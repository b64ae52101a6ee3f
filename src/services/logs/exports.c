/* CreateExportTask, DescribeExportTasks, CancelExportTask: "Exporting log data to Amazon S3", User
 * Guide. A task goes stream by stream, some MiB of events a run of its job: each becomes one file,
 *
 *   PREFIX/TASK-ID/STREAM/000000.gz     "2026-11-21T00:00:00.000Z MESSAGE" by lines
 */
#include "services/logs/exports.h"
#include "base/gzip.h"
#include "base/rng.h"
#include "base/time.h"
#include "base/vec.h"
#include "cloud/object_io.h"
#include "cloud/paging.h"
#include "gen/s3.h"
#include "services/logs/filters.h"
#include "store/record.h"

enum { FILE_BYTES = 4 << 20, TASKS_PAGE = 50 };

/* --- records --- */

static struct key export_key(struct call *call, struct str id)
{
    struct key key = call_key(call, STR("export"));
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

static struct key active_key(struct call *call)
{
    return call_key(call, STR("export-active"));
}

static RESULT export_put(struct call *call, const struct logs_export *task)
{
    struct key key = export_key(call, task->id);
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_export, task);
}

static RESULT export_end(struct call *call, struct logs_export *task, struct str status,
                         struct str message)
{
    struct key active = active_key(call);
    task->status = status;
    task->message = message;
    task->completed_ms = call->now_ms;
    TRY(kv_delete(call->txn, key_bytes(&active), NULL));
    return export_put(call, task);
}

/* --- the bucket --- */

static struct object_io_caller export_caller(struct call *call, const struct logs_export *task)
{
    return (struct object_io_caller){
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = call->account,
                      .name =
                          str_format(call->arena, "logs.%.*s.amazonaws.com", PRSTR(call->region))},
        .source_arn = filters_source_arn(call, task->group),
        .source_account = call->account,
    };
}

/* The bucket's policy must allow both ("Step 3: Set permissions on an S3 bucket"). */
static RESULT ask_acl(struct call *call, const struct logs_export *task)
{
    const struct object_io_caller caller = export_caller(call, task);
    const struct s3_GetBucketAclRequest acl = {.Bucket = task->bucket};
    const struct call_invocation ask = {
        .model = &s3_model,
        .operation = S3_OP_GetBucketAcl,
        .in = &acl,
        .principal = caller.principal,
        .account = call->account,
        .region = call->region,
        .source_arn = caller.source_arn,
        .source_account = caller.source_account,
    };
    struct str message;
    const void *reply;
    uint32_t error;
    enum result result = call_invoke(call, &ask, &reply, &error, &message);
    if (result != RESULT_ERROR)
        return result;
    if (str_eq(wire_string(&s3_model, s3_model.errors[error].code), STR("NoSuchBucket")))
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND, "The given bucket does not exist: %.*s",
                         PRSTR(task->bucket));
    return call_fail(call, LOGS_INVALID_PARAMETER,
                     "GetBucketAcl call on the given bucket failed. Please check if CloudWatch "
                     "Logs has been granted permission to perform this operation.");
}

static RESULT put_test_object(struct call *call, const struct logs_export *task)
{
    const struct object_io_caller caller = export_caller(call, task);
    const struct object_io_put put = {
        .bucket = task->bucket,
        .key = str_concat(call->arena, task->prefix, STR("/aws-logs-write-test")),
        .acl = STR("bucket-owner-full-control"),
    };
    struct object_io_stored stored;
    struct object_io_problem problem = {0};
    enum result result = object_io_put_bytes(call, &caller, &put,
                                             STR("Permission Check Successful"), &stored, &problem);
    if (result != RESULT_ERROR)
        return result;
    return call_fail(call, LOGS_INVALID_PARAMETER,
                     "PutObject call on the given bucket failed. Please check if CloudWatch Logs "
                     "has been granted permission to perform this operation.");
}

/* --- CreateExportTask --- */

RESULT logs_CreateExportTask(struct call *call, const struct logs_CreateExportTaskRequest *in,
                             struct logs_CreateExportTaskResponse *out)
{
    struct logs_group group;
    struct key active = active_key(call);
    struct str running;
    char *id = arena_alloc(call->arena, 36);
    TRY(group_find(call, in->logGroupName, &group));
    if (in->from.value < 0 || in->to.value <= in->from.value)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "The start time must be earlier than the end time.");
    TRY(kv_get(call->txn, key_bytes(&active), &running));
    if (!str_is_absent(running))
        return call_fail(call, LOGS_LIMIT_EXCEEDED, "Resource limit exceeded.");
    rng_uuid(id);
    const struct logs_export task = {
        .id = str_make(id, 36),
        .name = in->taskName,
        .group = group.name,
        .group_id = group.id,
        .stream_prefix = in->logStreamNamePrefix,
        .from_ms = in->from.value,
        .to_ms = in->to.value,
        .bucket = in->destination,
        .prefix =
            str_is_absent(in->destinationPrefix) ? STR("exportedlogs") : in->destinationPrefix,
        .status = LOGS_EXPORT_TASK_STATUS_CODE_PENDING,
        .created_ms = call->now_ms,
    };
    TRY(ask_acl(call, &task));
    TRY(put_test_object(call, &task));
    TRY(kv_put(call->txn, key_bytes(&active), task.id));
    TRY(export_put(call, &task));
    out->taskId = task.id;
    return outbox_post(call, STR("logs.export"), task.id, task.id);
}

/* --- its job --- */

/* The stream at hand, or the next one that has events in the time; absent name: none. */
static RESULT stream_next(struct call *call, const struct logs_group *group,
                          const struct logs_export *task, struct logs_stream *stream)
{
    struct key all = stream_key(call, group, (struct str){0});
    struct kv_cursor *cursor;
    struct str from = str_is_absent(task->stream) ? task->stream_prefix : task->stream;
    stream->name = (struct str){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    if (!str_is_absent(from)) {
        struct key first = stream_key(call, group, from);
        TRY(kv_cursor_seek(cursor, str_slice(key_bytes(&first), 0, key_bytes(&first).len - 1)));
    }
    for (;;) {
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_stream, value, stream));
        bool later = str_is_absent(task->stream) || str_cmp(stream->name, task->stream) > 0;
        bool at_hand = task->after_number > 0 && str_eq(stream->name, task->stream);
        if (!str_is_absent(task->stream_prefix) &&
            !str_starts_with(stream->name, task->stream_prefix)) {
            if (str_cmp(stream->name, task->stream_prefix) > 0)
                break;
            continue;
        }
        if (at_hand || (later && stream->number > 0 && stream->last_ms >= task->from_ms &&
                        stream->first_ms < task->to_ms)) {
            kv_cursor_close(cursor);
            return RESULT_OK;
        }
    }
    stream->name = (struct str){0};
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* Some MiB of its events from where the task stands; *more: there are others. */
static RESULT file_fill(struct call *call, const struct logs_group *group,
                        const struct logs_stream *stream, struct logs_export *task,
                        struct buf *text, bool *more)
{
    int64_t oldest = group_oldest_ms(group, call->now_ms);
    int64_t from = task->from_ms > oldest ? task->from_ms : oldest;
    const struct log_masks *masks;
    TRY(protection_masks(call, group, false, &masks));
    const struct log_stream_id id = {(uint64_t)group->id, (uint64_t)stream->id, stream->span_ms,
                                     masks};
    struct log_range range = {{from, 0}, {task->to_ms - 1, UINT64_MAX}, false};
    const struct log_event *event;
    struct log_reader *reader;
    if (task->after_number > 0)
        range.from = (struct log_position){task->after_ms, (uint64_t)task->after_number + 1};
    TRY(log_reader_open(call->arena, call->txn, &id, &range, &reader));
    for (*more = false;;) {
        TRY(log_reader_next(reader, &event));
        if (event == NULL)
            break;
        *more = text->len >= FILE_BYTES;
        if (*more)
            break;
        struct civil_time at = time_to_civil(event->at.ms);
        buf_append_format(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ", at.year, at.month, at.day,
                          at.hour, at.minute, at.second, at.millisecond);
        buf_append(text, event->message);
        if (!str_ends_with(event->message, STR("\n")))
            buf_append_char(text, '\n');
        task->after_ms = event->at.ms;
        task->after_number = (int64_t)event->at.number;
    }
    log_reader_close(reader);
    return RESULT_OK;
}

static RESULT file_put(struct call *call, const struct logs_export *task, struct str text,
                       struct object_io_problem *problem)
{
    const struct object_io_caller caller = export_caller(call, task);
    struct str stream = str_copy(call->arena, task->stream);
    struct object_io_stored stored;
    struct buf packed, name;
    buf_init(&packed, call->arena, SIZE_MAX);
    TRY(gzip_pack(text, &packed));
    buf_init(&name, call->arena, SIZE_MAX);
    for (size_t i = 0; i < stream.len; i++)
        buf_append_char(&name, stream.ptr[i] == '/' ? '-' : stream.ptr[i]);
    const struct object_io_put put = {
        .bucket = task->bucket,
        .key = str_format(call->arena, "%.*s/%.*s/%.*s/%06lld.gz", PRSTR(task->prefix),
                          PRSTR(task->id), PRSTR(buf_str(&name)), (long long)task->file),
        .content_type = STR("application/x-gzip"),
        .acl = STR("bucket-owner-full-control"),
    };
    return object_io_put_bytes(call, &caller, &put, buf_str(&packed), &stored, problem);
}

static RESULT export_step(struct call *call, const struct logs_group *group,
                          struct logs_export *task)
{
    struct object_io_problem problem = {0};
    struct logs_stream stream;
    struct buf text;
    bool more;
    TRY(stream_next(call, group, task, &stream));
    if (str_is_absent(stream.name))
        return export_end(call, task, LOGS_EXPORT_TASK_STATUS_CODE_COMPLETED,
                          STR("Completed successfully"));
    if (!str_eq(stream.name, task->stream)) {
        task->stream = stream.name;
        task->file = 0;
        task->after_number = 0;
    }
    buf_init(&text, call->arena, SIZE_MAX);
    TRY(file_fill(call, group, &stream, task, &text, &more));
    if (text.len > 0) {
        enum result result = file_put(call, task, buf_str(&text), &problem);
        if (result == RESULT_ERROR)
            return export_end(
                call, task, LOGS_EXPORT_TASK_STATUS_CODE_FAILED,
                str_format(call->arena, "%.*s: %.*s", PRSTR(problem.code), PRSTR(problem.message)));
        TRY(result);
        task->file++;
    }
    if (!more)
        task->after_number = 0; /* the next stream's turn */
    TRY(export_put(call, task));
    return outbox_post(call, STR("logs.export"), task->id, task->id);
}

RESULT logs_deliver_export(struct call *call, const struct outbox_item *item)
{
    struct key key = export_key(call, item->payload);
    struct logs_export task;
    struct logs_group group;
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_export, &task, &found));
    if (!found)
        return RESULT_OK;
    if (str_eq(task.status, LOGS_EXPORT_TASK_STATUS_CODE_PENDING_CANCEL))
        return export_end(call, &task, LOGS_EXPORT_TASK_STATUS_CODE_CANCELLED,
                          STR("The task was cancelled"));
    if (!str_eq(task.status, LOGS_EXPORT_TASK_STATUS_CODE_PENDING) &&
        !str_eq(task.status, LOGS_EXPORT_TASK_STATUS_CODE_RUNNING))
        return RESULT_OK;
    task.status = LOGS_EXPORT_TASK_STATUS_CODE_RUNNING;
    struct key group_at = call_key(call, STR("group"));
    key_str(&group_at, task.group);
    TRY(call_get_record_copy(call, &group_at, &logs_model, LOGS_SHAPE_group, &group, &found));
    if (!found || group.id != task.group_id)
        return export_end(call, &task, LOGS_EXPORT_TASK_STATUS_CODE_FAILED,
                          STR("The log group does not exist any more"));
    return export_step(call, &group, &task);
}

/* --- CancelExportTask, DescribeExportTasks --- */

RESULT logs_CancelExportTask(struct call *call, const struct logs_CancelExportTaskRequest *in,
                             struct logs_CancelExportTaskResult *out)
{
    struct key key = export_key(call, in->taskId);
    struct logs_export task;
    bool found;
    (void)out;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_export, &task, &found));
    if (!found)
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                         "The specified export task does not exist.");
    if (!str_eq(task.status, LOGS_EXPORT_TASK_STATUS_CODE_PENDING) &&
        !str_eq(task.status, LOGS_EXPORT_TASK_STATUS_CODE_RUNNING))
        return call_fail(call, LOGS_INVALID_OPERATION,
                         "The specified export task has already finished");
    task.status = LOGS_EXPORT_TASK_STATUS_CODE_PENDING_CANCEL;
    return export_put(call, &task);
}

static struct logs_ExportTask task_shown(struct call *call, const struct logs_export *task)
{
    struct logs_ExportTask shown = {
        .taskId = task->id,
        .taskName = task->name,
        .logGroupName = task->group,
        .from = opt_long(task->from_ms),
        .to = opt_long(task->to_ms),
        .destination = task->bucket,
        .destinationPrefix = task->prefix,
        .status = ARENA_NEW(call->arena, struct logs_ExportTaskStatus),
        .executionInfo = ARENA_NEW(call->arena, struct logs_ExportTaskExecutionInfo),
    };
    *shown.status = (struct logs_ExportTaskStatus){task->status, task->message};
    shown.executionInfo->creationTime = opt_long(task->created_ms);
    if (task->completed_ms != 0)
        shown.executionInfo->completionTime = opt_long(task->completed_ms);
    return shown;
}

RESULT logs_DescribeExportTasks(struct call *call, const struct logs_DescribeExportTasksRequest *in,
                                struct logs_DescribeExportTasksResponse *out)
{
    size_t limit = in->limit.set ? (size_t)in->limit.value : TASKS_PAGE, cap = 1;
    struct key all = export_key(call, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value, after, last = {0};
    TRY(logs_page(call, in->nextToken, &after));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    out->exportTasks.items = ARENA_NEW(call->arena, struct logs_ExportTask);
    for (;;) {
        struct logs_export task;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_export, value, &task));
        if ((!str_is_absent(after) && str_cmp(task.id, after) <= 0) ||
            (!str_is_absent(in->taskId) && !str_eq(task.id, in->taskId)) ||
            (!str_is_absent(in->statusCode) && !str_eq(task.status, in->statusCode)))
            continue;
        if (out->exportTasks.len == limit) {
            out->nextToken = paging_token(call, last);
            return RESULT_OK;
        }
        VEC_PUSH(call->arena, out->exportTasks.items, out->exportTasks.len, cap,
                 task_shown(call, &task));
        last = task.id;
    }
}
