/* Organizational units, and what stands where in the tree. */
#include "base/vec.h"
#include "services/organizations/organizations_int.h"

/* --- records --- */

static struct key unit_key(struct call *call, const struct organizations_organization *org,
                           struct str id)
{
    struct key key = org_key(call, org->id, STR("unit"));
    key_str(&key, id);
    return key;
}

RESULT org_unit_find(struct call *call, const struct organizations_organization *org, struct str id,
                     struct organizations_unit *unit, bool *found)
{
    struct key key = unit_key(call, org, id);
    return call_get_record_copy(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_unit, unit,
                                found);
}

RESULT org_unit_put(struct call *call, const struct organizations_organization *org,
                    const struct organizations_unit *unit)
{
    struct key key = unit_key(call, org, unit->id);
    return call_put_record(call, &key, &organizations_model, ORGANIZATIONS_SHAPE_unit, unit);
}

static struct key child_prefix(struct call *call, const struct organizations_organization *org,
                               struct str parent, const char *kind)
{
    struct key key = org_key(call, org->id, STR("child"));
    key_str(&key, parent);
    key_str(&key, str_from_c(kind));
    return key;
}

RESULT org_child_put(struct call *call, const struct organizations_organization *org,
                     struct str parent, const char *kind, struct str id)
{
    struct key key = child_prefix(call, org, parent, kind);
    key_str(&key, id);
    return kv_put(call->txn, key_bytes(&key), STR(""));
}

RESULT org_child_delete(struct call *call, const struct organizations_organization *org,
                        struct str parent, const char *kind, struct str id)
{
    struct key key = child_prefix(call, org, parent, kind);
    key_str(&key, id);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

static struct key name_key(struct call *call, const struct organizations_organization *org,
                           struct str parent, struct str name)
{
    struct key key = org_key(call, org->id, STR("unit-name"));
    key_str(&key, parent);
    key_str(&key, name);
    return key;
}

static RESULT name_must_be_free(struct call *call, const struct organizations_organization *org,
                                struct str parent, struct str name)
{
    struct key key = name_key(call, org, parent, name);
    struct str other;
    TRY(kv_get(call->txn, key_bytes(&key), &other));
    if (!str_is_absent(other))
        return call_fail(call, ORGANIZATIONS_DUPLICATE_ORGANIZATIONAL_UNIT,
                         "An OU with the same name already exists.");
    return RESULT_OK;
}

static RESULT unit_must(struct call *call, const struct organizations_organization *org,
                        struct str id, struct organizations_unit *unit)
{
    bool found;
    TRY(org_unit_find(call, org, id, unit, &found));
    if (!found || str_is_absent(unit->parent))
        return call_fail(call, ORGANIZATIONS_ORGANIZATIONAL_UNIT_NOT_FOUND,
                         "We can't find an OU with the OrganizationalUnitId that you specified.");
    return RESULT_OK;
}

static RESULT parent_must(struct call *call, const struct organizations_organization *org,
                          struct str id, struct organizations_unit *unit)
{
    bool found;
    TRY(org_unit_find(call, org, id, unit, &found));
    if (!found)
        return call_fail(call, ORGANIZATIONS_PARENT_NOT_FOUND,
                         "We can't find a root or OU with the ParentId that you specified.");
    return RESULT_OK;
}

static RESULT unit_shown(struct call *call, const struct organizations_organization *org,
                         const struct organizations_unit *unit,
                         struct organizations_OrganizationalUnit *shown)
{
    shown->Id = unit->id;
    shown->Arn = org_arn(call, org, "ou", unit->id);
    shown->Name = unit->name;
    return org_path(call, org, unit->id, &shown->Path);
}

/* --- operations --- */

RESULT organizations_CreateOrganizationalUnit(
    struct call *call, const struct organizations_CreateOrganizationalUnitRequest *in,
    struct organizations_CreateOrganizationalUnitResponse *out)
{
    struct organizations_organization org;
    struct organizations_unit parent, unit = {0};
    TRY(org_open_master(call, &org));
    TRY(parent_must(call, &org, in->ParentId, &parent));
    TRY(name_must_be_free(call, &org, parent.id, in->Name));
    if (parent.depth + 1 > ORG_DEPTH_MAX)
        return org_refuse(call, "OU_DEPTH_LIMIT_EXCEEDED",
                          "You have exceeded the maximum nesting depth of organizational units.");
    if (org.units >= ORG_UNITS_MAX)
        return org_refuse(call, "OU_NUMBER_LIMIT_EXCEEDED",
                          "You have exceeded the number of OUs allowed in an organization.");
    TRY(org_read_tags(call, STR("organizations:ou"), &in->Tags, NULL, &unit.tags));
    struct str root = str_slice(org.root, 2, org.root.len);
    unit.id = org_make_id(
        call, str_to_c(call->arena, str_format(call->arena, "ou-%.*s-", PRSTR(root))), 8);
    unit.name = in->Name;
    unit.parent = parent.id;
    unit.depth = parent.depth + 1;
    TRY(org_unit_put(call, &org, &unit));
    TRY(org_child_put(call, &org, parent.id, "U", unit.id));
    struct key key = name_key(call, &org, parent.id, unit.name);
    TRY(kv_put(call->txn, key_bytes(&key), unit.id));
    TRY(org_attach_defaults(call, &org, unit.id));
    org.units++;
    TRY(org_put(call, &org));
    out->OrganizationalUnit = ARENA_NEW(call->arena, struct organizations_OrganizationalUnit);
    return unit_shown(call, &org, &unit, out->OrganizationalUnit);
}

RESULT organizations_DescribeOrganizationalUnit(
    struct call *call, const struct organizations_DescribeOrganizationalUnitRequest *in,
    struct organizations_DescribeOrganizationalUnitResponse *out)
{
    struct organizations_organization org;
    struct organizations_unit unit;
    TRY(org_open_reader(call, &org));
    TRY(unit_must(call, &org, in->OrganizationalUnitId, &unit));
    out->OrganizationalUnit = ARENA_NEW(call->arena, struct organizations_OrganizationalUnit);
    return unit_shown(call, &org, &unit, out->OrganizationalUnit);
}

RESULT organizations_UpdateOrganizationalUnit(
    struct call *call, const struct organizations_UpdateOrganizationalUnitRequest *in,
    struct organizations_UpdateOrganizationalUnitResponse *out)
{
    struct organizations_organization org;
    struct organizations_unit unit;
    TRY(org_open_master(call, &org));
    TRY(unit_must(call, &org, in->OrganizationalUnitId, &unit));
    if (!str_is_absent(in->Name) && !str_eq(in->Name, unit.name)) {
        TRY(name_must_be_free(call, &org, unit.parent, in->Name));
        struct key key = name_key(call, &org, unit.parent, unit.name);
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
        unit.name = in->Name;
        key = name_key(call, &org, unit.parent, unit.name);
        TRY(kv_put(call->txn, key_bytes(&key), unit.id));
        TRY(org_unit_put(call, &org, &unit));
    }
    out->OrganizationalUnit = ARENA_NEW(call->arena, struct organizations_OrganizationalUnit);
    return unit_shown(call, &org, &unit, out->OrganizationalUnit);
}

static RESULT unit_is_empty(struct call *call, const struct organizations_organization *org,
                            struct str id, bool *empty)
{
    struct key prefix = org_key(call, org->id, STR("child"));
    struct kv_cursor *cursor;
    struct str key, value;
    key_str(&prefix, id);
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    kv_cursor_close(cursor);
    *empty = str_is_absent(key);
    return RESULT_OK;
}

RESULT organizations_DeleteOrganizationalUnit(
    struct call *call, const struct organizations_DeleteOrganizationalUnitRequest *in,
    struct organizations_DeleteOrganizationalUnitResult *out)
{
    struct organizations_organization org;
    struct organizations_unit unit;
    bool empty;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(unit_must(call, &org, in->OrganizationalUnitId, &unit));
    TRY(unit_is_empty(call, &org, unit.id, &empty));
    if (!empty)
        return call_fail(call, ORGANIZATIONS_ORGANIZATIONAL_UNIT_NOT_EMPTY,
                         "The specified OU is not empty. Move all accounts to another root or to "
                         "other OUs, remove all child OUs, and try the operation again.");
    TRY(org_detach_all(call, &org, unit.id));
    TRY(org_child_delete(call, &org, unit.parent, "U", unit.id));
    struct key key = name_key(call, &org, unit.parent, unit.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    key = unit_key(call, &org, unit.id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    org.units--;
    return org_put(call, &org);
}

RESULT organizations_ListOrganizationalUnitsForParent(
    struct call *call, const struct organizations_ListOrganizationalUnitsForParentRequest *in,
    struct organizations_ListOrganizationalUnitsForParentResponse *out)
{
    struct organizations_organization org;
    struct organizations_unit parent;
    struct org_pages pages;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    TRY(parent_must(call, &org, in->ParentId, &parent));
    struct key prefix = child_prefix(call, &org, parent.id, "U");
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->OrganizationalUnits.items =
        ARENA_NEW(call->arena, struct organizations_OrganizationalUnit);
    for (;; pages.taken++) {
        struct str key, value;
        struct organizations_unit unit;
        struct organizations_OrganizationalUnit shown = {0};
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(unit_must(call, &org, org_key_last(call, key), &unit));
        TRY(unit_shown(call, &org, &unit, &shown));
        VEC_PUSH(call->arena, out->OrganizationalUnits.items, out->OrganizationalUnits.len, cap,
                 shown);
    }
}

RESULT organizations_ListChildren(struct call *call,
                                  const struct organizations_ListChildrenRequest *in,
                                  struct organizations_ListChildrenResponse *out)
{
    struct organizations_organization org;
    struct organizations_unit parent;
    struct org_pages pages;
    size_t cap = 1;
    TRY(org_open_reader(call, &org));
    TRY(parent_must(call, &org, in->ParentId, &parent));
    struct key prefix =
        child_prefix(call, &org, parent.id, str_eq(in->ChildType, STR("ACCOUNT")) ? "A" : "U");
    TRY(org_pages_open(call, &prefix, in->NextToken, in->MaxResults, &pages));
    out->Children.items = ARENA_NEW(call->arena, struct organizations_Child);
    for (;; pages.taken++) {
        struct str key, value;
        TRY(org_pages_next(call, &pages, &key, &value, &out->NextToken));
        if (str_is_absent(key))
            return RESULT_OK;
        struct organizations_Child child = {org_key_last(call, key), in->ChildType};
        VEC_PUSH(call->arena, out->Children.items, out->Children.len, cap, child);
    }
}

RESULT organizations_ListParents(struct call *call,
                                 const struct organizations_ListParentsRequest *in,
                                 struct organizations_ListParentsResponse *out)
{
    struct organizations_organization org;
    struct str kind, name, parent;
    bool account = arn_is_account(in->ChildId), found;
    struct organizations_account member;
    struct organizations_unit unit;
    TRY(org_open_reader(call, &org));
    if (account) {
        TRY(org_account_find(call, &org, in->ChildId, &member, &found));
        parent = member.parent;
    } else {
        TRY(org_unit_find(call, &org, in->ChildId, &unit, &found));
        parent = unit.parent;
    }
    if (!found || str_is_absent(parent))
        return call_fail(call, ORGANIZATIONS_CHILD_NOT_FOUND,
                         "We can't find an organizational unit (OU) or AWS account with the "
                         "ChildId that you specified.");
    TRY(org_target_find(call, &org, parent, &kind, &name, &parent));
    out->Parents.items = ARENA_NEW(call->arena, struct organizations_Parent);
    out->Parents.len = 1;
    out->Parents.items->Id = account ? member.parent : unit.parent;
    out->Parents.items->Type = kind;
    return RESULT_OK;
}

/* --- where an account stands --- */

RESULT org_path(struct call *call, const struct organizations_organization *org, struct str parent,
                struct str *path)
{
    struct str below = STR("");
    while (!str_is_absent(parent)) {
        struct organizations_unit unit;
        bool found;
        TRY(org_unit_find(call, org, parent, &unit, &found));
        if (!found)
            return FAULT("a broken tree of organizational units");
        below = str_format(call->arena, "%.*s/%.*s", PRSTR(unit.id), PRSTR(below));
        parent = unit.parent;
    }
    *path = str_format(call->arena, "%.*s/%.*s", PRSTR(org->id), PRSTR(below));
    return RESULT_OK;
}

RESULT organizations_MoveAccount(struct call *call,
                                 const struct organizations_MoveAccountRequest *in,
                                 struct organizations_MoveAccountResult *out)
{
    struct organizations_organization org;
    struct organizations_account account;
    struct organizations_unit unit;
    bool found;
    (void)out;
    TRY(org_open_master(call, &org));
    TRY(org_account_must(call, &org, in->AccountId, &account));
    TRY(org_unit_find(call, &org, in->SourceParentId, &unit, &found));
    if (!found || !str_eq(account.parent, in->SourceParentId))
        return call_fail(call, ORGANIZATIONS_SOURCE_PARENT_NOT_FOUND,
                         "We can't find a source root or OU with the ParentId that you specified.");
    TRY(org_unit_find(call, &org, in->DestinationParentId, &unit, &found));
    if (!found)
        return call_fail(call, ORGANIZATIONS_DESTINATION_PARENT_NOT_FOUND,
                         "We can't find the destination container (a root or OU) with the ParentId "
                         "that you specified.");
    if (str_eq(in->SourceParentId, in->DestinationParentId))
        return call_fail(call, ORGANIZATIONS_DUPLICATE_ACCOUNT,
                         "That account is already present in the specified destination.");
    TRY(org_child_delete(call, &org, account.parent, "A", account.id));
    account.parent = in->DestinationParentId;
    TRY(org_child_put(call, &org, account.parent, "A", account.id));
    return org_account_put(call, &org, &account);
}
