/* Access control lists of buckets and objects. What a list grants is asked in access.c, beside the
 * policies. */
#include "base/vec.h"
#include "services/s3/access.h"
#include "services/s3/changes.h"
#include "services/s3/settings.h"

enum { ACL_GRANTS_MAX = 100 };

/* "Canned ACL", aws-exec-read: Amazon EC2 reads bundles with it. */
#define ACL_EC2_BUNDLES "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"

static const struct {
    struct str name;
    unsigned mask;
} permissions[] = {
    {STR_INIT("FULL_CONTROL"), ACL_FULL_CONTROL}, {STR_INIT("WRITE"), ACL_WRITE},
    {STR_INIT("WRITE_ACP"), ACL_WRITE_ACP},       {STR_INIT("READ"), ACL_READ},
    {STR_INIT("READ_ACP"), ACL_READ_ACP},
};

static unsigned permission_mask(struct str name)
{
    for (size_t i = 0; i < sizeof permissions / sizeof permissions[0]; i++)
        if (str_eq(name, permissions[i].name))
            return permissions[i].mask;
    return 0;
}

bool acl_is_enabled(const struct s3_bucket *bucket)
{
    return !str_eq(bucket->ownership, STR("BucketOwnerEnforced"));
}

static bool acl_is_asked(const struct acl_request *request)
{
    return !str_is_absent(request->canned) || !str_is_absent(request->full_control) ||
           !str_is_absent(request->read) || !str_is_absent(request->read_acp) ||
           !str_is_absent(request->write) || !str_is_absent(request->write_acp);
}

static bool is_public_group(const struct s3_Grantee *grantee)
{
    return str_eq(grantee->URI, STR(ACL_ALL_USERS)) ||
           str_eq(grantee->URI, STR(ACL_AUTHENTICATED_USERS));
}

/* Grants something to everybody, or to everybody who has an account. */
static bool acl_is_public(const struct s3_AccessControlPolicy *acl)
{
    for (size_t i = 0; acl != NULL && i < acl->Grants.len; i++)
        if (is_public_group(acl->Grants.items[i].Grantee))
            return true;
    return false;
}

/* --- making one --- */

struct acl_maker {
    struct call *call;
    struct s3_AccessControlPolicy *acl;
    size_t cap;
};

static void acl_begin(struct acl_maker *maker, struct call *call, struct str owner)
{
    *maker = (struct acl_maker){.call = call};
    maker->acl = ARENA_NEW(call->arena, struct s3_AccessControlPolicy);
    maker->acl->Owner = s3_owner(call, owner);
    maker->acl->Grants.items = vec_grow(call->arena, NULL, 0, &maker->cap, sizeof(struct s3_Grant));
}

static void acl_add(struct acl_maker *maker, struct str id, struct str uri, struct str permission)
{
    struct s3_Grant grant = {.Permission = permission};
    struct s3_AccessControlPolicy *acl = maker->acl;
    grant.Grantee = ARENA_NEW(maker->call->arena, struct s3_Grantee);
    grant.Grantee->Type = str_is_absent(uri) ? STR("CanonicalUser") : STR("Group");
    grant.Grantee->ID = id;
    grant.Grantee->URI = uri;
    VEC_PUSH(maker->call->arena, acl->Grants.items, acl->Grants.len, maker->cap, grant);
}

static struct s3_AccessControlPolicy *acl_private(struct call *call, struct str owner)
{
    struct acl_maker maker;
    acl_begin(&maker, call, owner);
    acl_add(&maker, maker.acl->Owner->ID, (struct str){0}, STR("FULL_CONTROL"));
    return maker.acl;
}

/* "Canned ACL"; bucket: absent for a bucket's own list. False: there is no such. */
static bool acl_canned(struct call *call, struct str name, struct str owner,
                       const struct s3_bucket *bucket, struct s3_AccessControlPolicy **out)
{
    const struct str none = {0}, all = STR(ACL_ALL_USERS);
    struct acl_maker maker;
    acl_begin(&maker, call, owner);
    acl_add(&maker, maker.acl->Owner->ID, none, STR("FULL_CONTROL"));
    *out = maker.acl;
    if (str_eq(name, STR("private")))
        return true;
    if (str_eq(name, STR("public-read")) || str_eq(name, STR("public-read-write"))) {
        acl_add(&maker, none, all, STR("READ"));
        if (str_eq(name, STR("public-read-write")))
            acl_add(&maker, none, all, STR("WRITE"));
        return true;
    }
    if (str_eq(name, STR("authenticated-read"))) {
        acl_add(&maker, none, STR(ACL_AUTHENTICATED_USERS), STR("READ"));
        return true;
    }
    if (str_eq(name, STR("aws-exec-read"))) {
        acl_add(&maker, STR(ACL_EC2_BUNDLES), none, STR("READ"));
        return true;
    }
    if (bucket == NULL) {
        acl_add(&maker, none, STR(ACL_LOG_DELIVERY), STR("WRITE"));
        acl_add(&maker, none, STR(ACL_LOG_DELIVERY), STR("READ_ACP"));
        return str_eq(name, STR("log-delivery-write"));
    }
    bool full = str_eq(name, STR("bucket-owner-full-control"));
    if (!str_eq(owner, bucket->account))
        acl_add(&maker, s3_owner_id(call->arena, bucket->account), none,
                full ? STR("FULL_CONTROL") : STR("READ"));
    return full || str_eq(name, STR("bucket-owner-read"));
}

static bool is_canonical_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!((id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'f')))
            return false;
    return id.len == 64 || id.len == 32;
}

static bool is_group(struct str uri)
{
    return str_eq(uri, STR(ACL_ALL_USERS)) || str_eq(uri, STR(ACL_AUTHENTICATED_USERS)) ||
           str_eq(uri, STR(ACL_LOG_DELIVERY));
}

static RESULT refuse_email(struct call *call)
{
    /* "End of support notice" of PutObjectAcl: grantees by email since October 2025. */
    struct s3_MethodNotAllowed *detail = ARENA_NEW(call->arena, struct s3_MethodNotAllowed);
    detail->Method = call->request == NULL ? STR("PUT") : call->request->method;
    return call_fail_with(call, WIRE_INVALID_ACTION, detail,
                          "The specified method is not allowed against this resource.");
}

/* id absent: a group. */
static RESULT acl_check_grantee(struct call *call, struct str id, struct str uri)
{
    bool group = str_is_absent(id);
    struct str value = group ? uri : id;
    if (group ? is_group(uri) : is_canonical_id(id))
        return RESULT_OK;
    return s3_invalid_argument(call, group ? "Group/URI" : "CanonicalUser/ID",
                               str_is_absent(value) ? STR("") : value, "%s",
                               group ? "Invalid group uri" : "Invalid id");
}

/* A grant header: id="...", uri="...", emailAddress="..." */
static RESULT acl_add_header(struct acl_maker *maker, struct str text, struct str permission)
{
    struct call *call = maker->call;
    struct str one, rest = text, name, value;
    while (!str_is_absent(rest)) {
        str_cut(rest, ',', &one, &rest);
        if (!str_cut(str_trim(one), '=', &name, &value))
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE, "Argument format not recognized");
        name = str_trim(name);
        value = str_trim(value);
        if (value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\''))
            value = str_slice(value, 1, value.len - 1);
        if (str_eq_nocase(name, STR("emailAddress")))
            return refuse_email(call);
        bool id = str_eq_nocase(name, STR("id"));
        if (!id && !str_eq_nocase(name, STR("uri")))
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE, "Argument format not recognized");
        TRY(acl_check_grantee(call, id ? value : (struct str){0}, value));
        acl_add(maker, id ? value : (struct str){0}, id ? (struct str){0} : value, permission);
    }
    return RESULT_OK;
}

static RESULT acl_of_headers(struct call *call, const struct acl_request *request, struct str owner,
                             struct s3_AccessControlPolicy **out)
{
    const struct {
        struct str text, permission;
    } all[] = {
        {request->full_control, STR("FULL_CONTROL")}, {request->read, STR("READ")},
        {request->read_acp, STR("READ_ACP")},         {request->write, STR("WRITE")},
        {request->write_acp, STR("WRITE_ACP")},
    };
    struct acl_maker maker;
    acl_begin(&maker, call, owner);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!str_is_absent(all[i].text))
            TRY(acl_add_header(&maker, all[i].text, all[i].permission));
    if (maker.acl->Grants.len > ACL_GRANTS_MAX)
        return call_fail(call, WIRE_VALIDATION,
                         "An ACL may have up to 100 grants."); /* "ACL overview" */
    *out = maker.acl;
    return RESULT_OK;
}

/* bucket: where the object is to be; NULL for a bucket's own list. */
static RESULT acl_of_request(struct call *call, const struct acl_request *request, struct str owner,
                             const struct s3_bucket *bucket, struct s3_AccessControlPolicy **out)
{
    struct acl_request grants = *request;
    grants.canned = (struct str){0};
    if (!str_is_absent(request->canned) && acl_is_asked(&grants))
        return call_fail(call, WIRE_VALIDATION,
                         "Specifying both Canned ACLs and Header Grants is not allowed");
    if (str_is_absent(request->canned))
        return acl_of_headers(call, request, owner, out);
    if (acl_canned(call, request->canned, owner, bucket, out))
        return RESULT_OK;
    return s3_invalid_argument(call, "x-amz-acl", request->canned,
                               "The canned ACL %.*s is not valid.", PRSTR(request->canned));
}

/* BlockPublicAcls ("Blocking public access to your Amazon S3 storage"). */
static RESULT acl_check_public(struct call *call, const struct s3_bucket *bucket,
                               const struct s3_AccessControlPolicy *acl)
{
    int64_t bits;
    if (!acl_is_public(acl))
        return RESULT_OK;
    TRY(public_access_of(call, bucket, &bits));
    if ((bits & PUBLIC_ACCESS_BLOCK_ACLS) == 0)
        return RESULT_OK;
    return call_fail(
        call, WIRE_ACCESS_DENIED,
        "User: %.*s is not authorized to perform the request because public access "
        "control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block "
        "Public Access.",
        PRSTR(call->principal.arn));
}

static RESULT refuse_acl(struct call *call)
{
    return call_fail(call, S3_ACCESS_CONTROL_LIST_NOT_SUPPORTED, "The bucket does not allow ACLs");
}

/* Whose a new object is ("Controlling ownership of objects and disabling ACLs"). */
static struct str new_owner(const struct call *call, const struct s3_bucket *bucket,
                            struct str canned)
{
    if (call->principal.kind == PRINCIPAL_SERVICE || !acl_is_enabled(bucket))
        return bucket->account;
    if (str_eq(bucket->ownership, STR("BucketOwnerPreferred")) &&
        str_eq(canned, STR("bucket-owner-full-control")))
        return bucket->account;
    return call->principal.kind == PRINCIPAL_ANONYMOUS ? STR("anonymous") : call->account;
}

RESULT acl_of_new_object(struct call *call, const struct s3_bucket *bucket,
                         const struct acl_request *request, struct s3_object *object)
{
    struct s3_AccessControlPolicy *acl;
    struct str owner = new_owner(call, bucket, request->canned);
    object->acl = NULL;
    object->owner = str_eq(owner, bucket->account) ? (struct str){0} : owner;
    if (!acl_is_enabled(bucket)) {
        bool harmless = str_is_absent(request->canned) || str_eq(request->canned, STR("private")) ||
                        str_eq(request->canned, STR("bucket-owner-full-control"));
        struct acl_request grants = *request;
        grants.canned = (struct str){0};
        return harmless && !acl_is_asked(&grants) ? RESULT_OK : refuse_acl(call);
    }
    if (!acl_is_asked(request))
        return RESULT_OK;
    TRY(acl_of_request(call, request, owner, bucket, &acl));
    TRY(acl_check_public(call, bucket, acl));
    if (!str_eq(request->canned, STR("private")))
        object->acl = acl;
    return RESULT_OK;
}

RESULT acl_of_new_bucket(struct call *call, const struct s3_bucket *bucket,
                         const struct acl_request *request,
                         const struct s3_AccessControlPolicy **acl)
{
    struct s3_AccessControlPolicy *made;
    struct acl_request grants = *request;
    grants.canned = (struct str){0};
    *acl = NULL;
    /* "If you specify this canned ACL when creating a bucket, Amazon S3 ignores it" (ACL overview).
     */
    bool plain = str_is_absent(request->canned) || str_eq(request->canned, STR("private")) ||
                 str_eq(request->canned, STR("bucket-owner-read")) ||
                 str_eq(request->canned, STR("bucket-owner-full-control"));
    if (plain && !acl_is_asked(&grants))
        return RESULT_OK;
    if (!acl_is_enabled(bucket))
        return call_fail(call, S3_INVALID_BUCKET_ACL_WITH_OBJECT_OWNERSHIP,
                         "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced "
                         "setting");
    TRY(acl_of_request(call, request, bucket->account, NULL, &made));
    TRY(acl_check_public(call, bucket, made));
    *acl = made;
    return RESULT_OK;
}

/* --- asking one --- */

bool acl_grants(struct call *call, const struct s3_AccessControlPolicy *acl, unsigned mask,
                bool public_too)
{
    struct str id = {0};
    bool named = call->principal.kind != PRINCIPAL_ANONYMOUS;
    for (size_t i = 0; acl != NULL && i < acl->Grants.len; i++) {
        const struct s3_Grantee *grantee = acl->Grants.items[i].Grantee;
        if ((permission_mask(acl->Grants.items[i].Permission) & mask) == 0)
            continue;
        if (str_eq(grantee->Type, STR("CanonicalUser"))) {
            if (named && str_is_absent(id))
                id = s3_owner_id(call->arena, call->account);
            if (named && str_eq(id, grantee->ID))
                return true;
        } else if (str_eq(grantee->URI, STR(ACL_LOG_DELIVERY))) {
            if (call->principal.kind == PRINCIPAL_SERVICE &&
                str_eq(call->principal.name, STR("logging.s3.amazonaws.com")))
                return true;
        } else if (public_too && (named || str_eq(grantee->URI, STR(ACL_ALL_USERS)))) {
            return true;
        }
    }
    return false;
}

/* --- operations --- */

static RESULT malformed(struct call *call)
{
    return call_fail(call, S3_MALFORMED_ACL,
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

/* The list that a body spells out. */
static RESULT acl_of_body(struct call *call, const struct s3_AccessControlPolicy *body,
                          struct str owner, struct s3_AccessControlPolicy **out)
{
    struct acl_maker maker;
    acl_begin(&maker, call, owner);
    if (body->Owner == NULL || str_is_empty(body->Owner->ID) || body->Grants.len > ACL_GRANTS_MAX)
        return malformed(call);
    if (!str_eq(body->Owner->ID, maker.acl->Owner->ID))
        return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
    for (size_t i = 0; i < body->Grants.len; i++) {
        const struct s3_Grantee *grantee = body->Grants.items[i].Grantee;
        struct str permission = body->Grants.items[i].Permission;
        if (grantee == NULL || permission_mask(permission) == 0)
            return malformed(call);
        if (str_eq(grantee->Type, STR("AmazonCustomerByEmail")) ||
            !str_is_absent(grantee->EmailAddress))
            return refuse_email(call);
        bool group = str_eq(grantee->Type, STR("Group"));
        if (!group && !str_eq(grantee->Type, STR("CanonicalUser")))
            return malformed(call);
        struct str id = str_is_absent(grantee->ID) ? STR("") : grantee->ID;
        TRY(acl_check_grantee(call, group ? (struct str){0} : id, grantee->URI));
        acl_add(&maker, group ? (struct str){0} : grantee->ID,
                group ? grantee->URI : (struct str){0}, permission);
    }
    *out = maker.acl;
    return RESULT_OK;
}

static RESULT acl_to_put(struct call *call, const struct acl_request *request,
                         const struct s3_AccessControlPolicy *body, struct str owner,
                         const struct s3_bucket *bucket, struct s3_AccessControlPolicy **out)
{
    if (body != NULL && acl_is_asked(request))
        return call_fail(call, S3_UNEXPECTED_CONTENT, "This request does not support content");
    if (body != NULL)
        return acl_of_body(call, body, owner, out);
    if (acl_is_asked(request))
        return acl_of_request(call, request, owner, bucket, out);
    return call_fail(call, S3_MISSING_SECURITY_HEADER,
                     "Your request was missing a required header");
}

RESULT s3_GetBucketAcl(struct call *call, const struct s3_GetBucketAclRequest *in,
                       struct s3_GetBucketAclOutput *out)
{
    struct s3_bucket bucket;
    struct s3_AccessControlPolicy kept;
    bool found = false;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    if (acl_is_enabled(&bucket))
        TRY(setting_get(call, &bucket, S3_SETTING_ACL, (struct str){0}, &kept, &found));
    if (!found)
        kept = *acl_private(call, bucket.account);
    out->Owner = kept.Owner;
    out->Grants = kept.Grants;
    return RESULT_OK;
}

/* A bucket without ACLs takes "bucket owner full control canned ACLs or an equivalent form of this
 * ACL expressed in XML" ("Controlling ownership of objects"): there is nothing to change then. */
static RESULT acl_to_ignore(struct call *call, const struct acl_request *request,
                            const struct s3_AccessControlPolicy *policy, struct str owner)
{
    const struct s3_Grant *grant =
        policy != NULL && policy->Grants.len == 1 ? policy->Grants.items : NULL;
    bool canned = str_eq(request->canned, STR("bucket-owner-full-control"));
    bool same = grant != NULL && grant->Grantee != NULL &&
                str_eq(grant->Permission, STR("FULL_CONTROL")) &&
                str_eq(grant->Grantee->ID, s3_owner_id(call->arena, owner));
    return canned || same ? RESULT_OK : refuse_acl(call);
}

RESULT s3_PutBucketAcl(struct call *call, const struct s3_PutBucketAclRequest *in,
                       struct s3_PutBucketAclResult *out)
{
    (void)out;
    const struct acl_request request = {in->ACL,          in->GrantFullControl, in->GrantRead,
                                        in->GrantReadACP, in->GrantWrite,       in->GrantWriteACP};
    struct s3_bucket bucket;
    struct s3_AccessControlPolicy *acl;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    if (!acl_is_enabled(&bucket))
        return acl_to_ignore(call, &request, in->AccessControlPolicy, bucket.account);
    TRY(acl_to_put(call, &request, in->AccessControlPolicy, bucket.account, NULL, &acl));
    TRY(acl_check_public(call, &bucket, acl));
    return setting_put(call, &bucket, S3_SETTING_ACL, (struct str){0}, acl);
}

/* A header that the pages' examples have, and the model has not. */
static void acl_show_version(struct call *call, const struct s3_bucket *bucket,
                             const struct s3_object *object)
{
    struct str version_id = object_shown_version(bucket, object);
    if (!str_is_absent(version_id))
        call_add_header(call, STR("x-amz-version-id"), version_id);
}

RESULT s3_GetObjectAcl(struct call *call, const struct s3_GetObjectAclRequest *in,
                       struct s3_GetObjectAclOutput *out)
{
    struct s3_bucket bucket;
    struct s3_object object;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    const struct s3_AccessControlPolicy *acl = acl_is_enabled(&bucket) ? object.acl : NULL;
    if (acl == NULL)
        acl = acl_private(call, str_is_absent(object.owner) || !acl_is_enabled(&bucket)
                                    ? bucket.account
                                    : object.owner);
    out->Owner = acl->Owner;
    out->Grants = acl->Grants;
    acl_show_version(call, &bucket, &object);
    return RESULT_OK;
}

RESULT s3_PutObjectAcl(struct call *call, const struct s3_PutObjectAclRequest *in,
                       struct s3_PutObjectAclOutput *out)
{
    (void)out;
    const struct acl_request request = {in->ACL,          in->GrantFullControl, in->GrantRead,
                                        in->GrantReadACP, in->GrantWrite,       in->GrantWriteACP};
    struct s3_bucket bucket;
    struct s3_object object;
    struct object_place place;
    struct s3_AccessControlPolicy *acl;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(object_open(call, &bucket, in->Key, in->VersionId, &object));
    acl_show_version(call, &bucket, &object);
    if (!acl_is_enabled(&bucket))
        return acl_to_ignore(call, &request, in->AccessControlPolicy, bucket.account);
    struct str owner = str_is_absent(object.owner) ? bucket.account : object.owner;
    TRY(acl_to_put(call, &request, in->AccessControlPolicy, owner, &bucket, &acl));
    TRY(acl_check_public(call, &bucket, acl));
    TRY(object_find(call, &bucket, in->Key, in->VersionId, &place));
    place.object.acl = acl;
    TRY(object_update(call, &bucket, in->Key, &place));
    const struct s3_change change = {.kind = S3_ACL_PUT, .key = in->Key, .object = &place.object};
    return s3_changed(call, &bucket, &change);
}
