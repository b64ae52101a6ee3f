/* Requests to function URLs: "Invoking Lambda function URLs", "Control access to Lambda function
 * URLs", AWS Lambda Developer Guide. A host ID.lambda-url.REGION.on.aws, or that ends in another
 * way, is a function's. */
#include "auth/policy.h"
#include "cloud/authorize.h"
#include "cloud/park.h"
#include "cloud/work.h"
#include "services/lambda/events_int.h"
#include "services/lambda/url.h"
#include "services/lambda/url_int.h"
#include "wire/wire.h"

#define WORK_NAME STR("lambda.url")
enum { REQUEST_MAX = 6291456 };

struct str lambda_place_of_host(struct arena *arena, struct str host)
{
    size_t at = str_find(host, STR(".lambda-url."));
    if (at == SIZE_MAX || at == 0)
        return (struct str){0};
    /* The last piece keeps the path from being empty. */
    return str_format(arena, "_kumoniwa/function-url/%.*s/-", (int)at, host.ptr);
}

/* --- who may --- */

struct url_asks {
    struct str auth_type, via;
};

static bool url_key(void *self, struct str key, struct policy_values *out)
{
    const struct url_asks *asks = self;
    const struct str *value = str_eq_nocase(key, STR("lambda:FunctionUrlAuthType"))
                                  ? &asks->auth_type
                              : str_eq_nocase(key, STR("lambda:InvokedViaFunctionUrl")) ? &asks->via
                                                                                        : NULL;
    if (value == NULL || str_is_absent(*value))
        return false;
    *out = (struct policy_values){.items = value, .len = 1};
    return true;
}

static RESULT url_may(struct call *call, const struct lambda_url *url,
                      const struct lambda_target *target, bool *allowed)
{
    static const struct str actions[] = {STR_INIT("lambda:InvokeFunctionUrl"),
                                         STR_INIT("lambda:InvokeFunction")};
    const struct principal anybody = {.kind = PRINCIPAL_ANONYMOUS};
    bool open = str_eq(url->auth, STR("NONE"));
    struct str owner = url->account, policy = {0};
    *allowed = open || call->principal.kind != PRINCIPAL_ANONYMOUS;
    TRY(lambda_policy_of_arn(call, target->invoked_arn, &owner, &policy));
    /* Since October 2025 both are needed. */
    for (size_t i = 0; i < sizeof actions / sizeof actions[0] && *allowed; i++) {
        struct url_asks asks = {.auth_type = url->auth,
                                .via = i == 0 ? (struct str){0} : STR("true")};
        struct authorize_ask ask = {
            .who = open ? &anybody : NULL,
            .action = actions[i],
            .resource = target->invoked_arn,
            .owner = owner,
            .policy = policy,
            .form = POLICY_FORM_RESOURCE,
            .find = url_key,
            .self = &asks,
        };
        TRY(authorize_may(call, &ask, allowed));
    }
    return RESULT_OK;
}

static RESULT url_forbid(struct call *call, const struct lambda_url *url,
                         struct lambda_FunctionUrlReply *out)
{
    struct buf text;
    buf_init(&text, call->arena, 16384);
    buf_append(&text, STR("{\"Message\":"));
    if (str_eq(url->auth, STR("AWS_IAM")) && !str_is_empty(call->message))
        wire_json_write_string(&text, call->message); /* what was wrong with its signature */
    else
        buf_append(&text,
                   STR("\"Forbidden. For troubleshooting Function URL authorization issues, "
                       "see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html\""));
    buf_append_char(&text, '}');
    call_add_header(call, STR("x-amzn-ErrorType"), STR("AccessDeniedException"));
    return url_say(call, 403, buf_str(&text), out);
}

/* --- the run --- */

struct url_held {
    struct url_run *run;
};

void url_run_free(struct url_run *run)
{
    function_run_release(run->run);
    arena_free(run->arena);
}

static void url_drop_work(struct work *work)
{
    const struct url_held *held = work->data;
    if (held->run != NULL && !held->run->streams)
        url_run_free(held->run);
}

/* Any thread. */
static void url_changed(void *self)
{
    struct url_run *run = self;
    void (*wake)(void *) = atomic_load(&run->wake);
    if (wake != NULL)
        wake(run->waker);
    else
        park_signal(run->cloud->parks, str_from_c(run->topic), UINT32_MAX);
}

static RESULT url_begin(struct call *call, const struct lambda_url *url,
                        const struct lambda_target *target, struct url_run **out)
{
    struct arena *arena = arena_new(0);
    struct url_run *run = ARENA_NEW(arena, struct url_run);
    *run = (struct url_run){.arena = arena, .cloud = call->cloud};
    buf_init(&run->head, arena, 256 << 10);
    struct buf topic;
    buf_init_fixed(&topic, run->topic, sizeof run->topic - 1);
    buf_append_format(&topic, "lambda.url/%p", (void *)run);
    struct str trace = trace_begin(call, call_trace(call));
    run->trace = str_copy(arena, trace);
    const struct function_event event = {
        .request_id = call->request_id,
        .payload = url_event(call, url, trace),
        .trace_id = trace,
        .invoked_arn = target->invoked_arn,
        .streaming = str_eq(url->invoke_mode, STR("RESPONSE_STREAM")),
        .changed = url_changed,
        .self = run,
    };
    enum result result = lambda_run_start(call, target, &event, &run->run);
    if (result != RESULT_OK) {
        arena_free(arena);
        return result;
    }
    struct work *work = work_new(call, WORK_NAME, sizeof(struct url_held));
    ((struct url_held *)work->data)->run = run;
    work->drop = url_drop_work;
    *out = run;
    return RESULT_OK;
}

static bool url_is_preflight(const struct call *call, const struct lambda_url *url)
{
    return url->cors != NULL && str_eq(call->request->method, STR("OPTIONS")) &&
           !str_is_absent(wire_request_header(call->request, STR("origin"))) &&
           !str_is_absent(wire_request_header(call->request, STR("access-control-request-method")));
}

static RESULT url_serve(struct call *call, const struct lambda_FunctionUrlRequest *in,
                        struct lambda_FunctionUrlReply *out)
{
    struct lambda_url url;
    struct lambda_target target;
    struct work *work = work_find(call, WORK_NAME);
    bool found, allowed;
    TRY(url_by_id(call, in->UrlId, &url, &found));
    if (!found)
        return url_say(call, 404, STR("{\"Message\":null}"), out);
    call->region = url.region;
    if (work != NULL) {
        /* What an earlier run found went with its arena. */
        if (call->principal.kind == PRINCIPAL_ANONYMOUS)
            call->account = url.account;
        return url_reply(call, &url, ((const struct url_held *)work->data)->run, out);
    }
    if (url_is_preflight(call, &url)) {
        url_cors(call, &url, true);
        return url_say(call, 200, (struct str){0}, out);
    }
    const struct lambda_name name = {.account = url.account,
                                     .region = url.region,
                                     .function = url.function,
                                     .qualifier = url.qualifier};
    TRY(lambda_find(call, &name, &target));
    TRY(url_may(call, &url, &target, &allowed));
    if (!allowed)
        return url_forbid(call, &url, out);
    if (str_is_absent(call->account))
        call->account = url.account;
    if (call->request->body.len > REQUEST_MAX)
        return url_say(call, 413, STR("{\"message\":\"Request Entity Too Large\"}"), out);
    struct url_run *run;
    TRY(url_begin(call, &url, &target, &run));
    return url_reply(call, &url, run, out);
}

/* --- an operation for each method --- */

#define URL_METHOD(method)                                                                         \
    RESULT lambda_FunctionUrl##method(struct call *call,                                           \
                                      const struct lambda_FunctionUrlRequest *in,                  \
                                      struct lambda_FunctionUrlReply *out)                         \
    {                                                                                              \
        return url_serve(call, in, out);                                                           \
    }
URL_METHOD(Get)
URL_METHOD(Head)
URL_METHOD(Post)
URL_METHOD(Put)
URL_METHOD(Patch)
URL_METHOD(Delete)
URL_METHOD(Options)
