/* A version's configuration as FunctionConfiguration shows it. */
#include "base/encode.h"
#include "base/time.h"
#include "cloud/authorize.h"
#include "cloud/keys.h"
#include "services/lambda/configure.h"
#include "services/lambda/lambda_int.h"
#include "store/record.h"

struct str lambda_timestamp(struct call *call, int64_t ms)
{
    struct civil_time t = time_to_civil(ms);
    return str_format(call->arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03d+0000", t.year, t.month,
                      t.day, t.hour, t.minute, t.second, t.millisecond);
}

/* --- environment variables --- */

static struct str_map environment_context(struct call *call, const struct lambda_name *name)
{
    struct str_map_entry *entry = ARENA_NEW(call->arena, struct str_map_entry);
    *entry = (struct str_map_entry){
        STR("aws:lambda:FunctionArn"),
        lambda_arn(call, name->account, name->region, name->function, (struct str){0})};
    return (struct str_map){entry, 1};
}

/* The caller's right; a key of AWS's own serves whoever may use Lambda. Until keys have policies,
 * IAM decides alone. *refusal: KMS's words; absent: it may. */
static RESULT key_permit(struct call *call, const struct keys_key *key, const char *action,
                         struct str *refusal)
{
    const struct authorize_ask ask = {.action = str_from_c(action),
                                      .resource = key->arn,
                                      .owner = key->account,
                                      .form = POLICY_FORM_RESOURCE};
    bool allowed = true;
    *refusal = (struct str){0};
    if (!key->of_service && call->principal.kind != PRINCIPAL_SERVICE)
        TRY(authorize_may(call, &ask, &allowed));
    if (!allowed)
        *refusal = str_format(call->arena,
                              "AccessDeniedExceptionKMS Message: User: %.*s is not authorized to "
                              "perform: %s on resource: %.*s",
                              PRSTR(call->principal.arn), action, PRSTR(key->arn));
    return RESULT_OK;
}

/* "Securing Lambda environment variables": who sets the key needs these. */
static RESULT key_check(struct call *call, const struct keys_key *key)
{
    static const char *const needed[] = {"kms:CreateGrant", "kms:Encrypt"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        struct str refusal;
        TRY(key_permit(call, key, needed[i], &refusal));
        if (!str_is_absent(refusal))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "Lambda was unable to configure access to your environment variables "
                             "because the KMS key is invalid for %s. Please check your KMS key "
                             "settings. KMS Exception: %.*s",
                             needed[i] + 4, PRSTR(refusal));
    }
    return RESULT_OK;
}

RESULT environment_seal(struct call *call, const struct lambda_name *name, struct str kms_key,
                        struct lambda_version *version)
{
    struct keys_key key;
    struct keys_problem problem;
    struct lambda_variables variables = {.variables = version->environment};
    struct buf text;
    version->kms_key = (struct str){0};
    version->sealed_environment = (struct str){0};
    if (str_is_empty(kms_key))
        return RESULT_OK;
    enum result result = keys_find(call, name->account, name->region, kms_key, &key, &problem);
    if (result == RESULT_ERROR)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Lambda was unable to configure access to your environment variables "
                         "because the KMS key is invalid for CreateGrant. Please check your KMS "
                         "key settings. KMS Exception: %sKMS Message: %.*s",
                         problem.fault == KEYS_DISABLED ? "DisabledException" : "NotFoundException",
                         PRSTR(problem.message));
    TRY(result);
    TRY(key_check(call, &key));
    version->kms_key = kms_key;
    if (version->environment.len == 0)
        return RESULT_OK;
    struct str_map context = environment_context(call, name);
    buf_init(&text, call->arena, 64 * 1024);
    TRY(record_encode(&text, &lambda_model, LAMBDA_SHAPE_variables, &variables));
    version->sealed_environment = keys_seal(call, &key, &context, buf_str(&text));
    version->environment = (struct str_map){0};
    return RESULT_OK;
}

RESULT environment_open(struct call *call, const struct lambda_name *name,
                        const struct lambda_version *version, struct str_map *out, struct str *code,
                        struct str *problem)
{
    struct str_map context = environment_context(call, name);
    struct keys_problem fault;
    struct keys_key key;
    struct str text;
    struct lambda_variables variables;
    *problem = (struct str){0};
    *out = version->environment;
    if (str_is_empty(version->sealed_environment))
        return RESULT_OK;
    enum result result =
        keys_open(call, version->sealed_environment, &context, &text, &key, &fault);
    if (result == RESULT_ERROR) {
        bool disabled = fault.fault == KEYS_DISABLED;
        *code = disabled ? STR("KMSDisabledException") : STR("KMSNotFoundException");
        *problem =
            str_format(call->arena,
                       "Lambda was unable to decrypt the environment variables because %s. "
                       "Please check the function's KMS key settings. KMS Exception: %.*s",
                       disabled ? "the KMS key used is disabled" : "the KMS key was not found",
                       PRSTR(fault.message));
        return RESULT_OK;
    }
    TRY(result);
    TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_variables, text, &variables));
    *out = variables.variables;
    return RESULT_OK;
}

/* Who reads the configuration sees the variables only with a right to decrypt them. */
static RESULT environment_show(struct call *call, const struct lambda_name *name,
                               const struct lambda_version *version, struct str_map *out,
                               struct str *code, struct str *problem)
{
    struct keys_problem fault;
    struct keys_key key;
    struct str refusal;
    TRY(environment_open(call, name, version, out, code, problem));
    if (str_is_empty(version->sealed_environment) || !str_is_absent(*problem))
        return RESULT_OK;
    enum result result =
        keys_find(call, name->account, name->region, version->kms_key, &key, &fault);
    if (result != RESULT_OK)
        return result == RESULT_ERROR ? RESULT_OK : result;
    TRY(key_permit(call, &key, "kms:Decrypt", &refusal));
    if (str_is_absent(refusal))
        return RESULT_OK;
    *code = STR("AccessDeniedException");
    *problem = str_format(call->arena,
                          "Lambda was unable to decrypt the environment variables because KMS "
                          "access was denied. Please check the function's KMS key settings. KMS "
                          "Exception: %.*s",
                          PRSTR(refusal));
    return RESULT_OK;
}

static RESULT show_environment(struct call *call, const struct lambda_name *name,
                               const struct lambda_version *version,
                               struct lambda_FunctionConfiguration *out)
{
    struct str code, problem;
    struct str_map variables;
    TRY(environment_show(call, name, version, &variables, &code, &problem));
    if (!str_is_absent(problem)) {
        out->Environment = ARENA_NEW(call->arena, struct lambda_EnvironmentResponse);
        out->Environment->Error = ARENA_NEW(call->arena, struct lambda_EnvironmentError);
        *out->Environment->Error = (struct lambda_EnvironmentError){code, problem};
    } else if (variables.len > 0) {
        out->Environment = ARENA_NEW(call->arena, struct lambda_EnvironmentResponse);
        out->Environment->Variables = variables;
    }
    return RESULT_OK;
}

/* --- the parts --- */

static RESULT show_layers(struct call *call, const struct lambda_version *version,
                          struct lambda_FunctionConfiguration *out)
{
    if (version->layers.len == 0)
        return RESULT_OK;
    out->Layers.items = ARENA_ARRAY(call->arena, version->layers.len, struct lambda_Layer);
    out->Layers.len = version->layers.len;
    for (size_t i = 0; i < version->layers.len; i++) {
        struct lambda_code code = {0};
        bool found = false;
        if (i < version->layer_codes.len)
            TRY(code_get(call, version->layer_codes.items[i], &code, &found));
        out->Layers.items[i].Arn = version->layers.items[i];
        out->Layers.items[i].CodeSize = opt_long(code.size);
    }
    return RESULT_OK;
}

static void show_vpc(struct call *call, const struct lambda_version *version,
                     struct lambda_FunctionConfiguration *out)
{
    if (version->vpc == NULL)
        return;
    out->VpcConfig = ARENA_NEW(call->arena, struct lambda_VpcConfigResponse);
    *out->VpcConfig = (struct lambda_VpcConfigResponse){
        .SubnetIds = version->vpc->SubnetIds,
        .SecurityGroupIds = version->vpc->SecurityGroupIds,
        .VpcId = STR(""),
        .Ipv6AllowedForDualStack = opt_bool(version->vpc->Ipv6AllowedForDualStack.value),
    };
    if (out->VpcConfig->SubnetIds.items == NULL)
        out->VpcConfig->SubnetIds.items = ARENA_NEW(call->arena, struct str);
    if (out->VpcConfig->SecurityGroupIds.items == NULL)
        out->VpcConfig->SecurityGroupIds.items = ARENA_NEW(call->arena, struct str);
}

static void show_logging(struct call *call, const struct lambda_version *version,
                         struct lambda_FunctionConfiguration *out)
{
    struct lambda_LoggingConfig *logging = ARENA_NEW(call->arena, struct lambda_LoggingConfig);
    if (version->logging != NULL)
        *logging = *version->logging;
    if (str_is_absent(logging->LogFormat))
        logging->LogFormat = STR("Text");
    if (str_is_absent(logging->LogGroup))
        logging->LogGroup = str_concat(call->arena, STR("/aws/lambda/"), version->name);
    out->LoggingConfig = logging;
}

static void show_state(struct call *call, const struct lambda_version *version,
                       struct lambda_FunctionConfiguration *out)
{
    out->State = version->state;
    out->StateReason = version->state_reason;
    out->StateReasonCode = version->state_reason_code;
    out->LastUpdateStatus = version->update_status;
    out->LastUpdateStatusReason = version->update_reason;
    out->LastUpdateStatusReasonCode = version->update_reason_code;
    if (str_is_absent(version->runtime_version_arn))
        return;
    out->RuntimeVersionConfig = ARENA_NEW(call->arena, struct lambda_RuntimeVersionConfig);
    out->RuntimeVersionConfig->RuntimeVersionArn = version->runtime_version_arn;
}

static void show_parts(struct call *call, const struct lambda_version *version,
                       struct lambda_FunctionConfiguration *out)
{
    struct arena *arena = call->arena;
    out->TracingConfig = ARENA_NEW(arena, struct lambda_TracingConfigResponse);
    out->TracingConfig->Mode = version->tracing;
    out->EphemeralStorage = ARENA_NEW(arena, struct lambda_EphemeralStorage);
    out->EphemeralStorage->Size = opt_int((int32_t)version->tmp_mb);
    bool snaps = str_eq(version->snap_start, STR("PublishedVersions"));
    bool published = !str_eq(version->version, STR("$LATEST"));
    out->SnapStart = ARENA_NEW(arena, struct lambda_SnapStartResponse);
    out->SnapStart->ApplyOn = version->snap_start;
    out->SnapStart->OptimizationStatus = snaps && published ? STR("On") : STR("Off");
    struct str *architecture = ARENA_NEW(arena, struct str);
    *architecture = version->architecture;
    out->Architectures = (struct str_list){architecture, 1};
    if (!str_is_empty(version->dead_letter)) {
        out->DeadLetterConfig = ARENA_NEW(arena, struct lambda_DeadLetterConfig);
        out->DeadLetterConfig->TargetArn = version->dead_letter;
    }
    if (version->image != NULL) {
        out->ImageConfigResponse = ARENA_NEW(arena, struct lambda_ImageConfigResponse);
        out->ImageConfigResponse->ImageConfig = version->image;
    }
}

RESULT configuration_show(struct call *call, const struct lambda_name *name, struct str arn,
                          const struct lambda_version *version, bool all,
                          struct lambda_FunctionConfiguration *out)
{
    *out = (struct lambda_FunctionConfiguration){
        .FunctionName = version->name,
        .FunctionArn = arn,
        .Runtime = version->runtime,
        .Role = version->role,
        .Handler = version->handler,
        .CodeSize = opt_long(version->code_size),
        .Description = str_is_absent(version->description) ? STR("") : version->description,
        .Timeout = opt_int((int32_t)version->timeout_s),
        .MemorySize = opt_int((int32_t)version->memory_mb),
        .LastModified = lambda_timestamp(call, version->modified_ms),
        .CodeSha256 = version->code_sha256,
        .Version = version->version,
        .KMSKeyArn = version->kms_key,
        .RevisionId = version->revision_id,
        .PackageType = version->package_type,
    };
    TRY(show_environment(call, name, version, out));
    TRY(show_layers(call, version, out));
    show_vpc(call, version, out);
    show_logging(call, version, out);
    show_parts(call, version, out);
    if (all)
        show_state(call, version, out);
    return RESULT_OK;
}
