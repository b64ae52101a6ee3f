/* The account itself ("Your AWS account identifiers", "GetAccountSummary"). */
#include "services/iam/iam_int.h"

static RESULT account_get(struct call *call, struct iam_account *out)
{
    struct key key = iam_key(call, "account", (struct str){0});
    bool found;
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_account, out, &found);
}

static RESULT account_put(struct call *call, const struct iam_account *account)
{
    struct key key = iam_key(call, "account", (struct str){0});
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_account, account);
}

/* An alias is one account's among all: ("iam", "alias", ALIAS). */
static struct key alias_key(struct call *call, struct str alias)
{
    return iam_key_of(call, STR("alias"), "name", alias);
}

/* The new alias takes the place of the old. */
RESULT iam_CreateAccountAlias(struct call *call, const struct iam_CreateAccountAliasRequest *in,
                              struct iam_CreateAccountAliasResult *out)
{
    (void)out;
    struct key key = alias_key(call, in->AccountAlias);
    struct iam_account account;
    struct str owner;
    TRY(kv_get(call->txn, key_bytes(&key), &owner));
    if (!str_is_absent(owner))
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "The account alias %.*s already exists.",
                         PRSTR(in->AccountAlias));
    TRY(account_get(call, &account));
    TRY(kv_put(call->txn, key_bytes(&key), call->account));
    if (!str_is_absent(account.alias)) {
        key = alias_key(call, account.alias);
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    }
    account.alias = in->AccountAlias;
    return account_put(call, &account);
}

RESULT iam_DeleteAccountAlias(struct call *call, const struct iam_DeleteAccountAliasRequest *in,
                              struct iam_DeleteAccountAliasResult *out)
{
    (void)out;
    struct iam_account account;
    TRY(account_get(call, &account));
    if (!str_eq(account.alias, in->AccountAlias))
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The account alias %.*s cannot be found.",
                         PRSTR(in->AccountAlias));
    struct key key = alias_key(call, account.alias);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    account.alias = (struct str){0};
    return account_put(call, &account);
}

RESULT iam_ListAccountAliases(struct call *call, const struct iam_ListAccountAliasesRequest *in,
                              struct iam_ListAccountAliasesResponse *out)
{
    (void)in; /* one alias at most: there are no pages, and no markers */
    struct iam_account account;
    TRY(account_get(call, &account));
    out->AccountAliases.items = ARENA_NEW(call->arena, struct str);
    out->AccountAliases.items[0] = account.alias;
    out->AccountAliases.len = !str_is_absent(account.alias);
    out->IsTruncated = opt_bool(false);
    return RESULT_OK;
}

RESULT iam_SetSecurityTokenServicePreferences(
    struct call *call, const struct iam_SetSecurityTokenServicePreferencesRequest *in,
    struct iam_SetSecurityTokenServicePreferencesResult *out)
{
    (void)out;
    struct iam_account account;
    TRY(account_get(call, &account));
    account.v2_tokens = str_eq(in->GlobalEndpointTokenVersion, STR("v2Token"));
    return account_put(call, &account);
}

/* --- the summary --- */

struct summary {
    struct call *call;
    struct iam_summaryMapType *map;
};

static void summary_add(struct summary *summary, struct str key, int64_t value)
{
    summary->map->items[summary->map->len].key = key;
    summary->map->items[summary->map->len++].value = opt_int((int32_t)value);
}

/* What stands in other files' care. */
static RESULT summary_topics(struct summary *summary)
{
    struct call *call = summary->call;
    struct iam_user root = {.name = STR(""), .id = call->account};
    struct iam_topic_counts counts;
    struct iam_login_profile login;
    bool keys, mfa, certificates, password;
    TRY(iam_topic_count(call, &counts));
    TRY(iam_has_any(call, "user-key", STR(""), &keys));
    TRY(iam_user_has_mfa(call, &root, &mfa));
    TRY(iam_login_profile_get(call, STR(""), &login, &password));
    TRY(iam_has_any(call, "signing-cert", root.id, &certificates));
    summary_add(summary, STR("MFADevices"), counts.mfa_devices);
    summary_add(summary, STR("MFADevicesInUse"), counts.mfa_in_use);
    summary_add(summary, STR("Providers"), counts.providers);
    summary_add(summary, STR("ServerCertificates"), counts.server_certificates);
    summary_add(summary, STR("AccountAccessKeysPresent"), keys);
    summary_add(summary, STR("AccountMFAEnabled"), mfa);
    summary_add(summary, STR("AccountSigningCertificatesPresent"), certificates);
    /* Nobody signs in to a console; who may recover the root user's password has one. */
    summary_add(summary, STR("AccountPasswordPresent"), password);
    return RESULT_OK;
}

static RESULT summary_counters(struct summary *summary)
{
    const struct {
        struct str number, quota;
        const struct iam_counted *what;
    } counters[] = {
        {STR("Users"), STR("UsersQuota"), &iam_users_counted},
        {STR("Groups"), STR("GroupsQuota"), &iam_groups_counted},
        {STR("Roles"), STR("RolesQuota"), &iam_roles_counted},
        {STR("InstanceProfiles"), STR("InstanceProfilesQuota"), &iam_profiles_counted},
        {STR("Policies"), STR("PoliciesQuota"), &iam_policies_counted},
        {STR("PolicyVersionsInUse"), STR("PolicyVersionsInUseQuota"), &iam_versions_counted},
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        int64_t number;
        TRY(iam_counted(summary->call, counters[i].what, &number));
        summary_add(summary, counters[i].number, number);
        summary_add(summary, counters[i].quota, counters[i].what->limit);
    }
    return RESULT_OK;
}

static void summary_quotas(struct summary *summary)
{
    const struct {
        struct str name;
        int64_t limit;
    } quotas[] = {
        {STR("AccessKeysPerUserQuota"), 2},
        {STR("AssumeRolePolicySizeQuota"), 2048},
        {STR("AttachedPoliciesPerGroupQuota"), 10},
        {STR("AttachedPoliciesPerRoleQuota"), 10},
        {STR("AttachedPoliciesPerUserQuota"), 10},
        {STR("GroupPolicySizeQuota"), 5120},
        {STR("GroupsPerUserQuota"), 10},
        {STR("PolicySizeQuota"), 6144},
        {STR("RolePolicySizeQuota"), 10240},
        {STR("ServerCertificatesQuota"), 20},
        {STR("SigningCertificatesPerUserQuota"), 2},
        {STR("UserPolicySizeQuota"), 2048},
        {STR("VersionsPerPolicyQuota"), 5},
    };
    for (size_t i = 0; i < sizeof quotas / sizeof quotas[0]; i++)
        summary_add(summary, quotas[i].name, quotas[i].limit);
}

RESULT iam_GetAccountSummary(struct call *call, const struct iam_GetAccountSummaryRequest *in,
                             struct iam_GetAccountSummaryResponse *out)
{
    (void)in;
    struct iam_account account;
    struct summary summary = {call, &out->SummaryMap};
    out->SummaryMap.items = arena_alloc_array(call->arena, 40, sizeof *out->SummaryMap.items);
    TRY(account_get(call, &account));
    TRY(summary_counters(&summary));
    summary_quotas(&summary);
    summary_add(&summary, STR("GlobalEndpointTokenVersion"), account.v2_tokens ? 2 : 1);
    return summary_topics(&summary);
}
