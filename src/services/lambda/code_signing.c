/* Code signing configurations: "Using code signing to verify code integrity with Lambda",
 * Developer Guide. Kept and attached; signatures are not verified.
 *
 *   ("lambda", account, region, "signing", ID)                       record code_signing
 *   ("lambda", account, region, "signing-function", ID, FUNCTION)    who has it */
#include "base/log.h"
#include "base/rng.h"
#include "cloud/arn.h"
#include "services/lambda/create.h"
#include "store/record.h"

enum { SIGNING_ID = 17 };

/* --- keys --- */

static struct str signing_id(struct str arn)
{
    size_t at = str_find_last_char(arn, ':');
    return at == SIZE_MAX ? arn : str_slice(arn, at + 1, arn.len);
}

static struct lambda_name signing_place(struct call *call, struct str text)
{
    struct arn arn;
    if (!arn_parse(text, &arn))
        return (struct lambda_name){.account = call->account, .region = call->region};
    return (struct lambda_name){.account = arn.account, .region = arn.region};
}

static struct key signing_key(struct call *call, struct str arn)
{
    const struct lambda_name place = signing_place(call, arn);
    struct key key = lambda_key(call, &place, STR("signing"));
    key_str(&key, signing_id(arn));
    return key;
}

static struct key signing_functions_key(struct call *call, struct str arn)
{
    const struct lambda_name place = signing_place(call, arn);
    struct key key = lambda_key(call, &place, STR("signing-function"));
    key_str(&key, signing_id(arn));
    return key;
}

static struct key signing_function_key(struct call *call, const struct lambda_name *name,
                                       struct str arn)
{
    struct key key = signing_functions_key(call, arn);
    key_str(&key, name->function);
    return key;
}

/* --- records --- */

static RESULT signing_find(struct call *call, struct str arn, struct lambda_code_signing *out)
{
    struct key key = signing_key(call, arn);
    bool found;
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_code_signing, out, &found));
    if (found && str_eq(signing_place(call, arn).region, call->region))
        return RESULT_OK;
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                     "The Lambda code signing configuration %.*s can not be found.", PRSTR(arn));
}

static struct str signing_arn(struct call *call, struct str id)
{
    return arn_make(call->arena, STR("lambda"), call->region, call->account,
                    str_concat(call->arena, STR("code-signing-config:"), id));
}

static struct lambda_CodeSigningConfig *signing_show(struct call *call,
                                                     const struct lambda_code_signing *record,
                                                     struct lambda_CodeSigningConfig *out)
{
    out->CodeSigningConfigId = record->id;
    out->CodeSigningConfigArn = signing_arn(call, record->id);
    out->Description = record->description;
    out->AllowedPublishers = ARENA_NEW(call->arena, struct lambda_AllowedPublishers);
    out->AllowedPublishers->SigningProfileVersionArns = record->publishers;
    out->CodeSigningPolicies = ARENA_NEW(call->arena, struct lambda_CodeSigningPolicies);
    out->CodeSigningPolicies->UntrustedArtifactOnDeployment = record->policy;
    out->LastModified = lambda_timestamp(call, record->modified_ms);
    return out;
}

static RESULT signing_take(struct call *call, const struct lambda_AllowedPublishers *publishers,
                           const struct lambda_CodeSigningPolicies *policies,
                           struct lambda_code_signing *record)
{
    if (publishers != NULL)
        record->publishers = publishers->SigningProfileVersionArns;
    for (size_t i = 0; i < record->publishers.len; i++) {
        struct arn arn;
        if (!arn_parse(record->publishers.items[i], &arn) || !str_eq(arn.service, STR("signer")) ||
            !str_starts_with(arn.resource, STR("/signing-profiles/")))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "%.*s is not the ARN of a version of a signing profile.",
                             PRSTR(record->publishers.items[i]));
    }
    if (policies != NULL && !str_is_absent(policies->UntrustedArtifactOnDeployment))
        record->policy = policies->UntrustedArtifactOnDeployment;
    record->modified_ms = call->now_ms;
    return RESULT_OK;
}

/* --- configurations --- */

RESULT lambda_CreateCodeSigningConfig(struct call *call,
                                      const struct lambda_CreateCodeSigningConfigRequest *in,
                                      struct lambda_CreateCodeSigningConfigResponse *out)
{
    struct str random =
        rng_text(call->arena, STR("abcdefghijklmnopqrstuvwxyz0123456789"), SIGNING_ID);
    struct lambda_code_signing record = {
        .id = str_concat(call->arena, STR("csc-"), random),
        .description = in->Description,
        .policy = STR("Warn"),
        .tags = in->Tags,
    };
    TRY(tags_given(call, in, "lambda:code-signing-config", call->account,
                   signing_arn(call, record.id), &in->Tags));
    TRY(signing_take(call, in->AllowedPublishers, in->CodeSigningPolicies, &record));
    struct key key = signing_key(call, signing_arn(call, record.id));
    TRY(call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_code_signing, &record));
    out->CodeSigningConfig =
        signing_show(call, &record, ARENA_NEW(call->arena, struct lambda_CodeSigningConfig));
    return RESULT_OK;
}

RESULT lambda_GetCodeSigningConfig(struct call *call,
                                   const struct lambda_GetCodeSigningConfigRequest *in,
                                   struct lambda_GetCodeSigningConfigResponse *out)
{
    struct lambda_code_signing record;
    TRY(signing_find(call, in->CodeSigningConfigArn, &record));
    out->CodeSigningConfig =
        signing_show(call, &record, ARENA_NEW(call->arena, struct lambda_CodeSigningConfig));
    return RESULT_OK;
}

RESULT lambda_UpdateCodeSigningConfig(struct call *call,
                                      const struct lambda_UpdateCodeSigningConfigRequest *in,
                                      struct lambda_UpdateCodeSigningConfigResponse *out)
{
    struct lambda_code_signing record;
    struct key key = signing_key(call, in->CodeSigningConfigArn);
    TRY(signing_find(call, in->CodeSigningConfigArn, &record));
    if (!str_is_absent(in->Description))
        record.description = in->Description;
    TRY(signing_take(call, in->AllowedPublishers, in->CodeSigningPolicies, &record));
    TRY(call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_code_signing, &record));
    out->CodeSigningConfig =
        signing_show(call, &record, ARENA_NEW(call->arena, struct lambda_CodeSigningConfig));
    return RESULT_OK;
}

/* "You can delete the code signing configuration only if no function is using it." */
RESULT lambda_DeleteCodeSigningConfig(struct call *call,
                                      const struct lambda_DeleteCodeSigningConfigRequest *in,
                                      struct lambda_DeleteCodeSigningConfigResponse *out)
{
    struct lambda_code_signing record;
    struct kv_cursor *cursor;
    struct str used, value;
    struct key key = signing_key(call, in->CodeSigningConfigArn);
    struct key functions = signing_functions_key(call, in->CodeSigningConfigArn);
    (void)out;
    TRY(signing_find(call, in->CodeSigningConfigArn, &record));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&functions), false, &cursor));
    TRY(kv_next(cursor, &used, &value));
    if (!str_is_absent(used))
        return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                         "The code signing configuration %.*s is in use by functions.",
                         PRSTR(in->CodeSigningConfigArn));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT lambda_ListCodeSigningConfigs(struct call *call,
                                     const struct lambda_ListCodeSigningConfigsRequest *in,
                                     struct lambda_ListCodeSigningConfigsResponse *out)
{
    const struct lambda_name here = {.account = call->account, .region = call->region};
    struct key prefix = lambda_key(call, &here, STR("signing"));
    struct lambda_page page;
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, LAMBDA_PAGE, &prefix, &page));
    out->CodeSigningConfigs.items =
        ARENA_ARRAY(call->arena, page.limit, struct lambda_CodeSigningConfig);
    for (;;) {
        struct lambda_code_signing record;
        TRY(lambda_page_next(call, &page, out->CodeSigningConfigs.len, &out->NextMarker));
        if (str_is_absent(page.key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_code_signing, page.value,
                          &record));
        (void)signing_show(call, &record,
                           &out->CodeSigningConfigs.items[out->CodeSigningConfigs.len++]);
    }
}

/* --- functions that have one --- */

RESULT code_signing_leave(struct call *call, const struct lambda_name *name,
                          const struct lambda_function *function)
{
    if (str_is_empty(function->code_signing))
        return RESULT_OK;
    struct key key = signing_function_key(call, name, function->code_signing);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT code_signing_join(struct call *call, const struct lambda_name *name, struct str arn,
                         struct lambda_function *function)
{
    struct key key = signing_key(call, arn), used = signing_function_key(call, name, arn);
    const struct lambda_name place = signing_place(call, arn);
    struct lambda_code_signing record;
    bool found;
    TRY(call_get_record(call, &key, &lambda_model, LAMBDA_SHAPE_code_signing, &record, &found));
    if (!found || !str_eq(place.account, name->account) || !str_eq(place.region, name->region))
        return call_fail(call, LAMBDA_CODE_SIGNING_CONFIG_NOT_FOUND,
                         "The code signing configuration cannot be found. Check that the provided "
                         "configuration is not deleted: %.*s.",
                         PRSTR(arn));
    TRY(code_signing_leave(call, name, function));
    function->code_signing = arn;
    if (str_eq(record.policy, STR("Enforce")))
        log_line(LOG_WARN,
                 "lambda: %.*s takes code of trusted publishers alone by its configuration; "
                 "signatures are not looked at",
                 PRSTR(name->function));
    return kv_put(call->txn, key_bytes(&used), STR("+"));
}

RESULT
lambda_PutFunctionCodeSigningConfig(struct call *call,
                                    const struct lambda_PutFunctionCodeSigningConfigRequest *in,
                                    struct lambda_PutFunctionCodeSigningConfigResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    TRY(code_signing_join(call, &name, in->CodeSigningConfigArn, &function));
    TRY(function_put(call, &name, &function));
    out->CodeSigningConfigArn = in->CodeSigningConfigArn;
    out->FunctionName = name.function;
    return RESULT_OK;
}

RESULT
lambda_GetFunctionCodeSigningConfig(struct call *call,
                                    const struct lambda_GetFunctionCodeSigningConfigRequest *in,
                                    struct lambda_GetFunctionCodeSigningConfigResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    if (str_is_empty(function.code_signing))
        return RESULT_OK; /* as AWS: an answer without a configuration */
    out->CodeSigningConfigArn = function.code_signing;
    out->FunctionName = name.function;
    return RESULT_OK;
}

RESULT lambda_DeleteFunctionCodeSigningConfig(
    struct call *call, const struct lambda_DeleteFunctionCodeSigningConfigRequest *in,
    struct lambda_DeleteFunctionCodeSigningConfigResult *out)
{
    struct lambda_name name;
    struct lambda_function function;
    (void)out;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    TRY(code_signing_leave(call, &name, &function));
    function.code_signing = (struct str){0};
    return function_put(call, &name, &function);
}

RESULT
lambda_ListFunctionsByCodeSigningConfig(
    struct call *call, const struct lambda_ListFunctionsByCodeSigningConfigRequest *in,
    struct lambda_ListFunctionsByCodeSigningConfigResponse *out)
{
    const struct lambda_name place = signing_place(call, in->CodeSigningConfigArn);
    struct lambda_code_signing record;
    struct lambda_page page;
    struct str name;
    TRY(signing_find(call, in->CodeSigningConfigArn, &record));
    struct key prefix = signing_functions_key(call, in->CodeSigningConfigArn);
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, LAMBDA_PAGE, &prefix, &page));
    out->FunctionArns.items = ARENA_ARRAY(call->arena, page.limit, struct str);
    for (;;) {
        TRY(lambda_page_next(call, &page, out->FunctionArns.len, &out->NextMarker));
        if (str_is_absent(page.key))
            return RESULT_OK;
        struct key_reader reader =
            key_read(call->arena, str_slice(page.key, key_bytes(&prefix).len, page.key.len));
        if (!key_next_str(&reader, &name))
            return FAULT("a key without a function's name");
        out->FunctionArns.items[out->FunctionArns.len++] =
            lambda_arn(call, place.account, place.region, name, (struct str){0});
    }
}
