/* Small settings of functions and versions: recursion, runtime management, scaling. */
#include "services/lambda/configure.h"
#include "services/lambda/create.h"

/* --- "Use Lambda recursive loop detection to prevent infinite loops" --- */

RESULT lambda_PutFunctionRecursionConfig(struct call *call,
                                         const struct lambda_PutFunctionRecursionConfigRequest *in,
                                         struct lambda_PutFunctionRecursionConfigResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    function.recursive_loop = in->RecursiveLoop;
    TRY(function_put(call, &name, &function));
    out->RecursiveLoop = in->RecursiveLoop;
    return RESULT_OK;
}

RESULT lambda_GetFunctionRecursionConfig(struct call *call,
                                         const struct lambda_GetFunctionRecursionConfigRequest *in,
                                         struct lambda_GetFunctionRecursionConfigResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    out->RecursiveLoop = function.recursive_loop;
    return RESULT_OK;
}

/* --- "Understanding how Lambda manages runtime version updates": the machine's runtimes are what
 * they are, so the mode is kept and shown, and changes nothing --- */

static RESULT runtime_target(struct call *call, struct str function, struct str qualifier,
                             struct lambda_target *target)
{
    struct lambda_name name;
    TRY(lambda_name_parse(call, function, qualifier, &name));
    if (!str_is_absent(name.qualifier) && !lambda_is_version(name.qualifier))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Runtime management is configured for $LATEST or a published version, "
                         "not for an alias.");
    TRY(lambda_find(call, &name, target));
    if (str_eq(target->version.package_type, STR("Image")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Runtime management is not supported for functions of package type "
                         "Image.");
    return RESULT_OK;
}

RESULT
lambda_PutRuntimeManagementConfig(struct call *call,
                                  const struct lambda_PutRuntimeManagementConfigRequest *in,
                                  struct lambda_PutRuntimeManagementConfigResponse *out)
{
    bool manual = str_eq(in->UpdateRuntimeOn, STR("Manual"));
    struct lambda_target target;
    TRY(runtime_target(call, in->FunctionName, in->Qualifier, &target));
    if (manual && str_is_absent(in->RuntimeVersionArn))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.");
    if (!manual && !str_is_absent(in->RuntimeVersionArn))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "RuntimeVersionArn can only be given when UpdateRuntimeOn is Manual.");
    if (manual && !str_eq(in->RuntimeVersionArn, target.version.runtime_version_arn))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The runtime version %.*s does not exist.", PRSTR(in->RuntimeVersionArn));
    target.version.update_runtime_on = in->UpdateRuntimeOn;
    TRY(version_put(call, &target.name, &target.version));
    out->UpdateRuntimeOn = in->UpdateRuntimeOn;
    out->FunctionArn = target.invoked_arn;
    out->RuntimeVersionArn = in->RuntimeVersionArn;
    return RESULT_OK;
}

RESULT
lambda_GetRuntimeManagementConfig(struct call *call,
                                  const struct lambda_GetRuntimeManagementConfigRequest *in,
                                  struct lambda_GetRuntimeManagementConfigResponse *out)
{
    struct lambda_target target;
    TRY(runtime_target(call, in->FunctionName, in->Qualifier, &target));
    out->UpdateRuntimeOn = target.version.update_runtime_on;
    out->FunctionArn = target.invoked_arn;
    if (str_eq(out->UpdateRuntimeOn, STR("Manual")))
        out->RuntimeVersionArn = target.version.runtime_version_arn;
    return RESULT_OK;
}

/* --- PutFunctionScalingConfig: for functions on capacity providers, of which there are none --- */

static RESULT scaling_refuse(struct call *call, struct str text, struct str qualifier)
{
    struct lambda_name name;
    struct lambda_target target;
    TRY(lambda_name_unqualified(call, text, &name));
    name.qualifier = qualifier;
    TRY(lambda_find(call, &name, &target));
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The function %.*s does not use a capacity provider: it has no scaling "
                     "configuration.",
                     PRSTR(target.invoked_arn));
}

RESULT lambda_PutFunctionScalingConfig(struct call *call,
                                       const struct lambda_PutFunctionScalingConfigRequest *in,
                                       struct lambda_PutFunctionScalingConfigResponse *out)
{
    (void)out;
    return scaling_refuse(call, in->FunctionName, in->Qualifier);
}

RESULT lambda_GetFunctionScalingConfig(struct call *call,
                                       const struct lambda_GetFunctionScalingConfigRequest *in,
                                       struct lambda_GetFunctionScalingConfigResponse *out)
{
    (void)out;
    return scaling_refuse(call, in->FunctionName, in->Qualifier);
}
