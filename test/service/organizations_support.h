/* What tests of Organizations share. */
#ifndef KUMONIWA_TEST_SERVICE_ORGANIZATIONS_SUPPORT_H
#define KUMONIWA_TEST_SERVICE_ORGANIZATIONS_SUPPORT_H

#include "service/sqs_support.h"

#include "gen/organizations.h"

/* A call; the members of its input follow. */
#define ORG_CALL(lo, operation, ...)                                                               \
    loopback_call((lo), &organizations_model, ORGANIZATIONS_OP_##operation,                        \
                  &(struct organizations_##operation##Request){__VA_ARGS__})
/* Of an operation without parameters. */
struct loopback_reply org_empty(struct loopback *lo, uint32_t operation);

/* An organization of 000000000000 with one more account in its root. */
struct org_world {
    struct str root, member;
};
struct org_world org_world(struct loopback *lo);
/* The root user of an account from now on. */
void org_as(struct loopback *lo, struct str account);
/* Made at once; its id. */
struct str org_account(struct loopback *lo, const char *name);
struct str org_unit(struct loopback *lo, struct str parent, const char *name);
struct str org_policy(struct loopback *lo, const char *name, const char *type, struct str content);
/* How many policies of a type hang on a target. */
size_t org_attached(struct loopback *lo, struct str target, const char *type);

/* ConstraintViolationException and InvalidInputException with their reason. */
void org_refused(struct loopback_reply reply, const char *reason);
void org_invalid_input(struct loopback_reply reply, const char *reason);

#endif
