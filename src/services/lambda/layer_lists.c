/* Layers listed, and who may use them. */
#include "cloud/paging.h"
#include "services/lambda/layers.h"
#include "services/lambda/policies.h"
#include "store/record.h"

/* --- lists --- */

static void layer_item(struct call *call, const struct layer_name *name,
                       const struct lambda_layer_version *version,
                       struct lambda_LayerVersionsListItem *out)
{
    struct layer_name full = *name;
    full.version = version->version;
    *out = (struct lambda_LayerVersionsListItem){
        .LayerVersionArn = layer_arn(call, &full),
        .Version = opt_long(version->version),
        .Description = version->description,
        .CreatedDate = lambda_timestamp(call, version->created_ms),
        .CompatibleArchitectures = version->architectures,
        .CompatibleRuntimes = version->runtimes,
        .LicenseInfo = version->license,
    };
}

static bool list_has(const struct str_list *list, struct str wanted)
{
    bool has = str_is_absent(wanted);
    for (size_t i = 0; !has && i < list->len; i++)
        has = str_eq(list->items[i], wanted);
    return has;
}

static bool layer_matches(const struct lambda_layer_version *version, struct str runtime,
                          struct str architecture)
{
    return list_has(&version->runtimes, runtime) && list_has(&version->architectures, architecture);
}

static size_t layers_limit(struct opt_int wanted)
{
    return wanted.set ? (size_t)wanted.value : LAMBDA_PAGE;
}

/* Numbers of versions, newest first, from the one that the marker names. */
RESULT lambda_ListLayerVersions(struct call *call, const struct lambda_ListLayerVersionsRequest *in,
                                struct lambda_ListLayerVersionsResponse *out)
{
    size_t limit = layers_limit(in->MaxItems);
    struct layer_name name;
    struct kv_cursor *cursor;
    struct str key, value, from;
    if (!layer_name_parse(call, in->LayerName, &name) || !str_eq(name.region, call->region))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Invalid Layer name: %.*s",
                         PRSTR(in->LayerName));
    struct key prefix = layer_key(call, &name, STR("layer-version"));
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), true, &cursor));
    if (!str_is_empty(in->Marker)) {
        if (!paging_position(call, in->Marker, &from))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Invalid Marker.");
        TRY(kv_cursor_seek(cursor, from));
    }
    out->LayerVersions.items = ARENA_ARRAY(call->arena, limit, struct lambda_LayerVersionsListItem);
    for (;;) {
        struct lambda_layer_version version;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        if (out->LayerVersions.len == limit) {
            out->NextMarker = paging_token(call, key);
            return RESULT_OK;
        }
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_layer_version, value, &version));
        if (layer_matches(&version, in->CompatibleRuntime, in->CompatibleArchitecture))
            layer_item(call, &name, &version, &out->LayerVersions.items[out->LayerVersions.len++]);
    }
}

/* The newest version that matches; *found false: none does. */
static RESULT layer_latest(struct call *call, const struct layer_name *name, struct str runtime,
                           struct str architecture, struct lambda_layer_version *version,
                           bool *found)
{
    struct key prefix = layer_key(call, name, STR("layer-version"));
    struct kv_cursor *cursor;
    struct str key, value;
    *found = false;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), true, &cursor));
    while (!*found) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_layer_version, value, version));
        *found = layer_matches(version, runtime, architecture);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT lambda_ListLayers(struct call *call, const struct lambda_ListLayersRequest *in,
                         struct lambda_ListLayersResponse *out)
{
    const struct lambda_name here = {.account = call->account, .region = call->region};
    struct key prefix = lambda_key(call, &here, STR("layer"));
    struct lambda_page page;
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, LAMBDA_PAGE, &prefix, &page));
    out->Layers.items = ARENA_ARRAY(call->arena, page.limit, struct lambda_LayersListItem);
    for (;;) {
        struct lambda_layer layer;
        struct lambda_layer_version version;
        bool found;
        TRY(lambda_page_next(call, &page, out->Layers.len, &out->NextMarker));
        if (str_is_absent(page.key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_layer, page.value, &layer));
        const struct layer_name name = {call->account, call->region, layer.name, 0};
        TRY(layer_latest(call, &name, in->CompatibleRuntime, in->CompatibleArchitecture, &version,
                         &found));
        if (!found)
            continue;
        struct lambda_LayersListItem *item = &out->Layers.items[out->Layers.len++];
        item->LayerName = layer.name;
        item->LayerArn = layer_arn(call, &name);
        item->LatestMatchingVersion = ARENA_NEW(call->arena, struct lambda_LayerVersionsListItem);
        layer_item(call, &name, &version, item->LatestMatchingVersion);
    }
}

/* --- permissions: "Granting layer access to other accounts" --- */

static RESULT layer_statement(struct call *call, const struct layer_name *name,
                              const struct lambda_AddLayerVersionPermissionRequest *in,
                              struct str *text)
{
    struct buf out;
    buf_init(&out, call->arena, 1024 * 1024);
    TRY(policy_statement_begin(call, in->StatementId, in->Principal, in->Action,
                               layer_arn(call, name), &out));
    if (!str_is_empty(in->OrganizationId)) {
        buf_append(&out, STR(",\"Condition\":{\"StringEquals\":{\"aws:PrincipalOrgID\":"));
        wire_json_write_string(&out, in->OrganizationId);
        buf_append(&out, STR("}}"));
    }
    buf_append_char(&out, '}');
    *text = buf_str(&out);
    return RESULT_OK;
}

RESULT
lambda_AddLayerVersionPermission(struct call *call,
                                 const struct lambda_AddLayerVersionPermissionRequest *in,
                                 struct lambda_AddLayerVersionPermissionResponse *out)
{
    struct layer_name name;
    struct lambda_layer_version version;
    struct lambda_policy none = {0};
    struct str statement;
    TRY(layer_number_check(call, in->VersionNumber.value));
    TRY(layer_version_find(call, in->LayerName, in->VersionNumber.value, &name, &version));
    if (!str_is_empty(in->OrganizationId) && !str_eq(in->Principal, STR("*")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The principal must be * when an organization ID is given.");
    if (version.policy == NULL)
        version.policy = &none;
    TRY(policy_fail_revision(call, in->RevisionId, version.policy->revision_id));
    TRY(layer_statement(call, &name, in, &statement));
    TRY(policy_add(call, version.policy, in->StatementId, statement));
    TRY(layer_version_put(call, &name, &version));
    out->Statement = statement;
    out->RevisionId = version.policy->revision_id;
    return RESULT_OK;
}

static RESULT layer_no_policy(struct call *call, const struct lambda_layer_version *version)
{
    if (version->policy != NULL)
        return RESULT_OK;
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                     "No policy is associated with the given resource.");
}

RESULT
lambda_RemoveLayerVersionPermission(struct call *call,
                                    const struct lambda_RemoveLayerVersionPermissionRequest *in,
                                    struct lambda_RemoveLayerVersionPermissionResult *out)
{
    struct layer_name name;
    struct lambda_layer_version version;
    (void)out;
    TRY(layer_number_check(call, in->VersionNumber.value));
    TRY(layer_version_find(call, in->LayerName, in->VersionNumber.value, &name, &version));
    TRY(layer_no_policy(call, &version));
    TRY(policy_fail_revision(call, in->RevisionId, version.policy->revision_id));
    if (!policy_remove(call, version.policy, in->StatementId))
        return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                         "Statement %.*s is not found in resource policy.", PRSTR(in->StatementId));
    if (version.policy->statements.len == 0)
        version.policy = NULL;
    return layer_version_put(call, &name, &version);
}

RESULT lambda_GetLayerVersionPolicy(struct call *call,
                                    const struct lambda_GetLayerVersionPolicyRequest *in,
                                    struct lambda_GetLayerVersionPolicyResponse *out)
{
    struct layer_name name;
    struct lambda_layer_version version;
    TRY(layer_number_check(call, in->VersionNumber.value));
    TRY(layer_version_find(call, in->LayerName, in->VersionNumber.value, &name, &version));
    TRY(layer_no_policy(call, &version));
    out->Policy = version.policy->text;
    out->RevisionId = version.policy->revision_id;
    return RESULT_OK;
}
