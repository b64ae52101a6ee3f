/* What an IAM request is about, for who decides whether it may be: the ARN with the path that the
 * request does not name, and IAM's own condition keys ("Actions, resources, and condition keys for
 * AWS Identity and Access Management", Service Authorization Reference). */
#ifndef KUMONIWA_SERVICES_IAM_RESOURCE_H
#define KUMONIWA_SERVICES_IAM_RESOURCE_H

#include "cloud/call.h"

RESULT iam_resource(struct call *call, const void *in, struct str *resource_arn,
                    struct str *owner_account, struct str *policy);
RESULT iam_condition_key(struct call *call, const void *in, struct str key, struct str *value);

#endif
