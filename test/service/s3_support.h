/* What tests of S3 share: a loopback cloud per test, and short ways to call the operations. */
#ifndef KUMONIWA_TEST_SERVICE_S3_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_S3_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gen/s3.h"
#include "gen/sqs.h"
#include "support/loopback.h"

/* cmocka fixtures: *state is a struct loopback. */
int s3_setup(void **state);
int s3_teardown(void **state);
#define S3_TEST(function) cmocka_unit_test_setup_teardown(function, s3_setup, s3_teardown)

/* A call; the members of its input follow. */
#define S3_CALL(lo, operation, ...)                                                                \
    loopback_call((lo), &s3_model, S3_OP_##operation,                                              \
                  &(struct s3_##operation##Request){__VA_ARGS__})

/* The same of an operation that shares its input's shape with others. */
#define S3_CALL_OF(lo, operation, shape, ...)                                                      \
    loopback_call((lo), &s3_model, S3_OP_##operation, &(struct s3_##shape){__VA_ARGS__})

#define assert_text(actual, expected)                                                              \
    do {                                                                                           \
        struct str actual_ = (actual), expected_ = (expected);                                     \
        if (!str_eq(actual_, expected_))                                                           \
            fail_msg("\"%.*s\" is not \"%.*s\"", PRSTR(actual_), PRSTR(expected_));                \
    } while (0)

void s3_bucket(struct loopback *lo, const char *name, bool versioned);
/* An empty object; its version id. */
struct str s3_put(struct loopback *lo, const char *bucket, struct str key);
/* Keys, versions and delete markers of a bucket; up to 1,000 of each are counted. */
struct s3_counts {
    size_t keys, versions, markers;
};
struct s3_counts s3_count(struct loopback *lo, const char *bucket);
#define assert_s3_counts(lo, bucket, k, v, m)                                                      \
    do {                                                                                           \
        struct s3_counts counts_ = s3_count((lo), (bucket));                                       \
        assert_int_equal(counts_.keys, (k));                                                       \
        assert_int_equal(counts_.versions, (v));                                                   \
        assert_int_equal(counts_.markers, (m));                                                    \
    } while (0)

/* A queue that S3 may send to; its ARN. */
struct str s3_queue(struct loopback *lo, const char *name);
/* The next message's body, deleted; absent when there is none. */
struct str s3_receive(struct loopback *lo, const char *queue);

#endif
