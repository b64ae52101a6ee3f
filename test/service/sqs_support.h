/* What tests of SQS share: a loopback cloud per test, and short ways to call the operations. */
#ifndef KUMONIWA_TEST_SERVICE_SQS_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_SQS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "gen/sqs.h"
#include "support/loopback.h"

/* cmocka fixtures: *state is a struct loopback. */
int sqs_setup(void **state);
int sqs_teardown(void **state);
#define SQS_TEST(function) cmocka_unit_test_setup_teardown(function, sqs_setup, sqs_teardown)

/* A call; the members of its input follow: SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody
 * = STR("x")). */
#define SQS_CALL(lo, operation, ...)                                                               \
    loopback_call((lo), &sqs_model, SQS_OP_##operation,                                            \
                  &(struct sqs_##operation##Request){__VA_ARGS__})
/* The same, which must succeed: yields its output. */
#define SQS_OK(lo, operation, ...)                                                                 \
    ((const struct sqs_##operation##Result *)loopback_ok(SQS_CALL((lo), operation, __VA_ARGS__)))
/* The same, which must fail. */
#define SQS_FAILS(lo, code, message, operation, ...)                                               \
    loopback_error(SQS_CALL((lo), operation, __VA_ARGS__), (code), (message))

#define assert_str(actual, expected) sqs_check_str((actual), (expected), __FILE__, __LINE__)
void sqs_check_str(struct str actual, struct str expected, const char *file, int line);

/* A map of strings from literals: PAIRS(lo, "DelaySeconds", "5"). */
#define PAIRS(lo, ...)                                                                             \
    sqs_pairs((lo), (const char *const[]){__VA_ARGS__},                                            \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
struct str_map sqs_pairs(struct loopback *lo, const char *const *texts, size_t count);
/* A list of strings from literals. */
#define NAMES(lo, ...)                                                                             \
    sqs_names((lo), (const char *const[]){__VA_ARGS__},                                            \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
struct str_list sqs_names(struct loopback *lo, const char *const *texts, size_t count);

/* New queues, by URL. */
struct str sqs_queue(struct loopback *lo, const char *name);
struct str sqs_queue_with(struct loopback *lo, const char *name, struct str_map attributes);
struct str sqs_fifo(struct loopback *lo, const char *name); /* with ContentBasedDeduplication */
/* arn:aws:sqs:us-east-1:000000000000:name */
struct str sqs_arn(struct loopback *lo, const char *name);

struct str sqs_send(struct loopback *lo, struct str url, const char *body); /* its MessageId */
struct str sqs_send_group(struct loopback *lo, struct str url, const char *group, const char *body);
/* Up to max messages, every attribute asked for, nothing waited for. */
struct sqs_MessageList sqs_receive(struct loopback *lo, struct str url, int max);
/* Exactly one, with this body; its receipt handle. */
struct str sqs_receive_one(struct loopback *lo, struct str url, const char *body);
void sqs_receive_none(struct loopback *lo, struct str url);
void sqs_delete(struct loopback *lo, struct str url, struct str handle);

/* One attribute of a queue; absent when it is not shown. */
struct str sqs_attribute(struct loopback *lo, struct str url, const char *name);
/* ready, in flight, delayed */
#define assert_counts(lo, url, ready, in_flight, delayed)                                          \
    sqs_check_counts((lo), (url), (ready), (in_flight), (delayed), __FILE__, __LINE__)
void sqs_check_counts(struct loopback *lo, struct str url, int ready, int in_flight, int delayed,
                      const char *file, int line);
/* A system attribute of a message that was received; absent when it is not shown. */
struct str sqs_shown(const struct sqs_Message *message, const char *name);

#endif
