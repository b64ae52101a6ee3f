/* Policies of functions: "Viewing resource-based IAM policies in Lambda", Developer Guide.
 *
 *   ("lambda", account, region, "policy", FUNCTION, QUALIFIER)    record policy; "" for none */
#include "services/lambda/policies.h"

static struct key policy_key(struct call *call, const struct lambda_name *name)
{
    struct key key = lambda_function_key(call, name, STR("policy"));
    key_str(&key, str_is_absent(name->qualifier) ? STR("") : name->qualifier);
    return key;
}

RESULT policy_get(struct call *call, const struct lambda_name *name, struct lambda_policy *policy,
                  bool *found)
{
    struct key key = policy_key(call, name);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_policy, policy, found);
}

/* The RevisionId of a policy is that of the function, version or alias that has it: either changes
 * with the other. */
static RESULT policy_revision(struct call *call, const struct lambda_name *name, struct str *out)
{
    struct str number = str_is_absent(name->qualifier) ? STR("$LATEST") : name->qualifier;
    struct lambda_version version;
    struct lambda_alias alias;
    bool found;
    if (lambda_is_version(number)) {
        TRY(version_get(call, name, number, &version, &found));
        *out = version.revision_id;
        return RESULT_OK;
    }
    TRY(alias_get(call, name, number, &alias, &found));
    *out = alias.revision_id;
    return RESULT_OK;
}

static RESULT policy_touch(struct call *call, const struct lambda_name *name, struct str revision)
{
    struct str number = str_is_absent(name->qualifier) ? STR("$LATEST") : name->qualifier;
    struct lambda_version version;
    struct lambda_alias alias;
    bool found;
    if (lambda_is_version(number)) {
        TRY(version_get(call, name, number, &version, &found));
        version.revision_id = revision;
        return version_put(call, name, &version);
    }
    TRY(alias_get(call, name, number, &alias, &found));
    alias.revision_id = revision;
    struct key key = lambda_function_key(call, name, STR("alias"));
    key_str(&key, number);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_alias, &alias);
}

/* As it may be changed or shown: with the revision that counts. */
static RESULT policy_read(struct call *call, const struct lambda_name *name,
                          struct lambda_policy *policy, bool *found)
{
    TRY(policy_get(call, name, policy, found));
    return policy_revision(call, name, &policy->revision_id);
}

static RESULT policy_put(struct call *call, const struct lambda_name *name,
                         const struct lambda_policy *policy)
{
    struct key key = policy_key(call, name);
    TRY(policy_touch(call, name, policy->revision_id));
    if (policy->statements.len == 0)
        return kv_delete(call->txn, key_bytes(&key), NULL);
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_policy, policy);
}

/* The function, version or alias is there. */
static RESULT permission_target(struct call *call, struct str function, struct str qualifier,
                                struct lambda_name *name)
{
    struct lambda_target target;
    TRY(lambda_name_parse(call, function, qualifier, name));
    if (str_eq(name->qualifier, STR("$LATEST")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "We currently do not support adding policies for $LATEST.");
    return lambda_find(call, name, &target);
}

static RESULT policy_missing(struct call *call)
{
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND, "The resource you requested does not exist.");
}

/* --- AddPermission --- */

struct conditions {
    struct buf *out;
    struct str open; /* the operator whose keys are being written */
};

static void condition_begin(struct conditions *conditions, struct str operator_)
{
    buf_append(conditions->out,
               str_is_absent(conditions->open) ? STR(",\"Condition\":{") : STR("},"));
    buf_append_format(conditions->out, "\"%.*s\":{", PRSTR(operator_));
    conditions->open = operator_;
}

static void condition_add(struct conditions *conditions, struct str operator_, struct str key,
                          struct str value)
{
    if (str_is_empty(value))
        return;
    if (!str_eq(conditions->open, operator_))
        condition_begin(conditions, operator_);
    else
        buf_append_char(conditions->out, ',');
    buf_append_format(conditions->out, "\"%.*s\":", PRSTR(key));
    wire_json_write_string(conditions->out, value);
}

static void permission_conditions(struct buf *out, const struct lambda_AddPermissionRequest *in)
{
    struct conditions conditions = {.out = out};
    struct str equals = STR("StringEquals");
    struct str via = {0};
    if (in->InvokedViaFunctionUrl.set)
        via = in->InvokedViaFunctionUrl.value ? STR("true") : STR("false");
    condition_add(&conditions, equals, STR("AWS:SourceAccount"), in->SourceAccount);
    condition_add(&conditions, equals, STR("lambda:EventSourceToken"), in->EventSourceToken);
    condition_add(&conditions, equals, STR("lambda:FunctionUrlAuthType"), in->FunctionUrlAuthType);
    condition_add(&conditions, equals, STR("aws:PrincipalOrgID"), in->PrincipalOrgID);
    condition_add(&conditions, STR("ArnLike"), STR("AWS:SourceArn"), in->SourceArn);
    condition_add(&conditions, STR("Bool"), STR("lambda:InvokedViaFunctionUrl"), via);
    if (!str_is_absent(conditions.open))
        buf_append(out, STR("}}"));
}

/* Whether it is what one of the service's operations asks for: "Actions, resources, and condition
 * keys for AWS Lambda". Operations that are not built stand in no iam.list. */
static bool permission_is_action(struct str action)
{
    struct str name = str_slice(action, strlen("lambda:"), action.len);
    for (size_t o = 0; o < lambda_model.operation_count; o++) {
        const struct wire_operation *operation = &lambda_model.operations[o];
        struct str line, rest = wire_string(&lambda_model, operation->iam);
        if (str_is_empty(rest) && str_eq_nocase(wire_string(&lambda_model, operation->name), name))
            return true;
        while (!str_is_empty(rest)) {
            struct str asked;
            (void)str_cut(rest, '\n', &line, &rest);
            (void)str_cut(line, ' ', &asked, &line);
            if (str_eq_nocase(asked, action))
                return true;
        }
    }
    return str_eq_nocase(name, STR("InvokeAsync"));
}

static RESULT permission_action(struct call *call, struct str action)
{
    if (str_eq(action, STR("*")) || str_eq(action, STR("lambda:*")) || permission_is_action(action))
        return RESULT_OK;
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The provided action was invalid. Please check the action and try again.");
}

static RESULT permission_statement(struct call *call, const struct lambda_name *name,
                                   const struct lambda_AddPermissionRequest *in, struct str *text)
{
    struct buf out;
    buf_init(&out, call->arena, 1024 * 1024);
    TRY(policy_statement_begin(call, in->StatementId, in->Principal, in->Action,
                               lambda_name_arn(call, name), &out));
    permission_conditions(&out, in);
    buf_append_char(&out, '}');
    *text = buf_str(&out);
    return RESULT_OK;
}

RESULT lambda_AddPermission(struct call *call, const struct lambda_AddPermissionRequest *in,
                            struct lambda_AddPermissionResponse *out)
{
    struct lambda_name name;
    struct lambda_policy policy;
    struct str statement;
    bool found;
    TRY(permission_target(call, in->FunctionName, in->Qualifier, &name));
    if (!str_is_absent(in->FunctionUrlAuthType) &&
        !str_eq(in->Action, STR("lambda:InvokeFunctionUrl")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl "
                         "action");
    if (in->InvokedViaFunctionUrl.value && !str_eq(in->Action, STR("lambda:InvokeFunction")))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction "
                         "action");
    TRY(permission_action(call, in->Action));
    TRY(policy_read(call, &name, &policy, &found));
    TRY(policy_fail_revision(call, in->RevisionId, policy.revision_id));
    TRY(permission_statement(call, &name, in, &statement));
    TRY(policy_add(call, &policy, in->StatementId, statement));
    TRY(policy_put(call, &name, &policy));
    out->Statement = statement;
    return RESULT_OK;
}

RESULT lambda_RemovePermission(struct call *call, const struct lambda_RemovePermissionRequest *in,
                               struct lambda_RemovePermissionResult *out)
{
    struct lambda_name name;
    struct lambda_policy policy;
    bool found;
    (void)out;
    TRY(permission_target(call, in->FunctionName, in->Qualifier, &name));
    TRY(policy_read(call, &name, &policy, &found));
    if (!found)
        return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                         "No policy is associated with the given resource.");
    TRY(policy_fail_revision(call, in->RevisionId, policy.revision_id));
    if (!policy_remove(call, &policy, in->StatementId))
        return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                         "Statement %.*s is not found in resource policy.", PRSTR(in->StatementId));
    return policy_put(call, &name, &policy);
}

RESULT lambda_GetPolicy(struct call *call, const struct lambda_GetPolicyRequest *in,
                        struct lambda_GetPolicyResponse *out)
{
    struct lambda_name name;
    struct lambda_target target;
    struct lambda_policy policy;
    bool found;
    TRY(lambda_name_parse(call, in->FunctionName, in->Qualifier, &name));
    TRY(lambda_find(call, &name, &target));
    TRY(policy_read(call, &name, &policy, &found));
    if (!found)
        return policy_missing(call);
    out->Policy = policy.text;
    out->RevisionId = policy.revision_id;
    return RESULT_OK;
}

/* --- whole policies: "PutResourcePolicy" replaces what AddPermission made --- */

static RESULT resource_target(struct call *call, struct str arn, struct lambda_name *name)
{
    if (str_find(arn, STR(":runtime/")) != SIZE_MAX)
        return call_fail(call, WIRE_NOT_IMPLEMENTED, "Kumoniwa has no customer-managed runtimes.");
    return permission_target(call, arn, (struct str){0}, name);
}

RESULT lambda_PutResourcePolicy(struct call *call, const struct lambda_PutResourcePolicyRequest *in,
                                struct lambda_PutResourcePolicyResponse *out)
{
    struct lambda_name name;
    struct lambda_policy policy, made;
    bool found;
    TRY(resource_target(call, in->ResourceArn, &name));
    TRY(policy_read(call, &name, &policy, &found));
    TRY(policy_fail_revision(call, in->RevisionId, policy.revision_id));
    TRY(policy_take(call, in->Policy, &made));
    TRY(policy_put(call, &name, &made));
    out->Policy = made.text;
    out->RevisionId = made.revision_id;
    return RESULT_OK;
}

RESULT lambda_GetResourcePolicy(struct call *call, const struct lambda_GetResourcePolicyRequest *in,
                                struct lambda_GetResourcePolicyResponse *out)
{
    struct lambda_name name;
    struct lambda_policy policy;
    bool found;
    TRY(resource_target(call, in->ResourceArn, &name));
    TRY(policy_read(call, &name, &policy, &found));
    if (!found)
        return policy_missing(call);
    out->Policy = policy.text;
    out->RevisionId = policy.revision_id;
    return RESULT_OK;
}

RESULT lambda_DeleteResourcePolicy(struct call *call,
                                   const struct lambda_DeleteResourcePolicyRequest *in,
                                   struct lambda_DeleteResourcePolicyResult *out)
{
    struct lambda_name name;
    struct lambda_policy policy;
    bool found;
    (void)out;
    TRY(resource_target(call, in->ResourceArn, &name));
    TRY(policy_read(call, &name, &policy, &found));
    if (!found)
        return policy_missing(call);
    TRY(policy_fail_revision(call, in->RevisionId, policy.revision_id));
    policy.statements.len = 0;
    policy.revision_id = lambda_revision(call);
    return policy_put(call, &name, &policy);
}
