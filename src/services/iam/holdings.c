/* What users, groups and roles have in common: the one record of what each holds, and the index
 * from ids to names. */
#include "base/vec.h"
#include "cloud/arn.h"
#include "services/iam/iam_int.h"

enum { SERVICES_MAX = 500 }; /* that there are, and more */

RESULT iam_entity_must(struct call *call, enum iam_kind kind, struct str name,
                       struct iam_entity *out)
{
    struct iam_user user;
    struct iam_group group;
    struct iam_role role;
    *out = (struct iam_entity){.kind = kind};
    switch (kind) {
    case IAM_USERS:
        TRY(iam_user_must(call, name, &user));
        *out = (struct iam_entity){kind, user.name, user.path, user.id};
        break;
    case IAM_GROUPS:
        TRY(iam_group_must(call, name, &group));
        *out = (struct iam_entity){kind, group.name, group.path, group.id};
        break;
    case IAM_ROLES:
        TRY(iam_role_must(call, name, &role));
        *out = (struct iam_entity){kind, role.name, role.path, role.id};
        break;
    }
    out->name = str_copy(call->arena, out->name);
    out->path = str_copy(call->arena, out->path);
    out->id = str_copy(call->arena, out->id);
    return RESULT_OK;
}

RESULT iam_entity_to_change(struct call *call, enum iam_kind kind, struct str name,
                            struct iam_entity *out)
{
    struct iam_role role;
    if (kind == IAM_ROLES) {
        TRY(iam_role_must(call, name, &role));
        TRY(iam_role_modifiable(call, &role));
    }
    return iam_entity_must(call, kind, name, out);
}

static const char *const entity_types[] = {
    [IAM_USERS] = "user", [IAM_GROUPS] = "group", [IAM_ROLES] = "role"};

struct str iam_entity_arn(struct call *call, const struct iam_entity *entity)
{
    return iam_arn(call, entity_types[entity->kind], entity->path, entity->name);
}

/* "user/NAME": whose an id is. */
RESULT iam_entity_by_id(struct call *call, struct str id, struct iam_entity *out, bool *found)
{
    struct key key = iam_key(call, "id", id);
    struct str value, type, name;
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    *found = !str_is_absent(value) && str_cut(value, '/', &type, &name);
    if (!*found)
        return RESULT_OK;
    for (size_t kind = 0; kind < sizeof entity_types / sizeof entity_types[0]; kind++)
        if (str_eq(type, str_from_c(entity_types[kind])))
            return iam_entity_must(call, (enum iam_kind)kind, str_copy(call->arena, name), out);
    return FAULT("iam: an id of nothing: %.*s", PRSTR(type));
}

RESULT iam_entity_by_arn(struct call *call, struct str text, struct iam_entity *out, bool *found)
{
    struct arn arn;
    *found = false;
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("iam")) ||
        !str_eq(arn.account, call->account))
        return RESULT_OK;
    for (size_t kind = 0; kind < sizeof entity_types / sizeof entity_types[0] && !*found; kind++) {
        struct str type = str_from_c(entity_types[kind]);
        size_t slash = str_find_last_char(arn.resource, '/');
        if (slash == SIZE_MAX || !str_starts_with(arn.resource, type) ||
            arn.resource.ptr[type.len] != '/')
            continue;
        struct str name = str_slice(arn.resource, slash + 1, arn.resource.len), value;
        struct key key = iam_key(call, entity_types[kind], name);
        TRY(kv_get(call->txn, key_bytes(&key), &value));
        if (str_is_absent(value))
            return RESULT_OK;
        TRY(iam_entity_must(call, (enum iam_kind)kind, name, out));
        *found = str_eq(text, iam_entity_arn(call, out));
    }
    return RESULT_OK;
}

/* --- holdings --- */

RESULT iam_holdings_get(struct call *call, struct str account, struct str id,
                        struct iam_holdings *out, bool *found)
{
    struct key key = iam_key_of(call, account, "holds", id);
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_holdings, out, found);
}

RESULT iam_holdings_copy(struct call *call, struct str id, struct iam_holdings *out)
{
    struct key key = iam_key(call, "holds", id);
    bool found;
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_holdings, out, &found);
}

RESULT iam_holdings_put(struct call *call, struct str id, const struct iam_holdings *holdings)
{
    struct key key = iam_key(call, "holds", id);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_holdings, holdings);
}

RESULT iam_entity_enter(struct call *call, const struct iam_entity *entity)
{
    struct key key = iam_key(call, "id", entity->id);
    struct str name = str_lower(call->arena, entity->name);
    struct str value = str_format(call->arena, "%s/%.*s", entity_types[entity->kind], PRSTR(name));
    return kv_put(call->txn, key_bytes(&key), value);
}

RESULT iam_entity_leave(struct call *call, const struct iam_entity *entity)
{
    size_t deleted;
    struct key key = iam_key(call, "id", entity->id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = iam_key(call, "advisor", entity->id);
    TRY(kv_delete_prefix(call->txn, key_bytes(&key), SERVICES_MAX, &deleted));
    key = iam_key(call, "holds", entity->id);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_entity_is_bare(struct call *call, const struct iam_holdings *holdings)
{
    if (holdings->inlined.len > 0)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must delete policies first.");
    if (holdings->attached.len > 0)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must detach all policies first.");
    return RESULT_OK;
}

struct iam_AttachedPermissionsBoundary *iam_boundary_shown(struct call *call, struct str arn)
{
    if (str_is_absent(arn))
        return NULL;
    struct iam_AttachedPermissionsBoundary *shown =
        ARENA_NEW(call->arena, struct iam_AttachedPermissionsBoundary);
    *shown = (struct iam_AttachedPermissionsBoundary){STR("Policy"), arn};
    return shown;
}

struct iam_attachedPoliciesListType iam_attached_shown(struct call *call,
                                                       const struct str_list *arns)
{
    struct iam_attachedPoliciesListType shown = {
        .items = ARENA_ARRAY(call->arena, arns->len + 1, struct iam_AttachedPolicy)};
    for (size_t i = 0; i < arns->len; i++) {
        struct str arn = arns->items[i];
        struct str name = str_slice(arn, str_find_last_char(arn, '/') + 1, arn.len);
        shown.items[shown.len++] = (struct iam_AttachedPolicy){name, arn};
    }
    return shown;
}

/* --- sorted lists of strings --- */

bool iam_list_find(const struct str_list *list, struct str name, size_t *at)
{
    for (*at = 0; *at < list->len; ++*at) {
        int order = str_cmp(list->items[*at], name);
        if (order >= 0)
            return order == 0;
    }
    return false;
}

void iam_list_insert(struct arena *arena, struct str_list *list, size_t at, struct str item)
{
    struct str *items = ARENA_ARRAY(arena, list->len + 1, struct str);
    for (size_t i = 0; i < list->len; i++)
        items[i + (i >= at)] = list->items[i];
    items[at] = item;
    *list = (struct str_list){items, list->len + 1};
}

void iam_list_remove(struct str_list *list, size_t at)
{
    list->len--;
    for (size_t i = at; i < list->len; i++)
        list->items[i] = list->items[i + 1];
}
