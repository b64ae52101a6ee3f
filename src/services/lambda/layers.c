/* Layers: "Managing Lambda dependencies with layers", Developer Guide.
 *
 *   ("lambda", account, region, "layer", NAME)                    record layer
 *   ("lambda", account, region, "layer-version", NAME, NUMBER)    record layer_version */
#include "services/lambda/layers.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/lambda/configure.h"

bool layer_name_parse(const struct call *call, struct str text, struct layer_name *out)
{
    struct arn arn;
    struct str kind, rest, number;
    *out = (struct layer_name){.account = call->account, .region = call->region, .name = text};
    if (!str_starts_with(text, STR("arn:")))
        return true;
    if (!arn_parse(text, &arn) || !str_cut(arn.resource, ':', &kind, &rest) ||
        !str_eq(kind, STR("layer")))
        return false;
    out->account = arn.account;
    out->region = arn.region;
    str_cut(rest, ':', &out->name, &number);
    return str_is_absent(number) || (str_to_i64(number, &out->version) && out->version > 0);
}

struct str layer_arn(struct call *call, const struct layer_name *name)
{
    struct str version = {0};
    if (name->version > 0)
        version = str_format(call->arena, ":%lld", (long long)name->version);
    return str_format(call->arena, "arn:%.*s:lambda:%.*s:%.*s:layer:%.*s%.*s",
                      PRSTR(call->partition), PRSTR(name->region), PRSTR(name->account),
                      PRSTR(name->name), PRSTR(version));
}

struct key layer_key(struct call *call, const struct layer_name *name, struct str kind)
{
    const struct lambda_name place = {.account = name->account, .region = name->region};
    struct key key = lambda_key(call, &place, kind);
    key_str(&key, name->name);
    return key;
}

struct key layer_version_key(struct call *call, const struct layer_name *name)
{
    struct key key = layer_key(call, name, STR("layer-version"));
    key_u64(&key, (uint64_t)name->version);
    return key;
}

RESULT layer_version_put(struct call *call, const struct layer_name *name,
                         const struct lambda_layer_version *version)
{
    struct key key = layer_version_key(call, name);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_layer_version, version);
}

RESULT layer_version_get(struct call *call, const struct layer_name *name,
                         struct lambda_layer_version *version, bool *found)
{
    struct key key = layer_version_key(call, name);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_layer_version, version,
                                found);
}

/* --- of functions --- */

static RESULT layer_check_may(struct call *call, const struct layer_name *name, struct str arn,
                              const struct lambda_layer_version *version)
{
    const struct authorize_ask ask = {
        .action = STR("lambda:GetLayerVersion"),
        .resource = arn,
        .owner = name->account,
        .policy = version->policy == NULL ? (struct str){0} : version->policy->text,
        .form = POLICY_FORM_RESOURCE,
    };
    return authorize_ask(call, &ask);
}

static RESULT layer_resolve(struct call *call, const struct lambda_name *function, struct str arn,
                            struct layer_name *name, struct str *code)
{
    struct lambda_layer_version version = {0};
    bool found = false;
    if (!layer_name_parse(call, arn, name) || name->version == 0)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Layer version %.*s does not exist.",
                         PRSTR(arn));
    if (!str_eq(name->region, function->region))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Layers are not in the same region as the function. Layers are expected "
                         "to be in region %.*s.",
                         PRSTR(function->region));
    TRY(layer_version_get(call, name, &version, &found));
    if (found || !str_eq(name->account, call->principal.account))
        TRY(layer_check_may(call, name, arn, &version));
    if (!found)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Layer version %.*s does not exist.",
                         PRSTR(arn));
    *code = version.code;
    return RESULT_OK;
}

/* "Lambda quotas": unzipped, the function's own code and its layers count together; the function's
 * is checked where it is known. */
RESULT layers_resolve(struct call *call, const struct lambda_name *name,
                      const struct str_list *layers, struct str_list *codes)
{
    struct layer_name names[CODE_LAYERS_MAX];
    if (layers->len > CODE_LAYERS_MAX)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Cannot reference more than %d layers.", CODE_LAYERS_MAX);
    codes->items = ARENA_ARRAY(call->arena, layers->len + 1, struct str);
    codes->len = layers->len;
    for (size_t i = 0; i < layers->len; i++) {
        TRY(layer_resolve(call, name, layers->items[i], &names[i], &codes->items[i]));
        for (size_t j = 0; j < i; j++)
            if (str_eq(names[i].name, names[j].name) && str_eq(names[i].account, names[j].account))
                return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                                 "Two different versions of the same layer are not allowed to be "
                                 "referenced in the same function. Layers: %.*s",
                                 PRSTR(layers->items[i]));
    }
    return RESULT_OK;
}
