/* Who joins and leaves: invitations, closing, administrators for services, the resource policy. */
#include "service/organizations_support.h"

#define GUEST STR("222222222222")
enum { DAY_MS = 24 * 3600 * 1000 };

static struct str invite(struct loopback *lo)
{
    struct organizations_HandshakeParty guest = {GUEST, STR("ACCOUNT")};
    const struct organizations_InviteAccountToOrganizationResponse *made =
        loopback_ok(ORG_CALL(lo, InviteAccountToOrganization, .Target = &guest));
    return made->Handshake->Id;
}

static void handshake_refused(struct loopback_reply reply, const char *reason)
{
    loopback_error(reply, "HandshakeConstraintViolationException", NULL);
    const struct organizations_HandshakeConstraintViolationException *detail = reply.detail;
    assert_true(str_eq(detail->Reason, str_from_c(reason)));
}

static void test_invitations(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    struct organizations_HandshakeParty guest = {GUEST, STR("ACCOUNT")};
    struct organizations_HandshakeParty there = {world.member, STR("ACCOUNT")};
    struct organizations_HandshakeParty wrong = {STR("x"), STR("ACCOUNT")};
    struct organizations_HandshakeParty org = {STR("o-1234567890"), STR("ORGANIZATION")};
#define INVITE(who) ORG_CALL(lo, InviteAccountToOrganization, .Target = &(who))
#define ANSWER(operation, id) ORG_CALL(lo, operation##Handshake, .HandshakeId = (id))
    org_invalid_input(INVITE(wrong), "INVALID_PATTERN_TARGET_ID");
    org_invalid_input(INVITE(org), "INVALID_PARTY_TYPE_TARGET");
    handshake_refused(INVITE(there), "ALREADY_IN_AN_ORGANIZATION");
    struct str id = invite(lo);
    loopback_error(INVITE(guest), "DuplicateHandshakeException", NULL);
    loopback_error(ANSWER(Accept, id), "AccessDeniedException", NULL);
    loopback_error(ANSWER(Decline, id), "AccessDeniedException", NULL);
    org_as(lo, STR("333333333333"));
    loopback_error(ANSWER(Describe, id), "HandshakeNotFoundException", NULL);
    org_as(lo, GUEST);
    loopback_error(ANSWER(Cancel, id), "AccessDeniedException", NULL);
    loopback_ok(ANSWER(Decline, id));
    loopback_error(ANSWER(Decline, id), "HandshakeAlreadyInStateException", NULL);
    loopback_error(ANSWER(Accept, id), "InvalidHandshakeTransitionException", NULL);
    org_as(lo, STR("000000000000"));
    loopback_error(ANSWER(Cancel, id), "InvalidHandshakeTransitionException", NULL);
    id = invite(lo);
    loopback_advance(lo, INT64_C(15) * DAY_MS);
    org_as(lo, GUEST);
    loopback_error(ANSWER(Accept, id), "InvalidHandshakeTransitionException", NULL);
    org_as(lo, STR("000000000000"));
    id = invite(lo); /* the one that expired stands in nobody's way */
    loopback_reopen(lo);
    org_as(lo, GUEST);
    loopback_ok(ANSWER(Accept, id));
    loopback_error(ANSWER(Accept, id), "HandshakeAlreadyInStateException", NULL);
    org_as(lo, STR("000000000000"));
    const struct organizations_DescribeAccountResponse *shown =
        loopback_ok(ORG_CALL(lo, DescribeAccount, .AccountId = GUEST));
    assert_true(str_eq(shown->Account->JoinedMethod, STR("INVITED")));
}

/* An invitation outlives its organization, and is worth nothing then. */
static void test_organization_gone(void **state)
{
    struct loopback *lo = *state;
    loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("ALL")));
    struct str id = invite(lo);
    loopback_ok(org_empty(lo, ORGANIZATIONS_OP_DeleteOrganization));
    loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("ALL")));
    org_as(lo, GUEST);
    loopback_error(ANSWER(Accept, id), "HandshakeNotFoundException", NULL);
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_DescribeOrganization),
                   "AWSOrganizationsNotInUseException", NULL);
}

#define DELEGATE(operation, account, service)                                                      \
    ORG_CALL(lo, operation##DelegatedAdministrator, .AccountId = (account),                        \
             .ServicePrincipal = STR(service))

static void test_delegated(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    struct str master = STR("000000000000");
    invite(lo);
    org_refused(DELEGATE(Register, world.member, "config.amazonaws.com"),
                "SERVICE_ACCESS_NOT_ENABLED");
    org_invalid_input(ORG_CALL(lo, EnableAWSServiceAccess, .ServicePrincipal = STR("config")),
                      "UNRECOGNIZED_SERVICE_PRINCIPAL");
    loopback_ok(
        ORG_CALL(lo, EnableAWSServiceAccess, .ServicePrincipal = STR("config.amazonaws.com")));
    org_refused(DELEGATE(Register, master, "config.amazonaws.com"),
                "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR");
    loopback_error(DELEGATE(Register, STR("999999999999"), "config.amazonaws.com"),
                   "AccountNotFoundException", NULL);
    loopback_error(DELEGATE(Deregister, world.member, "config.amazonaws.com"),
                   "AccountNotRegisteredException", NULL);
    loopback_error(ORG_CALL(lo, ListDelegatedServicesForAccount, .AccountId = world.member),
                   "AccountNotRegisteredException", NULL);
    loopback_ok(DELEGATE(Register, world.member, "config.amazonaws.com"));
    loopback_error(DELEGATE(Register, world.member, "config.amazonaws.com"),
                   "AccountAlreadyRegisteredException", NULL);
    org_refused(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = world.member),
                "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG");
    /* It reads what the management account reads, invitations too, and writes nothing. */
    org_as(lo, world.member);
    loopback_ok(ORG_CALL(lo, ListAccounts, .MaxResults = opt_int(20)));
    const struct organizations_ListHandshakesForOrganizationResponse *sent =
        loopback_ok(ORG_CALL(lo, ListHandshakesForOrganization, .MaxResults = opt_int(20)));
    assert_int_equal(sent->Handshakes.len, 1);
    loopback_error(ORG_CALL(lo, CreateOrganizationalUnit, .ParentId = world.root, .Name = STR("x")),
                   "AccessDeniedException", NULL);
    org_refused(org_empty(lo, ORGANIZATIONS_OP_LeaveOrganization),
                "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG");
    org_as(lo, master);
    loopback_ok(DELEGATE(Deregister, world.member, "config.amazonaws.com"));
    loopback_ok(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = world.member));
    loopback_error(ORG_CALL(lo, DescribeAccount, .AccountId = world.member),
                   "AccountNotFoundException", NULL);
}

static struct str state_of(struct loopback *lo, struct str account)
{
    const struct organizations_DescribeAccountResponse *shown =
        loopback_ok(ORG_CALL(lo, DescribeAccount, .AccountId = account));
    return shown->Account->State;
}

static void test_closing(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    loopback_ok(ORG_CALL(lo, CloseAccount, .AccountId = world.member));
    assert_true(str_eq(state_of(lo, world.member), STR("PENDING_CLOSURE")));
    loopback_error(ORG_CALL(lo, CloseAccount, .AccountId = world.member),
                   "AccountAlreadyClosedException", NULL);
    loopback_reopen(lo);
    loopback_deliver(lo);
    assert_true(str_eq(state_of(lo, world.member), STR("SUSPENDED")));
    loopback_advance(lo, INT64_C(89) * DAY_MS);
    loopback_deliver(lo);
    assert_true(str_eq(state_of(lo, world.member), STR("SUSPENDED")));
    loopback_advance(lo, DAY_MS);
    loopback_deliver(lo);
    loopback_error(ORG_CALL(lo, DescribeAccount, .AccountId = world.member),
                   "AccountNotFoundException", NULL);
}

/* The end that was near for who left does not come for who came back. */
static void test_back_again(void **state)
{
    struct loopback *lo = *state;
    loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("ALL")));
    struct str id = invite(lo);
    org_as(lo, GUEST);
    loopback_ok(ANSWER(Accept, id));
    org_as(lo, STR("000000000000"));
    loopback_ok(ORG_CALL(lo, CloseAccount, .AccountId = GUEST));
    loopback_ok(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = GUEST));
    id = invite(lo);
    org_as(lo, GUEST);
    loopback_ok(ANSWER(Accept, id));
    org_as(lo, STR("000000000000"));
    loopback_deliver(lo);
    assert_true(str_eq(state_of(lo, GUEST), STR("ACTIVE")));
}

static void test_failed_creation(void **state)
{
    struct loopback *lo = *state;
    org_world(lo);
    const struct organizations_CreateAccountResponse *made = loopback_ok(ORG_CALL(
        lo, CreateAccount, .Email = STR("MEMBER@example.com"), .AccountName = STR("again")));
    loopback_reopen(lo); /* it is made after a restart, too */
    loopback_deliver(lo);
    const struct organizations_DescribeCreateAccountStatusResponse *done = loopback_ok(ORG_CALL(
        lo, DescribeCreateAccountStatus, .CreateAccountRequestId = made->CreateAccountStatus->Id));
    assert_true(str_eq(done->CreateAccountStatus->State, STR("FAILED")));
    assert_true(str_eq(done->CreateAccountStatus->FailureReason, STR("EMAIL_ALREADY_EXISTS")));
}

static void test_resource_policy(void **state)
{
    struct loopback *lo = *state;
    struct org_world world = org_world(lo);
    struct organizations_Tag tag = {STR("k"), STR("v")};
    struct str text =
        str_format(lo->arena,
                   "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                   "\"Principal\":{\"AWS\":\"%.*s\"},\"Action\":\"organizations:List*\","
                   "\"Resource\":\"*\"}]}",
                   PRSTR(world.member));
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_DescribeResourcePolicy),
                   "ResourcePolicyNotFoundException", NULL);
    loopback_error(org_empty(lo, ORGANIZATIONS_OP_DeleteResourcePolicy),
                   "ResourcePolicyNotFoundException", NULL);
    org_invalid_input(ORG_CALL(lo, PutResourcePolicy, .Content = STR("{}")),
                      "INVALID_RESOURCE_POLICY_JSON");
    const struct organizations_PutResourcePolicyResponse *made =
        loopback_ok(ORG_CALL(lo, PutResourcePolicy, .Content = text, .Tags = {&tag, 1}));
    struct str id = made->ResourcePolicy->ResourcePolicySummary->Id;
    /* Changing it keeps its tags; giving some again is refused. */
    loopback_ok(ORG_CALL(lo, PutResourcePolicy, .Content = text));
    org_invalid_input(ORG_CALL(lo, PutResourcePolicy, .Content = text, .Tags = {&tag, 1}),
                      "INVALID_LIST_MEMBER");
    const struct organizations_ListTagsForResourceResponse *tags =
        loopback_ok(ORG_CALL(lo, ListTagsForResource, .ResourceId = id));
    assert_int_equal(tags->Tags.len, 1);
    loopback_ok(org_empty(lo, ORGANIZATIONS_OP_DeleteResourcePolicy));
    loopback_error(ORG_CALL(lo, ListTagsForResource, .ResourceId = id), "TargetNotFoundException",
                   NULL);
}

/* Who has left need not approve; what nobody approved in ninety days is over. */
static void test_all_features(void **state)
{
    struct loopback *lo = *state;
    loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("CONSOLIDATED_BILLING")));
    struct str id = invite(lo);
    org_as(lo, GUEST);
    loopback_ok(ANSWER(Accept, id));
    org_as(lo, STR("000000000000"));
    const struct organizations_EnableAllFeaturesResponse *asked =
        loopback_ok(org_empty(lo, ORGANIZATIONS_OP_EnableAllFeatures));
    loopback_error(ANSWER(Accept, asked->Handshake->Id), "InvalidHandshakeTransitionException",
                   NULL);
    loopback_advance(lo, INT64_C(90) * DAY_MS);
    loopback_error(ANSWER(Accept, asked->Handshake->Id), "InvalidHandshakeTransitionException",
                   NULL);
    asked = loopback_ok(org_empty(lo, ORGANIZATIONS_OP_EnableAllFeatures));
    loopback_ok(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = GUEST));
    loopback_ok(ANSWER(Accept, asked->Handshake->Id));
    const struct organizations_DescribeOrganizationResponse *shown =
        loopback_ok(org_empty(lo, ORGANIZATIONS_OP_DescribeOrganization));
    assert_true(str_eq(shown->Organization->FeatureSet, STR("ALL")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQS_TEST(test_invitations),     SQS_TEST(test_organization_gone),
        SQS_TEST(test_delegated),       SQS_TEST(test_closing),
        SQS_TEST(test_back_again),      SQS_TEST(test_failed_creation),
        SQS_TEST(test_resource_policy), SQS_TEST(test_all_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
