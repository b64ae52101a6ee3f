/* Who may what with functions and layers: policies of functions, of versions of layers, of those
 * who ask; keys of environment variables. */
#include "service/lambda_support.h"

#include <stdlib.h>

#include "cloud/clock.h"
#include "cloud/keys.h"
#include "services/lambda/lambda_int.h"

#define F "arn:aws:lambda:us-east-1:000000000000:function:f"

static void as_account(struct loopback *lo, const char *account)
{
    lo->account = str_from_c(account);
}

/* --- policies of functions --- */

static void statements_look_as_aws_writes_them(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "The resource you requested does not exist.",
                 GetPolicy, .FunctionName = STR("f"));
    const struct lambda_AddPermissionResponse *added =
        LAMBDA_OK(lo, AddPermissionResponse, AddPermission, .FunctionName = STR("f"),
                  .StatementId = STR("s3"), .Action = STR("lambda:InvokeFunction"),
                  .Principal = STR("s3.amazonaws.com"), .SourceArn = STR("arn:aws:s3:::b"),
                  .SourceAccount = STR("000000000000"));
    assert_str(added->Statement,
               STR("{\"Sid\":\"s3\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
                   "\"s3.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"" F
                   "\",\"Condition\":{\"StringEquals\":{\"AWS:SourceAccount\":\"000000000000\"},"
                   "\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:s3:::b\"}}}"));
    added = LAMBDA_OK(lo, AddPermissionResponse, AddPermission, .FunctionName = STR("f"),
                      .StatementId = STR("alexa"), .Action = STR("lambda:InvokeFunction"),
                      .Principal = STR("alexa-appkit.amazon.com"), .EventSourceToken = STR("t-1"));
    assert_str(added->Statement,
               STR("{\"Sid\":\"alexa\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
                   "\"alexa-appkit.amazon.com\"},\"Action\":\"lambda:InvokeFunction\","
                   "\"Resource\":\"" F "\",\"Condition\":{\"StringEquals\":"
                   "{\"lambda:EventSourceToken\":\"t-1\"}}}"));
    added = LAMBDA_OK(lo, AddPermissionResponse, AddPermission, .FunctionName = STR("f"),
                      .StatementId = STR("org"), .Action = STR("lambda:InvokeFunctionUrl"),
                      .Principal = STR("*"), .PrincipalOrgID = STR("o-a1b2c3d4e5"),
                      .FunctionUrlAuthType = STR("AWS_IAM"));
    assert_str(added->Statement,
               STR("{\"Sid\":\"org\",\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":"
                   "\"lambda:InvokeFunctionUrl\",\"Resource\":\"" F "\",\"Condition\":"
                   "{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"AWS_IAM\","
                   "\"aws:PrincipalOrgID\":\"o-a1b2c3d4e5\"}}}"));
    LAMBDA_FAILS(lo, "ResourceConflictException",
                 "The statement id (org) provided already exists. Please provide a new statement "
                 "id, or remove the existing statement.",
                 AddPermission, .FunctionName = STR("f"), .StatementId = STR("org"),
                 .Action = STR("lambda:InvokeFunction"), .Principal = STR("s3.amazonaws.com"));
    const struct lambda_GetPolicyResponse *policy =
        LAMBDA_OK(lo, GetPolicyResponse, GetPolicy, .FunctionName = STR("f"));
    assert_true(str_starts_with(policy->Policy, STR("{\"Version\":\"2012-10-17\",\"Id\":\"default\""
                                                    ",\"Statement\":[{\"Sid\":\"s3\"")));
}

static void what_permissions_refuse(void **state)
{
    struct loopback *lo = *state;
    struct str invoke = STR("lambda:InvokeFunction"), s3 = STR("s3.amazonaws.com");
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The provided principal was invalid. Please check the principal and try again.",
                 AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"), .Action = invoke,
                 .Principal = STR("nobody"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, AddPermission,
                 .FunctionName = STR("f"), .StatementId = STR("s"), .Action = invoke,
                 .Principal = ARN("role/none"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action",
                 AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"), .Action = invoke,
                 .Principal = s3, .FunctionUrlAuthType = STR("NONE"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action",
                 AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
                 .Action = STR("lambda:GetFunction"), .Principal = s3,
                 .InvokedViaFunctionUrl = opt_bool(true));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "We currently do not support adding policies for $LATEST.", AddPermission,
                 .FunctionName = STR("f"), .StatementId = STR("s"), .Action = invoke,
                 .Principal = s3, .Qualifier = STR("$LATEST"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, AddPermission, .FunctionName = STR("f"),
                 .StatementId = STR("s"), .Action = invoke, .Principal = s3, .Qualifier = STR("7"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "No policy is associated with the given resource.", RemovePermission,
                 .FunctionName = STR("f"), .StatementId = STR("s"));
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
              .Action = invoke, .Principal = s3);
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Statement t is not found in resource policy.",
                 RemovePermission, .FunctionName = STR("f"), .StatementId = STR("t"));
    LAMBDA_FAILS(lo, "PreconditionFailedException",
                 "The Revision Id provided does not match the latest Revision Id. Call the "
                 "GetPolicy API to retrieve the latest Revision Id",
                 RemovePermission, .FunctionName = STR("f"), .StatementId = STR("s"),
                 .RevisionId = STR("x"));
    /* One above 20 KiB. */
    char long_arn[10000];
    memset(long_arn, 'x', sizeof long_arn);
    memcpy(long_arn, "arn:aws:s3:::", 13);
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("a"),
              .Action = invoke, .Principal = s3, .SourceArn = str_make(long_arn, sizeof long_arn));
    loopback_error(LAMBDA_CALL(lo, AddPermission, AddPermissionRequest, .FunctionName = STR("f"),
                               .StatementId = STR("b"), .Action = invoke, .Principal = s3,
                               .SourceArn = str_make(long_arn, sizeof long_arn)),
                   "PolicyLengthExceededException", NULL);
    LAMBDA_DO(lo, RemovePermission, .FunctionName = STR("f"), .StatementId = STR("s"));
    LAMBDA_DO(lo, RemovePermission, .FunctionName = STR("f"), .StatementId = STR("a"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetPolicy, .FunctionName = STR("f"));
}

static void permissions_know_actions_and_principals(void **state)
{
    static const struct str actions[] = {STR_INIT("lambda:Invoke"), STR_INIT("lambda:GetFunctions"),
                                         STR_INIT("lambda:InvokeWithResponseStream")};
    static const struct str principals[] = {
        STR_INIT("amazonaws.com"),
        STR_INIT(".amazonaws.com"),
        STR_INIT("s3..amazonaws.com"),
        STR_INIT("s3_x.amazonaws.com"),
        STR_INIT("S3.amazonaws.com"),
        STR_INIT("s3.amazon.com"),
        STR_INIT("s3.amazonaws.com.evil"),
        STR_INIT("11111111111"),
        STR_INIT("arn:aws:iam::111111111111:group/g"),
        STR_INIT("arn:aws:iam::111111111111:user/"),
        STR_INIT("arn:aws:iam::111111111111:*"),
        STR_INIT("arn:aws:iam:us-east-1:111111111111:root"),
        STR_INIT("arn:aws:iam:111111111111:role/r"),
        STR_INIT("arn:aws:sts::111111111111:root"),
        STR_INIT("arn:aws:s3:::bucket"),
    };
    static const struct {
        struct str action, principal;
    } good[] = {
        {STR_INIT("*"), STR_INIT("*")},
        {STR_INIT("lambda:*"), STR_INIT("111111111111")},
        {STR_INIT("lambda:InvokeAsync"), STR_INIT("arn:aws:iam::111111111111:root")},
        {STR_INIT("lambda:invokefunction"), STR_INIT("states.us-east-1.amazonaws.com")},
        {STR_INIT("lambda:InvokeFunction"), STR_INIT("s3.amazonaws.com.cn")},
        {STR_INIT("lambda:GetDurableExecution"), STR_INIT("alexa-connectedhome.amazon.com")},
    };
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        LAMBDA_FAILS(lo, "InvalidParameterValueException",
                     "The provided action was invalid. Please check the action and try again.",
                     AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
                     .Action = actions[i], .Principal = STR("s3.amazonaws.com"));
    for (size_t i = 0; i < sizeof principals / sizeof principals[0]; i++)
        LAMBDA_FAILS(lo, "InvalidParameterValueException",
                     "The provided principal was invalid. Please check the principal and try "
                     "again.",
                     AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
                     .Action = STR("lambda:InvokeFunction"), .Principal = principals[i]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
                  .Action = good[i].action, .Principal = good[i].principal);
        LAMBDA_DO(lo, RemovePermission, .FunctionName = STR("f"), .StatementId = STR("s"));
    }
}

static void another_account_needs_the_policy(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .FunctionVersion = STR("1"));
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
              .Action = STR("lambda:GetFunctionConfiguration"), .Principal = STR("111111111111"),
              .Qualifier = STR("live"));
    as_account(lo, "111111111111");
    LAMBDA_DO(lo, GetFunctionConfiguration, .FunctionName = STR(F ":live"));
    LAMBDA_DO(lo, GetFunctionConfiguration, .FunctionName = STR("000000000000:function:f"),
              .Qualifier = STR("live"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetFunctionConfiguration,
                 .FunctionName = STR(F));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetFunctionConfiguration,
                 .FunctionName = STR(F ":1"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetFunction, .FunctionName = STR(F ":live"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, DeleteFunction, .FunctionName = STR(F));
    as_account(lo, "000000000000");
    LAMBDA_DO(lo, RemovePermission, .FunctionName = STR("f:live"), .StatementId = STR("s"));
    as_account(lo, "111111111111");
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetFunctionConfiguration,
                 .FunctionName = STR(F ":live"));
}

static void a_whole_policy_replaces_the_statements(void **state)
{
    struct loopback *lo = *state;
    struct str document = STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"q\","
                              "\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"111111111111\"},"
                              "\"Action\":\"lambda:GetFunction\",\"Resource\":\"" F "\"}]}");
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
              .Action = STR("lambda:InvokeFunction"), .Principal = STR("s3.amazonaws.com"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, PutResourcePolicy,
                 .ResourceArn = STR(F), .Policy = STR("{\"Version\":\"2012-10-17\"}"));
    LAMBDA_DO(lo, PutResourcePolicy, .ResourceArn = STR(F), .Policy = document);
    const struct lambda_GetPolicyResponse *got =
        LAMBDA_OK(lo, GetPolicyResponse, GetPolicy, .FunctionName = STR("f"));
    assert_str(got->Policy, document);
    LAMBDA_FAILS(lo, "PreconditionFailedException", NULL, DeleteResourcePolicy,
                 .ResourceArn = STR(F), .RevisionId = STR("00000000-0000-4000-8000-000000000000"));
    LAMBDA_DO(lo, RemovePermission, .FunctionName = STR("f"), .StatementId = STR("q"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetResourcePolicy, .ResourceArn = STR(F));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, DeleteResourcePolicy,
                 .ResourceArn = STR(F));
}

/* --- policies of users --- */

#define STATEMENT(action, condition)                                                               \
    STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"" action    \
        "\",\"Resource\":\"*\",\"Condition\":" condition "}]}")

static void conditions_know_what_is_asked_for(void **state)
{
    struct loopback *lo = *state;
    struct str layers[] = {STR("arn:aws:lambda:us-east-1:000000000000:layer:l:1"),
                           STR("arn:aws:lambda:us-east-1:000000000000:layer:m:1")};
    struct lambda_LayerVersionContentInput content = {.ZipFile = zip_one(lo, "l", "1")};
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishLayerVersion, .LayerName = STR("l"), .Content = &content);
    LAMBDA_DO(lo, PublishLayerVersion, .LayerName = STR("m"), .Content = &content);
    LAMBDA_DO(lo, TagResource, .Resource = STR(F), .Tags = PAIRS(lo, "team", "a"));
    IAM_DO(lo, CreateUser, .UserName = STR("dev"));
    lambda_as_dev(lo, POLICY("Allow", "lambda:GetFunction", F));
    LAMBDA_DO(lo, GetFunction, .FunctionName = STR("000000000000:f"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, DeleteFunction, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetFunction, .FunctionName = STR("g"));
    /* Each of the layers must be one of these. */
    lambda_as_dev(lo,
                  STATEMENT("lambda:*", "{\"ForAllValues:StringEquals\":{\"lambda:Layer\":"
                                        "\"arn:aws:lambda:us-east-1:000000000000:layer:l:1\"}}"));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Layers = {layers, 1});
    loopback_advance(lo, 1000);
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, UpdateFunctionConfiguration,
                 .FunctionName = STR("f"), .Layers = {layers, 2});
    lambda_as_dev(lo, STATEMENT("lambda:AddPermission",
                                "{\"StringEquals\":{\"lambda:Principal\":\"s3.amazonaws.com\"}}"));
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
              .Action = STR("lambda:InvokeFunction"), .Principal = STR("s3.amazonaws.com"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, AddPermission, .FunctionName = STR("f"),
                 .StatementId = STR("t"), .Action = STR("lambda:InvokeFunction"),
                 .Principal = STR("*"));
    lambda_as_dev(lo, STATEMENT("lambda:CreateFunctionUrlConfig",
                                "{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"AWS_IAM\"}}"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, CreateFunctionUrlConfig,
                 .FunctionName = STR("f"), .AuthType = STR("NONE"));
    LAMBDA_DO(lo, CreateFunctionUrlConfig, .FunctionName = STR("f"), .AuthType = STR("AWS_IAM"));
    lambda_as_dev(
        lo, STATEMENT("lambda:GetFunction", "{\"StringEquals\":{\"aws:ResourceTag/team\":\"a\"}}"));
    LAMBDA_DO(lo, GetFunction, .FunctionName = STR("f"));
    lambda_as_dev(
        lo, STATEMENT("lambda:GetFunction", "{\"StringEquals\":{\"aws:ResourceTag/team\":\"b\"}}"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetFunction, .FunctionName = STR("f"));
    lambda_as_dev(lo, STATEMENT("lambda:InvokeFunction",
                                "{\"Bool\":{\"lambda:InvokedViaFunctionUrl\":\"true\"}}"));
    loopback_error(LAMBDA_CALL(lo, Invoke, InvocationRequest, .FunctionName = STR("f"),
                               .InvocationType = STR("DryRun")),
                   "AccessDeniedException", NULL);
    lambda_as_dev(lo, STATEMENT("lambda:InvokeFunction",
                                "{\"Bool\":{\"lambda:InvokedViaFunctionUrl\":\"false\"}}"));
    loopback_ok(LAMBDA_CALL(lo, Invoke, InvocationRequest, .FunctionName = STR("f"),
                            .InvocationType = STR("DryRun")));
}

static void conditions_know_what_is_there(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    (void)sqs_queue(lo, "q");
    IAM_DO(lo, PutRolePolicy, .RoleName = STR("f"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "sqs:*", "*"));
    const struct lambda_EventSourceMappingConfiguration *mapping = LAMBDA_OK(
        lo, EventSourceMappingConfiguration, CreateEventSourceMapping, .FunctionName = STR("f"),
        .EventSourceArn = STR("arn:aws:sqs:us-east-1:000000000000:q"),
        .Tags = PAIRS(lo, "team", "a"));
    struct str uuid = str_copy(lo->arena, mapping->UUID);
    struct str profile =
        STR("arn:aws:signer:us-east-1:000000000000:/signing-profiles/P/abcdefghij");
    struct lambda_AllowedPublishers publishers = {{&profile, 1}};
    const struct lambda_CreateCodeSigningConfigResponse *signing =
        LAMBDA_OK(lo, CreateCodeSigningConfigResponse, CreateCodeSigningConfig,
                  .AllowedPublishers = &publishers, .Tags = PAIRS(lo, "team", "a"));
    struct str config = str_copy(lo->arena, signing->CodeSigningConfig->CodeSigningConfigArn);
    LAMBDA_DO(lo, CreateFunctionUrlConfig, .FunctionName = STR("f"), .AuthType = STR("NONE"));
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
              .Action = STR("lambda:InvokeFunctionUrl"), .Principal = STR("*"),
              .FunctionUrlAuthType = STR("NONE"));
    struct str source = str_copy(lo->arena, mapping->EventSourceMappingArn);
    as_account(lo, "111111111111");
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetCodeSigningConfig,
                 .CodeSigningConfigArn = config);
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, ListTags, .Resource = config);
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, TagResource, .Resource = source,
                 .Tags = PAIRS(lo, "team", "b"));
    as_account(lo, "000000000000");
    IAM_DO(lo, CreateUser, .UserName = STR("dev"));
    lambda_as_dev(lo, STATEMENT("lambda:*", "{\"StringEquals\":{\"aws:ResourceTag/team\":\"a\"}}"));
    LAMBDA_DO(lo, GetEventSourceMapping, .UUID = uuid);
    LAMBDA_DO(lo, GetCodeSigningConfig, .CodeSigningConfigArn = config);
    LAMBDA_DO(lo, ListTags, .Resource = config);
    lambda_as_dev(lo, STATEMENT("lambda:*", "{\"StringEquals\":{\"aws:ResourceTag/team\":\"b\"}}"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetEventSourceMapping, .UUID = uuid);
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetCodeSigningConfig,
                 .CodeSigningConfigArn = config);
    lambda_as_dev(lo, STATEMENT("lambda:*",
                                "{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"AWS_IAM\"}}"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetFunctionUrlConfig, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, RemovePermission, .FunctionName = STR("f"),
                 .StatementId = STR("s"));
    lambda_as_dev(
        lo, STATEMENT("lambda:*", "{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"NONE\"}}"));
    LAMBDA_DO(lo, GetFunctionUrlConfig, .FunctionName = STR("f"));
    LAMBDA_DO(lo, DeleteFunctionUrlConfig, .FunctionName = STR("f"));
    lambda_as_dev(lo, STATEMENT("lambda:*", "{\"StringEquals\":{\"lambda:Principal\":"
                                            "\"s3.amazonaws.com\"}}"));
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, RemovePermission, .FunctionName = STR("f"),
                 .StatementId = STR("s"));
    lambda_as_dev(lo, STATEMENT("lambda:*", "{\"StringEquals\":{\"lambda:Principal\":\"*\"}}"));
    LAMBDA_DO(lo, RemovePermission, .FunctionName = STR("f"), .StatementId = STR("s"));
}

/* --- layers --- */

#define L "arn:aws:lambda:us-east-1:111111111111:layer:l"

static void layers_are_shared_by_version(void **state)
{
    struct loopback *lo = *state;
    struct str layer = STR(L ":1"), missing = STR(L ":9");
    struct lambda_LayerVersionContentInput content = {.ZipFile = zip_one(lo, "python/x.py", "1")};
    (void)lambda_make(lo, "f");
    as_account(lo, "111111111111");
    const struct lambda_PublishLayerVersionResponse *made =
        LAMBDA_OK(lo, PublishLayerVersionResponse, PublishLayerVersion, .LayerName = STR("l"),
                  .Content = &content, .Description = STR("d"));
    assert_str(made->LayerVersionArn, layer);
    assert_str(made->LayerArn, STR(L));
    LAMBDA_DO(lo, PublishLayerVersion, .LayerName = STR("l"), .Content = &content);
    as_account(lo, "000000000000");
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, UpdateFunctionConfiguration,
                 .FunctionName = STR("f"), .Layers = {&layer, 1});
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, UpdateFunctionConfiguration,
                 .FunctionName = STR("f"), .Layers = {&missing, 1});
    LAMBDA_FAILS(lo, "AccessDeniedException", NULL, GetLayerVersionByArn, .Arn = layer);
    as_account(lo, "111111111111");
    LAMBDA_DO(lo, AddLayerVersionPermission, .LayerName = STR("l"), .VersionNumber = opt_long(1),
              .StatementId = STR("s"), .Action = STR("lambda:GetLayerVersion"),
              .Principal = STR("000000000000"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, AddLayerVersionPermission,
                 .LayerName = STR("l"), .VersionNumber = opt_long(1), .StatementId = STR("o"),
                 .Action = STR("lambda:GetLayerVersion"), .Principal = STR("000000000000"),
                 .OrganizationId = STR("o-a1b2c3d4e5"));
    as_account(lo, "000000000000");
    LAMBDA_DO(lo, GetLayerVersionByArn, .Arn = layer);
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Layers = {&layer, 1});
    as_account(lo, "111111111111");
    LAMBDA_DO(lo, DeleteLayerVersion, .LayerName = STR("l"), .VersionNumber = opt_long(1));
    LAMBDA_DO(lo, DeleteLayerVersion, .LayerName = STR("l"), .VersionNumber = opt_long(1));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "The resource you requested does not exist.",
                 GetLayerVersion, .LayerName = STR("l"), .VersionNumber = opt_long(1));
    made = LAMBDA_OK(lo, PublishLayerVersionResponse, PublishLayerVersion, .LayerName = STR("l"),
                     .Content = &content);
    assert_int_equal(made->Version.value, 3);
    as_account(lo, "000000000000");
    /* The function goes on with what it has. */
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"));
    assert_str(got->Layers.items[0].Arn, layer);
    assert_int_equal(got->Layers.items[0].CodeSize.value, content.ZipFile.len);
}

static void layers_of_a_function_have_their_rules(void **state)
{
    struct loopback *lo = *state;
    struct lambda_LayerVersionContentInput content = {.ZipFile = zip_one(lo, "x", "1")};
    struct str layers[6];
    (void)lambda_make(lo, "f");
    for (int i = 0; i < 6; i++) {
        struct str name = str_format(lo->arena, "l%d", i);
        layers[i] =
            str_copy(lo->arena, LAMBDA_OK(lo, PublishLayerVersionResponse, PublishLayerVersion,
                                          .LayerName = name, .Content = &content)
                                    ->LayerVersionArn);
    }
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Cannot reference more than 5 layers.",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .Layers = {layers, 6});
    layers[1] = STR("arn:aws:lambda:us-east-1:000000000000:layer:l0:2");
    LAMBDA_DO(lo, PublishLayerVersion, .LayerName = STR("l0"), .Content = &content);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, UpdateFunctionConfiguration,
                 .FunctionName = STR("f"), .Layers = {layers, 2});
    layers[1] = STR("arn:aws:lambda:us-east-1:000000000000:layer:none:1");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Layer version arn:aws:lambda:us-east-1:000000000000:layer:none:1 does not exist.",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .Layers = {layers, 2});
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Layers = {layers, 1});
    loopback_advance(lo, 1000);
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, UpdateFunctionConfiguration, .FunctionName = STR("f"),
                  .Layers = {layers, 0});
    assert_int_equal(got->Layers.len, 0);
    const struct lambda_ListLayersResponse *list =
        LAMBDA_OK(lo, ListLayersResponse, ListLayers, .MaxItems = opt_int(4));
    assert_int_equal(list->Layers.len, 4);
    assert_int_equal(list->Layers.items[0].LatestMatchingVersion->Version.value, 2);
    list = LAMBDA_OK(lo, ListLayersResponse, ListLayers,
                     .Marker = str_copy(lo->arena, list->NextMarker));
    assert_int_equal(list->Layers.len, 2);
}

/* --- keys --- */

static void make_key(struct loopback *lo, struct keys_key *key, bool disabled)
{
    struct call call = {.arena = lo->arena, .cloud = lo->cloud, .now_ms = loopback_now(lo)};
    assert_int_equal(kv_begin(lo->cloud->kv, true, &call.txn), RESULT_OK);
    if (disabled)
        assert_int_equal(keys_set_disabled(&call, key, true), RESULT_OK);
    else
        assert_int_equal(keys_create(&call, lo->account, lo->region, key), RESULT_OK);
    assert_int_equal(kv_commit(call.txn), RESULT_OK);
}

static void variables_are_sealed_with_the_customers_key(void **state)
{
    struct loopback *lo = *state;
    struct keys_key key;
    struct lambda_Environment environment = {.Variables = PAIRS(lo, "SECRET", "hidden-value")};
    (void)lambda_make(lo, "f");
    make_key(lo, &key, false);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, UpdateFunctionConfiguration,
                 .FunctionName = STR("f"), .Environment = &environment,
                 .KMSKeyArn = STR("arn:aws:kms:us-east-1:000000000000:key/none"));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"),
              .Environment = &environment, .KMSKeyArn = key.arn);
    loopback_advance(lo, 1000);
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"));
    assert_str(got->KMSKeyArn, key.arn);
    assert_str(got->Environment->Variables.items[0].value, STR("hidden-value"));
    /* The store has no trace of them. */
    loopback_stop(lo);
    struct str command = str_format(lo->arena, "! grep -rqs hidden-value '%s'", lo->directory);
    assert_int_equal(system(str_to_c(lo->arena, command)), 0);
    loopback_start(lo);
    IAM_DO(lo, CreateUser, .UserName = STR("dev"));
    lambda_as_dev(lo, POLICY("Allow", "lambda:*", "*"));
    got = LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"));
    assert_null(got->Environment->Variables.items);
    assert_str(got->Environment->Error->ErrorCode, STR("AccessDeniedException"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, UpdateFunctionConfiguration,
                 .FunctionName = STR("f"), .KMSKeyArn = key.arn);
    lo->principal = PRINCIPAL_ROOT;
    lo->user = (struct str){0};
    make_key(lo, &key, true);
    got = LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"));
    assert_null(got->Environment->Variables.items);
    assert_str(got->Environment->Error->ErrorCode, STR("KMSDisabledException"));
}

/* What Invoke would answer before anything runs. */
static void spec_fails(struct loopback *lo, const char *code, const char *message)
{
    struct lambda_name name = {.account = lo->account, .region = lo->region, .function = STR("f")};
    struct call call = {.arena = lo->arena,
                        .cloud = lo->cloud,
                        .model = &lambda_model,
                        .account = lo->account,
                        .region = lo->region,
                        .partition = STR("aws"),
                        .now_ms = loopback_now(lo)};
    struct lambda_target target;
    struct function_spec spec;
    assert_int_equal(kv_begin(lo->cloud->kv, true, &call.txn), RESULT_OK);
    assert_int_equal(lambda_find(&call, &name, &target), RESULT_OK);
    assert_int_equal(lambda_spec(&call, &target, &spec), RESULT_ERROR);
    assert_str(wire_string(&lambda_model, lambda_model.errors[call.error].name), str_from_c(code));
    if (!str_starts_with(call.message, str_from_c(message)))
        fail_msg("%.*s", PRSTR(call.message));
    kv_abort(call.txn);
}

static void what_an_environment_needs_may_be_gone(void **state)
{
    struct loopback *lo = *state;
    struct keys_key key;
    struct lambda_Environment environment = {.Variables = PAIRS(lo, "SECRET", "hidden-value")};
    (void)lambda_make(lo, "f");
    make_key(lo, &key, false);
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"),
              .Environment = &environment, .KMSKeyArn = key.arn);
    make_key(lo, &key, true);
    spec_fails(lo, "KMSDisabledException",
               "Lambda was unable to decrypt the environment variables because the KMS key used is "
               "disabled. Please check the function's KMS key settings. KMS Exception: ");
    loopback_advance(lo, 1000);
    environment.Variables = PAIRS(lo, "PLAIN", "x");
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"),
              .Environment = &environment, .KMSKeyArn = STR(""));
    IAM_DO(lo, DeleteRole, .RoleName = STR("f"));
    spec_fails(lo, "InvalidParameterValueException",
               "The role defined for the function cannot be assumed by Lambda.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(statements_look_as_aws_writes_them),
        LAMBDA_TEST(what_permissions_refuse),
        LAMBDA_TEST(permissions_know_actions_and_principals),
        LAMBDA_TEST(another_account_needs_the_policy),
        LAMBDA_TEST(a_whole_policy_replaces_the_statements),
        LAMBDA_TEST(conditions_know_what_is_asked_for),
        LAMBDA_TEST(conditions_know_what_is_there),
        LAMBDA_TEST(layers_are_shared_by_version),
        LAMBDA_TEST(layers_of_a_function_have_their_rules),
        LAMBDA_TEST(variables_are_sealed_with_the_customers_key),
        LAMBDA_TEST(what_an_environment_needs_may_be_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
