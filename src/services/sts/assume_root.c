/* "AssumeRoot", AWS Security Token Service API Reference; "Perform a privileged task on an AWS
 * Organizations member account", IAM User Guide. */
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/organization.h"
#include "services/sts/sts_int.h"

enum { ROOT_SESSION_S = 900 };

/* Which of the two features a task needs. */
static const struct root_task {
    struct str name;
    bool credentials;
} root_tasks[] = {
    {STR_INIT("IAMAuditRootUserCredentials"), true},  {STR_INIT("IAMCreateRootUserPassword"), true},
    {STR_INIT("IAMDeleteRootUserCredentials"), true}, {STR_INIT("S3UnlockBucketPolicy"), false},
    {STR_INIT("SQSUnlockQueuePolicy"), false},
};

static const struct root_task *root_task_of(struct str policy_arn)
{
    static const struct str prefix = STR_INIT("arn:aws:iam::aws:policy/root-task/");
    if (!str_starts_with(policy_arn, prefix))
        return NULL;
    struct str name = str_slice(policy_arn, prefix.len, policy_arn.len);
    for (size_t i = 0; i < sizeof root_tasks / sizeof root_tasks[0]; i++)
        if (str_eq(root_tasks[i].name, name))
            return &root_tasks[i];
    return NULL;
}

/* An account id, or the ARN of the account's root user or of the account itself. */
static bool root_target(struct str target, struct str *account)
{
    struct arn arn;
    *account = target;
    if (arn_is_account(target))
        return true;
    if (!arn_parse(target, &arn))
        return false;
    size_t slash = str_find_last_char(arn.resource, '/');
    if (str_eq(arn.service, STR("organizations")) && slash != SIZE_MAX)
        *account = str_slice(arn.resource, slash + 1, arn.resource.len);
    else if (str_eq(arn.service, STR("iam")) && str_eq(arn.resource, STR("root")))
        *account = arn.account;
    return arn_is_account(*account);
}

static RESULT root_denied(struct call *call, struct str resource)
{
    return call_fail(call, STS_ACCESS_DENIED,
                     "User: %.*s is not authorized to perform: sts:AssumeRoot on resource: %.*s",
                     PRSTR(call->principal.arn), PRSTR(resource));
}

/* Users and roles of the management account, and of who administers for IAM; a root user by a key
 * that nobody issued stands for whoever tries the cloud out (assume_role.c). */
static bool root_may_ask(const struct call *call)
{
    const struct principal *who = &call->principal;
    if (who->kind == PRINCIPAL_ROOT)
        return who->session == NULL && (who->drop_in || call->cloud->iam != IAM_ENFORCE);
    return (who->kind == PRINCIPAL_USER && who->session == NULL) ||
           who->kind == PRINCIPAL_ROLE_SESSION;
}

/* Both are in one organization, which lets the task be done. */
static RESULT root_is_enabled(struct call *call, const struct root_task *task, struct str account,
                              bool *enabled)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct organization_standing own, theirs;
    struct identity_root_access access = {0};
    struct str service = STR("iam.amazonaws.com");
    *enabled = false;
    TRY(organization_standing(call, call->account, service, &own));
    TRY(organization_standing(call, account, service, &theirs));
    bool speaks = str_eq(own.master, call->account) || own.delegated;
    if (str_is_absent(own.id) || !speaks || !own.trusted || !str_eq(own.id, theirs.id) ||
        str_eq(account, own.master) || identity->root_access == NULL)
        return RESULT_OK;
    TRY(identity->root_access(call, own.id, &access));
    *enabled = task->credentials ? access.credentials : access.sessions;
    return RESULT_OK;
}

static bool root_key(void *self, struct str key, struct policy_values *out)
{
    if (!str_eq_nocase(key, STR("sts:TaskPolicyArn")))
        return false;
    *out = (struct policy_values){self, 1};
    return true;
}

static RESULT root_ask(struct call *call, struct str resource, struct str *policy_arn)
{
    struct authorize_ask ask = {
        .action = STR("sts:AssumeRoot"),
        .resource = resource,
        .form = POLICY_FORM_RESOURCE,
        .find = root_key,
        .self = policy_arn,
    };
    return authorize_ask(call, &ask);
}

RESULT sts_AssumeRoot(struct call *call, const struct sts_AssumeRootRequest *in,
                      struct sts_AssumeRootResponse *out)
{
    struct str account,
        policy_arn = in->TaskPolicyArn == NULL ? (struct str){0} : in->TaskPolicyArn->arn;
    const struct root_task *task = root_task_of(policy_arn);
    const struct session *from = call->principal.session;
    struct sts_shown shown;
    bool enabled;
    if (task == NULL)
        return call_fail(call, STS_VALIDATION, "%.*s is not a valid task policy.",
                         PRSTR(policy_arn));
    if (!root_target(in->TargetPrincipal, &account))
        return call_fail(call, STS_VALIDATION, "%.*s is not a valid target principal.",
                         PRSTR(in->TargetPrincipal));
    struct str arn = str_format(call->arena, "arn:aws:iam::%.*s:root", PRSTR(account));
    TRY(root_is_enabled(call, task, account, &enabled));
    if (!root_may_ask(call) || !enabled)
        return root_denied(call, arn);
    TRY(root_ask(call, arn, &policy_arn));
    int64_t seconds = in->DurationSeconds.set ? in->DurationSeconds.value : ROOT_SESSION_S;
    struct session session = {
        .issued_ms = call->now_ms,
        .expires_ms = call->now_ms / 1000 * 1000 + seconds * 1000,
        .source_identity = from == NULL ? (struct str){0} : from->source_identity,
        .policy_arns = {&policy_arn, 1},
        .issuer = call->principal.arn,
        .issuer_key = call->principal.access_key,
    };
    struct principal who = {
        .kind = PRINCIPAL_ROOT,
        .account = account,
        .arn = arn,
        .user_id = account,
        .session = &session,
    };
    TRY(sts_issue(call, &who, in->MinimumSessionTokenSize, &shown));
    out->Credentials = shown.credentials;
    out->SessionTokenSize = shown.size;
    out->SessionTokenUtilization = shown.utilization;
    out->SourceIdentity = session.source_identity;
    return RESULT_OK;
}
