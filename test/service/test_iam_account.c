/* The account: alias, passwords, summary, details, credential report, access advisor. */
#include "service/iam_support.h"

static void test_alias(void **state)
{
    struct loopback *lo = *state;
    IAM_FAILS(lo, "ValidationError", NULL, CreateAccountAlias, .AccountAlias = STR("Not-Valid"));
    IAM_DO(lo, CreateAccountAlias, .AccountAlias = STR("one"));
    IAM_DO(lo, CreateAccountAlias, .AccountAlias = STR("two"));
    const struct iam_ListAccountAliasesResponse *list =
        IAM_OK(lo, ListAccountAliases, .MaxItems = {0});
    assert_int_equal(list->AccountAliases.len, 1);
    assert_str(list->AccountAliases.items[0], STR("two"));
    lo->account = STR("111111111111");
    IAM_DO(lo, CreateAccountAlias, .AccountAlias = STR("one")); /* free again */
    IAM_FAILS(lo, "EntityAlreadyExistsException", "The account alias two already exists.",
              CreateAccountAlias, .AccountAlias = STR("two"));
    lo->account = STR("000000000000");
    IAM_FAILS(lo, "NoSuchEntityException", NULL, DeleteAccountAlias, .AccountAlias = STR("one"));
    IAM_DO(lo, DeleteAccountAlias, .AccountAlias = STR("two"));
    assert_int_equal(IAM_OK(lo, ListAccountAliases, .MaxItems = {0})->AccountAliases.len, 0);
}

static void test_passwords(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    IAM_FAILS(lo, "NoSuchEntityException",
              "The Password Policy with domain name 000000000000 cannot be found.",
              GetAccountPasswordPolicy, 0);
    IAM_FAILS(lo, "NoSuchEntityException", "Login Profile for User alice cannot be found.",
              GetLoginProfile, .UserName = STR("alice"));
    IAM_FAILS(lo, "PasswordPolicyViolationException", "Password should have a minimum length of 8",
              CreateLoginProfile, .UserName = STR("alice"), .Password = STR("Ab1!"));
    IAM_FAILS(lo, "PasswordPolicyViolationException", NULL, CreateLoginProfile,
              .UserName = STR("alice"), .Password = STR("onlyletters"));
    IAM_OK(lo, CreateLoginProfile, .UserName = STR("alice"), .Password = STR("Secret-123"),
           .PasswordResetRequired = opt_bool(true));
    IAM_FAILS(lo, "EntityAlreadyExistsException", "Login Profile for user alice already exists.",
              CreateLoginProfile, .UserName = STR("alice"), .Password = STR("Secret-123"));
    assert_true(IAM_OK(lo, GetLoginProfile, .UserName = STR("alice"))
                    ->LoginProfile->PasswordResetRequired.value);
    IAM_DO(lo, UpdateAccountPasswordPolicy, .MinimumPasswordLength = opt_int(10),
           .RequireSymbols = opt_bool(true), .RequireNumbers = opt_bool(true),
           .RequireUppercaseCharacters = opt_bool(true), .PasswordReusePrevention = opt_int(2),
           .MaxPasswordAge = opt_int(90), .AllowUsersToChangePassword = opt_bool(true));
    const struct iam_PasswordPolicy *policy =
        IAM_OK(lo, GetAccountPasswordPolicy, 0)->PasswordPolicy;
    assert_int_equal(policy->MinimumPasswordLength.value, 10);
    assert_true(policy->ExpirePasswords.value && policy->MaxPasswordAge.value == 90);
    assert_false(policy->RequireLowercaseCharacters.value);
    static const char *const bad[][2] = {
        {"Short-1", "Password should have a minimum length of 10"},
        {"lower-case-1", "Password should have at least one uppercase letter"},
        {"No-Numbers-At-All", "Password should have at least one number"},
        {"NoSymbolsAtAll1", "Password should have at least one symbol"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        IAM_FAILS(lo, "PasswordPolicyViolationException", bad[i][1], UpdateLoginProfile,
                  .UserName = STR("alice"), .Password = str_from_c(bad[i][0]));
    IAM_FAILS(lo, "InvalidUserTypeException", NULL, ChangePassword, .OldPassword = STR("x"),
              .NewPassword = STR("y"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"),
           .PolicyDocument =
               POLICY("Allow", "iam:ChangePassword", "arn:aws:iam::*:user/${aws:username}"));
    lo->user = STR("alice");
    IAM_FAILS(lo, "AccessDenied", "The old password was incorrect.", ChangePassword,
              .OldPassword = STR("Secret-124"), .NewPassword = STR("Another-456"));
    IAM_DO(lo, ChangePassword, .OldPassword = STR("Secret-123"), .NewPassword = STR("Another-456"));
    IAM_FAILS(lo, "PasswordPolicyViolationException",
              "Policy constraint violation with password reuse prevention during password change",
              ChangePassword, .OldPassword = STR("Another-456"), .NewPassword = STR("Secret-123"));
    IAM_DO(lo, ChangePassword, .OldPassword = STR("Another-456"),
           .NewPassword = STR("Third-One-789"));
    IAM_DO(lo, ChangePassword, .OldPassword = STR("Third-One-789"),
           .NewPassword = STR("Secret-123"));
    lo->user = (struct str){0};
    assert_false(IAM_OK(lo, GetLoginProfile, .UserName = STR("alice"))
                     ->LoginProfile->PasswordResetRequired.value);
    IAM_FAILS(lo, "DeleteConflictException",
              "Cannot delete entity, must delete login profile first.", DeleteUser,
              .UserName = STR("alice"));
    IAM_DO(lo, DeleteLoginProfile, .UserName = STR("alice"));
    IAM_DO(lo, DeleteAccountPasswordPolicy, 0);
    IAM_FAILS(lo, "NoSuchEntityException", NULL, DeleteAccountPasswordPolicy, 0);
}

static int32_t summary(struct loopback *lo, const char *name)
{
    const struct iam_GetAccountSummaryResponse *out = IAM_OK(lo, GetAccountSummary, 0);
    for (size_t i = 0; i < out->SummaryMap.len; i++)
        if (str_eq(out->SummaryMap.items[i].key, str_from_c(name)))
            return out->SummaryMap.items[i].value.value;
    fail_msg("no %s", name);
    return 0;
}

static void test_summary_and_details(void **state)
{
    struct loopback *lo = *state;
    struct str arn = IAM_OK(lo, CreatePolicy, .PolicyName = STR("p"),
                            .PolicyDocument = POLICY("Allow", "s3:*", "*"))
                         ->Policy->Arn;
    for (int i = 0; i < 3; i++) {
        struct str name = str_format(lo->arena, "n%d", i);
        IAM_OK(lo, CreateUser, .UserName = name);
        IAM_OK(lo, CreateGroup, .GroupName = name);
        IAM_OK(lo, CreateRole, .RoleName = name,
               .AssumeRolePolicyDocument = TRUST("Service", "ec2.amazonaws.com"));
        IAM_DO(lo, AddUserToGroup, .GroupName = name, .UserName = name);
        IAM_DO(lo, AttachRolePolicy, .RoleName = name, .PolicyArn = arn);
    }
    IAM_DO(lo, AttachUserPolicy, .UserName = STR("n1"),
           .PolicyArn = AWS_POLICY("IAMReadOnlyAccess"));
    IAM_DO(lo, DeleteGroup,
           .GroupName = IAM_OK(lo, CreateGroup, .GroupName = STR("x"))->Group->GroupName);
    assert_int_equal(summary(lo, "Users"), 3);
    assert_int_equal(summary(lo, "Groups"), 3);
    assert_int_equal(summary(lo, "Roles"), 3);
    assert_int_equal(summary(lo, "Policies"), 1);
    assert_int_equal(summary(lo, "PolicyVersionsInUse"), 1);
    assert_int_equal(summary(lo, "UsersQuota"), 5000);
    assert_int_equal(summary(lo, "GlobalEndpointTokenVersion"), 1);
    IAM_DO(lo, SetSecurityTokenServicePreferences, .GlobalEndpointTokenVersion = STR("v2Token"));
    assert_int_equal(summary(lo, "GlobalEndpointTokenVersion"), 2);
    size_t users = 0, groups = 0, roles = 0, policies = 0;
    struct str marker = {0};
    do {
        const struct iam_GetAccountAuthorizationDetailsResponse *page =
            IAM_OK(lo, GetAccountAuthorizationDetails, .MaxItems = opt_int(2), .Marker = marker);
        users += page->UserDetailList.len;
        groups += page->GroupDetailList.len;
        roles += page->RoleDetailList.len;
        policies += page->Policies.len;
        if (page->UserDetailList.len > 0)
            assert_int_equal(page->UserDetailList.items[0].GroupList.len, 1);
        if (page->RoleDetailList.len > 0)
            assert_int_equal(page->RoleDetailList.items[0].AttachedManagedPolicies.len, 1);
        marker = page->IsTruncated.value ? page->Marker : (struct str){0};
    } while (!str_is_absent(marker));
    assert_int_equal(users, 3);
    assert_int_equal(groups, 3);
    assert_int_equal(roles, 3);
    assert_int_equal(policies, 2); /* the account's, and one of AWS's that is attached */
    const struct iam_GetAccountAuthorizationDetailsResponse *filtered = IAM_OK(
        lo, GetAccountAuthorizationDetails, .Filter = NAMES(lo, "Role", "LocalManagedPolicy"));
    assert_int_equal(filtered->UserDetailList.len, 0);
    assert_int_equal(filtered->RoleDetailList.len, 3);
    assert_int_equal(filtered->Policies.len, 1);
    assert_int_equal(filtered->Policies.items[0].PolicyVersionList.len, 1);
}

static void test_credential_report(void **state)
{
    struct loopback *lo = *state;
    IAM_FAILS(lo, "CredentialReportNotPresentException", NULL, GetCredentialReport, 0);
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    IAM_OK(lo, CreateAccessKey, .UserName = STR("alice"));
    IAM_OK(lo, CreateLoginProfile, .UserName = STR("alice"), .Password = STR("Secret-123"));
    assert_str(IAM_OK(lo, GenerateCredentialReport, 0)->State, STR("STARTED"));
    assert_str(IAM_OK(lo, GenerateCredentialReport, 0)->State, STR("INPROGRESS"));
    IAM_FAILS(lo, "CredentialReportNotReadyException", NULL, GetCredentialReport, 0);
    assert_true(loopback_deliver(lo) >= 1);
    assert_str(IAM_OK(lo, GenerateCredentialReport, 0)->State, STR("COMPLETE"));
    struct str text = IAM_OK(lo, GetCredentialReport, 0)->Content;
    size_t lines = 0;
    struct str rest = text, line;
    while (!str_is_absent(rest)) {
        size_t commas = 0;
        str_cut(rest, '\n', &line, &rest);
        for (size_t i = 0; i < line.len; i++)
            commas += line.ptr[i] == ',';
        assert_int_equal(commas, 21);
        lines++;
    }
    assert_int_equal(lines, 3);
    assert_true(str_find(text, STR("\n<root_account>,arn:aws:iam::000000000000:root,")) !=
                SIZE_MAX);
    assert_true(
        str_find(text, STR("\nalice,arn:aws:iam::000000000000:user/alice,"
                           "2026-11-21T00:00:00+00:00,true,no_information,"
                           "2026-11-21T00:00:00+00:00,N/A,false,true,2026-11-21T00:00:00+00:00,"
                           "N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A")) != SIZE_MAX);
    loopback_advance(lo, 4 * 3600 * 1000);
    IAM_FAILS(lo, "CredentialReportExpiredException", NULL, GetCredentialReport, 0);
    assert_str(IAM_OK(lo, GenerateCredentialReport, 0)->State, STR("STARTED"));
}

static const struct iam_ServiceLastAccessed *
accessed(const struct iam_GetServiceLastAccessedDetailsResponse *out, const char *service)
{
    for (size_t i = 0; i < out->ServicesLastAccessed.len; i++)
        if (str_eq(out->ServicesLastAccessed.items[i].ServiceNamespace, str_from_c(service)))
            return &out->ServicesLastAccessed.items[i];
    return NULL;
}

static void test_access_advisor(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    IAM_OK(lo, CreateGroup, .GroupName = STR("devs"));
    IAM_DO(lo, AddUserToGroup, .GroupName = STR("devs"), .UserName = STR("alice"));
    IAM_DO(lo, AttachGroupPolicy, .GroupName = STR("devs"),
           .PolicyArn = AWS_POLICY("AmazonSQSFullAccess"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "s3:Get*", "*"));
    struct str job =
        IAM_OK(lo, GenerateServiceLastAccessedDetails, .Arn = ARN("user/alice"))->JobId;
    const struct iam_GetServiceLastAccessedDetailsResponse *out =
        IAM_OK(lo, GetServiceLastAccessedDetails, .JobId = job);
    assert_str(out->JobStatus, STR("COMPLETED"));
    assert_int_equal(out->ServicesLastAccessed.len, 2);
    assert_false(accessed(out, "sqs")->LastAuthenticated.set);
    lo->user = STR("alice");
    loopback_ok(SQS_CALL(lo, ListQueues, .MaxResults = {0}));
    SQS_FAILS(lo, "QueueDoesNotExist", NULL, GetQueueUrl, .QueueName = STR("none"));
    lo->user = (struct str){0};
    out = IAM_OK(lo, GetServiceLastAccessedDetails, .JobId = job);
    assert_int_equal(accessed(out, "sqs")->LastAuthenticated.ms, LOOPBACK_NOW);
    assert_str(accessed(out, "sqs")->LastAuthenticatedEntity, ARN("user/alice"));
    assert_str(accessed(out, "sqs")->LastAuthenticatedRegion, STR("us-east-1"));
    assert_int_equal(accessed(out, "s3")->TotalAuthenticatedEntities.value, 0);
    job = IAM_OK(lo, GenerateServiceLastAccessedDetails, .Arn = AWS_POLICY("AmazonSQSFullAccess"))
              ->JobId;
    out = IAM_OK(lo, GetServiceLastAccessedDetails, .JobId = job);
    assert_int_equal(out->ServicesLastAccessed.len, 1);
    assert_int_equal(accessed(out, "sqs")->TotalAuthenticatedEntities.value, 1);
    const struct iam_GetServiceLastAccessedDetailsWithEntitiesResponse *entities =
        IAM_OK(lo, GetServiceLastAccessedDetailsWithEntities, .JobId = job,
               .ServiceNamespace = STR("sqs"));
    assert_int_equal(entities->EntityDetailsList.len, 1);
    assert_str(entities->EntityDetailsList.items[0].EntityInfo->Name, STR("alice"));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, GenerateServiceLastAccessedDetails,
              .Arn = ARN("user/nobody"));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, GetServiceLastAccessedDetails,
              .JobId = STR("00000000-0000-4000-8000-000000000000"));
    const struct iam_ListPoliciesGrantingServiceAccessResponse *granting =
        IAM_OK(lo, ListPoliciesGrantingServiceAccess, .Arn = ARN("user/alice"),
               .ServiceNamespaces = NAMES(lo, "s3", "sqs", "sns"));
    assert_int_equal(granting->PoliciesGrantingServiceAccess.len, 3);
    assert_str(granting->PoliciesGrantingServiceAccess.items[0].Policies.items[0].PolicyType,
               STR("INLINE"));
    assert_str(granting->PoliciesGrantingServiceAccess.items[1].Policies.items[0].PolicyArn,
               AWS_POLICY("AmazonSQSFullAccess"));
    assert_int_equal(granting->PoliciesGrantingServiceAccess.items[2].Policies.len, 0);
    /* A job is kept for a week. */
    loopback_advance(lo, INT64_C(7) * 24 * 3600 * 1000 + 1);
    loopback_deliver(lo);
    IAM_FAILS(lo, "NoSuchEntityException", NULL, GetServiceLastAccessedDetails, .JobId = job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_alias),
        SQS_TEST(test_passwords),
        SQS_TEST(test_summary_and_details),
        SQS_TEST(test_credential_report),
        SQS_TEST(test_access_advisor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
