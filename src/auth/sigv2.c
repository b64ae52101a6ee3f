#include "auth/sigv2.h"

#include "auth/sigv4_int.h"
#include "base/encode.h"
#include "wire/params.h"

enum { SHA1_BLOCK = 64 };

/* RFC 2104 */
static void hmac_sha1(struct str key, struct str data, uint8_t out[SHA1_SIZE])
{
    uint8_t padded[SHA1_BLOCK] = {0}, pad[SHA1_BLOCK];
    struct digest digest;
    if (key.len > SHA1_BLOCK)
        digest_sha1(key, padded);
    else if (key.len > 0)
        memcpy(padded, key.ptr, key.len);
    for (size_t i = 0; i < SHA1_BLOCK; i++)
        pad[i] = padded[i] ^ 0x36;
    digest_begin(&digest, DIGEST_SHA1);
    digest_update(&digest, str_make((const char *)pad, SHA1_BLOCK));
    digest_update(&digest, data);
    digest_end(&digest, out);
    for (size_t i = 0; i < SHA1_BLOCK; i++)
        pad[i] = padded[i] ^ 0x5c;
    digest_begin(&digest, DIGEST_SHA1);
    digest_update(&digest, str_make((const char *)pad, SHA1_BLOCK));
    digest_update(&digest, str_make((const char *)out, SHA1_SIZE));
    digest_end(&digest, out);
}

void sigv2_sign(struct str secret, struct str text, char out[SIGV2_SIGNATURE_SIZE])
{
    uint8_t sum[SHA1_SIZE];
    struct buf base64;
    hmac_sha1(secret, text, sum);
    buf_init_fixed(&base64, out, SIGV2_SIGNATURE_SIZE);
    base64_encode(&base64, str_make((const char *)sum, SHA1_SIZE));
    ASSERT(base64.len == SIGV2_SIGNATURE_SIZE);
}

/* ---- parsing ---- */

static struct str value_of(const struct wire_params *params, struct str key)
{
    const struct wire_param *param = wire_params_find(params, key);
    if (param == NULL)
        return (struct str){0};
    return str_is_absent(param->value) ? STR("") : param->value;
}

RESULT sigv2_parse_query(struct arena *arena, const struct wire_request *request, struct sigv4 *out,
                         struct sigv4_problem *problem)
{
    struct wire_params params = {0};
    if (!wire_params_read(arena, request->query, &params))
        return sigv4_refuse(problem, SIGV4_MALFORMED,
                            STR("A query-string parameter is not validly percent-encoded."));
    struct str expires = value_of(&params, STR("Expires"));
    *out = (struct sigv4){
        .form = SIGV4_V2_QUERY,
        .access_key = value_of(&params, STR("AWSAccessKeyId")),
        .signature = value_of(&params, STR("Signature")),
        .security_token = value_of(&params, STR("x-amz-security-token")),
        .time = expires,
        .service = STR("s3"),
    };
    if (str_is_absent(out->security_token))
        out->security_token = wire_request_header(request, STR("x-amz-security-token"));
    if (str_is_empty(expires))
        return sigv4_refuse(problem, SIGV4_EXPIRED,
                            STR("Query-string authentication requires the Signature, Expires and "
                                "AWSAccessKeyId parameters"));
    int64_t seconds;
    if (!str_to_i64(expires, &seconds) || seconds < 0 || seconds > INT64_MAX / 1000)
        return sigv4_refuse(problem, SIGV4_EXPIRED,
                            str_format(arena, "Invalid date (should be seconds since epoch): %.*s",
                                       PRSTR(expires)));
    out->time_ms = seconds * 1000;
    return RESULT_OK;
}

/* ---- the string to sign ---- */

static bool is_amz(struct str name)
{
    return name.len > 6 && str_eq_nocase(str_slice(name, 0, 6), STR("x-amz-"));
}

struct pair {
    struct str name, value;
};

/* By name; the same names stay in their order. */
static void sort_pairs(struct pair *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct pair moved = pairs[i];
        size_t j = i;
        for (; j > 0 && str_cmp(pairs[j - 1].name, moved.name) > 0; j--)
            pairs[j] = pairs[j - 1];
        pairs[j] = moved;
    }
}

/* A header, or what stands for it in the query: signers put there what they signed. */
static struct str header_or_param(const struct wire_request *request,
                                  const struct wire_params *params, struct str name)
{
    struct str value = wire_request_header(request, name);
    if (str_is_absent(value))
        value = value_of(params, name);
    return str_is_absent(value) ? STR("") : str_trim(value);
}

static void add_amz_headers(struct arena *arena, const struct wire_request *request,
                            const struct wire_params *params, struct buf *out)
{
    struct pair *pairs = ARENA_ARRAY(arena, request->header_count + params->len + 1, struct pair);
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        if (is_amz(request->headers[i].name))
            pairs[count++] = (struct pair){str_lower(arena, request->headers[i].name),
                                           str_trim(request->headers[i].value)};
    for (size_t i = 0; i < params->len; i++) {
        const struct wire_param *param = &params->items[i];
        if (is_amz(param->key) &&
            str_is_absent(wire_request_header(request, str_lower(arena, param->key))))
            pairs[count++] = (struct pair){str_lower(arena, param->key), str_trim(param->value)};
    }
    sort_pairs(pairs, count);
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && str_eq(pairs[i - 1].name, pairs[i].name);
        if (again)
            out->len--; /* the line's end */
        buf_append(out, again ? STR("") : pairs[i].name);
        buf_append_char(out, again ? ',' : ':');
        buf_append(out, pairs[i].value);
        buf_append_char(out, '\n');
    }
}

/* The parameters that are part of the resource: those that the page lists, and the later ones that
 * signers count among them. */
static bool is_resource(struct str name)
{
    static const struct str names[] = {
        STR_INIT("accelerate"),
        STR_INIT("acl"),
        STR_INIT("analytics"),
        STR_INIT("cors"),
        STR_INIT("defaultObjectAcl"),
        STR_INIT("delete"),
        STR_INIT("inventory"),
        STR_INIT("lifecycle"),
        STR_INIT("location"),
        STR_INIT("logging"),
        STR_INIT("metrics"),
        STR_INIT("notification"),
        STR_INIT("object-lock"),
        STR_INIT("partNumber"),
        STR_INIT("policy"),
        STR_INIT("replication"),
        STR_INIT("requestPayment"),
        STR_INIT("response-cache-control"),
        STR_INIT("response-content-disposition"),
        STR_INIT("response-content-encoding"),
        STR_INIT("response-content-language"),
        STR_INIT("response-content-type"),
        STR_INIT("response-expires"),
        STR_INIT("restore"),
        STR_INIT("select"),
        STR_INIT("select-type"),
        STR_INIT("storageClass"),
        STR_INIT("tagging"),
        STR_INIT("torrent"),
        STR_INIT("uploadId"),
        STR_INIT("uploads"),
        STR_INIT("versionId"),
        STR_INIT("versioning"),
        STR_INIT("versions"),
        STR_INIT("website"),
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

static void add_resource(struct arena *arena, const struct wire_request *request,
                         const struct wire_params *params, struct str bucket, struct buf *out)
{
    if (!str_is_absent(bucket)) {
        buf_append_char(out, '/');
        buf_append(out, bucket);
    }
    buf_append(out, request->path);
    struct pair *pairs = ARENA_ARRAY(arena, params->len + 1, struct pair);
    size_t count = 0;
    for (size_t i = 0; i < params->len; i++)
        if (is_resource(params->items[i].key))
            pairs[count++] = (struct pair){params->items[i].key, params->items[i].value};
    sort_pairs(pairs, count);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(out, i == 0 ? '?' : '&');
        buf_append(out, pairs[i].name);
        if (str_is_empty(pairs[i].value))
            continue;
        buf_append_char(out, '=');
        buf_append(out, pairs[i].value);
    }
}

static struct str string_to_sign(struct arena *arena, const struct sigv4 *signature,
                                 const struct wire_request *request,
                                 const struct wire_params *params, struct str bucket)
{
    struct buf text;
    buf_init(&text, arena, SIZE_MAX / 4);
    buf_append(&text, request->method);
    buf_append_char(&text, '\n');
    buf_append(&text, header_or_param(request, params, STR("content-md5")));
    buf_append_char(&text, '\n');
    buf_append(&text, header_or_param(request, params, STR("content-type")));
    buf_append_char(&text, '\n');
    buf_append(&text, signature->time);
    buf_append_char(&text, '\n');
    add_amz_headers(arena, request, params, &text);
    add_resource(arena, request, params, bucket, &text);
    return buf_str(&text);
}

static bool matches(const struct sigv4 *signature, struct str secret, struct str text)
{
    char right[SIGV2_SIGNATURE_SIZE];
    sigv2_sign(secret, text, right);
    return signature->signature.len == sizeof right &&
           digest_equal((const uint8_t *)right, (const uint8_t *)signature->signature.ptr,
                        sizeof right);
}

RESULT sigv2_verify_query(struct arena *arena, const struct sigv4 *signature,
                          const struct wire_request *request, struct str bucket_in_host,
                          struct str secret, int64_t now_ms, int64_t ahead_ms,
                          struct sigv4_problem *problem)
{
    struct wire_params params = {0};
    TRY(sigv4_check_expiry(signature, now_ms, ahead_ms, problem));
    if (!wire_params_read(arena, request->query, &params))
        return FAULT("a query that was read before cannot be read again");
    struct str text = string_to_sign(arena, signature, request, &params, bucket_in_host);
    if (matches(signature, secret, text))
        return RESULT_OK;
    struct str path = str_slice(request->path, 1, request->path.len);
    if (str_is_absent(bucket_in_host) && path.len > 0 && str_find_char(path, '/') == SIZE_MAX) {
        /* "/BUCKET" stands for "/BUCKET/", and some signers sign that. */
        struct wire_request longer = *request;
        longer.path = STR("/");
        if (matches(signature, secret, string_to_sign(arena, signature, &longer, &params, path)))
            return RESULT_OK;
    }
    *problem = (struct sigv4_problem){
        .fault = SIGV4_MISMATCH,
        .message = STR("The request signature we calculated does not match the signature you "
                       "provided. Check your key and signing method."),
        .string_to_sign = text,
    };
    return RESULT_ERROR;
}
