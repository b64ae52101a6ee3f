#include "server/authenticate.h"

#include "auth/sigv2.h"
#include "base/buf.h"
#include "base/time.h"
#include "cloud/arn.h"
#include "cloud/clock.h"
#include "cloud/credentials.h"
#include "server/s3_request.h"

static bool request_is_s3(const struct request *request)
{
    return request->routed && request->route.protocol == WIRE_PROTOCOL_REST_XML &&
           str_eq(request->route.model->signing_name, STR("s3"));
}

/* What each fault is called: everywhere, and by S3 ("Error responses", Amazon S3 API Reference). */
struct fault_name {
    enum wire_common_error error;
    const char *s3_code; /* NULL: the common name serves */
    const char *s3_presigned_code;
    bool s3_bad_request;    /* S3 answers 400 where others answer 403 */
    const char *s3_message; /* NULL: the one that the problem has */
    const char *s3_presigned_message;
};

static const struct fault_name fault_names[] = {
    [SIGV4_OK] = {WIRE_INTERNAL_FAILURE, NULL, NULL, false, NULL, NULL},
    [SIGV4_INCOMPLETE] = {WIRE_INCOMPLETE_SIGNATURE, "AuthorizationHeaderMalformed",
                          "AuthorizationQueryParametersError", true,
                          "The authorization header is malformed; the authorization header "
                          "requires three components: Credential, SignedHeaders, and Signature.",
                          "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                          "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                          "X-Amz-Expires parameters."},
    [SIGV4_MALFORMED] = {WIRE_INCOMPLETE_SIGNATURE, "AuthorizationHeaderMalformed",
                         "AuthorizationQueryParametersError", true, NULL, NULL},
    [SIGV4_EXPIRED] = {WIRE_REQUEST_EXPIRED, "AccessDenied", "AccessDenied", false, NULL, NULL},
    [SIGV4_SKEWED] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "RequestTimeTooSkewed", "AccessDenied", false,
                      NULL, NULL},
    [SIGV4_BAD_SCOPE] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "AuthorizationHeaderMalformed",
                         "AuthorizationQueryParametersError", true, NULL, NULL},
    [SIGV4_MISMATCH] = {WIRE_SIGNATURE_DOES_NOT_MATCH, NULL, NULL, false, NULL, NULL},
    [SIGV4_BAD_PAYLOAD_HASH] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "XAmzContentSHA256Mismatch",
                                "XAmzContentSHA256Mismatch", true, NULL, NULL},
    [SIGV4_UNSIGNED_HEADER] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "AccessDenied", "AccessDenied", false,
                               NULL, NULL},
    [SIGV4_UNSUPPORTED] = {WIRE_INCOMPLETE_SIGNATURE, "InvalidArgument",
                           "AuthorizationQueryParametersError", true,
                           "Unsupported Authorization Type",
                           "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and "
                           "AWS4-ECDSA-P256-SHA256\""},
    [SIGV4_TWO_FORMS] = {WIRE_INCOMPLETE_SIGNATURE, "InvalidArgument", "InvalidArgument", true,
                         NULL, NULL},
    [SIGV4_NO_DATE] = {WIRE_INCOMPLETE_SIGNATURE, "AccessDenied", "AccessDenied", false,
                       "AWS authentication requires a valid Date or x-amz-date header", NULL},
    [SIGV4_NO_PAYLOAD_HASH] = {WIRE_INCOMPLETE_SIGNATURE, "InvalidRequest", "InvalidRequest", true,
                               NULL, NULL},
    [SIGV4_WRONG_PAYLOAD_HASH] = {WIRE_INCOMPLETE_SIGNATURE, "InvalidArgument", "InvalidArgument",
                                  true, NULL, NULL},
    [SIGV4_BAD_CHUNK] = {WIRE_INCOMPLETE_SIGNATURE, "IncompleteBody", "IncompleteBody", true, NULL,
                         NULL},
    [SIGV4_SMALL_CHUNK] = {WIRE_INCOMPLETE_SIGNATURE, "InvalidChunkSizeError",
                           "InvalidChunkSizeError", true, NULL, NULL},
    [SIGV4_BAD_TRAILER] = {WIRE_INCOMPLETE_SIGNATURE, "MalformedTrailerError",
                           "MalformedTrailerError", true, NULL, NULL},
};

static struct str authenticate_mismatch_text(struct request *request,
                                             const struct sigv4_problem *problem)
{
    /* "Troubleshoot Signature Version 4 signing for AWS API requests", IAM User Guide. */
    return str_format(
        request->call.arena,
        "%.*s\n\nThe Canonical String for this request should have been\n'%.*s'\n\nThe "
        "String-to-Sign should have been\n'%.*s'\n",
        PRSTR(problem->message), PRSTR(problem->canonical_request), PRSTR(problem->string_to_sign));
}

static struct str authenticate_time(struct arena *arena, int64_t ms)
{
    struct buf text;
    buf_init(&text, arena, 32);
    time_format_iso8601(&text, ms / 1000 * 1000);
    return buf_str(&text);
}

/* "61 62 63" */
static struct str authenticate_bytes(struct arena *arena, struct str text)
{
    struct buf out;
    buf_init(&out, arena, SIZE_MAX / 4);
    for (size_t i = 0; i < text.len; i++)
        buf_append_format(&out, i == 0 ? "%02x" : " %02x", (uint8_t)text.ptr[i]);
    return buf_str(&out);
}

/* The offending header. */
static void authenticate_argument(struct request *request, struct str name)
{
    struct str value = wire_request_header(&request->wire, str_lower(request->call.arena, name));
    request_detail(request, STR("ArgumentName"), name);
    request_detail(request, STR("ArgumentValue"), str_is_absent(value) ? STR("") : value);
}

static void authenticate_show_mismatch(struct request *request, const struct sigv4_problem *problem)
{
    struct arena *arena = request->call.arena;
    request_detail(request, STR("AWSAccessKeyId"), request->signature.access_key);
    if (str_is_absent(problem->string_to_sign))
        return;
    request_detail(request, STR("StringToSign"), problem->string_to_sign);
    request_detail(request, STR("SignatureProvided"), request->signature.signature);
    request_detail(request, STR("StringToSignBytes"),
                   authenticate_bytes(arena, problem->string_to_sign));
    if (str_is_absent(problem->canonical_request))
        return;
    request_detail(request, STR("CanonicalRequest"), problem->canonical_request);
    request_detail(request, STR("CanonicalRequestBytes"),
                   authenticate_bytes(arena, problem->canonical_request));
}

/* When a URL ended, by whose clock: the signer's, which the cloud's may be ahead of. */
static void authenticate_show_expiry(struct request *request)
{
    const struct sigv4 *signature = &request->signature;
    struct arena *arena = request->call.arena;
    if (signature->form == SIGV4_PRESIGNED)
        request_detail(request, STR("X-Amz-Expires"),
                       str_format(arena, "%lld", (long long)signature->expires_s));
    else if (signature->form != SIGV4_V2_QUERY || signature->time_ms == 0)
        return;
    request_detail(request, STR("Expires"),
                   authenticate_time(arena, signature->time_ms + 1000 * signature->expires_s));
    request_detail(request, STR("ServerTime"),
                   authenticate_time(arena, clock_now(request->call.cloud->clock)));
}

/* S3's errors have further elements ("Error responses", Amazon S3 API Reference). */
static void authenticate_show(struct request *request, const struct sigv4_problem *problem,
                              bool presigned)
{
    struct arena *arena = request->call.arena;
    if (problem->fault == SIGV4_SKEWED && !presigned) {
        request_detail(request, STR("RequestTime"), request->signature.time);
        request_detail(request, STR("ServerTime"),
                       authenticate_time(arena, clock_now(request->call.cloud->clock)));
        request_detail(request, STR("MaxAllowedSkewMilliseconds"),
                       str_format(arena, "%d", SIGV4_SKEW_MS));
    } else if (problem->fault == SIGV4_MISMATCH) {
        authenticate_show_mismatch(request, problem);
    } else if (problem->fault == SIGV4_EXPIRED) {
        authenticate_show_expiry(request);
    } else if (problem->fault == SIGV4_UNSIGNED_HEADER) {
        request_detail(request, STR("HeadersNotSigned"), problem->detail);
    } else if (problem->fault == SIGV4_BAD_PAYLOAD_HASH) {
        request_detail(request, STR("ClientComputedContentSHA256"),
                       request->signature.payload_hash);
        request_detail(request, STR("S3ComputedContentSHA256"), problem->detail);
    } else if (problem->fault == SIGV4_TWO_FORMS ||
               (problem->fault == SIGV4_UNSUPPORTED && !presigned)) {
        authenticate_argument(request, STR("Authorization"));
    } else if (problem->fault == SIGV4_WRONG_PAYLOAD_HASH) {
        authenticate_argument(request, STR("x-amz-content-sha256"));
    }
}

RESULT authenticate_refuse(struct request *request, const struct sigv4_problem *problem)
{
    const struct fault_name *name = &fault_names[problem->fault];
    bool s3 = request_is_s3(request);
    struct str message = problem->message;
    /* It may have been refused before, when another service seemed meant. */
    request->code = (struct str){0};
    request->extra_count = 0;
    if (problem->fault == SIGV4_MISMATCH && !s3 && !str_is_absent(problem->canonical_request))
        message = authenticate_mismatch_text(request, problem);
    if (s3) {
        bool presigned =
            request->signature.form == SIGV4_PRESIGNED || request->signature.form == SIGV4_V2_QUERY;
        const char *words = presigned ? name->s3_presigned_message : name->s3_message;
        request->code = str_from_c(presigned ? name->s3_presigned_code : name->s3_code);
        if (words != NULL)
            message = str_from_c(words);
        authenticate_show(request, problem, presigned);
    }
    /* The code is set: of the common error the status alone counts. */
    if (!s3)
        return request_fail(request, name->error, message);
    return request_fail(
        request, name->s3_bad_request ? WIRE_INCOMPLETE_SIGNATURE : WIRE_SIGNATURE_DOES_NOT_MATCH,
        message);
}

RESULT authenticate_parse(struct request *request)
{
    struct sigv4_problem problem = {0};
    enum result result =
        sigv4_parse(request->call.arena, &request->wire, &request->signature, &problem);
    return result == RESULT_ERROR ? authenticate_refuse(request, &problem) : result;
}

static RESULT authenticate_unsigned(struct request *request)
{
    struct call *call = &request->call;
    switch (request->signature.form) {
    case SIGV4_V2:
        if (request_is_s3(request))
            request->code = STR("InvalidRequest");
        return request_fail(
            request, WIRE_INCOMPLETE_SIGNATURE,
            STR("The authorization mechanism you have provided is not supported. Please "
                "use AWS4-HMAC-SHA256."));
    case SIGV4_NONE:
    case SIGV4_BEARER:
    case SIGV4_HEADER:
    case SIGV4_PRESIGNED:
    case SIGV4_V2_QUERY:
        break;
    }
    call->principal = (struct principal){.kind = PRINCIPAL_ANONYMOUS};
    call->account = (struct str){0};
    call->region = call->cloud->default_region;
    call->any_region = true;
    bool may_ignore_signature =
        request->hosted ||
        (request->route.operation >= 0 &&
         (request->route.model->operations[request->route.operation].flags & WIRE_OP_NO_AUTH) != 0);
    bool may_be_anonymous = request_is_s3(request) || may_ignore_signature;
    struct str unread = wire_request_header(&request->wire, STR("authorization"));
    if (may_be_anonymous && !may_ignore_signature && str_trim(unread).len > 0)
        return authenticate_refuse(request, &(struct sigv4_problem){.fault = SIGV4_UNSUPPORTED});
    if (may_be_anonymous)
        return RESULT_OK;
    return request_fail(request, WIRE_MISSING_AUTHENTICATION_TOKEN,
                        STR("Request is missing Authentication Token"));
}

static RESULT authenticate_unknown_key(struct request *request)
{
    if (request_is_s3(request)) {
        request_detail(request, STR("AWSAccessKeyId"), request->signature.access_key);
        request->code = STR("InvalidAccessKeyId");
        return request_fail(
            request, WIRE_INVALID_CLIENT_TOKEN,
            STR("The AWS Access Key Id you provided does not exist in our records."));
    }
    return request_fail(request, WIRE_INVALID_CLIENT_TOKEN,
                        STR("The security token included in the request is invalid."));
}

static RESULT authenticate_bad_token(struct request *request)
{
    if (!request_is_s3(request))
        return authenticate_unknown_key(request);
    request->code = STR("InvalidToken");
    request_detail(request, STR("Token-0"), request->signature.security_token);
    return request_fail(request, WIRE_INCOMPLETE_SIGNATURE, /* for its status, 400 */
                        STR("The provided token is malformed or otherwise invalid."));
}

static RESULT authenticate_expired(struct request *request)
{
    if (request_is_s3(request))
        request_detail(request, STR("Token-0"), request->signature.security_token);
    return request_fail(request, WIRE_EXPIRED_TOKEN,
                        request_is_s3(request)
                            ? STR("The provided token has expired.")
                            : STR("The security token included in the request is expired"));
}

const uint8_t *request_signing_key(const struct request *request)
{
    return request->verified ? request->signing_key : NULL;
}

static RESULT authenticate_find(struct request *request, struct credentials *out, bool *found)
{
    struct cloud *cloud = request->call.cloud;
    struct kv_txn *txn;
    TRY(kv_begin(cloud->kv, false, &txn));
    enum result result = credentials_find(cloud, txn, request->call.arena,
                                          request->signature.access_key, out, found);
    kv_abort(txn);
    return result;
}

/* The key of a session says nothing without its token. */
static RESULT authenticate_session(struct request *request, struct credentials *out)
{
    const struct sigv4 *signature = &request->signature;
    struct cloud *cloud = request->call.cloud;
    if (str_is_absent(signature->security_token))
        return authenticate_unknown_key(request);
    switch (session_open(cloud, request->call.arena, signature->access_key,
                         signature->security_token, clock_now(cloud->clock), out)) {
    case SESSION_OK:
        return RESULT_OK;
    case SESSION_EXPIRED:
        return authenticate_expired(request);
    case SESSION_INVALID:
        break;
    }
    return authenticate_bad_token(request);
}

/* Long-term credentials come with no token ("Using temporary credentials with AWS resources", IAM
 * User Guide); keys that nobody issued prove nothing, so that theirs is not looked at. */
static RESULT authenticate_long_term(struct request *request, struct credentials *out)
{
    bool found;
    TRY(authenticate_find(request, out, &found));
    if (!found || !out->active)
        return authenticate_unknown_key(request);
    if (!str_is_absent(out->secret) && !str_is_absent(request->signature.security_token))
        return authenticate_bad_token(request);
    return RESULT_OK;
}

/* By how much the cloud's clock was ahead of the signer's. Signers go by the machine's, and who
 * signs in advance did so before or after the cloud's was moved; a date that the machine's has not
 * reached is the cloud's own. */
static int64_t authenticate_ahead_at(const struct request *request, int64_t signed_ms)
{
    struct clock *clock = request->call.cloud->clock;
    int64_t machine_ms = clock_now(clock) - clock_offset_ms(clock);
    if (signed_ms > machine_ms + SIGV4_SKEW_MS)
        return 0;
    if (signed_ms <= machine_ms)
        clock_note_signed(clock, signed_ms);
    return clock_offset_at(clock, signed_ms);
}

/* A URL of version 2 does not say when it was signed, only when it ends: by the signer's clock. */
static int64_t authenticate_ahead(const struct request *request)
{
    const struct sigv4 *signature = &request->signature;
    const struct clock *clock = request->call.cloud->clock;
    int64_t ahead_ms = clock_offset_ms(clock);
    if (signature->form == SIGV4_PRESIGNED)
        return authenticate_ahead_at(request, signature->time_ms);
    bool foreseen = signature->form == SIGV4_HEADER &&
                    signature->time_ms > clock_now(clock) - ahead_ms + SIGV4_SKEW_MS;
    return foreseen ? 0 : ahead_ms;
}

static RESULT authenticate_signature(struct request *request, const struct credentials *credentials,
                                     const uint8_t *body_sha256)
{
    struct call *call = &request->call;
    struct sigv4 *signature = &request->signature;
    struct sigv4_problem problem = {0};
    enum result result;
    if (signature->form == SIGV4_V2_QUERY) {
        result = sigv2_verify_query(
            call->arena, signature, &request->wire,
            s3_bucket_of_host(request->wire.host, signature->service, call->cloud->index),
            credentials->secret, clock_now(call->cloud->clock), call->signer_ahead_ms, &problem);
        return result == RESULT_ERROR ? authenticate_refuse(request, &problem) : result;
    }
    struct sigv4_rules rules = {
        .now_ms = clock_now(call->cloud->clock),
        .ahead_ms = call->signer_ahead_ms,
        .s3 = request_is_s3(request),
        .secret = credentials->secret,
        .service = request->routed ? request->route.model->signing_name : (struct str){0},
    };
    result = sigv4_verify(call->arena, call->cloud->signing_keys, signature, &request->wire, &rules,
                          body_sha256, request->signing_key, &problem);
    if (result == RESULT_ERROR)
        return authenticate_refuse(request, &problem);
    TRY(result);
    request->verified = true;
    return RESULT_OK;
}

/* A key that nobody issued proves nothing, but how long its URL lives the URL says itself. */
static RESULT authenticate_expiry(struct request *request)
{
    struct sigv4_problem problem = {0};
    enum result result =
        sigv4_check_expiry(&request->signature, clock_now(request->call.cloud->clock),
                           request->call.signer_ahead_ms, &problem);
    return result == RESULT_ERROR ? authenticate_refuse(request, &problem) : result;
}

static RESULT authenticate_credentials(struct request *request, struct credentials *out)
{
    return session_is_key(request->signature.access_key) ? authenticate_session(request, out)
                                                         : authenticate_long_term(request, out);
}

static void authenticate_set(struct request *request, const struct credentials *credentials,
                             bool any_region)
{
    struct call *call = &request->call;
    struct str region = request->signature.region;
    bool one = arn_is_region(region);
    call->principal = credentials->principal;
    call->account = credentials->principal.account;
    call->region = one ? region : call->cloud->default_region;
    /* A set of regions may be "*" ("AWS Signature Version 4A"). */
    call->any_region = any_region || (request->signature.asymmetric && !one);
}

static RESULT authenticate_signed(struct request *request, const uint8_t *body_sha256)
{
    struct sigv4 *signature = &request->signature;
    bool v2 = signature->form == SIGV4_V2_QUERY && request_is_s3(request);
    if (signature->form != SIGV4_HEADER && signature->form != SIGV4_PRESIGNED && !v2)
        return authenticate_unsigned(request);
    struct credentials credentials;
    request->call.signer_ahead_ms = authenticate_ahead(request);
    TRY(authenticate_credentials(request, &credentials));
    if (!str_is_absent(credentials.secret))
        TRY(authenticate_signature(request, &credentials, body_sha256));
    else if (signature->form != SIGV4_HEADER && request_is_s3(request))
        TRY(authenticate_expiry(request));
    authenticate_set(request, &credentials, v2);
    if (signature->form == SIGV4_HEADER || !request_is_s3(request))
        return RESULT_OK;
    return s3_take_query_headers(request);
}

RESULT authenticate_verify(struct request *request, const uint8_t *body_sha256)
{
    enum result result = authenticate_signed(request, body_sha256);
    if (result != RESULT_ERROR || !request->hosted)
        return result;
    /* The service may not mind; what was wrong it can tell. */
    request->call.message = request->message;
    request->message = (struct str){0};
    request->signature.form = SIGV4_NONE;
    return authenticate_unsigned(request);
}

/* --- forms --- */

static struct str form_field(const struct request *request, struct str name)
{
    return wire_request_header(&request->wire, name);
}

static RESULT form_lacks(struct request *request, const char *field)
{
    request->code = STR("InvalidArgument");
    request_detail(request, STR("ArgumentName"), str_from_c(field));
    request_detail(request, STR("ArgumentValue"), STR(""));
    return request_fail(request, WIRE_VALIDATION,
                        str_format(request->call.arena,
                                   "Bucket POST must contain a field named '%s'.  If it is "
                                   "specified, please check the order of the fields.",
                                   field));
}

/* AKID/20261121/us-east-1/s3/aws4_request */
static RESULT form_scope(struct request *request)
{
    struct sigv4 *signature = &request->signature;
    struct str rest = form_field(request, STR("x-amz-credential")), end;
    bool good = str_cut(rest, '/', &signature->access_key, &rest) &&
                str_cut(rest, '/', &signature->date, &rest) &&
                str_cut(rest, '/', &signature->region, &rest) &&
                str_cut(rest, '/', &signature->service, &end) && str_eq(end, STR("aws4_request")) &&
                str_eq(signature->service, STR("s3")) &&
                str_starts_with(form_field(request, STR("x-amz-date")), signature->date) &&
                time_parse_basic(form_field(request, STR("x-amz-date")), &signature->time_ms);
    if (good)
        return RESULT_OK;
    request->code = STR("InvalidArgument");
    return request_fail(request, WIRE_VALIDATION,
                        STR("The Credential field of the form is malformed; it must be of the form "
                            "\"<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request\" and of the date in "
                            "X-Amz-Date."));
}

static RESULT form_read(struct request *request, bool v2)
{
    static const char *const needed[] = {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
                                         "X-Amz-Signature"};
    struct sigv4 *signature = &request->signature;
    *signature = (struct sigv4){.form = v2 ? SIGV4_V2_QUERY : SIGV4_HEADER};
    signature->security_token = form_field(request, STR("x-amz-security-token"));
    if (v2) {
        signature->access_key = form_field(request, STR("awsaccesskeyid"));
        signature->signature = form_field(request, STR("signature"));
        return str_is_absent(signature->signature) ? form_lacks(request, "Signature") : RESULT_OK;
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (str_is_absent(
                form_field(request, str_lower(request->call.arena, str_from_c(needed[i])))))
            return form_lacks(request, needed[i]);
    if (!str_eq(form_field(request, STR("x-amz-algorithm")), STR("AWS4-HMAC-SHA256"))) {
        request->code = STR("InvalidArgument");
        return request_fail(request, WIRE_VALIDATION,
                            STR("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
    }
    signature->signature = form_field(request, STR("x-amz-signature"));
    return form_scope(request);
}

RESULT authenticate_form(struct request *request)
{
    struct sigv4 *signature = &request->signature;
    struct str policy = form_field(request, STR("policy"));
    bool v2 = !str_is_absent(form_field(request, STR("awsaccesskeyid")));
    struct credentials credentials;
    char right[64];
    size_t len = v2 ? (size_t)SIGV2_SIGNATURE_SIZE : sizeof right;
    if (str_is_absent(policy)) {
        *signature = (struct sigv4){.form = SIGV4_NONE};
        return authenticate_unsigned(request);
    }
    TRY(form_read(request, v2));
    TRY(authenticate_credentials(request, &credentials));
    if (!str_is_absent(credentials.secret)) {
        if (v2)
            sigv2_sign(credentials.secret, policy, right);
        else
            sigv4_sign_policy(signature, credentials.secret, policy, right);
        if (signature->signature.len != len ||
            !digest_equal((const uint8_t *)right, (const uint8_t *)signature->signature.ptr, len)) {
            struct sigv4_problem problem = {
                .fault = SIGV4_MISMATCH,
                .message = STR("The request signature we calculated does not match the signature "
                               "you provided. Check your key and signing method."),
            };
            return authenticate_refuse(request, &problem);
        }
    }
    authenticate_set(request, &credentials, v2);
    request->call.signer_ahead_ms = v2 ? clock_offset_ms(request->call.cloud->clock)
                                       : authenticate_ahead_at(request, signature->time_ms);
    return RESULT_OK;
}
