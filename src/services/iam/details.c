/* Everything of an account in one sequence of pages ("GetAccountAuthorizationDetails"): users,
 * groups, roles, its own policies, AWS's policies. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/iam/aws_policies.h"
#include "services/iam/iam_int.h"
#include "store/record.h"

enum section { SECTION_USERS, SECTION_GROUPS, SECTION_ROLES, SECTION_OWN, SECTION_AWS, SECTIONS };

static const struct section_form {
    const char *kind; /* of its records; NULL: AWS's table */
    struct str filter;
} sections[SECTIONS] = {
    [SECTION_USERS] = {"user", STR_INIT("User")},
    [SECTION_GROUPS] = {"group", STR_INIT("Group")},
    [SECTION_ROLES] = {"role", STR_INIT("Role")},
    [SECTION_OWN] = {"policy", STR_INIT("LocalManagedPolicy")},
    [SECTION_AWS] = {NULL, STR_INIT("AWSManagedPolicy")},
};

struct details {
    struct call *call;
    struct iam_GetAccountAuthorizationDetailsResponse *out;
    size_t users, groups, roles, policies; /* capacities */
    size_t taken, limit;
    struct str last; /* a section's digit, and a key or a name */
    bool full;
};

static struct iam_policyDetailListType inlined_shown(struct call *call,
                                                     const struct iam_holdings *holdings)
{
    struct iam_policyDetailListType list = {.len = holdings->inlined.len};
    list.items = ARENA_ARRAY(call->arena, list.len + 1, struct iam_PolicyDetail);
    for (size_t i = 0; i < list.len; i++)
        list.items[i] = (struct iam_PolicyDetail){
            holdings->inlined.items[i].name,
            iam_shown_document(call, holdings->inlined.items[i].document)};
    return list;
}

static RESULT add_user(struct details *details, const struct iam_user *user)
{
    struct call *call = details->call;
    struct iam_holdings holdings;
    bool found;
    TRY(iam_holdings_get(call, call->account, user->id, &holdings, &found));
    struct iam_UserDetail detail = {
        .Path = user->path,
        .UserName = user->name,
        .UserId = user->id,
        .Arn = iam_user_arn(call, user),
        .CreateDate = iam_time(user->created_ms),
        .UserPolicyList = inlined_shown(call, &holdings),
        .GroupList = {.items = ARENA_ARRAY(call->arena, holdings.groups.len + 1, struct str)},
        .AttachedManagedPolicies = iam_attached_shown(call, &holdings.attached),
        .PermissionsBoundary = iam_boundary_shown(call, holdings.boundary),
        .Tags = iam_tags_shown(call, &user->tags),
    };
    for (size_t i = 0; i < holdings.groups.len; i++) {
        struct iam_group group;
        TRY(iam_group_by_id(call, holdings.groups.items[i], &group, &found));
        if (found)
            detail.GroupList.items[detail.GroupList.len++] = group.name;
    }
    VEC_PUSH(call->arena, details->out->UserDetailList.items, details->out->UserDetailList.len,
             details->users, detail);
    return RESULT_OK;
}

static RESULT add_group(struct details *details, const struct iam_group *group)
{
    struct call *call = details->call;
    struct iam_holdings holdings;
    bool found;
    TRY(iam_holdings_get(call, call->account, group->id, &holdings, &found));
    struct iam_GroupDetail detail = {
        .Path = group->path,
        .GroupName = group->name,
        .GroupId = group->id,
        .Arn = iam_group_arn(call, group),
        .CreateDate = iam_time(group->created_ms),
        .GroupPolicyList = inlined_shown(call, &holdings),
        .AttachedManagedPolicies = iam_attached_shown(call, &holdings.attached),
    };
    VEC_PUSH(call->arena, details->out->GroupDetailList.items, details->out->GroupDetailList.len,
             details->groups, detail);
    return RESULT_OK;
}

static RESULT add_role(struct details *details, const struct iam_role *role)
{
    struct call *call = details->call;
    struct iam_holdings holdings;
    struct str trust;
    bool found;
    TRY(iam_trust_now(call, role, &trust));
    TRY(iam_holdings_get(call, call->account, role->id, &holdings, &found));
    struct iam_RoleDetail detail = {
        .Path = role->path,
        .RoleName = role->name,
        .RoleId = role->id,
        .Arn = iam_role_arn(call, role),
        .CreateDate = iam_time(role->created_ms),
        .AssumeRolePolicyDocument = iam_shown_document(call, trust),
        .RolePolicyList = inlined_shown(call, &holdings),
        .AttachedManagedPolicies = iam_attached_shown(call, &holdings.attached),
        .PermissionsBoundary = iam_boundary_shown(call, holdings.boundary),
        .Tags = iam_tags_shown(call, &role->tags),
    };
    TRY(iam_profiles_of_role(call, role->id, &detail.InstanceProfileList));
    TRY(iam_role_last_used(call, role, &detail.RoleLastUsed));
    VEC_PUSH(call->arena, details->out->RoleDetailList.items, details->out->RoleDetailList.len,
             details->roles, detail);
    return RESULT_OK;
}

static RESULT add_policy(struct details *details, struct str arn)
{
    struct call *call = details->call;
    struct iam_managed policy;
    struct iam_Policy shown;
    bool found;
    TRY(iam_managed_find(call, call->account, arn, &policy, &found));
    if (!found)
        return RESULT_OK;
    TRY(iam_managed_shown(call, &policy, true, &shown));
    struct iam_ManagedPolicyDetail detail = {
        .PolicyName = shown.PolicyName,
        .PolicyId = shown.PolicyId,
        .Arn = shown.Arn,
        .Path = shown.Path,
        .DefaultVersionId = shown.DefaultVersionId,
        .AttachmentCount = shown.AttachmentCount,
        .PermissionsBoundaryUsageCount = shown.PermissionsBoundaryUsageCount,
        .IsAttachable = shown.IsAttachable,
        .Description = shown.Description,
        .CreateDate = shown.CreateDate,
        .UpdateDate = shown.UpdateDate,
    };
    TRY(iam_versions_shown(call, &policy, true, &detail.PolicyVersionList));
    VEC_PUSH(call->arena, details->out->Policies.items, details->out->Policies.len,
             details->policies, detail);
    return RESULT_OK;
}

static RESULT add_record(struct details *details, enum section section, struct str value)
{
    struct call *call = details->call;
    union {
        struct iam_user user;
        struct iam_group group;
        struct iam_role role;
        struct iam_managed_policy policy;
    } record;
    switch (section) {
    case SECTION_USERS:
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_user, value, &record.user));
        return add_user(details, &record.user);
    case SECTION_GROUPS:
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_group, value, &record.group));
        return add_group(details, &record.group);
    case SECTION_ROLES:
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_role, value, &record.role));
        return add_role(details, &record.role);
    case SECTION_OWN:
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_managed_policy, value,
                          &record.policy));
        return add_policy(details, iam_policy_arn(call, &record.policy));
    case SECTION_AWS:
    case SECTIONS:
        break;
    }
    return RESULT_OK;
}

/* Whether there is room for one more, which then stands at this position. */
static bool details_room(struct details *details, enum section section, struct str position)
{
    if (details->taken >= details->limit) {
        details->full = true;
        return false;
    }
    details->taken++;
    details->last = str_format(details->call->arena, "%d%.*s", (int)section, PRSTR(position));
    return true;
}

static RESULT details_records(struct details *details, enum section section, struct str after)
{
    struct call *call = details->call;
    struct key prefix = iam_key(call, sections[section].kind, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(after)) {
        struct key from = iam_key(call, sections[section].kind, after);
        TRY(kv_cursor_seek(cursor, str_concat(call->arena, key_bytes(&from), str_make("", 1))));
    }
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(call->arena, key);
        struct str name;
        for (int i = 0; i < 4; i++)
            if (!key_next_str(&reader, &name))
                return FAULT("iam: a key of no %s", sections[section].kind);
        if (!details_room(details, section, name))
            return RESULT_OK;
        TRY(add_record(details, section, value));
    }
}

/* Of AWS's, those that the account uses ("Policies": "only those attached"). */
static RESULT details_aws(struct details *details, struct str after)
{
    struct call *call = details->call;
    for (size_t i = 0; i < iam_aws_policy_count && !details->full; i++) {
        struct str name = iam_aws_policies[i].full_name;
        struct iam_policy_use use;
        struct str arn = str_format(call->arena, "arn:aws:iam::aws:policy/%.*s", PRSTR(name));
        if (!str_is_absent(after) && str_cmp(name, after) <= 0)
            continue;
        TRY(iam_policy_use(call, arn, &use));
        if (use.attached == 0 && use.bounding == 0)
            continue;
        if (details_room(details, SECTION_AWS, name))
            TRY(add_policy(details, arn));
    }
    return RESULT_OK;
}

static bool section_wanted(const struct str_list *filter, enum section section)
{
    for (size_t i = 0; i < filter->len; i++)
        if (str_eq(filter->items[i], sections[section].filter))
            return true;
    return filter->len == 0;
}

RESULT
iam_GetAccountAuthorizationDetails(struct call *call,
                                   const struct iam_GetAccountAuthorizationDetailsRequest *in,
                                   struct iam_GetAccountAuthorizationDetailsResponse *out)
{
    struct details details = {
        .call = call, .out = out, .limit = in->MaxItems.set ? (size_t)in->MaxItems.value : 100};
    struct str position = {0};
    size_t first = 0;
    if (!str_is_absent(in->Marker)) {
        if (!paging_position(call, in->Marker, &position) || position.len == 0 ||
            position.ptr[0] < '0' || position.ptr[0] >= '0' + SECTIONS)
            return call_fail(call, IAM_VALIDATION, "Invalid Marker.");
        first = (size_t)(position.ptr[0] - '0');
        position = str_slice(position, 1, position.len);
    }
    for (size_t s = first; s < SECTIONS && !details.full; s++) {
        enum section section = (enum section)s;
        if (section_wanted(&in->Filter, section))
            TRY(section == SECTION_AWS ? details_aws(&details, position)
                                       : details_records(&details, section, position));
        position = (struct str){0};
    }
    out->IsTruncated = opt_bool(details.full);
    if (details.full)
        out->Marker = paging_token(call, details.last);
    return RESULT_OK;
}
