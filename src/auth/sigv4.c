/* Verifies and makes signatures. */
#include "auth/sigv4_int.h"

#include "base/buf.h"
#include "base/time.h"

struct str sigv4_string_to_sign(struct arena *arena, const struct sigv4 *signature,
                                struct str canonical_request)
{
    uint8_t digest[SHA256_SIZE];
    char hex[SIGV4_HEX_SIZE];
    digest_sha256(canonical_request, digest);
    sigv4_hex(digest, hex);
    struct buf buf;
    size_t size = 128 + signature->time.len + signature->date.len + signature->region.len +
                  signature->service.len;
    buf_init(&buf, arena, size);
    buf_reserve(&buf, size);
    buf_append(&buf,
               signature->asymmetric ? STR(SIGV4A_ALGORITHM "\n") : STR("AWS4-HMAC-SHA256\n"));
    buf_append(&buf, signature->time);
    buf_append_char(&buf, '\n');
    buf_append(&buf, signature->date);
    buf_append_char(&buf, '/');
    if (!signature->asymmetric) {
        buf_append(&buf, signature->region);
        buf_append_char(&buf, '/');
    }
    buf_append(&buf, signature->service);
    buf_append(&buf, STR("/aws4_request\n"));
    buf_append(&buf, str_make(hex, sizeof(hex)));
    return buf_str(&buf);
}

/* ---- time ---- */

static struct str skew_message(struct arena *arena, const char *what, const char *than,
                               struct str time, int64_t now_ms, bool future)
{
    struct buf buf;
    buf_init(&buf, arena, 256);
    buf_append_c(&buf, what);
    buf_append(&buf, time);
    buf_append_c(&buf, than);
    time_format_basic(&buf, now_ms + (future ? SIGV4_SKEW_MS : -SIGV4_SKEW_MS));
    buf_append(&buf, STR(" ("));
    time_format_basic(&buf, now_ms);
    buf_append(&buf, future ? STR(" + 15 min.)") : STR(" - 15 min.)"));
    return buf_str(&buf);
}

RESULT sigv4_check_expiry(const struct sigv4 *signature, int64_t now_ms, int64_t ahead_ms,
                          struct sigv4_problem *problem)
{
    /* The signature has whole seconds. */
    int64_t end_ms = signature->time_ms + ahead_ms;
    if (signature->form == SIGV4_PRESIGNED) {
        now_ms -= now_ms % 1000;
        end_ms += signature->expires_s * 1000;
    }
    return end_ms < now_ms ? sigv4_refuse(problem, SIGV4_EXPIRED, STR("Request has expired"))
                           : RESULT_OK;
}

static RESULT verify_time(struct arena *arena, const struct sigv4 *signature,
                          const struct sigv4_rules *rules, struct sigv4_problem *problem)
{
    /* The signature has whole seconds. */
    int64_t now_ms = rules->now_ms - rules->now_ms % 1000;
    bool presigned = signature->form == SIGV4_PRESIGNED;
    if (signature->time_ms + (presigned ? rules->ahead_ms : 0) > now_ms + SIGV4_SKEW_MS) {
        if (rules->s3)
            return sigv4_refuse(problem, SIGV4_SKEWED,
                                presigned ? STR("Request is not yet valid")
                                          : STR("The difference between the request time and the "
                                                "current time is too large."));
        return sigv4_refuse(problem, SIGV4_SKEWED,
                            skew_message(arena, "Signature not yet current: ",
                                         " is still later than ", signature->time, now_ms, true));
    }
    if (presigned)
        return sigv4_check_expiry(signature, now_ms, rules->ahead_ms, problem);
    if (signature->time_ms >= now_ms - SIGV4_SKEW_MS)
        return RESULT_OK;
    /* Nobody's clock but the cloud's was moved. */
    if (signature->time_ms >= now_ms - rules->ahead_ms - SIGV4_SKEW_MS &&
        signature->time_ms <= now_ms - rules->ahead_ms + SIGV4_SKEW_MS)
        return RESULT_OK;
    if (rules->s3)
        return sigv4_refuse(
            problem, SIGV4_SKEWED,
            STR("The difference between the request time and the current time is too large."));
    return sigv4_refuse(problem, SIGV4_SKEWED,
                        skew_message(arena, "Signature expired: ", " is now earlier than ",
                                     signature->time, now_ms, false));
}

/* ---- the payload's hash ---- */

static bool s3_payload_hash_is_valid(struct str hash)
{
    return sigv4_is_hex_digest(hash) || str_eq(hash, STR("UNSIGNED-PAYLOAD")) ||
           str_eq(hash, STR("STREAMING-UNSIGNED-PAYLOAD-TRAILER")) ||
           str_starts_with(hash, STR("STREAMING-AWS4-HMAC-SHA256-")) ||
           str_starts_with(hash, STR("STREAMING-" SIGV4A_ALGORITHM "-PAYLOAD"));
}

/* What stands in the canonical request. */
static RESULT choose_payload_hash(struct arena *arena, const struct sigv4 *signature,
                                  const struct sigv4_rules *rules, const uint8_t *body_sha256,
                                  struct str *out, struct sigv4_problem *problem)
{
    if (!str_is_absent(signature->payload_hash)) {
        if (rules->s3 && !s3_payload_hash_is_valid(signature->payload_hash))
            return sigv4_refuse(problem, SIGV4_WRONG_PAYLOAD_HASH,
                                STR("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                                    "STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
                                    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                                    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 "
                                    "value."));
        *out = signature->payload_hash;
        return RESULT_OK;
    }
    if (rules->s3 && signature->form == SIGV4_HEADER)
        return sigv4_refuse(problem, SIGV4_NO_PAYLOAD_HASH,
                            STR("Missing required header for this request: x-amz-content-sha256"));
    if (rules->s3 || body_sha256 == NULL) {
        /* Operations with the authorisation type v4-unsigned-body sign this without saying so. */
        *out = STR("UNSIGNED-PAYLOAD");
        return RESULT_OK;
    }
    char *hex = arena_alloc_raw(arena, SIGV4_HEX_SIZE);
    sigv4_hex(body_sha256, hex);
    *out = str_make(hex, SIGV4_HEX_SIZE);
    return RESULT_OK;
}

RESULT sigv4_refuse_hash(struct arena *arena, struct str computed, struct sigv4_problem *problem)
{
    *problem = (struct sigv4_problem){
        .fault = SIGV4_BAD_PAYLOAD_HASH,
        .message =
            STR("The provided 'x-amz-content-sha256' header does not match what was computed."),
        .detail = str_copy(arena, computed),
    };
    return RESULT_ERROR;
}

static RESULT verify_body(struct arena *arena, const struct sigv4 *signature,
                          const uint8_t *body_sha256, struct sigv4_problem *problem)
{
    if (body_sha256 == NULL || !sigv4_is_hex_digest(signature->payload_hash))
        return RESULT_OK;
    char hex[SIGV4_HEX_SIZE];
    sigv4_hex(body_sha256, hex);
    if (memcmp(hex, signature->payload_hash.ptr, sizeof(hex)) == 0)
        return RESULT_OK;
    return sigv4_refuse_hash(arena, str_make(hex, sizeof hex), problem);
}

/* ---- what must be signed ---- */

static bool names_have_host(struct str names)
{
    bool more = true;
    while (more) {
        struct str name;
        more = str_cut(names, ';', &name, &names);
        if (str_eq(name, STR("host")) || str_eq(name, STR(":authority")))
            return true;
    }
    return false;
}

/* "Create a canonical request": host and every x-amz-* header must be signed. Services other than
 * S3 let the token be added after signing. */
static bool must_be_signed(struct str name, bool s3)
{
    if (name.len < 6 || (name.ptr[0] | 0x20) != 'x' ||
        !str_eq_nocase(str_slice(name, 0, 6), STR("x-amz-")))
        return false;
    return s3 || !str_eq_nocase(name, STR("x-amz-security-token"));
}

/* S3 lists them all, the others name the first. */
static RESULT verify_signed_headers(struct arena *arena, const struct sigv4_canonical *canonical,
                                    struct sigv4_problem *problem)
{
    const struct wire_request *request = canonical->request;
    struct buf names;
    buf_init(&names, arena, SIZE_MAX / 4);
    bool host = names_have_host(canonical->sorted_headers);
    if (!host)
        buf_append(&names, STR("host"));
    for (size_t i = 0; i < request->header_count; i++) {
        struct str name = request->headers[i].name;
        if (canonical->is_signed[i] || !must_be_signed(name, canonical->s3))
            continue;
        if (!canonical->s3 && host)
            return sigv4_refuse(
                problem, SIGV4_UNSIGNED_HEADER,
                str_format(arena, "'%.*s' must be a 'SignedHeader' in the AWS Authorization.",
                           PRSTR(name)));
        if (names.len > 0)
            buf_append(&names, STR(", "));
        buf_append(&names, str_lower(arena, name));
    }
    if (names.len == 0)
        return RESULT_OK;
    *problem = (struct sigv4_problem){
        .fault = SIGV4_UNSIGNED_HEADER,
        .message = canonical->s3 ? STR("There were headers present in the request which were not "
                                       "signed")
                                 : STR("'Host' or ':authority' must be a 'SignedHeader' in the AWS "
                                       "Authorization."),
        .detail = buf_str(&names),
    };
    return RESULT_ERROR;
}

/* ---- verify ---- */

static bool signature_matches(struct arena *arena, const struct sigv4_key *key,
                              const struct sigv4 *signature, struct sigv4_canonical *canonical,
                              struct str *string_to_sign)
{
    char hex[SIGV4_HEX_SIZE];
    sigv4_canonicalize(arena, canonical);
    *string_to_sign = sigv4_string_to_sign(arena, signature, canonical->text);
    if (signature->asymmetric)
        return sigv4a_verify(&key->pair, *string_to_sign, signature->signature);
    sigv4_key_sign(key, *string_to_sign, hex);
    return signature->signature.len == sizeof(hex) &&
           digest_equal((const uint8_t *)hex, (const uint8_t *)signature->signature.ptr,
                        sizeof(hex));
}

/* AWS shows what it signed; S3 in elements of its own, the others after the message. */
static RESULT refuse_mismatch(struct sigv4_problem *problem,
                              const struct sigv4_canonical *canonical, struct str string_to_sign)
{
    *problem = (struct sigv4_problem){
        .fault = SIGV4_MISMATCH,
        .message = canonical->s3
                       ? STR("The request signature we calculated does not match the signature you "
                             "provided. Check your key and signing method.")
                       : STR("The request signature we calculated does not match the signature you "
                             "provided. Check your AWS Secret Access Key and signing method. "
                             "Consult the service documentation for details."),
        .canonical_request = canonical->text,
        .string_to_sign = string_to_sign,
    };
    return RESULT_ERROR;
}

/* An access key's pair is neither a day's nor a region's. */
static struct sigv4_key_name verify_key_name(const struct sigv4 *signature,
                                             const struct sigv4_rules *rules)
{
    if (signature->asymmetric)
        return (struct sigv4_key_name){rules->secret, signature->access_key, STR(""),
                                       STR(SIGV4A_ALGORITHM)};
    return (struct sigv4_key_name){rules->secret, signature->date, signature->region,
                                   signature->service};
}

RESULT sigv4_verify(struct arena *arena, struct sigv4_keys *keys, const struct sigv4 *signature,
                    const struct wire_request *request, const struct sigv4_rules *rules,
                    const uint8_t *body_sha256, uint8_t *signing_key, struct sigv4_problem *problem)
{
    if (!str_is_absent(rules->service) && !str_eq(rules->service, signature->service))
        return rules->s3
                   ? sigv4_refuse_part(arena, signature, problem, SIGV4_BAD_SCOPE,
                                       str_format(arena,
                                                  "incorrect service \"%.*s\". This endpoint "
                                                  "belongs to \"%.*s\".",
                                                  PRSTR(signature->service), PRSTR(rules->service)))
                   : sigv4_refuse(
                         problem, SIGV4_BAD_SCOPE,
                         str_format(arena,
                                    "Credential should be scoped to correct service: '%.*s'.",
                                    PRSTR(rules->service)));
    if (!rules->skip_time)
        TRY(verify_time(arena, signature, rules, problem));
    struct sigv4_canonical canonical = {
        .request = request,
        .signed_headers = signature->signed_headers,
        .s3 = rules->s3,
        .presigned = signature->form == SIGV4_PRESIGNED,
    };
    TRY(choose_payload_hash(arena, signature, rules, body_sha256, &canonical.payload_hash,
                            problem));

    const struct sigv4_key_name name = verify_key_name(signature, rules);
    struct sigv4_key key;
    bool known = keys != NULL && sigv4_keys_find(keys, &name, &key);
    if (!known && signature->asymmetric)
        sigv4a_derive(signature->access_key, rules->secret, &key.pair);
    else if (!known)
        sigv4_key_derive(&key, &name);
    struct str string_to_sign;
    bool matches = signature_matches(arena, &key, signature, &canonical, &string_to_sign);
    if (!matches && str_find_char(request->query, '+') != SIZE_MAX) {
        /* A bare '+' was a plus sign to some signers and a form's space to others. */
        struct sigv4_canonical other = canonical;
        struct str ignored;
        other.plus_is_space = true;
        matches = signature_matches(arena, &key, signature, &other, &ignored);
    }
    TRY(verify_signed_headers(arena, &canonical, problem));
    if (!matches)
        return refuse_mismatch(problem, &canonical, string_to_sign);
    TRY(verify_body(arena, signature, body_sha256, problem));
    if (!known && keys != NULL)
        sigv4_keys_put(keys, &name, &key);
    if (signing_key != NULL)
        memcpy(signing_key, signature->asymmetric ? key.pair.scalar : key.bytes, SHA256_SIZE);
    return RESULT_OK;
}

struct str sigv4_sign(struct arena *arena, const struct wire_request *request,
                      struct str access_key, struct str secret, struct str region,
                      struct str service, int64_t now_ms, struct str signed_headers,
                      struct str payload_hash, bool s3)
{
    char time_text[32], hex[SIGV4_HEX_SIZE];
    struct buf time;
    buf_init_fixed(&time, time_text, sizeof(time_text));
    time_format_basic(&time, now_ms);
    const struct sigv4 signature = {
        .date = str_slice(buf_str(&time), 0, 8),
        .region = region,
        .service = service,
        .time = buf_str(&time),
    };
    struct sigv4_canonical canonical = {
        .request = request,
        .signed_headers = signed_headers,
        .payload_hash = payload_hash,
        .s3 = s3,
        .presigned = true, /* a signature that is there already is not signed */
    };
    sigv4_canonicalize(arena, &canonical);
    const struct sigv4_key_name name = {secret, signature.date, region, service};
    struct sigv4_key key;
    sigv4_key_derive(&key, &name);
    sigv4_key_sign(&key, sigv4_string_to_sign(arena, &signature, canonical.text), hex);

    struct buf out;
    buf_init(&out, arena, SIZE_MAX / 4);
    buf_append(&out, STR("AWS4-HMAC-SHA256 Credential="));
    buf_append(&out, access_key);
    buf_append_char(&out, '/');
    buf_append(&out, signature.date);
    buf_append_char(&out, '/');
    buf_append(&out, region);
    buf_append_char(&out, '/');
    buf_append(&out, service);
    buf_append(&out, STR("/aws4_request, SignedHeaders="));
    buf_append(&out, canonical.sorted_headers);
    buf_append(&out, STR(", Signature="));
    buf_append(&out, str_make(hex, sizeof(hex)));
    return buf_str(&out);
}

void sigv4_sign_policy(const struct sigv4 *signature, struct str secret, struct str policy,
                       char out[64])
{
    const struct sigv4_key_name name = {secret, signature->date, signature->region,
                                        signature->service};
    struct sigv4_key key;
    sigv4_key_derive(&key, &name);
    sigv4_key_sign(&key, policy, out);
}
