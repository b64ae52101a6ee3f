/* The event that a request to a function URL becomes: payload format version 2.0, "Request payload
 * format", AWS Lambda Developer Guide. */
#include "base/encode.h"
#include "base/time.h"
#include "services/lambda/url_int.h"
#include "wire/params.h"
#include "wire/wire.h"

enum { EVENT_MAX = 16 << 20 };

static void put_name(struct buf *out, const char *name)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{')
        buf_append_char(out, ',');
    buf_append_format(out, "\"%s\":", name);
}

static void put_text(struct buf *out, const char *name, struct str value)
{
    put_name(out, name);
    if (str_is_absent(value))
        buf_append(out, STR("null"));
    else
        wire_json_write_string(out, value);
}

/* Values of one name stand in one string, parted by commas. */
static void put_pairs(struct call *call, struct buf *out, const struct wire_header *pairs,
                      size_t count)
{
    buf_append_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        bool first = true;
        for (size_t k = 0; k < i && first; k++)
            first = !str_eq(pairs[k].name, pairs[i].name);
        if (!first)
            continue;
        struct buf value;
        buf_init(&value, call->arena, EVENT_MAX);
        for (size_t k = i; k < count; k++) {
            if (!str_eq(pairs[k].name, pairs[i].name))
                continue;
            if (k > i)
                buf_append_char(&value, ',');
            buf_append(&value, pairs[k].value);
        }
        if (out->ptr[out->len - 1] != '{')
            buf_append_char(out, ',');
        wire_json_write_string(out, pairs[i].name);
        buf_append_char(out, ':');
        wire_json_write_string(out, buf_str(&value));
    }
    buf_append_char(out, '}');
}

static void put_headers(struct call *call, struct str trace, struct buf *out)
{
    const struct wire_request *request = call->request;
    struct wire_header *all =
        ARENA_ARRAY(call->arena, request->header_count + 4, struct wire_header);
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        struct wire_header header = request->headers[i];
        header.name = str_lower(call->arena, header.name);
        bool ours = str_eq(header.name, STR("connection")) ||
                    str_eq(header.name, STR("x-forwarded-proto")) ||
                    str_eq(header.name, STR("x-forwarded-port")) ||
                    str_eq(header.name, STR("x-forwarded-for")) ||
                    str_eq(header.name, STR("x-amzn-trace-id"));
        if (!ours)
            all[count++] = header;
    }
    struct str host = wire_request_header(request, STR("host"));
    size_t colon = str_find_last_char(host, ':');
    struct str port = colon == SIZE_MAX ? (call->secure_transport ? STR("443") : STR("80"))
                                        : str_slice(host, colon + 1, host.len);
    struct str before = wire_request_header(request, STR("x-forwarded-for"));
    all[count++] = (struct wire_header){
        STR("x-forwarded-for"),
        str_is_absent(before)
            ? call->source_ip
            : str_format(call->arena, "%.*s, %.*s", PRSTR(before), PRSTR(call->source_ip))};
    all[count++] = (struct wire_header){STR("x-forwarded-proto"),
                                        call->secure_transport ? STR("https") : STR("http")};
    all[count++] = (struct wire_header){STR("x-forwarded-port"), port};
    all[count++] = (struct wire_header){STR("x-amzn-trace-id"), trace};
    put_name(out, "headers");
    put_pairs(call, out, all, count);
}

static void put_cookies(struct call *call, struct buf *out)
{
    struct str rest = wire_request_header(call->request, STR("cookie")), one;
    if (str_is_empty(rest))
        return;
    put_name(out, "cookies");
    buf_append_char(out, '[');
    for (bool first = true; !str_is_absent(rest); first = false) {
        (void)str_cut(rest, ';', &one, &rest);
        if (!first)
            buf_append_char(out, ',');
        wire_json_write_string(out, str_trim(one));
    }
    buf_append_char(out, ']');
}

static void put_query(struct call *call, struct buf *out)
{
    struct wire_params params = {0};
    struct str query = call->request->query;
    if (str_is_empty(query) || !wire_params_read(call->arena, query, &params) || params.len == 0)
        return;
    struct wire_header *pairs = ARENA_ARRAY(call->arena, params.len, struct wire_header);
    for (size_t i = 0; i < params.len; i++)
        pairs[i] = (struct wire_header){params.items[i].key, str_is_absent(params.items[i].value)
                                                                 ? STR("")
                                                                 : params.items[i].value};
    put_name(out, "queryStringParameters");
    put_pairs(call, out, pairs, params.len);
}

static void put_caller(struct call *call, const struct lambda_url *url, struct buf *out)
{
    const struct principal *who = &call->principal;
    bool known = str_eq(url->auth, STR("AWS_IAM"));
    put_text(out, "accountId", known ? url->account : STR("anonymous")); /* the owner's */
    put_text(out, "apiId", url->id);
    if (!known)
        return;
    put_name(out, "authorizer");
    buf_append(out, STR("{\"iam\":{"));
    put_text(out, "accessKey", who->access_key);
    put_text(out, "accountId", who->account);
    put_text(out, "callerId", who->user_id);
    put_text(out, "cognitoIdentity", (struct str){0});
    put_text(out, "principalOrgId", (struct str){0});
    put_text(out, "userArn", who->arn);
    put_text(out, "userId", who->user_id);
    buf_append(out, STR("}}"));
}

/* 12/Mar/2020:19:03:58 +0000 */
static struct str common_time(struct call *call)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil_time now = time_to_civil(call->now_ms);
    return str_format(call->arena, "%02d/%.3s/%04d:%02d:%02d:%02d +0000", now.day,
                      months + 3 * (now.month - 1), now.year, now.hour, now.minute, now.second);
}

static void put_context(struct call *call, const struct lambda_url *url, struct buf *out)
{
    const struct wire_request *request = call->request;
    put_name(out, "requestContext");
    buf_append_char(out, '{');
    put_caller(call, url, out);
    put_text(out, "domainName", request->host);
    put_text(out, "domainPrefix", url->id);
    put_name(out, "http");
    buf_append_char(out, '{');
    put_text(out, "method", request->method);
    put_text(out, "path", request->path);
    put_text(out, "protocol", STR("HTTP/1.1"));
    put_text(out, "sourceIp", call->source_ip);
    put_text(out, "userAgent", wire_request_header(request, STR("user-agent")));
    buf_append_char(out, '}');
    put_text(out, "requestId", call->request_id);
    put_text(out, "routeKey", STR("$default"));
    put_text(out, "stage", STR("$default"));
    put_text(out, "time", common_time(call));
    put_name(out, "timeEpoch");
    buf_append_i64(out, call->now_ms);
    buf_append_char(out, '}');
}

/* What goes as it is; all else as Base64, forms too. */
static bool is_text(struct str type, struct str body)
{
    struct str plain, rest;
    (void)str_cut(type, ';', &plain, &rest);
    plain = str_trim(plain);
    bool named = (plain.len > 5 && str_eq_nocase(str_slice(plain, 0, 5), STR("text/"))) ||
                 str_eq_nocase(plain, STR("application/json")) ||
                 str_eq_nocase(plain, STR("application/javascript")) ||
                 str_eq_nocase(plain, STR("application/xml")) ||
                 str_ends_with(plain, STR("+json")) || str_ends_with(plain, STR("+xml"));
    return named && str_is_utf8(body);
}

static void put_body(struct call *call, struct buf *out)
{
    struct str body = call->request->body;
    bool text =
        body.len == 0 || is_text(wire_request_header(call->request, STR("content-type")), body);
    if (body.len > 0 && text) {
        put_text(out, "body", body);
    } else if (body.len > 0) {
        put_name(out, "body");
        buf_append_char(out, '"');
        base64_encode(out, body);
        buf_append_char(out, '"');
    }
    put_name(out, "isBase64Encoded");
    buf_append(out, text ? STR("false") : STR("true"));
}

struct str url_event(struct call *call, const struct lambda_url *url, struct str trace)
{
    const struct wire_request *request = call->request;
    struct buf out;
    buf_init(&out, call->arena, EVENT_MAX);
    buf_append_char(&out, '{');
    put_text(&out, "version", STR("2.0"));
    put_text(&out, "routeKey", STR("$default"));
    put_text(&out, "rawPath", request->path);
    put_text(&out, "rawQueryString", str_is_absent(request->query) ? STR("") : request->query);
    put_cookies(call, &out);
    put_headers(call, trace, &out);
    put_query(call, &out);
    put_context(call, url, &out);
    put_body(call, &out);
    buf_append_char(&out, '}');
    return buf_str(&out);
}
