/* What tests of S3 Control share. */
#ifndef KUMONIWA_TEST_SERVICE_S3CONTROL_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_S3CONTROL_SUPPORT_H

#include "gen/s3control.h"
#include "service/s3_support.h"

#define OWNER STR("000000000000")

/* A call, its output, one that must succeed, one that must fail. */
#define CONTROL_CALL(lo, operation, ...)                                                           \
    loopback_call((lo), &s3control_model, S3CONTROL_OP_##operation,                                \
                  &(struct s3control_##operation##Request){__VA_ARGS__})
#define CONTROL_OK(lo, operation, ...)                                                             \
    ((const struct s3control_##operation##Result *)loopback_ok(                                    \
        CONTROL_CALL((lo), operation, __VA_ARGS__)))
#define CONTROL_DO(lo, operation, ...)                                                             \
    ((void)loopback_ok(CONTROL_CALL((lo), operation, __VA_ARGS__)))
#define CONTROL_FAILS(lo, code, message, operation, ...)                                           \
    loopback_error(CONTROL_CALL((lo), operation, __VA_ARGS__), (code), (message))

#endif
