/* Between the files of IAM. */
#ifndef KUMONIWA_SERVICES_IAM_IAM_INT_H
#define KUMONIWA_SERVICES_IAM_IAM_INT_H

#include "cloud/call.h"
#include "gen/iam.h"
#include "services/iam/iam.h"

/* --- users.c --- */

/* ("iam", ACCOUNT, KIND, NAME in lower case): names are not distinguished by case. */
struct key iam_key(struct call *call, const char *kind, struct str user);
/* By name in any case; *found tells. Strings are borrowed. */
RESULT iam_user_find(struct call *call, struct str name, struct iam_user *user, bool *found);
/* The same, which must be there. */
RESULT iam_user_must(struct call *call, struct str name, struct iam_user *user);
/* The named user, or without a name the caller; the account's root is a user without name. */
RESULT iam_user_or_caller(struct call *call, struct str name, struct iam_user *user);
struct str iam_user_arn(struct call *call, const struct iam_user *user);

/* --- lists: a cursor over keys, from a marker on --- */

struct iam_pages {
    struct kv_cursor *cursor;
    size_t limit; /* of items in an answer */
};
RESULT iam_pages_open(struct call *call, const struct key *prefix, struct str marker,
                      struct opt_int max_items, struct iam_pages *pages);

/* --- identities besides users, groups and roles: mfa.c, oidc.c, saml.c, certificates.c,
 * ssh_keys.c, service_credentials.c. What hangs on a user is kept under its id, so that a rename
 * moves nothing.
 */

/* What hangs on the user and must be deleted before it, as DeleteConflict says it; absent: nothing.
 */
RESULT iam_user_holds(struct call *call, const struct iam_user *user, struct str *message);
/* For GetAccountSummary and the credential report. */
struct iam_topic_counts {
    int64_t mfa_devices, mfa_in_use, providers, server_certificates;
    bool account_mfa;
};
RESULT iam_topic_count(struct call *call, struct iam_topic_counts *out);
RESULT iam_user_has_mfa(struct call *call, const struct iam_user *user, bool *out);
/* An ARN such as arn:aws:iam::ACCOUNT:mfa/NAME for the rest of these topics' operations. */
RESULT iam_topic_resource(struct call *call, const void *in, struct str *resource_arn);

#endif
