/* Cross-origin rules: what they may say, preflights, and the headers of other answers. */
#include "service/s3_support.h"

#define CORS .Bucket = STR("shared")

static struct loopback_reply configure(struct loopback *lo, struct s3_CORSRule *rules, size_t count)
{
    struct s3_CORSConfiguration all = {.CORSRules = {rules, count}};
    return S3_CALL(lo, PutBucketCors, CORS, .CORSConfiguration = &all);
}

static void test_wrong(void **state)
{
    struct loopback *lo = *state;
    struct str get = STR("GET"), patch = STR("PATCH"), star = STR("*"), stars = STR("*.*"),
               exposed = STR("x-*");
    char long_id[256];
    memset(long_id, 'i', sizeof long_id);
    struct s3_CORSRule good = {.AllowedMethods = {&get, 1}, .AllowedOrigins = {&star, 1}};
    struct s3_CORSRule no_method = good, no_origin = good, method = good, origins = good,
                       headers = good, expose = good, id = good, age = good, many[101];
    no_method.AllowedMethods.len = no_origin.AllowedOrigins.len = 0;
    method.AllowedMethods.items = &patch;
    origins.AllowedOrigins.items = &stars;
    headers.AllowedHeaders.items = &stars;
    headers.AllowedHeaders.len = 1;
    expose.ExposeHeaders.items = &exposed;
    expose.ExposeHeaders.len = 1;
    id.ID = str_make(long_id, sizeof long_id);
    age.MaxAgeSeconds = opt_int(-1);
    struct {
        struct s3_CORSRule *rule;
        const char *code, *message;
    } cases[] = {
        {&no_method, "MalformedXML", NULL},
        {&no_origin, "MalformedXML", NULL},
        {&id, "MalformedXML", NULL},
        {&age, "MalformedXML", NULL},
        {&method, "InvalidRequest",
         "Found unsupported HTTP method in CORS config. Unsupported method is PATCH"},
        {&origins, "InvalidRequest", "AllowedOrigin \"*.*\" can not have more than one wildcard."},
        {&headers, "InvalidRequest", "AllowedHeader \"*.*\" can not have more than one wildcard."},
        {&expose, "InvalidRequest",
         "ExposeHeader \"x-*\" contains wildcard. We currently do not support wildcard for "
         "ExposeHeader."},
    };
    s3_bucket(lo, "shared", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        loopback_error(configure(lo, cases[i].rule, 1), cases[i].code, cases[i].message);
    for (size_t i = 0; i < 101; i++)
        many[i] = good;
    loopback_error(configure(lo, many, 101), "InvalidRequest", NULL);
    loopback_error(configure(lo, many, 0), "MalformedXML", NULL);
    loopback_error(S3_CALL(lo, PutBucketCors, CORS), "MalformedXML", NULL);
    loopback_error(S3_CALL(lo, GetBucketCors, CORS), "NoSuchCORSConfiguration",
                   "The CORS configuration does not exist");
    loopback_ok(configure(lo, many, 100));
    const struct s3_GetBucketCorsOutput *kept = loopback_ok(S3_CALL(lo, GetBucketCors, CORS));
    assert_int_equal(kept->CORSRules.len, 100);
    loopback_ok(S3_CALL(lo, DeleteBucketCors, CORS));
    loopback_ok(S3_CALL(lo, DeleteBucketCors, CORS));
    loopback_error(S3_CALL(lo, GetBucketCors, .Bucket = STR("none")), "NoSuchBucket", NULL);
}

static void make_rules(struct loopback *lo)
{
    struct str methods[] = {STR("GET"), STR("PUT")}, site = STR("https://*.example.com"),
               headers[] = {STR("x-amz-*"), STR("Content-Type")}, expose = STR("ETag"),
               all = STR("*");
    struct s3_CORSRule rules[] = {
        {.AllowedMethods = {methods, 2},
         .AllowedOrigins = {&site, 1},
         .AllowedHeaders = {headers, 2},
         .ExposeHeaders = {&expose, 1},
         .MaxAgeSeconds = opt_int(30)},
        {.AllowedMethods = {methods, 1}, .AllowedOrigins = {&all, 1}},
    };
    s3_bucket(lo, "shared", false);
    loopback_ok(configure(lo, rules, 2));
}

#define ASK(lo, ...) S3_CALL((lo), OptionsObject, CORS, .Key = STR("k"), __VA_ARGS__)

static void test_preflight(void **state)
{
    struct loopback *lo = *state;
    make_rules(lo);
    lo->principal = PRINCIPAL_ANONYMOUS;
    struct loopback_reply reply =
        ASK(lo, .Origin = STR("https://a.example.com"), .AccessControlRequestMethod = STR("PUT"),
            .AccessControlRequestHeaders = STR("X-Amz-Date, content-type"));
    loopback_ok(reply);
    assert_text(loopback_header(reply, "Access-Control-Allow-Origin"),
                STR("https://a.example.com"));
    assert_text(loopback_header(reply, "Access-Control-Allow-Methods"), STR("GET, PUT"));
    assert_text(loopback_header(reply, "Access-Control-Allow-Headers"),
                STR("x-amz-date, content-type"));
    assert_text(loopback_header(reply, "Access-Control-Expose-Headers"), STR("ETag"));
    assert_text(loopback_header(reply, "Access-Control-Max-Age"), STR("30"));
    assert_text(loopback_header(reply, "Access-Control-Allow-Credentials"), STR("true"));
    reply = S3_CALL_OF(lo, OptionsBucket, OptionsRequest, CORS, .Origin = STR("http://other"),
                       .AccessControlRequestMethod = STR("GET"));
    loopback_ok(reply);
    assert_text(loopback_header(reply, "Access-Control-Allow-Origin"), STR("*"));
    assert_true(str_is_absent(loopback_header(reply, "Access-Control-Allow-Credentials")));

    loopback_error(ASK(lo, .AccessControlRequestMethod = STR("GET")), "BadRequest",
                   "Insufficient information. Origin request header needed.");
    loopback_error(ASK(lo, .Origin = STR("http://o")), "BadRequest",
                   "Invalid Access-Control-Request-Method: null");
    loopback_error(ASK(lo, .Origin = STR("http://o"), .AccessControlRequestMethod = STR("PATCH")),
                   "BadRequest", "Invalid Access-Control-Request-Method: PATCH");
    static const char no[] =
        "CORSResponse: This CORS request is not allowed. This is usually because the evalution of "
        "Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers "
        "are not whitelisted by the resource's CORS spec.";
    loopback_error(ASK(lo, .Origin = STR("http://o"), .AccessControlRequestMethod = STR("PUT")),
                   "AccessForbidden", no);
    loopback_error(ASK(lo, .Origin = STR("https://a.example.com"),
                       .AccessControlRequestMethod = STR("PUT"),
                       .AccessControlRequestHeaders = STR("X-Other")),
                   "AccessForbidden", no);
    loopback_error(S3_CALL_OF(lo, OptionsBucket, OptionsRequest, .Bucket = STR("no-such"),
                              .Origin = STR("http://o"), .AccessControlRequestMethod = STR("GET")),
                   "AccessForbidden", "CORSResponse: Bucket not found");
    lo->principal = PRINCIPAL_ROOT;
    loopback_ok(S3_CALL(lo, DeleteBucketCors, CORS));
    loopback_error(ASK(lo, .Origin = STR("http://o"), .AccessControlRequestMethod = STR("GET")),
                   "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.");
}

static void test_other_answers(void **state)
{
    struct loopback *lo = *state;
    struct wire_header origin = {STR("origin"), STR("https://a.example.com")};
    make_rules(lo);
    lo->headers = &origin;
    lo->header_count = 1;
    lo->method = STR("PUT");
    struct loopback_reply reply = loopback_cross_origin(lo, &s3_model, STR("/shared/key"));
    assert_text(loopback_header(reply, "access-control-allow-origin"), origin.value);
    assert_text(loopback_header(reply, "vary"),
                STR("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"));
    lo->method = STR("DELETE");
    assert_int_equal(loopback_cross_origin(lo, &s3_model, STR("/shared/key")).header_count, 0);
    lo->method = STR("OPTIONS"); /* has its own answer */
    assert_int_equal(loopback_cross_origin(lo, &s3_model, STR("/shared/key")).header_count, 0);
    lo->method = STR("GET");
    assert_int_equal(loopback_cross_origin(lo, &s3_model, STR("/no-such/key")).header_count, 0);
    assert_int_equal(loopback_cross_origin(lo, &s3_model, STR("/")).header_count, 0);
    assert_true(
        loopback_cross_origin(lo, &s3_model, STR("/_kumoniwa/website/shared/x")).header_count > 0);
    origin.value = STR("http://elsewhere");
    reply = loopback_cross_origin(lo, &s3_model, STR("/shared"));
    assert_text(loopback_header(reply, "access-control-allow-origin"), STR("*"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {S3_TEST(test_wrong), S3_TEST(test_preflight),
                                       S3_TEST(test_other_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
