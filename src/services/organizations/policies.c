/* Policies: their documents. */
#include "auth/policy.h"
#include "base/vec.h"
#include "services/organizations/organizations_int.h"
#include "store/record.h"
#include "wire/json_text.h"

/* What AWS keeps for everybody. */
static const struct organizations_policy aws_policies[] = {
    {.id = STR_INIT("p-FullAWSAccess"),
     .name = STR_INIT("FullAWSAccess"),
     .description = STR_INIT("Allows access to every operation"),
     .type = STR_INIT("SERVICE_CONTROL_POLICY"),
     .content = STR_INIT("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                         "\"Action\":\"*\",\"Resource\":\"*\"}]}")},
    {.id = STR_INIT("p-RCPFullAWSAccess"),
     .name = STR_INIT("RCPFullAWSAccess"),
     .description = STR_INIT("Allows access to every resource"),
     .type = STR_INIT("RESOURCE_CONTROL_POLICY"),
     .content = STR_INIT("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                         "\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}")},
};
enum { AWS_POLICIES = sizeof aws_policies / sizeof aws_policies[0] };

static const struct organizations_policy *aws_policy(struct str id)
{
    for (size_t i = 0; i < AWS_POLICIES; i++)
        if (str_eq(aws_policies[i].id, id))
            return &aws_policies[i];
    return NULL;
}

bool org_policy_type_is_enabled(const struct organizations_organization *org, struct str type)
{
    for (size_t i = 0; i < org->policy_types.len; i++)
        if (str_eq(org->policy_types.items[i], type))
            return true;
    return false;
}

RESULT org_attach_default(struct call *call, const struct organizations_organization *org,
                          struct str target, struct str type)
{
    for (size_t i = 0; i < AWS_POLICIES; i++) {
        if (!str_eq(aws_policies[i].type, type))
            continue;
        struct key key = org_attached_key(call, org, target, type);
        key_str(&key, aws_policies[i].id);
        TRY(kv_put(call->txn, key_bytes(&key), STR("")));
        key = org_key(call, org->id, STR("targets"));
        key_str(&key, type);
        key_str(&key, aws_policies[i].id);
        key_str(&key, target);
        TRY(kv_put(call->txn, key_bytes(&key), STR("")));
    }
    return RESULT_OK;
}

RESULT org_attach_defaults(struct call *call, const struct organizations_organization *org,
                           struct str target)
{
    for (size_t i = 0; i < org->policy_types.len; i++)
        TRY(org_attach_default(call, org, target, org->policy_types.items[i]));
    return RESULT_OK;
}

static struct key policy_key(struct call *call, const struct organizations_organization *org,
                             struct str id)
{
    struct key key = org_key(call, org->id, STR("policy"));
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

static struct key policy_name_key(struct call *call, const struct organizations_organization *org,
                                  struct str type, struct str name)
{
    struct key key = org_key(call, org->id, STR("policy-name"));
    key_str(&key, type);
    key_str(&key, name);
    return key;
}

RESULT org_policy_find(struct call *call, const struct organizations_organization *org,
                       struct str id, struct organizations_policy *policy, bool *found)
{
    const struct organizations_policy *known = aws_policy(id);
    if (known != NULL) {
        *policy = *known;
        *found = true;
        return RESULT_OK;
    }
    struct key key = policy_key(call, org, id);
    return call_get_record_copy(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_policy,
                                policy, found);
}

RESULT org_policy_must(struct call *call, const struct organizations_organization *org,
                       struct str id, struct organizations_policy *policy)
{
    bool found;
    TRY(org_policy_find(call, org, id, policy, &found));
    if (!found)
        return call_fail(call, ORGANIZATIONS_POLICY_NOT_FOUND,
                         "We can't find a policy with the PolicyId that you specified.");
    return RESULT_OK;
}

RESULT org_policy_put(struct call *call, const struct organizations_organization *org,
                      const struct organizations_policy *policy)
{
    struct key key = policy_key(call, org, policy->id);
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_policy, policy);
}

struct organizations_PolicySummary org_policy_summary(struct call *call,
                                                      const struct organizations_organization *org,
                                                      const struct organizations_policy *policy)
{
    bool known = aws_policy(policy->id) != NULL;
    struct str type = str_lower(call->arena, policy->type);
    struct organizations_PolicySummary shown = {
        .Id = policy->id,
        .Name = policy->name,
        .Description = str_is_absent(policy->description) ? STR("") : policy->description,
        .Type = policy->type,
        .AwsManaged = opt_bool(known),
    };
    shown.Arn = known
                    ? str_format(call->arena, "arn:%.*s:organizations::aws:policy/%.*s/%.*s",
                                 PRSTR(call->partition), PRSTR(type), PRSTR(policy->id))
                    : str_format(call->arena, "arn:%.*s:organizations::%.*s:policy/%.*s/%.*s/%.*s",
                                 PRSTR(call->partition), PRSTR(org->master), PRSTR(org->id),
                                 PRSTR(type), PRSTR(policy->id));
    return shown;
}

static struct organizations_Policy *policy_shown(struct call *call,
                                                 const struct organizations_organization *org,
                                                 const struct organizations_policy *policy)
{
    struct organizations_Policy *shown = ARENA_NEW(call->arena, struct organizations_Policy);
    shown->PolicySummary = ARENA_NEW(call->arena, struct organizations_PolicySummary);
    *shown->PolicySummary = org_policy_summary(call, org, policy);
    shown->Content = policy->content;
    return shown;
}

/* --- documents --- */

/* "Quotas and service limits for AWS Organizations": characters of a document. */
static size_t content_limit(struct str type)
{
    if (str_eq(type, STR("SERVICE_CONTROL_POLICY")) || str_eq(type, STR("RESOURCE_CONTROL_POLICY")))
        return 5120;
    return str_eq(type, STR("AISERVICES_OPT_OUT_POLICY")) ? 2500 : 10000;
}

static RESULT malformed(struct call *call, const char *why)
{
    return call_fail(call, ORGANIZATIONS_MALFORMED_POLICY_DOCUMENT,
                     "The provided policy document does not meet the requirements of the specified "
                     "policy type. %s",
                     why);
}

/* "RCP syntax": Effect Deny and Principal "*" alone, no NotPrincipal, no NotAction. */
static bool rcp_statement_is_fine(struct call *call, struct str statement)
{
    struct str raw, text;
    return json_member(call->arena, statement, STR("Effect"), &raw) &&
           json_string(call->arena, raw, &text) && str_eq(text, STR("Deny")) &&
           json_member(call->arena, statement, STR("Principal"), &raw) &&
           json_string(call->arena, raw, &text) && str_eq(text, STR("*")) &&
           !json_member(call->arena, statement, STR("NotAction"), &raw);
}

static bool rcp_is_fine(struct call *call, struct str content)
{
    struct str statements, statement;
    if (!json_member(call->arena, content, STR("Statement"), &statements))
        return false;
    if (json_kind_of(statements) == JSON_OBJECT)
        return rcp_statement_is_fine(call, statements);
    while (json_next_item(&statements, &statement))
        if (!rcp_statement_is_fine(call, statement))
            return false;
    return true;
}

/* The one element at the top of a management policy; absent: any. */
static struct str content_root(struct str type)
{
    static const struct {
        struct str type, root;
    } roots[] = {
        {STR_INIT("TAG_POLICY"), STR_INIT("tags")},
        {STR_INIT("BACKUP_POLICY"), STR_INIT("plans")},
        {STR_INIT("AISERVICES_OPT_OUT_POLICY"), STR_INIT("services")},
        {STR_INIT("CHATBOT_POLICY"), STR_INIT("chatbot")},
        {STR_INIT("DECLARATIVE_POLICY_EC2"), STR_INIT("ec2_attributes")},
    };
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        if (str_eq(roots[i].type, type))
            return roots[i].root;
    return (struct str){0};
}

static RESULT content_check(struct call *call, struct str type, struct str content)
{
    const struct policy *compiled;
    struct str reason, raw, root = content_root(type);
    bool scp = str_eq(type, STR("SERVICE_CONTROL_POLICY"));
    bool rcp = str_eq(type, STR("RESOURCE_CONTROL_POLICY"));
    if (content.len > content_limit(type))
        return org_refuse(call, "POLICY_CONTENT_LIMIT_EXCEEDED",
                          "You have exceeded the maximum size of a policy document of this type.");
    if (!json_is_valid(content) || json_kind_of(content) != JSON_OBJECT)
        return malformed(call, "It is not a JSON object.");
    if (scp || rcp) {
        if (policy_compile(call->arena, content, scp ? POLICY_FORM_INLINE : POLICY_FORM_RESOURCE,
                           &compiled, &reason) != RESULT_OK)
            return malformed(call, str_to_c(call->arena, reason));
        if (rcp && !rcp_is_fine(call, content))
            return malformed(call, "Statements of a resource control policy deny, and have the "
                                   "principal \"*\".");
        return RESULT_OK;
    }
    if (!str_is_absent(root) && !json_member(call->arena, content, root, &raw))
        return malformed(call, "The element at its top is missing.");
    const char *fault =
        str_eq(type, STR("TAG_POLICY")) ? org_tag_policy_fault(call->arena, content) : NULL;
    if (fault != NULL)
        return malformed(call, fault);
    return RESULT_OK;
}

/* --- operations --- */

static RESULT name_must_be_free(struct call *call, const struct organizations_organization *org,
                                struct str type, struct str name)
{
    struct key key = policy_name_key(call, org, type, name);
    struct str other;
    TRY(kv_get(call->txn, key_bytes(&key), &other));
    for (size_t i = 0; i < AWS_POLICIES; i++)
        if (str_eq(aws_policies[i].type, type) && str_eq(aws_policies[i].name, name))
            other = name;
    if (!str_is_absent(other))
        return call_fail(call, ORGANIZATIONS_DUPLICATE_POLICY,
                         "A policy with the same name already exists.");
    return RESULT_OK;
}

RESULT organizations_CreatePolicy(struct call *call,
                                  const struct organizations_CreatePolicyRequest *in,
                                  struct organizations_CreatePolicyResponse *out)
{
    struct organizations_organization org;
    struct str_map tags;
    TRY(org_open_master(call, &org));
    if (!str_eq(org.features, STR("ALL")))
        return call_fail(call, ORGANIZATIONS_POLICY_TYPE_NOT_AVAILABLE_FOR_ORGANIZATION,
                         "You can't use the specified policy type with the feature set currently "
                         "enabled for this organization.");
    TRY(content_check(call, in->Type, in->Content));
    TRY(name_must_be_free(call, &org, in->Type, in->Name));
    if (org.policies >= ORG_POLICIES_MAX)
        return org_refuse(call, "POLICY_NUMBER_LIMIT_EXCEEDED",
                          "You have exceeded the number of policies allowed in an organization.");
    TRY(org_read_tags(call, STR("organizations:policy"), &in->Tags, NULL, &tags));
    struct organizations_policy policy = {
        .id = org_make_id(call, "p-", 8),
        .name = in->Name,
        .description = in->Description,
        .type = in->Type,
        .content = in->Content,
        .tags = tags,
    };
    TRY(org_policy_put(call, &org, &policy));
    struct key key = policy_name_key(call, &org, policy.type, policy.name);
    TRY(kv_put(call->txn, key_bytes(&key), policy.id));
    org.policies++;
    TRY(org_put(call, &org));
    out->Policy = policy_shown(call, &org, &policy);
    return RESULT_OK;
}

RESULT organizations_DescribePolicy(struct call *call,
                                    const struct organizations_DescribePolicyRequest *in,
                                    struct organizations_DescribePolicyResponse *out)
{
    struct organizations_organization org;
    struct organizations_policy policy;
    TRY(org_open_reader(call, &org));
    TRY(org_policy_must(call, &org, in->PolicyId, &policy));
    out->Policy = policy_shown(call, &org, &policy);
    return RESULT_OK;
}

static RESULT policy_must_be_own(struct call *call, struct str id)
{
    if (aws_policy(id) == NULL)
        return RESULT_OK;
    return org_invalid(call, "IMMUTABLE_POLICY",
                       "You specified a policy that is managed by AWS and can't be modified.");
}

RESULT organizations_UpdatePolicy(struct call *call,
                                  const struct organizations_UpdatePolicyRequest *in,
                                  struct organizations_UpdatePolicyResponse *out)
{
    struct organizations_organization org;
    struct organizations_policy policy;
    TRY(org_open_master(call, &org));
    TRY(org_policy_must(call, &org, in->PolicyId, &policy));
    TRY(policy_must_be_own(call, policy.id));
    if (!str_is_absent(in->Content)) {
        TRY(content_check(call, policy.type, in->Content));
        policy.content = in->Content;
    }
    if (!str_is_absent(in->Description))
        policy.description = in->Description;
    if (!str_is_absent(in->Name) && !str_eq(in->Name, policy.name)) {
        TRY(name_must_be_free(call, &org, policy.type, in->Name));
        struct key key = policy_name_key(call, &org, policy.type, policy.name);
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
        policy.name = in->Name;
        key = policy_name_key(call, &org, policy.type, policy.name);
        TRY(kv_put(call->txn, key_bytes(&key), policy.id));
    }
    TRY(org_policy_put(call, &org, &policy));
    out->Policy = policy_shown(call, &org, &policy);
    return RESULT_OK;
}

RESULT organizations_DeletePolicy(struct call *call,
                                  const struct organizations_DeletePolicyRequest *in,
                                  struct organizations_DeletePolicyResult *out)
{
    struct organizations_organization org;
    struct organizations_policy policy;
    struct kv_cursor *cursor;
    struct str target, value;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(org_policy_must(call, &org, in->PolicyId, &policy));
    TRY(policy_must_be_own(call, policy.id));
    struct key prefix = org_key(call, org.id, STR("targets"));
    key_str(&prefix, policy.type);
    key_str(&prefix, policy.id);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &target, &value));
    kv_cursor_close(cursor);
    if (!str_is_absent(target))
        return call_fail(call, ORGANIZATIONS_POLICY_IN_USE,
                         "The policy is attached to one or more entities. You must detach it from "
                         "all roots, OUs, and accounts before performing this operation.");
    struct key key = policy_key(call, &org, policy.id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = policy_name_key(call, &org, policy.type, policy.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    org.policies--;
    return org_put(call, &org);
}

/* AWS's own come first, on the first page. */
RESULT organizations_ListPolicies(struct call *call,
                                  const struct organizations_ListPoliciesRequest *in,
                                  struct organizations_ListPoliciesResponse *out)
{
    struct organizations_organization org;
    struct org_pages pages;
    size_t cap = 0;
    TRY(org_open_reader(call, &org));
    struct key prefix = org_key(call, org.id, STR("policy-name"));
    key_str(&prefix, in->Filter);
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    for (size_t i = 0; i < AWS_POLICIES && str_is_absent(in->NextToken); i++)
        if (str_eq(aws_policies[i].type, in->Filter))
            VEC_PUSH(call->arena, out->Policies.items, out->Policies.len, cap,
                     org_policy_summary(call, &org, &aws_policies[i]));
    if (out->Policies.items == NULL)
        out->Policies.items = ARENA_NEW(call->arena, struct organizations_PolicySummary);
    for (;; pages.taken++) {
        struct str key, id;
        struct organizations_policy policy;
        TRY(org_pages_next(call, &pages, &key, &id, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(org_policy_must(call, &org, id, &policy));
        cap = cap > out->Policies.len ? cap : out->Policies.len;
        VEC_PUSH(call->arena, out->Policies.items, out->Policies.len, cap,
                 org_policy_summary(call, &org, &policy));
    }
}
