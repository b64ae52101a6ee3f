/* Managed policies, what they are attached to, boundaries; what all of them decide. */
#include "service/iam_support.h"

#define ALLOW_SQS POLICY("Allow", "sqs:*", "*")

static struct str policy(struct loopback *lo, const char *name, struct str document)
{
    return IAM_OK(lo, CreatePolicy, .PolicyName = str_from_c(name), .PolicyDocument = document)
        ->Policy->Arn;
}

static void test_policies(void **state)
{
    struct loopback *lo = *state;
    struct iam_Tag tag = {STR("k"), STR("v")};
    const struct iam_Policy *made =
        IAM_OK(lo, CreatePolicy, .PolicyName = STR("Jobs"), .Path = STR("/team/"),
               .PolicyDocument = ALLOW_SQS, .Description = STR("d"), .Tags = {&tag, 1})
            ->Policy;
    assert_str(made->Arn, ARN("policy/team/Jobs"));
    assert_true(str_starts_with(made->PolicyId, STR("ANPA")));
    assert_str(made->DefaultVersionId, STR("v1"));
    IAM_FAILS(lo, "EntityAlreadyExistsException",
              "A policy called jobs already exists. Duplicate names are not allowed.", CreatePolicy,
              .PolicyName = STR("jobs"), .PolicyDocument = ALLOW_SQS);
    IAM_FAILS(lo, "MalformedPolicyDocumentException", "Syntax errors in policy.", CreatePolicy,
              .PolicyName = STR("p"), .PolicyDocument = STR("{}x"));
    IAM_FAILS(lo, "NoSuchEntityException",
              "Policy arn:aws:iam::000000000000:policy/Jobs was not "
              "found.",
              GetPolicy, .PolicyArn = ARN("policy/Jobs"));
    const struct iam_Policy *got =
        IAM_OK(lo, GetPolicy, .PolicyArn = ARN("policy/team/Jobs"))->Policy;
    assert_str(got->Description, STR("d"));
    assert_int_equal(got->Tags.len, 1);
    struct str large =
        str_format(lo->arena,
                   "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":"
                   "\"s3:*\",\"Resource\":\"arn:aws:s3:::%06100d\"}}",
                   1);
    IAM_FAILS(lo, "LimitExceededException", "Cannot exceed quota for PolicySize: 6144",
              CreatePolicy, .PolicyName = STR("l"), .PolicyDocument = large);
    IAM_FAILS(lo, "InvalidInputException", "ARN no-arn-at-all-it-is-not is not valid.", GetPolicy,
              .PolicyArn = STR("no-arn-at-all-it-is-not"));
    IAM_DO(lo, TagPolicy, .PolicyArn = made->Arn, .Tags = {&tag, 1});
    IAM_DO(lo, UntagPolicy, .PolicyArn = made->Arn, .TagKeys = NAMES(lo, "K"));
    assert_int_equal(IAM_OK(lo, ListPolicyTags, .PolicyArn = made->Arn)->Tags.len, 0);
    IAM_DO(lo, DeletePolicy, .PolicyArn = made->Arn);
    IAM_FAILS(lo, "NoSuchEntityException", NULL, DeletePolicy, .PolicyArn = made->Arn);
}

static void test_versions(void **state)
{
    struct loopback *lo = *state;
    struct str arn = policy(lo, "p", ALLOW_SQS);
    for (int i = 2; i <= 5; i++) {
        const struct iam_PolicyVersion *version =
            IAM_OK(lo, CreatePolicyVersion, .PolicyArn = arn,
                   .PolicyDocument = POLICY("Allow", "s3:*", "*"), .SetAsDefault = opt_bool(i == 3))
                ->PolicyVersion;
        assert_str(version->VersionId, str_format(lo->arena, "v%d", i));
        assert_int_equal(version->IsDefaultVersion.value, i == 3);
    }
    IAM_FAILS(lo, "LimitExceededException",
              "A managed policy can have up to 5 versions. Before you create a new version, you "
              "must delete an existing version.",
              CreatePolicyVersion, .PolicyArn = arn, .PolicyDocument = ALLOW_SQS);
    IAM_FAILS(lo, "DeleteConflictException", "Cannot delete the default version of a policy.",
              DeletePolicyVersion, .PolicyArn = arn, .VersionId = STR("v3"));
    IAM_DO(lo, DeletePolicyVersion, .PolicyArn = arn, .VersionId = STR("v5"));
    assert_str(IAM_OK(lo, CreatePolicyVersion, .PolicyArn = arn, .PolicyDocument = ALLOW_SQS)
                   ->PolicyVersion->VersionId,
               STR("v6"));
    const struct iam_ListPolicyVersionsResponse *list =
        IAM_OK(lo, ListPolicyVersions, .PolicyArn = arn, .MaxItems = opt_int(3));
    assert_int_equal(list->Versions.len, 3);
    assert_str(list->Versions.items[0].VersionId, STR("v6"));
    list = IAM_OK(lo, ListPolicyVersions, .PolicyArn = arn, .Marker = list->Marker);
    assert_int_equal(list->Versions.len, 2);
    assert_false(list->IsTruncated.value);
    IAM_DO(lo, SetDefaultPolicyVersion, .PolicyArn = arn, .VersionId = STR("v1"));
    assert_true(str_find(IAM_OK(lo, GetPolicyVersion, .PolicyArn = arn, .VersionId = STR("v1"))
                             ->PolicyVersion->Document,
                         STR("sqs")) != SIZE_MAX);
    IAM_FAILS(lo, "NoSuchEntityException",
              "Policy arn:aws:iam::000000000000:policy/p version v9 does not exist or is not "
              "attachable.",
              SetDefaultPolicyVersion, .PolicyArn = arn, .VersionId = STR("v9"));
    IAM_FAILS(lo, "DeleteConflictException",
              "This policy has more than one version. Before you delete a policy, you must delete "
              "the policy's versions. The default version is deleted with the policy.",
              DeletePolicy, .PolicyArn = arn);
}

static void test_attaching(void **state)
{
    struct loopback *lo = *state;
    struct str arn = policy(lo, "p", ALLOW_SQS);
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    IAM_OK(lo, CreateGroup, .GroupName = STR("devs"));
    IAM_OK(lo, CreateRole, .RoleName = STR("r"),
           .AssumeRolePolicyDocument = TRUST("Service", "ec2.amazonaws.com"));
    IAM_FAILS(lo, "NoSuchEntityException",
              "Policy arn:aws:iam::000000000000:policy/none does not exist or is not attachable.",
              AttachUserPolicy, .UserName = STR("alice"), .PolicyArn = ARN("policy/none"));
    for (int i = 0; i < 2; i++) { /* again: nothing changes */
        IAM_DO(lo, AttachUserPolicy, .UserName = STR("alice"), .PolicyArn = arn);
        IAM_DO(lo, AttachGroupPolicy, .GroupName = STR("devs"), .PolicyArn = arn);
        IAM_DO(lo, AttachRolePolicy, .RoleName = STR("r"), .PolicyArn = arn);
    }
    IAM_DO(lo, PutUserPermissionsBoundary, .UserName = STR("alice"), .PermissionsBoundary = arn);
    const struct iam_Policy *got = IAM_OK(lo, GetPolicy, .PolicyArn = arn)->Policy;
    assert_int_equal(got->AttachmentCount.value, 3);
    assert_int_equal(got->PermissionsBoundaryUsageCount.value, 1);
    const struct iam_ListEntitiesForPolicyResponse *who =
        IAM_OK(lo, ListEntitiesForPolicy, .PolicyArn = arn);
    assert_int_equal(who->PolicyUsers.len, 1);
    assert_int_equal(who->PolicyGroups.len, 1);
    assert_int_equal(who->PolicyRoles.len, 1);
    who = IAM_OK(lo, ListEntitiesForPolicy, .PolicyArn = arn,
                 .PolicyUsageFilter = STR("PermissionsBoundary"));
    assert_int_equal(who->PolicyUsers.len + who->PolicyGroups.len + who->PolicyRoles.len, 1);
    who = IAM_OK(lo, ListEntitiesForPolicy, .PolicyArn = arn, .EntityFilter = STR("Role"));
    assert_int_equal(who->PolicyUsers.len + who->PolicyGroups.len, 0);
    who = IAM_OK(lo, ListEntitiesForPolicy, .PolicyArn = arn, .MaxItems = opt_int(2));
    assert_true(who->IsTruncated.value);
    IAM_FAILS(lo, "DeleteConflictException", "Cannot delete a policy attached to entities.",
              DeletePolicy, .PolicyArn = arn);
    IAM_FAILS(lo, "DeleteConflictException",
              "Cannot delete entity, must detach all policies first.", DeleteRole,
              .RoleName = STR("r"));
    IAM_DO(lo, DetachRolePolicy, .RoleName = STR("r"), .PolicyArn = arn);
    IAM_FAILS(lo, "NoSuchEntityException",
              "Policy arn:aws:iam::000000000000:policy/p was not found.", DetachRolePolicy,
              .RoleName = STR("r"), .PolicyArn = arn);
    IAM_DO(lo, DeleteRole, .RoleName = STR("r"));
    for (int i = 0; i < 9; i++)
        IAM_DO(lo, AttachUserPolicy, .UserName = STR("alice"),
               .PolicyArn =
                   policy(lo, str_to_c(lo->arena, str_format(lo->arena, "q%d", i)), ALLOW_SQS));
    IAM_FAILS(lo, "LimitExceededException", "Cannot exceed quota for PoliciesPerUser: 10",
              AttachUserPolicy, .UserName = STR("alice"),
              .PolicyArn = AWS_POLICY("AdministratorAccess"));
    const struct iam_ListAttachedUserPoliciesResponse *page =
        IAM_OK(lo, ListAttachedUserPolicies, .UserName = STR("alice"), .MaxItems = opt_int(7));
    assert_int_equal(page->AttachedPolicies.len, 7);
    assert_str(page->AttachedPolicies.items[0].PolicyName, STR("p"));
    page = IAM_OK(lo, ListAttachedUserPolicies, .UserName = STR("alice"), .Marker = page->Marker);
    assert_int_equal(page->AttachedPolicies.len, 3);
    IAM_DO(lo, DeleteUserPermissionsBoundary, .UserName = STR("alice"));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, DeleteUserPermissionsBoundary,
              .UserName = STR("alice"));
}

static void test_of_aws(void **state)
{
    struct loopback *lo = *state;
    struct str arn = AWS_POLICY("service-role/AWSLambdaBasicExecutionRole");
    const struct iam_Policy *got = IAM_OK(lo, GetPolicy, .PolicyArn = arn)->Policy;
    assert_str(got->Path, STR("/service-role/"));
    assert_str(got->PolicyName, STR("AWSLambdaBasicExecutionRole"));
    const struct iam_PolicyVersion *version =
        IAM_OK(lo, GetPolicyVersion, .PolicyArn = arn, .VersionId = got->DefaultVersionId)
            ->PolicyVersion;
    assert_true(str_find(version->Document, STR("logs%3APutLogEvents")) != SIZE_MAX);
    assert_int_equal(IAM_OK(lo, ListPolicyVersions, .PolicyArn = arn)->Versions.len, 1);
    IAM_FAILS(lo, "AccessDenied", NULL, DeletePolicy, .PolicyArn = arn);
    IAM_FAILS(lo, "AccessDenied", NULL, CreatePolicyVersion, .PolicyArn = arn,
              .PolicyDocument = ALLOW_SQS);
    policy(lo, "own", ALLOW_SQS);
    struct str marker = {0};
    size_t count = 0, own = 0;
    do {
        const struct iam_ListPoliciesResponse *page =
            IAM_OK(lo, ListPolicies, .MaxItems = opt_int(7), .Marker = marker);
        count += page->Policies.len;
        for (size_t i = 0; i < page->Policies.len; i++)
            own += str_starts_with(page->Policies.items[i].Arn, ARN("policy/"));
        marker = page->IsTruncated.value ? page->Marker : (struct str){0};
    } while (!str_is_absent(marker));
    assert_int_equal(own, 1);
    assert_true(count >= 61);
    assert_int_equal(IAM_OK(lo, ListPolicies, .Scope = STR("Local"))->Policies.len, 1);
    assert_int_equal(IAM_OK(lo, ListPolicies, .Scope = STR("AWS"),
                            .PathPrefix = STR("/job-function/"), .MaxItems = opt_int(1000))
                         ->Policies.len,
                     4);
    assert_int_equal(IAM_OK(lo, ListPolicies, .OnlyAttached = opt_bool(true))->Policies.len, 0);
}

/* Every document of AWS's is one that could be attached: it compiles. */
static void test_of_aws_compile(void **state)
{
    struct loopback *lo = *state;
    const struct iam_ListPoliciesResponse *all =
        IAM_OK(lo, ListPolicies, .Scope = STR("AWS"), .MaxItems = opt_int(1000));
    IAM_OK(lo, CreateUser, .UserName = STR("u"));
    for (size_t i = 0; i < all->Policies.len; i++) {
        struct str arn = all->Policies.items[i].Arn;
        struct str action = STR("iam:GetUser");
        if (str_find(arn, STR("aws-service-role")) != SIZE_MAX)
            continue;
        if (str_find(arn, STR("root-task")) != SIZE_MAX) { /* what sessions of AssumeRoot have */
            loopback_error(IAM_CALL(lo, AttachUserPolicy, .UserName = STR("u"), .PolicyArn = arn),
                           "PolicyNotAttachableException", NULL);
            continue;
        }
        IAM_DO(lo, AttachUserPolicy, .UserName = STR("u"), .PolicyArn = arn);
        loopback_ok(IAM_CALL(lo, SimulatePrincipalPolicy, .PolicySourceArn = ARN("user/u"),
                             .ActionNames = {&action, 1}));
        IAM_DO(lo, DetachUserPolicy, .UserName = STR("u"), .PolicyArn = arn);
    }
}

/* --- what they decide --- */

static void as(struct loopback *lo, const char *user)
{
    lo->user = str_from_c(user);
}

static bool may_send(struct loopback *lo, struct str url)
{
    struct loopback_reply reply =
        SQS_CALL(lo, SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    return reply.result == RESULT_OK;
}

static bool may_send_as(struct loopback *lo, const char *user, struct str url)
{
    as(lo, user);
    bool may = may_send(lo, url);
    as(lo, NULL);
    return may;
}

static void test_attached_decide(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "jobs");
    struct str arn = policy(lo, "p", POLICY("Allow", "s3:*", "*"));
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    assert_false(may_send_as(lo, "alice", url));
    IAM_DO(lo, AttachUserPolicy, .UserName = STR("alice"), .PolicyArn = arn);
    assert_false(may_send_as(lo, "alice", url));
    IAM_OK(lo, CreatePolicyVersion, .PolicyArn = arn, .PolicyDocument = ALLOW_SQS);
    assert_false(may_send_as(lo, "alice", url));
    IAM_DO(lo, SetDefaultPolicyVersion, .PolicyArn = arn, .VersionId = STR("v2"));
    assert_true(may_send_as(lo, "alice", url));
    IAM_DO(lo, DetachUserPolicy, .UserName = STR("alice"), .PolicyArn = arn);
    assert_false(may_send_as(lo, "alice", url));
    /* By a group, and by one of AWS's policies. */
    IAM_OK(lo, CreateGroup, .GroupName = STR("devs"));
    IAM_DO(lo, AttachGroupPolicy, .GroupName = STR("devs"),
           .PolicyArn = AWS_POLICY("AmazonSQSFullAccess"));
    IAM_DO(lo, AddUserToGroup, .GroupName = STR("devs"), .UserName = STR("alice"));
    assert_true(may_send_as(lo, "alice", url));
    IAM_DO(lo, UpdateGroup, .GroupName = STR("devs"), .NewGroupName = STR("people"));
    assert_true(may_send_as(lo, "alice", url));
    /* An explicit denial comes first. */
    IAM_DO(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("no"),
           .PolicyDocument = POLICY("Deny", "sqs:SendMessage", "*"));
    as(lo, "alice");
    SQS_FAILS(lo, "AccessDeniedException",
              "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: "
              "sqs:SendMessage on resource: arn:aws:sqs:us-east-1:000000000000:jobs with an "
              "explicit deny in an identity-based policy",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    as(lo, NULL);
    IAM_DO(lo, DeleteUserPolicy, .UserName = STR("alice"), .PolicyName = STR("no"));
    IAM_DO(lo, RemoveUserFromGroup, .GroupName = STR("people"), .UserName = STR("alice"));
    assert_false(may_send_as(lo, "alice", url));
}

/* What a boundary does not allow, no policy allows; a boundary alone allows nothing. */
static void test_boundaries_decide(void **state)
{
    struct loopback *lo = *state;
    struct str url = sqs_queue(lo, "jobs");
    struct str arn = policy(lo, "limit", POLICY("Allow", "s3:*", "*"));
    IAM_FAILS(lo, "NoSuchEntityException",
              "Scope ARN: arn:aws:iam::000000000000:policy/none does not exist or is not "
              "attachable.",
              CreateUser, .UserName = STR("alice"), .PermissionsBoundary = ARN("policy/none"));
    const struct iam_User *user =
        IAM_OK(lo, CreateUser, .UserName = STR("alice"), .PermissionsBoundary = arn)->User;
    assert_str(user->PermissionsBoundary->PermissionsBoundaryArn, arn);
    assert_str(user->PermissionsBoundary->PermissionsBoundaryType, STR("Policy"));
    assert_false(may_send_as(lo, "alice", url));
    IAM_DO(lo, AttachUserPolicy, .UserName = STR("alice"),
           .PolicyArn = AWS_POLICY("AdministratorAccess"));
    as(lo, "alice");
    SQS_FAILS(lo, "AccessDeniedException",
              "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: "
              "sqs:SendMessage on resource: arn:aws:sqs:us-east-1:000000000000:jobs because no "
              "permissions boundary allows the sqs:SendMessage action",
              SendMessage, .QueueUrl = url, .MessageBody = STR("x"));
    as(lo, NULL);
    IAM_DO(lo, PutUserPermissionsBoundary, .UserName = STR("alice"),
           .PermissionsBoundary = AWS_POLICY("PowerUserAccess"));
    assert_true(may_send_as(lo, "alice", url));
    as(lo, "alice"); /* PowerUserAccess leaves IAM out */
    IAM_FAILS(lo, "AccessDenied", NULL, ListUsers, .MaxItems = {0});
    as(lo, NULL);
    IAM_DO(lo, DeleteUserPermissionsBoundary, .UserName = STR("alice"));
    as(lo, "alice");
    IAM_OK(lo, ListUsers, .MaxItems = {0});
}

/* IAM's own condition keys. */
static void test_condition_keys(void **state)
{
    struct loopback *lo = *state;
    struct iam_Tag tag = {STR("team"), STR("red")};
    struct str arn = policy(lo, "limit", POLICY("Allow", "s3:*", "*"));
    IAM_OK(lo, CreateUser, .UserName = STR("admin"));
    IAM_OK(lo, CreateUser, .UserName = STR("red"), .Path = STR("/p/"), .Tags = {&tag, 1});
    IAM_OK(lo, CreateUser, .UserName = STR("blue"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("admin"), .PolicyName = STR("p"),
           .PolicyDocument =
               STR("{\"Version\":\"2012-10-17\",\"Statement\":["
                   "{\"Effect\":\"Allow\",\"Action\":\"iam:CreateUser\",\"Resource\":\"*\","
                   "\"Condition\":{\"StringEquals\":{\"iam:PermissionsBoundary\":"
                   "\"arn:aws:iam::000000000000:policy/limit\"}}},"
                   "{\"Effect\":\"Allow\",\"Action\":\"iam:AttachUserPolicy\",\"Resource\":"
                   "\"arn:aws:iam::*:user/*\",\"Condition\":{\"ArnEquals\":{\"iam:PolicyARN\":"
                   "\"arn:aws:iam::aws:policy/AmazonSQSFullAccess\"}}},"
                   "{\"Effect\":\"Allow\",\"Action\":\"iam:GetUser\",\"Resource\":"
                   "\"arn:aws:iam::*:user/p/*\",\"Condition\":{\"StringEquals\":{"
                   "\"iam:ResourceTag/team\":\"red\"}}}]}"));
    as(lo, "admin");
    IAM_FAILS(lo, "AccessDenied", NULL, CreateUser, .UserName = STR("x"));
    IAM_OK(lo, CreateUser, .UserName = STR("x"), .PermissionsBoundary = arn);
    IAM_FAILS(lo, "AccessDenied", NULL, AttachUserPolicy, .UserName = STR("x"),
              .PolicyArn = AWS_POLICY("AdministratorAccess"));
    IAM_DO(lo, AttachUserPolicy, .UserName = STR("x"),
           .PolicyArn = AWS_POLICY("AmazonSQSFullAccess"));
    IAM_OK(lo, GetUser, .UserName = STR("red"));
    IAM_FAILS(lo, "AccessDenied",
              "User: arn:aws:iam::000000000000:user/admin is not authorized to perform: "
              "iam:GetUser on resource: arn:aws:iam::000000000000:user/blue because no "
              "identity-based policy allows the iam:GetUser action",
              GetUser, .UserName = STR("blue"));
}

/* Who makes something with tags may tag it. */
static void test_tags_at_birth(void **state)
{
    struct loopback *lo = *state;
    struct iam_Tag red = {STR("team"), STR("red")}, blue = {STR("team"), STR("blue")};
    IAM_OK(lo, CreateUser, .UserName = STR("admin"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("admin"), .PolicyName = STR("p"),
           .PolicyDocument =
               STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
                   "\"iam:CreateUser\",\"Resource\":\"*\"},{\"Effect\":\"Allow\",\"Action\":"
                   "\"iam:TagUser\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{"
                   "\"aws:RequestTag/team\":\"red\"}}}]}"));
    as(lo, "admin");
    IAM_OK(lo, CreateUser, .UserName = STR("a"));
    IAM_OK(lo, CreateUser, .UserName = STR("b"), .Tags = {&red, 1});
    IAM_FAILS(lo, "AccessDenied",
              "User: arn:aws:iam::000000000000:user/admin is not authorized to perform: "
              "iam:TagUser on resource: arn:aws:iam::000000000000:user/c because no "
              "identity-based policy allows the iam:TagUser action",
              CreateUser, .UserName = STR("c"), .Tags = {&blue, 1});
}

/* Who renames may do so with what it was and with what it becomes. */
static void test_renaming_needs_both(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateUser, .UserName = STR("admin"));
    IAM_OK(lo, CreateUser, .UserName = STR("a-1"));
    IAM_OK(lo, CreateGroup, .GroupName = STR("a-1"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("admin"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "iam:Update*", "arn:aws:iam::*:*/a-*"));
    as(lo, "admin");
    IAM_FAILS(lo, "AccessDenied",
              "User: arn:aws:iam::000000000000:user/admin is not authorized to perform: "
              "iam:UpdateUser on resource: arn:aws:iam::000000000000:user/b because no "
              "identity-based policy allows the iam:UpdateUser action",
              UpdateUser, .UserName = STR("a-1"), .NewUserName = STR("b"));
    IAM_DO(lo, UpdateUser, .UserName = STR("a-1"), .NewUserName = STR("a-2"));
    IAM_FAILS(lo, "AccessDenied", NULL, UpdateGroup, .GroupName = STR("a-1"), .NewPath = STR("/b/"),
              .NewGroupName = STR("b"));
    IAM_DO(lo, UpdateGroup, .GroupName = STR("a-1"), .NewGroupName = STR("a-2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_policies),          SQS_TEST(test_versions),
        SQS_TEST(test_attaching),         SQS_TEST(test_of_aws),
        SQS_TEST(test_of_aws_compile),    SQS_TEST(test_attached_decide),
        SQS_TEST(test_boundaries_decide), SQS_TEST(test_condition_keys),
        SQS_TEST(test_tags_at_birth),     SQS_TEST(test_renaming_needs_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
