/* Invitations: from the management account to another account, accepted, declined or cancelled
 * within 15 days. */
#include "base/vec.h"
#include "services/organizations/organizations_int.h"
#include "store/record.h"

/* ("organizations", "handshake", id); ("organizations", "handshake-of", account or organization,
 * id). An e-mail address belongs to no account here that could answer: such an invitation stays
 * open until it expires. */
static struct key handshake_key(struct call *call, struct str id)
{
    return org_key(call, STR("handshake"), id);
}

static struct key handshake_of(struct call *call, struct str who)
{
    return org_key(call, STR("handshake-of"), who);
}

static RESULT handshake_put(struct call *call, const struct organizations_handshake *handshake)
{
    struct key key = handshake_key(call, handshake->id);
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_handshake,
                           handshake);
}

static bool handshake_is_open(const struct organizations_handshake *handshake)
{
    return str_eq(handshake->state, STR("OPEN")) || str_eq(handshake->state, STR("REQUESTED"));
}

static RESULT handshake_not_found(struct call *call)
{
    return call_fail(call, ORGANIZATIONS_HANDSHAKE_NOT_FOUND,
                     "We can't find a handshake with the HandshakeId that you specified.");
}

static RESULT handshake_read(struct call *call, struct str id,
                             struct organizations_handshake *handshake)
{
    struct key key = handshake_key(call, id);
    bool found;
    TRY(call_get_record_copy(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_handshake,
                             handshake, &found));
    if (!found)
        return handshake_not_found(call);
    if (handshake_is_open(handshake) && handshake->expires_ms <= call->now_ms)
        handshake->state = STR("EXPIRED");
    return RESULT_OK;
}

/* The same, for the two parties alone. */
static RESULT handshake_find(struct call *call, struct str id,
                             struct organizations_handshake *handshake)
{
    TRY(handshake_read(call, id, handshake));
    if (!str_eq(handshake->account, call->account) && !str_eq(handshake->master, call->account))
        return handshake_not_found(call);
    return RESULT_OK;
}

static void resource_add(struct call *call, struct organizations_HandshakeResources *list,
                         size_t *cap, const char *type, struct str value)
{
    struct organizations_HandshakeResource resource = {.Value = value, .Type = str_from_c(type)};
    if (!str_is_absent(value))
        VEC_PUSH(call->arena, list->items, list->len, *cap, resource);
}

static struct organizations_Handshake *
handshake_shown(struct call *call, const struct organizations_handshake *handshake)
{
    struct organizations_Handshake *shown = ARENA_NEW(call->arena, struct organizations_Handshake);
    struct str action = str_lower(call->arena, handshake->action);
    size_t cap = 0;
    shown->Id = handshake->id;
    shown->Arn = str_format(call->arena, "arn:%.*s:organizations::%.*s:handshake/%.*s/%.*s/%.*s",
                            PRSTR(call->partition), PRSTR(handshake->master),
                            PRSTR(handshake->organization), PRSTR(action), PRSTR(handshake->id));
    shown->Action = handshake->action;
    shown->State = handshake->state;
    shown->RequestedTimestamp = opt_time(handshake->requested_ms);
    shown->ExpirationTimestamp = opt_time(handshake->expires_ms);
    shown->Parties.items = ARENA_ARRAY(call->arena, 2, struct organizations_HandshakeParty);
    shown->Parties.items[0] = (struct organizations_HandshakeParty){
        str_slice(handshake->organization, 2, handshake->organization.len), STR("ORGANIZATION")};
    shown->Parties.len = 1;
    if (!str_is_absent(handshake->account))
        shown->Parties.items[shown->Parties.len++] =
            (struct organizations_HandshakeParty){handshake->account, STR("ACCOUNT")};
    else if (!str_is_absent(handshake->email))
        shown->Parties.items[shown->Parties.len++] =
            (struct organizations_HandshakeParty){handshake->email, STR("EMAIL")};
    resource_add(call, &shown->Resources, &cap, "ORGANIZATION", handshake->organization);
    resource_add(call, &shown->Resources, &cap, "ACCOUNT", handshake->account);
    resource_add(call, &shown->Resources, &cap, "EMAIL", handshake->email);
    resource_add(call, &shown->Resources, &cap, "NOTES", handshake->notes);
    resource_add(call, &shown->Resources, &cap, "PARENT_HANDSHAKE", handshake->parent);
    return shown;
}

static RESULT handshake_refuse(struct call *call, const char *reason, const char *message)
{
    struct organizations_HandshakeConstraintViolationException *detail =
        ARENA_NEW(call->arena, struct organizations_HandshakeConstraintViolationException);
    detail->Reason = str_from_c(reason);
    return call_fail_with(call, ORGANIZATIONS_HANDSHAKE_CONSTRAINT_VIOLATION, detail, "%s",
                          message);
}

static RESULT features_pending(struct call *call, const struct organizations_organization *org,
                               bool *pending);

/* --- InviteAccountToOrganization --- */

static RESULT invite_must_be_new(struct call *call, const struct organizations_organization *org,
                                 struct str account)
{
    struct key prefix = handshake_of(call, account);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct organizations_handshake other;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        struct key at = handshake_key(call, org_key_last(call, key));
        bool found;
        TRY(call_get_record(call, &at, &organizations_model, ORGANIZATIONS_SHAPE_handshake, &other,
                            &found));
        if (found && handshake_is_open(&other) && other.expires_ms > call->now_ms &&
            str_eq(other.organization, org->id))
            return call_fail(call, ORGANIZATIONS_DUPLICATE_HANDSHAKE,
                             "A handshake with the same action and target already exists.");
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT organizations_InviteAccountToOrganization(
    struct call *call, const struct organizations_InviteAccountToOrganizationRequest *in,
    struct organizations_InviteAccountToOrganizationResponse *out)
{
    struct organizations_organization org, other;
    struct str_map tags;
    bool by_account = str_eq(in->Target->Type, STR("ACCOUNT")), taken, pending;
    TRY(org_open_master(call, &org));
    if (!by_account && !str_eq(in->Target->Type, STR("EMAIL")))
        return org_invalid(call, "INVALID_PARTY_TYPE_TARGET",
                           "You specified the wrong type of entity (account, organization, or "
                           "email) as a party.");
    if (by_account && !arn_is_account(in->Target->Id))
        return org_invalid(call, "INVALID_PATTERN_TARGET_ID",
                           "The policy target ID doesn't match the required pattern.");
    if (by_account) {
        TRY(org_of_account(call, in->Target->Id, &other, &taken));
        if (taken)
            return handshake_refuse(call, "ALREADY_IN_AN_ORGANIZATION",
                                    "The handshake request is invalid because the invited account "
                                    "is already a member of an organization.");
        TRY(invite_must_be_new(call, &org, in->Target->Id));
    }
    TRY(features_pending(call, &org, &pending));
    if (pending)
        return handshake_refuse(call, "INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES",
                                "You can't issue new invitations to join an organization while "
                                "it's in the process of enabling all features.");
    if (org.accounts >= ORG_ACCOUNTS_MAX)
        return handshake_refuse(call, "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
                                "You have exceeded the allowed number of AWS accounts in your "
                                "organization.");
    TRY(org_read_tags(call, STR("organizations:account"), &in->Tags, NULL, &tags));
    struct organizations_handshake handshake = {
        .id = org_make_id(call, "h-", 32),
        .organization = org.id,
        .action = STR("INVITE"),
        .state = STR("OPEN"),
        .requested_ms = call->now_ms,
        .expires_ms = call->now_ms + ORG_HANDSHAKE_MS,
        .account = by_account ? in->Target->Id : (struct str){0},
        .email = by_account ? (struct str){0} : in->Target->Id,
        .notes = in->Notes,
        .tags = tags,
        .master = org.master,
    };
    TRY(handshake_put(call, &handshake));
    struct key key = handshake_of(call, org.id);
    key_str(&key, handshake.id);
    TRY(kv_put(call->txn, key_bytes(&key), STR("")));
    if (by_account) {
        key = handshake_of(call, handshake.account);
        key_str(&key, handshake.id);
        TRY(kv_put(call->txn, key_bytes(&key), STR("")));
    }
    out->Handshake = handshake_shown(call, &handshake);
    return RESULT_OK;
}

/* --- ending one --- */

static RESULT handshake_end(struct call *call, struct organizations_handshake *handshake,
                            struct str state, struct organizations_Handshake **out)
{
    if (str_eq(handshake->state, state))
        return call_fail(call, ORGANIZATIONS_HANDSHAKE_ALREADY_IN_STATE,
                         "The specified handshake is already in the requested state.");
    if (!handshake_is_open(handshake))
        return call_fail(call, ORGANIZATIONS_INVALID_HANDSHAKE_TRANSITION,
                         "You can't perform the operation on the handshake in its current state.");
    handshake->state = state;
    TRY(handshake_put(call, handshake));
    *out = handshake_shown(call, handshake);
    return RESULT_OK;
}

static RESULT handshake_is_for(struct call *call, struct str account)
{
    if (str_eq(account, call->account))
        return RESULT_OK;
    return call_fail(call, WIRE_ACCESS_DENIED,
                     "You don't have permissions to access this resource.");
}

/* --- EnableAllFeatures: a handshake of the organization with itself, and one with each invited
 * account, that names the first as its parent ("Enabling all features for an organization", AWS
 * Organizations User Guide) --- */

#define FEATURES_MS (INT64_C(90) * 24 * 3600 * 1000)

struct family {
    struct organizations_handshake *items;
    size_t len, cap;
};

/* Those of the organization with an action, and of one parent unless that is absent. */
static RESULT family_read(struct call *call, struct str organization, const char *action,
                          struct str parent, struct family *out)
{
    struct key prefix = handshake_of(call, organization);
    struct kv_cursor *cursor;
    struct str key, value;
    *out = (struct family){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct organizations_handshake one;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(handshake_read(call, org_key_last(call, key), &one));
        if (str_eq(one.action, str_from_c(action)) &&
            (str_is_absent(parent) || str_eq(one.parent, parent)))
            VEC_PUSH(call->arena, out->items, out->len, out->cap, one);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static RESULT features_pending(struct call *call, const struct organizations_organization *org,
                               bool *pending)
{
    struct family parents;
    *pending = false;
    TRY(family_read(call, org->id, "ENABLE_ALL_FEATURES", (struct str){0}, &parents));
    for (size_t i = 0; i < parents.len; i++)
        *pending = *pending || handshake_is_open(&parents.items[i]);
    return RESULT_OK;
}

static RESULT features_cancel(struct call *call, const struct organizations_handshake *parent)
{
    struct family children;
    TRY(family_read(call, parent->organization, "APPROVE_ALL_FEATURES", parent->id, &children));
    for (size_t i = 0; i < children.len; i++)
        if (handshake_is_open(&children.items[i])) {
            children.items[i].state = STR("CANCELED");
            TRY(handshake_put(call, &children.items[i]));
        }
    return RESULT_OK;
}

/* Whether all have approved who are still members. */
static RESULT features_are_approved(struct call *call, const struct organizations_handshake *parent,
                                    bool *approved)
{
    struct family children;
    *approved = true;
    TRY(family_read(call, parent->organization, "APPROVE_ALL_FEATURES", parent->id, &children));
    for (size_t i = 0; i < children.len; i++) {
        struct organizations_organization org;
        bool member;
        TRY(org_of_account(call, children.items[i].account, &org, &member));
        if (member && str_eq(org.id, parent->organization) &&
            !str_eq(children.items[i].state, STR("ACCEPTED")))
            *approved = false;
    }
    return RESULT_OK;
}

static RESULT features_begin(struct call *call, const struct organizations_organization *org,
                             struct organizations_handshake *handshake, const char *action,
                             const char *state)
{
    handshake->id = org_make_id(call, "h-", 32);
    handshake->organization = org->id;
    handshake->master = org->master;
    handshake->action = str_from_c(action);
    handshake->state = str_from_c(state);
    handshake->requested_ms = call->now_ms;
    handshake->expires_ms = call->now_ms + FEATURES_MS;
    TRY(handshake_put(call, handshake));
    struct key key = handshake_of(call, org->id);
    key_str(&key, handshake->id);
    TRY(kv_put(call->txn, key_bytes(&key), STR("")));
    if (str_is_absent(handshake->account))
        return RESULT_OK;
    key = handshake_of(call, handshake->account);
    key_str(&key, handshake->id);
    return kv_put(call->txn, key_bytes(&key), STR(""));
}

/* The accounts that were invited, which must approve. */
static RESULT features_invited(struct call *call, const struct organizations_organization *org,
                               struct str_list *out)
{
    struct key prefix = org_key(call, org->id, STR("account"));
    struct kv_cursor *cursor;
    struct str key, value;
    size_t cap = 0;
    *out = (struct str_list){0};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct organizations_account account;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &organizations_model, ORGANIZATIONS_SHAPE_account,
                               value, &account));
        if (str_eq(account.joined, STR("INVITED")) && !str_eq(account.id, org->master))
            VEC_PUSH(call->arena, out->items, out->len, cap, account.id);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

RESULT
organizations_EnableAllFeatures(struct call *call,
                                const struct organizations_EnableAllFeaturesRequest *in,
                                struct organizations_EnableAllFeaturesResponse *out)
{
    struct organizations_organization org;
    struct organizations_handshake parent = {0};
    struct str_list invited;
    bool pending;
    (void)in;
    TRY(org_open_master(call, &org));
    if (str_eq(org.features, STR("ALL")))
        return handshake_refuse(call, "ORGANIZATION_ALREADY_HAS_ALL_FEATURES",
                                "The handshake request is invalid because the organization has "
                                "already enabled all features.");
    TRY(features_pending(call, &org, &pending));
    if (pending)
        return handshake_refuse(call, "ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION",
                                "The handshake request is invalid because the organization has "
                                "already started the process to enable all features.");
    TRY(features_invited(call, &org, &invited));
    TRY(features_begin(call, &org, &parent, "ENABLE_ALL_FEATURES",
                       invited.len == 0 ? "OPEN" : "REQUESTED"));
    for (size_t i = 0; i < invited.len; i++) {
        struct organizations_handshake child = {.account = invited.items[i], .parent = parent.id};
        TRY(features_begin(call, &org, &child, "APPROVE_ALL_FEATURES", "OPEN"));
    }
    out->Handshake = handshake_shown(call, &parent);
    return RESULT_OK;
}

/* The last approval opens the parent. */
static RESULT features_approve(struct call *call, struct organizations_handshake *child,
                               struct organizations_AcceptHandshakeResponse *out)
{
    struct organizations_handshake parent;
    bool approved;
    TRY(handshake_end(call, child, STR("ACCEPTED"), &out->Handshake));
    TRY(handshake_read(call, child->parent, &parent));
    TRY(features_are_approved(call, &parent, &approved));
    if (!approved || !str_eq(parent.state, STR("REQUESTED")))
        return RESULT_OK;
    parent.state = STR("OPEN");
    return handshake_put(call, &parent);
}

static RESULT features_accept(struct call *call, struct organizations_handshake *parent,
                              struct organizations_AcceptHandshakeResponse *out)
{
    struct organizations_organization org;
    bool approved;
    TRY(handshake_is_for(call, parent->master));
    TRY(org_open_master(call, &org));
    TRY(features_are_approved(call, parent, &approved));
    if (handshake_is_open(parent) && !approved)
        return call_fail(call, ORGANIZATIONS_INVALID_HANDSHAKE_TRANSITION,
                         "You can't perform the operation on the handshake in its current state.");
    TRY(handshake_end(call, parent, STR("ACCEPTED"), &out->Handshake));
    org.features = STR("ALL");
    return org_put(call, &org);
}

RESULT organizations_AcceptHandshake(struct call *call,
                                     const struct organizations_AcceptHandshakeRequest *in,
                                     struct organizations_AcceptHandshakeResponse *out)
{
    struct organizations_handshake handshake;
    struct organizations_organization org;
    bool found;
    TRY(handshake_find(call, in->HandshakeId, &handshake));
    if (str_eq(handshake.action, STR("ENABLE_ALL_FEATURES")))
        return features_accept(call, &handshake, out);
    TRY(handshake_is_for(call, handshake.account));
    if (str_eq(handshake.action, STR("APPROVE_ALL_FEATURES")))
        return features_approve(call, &handshake, out);
    TRY(org_of_account(call, call->account, &org, &found));
    if (found && handshake_is_open(&handshake))
        return handshake_refuse(call, "ALREADY_IN_AN_ORGANIZATION",
                                "The handshake request is invalid because the account is already "
                                "a member of an organization.");
    TRY(handshake_end(call, &handshake, STR("ACCEPTED"), &out->Handshake));
    TRY(org_of_account(call, handshake.master, &org, &found));
    if (!found || !str_eq(org.id, handshake.organization))
        return handshake_not_found(call);
    struct organizations_account account = {
        .id = call->account,
        .name = str_format(call->arena, "Account %.*s", PRSTR(call->account)),
        .email = str_format(call->arena, "%.*s@accounts.invalid", PRSTR(call->account)),
        .parent = org.root,
        .state = STR("ACTIVE"),
        .joined = STR("INVITED"),
        .joined_ms = call->now_ms,
        .tags = handshake.tags,
    };
    return org_join(call, &org, &account);
}

RESULT organizations_DeclineHandshake(struct call *call,
                                      const struct organizations_DeclineHandshakeRequest *in,
                                      struct organizations_DeclineHandshakeResponse *out)
{
    struct organizations_handshake handshake;
    TRY(handshake_find(call, in->HandshakeId, &handshake));
    TRY(handshake_is_for(call, handshake.account));
    return handshake_end(call, &handshake, STR("DECLINED"), &out->Handshake);
}

RESULT organizations_CancelHandshake(struct call *call,
                                     const struct organizations_CancelHandshakeRequest *in,
                                     struct organizations_CancelHandshakeResponse *out)
{
    struct organizations_handshake handshake;
    TRY(handshake_find(call, in->HandshakeId, &handshake));
    TRY(handshake_is_for(call, handshake.master));
    if (str_eq(handshake.action, STR("ENABLE_ALL_FEATURES")))
        TRY(features_cancel(call, &handshake));
    return handshake_end(call, &handshake, STR("CANCELED"), &out->Handshake);
}

/* --- looking --- */

RESULT organizations_DescribeHandshake(struct call *call,
                                       const struct organizations_DescribeHandshakeRequest *in,
                                       struct organizations_DescribeHandshakeResponse *out)
{
    struct organizations_handshake handshake;
    TRY(handshake_find(call, in->HandshakeId, &handshake));
    out->Handshake = handshake_shown(call, &handshake);
    return RESULT_OK;
}

static RESULT list_handshakes(struct call *call, struct str who,
                              const struct organizations_HandshakeFilter *filter, struct str token,
                              struct opt_int max, struct organizations_Handshakes *out,
                              struct str *next)
{
    struct org_pages pages;
    struct key prefix = handshake_of(call, who);
    size_t cap = 1;
    TRY(org_pages_open(call, &prefix, token, max, &pages));
    out->items = ARENA_NEW(call->arena, struct organizations_Handshake);
    for (;;) {
        struct str key, value;
        struct organizations_handshake handshake;
        TRY(org_pages_next(call, &pages, &key, &value, next));
        if (str_is_absent(key))
            return RESULT_OK;
        /* A delegated administrator lists what it is no party to. */
        TRY(handshake_read(call, org_key_last(call, key), &handshake));
        if (filter != NULL && ((!str_is_absent(filter->ActionType) &&
                                !str_eq(filter->ActionType, handshake.action)) ||
                               (!str_is_absent(filter->ParentHandshakeId) &&
                                !str_eq(filter->ParentHandshakeId, handshake.parent))))
            continue;
        pages.taken++;
        VEC_PUSH(call->arena, out->items, out->len, cap, *handshake_shown(call, &handshake));
    }
}

RESULT organizations_ListHandshakesForAccount(
    struct call *call, const struct organizations_ListHandshakesForAccountRequest *in,
    struct organizations_ListHandshakesForAccountResponse *out)
{
    return list_handshakes(call, call->account, in->Filter, in->NextToken, in->MaxResults,
                           &out->Handshakes, &out->NextToken);
}

RESULT organizations_ListHandshakesForOrganization(
    struct call *call, const struct organizations_ListHandshakesForOrganizationRequest *in,
    struct organizations_ListHandshakesForOrganizationResponse *out)
{
    struct organizations_organization org;
    TRY(org_open_reader(call, &org));
    return list_handshakes(call, org.id, in->Filter, in->NextToken, in->MaxResults,
                           &out->Handshakes, &out->NextToken);
}
