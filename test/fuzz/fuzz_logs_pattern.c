/* Filter patterns: what parses is matched against a message without a fault, and names its values.
 * The pattern ends at the first NUL, the rest is the message. */
#include "fuzz.h"

#include "base/arena.h"
#include "services/logs/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = {0}, text, problem, all = str_make((const char *)data, size);
    struct arena *arena = arena_new(0);
    struct pattern *pattern;
    str_cut(all, '\0', &text, &message);
    if (str_is_absent(message))
        message = STR("");
    if (log_pattern_parse(arena, text, &pattern, &problem) &&
        log_pattern_matches(pattern, arena, message))
        (void)log_pattern_values(pattern, arena, message);
    arena_free(arena);
    return 0;
}
