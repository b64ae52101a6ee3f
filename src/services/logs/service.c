/* What CloudWatch Logs gives the cloud besides its operations. */
#include "cloud/trail.h"
#include "services/logs/exports.h"
#include "services/logs/filters.h"
#include "services/logs/logs_int.h"
#include "services/logs/memory.h"
#include "services/logs/queries.h"
#include "services/logs/tail.h"

static const struct outbox_handler logs_handlers[] = {
    {STR_INIT("logs.pack"), logs_deliver_pack},
    {STR_INIT("logs.drop"), logs_deliver_drop},
    {STR_INIT("logs.expire"), logs_deliver_expire},
    {STR_INIT("logs.measure"), logs_deliver_measure},
    {STR_INIT("logs.subscription"), logs_deliver_subscription},
    {STR_INIT("logs.export"), logs_deliver_export},
    {STR_INIT("logs.tail"), logs_deliver_tail},
    {STR_INIT("logs.query"), logs_deliver_query},
    {STR_INIT("logs.forget-query"), logs_deliver_forget_query},
};

static const struct service_page logs_pages[] = {
    {STR_INIT("/_kumoniwa/logs/metrics"), logs_answer_metrics},
    {STR_INIT("/_kumoniwa/logs/metrics/"), logs_answer_metrics},
};

/* Of each group that they name. */
static const uint32_t logs_asking[] = {LOGS_OP_StartQuery, LOGS_OP_StartLiveTail};

/* "CloudWatch Logs information in CloudTrail", User Guide, does not name it. */
static const uint32_t logs_untold[] = {LOGS_OP_PutLogEvents};
static const struct trail_data logs_trail_data = {.operations = logs_untold, .count = 1};

static const struct log_keeper logs_keeper = {logs_keep_lines};

const struct service_hooks logs_hooks = {
    .model = &logs_model,
    .pages = logs_pages,
    .page_count = sizeof logs_pages / sizeof logs_pages[0],
    .resource_policy = logs_resource_policy,
    .start = logs_start,
    .memory_new = logs_memory_new,
    .memory_free = logs_memory_free,
    .asking = logs_asking,
    .asking_count = sizeof logs_asking / sizeof logs_asking[0],
    .log_keeper = &logs_keeper,
    .trail_data = &logs_trail_data,
    .handlers = logs_handlers,
    .handler_count = sizeof logs_handlers / sizeof logs_handlers[0],
};
