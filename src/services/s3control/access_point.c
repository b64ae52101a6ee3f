/* Access points: making, finding, listing, deleting ("Creating access points", "Access points
 * restrictions and limitations", Amazon S3 User Guide). */
#include "base/encode.h"
#include "base/rng.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/paging.h"
#include "services/s3control/s3control_int.h"

enum { ALIAS_SIZE = 63, TAGS_MAX = 50 };

/* 3 to 50 letters, digits and hyphens, beginning and ending with a letter or digit ("Naming rules
 * for access points"). */
static bool name_is_valid(struct str name)
{
    if (name.len < 3 || name.len > 50 || str_ends_with(name, STR("-s3alias")) ||
        str_starts_with(name, STR("xn--")))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool sign = c == '-' && i > 0 && i + 1 < name.len;
        if (!sign && !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
            return false;
    }
    return true;
}

RESULT point_open(struct call *call, struct str account, struct str name,
                  struct access_point *point)
{
    struct arn arn;
    bool found;
    TRY(account_check(call, account));
    if (arn_parse(name, &arn)) {
        size_t slash = str_find_char(arn.resource, '/');
        if (slash != SIZE_MAX)
            name = str_slice(arn.resource, slash + 1, arn.resource.len);
    }
    TRY(access_point_find(call, account, call->region, name, point, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, S3CONTROL_NO_SUCH_ACCESS_POINT,
                     "The specified accesspoint does not exist");
}

/* NAME-RANDOM-s3alias, 63 characters at most ("Access point aliases"). */
static struct str make_alias(struct call *call, struct str name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint8_t random[34];
    struct str suffix = STR("-s3alias");
    struct buf out;
    size_t kept = ALIAS_SIZE - suffix.len - sizeof random - 1;
    rng_bytes(random, sizeof random);
    buf_init(&out, call->arena, ALIAS_SIZE);
    name = str_slice(name, 0, kept);
    while (str_ends_with(name, STR("-")))
        name.len--;
    buf_append(&out, name);
    buf_append_char(&out, '-');
    for (size_t i = 0; i < sizeof random; i++)
        buf_append_char(&out, letters[random[i] % (sizeof letters - 1)]);
    buf_append(&out, suffix);
    return buf_str(&out);
}

/* The bucket must be there, of the account that the request names, and in this region. */
static RESULT check_bucket(struct call *call, struct str bucket, struct str account)
{
    struct bucket_found found;
    TRY(bucket_head(call, bucket, account, &found));
    if (!str_is_absent(found.region) && str_eq(found.region, call->region))
        return RESULT_OK;
    if (!str_is_absent(found.region))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The bucket and the access point must be in the same Region.");
    if (found.error == WIRE_ACCESS_DENIED)
        return call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
    return call_fail(call, S3CONTROL_INVALID_REQUEST, "%.*s", PRSTR(found.message));
}

static RESULT read_tags(struct call *call, const struct s3control_TagList *list,
                        struct str_map *tags)
{
    size_t cap = 0;
    if (list->len > TAGS_MAX)
        return call_fail(call, S3CONTROL_TOO_MANY_TAGS,
                         "The number of tags exceeds the limit of %d tags. Remove some tags and "
                         "try again.",
                         TAGS_MAX);
    for (size_t i = 0; i < list->len; i++) {
        struct str_map_entry entry = {list->items[i].Key, list->items[i].Value};
        for (size_t j = 0; j < tags->len; j++)
            if (str_eq(tags->items[j].key, entry.key))
                return call_fail(call, S3CONTROL_INVALID_REQUEST,
                                 "Cannot provide multiple Tags with the same key");
        VEC_PUSH(call->arena, tags->items, tags->len, cap, entry);
    }
    return RESULT_OK;
}

RESULT s3control_CreateAccessPoint(struct call *call,
                                   const struct s3control_CreateAccessPointRequest *in,
                                   struct s3control_CreateAccessPointResult *out)
{
    struct access_point point;
    bool found;
    struct str owner = str_is_absent(in->BucketAccountId) ? in->AccountId : in->BucketAccountId;
    TRY(account_check(call, in->AccountId));
    if (in->Scope != NULL)
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Scopes belong to access points of directory buckets, which are not "
                         "implemented.");
    if (!name_is_valid(in->Name))
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The specified access point name is not valid");
    TRY(access_point_find(call, in->AccountId, call->region, in->Name, &point, &found));
    if (found)
        return call_fail(call, S3CONTROL_ACCESS_POINT_ALREADY_OWNED_BY_YOU,
                         "Your previous request to create the named accesspoint succeeded and you "
                         "already own it.");
    TRY(check_bucket(call, in->Bucket, owner));
    point = (struct access_point){
        .name = in->Name,
        .account = in->AccountId,
        .region = call->region,
        .bucket = in->Bucket,
        .bucket_account = owner,
        .alias = make_alias(call, in->Name),
        .public_access = ACCESS_ALL, /* "By default, all block public access settings are on" */
        .created_ms = call->now_ms,
    };
    if (in->VpcConfiguration != NULL)
        point.vpc = in->VpcConfiguration->VpcId;
    if (in->PublicAccessBlockConfiguration != NULL)
        point.public_access = public_access_bits(in->PublicAccessBlockConfiguration);
    TRY(read_tags(call, &in->Tags, &point.tags));
    TRY(access_point_put(call, &point));
    out->AccessPointArn = access_point_arn(call, &point);
    out->Alias = point.alias;
    return RESULT_OK;
}

static struct str origin_of(const struct access_point *point)
{
    return str_is_absent(point->vpc) ? STR("Internet") : STR("VPC");
}

static struct s3control_VpcConfiguration *vpc_of(struct call *call,
                                                 const struct access_point *point)
{
    if (str_is_absent(point->vpc))
        return NULL;
    struct s3control_VpcConfiguration *vpc =
        ARENA_NEW(call->arena, struct s3control_VpcConfiguration);
    vpc->VpcId = point->vpc;
    return vpc;
}

static struct str_map endpoints_of(struct call *call, const struct access_point *point)
{
    static const struct {
        struct str name;
        const char *label;
    } kinds[] = {
        {STR_INIT("ipv4"), "s3-accesspoint"},
        {STR_INIT("dualstack"), "s3-accesspoint.dualstack"},
        {STR_INIT("fips"), "s3-accesspoint-fips"},
        {STR_INIT("fips_dualstack"), "s3-accesspoint-fips.dualstack"},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    struct str_map_entry *entries = ARENA_ARRAY(call->arena, KINDS, struct str_map_entry);
    for (size_t i = 0; i < KINDS; i++)
        entries[i] =
            (struct str_map_entry){kinds[i].name, str_format(call->arena, "%s.%.*s.amazonaws.com",
                                                             kinds[i].label, PRSTR(point->region))};
    return (struct str_map){entries, KINDS};
}

RESULT s3control_GetAccessPoint(struct call *call, const struct s3control_GetAccessPointRequest *in,
                                struct s3control_GetAccessPointResult *out)
{
    struct access_point point;
    TRY(point_open(call, in->AccountId, in->Name, &point));
    out->Name = point.name;
    out->Bucket = point.bucket;
    out->NetworkOrigin = origin_of(&point);
    out->VpcConfiguration = vpc_of(call, &point);
    struct s3control_PublicAccessBlockConfiguration *shown =
        ARENA_NEW(call->arena, struct s3control_PublicAccessBlockConfiguration);
    *shown = *public_access_shown(call, point.public_access);
    out->PublicAccessBlockConfiguration = shown;
    out->CreationDate = opt_time(point.created_ms / 1000 * 1000);
    out->Alias = point.alias;
    out->AccessPointArn = access_point_arn(call, &point);
    out->Endpoints = endpoints_of(call, &point);
    out->BucketAccountId = point.bucket_account;
    return RESULT_OK;
}

RESULT s3control_DeleteAccessPoint(struct call *call,
                                   const struct s3control_DeleteAccessPointRequest *in,
                                   struct s3control_DeleteAccessPointResult *out)
{
    (void)out;
    struct access_point point;
    TRY(point_open(call, in->AccountId, in->Name, &point));
    call->status = 204;
    return access_point_delete(call, &point);
}

RESULT s3control_ListAccessPoints(struct call *call,
                                  const struct s3control_ListAccessPointsRequest *in,
                                  struct s3control_ListAccessPointsResult *out)
{
    struct str position = {0};
    size_t limit =
               in->MaxResults.set && in->MaxResults.value > 0 ? (size_t)in->MaxResults.value : 1000,
           cap = 0;
    TRY(account_check(call, in->AccountId));
    if (!str_is_absent(in->DataSourceId) || !str_is_absent(in->DataSourceType))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Access points of other data sources than buckets are not implemented.");
    if (!str_is_absent(in->NextToken) && !paging_position(call, in->NextToken, &position))
        return call_fail(call, S3CONTROL_INVALID_NEXT_TOKEN, "The NextToken is not valid.");
    struct key prefix = access_point_prefix(call, in->AccountId, call->region), from = prefix;
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    if (!str_is_absent(position)) {
        key_str(&from, position);
        TRY(kv_cursor_seek(cursor, key_bytes(&from)));
    }
    out->AccessPointList.items = ARENA_NEW(call->arena, struct s3control_AccessPoint);
    cap = 1;
    for (;;) {
        struct str key, value, skip, name;
        struct access_point point;
        bool found;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(call->arena, key);
        if (!key_next_str(&reader, &skip) || !key_next_str(&reader, &skip) ||
            !key_next_str(&reader, &skip) || !key_next_str(&reader, &name))
            return FAULT("a broken key of an access point");
        if (str_eq(name, position))
            continue;
        TRY(access_point_find(call, in->AccountId, call->region, name, &point, &found));
        if (!found || (!str_is_absent(in->Bucket) && !str_eq(in->Bucket, point.bucket)))
            continue;
        if (out->AccessPointList.len == limit) {
            out->NextToken = paging_token(call, out->AccessPointList.items[limit - 1].Name);
            return RESULT_OK;
        }
        struct s3control_AccessPoint entry = {
            .Name = point.name,
            .NetworkOrigin = origin_of(&point),
            .VpcConfiguration = vpc_of(call, &point),
            .Bucket = point.bucket,
            .AccessPointArn = access_point_arn(call, &point),
            .Alias = point.alias,
            .BucketAccountId = point.bucket_account,
        };
        VEC_PUSH(call->arena, out->AccessPointList.items, out->AccessPointList.len, cap, entry);
    }
}
