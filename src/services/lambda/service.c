/* What Lambda gives the cloud besides its operations. */
#include "cloud/trail.h"
#include "services/lambda/lambda_int.h"

static const struct outbox_handler lambda_handlers[] = {
    {STR_INIT("lambda.code"), code_deliver_drop},
};

static const struct service_page lambda_pages[] = {
    {STR_INIT("/_aws/lambda/code/"), code_answer},
};

/* "Logging AWS Lambda API calls using AWS CloudTrail": data events. */
static const uint32_t lambda_data_operations[] = {
    LAMBDA_OP_Invoke,
    LAMBDA_OP_InvokeAsync,
    LAMBDA_OP_InvokeWithResponseStream,
};
static const struct trail_data lambda_trail_data = {
    .type = STR_INIT("AWS::Lambda::Function"),
    .operations = lambda_data_operations,
    .count = sizeof lambda_data_operations / sizeof lambda_data_operations[0],
};

const struct service_hooks lambda_hooks = {
    .model = &lambda_model,
    .trail_data = &lambda_trail_data,
    .handlers = lambda_handlers,
    .handler_count = sizeof lambda_handlers / sizeof lambda_handlers[0],
    .pages = lambda_pages,
    .page_count = sizeof lambda_pages / sizeof lambda_pages[0],
    .start = code_start,
    .resource_policy = lambda_resource_policy,
    .policy_of_arn = lambda_policy_of_arn,
    .condition_key = lambda_condition_key,
    .condition_values = lambda_condition_values,
};
