/* What a replication configuration may say: "PutBucketReplication", Amazon S3 API Reference, and
 * "Replication configuration file elements", Amazon S3 User Guide. */
#include "services/s3/replication.h"

#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/s3/flow_int.h"
#include "services/s3/settings.h"

enum { RULES_MAX = 1000, ID_MAX = 255, TIME_MINUTES = 15 };

static bool is_switch(struct str status)
{
    return flow_is_one_of(status, STR("Enabled Disabled"));
}

static RESULT fail_for_schema(struct call *call, const char *member)
{
    return call_fail(call, WIRE_VALIDATION,
                     "%s must be specified for this version of Cross Region Replication "
                     "configuration schema. Please refer to S3 Developer Guide for more "
                     "information.",
                     member);
}

/* --- filters --- */

static bool filters_tags(const struct s3_ReplicationRuleFilter *filter)
{
    return filter != NULL &&
           (filter->Tag != NULL || (filter->And != NULL && filter->And->Tags.len > 0));
}

static RESULT check_filter(struct call *call, const struct s3_ReplicationRule *rule)
{
    const struct s3_ReplicationRuleFilter *filter = rule->Filter;
    if ((filter != NULL) + !str_is_absent(rule->Prefix) != 1)
        return flow_fail_xml(call);
    if (filter == NULL)
        return RESULT_OK;
    if (!str_is_absent(filter->Prefix) + (filter->Tag != NULL) + (filter->And != NULL) > 1)
        return flow_fail_xml(call);
    if (filter->And != NULL &&
        (size_t)!str_is_absent(filter->And->Prefix) + filter->And->Tags.len < 2)
        return flow_fail_xml(call);
    if (!rule->Priority.set)
        return fail_for_schema(call, "Priority");
    if (rule->DeleteMarkerReplication == NULL)
        return fail_for_schema(call, "DeleteMarkerReplication");
    if (!is_switch(rule->DeleteMarkerReplication->Status))
        return flow_fail_xml(call);
    if (filters_tags(filter) && str_eq(rule->DeleteMarkerReplication->Status, STR("Enabled")))
        return flow_fail_request(call, "Delete marker replication is not supported if any Tag "
                                       "filter is specified. Please refer to S3 Developer Guide "
                                       "for more information.");
    return RESULT_OK;
}

/* --- destinations --- */

static RESULT check_time(struct call *call, const struct s3_Destination *to)
{
    const struct s3_ReplicationTime *time = to->ReplicationTime;
    const struct s3_Metrics *metrics = to->Metrics;
    if (metrics != NULL &&
        (!is_switch(metrics->Status) || (metrics->EventThreshold != NULL &&
                                         metrics->EventThreshold->Minutes.value != TIME_MINUTES)))
        return flow_fail_xml(call);
    if (time == NULL)
        return RESULT_OK;
    if (!is_switch(time->Status) || time->Time == NULL || time->Time->Minutes.value != TIME_MINUTES)
        return flow_fail_xml(call);
    if (str_eq(time->Status, STR("Enabled")) &&
        (metrics == NULL || !str_eq(metrics->Status, STR("Enabled"))))
        return flow_fail_request(call, "Replication metrics must be enabled when Replication Time "
                                       "Control is enabled.");
    return RESULT_OK;
}

static RESULT check_destination(struct call *call, const struct s3_bucket *bucket,
                                const struct s3_Destination *to)
{
    struct arn arn;
    struct s3_bucket target;
    bool found;
    if (to == NULL || str_is_empty(to->Bucket))
        return flow_fail_xml(call);
    if (!arn_parse(to->Bucket, &arn) || !str_eq(arn.service, STR("s3")) ||
        !bucket_name_is_valid(arn.resource))
        return flow_fail_argument(call, "Invalid bucket ARN.");
    if (str_eq(arn.resource, bucket->name))
        return flow_fail_request(call,
                                 "Destination bucket cannot be the same as the source bucket.");
    if (!str_is_absent(to->StorageClass) &&
        !flow_is_one_of(to->StorageClass,
                        STR("STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA GLACIER_IR GLACIER "
                            "INTELLIGENT_TIERING DEEP_ARCHIVE")))
        return flow_fail_xml(call);
    if (to->AccessControlTranslation != NULL &&
        !str_eq(to->AccessControlTranslation->Owner, STR("Destination")))
        return flow_fail_xml(call);
    if (to->AccessControlTranslation != NULL && str_is_empty(to->Account))
        return flow_fail_request(
            call, "Account must be specified when AccessControlTranslation is specified.");
    TRY(check_time(call, to));
    TRY(bucket_find(call, arn.resource, &target, &found));
    if (!found)
        return flow_fail_request(call, "Destination bucket must exist.");
    if (!str_eq(target.versioning, STR("Enabled")))
        return flow_fail_request(call, "Destination bucket must have versioning enabled.");
    if (!str_is_empty(to->Account) && !str_eq(to->Account, target.account))
        return flow_fail_request(call, "Account does not own the destination bucket.");
    return RESULT_OK;
}

/* --- rules --- */

static RESULT check_rule(struct call *call, const struct s3_bucket *bucket,
                         const struct s3_ReplicationRule *rule)
{
    const struct s3_SourceSelectionCriteria *criteria = rule->SourceSelectionCriteria;
    /* "This parameter is no longer supported": ExistingObjectReplication, ReplicationRule. */
    if (!is_switch(rule->Status) || rule->ExistingObjectReplication != NULL)
        return flow_fail_xml(call);
    if (rule->ID.len > ID_MAX)
        return flow_fail_argument(call, "ID length should not exceed allowed limit of 255");
    TRY(check_filter(call, rule));
    bool kms = criteria != NULL && criteria->SseKmsEncryptedObjects != NULL;
    if (kms && !is_switch(criteria->SseKmsEncryptedObjects->Status))
        return flow_fail_xml(call);
    kms = kms && str_eq(criteria->SseKmsEncryptedObjects->Status, STR("Enabled"));
    bool key = rule->Destination != NULL && rule->Destination->EncryptionConfiguration != NULL &&
               !str_is_empty(rule->Destination->EncryptionConfiguration->ReplicaKmsKeyID);
    if (kms && !key)
        return flow_fail_request(call, "ReplicaKmsKeyID must be specified if "
                                       "SseKmsEncryptedObjects tag is present.");
    if (key && !kms)
        return flow_fail_request(call, "SseKmsEncryptedObjects must be specified if "
                                       "EncryptionConfiguration is present.");
    if (criteria != NULL && criteria->ReplicaModifications != NULL &&
        !is_switch(criteria->ReplicaModifications->Status))
        return flow_fail_xml(call);
    return check_destination(call, bucket, rule->Destination);
}

static RESULT check_pair(struct call *call, const struct s3_ReplicationRule *a,
                         const struct s3_ReplicationRule *b)
{
    if (!str_is_absent(a->ID) && str_eq(a->ID, b->ID))
        return flow_fail_request(call, "Rule Id must be unique.");
    if ((a->Filter == NULL) != (b->Filter == NULL))
        return flow_fail_request(call, "All rules of a replication configuration must be of the "
                                       "same version of its schema.");
    if (a->Filter == NULL) {
        if (!str_starts_with(a->Prefix, b->Prefix) && !str_starts_with(b->Prefix, a->Prefix))
            return RESULT_OK;
        return call_fail(call, WIRE_VALIDATION,
                         "Found overlapping prefixes '%.*s' and '%.*s' in replication rules.",
                         PRSTR(b->Prefix), PRSTR(a->Prefix));
    }
    if (a->Priority.value == b->Priority.value)
        return flow_fail_request(call, "Rule priorities must be unique.");
    return RESULT_OK;
}

static RESULT replication_check(struct call *call, const struct s3_bucket *bucket,
                                struct s3_ReplicationConfiguration *in)
{
    struct arn role;
    if (in == NULL || str_is_empty(in->Role) || in->Rules.len == 0 || in->Rules.len > RULES_MAX)
        return flow_fail_xml(call);
    if (!str_eq(bucket->versioning, STR("Enabled")))
        return flow_fail_request(call, "Versioning must be 'Enabled' on the bucket to apply a "
                                       "replication configuration");
    if (!arn_parse(in->Role, &role) || !str_eq(role.service, STR("iam")) ||
        !str_starts_with(role.resource, STR("role/")) || !arn_is_account(role.account))
        return flow_fail_argument(call, "Invalid IAM role ARN.");
    TRY(authorize_pass_role(call, in->Role, STR("s3.amazonaws.com")));
    for (size_t i = 0; i < in->Rules.len; i++) {
        struct s3_ReplicationRule *rule = &in->Rules.items[i];
        if (str_is_empty(rule->ID))
            rule->ID = (struct str){0};
        TRY(check_rule(call, bucket, rule));
        for (size_t j = 0; j < i; j++)
            TRY(check_pair(call, rule, &in->Rules.items[j]));
    }
    for (size_t i = 0; i < in->Rules.len; i++)
        if (str_is_absent(in->Rules.items[i].ID))
            in->Rules.items[i].ID = flow_make_id(call->arena);
    return RESULT_OK;
}

/* --- operations --- */

RESULT s3_PutBucketReplication(struct call *call, const struct s3_PutBucketReplicationRequest *in,
                               struct s3_PutBucketReplicationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(replication_check(call, &bucket, in->ReplicationConfiguration));
    return setting_put(call, &bucket, S3_SETTING_REPLICATION, (struct str){0},
                       in->ReplicationConfiguration);
}

RESULT s3_GetBucketReplication(struct call *call, const struct s3_GetBucketReplicationRequest *in,
                               struct s3_GetBucketReplicationOutput *out)
{
    struct s3_bucket bucket;
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    out->ReplicationConfiguration = ARENA_NEW(call->arena, struct s3_ReplicationConfiguration);
    TRY(setting_get(call, &bucket, S3_SETTING_REPLICATION, (struct str){0},
                    out->ReplicationConfiguration, &found));
    if (found)
        return RESULT_OK;
    return s3_fail_bucket(call, S3_REPLICATION_CONFIGURATION_NOT_FOUND, bucket.name,
                          "The replication configuration was not found");
}

RESULT s3_DeleteBucketReplication(struct call *call,
                                  const struct s3_DeleteBucketReplicationRequest *in,
                                  struct s3_DeleteBucketReplicationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    return setting_delete(call, &bucket, S3_SETTING_REPLICATION, (struct str){0}, &existed);
}
