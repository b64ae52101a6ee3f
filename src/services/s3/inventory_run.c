/* Making an inventory's reports, a data file for each step of STEP_ROWS versions, so that no
 * transaction is long whatever the bucket holds; the manifest comes last.
 *   ("s3-inventory", bucket id, configuration id)            the epoch of its jobs
 *   ("s3-inventory-file", bucket id, configuration id, number)   a data file of the report at hand
 */
#include "base/encode.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/object_io.h"
#include "services/s3/configs.h"
#include "services/s3/flow_int.h"
#include "services/s3/inventory.h"
#include "services/s3/list_int.h"
#include "store/record.h"
#include "wire/wire.h"

#define DAY_MS INT64_C(86400000)
enum { STEP_ROWS = 5000 };
enum phase { PHASE_NEWEST, PHASE_OLDER, PHASE_MANIFEST };

struct report {
    struct call *call;
    struct s3_bucket bucket, target;
    struct s3_InventoryConfiguration what;
    struct s3_inventory_job job;
    struct buf rows;
    size_t count;
    bool refused; /* the target does not let it be written */
};

/* --- keys --- */

static struct key report_key(struct call *call, struct str table, int64_t bucket_id, struct str id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, table);
    key_i64(&key, bucket_id);
    key_str(&key, id);
    return key;
}

/* The next midnight, or that before the next Sunday's day. */
static int64_t next_time(int64_t now_ms, const struct s3_InventoryConfiguration *what, bool first)
{
    int64_t at = (now_ms / DAY_MS + 1) * DAY_MS;
    while (!first && str_eq(what->Schedule->Frequency, STR("Weekly")) &&
           time_to_civil(at).weekday != 0)
        at += DAY_MS;
    return at;
}

RESULT inventory_drop(struct call *call, int64_t bucket_id, struct str id)
{
    static const struct str tables[] = {STR_INIT("s3-inventory"), STR_INIT("s3-inventory-file")};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct key key;
        size_t deleted;
        key_init(&key, call->arena);
        key_str(&key, tables[i]);
        key_i64(&key, bucket_id);
        if (!str_is_absent(id))
            key_str(&key, id);
        TRY(kv_delete_prefix(call->txn, key_bytes(&key), SIZE_MAX, &deleted));
    }
    return RESULT_OK;
}

RESULT inventory_start(struct call *call, const struct s3_bucket *bucket,
                       const struct s3_InventoryConfiguration *what)
{
    struct key key = report_key(call, STR("s3-inventory"), bucket->id, what->Id);
    uint64_t epoch;
    TRY(inventory_drop(call, bucket->id, what->Id));
    TRY(call_sequence(call, &epoch));
    TRY(kv_put(call->txn, key_bytes(&key),
               str_format(call->arena, "%llu", (unsigned long long)epoch)));
    const struct s3_inventory_job job = {
        .bucket = bucket->name, .bucket_id = bucket->id, .id = what->Id, .epoch = (int64_t)epoch};
    return flow_job(call, STR("s3.inventory"), next_time(call->now_ms, what, true),
                    S3_SHAPE_inventory_job, &job);
}

/* --- writing into the target --- */

/* PREFIX/SOURCE/ID/name */
static struct str report_name(const struct report *r, struct str name)
{
    struct str prefix = r->what.Destination->S3BucketDestination->Prefix;
    return str_format(r->call->arena, "%.*s%s%.*s/%.*s/%.*s", PRSTR(prefix),
                      str_is_empty(prefix) ? "" : "/", PRSTR(r->bucket.name), PRSTR(r->what.Id),
                      PRSTR(name));
}

struct source_keys {
    struct str arn, account;
};

static bool source_key(void *self, struct str key, struct policy_values *out)
{
    const struct source_keys *source = self;
    if (str_eq_nocase(key, STR("aws:SourceArn")))
        *out = (struct policy_values){&source->arn, 1};
    else if (str_eq_nocase(key, STR("aws:SourceAccount")))
        *out = (struct policy_values){&source->account, 1};
    else
        return false;
    return true;
}

/* The target's policy must let S3 in ("Granting permissions for S3 Inventory"). */
static RESULT report_may(struct report *r, struct str name, bool *allowed)
{
    struct s3_policy_text policy = {0};
    struct call *call = r->call;
    bool found;
    struct principal who = {.kind = PRINCIPAL_SERVICE, .name = STR("s3.amazonaws.com")};
    struct source_keys source = {str_concat(call->arena, STR("arn:aws:s3:::"), r->bucket.name),
                                 r->bucket.account};
    TRY(setting_get(call, &r->target, S3_SETTING_POLICY, (struct str){0}, &policy, &found));
    struct authorize_ask ask = {
        .who = &who,
        .action = STR("s3:PutObject"),
        .resource =
            str_format(call->arena, "arn:aws:s3:::%.*s/%.*s", PRSTR(r->target.name), PRSTR(name)),
        .owner = r->target.account,
        .policy = policy.text,
        .form = POLICY_FORM_RESOURCE,
        .needs_policy = true,
        .find = source_key,
        .self = &source,
    };
    return authorize_may(call, &ask, allowed);
}

static RESULT report_put(struct report *r, struct str name, struct str bytes,
                         struct object_io_stored *stored)
{
    struct call *call = r->call;
    struct object_io_problem problem;
    bool allowed;
    const struct object_io_caller caller = {
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = r->target.account,
                      .name = STR("s3.amazonaws.com")},
        .source_arn = str_concat(call->arena, STR("arn:aws:s3:::"), r->bucket.name),
        .source_account = r->bucket.account,
    };
    const struct object_io_put put = {.bucket = r->target.name, .key = name};
    TRY(report_may(r, name, &allowed));
    if (!allowed) {
        log_line(LOG_WARN,
                 "s3: inventory %.*s of %.*s is not delivered: the policy of %.*s does not let S3 "
                 "write there",
                 PRSTR(r->what.Id), PRSTR(r->bucket.name), PRSTR(r->target.name));
        r->refused = true;
        return RESULT_OK;
    }
    enum result result = object_io_put_bytes(call, &caller, &put, bytes, stored, &problem);
    if (result != RESULT_ERROR)
        return result;
    log_line(LOG_WARN, "s3: inventory %.*s of %.*s is not delivered: %.*s", PRSTR(r->what.Id),
             PRSTR(r->bucket.name), PRSTR(problem.message));
    r->refused = true;
    return RESULT_OK;
}

/* --- data files --- */

static RESULT report_flush(struct report *r)
{
    struct call *call = r->call;
    struct buf packed;
    struct object_io_stored stored = {0};
    char id[36];
    if (r->rows.len == 0)
        return RESULT_OK;
    rng_uuid(id);
    struct str name =
        report_name(r, str_format(call->arena, "data/%.*s.csv.gz", (int)sizeof id, id));
    buf_init(&packed, call->arena, SIZE_MAX);
    TRY(gzip_pack(buf_str(&r->rows), &packed));
    TRY(report_put(r, name, buf_str(&packed), &stored));
    if (r->refused)
        return RESULT_OK;
    const struct s3_inventory_file file = {
        .key = name,
        .size = (int64_t)stored.size,
        .md5 = s3_hex(call->arena, stored.md5, MD5_SIZE),
    };
    struct key key = report_key(call, STR("s3-inventory-file"), r->bucket.id, r->what.Id);
    key_i64(&key, r->job.files++);
    return call_put_record(call, &key, &s3_model, S3_SHAPE_inventory_file, &file);
}

static RESULT report_add(struct report *r, struct str key, struct str value, bool latest)
{
    struct s3_object object;
    const struct inventory_version version = {.key = key, .object = &object, .latest = latest};
    TRY(record_decode(r->call->arena, &s3_model, S3_SHAPE_object, value, &object));
    r->count++;
    return inventory_row(r->call, &r->bucket, &r->what, &version, &r->rows);
}

/* Of the table of older versions: the newest is a delete marker of a key that has nothing newer. */
static RESULT is_latest(struct report *r, struct str key, bool first, bool *latest)
{
    struct key at = object_key(r->call, &r->bucket, key);
    struct str value;
    TRY(kv_get(r->call->txn, key_bytes(&at), &value));
    *latest = first && str_is_absent(value);
    return RESULT_OK;
}

static RESULT report_table(struct report *r, struct str table)
{
    struct call *call = r->call;
    struct str prefix = r->what.Filter == NULL ? STR("") : r->what.Filter->Prefix;
    struct key whole = list_prefix(call, &r->bucket, table, prefix);
    struct kv_cursor *cursor;
    bool newest = r->job.phase == PHASE_NEWEST;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&whole), false, &cursor));
    if (!str_is_absent(r->job.position))
        TRY(kv_cursor_seek(cursor, r->job.position));
    while (r->count < STEP_ROWS) {
        struct str at, value, key;
        struct key_reader rest;
        TRY(kv_next(cursor, &at, &value));
        if (str_is_absent(at)) {
            r->job.phase++;
            r->job.position = r->job.key = (struct str){0};
            break;
        }
        if (str_eq(at, r->job.position))
            continue;
        if (!list_key(call, at, &key, &rest))
            return FAULT("a broken key of an object");
        bool latest = newest, first = !str_eq(key, r->job.key);
        r->job.position = str_copy(call->arena, at);
        if (first)
            r->job.key = str_copy(call->arena, key);
        if (!newest)
            TRY(is_latest(r, r->job.key, first, &latest));
        TRY(report_add(r, r->job.key, value, latest));
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* --- the manifest --- */

static RESULT manifest_files(struct report *r, struct buf *json, struct buf *links)
{
    struct call *call = r->call;
    struct key prefix = report_key(call, STR("s3-inventory-file"), r->bucket.id, r->what.Id);
    struct kv_cursor *cursor;
    const char *comma = "";
    size_t deleted;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct str key, value;
        struct s3_inventory_file file;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &s3_model, S3_SHAPE_inventory_file, value, &file));
        buf_append_format(json, "%s{\"key\":", comma);
        wire_json_write_string(json, file.key);
        buf_append_format(json, ",\"size\":%lld,\"MD5checksum\":\"%.*s\"}", (long long)file.size,
                          PRSTR(file.md5));
        buf_append_format(links, "%ss3://%.*s/", str_is_empty(buf_str(links)) ? "" : "\n",
                          PRSTR(r->target.name));
        buf_append(links, file.key);
        comma = ",";
    }
    kv_cursor_close(cursor);
    return kv_delete_prefix(call->txn, key_bytes(&prefix), SIZE_MAX, &deleted);
}

static RESULT report_manifest(struct report *r)
{
    struct call *call = r->call;
    struct civil_time t = time_to_civil(r->job.started_ms);
    struct object_io_stored stored;
    struct buf json, links, sum;
    uint8_t md5[MD5_SIZE];
    struct str folder = str_format(call->arena, "%04d-%02d-%02dT%02d-%02dZ/", t.year, t.month,
                                   t.day, t.hour, t.minute);
    struct str hive = str_format(call->arena, "hive/dt=%04d-%02d-%02d-%02d-%02d/symlink.txt",
                                 t.year, t.month, t.day, t.hour, t.minute);
    buf_init(&json, call->arena, SIZE_MAX);
    buf_init(&links, call->arena, SIZE_MAX);
    buf_init(&sum, call->arena, 64);
    buf_append_format(&json,
                      "{\"sourceBucket\":\"%.*s\",\"destinationBucket\":\"arn:aws:s3:::%.*s\","
                      "\"version\":\"2016-11-30\",\"creationTimestamp\":\"%lld\","
                      "\"fileFormat\":\"CSV\",\"fileSchema\":\"%.*s\",\"files\":[",
                      PRSTR(r->bucket.name), PRSTR(r->target.name), (long long)r->job.started_ms,
                      PRSTR(inventory_schema(call->arena, &r->what)));
    TRY(manifest_files(r, &json, &links));
    buf_append(&json, STR("]}"));
    digest_md5(buf_str(&json), md5);
    hex_encode(&sum, str_make((const char *)md5, sizeof md5));
    struct str manifest = str_concat(call->arena, folder, STR("manifest.json"));
    struct str checksum = str_concat(call->arena, folder, STR("manifest.checksum"));
    TRY(report_put(r, report_name(r, hive), links.len == 0 ? STR("") : buf_str(&links), &stored));
    if (!r->refused)
        TRY(report_put(r, report_name(r, checksum), buf_str(&sum), &stored));
    return r->refused ? RESULT_OK
                      : report_put(r, report_name(r, manifest), buf_str(&json), &stored);
}

/* --- a step --- */

/* *mine: the job is its configuration's. */
static RESULT report_open(struct report *r, const struct outbox_item *item, bool *mine)
{
    struct call *call = r->call;
    struct str epoch;
    struct arn arn;
    int64_t number;
    bool found;
    *mine = false;
    TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_inventory_job, item->payload, &r->job));
    TRY(bucket_find(call, r->job.bucket, &r->bucket, &found));
    if (!found || r->bucket.id != r->job.bucket_id)
        return RESULT_OK;
    struct key key = report_key(call, STR("s3-inventory"), r->bucket.id, r->job.id);
    TRY(kv_get(call->txn, key_bytes(&key), &epoch));
    if (str_is_absent(epoch) || !str_to_i64(epoch, &number) || number != r->job.epoch)
        return RESULT_OK;
    TRY(setting_get(call, &r->bucket, S3_SETTING_INVENTORY, r->job.id, &r->what, &found));
    if (!found)
        return inventory_drop(call, r->bucket.id, r->job.id);
    if (!arn_parse(r->what.Destination->S3BucketDestination->Bucket, &arn))
        return RESULT_OK;
    TRY(bucket_find(call, arn.resource, &r->target, mine));
    return RESULT_OK;
}

static RESULT report_next_time(struct report *r)
{
    const struct s3_inventory_job job = {.bucket = r->bucket.name,
                                         .bucket_id = r->bucket.id,
                                         .id = r->what.Id,
                                         .epoch = r->job.epoch};
    return flow_job(r->call, STR("s3.inventory"), next_time(r->call->now_ms, &r->what, false),
                    S3_SHAPE_inventory_job, &job);
}

RESULT inventory_deliver(struct call *call, const struct outbox_item *item)
{
    struct report r = {.call = call};
    bool mine;
    TRY(report_open(&r, item, &mine));
    if (!mine)
        return RESULT_OK; /* deleted, replaced, or nowhere to put it */
    call->account = r.bucket.account;
    call->region = r.bucket.region;
    if (!r.what.IsEnabled.value)
        return report_next_time(&r);
    if (r.job.started_ms == 0)
        r.job.started_ms = call->now_ms;
    buf_init(&r.rows, call->arena, SIZE_MAX);
    if (r.job.phase == PHASE_NEWEST)
        TRY(report_table(&r, STR("s3-object")));
    if (r.job.phase == PHASE_OLDER && !inventory_wants_versions(&r.what))
        r.job.phase = PHASE_MANIFEST;
    if (r.job.phase == PHASE_OLDER)
        TRY(report_table(&r, STR("s3-version")));
    TRY(report_flush(&r));
    if (!r.refused && r.job.phase != PHASE_MANIFEST)
        return flow_go_on(call, STR("s3.inventory"), r.bucket.id, S3_SHAPE_inventory_job, &r.job);
    if (!r.refused)
        TRY(report_manifest(&r));
    return report_next_time(&r);
}
