/* What a compiled policy says, for services that check one before they keep it. */
#ifndef KUMONIWA_AUTH_POLICY_WORDS_H
#define KUMONIWA_AUTH_POLICY_WORDS_H

#include "auth/policy.h"
#include "wire/types.h"

/* Whom a statement names. */
struct policy_party {
    enum policy_party_kind {
        POLICY_PARTY_ANYBODY,
        POLICY_PARTY_ACCOUNT,   /* its number */
        POLICY_PARTY_ARN,       /* a user, a role, a session */
        POLICY_PARTY_ID,        /* AIDA..., AROA... */
        POLICY_PARTY_SERVICE,   /* "sns.amazonaws.com" */
        POLICY_PARTY_FEDERATED, /* a provider */
        POLICY_PARTY_CANONICAL, /* an account's canonical user id */
    } kind;
    struct str text;
};

struct policy_words {
    bool deny, not_action, not_resource, not_principal;
    struct str_list actions;   /* in lower case; wildcards as in the document */
    struct str_list resources; /* wildcards as in the document */
    const struct policy_party *parties;
    size_t party_count;
    struct str_list keys; /* of its conditions */
};

size_t policy_statement_count(const struct policy *policy);
void policy_statement_words(struct arena *arena, const struct policy *policy, size_t statement,
                            struct policy_words *out);

/* Whether text is what the pattern, with '*' and '?', stands for; case counts. */
bool policy_glob(struct arena *scratch, struct str pattern, struct str text);

/* Whether it lets in the public ("The meaning of public", Blocking public access to your Amazon S3
 * storage, Amazon S3 User Guide): some statement allows something to anybody and binds it to no
 * fixed account, organization, address range or resource. */
bool policy_is_public(struct arena *scratch, const struct policy *policy);

#endif
