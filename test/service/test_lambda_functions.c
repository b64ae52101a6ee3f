/* Functions: made, found under every name, changed, published, deleted, counted. */
#include "service/lambda_support.h"

#include <sys/stat.h>

#include "base/encode.h"

#define ROLE STR("arn:aws:iam::000000000000:role/r")

/* What CreateFunction is given, right but for what a test changes. */
static struct lambda_CreateFunctionRequest request_for(struct loopback *lo)
{
    struct lambda_FunctionCode *code = ARENA_NEW(lo->arena, struct lambda_FunctionCode);
    code->ZipFile = zip_one(lo, "a.py", "def h(e, c): return e\n");
    return (struct lambda_CreateFunctionRequest){.FunctionName = STR("f"),
                                                 .Runtime = STR("python3.12"),
                                                 .Role = ROLE,
                                                 .Handler = STR("a.h"),
                                                 .Code = code};
}

static struct loopback_reply create(struct loopback *lo,
                                    const struct lambda_CreateFunctionRequest *in)
{
    return loopback_call(lo, &lambda_model, LAMBDA_OP_CreateFunction, in);
}

static void refused(struct loopback *lo, const struct lambda_CreateFunctionRequest *in,
                    const char *message)
{
    loopback_error(create(lo, in), "InvalidParameterValueException", message);
}

/* --- names --- */

static void every_form_of_a_name_is_the_function(void **state)
{
    static const char *const forms[] = {
        "f",
        "function:f",
        "000000000000:f",
        "000000000000:function:f",
        "us-east-1:000000000000:function:f",
        "arn:aws:lambda:us-east-1:000000000000:function:f",
        "f:$LATEST",
        "000000000000:function:f:$LATEST",
        "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
    };
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct lambda_FunctionConfiguration *got =
            LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration,
                      .FunctionName = str_from_c(forms[i]));
        assert_str(got->FunctionName, STR("f"));
        assert_str(got->Version, STR("$LATEST"));
    }
}

static void a_name_that_is_wrong_is_told(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:g",
                 GetFunction, .FunctionName = STR("g"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:7",
                 GetFunction, .FunctionName = STR("f"), .Qualifier = STR("7"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:live",
                 GetFunction, .FunctionName = STR("f:live"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
                 GetFunction,
                 .FunctionName = STR("arn:aws:lambda:eu-west-1:000000000000:function:f"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "The derived qualifier from the function name does not match the specified "
                 "qualifier.",
                 GetFunction, .FunctionName = STR("f:1"), .Qualifier = STR("2"));
    LAMBDA_FAILS(lo, "ValidationException", NULL, GetFunction, .FunctionName = STR("f g"));
    LAMBDA_FAILS(lo, "ValidationException", NULL, GetFunction,
                 .FunctionName = STR("f2345678901234567890123456789012345678901234567890123456789"
                                     "012345"));
}

/* --- CreateFunction --- */

static void a_function_is_shown_as_it_was_made(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_role(lo, "r");
    struct lambda_CreateFunctionRequest in = request_for(lo);
    struct lambda_Environment environment = {.Variables = PAIRS(lo, "STAGE", "test")};
    in.Environment = &environment;
    in.Tags = PAIRS(lo, "team", "a");
    const struct lambda_FunctionConfiguration *made = loopback_ok(create(lo, &in));
    assert_str(made->FunctionArn, lambda_test_arn(lo, "f"));
    assert_str(made->State, STR("Pending"));
    assert_str(made->StateReasonCode, STR("Creating"));
    assert_str(made->LastModified, STR("2026-11-21T00:00:00.000+0000"));
    assert_int_equal(made->CodeSize.value, in.Code->ZipFile.len);
    assert_int_equal(made->MemorySize.value, 128);
    assert_int_equal(made->Timeout.value, 3);
    assert_int_equal(made->EphemeralStorage->Size.value, 512);
    assert_str(made->LoggingConfig->LogGroup, STR("/aws/lambda/f"));
    loopback_advance(lo, 1000);
    const struct lambda_GetFunctionResponse *got =
        LAMBDA_OK(lo, GetFunctionResponse, GetFunction, .FunctionName = STR("f"));
    assert_str(got->Configuration->State, STR("Active"));
    assert_str(got->Configuration->LastUpdateStatus, STR("Successful"));
    assert_str(got->Configuration->Environment->Variables.items[0].value, STR("test"));
    assert_str(got->Tags.items[0].key, STR("team"));
    assert_str(got->Code->RepositoryType, STR("S3"));
    assert_null(got->Concurrency);
    loopback_error(create(lo, &in), "ResourceConflictException", "Function already exist: f");
}

static void what_creation_refuses(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_role(lo, "r");
    struct lambda_CreateFunctionRequest in = request_for(lo);
    in.Handler = (struct str){0};
    refused(lo, &in,
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages.");
    in = request_for(lo);
    in.Runtime = STR("nodejs10.x");
    refused(lo, &in,
            "The runtime parameter of nodejs10.x is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use a supported runtime (nodejs24.x) while "
            "creating or updating functions.");
    in = request_for(lo);
    in.MemorySize = opt_int(10241);
    refused(lo, &in,
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or "
            "equal to 10240");
    in = request_for(lo);
    in.Timeout = opt_int(901);
    loopback_error(create(lo, &in), "ValidationException",
                   "1 validation error detected: Value '901' at 'timeout' failed to satisfy "
                   "constraint: Member must have value less than or equal to 900");
    in = request_for(lo);
    in.Role = STR("arn:aws:iam::000000000000:role/none");
    refused(lo, &in, "The role defined for the function cannot be assumed by Lambda.");
    in = request_for(lo);
    in.Code->ZipFile = (struct str){0};
    refused(lo, &in, "Please provide a source for function code.");
    in = request_for(lo);
    in.Code->ImageUri = STR("oci:/x");
    refused(lo, &in,
            "Please don't provide ImageUri when updating or creating a function with packageType "
            "Zip.");
    in = request_for(lo);
    in.Tags = PAIRS(lo, "aws:x", "y");
    refused(lo, &in, "Tag key begins with aws: which is reserved.");
    assert_int_equal(
        LAMBDA_OK(lo, ListFunctionsResponse, ListFunctions, .MaxItems = {0})->Functions.len, 0);
}

static void a_role_must_trust_lambda_and_be_passed(void **state)
{
    struct loopback *lo = *state;
    IAM_DO(lo, CreateRole, .RoleName = STR("ec2"),
           .AssumeRolePolicyDocument = TRUST("Service", "ec2.amazonaws.com"));
    struct lambda_CreateFunctionRequest in = request_for(lo);
    in.Role = STR("arn:aws:iam::000000000000:role/ec2");
    refused(lo, &in, "The role defined for the function cannot be assumed by Lambda.");
    (void)lambda_role(lo, "r");
    IAM_DO(lo, CreateUser, .UserName = STR("dev"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("dev"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "lambda:*", "*"));
    in.Role = ROLE;
    lo->principal = PRINCIPAL_USER;
    lo->user = STR("dev");
    loopback_error(create(lo, &in), "AccessDeniedException", NULL);
    lo->principal = PRINCIPAL_ROOT;
    lo->user = (struct str){0};
    IAM_DO(lo, PutUserPolicy, .UserName = STR("dev"), .PolicyName = STR("q"),
           .PolicyDocument = POLICY("Allow", "iam:PassRole", "arn:aws:iam::000000000000:role/r"));
    lo->principal = PRINCIPAL_USER;
    lo->user = STR("dev");
    (void)loopback_ok(create(lo, &in));
}

static void environment_variables_have_their_rules(void **state)
{
    struct loopback *lo = *state;
    char large[4200];
    memset(large, 'x', sizeof large);
    (void)lambda_role(lo, "r");
    struct lambda_CreateFunctionRequest in = request_for(lo);
    struct lambda_Environment environment = {
        .Variables = PAIRS(lo, "AWS_REGION", "x", "OTHER", "y", "_HANDLER", "z")};
    in.Environment = &environment;
    loopback_error(create(lo, &in), "ValidationException", NULL); /* _HANDLER breaks the pattern */
    environment.Variables = PAIRS(lo, "AWS_REGION", "x", "OTHER", "y", "LAMBDA_TASK_ROOT", "z");
    refused(lo, &in,
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            "for modification. Reserved keys used in this request: AWS_REGION, LAMBDA_TASK_ROOT");
    environment.Variables = PAIRS(lo, "BIG", "x");
    environment.Variables.items[0].value = str_make(large, sizeof large);
    refused(lo, &in, NULL);
    environment.Variables.items[0].value = str_make(large, 4000);
    (void)loopback_ok(create(lo, &in));
}

/* --- code --- */

static void code_that_leaves_its_folder_is_refused(void **state)
{
    static const struct zip_file bad[] = {
        {"../a.py", STR_INIT("x"), 0},
        {"b/../../a.py", STR_INIT("x"), 0},
        {"/etc/a.py", STR_INIT("x"), 0},
        {"link", STR_INIT("../../etc/passwd"), 0120777},
        {"link", STR_INIT("/etc/passwd"), 0120777},
    };
    struct loopback *lo = *state;
    (void)lambda_role(lo, "r");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lambda_CreateFunctionRequest in = request_for(lo);
        in.Code->ZipFile = zip_make(lo->arena, &bad[i], 1);
        refused(lo, &in,
                "Could not unzip uploaded file. Please check your file, then try to upload again.");
    }
    /* A folder that is a link already, and a file below it. */
    static const struct zip_file through[] = {{"d", STR_INIT("."), 0120777},
                                              {"d/a.py", STR_INIT("x"), 0}};
    struct lambda_CreateFunctionRequest in = request_for(lo);
    in.Code->ZipFile = zip_make(lo->arena, through, 2);
    refused(lo, &in, NULL);
    in.Code->ZipFile = STR("no archive at all");
    refused(lo, &in, NULL);
    in.Code->ZipFile = STR("");
    refused(lo, &in, NULL);
}

static void modes_and_links_inside_are_kept(void **state)
{
    static const struct zip_file files[] = {
        {"bin/bootstrap", STR_INIT("#!/bin/sh\n"), 0100700},
        {"secret.txt", STR_INIT("s"), 0100600},
        {"bin/other", STR_INIT("bootstrap"), 0120777},
    };
    struct loopback *lo = *state;
    struct stat found;
    (void)lambda_role(lo, "r");
    struct lambda_CreateFunctionRequest in = request_for(lo);
    in.Code->ZipFile = zip_make(lo->arena, files, 3);
    const struct lambda_FunctionConfiguration *made = loopback_ok(create(lo, &in));
    struct str sum, folder;
    struct buf hex;
    assert_true(base64_decode(lo->arena, made->CodeSha256, &sum));
    buf_init(&hex, lo->arena, 65);
    hex_encode(&hex, sum);
    folder = str_format(lo->arena, "%s/functions/code/%.*s", lo->directory, PRSTR(buf_str(&hex)));
    const char *path = str_to_c(lo->arena, str_concat(lo->arena, folder, STR("/bin/other")));
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0755);
    path = str_to_c(lo->arena, str_concat(lo->arena, folder, STR("/secret.txt")));
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0644);
    /* Equal code shares it; the last that goes takes it along, a while later. */
    in.FunctionName = STR("g");
    (void)loopback_ok(create(lo, &in));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"));
    loopback_advance(lo, 3600 * 1000);
    (void)loopback_deliver(lo);
    assert_int_equal(stat(path, &found), 0);
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("g"));
    loopback_advance(lo, 3600 * 1000);
    (void)loopback_deliver(lo);
    assert_int_equal(stat(path, &found), -1);
}

/* --- updates --- */

static void updates_take_their_time(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, UpdateFunctionConfiguration, .FunctionName = STR("f"),
                  .Timeout = opt_int(9), .Description = STR("d"));
    assert_str(got->LastUpdateStatus, STR("InProgress"));
    struct str revision = str_copy(lo->arena, got->RevisionId);
    LAMBDA_FAILS(lo, "ResourceConflictException",
                 "The operation cannot be performed at this time. An update is in progress for "
                 "resource: arn:aws:lambda:us-east-1:000000000000:function:f",
                 UpdateFunctionCode, .FunctionName = STR("f"), .ZipFile = zip_one(lo, "a.py", "2"));
    LAMBDA_FAILS(lo, "ResourceConflictException", NULL, PublishVersion, .FunctionName = STR("f"));
    loopback_advance(lo, 1000);
    got = LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"));
    assert_str(got->LastUpdateStatus, STR("Successful"));
    assert_int_equal(got->Timeout.value, 9);
    assert_str(got->Description, STR("d"));
    LAMBDA_FAILS(lo, "PreconditionFailedException",
                 "The Revision Id provided does not match the latest Revision Id. Call the "
                 "GetFunction/GetAlias API to retrieve the latest Revision Id",
                 UpdateFunctionCode, .FunctionName = STR("f"), .ZipFile = zip_one(lo, "a.py", "2"),
                 .RevisionId = STR("x"));
    struct str before = str_copy(lo->arena, got->CodeSha256);
    got = LAMBDA_OK(lo, FunctionConfiguration, UpdateFunctionCode, .FunctionName = STR("f"),
                    .ZipFile = zip_one(lo, "a.py", "2"), .DryRun = opt_bool(true));
    assert_false(str_eq(got->CodeSha256, before));
    got = LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"));
    assert_str(got->CodeSha256, before);
    got = LAMBDA_OK(lo, FunctionConfiguration, UpdateFunctionCode, .FunctionName = STR("f"),
                    .ZipFile = zip_one(lo, "a.py", "2"), .RevisionId = revision,
                    .Publish = opt_bool(true));
    assert_str(got->Version, STR("1"));
    assert_false(str_eq(got->CodeSha256, before));
}

static void logging_levels_need_json(void **state)
{
    struct loopback *lo = *state;
    struct lambda_LoggingConfig logging = {.ApplicationLogLevel = STR("DEBUG")};
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "To use ApplicationLogLevel or SystemLogLevel, you must set LogFormat to JSON.",
                 UpdateFunctionConfiguration, .FunctionName = STR("f"), .LoggingConfig = &logging);
    logging.LogFormat = STR("JSON");
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, UpdateFunctionConfiguration, .FunctionName = STR("f"),
                  .LoggingConfig = &logging);
    assert_str(got->LoggingConfig->SystemLogLevel, STR("INFO"));
    assert_str(got->LoggingConfig->ApplicationLogLevel, STR("DEBUG"));
}

/* --- versions and aliases --- */

static void versions_are_published_once(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    const struct lambda_FunctionConfiguration *got =
        LAMBDA_OK(lo, FunctionConfiguration, PublishVersion, .FunctionName = STR("f"),
                  .Description = STR("first"));
    assert_str(got->Version, STR("1"));
    assert_str(got->Description, STR("first"));
    got = LAMBDA_OK(lo, FunctionConfiguration, PublishVersion, .FunctionName = STR("f"));
    assert_str(got->Version, STR("1"));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Timeout = opt_int(9));
    loopback_advance(lo, 1000);
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, PublishVersion,
                 .FunctionName = STR("f"), .CodeSha256 = STR("x"));
    got = LAMBDA_OK(lo, FunctionConfiguration, PublishVersion, .FunctionName = STR("f"));
    assert_str(got->Version, STR("2"));
    const struct lambda_ListVersionsByFunctionResponse *list =
        LAMBDA_OK(lo, ListVersionsByFunctionResponse, ListVersionsByFunction,
                  .FunctionName = STR("f"), .MaxItems = opt_int(2));
    assert_int_equal(list->Versions.len, 2);
    assert_str(list->Versions.items[0].Version, STR("$LATEST"));
    list = LAMBDA_OK(lo, ListVersionsByFunctionResponse, ListVersionsByFunction,
                     .FunctionName = STR("f"), .Marker = str_copy(lo->arena, list->NextMarker));
    assert_int_equal(list->Versions.len, 1);
    assert_str(list->Versions.items[0].Version, STR("2"));
    assert_true(str_is_absent(list->NextMarker));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"), .Qualifier = STR("2"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetFunction, .FunctionName = STR("f:2"));
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Timeout = opt_int(8));
    loopback_advance(lo, 1000);
    got = LAMBDA_OK(lo, FunctionConfiguration, PublishVersion, .FunctionName = STR("f"));
    assert_str(got->Version, STR("3")); /* numbers are never used again */
}

static void aliases_point_to_versions(void **state)
{
    struct loopback *lo = *state;
    struct lambda_AdditionalVersionWeights_entry weight = {STR("1"), opt_double(0.5)};
    struct lambda_AliasRoutingConfiguration routing = {{&weight, 1}};
    (void)lambda_make(lo, "f");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:2",
                 CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
                 .FunctionVersion = STR("2"));
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .FunctionVersion = STR("1"));
    LAMBDA_FAILS(lo, "ResourceConflictException",
                 "Alias already exists: arn:aws:lambda:us-east-1:000000000000:function:f:live",
                 CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
                 .FunctionVersion = STR("1"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", NULL, UpdateAlias, .FunctionName = STR("f"),
                 .Name = STR("live"), .RoutingConfig = &routing);
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "$LATEST is not supported for an alias pointing to more than 1 version",
                 UpdateAlias, .FunctionName = STR("f"), .Name = STR("live"),
                 .FunctionVersion = STR("$LATEST"), .RoutingConfig = &routing);
    LAMBDA_DO(lo, UpdateFunctionConfiguration, .FunctionName = STR("f"), .Timeout = opt_int(9));
    loopback_advance(lo, 1000);
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    const struct lambda_AliasConfiguration *alias =
        LAMBDA_OK(lo, AliasConfiguration, UpdateAlias, .FunctionName = STR("f"),
                  .Name = STR("live"), .FunctionVersion = STR("2"), .RoutingConfig = &routing);
    assert_int_equal(alias->RoutingConfig->AdditionalVersionWeights.len, 1);
    LAMBDA_FAILS(lo, "ResourceConflictException",
                 "Unable to delete version because the following aliases reference it: [live]",
                 DeleteFunction, .FunctionName = STR("f"), .Qualifier = STR("1"));
    LAMBDA_FAILS(lo, "PreconditionFailedException", NULL, UpdateAlias, .FunctionName = STR("f"),
                 .Name = STR("live"), .RevisionId = STR("x"));
    const struct lambda_ListAliasesResponse *list =
        LAMBDA_OK(lo, ListAliasesResponse, ListAliases, .FunctionName = STR("f"),
                  .FunctionVersion = STR("1"));
    assert_int_equal(list->Aliases.len, 0);
    LAMBDA_DO(lo, DeleteAlias, .FunctionName = STR("f"), .Name = STR("live"));
    LAMBDA_DO(lo, DeleteAlias, .FunctionName = STR("f"), .Name = STR("live"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException",
                 "Cannot find alias arn: arn:aws:lambda:us-east-1:000000000000:function:f:live",
                 GetAlias, .FunctionName = STR("f"), .Name = STR("live"));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"), .Qualifier = STR("1"));
}

/* --- deleting, counting --- */

static void what_an_account_uses_is_counted(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    (void)lambda_make(lo, "g");
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    int64_t size =
        LAMBDA_OK(lo, FunctionConfiguration, GetFunctionConfiguration, .FunctionName = STR("f"))
            ->CodeSize.value;
    LAMBDA_DO(lo, PutFunctionConcurrency, .FunctionName = STR("f"),
              .ReservedConcurrentExecutions = opt_int(300));
    const struct lambda_GetAccountSettingsResponse *got =
        loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_GetAccountSettings,
                                  &(struct lambda_GetAccountSettingsRequest){0}));
    assert_int_equal(got->AccountUsage->FunctionCount.value, 2);
    assert_int_equal(got->AccountUsage->TotalCodeSize.value, 3 * size);
    assert_int_equal(got->AccountLimit->UnreservedConcurrentExecutions.value, 700);
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "Specified ReservedConcurrentExecutions for function decreases account's "
                 "UnreservedConcurrentExecution below its minimum value of [100].",
                 PutFunctionConcurrency, .FunctionName = STR("g"),
                 .ReservedConcurrentExecutions = opt_int(601));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("g"));
    got = loopback_ok(loopback_call(lo, &lambda_model, LAMBDA_OP_GetAccountSettings,
                                    &(struct lambda_GetAccountSettingsRequest){0}));
    assert_int_equal(got->AccountUsage->FunctionCount.value, 0);
    assert_int_equal(got->AccountUsage->TotalCodeSize.value, 0);
    assert_int_equal(got->AccountLimit->UnreservedConcurrentExecutions.value, 1000);
}

static void a_function_goes_with_all_that_is_its(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "InvalidParameterValueException",
                 "$LATEST version cannot be deleted without deleting the function.", DeleteFunction,
                 .FunctionName = STR("f"), .Qualifier = STR("$LATEST"));
    LAMBDA_DO(lo, PublishVersion, .FunctionName = STR("f"));
    LAMBDA_DO(lo, CreateAlias, .FunctionName = STR("f"), .Name = STR("live"),
              .FunctionVersion = STR("1"));
    LAMBDA_DO(lo, AddPermission, .FunctionName = STR("f"), .StatementId = STR("s"),
              .Action = STR("lambda:InvokeFunction"), .Principal = STR("s3.amazonaws.com"));
    LAMBDA_DO(lo, CreateFunctionUrlConfig, .FunctionName = STR("f"), .AuthType = STR("NONE"));
    LAMBDA_DO(lo, DeleteFunction, .FunctionName = STR("f"));
    IAM_DO(lo, DeleteRole, .RoleName = STR("f"));
    (void)lambda_make(lo, "f");
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetPolicy, .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetAlias, .FunctionName = STR("f"),
                 .Name = STR("live"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetFunctionUrlConfig,
                 .FunctionName = STR("f"));
    LAMBDA_FAILS(lo, "ResourceNotFoundException", NULL, GetFunction, .FunctionName = STR("f:1"));
}

static void lists_come_in_pages(void **state)
{
    struct loopback *lo = *state;
    (void)lambda_role(lo, "r");
    struct lambda_CreateFunctionRequest in = request_for(lo);
    for (int i = 0; i < 53; i++) {
        in.FunctionName = str_format(lo->arena, "f%02d", i);
        (void)loopback_ok(create(lo, &in));
    }
    const struct lambda_ListFunctionsResponse *page =
        LAMBDA_OK(lo, ListFunctionsResponse, ListFunctions, .MaxItems = opt_int(10000));
    assert_int_equal(page->Functions.len, 50);
    assert_true(str_is_absent(page->Functions.items[0].State)); /* lists leave it out */
    page = LAMBDA_OK(lo, ListFunctionsResponse, ListFunctions,
                     .Marker = str_copy(lo->arena, page->NextMarker));
    assert_int_equal(page->Functions.len, 3);
    assert_str(page->Functions.items[0].FunctionName, STR("f50"));
    LAMBDA_FAILS(lo, "InvalidParameterValueException", "Invalid Marker.", ListFunctions,
                 .Marker = STR("x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAMBDA_TEST(every_form_of_a_name_is_the_function),
        LAMBDA_TEST(a_name_that_is_wrong_is_told),
        LAMBDA_TEST(a_function_is_shown_as_it_was_made),
        LAMBDA_TEST(what_creation_refuses),
        LAMBDA_TEST(a_role_must_trust_lambda_and_be_passed),
        LAMBDA_TEST(environment_variables_have_their_rules),
        LAMBDA_TEST(code_that_leaves_its_folder_is_refused),
        LAMBDA_TEST(modes_and_links_inside_are_kept),
        LAMBDA_TEST(updates_take_their_time),
        LAMBDA_TEST(logging_levels_need_json),
        LAMBDA_TEST(versions_are_published_once),
        LAMBDA_TEST(aliases_point_to_versions),
        LAMBDA_TEST(what_an_account_uses_is_counted),
        LAMBDA_TEST(a_function_goes_with_all_that_is_its),
        LAMBDA_TEST(lists_come_in_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
