/* What Lambda gives the cloud besides its operations. */
#include "services/lambda/create.h"
#include "services/lambda/events_int.h"
#include "services/lambda/lambda_int.h"
#include "services/lambda/mappings.h"
#include "services/lambda/run.h"
#include "services/lambda/url.h"

static const struct outbox_handler lambda_handlers[] = {
    {STR_INIT("lambda.code"), code_deliver_drop},
    {STR_INIT("lambda.destination"), destination_deliver},
    {STR_INIT("lambda.async-forget"), async_deliver_forget},
    {STR_INIT("lambda.mapping"), mapping_deliver_drop},
    {STR_INIT("lambda.provisioned"), provisioned_deliver},
};

static const struct service_page lambda_pages[] = {
    {STR_INIT("/_aws/lambda/code/"), code_answer},
};

static RESULT lambda_start(struct cloud *cloud)
{
    TRY(code_start(cloud));
    TRY(async_start(cloud));
    TRY(provisioned_start(cloud));
    return sources_start(cloud);
}

/* Whose functions ask for themselves: the request does not name the function. */
static const uint32_t lambda_asking[] = {
    LAMBDA_OP_FunctionUrlGet,     LAMBDA_OP_FunctionUrlHead,  LAMBDA_OP_FunctionUrlPost,
    LAMBDA_OP_FunctionUrlPut,     LAMBDA_OP_FunctionUrlPatch, LAMBDA_OP_FunctionUrlDelete,
    LAMBDA_OP_FunctionUrlOptions,
};

const struct service_hooks lambda_hooks = {
    .model = &lambda_model,
    .place_of_host = lambda_place_of_host,
    .asking = lambda_asking,
    .asking_count = sizeof lambda_asking / sizeof lambda_asking[0],
    .trail_data = &lambda_trail_data,
    .handlers = lambda_handlers,
    .handler_count = sizeof lambda_handlers / sizeof lambda_handlers[0],
    .pages = lambda_pages,
    .page_count = sizeof lambda_pages / sizeof lambda_pages[0],
    .start = lambda_start,
    .memory_new = lambda_memory_new,
    .memory_free = lambda_memory_free,
    .resource_policy = lambda_resource_policy,
    .policy_of_arn = lambda_policy_of_arn,
    .condition_key = lambda_condition_key,
    .condition_values = lambda_condition_values,
};
