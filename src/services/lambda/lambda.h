/* AWS Lambda. */
#ifndef KUMONIWA_SERVICES_LAMBDA_LAMBDA_H
#define KUMONIWA_SERVICES_LAMBDA_LAMBDA_H

#include "cloud/cloud.h"

extern const struct service_hooks lambda_hooks;

#endif
