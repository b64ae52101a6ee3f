/* FilterSpecification of ExportTableToPointInTime: which items are exported, and what of them
 * ("FilterSpecification", API reference). */
#include "services/dynamodb/transfer.h"

/* "When you provide this parameter, FilterExpression can only reference non-key attributes." */
static RESULT filter_check_table(struct call *call, const struct dynamodb_table *table,
                                 const struct export_filter *filter)
{
    const struct key_schema schema = table_schema(table, NULL);
    struct key_condition condition;
    struct value_failure failure;
    struct str names[] = {table->partition, table->sort};
    const struct str_list list = {names, str_is_absent(table->sort) ? 1 : 2};
    if (filter->keys == NULL)
        return RESULT_OK;
    CHECK(call, failure,
          key_condition_resolve(call->arena, filter->keys, &schema, &condition, &failure));
    if (filter->filter != NULL)
        CHECK(call, failure,
              filter_check_keys(call->arena, filter->filter, "Filter Expression", list, &failure));
    return RESULT_OK;
}

RESULT export_filter_parse(struct call *call, const struct dynamodb_table *table,
                           const struct dynamodb_FilterSpecification *in, struct export_filter *out)
{
    struct value_failure failure;
    struct expression_scope scope;
    *out = (struct export_filter){0};
    if (in == NULL)
        return RESULT_OK;
    const struct expression_parameter parameters[] = {
        {"ProjectionExpression", !str_is_absent(in->ProjectionExpression), true, false},
        {"FilterExpression", !str_is_absent(in->FilterExpression), true, true},
        {"KeyConditionExpression", !str_is_absent(in->KeyConditionExpression), true, true},
    };
    CHECK(call, failure,
          expression_check_parameters(call->arena, parameters, 3, in->ExpressionAttributeNames,
                                      in->ExpressionAttributeValues, &failure));
    CHECK(call, failure,
          expression_scope_init(&scope, call->arena, in->ExpressionAttributeNames,
                                in->ExpressionAttributeValues, &failure));
    scope.scans = str_is_absent(in->KeyConditionExpression);
    if (!str_is_absent(in->FilterExpression))
        CHECK(call, failure,
              condition_parse(&scope, EXPRESSION_FILTER, in->FilterExpression, &out->filter));
    if (!str_is_absent(in->ProjectionExpression))
        CHECK(call, failure, projection_parse(&scope, in->ProjectionExpression, &out->projection));
    if (!str_is_absent(in->KeyConditionExpression))
        CHECK(call, failure, key_condition_parse(&scope, in->KeyConditionExpression, &out->keys));
    CHECK(call, failure, expression_scope_finish(&scope));
    return filter_check_table(call, table, out);
}

bool export_filter_takes(struct arena *arena, const struct export_filter *filter,
                         struct dynamodb_AttributeMap *item)
{
    if ((filter->keys != NULL && !condition_holds(arena, filter->keys, item)) ||
        (filter->filter != NULL && !condition_holds(arena, filter->filter, item)))
        return false;
    if (filter->projection != NULL)
        *item = projection_apply(arena, filter->projection, item);
    return true;
}
