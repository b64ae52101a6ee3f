/* Who may: bucket policies, access control lists, object ownership, block public access, access
 * points. README.md, Access. */
#ifndef KUMONIWA_SERVICES_S3_ACCESS_H
#define KUMONIWA_SERVICES_S3_ACCESS_H

#include "auth/policy.h"
#include "cloud/access_point.h"
#include "services/s3/s3_int.h"

/* --- acl.c: "Access control list (ACL) overview", Amazon S3 User Guide --- */

#define ACL_ALL_USERS "http://acs.amazonaws.com/groups/global/AllUsers"
#define ACL_AUTHENTICATED_USERS "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
#define ACL_LOG_DELIVERY "http://acs.amazonaws.com/groups/s3/LogDelivery"

enum acl_permission {
    ACL_READ = 1 << 0,
    ACL_WRITE = 1 << 1,
    ACL_READ_ACP = 1 << 2,
    ACL_WRITE_ACP = 1 << 3,
    ACL_FULL_CONTROL = ACL_READ | ACL_WRITE | ACL_READ_ACP | ACL_WRITE_ACP,
};

/* What a request says of a list: a canned one, or x-amz-grant-* headers. */
struct acl_request {
    struct str canned;
    struct str full_control, read, read_acp, write, write_acp;
};
/* Of PutObject and its kin: sets object->acl and object->owner, refuses what the bucket's ownership
 * and block public access forbid. */
RESULT acl_of_new_object(struct call *call, const struct s3_bucket *bucket,
                         const struct acl_request *request, struct s3_object *object);
/* Of CreateBucket; *acl NULL: private. */
RESULT acl_of_new_bucket(struct call *call, const struct s3_bucket *bucket,
                         const struct acl_request *request,
                         const struct s3_AccessControlPolicy **acl);
/* Whether it gives the caller one of these permissions (a mask). public_too: what it grants to
 * groups of everybody counts. acl NULL: it gives nothing beyond its owner. */
bool acl_grants(struct call *call, const struct s3_AccessControlPolicy *acl, unsigned permissions,
                bool public_too);
/* Access control lists take part in decisions: the bucket is not BucketOwnerEnforced. */
bool acl_is_enabled(const struct s3_bucket *bucket);

/* --- public_access.c --- */

/* Bits of bucket.public_access and of the account's. */
enum public_access {
    PUBLIC_ACCESS_SET = 1 << 0, /* there is a configuration */
    PUBLIC_ACCESS_BLOCK_ACLS = 1 << 1,
    PUBLIC_ACCESS_IGNORE_ACLS = 1 << 2,
    PUBLIC_ACCESS_BLOCK_POLICY = 1 << 3,
    PUBLIC_ACCESS_RESTRICT = 1 << 4,
    PUBLIC_ACCESS_ALL = (1 << 5) - 1,
};
/* The bucket's, the account's and, through one, the access point's together: the most restrictive
 * counts. */
/* Of the values that ObjectOwnership may have. */
bool ownership_is_known(struct str name);
RESULT public_access_of(struct call *call, const struct s3_bucket *bucket, int64_t *bits);

/* --- bucket_policy.c --- */

/* The bucket's policy; absent: none. */
RESULT bucket_policy_text(struct call *call, const struct s3_bucket *bucket, struct str *text);
/* Of a policy that is kept; absent: it is not. */
RESULT bucket_policy_is_public(struct call *call, struct str text, bool *is_public);

/* --- access_target.c --- */

/* A bucket as a request names it: by name, by the alias or the ARN of an access point. */
struct access_target {
    struct str asked; /* as the request has it */
    bool found;       /* the bucket is there */
    struct s3_bucket bucket;
    bool by_point;
    struct access_point point;
};
/* From the store, or as the authorisation of this run found it already. */
RESULT access_target(struct call *call, struct str asked, const struct access_target **target);
/* Remembers it for the run. */
void access_remember(struct call *call, const struct access_target *target);

/* --- access.c --- */

/* One question: may the caller do this to that? */
struct access_question {
    struct call *call;
    const void *in; /* the request; NULL: not one of its own */
    const struct access_target *target;
    struct str action;          /* "s3:GetObject" */
    struct str key, version_id; /* key absent: about the bucket */
    struct object_place place;  /* read when a condition or a list needs it */
    bool read;
};
RESULT access_read_object(struct access_question *question);
/* RESULT_ERROR with AccessDenied when not; with `allowed` it is said there instead. */
RESULT access_ask(struct access_question *question, bool *allowed);

/* struct service_hooks.authorize of S3. */
RESULT s3_authorize(struct call *call, const void *in);
/* struct service_hooks.policy_of_arn of S3: of "arn:aws:s3:::BUCKET" alone; *owner is absent when
 * there is no such bucket. */
RESULT s3_policy_of_arn(struct call *call, struct str text, struct str *owner, struct str *policy);
/* One key of DeleteObjects. */
RESULT access_delete(struct call *call, const struct s3_DeleteObjectsRequest *in,
                     const struct s3_ObjectIdentifier *one);
/* Who may not list the bucket is not told that a key does not exist (GetObject, Permissions). */
RESULT access_list(struct call *call, const struct s3_bucket *bucket);
/* The same without failing; action: "s3:ListBucket", or of a key. */
RESULT access_may(struct call *call, const struct s3_bucket *bucket, struct str action,
                  struct str key, bool *may);

/* --- access_keys.c: "Condition keys for Amazon S3", Service Authorization Reference --- */

/* struct policy_context.find; self is a struct access_question. */
bool access_key(void *self, struct str key, struct policy_values *out);
/* A member of the request, whatever its operation; absent: it has none. */
struct str access_member(const struct call *call, const void *in, const char *name);

/* --- mfa_delete.c --- */

/* The request carries a code of one of the caller's devices; the transaction is a writing one. */
RESULT mfa_delete_check(struct call *call, struct str mfa);
/* Of PutBucketVersioning: wanted absent: as it is. */
RESULT mfa_delete_change(struct call *call, struct s3_bucket *bucket, struct str wanted,
                         struct str mfa);

/* --- cors.c --- */

/* struct service_hooks.cross_origin of S3. */
RESULT s3_cross_origin(struct call *call, struct str path);

#endif
