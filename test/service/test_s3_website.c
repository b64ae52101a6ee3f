/* Static websites: what a configuration may say, and the pages that come of it. */
#include "base/vec.h"
#include "service/s3_support.h"

#define SITE .Bucket = STR("site")

static struct loopback_reply configure(struct loopback *lo,
                                       const struct s3_WebsiteConfiguration *given)
{
    return S3_CALL(lo, PutBucketWebsite, SITE,
                   .WebsiteConfiguration = (struct s3_WebsiteConfiguration *)(uintptr_t)given);
}

static struct s3_IndexDocument index_document = {.Suffix = {"index.html", 10}};
static struct s3_ErrorDocument error_document = {.Key = {"oops.html", 9}};

static void test_wrong(void **state)
{
    struct loopback *lo = *state;
    struct s3_RedirectAllRequestsTo all = {.HostName = STR("h")},
                                    nowhere = {.Protocol = STR("http")},
                                    odd = {.HostName = STR("h"), .Protocol = STR("ftp")};
    struct s3_IndexDocument slash = {.Suffix = STR("a/b")}, empty = {.Suffix = STR("")};
    struct s3_ErrorDocument no_key = {.Key = STR("")};
    const struct {
        struct s3_WebsiteConfiguration given;
        const char *code, *message;
    } cases[] = {
        {{0},
         "InvalidArgument",
         "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"},
        {{.RedirectAllRequestsTo = &all, .IndexDocument = &index_document},
         "InvalidArgument",
         "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."},
        {{.RedirectAllRequestsTo = &nowhere}, "MalformedXML", NULL},
        {{.RedirectAllRequestsTo = &odd}, "InvalidRequest", NULL},
        {{.IndexDocument = &slash},
         "InvalidArgument",
         "The IndexDocument Suffix is not well formed"},
        {{.IndexDocument = &empty},
         "InvalidArgument",
         "The IndexDocument Suffix is not well formed"},
        {{.IndexDocument = &index_document, .ErrorDocument = &no_key},
         "InvalidArgument",
         "The ErrorDocument Key is not well formed"},
    };
    s3_bucket(lo, "site", false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        loopback_error(configure(lo, &cases[i].given), cases[i].code, cases[i].message);
    loopback_error(configure(lo, NULL), "MalformedXML", NULL);
    loopback_error(S3_CALL(lo, GetBucketWebsite, SITE), "NoSuchWebsiteConfiguration",
                   "The specified bucket does not have a website configuration");
    loopback_error(S3_CALL(lo, GetBucketWebsite, .Bucket = STR("none")), "NoSuchBucket", NULL);
    loopback_ok(S3_CALL(lo, DeleteBucketWebsite, SITE));
}

static void test_wrong_rules(void **state)
{
    struct loopback *lo = *state;
    struct s3_Condition nothing = {0}, code = {.HttpErrorCodeReturnedEquals = STR("200")};
    struct s3_Redirect to = {.HostName = STR("h")}, empty = {0},
                       both = {.ReplaceKeyWith = STR("a"), .ReplaceKeyPrefixWith = STR("b")},
                       status = {.HttpRedirectCode = STR("300")}, ftp = {.Protocol = STR("ftp")};
    const struct {
        struct s3_RoutingRule rule;
        const char *code;
    } cases[] = {
        {{.Redirect = NULL}, "MalformedXML"},
        {{.Redirect = &empty}, "MalformedXML"},
        {{.Redirect = &both}, "InvalidRequest"},
        {{.Redirect = &status}, "InvalidRequest"},
        {{.Redirect = &ftp}, "InvalidRequest"},
        {{.Redirect = &to, .Condition = &nothing}, "InvalidRequest"},
        {{.Redirect = &to, .Condition = &code}, "InvalidRequest"},
    };
    s3_bucket(lo, "site", false);
    struct s3_WebsiteConfiguration given = {.IndexDocument = &index_document};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct s3_RoutingRule rule = cases[i].rule;
        given.RoutingRules.items = &rule;
        given.RoutingRules.len = 1;
        loopback_error(configure(lo, &given), cases[i].code, NULL);
    }
    struct s3_RoutingRule many[51];
    for (size_t i = 0; i < 51; i++)
        many[i] = (struct s3_RoutingRule){.Redirect = &to};
    given.RoutingRules.items = many;
    given.RoutingRules.len = 51;
    loopback_error(configure(lo, &given), "InvalidRequest",
                   "The number of routing rules must not exceed 50.");
    given.RoutingRules.len = 50;
    loopback_ok(configure(lo, &given));
}

/* Anybody may read it, and list it. */
static void make_site(struct loopback *lo, const struct s3_WebsiteConfiguration *given)
{
    static const char *const pages[] = {"index.html", "a.html", "docs/index.html", "oops.html"};
    s3_bucket(lo, "site", false);
    lo->payload = STR("<p>");
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        loopback_ok(S3_CALL(lo, PutObject, SITE, .Key = str_from_c(pages[i]),
                            .ContentType = STR("text/html")));
    loopback_ok(S3_CALL(lo, PutObject, SITE, .Key = STR("moved"),
                        .WebsiteRedirectLocation = STR("/a.html")));
    lo->payload = (struct str){0};
    loopback_ok(S3_CALL(lo, DeletePublicAccessBlock, SITE));
    loopback_ok(S3_CALL(lo, PutBucketPolicy, SITE,
                        .Policy = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":"
                                      "\"Allow\",\"Principal\":\"*\",\"Action\":[\"s3:GetObject\","
                                      "\"s3:ListBucket\"],\"Resource\":[\"arn:aws:s3:::site\","
                                      "\"arn:aws:s3:::site/*\"]}]}")));
    loopback_ok(configure(lo, given));
    lo->method = STR("GET");
}

struct page {
    const char *key;
    unsigned status;
    const char *code, *location; /* NULL: none */
};

static void assert_page(struct loopback *lo, const struct page *page)
{
    struct loopback_reply reply =
        S3_CALL_OF(lo, GetWebsitePage, WebsitePageRequest, SITE, .Key = str_from_c(page->key));
    const struct s3_WebsitePageOutput *out = loopback_ok(reply);
    if ((reply.status == 0 ? 200 : reply.status) != page->status)
        fail_msg("%s: %u", page->key, reply.status);
    assert_text(out->ErrorCode, str_from_c(page->code));
    assert_text(out->Location, str_from_c(page->location));
}
#define assert_pages(lo, pages)                                                                    \
    for (size_t i_ = 0; i_ < sizeof(pages) / sizeof((pages)[0]); i_++)                             \
    assert_page((lo), &(pages)[i_])

static void test_pages(void **state)
{
    struct loopback *lo = *state;
    const struct s3_WebsiteConfiguration plain = {.IndexDocument = &index_document};
    static const struct page pages[] = {
        {"a.html", 200, NULL, NULL},      {"docs/", 200, NULL, NULL},
        {"docs", 302, "Found", "/docs/"}, {"moved", 301, NULL, "/a.html"},
        {"none", 404, "NoSuchKey", NULL}, {"none/", 404, "NoSuchKey", NULL},
    };
    make_site(lo, &plain);
    assert_pages(lo, pages);
    struct loopback_reply reply = S3_CALL_OF(lo, GetWebsiteRoot, WebsiteRootRequest, SITE);
    const struct s3_WebsitePageOutput *root = loopback_ok(reply);
    assert_text(root->ContentType, STR("text/html"));
    assert_text(reply.stream, STR("<p>"));
    reply = S3_CALL_OF(lo, GetWebsitePage, WebsitePageRequest, SITE, .Key = STR("none"));
    loopback_ok(reply);
    assert_true(str_find(reply.stream, STR("<li>Code: NoSuchKey</li>")) != SIZE_MAX);
    assert_true(str_find(reply.stream, STR("<li>Key: none</li>")) != SIZE_MAX);
    loopback_ok(S3_CALL_OF(lo, HeadWebsitePage, WebsitePageRequest, SITE, .Key = STR("a.html")));
    loopback_ok(S3_CALL_OF(lo, HeadWebsiteRoot, WebsiteRootRequest, SITE));
    reply = S3_CALL_OF(lo, GetWebsitePage, WebsitePageRequest, SITE, .Key = STR("a.html"),
                       .IfMatch = STR("\"x\""));
    loopback_ok(reply);
    assert_int_equal(reply.status, 412);
    reply = S3_CALL_OF(lo, GetWebsitePage, WebsitePageRequest, SITE, .Key = STR("a.html"),
                       .Range = STR("bytes=9-"));
    loopback_ok(reply);
    assert_int_equal(reply.status, 416);
    /* Neither bucket nor configuration. */
    reply = S3_CALL_OF(lo, GetWebsiteRoot, WebsiteRootRequest, .Bucket = STR("no-such-site"));
    root = loopback_ok(reply);
    assert_int_equal(reply.status, 404);
    assert_text(root->ErrorCode, STR("NoSuchBucket"));
    loopback_ok(S3_CALL(lo, DeleteBucketWebsite, SITE));
    root = loopback_ok(S3_CALL_OF(lo, GetWebsiteRoot, WebsiteRootRequest, SITE));
    assert_text(root->ErrorCode, STR("NoSuchWebsiteConfiguration"));
}

static void test_error_document(void **state)
{
    struct loopback *lo = *state;
    const struct s3_WebsiteConfiguration given = {.IndexDocument = &index_document,
                                                  .ErrorDocument = &error_document};
    make_site(lo, &given);
    struct loopback_reply reply =
        S3_CALL_OF(lo, GetWebsitePage, WebsitePageRequest, SITE, .Key = STR("none"));
    loopback_ok(reply);
    assert_int_equal(reply.status, 404);
    assert_text(reply.stream, STR("<p>"));
    loopback_ok(S3_CALL(lo, DeleteObject, SITE, .Key = STR("oops.html")));
    reply = S3_CALL_OF(lo, GetWebsitePage, WebsitePageRequest, SITE, .Key = STR("none"));
    loopback_ok(reply);
    assert_true(str_find(reply.stream, STR("An Error Occurred While Attempting to Retrieve a "
                                           "Custom Error Document")) != SIZE_MAX);
    /* What nobody may read is not said to be missing, either. */
    loopback_ok(S3_CALL(lo, DeleteBucketPolicy, SITE));
    static const struct page pages[] = {{"a.html", 403, "AccessDenied", NULL},
                                        {"none", 403, "AccessDenied", NULL}};
    assert_pages(lo, pages);
}

static void test_redirects(void **state)
{
    struct loopback *lo = *state;
    struct s3_Condition docs = {.KeyPrefixEquals = STR("docs/")},
                        lost = {.HttpErrorCodeReturnedEquals = STR("404")};
    struct s3_Redirect prefix = {.ReplaceKeyPrefixWith = STR("new/"),
                                 .HttpRedirectCode = STR("307")},
                       away = {.HostName = STR("example.com"),
                               .Protocol = STR("https"),
                               .ReplaceKeyWith = STR("lost b.html")};
    struct s3_RoutingRule rules[] = {{&docs, &prefix}, {&lost, &away}};
    const struct s3_WebsiteConfiguration given = {.IndexDocument = &index_document,
                                                  .RoutingRules = {rules, 2}};
    make_site(lo, &given);
    static const struct page pages[] = {
        {"docs/x", 307, NULL, "http://localhost/new/x"},
        {"none", 301, NULL, "https://example.com/lost%20b.html"},
        {"a.html", 200, NULL, NULL},
    };
    assert_pages(lo, pages);
    struct s3_RedirectAllRequestsTo all = {.HostName = STR("example.org")};
    const struct s3_WebsiteConfiguration whole = {.RedirectAllRequestsTo = &all};
    loopback_ok(configure(lo, &whole));
    static const struct page everything[] = {{"a b", 301, NULL, "http://example.org/a%20b"}};
    assert_pages(lo, everything);
    const struct s3_GetBucketWebsiteOutput *kept = loopback_ok(S3_CALL(lo, GetBucketWebsite, SITE));
    assert_text(kept->RedirectAllRequestsTo->HostName, STR("example.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        S3_TEST(test_wrong),          S3_TEST(test_wrong_rules), S3_TEST(test_pages),
        S3_TEST(test_error_document), S3_TEST(test_redirects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
