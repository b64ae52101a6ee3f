/* Patterns of constraints, for validate.c and its tests. struct wire_patterns: wire.h. */
#ifndef KUMONIWA_WIRE_PATTERN_INT_H
#define KUMONIWA_WIRE_PATTERN_INT_H

#include "wire/wire.h"

/* Whether the whole text matches the constraint's pattern. A pattern that PCRE2 cannot express
 * matches everything (logged at debug level once); one that needs too many steps matches nothing.
 */
bool wire_pattern_matches(struct wire_patterns *patterns, struct arena *arena,
                          const struct wire_model *model, uint16_t constraint, struct str text);
bool wire_pattern_compiles(struct wire_patterns *patterns, const struct wire_model *model,
                           uint16_t constraint);

#endif
