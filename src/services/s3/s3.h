/* Amazon Simple Storage Service. */
#ifndef KUMONIWA_SERVICES_S3_S3_H
#define KUMONIWA_SERVICES_S3_S3_H

#include "cloud/cloud.h"

extern const struct service_hooks s3_hooks;

#endif
