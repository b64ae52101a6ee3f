/* The environments of this process, and how runs are started: for Invoke, function URLs,
 * asynchronous events and event sources alike. */
#include "services/lambda/run.h"
#include "cloud/clock.h"
#include "cloud/log_sink.h"
#include "services/lambda/lambda_int.h"

struct lambda_memory {
    struct functions *functions;
    struct lambda_environments given;
    struct cloud *cloud;
};

void *lambda_memory_new(void)
{
    return heap_alloc(sizeof(struct lambda_memory));
}

void lambda_memory_free(void *memory)
{
    struct lambda_memory *own = memory;
    functions_free(own->functions);
    heap_free(own);
}

static int64_t environments_now(void *context)
{
    const struct lambda_memory *memory = context;
    return clock_now(memory->cloud->clock);
}

static struct str environments_endpoint(void *context)
{
    const struct lambda_memory *memory = context;
    return memory->cloud->endpoint;
}

static void environments_connected(void *context, int descriptor)
{
    const struct lambda_memory *memory = context;
    memory->given.connected(memory->given.context, descriptor);
}

static void environments_log(void *context, const struct function_log *line)
{
    const struct lambda_memory *memory = context;
    log_sink_put(memory->cloud->log_sink, &(struct log_line){
                                              .account = line->account,
                                              .region = line->region,
                                              .group = line->group,
                                              .stream = line->stream,
                                              .time_ms = line->time_ms,
                                              .text = line->text,
                                              .create_group = line->create_group,
                                          });
}

RESULT lambda_environments_start(struct cloud *cloud, const struct lambda_environments *given)
{
    struct lambda_memory *memory = cloud_memory(cloud, &lambda_model);
    memory->given = *given;
    memory->cloud = cloud;
    return functions_start(
        &(struct functions_config){
            .host = given->host,
            .directory = given->directory,
            .idle_limit = given->idle_limit,
            .idle_ms = given->idle_ms,
            .now_ms = environments_now,
            .endpoint = environments_endpoint,
            .connected = given->connected == NULL ? NULL : environments_connected,
            .log = environments_log,
            .context = memory,
        },
        &memory->functions);
}

void lambda_environments_stop(struct cloud *cloud)
{
    const struct lambda_memory *memory = cloud_memory(cloud, &lambda_model);
    functions_stop(memory->functions);
}

bool lambda_outside(struct call *call)
{
    const struct lambda_memory *memory = cloud_memory(call->cloud, &lambda_model);
    return memory->given.outside;
}

struct functions *lambda_functions(struct call *call)
{
    const struct lambda_memory *memory = cloud_memory(call->cloud, &lambda_model);
    return memory->functions;
}

static RESULT throttled(struct call *call, bool account)
{
    struct lambda_TooManyRequestsException *detail =
        ARENA_NEW(call->arena, struct lambda_TooManyRequestsException);
    detail->Reason = account ? STR("ConcurrentInvocationLimitExceeded")
                             : STR("ReservedFunctionConcurrentInvocationLimitExceeded");
    detail->Type = STR("User");
    detail->retryAfterSeconds = STR("1");
    return call_fail_with(call, LAMBDA_TOO_MANY_REQUESTS, detail, "Rate Exceeded.");
}

static RESULT read_limits(struct call *call, const struct lambda_target *target,
                          struct function_limits *limits)
{
    struct lambda_account account;
    TRY(account_get(call, &target->name, &account));
    int64_t left = ACCOUNT_CONCURRENCY - account.reserved;
    limits->account = left > 0 ? (unsigned)left : 0;
    limits->function =
        target->function.reserved < 0 ? UINT32_MAX : (unsigned)target->function.reserved;
    return RESULT_OK;
}

/* The command line's `lambda invoke --debug`. What is debugged is on the machine's network: a
 * function must not get there by asking for it, nor somebody elsewhere. */
static bool lambda_is_debugged(const struct call *call)
{
    return call->request != NULL && !call->from_sandbox &&
           (str_starts_with(call->source_ip, STR("127.")) || str_eq(call->source_ip, STR("::1"))) &&
           !str_is_empty(wire_request_header(call->request, STR("x-kumoniwa-debug")));
}

RESULT lambda_run_start(struct call *call, const struct lambda_target *target,
                        const struct function_event *event, struct function_run **run)
{
    struct functions *functions = lambda_functions(call);
    struct function_limits limits;
    if (functions == NULL)
        return call_fail(call, LAMBDA_SERVICE,
                         "Functions do not run in this process: kumoniwa doctor says why.");
    TRY(read_limits(call, target, &limits));
    struct str key = lambda_spec_key(call, target);
    bool debug = lambda_is_debugged(call);
    if (debug)
        key = str_concat(call->arena, key, STR("/debug"));
    for (int round = 0; round < 3; round++) {
        switch (functions_invoke(functions, key, &limits, event, run)) {
        case FUNCTIONS_TAKEN:
            return RESULT_OK;
        case FUNCTIONS_FUNCTION_THROTTLED:
            return throttled(call, false);
        case FUNCTIONS_ACCOUNT_THROTTLED:
            return throttled(call, true);
        case FUNCTIONS_UNKNOWN:
            break;
        }
        struct function_spec spec = {0};
        TRY(lambda_spec(call, target, &spec));
        spec.key = key;
        spec.debug = debug;
        TRY(functions_hold(functions, &spec));
        key = spec.key; /* a folder may have changed meanwhile */
    }
    return FAULT("a spec that is held is not found");
}
