/* Expressions of all kinds: what is taken must be applied to items without harm, twice alike; what
 * is refused must be said why. The first byte chooses the kind. */
#include "base/result.h"
#include "fuzz/fuzz.h"
#include "service/dynamodb_text.h"

static const char ITEM[] =
    "{'a': {'N': '5'}, 'b': {'S': 'hello'}, 'c': {'SS': ['x', 'y']}, 'd': {'L': [{'N': '1'}, {'M': "
    "{'e': {'N': '3'}}}]}, 'f': {'M': {'a': {'B': 'AQID'}, 'b': {'BOOL': true}}}}";
static const char NAMES[] = "{'#a': 'a', '#b': 'name', '#f': 'f'}";
static const char VALUES[] =
    "{':a': {'N': '7'}, ':b': {'S': 'he'}, ':c': {'SS': ['y', 'z']}, ':d': "
    "{'L': [{'S': 'new'}]}, ':e': {'M': {}}, ':f': {'B': 'AQ=='}}";

static void check_item(struct arena *arena, const struct dynamodb_AttributeMap *item)
{
    struct value_failure failure = {0};
    if (item_check(arena, *item, &failure) != RESULT_OK)
        ASSERT(str_eq(failure.message, STR("Nesting Levels have exceeded supported limits")));
    struct dynamodb_AttributeMap copy;
    item_copy(arena, item, &copy);
    ASSERT(item_equal(arena, item, &copy));
    ASSERT(item_size(item) == item_size(&copy));
}

static enum result run_update(struct expression_scope *scope, struct str text,
                              const struct dynamodb_AttributeMap *item)
{
    const struct update *update;
    struct dynamodb_AttributeMap out;
    TRY(update_parse(scope, text, &update));
    TRY(update_apply(scope->arena, update, item, &out, scope->failure));
    check_item(scope->arena, &out);
    struct dynamodb_AttributeMap returned = update_returned(scope->arena, update, &out);
    check_item(scope->arena, &returned);
    return RESULT_OK;
}

static enum result run_key(struct expression_scope *scope, struct str text)
{
    static const struct key_schema schema = {.partition = {{STR_INIT("a"), VALUE_N}},
                                             .partition_len = 1,
                                             .sort = {{STR_INIT("b"), VALUE_S}},
                                             .sort_len = 1};
    const struct condition *condition;
    struct key_condition key;
    TRY(key_condition_parse(scope, text, &condition));
    TRY(key_condition_resolve(scope->arena, condition, &schema, &key, scope->failure));
    ASSERT(key.partition[0] != NULL && (key.relation == KEY_ANY) == (key.sort == NULL));
    return RESULT_OK;
}

static enum result run_condition(struct expression_scope *scope, enum expression_kind kind,
                                 struct str text, const struct dynamodb_AttributeMap *item)
{
    const struct condition *condition;
    TRY(condition_parse(scope, kind, text, &condition));
    bool holds = condition_holds(scope->arena, condition, item);
    ASSERT(condition_holds(scope->arena, condition, item) == holds);
    (void)condition_holds(scope->arena, condition, NULL);
    ASSERT(condition_attributes(scope->arena, condition).items != NULL);
    return RESULT_OK;
}

static enum result run_projection(struct expression_scope *scope, struct str text,
                                  const struct dynamodb_AttributeMap *item)
{
    const struct projection *projection;
    TRY(projection_parse(scope, text, &projection));
    struct dynamodb_AttributeMap out = projection_apply(scope->arena, projection, item);
    check_item(scope->arena, &out);
    return RESULT_OK;
}

static enum result run(struct expression_scope *scope, uint8_t kind, struct str text,
                       const struct dynamodb_AttributeMap *item)
{
    switch (kind % 5) {
    case EXPRESSION_UPDATE:
        return run_update(scope, text, item);
    case EXPRESSION_PROJECTION:
        return run_projection(scope, text, item);
    case EXPRESSION_KEY_CONDITION:
        return run_key(scope, text);
    default:
        return run_condition(scope, (enum expression_kind)(kind % 5), text, item);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *arena = arena_new(0);
    struct value_failure failure = {0};
    struct expression_scope scope;
    struct str_map names = {0};
    struct dynamodb_ExpressionAttributeValueMap values = {0};
    dynamodb_read(arena, DYNAMODB_SHAPE_ExpressionAttributeNameMap, NAMES, &names);
    dynamodb_read(arena, DYNAMODB_SHAPE_ExpressionAttributeValueMap, VALUES, &values);
    ASSERT(expression_scope_init(&scope, arena, names, values, &failure) == RESULT_OK);
    struct dynamodb_AttributeMap item = dynamodb_item(arena, ITEM);
    struct str before = dynamodb_text(arena, &item);
    if (run(&scope, data[0], str_make((const char *)data + 1, size - 1), &item) != RESULT_OK)
        ASSERT(failure.message.len > 0);
    ASSERT(str_eq(before, dynamodb_text(arena, &item)));
    if (expression_scope_finish(&scope) != RESULT_OK)
        ASSERT(failure.message.len > 0);
    arena_free(arena);
    return 0;
}
