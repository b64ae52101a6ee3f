/* What an execution role must be allowed before a configuration is taken: Lambda asks when it is
 * made, not when it is used first. */
#include "services/lambda/role_rights.h"

#include "cloud/authorize.h"
#include "gen/sqs.h"

RESULT role_may(struct call *call, const struct principal *role, const char *action,
                struct str resource, struct str owner, struct str policy, bool *allowed)
{
    const struct authorize_ask ask = {
        .who = role,
        .action = str_from_c(action),
        .resource = resource,
        .owner = owner,
        .policy = policy,
        .form = POLICY_FORM_RESOURCE,
    };
    return authorize_may(call, &ask, allowed);
}

static struct str attribute(const struct str_map *attributes, const char *name)
{
    for (size_t i = 0; i < attributes->len; i++)
        if (str_eq(attributes->items[i].key, str_from_c(name)))
            return attributes->items[i].value;
    return (struct str){0};
}

/* As SQS itself sees the queue: the role's right is asked about apart. */
RESULT source_queue_look(struct call *call, const struct arn *arn, struct source_queue *out)
{
    struct str *all = ARENA_NEW(call->arena, struct str);
    *all = STR("All");
    const struct sqs_GetQueueAttributesRequest in = {
        .QueueUrl =
            str_format(call->arena, "/%.*s/%.*s", PRSTR(arn->account), PRSTR(arn->resource)),
        .AttributeNames = {all, 1},
    };
    const struct call_invocation invocation = {
        .model = &sqs_model,
        .operation = SQS_OP_GetQueueAttributes,
        .in = &in,
        .principal = {.kind = PRINCIPAL_SERVICE,
                      .account = arn->account,
                      .name = STR("sqs.amazonaws.com")},
        .account = arn->account,
        .region = arn->region,
    };
    const void *found;
    uint32_t error;
    *out = (struct source_queue){0};
    enum result result = call_invoke(call, &invocation, &found, &error, &out->message);
    if (result == RESULT_ERROR) {
        out->code = wire_string(&sqs_model, sqs_model.errors[error].code);
        return RESULT_OK;
    }
    TRY(result);
    const struct str_map *map = &((const struct sqs_GetQueueAttributesResult *)found)->Attributes;
    out->policy = attribute(map, "Policy");
    (void)str_to_i64(attribute(map, "VisibilityTimeout"), &out->visibility_s);
    return RESULT_OK;
}

static RESULT right_missing(struct call *call, const char *action, const char *service)
{
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The provided execution role does not have permissions to call %s on %s",
                     action, service);
}

static RESULT rights_of_queue(struct call *call, const struct principal *role, struct str target,
                              bool *allowed)
{
    struct source_queue queue;
    struct arn arn;
    *allowed = false;
    if (!arn_parse(target, &arn))
        return RESULT_OK;
    TRY(source_queue_look(call, &arn, &queue));
    return role_may(call, role, "sqs:SendMessage", target, arn.account, queue.policy, allowed);
}

RESULT role_rights_check(struct call *call, const struct lambda_name *name,
                         const struct lambda_version *version)
{
    struct principal role;
    bool found, allowed;
    bool traces = str_eq(version->tracing, STR("Active"));
    bool inside = version->vpc != NULL && version->vpc->SubnetIds.len > 0;
    if (!traces && !inside && str_is_empty(version->dead_letter))
        return RESULT_OK;
    TRY(event_role(call, version->role, name->function, &role, &found));
    if (!found)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The role defined for the function cannot be assumed by Lambda.");
    if (!str_is_empty(version->dead_letter)) {
        TRY(rights_of_queue(call, &role, version->dead_letter, &allowed));
        if (!allowed)
            return right_missing(call, "SendMessage", "SQS");
    }
    if (traces) {
        TRY(role_may(call, &role, "xray:PutTraceSegments", STR("*"), name->account, (struct str){0},
                     &allowed));
        if (!allowed)
            return right_missing(call, "PutTraceSegments", "XRAY");
    }
    if (inside) {
        TRY(role_may(call, &role, "ec2:CreateNetworkInterface", STR("*"), name->account,
                     (struct str){0}, &allowed));
        if (!allowed)
            return right_missing(call, "CreateNetworkInterface", "EC2");
    }
    return RESULT_OK;
}

/* --- destinations of asynchronous invocations --- */

static RESULT destination_missing(struct call *call, struct str target)
{
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "The destination ARN %.*s is invalid.",
                     PRSTR(target));
}

static RESULT destination_look(struct call *call, const struct arn *arn, struct str target,
                               const char **action, struct str *policy)
{
    struct source_queue queue;
    struct lambda_name name;
    struct lambda_target function;
    struct lambda_policy kept;
    bool found;
    if (str_eq(arn->service, STR("sqs"))) {
        TRY(source_queue_look(call, arn, &queue));
        if (!str_is_absent(queue.code))
            return destination_missing(call, target);
        *action = "sqs:SendMessage";
        *policy = queue.policy;
    } else if (str_eq(arn->service, STR("lambda"))) {
        if (!lambda_name_split(call, target, &name))
            return destination_missing(call, target);
        enum result result = lambda_find(call, &name, &function);
        if (result == RESULT_ERROR)
            return destination_missing(call, target);
        TRY(result);
        TRY(policy_get(call, &name, &kept, &found));
        *action = "lambda:InvokeFunction";
        *policy = found ? kept.text : (struct str){0};
    } else {
        *action = NULL; /* S3: asked when something is put */
    }
    return RESULT_OK;
}

RESULT role_rights_of_destination(struct call *call, const struct lambda_target *target,
                                  struct str destination)
{
    struct principal role;
    struct str policy = {0};
    struct arn arn;
    const char *action = NULL;
    bool found, allowed = false;
    if (!arn_parse(destination, &arn))
        return destination_missing(call, destination);
    TRY(destination_look(call, &arn, destination, &action, &policy));
    if (action == NULL)
        return RESULT_OK;
    TRY(event_role(call, target->version.role, target->name.function, &role, &found));
    if (found)
        TRY(role_may(call, &role, action, destination, arn.account, policy, &allowed));
    if (allowed)
        return RESULT_OK;
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The function's execution role does not have permissions to call %s on %.*s",
                     str_eq(arn.service, STR("sqs")) ? "SendMessage" : "InvokeFunction",
                     PRSTR(destination));
}
