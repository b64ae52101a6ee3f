/* Trails: made, changed, started, stopped, deleted, tagged. */
#include "base/cipher.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/keys.h"
#include "cloud/organization.h"
#include "cloud/tags.h"
#include "services/cloudtrail/cloudtrail_int.h"
#include "store/record.h"

/* --- records --- */

struct key trail_key(struct call *call, struct str account, struct str region, struct str name)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloudtrail-trail"));
    if (!str_is_absent(account))
        key_str(&key, account);
    if (!str_is_absent(region))
        key_str(&key, region);
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

RESULT trail_put(struct call *call, const struct cloudtrail_trail *trail)
{
    struct key key = trail_key(call, trail->account, trail->region, trail->name);
    return call_put_record(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_trail, trail);
}

struct str trail_arn(struct call *call, const struct cloudtrail_trail *trail)
{
    return arn_make(call->arena, STR("cloudtrail"), trail->region, trail->account,
                    str_concat(call->arena, STR("trail/"), trail->name));
}

RESULT trails_of(struct call *call, struct str account, struct cloudtrail_trail **out,
                 size_t *count)
{
    struct key prefix = trail_key(call, account, (struct str){0}, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct cloudtrail_trail trail;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &cloudtrail_model, CLOUDTRAIL_SHAPE_trail, value,
                               &trail));
        VEC_PUSH(call->arena, *out, *count, cap, trail);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* --- names --- */

static bool name_is_fine(struct str name)
{
    bool was_mark = true;
    if (name.len < 3 || name.len > 128)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool mark = c == '.' || c == '_' || c == '-';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if ((!letter && !mark) || (mark && was_mark && c != '_'))
            return false;
        was_mark = mark;
    }
    return !was_mark;
}

/* "Naming requirements for CloudTrail resources". */
static RESULT name_check(struct call *call, struct str name)
{
    if (str_is_empty(name))
        return call_fail(call, CLOUDTRAIL_INVALID_TRAIL_NAME,
                         "Trail name or ARN can not be blank.");
    if (!name_is_fine(name))
        return call_fail(call, CLOUDTRAIL_INVALID_TRAIL_NAME,
                         "Trail name or ARN is invalid: it has 3 to 128 letters, digits, periods, "
                         "underscores and dashes, begins with a letter or digit, and ends so.");
    return RESULT_OK;
}

static RESULT not_found(struct call *call, struct str arn)
{
    return call_fail(call, CLOUDTRAIL_TRAIL_NOT_FOUND, "Unknown trail: %.*s for the user: %.*s",
                     PRSTR(arn), PRSTR(call->account));
}

RESULT trail_find(struct call *call, struct str name, struct cloudtrail_trail *trail)
{
    struct arn arn = {.region = call->region, .account = call->account};
    bool found;
    if (str_starts_with(name, STR("arn:"))) {
        if (!arn_parse(name, &arn) || !str_eq(arn.service, STR("cloudtrail")) ||
            !str_starts_with(arn.resource, STR("trail/")))
            return call_fail(call, CLOUDTRAIL_CLOUD_TRAIL_ARN_INVALID, "Invalid trail ARN: %.*s",
                             PRSTR(name));
        name = str_slice(arn.resource, 6, arn.resource.len);
    }
    TRY(name_check(call, name));
    struct key key = trail_key(call, arn.account, arn.region, name);
    TRY(call_get_record_copy(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_trail, trail, &found));
    struct cloudtrail_trail wanted = {.name = name, .account = arn.account, .region = arn.region};
    if (!found && str_eq(arn.account, call->account)) { /* who administers for CloudTrail */
        TRY(trail_owner(call, true, &arn.account));
        key = trail_key(call, arn.account, arn.region, name);
        TRY(call_get_record_copy(call, &key, &cloudtrail_model, CLOUDTRAIL_SHAPE_trail, trail,
                                 &found));
    }
    bool seen = found && str_eq(arn.account, call->account);
    if (found && !seen && !str_is_absent(trail->organization)) {
        struct str id, master;
        TRY(organization_of(call, call->account, &id, &master));
        seen = str_eq(id, trail->organization);
    }
    return seen ? RESULT_OK : not_found(call, trail_arn(call, &wanted));
}

RESULT trail_find_own(struct call *call, struct str name, struct cloudtrail_trail *trail)
{
    struct str owner;
    TRY(trail_find(call, name, trail));
    TRY(trail_owner(call, !str_is_absent(trail->organization), &owner));
    if (!str_eq(trail->account, call->account) && !str_eq(trail->account, owner))
        return call_fail(call, WIRE_ACCESS_DENIED,
                         "The trail %.*s belongs to the management account of the organization.",
                         PRSTR(trail->name));
    if (str_eq(trail->region, call->region))
        return RESULT_OK;
    return call_fail(call, CLOUDTRAIL_INVALID_HOME_REGION,
                     "The trail %.*s can be changed only in its home region, %.*s.",
                     PRSTR(trail->name), PRSTR(trail->region));
}

/* --- CreateTrail, UpdateTrail --- */

/* What is not built is refused, not forgotten. */
static RESULT unbuilt(struct call *call, const char *what)
{
    return call_fail(call, WIRE_NOT_IMPLEMENTED, "%s of trails is not implemented.", what);
}

#define REFUSE_UNBUILT(call, in)                                                                   \
    do {                                                                                           \
        if (!str_is_empty((in)->SnsTopicName))                                                     \
            return unbuilt((call), "SnsTopicName");                                                \
        if ((in)->RecursiveLogging.set && (in)->RecursiveLogging.value)                            \
            return unbuilt((call), "RecursiveLogging");                                            \
        if (!str_is_empty((in)->CloudWatchLogsLogGroupArn) ||                                      \
            !str_is_empty((in)->CloudWatchLogsRoleArn))                                            \
            return unbuilt((call), "CloudWatchLogsLogGroupArn");                                   \
    } while (0)

static RESULT trail_check(struct call *call, const struct cloudtrail_trail *trail)
{
    if (trail->bucket.len < 3 || trail->bucket.len > 63)
        return call_fail(call, CLOUDTRAIL_INVALID_S3_BUCKET_NAME,
                         "Bucket name does not comply with the naming requirements.");
    if (trail->prefix.len > 200)
        return call_fail(call, CLOUDTRAIL_INVALID_S3_PREFIX,
                         "S3 prefix is longer than maximum length.");
    if (trail->multi_region && !trail->global)
        return call_fail(call, CLOUDTRAIL_INVALID_PARAMETER_COMBINATION,
                         "Multi-Region trail must include global service events.");
    return trail_check_bucket(call, trail);
}

/* The key's ARN is what is kept. An empty name: none any more. */
static RESULT trail_take_key(struct call *call, struct str name, struct cloudtrail_trail *trail)
{
    struct keys_key key;
    struct keys_problem problem = {0};
    if (str_is_empty(name)) {
        trail->kms_key = str_is_absent(name) ? trail->kms_key : (struct str){0};
        return RESULT_OK;
    }
    enum result result = keys_find(call, trail->account, trail->region, name, &key, &problem);
    cipher_forget(key.material, sizeof key.material);
    if (result == RESULT_ERROR)
        return call_fail(call,
                         problem.fault == KEYS_DISABLED ? CLOUDTRAIL_KMS_KEY_DISABLED
                                                        : CLOUDTRAIL_KMS_KEY_NOT_FOUND,
                         "%.*s", PRSTR(problem.message));
    TRY(result);
    trail->kms_key = key.arn;
    return RESULT_OK;
}

/* What Create and Update have in common, after the trail's own members. */
static RESULT trail_take(struct call *call, struct str kms_key, struct opt_bool validated,
                         struct opt_bool organization, struct cloudtrail_trail *trail)
{
    if (validated.set)
        trail->validated = validated.value;
    if (organization.set && !organization.value)
        trail->organization = (struct str){0};
    if (organization.set && organization.value)
        TRY(trail_take_organization(call, trail));
    TRY(trail_take_key(call, kms_key, trail));
    TRY(trail_check(call, trail));
    TRY(trail_digest_begin(call, trail));
    return trail_put(call, trail);
}

/* Both answers have the same members, in types of their own. */
#define ANSWER_TRAIL(call, out, trail)                                                             \
    do {                                                                                           \
        (out)->Name = (trail)->name;                                                               \
        (out)->S3BucketName = (trail)->bucket;                                                     \
        (out)->S3KeyPrefix = (trail)->prefix;                                                      \
        (out)->IncludeGlobalServiceEvents = opt_bool((trail)->global);                             \
        (out)->IsMultiRegionTrail = opt_bool((trail)->multi_region);                               \
        (out)->TrailARN = trail_arn((call), (trail));                                              \
        (out)->LogFileValidationEnabled = opt_bool((trail)->validated);                            \
        (out)->IsOrganizationTrail = opt_bool(!str_is_absent((trail)->organization));              \
        (out)->KmsKeyId = (trail)->kms_key;                                                        \
    } while (0)

/* Of the tags of a request. */
static RESULT tags_judge_policy(struct call *call, const struct cloudtrail_trail *trail,
                                const struct str_map *given)
{
    struct str key;
    TRY(organization_tag_refused(call, trail->account, STR("cloudtrail:trail"), given, &key));
    return str_is_absent(key) ? RESULT_OK
                              : call_fail(call, CLOUDTRAIL_INVALID_TAG_PARAMETER,
                                          ORGANIZATION_TAG_TEXT, PRSTR(key));
}

RESULT cloudtrail_CreateTrail(struct call *call, const struct cloudtrail_CreateTrailRequest *in,
                              struct cloudtrail_CreateTrailResponse *out)
{
    struct cloudtrail_trail *trails, trail;
    struct str owner;
    size_t count, here = 0, which;
    REFUSE_UNBUILT(call, in);
    TRY(name_check(call, in->Name));
    TRY(trail_owner(call, in->IsOrganizationTrail.set && in->IsOrganizationTrail.value, &owner));
    TRY(trails_of(call, owner, &trails, &count));
    for (size_t i = 0; i < count; i++) {
        here += str_eq(trails[i].region, call->region) || trails[i].multi_region;
        if (str_eq(trails[i].name, in->Name) &&
            (str_eq(trails[i].region, call->region) || trails[i].multi_region))
            return call_fail(call, CLOUDTRAIL_TRAIL_ALREADY_EXISTS,
                             "Trail %.*s already exists for customer: %.*s", PRSTR(in->Name),
                             PRSTR(owner));
    }
    if (here >= TRAILS_MAX)
        return call_fail(call, CLOUDTRAIL_MAXIMUM_NUMBER_OF_TRAILS_EXCEEDED,
                         "User: %.*s already has %d trails in %.*s.", PRSTR(owner), TRAILS_MAX,
                         PRSTR(call->region));
    trail = (struct cloudtrail_trail){
        .name = in->Name,
        .account = owner,
        .region = call->region,
        .bucket = in->S3BucketName,
        .prefix = in->S3KeyPrefix,
        .global = !in->IncludeGlobalServiceEvents.set || in->IncludeGlobalServiceEvents.value,
        .multi_region = in->IsMultiRegionTrail.set && in->IsMultiRegionTrail.value,
    };
    trail.tags.items = ARENA_ARRAY(call->arena, in->TagsList.len + 1, struct str_map_entry);
    for (size_t i = 0; i < in->TagsList.len; i++)
        trail.tags.items[trail.tags.len++] =
            (struct str_map_entry){in->TagsList.items[i].Key, in->TagsList.items[i].Value};
    if (tags_check(&trail.tags, TRAIL_TAGS_MAX, &which) != TAGS_OK)
        return call_fail(call, CLOUDTRAIL_INVALID_TAG_PARAMETER, "The tags are not valid.");
    TRY(tags_judge_policy(call, &trail, &trail.tags));
    TRY(trail_take(call, in->KmsKeyId, in->EnableLogFileValidation, in->IsOrganizationTrail,
                   &trail));
    ANSWER_TRAIL(call, out, &trail);
    return RESULT_OK;
}

RESULT cloudtrail_UpdateTrail(struct call *call, const struct cloudtrail_UpdateTrailRequest *in,
                              struct cloudtrail_UpdateTrailResponse *out)
{
    struct cloudtrail_trail trail;
    REFUSE_UNBUILT(call, in);
    TRY(trail_find_own(call, in->Name, &trail));
    if (!str_is_absent(in->S3BucketName))
        trail.bucket = in->S3BucketName;
    if (!str_is_absent(in->S3KeyPrefix))
        trail.prefix = in->S3KeyPrefix;
    if (in->IncludeGlobalServiceEvents.set)
        trail.global = in->IncludeGlobalServiceEvents.value;
    if (in->IsMultiRegionTrail.set)
        trail.multi_region = in->IsMultiRegionTrail.value;
    TRY(trail_take(call, in->KmsKeyId, in->EnableLogFileValidation, in->IsOrganizationTrail,
                   &trail));
    ANSWER_TRAIL(call, out, &trail);
    return RESULT_OK;
}

RESULT cloudtrail_DeleteTrail(struct call *call, const struct cloudtrail_DeleteTrailRequest *in,
                              struct cloudtrail_DeleteTrailResponse *out)
{
    struct cloudtrail_trail trail;
    (void)out;
    TRY(trail_find_own(call, in->Name, &trail));
    TRY(trail_queue_drop(call, &trail));
    TRY(trail_digest_drop(call, &trail));
    struct key key = trail_key(call, trail.account, trail.region, trail.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return trail_data_switch(call);
}

/* --- logging --- */

RESULT cloudtrail_StartLogging(struct call *call, const struct cloudtrail_StartLoggingRequest *in,
                               struct cloudtrail_StartLoggingResponse *out)
{
    struct cloudtrail_trail trail;
    (void)out;
    TRY(trail_find_own(call, in->Name, &trail));
    trail.logging = true;
    trail.started_ms = call->now_ms;
    TRY(trail_digest_begin(call, &trail));
    return trail_put(call, &trail);
}

RESULT cloudtrail_StopLogging(struct call *call, const struct cloudtrail_StopLoggingRequest *in,
                              struct cloudtrail_StopLoggingResponse *out)
{
    struct cloudtrail_trail trail;
    (void)out;
    TRY(trail_find_own(call, in->Name, &trail));
    trail.logging = false;
    trail.stopped_ms = call->now_ms;
    return trail_put(call, &trail);
}

static struct opt_time when(int64_t ms)
{
    return ms == 0 ? (struct opt_time){0} : opt_time(ms);
}

static struct str when_text(struct call *call, int64_t ms)
{
    struct buf text;
    if (ms == 0)
        return STR("");
    buf_init(&text, call->arena, 64);
    time_format_iso8601(&text, ms / 1000 * 1000);
    return buf_str(&text);
}

RESULT cloudtrail_GetTrailStatus(struct call *call,
                                 const struct cloudtrail_GetTrailStatusRequest *in,
                                 struct cloudtrail_GetTrailStatusResponse *out)
{
    struct cloudtrail_trail trail;
    TRY(trail_find(call, in->Name, &trail));
    out->IsLogging = opt_bool(trail.logging);
    out->StartLoggingTime = when(trail.started_ms);
    out->StopLoggingTime = when(trail.stopped_ms);
    out->LatestDeliveryTime = when(trail.delivered_ms);
    out->LatestDeliveryError = trail.delivery_error;
    out->LatestDigestDeliveryTime = when(trail.digested_ms);
    out->LatestDigestDeliveryError = trail.digest_error;
    out->LatestDeliveryAttemptTime = when_text(call, trail.attempted_ms);
    out->LatestDeliveryAttemptSucceeded = when_text(call, trail.delivered_ms);
    out->LatestNotificationAttemptTime = STR("");
    out->LatestNotificationAttemptSucceeded = STR("");
    out->TimeLoggingStarted = when_text(call, trail.started_ms);
    out->TimeLoggingStopped = when_text(call, trail.stopped_ms);
    return RESULT_OK;
}

/* --- showing --- */

static struct cloudtrail_Trail trail_shown(struct call *call, const struct cloudtrail_trail *trail)
{
    return (struct cloudtrail_Trail){
        .Name = trail->name,
        .S3BucketName = trail->bucket,
        .S3KeyPrefix = trail->prefix,
        .IncludeGlobalServiceEvents = opt_bool(trail->global),
        .IsMultiRegionTrail = opt_bool(trail->multi_region),
        .HomeRegion = trail->region,
        .TrailARN = trail_arn(call, trail),
        .LogFileValidationEnabled = opt_bool(trail->validated),
        .KmsKeyId = trail->kms_key,
        .HasCustomEventSelectors = opt_bool(trail->selectors.len + trail->advanced.len > 0),
        .HasInsightSelectors = opt_bool(false),
        .IsOrganizationTrail = opt_bool(!str_is_absent(trail->organization)),
    };
}

RESULT cloudtrail_GetTrail(struct call *call, const struct cloudtrail_GetTrailRequest *in,
                           struct cloudtrail_GetTrailResponse *out)
{
    struct cloudtrail_trail trail;
    TRY(trail_find(call, in->Name, &trail));
    out->Trail = ARENA_NEW(call->arena, struct cloudtrail_Trail);
    *out->Trail = trail_shown(call, &trail);
    return RESULT_OK;
}

static bool trail_is_named(struct call *call, const struct cloudtrail_trail *trail,
                           const struct str_list *names)
{
    for (size_t i = 0; i < names->len; i++)
        if (str_eq(names->items[i], trail->name) || str_eq(names->items[i], trail_arn(call, trail)))
            return true;
    return names->len == 0;
}

RESULT cloudtrail_DescribeTrails(struct call *call,
                                 const struct cloudtrail_DescribeTrailsRequest *in,
                                 struct cloudtrail_DescribeTrailsResponse *out)
{
    struct cloudtrail_trail *trails;
    size_t count, cap = 1;
    bool shadows = !in->includeShadowTrails.set || in->includeShadowTrails.value;
    TRY(trails_seen(call, call->account, &trails, &count));
    out->trailList.items = ARENA_NEW(call->arena, struct cloudtrail_Trail);
    for (size_t i = 0; i < count; i++) {
        bool home =
            str_eq(trails[i].region, call->region) && str_eq(trails[i].account, call->account);
        bool shadow = trails[i].multi_region || str_eq(trails[i].region, call->region);
        if ((home || (shadows && shadow)) && trail_is_named(call, &trails[i], &in->trailNameList))
            VEC_PUSH(call->arena, out->trailList.items, out->trailList.len, cap,
                     trail_shown(call, &trails[i]));
    }
    return RESULT_OK;
}

RESULT cloudtrail_ListTrails(struct call *call, const struct cloudtrail_ListTrailsRequest *in,
                             struct cloudtrail_ListTrailsResponse *out)
{
    struct cloudtrail_trail *trails;
    size_t count;
    (void)in; /* all trails of an account fit one page */
    TRY(trails_seen(call, call->account, &trails, &count));
    out->Trails.items = ARENA_ARRAY(call->arena, count + 1, struct cloudtrail_TrailInfo);
    out->Trails.len = count;
    for (size_t i = 0; i < count; i++)
        out->Trails.items[i] = (struct cloudtrail_TrailInfo){
            .TrailARN = trail_arn(call, &trails[i]),
            .Name = trails[i].name,
            .HomeRegion = trails[i].region,
        };
    return RESULT_OK;
}

/* --- tags --- */

static RESULT tagged_find(struct call *call, struct str id, struct cloudtrail_trail *trail)
{
    enum result result = trail_find(call, id, trail);
    if (result == RESULT_ERROR && call->error == CLOUDTRAIL_TRAIL_NOT_FOUND)
        return call_fail(call, CLOUDTRAIL_RESOURCE_NOT_FOUND, "Resource not found: %.*s",
                         PRSTR(id));
    return result;
}

RESULT cloudtrail_AddTags(struct call *call, const struct cloudtrail_AddTagsRequest *in,
                          struct cloudtrail_AddTagsResponse *out)
{
    struct cloudtrail_trail trail;
    struct str_map added = {ARENA_ARRAY(call->arena, in->TagsList.len + 1, struct str_map_entry),
                            in->TagsList.len};
    size_t which;
    (void)out;
    TRY(tagged_find(call, in->ResourceId, &trail));
    for (size_t i = 0; i < in->TagsList.len; i++)
        added.items[i] =
            (struct str_map_entry){in->TagsList.items[i].Key, in->TagsList.items[i].Value};
    TRY(tags_judge_policy(call, &trail, &added));
    trail.tags = tags_merge(call->arena, &trail.tags, &added);
    switch (tags_check(&trail.tags, TRAIL_TAGS_MAX, &which)) {
    case TAGS_OK:
        return trail_put(call, &trail);
    case TAGS_TOO_MANY:
        return call_fail(call, CLOUDTRAIL_TAGS_LIMIT_EXCEEDED,
                         "The number of tags per trail has exceeded the permitted amount.");
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
    case TAGS_KEY_RESERVED:
    case TAGS_KEY_TWICE:
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        break;
    }
    return call_fail(call, CLOUDTRAIL_INVALID_TAG_PARAMETER, "The tag %.*s is not valid.",
                     PRSTR(trail.tags.items[which].key));
}

RESULT cloudtrail_RemoveTags(struct call *call, const struct cloudtrail_RemoveTagsRequest *in,
                             struct cloudtrail_RemoveTagsResponse *out)
{
    struct cloudtrail_trail trail;
    struct str_list keys = {ARENA_ARRAY(call->arena, in->TagsList.len + 1, struct str),
                            in->TagsList.len};
    (void)out;
    TRY(tagged_find(call, in->ResourceId, &trail));
    for (size_t i = 0; i < keys.len; i++)
        keys.items[i] = in->TagsList.items[i].Key;
    trail.tags = tags_without(call->arena, &trail.tags, &keys);
    return trail_put(call, &trail);
}

RESULT cloudtrail_ListTags(struct call *call, const struct cloudtrail_ListTagsRequest *in,
                           struct cloudtrail_ListTagsResponse *out)
{
    size_t len = in->ResourceIdList.len;
    out->ResourceTagList.items = ARENA_ARRAY(call->arena, len + 1, struct cloudtrail_ResourceTag);
    out->ResourceTagList.len = len;
    for (size_t i = 0; i < len; i++) {
        struct cloudtrail_ResourceTag *shown = &out->ResourceTagList.items[i];
        struct cloudtrail_trail trail;
        TRY(tagged_find(call, in->ResourceIdList.items[i], &trail));
        shown->ResourceId = in->ResourceIdList.items[i];
        shown->TagsList.items = ARENA_ARRAY(call->arena, trail.tags.len + 1, struct cloudtrail_Tag);
        shown->TagsList.len = trail.tags.len;
        for (size_t t = 0; t < trail.tags.len; t++)
            shown->TagsList.items[t] =
                (struct cloudtrail_Tag){trail.tags.items[t].key, trail.tags.items[t].value};
    }
    return RESULT_OK;
}
