/* Users ("IAM users", "IAM identifiers", IAM User Guide; IAM API Reference). */
#include "base/vec.h"
#include "cloud/authorize.h"
#include "cloud/credentials.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

RESULT iam_user_find(struct call *call, struct str name, struct iam_user *user, bool *found)
{
    struct key key = iam_key(call, "user", name);
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_user, user, found);
}

RESULT iam_user_must(struct call *call, struct str name, struct iam_user *user)
{
    bool found;
    TRY(iam_check_name(call, "userName", name));
    TRY(iam_user_find(call, name, user, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The user with name %.*s cannot be found.",
                         PRSTR(name));
    return RESULT_OK;
}

RESULT iam_user_by_id(struct call *call, struct str id, struct iam_user *user, bool *found)
{
    struct iam_entity entity;
    TRY(iam_entity_by_id(call, id, &entity, found));
    *found = *found && entity.kind == IAM_USERS;
    return *found ? iam_user_must(call, entity.name, user) : RESULT_OK;
}

RESULT iam_user_or_caller(struct call *call, struct str name, struct iam_user *user)
{
    if (!str_is_absent(name))
        return iam_user_must(call, name, user);
    if (call->principal.kind == PRINCIPAL_USER)
        return iam_user_must(call, call->principal.name, user);
    if (call->principal.kind != PRINCIPAL_ROOT)
        return call_fail(call, IAM_VALIDATION,
                         "Must specify userName when calling with non-User credentials");
    *user = (struct iam_user){.name = STR(""), .id = call->account};
    return RESULT_OK;
}

struct str iam_user_arn(struct call *call, const struct iam_user *user)
{
    if (str_is_empty(user->name))
        return str_format(call->arena, "arn:aws:iam::%.*s:root", PRSTR(call->account));
    return iam_arn(call, "user", user->path, user->name);
}

struct iam_User iam_user_shown(struct call *call, const struct iam_user *user, bool tags)
{
    struct iam_User shown = {.UserId = user->id, .Arn = iam_user_arn(call, user)};
    if (str_is_empty(user->name))
        return shown; /* root has neither name nor path */
    shown.UserName = user->name;
    shown.Path = user->path;
    shown.CreateDate = iam_time(user->created_ms);
    if (tags)
        shown.Tags = iam_tags_shown(call, &user->tags);
    return shown;
}

static RESULT user_put(struct call *call, const struct iam_user *user)
{
    struct key key = iam_key(call, "user", user->name);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_user, user);
}

static RESULT user_is_new(struct call *call, struct str name)
{
    struct iam_user user;
    bool found;
    TRY(iam_check_name(call, "userName", name));
    TRY(iam_user_find(call, name, &user, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "User with name %.*s already exists.",
                         PRSTR(name));
    return RESULT_OK;
}

RESULT iam_CreateUser(struct call *call, const struct iam_CreateUserRequest *in,
                      struct iam_CreateUserResponse *out)
{
    struct iam_holdings holdings = {0};
    struct iam_user user = {
        .name = in->UserName,
        .path = iam_path(in->Path),
        .id = iam_new_id(call, STR("AIDA")),
        .created_ms = call->now_ms,
    };
    TRY(iam_check_path(call, "path", in->Path));
    TRY(user_is_new(call, in->UserName));
    struct iam_tagging tagging = {"iam:user", STR("iam:TagUser"), iam_user_arn(call, &user), in};
    TRY(iam_tags_made_with(call, &tagging, &in->Tags, &user.tags));
    struct iam_entity entity = {IAM_USERS, user.name, user.path, user.id};
    TRY(iam_boundary_set(call, &entity, &holdings, in->PermissionsBoundary));
    TRY(iam_count(call, &iam_users_counted, 1));
    TRY(user_put(call, &user));
    TRY(iam_entity_enter(call, &entity));
    TRY(iam_holdings_put(call, user.id, &holdings));
    out->User = ARENA_NEW(call->arena, struct iam_User);
    *out->User = iam_user_shown(call, &user, true);
    out->User->PermissionsBoundary = iam_boundary_shown(call, holdings.boundary);
    return RESULT_OK;
}

RESULT iam_GetUser(struct call *call, const struct iam_GetUserRequest *in,
                   struct iam_GetUserResponse *out)
{
    struct iam_user user;
    struct iam_holdings holdings;
    bool found;
    TRY(iam_user_or_caller(call, in->UserName, &user));
    TRY(iam_holdings_get(call, call->account, user.id, &holdings, &found));
    out->User = ARENA_NEW(call->arena, struct iam_User);
    *out->User = iam_user_shown(call, &user, true);
    out->User->PermissionsBoundary = iam_boundary_shown(call, holdings.boundary);
    return RESULT_OK;
}

RESULT iam_ListUsers(struct call *call, const struct iam_ListUsersRequest *in,
                     struct iam_ListUsersResponse *out)
{
    struct key prefix = iam_key(call, "user", (struct str){0});
    struct iam_pages pages;
    struct str value;
    TRY(iam_check_path_prefix(call, in->PathPrefix));
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->Users.items = ARENA_NEW(call->arena, struct iam_User); /* present, though empty */
    for (size_t cap = 1;;) {
        struct iam_user user;
        TRY(iam_pages_next(&pages, out->Users.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_user, value, &user));
        if (str_is_absent(in->PathPrefix) || str_starts_with(user.path, in->PathPrefix))
            VEC_PUSH(call->arena, out->Users.items, out->Users.len, cap,
                     iam_user_shown(call, &user, false));
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

/* --- what stands under a user's name, and keeps it from being deleted --- */

static const struct user_belonging {
    const char *kind;
    const char *conflict;
} belongings[] = {
    {"user-key", "Cannot delete entity, must delete access keys first."},
    {"login", "Cannot delete entity, must delete login profile first."},
};
enum { BELONGINGS = sizeof belongings / sizeof belongings[0] };

RESULT iam_DeleteUser(struct call *call, const struct iam_DeleteUserRequest *in,
                      struct iam_DeleteUserResult *out)
{
    (void)out;
    struct iam_entity entity;
    struct iam_holdings holdings;
    bool any;
    TRY(iam_entity_must(call, IAM_USERS, in->UserName, &entity));
    TRY(iam_holdings_copy(call, entity.id, &holdings));
    for (size_t i = 0; i < BELONGINGS; i++) {
        TRY(iam_has_any(call, belongings[i].kind, entity.name, &any));
        if (any)
            return call_fail(call, IAM_DELETE_CONFLICT, "%s", belongings[i].conflict);
    }
    struct iam_user user = {.name = entity.name, .path = entity.path, .id = entity.id};
    struct str conflict;
    TRY(iam_user_holds(call, &user, &conflict));
    if (!str_is_absent(conflict))
        return call_fail(call, IAM_DELETE_CONFLICT, "%.*s", PRSTR(conflict));
    TRY(iam_entity_is_bare(call, &holdings));
    if (holdings.groups.len > 0)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must remove users from group first.");
    TRY(iam_boundary_set(call, &entity, &holdings, (struct str){0}));
    struct key key = iam_key(call, "user", entity.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(iam_count(call, &iam_users_counted, -1));
    return iam_entity_leave(call, &entity);
}

/* Everything of a kind under one name to under another. */
static RESULT belonging_move(struct call *call, const char *kind, struct str from, struct str to)
{
    struct key old = iam_key(call, kind, from), new = iam_key(call, kind, to);
    struct str key, value, *keys = NULL;
    size_t len = 0, cap = 0;
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&old), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        VEC_PUSH(call->arena, keys, len, cap, str_copy(call->arena, key));
    }
    for (size_t i = 0; i < len; i++) {
        struct str rest = str_slice(keys[i], old.len, keys[i].len);
        TRY(kv_get(call->txn, keys[i], &value));
        value = str_copy(call->arena, value);
        TRY(kv_delete(call->txn, keys[i], NULL));
        TRY(kv_put(call->txn, str_concat(call->arena, key_bytes(&new), rest), value));
    }
    return RESULT_OK;
}

/* The cloud's records of the user's keys say whose they are. */
static RESULT keys_rename(struct call *call, const struct iam_user *user)
{
    struct key prefix = iam_key(call, "user-key", user->name);
    struct credentials_owner owner = {call->account, user->name, user->path, user->id};
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct iam_user_key record;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &iam_model, IAM_SHAPE_user_key, value, &record));
        TRY(credentials_set_owner(call->txn, call->arena, record.id, &owner));
    }
}

RESULT iam_UpdateUser(struct call *call, const struct iam_UpdateUserRequest *in,
                      struct iam_UpdateUserResult *out)
{
    (void)out;
    struct iam_user user;
    bool found;
    TRY(iam_user_must(call, in->UserName, &user));
    TRY(iam_check_path(call, "newPath", in->NewPath));
    struct str old = str_copy(call->arena, user.name);
    struct str name = str_is_absent(in->NewUserName) ? old : in->NewUserName;
    bool moves = !str_eq_nocase(old, name);
    if (moves)
        TRY(user_is_new(call, name));
    struct key key = iam_key(call, "user", old);
    TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_user, &user, &found));
    user.name = name;
    user.path = str_is_absent(in->NewPath) ? user.path : in->NewPath;
    struct iam_entity entity = {IAM_USERS, user.name, user.path, user.id};
    /* "You must have the appropriate permissions on both the source object and the target". */
    struct authorize_ask target = {
        .action = STR("iam:UpdateUser"), .resource = iam_entity_arn(call, &entity), .in = in};
    TRY(authorize_ask(call, &target));
    if (moves) {
        TRY(kv_delete(call->txn, key_bytes(&key), NULL));
        for (size_t i = 0; i < BELONGINGS; i++)
            TRY(belonging_move(call, belongings[i].kind, old, name));
    }
    TRY(user_put(call, &user));
    TRY(iam_entity_enter(call, &entity));
    return keys_rename(call, &user);
}

/* --- tags --- */

static RESULT user_to_tag(struct call *call, struct str name, struct iam_user *user)
{
    struct key key = iam_key(call, "user", name);
    bool found;
    TRY(iam_user_must(call, name, user));
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_user, user, &found);
}

RESULT iam_TagUser(struct call *call, const struct iam_TagUserRequest *in,
                   struct iam_TagUserResult *out)
{
    (void)out;
    struct iam_user user;
    TRY(user_to_tag(call, in->UserName, &user));
    TRY(iam_tags_add(call, "iam:user", &in->Tags, &user.tags));
    return user_put(call, &user);
}

RESULT iam_UntagUser(struct call *call, const struct iam_UntagUserRequest *in,
                     struct iam_UntagUserResult *out)
{
    (void)out;
    struct iam_user user;
    TRY(user_to_tag(call, in->UserName, &user));
    iam_tags_remove(call, &in->TagKeys, &user.tags);
    return user_put(call, &user);
}

RESULT iam_ListUserTags(struct call *call, const struct iam_ListUserTagsRequest *in,
                        struct iam_ListUserTagsResponse *out)
{
    struct iam_user user;
    struct iam_tags_page page;
    TRY(iam_user_must(call, in->UserName, &user));
    TRY(iam_tags_page(call, &user.tags, in->Marker, in->MaxItems, &page));
    *out = (struct iam_ListUserTagsResponse){page.tags, page.truncated, page.marker};
    return RESULT_OK;
}
