/* A line of a server access log, field by field. */
#include "services/s3/access_log.h"

#include "base/encode.h"
#include "base/time.h"
#include "wire/wire.h"

static void put_blank(struct buf *out)
{
    buf_append(out, STR(" "));
}

static void put_or_dash(struct buf *out, struct str value)
{
    buf_append(out, str_is_empty(value) ? STR("-") : value);
    put_blank(out);
}

static void put_count(struct buf *out, uint64_t n)
{
    if (n == 0)
        buf_append(out, STR("-"));
    else
        buf_append_u64(out, n);
    put_blank(out);
}

/* Quotes and what cannot be seen would break the line. */
static void put_quoted(struct buf *out, struct str value)
{
    buf_append(out, STR("\""));
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < ' ' || c == '"' || c == '\\' || c == 0x7f)
            buf_append_format(out, "\\x%02x", c);
        else
            buf_append(out, str_slice(value, i, i + 1));
    }
    buf_append(out, str_is_empty(value) ? STR("-\" ") : STR("\" "));
}

static void put_time(struct buf *out, int64_t ms)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil_time t = time_to_civil(ms);
    buf_append_format(out, "[%02d/%s/%04d:%02d:%02d:%02d +0000] ", t.day, months[t.month - 1],
                      t.year, t.hour, t.minute, t.second);
}

/* --- the operation --- */

/* Query parameters, and what they make of a bucket and of an object. */
static const char at_bucket[] =
    "accelerate ACCELERATE\nacl ACL\nanalytics ANALYTICS\ncors CORS\n"
    "delete MULTI_OBJECT_DELETE\nencryption ENCRYPTION\n"
    "intelligent-tiering INTELLIGENT_TIERING\ninventory INVENTORY\nlifecycle LIFECYCLE\n"
    "location LOCATION\nlogging LOGGING_STATUS\nmetrics METRICS\nnotification NOTIFICATION\n"
    "object-lock OBJECT_LOCK_CONFIGURATION\nownershipControls OWNERSHIP_CONTROLS\n"
    "policy BUCKETPOLICY\npolicyStatus BUCKETPOLICY_STATUS\n"
    "publicAccessBlock PUBLIC_ACCESS_BLOCK\nreplication REPLICATION\n"
    "requestPayment REQUEST_PAYMENT\ntagging TAGGING\nuploads UPLOADS\n"
    "versioning VERSIONING\nversions BUCKETVERSIONS\nwebsite WEBSITE\n";
static const char at_object[] =
    "acl ACL\nattributes OBJECT_ATTRIBUTES\nlegal-hold OBJECT_LOCK_LEGALHOLD\n"
    "partNumber PART\nrestore OBJECT_RESTORE\nretention OBJECT_LOCK_RETENTION\n"
    "select OBJECT_SELECT\nannotation OBJECT_ANNOTATION\ntagging OBJECT_TAGGING\nuploadId "
    "UPLOAD\nuploads UPLOADS\n";

static bool find_resource(struct str query, bool object, struct str *resource)
{
    struct str rest = object ? str_make(at_object, sizeof at_object - 1)
                             : str_make(at_bucket, sizeof at_bucket - 1),
               row, name, value;
    while (str_cut(rest, '\n', &row, &rest)) {
        str_cut(row, ' ', &name, &value);
        if (str_eq(name, query)) {
            *resource = value;
            return true;
        }
    }
    return false;
}

/* REST.METHOD.RESOURCE, the resource by the request's first known query parameter; a part has two,
 * in any order. */
static void put_operation(struct buf *out, const struct call *call, bool object)
{
    const struct wire_request *request = call->request;
    bool copies = !str_is_absent(wire_request_header(request, STR("x-amz-copy-source")));
    struct str resource = object ? STR("OBJECT") : STR("BUCKET"), rest = request->query, one;
    while (!str_is_absent(rest)) {
        struct str name, value;
        str_cut(rest, '&', &one, &rest);
        str_cut(one, '=', &name, &value);
        if (str_eq(name, STR("partNumber")) && !str_eq(request->method, STR("PUT")))
            continue; /* of an object's content */
        if (find_resource(name, object, &resource) && !str_eq(name, STR("uploadId")))
            break;
    }
    buf_append(out, STR("REST."));
    buf_append(out, copies ? STR("COPY") : request->method);
    buf_append(out, STR("."));
    put_or_dash(out, resource);
}

/* --- who, and how --- */

static void put_requester(struct buf *out, struct arena *arena, const struct call *call)
{
    switch (call->principal.kind) {
    case PRINCIPAL_ANONYMOUS:
        put_or_dash(out, (struct str){0});
        break;
    case PRINCIPAL_ROOT:
        put_or_dash(out, s3_owner_id(arena, call->principal.account));
        break;
    case PRINCIPAL_SERVICE:
        put_or_dash(out, call->principal.name);
        break;
    case PRINCIPAL_USER:
    case PRINCIPAL_ROLE_SESSION:
    case PRINCIPAL_FEDERATED:
        put_or_dash(out, call->principal.arn);
        break;
    }
}

static void put_signature(struct buf *out, const struct wire_request *request)
{
    struct str header = wire_request_header(request, STR("authorization"));
    bool in_query = str_find(request->query, STR("X-Amz-Signature=")) != SIZE_MAX ||
                    str_find(request->query, STR("Signature=")) != SIZE_MAX;
    bool second = str_starts_with(header, STR("AWS ")) ||
                  str_find(request->query, STR("AWSAccessKeyId=")) != SIZE_MAX;
    if (str_is_empty(header) && !in_query) {
        buf_append(out, STR("- - - "));
        return;
    }
    put_or_dash(out, second ? STR("SigV2") : STR("SigV4"));
    put_or_dash(out, (struct str){0}); /* the cipher is not known here */
    put_or_dash(out, in_query ? STR("QueryString") : STR("AuthHeader"));
}

static struct str reply_header(const struct call_end *end, struct str name)
{
    for (size_t i = 0; i < end->header_count; i++)
        if (str_eq_nocase(end->headers[i].name, name))
            return end->headers[i].value;
    return (struct str){0};
}

/* Of the object that was sent or received. */
static uint64_t object_size(const struct call *call, const struct call_end *end)
{
    uint64_t size = 0;
    struct str range = reply_header(end, STR("content-range"));
    size_t slash = str_find_last_char(range, '/');
    if (end->status >= 300)
        return 0;
    if (slash != SIZE_MAX && str_to_u64(str_slice(range, slash + 1, range.len), &size))
        return size;
    if (call->stream.present)
        return call->stream.length > 0 ? call->stream.length : call->stream.bytes.len;
    return call->payload.present ? call->payload.size : 0;
}

/* The key stands behind the bucket, which virtual hosts have in their name. */
void access_log_path(struct str path, struct str *bucket, struct str *key)
{
    if (str_starts_with(path, STR("/")))
        path = str_slice(path, 1, path.len);
    str_cut(path, '/', bucket, key);
}

/* From the operation to the size of the object. */
static void put_request(struct buf *out, struct arena *arena, const struct call *call,
                        const struct call_end *end)
{
    const struct wire_request *request = call->request;
    struct str bucket, key;
    access_log_path(end->path, &bucket, &key);
    put_operation(out, call, !str_is_empty(key));
    put_or_dash(out, key);
    put_quoted(out, str_format(arena, "%.*s %.*s%s%.*s HTTP/1.1", PRSTR(request->method),
                               PRSTR(request->path), str_is_empty(request->query) ? "" : "?",
                               PRSTR(request->query)));
    buf_append_format(out, "%u ", (unsigned)end->status);
    put_or_dash(out, end->error);
    put_count(out, end->bytes_sent);
    put_count(out, object_size(call, end));
}

static void put_also(struct buf *out, struct arena *arena, const struct call_end *end,
                     const struct access_line *also)
{
    struct buf key;
    buf_init(&key, arena, SIZE_MAX);
    percent_encode(&key, also->key, true);
    put_or_dash(out, str_from_c(also->operation));
    put_or_dash(out, buf_str(&key));
    put_quoted(out, (struct str){0});
    buf_append_format(out, "%u ", (unsigned)(also->status == 0 ? end->status : also->status));
    put_or_dash(out, also->status == 0 ? end->error : also->error);
    put_count(out, 0);
    put_count(out, (uint64_t)also->size);
}

struct str access_log_line(struct arena *arena, const struct s3_bucket *bucket,
                           const struct call *call, const struct call_end *end,
                           const struct access_line *also)
{
    const struct wire_request *request = call->request;
    struct buf out;
    buf_init(&out, arena, 64 * 1024);
    put_or_dash(&out, s3_owner_id(arena, bucket->account));
    put_or_dash(&out, bucket->name);
    put_time(&out, call->started_ms);
    put_or_dash(&out, call->source_ip);
    put_requester(&out, arena, call);
    put_or_dash(&out, call->request_id);
    if (also == NULL)
        put_request(&out, arena, call, end);
    else
        put_also(&out, arena, end, also);
    buf_append_format(&out, "%llu ", (unsigned long long)(end->micros / 1000));
    put_count(&out, end->micros / 1000);
    put_quoted(&out, wire_request_header(request, STR("referer")));
    put_quoted(&out, wire_request_header(request, STR("user-agent")));
    put_or_dash(&out, also == NULL ? reply_header(end, STR("x-amz-version-id")) : also->version_id);
    put_or_dash(&out, wire_s3_host_id(arena, call->request_id));
    put_signature(&out, request);
    put_or_dash(&out, wire_request_header(request, STR("host")));
    buf_append(&out, STR("- - -\n")); /* TLS version, access point, aclRequired */
    return buf_str(&out);
}

struct str access_log_own_line(struct call *call, const struct s3_bucket *bucket,
                               const char *operation, struct str key,
                               const struct s3_object *object)
{
    struct buf out, encoded;
    buf_init(&out, call->arena, 16 * 1024);
    buf_init(&encoded, call->arena, SIZE_MAX);
    percent_encode(&encoded, key, true);
    put_or_dash(&out, s3_owner_id(call->arena, bucket->account));
    put_or_dash(&out, bucket->name);
    put_time(&out, call->now_ms);
    buf_append(&out, STR("- AmazonS3 "));
    put_or_dash(&out, call->request_id);
    put_or_dash(&out, str_from_c(operation));
    put_or_dash(&out, buf_str(&encoded));
    buf_append(&out, STR("\"-\" - - - "));
    put_count(&out, object == NULL ? 0 : (uint64_t)object->size);
    buf_append(&out, STR("- - \"-\" \"-\" "));
    put_or_dash(&out, object == NULL ? (struct str){0} : object->version_id);
    buf_append(&out, STR("- - - - - - - -\n"));
    return buf_str(&out);
}
