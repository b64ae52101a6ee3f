/* BatchGetItem and BatchWriteItem. */
#include "base/map.h"
#include "base/vec.h"
#include "services/dynamodb/access.h"
#include "services/dynamodb/meter.h"

enum { BATCH_GET_KEYS = 100, BATCH_WRITES = 25 };

/* The items that a request has named: table id and key. */
static bool batch_is_twin(struct call *call, struct map *seen, const struct dynamodb_table *table,
                          const struct dynamodb_AttributeMap *item)
{
    const struct place place = {call, table, NULL};
    struct key key = place_item(&place, item);
    struct str bytes = str_copy(call->arena, key_bytes(&key));
    return map_put(seen, bytes, seen) != NULL;
}

static RESULT batch_refuse_twin(struct call *call)
{
    return DYNAMODB_ERROR(call, "Provided list of item keys contains duplicates");
}

/* --- reading
 * ----------------------------------------------------------------------------------------------------------
 */

struct batch_get {
    struct call *call;
    struct map seen;
    size_t bytes;
    size_t read;
};

/* One table's keys, from the first on left unread that fits no more or for which there is no
 * throughput. */
static RESULT batch_get_table(struct batch_get *batch, const struct dynamodb_KeysAndAttributes *in,
                              const struct dynamodb_table *table,
                              const struct projection *projection, struct capacity *capacity,
                              struct dynamodb_ItemList *items, size_t *done)
{
    struct call *call = batch->call;
    size_t count = in->Keys.len;
    items->items = ARENA_ARRAY(call->arena, count + 1, struct dynamodb_AttributeMap);
    for (*done = 0; *done < count; ++*done) {
        const struct dynamodb_AttributeMap key = ITEM_OF(in->Keys.items[*done]);
        struct stored stored;
        struct capacity used = capacity_new(call->arena, table, true);
        if (!meter_admits(call, table, true))
            return RESULT_OK;
        TRY(store_get(call, table, &key, false, &stored));
        if (batch->read > 0 && batch->bytes + stored.size > DYNAMODB_BATCH_GET_SIZE)
            return RESULT_OK;
        batch->bytes += stored.size;
        batch->read++;
        used.units = capacity_read(stored.size, in->ConsistentRead.value);
        meter_spend(call, &used, NULL, &key);
        capacity_sum(capacity, &used);
        if (!stored.found)
            continue;
        items->items[items->len++] = projection == NULL
                                         ? stored.item
                                         : projection_apply(call->arena, projection, &stored.item);
    }
    return RESULT_OK;
}

static RESULT batch_get_check_count(struct call *call, const struct dynamodb_BatchGetItemInput *in)
{
    size_t total = 0;
    for (size_t i = 0; i < in->RequestItems.len; i++) {
        size_t count = in->RequestItems.items[i].value.Keys.len;
        total += count;
        if (count > BATCH_GET_KEYS)
            return DYNAMODB_ERROR(call,
                                  "1 validation error detected: Value at "
                                  "'RequestItems.%.*s.member.Keys' failed to satisfy constraint: "
                                  "Member must have length less than or equal to %d",
                                  PRSTR(in->RequestItems.items[i].key), BATCH_GET_KEYS);
    }
    if (total == 0)
        return DYNAMODB_ERROR(call, "1 validation error detected: Value at 'RequestItems' failed "
                                    "to satisfy constraint: Member must have length greater than "
                                    "or equal to 1");
    if (total > BATCH_GET_KEYS)
        return DYNAMODB_ERROR(call, "Too many items requested for the BatchGetItem call");
    return RESULT_OK;
}

static RESULT batch_get_check(struct call *call, const struct dynamodb_BatchGetItemInput *in)
{
    struct value_failure failure;
    /* One table's projection and another's AttributesToGet do not go together either. */
    struct expression_parameter all[] = {{"AttributesToGet", false, false, false},
                                         {"ProjectionExpression", false, true, false}};
    const struct dynamodb_ExpressionAttributeValueMap no_values = {0};
    for (size_t i = 0; i < in->RequestItems.len; i++) {
        const struct dynamodb_KeysAndAttributes *one = &in->RequestItems.items[i].value;
        const struct expression_parameter parameters[] = {
            {"AttributesToGet", one->AttributesToGet.items != NULL, false, false},
            {"ProjectionExpression", !str_is_absent(one->ProjectionExpression), true, false},
        };
        for (size_t k = 0; k < 2; k++)
            all[k].present = all[k].present || parameters[k].present;
        CHECK(call, failure,
              expression_check_parameters(call->arena, parameters, 2, one->ExpressionAttributeNames,
                                          no_values, &failure));
        for (size_t k = 0; k < one->Keys.len; k++)
            CHECK(call, failure, item_check(call->arena, ITEM_OF(one->Keys.items[k]), &failure));
    }
    CHECK(
        call, failure,
        expression_check_parameters(call->arena, all, 2, (struct str_map){0}, no_values, &failure));
    return batch_get_check_count(call, in);
}

static bool batch_has_equal_keys(struct arena *arena, struct dynamodb_KeyList keys)
{
    for (size_t i = 1; i < keys.len; i++)
        for (size_t k = 0; k < i; k++) {
            const struct dynamodb_AttributeMap a = ITEM_OF(keys.items[i]),
                                               b = ITEM_OF(keys.items[k]);
            if (item_equal(arena, &a, &b))
                return true;
        }
    return false;
}

struct batch_read {
    struct dynamodb_table table;
    const struct projection *projection;
    struct capacity capacity;
    struct dynamodb_AttributeMap first; /* key */
};

static RESULT batch_get_open(struct batch_get *batch, struct str name,
                             const struct dynamodb_KeysAndAttributes *in, struct str capacity,
                             struct batch_read *out)
{
    struct call *call = batch->call;
    TRY(item_parse_projection(call, in->ProjectionExpression, in->ExpressionAttributeNames,
                              in->AttributesToGet, &out->projection));
    struct access access = {
        .action = STR("dynamodb:BatchGetItem"),
        .items = (const struct dynamodb_AttributeMap *)(const void *)in->Keys.items,
        .item_count = in->Keys.len,
        .projection = out->projection,
        .capacity = capacity,
    };
    enum result opened = access_open(call, &access, name, &out->table);
    /* Twins are told of before the table is looked for. */
    if (opened == RESULT_ERROR && call->error == DYNAMODB_RESOURCE_NOT_FOUND &&
        batch_has_equal_keys(call->arena, in->Keys))
        return batch_refuse_twin(call);
    TRY(opened);
    out->capacity = capacity_new(call->arena, &out->table, true);
    out->first = ITEM_OF(in->Keys.items[0]);
    for (size_t k = 0; k < in->Keys.len; k++) {
        const struct dynamodb_AttributeMap key = ITEM_OF(in->Keys.items[k]);
        TRY(place_check_key(call, &out->table, key));
        if (batch_is_twin(call, &batch->seen, &out->table, &key))
            return batch_refuse_twin(call);
    }
    return RESULT_OK;
}

RESULT dynamodb_BatchGetItem(struct call *call, const struct dynamodb_BatchGetItemInput *in,
                             struct dynamodb_BatchGetItemOutput *out)
{
    struct batch_get batch = {.call = call};
    size_t count = in->RequestItems.len;
    struct batch_read *reads = ARENA_ARRAY(call->arena, count + 1, struct batch_read);
    map_init(&batch.seen, call->arena);
    TRY(batch_get_check(call, in));
    for (size_t i = 0; i < count; i++)
        TRY(batch_get_open(&batch, in->RequestItems.items[i].key, &in->RequestItems.items[i].value,
                           in->ReturnConsumedCapacity, &reads[i]));
    out->Responses.items =
        ARENA_ARRAY(call->arena, count + 1, struct dynamodb_BatchGetResponseMap_entry);
    out->UnprocessedKeys.items =
        ARENA_ARRAY(call->arena, count + 1, struct dynamodb_BatchGetRequestMap_entry);
    const struct batch_read *throttled = NULL;
    for (size_t i = 0, cap = 0; i < count; i++) {
        const struct dynamodb_BatchGetRequestMap_entry *one = &in->RequestItems.items[i];
        struct dynamodb_BatchGetResponseMap_entry *answer =
            &out->Responses.items[out->Responses.len++];
        size_t done;
        answer->key = one->key;
        TRY(batch_get_table(&batch, &one->value, &reads[i].table, reads[i].projection,
                            &reads[i].capacity, &answer->value, &done));
        if (done < one->value.Keys.len) {
            struct dynamodb_BatchGetRequestMap_entry *left =
                &out->UnprocessedKeys.items[out->UnprocessedKeys.len++];
            *left = *one;
            left->value.Keys.items += done;
            left->value.Keys.len -= done;
            throttled = throttled == NULL ? &reads[i] : throttled;
        }
        struct dynamodb_ConsumedCapacity *shown =
            capacity_shown(call->arena, &reads[i].capacity, in->ReturnConsumedCapacity, false);
        if (shown != NULL)
            VEC_PUSH(call->arena, out->ConsumedCapacity.items, out->ConsumedCapacity.len, cap,
                     *shown);
    }
    /* "If none of the items can be processed due to insufficient provisioned throughput ...". */
    if (batch.read == 0 && throttled != NULL)
        return meter_refuse(call, &throttled->table, true, &throttled->first);
    return RESULT_OK;
}

/* --- writing
 * ----------------------------------------------------------------------------------------------------------
 */

static RESULT batch_write_check(struct call *call, const struct dynamodb_BatchWriteItemInput *in)
{
    size_t total = 0;
    struct value_failure failure;
    for (size_t i = 0; i < in->RequestItems.len; i++) {
        const struct dynamodb_WriteRequests *requests = &in->RequestItems.items[i].value;
        total += requests->len;
        for (size_t k = 0; k < requests->len; k++) {
            const struct dynamodb_WriteRequest *one = &requests->items[k];
            if ((one->PutRequest != NULL) == (one->DeleteRequest != NULL))
                return DYNAMODB_ERROR(call, "Supplied AttributeValue has more than one datatypes "
                                            "set, must contain exactly one of the supported "
                                            "datatypes");
            struct dynamodb_AttributeMap item = one->PutRequest != NULL
                                                    ? ITEM_OF(one->PutRequest->Item)
                                                    : ITEM_OF(one->DeleteRequest->Key);
            CHECK(call, failure, item_check(call->arena, item, &failure));
        }
    }
    if (total == 0)
        return DYNAMODB_ERROR(call, "The requestItems parameter is required for BatchWriteItem");
    if (total > BATCH_WRITES)
        return DYNAMODB_ERROR(call, "Too many items requested for the BatchWriteItem call");
    return RESULT_OK;
}

struct batch_table {
    struct dynamodb_table table;
    struct capacity capacity;
    struct item_write *writes;
    size_t len, done;
};

static RESULT batch_write_open(struct call *call, struct map *seen,
                               const struct dynamodb_BatchWriteItemRequestMap_entry *in,
                               struct str capacity, struct batch_table *out)
{
    size_t count = in->value.len;
    struct dynamodb_AttributeMap *items =
        ARENA_ARRAY(call->arena, count + 1, struct dynamodb_AttributeMap);
    for (size_t k = 0; k < count; k++) {
        const struct dynamodb_WriteRequest *one = &in->value.items[k];
        items[k] = one->PutRequest != NULL ? ITEM_OF(one->PutRequest->Item)
                                           : ITEM_OF(one->DeleteRequest->Key);
    }
    struct access access = {
        .action = STR("dynamodb:BatchWriteItem"),
        .items = items,
        .item_count = count,
        .capacity = capacity,
    };
    TRY(access_open(call, &access, in->key, &out->table));
    out->capacity = capacity_new(call->arena, &out->table, false);
    out->writes = ARENA_ARRAY(call->arena, count + 1, struct item_write);
    for (size_t k = 0; k < count; k++) {
        struct item_write *write = &out->writes[out->len++];
        write->kind = in->value.items[k].PutRequest != NULL ? ITEM_PUT : ITEM_DELETE;
        write->key = items[k];
        write->table = out->table;
        const struct place place = {call, &out->table, NULL};
        if (!place_has(&place, &write->key))
            return DYNAMODB_ERROR(call, "The provided key element does not match the schema");
        TRY(item_write_check(call, write));
        if (batch_is_twin(call, seen, &out->table, &write->key))
            return batch_refuse_twin(call);
    }
    return RESULT_OK;
}

/* From the first on left undone for which there is no throughput. */
static RESULT batch_write_do(struct call *call, struct batch_table *batch, struct str metrics,
                             struct dynamodb_ItemCollectionMetricsMultiple *collections)
{
    size_t cap = 0;
    for (; batch->done < batch->len; batch->done++) {
        struct item_write *write = &batch->writes[batch->done];
        bool holds;
        if (!meter_admits(call, &batch->table, false))
            return RESULT_OK;
        TRY(item_write_read(call, write, &holds));
        TRY(item_write_do(call, write));
        meter_spend(call, &write->capacity, NULL, &write->key);
        capacity_sum(&batch->capacity, &write->capacity);
        struct dynamodb_ItemCollectionMetrics *one = item_metrics(call, write, metrics);
        if (one != NULL)
            VEC_PUSH(call->arena, collections->items, collections->len, cap, *one);
    }
    return RESULT_OK;
}

RESULT dynamodb_BatchWriteItem(struct call *call, const struct dynamodb_BatchWriteItemInput *in,
                               struct dynamodb_BatchWriteItemOutput *out)
{
    size_t count = in->RequestItems.len;
    struct batch_table *tables = ARENA_ARRAY(call->arena, count + 1, struct batch_table);
    struct map seen;
    map_init(&seen, call->arena);
    TRY(batch_write_check(call, in));
    for (size_t i = 0; i < count; i++)
        TRY(batch_write_open(call, &seen, &in->RequestItems.items[i], in->ReturnConsumedCapacity,
                             &tables[i]));
    out->UnprocessedItems.items =
        ARENA_ARRAY(call->arena, count + 1, struct dynamodb_BatchWriteItemRequestMap_entry);
    size_t cap = 0, collections_cap = 0, done = 0;
    for (size_t i = 0; i < count; i++) {
        struct dynamodb_ItemCollectionMetricsPerTable_entry entry = {
            .key = in->RequestItems.items[i].key};
        TRY(batch_write_do(call, &tables[i], in->ReturnItemCollectionMetrics, &entry.value));
        done += tables[i].done;
        if (tables[i].done < tables[i].len) {
            struct dynamodb_BatchWriteItemRequestMap_entry *left =
                &out->UnprocessedItems.items[out->UnprocessedItems.len++];
            *left = in->RequestItems.items[i];
            left->value.items += tables[i].done;
            left->value.len -= tables[i].done;
        }
        if (entry.value.len > 0)
            VEC_PUSH(call->arena, out->ItemCollectionMetrics.items, out->ItemCollectionMetrics.len,
                     collections_cap, entry);
        struct dynamodb_ConsumedCapacity *shown =
            capacity_shown(call->arena, &tables[i].capacity, in->ReturnConsumedCapacity, false);
        if (shown != NULL)
            VEC_PUSH(call->arena, out->ConsumedCapacity.items, out->ConsumedCapacity.len, cap,
                     *shown);
    }
    for (size_t i = 0; i < count && done == 0; i++)
        TRY(meter_refuse(call, &tables[i].table, false, &tables[i].writes[0].key));
    return RESULT_OK;
}
