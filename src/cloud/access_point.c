#include "cloud/access_point.h"

#include "gen/cloud.h"

struct key access_point_prefix(struct call *call, struct str account, struct str region)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloud-access-point"));
    key_str(&key, account);
    key_str(&key, region);
    return key;
}

static struct key alias_key(struct call *call, struct str alias)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloud-access-point-alias"));
    key_str(&key, alias);
    return key;
}

static struct key account_key(struct call *call, struct str account)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloud-public-access"));
    key_str(&key, account);
    return key;
}

RESULT access_point_find(struct call *call, struct str account, struct str region, struct str name,
                         struct access_point *out, bool *found)
{
    struct cloud_access_point record;
    struct key key = access_point_prefix(call, account, region);
    key_str(&key, name);
    TRY(call_get_record_copy(call, &key, &cloud_model, CLOUD_SHAPE_access_point, &record, found));
    *out = (struct access_point){
        .name = record.name,
        .account = record.account,
        .region = record.region,
        .bucket = record.bucket,
        .bucket_account = record.bucket_account,
        .alias = record.alias,
        .vpc = record.vpc,
        .policy = record.policy,
        .public_access = record.public_access,
        .created_ms = record.created_ms,
        .tags = record.tags,
    };
    return RESULT_OK;
}

RESULT access_point_find_alias(struct call *call, struct str alias, struct access_point *out,
                               bool *found)
{
    struct key key = alias_key(call, alias);
    struct str value, account, region, name;
    *found = false;
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    if (str_is_absent(value))
        return RESULT_OK;
    value = str_copy(call->arena, value);
    if (!str_cut(value, '/', &account, &region) || !str_cut(region, '/', &region, &name))
        return FAULT("a broken alias of an access point");
    return access_point_find(call, account, region, name, out, found);
}

RESULT access_point_put(struct call *call, const struct access_point *point)
{
    struct cloud_access_point record = {
        .name = point->name,
        .account = point->account,
        .region = point->region,
        .bucket = point->bucket,
        .bucket_account = point->bucket_account,
        .alias = point->alias,
        .vpc = point->vpc,
        .policy = point->policy,
        .public_access = point->public_access,
        .created_ms = point->created_ms,
        .tags = point->tags,
    };
    struct key key = access_point_prefix(call, point->account, point->region);
    struct key alias = alias_key(call, point->alias);
    key_str(&key, point->name);
    TRY(call_put_record(call, &key, &cloud_model, CLOUD_SHAPE_access_point, &record));
    return kv_put(call->txn, key_bytes(&alias),
                  str_format(call->arena, "%.*s/%.*s/%.*s", PRSTR(point->account),
                             PRSTR(point->region), PRSTR(point->name)));
}

RESULT access_point_delete(struct call *call, const struct access_point *point)
{
    struct key key = access_point_prefix(call, point->account, point->region);
    struct key alias = alias_key(call, point->alias);
    key_str(&key, point->name);
    TRY(kv_delete(call->txn, key_bytes(&alias), NULL));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

struct str access_point_arn(struct call *call, const struct access_point *point)
{
    return str_format(call->arena, "arn:%.*s:s3:%.*s:%.*s:accesspoint/%.*s", PRSTR(call->partition),
                      PRSTR(point->region), PRSTR(point->account), PRSTR(point->name));
}

/* --- multi-region access points --- */

static struct key multi_region_key(struct call *call, struct str alias)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("cloud-multi-region-point"));
    key_str(&key, alias);
    return key;
}

RESULT multi_region_put(struct call *call, const struct cloud_multi_region_point *point)
{
    struct key key = multi_region_key(call, point->alias);
    return call_put_record(call, &key, &cloud_model, CLOUD_SHAPE_multi_region_point, point);
}

RESULT multi_region_delete(struct call *call, struct str alias)
{
    struct key key = multi_region_key(call, alias);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT multi_region_find(struct call *call, struct str alias, struct access_point *out, bool *found)
{
    struct cloud_multi_region_point point;
    struct key key = multi_region_key(call, alias);
    TRY(call_get_record_copy(call, &key, &cloud_model, CLOUD_SHAPE_multi_region_point, &point,
                             found));
    *out = (struct access_point){
        .name = point.alias,
        .account = point.account,
        .region = STR(""),
        .alias = point.alias,
        .policy = point.policy,
        .public_access = point.public_access,
    };
    for (size_t i = point.routes.len; i-- > 0;) {
        if (!point.routes.items[i].active)
            continue;
        out->bucket = point.routes.items[i].bucket;
        out->bucket_account = point.routes.items[i].bucket_account;
    }
    return RESULT_OK;
}

/* --- accounts --- */

RESULT account_public_access(struct call *call, struct str account, int64_t *bits)
{
    struct key key = account_key(call, account);
    struct str value;
    *bits = 0;
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    if (!str_is_absent(value) && !str_to_i64(value, bits))
        return FAULT("broken public access settings of an account");
    return RESULT_OK;
}

RESULT account_set_public_access(struct call *call, struct str account, int64_t bits)
{
    struct key key = account_key(call, account);
    if (bits == 0)
        return kv_delete(call->txn, key_bytes(&key), NULL);
    return kv_put(call->txn, key_bytes(&key), str_format(call->arena, "%lld", (long long)bits));
}
