/* The walk of a bucket by its lifecycle: first its newest versions, then older ones and delete
 * markers, then uploads. A step looks at STEP_LOOKS records at most and changes STEP_CHANGES; the
 * event that follows it in the same transaction knows where it ended: a crash repeats nothing and
 * leaves nothing out. */
#include "services/s3/access_log.h"
#include "services/s3/changes.h"
#include "services/s3/flow_int.h"
#include "services/s3/lifecycle.h"
#include "services/s3/list_int.h"
#include "services/s3/lock.h"
#include "services/s3/settings.h"
#include "store/record.h"

#define DAY_MS INT64_C(86400000)
#define SECOND_MS INT64_C(1000)
enum { STEP_LOOKS = 1000, STEP_CHANGES = 200 };
enum phase { PHASE_NEWEST, PHASE_OLDER, PHASE_UPLOADS, PHASE_DONE };

struct run {
    struct call *call;
    struct s3_bucket bucket;
    struct s3_BucketLifecycleConfiguration rules;
    struct s3_lifecycle_job job;
    struct str prefix; /* that all rules have in common */
    int looks, changes;
};

/* --- the job --- */

static RESULT job_post_next_day(struct call *call, const struct s3_bucket *bucket)
{
    struct s3_lifecycle_job job = {.bucket = bucket->name,
                                   .bucket_id = bucket->id,
                                   .epoch = bucket->lifecycle_epoch,
                                   .as_of_ms = (call->now_ms / DAY_MS + 1) * DAY_MS};
    return flow_job(call, STR("s3.lifecycle"), job.as_of_ms, S3_SHAPE_lifecycle_job, &job);
}

RESULT lifecycle_start(struct call *call, struct s3_bucket *bucket)
{
    uint64_t epoch;
    TRY(call_sequence(call, &epoch));
    bucket->lifecycle_epoch = (int64_t)epoch;
    return job_post_next_day(call, bucket);
}

/* Something will be due. */
static void run_note(struct run *run, int64_t due_ms)
{
    if (due_ms < run->job.next_ms)
        run->job.next_ms = due_ms;
}

/* --- what is done to a version --- */

static RESULT run_expire(struct run *run, struct str key, const struct object_place *place,
                         bool noncurrent)
{
    struct call *call = run->call;
    struct s3_change change = {.kind = S3_EXPIRED, .key = key, .object = &place->object};
    run->changes++;
    if (noncurrent || place->object.delete_marker || !bucket_is_versioned(&run->bucket)) {
        TRY(object_remove(call, &run->bucket, key, place));
        TRY(access_log_lifecycle(call, &run->bucket, "S3.EXPIRE.OBJECT", key, &place->object));
        return s3_changed(call, &run->bucket, &change);
    }
    /* Markers that lifecycle makes are not replicated. */
    struct s3_object marker = {.delete_marker = true, .replication_status = STR("")};
    change.kind = S3_EXPIRED_MARKER;
    change.object = &marker;
    TRY(object_add(call, &run->bucket, key, &marker));
    TRY(access_log_lifecycle(call, &run->bucket, "S3.CREATE.DELETEMARKER", key, &marker));
    return s3_changed(call, &run->bucket, &change);
}

/* As access logs call it. */
static const char *transition_name(struct str storage_class)
{
    static const struct {
        struct str storage_class;
        const char *name;
    } names[] = {
        {STR_INIT("STANDARD_IA"), "S3.TRANSITION_SIA.OBJECT"},
        {STR_INIT("ONEZONE_IA"), "S3.TRANSITION_ZIA.OBJECT"},
        {STR_INIT("INTELLIGENT_TIERING"), "S3.TRANSITION_INT.OBJECT"},
        {STR_INIT("GLACIER_IR"), "S3.TRANSITION_GIR.OBJECT"},
        {STR_INIT("DEEP_ARCHIVE"), "S3.TRANSITION_GDA.OBJECT"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(storage_class, names[i].storage_class))
            return names[i].name;
    return "S3.TRANSITION.OBJECT";
}

static RESULT run_transition(struct run *run, struct str key, struct object_place *place,
                             struct str storage_class)
{
    const struct s3_change change = {.kind = S3_TRANSITIONED, .key = key, .object = &place->object};
    run->changes++;
    place->object.storage_class = storage_class;
    place->object.transitioned_ms = run->call->now_ms;
    TRY(object_update(run->call, &run->bucket, key, place));
    TRY(access_log_lifecycle(run->call, &run->bucket, transition_name(storage_class), key,
                             &place->object));
    return s3_changed(run->call, &run->bucket, &change);
}

/* value: of the record, borrowed; read again when something is to be done. *gone: it was removed.
 */
static RESULT run_version(struct run *run, struct lifecycle_facts *facts, bool current, bool *gone)
{
    struct str storage_class;
    *gone = false;
    facts->minimum = run->bucket.transition_minimum;
    facts->now_ms = run->call->now_ms;
    facts->next_ms = &run->job.next_ms;
    enum lifecycle_action action = lifecycle_decide(&run->rules.Rules, facts, &storage_class);
    if (action == LIFECYCLE_KEEP)
        return RESULT_OK;
    struct object_place place = {.current = current};
    struct key at =
        current ? object_key(run->call, &run->bucket, facts->key)
                : object_version_key(run->call, &run->bucket, facts->key, facts->object->sequence);
    TRY(call_get_record_copy(run->call, &at, &s3_model, S3_SHAPE_object, &place.object,
                             &place.found));
    if (!place.found)
        return FAULT("a version has gone under the hands of its lifecycle");
    if (action == LIFECYCLE_TRANSITION)
        return run_transition(run, facts->key, &place, storage_class);
    /* Nobody bypasses a lock for lifecycle; a marker above a locked version is no removal. */
    int64_t now_ms = run->call->now_ms;
    bool removes = facts->noncurrent || !bucket_is_versioned(&run->bucket);
    if (removes && lock_protects(&place.object, now_ms, false)) {
        int64_t until_ms = lifecycle_day(lock_retain_until(&place.object, now_ms), 0);
        if (until_ms > now_ms)
            run_note(run, until_ms);
        return RESULT_OK;
    }
    *gone = true;
    return run_expire(run, facts->key, &place, facts->noncurrent);
}

/* --- the newest --- */

static bool run_may_go_on(const struct run *run)
{
    return run->looks < STEP_LOOKS && run->changes < STEP_CHANGES;
}

/* Opens a table where the job has got to; the entry it ended with comes first, if it is still
 * there. */
static RESULT run_open(struct run *run, struct str table, const struct key *from,
                       struct kv_cursor **cursor)
{
    struct key prefix = list_prefix(run->call, &run->bucket, table, run->prefix);
    TRY(kv_cursor_open(run->call->txn, run->call->arena, key_bytes(&prefix), false, cursor));
    return str_is_absent(run->job.key) ? RESULT_OK : kv_cursor_seek(*cursor, key_bytes(from));
}

static void run_next_phase(struct run *run)
{
    run->job = (struct s3_lifecycle_job){.bucket = run->job.bucket,
                                         .bucket_id = run->job.bucket_id,
                                         .epoch = run->job.epoch,
                                         .as_of_ms = run->job.as_of_ms,
                                         .next_ms = run->job.next_ms,
                                         .changed = run->job.changed,
                                         .phase = run->job.phase + 1};
}

static RESULT run_newest(struct run *run)
{
    struct key from = object_key(run->call, &run->bucket, run->job.key);
    struct kv_cursor *cursor;
    TRY(run_open(run, STR("s3-object"), &from, &cursor));
    while (run_may_go_on(run)) {
        struct str at, value, key;
        struct key_reader rest;
        struct s3_object object;
        bool gone;
        TRY(kv_next(cursor, &at, &value));
        if (str_is_absent(at)) {
            run_next_phase(run);
            return RESULT_OK;
        }
        if (!list_key(run->call, at, &key, &rest))
            return FAULT("a broken key of an object");
        if (str_eq(key, run->job.key))
            continue;
        run->looks++;
        run->job.key = str_copy(run->call->arena, key);
        TRY(record_decode(run->call->arena, &s3_model, S3_SHAPE_object, value, &object));
        struct lifecycle_facts facts = {.key = run->job.key, .object = &object};
        TRY(run_version(run, &facts, true, &gone));
    }
    return RESULT_OK;
}

/* --- older ones, and delete markers --- */

/* The first version of a key in the table of older ones: what stands before it. *is_current:
 * nothing, it is a delete marker that hides the rest. */
static RESULT run_begin_key(struct run *run, struct str key, int64_t sequence, bool *is_current,
                            bool *alone)
{
    struct object_place current = {0};
    struct kv_cursor *cursor;
    struct str at, value;
    struct key place = object_key(run->call, &run->bucket, key);
    struct key first = object_version_key(run->call, &run->bucket, key, sequence), all;
    TRY(call_get_record(run->call, &place, &s3_model, S3_SHAPE_object, &current.object,
                        &current.found));
    run->job.key = str_copy(run->call->arena, key);
    run->job.newer = 0;
    run->job.successor_ms = current.object.modified_ms;
    *is_current = !current.found;
    *alone = false;
    if (current.found)
        return RESULT_OK;
    key_init(&all, run->call->arena);
    key_str(&all, STR("s3-version"));
    key_i64(&all, run->bucket.id);
    key_str(&all, key);
    TRY(kv_cursor_open(run->call->txn, run->call->arena, key_bytes(&all), false, &cursor));
    TRY(kv_cursor_seek(cursor, key_bytes(&first)));
    TRY(kv_next(cursor, &at, &value));
    TRY(kv_next(cursor, &at, &value));
    kv_cursor_close(cursor);
    *alone = str_is_absent(at);
    return RESULT_OK;
}

static RESULT run_older_one(struct run *run, struct str key, int64_t sequence, struct str value)
{
    struct s3_object object;
    struct lifecycle_facts facts = {.object = &object, .noncurrent = true};
    bool gone;
    if (!str_eq(key, run->job.key)) {
        bool is_current;
        TRY(run_begin_key(run, key, sequence, &is_current, &facts.alone));
        facts.noncurrent = !is_current;
    }
    TRY(record_decode(run->call->arena, &s3_model, S3_SHAPE_object, value, &object));
    int64_t modified_ms = object.modified_ms;
    facts.key = run->job.key;
    facts.noncurrent_ms = run->job.successor_ms;
    facts.newer = run->job.newer;
    TRY(run_version(run, &facts, false, &gone));
    run->job.sequence = sequence;
    run->job.successor_ms = modified_ms;
    if (facts.noncurrent && !gone)
        run->job.newer++;
    return RESULT_OK;
}

static RESULT run_older(struct run *run)
{
    struct key from = object_version_key(run->call, &run->bucket, run->job.key, run->job.sequence);
    struct kv_cursor *cursor;
    TRY(run_open(run, STR("s3-version"), &from, &cursor));
    while (run_may_go_on(run)) {
        struct str at, value, key;
        struct key_reader rest;
        int64_t negative;
        TRY(kv_next(cursor, &at, &value));
        if (str_is_absent(at)) {
            run_next_phase(run);
            return RESULT_OK;
        }
        if (!list_key(run->call, at, &key, &rest) || !key_next_i64(&rest, &negative))
            return FAULT("a broken key of a version");
        if (str_eq(key, run->job.key) && -negative == run->job.sequence)
            continue;
        run->looks++;
        TRY(run_older_one(run, key, -negative, value));
    }
    return RESULT_OK;
}

/* --- uploads --- */

static RESULT run_upload(struct run *run, const struct key *at, const struct s3_upload *upload,
                         bool *whole)
{
    struct opt_time due;
    struct str rule_id;
    size_t deleted, budget = STEP_CHANGES;
    *whole = true;
    TRY(lifecycle_abort(run->call, &run->bucket, run->job.key, upload->initiated_ms, &due,
                        &rule_id));
    if (!due.set)
        return RESULT_OK;
    if (due.ms > run->call->now_ms) {
        run_note(run, due.ms);
        return RESULT_OK;
    }
    run->changes++;
    TRY(upload_drop_parts(run->call, upload->sequence, budget, &deleted));
    run->changes += (int)deleted;
    *whole = deleted < budget;
    if (*whole)
        TRY(access_log_lifecycle(run->call, &run->bucket, "S3.DELETE.UPLOAD", run->job.key, NULL));
    return *whole ? kv_delete(run->call->txn, key_bytes(at), NULL) : RESULT_OK;
}

static RESULT run_uploads(struct run *run)
{
    struct key from = upload_key(run->call, &run->bucket, run->job.key, run->job.sequence);
    struct kv_cursor *cursor;
    TRY(run_open(run, STR("s3-upload"), &from, &cursor));
    while (run_may_go_on(run)) {
        struct str at, value, key;
        struct key_reader rest;
        struct s3_upload upload;
        int64_t sequence;
        bool whole;
        TRY(kv_next(cursor, &at, &value));
        if (str_is_absent(at)) {
            run_next_phase(run);
            return RESULT_OK;
        }
        if (!list_key(run->call, at, &key, &rest) || !key_next_i64(&rest, &sequence))
            return FAULT("a broken key of an upload");
        if (str_eq(key, run->job.key) && sequence == run->job.sequence && run->job.newer == 0)
            continue;
        run->looks++;
        run->job.key = str_copy(run->call->arena, key);
        run->job.sequence = sequence;
        TRY(record_decode_copy(run->call->arena, &s3_model, S3_SHAPE_upload, value, &upload));
        struct key place = upload_key(run->call, &run->bucket, run->job.key, sequence);
        TRY(run_upload(run, &place, &upload, &whole));
        run->job.newer = !whole; /* the same one again in the next step */
        if (!whole)
            return RESULT_OK;
    }
    return RESULT_OK;
}

/* --- a step --- */

static void run_common_prefix(struct run *run)
{
    bool first = true;
    run->prefix = STR("");
    for (size_t i = 0; i < run->rules.Rules.len; i++) {
        const struct s3_LifecycleRule *rule = &run->rules.Rules.items[i];
        struct str prefix = lifecycle_prefix(rule);
        if (!lifecycle_is_enabled(rule))
            continue;
        size_t same = 0;
        while (!first && same < prefix.len && same < run->prefix.len &&
               prefix.ptr[same] == run->prefix.ptr[same])
            same++;
        run->prefix = first ? prefix : str_slice(prefix, 0, same);
        first = false;
    }
    if (first)
        run->job.phase = PHASE_DONE; /* no rule is enabled */
}

static RESULT run_walk(struct run *run)
{
    while (run_may_go_on(run) && run->job.phase != PHASE_DONE) {
        if (run->job.phase == PHASE_NEWEST)
            TRY(run_newest(run));
        else if (run->job.phase == PHASE_OLDER)
            TRY(run_older(run));
        else
            TRY(run_uploads(run));
        if (run->job.newer == 1 && run->job.phase == PHASE_UPLOADS)
            break;
    }
    return RESULT_OK;
}

/* All that it does, and says of it, is of the second after the midnight that it walks for. */
static RESULT run_step(struct run *run)
{
    int64_t now_ms = run->call->now_ms;
    if (run->job.as_of_ms == 0)
        run->job.as_of_ms = now_ms / DAY_MS * DAY_MS;
    if (run->job.next_ms == 0)
        run->job.next_ms = INT64_MAX;
    run->call->now_ms = run->job.as_of_ms + SECOND_MS;
    enum result result = run_walk(run);
    run->call->now_ms = now_ms;
    run->job.changed = run->job.changed || run->changes > 0;
    return result;
}

/* On to the next midnight that has passed and at which something was due, or to tomorrow's. */
static RESULT run_end(struct run *run)
{
    int64_t next_ms = run->job.changed ? run->job.as_of_ms + DAY_MS : run->job.next_ms;
    if (next_ms > run->call->now_ms)
        return job_post_next_day(run->call, &run->bucket);
    const struct s3_lifecycle_job job = {.bucket = run->job.bucket,
                                         .bucket_id = run->job.bucket_id,
                                         .epoch = run->job.epoch,
                                         .as_of_ms = lifecycle_day(next_ms, 0)};
    return flow_go_on(run->call, STR("s3.lifecycle"), run->bucket.id, S3_SHAPE_lifecycle_job, &job);
}

RESULT lifecycle_deliver(struct call *call, const struct outbox_item *item)
{
    struct run run = {.call = call};
    bool found;
    TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_lifecycle_job, item->payload,
                           &run.job));
    TRY(bucket_find(call, run.job.bucket, &run.bucket, &found));
    if (!found || run.bucket.id != run.job.bucket_id || run.bucket.lifecycle_epoch != run.job.epoch)
        return RESULT_OK; /* another job has taken over, or there is nothing left to do */
    TRY(setting_get(call, &run.bucket, S3_SETTING_LIFECYCLE, (struct str){0}, &run.rules, &found));
    if (!found)
        return RESULT_OK;
    call->account = run.bucket.account;
    call->region = run.bucket.region;
    run_common_prefix(&run);
    TRY(run_step(&run));
    if (run.job.phase == PHASE_DONE)
        return run_end(&run);
    return flow_go_on(call, STR("s3.lifecycle"), run.bucket.id, S3_SHAPE_lifecycle_job, &run.job);
}
