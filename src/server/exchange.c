/* From an HTTP exchange to an operation and back: route, authenticate, decode, validate, run,
 * encode, count. */
#define ZLIB_CONST
#include <zlib.h>

#include "auth/chunked.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"
#include "cloud/audit.h"
#include "cloud/metrics.h"
#include "cloud/work.h"
#include "server/authenticate.h"
#include "server/intake.h"
#include "server/outflow.h"
#include "server/s3_request.h"
#include "server/server.h"
#include "server/trail_event.h"

/* Bodies that are read into memory end here; what streams to disk does not. Lambda's zip files are
 * the largest (50 MB, base64: 67 MB; "Lambda quotas"). */
enum { BODY_MAX = 16 * 1024 * 1024, BODY_MAX_LAMBDA = 72 * 1024 * 1024 };

RESULT request_fail(struct request *request, enum wire_common_error error, struct str message)
{
    request->error = error;
    request->message = message;
    return RESULT_ERROR;
}

void request_detail(struct request *request, struct str name, struct str value)
{
    struct wire_header *all =
        ARENA_ARRAY(request->call.arena, request->extra_count + 1, struct wire_header);
    for (size_t i = 0; i < request->extra_count; i++)
        all[i] = request->extra[i];
    all[request->extra_count++] = (struct wire_header){name, value};
    request->extra = all;
}

/* --- what came in --- */

static struct str request_host(const struct http_exchange *exchange)
{
    struct str host = http_field_get(exchange, STR("host"));
    if (host.len > 0 && host.ptr[0] == '[') {
        size_t end = str_find_char(host, ']');
        return end == SIZE_MAX ? host : str_slice(host, 1, end);
    }
    size_t colon = str_find_last_char(host, ':');
    return colon == SIZE_MAX ? host : str_slice(host, 0, colon);
}

_Static_assert(sizeof(struct http_field) == sizeof(struct wire_header), "the same two strings");

static struct request *request_new(struct server *server, struct http_exchange *exchange)
{
    struct request *request = ARENA_NEW(exchange->arena, struct request);
    request->server = server;
    request->exchange = exchange;
    request->started_ns = time_monotonic_ns();
    exchange->user = request;
    struct wire_header *headers =
        ARENA_ARRAY(exchange->arena, exchange->field_count + 1, struct wire_header);
    for (size_t i = 0; i < exchange->field_count; i++)
        headers[i] = (struct wire_header){exchange->fields[i].name, exchange->fields[i].value};
    request->wire = (struct wire_request){
        .method = exchange->method,
        .path = exchange->path,
        .query = exchange->query,
        .host = request_host(exchange),
        .headers = headers,
        .header_count = exchange->field_count,
    };
    struct call *call = &request->call;
    call->arena = exchange->arena;
    call->cloud = server->cloud;
    call->partition = STR("aws");
    call->request = &request->wire;
    call->source_ip = exchange->peer;
    call->secure_transport = exchange->tls;
    call->from_sandbox = exchange->tag != 0;
    char *id = arena_alloc_raw(exchange->arena, 36);
    rng_uuid(id);
    call->request_id = str_make(id, 36);
    struct str host = http_field_get(exchange, STR("host"));
    struct str scheme = exchange->tls ? STR("https://") : STR("http://");
    call->endpoint =
        str_is_empty(host) ? server->cloud->endpoint : str_concat(exchange->arena, scheme, host);
    return request;
}

/* A host that is a service's own: service_hooks.place_of_host. */
static bool request_set_host(struct request *request)
{
    struct call *call = &request->call;
    for (const struct service_hooks *const *hooks = call->cloud->hooks; *hooks != NULL; hooks++) {
        if ((*hooks)->place_of_host == NULL)
            continue;
        struct str place = (*hooks)->place_of_host(call->arena, request->wire.host);
        if (str_is_absent(place))
            continue;
        place = str_format(call->arena, "/%.*s%.*s", PRSTR(place), PRSTR(request->wire.path));
        wire_route_rest((*hooks)->model, &request->wire, place, &request->route);
        return true;
    }
    return false;
}

static void request_set_route(struct request *request)
{
    struct call *call = &request->call;
    struct str host = request->wire.host;
    request->hosted = request_set_host(request);
    if (request->hosted) {
        request->routed = true;
    } else {
        struct str place = s3_website_of_host(call->arena, host);
        if (str_is_absent(place))
            place = s3_bucket_of_host(host, request->signature.service, call->cloud->index);
        request->routed = wire_route(call->arena, call->cloud->index, &request->wire,
                                     request->signature.service, place, &request->route);
    }
    if (!request->routed)
        return;
    request->call.model = request->route.model;
    request->call.protocol = request->route.protocol;
    if (request->route.operation >= 0)
        request->call.operation = (uint32_t)request->route.operation;
}

/* Reads the signature and finds the operation. What is wrong with a signature goes by the service's
 * own names, and the service may be known all the same: then the complaint is made again. */
static RESULT request_identify(struct request *request)
{
    enum result result = authenticate_parse(request);
    request_set_route(request);
    if (result == RESULT_ERROR && request->hosted) {
        request->signature = (struct sigv4){.form = SIGV4_NONE};
        return RESULT_OK;
    }
    return result == RESULT_ERROR && request->routed ? authenticate_parse(request) : result;
}

static uint16_t request_flags(const struct request *request)
{
    if (!request->routed || request->route.operation < 0)
        return 0;
    return request->route.model->operations[request->route.operation].flags;
}

/* --- what goes out --- */

/* Of the error that answers it. */
static struct str request_code(const struct request *request)
{
    const struct wire_model *model = request->route.model;
    return str_is_absent(request->code) ? wire_string(model, model->errors[request->error].code)
                                        : request->code;
}

static void request_count(struct request *request, unsigned status)
{
    struct call *call = &request->call;
    uint64_t took = time_monotonic_ns() - request->started_ns;
    const struct wire_model *model = request->routed ? request->route.model : NULL;
    bool known = model != NULL && request->route.operation >= 0;
    struct audit_entry entry = {
        .time_ms = time_wall_ms(),
        .micros = took / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(took / 1000),
        .status = (uint16_t)status,
        .request_id = call->request_id,
        .region = call->region,
        .principal = call->principal.arn,
        .source_ip = call->source_ip,
        .message = request->message,
    };
    if (model != NULL)
        entry.service = model->name;
    if (known) {
        entry.operation = wire_string(model, model->operations[request->route.operation].name);
        metrics_count(call->cloud->metrics, model, (uint32_t)request->route.operation,
                      (uint16_t)status, took);
    }
    if (status >= 400 && model != NULL && !str_is_absent(request->message))
        entry.error = request_code(request);
    audit_append(call->cloud->audit, &entry);
    trail_event_end(request, entry.error);
}

/* A page of another origin asks: the service says whether it may read the answer. What goes wrong
 * here takes nothing from the answer. */
static void request_allow_origin(struct request *request)
{
    struct call *call = &request->call;
    const struct service_hooks *const *hooks = call->cloud->hooks;
    if (!request->routed || str_is_absent(request->route.path) ||
        str_is_absent(wire_request_header(&request->wire, STR("origin"))))
        return;
    while (*hooks != NULL && (*hooks)->model != request->route.model)
        hooks++;
    if (*hooks == NULL || (*hooks)->cross_origin == NULL)
        return;
    if (kv_begin(call->cloud->kv, false, &call->txn) != RESULT_OK)
        return;
    if ((*hooks)->cross_origin(call, request->route.path) != RESULT_OK)
        log_line(LOG_WARN, "the answer's origin headers could not be made");
    kv_abort(call->txn);
    call->txn = NULL;
}

static uint64_t body_length(const struct request *request, const struct http_body *body)
{
    if (str_eq(request->wire.method, STR("HEAD")))
        return 0;
    return body->is_file || body->pull != NULL ? body->length : body->bytes.len;
}

/* The service may want to record who was answered what. */
static void request_tell(struct request *request, unsigned status, const struct http_field *fields,
                         size_t count, const struct http_body *body)
{
    const struct call *call = &request->call;
    const struct service_hooks *const *hooks = call->cloud->hooks;
    if (call->noted == NULL)
        return;
    struct wire_header *headers =
        ARENA_ARRAY(request->exchange->arena, count + 1, struct wire_header);
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct wire_header){fields[i].name, fields[i].value};
    const struct call_end end = {
        .status = (uint16_t)status,
        .error = status < 400 ? (struct str){0} : request_code(request),
        .path = request->route.path,
        .bytes_sent = body_length(request, body),
        .micros = (time_monotonic_ns() - request->started_ns) / 1000,
        .headers = headers,
        .header_count = count,
    };
    for (size_t i = 0; hooks[i] != NULL; i++)
        if (hooks[i]->model == call->model && hooks[i]->ended != NULL)
            hooks[i]->ended(call, &end);
}

static void request_send(struct request *request, const struct http_body *body)
{
    struct call *call = &request->call;
    request_allow_origin(request);
    const struct wire_response *response = &request->response;
    size_t count = response->header_count + call->header_count;
    struct http_field *fields = ARENA_ARRAY(request->exchange->arena, count + 1, struct http_field);
    for (size_t i = 0; i < response->header_count; i++)
        fields[i] = (struct http_field){response->headers[i].name, response->headers[i].value};
    for (size_t i = 0; i < call->header_count; i++)
        fields[response->header_count + i] =
            (struct http_field){call->headers[i].name, call->headers[i].value};
    unsigned status = call->status != 0 ? call->status : response->status;
    request_count(request, status);
    request_tell(request, status, fields, count, body);
    http_respond(request->exchange, status, fields, count, body);
}

/* Nothing says whose request this is: S3 answers for all that is not another service's, as on AWS's
 * own hosts. */
static const struct wire_model *request_model(const struct request *request)
{
    if (request->routed)
        return request->route.model;
    for (size_t i = 0; i < wire_model_count; i++)
        if (str_eq(wire_models[i]->name, STR("s3")))
            return wire_models[i];
    return wire_models[0];
}

static void request_refuse(struct request *request, uint32_t error, struct str message,
                           const void *detail)
{
    struct call *call = &request->call;
    const struct wire_model *model = request_model(request);
    enum wire_protocol protocol =
        request->routed ? request->route.protocol : (enum wire_protocol)(1u << model->own_protocol);
    struct wire_error_reply reply = {
        .error = error,
        .message = message,
        .detail = detail,
        .request_id = call->request_id,
        .code = request->code,
        .resource = request->wire.path,
        .extra = request->extra,
        .extra_count = request->extra_count,
    };
    request->error = error;
    request->message = message;
    call->status = 0;
    call->header_count = 0;
    struct http_body body = {0};
    if (wire_encode_error(call->arena, model, protocol, &reply, &request->response) != RESULT_OK) {
        request->response = (struct wire_response){.status = 500};
        log_line(LOG_ERROR, "an error reply could not be encoded");
    }
    body.bytes = request->response.body;
    request_send(request, &body);
}

static void request_refuse_result(struct request *request, enum result result)
{
    if (result == RESULT_ERROR) {
        request_refuse(request, request->error, request->message, NULL);
    } else if (result == RESULT_FULL) {
        request_refuse(request, WIRE_SERVICE_UNAVAILABLE,
                       STR("The disk that holds Kumoniwa's data is full: nothing was changed."),
                       NULL);
    } else {
        request_refuse(
            request, WIRE_INTERNAL_FAILURE,
            STR("The request processing has failed because of an unknown error, exception or "
                "failure."),
            NULL);
    }
}

/* --- running
 * ------------------------------------------------------------------------------------------------
 */

/* 304 has no content, and so no type of it. */
static void drop_content_type(struct wire_response *response)
{
    size_t kept = 0;
    for (size_t i = 0; i < response->header_count; i++)
        if (!str_eq_nocase(response->headers[i].name, STR("content-type")))
            response->headers[kept++] = response->headers[i];
    response->header_count = kept;
}

static RESULT request_encode(struct call *call, const void *out)
{
    struct request *request = (struct request *)call;
    trail_event_reply(request, out);
    TRY(wire_encode_response(call->arena, &request->route, out, call->request_id,
                             &request->response));
    if (call->status == 304)
        drop_content_type(&request->response);
    return RESULT_OK;
}

static void request_wake(struct park_waiter *waiter)
{
    struct request *request = (struct request *)((char *)waiter - offsetof(struct request, waiter));
    http_resume(request->exchange);
}

static void request_answer(struct request *request)
{
    struct call_stream *stream = &request->call.stream;
    struct http_body body = {.bytes = request->response.body};
    if (stream->present) {
        body = (struct http_body){
            .bytes = stream->bytes,
            .is_file = stream->is_file,
            .fd = stream->fd,
            .offset = stream->offset,
            .length = stream->length,
        };
        if (stream->piece_count > 0 || stream->length_only || stream->source.pull != NULL)
            outflow_begin(request, &body);
    }
    request_send(request, &body);
}

/* One run of the operation's function; parks the exchange when the function says so. */
static void request_run(struct request *request)
{
    struct call *call = &request->call;
    struct park_table *parks = call->cloud->parks;
    request->run_arena = arena_new_child(request->exchange->arena);
    call->arena = request->run_arena;
    const struct wire_operation *operation = &call->model->operations[call->operation];
    void *out = arena_alloc(call->arena, call->model->shapes[operation->output].size + 1);
    uint64_t mark = park_mark(parks);
    call->signals = NULL;
    call->signal_cap = 0;
    enum result result = call_run(call, request->in, out, request_encode);
    if (result == RESULT_PARK) {
        request->park_topic = str_copy(request->exchange->arena, call->park_topic);
        int64_t deadline = call->park_deadline_ms;
        arena_free(request->run_arena);
        request->run_arena = NULL;
        call->arena = request->exchange->arena;
        request->waiting = true;
        request->waiter.wake = request_wake;
        http_suspend(request->exchange);
        park_add(parks, &request->waiter, request->park_topic, deadline, mark);
        return;
    }
    intake_release(request, result == RESULT_OK);
    if (result == RESULT_OK)
        request_answer(request);
    else if (result == RESULT_ERROR)
        request_refuse(request, call->error, call->message, call->detail);
    else
        request_refuse_result(request, result);
}

/* --- bodies
 * -------------------------------------------------------------------------------------------------
 */

static RESULT request_inflate(struct request *request, struct str body, struct str *out)
{
    struct call *call = &request->call;
    struct buf plain;
    buf_init(&plain, call->arena, BODY_MAX);
    z_stream stream = {0};
    if (inflateInit2(&stream, 15 + 16) != Z_OK)
        return FAULT("inflateInit2 failed");
    stream.next_in = (const Bytef *)body.ptr;
    stream.avail_in = (uInt)body.len;
    int state = Z_OK;
    while (state == Z_OK && !buf_is_full(&plain)) {
        char piece[16384];
        stream.next_out = (Bytef *)piece;
        stream.avail_out = sizeof piece;
        state = inflate(&stream, Z_NO_FLUSH);
        if (state == Z_OK || state == Z_STREAM_END)
            buf_append(&plain, str_make(piece, sizeof piece - stream.avail_out));
    }
    inflateEnd(&stream);
    if (buf_is_full(&plain))
        return request_fail(request, WIRE_REQUEST_TOO_LARGE,
                            STR("The request body is larger than this service takes."));
    if (state != Z_STREAM_END)
        return request_fail(request, WIRE_SERIALIZATION,
                            STR("The request body is not valid gzip data."));
    *out = buf_str(&plain);
    return RESULT_OK;
}

static RESULT request_append(void *context, struct str payload)
{
    buf_append(context, payload);
    return RESULT_OK;
}

/* A buffered body in aws-chunked framing. */
static RESULT request_unchunk(struct request *request, struct str body, struct str *out)
{
    struct call *call = &request->call;
    struct chunked *chunked =
        chunked_new(call->arena, &request->signature, request_signing_key(request));
    struct buf plain;
    buf_init(&plain, call->arena, body.len + 1);
    struct sigv4_problem problem = {0};
    enum result result = chunked_feed(chunked, body, request_append, &plain, &problem);
    if (result == RESULT_ERROR)
        return authenticate_refuse(request, &problem);
    TRY(result);
    TRY(intake_end_chunks(request, chunked));
    *out = buf_str(&plain);
    return RESULT_OK;
}

static RESULT request_take_body(struct request *request, struct str body)
{
    request->wire.body = body;
    if (request->hosted)
        return RESULT_OK;
    if (chunked_is(request->signature.payload_hash))
        TRY(request_unchunk(request, body, &body));
    struct str encoding = wire_request_header(&request->wire, STR("content-encoding"));
    if (!str_is_absent(encoding) && str_find(encoding, STR("gzip")) != SIZE_MAX)
        TRY(request_inflate(request, body, &body));
    request->wire.body = body;
    return RESULT_OK;
}

/* --- the way in --- */

static RESULT request_check_route(struct request *request)
{
    if (request->routed && request->route.operation >= 0)
        return RESULT_OK;
    if (!request->routed)
        return request_fail(request, WIRE_INVALID_ACTION,
                            STR("Kumoniwa finds no AWS service that this request could be for."));
    struct str text = {0};
    if (request->call.model->own_protocol <= 1)
        text = STR("The action or operation requested is invalid. Verify that the action is typed "
                   "correctly.");
    else if (str_eq(request->call.model->name, STR("s3")))
        return s3_refuse_method(request);
    return request_fail(request, WIRE_INVALID_ACTION, text);
}

static RESULT request_prepare(struct request *request)
{
    struct http_exchange *exchange = request->exchange;
    if (request->intake != NULL) {
        TRY(intake_end(request));
    } else {
        request->wire.body = exchange->body;
        TRY(request_identify(request));
        uint8_t sha256[SHA256_SIZE];
        digest_sha256(exchange->body, sha256);
        TRY(authenticate_verify(request, sha256));
        TRY(request_take_body(request, exchange->body));
        if (!request->routed || request->route.operation < 0)
            request_set_route(request); /* the action may have been inside gzip */
        TRY(request_check_route(request));
    }
    if (str_eq(request->route.model->name, STR("s3")))
        TRY(s3_check_subresource(request));
    struct wire_failure failure = {0};
    struct call *call = &request->call;
    enum result result =
        wire_decode_request(call->arena, &request->route, &request->wire, &request->in, &failure);
    if (result == RESULT_OK)
        result = wire_validate(call->arena, call->cloud->patterns, &request->route, request->in,
                               &failure);
    if (result == RESULT_ERROR) {
        request->code = failure.code;
        if (!str_is_absent(failure.argument_name)) {
            request_detail(request, STR("ArgumentName"), failure.argument_name);
            request_detail(request, STR("ArgumentValue"), failure.argument_value);
        }
        return request_fail(request, failure.error, failure.message);
    }
    return result;
}

/* In the form of the service that the head names. */
static RESULT request_refuse_size(struct request *request)
{
    enum result known = request_identify(request);
    if (known != RESULT_OK && known != RESULT_ERROR)
        return known;
    request->code = (struct str){0};
    request->extra_count = 0;
    if (!request->routed || !str_eq(request->route.model->name, STR("s3")))
        return request_fail(request, WIRE_REQUEST_TOO_LARGE,
                            STR("The request body is larger than this service takes."));
    request->code = STR("MaxMessageLengthExceeded");
    request_detail(request, STR("MaxMessageLengthBytes"),
                   str_format(request->call.arena, "%d", (int)BODY_MAX));
    return request_fail(request, WIRE_REQUEST_TOO_LARGE, STR("Your request was too large."));
}

/* An operation whose payload streams: everything that the head can tell is checked before a byte is
 * taken. */
static RESULT request_begin_intake(struct request *request)
{
    if (!intake_is_form(request)) /* whose fields say who sends it */
        TRY(authenticate_verify(request, NULL));
    return intake_begin(request);
}

void exchange_head(void *context, struct http_exchange *exchange)
{
    if (local_claims(exchange->path))
        return;
    bool has_target = !str_is_absent(http_field_get(exchange, STR("x-amz-target")));
    exchange->body_limit = BODY_MAX;
    if (has_target || str_eq(exchange->method, STR("GET")))
        return;
    /* What the head alone can route is looked at now: it may stream, or be large. */
    struct request *request = request_new(context, exchange);
    enum result result = request_identify(request);
    if ((request_flags(request) & WIRE_OP_STREAM_IN) != 0) {
        exchange->body_sink = true;
        exchange->body_limit = SIZE_MAX;
        if (result == RESULT_OK)
            result = request_begin_intake(request);
        if (result != RESULT_OK)
            request_refuse_result(request, result);
        return;
    }
    /* A signature that is wrong is looked at again with the body, which may name the service. */
    struct str service = request->routed ? request->route.model->name : (struct str){0};
    if (str_eq(service, STR("lambda")))
        exchange->body_limit = BODY_MAX_LAMBDA;
}

enum result exchange_sink(void *context, struct http_exchange *exchange, struct str piece)
{
    (void)context;
    return intake_take(exchange->user, piece);
}

void exchange_complete(void *context, struct http_exchange *exchange)
{
    struct server *server = context;
    if (local_claims(exchange->path)) {
        local_answer(server, exchange);
        return;
    }
    struct request *request = exchange->user;
    if (request == NULL)
        request = request_new(server, exchange);
    log_set_request(request->call.request_id);
    if (!request->prepared) {
        enum result result = exchange->sink_result;
        if (exchange->overloaded)
            result = request_fail(request, WIRE_SERVICE_UNAVAILABLE,
                                  STR("Too many large requests at once: please try again."));
        else if (result == RESULT_FULL && !exchange->body_sink)
            result = request_refuse_size(request);
        else if (result == RESULT_OK)
            result = request_prepare(request);
        if (result == RESULT_PARK) { /* the rest of the body is still being worked on */
            log_set_request((struct str){0});
            return;
        }
        request->prepared = true;
        if (result != RESULT_OK) {
            intake_release(request, false);
            request_refuse_result(request, result);
            log_set_request((struct str){0});
            return;
        }
    }
    request->waiting = false;
    request_run(request);
    log_set_request((struct str){0});
}

void exchange_close(void *context, struct http_exchange *exchange)
{
    (void)context;
    struct request *request = exchange->user;
    if (request == NULL || local_claims(exchange->path))
        return;
    intake_release(request, false);
    work_release(request->call.work);
    request->call.work = NULL;
    /* Woken, but gone before it could run: the signal was for one waiter, so the next one gets it.
     */
    struct park_table *parks = request->call.cloud->parks;
    if (request->waiting && !park_cancel(parks, &request->waiter))
        park_signal(parks, request->park_topic, 1);
}
