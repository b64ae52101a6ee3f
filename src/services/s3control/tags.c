/* Tags of access points, of access grants and of buckets, by ARN ("Using tags with S3 access
 * points", "Managing tags for S3 Access Grants"). A bucket's are those of PutBucketTagging. */
#include "cloud/tags.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "gen/s3.h"
#include "services/s3control/grants_int.h"

struct tagged {
    bool is_bucket, is_of_grants;
    struct str bucket;
    struct access_point point;
    struct grants_tagged grants;
    struct str_map tags;
};

static RESULT invoke(struct call *call, uint32_t operation, const void *in, const void **out,
                     bool *missing)
{
    const struct call_invocation invocation = {
        .model = &s3_model,
        .operation = operation,
        .in = in,
        .principal = {.kind = PRINCIPAL_SERVICE, .name = STR("s3.amazonaws.com")},
        .account = call->account,
        .region = call->region,
    };
    uint32_t error;
    struct str message;
    enum result result = call_invoke(call, &invocation, out, &error, &message);
    *missing = result == RESULT_ERROR && error == S3_NO_SUCH_TAG_SET;
    if (*missing || result != RESULT_ERROR)
        return *missing ? RESULT_OK : result;
    return call_fail(call, S3CONTROL_NOT_FOUND, "%.*s", PRSTR(message));
}

static RESULT tagged_open_grants(struct call *call, struct str account, const struct arn *arn,
                                 struct tagged *tagged)
{
    bool found = false;
    TRY(account_check(call, account));
    if (str_eq(arn->account, account) && str_eq(arn->region, call->region))
        TRY(grants_tagged_open(call, account, arn->resource, &tagged->grants, &found));
    if (!found)
        return call_fail(call, S3CONTROL_NOT_FOUND, "The specified resource does not exist.");
    tagged->is_of_grants = true;
    tagged->tags = *tagged->grants.tags;
    return RESULT_OK;
}

static RESULT tagged_open(struct call *call, struct str account, struct str text,
                          struct tagged *tagged)
{
    struct arn arn;
    *tagged = (struct tagged){0};
    if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("s3")))
        return call_fail(call, S3CONTROL_INVALID_REQUEST, "The ARN of the resource is not valid.");
    if (str_starts_with(arn.resource, STR("accesspoint/"))) {
        TRY(point_open(call, account, text, &tagged->point));
        tagged->tags = tagged->point.tags;
        return RESULT_OK;
    }
    if (str_starts_with(arn.resource, STR("access-grants/")))
        return tagged_open_grants(call, account, &arn, tagged);
    if (!str_is_empty(arn.region) || str_find_char(arn.resource, '/') != SIZE_MAX)
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Tags of this kind of resource are not implemented.");
    const struct s3_GetBucketTaggingRequest in = {.Bucket = arn.resource,
                                                  .ExpectedBucketOwner = account};
    const void *out;
    bool missing;
    size_t cap = 0;
    TRY(account_check(call, account));
    tagged->is_bucket = true;
    tagged->bucket = arn.resource;
    TRY(invoke(call, S3_OP_GetBucketTagging, &in, &out, &missing));
    if (missing)
        return RESULT_OK;
    const struct s3_TagSet *set = &((const struct s3_GetBucketTaggingOutput *)out)->TagSet;
    for (size_t i = 0; i < set->len; i++) {
        struct str_map_entry entry = {set->items[i].Key, set->items[i].Value};
        VEC_PUSH(call->arena, tagged->tags.items, tagged->tags.len, cap, entry);
    }
    return RESULT_OK;
}

static RESULT tagged_keep(struct call *call, struct tagged *tagged)
{
    if (tagged->is_of_grants) {
        *tagged->grants.tags = tagged->tags;
        return grants_tagged_put(call, &tagged->grants);
    }
    if (!tagged->is_bucket) {
        tagged->point.tags = tagged->tags;
        return access_point_put(call, &tagged->point);
    }
    struct s3_Tag *items = ARENA_ARRAY(call->arena, tagged->tags.len + 1, struct s3_Tag);
    for (size_t i = 0; i < tagged->tags.len; i++)
        items[i] = (struct s3_Tag){tagged->tags.items[i].key, tagged->tags.items[i].value};
    struct s3_Tagging tagging = {.TagSet = {items, tagged->tags.len}};
    const struct s3_PutBucketTaggingRequest in = {.Bucket = tagged->bucket, .Tagging = &tagging};
    const void *out;
    bool missing;
    return invoke(call, S3_OP_PutBucketTagging, &in, &out, &missing);
}

RESULT s3control_TagResource(struct call *call, const struct s3control_TagResourceRequest *in,
                             struct s3control_TagResourceResult *out)
{
    (void)out;
    struct tagged tagged;
    struct str_map tags = {0};
    size_t cap = 0, which;
    TRY(tagged_open(call, in->AccountId, in->ResourceArn, &tagged));
    for (size_t i = 0; i < in->Tags.len; i++) {
        struct str_map_entry entry = {in->Tags.items[i].Key, in->Tags.items[i].Value};
        VEC_PUSH(call->arena, tags.items, tags.len, cap, entry);
    }
    for (size_t i = 0; i < tagged.tags.len; i++) {
        bool replaced = false;
        for (size_t j = 0; j < in->Tags.len; j++)
            replaced = replaced || str_eq(in->Tags.items[j].Key, tagged.tags.items[i].key);
        if (!replaced)
            VEC_PUSH(call->arena, tags.items, tags.len, cap, tagged.tags.items[i]);
    }
    if (tagged.is_of_grants)
        TRY(grants_check_tags(call, &tags));
    if (tags_check(&tags, 50, &which) != TAGS_OK)
        return call_fail(call, S3CONTROL_INVALID_REQUEST,
                         "The tags are not valid: at most 50 of them, each key once, of the "
                         "characters that tags may have, none that begins with \"aws:\".");
    tagged.tags = tags;
    return tagged_keep(call, &tagged);
}

RESULT s3control_UntagResource(struct call *call, const struct s3control_UntagResourceRequest *in,
                               struct s3control_UntagResourceResult *out)
{
    (void)out;
    struct tagged tagged;
    struct str_map tags = {0};
    size_t cap = 0;
    TRY(tagged_open(call, in->AccountId, in->ResourceArn, &tagged));
    for (size_t i = 0; i < tagged.tags.len; i++) {
        bool gone = false;
        for (size_t j = 0; j < in->TagKeys.len; j++)
            gone = gone || str_eq(in->TagKeys.items[j], tagged.tags.items[i].key);
        if (!gone)
            VEC_PUSH(call->arena, tags.items, tags.len, cap, tagged.tags.items[i]);
    }
    tagged.tags = tags;
    return tagged_keep(call, &tagged);
}

RESULT s3control_ListTagsForResource(struct call *call,
                                     const struct s3control_ListTagsForResourceRequest *in,
                                     struct s3control_ListTagsForResourceResult *out)
{
    struct tagged tagged;
    TRY(tagged_open(call, in->AccountId, in->ResourceArn, &tagged));
    out->Tags.items = ARENA_ARRAY(call->arena, tagged.tags.len + 1, struct s3control_Tag);
    out->Tags.len = tagged.tags.len;
    for (size_t i = 0; i < tagged.tags.len; i++)
        out->Tags.items[i] =
            (struct s3control_Tag){tagged.tags.items[i].key, tagged.tags.items[i].value};
    return RESULT_OK;
}
