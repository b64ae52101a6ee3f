/* A process that ends at every single write of the store: an organization is always whole. What was
 * acknowledged is there, and what its records say of one another agrees. */
#include <unistd.h>

#include "service/organizations_support.h"
#include "support/crash.h"

enum { STEPS = 8 };

/* Each step is told when it is done. */
static void work(struct loopback *lo, int pipe_end)
{
    struct str tag_policy = STR("{\"tags\":{\"a\":{\"tag_key\":{\"@@assign\":\"a\"}}}}");
#define DONE() crash_tell(pipe_end, "+", 1)
    loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("ALL")));
    DONE();
    const struct organizations_ListRootsResponse *roots =
        loopback_ok(ORG_CALL(lo, ListRoots, .MaxResults = opt_int(1)));
    struct str root = roots->Roots.items[0].Id;
    struct str unit = org_unit(lo, root, "unit");
    DONE();
    struct str member = org_account(lo, "member");
    DONE();
    loopback_ok(ORG_CALL(lo, EnablePolicyType, .RootId = root, .PolicyType = STR("TAG_POLICY")));
    loopback_ok(ORG_CALL(lo, EnablePolicyType, .RootId = root,
                         .PolicyType = STR("SERVICE_CONTROL_POLICY")));
    DONE();
    struct str policy = org_policy(lo, "policy", "TAG_POLICY", tag_policy);
    loopback_ok(ORG_CALL(lo, AttachPolicy, .PolicyId = policy, .TargetId = member));
    DONE();
    loopback_ok(ORG_CALL(lo, MoveAccount, .AccountId = member, .SourceParentId = root,
                         .DestinationParentId = unit));
    DONE();
    loopback_ok(ORG_CALL(lo, RemoveAccountFromOrganization, .AccountId = member));
    DONE();
    loopback_ok(ORG_CALL(lo, DeletePolicy, .PolicyId = policy));
    loopback_ok(ORG_CALL(lo, DeleteOrganizationalUnit, .OrganizationalUnitId = unit));
    loopback_ok(org_empty(lo, ORGANIZATIONS_OP_DeleteOrganization));
    DONE();
}

/* Every account is in exactly the place that it names, and every policy hangs where it says. */
static void verify_tree(struct loopback *lo, struct str root)
{
    const struct organizations_ListAccountsResponse *accounts =
        loopback_ok(ORG_CALL(lo, ListAccounts, .MaxResults = opt_int(20)));
    size_t placed = 0;
    for (size_t i = 0; i < accounts->Accounts.len; i++) {
        struct str id = accounts->Accounts.items[i].Id;
        const struct organizations_ListParentsResponse *parents =
            loopback_ok(ORG_CALL(lo, ListParents, .ChildId = id));
        const struct organizations_ListChildrenResponse *children =
            loopback_ok(ORG_CALL(lo, ListChildren, .ParentId = parents->Parents.items[0].Id,
                                 .ChildType = STR("ACCOUNT")));
        for (size_t c = 0; c < children->Children.len; c++)
            placed += str_eq(children->Children.items[c].Id, id);
    }
    assert_int_equal(placed, accounts->Accounts.len);
    const struct organizations_ListPoliciesResponse *policies =
        loopback_ok(ORG_CALL(lo, ListPolicies, .Filter = STR("TAG_POLICY")));
    for (size_t i = 0; i < policies->Policies.len; i++) {
        const struct organizations_ListTargetsForPolicyResponse *targets = loopback_ok(
            ORG_CALL(lo, ListTargetsForPolicy, .PolicyId = policies->Policies.items[i].Id));
        for (size_t t = 0; t < targets->Targets.len; t++)
            assert_int_equal(org_attached(lo, targets->Targets.items[t].TargetId, "TAG_POLICY"), 1);
    }
    loopback_ok(ORG_CALL(lo, ListPoliciesForTarget, .TargetId = root,
                         .Filter = STR("SERVICE_CONTROL_POLICY")));
}

static void verify(struct loopback *lo, struct str told, bool lived)
{
    int done = (int)told.len; /* a byte for each step */
    (void)lived;
    loopback_deliver(lo); /* an account that was being made */
    struct loopback_reply reply = org_empty(lo, ORGANIZATIONS_OP_DescribeOrganization);
    if (reply.result != RESULT_OK) {
        loopback_error(reply, "AWSOrganizationsNotInUseException", NULL);
        assert_true(done == 0 || done >= STEPS - 1);
        loopback_ok(ORG_CALL(lo, CreateOrganization, .FeatureSet = STR("ALL")));
        return;
    }
    assert_true(done < STEPS);
    const struct organizations_ListRootsResponse *roots =
        loopback_ok(ORG_CALL(lo, ListRoots, .MaxResults = opt_int(1)));
    struct str root = roots->Roots.items[0].Id;
    if (done >= 4)
        assert_int_equal(roots->Roots.items[0].PolicyTypes.len, 2);
    const struct organizations_ListOrganizationalUnitsForParentResponse *units =
        loopback_ok(ORG_CALL(lo, ListOrganizationalUnitsForParent, .ParentId = root));
    if (done >= 2 && done < STEPS - 1)
        assert_int_equal(units->OrganizationalUnits.len, 1);
    const struct organizations_ListAccountsResponse *accounts =
        loopback_ok(ORG_CALL(lo, ListAccounts, .MaxResults = opt_int(20)));
    assert_true(accounts->Accounts.len <= 2);
    if (done >= 3 && done < STEPS - 2)
        assert_int_equal(accounts->Accounts.len, 2);
    if (done >= STEPS - 1)
        assert_int_equal(accounts->Accounts.len, 1);
    verify_tree(lo, root);
}

static void test_every_write(void **state)
{
    (void)state;
    crash_at_every_write(20, NULL, work, verify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
