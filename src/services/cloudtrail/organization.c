/* Trails of organizations: what all accounts do, in one bucket ("Creating a trail for an
 * organization", AWS CloudTrail User Guide). */
#include "cloud/organization.h"
#include "base/vec.h"
#include "gen/organizations.h"
#include "services/cloudtrail/cloudtrail_int.h"

RESULT organization_of(struct call *call, struct str account, struct str *id, struct str *master)
{
    struct organization_view view;
    TRY(authorize_view(call, account, &view));
    *id = view.id;
    *master = view.master;
    return RESULT_OK;
}

/* Asked in the caller's name, who needs the permission: "Permissions required for creating an
 * organization trail". */
static RESULT organization_ask(struct call *call, uint32_t operation, const void *in,
                               const void **out)
{
    const struct call_invocation ask = call_as_caller(call, &organizations_model, operation, in);
    uint32_t error;
    struct str message;
    enum result result = call_invoke(call, &ask, out, &error, &message);
    if (result == RESULT_ERROR)
        return call_fail(call, CLOUDTRAIL_INSUFFICIENT_DEPENDENCY_SERVICE_ACCESS_PERMISSION, "%.*s",
                         PRSTR(message));
    return result;
}

static RESULT organization_check_trust(struct call *call)
{
    struct organizations_ListAWSServiceAccessForOrganizationRequest in = {0};
    for (;;) {
        const void *reply;
        TRY(organization_ask(call, ORGANIZATIONS_OP_ListAWSServiceAccessForOrganization, &in,
                             &reply));
        const struct organizations_ListAWSServiceAccessForOrganizationResponse *page = reply;
        for (size_t i = 0; i < page->EnabledServicePrincipals.len; i++)
            if (str_eq(page->EnabledServicePrincipals.items[i].ServicePrincipal,
                       STR("cloudtrail.amazonaws.com")))
                return RESULT_OK;
        if (str_is_absent(page->NextToken))
            break;
        in.NextToken = page->NextToken;
    }
    return call_fail(call, CLOUDTRAIL_CLOUD_TRAIL_ACCESS_NOT_ENABLED,
                     "Your organization has not enabled CloudTrail service access.");
}

static const struct str trail_service = STR_INIT("cloudtrail.amazonaws.com");

RESULT trail_owner(struct call *call, bool of_organization, struct str *account)
{
    struct organization_standing standing = {0};
    if (of_organization)
        TRY(organization_standing(call, call->account, trail_service, &standing));
    *account = standing.delegated ? standing.master : call->account;
    return RESULT_OK;
}

RESULT trail_take_organization(struct call *call, struct cloudtrail_trail *trail)
{
    const struct organizations_DescribeOrganizationRequest describe = {0};
    const void *reply;
    struct str id, master;
    TRY(organization_of(call, call->account, &id, &master));
    if (str_is_absent(id))
        return call_fail(call, CLOUDTRAIL_ORGANIZATIONS_NOT_IN_USE,
                         "Your account is not a member of an organization.");
    if (!str_eq(master, trail->account))
        return call_fail(call, CLOUDTRAIL_NOT_ORGANIZATION_MASTER_ACCOUNT,
                         "Account %.*s is not the management account of the organization.",
                         PRSTR(call->account));
    trail->organization = str_copy(call->arena, id);
    TRY(organization_ask(call, ORGANIZATIONS_OP_DescribeOrganization, &describe, &reply));
    const struct organizations_DescribeOrganizationResponse *described = reply;
    if (!str_eq(described->Organization->FeatureSet, STR("ALL")))
        return call_fail(call, CLOUDTRAIL_ORGANIZATION_NOT_IN_ALL_FEATURES_MODE,
                         "Your organization is not in all features mode.");
    return organization_check_trust(call);
}

RESULT trails_seen(struct call *call, struct str account, struct cloudtrail_trail **out,
                   size_t *count)
{
    struct cloudtrail_trail *shared;
    struct str id, master;
    size_t shared_count, cap;
    TRY(trails_of(call, account, out, count));
    TRY(organization_of(call, account, &id, &master));
    if (str_is_absent(id) || str_eq(master, account))
        return RESULT_OK;
    cap = *count;
    TRY(trails_of(call, str_copy(call->arena, master), &shared, &shared_count));
    for (size_t i = 0; i < shared_count; i++)
        if (!str_is_absent(shared[i].organization))
            VEC_PUSH(call->arena, *out, *count, cap, shared[i]);
    return RESULT_OK;
}

/* --- delegated administrators --- */

/* "You can register up to three delegated administrators for CloudTrail" ("Organization delegated
 * administrator"). */
enum { DELEGATES_MAX = 3 };

/* The caller's organization, of which it is the management account. */
static RESULT delegates_open(struct call *call, struct organization_standing *out)
{
    TRY(organization_standing(call, call->account, trail_service, out));
    if (str_is_absent(out->id))
        return call_fail(call, CLOUDTRAIL_ORGANIZATIONS_NOT_IN_USE,
                         "Your account is not a member of an organization.");
    if (!out->all_features)
        return call_fail(call, CLOUDTRAIL_ORGANIZATION_NOT_IN_ALL_FEATURES_MODE,
                         "Your organization is not in all features mode.");
    if (!str_eq(out->master, call->account))
        return call_fail(call, CLOUDTRAIL_NOT_ORGANIZATION_MANAGEMENT_ACCOUNT,
                         "Account %.*s is not the management account of the organization.",
                         PRSTR(call->account));
    if (!out->trusted)
        return call_fail(call, CLOUDTRAIL_CLOUD_TRAIL_ACCESS_NOT_ENABLED,
                         "Your organization has not enabled CloudTrail service access.");
    return RESULT_OK;
}

static RESULT delegates_find(struct call *call, const struct organization_standing *org,
                             struct str account, struct organization_standing *out)
{
    TRY(organization_standing(call, account, trail_service, out));
    if (str_is_absent(out->id) || !str_eq(out->id, org->id))
        return call_fail(call, CLOUDTRAIL_ACCOUNT_NOT_FOUND,
                         "Account %.*s is not a member of the organization.", PRSTR(account));
    return RESULT_OK;
}

RESULT cloudtrail_RegisterOrganizationDelegatedAdmin(
    struct call *call, const struct cloudtrail_RegisterOrganizationDelegatedAdminRequest *in,
    struct cloudtrail_RegisterOrganizationDelegatedAdminResponse *out)
{
    const struct organizations_ListDelegatedAdministratorsRequest list = {.ServicePrincipal =
                                                                              trail_service};
    const struct organizations_RegisterDelegatedAdministratorRequest ask = {
        .AccountId = in->MemberAccountId, .ServicePrincipal = trail_service};
    struct organization_standing org, member;
    const void *reply;
    (void)out;
    TRY(delegates_open(call, &org));
    if (str_eq(in->MemberAccountId, org.master))
        return call_fail(call, CLOUDTRAIL_CANNOT_DELEGATE_MANAGEMENT_ACCOUNT,
                         "The management account cannot be registered as a delegated "
                         "administrator.");
    TRY(delegates_find(call, &org, in->MemberAccountId, &member));
    if (member.delegated)
        return call_fail(call, CLOUDTRAIL_ACCOUNT_REGISTERED,
                         "Account %.*s is already registered as a delegated administrator.",
                         PRSTR(in->MemberAccountId));
    TRY(organization_ask(call, ORGANIZATIONS_OP_ListDelegatedAdministrators, &list, &reply));
    const struct organizations_ListDelegatedAdministratorsResponse *delegates = reply;
    if (delegates->DelegatedAdministrators.len >= DELEGATES_MAX)
        return call_fail(call, CLOUDTRAIL_DELEGATED_ADMIN_ACCOUNT_LIMIT_EXCEEDED,
                         "An organization has at most %d delegated administrators for CloudTrail.",
                         DELEGATES_MAX);
    return organization_ask(call, ORGANIZATIONS_OP_RegisterDelegatedAdministrator, &ask, &reply);
}

RESULT cloudtrail_DeregisterOrganizationDelegatedAdmin(
    struct call *call, const struct cloudtrail_DeregisterOrganizationDelegatedAdminRequest *in,
    struct cloudtrail_DeregisterOrganizationDelegatedAdminResponse *out)
{
    const struct organizations_DeregisterDelegatedAdministratorRequest ask = {
        .AccountId = in->DelegatedAdminAccountId, .ServicePrincipal = trail_service};
    struct organization_standing org, member;
    const void *reply;
    (void)out;
    TRY(delegates_open(call, &org));
    TRY(delegates_find(call, &org, in->DelegatedAdminAccountId, &member));
    if (!member.delegated)
        return call_fail(call, CLOUDTRAIL_ACCOUNT_NOT_REGISTERED,
                         "Account %.*s is not registered as a delegated administrator.",
                         PRSTR(in->DelegatedAdminAccountId));
    return organization_ask(call, ORGANIZATIONS_OP_DeregisterDelegatedAdministrator, &ask, &reply);
}
