/* Conditions on items ("Condition and filter expressions, operators, and functions in DynamoDB").
 * What cannot be compared - an absent attribute, another type - makes a comparison false, and <>
 * true; nothing here fails. */
#include "services/dynamodb/expression_int.h"
#include "services/dynamodb/number.h"

/* An operand's value, or NULL: there is none. `made` is where a size goes. */
struct made {
    struct dynamodb_AttributeValue value;
    char text[24];
};

/* The length of a string as Java has it: a character of four bytes counts twice. */
static size_t string_length(struct str s)
{
    size_t length = str_utf8_length(s);
    for (size_t i = 0; i < s.len; i++)
        length += (unsigned char)s.ptr[i] >= 0xF0;
    return length;
}

static bool size_of(const struct dynamodb_AttributeValue *value, size_t *size)
{
    switch (value_type(value)) {
    case VALUE_S:
        *size = string_length(value->S);
        return true;
    case VALUE_B:
        *size = value->B.len;
        return true;
    case VALUE_SS:
        *size = value->SS.len;
        return true;
    case VALUE_NS:
        *size = value->NS.len;
        return true;
    case VALUE_BS:
        *size = value->BS.len;
        return true;
    case VALUE_M:
        *size = value->M.len;
        return true;
    case VALUE_L:
        *size = value->L.len;
        return true;
    case VALUE_N:
    case VALUE_NULL:
    case VALUE_BOOL:
    case VALUE_NONE:
        break;
    }
    return false;
}

static const struct dynamodb_AttributeValue *operand_value(const struct operand *operand,
                                                           const struct dynamodb_AttributeMap *item,
                                                           struct made *made)
{
    if (operand->kind == OPERAND_VALUE)
        return operand->value;
    if (operand->kind == OPERAND_PATH)
        return path_find(&operand->path, item);
    ASSERT(operand->kind == OPERAND_SIZE);
    const struct dynamodb_AttributeValue *of = operand_value(operand->left, item, made);
    size_t size = 0;
    if (of == NULL || !size_of(of, &size))
        return NULL;
    struct buf text;
    buf_init_fixed(&text, made->text, sizeof(made->text));
    buf_append_u64(&text, size);
    made->value = (struct dynamodb_AttributeValue){.N = buf_str(&text)};
    return &made->value;
}

/* False: these two have no order. */
static bool order(const struct dynamodb_AttributeValue *a, const struct dynamodb_AttributeValue *b,
                  int *out)
{
    if (a == NULL || b == NULL)
        return false;
    enum value_type type = value_type(a);
    if (type != value_type(b) || (type != VALUE_S && type != VALUE_N && type != VALUE_B))
        return false;
    *out = value_compare(a, b);
    return true;
}

static bool equal(struct arena *arena, const struct dynamodb_AttributeValue *a,
                  const struct dynamodb_AttributeValue *b)
{
    return a != NULL && b != NULL && value_equal(arena, a, b);
}

static bool has_member(struct str_list set, struct str member)
{
    for (size_t i = 0; i < set.len; i++)
        if (str_eq(set.items[i], member))
            return true;
    return false;
}

/* A part of a string or a binary, a member of a set, an element of a list. */
static bool contains(struct arena *arena, const struct dynamodb_AttributeValue *in,
                     const struct dynamodb_AttributeValue *what)
{
    if (in == NULL || what == NULL)
        return false;
    for (size_t i = 0; i < in->L.len; i++)
        if (value_equal(arena, &in->L.items[i], what))
            return true;
    switch (value_type(what)) {
    case VALUE_S:
        if (in->S.ptr != NULL)
            return str_find(in->S, what->S) != SIZE_MAX;
        return has_member(in->SS, what->S);
    case VALUE_N:
        return has_member(in->NS, what->N);
    case VALUE_B:
        if (in->B.ptr != NULL)
            return str_find(in->B, what->B) != SIZE_MAX;
        return has_member(in->BS, what->B);
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
    case VALUE_M:
    case VALUE_L:
    case VALUE_NULL:
    case VALUE_BOOL:
    case VALUE_NONE:
        break;
    }
    return false;
}

static bool begins_with(const struct dynamodb_AttributeValue *value,
                        const struct dynamodb_AttributeValue *prefix)
{
    if (value == NULL || prefix == NULL)
        return false;
    if (value->S.ptr != NULL && prefix->S.ptr != NULL)
        return str_starts_with(value->S, prefix->S);
    return value->B.ptr != NULL && prefix->B.ptr != NULL && str_starts_with(value->B, prefix->B);
}

static bool holds_ordered(enum condition_kind kind, const struct dynamodb_AttributeValue *a,
                          const struct dynamodb_AttributeValue *b)
{
    int sign;
    if (!order(a, b, &sign))
        return false;
    switch ((int)kind) {
    case CONDITION_LT:
        return sign < 0;
    case CONDITION_LE:
        return sign <= 0;
    case CONDITION_GT:
        return sign > 0;
    default:
        return sign >= 0;
    }
}

static bool holds_compared(struct arena *arena, const struct condition *condition,
                           const struct dynamodb_AttributeMap *item)
{
    const struct operand *operands = condition->operands;
    struct made made[2];
    const struct dynamodb_AttributeValue *first = operand_value(&operands[0], item, &made[0]);
    if (condition->kind == CONDITION_EXISTS)
        return first != NULL;
    if (condition->kind == CONDITION_NOT_EXISTS)
        return first == NULL;
    if (condition->kind == CONDITION_IN) {
        for (size_t i = 1; i < condition->operand_count; i++)
            if (equal(arena, first, operand_value(&operands[i], item, &made[1])))
                return true;
        return false;
    }
    const struct dynamodb_AttributeValue *second = operand_value(&operands[1], item, &made[1]);
    switch ((int)condition->kind) {
    case CONDITION_EQ:
        return equal(arena, first, second);
    case CONDITION_NE:
        return !equal(arena, first, second);
    case CONDITION_BETWEEN: {
        struct made third;
        return holds_ordered(CONDITION_GE, first, second) &&
               holds_ordered(CONDITION_LE, first, operand_value(&operands[2], item, &third));
    }
    case CONDITION_TYPE:
        return first != NULL && second != NULL && second->S.ptr != NULL &&
               str_eq(value_type_name(value_type(first)), second->S);
    case CONDITION_BEGINS_WITH:
        return begins_with(first, second);
    case CONDITION_CONTAINS:
        return contains(arena, first, second);
    case CONDITION_NOT_CONTAINS:
        return first != NULL && !contains(arena, first, second);
    default:
        return holds_ordered(condition->kind, first, second);
    }
}

static bool holds(struct arena *arena, const struct condition *condition,
                  const struct dynamodb_AttributeMap *item)
{
    if (condition->kind == CONDITION_OR)
        return holds(arena, condition->left, item) || holds(arena, condition->right, item);
    if (condition->kind == CONDITION_AND)
        return holds(arena, condition->left, item) && holds(arena, condition->right, item);
    if (condition->kind == CONDITION_NOT)
        return !holds(arena, condition->left, item);
    return holds_compared(arena, condition, item);
}

bool condition_holds(struct arena *arena, const struct condition *condition,
                     const struct dynamodb_AttributeMap *item)
{
    static const struct dynamodb_AttributeMap none = {0};
    return holds(arena, condition, item == NULL ? &none : item);
}
