/* What tests of DynamoDB share: requests and answers as JSON texts. */
#ifndef KUMONIWA_TEST_SERVICE_DYNAMODB_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_DYNAMODB_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cloud/object_io.h"
#include "gen/dynamodb.h"
#include "support/loopback.h"

/* cmocka fixtures: *state is a struct loopback. */
int ddb_setup(void **state);
int ddb_teardown(void **state);
#define DDB_TEST(function) cmocka_unit_test_setup_teardown(function, ddb_setup, ddb_teardown)

/* In the texts ' stands for ". The answer's text, with ' too; "ErrorName: message" when it fails.
 */
#define DDB(lo, operation, ...) ddb_call((lo), DYNAMODB_OP_##operation, __VA_ARGS__)
struct str ddb_call(struct loopback *lo, uint32_t operation, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define assert_answer(actual, expected) ddb_check((actual), (expected), __FILE__, __LINE__)
void ddb_check(struct str actual, const char *expected, const char *file, int line);
/* The answer holds this text. */
#define assert_holds(actual, part) ddb_check_part((actual), (part), __FILE__, __LINE__)
void ddb_check_part(struct str actual, const char *part, const char *file, int line);

/* "tab": pk S, sk N, global index "global" on g S and h N (with v), local index "local" on l B;
 * active. */
void ddb_table(struct loopback *lo);
/* Keys that the store has under DynamoDB's prefixes of items. */
size_t ddb_stored(struct loopback *lo, const char *prefix);
/* For reading and writing objects as the account's root user; call.txn writes, the test ends it. */
struct call ddb_s3_call(struct loopback *lo, struct object_io_caller *caller);

#endif
