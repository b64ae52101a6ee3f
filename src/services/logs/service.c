/* What CloudWatch Logs gives the cloud besides its operations. */
#include "services/logs/filters.h"
#include "services/logs/logs_int.h"

static const struct outbox_handler logs_handlers[] = {
    {STR_INIT("logs.pack"), logs_deliver_pack},
    {STR_INIT("logs.drop"), logs_deliver_drop},
    {STR_INIT("logs.expire"), logs_deliver_expire},
    {STR_INIT("logs.measure"), logs_deliver_measure},
    {STR_INIT("logs.subscription"), logs_deliver_subscription},
};

static const struct service_page logs_pages[] = {
    {STR_INIT("/_kumoniwa/logs/metrics"), logs_answer_metrics},
    {STR_INIT("/_kumoniwa/logs/metrics/"), logs_answer_metrics},
};

static const struct log_keeper logs_keeper = {logs_keep_lines};

const struct service_hooks logs_hooks = {
    .model = &logs_model,
    .pages = logs_pages,
    .page_count = sizeof logs_pages / sizeof logs_pages[0],
    .log_keeper = &logs_keeper,
    .handlers = logs_handlers,
    .handler_count = sizeof logs_handlers / sizeof logs_handlers[0],
};
