/* TransactWriteItems and TransactGetItems ("Amazon DynamoDB Transactions: How it works"). The
 * store's own transaction gives the isolation; there is one writer at a time, so conflicts between
 * transactions do not happen. */
#include "base/digest.h"
#include "base/map.h"
#include "base/vec.h"
#include "services/dynamodb/dynamodb_int.h"
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
    if (result != RESULT_ERROR || call->error != DYNAMODB_VALIDATION)
        return result;
    reason->Code = STR("ValidationError");
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
static RESULT token_meet(struct call *call, const struct dynamodb_TransactWriteItemsInput *in,
                         bool *known)
{
    uint8_t digest[SHA256_SIZE];
    struct dynamodb_token token;
    struct buf bytes;
    *known = false;
    if (str_is_absent(in->ClientRequestToken))
        return RESULT_OK;
    struct dynamodb_TransactWriteItemsInput asked = {.TransactItems = in->TransactItems};
    buf_init(&bytes, call->arena, SIZE_MAX);
    TRY(record_encode(&bytes, &dynamodb_model, DYNAMODB_SHAPE_TransactWriteItemsInput, &asked));
    digest_sha256(buf_str(&bytes), digest);
    struct str shown = str_make((const char *)digest, sizeof digest);
    struct key key = token_key(call, in->ClientRequestToken);
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
    return job_schedule(call, STR("dynamodb.token"), token.expires_ms, in->ClientRequestToken,
                        NULL);
}

/* --- writing
 * ----------------------------------------------------------------------------------------------------------
 */

/* One action, whichever it is. */
struct action {
    struct item_write write;
    struct str table;
    struct item_expressions expressions;
    struct str on_check_failure;
};

static RESULT action_read(struct call *call, const struct dynamodb_TransactWriteItem *in,
                          struct action *out)
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
                           struct action *out)
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

static RESULT action_refuse_twin(struct call *call, struct map *seen, const struct action *action)
{
    const struct place place = {call, &action->write.table, NULL};
    struct key key = place_item(&place, &action->write.key);
    struct str bytes = str_copy(call->arena, key_bytes(&key));
    if (map_put(seen, bytes, seen) != NULL)
        return DYNAMODB_ERROR(call,
                              "Transaction request cannot include multiple operations on one item");
    return RESULT_OK;
}

/* The first pass: everything is judged; *cancelled when anything was refused. */
static RESULT transact_judge(struct call *call, struct action *actions, size_t count,
                             struct dynamodb_CancellationReasonList *reasons, bool *cancelled)
{
    struct map seen;
    size_t total = 0;
    bool failed = false;
    map_init(&seen, call->arena);
    for (size_t i = 0; i < count; i++) {
        TRY(table_open(call, actions[i].table, &actions[i].write.table));
        bool refused = false;
        TRY(transact_reason(call, item_write_check(call, &actions[i].write), &reasons->items[i],
                            &refused));
        *cancelled = *cancelled || refused;
        if (!refused)
            TRY(action_refuse_twin(call, &seen, &actions[i]));
    }
    for (size_t i = 0; i < count && !*cancelled; i++) {
        struct item_write *write = &actions[i].write;
        bool holds = true, refused = false;
        TRY(transact_reason(call, item_write_read(call, write, &holds), &reasons->items[i],
                            &refused));
        if (!refused && !holds) {
            reasons->items[i].Code = STR("ConditionalCheckFailed");
            reasons->items[i].Message = STR("The conditional request failed");
            if (str_eq(actions[i].on_check_failure,
                       DYNAMODB_RETURN_VALUES_ON_CONDITION_CHECK_FAILURE_ALL_OLD) &&
                write->old.found)
                reasons->items[i].Item = write->old.item;
        }
        failed = failed || refused || !holds; /* all reasons are gathered first */
        total += write->after_size > write->old.size ? write->after_size : write->old.size;
    }
    *cancelled = *cancelled || failed;
    if (!*cancelled && total > DYNAMODB_TRANSACTION_SIZE)
        return DYNAMODB_ERROR(call, "Transaction size limit exceeded: the aggregate size of the "
                                    "items in the transaction cannot exceed 4 MB");
    return RESULT_OK;
}

/* Capacity by table, in the order in which tables come up. */
struct bill {
    struct capacity *items;
    size_t len, cap;
};

static struct capacity *bill_of(struct arena *arena, struct bill *bill,
                                const struct dynamodb_table *table, bool reads)
{
    for (size_t i = 0; i < bill->len; i++)
        if (bill->items[i].table->id == table->id)
            return &bill->items[i];
    VEC_PUSH(arena, bill->items, bill->len, bill->cap, capacity_new(arena, table, reads));
    return &bill->items[bill->len - 1];
}

static struct dynamodb_ConsumedCapacityMultiple
bill_shown(struct arena *arena, const struct bill *bill, struct str wanted)
{
    struct dynamodb_ConsumedCapacityMultiple list = {0};
    size_t cap = 0;
    for (size_t i = 0; i < bill->len; i++) {
        struct dynamodb_ConsumedCapacity *one =
            capacity_shown(arena, &bill->items[i], wanted, true);
        if (one != NULL)
            VEC_PUSH(arena, list.items, list.len, cap, *one);
    }
    return list;
}

static RESULT transact_do(struct call *call, struct action *action, struct bill *bill)
{
    struct item_write *write = &action->write;
    struct capacity *sum = bill_of(call->arena, bill, &write->table, false);
    if (write->kind == ITEM_CHECK)
        write->capacity.units += capacity_write(write->old.size);
    else
        TRY(item_write_do(call, write));
    /* "two underlying writes of every item in the transaction" */
    capacity_sum(sum, &write->capacity);
    capacity_sum(sum, &write->capacity);
    return RESULT_OK;
}

/* A request that was done already answers as it did, and costs the reads of its items. */
static RESULT transact_again(struct call *call, struct action *actions, size_t count,
                             struct bill *bill)
{
    for (size_t i = 0; i < count; i++) {
        struct item_write *write = &actions[i].write;
        TRY(table_open(call, actions[i].table, &write->table));
        TRY(item_write_check(call, write));
        struct stored stored;
        TRY(store_get(call, &write->table, &write->key, false, &stored));
        bill_of(call->arena, bill, &write->table, true)->units +=
            2 * capacity_read(stored.size, true);
    }
    return RESULT_OK;
}

RESULT dynamodb_TransactWriteItems(struct call *call,
                                   const struct dynamodb_TransactWriteItemsInput *in,
                                   struct dynamodb_TransactWriteItemsOutput *out)
{
    size_t count = in->TransactItems.len;
    struct action *actions = ARENA_ARRAY(call->arena, count + 1, struct action);
    struct dynamodb_CancellationReasonList reasons = transact_reasons(call->arena, count);
    struct bill bill = {0};
    bool known, cancelled = false;
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    for (size_t i = 0; i < count; i++)
        TRY(action_parse(call, &in->TransactItems.items[i], &actions[i]));
    TRY(token_meet(call, in, &known));
    if (known) {
        TRY(transact_again(call, actions, count, &bill));
        out->ConsumedCapacity = bill_shown(call->arena, &bill, in->ReturnConsumedCapacity);
        return RESULT_OK;
    }
    TRY(transact_judge(call, actions, count, &reasons, &cancelled));
    if (cancelled)
        return transact_cancel(call, reasons);
    size_t cap = 0;
    for (size_t i = 0; i < count; i++) {
        struct item_write *write = &actions[i].write;
        TRY(transact_do(call, &actions[i], &bill));
        struct dynamodb_ItemCollectionMetrics *metrics =
            item_metrics(call, write, in->ReturnItemCollectionMetrics);
        if (metrics == NULL || write->kind == ITEM_CHECK)
            continue;
        struct dynamodb_ItemCollectionMetricsPerTable *all = &out->ItemCollectionMetrics;
        size_t at = 0;
        while (at < all->len && !str_eq(all->items[at].key, write->table.name))
            at++;
        if (at == all->len) {
            const struct dynamodb_ItemCollectionMetricsPerTable_entry entry = {
                .key = write->table.name};
            VEC_PUSH(call->arena, all->items, all->len, cap, entry);
            all->items[at].value.items =
                ARENA_ARRAY(call->arena, count, struct dynamodb_ItemCollectionMetrics);
        }
        all->items[at].value.items[all->items[at].value.len++] = *metrics;
    }
    out->ConsumedCapacity = bill_shown(call->arena, &bill, in->ReturnConsumedCapacity);
    return RESULT_OK;
}

/* --- reading
 * ----------------------------------------------------------------------------------------------------------
 */

struct transact_read {
    const struct projection *projection;
    struct dynamodb_table table;
};

static RESULT transact_get_one(struct call *call, const struct dynamodb_Get *get,
                               const struct transact_read *read, struct bill *bill,
                               struct dynamodb_ItemResponse *out, size_t *total)
{
    const struct dynamodb_AttributeMap key = ITEM_OF(get->Key);
    struct stored stored;
    TRY(store_get(call, &read->table, &key, false, &stored));
    *total += stored.size;
    /* "two underlying reads of every item in the transaction" */
    bill_of(call->arena, bill, &read->table, true)->units += 2 * capacity_read(stored.size, true);
    if (stored.found)
        out->Item = read->projection == NULL
                        ? stored.item
                        : projection_apply(call->arena, read->projection, &stored.item);
    return RESULT_OK;
}

RESULT dynamodb_TransactGetItems(struct call *call, const struct dynamodb_TransactGetItemsInput *in,
                                 struct dynamodb_TransactGetItemsOutput *out)
{
    size_t count = in->TransactItems.len, total = 0;
    struct dynamodb_CancellationReasonList reasons = transact_reasons(call->arena, count);
    struct transact_read *reads = ARENA_ARRAY(call->arena, count + 1, struct transact_read);
    struct value_failure failure;
    struct bill bill = {0};
    struct map seen;
    bool cancelled = false;
    map_init(&seen, call->arena);
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_Get *get = in->TransactItems.items[i].Get;
        CHECK(call, failure, item_check(call->arena, ITEM_OF(get->Key), &failure));
        TRY(item_parse_projection(call, get->ProjectionExpression, get->ExpressionAttributeNames,
                                  (struct str_list){0}, &reads[i].projection));
    }
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_Get *get = in->TransactItems.items[i].Get;
        struct action action = {.write = {.key = ITEM_OF(get->Key)}};
        bool refused = false;
        TRY(table_open(call, get->TableName, &reads[i].table));
        TRY(transact_reason(call, place_check_key(call, &reads[i].table, action.write.key),
                            &reasons.items[i], &refused));
        cancelled = cancelled || refused;
        action.write.table = reads[i].table;
        if (!refused)
            TRY(action_refuse_twin(call, &seen, &action));
    }
    if (cancelled)
        return transact_cancel(call, reasons);
    out->Responses.items = ARENA_ARRAY(call->arena, count + 1, struct dynamodb_ItemResponse);
    out->Responses.len = count;
    for (size_t i = 0; i < count; i++)
        TRY(transact_get_one(call, in->TransactItems.items[i].Get, &reads[i], &bill,
                             &out->Responses.items[i], &total));
    if (total > DYNAMODB_TRANSACTION_SIZE)
        return DYNAMODB_ERROR(call, "Transaction size limit exceeded: the aggregate size of the "
                                    "items in the transaction cannot exceed 4 MB");
    out->ConsumedCapacity = bill_shown(call->arena, &bill, in->ReturnConsumedCapacity);
    return RESULT_OK;
}
