/* Forms: their fields, their policies, and what is answered. */
#include "base/encode.h"
#include "service/s3_support.h"

#define EXPIRES "\"expiration\":\"2026-11-22T00:00:00Z\""

/* A form of "key", the policy when there is one, and the fields given: "name=value;name=value". */
static struct loopback_reply post(struct loopback *lo, const char *policy, const char *fields)
{
    struct wire_header headers[16];
    struct str rest = str_from_c(fields), one;
    struct buf text;
    size_t count = 0;
    if (policy != NULL) {
        buf_init(&text, lo->arena, 1 << 16);
        base64_encode(&text, str_from_c(policy));
        headers[count++] = (struct wire_header){STR("policy"), buf_str(&text)};
    }
    while (!str_is_empty(rest)) {
        str_cut(rest, ';', &one, &rest);
        str_cut(one, '=', &headers[count].name, &headers[count].value);
        count++;
    }
    lo->headers = headers;
    lo->header_count = count;
    lo->payload = STR("data");
    lo->payload_of_form = true;
    lo->path = STR("/forms");
    struct loopback_reply reply = S3_CALL(lo, PostObject, .Bucket = STR("forms"));
    lo->headers = NULL;
    lo->header_count = 0;
    lo->payload = (struct str){0};
    lo->payload_of_form = false;
    return reply;
}

static const struct s3_PostObjectOutput *post_ok(struct loopback *lo, const char *policy,
                                                 const char *fields, unsigned status)
{
    struct loopback_reply reply = post(lo, policy, fields);
    const struct s3_PostObjectOutput *out = loopback_ok(reply);
    assert_int_equal(reply.status, status);
    return out;
}

static void test_answers(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "forms", false);
    const struct s3_PostObjectOutput *out = post_ok(
        lo, NULL, "key=up/${filename};file=C:\\dir\\photo 1.jpg;content-type=image/jpeg", 204);
    assert_text(out->Key, STR("up/photo 1.jpg"));
    assert_text(out->Location, STR("http://localhost:4566/forms/up%2Fphoto%201.jpg"));
    const struct s3_HeadObjectOutput *head =
        loopback_ok(S3_CALL(lo, HeadObject, .Bucket = STR("forms"), .Key = out->Key));
    assert_text(head->ContentType, STR("image/jpeg"));
    assert_int_equal(head->ContentLength.value, 4);
    post_ok(lo, NULL, "key=k;success_action_status=200", 200);
    post_ok(lo, NULL, "key=k;success_action_status=201", 201);
    post_ok(lo, NULL, "key=k;success_action_status=404", 204);
    out = post_ok(lo, NULL, "key=k;success_action_redirect=http://h/p?q", 303);
    assert_true(str_starts_with(out->Place, STR("http://h/p?q&bucket=forms&key=k&etag=%22")));
    out = post_ok(lo, NULL, "key=k;redirect=https://h/p", 303);
    assert_true(str_starts_with(out->Place, STR("https://h/p?bucket=forms&key=k&etag=")));
    post_ok(lo, NULL, "key=k;success_action_redirect=javascript:x", 204);
    post_ok(lo, NULL,
            "key=tagged;x-amz-meta-a=b;tagging=<Tagging><TagSet><Tag><Key>t</Key><Value>v</Value>"
            "</Tag></TagSet></Tagging>",
            204);
    const struct s3_GetObjectTaggingOutput *tags =
        loopback_ok(S3_CALL(lo, GetObjectTagging, .Bucket = STR("forms"), .Key = STR("tagged")));
    assert_int_equal(tags->TagSet.len, 1);
    loopback_error(post(lo, NULL, "key=k;tagging=<Tagging>"), "MalformedXML", NULL);
    loopback_error(post(lo, NULL, "file=x"), "InvalidArgument",
                   "Bucket POST must contain a field named 'key'.  If it is specified, please "
                   "check the order of the fields.");
    loopback_error(S3_CALL(lo, PostObject, .Bucket = STR("forms")), "PreconditionFailed", NULL);
    lo->principal = PRINCIPAL_ANONYMOUS;
    loopback_error(post(lo, NULL, "key=k"), "AccessDenied", NULL);
}

static void test_conditions(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "forms", false);
    static const struct {
        const char *conditions, *fields, *code, *message; /* code NULL: it holds */
    } cases[] = {
        {"{\"bucket\":\"forms\"},[\"starts-with\",\"$key\",\"u/\"]", "key=u/a", NULL, NULL},
        {"{\"bucket\":\"other\"},{\"key\":\"k\"}", "key=k", "AccessDenied",
         "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$bucket\", \"other\"]"},
        {"[\"starts-with\",\"$key\",\"u/\"]", "key=v/a", "AccessDenied",
         "Invalid according to Policy: Policy Condition failed: "
         "[\"starts-with\",\"$key\",\"u/\"]"},
        {"{\"key\":\"k\"},[\"starts-with\",\"$Content-Type\",\"image/\"]",
         "key=k;content-type=image/a,image/b", NULL, NULL},
        {"{\"key\":\"k\"},[\"starts-with\",\"$Content-Type\",\"image/\"]",
         "key=k;content-type=image/a,text/b", "AccessDenied", NULL},
        {"{\"key\":\"k\"},[\"eq\",\"$acl\",\"private\"]", "key=k;acl=private", NULL, NULL},
        {"{\"key\":\"k\"}", "key=k;acl=private", "AccessDenied",
         "Invalid according to Policy: Extra input fields: acl"},
        {"{\"key\":\"k\"}", "key=k;x-ignore-this=1", NULL, NULL},
        {"{\"key\":\"k\"},[\"content-length-range\",1,4]", "key=k", NULL, NULL},
        {"{\"key\":\"k\"},[\"content-length-range\",5,9]", "key=k", "EntityTooSmall", NULL},
        {"{\"key\":\"k\"},[\"content-length-range\",1,3]", "key=k", "EntityTooLargeError", NULL},
        {"{\"key\":\"k\"},[\"content-length-range\",\"x\",3]", "key=k", "InvalidPolicyDocument",
         NULL},
        {"{\"key\":\"k\"},[\"between\",\"$key\",\"k\"]", "key=k", "InvalidPolicyDocument",
         "Invalid Policy: Invalid Condition: unknown operation."},
        {"[\"eq\",\"$key\"]", "key=k", "InvalidPolicyDocument", NULL},
        {"[\"eq\",\"key\",\"k\"]", "key=k", "InvalidPolicyDocument", NULL},
        {"{\"key\":\"k\",\"acl\":\"private\"}", "key=k", "InvalidPolicyDocument", NULL},
        {"{\"key\":1}", "key=k", "InvalidPolicyDocument", NULL},
        {"1", "key=k", "InvalidPolicyDocument", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str policy =
            str_format(lo->arena, "{" EXPIRES ",\"conditions\":[%s]}", cases[i].conditions);
        struct loopback_reply reply = post(lo, str_to_c(lo->arena, policy), cases[i].fields);
        if (cases[i].code == NULL)
            loopback_ok(reply);
        else
            loopback_error(reply, cases[i].code, cases[i].message);
    }
}

static void test_documents(void **state)
{
    struct loopback *lo = *state;
    s3_bucket(lo, "forms", false);
    static const struct {
        const char *policy, *code, *message;
    } cases[] = {
        {"nonsense", "InvalidPolicyDocument", "Invalid Policy: Invalid JSON."},
        {"[]", "InvalidPolicyDocument", "Invalid Policy: Invalid JSON."},
        {"{\"conditions\":[]}", "InvalidPolicyDocument",
         "Invalid Policy: Policy missing expiration."},
        {"{\"expiration\":\"tomorrow\",\"conditions\":[]}", "InvalidPolicyDocument",
         "Invalid Policy: Invalid 'expiration' value."},
        {"{\"expiration\":\"2026-11-20T23:59:59Z\",\"conditions\":[]}", "AccessDenied",
         "Invalid according to Policy: Policy expired."},
        {"{" EXPIRES "}", "InvalidPolicyDocument", "Invalid Policy: Policy missing conditions."},
        {"{" EXPIRES ",\"conditions\":{}}", "InvalidPolicyDocument",
         "Invalid Policy: Policy missing conditions."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        loopback_error(post(lo, cases[i].policy, "key=k"), cases[i].code, cases[i].message);
    loopback_error(post(lo, NULL, "key=k;policy=%%%"), "InvalidPolicyDocument", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {S3_TEST(test_answers), S3_TEST(test_conditions),
                                       S3_TEST(test_documents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
