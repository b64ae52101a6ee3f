/* What event source mappings may say: "Lambda parameters for Amazon SQS event source mappings",
 * "Parameters for DynamoDB event source mappings", Developer Guide; CreateEventSourceMapping, API
 * Reference. */
#include "gen/dynamodbstreams.h"
#include "services/lambda/filter.h"
#include "services/lambda/mappings.h"
#include "services/lambda/role_rights.h"

enum {
    QUEUE_BATCH = 10,
    STREAM_BATCH = 100,
    STREAM_AGE_MIN_S = 60,
    FILTERS_MAX = 10, /* five, and ten on request */
};

/* --- kinds --- */

RESULT mapping_kind_of(struct call *call, struct str source_arn, enum mapping_kind *kind)
{
    static const struct str others[] = {STR_INIT("kinesis"), STR_INIT("kafka"), STR_INIT("mq"),
                                        STR_INIT("rds")};
    struct arn arn;
    if (arn_parse(source_arn, &arn)) {
        if (str_eq(arn.service, STR("sqs"))) {
            *kind = str_ends_with(arn.resource, STR(".fifo")) ? MAPPING_FIFO : MAPPING_SQS;
            return RESULT_OK;
        }
        if (str_eq(arn.service, STR("dynamodb")) &&
            str_find(arn.resource, STR("/stream/")) != SIZE_MAX) {
            *kind = MAPPING_DYNAMODB;
            return RESULT_OK;
        }
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            if (str_eq(arn.service, others[i]))
                return call_fail(call, WIRE_NOT_IMPLEMENTED,
                                 "Kumoniwa has no event sources of %.*s yet: SQS and DynamoDB "
                                 "streams are.",
                                 PRSTR(arn.service));
    }
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Unrecognized event source.");
}

void mapping_defaults(enum mapping_kind kind, struct lambda_event_source *mapping)
{
    bool stream = kind == MAPPING_DYNAMODB;
    mapping->enabled = true;
    mapping->batch_size = stream ? STREAM_BATCH : QUEUE_BATCH;
    mapping->parallel = stream ? 1 : 0;
    mapping->record_age_s = -1;
    mapping->retries = -1;
}

/* --- members --- */

static RESULT unsupported(struct call *call, const char *member)
{
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "Unsupported %s parameter for given event source mapping type.", member);
}

static RESULT check_kind(struct call *call, enum mapping_kind kind,
                         const struct mapping_settings *in)
{
    bool stream = kind == MAPPING_DYNAMODB;
    if (in->refused != NULL)
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement %s of event source mappings yet.",
                         in->refused);
    if (stream)
        return in->scaling != NULL ? unsupported(call, "ScalingConfig") : RESULT_OK;
    if (in->parallel.set)
        return unsupported(call, "ParallelizationFactor");
    if (in->record_age_s.set)
        return unsupported(call, "MaximumRecordAgeInSeconds");
    if (in->retries.set)
        return unsupported(call, "MaximumRetryAttempts");
    if (in->tumbling_s.set)
        return unsupported(call, "TumblingWindowInSeconds");
    if (in->bisect.set)
        return unsupported(call, "BisectBatchOnFunctionError");
    if (in->destination != NULL && in->destination->OnFailure != NULL &&
        !str_is_empty(in->destination->OnFailure->Destination))
        return unsupported(call, "DestinationConfig");
    return RESULT_OK;
}

static RESULT set_filters(struct call *call, const struct lambda_FilterList *filters,
                          struct lambda_event_source *mapping)
{
    struct str problem;
    if (filters->len > FILTERS_MAX)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Too many filters: at most %d are allowed.", FILTERS_MAX);
    mapping->filters.items = ARENA_ARRAY(call->arena, filters->len + 1, struct str);
    mapping->filters.len = filters->len;
    for (size_t i = 0; i < filters->len; i++) {
        struct str pattern = filters->items[i].Pattern;
        if (str_is_absent(pattern) || !filter_is_valid(call->arena, pattern, &problem))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "Invalid filter pattern definition.");
        mapping->filters.items[i] = pattern;
    }
    return RESULT_OK;
}

static RESULT set_destination(struct call *call, const struct lambda_DestinationConfig *config,
                              struct lambda_event_source *mapping)
{
    if (config->OnSuccess != NULL && !str_is_empty(config->OnSuccess->Destination))
        return unsupported(call, "DestinationConfig.OnSuccess");
    if (config->OnFailure == NULL || str_is_absent(config->OnFailure->Destination))
        return RESULT_OK;
    mapping->on_failure = config->OnFailure->Destination;
    if (str_is_empty(mapping->on_failure)) {
        mapping->on_failure = (struct str){0};
        return RESULT_OK;
    }
    return destination_check(call, mapping->on_failure, true, true);
}

static RESULT check_numbers(struct call *call, enum mapping_kind kind,
                            const struct lambda_event_source *mapping)
{
    if (kind == MAPPING_FIFO && mapping->batch_size > QUEUE_BATCH)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Batch size is limited to %d for FIFO queues.", QUEUE_BATCH);
    if (kind == MAPPING_FIFO && mapping->window_s > 0)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Batching window is not supported for FIFO queues.");
    if (kind == MAPPING_SQS && mapping->batch_size > QUEUE_BATCH && mapping->window_s == 0)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Maximum batch window in seconds must be greater than 0 if maximum batch "
                         "size is greater than %d",
                         QUEUE_BATCH);
    if (mapping->record_age_s != -1 && mapping->record_age_s < STREAM_AGE_MIN_S)
        return call_fail(call, WIRE_VALIDATION,
                         "1 validation error detected: Value '%lld' at "
                         "'maximumRecordAgeInSeconds' failed to satisfy constraint: Member must "
                         "be -1, or have value greater than or equal to %d",
                         (long long)mapping->record_age_s, STREAM_AGE_MIN_S);
    if (mapping->tumbling_s > 0 && mapping->parallel > 1)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "ParallelizationFactor must be 1 when TumblingWindowInSeconds is set.");
    return RESULT_OK;
}

static void set_number(struct opt_int in, int64_t *out)
{
    if (in.set)
        *out = in.value;
}

RESULT mapping_configure(struct call *call, enum mapping_kind kind,
                         const struct mapping_settings *in, struct lambda_event_source *mapping)
{
    TRY(check_kind(call, kind, in));
    set_number(in->batch_size, &mapping->batch_size);
    set_number(in->window_s, &mapping->window_s);
    set_number(in->parallel, &mapping->parallel);
    set_number(in->record_age_s, &mapping->record_age_s);
    set_number(in->retries, &mapping->retries);
    set_number(in->tumbling_s, &mapping->tumbling_s);
    if (in->enabled.set)
        mapping->enabled = in->enabled.value;
    if (in->bisect.set)
        mapping->bisect = in->bisect.value;
    if (in->response_types.items != NULL)
        mapping->partial = in->response_types.len > 0;
    if (in->scaling != NULL)
        mapping->concurrency = in->scaling->MaximumConcurrency.value;
    if (in->filters != NULL)
        TRY(set_filters(call, &in->filters->Filters, mapping));
    if (in->destination != NULL)
        TRY(set_destination(call, in->destination, mapping));
    return check_numbers(call, kind, mapping);
}

/* --- the source --- */

static RESULT check_queue(struct call *call, const struct lambda_target *target,
                          const struct principal *role, const struct arn *arn, struct str text)
{
    static const char *const needed[] = {"sqs:ReceiveMessage", "sqs:DeleteMessage",
                                         "sqs:GetQueueAttributes"};
    struct source_queue queue;
    TRY(source_queue_look(call, arn, &queue));
    if (!str_is_absent(queue.code))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Error occurred while ReceiveMessage. SQS Error Code: %.*s. SQS Error "
                         "Message: %.*s",
                         PRSTR(queue.code), PRSTR(queue.message));
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        bool allowed;
        TRY(role_may(call, role, needed[i], text, arn->account, queue.policy, &allowed));
        if (!allowed)
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "The provided execution role does not have permissions to call %s on "
                             "SQS",
                             needed[i] + 4);
    }
    if (queue.visibility_s < target->version.timeout_s)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Queue visibility timeout: %lld seconds is less than Function timeout: "
                         "%lld seconds",
                         (long long)queue.visibility_s, (long long)target->version.timeout_s);
    return RESULT_OK;
}

static RESULT stream_exists(struct call *call, const struct arn *arn, struct str text, bool *exists)
{
    const struct dynamodbstreams_DescribeStreamInput in = {.StreamArn = text};
    const struct call_invocation invocation = {
        .model = &dynamodbstreams_model,
        .operation = DYNAMODBSTREAMS_OP_DescribeStream,
        .in = &in,
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = arn->account,
                      .name = STR("dynamodb.amazonaws.com")},
        .account = arn->account,
        .region = arn->region,
    };
    const void *found;
    struct str message;
    uint32_t error;
    enum result result = call_invoke(call, &invocation, &found, &error, &message);
    *exists = result == RESULT_OK;
    return result == RESULT_ERROR ? RESULT_OK : result;
}

static RESULT check_stream(struct call *call, const struct principal *role, const struct arn *arn,
                           struct str text)
{
    static const char *const needed[] = {"dynamodb:GetRecords", "dynamodb:GetShardIterator",
                                         "dynamodb:DescribeStream"};
    bool allowed = true, exists;
    for (size_t i = 0; allowed && i < sizeof needed / sizeof needed[0]; i++)
        TRY(role_may(call, role, needed[i], text, arn->account, (struct str){0}, &allowed));
    if (!allowed)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Cannot access stream %.*s. Please ensure the role can perform the "
                         "GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on "
                         "your stream in IAM.",
                         PRSTR(text));
    TRY(stream_exists(call, arn, text, &exists));
    if (!exists)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Stream not found: %.*s",
                         PRSTR(text));
    return RESULT_OK;
}

RESULT mapping_check_source(struct call *call, enum mapping_kind kind,
                            const struct lambda_target *target, struct str source_arn)
{
    struct principal role;
    struct arn arn;
    bool found;
    if (!arn_parse(source_arn, &arn) || !str_eq(arn.region, call->region))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The event source must be in the region of the function: %.*s.",
                         PRSTR(call->region));
    TRY(event_role(call, target->version.role, target->name.function, &role, &found));
    if (!found)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The role defined for the function cannot be assumed by Lambda.");
    if (kind == MAPPING_DYNAMODB)
        return check_stream(call, &role, &arn, source_arn);
    return check_queue(call, target, &role, &arn, source_arn);
}
