/* Multipart uploads: making, parts, aborting. "Uploading and copying objects using multipart
 * upload", Amazon S3 User Guide. */
#include "services/s3/access.h"
#include "services/s3/crypt.h"
#include "services/s3/lifecycle.h"
#include "services/s3/lock.h"
#include "store/record.h"

struct key upload_key(struct call *call, const struct s3_bucket *bucket, struct str key,
                      int64_t sequence)
{
    struct key out;
    key_init(&out, call->arena);
    key_str(&out, STR("s3-upload"));
    key_i64(&out, bucket->id);
    key_str(&out, key);
    key_i64(&out, sequence);
    return out;
}

struct key part_prefix(struct call *call, int64_t upload_sequence)
{
    struct key out;
    key_init(&out, call->arena);
    key_str(&out, STR("s3-part"));
    key_i64(&out, upload_sequence);
    return out;
}

struct key part_key(struct call *call, const struct s3_upload *upload, int64_t number)
{
    struct key out = part_prefix(call, upload->sequence);
    key_i64(&out, number);
    return out;
}

RESULT upload_find(struct call *call, const struct s3_bucket *bucket, struct str key,
                   struct str upload_id, struct s3_upload *upload)
{
    uint64_t sequence;
    bool found = false;
    if (s3_read_id(call->arena, upload_id, &sequence)) {
        struct key at = upload_key(call, bucket, key, (int64_t)sequence);
        TRY(call_get_record_copy(call, &at, &s3_model, S3_SHAPE_upload, upload, &found));
        if (found && str_eq(upload->upload_id, upload_id))
            return RESULT_OK;
    }
    struct s3_NoSuchUpload *detail = ARENA_NEW(call->arena, struct s3_NoSuchUpload);
    detail->UploadId = upload_id;
    return call_fail_with(call, S3_NO_SUCH_UPLOAD, detail,
                          "The specified upload does not exist. The upload ID may be invalid, or "
                          "the upload may have been aborted or completed.");
}

/* --- CreateMultipartUpload --- */

/* Which checksums the object will have ("Using part-level checksums for multipart uploads"). */
static RESULT create_checksum(struct call *call, const struct s3_CreateMultipartUploadRequest *in,
                              struct s3_upload *upload)
{
    enum digest_kind kind = DIGEST_CRC64NVME;
    upload->checksum_chosen = !str_is_absent(in->ChecksumAlgorithm);
    if (upload->checksum_chosen && !s3_checksum_kind(in->ChecksumAlgorithm, &kind))
        return call_fail(call, WIRE_VALIDATION,
                         "Checksum algorithm provided is unsupported. Please try again with any of "
                         "the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    upload->checksum_algorithm = s3_checksum_name(kind);
    bool hash = kind == DIGEST_SHA1 || kind == DIGEST_SHA256;
    upload->checksum_type =
        kind == DIGEST_CRC64NVME ? STR("FULL_OBJECT") : STR("COMPOSITE"); /* unless it says so */
    if (str_is_absent(in->ChecksumType))
        return RESULT_OK;
    bool full = str_eq(in->ChecksumType, STR("FULL_OBJECT"));
    if (!upload->checksum_chosen)
        return call_fail(call, WIRE_VALIDATION,
                         "The x-amz-checksum-type header can only be used with the "
                         "x-amz-checksum-algorithm header.");
    if ((full && hash) || (!full && kind == DIGEST_CRC64NVME) ||
        (!full && !str_eq(in->ChecksumType, STR("COMPOSITE"))))
        return call_fail(call, WIRE_VALIDATION,
                         "The %.*s checksum type cannot be used with the %.*s checksum algorithm.",
                         PRSTR(in->ChecksumType), PRSTR(upload->checksum_algorithm));
    upload->checksum_type = in->ChecksumType;
    return RESULT_OK;
}

static RESULT create_check(struct call *call, const struct s3_CreateMultipartUploadRequest *in)
{
    TRY(s3_check_key(call, in->Key));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    TRY(s3_check_redirect(call, in->WebsiteRedirectLocation));
    return s3_check_storage_class(call, in->StorageClass);
}

RESULT s3_CreateMultipartUpload(struct call *call, const struct s3_CreateMultipartUploadRequest *in,
                                struct s3_CreateMultipartUploadOutput *out)
{
    struct s3_bucket bucket;
    uint64_t sequence;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(create_check(call, in));
    struct s3_object object = {
        .content_type = in->ContentType,
        .cache_control = in->CacheControl,
        .content_disposition = in->ContentDisposition,
        .content_encoding = in->ContentEncoding,
        .content_language = in->ContentLanguage,
        .expires = in->Expires,
        .storage_class = in->StorageClass,
        .website_redirect = in->WebsiteRedirectLocation,
    };
    struct s3_upload upload = {.initiated_ms = call->now_ms / 1000 * 1000, .object = &object};
    TRY(s3_read_metadata(call, &in->Metadata, &object.metadata));
    TRY(s3_read_tagging(call, in->Tagging, &object.tags));
    const struct acl_request acl = {.canned = in->ACL,
                                    .full_control = in->GrantFullControl,
                                    .read = in->GrantRead,
                                    .read_acp = in->GrantReadACP,
                                    .write_acp = in->GrantWriteACP};
    TRY(acl_of_new_object(call, &bucket, &acl, &object));
    TRY(create_checksum(call, in, &upload));
    const struct lock_wish lock = LOCK_WISH(in);
    TRY(lock_ask(call, &bucket, &lock, &object));
    struct crypt crypt;
    const struct crypt_wish wish = CRYPT_WISH(in);
    TRY(crypt_new(call, &bucket, in->Key, &wish, &crypt));
    crypt_note(&crypt, &object);
    TRY(call_sequence(call, &sequence));
    upload.sequence = (int64_t)sequence;
    upload.upload_id = s3_make_id(call->arena, sequence);
    struct key key = upload_key(call, &bucket, in->Key, upload.sequence);
    TRY(call_put_record(call, &key, &s3_model, S3_SHAPE_upload, &upload));
    TRY(lifecycle_abort(call, &bucket, in->Key, upload.initiated_ms, &out->AbortDate,
                        &out->AbortRuleId));
    out->Bucket = in->Bucket;
    out->Key = in->Key;
    out->UploadId = upload.upload_id;
    CRYPT_SHOW(out, &object, wish.customer);
    out->SSEKMSEncryptionContext = crypt_shown_context(call, &object);
    if (upload.checksum_chosen) {
        out->ChecksumAlgorithm = upload.checksum_algorithm;
        out->ChecksumType = upload.checksum_type;
    }
    return RESULT_OK;
}

/* --- UploadPart --- */

RESULT part_put(struct call *call, const struct s3_upload *upload, const struct s3_part *part)
{
    struct key key = part_key(call, upload, part->number);
    struct s3_part old;
    bool found;
    TRY(call_get_record_copy(call, &key, &s3_model, S3_SHAPE_part, &old, &found));
    for (size_t i = 0; found && i < old.pieces.len; i++)
        TRY(content_release(call, &old.pieces.items[i]));
    return call_put_record(call, &key, &s3_model, S3_SHAPE_part, part);
}

RESULT part_check_number(struct call *call, int64_t number)
{
    if (number >= 1 && number <= S3_PARTS_MAX)
        return RESULT_OK;
    return s3_invalid_argument(call, "partNumber",
                               str_format(call->arena, "%lld", (long long)number),
                               "Part number must be an integer between 1 and 10000, inclusive");
}

/* Parts have the algorithm that their upload was made with, if it names one. */
static RESULT part_check_checksum(struct call *call, const struct s3_upload *upload)
{
    const struct call_payload *payload = &call->payload;
    struct str actual = STR("null");
    if (!upload->checksum_chosen)
        return RESULT_OK;
    if (payload->checksum_chosen)
        actual = s3_checksum_name(payload->checksum);
    if (str_eq(actual, upload->checksum_algorithm))
        return RESULT_OK;
    return call_fail(call, WIRE_VALIDATION,
                     "Checksum Type mismatch occurred, expected checksum Type: %.*s, actual "
                     "checksum Type: %.*s",
                     PRSTR(str_lower(call->arena, upload->checksum_algorithm)),
                     PRSTR(str_lower(call->arena, actual)));
}

RESULT s3_UploadPart(struct call *call, const struct s3_UploadPartRequest *in,
                     struct s3_UploadPartOutput *out)
{
    struct s3_bucket bucket;
    struct s3_upload upload;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    TRY(part_check_number(call, in->PartNumber.value));
    TRY(upload_find(call, &bucket, in->Key, in->UploadId, &upload));
    TRY(part_check_checksum(call, &upload));
    TRY(lock_check_part(call, &bucket, upload.object));
    const struct call_payload *payload = &call->payload;
    if (payload->size > (uint64_t)S3_PUT_MAX)
        return s3_too_large(call, (int64_t)payload->size, S3_PUT_MAX);
    struct s3_piece piece;
    struct crypt crypt;
    const struct crypt_customer customer = CRYPT_CUSTOMER(in);
    TRY(crypt_open_upload(call, &bucket, in->Key, upload.object, &customer, &crypt));
    struct s3_part part = {
        .number = in->PartNumber.value,
        .size = (int64_t)payload->size,
        .etag = crypt_etag(call, &crypt, payload->md5),
        .checksum = s3_base64(call->arena, payload->crc64nvme, sizeof payload->crc64nvme),
        .modified_ms = call->now_ms / 1000 * 1000,
        .pieces = {.items = &piece, .len = 1},
    };
    struct str sent =
        s3_base64(call->arena, payload->checksum_value, digest_size(payload->checksum));
    if (upload.checksum_chosen)
        part.checksum = sent;
    TRY(content_of_payload(call, &crypt, &piece));
    struct s3_manifest manifest = {.pieces = part.pieces};
    TRY(crypt_seal(call, &crypt, &manifest));
    TRY(part_put(call, &upload, &part));
    out->ETag = s3_quote(call->arena, part.etag);
    CRYPT_SHOW(out, upload.object, customer);
    if (payload->checksum_chosen)
        S3_SET_CHECKSUM(out, s3_checksum_name(payload->checksum), sent);
    return RESULT_OK;
}

/* --- AbortMultipartUpload, and the uploads of a bucket that is gone --- */

RESULT upload_drop_parts(struct call *call, int64_t upload_sequence, size_t limit, size_t *deleted)
{
    struct key prefix = part_prefix(call, upload_sequence);
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    *deleted = 0;
    while (*deleted < limit) {
        struct str key, value;
        struct s3_part part;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        key = str_copy(call->arena, key);
        TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_part, value, &part));
        for (size_t i = 0; i < part.pieces.len; i++)
            TRY(content_release(call, &part.pieces.items[i]));
        TRY(kv_delete(call->txn, key, NULL));
        ++*deleted;
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT s3_AbortMultipartUpload(struct call *call, const struct s3_AbortMultipartUploadRequest *in,
                               struct s3_AbortMultipartUploadOutput *out)
{
    (void)out;
    struct s3_bucket bucket;
    struct s3_upload upload;
    size_t deleted;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(upload_find(call, &bucket, in->Key, in->UploadId, &upload));
    if (in->IfMatchInitiatedTime.set && in->IfMatchInitiatedTime.ms != upload.initiated_ms)
        return s3_precondition_failed(call, STR("x-amz-if-match-initiated-time"));
    TRY(upload_drop_parts(call, upload.sequence, SIZE_MAX, &deleted));
    struct key key = upload_key(call, &bucket, in->Key, upload.sequence);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* "s3.drop", payload the bucket's id: its uploads go, some at a time. */
RESULT s3_deliver_drop(struct call *call, const struct outbox_item *item)
{
    enum { DROP_BATCH = 1000 };
    struct key prefix;
    struct kv_cursor *cursor;
    int64_t id;
    if (!str_to_i64(item->payload, &id))
        return FAULT("a broken job of a bucket that is gone");
    struct str payload = str_copy(call->arena, item->payload);
    key_init(&prefix, call->arena);
    key_str(&prefix, STR("s3-upload"));
    key_i64(&prefix, id);
    size_t budget = DROP_BATCH;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (budget > 0) {
        struct str key, value;
        struct s3_upload upload;
        size_t deleted;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        key = str_copy(call->arena, key);
        TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_upload, value, &upload));
        TRY(upload_drop_parts(call, upload.sequence, budget, &deleted));
        budget -= deleted;
        if (budget == 0)
            break;
        TRY(kv_delete(call->txn, key, NULL));
        budget--;
    }
    return job_schedule(call, STR("s3.drop"), call->now_ms, payload, NULL);
}
