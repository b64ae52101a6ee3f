/* Versions of objects. The newest version of a key stands in the table that listings and GET read,
 * unless it is a delete marker; all else stands in the table of versions, newest first. README.md
 * draws the keys. */
#include "services/s3/access.h"
#include "services/s3/annotation.h"
#include "services/s3/replication.h"
#include "store/record.h"

struct key object_key(struct call *call, const struct s3_bucket *bucket, struct str key)
{
    struct key out;
    key_init(&out, call->arena);
    key_str(&out, STR("s3-object"));
    key_i64(&out, bucket->id);
    key_str(&out, key);
    return out;
}

static struct key versions_key(struct call *call, const struct s3_bucket *bucket, struct str key)
{
    struct key out;
    key_init(&out, call->arena);
    key_str(&out, STR("s3-version"));
    key_i64(&out, bucket->id);
    key_str(&out, key);
    return out;
}

struct key object_version_key(struct call *call, const struct s3_bucket *bucket, struct str key,
                              int64_t sequence)
{
    struct key out = versions_key(call, bucket, key);
    key_i64(&out, -sequence);
    return out;
}

/* The sequence of a null version that is not in the table of the newest. */
static struct key null_key(struct call *call, const struct s3_bucket *bucket, struct str key)
{
    struct key out;
    key_init(&out, call->arena);
    key_str(&out, STR("s3-null"));
    key_i64(&out, bucket->id);
    key_str(&out, key);
    return out;
}

struct str object_version_id(const struct s3_object *object)
{
    return str_is_absent(object->version_id) ? STR("null") : object->version_id;
}

struct str object_shown_version(const struct s3_bucket *bucket, const struct s3_object *object)
{
    return bucket_is_versioned(bucket) ? object_version_id(object) : (struct str){0};
}

/* --- finding --- */

static RESULT find_current(struct call *call, const struct s3_bucket *bucket, struct str key,
                           struct object_place *place)
{
    struct key at = object_key(call, bucket, key);
    place->current = true;
    return call_get_record_copy(call, &at, &s3_model, S3_SHAPE_object, &place->object,
                                &place->found);
}

static RESULT find_at(struct call *call, const struct s3_bucket *bucket, struct str key,
                      int64_t sequence, struct object_place *place)
{
    struct key at = object_version_key(call, bucket, key, sequence);
    place->current = false;
    return call_get_record_copy(call, &at, &s3_model, S3_SHAPE_object, &place->object,
                                &place->found);
}

/* The newest in the table of versions. */
static RESULT find_newest(struct call *call, const struct s3_bucket *bucket, struct str key,
                          struct object_place *place)
{
    struct key prefix = versions_key(call, bucket, key);
    struct kv_cursor *cursor;
    struct str at, value;
    *place = (struct object_place){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &at, &value));
    if (!str_is_absent(at)) {
        TRY(record_decode_copy(call->arena, &s3_model, S3_SHAPE_object, value, &place->object));
        place->found = true;
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT object_latest(struct call *call, const struct s3_bucket *bucket, struct str key,
                     struct object_place *place)
{
    *place = (struct object_place){0};
    TRY(find_current(call, bucket, key, place));
    if (place->found || !bucket_is_versioned(bucket))
        return RESULT_OK;
    return find_newest(call, bucket, key, place);
}

static RESULT find_null(struct call *call, const struct s3_bucket *bucket, struct str key,
                        struct object_place *place)
{
    struct key at = null_key(call, bucket, key);
    struct str value;
    int64_t sequence;
    *place = (struct object_place){0};
    TRY(find_current(call, bucket, key, place));
    if (place->found && str_is_absent(place->object.version_id))
        return RESULT_OK;
    *place = (struct object_place){0};
    TRY(kv_get(call->txn, key_bytes(&at), &value));
    if (str_is_absent(value))
        return RESULT_OK;
    if (!str_to_i64(value, &sequence))
        return FAULT("a broken entry of a null version");
    return find_at(call, bucket, key, sequence, place);
}

RESULT object_find(struct call *call, const struct s3_bucket *bucket, struct str key,
                   struct str version_id, struct object_place *place)
{
    if (str_is_absent(version_id))
        return object_latest(call, bucket, key, place);
    if (str_eq(version_id, STR("null")))
        return find_null(call, bucket, key, place);
    uint64_t sequence;
    if (str_is_empty(version_id))
        return s3_invalid_argument(call, "versionId", version_id,
                                   "Version id cannot be the empty string");
    if (!s3_read_id(call->arena, version_id, &sequence))
        return s3_invalid_argument(call, "versionId", version_id, "Invalid version id specified");
    *place = (struct object_place){0};
    TRY(find_current(call, bucket, key, place));
    if (place->found && str_eq(place->object.version_id, version_id))
        return RESULT_OK;
    TRY(find_at(call, bucket, key, (int64_t)sequence, place));
    if (place->found && !str_eq(place->object.version_id, version_id))
        *place = (struct object_place){0};
    return RESULT_OK;
}

/* "Working with delete markers", Amazon S3 User Guide. */
static RESULT refuse_marker(struct call *call, struct str key, const struct s3_object *marker,
                            bool by_version)
{
    if (!by_version) {
        struct s3_DeleteMarkerFound *found = ARENA_NEW(call->arena, struct s3_DeleteMarkerFound);
        found->Key = key;
        found->DeleteMarker = opt_bool(true);
        found->VersionId = object_version_id(marker);
        return call_fail_with(call, S3_DELETE_MARKER_FOUND, found,
                              "The specified key does not exist.");
    }
    struct s3_DeleteMarkerNotReadable *detail =
        ARENA_NEW(call->arena, struct s3_DeleteMarkerNotReadable);
    detail->Method = call->request == NULL ? STR("GET") : call->request->method;
    detail->ResourceType = STR("DeleteMarker");
    detail->DeleteMarker = opt_bool(true);
    detail->VersionId = object_version_id(marker);
    detail->LastModified = opt_time(marker->modified_ms);
    return call_fail_with(call, S3_DELETE_MARKER_NOT_READABLE, detail,
                          "The specified method is not allowed against this resource.");
}

RESULT object_open(struct call *call, const struct s3_bucket *bucket, struct str key,
                   struct str version_id, struct s3_object *object)
{
    struct object_place place;
    TRY(s3_check_key(call, key));
    TRY(object_find(call, bucket, key, version_id, &place));
    bool by_version = !str_is_absent(version_id);
    if (!place.found && by_version) {
        struct s3_NoSuchVersion *detail = ARENA_NEW(call->arena, struct s3_NoSuchVersion);
        detail->Key = key;
        detail->VersionId = version_id;
        return call_fail_with(call, S3_NO_SUCH_VERSION, detail,
                              "The specified version does not exist.");
    }
    if (!place.found || (place.object.delete_marker && !by_version))
        TRY(access_list(call, bucket));
    if (!place.found)
        return s3_no_such_key(call, key);
    if (place.object.delete_marker)
        return refuse_marker(call, key, &place.object, by_version);
    *object = place.object;
    return RESULT_OK;
}

/* --- writing --- */

static RESULT put_current(struct call *call, const struct s3_bucket *bucket, struct str key,
                          const struct s3_object *object)
{
    struct key at = object_key(call, bucket, key);
    return call_put_record(call, &at, &s3_model, S3_SHAPE_object, object);
}

static RESULT put_version(struct call *call, const struct s3_bucket *bucket, struct str key,
                          const struct s3_object *object)
{
    struct key at = object_version_key(call, bucket, key, object->sequence);
    TRY(call_put_record(call, &at, &s3_model, S3_SHAPE_object, object));
    if (!str_is_absent(object->version_id))
        return RESULT_OK;
    struct key null = null_key(call, bucket, key);
    struct str text = str_format(call->arena, "%lld", (long long)object->sequence);
    return kv_put(call->txn, key_bytes(&null), text);
}

/* Takes the record away; the content stays. */
static RESULT take_away(struct call *call, const struct s3_bucket *bucket, struct str key,
                        const struct object_place *place)
{
    struct key at = place->current ? object_key(call, bucket, key)
                                   : object_version_key(call, bucket, key, place->object.sequence);
    TRY(kv_delete(call->txn, key_bytes(&at), NULL));
    if (place->current || !str_is_absent(place->object.version_id))
        return RESULT_OK;
    struct key null = null_key(call, bucket, key);
    return kv_delete(call->txn, key_bytes(&null), NULL);
}

static RESULT forget(struct call *call, const struct s3_bucket *bucket, struct str key,
                     const struct object_place *place)
{
    TRY(take_away(call, bucket, key, place));
    if (place->object.delete_marker)
        return RESULT_OK;
    TRY(annotations_drop(call, &place->object));
    return content_release_object(call, &place->object);
}

RESULT object_update(struct call *call, const struct s3_bucket *bucket, struct str key,
                     const struct object_place *place)
{
    return place->current ? put_current(call, bucket, key, &place->object)
                          : put_version(call, bucket, key, &place->object);
}

RESULT object_demote(struct call *call, const struct s3_bucket *bucket, struct str key)
{
    struct object_place place = {0};
    TRY(find_current(call, bucket, key, &place));
    if (!place.found)
        return RESULT_OK;
    TRY(take_away(call, bucket, key, &place));
    return put_version(call, bucket, key, &place.object);
}

RESULT object_add(struct call *call, const struct s3_bucket *bucket, struct str key,
                  struct s3_object *object)
{
    uint64_t sequence;
    TRY(call_sequence(call, &sequence));
    object->sequence = (int64_t)sequence;
    object->modified_ms = call->now_ms / 1000 * 1000;
    bool enabled = str_eq(bucket->versioning, STR("Enabled"));
    object->version_id = enabled ? s3_make_id(call->arena, sequence) : (struct str){0};
    TRY(replicate_mark(call, bucket, key, object));
    struct object_place place = {0};
    if (!enabled) {
        if (bucket_is_versioned(bucket))
            TRY(find_null(call, bucket, key, &place));
        else
            TRY(find_current(call, bucket, key, &place));
        if (place.found)
            TRY(forget(call, bucket, key, &place));
    }
    if (bucket_is_versioned(bucket)) {
        TRY(object_demote(call, bucket, key));
    }
    return object->delete_marker ? put_version(call, bucket, key, object)
                                 : put_current(call, bucket, key, object);
}

RESULT object_remove(struct call *call, const struct s3_bucket *bucket, struct str key,
                     const struct object_place *place)
{
    struct object_place next = {0};
    TRY(forget(call, bucket, key, place));
    if (!bucket_is_versioned(bucket))
        return RESULT_OK;
    /* The one before becomes the newest. */
    TRY(find_current(call, bucket, key, &next));
    if (next.found)
        return RESULT_OK;
    TRY(find_newest(call, bucket, key, &next));
    if (!next.found || next.object.delete_marker)
        return RESULT_OK;
    TRY(take_away(call, bucket, key, &next));
    return put_current(call, bucket, key, &next.object);
}
