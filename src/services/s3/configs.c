/* Analytics, metrics and Intelligent-Tiering configurations, and what inventory shares with them.
 */
#include "services/s3/configs.h"

#include "base/log.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/s3/flow_int.h"
#include "store/record.h"

enum { CONFIGS_MAX = 1000, CONFIGS_PAGE = 100, ID_MAX = 64 };

/* --- any kind --- */

static RESULT check_id(struct call *call, struct str id, struct str body_id)
{
    bool good = id.len >= 1 && id.len <= ID_MAX && str_eq(id, body_id);
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
    }
    return good ? RESULT_OK : flow_fail_argument(call, "Invalid Configuration Id specified.");
}

static RESULT check_limit(struct call *call, const struct s3_bucket *bucket,
                          enum s3_setting setting)
{
    struct key prefix = setting_prefix(call, bucket, setting);
    struct kv_cursor *cursor;
    size_t count = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        count++;
    }
    kv_cursor_close(cursor);
    if (count < CONFIGS_MAX)
        return RESULT_OK;
    return call_fail(call, S3_TOO_MANY_CONFIGURATIONS,
                     "You are attempting to create a new configuration but have already reached "
                     "the 1,000-configuration limit.");
}

static struct key config_key(struct call *call, const struct s3_bucket *bucket,
                             enum s3_setting setting, struct str id)
{
    struct key key = setting_prefix(call, bucket, setting);
    key_str(&key, id);
    return key;
}

RESULT configs_put(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, struct str body_id, const void *value)
{
    struct key key = config_key(call, bucket, setting, id);
    struct str there;
    TRY(check_id(call, id, body_id));
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (str_is_absent(there))
        TRY(check_limit(call, bucket, setting));
    return setting_put(call, bucket, setting, id, value);
}

static RESULT fail_missing(struct call *call, const struct s3_bucket *bucket)
{
    return s3_fail_bucket(call, S3_NO_SUCH_CONFIGURATION, bucket->name,
                          "The specified configuration does not exist.");
}

static RESULT configs_get(struct call *call, const struct s3_bucket *bucket,
                          enum s3_setting setting, struct str id, void *value)
{
    bool found;
    TRY(setting_get(call, bucket, setting, id, value, &found));
    return found ? RESULT_OK : fail_missing(call, bucket);
}

static RESULT configs_delete(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                             struct str id)
{
    bool existed;
    TRY(setting_delete(call, bucket, setting, id, &existed));
    return existed ? RESULT_OK : fail_missing(call, bucket);
}

/* A page: `items` of the shape's structs. */
struct configs_page {
    void *items;
    size_t len;
    bool truncated;
    struct str next; /* absent: the last page */
};

static RESULT configs_list(struct call *call, const struct s3_bucket *bucket,
                           enum s3_setting setting, uint16_t shape, struct str token,
                           struct configs_page *page)
{
    struct key prefix = setting_prefix(call, bucket, setting);
    struct kv_cursor *cursor;
    struct str from = {0}, key, value;
    size_t size = s3_model.shapes[shape].size;
    *page = (struct configs_page){.items = arena_alloc(call->arena, CONFIGS_PAGE * size)};
    if (!str_is_empty(token) && !paging_position(call, token, &from))
        return flow_fail_argument(call, "The continuation token provided is incorrect");
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(from))
        TRY(kv_cursor_seek(cursor, from));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        if (page->len == CONFIGS_PAGE) {
            page->truncated = true;
            page->next = paging_token(call, key); /* where the next page begins */
            break;
        }
        TRY(record_decode_copy(call->arena, &s3_model, shape, value,
                               (char *)page->items + page->len * size));
        page->len++;
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

/* --- filters: a prefix, a tag, or several of them --- */

static RESULT check_parts(struct call *call, int single, const struct s3_TagSet *all_tags,
                          size_t all)
{
    if (single != 1 || (all_tags != NULL && all < 2))
        return flow_fail_xml(call);
    for (size_t i = 0; all_tags != NULL && i < all_tags->len; i++)
        for (size_t j = 0; j < i; j++)
            if (str_eq(all_tags->items[i].Key, all_tags->items[j].Key))
                return flow_fail_request(call, "Duplicate Tag Keys are not allowed.");
    return RESULT_OK;
}

/* --- analytics --- */

static RESULT check_export(struct call *call, const struct s3_StorageClassAnalysis *analysis)
{
    struct arn arn;
    if (analysis == NULL)
        return flow_fail_xml(call);
    if (analysis->DataExport == NULL)
        return RESULT_OK;
    const struct s3_AnalyticsExportDestination *to = analysis->DataExport->Destination;
    if (!str_eq(analysis->DataExport->OutputSchemaVersion, STR("V_1")) || to == NULL ||
        to->S3BucketDestination == NULL || !str_eq(to->S3BucketDestination->Format, STR("CSV")))
        return flow_fail_xml(call);
    if (!arn_parse(to->S3BucketDestination->Bucket, &arn) || !str_eq(arn.service, STR("s3")))
        return flow_fail_argument(call, "Invalid bucket ARN.");
    return RESULT_OK;
}

RESULT
s3_PutBucketAnalyticsConfiguration(struct call *call,
                                   const struct s3_PutBucketAnalyticsConfigurationRequest *in,
                                   struct s3_PutBucketAnalyticsConfigurationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    const struct s3_AnalyticsConfiguration *wanted = in->AnalyticsConfiguration;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (wanted == NULL)
        return flow_fail_xml(call);
    const struct s3_AnalyticsFilter *filter = wanted->Filter;
    if (filter != NULL)
        TRY(check_parts(
            call, !str_is_absent(filter->Prefix) + (filter->Tag != NULL) + (filter->And != NULL),
            filter->And == NULL ? NULL : &filter->And->Tags,
            filter->And == NULL
                ? 0
                : filter->And->Tags.len + (size_t)!str_is_absent(filter->And->Prefix)));
    TRY(check_export(call, wanted->StorageClassAnalysis));
    log_line(LOG_INFO, "s3: analytics %.*s of bucket %.*s is kept; no analysis is made of it",
             PRSTR(in->Id), PRSTR(in->Bucket));
    return configs_put(call, &bucket, S3_SETTING_ANALYTICS, in->Id, wanted->Id, wanted);
}

/* --- metrics --- */

RESULT s3_PutBucketMetricsConfiguration(struct call *call,
                                        const struct s3_PutBucketMetricsConfigurationRequest *in,
                                        struct s3_PutBucketMetricsConfigurationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    const struct s3_MetricsConfiguration *wanted = in->MetricsConfiguration;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (wanted == NULL)
        return flow_fail_xml(call);
    const struct s3_MetricsFilter *filter = wanted->Filter;
    if (filter != NULL) {
        const struct s3_MetricsAndOperator *all = filter->And;
        size_t parts = all == NULL ? 0
                                   : all->Tags.len + (size_t)!str_is_absent(all->Prefix) +
                                         (size_t)!str_is_absent(all->AccessPointArn);
        TRY(check_parts(call,
                        !str_is_absent(filter->Prefix) + (filter->Tag != NULL) + (all != NULL) +
                            !str_is_absent(filter->AccessPointArn),
                        all == NULL ? NULL : &all->Tags, parts));
    }
    log_line(LOG_INFO, "s3: metrics %.*s of bucket %.*s are kept; none are published",
             PRSTR(in->Id), PRSTR(in->Bucket));
    return configs_put(call, &bucket, S3_SETTING_METRICS, in->Id, wanted->Id, wanted);
}

/* --- Intelligent-Tiering --- */

/* "Days: the number of consecutive days of no access" (Tiering, Amazon S3 API Reference). */
static RESULT check_tierings(struct call *call, const struct s3_TieringList *list)
{
    if (list->len < 1 || list->len > 2)
        return flow_fail_xml(call);
    for (size_t i = 0; i < list->len; i++) {
        const struct s3_Tiering *one = &list->items[i];
        bool deep = str_eq(one->AccessTier, STR("DEEP_ARCHIVE_ACCESS"));
        if ((!deep && !str_eq(one->AccessTier, STR("ARCHIVE_ACCESS"))) || !one->Days.set)
            return flow_fail_xml(call);
        if (one->Days.value < (deep ? 180 : 90) || one->Days.value > 730)
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                             "'Days' for %.*s must be between %d and 730.", PRSTR(one->AccessTier),
                             deep ? 180 : 90);
        if (i == 1 && str_eq(list->items[0].AccessTier, one->AccessTier))
            return flow_fail_request(call, "The access tiers of a configuration must differ.");
    }
    return RESULT_OK;
}

RESULT s3_PutBucketIntelligentTieringConfiguration(
    struct call *call, const struct s3_PutBucketIntelligentTieringConfigurationRequest *in,
    struct s3_PutBucketIntelligentTieringConfigurationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    const struct s3_IntelligentTieringConfiguration *wanted = in->IntelligentTieringConfiguration;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (wanted == NULL || !flow_is_one_of(wanted->Status, STR("Enabled Disabled")))
        return flow_fail_xml(call);
    const struct s3_IntelligentTieringFilter *filter = wanted->Filter;
    if (filter != NULL) {
        const struct s3_IntelligentTieringAndOperator *all = filter->And;
        TRY(check_parts(call,
                        !str_is_absent(filter->Prefix) + (filter->Tag != NULL) + (all != NULL),
                        all == NULL ? NULL : &all->Tags,
                        all == NULL ? 0 : all->Tags.len + (size_t)!str_is_absent(all->Prefix)));
    }
    TRY(check_tierings(call, &wanted->Tierings));
    log_line(LOG_INFO, "s3: tiering %.*s of bucket %.*s is kept; nothing is archived by access",
             PRSTR(in->Id), PRSTR(in->Bucket));
    return configs_put(call, &bucket, S3_SETTING_TIERING, in->Id, wanted->Id, wanted);
}

/* --- reading them back, the same for all --- */

#define CONFIGS_READ(Kind, SETTING)                                                                \
    RESULT s3_GetBucket##Kind##Configuration(                                                      \
        struct call *call, const struct s3_GetBucket##Kind##ConfigurationRequest *in,              \
        struct s3_GetBucket##Kind##ConfigurationOutput *out)                                       \
    {                                                                                              \
        struct s3_bucket bucket;                                                                   \
        TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));                      \
        out->Kind##Configuration = ARENA_NEW(call->arena, struct s3_##Kind##Configuration);        \
        return configs_get(call, &bucket, SETTING, in->Id, out->Kind##Configuration);              \
    }                                                                                              \
    RESULT s3_ListBucket##Kind##Configurations(                                                    \
        struct call *call, const struct s3_ListBucket##Kind##ConfigurationsRequest *in,            \
        struct s3_ListBucket##Kind##ConfigurationsOutput *out)                                     \
    {                                                                                              \
        struct s3_bucket bucket;                                                                   \
        struct configs_page page;                                                                  \
        TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));                      \
        TRY(configs_list(call, &bucket, SETTING, S3_SHAPE_##Kind##Configuration,                   \
                         in->ContinuationToken, &page));                                           \
        out->Kind##ConfigurationList.items = page.items;                                           \
        out->Kind##ConfigurationList.len = page.len;                                               \
        out->IsTruncated = opt_bool(page.truncated);                                               \
        out->ContinuationToken = in->ContinuationToken;                                            \
        out->NextContinuationToken = page.next;                                                    \
        return RESULT_OK;                                                                          \
    }                                                                                              \
    RESULT s3_DeleteBucket##Kind##Configuration(                                                   \
        struct call *call, const struct s3_DeleteBucket##Kind##ConfigurationRequest *in,           \
        struct s3_DeleteBucket##Kind##ConfigurationResult *out)                                    \
    {                                                                                              \
        struct s3_bucket bucket;                                                                   \
        (void)out;                                                                                 \
        TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));                      \
        return configs_delete(call, &bucket, SETTING, in->Id);                                     \
    }

CONFIGS_READ(Analytics, S3_SETTING_ANALYTICS)
CONFIGS_READ(Inventory, S3_SETTING_INVENTORY)
CONFIGS_READ(Metrics, S3_SETTING_METRICS)
CONFIGS_READ(IntelligentTiering, S3_SETTING_TIERING)
