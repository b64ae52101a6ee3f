/* The policy evaluator: documents, operators, variables, who decides. */
#include "unit/policy_support.h"

#include "base/buf.h"
#include "base/time.h"

#define QUEUE "arn:aws:sqs:us-east-1:111111111111:jobs"
#define ALLOW_ALL                                                                                  \
    "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\","            \
    "\"Resource\":\"*\"}}"
#define STATEMENT(effect, more)                                                                    \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"" effect "\"," more "}]}"

/* --- documents --- */

static void refused(enum policy_form form, const char *text, const char *reason)
{
    struct arena *arena = arena_new(0);
    const struct policy *policy = NULL;
    struct str said = STR("");
    if (policy_compile(arena, str_from_c(text), form, &policy, &said) != RESULT_ERROR ||
        !str_eq(said, str_from_c(reason)))
        fail_msg("%s\nexpected: %s\ngot: %.*s", text, reason, PRSTR(said));
    arena_free(arena);
}

#define VERSION "{\"Version\":\"2012-10-17\","
#define BODY "\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\""

static void test_refused(void **state)
{
    (void)state;
    const char *syntax = "Syntax errors in policy.";
    enum policy_form managed = POLICY_FORM_MANAGED, trust = POLICY_FORM_TRUST;
    refused(managed, "", syntax);
    refused(managed, "{", syntax);
    refused(managed, "[]", syntax);
    refused(managed, "{\"Version\":\"2012-10-17\"}", syntax);
    refused(managed, VERSION "\"Statement\":[]}", syntax);
    refused(managed, VERSION "\"Statement\":[1]}", syntax);
    refused(managed, VERSION "\"Other\":1,\"Statement\":[{" BODY "}]}", syntax);
    refused(managed, VERSION "\"Statement\":[{" BODY ",\"effect\":\"Deny\"}]}", syntax);
    refused(managed,
            VERSION
            "\"Statement\":[{\"Effect\":\"allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}",
            syntax);
    refused(managed, VERSION "\"Statement\":[{\"Action\":\"s3:*\",\"Resource\":\"*\"}]}", syntax);
    refused(managed, VERSION "\"Statement\":[{" BODY ",\"NotAction\":\"s3:Get\"}]}", syntax);
    refused(managed, VERSION "\"Statement\":[{" BODY ",\"Condition\":[]}]}", syntax);
    refused(trust, "{", "This policy contains invalid Json");
    refused(managed, "{\"Statement\":[{" BODY "}]}",
            "Policy document must be version 2012-10-17 or greater.");
    refused(managed, "{\"Version\":\"2012-10-18\",\"Statement\":[{" BODY "}]}",
            "The policy must contain a valid version string");
    refused(managed, "{\"Version\":2012,\"Statement\":[{" BODY "}]}",
            "The policy must contain a valid version string");
}

static void test_refused_elements(void **state)
{
    (void)state;
    enum policy_form managed = POLICY_FORM_MANAGED, trust = POLICY_FORM_TRUST;
    refused(managed, STATEMENT("Allow", "\"Action\":\"GetObject\",\"Resource\":\"*\""),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    refused(managed, STATEMENT("Allow", "\"Action\":\"s3:Get:Object\",\"Resource\":\"*\""),
            "Actions/Condition can contain only one colon.");
    refused(managed, STATEMENT("Allow", "\"Action\":\"s 3:Get\",\"Resource\":\"*\""),
            "Vendor s 3 is not valid");
    refused(managed, STATEMENT("Allow", "\"Action\":\"s3:*\",\"Resource\":\"bucket\""),
            "Resource bucket must be in ARN format or \"*\".");
    refused(managed, STATEMENT("Allow", "\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:bucket\""),
            "The policy failed legacy parsing");
    refused(managed, STATEMENT("Allow", "\"Action\":\"s3:*\",\"Resource\":\"arn:awt:s3:::bucket\""),
            "Partition \"awt\" is not valid for resource \"arn:awt:s3:::bucket\".");
    refused(
        managed,
        STATEMENT("Allow", "\"Action\":\"iam:*\",\"Resource\":\"arn:aws:iam:us-east-1:1:user/a\""),
        "IAM resource arn:aws:iam:us-east-1:1:user/a cannot contain region information.");
    refused(managed, STATEMENT("Allow", "\"Action\":\"s3:*\""),
            "Policy statement must contain resources.");
    refused(managed, STATEMENT("Allow", "\"Resource\":\"*\""),
            "Policy statement must contain actions.");
    refused(managed, STATEMENT("Allow", BODY ",\"Principal\":\"*\""),
            "Policy document should not specify a principal.");
    refused(managed,
            STATEMENT("Allow", BODY ",\"Condition\":{\"StringEqual\":{\"aws:username\":\"a\"}}"),
            "Invalid Condition type : StringEqual.");
    refused(managed,
            STATEMENT("Allow", BODY ",\"Condition\":{\"StringEquals\":{\"username\":\"a\"}}"),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    refused(
        managed, STATEMENT("Allow", BODY ",\"Sid\":\"a b\""),
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular "
        "expression [0-9A-Za-z]*");
    refused(managed, VERSION "\"Statement\":[{\"Sid\":\"a\"," BODY "},{\"Sid\":\"a\"," BODY "}]}",
            "Statement IDs (SID) in a single policy must be unique.");
    refused(trust, STATEMENT("Allow", "\"Action\":\"sts:AssumeRole\""),
            "Missing required field Principal");
    refused(trust, STATEMENT("Allow", "\"Principal\":\"*\"," BODY),
            "Has prohibited field Resource");
    refused(trust, STATEMENT("Allow", "\"Action\":\"s3:GetObject\",\"Principal\":\"*\""),
            "AssumeRole policy may only specify STS AssumeRole actions.");
    refused(trust,
            STATEMENT("Allow", "\"Action\":\"sts:AssumeRole\",\"Principal\":{\"AWS\":\"bob\"}"),
            "Invalid principal in policy: \"AWS\":\"bob\"");
    refused(POLICY_FORM_RESOURCE, STATEMENT("Allow", BODY), "Missing required field Principal");
}

/* --- one statement --- */

static enum policy_verdict ask_by(const char *document, const char *action, const char *resource,
                                  const char *const *texts, size_t count)
{
    struct arena *arena = arena_new(0);
    struct policy_keys keys;
    policy_keys_read(&keys, texts, count);
    struct policy_attached attached = {.kind = POLICY_IDENTITY,
                                       .policy = policy_read(arena, POLICY_FORM_INLINE, document)};
    struct policy_question question = {
        .principal = {.kind = POLICY_BY_USER,
                      .account = STR("111111111111"),
                      .arn = STR("arn:aws:iam::111111111111:user/bob")},
        .action = str_from_c(action),
        .resource = str_from_c(resource),
        .context = {policy_keys_find, &keys},
        .policies = &attached,
        .count = 1,
    };
    struct policy_answer answer;
    policy_evaluate(arena, &question, &answer);
    arena_free(arena);
    return answer.verdict;
}

#define KEYS(...)                                                                                  \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define YES(document, action, resource)                                                            \
    assert_int_equal(ask_by(document, action, resource, NULL, 0), POLICY_ALLOWED)
#define NO(document, action, resource)                                                             \
    assert_int_equal(ask_by(document, action, resource, NULL, 0), POLICY_DENIED_IMPLICITLY)

static void test_actions(void **state)
{
    (void)state;
#define ACTION(actions) STATEMENT("Allow", actions ",\"Resource\":\"*\"")
    YES(ACTION("\"Action\":\"sqs:SendMessage\""), "sqs:SendMessage", QUEUE);
    YES(ACTION("\"Action\":\"SQS:sendmessage\""), "sqs:SendMessage", QUEUE);
    NO(ACTION("\"Action\":\"sqs:SendMessage\""), "sqs:SendMessages", QUEUE);
    NO(ACTION("\"Action\":\"sqs:SendMessage\""), "sns:SendMessage", QUEUE);
    YES(ACTION("\"Action\":\"sqs:Send*\""), "sqs:SendMessage", QUEUE);
    YES(ACTION("\"Action\":\"sqs:*Mess?ge\""), "sqs:SendMessage", QUEUE);
    NO(ACTION("\"Action\":\"sqs:*Mess?ge\""), "sqs:PurgeQueue", QUEUE);
    YES(ACTION("\"Action\":[\"s3:*\",\"sqs:*\"]"), "sqs:SendMessage", QUEUE);
    YES(ACTION("\"Action\":\"*\""), "sqs:SendMessage", QUEUE);
    NO(ACTION("\"NotAction\":\"sqs:*\""), "sqs:SendMessage", QUEUE);
    YES(ACTION("\"NotAction\":[\"s3:*\",\"sns:*\"]"), "sqs:SendMessage", QUEUE);
}

static void test_resources(void **state)
{
    (void)state;
#define RESOURCE(resources) STATEMENT("Allow", "\"Action\":\"*\"," resources)
    YES(RESOURCE("\"Resource\":\"" QUEUE "\""), "sqs:A", QUEUE);
    NO(RESOURCE("\"Resource\":\"" QUEUE "2\""), "sqs:A", QUEUE);
    NO(RESOURCE("\"Resource\":\"arn:aws:sqs:us-east-1:111111111111:JOBS\""), "sqs:A", QUEUE);
    YES(RESOURCE("\"Resource\":[\"arn:aws:s3:::a\",\"arn:aws:sqs:*:*:j?bs\"]"), "sqs:A", QUEUE);
    YES(RESOURCE("\"Resource\":\"arn:aws:sqs:*\""), "sqs:A", QUEUE);
    NO(RESOURCE("\"Resource\":\"arn:aws:sqs:*:*:j?obs\""), "sqs:A", QUEUE);
    YES(RESOURCE("\"Resource\":\"arn:aws:s3:::a/?/*x*\""), "s3:A",
        "arn:aws:s3:::a/\xe9\x9b\xb2/yxz");
    NO(RESOURCE("\"NotResource\":\"arn:aws:sqs:*\""), "sqs:A", QUEUE);
    YES(RESOURCE("\"NotResource\":[\"arn:aws:sqs:*:*:other\"]"), "sqs:A", QUEUE);
}

static void test_variables(void **state)
{
    (void)state;
#define BY_NAME "\"Resource\":\"arn:aws:s3:::a/${aws:username}/*\""
    assert_int_equal(
        ask_by(RESOURCE(BY_NAME), "s3:A", "arn:aws:s3:::a/bob/x", KEYS("aws:UserName=bob")),
        POLICY_ALLOWED);
    assert_int_equal(
        ask_by(RESOURCE(BY_NAME), "s3:A", "arn:aws:s3:::a/eve/x", KEYS("aws:username=bob")),
        POLICY_DENIED_IMPLICITLY);
    /* What a variable says is text. */
    assert_int_equal(
        ask_by(RESOURCE(BY_NAME), "s3:A", "arn:aws:s3:::a/eve/x", KEYS("aws:username=*")),
        POLICY_DENIED_IMPLICITLY);
    assert_int_equal(
        ask_by(RESOURCE(BY_NAME), "s3:A", "arn:aws:s3:::a/*/x", KEYS("aws:username=*")),
        POLICY_ALLOWED);
    NO(RESOURCE(BY_NAME), "s3:A", "arn:aws:s3:::a/bob/x");
    NO(RESOURCE("\"NotResource\":\"arn:aws:s3:::a/${aws:username}\""), "s3:A", "arn:aws:s3:::b");
    /* Several values are none. */
    assert_int_equal(
        ask_by(RESOURCE(BY_NAME), "s3:A", "arn:aws:s3:::a/bob/x", KEYS("aws:username=bob|eve")),
        POLICY_DENIED_IMPLICITLY);
#define WITH_DEFAULT "\"Resource\":\"arn:aws:s3:::${aws:PrincipalTag/team, 'all'}-${*}${?}${$}\""
    YES(RESOURCE(WITH_DEFAULT), "s3:A", "arn:aws:s3:::all-*?$");
    NO(RESOURCE(WITH_DEFAULT), "s3:A", "arn:aws:s3:::all-xyz");
    assert_int_equal(ask_by(RESOURCE(WITH_DEFAULT), "s3:A", "arn:aws:s3:::red-*?$",
                            KEYS("aws:principaltag/TEAM=red")),
                     POLICY_ALLOWED);
    /* Version 2008-10-17 knows no variables. */
    YES("{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\","
        "\"Resource\":\"arn:aws:s3:::${aws:username}\"}]}",
        "s3:A", "arn:aws:s3:::${aws:username}");
}

/* --- conditions --- */

#define HOLDS(condition, ...)                                                                      \
    assert_int_equal(                                                                              \
        ask_by(STATEMENT("Allow",                                                                  \
                         "\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{" condition "}"),     \
               "s3:A", "*", KEYS(__VA_ARGS__)),                                                    \
        POLICY_ALLOWED)
#define FAILS(condition, ...)                                                                      \
    assert_int_equal(                                                                              \
        ask_by(STATEMENT("Allow",                                                                  \
                         "\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{" condition "}"),     \
               "s3:A", "*", KEYS(__VA_ARGS__)),                                                    \
        POLICY_DENIED_IMPLICITLY)
#define C(operator, values) "\"" operator"\":{\"a:k\":" values "}"

static void test_strings(void **state)
{
    (void)state;
    HOLDS(C("StringEquals", "[\"x\",\"y\"]"), "A:K=y");
    FAILS(C("StringEquals", "\"x\""), "a:k=X");
    FAILS(C("StringEquals", "\"x*\""), "a:k=xy");
    FAILS(C("StringEquals", "\"x\""), "b:k=x");
    HOLDS(C("StringNotEquals", "[\"x\",\"y\"]"), "a:k=z");
    FAILS(C("StringNotEquals", "[\"x\",\"y\"]"), "a:k=y");
    HOLDS(C("StringNotEquals", "\"x\""), "b:k=x");
    HOLDS(C("StringEqualsIgnoreCase", "\"x\""), "a:k=X");
    FAILS(C("StringNotEqualsIgnoreCase", "\"x\""), "a:k=X");
    HOLDS(C("StringLike", "\"x*z\""), "a:k=xyz");
    FAILS(C("StringLike", "\"x?z\""), "a:k=xz");
    FAILS(C("StringNotLike", "\"x*z\""), "a:k=xyz");
    HOLDS(C("StringEquals", "\"${a:other}\""), "a:k=v", "a:other=v");
    FAILS(C("StringEquals", "\"${a:other}\""), "a:k=v");
    FAILS(C("StringNotEquals", "\"${a:other}\""), "a:k=v");
    HOLDS(C("StringEqualsIfExists", "\"${a:other}\""), "a:j=v");
    FAILS(C("StringEquals", "\"x\"") "," C("StringLike", "\"y\""), "a:k=x");
}

static void test_numbers_and_dates(void **state)
{
    (void)state;
    HOLDS(C("NumericEquals", "10"), "a:k=10.0");
    FAILS(C("NumericEquals", "10"), "a:k=ten");
    HOLDS(C("NumericNotEquals", "\"10\""), "a:k=11");
    HOLDS(C("NumericLessThan", "10"), "a:k=9.99");
    FAILS(C("NumericLessThan", "10"), "a:k=10");
    HOLDS(C("NumericLessThanEquals", "10"), "a:k=10");
    HOLDS(C("NumericGreaterThan", "[100,5]"), "a:k=6");
    FAILS(C("NumericGreaterThanEquals", "10"), "a:k=-10");
    HOLDS(C("DateGreaterThan", "\"2026-11-20T00:00:00Z\""), "a:k=2026-11-21T00:00:00Z");
    HOLDS(C("DateLessThan", "\"2026-11-21T01:00:00+09:00\""), "a:k=2026-11-20T15:59:59Z");
    HOLDS(C("DateEquals", "1795219200"), "a:k=2026-11-21T00:00:00Z");
    HOLDS(C("DateEquals", "\"2026-11-21\""), "a:k=1795219200");
    HOLDS(C("DateLessThanEquals", "\"2027\""), "a:k=2026-12");
    HOLDS(C("DateGreaterThanEquals", "\"2026-11-21T05:15Z\""), "a:k=2026-11-21T05:15:00Z");
    FAILS(C("DateNotEquals", "\"2026-11-21\""), "a:k=1795219200");
    FAILS(C("DateEquals", "\"yesterday\""), "a:k=2026-11-21");
}

static void test_other_types(void **state)
{
    (void)state;
    HOLDS(C("Bool", "\"true\""), "a:k=true");
    HOLDS(C("Bool", "true"), "a:k=True");
    FAILS(C("Bool", "false"), "a:k=true");
    FAILS(C("Bool", "false"), "b:k=true");
    HOLDS(C("BinaryEquals", "\"QmluYXJ5\""), "a:k=Binary");
    FAILS(C("BinaryEquals", "\"QmluYXJ5\""), "a:k=QmluYXJ5");
    HOLDS(C("IpAddress", "\"203.0.113.0/24\""), "a:k=203.0.113.9");
    FAILS(C("IpAddress", "\"203.0.113.0/24\""), "a:k=203.0.114.9");
    HOLDS(C("IpAddress", "\"203.0.112.0/23\""), "a:k=203.0.113.9");
    HOLDS(C("IpAddress", "\"203.0.113.9\""), "a:k=203.0.113.9");
    HOLDS(C("IpAddress", "\"2001:DB8:1234:5678::/64\""), "a:k=2001:db8:1234:5678::1");
    FAILS(C("IpAddress", "\"2001:DB8:1234:5678::/64\""), "a:k=2001:db8:1234:5679::1");
    FAILS(C("IpAddress", "\"0.0.0.0/0\""), "a:k=::1");
    HOLDS(C("IpAddress", "[\"::/0\",\"0.0.0.0/0\"]"), "a:k=::1");
    HOLDS(C("NotIpAddress", "\"203.0.113.0/24\""), "a:k=10.0.0.1");
    FAILS(C("IpAddress", "\"203.0.113.0/33\""), "a:k=203.0.113.1");
    HOLDS(C("ArnEquals", "\"arn:aws:sns:*:1*:t?\""), "a:k=arn:aws:sns:us-east-1:12:t1");
    FAILS(C("ArnLike", "\"arn:aws:*:t1\""), "a:k=arn:aws:sns:us-east-1:12:t1");
    HOLDS(C("ArnLike", "\"arn:aws:sns:us-east-1:12:*\""), "a:k=arn:aws:sns:us-east-1:12:a:b");
    FAILS(C("ArnNotLike", "\"arn:aws:sns:us-east-1:12:*\""), "a:k=arn:aws:sns:us-east-1:12:a:b");
    HOLDS(C("ArnNotEquals", "\"arn:aws:sns:us-east-1:12:*\""), "a:k=arn:aws:sns:us-east-1:13:a");
}

static void test_absence_and_sets(void **state)
{
    (void)state;
    HOLDS(C("Null", "\"true\""), "b:k=x");
    FAILS(C("Null", "true"), "a:k=x");
    HOLDS(C("Null", "false"), "a:k=x");
    HOLDS(C("Null", "true"), "a:k=");
    HOLDS(C("StringEqualsIfExists", "\"x\""), "b:k=y");
    FAILS(C("StringEqualsIfExists", "\"x\""), "a:k=y");
    HOLDS(C("NumericLessThanIfExists", "1"), "b:k=y");
    HOLDS(C("ForAllValues:StringEquals", "[\"x\",\"y\"]"), "a:k=y|x");
    FAILS(C("ForAllValues:StringEquals", "[\"x\",\"y\"]"), "a:k=y|z");
    HOLDS(C("ForAllValues:StringEquals", "\"x\""), "b:k=y");
    HOLDS(C("ForAllValues:StringEquals", "\"x\""), "a:k=");
    HOLDS(C("ForAllValues:StringEquals", "\"x\""), "a:k='");
    HOLDS(C("ForAnyValue:StringEquals", "[\"x\",\"y\"]"), "a:k=z|x");
    FAILS(C("ForAnyValue:StringEquals", "[\"x\",\"y\"]"), "a:k=z|w");
    FAILS(C("ForAnyValue:StringEquals", "\"x\""), "b:k=x");
    FAILS(C("ForAnyValue:StringNotEquals", "\"x\""), "b:k=x");
    HOLDS(C("ForAnyValue:StringNotEquals", "\"x\""), "a:k=x|y");
    FAILS(C("ForAllValues:StringNotEquals", "\"x\""), "a:k=x|y");
    HOLDS(C("ForAnyValue:StringLikeIfExists", "\"x*\""), "b:k=x");
}

/* --- who decides --- */

enum { ATTACHED_MAX = 6 };

static const struct policy_principal bob = {
    .kind = POLICY_BY_USER,
    .account = STR_INIT("111111111111"),
    .arn = STR_INIT("arn:aws:iam::111111111111:user/bob"),
    .user_id = STR_INIT("AIDAAAAAAAAAAAAAAAAAA"),
};
static const struct policy_principal session = {
    .kind = POLICY_BY_ROLE,
    .account = STR_INIT("111111111111"),
    .arn = STR_INIT("arn:aws:sts::111111111111:assumed-role/reader/s1"),
    .role_arn = STR_INIT("arn:aws:iam::111111111111:role/reader"),
    .user_id = STR_INIT("AROAAAAAAAAAAAAAAAAAA:s1"),
};
static const struct policy_principal stranger = {
    .kind = POLICY_BY_USER,
    .account = STR_INIT("222222222222"),
    .arn = STR_INIT("arn:aws:iam::222222222222:user/eve"),
};
static const struct policy_principal root = {
    .kind = POLICY_BY_ROOT,
    .account = STR_INIT("111111111111"),
    .arn = STR_INIT("arn:aws:iam::111111111111:root"),
};
static const struct policy_principal service = {.kind = POLICY_BY_SERVICE,
                                                .service = STR_INIT("sns.amazonaws.com")};

/* Policies as "kind", "document" pairs; what the answer says, e.g. "allowed by identity-based
 * policy". */
static void decides(const struct policy_principal *who, const char *const *pairs, size_t count,
                    const char *expected)
{
    struct arena *arena = arena_new(0);
    struct policy_attached attached[ATTACHED_MAX];
    static const char letters[] = "irbsSR";
    for (size_t i = 0; i < count / 2; i++) {
        size_t kind = (size_t)(strchr(letters, pairs[2 * i][0]) - letters);
        attached[i] = (struct policy_attached){
            .kind = (enum policy_kind)kind,
            .policy = policy_read(
                arena, kind == POLICY_RESOURCE ? POLICY_FORM_RESOURCE : POLICY_FORM_INLINE,
                pairs[2 * i + 1]),
            .level = pairs[2 * i][1] == '1',
        };
    }
    struct policy_question question = {
        .principal = *who,
        .action = STR("sqs:SendMessage"),
        .resource = STR(QUEUE),
        .owner = STR("111111111111"),
        .policies = attached,
        .count = count / 2,
    };
    struct policy_answer answer;
    policy_evaluate(arena, &question, &answer);
    static const char *const verdicts[] = {"allowed by", "denied by", "nothing in"};
    struct str said = str_format(arena, "%s %.*s", verdicts[answer.verdict],
                                 PRSTR(policy_kind_name(answer.kind)));
    if (!str_eq(said, str_from_c(expected)))
        fail_msg("expected: %s; got: %.*s", expected, PRSTR(said));
    arena_free(arena);
}

#define BY(principal)                                                                              \
    STATEMENT("Allow", "\"Principal\":" principal ",\"Action\":\"sqs:*\",\"Resource\":\"*\"")
#define DENY STATEMENT("Deny", "\"Action\":\"sqs:*\",\"Resource\":\"*\"")
#define OTHER STATEMENT("Allow", "\"Action\":\"s3:*\",\"Resource\":\"*\"")

static void test_own_account(void **state)
{
    (void)state;
    decides(&root, NULL, 0, "allowed by identity-based policy");
    decides(&bob, NULL, 0, "nothing in identity-based policy");
    decides(&bob, KEYS("i", ALLOW_ALL), "allowed by identity-based policy");
    decides(&bob, KEYS("i", OTHER), "nothing in identity-based policy");
    decides(&bob, KEYS("i", ALLOW_ALL, "i", DENY), "denied by identity-based policy");
    decides(&bob, KEYS("r", BY("{\"AWS\":\"arn:aws:iam::111111111111:user/bob\"}")),
            "allowed by resource-based policy");
    decides(&bob, KEYS("r", BY("\"*\"")), "allowed by resource-based policy");
    decides(&bob, KEYS("r", BY("{\"AWS\":\"111111111111\"}")), "nothing in identity-based policy");
    decides(&bob, KEYS("r", BY("{\"AWS\":\"AIDAAAAAAAAAAAAAAAAAA\"}")),
            "allowed by resource-based policy");
    decides(&root,
            KEYS("r", STATEMENT("Deny", "\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"")),
            "denied by resource-based policy");
}

static void test_boundaries(void **state)
{
    (void)state;
    decides(&bob, KEYS("i", ALLOW_ALL, "b", OTHER), "nothing in permissions boundary");
    decides(&bob, KEYS("i", ALLOW_ALL, "b", ALLOW_ALL), "allowed by identity-based policy");
    decides(&bob, KEYS("b", ALLOW_ALL), "nothing in identity-based policy");
    decides(&bob, KEYS("i", ALLOW_ALL, "b", DENY), "denied by permissions boundary");
    decides(&bob, KEYS("r", BY("{\"AWS\":\"arn:aws:iam::111111111111:user/bob\"}"), "b", OTHER),
            "allowed by resource-based policy");
    decides(&session,
            KEYS("r", BY("{\"AWS\":\"arn:aws:iam::111111111111:role/reader\"}"), "b", OTHER),
            "nothing in permissions boundary");
    decides(&session,
            KEYS("r", BY("{\"AWS\":\"arn:aws:iam::111111111111:role/reader\"}"), "s", OTHER),
            "nothing in session policy");
    decides(&session, KEYS("r", BY("{\"AWS\":\"arn:aws:iam::111111111111:role/reader\"}")),
            "allowed by resource-based policy");
    decides(&session,
            KEYS("r", BY("{\"AWS\":\"arn:aws:sts::111111111111:assumed-role/reader/s1\"}"), "b",
                 OTHER, "s", OTHER),
            "allowed by resource-based policy");
    decides(&session, KEYS("i", ALLOW_ALL, "s", ALLOW_ALL), "allowed by identity-based policy");
    decides(&session, KEYS("i", ALLOW_ALL, "S", OTHER), "nothing in service control policy");
    decides(&session, KEYS("i", ALLOW_ALL, "S0", ALLOW_ALL, "S1", OTHER),
            "nothing in service control policy");
    decides(&session, KEYS("i", ALLOW_ALL, "S0", ALLOW_ALL, "S1", OTHER, "S1", ALLOW_ALL),
            "allowed by identity-based policy");
    decides(&root, KEYS("S", OTHER), "nothing in service control policy");
    decides(&bob, KEYS("i", ALLOW_ALL, "R", OTHER), "nothing in resource control policy");
}

static void test_other_accounts(void **state)
{
    (void)state;
    decides(&stranger, KEYS("i", ALLOW_ALL), "nothing in resource-based policy");
    decides(&stranger, KEYS("r", BY("\"*\"")), "nothing in identity-based policy");
    decides(&stranger, KEYS("i", ALLOW_ALL, "r", BY("\"*\"")), "allowed by identity-based policy");
    decides(&stranger, KEYS("i", ALLOW_ALL, "r", BY("{\"AWS\":\"222222222222\"}")),
            "allowed by identity-based policy");
    decides(&stranger,
            KEYS("i", ALLOW_ALL, "r", BY("{\"AWS\":[\"arn:aws:iam::222222222222:root\"]}")),
            "allowed by identity-based policy");
    decides(&stranger,
            KEYS("i", ALLOW_ALL, "r", BY("{\"AWS\":\"arn:aws:iam::222222222222:user/adam\"}")),
            "nothing in resource-based policy");
    decides(&stranger,
            KEYS("i", ALLOW_ALL, "b", OTHER, "r",
                 BY("{\"AWS\":\"arn:aws:iam::222222222222:user/eve\"}")),
            "nothing in permissions boundary");
    decides(&service, NULL, 0, "nothing in resource-based policy");
    decides(&service, KEYS("r", BY("{\"Service\":\"sns.amazonaws.com\"}")),
            "allowed by resource-based policy");
    decides(&service, KEYS("r", BY("{\"Service\":\"events.amazonaws.com\"}")),
            "nothing in resource-based policy");
    decides(&(struct policy_principal){.kind = POLICY_BY_NOBODY}, KEYS("r", BY("\"*\"")),
            "allowed by resource-based policy");
    decides(&(struct policy_principal){.kind = POLICY_BY_NOBODY}, NULL, 0,
            "nothing in resource-based policy");
}

static void test_not_principal(void **state)
{
    (void)state;
#define EXCEPT(principals)                                                                         \
    STATEMENT("Deny",                                                                              \
              "\"NotPrincipal\":{\"AWS\":[" principals "]},\"Action\":\"*\",\"Resource\":\"*\"")
#define ROOT1 "\"arn:aws:iam::111111111111:root\""
    decides(&bob,
            KEYS("i", ALLOW_ALL, "r", EXCEPT("\"arn:aws:iam::111111111111:user/bob\"," ROOT1)),
            "allowed by identity-based policy");
    decides(&bob, KEYS("i", ALLOW_ALL, "r", EXCEPT("\"arn:aws:iam::111111111111:user/bob\"")),
            "denied by resource-based policy");
    decides(&bob, KEYS("i", ALLOW_ALL, "r", EXCEPT(ROOT1)), "denied by resource-based policy");
    decides(&root, KEYS("r", EXCEPT(ROOT1)), "allowed by identity-based policy");
    decides(&session,
            KEYS("i", ALLOW_ALL, "r",
                 EXCEPT("\"arn:aws:sts::111111111111:assumed-role/reader/"
                        "s1\",\"arn:aws:iam::111111111111:role/reader\"," ROOT1)),
            "allowed by identity-based policy");
    decides(&session,
            KEYS("i", ALLOW_ALL, "r", EXCEPT("\"arn:aws:iam::111111111111:role/reader\"," ROOT1)),
            "denied by resource-based policy");
}

static void test_words(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct policy_question question = {
        .principal = bob, .action = STR("sqs:SendMessage"), .resource = STR(QUEUE)};
    struct policy_answer answer = {.verdict = POLICY_DENIED_IMPLICITLY, .kind = POLICY_IDENTITY};
    assert_true(str_eq(policy_denial_text(arena, &question, &answer),
                       STR("User: arn:aws:iam::111111111111:user/bob is not authorized to perform: "
                           "sqs:SendMessage on "
                           "resource: " QUEUE
                           " because no identity-based policy allows the sqs:SendMessage action")));
    answer = (struct policy_answer){.verdict = POLICY_DENIED_EXPLICITLY, .kind = POLICY_RESOURCE};
    question.resource = STR("*");
    assert_true(str_eq(policy_denial_text(arena, &question, &answer),
                       STR("User: arn:aws:iam::111111111111:user/bob is not authorized to perform: "
                           "sqs:SendMessage with an "
                           "explicit deny in a resource-based policy")));
    arena_free(arena);
}

/* --- speed --- */

/* Ten policies of twenty statements, four actions each, of ten services or of one. */
static void measure(const char *const *services, size_t count, const char *what)
{
    enum { POLICIES = 10, STATEMENTS = 20, ROUNDS = 20000 };
    struct arena *arena = arena_new(0);
    struct policy_attached attached[POLICIES];
    for (size_t p = 0; p < POLICIES; p++) {
        struct buf text;
        buf_init(&text, arena, 65536);
        buf_append_c(&text, "{\"Version\":\"2012-10-17\",\"Statement\":[");
        for (size_t s = 0; s < STATEMENTS; s++) {
            const char *vendor = services[(p * STATEMENTS + s) % count];
            buf_append_format(&text, "%s{\"Effect\":\"Allow\",\"Action\":[", s == 0 ? "" : ",");
            for (size_t a = 0; a < 4; a++)
                buf_append_format(&text, "%s\"%s:%sThing%zu%s\"", a == 0 ? "" : ",", vendor,
                                  a == 3 ? "List" : "Get", p * 20 + s, a == 3 ? "*" : "");
            buf_append_format(
                &text,
                "],\"Resource\":[\"arn:aws:%s:*:*:thing/"
                "%zu\",\"arn:aws:%s:us-east-1:111111111111:*\"],"
                "\"Condition\":{\"StringEquals\":{\"aws:RequestedRegion\":\"us-east-1\"}}}",
                vendor, s, vendor);
        }
        buf_append_c(&text, "]}");
        buf_append_char(&text, '\0');
        attached[p] = (struct policy_attached){
            .kind = POLICY_IDENTITY, .policy = policy_read(arena, POLICY_FORM_INLINE, text.ptr)};
    }
    struct policy_keys keys;
    policy_keys_read(&keys, KEYS("aws:username=bob", "aws:RequestedRegion=us-east-1"));
    struct policy_question question = {.principal = bob,
                                       .action = STR("sqs:GetThing199"),
                                       .resource = STR(QUEUE),
                                       .context = {policy_keys_find, &keys},
                                       .policies = attached,
                                       .count = POLICIES};
    struct policy_answer answer;
    struct arena *scratch = arena_new(0);
    uint64_t best = UINT64_MAX;
    for (int run = 0; run < 5; run++) {
        uint64_t begin = time_monotonic_ns();
        for (int i = 0; i < ROUNDS; i++)
            policy_evaluate(scratch, &question, &answer);
        uint64_t took = time_monotonic_ns() - begin;
        best = took < best ? took : best;
    }
    print_message("%s: %.2f us a question\n", what, (double)best / ROUNDS / 1000);
    assert_int_equal(answer.verdict, count == 1 ? POLICY_ALLOWED : answer.verdict);
    arena_free(scratch);
    arena_free(arena);
}

static void test_speed(void **state)
{
    (void)state;
    measure((const char *const[]){"s3", "sns", "ec2", "lambda", "rds", "kms", "logs", "sqs",
                                  "dynamodb", "sts"},
            10, "10 policies of 20 statements, ten services");
    measure((const char *const[]){"sqs"}, 1, "10 policies of 20 statements, one service");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_elements),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers_and_dates),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_absence_and_sets),
        cmocka_unit_test(test_own_account),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_other_accounts),
        cmocka_unit_test(test_not_principal),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
