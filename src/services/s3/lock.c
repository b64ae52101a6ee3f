#include "services/s3/lock.h"

#include "services/s3/access.h"
#include "services/s3/replication.h"
#include "services/s3/settings.h"

enum { DAYS_MAX = 36500, YEARS_MAX = 100 };
#define DAY_MS INT64_C(86400000)

#define FAIL_ARGUMENT(...) call_fail(call, WIRE_INVALID_PARAMETER_VALUE, __VA_ARGS__)

static RESULT fail_xml(struct call *call)
{
    return call_fail(call, WIRE_SERIALIZATION,
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

static RESULT fail_without_lock(struct call *call)
{
    return call_fail(call, WIRE_VALIDATION, "Bucket is missing Object Lock Configuration");
}

static RESULT fail_protected(struct call *call)
{
    return call_fail(call, WIRE_ACCESS_DENIED,
                     "Access Denied because object protected by object lock.");
}

/* Parts of Object Lock that AWS added later; named in README.md. */
static RESULT fail_event_hold(struct call *call)
{
    return call_fail(call, S3_UNBUILT_HEADER, "Event holds of Object Lock are not implemented.");
}

bool lock_is_on(const struct s3_bucket *bucket)
{
    return setting_is_there(bucket, S3_SETTING_OBJECT_LOCK);
}

static bool mode_is_known(struct str mode)
{
    return str_eq(mode, STR("GOVERNANCE")) || str_eq(mode, STR("COMPLIANCE"));
}

/* --- the bucket's configuration --- */

RESULT lock_enable(struct call *call, struct s3_bucket *bucket)
{
    const struct s3_ObjectLockConfiguration plain = {.ObjectLockEnabled = STR("Enabled")};
    bucket->versioning = STR("Enabled");
    return setting_put(call, bucket, S3_SETTING_OBJECT_LOCK, (struct str){0}, &plain);
}

static RESULT check_period(struct call *call, int32_t given, int32_t most)
{
    if (given <= 0)
        return FAIL_ARGUMENT("Default retention period must be a positive integer value.");
    if (given > most)
        return call_fail(call, S3_INVALID_RETENTION_PERIOD,
                         "The retention period is too large: at most %d days or %d years.",
                         DAYS_MAX, YEARS_MAX);
    return RESULT_OK;
}

static RESULT check_configuration(struct call *call, const struct s3_ObjectLockConfiguration *given)
{
    if (given == NULL || !str_eq(given->ObjectLockEnabled, STR("Enabled")))
        return fail_xml(call);
    if (given->Rule == NULL)
        return RESULT_OK;
    const struct s3_DefaultRetention *retention = given->Rule->DefaultRetention;
    if (retention == NULL)
        return fail_xml(call);
    if (retention->DefaultEventHold != NULL)
        return fail_event_hold(call);
    if (!mode_is_known(retention->Mode) || retention->Days.set == retention->Years.set)
        return fail_xml(call);
    return retention->Days.set ? check_period(call, retention->Days.value, DAYS_MAX)
                               : check_period(call, retention->Years.value, YEARS_MAX);
}

RESULT s3_PutObjectLockConfiguration(struct call *call,
                                     const struct s3_PutObjectLockConfigurationRequest *in,
                                     struct s3_PutObjectLockConfigurationOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(check_configuration(call, in->ObjectLockConfiguration));
    if (!str_eq(bucket.versioning, STR("Enabled")))
        return call_fail(call, S3_INVALID_BUCKET_STATE,
                         "Versioning must be 'Enabled' on the bucket to apply a Object Lock "
                         "configuration");
    return setting_put(call, &bucket, S3_SETTING_OBJECT_LOCK, (struct str){0},
                       in->ObjectLockConfiguration);
}

RESULT s3_GetObjectLockConfiguration(struct call *call,
                                     const struct s3_GetObjectLockConfigurationRequest *in,
                                     struct s3_GetObjectLockConfigurationOutput *out)
{
    struct s3_bucket bucket;
    struct s3_ObjectLockConfiguration *all =
        ARENA_NEW(call->arena, struct s3_ObjectLockConfiguration);
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(setting_get(call, &bucket, S3_SETTING_OBJECT_LOCK, (struct str){0}, all, &found));
    if (!found)
        return call_fail(call, S3_OBJECT_LOCK_CONFIGURATION_NOT_FOUND,
                         "Object Lock configuration does not exist for this bucket");
    out->ObjectLockConfiguration = all;
    return RESULT_OK;
}

/* --- of new objects --- */

/* "Content-MD5 ... is required" of a PutObject that locks: what is locked must be what was meant.
 */
static RESULT check_digest(struct call *call)
{
    if (call->request == NULL || !call->payload.present || call->payload.checksum_chosen ||
        !str_is_absent(wire_request_header(call->request, STR("content-md5"))))
        return RESULT_OK;
    return call_fail(call, WIRE_VALIDATION,
                     "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object "
                     "requests with Object Lock parameters");
}

RESULT lock_ask(struct call *call, const struct s3_bucket *bucket, const struct lock_wish *wish,
                struct s3_object *object)
{
    bool retention = !str_is_absent(wish->mode) || wish->until.set;
    if (!retention && str_is_absent(wish->legal_hold))
        return RESULT_OK;
    if (!lock_is_on(bucket))
        return fail_without_lock(call);
    TRY(check_digest(call));
    if (retention && (str_is_absent(wish->mode) || !wish->until.set))
        return FAIL_ARGUMENT("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must "
                             "both be supplied");
    if (retention && !mode_is_known(wish->mode))
        return FAIL_ARGUMENT("Unknown wormMode directive.");
    if (retention && wish->until.ms <= call->now_ms)
        return FAIL_ARGUMENT("The retain until date must be in the future!");
    if (!str_is_absent(wish->legal_hold) && !str_eq(wish->legal_hold, STR("ON")) &&
        !str_eq(wish->legal_hold, STR("OFF")))
        return FAIL_ARGUMENT("Legal Hold must be either of 'ON' or 'OFF'");
    if (retention) {
        object->lock_mode = wish->mode;
        object->retain_until_ms = wish->until.ms;
    }
    object->legal_hold = wish->legal_hold;
    return RESULT_OK;
}

RESULT lock_default(struct call *call, const struct s3_bucket *bucket, struct s3_object *object)
{
    struct s3_ObjectLockConfiguration all;
    bool found;
    if (!lock_is_on(bucket) || !str_is_absent(object->lock_mode))
        return RESULT_OK;
    TRY(setting_get(call, bucket, S3_SETTING_OBJECT_LOCK, (struct str){0}, &all, &found));
    if (!found || all.Rule == NULL || all.Rule->DefaultRetention == NULL)
        return RESULT_OK;
    const struct s3_DefaultRetention *retention = all.Rule->DefaultRetention;
    int64_t days =
        retention->Days.set ? retention->Days.value : INT64_C(365) * retention->Years.value;
    object->lock_mode = retention->Mode;
    object->retain_until_ms = call->now_ms + days * DAY_MS;
    return RESULT_OK;
}

/* --- removing --- */

static bool retained(const struct s3_object *object, int64_t now_ms)
{
    return !str_is_absent(object->lock_mode) && object->retain_until_ms > now_ms;
}

bool lock_protects(const struct s3_object *object, int64_t now_ms, bool governed)
{
    if (str_eq(object->legal_hold, STR("ON")))
        return true;
    return retained(object, now_ms) && !(governed && str_eq(object->lock_mode, STR("GOVERNANCE")));
}

static RESULT may_bypass(struct call *call, const struct s3_bucket *bucket, struct str key,
                         bool wanted, bool *may)
{
    *may = false;
    if (!wanted)
        return RESULT_OK;
    return access_may(call, bucket, STR("s3:BypassGovernanceRetention"), key, may);
}

RESULT lock_check_removal(struct call *call, const struct s3_bucket *bucket, struct str key,
                          const struct s3_object *object, bool bypass)
{
    bool may;
    if (!lock_protects(object, call->now_ms, false))
        return RESULT_OK;
    TRY(may_bypass(call, bucket, key, bypass, &may));
    return lock_protects(object, call->now_ms, may) ? fail_protected(call) : RESULT_OK;
}

RESULT lock_check_bypass(struct call *call, const struct s3_bucket *bucket, struct opt_bool bypass)
{
    if (!bypass.set || !bypass.value || lock_is_on(bucket))
        return RESULT_OK;
    return FAIL_ARGUMENT("x-amz-bypass-governance-retention is only applicable to Object Lock "
                         "enabled buckets.");
}

/* --- of objects that are there --- */

static RESULT lock_open(struct call *call, struct str name, struct str owner, struct str key,
                        struct str version_id, struct s3_bucket *bucket, struct object_place *place)
{
    struct s3_object object;
    TRY(bucket_open(call, name, owner, bucket));
    if (!lock_is_on(bucket))
        return fail_without_lock(call);
    TRY(object_open(call, bucket, key, version_id, &object)); /* with its refusals */
    return object_find(call, bucket, key, version_id, place);
}

/* "Users can extend a retention period, but not shorten it" without bypassing governance; nobody
 * may loosen compliance. */
static RESULT check_retention(struct call *call, const struct s3_bucket *bucket,
                              const struct s3_PutObjectRetentionRequest *in,
                              const struct s3_object *object)
{
    const struct s3_ObjectLockRetention *given = in->Retention;
    bool may;
    if (!retained(object, call->now_ms))
        return RESULT_OK;
    bool same_or_longer = given != NULL && str_eq(given->Mode, object->lock_mode) &&
                          given->RetainUntilDate.set &&
                          given->RetainUntilDate.ms >= object->retain_until_ms;
    if (same_or_longer)
        return RESULT_OK;
    if (str_eq(object->lock_mode, STR("COMPLIANCE")))
        return fail_protected(call);
    TRY(may_bypass(call, bucket, in->Key, in->BypassGovernanceRetention.value, &may));
    return may ? RESULT_OK : fail_protected(call);
}

RESULT s3_PutObjectRetention(struct call *call, const struct s3_PutObjectRetentionRequest *in,
                             struct s3_PutObjectRetentionOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct object_place place;
    const struct s3_ObjectLockRetention *given = in->Retention;
    TRY(lock_open(call, in->Bucket, in->ExpectedBucketOwner, in->Key, in->VersionId, &bucket,
                  &place));
    TRY(s3_check_body(call));
    if (given != NULL && (!str_is_absent(given->EventHold) || given->EventHoldDuration != NULL))
        return fail_event_hold(call);
    bool nothing = given == NULL || (str_is_absent(given->Mode) && !given->RetainUntilDate.set);
    if (!nothing && (!mode_is_known(given->Mode) || !given->RetainUntilDate.set))
        return fail_xml(call);
    if (!nothing && given->RetainUntilDate.ms <= call->now_ms)
        return FAIL_ARGUMENT("The retain until date must be in the future!");
    TRY(check_retention(call, &bucket, in, &place.object));
    place.object.lock_mode = nothing ? (struct str){0} : given->Mode;
    place.object.retain_until_ms = nothing ? 0 : given->RetainUntilDate.ms;
    replicate_mark_again(&bucket, &place.object);
    TRY(object_update(call, &bucket, in->Key, &place));
    const struct s3_change change = {
        .kind = S3_RETENTION_PUT, .key = in->Key, .object = &place.object};
    return s3_changed(call, &bucket, &change);
}

static RESULT fail_none(struct call *call)
{
    return call_fail(call, S3_NO_SUCH_OBJECT_LOCK_CONFIGURATION,
                     "The specified object does not have a ObjectLock configuration");
}

RESULT s3_GetObjectRetention(struct call *call, const struct s3_GetObjectRetentionRequest *in,
                             struct s3_GetObjectRetentionOutput *out)
{
    struct s3_bucket bucket;
    struct object_place place;
    TRY(lock_open(call, in->Bucket, in->ExpectedBucketOwner, in->Key, in->VersionId, &bucket,
                  &place));
    if (str_is_absent(place.object.lock_mode))
        return fail_none(call);
    out->Retention = ARENA_NEW(call->arena, struct s3_ObjectLockRetention);
    out->Retention->Mode = place.object.lock_mode;
    out->Retention->RetainUntilDate = opt_time(place.object.retain_until_ms);
    return RESULT_OK;
}

RESULT s3_PutObjectLegalHold(struct call *call, const struct s3_PutObjectLegalHoldRequest *in,
                             struct s3_PutObjectLegalHoldOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct object_place place;
    TRY(lock_open(call, in->Bucket, in->ExpectedBucketOwner, in->Key, in->VersionId, &bucket,
                  &place));
    TRY(s3_check_body(call));
    if (in->LegalHold == NULL ||
        (!str_eq(in->LegalHold->Status, STR("ON")) && !str_eq(in->LegalHold->Status, STR("OFF"))))
        return fail_xml(call);
    place.object.legal_hold = in->LegalHold->Status;
    return object_update(call, &bucket, in->Key, &place);
}

RESULT s3_GetObjectLegalHold(struct call *call, const struct s3_GetObjectLegalHoldRequest *in,
                             struct s3_GetObjectLegalHoldOutput *out)
{
    struct s3_bucket bucket;
    struct object_place place;
    TRY(lock_open(call, in->Bucket, in->ExpectedBucketOwner, in->Key, in->VersionId, &bucket,
                  &place));
    if (str_is_absent(place.object.legal_hold))
        return fail_none(call);
    out->LegalHold = ARENA_NEW(call->arena, struct s3_ObjectLockLegalHold);
    out->LegalHold->Status = place.object.legal_hold;
    return RESULT_OK;
}
