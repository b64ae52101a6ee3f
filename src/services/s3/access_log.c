/* PutBucketLogging, GetBucketLogging, and what becomes of the lines:
 *   ("s3-log", bucket id, day, sequence)   a line
 *   ("s3-log-due", bucket id)              a job is there to gather them */
#include "services/s3/access_log.h"

#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"
#include "base/vec.h"
#include "cloud/clock.h"
#include "cloud/object_io.h"
#include "services/s3/flow_int.h"
#include "services/s3/settings.h"
#include "store/record.h"

#define DAY_MS INT64_C(86400000)
enum { GATHER_MS = 5 * 60 * 1000, GATHER_BYTES = 4 * 1024 * 1024 };

/* --- the configuration --- */

static RESULT check_target(struct call *call, const struct s3_bucket *bucket,
                           const struct s3_LoggingEnabled *wanted)
{
    struct s3_bucket target;
    bool found;
    TRY(bucket_find(call, wanted->TargetBucket, &target, &found));
    if (!found)
        return call_fail(call, S3_INVALID_TARGET_BUCKET_FOR_LOGGING,
                         "The target bucket for logging does not exist");
    if (!str_eq(target.account, bucket->account))
        return call_fail(call, S3_INVALID_TARGET_BUCKET_FOR_LOGGING,
                         "The owner for the bucket to be logged and the target bucket must be the "
                         "same.");
    if (!str_eq(target.region, bucket->region))
        return call_fail(call, S3_CROSS_LOCATION_LOGGING_PROHIBITED,
                         "Cross S3 location logging not allowed. ");
    if (wanted->TargetGrants.len > 0)
        return call_fail(call, S3_ACCESS_CONTROL_LIST_NOT_SUPPORTED,
                         "The bucket does not allow ACLs");
    return RESULT_OK;
}

RESULT s3_PutBucketLogging(struct call *call, const struct s3_PutBucketLoggingRequest *in,
                           struct s3_PutBucketLoggingResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (in->BucketLoggingStatus == NULL)
        return flow_fail_xml(call);
    const struct s3_LoggingEnabled *wanted = in->BucketLoggingStatus->LoggingEnabled;
    if (wanted == NULL)
        return setting_delete(call, &bucket, S3_SETTING_LOGGING, (struct str){0}, &existed);
    const struct s3_TargetObjectKeyFormat *format = wanted->TargetObjectKeyFormat;
    if (str_is_empty(wanted->TargetBucket) || str_is_absent(wanted->TargetPrefix) ||
        (format != NULL && (format->SimplePrefix != NULL) == (format->PartitionedPrefix != NULL)))
        return flow_fail_xml(call);
    if (format != NULL && format->PartitionedPrefix != NULL &&
        !str_is_absent(format->PartitionedPrefix->PartitionDateSource) &&
        !flow_is_one_of(format->PartitionedPrefix->PartitionDateSource,
                        STR("EventTime DeliveryTime")))
        return flow_fail_xml(call);
    TRY(check_target(call, &bucket, wanted));
    return setting_put(call, &bucket, S3_SETTING_LOGGING, (struct str){0}, in->BucketLoggingStatus);
}

RESULT s3_GetBucketLogging(struct call *call, const struct s3_GetBucketLoggingRequest *in,
                           struct s3_GetBucketLoggingOutput *out)
{
    struct s3_bucket bucket;
    struct s3_BucketLoggingStatus have;
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(setting_get(call, &bucket, S3_SETTING_LOGGING, (struct str){0}, &have, &found));
    if (found)
        out->LoggingEnabled = have.LoggingEnabled;
    return RESULT_OK;
}

/* --- a line --- */

struct noted_line {
    struct s3_bucket bucket;
    struct access_line line;
};
struct noted {
    struct s3_bucket *buckets;
    struct noted_line *lines;
    size_t bucket_count, bucket_cap, line_count, line_cap;
};

void access_log_note(struct call *call, const struct s3_bucket *bucket)
{
    struct noted *noted = call->noted;
    if (call->request == NULL || !setting_is_there(bucket, S3_SETTING_LOGGING))
        return;
    if (noted == NULL)
        call->noted = noted = ARENA_NEW(call->arena, struct noted);
    for (size_t i = 0; i < noted->bucket_count; i++)
        if (noted->buckets[i].id == bucket->id)
            return;
    VEC_PUSH(call->arena, noted->buckets, noted->bucket_count, noted->bucket_cap, *bucket);
}

void access_log_also(struct call *call, const struct s3_bucket *bucket,
                     const struct access_line *line)
{
    struct noted *noted = call->noted;
    struct noted_line one = {*bucket, *line};
    if (noted == NULL || !setting_is_there(bucket, S3_SETTING_LOGGING))
        return;
    VEC_PUSH(call->arena, noted->lines, noted->line_count, noted->line_cap, one);
}

static struct key lines_key(struct call *call, int64_t bucket_id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-log"));
    key_i64(&key, bucket_id);
    return key;
}

static struct key due_key(struct call *call, int64_t bucket_id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-log-due"));
    key_i64(&key, bucket_id);
    return key;
}

static RESULT keep_line(struct call *call, const struct s3_bucket *bucket, struct str line)
{
    struct key key = lines_key(call, bucket->id), due = due_key(call, bucket->id);
    uint64_t sequence;
    struct str there;
    TRY(call_sequence(call, &sequence));
    key_i64(&key, call->now_ms / DAY_MS);
    key_u64(&key, sequence);
    TRY(kv_put(call->txn, key_bytes(&key), line));
    TRY(kv_get(call->txn, key_bytes(&due), &there));
    if (!str_is_absent(there))
        return RESULT_OK;
    TRY(kv_put(call->txn, key_bytes(&due), STR("")));
    const struct s3_log_job job = {.bucket = bucket->name, .bucket_id = bucket->id};
    return flow_job(call, STR("s3.logs"), (call->now_ms / GATHER_MS + 1) * GATHER_MS,
                    S3_SHAPE_log_job, &job);
}

RESULT access_log_lifecycle(struct call *call, const struct s3_bucket *bucket,
                            const char *operation, struct str key, const struct s3_object *object)
{
    if (!setting_is_there(bucket, S3_SETTING_LOGGING))
        return RESULT_OK;
    return keep_line(call, bucket, access_log_own_line(call, bucket, operation, key, object));
}

/* The bucket that the request is about; an access point's when its path names none of them. */
static const struct s3_bucket *noted_main(const struct call *call, const struct noted *noted,
                                          struct str path)
{
    struct str name, key;
    access_log_path(path, &name, &key);
    for (size_t i = 0; i < noted->bucket_count; i++)
        if (str_eq(noted->buckets[i].name, name))
            return &noted->buckets[i];
    bool copies = call->operation == S3_OP_CopyObject || call->operation == S3_OP_UploadPartCopy;
    return copies || noted->bucket_count == 0 ? NULL : &noted->buckets[0];
}

static RESULT keep_lines(struct call *log, const struct call *call, const struct call_end *end)
{
    const struct noted *noted = call->noted;
    const struct s3_bucket *bucket = noted_main(call, noted, end->path);
    if (bucket != NULL) {
        log->account = bucket->account;
        log->region = bucket->region;
        TRY(keep_line(log, bucket, access_log_line(log->arena, bucket, call, end, NULL)));
    }
    for (size_t i = 0; i < noted->line_count; i++) {
        const struct noted_line *one = &noted->lines[i];
        log->account = one->bucket.account;
        log->region = one->bucket.region;
        TRY(keep_line(log, &one->bucket,
                      access_log_line(log->arena, &one->bucket, call, end, &one->line)));
    }
    return RESULT_OK;
}

/* Logs are delivered "on a best effort basis": what fails here is only told. */
void access_log_ended(const struct call *call, const struct call_end *end)
{
    if (call->noted == NULL)
        return;
    struct call log = {
        .arena = call->arena,
        .cloud = call->cloud,
        .model = call->model,
        .partition = call->partition,
        .request_id = call->request_id,
        .now_ms = clock_now(call->cloud->clock),
    };
    enum result result = kv_begin(call->cloud->kv, true, &log.txn);
    if (result == RESULT_OK) {
        result = keep_lines(&log, call, end);
        if (result == RESULT_OK)
            result = call_commit(&log);
        else
            kv_abort(log.txn);
    }
    if (result != RESULT_OK)
        log_line(LOG_WARN, "s3: lines of access logs were lost");
}

/* --- objects of lines --- */

struct gathering {
    struct buf text;
    int64_t day;
    bool more;
};

/* Takes lines of one day. */
static RESULT gather(struct call *call, int64_t bucket_id, struct gathering *out)
{
    struct key prefix = lines_key(call, bucket_id);
    struct kv_cursor *cursor;
    bool first = true;
    buf_init(&out->text, call->arena, 2 * GATHER_BYTES);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct str key, line, table;
        int64_t id, day;
        TRY(kv_next(cursor, &key, &line));
        if (str_is_absent(key))
            break;
        struct key_reader reader = key_read(call->arena, key);
        if (!key_next_str(&reader, &table) || !key_next_i64(&reader, &id) ||
            !key_next_i64(&reader, &day))
            return FAULT("a broken key of a line");
        out->more = (!first && day != out->day) || out->text.len >= GATHER_BYTES;
        if (out->more)
            break;
        out->day = day;
        first = false;
        buf_append(&out->text, line);
        TRY(kv_delete(call->txn, str_copy(call->arena, key), NULL));
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* "Log object key format" */
static struct str log_name(struct call *call, const struct s3_bucket *bucket,
                           const struct s3_LoggingEnabled *to, int64_t day)
{
    const struct s3_TargetObjectKeyFormat *format = to->TargetObjectKeyFormat;
    struct str unique, partition = STR("");
    uint8_t noise[8];
    struct civil_time t = time_to_civil(call->now_ms);
    rng_bytes(noise, sizeof noise);
    unique = s3_hex(call->arena, noise, sizeof noise);
    if (format != NULL && format->PartitionedPrefix != NULL) {
        if (str_eq(format->PartitionedPrefix->PartitionDateSource, STR("EventTime")))
            t = time_to_civil(day * DAY_MS);
        partition =
            str_format(call->arena, "%.*s/%.*s/%.*s/%04d/%02d/%02d/", PRSTR(bucket->account),
                       PRSTR(bucket->region), PRSTR(bucket->name), t.year, t.month, t.day);
    }
    return str_format(call->arena, "%.*s%.*s%04d-%02d-%02d-%02d-%02d-%02d-%.*s",
                      PRSTR(to->TargetPrefix), PRSTR(partition), t.year, t.month, t.day, t.hour,
                      t.minute, t.second, PRSTR(unique));
}

static RESULT deliver_lines(struct call *call, const struct s3_bucket *bucket,
                            const struct s3_LoggingEnabled *to, const struct gathering *lines)
{
    const struct object_io_caller caller = {
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = bucket->account,
                      .name = STR("logging.s3.amazonaws.com")},
        .source_arn = str_concat(call->arena, STR("arn:aws:s3:::"), bucket->name),
        .source_account = bucket->account,
    };
    const struct object_io_put put = {
        .bucket = to->TargetBucket,
        .key = log_name(call, bucket, to, lines->day),
        .content_type = STR("text/plain"),
        .expected_owner = bucket->account,
    };
    struct object_io_stored stored;
    struct object_io_problem problem;
    enum result result =
        object_io_put_bytes(call, &caller, &put, buf_str(&lines->text), &stored, &problem);
    if (result == RESULT_ERROR) {
        log_line(LOG_WARN, "s3: the access log of %.*s is not delivered to %.*s: %.*s",
                 PRSTR(bucket->name), PRSTR(to->TargetBucket), PRSTR(problem.message));
        return RESULT_OK; /* dropped, as S3 does */
    }
    return result;
}

RESULT access_log_deliver(struct call *call, const struct outbox_item *item)
{
    struct s3_log_job job;
    struct s3_bucket bucket;
    struct s3_BucketLoggingStatus have;
    struct gathering lines = {0};
    bool found;
    TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_log_job, item->payload, &job));
    TRY(gather(call, job.bucket_id, &lines));
    struct key due = due_key(call, job.bucket_id);
    TRY(kv_delete(call->txn, key_bytes(&due), NULL));
    TRY(bucket_find(call, job.bucket, &bucket, &found));
    if (lines.more) {
        TRY(kv_put(call->txn, key_bytes(&due), STR("")));
        TRY(flow_go_on(call, STR("s3.logs"), job.bucket_id, S3_SHAPE_log_job, &job));
    }
    if (!found || bucket.id != job.bucket_id)
        return RESULT_OK;
    call->account = bucket.account;
    call->region = bucket.region;
    TRY(setting_get(call, &bucket, S3_SETTING_LOGGING, (struct str){0}, &have, &found));
    if (!found || lines.text.len == 0)
        return RESULT_OK;
    return deliver_lines(call, &bucket, have.LoggingEnabled, &lines);
}
