#include "service/organizations_support.h"

struct loopback_reply org_empty(struct loopback *lo, uint32_t operation)
{
    const char nothing[64] = {0};
    return loopback_call(lo, &organizations_model, operation, nothing);
}

struct str org_account(struct loopback *lo, const char *name)
{
    const struct organizations_CreateAccountResponse *made = loopback_ok(
        ORG_CALL(lo, CreateAccount, .Email = str_format(lo->arena, "%s@example.com", name),
                 .AccountName = str_from_c(name)));
    loopback_deliver(lo);
    const struct organizations_DescribeCreateAccountStatusResponse *done = loopback_ok(ORG_CALL(
        lo, DescribeCreateAccountStatus, .CreateAccountRequestId = made->CreateAccountStatus->Id));
    assert_true(str_eq(done->CreateAccountStatus->State, STR("SUCCEEDED")));
    return done->CreateAccountStatus->AccountId;
}

struct org_world org_world(struct loopback *lo)
{
    struct org_world world;
    loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("ALL")));
    const struct organizations_ListRootsResponse *roots =
        loopback_ok(ORG_CALL(lo, ListRoots, .MaxResults = opt_int(1)));
    world.root = roots->Roots.items[0].Id;
    world.member = org_account(lo, "member");
    return world;
}

void org_as(struct loopback *lo, struct str account)
{
    lo->account = account;
    lo->user = (struct str){0};
    lo->principal = PRINCIPAL_ROOT;
}

struct str org_unit(struct loopback *lo, struct str parent, const char *name)
{
    const struct organizations_CreateOrganizationalUnitResponse *made = loopback_ok(
        ORG_CALL(lo, CreateOrganizationalUnit, .ParentId = parent, .Name = str_from_c(name)));
    return made->OrganizationalUnit->Id;
}

struct str org_policy(struct loopback *lo, const char *name, const char *type, struct str content)
{
    const struct organizations_CreatePolicyResponse *made =
        loopback_ok(ORG_CALL(lo, CreatePolicy, .Name = str_from_c(name), .Description = STR(""),
                             .Type = str_from_c(type), .Content = content));
    return made->Policy->PolicySummary->Id;
}

size_t org_attached(struct loopback *lo, struct str target, const char *type)
{
    const struct organizations_ListPoliciesForTargetResponse *list = loopback_ok(
        ORG_CALL(lo, ListPoliciesForTarget, .TargetId = target, .Filter = str_from_c(type)));
    return list->Policies.len;
}

void org_refused(struct loopback_reply reply, const char *reason)
{
    loopback_error(reply, "ConstraintViolationException", NULL);
    const struct organizations_ConstraintViolationException *detail = reply.detail;
    assert_true(str_eq(detail->Reason, str_from_c(reason)));
}

void org_invalid_input(struct loopback_reply reply, const char *reason)
{
    loopback_error(reply, "InvalidInputException", NULL);
    const struct organizations_InvalidInputException *detail = reply.detail;
    assert_true(str_eq(detail->Reason, str_from_c(reason)));
}
