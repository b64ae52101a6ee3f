/* Amazon S3 Control. */
#ifndef KUMONIWA_SERVICES_S3CONTROL_S3CONTROL_H
#define KUMONIWA_SERVICES_S3CONTROL_S3CONTROL_H

#include "cloud/cloud.h"

extern const struct service_hooks s3control_hooks;

#endif
