/* Amazon Simple Queue Service. */
#ifndef KUMONIWA_SERVICES_SQS_SQS_H
#define KUMONIWA_SERVICES_SQS_SQS_H

#include "cloud/cloud.h"

extern const struct service_hooks sqs_hooks;

#endif
