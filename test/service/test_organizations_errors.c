/* Every error that Organizations can answer, and what must not have changed when it did. */
#include "service/organizations_support.h"

static void test_not_in_use(void **state)
{
    struct loopback *lo = *state;
    const char *code = "AWSOrganizationsNotInUseException";
    loopback_error(ORG_CALL(lo, CreateAccount, .Email = STR("a@b.cd"), .AccountName = STR("a")),
                   code, "Your account is not a member of an organization.");
    loopback_error(ORG_CALL(lo, ListRoots, .MaxResults = opt_int(1)), code, NULL);
    loopback_error(ORG_CALL(lo, ListAccounts, .MaxResults = opt_int(1)), code, NULL);
    loopback_error(ORG_CALL(lo, DescribePolicy, .PolicyId = STR("p-FullAWSAccess")), code, NULL);
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_DescribeOrganization), code, NULL);
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_LeaveOrganization), code, NULL);
}

/* A member may look at its organization and leave it, and no more. */
static void test_members(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    org_as(lo, world.member);
    loopback_ok(org_empty(lo, ORGANIZATIONS_OP_DescribeOrganization));
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_DeleteOrganization), "AccessDeniedException",
                   NULL);
    loopback_error(ORG_CALL(lo, ListAccounts, .MaxResults = opt_int(1)), "AccessDeniedException",
                   "You don't have permissions to access this resource.");
    loopback_error(
        ORG_CALL(lo, CreateOrganizationalUnit, .ParentId = world.root, .Name = STR("mine")),
        "AccessDeniedException", NULL);
    loopback_error(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("ALL")),
                   "AlreadyInOrganizationException", NULL);
    org_as(lo, STR("000000000000"));
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_LeaveOrganization),
                   "MasterCannotLeaveOrganizationException", NULL);
    loopback_error(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = STR("000000000000")),
                   "MasterCannotLeaveOrganizationException", NULL);
    loopback_error(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = STR("999999999999")),
                   "AccountNotFoundException", NULL);
    org_refused(ORG_CALL(lo, CloseAccount, .AccountId = STR("000000000000")),
                "CANNOT_CLOSE_MANAGEMENT_ACCOUNT");
    loopback_error(ORG_CALL(lo, DescribeCreateAccountStatus,
                            .CreateAccountRequestId = STR("car-0123456789abcdef")),
                   "CreateAccountStatusNotFoundException", NULL);
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_DeleteOrganization),
                   "OrganizationNotEmptyException", NULL);
}

static void test_tree(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    struct str unit = org_unit(lo, world.root, "a"), deep = unit, gone = STR("ou-zzzz-12345678");
    loopback_error(ORG_CALL(lo, CreateOrganizationalUnit, .ParentId = world.root, .Name = STR("a")),
                   "DuplicateOrganizationalUnitException", NULL);
    loopback_error(ORG_CALL(lo, CreateOrganizationalUnit, .ParentId = gone, .Name = STR("b")),
                   "ParentNotFoundException", NULL);
    loopback_error(ORG_CALL(lo, ListAccountsForParent, .ParentId = gone), "ParentNotFoundException",
                   NULL);
    loopback_error(ORG_CALL(lo, ListChildren, .ParentId = gone, .ChildType = STR("ACCOUNT")),
                   "ParentNotFoundException", NULL);
    loopback_error(ORG_CALL(lo, ListParents, .ChildId = gone), "ChildNotFoundException", NULL);
    loopback_error(ORG_CALL(lo, ListParents, .ChildId = STR("999999999999")),
                   "ChildNotFoundException", NULL);
    loopback_error(ORG_CALL(lo, DescribeOrganizationalUnit, .OrganizationalUnitId = gone),
                   "OrganizationalUnitNotFoundException", NULL);
    for (int depth = 2; depth <= 5; depth++)
        deep = org_unit(lo, deep, "below");
    org_refused(ORG_CALL(lo, CreateOrganizationalUnit, .ParentId = deep, .Name = STR("x")),
                "OU_DEPTH_LIMIT_EXCEEDED");
    loopback_error(ORG_CALL(lo, DeleteOrganizationalUnit, .OrganizationalUnitId = unit),
                   "OrganizationalUnitNotEmptyException", NULL);
    loopback_ok(ORG_CALL(lo, DeleteOrganizationalUnit, .OrganizationalUnitId = deep));
    struct str other = org_unit(lo, world.root, "other");
    loopback_error(
        ORG_CALL(lo, UpdateOrganizationalUnit, .OrganizationalUnitId = other, .Name = STR("a")),
        "DuplicateOrganizationalUnitException", NULL);
#define MOVE(from, to)                                                                             \
    ORG_CALL(lo, MoveAccount, .AccountId = world.member, .SourceParentId = (from),                 \
             .DestinationParentId = (to))
    loopback_error(MOVE(unit, other), "SourceParentNotFoundException", NULL);
    loopback_error(MOVE(world.root, gone), "DestinationParentNotFoundException", NULL);
    loopback_error(MOVE(world.root, world.root), "DuplicateAccountException", NULL);
    loopback_ok(MOVE(world.root, other));
    loopback_error(MOVE(world.root, other), "SourceParentNotFoundException", NULL);
    loopback_error(ORG_CALL(lo, DeleteOrganizationalUnit, .OrganizationalUnitId = other),
                   "OrganizationalUnitNotEmptyException", NULL);
    loopback_reopen(lo);
    const struct organizations_ListParentsResponse *parents =
        loopback_ok(ORG_CALL(lo, ListParents, .ChildId = world.member));
    assert_true(str_eq(parents->Parents.items[0].Id, other));
}

#define DENY                                                                                       \
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\","                             \
    "\"Action\":\"sqs:*\",\"Resource\":\"*\"}]}"

static void test_policies(void **state)
{
    struct loopback *lo = *state;
    struct str scp = STR("SERVICE_CONTROL_POLICY");
    org_world(lo);
    org_policy(lo, "deny", "SERVICE_CONTROL_POLICY", STR(DENY));
#define CREATE(name, type, text)                                                                   \
    ORG_CALL(lo, CreatePolicy, .Name = STR(name), .Description = STR(""), .Type = (type),          \
             .Content = (text))
    loopback_error(CREATE("deny", scp, STR(DENY)), "DuplicatePolicyException", NULL);
    loopback_error(CREATE("FullAWSAccess", scp, STR(DENY)), "DuplicatePolicyException", NULL);
    loopback_error(CREATE("x", scp, STR("[]")), "MalformedPolicyDocumentException", NULL);
    loopback_error(CREATE("x", scp, STR("{\"Statement\":1}")), "MalformedPolicyDocumentException",
                   NULL);
    loopback_error(CREATE("x", STR("TAG_POLICY"), STR("{\"other\":{}}")),
                   "MalformedPolicyDocumentException", NULL);
    loopback_error(CREATE("x", STR("RESOURCE_CONTROL_POLICY"), STR(DENY)),
                   "MalformedPolicyDocumentException", NULL);
    char *many = arena_alloc(lo->arena, 5121);
    memset(many, ' ', 5121);
    memcpy(many, DENY, sizeof DENY - 1);
    org_refused(CREATE("x", scp, str_make(many, 5121)), "POLICY_CONTENT_LIMIT_EXCEEDED");
#define ATTACH(policy, target)                                                                     \
    ORG_CALL(lo, AttachPolicy, .PolicyId = (policy), .TargetId = (target))
#define DETACH(policy, target)                                                                     \
    ORG_CALL(lo, DetachPolicy, .PolicyId = (policy), .TargetId = (target))
}

static void test_attachments(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    struct str scp = STR("SERVICE_CONTROL_POLICY"), none = STR("p-12345678");
    struct str id = org_policy(lo, "deny", "SERVICE_CONTROL_POLICY", STR(DENY));
    loopback_error(ATTACH(id, world.root), "PolicyTypeNotEnabledException", NULL);
    struct str elsewhere = STR("r-zzzz");
    loopback_error(ORG_CALL(lo, EnablePolicyType, .RootId = elsewhere, .PolicyType = scp),
                   "RootNotFoundException", NULL);
    loopback_error(ORG_CALL(lo, DisablePolicyType, .RootId = world.root, .PolicyType = scp),
                   "PolicyTypeNotEnabledException", NULL);
    loopback_ok(ORG_CALL(lo, EnablePolicyType, .RootId = world.root, .PolicyType = scp));
    loopback_error(ORG_CALL(lo, EnablePolicyType, .RootId = world.root, .PolicyType = scp),
                   "PolicyTypeAlreadyEnabledException", NULL);
    loopback_error(ATTACH(none, world.root), "PolicyNotFoundException", NULL);
    loopback_error(ATTACH(id, STR("ou-zzzz-12345678")), "TargetNotFoundException", NULL);
    loopback_error(DETACH(id, world.root), "PolicyNotAttachedException", NULL);
    loopback_ok(ATTACH(id, world.member));
    loopback_error(ATTACH(id, world.member), "DuplicatePolicyAttachmentException", NULL);
    loopback_error(ORG_CALL(lo, DeletePolicy, .PolicyId = id), "PolicyInUseException", NULL);
    loopback_ok(DETACH(id, world.member));
    org_refused(DETACH(STR("p-FullAWSAccess"), world.member),
                "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
    /* What was refused has not been detached after all. */
    assert_int_equal(org_attached(lo, world.member, "SERVICE_CONTROL_POLICY"), 1);
    for (int i = 0; i < 4; i++) {
        const char name[] = {'n', (char)('0' + i), 0};
        loopback_ok(
            ATTACH(org_policy(lo, name, "SERVICE_CONTROL_POLICY", STR(DENY)), world.member));
    }
    org_refused(ATTACH(id, world.member), "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
    org_invalid_input(ORG_CALL(lo, DeletePolicy, .PolicyId = STR("p-FullAWSAccess")),
                      "IMMUTABLE_POLICY");
    org_invalid_input(ORG_CALL(lo, UpdatePolicy, .PolicyId = STR("p-FullAWSAccess")),
                      "IMMUTABLE_POLICY");
    loopback_error(ORG_CALL(lo, UpdatePolicy, .PolicyId = id, .Name = STR("n0")),
                   "DuplicatePolicyException", NULL);
    loopback_error(ORG_CALL(lo, UpdatePolicy, .PolicyId = id, .Content = STR("{}")),
                   "MalformedPolicyDocumentException", NULL);
    loopback_ok(ORG_CALL(lo, DeletePolicy, .PolicyId = id));
    loopback_error(ORG_CALL(lo, DescribePolicy, .PolicyId = id), "PolicyNotFoundException", NULL);
    loopback_error(ORG_CALL(lo, DescribeEffectivePolicy, .PolicyType = STR("TAG_POLICY")),
                   "EffectivePolicyNotFoundException", NULL);
    /* Off and on again: only AWS's own is back. */
    loopback_ok(ORG_CALL(lo, DisablePolicyType, .RootId = world.root, .PolicyType = scp));
    loopback_ok(ORG_CALL(lo, EnablePolicyType, .RootId = world.root, .PolicyType = scp));
    assert_int_equal(org_attached(lo, world.member, "SERVICE_CONTROL_POLICY"), 1);
}

static void test_billing_only(void **state)
{
    struct loopback *lo = *state;
    loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("CONSOLIDATED_BILLING")));
    struct str scp = STR("SERVICE_CONTROL_POLICY");
    loopback_error(CREATE("x", scp, STR(DENY)), "PolicyTypeNotAvailableForOrganizationException",
                   NULL);
    const struct organizations_ListRootsResponse *roots =
        loopback_ok(ORG_CALL(lo, ListRoots, .MaxResults = opt_int(1)));
    loopback_error(
        ORG_CALL(lo, EnablePolicyType, .RootId = roots->Roots.items[0].Id, .PolicyType = scp),
        "PolicyTypeNotAvailableForOrganizationException", NULL);
    org_refused(
        ORG_CALL(lo, EnableAWSServiceAccess, .ServicePrincipal = STR("config.amazonaws.com")),
        "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE");
}

static void test_tags_and_pages(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    struct organizations_Tag two[] = {{STR("k"), STR("v")}, {STR("k"), STR("w")}};
    struct organizations_Tag aws[] = {{STR("aws:x"), STR("v")}};
    struct organizations_Tag many[51];
    for (int i = 0; i < 51; i++)
        many[i] = (struct organizations_Tag){str_format(lo->arena, "k%d", i), STR("v")};
#define TAG(id, list, count)                                                                       \
    ORG_CALL(lo, TagResource, .ResourceId = (id), .Tags = {(list), (count)})
    org_invalid_input(TAG(world.root, two, 2), "DUPLICATE_TAG_KEY");
    org_invalid_input(TAG(world.root, aws, 1), "INVALID_SYSTEM_TAGS_PARAMETER");
    org_refused(TAG(world.root, many, 51), "MAX_TAG_LIMIT_EXCEEDED");
    loopback_ok(TAG(world.root, many, 50));
    org_refused(TAG(world.root, two, 1), "MAX_TAG_LIMIT_EXCEEDED");
    loopback_error(TAG(STR("ou-zzzz-12345678"), two, 1), "TargetNotFoundException", NULL);
    loopback_error(TAG(STR("p-12345678"), two, 1), "TargetNotFoundException", NULL);
    loopback_error(TAG(STR("rp-12345678"), two, 1), "TargetNotFoundException", NULL);
    org_invalid_input(ORG_CALL(lo, ListAccounts, .NextToken = STR("never given")),
                      "INVALID_NEXT_TOKEN");
    org_invalid_input(ORG_CALL(lo, ListRoots, .NextToken = STR("never given")),
                      "INVALID_NEXT_TOKEN");
    const struct organizations_ListAccountsResponse *page =
        loopback_ok(ORG_CALL(lo, ListAccounts, .MaxResults = opt_int(1)));
    assert_int_equal(page->Accounts.len, 1);
    page = loopback_ok(
        ORG_CALL(lo, ListAccounts, .MaxResults = opt_int(1), .NextToken = page->NextToken));
    assert_int_equal(page->Accounts.len, 1);
    assert_true(str_is_absent(page->NextToken));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_not_in_use),     SQS_TEST(test_members),     SQS_TEST(test_tree),
        SQS_TEST(test_policies),       SQS_TEST(test_attachments), SQS_TEST(test_billing_only),
        SQS_TEST(test_tags_and_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
