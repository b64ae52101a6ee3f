/* Policies that AWS manages ("AWS managed policy reference"), from managed/: constant data
 * that the generator makes, untouched until somebody asks. In the order of path and name. */
#ifndef KUMONIWA_SERVICES_IAM_AWS_POLICIES_H
#define KUMONIWA_SERVICES_IAM_AWS_POLICIES_H

#include "base/str.h"

struct iam_aws_policy {
    struct str full_name; /* "service-role/AWSLambdaBasicExecutionRole" */
    struct str id, description, document;
    int64_t created_ms, updated_ms;
    uint32_t version; /* the default, the only one kept */
};

extern const struct iam_aws_policy iam_aws_policies[];
extern const size_t iam_aws_policy_count;

#endif
