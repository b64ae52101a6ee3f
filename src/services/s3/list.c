/* ListObjects and ListObjectsV2. A common prefix is passed over by one seek, so that a page costs
 * what it returns. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/s3/archive.h"
#include "services/s3/list_int.h"
#include "store/record.h"
#include "wire/params.h"

/* --- walking --- */

struct key list_prefix(struct call *call, const struct s3_bucket *bucket, struct str table,
                       struct str prefix)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, table);
    key_i64(&key, bucket->id);
    if (!str_is_empty(prefix)) {
        key_str(&key, prefix);
        key.len--; /* without its end: whatever begins so */
    }
    return key;
}

struct str list_behind(struct call *call, const struct s3_bucket *bucket, struct str table,
                       struct str prefix)
{
    struct key key = list_prefix(call, bucket, table, prefix);
    return str_concat(call->arena, key_bytes(&key), STR("\xff"));
}

struct str list_common(struct str key, struct str prefix, struct str delimiter)
{
    if (str_is_empty(delimiter))
        return (struct str){0};
    struct str rest = str_slice(key, prefix.len, key.len);
    size_t at = str_find(rest, delimiter);
    return at == SIZE_MAX ? (struct str){0} : str_slice(key, 0, prefix.len + at + delimiter.len);
}

bool list_key(struct call *call, struct str bytes, struct str *key, struct key_reader *rest)
{
    struct str table;
    int64_t id;
    *rest = key_read(call->arena, bytes);
    return key_next_str(rest, &table) && key_next_i64(rest, &id) && key_next_str(rest, key);
}

/* --- a page of the newest versions --- */

struct page {
    struct call *call;
    const struct s3_bucket *bucket;
    struct str prefix, delimiter, after, encoding;
    size_t limit;
    bool owner, restores;
    /* What it holds. */
    struct s3_ObjectList contents;
    struct s3_CommonPrefixList prefixes;
    size_t contents_cap, prefixes_cap;
    bool truncated;
    struct str last; /* the key or prefix that it ends with */
};

static RESULT page_add(struct page *page, struct str key, struct str value)
{
    struct call *call = page->call;
    struct s3_object object;
    TRY(record_decode(call->arena, &s3_model, S3_SHAPE_object, value, &object));
    struct s3_Object entry = {
        .Key = s3_encode_key(call, page->encoding, key),
        .LastModified = opt_time(object.modified_ms),
        .ETag = s3_quote(call->arena, object.etag),
        .Size = opt_long(object.size),
        .StorageClass =
            str_is_absent(object.storage_class) ? STR("STANDARD") : object.storage_class,
        .ChecksumType = object.checksum_type,
    };
    if (page->restores)
        entry.RestoreStatus = archive_status(call, &object);
    if (page->owner)
        entry.Owner =
            s3_owner(call, str_is_absent(object.owner) ? page->bucket->account : object.owner);
    if (!str_is_absent(object.checksum_algorithm)) {
        struct str *name = ARENA_NEW(call->arena, struct str);
        *name = object.checksum_algorithm;
        entry.ChecksumAlgorithm = (struct str_list){name, 1};
    }
    VEC_PUSH(call->arena, page->contents.items, page->contents.len, page->contents_cap, entry);
    return RESULT_OK;
}

/* Where the walk begins: behind `after`, and behind all that a common prefix there stands for. */
static struct str page_start(struct page *page)
{
    struct str common = list_common(page->after, page->prefix, page->delimiter);
    if (str_starts_with(page->after, page->prefix) && !str_is_absent(common) &&
        str_eq(common, page->after))
        return list_behind(page->call, page->bucket, STR("s3-object"), common);
    struct key key = object_key(page->call, page->bucket, page->after);
    return str_concat(page->call->arena, key_bytes(&key), STR("\x01"));
}

static RESULT page_walk(struct page *page)
{
    struct call *call = page->call;
    struct key prefix = list_prefix(call, page->bucket, STR("s3-object"), page->prefix);
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_empty(page->after) && str_cmp(page->after, page->prefix) >= 0)
        TRY(kv_cursor_seek(cursor, page_start(page)));
    for (;;) {
        struct str bytes, value, key;
        struct key_reader rest;
        TRY(kv_next(cursor, &bytes, &value));
        if (str_is_absent(bytes))
            return RESULT_OK;
        if (!list_key(call, bytes, &key, &rest))
            return FAULT("a broken key of an object");
        if (page->contents.len + page->prefixes.len == page->limit) {
            page->truncated = page->limit > 0;
            return RESULT_OK;
        }
        struct str common = list_common(key, page->prefix, page->delimiter);
        page->last = str_copy(call->arena, str_is_absent(common) ? key : common);
        if (str_is_absent(common)) {
            TRY(page_add(page, page->last, value));
            continue;
        }
        struct s3_CommonPrefix entry = {s3_encode_key(call, page->encoding, page->last)};
        VEC_PUSH(call->arena, page->prefixes.items, page->prefixes.len, page->prefixes_cap, entry);
        TRY(kv_cursor_seek(cursor, list_behind(call, page->bucket, STR("s3-object"), page->last)));
    }
}

RESULT list_limit(struct call *call, struct opt_int given, const char *name, size_t *limit)
{
    if (given.set && given.value < 0)
        return s3_invalid_argument(call, name, str_format(call->arena, "%d", given.value),
                                   "Argument %s must be an integer between 0 and 2147483647", name);
    *limit = given.set && given.value < S3_PAGE_MAX ? (size_t)given.value : S3_PAGE_MAX;
    return RESULT_OK;
}

static struct str or_empty(struct str s)
{
    return str_is_absent(s) ? STR("") : s;
}

/* list-type=2 is ListObjectsV2; there is no other. */
static RESULT check_type(struct call *call)
{
    struct wire_params params = {0};
    if (call->request == NULL || str_is_empty(call->request->query) ||
        !wire_params_read(call->arena, call->request->query, &params))
        return RESULT_OK;
    const struct wire_param *type = wire_params_find(&params, STR("list-type"));
    return type == NULL ? RESULT_OK
                        : s3_invalid_argument(call, "list-type",
                                              str_is_absent(type->value) ? STR("") : type->value,
                                              "Invalid List Type specified in Request");
}

RESULT s3_ListObjects(struct call *call, const struct s3_ListObjectsRequest *in,
                      struct s3_ListObjectsOutput *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(check_type(call));
    TRY(s3_check_encoding(call, in->EncodingType));
    struct page page = {.call = call,
                        .bucket = &bucket,
                        .prefix = or_empty(in->Prefix),
                        .delimiter = or_empty(in->Delimiter),
                        .after = or_empty(in->Marker),
                        .encoding = in->EncodingType,
                        .owner = true};
    TRY(archive_read_optional(call, &in->OptionalObjectAttributes, &page.restores));
    TRY(list_limit(call, in->MaxKeys, "maxKeys", &page.limit));
    TRY(page_walk(&page));
    call_add_header(call, STR("x-amz-bucket-region"), bucket.region);
    out->Name = in->Bucket;
    out->Prefix = s3_encode_key(call, in->EncodingType, page.prefix);
    out->Marker = s3_encode_key(call, in->EncodingType, page.after);
    out->MaxKeys = opt_int((int32_t)page.limit);
    out->EncodingType = in->EncodingType;
    out->IsTruncated = opt_bool(page.truncated);
    out->Contents = page.contents;
    out->CommonPrefixes = page.prefixes;
    if (!str_is_empty(in->Delimiter)) {
        out->Delimiter = s3_encode_key(call, in->EncodingType, in->Delimiter);
        if (page.truncated) /* "returned only if you have the delimiter request parameter" */
            out->NextMarker = s3_encode_key(call, in->EncodingType, page.last);
    }
    return RESULT_OK;
}

RESULT s3_ListObjectsV2(struct call *call, const struct s3_ListObjectsV2Request *in,
                        struct s3_ListObjectsV2Output *out)
{
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_encoding(call, in->EncodingType));
    struct page page = {.call = call,
                        .bucket = &bucket,
                        .prefix = or_empty(in->Prefix),
                        .delimiter = or_empty(in->Delimiter),
                        .after = or_empty(in->StartAfter),
                        .encoding = in->EncodingType,
                        .owner = in->FetchOwner.set && in->FetchOwner.value};
    TRY(archive_read_optional(call, &in->OptionalObjectAttributes, &page.restores));
    TRY(list_limit(call, in->MaxKeys, "maxKeys", &page.limit));
    if (!str_is_absent(in->ContinuationToken) &&
        !paging_position(call, in->ContinuationToken, &page.after))
        return s3_invalid_argument(call, "continuation-token", in->ContinuationToken,
                                   "The continuation token provided is incorrect");
    TRY(page_walk(&page));
    call_add_header(call, STR("x-amz-bucket-region"), bucket.region);
    out->Name = in->Bucket;
    out->Prefix = s3_encode_key(call, in->EncodingType, page.prefix);
    out->StartAfter = s3_encode_key(call, in->EncodingType, in->StartAfter);
    out->ContinuationToken = in->ContinuationToken;
    out->MaxKeys = opt_int((int32_t)page.limit);
    out->KeyCount = opt_int((int32_t)(page.contents.len + page.prefixes.len));
    out->EncodingType = in->EncodingType;
    out->IsTruncated = opt_bool(page.truncated);
    out->Contents = page.contents;
    out->CommonPrefixes = page.prefixes;
    if (!str_is_empty(in->Delimiter))
        out->Delimiter = s3_encode_key(call, in->EncodingType, in->Delimiter);
    if (page.truncated)
        out->NextContinuationToken = paging_token(call, page.last);
    return RESULT_OK;
}
