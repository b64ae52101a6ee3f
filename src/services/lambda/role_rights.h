/* What execution roles may: asked before configurations that need it are taken. */
#ifndef KUMONIWA_SERVICES_LAMBDA_ROLE_RIGHTS_H
#define KUMONIWA_SERVICES_LAMBDA_ROLE_RIGHTS_H

#include "cloud/arn.h"
#include "services/lambda/events_int.h"

/* May a session of an execution role do this? policy: the resource's own; absent: none. */
RESULT role_may(struct call *call, const struct principal *role, const char *action,
                struct str resource, struct str owner, struct str policy, bool *allowed);

/* A queue's attributes; code (with message): SQS's error, absent when there is such a queue. */
struct source_queue {
    struct str policy;
    int64_t visibility_s;
    struct str code, message;
};
RESULT source_queue_look(struct call *call, const struct arn *arn, struct source_queue *out);

/* Dead-letter queue, traces, VPC: InvalidParameterValueException when the role may not. */
RESULT role_rights_check(struct call *call, const struct lambda_name *name,
                         const struct lambda_version *version);
/* The destination is there, and the function's role may send to it. */
RESULT role_rights_of_destination(struct call *call, const struct lambda_target *target,
                                  struct str destination);

#endif
