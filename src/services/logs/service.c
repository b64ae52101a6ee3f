/* What CloudWatch Logs gives the cloud besides its operations. */
#include "services/logs/logs_int.h"

static const struct outbox_handler logs_handlers[] = {
    {STR_INIT("logs.pack"), logs_deliver_pack},
    {STR_INIT("logs.drop"), logs_deliver_drop},
    {STR_INIT("logs.expire"), logs_deliver_expire},
};

static const struct log_keeper logs_keeper = {logs_keep_lines};

const struct service_hooks logs_hooks = {
    .model = &logs_model,
    .log_keeper = &logs_keeper,
    .handlers = logs_handlers,
    .handler_count = sizeof logs_handlers / sizeof logs_handlers[0],
};
