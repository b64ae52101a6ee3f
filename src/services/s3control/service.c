/* What S3 Control gives the cloud besides its operations. */
#include "services/s3control/grants_int.h"
#include "services/s3control/mrap.h"
#include "services/s3control/s3control_int.h"

static const struct outbox_handler s3control_handlers[] = {
    {STR_INIT("s3control.mrap"), mrap_deliver},
};

const struct service_hooks s3control_hooks = {
    .model = &s3control_model,
    .resource_policy = grants_resource_policy,
    .condition_key = grants_condition_key,
    .handlers = s3control_handlers,
    .handler_count = sizeof s3control_handlers / sizeof s3control_handlers[0],
};
