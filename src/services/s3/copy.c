/* CopyObject and UploadPartCopy. Bytes are shared, not copied; only where the copy needs a digest
 * that the source has not, or a layer of encryption, are they read: beside the call
 * (content_read.c), so that nobody waits for it. The data keys go from box to box (crypt.h). */
#include "base/encode.h"
#include "services/s3/access.h"
#include "services/s3/access_log.h"
#include "services/s3/annotation.h"
#include "services/s3/archive.h"
#include "services/s3/changes.h"
#include "services/s3/copy_source.h"
#include "services/s3/crypt.h"
#include "services/s3/lifecycle.h"
#include "services/s3/lock.h"

struct copy_source {
    struct s3_bucket bucket;
    struct str key;
    struct s3_object object;
    struct crypt crypt;
};

/* A delete marker is nothing to copy; who names one is told so. */
static RESULT copy_find(struct call *call, struct copy_source *source, struct str version_id)
{
    enum result result =
        object_open(call, &source->bucket, source->key, version_id, &source->object);
    if (result == RESULT_ERROR && call->error == S3_DELETE_MARKER_NOT_READABLE)
        return call_fail(call, WIRE_VALIDATION,
                         "The source of a copy request may not specifically refer to a delete "
                         "marker by version id.");
    return result;
}

static RESULT copy_open(struct call *call, struct str text, struct str expected_owner,
                        const struct s3_conditions *conditions,
                        const struct crypt_customer *customer, struct copy_source *source)
{
    struct str bucket, version_id;
    bool not_modified;
    if (!copy_source_read(call, text, &bucket, &source->key, &version_id))
        return s3_invalid_argument(call, "x-amz-copy-source", str_is_absent(text) ? STR("") : text,
                                   "Copy Source must mention the source bucket and key: "
                                   "sourcebucket/sourcekey");
    TRY(bucket_open_anywhere(call, bucket, expected_owner, &source->bucket));
    struct access_line line = {.operation = call->operation == S3_OP_CopyObject
                                                ? "REST.COPY.OBJECT_GET"
                                                : "REST.COPY.PART_GET",
                               .key = source->key,
                               .version_id = version_id};
    access_log_also(call, &source->bucket, &line);
    TRY(copy_find(call, source, version_id));
    TRY(conditions_read(call, conditions, &source->object, &not_modified));
    if (not_modified)
        return s3_precondition_failed(call, str_is_absent(conditions->if_none_match)
                                                ? STR("x-amz-copy-source-If-Modified-Since")
                                                : STR("x-amz-copy-source-If-None-Match"));
    TRY(archive_check_read(call, &source->object, true));
    return crypt_open(call, &source->bucket, source->key, &source->object, customer,
                      &source->crypt);
}

/* --- digests --- */

/* What the copy needs of its source's bytes that no record tells; found out once for all runs. */
static RESULT copy_read(struct call *call, const struct copy_source *source, uint64_t offset,
                        struct s3_manifest *pieces, enum digest_kind kind, unsigned layers,
                        struct content_read **out)
{
    struct content_reading wanted = {
        .sequence = source->object.sequence,
        .offset = offset,
        .manifest = pieces,
        .kind = kind,
        .layers = layers,
    };
    return content_read_through(call, &wanted, out);
}

/* The layer that the copy wants has been written: its blob takes the pieces' place. */
static RESULT copy_rewritten(struct call *call, struct content_read *read,
                             struct s3_manifest *pieces)
{
    struct blob_id id;
    memcpy(id.bytes, read->copy.blob_id.ptr, sizeof id.bytes);
    pieces->pieces = (struct s3_list_piece){&read->copy, 1};
    read->kept = true;
    return blob_retain(call->cloud->blobs, call->txn, &id);
}

static RESULT copy_retain(struct call *call, const struct s3_manifest *pieces)
{
    for (size_t i = 0; i < pieces->pieces.len; i++)
        TRY(content_retain(call, &pieces->pieces.items[i]));
    return RESULT_OK;
}

/* --- CopyObject --- */

static bool is_directive(struct str given, struct str wanted)
{
    return str_eq(given, wanted);
}

static RESULT copy_check(struct call *call, const struct s3_CopyObjectRequest *in,
                         const struct copy_source *source)
{
    TRY(s3_check_key(call, in->Key));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    TRY(s3_check_storage_class(call, in->StorageClass));
    TRY(s3_check_redirect(call, in->WebsiteRedirectLocation));
    if (!str_is_absent(in->MetadataDirective) &&
        !is_directive(in->MetadataDirective, STR("COPY")) &&
        !is_directive(in->MetadataDirective, STR("REPLACE")))
        return s3_invalid_argument(call, "x-amz-metadata-directive", in->MetadataDirective,
                                   "Unknown metadata directive.");
    if (!str_is_absent(in->TaggingDirective) && !is_directive(in->TaggingDirective, STR("COPY")) &&
        !is_directive(in->TaggingDirective, STR("REPLACE")))
        return s3_invalid_argument(call, "x-amz-tagging-directive", in->TaggingDirective,
                                   "Unknown tagging directive.");
    if (!str_is_absent(in->AnnotationDirective) &&
        !is_directive(in->AnnotationDirective, STR("COPY")) &&
        !is_directive(in->AnnotationDirective, STR("EXCLUDE")))
        return s3_invalid_argument(call, "x-amz-annotation-directive", in->AnnotationDirective,
                                   "Unknown annotation directive.");
    if (source->object.size > S3_PUT_MAX)
        return call_fail(call, WIRE_VALIDATION,
                         "The specified copy source is larger than the maximum allowable size for "
                         "a copy source: 5368709120");
    bool itself = str_eq(source->bucket.name, in->Bucket) && str_eq(source->key, in->Key);
    struct str asked, rest;
    bool of_version = str_cut(in->CopySource, '?', &asked, &rest);
    if (itself && !of_version && !is_directive(in->MetadataDirective, STR("REPLACE")) &&
        str_is_absent(in->StorageClass) && str_is_absent(in->WebsiteRedirectLocation) &&
        str_is_absent(in->ServerSideEncryption) && str_is_absent(in->SSECustomerAlgorithm))
        return call_fail(call, WIRE_VALIDATION,
                         "This copy request is illegal because it is trying to copy an object to "
                         "itself without changing the object's metadata, storage class, website "
                         "redirect location or encryption attributes.");
    return RESULT_OK;
}

/* What the copy says of itself: the source's or the request's. */
static RESULT copy_properties(struct call *call, const struct s3_CopyObjectRequest *in,
                              const struct s3_object *source, struct s3_object *object)
{
    bool replace = is_directive(in->MetadataDirective, STR("REPLACE"));
    if (replace) {
        object->content_type = in->ContentType;
        object->cache_control = in->CacheControl;
        object->content_disposition = in->ContentDisposition;
        object->content_encoding = in->ContentEncoding;
        object->content_language = in->ContentLanguage;
        object->expires = in->Expires;
        TRY(s3_read_metadata(call, &in->Metadata, &object->metadata));
    } else {
        object->content_type = source->content_type;
        object->cache_control = source->cache_control;
        object->content_disposition = source->content_disposition;
        object->content_encoding = source->content_encoding;
        object->content_language = source->content_language;
        object->expires = source->expires;
        object->metadata = source->metadata;
    }
    object->storage_class = in->StorageClass;
    object->website_redirect = in->WebsiteRedirectLocation;
    object->tags = source->tags;
    if (is_directive(in->TaggingDirective, STR("REPLACE")))
        return s3_read_tagging(call, in->Tagging, &object->tags);
    return RESULT_OK;
}

/* The copy is made in one piece: its ETag is an MD5, its checksum that of the full object. */
static RESULT copy_digests(struct call *call, const struct s3_CopyObjectRequest *in,
                           const struct copy_source *source, const struct crypt *crypt,
                           struct s3_manifest *pieces, struct s3_object *object)
{
    const struct s3_object *from = &source->object;
    enum digest_kind kind = DIGEST_CRC64NVME;
    struct str algorithm =
        str_is_absent(in->ChecksumAlgorithm) ? from->checksum_algorithm : in->ChecksumAlgorithm;
    if (!str_is_absent(algorithm) && !s3_checksum_kind(algorithm, &kind))
        return call_fail(call, WIRE_VALIDATION,
                         "Checksum algorithm provided is unsupported. Please try again with any of "
                         "the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    bool another = crypt_wants_layer(crypt, pieces);
    bool hidden = crypt_hides_md5(&source->crypt) && !crypt_hides_md5(crypt);
    const uint8_t nothing[MD5_SIZE] = {0};
    object->etag = crypt_hides_md5(crypt) ? crypt_etag(call, crypt, nothing) : from->etag;
    object->checksum_algorithm = s3_checksum_name(kind);
    object->checksum = from->checksum;
    object->checksum_type = STR("FULL_OBJECT");
    if (from->part_count == 0 && !another && !hidden &&
        str_eq(object->checksum_algorithm, from->checksum_algorithm))
        return RESULT_OK;
    struct content_read *read;
    TRY(copy_read(call, source, 0, pieces, kind, another ? crypt->layers : 0, &read));
    object->etag = crypt_etag(call, crypt, read->md5);
    object->checksum = s3_base64(call->arena, read->checksum, digest_size(kind));
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    return another ? copy_rewritten(call, read, pieces) : RESULT_OK;
}

/* Its bytes: the source's, with their data keys in boxes of the copy's own. */
static RESULT copy_content(struct call *call, const struct s3_CopyObjectRequest *in,
                           const struct copy_source *source, const struct crypt *crypt,
                           struct s3_object *object)
{
    struct s3_manifest pieces;
    TRY(content_pieces(call, &source->object, &pieces));
    pieces.parts = (struct s3_list_done_part){0};
    TRY(crypt_unseal(call, &source->crypt, &pieces));
    bool rewritten = crypt_wants_layer(crypt, &pieces);
    TRY(copy_digests(call, in, source, crypt, &pieces, object));
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    if (!rewritten)
        TRY(copy_retain(call, &pieces));
    TRY(crypt_seal(call, crypt, &pieces));
    crypt_note(crypt, object);
    return content_set(call, object, &pieces);
}

RESULT s3_CopyObject(struct call *call, const struct s3_CopyObjectRequest *in,
                     struct s3_CopyObjectOutput *out)
{
    struct s3_bucket bucket;
    struct copy_source source;
    struct crypt crypt;
    const struct crypt_wish wish = CRYPT_WISH(in);
    const struct crypt_customer customer = CRYPT_CUSTOMER_OF_SOURCE(in);
    const struct s3_conditions conditions = {in->CopySourceIfMatch, in->CopySourceIfNoneMatch,
                                             in->CopySourceIfModifiedSince,
                                             in->CopySourceIfUnmodifiedSince, true};
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(copy_open(call, in->CopySource, in->ExpectedSourceBucketOwner, &conditions, &customer,
                  &source));
    TRY(copy_check(call, in, &source));
    TRY(conditions_write(call, &bucket, in->Key, in->IfMatch, in->IfNoneMatch));
    TRY(crypt_new(call, &bucket, in->Key, &wish, &crypt));
    struct s3_object object = {.size = source.object.size};
    TRY(copy_properties(call, in, &source.object, &object));
    const struct acl_request acl = {.canned = in->ACL,
                                    .full_control = in->GrantFullControl,
                                    .read = in->GrantRead,
                                    .read_acp = in->GrantReadACP,
                                    .write_acp = in->GrantWriteACP};
    TRY(acl_of_new_object(call, &bucket, &acl, &object));
    const struct lock_wish lock = LOCK_WISH(in);
    TRY(lock_ask(call, &bucket, &lock, &object));
    TRY(lock_default(call, &bucket, &object));
    TRY(copy_content(call, in, &source, &crypt, &object));
    if (!is_directive(in->AnnotationDirective, STR("EXCLUDE")))
        TRY(annotations_copy(call, &source.object, &source.crypt, &crypt, &object));
    TRY(object_add(call, &bucket, in->Key, &object));
    const struct s3_change change = {.kind = S3_CREATED_COPY, .key = in->Key, .object = &object};
    TRY(s3_changed(call, &bucket, &change));
    TRY(lifecycle_expiration(call, &bucket, in->Key, &object, &out->Expiration));
    struct s3_CopyObjectResult *result = ARENA_NEW(call->arena, struct s3_CopyObjectResult);
    result->ETag = s3_quote(call->arena, object.etag);
    result->LastModified = opt_time(object.modified_ms);
    result->ChecksumType = object.checksum_type;
    S3_SET_CHECKSUM(result, object.checksum_algorithm, object.checksum);
    out->CopyObjectResult = result;
    CRYPT_SHOW(out, &object, wish.customer);
    out->SSEKMSEncryptionContext = crypt_shown_context(call, &object);
    out->VersionId = object_shown_version(&bucket, &object);
    out->CopySourceVersionId = object_shown_version(&source.bucket, &source.object);
    return RESULT_OK;
}

/* --- UploadPartCopy --- */

/* x-amz-copy-source-range: "bytes=A-B", both, within the source. */
static RESULT part_range(struct call *call, struct str text, uint64_t size, uint64_t *offset,
                         uint64_t *length)
{
    struct str first, last;
    uint64_t from, to;
    *offset = 0;
    *length = size;
    if (str_is_absent(text))
        return RESULT_OK;
    if (!str_starts_with(text, STR("bytes=")) ||
        !str_cut(str_slice(text, 6, text.len), '-', &first, &last) || !str_to_u64(first, &from) ||
        !str_to_u64(last, &to) || to < from)
        return s3_invalid_argument(
            call, "x-amz-copy-source-range", text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last "
            "where first and last are the zero-based offsets of the first and last "
            "bytes to copy");
    if (to >= size)
        return s3_invalid_argument(call, "x-amz-copy-source-range", text,
                                   "Range specified is not valid for source object of size: %llu",
                                   (unsigned long long)size);
    *offset = from;
    *length = to - from + 1;
    return RESULT_OK;
}

RESULT s3_UploadPartCopy(struct call *call, const struct s3_UploadPartCopyRequest *in,
                         struct s3_UploadPartCopyOutput *out)
{
    struct s3_bucket bucket;
    struct s3_upload upload;
    struct copy_source source;
    struct s3_manifest all, pieces;
    uint64_t offset, length;
    enum digest_kind kind;
    struct content_read *read;
    struct crypt crypt;
    const struct crypt_customer from = CRYPT_CUSTOMER_OF_SOURCE(in), to = CRYPT_CUSTOMER(in);
    const struct s3_conditions conditions = {in->CopySourceIfMatch, in->CopySourceIfNoneMatch,
                                             in->CopySourceIfModifiedSince,
                                             in->CopySourceIfUnmodifiedSince, true};
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    TRY(part_check_number(call, in->PartNumber.value));
    TRY(upload_find(call, &bucket, in->Key, in->UploadId, &upload));
    TRY(crypt_open_upload(call, &bucket, in->Key, upload.object, &to, &crypt));
    TRY(copy_open(call, in->CopySource, in->ExpectedSourceBucketOwner, &conditions, &from,
                  &source));
    TRY(part_range(call, in->CopySourceRange, (uint64_t)source.object.size, &offset, &length));
    if (length > (uint64_t)S3_PUT_MAX)
        return call_fail(call, S3_REQUEST_TOO_LARGE,
                         "Your proposed upload exceeds the maximum allowed size");
    if (!s3_checksum_kind(upload.checksum_algorithm, &kind))
        return FAULT("an upload without a checksum");
    TRY(content_pieces(call, &source.object, &all));
    content_range(call, &all, offset, length, &pieces);
    TRY(crypt_unseal(call, &source.crypt, &pieces));
    bool another = crypt_wants_layer(&crypt, &pieces);
    TRY(copy_read(call, &source, offset, &pieces, kind, another ? crypt.layers : 0, &read));
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    if (another)
        TRY(copy_rewritten(call, read, &pieces));
    else
        TRY(copy_retain(call, &pieces));
    TRY(crypt_seal(call, &crypt, &pieces));
    struct s3_part part = {
        .number = in->PartNumber.value,
        .size = (int64_t)length,
        .etag = crypt_etag(call, &crypt, read->md5),
        .checksum = s3_base64(call->arena, read->checksum, digest_size(kind)),
        .modified_ms = call->now_ms / 1000 * 1000,
        .pieces = pieces.pieces,
    };
    TRY(part_put(call, &upload, &part));
    struct s3_CopyPartResult *result = ARENA_NEW(call->arena, struct s3_CopyPartResult);
    result->ETag = s3_quote(call->arena, part.etag);
    result->LastModified = opt_time(part.modified_ms);
    if (upload.checksum_chosen)
        S3_SET_CHECKSUM(result, upload.checksum_algorithm, part.checksum);
    out->CopyPartResult = result;
    CRYPT_SHOW(out, upload.object, to);
    out->CopySourceVersionId = object_shown_version(&source.bucket, &source.object);
    return RESULT_OK;
}
