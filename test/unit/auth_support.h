/* What the tests of SigV4 share: a request, the rules to verify it by, and AWS's example requests.
 */
#ifndef KUMONIWA_TEST_AUTH_SUPPORT_H
#define KUMONIWA_TEST_AUTH_SUPPORT_H

#include "auth/sigv4_int.h"

/* Of the signature test suite, and of the examples for S3. */
#define SECRET STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
#define S3_SECRET STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
#define EMPTY_HASH STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

enum { AUTH_HEADERS_MAX = 32 };

struct auth_fixture {
    struct arena *arena;
    struct sigv4_keys *keys;
    struct wire_header headers[AUTH_HEADERS_MAX];
    struct wire_request request;
    struct sigv4_rules rules;
    struct sigv4 signature;
    struct sigv4_problem problem;
};

/* "Authenticating Requests: Using Query Parameters": the two ends of its example's query. */
#define PRESIGNED_HEAD                                                                             \
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"         \
    "us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&"
#define PRESIGNED_SIGNATURE                                                                        \
    "&X-Amz-SignedHeaders=host&X-Amz-Signature="                                                   \
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

#define SQS_NAMES STR("content-type;host;x-amz-date;x-amz-target")

int auth_set_up(void **state);
int auth_tear_down(void **state);
int64_t auth_instant(const char *basic);
void auth_add_header(struct auth_fixture *f, struct str name, struct str value);
void auth_assert_str(struct str actual, struct str expected);
enum result auth_parse(struct auth_fixture *f);
enum result auth_verify(struct auth_fixture *f, struct str body);
void auth_assert_problem(const struct auth_fixture *f, enum sigv4_fault fault, struct str message);
void auth_s3_example(struct auth_fixture *f, const char *method, struct str path, struct str query);
void auth_presigned_example(struct auth_fixture *f, struct str query);
/* A SendMessage as an SDK sends it. */
void auth_sqs_request(struct auth_fixture *f, struct str body, int64_t now_ms, struct str names);

#endif
