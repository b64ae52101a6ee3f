/* Amazon DynamoDB Streams: what the server lists. */
#ifndef KUMONIWA_SERVICES_DYNAMODBSTREAMS_DYNAMODBSTREAMS_H
#define KUMONIWA_SERVICES_DYNAMODBSTREAMS_DYNAMODBSTREAMS_H

#include "cloud/cloud.h"

extern const struct service_hooks dynamodbstreams_hooks;

#endif
