/* Services that the organization trusts, accounts that administer for them, the organization's
 * resource policy, and tags. */
#include "auth/policy.h"
#include "base/vec.h"
#include "cloud/tags.h"
#include "services/organizations/organizations_int.h"
#include "store/record.h"

/* --- trusted services --- */

static struct key trusted_key(struct call *call, const struct organizations_organization *org,
                              struct str service)
{
    struct key key = org_key(call, org->id, STR("trusted"));
    if (!str_is_absent(service))
        key_str(&key, service);
    return key;
}

static RESULT service_must_be_known(struct call *call, struct str service)
{
    if (str_ends_with(service, STR(".amazonaws.com")))
        return RESULT_OK;
    return org_invalid(call, "UNRECOGNIZED_SERVICE_PRINCIPAL",
                       "You specified an unrecognized service principal.");
}

RESULT
organizations_EnableAWSServiceAccess(struct call *call,
                                     const struct organizations_EnableAWSServiceAccessRequest *in,
                                     struct organizations_EnableAWSServiceAccessResult *out)
{
    struct organizations_organization org;
    struct organizations_trusted_service trusted = {in->ServicePrincipal, call->now_ms};
    struct str there;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(service_must_be_known(call, in->ServicePrincipal));
    if (!str_eq(org.features, STR("ALL")))
        return org_refuse(call, "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE",
                          "This operation requires the organization to have all features enabled.");
    struct key key = trusted_key(call, &org, in->ServicePrincipal);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return RESULT_OK;
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_trusted_service,
                           &trusted);
}

RESULT
organizations_DisableAWSServiceAccess(struct call *call,
                                      const struct organizations_DisableAWSServiceAccessRequest *in,
                                      struct organizations_DisableAWSServiceAccessResult *out)
{
    struct organizations_organization org;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(service_must_be_known(call, in->ServicePrincipal));
    struct key key = trusted_key(call, &org, in->ServicePrincipal);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT organizations_ListAWSServiceAccessForOrganization(
    struct call *call, const struct organizations_ListAWSServiceAccessForOrganizationRequest *in,
    struct organizations_ListAWSServiceAccessForOrganizationResponse *out)
{
    struct organizations_organization org;
    struct org_pages pages;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    struct key prefix = trusted_key(call, &org, (struct str){0});
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->EnabledServicePrincipals.items =
        ARENA_NEW(call->arena, struct organizations_EnabledServicePrincipal);
    for (;; pages.taken++) {
        struct str key, value;
        struct organizations_trusted_service trusted;
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &organizations_model,
                               ORGANIZATIONS_SHAPE_trusted_service, value, &trusted));
        struct organizations_EnabledServicePrincipal shown = {trusted.service,
                                                              opt_time(trusted.since_ms)};
        VEC_PUSH(call->arena, out->EnabledServicePrincipals.items,
                 out->EnabledServicePrincipals.len, cap, shown);
    }
}

/* --- delegated administrators --- */

static struct key delegated_key(struct call *call, const struct organizations_organization *org,
                                struct str account, struct str service)
{
    struct key key = org_key(call, org->id, STR("delegated"));
    if (!str_is_absent(account))
        key_str(&key, account);
    if (!str_is_absent(service))
        key_str(&key, service);
    return key;
}

RESULT org_standing(struct call *call, struct str account, struct str service,
                    struct organization_standing *out)
{
    struct organizations_organization org;
    struct str there;
    bool found;
    TRY(org_of_account(call, account, &org, &found));
    if (!found)
        return RESULT_OK;
    *out = (struct organization_standing){
        .id = org.id, .master = org.master, .all_features = str_eq(org.features, STR("ALL"))};
    struct key key = trusted_key(call, &org, service);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    out->trusted = !str_is_absent(there);
    key = delegated_key(call, &org, account, service);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    out->delegated = !str_is_absent(there);
    return RESULT_OK;
}

RESULT organizations_RegisterDelegatedAdministrator(
    struct call *call, const struct organizations_RegisterDelegatedAdministratorRequest *in,
    struct organizations_RegisterDelegatedAdministratorResult *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    struct organizations_delegation delegation = {in->AccountId, in->ServicePrincipal,
                                                  call->now_ms};
    struct str there;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(service_must_be_known(call, in->ServicePrincipal));
    TRY(org_account_must(call, &org, in->AccountId, &account));
    if (str_eq(account.id, org.master))
        return org_refuse(call, "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
                          "You can't register the management account of the organization as a "
                          "delegated administrator for an AWS service integrated with "
                          "Organizations.");
    if (!str_eq(account.state, STR("ACTIVE")))
        return org_refuse(call, "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
                          "You can't register a suspended account as a delegated administrator.");
    struct key key = trusted_key(call, &org, in->ServicePrincipal);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (str_is_absent(there))
        return org_refuse(call, "SERVICE_ACCESS_NOT_ENABLED",
                          "You attempted to register a delegated administrator before you enabled "
                          "service access. Call the EnableAWSServiceAccess API first.");
    key = delegated_key(call, &org, account.id, in->ServicePrincipal);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return call_fail(call, ORGANIZATIONS_ACCOUNT_ALREADY_REGISTERED,
                         "The specified account is already a delegated administrator for this AWS "
                         "service.");
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_delegation,
                           &delegation);
}

static RESULT not_registered(struct call *call)
{
    return call_fail(call, ORGANIZATIONS_ACCOUNT_NOT_REGISTERED,
                     "The specified account is not a delegated administrator for this AWS "
                     "service.");
}

RESULT organizations_DeregisterDelegatedAdministrator(
    struct call *call, const struct organizations_DeregisterDelegatedAdministratorRequest *in,
    struct organizations_DeregisterDelegatedAdministratorResult *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    bool existed;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(org_account_must(call, &org, in->AccountId, &account));
    struct key key = delegated_key(call, &org, account.id, in->ServicePrincipal);
    TRY(kv_delete(call->txn, key_bytes(&key), &existed));
    return existed ? RESULT_OK : not_registered(call);
}

/* One entry for each account, of its first delegation (or of the service that is asked for). */
RESULT organizations_ListDelegatedAdministrators(
    struct call *call, const struct organizations_ListDelegatedAdministratorsRequest *in,
    struct organizations_ListDelegatedAdministratorsResponse *out)
{
    struct organizations_organization org;
    struct org_pages pages;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    struct key prefix = delegated_key(call, &org, (struct str){0}, (struct str){0});
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->DelegatedAdministrators.items =
        ARENA_NEW(call->arena, struct organizations_DelegatedAdministrator);
    for (;;) {
        struct str key, value;
        struct organizations_delegation delegation;
        struct organizations_account account;
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &organizations_model, ORGANIZATIONS_SHAPE_delegation,
                               value, &delegation));
        size_t len = out->DelegatedAdministrators.len;
        if ((!str_is_absent(in->ServicePrincipal) &&
             !str_eq(in->ServicePrincipal, delegation.service)) ||
            (len > 0 && str_eq(out->DelegatedAdministrators.items[len - 1].Id, delegation.account)))
            continue;
        TRY(org_account_must(call, &org, delegation.account, &account));
        struct organizations_DelegatedAdministrator shown = {
            .Id = account.id,
            .Arn = org_account_arn(call, &org, account.id),
            .Email = account.email,
            .Name = account.name,
            .Status = account.state,
            .State = account.state,
            .JoinedMethod = account.joined,
            .JoinedTimestamp = opt_time(account.joined_ms),
            .DelegationEnabledDate = opt_time(delegation.since_ms),
        };
        pages.taken++;
        VEC_PUSH(call->arena, out->DelegatedAdministrators.items, out->DelegatedAdministrators.len,
                 cap, shown);
    }
}

RESULT organizations_ListDelegatedServicesForAccount(
    struct call *call, const struct organizations_ListDelegatedServicesForAccountRequest *in,
    struct organizations_ListDelegatedServicesForAccountResponse *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    struct org_pages pages;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    TRY(org_account_must(call, &org, in->AccountId, &account));
    struct key prefix = delegated_key(call, &org, account.id, (struct str){0});
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->DelegatedServices.items = ARENA_NEW(call->arena, struct organizations_DelegatedService);
    for (;; pages.taken++) {
        struct str key, value;
        struct organizations_delegation delegation;
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &organizations_model, ORGANIZATIONS_SHAPE_delegation,
                               value, &delegation));
        struct organizations_DelegatedService shown = {delegation.service,
                                                       opt_time(delegation.since_ms)};
        VEC_PUSH(call->arena, out->DelegatedServices.items, out->DelegatedServices.len, cap, shown);
    }
    return out->DelegatedServices.len == 0 && str_is_absent(in->NextToken) ? not_registered(call)
                                                                           : RESULT_OK;
}

/* --- the resource policy --- */

static RESULT resource_policy_shown(struct call *call, const struct organizations_organization *org,
                                    struct organizations_ResourcePolicy **out)
{
    struct organizations_ResourcePolicy *shown =
        ARENA_NEW(call->arena, struct organizations_ResourcePolicy);
    shown->ResourcePolicySummary =
        ARENA_NEW(call->arena, struct organizations_ResourcePolicySummary);
    shown->ResourcePolicySummary->Id = org->resource_policy_id;
    shown->ResourcePolicySummary->Arn =
        org_arn(call, org, "resourcepolicy", org->resource_policy_id);
    shown->Content = org->resource_policy;
    *out = shown;
    return RESULT_OK;
}

RESULT organizations_PutResourcePolicy(struct call *call,
                                       const struct organizations_PutResourcePolicyRequest *in,
                                       struct organizations_PutResourcePolicyResponse *out)
{
    struct organizations_organization org;
    const struct policy *compiled;
    struct str reason;
    TRY(org_open_master(call, &org));
    if (policy_compile(call->arena, in->Content, POLICY_FORM_RESOURCE, &compiled, &reason) !=
        RESULT_OK)
        return org_invalid(call, "INVALID_RESOURCE_POLICY_JSON", str_to_c(call->arena, reason));
    /* "Calls with tags apply to the initial creation of the resource policy, otherwise an exception
     * is thrown": PutResourcePolicy. */
    bool new = str_is_absent(org.resource_policy_id);
    if (!new && in->Tags.len > 0)
        return org_invalid(call, "INVALID_LIST_MEMBER",
                           "Tags can be given only when the resource policy is created.");
    if (new) {
        TRY(org_read_tags(call, STR("organizations:resourcepolicy"), &in->Tags, NULL,
                          &org.resource_policy_tags));
        org.resource_policy_id = org_make_id(call, "rp-", 8);
    }
    org.resource_policy = in->Content;
    TRY(org_put(call, &org));
    return resource_policy_shown(call, &org, &out->ResourcePolicy);
}

static RESULT no_resource_policy(struct call *call)
{
    return call_fail(call, ORGANIZATIONS_RESOURCE_POLICY_NOT_FOUND,
                     "We can't find a resource policy request with the parameter that you "
                     "specified.");
}

RESULT
organizations_DescribeResourcePolicy(struct call *call,
                                     const struct organizations_DescribeResourcePolicyRequest *in,
                                     struct organizations_DescribeResourcePolicyResponse *out)
{
    struct organizations_organization org;
    (void)in;
    TRY(org_open_reader(call, &org));
    if (str_is_absent(org.resource_policy))
        return no_resource_policy(call);
    return resource_policy_shown(call, &org, &out->ResourcePolicy);
}

RESULT
organizations_DeleteResourcePolicy(struct call *call,
                                   const struct organizations_DeleteResourcePolicyRequest *in,
                                   struct organizations_DeleteResourcePolicyResult *out)
{
    struct organizations_organization org;
    (void)in;
    (void)out;
    TRY(org_open_master(call, &org));
    if (str_is_absent(org.resource_policy))
        return no_resource_policy(call);
    org.resource_policy = (struct str){0};
    org.resource_policy_id = (struct str){0};
    org.resource_policy_tags = (struct str_map){0};
    return org_put(call, &org);
}
