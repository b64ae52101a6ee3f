/* Temporary credentials ("Temporary security credentials in IAM", IAM User Guide). Nothing of them
 * is stored: the session token carries the whole session, sealed with a key of this data directory
 * (AES-256-GCM), and the secret is derived from the access key id. A million live sessions cost
 * nothing; none can be revoked but by policies (aws:TokenIssueTime) or by deleting what they stand
 * on. */
#ifndef KUMONIWA_CLOUD_SESSION_H
#define KUMONIWA_CLOUD_SESSION_H

#include "base/result.h"
#include "wire/types.h"

struct call;
struct cloud;
struct credentials;
struct principal;

/* What a principal with temporary credentials has besides a name; constant once it is made. */
struct session {
    int64_t issued_ms, expires_ms;
    /* Of a role (PRINCIPAL_ROLE_SESSION); absent otherwise. */
    struct str role_arn;           /* arn:aws:iam::ACCOUNT:role/PATH/NAME */
    struct str role_id;            /* AROA... */
    struct str name;               /* session name; of a federated user: its name */
    struct str_map tags;           /* session tags: with the role's, aws:PrincipalTag */
    struct str_list transitive;    /* keys of tags that a role assumed with this session inherits */
    struct str source_identity;    /* absent: none */
    bool mfa;                      /* proved when the session began, or inherited */
    int64_t mfa_ms;                /* when */
    struct str federated_provider; /* ARN or host of the identity provider; absent: none */
    struct str_map claims; /* condition keys of the provider: "accounts.google.com:sub" -> value */
    /* Session policies: documents, and ARNs of managed policies that are looked up when asked. The
     * session may what they allow and its principal's own policies allow. */
    struct str_list policies;
    struct str_list policy_arns;
    struct str issuer;     /* ARN of who asked for the session; absent: a service or a provider */
    struct str issuer_key; /* the access key it was asked with */
    /* Of GetFederationToken: whose identity policies count; absent: the account's root asked. */
    struct str user_name;
    struct str user_id;
    bool chained;   /* a role assumed with a role's session: one hour at most */
    bool kept;      /* IAM knew the user or role when the session began */
    struct str via; /* service that assumed the role for itself: "lambda.amazonaws.com" */
};

/* The most that a token may be: SDKs send it as a header. */
enum { SESSION_TOKEN_MAX = 12288 };

/* Makes credentials for the principal, whose `session` is set. Its access_key is chosen here
 * (ASIA...). least: characters that the token is to have at least. RESULT_ERROR: the token would be
 * larger than SESSION_TOKEN_MAX. Needs no transaction.
 */
RESULT session_issue(struct cloud *cloud, struct arena *arena, const struct principal *principal,
                     size_t least, struct credentials *out);

enum session_fault {
    SESSION_OK,
    SESSION_INVALID, /* forged, cut short, of another key or another cloud */
    SESSION_EXPIRED,
};
/* Reads a token that came with an access key. */
enum session_fault session_open(struct cloud *cloud, struct arena *arena, struct str access_key,
                                struct str token, int64_t now_ms, struct credentials *out);
/* "ASIA...": only such keys have a token. */
bool session_is_key(struct str access_key);
/* The account that an ASIA key was issued for; false: not one of this cloud's. */
bool session_key_account(struct cloud *cloud, struct arena *arena, struct str access_key,
                         struct str *account);

/* A service's session of a role that it was passed (Lambda's execution role): nobody's trust policy
 * is asked, the caller has done so (authorize_pass_role, authorize_trusts). *found false: there is
 * no such role. Within call->txn. */
struct session_for_service {
    struct str role_arn;
    struct str session_name; /* the function's name */
    struct str service;      /* "lambda.amazonaws.com" */
    int64_t duration_s;
    struct str policy;          /* a session policy; absent: none */
    struct str source_identity; /* absent: none */
    struct str_map claims;      /* condition keys that the session has besides */
};
RESULT session_for_role(struct call *call, const struct session_for_service *request,
                        struct credentials *out, bool *found);

/* A root user's session for one task in an organization's member ("AssumeRoot"): limited by the
 * task's policy, which denies all else. */
bool session_is_root_task(const struct principal *who);

/* Fills kind, name, ARN and user id of a session of the role, whose account and session (with its
 * name) are set. */
struct identity_role;
void session_role_principal(struct arena *arena, const struct identity_role *role,
                            struct principal *who);

/* A principal with a session as a record (gen/cloud.h) and back; the access key is not in it.
 * Strings are borrowed both ways. */
struct cloud_session;
struct cloud_session session_record(const struct principal *who);
struct principal session_principal(struct arena *arena, const struct cloud_session *record);

/* The packed form that PackedPolicySize measures. */
struct str session_deflate(struct arena *arena, struct str plain);

#endif
