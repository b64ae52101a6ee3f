/* What policies say, and which of them let in the public. */
#include "unit/policy_support.h"

#include "auth/policy_words.h"

#define POLICY(more) "{\"Version\":\"2012-10-17\",\"Statement\":[" more "]}"
#define ANYBODY                                                                                    \
    "\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\""

static bool is_public(const char *text)
{
    struct arena *arena = arena_new(0);
    bool answer = policy_is_public(arena, policy_read(arena, POLICY_FORM_RESOURCE, text));
    arena_free(arena);
    return answer;
}

static void test_principals(void **state)
{
    (void)state;
    assert_true(is_public(POLICY("{" ANYBODY "}")));
    assert_true(is_public(POLICY("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"111122223333\","
                                 "\"*\"]},\"Action\":\"s3:*\",\"Resource\":\"*\"}")));
    assert_true(
        is_public(POLICY("{\"Effect\":\"Allow\",\"NotPrincipal\":{\"AWS\":\"111122223333\"},"
                         "\"Action\":\"s3:*\",\"Resource\":\"*\"}")));
    assert_false(is_public(POLICY("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"},"
                                  "\"Action\":\"s3:*\",\"Resource\":\"*\"}")));
    assert_false(
        is_public(POLICY("{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
                         "\"sns.amazonaws.com\"},\"Action\":\"s3:*\",\"Resource\":\"*\"}")));
    assert_false(is_public(POLICY("{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\","
                                  "\"Resource\":\"*\"}")));
    /* One statement is enough. */
    assert_true(is_public(POLICY("{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111122223333\"},"
                                 "\"Action\":\"s3:*\",\"Resource\":\"*\"},{" ANYBODY "}")));
}

static void test_conditions(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool is_public;
    } cases[] = {
        {"\"StringEquals\":{\"aws:SourceVpce\":\"vpce-1\"}", false},
        {"\"StringEquals\":{\"AWS:sourcevpce\":\"vpce-1\"}", false},
        {"\"StringLike\":{\"aws:SourceVpce\":\"vpce-?\"}", true},
        {"\"StringEquals\":{\"aws:SourceVpce\":[\"vpce-1\",\"${aws:username}\"]}", true},
        {"\"ArnEquals\":{\"aws:SourceArn\":\"arn:aws:s3:::one\"}", false},
        {"\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:s3:::*\"}", true},
        {"\"IpAddress\":{\"aws:SourceIp\":[\"192.0.2.1\",\"198.51.100.0/8\"]}", false},
        {"\"IpAddress\":{\"aws:SourceIp\":\"198.51.100.0/7\"}", true},
        {"\"IpAddress\":{\"aws:SourceIp\":\"172.16.0.0/7\"}", false},
        {"\"IpAddress\":{\"aws:SourceIp\":\"2001:db8::/32\"}", false},
        {"\"IpAddress\":{\"aws:SourceIp\":\"2000::/3\"}", true},
        {"\"NotIpAddress\":{\"aws:SourceIp\":\"192.0.2.1\"}", true},
        {"\"Bool\":{\"aws:SecureTransport\":\"true\"}", true},
        {"\"Bool\":{\"aws:SecureTransport\":\"true\"},\"StringEquals\":{\"aws:SourceAccount\":"
         "\"111122223333\"}",
         false},
        {"\"ForAnyValue:StringEquals\":{\"aws:PrincipalOrgPaths\":\"o-1/r-1/ou-1/\"}", false},
        {"\"ForAllValues:StringEquals\":{\"aws:PrincipalOrgPaths\":\"o-1/r-1/ou-1/\"}", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        int len = snprintf(text, sizeof text, POLICY("{" ANYBODY ",\"Condition\":{%s}}"),
                           cases[i].condition);
        assert_true(len > 0 && (size_t)len < sizeof text);
        if (is_public(text) != cases[i].is_public)
            fail_msg("%s", cases[i].condition);
    }
}

static void test_words(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    const struct policy *policy = policy_read(
        arena, POLICY_FORM_RESOURCE,
        POLICY(
            "{\"Effect\":\"Deny\",\"NotPrincipal\":{\"AWS\":\"arn:aws:iam::111122223333:user/a\","
            "\"Service\":\"sns.amazonaws.com\"},\"NotAction\":[\"S3:Get*\",\"s3:PutObject\"],"
            "\"Resource\":[\"arn:aws:s3:::a?b/*\",\"*\"],\"Condition\":{\"Bool\":{\"aws:x\":"
            "\"true\"}}}"));
    struct policy_words words;
    assert_int_equal(policy_statement_count(policy), 1);
    policy_statement_words(arena, policy, 0, &words);
    assert_true(words.deny && words.not_action && words.not_principal && !words.not_resource);
    assert_true(words.actions.len == 2 && str_eq(words.actions.items[0], STR("s3:get*")) &&
                str_eq(words.actions.items[1], STR("s3:putobject")));
    assert_true(words.resources.len == 2 &&
                str_eq(words.resources.items[0], STR("arn:aws:s3:::a?b/*")) &&
                str_eq(words.resources.items[1], STR("*")));
    assert_true(words.party_count == 2 && words.parties[0].kind == POLICY_PARTY_ARN &&
                words.parties[1].kind == POLICY_PARTY_SERVICE);
    assert_true(words.keys.len == 1 && str_eq(words.keys.items[0], STR("aws:x")));
    assert_true(policy_glob(arena, STR("a*c?"), STR("abbcd")));
    assert_false(policy_glob(arena, STR("a*c?"), STR("abbc")));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_principals),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
