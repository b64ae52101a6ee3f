/* Between the files of Organizations. Messages follow the descriptions of the errors in the AWS
 * Organizations API Reference. */
#ifndef KUMONIWA_SERVICES_ORGANIZATIONS_ORGANIZATIONS_INT_H
#define KUMONIWA_SERVICES_ORGANIZATIONS_ORGANIZATIONS_INT_H

#include "cloud/arn.h"
#include "cloud/call.h"
#include "cloud/organization.h"
#include "cloud/outbox.h"
#include "gen/organizations.h"
#include "services/organizations/organizations.h"

/* "Quotas and service limits for AWS Organizations", AWS Organizations User Guide; the number of
 * accounts is what AWS raises it to on request. */
enum {
    ORG_ACCOUNTS_MAX = 10000,
    ORG_UNITS_MAX = 2000,
    ORG_DEPTH_MAX = 5,
    ORG_POLICIES_MAX = 10000,
    ORG_PAGE_MAX = 20,
    ORG_TAGS_MAX = 50,
};
#define ORG_HANDSHAKE_MS (INT64_C(15) * 24 * 3600 * 1000)

/* --- organization.c --- */

/* ("organizations", ORGANIZATION, KIND): append names to it. */
struct key org_key(struct call *call, struct str organization, struct str kind);
/* The organization that an account is a member of. Strings in the arena, here and below. */
RESULT org_of_account(struct call *call, struct str account, struct organizations_organization *org,
                      bool *found);
/* The caller's. Fails with AWSOrganizationsNotInUseException. */
RESULT org_open(struct call *call, struct organizations_organization *org);
/* The same, for the management account alone. */
RESULT org_open_master(struct call *call, struct organizations_organization *org);
/* The same, for the management account and delegated administrators. */
RESULT org_open_reader(struct call *call, struct organizations_organization *org);
RESULT org_put(struct call *call, const struct organizations_organization *org);
bool org_is_master(const struct call *call, const struct organizations_organization *org);
struct str org_arn(struct call *call, const struct organizations_organization *org,
                   const char *kind, struct str id);
struct str org_make_id(struct call *call, const char *prefix, size_t len);
RESULT org_refuse(struct call *call, const char *reason, const char *message);
RESULT org_invalid(struct call *call, const char *reason, const char *message);
/* Tags of a request into a map; type: as a tag policy names what gets them. */
RESULT org_read_tags(struct call *call, struct str type, const struct organizations_Tags *given,
                     const struct str_map *old, struct str_map *out);
/* Makes an account a member / ends it. */
RESULT org_join(struct call *call, struct organizations_organization *org,
                const struct organizations_account *account);
RESULT org_leave(struct call *call, struct organizations_organization *org,
                 const struct organizations_account *account);

/* --- lists: a page of keys --- */

struct org_pages {
    struct kv_cursor *cursor;
    size_t limit, taken;
    struct str last;
};
RESULT org_pages_open(struct call *call, const struct key *prefix, struct str token,
                      struct opt_int max, struct org_pages *pages);
/* key absent: the end of the page; *token tells where the next begins. Count what is put into the
 * answer with pages->taken++. */
RESULT org_pages_next(struct call *call, struct org_pages *pages, struct str *key,
                      struct str *value, struct str *token);
/* The last string of a key. */
struct str org_key_last(struct call *call, struct str key);

/* --- units.c --- */

RESULT org_unit_find(struct call *call, const struct organizations_organization *org, struct str id,
                     struct organizations_unit *unit, bool *found);
RESULT org_unit_put(struct call *call, const struct organizations_organization *org,
                    const struct organizations_unit *unit);
/* kind: "A" for accounts, "U" for units. */
RESULT org_child_put(struct call *call, const struct organizations_organization *org,
                     struct str parent, const char *kind, struct str id);
RESULT org_child_delete(struct call *call, const struct organizations_organization *org,
                        struct str parent, const char *kind, struct str id);

/* --- accounts.c --- */

RESULT org_account_find(struct call *call, const struct organizations_organization *org,
                        struct str id, struct organizations_account *account, bool *found);
RESULT org_account_must(struct call *call, const struct organizations_organization *org,
                        struct str id, struct organizations_account *account);
RESULT org_account_put(struct call *call, const struct organizations_organization *org,
                       const struct organizations_account *account);
/* "o-id/r-root/ou-.../", the parent being given. */
RESULT org_path(struct call *call, const struct organizations_organization *org, struct str parent,
                struct str *path);
struct str org_account_arn(struct call *call, const struct organizations_organization *org,
                           struct str id);
RESULT org_deliver_account(struct call *call, const struct outbox_item *item);
RESULT org_deliver_close(struct call *call, const struct outbox_item *item);

/* --- trust.c --- */

/* For struct organization_table. */
RESULT org_standing(struct call *call, struct str account, struct str service,
                    struct organization_standing *out);

/* --- policies.c, attachments.c --- */

bool org_policy_type_is_enabled(const struct organizations_organization *org, struct str type);
RESULT org_policy_find(struct call *call, const struct organizations_organization *org,
                       struct str id, struct organizations_policy *policy, bool *found);
RESULT org_policy_must(struct call *call, const struct organizations_organization *org,
                       struct str id, struct organizations_policy *policy);
RESULT org_policy_put(struct call *call, const struct organizations_organization *org,
                      const struct organizations_policy *policy);
struct organizations_PolicySummary org_policy_summary(struct call *call,
                                                      const struct organizations_organization *org,
                                                      const struct organizations_policy *policy);
/* What hangs on a target that goes away. */
RESULT org_detach_all(struct call *call, const struct organizations_organization *org,
                      struct str target);
/* The policy that AWS attaches by default to every new target, of the types that have one. */
RESULT org_attach_defaults(struct call *call, const struct organizations_organization *org,
                           struct str target);
RESULT org_attach_default(struct call *call, const struct organizations_organization *org,
                          struct str target, struct str type);
/* *kind: ROOT, ORGANIZATIONAL_UNIT or ACCOUNT; fails with TargetNotFoundException. *parent is
 * absent for the root. */
RESULT org_target_find(struct call *call, const struct organizations_organization *org,
                       struct str id, struct str *kind, struct str *name, struct str *parent);
/* The prefix of the policies of one type at a target. */
struct key org_attached_key(struct call *call, const struct organizations_organization *org,
                            struct str target, struct str type);

/* For struct organization_table. */
RESULT org_view(struct call *call, struct str account, struct organization_view *out);

/* What management policies of a type come to for a target; absent: nothing. */
RESULT org_effective(struct call *call, const struct organizations_organization *org,
                     struct str target, struct str type, struct str *merged);

/* --- tag_policies.c --- */

/* What is wrong with the document of a tag policy; NULL: nothing. */
const char *org_tag_policy_fault(struct arena *arena, struct str content);
/* For struct organization_table. */
RESULT org_tag_refused(struct call *call, struct str account, struct str type,
                       const struct str_map *tags, struct str *key);

/* --- effective.c --- */

/* What management policies along the way from the root say together ("Understanding management
 * policy inheritance"). absent: nothing. */
struct str org_policies_merge(struct arena *arena, const struct str *contents, const size_t *levels,
                              size_t count);

#endif
