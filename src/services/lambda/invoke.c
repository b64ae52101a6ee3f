/* Invoke, InvokeAsync, InvokeWithResponseStream. "Invoke", "InvokeWithResponseStream", AWS Lambda
 * API Reference; "Lambda quotas". A run is kept beside the call that waits for it (cloud/work.h):
 * it survives the handler's reruns, and is let go with the call. */
#include <stdatomic.h>

#include "base/encode.h"
#include "cloud/park.h"
#include "cloud/work.h"
#include "services/lambda/events_int.h"
#include "services/lambda/payload.h"
#include "wire/json_text.h"
#include "wire/wire.h"

/* "Lambda quotas": 6 MB, and 1 MB for events since October 2025; "InvokeAsync": 256 KB; "Invoke":
 * "up to 3,583 bytes of base64-encoded data". */
enum {
    PAYLOAD_MAX = 6291456,
    EVENT_MAX = 1024 * 1024,
    OLD_EVENT_MAX = 256 * 1024,
    CONTEXT_MAX = 3583,
    TOPIC_SIZE = 48,
    CHUNK = 64 * 1024,
};

#define WORK_NAME STR("lambda.run")

/* Outlives the call where a stream does. */
struct invocation {
    struct arena *arena;
    struct cloud *cloud;
    struct function_run *run;
    struct str version, trace;
    bool tail;
    bool streams; /* taken over by the reply */
    char topic[TOPIC_SIZE];
    enum wire_protocol protocol;
    /* Of a stream: */
    void (*_Atomic wake)(void *waker);
    void *waker;
    struct arena *frames;
    struct str frame; /* what of it is not sent yet */
    bool completed;
    bool whole_sent; /* the runtime streams: the payload is not the result's */
    size_t whole_at;
};

struct invoked {
    struct invocation *invocation;
};

static void invocation_free(struct invocation *invocation)
{
    function_run_release(invocation->run);
    if (invocation->frames != NULL)
        arena_free(invocation->frames);
    arena_free(invocation->arena);
}

static void invocation_drop(struct work *work)
{
    const struct invoked *invoked = work->data;
    if (invoked->invocation != NULL && !invoked->invocation->streams)
        invocation_free(invoked->invocation);
}

/* Any thread. */
static void invocation_changed(void *self)
{
    struct invocation *invocation = self;
    void (*wake)(void *) = atomic_load(&invocation->wake);
    if (wake != NULL)
        wake(invocation->waker);
    else
        park_signal(invocation->cloud->parks, str_from_c(invocation->topic), UINT32_MAX);
}

/* --- what is asked for --- */

static RESULT check_payload(struct call *call, struct str *payload, const char *type, size_t most)
{
    if (payload->len > most)
        return call_fail(call, LAMBDA_REQUEST_TOO_LARGE_EXCEPTION,
                         "%zu byte payload is too large for the %s invocation type (limit %zu "
                         "bytes)",
                         payload->len, type, most);
    if (payload->len == 0)
        *payload = STR("{}");
    if (!json_is_valid(*payload))
        return call_fail(call, LAMBDA_INVALID_REQUEST_CONTENT,
                         "Could not parse request body into json: Could not parse payload into "
                         "json: %.*s",
                         PRSTR(payload_problem(call->arena, *payload)));
    return RESULT_OK;
}

static RESULT read_context(struct call *call, struct str encoded, struct str *context)
{
    if (str_is_empty(encoded))
        return RESULT_OK;
    if (encoded.len > CONTEXT_MAX)
        return call_fail(call, LAMBDA_INVALID_REQUEST_CONTENT,
                         "Client context must be no more than %d bytes of Base64-encoded data.",
                         CONTEXT_MAX);
    if (!base64_decode(call->arena, encoded, context) || !json_is_valid(*context) ||
        json_kind_of(str_trim(*context)) != JSON_OBJECT)
        return call_fail(call, LAMBDA_INVALID_REQUEST_CONTENT,
                         "Client context must be a valid Base64-encoded JSON object.");
    /* It travels in a header: white space between members says nothing. */
    char *text = arena_alloc(call->arena, context->len + 1);
    for (size_t i = 0; i < context->len; i++)
        text[i] = (unsigned char)context->ptr[i] < ' ' ? ' ' : context->ptr[i];
    *context = str_make(text, context->len);
    return RESULT_OK;
}

/* "Lambda function states". A service that delivers events would try again until the function is
 * there: its event waits in our queue. */
static RESULT check_state(struct call *call, const struct lambda_version *version)
{
    if (call->principal.kind == PRINCIPAL_SERVICE && str_eq(version->state, STR("Pending")))
        return RESULT_OK;
    if (str_is_empty(version->state) || str_eq(version->state, STR("Active")) ||
        str_eq(version->state, STR("Inactive")))
        return RESULT_OK;
    return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                     "The operation cannot be performed at this time. The function is currently "
                     "in the following state: %.*s",
                     PRSTR(version->state));
}

static RESULT find_target(struct call *call, struct str text, struct str qualifier,
                          struct lambda_target *target)
{
    struct lambda_name name;
    TRY(lambda_name_parse(call, text, qualifier, &name));
    return lambda_find(call, &name, target);
}

/* The trace that the run gets; RESULT_ERROR when it goes round in circles. */
static RESULT take_trace(struct call *call, const struct lambda_target *target, struct str *trace)
{
    bool loops;
    *trace = trace_next(call, target, call_trace(call), &loops);
    if (!loops)
        return RESULT_OK;
    return call_fail(call, LAMBDA_RECURSIVE_INVOCATION,
                     "Lambda detected that function %.*s is being invoked in a recursive loop with "
                     "other AWS resources and stopped it.",
                     PRSTR(target->name.function));
}

struct asked {
    struct str payload, context;
    bool tail, streaming;
};

/* Starts the run; the call that finds it ended, or begun, goes on. */
static RESULT invocation_begin(struct call *call, const struct lambda_target *target,
                               const struct asked *asked, struct work **work)
{
    struct str trace;
    TRY(take_trace(call, target, &trace));
    struct arena *arena = arena_new(0);
    struct invocation *invocation = ARENA_NEW(arena, struct invocation);
    invocation->arena = arena;
    invocation->cloud = call->cloud;
    invocation->tail = asked->tail;
    invocation->protocol = call->protocol;
    invocation->version = str_copy(arena, target->version.version);
    invocation->trace = str_copy(arena, trace);
    struct buf topic;
    buf_init_fixed(&topic, invocation->topic, sizeof invocation->topic - 1);
    buf_append_format(&topic, "lambda.run/%p", (void *)invocation);
    const struct function_event event = {
        .request_id = call->request_id,
        .payload = asked->payload,
        .client_context = asked->context,
        .trace_id = trace,
        .invoked_arn = target->invoked_arn,
        .tail = asked->tail,
        .streaming = asked->streaming,
        .changed = invocation_changed,
        .self = invocation,
    };
    enum result result = lambda_run_start(call, target, &event, &invocation->run);
    if (result != RESULT_OK) {
        arena_free(arena);
        return result;
    }
    *work = work_new(call, WORK_NAME, sizeof(struct invoked));
    ((struct invoked *)(*work)->data)->invocation = invocation;
    (*work)->drop = invocation_drop;
    return RESULT_OK;
}

/* --- what comes out --- */

static RESULT fail_unable(struct call *call, const struct function_result *result)
{
    if (result->outcome == FUNCTION_STOPPED)
        return call_fail(call, LAMBDA_SERVICE, "Kumoniwa is about to stop.");
    return call_fail(call, LAMBDA_INVALID_RUNTIME, "%.*s", PRSTR(result->payload));
}

static RESULT show(struct call *call, const struct invocation *invocation,
                   struct lambda_InvocationResponse *out)
{
    const struct function_result *result = function_run_result(invocation->run);
    if (result->outcome == FUNCTION_RUNNING)
        return call_park(call, str_from_c(invocation->topic), INT64_MAX);
    if (result->outcome == FUNCTION_UNABLE || result->outcome == FUNCTION_STOPPED)
        return fail_unable(call, result);
    out->StatusCode = opt_int(200);
    out->ContentType = STR("application/json");
    out->ExecutedVersion = invocation->version;
    out->Payload = result->payload;
    call_add_header(call, STR("X-Amzn-Trace-Id"), invocation->trace);
    if (result->outcome != FUNCTION_ANSWERED)
        out->FunctionError = STR("Unhandled");
    if (invocation->tail) {
        struct buf text;
        buf_init(&text, call->arena, 8192);
        base64_encode(&text, result->tail);
        out->LogResult = buf_str(&text);
    }
    return RESULT_OK;
}

static RESULT refuse_unbuilt(struct call *call, struct str tenant, struct str durable)
{
    if (!str_is_absent(tenant))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The invoked function is not enabled with tenancy configuration. Remove "
                         "the tenant ID in your request and try again.");
    if (!str_is_absent(durable))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "DurableExecutionName is for durable functions, which are not built.");
    return RESULT_OK;
}

/* "Lambda passes the ClientContext object to your function for synchronous invocations only". */
static RESULT invoke_event(struct call *call, const struct lambda_target *target,
                           struct str payload, struct str trace)
{
    const struct lambda_async async = {
        .payload = payload,
        .trace_id = trace,
        .request_id = call->request_id,
    };
    return lambda_async_put(call, target, &async);
}

RESULT lambda_Invoke(struct call *call, const struct lambda_InvocationRequest *in,
                     struct lambda_InvocationResponse *out)
{
    struct work *work = work_find(call, WORK_NAME);
    if (work == NULL) {
        struct lambda_target target;
        struct asked asked = {.payload = in->Payload, .tail = str_eq(in->LogType, STR("Tail"))};
        bool event = str_eq(in->InvocationType, STR("Event"));
        TRY(refuse_unbuilt(call, in->TenantId, in->DurableExecutionName));
        TRY(find_target(call, in->FunctionName, in->Qualifier, &target));
        if (str_eq(in->InvocationType, STR("DryRun"))) {
            out->StatusCode = opt_int(204);
            return RESULT_OK;
        }
        TRY(check_state(call, &target.version));
        TRY(check_payload(call, &asked.payload, event ? "Event" : "RequestResponse",
                          event ? EVENT_MAX : PAYLOAD_MAX));
        TRY(read_context(call, in->ClientContext, &asked.context));
        if (event) {
            out->StatusCode = opt_int(202);
            return invoke_event(call, &target, asked.payload, call_trace(call));
        }
        TRY(invocation_begin(call, &target, &asked, &work));
    }
    return show(call, ((const struct invoked *)work->data)->invocation, out);
}

static RESULT read_payload(struct call *call, struct str *out)
{
    const struct call_payload *payload = &call->payload;
    struct blob_reader *reader;
    char *bytes = arena_alloc(call->arena, payload->size + 1);
    size_t done = 0, count;
    TRY(blob_reader_open(call->cloud->blobs, &payload->blob, &payload->key, &reader));
    enum result result = RESULT_OK;
    for (; result == RESULT_OK && done < payload->size; done += count)
        result = blob_read(reader, done, bytes + done, payload->size - done, &count);
    blob_reader_close(reader);
    *out = str_make(bytes, payload->size);
    return result;
}

/* The operation has no RequestTooLargeException. */
static RESULT too_large(struct call *call, uint64_t size)
{
    return call_fail(call, LAMBDA_INVALID_REQUEST_CONTENT,
                     "%llu byte payload is too large for the Event invocation type (limit %d "
                     "bytes)",
                     (unsigned long long)size, OLD_EVENT_MAX);
}

/* "InvokeAsync (deprecated)": no trace goes along. */
RESULT lambda_InvokeAsync(struct call *call, const struct lambda_InvokeAsyncRequest *in,
                          struct lambda_InvokeAsyncResponse *out)
{
    struct lambda_target target;
    struct str payload =
        call->payload.present && call->payload.in_memory ? call->payload.bytes : in->InvokeArgs;
    TRY(find_target(call, in->FunctionName, (struct str){0}, &target));
    TRY(check_state(call, &target.version));
    if (call->payload.present && !call->payload.in_memory) {
        if (call->payload.size > OLD_EVENT_MAX)
            return too_large(call, call->payload.size);
        TRY(read_payload(call, &payload));
    }
    if (payload.len > OLD_EVENT_MAX)
        return too_large(call, payload.len);
    TRY(check_payload(call, &payload, "Event", OLD_EVENT_MAX));
    out->Status = opt_int(202);
    return invoke_event(call, &target, payload, (struct str){0});
}

/* --- streams --- */

enum stream_event { STREAM_PAYLOAD, STREAM_COMPLETE };

static RESULT put_frame(struct invocation *invocation, enum stream_event which, const void *value)
{
    const struct wire_route route = {
        .model = &lambda_model,
        .operation = LAMBDA_OP_InvokeWithResponseStream,
        .protocol = invocation->protocol,
    };
    return wire_encode_event(invocation->frames, &route,
                             LAMBDA_SHAPE_InvokeWithResponseStreamResponseEvent, (uint16_t)which,
                             value, &invocation->frame);
}

static RESULT put_complete(struct invocation *invocation, const struct function_result *result)
{
    struct lambda_InvokeWithResponseStreamCompleteEvent end = {0};
    if (result->outcome != FUNCTION_ANSWERED) {
        end.ErrorCode = STR("Unhandled");
        end.ErrorDetails = result->payload;
    }
    if (invocation->tail) {
        struct buf text;
        buf_init(&text, invocation->frames, 8192);
        base64_encode(&text, result->tail);
        end.LogResult = buf_str(&text);
    }
    invocation->completed = true;
    return put_frame(invocation, STREAM_COMPLETE, &end);
}

/* What a runtime answered whole comes at the end, as one stream. */
static struct str whole_payload(const struct invocation *invocation,
                                const struct function_result *result)
{
    return invocation->whole_sent || result->outcome != FUNCTION_ANSWERED ? (struct str){0}
                                                                          : result->payload;
}

static RESULT next_frame(struct invocation *invocation, bool *any)
{
    arena_reset(invocation->frames);
    char *piece = arena_alloc_raw(invocation->frames, CHUNK);
    /* The end is looked at first: nothing comes after it. */
    const struct function_result *result = function_run_result(invocation->run);
    struct lambda_InvokeResponseStreamUpdate update = {
        .Payload = {piece, function_run_read(invocation->run, piece, CHUNK)}};
    *any = true;
    if (update.Payload.len > 0)
        return put_frame(invocation, STREAM_PAYLOAD, &update);
    if (result->outcome == FUNCTION_RUNNING) {
        *any = false;
        return RESULT_OK;
    }
    struct str whole = whole_payload(invocation, result);
    if (invocation->whole_at < whole.len) {
        update.Payload = str_slice(whole, invocation->whole_at, invocation->whole_at + CHUNK);
        invocation->whole_at += update.Payload.len;
        return put_frame(invocation, STREAM_PAYLOAD, &update);
    }
    return put_complete(invocation, result);
}

static int64_t stream_pull(void *self, char *out, size_t size, void (*wake)(void *waker),
                           void *waker)
{
    struct invocation *invocation = self;
    invocation->waker = waker;
    atomic_store(&invocation->wake, wake);
    if (invocation->frame.len == 0) {
        bool any;
        if (invocation->completed)
            return 0;
        if (next_frame(invocation, &any) != RESULT_OK)
            return -1;
        if (!any)
            return CALL_SOURCE_WAIT;
    }
    struct str piece = str_slice(invocation->frame, 0, size);
    memcpy(out, piece.ptr, piece.len);
    invocation->frame = str_slice(invocation->frame, piece.len, invocation->frame.len);
    return (int64_t)piece.len;
}

static void stream_close(void *self)
{
    invocation_free(self);
}

RESULT lambda_InvokeWithResponseStream(struct call *call,
                                       const struct lambda_InvokeWithResponseStreamRequest *in,
                                       struct lambda_InvokeWithResponseStreamResponse *out)
{
    struct work *work = work_find(call, WORK_NAME);
    if (work == NULL) {
        struct lambda_target target;
        struct asked asked = {
            .payload = in->Payload, .tail = str_eq(in->LogType, STR("Tail")), .streaming = true};
        TRY(refuse_unbuilt(call, in->TenantId, (struct str){0}));
        TRY(find_target(call, in->FunctionName, in->Qualifier, &target));
        if (str_eq(in->InvocationType, STR("DryRun"))) {
            out->StatusCode = opt_int(204);
            return RESULT_OK;
        }
        TRY(check_state(call, &target.version));
        TRY(check_payload(call, &asked.payload, "RequestResponse", PAYLOAD_MAX));
        TRY(read_context(call, in->ClientContext, &asked.context));
        TRY(invocation_begin(call, &target, &asked, &work));
    }
    struct invocation *invocation = ((const struct invoked *)work->data)->invocation;
    const struct function_result *result = function_run_result(invocation->run);
    if (result->outcome == FUNCTION_UNABLE || result->outcome == FUNCTION_STOPPED)
        return fail_unable(call, result);
    bool began = function_run_began(invocation->run);
    if (result->outcome == FUNCTION_RUNNING && !began)
        return call_park(call, str_from_c(invocation->topic), INT64_MAX);
    invocation->whole_sent = began;
    invocation->frames = arena_new(CHUNK + 8192);
    invocation->streams = true;
    out->StatusCode = opt_int(200);
    out->ExecutedVersion = invocation->version;
    out->ResponseStreamContentType = str_is_absent(result->content_type)
                                         ? STR("application/octet-stream")
                                         : result->content_type;
    call_add_header(call, STR("X-Amzn-Trace-Id"), invocation->trace);
    call->stream = (struct call_stream){
        .present = true,
        .source = {.pull = stream_pull, .close = stream_close, .self = invocation},
    };
    return RESULT_OK;
}
