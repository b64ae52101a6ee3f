#include "services/s3/settings.h"

static const uint16_t setting_shapes[] = {
    [S3_SETTING_POLICY] = S3_SHAPE_policy_text,
    [S3_SETTING_ACL] = S3_SHAPE_AccessControlPolicy,
    [S3_SETTING_OWNERSHIP] = S3_SHAPE_OwnershipControls,
    [S3_SETTING_PUBLIC_ACCESS] = S3_SHAPE_PublicAccessBlockConfiguration,
    [S3_SETTING_CORS] = S3_SHAPE_CORSConfiguration,
    [S3_SETTING_WEBSITE] = S3_SHAPE_WebsiteConfiguration,
    [S3_SETTING_REQUEST_PAYMENT] = S3_SHAPE_RequestPaymentConfiguration,
    [S3_SETTING_ACCELERATE] = S3_SHAPE_AccelerateConfiguration,
    [S3_SETTING_ENCRYPTION] = S3_SHAPE_ServerSideEncryptionConfiguration,
    [S3_SETTING_OBJECT_LOCK] = S3_SHAPE_ObjectLockConfiguration,
    [S3_SETTING_LIFECYCLE] = S3_SHAPE_BucketLifecycleConfiguration,
    [S3_SETTING_REPLICATION] = S3_SHAPE_ReplicationConfiguration,
    [S3_SETTING_NOTIFICATION] = S3_SHAPE_NotificationConfiguration,
    [S3_SETTING_LOGGING] = S3_SHAPE_BucketLoggingStatus,
    [S3_SETTING_ANALYTICS] = S3_SHAPE_AnalyticsConfiguration,
    [S3_SETTING_INVENTORY] = S3_SHAPE_InventoryConfiguration,
    [S3_SETTING_METRICS] = S3_SHAPE_MetricsConfiguration,
    [S3_SETTING_TIERING] = S3_SHAPE_IntelligentTieringConfiguration,
};
_Static_assert(sizeof setting_shapes / sizeof setting_shapes[0] == S3_SETTINGS, "a shape for each");

bool setting_is_there(const struct s3_bucket *bucket, enum s3_setting setting)
{
    return (bucket->settings & INT64_C(1) << setting) != 0;
}

struct key setting_prefix(struct call *call, const struct s3_bucket *bucket,
                          enum s3_setting setting)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-setting"));
    key_i64(&key, bucket->id);
    key_i64(&key, setting);
    return key;
}

static struct key setting_key(struct call *call, const struct s3_bucket *bucket,
                              enum s3_setting setting, struct str id)
{
    struct key key = setting_prefix(call, bucket, setting);
    key_str(&key, str_is_absent(id) ? STR("") : id);
    return key;
}

RESULT setting_put(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, const void *value)
{
    struct key key = setting_key(call, bucket, setting, id);
    TRY(call_put_record(call, &key, &s3_model, setting_shapes[setting], value));
    if (setting_is_there(bucket, setting))
        return RESULT_OK;
    bucket->settings |= INT64_C(1) << setting;
    return bucket_put(call, bucket);
}

RESULT setting_get(struct call *call, const struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, void *value, bool *found)
{
    *found = false;
    if (!setting_is_there(bucket, setting))
        return RESULT_OK;
    struct key key = setting_key(call, bucket, setting, id);
    return call_get_record_copy(call, &key, &s3_model, setting_shapes[setting], value, found);
}

RESULT setting_delete(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                      struct str id, bool *existed)
{
    *existed = false;
    if (!setting_is_there(bucket, setting))
        return RESULT_OK;
    struct key key = setting_key(call, bucket, setting, id);
    struct key prefix = setting_prefix(call, bucket, setting);
    struct kv_cursor *cursor;
    struct str another, value;
    TRY(kv_delete(call->txn, key_bytes(&key), existed));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &another, &value));
    kv_cursor_close(cursor);
    if (!str_is_absent(another))
        return RESULT_OK;
    bucket->settings &= ~(INT64_C(1) << setting);
    return bucket_put(call, bucket);
}

RESULT settings_drop(struct call *call, const struct s3_bucket *bucket)
{
    struct key key;
    size_t deleted;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-setting"));
    key_i64(&key, bucket->id);
    return kv_delete_prefix(call->txn, key_bytes(&key), SIZE_MAX, &deleted);
}
