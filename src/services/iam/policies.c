/* Inline policies of users, groups and roles ("Managed policies and inline policies", IAM User
 * Guide). They stand in their holder's record, in the order of their names. */
#include "auth/policy.h"
#include "services/iam/iam_int.h"

/* "IAM and AWS STS quotas": all inline policies of one holder together, white space not counted. */
static const struct {
    const char *what;
    size_t size_max;
} holders[] = {
    [IAM_USERS] = {"user", 2048},
    [IAM_GROUPS] = {"group", 5120},
    [IAM_ROLES] = {"role", 10240},
};

struct inline_question {
    enum iam_kind kind;
    struct str holder, name;
};

static bool inline_find(const struct iam_holdings *holdings, struct str name, size_t *at)
{
    for (*at = 0; *at < holdings->inlined.len; ++*at) {
        int order = str_cmp(holdings->inlined.items[*at].name, name);
        if (order >= 0)
            return order == 0;
    }
    return false;
}

static RESULT inline_put(struct call *call, const struct inline_question *question,
                         struct str document)
{
    struct iam_entity entity;
    struct iam_holdings holdings;
    const struct policy *compiled;
    struct str reason;
    size_t at, size = iam_document_size(document);
    TRY(iam_entity_to_change(call, question->kind, question->holder, &entity));
    TRY(iam_check_name(call, "policyName", question->name));
    if (policy_compile(call->arena, document, POLICY_FORM_INLINE, &compiled, &reason) != RESULT_OK)
        return call_fail(call, IAM_MALFORMED_POLICY_DOCUMENT, "%.*s", PRSTR(reason));
    TRY(iam_holdings_copy(call, entity.id, &holdings));
    bool replaces = inline_find(&holdings, question->name, &at);
    for (size_t i = 0; i < holdings.inlined.len; i++)
        if (!(replaces && i == at))
            size += iam_document_size(holdings.inlined.items[i].document);
    if (size > holders[question->kind].size_max)
        return call_fail(
            call, IAM_LIMIT_EXCEEDED, "Maximum policy size of %zu bytes exceeded for %s %.*s",
            holders[question->kind].size_max, holders[question->kind].what, PRSTR(entity.name));
    struct iam_inline_policy *items =
        ARENA_ARRAY(call->arena, holdings.inlined.len + 1, struct iam_inline_policy);
    for (size_t i = 0; i < holdings.inlined.len; i++)
        items[i + (!replaces && i >= at)] = holdings.inlined.items[i];
    items[at] = (struct iam_inline_policy){question->name, document};
    holdings.inlined.items = items;
    holdings.inlined.len += !replaces;
    return iam_holdings_put(call, entity.id, &holdings);
}

/* copy: the holdings will be written back. */
static RESULT inline_must(struct call *call, const struct inline_question *question,
                          struct iam_entity *entity, struct iam_holdings *holdings, size_t *at)
{
    TRY(iam_entity_must(call, question->kind, question->holder, entity));
    TRY(iam_holdings_copy(call, entity->id, holdings));
    if (!inline_find(holdings, question->name, at))
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The %s policy with name %.*s cannot be found.",
                         holders[question->kind].what, PRSTR(question->name));
    return RESULT_OK;
}

static RESULT inline_get(struct call *call, const struct inline_question *question,
                         struct iam_entity *entity, struct iam_inline_policy *policy)
{
    struct iam_holdings holdings;
    size_t at;
    TRY(inline_must(call, question, entity, &holdings, &at));
    *policy = holdings.inlined.items[at];
    policy->document = iam_shown_document(call, policy->document);
    return RESULT_OK;
}

static RESULT inline_delete(struct call *call, const struct inline_question *question)
{
    struct iam_entity entity;
    struct iam_holdings holdings;
    size_t at;
    TRY(iam_entity_to_change(call, question->kind, question->holder, &entity));
    TRY(inline_must(call, question, &entity, &holdings, &at));
    holdings.inlined.len--;
    for (size_t i = at; i < holdings.inlined.len; i++)
        holdings.inlined.items[i] = holdings.inlined.items[i + 1];
    return iam_holdings_put(call, entity.id, &holdings);
}

struct inline_page {
    struct str_list names;
    struct opt_bool truncated;
    struct str marker;
};

static RESULT inline_list(struct call *call, const struct inline_question *question,
                          struct str marker, struct opt_int max_items, struct inline_page *page)
{
    struct iam_entity entity;
    struct iam_holdings holdings;
    struct iam_window window;
    bool found;
    TRY(iam_entity_must(call, question->kind, question->holder, &entity));
    TRY(iam_holdings_get(call, call->account, entity.id, &holdings, &found));
    struct str_list names = {.items =
                                 ARENA_ARRAY(call->arena, holdings.inlined.len + 1, struct str),
                             .len = holdings.inlined.len};
    for (size_t i = 0; i < names.len; i++)
        names.items[i] = holdings.inlined.items[i].name;
    TRY(iam_window_open(call, marker, max_items, &names, names.len, iam_list_name, &window));
    *page = (struct inline_page){.names = {names.items + window.from, window.to - window.from}};
    iam_window_end(call, &window, window.to > 0 ? names.items[window.to - 1] : STR(""),
                   &page->truncated, &page->marker);
    return RESULT_OK;
}

/* --- of users --- */

RESULT iam_PutUserPolicy(struct call *call, const struct iam_PutUserPolicyRequest *in,
                         struct iam_PutUserPolicyResult *out)
{
    (void)out;
    struct inline_question question = {IAM_USERS, in->UserName, in->PolicyName};
    return inline_put(call, &question, in->PolicyDocument);
}

RESULT iam_GetUserPolicy(struct call *call, const struct iam_GetUserPolicyRequest *in,
                         struct iam_GetUserPolicyResponse *out)
{
    struct inline_question question = {IAM_USERS, in->UserName, in->PolicyName};
    struct iam_entity user;
    struct iam_inline_policy policy;
    TRY(inline_get(call, &question, &user, &policy));
    *out = (struct iam_GetUserPolicyResponse){user.name, policy.name, policy.document};
    return RESULT_OK;
}

RESULT iam_DeleteUserPolicy(struct call *call, const struct iam_DeleteUserPolicyRequest *in,
                            struct iam_DeleteUserPolicyResult *out)
{
    (void)out;
    struct inline_question question = {IAM_USERS, in->UserName, in->PolicyName};
    return inline_delete(call, &question);
}

RESULT iam_ListUserPolicies(struct call *call, const struct iam_ListUserPoliciesRequest *in,
                            struct iam_ListUserPoliciesResponse *out)
{
    struct inline_question question = {.kind = IAM_USERS, .holder = in->UserName};
    struct inline_page page;
    TRY(inline_list(call, &question, in->Marker, in->MaxItems, &page));
    out->PolicyNames.items = page.names.items;
    out->PolicyNames.len = page.names.len;
    out->IsTruncated = page.truncated;
    out->Marker = page.marker;
    return RESULT_OK;
}

/* --- of groups --- */

RESULT iam_PutGroupPolicy(struct call *call, const struct iam_PutGroupPolicyRequest *in,
                          struct iam_PutGroupPolicyResult *out)
{
    (void)out;
    struct inline_question question = {IAM_GROUPS, in->GroupName, in->PolicyName};
    return inline_put(call, &question, in->PolicyDocument);
}

RESULT iam_GetGroupPolicy(struct call *call, const struct iam_GetGroupPolicyRequest *in,
                          struct iam_GetGroupPolicyResponse *out)
{
    struct inline_question question = {IAM_GROUPS, in->GroupName, in->PolicyName};
    struct iam_entity group;
    struct iam_inline_policy policy;
    TRY(inline_get(call, &question, &group, &policy));
    *out = (struct iam_GetGroupPolicyResponse){group.name, policy.name, policy.document};
    return RESULT_OK;
}

RESULT iam_DeleteGroupPolicy(struct call *call, const struct iam_DeleteGroupPolicyRequest *in,
                             struct iam_DeleteGroupPolicyResult *out)
{
    (void)out;
    struct inline_question question = {IAM_GROUPS, in->GroupName, in->PolicyName};
    return inline_delete(call, &question);
}

RESULT iam_ListGroupPolicies(struct call *call, const struct iam_ListGroupPoliciesRequest *in,
                             struct iam_ListGroupPoliciesResponse *out)
{
    struct inline_question question = {.kind = IAM_GROUPS, .holder = in->GroupName};
    struct inline_page page;
    TRY(inline_list(call, &question, in->Marker, in->MaxItems, &page));
    *out = (struct iam_ListGroupPoliciesResponse){
        .PolicyNames = {page.names.items, page.names.len},
        .IsTruncated = page.truncated,
        .Marker = page.marker,
    };
    return RESULT_OK;
}

/* --- of roles --- */

RESULT iam_PutRolePolicy(struct call *call, const struct iam_PutRolePolicyRequest *in,
                         struct iam_PutRolePolicyResult *out)
{
    (void)out;
    struct inline_question question = {IAM_ROLES, in->RoleName, in->PolicyName};
    return inline_put(call, &question, in->PolicyDocument);
}

RESULT iam_GetRolePolicy(struct call *call, const struct iam_GetRolePolicyRequest *in,
                         struct iam_GetRolePolicyResponse *out)
{
    struct inline_question question = {IAM_ROLES, in->RoleName, in->PolicyName};
    struct iam_entity role;
    struct iam_inline_policy policy;
    TRY(inline_get(call, &question, &role, &policy));
    *out = (struct iam_GetRolePolicyResponse){role.name, policy.name, policy.document};
    return RESULT_OK;
}

RESULT iam_DeleteRolePolicy(struct call *call, const struct iam_DeleteRolePolicyRequest *in,
                            struct iam_DeleteRolePolicyResult *out)
{
    (void)out;
    struct inline_question question = {IAM_ROLES, in->RoleName, in->PolicyName};
    return inline_delete(call, &question);
}

RESULT iam_ListRolePolicies(struct call *call, const struct iam_ListRolePoliciesRequest *in,
                            struct iam_ListRolePoliciesResponse *out)
{
    struct inline_question question = {.kind = IAM_ROLES, .holder = in->RoleName};
    struct inline_page page;
    TRY(inline_list(call, &question, in->Marker, in->MaxItems, &page));
    out->Marker = page.marker;
    out->IsTruncated = page.truncated;
    out->PolicyNames.len = page.names.len;
    out->PolicyNames.items = page.names.items;
    return RESULT_OK;
}
