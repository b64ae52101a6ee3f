/* Access policies: documents compiled once, questions answered many times. Pure: no I/O, no clock,
 * no idea of where policies are kept. Follows "IAM JSON policy elements reference", "Policy
 * evaluation logic", "Cross-account policy evaluation logic" and "Troubleshoot access denied error
 * messages" (IAM User Guide). */
#ifndef KUMONIWA_AUTH_POLICY_H
#define KUMONIWA_AUTH_POLICY_H

#include "base/arena.h"
#include "base/result.h"
#include "base/str.h"

struct policy;
struct policy_statement;

/* --- compiling --- */

/* What a document may and must say depends on where it stands. */
enum policy_form {
    POLICY_FORM_MANAGED,  /* no Principal; Version 2012-10-17 */
    POLICY_FORM_INLINE,   /* no Principal; also of SCPs, session policies, boundaries */
    POLICY_FORM_TRUST,    /* of a role: Principal, no Resource */
    POLICY_FORM_RESOURCE, /* of a queue, a bucket, ...: Principal */
};

/* The policy lives in the arena and borrows from the text. RESULT_ERROR: *reason is what AWS says
 * with MalformedPolicyDocument. */
RESULT policy_compile(struct arena *arena, struct str text, enum policy_form form,
                      const struct policy **out, struct str *reason);

/* "" when the statement has none; position from 1. */
struct str policy_statement_sid(const struct policy_statement *statement);
size_t policy_statement_position(const struct policy_statement *statement);

/* --- asking --- */

/* As what a policy takes part in a decision. */
enum policy_kind {
    POLICY_IDENTITY,
    POLICY_RESOURCE,
    POLICY_BOUNDARY,
    POLICY_SESSION,
    POLICY_SCP,
    POLICY_RCP,
};
enum { POLICY_KINDS = 6 };

struct policy_attached {
    enum policy_kind kind;
    const struct policy *policy;
    struct str name; /* its ARN, or what `iam explain` shows */
    unsigned level;  /* SCP, RCP: root 0, then each unit, then the account; every level that is
                        there must allow. At most 31. */
};

/* The values of a condition key. len 0: the key is there without a value. */
struct policy_values {
    const struct str *items;
    size_t len;
};
/* False: the request has no such key. Keys compare without case. Asked only for what a policy
 * names. */
struct policy_context {
    bool (*find)(void *self, struct str key, struct policy_values *out);
    void *self;
};

enum policy_principal_kind {
    POLICY_BY_NOBODY, /* anonymous */
    POLICY_BY_ROOT,
    POLICY_BY_USER,
    POLICY_BY_ROLE, /* a session of one */
    POLICY_BY_FEDERATED,
    POLICY_BY_SERVICE,
};
struct policy_principal {
    enum policy_principal_kind kind;
    struct str account;   /* 12 digits; absent for nobody and services */
    struct str arn;       /* user, assumed-role session, federated-user or root */
    struct str role_arn;  /* of a session: arn:aws:iam::ACCOUNT:role/PATH/NAME */
    struct str user_id;   /* AIDA..., AROA...:session */
    struct str service;   /* "sns.amazonaws.com" */
    struct str federated; /* the provider that the session came from */
    struct str canonical; /* the account's canonical user id */
};

struct policy_question {
    struct policy_principal principal;
    struct str action;   /* "sqs:SendMessage" */
    struct str resource; /* its ARN, or "*" */
    struct str owner;    /* the account that the resource is of; absent: the principal's */
    struct policy_context context;
    const struct policy_attached *policies;
    size_t count;
    bool needs_resource_policy; /* keys, trust policies: the owner's own principals too are allowed
                                   nothing that the resource's policy does not allow */
};

enum policy_verdict { POLICY_ALLOWED, POLICY_DENIED_EXPLICITLY, POLICY_DENIED_IMPLICITLY };

struct policy_answer {
    enum policy_verdict verdict;
    enum policy_kind kind; /* that denied, or that let it pass */
    /* The statement that decided; NULL for implicit denials and for what root may do unasked. */
    const struct policy_attached *policy;
    const struct policy_statement *statement;
};

/* scratch: for what variables expand to. */
void policy_evaluate(struct arena *scratch, const struct policy_question *question,
                     struct policy_answer *out);

/* What keeps a statement from speaking of the question; the first of these. */
enum policy_miss {
    POLICY_MISS_NONE, /* it speaks */
    POLICY_MISS_ACTION,
    POLICY_MISS_RESOURCE,
    POLICY_MISS_PRINCIPAL,
    POLICY_MISS_CONDITION,
};
struct policy_reason {
    const struct policy_statement *statement;
    bool deny; /* its effect */
    enum policy_miss miss;
    struct str key; /* of the condition that does not hold */
    bool key_is_there;
};
/* Tells of each statement of each policy, in order, whether it speaks. */
void policy_explain(struct arena *scratch, const struct policy_question *question,
                    void (*told)(void *self, const struct policy_attached *policy,
                                 const struct policy_reason *reason),
                    void *self);

/* "User: arn:... is not authorized to perform: sqs:SendMessage on resource: arn:... because no
 * identity-based policy allows the sqs:SendMessage action" */
struct str policy_denial_text(struct arena *arena, const struct policy_question *question,
                              const struct policy_answer *answer);
/* "identity-based policy", "permissions boundary", ... */
struct str policy_kind_name(enum policy_kind kind);

#endif
