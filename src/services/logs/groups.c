/* Log groups: made, described, deleted; retention, protection, tags of both generations. */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/organization.h"
#include "cloud/paging.h"
#include "cloud/tags.h"
#include "services/logs/filters.h"
#include "services/logs/logs_int.h"
#include "store/record.h"

enum { GROUPS_PAGE = 50, GROUP_TAGS_MAX = 50 };

/* --- records --- */

static struct key group_key(struct call *call, struct str name)
{
    struct key key = call_key(call, STR("group"));
    if (!str_is_absent(name))
        key_str(&key, name);
    return key;
}

RESULT group_find(struct call *call, struct str name, struct logs_group *group)
{
    struct key key = group_key(call, name);
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_group, group, &found));
    return found ? RESULT_OK
                 : call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                             "The specified log group does not exist.");
}

RESULT group_put(struct call *call, const struct logs_group *group)
{
    struct key key = group_key(call, group->name);
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_group, group);
}

struct str group_arn(struct call *call, struct str name)
{
    return arn_make(call->arena, STR("logs"), call->region, call->account,
                    str_concat(call->arena, STR("log-group:"), name));
}

/* The name in an ARN of a group of this account and region; false: it is none. */
static bool group_name_of_arn(struct call *call, struct str arn, struct str *name)
{
    struct arn parts;
    struct str prefix = STR("log-group:");
    if (!arn_parse(arn, &parts) || !str_eq(parts.service, STR("logs")) ||
        !str_eq(parts.account, call->account) || !str_eq(parts.region, call->region) ||
        !str_starts_with(parts.resource, prefix))
        return false;
    *name = str_slice(parts.resource, prefix.len, parts.resource.len);
    if (str_ends_with(*name, STR(":*")))
        *name = str_slice(*name, 0, name->len - 2);
    return !str_is_empty(*name) && str_find_char(*name, ':') == SIZE_MAX;
}

RESULT group_find_either(struct call *call, struct str name, struct str identifier,
                         struct logs_group *group)
{
    if (str_is_absent(name) == str_is_absent(identifier))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Exactly one of logGroupName and logGroupIdentifier must be specified.");
    if (str_is_absent(name)) {
        name = identifier;
        if (str_starts_with(identifier, STR("arn:")) && !group_name_of_arn(call, identifier, &name))
            return call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                             "The specified log group does not exist.");
    }
    return group_find(call, name, group);
}

int64_t group_oldest_ms(const struct logs_group *group, int64_t now_ms)
{
    return group->retention_days == 0 ? 0 : now_ms - group->retention_days * DAY_MS;
}

RESULT logs_page(struct call *call, struct str token, struct str *after)
{
    *after = (struct str){0};
    if (str_is_absent(token) || paging_position(call, token, after))
        return RESULT_OK;
    return call_fail(call, LOGS_INVALID_PARAMETER, "The specified nextToken is invalid.");
}

/* --- tags --- */

static RESULT tags_fail(struct call *call, const struct str_map *tags)
{
    size_t which;
    switch (tags_check(tags, GROUP_TAGS_MAX, &which)) {
    case TAGS_OK:
        return RESULT_OK;
    case TAGS_TOO_MANY:
        return call_fail(call, LOGS_TOO_MANY_TAGS, "A resource can have at most %d tags.",
                         GROUP_TAGS_MAX);
    case TAGS_KEY_RESERVED:
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "aws: prefixed tag key names are not allowed for external use.");
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
    case TAGS_KEY_TWICE:
        return call_fail(call, LOGS_INVALID_PARAMETER, "The tag key '%.*s' is not valid.",
                         PRSTR(tags->items[which].key));
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        break;
    }
    return call_fail(call, LOGS_INVALID_PARAMETER, "The value of the tag '%.*s' is not valid.",
                     PRSTR(tags->items[which].key));
}

/* Of the tags of a request. */
static RESULT tags_fail_policy(struct call *call, const struct str_map *given)
{
    struct str key;
    TRY(organization_tag_refused(call, call->account, STR("logs:log-group"), given, &key));
    return str_is_absent(key)
               ? RESULT_OK
               : call_fail(call, LOGS_INVALID_PARAMETER, ORGANIZATION_TAG_TEXT, PRSTR(key));
}

static RESULT tagged_find(struct call *call, struct str arn, struct logs_group *group)
{
    struct str name;
    if (!group_name_of_arn(call, arn, &name))
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND, "The specified resource does not exist.");
    return group_find(call, name, group);
}

static RESULT tags_add(struct call *call, struct logs_group *group, const struct str_map *tags)
{
    group->tags = tags_merge(call->arena, &group->tags, tags);
    TRY(tags_fail(call, &group->tags));
    TRY(tags_fail_policy(call, tags));
    return group_put(call, group);
}

static RESULT tags_remove(struct call *call, struct logs_group *group, const struct str_list *keys)
{
    group->tags = tags_without(call->arena, &group->tags, keys);
    return group_put(call, group);
}

/* An empty map is a map. */
static struct str_map tags_shown(struct call *call, const struct logs_group *group)
{
    return group->tags.items != NULL
               ? group->tags
               : (struct str_map){.items = ARENA_NEW(call->arena, struct str_map_entry)};
}

RESULT logs_TagResource(struct call *call, const struct logs_TagResourceRequest *in,
                        struct logs_TagResourceResult *out)
{
    struct logs_group group;
    (void)out;
    TRY(tagged_find(call, in->resourceArn, &group));
    return tags_add(call, &group, &in->tags);
}

RESULT logs_UntagResource(struct call *call, const struct logs_UntagResourceRequest *in,
                          struct logs_UntagResourceResult *out)
{
    struct logs_group group;
    (void)out;
    TRY(tagged_find(call, in->resourceArn, &group));
    return tags_remove(call, &group, &in->tagKeys);
}

RESULT logs_ListTagsForResource(struct call *call, const struct logs_ListTagsForResourceRequest *in,
                                struct logs_ListTagsForResourceResponse *out)
{
    struct logs_group group;
    TRY(tagged_find(call, in->resourceArn, &group));
    out->tags = tags_shown(call, &group);
    return RESULT_OK;
}

RESULT logs_TagLogGroup(struct call *call, const struct logs_TagLogGroupRequest *in,
                        struct logs_TagLogGroupResult *out)
{
    struct logs_group group;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    return tags_add(call, &group, &in->tags);
}

RESULT logs_UntagLogGroup(struct call *call, const struct logs_UntagLogGroupRequest *in,
                          struct logs_UntagLogGroupResult *out)
{
    struct logs_group group;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    return tags_remove(call, &group, &in->tags);
}

RESULT logs_ListTagsLogGroup(struct call *call, const struct logs_ListTagsLogGroupRequest *in,
                             struct logs_ListTagsLogGroupResponse *out)
{
    struct logs_group group;
    TRY(group_find(call, in->logGroupName, &group));
    out->tags = tags_shown(call, &group);
    return RESULT_OK;
}

/* --- making, deleting --- */

RESULT group_make(struct call *call, const struct logs_group *group)
{
    struct logs_group made = *group;
    uint64_t id;
    TRY(call_sequence(call, &id));
    made.id = (int64_t)id;
    made.created_ms = call->now_ms;
    return group_put(call, &made);
}

RESULT logs_CreateLogGroup(struct call *call, const struct logs_CreateLogGroupRequest *in,
                           struct logs_CreateLogGroupResult *out)
{
    struct key key = group_key(call, in->logGroupName);
    struct str value;
    (void)out;
    if (!str_is_absent(in->kmsKeyId))
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "kmsKeyId of log groups is not implemented: there are no KMS keys yet.");
    if (str_eq(in->logGroupClass, LOGS_LOG_GROUP_CLASS_DELIVERY))
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "Log groups of the class DELIVERY are not implemented.");
    if (str_eq(in->logGroupClass, LOGS_LOG_GROUP_CLASS_ESSENTIALS))
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "Log groups of the class ESSENTIALS are not implemented.");
    TRY(kv_get(call->txn, key_bytes(&key), &value));
    if (!str_is_absent(value))
        return call_fail(call, LOGS_RESOURCE_ALREADY_EXISTS,
                         "The specified log group already exists");
    struct logs_group group = {
        .name = in->logGroupName,
        .class =
            str_is_absent(in->logGroupClass) ? LOGS_LOG_GROUP_CLASS_STANDARD : in->logGroupClass,
        .tags = in->tags,
        .protected = in->deletionProtectionEnabled.set && in->deletionProtectionEnabled.value,
    };
    TRY(tags_fail(call, &group.tags));
    TRY(tags_fail_policy(call, &group.tags));
    return group_make(call, &group);
}

RESULT logs_DeleteLogGroup(struct call *call, const struct logs_DeleteLogGroupRequest *in,
                           struct logs_DeleteLogGroupResult *out)
{
    struct logs_group group;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    if (group.protected)
        return call_fail(call, LOGS_VALIDATION,
                         "The log group has deletion protection enabled and cannot be deleted.");
    TRY(metric_filters_drop(call, &group));
    struct key key = group_key(call, group.name);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return sweep_drop_soon(call, (uint64_t)group.id, 0);
}

RESULT
logs_PutLogGroupDeletionProtection(struct call *call,
                                   const struct logs_PutLogGroupDeletionProtectionRequest *in,
                                   struct logs_PutLogGroupDeletionProtectionResult *out)
{
    struct logs_group group;
    (void)out;
    TRY(group_find_either(call, (struct str){0}, in->logGroupIdentifier, &group));
    group.protected = in->deletionProtectionEnabled.value;
    return group_put(call, &group);
}

/* "PutRetentionPolicy", API Reference: retentionInDays. */
RESULT logs_PutRetentionPolicy(struct call *call, const struct logs_PutRetentionPolicyRequest *in,
                               struct logs_PutRetentionPolicyResult *out)
{
    static const int32_t days[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                   365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
    struct logs_group group;
    bool known = false;
    (void)out;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++)
        known |= days[i] == in->retentionInDays.value;
    if (!known)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "The specified retention value is not valid: %d. Valid values are: [1, 3, "
                         "5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, "
                         "2192, 2557, 2922, 3288, 3653]",
                         in->retentionInDays.value);
    TRY(group_find(call, in->logGroupName, &group));
    group.retention_days = in->retentionInDays.value;
    TRY(sweep_expire_soon(call, &group));
    return group_put(call, &group);
}

RESULT logs_DeleteRetentionPolicy(struct call *call,
                                  const struct logs_DeleteRetentionPolicyRequest *in,
                                  struct logs_DeleteRetentionPolicyResult *out)
{
    struct logs_group group;
    (void)out;
    TRY(group_find(call, in->logGroupName, &group));
    group.retention_days = 0;
    return group_put(call, &group);
}

/* --- showing --- */

static RESULT group_shown(struct call *call, const struct logs_group *group,
                          struct logs_LogGroup *out)
{
    struct key key = log_key_of(call->arena, STR("logs-bytes"), (uint64_t)group->id);
    int64_t bytes;
    TRY(log_count_get(call->txn, &key, &bytes));
    struct str arn = group_arn(call, group->name);
    *out = (struct logs_LogGroup){
        .logGroupName = group->name,
        .creationTime = opt_long(group->created_ms),
        .metricFilterCount = opt_int((int32_t)group->metric_filters),
        .arn = str_concat(call->arena, arn, STR(":*")),
        .storedBytes = opt_long(bytes),
        .logGroupClass = group->class,
        .logGroupArn = arn,
        .deletionProtectionEnabled = opt_bool(group->protected),
    };
    TRY(protection_show(call, group, out));
    if (group->retention_days != 0)
        out->retentionInDays = opt_int((int32_t)group->retention_days);
    return RESULT_OK;
}

struct group_walk {
    struct call *call;
    struct kv_cursor *cursor;
};

static RESULT groups_open(struct call *call, struct str from, struct str after,
                          struct group_walk *walk)
{
    struct key prefix = group_key(call, (struct str){0}), first = prefix;
    *walk = (struct group_walk){.call = call};
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &walk->cursor));
    if (str_is_absent(after) && str_is_absent(from))
        return RESULT_OK;
    key_str(&first, str_is_absent(after) ? from : after);
    struct str at = key_bytes(&first);
    if (str_is_absent(after)) /* a string's end is no part of a prefix */
        at = str_slice(at, 0, at.len - 1);
    else
        at = str_concat(call->arena, at, str_make("", 1));
    return kv_cursor_seek(walk->cursor, at);
}

static RESULT groups_next(struct group_walk *walk, struct logs_group *group, bool *more)
{
    struct str key, value;
    TRY(kv_next(walk->cursor, &key, &value));
    *more = !str_is_absent(key);
    return *more ? record_decode(walk->call->arena, &logs_model, LOGS_SHAPE_group, value, group)
                 : RESULT_OK;
}

static bool any_is(const struct str_list *list, struct str account)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i], account))
            return true;
    return list->items == NULL;
}

static RESULT describe_named(struct call *call, const struct logs_DescribeLogGroupsRequest *in,
                             struct logs_DescribeLogGroupsResponse *out)
{
    out->logGroups.items =
        ARENA_ARRAY(call->arena, in->logGroupIdentifiers.len + 1, struct logs_LogGroup);
    for (size_t i = 0; i < in->logGroupIdentifiers.len; i++) {
        struct logs_group group;
        TRY(group_find_either(call, (struct str){0}, in->logGroupIdentifiers.items[i], &group));
        TRY(group_shown(call, &group, &out->logGroups.items[out->logGroups.len++]));
    }
    return RESULT_OK;
}

RESULT logs_DescribeLogGroups(struct call *call, const struct logs_DescribeLogGroupsRequest *in,
                              struct logs_DescribeLogGroupsResponse *out)
{
    size_t limit = in->limit.set ? (size_t)in->limit.value : GROUPS_PAGE, cap = 1;
    struct group_walk walk;
    struct str after, last = {0};
    bool more;
    if (!str_is_absent(in->logGroupNamePrefix) && !str_is_absent(in->logGroupNamePattern))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "logGroupNamePrefix and logGroupNamePattern are mutually exclusive "
                         "parameters.");
    if (in->logGroupIdentifiers.len > 0)
        return describe_named(call, in, out);
    TRY(logs_page(call, in->nextToken, &after));
    TRY(groups_open(call, in->logGroupNamePrefix, after, &walk));
    out->logGroups.items = ARENA_NEW(call->arena, struct logs_LogGroup);
    for (bool mine = any_is(&in->accountIdentifiers, call->account); mine;) {
        struct logs_group group;
        TRY(groups_next(&walk, &group, &more));
        if (!more || (!str_is_absent(in->logGroupNamePrefix) &&
                      !str_starts_with(group.name, in->logGroupNamePrefix)))
            break;
        if ((!str_is_absent(in->logGroupNamePattern) &&
             str_find(group.name, in->logGroupNamePattern) == SIZE_MAX) ||
            (!str_is_absent(in->logGroupClass) && !str_eq(group.class, in->logGroupClass)))
            continue;
        if (out->logGroups.len == limit) {
            out->nextToken = paging_token(call, last);
            break;
        }
        struct logs_LogGroup shown;
        TRY(group_shown(call, &group, &shown));
        VEC_PUSH(call->arena, out->logGroups.items, out->logGroups.len, cap, shown);
        last = group.name;
    }
    return RESULT_OK;
}

/* --- ListLogGroups --- */

/* "^" stands for the beginning; "|" between up to five texts. */
static bool name_matches(struct str name, struct str pattern)
{
    struct str part, rest = pattern;
    if (str_is_absent(pattern))
        return true;
    while (!str_is_absent(rest)) {
        str_cut(rest, '|', &part, &rest);
        if (str_starts_with(part, STR("^")) ? str_starts_with(name, str_slice(part, 1, part.len))
                                            : str_find(name, part) != SIZE_MAX)
            return true;
    }
    return false;
}

RESULT logs_ListLogGroups(struct call *call, const struct logs_ListLogGroupsRequest *in,
                          struct logs_ListLogGroupsResponse *out)
{
    size_t limit = in->limit.set ? (size_t)in->limit.value : GROUPS_PAGE, cap = 1;
    struct group_walk walk;
    struct str after, last = {0};
    bool more;
    if (in->dataSources.len > 0 || in->fieldIndexNames.len > 0 || in->logGroupTags.len > 0)
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "dataSources, fieldIndexNames and logGroupTags of ListLogGroups are not "
                         "implemented.");
    TRY(logs_page(call, in->nextToken, &after));
    TRY(groups_open(call, (struct str){0}, after, &walk));
    out->logGroups.items = ARENA_NEW(call->arena, struct logs_LogGroupSummary);
    for (bool mine = any_is(&in->accountIdentifiers, call->account); mine;) {
        struct logs_group group;
        TRY(groups_next(&walk, &group, &more));
        if (!more)
            break;
        if (!name_matches(group.name, in->logGroupNamePattern) ||
            (!str_is_absent(in->logGroupClass) && !str_eq(group.class, in->logGroupClass)))
            continue;
        if (out->logGroups.len == limit) {
            out->nextToken = paging_token(call, last);
            break;
        }
        struct logs_LogGroupSummary shown = {
            .logGroupName = group.name,
            .logGroupArn = group_arn(call, group.name),
            .logGroupClass = group.class,
        };
        VEC_PUSH(call->arena, out->logGroups.items, out->logGroups.len, cap, shown);
        last = group.name;
    }
    return RESULT_OK;
}
