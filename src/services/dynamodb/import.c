/* ImportTable ("DynamoDB data import from Amazon S3: how it works", Developer Guide): a new table,
 * filled by a job from the objects whose names begin with the prefix, one after another, a portion
 * a transaction.
 *
 *   ("dynamodb", account, region, "import", table, import id)  record import */
#include "base/gzip.h"
#include "cloud/arn.h"
#include "cloud/log_sink.h"
#include "services/dynamodb/backup.h"
#include "services/dynamodb/transfer.h"
#include "store/record.h"

enum {
    PORTION = 512 * 1024,
    LINE_MAX_SIZE = 16 * 1024 * 1024,
    CHUNK = 64 * 1024,
    LIST_MAX = 25,
    NOTES_SIZE = 4 * 1024 * 1024, /* bytes of a portion's */
};
#define LOG_GROUP STR("/aws-dynamodb/imports")

/* --- records
 * -------------------------------------------------------------------------------------------------
 */

static RESULT import_find(struct call *call, struct str arn, struct dynamodb_import *import,
                          bool *found)
{
    struct key key;
    TRY(table_child_key(call, arn, STR("import"), &key, found));
    if (!*found)
        return RESULT_OK;
    return call_get_record_copy(call, &key, &dynamodb_model, DYNAMODB_SHAPE_import, import, found);
}

static RESULT import_put(struct call *call, const struct dynamodb_import *import)
{
    struct key key;
    bool valid;
    TRY(table_child_key(call, import->arn, STR("import"), &key, &valid));
    if (!valid)
        return FAULT("an import has no name: %.*s", PRSTR(import->arn));
    return call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_import, import);
}

static RESULT import_post(struct call *call, const struct dynamodb_import *import)
{
    struct str lane = str_format(call->arena, "ddb/import/%lld", (long long)import->table_id);
    return outbox_post(call, STR("dynamodb.import"), lane, import->arn);
}

/* --- reading an object
 * -------------------------------------------------------------------------------------------------
 */

struct import_work {
    struct call *call;
    struct dynamodb_import *import;
    struct dynamodb_table table;
    struct object_io_caller caller;
    struct object_io_problem problem;
    struct object_io_reader *reader;
    struct gunzip *gunzip; /* NULL: not packed */
    struct buf text;
    struct buf notes; /* lines for the log, as import_notes_deliver() takes them */
    uint64_t unnoted; /* for which there is no room */
    bool ended;       /* nothing follows the text */
    bool csv;
};

static RESULT packed_read(void *context, uint64_t offset, char *room, size_t size, size_t *got)
{
    struct import_work *work = context;
    object_io_seek(work->reader, offset);
    return object_io_read(work->reader, room, size, got);
}

/* RESULT_ERROR: what is packed is broken. */
static RESULT text_read(struct import_work *work, char *room, size_t size, size_t *got)
{
    if (work->gunzip == NULL)
        return object_io_read(work->reader, room, size, got);
    enum result result = gunzip_read(work->gunzip, room, size, got);
    if (result == RESULT_ERROR)
        work->problem =
            (struct object_io_problem){TRANSFER_INVALID, STR("The object is not valid GZIP data")};
    return result;
}

static RESULT text_open(struct import_work *work)
{
    struct dynamodb_import *import = work->import;
    struct call *call = work->call;
    struct object_io_found found;
    const struct object_io_get get = {
        .bucket = import->source->S3Bucket,
        .key = import->object,
        .expected_owner = import->source->S3BucketOwner,
    };
    TRY(object_io_open(call, &work->caller, &get, &work->reader, &found, &work->problem));
    uint64_t skip = (uint64_t)import->line_at;
    if (!str_eq(import->compression, DYNAMODB_INPUT_COMPRESSION_TYPE_GZIP)) {
        object_io_seek(work->reader, skip);
        return RESULT_OK;
    }
    const struct gunzip_source source = {packed_read, work};
    const struct gunzip_point point = {
        .in_at = (uint64_t)import->packed_at,
        .out_at = (uint64_t)import->unpacked_at,
        .bits = (int)import->bits,
        .window = import->window,
    };
    TRY(gunzip_open(call->arena, &source, &point, &work->gunzip));
    char *room = arena_alloc_raw(call->arena, CHUNK);
    for (skip -= point.out_at; skip > 0;) {
        size_t got;
        TRY(text_read(work, room, skip < CHUNK ? (size_t)skip : CHUNK, &got));
        if (got == 0)
            return FAULT("an object is shorter than it was");
        skip -= got;
    }
    return RESULT_OK;
}

/* A portion of text, with one whole line in it at least. */
static RESULT text_fill(struct import_work *work)
{
    char *room = arena_alloc_raw(work->call->arena, CHUNK);
    while (!work->ended &&
           (work->text.len < PORTION || import_line_end(buf_str(&work->text), work->csv) == 0)) {
        size_t got;
        TRY(text_read(work, room, CHUNK, &got));
        buf_append(&work->text, str_make(room, got));
        work->ended = got == 0;
        if (buf_is_full(&work->text)) {
            work->problem =
                (struct object_io_problem){TRANSFER_INVALID, STR("A line is longer than 16 MiB")};
            return RESULT_ERROR;
        }
    }
    return RESULT_OK;
}

/* --- its items
 * -------------------------------------------------------------------------------------------------
 */

/* "For each error, DynamoDB emits a CloudWatch log" ("Import format quotas and validation"). */
static void import_note(struct import_work *work, struct str reason)
{
    struct dynamodb_import *import = work->import;
    struct buf *notes = &work->notes;
    import->errors++;
    if (notes->len >= NOTES_SIZE) {
        work->unnoted++;
        return;
    }
    buf_append(notes, STR("{\"itemS3Pointer\":{\"bucket\":"));
    wire_json_write_string(notes, import->source->S3Bucket);
    buf_append(notes, STR(",\"key\":"));
    wire_json_write_string(notes, import->object);
    buf_append_format(
        notes, ",\"itemIndex\":%lld},\"importArn\":", (long long)import->processed_items - 1);
    wire_json_write_string(notes, import->arn);
    buf_append(notes, STR(",\"errorMessages\":["));
    wire_json_write_string(notes, reason);
    buf_append(notes, STR("]}\n"));
}

/* They are logged when what they tell of is in the store. */
static RESULT import_post_notes(struct import_work *work)
{
    if (work->notes.len == 0)
        return RESULT_OK;
    if (work->unnoted > 0)
        buf_append_format(&work->notes, "%llu more errors are not shown\n",
                          (unsigned long long)work->unnoted);
    struct str arn = work->import->arn;
    struct str stream = str_slice(arn, str_find_last_char(arn, '/') + 1, arn.len);
    return outbox_post(
        work->call, STR("dynamodb.import-notes"), (struct str){0},
        str_format(work->call->arena, "%.*s\n%.*s", PRSTR(stream), PRSTR(buf_str(&work->notes))));
}

RESULT import_notes_deliver(struct call *call, const struct outbox_item *item)
{
    struct str stream, line, rest;
    if (!str_cut(item->payload, '\n', &stream, &rest))
        return FAULT("dynamodb.import-notes: no stream");
    while (str_cut(rest, '\n', &line, &rest))
        log_sink_put(call->cloud->log_sink, &(struct log_line){.account = call->account,
                                                               .region = call->region,
                                                               .group = LOG_GROUP,
                                                               .stream = stream,
                                                               .time_ms = call->now_ms,
                                                               .text = line,
                                                               .create_group = true});
    return RESULT_OK;
}

static struct str import_log_group(struct call *call)
{
    return arn_make(
        call->arena, STR("logs"), call->region, call->account,
        str_concat(call->arena, STR("log-group:"), str_concat(call->arena, LOG_GROUP, STR(":*"))));
}

static RESULT import_write(struct import_work *work, const struct dynamodb_AttributeMap *item)
{
    struct item_write write = {.kind = ITEM_PUT, .table = work->table, .key = *item};
    bool holds;
    enum result result = item_write_check(work->call, &write);
    if (result == RESULT_ERROR) {
        import_note(work, work->call->message);
        return RESULT_OK;
    }
    TRY(result);
    TRY(item_write_read(work->call, &write, &holds));
    TRY(item_write_do(work->call, &write));
    work->import->imported_items++;
    return RESULT_OK;
}

static RESULT import_csv_line(struct import_work *work, struct str line)
{
    struct arena *arena = work->call->arena;
    struct dynamodb_import *import = work->import;
    const struct dynamodb_CsvOptions *options =
        import->options == NULL ? NULL : import->options->Csv;
    char delimiter =
        options == NULL || str_is_empty(options->Delimiter) ? ',' : options->Delimiter.ptr[0];
    struct str_list fields;
    struct dynamodb_AttributeMap item;
    struct str reason = STR("The record's quotation marks do not match");
    enum result result = import_csv_fields(arena, line, delimiter, &fields);
    if (import->header.len == 0) {
        import->header = fields;
        if (result == RESULT_OK && import_header_is_valid(&fields))
            return RESULT_OK;
        work->problem = (struct object_io_problem){
            TRANSFER_INVALID, STR("The header names a column twice, or not at all")};
        return RESULT_ERROR;
    }
    import->processed_items++;
    if (result == RESULT_OK)
        result = import_csv_item(arena, &work->table, &import->header, &fields, &item, &reason);
    if (result == RESULT_ERROR) {
        import_note(work, reason);
        return RESULT_OK;
    }
    TRY(result);
    return import_write(work, &item);
}

static RESULT import_line(struct import_work *work, struct str line)
{
    struct dynamodb_AttributeMap item;
    struct str reason;
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    if (str_is_empty(str_trim(line)))
        return RESULT_OK;
    if (work->csv)
        return import_csv_line(work, line);
    work->import->processed_items++;
    enum result result = import_json_item(work->call->arena, line, &item, &reason);
    if (result == RESULT_ERROR) {
        import_note(work, reason);
        return RESULT_OK;
    }
    TRY(result);
    return import_write(work, &item);
}

static RESULT import_lines(struct import_work *work)
{
    struct str rest = buf_str(&work->text);
    while (rest.len > 0) {
        size_t end = import_line_end(rest, work->csv);
        if (end == 0 && !work->ended)
            break;
        if (end == 0)
            end = rest.len;
        TRY(import_line(work, str_slice(rest, 0, end)));
        rest = str_slice(rest, end, rest.len);
        work->import->line_at += (int64_t)end;
        work->import->processed_bytes += (int64_t)end;
    }
    return RESULT_OK;
}

static void import_forget_place(struct dynamodb_import *import)
{
    const struct dynamodb_CsvOptions *options =
        import->options == NULL ? NULL : import->options->Csv;
    import->object = import->window = (struct str){0};
    import->line_at = import->packed_at = import->unpacked_at = import->bits = 0;
    import->header = options == NULL ? (struct str_list){0} : options->HeaderList;
}

/* Where the next portion of this object begins, or that there is none. */
static void import_advance(struct import_work *work)
{
    struct dynamodb_import *import = work->import;
    struct gunzip_point point;
    if (work->ended) {
        import->done = import->object;
        import_forget_place(import);
    } else if (work->gunzip != NULL &&
               gunzip_point_before(work->gunzip, (uint64_t)import->line_at, &point)) {
        import->packed_at = (int64_t)point.in_at;
        import->unpacked_at = (int64_t)point.out_at;
        import->bits = point.bits;
        import->window = point.window;
    }
}

/* --- the job
 * -------------------------------------------------------------------------------------------------
 */

/* The next object; none: *done. */
static RESULT import_next(struct import_work *work, bool *done)
{
    struct dynamodb_import *import = work->import;
    struct object_io_list list = {
        .bucket = import->source->S3Bucket,
        .prefix = import->source->S3KeyPrefix,
        .after = import->done,
        .expected_owner = import->source->S3BucketOwner,
    };
    struct object_io_name *names;
    size_t count;
    bool more = true;
    while (more) {
        TRY(object_io_list(work->call, &work->caller, &list, &names, &count, &more,
                           &work->problem));
        for (size_t i = 0; i < count; i++) {
            list.after = names[i].key;
            if (names[i].size == 0) /* a folder's marker */
                continue;
            import->object = names[i].key;
            import->found = true;
            return RESULT_OK;
        }
    }
    *done = true;
    if (import->found)
        return RESULT_OK;
    work->problem = (struct object_io_problem){STR("NoSuchKey"),
                                               STR("No object has the prefix, or all are empty")};
    return RESULT_ERROR;
}

static RESULT import_step(struct import_work *work, bool *done)
{
    *done = false;
    if (str_is_absent(work->import->object))
        return import_next(work, done);
    TRY(text_open(work));
    TRY(text_fill(work));
    TRY(import_lines(work));
    import_advance(work);
    return RESULT_OK;
}

static RESULT import_end(struct import_work *work, struct str status)
{
    struct call *call = work->call;
    struct dynamodb_import *import = work->import;
    bool failed = str_eq(status, DYNAMODB_IMPORT_STATUS_FAILED);
    import->status = status;
    import->end_ms = call->now_ms;
    import->caller = (struct str){0};
    import_forget_place(import);
    if (failed) {
        import->failure_code = transfer_failure(call, &work->problem);
        import->failure_message = work->problem.message;
        TRY(store_drop(call, work->table.id, -1));
        TRY(table_forget(call, &work->table));
        return import_put(call, import);
    }
    work->table.importing = false;
    TRY(table_put(call, &work->table));
    TRY(table_want_step(call, &work->table));
    return import_put(call, import);
}

RESULT import_deliver(struct call *call, const struct outbox_item *item)
{
    struct dynamodb_import import;
    struct import_work work = {.call = call, .import = &import};
    bool found, done;
    TRY(import_find(call, item->payload, &import, &found));
    if (!found || !str_eq(import.status, DYNAMODB_IMPORT_STATUS_IN_PROGRESS))
        return RESULT_OK;
    TRY(table_find(call, import.table_name, &work.table, &found));
    if (!found || work.table.id != import.table_id)
        return FAULT("a table that is being imported is not there: %.*s", PRSTR(import.table_name));
    TRY(transfer_caller(call, import.caller, import.table_arn, &work.caller));
    work.csv = str_eq(import.format, DYNAMODB_INPUT_FORMAT_CSV);
    buf_init(&work.text, call->arena, LINE_MAX_SIZE);
    buf_init(&work.notes, call->arena, 2 * NOTES_SIZE);
    enum result result = import_step(&work, &done);
    if (result == RESULT_OK || result == RESULT_ERROR)
        TRY(import_post_notes(&work));
    if (result == RESULT_ERROR)
        return import_end(&work, DYNAMODB_IMPORT_STATUS_FAILED);
    TRY(result);
    if (done)
        return import_end(&work, DYNAMODB_IMPORT_STATUS_COMPLETED);
    TRY(import_put(call, &import));
    return import_post(call, &import);
}

/* --- the operations
 * -------------------------------------------------------------------------------------------------
 */

static struct dynamodb_ImportTableDescription *import_describe(struct call *call,
                                                               struct dynamodb_import *import)
{
    struct dynamodb_ImportTableDescription *out =
        ARENA_NEW(call->arena, struct dynamodb_ImportTableDescription);
    out->ImportArn = import->arn;
    out->ImportStatus = import->status;
    out->TableArn = import->table_arn;
    out->TableId = import->table_uuid;
    out->ClientToken = import->token;
    out->CloudWatchLogGroupArn = import_log_group(call);
    out->S3BucketSource = import->source;
    out->ErrorCount = opt_long(import->errors);
    out->InputFormat = import->format;
    out->InputFormatOptions = import->options;
    out->InputCompressionType = import->compression;
    out->TableCreationParameters = import->parameters;
    out->StartTime = opt_time(import->start_ms);
    if (import->end_ms != 0)
        out->EndTime = opt_time(import->end_ms);
    out->ProcessedSizeBytes = opt_long(import->processed_bytes);
    out->ProcessedItemCount = opt_long(import->processed_items);
    out->ImportedItemCount = opt_long(import->imported_items);
    out->FailureCode = import->failure_code;
    out->FailureMessage = import->failure_message;
    return out;
}

static RESULT import_refuse(struct call *call, const struct dynamodb_ImportTableInput *in)
{
    const char *what = NULL;
    if (str_eq(in->InputFormat, DYNAMODB_INPUT_FORMAT_ION))
        what = "InputFormat ION";
    else if (str_eq(in->InputCompressionType, DYNAMODB_INPUT_COMPRESSION_TYPE_ZSTD))
        what = "InputCompressionType ZSTD";
    if (what != NULL)
        return call_fail(call, DYNAMODB_NOT_IMPLEMENTED, "ImportTable with %s is not implemented.",
                         what);
    if (in->InputFormatOptions != NULL && in->InputFormatOptions->Csv != NULL &&
        !str_eq(in->InputFormat, DYNAMODB_INPUT_FORMAT_CSV))
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: InputFormatOptions "
                                    "Csv can only be specified for InputFormat CSV");
    if (in->InputFormatOptions != NULL && in->InputFormatOptions->Csv != NULL &&
        !import_header_is_valid(&in->InputFormatOptions->Csv->HeaderList))
        return DYNAMODB_ERROR(call, "One or more parameter values were invalid: HeaderList names a "
                                    "column twice, or not at all");
    return RESULT_OK;
}

static RESULT import_make_table(struct call *call,
                                const struct dynamodb_TableCreationParameters *in,
                                struct dynamodb_table *table)
{
    const struct dynamodb_CreateTableInput create = {
        .TableName = in->TableName,
        .AttributeDefinitions = in->AttributeDefinitions,
        .KeySchema = in->KeySchema,
        .BillingMode = in->BillingMode,
        .ProvisionedThroughput = in->ProvisionedThroughput,
        .OnDemandThroughput = in->OnDemandThroughput,
        .SSESpecification = in->SSESpecification,
        .GlobalSecondaryIndexes = in->GlobalSecondaryIndexes,
        .VectorIndexes = in->VectorIndexes,
    };
    struct dynamodb_CreateTableOutput made = {0};
    TRY(dynamodb_CreateTable(call, &create, &made));
    TRY(table_get(call, in->TableName, table));
    table->importing = true;
    return table_put(call, table);
}

RESULT dynamodb_ImportTable(struct call *call, const struct dynamodb_ImportTableInput *in,
                            struct dynamodb_ImportTableOutput *out)
{
    const uint16_t shape = DYNAMODB_SHAPE_ImportTableInput;
    struct dynamodb_table table;
    struct dynamodb_import import;
    struct str made;
    bool found;
    TRY(import_refuse(call, in));
    TRY(once_meet(call, in->ClientToken, shape, in, DYNAMODB_IMPORT_CONFLICT, &made));
    if (!str_is_absent(made)) {
        TRY(import_find(call, made, &import, &found));
        if (!found)
            return FAULT("an import is not there: %.*s", PRSTR(made));
        out->ImportTableDescription = import_describe(call, &import);
        return RESULT_OK;
    }
    TRY(import_make_table(call, in->TableCreationParameters, &table));
    import = (struct dynamodb_import){
        .arn = str_format(call->arena, "%.*s/import/%.*s", PRSTR(table_arn(call->arena, &table)),
                          PRSTR(backup_make_id(call))),
        .status = DYNAMODB_IMPORT_STATUS_IN_PROGRESS,
        .table_arn = table_arn(call->arena, &table),
        .table_uuid = table.uuid,
        .table_name = table.name,
        .table_id = table.id,
        .token = in->ClientToken,
        .source = in->S3BucketSource,
        .format = in->InputFormat,
        .compression = str_is_absent(in->InputCompressionType)
                           ? DYNAMODB_INPUT_COMPRESSION_TYPE_NONE
                           : in->InputCompressionType,
        .options = in->InputFormatOptions,
        .parameters = in->TableCreationParameters,
        .start_ms = call->now_ms,
    };
    import_forget_place(&import);
    TRY(object_io_principal_keep(call, &import.caller));
    TRY(import_put(call, &import));
    TRY(import_post(call, &import));
    TRY(once_note(call, in->ClientToken, shape, in, import.arn));
    out->ImportTableDescription = import_describe(call, &import);
    return RESULT_OK;
}

RESULT dynamodb_DescribeImport(struct call *call, const struct dynamodb_DescribeImportInput *in,
                               struct dynamodb_DescribeImportOutput *out)
{
    struct dynamodb_import *import = ARENA_NEW(call->arena, struct dynamodb_import);
    bool found;
    TRY(import_find(call, in->ImportArn, import, &found));
    if (!found)
        return call_fail(call, DYNAMODB_IMPORT_NOT_FOUND, "Import not found: %.*s",
                         PRSTR(in->ImportArn));
    out->ImportTableDescription = import_describe(call, import);
    return RESULT_OK;
}

struct import_page {
    struct call *call;
    struct dynamodb_ImportSummaryList *list;
    size_t limit;
};

static bool import_list_visit(void *context, struct str value, enum result *result)
{
    struct import_page *page = context;
    struct dynamodb_import import;
    if (page->list->len == page->limit)
        return false;
    *result =
        record_decode(page->call->arena, &dynamodb_model, DYNAMODB_SHAPE_import, value, &import);
    if (*result != RESULT_OK || !transfer_is_listed(page->call, import.start_ms))
        return true;
    struct dynamodb_ImportSummary *out = &page->list->items[page->list->len++];
    out->ImportArn = import.arn;
    out->ImportStatus = import.status;
    out->TableArn = import.table_arn;
    out->CloudWatchLogGroupArn = import_log_group(page->call);
    out->S3BucketSource = import.source;
    out->InputFormat = import.format;
    out->StartTime = opt_time(import.start_ms);
    if (import.end_ms != 0)
        out->EndTime = opt_time(import.end_ms);
    return true;
}

RESULT dynamodb_ListImports(struct call *call, const struct dynamodb_ListImportsInput *in,
                            struct dynamodb_ListImportsOutput *out)
{
    struct import_page page = {call, &out->ImportSummaryList,
                               in->PageSize.set ? (size_t)in->PageSize.value : LIST_MAX};
    const struct transfer_list list = {.kind = STR("import"),
                                       .table_arn = in->TableArn,
                                       .token = in->NextToken,
                                       .visit = import_list_visit,
                                       .context = &page};
    out->ImportSummaryList.items =
        ARENA_ARRAY(call->arena, page.limit, struct dynamodb_ImportSummary);
    return transfer_list(call, &list, &out->NextToken);
}
