/* Amazon CloudWatch Logs. */
#ifndef KUMONIWA_SERVICES_LOGS_LOGS_H
#define KUMONIWA_SERVICES_LOGS_LOGS_H

#include "cloud/cloud.h"

extern const struct service_hooks logs_hooks;

#endif
