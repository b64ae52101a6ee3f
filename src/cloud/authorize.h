/* Whether the call's principal may do what it asks: the place where every operation passes, inside
 * its transaction and before its function. */
#ifndef KUMONIWA_CLOUD_AUTHORIZE_H
#define KUMONIWA_CLOUD_AUTHORIZE_H

#include "auth/policy.h"
#include "cloud/call.h"

/* What the operations of all services need, from their iam.list, and the policies that have been
 * compiled. */
struct authorizer;
struct authorizer *authorizer_new(struct arena *arena, const struct service_hooks *const *hooks);
void authorizer_free(struct authorizer *authorizer);

/* RESULT_ERROR with AccessDenied when not. */
RESULT authorize_call(struct call *call, const void *in);

/* The action that the operation is known by: "s3:GetObject". */
struct str authorize_action(const struct call *call);

/* --- further questions, from functions --- */

/* May `who` do this to that? Identity, boundary and session policies of `who` take part as in
 * authorize_call(), and the resource's own policy. */
struct authorize_ask {
    const struct principal *who; /* NULL: call->principal */
    struct str action;           /* "sts:AssumeRole" */
    struct str resource;         /* its ARN, or "*" */
    struct str owner;            /* account; absent: the principal's */
    struct str policy;           /* the resource's; absent: none */
    enum policy_form form;       /* of `policy`: POLICY_FORM_TRUST or POLICY_FORM_RESOURCE */
    bool needs_policy;           /* trust and key policies: it must allow, the owner's too */
    const void *in;              /* the request, for its tags and the service's keys; may be NULL */
    /* Keys that come before all others: NULL: none. */
    bool (*find)(void *self, struct str key, struct policy_values *out);
    void *self;
};
/* Whether nothing limits the caller in what `owner` owns: it is of that account, without a session,
 * and nobody keeps policies of it. What has no policy of its own need not be asked about then. */
RESULT authorize_is_unlimited(struct call *call, struct str owner, bool *unlimited);
/* RESULT_ERROR with AccessDenied when not. */
RESULT authorize_ask(struct call *call, const struct authorize_ask *ask);
/* The same, without failing: *allowed. */
RESULT authorize_may(struct call *call, const struct authorize_ask *ask, bool *allowed);

/* iam:PassRole ("Grant a user permissions to pass a role to an AWS service", IAM User Guide): the
 * caller may give the role, which is of its account, to the service ("lambda.amazonaws.com").
 * RESULT_ERROR with AccessDenied when not. Whether there is such a role and it trusts the service
 * is asked apart, since each service words that error itself. */
RESULT authorize_pass_role(struct call *call, struct str role_arn, struct str service);
/* Whether the role's trust policy lets the service assume it; false too when there is none. */
RESULT authorize_trusts(struct call *call, struct str role_arn, struct str service,
                        struct str source_arn, bool *trusts);

/* The first ARN that the operation's row in iam.list names for this request; absent: none. */
struct str authorize_resource(const struct call *call, const void *in);

#endif
