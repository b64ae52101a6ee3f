/* The policy simulator, and the context keys of policies. */
#include "service/iam_support.h"

static struct iam_SimulatePolicyResponse const *
custom(struct loopback *lo, const struct iam_SimulateCustomPolicyRequest *in)
{
    return loopback_ok(loopback_call(lo, &iam_model, IAM_OP_SimulateCustomPolicy, in));
}

#define CUSTOM(lo, ...) custom((lo), &(struct iam_SimulateCustomPolicyRequest){__VA_ARGS__})
#define ONE(text)                                                                                  \
    {                                                                                              \
        (struct str[]){text}, 1                                                                    \
    }

static void test_decisions(void **state)
{
    struct loopback *lo = *state;
    struct str allow = STR("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n"
                           "    {\"Effect\": \"Allow\", \"Action\": \"s3:*\",\n"
                           "     \"Resource\": \"*\"},\n"
                           "    {\"Effect\": \"Deny\", \"Action\": \"s3:Delete*\", \"Resource\": "
                           "\"*\"}]\n}");
    const struct iam_SimulatePolicyResponse *out =
        CUSTOM(lo, .PolicyInputList = ONE(allow),
               .ActionNames = NAMES(lo, "s3:GetObject", "s3:DeleteObject", "sqs:SendMessage"));
    assert_int_equal(out->EvaluationResults.len, 3);
    const struct iam_EvaluationResult *results = out->EvaluationResults.items;
    assert_str(results[0].EvalActionName, STR("s3:GetObject"));
    assert_str(results[0].EvalResourceName, STR("*"));
    assert_str(results[0].EvalDecision, STR("allowed"));
    assert_int_equal(results[0].MatchedStatements.len, 1);
    const struct iam_Statement *matched = results[0].MatchedStatements.items;
    assert_str(matched->SourcePolicyId, STR("PolicyInputList.1"));
    assert_int_equal(matched->StartPosition->Line.value, 4);
    assert_int_equal(matched->StartPosition->Column.value, 5);
    assert_int_equal(matched->EndPosition->Line.value, 5);
    assert_str(results[1].EvalDecision, STR("explicitDeny"));
    assert_int_equal(results[1].MatchedStatements.len, 1);
    assert_int_equal(results[1].MatchedStatements.items->StartPosition->Line.value, 6);
    assert_str(results[2].EvalDecision, STR("implicitDeny"));
    assert_int_equal(results[2].MatchedStatements.len, 0);
    /* Pages of actions times resources. */
    struct str_list actions = NAMES(lo, "s3:GetObject", "s3:PutObject");
    struct str_list resources =
        NAMES(lo, "arn:aws:s3:::a/1", "arn:aws:s3:::a/2", "arn:aws:s3:::b/1");
    out = CUSTOM(lo, .PolicyInputList = ONE(POLICY("Allow", "s3:Get*", "arn:aws:s3:::a/*")),
                 .ActionNames = actions, .ResourceArns = resources, .MaxItems = opt_int(4));
    assert_true(out->IsTruncated.value && out->EvaluationResults.len == 4);
    assert_str(out->EvaluationResults.items[1].EvalDecision, STR("allowed"));
    assert_str(out->EvaluationResults.items[2].EvalDecision, STR("implicitDeny"));
    assert_str(out->EvaluationResults.items[2].ResourceSpecificResults.items[0].EvalResourceName,
               STR("arn:aws:s3:::b/1"));
    out = CUSTOM(lo, .PolicyInputList = ONE(POLICY("Allow", "s3:Get*", "arn:aws:s3:::a/*")),
                 .ActionNames = actions, .ResourceArns = resources, .Marker = out->Marker);
    assert_int_equal(out->EvaluationResults.len, 2);
    IAM_FAILS(lo, "InvalidInputException", "PolicyInputList.1: Syntax errors in policy.",
              SimulateCustomPolicy, .PolicyInputList = ONE(STR("{}")), .ActionNames = actions);
    IAM_FAILS(lo, "InvalidInputException", "Invalid Action Name: s3:*", SimulateCustomPolicy,
              .PolicyInputList = ONE(allow), .ActionNames = ONE(STR("s3:*")));
}

static void test_context(void **state)
{
    struct loopback *lo = *state;
    struct str conditional = STR(
        "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:*\","
        "\"Resource\":\"arn:aws:s3:::b/${aws:username}/*\",\"Condition\":{\"IpAddress\":{"
        "\"aws:SourceIp\":\"10.0.0.0/8\"},\"StringEquals\":{\"aws:RequestTag/team\":\"red\"}}}}");
    struct str resource = STR("arn:aws:s3:::b/bob/1"), action = STR("s3:GetObject");
    const struct iam_GetContextKeysForPolicyResponse *keys = loopback_ok(
        IAM_CALL(lo, GetContextKeysForCustomPolicy, .PolicyInputList = ONE(conditional)));
    assert_int_equal(keys->ContextKeyNames.len, 3);
    const struct iam_SimulatePolicyResponse *out =
        CUSTOM(lo, .PolicyInputList = ONE(conditional), .ActionNames = ONE(action),
               .ResourceArns = ONE(resource));
    assert_str(out->EvaluationResults.items[0].EvalDecision, STR("implicitDeny"));
    assert_str(out->EvaluationResults.items[0].MissingContextValues.items[0], STR("aws:username"));
    struct iam_ContextEntry entries[] = {
        {STR("aws:username"), ONE(STR("bob")), STR("string")},
        {STR("AWS:SourceIp"), ONE(STR("10.1.2.3")), STR("ip")},
        {STR("aws:RequestTag/team"), ONE(STR("red")), STR("string")},
    };
    out = CUSTOM(lo, .PolicyInputList = ONE(conditional), .ActionNames = ONE(action),
                 .ResourceArns = ONE(resource), .ContextEntries = {entries, 2});
    assert_str(out->EvaluationResults.items[0].EvalDecision, STR("implicitDeny"));
    assert_int_equal(out->EvaluationResults.items[0].MissingContextValues.len, 1);
    assert_str(out->EvaluationResults.items[0].MissingContextValues.items[0],
               STR("aws:RequestTag/team"));
    out = CUSTOM(lo, .PolicyInputList = ONE(conditional), .ActionNames = ONE(action),
                 .ResourceArns = ONE(resource), .ContextEntries = {entries, 3});
    assert_str(out->EvaluationResults.items[0].EvalDecision, STR("allowed"));
    assert_int_equal(out->EvaluationResults.items[0].MissingContextValues.len, 0);
}

static void test_limits(void **state)
{
    struct loopback *lo = *state;
    struct str all = POLICY("Allow", "*", "*"), action = STR("sqs:SendMessage");
    const struct iam_SimulatePolicyResponse *out =
        CUSTOM(lo, .PolicyInputList = ONE(all), .ActionNames = ONE(action),
               .PermissionsBoundaryPolicyInputList = ONE(POLICY("Allow", "s3:*", "*")));
    const struct iam_EvaluationResult *result = out->EvaluationResults.items;
    assert_str(result->EvalDecision, STR("implicitDeny"));
    assert_false(result->PermissionsBoundaryDecisionDetail->AllowedByPermissionsBoundary.value);
    struct iam_OrderedOrganizationPolicyType levels[] = {{ONE(all)},
                                                         {ONE(POLICY("Allow", "sqs:*", "*"))}};
    out = CUSTOM(lo, .PolicyInputList = ONE(all),
                 .ActionNames = NAMES(lo, "sqs:SendMessage", "s3:GetObject"),
                 .OrderedOrganizationPolicyInputList = {levels, 2});
    result = out->EvaluationResults.items;
    assert_str(result[0].EvalDecision, STR("allowed"));
    assert_true(result[0].OrganizationsDecisionDetail->AllowedByOrganizations.value);
    assert_str(result[1].EvalDecision, STR("implicitDeny"));
    assert_false(result[1].OrganizationsDecisionDetail->AllowedByOrganizations.value);
    /* A resource's policy speaks to a caller. */
    struct str queue = STR("arn:aws:sqs:us-east-1:111111111111:q");
    struct str open = STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                          "\"Principal\":{\"AWS\":\"arn:aws:iam::000000000000:user/bob\"},"
                          "\"Action\":\"sqs:*\",\"Resource\":\"*\"}}");
    IAM_FAILS(lo, "InvalidInputException", NULL, SimulateCustomPolicy, .PolicyInputList = ONE(all),
              .ActionNames = ONE(action), .ResourcePolicy = open);
    out = CUSTOM(lo, .PolicyInputList = ONE(all), .ActionNames = ONE(action),
                 .ResourceArns = ONE(queue), .ResourcePolicy = open, .CallerArn = ARN("user/bob"));
    assert_str(out->EvaluationResults.items->EvalDecision, STR("allowed"));
    out = CUSTOM(lo, .PolicyInputList = ONE(all), .ActionNames = ONE(action),
                 .ResourceArns = ONE(queue), .ResourcePolicy = open, .CallerArn = ARN("user/eve"));
    assert_str(out->EvaluationResults.items->EvalDecision, STR("implicitDeny"));
}

#define PRINCIPAL(lo, ...)                                                                         \
    ((const struct iam_SimulatePolicyResponse *)loopback_ok(                                       \
        IAM_CALL((lo), SimulatePrincipalPolicy, __VA_ARGS__)))

static void test_principals(void **state)
{
    struct loopback *lo = *state;
    struct str action = STR("sqs:SendMessage");
    IAM_OK(lo, CreateUser, .UserName = STR("alice"),
           .PermissionsBoundary = AWS_POLICY("PowerUserAccess"));
    IAM_OK(lo, CreateGroup, .GroupName = STR("devs"));
    IAM_DO(lo, AddUserToGroup, .GroupName = STR("devs"), .UserName = STR("alice"));
    IAM_DO(lo, PutGroupPolicy, .GroupName = STR("devs"), .PolicyName = STR("send"),
           .PolicyDocument = POLICY("Allow", "sqs:Send*", "arn:aws:sqs:*:*:${aws:username}"));
    IAM_DO(lo, AttachUserPolicy, .UserName = STR("alice"),
           .PolicyArn = AWS_POLICY("IAMFullAccess"));
    struct str own = STR("arn:aws:sqs:us-east-1:000000000000:alice");
    const struct iam_EvaluationResult *result =
        PRINCIPAL(lo, .PolicySourceArn = ARN("user/alice"), .ActionNames = ONE(action),
                  .ResourceArns = ONE(own))
            ->EvaluationResults.items;
    assert_str(result->EvalDecision, STR("allowed"));
    assert_str(result->MatchedStatements.items->SourcePolicyId, STR("group_devs_send"));
    assert_str(result->MatchedStatements.items->SourcePolicyType, STR("group"));
    result =
        PRINCIPAL(lo, .PolicySourceArn = ARN("user/alice"), .ActionNames = ONE(STR("iam:GetUser")))
            ->EvaluationResults.items;
    assert_str(result->EvalDecision, STR("implicitDeny"));
    assert_false(result->PermissionsBoundaryDecisionDetail->AllowedByPermissionsBoundary.value);
    struct iam_PolicyIdentifier without = {.PolicyType = STR("permission-boundary")};
    result = PRINCIPAL(lo, .PolicySourceArn = ARN("user/alice"),
                       .ActionNames = ONE(STR("iam:GetUser")), .PolicyExclusionList = {&without, 1})
                 ->EvaluationResults.items;
    assert_str(result->EvalDecision, STR("allowed"));
    assert_str(result->MatchedStatements.items->SourcePolicyType, STR("aws-managed"));
    without = (struct iam_PolicyIdentifier){.PolicyArn = AWS_POLICY("IAMFull*")};
    result = PRINCIPAL(lo, .PolicySourceArn = ARN("user/alice"),
                       .ActionNames = ONE(STR("iam:GetUser")), .PolicyExclusionList = {&without, 1},
                       .PermissionsBoundaryPolicyInputList = ONE(POLICY("Allow", "*", "*")))
                 ->EvaluationResults.items;
    assert_str(result->EvalDecision, STR("implicitDeny"));
    assert_true(result->PermissionsBoundaryDecisionDetail->AllowedByPermissionsBoundary.value);
    result = PRINCIPAL(lo, .PolicySourceArn = ARN("group/devs"), .ActionNames = ONE(action),
                       .PolicyInputList = ONE(POLICY("Deny", "sqs:*", "*")))
                 ->EvaluationResults.items;
    assert_str(result->EvalDecision, STR("explicitDeny"));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, SimulatePrincipalPolicy,
              .PolicySourceArn = ARN("user/nobody"), .ActionNames = ONE(action));
    const struct iam_GetContextKeysForPolicyResponse *keys = loopback_ok(
        IAM_CALL(lo, GetContextKeysForPrincipalPolicy, .PolicySourceArn = ARN("user/alice")));
    assert_int_equal(keys->ContextKeyNames.len, 1);
    assert_str(keys->ContextKeyNames.items[0], STR("aws:username"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_decisions),
        SQS_TEST(test_context),
        SQS_TEST(test_limits),
        SQS_TEST(test_principals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
