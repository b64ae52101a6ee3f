/* What SQS gives the cloud besides its operations. */
#include "cloud/trail.h"
#include "services/sqs/sqs_int.h"

static const struct outbox_handler sqs_handlers[] = {
    {STR_INIT("sqs.drop"), sweep_deliver_drop},
    {STR_INIT("sqs.retention"), sweep_deliver_retention},
    {STR_INIT("sqs.move"), redrive_deliver_move},
    {STR_INIT("sqs.deleted"), queue_deliver_deleted},
};

static const struct service_page sqs_pages[] = {
    {STR_INIT("/_aws/sqs/messages"), peek_answer},
    {STR_INIT("/_aws/sqs/messages/"), peek_answer},
};

/* "Perform a privileged task on an AWS Organizations member account": what SQSUnlockQueuePolicy
 * leaves to root. */
static const uint32_t sqs_unlocking[] = {
    SQS_OP_GetQueueAttributes,
    SQS_OP_GetQueueUrl,
    SQS_OP_SetQueueAttributes,
};

static const uint32_t sqs_data_operations[] = {
    SQS_OP_ChangeMessageVisibility, SQS_OP_ChangeMessageVisibilityBatch,
    SQS_OP_DeleteMessage,           SQS_OP_DeleteMessageBatch,
    SQS_OP_ReceiveMessage,          SQS_OP_SendMessage,
    SQS_OP_SendMessageBatch};
static const struct trail_data sqs_trail_data = {
    .type = STR_INIT("AWS::SQS::Queue"),
    .operations = sqs_data_operations,
    .count = sizeof sqs_data_operations / sizeof sqs_data_operations[0],
};

const struct service_hooks sqs_hooks = {
    .model = &sqs_model,
    .trail_data = &sqs_trail_data,
    .handlers = sqs_handlers,
    .handler_count = sizeof sqs_handlers / sizeof sqs_handlers[0],
    .pages = sqs_pages,
    .page_count = sizeof sqs_pages / sizeof sqs_pages[0],
    .resource_policy = sqs_resource_policy,
    .condition_key = sqs_condition_key,
    .unlocking = sqs_unlocking,
    .unlocking_count = sizeof sqs_unlocking / sizeof sqs_unlocking[0],
};
