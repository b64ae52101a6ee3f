/* Managed policies attached to users, groups and roles, and boundaries ("Managed policies and
 * inline policies", "Permissions boundaries for IAM entities", IAM User Guide). */
#include "base/vec.h"
#include "cloud/arn.h"
#include "services/iam/iam_int.h"

enum { ATTACHED_MAX = 10 };

/* --- who uses a policy --- */

static struct key use_key(struct call *call, bool boundary, struct str arn, struct str id)
{
    struct key key = iam_key(call, "use", arn);
    key_str(&key, id);
    key_str(&key, boundary ? STR("boundary") : STR("attached"));
    return key;
}

RESULT iam_policy_use(struct call *call, struct str arn, struct iam_policy_use *use)
{
    struct key key = iam_key(call, "policy-use", arn);
    bool found;
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_policy_use, use, &found);
}

static RESULT use_note(struct call *call, bool boundary, struct str arn, struct str id, bool used)
{
    struct iam_policy_use use;
    struct key key = use_key(call, boundary, arn, id);
    if (used)
        TRY(kv_put(call->txn, key_bytes(&key), STR("")));
    else
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(iam_policy_use(call, arn, &use));
    *(boundary ? &use.bounding : &use.attached) += used ? 1 : -1;
    key = iam_key(call, "policy-use", arn);
    if (use.attached == 0 && use.bounding == 0)
        return kv_delete(call->txn, key_bytes(&key), NULL);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_policy_use, &use);
}

RESULT iam_policy_used(struct call *call, const struct iam_entity *entity, struct str arn,
                       bool used)
{
    return use_note(call, false, arn, entity->id, used);
}

/* --- attaching --- */

static RESULT attachable(struct call *call, struct str arn)
{
    struct iam_managed policy;
    struct arn parts;
    bool found = false;
    if (!arn_parse(arn, &parts))
        return call_fail(call, IAM_INVALID_INPUT, "ARN %.*s is not valid.", PRSTR(arn));
    TRY(iam_managed_find(call, call->account, arn, &policy, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "Policy %.*s does not exist or is not attachable.", PRSTR(arn));
    return RESULT_OK;
}

static RESULT attach(struct call *call, enum iam_kind kind, struct str name, struct str arn)
{
    static const char *const quotas[] = {[IAM_USERS] = "PoliciesPerUser",
                                         [IAM_GROUPS] = "PoliciesPerGroup",
                                         [IAM_ROLES] = "PoliciesPerRole"};
    struct iam_entity entity;
    struct iam_holdings holdings;
    size_t at;
    TRY(iam_entity_to_change(call, kind, name, &entity));
    TRY(attachable(call, arn));
    if (str_find(arn, STR(":iam::aws:policy/root-task/")) != SIZE_MAX)
        return call_fail(call, IAM_POLICY_NOT_ATTACHABLE, "Policy %.*s is not attachable.",
                         PRSTR(arn));
    if (str_find(arn, STR(":iam::aws:policy/aws-service-role/")) != SIZE_MAX)
        return call_fail(call, IAM_POLICY_NOT_ATTACHABLE,
                         "Cannot attach a Service Role Policy to a Customer Role.");
    TRY(iam_holdings_copy(call, entity.id, &holdings));
    if (iam_list_find(&holdings.attached, arn, &at))
        return RESULT_OK;
    if (holdings.attached.len >= ATTACHED_MAX)
        return iam_quota(call, quotas[kind], ATTACHED_MAX);
    iam_list_insert(call->arena, &holdings.attached, at, arn);
    TRY(iam_holdings_put(call, entity.id, &holdings));
    return use_note(call, false, arn, entity.id, true);
}

static RESULT detach(struct call *call, enum iam_kind kind, struct str name, struct str arn)
{
    struct iam_entity entity;
    struct iam_holdings holdings;
    size_t at;
    TRY(iam_entity_to_change(call, kind, name, &entity));
    TRY(iam_holdings_copy(call, entity.id, &holdings));
    if (!iam_list_find(&holdings.attached, arn, &at))
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Policy %.*s was not found.", PRSTR(arn));
    iam_list_remove(&holdings.attached, at);
    TRY(iam_holdings_put(call, entity.id, &holdings));
    return use_note(call, false, arn, entity.id, false);
}

RESULT iam_AttachUserPolicy(struct call *call, const struct iam_AttachUserPolicyRequest *in,
                            struct iam_AttachUserPolicyResult *out)
{
    (void)out;
    return attach(call, IAM_USERS, in->UserName, in->PolicyArn);
}

RESULT iam_AttachGroupPolicy(struct call *call, const struct iam_AttachGroupPolicyRequest *in,
                             struct iam_AttachGroupPolicyResult *out)
{
    (void)out;
    return attach(call, IAM_GROUPS, in->GroupName, in->PolicyArn);
}

RESULT iam_AttachRolePolicy(struct call *call, const struct iam_AttachRolePolicyRequest *in,
                            struct iam_AttachRolePolicyResult *out)
{
    (void)out;
    return attach(call, IAM_ROLES, in->RoleName, in->PolicyArn);
}

RESULT iam_DetachUserPolicy(struct call *call, const struct iam_DetachUserPolicyRequest *in,
                            struct iam_DetachUserPolicyResult *out)
{
    (void)out;
    return detach(call, IAM_USERS, in->UserName, in->PolicyArn);
}

RESULT iam_DetachGroupPolicy(struct call *call, const struct iam_DetachGroupPolicyRequest *in,
                             struct iam_DetachGroupPolicyResult *out)
{
    (void)out;
    return detach(call, IAM_GROUPS, in->GroupName, in->PolicyArn);
}

RESULT iam_DetachRolePolicy(struct call *call, const struct iam_DetachRolePolicyRequest *in,
                            struct iam_DetachRolePolicyResult *out)
{
    (void)out;
    return detach(call, IAM_ROLES, in->RoleName, in->PolicyArn);
}

/* --- what is attached --- */

struct attached_question {
    enum iam_kind kind;
    struct str name, path_prefix, marker;
    struct opt_int max_items;
};
struct attached_page {
    struct iam_attachedPoliciesListType policies;
    struct opt_bool truncated;
    struct str marker;
};

/* The path stands in the ARN: arn:aws:iam::ACCOUNT:policy/PATH/NAME. */
static bool path_begins(struct str arn, struct str prefix)
{
    size_t slash = str_find_char(arn, '/');
    return str_is_absent(prefix) ||
           (slash != SIZE_MAX && str_starts_with(str_slice(arn, slash, arn.len), prefix));
}

static RESULT list_attached(struct call *call, const struct attached_question *question,
                            struct attached_page *page)
{
    struct iam_entity entity;
    struct iam_holdings holdings;
    struct iam_window window;
    struct str_list chosen = {0};
    bool found;
    TRY(iam_check_path_prefix(call, question->path_prefix));
    TRY(iam_entity_must(call, question->kind, question->name, &entity));
    TRY(iam_holdings_get(call, call->account, entity.id, &holdings, &found));
    chosen.items = ARENA_ARRAY(call->arena, holdings.attached.len + 1, struct str);
    for (size_t i = 0; i < holdings.attached.len; i++)
        if (path_begins(holdings.attached.items[i], question->path_prefix))
            chosen.items[chosen.len++] = holdings.attached.items[i];
    TRY(iam_window_open(call, question->marker, question->max_items, &chosen, chosen.len,
                        iam_list_name, &window));
    struct str_list part = {chosen.items + window.from, window.to - window.from};
    *page = (struct attached_page){.policies = iam_attached_shown(call, &part)};
    iam_window_end(call, &window, part.len > 0 ? part.items[part.len - 1] : STR(""),
                   &page->truncated, &page->marker);
    return RESULT_OK;
}

RESULT iam_ListAttachedUserPolicies(struct call *call,
                                    const struct iam_ListAttachedUserPoliciesRequest *in,
                                    struct iam_ListAttachedUserPoliciesResponse *out)
{
    struct attached_question question = {IAM_USERS, in->UserName, in->PathPrefix, in->Marker,
                                         in->MaxItems};
    struct attached_page page;
    TRY(list_attached(call, &question, &page));
    *out =
        (struct iam_ListAttachedUserPoliciesResponse){page.policies, page.truncated, page.marker};
    return RESULT_OK;
}

RESULT iam_ListAttachedGroupPolicies(struct call *call,
                                     const struct iam_ListAttachedGroupPoliciesRequest *in,
                                     struct iam_ListAttachedGroupPoliciesResponse *out)
{
    struct attached_question question = {IAM_GROUPS, in->GroupName, in->PathPrefix, in->Marker,
                                         in->MaxItems};
    struct attached_page page;
    TRY(list_attached(call, &question, &page));
    *out =
        (struct iam_ListAttachedGroupPoliciesResponse){page.policies, page.truncated, page.marker};
    return RESULT_OK;
}

RESULT iam_ListAttachedRolePolicies(struct call *call,
                                    const struct iam_ListAttachedRolePoliciesRequest *in,
                                    struct iam_ListAttachedRolePoliciesResponse *out)
{
    struct attached_question question = {IAM_ROLES, in->RoleName, in->PathPrefix, in->Marker,
                                         in->MaxItems};
    struct attached_page page;
    TRY(list_attached(call, &question, &page));
    *out =
        (struct iam_ListAttachedRolePoliciesResponse){page.policies, page.truncated, page.marker};
    return RESULT_OK;
}

/* --- boundaries --- */

RESULT iam_boundary_set(struct call *call, const struct iam_entity *entity,
                        struct iam_holdings *holdings, struct str arn)
{
    struct iam_managed policy;
    bool found;
    if (!str_is_absent(arn)) {
        TRY(iam_managed_find(call, call->account, arn, &policy, &found));
        if (!found)
            return call_fail(call, IAM_NO_SUCH_ENTITY,
                             "Scope ARN: %.*s does not exist or is not attachable.", PRSTR(arn));
    }
    if (!str_is_absent(holdings->boundary))
        TRY(use_note(call, true, holdings->boundary, entity->id, false));
    holdings->boundary = arn;
    return str_is_absent(arn) ? RESULT_OK : use_note(call, true, arn, entity->id, true);
}

/* arn absent: taken away, which must have been there. */
static RESULT boundary(struct call *call, enum iam_kind kind, struct str name, struct str arn)
{
    struct iam_entity entity;
    struct iam_holdings holdings;
    TRY(iam_entity_to_change(call, kind, name, &entity));
    TRY(iam_holdings_copy(call, entity.id, &holdings));
    if (str_is_absent(arn) && str_is_absent(holdings.boundary))
        return call_fail(call, IAM_NO_SUCH_ENTITY, "%s %.*s does not have a permissions boundary.",
                         kind == IAM_USERS ? "User" : "Role", PRSTR(entity.name));
    TRY(iam_boundary_set(call, &entity, &holdings, arn));
    return iam_holdings_put(call, entity.id, &holdings);
}

RESULT iam_PutUserPermissionsBoundary(struct call *call,
                                      const struct iam_PutUserPermissionsBoundaryRequest *in,
                                      struct iam_PutUserPermissionsBoundaryResult *out)
{
    (void)out;
    return boundary(call, IAM_USERS, in->UserName, in->PermissionsBoundary);
}

RESULT iam_PutRolePermissionsBoundary(struct call *call,
                                      const struct iam_PutRolePermissionsBoundaryRequest *in,
                                      struct iam_PutRolePermissionsBoundaryResult *out)
{
    (void)out;
    return boundary(call, IAM_ROLES, in->RoleName, in->PermissionsBoundary);
}

RESULT iam_DeleteUserPermissionsBoundary(struct call *call,
                                         const struct iam_DeleteUserPermissionsBoundaryRequest *in,
                                         struct iam_DeleteUserPermissionsBoundaryResult *out)
{
    (void)out;
    return boundary(call, IAM_USERS, in->UserName, (struct str){0});
}

RESULT iam_DeleteRolePermissionsBoundary(struct call *call,
                                         const struct iam_DeleteRolePermissionsBoundaryRequest *in,
                                         struct iam_DeleteRolePermissionsBoundaryResult *out)
{
    (void)out;
    return boundary(call, IAM_ROLES, in->RoleName, (struct str){0});
}

/* --- who has a policy --- */

struct entity_lists {
    const struct iam_ListEntitiesForPolicyRequest *in;
    struct iam_ListEntitiesForPolicyResponse *out;
    size_t users, groups, roles; /* capacities */
};

static bool entity_wanted(const struct iam_ListEntitiesForPolicyRequest *in,
                          const struct iam_entity *entity)
{
    static const char *const filters[] = {
        [IAM_USERS] = "User", [IAM_GROUPS] = "Group", [IAM_ROLES] = "Role"};
    if (!str_is_absent(in->PathPrefix) && !str_starts_with(entity->path, in->PathPrefix))
        return false;
    return str_is_absent(in->EntityFilter) ||
           str_eq(in->EntityFilter, str_from_c(filters[entity->kind]));
}

static void entity_list(struct call *call, struct entity_lists *lists,
                        const struct iam_entity *entity)
{
    struct iam_ListEntitiesForPolicyResponse *out = lists->out;
    struct iam_PolicyUser user = {entity->name, entity->id};
    struct iam_PolicyGroup group = {entity->name, entity->id};
    struct iam_PolicyRole role = {entity->name, entity->id};
    switch (entity->kind) {
    case IAM_USERS:
        VEC_PUSH(call->arena, out->PolicyUsers.items, out->PolicyUsers.len, lists->users, user);
        break;
    case IAM_GROUPS:
        VEC_PUSH(call->arena, out->PolicyGroups.items, out->PolicyGroups.len, lists->groups, group);
        break;
    case IAM_ROLES:
        VEC_PUSH(call->arena, out->PolicyRoles.items, out->PolicyRoles.len, lists->roles, role);
        break;
    }
}

/* The last elements of a key that use_key() has made. */
static bool use_read(struct call *call, struct str key, struct str *id, struct str *usage)
{
    struct key_reader reader = key_read(call->arena, key);
    struct str part;
    for (int i = 0; i < 4; i++)
        if (!key_next_str(&reader, &part))
            return false;
    return key_next_str(&reader, id) && key_next_str(&reader, usage);
}

RESULT iam_ListEntitiesForPolicy(struct call *call,
                                 const struct iam_ListEntitiesForPolicyRequest *in,
                                 struct iam_ListEntitiesForPolicyResponse *out)
{
    struct iam_managed policy;
    struct iam_pages pages;
    struct str key, value, id, usage, before = {0};
    bool found, any = str_is_absent(in->PolicyUsageFilter);
    struct str wanted = str_eq(in->PolicyUsageFilter, STR("PermissionsBoundary")) ? STR("boundary")
                                                                                  : STR("attached");
    TRY(iam_check_path_prefix(call, in->PathPrefix));
    TRY(iam_managed_find(call, call->account, in->PolicyArn, &policy, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Policy %.*s was not found.",
                         PRSTR(in->PolicyArn));
    struct entity_lists lists = {in, out, 1, 1, 1};
    out->PolicyUsers.items = ARENA_NEW(call->arena, struct iam_PolicyUser);
    out->PolicyGroups.items = ARENA_NEW(call->arena, struct iam_PolicyGroup);
    out->PolicyRoles.items = ARENA_NEW(call->arena, struct iam_PolicyRole);
    struct key prefix = iam_key(call, "use", in->PolicyArn);
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    for (;;) {
        struct iam_entity entity;
        size_t taken = out->PolicyUsers.len + out->PolicyGroups.len + out->PolicyRoles.len;
        TRY(iam_pages_next_key(&pages, taken, &key, &value));
        if (str_is_absent(key))
            break;
        if (!use_read(call, key, &id, &usage))
            return FAULT("iam: a key of no use");
        if (!(any || str_eq(usage, wanted)) || str_eq(id, before))
            continue; /* both attached and a boundary: shown once */
        before = id;
        TRY(iam_entity_by_id(call, id, &entity, &found));
        if (found && entity_wanted(in, &entity))
            entity_list(call, &lists, &entity);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}
