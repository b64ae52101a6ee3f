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
    bool s3_bad_request; /* S3 answers 400 where others answer 403 */
};

static const struct fault_name fault_names[] = {
    [SIGV4_OK] = {WIRE_INTERNAL_FAILURE, NULL, NULL, false},
    [SIGV4_INCOMPLETE] = {WIRE_INCOMPLETE_SIGNATURE, "AuthorizationHeaderMalformed",
                          "AuthorizationQueryParametersError", false},
    [SIGV4_MALFORMED] = {WIRE_INCOMPLETE_SIGNATURE, "AuthorizationHeaderMalformed",
                         "AuthorizationQueryParametersError", false},
    [SIGV4_EXPIRED] = {WIRE_REQUEST_EXPIRED, "AccessDenied", "AccessDenied", false},
    [SIGV4_SKEWED] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "RequestTimeTooSkewed", "AccessDenied", false},
    [SIGV4_BAD_SCOPE] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "AuthorizationHeaderMalformed",
                         "AuthorizationQueryParametersError", true},
    [SIGV4_MISMATCH] = {WIRE_SIGNATURE_DOES_NOT_MATCH, NULL, NULL, false},
    [SIGV4_BAD_PAYLOAD_HASH] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "XAmzContentSHA256Mismatch",
                                "XAmzContentSHA256Mismatch", true},
    [SIGV4_UNSIGNED_HEADER] = {WIRE_SIGNATURE_DOES_NOT_MATCH, "AccessDenied", "AccessDenied",
                               false},
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

/* S3 says what time it is ("Error responses", Amazon S3 API Reference). */
static void authenticate_show_time(struct request *request)
{
    struct arena *arena = request->call.arena;
    struct buf now;
    struct wire_header *extra = ARENA_ARRAY(arena, 3, struct wire_header);
    buf_init(&now, arena, 32);
    time_format_iso8601(&now, clock_now(request->call.cloud->clock) / 1000 * 1000);
    extra[0] = (struct wire_header){STR("RequestTime"), request->signature.time};
    extra[1] = (struct wire_header){STR("ServerTime"), buf_str(&now)};
    extra[2] = (struct wire_header){STR("MaxAllowedSkewMilliseconds"), STR("900000")};
    request->extra = extra;
    request->extra_count = 3;
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
        request->code = str_from_c(presigned ? name->s3_presigned_code : name->s3_code);
        if (problem->fault == SIGV4_SKEWED && !presigned)
            authenticate_show_time(request);
        if (problem->fault == SIGV4_MISMATCH && !str_is_absent(problem->string_to_sign)) {
            struct wire_header *extra = ARENA_ARRAY(request->call.arena, 4, struct wire_header);
            extra[0] = (struct wire_header){STR("AWSAccessKeyId"), request->signature.access_key};
            extra[1] = (struct wire_header){STR("StringToSign"), problem->string_to_sign};
            extra[2] = (struct wire_header){STR("SignatureProvided"), request->signature.signature};
            extra[3] = (struct wire_header){STR("CanonicalRequest"), problem->canonical_request};
            request->extra = extra;
            request->extra_count = str_is_absent(problem->canonical_request) ? 3 : 4;
        }
    }
    /* The code is set: of the common error the status alone counts. */
    return request_fail(
        request, s3 && name->s3_bad_request ? WIRE_INCOMPLETE_SIGNATURE : name->error, message);
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
    bool may_be_anonymous =
        request_is_s3(request) ||
        (request->route.operation >= 0 &&
         (request->route.model->operations[request->route.operation].flags & WIRE_OP_NO_AUTH) != 0);
    if (may_be_anonymous)
        return RESULT_OK;
    return request_fail(request, WIRE_MISSING_AUTHENTICATION_TOKEN,
                        STR("Request is missing Authentication Token"));
}

static RESULT authenticate_unknown_key(struct request *request)
{
    if (request_is_s3(request)) {
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
    return request_fail(request, WIRE_INCOMPLETE_SIGNATURE, /* for its status, 400 */
                        STR("The provided token is malformed or otherwise invalid."));
}

static RESULT authenticate_expired(struct request *request)
{
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
            credentials->secret, clock_now(call->cloud->clock), &problem);
        return result == RESULT_ERROR ? authenticate_refuse(request, &problem) : result;
    }
    struct sigv4_rules rules = {
        .now_ms = clock_now(call->cloud->clock),
        .ahead_ms = clock_offset_ms(call->cloud->clock),
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
        sigv4_check_expiry(&request->signature, clock_now(request->call.cloud->clock), &problem);
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
                str_starts_with(form_field(request, STR("x-amz-date")), signature->date);
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
    return RESULT_OK;
}
