/* Instance profiles ("Use instance profiles", IAM User Guide): a name under which an instance is
 * given a role. */
#include "base/vec.h"
#include "cloud/authorize.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

enum { ROLES_PER_PROFILE = 1 };

static RESULT profile_must(struct call *call, struct str name, struct iam_instance_profile *profile)
{
    struct key key = iam_key(call, "profile", name);
    bool found;
    TRY(iam_check_name(call, "instanceProfileName", name));
    TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_instance_profile, profile, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Instance Profile %.*s cannot be found.",
                         PRSTR(name));
    return RESULT_OK;
}

static RESULT profile_put(struct call *call, const struct iam_instance_profile *profile)
{
    struct key key = iam_key(call, "profile", profile->name);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_instance_profile, profile);
}

static RESULT profile_shown(struct call *call, const struct iam_instance_profile *profile,
                            bool tags, struct iam_InstanceProfile *out)
{
    struct iam_role role;
    bool found;
    *out = (struct iam_InstanceProfile){
        .Path = profile->path,
        .InstanceProfileName = profile->name,
        .InstanceProfileId = profile->id,
        .Arn = iam_arn(call, "instance-profile", profile->path, profile->name),
        .CreateDate = iam_time(profile->created_ms),
        .Roles = {.items = ARENA_NEW(call->arena, struct iam_Role)},
    };
    if (tags)
        out->Tags = iam_tags_shown(call, &profile->tags);
    if (str_is_absent(profile->role_id))
        return RESULT_OK;
    TRY(iam_role_by_id(call, profile->role_id, &role, &found));
    if (!found)
        return RESULT_OK;
    TRY(iam_role_shown(call, &role, false, out->Roles.items));
    out->Roles.items->MaxSessionDuration = (struct opt_int){0};
    out->Roles.len = 1;
    return RESULT_OK;
}

RESULT iam_CreateInstanceProfile(struct call *call,
                                 const struct iam_CreateInstanceProfileRequest *in,
                                 struct iam_CreateInstanceProfileResponse *out)
{
    struct key key = iam_key(call, "profile", in->InstanceProfileName);
    struct str there;
    struct iam_instance_profile profile = {
        .name = in->InstanceProfileName,
        .path = iam_path(in->Path),
        .id = iam_new_id(call, STR("AIPA")),
        .created_ms = call->now_ms,
    };
    TRY(iam_check_name(call, "instanceProfileName", in->InstanceProfileName));
    TRY(iam_check_path(call, "path", in->Path));
    struct iam_tagging tagging = {"iam:instance-profile", STR("iam:TagInstanceProfile"),
                                  iam_arn(call, "instance-profile", profile.path, profile.name),
                                  in};
    TRY(iam_tags_made_with(call, &tagging, &in->Tags, &profile.tags));
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "Instance Profile %.*s already exists.",
                         PRSTR(in->InstanceProfileName));
    TRY(iam_count(call, &iam_profiles_counted, 1));
    TRY(profile_put(call, &profile));
    out->InstanceProfile = ARENA_NEW(call->arena, struct iam_InstanceProfile);
    return profile_shown(call, &profile, true, out->InstanceProfile);
}

RESULT iam_GetInstanceProfile(struct call *call, const struct iam_GetInstanceProfileRequest *in,
                              struct iam_GetInstanceProfileResponse *out)
{
    struct iam_instance_profile profile;
    TRY(profile_must(call, in->InstanceProfileName, &profile));
    out->InstanceProfile = ARENA_NEW(call->arena, struct iam_InstanceProfile);
    return profile_shown(call, &profile, true, out->InstanceProfile);
}

RESULT iam_DeleteInstanceProfile(struct call *call,
                                 const struct iam_DeleteInstanceProfileRequest *in,
                                 struct iam_DeleteInstanceProfileResult *out)
{
    (void)out;
    struct iam_instance_profile profile;
    TRY(profile_must(call, in->InstanceProfileName, &profile));
    if (!str_is_absent(profile.role_id))
        return call_fail(call, IAM_DELETE_CONFLICT,
                         "Cannot delete entity, must remove roles from instance profile first.");
    struct key key = iam_key(call, "profile", profile.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return iam_count(call, &iam_profiles_counted, -1);
}

RESULT iam_ListInstanceProfiles(struct call *call, const struct iam_ListInstanceProfilesRequest *in,
                                struct iam_ListInstanceProfilesResponse *out)
{
    struct key prefix = iam_key(call, "profile", (struct str){0});
    struct iam_pages pages;
    struct str value;
    TRY(iam_check_path_prefix(call, in->PathPrefix));
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->InstanceProfiles.items = ARENA_NEW(call->arena, struct iam_InstanceProfile);
    for (size_t cap = 1;;) {
        struct iam_instance_profile profile;
        struct iam_InstanceProfile shown;
        TRY(iam_pages_next(&pages, out->InstanceProfiles.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_instance_profile, value, &profile));
        if (!str_is_absent(in->PathPrefix) && !str_starts_with(profile.path, in->PathPrefix))
            continue;
        TRY(profile_shown(call, &profile, false, &shown));
        VEC_PUSH(call->arena, out->InstanceProfiles.items, out->InstanceProfiles.len, cap, shown);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

/* --- its role: ("iam", ACCOUNT, "role-profile", ROLE-ID, PROFILE in lower case) --- */

static struct key role_profile_key(struct call *call, struct str role_id, struct str profile)
{
    struct key key = iam_key(call, "role-profile", role_id);
    key_str(&key, str_lower(call->arena, profile));
    return key;
}

RESULT iam_AddRoleToInstanceProfile(struct call *call,
                                    const struct iam_AddRoleToInstanceProfileRequest *in,
                                    struct iam_AddRoleToInstanceProfileResult *out)
{
    (void)out;
    struct iam_instance_profile profile;
    struct iam_entity role;
    TRY(profile_must(call, in->InstanceProfileName, &profile));
    TRY(iam_entity_to_change(call, IAM_ROLES, in->RoleName, &role));
    if (!str_is_absent(profile.role_id))
        return iam_quota(call, "InstanceSessionsPerInstanceProfile", ROLES_PER_PROFILE);
    TRY(authorize_pass_role(call, iam_entity_arn(call, &role), STR("ec2.amazonaws.com")));
    profile.role_id = role.id;
    struct key key = role_profile_key(call, role.id, profile.name);
    TRY(kv_put(call->txn, key_bytes(&key), profile.name));
    return profile_put(call, &profile);
}

RESULT iam_RemoveRoleFromInstanceProfile(struct call *call,
                                         const struct iam_RemoveRoleFromInstanceProfileRequest *in,
                                         struct iam_RemoveRoleFromInstanceProfileResult *out)
{
    (void)out;
    struct iam_instance_profile profile;
    struct iam_entity role;
    TRY(profile_must(call, in->InstanceProfileName, &profile));
    TRY(iam_entity_to_change(call, IAM_ROLES, in->RoleName, &role));
    if (!str_eq(profile.role_id, role.id))
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "Role %.*s in Instance Profile %.*s cannot be found.", PRSTR(role.name),
                         PRSTR(profile.name));
    profile.role_id = (struct str){0};
    struct key key = role_profile_key(call, role.id, profile.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return profile_put(call, &profile);
}

static RESULT profile_push(struct call *call, struct str name,
                           struct iam_instanceProfileListType *list, size_t *cap)
{
    struct iam_instance_profile profile;
    struct iam_InstanceProfile shown;
    TRY(profile_must(call, name, &profile));
    TRY(profile_shown(call, &profile, false, &shown));
    VEC_PUSH(call->arena, list->items, list->len, *cap, shown);
    return RESULT_OK;
}

RESULT iam_ListInstanceProfilesForRole(struct call *call,
                                       const struct iam_ListInstanceProfilesForRoleRequest *in,
                                       struct iam_ListInstanceProfilesForRoleResponse *out)
{
    struct iam_entity role;
    struct iam_pages pages;
    struct str value;
    size_t cap = 1;
    TRY(iam_entity_must(call, IAM_ROLES, in->RoleName, &role));
    struct key prefix = iam_key(call, "role-profile", role.id);
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->InstanceProfiles.items = ARENA_NEW(call->arena, struct iam_InstanceProfile);
    for (;;) {
        TRY(iam_pages_next(&pages, out->InstanceProfiles.len, &value));
        if (str_is_absent(value))
            break;
        TRY(profile_push(call, value, &out->InstanceProfiles, &cap));
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

RESULT iam_profiles_of_role(struct call *call, struct str role_id,
                            struct iam_instanceProfileListType *out)
{
    struct key prefix = iam_key(call, "role-profile", role_id);
    struct kv_cursor *cursor;
    struct str key, value;
    size_t cap = 1;
    *out = (struct iam_instanceProfileListType){
        .items = ARENA_NEW(call->arena, struct iam_InstanceProfile)};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(profile_push(call, value, out, &cap));
    }
}

/* --- tags --- */

RESULT iam_TagInstanceProfile(struct call *call, const struct iam_TagInstanceProfileRequest *in,
                              struct iam_TagInstanceProfileResult *out)
{
    (void)out;
    struct iam_instance_profile profile;
    TRY(profile_must(call, in->InstanceProfileName, &profile));
    TRY(iam_tags_add(call, "iam:instance-profile", &in->Tags, &profile.tags));
    return profile_put(call, &profile);
}

RESULT iam_UntagInstanceProfile(struct call *call, const struct iam_UntagInstanceProfileRequest *in,
                                struct iam_UntagInstanceProfileResult *out)
{
    (void)out;
    struct iam_instance_profile profile;
    TRY(profile_must(call, in->InstanceProfileName, &profile));
    iam_tags_remove(call, &in->TagKeys, &profile.tags);
    return profile_put(call, &profile);
}

RESULT iam_ListInstanceProfileTags(struct call *call,
                                   const struct iam_ListInstanceProfileTagsRequest *in,
                                   struct iam_ListInstanceProfileTagsResponse *out)
{
    struct iam_instance_profile profile;
    struct iam_tags_page page;
    TRY(profile_must(call, in->InstanceProfileName, &profile));
    TRY(iam_tags_page(call, &profile.tags, in->Marker, in->MaxItems, &page));
    *out = (struct iam_ListInstanceProfileTagsResponse){page.tags, page.truncated, page.marker};
    return RESULT_OK;
}
