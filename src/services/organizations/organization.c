/* The organization itself, its features, the services that it trusts, its delegated
 * administrators and its resource policy. */
#include "auth/policy.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/paging.h"
#include "cloud/tags.h"
#include "services/organizations/organizations_int.h"
#include "store/record.h"

struct key org_key(struct call *call, struct str organization, struct str kind)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("organizations"));
    key_str(&key, organization);
    key_str(&key, kind);
    return key;
}

static struct key member_key(struct call *call, struct str account)
{
    struct key key = org_key(call, STR("member"), account);
    return key;
}

RESULT org_of_account(struct call *call, struct str account, struct organizations_organization *org,
                      bool *found)
{
    struct key key = member_key(call, account);
    struct str id;
    TRY(kv_get(call->txn, key_bytes(&key), &id));
    *found = !str_is_absent(id);
    if (!*found)
        return RESULT_OK;
    key = org_key(call, id, STR("organization"));
    return call_get_record_copy(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_organization,
                                org, found);
}

RESULT org_open(struct call *call, struct organizations_organization *org)
{
    bool found;
    TRY(org_of_account(call, call->account, org, &found));
    if (!found)
        return call_fail(call, ORGANIZATIONS_AWS_ORGANIZATIONS_NOT_IN_USE,
                         "Your account is not a member of an organization.");
    return RESULT_OK;
}

bool org_is_master(const struct call *call, const struct organizations_organization *org)
{
    return str_eq(org->master, call->account);
}

static RESULT org_deny(struct call *call)
{
    return call_fail(call, WIRE_ACCESS_DENIED,
                     "You don't have permissions to access this resource.");
}

RESULT org_open_master(struct call *call, struct organizations_organization *org)
{
    TRY(org_open(call, org));
    return org_is_master(call, org) ? RESULT_OK : org_deny(call);
}

RESULT org_open_reader(struct call *call, struct organizations_organization *org)
{
    TRY(org_open(call, org));
    if (org_is_master(call, org))
        return RESULT_OK;
    struct key prefix = org_key(call, org->id, STR("delegated"));
    struct kv_cursor *cursor;
    struct str key, value;
    key_str(&prefix, call->account);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    return str_is_absent(key) ? org_deny(call) : RESULT_OK;
}

RESULT org_put(struct call *call, const struct organizations_organization *org)
{
    struct key key = org_key(call, org->id, STR("organization"));
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_organization, org);
}

struct str org_arn(struct call *call, const struct organizations_organization *org,
                   const char *kind, struct str id)
{
    return str_format(call->arena, "arn:%.*s:organizations::%.*s:%s/%.*s%s%.*s",
                      PRSTR(call->partition), PRSTR(org->master), kind, PRSTR(org->id),
                      str_is_empty(id) ? "" : "/", PRSTR(id));
}

struct str org_make_id(struct call *call, const char *prefix, size_t len)
{
    return str_concat(call->arena, str_from_c(prefix),
                      rng_text(call->arena, STR("0123456789abcdefghijklmnopqrstuvwxyz"), len));
}

RESULT org_refuse(struct call *call, const char *reason, const char *message)
{
    struct organizations_ConstraintViolationException *detail =
        ARENA_NEW(call->arena, struct organizations_ConstraintViolationException);
    detail->Reason = str_from_c(reason);
    return call_fail_with(call, ORGANIZATIONS_CONSTRAINT_VIOLATION, detail, "%s", message);
}

RESULT org_invalid(struct call *call, const char *reason, const char *message)
{
    struct organizations_InvalidInputException *detail =
        ARENA_NEW(call->arena, struct organizations_InvalidInputException);
    detail->Reason = str_from_c(reason);
    return call_fail_with(call, ORGANIZATIONS_INVALID_INPUT, detail, "%s", message);
}

RESULT org_read_tags(struct call *call, struct str type, const struct organizations_Tags *given,
                     const struct str_map *old, struct str_map *out)
{
    struct str_map map = {ARENA_ARRAY(call->arena, given->len + 1, struct str_map_entry),
                          given->len};
    struct str refused;
    size_t which;
    for (size_t i = 0; i < given->len; i++) {
        map.items[i] = (struct str_map_entry){given->items[i].Key, given->items[i].Value};
        for (size_t j = 0; j < i; j++)
            if (str_eq(map.items[j].key, map.items[i].key))
                return org_invalid(call, "DUPLICATE_TAG_KEY",
                                   "Tag keys must be unique among the tags attached to the same "
                                   "entity.");
    }
    TRY(organization_tag_refused(call, call->account, type, &map, &refused));
    if (!str_is_absent(refused))
        return org_refuse(call, "TAG_POLICY_VIOLATION",
                          "You attempted to create or update a resource with tags that are not "
                          "compliant with the tag policy requirements for this account.");
    if (old != NULL)
        map = tags_merge(call->arena, old, &map);
    switch (tags_check(&map, ORG_TAGS_MAX, &which)) {
    case TAGS_OK:
        break;
    case TAGS_TOO_MANY:
        return org_refuse(call, "MAX_TAG_LIMIT_EXCEEDED",
                          "You have exceeded the number of tags allowed on this resource.");
    case TAGS_KEY_RESERVED:
        return org_invalid(call, "INVALID_SYSTEM_TAGS_PARAMETER",
                           "You specified a tag key that is a system tag. You can't add, edit, or "
                           "delete system tag keys because they're reserved for AWS use.");
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
    case TAGS_KEY_TWICE:
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        return org_invalid(call, "INVALID_PATTERN",
                           "You provided a value that doesn't match the required pattern.");
    }
    *out = map;
    return RESULT_OK;
}

/* --- lists --- */

RESULT org_pages_open(struct call *call, const struct key *prefix, struct str token,
                      struct opt_int max, struct org_pages *pages)
{
    struct str last;
    *pages = (struct org_pages){.limit = max.set ? (size_t)max.value : ORG_PAGE_MAX};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(prefix), false, &pages->cursor));
    if (str_is_absent(token))
        return RESULT_OK;
    if (!paging_position(call, token, &last))
        return org_invalid(call, "INVALID_NEXT_TOKEN",
                           "You provided an invalid value for NextToken. Get the NextToken value "
                           "from the response to a previous call of the operation.");
    return kv_cursor_seek(pages->cursor, str_concat(call->arena, last, str_make("", 1)));
}

RESULT org_pages_next(struct call *call, struct org_pages *pages, struct str *key,
                      struct str *value, struct str *token)
{
    TRY(kv_next(pages->cursor, key, value));
    if (str_is_absent(*key))
        return RESULT_OK;
    if (pages->taken == pages->limit) {
        *token = paging_token(call, pages->last);
        *key = (struct str){0};
        return RESULT_OK;
    }
    *key = pages->last = str_copy(call->arena, *key);
    *value = str_copy(call->arena, *value);
    return RESULT_OK;
}

struct str org_key_last(struct call *call, struct str key)
{
    struct key_reader reader = key_read(call->arena, key);
    struct str last = {0}, next;
    while (key_next_str(&reader, &next))
        last = next;
    return last;
}

/* --- members --- */

RESULT org_join(struct call *call, struct organizations_organization *org,
                const struct organizations_account *account)
{
    struct key key = member_key(call, account->id);
    TRY(kv_put(call->txn, key_bytes(&key), org->id));
    key = org_key(call, org->id, STR("email"));
    key_str(&key, str_lower(call->arena, account->email));
    TRY(kv_put(call->txn, key_bytes(&key), account->id));
    TRY(org_account_put(call, org, account));
    TRY(org_child_put(call, org, account->parent, "A", account->id));
    TRY(org_attach_defaults(call, org, account->id));
    org->accounts++;
    return org_put(call, org);
}

RESULT org_leave(struct call *call, struct organizations_organization *org,
                 const struct organizations_account *account)
{
    struct key key = member_key(call, account->id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = org_key(call, org->id, STR("email"));
    key_str(&key, str_lower(call->arena, account->email));
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = org_key(call, org->id, STR("account"));
    key_str(&key, account->id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(org_child_delete(call, org, account->parent, "A", account->id));
    TRY(org_detach_all(call, org, account->id));
    org->accounts--;
    return org_put(call, org);
}

/* --- CreateOrganization, DescribeOrganization, DeleteOrganization --- */

/* Nobody signs up for an account here, so nobody gave an address: its own is made up. */
static struct str master_email(struct call *call, struct str account)
{
    return str_format(call->arena, "%.*s@accounts.invalid", PRSTR(account));
}

static RESULT organization_shown(struct call *call, const struct organizations_organization *org,
                                 struct organizations_Organization **out)
{
    struct organizations_Organization *shown =
        ARENA_NEW(call->arena, struct organizations_Organization);
    struct organizations_account master;
    TRY(org_account_must(call, org, org->master, &master));
    shown->Id = org->id;
    shown->Arn = org_arn(call, org, "organization", STR(""));
    shown->FeatureSet = org->features;
    shown->MasterAccountId = org->master;
    shown->MasterAccountArn = org_account_arn(call, org, org->master);
    shown->MasterAccountEmail = master.email;
    shown->AvailablePolicyTypes.items =
        ARENA_NEW(call->arena, struct organizations_PolicyTypeSummary);
    if (str_eq(org->features, STR("ALL"))) {
        *shown->AvailablePolicyTypes.items =
            (struct organizations_PolicyTypeSummary){STR("SERVICE_CONTROL_POLICY"), STR("ENABLED")};
        shown->AvailablePolicyTypes.len = 1;
    }
    *out = shown;
    return RESULT_OK;
}

RESULT organizations_CreateOrganization(struct call *call,
                                        const struct organizations_CreateOrganizationRequest *in,
                                        struct organizations_CreateOrganizationResponse *out)
{
    struct organizations_organization org;
    bool found;
    TRY(org_of_account(call, call->account, &org, &found));
    if (found)
        return call_fail(call, ORGANIZATIONS_ALREADY_IN_ORGANIZATION,
                         "The AWS account is already a member of an organization.");
    org = (struct organizations_organization){
        .id = org_make_id(call, "o-", 10),
        .root = org_make_id(call, "r-", 4),
        .master = call->account,
        .features = str_is_absent(in->FeatureSet) ? STR("ALL") : in->FeatureSet,
    };
    struct organizations_unit root = {.id = org.root, .name = STR("Root")};
    struct organizations_account master = {
        .id = org.master,
        .name = str_format(call->arena, "Account %.*s", PRSTR(org.master)),
        .email = master_email(call, org.master),
        .parent = org.root,
        .state = STR("ACTIVE"),
        .joined = STR("INVITED"),
        .joined_ms = call->now_ms,
    };
    organization_exists(call->cloud);
    TRY(org_unit_put(call, &org, &root));
    TRY(org_join(call, &org, &master));
    return organization_shown(call, &org, &out->Organization);
}

RESULT
organizations_DescribeOrganization(struct call *call,
                                   const struct organizations_DescribeOrganizationRequest *in,
                                   struct organizations_DescribeOrganizationResponse *out)
{
    struct organizations_organization org;
    (void)in;
    TRY(org_open(call, &org));
    return organization_shown(call, &org, &out->Organization);
}

RESULT organizations_DeleteOrganization(struct call *call,
                                        const struct organizations_DeleteOrganizationRequest *in,
                                        struct organizations_DeleteOrganizationResult *out)
{
    struct organizations_organization org;
    struct organizations_account master;
    size_t deleted;
    (void)in;
    (void)out;
    TRY(org_open_master(call, &org));
    if (org.accounts > 1 || org.units > 0 || org.policies > 0)
        return call_fail(call, ORGANIZATIONS_ORGANIZATION_NOT_EMPTY,
                         "The organization isn't empty. To delete an organization, you must first "
                         "remove all accounts except the management account, delete all OUs, and "
                         "delete all policies.");
    TRY(org_account_must(call, &org, org.master, &master));
    TRY(org_leave(call, &org, &master));
    struct key prefix;
    key_init(&prefix, call->arena);
    key_str(&prefix, STR("organizations"));
    key_str(&prefix, org.id);
    return kv_delete_prefix(call->txn, key_bytes(&prefix), SIZE_MAX, &deleted);
}

/* --- roots and policy types --- */

static struct organizations_Root *root_shown(struct call *call,
                                             const struct organizations_organization *org)
{
    struct organizations_Root *root = ARENA_NEW(call->arena, struct organizations_Root);
    root->Id = org->root;
    root->Arn = org_arn(call, org, "root", org->root);
    root->Name = STR("Root");
    root->PolicyTypes.items =
        ARENA_ARRAY(call->arena, org->policy_types.len + 1, struct organizations_PolicyTypeSummary);
    root->PolicyTypes.len = org->policy_types.len;
    for (size_t i = 0; i < org->policy_types.len; i++)
        root->PolicyTypes.items[i] =
            (struct organizations_PolicyTypeSummary){org->policy_types.items[i], STR("ENABLED")};
    return root;
}

RESULT organizations_ListRoots(struct call *call, const struct organizations_ListRootsRequest *in,
                               struct organizations_ListRootsResponse *out)
{
    struct organizations_organization org;
    TRY(org_open_reader(call, &org));
    if (!str_is_absent(in->NextToken))
        return org_invalid(call, "INVALID_NEXT_TOKEN", "You provided an invalid NextToken.");
    out->Roots.items = root_shown(call, &org);
    out->Roots.len = 1;
    return RESULT_OK;
}

static RESULT root_must(struct call *call, const struct organizations_organization *org,
                        struct str id)
{
    if (str_eq(org->root, id))
        return RESULT_OK;
    return call_fail(call, ORGANIZATIONS_ROOT_NOT_FOUND,
                     "We can't find a root with the RootId that you specified.");
}

/* The default policy of a type goes to all that a root holds, each in turn. */
static RESULT attach_to_all(struct call *call, const struct organizations_organization *org,
                            const char *kind, struct str type)
{
    struct key prefix = org_key(call, org->id, str_from_c(kind));
    struct kv_cursor *cursor;
    struct str key, value, *ids = NULL;
    size_t len = 0, cap = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        VEC_PUSH(call->arena, ids, len, cap, str_copy(call->arena, org_key_last(call, key)));
    }
    kv_cursor_close(cursor);
    for (size_t i = 0; i < len; i++)
        TRY(org_attach_default(call, org, ids[i], type));
    return RESULT_OK;
}

RESULT organizations_EnablePolicyType(struct call *call,
                                      const struct organizations_EnablePolicyTypeRequest *in,
                                      struct organizations_EnablePolicyTypeResponse *out)
{
    struct organizations_organization org;
    TRY(org_open_master(call, &org));
    TRY(root_must(call, &org, in->RootId));
    if (!str_eq(org.features, STR("ALL")))
        return call_fail(call, ORGANIZATIONS_POLICY_TYPE_NOT_AVAILABLE_FOR_ORGANIZATION,
                         "You can't use the specified policy type with the feature set currently "
                         "enabled for this organization.");
    if (org_policy_type_is_enabled(&org, in->PolicyType))
        return call_fail(call, ORGANIZATIONS_POLICY_TYPE_ALREADY_ENABLED,
                         "The specified policy type is already enabled.");
    struct str_list types = {ARENA_ARRAY(call->arena, org.policy_types.len + 1, struct str),
                             org.policy_types.len + 1};
    for (size_t i = 0; i < org.policy_types.len; i++)
        types.items[i] = org.policy_types.items[i];
    types.items[org.policy_types.len] = in->PolicyType;
    org.policy_types = types;
    TRY(attach_to_all(call, &org, "unit", in->PolicyType));
    TRY(attach_to_all(call, &org, "account", in->PolicyType));
    TRY(org_put(call, &org));
    out->Root = root_shown(call, &org);
    return RESULT_OK;
}

RESULT organizations_DisablePolicyType(struct call *call,
                                       const struct organizations_DisablePolicyTypeRequest *in,
                                       struct organizations_DisablePolicyTypeResponse *out)
{
    struct organizations_organization org;
    struct str_list types = {0};
    size_t deleted;
    TRY(org_open_master(call, &org));
    TRY(root_must(call, &org, in->RootId));
    if (!org_policy_type_is_enabled(&org, in->PolicyType))
        return call_fail(call, ORGANIZATIONS_POLICY_TYPE_NOT_ENABLED,
                         "The specified policy type isn't currently enabled in this root.");
    types.items = ARENA_ARRAY(call->arena, org.policy_types.len, struct str);
    for (size_t i = 0; i < org.policy_types.len; i++)
        if (!str_eq(org.policy_types.items[i], in->PolicyType))
            types.items[types.len++] = org.policy_types.items[i];
    org.policy_types = types;
    /* "All policies of that type are detached from all entities": DisablePolicyType. */
    struct key prefix = org_key(call, org.id, STR("attached"));
    key_str(&prefix, in->PolicyType);
    TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), SIZE_MAX, &deleted));
    prefix = org_key(call, org.id, STR("targets"));
    key_str(&prefix, in->PolicyType);
    TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), SIZE_MAX, &deleted));
    TRY(org_put(call, &org));
    out->Root = root_shown(call, &org);
    return RESULT_OK;
}
