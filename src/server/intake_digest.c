/* What S3 knows of a payload by heart: its MD5 and one checksum, taken while it streams. */
#include "base/encode.h"
#include "server/intake_int.h"

struct checksum_name {
    struct str header, algorithm;
    enum digest_kind kind;
};
static const struct checksum_name checksum_names[] = {
    {STR_INIT("x-amz-checksum-crc32"), STR_INIT("CRC32"), DIGEST_CRC32},
    {STR_INIT("x-amz-checksum-crc32c"), STR_INIT("CRC32C"), DIGEST_CRC32C},
    {STR_INIT("x-amz-checksum-crc64nvme"), STR_INIT("CRC64NVME"), DIGEST_CRC64NVME},
    {STR_INIT("x-amz-checksum-sha1"), STR_INIT("SHA1"), DIGEST_SHA1},
    {STR_INIT("x-amz-checksum-sha256"), STR_INIT("SHA256"), DIGEST_SHA256},
};
enum { CHECKSUM_NAMES = sizeof checksum_names / sizeof checksum_names[0] };

static RESULT digest_refuse(struct request *request, struct str code, struct str message)
{
    request->code = code;
    return request_fail(request, WIRE_VALIDATION, message);
}

static const struct checksum_name *checksum_of_header(struct str name)
{
    for (size_t i = 0; i < CHECKSUM_NAMES; i++)
        if (str_eq_nocase(checksum_names[i].header, name))
            return &checksum_names[i];
    return NULL;
}

static const struct checksum_name *checksum_of_kind(enum digest_kind kind)
{
    for (size_t i = 0; i < CHECKSUM_NAMES; i++)
        if (checksum_names[i].kind == kind)
            return &checksum_names[i];
    return NULL;
}

static RESULT choose(struct request *request, struct intake *intake, struct str header,
                     const struct checksum_name **chosen)
{
    const struct checksum_name *name = checksum_of_header(header);
    if (name == NULL)
        return digest_refuse(
            request, STR("InvalidRequest"),
            STR("The algorithm type you specified in x-amz-checksum- header is invalid."));
    if (*chosen != NULL)
        return digest_refuse(request, STR("InvalidRequest"),
                             STR("Expecting a single x-amz-checksum- header. Multiple checksum "
                                 "Types are not allowed."));
    *chosen = name;
    intake->checksum_chosen = true;
    return RESULT_OK;
}

RESULT intake_digest_begin(struct request *request, struct intake *intake)
{
    const struct wire_request *wire = &request->wire;
    const struct checksum_name *chosen = NULL;
    struct str prefix = STR("x-amz-checksum-");
    for (size_t i = 0; i < wire->header_count; i++) {
        struct str name = wire->headers[i].name;
        if (str_eq_nocase(str_slice(name, 0, prefix.len), prefix) &&
            !str_eq_nocase(name, STR("x-amz-checksum-type")) &&
            !str_eq_nocase(name, STR("x-amz-checksum-algorithm")) &&
            !str_eq_nocase(name, STR("x-amz-checksum-mode")))
            TRY(choose(request, intake, name, &chosen));
    }
    struct str trailer = str_trim(wire_request_header(wire, STR("x-amz-trailer")));
    if (str_eq_nocase(str_slice(trailer, 0, prefix.len), prefix)) {
        TRY(choose(request, intake, trailer, &chosen));
        intake->checksum_in_trailer = true;
    }
    struct str algorithm = wire_request_header(wire, STR("x-amz-sdk-checksum-algorithm"));
    if (!str_is_absent(algorithm) &&
        (chosen == NULL || !str_eq_nocase(chosen->algorithm, algorithm)))
        return digest_refuse(request, STR("InvalidRequest"),
                             chosen == NULL
                                 ? STR("x-amz-sdk-checksum-algorithm specified, but no "
                                       "corresponding x-amz-checksum-* or x-amz-trailer headers "
                                       "were found.")
                                 : STR("Value for x-amz-sdk-checksum-algorithm header is "
                                       "invalid."));
    digest_begin(&intake->md5, DIGEST_MD5);
    digest_begin(&intake->crc64nvme, DIGEST_CRC64NVME);
    digest_begin(&intake->checksum, chosen == NULL ? DIGEST_CRC64NVME : chosen->kind);
    struct str operation = wire_string(
        request->call.model, request->call.model->operations[request->call.operation].name);
    intake->wants_crc64 =
        intake->checksum.kind != DIGEST_CRC64NVME && str_eq(operation, STR("UploadPart"));
    return RESULT_OK;
}

RESULT intake_digest_md5(void *context, struct str payload)
{
    struct intake *intake = context;
    digest_update(&intake->md5, payload);
    return RESULT_OK;
}

RESULT intake_digest_rest(void *context, struct str payload)
{
    struct intake *intake = context;
    if (intake->check_sha256)
        digest_update(&intake->sha256, payload);
    if (!intake->check_sha256 || intake->checksum.kind != DIGEST_SHA256)
        digest_update(&intake->checksum, payload);
    if (intake->wants_crc64)
        digest_update(&intake->crc64nvme, payload);
    return RESULT_OK;
}

RESULT intake_digest_update(struct intake *intake, struct str payload)
{
    TRY(intake_digest_md5(intake, payload));
    return intake_digest_rest(intake, payload);
}

static RESULT check_md5(struct request *request, const uint8_t *md5)
{
    struct str given = wire_request_header(&request->wire, STR("content-md5"));
    struct str bytes;
    if (str_is_absent(given))
        return RESULT_OK;
    if (!base64_decode(request->call.arena, str_trim(given), &bytes) || bytes.len != MD5_SIZE) {
        request_detail(request, STR("Content-MD5"), given);
        return digest_refuse(request, STR("InvalidDigest"),
                             STR("The Content-MD5 you specified was invalid."));
    }
    if (memcmp(bytes.ptr, md5, MD5_SIZE) == 0)
        return RESULT_OK;
    struct buf hex, base64;
    buf_init(&hex, request->call.arena, 2 * MD5_SIZE);
    buf_init(&base64, request->call.arena, 2 * MD5_SIZE);
    hex_encode(&hex, bytes);
    base64_encode(&base64, str_make((const char *)md5, MD5_SIZE));
    request_detail(request, STR("ExpectedDigest"), buf_str(&hex));
    request_detail(request, STR("CalculatedDigest"), buf_str(&base64));
    return digest_refuse(request, STR("BadDigest"),
                         STR("The Content-MD5 you specified did not match what we received."));
}

static RESULT check_checksum(struct request *request, const struct intake *intake,
                             const uint8_t *value)
{
    const struct checksum_name *name = checksum_of_kind(intake->checksum.kind);
    struct arena *arena = request->call.arena;
    struct str given = wire_request_header(&request->wire, name->header), bytes;
    if (str_is_absent(given)) {
        if (intake->checksum_in_trailer)
            return digest_refuse(request, STR("MalformedTrailerError"),
                                 STR("The request contained trailing data that was not well-formed "
                                     "or did not conform to our published schema."));
        return RESULT_OK;
    }
    if (!base64_decode(arena, str_trim(given), &bytes) || bytes.len != digest_size(name->kind))
        return digest_refuse(
            request, STR("InvalidRequest"),
            str_format(arena, "Value for %.*s %s is invalid.", PRSTR(name->header),
                       intake->checksum_in_trailer ? "trailing header" : "header"));
    if (memcmp(bytes.ptr, value, bytes.len) != 0)
        return digest_refuse(
            request, STR("BadDigest"),
            str_format(arena, "The %.*s you specified did not match the calculated checksum.",
                       PRSTR(name->algorithm)));
    return RESULT_OK;
}

RESULT intake_digest_end(struct request *request, struct intake *intake,
                         struct call_payload *payload)
{
    digest_end(&intake->md5, payload->md5);
    /* The payload's own hash is the checksum, when that is a SHA-256: taken once. */
    digest_end(intake->check_sha256 && intake->checksum.kind == DIGEST_SHA256 ? &intake->sha256
                                                                              : &intake->checksum,
               payload->checksum_value);
    if (intake->checksum.kind == DIGEST_CRC64NVME)
        memcpy(payload->crc64nvme, payload->checksum_value, sizeof payload->crc64nvme);
    else if (intake->wants_crc64)
        digest_end(&intake->crc64nvme, payload->crc64nvme);
    TRY(check_md5(request, payload->md5));
    TRY(check_checksum(request, intake, payload->checksum_value));
    payload->digested = true;
    payload->checksum = intake->checksum.kind;
    payload->checksum_chosen = intake->checksum_chosen;
    return RESULT_OK;
}
