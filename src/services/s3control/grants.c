/* Grants: who may read or write which part of a location ("Working with grants in S3 Access
 * Grants", Amazon S3 User Guide). */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/s3control/grants_int.h"
#include "store/record.h"

enum { GRANTS_MAX = 100000, GRANTEE_MAX = 1000 }; /* "S3 Access Grants limitations" */

static struct key grant_key(struct call *call, struct str account, struct str id)
{
    struct key key = grants_key(call, "s3control-grant", account);
    key_str(&key, id);
    return key;
}

struct key grant_index(struct call *call, struct str account, struct str grantee)
{
    struct key key = grants_key(call, "s3control-grant-of", account);
    key_str(&key, grantee);
    return key;
}

/* Of equal grants there is one. An object stands behind the prefix of the same name. */
static struct key index_key(struct call *call, struct str account,
                            const struct s3control_grant *grant)
{
    struct key key = grant_index(call, account, grant->grantee);
    key_str(&key, grant->stem);
    key_u64(&key, grant->object);
    key_str(&key, grant->permission);
    key_str(&key, grant->location);
    key_str(&key, grant->application);
    return key;
}

RESULT grant_find(struct call *call, struct str account, struct str id, struct s3control_grant *out,
                  bool *found)
{
    struct key key = grant_key(call, account, id);
    return call_get_record_copy(call, &key, &s3control_model, S3CONTROL_SHAPE_grant, out, found);
}

RESULT grant_put(struct call *call, struct str account, const struct s3control_grant *grant)
{
    struct key key = grant_key(call, account, grant->id);
    return call_put_record(call, &key, &s3control_model, S3CONTROL_SHAPE_grant, grant);
}

RESULT grant_of_index(struct call *call, struct str account, struct str value,
                      struct s3control_grant *out)
{
    bool found;
    TRY(grant_find(call, account, str_copy(call->arena, value), out, &found));
    return found ? RESULT_OK : FAULT("an index entry without its access grant");
}

static RESULT grant_open(struct call *call, struct str account, struct str id,
                         struct s3control_grant *out)
{
    bool found;
    TRY(grant_find(call, account, id, out, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, S3CONTROL_NO_SUCH_ACCESS_GRANT,
                     "The specified access grant does not exist");
}

struct s3control_Grantee *grant_grantee(struct call *call, const struct s3control_grant *grant)
{
    struct s3control_Grantee *grantee = ARENA_NEW(call->arena, struct s3control_Grantee);
    *grantee = (struct s3control_Grantee){grant->grantee_type, grant->grantee};
    return grantee;
}

static struct s3control_AccessGrantsLocationConfiguration *
grant_configuration(struct call *call, const struct s3control_grant *grant)
{
    if (str_is_absent(grant->sub_prefix))
        return NULL;
    struct s3control_AccessGrantsLocationConfiguration *shown =
        ARENA_NEW(call->arena, struct s3control_AccessGrantsLocationConfiguration);
    shown->S3SubPrefix = grant->sub_prefix;
    return shown;
}

/* --- creating --- */

static RESULT invalid_grant(struct call *call)
{
    return call_fail(call, S3CONTROL_INVALID_ACCESS_GRANT, "The specified Access Grant is invalid");
}

static bool is_uuid(struct str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (c == '-') ||
            !(dash || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return true;
}

/* "If the grantee type is IAM, the identifier is the ARN of the user or role", else the id of one
 * in the directory (Grantee, Amazon S3 API Reference). Ids of older directories begin with the
 * directory's and a hyphen. */
static RESULT check_grantee(struct call *call, const struct s3control_grants_instance *instance,
                            const struct s3control_Grantee *grantee)
{
    struct arn arn;
    struct str id = grantee->GranteeIdentifier;
    if (str_is_empty(id) || id.len > GRANTEE_MAX || str_is_absent(grantee->GranteeType))
        return invalid_grant(call);
    if (str_eq(grantee->GranteeType, STR("IAM"))) {
        bool good = arn_parse(id, &arn) && str_eq(arn.service, STR("iam")) &&
                    arn_is_account(arn.account) &&
                    (str_starts_with(arn.resource, STR("user/")) ||
                     str_starts_with(arn.resource, STR("role/")));
        return good ? RESULT_OK : invalid_grant(call);
    }
    size_t dash = str_find_char(id, '-');
    bool older = dash == 10 && is_uuid(str_slice(id, dash + 1, id.len));
    if (str_is_absent(instance->identity_center))
        return call_fail(call, S3CONTROL_INVALID_IDENTITY_CENTER_INSTANCE,
                         "The specified identity center instance is invalid");
    return is_uuid(id) || older ? RESULT_OK : invalid_grant(call);
}

static RESULT make_grant(struct call *call, const struct s3control_CreateAccessGrantRequest *in,
                         const struct s3control_grants_location *location,
                         struct s3control_grant *grant)
{
    struct grants_scope scope;
    bool as_object = !str_is_absent(in->S3PrefixType);
    *grant = (struct s3control_grant){
        .id = grants_new_id(call),
        .location = location->id,
        .object = as_object,
        .grantee_type = in->Grantee->GranteeType,
        .grantee = in->Grantee->GranteeIdentifier,
        .permission = in->Permission,
        .application = in->ApplicationArn,
        .created_ms = call->now_ms,
    };
    if (in->AccessGrantsLocationConfiguration != NULL)
        grant->sub_prefix = in->AccessGrantsLocationConfiguration->S3SubPrefix;
    if (!grants_scope_append(call, location->scope, grant->sub_prefix, as_object, &grant->scope,
                             &scope) ||
        (as_object && !scope.object))
        return invalid_grant(call);
    grant->stem = scope.stem;
    grant->object = scope.object;
    return grants_tags(call, &in->Tags, &grant->tags);
}

/* Written with what counts it. */
static RESULT keep_grant(struct call *call, struct str account, const struct s3control_grant *grant,
                         struct s3control_grants_instance *instance,
                         struct s3control_grants_location *location)
{
    struct key key = index_key(call, account, grant);
    struct str there;
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return call_fail(call, S3CONTROL_ACCESS_GRANT_ALREADY_EXISTS,
                         "The specified access grant already exists");
    if (instance->grants >= GRANTS_MAX)
        return call_fail(call, S3CONTROL_ACCESS_GRANTS_QUOTA_EXCEEDED,
                         "The access grants quota has been exceeded. Access Grants Quota: %d. "
                         "Please reach out to S3 if an increase is required.",
                         GRANTS_MAX);
    instance->grants++;
    location->grants++;
    TRY(grant_put(call, account, grant));
    TRY(kv_put(call->txn, key_bytes(&key), grant->id));
    TRY(location_put(call, account, location));
    return grants_put(call, instance);
}

RESULT s3control_CreateAccessGrant(struct call *call,
                                   const struct s3control_CreateAccessGrantRequest *in,
                                   struct s3control_CreateAccessGrantResult *out)
{
    struct s3control_grants_instance instance;
    struct s3control_grants_location location;
    struct s3control_grant grant;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(location_open(call, in->AccountId, in->AccessGrantsLocationId, &location));
    TRY(check_grantee(call, &instance, in->Grantee));
    if (!str_is_absent(in->ApplicationArn) && str_is_absent(instance.identity_center))
        return call_fail(call, S3CONTROL_INVALID_IDENTITY_CENTER_INSTANCE,
                         "The specified identity center instance is invalid");
    TRY(make_grant(call, in, &location, &grant));
    TRY(keep_grant(call, in->AccountId, &grant, &instance, &location));
    out->CreatedAt = opt_time(grant.created_ms);
    out->AccessGrantId = grant.id;
    out->AccessGrantArn = grants_part_arn(call, &instance, "grant", grant.id);
    out->Grantee = grant_grantee(call, &grant);
    out->AccessGrantsLocationId = grant.location;
    out->AccessGrantsLocationConfiguration = grant_configuration(call, &grant);
    out->Permission = grant.permission;
    out->ApplicationArn = grant.application;
    out->GrantScope = grant.scope;
    return RESULT_OK;
}

RESULT s3control_GetAccessGrant(struct call *call, const struct s3control_GetAccessGrantRequest *in,
                                struct s3control_GetAccessGrantResult *out)
{
    struct s3control_grants_instance instance;
    struct s3control_grant grant;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(grant_open(call, in->AccountId, in->AccessGrantId, &grant));
    out->CreatedAt = opt_time(grant.created_ms);
    out->AccessGrantId = grant.id;
    out->AccessGrantArn = grants_part_arn(call, &instance, "grant", grant.id);
    out->Grantee = grant_grantee(call, &grant);
    out->Permission = grant.permission;
    out->AccessGrantsLocationId = grant.location;
    out->AccessGrantsLocationConfiguration = grant_configuration(call, &grant);
    out->GrantScope = grant.scope;
    out->ApplicationArn = grant.application;
    return RESULT_OK;
}

RESULT s3control_DeleteAccessGrant(struct call *call,
                                   const struct s3control_DeleteAccessGrantRequest *in,
                                   struct s3control_DeleteAccessGrantResult *out)
{
    (void)out;
    struct s3control_grants_instance instance;
    struct s3control_grants_location location;
    struct s3control_grant grant;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(grant_open(call, in->AccountId, in->AccessGrantId, &grant));
    TRY(location_open(call, in->AccountId, grant.location, &location));
    struct key key = grant_key(call, in->AccountId, grant.id),
               index = index_key(call, in->AccountId, &grant);
    instance.grants--;
    location.grants--;
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(kv_delete(call->txn, key_bytes(&index), NULL));
    TRY(location_put(call, in->AccountId, &location));
    return grants_put(call, &instance);
}

/* --- listing --- */

static bool is_wanted(const struct s3control_ListAccessGrantsRequest *in,
                      const struct s3control_grant *grant)
{
    const struct str pairs[][2] = {
        {in->GranteeType, grant->grantee_type},   {in->GranteeIdentifier, grant->grantee},
        {in->Permission, grant->permission},      {in->GrantScope, grant->scope},
        {in->ApplicationArn, grant->application},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (!str_is_absent(pairs[i][0]) && !str_eq(pairs[i][0], pairs[i][1]))
            return false;
    return true;
}

RESULT s3control_ListAccessGrants(struct call *call,
                                  const struct s3control_ListAccessGrantsRequest *in,
                                  struct s3control_ListAccessGrantsResult *out)
{
    struct s3control_grants_instance instance;
    struct grants_page page;
    struct kv_cursor *cursor;
    bool indexed = !str_is_absent(in->GranteeIdentifier);
    struct key prefix = indexed ? grant_index(call, in->AccountId, in->GranteeIdentifier)
                                : grants_key(call, "s3control-grant", in->AccountId);
    struct str last = {0};
    size_t cap = 1;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(grants_page_open(call, &prefix, in->NextToken, in->MaxResults, &page, &cursor));
    out->AccessGrantsList.items = ARENA_NEW(call->arena, struct s3control_ListAccessGrantEntry);
    for (;;) {
        struct str key, value;
        struct s3control_grant one;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        if (indexed)
            TRY(grant_of_index(call, in->AccountId, value, &one));
        else
            TRY(record_decode_copy(call->arena, &s3control_model, S3CONTROL_SHAPE_grant, value,
                                   &one));
        if (!is_wanted(in, &one))
            continue;
        if (out->AccessGrantsList.len == page.limit) {
            out->NextToken = paging_token(call, last);
            return RESULT_OK;
        }
        last = str_copy(call->arena, key);
        struct s3control_ListAccessGrantEntry entry = {
            .CreatedAt = opt_time(one.created_ms),
            .AccessGrantId = one.id,
            .AccessGrantArn = grants_part_arn(call, &instance, "grant", one.id),
            .Grantee = grant_grantee(call, &one),
            .Permission = one.permission,
            .AccessGrantsLocationId = one.location,
            .AccessGrantsLocationConfiguration = grant_configuration(call, &one),
            .GrantScope = one.scope,
            .ApplicationArn = one.application,
        };
        VEC_PUSH(call->arena, out->AccessGrantsList.items, out->AccessGrantsList.len, cap, entry);
    }
}
