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
/* Messages are told of without what they say. */
static bool sqs_is_silent(uint32_t operation)
{
    return operation == SQS_OP_ReceiveMessage;
}
static struct str sqs_tell(struct call *call, struct arena *arena, uint32_t operation,
                           const void *in)
{
    const struct str hidden = STR("HIDDEN_DUE_TO_SECURITY_REASONS");
    struct buf text;
    enum result result;
    (void)call;
    buf_init(&text, arena, 100 << 10);
    if (operation == SQS_OP_SendMessage) {
        struct sqs_SendMessageRequest copy = *(const struct sqs_SendMessageRequest *)in;
        copy.MessageBody = hidden;
        copy.MessageAttributes = (struct sqs_MessageBodyAttributeMap){0};
        result = wire_json_describe(&text, &sqs_model, SQS_SHAPE_SendMessageRequest, &copy);
    } else if (operation == SQS_OP_SendMessageBatch) {
        struct sqs_SendMessageBatchRequest copy = *(const struct sqs_SendMessageBatchRequest *)in;
        const struct sqs_SendMessageBatchRequestEntry *entries = copy.Entries.items;
        copy.Entries.items =
            ARENA_ARRAY(arena, copy.Entries.len + 1, struct sqs_SendMessageBatchRequestEntry);
        for (size_t i = 0; i < copy.Entries.len; i++) {
            copy.Entries.items[i] = entries[i];
            copy.Entries.items[i].MessageBody = hidden;
            copy.Entries.items[i].MessageAttributes = (struct sqs_MessageBodyAttributeMap){0};
        }
        result = wire_json_describe(&text, &sqs_model, SQS_SHAPE_SendMessageBatchRequest, &copy);
    } else {
        return (struct str){0};
    }
    return result == RESULT_OK ? buf_str(&text) : STR("null");
}
static const struct trail_data sqs_trail_data = {
    .tell = sqs_tell,
    .is_silent = sqs_is_silent,
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
