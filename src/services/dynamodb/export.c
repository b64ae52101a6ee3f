/* ExportTableToPointInTime ("DynamoDB data export to Amazon S3: how it works", "DynamoDB table
 * export output format", Developer Guide): one portion of items a transaction, each a file.
 *
 *   ("dynamodb", account, region, "export", table, export id)  record export
 *   ("ddb-e", id, number)                                      a line of the manifest of files */
#include "base/encode.h"
#include "base/gzip.h"
#include "base/rng.h"
#include "base/time.h"
#include "services/dynamodb/backup.h"
#include "services/dynamodb/history.h"
#include "services/dynamodb/transfer.h"
#include "store/record.h"

enum {
    FILE_ITEMS = 4000,
    FILE_BYTES = 1024 * 1024,
    TEXT_MAX = 64 * 1024 * 1024,
    MANIFEST_MAX = 256 * 1024 * 1024,
    LIST_MAX = 25,
};
#define WINDOW_MIN_MS (INT64_C(15) * 60 * 1000)
#define WINDOW_MAX_MS (INT64_C(24) * 3600 * 1000)

/* --- records
 * -------------------------------------------------------------------------------------------------
 */

static RESULT export_find(struct call *call, struct str arn, struct dynamodb_export *export,
                          bool *found)
{
    struct key key;
    TRY(table_child_key(call, arn, STR("export"), &key, found));
    if (!*found)
        return RESULT_OK;
    return call_get_record_copy(call, &key, &dynamodb_model, DYNAMODB_SHAPE_export, export, found);
}

static RESULT export_put(struct call *call, const struct dynamodb_export *export)
{
    struct key key;
    bool valid;
    TRY(table_child_key(call, export->arn, STR("export"), &key, &valid));
    if (!valid)
        return FAULT("an export has no name: %.*s", PRSTR(export->arn));
    return call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_export, export);
}

static struct str export_id(const struct dynamodb_export *export)
{
    return str_slice(export->arn, str_find_last_char(export->arn, '/') + 1, export->arn.len);
}

static bool export_is_incremental(const struct dynamodb_export *export)
{
    return str_eq(export->type, DYNAMODB_EXPORT_TYPE_INCREMENTAL_EXPORT);
}

/* "PREFIX/AWSDynamoDB/" and what follows. */
static struct str export_name(struct call *call, const struct dynamodb_export *export,
                              struct str rest)
{
    bool prefixed = !str_is_empty(export->prefix);
    return str_format(call->arena, "%.*s%sAWSDynamoDB/%.*s", PRSTR(export->prefix),
                      prefixed ? "/" : "", PRSTR(rest));
}

static struct str export_own_name(struct call *call, const struct dynamodb_export *export,
                                  const char *name)
{
    return export_name(call, export,
                       str_format(call->arena, "%.*s/%s", PRSTR(export_id(export)), name));
}

static RESULT export_post(struct call *call, const struct dynamodb_export *export)
{
    struct str lane = str_format(call->arena, "ddb/export/%lld", (long long)export->id);
    return outbox_post(call, STR("dynamodb.export"), lane, export->arn);
}

/* --- one file
 * -------------------------------------------------------------------------------------------------
 */

struct export_work {
    struct call *call;
    struct dynamodb_export *export;
    struct dynamodb_table table;
    struct export_filter filter;
    struct object_io_caller caller;
    struct object_io_problem problem;
    struct buf text;
    int64_t items;
};

static RESULT write_item(struct buf *text, const char *name, const struct dynamodb_AttributeMap *it)
{
    buf_append_format(text, "\"%s\":", name);
    return wire_json_encode(text, &dynamodb_model, DYNAMODB_SHAPE_AttributeMap, it);
}

static RESULT export_visit(void *context, const struct history_item *item)
{
    struct export_work *work = context;
    struct dynamodb_AttributeMap map;
    size_t size;
    TRY(codec_decode(work->call->arena, item->bytes, &map, &size));
    work->export->bytes += (int64_t)size;
    if (!export_filter_takes(work->call->arena, &work->filter, &map))
        return RESULT_OK;
    buf_append(&work->text, STR("{"));
    TRY(write_item(&work->text, "Item", &map));
    buf_append(&work->text, STR("}\n"));
    work->items++;
    return RESULT_OK;
}

static RESULT export_visit_change(void *context, const struct history_change *change)
{
    struct export_work *work = context;
    struct call *call = work->call;
    const struct place place = {call, &work->table, NULL};
    struct dynamodb_AttributeMap before, after;
    size_t before_size = 0, after_size = 0;
    bool had = change->before.len > 0, has = change->after.len > 0;
    if (had)
        TRY(codec_decode(call->arena, change->before, &before, &before_size));
    if (has)
        TRY(codec_decode(call->arena, change->after, &after, &after_size));
    struct dynamodb_AttributeMap keys = place_key_of(&place, has ? &after : &before);
    buf_append_format(&work->text, "{\"Metadata\":{\"WriteTimestampMicros\":{\"N\":\"%lld000\"}},",
                      (long long)change->time_ms);
    TRY(write_item(&work->text, "Keys", &keys));
    bool shows_old = str_eq(work->export->view_type, DYNAMODB_EXPORT_VIEW_TYPE_NEW_AND_OLD_IMAGES);
    if (had && shows_old) {
        buf_append(&work->text, STR(","));
        TRY(write_item(&work->text, "OldImage", &before));
    }
    if (has) {
        buf_append(&work->text, STR(","));
        TRY(write_item(&work->text, "NewImage", &after));
    }
    buf_append(&work->text, STR("}\n"));
    work->items++;
    work->export->bytes += (int64_t)(before_size > after_size ? before_size : after_size);
    return RESULT_OK;
}

static RESULT export_collect(struct export_work *work)
{
    struct dynamodb_export *export = work->export;
    if (export_is_incremental(export)) {
        const struct history_diff diff = {
            .call = work->call,
            .before = export->before,
            .after = export->after,
            .from = export->from,
            .items_max = FILE_ITEMS,
            .bytes_max = FILE_BYTES,
            .visit = export_visit_change,
            .context = work,
        };
        return history_diff(&diff, &export->from);
    }
    const struct history_walk walk = {
        .call = work->call,
        .view = export->after,
        .from = export->from,
        .items_max = FILE_ITEMS,
        .bytes_max = FILE_BYTES,
        .visit = export_visit,
        .context = work,
    };
    return history_walk(&walk, &export->from);
}

static RESULT export_store(struct export_work *work, struct str name, struct str bytes,
                           struct object_io_stored *stored)
{
    const struct dynamodb_export *export = work->export;
    struct object_io_put put = {
        .bucket = export->bucket,
        .key = name,
        .expected_owner = export->bucket_owner,
    };
    if (str_eq(export->sse, DYNAMODB_S3_SSE_ALGORITHM_KMS))
        put.kms_key = str_is_absent(export->sse_key) ? STR("alias/aws/s3") : export->sse_key;
    return object_io_put_bytes(work->call, &work->caller, &put, bytes, stored, &work->problem);
}

static struct str export_md5(struct call *call, const struct object_io_stored *stored)
{
    struct buf text;
    buf_init(&text, call->arena, 64);
    base64_encode(&text, str_make((const char *)stored->md5, MD5_SIZE));
    return buf_str(&text);
}

static struct key export_line_key(struct call *call, const struct dynamodb_export *export)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("ddb-e"));
    key_u64(&key, (uint64_t) export->id);
    return key;
}

static RESULT export_file(struct export_work *work)
{
    struct call *call = work->call;
    struct dynamodb_export *export = work->export;
    struct object_io_stored stored;
    struct buf packed, line;
    struct str random = rng_text(call->arena, STR("abcdefghijklmnopqrstuvwxyz234567"), 26);
    struct str name = export_is_incremental(export)
                          ? str_format(call->arena, "data/%.*s.json.gz", PRSTR(random))
                          : str_format(call->arena, "%.*s/data/%.*s.json.gz",
                                       PRSTR(export_id(export)), PRSTR(random));
    name = export_name(call, export, name);
    buf_init(&packed, call->arena, work->text.len + 4096);
    TRY(gzip_pack(buf_str(&work->text), &packed));
    TRY(export_store(work, name, buf_str(&packed), &stored));
    buf_init(&line, call->arena, 16 * 1024);
    buf_append_format(&line, "{\"itemCount\":%lld,\"md5Checksum\":\"%.*s\",\"etag\":\"%.*s\",",
                      (long long)work->items, PRSTR(export_md5(call, &stored)), PRSTR(stored.etag));
    buf_append(&line, STR("\"dataFileS3Key\":"));
    wire_json_write_string(&line, name);
    buf_append(&line, STR("}\n"));
    struct key key = export_line_key(call, export);
    key_u64(&key, (uint64_t)++ export->files);
    export->items += work->items;
    return kv_put(call->txn, key_bytes(&key), buf_str(&line));
}

/* --- the end
 * -------------------------------------------------------------------------------------------------
 */

static void member(struct buf *text, const char *name, struct str value)
{
    buf_append_format(text, "%s\"%s\":", text->len > 1 ? "," : "", name);
    if (str_is_absent(value))
        buf_append(text, STR("null"));
    else
        wire_json_write_string(text, value);
}

static struct str export_time(struct call *call, int64_t ms)
{
    struct buf text;
    buf_init(&text, call->arena, 64);
    time_format_iso8601(&text, ms);
    return buf_str(&text);
}

static struct str export_summary(struct call *call, const struct dynamodb_export *export)
{
    struct buf text;
    bool incremental = export_is_incremental(export);
    buf_init(&text, call->arena, 64 * 1024);
    buf_append(&text, STR("{"));
    member(&text, "version", incremental ? STR("2023-08-01") : STR("2020-06-30"));
    member(&text, "exportArn", export->arn);
    member(&text, "startTime", export_time(call, export->start_ms));
    member(&text, "endTime", export_time(call, call->now_ms));
    member(&text, "tableArn", export->table_arn);
    member(&text, "tableId", export->table_uuid);
    if (incremental) {
        member(&text, "exportFromTime", export_time(call, export->from_ms));
        member(&text, "exportToTime", export_time(call, export->to_ms));
    } else {
        member(&text, "exportTime", export_time(call, export->export_ms));
    }
    member(&text, "s3Bucket", export->bucket);
    member(&text, "s3Prefix", export->prefix);
    member(&text, "s3SseAlgorithm",
           str_is_absent(export->sse) ? DYNAMODB_S3_SSE_ALGORITHM_AES256 : export->sse);
    member(&text, "s3SseKmsKeyId", export->sse_key);
    member(&text, "manifestFilesS3Key", export_own_name(call, export, "manifest-files.json"));
    buf_append_format(&text, ",\"billedSizeBytes\":%lld,\"itemCount\":%lld",
                      (long long)export->bytes, (long long)export->items);
    member(&text, "outputFormat", DYNAMODB_EXPORT_FORMAT_DYNAMODB_JSON);
    if (incremental)
        member(&text, "outputView", export->view_type);
    member(&text, "exportType", export->type);
    buf_append(&text, STR("}"));
    return buf_str(&text);
}

static RESULT export_checked(struct export_work *work, const char *json, const char *checksum,
                             struct str bytes)
{
    struct object_io_stored stored;
    TRY(export_store(work, export_own_name(work->call, work->export, json), bytes, &stored));
    return export_store(work, export_own_name(work->call, work->export, checksum),
                        export_md5(work->call, &stored), &stored);
}

static RESULT export_manifest(struct export_work *work)
{
    struct call *call = work->call;
    struct key prefix = export_line_key(call, work->export);
    struct kv_cursor *cursor;
    struct buf lines;
    struct str key, value;
    buf_init(&lines, call->arena, MANIFEST_MAX);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        buf_append(&lines, value);
    }
    TRY(export_checked(work, "manifest-files.json", "manifest-files.checksum", buf_str(&lines)));
    return export_checked(work, "manifest-summary.json", "manifest-summary.checksum",
                          export_summary(call, work->export));
}

static RESULT export_end(struct export_work *work, struct str status)
{
    struct call *call = work->call;
    struct dynamodb_export *export = work->export;
    struct key lines = export_line_key(call, export);
    size_t deleted;
    TRY(kv_delete_prefix(call->txn, key_bytes(&lines), SIZE_MAX, &deleted));
    TRY(history_let_go(call, export->holder));
    export->status = status;
    export->end_ms = call->now_ms;
    export->from = export->caller = (struct str){0};
    return export_put(call, export);
}

/* --- the job
 * -------------------------------------------------------------------------------------------------
 */

/* RESULT_ERROR: S3 has refused; the problem says what. */
static RESULT export_step(struct export_work *work, bool *done)
{
    struct dynamodb_export *export = work->export;
    *done = false;
    if (!export->begun) {
        struct object_io_stored stored;
        TRY(export_store(work, export_own_name(work->call, export, "_started"), STR(""), &stored));
        export->begun = true;
    }
    TRY(export_collect(work));
    if (buf_is_full(&work->text))
        return FAULT("a file of an export is larger than %d bytes", TEXT_MAX);
    bool last = str_is_absent(export->from);
    if (work->items > 0 || (last && export->files == 0))
        TRY(export_file(work));
    if (last)
        TRY(export_manifest(work));
    *done = last;
    return RESULT_OK;
}

RESULT export_deliver(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_export export;
    struct export_work work = {.call = call, .export = &export};
    bool found, done;
    TRY(export_find(call, item->payload, &export, &found));
    if (!found || !str_eq(export.status, DYNAMODB_EXPORT_STATUS_IN_PROGRESS))
        return RESULT_OK;
    TRY(table_find(call, export.holder, &work.table, &found));
    if (!found)
        return FAULT("a table that is being exported is not there: %.*s", PRSTR(export.holder));
    TRY(export_filter_parse(call, &work.table, export.filter, &work.filter));
    TRY(transfer_caller(call, export.caller, export.table_arn, &work.caller));
    buf_init(&work.text, call->arena, TEXT_MAX);
    enum result result = export_step(&work, &done);
    if (result == RESULT_ERROR) {
        export.failure_code = transfer_failure(call, &work.problem);
        export.failure_message = work.problem.message;
        return export_end(&work, DYNAMODB_EXPORT_STATUS_FAILED);
    }
    TRY(result);
    if (done)
        return export_end(&work, DYNAMODB_EXPORT_STATUS_COMPLETED);
    TRY(export_put(call, &export));
    return export_post(call, &export);
}

/* --- the operations
 * -------------------------------------------------------------------------------------------------
 */

static struct dynamodb_ExportDescription *export_describe(struct call *call,
                                                          const struct dynamodb_export *export)
{
    struct dynamodb_ExportDescription *out =
        ARENA_NEW(call->arena, struct dynamodb_ExportDescription);
    out->ExportArn = export->arn;
    out->ExportStatus = export->status;
    out->StartTime = opt_time(export->start_ms);
    out->TableArn = export->table_arn;
    out->TableId = export->table_uuid;
    out->ClientToken = export->token;
    out->S3Bucket = export->bucket;
    out->S3BucketOwner = export->bucket_owner;
    out->S3Prefix = export->prefix;
    out->S3SseAlgorithm = export->sse;
    out->S3SseKmsKeyId = export->sse_key;
    out->FailureCode = export->failure_code;
    out->FailureMessage = export->failure_message;
    out->ExportFormat = DYNAMODB_EXPORT_FORMAT_DYNAMODB_JSON;
    out->ExportType = export->type;
    out->FilterSpecification = export->filter;
    if (export_is_incremental(export)) {
        out->IncrementalExportSpecification =
            ARENA_NEW(call->arena, struct dynamodb_IncrementalExportSpecification);
        out->IncrementalExportSpecification->ExportFromTime = opt_time(export->from_ms);
        out->IncrementalExportSpecification->ExportToTime = opt_time(export->to_ms);
        out->IncrementalExportSpecification->ExportViewType = export->view_type;
    } else {
        out->ExportTime = opt_time(export->export_ms);
    }
    if (export->end_ms != 0)
        out->EndTime = opt_time(export->end_ms);
    if (!str_eq(export->status, DYNAMODB_EXPORT_STATUS_COMPLETED))
        return out;
    out->ExportManifest = export_own_name(call, export, "manifest-summary.json");
    out->BilledSizeBytes = opt_long(export->bytes);
    out->ItemCount = opt_long(export->items);
    return out;
}

static RESULT export_refuse(struct call *call,
                            const struct dynamodb_ExportTableToPointInTimeInput *in)
{
    const char *what = NULL;
    if (str_eq(in->ExportFormat, DYNAMODB_EXPORT_FORMAT_ION))
        what = "ExportFormat ION";
    else if (in->FilterSpecification != NULL &&
             str_eq(in->ExportType, DYNAMODB_EXPORT_TYPE_INCREMENTAL_EXPORT))
        what = "FilterSpecification of an INCREMENTAL_EXPORT";
    if (what != NULL)
        return call_fail(call, DYNAMODB_NOT_IMPLEMENTED,
                         "ExportTableToPointInTime with %s is not implemented.", what);
    if (!str_is_absent(in->S3SseKmsKeyId) &&
        !str_eq(in->S3SseAlgorithm, DYNAMODB_S3_SSE_ALGORITHM_KMS))
        return DYNAMODB_ERROR(call, "S3SseKmsKeyId can only be specified for S3SseAlgorithm KMS");
    return RESULT_OK;
}

static RESULT export_time_fails(struct call *call)
{
    return call_fail(call, DYNAMODB_INVALID_EXPORT_TIME,
                     "The specified ExportTime is outside of the point in time recovery window.");
}

/* What is exported: a moment, or all that changed between two. */
static RESULT export_read_times(struct call *call,
                                const struct dynamodb_ExportTableToPointInTimeInput *in,
                                const struct dynamodb_table *table, struct dynamodb_export *export)
{
    const struct dynamodb_IncrementalExportSpecification *given =
        in->IncrementalExportSpecification;
    export->type =
        str_is_absent(in->ExportType) ? DYNAMODB_EXPORT_TYPE_FULL_EXPORT : in->ExportType;
    if (!export_is_incremental(export)) {
        if (given != NULL)
            return DYNAMODB_ERROR(call, "IncrementalExportSpecification can only be specified "
                                        "for ExportType INCREMENTAL_EXPORT");
        export->export_ms = in->ExportTime.set ? in->ExportTime.ms : call->now_ms;
        return pitr_covers(call, table, export->export_ms) ? RESULT_OK : export_time_fails(call);
    }
    if (in->ExportTime.set)
        return DYNAMODB_ERROR(call, "ExportTime cannot be specified for ExportType "
                                    "INCREMENTAL_EXPORT");
    if (given == NULL || !given->ExportFromTime.set)
        return DYNAMODB_ERROR(call, "ExportFromTime must be specified for ExportType "
                                    "INCREMENTAL_EXPORT");
    export->from_ms = given->ExportFromTime.ms;
    export->to_ms = given->ExportToTime.set ? given->ExportToTime.ms : call->now_ms;
    export->view_type = str_is_absent(given->ExportViewType)
                            ? DYNAMODB_EXPORT_VIEW_TYPE_NEW_AND_OLD_IMAGES
                            : given->ExportViewType;
    if (!pitr_covers(call, table, export->from_ms) || !pitr_covers(call, table, export->to_ms))
        return export_time_fails(call);
    if (export->to_ms - export->from_ms < WINDOW_MIN_MS)
        return DYNAMODB_ERROR(
            call, "Difference between ExportFromTime and ExportToTime is less than 15 minutes");
    if (export->to_ms - export->from_ms > WINDOW_MAX_MS)
        return DYNAMODB_ERROR(
            call, "Difference between ExportFromTime and ExportToTime is greater than 24 hours");
    return RESULT_OK;
}

/* From inclusive, to exclusive. */
static RESULT export_begin(struct call *call, struct dynamodb_table *table,
                           struct dynamodb_export *export)
{
    uint64_t id;
    struct dynamodb_view *before = ARENA_NEW(call->arena, struct dynamodb_view);
    struct dynamodb_view *after = ARENA_NEW(call->arena, struct dynamodb_view);
    TRY(call_sequence(call, &id));
    export->id = (int64_t)id;
    TRY(history_hold(call, table));
    if (export_is_incremental(export)) {
        TRY(history_view_at(call, table, export->from_ms - 1, before));
        TRY(history_view_at(call, table, export->to_ms - 1, after));
        export->before = before;
    } else {
        TRY(history_view_at(call, table, export->export_ms, after));
    }
    export->after = after;
    TRY(object_io_principal_keep(call, &export->caller));
    TRY(export_put(call, export));
    return export_post(call, export);
}

RESULT dynamodb_ExportTableToPointInTime(struct call *call,
                                         const struct dynamodb_ExportTableToPointInTimeInput *in,
                                         struct dynamodb_ExportTableToPointInTimeOutput *out)
{
    const uint16_t shape = DYNAMODB_SHAPE_ExportTableToPointInTimeInput;
    struct dynamodb_table table;
    struct dynamodb_export export;
    struct str made;
    bool found;
    TRY(export_refuse(call, in));
    TRY(once_meet(call, in->ClientToken, shape, in, DYNAMODB_EXPORT_CONFLICT, &made));
    if (!str_is_absent(made)) {
        TRY(export_find(call, made, &export, &found));
        if (!found)
            return FAULT("an export is not there: %.*s", PRSTR(made));
        out->ExportDescription = export_describe(call, &export);
        return RESULT_OK;
    }
    TRY(backup_table_get(call, in->TableArn, &table));
    TRY(pitr_check(call, &table));
    export = (struct dynamodb_export){
        .arn = str_format(call->arena, "%.*s/export/%.*s", PRSTR(table_arn(call->arena, &table)),
                          PRSTR(backup_make_id(call))),
        .status = DYNAMODB_EXPORT_STATUS_IN_PROGRESS,
        .start_ms = call->now_ms,
        .table_arn = table_arn(call->arena, &table),
        .table_uuid = table.uuid,
        .token = in->ClientToken,
        .bucket = in->S3Bucket,
        .bucket_owner = in->S3BucketOwner,
        .prefix = in->S3Prefix,
        .sse = in->S3SseAlgorithm,
        .sse_key = in->S3SseKmsKeyId,
        .holder = table.name,
        .filter = in->FilterSpecification,
    };
    struct export_filter filter;
    TRY(export_filter_parse(call, &table, in->FilterSpecification, &filter));
    TRY(export_read_times(call, in, &table, &export));
    TRY(export_begin(call, &table, &export));
    TRY(once_note(call, in->ClientToken, shape, in, export.arn));
    out->ExportDescription = export_describe(call, &export);
    return RESULT_OK;
}

RESULT dynamodb_DescribeExport(struct call *call, const struct dynamodb_DescribeExportInput *in,
                               struct dynamodb_DescribeExportOutput *out)
{
    struct dynamodb_export export;
    bool found;
    TRY(export_find(call, in->ExportArn, &export, &found));
    if (!found)
        return call_fail(call, DYNAMODB_EXPORT_NOT_FOUND, "Export not found: %.*s",
                         PRSTR(in->ExportArn));
    out->ExportDescription = export_describe(call, &export);
    return RESULT_OK;
}

struct export_page {
    struct call *call;
    struct dynamodb_ExportSummaries *list;
    size_t limit;
};

static bool export_list_visit(void *context, struct str value, enum result *result)
{
    struct export_page *page = context;
    struct dynamodb_export export;
    if (page->list->len == page->limit)
        return false;
    *result =
        record_decode(page->call->arena, &dynamodb_model, DYNAMODB_SHAPE_export, value, &export);
    if (*result == RESULT_OK && transfer_is_listed(page->call, export.start_ms))
        page->list->items[page->list->len++] =
            (struct dynamodb_ExportSummary){export.arn, export.status, export.type};
    return true;
}

RESULT dynamodb_ListExports(struct call *call, const struct dynamodb_ListExportsInput *in,
                            struct dynamodb_ListExportsOutput *out)
{
    struct export_page page = {call, &out->ExportSummaries,
                               in->MaxResults.set ? (size_t)in->MaxResults.value : LIST_MAX};
    const struct transfer_list list = {.kind = STR("export"),
                                       .table_arn = in->TableArn,
                                       .token = in->NextToken,
                                       .visit = export_list_visit,
                                       .context = &page};
    out->ExportSummaries.items =
        ARENA_ARRAY(call->arena, page.limit, struct dynamodb_ExportSummary);
    return transfer_list(call, &list, &out->NextToken);
}
