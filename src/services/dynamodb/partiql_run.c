/* ExecuteStatement, BatchExecuteStatement, ExecuteTransaction ("PartiQL - a SQL-compatible query
 * language for Amazon DynamoDB"). */
#include "services/dynamodb/meter.h"
#include "services/dynamodb/transact.h"

static RESULT run_parse(struct call *call, struct str text,
                        struct dynamodb_PreparedStatementParameters parameters,
                        struct partiql_statement *out)
{
    struct value_failure failure;
    CHECK(call, failure, partiql_parse(call->arena, text, parameters, out, &failure));
    return RESULT_OK;
}

/* --- ExecuteStatement
 * -------------------------------------------------------------------------------------------------
 */

RESULT dynamodb_ExecuteStatement(struct call *call, const struct dynamodb_ExecuteStatementInput *in,
                                 struct dynamodb_ExecuteStatementOutput *out)
{
    struct partiql_statement *statement = ARENA_NEW(call->arena, struct partiql_statement);
    TRY(run_parse(call, in->Statement, in->Parameters, statement));
    if (statement->kind == PARTIQL_EXISTS)
        return DYNAMODB_ERROR(call, "EXISTS is only supported within transactions");
    if (statement->kind == PARTIQL_SELECT)
        return partiql_select(call, in, statement, out);
    if (!str_is_absent(in->NextToken))
        return DYNAMODB_ERROR(call, "NextToken does not match request");
    if (in->Limit.set)
        return DYNAMODB_ERROR(call, "Limit is only supported for SELECT statements");
    struct item_write *write = ARENA_NEW(call->arena, struct item_write);
    TRY(partiql_write(call, statement, in->ReturnValuesOnConditionCheckFailure,
                      in->ReturnConsumedCapacity, write));
    struct dynamodb_AttributeMap returned = partiql_returned(call->arena, statement, write);
    out->Items.items = ARENA_ARRAY(call->arena, 1, struct dynamodb_AttributeMap);
    if (returned.items != NULL)
        out->Items.items[out->Items.len++] = returned;
    out->ConsumedCapacity =
        capacity_shown(call->arena, &write->capacity, in->ReturnConsumedCapacity, false);
    return RESULT_OK;
}

/* --- BatchExecuteStatement
 * -------------------------------------------------------------------------------------------- */

static struct str batch_code(uint32_t error)
{
    switch (error) {
    case DYNAMODB_CONDITIONAL_CHECK_FAILED:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_CONDITIONAL_CHECK_FAILED;
    case DYNAMODB_ITEM_COLLECTION_SIZE_LIMIT_EXCEEDED:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_ITEM_COLLECTION_SIZE_LIMIT_EXCEEDED;
    case DYNAMODB_PROVISIONED_THROUGHPUT_EXCEEDED:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_PROVISIONED_THROUGHPUT_EXCEEDED;
    case DYNAMODB_THROTTLING:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_THROTTLING_ERROR;
    case DYNAMODB_RESOURCE_NOT_FOUND:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_RESOURCE_NOT_FOUND;
    case DYNAMODB_ACCESS_DENIED:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_ACCESS_DENIED;
    case DYNAMODB_DUPLICATE_ITEM:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_DUPLICATE_ITEM;
    default:
        return DYNAMODB_BATCH_STATEMENT_ERROR_CODE_ENUM_VALIDATION_ERROR;
    }
}

static RESULT batch_read(struct call *call, const struct dynamodb_BatchStatementRequest *in,
                         const struct partiql_statement *statement, struct str capacity,
                         struct bill *bill, struct dynamodb_BatchStatementResponse *out)
{
    struct partiql_get *get = ARENA_NEW(call->arena, struct partiql_get);
    size_t size;
    TRY(partiql_open(call, statement, (struct str){0}, capacity, &get->table));
    TRY(partiql_prepare_get(call, statement, get,
                            "Select statements within BatchExecuteStatement must specify the "
                            "primary key in the where clause."));
    TRY(partiql_get(call, get, &out->Item, &size));
    struct capacity used = capacity_new(call->arena, &get->table, true);
    used.units = capacity_read(size, in->ConsistentRead.value);
    capacity_sum(bill_of(call->arena, bill, &get->table, true), &used);
    enum result result = meter_take(call, &used, NULL, &get->key);
    if (result != RESULT_OK)
        out->Item = (struct dynamodb_AttributeMap){0};
    return result;
}

static RESULT batch_write(struct call *call, const struct dynamodb_BatchStatementRequest *in,
                          const struct partiql_statement *statement, struct str capacity,
                          struct bill *bill, struct dynamodb_BatchStatementResponse *out)
{
    struct item_write *write = ARENA_NEW(call->arena, struct item_write);
    TRY(partiql_write(call, statement, in->ReturnValuesOnConditionCheckFailure, capacity, write));
    capacity_sum(bill_of(call->arena, bill, &write->table, false), &write->capacity);
    out->Item = partiql_returned(call->arena, statement, write);
    return RESULT_OK;
}

/* What one statement is refused with is its own: it has written nothing, and the others go on. */
static RESULT batch_result(struct call *call, enum result result,
                           struct dynamodb_BatchStatementResponse *out)
{
    if (result != RESULT_ERROR)
        return result;
    out->Error = ARENA_NEW(call->arena, struct dynamodb_BatchStatementError);
    out->Error->Code = batch_code(call->error);
    out->Error->Message = call->message;
    if (call->error == DYNAMODB_CONDITIONAL_CHECK_FAILED && call->detail != NULL) {
        const struct dynamodb_ConditionalCheckFailedException *detail = call->detail;
        out->Error->Item = detail->Item;
    }
    return RESULT_OK;
}

static RESULT batch_check(struct call *call, const struct partiql_statement *statements,
                          size_t count)
{
    size_t reads = 0, writes = 0;
    for (size_t i = 0; i < count; i++) {
        if (str_is_absent(statements[i].table))
            continue; /* it did not parse, which is told in its place */
        reads += statements[i].kind == PARTIQL_SELECT;
        writes += statements[i].kind != PARTIQL_SELECT;
    }
    if (reads > 0 && writes > 0)
        return DYNAMODB_ERROR(call,
                              "BatchExecuteStatement API does not support both read and write "
                              "operations in the same request.");
    return RESULT_OK;
}

RESULT dynamodb_BatchExecuteStatement(struct call *call,
                                      const struct dynamodb_BatchExecuteStatementInput *in,
                                      struct dynamodb_BatchExecuteStatementOutput *out)
{
    size_t count = in->Statements.len;
    struct partiql_statement *statements =
        ARENA_ARRAY(call->arena, count + 1, struct partiql_statement);
    struct bill bill = {0};
    out->Responses.items =
        ARENA_ARRAY(call->arena, count + 1, struct dynamodb_BatchStatementResponse);
    out->Responses.len = count;
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_BatchStatementRequest *one = &in->Statements.items[i];
        enum result parsed = run_parse(call, one->Statement, one->Parameters, &statements[i]);
        TRY(batch_result(call, parsed, &out->Responses.items[i]));
    }
    TRY(batch_check(call, statements, count));
    for (size_t i = 0; i < count; i++) {
        struct dynamodb_BatchStatementResponse *response = &out->Responses.items[i];
        enum result result = RESULT_OK;
        if (response->Error != NULL)
            continue;
        response->TableName = statements[i].table;
        if (statements[i].kind == PARTIQL_EXISTS)
            result = DYNAMODB_ERROR(call, "EXISTS is only supported within transactions");
        else if (statements[i].kind == PARTIQL_SELECT)
            result = batch_read(call, &in->Statements.items[i], &statements[i],
                                in->ReturnConsumedCapacity, &bill, response);
        else
            result = batch_write(call, &in->Statements.items[i], &statements[i],
                                 in->ReturnConsumedCapacity, &bill, response);
        TRY(batch_result(call, result, response));
    }
    out->ConsumedCapacity = bill_shown(call->arena, &bill, in->ReturnConsumedCapacity, false);
    return RESULT_OK;
}

/* --- ExecuteTransaction
 * -----------------------------------------------------------------------------------------------
 */

static RESULT transaction_read(struct call *call, const struct dynamodb_ExecuteTransactionInput *in,
                               const struct partiql_statement *statements,
                               struct dynamodb_ExecuteTransactionOutput *out)
{
    size_t count = in->TransactStatements.len;
    struct transact_read *reads = ARENA_ARRAY(call->arena, count + 1, struct transact_read);
    struct dynamodb_TransactGetItemsOutput answer = {0};
    for (size_t i = 0; i < count; i++) {
        if (!str_is_absent(statements[i].index))
            return DYNAMODB_ERROR(call, "Reads on indices are not supported within transactions.");
        reads[i].table = statements[i].table;
        reads[i].get.statement = &statements[i];
    }
    TRY(transact_read(call, reads, count, in->ReturnConsumedCapacity, &answer));
    out->Responses = answer.Responses;
    out->ConsumedCapacity = answer.ConsumedCapacity;
    return RESULT_OK;
}

static RESULT transaction_write(struct call *call,
                                const struct dynamodb_ExecuteTransactionInput *in,
                                const struct partiql_statement *statements,
                                struct dynamodb_ExecuteTransactionOutput *out)
{
    size_t count = in->TransactStatements.len;
    struct transact_action *actions = ARENA_ARRAY(call->arena, count + 1, struct transact_action);
    struct dynamodb_TransactWriteItemsOutput answer = {0};
    const struct dynamodb_ExecuteTransactionInput asked = {.TransactStatements =
                                                               in->TransactStatements};
    const struct transact_options options = {
        .token = in->ClientRequestToken,
        .shape = DYNAMODB_SHAPE_ExecuteTransactionInput,
        .request = &asked,
        .capacity = in->ReturnConsumedCapacity,
    };
    if (!kv_is_writing(call->txn))
        return RESULT_RESTART;
    for (size_t i = 0; i < count; i++) {
        if (statements[i].returning != PARTIQL_RETURN_NONE)
            return DYNAMODB_ERROR(call, "RETURNING clause is not supported within transactions.");
        actions[i].table = statements[i].table;
        actions[i].statement = &statements[i];
        actions[i].on_check_failure =
            in->TransactStatements.items[i].ReturnValuesOnConditionCheckFailure;
    }
    TRY(transact_write(call, actions, count, &options, &answer));
    out->Responses.items = ARENA_ARRAY(call->arena, count, struct dynamodb_ItemResponse);
    out->Responses.len = count;
    out->ConsumedCapacity = answer.ConsumedCapacity;
    return RESULT_OK;
}

RESULT dynamodb_ExecuteTransaction(struct call *call,
                                   const struct dynamodb_ExecuteTransactionInput *in,
                                   struct dynamodb_ExecuteTransactionOutput *out)
{
    size_t count = in->TransactStatements.len, reads = 0;
    struct partiql_statement *statements =
        ARENA_ARRAY(call->arena, count + 1, struct partiql_statement);
    for (size_t i = 0; i < count; i++) {
        const struct dynamodb_ParameterizedStatement *one = &in->TransactStatements.items[i];
        TRY(run_parse(call, one->Statement, one->Parameters, &statements[i]));
        reads += statements[i].kind == PARTIQL_SELECT;
    }
    /* "The entire transaction must consist of either read statements or write statements"; EXISTS
     * goes with writes. */
    if (reads > 0 && reads < count)
        return DYNAMODB_ERROR(call, "ExecuteTransaction API does not support both read and write "
                                    "operations in the same request.");
    return reads > 0 ? transaction_read(call, in, statements, out)
                     : transaction_write(call, in, statements, out);
}
