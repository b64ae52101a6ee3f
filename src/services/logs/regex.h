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
/* The first match at `from` or behind it. */
bool regex_find(const struct regex *regex, struct str subject, size_t from, size_t *begin,
                size_t *end);
/* The text of each group, absent where it took no part; false: it does not match. */
struct regex_group {
    struct str name, text; /* name absent: it has none */
};
bool regex_groups(const struct regex *regex, struct arena *arena, struct str subject,
                  struct regex_group **groups, size_t *count);

#endif
