#include "services/s3/archive.h"

#include "base/time.h"
#include "services/s3/changes.h"
#include "store/record.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

bool archive_is_class(struct str storage_class)
{
    return str_eq(storage_class, STR("GLACIER")) || str_eq(storage_class, STR("DEEP_ARCHIVE"));
}

static bool is_restored(const struct call *call, const struct s3_object *object)
{
    return object->restored_until_ms > call->now_ms;
}

static RESULT fail_state(struct call *call, const struct s3_object *object, const char *message)
{
    struct s3_InvalidObjectState *detail = ARENA_NEW(call->arena, struct s3_InvalidObjectState);
    detail->StorageClass = object->storage_class;
    return call_fail_with(call, S3_INVALID_OBJECT_STATE, detail, "%s", message);
}

RESULT archive_check_read(struct call *call, const struct s3_object *object, bool copying)
{
    if (!archive_is_class(object->storage_class) || is_restored(call, object))
        return RESULT_OK;
    return fail_state(call, object,
                      copying ? "Operation is not valid for the source object's storage class"
                              : "The operation is not valid for the object's storage class");
}

/* --- what is shown --- */

struct str archive_shown(struct call *call, const struct s3_object *object)
{
    struct buf text;
    if (object->restore_due_ms != 0)
        return STR("ongoing-request=\"true\"");
    if (!is_restored(call, object))
        return (struct str){0};
    buf_init(&text, call->arena, 128);
    buf_append(&text, STR("ongoing-request=\"false\", expiry-date=\""));
    time_format_http(&text, object->restored_until_ms);
    buf_append(&text, STR("\""));
    return buf_str(&text);
}

struct s3_RestoreStatus *archive_status(struct call *call, const struct s3_object *object)
{
    if (object->restore_due_ms == 0 && !is_restored(call, object))
        return NULL;
    struct s3_RestoreStatus *status = ARENA_NEW(call->arena, struct s3_RestoreStatus);
    status->IsRestoreInProgress = opt_bool(object->restore_due_ms != 0);
    if (is_restored(call, object))
        status->RestoreExpiryDate = opt_time(object->restored_until_ms);
    return status;
}

RESULT archive_read_optional(struct call *call, const struct str_list *asked, bool *wanted)
{
    *wanted = false;
    for (size_t i = 0; i < asked->len; i++) {
        if (!str_eq(str_trim(asked->items[i]), STR("RestoreStatus")))
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                             "Invalid attribute name specified");
        *wanted = true;
    }
    return RESULT_OK;
}

/* --- RestoreObject --- */

/* How long a tier takes, by class; 0: the class has no such tier. "Archive retrieval options": the
 * early end of what is typical, so that whoever waits that long finds it done. */
struct tier {
    struct str name;
    int64_t glacier_ms, deep_ms;
};
static const struct tier tiers[] = {
    {STR_INIT("Expedited"), MINUTE_MS, 0},
    {STR_INIT("Standard"), 3 * HOUR_MS, 12 * HOUR_MS},
    {STR_INIT("Bulk"), 5 * HOUR_MS, 48 * HOUR_MS},
};

static const struct tier *tier_of(struct str name)
{
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++)
        if (str_eq(tiers[i].name, name))
            return &tiers[i];
    return NULL;
}

static int64_t tier_takes(const struct tier *tier, const struct s3_object *object)
{
    return str_eq(object->storage_class, STR("GLACIER")) ? tier->glacier_ms : tier->deep_ms;
}

/* "S3 ... rounds up to the next day at midnight UTC". */
static int64_t expiry_of(int64_t done_ms, int64_t days)
{
    int64_t end = done_ms + days * DAY_MS;
    return (end + DAY_MS - 1) / DAY_MS * DAY_MS;
}

static RESULT schedule(struct call *call, const struct s3_bucket *bucket, struct str key,
                       const struct s3_object *object, int64_t due_ms)
{
    struct buf bytes;
    const struct s3_restore_job job = {
        .bucket = bucket->name,
        .bucket_id = bucket->id,
        .key = key,
        .version_id = object_version_id(object),
        .sequence = object->sequence,
    };
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &s3_model, S3_SHAPE_restore_job, &job));
    return job_schedule(call, STR("s3.restore"), due_ms, buf_str(&bytes), NULL);
}

static RESULT check_request(struct call *call, const struct s3_RestoreRequest *request,
                            const struct s3_object *object, const struct tier **tier)
{
    if (!archive_is_class(object->storage_class))
        return fail_state(call, object,
                          "Restore is not allowed for the object's current storage class");
    if (request == NULL)
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against "
                         "our published schema");
    if (!str_is_absent(request->Type) || request->SelectParameters != NULL ||
        request->OutputLocation != NULL)
        return call_fail(call, S3_UNBUILT_HEADER,
                         "Restore requests of type SELECT are not implemented.");
    if (!request->Days.set)
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against "
                         "our published schema");
    if (request->Days.value < 1)
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "Restoration days should be at least 1");
    struct str name =
        request->GlacierJobParameters != NULL ? request->GlacierJobParameters->Tier : request->Tier;
    *tier = tier_of(str_is_absent(name) ? STR("Standard") : name);
    if (*tier == NULL)
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against "
                         "our published schema");
    if (tier_takes(*tier, object) == 0)
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "Retrieval option is not supported by this storage class");
    return RESULT_OK;
}

static RESULT changed(struct call *call, const struct s3_bucket *bucket, struct str key,
                      const struct s3_object *object, enum s3_change_kind kind, int64_t until_ms)
{
    const struct s3_change change = {
        .kind = kind, .key = key, .object = object, .restored_until_ms = until_ms};
    return s3_changed(call, bucket, &change);
}

/* "Upgrading the speed of an in-progress restore": to a faster tier; its days stay. */
static RESULT upgrade(struct call *call, const struct s3_bucket *bucket, struct str key,
                      struct object_place *place, const struct tier *tier)
{
    int64_t due = call->now_ms + tier_takes(tier, &place->object);
    if (tier >= tier_of(place->object.restore_tier))
        return call_fail(call, S3_RESTORE_ALREADY_IN_PROGRESS,
                         "Object restore is already in progress");
    if (due < place->object.restore_due_ms) {
        place->object.restore_due_ms = due;
        TRY(schedule(call, bucket, key, &place->object, due));
    }
    place->object.restore_tier = tier->name;
    call->status = 202;
    return object_update(call, bucket, key, place);
}

RESULT s3_RestoreObject(struct call *call, const struct s3_RestoreObjectRequest *in,
                        struct s3_RestoreObjectOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct s3_object object;
    struct object_place place;
    const struct tier *tier = NULL;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    TRY(check_request(call, in->RestoreRequest, &object, &tier));
    TRY(object_find(call, &bucket, in->Key, in->VersionId, &place));
    if (place.object.restore_due_ms != 0)
        return upgrade(call, &bucket, in->Key, &place, tier);
    int64_t days = in->RestoreRequest->Days.value;
    if (is_restored(call, &place.object)) {
        /* The period counts anew from now. */
        place.object.restored_until_ms = expiry_of(call->now_ms, days);
        call->status = 200;
        TRY(schedule(call, &bucket, in->Key, &place.object, place.object.restored_until_ms));
        return object_update(call, &bucket, in->Key, &place);
    }
    place.object.restore_due_ms = call->now_ms + tier_takes(tier, &place.object);
    place.object.restore_days = days;
    place.object.restore_tier = tier->name;
    place.object.restored_until_ms = 0;
    call->status = 202;
    TRY(schedule(call, &bucket, in->Key, &place.object, place.object.restore_due_ms));
    TRY(object_update(call, &bucket, in->Key, &place));
    return changed(call, &bucket, in->Key, &place.object, S3_RESTORE_POST, 0);
}

/* The record says what is due: a job that was overtaken finds nothing. */
RESULT archive_deliver(struct call *call, const struct outbox_item *item)
{
    struct s3_restore_job job;
    struct s3_bucket bucket;
    struct object_place place;
    bool found;
    TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_restore_job, item->payload, &job));
    TRY(bucket_find(call, job.bucket, &bucket, &found));
    if (!found || bucket.id != job.bucket_id)
        return RESULT_OK;
    TRY(object_find(call, &bucket, job.key, job.version_id, &place));
    if (!place.found || place.object.sequence != job.sequence)
        return RESULT_OK;
    struct s3_object *object = &place.object;
    if (object->restore_due_ms != 0 && object->restore_due_ms <= call->now_ms) {
        object->restored_until_ms = expiry_of(object->restore_due_ms, object->restore_days);
        object->restore_due_ms = 0;
        TRY(schedule(call, &bucket, job.key, object, object->restored_until_ms));
        TRY(object_update(call, &bucket, job.key, &place));
        return changed(call, &bucket, job.key, object, S3_RESTORE_COMPLETED,
                       object->restored_until_ms);
    }
    if (object->restored_until_ms != 0 && object->restored_until_ms <= call->now_ms) {
        int64_t until = object->restored_until_ms;
        object->restored_until_ms = 0;
        TRY(object_update(call, &bucket, job.key, &place));
        return changed(call, &bucket, job.key, object, S3_RESTORE_DELETED, until);
    }
    return RESULT_OK;
}
