/* Checksums: by name, of buffered bodies, and of what is put together from parts. "Checking object
 * integrity in Amazon S3", Amazon S3 User Guide. */
#include "base/encode.h"
#include "services/s3/s3_int.h"

static const struct {
    struct str name;
    enum digest_kind kind;
    uint64_t polynomial; /* reflected; 0: no CRC */
} kinds[] = {
    {STR_INIT("CRC32"), DIGEST_CRC32, UINT64_C(0xedb88320)},
    {STR_INIT("CRC32C"), DIGEST_CRC32C, UINT64_C(0x82f63b78)},
    {STR_INIT("CRC64NVME"), DIGEST_CRC64NVME, UINT64_C(0x9a6c9329ac4bc9b5)},
    {STR_INIT("SHA1"), DIGEST_SHA1, 0},
    {STR_INIT("SHA256"), DIGEST_SHA256, 0},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct str s3_checksum_name(enum digest_kind kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return (struct str){0};
}

bool s3_checksum_kind(struct str name, enum digest_kind *kind)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (str_eq(kinds[i].name, name)) {
            *kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

struct str s3_checksum_if(struct str algorithm, struct str value, struct str wanted)
{
    return str_eq(algorithm, wanted) ? value : (struct str){0};
}

/* --- joining: crc(AB) = crc(A) * x^(8|B|) + crc(B), modulo the polynomial ---
 * Polynomials are reflected: the highest bit is x^0. */

static uint64_t multiply(uint64_t a, uint64_t b, unsigned width, uint64_t polynomial)
{
    uint64_t product = 0;
    for (uint64_t bit = UINT64_C(1) << (width - 1); bit != 0; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ polynomial : b >> 1;
    }
    return product;
}

static uint64_t read_big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

void s3_crc_join(enum digest_kind kind, uint8_t *a, const uint8_t *b, uint64_t b_size)
{
    size_t size = digest_size(kind);
    unsigned width = (unsigned)(8 * size);
    uint64_t polynomial = 0;
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind)
            polynomial = kinds[i].polynomial;
    ASSERT(polynomial != 0);
    uint64_t power = UINT64_C(1) << (width - 1), square = UINT64_C(1) << (width - 2);
    for (uint64_t bits = 8 * b_size; bits != 0; bits >>= 1) {
        if (bits & 1)
            power = multiply(square, power, width, polynomial);
        square = multiply(square, square, width, polynomial);
    }
    uint64_t joined =
        multiply(power, read_big_endian(a, size), width, polynomial) ^ read_big_endian(b, size);
    for (size_t i = 0; i < size; i++)
        a[i] = (uint8_t)(joined >> (8 * (size - 1 - i)));
}

/* --- bodies that are buffered --- */

static RESULT check_md5(struct call *call, struct str given)
{
    struct str bytes;
    uint8_t md5[MD5_SIZE];
    if (!base64_decode(call->arena, str_trim(given), &bytes) || bytes.len != MD5_SIZE)
        return call_fail(call, S3_INVALID_DIGEST, "The Content-MD5 you specified was invalid.");
    digest_md5(call->request->body, md5);
    if (memcmp(md5, bytes.ptr, MD5_SIZE) != 0)
        return call_fail(call, S3_BAD_DIGEST,
                         "The Content-MD5 you specified did not match what we received.");
    return RESULT_OK;
}

static RESULT check_kind(struct call *call, size_t i, struct str given)
{
    struct digest digest;
    struct str bytes;
    uint8_t sum[SHA256_SIZE];
    if (!base64_decode(call->arena, str_trim(given), &bytes) ||
        bytes.len != digest_size(kinds[i].kind))
        return call_fail(call, WIRE_VALIDATION, "Value for x-amz-checksum-%.*s header is invalid.",
                         PRSTR(str_lower(call->arena, kinds[i].name)));
    digest_begin(&digest, kinds[i].kind);
    digest_update(&digest, call->request->body);
    digest_end(&digest, sum);
    if (memcmp(sum, bytes.ptr, bytes.len) != 0)
        return call_fail(call, S3_BAD_DIGEST,
                         "The %.*s you specified did not match the calculated checksum.",
                         PRSTR(kinds[i].name));
    return RESULT_OK;
}

/* Older programs than the SDKs (s3cmd) send no digest with some of these, and AWS takes them; with
 * the others it is optional. */
static bool body_may_go_unchecked(const struct call *call)
{
    static const uint32_t operations[] = {
        S3_OP_PutBucketAcl,
        S3_OP_PutObjectAcl,
        S3_OP_PutBucketPolicy,
        S3_OP_PutBucketLogging,
        S3_OP_PutBucketVersioning,
        S3_OP_PutBucketRequestPayment,
        S3_OP_PutBucketWebsite,
        S3_OP_PutBucketAccelerateConfiguration,
        S3_OP_PutBucketAnalyticsConfiguration,
        S3_OP_PutBucketIntelligentTieringConfiguration,
        S3_OP_PutBucketInventoryConfiguration,
        S3_OP_PutBucketMetricsConfiguration,
        S3_OP_PutBucketNotification,
        S3_OP_PutBucketNotificationConfiguration,
        S3_OP_CreateBucket,
        S3_OP_RestoreObject,
        S3_OP_SelectObjectContent,
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (operations[i] == call->operation)
            return true;
    return false;
}

RESULT s3_check_md5(struct call *call, bool *given)
{
    struct str md5 = {0};
    if (call->request != NULL)
        md5 = wire_request_header(call->request, STR("content-md5"));
    *given = !str_is_absent(md5);
    return *given ? check_md5(call, md5) : RESULT_OK;
}

RESULT s3_refuse_checksums(struct call *call)
{
    static const struct str others[] = {STR_INIT("type"), STR_INIT("algorithm"), STR_INIT("mode")};
    struct str prefix = STR("x-amz-checksum-");
    for (size_t i = 0; call->request != NULL && i < call->request->header_count; i++) {
        struct str name = call->request->headers[i].name;
        if (!str_eq_nocase(str_slice(name, 0, prefix.len), prefix))
            continue;
        name = str_slice(name, prefix.len, name.len);
        bool known = false;
        for (size_t k = 0; k < KINDS; k++)
            known |= str_eq_nocase(name, kinds[k].name);
        for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
            known |= str_eq_nocase(name, others[k]);
        if (!known)
            return call_fail(
                call, WIRE_VALIDATION,
                "The algorithm type you specified in x-amz-checksum- header is invalid.");
    }
    return RESULT_OK;
}

RESULT s3_check_body(struct call *call)
{
    if (call->request == NULL)
        return RESULT_OK;
    bool checked;
    TRY(s3_check_md5(call, &checked));
    TRY(s3_refuse_checksums(call));
    struct str named = wire_request_header(call->request, STR("x-amz-sdk-checksum-algorithm"));
    bool found = false;
    for (size_t i = 0; i < KINDS; i++) {
        struct str header = str_concat(call->arena, STR("x-amz-checksum-"), kinds[i].name);
        struct str given = wire_request_header(call->request, header);
        if (!str_is_absent(given)) {
            TRY(check_kind(call, i, given));
            checked = true;
            found |= str_eq_nocase(named, kinds[i].name);
        }
    }
    if (!str_is_absent(named) && !found)
        return call_fail(call, WIRE_VALIDATION,
                         "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                         "x-amz-checksum-* or x-amz-trailer headers were found.");
    if (checked || body_may_go_unchecked(call))
        return RESULT_OK;
    return call_fail(call, WIRE_VALIDATION,
                     "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
}
