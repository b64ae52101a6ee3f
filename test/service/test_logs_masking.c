/* Data protection policies: what is masked, for whom, from when on; what is refused. */
#include "cloud/call.h"
#include "gen/iam.h"
#include "service/logs_support.h"
#include "services/logs/mask.h"

#define IDENTIFIER(name) "\"arn:aws:dataprotection::aws:data-identifier/" name "\""
#define POLICY(configuration, identifiers)                                                         \
    "{\"Name\":\"p\",\"Description\":\"d\",\"Version\":\"2021-06-01\"," configuration              \
    "\"Statement\":[{\"Sid\":\"audit\",\"DataIdentifier\":[" identifiers                           \
    "],\"Operation\":{\"Audit\":{\"FindingsDestination\":{}}}},{\"Sid\":\"mask\","                 \
    "\"DataIdentifier\":[" identifiers "],\"Operation\":{\"Deidentify\":{\"MaskConfig\":{}}}}]}"
#define CUSTOM                                                                                     \
    "\"Configuration\":{\"CustomDataIdentifier\":[{\"Name\":\"Staff\",\"Regex\":\"EID-\\\\d{4}\"}" \
    "]},"

/* --- what is found --- */

static const struct {
    const char *identifier, *text, *masked;
} cases[] = {
    {"EmailAddress", "mail to jane.doe+x@mail.example.com, now",
     "mail to ***************************, now"},
    {"EmailAddress", "{\"email\":\"a@b.io\",\"to\":\"c@d.org\"}",
     "{\"email\":\"******\",\"to\":\"*******\"}"},
    {"EmailAddress", "user=a@b.io", "user=******"},
    {"EmailAddress", "no@address and @b.io", "no@address and @b.io"},
    {"IpAddress", "from 10.0.0.255:80 to 256.1.1.1", "from **********:80 to 256.1.1.1"},
    {"IpAddress", "version 1.2.3.4.5", "version 1.2.3.4.5"},
    {"IpAddress", "at 12:34:56 from fe80::1 and 2001:db8:0:0:0:0:0:1.",
     "at 12:34:56 from ******* and 2001:db8:0:0:0:0:0:1."},
    {"IpAddress", "[2001:db8:0:0:0:0:0:1] ::1", "[********************] ***"},
    {"AwsSecretKey", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "aws_secret_access_key = ****************************************"},
    {"AwsSecretKey", "Secret-Key:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "Secret-Key:****************************************"},
    {"AwsSecretKey", "digest wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "digest wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
    {"AwsSecretKey",
     "credentials far away: ............................... "
     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "credentials far away: ............................... "
     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
    {"PkcsPrivateKey", "x -----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- y",
     "x ****************************************************************** y"},
    {"OpenSshPrivateKey", "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
     "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"},
};

static void test_identifiers(void **state)
{
    struct arena *arena = arena_new(0);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct data_identifier *found =
            data_identifier_managed(arena, str_from_c(cases[i].identifier));
        struct log_masks *masks = log_masks_new(arena);
        const struct log_event event = {.ingested_ms = 5, .message = str_from_c(cases[i].text)};
        assert_non_null(found);
        log_masks_add(masks, false, 5, &found, 1);
        struct str masked = log_mask(masks, arena, &event);
        if (!str_eq(masked, str_from_c(cases[i].masked)))
            fail_msg("%s: %.*s", cases[i].text, PRSTR(masked));
    }
    assert_null(data_identifier_managed(arena, STR("Name")));
    arena_free(arena);
}

/* --- for whom, from when on --- */

static struct str last_of(struct loopback *lo, bool unmask)
{
    const struct logs_GetLogEventsResponse *page =
        LOGS_OK(lo, GetLogEvents, .logGroupName = STR("g"), .logStreamName = STR("s"),
                .unmask = unmask ? opt_bool(true) : (struct opt_bool){0});
    return page->events.items[page->events.len - 1].message;
}

static struct str found_by(struct loopback *lo, const char *pattern, bool unmask)
{
    const struct logs_FilterLogEventsResponse *page =
        LOGS_OK(lo, FilterLogEvents, .logGroupName = STR("g"), .filterPattern = str_from_c(pattern),
                .unmask = unmask ? opt_bool(true) : (struct opt_bool){0});
    return page->events.len == 0 ? (struct str){0}
                                 : page->events.items[page->events.len - 1].message;
}

static void protect(struct loopback *lo, const char *document)
{
    LOGS_OK(lo, PutDataProtectionPolicy, .logGroupIdentifier = STR("g"),
            .policyDocument = str_from_c(document));
}

#define assert_text_is(text, expected) assert_true(str_eq((text), STR(expected)))

static void group(struct loopback *lo)
{
    LOGS_DO(lo, CreateLogGroup, .logGroupName = STR("g"));
    LOGS_DO(lo, CreateLogStream, .logGroupName = STR("g"), .logStreamName = STR("s"));
}

static struct str status(struct loopback *lo)
{
    return LOGS_OK(lo, DescribeLogGroups, .logGroupNamePrefix = STR("g"))
        ->logGroups.items[0]
        .dataProtectionStatus;
}

static void test_policies_follow_one_another(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    assert_true(str_is_absent(status(lo)));
    assert_true(str_is_absent(
        LOGS_OK(lo, GetDataProtectionPolicy, .logGroupIdentifier = STR("g"))->policyDocument));
    logs_put(lo, "s", loopback_now(lo), "before a@b.io");
    loopback_advance(lo, 1000);
    protect(lo, POLICY(CUSTOM, IDENTIFIER("EmailAddress") ",\"Staff\""));
    assert_text_is(last_of(lo, false), "before a@b.io");
    logs_put(lo, "s", loopback_now(lo), "one a@b.io EID-1234 10.0.0.1");
    assert_text_is(last_of(lo, false), "one ****** ******** 10.0.0.1");
    assert_text_is(last_of(lo, true), "one a@b.io EID-1234 10.0.0.1");
    assert_text_is(status(lo), "ACTIVATED");
    loopback_advance(lo, 1000);
    protect(lo, POLICY("", IDENTIFIER("IpAddress")));
    logs_put(lo, "s", loopback_now(lo), "two a@b.io EID-1234 10.0.0.1");
    assert_text_is(last_of(lo, false), "two a@b.io EID-1234 ********");
    assert_text_is(found_by(lo, "one", false), "one ****** ******** 10.0.0.1");
    loopback_advance(lo, 1000);
    LOGS_DO(lo, DeleteDataProtectionPolicy, .logGroupIdentifier = STR("g"));
    assert_text_is(status(lo), "DELETED");
    logs_put(lo, "s", loopback_now(lo), "three 10.0.0.1");
    assert_text_is(last_of(lo, false), "three 10.0.0.1");
    assert_text_is(found_by(lo, "two", false), "two a@b.io EID-1234 ********");
    /* What is masked is not found by its own text, but by who may see it. */
    assert_true(str_is_absent(found_by(lo, "\"one a@b.io\"", false)));
    assert_text_is(found_by(lo, "\"one a@b.io\"", true), "one a@b.io EID-1234 10.0.0.1");
    LOGS_DO(lo, DeleteLogGroup, .logGroupName = STR("g"));
    loopback_deliver(lo);
    group(lo);
    assert_true(str_is_absent(status(lo)));
}

/* The first row of a query: field=value, without @ptr. */
static struct str row_of(struct loopback *lo, const char *text)
{
    struct str id =
        LOGS_OK(lo, StartQuery, .logGroupName = STR("g"), .queryString = str_from_c(text),
                .startTime = opt_long(LOOPBACK_NOW / 1000 - 86400),
                .endTime = opt_long(LOOPBACK_NOW / 1000))
            ->queryId;
    loopback_deliver(lo);
    const struct logs_GetQueryResultsResponse *found = LOGS_OK(lo, GetQueryResults, .queryId = id);
    struct buf out;
    buf_init(&out, lo->arena, SIZE_MAX);
    for (size_t i = 0; found->results.len > 0 && i < found->results.items[0].len; i++) {
        const struct logs_ResultField *field = &found->results.items[0].items[i];
        if (!str_eq(field->field, STR("@ptr")))
            buf_append_format(&out, "%.*s=%.*s;", PRSTR(field->field), PRSTR(field->value));
    }
    return buf_str(&out);
}

static void test_everywhere(void **state)
{
    struct loopback *lo = *state;
    struct logs_MetricTransformation value = {
        .metricNamespace = STR("App"), .metricName = STR("Seen"), .metricValue = STR("1")};
    group(lo);
    protect(lo, POLICY("", IDENTIFIER("EmailAddress")));
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("seen"),
            .filterPattern = STR("{ $.mail = \"a@b.io\" }"), .metricTransformations = {&value, 1});
    value.metricName = STR("Masked");
    LOGS_DO(lo, PutMetricFilter, .logGroupName = STR("g"), .filterName = STR("masked"),
            .filterPattern = STR("{ $.mail = \"******\" }"), .metricTransformations = {&value, 1});
    logs_put(lo, "s", LOOPBACK_NOW, "{\"mail\":\"a@b.io\"}");
    loopback_deliver(lo);
    assert_true(str_find(logs_metrics(lo), STR("\"Seen\"")) == SIZE_MAX);
    assert_true(str_find(logs_metrics(lo), STR("\"Masked\"")) != SIZE_MAX);
    assert_text_is(row_of(lo, "fields @message, mail"),
                   "@message={\"mail\":\"******\"};mail=******;");
    assert_text_is(
        row_of(lo, "fields mail, unmask(@message), unmask(mail) as plain | sort @timestamp"),
        "mail=******;unmask(@message)={\"mail\":\"a@b.io\"};plain=a@b.io;");
    assert_text_is(row_of(lo, "sort @timestamp | fields unmask(@message) as m"),
                   "m={\"mail\":\"a@b.io\"};");
    assert_text_is(row_of(lo, "filter mail = 'a@b.io' | fields mail"), "");
}

/* The account's policy masks beside the group's own. */
static void test_policies_of_the_account(void **state)
{
    struct loopback *lo = *state;
    struct str document = STR(POLICY("", IDENTIFIER("IpAddress")));
    group(lo);
    const struct logs_PutAccountPolicyResponse *made =
        LOGS_OK(lo, PutAccountPolicy, .policyName = STR("all"),
                .policyType = STR("DATA_PROTECTION_POLICY"), .policyDocument = document);
    assert_text_is(made->accountPolicy->policyType, "DATA_PROTECTION_POLICY");
    LOGS_FAILS(lo, "LimitExceededException", NULL, PutAccountPolicy, .policyName = STR("other"),
               .policyType = STR("DATA_PROTECTION_POLICY"), .policyDocument = document);
    LOGS_FAILS(lo, "InvalidParameterException", NULL, PutAccountPolicy, .policyName = STR("all"),
               .policyType = STR("DATA_PROTECTION_POLICY"), .policyDocument = STR("{}"));
    LOGS_FAILS(lo, "NotImplemented", NULL, PutAccountPolicy, .policyName = STR("all"),
               .policyType = STR("TRANSFORMER_POLICY"), .policyDocument = STR("{}"));
    protect(lo, POLICY("", IDENTIFIER("EmailAddress")));
    logs_put(lo, "s", loopback_now(lo), "a@b.io 10.0.0.1");
    assert_text_is(last_of(lo, false), "****** ********");
    assert_text_is(row_of(lo, "fields @message"), "@message=****** ********;");
    assert_text_is(LOGS_OK(lo, DescribeLogGroups, .logGroupNamePrefix = STR("g"))
                       ->logGroups.items[0]
                       .inheritedProperties.items[0],
                   "ACCOUNT_DATA_PROTECTION");
    const struct logs_DescribeAccountPoliciesResponse *list =
        LOGS_OK(lo, DescribeAccountPolicies, .policyType = STR("DATA_PROTECTION_POLICY"));
    assert_int_equal(list->accountPolicies.len, 1);
    assert_true(str_eq(list->accountPolicies.items[0].policyDocument, document));
    assert_int_equal(
        LOGS_OK(lo, DescribeAccountPolicies, .policyType = STR("SUBSCRIPTION_FILTER_POLICY"))
            ->accountPolicies.len,
        0);
    loopback_advance(lo, 1000);
    LOGS_DO(lo, DeleteAccountPolicy, .policyName = STR("all"),
            .policyType = STR("DATA_PROTECTION_POLICY"));
    logs_put(lo, "s", loopback_now(lo), "c@d.io 10.0.0.2");
    assert_text_is(last_of(lo, false), "****** 10.0.0.2");
    assert_text_is(found_by(lo, "-\"10.0.0.2\"", false), "****** ********");
}

/* A user who may read, but not unmask. */
static void test_unmasking_is_a_right(void **state)
{
    struct loopback *lo = *state;
    group(lo);
    protect(lo, POLICY("", IDENTIFIER("EmailAddress")));
    logs_put(lo, "s", LOOPBACK_NOW, "a@b.io");
    loopback_ok(loopback_call(lo, &iam_model, IAM_OP_CreateUser,
                              &(struct iam_CreateUserRequest){.UserName = STR("reader")}));
    struct iam_PutUserPolicyRequest policy = {
        .UserName = STR("reader"),
        .PolicyName = STR("may"),
        .PolicyDocument = STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                              "\"Action\":[\"logs:Get*\",\"logs:Filter*\",\"logs:StartQuery\"],"
                              "\"Resource\":\"*\"}}")};
    loopback_ok(loopback_call(lo, &iam_model, IAM_OP_PutUserPolicy, &policy));
    lo->principal = PRINCIPAL_USER;
    lo->user = STR("reader");
    assert_text_is(last_of(lo, false), "******");
    LOGS_FAILS(lo, "AccessDeniedException", NULL, GetLogEvents, .logGroupName = STR("g"),
               .logStreamName = STR("s"), .unmask = opt_bool(true));
    LOGS_FAILS(lo, "AccessDeniedException", NULL, FilterLogEvents, .logGroupName = STR("g"),
               .unmask = opt_bool(true));
    LOGS_FAILS(lo, "AccessDeniedException", NULL, StartQuery, .logGroupName = STR("g"),
               .queryString = STR("fields unmask(@message)"), .startTime = opt_long(0),
               .endTime = opt_long(1));
    LOGS_OK(lo, StartQuery, .logGroupName = STR("g"), .queryString = STR("fields @message"),
            .startTime = opt_long(0), .endTime = opt_long(1));
    lo->principal = PRINCIPAL_ROOT;
    lo->user = (struct str){0};
}

static void test_refused(void **state)
{
    static const struct {
        const char *document, *code;
    } wrong[] = {
        {"x", "InvalidParameterException"},
        {"{\"Name\":\"p\",\"Version\":\"2012-10-17\",\"Statement\":[]}",
         "InvalidParameterException"},
        {"{\"Name\":\"p\",\"Version\":\"2021-06-01\",\"Statement\":[]}",
         "InvalidParameterException"},
        {"{\"Name\":\"p\",\"Version\":\"2021-06-01\",\"Statement\":[{\"DataIdentifier\":"
         "[" IDENTIFIER(
             "EmailAddress") "],\"Operation\":{\"Audit\":{\"FindingsDestination\":{}}}}]}",
         "InvalidParameterException"},
        {POLICY("", IDENTIFIER("Name")), "NotImplemented"},
        {POLICY("", "\"Staff\""), "InvalidParameterException"},
        {POLICY("\"Configuration\":{\"CustomDataIdentifier\":[{\"Name\":\"Staff\",\"Regex\":\"(a)"
                "\"}]},",
                "\"Staff\""),
         "InvalidParameterException"},
        {"{\"Name\":\"p\",\"Version\":\"2021-06-01\",\"Statement\":[{\"DataIdentifier\":"
         "[" IDENTIFIER("EmailAddress") "],\"Operation\":{\"Audit\":{\"FindingsDestination\":{"
                                        "\"S3\":{\"Bucket\":\"b\"}}}}}]}",
         "NotImplemented"},
    };
    struct loopback *lo = *state;
    group(lo);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        LOGS_FAILS(lo, wrong[i].code, NULL, PutDataProtectionPolicy, .logGroupIdentifier = STR("g"),
                   .policyDocument = str_from_c(wrong[i].document));
    LOGS_FAILS(lo, "ResourceNotFoundException", NULL, PutDataProtectionPolicy,
               .logGroupIdentifier = STR("h"),
               .policyDocument = STR(POLICY("", IDENTIFIER("EmailAddress"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identifiers),   LOGS_TEST(test_policies_follow_one_another),
        LOGS_TEST(test_everywhere),           LOGS_TEST(test_policies_of_the_account),
        LOGS_TEST(test_unmasking_is_a_right), LOGS_TEST(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
