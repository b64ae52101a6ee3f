/* "Using the Lambda runtime API for custom runtimes", AWS Lambda Developer Guide, and its OpenAPI
 * document. Every connection says by its tag which environment it is of. */
#include "functions/functions_int.h"

#include "base/encode.h"
#include "base/log.h"
#include "base/time.h"
#include "wire/json_text.h"
#include "wire/wire.h"

#define VERSION "/2018-06-01/runtime/"
/* A handler may compute for fifteen minutes between two requests of its connection, and a debugger
 * longer. */
enum { API_IDLE_SECONDS = 30 * 24 * 3600, ERROR_BODY_MAX = RESPONSE_MAX };

struct api_exchange {
    struct api_reply reply;
    bool streams;             /* a response that comes in pieces */
    struct function_run *run; /* that the pieces are for */
    bool ended;               /* the run has its answer */
};

void api_error(struct api_reply *reply, unsigned status, const char *type, const char *message)
{
    reply->status = status;
    reply->error_type = type;
    reply->error_message = message;
}

static void forbidden(struct api_reply *reply)
{
    api_error(reply, 403, "InvalidStateTransition",
              "State transition is not allowed for the runtime");
}

static void accepted(struct api_reply *reply)
{
    reply->status = 202;
    reply->body = STR("{\"status\":\"OK\"}\n");
}

static void add_field(struct api_reply *reply, struct str name, struct str value)
{
    if (!str_is_absent(value))
        reply->fields[reply->field_count++] = (struct http_field){name, value};
}

/* --- GET /runtime/invocation/next --- */

static void hand_out(struct environment *environment, struct http_exchange *exchange,
                     struct api_reply *reply)
{
    struct function_run *run = environment->run;
    environment_deliver(environment);
    uint64_t limit_ms =
        environment->held->spec.debug ? 365ULL * 86400000 : environment->held->spec.timeout_ms;
    reply->status = 200;
    reply->body = run->event.payload;
    reply->run = run;
    run_ref(run);
    add_field(reply, STR("Content-Type"), STR("application/json"));
    add_field(reply, STR("Lambda-Runtime-Aws-Request-Id"), run->event.request_id);
    add_field(reply, STR("Lambda-Runtime-Deadline-Ms"),
              str_format(exchange->arena, "%lld", (long long)time_wall_ms() + (long long)limit_ms));
    add_field(reply, STR("Lambda-Runtime-Invoked-Function-Arn"), run->event.invoked_arn);
    add_field(reply, STR("Lambda-Runtime-Trace-Id"), run->event.trace_id);
    add_field(reply, STR("Lambda-Runtime-Client-Context"), run->event.client_context);
    add_field(reply, STR("Lambda-Runtime-Cognito-Identity"), run->event.cognito);
    add_field(reply, STR("Lambda-Runtime-Aws-Tenant-Id"), run->event.tenant);
}

static void serve_next(struct environment *environment, struct http_exchange *exchange,
                       struct api_reply *reply)
{
    if (environment->next_exchange == exchange)
        environment->next_exchange = NULL;
    else if (environment->next_exchange != NULL) {
        forbidden(reply);
        return;
    }
    if (environment->phase == ENVIRONMENT_BUSY && environment->run->delivered) {
        forbidden(reply);
        return;
    }
    if (environment->phase == ENVIRONMENT_STARTING || environment->phase == ENVIRONMENT_RETURNING) {
        environment->asked = true;
        environment_asked(environment);
    }
    if (environment->phase == ENVIRONMENT_BUSY && !environment->run->delivered) {
        hand_out(environment, exchange, reply);
        return;
    }
    environment->next_exchange = exchange;
    reply->wait = true;
}

/* --- what the runtime answers --- */

static bool is_current(const struct environment *environment, struct str request_id)
{
    return environment->run != NULL && environment->run->delivered &&
           str_eq(environment->run->event.request_id, request_id);
}

static void too_large(struct environment *environment, struct api_reply *reply)
{
    struct function_run *run = environment->run;
    struct str type = STR("Function.ResponseSizeTooLarge");
    api_error(reply, 413, "RequestEntityTooLarge",
              "Exceeded maximum allowed payload size (6291556 bytes).");
    environment_answer(
        environment, FUNCTION_TOO_LARGE,
        error_payload(run->arena, type,
                      STR("Response payload size exceeded maximum allowed payload size "
                          "(6291556 bytes).")),
        "error", type);
}

static void serve_response(struct environment *environment, struct http_exchange *exchange,
                           struct str request_id, struct api_reply *reply)
{
    if (!is_current(environment, request_id)) {
        api_error(reply, 400, "InvalidRequestID", "Invalid request ID");
        return;
    }
    struct function_run *run = environment->run;
    if (exchange->sink_result == RESULT_FULL || exchange->body.len > RESPONSE_MAX) {
        too_large(environment, reply);
        return;
    }
    struct str payload = str_copy(run->arena, exchange->body);
    environment_answer(environment, FUNCTION_ANSWERED, payload, NULL, (struct str){0});
    accepted(reply);
}

/* What the runtime calls the error; the body's own name of it otherwise. */
static struct str error_type(struct environment *environment, const struct http_exchange *exchange,
                             struct str header)
{
    struct str type = header, raw;
    struct arena *arena = exchange->arena;
    if (str_is_empty(type) && json_is_valid(exchange->body) &&
        json_member(arena, exchange->body, STR("errorType"), &raw))
        (void)json_string(arena, raw, &type);
    if (str_is_empty(type))
        type = STR("Unknown");
    if (type.len > ERROR_TYPE_MAX - 1)
        type.len = ERROR_TYPE_MAX - 1;
    memcpy(environment->error_type, type.ptr, type.len);
    environment->error_type[type.len] = '\0';
    return str_make(environment->error_type, type.len);
}

/* Runtimes may leave the body out: the type alone then tells. */
static struct str error_body(struct arena *arena, const struct http_exchange *exchange,
                             struct str type)
{
    if (!str_is_empty(exchange->body))
        return str_copy(arena, exchange->body);
    return error_payload(arena, type, STR("Unknown application error occurred"));
}

static void serve_error(struct environment *environment, struct http_exchange *exchange,
                        struct str request_id, struct api_reply *reply)
{
    if (!is_current(environment, request_id)) {
        api_error(reply, 400, "InvalidRequestID", "Invalid request ID");
        return;
    }
    if (exchange->sink_result == RESULT_FULL) {
        too_large(environment, reply);
        return;
    }
    struct function_run *run = environment->run;
    struct str type = error_type(
        environment, exchange, http_field_get(exchange, STR("Lambda-Runtime-Function-Error-Type")));
    environment_answer(environment, FUNCTION_FAILED, error_body(run->arena, exchange, type),
                       "error", type);
    accepted(reply);
}

static void serve_init_error(struct environment *environment, struct http_exchange *exchange,
                             struct api_reply *reply)
{
    if (environment->phase != ENVIRONMENT_STARTING || environment->init_failed) {
        forbidden(reply);
        return;
    }
    struct str type = error_type(
        environment, exchange, http_field_get(exchange, STR("Lambda-Runtime-Function-Error-Type")));
    environment->error_payload = error_body(environment->arena, exchange, type);
    environment_init_failed(environment);
    accepted(reply);
}

/* --- a response that streams --- */

/* Moves what has been read to the front; NULL: there is no room. */
static char *stream_room(struct function_run *run, size_t size)
{
    if (run->stream == NULL)
        run->stream = heap_alloc(STREAM_ROOM);
    if (run->stream_from > 0) {
        memmove(run->stream, run->stream + run->stream_from, run->stream_to - run->stream_from);
        run->stream_to -= run->stream_from;
        run->stream_from = 0;
    }
    return size <= STREAM_ROOM - run->stream_to ? run->stream + run->stream_to : NULL;
}

static enum result take_piece(struct function_run *run, struct http_exchange *exchange,
                              struct str piece)
{
    if (run->stage == RUN_WAITING) {
        run->stage = RUN_BEGAN;
        struct str type = http_field_get(exchange, STR("Content-Type"));
        run->began.content_type = str_copy(run->arena, type);
        if (str_is_absent(type))
            run->began.content_type = (struct str){0};
    }
    if (run->abandoned)
        return RESULT_OK;
    if (!run->event.streaming) {
        buf_append(&run->payload, piece);
        return run->payload.len > RESPONSE_MAX || buf_is_full(&run->payload) ? RESULT_FULL
                                                                             : RESULT_OK;
    }
    run->streamed = true;
    if (run->stream_total + piece.len > STREAM_MAX)
        return RESULT_FULL;
    char *room = stream_room(run, piece.len);
    if (room == NULL) {
        run->source = exchange;
        http_suspend(exchange);
        return RESULT_PARK;
    }
    memcpy(room, piece.ptr, piece.len);
    run->stream_to += piece.len;
    run->stream_total += piece.len;
    if (run->event.changed != NULL)
        run->event.changed(run->event.self);
    return RESULT_OK;
}

static void end_stream(struct environment *environment, struct http_exchange *exchange,
                       struct api_exchange *own)
{
    struct function_run *run = own->run;
    own->ended = true;
    if (exchange->sink_result == RESULT_FULL) {
        too_large(environment, &own->reply);
        return;
    }
    struct str type = http_trailer_get(exchange, "Lambda-Runtime-Function-Error-Type");
    struct str body = http_trailer_get(exchange, "Lambda-Runtime-Function-Error-Body");
    struct str plain;
    accepted(&own->reply);
    if (str_is_absent(type)) {
        environment_answer(environment, FUNCTION_ANSWERED, buf_str(&run->payload), NULL,
                           (struct str){0});
        return;
    }
    type = error_type(environment, exchange, type);
    if (str_is_absent(body) || !base64_decode(run->arena, body, &plain))
        plain = error_payload(run->arena, type, STR("Unknown application error occurred"));
    environment_answer(environment, FUNCTION_FAILED, plain, "error", type);
}

/* --- routing --- */

/* .../invocation/ID/what */
static bool split_invocation(struct str path, struct str *id, struct str *what)
{
    struct str prefix = STR(VERSION "invocation/");
    return str_starts_with(path, prefix) &&
           str_cut(str_slice(path, prefix.len, path.len), '/', id, what);
}

static void route(struct environment *environment, struct http_exchange *exchange,
                  struct api_exchange *own)
{
    struct api_reply *reply = &own->reply;
    struct str id, what, path = exchange->path;
    bool get = str_eq(exchange->method, STR("GET")), post = str_eq(exchange->method, STR("POST"));
    if (get && str_eq(path, STR(VERSION "invocation/next")))
        serve_next(environment, exchange, reply);
    else if (post && split_invocation(path, &id, &what) && str_eq(what, STR("response")))
        serve_response(environment, exchange, id, reply);
    else if (post && split_invocation(path, &id, &what) && str_eq(what, STR("error")))
        serve_error(environment, exchange, id, reply);
    else if (post && str_eq(path, STR(VERSION "init/error")))
        serve_init_error(environment, exchange, reply);
    else if (get && str_eq(path, STR(VERSION "restore/next")))
        forbidden(reply); /* SnapStart starts no environment from a snapshot here */
    else if (str_starts_with(path, STR(VERSION)))
        api_error(reply, 404, "NotFound", "There is no such path in the Runtime API");
    else
        extensions_serve(environment, exchange, reply);
}

static void send_reply(struct http_exchange *exchange, struct api_exchange *own)
{
    struct api_reply *reply = &own->reply;
    if (reply->error_type != NULL) {
        struct buf out;
        buf_init(&out, exchange->arena, 4096);
        buf_append(&out, STR("{\"errorMessage\":"));
        wire_json_write_string(&out, str_from_c(reply->error_message));
        buf_append(&out, STR(",\"errorType\":"));
        wire_json_write_string(&out, str_from_c(reply->error_type));
        buf_append(&out, STR("}"));
        reply->body = buf_str(&out);
    }
    if (reply->field_count == 0)
        add_field(reply, STR("Content-Type"), STR("application/json"));
    struct http_body body = {.bytes = reply->body};
    http_respond(exchange, reply->status, reply->fields, reply->field_count, &body);
}

static void on_complete(void *context, struct http_exchange *exchange)
{
    struct functions *functions = context;
    struct api_exchange *own = exchange->user;
    struct function_run *run = own->reply.run;
    own->reply = (struct api_reply){.run = run};
    (void)pthread_mutex_lock(&functions->lock);
    struct environment *environment = environment_find(functions, exchange->tag);
    if (environment == NULL || environment->phase == ENVIRONMENT_ENDING)
        environment = environment != NULL && !str_starts_with(exchange->path, STR(VERSION))
                          ? environment
                          : NULL;
    if (environment == NULL) {
        api_error(&own->reply, 410, "Gone", "The execution environment has ended");
    } else if (own->streams) {
        if (own->run != NULL && environment->run == own->run)
            end_stream(environment, exchange, own);
        else
            api_error(&own->reply, 400, "InvalidRequestID", "Invalid request ID");
    } else {
        route(environment, exchange, own);
    }
    bool wait = own->reply.wait;
    (void)pthread_mutex_unlock(&functions->lock);
    if (wait)
        http_suspend(exchange);
    else
        send_reply(exchange, own);
}

static enum result on_sink(void *context, struct http_exchange *exchange, struct str piece)
{
    struct functions *functions = context;
    struct api_exchange *own = exchange->user;
    (void)pthread_mutex_lock(&functions->lock);
    enum result result = RESULT_ERROR;
    const struct environment *environment = environment_find(functions, exchange->tag);
    if (own->run != NULL && environment != NULL && environment->run == own->run) {
        own->run->source = NULL;
        result = take_piece(own->run, exchange, piece);
    }
    (void)pthread_mutex_unlock(&functions->lock);
    return result;
}

static void on_head(void *context, struct http_exchange *exchange)
{
    struct functions *functions = context;
    struct api_exchange *own = ARENA_NEW(exchange->arena, struct api_exchange);
    struct str id, what;
    exchange->user = own;
    exchange->body_limit = ERROR_BODY_MAX;
    if (!split_invocation(exchange->path, &id, &what) || !str_eq(what, STR("response")) ||
        !str_eq_nocase(http_field_get(exchange, STR("Lambda-Runtime-Function-Response-Mode")),
                       STR("streaming")))
        return;
    exchange->body_limit = SIZE_MAX;
    exchange->body_sink = true;
    own->streams = true;
    (void)pthread_mutex_lock(&functions->lock);
    const struct environment *environment = environment_find(functions, exchange->tag);
    if (environment != NULL && is_current(environment, id)) {
        own->run = environment->run;
        run_ref(own->run);
    }
    (void)pthread_mutex_unlock(&functions->lock);
}

/* A stream that breaks off is a failed run. */
static void on_broken(struct environment *environment)
{
    struct str type = STR("Runtime.TruncatedResponse");
    struct function_run *run = environment->run;
    environment_answer(
        environment, FUNCTION_FAILED,
        error_payload(run->arena, type, STR("The runtime closed the connection in its response")),
        "error", type);
}

static void on_close(void *context, struct http_exchange *exchange)
{
    struct functions *functions = context;
    struct api_exchange *own = exchange->user;
    if (own == NULL)
        return;
    (void)pthread_mutex_lock(&functions->lock);
    struct environment *environment = environment_find(functions, exchange->tag);
    if (environment != NULL && environment->next_exchange == exchange)
        environment->next_exchange = NULL;
    if (environment != NULL)
        extensions_closed(environment, exchange);
    if (own->run != NULL) {
        if (own->run->source == exchange)
            own->run->source = NULL;
        if (!own->ended && environment != NULL && environment->run == own->run)
            on_broken(environment);
        run_release(own->run);
    }
    if (own->reply.run != NULL)
        run_release(own->reply.run);
    (void)pthread_mutex_unlock(&functions->lock);
}

static void on_gone(void *context, uint64_t tag)
{
    struct functions *functions = context;
    (void)pthread_mutex_lock(&functions->lock);
    struct environment *environment = environment_find(functions, tag);
    if (environment != NULL && environment->connections > 0)
        environment->connections--;
    (void)pthread_mutex_unlock(&functions->lock);
}

RESULT api_start(struct functions *functions, struct str *message)
{
    struct http_config config = {
        .adopts_only = true,
        .threads = 1,
        .header_limit = 64 * 1024,
        .idle_seconds = API_IDLE_SECONDS,
        .handler = {functions, on_head, on_sink, on_complete, on_close},
        .gone = on_gone,
    };
    return http_server_start(&config, &functions->api, message, functions->arena);
}
