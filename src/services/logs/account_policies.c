#include "services/logs/account_policies.h"

#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/logs/filters.h"
#include "store/record.h"
#include "wire/json_text.h"

enum { CRITERIA_MAX = 25 * 1024 };

static struct key policy_key(struct call *call, struct str type, struct str name)
{
    struct key key = call_key(call, STR("account-policy"));
    key_str(&key, type);
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

static RESULT policy_first(struct call *call, struct str type, struct logs_account_policy *policy,
                           bool *found)
{
    struct key prefix = policy_key(call, type, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    kv_cursor_close(cursor);
    *found = !str_is_absent(key);
    return *found ? record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_account_policy, value,
                                       policy)
                  : RESULT_OK;
}

/* LogGroupName NOT IN ["a", "b"]: the list. */
static bool read_criteria(struct arena *arena, struct str text, struct str_list *names)
{
    struct str rest = str_trim(text), raw;
    static const struct str words[] = {STR_INIT("LogGroupName"), STR_INIT("NOT"), STR_INIT("IN")};
    size_t cap = 0;
    *names = (struct str_list){0};
    if (str_is_empty(rest))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!str_eq_nocase(str_slice(rest, 0, words[i].len), words[i]))
            return false;
        rest = str_trim(str_slice(rest, words[i].len, rest.len));
    }
    if (!json_is_valid(rest) || json_kind_of(rest) != JSON_ARRAY)
        return false;
    while (json_next_item(&rest, &raw)) {
        struct str name;
        if (!json_string(arena, raw, &name))
            return false;
        VEC_PUSH(arena, names->items, names->len, cap, name);
    }
    return true;
}

static bool read_subscription(struct arena *arena, struct str document, struct str *role,
                              struct logs_subscription *out)
{
    struct str rest = document, name, raw;
    *role = (struct str){0};
    out->pattern = STR("");
    out->distribution = LOGS_DISTRIBUTION_RANDOM;
    if (!json_is_valid(document) || json_kind_of(document) != JSON_OBJECT)
        return false;
    while (json_next_member(arena, &rest, &name, &raw)) {
        struct str *into = str_eq(name, STR("DestinationArn"))  ? &out->destination
                           : str_eq(name, STR("FilterPattern")) ? &out->pattern
                           : str_eq(name, STR("Distribution"))  ? &out->distribution
                           : str_eq(name, STR("RoleArn"))       ? role
                                                                : NULL;
        if (into == NULL || !json_string(arena, raw, into))
            return false;
    }
    return !str_is_absent(out->destination) &&
           (str_eq(out->distribution, LOGS_DISTRIBUTION_RANDOM) ||
            str_eq(out->distribution, LOGS_DISTRIBUTION_BY_LOG_STREAM));
}

RESULT account_subscription(struct call *call, struct str group,
                            struct logs_subscription *subscription, bool *found)
{
    struct logs_account_policy policy;
    struct str_list but;
    struct str role;
    TRY(policy_first(call, LOGS_POLICY_TYPE_SUBSCRIPTION_FILTER_POLICY, &policy, found));
    if (!*found)
        return RESULT_OK;
    *subscription =
        (struct logs_subscription){.name = policy.name, .created_ms = policy.updated_ms};
    *found = read_criteria(call->arena, policy.criteria, &but) &&
             read_subscription(call->arena, policy.document, &role, subscription);
    for (size_t i = 0; i < but.len; i++)
        if (str_eq(but.items[i], group))
            *found = false;
    return RESULT_OK;
}

/* --- operations --- */

static RESULT refuse_type(struct call *call, struct str type)
{
    if (str_eq(type, LOGS_POLICY_TYPE_SUBSCRIPTION_FILTER_POLICY) ||
        str_eq(type, LOGS_POLICY_TYPE_DATA_PROTECTION_POLICY))
        return RESULT_OK;
    return call_fail(call, LOGS_NOT_IMPLEMENTED,
                     "Account policies of the type %.*s are not implemented: "
                     "SUBSCRIPTION_FILTER_POLICY and DATA_PROTECTION_POLICY are.",
                     PRSTR(type));
}

/* "To use this operation, you must be signed on with the correct permissions depending on the type
 * of policy that you are creating." */
static RESULT ask_for_type(struct call *call, struct str type, struct str protects,
                           struct str subscribes)
{
    bool protection = str_eq(type, LOGS_POLICY_TYPE_DATA_PROTECTION_POLICY);
    const struct authorize_ask ask = {
        .action = protection ? protects : subscribes,
        .resource = STR("*"),
        .owner = call->account,
    };
    return authorize_ask(call, &ask);
}

static struct logs_AccountPolicy policy_shown(struct call *call, struct str type,
                                              const struct logs_account_policy *policy)
{
    return (struct logs_AccountPolicy){
        .policyName = policy->name,
        .policyDocument = policy->document,
        .lastUpdatedTime = opt_long(policy->updated_ms),
        .policyType = type,
        .scope = LOGS_SCOPE_ALL,
        .selectionCriteria = policy->criteria,
        .accountId = call->account,
    };
}

static RESULT check_subscription(struct call *call, const struct logs_PutAccountPolicyRequest *in)
{
    struct logs_subscription subscription = {0};
    struct pattern *pattern;
    struct str_list but;
    struct str role;
    if (in->selectionCriteria.len > CRITERIA_MAX ||
        !read_criteria(call->arena, in->selectionCriteria, &but))
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid selectionCriteria.");
    if (!read_subscription(call->arena, in->policyDocument, &role, &subscription))
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid policy document.");
    TRY(filters_pattern(call, subscription.pattern, &pattern));
    struct str any =
        arn_make(call->arena, STR("logs"), call->region, call->account, STR("log-group:*:*"));
    return subscription_check(call, subscription.destination, role, any);
}

static RESULT check_protection(struct call *call, const struct logs_PutAccountPolicyRequest *in)
{
    if (!str_is_absent(in->selectionCriteria))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "selectionCriteria cannot be specified for DATA_PROTECTION_POLICY.");
    return protection_check(call, in->policyDocument);
}

RESULT logs_PutAccountPolicy(struct call *call, const struct logs_PutAccountPolicyRequest *in,
                             struct logs_PutAccountPolicyResponse *out)
{
    bool protects = str_eq(in->policyType, LOGS_POLICY_TYPE_DATA_PROTECTION_POLICY), found;
    struct logs_account_policy old;
    TRY(refuse_type(call, in->policyType));
    TRY(ask_for_type(call, in->policyType, STR("logs:PutDataProtectionPolicy"),
                     STR("logs:PutSubscriptionFilter")));
    if (in->dryRun.set && in->dryRun.value)
        return call_fail(call, LOGS_NOT_IMPLEMENTED, "dryRun is not implemented.");
    TRY(policy_first(call, in->policyType, &old, &found));
    if (found && !str_eq(old.name, in->policyName))
        return call_fail(call, LOGS_LIMIT_EXCEEDED, "Resource limit exceeded.");
    TRY(protects ? check_protection(call, in) : check_subscription(call, in));
    const struct logs_account_policy policy = {
        .name = in->policyName,
        .document = in->policyDocument,
        .criteria = in->selectionCriteria,
        .updated_ms = call->now_ms,
    };
    struct key key = policy_key(call, in->policyType, in->policyName);
    TRY(call_put_record(call, &key, &logs_model, LOGS_SHAPE_account_policy, &policy));
    if (protects)
        TRY(protection_of_account(call, policy.document));
    out->accountPolicy = ARENA_NEW(call->arena, struct logs_AccountPolicy);
    *out->accountPolicy = policy_shown(call, in->policyType, &policy);
    return RESULT_OK;
}

RESULT logs_DeleteAccountPolicy(struct call *call, const struct logs_DeleteAccountPolicyRequest *in,
                                struct logs_DeleteAccountPolicyResponse *out)
{
    bool protects = str_eq(in->policyType, LOGS_POLICY_TYPE_DATA_PROTECTION_POLICY), existed;
    (void)out;
    TRY(refuse_type(call, in->policyType));
    TRY(ask_for_type(call, in->policyType, STR("logs:DeleteDataProtectionPolicy"),
                     STR("logs:DeleteSubscriptionFilter")));
    if (in->dryRun.set && in->dryRun.value)
        return call_fail(call, LOGS_NOT_IMPLEMENTED, "dryRun is not implemented.");
    struct key key = policy_key(call, in->policyType, in->policyName);
    TRY(kv_delete(call->txn, key_bytes(&key), &existed));
    if (!existed)
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                         "The specified account policy does not exist.");
    return protects ? protection_of_account(call, (struct str){0}) : RESULT_OK;
}

RESULT logs_DescribeAccountPolicies(struct call *call,
                                    const struct logs_DescribeAccountPoliciesRequest *in,
                                    struct logs_DescribeAccountPoliciesResponse *out)
{
    struct logs_account_policy policy;
    bool found;
    out->accountPolicies.items = ARENA_NEW(call->arena, struct logs_AccountPolicy);
    for (size_t i = 0; i < in->accountIdentifiers.len; i++)
        if (!str_eq(in->accountIdentifiers.items[i], call->account))
            return call_fail(call, LOGS_NOT_IMPLEMENTED,
                             "Policies of other accounts are not shown: there are no monitoring "
                             "accounts.");
    TRY(policy_first(call, in->policyType, &policy, &found));
    if (found && (str_is_absent(in->policyName) || str_eq(in->policyName, policy.name))) {
        out->accountPolicies.items[0] = policy_shown(call, in->policyType, &policy);
        out->accountPolicies.len = 1;
    }
    return RESULT_OK;
}
