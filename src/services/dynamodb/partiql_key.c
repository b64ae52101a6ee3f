/* What a WHERE clause says of keys. */
#include "base/vec.h"
#include "services/dynamodb/partiql_int.h"

struct split {
    struct arena *arena;
    const struct key_schema *schema;
    const struct condition *partition, *sort, *rest;
};

static void join(struct arena *arena, const struct condition **all, const struct condition *one)
{
    if (*all == NULL) {
        *all = one;
        return;
    }
    struct condition *condition = ARENA_NEW(arena, struct condition);
    *condition = (struct condition){.kind = CONDITION_AND, .left = *all, .right = one};
    *all = condition;
}

/* An attribute beside values of one type. */
static bool is_about(const struct condition *condition, const struct key_attribute *attribute)
{
    struct str name = attribute->name;
    if (name.ptr == NULL || condition->operand_count < 2)
        return false;
    const struct operand *path = &condition->operands[0];
    if (path->kind != OPERAND_PATH || path->path.len != 1 ||
        !str_eq(path->path.elements[0].name, name))
        return false;
    for (size_t i = 1; i < condition->operand_count; i++)
        if (condition->operands[i].kind != OPERAND_VALUE ||
            value_type(condition->operands[i].value) != attribute->type)
            return false;
    return true;
}

static bool is_sort_operator(enum condition_kind kind)
{
    return kind == CONDITION_EQ || kind == CONDITION_LT || kind == CONDITION_LE ||
           kind == CONDITION_GT || kind == CONDITION_GE || kind == CONDITION_BETWEEN ||
           kind == CONDITION_BEGINS_WITH;
}

static void split(struct split *s, const struct condition *condition)
{
    const struct key_schema *schema = s->schema;
    if (condition->kind == CONDITION_AND) {
        split(s, condition->left);
        split(s, condition->right);
    } else if (s->partition == NULL && condition->kind == CONDITION_EQ &&
               is_about(condition, &schema->partition[0])) {
        s->partition = condition;
    } else if (s->sort == NULL && is_sort_operator(condition->kind) &&
               is_about(condition, &schema->sort[0])) {
        s->sort = condition;
    } else {
        join(s->arena, &s->rest, condition);
    }
}

void partiql_split(struct arena *arena, const struct condition *where,
                   const struct key_schema *schema, const struct condition **keys,
                   const struct condition **rest)
{
    struct split s = {.arena = arena, .schema = schema};
    *keys = NULL;
    *rest = where;
    if (where == NULL)
        return;
    split(&s, where);
    if (s.partition == NULL)
        return;
    *keys = s.partition;
    *rest = s.rest;
    if (s.sort != NULL)
        join(arena, keys, s.sort);
}

/* --- partitions ------------------------------------------------------------------------------- */

struct values {
    const struct dynamodb_AttributeValue **items;
    size_t len, cap;
};

static void add(struct arena *arena, struct values *values,
                const struct dynamodb_AttributeValue *value)
{
    size_t at = 0;
    while (at < values->len && value_compare(values->items[at], value) < 0)
        at++;
    if (at < values->len && value_compare(values->items[at], value) == 0)
        return;
    VEC_PUSH(arena, values->items, values->len, values->cap, value);
    for (size_t i = values->len - 1; i > at; i--)
        values->items[i] = values->items[i - 1];
    values->items[at] = value;
}

/* False: any partition may hold what the condition asks for. */
static bool gather(struct arena *arena, const struct condition *condition,
                   const struct key_schema *schema, struct values *out)
{
    struct values left = {0};
    struct values right = {0};
    switch ((int)condition->kind) {
    case CONDITION_AND: {
        bool by_left = gather(arena, condition->left, schema, &left);
        bool by_right = gather(arena, condition->right, schema, &right);
        *out = by_left && (!by_right || left.len <= right.len) ? left : right;
        return by_left || by_right;
    }
    case CONDITION_OR:
        if (!gather(arena, condition->left, schema, out) ||
            !gather(arena, condition->right, schema, &right))
            return false;
        for (size_t i = 0; i < right.len; i++)
            add(arena, out, right.items[i]);
        return true;
    case CONDITION_EQ:
    case CONDITION_IN:
        if (!is_about(condition, &schema->partition[0]))
            return false;
        for (size_t i = 1; i < condition->operand_count; i++)
            add(arena, out, condition->operands[i].value);
        return true;
    default:
        return false;
    }
}

static const struct condition *find_sort(const struct condition *condition,
                                         const struct key_schema *schema)
{
    if (condition->kind == CONDITION_AND) {
        const struct condition *left = find_sort(condition->left, schema);
        return left != NULL ? left : find_sort(condition->right, schema);
    }
    return is_sort_operator(condition->kind) && is_about(condition, &schema->sort[0]) ? condition
                                                                                      : NULL;
}

bool partiql_partitions(struct arena *arena, const struct condition *where,
                        const struct key_schema *schema, struct partiql_partitions *out)
{
    struct values values = {0};
    /* A key of several attributes is looked for in all partitions. */
    if (where == NULL || schema->partition_len > 1 || !gather(arena, where, schema, &values))
        return false;
    out->sort = find_sort(where, schema);
    out->values = values.items;
    out->count = values.len;
    return true;
}

const struct condition *partiql_key_condition(struct arena *arena, const struct key_schema *schema,
                                              const struct partiql_partitions *partitions, size_t i)
{
    struct path_element *element = ARENA_NEW(arena, struct path_element);
    struct operand *operands = ARENA_ARRAY(arena, 2, struct operand);
    struct condition *condition = ARENA_NEW(arena, struct condition);
    element->name = schema->partition[0].name;
    operands[0] = (struct operand){.kind = OPERAND_PATH, .path = {element, 1}};
    operands[1] = (struct operand){.kind = OPERAND_VALUE, .value = partitions->values[i]};
    *condition = (struct condition){.kind = CONDITION_EQ, .operands = operands, .operand_count = 2};
    const struct condition *all = condition;
    if (partitions->sort != NULL)
        join(arena, &all, partitions->sort);
    return all;
}

const struct condition *partiql_exists(struct arena *arena, struct str name, bool exists,
                                       const struct condition *and)
{
    struct path_element *element = ARENA_NEW(arena, struct path_element);
    struct operand *operand = ARENA_NEW(arena, struct operand);
    struct condition *condition = ARENA_NEW(arena, struct condition);
    element->name = name;
    *operand = (struct operand){.kind = OPERAND_PATH, .path = {element, 1}};
    *condition = (struct condition){.kind = exists ? CONDITION_EXISTS : CONDITION_NOT_EXISTS,
                                    .operands = operand,
                                    .operand_count = 1};
    const struct condition *all = condition;
    if (and != NULL)
        join(arena, &all, and);
    return all;
}
