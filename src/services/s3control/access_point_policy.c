/* Policies of access points ("Configuring IAM policies for using access points", Amazon S3 User
 * Guide). S3 asks them beside the bucket's. */
#include "auth/policy_words.h"
#include "cloud/bucket_policy.h"
#include "services/s3control/s3control_int.h"

RESULT s3control_PutAccessPointPolicy(struct call *call,
                                      const struct s3control_PutAccessPointPolicyRequest *in,
                                      struct s3control_PutAccessPointPolicyResult *out)
{
    (void)out;
    struct access_point point;
    struct str reason = {0};
    bool is_public;
    int64_t account;
    TRY(point_open(call, in->AccountId, in->Name, &point));
    const struct policy_guarded guarded = {.bucket = point.bucket,
                                           .point_arn = access_point_arn(call, &point)};
    enum result result = bucket_policy_check(call, &guarded, in->Policy, &is_public, &reason);
    if (result == RESULT_ERROR)
        return call_fail(call, S3CONTROL_MALFORMED_POLICY, "%.*s", PRSTR(reason));
    TRY(result);
    TRY(account_public_access(call, point.account, &account));
    if (is_public && ((point.public_access | account) & ACCESS_BLOCK_POLICY) != 0)
        return call_fail(call, WIRE_ACCESS_DENIED,
                         "User: %.*s is not authorized to perform: s3:PutAccessPointPolicy on "
                         "resource: \"%.*s\" because public policies are prevented by the "
                         "BlockPublicPolicy setting in S3 Block Public Access.",
                         PRSTR(call->principal.arn), PRSTR(guarded.point_arn));
    point.policy = in->Policy;
    return access_point_put(call, &point);
}

static RESULT need_policy(struct call *call, const struct access_point *point)
{
    if (!str_is_absent(point->policy))
        return RESULT_OK;
    return call_fail(call, S3CONTROL_NO_SUCH_ACCESS_POINT_POLICY,
                     "The specified accesspoint policy does not exist");
}

RESULT s3control_GetAccessPointPolicy(struct call *call,
                                      const struct s3control_GetAccessPointPolicyRequest *in,
                                      struct s3control_GetAccessPointPolicyResult *out)
{
    struct access_point point;
    TRY(point_open(call, in->AccountId, in->Name, &point));
    TRY(need_policy(call, &point));
    out->Policy = point.policy;
    return RESULT_OK;
}

RESULT s3control_DeleteAccessPointPolicy(struct call *call,
                                         const struct s3control_DeleteAccessPointPolicyRequest *in,
                                         struct s3control_DeleteAccessPointPolicyResult *out)
{
    (void)out;
    struct access_point point;
    TRY(point_open(call, in->AccountId, in->Name, &point));
    point.policy = (struct str){0};
    call->status = 204;
    return access_point_put(call, &point);
}

RESULT
s3control_GetAccessPointPolicyStatus(struct call *call,
                                     const struct s3control_GetAccessPointPolicyStatusRequest *in,
                                     struct s3control_GetAccessPointPolicyStatusResult *out)
{
    struct access_point point;
    const struct policy *policy;
    struct str reason = {0};
    TRY(point_open(call, in->AccountId, in->Name, &point));
    TRY(need_policy(call, &point));
    if (policy_compile(call->arena, point.policy, POLICY_FORM_RESOURCE, &policy, &reason) !=
        RESULT_OK)
        return FAULT("an access point's policy does not compile");
    out->PolicyStatus = ARENA_NEW(call->arena, struct s3control_PolicyStatus);
    out->PolicyStatus->IsPublic = opt_bool(policy_is_public(call->arena, policy));
    return RESULT_OK;
}
