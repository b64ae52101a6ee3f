/* PutObject. */
#include "services/s3/access.h"
#include "services/s3/changes.h"
#include "services/s3/crypt.h"
#include "services/s3/lifecycle.h"
#include "services/s3/lock.h"
#include "wire/params.h"

/* Half of an UploadPart must not become an object. */
static RESULT put_check_query(struct call *call)
{
    static const struct str names[] = {STR_INIT("partNumber"), STR_INIT("uploadId")};
    struct wire_params params = {0};
    if (call->request == NULL || str_is_empty(call->request->query) ||
        !wire_params_read(call->arena, call->request->query, &params))
        return RESULT_OK;
    for (size_t i = 0; i < params.len; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (str_eq(params.items[i].key, names[k]))
                return s3_invalid_argument(call, "ResourceType", names[k],
                                           "This operation does not accept a query-string.");
    return RESULT_OK;
}

static RESULT put_check(struct call *call, const struct s3_PutObjectRequest *in)
{
    TRY(put_check_query(call));
    TRY(s3_check_key(call, in->Key));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    TRY(s3_check_storage_class(call, in->StorageClass));
    TRY(s3_check_redirect(call, in->WebsiteRedirectLocation));
    if (call->payload.size > (uint64_t)S3_PUT_MAX)
        return call_fail(call, S3_REQUEST_TOO_LARGE,
                         "Your proposed upload exceeds the maximum allowed object size.");
    return RESULT_OK;
}

/* aws-chunked is how it came, not what it is ("Authenticating Requests: ... Multiple Chunks"). */
static struct str put_encoding(struct call *call, struct str encoding)
{
    struct buf out;
    struct str one, rest = encoding;
    buf_init(&out, call->arena, encoding.len + 2);
    while (!str_is_absent(rest)) {
        str_cut(rest, ',', &one, &rest);
        one = str_trim(one);
        if (str_eq_nocase(one, STR("aws-chunked")) || str_is_empty(one))
            continue;
        if (out.len > 0)
            buf_append(&out, STR(","));
        buf_append(&out, one);
    }
    return out.len == 0 ? (struct str){0} : buf_str(&out);
}

RESULT s3_PutObject(struct call *call, const struct s3_PutObjectRequest *in,
                    struct s3_PutObjectOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(put_check(call, in));
    TRY(conditions_write(call, &bucket, in->Key, in->IfMatch, in->IfNoneMatch));
    const struct call_payload *payload = &call->payload;
    struct s3_object object = {
        .size = (int64_t)payload->size,
        .content_type = in->ContentType,
        .cache_control = in->CacheControl,
        .content_disposition = in->ContentDisposition,
        .content_encoding = put_encoding(call, in->ContentEncoding),
        .content_language = in->ContentLanguage,
        .expires = in->Expires,
        .storage_class = in->StorageClass,
        .website_redirect = in->WebsiteRedirectLocation,
        .checksum_algorithm = s3_checksum_name(payload->checksum),
        .checksum = s3_base64(call->arena, payload->checksum_value, digest_size(payload->checksum)),
        .checksum_type = STR("FULL_OBJECT"),
    };
    TRY(s3_read_metadata(call, &in->Metadata, &object.metadata));
    TRY(s3_read_tagging(call, in->Tagging, &object.tags));
    const struct acl_request acl = {.canned = in->ACL,
                                    .full_control = in->GrantFullControl,
                                    .read = in->GrantRead,
                                    .read_acp = in->GrantReadACP,
                                    .write_acp = in->GrantWriteACP};
    TRY(acl_of_new_object(call, &bucket, &acl, &object));
    const struct lock_wish lock = LOCK_WISH(in);
    TRY(lock_ask(call, &bucket, &lock, &object));
    TRY(lock_default(call, &bucket, &object));
    struct s3_piece piece;
    struct crypt crypt;
    const struct crypt_wish wish = CRYPT_WISH(in);
    TRY(crypt_new(call, &bucket, in->Key, &wish, &crypt));
    TRY(content_of_payload(call, &crypt, &piece));
    struct s3_manifest manifest = {.pieces = {.items = &piece, .len = 1}};
    TRY(crypt_seal(call, &crypt, &manifest));
    crypt_note(&crypt, &object);
    object.etag = crypt_etag(call, &crypt, payload->md5);
    TRY(content_set(call, &object, &manifest));
    TRY(object_add(call, &bucket, in->Key, &object));
    const struct s3_change change = {.kind = call->operation == S3_OP_PostObject ? S3_CREATED_POST
                                                                                 : S3_CREATED_PUT,
                                     .key = in->Key,
                                     .object = &object};
    TRY(s3_changed(call, &bucket, &change));
    TRY(lifecycle_expiration(call, &bucket, in->Key, &object, &out->Expiration));
    out->ETag = s3_quote(call->arena, object.etag);
    out->VersionId = object_shown_version(&bucket, &object);
    CRYPT_SHOW(out, &object, wish.customer);
    out->SSEKMSEncryptionContext = crypt_shown_context(call, &object);
    out->ChecksumType = object.checksum_type;
    S3_SET_CHECKSUM(out, object.checksum_algorithm, object.checksum);
    return RESULT_OK;
}
