/* Each operation's errors, in AWS's words: what is not there, what is named wrongly, what is not
 * for versions, what is out of range. */
#include "service/lambda_support.h"
#include "store/key.h"
#include "store/record.h"

#define F "arn:aws:lambda:us-east-1:000000000000:function:f"
#define NONE "arn:aws:lambda:us-east-1:000000000000:function:none"
#define CSC "arn:aws:lambda:us-east-1:000000000000:code-signing-config:csc-00000000000000000"

#define MISSING(lo, operation, ...)                                                                \
    LAMBDA_FAILS((lo), "ResourceNotFoundException", "Function not found: " NONE, operation,        \
                 .FunctionName = STR("none"), __VA_ARGS__)
#define GONE(lo, operation)                                                                        \
    LAMBDA_FAILS((lo), "ResourceNotFoundException", "Function not found: " NONE, operation,        \
                 .FunctionName = STR("none"))
#define UNQUALIFIED(lo, operation, ...)                                                            \
    LAMBDA_FAILS((lo), "InvalidParameterValueException",                                           \
                 "This operation is permitted on Lambda functions only. Aliases and versions do "  \
                 "not support this operation. Please specify either a function name or an "        \
                 "unqualified function ARN.",                                                      \
                 operation, .FunctionName = STR("f:1"), __VA_ARGS__)
#define OF_VERSION(lo, operation)                                                                  \
    LAMBDA_FAILS((lo), "InvalidParameterValueException",                                           \
                 "This operation is permitted on Lambda functions only. Aliases and versions do "  \
                 "not support this operation. Please specify either a function name or an "        \
                 "unqualified function ARN.",                                                      \
                 operation, .FunctionName = STR("f:1"))

static void functions_that_are_not_there(void **state)
{
    struct loopback *lo = *state;
    MISSING(lo, CreateAlias, .Name = STR("a"), .FunctionVersion = STR("1"));
    MISSING(lo, CreateFunctionUrlConfig, .AuthType = STR("NONE"));
    MISSING(lo, DeleteAlias, .Name = STR("a"));
    GONE(lo, DeleteFunction);
    GONE(lo, DeleteFunctionCodeSigningConfig);
    GONE(lo, DeleteFunctionConcurrency);
    GONE(lo, DeleteFunctionEventInvokeConfig);
    GONE(lo, DeleteFunctionUrlConfig);
    MISSING(lo, GetAlias, .Name = STR("a"));
    GONE(lo, GetFunction);
    GONE(lo, GetFunctionCodeSigningConfig);
    GONE(lo, GetFunctionConcurrency);
    GONE(lo, GetFunctionConfiguration);
    GONE(lo, GetFunctionEventInvokeConfig);
    GONE(lo, GetFunctionRecursionConfig);
    GONE(lo, GetFunctionUrlConfig);
    GONE(lo, GetPolicy);
    GONE(lo, GetRuntimeManagementConfig);
    GONE(lo, ListAliases);
    GONE(lo, ListFunctionEventInvokeConfigs);
    GONE(lo, ListFunctionUrlConfigs);
    GONE(lo, ListProvisionedConcurrencyConfigs);
    GONE(lo, ListVersionsByFunction);
    GONE(lo, PublishVersion);
}

static void functions_that_would_change(void **state)
{
    struct loopback *lo = *state;
    struct str invoke = STR("lambda:InvokeFunction"), s3 = STR("s3.amazonaws.com");
    struct lambda_SnapStart snaps = {STR("None")};
    MISSING(lo, AddPermission, .StatementId = STR("s"), .Action = invoke, .Principal = s3);
    MISSING(lo, PutFunctionCodeSigningConfig, .CodeSigningConfigArn = STR(CSC));
    MISSING(lo, PutFunctionConcurrency, .ReservedConcurrentExecutions = opt_int(1));
    MISSING(lo, PutFunctionEventInvokeConfig, .MaximumRetryAttempts = opt_int(1));
    MISSING(lo, PutFunctionRecursionConfig, .RecursiveLoop = STR("Allow"));
    MISSING(lo, PutRuntimeManagementConfig, .UpdateRuntimeOn = STR("Auto"));
    MISSING(lo, RemovePermission, .StatementId = STR("s"));
    MISSING(lo, UpdateAlias, .Name = STR("a"));
    MISSING(lo, UpdateFunctionCode, .ZipFile = STR("x"));
    MISSING(lo, UpdateFunctionConfiguration, .SnapStart = &snaps);
    MISSING(lo, UpdateFunctionEventInvokeConfig, .MaximumRetryAttempts = opt_int(1));
    MISSING(lo, UpdateFunctionUrlConfig, .AuthType = STR("NONE"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE ":1",
                 GetProvisionedConcurrencyConfig, .FunctionName = STR("none"),
                 .Qualifier = STR("1"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE ":1",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("none"),
                 .Qualifier = STR("1"), .ProvisionedConcurrentExecutions = opt_int(1));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE ":1",
                 DeleteProvisionedConcurrencyConfig, .FunctionName = STR("none"),
                 .Qualifier = STR("1"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE ":1",
                 GetFunctionScalingConfig, .FunctionName = STR("none"), .Qualifier = STR("1"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE ":1",
                 PutFunctionScalingConfig, .FunctionName = STR("none"), .Qualifier = STR("1"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE, ListTags,
                 .Resource = STR(NONE));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE, TagResource,
                 .Resource = STR(NONE), .Tags = PAIRS(lo, "a", "b"));
    struct str key = STR("a");
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE, UntagResource,
                 .Resource = STR(NONE), .TagKeys = {&key, 1});
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE, GetResourcePolicy,
                 .ResourceArn = STR(NONE));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "Function not found: " NONE, PutResourcePolicy,
                 .ResourceArn = STR(NONE), .Policy = STR("{}"));
}

static void what_is_not_for_versions(void **state)
{
    struct loopback *lo = *state;
    struct str key = STR("a");
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    UNQUALIFIED(lo, CreateAlias, .Name = STR("a"), .FunctionVersion = STR("1"));
    UNQUALIFIED(lo, DeleteAlias, .Name = STR("a"));
    OF_VERSION(lo, DeleteFunctionConcurrency);
    UNQUALIFIED(lo, GetAlias, .Name = STR("a"));
    OF_VERSION(lo, GetFunctionConcurrency);
    OF_VERSION(lo, ListAliases);
    OF_VERSION(lo, ListVersionsByFunction);
    OF_VERSION(lo, PublishVersion);
    UNQUALIFIED(lo, PutFunctionConcurrency, .ReservedConcurrentExecutions = opt_int(1));
    UNQUALIFIED(lo, UpdateAlias, .Name = STR("a"));
    UNQUALIFIED(lo, UpdateFunctionCode, .ZipFile = STR("x"));
    UNQUALIFIED(lo, UpdateFunctionConfiguration, .Timeout = opt_int(3));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Tags on function aliases and versions are not supported. Please specify either "
                 "a function name or an unqualified function ARN.",
                 UntagResource, .Resource = STR(F ":1"), .TagKeys = {&key, 1});
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "$LATEST version cannot be deleted without deleting the function.", DeleteFunction,
                 .FunctionName = STR("f"), .Qualifier = STR("$LATEST"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The derived qualifier from the function name does not match the specified "
                 "qualifier.",
                 GetFunction, .FunctionName = STR("f:1"), .Qualifier = STR("2"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Provisioned Concurrency Configs cannot be applied to unpublished function "
                 "versions.",
                 DeleteProvisionedConcurrencyConfig, .FunctionName = STR("f"),
                 .Qualifier = STR("$LATEST"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Runtime management is configured for $LATEST or a published version, not for an "
                 "alias.",
                 GetRuntimeManagementConfig, .FunctionName = STR("f"), .Qualifier = STR("live"));
    LAMBDA_FAILS(lo, "ValidationException", NULL, GetFunctionRecursionConfig,
                 .FunctionName = STR("f:1"));
    LAMBDA_FAILS(lo, "ValidationException", NULL, GetFunctionUrlConfig, .FunctionName = STR("f"),
                 .Qualifier = STR("1"));
}

static void names_in_all_their_forms(void **state)
{
    static const char *const good[] = {"f",
                                       "function:f",
                                       "000000000000:f",
                                       "000000000000:function:f",
                                       F,
                                       "f:$LATEST",
                                       "us-east-1:000000000000:function:f",
                                       "arn:aws:lambda:us-east-1:000000000000:function:f:1"};
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        LAMBDA_DO(lo, GetFunctionConfiguration, .FunctionName = str_from_c(good[i]));
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "Functions from 'us-west-2' are not reachable in this region ('us-east-1')",
                 GetFunctionConfiguration,
                 .FunctionName = STR("arn:aws:lambda:us-west-2:000000000000:function:f"));
    LAMBDA_FAILS(lo, "ValidationException", NULL, GetFunctionConfiguration,
                 .FunctionName = STR("f f"));
    LAMBDA_FAILS(lo, "ValidationException",
                 "1 validation error detected: Value "
                 "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' at "
                 "'functionName' failed to satisfy constraint: Member must have length less than "
                 "or equal to 64",
                 GetFunctionConfiguration,
                 .FunctionName =
                     STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void lists_have_their_limits(void **state)
{
    struct loopback *lo = *state;
    struct str bad = STR("bad");
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Invalid Marker.", ListFunctions,
                 .Marker = bad);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Invalid Marker.", ListAliases,
                 .FunctionName = STR("f"), .Marker = bad);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Invalid Marker.", ListLayers,
                 .Marker = bad);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Invalid Marker.", ListLayerVersions,
                 .LayerName = STR("l"), .Marker = bad);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Invalid Marker.", ListEventSourceMappings,
                 .Marker = bad);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Invalid Marker.", ListCodeSigningConfigs,
                 .Marker = bad);
    LAMBDA_FAILS(lo, "ValidationException",
                 "1 validation error detected: Value '51' at 'maxItems' failed to satisfy "
                 "constraint: Member must have value less than or equal to 50",
                 ListLayers, .MaxItems = opt_int(51));
    LAMBDA_FAILS(lo, "ValidationException", NULL, ListProvisionedConcurrencyConfigs,
                 .FunctionName = STR("f"), .MaxItems = opt_int(0));
    LAMBDA_FAILS(lo, "ValidationException", NULL, ListFunctionUrlConfigs, .FunctionName = STR("f"),
                 .MaxItems = opt_int(51));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "FunctionVersion must be set to ALL if MasterRegion is specified.", ListFunctions,
                 .MasterRegion = STR("us-east-1"));
}

static void layers_and_signing_that_are_not_there(void **state)
{
    struct loopback *lo = *state;
    struct str gone = STR("The resource you requested does not exist.");
    struct str profile = STR("arn:aws:signer:us-east-1:000000000000:/elsewhere/P");
    struct lambda_AllowedPublishers publishers = {{&profile, 1}};
    struct lambda_LayerVersionContentInput content = {0};
    LAMBDA_FAILS(lo, "ResourceNotFoundException", gone.ptr, GetLayerVersionPolicy,
                 .LayerName = STR("l"), .VersionNumber = opt_long(1));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", gone.ptr, RemoveLayerVersionPermission,
                 .LayerName = STR("l"), .VersionNumber = opt_long(1), .StatementId = STR("s"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Layer Version Cannot be less than 1.",
                 DeleteLayerVersion, .LayerName = STR("l"), .VersionNumber = opt_long(0));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Please provide either ZipFile, or both S3Bucket and S3Key, as the layer's "
                 "content.",
                 PublishLayerVersion, .LayerName = STR("l"), .Content = &content);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, PublishLayerVersion,
                 .LayerName = STR("arn:aws:lambda:us-west-2:000000000000:layer:l"),
                 .Content = &content);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, ListLayerVersions,
                 .LayerName = STR("arn:aws:lambda:us-west-2:000000000000:layer:l"));
    content.ZipFile = STR("");
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Uploaded file must be a non-empty zip",
                 PublishLayerVersion, .LayerName = STR("l"), .Content = &content);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, CreateCodeSigningConfig,
                 .AllowedPublishers = &publishers);
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "The Lambda code signing configuration " CSC " can not be found.",
                 UpdateCodeSigningConfig, .CodeSigningConfigArn = STR(CSC));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, DeleteCodeSigningConfig,
                 .CodeSigningConfigArn = STR(CSC));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, ListFunctionsByCodeSigningConfig,
                 .CodeSigningConfigArn = STR(CSC));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", gone.ptr, DeleteEventSourceMapping,
                 .UUID = STR("00000000-0000-4000-8000-000000000000"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", gone.ptr, GetEventSourceMapping,
                 .UUID = STR("00000000-0000-4000-8000-000000000000"));
}

static void wrong_values_of_settings(void **state)
{
    struct loopback *lo = *state;
    struct lambda_Cors cors = {.MaxAge = opt_int(86401)};
    struct str role = lambda_role(lo, "role");
    struct lambda_FunctionCode image = {.ImageUri = STR("oci:/nowhere")};
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.",
                 PutRuntimeManagementConfig, .FunctionName = STR("f"),
                 .UpdateRuntimeOn = STR("Manual"));
    LAMBDA_FAILS(lo, "ValidationException",
                 "1 validation error detected: Value 'Sometimes' at 'recursiveLoop' failed to "
                 "satisfy constraint: Member must satisfy enum value set: [Allow, Terminate]",
                 PutFunctionRecursionConfig, .FunctionName = STR("f"),
                 .RecursiveLoop = STR("Sometimes"));
    LAMBDA_FAILS(lo, "ValidationException", NULL, CreateFunctionUrlConfig, .FunctionName = STR("f"),
                 .AuthType = STR("NONE"), .Cors = &cors);
    LAMBDA_FAILS(lo, "ValidationException", NULL, UpdateFunctionEventInvokeConfig,
                 .FunctionName = STR("f"), .MaximumEventAgeInSeconds = opt_int(59));
    LAMBDA_FAILS(lo, "ValidationException", NULL, PutFunctionEventInvokeConfig,
                 .FunctionName = STR("f"), .MaximumRetryAttempts = opt_int(3));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Code signing is not supported for functions created with container images.",
                 CreateFunction, .FunctionName = STR("g"), .Role = role,
                 .PackageType = STR("Image"), .Code = &image, .CodeSigningConfigArn = STR(CSC));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Runtime and Handler are mandatory parameters for functions created with "
                 "deployment packages.",
                 CreateFunction, .FunctionName = STR("g"), .Role = role, .Code = &image);
    const struct lambda_GetAccountSettingsResponse *settings =
        loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_GetAccountSettings,
                                  &(struct lambda_GetAccountSettingsRequest){0}));
    assert_int_equal(settings->AccountUsage->FunctionCount.value, 1);
    assert_int_equal(settings->AccountLimit->UnreservedConcurrentExecutions.value, 1000);
}

/* As if the account had so much code already. */
static void set_code_size(struct loopback *lo, int64_t size)
{
    const struct lambda_account account = {.code_size = size};
    struct kv_txn *txn;
    struct key key;
    struct buf text;
    key_init(&key, lo->arena);
    key_str(&key, STR("lambda"));
    key_str(&key, lo->account);
    key_str(&key, lo->region);
    key_str(&key, STR("account"));
    buf_init(&text, lo->arena, 1024);
    assert_int_equal(record_encode(&text, &lambda_model, LAMBDA_SHAPE_account, &account),
                     RESULT_OK);
    assert_int_equal(kv_begin(lo->cloud->kv, true, &txn), RESULT_OK);
    assert_int_equal(kv_put(txn, key_bytes(&key), buf_str(&text)), RESULT_OK);
    assert_int_equal(kv_commit(txn), RESULT_OK);
}

static void accounts_have_room_for_so_much_code(void **state)
{
    struct loopback *lo = *state;
    struct lambda_FunctionCode code = {.ZipFile = zip_one(lo, "a.py", "1")};
    struct lambda_LayerVersionContentInput content = {.ZipFile = zip_one(lo, "a.py", "1")};
    struct lambda_CreateFunctionRequest in = {.FunctionName = STR("f"),
                                              .Runtime = STR("python3.12"),
                                              .Role = lambda_role(lo, "f"),
                                              .Handler = STR("a.h"),
                                              .Code = &code};
    int64_t most = INT64_C(75) << 30;
    set_code_size(lo, most - 10);
    loopback_error(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in),
                   "CodeStorageExceededException", "Code storage limit exceeded.");
    LAMBDA_FAILS(lo, "CodeStorageExceededException", NULL, PublishLayerVersion,
                 .LayerName = STR("l"), .Content = &content);
    set_code_size(lo, most - (int64_t)code.ZipFile.len);
    loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, &in));
    loopback_advance(lo, 1000);
    LAMBDA_FAILS(lo, "CodeStorageExceededException", NULL, PublishVersion,
                 .FunctionName = STR("f"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(functions_that_are_not_there),
        LAMBDA_TEST(functions_that_would_change),
        LAMBDA_TEST(what_is_not_for_versions),
        LAMBDA_TEST(names_in_all_their_forms),
        LAMBDA_TEST(lists_have_their_limits),
        LAMBDA_TEST(layers_and_signing_that_are_not_there),
        LAMBDA_TEST(wrong_values_of_settings),
        LAMBDA_TEST(accounts_have_room_for_so_much_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
