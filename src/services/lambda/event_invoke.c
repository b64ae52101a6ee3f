/* How asynchronous events are treated: "Configuring error handling settings for asynchronous
 * invocations", "Capturing records of Lambda asynchronous invocations", Developer Guide. async.c
 * keeps to it.
 *
 *   ("lambda", account, region, "event-invoke", FUNCTION, QUALIFIER)    record event_invoke */
#include "services/lambda/role_rights.h"
#include "store/record.h"

static struct str invoke_qualifier(const struct lambda_name *name)
{
    return str_is_absent(name->qualifier) ? STR("$LATEST") : name->qualifier;
}

static struct str invoke_arn(struct call *call, const struct lambda_name *name,
                             struct str qualifier)
{
    return lambda_arn(call, name->account, name->region, name->function, qualifier);
}

static RESULT invoke_target(struct call *call, struct str function, struct str qualifier,
                            struct lambda_target *target)
{
    struct lambda_name name;
    TRY(lambda_name_parse(call, function, qualifier, &name));
    return lambda_find(call, &name, target);
}

static RESULT invoke_find(struct call *call, const struct lambda_name *name,
                          struct lambda_event_invoke *config)
{
    struct str qualifier = invoke_qualifier(name);
    bool found;
    TRY(event_invoke_get(call, name, qualifier, config, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                     "The function %.*s doesn't have an EventInvokeConfig",
                     PRSTR(invoke_arn(call, name, qualifier)));
}

static void invoke_show(struct call *call, const struct lambda_name *name,
                        const struct lambda_event_invoke *config,
                        struct lambda_FunctionEventInvokeConfig *out)
{
    *out = (struct lambda_FunctionEventInvokeConfig){
        .LastModified = {true, config->modified_ms},
        .FunctionArn = invoke_arn(call, name, config->qualifier),
        .DestinationConfig = ARENA_NEW(call->arena, struct lambda_DestinationConfig),
    };
    if (config->retries >= 0)
        out->MaximumRetryAttempts = opt_int((int32_t)config->retries);
    if (config->age_s > 0)
        out->MaximumEventAgeInSeconds = opt_int((int32_t)config->age_s);
    out->DestinationConfig->OnSuccess = ARENA_NEW(call->arena, struct lambda_OnSuccess);
    out->DestinationConfig->OnSuccess->Destination = config->on_success;
    out->DestinationConfig->OnFailure = ARENA_NEW(call->arena, struct lambda_OnFailure);
    out->DestinationConfig->OnFailure->Destination = config->on_failure;
}

/* --- changing --- */

static RESULT invoke_set_target(struct call *call, const struct lambda_target *target,
                                struct str arn, bool failure, struct str *out)
{
    const struct lambda_name *name = &target->name;
    struct lambda_name other;
    if (str_is_absent(arn))
        return RESULT_OK;
    if (str_is_empty(arn)) {
        *out = (struct str){0};
        return RESULT_OK;
    }
    if (str_find(arn, STR(":lambda:")) != SIZE_MAX && lambda_name_split(call, arn, &other) &&
        str_eq(other.function, name->function) && str_eq(other.account, name->account))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "You can't specify the function as a destination for itself.");
    TRY(destination_check(call, arn, failure, false));
    TRY(role_rights_of_destination(call, target, arn));
    *out = arn;
    return RESULT_OK;
}

static RESULT invoke_set(struct call *call, const struct lambda_target *target,
                         struct opt_int retries, struct opt_int age_s,
                         const struct lambda_DestinationConfig *destinations,
                         struct lambda_event_invoke *config)
{
    const struct lambda_name *name = &target->name;
    if (retries.set)
        config->retries = retries.value;
    if (age_s.set)
        config->age_s = age_s.value;
    if (destinations != NULL && destinations->OnSuccess != NULL)
        TRY(invoke_set_target(call, target, destinations->OnSuccess->Destination, false,
                              &config->on_success));
    if (destinations != NULL && destinations->OnFailure != NULL)
        TRY(invoke_set_target(call, target, destinations->OnFailure->Destination, true,
                              &config->on_failure));
    config->qualifier = invoke_qualifier(name);
    config->modified_ms = call->now_ms;
    struct key key = event_invoke_key(call, name, config->qualifier);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_event_invoke, config);
}

RESULT
lambda_PutFunctionEventInvokeConfig(struct call *call,
                                    const struct lambda_PutFunctionEventInvokeConfigRequest *in,
                                    struct lambda_FunctionEventInvokeConfig *out)
{
    struct lambda_target target;
    struct lambda_event_invoke config = {.retries = -1};
    TRY(invoke_target(call, in->FunctionName, in->Qualifier, &target));
    if (!in->MaximumRetryAttempts.set && !in->MaximumEventAgeInSeconds.set &&
        in->DestinationConfig == NULL)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "You must specify at least one of error handling or destination "
                         "setting.");
    TRY(invoke_set(call, &target, in->MaximumRetryAttempts, in->MaximumEventAgeInSeconds,
                   in->DestinationConfig, &config));
    invoke_show(call, &target.name, &config, out);
    return RESULT_OK;
}

RESULT lambda_UpdateFunctionEventInvokeConfig(
    struct call *call, const struct lambda_UpdateFunctionEventInvokeConfigRequest *in,
    struct lambda_FunctionEventInvokeConfig *out)
{
    struct lambda_target target;
    struct lambda_event_invoke config;
    TRY(invoke_target(call, in->FunctionName, in->Qualifier, &target));
    TRY(invoke_find(call, &target.name, &config));
    TRY(invoke_set(call, &target, in->MaximumRetryAttempts, in->MaximumEventAgeInSeconds,
                   in->DestinationConfig, &config));
    invoke_show(call, &target.name, &config, out);
    return RESULT_OK;
}

/* --- reading, deleting --- */

RESULT
lambda_GetFunctionEventInvokeConfig(struct call *call,
                                    const struct lambda_GetFunctionEventInvokeConfigRequest *in,
                                    struct lambda_FunctionEventInvokeConfig *out)
{
    struct lambda_target target;
    struct lambda_event_invoke config;
    TRY(invoke_target(call, in->FunctionName, in->Qualifier, &target));
    TRY(invoke_find(call, &target.name, &config));
    invoke_show(call, &target.name, &config, out);
    return RESULT_OK;
}

RESULT lambda_DeleteFunctionEventInvokeConfig(
    struct call *call, const struct lambda_DeleteFunctionEventInvokeConfigRequest *in,
    struct lambda_DeleteFunctionEventInvokeConfigResult *out)
{
    struct lambda_target target;
    struct lambda_event_invoke config;
    (void)out;
    TRY(invoke_target(call, in->FunctionName, in->Qualifier, &target));
    TRY(invoke_find(call, &target.name, &config));
    struct key key = event_invoke_key(call, &target.name, invoke_qualifier(&target.name));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT
lambda_ListFunctionEventInvokeConfigs(struct call *call,
                                      const struct lambda_ListFunctionEventInvokeConfigsRequest *in,
                                      struct lambda_ListFunctionEventInvokeConfigsResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    struct lambda_page page;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    struct key prefix = lambda_function_key(call, &name, STR("event-invoke"));
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, LAMBDA_PAGE, &prefix, &page));
    out->FunctionEventInvokeConfigs.items =
        ARENA_ARRAY(call->arena, page.limit, struct lambda_FunctionEventInvokeConfig);
    for (;;) {
        struct lambda_event_invoke config;
        TRY(lambda_page_next(call, &page, out->FunctionEventInvokeConfigs.len, &out->NextMarker));
        if (str_is_absent(page.key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_event_invoke, page.value,
                          &config));
        size_t at = out->FunctionEventInvokeConfigs.len++;
        invoke_show(call, &name, &config, &out->FunctionEventInvokeConfigs.items[at]);
    }
}
