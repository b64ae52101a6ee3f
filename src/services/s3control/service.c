/* What S3 Control gives the cloud besides its operations. */
#include "services/s3control/s3control_int.h"

const struct service_hooks s3control_hooks = {.model = &s3control_model};
