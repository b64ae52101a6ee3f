/* What S3 gives the cloud besides its operations. */
#include "services/s3/access.h"
#include "services/s3/access_log.h"
#include "services/s3/archive.h"
#include "services/s3/changes.h"
#include "services/s3/inventory.h"
#include "services/s3/lifecycle.h"
#include "services/s3/replication.h"

static const struct outbox_handler s3_handlers[] = {
    {STR_INIT("s3.drop"), s3_deliver_drop},        {STR_INIT("s3.notify"), notify_deliver},
    {STR_INIT("s3.lifecycle"), lifecycle_deliver}, {STR_INIT("s3.logs"), access_log_deliver},
    {STR_INIT("s3.restore"), archive_deliver},     {STR_INIT("s3.replicate"), replicate_deliver},
    {STR_INIT("s3.inventory"), inventory_deliver},
};

const struct service_hooks s3_hooks = {
    .model = &s3_model,
    .authorize = s3_authorize,
    .cross_origin = s3_cross_origin,
    .ended = access_log_ended,
    .handlers = s3_handlers,
    .handler_count = sizeof s3_handlers / sizeof s3_handlers[0],
};
