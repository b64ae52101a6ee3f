/* Log files: what trails took, as gzip JSON in their buckets ("CloudTrail log file examples",
 * "Finding your CloudTrail log files", AWS CloudTrail User Guide). */
#include <time.h>
#include <zlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "cloud/object_io.h"
#include "gen/s3.h"
#include "services/cloudtrail/cloudtrail_int.h"

static struct key queue_key(struct call *call, const struct cloudtrail_trail *trail)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloudtrail-queue"));
    key_str(&key, trail->account);
    key_str(&key, trail->region);
    key_str(&key, trail->name);
    return key;
}

RESULT trail_queue_drop(struct call *call, const struct cloudtrail_trail *trail)
{
    struct key prefix = queue_key(call, trail);
    size_t deleted;
    return kv_delete_prefix(call->txn, key_bytes(&prefix), SIZE_MAX, &deleted);
}

static struct str trail_payload(struct call *call, const struct cloudtrail_trail *trail)
{
    return str_format(call->arena, "%.*s %.*s %.*s", PRSTR(trail->account), PRSTR(trail->region),
                      PRSTR(trail->name));
}

static RESULT delivery_schedule(struct call *call, struct cloudtrail_trail *trail, int64_t wait_ms)
{
    trail->delivering = true;
    TRY(trail_put(call, trail));
    return job_schedule(call, STR("cloudtrail.logs"), call->now_ms + wait_ms,
                        trail_payload(call, trail), NULL);
}

/* By region, so that a file holds the events of one. An event that is kept again after a crash
 * takes its own place. */
RESULT trail_enqueue(struct call *call, struct cloudtrail_trail *trail,
                     const struct cloud_trail_event *event)
{
    struct key key = queue_key(call, trail);
    key_str(&key, event->region);
    key_i64(&key, event->time_ms);
    key_str(&key, event->id);
    TRY(kv_put(call->txn, key_bytes(&key), event->text));
    return trail->delivering ? RESULT_OK : delivery_schedule(call, trail, DELIVERY_MS);
}

/* --- writing --- */

static struct object_io_caller trail_caller(struct call *call, const struct cloudtrail_trail *trail)
{
    return (struct object_io_caller){
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = trail->account,
                      .name = STR("cloudtrail.amazonaws.com")},
        .source_arn = trail_arn(call, trail),
        .source_account = trail->account,
    };
}

static struct str trail_folder(struct call *call, const struct cloudtrail_trail *trail)
{
    return str_format(call->arena, "%.*s%sAWSLogs/%.*s/", PRSTR(trail->prefix),
                      str_is_empty(trail->prefix) ? "" : "/", PRSTR(trail->account));
}

static RESULT bucket_refused(struct call *call, const struct cloudtrail_trail *trail,
                             struct str code)
{
    log_line(LOG_DEBUG, "a trail's bucket refuses it: %.*s", PRSTR(code));
    if (str_eq(code, STR("NoSuchBucket")))
        return call_fail(call, CLOUDTRAIL_S3_BUCKET_DOES_NOT_EXIST,
                         "S3 bucket %.*s does not exist!", PRSTR(trail->bucket));
    return call_fail(call, CLOUDTRAIL_INSUFFICIENT_S3_BUCKET_POLICY,
                     "Incorrect S3 bucket policy is detected for bucket: %.*s",
                     PRSTR(trail->bucket));
}

/* The policy that "Amazon S3 bucket policy for CloudTrail" gives allows two things: both are
 * tried. */
RESULT trail_check_bucket(struct call *call, const struct cloudtrail_trail *trail)
{
    const struct object_io_caller caller = trail_caller(call, trail);
    const struct object_io_put put = {
        .bucket = trail->bucket,
        .key = trail_folder(call, trail),
        .acl = STR("bucket-owner-full-control"),
    };
    const struct s3_GetBucketAclRequest acl = {.Bucket = trail->bucket};
    const struct call_invocation ask = {
        .model = &s3_model,
        .operation = S3_OP_GetBucketAcl,
        .in = &acl,
        .principal = caller.principal,
        .account = trail->account,
        .region = trail->region,
        .source_arn = caller.source_arn,
        .source_account = caller.source_account,
    };
    struct object_io_stored stored;
    struct object_io_problem problem = {0};
    const void *reply;
    uint32_t error;
    struct str message;
    enum result result = call_invoke(call, &ask, &reply, &error, &message);
    if (result == RESULT_ERROR)
        return bucket_refused(call, trail, wire_string(&s3_model, s3_model.errors[error].code));
    TRY(result);
    result = object_io_put_bytes(call, &caller, &put, STR(""), &stored, &problem);
    return result == RESULT_ERROR ? bucket_refused(call, trail, problem.code) : result;
}

/* --- one file --- */

enum { FILE_EVENTS = 5000, FILE_BYTES = 8 << 20 };

static RESULT file_compress(struct call *call, struct str plain, struct str *out)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return FAULT("deflateInit2 failed");
    size_t room = deflateBound(&stream, plain.len);
    char *bytes = arena_alloc_raw(call->arena, room);
    union {
        const char *in;
        Bytef *next;
    } source = {.in = plain.ptr}; /* zlib's own prototype lacks the const */
    stream.next_in = source.next;
    stream.avail_in = (uInt)plain.len;
    stream.next_out = (Bytef *)bytes;
    stream.avail_out = (uInt)room;
    int state = deflate(&stream, Z_FINISH);
    *out = str_make(bytes, room - stream.avail_out);
    deflateEnd(&stream);
    return state == Z_STREAM_END ? RESULT_OK : FAULT("deflate failed");
}

/* PREFIX/AWSLogs/ACCOUNT/CloudTrail/REGION/2026/11/21/ACCOUNT_CloudTrail_REGION_20261121T0805Z_
 * RANDOM.json.gz */
static struct str file_name(struct call *call, const struct cloudtrail_trail *trail,
                            struct str region)
{
    time_t seconds = (time_t)(call->now_ms / 1000);
    struct tm parts;
    char day[32] = "", minute[32] = "";
    struct str letters = STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    struct str random = rng_text(call->arena, letters, 16), folder = trail_folder(call, trail);
    if (gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(day, sizeof day, "%Y/%m/%d", &parts);
        (void)strftime(minute, sizeof minute, "%Y%m%dT%H%MZ", &parts);
    }
    return str_format(call->arena, "%.*sCloudTrail/%.*s/%s/%.*s_CloudTrail_%.*s_%s_%.*s.json.gz",
                      PRSTR(folder), PRSTR(region), day, PRSTR(trail->account), PRSTR(region),
                      minute, PRSTR(random));
}

/* The events of one region, up to a file's worth. */
struct file {
    struct str region;
    struct buf text;
    struct str *keys;
    size_t count;
};

static RESULT file_collect(struct call *call, const struct cloudtrail_trail *trail,
                           struct file *file)
{
    struct key prefix = queue_key(call, trail);
    struct kv_cursor *cursor;
    struct str key, text, skip;
    file->keys = ARENA_ARRAY(call->arena, FILE_EVENTS, struct str);
    buf_init(&file->text, call->arena, SIZE_MAX);
    buf_append(&file->text, STR("{\"Records\":["));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (file->count < FILE_EVENTS && file->text.len < FILE_BYTES) {
        TRY(kv_next(cursor, &key, &text));
        if (str_is_absent(key))
            break;
        struct str region;
        struct key_reader reader = key_read(call->arena, key);
        for (int i = 0; i < 4; i++)
            if (!key_next_str(&reader, &skip))
                return FAULT("a broken key of a trail's queue");
        if (!key_next_str(&reader, &region))
            return FAULT("a broken key of a trail's queue");
        if (file->count == 0)
            file->region = str_copy(call->arena, region);
        else if (!str_eq(region, file->region))
            break;
        if (file->count > 0)
            buf_append(&file->text, STR(","));
        buf_append(&file->text, text);
        file->keys[file->count++] = str_copy(call->arena, key);
    }
    kv_cursor_close(cursor);
    buf_append(&file->text, STR("]}"));
    return RESULT_OK;
}

static RESULT file_deliver(struct call *call, struct cloudtrail_trail *trail,
                           const struct file *file)
{
    const struct object_io_caller caller = trail_caller(call, trail);
    const struct object_io_put put = {
        .bucket = trail->bucket,
        .key = file_name(call, trail, file->region),
        .content_type = STR("application/json"),
        .content_encoding = STR("gzip"),
        .acl = STR("bucket-owner-full-control"),
    };
    struct object_io_stored stored;
    struct object_io_problem problem = {0};
    struct str bytes;
    TRY(file_compress(call, buf_str(&file->text), &bytes));
    enum result result = object_io_put_bytes(call, &caller, &put, bytes, &stored, &problem);
    trail->attempted_ms = call->now_ms;
    if (result == RESULT_ERROR) {
        trail->delivery_error = problem.code;
        return RESULT_OK;
    }
    TRY(result);
    trail->delivery_error = (struct str){0};
    trail->delivered_ms = call->now_ms;
    for (size_t i = 0; i < file->count; i++)
        TRY(kv_delete(call->txn, file->keys[i], NULL));
    return RESULT_OK;
}

/* One file a delivery; what the bucket refuses is tried again later, for as long as the trail
 * stands. */
RESULT cloudtrail_deliver_logs(struct call *call, const struct outbox_item *item)
{
    struct cloudtrail_trail trail;
    struct file file = {0};
    struct str account, region, name, rest = str_copy(call->arena, item->payload);
    bool found;
    str_cut(rest, ' ', &account, &rest);
    str_cut(rest, ' ', &region, &name);
    struct key key = trail_key(call, account, region, name);
    TRY(call_get_record_copy(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_trail, &trail,
                             &found));
    if (!found)
        return RESULT_OK;
    trail.delivering = false;
    TRY(file_collect(call, &trail, &file));
    if (file.count == 0)
        return trail_put(call, &trail);
    TRY(file_deliver(call, &trail, &file));
    if (!str_is_absent(trail.delivery_error))
        return delivery_schedule(call, &trail, DELIVERY_MS);
    return delivery_schedule(call, &trail, 0); /* until nothing is left */
}
