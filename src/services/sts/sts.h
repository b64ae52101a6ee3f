/* AWS Security Token Service. */
#ifndef KUMONIWA_SERVICES_STS_STS_H
#define KUMONIWA_SERVICES_STS_STS_H

#include "cloud/cloud.h"

extern const struct service_hooks sts_hooks;

#endif
