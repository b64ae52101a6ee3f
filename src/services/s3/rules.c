/* What requests may say, and the small forms of S3's wire. */
#include "base/encode.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/tags.h"
#include "services/s3/s3_int.h"
#include "wire/params.h"

/* --- errors --- */

RESULT s3_no_such_key(struct call *call, struct str key)
{
    struct s3_NoSuchKey *detail = ARENA_NEW(call->arena, struct s3_NoSuchKey);
    detail->Key = key;
    return call_fail_with(call, S3_NO_SUCH_KEY, detail, "The specified key does not exist.");
}

RESULT s3_fail_bucket(struct call *call, uint32_t error, struct str bucket, const char *message)
{
    struct str *name = ARENA_NEW(call->arena, struct str);
    ASSERT(s3_model.shapes[s3_model.errors[error].shape].size == sizeof *name);
    *name = bucket;
    return call_fail_with(call, error, name, "%s", message);
}

RESULT s3_too_large(struct call *call, int64_t size, int64_t most)
{
    struct s3_EntityTooLargeError *detail = ARENA_NEW(call->arena, struct s3_EntityTooLargeError);
    detail->ProposedSize = opt_long(size);
    detail->MaxSizeAllowed = opt_long(most);
    return call_fail_with(call, S3_ENTITY_TOO_LARGE, detail,
                          "Your proposed upload exceeds the maximum allowed size");
}

RESULT s3_precondition_failed(struct call *call, struct str condition)
{
    struct s3_PreconditionFailed *detail = ARENA_NEW(call->arena, struct s3_PreconditionFailed);
    detail->Condition = condition;
    return call_fail_with(call, S3_PRECONDITION_FAILED, detail,
                          "At least one of the pre-conditions you specified did not hold");
}

struct s3_InvalidArgument *s3_argument(struct call *call, const char *name, struct str value)
{
    struct s3_InvalidArgument *detail = ARENA_NEW(call->arena, struct s3_InvalidArgument);
    detail->ArgumentName = str_from_c(name);
    detail->ArgumentValue = value;
    return detail;
}

RESULT s3_method_not_allowed(struct call *call, struct str resource)
{
    struct s3_MethodNotAllowed *detail = ARENA_NEW(call->arena, struct s3_MethodNotAllowed);
    detail->Method = call->request == NULL ? STR("POST") : call->request->method;
    detail->ResourceType = resource;
    return call_fail_with(call, WIRE_INVALID_ACTION, detail,
                          "The specified method is not allowed against this resource.");
}

/* --- headers --- */

/* What the answer would have to obey or to show, and cannot yet: README.md, Deliberately absent. */
const char *const s3_unbuilt_headers[] = {
    "x-amz-write-offset-bytes",
    NULL,
};

RESULT s3_refuse_headers(struct call *call, const char *const *names)
{
    if (call->request == NULL)
        return RESULT_OK;
    for (size_t i = 0; names[i] != NULL; i++)
        if (!str_is_absent(wire_request_header(call->request, str_from_c(names[i]))))
            return call_fail(
                call, S3_UNBUILT_HEADER,
                "A header you provided implies functionality that is not implemented: %s",
                names[i]);
    return RESULT_OK;
}

RESULT s3_check_key(struct call *call, struct str key)
{
    if (key.len <= S3_KEY_MAX)
        return RESULT_OK;
    struct s3_KeyTooLongError *detail = ARENA_NEW(call->arena, struct s3_KeyTooLongError);
    detail->Size = opt_long((int64_t)key.len);
    detail->MaxSizeAllowed = opt_long(S3_KEY_MAX);
    return call_fail_with(call, S3_KEY_TOO_LONG, detail, "Your key is too long");
}

RESULT s3_check_storage_class(struct call *call, struct str name)
{
    static const struct str known[] = {
        STR_INIT("STANDARD"),   STR_INIT("REDUCED_REDUNDANCY"),  STR_INIT("STANDARD_IA"),
        STR_INIT("ONEZONE_IA"), STR_INIT("INTELLIGENT_TIERING"), STR_INIT("GLACIER_IR"),
        STR_INIT("GLACIER"),    STR_INIT("DEEP_ARCHIVE")};
    if (str_is_absent(name))
        return RESULT_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(name, known[i]))
            return RESULT_OK;
    struct s3_InvalidStorageClass *detail = ARENA_NEW(call->arena, struct s3_InvalidStorageClass);
    detail->StorageClassRequested = name;
    return call_fail_with(call, S3_INVALID_STORAGE_CLASS, detail,
                          "The storage class you specified is not valid");
}

/* "Configuring a webpage redirect", Amazon S3 User Guide. */
RESULT s3_check_redirect(struct call *call, struct str location)
{
    if (str_is_absent(location))
        return RESULT_OK;
    if (!str_starts_with(location, STR("/")) && !str_starts_with(location, STR("http://")) &&
        !str_starts_with(location, STR("https://")))
        return call_fail(call, S3_INVALID_REDIRECT_LOCATION,
                         "The website redirect location must have a prefix of 'http://' or "
                         "'https://' or '/'.");
    if (location.len > S3_REDIRECT_MAX)
        return call_fail(call, S3_INVALID_REDIRECT_LOCATION,
                         "The length of website redirect location cannot exceed 2,048 characters.");
    return RESULT_OK;
}

/* --- tags --- */

/* It says which; the value where that is wrong. */
static RESULT fail_tag(struct call *call, const struct str_map_entry *tag, bool value,
                       const char *message)
{
    struct s3_InvalidTag *detail = ARENA_NEW(call->arena, struct s3_InvalidTag);
    detail->TagKey = tag->key;
    if (value)
        detail->TagValue = tag->value;
    return call_fail_with(call, S3_INVALID_TAG, detail, "%s", message);
}

static RESULT check_tags(struct call *call, const struct str_map *tags, size_t limit)
{
    size_t which;
    switch (tags_check(tags, limit, &which)) {
    case TAGS_OK:
        return RESULT_OK;
    case TAGS_TOO_MANY:
        if (limit == 10)
            return call_fail(call, S3_BAD_REQUEST, "Object tags cannot be greater than 10");
        return call_fail(call, S3_BAD_REQUEST, "Bucket tag count cannot be greater than %zu",
                         limit);
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
        return fail_tag(call, &tags->items[which], false,
                        "The TagKey you have provided is invalid");
    case TAGS_KEY_RESERVED:
        return fail_tag(call, &tags->items[which], false,
                        "System tags cannot be added/updated by requester");
    case TAGS_KEY_TWICE:
        return fail_tag(call, &tags->items[which], false,
                        "Cannot provide multiple Tags with the same key");
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        return fail_tag(call, &tags->items[which], true,
                        "The TagValue you have provided is invalid");
    }
    return FAULT("a problem with tags that has no name");
}

RESULT s3_read_tagging(struct call *call, struct str text, struct str_map *tags)
{
    *tags = (struct str_map){0};
    if (str_is_empty(text))
        return RESULT_OK;
    struct wire_params params = {0};
    bool good = wire_params_read(call->arena, text, &params);
    for (size_t i = 0; good && i < params.len; i++)
        good = wire_params_find(&params, params.items[i].key) == &params.items[i];
    if (!good)
        return s3_invalid_argument(call, "x-amz-tagging", text,
                                   "The header 'x-amz-tagging' shall be encoded as UTF-8 then "
                                   "URLEncoded URL query parameters without tag name duplicates.");
    size_t cap = 0;
    for (size_t i = 0; i < params.len; i++) {
        struct str value = params.items[i].value;
        struct str_map_entry entry = {params.items[i].key, str_is_absent(value) ? STR("") : value};
        VEC_PUSH(call->arena, tags->items, tags->len, cap, entry);
    }
    return check_tags(call, tags, 10);
}

RESULT s3_read_tag_set(struct call *call, const struct s3_Tagging *tagging, size_t limit,
                       struct str_map *tags)
{
    *tags = (struct str_map){0};
    if (tagging == NULL || tagging->TagSet.items == NULL)
        return call_fail(call, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against "
                         "our published schema");
    size_t cap = 0;
    for (size_t i = 0; i < tagging->TagSet.len; i++) {
        struct s3_Tag tag = tagging->TagSet.items[i];
        struct str_map_entry entry = {tag.Key, str_is_absent(tag.Value) ? STR("") : tag.Value};
        VEC_PUSH(call->arena, tags->items, tags->len, cap, entry);
    }
    return check_tags(call, tags, limit);
}

struct s3_TagSet s3_tag_set(struct call *call, const struct str_map *tags)
{
    struct s3_TagSet set = {ARENA_ARRAY(call->arena, tags->len + 1, struct s3_Tag), tags->len};
    for (size_t i = 0; i < tags->len; i++) {
        set.items[i].Key = tags->items[i].key;
        set.items[i].Value = tags->items[i].value;
    }
    return set;
}

/* --- forms --- */

RESULT s3_check_encoding(struct call *call, struct str encoding)
{
    if (str_is_absent(encoding) || str_eq(encoding, STR("url")))
        return RESULT_OK;
    return s3_invalid_argument(call, "encoding-type", encoding,
                               "Invalid Encoding Method specified in Request");
}

struct str s3_form_key(struct arena *arena, struct str key)
{
    struct buf out;
    struct str word, rest = key;
    buf_init(&out, arena, SIZE_MAX);
    for (;;) {
        str_cut(rest, ' ', &word, &rest);
        percent_encode(&out, word, true);
        if (str_is_absent(rest))
            return out.len == 0 ? STR("") : buf_str(&out);
        buf_append_char(&out, '+');
    }
}

struct str s3_encode_key(struct call *call, struct str encoding, struct str key)
{
    return str_is_absent(encoding) || str_is_absent(key) ? key : s3_form_key(call->arena, key);
}

struct str s3_quote(struct arena *arena, struct str etag)
{
    return str_format(arena, "\"%.*s\"", PRSTR(etag));
}

struct str s3_unquote(struct str etag)
{
    etag = str_trim(etag);
    if (etag.len >= 2 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"')
        return str_slice(etag, 1, etag.len - 1);
    return etag;
}

struct str s3_hex(struct arena *arena, const uint8_t *bytes, size_t size)
{
    struct buf out;
    buf_init(&out, arena, 2 * size);
    hex_encode(&out, str_make((const char *)bytes, size));
    return buf_str(&out);
}

struct str s3_base64(struct arena *arena, const uint8_t *bytes, size_t size)
{
    struct buf out;
    buf_init(&out, arena, 2 * size + 4);
    base64_encode(&out, str_make((const char *)bytes, size));
    return buf_str(&out);
}

/* 16 random bytes, the first eight of which veil the number that follows. */
struct str s3_make_id(struct arena *arena, uint64_t number)
{
    uint8_t bytes[24];
    rng_bytes(bytes, 16);
    for (size_t i = 0; i < 8; i++)
        bytes[16 + i] = (uint8_t)(bytes[i] ^ (uint8_t)(number >> (56 - 8 * i)));
    struct buf out;
    buf_init(&out, arena, 64);
    base64url_encode(&out, str_make((const char *)bytes, sizeof bytes));
    for (size_t i = 0; i < out.len; i++)
        if (out.ptr[i] == '-') /* would look like a flag on a command line */
            out.ptr[i] = '.';
    return buf_str(&out);
}

bool s3_read_id(struct arena *arena, struct str id, uint64_t *number)
{
    char text[32];
    struct str bytes;
    if (id.len != sizeof text)
        return false;
    for (size_t i = 0; i < id.len; i++)
        text[i] = id.ptr[i];
    for (size_t i = 0; i < id.len; i++)
        if (text[i] == '.')
            text[i] = '-';
    if (!base64url_decode(arena, str_make(text, sizeof text), &bytes) || bytes.len != 24)
        return false;
    *number = 0;
    for (size_t i = 0; i < 8; i++)
        *number = *number << 8 | (uint8_t)(bytes.ptr[16 + i] ^ bytes.ptr[i]);
    return true;
}
