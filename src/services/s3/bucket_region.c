/* In which region a bucket is asked for: "Making requests", Amazon S3 User Guide, and "Error
 * responses", Amazon S3 API Reference. */
#include "cloud/arn.h"
#include "services/s3/s3_int.h"

/* s3.REGION., s3-REGION., s3-fips.REGION., with "dualstack." before the region perhaps; *before and
 * *after: what stands around it. False: the host names none. From the right: buckets may have such
 * labels, too. */
static bool region_of_host(struct str host, struct str *before, struct str *region,
                           struct str *after)
{
    struct str label, rest = host, prefix = STR("s3-");
    bool kind = false, found = false;
    for (size_t at = 0; !str_is_absent(rest); at += label.len + 1) {
        str_cut(rest, '.', &label, &rest);
        bool joined = str_starts_with(label, prefix) &&
                      !str_starts_with(label, STR("s3-website-")) &&
                      arn_is_region(str_slice(label, prefix.len, label.len));
        size_t from = at + (joined ? prefix.len : 0);
        if (joined || (kind && arn_is_region(label))) {
            found = true;
            *before = str_slice(host, 0, from);
            *region = str_slice(host, from, at + label.len);
            *after = str_slice(host, at + label.len, host.len);
        }
        kind = str_eq(label, STR("s3")) || str_eq(label, STR("s3-fips")) ||
               (kind && str_eq(label, STR("dualstack")));
    }
    return found;
}

/* The host names another region, where the bucket is not. */
static RESULT check_host(struct call *call, const struct s3_bucket *bucket)
{
    struct str host, before, region, after;
    if (call->request == NULL || str_is_absent(call->request->host))
        return RESULT_OK;
    host = str_lower(call->arena, call->request->host);
    if (!region_of_host(host, &before, &region, &after) || str_eq(region, bucket->region))
        return RESULT_OK;
    bool told = !call->any_region && call->principal.kind != PRINCIPAL_ANONYMOUS;
    if (told && !str_eq(region, call->region)) /* the signature's region is what counts */
        return RESULT_OK;
    struct str full = wire_request_header(call->request, STR("host")), port = {0};
    str_cut(str_is_absent(full) ? STR("") : full, ':', &full, &port);
    struct s3_PermanentRedirect *detail = ARENA_NEW(call->arena, struct s3_PermanentRedirect);
    detail->Bucket = bucket->name;
    detail->BucketRegion = bucket->region;
    detail->Endpoint =
        str_format(call->arena, "%.*s%.*s%.*s%s%.*s", PRSTR(before), PRSTR(bucket->region),
                   PRSTR(after), str_is_absent(port) ? "" : ":", PRSTR(port));
    return call_fail_with(call, S3_PERMANENT_REDIRECT, detail,
                          "The bucket you are attempting to access must be addressed using the "
                          "specified endpoint. Please send all future requests to this endpoint.");
}

/* The signature's region is another than the bucket's: as its form calls it. */
static RESULT fail_region(struct call *call, struct str region)
{
    if (call->request != NULL &&
        str_find(call->request->query, STR("X-Amz-Credential=")) != SIZE_MAX) {
        struct s3_AuthorizationQueryParametersError *detail =
            ARENA_NEW(call->arena, struct s3_AuthorizationQueryParametersError);
        detail->Region = detail->BucketRegion = region;
        return call_fail_with(call, S3_AUTHORIZATION_QUERY_PARAMETERS, detail,
                              "Error parsing the X-Amz-Credential parameter; the region '%.*s' is "
                              "wrong; expecting '%.*s'",
                              PRSTR(call->region), PRSTR(region));
    }
    struct s3_AuthorizationHeaderMalformed *detail =
        ARENA_NEW(call->arena, struct s3_AuthorizationHeaderMalformed);
    detail->Region = detail->BucketRegion = region;
    return call_fail_with(
        call, S3_INCOMPLETE_SIGNATURE, detail,
        "The authorization header is malformed; the region '%.*s' is wrong; expecting '%.*s'",
        PRSTR(call->region), PRSTR(region));
}

RESULT bucket_check_region(struct call *call, const struct s3_bucket *bucket)
{
    TRY(check_host(call, bucket));
    /* Where the host names none, one endpoint stands for all: it is the signature's that is wrong.
     */
    if (call->any_region)
        call->region = bucket->region;
    if (call->principal.kind == PRINCIPAL_SERVICE || call->principal.kind == PRINCIPAL_ANONYMOUS ||
        str_eq(call->region, bucket->region))
        return RESULT_OK;
    return fail_region(call, bucket->region);
}
