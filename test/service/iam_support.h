/* Short ways to call IAM in tests. */
#ifndef KUMONIWA_TEST_SERVICE_IAM_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_IAM_SUPPORT_H

#include "service/sqs_support.h"

#include "gen/iam.h"

#define IAM_CALL(lo, operation, ...)                                                               \
    loopback_call((lo), &iam_model, IAM_OP_##operation,                                            \
                  &(struct iam_##operation##Request){__VA_ARGS__})
/* An operation with an output, and one without. */
#define IAM_OK(lo, operation, ...)                                                                 \
    ((const struct iam_##operation##Response *)loopback_ok(IAM_CALL((lo), operation, __VA_ARGS__)))
#define IAM_DO(lo, operation, ...) ((void)loopback_ok(IAM_CALL((lo), operation, __VA_ARGS__)))
#define IAM_FAILS(lo, code, message, operation, ...)                                               \
    loopback_error(IAM_CALL((lo), operation, __VA_ARGS__), (code), (message))

#define POLICY(effect, action, resource)                                                           \
    STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"" effect                         \
        "\",\"Action\":\"" action "\",\"Resource\":\"" resource "\"}]}")
#define TRUST(type, who)                                                                           \
    STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"" type  \
        "\":\"" who "\"},\"Action\":\"sts:AssumeRole\"}]}")

#define ARN(rest) STR("arn:aws:iam::000000000000:" rest)
#define AWS_POLICY(name) STR("arn:aws:iam::aws:policy/" name)

#endif
