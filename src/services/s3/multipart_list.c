/* ListParts and ListMultipartUploads. */
#include "base/vec.h"
#include "services/s3/lifecycle.h"
#include "services/s3/list_int.h"
#include "store/record.h"

RESULT s3_ListParts(struct call *call, const struct s3_ListPartsRequest *in,
                    struct s3_ListPartsOutput *out)
{
    struct s3_bucket bucket;
    struct s3_upload upload;
    struct kv_cursor *cursor;
    size_t limit, cap = 0;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(list_limit(call, in->MaxParts, "max-parts", &limit));
    TRY(upload_find(call, &bucket, in->Key, in->UploadId, &upload));
    int32_t marker = in->PartNumberMarker.set ? in->PartNumberMarker.value : 0;
    if (marker < 0)
        return s3_invalid_argument(call, "part-number-marker",
                                   str_format(call->arena, "%d", (int)marker),
                                   "Argument part-number-marker must be an integer between 0 and "
                                   "2147483647");
    struct key prefix = part_prefix(call, upload.sequence);
    struct key from = part_key(call, &upload, (int64_t)marker + 1);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    out->IsTruncated = opt_bool(false);
    out->NextPartNumberMarker = opt_int(0);
    for (;;) {
        struct str key, value;
        struct s3_part part;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        if (out->Parts.len == limit) {
            out->IsTruncated = opt_bool(limit > 0);
            break;
        }
        TRY(record_decode(call->arena, &s3_model, S3_SHAPE_part, value, &part));
        struct s3_Part entry = {
            .PartNumber = opt_int((int32_t)part.number),
            .LastModified = opt_time(part.modified_ms),
            .ETag = s3_quote(call->arena, part.etag),
            .Size = opt_long(part.size),
        };
        if (upload.checksum_chosen)
            S3_SET_CHECKSUM(&entry, upload.checksum_algorithm, part.checksum);
        out->NextPartNumberMarker = entry.PartNumber;
        VEC_PUSH(call->arena, out->Parts.items, out->Parts.len, cap, entry);
    }
    out->Bucket = in->Bucket;
    out->Key = in->Key;
    out->UploadId = in->UploadId;
    out->PartNumberMarker = opt_int(marker);
    out->MaxParts = opt_int((int32_t)limit);
    out->Owner = s3_owner(call, bucket.account);
    out->Initiator = ARENA_NEW(call->arena, struct s3_Initiator);
    out->Initiator->ID = out->Owner->ID;
    TRY(lifecycle_abort(call, &bucket, in->Key, upload.initiated_ms, &out->AbortDate,
                        &out->AbortRuleId));
    out->StorageClass = str_is_absent(upload.object->storage_class) ? STR("STANDARD")
                                                                    : upload.object->storage_class;
    if (upload.checksum_chosen) {
        out->ChecksumAlgorithm = upload.checksum_algorithm;
        out->ChecksumType = upload.checksum_type;
    }
    return RESULT_OK;
}

/* --- ListMultipartUploads --- */

struct uploads {
    struct call *call;
    const struct s3_bucket *bucket;
    const struct s3_ListMultipartUploadsRequest *in;
    struct str prefix, delimiter;
    size_t limit, count, uploads_cap, prefixes_cap;
    struct kv_cursor *cursor;
    struct s3_ListMultipartUploadsOutput *out;
};

/* Behind the key, or behind one of its uploads. */
static RESULT uploads_seek(struct uploads *u)
{
    struct call *call = u->call;
    struct str key = u->in->KeyMarker;
    uint64_t sequence;
    if (str_is_empty(key) || str_cmp(key, u->prefix) < 0)
        return RESULT_OK;
    struct str common = list_common(key, u->prefix, u->delimiter);
    if (str_starts_with(key, u->prefix) && !str_is_absent(common) && str_eq(common, key))
        return kv_cursor_seek(u->cursor, list_behind(call, u->bucket, STR("s3-upload"), common));
    struct key at = list_prefix(call, u->bucket, STR("s3-upload"), (struct str){0});
    key_str(&at, key);
    if (!str_is_empty(u->in->UploadIdMarker)) {
        if (!s3_read_id(call->arena, u->in->UploadIdMarker, &sequence))
            return s3_invalid_argument(call, "upload-id-marker", u->in->UploadIdMarker,
                                       "Invalid uploadId marker");
        key_i64(&at, (int64_t)sequence + 1);
    }
    struct str from = key_bytes(&at);
    if (str_is_empty(u->in->UploadIdMarker))
        from = str_concat(call->arena, from, STR("\x05"));
    return kv_cursor_seek(u->cursor, from);
}

static RESULT uploads_add(struct uploads *u, struct str key, struct str value)
{
    struct call *call = u->call;
    struct s3_upload upload;
    TRY(record_decode(call->arena, &s3_model, S3_SHAPE_upload, value, &upload));
    struct s3_MultipartUpload entry = {
        .UploadId = upload.upload_id,
        .Key = s3_encode_key(call, u->in->EncodingType, key),
        .Initiated = opt_time(upload.initiated_ms),
        .StorageClass = str_is_absent(upload.object->storage_class) ? STR("STANDARD")
                                                                    : upload.object->storage_class,
        .Owner = s3_owner(call, u->bucket->account),
        .Initiator = ARENA_NEW(call->arena, struct s3_Initiator),
    };
    entry.Initiator->ID = entry.Owner->ID;
    if (upload.checksum_chosen) {
        entry.ChecksumAlgorithm = upload.checksum_algorithm;
        entry.ChecksumType = upload.checksum_type;
    }
    u->out->NextKeyMarker = entry.Key;
    u->out->NextUploadIdMarker = upload.upload_id;
    VEC_PUSH(call->arena, u->out->Uploads.items, u->out->Uploads.len, u->uploads_cap, entry);
    return RESULT_OK;
}

static RESULT uploads_walk(struct uploads *u)
{
    struct call *call = u->call;
    for (;;) {
        struct str bytes, value, key;
        struct key_reader rest;
        TRY(kv_next(u->cursor, &bytes, &value));
        if (str_is_absent(bytes))
            return RESULT_OK;
        if (!list_key(call, bytes, &key, &rest))
            return FAULT("a broken key of an upload");
        if (u->count++ == u->limit) {
            u->out->IsTruncated = opt_bool(u->limit > 0);
            return RESULT_OK;
        }
        key = str_copy(call->arena, key);
        struct str common = list_common(key, u->prefix, u->delimiter);
        if (str_is_absent(common)) {
            TRY(uploads_add(u, key, value));
            continue;
        }
        struct s3_CommonPrefix entry = {s3_encode_key(call, u->in->EncodingType, common)};
        VEC_PUSH(call->arena, u->out->CommonPrefixes.items, u->out->CommonPrefixes.len,
                 u->prefixes_cap, entry);
        u->out->NextKeyMarker = entry.Prefix;
        u->out->NextUploadIdMarker = (struct str){0};
        TRY(kv_cursor_seek(u->cursor, list_behind(call, u->bucket, STR("s3-upload"), common)));
    }
}

RESULT s3_ListMultipartUploads(struct call *call, const struct s3_ListMultipartUploadsRequest *in,
                               struct s3_ListMultipartUploadsOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_encoding(call, in->EncodingType));
    struct uploads u = {
        .call = call,
        .bucket = &bucket,
        .in = in,
        .prefix = str_is_absent(in->Prefix) ? STR("") : in->Prefix,
        .delimiter = str_is_absent(in->Delimiter) ? STR("") : in->Delimiter,
        .out = out,
    };
    TRY(list_limit(call, in->MaxUploads, "max-uploads", &u.limit));
    out->IsTruncated = opt_bool(false);
    struct key prefix = list_prefix(call, &bucket, STR("s3-upload"), u.prefix);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &u.cursor));
    TRY(uploads_seek(&u));
    TRY(uploads_walk(&u));
    out->Bucket = in->Bucket;
    out->KeyMarker = s3_encode_key(call, in->EncodingType,
                                   str_is_absent(in->KeyMarker) ? STR("") : in->KeyMarker);
    out->UploadIdMarker = str_is_absent(in->UploadIdMarker) ? STR("") : in->UploadIdMarker;
    out->Prefix = s3_encode_key(call, in->EncodingType, u.prefix);
    out->MaxUploads = opt_int((int32_t)u.limit);
    out->EncodingType = in->EncodingType;
    if (!str_is_empty(in->Delimiter))
        out->Delimiter = s3_encode_key(call, in->EncodingType, in->Delimiter);
    return RESULT_OK;
}
