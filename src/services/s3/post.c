/* POST object: a form becomes a PutObject ("POST Object", "Browser-Based Uploads Using POST",
 * Amazon S3 API Reference). src/server/intake_form.c has read it: its fields stand for the
 * request's headers, its file is the payload. */
#include "services/s3/post.h"

#include "base/encode.h"
#include "base/vec.h"
#include "services/s3/access.h"

static struct str field(const struct call *call, const char *name)
{
    return wire_request_header(call->request, str_from_c(name));
}

/* "${filename}" stands for the name that the file has at the user's. */
static struct str key_of(struct call *call, struct str key)
{
    struct str mark = STR("${filename}"), file = field(call, "file");
    size_t at = str_find(key, mark);
    for (size_t i = file.len; i-- > 0;)
        if (file.ptr[i] == '/' || file.ptr[i] == '\\') {
            file = str_slice(file, i + 1, file.len);
            break;
        }
    if (at == SIZE_MAX)
        return key;
    return str_format(call->arena, "%.*s%.*s%.*s", (int)at, key.ptr, PRSTR(file),
                      PRSTR(str_slice(key, at + mark.len, key.len)));
}

/* The field "tagging" is XML; the header's form of it. */
static RESULT tagging_of(struct call *call, struct str xml, struct str *out)
{
    const struct wire_route route = {.model = &s3_model,
                                     .operation = S3_OP_PutObjectTagging,
                                     .protocol = WIRE_PROTOCOL_REST_XML,
                                     .path = STR("/b/k")};
    const struct wire_request request = {
        .method = STR("PUT"), .path = STR("/b/k"), .query = STR("tagging"), .body = xml};
    const void *in;
    struct wire_failure failure = {0};
    struct str_map tags;
    struct buf text;
    enum result result = wire_decode_request(call->arena, &route, &request, &in, &failure);
    if (result == RESULT_ERROR)
        return call_fail(call, failure.error, "%.*s", PRSTR(failure.message));
    TRY(result);
    TRY(s3_read_tag_set(call, ((const struct s3_PutObjectTaggingRequest *)in)->Tagging, 10, &tags));
    buf_init(&text, call->arena, SIZE_MAX);
    for (size_t i = 0; i < tags.len; i++) {
        buf_append_c(&text, i == 0 ? "" : "&");
        percent_encode(&text, tags.items[i].key, false);
        buf_append_char(&text, '=');
        percent_encode(&text, tags.items[i].value, false);
    }
    *out = buf_str(&text);
    return RESULT_OK;
}

/* What PutObject would have had for headers. */
static RESULT headers_of(struct call *call, struct wire_request *request)
{
    static const struct str others[] = {STR_INIT("x-amz-signature"), STR_INIT("x-amz-algorithm"),
                                        STR_INIT("x-amz-credential"), STR_INIT("x-amz-date"),
                                        STR_INIT("x-amz-security-token")};
    const struct wire_request *form = call->request;
    struct wire_header *headers =
        ARENA_ARRAY(call->arena, form->header_count + 1, struct wire_header);
    for (size_t i = 0; i < form->header_count; i++) {
        struct wire_header header = form->headers[i];
        bool passed_over = false;
        for (size_t j = 0; j < sizeof others / sizeof others[0]; j++)
            passed_over = passed_over || str_eq(header.name, others[j]);
        if (passed_over)
            continue;
        if (str_eq(header.name, STR("acl")))
            header.name = STR("x-amz-acl");
        if (str_eq(header.name, STR("tagging"))) {
            header.name = STR("x-amz-tagging");
            TRY(tagging_of(call, header.value, &header.value));
        }
        headers[request->header_count++] = header;
    }
    request->headers = headers;
    return RESULT_OK;
}

static RESULT put_of(struct call *call, struct str bucket, struct str key,
                     const struct s3_PutObjectRequest **out)
{
    struct buf path;
    buf_init(&path, call->arena, SIZE_MAX);
    buf_append_char(&path, '/');
    buf_append(&path, bucket);
    buf_append_char(&path, '/');
    percent_encode(&path, key, true);
    const struct wire_route route = {.model = &s3_model,
                                     .operation = S3_OP_PutObject,
                                     .protocol = WIRE_PROTOCOL_REST_XML,
                                     .path = buf_str(&path)};
    struct wire_request request = {.method = STR("PUT"), .path = buf_str(&path)};
    const void *in;
    struct wire_failure failure = {0};
    TRY(headers_of(call, &request));
    enum result result = wire_decode_request(call->arena, &route, &request, &in, &failure);
    if (result == RESULT_ERROR)
        return call_fail(call, failure.error, "%.*s", PRSTR(failure.message));
    TRY(result);
    *out = in;
    return RESULT_OK;
}

/* As PutObject asks. */
static RESULT authorize(struct call *call, const struct s3_PutObjectRequest *put)
{
    if (call->cloud->iam == IAM_OFF)
        return RESULT_OK;
    call->operation = S3_OP_PutObject;
    enum result result = s3_authorize(call, put);
    call->operation = S3_OP_PostObject;
    return result;
}

static struct str place_of(struct call *call, struct str bucket, struct str key)
{
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    buf_append(&out, call->endpoint);
    if (str_eq(call->request->path, STR("/"))) /* the host names the bucket */
        buf_append_char(&out, '/');
    else
        buf_append_format(&out, "/%.*s/", PRSTR(bucket));
    percent_encode(&out, key, false);
    return buf_str(&out);
}

/* success_action_redirect, with what was made behind it. */
static bool redirect_of(struct call *call, const struct s3_PostObjectOutput *made, struct str *out)
{
    struct str url = field(call, "success_action_redirect");
    struct buf text;
    if (str_is_absent(url))
        url = field(call, "redirect");
    if (!str_starts_with(url, STR("http://")) && !str_starts_with(url, STR("https://")))
        return false; /* "if it cannot be interpreted, it acts as if the field is not present" */
    buf_init(&text, call->arena, SIZE_MAX);
    buf_append(&text, url);
    buf_append_c(&text, str_find_char(url, '?') == SIZE_MAX ? "?" : "&");
    buf_append_format(&text, "bucket=%.*s&key=", PRSTR(made->Bucket));
    percent_encode(&text, made->Key, false);
    buf_append_c(&text, "&etag=");
    percent_encode(&text, made->ETag, false);
    *out = buf_str(&text);
    return true;
}

static void answer(struct call *call, struct s3_PostObjectOutput *out)
{
    struct str status = field(call, "success_action_status");
    call->status = 204;
    if (redirect_of(call, out, &out->Place))
        call->status = 303;
    else if (str_eq(status, STR("200")) || str_eq(status, STR("201")))
        call->status = str_eq(status, STR("200")) ? 200 : 201;
    if (call->status != 201)
        call->stream = (struct call_stream){.present = true, .bytes = STR("")};
}

RESULT s3_PostObject(struct call *call, const struct s3_PostObjectRequest *in,
                     struct s3_PostObjectOutput *out)
{
    const struct s3_PutObjectRequest *put = NULL;
    struct s3_PutObjectOutput made = {0};
    struct s3_bucket bucket;
    struct str policy;
    if (!call->payload.of_form)
        return s3_precondition_failed(
            call, STR("Bucket POST must be of the enclosure-type multipart/form-data"));
    TRY(bucket_open(call, in->Bucket, (struct str){0}, &bucket));
    if (str_is_empty(field(call, "key")))
        return s3_invalid_argument(call, "key", STR(""),
                                   "Bucket POST must contain a field named 'key'.  If it is "
                                   "specified, please check the order of the fields.");
    struct str key = key_of(call, field(call, "key"));
    policy = field(call, "policy");
    if (!str_is_absent(policy))
        TRY(post_check_policy(call, policy, bucket.name, key));
    TRY(put_of(call, in->Bucket, key, &put));
    TRY(authorize(call, put));
    TRY(s3_PutObject(call, put, &made));
    out->Bucket = bucket.name;
    out->Key = key;
    out->ETag = out->Digest = made.ETag;
    out->VersionId = made.VersionId;
    out->Location = out->Place = place_of(call, bucket.name, key);
    answer(call, out);
    return RESULT_OK;
}
