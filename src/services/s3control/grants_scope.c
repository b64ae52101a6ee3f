/* Paths of data: "s3://BUCKET/PREFIX*" ("Register a location", "Create grants", "Request access to
 * Amazon S3 data through S3 Access Grants", Amazon S3 User Guide). A '*' at the end stands for
 * everything that begins so; one elsewhere is a character of a key like any other. */
#include "services/s3control/grants_int.h"
#include "wire/wire.h"

enum { KEY_MAX = 1024, POLICY_TEXT_MAX = 64 * 1024 };

static const struct str scheme = STR_INIT("s3://");

static bool bucket_is_named(struct str bucket)
{
    if (bucket.len < 3 || bucket.len > 63)
        return false;
    for (size_t i = 0; i < bucket.len; i++) {
        char c = bucket.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static struct str without_stars(struct str text)
{
    while (str_ends_with(text, STR("*")))
        text.len--;
    return text;
}

bool grants_scope_read(struct call *call, struct str text, bool as_object, struct grants_scope *out)
{
    struct str bucket, key;
    if (!str_eq_nocase(str_slice(text, 0, scheme.len), scheme) || !str_is_utf8(text))
        return false;
    struct str path = str_slice(text, scheme.len, text.len);
    if (str_is_empty(path)) {
        *out = (struct grants_scope){.stem = scheme};
        return true;
    }
    (void)str_cut(path, '/', &bucket, &key);
    if (!bucket_is_named(bucket))
        return false;
    struct str stem = as_object ? key : without_stars(key);
    if (stem.len > KEY_MAX)
        return false;
    out->stem = str_format(call->arena, "s3://%.*s/%.*s", PRSTR(bucket), PRSTR(stem));
    out->object = !str_is_empty(key) && stem.len == key.len;
    return true;
}

bool grants_scope_append(struct call *call, struct str location, struct str sub_prefix,
                         bool as_object, struct str *text, struct grants_scope *out)
{
    struct str path = str_slice(location, scheme.len, location.len);
    bool bare = !str_is_empty(path) && str_find_char(path, '/') == SIZE_MAX;
    const char *slash =
        bare && !str_is_empty(sub_prefix) && !str_starts_with(sub_prefix, STR("/")) ? "/" : "";
    struct str whole = str_format(call->arena, "%.*s%s%.*s", PRSTR(without_stars(location)), slash,
                                  PRSTR(sub_prefix));
    if (str_is_empty(sub_prefix))
        whole = location;
    *text = str_format(call->arena, "%.*s%s%.*s", PRSTR(location), slash, PRSTR(sub_prefix));
    return grants_scope_read(call, whole, as_object, out) && !str_eq(out->stem, scheme);
}

bool grants_scope_covers(const struct grants_scope *outer, const struct grants_scope *inner)
{
    if (outer->object)
        return inner->object && str_eq(outer->stem, inner->stem);
    return str_starts_with(inner->stem, outer->stem);
}

struct str grants_scope_bucket(struct str stem)
{
    struct str bucket, key;
    (void)str_cut(str_slice(stem, scheme.len, stem.len), '/', &bucket, &key);
    return bucket;
}

/* --- what may be done there --- */

/* A key within a pattern: '*', '?' and '$' are written as variables ("IAM policy elements:
 * Variables and tags", Policy variables for special characters). */
static void put_literal(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '*' || c == '?' || c == '$')
            buf_append_format(out, "${%c}", c);
        else
            buf_append_char(out, c);
    }
}

static struct str pattern_of(struct call *call, struct str before, struct str text, bool object)
{
    struct buf plain, quoted;
    buf_init(&plain, call->arena, POLICY_TEXT_MAX);
    buf_init(&quoted, call->arena, POLICY_TEXT_MAX);
    buf_append(&plain, before);
    put_literal(&plain, text);
    buf_append_c(&plain, object ? "" : "*");
    wire_json_write_string(&quoted, buf_str(&plain));
    return buf_str(&quoted);
}

/* "Supported S3 actions in S3 Access Grants" (Accessing S3 data using credentials vended by S3
 * Access Grants). */
static const char read_objects[] = "\"s3:GetObject\",\"s3:GetObjectVersion\",\"s3:GetObjectAcl\","
                                   "\"s3:GetObjectVersionAcl\",\"s3:ListMultipartUploadParts\"";
static const char read_buckets[] =
    "\"s3:ListBucket\",\"s3:ListBucketVersions\",\"s3:ListBucketMultipartUploads\"";
static const char write_objects[] =
    "\"s3:PutObject\",\"s3:PutObjectAcl\",\"s3:PutObjectVersionAcl\",\"s3:DeleteObject\","
    "\"s3:DeleteObjectVersion\",\"s3:AbortMultipartUpload\"";

struct str grants_scope_policy(struct call *call, const struct grants_scope *scope,
                               struct str permission)
{
    struct str bucket = grants_scope_bucket(scope->stem);
    struct str key = str_slice(scope->stem, scheme.len + bucket.len + 1, scope->stem.len);
    struct str arn =
        str_format(call->arena, "arn:%.*s:s3:::%.*s", PRSTR(call->partition), PRSTR(bucket));
    struct str objects =
        pattern_of(call, str_concat(call->arena, arn, STR("/")), key, scope->object);
    bool reads = !str_eq(permission, STR("WRITE")), writes = !str_eq(permission, STR("READ"));
    struct buf out;
    buf_init(&out, call->arena, POLICY_TEXT_MAX);
    buf_append_c(&out, "{\"Version\":\"2012-10-17\",\"Statement\":["
                       "{\"Effect\":\"Allow\",\"Action\":[");
    buf_append_c(&out, reads ? read_objects : "");
    buf_append_c(&out, reads && writes ? "," : "");
    buf_append_c(&out, writes ? write_objects : "");
    buf_append_format(&out, "],\"Resource\":%.*s}", PRSTR(objects));
    if (reads)
        buf_append_format(&out, ",{\"Effect\":\"Allow\",\"Action\":[%s],\"Resource\":\"%.*s\"",
                          read_buckets, PRSTR(arn));
    if (reads && !str_is_empty(key))
        buf_append_format(&out, ",\"Condition\":{\"StringLike\":{\"s3:prefix\":%.*s}}",
                          PRSTR(pattern_of(call, STR(""), key, scope->object)));
    buf_append_c(&out, reads ? "}" : "");
    buf_append_format(&out,
                      ",{\"Effect\":\"Allow\",\"Action\":[%s],\"Resource\":\"*\",\"Condition\":"
                      "{\"StringEquals\":{\"kms:ViaService\":\"s3.%.*s.amazonaws.com\"}}}]}",
                      reads && writes ? "\"kms:Decrypt\",\"kms:GenerateDataKey\""
                      : reads         ? "\"kms:Decrypt\""
                                      : "\"kms:GenerateDataKey\"",
                      PRSTR(call->region));
    return buf_str(&out);
}
