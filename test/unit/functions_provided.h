/* Defines, for the one program that includes it, what stands in place of src/functions/runtime.c:
 * provided.al2023, and nothing else. */
#ifndef KUMONIWA_TEST_UNIT_FUNCTIONS_PROVIDED_H
#define KUMONIWA_TEST_UNIT_FUNCTIONS_PROVIDED_H

#include "base/arena.h"
#include "functions/runtime.h"

struct runtimes {
    int nothing;
};

RESULT runtimes_new(struct arena *arena, struct str directory, struct runtimes **out)
{
    (void)directory;
    *out = ARENA_NEW(arena, struct runtimes);
    return RESULT_OK;
}

void runtimes_free(struct runtimes *runtimes)
{
    (void)runtimes;
}

RESULT runtime_command(struct runtimes *runtimes, struct arena *arena,
                       const struct function_spec *spec, struct runtime_command *out,
                       struct str *problem)
{
    (void)runtimes;
    if (!str_eq(spec->runtime, STR("provided.al2023"))) {
        *problem = STR("no such runtime here");
        return RESULT_ERROR;
    }
    struct str *argv = ARENA_NEW(arena, struct str);
    argv[0] = STR("/var/task/bootstrap");
    *out = (struct runtime_command){
        .argv = argv, .argc = 1, .env = spec->environment, .env_count = spec->environment_count};
    return RESULT_OK;
}

RESULT runtimes_describe(struct runtimes *runtimes, struct arena *arena, struct str *text)
{
    (void)runtimes;
    (void)arena;
    *text = STR("");
    return RESULT_OK;
}

#endif
