/* PartiQL statements: what is taken must be applied to an item without harm, and its WHERE must say
 * of the item what its two parts, for keys and for the rest, say together. The first byte says how
 * many parameters there are. */
#include "base/result.h"
#include "fuzz/fuzz.h"
#include "service/dynamodb_text.h"
#include "services/dynamodb/partiql.h"

static const char ITEM[] = "{'a': {'N': '5'}, 'b': {'S': 'hello'}, 'c': {'SS': ['x', 'y']}, 'd': "
                           "{'L': [{'N': '1'}, {'M': {'e': {'N': '3'}}}]}}";

static void check_where(struct arena *arena, const struct condition *where,
                        const struct dynamodb_AttributeMap *item)
{
    static const struct key_schema schema = {.partition = {{STR_INIT("a"), VALUE_N}},
                                             .partition_len = 1,
                                             .sort = {{STR_INIT("b"), VALUE_S}},
                                             .sort_len = 1};
    const struct condition *keys;
    const struct condition *rest;
    bool holds = where == NULL || condition_holds(arena, where, item);
    partiql_split(arena, where, &schema, &keys, &rest);
    ASSERT(holds == ((keys == NULL || condition_holds(arena, keys, item)) &&
                     (rest == NULL || condition_holds(arena, rest, item))));
    struct key_condition key;
    struct value_failure failure = {0};
    if (keys != NULL && key_condition_resolve(arena, keys, &schema, &key, &failure) != RESULT_OK)
        ASSERT(failure.message.len > 0);
}

static void run(struct arena *arena, const struct partiql_statement *statement,
                const struct dynamodb_AttributeMap *item)
{
    struct value_failure failure = {0};
    struct dynamodb_AttributeMap out;
    ASSERT(statement->table.ptr != NULL);
    check_where(arena, statement->where, item);
    if (statement->projection != NULL) {
        out = projection_apply(arena, statement->projection, item);
        ASSERT(out.items != NULL);
    }
    if (statement->update != NULL &&
        update_apply(arena, statement->update, item, &out, &failure) != RESULT_OK)
        ASSERT(failure.message.len > 0);
    ASSERT(item_check(arena, statement->item, &failure) == RESULT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *arena = arena_new(0);
    struct dynamodb_AttributeMap item = dynamodb_item(arena, ITEM);
    struct dynamodb_AttributeValue values[3] = {
        {.N = STR("5.0")}, {.S = STR("hello")}, dynamodb_value(arena, "{'SS': ['y', 'z']}")};
    struct dynamodb_PreparedStatementParameters parameters = {.items = values, .len = data[0] % 4};
    struct partiql_statement statement;
    struct value_failure failure = {0};
    if (partiql_parse(arena, str_make((const char *)data + 1, size - 1), parameters, &statement,
                      &failure) == RESULT_OK)
        run(arena, &statement, &item);
    else
        ASSERT(failure.message.len > 0);
    arena_free(arena);
    return 0;
}
