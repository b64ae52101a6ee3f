/* Groups of users ("IAM user groups", IAM User Guide). A user's holdings name its groups by id, so
 * that a group may be renamed whatever its size. */
#include "base/vec.h"
#include "cloud/authorize.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

enum { GROUPS_PER_USER = 10 };

static RESULT group_find(struct call *call, struct str name, struct iam_group *group, bool *found)
{
    struct key key = iam_key(call, "group", name);
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_group, group, found);
}

RESULT iam_group_must(struct call *call, struct str name, struct iam_group *group)
{
    bool found;
    TRY(iam_check_name(call, "groupName", name));
    TRY(group_find(call, name, group, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The group with name %.*s cannot be found.",
                         PRSTR(name));
    return RESULT_OK;
}

RESULT iam_group_by_id(struct call *call, struct str id, struct iam_group *group, bool *found)
{
    struct iam_entity entity;
    TRY(iam_entity_by_id(call, id, &entity, found));
    *found = *found && entity.kind == IAM_GROUPS;
    return *found ? iam_group_must(call, entity.name, group) : RESULT_OK;
}

struct str iam_group_arn(struct call *call, const struct iam_group *group)
{
    return iam_arn(call, "group", group->path, group->name);
}

static struct iam_Group group_shown(struct call *call, const struct iam_group *group)
{
    return (struct iam_Group){
        .Path = group->path,
        .GroupName = group->name,
        .GroupId = group->id,
        .Arn = iam_group_arn(call, group),
        .CreateDate = iam_time(group->created_ms),
    };
}

static RESULT group_put(struct call *call, const struct iam_group *group)
{
    struct key key = iam_key(call, "group", group->name);
    struct iam_entity entity = {IAM_GROUPS, group->name, group->path, group->id};
    TRY(call_put_record(call, &key, &iam_model, IAM_SHAPE_group, group));
    return iam_entity_enter(call, &entity);
}

static RESULT group_is_new(struct call *call, struct str name)
{
    struct iam_group group;
    bool found;
    TRY(iam_check_name(call, "groupName", name));
    TRY(group_find(call, name, &group, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "Group with name %.*s already exists.",
                         PRSTR(name));
    return RESULT_OK;
}

RESULT iam_CreateGroup(struct call *call, const struct iam_CreateGroupRequest *in,
                       struct iam_CreateGroupResponse *out)
{
    struct iam_group group = {
        .name = in->GroupName,
        .path = iam_path(in->Path),
        .id = iam_new_id(call, STR("AGPA")),
        .created_ms = call->now_ms,
    };
    struct iam_holdings holdings = {0};
    TRY(iam_check_path(call, "path", in->Path));
    TRY(group_is_new(call, in->GroupName));
    TRY(iam_count(call, &iam_groups_counted, 1));
    TRY(group_put(call, &group));
    TRY(iam_holdings_put(call, group.id, &holdings));
    out->Group = ARENA_NEW(call->arena, struct iam_Group);
    *out->Group = group_shown(call, &group);
    return RESULT_OK;
}

RESULT iam_GetGroup(struct call *call, const struct iam_GetGroupRequest *in,
                    struct iam_GetGroupResponse *out)
{
    struct iam_group group;
    struct iam_pages pages;
    struct str value;
    TRY(iam_group_must(call, in->GroupName, &group));
    out->Group = ARENA_NEW(call->arena, struct iam_Group);
    *out->Group = group_shown(call, &group);
    struct key prefix = iam_key(call, "member", group.id);
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->Users.items = ARENA_NEW(call->arena, struct iam_User);
    for (size_t cap = 1;;) {
        struct iam_user user;
        bool found;
        TRY(iam_pages_next(&pages, out->Users.len, &value));
        if (str_is_absent(value))
            break;
        TRY(iam_user_by_id(call, value, &user, &found));
        if (found)
            VEC_PUSH(call->arena, out->Users.items, out->Users.len, cap,
                     iam_user_shown(call, &user, false));
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

RESULT iam_ListGroups(struct call *call, const struct iam_ListGroupsRequest *in,
                      struct iam_ListGroupsResponse *out)
{
    struct key prefix = iam_key(call, "group", (struct str){0});
    struct iam_pages pages;
    struct str value;
    TRY(iam_check_path_prefix(call, in->PathPrefix));
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->Groups.items = ARENA_NEW(call->arena, struct iam_Group);
    for (size_t cap = 1;;) {
        struct iam_group group;
        TRY(iam_pages_next(&pages, out->Groups.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_group, value, &group));
        if (str_is_absent(in->PathPrefix) || str_starts_with(group.path, in->PathPrefix))
            VEC_PUSH(call->arena, out->Groups.items, out->Groups.len, cap,
                     group_shown(call, &group));
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

RESULT iam_DeleteGroup(struct call *call, const struct iam_DeleteGroupRequest *in,
                       struct iam_DeleteGroupResult *out)
{
    (void)out;
    struct iam_entity entity;
    struct iam_holdings holdings;
    bool any;
    TRY(iam_entity_must(call, IAM_GROUPS, in->GroupName, &entity));
    TRY(iam_has_any(call, "member", entity.id, &any));
    if (any)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must remove users from group first.");
    TRY(iam_holdings_copy(call, entity.id, &holdings));
    TRY(iam_entity_is_bare(call, &holdings));
    struct key key = iam_key(call, "group", entity.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(iam_count(call, &iam_groups_counted, -1));
    return iam_entity_leave(call, &entity);
}

RESULT iam_UpdateGroup(struct call *call, const struct iam_UpdateGroupRequest *in,
                       struct iam_UpdateGroupResult *out)
{
    (void)out;
    struct iam_group group;
    struct iam_entity entity;
    TRY(iam_entity_must(call, IAM_GROUPS, in->GroupName, &entity));
    TRY(iam_check_path(call, "newPath", in->NewPath));
    TRY(iam_group_must(call, in->GroupName, &group));
    struct str name = str_is_absent(in->NewGroupName) ? entity.name : in->NewGroupName;
    int64_t created_ms = group.created_ms;
    struct iam_entity moved = entity;
    moved.name = name;
    moved.path = str_is_absent(in->NewPath) ? entity.path : in->NewPath;
    struct authorize_ask target = {
        .action = STR("iam:UpdateGroup"), .resource = iam_entity_arn(call, &moved), .in = in};
    TRY(authorize_ask(call, &target));
    if (!str_eq_nocase(entity.name, name)) {
        struct key key = iam_key(call, "group", entity.name);
        TRY(group_is_new(call, name));
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    }
    group = (struct iam_group){
        .name = name,
        .path = moved.path,
        .id = entity.id,
        .created_ms = created_ms,
    };
    return group_put(call, &group);
}

/* --- members: ("iam", ACCOUNT, "member", GROUP-ID, USER-ID) --- */

static RESULT membership(struct call *call, struct str group_name, struct str user_name,
                         struct iam_entity *group, struct iam_entity *user)
{
    TRY(iam_entity_must(call, IAM_GROUPS, group_name, group));
    return iam_entity_must(call, IAM_USERS, user_name, user);
}

static struct key member_key(struct call *call, struct str group_id, struct str user_id)
{
    struct key key = iam_key(call, "member", group_id);
    key_str(&key, user_id);
    return key;
}

RESULT iam_AddUserToGroup(struct call *call, const struct iam_AddUserToGroupRequest *in,
                          struct iam_AddUserToGroupResult *out)
{
    (void)out;
    struct iam_entity group, user;
    struct iam_holdings holdings;
    size_t at;
    TRY(membership(call, in->GroupName, in->UserName, &group, &user));
    TRY(iam_holdings_copy(call, user.id, &holdings));
    if (iam_list_find(&holdings.groups, group.id, &at))
        return RESULT_OK;
    if (holdings.groups.len >= GROUPS_PER_USER)
        return iam_quota(call, "GroupsPerUser", GROUPS_PER_USER);
    iam_list_insert(call->arena, &holdings.groups, at, group.id);
    struct key key = member_key(call, group.id, user.id);
    TRY(kv_put(call->txn, key_bytes(&key), user.id));
    return iam_holdings_put(call, user.id, &holdings);
}

RESULT iam_RemoveUserFromGroup(struct call *call, const struct iam_RemoveUserFromGroupRequest *in,
                               struct iam_RemoveUserFromGroupResult *out)
{
    (void)out;
    struct iam_entity group, user;
    struct iam_holdings holdings;
    size_t at;
    TRY(membership(call, in->GroupName, in->UserName, &group, &user));
    TRY(iam_holdings_copy(call, user.id, &holdings));
    if (!iam_list_find(&holdings.groups, group.id, &at))
        return RESULT_OK;
    iam_list_remove(&holdings.groups, at);
    struct key key = member_key(call, group.id, user.id);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return iam_holdings_put(call, user.id, &holdings);
}

RESULT iam_ListGroupsForUser(struct call *call, const struct iam_ListGroupsForUserRequest *in,
                             struct iam_ListGroupsForUserResponse *out)
{
    struct iam_entity user;
    struct iam_holdings holdings;
    struct iam_window window;
    bool found;
    TRY(iam_entity_must(call, IAM_USERS, in->UserName, &user));
    TRY(iam_holdings_get(call, call->account, user.id, &holdings, &found));
    TRY(iam_window_open(call, in->Marker, in->MaxItems, &holdings.groups, holdings.groups.len,
                        iam_list_name, &window));
    out->Groups.items = ARENA_ARRAY(call->arena, window.to - window.from + 1, struct iam_Group);
    for (size_t i = window.from; i < window.to; i++) {
        struct iam_group group;
        TRY(iam_group_by_id(call, holdings.groups.items[i], &group, &found));
        if (found)
            out->Groups.items[out->Groups.len++] = group_shown(call, &group);
    }
    iam_window_end(call, &window, window.to > 0 ? holdings.groups.items[window.to - 1] : STR(""),
                   &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}
