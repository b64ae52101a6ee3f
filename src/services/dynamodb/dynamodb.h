/* Amazon DynamoDB: what the server lists. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_DYNAMODB_H
#define KUMONIWA_SERVICES_DYNAMODB_DYNAMODB_H

#include "cloud/cloud.h"

extern const struct service_hooks dynamodb_hooks;

#endif
