/* Instances: one for an account in a region, its association with an Identity Center and its
 * resource policy ("Working with S3 Access Grants instances", "S3 Access Grants cross-account
 * access", Amazon S3 User Guide). */
#include "auth/policy_words.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/paging.h"
#include "cloud/tags.h"
#include "services/s3control/grants_int.h"
#include "store/record.h"

enum { TAGS_MAX = 50, PAGE_MAX = 1000 };

/* (kind, account, region) */
struct key grants_key(struct call *call, const char *kind, struct str account)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, str_from_c(kind));
    key_str(&key, account);
    key_str(&key, call->region);
    return key;
}

RESULT grants_find(struct call *call, struct str account, struct str region,
                   struct s3control_grants_instance *out, bool *found)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("s3control-grants"));
    key_str(&key, account);
    key_str(&key, region);
    return call_get_record_copy(call, &key, &s3control_model, S3CONTROL_SHAPE_grants_instance, out,
                                found);
}

RESULT grants_open(struct call *call, struct str account, struct s3control_grants_instance *out)
{
    bool found;
    TRY(grants_find(call, account, call->region, out, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, S3CONTROL_ACCESS_GRANTS_INSTANCE_NOT_EXISTS,
                     "Access Grants Instance does not exist");
}

RESULT grants_put(struct call *call, const struct s3control_grants_instance *instance)
{
    struct key key = grants_key(call, "s3control-grants", instance->account);
    return call_put_record(call, &key, &s3control_model, S3CONTROL_SHAPE_grants_instance, instance);
}

struct str grants_arn(struct call *call, const struct s3control_grants_instance *instance)
{
    return str_format(call->arena, "arn:%.*s:s3:%.*s:%.*s:access-grants/default",
                      PRSTR(call->partition), PRSTR(instance->region), PRSTR(instance->account));
}

struct str grants_part_arn(struct call *call, const struct s3control_grants_instance *instance,
                           const char *kind, struct str id)
{
    return str_format(call->arena, "%.*s/%s/%.*s", PRSTR(grants_arn(call, instance)), kind,
                      PRSTR(id));
}

struct str grants_new_id(struct call *call)
{
    char text[36];
    rng_uuid(text);
    return str_copy(call->arena, str_make(text, sizeof text));
}

/* --- tags: "Managing tags for S3 Access Grants" --- */

RESULT grants_check_tags(struct call *call, const struct str_map *tags)
{
    size_t which;
    switch (tags_check(tags, TAGS_MAX, &which)) {
    case TAGS_OK:
        return RESULT_OK;
    case TAGS_TOO_MANY:
        return call_fail(call, S3CONTROL_TOO_MANY_TAGS,
                         "The number of tags exceeds the limit of 50 tags. Remove some tags and "
                         "try again.");
    case TAGS_KEY_RESERVED:
        return call_fail(call, S3CONTROL_INVALID_TAGS,
                         "Tag keys cannot start with AWS reserved prefix for system tags.");
    case TAGS_KEY_TWICE:
        return call_fail(call, S3CONTROL_INVALID_TAG,
                         "There are duplicate tag keys in your request. Remove the duplicate tag "
                         "keys and try again.");
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        break;
    }
    return call_fail(call, S3CONTROL_INVALID_TAG,
                     "This request contains a tag key or value that isn't valid. Valid characters "
                     "include the following: [a-zA-Z+-=._:/]. Tag keys can contain up to 128 "
                     "characters. Tag values can contain up to 256 characters.");
}

RESULT grants_tags(struct call *call, const struct s3control_TagList *list, struct str_map *tags)
{
    size_t cap = 0;
    *tags = (struct str_map){0};
    for (size_t i = 0; i < list->len; i++) {
        struct str_map_entry entry = {list->items[i].Key, list->items[i].Value};
        VEC_PUSH(call->arena, tags->items, tags->len, cap, entry);
    }
    return grants_check_tags(call, tags);
}

/* --- pages --- */

RESULT grants_page_open(struct call *call, const struct key *prefix, struct str token,
                        struct opt_int limit, struct grants_page *page, struct kv_cursor **cursor)
{
    *page = (struct grants_page){
        .prefix = *prefix,
        .limit = limit.set && limit.value > 0 ? (size_t)limit.value : PAGE_MAX,
    };
    if (page->limit > PAGE_MAX)
        page->limit = PAGE_MAX;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(prefix), false, cursor));
    if (str_is_absent(token))
        return RESULT_OK;
    if (!paging_position(call, token, &page->from) ||
        !str_starts_with(page->from, key_bytes(prefix)))
        return call_fail(call, S3CONTROL_INVALID_NEXT_TOKEN, "The NextToken is not valid.");
    struct str key, value;
    TRY(kv_cursor_seek(*cursor, page->from));
    TRY(kv_next(*cursor, &key, &value));
    /* What was the last one may be gone since. */
    if (!str_is_absent(key) && !str_eq(key, page->from))
        TRY(kv_cursor_seek(*cursor, str_copy(call->arena, key)));
    return RESULT_OK;
}

/* --- the instance --- */

/* The application that stands for an instance in the Identity Center. */
static RESULT associate(struct call *call, struct s3control_grants_instance *instance,
                        struct str arn)
{
    static const struct str letters = STR_INIT("0123456789abcdef");
    size_t slash = str_find_last_char(arn, '/');
    struct str id = str_slice(arn, slash == SIZE_MAX ? arn.len : slash + 1, arn.len);
    if (!str_starts_with(id, STR("ssoins-")))
        return call_fail(call, S3CONTROL_INVALID_IDENTITY_CENTER_INSTANCE,
                         "The specified identity center instance is invalid");
    instance->identity_center = arn;
    instance->application = str_format(call->arena, "arn:%.*s:sso::%.*s:application/%.*s/apl-%.*s",
                                       PRSTR(call->partition), PRSTR(instance->account), PRSTR(id),
                                       PRSTR(rng_text(call->arena, letters, 16)));
    return RESULT_OK;
}

RESULT
s3control_CreateAccessGrantsInstance(struct call *call,
                                     const struct s3control_CreateAccessGrantsInstanceRequest *in,
                                     struct s3control_CreateAccessGrantsInstanceResult *out)
{
    struct s3control_grants_instance instance;
    bool found;
    TRY(grants_find(call, in->AccountId, call->region, &instance, &found));
    if (found)
        return call_fail(call, S3CONTROL_ACCESS_GRANTS_INSTANCE_ALREADY_EXISTS,
                         "Access Grants Instance already exists");
    instance = (struct s3control_grants_instance){
        .account = in->AccountId, .region = call->region, .created_ms = call->now_ms};
    TRY(grants_tags(call, &in->Tags, &instance.tags));
    if (!str_is_absent(in->IdentityCenterArn))
        TRY(associate(call, &instance, in->IdentityCenterArn));
    TRY(grants_put(call, &instance));
    out->CreatedAt = opt_time(instance.created_ms);
    out->AccessGrantsInstanceId = STR("default");
    out->AccessGrantsInstanceArn = grants_arn(call, &instance);
    out->IdentityCenterArn = out->IdentityCenterApplicationArn = instance.application;
    out->IdentityCenterInstanceArn = instance.identity_center;
    return RESULT_OK;
}

RESULT s3control_GetAccessGrantsInstance(struct call *call,
                                         const struct s3control_GetAccessGrantsInstanceRequest *in,
                                         struct s3control_GetAccessGrantsInstanceResult *out)
{
    struct s3control_grants_instance instance;
    TRY(account_check(call, in->AccountId)); /* "is not supported for cross-account access" */
    TRY(grants_open(call, in->AccountId, &instance));
    out->CreatedAt = opt_time(instance.created_ms);
    out->AccessGrantsInstanceId = STR("default");
    out->AccessGrantsInstanceArn = grants_arn(call, &instance);
    out->IdentityCenterArn = out->IdentityCenterApplicationArn = instance.application;
    out->IdentityCenterInstanceArn = instance.identity_center;
    return RESULT_OK;
}

RESULT
s3control_DeleteAccessGrantsInstance(struct call *call,
                                     const struct s3control_DeleteAccessGrantsInstanceRequest *in,
                                     struct s3control_DeleteAccessGrantsInstanceResult *out)
{
    (void)out;
    struct s3control_grants_instance instance;
    TRY(grants_open(call, in->AccountId, &instance));
    if (instance.locations > 0)
        return call_fail(call, S3CONTROL_ACCESS_GRANTS_INSTANCE_NOT_EMPTY,
                         "Please clean up locations before deleting the access grants instance");
    if (!str_is_absent(instance.identity_center))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The identity center instance must be dissociated before deleting the "
                         "access grants instance");
    struct key key = grants_key(call, "s3control-grants", instance.account);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* An account has at most one in each region. */
RESULT
s3control_ListAccessGrantsInstances(struct call *call,
                                    const struct s3control_ListAccessGrantsInstancesRequest *in,
                                    struct s3control_ListAccessGrantsInstancesResult *out)
{
    struct s3control_grants_instance instance;
    bool found;
    struct str position;
    TRY(account_check(call, in->AccountId));
    if (!str_is_absent(in->NextToken) && !paging_position(call, in->NextToken, &position))
        return call_fail(call, S3CONTROL_INVALID_NEXT_TOKEN, "The NextToken is not valid.");
    TRY(grants_find(call, in->AccountId, call->region, &instance, &found));
    struct s3control_ListAccessGrantsInstanceEntry *entry =
        ARENA_NEW(call->arena, struct s3control_ListAccessGrantsInstanceEntry);
    out->AccessGrantsInstancesList.items = entry;
    out->AccessGrantsInstancesList.len = found ? 1 : 0;
    if (!found)
        return RESULT_OK;
    *entry = (struct s3control_ListAccessGrantsInstanceEntry){
        .AccessGrantsInstanceId = STR("default"),
        .AccessGrantsInstanceArn = grants_arn(call, &instance),
        .CreatedAt = opt_time(instance.created_ms),
        .IdentityCenterArn = instance.application,
        .IdentityCenterInstanceArn = instance.identity_center,
        .IdentityCenterApplicationArn = instance.application,
    };
    return RESULT_OK;
}

RESULT
s3control_AssociateAccessGrantsIdentityCenter(
    struct call *call, const struct s3control_AssociateAccessGrantsIdentityCenterRequest *in,
    struct s3control_AssociateAccessGrantsIdentityCenterResult *out)
{
    (void)out;
    struct s3control_grants_instance instance;
    TRY(grants_open(call, in->AccountId, &instance));
    if (!str_is_absent(instance.identity_center))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The access grants instance is already associated with an identity center "
                         "instance");
    TRY(associate(call, &instance, in->IdentityCenterArn));
    return grants_put(call, &instance);
}

RESULT
s3control_DissociateAccessGrantsIdentityCenter(
    struct call *call, const struct s3control_DissociateAccessGrantsIdentityCenterRequest *in,
    struct s3control_DissociateAccessGrantsIdentityCenterResult *out)
{
    (void)out;
    struct s3control_grants_instance instance;
    TRY(grants_open(call, in->AccountId, &instance));
    if (str_is_absent(instance.identity_center))
        return call_fail(call, S3CONTROL_INVALID_IDENTITY_CENTER_INSTANCE,
                         "The specified identity center instance is invalid");
    instance.identity_center = instance.application = (struct str){0};
    return grants_put(call, &instance);
}
