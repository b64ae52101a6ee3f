/* AWS Identity and Access Management. */
#ifndef KUMONIWA_SERVICES_IAM_IAM_H
#define KUMONIWA_SERVICES_IAM_IAM_H

#include "cloud/cloud.h"

extern const struct service_hooks iam_hooks;

#endif
