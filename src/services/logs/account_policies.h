/* Policies for all log groups of an account and region: PutAccountPolicy. */
#ifndef KUMONIWA_SERVICES_LOGS_ACCOUNT_POLICIES_H
#define KUMONIWA_SERVICES_LOGS_ACCOUNT_POLICIES_H

#include "services/logs/logs_int.h"

/* Whether the destination takes what logs send; sends the control message. */
RESULT subscription_check(struct call *call, struct str destination, struct str role,
                          struct str source_arn);

#endif
