/* Regular expressions over PCRE2, compiled into an arena's lifetime; for one thread. Matching is
 * bounded: what takes too many steps does not match. */
#ifndef KUMONIWA_SERVICES_LOGS_REGEX_H
#define KUMONIWA_SERVICES_LOGS_REGEX_H

#include "base/arena.h"
#include "base/str.h"

struct regex;

/* False: *problem says why. */
bool regex_compile(struct arena *arena, struct str text, struct regex **out, struct str *problem);
bool regex_matches(const struct regex *regex, struct str subject);

#endif
