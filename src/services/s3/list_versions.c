/* ListObjectVersions: the table of the newest and the table of versions, walked together by key. */
#include "base/vec.h"
#include "services/s3/archive.h"
#include "services/s3/list_int.h"
#include "store/record.h"

/* One of the two tables. */
struct walk {
    struct str table;
    struct kv_cursor *cursor;
    struct str key; /* of the entry at hand; absent: at the end */
    struct str value;
};

struct versions {
    struct call *call;
    const struct s3_bucket *bucket;
    const struct s3_ListObjectVersionsRequest *in;
    struct str prefix, delimiter;
    size_t limit, count;
    struct walk newest, older;
    struct str current; /* the key whose newest version has been met */
    struct s3_ListObjectVersionsOutput *out;
    size_t versions_cap, markers_cap, prefixes_cap;
    bool restores;
};

static RESULT walk_next(struct versions *v, struct walk *walk)
{
    struct str bytes;
    struct key_reader rest;
    TRY(kv_next(walk->cursor, &bytes, &walk->value));
    walk->key = (struct str){0};
    if (str_is_absent(bytes))
        return RESULT_OK;
    if (!list_key(v->call, bytes, &walk->key, &rest))
        return FAULT("a broken key of a version");
    walk->key = str_copy(v->call->arena, walk->key);
    return RESULT_OK;
}

static RESULT walk_open(struct versions *v, struct walk *walk, struct str table, struct str from)
{
    struct key prefix = list_prefix(v->call, v->bucket, table, v->prefix);
    walk->table = table;
    TRY(kv_cursor_open(v->call->txn, v->call->arena, key_bytes(&prefix), false, &walk->cursor));
    if (!str_is_absent(from) && str_cmp(from, key_bytes(&prefix)) > 0)
        TRY(kv_cursor_seek(walk->cursor, from));
    return walk_next(v, walk);
}

static RESULT walk_skip(struct versions *v, struct walk *walk, struct str common)
{
    if (str_is_absent(walk->key) || !str_starts_with(walk->key, common))
        return RESULT_OK;
    TRY(kv_cursor_seek(walk->cursor, list_behind(v->call, v->bucket, walk->table, common)));
    return walk_next(v, walk);
}

static RESULT versions_add(struct versions *v, struct str key, struct str value, bool latest)
{
    struct call *call = v->call;
    struct s3_object object;
    TRY(record_decode(call->arena, &s3_model, S3_SHAPE_object, value, &object));
    struct str shown = s3_encode_key(call, v->in->EncodingType, key);
    v->out->NextKeyMarker = shown;
    v->out->NextVersionIdMarker = object_version_id(&object);
    if (object.delete_marker) {
        struct s3_DeleteMarkerEntry marker = {
            .Owner = s3_owner(call, v->bucket->account),
            .Key = shown,
            .VersionId = object_version_id(&object),
            .IsLatest = opt_bool(latest),
            .LastModified = opt_time(object.modified_ms),
        };
        VEC_PUSH(call->arena, v->out->DeleteMarkers.items, v->out->DeleteMarkers.len,
                 v->markers_cap, marker);
        return RESULT_OK;
    }
    struct s3_ObjectVersion version = {
        .ETag = s3_quote(call->arena, object.etag),
        .ChecksumType = object.checksum_type,
        .Size = opt_long(object.size),
        .StorageClass =
            str_is_absent(object.storage_class) ? STR("STANDARD") : object.storage_class,
        .Key = shown,
        .VersionId = object_version_id(&object),
        .IsLatest = opt_bool(latest),
        .LastModified = opt_time(object.modified_ms),
        .Owner = s3_owner(call, v->bucket->account),
    };
    if (v->restores)
        version.RestoreStatus = archive_status(call, &object);
    if (!str_is_absent(object.checksum_algorithm)) {
        struct str *name = ARENA_NEW(call->arena, struct str);
        *name = object.checksum_algorithm;
        version.ChecksumAlgorithm = (struct str_list){name, 1};
    }
    VEC_PUSH(call->arena, v->out->Versions.items, v->out->Versions.len, v->versions_cap, version);
    return RESULT_OK;
}

static RESULT versions_walk(struct versions *v)
{
    for (;;) {
        struct walk *walk = &v->newest;
        if (str_is_absent(walk->key) ||
            (!str_is_absent(v->older.key) && str_cmp(v->older.key, walk->key) < 0))
            walk = &v->older;
        if (str_is_absent(walk->key))
            return RESULT_OK;
        if (v->count == v->limit) {
            v->out->IsTruncated = opt_bool(v->limit > 0);
            return RESULT_OK;
        }
        struct str key = walk->key;
        struct str common = list_common(key, v->prefix, v->delimiter);
        v->count++;
        if (!str_is_absent(common)) {
            struct s3_CommonPrefix entry = {s3_encode_key(v->call, v->in->EncodingType, common)};
            VEC_PUSH(v->call->arena, v->out->CommonPrefixes.items, v->out->CommonPrefixes.len,
                     v->prefixes_cap, entry);
            v->out->NextKeyMarker = entry.Prefix;
            v->out->NextVersionIdMarker = (struct str){0};
            TRY(walk_skip(v, &v->newest, common));
            TRY(walk_skip(v, &v->older, common));
            continue;
        }
        bool latest = !str_eq(v->current, key);
        v->current = key;
        TRY(versions_add(v, key, walk->value, latest));
        TRY(walk_next(v, walk));
    }
}

/* Behind the version that the markers name. */
static RESULT versions_start(struct versions *v, struct str *newest, struct str *older)
{
    struct call *call = v->call;
    struct str key = v->in->KeyMarker;
    struct object_place place;
    *newest = *older = (struct str){0};
    if (str_is_empty(key))
        return RESULT_OK;
    struct key at = object_key(call, v->bucket, key);
    *newest = str_concat(call->arena, key_bytes(&at), STR("\x01"));
    *older = list_behind(call, v->bucket, STR("s3-version"), key);
    struct str common = list_common(key, v->prefix, v->delimiter);
    if (str_starts_with(key, v->prefix) && str_eq(common, key) && !str_is_absent(common)) {
        *newest = list_behind(call, v->bucket, STR("s3-object"), common);
        return RESULT_OK;
    }
    /* Keys that go on behind this one: the version keys of this one end with 0x04 and its number.
     */
    struct key versions = list_prefix(call, v->bucket, STR("s3-version"), (struct str){0});
    key_str(&versions, key);
    *older = str_concat(call->arena, key_bytes(&versions), STR("\x05"));
    if (str_is_empty(v->in->VersionIdMarker))
        return RESULT_OK;
    TRY(object_find(call, v->bucket, key, v->in->VersionIdMarker, &place));
    uint64_t sequence = (uint64_t)place.object.sequence;
    if (!place.found && !s3_read_id(call->arena, v->in->VersionIdMarker, &sequence))
        return RESULT_OK;
    v->current = key;
    struct key from = object_version_key(call, v->bucket, key, (int64_t)sequence);
    *older = place.found && place.current ? str_copy(call->arena, key_bytes(&versions))
                                          : str_concat(call->arena, key_bytes(&from), STR("\x01"));
    return RESULT_OK;
}

RESULT s3_ListObjectVersions(struct call *call, const struct s3_ListObjectVersionsRequest *in,
                             struct s3_ListObjectVersionsOutput *out)
{
    struct s3_bucket bucket;
    struct str newest, older;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_encoding(call, in->EncodingType));
    if (!str_is_absent(in->VersionIdMarker) && str_is_empty(in->VersionIdMarker))
        return s3_invalid_argument(call, "version-id-marker", STR(""),
                                   "A version-id marker cannot be empty.");
    if (!str_is_empty(in->VersionIdMarker) && str_is_empty(in->KeyMarker))
        return s3_invalid_argument(call, "version-id-marker", in->VersionIdMarker,
                                   "A version-id marker cannot be specified without a key marker.");
    struct versions v = {
        .call = call,
        .bucket = &bucket,
        .in = in,
        .prefix = str_is_absent(in->Prefix) ? STR("") : in->Prefix,
        .delimiter = str_is_absent(in->Delimiter) ? STR("") : in->Delimiter,
        .out = out,
    };
    TRY(archive_read_optional(call, &in->OptionalObjectAttributes, &v.restores));
    TRY(list_limit(call, in->MaxKeys, "maxKeys", &v.limit));
    out->IsTruncated = opt_bool(false);
    TRY(versions_start(&v, &newest, &older));
    TRY(walk_open(&v, &v.newest, STR("s3-object"), newest));
    TRY(walk_open(&v, &v.older, STR("s3-version"), older));
    TRY(versions_walk(&v));
    if (!out->IsTruncated.value)
        out->NextKeyMarker = out->NextVersionIdMarker = (struct str){0};
    out->Name = in->Bucket;
    out->Prefix = s3_encode_key(call, in->EncodingType, v.prefix);
    out->KeyMarker = s3_encode_key(call, in->EncodingType,
                                   str_is_absent(in->KeyMarker) ? STR("") : in->KeyMarker);
    out->VersionIdMarker = str_is_absent(in->VersionIdMarker) ? STR("") : in->VersionIdMarker;
    out->MaxKeys = opt_int((int32_t)v.limit);
    out->EncodingType = in->EncodingType;
    if (!str_is_empty(in->Delimiter))
        out->Delimiter = s3_encode_key(call, in->EncodingType, in->Delimiter);
    return RESULT_OK;
}
