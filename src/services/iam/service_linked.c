/* Roles that a service owns ("Create a service-linked role", "AWS services that work with IAM", IAM
 * User Guide). */
#include "base/rng.h"
#include "cloud/identity_cache.h"
#include "services/iam/iam_int.h"

/* The services that have such roles, with the name that each gives and the policy that AWS
 * attaches. */
static const struct linked_service {
    const char *service;
    const char *role;
    const char *policy; /* NULL: Kumoniwa has no document of it */
    bool suffixes;      /* more than one role, told apart by a suffix */
} linked_services[] = {
    {"access-analyzer.amazonaws.com", "AWSServiceRoleForAccessAnalyzer", NULL, false},
    {"autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", NULL, true},
    {"batch.amazonaws.com", "AWSServiceRoleForBatch", NULL, false},
    {"cloudtrail.amazonaws.com", "AWSServiceRoleForCloudTrail", NULL, false},
    {"config.amazonaws.com", "AWSServiceRoleForConfig", NULL, false},
    {"dax.amazonaws.com", "AWSServiceRoleForDAX", NULL, false},
    {"dynamodb.application-autoscaling.amazonaws.com",
     "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable", NULL, false},
    {"ec2.application-autoscaling.amazonaws.com",
     "AWSServiceRoleForApplicationAutoScaling_EC2SpotFleetRequest", NULL, false},
    {"ecs.amazonaws.com", "AWSServiceRoleForECS", NULL, false},
    {"ecs.application-autoscaling.amazonaws.com",
     "AWSServiceRoleForApplicationAutoScaling_ECSService", NULL, false},
    {"eks.amazonaws.com", "AWSServiceRoleForAmazonEKS", NULL, false},
    {"elasticache.amazonaws.com", "AWSServiceRoleForElastiCache", NULL, false},
    {"elasticbeanstalk.amazonaws.com", "AWSServiceRoleForElasticBeanstalk", NULL, false},
    {"elasticfilesystem.amazonaws.com", "AWSServiceRoleForAmazonElasticFileSystem", NULL, false},
    {"elasticloadbalancing.amazonaws.com", "AWSServiceRoleForElasticLoadBalancing", NULL, false},
    {"es.amazonaws.com", "AWSServiceRoleForAmazonElasticsearchService", NULL, false},
    {"events.amazonaws.com", "AWSServiceRoleForCloudWatchEvents", NULL, false},
    {"guardduty.amazonaws.com", "AWSServiceRoleForAmazonGuardDuty", NULL, false},
    {"inspector2.amazonaws.com", "AWSServiceRoleForAmazonInspector2", NULL, false},
    {"kafka.amazonaws.com", "AWSServiceRoleForKafka", NULL, false},
    {"lambda.application-autoscaling.amazonaws.com",
     "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency", NULL, false},
    {"lex.amazonaws.com", "AWSServiceRoleForLexBots", NULL, false},
    {"opensearchservice.amazonaws.com", "AWSServiceRoleForAmazonOpenSearchService", NULL, false},
    {"ops.apigateway.amazonaws.com", "AWSServiceRoleForAPIGateway", NULL, false},
    {"organizations.amazonaws.com", "AWSServiceRoleForOrganizations",
     "AWSOrganizationsServiceTrustPolicy", false},
    {"rds.amazonaws.com", "AWSServiceRoleForRDS", NULL, false},
    {"rds.application-autoscaling.amazonaws.com",
     "AWSServiceRoleForApplicationAutoScaling_RDSCluster", NULL, false},
    {"redshift.amazonaws.com", "AWSServiceRoleForRedshift", NULL, false},
    {"replication.dynamodb.amazonaws.com", "AWSServiceRoleForDynamoDBReplication",
     "DynamoDBReplicationServiceRolePolicy", false},
    {"securityhub.amazonaws.com", "AWSServiceRoleForSecurityHub", NULL, false},
    {"spot.amazonaws.com", "AWSServiceRoleForEC2Spot", NULL, false},
    {"spotfleet.amazonaws.com", "AWSServiceRoleForEC2SpotFleet", NULL, false},
    {"ssm.amazonaws.com", "AWSServiceRoleForAmazonSSM", NULL, false},
    {"sso.amazonaws.com", "AWSServiceRoleForSSO", NULL, false},
    {"support.amazonaws.com", "AWSServiceRoleForSupport", NULL, false},
    {"transitgateway.amazonaws.com", "AWSServiceRoleForVPCTransitGateway", NULL, false},
    {"trustedadvisor.amazonaws.com", "AWSServiceRoleForTrustedAdvisor", NULL, false},
};

static const struct linked_service *linked_find(struct str service)
{
    for (size_t i = 0; i < sizeof linked_services / sizeof linked_services[0]; i++)
        if (str_eq(service, str_from_c(linked_services[i].service)))
            return &linked_services[i];
    return NULL;
}

struct str iam_linked_role_arn(struct call *call,
                               const struct iam_CreateServiceLinkedRoleRequest *in)
{
    const struct linked_service *service = linked_find(in->AWSServiceName);
    struct str suffix = in->CustomSuffix;
    struct str name = service == NULL ? STR("*") : str_from_c(service->role);
    if (!str_is_absent(suffix))
        name = str_format(call->arena, "%.*s_%.*s", PRSTR(name), PRSTR(suffix));
    struct str path = str_format(call->arena, "/aws-service-role/%.*s/", PRSTR(in->AWSServiceName));
    return iam_arn(call, "role", path, name);
}

static RESULT linked_attach(struct call *call, const struct linked_service *service,
                            const struct iam_role *role)
{
    struct iam_holdings holdings = {0};
    struct iam_managed policy;
    bool found = false;
    if (service->policy != NULL) {
        struct str arn =
            str_format(call->arena, "arn:aws:iam::aws:policy/aws-service-role/%s", service->policy);
        TRY(iam_managed_find(call, call->account, arn, &policy, &found));
        if (found) {
            struct iam_entity entity = {IAM_ROLES, role->name, role->path, role->id};
            iam_list_insert(call->arena, &holdings.attached, 0, arn);
            TRY(iam_policy_used(call, &entity, arn, true));
        }
    }
    return iam_holdings_put(call, role->id, &holdings);
}

RESULT iam_CreateServiceLinkedRole(struct call *call,
                                   const struct iam_CreateServiceLinkedRoleRequest *in,
                                   struct iam_CreateServiceLinkedRoleResponse *out)
{
    const struct linked_service *service = linked_find(in->AWSServiceName);
    if (service == NULL)
        return call_fail(call, IAM_INVALID_INPUT,
                         "Service principal %.*s does not support service-linked roles, or is not "
                         "valid.",
                         PRSTR(in->AWSServiceName));
    if (!str_is_absent(in->CustomSuffix) && !service->suffixes)
        return call_fail(call, IAM_INVALID_INPUT, "Custom suffix is not allowed for %.*s",
                         PRSTR(in->AWSServiceName));
    struct str name = str_from_c(service->role), taken = {0};
    struct iam_role role = {
        .name = str_is_absent(in->CustomSuffix)
                    ? name
                    : str_format(call->arena, "%s_%.*s", service->role, PRSTR(in->CustomSuffix)),
        .path = str_format(call->arena, "/aws-service-role/%.*s/", PRSTR(in->AWSServiceName)),
        .id = iam_new_id(call, STR("AROA")),
        .created_ms = call->now_ms,
        .trust = str_format(call->arena,
                            "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                            "\"Principal\":{\"Service\":\"%.*s\"},\"Action\":\"sts:AssumeRole\"}]}",
                            PRSTR(in->AWSServiceName)),
        .description = in->Description,
        .max_session_s = 3600,
        .linked = in->AWSServiceName,
    };
    struct key key = iam_key(call, "role", role.name);
    TRY(kv_get(call->txn, key_bytes(&key), &taken));
    if (!str_is_absent(taken))
        return call_fail(call, IAM_INVALID_INPUT,
                         "Service role name %.*s has been taken in this account, please try a "
                         "different suffix.",
                         PRSTR(role.name));
    TRY(iam_role_make(call, &role));
    TRY(linked_attach(call, service, &role));
    out->Role = ARENA_NEW(call->arena, struct iam_Role);
    return iam_role_shown(call, &role, false, out->Role);
}

/* --- deleting: a task, as in AWS; nothing of Kumoniwa's keeps such roles in use --- */

static RESULT task_put(struct call *call, const struct iam_deletion_task *task)
{
    struct key key = iam_key(call, "deletion", task->id);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_deletion_task, task);
}

RESULT iam_DeleteServiceLinkedRole(struct call *call,
                                   const struct iam_DeleteServiceLinkedRoleRequest *in,
                                   struct iam_DeleteServiceLinkedRoleResponse *out)
{
    struct iam_role role;
    char uuid[36];
    TRY(iam_role_must(call, in->RoleName, &role));
    if (str_is_absent(role.linked))
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "The role with name %.*s is not a service-linked role.",
                         PRSTR(in->RoleName));
    rng_uuid(uuid);
    struct iam_deletion_task task = {
        .id = str_format(call->arena, "task%.*s%.*s/%.*s", PRSTR(role.path), PRSTR(role.name), 36,
                         uuid),
        .role = str_copy(call->arena, role.name),
        .status = STR("IN_PROGRESS"),
    };
    struct key key = iam_key(call, "deletion", task.id);
    TRY(task_put(call, &task));
    TRY(iam_keep_for_a_week(call, &key));
    TRY(outbox_post(call, STR("iam.delete-linked-role"), (struct str){0}, task.id));
    out->DeletionTaskId = task.id;
    return RESULT_OK;
}

static RESULT task_get(struct call *call, struct str id, struct iam_deletion_task *task,
                       bool *found)
{
    struct key key = iam_key(call, "deletion", id);
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_deletion_task, task, found);
}

RESULT iam_linked_role_deletion(struct call *call, const struct outbox_item *item)
{
    struct iam_deletion_task task;
    struct iam_role role;
    struct iam_holdings holdings;
    bool found;
    call->account = item->account;
    TRY(task_get(call, item->payload, &task, &found));
    if (!found)
        return RESULT_OK;
    TRY(iam_role_find(call, task.role, &role, &found));
    if (found && !str_is_absent(role.linked)) {
        struct iam_entity entity;
        TRY(iam_entity_must(call, IAM_ROLES, task.role, &entity));
        TRY(iam_holdings_copy(call, entity.id, &holdings));
        for (size_t i = 0; i < holdings.attached.len; i++)
            TRY(iam_policy_used(call, &entity, holdings.attached.items[i], false));
        TRY(iam_role_find(call, task.role, &role, &found));
        TRY(iam_role_remove(call, &role));
        TRY(identity_changed(call)); /* no operation of IAM's: nobody else says so */
    }
    task.status = STR("SUCCEEDED");
    return task_put(call, &task);
}

RESULT iam_GetServiceLinkedRoleDeletionStatus(
    struct call *call, const struct iam_GetServiceLinkedRoleDeletionStatusRequest *in,
    struct iam_GetServiceLinkedRoleDeletionStatusResponse *out)
{
    struct iam_deletion_task task;
    bool found;
    TRY(task_get(call, in->DeletionTaskId, &task, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Deletion task %.*s cannot be found.",
                         PRSTR(in->DeletionTaskId));
    out->Status = task.status;
    return RESULT_OK;
}
