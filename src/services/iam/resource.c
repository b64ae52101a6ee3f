#include "services/iam/resource.h"

#include "cloud/credentials.h"
#include "cloud/tags.h"
#include "services/iam/iam_int.h"

/* The string member of that name; absent when there is none. */
static struct str input_string(const struct call *call, const void *in, struct str name)
{
    const struct wire_model *model = call->model;
    const struct wire_shape *shape = &model->shapes[model->operations[call->operation].input];
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &model->members[shape->members + i];
        if (str_eq(wire_string(model, member->name), name) &&
            model->shapes[member->shape].type == WIRE_STRING)
            return *(const struct str *)(const void *)((const char *)in + member->offset);
    }
    return (struct str){0};
}

/* The kinds of resources whose paths a request leaves out. */
enum kind { KIND_USER, KIND_GROUP, KIND_ROLE, KIND_PROFILE, KIND_POLICY, KINDS };

static const struct kind_form {
    const char *type;   /* in the template and in the ARN */
    const char *record; /* kind of its records */
    struct str member;
    uint16_t shape;
} kinds[KINDS] = {
    [KIND_USER] = {"user", "user", STR_INIT("UserName"), IAM_SHAPE_user},
    [KIND_GROUP] = {"group", "group", STR_INIT("GroupName"), IAM_SHAPE_group},
    [KIND_ROLE] = {"role", "role", STR_INIT("RoleName"), IAM_SHAPE_role},
    [KIND_PROFILE] = {"instance-profile", "profile", STR_INIT("InstanceProfileName"),
                      IAM_SHAPE_instance_profile},
    [KIND_POLICY] = {"policy", "policy", STR_INIT("PolicyName"), IAM_SHAPE_managed_policy},
};

/* By the first line of iam.list: "iam:GetUser arn:{partition}:iam::{account}:user/{User}". */
static enum kind operation_kind(const struct call *call)
{
    struct str rules = wire_string(call->model, call->model->operations[call->operation].iam);
    struct str line, rest;
    str_cut(rules, '\n', &line, &rest);
    for (size_t i = 0; i < KINDS; i++) {
        struct str mark = str_format(call->arena, ":%s/{", kinds[i].type);
        if (str_find(line, mark) != SIZE_MAX)
            return (enum kind)i;
    }
    return KINDS;
}

/* Whose a key is that somebody asks about. */
static RESULT resource_of_key(struct call *call, struct str access_key, struct str *arn)
{
    struct credentials credentials;
    bool found;
    TRY(credentials_find(call->cloud, call->txn, call->arena, access_key, &credentials, &found));
    if (found && !str_is_absent(credentials.secret) &&
        str_eq(credentials.principal.account, call->account))
        *arn = credentials.principal.arn;
    return RESULT_OK;
}

/* What the records of all kinds begin with. */
struct record_head {
    struct str path, name;
};

static RESULT record_head(struct call *call, enum kind kind, struct str name,
                          struct record_head *head, struct str_map *tags, bool *found)
{
    struct key key = iam_key(call, kinds[kind].record, name);
    union {
        struct iam_user user;
        struct iam_group group;
        struct iam_role role;
        struct iam_instance_profile profile;
        struct iam_managed_policy policy;
    } record;
    TRY(call_get_record(call, &key, &iam_model, kinds[kind].shape, &record, found));
    *tags = (struct str_map){0};
    switch (kind) {
    case KIND_USER:
        *head = (struct record_head){record.user.path, record.user.name};
        *tags = record.user.tags;
        break;
    case KIND_GROUP:
        *head = (struct record_head){record.group.path, record.group.name};
        break;
    case KIND_ROLE:
        *head = (struct record_head){record.role.path, record.role.name};
        *tags = record.role.tags;
        break;
    case KIND_PROFILE:
        *head = (struct record_head){record.profile.path, record.profile.name};
        *tags = record.profile.tags;
        break;
    case KIND_POLICY:
        *head = (struct record_head){record.policy.path, record.policy.name};
        *tags = record.policy.tags;
        break;
    case KINDS:
        break;
    }
    return RESULT_OK;
}

/* What these list is asked for by its path: "iam:ListUsers on resource:
 * arn:aws:iam::123456789012:user/", as denials of AWS's say. */
static const struct {
    uint32_t operation;
    const char *type;
} listings[] = {
    {IAM_OP_ListUsers, "user"},
    {IAM_OP_ListGroups, "group"},
    {IAM_OP_ListRoles, "role"},
    {IAM_OP_ListInstanceProfiles, "instance-profile"},
};

/* The name that the request is about: the caller's, where it may leave it out. */
static struct str resource_name(const struct call *call, const void *in, enum kind kind)
{
    struct str name = input_string(call, in, kinds[kind].member);
    if (str_is_absent(name) && kind == KIND_USER && call->principal.kind == PRINCIPAL_USER)
        return call->principal.name;
    return name;
}

RESULT iam_resource(struct call *call, const void *in, struct str *resource_arn,
                    struct str *owner_account, struct str *policy)
{
    (void)owner_account; /* always the caller's */
    (void)policy;
    enum kind kind = operation_kind(call);
    struct record_head head;
    struct str_map tags;
    bool found;
    if (call->operation == IAM_OP_GetAccessKeyLastUsed)
        return resource_of_key(call, input_string(call, in, STR("AccessKeyId")), resource_arn);
    if (call->operation == IAM_OP_CreateServiceLinkedRole) {
        *resource_arn = iam_linked_role_arn(call, in);
        return RESULT_OK;
    }
    for (size_t i = 0; i < sizeof listings / sizeof listings[0]; i++)
        if (call->operation == listings[i].operation) {
            struct str prefix = input_string(call, in, STR("PathPrefix"));
            *resource_arn = iam_arn(call, listings[i].type, iam_path(prefix), STR(""));
            return RESULT_OK;
        }
    if (kind == KINDS)
        return iam_topic_resource(call, in, resource_arn);
    struct str arn = input_string(call, in, STR("PolicyArn"));
    struct str name = resource_name(call, in, kind);
    if (kind == KIND_POLICY && !str_is_absent(arn)) {
        *resource_arn = arn;
        return RESULT_OK;
    }
    if (str_is_absent(name) && kind == KIND_USER && call->principal.kind == PRINCIPAL_ROOT)
        *resource_arn = call->principal.arn;
    if (str_is_absent(name))
        return RESULT_OK;
    TRY(record_head(call, kind, name, &head, &tags, &found));
    struct str path = input_string(call, in, STR("Path")); /* of what is to be made */
    if (!found)
        head = (struct record_head){iam_path(path), name};
    *resource_arn = iam_arn(call, kinds[kind].type, head.path, head.name);
    return RESULT_OK;
}

/* --- condition keys --- */

/* The boundary that the request sets, or that whom it is about has. */
static RESULT key_boundary(struct call *call, const void *in, struct str *value)
{
    static const struct str member = STR_INIT("PermissionsBoundary");
    enum kind kind = operation_kind(call);
    struct iam_holdings holdings;
    struct iam_entity entity;
    bool found;
    *value = input_string(call, in, member);
    if (!str_is_absent(*value) || (kind != KIND_USER && kind != KIND_ROLE))
        return RESULT_OK;
    struct str name = resource_name(call, in, kind), there;
    struct key key = iam_key(call, kinds[kind].record, str_is_absent(name) ? STR("") : name);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (str_is_absent(there))
        return RESULT_OK;
    TRY(iam_entity_must(call, kind == KIND_USER ? IAM_USERS : IAM_ROLES, name, &entity));
    TRY(iam_holdings_get(call, call->account, entity.id, &holdings, &found));
    *value = holdings.boundary;
    return RESULT_OK;
}

static RESULT key_resource_tag(struct call *call, const void *in, struct str tag, struct str *value)
{
    enum kind kind = operation_kind(call);
    struct record_head head;
    struct str_map tags;
    bool found;
    if (kind == KINDS)
        return RESULT_OK;
    struct str name = resource_name(call, in, kind);
    struct str arn = input_string(call, in, STR("PolicyArn"));
    if (kind == KIND_POLICY && !str_is_absent(arn))
        name = str_slice(arn, str_find_last_char(arn, '/') + 1, arn.len);
    if (str_is_absent(name))
        return RESULT_OK;
    TRY(record_head(call, kind, name, &head, &tags, &found));
    for (size_t i = 0; i < tags.len; i++)
        if (str_eq_nocase(tags.items[i].key, tag))
            *value = tags.items[i].value;
    return RESULT_OK;
}

RESULT iam_condition_key(struct call *call, const void *in, struct str key, struct str *value)
{
    static const struct str tag_keys[] = {STR_INIT("iam:ResourceTag/"),
                                          STR_INIT("aws:ResourceTag/")};
    *value = (struct str){0};
    if (in == NULL || call->model != &iam_model)
        return RESULT_OK;
    if (str_eq_nocase(key, STR("iam:PolicyARN")))
        *value = input_string(call, in, STR("PolicyArn"));
    else if (str_eq_nocase(key, STR("iam:AWSServiceName")))
        *value = input_string(call, in, STR("AWSServiceName"));
    else if (str_eq_nocase(key, STR("iam:PermissionsBoundary")))
        return key_boundary(call, in, value);
    for (size_t i = 0; i < 2; i++)
        if (str_eq_nocase(str_slice(key, 0, tag_keys[i].len), tag_keys[i]))
            return key_resource_tag(call, in, str_slice(key, tag_keys[i].len, key.len), value);
    return RESULT_OK;
}
