/* What the organization of an account says about what may be done in it: told by whoever keeps
 * organizations. Runs inside call->txn, read only; strings are in call->arena. */
#ifndef KUMONIWA_CLOUD_ORGANIZATION_H
#define KUMONIWA_CLOUD_ORGANIZATION_H

#include "auth/policy.h"
#include "cloud/call.h"

struct organization_view {
    struct str id;     /* "o-..."; absent: the account is in no organization */
    struct str path;   /* "o-.../r-.../ou-.../", as aws:PrincipalOrgPaths has it */
    struct str master; /* the management account, whom no policy binds */
    /* Service control and resource control policies of all levels, the root's first; absent for the
     * management account. */
    struct organization_policy {
        enum policy_kind kind; /* POLICY_SCP, POLICY_RCP */
        unsigned level;
        struct str name, document;
    } * items;
    size_t len;
};

/* What an account is in its organization, as services that the organization trusts see it. */
struct organization_standing {
    struct str id, master; /* absent: in none */
    bool all_features;     /* not consolidated billing alone */
    bool trusted;          /* the organization trusts the service */
    bool delegated;        /* the account administers for the service */
};

struct organization_table {
    RESULT (*view)(struct call *call, struct str account, struct organization_view *out);
    RESULT(*standing)
    (struct call *call, struct str account, struct str service, struct organization_standing *out);
    /* See organization_tag_refused(). */
    RESULT(*tag_refused)
    (struct call *call, struct str account, struct str type, const struct str_map *tags,
     struct str *key);
};

/* Nothing when the account is in no organization. */
RESULT authorize_view(struct call *call, struct str account, struct organization_view *out);

/* service: "iam.amazonaws.com". */
RESULT organization_standing(struct call *call, struct str account, struct str service,
                             struct organization_standing *out);

/* The first of the tags about to be set that the account's effective tag policy does not let
 * resources of a type ("sqs:queue", as enforced_for names it) have; absent: none. Asked by every
 * function that sets tags, about the tags of the request alone ("Enforcing tagging consistency",
 * AWS Organizations User Guide); each service has its own error code for it. */
RESULT organization_tag_refused(struct call *call, struct str account, struct str type,
                                const struct str_map *tags, struct str *key);
#define ORGANIZATION_TAG_TEXT                                                                      \
    "The tag policy does not allow the specified value for the following tag key: '%.*s'."

/* Tells the authorizer that there are organizations from now on; before the first commits. */
void organization_exists(struct cloud *cloud);

#endif
