/* DeleteObject and DeleteObjects: "Deleting object versions from a versioning-enabled bucket",
 * Amazon S3 User Guide. */
#include "base/vec.h"
#include "services/s3/access.h"
#include "services/s3/access_log.h"
#include "services/s3/changes.h"
#include "services/s3/lock.h"

struct deletion {
    struct str key, version_id;
    struct str if_match;
    bool bypass; /* x-amz-bypass-governance-retention */
    /* What came of it. */
    bool marker;             /* a marker was made, or removed */
    struct str made_version; /* the marker that was made, or the version that went */
};

/* "Conditional delete evaluations only apply to the current version of the object": "How to perform
 * conditional deletes", Amazon S3 User Guide. */
static RESULT delete_check(struct call *call, const struct s3_bucket *bucket,
                           const struct deletion *deletion)
{
    if (str_is_absent(deletion->if_match))
        return RESULT_OK;
    struct object_place place;
    TRY(object_latest(call, bucket, deletion->key, &place));
    if (!place.found)
        return s3_no_such_key(call, deletion->key);
    if (place.object.delete_marker || !conditions_match(deletion->if_match, place.object.etag))
        return s3_precondition_failed(call, STR("If-Match"));
    return RESULT_OK;
}

/* For good: a version, or the object of a bucket without versions. */
static RESULT delete_version(struct call *call, const struct s3_bucket *bucket, struct str key,
                             const struct object_place *place, bool bypass)
{
    TRY(lock_check_removal(call, bucket, key, &place->object, bypass));
    const struct s3_change change = {.kind = S3_REMOVED, .key = key, .object = &place->object};
    TRY(object_remove(call, bucket, key, place));
    return s3_changed(call, bucket, &change);
}

static RESULT delete_one(struct call *call, const struct s3_bucket *bucket,
                         struct deletion *deletion)
{
    struct object_place place;
    TRY(s3_check_key(call, deletion->key));
    TRY(delete_check(call, bucket, deletion));
    if (!str_is_absent(deletion->version_id)) {
        TRY(object_find(call, bucket, deletion->key, deletion->version_id, &place));
        deletion->made_version = deletion->version_id;
        if (!place.found)
            return RESULT_OK;
        deletion->marker = place.object.delete_marker;
        return delete_version(call, bucket, deletion->key, &place, deletion->bypass);
    }
    if (!bucket_is_versioned(bucket)) {
        TRY(object_latest(call, bucket, deletion->key, &place));
        return place.found ? delete_version(call, bucket, deletion->key, &place, deletion->bypass)
                           : RESULT_OK;
    }
    struct s3_object marker = {.delete_marker = true};
    TRY(object_add(call, bucket, deletion->key, &marker));
    deletion->marker = true;
    deletion->made_version = object_version_id(&marker);
    const struct s3_change change = {
        .kind = S3_MARKER_MADE, .key = deletion->key, .object = &marker};
    return s3_changed(call, bucket, &change);
}

RESULT s3_DeleteObject(struct call *call, const struct s3_DeleteObjectRequest *in,
                       struct s3_DeleteObjectOutput *out)
{
    struct s3_bucket bucket;
    struct deletion deletion = {.key = in->Key,
                                .version_id = in->VersionId,
                                .if_match = in->IfMatch,
                                .bypass = in->BypassGovernanceRetention.value};
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(lock_check_bypass(call, &bucket, in->BypassGovernanceRetention));
    if (in->IfMatchLastModifiedTime.set || in->IfMatchSize.set)
        return call_fail(call, S3_UNBUILT_HEADER,
                         "A header you provided implies functionality that is not implemented");
    if (bucket.mfa_delete && !str_is_absent(in->VersionId))
        TRY(mfa_delete_check(call, in->MFA));
    TRY(delete_one(call, &bucket, &deletion));
    if (deletion.marker)
        out->DeleteMarker = opt_bool(true);
    if (bucket_is_versioned(&bucket))
        out->VersionId = deletion.made_version;
    return RESULT_OK;
}

/* --- many --- */

static void add_error(struct call *call, const struct s3_ObjectIdentifier *one,
                      struct s3_DeleteObjectsOutput *out, size_t *cap)
{
    struct s3_Error error = {
        .Key = one->Key,
        .VersionId = one->VersionId,
        .Code = wire_string(&s3_model, s3_model.errors[call->error].code),
        .Message = call->message,
    };
    VEC_PUSH(call->arena, out->Errors.items, out->Errors.len, *cap, error);
}

static void add_deleted(struct call *call, const struct s3_ObjectIdentifier *one,
                        const struct deletion *deletion, struct s3_DeleteObjectsOutput *out,
                        size_t *cap)
{
    struct s3_DeletedObject deleted = {.Key = one->Key, .VersionId = one->VersionId};
    if (deletion->marker) {
        deleted.DeleteMarker = opt_bool(true);
        deleted.DeleteMarkerVersionId = deletion->made_version;
    }
    VEC_PUSH(call->arena, out->Deleted.items, out->Deleted.len, *cap, deleted);
}

/* Each key has a line of its own in the bucket's access log. */
static void note_one(struct call *call, const struct s3_bucket *bucket,
                     const struct s3_ObjectIdentifier *one, enum result result)
{
    const struct wire_error *error = &s3_model.errors[call->error];
    struct access_line line = {.operation = "BATCH.DELETE.OBJECT",
                               .key = one->Key,
                               .version_id = one->VersionId,
                               .status = 204};
    if (result == RESULT_ERROR) {
        line.status = error->status;
        line.error = wire_string(&s3_model, error->code);
    }
    access_log_also(call, bucket, &line);
}

RESULT s3_DeleteObjects(struct call *call, const struct s3_DeleteObjectsRequest *in,
                        struct s3_DeleteObjectsOutput *out)
{
    struct s3_bucket bucket;
    size_t deleted = 0, errors = 0;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(lock_check_bypass(call, &bucket, in->BypassGovernanceRetention));
    TRY(s3_check_body(call));
    const struct s3_Delete *list = in->Delete;
    bool good = list != NULL && list->Objects.len > 0 && list->Objects.len <= 1000;
    for (size_t i = 0; good && i < list->Objects.len; i++)
        good = !str_is_empty(list->Objects.items[i].Key);
    if (!good)
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against "
                         "our published schema");
    bool quiet = list->Quiet.set && list->Quiet.value, of_versions = false;
    for (size_t i = 0; i < list->Objects.len; i++)
        of_versions = of_versions || !str_is_absent(list->Objects.items[i].VersionId);
    if (bucket.mfa_delete && of_versions)
        TRY(mfa_delete_check(call, in->MFA));
    for (size_t i = 0; i < list->Objects.len; i++) {
        const struct s3_ObjectIdentifier *one = &list->Objects.items[i];
        struct deletion deletion = {.key = one->Key,
                                    .version_id = one->VersionId,
                                    .if_match = one->ETag,
                                    .bypass = in->BypassGovernanceRetention.value};
        enum result result = RESULT_OK;
        uint64_t sequence;
        if (one->LastModifiedTime.set || one->Size.set) /* directory buckets only */
            result = call_fail(call, S3_UNBUILT_HEADER,
                               "A header you provided implies functionality that is not "
                               "implemented");
        else if (!str_is_absent(one->VersionId) && !str_eq(one->VersionId, STR("null")) &&
                 !s3_read_id(call->arena, one->VersionId, &sequence))
            result = call_fail(call, S3_NO_SUCH_VERSION, "The specified version does not exist.");
        else
            result = access_delete(call, in, one);
        if (result == RESULT_OK)
            result = delete_one(call, &bucket, &deletion);
        note_one(call, &bucket, one, result);
        if (result == RESULT_ERROR)
            add_error(call, one, out, &errors);
        else if (result != RESULT_OK)
            return result;
        else if (!quiet)
            add_deleted(call, one, &deletion, out, &deleted);
    }
    return RESULT_OK;
}
