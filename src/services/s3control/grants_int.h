/* S3 Access Grants ("Managing access with S3 Access Grants", Amazon S3 User Guide). README.md of
 * this folder draws the keys. */
#ifndef KUMONIWA_SERVICES_S3CONTROL_GRANTS_INT_H
#define KUMONIWA_SERVICES_S3CONTROL_GRANTS_INT_H

#include "services/s3control/s3control_int.h"

/* --- grants_scope.c: paths --- */

/* "s3://BUCKET/PREFIX*": everything whose path begins with the stem, or the object of that path. */
struct grants_scope {
    struct str stem;
    bool object;
};
/* as_object: a '*' at its end belongs to the name. False: no such path. */
bool grants_scope_read(struct call *call, struct str text, bool as_object,
                       struct grants_scope *out);
/* The path of a grant: the location's with what the grant appends to it. False: it is none, or
 * leaves open which bucket. */
bool grants_scope_append(struct call *call, struct str location, struct str sub_prefix,
                         bool as_object, struct str *text, struct grants_scope *out);
bool grants_scope_covers(const struct grants_scope *outer, const struct grants_scope *inner);
/* Of "s3://BUCKET/...". */
struct str grants_scope_bucket(struct str stem);
/* The session policy that lets somebody do within the scope what the permission names. */
struct str grants_scope_policy(struct call *call, const struct grants_scope *scope,
                               struct str permission);

/* --- grants_instance.c --- */

struct key grants_key(struct call *call, const char *kind, struct str account);
/* AccessGrantsInstanceNotExistsError when there is none. */
RESULT grants_open(struct call *call, struct str account, struct s3control_grants_instance *out);
RESULT grants_find(struct call *call, struct str account, struct str region,
                   struct s3control_grants_instance *out, bool *found);
RESULT grants_put(struct call *call, const struct s3control_grants_instance *instance);
struct str grants_arn(struct call *call, const struct s3control_grants_instance *instance);
/* "access-grants/default/KIND/ID" */
struct str grants_part_arn(struct call *call, const struct s3control_grants_instance *instance,
                           const char *kind, struct str id);
RESULT grants_tags(struct call *call, const struct s3control_TagList *list, struct str_map *tags);
RESULT grants_check_tags(struct call *call, const struct str_map *tags);
struct str grants_new_id(struct call *call);
/* Of a list: where to go on, and how many there may be. */
struct grants_page {
    struct key prefix;
    struct str from; /* the last key that was given out; absent: none */
    size_t limit;
};
RESULT grants_page_open(struct call *call, const struct key *prefix, struct str token,
                        struct opt_int limit, struct grants_page *page, struct kv_cursor **cursor);

/* --- grants_location.c --- */

RESULT location_find(struct call *call, struct str account, struct str id,
                     struct s3control_grants_location *out, bool *found);
/* NoSuchAccessGrantsLocationError when there is none. */
RESULT location_open(struct call *call, struct str account, struct str id,
                     struct s3control_grants_location *out);
RESULT location_put(struct call *call, struct str account,
                    const struct s3control_grants_location *location);

/* --- grants.c --- */

RESULT grant_find(struct call *call, struct str account, struct str id, struct s3control_grant *out,
                  bool *found);
RESULT grant_put(struct call *call, struct str account, const struct s3control_grant *grant);
/* The keys of what somebody was granted: the stem is the element behind these. */
struct key grant_index(struct call *call, struct str account, struct str grantee);
/* The grant that a key of the index leads to. */
RESULT grant_of_index(struct call *call, struct str account, struct str value,
                      struct s3control_grant *out);
struct s3control_Grantee *grant_grantee(struct call *call, const struct s3control_grant *grant);

/* --- grants_policy.c: struct service_hooks --- */

RESULT grants_resource_policy(struct call *call, const void *in, struct str *arn, struct str *owner,
                              struct str *policy);
RESULT grants_condition_key(struct call *call, const void *in, struct str key, struct str *value);
/* The tags of an instance, a location, a grant, by "access-grants/..."; *found false: no such. */
struct grants_tagged {
    struct s3control_grants_instance instance;
    struct s3control_grants_location location;
    struct s3control_grant grant;
    struct str_map *tags; /* of one of these */
};
RESULT grants_tagged_open(struct call *call, struct str account, struct str resource,
                          struct grants_tagged *tagged, bool *found);
RESULT grants_tagged_put(struct call *call, struct grants_tagged *tagged);

#endif
