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

#endif
