/* The parameters of before expressions, as trees ("Legacy conditional parameters" of the developer
 * guide). */
#include "services/dynamodb/legacy.h"

#include "base/vec.h"
#include "services/dynamodb/expression_int.h"

#define INVALID "One or more parameter values were invalid: "
#define TYPE(name) (1u << VALUE_##name)
#define TYPES_ALL 0xFFFFu
#define TYPES_SCALAR (TYPE(S) | TYPE(N) | TYPE(B))

enum { ANY_NUMBER = 255 };

struct comparison {
    struct str name;
    enum condition_kind kind;
    uint8_t arguments;
    uint16_t types;
    bool indexable; /* stands in KeyConditions */
};

static const struct comparison comparisons[] = {
    {STR_INIT("EQ"), CONDITION_EQ, 1, TYPES_ALL, true},
    {STR_INIT("NE"), CONDITION_NE, 1, TYPES_ALL, false},
    {STR_INIT("LE"), CONDITION_LE, 1, TYPES_SCALAR, true},
    {STR_INIT("LT"), CONDITION_LT, 1, TYPES_SCALAR, true},
    {STR_INIT("GE"), CONDITION_GE, 1, TYPES_SCALAR, true},
    {STR_INIT("GT"), CONDITION_GT, 1, TYPES_SCALAR, true},
    {STR_INIT("BETWEEN"), CONDITION_BETWEEN, 2, TYPES_SCALAR, true},
    {STR_INIT("BEGINS_WITH"), CONDITION_BEGINS_WITH, 1, TYPE(S) | TYPE(B), true},
    {STR_INIT("CONTAINS"), CONDITION_CONTAINS, 1, TYPES_SCALAR, false},
    {STR_INIT("NOT_CONTAINS"), CONDITION_NOT_CONTAINS, 1, TYPES_SCALAR, false},
    {STR_INIT("IN"), CONDITION_IN, ANY_NUMBER, TYPES_SCALAR, false},
    {STR_INIT("NULL"), CONDITION_NOT_EXISTS, 0, TYPES_ALL, false},
    {STR_INIT("NOT_NULL"), CONDITION_EXISTS, 0, TYPES_ALL, false},
};

static const struct comparison *find_comparison(struct str name)
{
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
        if (str_eq(comparisons[i].name, name))
            return &comparisons[i];
    return NULL;
}

static struct path make_path(struct arena *arena, struct str name)
{
    struct path_element *element = ARENA_NEW(arena, struct path_element);
    element->name = name;
    return (struct path){.elements = element, .len = 1};
}

static const struct condition *make_condition(struct arena *arena, enum condition_kind kind,
                                              struct str name,
                                              struct dynamodb_AttributeValue *values, size_t count)
{
    struct operand *operands = ARENA_ARRAY(arena, count + 1, struct operand);
    operands[0] = (struct operand){.kind = OPERAND_PATH, .path = make_path(arena, name)};
    for (size_t i = 0; i < count; i++)
        operands[i + 1] = (struct operand){.kind = OPERAND_VALUE, .value = &values[i]};
    struct condition *condition = ARENA_NEW(arena, struct condition);
    condition->kind = kind;
    condition->operands = operands;
    condition->operand_count = count + 1;
    return condition;
}

/* All of them, or any: a balanced tree, so that walking it stays shallow. NULL for none. */
static const struct condition *join(struct arena *arena, const struct condition *const *items,
                                    size_t len, enum condition_kind kind)
{
    if (len <= 1)
        return len == 0 ? NULL : items[0];
    struct condition *condition = ARENA_NEW(arena, struct condition);
    *condition = (struct condition){.kind = kind,
                                    .left = join(arena, items, len / 2, kind),
                                    .right = join(arena, items + len / 2, len - len / 2, kind)};
    return condition;
}

/* --- comparisons ------------------------------------------------------------------------------ */

static RESULT check_values(struct arena *arena, const struct comparison *comparison,
                           struct dynamodb_AttributeValue *values, size_t count,
                           struct value_failure *failure)
{
    bool fits = comparison->arguments == ANY_NUMBER ? count > 0 : count == comparison->arguments;
    if (!fits)
        return value_fail(arena, failure,
                          INVALID "Invalid number of argument(s) for the %.*s ComparisonOperator",
                          PRSTR(comparison->name));
    for (size_t i = 0; i < count; i++)
        TRY(value_check(arena, &values[i], failure));
    for (size_t i = 0; i < count; i++)
        if (value_type(&values[i]) != value_type(&values[0]))
            return value_fail(arena, failure,
                              INVALID
                              "AttributeValues inside AttributeValueList must be of same type");
    for (size_t i = 0; i < count; i++) {
        enum value_type type = value_type(&values[i]);
        if (!(comparison->types & 1u << type))
            return value_fail(arena, failure,
                              INVALID
                              "ComparisonOperator %.*s is not valid for %.*s AttributeValue type",
                              PRSTR(comparison->name), PRSTR(value_type_name(type)));
    }
    if (comparison->kind == CONDITION_BETWEEN && value_compare(&values[0], &values[1]) > 0)
        return value_fail(arena, failure,
                          "The BETWEEN condition was provided a range where the lower bound is "
                          "bigger than the upper bound");
    return RESULT_OK;
}

static RESULT compare(struct arena *arena, struct str operator_name, struct str attribute,
                      struct dynamodb_AttributeValue *values, size_t count,
                      const struct condition **out, struct value_failure *failure)
{
    const struct comparison *comparison = find_comparison(operator_name);
    if (comparison == NULL)
        return value_fail(arena, failure, INVALID "Unknown ComparisonOperator: %.*s",
                          PRSTR(operator_name));
    TRY(check_values(arena, comparison, values, count, failure));
    *out = make_condition(arena, comparison->kind, attribute, values, count);
    return RESULT_OK;
}

static RESULT check_operator(struct arena *arena, struct str conditional_operator, size_t count,
                             struct value_failure *failure)
{
    if (conditional_operator.ptr == NULL || count > 1)
        return RESULT_OK;
    return value_fail(arena, failure,
                      count == 0
                          ? "ConditionalOperator cannot be used without Filter or Expected"
                          : "ConditionalOperator can only be used when Filter or Expected has two "
                            "or more elements");
}

static enum condition_kind join_kind(struct str conditional_operator)
{
    return str_eq(conditional_operator, STR("OR")) ? CONDITION_OR : CONDITION_AND;
}

/* --- Expected --------------------------------------------------------------------------------- */

static RESULT expect_value(struct arena *arena,
                           const struct dynamodb_ExpectedAttributeMap_entry *entry,
                           const struct condition **out, struct value_failure *failure)
{
    const struct dynamodb_ExpectedAttributeValue *expected = &entry->value;
    if (expected->AttributeValueList.items != NULL)
        return value_fail(arena, failure,
                          INVALID "AttributeValueList can only be used with a ComparisonOperator "
                                  "for Attribute: %.*s",
                          PRSTR(entry->key));
    if (expected->Exists.set && !expected->Exists.value) {
        if (expected->Value != NULL)
            return value_fail(arena, failure,
                              INVALID "Value cannot be used when Exists is set to false for "
                                      "Attribute: %.*s",
                              PRSTR(entry->key));
        *out = make_condition(arena, CONDITION_NOT_EXISTS, entry->key, NULL, 0);
        return RESULT_OK;
    }
    if (expected->Value == NULL)
        return value_fail(arena, failure,
                          INVALID "Value must be provided when Exists is %s for Attribute: %.*s",
                          expected->Exists.set ? "true" : "null", PRSTR(entry->key));
    TRY(value_check(arena, expected->Value, failure));
    *out = make_condition(arena, CONDITION_EQ, entry->key, expected->Value, 1);
    return RESULT_OK;
}

static RESULT expect(struct arena *arena, const struct dynamodb_ExpectedAttributeMap_entry *entry,
                     const struct condition **out, struct value_failure *failure)
{
    const struct dynamodb_ExpectedAttributeValue *expected = &entry->value;
    if (expected->ComparisonOperator.ptr == NULL)
        return expect_value(arena, entry, out, failure);
    if (expected->Exists.set)
        return value_fail(arena, failure,
                          INVALID "Exists and ComparisonOperator cannot be used together for "
                                  "Attribute: %.*s",
                          PRSTR(entry->key));
    if (expected->Value != NULL && expected->AttributeValueList.items != NULL)
        return value_fail(arena, failure,
                          INVALID "Value and AttributeValueList cannot be used together for "
                                  "Attribute: %.*s",
                          PRSTR(entry->key));
    bool no_values = str_eq(expected->ComparisonOperator, STR("NULL")) ||
                     str_eq(expected->ComparisonOperator, STR("NOT_NULL"));
    if (expected->Value == NULL && expected->AttributeValueList.items == NULL && !no_values)
        return value_fail(arena, failure,
                          INVALID "Value or AttributeValueList must be used with "
                                  "ComparisonOperator: %.*s for Attribute: %.*s",
                          PRSTR(expected->ComparisonOperator), PRSTR(entry->key));
    if (expected->Value != NULL)
        return compare(arena, expected->ComparisonOperator, entry->key, expected->Value, 1, out,
                       failure);
    return compare(arena, expected->ComparisonOperator, entry->key,
                   expected->AttributeValueList.items, expected->AttributeValueList.len, out,
                   failure);
}

RESULT legacy_expected(struct arena *arena, struct dynamodb_ExpectedAttributeMap expected,
                       struct str conditional_operator, const struct condition **out,
                       struct value_failure *failure)
{
    const struct condition **all = ARENA_ARRAY(arena, expected.len, const struct condition *);
    TRY(check_operator(arena, conditional_operator, expected.len, failure));
    for (size_t i = 0; i < expected.len; i++)
        TRY(expect(arena, &expected.items[i], &all[i], failure));
    *out = join(arena, all, expected.len, join_kind(conditional_operator));
    return RESULT_OK;
}

/* --- filters and key conditions --------------------------------------------------------------- */

RESULT legacy_filter(struct arena *arena, struct dynamodb_FilterConditionMap filter,
                     struct str conditional_operator, const struct condition **out,
                     struct value_failure *failure)
{
    const struct condition **all = ARENA_ARRAY(arena, filter.len, const struct condition *);
    TRY(check_operator(arena, conditional_operator, filter.len, failure));
    for (size_t i = 0; i < filter.len; i++) {
        const struct dynamodb_FilterConditionMap_entry *entry = &filter.items[i];
        TRY(compare(arena, entry->value.ComparisonOperator, entry->key,
                    entry->value.AttributeValueList.items, entry->value.AttributeValueList.len,
                    &all[i], failure));
    }
    *out = join(arena, all, filter.len, join_kind(conditional_operator));
    return RESULT_OK;
}

RESULT legacy_key_conditions(struct arena *arena, struct dynamodb_KeyConditions conditions,
                             const struct condition **out, struct value_failure *failure)
{
    const struct condition **all = ARENA_ARRAY(arena, conditions.len, const struct condition *);
    for (size_t i = 0; i < conditions.len; i++) {
        const struct dynamodb_KeyConditions_entry *entry = &conditions.items[i];
        TRY(compare(arena, entry->value.ComparisonOperator, entry->key,
                    entry->value.AttributeValueList.items, entry->value.AttributeValueList.len,
                    &all[i], failure));
    }
    if (conditions.items != NULL &&
        (conditions.len == 0 || conditions.len > 2 * (size_t)KEY_ATTRIBUTES_MAX))
        return value_fail(arena, failure, "Conditions can be of length 1 or 2 only");
    for (size_t i = 0; i < conditions.len; i++)
        if (!find_comparison(conditions.items[i].value.ComparisonOperator)->indexable)
            return value_fail(arena, failure,
                              "Attempted conditional constraint is not an indexable operation");
    *out = join(arena, all, conditions.len, CONDITION_AND);
    return RESULT_OK;
}

/* --- updates and projections ------------------------------------------------------------------ */

static RESULT make_clause(struct arena *arena, const struct dynamodb_AttributeUpdates_entry *entry,
                          struct update_clause *out, struct value_failure *failure)
{
    struct str action = entry->value.Action.ptr == NULL ? STR("PUT") : entry->value.Action;
    struct dynamodb_AttributeValue *value = entry->value.Value;
    bool delete = str_eq(action, STR("DELETE"));
    TRY(value_check_name(arena, entry->key, failure));
    *out = (struct update_clause){.action = delete ? UPDATE_REMOVE : UPDATE_SET,
                                  .legacy = true,
                                  .path = make_path(arena, entry->key),
                                  .operand = {.kind = OPERAND_VALUE, .value = value}};
    if (value == NULL) {
        if (!delete)
            return value_fail(arena, failure,
                              INVALID "Only DELETE action is allowed when no attribute value is "
                                      "specified");
        return RESULT_OK;
    }
    TRY(value_check(arena, value, failure));
    enum value_type type = value_type(value);
    bool is_set = type == VALUE_SS || type == VALUE_NS || type == VALUE_BS;
    if (delete) {
        out->action = UPDATE_DELETE;
        if (!is_set)
            return value_fail(arena, failure,
                              INVALID "DELETE action with value is not supported for the type %.*s",
                              PRSTR(value_type_name(type)));
    } else if (str_eq(action, STR("ADD"))) {
        out->action = UPDATE_ADD;
        if (!is_set && type != VALUE_N && type != VALUE_L)
            return value_fail(arena, failure,
                              INVALID "ADD action is not supported for the type %.*s",
                              PRSTR(value_type_name(type)));
    }
    return RESULT_OK;
}

RESULT legacy_updates(struct arena *arena, struct dynamodb_AttributeUpdates updates,
                      const struct update **out, struct value_failure *failure)
{
    *out = NULL;
    if (updates.len == 0)
        return RESULT_OK;
    struct update_clause *clauses = ARENA_ARRAY(arena, updates.len, struct update_clause);
    struct update *update = ARENA_NEW(arena, struct update);
    *update = (struct update){.clauses = clauses, .len = updates.len};
    for (size_t i = 0; i < updates.len; i++) {
        const struct path *other = NULL;
        bool conflict = false;
        TRY(make_clause(arena, &updates.items[i], &clauses[i], failure));
        if (!path_tree_add(arena, &update->root, &clauses[i].path, &clauses[i], &other, &conflict))
            return value_fail(arena, failure, INVALID "Duplicate value in attribute name: %.*s",
                              PRSTR(updates.items[i].key));
    }
    *out = update;
    return RESULT_OK;
}

RESULT legacy_projection(struct arena *arena, struct str_list attributes_to_get,
                         const struct projection **out, struct value_failure *failure)
{
    *out = NULL;
    if (attributes_to_get.len == 0)
        return RESULT_OK;
    struct projection *projection = ARENA_NEW(arena, struct projection);
    struct path *paths = ARENA_ARRAY(arena, attributes_to_get.len, struct path);
    for (size_t i = 0; i < attributes_to_get.len; i++) {
        const struct path *other = NULL;
        bool conflict = false;
        TRY(value_check_name(arena, attributes_to_get.items[i], failure));
        paths[i] = make_path(arena, attributes_to_get.items[i]);
        if (!path_tree_add(arena, &projection->root, &paths[i], NULL, &other, &conflict))
            return value_fail(arena, failure, INVALID "Duplicate value in attribute name: %.*s",
                              PRSTR(attributes_to_get.items[i]));
    }
    *out = projection;
    return RESULT_OK;
}
