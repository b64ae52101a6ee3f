/* GetObject and HeadObject. */
#include <unistd.h>

#include "base/time.h"
#include "base/vec.h"
#include "services/s3/archive.h"
#include "services/s3/crypt.h"
#include "services/s3/lifecycle.h"
#include "services/s3/lock.h"

/* A Range header: "bytes=A-B", "bytes=A-", "bytes=-N"; anything else, several ranges too, counts
 * for nothing (RFC 9110, 14.2; GetObject: one range at a time). */
/* Digits; what is beyond 64 bits is beyond any object as well. */
static bool range_number(struct str text, uint64_t *out)
{
    bool digits = !str_is_empty(text);
    for (size_t i = 0; i < text.len; i++)
        digits = digits && text.ptr[i] >= '0' && text.ptr[i] <= '9';
    if (digits && !str_to_u64(text, out))
        *out = UINT64_MAX;
    return digits;
}

static RESULT range_read(struct call *call, struct str text, uint64_t size, uint64_t *offset,
                         uint64_t *length, bool *found)
{
    struct str first, last;
    uint64_t from = 0, to = 0;
    *found = false;
    if (!str_starts_with(text, STR("bytes=")) || str_find_char(text, ',') != SIZE_MAX ||
        !str_cut(str_trim(str_slice(text, 6, text.len)), '-', &first, &last))
        return RESULT_OK;
    bool suffix = str_is_empty(first);
    if ((!suffix && !range_number(first, &from)) || (last.len > 0 && !range_number(last, &to)) ||
        (suffix && str_is_empty(last)) || (!suffix && last.len > 0 && to < from))
        return RESULT_OK;
    if (suffix) {
        from = to < size ? size - to : 0;
        if (to == 0)
            from = size;
        to = size;
    } else {
        to = last.len > 0 && to < size ? to + 1 : size;
    }
    if (from >= size) {
        struct s3_InvalidRange *detail = ARENA_NEW(call->arena, struct s3_InvalidRange);
        detail->RangeRequested = text;
        detail->ActualObjectSize = opt_long((int64_t)size);
        return call_fail_with(call, S3_INVALID_RANGE, detail,
                              "The requested range is not satisfiable");
    }
    *offset = from;
    *length = to - from;
    *found = true;
    return RESULT_OK;
}

/* What is to be sent of an object. */
struct view {
    struct s3_bucket bucket;
    struct s3_object object;
    struct s3_manifest manifest;
    uint64_t offset, length;
    bool partial, not_modified;
    bool head; /* its bytes are not wanted */
    struct str content_range;
    struct crypt crypt;
    struct crypt_customer customer;
};

static RESULT fail_part_number(struct call *call, int64_t number, int64_t count)
{
    struct s3_InvalidPartNumber *detail = ARENA_NEW(call->arena, struct s3_InvalidPartNumber);
    detail->ActualPartCount = opt_int((int32_t)count);
    detail->PartNumberRequested = opt_int((int32_t)number);
    return call_fail_with(call, S3_INVALID_PART_NUMBER, detail,
                          "The requested partnumber is not satisfiable");
}

/* partNumber=N: that part of a multipart upload; the whole of another object is its part 1. */
static RESULT view_part(struct call *call, struct view *view, int64_t number)
{
    const struct s3_object *object = &view->object;
    if (object->part_count == 0) {
        if (number != 1)
            return fail_part_number(call, number, 1);
        view->partial = object->size > 0;
        return RESULT_OK;
    }
    for (size_t i = 0; i < view->manifest.parts.len; i++) {
        const struct s3_done_part *part = &view->manifest.parts.items[i];
        if (number == (int64_t)i + 1) {
            view->length = (uint64_t)part->size;
            view->partial = true;
            return RESULT_OK;
        }
        view->offset += (uint64_t)part->size;
    }
    return fail_part_number(call, number, object->part_count);
}

static struct str view_header(const struct call *call, const char *name)
{
    return call->request == NULL ? (struct str){0}
                                 : wire_request_header(call->request, str_from_c(name));
}

/* "GetObject": who overrides headers of the answer must have signed the request. */
static RESULT view_check(struct call *call, const struct s3_GetObjectRequest *in)
{
    bool overrides =
        !str_is_absent(in->ResponseContentType) || !str_is_absent(in->ResponseCacheControl) ||
        !str_is_absent(in->ResponseContentDisposition) ||
        !str_is_absent(in->ResponseContentEncoding) ||
        !str_is_absent(in->ResponseContentLanguage) || !str_is_absent(in->ResponseExpires);
    if (overrides && call->principal.kind == PRINCIPAL_ANONYMOUS)
        return call_fail(
            call, WIRE_VALIDATION,
            "Request specific response headers cannot be used for anonymous GET requests.");
    if (in->PartNumber.set && !str_is_absent(in->Range))
        return call_fail(call, WIRE_VALIDATION,
                         "Cannot specify both Range header and partNumber query parameter");
    return in->PartNumber.set ? part_check_number(call, in->PartNumber.value) : RESULT_OK;
}

/* HEAD asks nothing of KMS; a customer's key it asks for. */
static RESULT view_key(struct call *call, const struct s3_GetObjectRequest *in, struct view *view)
{
    view->customer = CRYPT_CUSTOMER(in);
    if (!view->head)
        TRY(archive_check_read(call, &view->object, false));
    if (view->head && !crypt_is_customers(&view->object))
        return crypt_check(call, &view->object, &view->customer);
    return crypt_open(call, &view->bucket, in->Key, &view->object, &view->customer, &view->crypt);
}

static RESULT view_open(struct call *call, const struct s3_GetObjectRequest *in, bool head,
                        struct view *view)
{
    *view = (struct view){.head = head};
    TRY(view_check(call, in));
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &view->bucket));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    TRY(object_open(call, &view->bucket, in->Key, in->VersionId, &view->object));
    TRY(view_key(call, in, view));
    struct s3_conditions conditions = {in->IfMatch, in->IfNoneMatch,
                                       conditions_time(in->IfModifiedSince),
                                       conditions_time(in->IfUnmodifiedSince), false};
    TRY(conditions_read(call, &conditions, &view->object, &view->not_modified));
    view->length = (uint64_t)view->object.size;
    if (view->not_modified)
        return RESULT_OK;
    TRY(content_pieces(call, &view->object, &view->manifest));
    bool ranged = false;
    uint64_t size = view->length;
    if (in->PartNumber.set) {
        TRY(view_part(call, view, in->PartNumber.value));
    } else if (!str_is_absent(in->Range) &&
               conditions_range(view_header(call, "if-range"), &view->object)) {
        TRY(range_read(call, in->Range, size, &view->offset, &view->length, &ranged));
        view->partial = ranged;
    }
    if (view->partial && view->length > 0)
        view->content_range = str_format(
            call->arena, "bytes %llu-%llu/%llu", (unsigned long long)view->offset,
            (unsigned long long)(view->offset + view->length - 1), (unsigned long long)size);
    return RESULT_OK;
}

/* Content-Type and its kin from the object, or as the request would have them. */
static void view_overrides(const struct s3_GetObjectRequest *in, struct s3_object *object)
{
    const struct {
        struct str given, *value;
    } all[] = {
        {in->ResponseContentType, &object->content_type},
        {in->ResponseCacheControl, &object->cache_control},
        {in->ResponseContentDisposition, &object->content_disposition},
        {in->ResponseContentEncoding, &object->content_encoding},
        {in->ResponseContentLanguage, &object->content_language},
        {in->ResponseExpires, &object->expires},
    };
    if (str_is_empty(object->content_type))
        object->content_type = STR("binary/octet-stream");
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!str_is_absent(all[i].given))
            *all[i].value = all[i].given;
}

/* "You can get an individual part's checksum by ... specifying a part number or byte range that
 * aligns with a single part" ("Checking object integrity in Amazon S3"). Absent: there is none. */
static struct str view_checksum(const struct view *view)
{
    uint64_t offset = 0, size = (uint64_t)view->object.size;
    if (!view->partial || view->length == size)
        return view->object.part_count == 1 && view->partial
                   ? view->manifest.parts.items[0].checksum
                   : view->object.checksum;
    for (size_t i = 0; i < view->manifest.parts.len && offset <= view->offset; i++) {
        const struct s3_done_part *part = &view->manifest.parts.items[i];
        if (offset == view->offset && (uint64_t)part->size == view->length)
            return part->checksum;
        offset += (uint64_t)part->size;
    }
    return (struct str){0};
}

/* The members that both outputs have. */
#define VIEW_FILL(out, view, in)                                                                   \
    do {                                                                                           \
        const struct s3_object *o = &(view)->object;                                               \
        (out)->ETag = s3_quote(call->arena, o->etag);                                              \
        (out)->LastModified = opt_time(o->modified_ms);                                            \
        (out)->VersionId = object_shown_version(&(view)->bucket, o);                               \
        if (!str_is_empty(o->replication_status))                                                  \
            (out)->ReplicationStatus = o->replication_status;                                      \
        (out)->AcceptRanges = STR("bytes");                                                        \
        (out)->CacheControl = o->cache_control;                                                    \
        (out)->Expires = o->expires;                                                               \
        (out)->StorageClass = o->storage_class;                                                    \
        if (str_eq(o->storage_class, STR("STANDARD")))                                             \
            (out)->StorageClass = (struct str){0};                                                 \
        if ((view)->not_modified)                                                                  \
            break;                                                                                 \
        (out)->ContentLength = opt_long((int64_t)(view)->length);                                  \
        (out)->ContentRange = (view)->content_range;                                               \
        (out)->ContentType = o->content_type;                                                      \
        (out)->ContentDisposition = o->content_disposition;                                        \
        (out)->ContentEncoding = o->content_encoding;                                              \
        (out)->ContentLanguage = o->content_language;                                              \
        (out)->WebsiteRedirectLocation = o->website_redirect;                                      \
        (out)->Metadata = s3_show_metadata(call, &o->metadata);                                    \
        if (o->tags.len > 0)                                                                       \
            (out)->TagCount = opt_int((int32_t)o->tags.len);                                       \
        if ((in)->PartNumber.set && o->part_count > 0)                                             \
            (out)->PartsCount = opt_int((int32_t)o->part_count);                                   \
        struct str sum = {0};                                                                      \
        if (str_eq((in)->ChecksumMode, STR("ENABLED")))                                            \
            sum = view_checksum(view);                                                             \
        if (!str_is_absent(sum)) {                                                                 \
            S3_SET_CHECKSUM(out, o->checksum_algorithm, sum);                                      \
            (out)->ChecksumType = o->checksum_type;                                                \
        }                                                                                          \
        CRYPT_SHOW(out, o, (view)->customer);                                                      \
        LOCK_SHOW(out, o);                                                                         \
        (out)->Restore = archive_shown(call, o);                                                   \
    } while (0)

static struct blob_id view_blob(const struct s3_piece *piece)
{
    struct blob_id id = {0};
    ASSERT(piece->blob_id.len == sizeof id.bytes);
    memcpy(id.bytes, piece->blob_id.ptr, sizeof id.bytes);
    return id;
}

/* Bytes are copied: the record may go before they are sent. */
static RESULT view_stream(struct call *call, const struct view *view)
{
    struct call_stream *stream = &call->stream;
    struct s3_manifest part;
    stream->present = true;
    stream->bytes = STR("");
    stream->length = view->length;
    stream->length_only = view->not_modified;
    if (view->not_modified || view->length == 0)
        return RESULT_OK;
    content_range(call, &view->manifest, view->offset, view->length, &part);
    TRY(crypt_unseal(call, &view->crypt, &part));
    const struct s3_piece *first = part.pieces.items;
    if (part.pieces.len == 1 && !str_is_absent(first->bytes)) {
        stream->bytes = first->bytes;
        return RESULT_OK;
    }
    /* From before S3 sealed: the kernel may send it. */
    if (part.pieces.len == 1 && first->sealed_key.len == 0 && call->request != NULL) {
        struct blob_id id = view_blob(first);
        stream->is_file = true;
        stream->offset = (uint64_t)first->offset;
        return blob_open(call->cloud->blobs, &id, &stream->fd);
    }
    struct call_piece *pieces = ARENA_ARRAY(call->arena, part.pieces.len, struct call_piece);
    for (size_t i = 0; i < part.pieces.len; i++) {
        const struct s3_piece *piece = &part.pieces.items[i];
        pieces[i].length = (uint64_t)piece->length;
        pieces[i].bytes = piece->bytes;
        if (!str_is_absent(piece->bytes))
            continue;
        pieces[i].offset = (uint64_t)piece->offset;
        pieces[i].blob = view_blob(piece);
        pieces[i].key = crypt_blob_key(piece);
    }
    stream->pieces = pieces;
    stream->piece_count = part.pieces.len;
    return RESULT_OK;
}

static void view_status(struct call *call, const struct view *view)
{
    if (view->not_modified)
        call->status = 304;
    else if (view->partial)
        call->status = 206;
}

RESULT s3_GetObject(struct call *call, const struct s3_GetObjectRequest *in,
                    struct s3_GetObjectOutput *out)
{
    struct view view;
    TRY(view_open(call, in, false, &view));
    view_overrides(in, &view.object);
    VIEW_FILL(out, &view, in);
    if (str_is_absent(in->VersionId))
        TRY(lifecycle_expiration(call, &view.bucket, in->Key, &view.object, &out->Expiration));
    view_status(call, &view);
    return view_stream(call, &view);
}

RESULT s3_HeadObject(struct call *call, const struct s3_HeadObjectRequest *in,
                     struct s3_HeadObjectOutput *out)
{
    const struct s3_GetObjectRequest get = {
        .Bucket = in->Bucket,
        .IfMatch = in->IfMatch,
        .IfModifiedSince = in->IfModifiedSince,
        .IfNoneMatch = in->IfNoneMatch,
        .IfUnmodifiedSince = in->IfUnmodifiedSince,
        .Key = in->Key,
        .Range = in->Range,
        .ResponseCacheControl = in->ResponseCacheControl,
        .ResponseContentDisposition = in->ResponseContentDisposition,
        .ResponseContentEncoding = in->ResponseContentEncoding,
        .ResponseContentLanguage = in->ResponseContentLanguage,
        .ResponseContentType = in->ResponseContentType,
        .ResponseExpires = in->ResponseExpires,
        .VersionId = in->VersionId,
        .PartNumber = in->PartNumber,
        .ExpectedBucketOwner = in->ExpectedBucketOwner,
        .ChecksumMode = in->ChecksumMode,
        .SSECustomerAlgorithm = in->SSECustomerAlgorithm,
        .SSECustomerKey = in->SSECustomerKey,
        .SSECustomerKeyMD5 = in->SSECustomerKeyMD5,
    };
    struct view view;
    TRY(view_open(call, &get, true, &view));
    view_overrides(&get, &view.object);
    VIEW_FILL(out, &view, in);
    if (str_is_absent(in->VersionId))
        TRY(lifecycle_expiration(call, &view.bucket, in->Key, &view.object, &out->Expiration));
    view_status(call, &view);
    call->stream =
        (struct call_stream){.present = true, .length_only = true, .length = view.length};
    return RESULT_OK;
}
