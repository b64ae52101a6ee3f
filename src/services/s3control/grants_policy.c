/* Resource policies of instances, through which other accounts reach them ("S3 Access Grants
 * cross-account access", Amazon S3 User Guide), and what authorisation asks about grants. */
#include "auth/policy_words.h"
#include "cloud/arn.h"
#include "gen/s3.h"
#include "services/s3control/grants_int.h"

static RESULT invalid_policy(struct call *call)
{
    return call_fail(call, S3CONTROL_INVALID_RESOURCE_POLICY,
                     "The specified Resource Policy is invalid");
}

/* Its resources are the instance and what is in it, its actions those of S3. */
static RESULT check_statement(struct call *call, const struct policy *policy, size_t statement,
                              struct str arn)
{
    struct policy_words words;
    policy_statement_words(call->arena, policy, statement, &words);
    for (size_t i = 0; i < words.resources.len; i++) {
        struct str resource = words.resources.items[i];
        struct str inside = str_concat(call->arena, arn, STR("/"));
        if (!policy_glob(call->arena, resource, arn) && !str_starts_with(resource, inside))
            return invalid_policy(call);
    }
    for (size_t i = 0; i < words.actions.len; i++)
        if (!str_starts_with(words.actions.items[i], STR("s3:")) &&
            !str_eq(words.actions.items[i], STR("*")))
            return invalid_policy(call);
    return RESULT_OK;
}

RESULT
s3control_PutAccessGrantsInstanceResourcePolicy(
    struct call *call, const struct s3control_PutAccessGrantsInstanceResourcePolicyRequest *in,
    struct s3control_PutAccessGrantsInstanceResourcePolicyResult *out)
{
    struct s3control_grants_instance instance;
    const struct policy *policy;
    struct str reason;
    TRY(grants_open(call, in->AccountId, &instance));
    enum result result =
        policy_compile(call->arena, in->Policy, POLICY_FORM_RESOURCE, &policy, &reason);
    if (result == RESULT_ERROR)
        return invalid_policy(call);
    TRY(result);
    for (size_t i = 0; i < policy_statement_count(policy); i++)
        TRY(check_statement(call, policy, i, grants_arn(call, &instance)));
    instance.policy = in->Policy;
    instance.organization = in->Organization;
    instance.policy_ms = call->now_ms;
    TRY(grants_put(call, &instance));
    out->Policy = in->Policy;
    out->Organization = in->Organization;
    out->CreatedAt = opt_time(instance.policy_ms);
    return RESULT_OK;
}

static RESULT policy_open(struct call *call, struct str account,
                          struct s3control_grants_instance *instance)
{
    TRY(grants_open(call, account, instance));
    if (!str_is_absent(instance->policy))
        return RESULT_OK;
    return call_fail(call, S3CONTROL_ACCESS_GRANTS_INSTANCE_RESOURCE_POLICY_NOT_EXISTS,
                     "Access Grants Instance Resource Policy does not exist");
}

RESULT
s3control_GetAccessGrantsInstanceResourcePolicy(
    struct call *call, const struct s3control_GetAccessGrantsInstanceResourcePolicyRequest *in,
    struct s3control_GetAccessGrantsInstanceResourcePolicyResult *out)
{
    struct s3control_grants_instance instance;
    TRY(policy_open(call, in->AccountId, &instance));
    out->Policy = instance.policy;
    out->Organization = instance.organization;
    out->CreatedAt = opt_time(instance.policy_ms);
    return RESULT_OK;
}

RESULT
s3control_DeleteAccessGrantsInstanceResourcePolicy(
    struct call *call, const struct s3control_DeleteAccessGrantsInstanceResourcePolicyRequest *in,
    struct s3control_DeleteAccessGrantsInstanceResourcePolicyResult *out)
{
    (void)out;
    struct s3control_grants_instance instance;
    TRY(policy_open(call, in->AccountId, &instance));
    instance.policy = instance.organization = (struct str){0};
    return grants_put(call, &instance);
}

/* --- whose data a path is --- */

/* S3 tells whose a bucket is. */
static RESULT owner_of_bucket(struct call *call, struct str bucket, struct str *owner)
{
    struct str arn =
        str_format(call->arena, "arn:%.*s:s3:::%.*s", PRSTR(call->partition), PRSTR(bucket));
    struct str policy = {0};
    *owner = (struct str){0};
    for (size_t i = 0; call->cloud->hooks[i] != NULL; i++)
        if (call->cloud->hooks[i]->model == &s3_model)
            return call->cloud->hooks[i]->policy_of_arn(call, arn, owner, &policy);
    return RESULT_OK;
}

static RESULT instance_for_prefix(struct call *call, struct str prefix,
                                  struct s3control_grants_instance *instance, bool *found)
{
    struct grants_scope scope;
    struct str owner;
    *found = false;
    if (!grants_scope_read(call, prefix, false, &scope) ||
        str_is_empty(grants_scope_bucket(scope.stem)))
        return RESULT_OK;
    TRY(owner_of_bucket(call, grants_scope_bucket(scope.stem), &owner));
    if (str_is_absent(owner))
        return RESULT_OK;
    return grants_find(call, owner, call->region, instance, found);
}

RESULT
s3control_GetAccessGrantsInstanceForPrefix(
    struct call *call, const struct s3control_GetAccessGrantsInstanceForPrefixRequest *in,
    struct s3control_GetAccessGrantsInstanceForPrefixResult *out)
{
    struct s3control_grants_instance instance;
    struct grants_scope scope;
    bool found;
    TRY(account_check(call, in->AccountId));
    if (!grants_scope_read(call, in->S3Prefix, false, &scope))
        return call_fail(call, S3CONTROL_INVALID_REQUEST, "The S3 prefix must start with s3://");
    TRY(instance_for_prefix(call, in->S3Prefix, &instance, &found));
    if (!found)
        return call_fail(call, S3CONTROL_ACCESS_GRANTS_INSTANCE_NOT_EXISTS,
                         "Access Grants Instance does not exist");
    out->AccessGrantsInstanceArn = grants_arn(call, &instance);
    out->AccessGrantsInstanceId = STR("default");
    return RESULT_OK;
}

/* --- authorisation --- */

static struct str member_of(const struct call *call, const void *in, const char *name)
{
    const struct wire_model *model = call->model;
    const struct wire_shape *shape = &model->shapes[model->operations[call->operation].input];
    for (size_t i = 0; in != NULL && i < shape->member_count; i++) {
        const struct wire_member *member = &model->members[shape->members + i];
        if (str_eq(wire_string(model, member->name), str_from_c(name)) &&
            model->shapes[member->shape].type == WIRE_STRING)
            return *(const struct str *)(const void *)((const char *)in + member->offset);
    }
    return (struct str){0};
}

/* Operations on an instance that another account may be let into. */
static bool is_of_instance(uint32_t operation)
{
    static const uint32_t shared[] = {
        S3CONTROL_OP_AssociateAccessGrantsIdentityCenter,
        S3CONTROL_OP_CreateAccessGrant,
        S3CONTROL_OP_CreateAccessGrantsInstance,
        S3CONTROL_OP_CreateAccessGrantsLocation,
        S3CONTROL_OP_DeleteAccessGrant,
        S3CONTROL_OP_DeleteAccessGrantsInstance,
        S3CONTROL_OP_DeleteAccessGrantsInstanceResourcePolicy,
        S3CONTROL_OP_DeleteAccessGrantsLocation,
        S3CONTROL_OP_DissociateAccessGrantsIdentityCenter,
        S3CONTROL_OP_GetAccessGrant,
        S3CONTROL_OP_GetAccessGrantsInstanceResourcePolicy,
        S3CONTROL_OP_GetAccessGrantsLocation,
        S3CONTROL_OP_GetDataAccess,
        S3CONTROL_OP_ListAccessGrants,
        S3CONTROL_OP_ListAccessGrantsLocations,
        S3CONTROL_OP_ListCallerAccessGrants,
        S3CONTROL_OP_PutAccessGrantsInstanceResourcePolicy,
        S3CONTROL_OP_UpdateAccessGrantsLocation,
    };
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (shared[i] == operation)
            return true;
    return false;
}

/* The ARN stays what iam.list makes of the request, but for a prefix, whose owner's instance is
 * asked about. */
RESULT grants_resource_policy(struct call *call, const void *in, struct str *arn, struct str *owner,
                              struct str *policy)
{
    struct s3control_grants_instance instance;
    bool found;
    if (call->operation == S3CONTROL_OP_GetAccessGrantsInstanceForPrefix) {
        TRY(instance_for_prefix(call, member_of(call, in, "S3Prefix"), &instance, &found));
        if (!found)
            return RESULT_OK;
        *arn = grants_arn(call, &instance);
        *owner = instance.account;
        *policy = instance.policy;
        return RESULT_OK;
    }
    if (!is_of_instance(call->operation))
        return RESULT_OK;
    *owner = member_of(call, in, "AccountId");
    TRY(grants_find(call, *owner, call->region, &instance, &found));
    if (found)
        *policy = instance.policy;
    return RESULT_OK;
}

RESULT grants_tagged_open(struct call *call, struct str account, struct str resource,
                          struct grants_tagged *tagged, bool *found)
{
    struct str before = STR("access-grants/default"), rest, kind, id;
    *tagged = (struct grants_tagged){0};
    *found = false;
    if (!str_starts_with(resource, before))
        return RESULT_OK;
    TRY(grants_find(call, account, call->region, &tagged->instance, found));
    rest = str_slice(resource, before.len, resource.len);
    tagged->tags = &tagged->instance.tags;
    if (!*found || str_is_empty(rest))
        return RESULT_OK;
    *found = false;
    if (!str_starts_with(rest, STR("/")) || !str_cut(str_slice(rest, 1, rest.len), '/', &kind, &id))
        return RESULT_OK;
    if (str_eq(kind, STR("location"))) {
        tagged->tags = &tagged->location.tags;
        return location_find(call, account, id, &tagged->location, found);
    }
    if (!str_eq(kind, STR("grant")))
        return RESULT_OK;
    tagged->tags = &tagged->grant.tags;
    return grant_find(call, account, id, &tagged->grant, found);
}

RESULT grants_tagged_put(struct call *call, struct grants_tagged *tagged)
{
    struct str account = tagged->instance.account;
    if (tagged->tags == &tagged->location.tags)
        return location_put(call, account, &tagged->location);
    if (tagged->tags == &tagged->grant.tags)
        return grant_put(call, account, &tagged->grant);
    return grants_put(call, &tagged->instance);
}

/* What the request is about, as in its ARN behind the account. */
static struct str resource_of(const struct call *call, const void *in, struct str *account)
{
    struct str grant = member_of(call, in, "AccessGrantId"),
               location = member_of(call, in, "AccessGrantsLocationId");
    struct str text = member_of(call, in, "ResourceArn");
    struct arn arn;
    *account = member_of(call, in, "AccountId");
    if (!str_is_absent(text))
        return arn_parse(text, &arn) ? arn.resource : STR("");
    if (!str_is_absent(grant))
        return str_format(call->arena, "access-grants/default/grant/%.*s", PRSTR(grant));
    if (!str_is_absent(location))
        return str_format(call->arena, "access-grants/default/location/%.*s", PRSTR(location));
    return is_of_instance(call->operation) ? STR("access-grants/default") : STR("");
}

RESULT grants_condition_key(struct call *call, const void *in, struct str key, struct str *value)
{
    struct str prefix = STR("aws:ResourceTag/"), account;
    struct grants_tagged tagged;
    bool found;
    if (!str_eq_nocase(str_slice(key, 0, prefix.len), prefix))
        return RESULT_OK;
    struct str resource = resource_of(call, in, &account);
    TRY(grants_tagged_open(call, account, resource, &tagged, &found));
    for (size_t i = 0; found && i < tagged.tags->len; i++)
        if (str_eq_nocase(tagged.tags->items[i].key, str_slice(key, prefix.len, key.len)))
            *value = tagged.tags->items[i].value;
    return RESULT_OK;
}
