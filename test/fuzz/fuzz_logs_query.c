/* Logs Insights: what parses is run over two events without a fault. The query ends at the first
 * NUL, the rest is a message. */
#include "fuzz.h"

#include "base/arena.h"
#include "services/logs/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = {0}, text, all = str_make((const char *)data, size);
    struct arena *arena = arena_new(0);
    struct query_problem problem;
    struct query_result result;
    struct query query;
    bool enough = false;
    str_cut(all, '\0', &text, &message);
    if (str_is_absent(message))
        message = STR("{\"a\":1,\"b\":{\"c\":[\"x\",2]}}");
    if (query_parse(arena, text, &query, &problem)) {
        struct query_run *run = query_run_new(arena, &query, 10, 1);
        struct query_event event = {2, 1, message, STR("s"), STR("1:g"), STR("p"), message};
        if (query_run_event(run, &event, &enough) == RESULT_OK) {
            event.ms = 1;
            event.message = STR("user=x 12");
            (void)!query_run_event(run, &event, &enough);
        }
        (void)!query_run_end(run, &result);
    }
    arena_free(arena);
    return 0;
}
