/* GetItem, PutItem, DeleteItem, UpdateItem. */
#include "services/dynamodb/access.h"
#include "services/dynamodb/meter.h"

/* --- one write, however it was asked for
 * ----------------------------------------------------------------------------- */

RESULT item_parse(struct call *call, const struct item_expressions *in,
                  const struct condition **condition, const struct update **update)
{
    struct expression_scope scope;
    struct value_failure failure;
    CHECK(call, failure,
          expression_scope_init(&scope, call->arena, in->names, in->values, &failure));
    if (!str_is_absent(in->update))
        CHECK(call, failure, update_parse(&scope, in->update, update));
    if (!str_is_absent(in->condition))
        CHECK(call, failure,
              condition_parse(&scope, EXPRESSION_CONDITION, in->condition, condition));
    CHECK(call, failure, expression_scope_finish(&scope));
    return RESULT_OK;
}

RESULT item_write_check(struct call *call, struct item_write *write)
{
    const struct dynamodb_table *table = &write->table;
    struct value_failure failure;
    if (write->kind == ITEM_PUT) {
        TRY(place_check_item(call, table, &write->key, NULL));
        CHECK(call, failure,
              item_check_size(call->arena, &write->key, false, &write->after_size, &failure));
        return RESULT_OK;
    }
    TRY(place_check_key(call, table, write->key));
    if (write->kind == ITEM_UPDATE && write->update != NULL) {
        struct str names[2] = {table->partition, table->sort};
        struct str_list keys = {names, str_is_absent(table->sort) ? 1 : 2};
        CHECK(call, failure, update_check_keys(call->arena, write->update, keys, &failure));
    }
    return RESULT_OK;
}

static RESULT item_update(struct call *call, struct item_write *write)
{
    struct value_failure failure;
    const struct dynamodb_AttributeMap *before = write->old.found ? &write->old.item : &write->key;
    write->after_room = *before;
    if (write->update != NULL)
        CHECK(call, failure,
              update_apply(call->arena, write->update, before, &write->after_room, &failure));
    TRY(place_check_item(call, &write->table, &write->after_room, before));
    CHECK(call, failure,
          item_check_size(call->arena, &write->after_room, true, &write->after_size, &failure));
    if (write->old.found || write->update == NULL || !update_only_removes(write->update))
        write->after = &write->after_room;
    return RESULT_OK;
}

RESULT item_write_read(struct call *call, struct item_write *write, bool *holds)
{
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    write->capacity = capacity_new(call->arena, &write->table, false);
    TRY(store_get(call, &write->table, &write->key, true, &write->old));
    *holds =
        write->condition == NULL || (write->if_found && !write->old.found) ||
        condition_holds(call->arena, write->condition, write->old.found ? &write->old.item : NULL);
    if (!*holds)
        return RESULT_OK;
    if (write->kind == ITEM_UPDATE)
        TRY(item_update(call, write));
    if (write->kind == ITEM_PUT)
        write->after = &write->key;
    return collection_check(call, write);
}

RESULT item_write_do(struct call *call, struct item_write *write)
{
    const struct change change = {
        .table = &write->table,
        .old = &write->old,
        .new = write->after,
        .new_size = write->after_size,
    };
    return store_write(call, &change, &write->capacity);
}

RESULT item_refused(struct call *call, const struct item_write *write, struct str wanted)
{
    struct dynamodb_ConditionalCheckFailedException *detail =
        ARENA_NEW(call->arena, struct dynamodb_ConditionalCheckFailedException);
    if (str_eq(wanted, DYNAMODB_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_ALL_OLD) &&
        write->old.found)
        detail->Item = write->old.item;
    /* "If a ConditionExpression evaluates to false ..., DynamoDB still consumes write capacity". */
    struct capacity capacity = capacity_new(call->arena, &write->table, false);
    capacity.units = capacity_write(write->old.size);
    meter_spend(call, &capacity, NULL, NULL);
    return call_fail_with(call, DYNAMODB_CONDITIONAL_CHECK_FAILED, detail,
                          "The conditional request failed");
}

/* Checked, read, judged and done. */
static RESULT item_write_whole(struct call *call, struct item_write *write,
                               struct str on_check_failure)
{
    bool holds;
    TRY(item_write_check(call, write));
    TRY(item_write_read(call, write, &holds));
    if (!holds)
        return item_refused(call, write, on_check_failure);
    TRY(item_write_do(call, write));
    return meter_take(call, &write->capacity, NULL, &write->key);
}

struct dynamodb_ItemCollectionMetrics *
item_metrics(struct call *call, const struct item_write *write, struct str wanted)
{
    const struct dynamodb_table *table = &write->table;
    if (!collection_is_kept(table) || !str_eq(wanted, DYNAMODB_RETURN_ITEM_COLLECTION_METRICS_SIZE))
        return NULL;
    struct dynamodb_ItemCollectionMetrics *out =
        ARENA_NEW(call->arena, struct dynamodb_ItemCollectionMetrics);
    out->ItemCollectionKey.items =
        ARENA_ARRAY(call->arena, 1, struct dynamodb_ItemCollectionKeyAttributeMap_entry);
    out->ItemCollectionKey.items[0].key = table->partition;
    out->ItemCollectionKey.items[0].value = *item_get(&write->key, table->partition);
    out->ItemCollectionKey.len = 1;
    double whole = (double)(write->capacity.collection_bytes >> 30);
    out->SizeEstimateRangeGB.items = ARENA_ARRAY(call->arena, 2, struct opt_double);
    out->SizeEstimateRangeGB.items[0] = opt_double(whole);
    out->SizeEstimateRangeGB.items[1] = opt_double(whole + 1);
    out->SizeEstimateRangeGB.len = 2;
    return out;
}

/* --- the operations
 * -----------------------------------------------------------------------------------------------
 */

static RESULT item_check_old_only(struct call *call, struct str wanted)
{
    if (str_is_absent(wanted) || str_eq(wanted, DYNAMODB_RETURN_VALUE_NONE) ||
        str_eq(wanted, DYNAMODB_RETURN_VALUE_ALL_OLD))
        return RESULT_OK;
    return DYNAMODB_ERROR(call, "ReturnValues can only be ALL_OLD or NONE");
}

/* What PutItem and DeleteItem have in common. */
struct simple_write {
    struct str table, operator, condition, values, capacity, metrics, on_check_failure;
    struct dynamodb_ExpectedAttributeMap expected;
    struct str_map names;
    struct dynamodb_ExpressionAttributeValueMap expression_values;
    struct dynamodb_PutItemOutput out;
};
#define SIMPLE_WRITE(in)                                                                           \
    {                                                                                              \
        .table = (in)->TableName, .operator=(in)->ConditionalOperator,                             \
        .condition = (in)->ConditionExpression, .values = (in)->ReturnValues,                      \
        .capacity = (in)->ReturnConsumedCapacity, .metrics = (in)->ReturnItemCollectionMetrics,    \
        .on_check_failure = (in)->ReturnValuesOnConditionCheckFailure, .expected = (in)->Expected, \
        .names = (in)->ExpressionAttributeNames,                                                   \
        .expression_values = (in)->ExpressionAttributeValues,                                      \
    }

static RESULT simple_write(struct call *call, struct item_write *write, struct simple_write *in)
{
    struct value_failure failure;
    const struct expression_parameter parameters[] = {
        {"Expected", in->expected.items != NULL, false, false},
        {"ConditionalOperator", !str_is_absent(in->operator), false, false},
        {"ConditionExpression", !str_is_absent(in->condition), true, true},
    };
    CHECK(call, failure,
          expression_check_parameters(call->arena, parameters, 3, in->names, in->expression_values,
                                      &failure));
    TRY(item_check_old_only(call, in->values));
    CHECK(call, failure, item_check(call->arena, write->key, &failure));
    const struct item_expressions expressions = {
        .condition = in->condition, .names = in->names, .values = in->expression_values};
    TRY(item_parse(call, &expressions, &write->condition, &write->update));
    if (write->condition == NULL)
        CHECK(
            call, failure,
            legacy_expected(call->arena, in->expected, in->operator, & write->condition, &failure));
    struct access access = {
        .action = write->kind == ITEM_PUT ? STR("dynamodb:PutItem") : STR("dynamodb:DeleteItem"),
        .items = &write->key,
        .item_count = 1,
        .condition = write->condition,
        .return_values = in->values,
        .capacity = in->capacity,
    };
    TRY(access_open(call, &access, in->table, &write->table));
    TRY(item_write_whole(call, write, in->on_check_failure));
    if (str_eq(in->values, DYNAMODB_RETURN_VALUE_ALL_OLD) && write->old.found)
        in->out.Attributes = write->old.item;
    in->out.ConsumedCapacity = capacity_shown(call->arena, &write->capacity, in->capacity, false);
    in->out.ItemCollectionMetrics = item_metrics(call, write, in->metrics);
    return RESULT_OK;
}

RESULT dynamodb_PutItem(struct call *call, const struct dynamodb_PutItemInput *in,
                        struct dynamodb_PutItemOutput *out)
{
    struct item_write write = {.kind = ITEM_PUT, .key = ITEM_OF(in->Item)};
    struct simple_write simple = SIMPLE_WRITE(in);
    TRY(simple_write(call, &write, &simple));
    *out = simple.out;
    return RESULT_OK;
}

RESULT dynamodb_DeleteItem(struct call *call, const struct dynamodb_DeleteItemInput *in,
                           struct dynamodb_DeleteItemOutput *out)
{
    struct item_write write = {.kind = ITEM_DELETE, .key = ITEM_OF(in->Key)};
    struct simple_write simple = SIMPLE_WRITE(in);
    TRY(simple_write(call, &write, &simple));
    out->Attributes = simple.out.Attributes;
    out->ConsumedCapacity = simple.out.ConsumedCapacity;
    out->ItemCollectionMetrics = simple.out.ItemCollectionMetrics;
    return RESULT_OK;
}

/* What UpdateItem returns of the item. */
static void update_return(struct call *call, const struct item_write *write, struct str wanted,
                          struct dynamodb_AttributeMap *out)
{
    const struct dynamodb_AttributeMap *of = write->after;
    bool old = str_eq(wanted, DYNAMODB_RETURN_VALUE_ALL_OLD) ||
               str_eq(wanted, DYNAMODB_RETURN_VALUE_UPDATED_OLD);
    if (str_is_absent(wanted) || str_eq(wanted, DYNAMODB_RETURN_VALUE_NONE) ||
        (old && !write->old.found) || (!old && write->after == NULL))
        return;
    if (old)
        of = &write->old.item;
    if (str_eq(wanted, DYNAMODB_RETURN_VALUE_ALL_OLD) ||
        str_eq(wanted, DYNAMODB_RETURN_VALUE_ALL_NEW)) {
        *out = *of;
        return;
    }
    if (write->update == NULL)
        return;
    struct dynamodb_AttributeMap updated = update_returned(call->arena, write->update, of);
    if (updated.len > 0)
        *out = updated;
}

RESULT dynamodb_UpdateItem(struct call *call, const struct dynamodb_UpdateItemInput *in,
                           struct dynamodb_UpdateItemOutput *out)
{
    struct item_write write = {.kind = ITEM_UPDATE, .key = ITEM_OF(in->Key)};
    struct value_failure failure;
    const struct expression_parameter parameters[] = {
        {"AttributeUpdates", in->AttributeUpdates.items != NULL, false, false},
        {"Expected", in->Expected.items != NULL, false, false},
        {"ConditionalOperator", !str_is_absent(in->ConditionalOperator), false, false},
        {"UpdateExpression", !str_is_absent(in->UpdateExpression), true, true},
        {"ConditionExpression", !str_is_absent(in->ConditionExpression), true, true}};
    CHECK(call, failure,
          expression_check_parameters(call->arena, parameters, 5, in->ExpressionAttributeNames,
                                      in->ExpressionAttributeValues, &failure));
    CHECK(call, failure, item_check(call->arena, write.key, &failure));
    const struct item_expressions expressions = {.update = in->UpdateExpression,
                                                 .condition = in->ConditionExpression,
                                                 .names = in->ExpressionAttributeNames,
                                                 .values = in->ExpressionAttributeValues};
    TRY(item_parse(call, &expressions, &write.condition, &write.update));
    if (write.update == NULL)
        CHECK(call, failure,
              legacy_updates(call->arena, in->AttributeUpdates, &write.update, &failure));
    if (write.condition == NULL)
        CHECK(call, failure,
              legacy_expected(call->arena, in->Expected, in->ConditionalOperator, &write.condition,
                              &failure));
    struct access access = {
        .action = STR("dynamodb:UpdateItem"),
        .items = &write.key,
        .item_count = 1,
        .condition = write.condition,
        .update = write.update,
        .return_values = in->ReturnValues,
        .capacity = in->ReturnConsumedCapacity,
    };
    TRY(access_open(call, &access, in->TableName, &write.table));
    TRY(item_write_whole(call, &write, in->ReturnValuesOnConditionCheckFailure));
    update_return(call, &write, in->ReturnValues, &out->Attributes);
    out->ConsumedCapacity =
        capacity_shown(call->arena, &write.capacity, in->ReturnConsumedCapacity, false);
    out->ItemCollectionMetrics = item_metrics(call, &write, in->ReturnItemCollectionMetrics);
    return RESULT_OK;
}

RESULT dynamodb_GetItem(struct call *call, const struct dynamodb_GetItemInput *in,
                        struct dynamodb_GetItemOutput *out)
{
    struct dynamodb_table table;
    struct value_failure failure;
    struct stored stored;
    const struct projection *projection = NULL;
    struct dynamodb_AttributeMap key = ITEM_OF(in->Key);
    const struct expression_parameter parameters[] = {
        {"AttributesToGet", in->AttributesToGet.items != NULL, false, false},
        {"ProjectionExpression", !str_is_absent(in->ProjectionExpression), true, false},
    };
    const struct dynamodb_ExpressionAttributeValueMap no_values = {0};
    CHECK(call, failure,
          expression_check_parameters(call->arena, parameters, 2, in->ExpressionAttributeNames,
                                      no_values, &failure));
    CHECK(call, failure, item_check(call->arena, key, &failure));
    TRY(item_parse_projection(call, in->ProjectionExpression, in->ExpressionAttributeNames,
                              in->AttributesToGet, &projection));
    struct access access = {
        .action = STR("dynamodb:GetItem"),
        .items = &key,
        .item_count = 1,
        .projection = projection,
        .capacity = in->ReturnConsumedCapacity,
    };
    TRY(access_open(call, &access, in->TableName, &table));
    TRY(place_check_key(call, &table, key));
    TRY(store_get(call, &table, &key, false, &stored));
    struct capacity capacity = capacity_new(call->arena, &table, true);
    capacity.units = capacity_read(stored.size, in->ConsistentRead.value);
    if (stored.found)
        out->Item = projection == NULL ? stored.item
                                       : projection_apply(call->arena, projection, &stored.item);
    out->ConsumedCapacity =
        capacity_shown(call->arena, &capacity, in->ReturnConsumedCapacity, false);
    return meter_take(call, &capacity, NULL, &key);
}

RESULT item_parse_projection(struct call *call, struct str expression, struct str_map names,
                             struct str_list attributes_to_get, const struct projection **out)
{
    struct expression_scope scope;
    struct value_failure failure;
    const struct dynamodb_ExpressionAttributeValueMap no_values = {0};
    if (str_is_absent(expression)) {
        CHECK(call, failure, legacy_projection(call->arena, attributes_to_get, out, &failure));
        return RESULT_OK;
    }
    CHECK(call, failure, expression_scope_init(&scope, call->arena, names, no_values, &failure));
    CHECK(call, failure, projection_parse(&scope, expression, out));
    CHECK(call, failure, expression_scope_finish(&scope));
    return RESULT_OK;
}
