/* PutIndexPolicy, DescribeIndexPolicies, DeleteIndexPolicy, DescribeFieldIndexes: which fields of a
 * group are to be indexed ("Create field indexes to improve query performance", User Guide). An
 * index changes how fast a query is, never what it finds: here queries read the events. */
#include "base/vec.h"
#include "services/logs/logs_int.h"
#include "wire/json_text.h"

enum { FIELDS_MAX = 20 };

static struct key policy_key(struct call *call, const struct logs_group *group)
{
    return log_key_of(call->arena, STR("logs-index-policy"), (uint64_t)group->id);
}

/* {"Fields": ["a", "b"]} */
static bool read_fields(struct arena *arena, struct str document, struct str_list *fields)
{
    struct str rest = document, name, list = {0}, raw;
    size_t cap = 0;
    *fields = (struct str_list){0};
    if (!json_is_valid(document) || json_kind_of(document) != JSON_OBJECT)
        return false;
    while (json_next_member(arena, &rest, &name, &raw)) {
        if (!str_eq(name, STR("Fields")))
            return false;
        list = str_trim(raw);
    }
    if (str_is_absent(list) || json_kind_of(list) != JSON_ARRAY)
        return false;
    while (json_next_item(&list, &raw)) {
        struct str field;
        if (!json_string(arena, raw, &field) || str_is_empty(field))
            return false;
        VEC_PUSH(arena, fields->items, fields->len, cap, field);
    }
    return fields->len <= FIELDS_MAX;
}

static RESULT policy_find(struct call *call, struct str identifier, struct logs_group *group,
                          struct logs_index_policy *policy, bool *found)
{
    TRY(group_find_either(call, (struct str){0}, identifier, group));
    struct key key = policy_key(call, group);
    return call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_index_policy, policy, found);
}

static struct logs_IndexPolicy policy_shown(struct call *call, const struct logs_group *group,
                                            const struct logs_index_policy *policy)
{
    return (struct logs_IndexPolicy){
        .logGroupIdentifier = group_arn(call, group->name),
        .lastUpdateTime = opt_long(policy->updated_ms),
        .policyDocument = policy->document,
        .source = LOGS_INDEX_SOURCE_LOG_GROUP,
    };
}

RESULT logs_PutIndexPolicy(struct call *call, const struct logs_PutIndexPolicyRequest *in,
                           struct logs_PutIndexPolicyResponse *out)
{
    struct logs_group group;
    struct str_list fields;
    TRY(group_find_either(call, (struct str){0}, in->logGroupIdentifier, &group));
    if (str_find(in->policyDocument, STR("\"FieldsV2\"")) != SIZE_MAX)
        return call_fail(call, LOGS_NOT_IMPLEMENTED,
                         "FieldsV2 of index policies is not implemented: Fields is.");
    if (!read_fields(call->arena, in->policyDocument, &fields))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Invalid index policy: {\"Fields\": [...]} with at most %d fields is "
                         "expected.",
                         FIELDS_MAX);
    const struct logs_index_policy policy = {in->policyDocument, call->now_ms};
    struct key key = policy_key(call, &group);
    out->indexPolicy = ARENA_NEW(call->arena, struct logs_IndexPolicy);
    *out->indexPolicy = policy_shown(call, &group, &policy);
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_index_policy, &policy);
}

RESULT logs_DeleteIndexPolicy(struct call *call, const struct logs_DeleteIndexPolicyRequest *in,
                              struct logs_DeleteIndexPolicyResponse *out)
{
    struct logs_index_policy policy;
    struct logs_group group;
    bool found;
    (void)out;
    TRY(policy_find(call, in->logGroupIdentifier, &group, &policy, &found));
    if (!found)
        return call_fail(call, LOGS_RESOURCE_NOT_FOUND,
                         "The specified index policy does not exist.");
    struct key key = policy_key(call, &group);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT logs_DescribeIndexPolicies(struct call *call,
                                  const struct logs_DescribeIndexPoliciesRequest *in,
                                  struct logs_DescribeIndexPoliciesResponse *out)
{
    struct str after;
    TRY(logs_page(call, in->nextToken, &after));
    out->indexPolicies.items =
        ARENA_ARRAY(call->arena, in->logGroupIdentifiers.len + 1, struct logs_IndexPolicy);
    for (size_t i = 0; i < in->logGroupIdentifiers.len; i++) {
        struct logs_index_policy policy;
        struct logs_group group;
        bool found;
        TRY(policy_find(call, in->logGroupIdentifiers.items[i], &group, &policy, &found));
        if (found)
            out->indexPolicies.items[out->indexPolicies.len++] =
                policy_shown(call, &group, &policy);
    }
    return RESULT_OK;
}

RESULT logs_DescribeFieldIndexes(struct call *call,
                                 const struct logs_DescribeFieldIndexesRequest *in,
                                 struct logs_DescribeFieldIndexesResponse *out)
{
    size_t cap = 1;
    struct str after;
    if (in->indexCategories.len > 0)
        return call_fail(call, LOGS_NOT_IMPLEMENTED, "indexCategories is not implemented.");
    TRY(logs_page(call, in->nextToken, &after));
    out->fieldIndexes.items = ARENA_NEW(call->arena, struct logs_FieldIndex);
    for (size_t i = 0; i < in->logGroupIdentifiers.len; i++) {
        struct logs_index_policy policy;
        struct logs_group group;
        struct str_list fields = {0};
        bool found;
        TRY(policy_find(call, in->logGroupIdentifiers.items[i], &group, &policy, &found));
        if (found && !read_fields(call->arena, policy.document, &fields))
            return FAULT("the index policy of a log group is broken");
        for (size_t at = 0; at < fields.len; at++) {
            const struct logs_FieldIndex shown = {
                .logGroupIdentifier = group_arn(call, group.name),
                .fieldIndexName = fields.items[at],
                .type = LOGS_INDEX_TYPE_FIELD_INDEX,
            };
            VEC_PUSH(call->arena, out->fieldIndexes.items, out->fieldIndexes.len, cap, shown);
        }
    }
    return RESULT_OK;
}
