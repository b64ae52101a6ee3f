/* Tags of objects, and GetObjectAttributes. */
#include "base/vec.h"
#include "services/s3/replication.h"

/* The version that a request names; it must be an object. */
static RESULT open_place(struct call *call, const struct s3_bucket *bucket, struct str key,
                         struct str version_id, struct object_place *place)
{
    struct s3_object object;
    TRY(object_open(call, bucket, key, version_id, &object));
    return object_find(call, bucket, key, version_id, place);
}

static RESULT put_tags(struct call *call, const struct s3_bucket *bucket, struct str key,
                       struct object_place *place, enum s3_change_kind kind)
{
    const struct s3_change change = {.kind = kind, .key = key, .object = &place->object};
    replicate_mark_again(bucket, &place->object);
    TRY(object_update(call, bucket, key, place));
    return s3_changed(call, bucket, &change);
}

RESULT s3_PutObjectTagging(struct call *call, const struct s3_PutObjectTaggingRequest *in,
                           struct s3_PutObjectTaggingOutput *out)
{
    struct s3_bucket bucket;
    struct object_place place;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(open_place(call, &bucket, in->Key, in->VersionId, &place));
    TRY(s3_read_tag_set(call, in->Tagging, 10, &place.object.tags));
    out->VersionId = object_shown_version(&bucket, &place.object);
    return put_tags(call, &bucket, in->Key, &place, S3_TAGGING_PUT);
}

RESULT s3_GetObjectTagging(struct call *call, const struct s3_GetObjectTaggingRequest *in,
                           struct s3_GetObjectTaggingOutput *out)
{
    struct s3_bucket bucket;
    struct s3_object object;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    out->VersionId = object_shown_version(&bucket, &object);
    out->TagSet = s3_tag_set(call, &object.tags);
    return RESULT_OK;
}

RESULT s3_DeleteObjectTagging(struct call *call, const struct s3_DeleteObjectTaggingRequest *in,
                              struct s3_DeleteObjectTaggingOutput *out)
{
    struct s3_bucket bucket;
    struct object_place place;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(open_place(call, &bucket, in->Key, in->VersionId, &place));
    place.object.tags = (struct str_map){0};
    out->VersionId = object_shown_version(&bucket, &place.object);
    return put_tags(call, &bucket, in->Key, &place, S3_TAGGING_DELETED);
}

/* --- GetObjectAttributes --- */

static bool is_asked(const struct s3_GetObjectAttributesRequest *in, struct str name)
{
    for (size_t i = 0; i < in->ObjectAttributes.len; i++)
        if (str_eq(in->ObjectAttributes.items[i], name))
            return true;
    return false;
}

static RESULT check_asked(struct call *call, const struct s3_GetObjectAttributesRequest *in)
{
    static const struct str known[] = {STR_INIT("ETag"), STR_INIT("Checksum"),
                                       STR_INIT("ObjectParts"), STR_INIT("StorageClass"),
                                       STR_INIT("ObjectSize")};
    struct str wrong = in->ObjectAttributes.len > 0 ? (struct str){0} : STR("");
    for (size_t i = 0; i < in->ObjectAttributes.len && str_is_absent(wrong); i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++)
            found = found || str_eq(in->ObjectAttributes.items[i], known[j]);
        if (!found)
            wrong = in->ObjectAttributes.items[i];
    }
    return str_is_absent(wrong) ? RESULT_OK
                                : s3_invalid_argument(call, "x-amz-object-attributes", wrong,
                                                      "Invalid attribute name specified.");
}

/* Parts are listed for uploads whose parts have checksums of their own ("GetObjectAttributes",
 * ObjectParts). */
static RESULT add_parts(struct call *call, const struct s3_GetObjectAttributesRequest *in,
                        const struct s3_object *object, struct s3_GetObjectAttributesOutput *out)
{
    struct s3_GetObjectAttributesParts *parts =
        ARENA_NEW(call->arena, struct s3_GetObjectAttributesParts);
    struct s3_manifest manifest;
    out->ObjectParts = parts;
    parts->TotalPartsCount = opt_int((int32_t)object->part_count);
    if (str_eq(object->checksum_type, STR("FULL_OBJECT")))
        return RESULT_OK;
    TRY(content_pieces(call, object, &manifest));
    int32_t limit = in->MaxParts.set ? in->MaxParts.value : S3_PAGE_MAX;
    int32_t marker = in->PartNumberMarker.set ? in->PartNumberMarker.value : 0;
    size_t cap = 0;
    if (limit > S3_PAGE_MAX)
        limit = S3_PAGE_MAX;
    parts->MaxParts = opt_int(limit);
    parts->PartNumberMarker = opt_int(marker);
    parts->IsTruncated = opt_bool(false);
    parts->NextPartNumberMarker = opt_int(0);
    for (size_t i = 0; i < manifest.parts.len; i++) {
        const struct s3_done_part *part = &manifest.parts.items[i];
        struct s3_ObjectPart entry = {.PartNumber = opt_int((int32_t)part->number),
                                      .Size = opt_long(part->size)};
        if (part->number <= marker)
            continue;
        if (parts->Parts.len == (size_t)limit) {
            parts->IsTruncated = opt_bool(true);
            break;
        }
        S3_SET_CHECKSUM(&entry, object->checksum_algorithm, part->checksum);
        parts->NextPartNumberMarker = opt_int((int32_t)part->number);
        VEC_PUSH(call->arena, parts->Parts.items, parts->Parts.len, cap, entry);
    }
    return RESULT_OK;
}

RESULT s3_GetObjectAttributes(struct call *call, const struct s3_GetObjectAttributesRequest *in,
                              struct s3_GetObjectAttributesOutput *out)
{
    struct s3_bucket bucket;
    struct s3_object object;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(check_asked(call, in));
    TRY(s3_refuse_headers(call, s3_unbuilt_headers));
    if (in->MaxParts.set && in->MaxParts.value < 0)
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE, "Invalid max-parts");
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    out->LastModified = opt_time(object.modified_ms);
    out->VersionId = object_shown_version(&bucket, &object);
    if (is_asked(in, STR("ETag")))
        out->ETag = object.etag;
    if (is_asked(in, STR("ObjectSize")))
        out->ObjectSize = opt_long(object.size);
    if (is_asked(in, STR("StorageClass")))
        out->StorageClass =
            str_is_absent(object.storage_class) ? STR("STANDARD") : object.storage_class;
    if (is_asked(in, STR("Checksum")) && !str_is_absent(object.checksum)) {
        out->Checksum = ARENA_NEW(call->arena, struct s3_Checksum);
        S3_SET_CHECKSUM(out->Checksum, object.checksum_algorithm, object.checksum);
        out->Checksum->ChecksumType = object.checksum_type;
    }
    if (is_asked(in, STR("ObjectParts")) && object.part_count > 0)
        TRY(add_parts(call, in, &object, out));
    return RESULT_OK;
}
