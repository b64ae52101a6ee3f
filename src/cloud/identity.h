/* What IAM tells the cloud and STS: who exists, what policies and tags it has, which devices and
 * providers it is known by. One table, in the service_hooks of whoever keeps identities; a NULL
 * function means that nothing of that kind is kept. All run inside call->txn, read only unless said
 * otherwise, and name accounts themselves: call->account is the account of what the call is about,
 * which need not be the principal's. Strings given out are borrowed (the store's, until the next
 * write) unless they are constant. Names are found in any case. */
#ifndef KUMONIWA_CLOUD_IDENTITY_H
#define KUMONIWA_CLOUD_IDENTITY_H

#include "auth/policy.h"
#include "cloud/call.h"

/* --- policies --- */

struct identity_policy {
    enum policy_kind kind; /* POLICY_IDENTITY (inline, of groups, attached) or POLICY_BOUNDARY */
    struct str name;       /* a managed policy's ARN, an inline one's name */
    struct str document;
};
struct identity_policies {
    bool known; /* false: nobody keeps this user or role */
    struct identity_policy *items;
    size_t len;
};

/* --- roles --- */

struct identity_role {
    struct str arn, name, path, id; /* AROA... */
    struct str trust;               /* the document */
    int64_t max_session_s;
    struct str_map tags;
    bool linked; /* to a service: only that service assumes it */
};

/* --- MFA --- */

enum identity_mfa {
    IDENTITY_MFA_GOOD,
    IDENTITY_MFA_BAD,     /* wrong or used code */
    IDENTITY_MFA_UNKNOWN, /* no such device of this user, or not enabled */
};

/* --- providers --- */

struct identity_oidc {
    struct str arn;
    struct str url; /* as created, without "https://" */
    struct str_list client_ids;
    struct str_list thumbprints; /* SHA-1 of certificates, 40 hex digits */
};
struct identity_saml {
    struct str arn;
    struct str metadata; /* XML */
};

/* --- what IAM's settings allow --- */

/* Of an organization ("Centralize root access for member accounts", IAM User Guide). */
struct identity_root_access {
    bool credentials; /* tasks that concern root users' credentials */
    bool sessions;    /* the others */
};
/* Of an account ("Outbound identity federation", IAM User Guide). */
struct identity_outbound {
    struct str id; /* names the account's issuer; absent: there was never one */
    bool enabled;
};

/* --- use --- */

/* That a principal was let through; told at most once a quarter of an hour of cloud time for the
 * same principal, access key, service and region, in a writing transaction of its own after the
 * call. */
struct identity_use {
    const struct principal *principal; /* user, root or role session */
    struct str service;                /* namespace of the action: "s3" */
    struct str region;                 /* of the call */
    struct str action;                 /* "s3:PutObject" */
    int64_t now_ms;
};

struct identity_table {
    /* Of call->principal: a user (by account and name), or a session (user: the same; role: by
     * session->role_arn, tags and all; federated: the user session->user_name). */
    RESULT(*policies)
    (struct call *call, const struct principal *who, struct identity_policies *out);
    RESULT (*role)(struct call *call, struct str role_arn, struct identity_role *out, bool *found);
    /* `user` absent: of the account itself (none). id is the user's AIDA..., so that a user made
     * anew under an old name is told from the old one. */
    RESULT(*user)
    (struct call *call, struct str account, struct str user, struct str *id, struct str_map *tags,
     bool *found);
    /* A managed policy that `account` may use (its own, or AWS's): the default version. */
    RESULT(*managed_policy)
    (struct call *call, struct str account, struct str policy_arn, struct str *document,
     bool *found);
    /* Checks a code by the cloud's clock; writes (a code serves once), so call->txn is writing.
     * user absent: the account's root. serial: ARN of a virtual device, or a hardware device's. */
    RESULT(*check_mfa)
    (struct call *call, struct str account, struct str user, struct str serial, struct str code,
     enum identity_mfa *out);
    /* url with or without "https://". */
    RESULT(*oidc)
    (struct call *call, struct str account, struct str url, struct identity_oidc *out, bool *found);
    RESULT(*saml)
    (struct call *call, struct str provider_arn, struct identity_saml *out, bool *found);
    RESULT(*root_access)
    (struct call *call, struct str organization, struct identity_root_access *out);
    RESULT (*outbound)(struct call *call, struct str account, struct identity_outbound *out);
    /* Whether some account's issuer has that id. */
    RESULT (*is_issuer)(struct call *call, struct str id, bool *is);
    /* Writes: an access key's and a role's last use, and the access advisor's data. */
    RESULT (*used)(struct call *call, const struct identity_use *use);
};

/* The table of whoever keeps identities; one of empty functions when nobody does. Never NULL. */
const struct identity_table *identity_of(const struct cloud *cloud);

/* The URL of an account's issuer of web identities: a page of this program. */
struct str identity_issuer(struct call *call, struct str id);
#define IDENTITY_ISSUER_PATH "/_kumoniwa/identity/"

#endif
