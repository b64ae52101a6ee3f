/* Member accounts: made, listed, closed, removed. */
#include "base/log.h"
#include "base/rng.h"
#include "base/vec.h"
#include "gen/iam.h"
#include "services/organizations/organizations_int.h"
#include "store/record.h"

/* --- records --- */

static struct key account_key(struct call *call, const struct organizations_organization *org,
                              struct str id)
{
    struct key key = org_key(call, org->id, STR("account"));
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

RESULT org_account_find(struct call *call, const struct organizations_organization *org,
                        struct str id, struct organizations_account *account, bool *found)
{
    struct key key = account_key(call, org, id);
    return call_get_record_copy(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_account,
                                account, found);
}

RESULT org_account_must(struct call *call, const struct organizations_organization *org,
                        struct str id, struct organizations_account *account)
{
    bool found;
    TRY(org_account_find(call, org, id, account, &found));
    if (!found)
        return call_fail(call, ORGANIZATIONS_ACCOUNT_NOT_FOUND,
                         "You specified an account that doesn't exist.");
    return RESULT_OK;
}

RESULT org_account_put(struct call *call, const struct organizations_organization *org,
                       const struct organizations_account *account)
{
    struct key key = account_key(call, org, account->id);
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_account, account);
}

struct str org_account_arn(struct call *call, const struct organizations_organization *org,
                           struct str id)
{
    return org_arn(call, org, "account", id);
}

static RESULT account_shown(struct call *call, const struct organizations_organization *org,
                            const struct organizations_account *account,
                            struct organizations_Account *shown)
{
    struct str path;
    shown->Id = account->id;
    shown->Arn = org_account_arn(call, org, account->id);
    shown->Email = account->email;
    shown->Name = account->name;
    shown->State = account->state;
    shown->Status = account->state;
    shown->JoinedMethod = account->joined;
    shown->JoinedTimestamp = opt_time(account->joined_ms);
    TRY(org_path(call, org, account->parent, &path));
    shown->Paths.items = ARENA_NEW(call->arena, struct str);
    shown->Paths.len = 1;
    *shown->Paths.items = str_format(call->arena, "%.*s%.*s/", PRSTR(path), PRSTR(account->id));
    return RESULT_OK;
}

/* --- CreateAccount --- */

static struct key creation_key(struct call *call, const struct organizations_organization *org,
                               struct str id)
{
    struct key key = org_key(call, org->id, STR("creation"));
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

static struct organizations_CreateAccountStatus *
creation_shown(struct call *call, const struct organizations_creation *creation)
{
    struct organizations_CreateAccountStatus *shown =
        ARENA_NEW(call->arena, struct organizations_CreateAccountStatus);
    shown->Id = creation->id;
    shown->AccountName = creation->name;
    shown->State = creation->state;
    shown->RequestedTimestamp = opt_time(creation->requested_ms);
    if (creation->completed_ms != 0)
        shown->CompletedTimestamp = opt_time(creation->completed_ms);
    shown->AccountId = creation->account;
    shown->FailureReason = creation->failure;
    return shown;
}

RESULT organizations_CreateAccount(struct call *call,
                                   const struct organizations_CreateAccountRequest *in,
                                   struct organizations_CreateAccountResponse *out)
{
    struct organizations_organization org;
    struct str_map tags;
    TRY(org_open_master(call, &org));
    if (org.accounts >= ORG_ACCOUNTS_MAX)
        return org_refuse(call, "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
                          "You have exceeded the allowed number of AWS accounts in your "
                          "organization.");
    TRY(org_read_tags(call, STR("organizations:account"), &in->Tags, NULL, &tags));
    struct organizations_creation creation = {
        .id = org_make_id(call, "car-", 32),
        .name = in->AccountName,
        .email = in->Email,
        .role = str_is_absent(in->RoleName) ? STR("OrganizationAccountAccessRole") : in->RoleName,
        .state = STR("IN_PROGRESS"),
        .requested_ms = call->now_ms,
        .tags = tags,
    };
    struct key key = creation_key(call, &org, creation.id);
    TRY(call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_creation, &creation));
    TRY(outbox_post(call, STR("organizations.account"), org.id, creation.id));
    out->CreateAccountStatus = creation_shown(call, &creation);
    return RESULT_OK;
}

/* The role by which the management account reaches the new one ("Accessing member accounts that
 * have OrganizationAccountAccessRole", AWS Organizations User Guide). */
static RESULT give_role(struct call *call, const struct organizations_organization *org,
                        const struct organizations_creation *creation, struct str account)
{
    struct principal self = {.kind = PRINCIPAL_SERVICE, .name = STR("iam.amazonaws.com")};
    struct iam_CreateRoleRequest role = {
        .RoleName = creation->role,
        .AssumeRolePolicyDocument = str_format(
            call->arena,
            "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":"
            "{\"AWS\":\"arn:aws:iam::%.*s:root\"},\"Action\":\"sts:AssumeRole\"}]}",
            PRSTR(org->master)),
    };
    struct iam_AttachRolePolicyRequest attach = {
        .RoleName = creation->role,
        .PolicyArn = STR("arn:aws:iam::aws:policy/AdministratorAccess"),
    };
    struct call_invocation create = {.model = &iam_model,
                                     .operation = IAM_OP_CreateRole,
                                     .in = &role,
                                     .principal = self,
                                     .account = account,
                                     .region = call->region};
    struct call_invocation give = create;
    const void *answer;
    uint32_t error;
    struct str message;
    give.operation = IAM_OP_AttachRolePolicy;
    give.in = &attach;
    TRY(call_invoke(call, &create, &answer, &error, &message));
    return call_invoke(call, &give, &answer, &error, &message);
}

static RESULT fresh_account_id(struct call *call, struct str *id)
{
    struct organizations_organization other;
    bool taken;
    do {
        *id = str_concat(call->arena, rng_text(call->arena, STR("123456789"), 1),
                         rng_text(call->arena, STR("0123456789"), 11));
        TRY(org_of_account(call, *id, &other, &taken));
    } while (taken);
    return RESULT_OK;
}

static RESULT complete_creation(struct call *call, struct organizations_organization *org,
                                struct organizations_creation *creation)
{
    struct key key = org_key(call, org->id, STR("email"));
    struct str other, id;
    key_str(&key, str_lower(call->arena, creation->email));
    TRY(kv_get(call->txn, key_bytes(&key), &other));
    creation->completed_ms = call->now_ms;
    creation->state = STR("FAILED");
    if (!str_is_absent(other))
        creation->failure = STR("EMAIL_ALREADY_EXISTS");
    else if (org->accounts >= ORG_ACCOUNTS_MAX)
        creation->failure = STR("ACCOUNT_LIMIT_EXCEEDED");
    if (!str_is_absent(creation->failure))
        return RESULT_OK;
    TRY(fresh_account_id(call, &id));
    TRY(give_role(call, org, creation, id));
    struct organizations_account account = {
        .id = id,
        .name = creation->name,
        .email = creation->email,
        .parent = org->root,
        .state = STR("ACTIVE"),
        .joined = STR("CREATED"),
        .joined_ms = call->now_ms,
        .tags = creation->tags,
    };
    creation->account = id;
    creation->state = STR("SUCCEEDED");
    return org_join(call, org, &account);
}

RESULT org_deliver_account(struct call *call, const struct outbox_item *item)
{
    struct organizations_organization org;
    struct organizations_creation creation;
    bool found;
    TRY(org_of_account(call, item->account, &org, &found));
    if (!found)
        return RESULT_OK; /* the organization is gone */
    struct str id = str_copy(call->arena, item->payload);
    struct key key = creation_key(call, &org, id);
    TRY(call_get_record_copy(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_creation,
                             &creation, &found));
    if (!found)
        return RESULT_OK;
    TRY(complete_creation(call, &org, &creation));
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_creation,
                           &creation);
}

RESULT organizations_DescribeCreateAccountStatus(
    struct call *call, const struct organizations_DescribeCreateAccountStatusRequest *in,
    struct organizations_DescribeCreateAccountStatusResponse *out)
{
    struct organizations_organization org;
    struct organizations_creation creation;
    bool found;
    TRY(org_open_reader(call, &org));
    struct key key = creation_key(call, &org, in->CreateAccountRequestId);
    TRY(call_get_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_creation, &creation,
                        &found));
    if (!found)
        return call_fail(call, ORGANIZATIONS_CREATE_ACCOUNT_STATUS_NOT_FOUND,
                         "We can't find an create account request with the "
                         "CreateAccountRequestId that you specified.");
    out->CreateAccountStatus = creation_shown(call, &creation);
    return RESULT_OK;
}

static bool state_is_wanted(const struct str_list *states, struct str state)
{
    for (size_t i = 0; i < states->len; i++)
        if (str_eq(states->items[i], state))
            return true;
    return states->len == 0;
}

RESULT
organizations_ListCreateAccountStatus(struct call *call,
                                      const struct organizations_ListCreateAccountStatusRequest *in,
                                      struct organizations_ListCreateAccountStatusResponse *out)
{
    struct organizations_organization org;
    struct org_pages pages;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    struct key prefix = creation_key(call, &org, (struct str){0});
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->CreateAccountStatuses.items =
        ARENA_NEW(call->arena, struct organizations_CreateAccountStatus);
    for (;;) {
        struct str key, value;
        struct organizations_creation creation;
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &organizations_model, ORGANIZATIONS_SHAPE_creation,
                               value, &creation));
        if (!state_is_wanted(&in->States, creation.state))
            continue;
        pages.taken++;
        VEC_PUSH(call->arena, out->CreateAccountStatuses.items, out->CreateAccountStatuses.len, cap,
                 *creation_shown(call, &creation));
    }
}

/* --- describing and listing --- */

RESULT organizations_DescribeAccount(struct call *call,
                                     const struct organizations_DescribeAccountRequest *in,
                                     struct organizations_DescribeAccountResponse *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    TRY(org_open_reader(call, &org));
    TRY(org_account_must(call, &org, in->AccountId, &account));
    out->Account = ARENA_NEW(call->arena, struct organizations_Account);
    return account_shown(call, &org, &account, out->Account);
}

static RESULT list_accounts(struct call *call, const struct organizations_organization *org,
                            struct org_pages *pages, struct organizations_Accounts *out,
                            struct str *token)
{
    size_t cap = 1;
    out->items = ARENA_NEW(call->arena, struct organizations_Account);
    for (;; pages->taken++) {
        struct str key, value;
        struct organizations_account account;
        struct organizations_Account shown = {0};
        TRY(org_pages_next(call, pages, &key, &value, token));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(org_account_must(call, org, org_key_last(call, key), &account));
        TRY(account_shown(call, org, &account, &shown));
        VEC_PUSH(call->arena, out->items, out->len, cap, shown);
    }
}

RESULT organizations_ListAccounts(struct call *call,
                                  const struct organizations_ListAccountsRequest *in,
                                  struct organizations_ListAccountsResponse *out)
{
    struct organizations_organization org;
    struct org_pages pages;
    TRY(org_open_reader(call, &org));
    struct key prefix = account_key(call, &org, (struct str){0});
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    return list_accounts(call, &org, &pages, &out->Accounts, &out->NextToken);
}

RESULT
organizations_ListAccountsForParent(struct call *call,
                                    const struct organizations_ListAccountsForParentRequest *in,
                                    struct organizations_ListAccountsForParentResponse *out)
{
    struct organizations_organization org;
    struct organizations_unit parent;
    struct org_pages pages;
    bool found;
    TRY(org_open_reader(call, &org));
    TRY(org_unit_find(call, &org, in->ParentId, &parent, &found));
    if (!found)
        return call_fail(call, ORGANIZATIONS_PARENT_NOT_FOUND,
                         "We can't find a root or OU with the ParentId that you specified.");
    struct key prefix = org_key(call, org.id, STR("child"));
    key_str(&prefix, parent.id);
    key_str(&prefix, STR("A"));
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    return list_accounts(call, &org, &pages, &out->Accounts, &out->NextToken);
}

/* --- leaving --- */

static RESULT account_must_be_free(struct call *call, const struct organizations_organization *org,
                                   const struct organizations_account *account)
{
    struct key prefix = org_key(call, org->id, STR("delegated"));
    struct kv_cursor *cursor;
    struct str key, value;
    key_str(&prefix, account->id);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    kv_cursor_close(cursor);
    if (!str_is_absent(key))
        return org_refuse(call, "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG",
                          "You attempted to remove an account from the organization that is a "
                          "delegated administrator for a service integrated with Organizations. "
                          "You must first deregister it.");
    return RESULT_OK;
}

static RESULT master_cannot_leave(struct call *call)
{
    return call_fail(call, ORGANIZATIONS_MASTER_CANNOT_LEAVE_ORGANIZATION,
                     "You can't remove a management account from an organization. If you want the "
                     "management account to become a member account in another organization, you "
                     "must first delete the current organization of the management account.");
}

RESULT organizations_RemoveAccountFromOrganization(
    struct call *call, const struct organizations_RemoveAccountFromOrganizationRequest *in,
    struct organizations_RemoveAccountFromOrganizationResult *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(org_account_must(call, &org, in->AccountId, &account));
    if (str_eq(account.id, org.master))
        return master_cannot_leave(call);
    TRY(account_must_be_free(call, &org, &account));
    return org_leave(call, &org, &account);
}

RESULT organizations_LeaveOrganization(struct call *call,
                                       const struct organizations_LeaveOrganizationRequest *in,
                                       struct organizations_LeaveOrganizationResult *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    (void)in;
    (void)out;
    TRY(org_open(call, &org));
    if (org_is_master(call, &org))
        return master_cannot_leave(call);
    TRY(org_account_must(call, &org, call->account, &account));
    TRY(account_must_be_free(call, &org, &account));
    return org_leave(call, &org, &account);
}

/* "The closure process": PENDING_CLOSURE at once, SUSPENDED when it is done, gone 90 days later
 * ("Closing a member account in an organization", AWS Organizations User Guide). */
RESULT organizations_CloseAccount(struct call *call,
                                  const struct organizations_CloseAccountRequest *in,
                                  struct organizations_CloseAccountResult *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    (void)out;
    TRY(org_open_master(call, &org));
    if (str_eq(in->AccountId, org.master))
        return org_refuse(call, "CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
                          "You can't close the management account.");
    TRY(org_account_must(call, &org, in->AccountId, &account));
    if (!str_eq(account.state, STR("ACTIVE")))
        return call_fail(call, ORGANIZATIONS_ACCOUNT_ALREADY_CLOSED,
                         "You attempted to close an account that is already closed.");
    TRY(account_must_be_free(call, &org, &account));
    account.state = STR("PENDING_CLOSURE");
    TRY(org_account_put(call, &org, &account));
    return job_schedule(call, STR("organizations.close"), call->now_ms, account.id, NULL);
}

RESULT org_deliver_close(struct call *call, const struct outbox_item *item)
{
    const int64_t kept_ms = INT64_C(90) * 24 * 3600 * 1000;
    struct organizations_organization org;
    struct organizations_account account;
    struct str id = str_copy(call->arena, item->payload);
    bool found;
    TRY(org_of_account(call, id, &org, &found));
    if (!found)
        return RESULT_OK;
    TRY(org_account_find(call, &org, id, &account, &found));
    if (!found)
        return RESULT_OK;
    if (str_eq(account.state, STR("SUSPENDED")))
        return org_leave(call, &org, &account);
    if (!str_eq(account.state, STR("PENDING_CLOSURE")))
        return RESULT_OK; /* it was removed while it closed, and joined again */
    account.state = STR("SUSPENDED");
    TRY(org_account_put(call, &org, &account));
    return job_schedule(call, STR("organizations.close"), call->now_ms + kept_ms, id, NULL);
}
