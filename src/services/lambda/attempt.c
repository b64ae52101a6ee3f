#include <limits.h>

#include "cloud/park.h"
#include "services/lambda/events_int.h"

/* How long a run is waited for before it is looked at without a signal. */
enum { LOOK_MS = 60000 };

void attempt_init(struct attempt *attempt, struct call *call, struct arena *arena)
{
    attempt->cloud = call->cloud;
    attempt->topic = str_format(arena, "lambda/attempt/%p", (void *)attempt);
}

/* Any thread; the run is released before the attempt goes. */
static void attempt_changed(void *self)
{
    struct attempt *attempt = self;
    park_signal(attempt->cloud->parks, attempt->topic, UINT_MAX);
}

void attempt_drop(struct attempt *attempt)
{
    function_run_release(attempt->run);
    attempt->run = NULL;
    if (attempt->arena != NULL)
        arena_free(attempt->arena);
    attempt->arena = NULL;
}

RESULT attempt_begin(struct call *call, struct attempt *attempt, const struct lambda_target *target,
                     const struct attempt_event *in)
{
    bool loops;
    struct str trace = trace_next(call, target, in->trace_id, &loops);
    if (loops)
        return call_fail(call, LAMBDA_RECURSIVE_INVOCATION,
                         "Lambda detected that function %.*s is being invoked in a recursive loop "
                         "with other AWS resources and stopped it.",
                         PRSTR(target->name.function));
    const struct function_event event = {
        .request_id = in->request_id,
        .payload = in->payload,
        .trace_id = trace,
        .invoked_arn = target->invoked_arn,
        .changed = attempt_changed,
        .self = attempt,
    };
    attempt_drop(attempt);
    TRY(lambda_run_start(call, target, &event, &attempt->run));
    attempt->arena = arena_new(0);
    attempt->invoked_arn = str_copy(attempt->arena, target->invoked_arn);
    attempt->role = str_copy(attempt->arena, target->version.role);
    attempt->version = str_copy(attempt->arena, target->version.version);
    return RESULT_OK;
}

RESULT attempt_await(struct call *call, struct attempt *attempt, const struct function_result **out)
{
    ASSERT(attempt->run != NULL);
    const struct function_result *result = function_run_result(attempt->run);
    if (result->outcome == FUNCTION_RUNNING)
        return call_park(call, attempt->topic, call->now_ms + LOOK_MS);
    *out = result;
    return RESULT_OK;
}

bool attempt_is_throttled(const struct call *call)
{
    return call->error == LAMBDA_TOO_MANY_REQUESTS;
}
