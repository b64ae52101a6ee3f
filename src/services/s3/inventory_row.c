/* PutBucketInventoryConfiguration, and the lines of a report: "Amazon S3 Inventory list". */
#include "base/encode.h"
#include "base/time.h"
#include "cloud/arn.h"
#include "services/s3/configs.h"
#include "services/s3/flow_int.h"
#include "services/s3/inventory.h"
#include "services/s3/lifecycle.h"
#include "services/s3/lock.h"

/* In the order in which reports have them. */
#define FIELDS                                                                                     \
    "Size LastModifiedDate ETag StorageClass IsMultipartUploaded ReplicationStatus "               \
    "EncryptionStatus ObjectLockRetainUntilDate ObjectLockMode ObjectLockLegalHoldStatus "         \
    "ObjectLockEventHoldStatus ObjectLockEventHoldDuration "                                       \
    "IntelligentTieringAccessTier BucketKeyStatus ChecksumAlgorithm ObjectOwner "                  \
    "LifecycleExpirationDate"

/* --- what a configuration may say --- */

static RESULT check_fields(struct call *call, const struct str_list *fields)
{
    for (size_t i = 0; i < fields->len; i++) {
        if (str_eq(fields->items[i], STR("ObjectAccessControlList")))
            return call_fail(call, S3_UNBUILT_HEADER,
                             "ObjectAccessControlList in inventories is not implemented.");
        if (!flow_is_one_of(fields->items[i], STR(FIELDS)))
            return flow_fail_xml(call);
        for (size_t j = 0; j < i; j++)
            if (str_eq(fields->items[i], fields->items[j]))
                return flow_fail_xml(call);
    }
    return RESULT_OK;
}

static RESULT check_destination(struct call *call, const struct s3_bucket *bucket,
                                const struct s3_InventoryS3BucketDestination *to)
{
    struct arn arn;
    struct s3_bucket target;
    bool found;
    if (flow_is_one_of(to->Format, STR("ORC Parquet")))
        return call_fail(call, S3_UNBUILT_HEADER, "Inventories as %.*s are not implemented.",
                         PRSTR(to->Format));
    if (!str_eq(to->Format, STR("CSV")))
        return flow_fail_xml(call);
    if (to->Encryption != NULL && to->Encryption->SSEKMS != NULL)
        return call_fail(call, S3_UNBUILT_HEADER,
                         "Inventories encrypted with keys of AWS KMS are not implemented.");
    if (!arn_parse(to->Bucket, &arn) || !str_eq(arn.service, STR("s3")) ||
        !bucket_name_is_valid(arn.resource))
        return flow_fail_argument(call, "Invalid bucket ARN.");
    TRY(bucket_find(call, arn.resource, &target, &found));
    if (!found)
        return call_fail(call, S3_INVALID_S3_DESTINATION_BUCKET,
                         "Destination bucket does not exist.");
    if (!str_eq(target.region, bucket->region))
        return call_fail(call, S3_INVALID_S3_DESTINATION_BUCKET,
                         "Destination bucket must be in the same region as the source bucket.");
    if (!str_is_empty(to->AccountId) && !str_eq(to->AccountId, target.account))
        return call_fail(call, S3_INVALID_S3_DESTINATION_BUCKET,
                         "Destination bucket is not owned by the account that was given.");
    return RESULT_OK;
}

RESULT
s3_PutBucketInventoryConfiguration(struct call *call,
                                   const struct s3_PutBucketInventoryConfigurationRequest *in,
                                   struct s3_PutBucketInventoryConfigurationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    const struct s3_InventoryConfiguration *wanted = in->InventoryConfiguration;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (wanted == NULL || !wanted->IsEnabled.set || wanted->Schedule == NULL ||
        !flow_is_one_of(wanted->Schedule->Frequency, STR("Daily Weekly")) ||
        !flow_is_one_of(wanted->IncludedObjectVersions, STR("All Current")) ||
        wanted->Destination == NULL || wanted->Destination->S3BucketDestination == NULL)
        return flow_fail_xml(call);
    TRY(check_fields(call, &wanted->OptionalFields));
    TRY(check_destination(call, &bucket, wanted->Destination->S3BucketDestination));
    TRY(configs_put(call, &bucket, S3_SETTING_INVENTORY, in->Id, wanted->Id, wanted));
    return inventory_start(call, &bucket, wanted);
}

/* --- lines --- */

bool inventory_wants_versions(const struct s3_InventoryConfiguration *what)
{
    return str_eq(what->IncludedObjectVersions, STR("All"));
}

static bool wants(const struct s3_InventoryConfiguration *what, struct str field)
{
    for (size_t i = 0; i < what->OptionalFields.len; i++)
        if (str_eq(what->OptionalFields.items[i], field))
            return true;
    return false;
}

struct str inventory_schema(struct arena *arena, const struct s3_InventoryConfiguration *what)
{
    struct buf out;
    struct str rest = STR(FIELDS), field;
    buf_init(&out, arena, 4096);
    buf_append(&out, STR("Bucket, Key"));
    if (inventory_wants_versions(what))
        buf_append(&out, STR(", VersionId, IsLatest, IsDeleteMarker"));
    while (!str_is_absent(rest)) {
        str_cut(rest, ' ', &field, &rest);
        if (!wants(what, field))
            continue;
        buf_append(&out, STR(", "));
        buf_append(&out, field);
    }
    return buf_str(&out);
}

static void put_cell(struct buf *out, struct str value)
{
    buf_append(out, STR(",\""));
    buf_append(out, value);
    buf_append(out, STR("\""));
}

static struct str truth(bool is)
{
    return is ? STR("true") : STR("false");
}

static struct str time_text(struct arena *arena, int64_t ms)
{
    struct civil_time t = time_to_civil(ms);
    return str_format(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.year, t.month, t.day, t.hour,
                      t.minute, t.second, t.millisecond);
}

static struct str encryption_text(const struct s3_object *object)
{
    if (!object->sealed)
        return STR("NOT-SSE");
    if (object->sealing == NULL)
        return STR("SSE-S3");
    if (str_eq(object->sealing->algorithm, STR("aws:kms")))
        return STR("SSE-KMS");
    return str_eq(object->sealing->algorithm, STR("SSE-C")) ? STR("SSE-C") : STR("DSSE-KMS");
}

static struct str lock_text(struct call *call, struct str field, const struct s3_object *object)
{
    int64_t until_ms = lock_retain_until(object, call->now_ms);
    struct str text = {0};
    if (str_eq(field, STR("ObjectLockMode")))
        text = object->lock_mode;
    else if (str_eq(field, STR("ObjectLockRetainUntilDate")) && until_ms != 0)
        text = time_text(call->arena, until_ms);
    else if (str_eq(field, STR("ObjectLockLegalHoldStatus")))
        text = object->legal_hold;
    else if (str_eq(field, STR("ObjectLockEventHoldStatus")))
        text = object->event_hold;
    else if (str_eq(field, STR("ObjectLockEventHoldDuration")) && lock_is_held(object))
        text = str_format(call->arena, "%lld", (long long)lock_hold_days(object));
    return str_is_absent(text) ? STR("") : text;
}

static RESULT field_text(struct call *call, const struct s3_bucket *bucket, struct str field,
                         const struct inventory_version *version, struct str *text)
{
    const struct s3_object *object = version->object;
    struct arena *arena = call->arena;
    int64_t expires_ms;
    *text = STR("");
    if (str_eq(field, STR("LastModifiedDate")))
        *text = time_text(arena, object->modified_ms);
    if (str_eq(field, STR("ObjectOwner")))
        *text = s3_owner_id(arena, bucket->account);
    if (object->delete_marker)
        return RESULT_OK; /* has nothing else */
    if (str_eq(field, STR("Size")))
        *text = str_format(arena, "%lld", (long long)object->size);
    else if (str_eq(field, STR("ETag")))
        *text = object->etag;
    else if (str_eq(field, STR("StorageClass")))
        *text = str_is_absent(object->storage_class) ? STR("STANDARD") : object->storage_class;
    else if (str_eq(field, STR("IsMultipartUploaded")))
        *text = truth(object->part_count > 0);
    else if (str_eq(field, STR("ReplicationStatus")))
        *text = str_is_absent(object->replication_status) ? STR("") : object->replication_status;
    else if (str_eq(field, STR("ChecksumAlgorithm")))
        *text = object->checksum_algorithm;
    else if (str_eq(field, STR("IntelligentTieringAccessTier")) &&
             str_eq(object->storage_class, STR("INTELLIGENT_TIERING")))
        *text = STR("FREQUENT");
    else if (str_eq(field, STR("EncryptionStatus")))
        *text = encryption_text(object);
    else if (str_eq(field, STR("BucketKeyStatus")))
        *text = object->sealing != NULL && object->sealing->bucket_key ? STR("ENABLED")
                                                                       : STR("DISABLED");
    else if (str_starts_with(field, STR("ObjectLock")))
        *text = lock_text(call, field, object);
    else if (str_eq(field, STR("LifecycleExpirationDate")) && version->latest) {
        struct str rule_id;
        TRY(lifecycle_expires(call, bucket, version->key, object, &expires_ms, &rule_id));
        if (!str_is_absent(rule_id))
            *text = time_text(arena, expires_ms);
    }
    return RESULT_OK;
}

RESULT inventory_row(struct call *call, const struct s3_bucket *bucket,
                     const struct s3_InventoryConfiguration *what,
                     const struct inventory_version *version, struct buf *out)
{
    struct str rest = STR(FIELDS), field, text;
    buf_append(out, STR("\""));
    buf_append(out, bucket->name);
    buf_append(out, STR("\",\""));
    percent_encode(out, version->key, true);
    buf_append(out, STR("\""));
    if (inventory_wants_versions(what)) {
        put_cell(out, str_is_absent(version->object->version_id) ? STR("")
                                                                 : version->object->version_id);
        put_cell(out, truth(version->latest));
        put_cell(out, truth(version->object->delete_marker));
    }
    while (!str_is_absent(rest)) {
        str_cut(rest, ' ', &field, &rest);
        if (!wants(what, field))
            continue;
        TRY(field_text(call, bucket, field, version, &text));
        put_cell(out, text);
    }
    buf_append(out, STR("\n"));
    return RESULT_OK;
}
