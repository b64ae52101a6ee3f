/* Locations: paths with the role that is assumed for them ("Working with S3 Access Grants
 * locations", Amazon S3 User Guide). */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/identity.h"
#include "cloud/paging.h"
#include "services/s3control/grants_int.h"
#include "store/record.h"

enum { LOCATIONS_MAX = 1000 }; /* "S3 Access Grants limitations" */

static struct key location_key(struct call *call, struct str account, struct str id)
{
    struct key key = grants_key(call, "s3control-grants-location", account);
    key_str(&key, id);
    return key;
}

/* The locations' ids by their paths. */
static struct key scope_key(struct call *call, struct str account, struct str stem)
{
    struct key key = grants_key(call, "s3control-grants-scope", account);
    key_str(&key, stem);
    return key;
}

RESULT location_find(struct call *call, struct str account, struct str id,
                     struct s3control_grants_location *out, bool *found)
{
    struct key key = location_key(call, account, id);
    return call_get_record_copy(call, &key, &s3control_model, S3CONTROL_SHAPE_grants_location, out,
                                found);
}

RESULT location_open(struct call *call, struct str account, struct str id,
                     struct s3control_grants_location *out)
{
    bool found;
    TRY(location_find(call, account, id, out, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, S3CONTROL_NO_SUCH_ACCESS_GRANTS_LOCATION,
                     "The specified access grants location does not exist");
}

RESULT location_put(struct call *call, struct str account,
                    const struct s3control_grants_location *location)
{
    struct key key = location_key(call, account, location->id);
    return call_put_record(call, &key, &s3control_model, S3CONTROL_SHAPE_grants_location, location);
}

/* The role is there, of the instance's account, and the caller may pass it. */
static RESULT check_role(struct call *call, struct str account, struct str role_arn)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct identity_role role;
    struct arn arn;
    bool found = false;
    TRY(authorize_pass_role(call, role_arn, STR("access-grants.s3.amazonaws.com")));
    if (identity->role != NULL && arn_parse(role_arn, &arn) && str_eq(arn.account, account))
        TRY(identity->role(call, role_arn, &role, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, S3CONTROL_INVALID_IAM_ROLE, "The specified IAM Role is invalid");
}

static RESULT invalid_location(struct call *call)
{
    return call_fail(call, S3CONTROL_INVALID_ACCESS_GRANTS_LOCATION,
                     "The specified Access Grants Location is invalid");
}

RESULT
s3control_CreateAccessGrantsLocation(struct call *call,
                                     const struct s3control_CreateAccessGrantsLocationRequest *in,
                                     struct s3control_CreateAccessGrantsLocationResult *out)
{
    struct s3control_grants_instance instance;
    struct grants_scope scope;
    struct bucket_found bucket = {.region = call->region};
    struct str there;
    TRY(grants_open(call, in->AccountId, &instance));
    if (!grants_scope_read(call, in->LocationScope, false, &scope))
        return invalid_location(call);
    struct key key = scope_key(call, in->AccountId, scope.stem);
    TRY(kv_get(call->txn, key_bytes(&key), &there));
    if (!str_is_absent(there))
        return call_fail(call, S3CONTROL_ACCESS_GRANTS_LOCATION_ALREADY_EXISTS,
                         "The specified access grants location already exists");
    if (instance.locations >= LOCATIONS_MAX)
        return call_fail(call, S3CONTROL_ACCESS_GRANTS_LOCATIONS_QUOTA_EXCEEDED,
                         "The access grants location quota has been exceeded. Access Grants "
                         "Locations Quota: %d. Please reach out to S3 if an increase is required.",
                         LOCATIONS_MAX);
    bool is_default = str_is_empty(grants_scope_bucket(scope.stem));
    if (!is_default)
        TRY(bucket_head(call, grants_scope_bucket(scope.stem), in->AccountId, &bucket));
    if (str_is_absent(bucket.region) || !str_eq(bucket.region, call->region))
        return invalid_location(call);
    TRY(check_role(call, in->AccountId, in->IAMRoleArn));
    struct s3control_grants_location location = {
        .id = is_default ? STR("default") : grants_new_id(call),
        .scope = in->LocationScope,
        .stem = scope.stem,
        .role = in->IAMRoleArn,
        .created_ms = call->now_ms,
    };
    TRY(grants_tags(call, &in->Tags, &location.tags));
    instance.locations++;
    TRY(location_put(call, in->AccountId, &location));
    TRY(kv_put(call->txn, key_bytes(&key), location.id));
    TRY(grants_put(call, &instance));
    out->CreatedAt = opt_time(location.created_ms);
    out->AccessGrantsLocationId = location.id;
    out->AccessGrantsLocationArn = grants_part_arn(call, &instance, "location", location.id);
    out->LocationScope = location.scope;
    out->IAMRoleArn = location.role;
    return RESULT_OK;
}

RESULT s3control_GetAccessGrantsLocation(struct call *call,
                                         const struct s3control_GetAccessGrantsLocationRequest *in,
                                         struct s3control_GetAccessGrantsLocationResult *out)
{
    struct s3control_grants_instance instance;
    struct s3control_grants_location location;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(location_open(call, in->AccountId, in->AccessGrantsLocationId, &location));
    out->CreatedAt = opt_time(location.created_ms);
    out->AccessGrantsLocationId = location.id;
    out->AccessGrantsLocationArn = grants_part_arn(call, &instance, "location", location.id);
    out->LocationScope = location.scope;
    out->IAMRoleArn = location.role;
    return RESULT_OK;
}

RESULT
s3control_UpdateAccessGrantsLocation(struct call *call,
                                     const struct s3control_UpdateAccessGrantsLocationRequest *in,
                                     struct s3control_UpdateAccessGrantsLocationResult *out)
{
    struct s3control_grants_instance instance;
    struct s3control_grants_location location;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(location_open(call, in->AccountId, in->AccessGrantsLocationId, &location));
    TRY(check_role(call, in->AccountId, in->IAMRoleArn));
    location.role = in->IAMRoleArn;
    TRY(location_put(call, in->AccountId, &location));
    out->CreatedAt = opt_time(location.created_ms);
    out->AccessGrantsLocationId = location.id;
    out->AccessGrantsLocationArn = grants_part_arn(call, &instance, "location", location.id);
    out->LocationScope = location.scope;
    out->IAMRoleArn = location.role;
    return RESULT_OK;
}

RESULT
s3control_DeleteAccessGrantsLocation(struct call *call,
                                     const struct s3control_DeleteAccessGrantsLocationRequest *in,
                                     struct s3control_DeleteAccessGrantsLocationResult *out)
{
    (void)out;
    struct s3control_grants_instance instance;
    struct s3control_grants_location location;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(location_open(call, in->AccountId, in->AccessGrantsLocationId, &location));
    if (location.grants > 0)
        return call_fail(call, S3CONTROL_ACCESS_GRANTS_LOCATION_NOT_EMPTY,
                         "Please clean up access grants before deleting access grants location");
    struct key key = location_key(call, in->AccountId, location.id),
               scope = scope_key(call, in->AccountId, location.stem);
    instance.locations--;
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    TRY(kv_delete(call->txn, key_bytes(&scope), NULL));
    return grants_put(call, &instance);
}

RESULT
s3control_ListAccessGrantsLocations(struct call *call,
                                    const struct s3control_ListAccessGrantsLocationsRequest *in,
                                    struct s3control_ListAccessGrantsLocationsResult *out)
{
    struct s3control_grants_instance instance;
    struct grants_page page;
    struct kv_cursor *cursor;
    struct key prefix = grants_key(call, "s3control-grants-location", in->AccountId);
    struct str last = {0};
    size_t cap = 1;
    TRY(grants_open(call, in->AccountId, &instance));
    TRY(grants_page_open(call, &prefix, in->NextToken, in->MaxResults, &page, &cursor));
    out->AccessGrantsLocationsList.items =
        ARENA_NEW(call->arena, struct s3control_ListAccessGrantsLocationsEntry);
    for (;;) {
        struct str key, value;
        struct s3control_grants_location one;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &s3control_model, S3CONTROL_SHAPE_grants_location,
                               value, &one));
        if (!str_is_absent(in->LocationScope) && !str_eq(in->LocationScope, one.scope))
            continue;
        if (out->AccessGrantsLocationsList.len == page.limit) {
            out->NextToken = paging_token(call, last);
            return RESULT_OK;
        }
        last = str_copy(call->arena, key);
        struct s3control_ListAccessGrantsLocationsEntry entry = {
            .CreatedAt = opt_time(one.created_ms),
            .AccessGrantsLocationId = one.id,
            .AccessGrantsLocationArn = grants_part_arn(call, &instance, "location", one.id),
            .LocationScope = one.scope,
            .IAMRoleArn = one.role,
        };
        VEC_PUSH(call->arena, out->AccessGrantsLocationsList.items,
                 out->AccessGrantsLocationsList.len, cap, entry);
    }
}
