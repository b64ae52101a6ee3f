/* Reads a signature's parts from the Authorization header or the query string.
 *
 * The wording of what is missing: "Troubleshoot Signature Version 4 signing for AWS API requests"
 * (IAM User Guide); S3's: "Error responses" and "Authenticating Requests: Using Query Parameters"
 * (Amazon S3 API Reference). */
#include "auth/sigv2.h"
#include "auth/sigv4_int.h"
#include "base/encode.h"
#include "base/time.h"

enum { EXPIRES_MAX = 604800 };

struct parser {
    struct arena *arena;
    struct sigv4 out;
    struct sigv4_problem *problem;
    struct str authorization;
    struct str amz_date;
    struct str date;
    struct str credential;
    struct str algorithm;
    struct str expires;
    struct str region_set;
    bool v2;       /* AWSAccessKeyId and Signature stand in the query */
    bool v2_query; /* and nothing that others than S3 had there */
    bool broken_query;
};

RESULT sigv4_refuse(struct sigv4_problem *problem, enum sigv4_fault fault, struct str message)
{
    *problem = (struct sigv4_problem){.fault = fault, .message = message};
    return RESULT_ERROR;
}

RESULT sigv4_refuse_part(struct arena *arena, const struct sigv4 *signature,
                         struct sigv4_problem *problem, enum sigv4_fault fault, struct str what)
{
    return sigv4_refuse(problem, fault,
                        str_format(arena, "%s %.*s",
                                   signature->form == SIGV4_PRESIGNED
                                       ? "Error parsing the X-Amz-Credential parameter;"
                                       : "The authorization header is malformed;",
                                   PRSTR(what)));
}

static void take_first(struct str *slot, struct str value)
{
    if (str_is_absent(*slot))
        *slot = value;
}

static void parse_headers(struct parser *p, const struct wire_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct str name = request->headers[i].name, value = request->headers[i].value;
        switch (name.len) {
        case 4:
            if (str_eq_nocase(name, STR("date")))
                take_first(&p->date, value);
            break;
        case 10:
            if (str_eq_nocase(name, STR("x-amz-date")))
                take_first(&p->amz_date, value);
            break;
        case 13:
            if (str_eq_nocase(name, STR("authorization")))
                take_first(&p->authorization, str_trim(value));
            break;
        case 16:
            if (str_eq_nocase(name, STR("x-amz-region-set")))
                take_first(&p->region_set, str_trim(value));
            break;
        case 20:
            if (str_eq_nocase(name, STR("x-amz-content-sha256")))
                take_first(&p->out.payload_hash, value);
            else if (str_eq_nocase(name, STR("x-amz-security-token")))
                take_first(&p->out.security_token, value);
            break;
        default:
            break;
        }
    }
}

static RESULT credential_malformed(struct parser *p, bool s3)
{
    const char *region = p->out.asymmetric ? "" : "REGION/";
    if (s3)
        return sigv4_refuse_part(p->arena, &p->out, p->problem, SIGV4_MALFORMED,
                                 str_format(p->arena,
                                            "the Credential is mal-formed; expecting "
                                            "\"<YOUR-AKID>/YYYYMMDD/%sSERVICE/aws4_request\".",
                                            region));
    return sigv4_refuse(p->problem, SIGV4_MALFORMED,
                        str_format(p->arena,
                                   "Credential must have exactly %d slash-delimited elements, "
                                   "e.g. keyid/date/%sservice/term, got '%.*s'",
                                   p->out.asymmetric ? 4 : 5, p->out.asymmetric ? "" : "region/",
                                   PRSTR(p->credential)));
}

/* keyid/date/region/service/aws4_request; an asymmetric one names its regions elsewhere. */
static RESULT parse_credential(struct parser *p)
{
    struct str parts[5] = {{0}}, rest = p->credential;
    size_t count = 0, wanted = p->out.asymmetric ? 4 : 5;
    for (bool more = true; more; count++) {
        struct str part;
        more = str_cut(rest, '/', &part, &rest);
        if (count < 5)
            parts[count] = part;
    }
    struct str service = parts[wanted - 2], end = parts[wanted - 1];
    bool s3 = count >= 4 && count <= 5 && str_eq(service, STR("s3"));
    if (count != wanted || parts[0].len == 0)
        return credential_malformed(p, s3);
    if (s3 && !str_eq(end, STR("aws4_request")))
        return sigv4_refuse_part(p->arena, &p->out, p->problem, SIGV4_BAD_SCOPE,
                                 str_format(p->arena,
                                            "incorrect terminal \"%.*s\". This endpoint uses "
                                            "\"aws4_request\".",
                                            PRSTR(end)));
    if (!str_eq(end, STR("aws4_request")))
        return sigv4_refuse(p->problem, SIGV4_BAD_SCOPE,
                            str_format(p->arena,
                                       "Credential should be scoped with a valid terminator: "
                                       "'aws4_request', not '%.*s'.",
                                       PRSTR(end)));
    p->out.access_key = parts[0];
    p->out.date = parts[1];
    p->out.region = p->out.asymmetric ? p->region_set : parts[2];
    p->out.service = service;
    return RESULT_OK;
}

static RESULT parse_time(struct parser *p)
{
    struct str given = str_trim(p->amz_date);
    struct sigv4 *out = &p->out;
    if (!str_is_absent(given) || out->form == SIGV4_PRESIGNED) {
        if (!time_parse_basic(given, &out->time_ms))
            return sigv4_refuse(
                p->problem, out->form == SIGV4_PRESIGNED ? SIGV4_MALFORMED : SIGV4_NO_DATE,
                out->form == SIGV4_PRESIGNED && str_eq(out->service, STR("s3"))
                    ? STR("X-Amz-Date must be in the ISO8601 Long Format "
                          "\"yyyyMMdd'T'HHmmss'Z'\"")
                    : str_format(p->arena,
                                 "Date must be in ISO-8601 'basic format'. Got '%.*s'. See "
                                 "http://en.wikipedia.org/wiki/ISO_8601",
                                 PRSTR(given)));
        out->time = given;
    } else {
        /* "Date" may be in either form; what is signed is the basic one. */
        given = str_trim(p->date);
        if (!time_parse_basic(given, &out->time_ms) && !time_parse_http(given, &out->time_ms) &&
            !time_parse_iso8601(given, &out->time_ms))
            return sigv4_refuse(p->problem, SIGV4_NO_DATE,
                                str_format(p->arena,
                                           "Date must be in ISO-8601 'basic format'. Got '%.*s'. "
                                           "See http://en.wikipedia.org/wiki/ISO_8601",
                                           PRSTR(given)));
        struct buf buf;
        buf_init(&buf, p->arena, 32);
        time_format_basic(&buf, out->time_ms);
        out->time = buf_str(&buf);
    }
    struct str day = str_slice(out->time, 0, 8);
    if (str_eq(day, out->date))
        return RESULT_OK;
    if (str_eq(out->service, STR("s3")))
        return sigv4_refuse_part(p->arena, out, p->problem, SIGV4_BAD_SCOPE,
                                 str_format(p->arena,
                                            "Invalid credential date \"%.*s\". This date is not "
                                            "the same as X-Amz-Date: \"%.*s\".",
                                            PRSTR(out->date), PRSTR(day)));
    return sigv4_refuse(p->problem, SIGV4_BAD_SCOPE,
                        str_format(p->arena,
                                   "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                                   "version of date from HTTP: '%.*s' != '%.*s', from '%.*s'.",
                                   PRSTR(out->date), PRSTR(day), PRSTR(out->time)));
}

/* What both forms have. */
static RESULT parse_parts(struct parser *p)
{
    TRY(parse_credential(p));
    TRY(parse_time(p));
    if (p->out.signed_headers.len == 0)
        return sigv4_refuse(p->problem, SIGV4_MALFORMED, STR("SignedHeaders must not be empty."));
    return RESULT_OK;
}

static RESULT header_incomplete(struct parser *p)
{
    struct buf buf;
    buf_init(&buf, p->arena, p->authorization.len + 512);
    if (str_is_absent(p->credential))
        buf_append(&buf, STR("Authorization header requires 'Credential' parameter. "));
    if (str_is_absent(p->out.signature))
        buf_append(&buf, STR("Authorization header requires 'Signature' parameter. "));
    if (str_is_absent(p->out.signed_headers))
        buf_append(&buf, STR("Authorization header requires 'SignedHeaders' parameter. "));
    if (str_is_absent(p->amz_date) && str_is_absent(p->date))
        buf_append(&buf, STR("Authorization header requires existence of either a 'X-Amz-Date' or "
                             "a 'Date' header. "));
    if (p->out.asymmetric && str_is_absent(p->region_set))
        buf_append(&buf, STR("Authorization header requires existence of a 'X-Amz-Region-Set' "
                             "header. "));
    buf_append(&buf, STR("Authorization="));
    buf_append(&buf, p->authorization);
    bool date_alone = !str_is_absent(p->credential) && !str_is_absent(p->out.signature) &&
                      !str_is_absent(p->out.signed_headers) && str_is_absent(p->amz_date) &&
                      str_is_absent(p->date);
    return sigv4_refuse(p->problem, date_alone ? SIGV4_NO_DATE : SIGV4_INCOMPLETE, buf_str(&buf));
}

static RESULT parse_authorization(struct parser *p, struct str parameters)
{
    p->out.form = SIGV4_HEADER;
    bool more = true;
    while (more) {
        struct str pair, name, value;
        more = str_cut(parameters, ',', &pair, &parameters);
        pair = str_trim(pair);
        if (pair.len == 0)
            continue;
        if (!str_cut(pair, '=', &name, &value))
            return sigv4_refuse(p->problem, SIGV4_INCOMPLETE,
                                str_format(p->arena,
                                           "'%.*s' not a valid key=value pair (missing equal-sign) "
                                           "in Authorization header: '%.*s'.",
                                           PRSTR(pair), PRSTR(p->authorization)));
        if (str_eq(name, STR("Credential")))
            p->credential = value;
        else if (str_eq(name, STR("SignedHeaders")))
            p->out.signed_headers = value;
        else if (str_eq(name, STR("Signature")))
            p->out.signature = value;
    }
    if (str_is_absent(p->credential) || str_is_absent(p->out.signature) ||
        str_is_absent(p->out.signed_headers) ||
        (p->out.asymmetric && str_is_absent(p->region_set)) ||
        (str_is_absent(p->amz_date) && str_is_absent(p->date)))
        return header_incomplete(p);
    return parse_parts(p);
}

static RESULT parse_header_form(struct parser *p)
{
    static const struct str v4 = STR_INIT("AWS4-HMAC-SHA256");
    struct str scheme, parameters;
    str_cut(p->authorization, ' ', &scheme, &parameters);
    p->out.asymmetric = str_eq(scheme, STR(SIGV4A_ALGORITHM));
    if (str_eq(scheme, v4) || p->out.asymmetric)
        return parse_authorization(p, parameters);
    if (str_starts_with(scheme, STR("AWS4-"))) {
        return sigv4_refuse(
            p->problem, SIGV4_UNSUPPORTED,
            str_format(p->arena, "Unsupported AWS 'algorithm': '%.*s'.", PRSTR(scheme)));
    } else if (str_eq(scheme, STR("AWS"))) {
        p->out.form = SIGV4_V2;
        struct str rest;
        str_cut(parameters, ':', &p->out.access_key, &rest);
    } else if (str_eq_nocase(scheme, STR("Bearer"))) {
        p->out.form = SIGV4_BEARER;
    }
    /* Any other scheme is not a signature: what a function's or an API's own clients send. */
    return RESULT_OK;
}

/* ---- query string ---- */

static struct str query_value(struct parser *p, struct str raw)
{
    struct str value;
    if (percent_decode(p->arena, raw, false, &value))
        return value;
    p->broken_query = true;
    return raw;
}

static void parse_query(struct parser *p, struct str query)
{
    static const struct str prefix = STR_INIT("X-Amz-");
    bool key_id = false, signature = false, version = false, more = query.len > 0;
    struct str token = {0}, payload_hash = {0}, date = {0};
    while (more) {
        struct str pair, name, value;
        more = str_cut(query, '&', &pair, &query);
        str_cut(pair, '=', &name, &value);
        if (str_is_absent(value))
            value = str_make("", 0);
        key_id = key_id || str_eq(name, STR("AWSAccessKeyId"));
        signature = signature || str_eq(name, STR("Signature"));
        version = version || str_eq(name, STR("SignatureVersion"));
        if (!str_starts_with(name, prefix))
            continue;
        name = str_slice(name, prefix.len, name.len);
        if (str_eq(name, STR("Algorithm")))
            take_first(&p->algorithm, query_value(p, value));
        else if (str_eq(name, STR("Credential")))
            take_first(&p->credential, query_value(p, value));
        else if (str_eq(name, STR("Date")))
            take_first(&date, query_value(p, value));
        else if (str_eq(name, STR("Expires")))
            take_first(&p->expires, query_value(p, value));
        else if (str_eq(name, STR("SignedHeaders")))
            take_first(&p->out.signed_headers, query_value(p, value));
        else if (str_eq(name, STR("Signature")))
            take_first(&p->out.signature, query_value(p, value));
        else if (str_eq(name, STR("Security-Token")))
            take_first(&token, query_value(p, value));
        else if (str_eq(name, STR("Region-Set")))
            take_first(&p->region_set, query_value(p, value));
        else if (str_eq_nocase(name, STR("Content-Sha256")))
            take_first(&payload_hash, query_value(p, value));
    }
    p->v2 = key_id && signature;
    p->v2_query = p->v2 && !version;
    if (str_is_absent(p->algorithm) && str_is_absent(p->credential) &&
        str_is_absent(p->out.signature))
        return;
    p->out.form = SIGV4_PRESIGNED;
    p->amz_date = date; /* in the query alone */
    if (!str_is_absent(token))
        p->out.security_token = token;
    if (!str_is_absent(payload_hash))
        p->out.payload_hash = payload_hash;
}

static RESULT query_incomplete(struct parser *p)
{
    const struct {
        struct str value;
        const char *name;
    } wanted[] = {
        {p->algorithm, "X-Amz-Algorithm"},
        {p->credential, "X-Amz-Credential"},
        {p->out.signature, "X-Amz-Signature"},
        {p->out.signed_headers, "X-Amz-SignedHeaders"},
        {p->amz_date, "X-Amz-Date"},
        {p->out.asymmetric ? p->region_set : STR(""), "X-Amz-Region-Set"},
    };
    struct buf buf;
    buf_init(&buf, p->arena, 512);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (str_is_absent(wanted[i].value))
            buf_append_format(&buf, "AWS query-string parameters must include '%s'. ",
                              wanted[i].name);
    }
    buf_append(&buf, STR("Re-examine the query-string parameters."));
    return sigv4_refuse(p->problem, SIGV4_INCOMPLETE, buf_str(&buf));
}

static RESULT parse_expires(struct parser *p)
{
    if (str_is_absent(p->expires)) {
        if (str_eq(p->out.service, STR("s3")))
            return sigv4_refuse(
                p->problem, SIGV4_INCOMPLETE,
                STR("Query-string authentication version 4 requires the X-Amz-Algorithm, "
                    "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                    "X-Amz-Expires parameters."));
        p->out.expires_s = 15 * 60; /* as long as a signature in a header */
        return RESULT_OK;
    }
    int64_t seconds;
    if (!str_to_i64(p->expires, &seconds))
        return sigv4_refuse(p->problem, SIGV4_MALFORMED, STR("X-Amz-Expires should be a number"));
    if (seconds < 0)
        return sigv4_refuse(p->problem, SIGV4_MALFORMED, STR("X-Amz-Expires must be non-negative"));
    if (seconds == 0)
        return sigv4_refuse(p->problem, SIGV4_MALFORMED,
                            STR("X-Amz-Expires must be at least 1 second"));
    if (seconds > EXPIRES_MAX)
        return sigv4_refuse(p->problem, SIGV4_MALFORMED,
                            STR("X-Amz-Expires must be less than a week (in seconds); that is, the "
                                "given X-Amz-Expires must be less than 604800 seconds"));
    p->out.expires_s = seconds;
    return RESULT_OK;
}

static RESULT parse_presigned_form(struct parser *p)
{
    if (!str_is_absent(p->authorization) && str_starts_with(p->authorization, STR("AWS")))
        return sigv4_refuse(p->problem, SIGV4_TWO_FORMS,
                            STR("Only one auth mechanism allowed; only the X-Amz-Algorithm query "
                                "parameter, Signature query string parameter or the Authorization "
                                "header should be specified"));
    p->out.asymmetric = str_eq(p->algorithm, STR(SIGV4A_ALGORITHM));
    if (!str_is_absent(p->algorithm) && !p->out.asymmetric &&
        !str_eq(p->algorithm, STR("AWS4-HMAC-SHA256")))
        return sigv4_refuse(
            p->problem, SIGV4_UNSUPPORTED,
            str_format(p->arena, "Unsupported AWS 'algorithm': '%.*s'.", PRSTR(p->algorithm)));
    if (p->broken_query)
        return sigv4_refuse(p->problem, SIGV4_MALFORMED,
                            STR("A query-string parameter is not validly percent-encoded."));
    if (str_is_absent(p->algorithm) || str_is_absent(p->credential) ||
        str_is_absent(p->out.signature) || str_is_absent(p->out.signed_headers) ||
        str_is_absent(p->amz_date) || (p->out.asymmetric && str_is_absent(p->region_set)))
        return query_incomplete(p);
    TRY(parse_parts(p));
    return parse_expires(p);
}

static RESULT parse_form(struct parser *p)
{
    if (p->out.form == SIGV4_PRESIGNED)
        return parse_presigned_form(p);
    return str_is_absent(p->authorization) ? RESULT_OK : parse_header_form(p);
}

RESULT sigv4_parse(struct arena *arena, const struct wire_request *request, struct sigv4 *out,
                   struct sigv4_problem *problem)
{
    struct parser p = {.arena = arena, .problem = problem};
    parse_headers(&p, request);
    if (request->query.len > 0)
        parse_query(&p, request->query);
    if (p.out.form != SIGV4_PRESIGNED && str_is_absent(p.authorization) && p.v2_query)
        return sigv2_parse_query(arena, request, out, problem);
    enum result result = parse_form(&p);
    if (result == RESULT_OK && p.out.form == SIGV4_NONE && str_is_absent(p.authorization) && p.v2)
        p.out.form = SIGV4_V2;
    *out = result == RESULT_OK ? p.out : (struct sigv4){.form = p.out.form};
    return result;
}
