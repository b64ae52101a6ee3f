/* Resource policies as lists of statements: of functions and of versions of layers. */
#ifndef KUMONIWA_SERVICES_LAMBDA_POLICIES_H
#define KUMONIWA_SERVICES_LAMBDA_POLICIES_H

#include "auth/policy.h"
#include "services/lambda/lambda_int.h"

/* PreconditionFailedException when a RevisionId was given that is another. */
RESULT policy_fail_revision(struct call *call, struct str given, struct str have);
/* A statement that allows, without its end: conditions may follow, then '}'.
 * InvalidParameterValueException of a principal that is nobody. */
RESULT policy_statement_begin(struct call *call, struct str sid, struct str principal,
                              struct str action, struct str resource, struct buf *out);
/* Adds a statement: ResourceConflictException, PolicyLengthExceededException. */
RESULT policy_add(struct call *call, struct lambda_policy *policy, struct str sid, struct str text);
/* False: there was none. */
bool policy_remove(struct call *call, struct lambda_policy *policy, struct str sid);
/* A whole document in place of it. */
RESULT policy_take(struct call *call, struct str document, struct lambda_policy *out);

#endif
