/* What a request is about, for those who decide whether it may be: ARNs, owners, policies,
 * condition keys. "Actions, resources, and condition keys for AWS Lambda", Service Authorization
 * Reference. */
#include "cloud/arn.h"
#include "cloud/tags.h"
#include "services/lambda/lambda_int.h"
#include "wire/json_text.h"
#include "wire/shape.h"

/* A string member of the request; absent when it has none of that name. */
static struct str member_str(const struct call *call, const void *in, const char *name)
{
    const struct wire_model *model = call->model;
    const struct wire_shape *shape = shape_at(model, model->operations[call->operation].input);
    const struct wire_member *members = shape_members(model, shape);
    for (size_t i = 0; in != NULL && i < shape->member_count; i++)
        if (shape_at(model, members[i].shape)->type == WIRE_STRING &&
            str_eq(member_name(model, &members[i]), str_from_c(name)))
            return *(const struct str *)member_value(&members[i], in);
    return (struct str){0};
}

static int64_t member_version(const struct call *call, const void *in)
{
    switch (call->operation) {
    case LAMBDA_OP_AddLayerVersionPermission:
        return ((const struct lambda_AddLayerVersionPermissionRequest *)in)->VersionNumber.value;
    case LAMBDA_OP_DeleteLayerVersion:
        return ((const struct lambda_DeleteLayerVersionRequest *)in)->VersionNumber.value;
    case LAMBDA_OP_GetLayerVersion:
        return ((const struct lambda_GetLayerVersionRequest *)in)->VersionNumber.value;
    case LAMBDA_OP_GetLayerVersionPolicy:
        return ((const struct lambda_GetLayerVersionPolicyRequest *)in)->VersionNumber.value;
    case LAMBDA_OP_RemoveLayerVersionPermission:
        return ((const struct lambda_RemoveLayerVersionPermissionRequest *)in)->VersionNumber.value;
    default:
        return 0;
    }
}

/* --- functions --- */

/* Mappings of event sources name a function that they are not about. */
static bool is_about_mapping(const struct call *call)
{
    return call->operation == LAMBDA_OP_CreateEventSourceMapping ||
           call->operation == LAMBDA_OP_UpdateEventSourceMapping ||
           call->operation == LAMBDA_OP_ListEventSourceMappings;
}

/* The function that the request names, with its qualifier; false: none that can be read. */
static bool named_function(const struct call *call, const void *in, struct lambda_name *name)
{
    struct str text = member_str(call, in, "FunctionName");
    struct str qualifier = member_str(call, in, "Qualifier");
    if (str_is_empty(text))
        text = member_str(call, in, "Resource"); /* tags */
    if (str_is_empty(text))
        text = member_str(call, in, "ResourceArn"); /* policies */
    if (str_starts_with(text, STR("arn:")) && str_find(text, STR(":function:")) == SIZE_MAX)
        return false;
    if (str_is_empty(text) || !lambda_name_split(call, text, name))
        return false;
    if (!str_is_empty(qualifier))
        name->qualifier = qualifier;
    return true;
}

static RESULT function_resource(struct call *call, const struct lambda_name *name,
                                struct str *resource_arn, struct str *owner, struct str *policy)
{
    struct lambda_policy kept;
    bool found;
    *resource_arn = lambda_name_arn(call, name);
    *owner = name->account;
    TRY(policy_get(call, name, &kept, &found));
    if (found)
        *policy = kept.text;
    return RESULT_OK;
}

/* --- layers --- */

static bool named_layer(const struct call *call, const void *in, struct layer_name *name)
{
    struct str arn = member_str(call, in, "Arn"), text = member_str(call, in, "LayerName");
    if (call->operation == LAMBDA_OP_GetLayerVersionByArn)
        return layer_name_parse(call, arn, name) && name->version > 0;
    if (str_is_empty(text) || !layer_name_parse(call, text, name))
        return false;
    name->version = member_version(call, in);
    return true;
}

static RESULT layer_resource(struct call *call, const struct layer_name *name,
                             struct str *resource_arn, struct str *owner, struct str *policy)
{
    struct lambda_layer_version version;
    bool found;
    *resource_arn = layer_arn(call, name);
    *owner = name->account;
    if (name->version == 0)
        return RESULT_OK;
    TRY(layer_version_get(call, name, &version, &found));
    if (found && version.policy != NULL)
        *policy = version.policy->text;
    return RESULT_OK;
}

/* --- the hooks --- */

RESULT lambda_resource_policy(struct call *call, const void *in, struct str *resource_arn,
                              struct str *owner, struct str *policy)
{
    struct lambda_name name;
    struct layer_name layer;
    if (is_about_mapping(call))
        return RESULT_OK;
    if (named_function(call, in, &name))
        return function_resource(call, &name, resource_arn, owner, policy);
    if (named_layer(call, in, &layer))
        return layer_resource(call, &layer, resource_arn, owner, policy);
    /* Event source mappings and code signing configurations by their ARN: their account's. */
    struct str text = member_str(call, in, "Resource");
    struct arn arn;
    if (str_is_empty(text))
        text = member_str(call, in, "CodeSigningConfigArn");
    if (arn_parse(text, &arn)) {
        *resource_arn = text;
        *owner = arn.account;
    }
    return RESULT_OK;
}

RESULT lambda_policy_of_arn(struct call *call, struct str arn, struct str *owner,
                            struct str *policy)
{
    struct lambda_name name;
    struct layer_name layer;
    struct str resource;
    if (str_find(arn, STR(":layer:")) != SIZE_MAX)
        return layer_name_parse(call, arn, &layer)
                   ? layer_resource(call, &layer, &resource, owner, policy)
                   : RESULT_OK;
    if (str_find(arn, STR(":function:")) == SIZE_MAX || !lambda_name_split(call, arn, &name))
        return RESULT_OK;
    return function_resource(call, &name, &resource, owner, policy);
}

/* --- tags of what the request is about --- */

static struct str after_last_colon(struct str text)
{
    size_t at = str_find_last_char(text, ':');
    return at == SIZE_MAX ? text : str_slice(text, at + 1, text.len);
}

/* The id of the event source mapping, or code signing configuration, that the request is about;
 * functions that are given one are not. */
static struct str named_other(const struct call *call, const void *in, const char *kind)
{
    bool signing = str_eq(str_from_c(kind), STR("code-signing-config"));
    struct str resource = member_str(call, in, "Resource");
    if (str_find(resource, str_format(call->arena, ":%s:", kind)) != SIZE_MAX)
        return after_last_colon(resource);
    if (!signing)
        return member_str(call, in, "UUID");
    return call->operation == LAMBDA_OP_CreateFunction ||
                   call->operation == LAMBDA_OP_PutFunctionCodeSigningConfig
               ? (struct str){0}
               : after_last_colon(member_str(call, in, "CodeSigningConfigArn"));
}

static RESULT tags_of_mapping(struct call *call, struct str uuid, struct str_map *tags)
{
    const struct lambda_name here = {.account = call->account, .region = call->region};
    struct lambda_event_source mapping;
    struct key key = lambda_key(call, &here, STR("mapping"));
    bool found;
    key_str(&key, uuid);
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_event_source, &mapping,
                             &found));
    *tags = found ? mapping.tags : (struct str_map){0};
    return RESULT_OK;
}

static RESULT tags_of_signing(struct call *call, struct str id, struct str_map *tags)
{
    const struct lambda_name here = {.account = call->account, .region = call->region};
    struct lambda_code_signing signing;
    struct key key = lambda_key(call, &here, STR("signing"));
    bool found;
    key_str(&key, id);
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_code_signing, &signing,
                             &found));
    *tags = found ? signing.tags : (struct str_map){0};
    return RESULT_OK;
}

static RESULT tags_of_request(struct call *call, const void *in, struct str_map *tags)
{
    struct lambda_name name;
    struct lambda_function function;
    bool found;
    struct str id = named_other(call, in, "event-source-mapping");
    if (!str_is_empty(id))
        return tags_of_mapping(call, id, tags);
    id = named_other(call, in, "code-signing-config");
    if (!str_is_empty(id))
        return tags_of_signing(call, id, tags);
    if (is_about_mapping(call) || !named_function(call, in, &name))
        return RESULT_OK;
    TRY(function_get(call, &name, &function, &found));
    if (found)
        *tags = function.tags;
    return RESULT_OK;
}

static RESULT key_tag(struct call *call, const void *in, struct str tag, struct str *value)
{
    struct str_map tags = {0};
    TRY(tags_of_request(call, in, &tags));
    for (size_t i = 0; i < tags.len; i++)
        if (str_eq_nocase(tags.items[i].key, tag))
            *value = tags.items[i].value;
    return RESULT_OK;
}

/* --- what the request changes or takes away --- */

/* The statement that RemovePermission names. */
static RESULT named_statement(struct call *call, const void *in, struct str *text)
{
    struct str sid = member_str(call, in, "StatementId");
    struct lambda_name name;
    struct lambda_policy policy;
    bool found;
    *text = (struct str){0};
    if (!named_function(call, in, &name))
        return RESULT_OK;
    TRY(policy_get(call, &name, &policy, &found));
    for (size_t i = 0; found && i < policy.statements.len; i++)
        if (str_eq(policy.statements.items[i].sid, sid))
            *text = policy.statements.items[i].text;
    return RESULT_OK;
}

/* A string of a JSON object by the names that lead to it; absent when there is none. */
static struct str statement_text(struct call *call, struct str json, const char *first,
                                 const char *second, const char *third)
{
    const char *const names[] = {first, second, third};
    struct str text = {0};
    for (size_t i = 0; i < 3 && names[i] != NULL; i++)
        if (!json_member(call->arena, json, str_from_c(names[i]), &json))
            return (struct str){0};
    return json_string(call->arena, json, &text) ? text : (struct str){0};
}

static RESULT key_principal(struct call *call, const void *in, struct str *value)
{
    struct str statement;
    if (call->operation != LAMBDA_OP_RemovePermission) {
        *value = member_str(call, in, "Principal");
        return RESULT_OK;
    }
    TRY(named_statement(call, in, &statement));
    if (str_is_absent(statement))
        return RESULT_OK;
    *value = statement_text(call, statement, "Principal", "Service", NULL);
    if (str_is_absent(*value))
        *value = statement_text(call, statement, "Principal", "AWS", NULL);
    if (str_is_absent(*value))
        *value = statement_text(call, statement, "Principal", NULL, NULL);
    return RESULT_OK;
}

/* Of the request, or of the function URL or statement that it is about. */
static RESULT key_url_auth(struct call *call, const void *in, struct str *value)
{
    struct lambda_name name;
    struct lambda_url url;
    struct str statement;
    bool found;
    *value = member_str(
        call, in, call->operation == LAMBDA_OP_AddPermission ? "FunctionUrlAuthType" : "AuthType");
    if (!str_is_absent(*value) || !named_function(call, in, &name))
        return RESULT_OK;
    if (call->operation == LAMBDA_OP_RemovePermission) {
        TRY(named_statement(call, in, &statement));
        if (!str_is_absent(statement))
            *value = statement_text(call, statement, "Condition", "StringEquals",
                                    "lambda:FunctionUrlAuthType");
    } else if (call->operation == LAMBDA_OP_GetFunctionUrlConfig ||
               call->operation == LAMBDA_OP_UpdateFunctionUrlConfig ||
               call->operation == LAMBDA_OP_DeleteFunctionUrlConfig) {
        TRY(url_get(call, &name, &url, &found));
        if (found)
            *value = url.auth;
    }
    return RESULT_OK;
}

/* The function of a mapping that exists. */
static RESULT key_mapping_function(struct call *call, const void *in, struct str *value)
{
    const struct lambda_name here = {.account = call->account, .region = call->region};
    struct lambda_event_source mapping;
    struct str uuid = member_str(call, in, "UUID");
    struct key key = lambda_key(call, &here, STR("mapping"));
    bool found;
    if (str_is_empty(uuid))
        return RESULT_OK;
    key_str(&key, uuid);
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_event_source, &mapping,
                             &found));
    if (found)
        *value = lambda_arn(call, here.account, here.region, mapping.function, mapping.qualifier);
    return RESULT_OK;
}

RESULT lambda_condition_key(struct call *call, const void *in, struct str key, struct str *value)
{
    struct str tag = STR("aws:ResourceTag/");
    struct lambda_name name;
    if (str_eq_nocase(str_slice(key, 0, tag.len), tag))
        return key_tag(call, in, str_slice(key, tag.len, key.len), value);
    if (str_eq_nocase(key, STR("lambda:FunctionArn"))) {
        if (named_function(call, in, &name)) {
            *value = lambda_name_arn(call, &name);
            return RESULT_OK;
        }
        return key_mapping_function(call, in, value);
    }
    if (str_eq_nocase(key, STR("lambda:Principal")))
        return key_principal(call, in, value);
    if (str_eq_nocase(key, STR("lambda:FunctionUrlAuthType")))
        return key_url_auth(call, in, value);
    /* What comes by an URL asks for itself: url_serve.c. */
    if (str_eq_nocase(key, STR("lambda:InvokedViaFunctionUrl")) &&
        (call->operation == LAMBDA_OP_Invoke || call->operation == LAMBDA_OP_InvokeAsync ||
         call->operation == LAMBDA_OP_InvokeWithResponseStream))
        *value = STR("false");
    if (str_eq_nocase(key, STR("lambda:CodeSigningConfigArn")))
        *value = member_str(call, in, "CodeSigningConfigArn");
    return RESULT_OK;
}

static const struct lambda_VpcConfig *request_vpc(const struct call *call, const void *in)
{
    if (call->operation == LAMBDA_OP_CreateFunction)
        return ((const struct lambda_CreateFunctionRequest *)in)->VpcConfig;
    if (call->operation == LAMBDA_OP_UpdateFunctionConfiguration)
        return ((const struct lambda_UpdateFunctionConfigurationRequest *)in)->VpcConfig;
    return NULL;
}

RESULT lambda_condition_values(struct call *call, const void *in, struct str key,
                               struct str_list *out)
{
    const struct lambda_VpcConfig *vpc = request_vpc(call, in);
    if (str_eq_nocase(key, STR("lambda:Layer"))) {
        if (call->operation == LAMBDA_OP_CreateFunction)
            *out = ((const struct lambda_CreateFunctionRequest *)in)->Layers;
        else if (call->operation == LAMBDA_OP_UpdateFunctionConfiguration)
            *out = ((const struct lambda_UpdateFunctionConfigurationRequest *)in)->Layers;
    } else if (vpc != NULL && str_eq_nocase(key, STR("lambda:SubnetIds"))) {
        *out = vpc->SubnetIds;
    } else if (vpc != NULL && str_eq_nocase(key, STR("lambda:SecurityGroupIds"))) {
        *out = vpc->SecurityGroupIds;
    }
    return RESULT_OK;
}
