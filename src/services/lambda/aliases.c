/* Aliases: "Create an alias for a Lambda function", "Implement Lambda canary deployments using a
 * weighted alias", Developer Guide. */
#include "services/lambda/create.h"
#include "store/record.h"

static struct key alias_key(struct call *call, const struct lambda_name *name, struct str alias)
{
    struct key key = lambda_function_key(call, name, STR("alias"));
    key_str(&key, alias);
    return key;
}

static RESULT alias_put(struct call *call, const struct lambda_name *name,
                        struct lambda_alias *alias)
{
    struct key key = alias_key(call, name, alias->name);
    alias->revision_id = lambda_revision(call);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_alias, alias);
}

static RESULT alias_find(struct call *call, const struct lambda_name *name, struct str text,
                         struct lambda_alias *alias)
{
    struct lambda_name shown = *name;
    bool found;
    TRY(alias_get(call, name, text, alias, &found));
    shown.qualifier = text;
    if (!found)
        return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND, "Cannot find alias arn: %.*s",
                         PRSTR(lambda_name_arn(call, &shown)));
    return RESULT_OK;
}

static void alias_show(struct call *call, const struct lambda_name *name,
                       const struct lambda_alias *alias, struct lambda_AliasConfiguration *out)
{
    struct lambda_name shown = *name;
    shown.qualifier = alias->name;
    *out = (struct lambda_AliasConfiguration){
        .AliasArn = lambda_name_arn(call, &shown),
        .Name = alias->name,
        .FunctionVersion = alias->version,
        .Description = str_is_absent(alias->description) ? STR("") : alias->description,
        .RevisionId = alias->revision_id,
    };
    if (alias->weights.len == 0)
        return;
    out->RoutingConfig = ARENA_NEW(call->arena, struct lambda_AliasRoutingConfiguration);
    out->RoutingConfig->AdditionalVersionWeights.items = (void *)alias->weights.items;
    out->RoutingConfig->AdditionalVersionWeights.len = alias->weights.len;
}

static RESULT alias_check_version(struct call *call, const struct lambda_name *name,
                                  struct str number)
{
    struct lambda_name shown = *name;
    struct lambda_version version;
    bool found;
    TRY(version_get(call, name, number, &version, &found));
    shown.qualifier = number;
    return found ? RESULT_OK : function_missing(call, &shown);
}

/* "The alias can point to a maximum of two Lambda function versions", both published, with the same
 * execution role and dead-letter queue. */
static RESULT alias_check_pair(struct call *call, const struct lambda_name *name, struct str main,
                               struct str other)
{
    struct lambda_version a, b;
    bool found;
    if (str_eq(main, STR("$LATEST")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "$LATEST is not supported for an alias pointing to more than 1 version");
    if (str_eq(main, other))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Invalid function version %.*s. Function version %.*s is already included "
                         "in routing configuration.",
                         PRSTR(other), PRSTR(other));
    TRY(alias_check_version(call, name, other));
    TRY(version_get(call, name, main, &a, &found));
    TRY(version_get(call, name, other, &b, &found));
    if (!str_eq(a.role, b.role))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Versions of an alias must have the same execution role.");
    if (!str_eq(a.dead_letter, b.dead_letter))
        return call_fail(
            call, LAMBDA_INVALID_PARAMETER_VALUE,
            "Versions of an alias must have the same dead-letter queue configuration.");
    return RESULT_OK;
}

static RESULT alias_set_weights(struct call *call, const struct lambda_name *name,
                                const struct lambda_AliasRoutingConfiguration *routing,
                                struct lambda_alias *alias)
{
    if (routing != NULL) {
        alias->weights.items = (void *)routing->AdditionalVersionWeights.items;
        alias->weights.len = routing->AdditionalVersionWeights.len;
    }
    if (alias->weights.len > 1)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Number of items in AdditionalVersionWeights cannot be greater than 1");
    if (alias->weights.len == 1)
        return alias_check_pair(call, name, alias->version, alias->weights.items[0].key);
    return RESULT_OK;
}

static RESULT alias_function(struct call *call, struct str text, struct lambda_name *name)
{
    struct lambda_function function;
    TRY(lambda_name_unqualified(call, text, name));
    return function_find(call, name, &function);
}

static RESULT alias_refuse_published(struct call *call, struct str version)
{
    if (str_eq(version, STR("$LATEST.PUBLISHED")))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa has no capacity providers: $LATEST.PUBLISHED is not "
                         "implemented.");
    return RESULT_OK;
}

RESULT lambda_CreateAlias(struct call *call, const struct lambda_CreateAliasRequest *in,
                          struct lambda_AliasConfiguration *out)
{
    struct lambda_name name, shown;
    struct lambda_alias alias;
    bool found;
    TRY(alias_refuse_published(call, in->FunctionVersion));
    TRY(alias_function(call, in->FunctionName, &name));
    TRY(alias_get(call, &name, in->Name, &alias, &found));
    shown = name;
    shown.qualifier = in->Name;
    if (found)
        return call_fail(call, LAMBDA_RESOURCE_CONFLICT, "Alias already exists: %.*s",
                         PRSTR(lambda_name_arn(call, &shown)));
    TRY(alias_check_version(call, &name, in->FunctionVersion));
    alias = (struct lambda_alias){
        .name = in->Name, .version = in->FunctionVersion, .description = in->Description};
    TRY(alias_set_weights(call, &name, in->RoutingConfig, &alias));
    TRY(alias_put(call, &name, &alias));
    alias_show(call, &name, &alias, out);
    return RESULT_OK;
}

RESULT lambda_UpdateAlias(struct call *call, const struct lambda_UpdateAliasRequest *in,
                          struct lambda_AliasConfiguration *out)
{
    struct lambda_name name;
    struct lambda_alias alias;
    TRY(alias_refuse_published(call, in->FunctionVersion));
    TRY(alias_function(call, in->FunctionName, &name));
    TRY(alias_find(call, &name, in->Name, &alias));
    TRY(version_check_revision(call, in->RevisionId, alias.revision_id));
    if (!str_is_absent(in->FunctionVersion)) {
        TRY(alias_check_version(call, &name, in->FunctionVersion));
        alias.version = in->FunctionVersion;
    }
    if (!str_is_absent(in->Description))
        alias.description = in->Description;
    TRY(alias_set_weights(call, &name, in->RoutingConfig, &alias));
    TRY(alias_put(call, &name, &alias));
    provisioned_moved(call, &name, alias.name);
    alias_show(call, &name, &alias, out);
    return RESULT_OK;
}

RESULT lambda_GetAlias(struct call *call, const struct lambda_GetAliasRequest *in,
                       struct lambda_AliasConfiguration *out)
{
    struct lambda_name name;
    struct lambda_alias alias;
    TRY(alias_function(call, in->FunctionName, &name));
    TRY(alias_find(call, &name, in->Name, &alias));
    alias_show(call, &name, &alias, out);
    return RESULT_OK;
}

/* Deleting one that is not there is fine, as on AWS. */
RESULT lambda_DeleteAlias(struct call *call, const struct lambda_DeleteAliasRequest *in,
                          struct lambda_DeleteAliasResult *out)
{
    struct lambda_name name;
    (void)out;
    TRY(alias_function(call, in->FunctionName, &name));
    struct key key = alias_key(call, &name, in->Name);
    TRY(function_drop_qualifier(call, &name, in->Name));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT lambda_ListAliases(struct call *call, const struct lambda_ListAliasesRequest *in,
                          struct lambda_ListAliasesResponse *out)
{
    struct lambda_name name;
    struct lambda_page page;
    TRY(alias_function(call, in->FunctionName, &name));
    struct key prefix = lambda_function_key(call, &name, STR("alias"));
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, LAMBDA_PAGE, &prefix, &page));
    out->Aliases.items = ARENA_ARRAY(call->arena, page.limit, struct lambda_AliasConfiguration);
    for (;;) {
        struct lambda_alias alias;
        TRY(lambda_page_next(call, &page, out->Aliases.len, &out->NextMarker));
        if (str_is_absent(page.key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_alias, page.value, &alias));
        if (!str_is_absent(in->FunctionVersion) && !str_eq(in->FunctionVersion, alias.version))
            continue;
        alias_show(call, &name, &alias, &out->Aliases.items[out->Aliases.len++]);
    }
}
