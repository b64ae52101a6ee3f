/* Centralized root access and the account's own web identities, where IAM, STS and Organizations
 * meet. */
#include "auth/jwt.h"
#include "cloud/credentials.h"
#include "cloud/identity.h"
#include "gen/iam.h"
#include "gen/sts.h"
#include "service/organizations_support.h"

#define IAM_CALL(lo, operation, ...)                                                               \
    loopback_call((lo), &iam_model, IAM_OP_##operation,                                            \
                  &(struct iam_##operation##Request){__VA_ARGS__})
#define IAM_PLAIN(lo, operation)                                                                   \
    loopback_call((lo), &iam_model, IAM_OP_##operation, "\0\0\0\0\0\0\0")
#define STS_CALL(lo, operation, ...)                                                               \
    loopback_call((lo), &sts_model, STS_OP_##operation,                                            \
                  &(struct sts_##operation##Request){__VA_ARGS__})
#define TASK(name) STR("arn:aws:iam::aws:policy/root-task/" name)

static void as_admin(struct loopback *lo)
{
    org_as(lo, STR("000000000000"));
    lo->principal = PRINCIPAL_USER;
    lo->user = STR("admin");
}

static struct loopback_reply assume(struct loopback *lo, struct str account, struct str task)
{
    struct sts_PolicyDescriptorType policy = {.arn = task};
    return STS_CALL(lo, AssumeRoot, .TargetPrincipal = account, .TaskPolicyArn = &policy);
}

static struct org_world trusting_world(struct loopback *lo)
{
    struct org_world world = org_world(lo);
    loopback_ok(ORG_CALL(lo, EnableAWSServiceAccess, .ServicePrincipal = STR("iam.amazonaws.com")));
    return world;
}

static void test_root_sessions(void **state)
{
    struct loopback *lo = *state;
    loopback_error(IAM_PLAIN(lo, ListOrganizationsFeatures), "OrganizationNotFoundException", NULL);
    struct org_world world = org_world(lo);
    loopback_error(IAM_PLAIN(lo, EnableOrganizationsRootSessions),
                   "ServiceAccessNotEnabledException", NULL);
    loopback_ok(ORG_CALL(lo, EnableAWSServiceAccess, .ServicePrincipal = STR("iam.amazonaws.com")));
    loopback_ok(IAM_PLAIN(lo, EnableOrganizationsRootSessions));
    as_admin(lo);
    loopback_ok(assume(lo, world.member, TASK("S3UnlockBucketPolicy")));
    loopback_error(assume(lo, world.member, TASK("IAMAuditRootUserCredentials")), "AccessDenied",
                   NULL);
    loopback_error(assume(lo, world.member, TASK("Other")), "ValidationError", NULL);
    loopback_error(assume(lo, STR("nobody at all"), TASK("S3UnlockBucketPolicy")),
                   "ValidationError", NULL);
    loopback_error(assume(lo, STR("000000000000"), TASK("S3UnlockBucketPolicy")), "AccessDenied",
                   NULL);
    /* After the member has gone, and after the trust has gone, it is over. */
    org_as(lo, STR("000000000000"));
    loopback_ok(
        ORG_CALL(lo, DisableAWSServiceAccess, .ServicePrincipal = STR("iam.amazonaws.com")));
    as_admin(lo);
    loopback_error(assume(lo, world.member, TASK("S3UnlockBucketPolicy")), "AccessDenied", NULL);
    org_as(lo, STR("000000000000"));
    loopback_ok(ORG_CALL(lo, EnableAWSServiceAccess, .ServicePrincipal = STR("iam.amazonaws.com")));
    loopback_ok(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = world.member));
    as_admin(lo);
    loopback_error(assume(lo, world.member, TASK("S3UnlockBucketPolicy")), "AccessDenied", NULL);
}

static void test_a_session_is_limited_and_ends(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = trusting_world(lo);
    loopback_ok(IAM_PLAIN(lo, EnableOrganizationsRootCredentialsManagement));
    as_admin(lo);
    const struct sts_AssumeRootResponse *made =
        loopback_ok(assume(lo, world.member, TASK("IAMCreateRootUserPassword")));
    struct credentials opened;
    assert_int_equal(session_open(lo->cloud, lo->arena, made->Credentials->AccessKeyId,
                                  made->Credentials->SessionToken, loopback_now(lo), &opened),
                     SESSION_OK);
    lo->who = &opened.principal;
    lo->account = world.member;
    loopback_ok(IAM_CALL(lo, CreateLoginProfile, .PasswordResetRequired = {0}));
    loopback_ok(IAM_CALL(lo, GetLoginProfile, .UserName = {0}));
    loopback_error(IAM_CALL(lo, DeleteLoginProfile, .UserName = {0}), "AccessDenied", NULL);
    loopback_error(IAM_CALL(lo, CreateUser, .UserName = STR("x")), "AccessDenied", NULL);
    loopback_error(SQS_CALL(lo, CreateQueue, .QueueName = STR("x")), "AccessDeniedException", NULL);
    loopback_error(assume(lo, world.member, TASK("IAMCreateRootUserPassword")), "AccessDenied",
                   NULL);
    assert_int_equal(session_open(lo->cloud, lo->arena, made->Credentials->AccessKeyId,
                                  made->Credentials->SessionToken, loopback_now(lo) + 900000,
                                  &opened),
                     SESSION_EXPIRED);
}

static void test_tokens(void **state)
{
    struct loopback *lo = *state;
    struct str audience[] = {STR("a")};
    struct sts_GetWebIdentityTokenRequest ask = {.Audience = {audience, 1},
                                                 .SigningAlgorithm = STR("ES384")};
    loopback_error(loopback_call(lo, &sts_model, STS_OP_GetWebIdentityToken, &ask),
                   "OutboundWebIdentityFederationDisabledException", NULL);
    loopback_ok(IAM_PLAIN(lo, EnableOutboundWebIdentityFederation));
    for (int i = 0; i < 2; i++) { /* the key is made once, and kept */
        const struct sts_GetWebIdentityTokenResponse *made =
            loopback_ok(loopback_call(lo, &sts_model, STS_OP_GetWebIdentityToken, &ask));
        struct jwt jwt;
        assert_true(jwt_parse(lo->arena, made->WebIdentityToken, &jwt));
        assert_true(str_find(jwt.claims, STR("\"sub\":\"arn:aws:iam::000000000000:root\"")) !=
                    SIZE_MAX);
        assert_true(str_find(jwt.claims, STR("\"aws_account\":\"000000000000\"")) != SIZE_MAX);
        assert_int_equal(made->Expiration.ms, loopback_now(lo) + 300000);
        loopback_reopen(lo);
    }
    loopback_ok(IAM_PLAIN(lo, DisableOutboundWebIdentityFederation));
    loopback_error(IAM_PLAIN(lo, DisableOutboundWebIdentityFederation), "FeatureDisabledException",
                   NULL);
    loopback_error(IAM_PLAIN(lo, GetOutboundWebIdentityFederationInfo), "FeatureDisabledException",
                   NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_root_sessions),
        SQS_TEST(test_a_session_is_limited_and_ends),
        SQS_TEST(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
