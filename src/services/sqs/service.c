/* What SQS gives the cloud besides its operations. */
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

const struct service_hooks sqs_hooks = {
    .model = &sqs_model,
    .handlers = sqs_handlers,
    .handler_count = sizeof sqs_handlers / sizeof sqs_handlers[0],
    .pages = sqs_pages,
    .page_count = sizeof sqs_pages / sizeof sqs_pages[0],
    .resource_policy = sqs_resource_policy,
};
