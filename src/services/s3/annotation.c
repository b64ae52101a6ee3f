#include "services/s3/annotation.h"

#include "base/vec.h"
#include "cloud/paging.h"
#include "services/s3/changes.h"
#include "services/s3/lock.h"
#include "services/s3/replication.h"
#include "store/record.h"

enum { ANNOTATIONS_MAX = 1000, NAME_MAX_BYTES = 512, PAYLOAD_MAX = 1 << 20 };

/* ("s3-annotation", set, name) */
static struct key annotation_prefix(struct call *call, int64_t set)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3-annotation"));
    key_i64(&key, set);
    return key;
}

static RESULT annotation_get(struct call *call, int64_t set, struct str name,
                             struct s3_annotation *out, bool *found)
{
    struct key key = annotation_prefix(call, set);
    *found = false;
    if (set == 0)
        return RESULT_OK;
    key_str(&key, name);
    return call_get_record_copy(call, &key, &s3_model, S3_SHAPE_annotation, out, found);
}

static RESULT annotation_put(struct call *call, int64_t set, const struct s3_annotation *one)
{
    struct key key = annotation_prefix(call, set);
    key_str(&key, one->name);
    return call_put_record(call, &key, &s3_model, S3_SHAPE_annotation, one);
}

/* The first of the set after `name`. Strings in the arena; absent name: there is none. */
static RESULT annotation_after(struct call *call, int64_t set, struct str name,
                               struct s3_annotation *out)
{
    struct key prefix = annotation_prefix(call, set), from = prefix;
    struct kv_cursor *cursor;
    struct str key, value;
    *out = (struct s3_annotation){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(name)) {
        /* Names hold no NUL: nothing stands between this and the next. */
        key_str(&from, str_concat(call->arena, name, str_make("", 1)));
        TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    }
    TRY(kv_next(cursor, &key, &value));
    if (!str_is_absent(key))
        TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_annotation, value, out));
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT annotations_drop(struct call *call, const struct s3_object *object)
{
    if (object->annotation_set == 0)
        return RESULT_OK;
    struct key prefix = annotation_prefix(call, object->annotation_set);
    for (;;) {
        struct kv_cursor *cursor;
        struct str key, value;
        TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
        TRY(kv_next(cursor, &key, &value));
        key = str_is_absent(key) ? key : str_copy(call->arena, key);
        kv_cursor_close(cursor);
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(kv_delete(call->txn, key, NULL));
    }
}

/* --- sealing: as the object's own bytes, under the object's key --- */

static RESULT annotation_seal(struct call *call, const struct crypt *crypt, struct str plain,
                              struct s3_annotation *one)
{
    struct s3_piece piece = {.length = (int64_t)plain.len, .bytes = plain};
    struct s3_manifest manifest = {.pieces = {.items = &piece, .len = 1}};
    TRY(crypt_seal(call, crypt, &manifest));
    one->body = piece.bytes;
    one->sealed_key = piece.sealed_key;
    return RESULT_OK;
}

static RESULT annotation_open(struct call *call, const struct crypt *crypt,
                              const struct s3_annotation *one, struct str *plain)
{
    struct s3_piece piece = {
        .length = one->size, .bytes = one->body, .sealed_key = one->sealed_key};
    struct s3_manifest manifest = {.pieces = {.items = &piece, .len = 1}};
    TRY(crypt_unseal(call, crypt, &manifest));
    *plain = piece.bytes;
    return RESULT_OK;
}

/* One of up to 1,000 that may have a mebibyte each: in an arena that is emptied after it. */
static RESULT copy_next(struct call *call, int64_t from, const struct crypt *opened,
                        const struct crypt *wanted, int64_t to, struct buf *name)
{
    struct s3_annotation one;
    struct str plain, last = name->len == 0 ? (struct str){0} : buf_str(name);
    TRY(annotation_after(call, from, last, &one));
    buf_clear(name);
    if (str_is_absent(one.name))
        return RESULT_OK;
    buf_append(name, one.name);
    TRY(annotation_open(call, opened, &one, &plain));
    TRY(annotation_seal(call, wanted, plain, &one));
    return annotation_put(call, to, &one);
}

RESULT annotations_copy(struct call *call, const struct s3_object *from, const struct crypt *opened,
                        const struct crypt *wanted, struct s3_object *to)
{
    uint64_t set;
    struct buf name;
    struct arena *arena = call->arena;
    to->annotation_set = to->annotation_count = 0;
    if (from->annotation_count == 0)
        return RESULT_OK;
    if (wanted->sealing != NULL && str_eq(wanted->sealing->algorithm, STR("SSE-C")))
        return call_fail(call, WIRE_VALIDATION,
                         "Objects encrypted with SSE-C cannot have annotations.");
    TRY(call_sequence(call, &set));
    buf_init(&name, arena, NAME_MAX_BYTES);
    struct arena *scratch = arena_new_child(arena);
    enum result result = RESULT_OK;
    do {
        arena_reset(scratch);
        call->arena = scratch;
        result = copy_next(call, from->annotation_set, opened, wanted, (int64_t)set, &name);
        call->arena = arena;
    } while (result == RESULT_OK && name.len > 0);
    TRY(result);
    arena_free(scratch);
    to->annotation_set = (int64_t)set;
    to->annotation_count = from->annotation_count;
    return RESULT_OK;
}

/* --- what a request may say --- */

/* "Annotation names are UTF-8 encoded and cannot start with aws or s3 (case-insensitive)". */
static RESULT check_name(struct call *call, struct str name)
{
    if (name.len > NAME_MAX_BYTES)
        return call_fail(call, S3_ANNOTATION_NAME_TOO_LONG,
                         "The annotation name exceeds 512 bytes.");
    bool good = name.len > 0 && str_is_utf8(name) && memchr(name.ptr, 0, name.len) == NULL &&
                !str_eq_nocase(str_slice(name, 0, name.len < 3 ? name.len : 3), STR("aws")) &&
                !str_eq_nocase(str_slice(name, 0, name.len < 2 ? name.len : 2), STR("s3"));
    return good ? RESULT_OK
                : call_fail(call, S3_INVALID_ANNOTATION_NAME,
                            "The annotation name you provided is invalid.");
}

/* A blob that it came in is only passed through: the text stands in the record. */
static RESULT payload_read(struct call *call, struct str *text)
{
    const struct call_payload *payload = &call->payload;
    struct blob_reader *reader;
    *text = payload->bytes;
    if (payload->in_memory)
        return RESULT_OK;
    char *bytes = arena_alloc_raw(call->arena, payload->size);
    size_t done = 0, count;
    enum result result = RESULT_OK;
    TRY(blob_reader_open(call->cloud->blobs, &payload->blob, &payload->key, &reader));
    while (result == RESULT_OK && done < payload->size) {
        result = blob_read(reader, done, bytes + done, payload->size - done, &count);
        if (result == RESULT_OK)
            done += count;
    }
    blob_reader_close(reader);
    TRY(result);
    *text = str_make(bytes, payload->size);
    return RESULT_OK;
}

static RESULT payload_drop(struct call *call)
{
    if (call->payload.in_memory)
        return RESULT_OK;
    TRY(blob_retain(call->cloud->blobs, call->txn, &call->payload.blob));
    return blob_release(call->cloud->blobs, call->txn, &call->payload.blob);
}

static RESULT check_payload(struct call *call, struct str *text)
{
    const struct call_payload *payload = &call->payload;
    if (!payload->present || payload->size == 0 || payload->size > PAYLOAD_MAX)
        return call_fail(call, WIRE_VALIDATION,
                         "The annotation payload must be between 1 byte and 1 MiB in size.");
    TRY(payload_read(call, text));
    return str_is_utf8(*text) ? RESULT_OK
                              : call_fail(call, S3_UNSUPPORTED_MEDIA_TYPE,
                                          "The annotation payload is not valid UTF-8 encoded "
                                          "text.");
}

/* The version that a request names, as it may be changed. */
static RESULT annotated_open(struct call *call, const struct s3_bucket *bucket, struct str key,
                             struct str version_id, struct str if_match, struct object_place *place)
{
    struct s3_object object;
    TRY(object_open(call, bucket, key, version_id, &object));
    if (!str_is_absent(if_match) && !conditions_match(if_match, object.etag))
        return s3_precondition_failed(call, STR("x-amz-object-if-match"));
    return object_find(call, bucket, key, version_id, place);
}

static RESULT annotated_keep(struct call *call, const struct s3_bucket *bucket, struct str key,
                             struct object_place *place, enum s3_change_kind kind)
{
    const struct s3_change change = {.kind = kind, .key = key, .object = &place->object};
    replicate_mark_again(bucket, &place->object);
    TRY(object_update(call, bucket, key, place));
    return s3_changed(call, bucket, &change);
}

/* --- operations --- */

RESULT s3_PutObjectAnnotation(struct call *call, const struct s3_PutObjectAnnotationRequest *in,
                              struct s3_PutObjectAnnotationOutput *out)
{
    struct s3_bucket bucket;
    struct object_place place;
    const struct call_payload *payload = &call->payload;
    struct s3_annotation before, one = {
                                     .name = in->AnnotationName,
                                     .modified_ms = call->now_ms / 1000 * 1000,
                                     .size = (int64_t)payload->size,
                                     .etag = s3_hex(call->arena, payload->md5, sizeof payload->md5),
                                     .checksum_algorithm = s3_checksum_name(payload->checksum),
                                     .checksum = s3_base64(call->arena, payload->checksum_value,
                                                           digest_size(payload->checksum)),
                                 };
    struct str text;
    struct crypt crypt;
    bool found;
    const struct crypt_customer nobody = {0};
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(check_name(call, in->AnnotationName));
    TRY(check_payload(call, &text));
    TRY(annotated_open(call, &bucket, in->Key, in->VersionId, in->ObjectIfMatch, &place));
    struct s3_object *object = &place.object;
    if (crypt_is_customers(object))
        return call_fail(call, WIRE_VALIDATION,
                         "Objects encrypted with SSE-C cannot have annotations.");
    TRY(annotation_get(call, object->annotation_set, one.name, &before, &found));
    if (!found && object->annotation_count >= ANNOTATIONS_MAX)
        return call_fail(call, S3_ANNOTATION_LIMIT_EXCEEDED,
                         "The request would exceed the maximum number of annotations allowed per "
                         "object.");
    TRY(crypt_open(call, &bucket, in->Key, object, &nobody, &crypt));
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    if (object->annotation_set == 0) {
        uint64_t set;
        TRY(call_sequence(call, &set));
        object->annotation_set = (int64_t)set;
    }
    object->annotation_count += found ? 0 : 1;
    TRY(annotation_seal(call, &crypt, text, &one));
    TRY(payload_drop(call));
    TRY(annotation_put(call, object->annotation_set, &one));
    TRY(annotated_keep(call, &bucket, in->Key, &place, S3_ANNOTATION_PUT));
    out->Key = in->Key;
    out->AnnotationName = in->AnnotationName;
    out->ObjectVersionId = object_shown_version(&bucket, object);
    out->ETag = s3_quote(call->arena, one.etag);
    out->ChecksumType = STR("FULL_OBJECT");
    out->ServerSideEncryption = crypt_shown_algorithm(object);
    S3_SET_CHECKSUM(out, one.checksum_algorithm, one.checksum);
    return RESULT_OK;
}

RESULT s3_GetObjectAnnotation(struct call *call, const struct s3_GetObjectAnnotationRequest *in,
                              struct s3_GetObjectAnnotationOutput *out)
{
    struct s3_bucket bucket;
    struct s3_object object;
    struct s3_annotation one;
    struct crypt crypt;
    bool found;
    const struct crypt_customer nobody = {0};
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    TRY(annotation_get(call, object.annotation_set, in->AnnotationName, &one, &found));
    if (!found)
        return call_fail(call, S3_NO_SUCH_ANNOTATION,
                         "The specified annotation does not exist on this object.");
    TRY(crypt_open(call, &bucket, in->Key, &object, &nobody, &crypt));
    TRY(annotation_open(call, &crypt, &one, &call->stream.bytes));
    call->stream.present = true;
    call->stream.length = (uint64_t)one.size;
    out->ObjectVersionId = object_shown_version(&bucket, &object);
    out->LastModified = opt_time(one.modified_ms);
    out->ContentLength = opt_long(one.size);
    out->ETag = s3_quote(call->arena, one.etag);
    out->ServerSideEncryption = crypt_shown_algorithm(&object);
    if (!str_is_empty(object.replication_status))
        out->ReplicationStatus = object.replication_status;
    if (str_eq(in->ChecksumMode, STR("ENABLED"))) {
        S3_SET_CHECKSUM(out, one.checksum_algorithm, one.checksum);
        out->ChecksumType = STR("FULL_OBJECT");
    }
    return RESULT_OK;
}

/* Deleting what is not there is no error: the model has none for it. */
RESULT s3_DeleteObjectAnnotation(struct call *call,
                                 const struct s3_DeleteObjectAnnotationRequest *in,
                                 struct s3_DeleteObjectAnnotationOutput *out)
{
    struct s3_bucket bucket;
    struct object_place place;
    bool found;
    struct str bypass =
        call->request == NULL
            ? (struct str){0}
            : wire_request_header(call->request, STR("x-amz-bypass-governance-retention"));
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(annotated_open(call, &bucket, in->Key, in->VersionId, in->ObjectIfMatch, &place));
    TRY(lock_check_removal(call, &bucket, in->Key, &place.object,
                           str_eq_nocase(bypass, STR("true"))));
    out->ObjectVersionId = object_shown_version(&bucket, &place.object);
    struct key key = annotation_prefix(call, place.object.annotation_set);
    key_str(&key, in->AnnotationName);
    if (place.object.annotation_set == 0)
        return RESULT_OK;
    TRY(kv_delete(call->txn, key_bytes(&key), &found));
    if (!found)
        return RESULT_OK;
    place.object.annotation_count--;
    return annotated_keep(call, &bucket, in->Key, &place, S3_ANNOTATION_DELETED);
}

static struct s3_AnnotationEntry annotation_shown(struct call *call, const struct s3_object *object,
                                                  const struct s3_annotation *one)
{
    struct str *algorithm = ARENA_NEW(call->arena, struct str);
    *algorithm = one->checksum_algorithm;
    return (struct s3_AnnotationEntry){
        .AnnotationName = str_copy(call->arena, one->name),
        .LastModified = opt_time(one->modified_ms),
        .ETag = s3_quote(call->arena, one->etag),
        .ChecksumAlgorithm = {algorithm, 1},
        .Size = opt_long(one->size),
        .ReplicationStatus =
            str_is_empty(object->replication_status) ? (struct str){0} : object->replication_status,
    };
}

/* Reads what stands in records before the payload only: it is borrowed. */
static RESULT list_page(struct call *call, const struct s3_ListObjectAnnotationsRequest *in,
                        const struct s3_object *object, struct str after,
                        struct s3_ListObjectAnnotationsOutput *out)
{
    size_t limit =
        in->MaxAnnotationResults.set ? (size_t)in->MaxAnnotationResults.value : ANNOTATIONS_MAX;
    struct key prefix = annotation_prefix(call, object->annotation_set), from = prefix;
    struct kv_cursor *cursor;
    size_t cap = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(after))
        key_str(&from, str_concat(call->arena, after, str_make("", 1)));
    else if (!str_is_empty(in->AnnotationPrefix))
        key_str(&from, in->AnnotationPrefix);
    TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    for (;;) {
        struct str key, value;
        struct s3_annotation one;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &s3_model, S3_SHAPE_annotation, value, &one));
        if (!str_is_empty(in->AnnotationPrefix) && !str_starts_with(one.name, in->AnnotationPrefix))
            break;
        if (out->Annotations.len == limit) {
            out->NextContinuationToken =
                paging_token(call, out->Annotations.items[limit - 1].AnnotationName);
            break;
        }
        struct s3_AnnotationEntry entry = annotation_shown(call, object, &one);
        VEC_PUSH(call->arena, out->Annotations.items, out->Annotations.len, cap, entry);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT s3_ListObjectAnnotations(struct call *call, const struct s3_ListObjectAnnotationsRequest *in,
                                struct s3_ListObjectAnnotationsOutput *out)
{
    struct s3_bucket bucket;
    struct s3_object object;
    struct str after = {0};
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (in->AnnotationPrefix.len > NAME_MAX_BYTES)
        return call_fail(call, S3_INVALID_PREFIX, "The annotation prefix you provided is invalid.");
    if (in->MaxAnnotationResults.set &&
        (in->MaxAnnotationResults.value < 1 || in->MaxAnnotationResults.value > ANNOTATIONS_MAX))
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "Argument max-annotation-results must be an integer between 1 and 1000");
    if (!str_is_absent(in->ContinuationToken) &&
        !paging_position(call, in->ContinuationToken, &after))
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "The continuation token provided is incorrect");
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    if (object.annotation_set != 0)
        TRY(list_page(call, in, &object, after, out));
    out->Bucket = in->Bucket;
    out->Key = in->Key;
    out->ObjectVersionId = object_shown_version(&bucket, &object);
    out->AnnotationPrefix = in->AnnotationPrefix;
    out->MaxAnnotationResults =
        opt_int(in->MaxAnnotationResults.set ? in->MaxAnnotationResults.value : ANNOTATIONS_MAX);
    out->AnnotationCount = opt_int((int32_t)out->Annotations.len);
    out->ContinuationToken = in->ContinuationToken;
    return RESULT_OK;
}
