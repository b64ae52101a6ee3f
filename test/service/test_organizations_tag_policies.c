/* Tag policies: their documents, how they come together, and what they refuse. */
#include "service/lambda_support.h"
#include "service/organizations_support.h"

#define TAGS(body) STR("{\"tags\":{" body "}}")
#define SETTING(name, operator, values) "\"" name "\":{\"@@" operator"\":" values "}"

static void attach(struct loopback *lo, const char *name, struct str content, struct str target)
{
    struct str policy = org_policy(lo, name, "TAG_POLICY", content);
    loopback_ok(ORG_CALL(lo, AttachPolicy, .PolicyId = policy, .TargetId = target));
}

static struct org_world tagged_world(struct loopback *lo)
{
    struct org_world world = org_world(lo);
    loopback_ok(
        ORG_CALL(lo, EnablePolicyType, .RootId = world.root, .PolicyType = STR("TAG_POLICY")));
    return world;
}

static void effective_is(struct loopback *lo, struct str target, const char *wanted)
{
    const struct organizations_DescribeEffectivePolicyResponse *shown = loopback_ok(
        ORG_CALL(lo, DescribeEffectivePolicy, .PolicyType = STR("TAG_POLICY"), .TargetId = target));
    assert_string_equal(str_to_c(lo->arena, shown->EffectivePolicy->PolicyContent), wanted);
}

static void test_documents(void **state)
{
    static const struct str bad[] = {
        STR_INIT("{\"tag\":{}}"),
        STR_INIT("{\"tags\":[]}"),
        STR_INIT("{\"tags\":{},\"more\":{}}"),
        STR_INIT("{\"tags\":{\"a\":1}}"),
        STR_INIT("{\"tags\":{\"a\":{\"colour\":{\"@@assign\":\"a\"}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_key\":{\"@@assign\":\"b\"}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_key\":{\"@@assign\":[\"a\"]}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_key\":{\"@@append\":\"a\"}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_value\":{\"@@assign\":\"1\"}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_value\":{\"@@set\":[\"1\"]}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_value\":{\"@@assign\":[\"*@*.com\"]}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_value\":[\"1\"]}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"enforced_for\":{\"@@assign\":[\"*\"]}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"enforced_for\":{\"@@assign\":[\"*:queue\"]}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"enforced_for\":{\"@@assign\":[\"iam:role\"]}}}}"),
        STR_INIT("{\"tags\":{\"a\":{\"tag_key\":{\"@@operators_allowed_for_child_policies\":"
                 "[\"@@some\"]}}}}"),
    };
    struct loopback *lo = *state;
    tagged_world(lo);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        loopback_error(ORG_CALL(lo, CreatePolicy, .Name = STR("bad"), .Description = STR(""),
                                .Type = STR("TAG_POLICY"), .Content = bad[i]),
                       "MalformedPolicyDocumentException", NULL);
    org_policy(
        lo, "good", "TAG_POLICY",
        TAGS("\"@@operators_allowed_for_child_policies\":[\"@@all\"],\"CostCenter\":"
             "{" SETTING("tag_key", "assign", "\"costCENTER\"") "," SETTING(
                 "tag_value", "append",
                 "[\"a*\",\"*\"]") "," SETTING("enforced_for", "assign",
                                               "[\"sqs:*\",\"ec2:ALL_SUPPORTED\",\"iam:"
                                               "policy\",\"new:thing\"]") "," SETTING("report"
                                                                                      "_requi"
                                                                                      "red_"
                                                                                      "tag_"
                                                                                      "for",
                                                                                      "assig"
                                                                                      "n",
                                                                                      "[\"iam"
                                                                                      ":role"
                                                                                      "\"]") "}"));
}

/* Examples 5 and 6 of "Policy syntax and inheritance for management policy types". */
static void test_same_level(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = tagged_world(lo);
    attach(lo, "J",
           TAGS("\"project\":{" SETTING("tag_key", "assign", "\"PROJECT\"") "," SETTING(
               "tag_value", "append", "[\"Maintenance\"]") "}"),
           world.root);
    attach(lo, "K", TAGS("\"project\":{" SETTING("tag_key", "assign", "\"project\"") "}"),
           world.root);
    effective_is(lo, world.member,
                 "{\"tags\":{\"project\":{\"tag_key\":\"PROJECT\",\"tag_value\":[\"Maintenance\"]}}"
                 "}");
    attach(lo, "G",
           TAGS("\"project\":{\"tag_value\":{\"@@operators_allowed_for_child_policies\":"
                "[\"@@append\"]}}"),
           world.root);
    attach(lo, "H",
           TAGS("\"project\":{\"tag_value\":{\"@@operators_allowed_for_child_policies\":"
                "[\"@@append\",\"@@remove\"]}}"),
           world.root);
    attach(lo, "child",
           TAGS("\"project\":{\"tag_value\":{\"@@append\":[\"More\"],\"@@remove\":[\"Maintenance\"]"
                "}}"),
           world.member);
    effective_is(lo, world.member,
                 "{\"tags\":{\"project\":{\"tag_key\":\"PROJECT\",\"tag_value\":[\"Maintenance\","
                 "\"More\"]}}}");
}

/* What one level forbids, the next cannot allow again. */
static void test_levels(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = tagged_world(lo);
    struct str unit = org_unit(lo, world.root, "unit");
    loopback_ok(ORG_CALL(lo, MoveAccount, .AccountId = world.member, .SourceParentId = world.root,
                         .DestinationParentId = unit));
    attach(lo, "top",
           TAGS("\"a\":{\"tag_value\":{\"@@assign\":[\"1\"],"
                "\"@@operators_allowed_for_child_policies\":[\"@@append\"]}}"),
           world.root);
    attach(lo, "middle",
           TAGS("\"a\":{\"tag_value\":{\"@@append\":[\"2\"],"
                "\"@@operators_allowed_for_child_policies\":[\"@@all\"]}}"),
           unit);
    attach(lo, "leaf",
           TAGS("\"a\":{\"tag_value\":{\"@@assign\":[\"9\"],\"@@append\":[\"3\"],"
                "\"@@remove\":[\"1\"]}}"),
           world.member);
    effective_is(lo, world.member, "{\"tags\":{\"a\":{\"tag_value\":[\"1\",\"2\",\"3\"]}}}");
    loopback_ok(
        ORG_CALL(lo, DisablePolicyType, .RootId = world.root, .PolicyType = STR("TAG_POLICY")));
    loopback_error(ORG_CALL(lo, DescribeEffectivePolicy, .PolicyType = STR("TAG_POLICY"),
                            .TargetId = world.member),
                   "EffectivePolicyNotFoundException", NULL);
}

static struct loopback_reply make_queue(struct loopback *lo, const char *name, const char *key,
                                        const char *value)
{
    struct str_map_entry tag = {str_from_c(key), str_from_c(value)};
    struct sqs_CreateQueueRequest in = {.QueueName = str_from_c(name), .tags = {&tag, 1}};
    return loopback_call(lo, &sqs_model, SQS_OP_CreateQueue, &in);
}

static void test_enforced(void **state)
{
    static const char text[] = "The tag policy does not allow the specified value for the "
                               "following tag key: ";
    struct loopback *lo = *state;
    struct org_world world = tagged_world(lo);
    attach(
        lo, "rules",
        TAGS("\"costcenter\":{" SETTING("tag_key", "assign", "\"CostCenter\"") "," SETTING(
            "tag_value", "assign",
            "[\"100\",\"a*z\"]") "," SETTING("enforced_for", "assign",
                                             "[\"sqs:ALL_SUPPORTED\"]") "}"
                                                                        ",\"Plain\":{" SETTING(
                                                                            "enforced_for",
                                                                            "assign",
                                                                            "[\"sqs:queue\"]") "}"
                                                                                               ",\""
                                                                                               "loo"
                                                                                               "se"
                                                                                               "\":"
                                                                                               "{" SETTING(
                                                                                                   "tag_value",
                                                                                                   "assign",
                                                                                                   "[\"1\"]") "}"),
        world.root);
    org_as(lo, world.member);
    for (int management = 0; management < 2; management++) {
        loopback_error(make_queue(lo, "q", "CostCenter", "300"), "InvalidParameterValueException",
                       str_to_c(lo->arena, str_format(lo->arena, "%s'CostCenter'.", text)));
        loopback_error(make_queue(lo, "q", "costcenter", "100"), "InvalidParameterValueException",
                       str_to_c(lo->arena, str_format(lo->arena, "%s'costcenter'.", text)));
        loopback_error(make_queue(lo, "q", "Plain", "x"), "InvalidParameterValueException", NULL);
        loopback_error(make_queue(lo, "q", "CostCenter", "az "), "InvalidParameterValueException",
                       NULL);
        loopback_error(make_queue(lo, "q", "CostCenter", "a"), "InvalidParameterValueException",
                       NULL);
        loopback_ok(make_queue(lo, "a", "CostCenter", "100"));
        loopback_ok(make_queue(lo, "b", "CostCenter", "a to z"));
        loopback_ok(make_queue(lo, "c", "CostCenter", "az"));
        loopback_ok(make_queue(lo, "d", "plain", "x"));
        loopback_ok(make_queue(lo, "e", "loose", "2")); /* told of, not enforced */
        loopback_ok(make_queue(lo, "f", "other", "2"));
        struct str_map_entry tag = {STR("CostCenter"), STR("300")};
        struct sqs_TagQueueRequest in = {.QueueUrl = STR("a"), .Tags = {&tag, 1}};
        loopback_error(loopback_call(lo, &sqs_model, SQS_OP_TagQueue, &in),
                       "InvalidParameterValueException", NULL);
        org_as(lo, STR("000000000000"));
    }
    /* A stranger's tags are nobody's business. */
    org_as(lo, STR("999999999999"));
    loopback_ok(make_queue(lo, "q", "CostCenter", "300"));
}

static void test_own_resources(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = tagged_world(lo);
    struct organizations_Tag tag = {STR("team"), STR("blue")};
    attach(lo, "rules",
           TAGS("\"team\":{" SETTING("tag_value", "assign", "[\"red\"]") "," SETTING(
               "enforced_for", "assign", "[\"organizations:account\"]") "}"),
           world.root);
    org_refused(ORG_CALL(lo, TagResource, .ResourceId = world.member, .Tags = {&tag, 1}),
                "TAG_POLICY_VIOLATION");
    loopback_ok(ORG_CALL(lo, TagResource, .ResourceId = world.root, .Tags = {&tag, 1}));
    tag.Value = STR("red");
    loopback_ok(ORG_CALL(lo, TagResource, .ResourceId = world.member, .Tags = {&tag, 1}));
}

static struct loopback_reply tag_function(struct loopback *lo, struct str arn, const char *value)
{
    struct str_map_entry tag = {STR("team"), str_from_c(value)};
    struct lambda_TagResourceRequest in = {.Resource = arn, .Tags = {&tag, 1}};
    return loopback_call(lo, &lambda_model, LAMBDA_OP_TagResource, &in);
}

static void test_functions(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = tagged_world(lo);
    struct str_map_entry tag = {STR("team"), STR("blue")};
    struct str publisher =
        STR("arn:aws:signer:us-east-1:000000000000:/signing-profiles/P/abcdefghij");
    struct lambda_AllowedPublishers publishers = {{&publisher, 1}};
    struct lambda_FunctionCode code = {.ZipFile = zip_one(lo, "a.py", "1")};
    attach(lo, "rules",
           TAGS("\"team\":{" SETTING("tag_value", "assign", "[\"red\"]") "," SETTING(
               "enforced_for", "assign", "[\"lambda:function\"]") "}"),
           world.root);
    org_as(lo, world.member);
    struct str arn = lambda_make(lo, "f");
    loopback_error(tag_function(lo, arn, "blue"), "InvalidParameterValueException",
                   "The tag policy does not allow the specified value for the following tag key: "
                   "'team'.");
    loopback_ok(tag_function(lo, arn, "red"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, CreateFunction,
                 .FunctionName = STR("g"), .Runtime = STR("python3.12"),
                 .Role = lambda_role(lo, "g"), .Handler = STR("a.h"), .Code = &code,
                 .Tags = {&tag, 1});
    /* What else Lambda has is not named by the policy. */
    LAMBDA_DO(lo, CreateCodeSigningConfig, .AllowedPublishers = &publishers, .Tags = {&tag, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_documents), SQS_TEST(test_same_level),    SQS_TEST(test_levels),
        SQS_TEST(test_enforced),  SQS_TEST(test_own_resources), SQS_TEST(test_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
