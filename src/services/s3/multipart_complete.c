/* CompleteMultipartUpload: the object is the list of its parts' pieces; no byte moves. */
#include "base/encode.h"
#include "base/vec.h"
#include "services/s3/changes.h"
#include "services/s3/crypt.h"
#include "services/s3/lifecycle.h"
#include "services/s3/lock.h"

/* What is being put together. */
struct completion {
    struct call *call;
    const struct s3_upload *upload;
    struct s3_manifest manifest;
    size_t pieces_cap, parts_cap;
    struct digest etag;    /* over the parts' MD5s */
    struct digest digests; /* COMPOSITE: over the parts' checksums */
    uint8_t joined[8];     /* FULL_OBJECT */
    enum digest_kind kind;
    bool composite;
    int64_t size;
};

static RESULT fail_part(struct completion *c, const struct s3_CompletedPart *wanted)
{
    struct s3_InvalidPart *detail = ARENA_NEW(c->call->arena, struct s3_InvalidPart);
    detail->UploadId = c->upload->upload_id;
    detail->PartNumber = wanted->PartNumber;
    detail->ETag = s3_unquote(wanted->ETag);
    return call_fail_with(c->call, S3_INVALID_PART, detail,
                          "One or more of the specified parts could not be found.  The part may "
                          "not have been uploaded, or the specified entity tag may not match the "
                          "part's entity tag.");
}

static RESULT fail_order(struct completion *c)
{
    struct s3_InvalidPartOrder *detail = ARENA_NEW(c->call->arena, struct s3_InvalidPartOrder);
    detail->UploadId = c->upload->upload_id;
    return call_fail_with(c->call, S3_INVALID_PART_ORDER, detail,
                          "The list of parts was not in ascending order. Parts must be ordered by "
                          "part number.");
}

static RESULT fail_small(struct completion *c, const struct s3_part *part)
{
    struct s3_EntityTooSmall *detail = ARENA_NEW(c->call->arena, struct s3_EntityTooSmall);
    detail->ProposedSize = opt_long(part->size);
    detail->MinSizeAllowed = opt_long(S3_PART_MIN);
    detail->PartNumber = opt_int((int32_t)part->number);
    detail->ETag = part->etag;
    return call_fail_with(c->call, S3_ENTITY_TOO_SMALL, detail,
                          "Your proposed upload is smaller than the minimum allowed size");
}

/* What it says of the part must be of the upload's algorithm, and true. */
static RESULT check_part_checksum(struct completion *c, const struct s3_CompletedPart *wanted,
                                  const struct s3_part *part)
{
    struct str algorithm = c->upload->checksum_algorithm;
    const struct {
        struct str name, value;
    } all[] = {
        {STR("CRC32"), wanted->ChecksumCRC32},
        {STR("CRC32C"), wanted->ChecksumCRC32C},
        {STR("CRC64NVME"), wanted->ChecksumCRC64NVME},
        {STR("SHA1"), wanted->ChecksumSHA1},
        {STR("SHA256"), wanted->ChecksumSHA256},
        {STR("SHA512"), wanted->ChecksumSHA512},
        {STR("MD5"), wanted->ChecksumMD5},
        {STR("XXHASH64"), wanted->ChecksumXXHASH64},
        {STR("XXHASH3"), wanted->ChecksumXXHASH3},
        {STR("XXHASH128"), wanted->ChecksumXXHASH128},
    };
    bool given = false;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (str_is_absent(all[i].value))
            continue;
        enum digest_kind kind;
        bool lax = !c->upload->checksum_chosen && s3_checksum_kind(all[i].name, &kind);
        if (!str_eq(all[i].name, algorithm) && lax)
            continue; /* which algorithm parts have was never said */
        if (!str_eq(all[i].name, algorithm))
            return call_fail(c->call, WIRE_VALIDATION,
                             "Checksum Type mismatch occurred, expected checksum Type: %.*s, "
                             "actual checksum Type: %.*s",
                             PRSTR(str_lower(c->call->arena, algorithm)),
                             PRSTR(str_lower(c->call->arena, all[i].name)));
        if (!str_eq(all[i].value, part->checksum))
            return fail_part(c, wanted);
        given = true;
    }
    if (!given && c->upload->checksum_chosen && c->composite)
        return call_fail(c->call, WIRE_VALIDATION,
                         "The upload was created using a %.*s checksum. The complete request must "
                         "include the checksum for each part. It was missing for part %d in the "
                         "request.",
                         PRSTR(str_lower(c->call->arena, algorithm)), wanted->PartNumber.value);
    return RESULT_OK;
}

/* The part's MD5 and checksum join those of the whole. */
static RESULT add_digests(struct completion *c, const struct s3_part *part, bool first)
{
    struct str md5, sum;
    if (!hex_decode(c->call->arena, part->etag, &md5) ||
        !base64_decode(c->call->arena, part->checksum, &sum) || sum.len != digest_size(c->kind))
        return FAULT("a part with broken digests");
    digest_update(&c->etag, md5);
    if (c->composite)
        digest_update(&c->digests, sum);
    else if (first)
        memcpy(c->joined, sum.ptr, sum.len);
    else
        s3_crc_join(c->kind, c->joined, (const uint8_t *)sum.ptr, (uint64_t)part->size);
    return RESULT_OK;
}

static RESULT add_part(struct completion *c, const struct s3_CompletedPart *wanted, bool first,
                       bool last)
{
    struct call *call = c->call;
    struct key key = part_key(call, c->upload, wanted->PartNumber.value);
    struct s3_part part;
    bool found;
    TRY(call_get_record_copy(call, &key, &s3_model, S3_SHAPE_part, &part, &found));
    if (!found || !str_eq(s3_unquote(wanted->ETag), part.etag))
        return fail_part(c, wanted);
    TRY(check_part_checksum(c, wanted, &part));
    if (!last && part.size < S3_PART_MIN)
        return fail_small(c, &part);
    TRY(add_digests(c, &part, first));
    c->size += part.size;
    struct s3_done_part done = {
        .number = part.number, .size = part.size, .checksum = part.checksum};
    VEC_PUSH(call->arena, c->manifest.parts.items, c->manifest.parts.len, c->parts_cap, done);
    for (size_t i = 0; i < part.pieces.len; i++)
        if (part.pieces.items[i].length > 0 || str_is_absent(part.pieces.items[i].bytes))
            VEC_PUSH(call->arena, c->manifest.pieces.items, c->manifest.pieces.len, c->pieces_cap,
                     part.pieces.items[i]);
    return kv_delete(call->txn, key_bytes(&key), NULL); /* its blobs are the object's now */
}

static RESULT add_parts(struct completion *c, const struct s3_CompletedPartList *list)
{
    int64_t before = 0;
    for (size_t i = 0; i < list->len; i++) {
        int64_t number = list->items[i].PartNumber.value;
        if (!list->items[i].PartNumber.set || str_is_absent(list->items[i].ETag))
            return call_fail(c->call, WIRE_SERIALIZATION,
                             "The XML you provided was not well-formed or did not validate against "
                             "our published schema");
        TRY(part_check_number(c->call, number));
        if (number <= before)
            return fail_order(c);
        before = number;
    }
    for (size_t i = 0; i < list->len; i++)
        TRY(add_part(c, &list->items[i], i == 0, i + 1 == list->len));
    return RESULT_OK;
}

static RESULT finish_object(struct completion *c,
                            const struct s3_CompleteMultipartUploadRequest *in,
                            struct s3_object *object)
{
    struct call *call = c->call;
    uint8_t md5[MD5_SIZE], sum[SHA256_SIZE];
    size_t count = c->manifest.parts.len, size = digest_size(c->kind);
    digest_end(&c->etag, md5);
    object->etag =
        str_format(call->arena, "%.*s-%zu", PRSTR(s3_hex(call->arena, md5, sizeof md5)), count);
    if (c->composite) {
        digest_end(&c->digests, sum);
        object->checksum =
            str_format(call->arena, "%.*s-%zu", PRSTR(s3_base64(call->arena, sum, size)), count);
    } else {
        object->checksum = s3_base64(call->arena, c->joined, size);
    }
    object->checksum_algorithm = c->upload->checksum_algorithm;
    object->checksum_type = c->upload->checksum_type;
    object->size = c->size;
    object->part_count = (int64_t)count;
    struct str given = S3_GET_CHECKSUM(in, object->checksum_algorithm);
    struct str plain;
    str_cut(object->checksum, '-', &plain, &(struct str){0});
    if (!str_is_absent(given) && !str_eq(given, object->checksum) && !str_eq(given, plain))
        return call_fail(call, S3_BAD_DIGEST,
                         "The %.*s you specified did not match the calculated checksum.",
                         PRSTR(object->checksum_algorithm));
    if (!str_is_absent(in->ChecksumType) && !str_eq(in->ChecksumType, object->checksum_type))
        return call_fail(call, S3_BAD_DIGEST,
                         "The checksum type you specified did not match the upload's: %.*s.",
                         PRSTR(object->checksum_type));
    if (in->MpuObjectSize.set && in->MpuObjectSize.value != c->size)
        return call_fail(call, WIRE_VALIDATION,
                         "The provided 'x-amz-mp-object-size' header does not match what was "
                         "computed.");
    if (c->size > S3_OBJECT_MAX)
        return call_fail(call, S3_REQUEST_TOO_LARGE,
                         "Your proposed upload exceeds the maximum allowed object size.");
    return RESULT_OK;
}

static struct str complete_location(struct call *call,
                                    const struct s3_CompleteMultipartUploadRequest *in)
{
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append(&out,
               str_format(call->arena, "%.*s/%.*s/", PRSTR(call->endpoint), PRSTR(in->Bucket)));
    percent_encode(&out, in->Key, false);
    return buf_str(&out);
}

RESULT s3_CompleteMultipartUpload(struct call *call,
                                  const struct s3_CompleteMultipartUploadRequest *in,
                                  struct s3_CompleteMultipartUploadOutput *out)
{
    struct s3_bucket bucket;
    struct s3_upload upload;
    size_t dropped;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (str_is_absent(in->UploadId)) /* an object takes no POST that names none */
        return s3_method_not_allowed(call, STR("OBJECT"));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    TRY(s3_check_md5(call, &(bool){false})); /* x-amz-checksum- headers are the object's */
    TRY(s3_refuse_checksums(call));
    TRY(upload_find(call, &bucket, in->Key, in->UploadId, &upload));
    /* A customer's key may be given, and must then be the one. */
    const struct crypt_customer customer = CRYPT_CUSTOMER(in);
    struct crypt crypt;
    if (!str_is_absent(customer.algorithm))
        TRY(crypt_open_upload(call, &bucket, in->Key, upload.object, &customer, &crypt));
    if (in->MultipartUpload == NULL || in->MultipartUpload->Parts.len == 0)
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against "
                         "our published schema");
    TRY(conditions_write(call, &bucket, in->Key, in->IfMatch, in->IfNoneMatch));
    struct completion c = {.call = call, .upload = &upload};
    if (!s3_checksum_kind(upload.checksum_algorithm, &c.kind))
        return FAULT("an upload without a checksum");
    c.composite = str_eq(upload.checksum_type, STR("COMPOSITE"));
    digest_begin(&c.etag, DIGEST_MD5);
    digest_begin(&c.digests, c.kind);
    TRY(add_parts(&c, &in->MultipartUpload->Parts));
    struct s3_object *object = upload.object;
    TRY(finish_object(&c, in, object));
    TRY(lock_default(call, &bucket, object));
    TRY(content_set(call, object, &c.manifest));
    TRY(object_add(call, &bucket, in->Key, object));
    const struct s3_change change = {
        .kind = S3_CREATED_MULTIPART, .key = in->Key, .object = object};
    TRY(s3_changed(call, &bucket, &change));
    /* Parts that the list leaves out go. */
    TRY(upload_drop_parts(call, upload.sequence, SIZE_MAX, &dropped));
    struct key key = upload_key(call, &bucket, in->Key, upload.sequence);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(lifecycle_expiration(call, &bucket, in->Key, object, &out->Expiration));
    out->Bucket = in->Bucket;
    out->Key = in->Key;
    out->Location = complete_location(call, in);
    out->ETag = s3_quote(call->arena, object->etag);
    out->VersionId = object_shown_version(&bucket, object);
    out->ServerSideEncryption = crypt_shown_algorithm(object);
    if (object->sealing != NULL && !crypt_is_customers(object)) {
        out->SSEKMSKeyId = object->sealing->key_arn;
        if (object->sealing->bucket_key)
            out->BucketKeyEnabled = opt_bool(true);
    }
    out->ChecksumType = object->checksum_type;
    S3_SET_CHECKSUM(out, object->checksum_algorithm, object->checksum);
    return RESULT_OK;
}
