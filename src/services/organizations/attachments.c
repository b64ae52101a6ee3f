/* Which policy stands where, and what they come to. */
#include "base/vec.h"
#include "services/organizations/organizations_int.h"

struct key org_attached_key(struct call *call, const struct organizations_organization *org,
                            struct str target, struct str type)
{
    struct key key = org_key(call, org->id, STR("attached"));
    key_str(&key, type);
    key_str(&key, target);
    return key;
}

static struct key target_key(struct call *call, const struct organizations_organization *org,
                             const struct organizations_policy *policy, struct str target)
{
    struct key key = org_key(call, org->id, STR("targets"));
    key_str(&key, policy->type);
    key_str(&key, policy->id);
    if (!str_is_absent(target))
        key_str(&key, target);
    return key;
}

RESULT org_target_find(struct call *call, const struct organizations_organization *org,
                       struct str id, struct str *kind, struct str *name, struct str *parent)
{
    struct organizations_account account;
    struct organizations_unit unit;
    bool found;
    if (arn_is_account(id)) {
        TRY(org_account_find(call, org, id, &account, &found));
        *kind = STR("ACCOUNT");
        *name = account.name;
        *parent = account.parent;
    } else {
        TRY(org_unit_find(call, org, id, &unit, &found));
        *kind = str_is_absent(unit.parent) ? STR("ROOT") : STR("ORGANIZATIONAL_UNIT");
        *name = unit.name;
        *parent = unit.parent;
    }
    if (!found)
        return call_fail(call, ORGANIZATIONS_TARGET_NOT_FOUND,
                         "We can't find a root, OU, or account with the TargetId that you "
                         "specified.");
    return RESULT_OK;
}

static RESULT attached_count(struct call *call, const struct organizations_organization *org,
                             struct str target, struct str type, size_t *count)
{
    struct key prefix = org_attached_key(call, org, target, type);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (*count = 0;; ++*count) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static bool is_authorization(struct str type)
{
    return str_eq(type, STR("SERVICE_CONTROL_POLICY")) ||
           str_eq(type, STR("RESOURCE_CONTROL_POLICY"));
}

RESULT organizations_AttachPolicy(struct call *call,
                                  const struct organizations_AttachPolicyRequest *in,
                                  struct organizations_AttachPolicyResult *out)
{
    struct organizations_organization org;
    struct organizations_policy policy;
    struct str kind, name, parent, there;
    uint64_t turn;
    size_t count;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(org_policy_must(call, &org, in->PolicyId, &policy));
    TRY(org_target_find(call, &org, in->TargetId, &kind, &name, &parent));
    if (!org_policy_type_is_enabled(&org, policy.type))
        return call_fail(call, ORGANIZATIONS_POLICY_TYPE_NOT_ENABLED,
                         "The specified policy type isn't currently enabled in this root. You "
                         "can't attach policies of the specified type to entities in a root until "
                         "you enable that type in the root.");
    struct key key = org_attached_key(call, &org, in->TargetId, policy.type);
    key_str(&key, policy.id);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return call_fail(call, ORGANIZATIONS_DUPLICATE_POLICY_ATTACHMENT,
                         "The selected policy is already attached to the specified target.");
    TRY(attached_count(call, &org, in->TargetId, policy.type, &count));
    if (count >= (is_authorization(policy.type) ? 5 : 10))
        return org_refuse(call, "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                          "You have exceeded the number of policies of a certain type that can be "
                          "attached to an entity at one time.");
    TRY(call_sequence(call, &turn));
    TRY(kv_put(call->txn, key_bytes(&key),
               str_format(call->arena, "%020llu", (unsigned long long)turn)));
    key = target_key(call, &org, &policy, in->TargetId);
    return kv_put(call->txn, key_bytes(&key), STR(""));
}

static RESULT detach(struct call *call, const struct organizations_organization *org,
                     const struct organizations_policy *policy, struct str target, bool *existed)
{
    struct key key = org_attached_key(call, org, target, policy->type);
    key_str(&key, policy->id);
    TRY(kv_delete(call->txn, key_bytes(&key), existed));
    key = target_key(call, org, policy, target);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT organizations_DetachPolicy(struct call *call,
                                  const struct organizations_DetachPolicyRequest *in,
                                  struct organizations_DetachPolicyResult *out)
{
    struct organizations_organization org;
    struct organizations_policy policy;
    struct str kind, name, parent;
    size_t count;
    bool existed;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(org_policy_must(call, &org, in->PolicyId, &policy));
    TRY(org_target_find(call, &org, in->TargetId, &kind, &name, &parent));
    if (str_eq(policy.id, STR("p-RCPFullAWSAccess")))
        return org_invalid(call, "NON_DETACHABLE_POLICY",
                           "You can't detach this AWS managed policy.");
    TRY(attached_count(call, &org, in->TargetId, policy.type, &count));
    TRY(detach(call, &org, &policy, in->TargetId, &existed));
    if (!existed)
        return call_fail(call, ORGANIZATIONS_POLICY_NOT_ATTACHED,
                         "The policy isn't attached to the specified target in the specified "
                         "root.");
    if (count == 1 && str_eq(policy.type, STR("SERVICE_CONTROL_POLICY")))
        return org_refuse(call, "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
                          "You cannot remove the last policy attached to the specified target. You "
                          "must have at least one attached at all times.");
    return RESULT_OK;
}

/* Of one type, in the order in which they were attached: that counts among management policies. */
static RESULT attached_ids(struct call *call, const struct organizations_organization *org,
                           struct str target, struct str type, struct str_list *out)
{
    struct key prefix = org_attached_key(call, org, target, type);
    struct kv_cursor *cursor;
    struct str key, value, *turns = NULL;
    size_t cap = 0, turns_cap = 0, len = 0;
    *out = (struct str_list){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        struct str id = str_copy(call->arena, org_key_last(call, key));
        struct str turn = str_copy(call->arena, value);
        size_t at = len;
        VEC_PUSH(call->arena, out->items, out->len, cap, id);
        VEC_PUSH(call->arena, turns, len, turns_cap, turn);
        for (; at > 0 && str_cmp(turns[at - 1], turn) > 0; at--) {
            turns[at] = turns[at - 1];
            out->items[at] = out->items[at - 1];
        }
        turns[at] = turn;
        out->items[at] = id;
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT org_detach_all(struct call *call, const struct organizations_organization *org,
                      struct str target)
{
    for (size_t t = 0; t < org->policy_types.len; t++) {
        struct str_list ids;
        TRY(attached_ids(call, org, target, org->policy_types.items[t], &ids));
        for (size_t i = 0; i < ids.len; i++) {
            struct organizations_policy policy;
            bool existed;
            TRY(org_policy_must(call, org, ids.items[i], &policy));
            TRY(detach(call, org, &policy, target, &existed));
        }
    }
    return RESULT_OK;
}

RESULT
organizations_ListPoliciesForTarget(struct call *call,
                                    const struct organizations_ListPoliciesForTargetRequest *in,
                                    struct organizations_ListPoliciesForTargetResponse *out)
{
    struct organizations_organization org;
    struct org_pages pages;
    struct str kind, name, parent;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    TRY(org_target_find(call, &org, in->TargetId, &kind, &name, &parent));
    struct key prefix = org_attached_key(call, &org, in->TargetId, in->Filter);
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->Policies.items = ARENA_NEW(call->arena, struct organizations_PolicySummary);
    for (;; pages.taken++) {
        struct str key, value;
        struct organizations_policy policy;
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(org_policy_must(call, &org, org_key_last(call, key), &policy));
        VEC_PUSH(call->arena, out->Policies.items, out->Policies.len, cap,
                 org_policy_summary(call, &org, &policy));
    }
}

RESULT
organizations_ListTargetsForPolicy(struct call *call,
                                   const struct organizations_ListTargetsForPolicyRequest *in,
                                   struct organizations_ListTargetsForPolicyResponse *out)
{
    struct organizations_organization org;
    struct organizations_policy policy;
    struct org_pages pages;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    TRY(org_policy_must(call, &org, in->PolicyId, &policy));
    struct key prefix = target_key(call, &org, &policy, (struct str){0});
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->Targets.items = ARENA_NEW(call->arena, struct organizations_PolicyTargetSummary);
    for (;; pages.taken++) {
        struct str key, value, parent;
        struct organizations_PolicyTargetSummary target = {0};
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        target.TargetId = org_key_last(call, key);
        TRY(org_target_find(call, &org, target.TargetId, &target.Type, &target.Name, &parent));
        target.Arn = org_arn(call, &org,
                             str_eq(target.Type, STR("ACCOUNT")) ? "account"
                             : str_eq(target.Type, STR("ROOT"))  ? "root"
                                                                 : "ou",
                             target.TargetId);
        VEC_PUSH(call->arena, out->Targets.items, out->Targets.len, cap, target);
    }
}

/* --- what management policies come to --- */

struct inherited {
    struct str *contents;
    size_t *levels;
    size_t len, cap, levels_len, levels_cap;
};

/* From the root down to the target. */
static RESULT inherit(struct call *call, const struct organizations_organization *org,
                      struct str target, struct str type, size_t *level, struct inherited *out)
{
    struct str kind, name, parent;
    struct str_list ids;
    TRY(org_target_find(call, org, target, &kind, &name, &parent));
    *level = 0;
    if (!str_is_absent(parent)) {
        TRY(inherit(call, org, parent, type, level, out));
        ++*level;
    }
    TRY(attached_ids(call, org, target, type, &ids));
    for (size_t i = 0; i < ids.len; i++) {
        struct organizations_policy policy;
        TRY(org_policy_must(call, org, ids.items[i], &policy));
        VEC_PUSH(call->arena, out->contents, out->len, out->cap, policy.content);
        VEC_PUSH(call->arena, out->levels, out->levels_len, out->levels_cap, *level);
    }
    return RESULT_OK;
}

RESULT org_effective(struct call *call, const struct organizations_organization *org,
                     struct str target, struct str type, struct str *merged)
{
    struct inherited policies = {0};
    size_t level;
    *merged = (struct str){0};
    if (!org_policy_type_is_enabled(org, type))
        return RESULT_OK;
    TRY(inherit(call, org, target, type, &level, &policies));
    *merged = org_policies_merge(call->arena, policies.contents, policies.levels, policies.len);
    return RESULT_OK;
}

RESULT
organizations_DescribeEffectivePolicy(struct call *call,
                                      const struct organizations_DescribeEffectivePolicyRequest *in,
                                      struct organizations_DescribeEffectivePolicyResponse *out)
{
    struct organizations_organization org;
    struct str kind, name, parent, merged;
    TRY(org_open(call, &org));
    struct str target = str_is_absent(in->TargetId) ? call->account : in->TargetId;
    if (!str_eq(target, call->account))
        TRY(org_open_reader(call, &org));
    TRY(org_target_find(call, &org, target, &kind, &name, &parent));
    TRY(org_effective(call, &org, target, in->PolicyType, &merged));
    if (str_is_absent(merged))
        return call_fail(call, ORGANIZATIONS_EFFECTIVE_POLICY_NOT_FOUND,
                         "If you ran this action on the management account, this policy type is "
                         "not enabled. If you ran the action on a member account, the account "
                         "doesn't have an effective policy of this type. Contact the "
                         "administrator of your organization about attaching a policy of this "
                         "type to the account.");
    out->EffectivePolicy = ARENA_NEW(call->arena, struct organizations_EffectivePolicy);
    out->EffectivePolicy->PolicyContent = merged;
    out->EffectivePolicy->PolicyType = in->PolicyType;
    out->EffectivePolicy->TargetId = target;
    out->EffectivePolicy->LastUpdatedTimestamp = opt_time(call->now_ms);
    return RESULT_OK;
}

/* --- what binds an account: cloud/organization.h --- */

struct bound {
    struct organization_view *view;
    size_t cap;
};

static RESULT bind_level(struct call *call, const struct organizations_organization *org,
                         struct str target, struct str type, unsigned level, struct bound *bound)
{
    struct str_list ids;
    TRY(attached_ids(call, org, target, type, &ids));
    for (size_t i = 0; i < ids.len; i++) {
        struct organizations_policy policy;
        TRY(org_policy_must(call, org, ids.items[i], &policy));
        struct organization_policy item = {
            .kind = str_eq(type, STR("SERVICE_CONTROL_POLICY")) ? POLICY_SCP : POLICY_RCP,
            .level = level,
            .name = org_policy_summary(call, org, &policy).Arn,
            .document = policy.content,
        };
        VEC_PUSH(call->arena, bound->view->items, bound->view->len, bound->cap, item);
    }
    return RESULT_OK;
}

static RESULT bind(struct call *call, const struct organizations_organization *org,
                   struct str target, struct str type, unsigned *level, struct bound *bound)
{
    struct str kind, name, parent;
    TRY(org_target_find(call, org, target, &kind, &name, &parent));
    *level = 0;
    if (!str_is_absent(parent)) {
        TRY(bind(call, org, parent, type, level, bound));
        ++*level;
    }
    return bind_level(call, org, target, type, *level, bound);
}

RESULT org_view(struct call *call, struct str account, struct organization_view *out)
{
    static const struct str types[] = {STR_INIT("SERVICE_CONTROL_POLICY"),
                                       STR_INIT("RESOURCE_CONTROL_POLICY")};
    struct organizations_organization org;
    struct organizations_account member;
    struct bound bound = {out, 0};
    unsigned level;
    bool found;
    *out = (struct organization_view){0};
    TRY(org_of_account(call, account, &org, &found));
    if (!found)
        return RESULT_OK;
    TRY(org_account_must(call, &org, account, &member));
    TRY(org_path(call, &org, member.parent, &out->path));
    out->id = org.id;
    out->master = org.master;
    for (size_t i = 0; i < 2 && !str_eq(account, org.master); i++)
        if (org_policy_type_is_enabled(&org, types[i]))
            TRY(bind(call, &org, account, types[i], &level, &bound));
    return RESULT_OK;
}
