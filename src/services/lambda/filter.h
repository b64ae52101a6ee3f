/* Which events an event source mapping lets through: "Control which events Lambda sends to your
 * function", AWS Lambda Developer Guide; the operators are those of "Comparison operators for use
 * in event patterns in Amazon EventBridge", EventBridge User Guide. Pure. */
#ifndef KUMONIWA_SERVICES_LAMBDA_FILTER_H
#define KUMONIWA_SERVICES_LAMBDA_FILTER_H

#include "base/arena.h"
#include "base/str.h"

/* Whether it is a pattern at all; otherwise *problem says for people why not. */
bool filter_is_valid(struct arena *arena, struct str pattern, struct str *problem);

/* Both are JSON texts, the pattern a valid one. */
bool filter_matches(struct arena *arena, struct str pattern, struct str event);

#endif
