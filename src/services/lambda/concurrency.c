/* Reserved and provisioned concurrency, and what an account has: "Understanding Lambda function
 * scaling", "Lambda quotas", Developer Guide.
 *
 *   ("lambda", account, region, "provisioned", FUNCTION, QUALIFIER)    record provisioned */
#include "services/lambda/create.h"
#include "store/record.h"

/* What provisioned concurrency the function's versions and aliases have, but that one. */
static RESULT provisioned_sum(struct call *call, const struct lambda_name *name, struct str except,
                              int64_t *sum)
{
    struct key prefix = lambda_function_key(call, name, STR("provisioned"));
    struct kv_cursor *cursor;
    struct str key, value;
    *sum = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct lambda_provisioned config;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_provisioned, value, &config));
        if (!str_eq(config.qualifier, except))
            *sum += config.requested;
    }
}

/* What functions without a reservation have provisioned in the account, but this one: each of them
 * at least one, all of them less than the account's concurrency. */
static RESULT provisioned_elsewhere(struct call *call, const struct lambda_name *name, int64_t *sum)
{
    struct key prefix = lambda_key(call, name, STR("provisioned"));
    struct kv_cursor *cursor;
    struct str key, value, last = {0};
    struct lambda_function function = {.reserved = 0};
    *sum = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct lambda_name other = *name;
        struct lambda_provisioned config;
        bool found;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader =
            key_read(call->arena, str_slice(key, key_bytes(&prefix).len, key.len));
        if (!key_next_str(&reader, &other.function))
            return FAULT("a key without a function's name");
        if (str_eq(other.function, name->function))
            continue;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_provisioned, value, &config));
        if (!str_eq(last, other.function))
            TRY(function_get(call, &other, &function, &found));
        last = str_copy(call->arena, other.function);
        if (function.reserved < 0)
            *sum += config.requested;
    }
}

/* --- reserved --- */

RESULT lambda_PutFunctionConcurrency(struct call *call,
                                     const struct lambda_PutFunctionConcurrencyRequest *in,
                                     struct lambda_Concurrency *out)
{
    int64_t wanted = in->ReservedConcurrentExecutions.value;
    struct lambda_name name;
    struct lambda_function function;
    struct lambda_account account;
    int64_t provisioned;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    TRY(account_get(call, &name, &account));
    int64_t before = function.reserved > 0 ? function.reserved : 0;
    if (account.reserved - before + wanted > ACCOUNT_CONCURRENCY - ACCOUNT_UNRESERVED_MIN)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Specified ReservedConcurrentExecutions for function decreases account's "
                         "UnreservedConcurrentExecution below its minimum value of [%d].",
                         ACCOUNT_UNRESERVED_MIN);
    TRY(provisioned_sum(call, &name, (struct str){0}, &provisioned));
    if (wanted < provisioned)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "ReservedConcurrentExecutions  %lld should not be lower than function's "
                         "total provisioned concurrency [%lld].",
                         (long long)wanted, (long long)provisioned);
    function.reserved = wanted;
    TRY(account_add(call, &name, 0, 0, wanted - before));
    TRY(function_put(call, &name, &function));
    out->ReservedConcurrentExecutions = in->ReservedConcurrentExecutions;
    return RESULT_OK;
}

RESULT
lambda_DeleteFunctionConcurrency(struct call *call,
                                 const struct lambda_DeleteFunctionConcurrencyRequest *in,
                                 struct lambda_DeleteFunctionConcurrencyResult *out)
{
    struct lambda_name name;
    struct lambda_function function;
    (void)out;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    if (function.reserved > 0)
        TRY(account_add(call, &name, 0, 0, -function.reserved));
    function.reserved = -1;
    return function_put(call, &name, &function);
}

RESULT lambda_GetFunctionConcurrency(struct call *call,
                                     const struct lambda_GetFunctionConcurrencyRequest *in,
                                     struct lambda_GetFunctionConcurrencyResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    if (function.reserved >= 0)
        out->ReservedConcurrentExecutions = opt_int((int32_t)function.reserved);
    return RESULT_OK;
}

/* --- the account --- */

RESULT lambda_GetAccountSettings(struct call *call,
                                 const struct lambda_GetAccountSettingsRequest *in,
                                 struct lambda_GetAccountSettingsResponse *out)
{
    const struct lambda_name here = {.account = call->account, .region = call->region};
    struct lambda_account account;
    (void)in;
    TRY(account_get(call, &here, &account));
    out->AccountLimit = ARENA_NEW(call->arena, struct lambda_AccountLimit);
    *out->AccountLimit = (struct lambda_AccountLimit){
        .TotalCodeSize = opt_long(ACCOUNT_CODE_MAX),
        .CodeSizeUnzipped = opt_long(CODE_UNZIPPED_MAX),
        .CodeSizeZipped = opt_long(CODE_ZIPPED_MAX),
        .ConcurrentExecutions = opt_int(ACCOUNT_CONCURRENCY),
        .UnreservedConcurrentExecutions =
            opt_int((int32_t)(ACCOUNT_CONCURRENCY - account.reserved)),
    };
    out->AccountUsage = ARENA_NEW(call->arena, struct lambda_AccountUsage);
    out->AccountUsage->TotalCodeSize = opt_long(account.code_size);
    out->AccountUsage->FunctionCount = opt_long(account.functions);
    return RESULT_OK;
}

/* --- provisioned --- */

static RESULT provisioned_target(struct call *call, struct str function, struct str qualifier,
                                 struct lambda_target *target)
{
    struct lambda_name name;
    TRY(lambda_name_parse(call, function, qualifier, &name));
    TRY(lambda_find(call, &name, target));
    if (str_eq(target->version.version, STR("$LATEST")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Provisioned Concurrency Configs cannot be applied to unpublished "
                         "function versions.");
    return RESULT_OK;
}

/* Whether an alias that points to the version has a configuration, but that one. */
static RESULT provisioned_by_alias(struct call *call, const struct lambda_name *name,
                                   struct str number, struct str except, bool *has)
{
    struct key prefix = lambda_function_key(call, name, STR("alias"));
    struct kv_cursor *cursor;
    struct str key, value;
    *has = false;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (!*has) {
        struct lambda_name other = *name;
        struct lambda_provisioned config;
        struct lambda_alias alias;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_alias, value, &alias));
        if (!str_eq(alias.version, number) || str_eq(alias.name, except))
            continue;
        other.qualifier = alias.name;
        TRY(provisioned_get(call, &other, &config, has));
    }
    return RESULT_OK;
}

/* A version has one configuration: its own, or that of one alias that points to it. */
static RESULT provisioned_check_twin(struct call *call, const struct lambda_target *target)
{
    struct lambda_name other = target->name;
    struct lambda_provisioned config;
    struct lambda_alias alias;
    bool found, twin;
    if (lambda_is_version(target->name.qualifier)) {
        TRY(provisioned_by_alias(call, &target->name, target->name.qualifier, STR(""), &twin));
        return twin ? call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                                "Version is pointed by a Provisioned Concurrency alias")
                    : RESULT_OK;
    }
    TRY(alias_get(call, &target->name, target->name.qualifier, &alias, &found));
    if (alias.weights.len > 0)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Alias with weights can not be used with Provisioned Concurrency");
    other.qualifier = alias.version;
    TRY(provisioned_get(call, &other, &config, &found));
    TRY(provisioned_by_alias(call, &target->name, alias.version, alias.name, &twin));
    if (found || twin)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Alias can't be used for Provisioned Concurrency configuration on an "
                         "already Provisioned version");
    return RESULT_OK;
}

static RESULT provisioned_check(struct call *call, const struct lambda_target *target,
                                int64_t wanted)
{
    struct lambda_account account;
    int64_t others, elsewhere;
    if (str_eq(target->version.snap_start, STR("PublishedVersions")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Provisioned Concurrency is not supported for SnapStart enabled "
                         "functions.");
    TRY(provisioned_sum(call, &target->name, target->name.qualifier, &others));
    if (target->function.reserved >= 0 && others + wanted > target->function.reserved)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Requested Provisioned Concurrency should not be greater than the "
                         "reservedConcurrentExecution for function");
    TRY(account_get(call, &target->name, &account));
    TRY(provisioned_elsewhere(call, &target->name, &elsewhere));
    int64_t room = ACCOUNT_CONCURRENCY - account.reserved - elsewhere;
    if (target->function.reserved < 0 && others + wanted > room)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Specified ConcurrentExecutions for function is greater than account's "
                         "unreserved concurrency [%lld].",
                         (long long)room);
    if (target->function.reserved < 0 && others + wanted > room - ACCOUNT_UNRESERVED_MIN)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Specified ConcurrentExecutions for function decreases account's "
                         "UnreservedConcurrentExecution below its minimum value of [%d].",
                         ACCOUNT_UNRESERVED_MIN);
    return provisioned_check_twin(call, target);
}

/* What is shown of one. */
static RESULT provisioned_show(struct call *call, const struct lambda_name *name,
                               const struct lambda_provisioned *config,
                               struct lambda_PutProvisionedConcurrencyConfigResponse *out)
{
    unsigned ready = 0;
    bool runs;
    TRY(provisioned_ready(call, name, config, &ready, &runs));
    bool all = (int64_t)ready >= config->requested;
    *out = (struct lambda_PutProvisionedConcurrencyConfigResponse){
        .RequestedProvisionedConcurrentExecutions = opt_int((int32_t)config->requested),
        .AllocatedProvisionedConcurrentExecutions = opt_int((int32_t)ready),
        .AvailableProvisionedConcurrentExecutions = opt_int((int32_t)ready),
        .Status = !runs ? STR("FAILED")
                  : all ? STR("READY")
                        : STR("IN_PROGRESS"),
        .LastModified = lambda_timestamp(call, config->modified_ms),
    };
    if (!runs)
        out->StatusReason = STR("Functions do not run in this process: kumoniwa doctor says why.");
    return RESULT_OK;
}

RESULT lambda_PutProvisionedConcurrencyConfig(
    struct call *call, const struct lambda_PutProvisionedConcurrencyConfigRequest *in,
    struct lambda_PutProvisionedConcurrencyConfigResponse *out)
{
    int64_t wanted = in->ProvisionedConcurrentExecutions.value;
    struct lambda_target target;
    TRY(provisioned_target(call, in->FunctionName, in->Qualifier, &target));
    TRY(provisioned_check(call, &target, wanted));
    const struct lambda_provisioned config = {
        .qualifier = target.name.qualifier, .requested = wanted, .modified_ms = call->now_ms};
    TRY(provisioned_put(call, &target.name, &config));
    *out = (struct lambda_PutProvisionedConcurrencyConfigResponse){
        .RequestedProvisionedConcurrentExecutions = opt_int((int32_t)wanted),
        .AllocatedProvisionedConcurrentExecutions = opt_int(0),
        .AvailableProvisionedConcurrentExecutions = opt_int(0),
        .Status = STR("IN_PROGRESS"),
        .LastModified = lambda_timestamp(call, call->now_ms),
    };
    return RESULT_OK;
}

RESULT lambda_GetProvisionedConcurrencyConfig(
    struct call *call, const struct lambda_GetProvisionedConcurrencyConfigRequest *in,
    struct lambda_GetProvisionedConcurrencyConfigResponse *out)
{
    struct lambda_target target;
    struct lambda_provisioned config;
    struct lambda_PutProvisionedConcurrencyConfigResponse shown;
    bool found;
    TRY(provisioned_target(call, in->FunctionName, in->Qualifier, &target));
    TRY(provisioned_get(call, &target.name, &config, &found));
    if (!found)
        return call_fail(call, LAMBDA_PROVISIONED_CONCURRENCY_CONFIG_NOT_FOUND,
                         "No Provisioned Concurrency Config found for this function");
    TRY(provisioned_show(call, &target.name, &config, &shown));
    *out = (struct lambda_GetProvisionedConcurrencyConfigResponse){
        .RequestedProvisionedConcurrentExecutions = shown.RequestedProvisionedConcurrentExecutions,
        .AvailableProvisionedConcurrentExecutions = shown.AvailableProvisionedConcurrentExecutions,
        .AllocatedProvisionedConcurrentExecutions = shown.AllocatedProvisionedConcurrentExecutions,
        .Status = shown.Status,
        .StatusReason = shown.StatusReason,
        .LastModified = shown.LastModified,
    };
    return RESULT_OK;
}

RESULT lambda_DeleteProvisionedConcurrencyConfig(
    struct call *call, const struct lambda_DeleteProvisionedConcurrencyConfigRequest *in,
    struct lambda_DeleteProvisionedConcurrencyConfigResult *out)
{
    struct lambda_target target;
    (void)out;
    TRY(provisioned_target(call, in->FunctionName, in->Qualifier, &target));
    return provisioned_drop(call, &target.name, target.name.qualifier);
}

RESULT lambda_ListProvisionedConcurrencyConfigs(
    struct call *call, const struct lambda_ListProvisionedConcurrencyConfigsRequest *in,
    struct lambda_ListProvisionedConcurrencyConfigsResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    struct lambda_page page;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    struct key prefix = lambda_function_key(call, &name, STR("provisioned"));
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, LAMBDA_PAGE, &prefix, &page));
    struct lambda_ProvisionedConcurrencyConfigListItem *items =
        ARENA_ARRAY(call->arena, page.limit, struct lambda_ProvisionedConcurrencyConfigListItem);
    size_t len = 0;
    for (;;) {
        struct lambda_provisioned config;
        struct lambda_PutProvisionedConcurrencyConfigResponse shown;
        TRY(lambda_page_next(call, &page, len, &out->NextMarker));
        if (str_is_absent(page.key))
            break;
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_provisioned, page.value,
                               &config));
        struct lambda_name qualified = name;
        qualified.qualifier = config.qualifier;
        TRY(provisioned_show(call, &qualified, &config, &shown));
        items[len++] = (struct lambda_ProvisionedConcurrencyConfigListItem){
            .FunctionArn = lambda_name_arn(call, &qualified),
            .RequestedProvisionedConcurrentExecutions =
                shown.RequestedProvisionedConcurrentExecutions,
            .AvailableProvisionedConcurrentExecutions =
                shown.AvailableProvisionedConcurrentExecutions,
            .AllocatedProvisionedConcurrentExecutions =
                shown.AllocatedProvisionedConcurrentExecutions,
            .Status = shown.Status,
            .StatusReason = shown.StatusReason,
            .LastModified = shown.LastModified,
        };
    }
    out->ProvisionedConcurrencyConfigs.items = items;
    out->ProvisionedConcurrencyConfigs.len = len;
    return RESULT_OK;
}
