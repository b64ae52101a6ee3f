/* XML with S3's and Route 53's models: what is read, what is refused, and the exact bytes of what
 * is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gen/route53.h"
#include "gen/s3.h"
#include "wire/wire_case.h"
#include "wire/wire_int.h"

#define S3_NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static const char *const schema_message =
    "The XML you provided was not well-formed or did not validate against our published schema";

static struct wire_request put(const char *path, const char *query, struct str body)
{
    return (struct wire_request){.method = STR("PUT"),
                                 .path = str_from_c(path),
                                 .query = str_from_c(query),
                                 .host = STR("s3.amazonaws.com"),
                                 .body = body};
}

static void check_read(const char *operation, const char *query, const char *body,
                       const char *expected)
{
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&s3_model, WIRE_PROTOCOL_REST_XML, operation);
    struct wire_request request = put("/b", query, str_from_c(body));
    struct wire_failure failure;
    struct str got = case_input(arena, &route, &request, &failure);
    if (str_is_absent(got))
        case_assert_str(arena, failure.message, expected);
    else
        case_assert_str(arena, got, expected);
    arena_free(arena);
}

static void check_refused(const char *body)
{
    check_read("PutBucketTagging", "tagging", body, schema_message);
}

static void check_written(const char *operation, const char *json, const char *expected)
{
    struct arena *arena = arena_new(0);
    struct wire_route route = case_route(&s3_model, WIRE_PROTOCOL_REST_XML, operation);
    struct wire_response response = case_output(arena, &route, str_from_c(json));
    case_assert_str(arena, response.body, expected);
    case_assert_str(arena, case_header(&response, "Content-Type"), "application/xml");
    arena_free(arena);
}

static void test_reads_structures_and_lists(void **state)
{
    (void)state;
    check_read("PutBucketTagging", "tagging",
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<Tagging" S3_NS ">\n <TagSet>\n"
               "  <Tag><Key>a &amp; &#x3042;</Key><Value><![CDATA[<b>]]></Value></Tag>\n"
               "  <Tag><Key> c </Key><Value/></Tag>\n</TagSet></Tagging>\n",
               "{\"Bucket\":\"b\",\"Tagging\":{\"TagSet\":[{\"Key\":\"a & "
               "\xE3\x81\x82\",\"Value\":\"<b>\"},"
               "{\"Key\":\" c \",\"Value\":\"\"}]}}");
}

static void test_reads_flattened_lists(void **state)
{
    (void)state;
    check_read("DeleteObjects", "delete",
               "<Delete><Object><Key>k1</Key></Object><Quiet>true</Quiet>"
               "<Object><Key>k2</Key><VersionId>v</VersionId></Object></Delete>",
               "{\"Bucket\":\"b\",\"Delete\":{\"Objects\":[{\"Key\":\"k1\"},{\"Key\":\"k2\","
               "\"VersionId\":\"v\"}],\"Quiet\":true}}");
}

static void test_reads_attributes_of_any_prefix(void **state)
{
    (void)state;
    check_read(
        "PutBucketAcl", "acl",
        "<AccessControlPolicy><AccessControlList><Grant><Grantee "
        "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:type=\"Group\">"
        "<URI>u</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList>"
        "</AccessControlPolicy>",
        "{\"AccessControlPolicy\":{\"Grants\":[{\"Grantee\":{\"Type\":\"Group\",\"URI\":\"u\"},"
        "\"Permission\":\"READ\"}]},\"Bucket\":\"b\"}");
}

static void test_reads_empty_elements(void **state)
{
    (void)state;
    check_read("PutBucketTagging", "tagging", "<Tagging><TagSet/></Tagging>",
               "{\"Bucket\":\"b\",\"Tagging\":{\"TagSet\":[]}}");
    check_read("PutBucketTagging", "tagging", "", "Request Body is empty");
    check_read("CreateBucket", "", "", "{\"Bucket\":\"b\"}");
}

static void test_refuses_what_is_not_xml(void **state)
{
    (void)state;
    check_refused("<Tagging>");
    check_refused("<Tagging><TagSet></Tagging></TagSet>");
    check_refused("{}");
    check_refused("<Tagging/><Tagging/>");
    check_refused("<Tagging><TagSet><Tag><Key>\xFF</Key></Tag></TagSet></Tagging>");
}

static void test_refuses_declarations(void **state)
{
    (void)state;
    check_refused("<!DOCTYPE Tagging [<!ENTITY a \"aaaa\">]><Tagging><TagSet/></Tagging>");
    check_refused("<!DOCTYPE Tagging SYSTEM \"file:///etc/passwd\"><Tagging><TagSet/></Tagging>");
    check_refused("<Tagging><TagSet><Tag><Key>&undefined;</Key></Tag></TagSet></Tagging>");
}

static void test_refuses_what_is_not_in_the_model(void **state)
{
    (void)state;
    check_refused("<Tagging><Tags/></Tagging>");
    check_refused("<Tagging>text</Tagging>");
    check_refused("<Tagging>text<TagSet/></Tagging>");
    check_refused("<Tagging><TagSet/><TagSet/></Tagging>");
    check_refused("<Tagging><TagSet><Other/></TagSet></Tagging>");
    check_refused("<Tagging><TagSet><Tag><Key><a/></Key></Tag></TagSet></Tagging>");
    check_read("DeleteObjects", "delete", "<Delete><Quiet>maybe</Quiet></Delete>",
               "The XML you provided was not well-formed or did not validate against our published "
               "schema");
    check_refused("<Tags><TagSet/></Tags>");
}

static void test_refuses_depth_and_size(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf deep;
    buf_init(&deep, arena, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_append_c(&deep, "<a>");
    for (int i = 0; i < 1000; i++)
        buf_append_c(&deep, "</a>");
    check_refused(str_to_c(arena, buf_str(&deep)));
    arena_free(arena);
}

static void test_writes_roots_and_namespaces(void **state)
{
    (void)state;
    check_written(
        "ListBuckets",
        "{\"Buckets\":[{\"Name\":\"b\",\"CreationDate\":1577836800}],\"Owner\":{\"ID\":\"o\"}}",
        DECLARATION "<ListAllMyBucketsResult" S3_NS "><Buckets><Bucket><Name>b</Name>"
                    "<CreationDate>2020-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>"
                    "<Owner><ID>o</ID></Owner></ListAllMyBucketsResult>");
    check_written("ListBuckets", "{\"Buckets\":[]}",
                  DECLARATION "<ListAllMyBucketsResult" S3_NS
                              "><Buckets/></ListAllMyBucketsResult>");
    check_written("CopyObject", "{\"CopyObjectResult\":{\"ETag\":\"\\\"e\\\"\"}}",
                  DECLARATION "<CopyObjectResult" S3_NS
                              "><ETag>&quot;e&quot;</ETag></CopyObjectResult>");
    check_written("GetObjectLegalHold", "{\"LegalHold\":{\"Status\":\"ON\"}}",
                  DECLARATION "<LegalHold" S3_NS "><Status>ON</Status></LegalHold>");
}

static void test_writes_the_bucket_location(void **state)
{
    (void)state;
    check_written("GetBucketLocation", "{\"LocationConstraint\":\"eu-west-1\"}",
                  DECLARATION "<LocationConstraint" S3_NS ">eu-west-1</LocationConstraint>");
    check_written("GetBucketLocation", "{}", DECLARATION "<LocationConstraint" S3_NS "/>");
}

static void test_writes_flattened_lists_and_attributes(void **state)
{
    (void)state;
    check_written(
        "ListObjectsV2",
        "{\"Name\":\"b\",\"Prefix\":\"\",\"KeyCount\":2,\"IsTruncated\":false,"
        "\"Contents\":[{\"Key\":\"a\"},{\"Key\":\"<\\r\\u0001\\n>\"}],"
        "\"CommonPrefixes\":[]}",
        DECLARATION
        "<ListBucketResult" S3_NS "><IsTruncated>false</IsTruncated>"
        "<Contents><Key>a</Key></Contents><Contents><Key>&lt;&#xD;&#x1;\n&gt;</Key></Contents>"
        "<Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount></ListBucketResult>");
    check_written(
        "GetBucketAcl",
        "{\"Grants\":[{\"Grantee\":{\"Type\":\"CanonicalUser\",\"ID\":\"o\"},"
        "\"Permission\":\"FULL_CONTROL\"}]}",
        DECLARATION
        "<AccessControlPolicy" S3_NS "><AccessControlList><Grant><Grantee "
        "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">"
        "<ID>o</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>"
        "</AccessControlList></AccessControlPolicy>");
}

static void test_route53(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct wire_route route =
        case_route(&route53_model, WIRE_PROTOCOL_REST_XML, "ChangeResourceRecordSets");
    struct wire_request request = {
        .method = STR("POST"),
        .path = STR("/2013-04-01/hostedzone/Z1/rrset/"),
        .body = STR("<ChangeResourceRecordSetsRequest "
                    "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes>"
                    "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>a.</Name>"
                    "<Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord>"
                    "<Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>"
                    "</ResourceRecordSet></Change></Changes></ChangeBatch>"
                    "</ChangeResourceRecordSetsRequest>")};
    struct wire_failure failure;
    case_assert_str(arena, case_input(arena, &route, &request, &failure),
                    "{\"ChangeBatch\":{\"Changes\":[{\"Action\":\"UPSERT\",\"ResourceRecordSet\":{"
                    "\"Name\":\"a.\",\"ResourceRecords\":[{\"Value\":\"192.0.2.1\"}],\"TTL\":60,"
                    "\"Type\":\"A\"}}]},\"HostedZoneId\":\"Z1\"}");
    struct wire_response response = case_output(
        arena, &route,
        STR("{\"ChangeInfo\":{\"Id\":\"/change/C\",\"Status\":\"PENDING\",\"SubmittedAt\":1.5}}"));
    case_assert_str(arena, response.body,
                    DECLARATION
                    "<ChangeResourceRecordSetsResponse "
                    "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeInfo>"
                    "<Id>/change/C</Id><Status>PENDING</Status>"
                    "<SubmittedAt>1970-01-01T00:00:01.500Z</SubmittedAt></ChangeInfo>"
                    "</ChangeResourceRecordSetsResponse>");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_structures_and_lists),
        cmocka_unit_test(test_reads_flattened_lists),
        cmocka_unit_test(test_reads_attributes_of_any_prefix),
        cmocka_unit_test(test_reads_empty_elements),
        cmocka_unit_test(test_refuses_what_is_not_xml),
        cmocka_unit_test(test_refuses_declarations),
        cmocka_unit_test(test_refuses_what_is_not_in_the_model),
        cmocka_unit_test(test_refuses_depth_and_size),
        cmocka_unit_test(test_writes_roots_and_namespaces),
        cmocka_unit_test(test_writes_the_bucket_location),
        cmocka_unit_test(test_writes_flattened_lists_and_attributes),
        cmocka_unit_test(test_route53),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
