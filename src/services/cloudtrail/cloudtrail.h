/* AWS CloudTrail. */
#ifndef KUMONIWA_SERVICES_CLOUDTRAIL_CLOUDTRAIL_H
#define KUMONIWA_SERVICES_CLOUDTRAIL_CLOUDTRAIL_H

#include "cloud/cloud.h"

extern const struct service_hooks cloudtrail_hooks;

#endif
