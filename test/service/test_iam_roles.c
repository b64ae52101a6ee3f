/* Groups, roles, instance profiles, service-linked roles. */
#include "service/iam_support.h"

#define EC2 TRUST("Service", "ec2.amazonaws.com")

static void test_groups(void **state)
{
    struct loopback *lo = *state;
    struct str arn =
        IAM_OK(lo, CreateGroup, .GroupName = STR("Devs"), .Path = STR("/a/"))->Group->Arn;
    assert_str(arn, ARN("group/a/Devs"));
    IAM_FAILS(lo, "EntityAlreadyExistsException", "Group with name devs already exists.",
              CreateGroup, .GroupName = STR("devs"));
    IAM_FAILS(lo, "NoSuchEntityException", "The group with name none cannot be found.", GetGroup,
              .GroupName = STR("none"));
    for (int i = 0; i < 12; i++) {
        struct str name = str_format(lo->arena, "u%02d", i);
        IAM_OK(lo, CreateUser, .UserName = name);
        IAM_DO(lo, AddUserToGroup, .GroupName = STR("devs"), .UserName = name);
        if (i > 0)
            IAM_OK(lo, CreateGroup, .GroupName = str_format(lo->arena, "g%02d", i));
    }
    const struct iam_GetGroupResponse *page =
        IAM_OK(lo, GetGroup, .GroupName = STR("devs"), .MaxItems = opt_int(8));
    assert_true(page->IsTruncated.value && page->Users.len == 8);
    page = IAM_OK(lo, GetGroup, .GroupName = STR("devs"), .Marker = page->Marker);
    assert_int_equal(page->Users.len, 4);
    for (int i = 1; i < 10; i++)
        IAM_DO(lo, AddUserToGroup, .GroupName = str_format(lo->arena, "g%02d", i),
               .UserName = STR("u00"));
    IAM_DO(lo, AddUserToGroup, .GroupName = STR("g09"), .UserName = STR("u00"));
    IAM_FAILS(lo, "LimitExceededException", "Cannot exceed quota for GroupsPerUser: 10",
              AddUserToGroup, .GroupName = STR("g10"), .UserName = STR("u00"));
    const struct iam_ListGroupsForUserResponse *groups =
        IAM_OK(lo, ListGroupsForUser, .UserName = STR("u00"), .MaxItems = opt_int(6));
    assert_true(groups->IsTruncated.value && groups->Groups.len == 6);
    groups = IAM_OK(lo, ListGroupsForUser, .UserName = STR("u00"), .Marker = groups->Marker);
    assert_int_equal(groups->Groups.len, 4);
    IAM_FAILS(lo, "DeleteConflictException",
              "Cannot delete entity, must remove users from group first.", DeleteUser,
              .UserName = STR("u00"));
    IAM_FAILS(lo, "DeleteConflictException",
              "Cannot delete entity, must remove users from group first.", DeleteGroup,
              .GroupName = STR("g09"));
    IAM_DO(lo, RemoveUserFromGroup, .GroupName = STR("g09"), .UserName = STR("u00"));
    IAM_DO(lo, PutGroupPolicy, .GroupName = STR("g09"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "s3:*", "*"));
    assert_true(str_find(IAM_OK(lo, GetGroupPolicy, .GroupName = STR("g09"), .PolicyName = STR("p"))
                             ->PolicyDocument,
                         STR("s3")) != SIZE_MAX);
    IAM_FAILS(lo, "NoSuchEntityException", "The group policy with name q cannot be found.",
              GetGroupPolicy, .GroupName = STR("g09"), .PolicyName = STR("q"));
    IAM_FAILS(lo, "DeleteConflictException", "Cannot delete entity, must delete policies first.",
              DeleteGroup, .GroupName = STR("g09"));
    IAM_DO(lo, DeleteGroupPolicy, .GroupName = STR("g09"), .PolicyName = STR("p"));
    IAM_DO(lo, DeleteGroup, .GroupName = STR("g09"));
    assert_int_equal(IAM_OK(lo, ListGroups, .PathPrefix = STR("/a/"))->Groups.len, 1);
    IAM_DO(lo, UpdateGroup, .GroupName = STR("Devs"), .NewPath = STR("/b/"));
    assert_str(IAM_OK(lo, GetGroup, .GroupName = STR("devs"))->Group->Arn, ARN("group/b/Devs"));
}

static void test_role_documents(void **state)
{
    struct loopback *lo = *state;
    IAM_FAILS(lo, "MalformedPolicyDocumentException", "This policy contains invalid Json",
              CreateRole, .RoleName = STR("r"), .AssumeRolePolicyDocument = STR("nonsense"));
    IAM_FAILS(lo, "MalformedPolicyDocumentException", "Has prohibited field Resource", CreateRole,
              .RoleName = STR("r"),
              .AssumeRolePolicyDocument = POLICY("Allow", "sts:AssumeRole", "*"));
    IAM_FAILS(lo, "MalformedPolicyDocumentException",
              "Invalid principal in policy: \"AWS\":\"arn:aws:iam::000000000000:user/none\"",
              CreateRole, .RoleName = STR("r"),
              .AssumeRolePolicyDocument = TRUST("AWS", "arn:aws:iam::000000000000:user/none"));
    IAM_FAILS(lo, "ValidationError", NULL, CreateRole, .RoleName = STR("r"),
              .AssumeRolePolicyDocument = EC2, .MaxSessionDuration = opt_int(3599));
    struct str large = str_format(lo->arena,
                                  "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                                  "\"Principal\":\"*\",\"Action\":\"sts:AssumeRole\",\"Condition\":"
                                  "{\"StringEquals\":{\"sts:ExternalId\":\"%02000d\"}}}}",
                                  1);
    IAM_FAILS(lo, "LimitExceededException", "Cannot exceed quota for ACLSizePerRole: 2048",
              CreateRole, .RoleName = STR("r"), .AssumeRolePolicyDocument = large);
}

static void test_roles(void **state)
{
    struct loopback *lo = *state;
    struct iam_Tag tag = {STR("k"), STR("v")};
    const struct iam_Role *role =
        IAM_OK(lo, CreateRole, .RoleName = STR("App"), .Path = STR("/x/"),
               .AssumeRolePolicyDocument = EC2, .Description = STR("d"), .Tags = {&tag, 1},
               .PermissionsBoundary = AWS_POLICY("PowerUserAccess"))
            ->Role;
    assert_str(role->Arn, ARN("role/x/App"));
    assert_int_equal(role->MaxSessionDuration.value, 3600);
    assert_true(str_starts_with(role->RoleId, STR("AROA")));
    IAM_FAILS(lo, "EntityAlreadyExistsException", "Role with name app already exists.", CreateRole,
              .RoleName = STR("app"), .AssumeRolePolicyDocument = EC2);
    role = IAM_OK(lo, GetRole, .RoleName = STR("app"))->Role;
    assert_true(str_starts_with(role->AssumeRolePolicyDocument, STR("%7B%22Version")));
    assert_str(role->PermissionsBoundary->PermissionsBoundaryArn, AWS_POLICY("PowerUserAccess"));
    assert_non_null(role->RoleLastUsed);
    assert_false(role->RoleLastUsed->LastUsedDate.set);
    IAM_OK(lo, UpdateRole, .RoleName = STR("App"), .MaxSessionDuration = opt_int(7200));
    IAM_OK(lo, UpdateRoleDescription, .RoleName = STR("App"), .Description = STR("e"));
    IAM_DO(lo, UpdateAssumeRolePolicy, .RoleName = STR("App"),
           .PolicyDocument = TRUST("AWS", "arn:aws:iam::000000000000:role/x/App"));
    IAM_DO(lo, TagRole, .RoleName = STR("App"), .Tags = {&tag, 1});
    role = IAM_OK(lo, GetRole, .RoleName = STR("App"))->Role;
    assert_int_equal(role->MaxSessionDuration.value, 7200);
    assert_str(role->Description, STR("e"));
    assert_int_equal(IAM_OK(lo, ListRoleTags, .RoleName = STR("App"))->Tags.len, 1);
    IAM_DO(lo, UntagRole, .RoleName = STR("App"), .TagKeys = NAMES(lo, "k"));
    IAM_DO(lo, PutRolePolicy, .RoleName = STR("App"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "s3:*", "*"));
    assert_int_equal(IAM_OK(lo, ListRolePolicies, .RoleName = STR("App"))->PolicyNames.len, 1);
    IAM_FAILS(lo, "DeleteConflictException", "Cannot delete entity, must delete policies first.",
              DeleteRole, .RoleName = STR("App"));
    IAM_DO(lo, DeleteRolePolicy, .RoleName = STR("App"), .PolicyName = STR("p"));
    IAM_DO(lo, DeleteRole, .RoleName = STR("App"));
    IAM_FAILS(lo, "NoSuchEntityException", "The role with name App cannot be found.", GetRole,
              .RoleName = STR("App"));
    assert_int_equal(IAM_OK(lo, GetPolicy, .PolicyArn = AWS_POLICY("PowerUserAccess"))
                         ->Policy->PermissionsBoundaryUsageCount.value,
                     0);
    for (int i = 0; i < 7; i++)
        IAM_OK(lo, CreateRole, .RoleName = str_format(lo->arena, "r%d", i),
               .AssumeRolePolicyDocument = EC2);
    const struct iam_ListRolesResponse *page = IAM_OK(lo, ListRoles, .MaxItems = opt_int(5));
    assert_true(page->IsTruncated.value && page->Roles.len == 5);
    assert_int_equal(IAM_OK(lo, ListRoles, .Marker = page->Marker)->Roles.len, 2);
}

static struct str trust_of(struct loopback *lo, const char *role)
{
    return IAM_OK(lo, GetRole, .RoleName = str_from_c(role))->Role->AssumeRolePolicyDocument;
}

static bool mentions(struct str text, struct str what)
{
    return str_find(text, what) != SIZE_MAX;
}

/* Who is named is meant, whatever becomes of the name. */
static void test_trust_means_whom_it_named(void **state)
{
    struct loopback *lo = *state;
    struct str id = IAM_OK(lo, CreateUser, .UserName = STR("alice"))->User->UserId;
    IAM_OK(lo, CreateRole, .RoleName = STR("r"),
           .AssumeRolePolicyDocument = TRUST("AWS", "arn:aws:iam::000000000000:user/alice"));
    assert_true(mentions(trust_of(lo, "r"), STR("user%2Falice%22")));
    IAM_DO(lo, UpdateUser, .UserName = STR("alice"), .NewUserName = STR("carol"));
    assert_true(mentions(trust_of(lo, "r"), STR("user%2Fcarol%22")));
    IAM_DO(lo, DeleteUser, .UserName = STR("carol"));
    assert_true(mentions(trust_of(lo, "r"), id));
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    assert_true(mentions(trust_of(lo, "r"), id));
    IAM_DO(lo, UpdateAssumeRolePolicy, .RoleName = STR("r"),
           .PolicyDocument = TRUST("AWS", "arn:aws:iam::000000000000:user/alice"));
    assert_false(mentions(trust_of(lo, "r"), id));
    /* Nobody knows who is in another account. */
    IAM_DO(lo, UpdateAssumeRolePolicy, .RoleName = STR("r"),
           .PolicyDocument = TRUST("AWS", "arn:aws:iam::111111111111:user/any"));
    assert_true(mentions(trust_of(lo, "r"), STR("user%2Fany")));
}

static void test_instance_profiles(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateRole, .RoleName = STR("r"), .AssumeRolePolicyDocument = EC2);
    IAM_OK(lo, CreateRole, .RoleName = STR("s"), .AssumeRolePolicyDocument = EC2);
    const struct iam_InstanceProfile *profile =
        IAM_OK(lo, CreateInstanceProfile, .InstanceProfileName = STR("Web"), .Path = STR("/p/"))
            ->InstanceProfile;
    assert_str(profile->Arn, ARN("instance-profile/p/Web"));
    assert_true(str_starts_with(profile->InstanceProfileId, STR("AIPA")));
    IAM_FAILS(lo, "EntityAlreadyExistsException", "Instance Profile web already exists.",
              CreateInstanceProfile, .InstanceProfileName = STR("web"));
    IAM_DO(lo, AddRoleToInstanceProfile, .InstanceProfileName = STR("Web"), .RoleName = STR("r"));
    IAM_FAILS(lo, "LimitExceededException",
              "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
              AddRoleToInstanceProfile, .InstanceProfileName = STR("Web"), .RoleName = STR("s"));
    profile = IAM_OK(lo, GetInstanceProfile, .InstanceProfileName = STR("web"))->InstanceProfile;
    assert_int_equal(profile->Roles.len, 1);
    assert_str(profile->Roles.items[0].RoleName, STR("r"));
    assert_int_equal(
        IAM_OK(lo, ListInstanceProfilesForRole, .RoleName = STR("r"))->InstanceProfiles.len, 1);
    IAM_FAILS(lo, "DeleteConflictException",
              "Cannot delete entity, must remove roles from instance profile first.", DeleteRole,
              .RoleName = STR("r"));
    IAM_FAILS(lo, "DeleteConflictException",
              "Cannot delete entity, must remove roles from instance profile first.",
              DeleteInstanceProfile, .InstanceProfileName = STR("Web"));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, RemoveRoleFromInstanceProfile,
              .InstanceProfileName = STR("Web"), .RoleName = STR("s"));
    IAM_DO(lo, RemoveRoleFromInstanceProfile, .InstanceProfileName = STR("Web"),
           .RoleName = STR("r"));
    IAM_DO(lo, DeleteInstanceProfile, .InstanceProfileName = STR("Web"));
    IAM_FAILS(lo, "NoSuchEntityException", "Instance Profile Web cannot be found.",
              GetInstanceProfile, .InstanceProfileName = STR("Web"));
    IAM_DO(lo, DeleteRole, .RoleName = STR("r"));
}

/* Who puts a role into a profile passes it to EC2. */
static void test_pass_role(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateRole, .RoleName = STR("r"), .AssumeRolePolicyDocument = EC2);
    IAM_OK(lo, CreateInstanceProfile, .InstanceProfileName = STR("p"));
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    IAM_DO(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("p"),
           .PolicyDocument = POLICY("Allow", "iam:AddRoleToInstanceProfile", "*"));
    lo->user = STR("alice");
    IAM_FAILS(lo, "AccessDenied",
              "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: "
              "iam:PassRole on resource: arn:aws:iam::000000000000:role/r because no "
              "identity-based policy allows the iam:PassRole action",
              AddRoleToInstanceProfile, .InstanceProfileName = STR("p"), .RoleName = STR("r"));
    lo->user = (struct str){0};
    IAM_DO(lo, PutUserPolicy, .UserName = STR("alice"), .PolicyName = STR("q"),
           .PolicyDocument =
               STR("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":"
                   "\"iam:PassRole\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{"
                   "\"iam:PassedToService\":\"ec2.amazonaws.com\"}}}}"));
    lo->user = STR("alice");
    IAM_DO(lo, AddRoleToInstanceProfile, .InstanceProfileName = STR("p"), .RoleName = STR("r"));
}

static void test_quotas(void **state)
{
    struct loopback *lo = *state;
    for (int i = 0; i < 300; i++)
        IAM_OK(lo, CreateGroup, .GroupName = str_format(lo->arena, "g%d", i));
    IAM_FAILS(lo, "LimitExceededException", "Cannot exceed quota for GroupsPerAccount: 300",
              CreateGroup, .GroupName = STR("more"));
    IAM_DO(lo, DeleteGroup, .GroupName = STR("g7"));
    IAM_OK(lo, CreateGroup, .GroupName = STR("more"));
    lo->account = STR("111111111111");
    IAM_OK(lo, CreateGroup, .GroupName = STR("more"));
}

static void test_service_linked(void **state)
{
    struct loopback *lo = *state;
    const struct iam_Role *role =
        IAM_OK(lo, CreateServiceLinkedRole,
               .AWSServiceName = STR("replication.dynamodb.amazonaws.com"))
            ->Role;
    assert_str(role->Arn, ARN("role/aws-service-role/replication.dynamodb.amazonaws.com/"
                              "AWSServiceRoleForDynamoDBReplication"));
    struct str name = STR("AWSServiceRoleForDynamoDBReplication");
    IAM_FAILS(lo, "InvalidInputException",
              "Service role name AWSServiceRoleForDynamoDBReplication has been taken in this "
              "account, please try a different suffix.",
              CreateServiceLinkedRole, .AWSServiceName = STR("replication.dynamodb.amazonaws.com"));
    IAM_FAILS(lo, "InvalidInputException", NULL, CreateServiceLinkedRole,
              .AWSServiceName = STR("nobody.amazonaws.com"));
    assert_int_equal(IAM_OK(lo, ListAttachedRolePolicies, .RoleName = name)->AttachedPolicies.len,
                     1);
    IAM_FAILS(lo, "UnmodifiableEntityException",
              "Cannot perform the operation on the protected role "
              "'AWSServiceRoleForDynamoDBReplication' - this role is only modifiable by AWS",
              DeleteRole, .RoleName = name);
    IAM_FAILS(lo, "UnmodifiableEntityException", NULL, PutRolePolicy, .RoleName = name,
              .PolicyName = STR("p"), .PolicyDocument = POLICY("Allow", "s3:*", "*"));
    IAM_FAILS(lo, "UnmodifiableEntityException", NULL, UpdateAssumeRolePolicy, .RoleName = name,
              .PolicyDocument = EC2);
    IAM_OK(lo, UpdateRoleDescription, .RoleName = name, .Description = STR("mine"));
    IAM_OK(lo, CreateRole, .RoleName = STR("plain"), .AssumeRolePolicyDocument = EC2);
    IAM_FAILS(lo, "PolicyNotAttachableException",
              "Cannot attach a Service Role Policy to a Customer Role.", AttachRolePolicy,
              .RoleName = STR("plain"),
              .PolicyArn = AWS_POLICY("aws-service-role/DynamoDBReplicationServiceRolePolicy"));
    struct str task = IAM_OK(lo, DeleteServiceLinkedRole, .RoleName = name)->DeletionTaskId;
    assert_str(IAM_OK(lo, GetServiceLinkedRoleDeletionStatus, .DeletionTaskId = task)->Status,
               STR("IN_PROGRESS"));
    assert_true(loopback_deliver(lo) >= 1);
    assert_str(IAM_OK(lo, GetServiceLinkedRoleDeletionStatus, .DeletionTaskId = task)->Status,
               STR("SUCCEEDED"));
    IAM_FAILS(lo, "NoSuchEntityException", NULL, GetRole, .RoleName = name);
    IAM_FAILS(lo, "NoSuchEntityException", NULL, GetServiceLinkedRoleDeletionStatus,
              .DeletionTaskId = STR("task/none"));
    IAM_OK(lo, CreateServiceLinkedRole, .AWSServiceName = STR("autoscaling.amazonaws.com"),
           .CustomSuffix = STR("a"));
    IAM_OK(lo, GetRole, .RoleName = STR("AWSServiceRoleForAutoScaling_a"));
}

/* AmazonSSMFullAccess lets make the role of SSM, by its name and for that service alone. */
static void test_service_linked_by_policy(void **state)
{
    struct loopback *lo = *state;
    IAM_OK(lo, CreateUser, .UserName = STR("alice"));
    IAM_DO(lo, AttachUserPolicy, .UserName = STR("alice"),
           .PolicyArn = AWS_POLICY("AmazonSSMFullAccess"));
    lo->user = STR("alice");
    IAM_OK(lo, CreateServiceLinkedRole, .AWSServiceName = STR("ssm.amazonaws.com"));
    IAM_FAILS(lo, "AccessDenied",
              "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: "
              "iam:CreateServiceLinkedRole on resource: arn:aws:iam::000000000000:role/"
              "aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS because no identity-based "
              "policy allows the iam:CreateServiceLinkedRole action",
              CreateServiceLinkedRole, .AWSServiceName = STR("ecs.amazonaws.com"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_groups),
        SQS_TEST(test_role_documents),
        SQS_TEST(test_roles),
        SQS_TEST(test_instance_profiles),
        SQS_TEST(test_trust_means_whom_it_named),
        SQS_TEST(test_pass_role),
        SQS_TEST(test_quotas),
        SQS_TEST(test_service_linked),
        SQS_TEST(test_service_linked_by_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
