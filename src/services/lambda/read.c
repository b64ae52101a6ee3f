/* GetFunction, GetFunctionConfiguration, ListFunctions, DeleteFunction. */
#include "base/vec.h"
#include "cloud/authorize.h"
#include "services/lambda/create.h"
#include "services/lambda/events_int.h"
#include "store/record.h"

/* What a name and a Qualifier mean, without the dice: an alias shows the version that it points to.
 */
static RESULT read_target(struct call *call, struct str text, struct str qualifier,
                          struct lambda_target *out)
{
    struct lambda_alias alias;
    struct lambda_name plain;
    bool found;
    TRY(lambda_name_parse(call, text, qualifier, &out->name));
    struct str wanted = out->name.qualifier;
    if (str_is_absent(wanted) || lambda_is_version(wanted))
        return lambda_find(call, &out->name, out);
    TRY(function_find(call, &out->name, &out->function));
    TRY(alias_get(call, &out->name, wanted, &alias, &found));
    if (!found)
        return function_missing(call, &out->name);
    plain = out->name;
    plain.qualifier = alias.version;
    struct str arn = lambda_name_arn(call, &out->name);
    TRY(lambda_find(call, &plain, out));
    out->invoked_arn = arn;
    return RESULT_OK;
}

RESULT lambda_GetFunctionConfiguration(struct call *call,
                                       const struct lambda_GetFunctionConfigurationRequest *in,
                                       struct lambda_FunctionConfiguration *out)
{
    struct lambda_target target;
    TRY(read_target(call, in->FunctionName, in->Qualifier, &target));
    return configuration_show(call, &target.name, target.invoked_arn, &target.version, true, out);
}

static struct lambda_FunctionCodeLocation *read_code(struct call *call,
                                                     const struct lambda_version *version)
{
    struct lambda_FunctionCodeLocation *code =
        ARENA_NEW(call->arena, struct lambda_FunctionCodeLocation);
    if (!str_is_empty(version->image_uri)) {
        code->RepositoryType = STR("ECR");
        code->ImageUri = version->image_uri;
        code->ResolvedImageUri = image_resolved(call->arena, version);
    } else if (!str_is_empty(version->hot_folder)) {
        code->RepositoryType = STR("S3");
        code->Location = version->hot_folder;
    } else {
        code->RepositoryType = STR("S3");
        code->Location = code_location(call, version->code);
    }
    return code;
}

/* "Lambda returns tag data only if you have explicit allow permissions for lambda:ListTags." */
static RESULT read_tags(struct call *call, const struct lambda_target *target,
                        struct lambda_GetFunctionResponse *out)
{
    struct lambda_name plain = target->name;
    struct lambda_policy policy;
    bool found, allowed;
    plain.qualifier = (struct str){0};
    struct str arn = lambda_name_arn(call, &plain);
    if (target->function.tags.len == 0)
        return RESULT_OK;
    TRY(policy_get(call, &plain, &policy, &found));
    const struct authorize_ask ask = {.action = STR("lambda:ListTags"),
                                      .resource = arn,
                                      .owner = plain.account,
                                      .policy = found ? policy.text : (struct str){0},
                                      .form = POLICY_FORM_RESOURCE};
    TRY(authorize_may(call, &ask, &allowed));
    if (allowed) {
        out->Tags = target->function.tags;
        return RESULT_OK;
    }
    out->TagsError = ARENA_NEW(call->arena, struct lambda_TagsError);
    out->TagsError->ErrorCode = STR("AccessDeniedException");
    out->TagsError->Message = str_format(
        call->arena, "User: %.*s is not authorized to perform: lambda:ListTags on resource: %.*s",
        PRSTR(call->principal.arn), PRSTR(arn));
    return RESULT_OK;
}

RESULT lambda_GetFunction(struct call *call, const struct lambda_GetFunctionRequest *in,
                          struct lambda_GetFunctionResponse *out)
{
    struct lambda_target target;
    TRY(read_target(call, in->FunctionName, in->Qualifier, &target));
    out->Configuration = ARENA_NEW(call->arena, struct lambda_FunctionConfiguration);
    TRY(configuration_show(call, &target.name, target.invoked_arn, &target.version, true,
                           out->Configuration));
    out->Code = read_code(call, &target.version);
    TRY(read_tags(call, &target, out));
    if (target.function.reserved >= 0) {
        out->Concurrency = ARENA_NEW(call->arena, struct lambda_Concurrency);
        out->Concurrency->ReservedConcurrentExecutions = opt_int((int32_t)target.function.reserved);
    }
    return RESULT_OK;
}

/* --- lists --- */

/* One function or version of a page. The key's last elements are the name and, of a version, its
 * number. */
static RESULT list_item(struct call *call, const struct lambda_name *name, bool all,
                        struct str value, struct lambda_FunctionConfiguration *out)
{
    struct lambda_function function;
    struct lambda_version version;
    struct lambda_name own = *name;
    bool found;
    if (all) {
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_version, value, &version));
        own.function = version.name;
        own.qualifier = version.version;
    } else {
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_function, value,
                               &function));
        own.function = function.name;
        TRY(version_get(call, &own, STR("$LATEST"), &version, &found));
        if (!found)
            return FAULT("function %.*s has no $LATEST", PRSTR(function.name));
    }
    return configuration_show(call, &own, lambda_name_arn(call, &own), &version, false, out);
}

static RESULT list_page(struct call *call, const struct lambda_name *name, struct key *prefix,
                        struct str marker, struct opt_int wanted, bool all,
                        struct lambda_FunctionList *out, struct str *next)
{
    struct lambda_page page;
    TRY(lambda_page_open(call, marker, wanted, LAMBDA_PAGE, prefix, &page));
    out->items = ARENA_ARRAY(call->arena, page.limit, struct lambda_FunctionConfiguration);
    for (;;) {
        TRY(lambda_page_next(call, &page, out->len, next));
        if (str_is_absent(page.key))
            return RESULT_OK;
        TRY(list_item(call, name, all, page.value, &out->items[out->len]));
        out->len++;
    }
}

RESULT lambda_ListFunctions(struct call *call, const struct lambda_ListFunctionsRequest *in,
                            struct lambda_ListFunctionsResponse *out)
{
    const struct lambda_name here = {.account = call->account, .region = call->region};
    bool all = !str_is_absent(in->FunctionVersion);
    if (!str_is_absent(in->MasterRegion) && !all)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "FunctionVersion must be set to ALL if MasterRegion is specified.");
    if (!str_is_absent(in->MasterRegion) && !str_eq(in->MasterRegion, STR("ALL"))) {
        out->Functions.items = ARENA_NEW(call->arena, struct lambda_FunctionConfiguration);
        return RESULT_OK; /* replicas of Lambda@Edge: there are none */
    }
    struct key prefix = lambda_key(call, &here, all ? STR("version") : STR("function"));
    return list_page(call, &here, &prefix, in->Marker, in->MaxItems, all, &out->Functions,
                     &out->NextMarker);
}

RESULT lambda_ListVersionsByFunction(struct call *call,
                                     const struct lambda_ListVersionsByFunctionRequest *in,
                                     struct lambda_ListVersionsByFunctionResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    struct key prefix = lambda_function_key(call, &name, STR("version"));
    return list_page(call, &name, &prefix, in->Marker, in->MaxItems, true, &out->Versions,
                     &out->NextMarker);
}

/* --- DeleteFunction --- */

static RESULT delete_version(struct call *call, const struct lambda_name *name,
                             const struct lambda_version *version)
{
    struct key key = version_key(call, name, version->version);
    version_forget(call, name, version);
    TRY(version_release_code(call, version));
    TRY(account_add(call, name, 0, -version->code_size, 0));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* What belongs to a version or alias alone. */
RESULT function_drop_qualifier(struct call *call, const struct lambda_name *name,
                               struct str qualifier)
{
    static const struct str kinds[] = {STR_INIT("policy"), STR_INIT("event-invoke")};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct key key = lambda_function_key(call, name, kinds[i]);
        key_str(&key, qualifier);
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    }
    TRY(provisioned_drop(call, name, qualifier));
    return url_drop(call, name, qualifier);
}

/* The aliases that point to the version, with a comma between; absent: none. */
static RESULT delete_pointing(struct call *call, const struct lambda_name *name, struct str number,
                              struct str *names)
{
    struct key prefix = lambda_function_key(call, name, STR("alias"));
    struct kv_cursor *cursor;
    struct str key, value;
    struct buf text;
    buf_init(&text, call->arena, 64 * 1024);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct lambda_alias alias;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_alias, value, &alias));
        bool points = str_eq(alias.version, number);
        for (size_t i = 0; i < alias.weights.len; i++)
            points = points || str_eq(alias.weights.items[i].key, number);
        if (points)
            buf_append_format(&text, "%s%.*s", text.len > 0 ? ", " : "", PRSTR(alias.name));
    }
    *names = text.len > 0 ? buf_str(&text) : (struct str){0};
    return RESULT_OK;
}

static RESULT delete_one(struct call *call, const struct lambda_name *name)
{
    struct lambda_version version;
    struct str names;
    bool found;
    if (str_eq(name->qualifier, STR("$LATEST")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "$LATEST version cannot be deleted without deleting the function.");
    if (!lambda_is_version(name->qualifier))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Deletion of aliases is not currently supported.");
    TRY(version_get(call, name, name->qualifier, &version, &found));
    if (!found)
        return RESULT_OK; /* as AWS: it is gone */
    TRY(delete_pointing(call, name, name->qualifier, &names));
    if (!str_is_absent(names))
        return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                         "Unable to delete version because the following aliases reference it: "
                         "[%.*s]",
                         PRSTR(names));
    TRY(function_drop_qualifier(call, name, name->qualifier));
    return delete_version(call, name, &version);
}

static RESULT delete_versions(struct call *call, const struct lambda_name *name)
{
    struct key prefix = lambda_function_key(call, name, STR("version"));
    struct lambda_version *versions = NULL;
    size_t len = 0, cap = 0;
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct lambda_version version;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_version, value, &version));
        VEC_PUSH(call->arena, versions, len, cap, version);
    }
    for (size_t i = 0; i < len; i++)
        TRY(delete_version(call, name, &versions[i]));
    return RESULT_OK;
}

static RESULT delete_all(struct call *call, const struct lambda_name *name,
                         const struct lambda_function *function)
{
    static const struct str kinds[] = {STR_INIT("alias"), STR_INIT("policy"),
                                       STR_INIT("event-invoke")};
    TRY(async_forget(call, name));
    TRY(delete_versions(call, name));
    TRY(urls_drop(call, name));
    TRY(provisioned_drop_all(call, name));
    TRY(code_signing_leave(call, name, function));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct key prefix = lambda_function_key(call, name, kinds[i]);
        size_t deleted;
        TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), SIZE_MAX, &deleted));
    }
    struct key key = lambda_function_key(call, name, STR("function"));
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return account_add(call, name, -1, 0, function->reserved > 0 ? -function->reserved : 0);
}

RESULT lambda_DeleteFunction(struct call *call, const struct lambda_DeleteFunctionRequest *in,
                             struct lambda_DeleteFunctionResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    TRY(lambda_name_parse(call, in->FunctionName, in->Qualifier, &name));
    TRY(function_find(call, &name, &function));
    out->StatusCode = opt_int(204);
    if (!str_is_absent(name.qualifier))
        return delete_one(call, &name);
    return delete_all(call, &name, &function);
}
