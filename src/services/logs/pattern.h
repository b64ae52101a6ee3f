/* Filter patterns ("Filter pattern syntax for metric filters, subscription filters, filter log
 * events, and Live Tail", CloudWatch Logs User Guide): terms, JSON selectors, space-delimited
 * fields. Parsed once, matched often; no input makes either fail otherwise than by saying so. */
#ifndef KUMONIWA_SERVICES_LOGS_PATTERN_H
#define KUMONIWA_SERVICES_LOGS_PATTERN_H

#include "base/arena.h"
#include "base/str.h"
#include "wire/types.h"

struct pattern;

/* Lives in the arena. An absent or empty text matches all. False: *problem says why. */
bool log_pattern_parse(struct arena *arena, struct str text, struct pattern **out,
                       struct str *problem);
/* Whether regular expressions are part of it. */
bool log_pattern_has_regex(const struct pattern *pattern);
/* scratch: for what one event needs; the caller resets it. */
bool log_pattern_matches(const struct pattern *pattern, struct arena *scratch, struct str message);
/* What the pattern names, of a message that matches: "$.field" and "$name" to their values. */
struct str_map log_pattern_values(const struct pattern *pattern, struct arena *arena,
                                  struct str message);
/* One of them, by its selector, whether the pattern names it or not; absent: the message has none.
 */
struct str log_pattern_value(const struct pattern *pattern, struct arena *arena, struct str message,
                             struct str selector);

#endif
