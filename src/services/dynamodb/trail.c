/* Data calls as CloudTrail tells of them ("Understanding DynamoDB log file entries", Developer
 * Guide): keys as plain values, of everything else in items the names alone; in PartiQL's
 * statements whatever is no key's value is redacted. */
#include "base/encode.h"
#include "base/vec.h"
#include "services/dynamodb/dynamodb_int.h"
#include "services/dynamodb/partiql.h"
#include "wire/wire.h"

#define REDACTED STR("***(Redacted)")
enum { TEXT_MAX = 100 << 10 };

/* --- JSON --- */

static struct buf *begin(struct arena *arena, struct buf *out, uint16_t shape, const void *in)
{
    buf_init(out, arena, TEXT_MAX);
    if (wire_json_describe(out, &dynamodb_model, shape, in) != RESULT_OK || out->len < 2) {
        buf_clear(out);
        buf_append(out, STR("{}"));
    }
    out->len--; /* the brace: more follows */
    return out;
}

static void put_name(struct buf *out, const char *name)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{')
        buf_append_char(out, ',');
    wire_json_write_string(out, str_from_c(name));
    buf_append_char(out, ':');
}

static void put_text(struct buf *out, const char *name, struct str text)
{
    put_name(out, name);
    wire_json_write_string(out, text);
}

static bool has_more(const struct buf *out)
{
    char c = out->ptr[out->len - 1];
    return c != '{' && c != '[';
}

static void put_key(struct buf *out, const struct dynamodb_AttributeMap *key)
{
    put_name(out, "key");
    buf_append_char(out, '{');
    for (size_t i = 0; i < key->len; i++) {
        const struct dynamodb_AttributeValue *value = &key->items[i].value;
        if (i > 0)
            buf_append_char(out, ',');
        wire_json_write_string(out, key->items[i].key);
        buf_append_char(out, ':');
        if (value->B.ptr == NULL) {
            wire_json_write_string(out, value->S.ptr != NULL ? value->S : value->N);
            continue;
        }
        buf_append_char(out, '"');
        base64_encode(out, value->B);
        buf_append_char(out, '"');
    }
    buf_append_char(out, '}');
}

static void put_item_names(struct buf *out, const char *name,
                           const struct dynamodb_AttributeMap *item)
{
    put_name(out, name);
    buf_append_char(out, '[');
    for (size_t i = 0; i < item->len; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        wire_json_write_string(out, item->items[i].key);
    }
    buf_append_char(out, ']');
}

static struct str end(struct buf *out)
{
    buf_append_char(out, '}');
    return buf_is_full(out) ? STR("null") : buf_str(out);
}

/* --- keys of tables --- */

/* What of the item is the table's key; nothing of a table that is not there. */
static struct dynamodb_AttributeMap key_in(struct call *call, struct str table_name,
                                           struct dynamodb_AttributeMap item)
{
    struct dynamodb_AttributeMap key = {
        .items = ARENA_ARRAY(call->arena, 2, struct dynamodb_AttributeMap_entry)};
    struct dynamodb_table table;
    bool found = false;
    if (table_find(call, table_name, &table, &found) != RESULT_OK || !found)
        return key;
    const struct str names[] = {table.partition, table.sort};
    for (size_t i = 0; i < 2; i++) {
        const struct dynamodb_AttributeValue *value =
            str_is_absent(names[i]) ? NULL : item_get(&item, names[i]);
        if (value != NULL)
            key.items[key.len++] = (struct dynamodb_AttributeMap_entry){names[i], *value};
    }
    return key;
}

/* --- statements --- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Behind a literal that begins here; `at` itself: none does. */
static size_t literal_end(struct str text, size_t at)
{
    char before = at > 0 ? text.ptr[at - 1] : ' ';
    if (text.ptr[at] == '\'') {
        for (at++; at < text.len; at++) {
            if (text.ptr[at] != '\'')
                continue;
            if (at + 1 == text.len || text.ptr[at + 1] != '\'')
                return at + 1;
            at++;
        }
        return at;
    }
    bool position =
        before == '[' && at > 1 &&
        (is_word(text.ptr[at - 2]) || text.ptr[at - 2] == ']' || text.ptr[at - 2] == '"');
    if (!(text.ptr[at] >= '0' && text.ptr[at] <= '9') || is_word(before) || before == '.' ||
        position)
        return at;
    while (at < text.len && (is_word(text.ptr[at]) || text.ptr[at] == '.'))
        at++;
    return at;
}

/* The attribute that the text so far compares what comes next with, by "="; absent: none. */
static struct str compared(struct str text)
{
    size_t to = text.len;
    while (to > 0 && text.ptr[to - 1] == ' ')
        to--;
    if (to == 0 || text.ptr[to - 1] != '=')
        return (struct str){0};
    for (to--; to > 0 && text.ptr[to - 1] == ' ';)
        to--;
    bool quoted = to > 0 && text.ptr[to - 1] == '"';
    to -= quoted;
    size_t from = to;
    while (from > 0 && (quoted ? text.ptr[from - 1] != '"' : is_word(text.ptr[from - 1])))
        from--;
    return from == to ? (struct str){0} : str_slice(text, from, to);
}

/* 'Artist' : ... names an attribute. */
static bool is_member_name(struct str text, size_t behind)
{
    while (behind < text.len && text.ptr[behind] == ' ')
        behind++;
    return behind < text.len && text.ptr[behind] == ':';
}

/* Key values stay where they stand in a WHERE clause. */
static struct str redacted(struct call *call, struct str text)
{
    struct partiql_statement statement;
    struct value_failure failure;
    struct dynamodb_table table = {0};
    struct buf out;
    bool found = false, where = false;
    if (partiql_parse(call->arena, text, (struct dynamodb_PreparedStatementParameters){0},
                      &statement, &failure) == RESULT_OK &&
        table_find(call, statement.table, &table, &found) != RESULT_OK)
        found = false;
    buf_init(&out, call->arena, TEXT_MAX);
    for (size_t at = 0; at < text.len;) {
        size_t behind = literal_end(text, at);
        struct str left = str_slice(text, 0, at);
        if (behind == at) {
            where = where || str_eq_nocase(str_slice(text, at, at + 5), STR("where"));
            buf_append_char(&out, text.ptr[at++]);
            continue;
        }
        struct str name = compared(left);
        bool key = found && where && !str_is_absent(name) &&
                   (str_eq(name, table.partition) || str_eq(name, table.sort));
        buf_append(&out,
                   key || is_member_name(text, behind) ? str_slice(text, at, behind) : REDACTED);
        at = behind;
    }
    return buf_str(&out);
}

/* --- one item --- */

#define WITHOUT_VALUES(copy)                                                                       \
    do {                                                                                           \
        memset(&(copy).ExpressionAttributeValues, 0, sizeof(copy).ExpressionAttributeValues);      \
    } while (0)

static struct str tell_put(struct call *call, const struct dynamodb_PutItemInput *in)
{
    struct dynamodb_PutItemInput copy = *in;
    struct dynamodb_AttributeMap item = ITEM_OF(in->Item);
    struct dynamodb_AttributeMap key = key_in(call, in->TableName, item);
    struct buf out;
    WITHOUT_VALUES(copy);
    memset(&copy.Item, 0, sizeof copy.Item);
    memset(&copy.Expected, 0, sizeof copy.Expected);
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_PutItemInput, &copy);
    put_key(&out, &key);
    put_item_names(&out, "item", &item);
    return end(&out);
}

static struct str tell_update(struct call *call, const struct dynamodb_UpdateItemInput *in)
{
    struct dynamodb_UpdateItemInput copy = *in;
    struct dynamodb_AttributeMap key = ITEM_OF(in->Key);
    struct buf out;
    WITHOUT_VALUES(copy);
    memset(&copy.Key, 0, sizeof copy.Key);
    memset(&copy.Expected, 0, sizeof copy.Expected);
    memset(&copy.AttributeUpdates, 0, sizeof copy.AttributeUpdates);
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_UpdateItemInput, &copy);
    put_key(&out, &key);
    return end(&out);
}

static struct str tell_delete(struct call *call, const struct dynamodb_DeleteItemInput *in)
{
    struct dynamodb_DeleteItemInput copy = *in;
    struct dynamodb_AttributeMap key = ITEM_OF(in->Key);
    struct buf out;
    WITHOUT_VALUES(copy);
    memset(&copy.Key, 0, sizeof copy.Key);
    memset(&copy.Expected, 0, sizeof copy.Expected);
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_DeleteItemInput, &copy);
    put_key(&out, &key);
    return end(&out);
}

static struct str tell_get(struct call *call, const struct dynamodb_GetItemInput *in)
{
    struct dynamodb_GetItemInput copy = *in;
    struct dynamodb_AttributeMap key = ITEM_OF(in->Key);
    struct buf out;
    memset(&copy.Key, 0, sizeof copy.Key);
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_GetItemInput, &copy);
    put_key(&out, &key);
    return end(&out);
}

static struct str tell_query(struct call *call, const struct dynamodb_QueryInput *in)
{
    struct dynamodb_QueryInput copy = *in;
    struct buf out;
    WITHOUT_VALUES(copy);
    memset(&copy.KeyConditions, 0, sizeof copy.KeyConditions);
    memset(&copy.QueryFilter, 0, sizeof copy.QueryFilter);
    memset(&copy.ExclusiveStartKey, 0, sizeof copy.ExclusiveStartKey);
    return end(begin(call->arena, &out, DYNAMODB_SHAPE_QueryInput, &copy));
}

static struct str tell_scan(struct call *call, const struct dynamodb_ScanInput *in)
{
    struct dynamodb_ScanInput copy = *in;
    struct buf out;
    WITHOUT_VALUES(copy);
    memset(&copy.ScanFilter, 0, sizeof copy.ScanFilter);
    memset(&copy.ExclusiveStartKey, 0, sizeof copy.ExclusiveStartKey);
    return end(begin(call->arena, &out, DYNAMODB_SHAPE_ScanInput, &copy));
}

/* --- several --- */

static void open_items(struct buf *out)
{
    put_name(out, "requestItems");
    buf_append_char(out, '[');
}

static void open_one(struct buf *out, const char *operation, struct str table)
{
    buf_append(out, has_more(out) ? STR(",{") : STR("{"));
    if (operation != NULL)
        put_text(out, "operation", str_from_c(operation));
    put_text(out, "tableName", table);
}

static void put_names(struct buf *out, struct str_map names)
{
    if (names.len == 0)
        return;
    put_name(out, "expressionAttributeNames");
    buf_append_char(out, '{');
    for (size_t i = 0; i < names.len; i++) {
        if (i > 0)
            buf_append_char(out, ',');
        wire_json_write_string(out, names.items[i].key);
        buf_append_char(out, ':');
        wire_json_write_string(out, names.items[i].value);
    }
    buf_append_char(out, '}');
}

static void put_optional(struct buf *out, const char *name, struct str text)
{
    if (!str_is_absent(text))
        put_text(out, name, text);
}

#define PUT_ACTION(out, name, action, key)                                                         \
    do {                                                                                           \
        open_one((out), (name), (action)->TableName);                                              \
        put_key((out), (key));                                                                     \
        put_optional((out), "conditionExpression", (action)->ConditionExpression);                 \
        put_names((out), (action)->ExpressionAttributeNames);                                      \
        put_optional((out), "returnValuesOnConditionCheckFailure",                                 \
                     (action)->ReturnValuesOnConditionCheckFailure);                               \
    } while (0)

static void put_action(struct call *call, struct buf *out,
                       const struct dynamodb_TransactWriteItem *one)
{
    struct dynamodb_AttributeMap item;
    if (one->Put != NULL) {
        item = ITEM_OF(one->Put->Item);
        struct dynamodb_AttributeMap key = key_in(call, one->Put->TableName, item);
        PUT_ACTION(out, "Put", one->Put, &key);
        put_item_names(out, "items", &item);
    } else if (one->Update != NULL) {
        item = ITEM_OF(one->Update->Key);
        PUT_ACTION(out, "Update", one->Update, &item);
        put_optional(out, "updateExpression", one->Update->UpdateExpression);
    } else if (one->Delete != NULL) {
        item = ITEM_OF(one->Delete->Key);
        PUT_ACTION(out, "Delete", one->Delete, &item);
    } else if (one->ConditionCheck != NULL) {
        item = ITEM_OF(one->ConditionCheck->Key);
        PUT_ACTION(out, "ConditionCheck", one->ConditionCheck, &item);
    } else {
        return;
    }
    buf_append_char(out, '}');
}

static struct str tell_transact_write(struct call *call,
                                      const struct dynamodb_TransactWriteItemsInput *in)
{
    struct dynamodb_TransactWriteItemsInput copy = *in;
    struct buf out;
    copy.TransactItems = (struct dynamodb_TransactWriteItemList){0};
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_TransactWriteItemsInput, &copy);
    open_items(&out);
    for (size_t i = 0; i < in->TransactItems.len; i++)
        put_action(call, &out, &in->TransactItems.items[i]);
    buf_append_char(&out, ']');
    return end(&out);
}

static struct str tell_transact_get(struct call *call,
                                    const struct dynamodb_TransactGetItemsInput *in)
{
    struct dynamodb_TransactGetItemsInput copy = *in;
    struct buf out;
    copy.TransactItems = (struct dynamodb_TransactGetItemList){0};
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_TransactGetItemsInput, &copy);
    open_items(&out);
    for (size_t i = 0; i < in->TransactItems.len; i++) {
        const struct dynamodb_Get *get = in->TransactItems.items[i].Get;
        if (get == NULL)
            continue;
        struct dynamodb_AttributeMap key = ITEM_OF(get->Key);
        open_one(&out, "Get", get->TableName);
        put_key(&out, &key);
        put_optional(&out, "projectionExpression", get->ProjectionExpression);
        put_names(&out, get->ExpressionAttributeNames);
        buf_append_char(&out, '}');
    }
    buf_append_char(&out, ']');
    return end(&out);
}

static struct str tell_batch_write(struct call *call, const struct dynamodb_BatchWriteItemInput *in)
{
    struct dynamodb_BatchWriteItemInput copy = *in;
    struct buf out;
    copy.RequestItems = (struct dynamodb_BatchWriteItemRequestMap){0};
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_BatchWriteItemInput, &copy);
    open_items(&out);
    for (size_t i = 0; i < in->RequestItems.len; i++) {
        const struct dynamodb_BatchWriteItemRequestMap_entry *table = &in->RequestItems.items[i];
        for (size_t k = 0; k < table->value.len; k++) {
            const struct dynamodb_WriteRequest *one = &table->value.items[k];
            bool put = one->PutRequest != NULL;
            if (!put && one->DeleteRequest == NULL)
                continue;
            struct dynamodb_AttributeMap item =
                put ? ITEM_OF(one->PutRequest->Item) : ITEM_OF(one->DeleteRequest->Key);
            struct dynamodb_AttributeMap key = put ? key_in(call, table->key, item) : item;
            open_one(&out, put ? "Put" : "Delete", table->key);
            put_key(&out, &key);
            if (put)
                put_item_names(&out, "items", &item);
            buf_append_char(&out, '}');
        }
    }
    buf_append_char(&out, ']');
    return end(&out);
}

static struct str tell_batch_get(struct call *call, const struct dynamodb_BatchGetItemInput *in)
{
    struct dynamodb_BatchGetItemInput copy = *in;
    struct buf out;
    copy.RequestItems = (struct dynamodb_BatchGetRequestMap){0};
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_BatchGetItemInput, &copy);
    open_items(&out);
    for (size_t i = 0; i < in->RequestItems.len; i++) {
        const struct dynamodb_KeysAndAttributes *table = &in->RequestItems.items[i].value;
        for (size_t k = 0; k < table->Keys.len; k++) {
            struct dynamodb_AttributeMap key = ITEM_OF(table->Keys.items[k]);
            open_one(&out, NULL, in->RequestItems.items[i].key);
            put_key(&out, &key);
            buf_append_char(&out, '}');
        }
    }
    buf_append_char(&out, ']');
    return end(&out);
}

/* --- PartiQL --- */

static struct str tell_statement(struct call *call, const struct dynamodb_ExecuteStatementInput *in)
{
    struct dynamodb_ExecuteStatementInput copy = *in;
    struct buf out;
    copy.Parameters = (struct dynamodb_PreparedStatementParameters){0};
    copy.Statement = redacted(call, in->Statement);
    return end(begin(call->arena, &out, DYNAMODB_SHAPE_ExecuteStatementInput, &copy));
}

static void put_statement(struct call *call, struct buf *out, struct str text)
{
    buf_append(out, has_more(out) ? STR(",{") : STR("{"));
    put_text(out, "statement", redacted(call, text));
    buf_append_char(out, '}');
}

static struct str tell_statements(struct call *call,
                                  const struct dynamodb_BatchExecuteStatementInput *in)
{
    struct dynamodb_BatchExecuteStatementInput copy = *in;
    struct buf out;
    copy.Statements = (struct dynamodb_PartiQLBatchRequest){0};
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_BatchExecuteStatementInput, &copy);
    open_items(&out);
    for (size_t i = 0; i < in->Statements.len; i++)
        put_statement(call, &out, in->Statements.items[i].Statement);
    buf_append_char(&out, ']');
    return end(&out);
}

static struct str tell_transaction(struct call *call,
                                   const struct dynamodb_ExecuteTransactionInput *in)
{
    struct dynamodb_ExecuteTransactionInput copy = *in;
    struct buf out;
    copy.TransactStatements = (struct dynamodb_ParameterizedStatements){0};
    (void)begin(call->arena, &out, DYNAMODB_SHAPE_ExecuteTransactionInput, &copy);
    open_items(&out);
    for (size_t i = 0; i < in->TransactStatements.len; i++)
        put_statement(call, &out, in->TransactStatements.items[i].Statement);
    buf_append_char(&out, ']');
    return end(&out);
}

static struct str tell(struct call *call, uint32_t operation, const void *in)
{
    switch (operation) {
    case DYNAMODB_OP_PutItem:
        return tell_put(call, in);
    case DYNAMODB_OP_UpdateItem:
        return tell_update(call, in);
    case DYNAMODB_OP_DeleteItem:
        return tell_delete(call, in);
    case DYNAMODB_OP_GetItem:
        return tell_get(call, in);
    case DYNAMODB_OP_Query:
        return tell_query(call, in);
    case DYNAMODB_OP_Scan:
        return tell_scan(call, in);
    case DYNAMODB_OP_TransactWriteItems:
        return tell_transact_write(call, in);
    case DYNAMODB_OP_TransactGetItems:
        return tell_transact_get(call, in);
    case DYNAMODB_OP_BatchWriteItem:
        return tell_batch_write(call, in);
    case DYNAMODB_OP_BatchGetItem:
        return tell_batch_get(call, in);
    case DYNAMODB_OP_ExecuteStatement:
        return tell_statement(call, in);
    case DYNAMODB_OP_BatchExecuteStatement:
        return tell_statements(call, in);
    case DYNAMODB_OP_ExecuteTransaction:
        return tell_transaction(call, in);
    default:
        return STR("null");
    }
}

struct str dynamodb_tell(struct call *call, struct arena *arena, uint32_t operation, const void *in)
{
    /* The request's own transaction is over. */
    struct call asking = *call;
    asking.arena = arena;
    asking.txn = NULL;
    if (kv_begin(call->cloud->kv, false, &asking.txn) != RESULT_OK)
        return STR("null");
    struct str text = tell(&asking, operation, in);
    kv_abort(asking.txn);
    return text;
}

/* --- tables --- */

struct tables {
    struct call *call;
    struct arena *arena;
    struct str *items;
    size_t len, cap;
};

static void add_table(struct tables *tables, struct str name)
{
    struct str arn = name;
    if (str_is_empty(name))
        return;
    if (!str_starts_with(name, STR("arn:")))
        arn = str_format(tables->arena, "arn:%.*s:dynamodb:%.*s:%.*s:table/%.*s",
                         PRSTR(tables->call->partition), PRSTR(tables->call->region),
                         PRSTR(tables->call->account), PRSTR(name));
    for (size_t i = 0; i < tables->len; i++)
        if (str_eq(tables->items[i], arn))
            return;
    VEC_PUSH(tables->arena, tables->items, tables->len, tables->cap, arn);
}

static void add_statement(struct tables *tables, struct str text)
{
    struct partiql_statement statement;
    struct value_failure failure;
    /* As many parameters as it may ask for: what they are does not matter. */
    struct dynamodb_PreparedStatementParameters parameters = {
        .items = ARENA_ARRAY(tables->arena, text.len + 1, struct dynamodb_AttributeValue)};
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '?')
            parameters.items[parameters.len++].S = STR("x");
    if (partiql_parse(tables->arena, text, parameters, &statement, &failure) == RESULT_OK)
        add_table(tables, statement.table);
}

static void add_action(struct tables *tables, const struct dynamodb_TransactWriteItem *one)
{
    if (one->Put != NULL)
        add_table(tables, one->Put->TableName);
    if (one->Update != NULL)
        add_table(tables, one->Update->TableName);
    if (one->Delete != NULL)
        add_table(tables, one->Delete->TableName);
    if (one->ConditionCheck != NULL)
        add_table(tables, one->ConditionCheck->TableName);
}

static void add_statements(struct tables *tables, uint32_t operation, const void *in)
{
    if (operation == DYNAMODB_OP_ExecuteStatement) {
        add_statement(tables, ((const struct dynamodb_ExecuteStatementInput *)in)->Statement);
    } else if (operation == DYNAMODB_OP_BatchExecuteStatement) {
        const struct dynamodb_BatchExecuteStatementInput *batch = in;
        for (size_t i = 0; i < batch->Statements.len; i++)
            add_statement(tables, batch->Statements.items[i].Statement);
    } else if (operation == DYNAMODB_OP_ExecuteTransaction) {
        const struct dynamodb_ExecuteTransactionInput *transaction = in;
        for (size_t i = 0; i < transaction->TransactStatements.len; i++)
            add_statement(tables, transaction->TransactStatements.items[i].Statement);
    }
}

struct str_list dynamodb_told_tables(struct call *call, struct arena *arena, uint32_t operation,
                                     const void *in)
{
    struct tables tables = {.call = call, .arena = arena};
    if (operation == DYNAMODB_OP_TransactWriteItems) {
        const struct dynamodb_TransactWriteItemsInput *writes = in;
        for (size_t i = 0; i < writes->TransactItems.len; i++)
            add_action(&tables, &writes->TransactItems.items[i]);
    } else if (operation == DYNAMODB_OP_TransactGetItems) {
        const struct dynamodb_TransactGetItemsInput *reads = in;
        for (size_t i = 0; i < reads->TransactItems.len; i++)
            if (reads->TransactItems.items[i].Get != NULL)
                add_table(&tables, reads->TransactItems.items[i].Get->TableName);
    } else if (operation == DYNAMODB_OP_BatchWriteItem) {
        const struct dynamodb_BatchWriteItemInput *writes = in;
        for (size_t i = 0; i < writes->RequestItems.len; i++)
            add_table(&tables, writes->RequestItems.items[i].key);
    } else if (operation == DYNAMODB_OP_BatchGetItem) {
        const struct dynamodb_BatchGetItemInput *reads = in;
        for (size_t i = 0; i < reads->RequestItems.len; i++)
            add_table(&tables, reads->RequestItems.items[i].key);
    } else {
        add_statements(&tables, operation, in);
    }
    return (struct str_list){.items = tables.items, .len = tables.len};
}
