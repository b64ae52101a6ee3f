/* A line of a server access log, field by field. */
#include "services/s3/access_log.h"

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

struct resource_row {
    struct str query, bucket, object; /* what it is called at a bucket and at an object */
};
static const struct resource_row resource_rows[] = {
    {STR_INIT("accelerate"), STR_INIT("ACCELERATE"), STR_INIT("OBJECT")},
    {STR_INIT("acl"), STR_INIT("ACL"), STR_INIT("ACL")},
    {STR_INIT("analytics"), STR_INIT("ANALYTICS"), STR_INIT("OBJECT")},
    {STR_INIT("attributes"), STR_INIT("BUCKET"), STR_INIT("OBJECT_ATTRIBUTES")},
    {STR_INIT("cors"), STR_INIT("CORS"), STR_INIT("OBJECT")},
    {STR_INIT("delete"), STR_INIT("MULTI_OBJECT_DELETE"), STR_INIT("OBJECT")},
    {STR_INIT("encryption"), STR_INIT("ENCRYPTION"), STR_INIT("OBJECT")},
    {STR_INIT("intelligent-tiering"), STR_INIT("INTELLIGENT_TIERING"), STR_INIT("OBJECT")},
    {STR_INIT("inventory"), STR_INIT("INVENTORY"), STR_INIT("OBJECT")},
    {STR_INIT("legal-hold"), STR_INIT("BUCKET"), STR_INIT("OBJECT_LOCK_LEGALHOLD")},
    {STR_INIT("lifecycle"), STR_INIT("LIFECYCLE"), STR_INIT("OBJECT")},
    {STR_INIT("location"), STR_INIT("LOCATION"), STR_INIT("OBJECT")},
    {STR_INIT("logging"), STR_INIT("LOGGING_STATUS"), STR_INIT("OBJECT")},
    {STR_INIT("metrics"), STR_INIT("METRICS"), STR_INIT("OBJECT")},
    {STR_INIT("notification"), STR_INIT("NOTIFICATION"), STR_INIT("OBJECT")},
    {STR_INIT("object-lock"), STR_INIT("OBJECT_LOCK_CONFIGURATION"), STR_INIT("OBJECT")},
    {STR_INIT("ownershipControls"), STR_INIT("OWNERSHIP_CONTROLS"), STR_INIT("OBJECT")},
    {STR_INIT("partNumber"), STR_INIT("BUCKET"), STR_INIT("PART")},
    {STR_INIT("policy"), STR_INIT("BUCKETPOLICY"), STR_INIT("OBJECT")},
    {STR_INIT("policyStatus"), STR_INIT("BUCKETPOLICY_STATUS"), STR_INIT("OBJECT")},
    {STR_INIT("publicAccessBlock"), STR_INIT("PUBLIC_ACCESS_BLOCK"), STR_INIT("OBJECT")},
    {STR_INIT("replication"), STR_INIT("REPLICATION"), STR_INIT("OBJECT")},
    {STR_INIT("requestPayment"), STR_INIT("REQUEST_PAYMENT"), STR_INIT("OBJECT")},
    {STR_INIT("restore"), STR_INIT("BUCKET"), STR_INIT("OBJECT_RESTORE")},
    {STR_INIT("retention"), STR_INIT("BUCKET"), STR_INIT("OBJECT_LOCK_RETENTION")},
    {STR_INIT("select"), STR_INIT("BUCKET"), STR_INIT("OBJECT_SELECT")},
    {STR_INIT("tagging"), STR_INIT("TAGGING"), STR_INIT("OBJECT_TAGGING")},
    {STR_INIT("uploadId"), STR_INIT("BUCKET"), STR_INIT("UPLOAD")},
    {STR_INIT("uploads"), STR_INIT("UPLOADS"), STR_INIT("UPLOADS")},
    {STR_INIT("versioning"), STR_INIT("VERSIONING"), STR_INIT("OBJECT")},
    {STR_INIT("versions"), STR_INIT("BUCKETVERSIONS"), STR_INIT("OBJECT")},
    {STR_INIT("website"), STR_INIT("WEBSITE"), STR_INIT("OBJECT")},
};

/* REST.METHOD.RESOURCE, the resource by the request's first known query parameter. */
static void put_operation(struct buf *out, const struct call *call, bool object)
{
    const struct wire_request *request = call->request;
    bool copies = !str_is_absent(wire_request_header(request, STR("x-amz-copy-source")));
    struct str resource = object ? STR("OBJECT") : STR("BUCKET"), rest = request->query, one;
    size_t count = sizeof resource_rows / sizeof resource_rows[0];
    while (!str_is_absent(rest)) {
        struct str name, value;
        str_cut(rest, '&', &one, &rest);
        str_cut(one, '=', &name, &value);
        size_t i = 0;
        while (i < count && !str_eq(name, resource_rows[i].query))
            i++;
        if (i == count)
            continue;
        resource = object ? resource_rows[i].object : resource_rows[i].bucket;
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

struct str access_log_line(struct arena *arena, const struct s3_bucket *bucket,
                           const struct call *call, const struct call_end *end)
{
    const struct wire_request *request = call->request;
    struct buf out;
    buf_init(&out, arena, 64 * 1024);
    /* The key stands behind the bucket, which virtual hosts have in their name. */
    struct str key = end->path, name;
    if (str_starts_with(key, STR("/")))
        key = str_slice(key, 1, key.len);
    str_cut(key, '/', &name, &key);
    put_or_dash(&out, s3_owner_id(arena, bucket->account));
    put_or_dash(&out, bucket->name);
    put_time(&out, call->started_ms);
    put_or_dash(&out, call->source_ip);
    put_requester(&out, arena, call);
    put_or_dash(&out, call->request_id);
    put_operation(&out, call, !str_is_empty(key));
    put_or_dash(&out, key);
    put_quoted(&out, str_format(arena, "%.*s %.*s%s%.*s HTTP/1.1", PRSTR(request->method),
                                PRSTR(request->path), str_is_empty(request->query) ? "" : "?",
                                PRSTR(request->query)));
    buf_append_format(&out, "%u ", (unsigned)end->status);
    put_or_dash(&out, end->error);
    put_count(&out, end->bytes_sent);
    put_count(&out, object_size(call, end));
    buf_append_format(&out, "%llu ", (unsigned long long)(end->micros / 1000));
    put_count(&out, end->micros / 1000);
    put_quoted(&out, wire_request_header(request, STR("referer")));
    put_quoted(&out, wire_request_header(request, STR("user-agent")));
    put_or_dash(&out, reply_header(end, STR("x-amz-version-id")));
    put_or_dash(&out, wire_s3_host_id(arena, call->request_id));
    put_signature(&out, request);
    put_or_dash(&out, wire_request_header(request, STR("host")));
    buf_append(&out, STR("- - -\n")); /* TLS version, access point, aclRequired */
    return buf_str(&out);
}
