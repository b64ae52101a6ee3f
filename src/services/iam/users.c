/* Users ("IAM users", "IAM identifiers", IAM User Guide; IAM API Reference). */
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/paging.h"
#include "cloud/tags.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

struct key iam_key(struct call *call, const char *kind, struct str user)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("iam"));
    key_str(&key, call->account);
    key_str(&key, str_from_c(kind));
    if (!str_is_absent(user))
        key_str(&key, str_lower(call->arena, user));
    return key;
}

RESULT iam_user_find(struct call *call, struct str name, struct iam_user *user, bool *found)
{
    struct key key = iam_key(call, "user", name);
    return call_get_record(call, &key, &iam_model, IAM_SHAPE_user, user, found);
}

RESULT iam_user_must(struct call *call, struct str name, struct iam_user *user)
{
    bool found;
    TRY(iam_user_find(call, name, user, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The user with name %.*s cannot be found.",
                         PRSTR(name));
    return RESULT_OK;
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
    return str_format(call->arena, "arn:aws:iam::%.*s:user%.*s%.*s", PRSTR(call->account),
                      PRSTR(user->path), PRSTR(user->name));
}

static struct iam_User user_shown(struct call *call, const struct iam_user *user, bool tags)
{
    struct iam_User shown = {.UserId = user->id, .Arn = iam_user_arn(call, user)};
    if (str_is_empty(user->name))
        return shown; /* root has neither name nor path */
    shown.UserName = user->name;
    shown.Path = user->path;
    shown.CreateDate = (struct opt_time){true, user->created_ms};
    if (tags && user->tags.len > 0) {
        shown.Tags.items = ARENA_ARRAY(call->arena, user->tags.len, struct iam_Tag);
        shown.Tags.len = user->tags.len;
        for (size_t i = 0; i < user->tags.len; i++)
            shown.Tags.items[i] =
                (struct iam_Tag){user->tags.items[i].key, user->tags.items[i].value};
    }
    return shown;
}

static RESULT user_take_tags(struct call *call, const struct iam_tagListType *given,
                             struct str_map *out)
{
    size_t which;
    out->items = ARENA_ARRAY(call->arena, given->len + 1, struct str_map_entry);
    out->len = given->len;
    for (size_t i = 0; i < given->len; i++) {
        out->items[i] = (struct str_map_entry){given->items[i].Key, given->items[i].Value};
        for (size_t j = 0; j < i; j++)
            if (str_eq_nocase(given->items[j].Key, given->items[i].Key))
                return call_fail(call, IAM_INVALID_INPUT,
                                 "Duplicate tag keys found. Please note that Tag keys are case "
                                 "insensitive.");
    }
    if (tags_check(out, 50, &which) != TAGS_OK)
        return call_fail(call, IAM_INVALID_INPUT, "The tag %.*s is not allowed.",
                         PRSTR(out->items[which].key));
    return RESULT_OK;
}

RESULT iam_CreateUser(struct call *call, const struct iam_CreateUserRequest *in,
                      struct iam_CreateUserResponse *out)
{
    struct iam_user user;
    bool found;
    TRY(iam_user_find(call, in->UserName, &user, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "User with name %.*s already exists.",
                         PRSTR(in->UserName));
    if (!str_is_absent(in->PermissionsBoundary)) /* there are no managed policies yet */
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "Scope ARN: %.*s does not exist or is not attachable.",
                         PRSTR(in->PermissionsBoundary));
    struct str random = rng_text(call->arena, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 17);
    user = (struct iam_user){
        .name = in->UserName,
        .path = str_is_absent(in->Path) ? STR("/") : in->Path,
        .id = str_concat(call->arena, STR("AIDA"), random),
        .created_ms = call->now_ms,
    };
    TRY(user_take_tags(call, &in->Tags, &user.tags));
    struct key key = iam_key(call, "user", user.name);
    TRY(call_put_record(call, &key, &iam_model, IAM_SHAPE_user, &user));
    out->User = ARENA_NEW(call->arena, struct iam_User);
    *out->User = user_shown(call, &user, true);
    return RESULT_OK;
}

RESULT iam_GetUser(struct call *call, const struct iam_GetUserRequest *in,
                   struct iam_GetUserResponse *out)
{
    struct iam_user user;
    TRY(iam_user_or_caller(call, in->UserName, &user));
    out->User = ARENA_NEW(call->arena, struct iam_User);
    *out->User = user_shown(call, &user, true);
    return RESULT_OK;
}

RESULT iam_pages_open(struct call *call, const struct key *prefix, struct str marker,
                      struct opt_int max_items, struct iam_pages *pages)
{
    struct str last;
    pages->limit = max_items.set ? (size_t)max_items.value : 100;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(prefix), false, &pages->cursor));
    if (str_is_absent(marker))
        return RESULT_OK;
    if (!paging_position(call, marker, &last))
        return call_fail(call, IAM_VALIDATION, "Invalid Marker.");
    return kv_cursor_seek(pages->cursor, str_concat(call->arena, last, str_make("", 1)));
}

RESULT iam_ListUsers(struct call *call, const struct iam_ListUsersRequest *in,
                     struct iam_ListUsersResponse *out)
{
    struct key prefix = iam_key(call, "user", (struct str){0});
    struct iam_pages pages;
    struct str key, value, last = {0};
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->IsTruncated = opt_bool(false);
    out->Users.items = ARENA_NEW(call->arena, struct iam_User); /* present, though empty */
    for (size_t cap = 1;;) {
        struct iam_user user;
        TRY(kv_next(pages.cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_user, value, &user));
        if (!str_is_absent(in->PathPrefix) && !str_starts_with(user.path, in->PathPrefix))
            continue;
        if (out->Users.len == pages.limit)
            break;
        VEC_PUSH(call->arena, out->Users.items, out->Users.len, cap,
                 user_shown(call, &user, false));
        last = str_copy(call->arena, key);
    }
    out->IsTruncated = opt_bool(true);
    out->Marker = paging_token(call, last);
    return RESULT_OK;
}

static RESULT user_has_any(struct call *call, const char *kind, struct str user, bool *any)
{
    struct key prefix = iam_key(call, kind, user);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    *any = !str_is_absent(key);
    return RESULT_OK;
}

RESULT iam_DeleteUser(struct call *call, const struct iam_DeleteUserRequest *in,
                      struct iam_DeleteUserResult *out)
{
    (void)out;
    struct iam_user user;
    bool any;
    TRY(iam_user_must(call, in->UserName, &user));
    TRY(user_has_any(call, "user-key", in->UserName, &any));
    if (any)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must delete access keys first.");
    TRY(user_has_any(call, "user-policy", in->UserName, &any));
    if (any)
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must delete policies first.");
    struct key key = iam_key(call, "user", in->UserName);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}
