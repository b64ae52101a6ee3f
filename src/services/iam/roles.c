/* Roles ("IAM roles", IAM User Guide; IAM API Reference). */
#include "base/vec.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

enum { SESSION_DEFAULT_S = 3600 };
/* "IAM tracks usage within the last 400 days". */
static const int64_t tracked_ms = INT64_C(400) * 24 * 3600 * 1000;

RESULT iam_role_find(struct call *call, struct str name, struct iam_role *role, bool *found)
{
    struct key key = iam_key(call, "role", name);
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_role, role, found);
}

RESULT iam_role_must(struct call *call, struct str name, struct iam_role *role)
{
    bool found;
    TRY(iam_check_name(call, "roleName", name));
    TRY(iam_role_find(call, name, role, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The role with name %.*s cannot be found.",
                         PRSTR(name));
    return RESULT_OK;
}

RESULT iam_role_by_id(struct call *call, struct str id, struct iam_role *role, bool *found)
{
    struct iam_entity entity;
    TRY(iam_entity_by_id(call, id, &entity, found));
    *found = *found && entity.kind == IAM_ROLES;
    return *found ? iam_role_must(call, entity.name, role) : RESULT_OK;
}

struct str iam_role_arn(struct call *call, const struct iam_role *role)
{
    return iam_arn(call, "role", role->path, role->name);
}

RESULT iam_role_modifiable(struct call *call, const struct iam_role *role)
{
    if (str_is_absent(role->linked))
        return RESULT_OK;
    return call_fail(call, IAM_UNMODIFIABLE_ENTITY,
                     "Cannot perform the operation on the protected role '%.*s' - this role is "
                     "only modifiable by AWS",
                     PRSTR(role->name));
}

RESULT iam_role_last_used(struct call *call, const struct iam_role *role,
                          struct iam_RoleLastUsed **out)
{
    struct key key = iam_key(call, "role-used", role->id);
    struct iam_last_use use;
    bool found;
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_last_use, &use, &found));
    *out = ARENA_NEW(call->arena, struct iam_RoleLastUsed);
    if (found && use.at_ms > call->now_ms - tracked_ms)
        **out = (struct iam_RoleLastUsed){iam_time(use.at_ms), use.region};
    return RESULT_OK;
}

RESULT iam_role_shown(struct call *call, const struct iam_role *role, bool full,
                      struct iam_Role *out)
{
    struct iam_holdings holdings;
    struct str trust;
    bool found;
    TRY(iam_trust_now(call, role, &trust));
    *out = (struct iam_Role){
        .Path = role->path,
        .RoleName = role->name,
        .RoleId = role->id,
        .Arn = iam_role_arn(call, role),
        .CreateDate = iam_time(role->created_ms),
        .AssumeRolePolicyDocument = iam_shown_document(call, trust),
        .Description = role->description,
        .MaxSessionDuration = opt_int((int32_t)role->max_session_s),
    };
    if (!full)
        return RESULT_OK;
    TRY(iam_holdings_get(call, call->account, role->id, &holdings, &found));
    out->PermissionsBoundary = iam_boundary_shown(call, holdings.boundary);
    out->Tags = iam_tags_shown(call, &role->tags);
    return iam_role_last_used(call, role, &out->RoleLastUsed);
}

/* --- making and removing --- */

static RESULT role_put(struct call *call, const struct iam_role *role)
{
    struct key key = iam_key(call, "role", role->name);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_role, role);
}

RESULT iam_role_make(struct call *call, struct iam_role *role)
{
    struct iam_entity entity = {IAM_ROLES, role->name, role->path, role->id};
    struct iam_role old;
    bool found;
    TRY(iam_role_find(call, role->name, &old, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "Role with name %.*s already exists.",
                         PRSTR(role->name));
    TRY(iam_count(call, &iam_roles_counted, 1));
    TRY(role_put(call, role));
    return iam_entity_enter(call, &entity);
}

RESULT iam_role_remove(struct call *call, const struct iam_role *role)
{
    struct iam_entity entity = {IAM_ROLES, str_copy(call->arena, role->name),
                                str_copy(call->arena, role->path), str_copy(call->arena, role->id)};
    struct key key = iam_key(call, "role", entity.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = iam_key(call, "role-used", entity.id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(iam_count(call, &iam_roles_counted, -1));
    return iam_entity_leave(call, &entity);
}

RESULT iam_CreateRole(struct call *call, const struct iam_CreateRoleRequest *in,
                      struct iam_CreateRoleResponse *out)
{
    struct iam_holdings holdings = {0};
    struct iam_role role = {
        .name = in->RoleName,
        .path = iam_path(in->Path),
        .id = iam_new_id(call, STR("AROA")),
        .created_ms = call->now_ms,
        .trust = in->AssumeRolePolicyDocument,
        .description = in->Description,
        .max_session_s =
            in->MaxSessionDuration.set ? in->MaxSessionDuration.value : SESSION_DEFAULT_S,
    };
    struct iam_entity entity = {IAM_ROLES, role.name, role.path, role.id};
    TRY(iam_check_name(call, "roleName", in->RoleName));
    TRY(iam_check_path(call, "path", in->Path));
    if (str_starts_with(role.path, STR("/aws-service-role/")))
        return call_fail(call, IAM_VALIDATION,
                         "The specified value for path is invalid. /aws-service-role/ is reserved "
                         "for service-linked roles.");
    TRY(iam_trust_take(call, in->AssumeRolePolicyDocument, &role.principals));
    struct iam_tagging tagging = {"iam:role", STR("iam:TagRole"), iam_role_arn(call, &role), in};
    TRY(iam_tags_made_with(call, &tagging, &in->Tags, &role.tags));
    TRY(iam_role_make(call, &role));
    TRY(iam_boundary_set(call, &entity, &holdings, in->PermissionsBoundary));
    TRY(iam_holdings_put(call, role.id, &holdings));
    out->Role = ARENA_NEW(call->arena, struct iam_Role);
    TRY(iam_role_shown(call, &role, false, out->Role));
    out->Role->PermissionsBoundary = iam_boundary_shown(call, holdings.boundary);
    out->Role->Tags = iam_tags_shown(call, &role.tags);
    return RESULT_OK;
}

RESULT iam_GetRole(struct call *call, const struct iam_GetRoleRequest *in,
                   struct iam_GetRoleResponse *out)
{
    struct iam_role role;
    TRY(iam_role_must(call, in->RoleName, &role));
    out->Role = ARENA_NEW(call->arena, struct iam_Role);
    return iam_role_shown(call, &role, true, out->Role);
}

RESULT iam_ListRoles(struct call *call, const struct iam_ListRolesRequest *in,
                     struct iam_ListRolesResponse *out)
{
    struct key prefix = iam_key(call, "role", (struct str){0});
    struct iam_pages pages;
    struct str value;
    TRY(iam_check_path_prefix(call, in->PathPrefix));
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->Roles.items = ARENA_NEW(call->arena, struct iam_Role);
    for (size_t cap = 1;;) {
        struct iam_role role;
        struct iam_Role shown;
        TRY(iam_pages_next(&pages, out->Roles.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_role, value, &role));
        if (!str_is_absent(in->PathPrefix) && !str_starts_with(role.path, in->PathPrefix))
            continue;
        TRY(iam_role_shown(call, &role, false, &shown));
        VEC_PUSH(call->arena, out->Roles.items, out->Roles.len, cap, shown);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

RESULT iam_DeleteRole(struct call *call, const struct iam_DeleteRoleRequest *in,
                      struct iam_DeleteRoleResult *out)
{
    (void)out;
    struct iam_entity entity;
    struct iam_holdings holdings;
    struct iam_role role;
    bool any;
    TRY(iam_entity_to_change(call, IAM_ROLES, in->RoleName, &entity));
    TRY(iam_has_any(call, "role-profile", entity.id, &any));
    if (any)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must remove roles from instance profile first.");
    TRY(iam_holdings_copy(call, entity.id, &holdings));
    TRY(iam_entity_is_bare(call, &holdings));
    TRY(iam_boundary_set(call, &entity, &holdings, (struct str){0}));
    TRY(iam_role_must(call, entity.name, &role));
    return iam_role_remove(call, &role);
}

/* --- changing --- */

/* Strings are in the arena: the role is put back. */
static RESULT role_to_change(struct call *call, struct str name, struct iam_role *role)
{
    struct key key = iam_key(call, "role", name);
    bool found;
    TRY(iam_role_must(call, name, role));
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_role, role, &found);
}

RESULT iam_UpdateRole(struct call *call, const struct iam_UpdateRoleRequest *in,
                      struct iam_UpdateRoleResponse *out)
{
    (void)out;
    struct iam_role role;
    TRY(role_to_change(call, in->RoleName, &role));
    TRY(iam_role_modifiable(call, &role));
    if (!str_is_absent(in->Description))
        role.description = in->Description;
    if (in->MaxSessionDuration.set)
        role.max_session_s = in->MaxSessionDuration.value;
    return role_put(call, &role);
}

/* Of service-linked roles too ("Edit a service-linked role description", IAM User Guide). */
RESULT iam_UpdateRoleDescription(struct call *call,
                                 const struct iam_UpdateRoleDescriptionRequest *in,
                                 struct iam_UpdateRoleDescriptionResponse *out)
{
    struct iam_role role;
    TRY(role_to_change(call, in->RoleName, &role));
    role.description = in->Description;
    TRY(role_put(call, &role));
    out->Role = ARENA_NEW(call->arena, struct iam_Role);
    return iam_role_shown(call, &role, false, out->Role);
}

RESULT iam_UpdateAssumeRolePolicy(struct call *call,
                                  const struct iam_UpdateAssumeRolePolicyRequest *in,
                                  struct iam_UpdateAssumeRolePolicyResult *out)
{
    (void)out;
    struct iam_role role;
    TRY(role_to_change(call, in->RoleName, &role));
    TRY(iam_role_modifiable(call, &role));
    TRY(iam_trust_take(call, in->PolicyDocument, &role.principals));
    role.trust = in->PolicyDocument;
    return role_put(call, &role);
}

RESULT iam_TagRole(struct call *call, const struct iam_TagRoleRequest *in,
                   struct iam_TagRoleResult *out)
{
    (void)out;
    struct iam_role role;
    TRY(role_to_change(call, in->RoleName, &role));
    TRY(iam_role_modifiable(call, &role));
    TRY(iam_tags_add(call, "iam:role", &in->Tags, &role.tags));
    return role_put(call, &role);
}

RESULT iam_UntagRole(struct call *call, const struct iam_UntagRoleRequest *in,
                     struct iam_UntagRoleResult *out)
{
    (void)out;
    struct iam_role role;
    TRY(role_to_change(call, in->RoleName, &role));
    TRY(iam_role_modifiable(call, &role));
    iam_tags_remove(call, &in->TagKeys, &role.tags);
    return role_put(call, &role);
}

RESULT iam_ListRoleTags(struct call *call, const struct iam_ListRoleTagsRequest *in,
                        struct iam_ListRoleTagsResponse *out)
{
    struct iam_role role;
    struct iam_tags_page page;
    TRY(iam_role_must(call, in->RoleName, &role));
    TRY(iam_tags_page(call, &role.tags, in->Marker, in->MaxItems, &page));
    *out = (struct iam_ListRoleTagsResponse){page.tags, page.truncated, page.marker};
    return RESULT_OK;
}
