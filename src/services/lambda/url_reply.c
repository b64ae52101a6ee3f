/* What a function answers, as HTTP: "Response payload format", "Cross-origin resource sharing
 * (CORS)", "Response streaming for Lambda functions", AWS Lambda Developer Guide. */
#include "base/encode.h"
#include "cloud/park.h"
#include "services/lambda/url_int.h"
#include "wire/json_text.h"
#include "wire/wire.h"

#define INTEGRATION STR("application/vnd.awslambda.http-integration-response")
enum { BODY_MAX = 8 << 20, PIECE = 64 * 1024 };

/* --- CORS --- */

static struct str joined(struct call *call, const struct str_list *list)
{
    struct buf out;
    buf_init(&out, call->arena, 65536);
    for (size_t i = 0; i < list->len; i++) {
        if (i > 0)
            buf_append_char(&out, ',');
        buf_append(&out, list->items[i]);
    }
    return buf_str(&out);
}

static bool holds(const struct str_list *list, struct str value)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i], STR("*")) || str_eq_nocase(list->items[i], value))
            return true;
    return false;
}

void url_cors(struct call *call, const struct lambda_url *url, bool preflight)
{
    const struct lambda_Cors *cors = url->cors;
    struct str origin = wire_request_header(call->request, STR("origin"));
    if (cors == NULL || str_is_absent(origin) || !holds(&cors->AllowOrigins, origin))
        return;
    bool credentials = cors->AllowCredentials.set && cors->AllowCredentials.value;
    bool any = cors->AllowOrigins.len == 1 && str_eq(cors->AllowOrigins.items[0], STR("*"));
    call_add_header(call, STR("Access-Control-Allow-Origin"),
                    any && !credentials ? STR("*") : origin);
    if (!any || credentials)
        call_add_header(call, STR("Vary"), STR("Origin"));
    if (credentials)
        call_add_header(call, STR("Access-Control-Allow-Credentials"), STR("true"));
    if (cors->ExposeHeaders.len > 0)
        call_add_header(call, STR("Access-Control-Expose-Headers"),
                        joined(call, &cors->ExposeHeaders));
    if (!preflight)
        return;
    if (cors->AllowMethods.len > 0)
        call_add_header(call, STR("Access-Control-Allow-Methods"),
                        joined(call, &cors->AllowMethods));
    if (cors->AllowHeaders.len > 0)
        call_add_header(call, STR("Access-Control-Allow-Headers"),
                        joined(call, &cors->AllowHeaders));
    if (cors->MaxAge.set)
        call_add_header(call, STR("Access-Control-Max-Age"),
                        str_format(call->arena, "%d", (int)cors->MaxAge.value));
}

/* --- answers --- */

RESULT url_say(struct call *call, uint16_t status, struct str text,
               struct lambda_FunctionUrlReply *out)
{
    call->status = status;
    out->ContentType = STR("application/json");
    call->stream = (struct call_stream){
        .present = true, .bytes = str_is_absent(text) ? STR("") : text, .length = text.len};
    return RESULT_OK;
}

static RESULT say_broken(struct call *call, const struct lambda_url *url,
                         struct lambda_FunctionUrlReply *out)
{
    url_cors(call, url, false);
    call_add_header(call, STR("x-amzn-ErrorType"), STR("InternalServerErrorException"));
    return url_say(call, 502, STR("Internal Server Error"), out);
}

/* The connection's own, and those that the URL's Cors says. */
static bool is_passed_on(const struct lambda_url *url, struct str name)
{
    static const struct str own[] = {STR_INIT("connection"), STR_INIT("content-length"),
                                     STR_INIT("transfer-encoding"), STR_INIT("keep-alive"),
                                     STR_INIT("upgrade")};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (str_eq_nocase(name, own[i]))
            return false;
    return url->cors == NULL || name.len < 15 ||
           !str_eq_nocase(str_slice(name, 0, 15), STR("access-control-"));
}

static bool is_header_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t')
            return false;
    return true;
}

/* A token of RFC 9110. */
static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && str_find_char(STR("!#$%&'*+-.^_`|~"), c) == SIZE_MAX)
            return false;
    }
    return name.len > 0;
}

static bool take_headers(struct call *call, const struct lambda_url *url, struct str raw,
                         struct lambda_FunctionUrlReply *out)
{
    struct str name, value, text;
    if (json_kind_of(raw) == JSON_NULL)
        return true;
    if (json_kind_of(raw) != JSON_OBJECT)
        return false;
    while (json_next_member(call->arena, &raw, &name, &value)) {
        enum json_kind kind = json_kind_of(value);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY)
            return false;
        if (!json_string(call->arena, value, &text))
            text = str_trim(value);
        if (!is_header_name(name) || !is_header_text(text))
            return false;
        if (str_eq_nocase(name, STR("content-type")))
            out->ContentType = text;
        else if (is_passed_on(url, name))
            call_add_header(call, name, text);
    }
    return true;
}

static bool take_cookies(struct call *call, struct str raw)
{
    struct str item, text;
    if (json_kind_of(raw) == JSON_NULL)
        return true;
    if (json_kind_of(raw) != JSON_ARRAY)
        return false;
    while (json_next_item(&raw, &item)) {
        if (!json_string(call->arena, item, &text) || !is_header_text(text))
            return false;
        call_add_header(call, STR("Set-Cookie"), text);
    }
    return true;
}

/* Status, headers and cookies of an object; false when it is not as it must be. */
static bool take_head(struct call *call, const struct lambda_url *url, struct str object,
                      struct lambda_FunctionUrlReply *out)
{
    struct str raw;
    int64_t status = 200;
    out->ContentType = STR("application/json");
    if (json_member(call->arena, object, STR("statusCode"), &raw) &&
        (!json_integer(raw, &status) || status < 100 || status > 599))
        return false;
    call->status = (uint16_t)status;
    if (json_member(call->arena, object, STR("headers"), &raw) &&
        !take_headers(call, url, raw, out))
        return false;
    return !json_member(call->arena, object, STR("cookies"), &raw) || take_cookies(call, raw);
}

static bool take_body(struct call *call, struct str object, struct str *body)
{
    struct str raw;
    *body = STR("");
    if (!json_member(call->arena, object, STR("body"), &raw) || json_kind_of(raw) == JSON_NULL)
        return true;
    if (!json_string(call->arena, raw, body))
        *body = str_trim(raw);
    if (!json_member(call->arena, object, STR("isBase64Encoded"), &raw) ||
        !str_eq(str_trim(raw), STR("true")))
        return true;
    return base64_decode(call->arena, *body, body);
}

/* A payload with a statusCode says all; any other is the body, as JSON. */
static RESULT say_whole(struct call *call, const struct lambda_url *url, struct str payload,
                        struct lambda_FunctionUrlReply *out)
{
    struct str raw, body = payload;
    payload = str_trim(payload);
    bool whole = json_is_valid(payload) && json_kind_of(payload) == JSON_OBJECT &&
                 json_member(call->arena, payload, STR("statusCode"), &raw);
    if (!whole) {
        url_cors(call, url, false);
        return url_say(call, 200, body, out);
    }
    if (!take_head(call, url, payload, out) || !take_body(call, payload, &body)) {
        call->header_count = 0;
        return say_broken(call, url, out);
    }
    url_cors(call, url, false);
    call->stream = (struct call_stream){.present = true, .bytes = body, .length = body.len};
    return RESULT_OK;
}

/* --- streams --- */

static int64_t url_pull(void *self, char *out, size_t size, void (*wake)(void *waker), void *waker)
{
    struct url_run *run = self;
    run->waker = waker;
    atomic_store(&run->wake, wake);
    if (run->head_sent < run->head.len) {
        struct str piece = str_slice(buf_str(&run->head), run->head_sent, run->head_sent + size);
        memcpy(out, piece.ptr, piece.len);
        run->head_sent += piece.len;
        return (int64_t)piece.len;
    }
    /* The end is looked at first: nothing comes after it. */
    enum function_outcome outcome = function_run_result(run->run)->outcome;
    size_t got = function_run_read(run->run, out, size);
    if (got > 0)
        return (int64_t)got;
    if (outcome == FUNCTION_RUNNING)
        return CALL_SOURCE_WAIT;
    return outcome == FUNCTION_ANSWERED ? 0 : -1;
}

static void url_close(void *self)
{
    url_run_free(self);
}

static RESULT say_stream(struct call *call, const struct lambda_url *url, struct url_run *run)
{
    url_cors(call, url, false);
    run->streams = true;
    call->stream = (struct call_stream){
        .present = true, .source = {.pull = url_pull, .close = url_close, .self = run}};
    return RESULT_OK;
}

/* Reads until eight NULs part the head from the body: *end is where they begin. False: they have
 * not come. */
static bool read_head(struct url_run *run, size_t *end)
{
    static const char nuls[8];
    for (;;) {
        char piece[PIECE / 16];
        *end = str_find(buf_str(&run->head), str_make(nuls, sizeof nuls));
        if (*end != SIZE_MAX)
            return true;
        size_t got = function_run_read(run->run, piece, sizeof piece);
        if (got == 0)
            return false;
        buf_append(&run->head, str_make(piece, got));
    }
}

static RESULT reply_stream(struct call *call, const struct lambda_url *url, struct url_run *run,
                           struct lambda_FunctionUrlReply *out)
{
    const struct function_result *result = function_run_result(run->run);
    if (!str_eq(result->content_type, INTEGRATION)) {
        call->status = 200;
        out->ContentType = str_is_absent(result->content_type) ? STR("application/octet-stream")
                                                               : result->content_type;
        return say_stream(call, url, run);
    }
    bool ended = result->outcome != FUNCTION_RUNNING;
    size_t end;
    if (!read_head(run, &end)) {
        if (ended || buf_is_full(&run->head))
            return say_broken(call, url, out);
        return call_park(call, str_from_c(run->topic), INT64_MAX);
    }
    struct str head = str_copy(call->arena, str_slice(buf_str(&run->head), 0, end));
    run->head_sent = end + 8;
    if (!json_is_valid(head) || json_kind_of(head) != JSON_OBJECT ||
        !take_head(call, url, head, out)) {
        call->header_count = 0;
        return say_broken(call, url, out);
    }
    return say_stream(call, url, run);
}

RESULT url_reply(struct call *call, const struct lambda_url *url, struct url_run *run,
                 struct lambda_FunctionUrlReply *out)
{
    const struct function_result *result = function_run_result(run->run);
    enum function_outcome outcome = result->outcome;
    if (outcome != FUNCTION_RUNNING || function_run_began(run->run))
        call_add_header(call, STR("X-Amzn-Trace-Id"), run->trace);
    if (function_run_began(run->run))
        return reply_stream(call, url, run, out);
    switch (outcome) {
    case FUNCTION_RUNNING:
        return call_park(call, str_from_c(run->topic), INT64_MAX);
    case FUNCTION_ANSWERED:
        return str_eq(url->invoke_mode, STR("RESPONSE_STREAM"))
                   ? (url_cors(call, url, false), url_say(call, 200, result->payload, out))
                   : say_whole(call, url, result->payload, out);
    case FUNCTION_FAILED:
    case FUNCTION_TOO_LARGE:
    case FUNCTION_UNABLE:
    case FUNCTION_STOPPED:
        break;
    }
    return say_broken(call, url, out);
}
