/* PutBucketNotificationConfiguration, GetBucketNotificationConfiguration, and the way of a
 * notification to its target. */
#include "base/log.h"
#include "base/time.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "gen/lambda.h"
#include "gen/sqs.h"
#include "services/s3/changes.h"
#include "services/s3/flow_int.h"
#include "services/s3/settings.h"
#include "store/record.h"
#include "wire/wire.h"

/* --- targets --- */

static struct call_invocation invocation_of(struct call *call, const struct notify_sending *sending,
                                            const struct arn *arn)
{
    return (struct call_invocation){
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = sending->account,
                      .name = STR("s3.amazonaws.com")},
        .account = arn->account,
        .region = arn->region,
        .source_arn = str_concat(call->arena, STR("arn:aws:s3:::"), sending->bucket),
        .source_account = sending->account,
        .trace = sending->trace,
    };
}

static RESULT send_to_queue(struct call *call, const struct notify_sending *sending,
                            struct str *problem)
{
    struct arn arn;
    uint32_t error;
    struct str message;
    const void *out;
    if (!arn_parse(sending->target, &arn))
        return FAULT("a broken ARN of a queue");
    if (str_ends_with(arn.resource, STR(".fifo"))) {
        *problem = STR("FIFO SQS queues are not supported");
        return RESULT_ERROR;
    }
    const struct sqs_SendMessageRequest in = {
        .QueueUrl = str_format(call->arena, "%.*s/%.*s/%.*s", PRSTR(call->cloud->endpoint),
                               PRSTR(arn.account), PRSTR(arn.resource)),
        .MessageBody = sending->body,
    };
    struct call_invocation invocation = invocation_of(call, sending, &arn);
    invocation.model = &sqs_model;
    invocation.operation = SQS_OP_SendMessage;
    invocation.in = &in;
    enum result result = call_invoke(call, &invocation, &out, &error, &message);
    if (result != RESULT_ERROR)
        return result;
    if (error == WIRE_ACCESS_DENIED)
        *problem = STR("Permissions on the destination queue do not allow S3 to publish "
                       "notifications from this bucket");
    else if (error == SQS_QUEUE_DOES_NOT_EXIST)
        *problem = STR("The destination queue does not exist");
    else
        *problem = message;
    return RESULT_ERROR;
}

/* An asynchronous event; a configuration only asks whether it may be sent. */
static RESULT send_to_function(struct call *call, const struct notify_sending *sending,
                               struct str *problem)
{
    struct arn arn;
    uint32_t error;
    struct str message;
    const void *out;
    if (!arn_parse(sending->target, &arn))
        return FAULT("a broken ARN of a function");
    const struct lambda_InvocationRequest in = {
        .FunctionName = sending->target,
        .InvocationType =
            sending->test ? LAMBDA_INVOCATION_TYPE_DRY_RUN : LAMBDA_INVOCATION_TYPE_EVENT,
        .Payload = sending->test ? STR("{}") : sending->body,
    };
    struct call_invocation invocation = invocation_of(call, sending, &arn);
    invocation.model = &lambda_model;
    invocation.operation = LAMBDA_OP_Invoke;
    invocation.in = &in;
    enum result result = call_invoke(call, &invocation, &out, &error, &message);
    if (result != RESULT_ERROR)
        return result;
    if (error == WIRE_ACCESS_DENIED)
        *problem = str_format(call->arena, "Not authorized to invoke function [%.*s]",
                              PRSTR(sending->target));
    else if (error == LAMBDA_RESOURCE_NOT_FOUND)
        *problem = STR("The destination Lambda function does not exist");
    else
        *problem = message;
    return RESULT_ERROR;
}

static const struct notify_target notify_targets[] = {
    {STR_INIT("sqs"), send_to_queue},
    {STR_INIT("lambda"), send_to_function},
};

/* NULL: that service is not here. */
static const struct notify_target *notify_target_of(struct str text)
{
    struct arn arn;
    if (!arn_parse(text, &arn))
        return NULL;
    for (size_t i = 0; i < sizeof notify_targets / sizeof notify_targets[0]; i++)
        if (str_eq(notify_targets[i].service, arn.service))
            return &notify_targets[i];
    return NULL;
}

/* What the target refuses (it is gone, its policy no longer allows S3) is dropped, as S3 does. */
RESULT notify_deliver(struct call *call, const struct outbox_item *item)
{
    struct s3_notice notice;
    struct str problem = {0};
    TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_notice, item->payload, &notice));
    const struct notify_target *target = notify_target_of(notice.target);
    if (target == NULL)
        return FAULT("a notification to nobody");
    struct notify_sending sending = {notice.target,  notice.body, notice.bucket,
                                     notice.account, false,       notice.trace};
    enum result result = target->send(call, &sending, &problem);
    if (result != RESULT_ERROR)
        return result;
    log_line(LOG_WARN, "s3: a notification of bucket %.*s to %.*s is dropped: %.*s",
             PRSTR(notice.bucket), PRSTR(notice.target), PRSTR(problem));
    return RESULT_OK;
}

/* --- what a configuration may say --- */

/* One of its rules, whatever its target is called. */
struct rule {
    struct str *id, *arn;
    const struct str_list *events;
    struct s3_NotificationConfigurationFilter *filter;
    struct str service; /* that the ARN must name */
    const char *unbuilt;
    struct str prefix, suffix;
};
enum { RULES_MAX = 100 }; /* "Amazon S3 endpoints and quotas", Event notifications */
struct rules {
    struct rule *items;
    size_t len, cap;
};

#define RULES_ADD(list, member, name, title)                                                       \
    for (size_t i = 0; i < (list).len; i++) {                                                      \
        struct rule rule = {.id = &(list).items[i].Id,                                             \
                            .arn = &(list).items[i].member,                                        \
                            .events = &(list).items[i].Events,                                     \
                            .filter = (list).items[i].Filter,                                      \
                            .service = STR(name),                                                  \
                            .unbuilt = (title),                                                    \
                            .prefix = STR(""),                                                     \
                            .suffix = STR("")};                                                    \
        VEC_PUSH(call->arena, rules->items, rules->len, rules->cap, rule);                         \
    }

static void rules_gather(struct call *call, const struct s3_NotificationConfiguration *in,
                         struct rules *rules)
{
    RULES_ADD(in->QueueConfigurations, QueueArn, "sqs", "Amazon SQS")
    RULES_ADD(in->TopicConfigurations, TopicArn, "sns", "Amazon SNS")
    RULES_ADD(in->LambdaFunctionConfigurations, LambdaFunctionArn, "lambda", "AWS Lambda")
}

/* "Supported event types for SQS, SNS, and Lambda", Amazon S3 User Guide. */
static bool event_is_known(struct str event)
{
    return flow_is_one_of(
        event,
        STR("s3:ReducedRedundancyLostObject s3:ObjectCreated:* s3:ObjectCreated:Put "
            "s3:ObjectCreated:Post s3:ObjectCreated:Copy s3:ObjectCreated:CompleteMultipartUpload "
            "s3:ObjectRemoved:* s3:ObjectRemoved:Delete s3:ObjectRemoved:DeleteMarkerCreated "
            "s3:ObjectRestore:* s3:ObjectRestore:Post s3:ObjectRestore:Completed "
            "s3:ObjectRestore:Delete s3:Replication:* s3:Replication:OperationFailedReplication "
            "s3:Replication:OperationMissedThreshold "
            "s3:Replication:OperationReplicatedAfterThreshold s3:Replication:OperationNotTracked "
            "s3:LifecycleExpiration:* s3:LifecycleExpiration:Delete "
            "s3:LifecycleExpiration:DeleteMarkerCreated s3:LifecycleTransition "
            "s3:IntelligentTiering s3:ObjectTagging:* s3:ObjectTagging:Put s3:ObjectTagging:Delete "
            "s3:ObjectAcl:Put s3:ObjectRetention:Put s3:ObjectAnnotation:* s3:ObjectAnnotation:Put "
            "s3:ObjectAnnotation:Delete"));
}

/* At most one prefix and one suffix; their names come back with a capital. */
static RESULT rule_filter(struct call *call, struct rule *rule)
{
    bool have_prefix = false, have_suffix = false;
    if (rule->filter == NULL || rule->filter->Key == NULL)
        return RESULT_OK;
    struct s3_FilterRuleList *list = &rule->filter->Key->FilterRules;
    for (size_t i = 0; i < list->len; i++) {
        struct s3_FilterRule *one = &list->items[i];
        struct str value = str_is_absent(one->Value) ? STR("") : one->Value;
        one->Value = value;
        if (value.len > S3_KEY_MAX)
            return flow_fail_argument(call, "Size of filter rule value cannot exceed 1024 bytes in "
                                            "UTF-8 representation");
        if (str_eq_nocase(one->Name, STR("prefix"))) {
            if (have_prefix)
                return flow_fail_argument(call,
                                          "Cannot specify more than one prefix rule in a filter.");
            have_prefix = true;
            one->Name = STR("Prefix");
            rule->prefix = value;
        } else if (str_eq_nocase(one->Name, STR("suffix"))) {
            if (have_suffix)
                return flow_fail_argument(call,
                                          "Cannot specify more than one suffix rule in a filter.");
            have_suffix = true;
            one->Name = STR("Suffix");
            rule->suffix = value;
        } else {
            return flow_fail_argument(call, "filter rule name must be either prefix or suffix");
        }
    }
    return RESULT_OK;
}

static RESULT rule_check(struct call *call, const struct s3_bucket *bucket, struct rule *rule)
{
    struct arn arn;
    if (rule->events->len == 0 || str_is_empty(*rule->arn))
        return flow_fail_xml(call);
    for (size_t i = 0; i < rule->events->len; i++)
        if (!event_is_known(rule->events->items[i]))
            return flow_fail_argument(call,
                                      "A specified event is not supported for notifications.");
    if (!arn_parse(*rule->arn, &arn) || !str_eq(arn.service, rule->service) ||
        str_is_empty(arn.resource) || !arn_is_account(arn.account))
        return flow_fail_argument(call, "The ARN is not well formed");
    if (notify_target_of(*rule->arn) == NULL)
        return call_fail(call, S3_UNBUILT_HEADER, "Notifications to %s are not implemented.",
                         rule->unbuilt);
    if (!str_eq(arn.region, bucket->region))
        return flow_fail_argument(call,
                                  "The notification destination service region is not valid for "
                                  "the bucket location constraint");
    if (rule->id->len > 255)
        return flow_fail_argument(call, "The ID of a configuration cannot be longer than 255 "
                                        "characters.");
    return rule_filter(call, rule);
}

/* "s3:A:*" and "s3:A:B" meet. */
static bool events_meet(struct str a, struct str b)
{
    if (str_ends_with(a, STR("*")))
        return str_starts_with(b, str_slice(a, 0, a.len - 1));
    if (str_ends_with(b, STR("*")))
        return str_starts_with(a, str_slice(b, 0, b.len - 1));
    return str_eq(a, b);
}

static bool rules_overlap(const struct rule *a, const struct rule *b)
{
    bool same_event = false;
    for (size_t i = 0; i < a->events->len && !same_event; i++)
        for (size_t j = 0; j < b->events->len && !same_event; j++)
            same_event = events_meet(a->events->items[i], b->events->items[j]);
    return same_event &&
           (str_starts_with(a->prefix, b->prefix) || str_starts_with(b->prefix, a->prefix)) &&
           (str_ends_with(a->suffix, b->suffix) || str_ends_with(b->suffix, a->suffix));
}

/* "Configuring event notifications using object key name filtering", Amazon S3 User Guide. */
static RESULT rules_check(struct call *call, const struct s3_bucket *bucket, struct rules *rules)
{
    if (rules->len > RULES_MAX)
        return flow_fail_argument(call, "Number of event notification configurations has exceeded "
                                        "the allowed limit of 100.");
    for (size_t i = 0; i < rules->len; i++)
        TRY(rule_check(call, bucket, &rules->items[i]));
    for (size_t i = 0; i < rules->len; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct rule *a = &rules->items[i], *b = &rules->items[j];
            if (!str_is_absent(*a->id) && str_eq(*a->id, *b->id))
                return flow_fail_argument(
                    call, "Same ID used for multiple configurations. IDs must be unique");
            if (rules_overlap(a, b))
                return flow_fail_argument(call,
                                          "Configuration is ambiguously defined. Cannot have "
                                          "overlapping suffixes in two rules if the prefixes are "
                                          "overlapping for the same event type.");
        }
    }
    return RESULT_OK;
}

static void rules_name(struct call *call, struct rules *rules)
{
    for (size_t i = 0; i < rules->len; i++)
        if (str_is_empty(*rules->items[i].id))
            *rules->items[i].id = flow_make_id(call->arena);
}

/* --- the test event --- */

static struct str test_event(struct call *call, const struct s3_bucket *bucket)
{
    struct civil_time t = time_to_civil(call->now_ms);
    return str_format(call->arena,
                      "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Time\":"
                      "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"Bucket\":\"%.*s\","
                      "\"RequestId\":\"%.*s\",\"HostId\":\"%.*s\"}",
                      t.year, t.month, t.day, t.hour, t.minute, t.second, t.millisecond,
                      PRSTR(bucket->name), PRSTR(call->request_id),
                      PRSTR(wire_s3_host_id(call->arena, call->request_id)));
}

/* Each target gets it once; who cannot take it is named in the answer. */
static RESULT rules_test(struct call *call, const struct s3_bucket *bucket,
                         const struct rules *rules)
{
    struct s3_InvalidDestinations *detail = NULL;
    struct notify_sending sending = {.body = test_event(call, bucket),
                                     .bucket = bucket->name,
                                     .account = bucket->account,
                                     .test = true};
    for (size_t i = 0; i < rules->len; i++) {
        struct str problem = {0};
        bool again = false;
        sending.target = *rules->items[i].arn;
        for (size_t j = 0; j < i && !again; j++)
            again = str_eq(*rules->items[j].arn, sending.target);
        if (again)
            continue;
        enum result result = notify_target_of(sending.target)->send(call, &sending, &problem);
        if (result == RESULT_OK)
            continue;
        if (result != RESULT_ERROR)
            return result;
        if (detail == NULL) {
            detail = ARENA_NEW(call->arena, struct s3_InvalidDestinations);
            detail->ArgumentName1 = str_concat(call->arena, sending.target, STR(", null"));
            detail->ArgumentValue1 = problem;
        } else if (str_is_absent(detail->ArgumentName2)) {
            detail->ArgumentName2 = str_concat(call->arena, sending.target, STR(", null"));
            detail->ArgumentValue2 = problem;
        }
    }
    if (detail == NULL)
        return RESULT_OK;
    return call_fail_with(call, S3_INVALID_DESTINATIONS, detail,
                          "Unable to validate the following destination configurations");
}

/* --- operations --- */

RESULT
s3_PutBucketNotificationConfiguration(struct call *call,
                                      const struct s3_PutBucketNotificationConfigurationRequest *in,
                                      struct s3_PutBucketNotificationConfigurationResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct rules rules = {0};
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (in->NotificationConfiguration == NULL)
        return flow_fail_xml(call);
    if (in->NotificationConfiguration->EventBridgeConfiguration != NULL)
        return call_fail(call, S3_UNBUILT_HEADER,
                         "Notifications to Amazon EventBridge are not implemented.");
    rules_gather(call, in->NotificationConfiguration, &rules);
    if (rules.len == 0)
        return setting_delete(call, &bucket, S3_SETTING_NOTIFICATION, (struct str){0}, &existed);
    TRY(rules_check(call, &bucket, &rules));
    rules_name(call, &rules);
    if (!in->SkipDestinationValidation.set || !in->SkipDestinationValidation.value)
        TRY(rules_test(call, &bucket, &rules));
    return setting_put(call, &bucket, S3_SETTING_NOTIFICATION, (struct str){0},
                       in->NotificationConfiguration);
}

RESULT
s3_GetBucketNotificationConfiguration(struct call *call,
                                      const struct s3_GetBucketNotificationConfigurationRequest *in,
                                      struct s3_NotificationConfiguration *out)
{
    struct s3_bucket bucket;
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    return setting_get(call, &bucket, S3_SETTING_NOTIFICATION, (struct str){0}, out, &found);
}
