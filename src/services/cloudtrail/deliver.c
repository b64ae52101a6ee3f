/* Log files: what trails took, as gzip JSON in their buckets ("CloudTrail log file examples",
 * "Finding your CloudTrail log files", AWS CloudTrail User Guide). */
#include "base/gzip.h"
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

/* --- places --- */

struct str trail_place(struct call *call, const struct cloudtrail_trail *trail, struct str account,
                       struct str region)
{
    if (str_eq(account, trail->account))
        return region;
    return str_format(call->arena, "%.*s %.*s", PRSTR(region), PRSTR(account));
}

void trail_place_parts(const struct cloudtrail_trail *trail, struct str place, struct str *account,
                       struct str *region)
{
    if (!str_cut(place, ' ', region, account)) {
        *region = place;
        *account = trail->account;
    }
}

/* By place, so that a file holds the events of one. An event that is kept again after a crash
 * takes its own place. */
RESULT trail_enqueue(struct call *call, struct cloudtrail_trail *trail,
                     const struct cloud_trail_event *event)
{
    struct key key = queue_key(call, trail);
    key_str(&key, trail_place(call, trail, event->account, event->region));
    key_i64(&key, event->time_ms);
    key_str(&key, event->id);
    TRY(kv_put(call->txn, key_bytes(&key), event->text));
    return trail->delivering ? RESULT_OK : delivery_schedule(call, trail, DELIVERY_MS);
}

/* --- writing --- */

struct object_io_caller trail_caller(struct call *call, const struct cloudtrail_trail *trail)
{
    return (struct object_io_caller){
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = trail->account,
                      .name = STR("cloudtrail.amazonaws.com")},
        .source_arn = trail_arn(call, trail),
        .source_account = trail->account,
    };
}

struct str trail_folder(struct call *call, const struct cloudtrail_trail *trail, struct str account)
{
    return str_format(call->arena, "%.*s%sAWSLogs/%.*s%s%.*s/", PRSTR(trail->prefix),
                      str_is_empty(trail->prefix) ? "" : "/", PRSTR(trail->organization),
                      str_is_absent(trail->organization) ? "" : "/", PRSTR(account));
}

static RESULT bucket_refused(struct call *call, const struct cloudtrail_trail *trail,
                             const struct object_io_problem *problem)
{
    log_line(LOG_DEBUG, "a trail's bucket refuses it: %.*s", PRSTR(problem->code));
    if (str_eq(problem->code, STR("NoSuchBucket")))
        return call_fail(call, CLOUDTRAIL_S3_BUCKET_DOES_NOT_EXIST,
                         "S3 bucket %.*s does not exist!", PRSTR(trail->bucket));
    if (str_starts_with(problem->code, STR("KMS")) ||
        str_find(problem->message, STR("kms:")) != SIZE_MAX)
        return call_fail(call, CLOUDTRAIL_INSUFFICIENT_ENCRYPTION_POLICY,
                         "Insufficient permissions to access S3 bucket %.*s or KMS key %.*s.",
                         PRSTR(trail->bucket), PRSTR(trail->kms_key));
    return call_fail(call, CLOUDTRAIL_INSUFFICIENT_S3_BUCKET_POLICY,
                     "Incorrect S3 bucket policy is detected for bucket: %.*s",
                     PRSTR(trail->bucket));
}

static RESULT bucket_ask_acl(struct call *call, const struct cloudtrail_trail *trail)
{
    const struct object_io_caller caller = trail_caller(call, trail);
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
    struct object_io_problem problem = {0};
    const void *reply;
    uint32_t error;
    enum result result = call_invoke(call, &ask, &reply, &error, &problem.message);
    if (result != RESULT_ERROR)
        return result;
    problem.code = wire_string(&s3_model, s3_model.errors[error].code);
    return bucket_refused(call, trail, &problem);
}

/* The policy that "Amazon S3 bucket policy for CloudTrail" gives allows two things: both are
 * tried. */
RESULT trail_check_bucket(struct call *call, const struct cloudtrail_trail *trail)
{
    const struct object_io_caller caller = trail_caller(call, trail);
    const struct object_io_put put = {
        .bucket = trail->bucket,
        .key = trail_folder(call, trail, trail->account),
        .acl = STR("bucket-owner-full-control"),
        .kms_key = trail->kms_key,
    };
    struct object_io_stored stored;
    struct object_io_problem problem = {0};
    TRY(bucket_ask_acl(call, trail));
    enum result result = object_io_put_bytes(call, &caller, &put, STR(""), &stored, &problem);
    return result == RESULT_ERROR ? bucket_refused(call, trail, &problem) : result;
}

/* --- one file --- */

enum { FILE_EVENTS = 5000, FILE_BYTES = 8 << 20 };

/* PREFIX/AWSLogs/ACCOUNT/CloudTrail/REGION/2026/11/21/ACCOUNT_CloudTrail_REGION_20261121T0805Z_
 * RANDOM.json.gz */
static struct str file_name(struct call *call, const struct cloudtrail_trail *trail,
                            struct str account, struct str region)
{
    struct civil_time now = time_to_civil(call->now_ms);
    struct str letters = STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    struct str random = rng_text(call->arena, letters, 16);
    struct str folder = trail_folder(call, trail, account);
    return str_format(call->arena,
                      "%.*sCloudTrail/%.*s/%04d/%02d/%02d/"
                      "%.*s_CloudTrail_%.*s_%04d%02d%02dT%02d%02dZ_%.*s.json.gz",
                      PRSTR(folder), PRSTR(region), now.year, now.month, now.day, PRSTR(account),
                      PRSTR(region), now.year, now.month, now.day, now.hour, now.minute,
                      PRSTR(random));
}

/* The events of one place, up to a file's worth. */
struct file {
    struct str place;
    struct buf text;
    struct str *keys;
    size_t count;
    int64_t oldest_ms, newest_ms;
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
        struct str place;
        int64_t time_ms;
        struct key_reader reader = key_read(call->arena, key);
        for (int i = 0; i < 4; i++)
            if (!key_next_str(&reader, &skip))
                return FAULT("a broken key of a trail's queue");
        if (!key_next_str(&reader, &place) || !key_next_i64(&reader, &time_ms))
            return FAULT("a broken key of a trail's queue");
        if (file->count == 0) {
            file->place = str_copy(call->arena, place);
            file->oldest_ms = time_ms;
        } else if (!str_eq(place, file->place)) {
            break;
        } else {
            buf_append(&file->text, STR(","));
        }
        file->newest_ms = time_ms; /* they come in its order */
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
    struct str account, region;
    trail_place_parts(trail, file->place, &account, &region);
    const struct object_io_put put = {
        .bucket = trail->bucket,
        .key = file_name(call, trail, account, region),
        .content_type = STR("application/json"),
        .content_encoding = STR("gzip"),
        .acl = STR("bucket-owner-full-control"),
        .kms_key = trail->kms_key,
    };
    struct cloudtrail_log_file note = {
        .object = put.key, .oldest_ms = file->oldest_ms, .newest_ms = file->newest_ms};
    struct object_io_stored stored;
    struct object_io_problem problem = {0};
    struct buf packed;
    buf_init(&packed, call->arena, SIZE_MAX);
    TRY(gzip_pack(buf_str(&file->text), &packed));
    enum result result =
        object_io_put_bytes(call, &caller, &put, buf_str(&packed), &stored, &problem);
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
    return trail_digest_note(call, trail, file->place, &note, buf_str(&file->text));
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
