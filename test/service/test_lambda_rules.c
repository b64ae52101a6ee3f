/* What Lambda refuses and in which words, and what changes with what: numbers of versions,
 * revisions, rights of execution roles, tags. */
#include "service/lambda_support.h"

#define F "arn:aws:lambda:us-east-1:000000000000:function:f"
#define Q "arn:aws:sqs:us-east-1:000000000000:q"

static void update(struct loopback *lo)
{
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"),
              .Description = str_format(lo->arena, "%lld", (long long)loopback_now(lo)));
    loopback_advance(lo, 1000);
}

static void allow(struct loopback *lo, struct str document)
{
    IAM_DO(lo, PutRolePolicy, .RoleName = STR("f"), .PolicyName = STR("p"),
           .PolicyDocument = document);
}

/* --- what is sent as code and runtime --- */

static void codes_and_runtimes_in_lambdas_words(void **state)
{
    struct loopback *lo = *state;
    struct str role = lambda_role(lo, "f");
    struct lambda_FunctionCode code = {.ZipFile = STR("")};
    struct lambda_CreateFunctionRequest in = {.FunctionName = STR("f"),
                                              .Runtime = STR("python3.12"),
                                              .Role = role,
                                              .Handler = STR("a.h"),
                                              .Code = &code};
    struct str empty = STR("Uploaded file must be a non-empty zip");
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in),
                   "InvalidParameterValueException", empty.ptr);
    code.ZipFile = zip_make(lo->arena, NULL, 0);
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in),
                   "InvalidParameterValueException", empty.ptr);
    code.ZipFile = STR("PK, but no more");
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in),
                   "InvalidParameterValueException",
                   "Could not unzip uploaded file. Please check your file, then try to upload "
                   "again.");
    in.Runtime = STR("python4");
    struct loopback_reply reply = loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in);
    loopback_error(reply, "InvalidParameterValueException", NULL);
    assert_true(str_starts_with(reply.message,
                                STR("Value python4 at 'runtime' failed to satisfy constraint: "
                                    "Member must satisfy enum value set: [nodejs")));
    assert_true(str_ends_with(reply.message, STR("] or be a valid ARN")));
    assert_int_equal(str_find(reply.message, STR("python2.7")), SIZE_MAX);
    assert_true(str_find(reply.message, STR("python3.12")) != SIZE_MAX);
    in.Runtime = STR("python2.7");
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in),
                   "InvalidParameterValueException", NULL);
    struct lambda_VpcConfig nowhere = {.SubnetIds = {0}};
    in.Runtime = STR("python3.12");
    in.VpcConfig = &nowhere;
    code.ZipFile = zip_one(lo, "a.py", "1");
    const struct lambda_FunctionConfiguration *made =
        loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in));
    assert_non_null(made->VpcConfig->SubnetIds.items);
    assert_true(made->VpcConfig->Ipv6AllowedForDualStack.set);
}

/* --- versions, revisions --- */

static void only_plain_numbers_are_versions(void **state)
{
    static const char *const none[] = {"0", "01", "00", "2"};
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct str number = str_from_c(none[i]);
        char message[200];
        (void)snprintf(message, sizeof message, "Function not found: " F ":%s", none[i]);
        LAMBDA_FAILS(lo, "ResourceNotFoundException", message, GetFunctionConfiguration,
                     .FunctionName = STR("f"), .Qualifier = number);
        LAMBDA_FAILS(lo, "ResourceNotFoundException", message, CreateAlias,
                     .FunctionName = STR("f"), .Name = STR("live"), .FunctionVersion = number);
    }
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .FunctionVersion = STR("1"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, UpdateAlias, .FunctionName = STR("f"),
                 .Name = STR("live"), .FunctionVersion = STR("0"));
    struct lambda_AdditionalVersionWeights_entry weight = {STR("0"), opt_double(0.5)};
    struct lambda_AliasRoutingConfiguration routing = {{&weight, 1}};
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, UpdateAlias, .FunctionName = STR("f"),
                 .Name = STR("live"), .RoutingConfig = &routing);
}

static struct str revision_of(struct loopback *lo, const char *qualifier)
{
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"),
                  .Qualifier = str_from_c(qualifier));
    return str_copy(lo->arena, got->RevisionId);
}

static struct str policy_revision_of(struct loopback *lo, const char *qualifier)
{
    const struct lambda_GetPolicyResponse *got =
        LAMBDA_OK(lo, GetPolicyResponse, GetPolicy, .FunctionName = STR("f"),
                  .Qualifier = str_from_c(qualifier));
    return str_copy(lo->arena, got->RevisionId);
}

#define PERMIT(lo, sid, ...)                                                                       \
    LAMBDA_DO((lo), AddPermission, .FunctionName = STR("f"), .StatementId = STR(sid),              \
              .Action = STR("lambda:InvokeFunction"), .Principal = STR("s3.amazonaws.com"),        \
              __VA_ARGS__)

static void policies_have_the_revision_of_what_they_are_of(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    struct str first = revision_of(lo, NULL);
    PERMIT(lo, "a", .RevisionId = first);
    struct str second = revision_of(lo, NULL);
    assert_false(str_eq(first, second));
    assert_str(policy_revision_of(lo, NULL), second);
    LAMBDA_FAILS(lo, "PreconditionFailedException",
                 "The Revision Id provided does not match the latest Revision Id. Call the "
                 "GetFunction/GetAlias API to retrieve the latest Revision Id",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .Timeout = opt_int(9),
                 .RevisionId = first);
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"), .RevisionId = second);
    assert_false(str_eq(policy_revision_of(lo, NULL), second));
    LAMBDA_FAILS(lo, "PreconditionFailedException", NULL, RemovePermission,
                 .FunctionName = STR("f"), .StatementId = STR("a"), .RevisionId = second);
    /* Versions and aliases have their own. */
    struct str latest = revision_of(lo, NULL);
    PERMIT(lo, "a", .Qualifier = STR("1"));
    assert_str(policy_revision_of(lo, "1"), revision_of(lo, "1"));
    assert_str(revision_of(lo, NULL), latest);
    const struct lambda_AliasConfiguration *alias =
        LAMBDA_OK(lo, AliasConfiguration, CreateAlias, .FunctionName = STR("f"),
                  .Name = STR("live"), .FunctionVersion = STR("1"));
    struct str made = str_copy(lo->arena, alias->RevisionId);
    PERMIT(lo, "a", .Qualifier = STR("live"), .RevisionId = made);
    LAMBDA_FAILS(lo, "PreconditionFailedException", NULL, UpdateAlias, .FunctionName = STR("f"),
                 .Name = STR("live"), .Description = STR("d"), .RevisionId = made);
    LAMBDA_DO(lo, UpdateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .Description = STR("d"), .RevisionId = policy_revision_of(lo, "live"));
    /* Nothing but the revision has changed: no version. */
    const struct lambda_FunctionConfiguration *again =
        LAMBDA_OK(lo, FunctionConfiguration, PublishVersion, .FunctionName = STR("f"));
    assert_str(again->Version, STR("1"));
}

/* --- execution roles --- */

static void execution_roles_are_asked_first(void **state)
{
    struct loopback *lo = *state;
    struct lambda_DeadLetterConfig dead = {STR(Q)};
    struct lambda_TracingConfig active = {STR("Active")};
    struct str subnet = STR("subnet-12345678"), group = STR("sg-12345678");
    struct lambda_VpcConfig vpc = {.SubnetIds = {&subnet, 1}, .SecurityGroupIds = {&group, 1}};
    (void)lambda_make(lo, "f");
    (void)sqs_queue(lo, "q");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The provided execution role does not have permissions to call SendMessage on SQS",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .DeadLetterConfig = &dead);
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The provided execution role does not have permissions to call PutTraceSegments "
                 "on XRAY",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .TracingConfig = &active);
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The provided execution role does not have permissions to call "
                 "CreateNetworkInterface on EC2",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .VpcConfig = &vpc);
    allow(lo, POLICY("Allow", "*", "*"));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .DeadLetterConfig = &dead,
              .TracingConfig = &active, .VpcConfig = &vpc);
    loopback_advance(lo, 1000);
    /* A role that may not takes its place. */
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The provided execution role does not have permissions to call SendMessage on SQS",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"),
                 .Role = lambda_role(lo, "weak"));
}

/* --- concurrency --- */

static void what_provisioned_concurrency_is_not_for(void **state)
{
    struct loopback *lo = *state;
    struct lambda_AdditionalVersionWeights_entry weight = {STR("2"), opt_double(0.5)};
    struct lambda_AliasRoutingConfiguration routing = {{&weight, 1}};
    struct lambda_SnapStart snaps = {STR("PublishedVersions")};
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    update(lo);
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .FunctionVersion = STR("1"), .RoutingConfig = &routing);
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Alias with weights can not be used with Provisioned Concurrency",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"),
                 .Qualifier = STR("live"), .ProvisionedConcurrentExecutions = opt_int(1));
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("head"),
              .FunctionVersion = STR("$LATEST"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Provisioned Concurrency Configs cannot be applied to unpublished function "
                 "versions.",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"),
                 .Qualifier = STR("head"), .ProvisionedConcurrentExecutions = opt_int(1));
    LAMBDA_DO(lo, UpdateAlias, .FunctionName = STR("f"), .Name = STR("head"),
              .FunctionVersion = STR("1"));
    LAMBDA_DO(lo, PutProvisionedConcurrencyConfig, .FunctionName = STR("f"),
              .Qualifier = STR("head"), .ProvisionedConcurrentExecutions = opt_int(1));
    LAMBDA_DO(lo, PutProvisionedConcurrencyConfig, .FunctionName = STR("f"),
              .Qualifier = STR("head"), .ProvisionedConcurrentExecutions = opt_int(2));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Version is pointed by a Provisioned Concurrency alias",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"), .Qualifier = STR("1"),
                 .ProvisionedConcurrentExecutions = opt_int(1));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .SnapStart = &snaps);
    loopback_advance(lo, 1000);
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Provisioned Concurrency is not supported for SnapStart enabled functions.",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"), .Qualifier = STR("3"),
                 .ProvisionedConcurrentExecutions = opt_int(1));
}

static void snapshots_have_limits(void **state)
{
    struct loopback *lo = *state;
    struct lambda_SnapStart snaps = {STR("PublishedVersions")};
    struct lambda_EphemeralStorage large = {opt_int(513)};
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "SnapStart is not supported with ephemeral storage greater than 512 MB.",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .SnapStart = &snaps,
                 .EphemeralStorage = &large);
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "nodejs22.x is not supported for SnapStart enabled functions.",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .SnapStart = &snaps,
                 .Runtime = STR("nodejs22.x"));
}

/* --- keys --- */

static void a_key_that_is_taken_back_leaves_nothing(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .KMSKeyArn = STR(""));
    loopback_advance(lo, 1000);
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"));
    assert_true(str_is_absent(got->KMSKeyArn));
}

/* --- tags --- */

#define MAY(actions)                                                                               \
    STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[" actions    \
        "],\"Resource\":\"*\"}]}")

static void tags_are_given_and_read_by_who_may(void **state)
{
    struct loopback *lo = *state;
    struct lambda_FunctionCode code = {.ZipFile = zip_one(lo, "a.py", "1")};
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, TagResource, .Resource = STR(F), .Tags = PAIRS(lo, "team", "a"));
    struct lambda_CreateFunctionRequest in = {.FunctionName = STR("g"),
                                              .Runtime = STR("python3.12"),
                                              .Role = lambda_role(lo, "g"),
                                              .Handler = STR("a.h"),
                                              .Code = &code,
                                              .Tags = PAIRS(lo, "team", "a")};
    IAM_DO(lo, CreateUser, .UserName = STR("dev"));
    lambda_as_dev(lo, MAY("\"lambda:GetFunction\",\"lambda:CreateFunction\",\"iam:PassRole\""));
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in),
                   "AccessDeniedException", NULL);
    const struct lambda_GetFunctionResponse *got =
        LAMBDA_OK(lo, GetFunctionResponse, GetFunction, .FunctionName = STR("f"));
    assert_int_equal(got->Tags.len, 0);
    assert_str(got->TagsError->ErrorCode, STR("AccessDeniedException"));
    lambda_as_dev(lo, MAY("\"lambda:*\",\"iam:PassRole\""));
    loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in));
    got = LAMBDA_OK(lo, GetFunctionResponse, GetFunction, .FunctionName = STR("g"));
    assert_int_equal(got->Tags.len, 1);
    assert_null(got->TagsError);
}

static void mappings_need_a_function(void **state)
{
    struct loopback *lo = *state;
    (void)sqs_queue(lo, "q");
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Function does not exist",
                 CreateEventSourceMapping, .FunctionName = STR("none"), .EventSourceArn = STR(Q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(codes_and_runtimes_in_lambdas_words),
        LAMBDA_TEST(only_plain_numbers_are_versions),
        LAMBDA_TEST(policies_have_the_revision_of_what_they_are_of),
        LAMBDA_TEST(execution_roles_are_asked_first),
        LAMBDA_TEST(what_provisioned_concurrency_is_not_for),
        LAMBDA_TEST(snapshots_have_limits),
        LAMBDA_TEST(a_key_that_is_taken_back_leaves_nothing),
        LAMBDA_TEST(tags_are_given_and_read_by_who_may),
        LAMBDA_TEST(mappings_need_a_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
