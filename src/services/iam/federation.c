/* Settings whose work others do: centralized root access of organizations (sts:AssumeRoot) and
 * outbound web identity federation (sts:GetWebIdentityToken). "Centralize root access for member
 * accounts", "Getting started with outbound identity federation", IAM User Guide. */
#include "base/rng.h"
#include "cloud/identity.h"
#include "cloud/organization.h"
#include "services/iam/iam_int.h"

/* --- centralized root access --- */

static const struct str iam_service = STR_INIT("iam.amazonaws.com");

static struct key root_access_key(struct call *call, struct str organization)
{
    return iam_key_of(call, STR("organization"), "root-access", organization);
}

static RESULT root_access_get(struct call *call, struct str organization,
                              struct iam_root_access *out)
{
    struct key key = root_access_key(call, organization);
    bool found;
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_root_access, out, &found);
}

RESULT iam_root_access(struct call *call, struct str organization, struct identity_root_access *out)
{
    struct iam_root_access kept;
    TRY(root_access_get(call, organization, &kept));
    *out = (struct identity_root_access){kept.credentials, kept.sessions};
    return RESULT_OK;
}

/* The caller's organization, which it may speak for. alone: the management account may, not who
 * administers for IAM. */
static RESULT root_access_open(struct call *call, bool alone, struct organization_standing *out,
                               struct iam_root_access *kept)
{
    TRY(organization_standing(call, call->account, iam_service, out));
    if (str_is_absent(out->id))
        return call_fail(call, IAM_ORGANIZATION_NOT_FOUND,
                         "The request was rejected because no organization is associated with "
                         "your account.");
    if (!out->all_features)
        return call_fail(call, IAM_ORGANIZATION_NOT_IN_ALL_FEATURES_MODE,
                         "The request was rejected because your organization does not have All "
                         "features enabled.");
    bool master = str_eq(out->master, call->account);
    if (!master && !out->delegated)
        return call_fail(call, IAM_ACCOUNT_NOT_MANAGEMENT_OR_DELEGATED_ADMINISTRATOR,
                         "The request was rejected because the account making the request is not "
                         "the management account or delegated administrator account for "
                         "centralized root access.");
    if (!master && alone)
        return call_fail(call, IAM_CALLER_IS_NOT_MANAGEMENT_ACCOUNT,
                         "The request was rejected because the account making the request is not "
                         "the management account for the organization.");
    if (!out->trusted)
        return call_fail(call, IAM_SERVICE_ACCESS_NOT_ENABLED,
                         "The request was rejected because trusted access is not enabled for IAM "
                         "in Organizations.");
    return root_access_get(call, out->id, kept);
}

static RESULT root_access_put(struct call *call, struct str organization,
                              const struct iam_root_access *kept)
{
    struct key key = root_access_key(call, organization);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_root_access, kept);
}

static struct str_list root_access_shown(struct call *call, const struct iam_root_access *kept)
{
    struct str_list list = {.items = ARENA_ARRAY(call->arena, 2, struct str)};
    if (kept->credentials)
        list.items[list.len++] = IAM_FEATURE_TYPE_ROOT_CREDENTIALS_MANAGEMENT;
    if (kept->sessions)
        list.items[list.len++] = IAM_FEATURE_TYPE_ROOT_SESSIONS;
    return list;
}

RESULT iam_EnableOrganizationsRootCredentialsManagement(
    struct call *call, const struct iam_EnableOrganizationsRootCredentialsManagementRequest *in,
    struct iam_EnableOrganizationsRootCredentialsManagementResponse *out)
{
    struct organization_standing standing;
    struct iam_root_access kept;
    (void)in;
    TRY(root_access_open(call, true, &standing, &kept));
    kept.credentials = true;
    TRY(root_access_put(call, standing.id, &kept));
    out->OrganizationId = standing.id;
    out->EnabledFeatures = root_access_shown(call, &kept);
    return RESULT_OK;
}

RESULT iam_DisableOrganizationsRootCredentialsManagement(
    struct call *call, const struct iam_DisableOrganizationsRootCredentialsManagementRequest *in,
    struct iam_DisableOrganizationsRootCredentialsManagementResponse *out)
{
    struct organization_standing standing;
    struct iam_root_access kept;
    (void)in;
    TRY(root_access_open(call, false, &standing, &kept));
    kept.credentials = false;
    TRY(root_access_put(call, standing.id, &kept));
    out->OrganizationId = standing.id;
    out->EnabledFeatures = root_access_shown(call, &kept);
    return RESULT_OK;
}

RESULT
iam_EnableOrganizationsRootSessions(struct call *call,
                                    const struct iam_EnableOrganizationsRootSessionsRequest *in,
                                    struct iam_EnableOrganizationsRootSessionsResponse *out)
{
    struct organization_standing standing;
    struct iam_root_access kept;
    (void)in;
    TRY(root_access_open(call, true, &standing, &kept));
    kept.sessions = true;
    TRY(root_access_put(call, standing.id, &kept));
    out->OrganizationId = standing.id;
    out->EnabledFeatures = root_access_shown(call, &kept);
    return RESULT_OK;
}

RESULT
iam_DisableOrganizationsRootSessions(struct call *call,
                                     const struct iam_DisableOrganizationsRootSessionsRequest *in,
                                     struct iam_DisableOrganizationsRootSessionsResponse *out)
{
    struct organization_standing standing;
    struct iam_root_access kept;
    (void)in;
    TRY(root_access_open(call, false, &standing, &kept));
    kept.sessions = false;
    TRY(root_access_put(call, standing.id, &kept));
    out->OrganizationId = standing.id;
    out->EnabledFeatures = root_access_shown(call, &kept);
    return RESULT_OK;
}

RESULT iam_ListOrganizationsFeatures(struct call *call,
                                     const struct iam_ListOrganizationsFeaturesRequest *in,
                                     struct iam_ListOrganizationsFeaturesResponse *out)
{
    struct organization_standing standing;
    struct iam_root_access kept;
    (void)in;
    TRY(root_access_open(call, false, &standing, &kept));
    out->OrganizationId = standing.id;
    out->EnabledFeatures = root_access_shown(call, &kept);
    return RESULT_OK;
}

/* --- outbound web identity federation --- */

static RESULT outbound_get(struct call *call, struct str account, struct iam_outbound *out)
{
    struct key key = iam_key_of(call, account, "outbound", (struct str){0});
    bool found;
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_outbound, out, &found);
}

static RESULT outbound_put(struct call *call, const struct iam_outbound *outbound)
{
    struct key key = iam_key_of(call, call->account, "outbound", (struct str){0});
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_outbound, outbound);
}

RESULT iam_outbound(struct call *call, struct str account, struct identity_outbound *out)
{
    struct iam_outbound kept;
    TRY(outbound_get(call, account, &kept));
    *out = (struct identity_outbound){kept.id, kept.enabled};
    return RESULT_OK;
}

/* Of all accounts. */
static struct key issuer_key(struct call *call, struct str id)
{
    return iam_key_of(call, STR("issuer"), "id", id);
}

RESULT iam_is_issuer(struct call *call, struct str id, bool *is)
{
    struct key key = issuer_key(call, id);
    struct str account;
    TRY(kv_get(call->txn, key_bytes(&key), &account));
    *is = !str_is_absent(account);
    return RESULT_OK;
}

RESULT iam_EnableOutboundWebIdentityFederation(
    struct call *call, const struct iam_EnableOutboundWebIdentityFederationRequest *in,
    struct iam_EnableOutboundWebIdentityFederationResponse *out)
{
    struct iam_outbound outbound;
    (void)in;
    TRY(outbound_get(call, call->account, &outbound));
    if (outbound.enabled)
        return call_fail(call, IAM_FEATURE_ENABLED,
                         "The request failed because outbound identity federation is already "
                         "enabled for your Amazon Web Services account.");
    if (str_is_absent(outbound.id)) {
        char *id = arena_alloc(call->arena, 36);
        rng_uuid(id);
        outbound.id = str_make(id, 36);
        struct key key = issuer_key(call, outbound.id);
        TRY(kv_put(call->txn, key_bytes(&key), call->account));
    }
    outbound.enabled = true;
    out->IssuerIdentifier = identity_issuer(call, outbound.id);
    return outbound_put(call, &outbound);
}

RESULT iam_DisableOutboundWebIdentityFederation(
    struct call *call, const struct iam_DisableOutboundWebIdentityFederationRequest *in,
    struct iam_DisableOutboundWebIdentityFederationResult *out)
{
    struct iam_outbound outbound;
    (void)in;
    (void)out;
    TRY(outbound_get(call, call->account, &outbound));
    if (!outbound.enabled)
        return call_fail(call, IAM_FEATURE_DISABLED,
                         "The request failed because outbound identity federation is already "
                         "disabled for your Amazon Web Services account.");
    outbound.enabled = false;
    return outbound_put(call, &outbound);
}

RESULT iam_GetOutboundWebIdentityFederationInfo(
    struct call *call, const struct iam_GetOutboundWebIdentityFederationInfoRequest *in,
    struct iam_GetOutboundWebIdentityFederationInfoResponse *out)
{
    struct iam_outbound outbound;
    (void)in;
    TRY(outbound_get(call, call->account, &outbound));
    if (!outbound.enabled)
        return call_fail(call, IAM_FEATURE_DISABLED,
                         "The request failed because outbound identity federation is already "
                         "disabled for your Amazon Web Services account.");
    out->IssuerIdentifier = identity_issuer(call, outbound.id);
    out->JwtVendingEnabled = opt_bool(true);
    return RESULT_OK;
}
