#include "services/lambda/configure.h"

#include <sys/utsname.h>

#include "base/encode.h"
#include "base/log.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/lambda/role_rights.h"
#include "wire/json_text.h"

/* "Lambda quotas", AWS Lambda Developer Guide. The model allows more, for functions on capacity
 * providers. */
enum {
    TIMEOUT_MAX_S = 900,
    MEMORY_MAX_MB = 10240,
    TMP_MAX_MB = 10240,
    TMP_SNAP_MAX_MB = 512,
    ENVIRONMENT_MAX = 4096,
};

/* --- runtimes --- */

struct retired {
    struct str runtime, instead;
};
/* "Deprecated runtimes" in "Lambda runtimes", Developer Guide: those whose creation and update are
 * blocked. */
static const struct retired retired[] = {
    {STR_INIT("nodejs"), STR_INIT("nodejs24.x")},
    {STR_INIT("nodejs4.3"), STR_INIT("nodejs24.x")},
    {STR_INIT("nodejs4.3-edge"), STR_INIT("nodejs24.x")},
    {STR_INIT("nodejs6.10"), STR_INIT("nodejs24.x")},
    {STR_INIT("nodejs8.10"), STR_INIT("nodejs24.x")},
    {STR_INIT("nodejs10.x"), STR_INIT("nodejs24.x")},
    {STR_INIT("python2.7"), STR_INIT("python3.14")},
    {STR_INIT("python3.6"), STR_INIT("python3.14")},
    {STR_INIT("dotnetcore1.0"), STR_INIT("dotnet10")},
    {STR_INIT("dotnetcore2.0"), STR_INIT("dotnet10")},
    {STR_INIT("dotnetcore2.1"), STR_INIT("dotnet10")},
    {STR_INIT("dotnetcore3.1"), STR_INIT("dotnet10")},
    {STR_INIT("ruby2.5"), STR_INIT("ruby3.4")},
};

static bool runtime_is_retired(struct str runtime)
{
    for (size_t i = 0; i < sizeof retired / sizeof retired[0]; i++)
        if (str_eq(runtime, retired[i].runtime))
            return true;
    return false;
}

/* Not the model's constraint: Lambda words this error itself, with those that may be chosen. */
static RESULT runtime_check_known(struct call *call, struct str runtime)
{
    const struct wire_model *model = &lambda_model;
    const struct wire_constraint *values =
        &model->constraints[model->shapes[LAMBDA_SHAPE_Runtime].constraint];
    struct buf text;
    buf_init(&text, call->arena, 64 * 1024);
    for (uint32_t i = 0; i < values->enum_count; i++) {
        struct str value = wire_string(model, model->enum_values[values->enum_first + i]);
        if (str_eq(value, runtime))
            return RESULT_OK;
        if (!runtime_is_retired(value))
            buf_append_format(&text, "%s%.*s", text.len > 0 ? ", " : "", PRSTR(value));
    }
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "Value %.*s at 'runtime' failed to satisfy constraint: Member must satisfy "
                     "enum value set: [%.*s] or be a valid ARN",
                     PRSTR(runtime), PRSTR(buf_str(&text)));
}

static RESULT configure_runtime(struct call *call, struct str runtime)
{
    TRY(runtime_check_known(call, runtime));
    for (size_t i = 0; i < sizeof retired / sizeof retired[0]; i++)
        if (str_eq(runtime, retired[i].runtime))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "The runtime parameter of %.*s is no longer supported for creating or "
                             "updating AWS Lambda functions. We recommend you use a supported "
                             "runtime (%.*s) while creating or updating functions.",
                             PRSTR(runtime), PRSTR(retired[i].instead));
    if (str_eq(runtime, STR("custom")))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa has no customer-managed runtimes (Runtime custom).");
    return RESULT_OK;
}

static struct str configure_runtime_arn(struct call *call, struct str region, struct str runtime)
{
    uint8_t sum[SHA256_SIZE];
    struct buf text;
    if (str_is_empty(runtime))
        return (struct str){0};
    digest_sha256(runtime, sum);
    buf_init(&text, call->arena, 256);
    buf_append_format(&text, "arn:%.*s:lambda:%.*s::runtime:", PRSTR(call->partition),
                      PRSTR(region));
    hex_encode(&text, str_make((const char *)sum, sizeof sum));
    return buf_str(&text);
}

/* --- the role --- */

static RESULT configure_role(struct call *call, const struct lambda_name *name, struct str role)
{
    bool trusts;
    TRY(authorize_pass_role(call, role, STR("lambda.amazonaws.com")));
    struct str function =
        lambda_arn(call, name->account, name->region, name->function, (struct str){0});
    TRY(authorize_trusts(call, role, STR("lambda.amazonaws.com"), function, &trusts));
    if (!trusts)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The role defined for the function cannot be assumed by Lambda.");
    return RESULT_OK;
}

/* --- environment variables --- */

/* "Working with Lambda environment variables": what Lambda sets itself. */
static const struct str reserved[] = {
    STR_INIT("_HANDLER"),
    STR_INIT("_X_AMZN_TRACE_ID"),
    STR_INIT("AWS_ACCESS_KEY"),
    STR_INIT("AWS_ACCESS_KEY_ID"),
    STR_INIT("AWS_DEFAULT_REGION"),
    STR_INIT("AWS_EXECUTION_ENV"),
    STR_INIT("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    STR_INIT("AWS_LAMBDA_FUNCTION_NAME"),
    STR_INIT("AWS_LAMBDA_FUNCTION_VERSION"),
    STR_INIT("AWS_LAMBDA_INITIALIZATION_TYPE"),
    STR_INIT("AWS_LAMBDA_LOG_GROUP_NAME"),
    STR_INIT("AWS_LAMBDA_LOG_STREAM_NAME"),
    STR_INIT("AWS_LAMBDA_RUNTIME_API"),
    STR_INIT("AWS_REGION"),
    STR_INIT("AWS_SECRET_ACCESS_KEY"),
    STR_INIT("AWS_SECRET_KEY"),
    STR_INIT("AWS_SECURITY_TOKEN"),
    STR_INIT("AWS_SESSION_TOKEN"),
    STR_INIT("LAMBDA_RUNTIME_DIR"),
    STR_INIT("LAMBDA_TASK_ROOT"),
};

static bool is_reserved(struct str name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (str_eq(name, reserved[i]))
            return true;
    return false;
}

static RESULT configure_environment(struct call *call, const struct str_map *variables)
{
    struct buf names, measured;
    buf_init(&names, call->arena, 64 * 1024);
    buf_init(&measured, call->arena, 1024 * 1024);
    buf_append_char(&measured, '{');
    for (size_t i = 0; i < variables->len; i++) {
        const struct str_map_entry *entry = &variables->items[i];
        if (is_reserved(entry->key)) {
            buf_append(&names, names.len > 0 ? STR(", ") : STR(""));
            buf_append(&names, entry->key);
        }
        buf_append_format(&measured, "%s\"%.*s\":\"%.*s\"", i > 0 ? "," : "", PRSTR(entry->key),
                          PRSTR(entry->value));
    }
    buf_append_char(&measured, '}');
    if (names.len > 0)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Lambda was unable to configure your environment variables because the "
                         "environment variables you have provided contains reserved keys that are "
                         "currently not supported for modification. Reserved keys used in this "
                         "request: %.*s",
                         PRSTR(buf_str(&names)));
    if (buf_is_full(&measured) || measured.len > ENVIRONMENT_MAX)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Lambda was unable to configure your environment variables because the "
                         "environment variables you have provided exceeded the 4KB limit. String "
                         "measured: %.*s",
                         (int)(measured.len > 8192 ? 8192 : measured.len), measured.ptr);
    return RESULT_OK;
}

/* --- numbers --- */

static RESULT number_fail(struct call *call, int32_t value, const char *member, int most)
{
    return call_fail(call, WIRE_VALIDATION,
                     "1 validation error detected: Value '%d' at '%s' failed to satisfy "
                     "constraint: Member must have value less than or equal to %d",
                     value, member, most);
}

static RESULT configure_numbers(struct call *call, const struct settings *in,
                                struct lambda_version *version)
{
    if (in->timeout.set && in->timeout.value > TIMEOUT_MAX_S)
        return number_fail(call, in->timeout.value, "timeout", TIMEOUT_MAX_S);
    if (in->memory.set && in->memory.value > MEMORY_MAX_MB)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "'MemorySize' value failed to satisfy constraint: Member must have value "
                         "less than or equal to %d",
                         MEMORY_MAX_MB);
    if (in->storage != NULL && in->storage->Size.value > TMP_MAX_MB)
        return number_fail(call, in->storage->Size.value, "ephemeralStorage.size", TMP_MAX_MB);
    if (in->timeout.set)
        version->timeout_s = in->timeout.value;
    if (in->memory.set)
        version->memory_mb = in->memory.value;
    if (in->storage != NULL)
        version->tmp_mb = in->storage->Size.value;
    return RESULT_OK;
}

/* --- the rest --- */

void architecture_note(const struct lambda_version *version)
{
    struct utsname machine;
    if (uname(&machine) < 0)
        return;
    bool arm = str_eq(str_from_c(machine.machine), STR("aarch64"));
    if (arm != str_eq(version->architecture, STR("arm64")))
        log_line(LOG_WARN, "lambda: %.*s is for %.*s; it runs on this machine's %s",
                 PRSTR(version->name), PRSTR(version->architecture), machine.machine);
}

static RESULT configure_refuse(struct call *call, const struct settings *in)
{
    const char *what = in->capacity_provider ? "CapacityProviderConfig"
                       : in->durable         ? "DurableConfig"
                       : in->runtime_config  ? "RuntimeConfig"
                       : in->accelerator     ? "AcceleratorConfig"
                       : in->tenancy         ? "TenancyConfig"
                                             : NULL;
    if (in->file_systems.len > 0)
        what = "FileSystemConfigs";
    if (what != NULL)
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement %s of Lambda's functions yet.", what);
    return RESULT_OK;
}

/* "Capturing records of Lambda asynchronous invocations", Dead-letter queues. */
static RESULT configure_dead_letter(struct call *call, struct str target,
                                    struct lambda_version *version)
{
    struct arn arn;
    if (str_is_empty(target)) {
        version->dead_letter = (struct str){0};
        return RESULT_OK;
    }
    if (!arn_parse(target, &arn) ||
        (!str_eq(arn.service, STR("sqs")) && !str_eq(arn.service, STR("sns"))))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The provided target ARN is invalid. Target must be an SQS queue or an "
                         "SNS topic.");
    if (str_eq(arn.service, STR("sns")))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa has no SNS yet: a dead-letter queue is one of SQS.");
    version->dead_letter = target;
    return RESULT_OK;
}

static RESULT configure_logging(struct call *call, const struct lambda_LoggingConfig *logging,
                                struct lambda_version *version)
{
    bool json = str_eq(logging->LogFormat, STR("JSON"));
    bool levels =
        !str_is_absent(logging->ApplicationLogLevel) || !str_is_absent(logging->SystemLogLevel);
    if (levels && !json)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "To use ApplicationLogLevel or SystemLogLevel, you must set LogFormat to "
                         "JSON.");
    struct lambda_LoggingConfig *kept = ARENA_NEW(call->arena, struct lambda_LoggingConfig);
    *kept = *logging;
    if (json && str_is_absent(kept->ApplicationLogLevel))
        kept->ApplicationLogLevel = STR("INFO");
    if (json && str_is_absent(kept->SystemLogLevel))
        kept->SystemLogLevel = STR("INFO");
    version->logging = kept;
    return RESULT_OK;
}

static RESULT configure_vpc(struct call *call, const struct lambda_VpcConfig *vpc,
                            struct lambda_version *version)
{
    struct lambda_VpcConfig *kept = ARENA_NEW(call->arena, struct lambda_VpcConfig);
    if ((vpc->SubnetIds.len > 0) != (vpc->SecurityGroupIds.len > 0))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "SubnetIds and SecurityIds must coexist or be both empty list.");
    *kept = *vpc;
    version->vpc = kept;
    if (vpc->SubnetIds.len > 0)
        log_line(LOG_WARN,
                 "lambda: %.*s is configured for a VPC; there are none yet, so it runs "
                 "like other functions",
                 PRSTR(version->name));
    return RESULT_OK;
}

/* SnapStart takes no snapshots here; which runtimes have it: "Improving startup performance with
 * Lambda SnapStart". */
static RESULT configure_snap_start(struct call *call, struct str on, struct lambda_version *version)
{
    bool can = str_starts_with(version->runtime, STR("java")) ||
               str_starts_with(version->runtime, STR("python3.1")) ||
               str_starts_with(version->runtime, STR("dotnet"));
    bool old = str_starts_with(version->runtime, STR("java8")) ||
               str_eq(version->runtime, STR("python3.10")) ||
               str_eq(version->runtime, STR("python3.11")) ||
               str_starts_with(version->runtime, STR("dotnet6"));
    if (str_is_absent(on))
        on = STR("None");
    if (str_eq(on, STR("PublishedVersions")) && str_eq(version->package_type, STR("Image")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "SnapStart is not supported for functions of package type Image.");
    if (str_eq(on, STR("PublishedVersions")) && (!can || old))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "%.*s is not supported for SnapStart enabled functions.",
                         PRSTR(version->runtime));
    version->snap_start = on;
    return RESULT_OK;
}

static RESULT configure_layers(struct call *call, const struct lambda_name *name,
                               const struct str_list *layers, struct lambda_version *version)
{
    if (layers->items == NULL)
        return RESULT_OK;
    TRY(layers_resolve(call, name, layers, &version->layer_codes));
    version->layers = *layers;
    return RESULT_OK;
}

static RESULT configure_parts(struct call *call, const struct settings *in,
                              struct lambda_version *version)
{
    if (in->dead_letter != NULL)
        TRY(configure_dead_letter(call, in->dead_letter->TargetArn, version));
    if (in->tracing != NULL && !str_is_absent(in->tracing->Mode))
        version->tracing = in->tracing->Mode;
    if (in->logging != NULL)
        TRY(configure_logging(call, in->logging, version));
    if (in->vpc != NULL)
        TRY(configure_vpc(call, in->vpc, version));
    if (in->snap_start != NULL)
        TRY(configure_snap_start(call, in->snap_start->ApplyOn, version));
    if (in->image != NULL) {
        version->image = ARENA_NEW(call->arena, struct lambda_ImageConfig);
        *version->image = *in->image;
    }
    return RESULT_OK;
}

/* Variables and their key are told apart: whichever is not given stays. */
static RESULT configure_variables(struct call *call, const struct lambda_name *name,
                                  const struct settings *in, struct lambda_version *version)
{
    struct str code, problem, key = str_is_absent(in->kms_key) ? version->kms_key : in->kms_key;
    struct str_map variables;
    if (in->environment == NULL && str_is_absent(in->kms_key))
        return RESULT_OK;
    if (in->environment != NULL) {
        variables = in->environment->Variables;
        TRY(configure_environment(call, &variables));
    } else {
        TRY(environment_open(call, name, version, &variables, &code, &problem));
        if (!str_is_absent(problem))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "%.*s", PRSTR(problem));
    }
    version->environment = variables;
    return environment_seal(call, name, key, version);
}

/* "Improving startup performance with Lambda SnapStart", limitations. */
static RESULT configure_snap_room(struct call *call, const struct lambda_version *version)
{
    if (str_eq(version->snap_start, STR("PublishedVersions")) && version->tmp_mb > TMP_SNAP_MAX_MB)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "SnapStart is not supported with ephemeral storage greater than %d MB.",
                         TMP_SNAP_MAX_MB);
    return RESULT_OK;
}

RESULT configure(struct call *call, const struct lambda_name *name, const struct settings *in,
                 struct lambda_version *version)
{
    TRY(configure_refuse(call, in));
    if (!str_is_absent(in->runtime)) {
        TRY(configure_runtime(call, in->runtime));
        version->runtime = in->runtime;
        version->runtime_version_arn = configure_runtime_arn(call, name->region, in->runtime);
    }
    if (!str_is_absent(in->handler))
        version->handler = in->handler;
    if (!str_is_absent(in->description))
        version->description = in->description;
    TRY(configure_numbers(call, in, version));
    TRY(configure_variables(call, name, in, version));
    TRY(configure_parts(call, in, version));
    TRY(configure_snap_room(call, version));
    TRY(configure_layers(call, name, &in->layers, version));
    if (!str_is_absent(in->role)) {
        TRY(configure_role(call, name, in->role));
        version->role = in->role;
    }
    if (!str_is_absent(in->role) || in->dead_letter != NULL || in->tracing != NULL ||
        in->vpc != NULL)
        return role_rights_check(call, name, version);
    return RESULT_OK;
}
