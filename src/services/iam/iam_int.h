/* Between the files of IAM. */
#ifndef KUMONIWA_SERVICES_IAM_IAM_INT_H
#define KUMONIWA_SERVICES_IAM_IAM_INT_H

#include "cloud/call.h"
#include "cloud/outbox.h"
#include "gen/iam.h"
#include "services/iam/iam.h"

/* --- names.c --- */

/* ("iam", ACCOUNT, KIND, NAME in lower case): names are not distinguished by case. Absent name: the
 * prefix of all of the kind. */
struct key iam_key(struct call *call, const char *kind, struct str name);
struct key iam_key_of(struct call *call, struct str account, const char *kind, struct str name);
/* arn:aws:iam::ACCOUNT:TYPE/PATH/NAME */
struct str iam_arn(struct call *call, const char *type, struct str path, struct str name);
/* "AIDA" and 17 characters. */
struct str iam_new_id(struct call *call, struct str prefix);
static inline struct opt_time iam_time(int64_t ms)
{
    return (struct opt_time){ms != 0, ms};
}
/* ValidationError in IAM's words. member: "userName"; path absent is fine. */
RESULT iam_check_name(struct call *call, const char *member, struct str name);
RESULT iam_check_path(struct call *call, const char *member, struct str path);
RESULT iam_check_path_prefix(struct call *call, struct str prefix);
static inline struct str iam_path(struct str given)
{
    return str_is_absent(given) ? STR("/") : given;
}
/* "URL-encoded compliant with RFC 3986": how documents are shown. */
struct str iam_shown_document(struct call *call, struct str document);
/* What counts of a document: white space does not. */
size_t iam_document_size(struct str document);
/* Whether there is any key under (KIND, NAME). */
RESULT iam_has_any(struct call *call, const char *kind, struct str name, bool *any);
/* LimitExceeded "Cannot exceed quota for NAME: LIMIT". */
RESULT iam_quota(struct call *call, const char *name, int64_t limit);

/* What was asked for and may be asked about for a week; then the job "iam.forget" deletes it. */
RESULT iam_keep_for_a_week(struct call *call, const struct key *key);
RESULT iam_forget(struct call *call, const struct outbox_item *item);

/* How many an account has, within its quota. */
struct iam_counted {
    const char *name;  /* of the counter */
    const char *quota; /* "UsersPerAccount" */
    int64_t limit;
};
extern const struct iam_counted iam_users_counted, iam_groups_counted, iam_roles_counted,
    iam_profiles_counted, iam_policies_counted, iam_versions_counted;
RESULT iam_count(struct call *call, const struct iam_counted *what, int change);
RESULT iam_counted(struct call *call, const struct iam_counted *what, int64_t *number);

/* --- pages.c: lists over keys, and over what stands in a record --- */

struct iam_pages {
    struct kv_cursor *cursor;
    size_t limit; /* of items in an answer */
    struct call *call;
    struct str last; /* key that was looked at last */
    bool truncated;
};
RESULT iam_pages_open(struct call *call, const struct key *prefix, struct str marker,
                      struct opt_int max_items, struct iam_pages *pages);
/* The next value; absent when there is none, or `taken` items fill the page. */
RESULT iam_pages_next(struct iam_pages *pages, size_t taken, struct str *value);
/* The same with its key. */
RESULT iam_pages_next_key(struct iam_pages *pages, size_t taken, struct str *key,
                          struct str *value);
void iam_pages_end(const struct iam_pages *pages, struct opt_bool *truncated, struct str *marker);

/* A page of items that are in the order of their names: [from, to) of count. */
struct iam_window {
    size_t from, to, count;
};
/* name(list, i) of the i-th. */
RESULT iam_window_open(struct call *call, struct str marker, struct opt_int max_items,
                       const void *list, size_t count, struct str (*name)(const void *, size_t),
                       struct iam_window *window);
void iam_window_end(struct call *call, const struct iam_window *window, struct str last,
                    struct opt_bool *truncated, struct str *marker);
/* name() of a struct str_list. */
struct str iam_list_name(const void *list, size_t i);

/* --- federation.c: for struct identity_table --- */

struct identity_root_access;
struct identity_outbound;
RESULT iam_is_issuer(struct call *call, struct str id, bool *is);

RESULT iam_root_access(struct call *call, struct str organization,
                       struct identity_root_access *out);
RESULT iam_outbound(struct call *call, struct str account, struct identity_outbound *out);

/* --- tags.c --- */

/* A request's tags, checked. Keys are not distinguished by case. type: of what gets them, as a tag
 * policy names it: "iam:mfa". */
RESULT iam_tags_take(struct call *call, const char *type, const struct iam_tagListType *given,
                     struct str_map *out);
/* The same of what is being made: whoever makes something with tags may tag it. */
struct iam_tagging {
    const char *type;
    struct str action; /* "iam:TagRole" */
    struct str arn;
    const void *request;
};
RESULT iam_tags_made_with(struct call *call, const struct iam_tagging *tagging,
                          const struct iam_tagListType *given, struct str_map *out);
RESULT iam_tags_add(struct call *call, const char *type, const struct iam_tagListType *given,
                    struct str_map *tags);
void iam_tags_remove(struct call *call, const struct str_list *keys, struct str_map *tags);
struct iam_tagListType iam_tags_shown(struct call *call, const struct str_map *tags);
struct iam_tags_page {
    struct iam_tagListType tags;
    struct opt_bool truncated;
    struct str marker;
};
RESULT iam_tags_page(struct call *call, const struct str_map *tags, struct str marker,
                     struct opt_int max_items, struct iam_tags_page *page);

/* --- users.c --- */

/* By name in any case; *found tells. Strings are borrowed. */
RESULT iam_user_find(struct call *call, struct str name, struct iam_user *user, bool *found);
/* The same, which must be there. */
RESULT iam_user_must(struct call *call, struct str name, struct iam_user *user);
/* The named user, or without a name the caller; the account's root is a user without name. */
RESULT iam_user_or_caller(struct call *call, struct str name, struct iam_user *user);
struct str iam_user_arn(struct call *call, const struct iam_user *user);
struct iam_User iam_user_shown(struct call *call, const struct iam_user *user, bool tags);
/* By id ("AIDA..."). */
RESULT iam_user_by_id(struct call *call, struct str id, struct iam_user *user, bool *found);

/* --- groups.c --- */

RESULT iam_group_must(struct call *call, struct str name, struct iam_group *group);
RESULT iam_group_by_id(struct call *call, struct str id, struct iam_group *group, bool *found);
struct str iam_group_arn(struct call *call, const struct iam_group *group);

/* --- roles.c --- */

RESULT iam_role_find(struct call *call, struct str name, struct iam_role *role, bool *found);
RESULT iam_role_must(struct call *call, struct str name, struct iam_role *role);
RESULT iam_role_by_id(struct call *call, struct str id, struct iam_role *role, bool *found);
struct str iam_role_arn(struct call *call, const struct iam_role *role);
/* full: with boundary, tags and last use, as GetRole shows it. */
RESULT iam_role_shown(struct call *call, const struct iam_role *role, bool full,
                      struct iam_Role *out);
RESULT iam_role_last_used(struct call *call, const struct iam_role *role,
                          struct iam_RoleLastUsed **out);
/* UnmodifiableEntity when a service owns the role. */
RESULT iam_role_modifiable(struct call *call, const struct iam_role *role);
/* Puts a new role with its counter, index and holdings. */
RESULT iam_role_make(struct call *call, struct iam_role *role);
RESULT iam_role_remove(struct call *call, const struct iam_role *role);

/* --- trust.c --- */

/* Checks a trust policy; *principals: the ids of the users and roles that it names, by ARN. */
RESULT iam_trust_take(struct call *call, struct str document, struct str_map *principals);
/* The role's, with the ARNs of today, and ids for those who are gone. */
RESULT iam_trust_now(struct call *call, const struct iam_role *role, struct str *document);

/* --- service_linked.c --- */

/* Of the role that is to be made, for who decides whether it may be. */
struct str iam_linked_role_arn(struct call *call,
                               const struct iam_CreateServiceLinkedRoleRequest *in);

RESULT iam_linked_role_deletion(struct call *call, const struct outbox_item *item);

/* --- instance_profiles.c --- */

RESULT iam_profiles_of_role(struct call *call, struct str role_id,
                            struct iam_instanceProfileListType *out);

/* --- holdings.c --- */

enum iam_kind { IAM_USERS, IAM_GROUPS, IAM_ROLES };
/* Whom a policy is for: strings are in the arena. */
struct iam_entity {
    enum iam_kind kind;
    struct str name, path, id;
};
RESULT iam_entity_must(struct call *call, enum iam_kind kind, struct str name,
                       struct iam_entity *out);
/* The same, which must not be a service's. */
RESULT iam_entity_to_change(struct call *call, enum iam_kind kind, struct str name,
                            struct iam_entity *out);
/* By its id; *found false: it is gone. */
RESULT iam_entity_by_id(struct call *call, struct str id, struct iam_entity *out, bool *found);
/* By its ARN, of this account. */
RESULT iam_entity_by_arn(struct call *call, struct str arn, struct iam_entity *out, bool *found);
struct str iam_entity_arn(struct call *call, const struct iam_entity *entity);

/* Strings are borrowed; _copy: in the arena. */
RESULT iam_holdings_get(struct call *call, struct str account, struct str id,
                        struct iam_holdings *out, bool *found);
RESULT iam_holdings_copy(struct call *call, struct str id, struct iam_holdings *out);
RESULT iam_holdings_put(struct call *call, struct str id, const struct iam_holdings *holdings);
/* An entity comes, is renamed, goes: its entry by id and its holdings. */
RESULT iam_entity_enter(struct call *call, const struct iam_entity *entity);
RESULT iam_entity_leave(struct call *call, const struct iam_entity *entity);
/* DeleteConflict while it holds policies. */
RESULT iam_entity_is_bare(struct call *call, const struct iam_holdings *holdings);
struct iam_AttachedPermissionsBoundary *iam_boundary_shown(struct call *call, struct str arn);
struct iam_attachedPoliciesListType iam_attached_shown(struct call *call,
                                                       const struct str_list *arns);
/* The list with one more, in order, or one less. */
void iam_list_insert(struct arena *arena, struct str_list *list, size_t at, struct str item);
void iam_list_remove(struct str_list *list, size_t at);
/* Where the name stands or would stand in a sorted list; true: it is there. */
bool iam_list_find(const struct str_list *list, struct str name, size_t *at);

/* --- attachments.c --- */

/* Sets (or, absent, takes away) the boundary of a new or old entity. */
RESULT iam_boundary_set(struct call *call, const struct iam_entity *entity,
                        struct iam_holdings *holdings, struct str arn);
RESULT iam_policy_use(struct call *call, struct str arn, struct iam_policy_use *use);
/* Notes that the entity has the policy attached, or no longer. */
RESULT iam_policy_used(struct call *call, const struct iam_entity *entity, struct str arn,
                       bool used);

/* --- managed_policies.c, policy_versions.c --- */

/* A managed policy that the account may use: its own, or AWS's. */
struct iam_managed {
    struct str name, path, id, arn, description, document;
    struct str version; /* the default: "v3" */
    int64_t created_ms, updated_ms;
    bool of_aws;
    struct iam_managed_policy own; /* unless of_aws */
};
/* Strings are borrowed. */
RESULT iam_managed_find(struct call *call, struct str account, struct str arn,
                        struct iam_managed *out, bool *found);
/* The account's own, to be changed: strings are in the arena. */
RESULT iam_managed_to_change(struct call *call, struct str arn, struct iam_managed_policy *out);
RESULT iam_managed_put(struct call *call, const struct iam_managed_policy *policy);
RESULT iam_managed_shown(struct call *call, const struct iam_managed *policy, bool full,
                         struct iam_Policy *out);
struct str iam_policy_arn(struct call *call, const struct iam_managed_policy *policy);
struct str iam_version_name(struct call *call, int64_t number);
/* MalformedPolicyDocument, or a document larger than a managed policy may be. */
RESULT iam_managed_check(struct call *call, struct str document);
RESULT iam_version_put(struct call *call, struct str policy_id, int64_t number,
                       struct str document);

RESULT iam_versions_shown(struct call *call, const struct iam_managed *policy, bool documents,
                          struct iam_policyDocumentVersionListType *out);

/* --- passwords.c --- */

RESULT iam_password_policy_get(struct call *call, struct iam_password_policy *out, bool *found);
RESULT iam_login_profile_get(struct call *call, struct str user, struct iam_login_profile *out,
                             bool *found);

/* --- credential_report.c, access_advisor.c --- */

RESULT iam_credential_report(struct call *call, const struct outbox_item *item);
RESULT iam_advisor_touch(struct call *call, struct str id, const struct iam_last_use *use);

/* --- documents.c: what documents say, without evaluating them --- */

struct iam_documents {
    struct iam_document {
        struct str name;   /* as SourcePolicyId shows it */
        struct str arn;    /* of a managed policy; absent: inline */
        struct str type;   /* of SourcePolicyType */
        struct str holder; /* id of the group that brings it; absent: the entity's own */
        struct str text;
        bool boundary;
    } * items;
    size_t len, cap;
};
/* All that decides what the entity may, its groups' too. */
RESULT iam_documents_of(struct call *call, const struct iam_entity *entity,
                        struct iam_documents *out);
/* Walks a document's statements, as they stand in it; start with {0}. */
struct iam_statements {
    struct str rest;
    bool begun, single;
};
bool iam_next_statement(struct arena *arena, struct str text, struct iam_statements *walk,
                        struct str *raw);
/* Whether an Allow statement speaks of the service ("s3"). */
bool iam_document_grants(struct arena *arena, struct str text, struct str service);
/* Whether a Deny statement without conditions bars all of it, on all resources. */
bool iam_document_bars(struct arena *arena, struct str text, struct str service);
/* The names of condition keys and variables, each once. */
void iam_document_keys(struct arena *arena, struct str text, struct str_list *out, size_t *cap);

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
