/* The parameters of before expressions ("Legacy conditional parameters"): Expected,
 * AttributeUpdates, KeyConditions, QueryFilter, ScanFilter, AttributesToGet, ConditionalOperator,
 * turned into the trees of expression.h. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_LEGACY_H
#define KUMONIWA_SERVICES_DYNAMODB_LEGACY_H

#include "services/dynamodb/expression.h"

/* Each yields NULL in *out for an absent or empty parameter. conditional_operator: "AND", "OR" or
 * absent. */
RESULT legacy_expected(struct arena *arena, struct dynamodb_ExpectedAttributeMap expected,
                       struct str conditional_operator, const struct condition **out,
                       struct value_failure *failure);
/* QueryFilter or ScanFilter. */
RESULT legacy_filter(struct arena *arena, struct dynamodb_FilterConditionMap filter,
                     struct str conditional_operator, const struct condition **out,
                     struct value_failure *failure);
RESULT legacy_updates(struct arena *arena, struct dynamodb_AttributeUpdates updates,
                      const struct update **out, struct value_failure *failure);
RESULT legacy_projection(struct arena *arena, struct str_list attributes_to_get,
                         const struct projection **out, struct value_failure *failure);
/* For key_condition_resolve(). */
RESULT legacy_key_conditions(struct arena *arena, struct dynamodb_KeyConditions conditions,
                             const struct condition **out, struct value_failure *failure);

#endif
