/* Put-, Get-, DeleteBucketLifecycleConfiguration, and what replies say of what is to come. */
#include "services/s3/lifecycle.h"

#include "base/encode.h"
#include "base/time.h"
#include "services/s3/flow_int.h"
#include "services/s3/settings.h"

RESULT
s3_PutBucketLifecycleConfiguration(struct call *call,
                                   const struct s3_PutBucketLifecycleConfigurationRequest *in,
                                   struct s3_PutBucketLifecycleConfigurationOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    struct str minimum = in->TransitionDefaultMinimumObjectSize;
    if (str_is_absent(minimum))
        minimum = STR("all_storage_classes_128K");
    if (!flow_is_one_of(minimum, STR("all_storage_classes_128K varies_by_storage_class")))
        return flow_fail_argument(call, "Invalid value for x-amz-transition-default-minimum-"
                                        "object-size");
    TRY(lifecycle_check(call, in->LifecycleConfiguration));
    bucket.transition_minimum = minimum;
    TRY(lifecycle_start(call, &bucket));
    TRY(bucket_put(call, &bucket));
    out->TransitionDefaultMinimumObjectSize = minimum;
    return setting_put(call, &bucket, S3_SETTING_LIFECYCLE, (struct str){0},
                       in->LifecycleConfiguration);
}

RESULT
s3_GetBucketLifecycleConfiguration(struct call *call,
                                   const struct s3_GetBucketLifecycleConfigurationRequest *in,
                                   struct s3_GetBucketLifecycleConfigurationOutput *out)
{
    struct s3_bucket bucket;
    struct s3_BucketLifecycleConfiguration have;
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(setting_get(call, &bucket, S3_SETTING_LIFECYCLE, (struct str){0}, &have, &found));
    if (!found)
        return s3_fail_bucket(call, S3_NO_SUCH_LIFECYCLE_CONFIGURATION, bucket.name,
                              "The lifecycle configuration does not exist");
    out->Rules = have.Rules;
    out->TransitionDefaultMinimumObjectSize = bucket.transition_minimum;
    return RESULT_OK;
}

RESULT s3_DeleteBucketLifecycle(struct call *call, const struct s3_DeleteBucketLifecycleRequest *in,
                                struct s3_DeleteBucketLifecycleResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    return setting_delete(call, &bucket, S3_SETTING_LIFECYCLE, (struct str){0}, &existed);
}

/* --- headers --- */

RESULT lifecycle_expires(struct call *call, const struct s3_bucket *bucket, struct str key,
                         const struct s3_object *object, int64_t *at_ms, struct str *rule_id)
{
    struct s3_BucketLifecycleConfiguration have;
    bool found;
    *at_ms = INT64_MAX;
    *rule_id = (struct str){0};
    TRY(setting_get(call, bucket, S3_SETTING_LIFECYCLE, (struct str){0}, &have, &found));
    for (size_t i = 0; found && i < have.Rules.len; i++) {
        const struct s3_LifecycleRule *rule = &have.Rules.items[i];
        const struct s3_LifecycleExpiration *expiration = rule->Expiration;
        if (expiration == NULL || !(expiration->Days.set || expiration->Date.set) ||
            !lifecycle_is_enabled(rule) || !lifecycle_matches(rule, key, object))
            continue;
        int64_t due = expiration->Date.set
                          ? expiration->Date.ms
                          : lifecycle_day(object->modified_ms, expiration->Days.value);
        if (due >= *at_ms)
            continue;
        *at_ms = due;
        *rule_id = rule->ID;
    }
    return RESULT_OK;
}

RESULT lifecycle_expiration(struct call *call, const struct s3_bucket *bucket, struct str key,
                            const struct s3_object *object, struct str *header)
{
    int64_t best;
    struct str rule_id;
    *header = (struct str){0};
    TRY(lifecycle_expires(call, bucket, key, object, &best, &rule_id));
    if (str_is_absent(rule_id))
        return RESULT_OK;
    struct buf date, id;
    buf_init(&date, call->arena, 64);
    buf_init(&id, call->arena, SIZE_MAX);
    time_format_http(&date, best);
    percent_encode(&id, rule_id, false);
    *header = str_format(call->arena, "expiry-date=\"%.*s\", rule-id=\"%.*s\"",
                         PRSTR(buf_str(&date)), PRSTR(buf_str(&id)));
    return RESULT_OK;
}

RESULT lifecycle_abort(struct call *call, const struct s3_bucket *bucket, struct str key,
                       int64_t initiated_ms, struct opt_time *date, struct str *rule_id)
{
    struct s3_BucketLifecycleConfiguration have;
    bool found;
    *date = (struct opt_time){0};
    *rule_id = (struct str){0};
    TRY(setting_get(call, bucket, S3_SETTING_LIFECYCLE, (struct str){0}, &have, &found));
    for (size_t i = 0; found && i < have.Rules.len; i++) {
        const struct s3_LifecycleRule *rule = &have.Rules.items[i];
        const struct s3_AbortIncompleteMultipartUpload *abort =
            rule->AbortIncompleteMultipartUpload;
        if (abort == NULL || !lifecycle_is_enabled(rule) ||
            !str_starts_with(key, lifecycle_prefix(rule)))
            continue;
        int64_t due = lifecycle_day(initiated_ms, abort->DaysAfterInitiation.value);
        if (date->set && date->ms <= due)
            continue;
        *date = opt_time(due);
        *rule_id = rule->ID;
    }
    return RESULT_OK;
}
