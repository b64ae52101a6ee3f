/* The REST bindings with the models of S3, Lambda and others: which operation a request is, what
 * its parts become, and what a reply's members become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/time.h"
#include "gen/iot.h"
#include "gen/lambda.h"
#include "gen/s3.h"
#include "gen/s3control.h"
#include "wire/wire_case.h"
#include "wire/wire_int.h"

/* ---- matching */

static const char *match(const struct wire_model *model, const char *method, const char *target,
                         const char *header)
{
    struct wire_header headers[] = {{.name = str_from_c(header), .value = STR("1")}};
    struct wire_request request = {
        .method = str_from_c(method), .headers = headers, .header_count = header != NULL};
    str_cut(str_from_c(target), '?', &request.path, &request.query);
    int operation = wire_rest_match(model, &request, request.path);
    return operation < 0 ? "" : model->strings + model->operations[operation].name;
}

struct match_case {
    const char *method, *target, *header, *operation;
};

static const struct match_case s3_cases[] = {
    {"GET", "/", NULL, "ListBuckets"},
    {"GET", "/b", NULL, "ListObjects"},
    {"GET", "/b/", NULL, "ListObjects"},
    {"GET", "/b?list-type=2&prefix=a%2Fb", NULL, "ListObjectsV2"},
    {"GET", "/b?list%2Dtype=2", NULL, "ListObjectsV2"},
    {"GET", "/b?list-type=1", NULL, "ListObjects"},
    {"GET", "/b?versions", NULL, "ListObjectVersions"},
    {"GET", "/b?acl=", NULL, "GetBucketAcl"},
    {"GET", "/b?lifecycle", NULL, "GetBucketLifecycleConfiguration"},
    {"GET", "/b?notification", NULL, "GetBucketNotificationConfiguration"},
    {"GET", "/b?analytics", NULL, "ListBucketAnalyticsConfigurations"},
    {"GET", "/b?analytics&id=1", NULL, "GetBucketAnalyticsConfiguration"},
    {"GET", "/b?uploads", NULL, "ListMultipartUploads"},
    {"GET", "/b?session", NULL, "CreateSession"},
    {"HEAD", "/b", NULL, "HeadBucket"},
    {"HEAD", "/b/k", NULL, "HeadObject"},
    {"GET", "/b/k", NULL, "GetObject"},
    {"GET", "/b/k/", NULL, "GetObject"},
    {"GET", "/b//k", NULL, "GetObject"},
    {"GET", "/b/a/b%20c/d?versionId=v&response-content-type=x", NULL, "GetObject"},
    {"GET", "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=1&x-id=GetObject", NULL,
     "GetObject"},
    {"GET", "/b/k?uploadId=u", NULL, "ListParts"},
    {"GET", "/b/k?acl", NULL, "GetObjectAcl"},
    {"GET", "/b/k?attributes", "x-amz-object-attributes", "GetObjectAttributes"},
    {"GET", "/b/k?attributes", NULL, "GetObjectAttributes"},
    {"PUT", "/b", NULL, "CreateBucket"},
    {"PUT", "/b?tagging", NULL, "PutBucketTagging"},
    {"PUT", "/b/k", NULL, "PutObject"},
    {"PUT", "/b/k", "X-Amz-Copy-Source", "CopyObject"},
    {"PUT", "/b/k?partNumber=1&uploadId=u", NULL, "UploadPart"},
    {"PUT", "/b/k?partNumber=1&uploadId=u", "x-amz-copy-source", "UploadPartCopy"},
    {"PUT", "/b/k?partNumber=1", NULL, "PutObject"},
    {"PUT", "/b/k?tagging", NULL, "PutObjectTagging"},
    {"POST", "/b?delete", NULL, "DeleteObjects"},
    {"POST", "/b/k?uploads", NULL, "CreateMultipartUpload"},
    {"POST", "/b/k?uploadId=u", NULL, "CompleteMultipartUpload"},
    {"POST", "/b/k?select&select-type=2", NULL, "SelectObjectContent"},
    {"POST", "/b/k?restore", NULL, "RestoreObject"},
    {"POST", "/WriteGetObjectResponse", NULL, "WriteGetObjectResponse"},
    {"DELETE", "/b", NULL, "DeleteBucket"},
    {"DELETE", "/b/k", NULL, "DeleteObject"},
    {"DELETE", "/b/k?uploadId=u", NULL, "AbortMultipartUpload"},
    {"DELETE", "/b/k?versionId=u", NULL, "DeleteObject"},
    {"POST", "/b", NULL, "PostObject"},
    {"PATCH", "/b", NULL, ""},
};

static void test_matches_s3(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(s3_cases) / sizeof(s3_cases[0]); i++) {
        const struct match_case *c = &s3_cases[i];
        const char *got = match(&s3_model, c->method, c->target, c->header);
        if (!str_eq(str_from_c(got), str_from_c(c->operation)))
            fail_msg("%s %s: %s, not %s", c->method, c->target, got, c->operation);
    }
}

static void test_matches_others(void **state)
{
    (void)state;
    assert_string_equal(match(&lambda_model, "GET", "/2015-03-31/functions", NULL),
                        "ListFunctions");
    assert_string_equal(match(&lambda_model, "GET", "/2015-03-31/functions/", NULL),
                        "ListFunctions");
    assert_string_equal(match(&lambda_model, "GET", "/2015-03-31/functions/f", NULL),
                        "GetFunction");
    assert_string_equal(match(&lambda_model, "POST", "/2015-03-31/functions/f/invocations", NULL),
                        "Invoke");
    assert_string_equal(
        match(&lambda_model, "GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%2Fx", NULL), "ListTags");
    assert_string_equal(match(&lambda_model, "GET", "/2015-03-31/functions/f/x", NULL), "");
    assert_string_equal(
        match(&s3control_model, "GET", "/v20180820/mrap/instances/a/b/policy", NULL),
        "GetMultiRegionAccessPointPolicy");
    assert_string_equal(
        match(&s3control_model, "GET", "/v20180820/mrap/instances/a/policystatus", NULL),
        "GetMultiRegionAccessPointPolicyStatus");
    assert_string_equal(match(&s3control_model, "GET", "/v20180820/mrap/instances/a/routes", NULL),
                        "GetMultiRegionAccessPointRoutes");
    assert_string_equal(match(&iot_model, "GET", "/things/t", NULL), "DescribeThing");
    assert_string_equal(match(&iot_model, "GET", "/things", NULL), "ListThings");
    assert_string_equal(match(&iot_model, "GET", "/", NULL), "");
    assert_string_equal(match(&iot_model, "GET", "", NULL), "");
}

/* ---- requests */

static const struct wire_header no_headers[1];

static struct wire_request request_of(const char *method, const char *target,
                                      const struct wire_header *headers, size_t header_count,
                                      const char *body)
{
    struct wire_request request = {.method = str_from_c(method),
                                   .host = STR("h"),
                                   .headers = headers,
                                   .header_count = header_count,
                                   .body = str_from_c(body)};
    str_cut(str_from_c(target), '?', &request.path, &request.query);
    return request;
}

static void check_input(const struct wire_model *model, const char *operation,
                        const struct wire_request *request, const char *expected)
{
    struct arena *arena = arena_new(0);
    enum wire_protocol protocol =
        model == &s3_model ? WIRE_PROTOCOL_REST_XML : WIRE_PROTOCOL_REST_JSON;
    struct wire_route route = case_route(model, protocol, operation);
    struct wire_failure failure;
    struct str got = case_input(arena, &route, request, &failure);
    case_assert_str(arena, str_is_absent(got) ? failure.message : got, expected);
    arena_free(arena);
}

static void test_labels_and_query(void **state)
{
    (void)state;
    struct wire_request request =
        request_of("GET", "/b/a%2Fb/c%20+d?versionId=v%26&partNumber=7", no_headers, 0, NULL);
    check_input(&s3_model, "GetObject", &request,
                "{\"Bucket\":\"b\",\"Key\":\"a/b/c +d\",\"PartNumber\":7,\"VersionId\":\"v&\"}");
    request = request_of("GET", "/b//k/", no_headers, 0, NULL);
    check_input(&s3_model, "GetObject", &request, "{\"Bucket\":\"b\",\"Key\":\"/k/\"}");
    request = request_of("GET", "/b?max-keys=x", no_headers, 0, NULL);
    check_input(&s3_model, "ListObjects", &request,
                "Provided max-keys not an integer or within integer range");
    request = request_of("GET", "/b/%zz", no_headers, 0, NULL);
    check_input(&s3_model, "GetObject", &request, "Couldn't parse the specified URI.");
    request = request_of("GET", "/b/%FF", no_headers, 0, NULL);
    check_input(&s3_model, "GetObject", &request, "Couldn't parse the specified URI.");
    request = request_of("GET", "/2015-03-31/functions/?MaxItems=ten", no_headers, 0, NULL);
    check_input(&lambda_model, "ListFunctions", &request,
                "The value of the query parameter MaxItems is no valid integer");
    request = request_of("DELETE", "/2017-03-31/tags/arn?tagKeys=a&tagKeys=b", no_headers, 0, NULL);
    check_input(&lambda_model, "UntagResource", &request,
                "{\"Resource\":\"arn\",\"TagKeys\":[\"a\",\"b\"]}");
}

static void test_headers(void **state)
{
    (void)state;
    const struct wire_header headers[] = {
        {STR_INIT("X-Amz-Meta-Color"), STR_INIT(" red ")},
        {STR_INIT("x-amz-meta-empty"), STR_INIT("")},
        {STR_INIT("expires"), STR_INIT("Wed, 21 Oct 2015 07:28:00 GMT")},
        {STR_INIT("CONTENT-TYPE"), STR_INIT("text/plain")},
        {STR_INIT("x-amz-server-side-encryption-bucket-key-enabled"), STR_INIT("true")},
    };
    struct wire_request request = request_of("PUT", "/b/k", headers, 5, NULL);
    check_input(&s3_model, "PutObject", &request,
                "{\"Bucket\":\"b\",\"BucketKeyEnabled\":true,\"ContentType\":\"text/plain\","
                "\"Expires\":\"Wed, 21 Oct 2015 07:28:00 GMT\",\"Key\":\"k\","
                "\"Metadata\":{\"color\":\"red\",\"empty\":\"\"}}");
    const struct wire_header lists[] = {
        {STR_INIT("x-amz-object-attributes"), STR_INIT("ETag, \"Check\\\"sum\" ,")},
        {STR_INIT("X-Amz-Object-Attributes"), STR_INIT("ObjectSize")},
    };
    request = request_of("GET", "/b/k?attributes", lists, 2, NULL);
    check_input(
        &s3_model, "GetObjectAttributes", &request,
        "{\"Bucket\":\"b\",\"Key\":\"k\",\"ObjectAttributes\":[\"ETag\",\"Check\\u0022sum\","
        "\"\",\"ObjectSize\"]}");
    const struct wire_header wrong[] = {
        {STR_INIT("x-amz-server-side-encryption-bucket-key-enabled"), STR_INIT("yes")}};
    request = request_of("PUT", "/b/k", wrong, 1, NULL);
    check_input(
        &s3_model, "PutObject", &request,
        "The value of the header x-amz-server-side-encryption-bucket-key-enabled is no valid "
        "boolean");
}

static void test_bodies(void **state)
{
    (void)state;
    struct wire_request request =
        request_of("POST", "/2015-03-31/functions/f/invocations", no_headers, 0, "{\"a\":1}");
    check_input(&lambda_model, "Invoke", &request,
                "{\"FunctionName\":\"f\",\"Payload\":\"eyJhIjoxfQ==\"}");
    request = request_of("POST", "/2015-03-31/functions/f/invocations", no_headers, 0, "");
    check_input(&lambda_model, "Invoke", &request, "{\"FunctionName\":\"f\"}");
    request = request_of("PUT", "/2015-03-31/functions/f/code", no_headers, 0,
                         "{\"ZipFile\":\"AAE=\",\"DryRun\":true,\"FunctionName\":\"other\"}");
    check_input(&lambda_model, "UpdateFunctionCode", &request,
                "{\"DryRun\":true,\"FunctionName\":\"f\",\"ZipFile\":\"AAE=\"}");
    request = request_of("PUT", "/b?policy", no_headers, 0, "{\"Version\":1}");
    check_input(&s3_model, "PutBucketPolicy", &request,
                "{\"Bucket\":\"b\",\"Policy\":\"{\\u0022Version\\u0022:1}\"}");
}

/* The bucket of a virtual host stands before the path that came. */
static void test_path_of_the_route(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&s3_model, WIRE_PROTOCOL_REST_XML, "GetObject");
    struct wire_request request = request_of("GET", "/k", no_headers, 0, NULL);
    struct wire_failure failure;
    route.path = STR("/bucket/k");
    case_assert_str(arena, case_input(arena, &route, &request, &failure),
                    "{\"Bucket\":\"bucket\",\"Key\":\"k\"}");
    arena_free(arena);
}

/* ---- replies */

static struct wire_response output_of(struct arena *arena, const struct wire_model *model,
                                      const char *operation, const char *json)
{
    enum wire_protocol protocol =
        model == &s3_model ? WIRE_PROTOCOL_REST_XML : WIRE_PROTOCOL_REST_JSON;
    struct wire_route route = case_route(model, protocol, operation);
    return case_output(arena, &route, str_from_c(json));
}

static void test_reply_headers(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_response r = output_of(
        arena, &s3_model, "HeadObject",
        "{\"ContentLength\":5,\"ETag\":\"\\\"e\\\"\",\"LastModified\":1577836800,"
        "\"Metadata\":{\"a\":\"1\",\"b\":\"x\\r\\nSet-Cookie: y\"},\"DeleteMarker\":false,"
        "\"ContentType\":\"image/png\"}");
    assert_int_equal(r.status, 200);
    case_assert_str(arena, case_header(&r, "Content-Length"), "5");
    case_assert_str(arena, case_header(&r, "ETag"), "\"e\"");
    case_assert_str(arena, case_header(&r, "Last-Modified"), "Wed, 01 Jan 2020 00:00:00 GMT");
    case_assert_str(arena, case_header(&r, "x-amz-meta-a"), "1");
    case_assert_str(arena, case_header(&r, "x-amz-meta-b"), "x  Set-Cookie: y");
    case_assert_str(arena, case_header(&r, "x-amz-delete-marker"), "false");
    case_assert_str(arena, case_header(&r, "Content-Type"), "image/png");
    case_assert_str(arena, r.body, "");
    arena_free(arena);
}

static void test_reply_bodies(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_response r = output_of(arena, &lambda_model, "Invoke",
                                       "{\"StatusCode\":202,\"Payload\":\"eyJhIjoxfQ==\"}");
    assert_int_equal(r.status, 202);
    case_assert_str(arena, r.body, "{\"a\":1}");
    case_assert_str(arena, case_header(&r, "Content-Type"), "application/octet-stream");
    r = output_of(arena, &lambda_model, "ListFunctions", "{\"Functions\":[],\"NextMarker\":\"m\"}");
    case_assert_str(arena, r.body, "{\"NextMarker\":\"m\",\"Functions\":[]}");
    case_assert_str(arena, case_header(&r, "Content-Type"), "application/json");
    r = output_of(arena, &lambda_model, "TagResource", "{}");
    assert_int_equal(r.status, 204);
    case_assert_str(arena, r.body, "");
    assert_true(str_is_absent(case_header(&r, "Content-Type")));
    r = output_of(arena, &s3_model, "DeleteObject", "{\"VersionId\":\"v\"}");
    assert_int_equal(r.status, 204);
    case_assert_str(arena, case_header(&r, "x-amz-version-id"), "v");
    r = output_of(arena, &s3_model, "GetBucketPolicy", "{\"Policy\":\"{}\"}");
    case_assert_str(arena, r.body, "{}");
    r = output_of(arena, &s3_model, "GetObject", "{\"ContentLength\":5}");
    assert_true(str_is_absent(r.body));
    r = output_of(arena, &s3_model, "SelectObjectContent", "{}");
    assert_true(str_is_absent(r.body));
    case_assert_str(arena, case_header(&r, "Content-Type"), "application/vnd.amazon.eventstream");
    arena_free(arena);
}

/* Printed, not judged: the machine may be busy. */
static void test_speed_of_matching(void **state)
{
    (void)state;
    enum { ROUNDS = 20000 };
    static const struct wire_header headers[] = {{STR_INIT("host"), STR_INIT("h")},
                                                 {STR_INIT("x-amz-date"), STR_INIT("d")}};
    struct wire_request request = {.method = STR("GET"),
                                   .path = STR("/bucket/some/key"),
                                   .headers = headers,
                                   .header_count = 2};
    uint64_t start = time_monotonic_ns();
    int found = 0;
    for (int i = 0; i < ROUNDS; i++)
        found += wire_rest_match(&s3_model, &request, request.path) >= 0;
    assert_int_equal(found, ROUNDS);
    printf("a request of S3 is matched in %.0f ns\n",
           (double)(time_monotonic_ns() - start) / ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches_s3),
        cmocka_unit_test(test_matches_others),
        cmocka_unit_test(test_labels_and_query),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_path_of_the_route),
        cmocka_unit_test(test_reply_headers),
        cmocka_unit_test(test_reply_bodies),
        cmocka_unit_test(test_speed_of_matching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
