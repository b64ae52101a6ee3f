/* Mappings of event sources, function URLs, event invoke, code signing and smaller settings. */
#include "service/lambda_support.h"

#define F "arn:aws:lambda:us-east-1:000000000000:function:f"
#define Q "arn:aws:sqs:us-east-1:000000000000:q"

/* --- event source mappings --- */

#define MAP_FAILS(lo, code, message, ...)                                                          \
    LAMBDA_FAILS((lo), code, message, CreateEventSourceMapping, .FunctionName = STR("f"),          \
                 __VA_ARGS__)

static void allow(struct loopback *lo, struct str action_document)
{
    IAM_DO(lo, PutRolePolicy, .RoleName = STR("f"), .PolicyName = STR("p"),
           .PolicyDocument = action_document);
}

static void a_queue_must_suit_the_function(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    MAP_FAILS(lo, "InvalidParameterValueException", "Unrecognized event source.",
              .EventSourceArn = STR("arn:aws:s3:::b"));
    MAP_FAILS(lo, "NotImplemented", NULL,
              .EventSourceArn = STR("arn:aws:kinesis:us-east-1:000000000000:stream/x"),
              .StartingPosition = STR("LATEST"));
    MAP_FAILS(lo, "InvalidParameterValueException", NULL, .EventSourceArn = STR(Q));
    (void)sqs_queue(lo, "q");
    MAP_FAILS(lo, "InvalidParameterValueException",
              "The provided execution role does not have permissions to call ReceiveMessage on SQS",
              .EventSourceArn = STR(Q));
    allow(lo, POLICY("Allow", "sqs:ReceiveMessage", "*"));
    MAP_FAILS(lo, "InvalidParameterValueException",
              "The provided execution role does not have permissions to call DeleteMessage on SQS",
              .EventSourceArn = STR(Q));
    allow(lo, POLICY("Allow", "sqs:*", "*"));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Timeout = opt_int(60));
    loopback_advance(lo, 1000);
    MAP_FAILS(lo, "InvalidParameterValueException",
              "Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds",
              .EventSourceArn = STR(Q));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Timeout = opt_int(30));
    loopback_advance(lo, 1000);
    MAP_FAILS(lo, "InvalidParameterValueException",
              "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
              "greater than 10",
              .EventSourceArn = STR(Q), .BatchSize = opt_int(11));
    MAP_FAILS(lo, "InvalidParameterValueException",
              "Unsupported BisectBatchOnFunctionError parameter for given event source mapping "
              "type.",
              .EventSourceArn = STR(Q), .BisectBatchOnFunctionError = opt_bool(true));
    MAP_FAILS(lo, "InvalidParameterValueException", NULL, .EventSourceArn = STR(Q),
              .StartingPosition = STR("LATEST"));
    struct lambda_Filter filter = {.Pattern = STR("{\"body\": 3}")};
    struct lambda_FilterCriteria criteria = {{&filter, 1}};
    MAP_FAILS(lo, "InvalidParameterValueException", "Invalid filter pattern definition.",
              .EventSourceArn = STR(Q), .FilterCriteria = &criteria);
    MAP_FAILS(lo, "InvalidParameterValueException", "Batch size is limited to 10 for FIFO queues.",
              .EventSourceArn = STR(Q ".fifo"), .BatchSize = opt_int(11));
    struct lambda_ProvisionedPollerConfig pollers = {.MinimumPollers = opt_int(2)};
    MAP_FAILS(lo, "NotImplemented",
              "Kumoniwa does not implement ProvisionedPollerConfig of event source mappings yet.",
              .EventSourceArn = STR(Q), .ProvisionedPollerConfig = &pollers);
}

static void a_mapping_has_a_life(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    (void)sqs_queue(lo, "q");
    allow(lo, POLICY("Allow", "sqs:*", "*"));
    struct lambda_Filter filter = {.Pattern = STR("{\"body\":[\"x\"]}")};
    struct lambda_FilterCriteria criteria = {{&filter, 1}};
    const struct lambda_EventSourceMappingConfiguration *got = LAMBDA_OK(
        lo, EventSourceMappingConfiguration, CreateEventSourceMapping, .FunctionName = STR(F),
        .EventSourceArn = STR(Q), .FilterCriteria = &criteria, .Tags = PAIRS(lo, "a", "b"));
    struct str uuid = str_copy(lo->arena, got->UUID), arn;
    arn = str_copy(lo->arena, got->EventSourceMappingArn);
    assert_str(got->State, STR("Creating"));
    assert_str(got->FunctionArn, STR(F));
    assert_int_equal(got->BatchSize.value, 10);
    assert_str(got->FilterCriteria->Filters.items[0].Pattern, filter.Pattern);
    LAMBDA_FAILS(lo, "ResourceInUseException",
                 "Cannot update the event source mapping because it is in use.",
                 UpdateEventSourceMapping, .UUID = uuid, .BatchSize = opt_int(5));
    loopback_advance(lo, 1000);
    got = LAMBDA_OK(lo, EventSourceMappingConfiguration, GetEventSourceMapping, .UUID = uuid);
    assert_str(got->State, STR("Enabled"));
    struct str message = str_format(
        lo->arena,
        "An event source mapping with SQS arn (\" " Q " \") and function (\" f \") already "
        "exists. Please update or delete the existing mapping with UUID %.*s",
        PRSTR(uuid));
    MAP_FAILS(lo, "ResourceConflictException", str_to_c(lo->arena, message),
              .EventSourceArn = STR(Q));
    got = LAMBDA_OK(lo, EventSourceMappingConfiguration, UpdateEventSourceMapping, .UUID = uuid,
                    .Enabled = opt_bool(false), .BatchSize = opt_int(5));
    assert_str(got->State, STR("Disabling"));
    loopback_advance(lo, 1000);
    got = LAMBDA_OK(lo, EventSourceMappingConfiguration, GetEventSourceMapping, .UUID = uuid);
    assert_str(got->State, STR("Disabled"));
    assert_int_equal(got->BatchSize.value, 5);
    assert_int_equal(LAMBDA_OK(lo, ListEventSourceMappingsResponse, ListEventSourceMappings,
                               .EventSourceArn = STR(Q), .FunctionName = STR("f"))
                         ->EventSourceMappings.len,
                     1);
    assert_int_equal(LAMBDA_OK(lo, ListEventSourceMappingsResponse, ListEventSourceMappings,
                               .FunctionName = STR("other"))
                         ->EventSourceMappings.len,
                     0);
    LAMBDA_DO(lo, TagResource, .Resource = arn, .Tags = PAIRS(lo, "c", "d"));
    assert_int_equal(LAMBDA_OK(lo, ListTagsResponse, ListTags, .Resource = arn)->Tags.len, 2);
    got = LAMBDA_OK(lo, EventSourceMappingConfiguration, DeleteEventSourceMapping, .UUID = uuid);
    assert_str(got->State, STR("Deleting"));
    loopback_advance(lo, 1000);
    (void)loopback_deliver(lo);
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "The resource you requested does not exist.",
                 GetEventSourceMapping, .UUID = uuid);
    assert_int_equal(LAMBDA_OK(lo, ListEventSourceMappingsResponse, ListEventSourceMappings,
                               .MaxItems = opt_int(10))
                         ->EventSourceMappings.len,
                     0);
}

static void a_stream_says_where_it_begins(void **state)
{
    struct loopback *lo = *state;
    struct str stream =
        STR("arn:aws:dynamodb:us-east-1:000000000000:table/tab/stream/2026-11-21T00:00:00.000");
    (void)lambda_make(lo, "f");
    MAP_FAILS(lo, "ValidationException",
              "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
              "constraint: Member must not be null.",
              .EventSourceArn = stream);
    MAP_FAILS(lo, "InvalidParameterValueException", NULL, .EventSourceArn = stream,
              .StartingPosition = STR("AT_TIMESTAMP"), .StartingPositionTimestamp = {true, 1});
    MAP_FAILS(lo, "InvalidParameterValueException",
              "Cannot access stream arn:aws:dynamodb:us-east-1:000000000000:table/tab/stream/"
              "2026-11-21T00:00:00.000. Please ensure the role can perform the GetRecords, "
              "GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM.",
              .EventSourceArn = stream, .StartingPosition = STR("LATEST"));
    allow(lo, POLICY("Allow", "dynamodb:*", "*"));
    MAP_FAILS(lo, "InvalidParameterValueException",
              "Stream not found: arn:aws:dynamodb:us-east-1:000000000000:table/tab/stream/"
              "2026-11-21T00:00:00.000",
              .EventSourceArn = stream, .StartingPosition = STR("LATEST"));
    MAP_FAILS(lo, "ValidationException", NULL, .EventSourceArn = stream,
              .StartingPosition = STR("LATEST"), .MaximumRecordAgeInSeconds = opt_int(30));
    struct lambda_ScalingConfig scaling = {.MaximumConcurrency = opt_int(2)};
    MAP_FAILS(lo, "InvalidParameterValueException", NULL, .EventSourceArn = stream,
              .StartingPosition = STR("LATEST"), .ScalingConfig = &scaling);
}

/* --- URLs --- */

static void urls_are_of_functions_and_aliases(void **state)
{
    struct loopback *lo = *state;
    struct str star = STR("*"), bad = STR("example.com");
    struct lambda_Cors cors = {.AllowOrigins = {&bad, 1}};
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "ValidationException", NULL, CreateFunctionUrlConfig, .FunctionName = STR("f"),
                 .AuthType = STR("NONE"), .Qualifier = STR("1"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, CreateFunctionUrlConfig,
                 .FunctionName = STR("f"), .AuthType = STR("NONE"), .Qualifier = STR("live"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, CreateFunctionUrlConfig,
                 .FunctionName = STR("f"), .AuthType = STR("NONE"), .Cors = &cors);
    cors.AllowOrigins.items = &star;
    const struct lambda_CreateFunctionUrlConfigResponse *made =
        LAMBDA_OK(lo, CreateFunctionUrlConfigResponse, CreateFunctionUrlConfig,
                  .FunctionName = STR("f"), .AuthType = STR("NONE"), .Cors = &cors);
    assert_true(str_find(made->FunctionUrl, STR(".lambda-url.us-east-1.")) != SIZE_MAX);
    assert_str(made->InvokeMode, STR("BUFFERED"));
    LAMBDA_FAILS(lo, "ResourceConflictException",
                 "Failed to create function url config for [functionArn = " F "]. Error message:  "
                 "FunctionUrlConfig exists for this Lambda function",
                 CreateFunctionUrlConfig, .FunctionName = STR("f"), .AuthType = STR("NONE"));
    LAMBDA_DO(lo, UpdateFunctionUrlConfig, .FunctionName = STR("f"), .AuthType = STR("AWS_IAM"),
              .InvokeMode = STR("RESPONSE_STREAM"));
    const struct lambda_GetFunctionUrlConfigResponse *got =
        LAMBDA_OK(lo, GetFunctionUrlConfigResponse, GetFunctionUrlConfig, .FunctionName = STR("f"));
    assert_str(got->AuthType, STR("AWS_IAM"));
    assert_str(got->Cors->AllowOrigins.items[0], star);
    LAMBDA_DO(lo, DeleteFunctionUrlConfig, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", "The resource you requested does not exist.",
                 DeleteFunctionUrlConfig, .FunctionName = STR("f"));
}

/* --- event invoke --- */

static void event_invoke_configurations_change_by_parts(void **state)
{
    struct loopback *lo = *state;
    struct lambda_OnSuccess success = {STR(Q)};
    struct lambda_OnFailure failure = {STR(F)};
    struct lambda_DestinationConfig destinations = {.OnSuccess = &success};
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "The function " F ":$LATEST doesn't have an EventInvokeConfig",
                 GetFunctionEventInvokeConfig, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "You must specify at least one of error handling or destination setting.",
                 PutFunctionEventInvokeConfig, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "The destination ARN " Q " is invalid.",
                 PutFunctionEventInvokeConfig, .FunctionName = STR("f"),
                 .DestinationConfig = &destinations);
    (void)sqs_queue(lo, "q");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The function's execution role does not have permissions to call SendMessage "
                 "on " Q,
                 PutFunctionEventInvokeConfig, .FunctionName = STR("f"),
                 .DestinationConfig = &destinations);
    allow(lo, POLICY("Allow", "sqs:SendMessage", "*"));
    LAMBDA_DO(lo, PutFunctionEventInvokeConfig, .FunctionName = STR("f"),
              .MaximumRetryAttempts = opt_int(1), .DestinationConfig = &destinations);
    const struct lambda_FunctionEventInvokeConfig *got =
        LAMBDA_OK(lo, FunctionEventInvokeConfig, UpdateFunctionEventInvokeConfig,
                  .FunctionName = STR("f"), .MaximumEventAgeInSeconds = opt_int(60));
    assert_int_equal(got->MaximumRetryAttempts.value, 1);
    assert_int_equal(got->MaximumEventAgeInSeconds.value, 60);
    assert_str(got->DestinationConfig->OnSuccess->Destination, STR(Q));
    destinations = (struct lambda_DestinationConfig){.OnFailure = &failure};
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "You can't specify the function as a destination for itself.",
                 PutFunctionEventInvokeConfig, .FunctionName = STR("f"),
                 .DestinationConfig = &destinations);
    failure.Destination = STR("arn:aws:sns:us-east-1:000000000000:t");
    LAMBDA_FAILS(lo, "NotImplemented", NULL, PutFunctionEventInvokeConfig, .FunctionName = STR("f"),
                 .DestinationConfig = &destinations);
    got = LAMBDA_OK(lo, FunctionEventInvokeConfig, PutFunctionEventInvokeConfig,
                    .FunctionName = STR("f"), .MaximumRetryAttempts = opt_int(0));
    assert_false(got->MaximumEventAgeInSeconds.set); /* Put forgets what it does not say */
    assert_true(str_is_absent(got->DestinationConfig->OnSuccess->Destination));
    LAMBDA_DO(lo, DeleteFunctionEventInvokeConfig, .FunctionName = STR("f"));
}

/* --- the rest --- */

static void code_signing_configurations_are_attached(void **state)
{
    struct loopback *lo = *state;
    struct str profile =
        STR("arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abc1234567");
    struct lambda_AllowedPublishers publishers = {{&profile, 1}};
    (void)lambda_make(lo, "f");
    struct str arn =
        str_copy(lo->arena, LAMBDA_OK(lo, CreateCodeSigningConfigResponse, CreateCodeSigningConfig,
                                      .AllowedPublishers = &publishers)
                                ->CodeSigningConfig->CodeSigningConfigArn);
    LAMBDA_FAILS(lo, "CodeSigningConfigNotFoundException", NULL, PutFunctionCodeSigningConfig,
                 .FunctionName = STR("f"),
                 .CodeSigningConfigArn =
                     STR("arn:aws:lambda:us-east-1:000000000000:code-signing-config:"
                         "csc-00000000000000000"));
    LAMBDA_DO(lo, PutFunctionCodeSigningConfig, .FunctionName = STR("f"),
              .CodeSigningConfigArn = arn);
    LAMBDA_FAILS(lo, "ResourceConflictException", NULL, DeleteCodeSigningConfig,
                 .CodeSigningConfigArn = arn);
    const struct lambda_ListFunctionsByCodeSigningConfigResponse *list =
        LAMBDA_OK(lo, ListFunctionsByCodeSigningConfigResponse, ListFunctionsByCodeSigningConfig,
                  .CodeSigningConfigArn = arn);
    assert_int_equal(list->FunctionArns.len, 1);
    assert_str(list->FunctionArns.items[0], STR(F));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"));
    LAMBDA_DO(lo, DeleteCodeSigningConfig, .CodeSigningConfigArn = arn);
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetCodeSigningConfig,
                 .CodeSigningConfigArn = arn);
}

static void provisioned_concurrency_has_its_rules(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Provisioned Concurrency Configs cannot be applied to unpublished function "
                 "versions.",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"),
                 .Qualifier = STR("$LATEST"), .ProvisionedConcurrentExecutions = opt_int(1));
    LAMBDA_FAILS(lo, "ProvisionedConcurrencyConfigNotFoundException",
                 "No Provisioned Concurrency Config found for this function",
                 GetProvisionedConcurrencyConfig, .FunctionName = STR("f"), .Qualifier = STR("1"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Specified ConcurrentExecutions for function is greater than account's unreserved "
                 "concurrency [1000].",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"), .Qualifier = STR("1"),
                 .ProvisionedConcurrentExecutions = opt_int(1001));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Specified ConcurrentExecutions for function decreases account's "
                 "UnreservedConcurrentExecution below its minimum value of [100].",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"), .Qualifier = STR("1"),
                 .ProvisionedConcurrentExecutions = opt_int(901));
    (void)lambda_make(lo, "g");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("g"));
    LAMBDA_DO(lo, PutProvisionedConcurrencyConfig, .FunctionName = STR("g"), .Qualifier = STR("1"),
              .ProvisionedConcurrentExecutions = opt_int(400));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, PutProvisionedConcurrencyConfig,
                 .FunctionName = STR("f"), .Qualifier = STR("1"),
                 .ProvisionedConcurrentExecutions = opt_int(501));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("g"));
    LAMBDA_DO(lo, PutProvisionedConcurrencyConfig, .FunctionName = STR("f"), .Qualifier = STR("1"),
              .ProvisionedConcurrentExecutions = opt_int(5));
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .FunctionVersion = STR("1"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Alias can't be used for Provisioned Concurrency configuration on an already "
                 "Provisioned version",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"),
                 .Qualifier = STR("live"), .ProvisionedConcurrentExecutions = opt_int(1));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, PutFunctionConcurrency,
                 .FunctionName = STR("f"), .ReservedConcurrentExecutions = opt_int(4));
    LAMBDA_DO(lo, PutFunctionConcurrency, .FunctionName = STR("f"),
              .ReservedConcurrentExecutions = opt_int(10));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Requested Provisioned Concurrency should not be greater than the "
                 "reservedConcurrentExecution for function",
                 PutProvisionedConcurrencyConfig, .FunctionName = STR("f"), .Qualifier = STR("1"),
                 .ProvisionedConcurrentExecutions = opt_int(11));
    const struct lambda_ListProvisionedConcurrencyConfigsResponse *list =
        LAMBDA_OK(lo, ListProvisionedConcurrencyConfigsResponse, ListProvisionedConcurrencyConfigs,
                  .FunctionName = STR("f"));
    assert_int_equal(list->ProvisionedConcurrencyConfigs.len, 1);
    LAMBDA_DO(lo, DeleteProvisionedConcurrencyConfig, .FunctionName = STR("f"),
              .Qualifier = STR("1"));
}

static void small_settings(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    assert_str(LAMBDA_OK(lo, GetFunctionRecursionConfigResponse, GetFunctionRecursionConfig,
                         .FunctionName = STR("f"))
                   ->RecursiveLoop,
               STR("Terminate"));
    LAMBDA_DO(lo, PutFunctionRecursionConfig, .FunctionName = STR("f"),
              .RecursiveLoop = STR("Allow"));
    assert_str(LAMBDA_OK(lo, GetFunctionRecursionConfigResponse, GetFunctionRecursionConfig,
                         .FunctionName = STR("f"))
                   ->RecursiveLoop,
               STR("Allow"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.",
                 PutRuntimeManagementConfig, .FunctionName = STR("f"),
                 .UpdateRuntimeOn = STR("Manual"));
    LAMBDA_DO(lo, PutRuntimeManagementConfig, .FunctionName = STR("f"),
              .UpdateRuntimeOn = STR("FunctionUpdate"));
    assert_str(LAMBDA_OK(lo, GetRuntimeManagementConfigResponse, GetRuntimeManagementConfig,
                         .FunctionName = STR("f"))
                   ->UpdateRuntimeOn,
               STR("FunctionUpdate"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Tags on function aliases and versions are not supported. Please specify either a "
                 "function name or an unqualified function ARN.",
                 TagResource, .Resource = STR(F ":1"), .Tags = PAIRS(lo, "a", "b"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, ListTags,
                 .Resource = STR("arn:aws:lambda:us-east-1:000000000000:function:g"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(a_queue_must_suit_the_function),
        LAMBDA_TEST(a_mapping_has_a_life),
        LAMBDA_TEST(a_stream_says_where_it_begins),
        LAMBDA_TEST(urls_are_of_functions_and_aliases),
        LAMBDA_TEST(event_invoke_configurations_change_by_parts),
        LAMBDA_TEST(code_signing_configurations_are_attached),
        LAMBDA_TEST(provisioned_concurrency_has_its_rules),
        LAMBDA_TEST(small_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
