/* What tests of Lambda share: archives, roles, functions. */
#ifndef KUMONIWA_TEST_SERVICE_LAMBDA_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_LAMBDA_SUPPORT_H

#include "service/iam_support.h"

#include "gen/lambda.h"

#define LAMBDA_CALL(lo, operation, input, ...)                                                     \
    loopback_call((lo), &lambda_model, LAMBDA_OP_##operation, &(struct lambda_##input){__VA_ARGS__})
#define LAMBDA_FAILS(lo, code, message, operation, ...)                                            \
    loopback_error(LAMBDA_CALL((lo), operation, operation##Request, __VA_ARGS__), (code), (message))
/* The same, which must succeed: its output, or nothing. */
#define LAMBDA_OK(lo, type, operation, ...)                                                        \
    ((const struct lambda_##type *)loopback_ok(                                                    \
        LAMBDA_CALL((lo), operation, operation##Request, __VA_ARGS__)))
#define LAMBDA_DO(lo, operation, ...)                                                              \
    ((void)loopback_ok(LAMBDA_CALL((lo), operation, operation##Request, __VA_ARGS__)))

/* One file of an archive; mode 0: a file of 0644. A symbolic link has S_IFLNK in its mode, and what
 * it points to as its content. */
struct zip_file {
    const char *name;
    struct str content;
    unsigned mode;
};
/* A zip archive, nothing compressed. */
struct str zip_make(struct arena *arena, const struct zip_file *files, size_t count);
/* One of a single file. */
struct str zip_one(struct loopback *lo, const char *name, const char *content);

/* A role that Lambda may assume; its ARN. */
struct str lambda_role(struct loopback *lo, const char *name);
/* Who calls from here on is the user "dev", who is there, with that policy alone. */
void lambda_as_dev(struct loopback *lo, struct str document);
/* The function that most tests begin with: python3.12, settled; its unqualified ARN. */
struct str lambda_make(struct loopback *lo, const char *name);
/* arn:aws:lambda:us-east-1:000000000000:function:NAME */
struct str lambda_test_arn(struct loopback *lo, const char *name);

#define LAMBDA_TEST(function) cmocka_unit_test_setup_teardown(function, sqs_setup, sqs_teardown)

#endif
