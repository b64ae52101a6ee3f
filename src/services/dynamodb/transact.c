/* TransactWriteItems and TransactGetItems ("Amazon DynamoDB Transactions: How it works"). The
 * store's own transaction gives the isolation; there is one writer at a time, so conflicts between
 * transactions do not happen. */
#include "services/dynamodb/transact.h"
#include "base/digest.h"
#include "base/map.h"
#include "base/vec.h"
#include "services/dynamodb/access.h"
#include "services/dynamodb/meter.h"
#include "store/record.h"

/* --- reasons
 * ----------------------------------------------------------------------------------------------------------
 */

static RESULT transact_cancel(struct call *call, struct dynamodb_CancellationReasonList reasons)
{
    struct dynamodb_TransactionCanceledException *detail =
        ARENA_NEW(call->arena, struct dynamodb_TransactionCanceledException);
    struct buf codes;
    buf_init(&codes, call->arena, 16 * 1024);
    for (size_t i = 0; i < reasons.len; i++) {
        if (i > 0)
            buf_append(&codes, STR(", "));
        buf_append(&codes, reasons.items[i].Code);
    }
    detail->CancellationReasons = reasons;
    struct str shown = buf_str(&codes);
    enum result result =
        call_fail_with(call, DYNAMODB_TRANSACTION_CANCELED, detail,
                       "Transaction cancelled, please refer cancellation reasons for specific "
                       "reasons [%.*s]",
                       PRSTR(shown));
    detail->Message = call->message;
    return result;
}

static struct dynamodb_CancellationReasonList transact_reasons(struct arena *arena, size_t count)
{
    struct dynamodb_CancellationReasonList reasons = {
        .items = ARENA_ARRAY(arena, count + 1, struct dynamodb_CancellationReason), .len = count};
    for (size_t i = 0; i < count; i++)
        reasons.items[i].Code = STR("None");
    return reasons;
}

/* What the table refuses of one of several writes cancels them all. */
static RESULT transact_reason(struct call *call, enum result result,
                              struct dynamodb_CancellationReason *reason, bool *cancelled)
{
    if (result != RESULT_ERROR)
        return result;
    switch (call->error) {
    case DYNAMODB_VALIDATION:
        reason->Code = STR("ValidationError");
        break;
    case DYNAMODB_PROVISIONED_THROUGHPUT_EXCEEDED:
        reason->Code = STR("ProvisionedThroughputExceeded");
        break;
    case DYNAMODB_THROTTLING:
        reason->Code = STR("ThrottlingError");
        break;
    case DYNAMODB_ITEM_COLLECTION_SIZE_LIMIT_EXCEEDED:
        reason->Code = STR("ItemCollectionSizeLimitExceeded");
        break;
    default:
        return result;
    }
    reason->Message = call->message;
    *cancelled = true;
    return RESULT_OK;
}

/* --- tokens
 * -----------------------------------------------------------------------------------------------------------
 */

static struct key token_key(struct call *call, struct str token)
{
    struct key key = call_key(call, STR("token"));
    key_str(&key, token);
    return key;
}

RESULT token_deliver(struct call *call, const struct outbox_item *item)
{
    struct key key = token_key(call, item->payload);
    struct dynamodb_token token;
    bool found;
    TRY(call_get_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_token, &token, &found));
    if (!found || token.expires_ms > call->now_ms)
        return RESULT_OK;
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* *known: this very request has been done within ten minutes. */
static RESULT token_meet(struct call *call, const struct transact_options *options, bool *known)
{
    uint8_t digest[SHA256_SIZE];
    struct dynamodb_token token;
    struct buf bytes;
    *known = false;
    if (str_is_absent(options->token))
        return RESULT_OK;
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &dynamodb_model, options->shape, options->request));
    digest_sha256(buf_str(&bytes), digest);
    struct str shown = str_make((const char *)digest, sizeof digest);
    struct key key = token_key(call, options->token);
    bool found;
    TRY(call_get_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_token, &token, &found));
    if (found && token.expires_ms > call->now_ms) {
        if (!str_eq(token.digest, shown))
            return call_fail(call, DYNAMODB_IDEMPOTENT_PARAMETER_MISMATCH,
                             "The provided ClientRequestToken has been used with a different "
                             "request");
        *known = true;
        return RESULT_OK;
    }
    token =
        (struct dynamodb_token){.digest = shown, .expires_ms = call->now_ms + DYNAMODB_TOKEN_MS};
    TRY(call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_token, &token));
    return job_schedule(call, STR("dynamodb.token"), token.expires_ms, options->token, NULL);
}

/* --- writing
 * ----------------------------------------------------------------------------------------------------------
 */

static RESULT action_read(struct call *call, const struct dynamodb_TransactWriteItem *in,
                          struct transact_action *out)
{
    if ((in->ConditionCheck != NULL) + (in->Put != NULL) + (in->Delete != NULL) +
            (in->Update != NULL) !=
        1)
        return DYNAMODB_ERROR(call, "TransactItems can only contain one of Check, Put, Update or "
                                    "Delete");
#define ACTION_OF(action, key_map, kind_of, update_text)                                           \
    do {                                                                                           \
        out->write.kind = (kind_of);                                                               \
        out->write.key = ITEM_OF(key_map);                                                         \
        out->table = (action)->TableName;                                                          \
        out->expressions = (struct item_expressions){                                              \
            .condition = (action)->ConditionExpression,                                            \
            .update = (update_text),                                                               \
            .names = (action)->ExpressionAttributeNames,                                           \
            .values = (action)->ExpressionAttributeValues,                                         \
        };                                                                                         \
        out->on_check_failure = (action)->ReturnValuesOnConditionCheckFailure;                     \
    } while (0)
    if (in->Put != NULL)
        ACTION_OF(in->Put, in->Put->Item, ITEM_PUT, ((struct str){0}));
    else if (in->Delete != NULL)
        ACTION_OF(in->Delete, in->Delete->Key, ITEM_DELETE, ((struct str){0}));
    else if (in->Update != NULL)
        ACTION_OF(in->Update, in->Update->Key, ITEM_UPDATE, in->Update->UpdateExpression);
    else
        ACTION_OF(in->ConditionCheck, in->ConditionCheck->Key, ITEM_CHECK, ((struct str){0}));
#undef ACTION_OF
    return RESULT_OK;
}

/* Everything that can be said without looking at tables. */
static RESULT action_parse(struct call *call, const struct dynamodb_TransactWriteItem *in,
                           struct transact_action *out)
{
    struct value_failure failure;
    TRY(action_read(call, in, out));
    const struct expression_parameter parameters[] = {
        {"UpdateExpression", !str_is_absent(out->expressions.update), true, true},
        {"ConditionExpression", !str_is_absent(out->expressions.condition), true, true},
    };
    CHECK(call, failure,
          expression_check_parameters(call->arena, parameters, 2, out->expressions.names,
                                      out->expressions.values, &failure));
    CHECK(call, failure, item_check(call->arena, out->write.key, &failure));
    return item_parse(call, &out->expressions, &out->write.condition, &out->write.update);
}

static RESULT action_refuse_twin(struct call *call, struct map *seen,
                                 const struct dynamodb_table *table,
                                 const struct dynamodb_AttributeMap *item)
{
    const struct place place = {call, table, NULL};
    struct key key = place_item(&place, item);
    struct str bytes = str_copy(call->arena, key_bytes(&key));
    if (map_put(seen, bytes, seen) != NULL)
        return DYNAMODB_ERROR(call,
                              "Transaction request cannot include multiple operations on one item");
    return RESULT_OK;
}

static RESULT action_open(struct call *call, struct transact_action *action, struct str capacity)
{
    static const struct str actions[] = {
        [ITEM_PUT] = STR_INIT("dynamodb:PutItem"),
        [ITEM_DELETE] = STR_INIT("dynamodb:DeleteItem"),
        [ITEM_UPDATE] = STR_INIT("dynamodb:UpdateItem"),
        [ITEM_CHECK] = STR_INIT("dynamodb:ConditionCheckItem"),
    };
    struct item_write *write = &action->write;
    if (action->statement != NULL)
        return partiql_open(call, action->statement, STR("ExecuteTransaction"), capacity,
                            &write->table);
    struct access access = {
        .action = actions[write->kind],
        .items = &write->key,
        .item_count = 1,
        .condition = write->condition,
        .update = write->update,
        .capacity = capacity,
        .enclosing = STR("TransactWriteItems"),
    };
    return access_open(call, &access, action->table, &write->table);
}

static RESULT action_check(struct call *call, struct transact_action *action)
{
    return action->statement == NULL
               ? item_write_check(call, &action->write)
               : partiql_prepare_write(call, action->statement, &action->write);
}

static void action_failed(const struct transact_action *action,
                          struct dynamodb_CancellationReason *reason)
{
    const struct item_write *write = &action->write;
    if (action->statement != NULL && action->statement->kind == PARTIQL_INSERT) {
        reason->Code = STR("DuplicateItem");
        reason->Message = STR("Duplicate primary key exists in table");
        return;
    }
    reason->Code = STR("ConditionalCheckFailed");
    reason->Message = STR("The conditional request failed");
    if (write->old.found &&
        str_eq(action->on_check_failure, DYNAMODB_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_ALL_OLD))
        reason->Item = write->old.item;
}

/* The first pass: everything is judged; *cancelled when anything was refused. */
static RESULT transact_judge(struct call *call, struct transact_action *actions, size_t count,
                             const struct transact_options *options,
                             struct dynamodb_CancellationReasonList *reasons, bool *cancelled)
{
    struct map seen;
    size_t total = 0;
    bool failed = false;
    map_init(&seen, call->arena);
    for (size_t i = 0; i < count; i++) {
        TRY(action_open(call, &actions[i], options->capacity));
        bool refused = false;
        if (actions[i].statement == NULL)
            TRY(place_check_empty(call, &actions[i].write.table, &actions[i].write.key));
        TRY(transact_reason(call, action_check(call, &actions[i]), &reasons->items[i], &refused));
        *cancelled = *cancelled || refused;
        if (!refused)
            TRY(action_refuse_twin(call, &seen, &actions[i].write.table, &actions[i].write.key));
    }
    for (size_t i = 0; i < count && !*cancelled; i++) {
        struct item_write *write = &actions[i].write;
        bool holds = true, refused = false;
        TRY(transact_reason(call, item_write_read(call, write, &holds), &reasons->items[i],
                            &refused));
        if (!refused && !holds)
            action_failed(&actions[i], &reasons->items[i]);
        failed = failed || refused || !holds; /* all reasons are gathered first */
        total += write->after_size > write->old.size ? write->after_size : write->old.size;
    }
    *cancelled = *cancelled || failed;
    if (!*cancelled && total > DYNAMODB_TRANSACTION_SIZE)
        return DYNAMODB_ERROR(call, "Transaction size limit exceeded: the aggregate size of the "
                                    "items in the transaction cannot exceed 4 MB");
    return RESULT_OK;
}

static RESULT transact_do(struct call *call, struct transact_action *action, struct bill *bill)
{
    struct item_write *write = &action->write;
    struct capacity *sum = bill_of(call->arena, bill, &write->table, false);
    if (write->kind == ITEM_CHECK)
        write->capacity.units += capacity_write(write->old.size);
    else
        TRY(item_write_do(call, write));
    /* "two underlying writes of every item in the transaction" */
    struct capacity twice = capacity_new(call->arena, &write->table, false);
    capacity_sum(&twice, &write->capacity);
    capacity_sum(&twice, &write->capacity);
    capacity_sum(sum, &twice);
    return meter_take(call, &twice, NULL, &write->key);
}

/* A request that was done already answers as it did, and costs the reads of its items. */
static RESULT transact_again(struct call *call, struct transact_action *actions, size_t count,
                             const struct transact_options *options, struct bill *bill)
{
    for (size_t i = 0; i < count; i++) {
        struct item_write *write = &actions[i].write;
        TRY(action_open(call, &actions[i], options->capacity));
        TRY(action_check(call, &actions[i]));
        struct stored stored;
        TRY(store_get(call, &write->table, &write->key, false, &stored));
        bill_of(call->arena, bill, &write->table, true)->units +=
            2 * capacity_read(stored.size, true);
    }
    return RESULT_OK;
}

static void transact_note(struct call *call, struct item_write *write, struct str wanted,
                          size_t count, struct dynamodb_ItemCollectionMetricsPerTable *all,
                          size_t *cap)
{
    const struct dynamodb_ItemCollectionMetrics *metrics = item_metrics(call, write, wanted);
    if (metrics == NULL || write->kind == ITEM_CHECK)
        return;
    size_t at = 0;
    while (at < all->len && !str_eq(all->items[at].key, write->table.name))
        at++;
    if (at == all->len) {
        const struct dynamodb_ItemCollectionMetricsPerTable_entry entry = {.key =
                                                                               write->table.name};
        VEC_PUSH(call->arena, all->items, all->len, *cap, entry);
        all->items[at].value.items =
            ARENA_ARRAY(call->arena, count, struct dynamodb_ItemCollectionMetrics);
    }
    all->items[at].value.items[all->items[at].value.len++] = *metrics;
}

RESULT transact_write(struct call *call, struct transact_action *actions, size_t count,
                      const struct transact_options *options,
                      struct dynamodb_TransactWriteItemsOutput *out)
{
    struct dynamodb_CancellationReasonList reasons = transact_reasons(call->arena, count);
    struct bill bill = {0};
    bool known, cancelled = false;
    size_t cap = 0;
    TRY(token_meet(call, options, &known));
    if (known)
        TRY(transact_again(call, actions, count, options, &bill));
    else
        TRY(transact_judge(call, actions, count, options, &reasons, &cancelled));
    if (cancelled)
        return transact_cancel(call, reasons);
    for (size_t i = 0; i < count && !known; i++) {
        TRY(transact_reason(call, transact_do(call, &actions[i], &bill), &reasons.items[i],
                            &cancelled));
        if (cancelled) /* what is written by now is rolled back */
            return transact_cancel(call, reasons);
        transact_note(call, &actions[i].write, options->metrics, count, &out->ItemCollectionMetrics,
                      &cap);
    }
    out->ConsumedCapacity = bill_shown(call->arena, &bill, options->capacity, true);
    return RESULT_OK;
}

RESULT dynamodb_TransactWriteItems(struct call *call,
                                   const struct dynamodb_TransactWriteItemsInput *in,
                                   struct dynamodb_TransactWriteItemsOutput *out)
{
    size_t count = in->TransactItems.len;
    struct transact_action *actions = ARENA_ARRAY(call->arena, count + 1, struct transact_action);
    const struct dynamodb_TransactWriteItemsInput asked = {.TransactItems = in->TransactItems};
    const struct transact_options options = {
        .token = in->ClientRequestToken,
        .shape = DYNAMODB_SHAPE_TransactWriteItemsInput,
        .request = &asked,
        .capacity = in->ReturnConsumedCapacity,
        .metrics = in->ReturnItemCollectionMetrics,
    };
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    for (size_t i = 0; i < count; i++)
        TRY(action_parse(call, &in->TransactItems.items[i], &actions[i]));
    return transact_write(call, actions, count, &options, out);
}

/* --- reading
 * ----------------------------------------------------------------------------------------------------------
 */

static RESULT transact_read_open(struct call *call, struct transact_read *read, struct str capacity)
{
    if (read->get.statement != NULL)
        return partiql_open(call, read->get.statement, STR("ExecuteTransaction"), capacity,
                            &read->get.table);
    struct access access = {
        .action = STR("dynamodb:GetItem"),
        .items = &read->get.key,
        .item_count = 1,
        .projection = read->projection,
        .capacity = capacity,
        .enclosing = STR("TransactGetItems"),
    };
    return access_open(call, &access, read->table, &read->get.table);
}

static RESULT transact_read_check(struct call *call, struct transact_read *read)
{
    if (read->get.statement != NULL)
        return partiql_prepare_get(call, read->get.statement, &read->get,
                                   "Where clause does not contain a mandatory equality on all key "
                                   "attributes");
    return place_check_key(call, &read->get.table, read->get.key);
}

static RESULT transact_read_one(struct call *call, const struct transact_read *read,
                                struct bill *bill, struct dynamodb_ItemResponse *out, size_t *total)
{
    const struct partiql_get *get = &read->get;
    struct stored stored;
    TRY(store_get(call, &get->table, &get->key, false, &stored));
    *total += stored.size;
    /* "two underlying reads of every item in the transaction" */
    struct capacity used = capacity_new(call->arena, &get->table, true);
    used.units = 2 * capacity_read(stored.size, true);
    capacity_sum(bill_of(call->arena, bill, &get->table, true), &used);
    TRY(meter_take(call, &used, NULL, &get->key));
    if (!stored.found ||
        (get->rest != NULL && !condition_holds(call->arena, get->rest, &stored.item)))
        return RESULT_OK;
    if (get->statement != NULL && get->statement->columns != NULL)
        out->Item = partiql_columns(call->arena, get->statement, &stored.item);
    else
        out->Item = read->projection == NULL
                        ? stored.item
                        : projection_apply(call->arena, read->projection, &stored.item);
    /* "if the requested item has no projected attributes, the corresponding ItemResponse object is
     * an empty Map" */
    if (out->Item.len == 0)
        out->Item = (struct dynamodb_AttributeMap){0};
    return RESULT_OK;
}

RESULT transact_read(struct call *call, struct transact_read *reads, size_t count,
                     struct str capacity, struct dynamodb_TransactGetItemsOutput *out)
{
    struct dynamodb_CancellationReasonList reasons = transact_reasons(call->arena, count);
    struct bill bill = {0};
    struct map seen;
    size_t total = 0;
    bool cancelled = false;
    map_init(&seen, call->arena);
    for (size_t i = 0; i < count; i++) {
        bool refused = false;
        TRY(transact_read_open(call, &reads[i], capacity));
        if (reads[i].get.statement == NULL)
            TRY(place_check_empty(call, &reads[i].get.table, &reads[i].get.key));
        TRY(transact_reason(call, transact_read_check(call, &reads[i]), &reasons.items[i],
                            &refused));
        cancelled = cancelled || refused;
        if (!refused)
            TRY(action_refuse_twin(call, &seen, &reads[i].get.table, &reads[i].get.key));
    }
    if (cancelled)
        return transact_cancel(call, reasons);
    out->Responses.items = ARENA_ARRAY(call->arena, count + 1, struct dynamodb_ItemResponse);
    out->Responses.len = count;
    for (size_t i = 0; i < count; i++)
        TRY(transact_reason(
            call, transact_read_one(call, &reads[i], &bill, &out->Responses.items[i], &total),
            &reasons.items[i], &cancelled));
    if (cancelled)
        return transact_cancel(call, reasons);
    if (total > DYNAMODB_TRANSACTION_SIZE)
        return DYNAMODB_ERROR(call, "Transaction size limit exceeded: the aggregate size of the "
                                    "items in the transaction cannot exceed 4 MB");
    out->ConsumedCapacity = bill_shown(call->arena, &bill, capacity, true);
    return RESULT_OK;
}

RESULT dynamodb_TransactGetItems(struct call *call, const struct dynamodb_TransactGetItemsInput *in,
                                 struct dynamodb_TransactGetItemsOutput *out)
{
    size_t count = in->TransactItems.len;
    struct transact_read *reads = ARENA_ARRAY(call->arena, count + 1, struct transact_read);
    struct value_failure failure;
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_Get *get = in->TransactItems.items[i].Get;
        const struct expression_parameter parameters[] = {
            {"ProjectionExpression", !str_is_absent(get->ProjectionExpression), true, false},
        };
        const struct dynamodb_ExpressionAttributeValueMap no_values = {0};
        CHECK(call, failure,
              expression_check_parameters(call->arena, parameters, 1, get->ExpressionAttributeNames,
                                          no_values, &failure));
        reads[i].table = get->TableName;
        reads[i].get.key = ITEM_OF(get->Key);
        CHECK(call, failure, item_check(call->arena, reads[i].get.key, &failure));
        TRY(item_parse_projection(call, get->ProjectionExpression, get->ExpressionAttributeNames,
                                  (struct str_list){0}, &reads[i].projection));
    }
    return transact_read(call, reads, count, in->ReturnConsumedCapacity, out);
}
