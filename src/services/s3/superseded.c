/* GetBucketLifecycle, PutBucketLifecycle, GetBucketNotification, PutBucketNotification: the names
 * that clients of before 2015 know. Over the wire their requests are those of the operations that
 * superseded them, which answer; these serve whoever names them. What they have no word for they
 * leave out. */
#include "services/s3/s3_int.h"

/* --- lifecycle: rules with a prefix and one transition --- */

RESULT s3_PutBucketLifecycle(struct call *call, const struct s3_PutBucketLifecycleRequest *in,
                             struct s3_PutBucketLifecycleResult *out)
{
    (void)out;
    const struct s3_LifecycleConfiguration *given = in->LifecycleConfiguration;
    size_t count = given == NULL ? 0 : given->Rules.len;
    struct s3_BucketLifecycleConfiguration all = {
        .Rules = {ARENA_ARRAY(call->arena, count + 1, struct s3_LifecycleRule), count}};
    for (size_t i = 0; i < count; i++) {
        const struct s3_Rule *rule = &given->Rules.items[i];
        all.Rules.items[i] = (struct s3_LifecycleRule){
            .Expiration = rule->Expiration,
            .ID = rule->ID,
            .Prefix = str_is_absent(rule->Prefix) ? STR("") : rule->Prefix,
            .Status = rule->Status,
            .Transitions = {rule->Transition, rule->Transition == NULL ? 0 : 1},
            .NoncurrentVersionTransitions = {rule->NoncurrentVersionTransition,
                                             rule->NoncurrentVersionTransition == NULL ? 0 : 1},
            .NoncurrentVersionExpiration = rule->NoncurrentVersionExpiration,
            .AbortIncompleteMultipartUpload = rule->AbortIncompleteMultipartUpload,
        };
    }
    const struct s3_PutBucketLifecycleConfigurationRequest newer = {
        .Bucket = in->Bucket,
        .LifecycleConfiguration = given == NULL ? NULL : &all,
        .ExpectedBucketOwner = in->ExpectedBucketOwner,
    };
    struct s3_PutBucketLifecycleConfigurationOutput ignored = {0};
    return s3_PutBucketLifecycleConfiguration(call, &newer, &ignored);
}

RESULT s3_GetBucketLifecycle(struct call *call, const struct s3_GetBucketLifecycleRequest *in,
                             struct s3_GetBucketLifecycleOutput *out)
{
    const struct s3_GetBucketLifecycleConfigurationRequest newer = {in->Bucket,
                                                                    in->ExpectedBucketOwner};
    struct s3_GetBucketLifecycleConfigurationOutput all = {0};
    TRY(s3_GetBucketLifecycleConfiguration(call, &newer, &all));
    out->Rules.items = ARENA_ARRAY(call->arena, all.Rules.len + 1, struct s3_Rule);
    out->Rules.len = all.Rules.len;
    for (size_t i = 0; i < all.Rules.len; i++) {
        const struct s3_LifecycleRule *rule = &all.Rules.items[i];
        struct str prefix = rule->Filter != NULL ? rule->Filter->Prefix : rule->Prefix;
        out->Rules.items[i] = (struct s3_Rule){
            .Expiration = rule->Expiration,
            .ID = rule->ID,
            .Prefix = str_is_absent(prefix) ? STR("") : prefix,
            .Status = rule->Status,
            .Transition = rule->Transitions.len == 0 ? NULL : rule->Transitions.items,
            .NoncurrentVersionTransition = rule->NoncurrentVersionTransitions.len == 0
                                               ? NULL
                                               : rule->NoncurrentVersionTransitions.items,
            .NoncurrentVersionExpiration = rule->NoncurrentVersionExpiration,
            .AbortIncompleteMultipartUpload = rule->AbortIncompleteMultipartUpload,
        };
    }
    return RESULT_OK;
}

/* --- notifications: one of each kind, of one event or several --- */

static struct str_list events_of(struct call *call, struct str event, const struct str_list *events)
{
    if (events->len > 0 || str_is_absent(event))
        return *events;
    struct str *one = ARENA_NEW(call->arena, struct str);
    *one = event;
    return (struct str_list){one, 1};
}

RESULT s3_PutBucketNotification(struct call *call, const struct s3_PutBucketNotificationRequest *in,
                                struct s3_PutBucketNotificationResult *out)
{
    (void)out;
    const struct s3_NotificationConfigurationDeprecated *given = in->NotificationConfiguration;
    struct s3_NotificationConfiguration all = {0};
    struct s3_TopicConfiguration topic;
    struct s3_QueueConfiguration queue;
    struct s3_LambdaFunctionConfiguration lambda;
    if (given != NULL && given->TopicConfiguration != NULL) {
        const struct s3_TopicConfigurationDeprecated *t = given->TopicConfiguration;
        topic = (struct s3_TopicConfiguration){
            .Id = t->Id, .TopicArn = t->Topic, .Events = events_of(call, t->Event, &t->Events)};
        all.TopicConfigurations = (struct s3_TopicConfigurationList){&topic, 1};
    }
    if (given != NULL && given->QueueConfiguration != NULL) {
        const struct s3_QueueConfigurationDeprecated *q = given->QueueConfiguration;
        queue = (struct s3_QueueConfiguration){
            .Id = q->Id, .QueueArn = q->Queue, .Events = events_of(call, q->Event, &q->Events)};
        all.QueueConfigurations = (struct s3_QueueConfigurationList){&queue, 1};
    }
    if (given != NULL && given->CloudFunctionConfiguration != NULL) {
        const struct s3_CloudFunctionConfiguration *f = given->CloudFunctionConfiguration;
        lambda = (struct s3_LambdaFunctionConfiguration){.Id = f->Id,
                                                         .LambdaFunctionArn = f->CloudFunction,
                                                         .Events =
                                                             events_of(call, f->Event, &f->Events)};
        all.LambdaFunctionConfigurations = (struct s3_LambdaFunctionConfigurationList){&lambda, 1};
    }
    const struct s3_PutBucketNotificationConfigurationRequest newer = {
        .Bucket = in->Bucket,
        .NotificationConfiguration = given == NULL ? NULL : &all,
        .ExpectedBucketOwner = in->ExpectedBucketOwner,
    };
    struct s3_PutBucketNotificationConfigurationResult ignored = {0};
    return s3_PutBucketNotificationConfiguration(call, &newer, &ignored);
}

static struct str first_of(const struct str_list *events)
{
    return events->len == 0 ? (struct str){0} : events->items[0];
}

RESULT s3_GetBucketNotification(struct call *call,
                                const struct s3_GetBucketNotificationConfigurationRequest *in,
                                struct s3_NotificationConfigurationDeprecated *out)
{
    struct s3_NotificationConfiguration all = {0};
    TRY(s3_GetBucketNotificationConfiguration(call, in, &all));
    if (all.TopicConfigurations.len > 0) {
        const struct s3_TopicConfiguration *t = &all.TopicConfigurations.items[0];
        out->TopicConfiguration = ARENA_NEW(call->arena, struct s3_TopicConfigurationDeprecated);
        *out->TopicConfiguration = (struct s3_TopicConfigurationDeprecated){
            .Id = t->Id, .Events = t->Events, .Event = first_of(&t->Events), .Topic = t->TopicArn};
    }
    if (all.QueueConfigurations.len > 0) {
        const struct s3_QueueConfiguration *q = &all.QueueConfigurations.items[0];
        out->QueueConfiguration = ARENA_NEW(call->arena, struct s3_QueueConfigurationDeprecated);
        *out->QueueConfiguration = (struct s3_QueueConfigurationDeprecated){
            .Id = q->Id, .Event = first_of(&q->Events), .Events = q->Events, .Queue = q->QueueArn};
    }
    if (all.LambdaFunctionConfigurations.len > 0) {
        const struct s3_LambdaFunctionConfiguration *f = &all.LambdaFunctionConfigurations.items[0];
        out->CloudFunctionConfiguration =
            ARENA_NEW(call->arena, struct s3_CloudFunctionConfiguration);
        *out->CloudFunctionConfiguration =
            (struct s3_CloudFunctionConfiguration){.Id = f->Id,
                                                   .Event = first_of(&f->Events),
                                                   .Events = f->Events,
                                                   .CloudFunction = f->LambdaFunctionArn};
    }
    return RESULT_OK;
}
