#include "services/s3/lock.h"

#include "services/s3/access.h"
#include "services/s3/replication.h"
#include "services/s3/settings.h"

enum { DAYS_MAX = 36500, YEARS_MAX = 100 };
#define DAY_MS INT64_C(86400000)
#define YEAR_DAYS INT64_C(365) /* "Amazon S3 counts 1 year as 365 days" */

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

/* "An event hold that is set to ON requires exactly one event hold duration", "a positive integer,
 * up to a maximum of 36,500 days or 100 years" (Object Lock considerations, Troubleshooting
 * variable retention). */
static RESULT check_hold_duration(struct call *call, struct opt_int days, struct opt_int years)
{
    if (days.set == years.set)
        return FAIL_ARGUMENT("An event hold requires exactly one event hold duration, in days or "
                             "in years.");
    int32_t given = days.set ? days.value : years.value;
    if (given <= 0 || given > (days.set ? DAYS_MAX : YEARS_MAX))
        return FAIL_ARGUMENT("The event hold duration must be a positive integer of at most %d "
                             "days or %d years.",
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
    const struct s3_EventHoldDuration *hold = retention->DefaultEventHold;
    bool fixed = retention->Days.set || retention->Years.set;
    if (!mode_is_known(retention->Mode) || (retention->Days.set && retention->Years.set) ||
        (!fixed && hold == NULL))
        return fail_xml(call);
    if (hold != NULL)
        TRY(check_hold_duration(call, hold->Days, hold->Years));
    if (!fixed)
        return RESULT_OK;
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
        return s3_fail_bucket(call, S3_OBJECT_LOCK_CONFIGURATION_NOT_FOUND, bucket.name,
                              "Object Lock configuration does not exist for this bucket");
    out->ObjectLockConfiguration = all;
    return RESULT_OK;
}

/* --- of new objects --- */

/* "The Content-MD5 or x-amz-sdk-checksum-algorithm header is required for any request to upload an
 * object with a retention period" (PutObject): what is locked must be what was meant. */
static RESULT check_digest(struct call *call, const char *what)
{
    if (call->request == NULL || !call->payload.present || call->payload.checksum_chosen ||
        !str_is_absent(wire_request_header(call->request, STR("content-md5"))))
        return RESULT_OK;
    return call_fail(call, WIRE_VALIDATION,
                     "Content-MD5 OR x-amz-checksum- HTTP header is required for Put %s requests "
                     "with Object Lock parameters",
                     what);
}

/* What is said of an event hold; *holds: it is to be on. */
static RESULT check_hold(struct call *call, struct str hold, struct opt_int days,
                         struct opt_int years, struct str mode, bool *holds)
{
    *holds = str_eq(hold, STR("ON"));
    if (!str_is_absent(hold) && !*holds && !str_eq(hold, STR("OFF")))
        return FAIL_ARGUMENT("Event Hold must be either of 'ON' or 'OFF'");
    if (!*holds && (days.set || years.set))
        return FAIL_ARGUMENT("An event hold duration can be specified only with an event hold that "
                             "is set to ON.");
    if (!*holds)
        return RESULT_OK;
    if (!mode_is_known(mode))
        return FAIL_ARGUMENT("An event hold requires a retention mode, GOVERNANCE or COMPLIANCE.");
    return check_hold_duration(call, days, years);
}

static void set_hold(struct s3_object *object, struct opt_int days, struct opt_int years)
{
    object->event_hold = STR("ON");
    object->hold_days = days.set ? days.value : 0;
    object->hold_years = years.set ? years.value : 0;
}

static RESULT check_wish(struct call *call, const struct lock_wish *wish, bool retention,
                         bool *holds)
{
    TRY(check_hold(call, wish->event_hold, wish->days, wish->years, wish->mode, holds));
    if (retention && (str_is_absent(wish->mode) || (!wish->until.set && !*holds)))
        return FAIL_ARGUMENT("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must "
                             "both be supplied");
    if (retention && !mode_is_known(wish->mode))
        return s3_invalid_argument(call, "x-amz-object-lock-mode",
                                   str_is_absent(wish->mode) ? STR("") : wish->mode,
                                   "Unknown wormMode directive.");
    if (wish->until.set && wish->until.ms <= call->now_ms)
        return FAIL_ARGUMENT("The retain until date must be in the future!");
    if (!str_is_absent(wish->legal_hold) && !str_eq(wish->legal_hold, STR("ON")) &&
        !str_eq(wish->legal_hold, STR("OFF")))
        return s3_invalid_argument(call, "x-amz-object-lock-legal-hold", wish->legal_hold,
                                   "Legal Hold must be either of 'ON' or 'OFF'");
    return RESULT_OK;
}

RESULT lock_ask(struct call *call, const struct s3_bucket *bucket, const struct lock_wish *wish,
                struct s3_object *object)
{
    bool retention = !str_is_absent(wish->mode) || wish->until.set ||
                     !str_is_absent(wish->event_hold) || wish->days.set || wish->years.set;
    bool holds;
    if (!retention && str_is_absent(wish->legal_hold))
        return RESULT_OK;
    if (!lock_is_on(bucket))
        return fail_without_lock(call);
    TRY(check_digest(call, "Object"));
    TRY(check_wish(call, wish, retention, &holds));
    if (retention) {
        object->lock_mode = wish->mode;
        object->retain_until_ms = wish->until.set ? wish->until.ms : 0;
    }
    if (holds)
        set_hold(object, wish->days, wish->years);
    object->legal_hold = wish->legal_hold;
    return RESULT_OK;
}

/* *retention: NULL where the bucket has none. */
static RESULT find_default(struct call *call, const struct s3_bucket *bucket,
                           const struct s3_DefaultRetention **retention)
{
    struct s3_ObjectLockConfiguration all;
    bool found;
    *retention = NULL;
    TRY(setting_get(call, bucket, S3_SETTING_OBJECT_LOCK, (struct str){0}, &all, &found));
    if (found && all.Rule != NULL)
        *retention = all.Rule->DefaultRetention;
    return RESULT_OK;
}

RESULT lock_check_part(struct call *call, const struct s3_bucket *bucket,
                       const struct s3_object *object)
{
    const struct s3_DefaultRetention *retention;
    if (!lock_is_on(bucket))
        return RESULT_OK;
    TRY(find_default(call, bucket, &retention));
    bool locks = retention != NULL || !str_is_absent(object->lock_mode) ||
                 !str_is_absent(object->legal_hold);
    return locks ? check_digest(call, "Part") : RESULT_OK;
}

RESULT lock_default(struct call *call, const struct s3_bucket *bucket, struct s3_object *object)
{
    const struct s3_DefaultRetention *retention;
    if (!lock_is_on(bucket) || !str_is_absent(object->lock_mode))
        return RESULT_OK;
    TRY(find_default(call, bucket, &retention));
    if (retention == NULL)
        return RESULT_OK;
    TRY(check_digest(call, "Object"));
    int64_t days = retention->Days.set    ? retention->Days.value
                   : retention->Years.set ? YEAR_DAYS * retention->Years.value
                                          : 0;
    object->lock_mode = retention->Mode;
    object->retain_until_ms = days > 0 ? call->now_ms + days * DAY_MS : 0;
    if (retention->DefaultEventHold != NULL)
        set_hold(object, retention->DefaultEventHold->Days, retention->DefaultEventHold->Years);
    return RESULT_OK;
}

/* --- removing --- */

bool lock_is_held(const struct s3_object *object)
{
    return str_eq(object->event_hold, STR("ON"));
}

int64_t lock_hold_days(const struct s3_object *object)
{
    return object->hold_days + YEAR_DAYS * object->hold_years;
}

/* "While an event hold is on [...] the computed retain-until-date. If you specified a
 * retain-until-date, the returned value is not earlier than that date" (Object Lock
 * considerations). */
int64_t lock_retain_until(const struct s3_object *object, int64_t now_ms)
{
    int64_t held = lock_is_held(object) ? now_ms + lock_hold_days(object) * DAY_MS : 0;
    return object->retain_until_ms > held ? object->retain_until_ms : held;
}

void lock_release(struct s3_object *object, int64_t now_ms)
{
    object->retain_until_ms = lock_retain_until(object, now_ms);
    object->event_hold = STR("OFF");
}

static bool retained(const struct s3_object *object, int64_t now_ms)
{
    return !str_is_absent(object->lock_mode) && lock_retain_until(object, now_ms) > now_ms;
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

/* What the request makes of the object's retention; an event hold of which it does not speak stays.
 * A released hold's duration runs from now. */
static RESULT apply_retention(struct call *call, const struct s3_ObjectLockRetention *given,
                              struct s3_object *object)
{
    struct opt_int days = {0}, years = {0};
    bool holds;
    if (given->EventHoldDuration != NULL) {
        days = given->EventHoldDuration->Days;
        years = given->EventHoldDuration->Years;
    }
    bool released = lock_is_held(object) && str_eq(given->EventHold, STR("OFF"));
    TRY(check_hold(call, given->EventHold, days, years, given->Mode, &holds));
    bool stays = lock_is_held(object) && str_is_absent(given->EventHold);
    if (!mode_is_known(given->Mode) ||
        (!given->RetainUntilDate.set && !holds && !released && !stays))
        return fail_xml(call);
    if (given->RetainUntilDate.set && given->RetainUntilDate.ms <= call->now_ms)
        return FAIL_ARGUMENT("The retain until date must be in the future!");
    object->lock_mode = given->Mode;
    if (given->RetainUntilDate.set)
        object->retain_until_ms = given->RetainUntilDate.ms;
    if (holds)
        set_hold(object, days, years);
    if (released)
        lock_release(object, call->now_ms);
    return RESULT_OK;
}

/* "Users can extend a retention period, but not shorten it" without bypassing governance; nobody
 * may loosen compliance. */
static RESULT check_retention(struct call *call, const struct s3_bucket *bucket,
                              const struct s3_PutObjectRetentionRequest *in,
                              const struct s3_object *old, const struct s3_object *new)
{
    bool may;
    if (!retained(old, call->now_ms))
        return RESULT_OK;
    if (str_eq(new->lock_mode, old->lock_mode) &&
        lock_retain_until(new, call->now_ms) >= lock_retain_until(old, call->now_ms))
        return RESULT_OK;
    if (str_eq(old->lock_mode, STR("COMPLIANCE")))
        return fail_protected(call);
    TRY(may_bypass(call, bucket, in->Key, in->BypassGovernanceRetention.value, &may));
    return may ? RESULT_OK : fail_protected(call);
}

static bool says_nothing(const struct s3_ObjectLockRetention *given)
{
    return given == NULL || (str_is_absent(given->Mode) && !given->RetainUntilDate.set &&
                             str_is_absent(given->EventHold) && given->EventHoldDuration == NULL);
}

RESULT s3_PutObjectRetention(struct call *call, const struct s3_PutObjectRetentionRequest *in,
                             struct s3_PutObjectRetentionOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct object_place place;
    TRY(lock_open(call, in->Bucket, in->ExpectedBucketOwner, in->Key, in->VersionId, &bucket,
                  &place));
    TRY(s3_check_body(call));
    struct s3_object old = place.object;
    if (says_nothing(in->Retention)) {
        place.object.lock_mode = place.object.event_hold = (struct str){0};
        place.object.retain_until_ms = 0;
    } else {
        TRY(apply_retention(call, in->Retention, &place.object));
    }
    TRY(check_retention(call, &bucket, in, &old, &place.object));
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
    const struct s3_object *object = &place.object;
    out->Retention->Mode = object->lock_mode;
    out->Retention->RetainUntilDate = opt_time(lock_retain_until(object, call->now_ms));
    out->Retention->EventHold = object->event_hold;
    if (!lock_is_held(object))
        return RESULT_OK;
    out->Retention->EventHoldDuration = ARENA_NEW(call->arena, struct s3_EventHoldDuration);
    if (object->hold_days > 0)
        out->Retention->EventHoldDuration->Days = opt_int((int32_t)object->hold_days);
    else
        out->Retention->EventHoldDuration->Years = opt_int((int32_t)object->hold_years);
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
