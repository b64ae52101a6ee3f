/* Between the files of STS. */
#ifndef KUMONIWA_SERVICES_STS_STS_INT_H
#define KUMONIWA_SERVICES_STS_STS_INT_H

#include "auth/policy.h"
#include "cloud/call.h"
#include "cloud/credentials.h"
#include "cloud/identity.h"
#include "gen/sts.h"
#include "services/sts/sts.h"

/* --- sts.c --- */

/* Temporary credentials of users and federated users call nothing else of STS: "You cannot call any
 * STS API except AssumeRole or GetCallerIdentity" ("GetSessionToken"). */
RESULT sts_refuse_sessions(struct call *call, const char *operation);

/* --- outbound.c --- */

/* Discovery document and keys of an account's issuer: a struct service_page. */
RESULT sts_issuer_page(struct call *call, struct wire_response *response);

/* --- session_parts.c: what a request gives a session --- */

/* Session policies and tags of a request, and what they come to. */
struct sts_parts {
    struct str policy; /* the request's; absent: none */
    const struct sts_policyDescriptorListType *arns;
    const struct sts_tagListType *tags;
    const struct str_list *transitive;
};
/* Fills session->policies, policy_arns, tags, transitive (added to what is inherited from `from`,
 * NULL: nothing) and *packed, the PackedPolicySize in percent (0: there is nothing to pack). Policy
 * ARNs are those of `account`. Fails as AWS does: MalformedPolicyDocument, PackedPolicyTooLarge,
 * ValidationError. */
RESULT sts_take_parts(struct call *call, const struct sts_parts *parts, struct str account,
                      const struct session *from, struct session *session, struct opt_int *packed);

/* The code of an MFA device, when the request names one; session->mfa and mfa_ms tell. */
RESULT sts_take_mfa(struct call *call, struct str serial, struct str code, struct session *session);

/* --- credentials.c --- */

/* Issues and shows credentials; size and utilization as the responses have them. */
struct sts_shown {
    struct sts_Credentials *credentials;
    struct opt_int utilization, size;
};
RESULT sts_issue(struct call *call, const struct principal *who, struct opt_int least,
                 struct sts_shown *out);

/* --- assume.c: sessions of roles --- */

/* A role by its ARN: its account too. *found false: no such role. ValidationError when it is no
 * ARN of a role. */
RESULT sts_find_role(struct call *call, struct str role_arn, struct identity_role *role,
                     struct str *account, bool *found);
/* The session's lifetime within the role's maximum. */
RESULT sts_take_duration(struct call *call, struct opt_int asked, const struct identity_role *role,
                         bool chained, struct session *session);
/* "AROA...:name" and the ARN, as responses show them. */
struct sts_AssumedRoleUser *sts_assumed(struct call *call, const struct principal *who);

/* The condition keys of a request for a session: "sts:ExternalId" and the like. */
struct sts_keys {
    struct str external_id, session_name, source_identity;
    struct str_list transitive, tag_keys;
    struct str_map tags, role_tags;
    struct str_map claims; /* of a provider, by the whole key */
    int64_t duration_s;
    bool mfa;
    struct call *call;
};
/* The names of tags, for aws:TagKeys. */
struct str_list sts_tag_keys(struct call *call, const struct str_map *tags);
bool sts_find_key(void *keys, struct str key, struct policy_values *out);

#endif
