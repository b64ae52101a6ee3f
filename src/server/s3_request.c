#include "server/s3_request.h"

#include "wire/params.h"

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* "us-east-1." and the like. */
static bool begins_with_region(struct str s)
{
    struct str label;
    size_t dashes = 0;
    str_cut(s, '.', &label, &(struct str){0});
    for (size_t i = 0; i < label.len; i++) {
        if (label.ptr[i] == '-')
            dashes++;
        else if (!is_alphanumeric(label.ptr[i]))
            return false;
    }
    return dashes >= 2 && label.ptr[label.len - 1] >= '0' && label.ptr[label.len - 1] <= '9';
}

/* What may follow "s3-": the older hosts of regions, FIPS, acceleration; not the hosts of other
 * things, whose names may hold a region, too. */
static bool is_kind_of_s3(struct str s)
{
    static const struct str others[] = {STR_INIT("website"), STR_INIT("control"),
                                        STR_INIT("outposts"), STR_INIT("object-lambda")};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (str_starts_with(s, others[i]))
            return false;
    static const struct str kinds[] = {STR_INIT("accesspoint."), STR_INIT("accesspoint-fips."),
                                       STR_INIT("fips."),        STR_INIT("accelerate."),
                                       STR_INIT("external-1."),  STR_INIT("us-gov-")};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (str_starts_with(s, kinds[i]))
            return true;
    return begins_with_region(s);
}

/* BUCKET.localhost: what is signed for S3 may have dots in it; what is not signed could be any
 * service's, by its host. */
static struct str bucket_of_localhost(struct str host, struct str service,
                                      const struct wire_index *index)
{
    static const struct str ends[] = {STR_INIT(".localhost.localstack.cloud"),
                                      STR_INIT(".localhost")};
    struct str name = {0}, label;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0] && str_is_absent(name); i++)
        if (str_ends_with(host, ends[i]))
            name = str_slice(host, 0, host.len - ends[i].len);
    bool signed_for_s3 = str_eq(service, STR("s3"));
    if (str_is_absent(name) || (!signed_for_s3 && !str_is_absent(service)))
        return (struct str){0};
    for (struct str rest = name; !str_is_absent(rest);) {
        bool last = !str_cut(rest, '.', &label, &rest);
        if (str_eq(label, STR("s3")) || str_starts_with(label, STR("s3-")) ||
            (!signed_for_s3 && str_eq(label, STR("queue"))) ||
            (!signed_for_s3 && (!last || wire_index_has_prefix(index, label))))
            return (struct str){0};
    }
    return name;
}

struct str s3_bucket_of_host(struct str host, struct str service, const struct wire_index *index)
{
    /* ALIAS.mrap ("Making requests through a Multi-Region Access Point"). */
    struct str global = STR(".accesspoint.s3-global.amazonaws.com");
    if (str_ends_with(host, global))
        return str_slice(host, 0, host.len - global.len);
    /* From the right: buckets may have dots, and an "s3" between them, too. */
    for (size_t at = host.len; at-- > 1;) {
        struct str rest = str_slice(host, at, host.len);
        if (str_starts_with(rest, STR(".s3.")) ||
            (str_starts_with(rest, STR(".s3-")) && is_kind_of_s3(str_slice(rest, 4, rest.len))))
            return str_slice(host, 0, at);
    }
    return bucket_of_localhost(host, service, index);
}

struct str s3_website_of_host(struct arena *arena, struct str host)
{
    for (size_t at = host.len; at-- > 1;) {
        struct str rest = str_slice(host, at, host.len);
        if (str_starts_with(rest, STR(".s3-website.")) ||
            (str_starts_with(rest, STR(".s3-website-")) &&
             begins_with_region(str_slice(rest, 12, rest.len))))
            return str_format(arena, "_kumoniwa/website/%.*s", (int)at, host.ptr);
    }
    return (struct str){0};
}

/* --- headers in the query string --- */

static bool is_header(struct str name)
{
    static const struct str others[] = {
        STR_INIT("x-amz-algorithm"),      STR_INIT("x-amz-credential"),
        STR_INIT("x-amz-date"),           STR_INIT("x-amz-expires"),
        STR_INIT("x-amz-signedheaders"),  STR_INIT("x-amz-signature"),
        STR_INIT("x-amz-security-token"), STR_INIT("x-amz-content-sha256"),
        STR_INIT("x-amz-user-agent"),     STR_INIT("x-amz-sdk-checksum-algorithm"),
        STR_INIT("x-amz-trailer"),
    };
    struct str prefix = STR("x-amz-"), checksum = STR("x-amz-checksum-");
    if (!str_eq_nocase(str_slice(name, 0, prefix.len), prefix))
        return false;
    if (str_eq_nocase(str_slice(name, 0, checksum.len), checksum))
        return str_eq_nocase(name, STR("x-amz-checksum-mode")) ||
               str_eq_nocase(name, STR("x-amz-checksum-algorithm")) ||
               str_eq_nocase(name, STR("x-amz-checksum-type"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (str_eq_nocase(name, others[i]))
            return false;
    return true;
}

RESULT s3_take_query_headers(struct request *request)
{
    struct wire_request *wire = &request->wire;
    struct arena *arena = request->call.arena;
    struct wire_params params = {0};
    if (!wire_params_read(arena, wire->query, &params))
        return RESULT_OK; /* the decoder will say so */
    struct wire_header *all =
        ARENA_ARRAY(arena, wire->header_count + params.len + 1, struct wire_header);
    size_t count = wire->header_count;
    memcpy(all, wire->headers, count * sizeof all[0]);
    for (size_t i = 0; i < params.len; i++) {
        struct str name = params.items[i].key, value = params.items[i].value;
        if (is_header(name) && str_is_absent(wire_request_header(wire, str_lower(arena, name))))
            all[count++] = (struct wire_header){str_lower(arena, name),
                                                str_is_absent(value) ? STR("") : value};
    }
    wire->headers = all;
    wire->header_count = count;
    return RESULT_OK;
}

/* --- subresources --- */

/* "/{Bucket}?acl" is the bucket's subresource acl; absent: the URI has none, or names an operation
 * of the SDKs. *object: it is an object's. */
static struct str subresource_of(const struct wire_model *model, uint32_t uri, bool *object)
{
    struct str path, query, name, rest;
    str_cut(wire_string(model, uri), '?', &path, &query);
    *object = str_eq(path, STR("/{Bucket}/{Key+}"));
    if (str_is_absent(query) || (!*object && !str_eq(path, STR("/{Bucket}"))))
        return (struct str){0};
    str_cut(query, '&', &name, &rest);
    str_cut(name, '=', &name, &rest);
    return str_eq(name, STR("list-type")) || str_eq(name, STR("x-id")) ? (struct str){0} : name;
}

/* Whether a bucket, or an object, has it. */
static void subresource_find(const struct wire_model *model, struct str name, bool found[2])
{
    for (uint32_t i = 0; i < model->operation_count; i++) {
        bool object;
        if (str_eq(subresource_of(model, model->operations[i].uri, &object), name))
            found[object] = true;
    }
}

RESULT s3_refuse_method(struct request *request)
{
    struct str path = request->wire.path, bucket = {0}, key = {0};
    if (str_starts_with(path, STR("/")))
        path = str_slice(path, 1, path.len);
    struct str host = request->wire.host;
    bool hosted = !str_is_absent(s3_bucket_of_host(host, STR("s3"), request->call.cloud->index));
    if (hosted)
        key = path;
    else
        str_cut(path, '/', &bucket, &key);
    request_detail(request, STR("Method"), request->wire.method);
    request_detail(request, STR("ResourceType"),
                   !str_is_empty(key)                ? STR("OBJECT")
                   : hosted || !str_is_empty(bucket) ? STR("BUCKET")
                                                     : STR("SERVICE"));
    return request_fail(request, WIRE_INVALID_ACTION,
                        STR("The specified method is not allowed against this resource."));
}

RESULT s3_check_subresource(struct request *request)
{
    const struct wire_model *model = request->route.model;
    struct wire_params params = {0};
    struct str uri = wire_string(model, model->operations[request->route.operation].uri);
    struct str method = request->wire.method;
    bool object = str_eq(uri, STR("/{Bucket}/{Key+}"));
    if (object && str_is_empty(request->wire.query) && str_eq(method, STR("POST")))
        return s3_refuse_method(request); /* whatever its body is */
    if (str_is_empty(request->wire.query) || (!object && !str_eq(uri, STR("/{Bucket}"))) ||
        str_eq(method, STR("OPTIONS")) ||
        !wire_params_read(request->call.arena, request->wire.query, &params))
        return RESULT_OK;
    for (size_t i = 0; i < params.len; i++) {
        struct str name = params.items[i].key;
        bool found[2] = {false, false};
        if (!str_is_empty(params.items[i].value))
            continue; /* subresources have no values, signatures' parameters all do */
        subresource_find(model, name, found);
        if (found[object])
            return s3_refuse_method(request);
        if (!found[!object] || str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")))
            continue;
        request_detail(request, STR("ArgumentName"), STR("ResourceType"));
        request_detail(request, STR("ArgumentValue"), name);
        return request_fail(request, WIRE_INVALID_PARAMETER_VALUE,
                            STR("This operation does not accept a query-string."));
    }
    return RESULT_OK;
}
