/* Between the files of the policy simulator ("IAM policy testing with the IAM policy simulator").
 */
#ifndef KUMONIWA_SERVICES_IAM_SIMULATION_H
#define KUMONIWA_SERVICES_IAM_SIMULATION_H

#include "auth/policy.h"
#include "services/iam/iam_int.h"

/* One document that takes part. */
struct simulated {
    enum policy_kind kind;
    unsigned level; /* of an SCP */
    struct str name, type, text;
};

struct simulation {
    struct call *call;
    struct policy_principal principal;
    struct str_map principal_tags;
    struct str user_name; /* of a user */
    struct simulated *items;
    size_t len, cap;
    const struct str_list *actions, *resources;
    struct str owner; /* of resources that name none; absent: the caller's account */
    const struct iam_ContextEntryListType *context;
    struct str marker;
    struct opt_int max_items;
};

void simulation_add(struct simulation *simulation, const struct simulated *item);
/* Documents given with the request: "PolicyInputList.1", ... */
void simulation_add_inputs(struct simulation *simulation, enum policy_kind kind, const char *name,
                           const struct str_list *texts);
void simulation_add_organization(struct simulation *simulation,
                                 const struct iam_OrganizationPolicyListType *levels);
/* The resource's policy and whose the resource is; without a caller there is nobody to whom a
 * resource's policy could speak. */
struct simulation_resource {
    struct str policy, owner, caller, handling;
};
RESULT simulation_set_resource(struct simulation *simulation,
                               const struct simulation_resource *resource);
/* Who asks, by ARN: a user, a role, an assumed role's session, the root user. */
RESULT simulation_set_caller(struct simulation *simulation, struct str arn);
RESULT simulation_run(struct simulation *simulation, struct iam_SimulatePolicyResponse *out);

#endif
