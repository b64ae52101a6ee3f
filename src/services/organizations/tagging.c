/* Tags of roots, units, accounts, policies and the resource policy. */
#include "cloud/tags.h"
#include "services/organizations/organizations_int.h"

/* What may carry tags; *tags points into the one that was found. */
struct tagged {
    struct organizations_organization org;
    struct organizations_unit unit;
    struct organizations_account account;
    struct organizations_policy policy;
    enum { TAGGED_UNIT, TAGGED_ACCOUNT, TAGGED_POLICY, TAGGED_RESOURCE_POLICY } kind;
    struct str_map *tags;
};

static RESULT tagged_find(struct call *call, struct str id, struct tagged *out)
{
    bool found = false;
    if (arn_is_account(id)) {
        out->kind = TAGGED_ACCOUNT;
        out->tags = &out->account.tags;
        TRY(org_account_find(call, &out->org, id, &out->account, &found));
    } else if (str_starts_with(id, STR("p-"))) {
        out->kind = TAGGED_POLICY;
        out->tags = &out->policy.tags;
        TRY(org_policy_find(call, &out->org, id, &out->policy, &found));
    } else if (str_starts_with(id, STR("rp-"))) {
        out->kind = TAGGED_RESOURCE_POLICY;
        out->tags = &out->org.resource_policy_tags;
        found = str_eq(id, out->org.resource_policy_id);
    } else {
        out->kind = TAGGED_UNIT;
        out->tags = &out->unit.tags;
        TRY(org_unit_find(call, &out->org, id, &out->unit, &found));
    }
    if (!found)
        return call_fail(call, ORGANIZATIONS_TARGET_NOT_FOUND,
                         "We can't find a root, OU, account, or policy with the TargetId that you "
                         "specified.");
    return RESULT_OK;
}

static RESULT tagged_put(struct call *call, const struct tagged *tagged)
{
    switch (tagged->kind) {
    case TAGGED_UNIT:
        return org_unit_put(call, &tagged->org, &tagged->unit);
    case TAGGED_ACCOUNT:
        return org_account_put(call, &tagged->org, &tagged->account);
    case TAGGED_RESOURCE_POLICY:
        return org_put(call, &tagged->org);
    case TAGGED_POLICY:
        break;
    }
    return org_policy_put(call, &tagged->org, &tagged->policy);
}

static struct str tagged_type(const struct tagged *tagged)
{
    switch (tagged->kind) {
    case TAGGED_ACCOUNT:
        return STR("organizations:account");
    case TAGGED_POLICY:
        return STR("organizations:policy");
    case TAGGED_RESOURCE_POLICY:
        return STR("organizations:resourcepolicy");
    case TAGGED_UNIT:
        break;
    }
    return str_is_absent(tagged->unit.parent) ? STR("organizations:root") : STR("organizations:ou");
}

RESULT organizations_TagResource(struct call *call,
                                 const struct organizations_TagResourceRequest *in,
                                 struct organizations_TagResourceResult *out)
{
    struct tagged tagged;
    (void)out;
    TRY(org_open_master(call, &tagged.org));
    TRY(tagged_find(call, in->ResourceId, &tagged));
    TRY(org_read_tags(call, tagged_type(&tagged), &in->Tags, tagged.tags, tagged.tags));
    return tagged_put(call, &tagged);
}

RESULT organizations_UntagResource(struct call *call,
                                   const struct organizations_UntagResourceRequest *in,
                                   struct organizations_UntagResourceResult *out)
{
    struct tagged tagged;
    struct str_list keys = {in->TagKeys.items, in->TagKeys.len};
    (void)out;
    TRY(org_open_master(call, &tagged.org));
    TRY(tagged_find(call, in->ResourceId, &tagged));
    *tagged.tags = tags_without(call->arena, tagged.tags, &keys);
    return tagged_put(call, &tagged);
}

RESULT organizations_ListTagsForResource(struct call *call,
                                         const struct organizations_ListTagsForResourceRequest *in,
                                         struct organizations_ListTagsForResourceResponse *out)
{
    struct tagged tagged;
    TRY(org_open_reader(call, &tagged.org));
    TRY(tagged_find(call, in->ResourceId, &tagged));
    if (!str_is_absent(in->NextToken))
        return org_invalid(call, "INVALID_NEXT_TOKEN", "You provided an invalid NextToken.");
    out->Tags.items = ARENA_ARRAY(call->arena, tagged.tags->len + 1, struct organizations_Tag);
    out->Tags.len = tagged.tags->len;
    for (size_t i = 0; i < tagged.tags->len; i++)
        out->Tags.items[i] =
            (struct organizations_Tag){tagged.tags->items[i].key, tagged.tags->items[i].value};
    return RESULT_OK;
}
