/* Key conditions: what a condition must be to be one, and what it says of a key ("Key condition
 * expressions for the Query operation in DynamoDB"). */
#include "services/dynamodb/expression_int.h"

#define INVALID "One or more parameter values were invalid: "

static const char *const operator_names[] = {
    [CONDITION_OR] = "OR",
    [CONDITION_AND] = "AND",
    [CONDITION_NOT] = "NOT",
    [CONDITION_EQ] = "=",
    [CONDITION_NE] = "<>",
    [CONDITION_LT] = "<",
    [CONDITION_LE] = "<=",
    [CONDITION_GT] = ">",
    [CONDITION_GE] = ">=",
    [CONDITION_BETWEEN] = "BETWEEN",
    [CONDITION_IN] = "IN",
    [CONDITION_EXISTS] = "attribute_exists",
    [CONDITION_NOT_EXISTS] = "attribute_not_exists",
    [CONDITION_TYPE] = "attribute_type",
    [CONDITION_BEGINS_WITH] = "begins_with",
    [CONDITION_CONTAINS] = "contains",
    [CONDITION_NOT_CONTAINS] = "NOT_CONTAINS",
};

enum { PARTS_MAX = 2 * KEY_ATTRIBUTES_MAX };

/* Each key attribute's condition, in the order of the expression. */
struct parts {
    const struct condition *items[PARTS_MAX];
    size_t len;
};

static RESULT fail_operator(struct expression_scope *scope, const char *name)
{
    return value_fail(scope->arena, scope->failure,
                      "Invalid operator used in KeyConditionExpression: %s", name);
}

static RESULT check_shape(struct expression_scope *scope, const struct condition *condition)
{
    switch (condition->kind) {
    case CONDITION_AND:
        TRY(check_shape(scope, condition->left));
        return check_shape(scope, condition->right);
    case CONDITION_EQ:
    case CONDITION_LT:
    case CONDITION_LE:
    case CONDITION_GT:
    case CONDITION_GE:
    case CONDITION_BETWEEN:
    case CONDITION_BEGINS_WITH:
        break;
    case CONDITION_OR:
    case CONDITION_NOT:
    case CONDITION_NE:
    case CONDITION_IN:
    case CONDITION_EXISTS:
    case CONDITION_NOT_EXISTS:
    case CONDITION_TYPE:
    case CONDITION_CONTAINS:
    case CONDITION_NOT_CONTAINS:
        return fail_operator(scope, operator_names[condition->kind]);
    }
    size_t paths = 0;
    for (size_t i = 0; i < condition->operand_count; i++) {
        const struct operand *operand = &condition->operands[i];
        if (operand->kind == OPERAND_SIZE)
            return fail_operator(scope, "size");
        if (operand->kind != OPERAND_PATH)
            continue;
        paths++;
        if (operand->path.len > 1)
            return value_fail(
                scope->arena, scope->failure,
                "KeyConditionExpressions cannot have conditions on nested attributes");
    }
    if (paths == 0)
        return value_fail(
            scope->arena, scope->failure,
            "Invalid condition in KeyConditionExpression: No key attribute specified");
    if (paths > 1)
        return value_fail(scope->arena, scope->failure,
                          "Invalid condition in KeyConditionExpression: Multiple attribute names "
                          "used in one condition");
    bool first = condition->operands[0].kind == OPERAND_PATH;
    if (!first &&
        (condition->kind == CONDITION_BETWEEN || condition->kind == CONDITION_BEGINS_WITH))
        return value_fail(scope->arena, scope->failure,
                          "Invalid condition in KeyConditionExpression: %s operator must have the "
                          "key attribute as its first operand",
                          operator_names[condition->kind]);
    return RESULT_OK;
}

/* The attribute that a comparison is about. */
static struct str part_name(const struct condition *part)
{
    const struct operand *operands = part->operands;
    return operands[operands[0].kind == OPERAND_PATH ? 0 : 1].path.elements[0].name;
}

static RESULT collect(struct arena *arena, const struct condition *condition, struct parts *parts,
                      struct value_failure *failure)
{
    if (condition->kind == CONDITION_AND) {
        TRY(collect(arena, condition->left, parts, failure));
        return collect(arena, condition->right, parts, failure);
    }
    for (size_t i = 0; i < parts->len; i++)
        if (str_eq(part_name(parts->items[i]), part_name(condition)))
            return value_fail(arena, failure,
                              "KeyConditionExpressions must only contain one condition per key");
    if (parts->len == PARTS_MAX)
        return value_fail(arena, failure, "Conditions can be of length 1 or 2 only");
    parts->items[parts->len++] = condition;
    return RESULT_OK;
}

RESULT key_condition_parse(struct expression_scope *scope, struct str text,
                           const struct condition **out)
{
    const struct condition *condition = NULL;
    TRY(condition_parse(scope, EXPRESSION_KEY_CONDITION, text, &condition));
    TRY(check_shape(scope, condition));
    struct parts parts = {0};
    TRY(collect(scope->arena, condition, &parts, scope->failure));
    *out = condition;
    return RESULT_OK;
}

/* --- against a schema ------------------------------------------------------------------------- */

static RESULT fail_missed(struct arena *arena, struct str name, struct value_failure *failure)
{
    return value_fail(arena, failure, "Query condition missed key schema element: %.*s",
                      PRSTR(name));
}

static enum key_operator part_operator(const struct condition *part)
{
    /* ":v < key" says that key > :v. */
    bool mirrored = part->operands[0].kind != OPERAND_PATH;
    switch ((int)part->kind) {
    case CONDITION_LT:
        return mirrored ? KEY_GT : KEY_LT;
    case CONDITION_LE:
        return mirrored ? KEY_GE : KEY_LE;
    case CONDITION_GT:
        return mirrored ? KEY_LT : KEY_GT;
    case CONDITION_GE:
        return mirrored ? KEY_LE : KEY_GE;
    case CONDITION_BETWEEN:
        return KEY_BETWEEN;
    case CONDITION_BEGINS_WITH:
        return KEY_BEGINS_WITH;
    default:
        return KEY_EQ;
    }
}

static const struct dynamodb_AttributeValue *part_value(const struct condition *part)
{
    return part->operands[part->operands[0].kind == OPERAND_PATH ? 1 : 0].value;
}

static RESULT check_value(struct arena *arena, const struct condition *part, enum value_type type,
                          bool is_sort, struct value_failure *failure)
{
    for (size_t i = 0; i < part->operand_count; i++) {
        const struct dynamodb_AttributeValue *value = part->operands[i].value;
        if (part->operands[i].kind != OPERAND_VALUE)
            continue;
        if (value_type(value) != type)
            return value_fail(arena, failure,
                              INVALID "Condition parameter type does not match schema type");
        TRY(value_check_key(arena, part_name(part), value, is_sort, failure));
    }
    return RESULT_OK;
}

/* The condition on an attribute, taken from the parts; NULL: there is none. */
static const struct condition *take_part(struct parts *parts, struct str name)
{
    for (size_t i = 0; i < parts->len; i++) {
        const struct condition *part = parts->items[i];
        if (!str_eq(part_name(part), name))
            continue;
        parts->len--;
        for (; i < parts->len; i++)
            parts->items[i] = parts->items[i + 1];
        return part;
    }
    return NULL;
}

static RESULT fail_unsupported(struct arena *arena, struct value_failure *failure)
{
    return value_fail(arena, failure, "Query key condition not supported");
}

/* "Specify all partition key attributes using equality conditions." */
static RESULT resolve_partition(struct arena *arena, const struct key_schema *schema,
                                struct parts *parts, struct key_condition *out,
                                struct value_failure *failure)
{
    const struct condition *found[KEY_ATTRIBUTES_MAX];
    for (size_t i = 0; i < schema->partition_len; i++) {
        found[i] = take_part(parts, schema->partition[i].name);
        if (found[i] == NULL)
            return fail_missed(arena, schema->partition[i].name, failure);
    }
    if (parts->len > 0 && schema->sort_len == 0)
        return fail_unsupported(arena, failure);
    for (size_t i = 0; i < parts->len; i++) {
        size_t k = 0;
        while (k < schema->sort_len && !str_eq(schema->sort[k].name, part_name(parts->items[i])))
            k++;
        if (k == schema->sort_len)
            return fail_missed(arena, schema->sort[0].name, failure);
    }
    for (size_t i = 0; i < schema->partition_len; i++) {
        if (found[i]->kind != CONDITION_EQ)
            return fail_unsupported(arena, failure);
        TRY(check_value(arena, found[i], schema->partition[i].type, false, failure));
        out->partition[out->partition_len++] = part_value(found[i]);
    }
    return RESULT_OK;
}

/* "Sort key attributes must be queried from left to right"; what is no equality comes last. */
static RESULT resolve_sort(struct arena *arena, const struct key_schema *schema,
                           struct parts *parts, struct key_condition *out,
                           struct value_failure *failure)
{
    for (size_t i = 0; i < schema->sort_len && parts->len > 0; i++) {
        const struct condition *part = take_part(parts, schema->sort[i].name);
        if (part == NULL)
            return fail_missed(arena, schema->sort[i].name, failure);
        TRY(check_value(arena, part, schema->sort[i].type, true, failure));
        if (parts->len > 0) {
            if (part->kind != CONDITION_EQ)
                return fail_unsupported(arena, failure);
            out->equal[out->equal_len++] = part_value(part);
            continue;
        }
        out->relation = part_operator(part);
        out->sort = part_value(part);
        if (out->relation == KEY_BETWEEN)
            out->sort_high = part->operands[2].value;
    }
    return RESULT_OK;
}

RESULT key_condition_resolve(struct arena *arena, const struct condition *condition,
                             const struct key_schema *schema, struct key_condition *out,
                             struct value_failure *failure)
{
    struct parts parts = {0};
    struct key_condition key = {0};
    TRY(collect(arena, condition, &parts, failure));
    if (parts.len > 2 && schema->partition_len == 1 && schema->sort_len <= 1)
        return value_fail(arena, failure, "Conditions can be of length 1 or 2 only");
    TRY(resolve_partition(arena, schema, &parts, &key, failure));
    TRY(resolve_sort(arena, schema, &parts, &key, failure));
    *out = key;
    return RESULT_OK;
}
