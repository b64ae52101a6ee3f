/* PartiQL's WHERE ("PartiQL functions for DynamoDB", "PartiQL arithmetic, comparison, and logical
 * operators for DynamoDB"). */
#include "base/vec.h"
#include "services/dynamodb/partiql_int.h"

enum { IN_MAX = 100 };

static const struct condition *make_condition(struct partiql *p, enum condition_kind kind,
                                              const struct condition *left,
                                              const struct condition *right)
{
    struct condition *condition = ARENA_NEW(p->arena, struct condition);
    *condition = (struct condition){.kind = kind, .left = left, .right = right};
    return condition;
}

static const struct condition *make_comparison(struct partiql *p, enum condition_kind kind,
                                               const struct operand *operands, size_t count)
{
    struct condition *condition = ARENA_NEW(p->arena, struct condition);
    struct operand *copy = arena_alloc_raw(p->arena, count * sizeof(struct operand));
    memcpy(copy, operands, count * sizeof(struct operand));
    *condition = (struct condition){.kind = kind, .operands = copy, .operand_count = count};
    return condition;
}

RESULT partiql_operand(struct partiql *p, struct operand *out)
{
    struct dynamodb_AttributeValue value;
    bool found = false;
    TRY(partiql_value(p, &value, &found));
    *out = (struct operand){.kind = OPERAND_VALUE};
    if (found) {
        struct dynamodb_AttributeValue *kept = ARENA_NEW(p->arena, struct dynamodb_AttributeValue);
        *kept = value;
        out->value = kept;
        return RESULT_OK;
    }
    struct partiql ahead = *p;
    if (partiql_take_word(&ahead, STR("SIZE")) && partiql_at(&ahead, "(")) {
        *p = ahead;
        struct operand *of = ARENA_NEW(p->arena, struct operand);
        partiql_next(p);
        TRY(partiql_path(p, &of->path));
        *out = (struct operand){.kind = OPERAND_SIZE, .left = of};
        return partiql_expect(p, ")");
    }
    out->kind = OPERAND_PATH;
    return partiql_path(p, &out->path);
}

/* --- functions -------------------------------------------------------------------------------- */

static bool at_function(const struct partiql *p, enum condition_kind *kind)
{
    static const struct {
        struct str name;
        enum condition_kind kind;
    } functions[] = {{STR_INIT("BEGINS_WITH"), CONDITION_BEGINS_WITH},
                     {STR_INIT("CONTAINS"), CONDITION_CONTAINS},
                     {STR_INIT("ATTRIBUTE_TYPE"), CONDITION_TYPE}};
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        struct partiql ahead = *p;
        *kind = functions[i].kind;
        if (partiql_take_word(&ahead, functions[i].name) && partiql_at(&ahead, "("))
            return true;
    }
    return false;
}

static RESULT parse_function(struct partiql *p, enum condition_kind kind,
                             const struct condition **out)
{
    struct operand operands[2];
    partiql_next(p);
    TRY(partiql_expect(p, "("));
    TRY(partiql_operand(p, &operands[0]));
    TRY(partiql_expect(p, ","));
    TRY(partiql_operand(p, &operands[1]));
    TRY(partiql_expect(p, ")"));
    *out = make_comparison(p, kind, operands, 2);
    return RESULT_OK;
}

/* --- comparisons ------------------------------------------------------------------------------ */

/* IS [NOT] MISSING, IS [NOT] NULL */
static RESULT parse_is(struct partiql *p, const struct operand *operand,
                       const struct condition **out)
{
    bool negated = partiql_take_word(p, STR("NOT"));
    if (operand->kind != OPERAND_PATH)
        return partiql_malformed(p, "Unexpected term");
    if (partiql_take_word(p, STR("MISSING"))) {
        *out = make_comparison(p, negated ? CONDITION_EXISTS : CONDITION_NOT_EXISTS, operand, 1);
        return RESULT_OK;
    }
    TRY(partiql_expect_word(p, STR("NULL")));
    struct dynamodb_AttributeValue *null = ARENA_NEW(p->arena, struct dynamodb_AttributeValue);
    null->NULL_ = opt_bool(true);
    const struct operand operands[2] = {*operand, {.kind = OPERAND_VALUE, .value = null}};
    *out = make_comparison(p, CONDITION_EQ, operands, 2);
    if (negated)
        *out = make_condition(p, CONDITION_NOT, *out, NULL);
    return RESULT_OK;
}

static RESULT parse_in(struct partiql *p, const struct operand *first, const struct condition **out)
{
    const char *end = partiql_at(p, "[") ? "]" : ")";
    if (!partiql_take(p, "["))
        TRY(partiql_expect(p, "("));
    struct operand *operands = ARENA_NEW(p->arena, struct operand);
    size_t len = 1;
    size_t cap = 1;
    operands[0] = *first;
    do {
        struct operand operand;
        TRY(partiql_operand(p, &operand));
        VEC_PUSH(p->arena, operands, len, cap, operand);
    } while (partiql_take(p, ","));
    TRY(partiql_expect(p, end));
    /* "up to 50 hash attribute values or up to 100 non-key attribute values" ("PartiQL operators")
     */
    if (len - 1 > IN_MAX)
        return value_fail(p->arena, p->failure,
                          "The IN operator is given %zu values; the limit is %d", len - 1, IN_MAX);
    *out = make_comparison(p, CONDITION_IN, operands, len);
    return RESULT_OK;
}

static bool take_operator(struct partiql *p, enum condition_kind *kind)
{
    static const struct {
        const char *symbol;
        enum condition_kind kind;
    } operators[] = {{"=", CONDITION_EQ},  {"<>", CONDITION_NE}, {"!=", CONDITION_NE},
                     {"<=", CONDITION_LE}, {">=", CONDITION_GE}, {"<", CONDITION_LT},
                     {">", CONDITION_GT}};
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        *kind = operators[i].kind;
        if (partiql_take(p, operators[i].symbol))
            return true;
    }
    return false;
}

/* 5 < a: a > 5, so that keys are found wherever they stand. */
static void mirror(struct operand *operands, enum condition_kind *kind)
{
    const struct operand first = operands[0];
    operands[0] = operands[1];
    operands[1] = first;
    if (*kind == CONDITION_LT || *kind == CONDITION_LE)
        *kind = *kind == CONDITION_LT ? CONDITION_GT : CONDITION_GE;
    else if (*kind == CONDITION_GT || *kind == CONDITION_GE)
        *kind = *kind == CONDITION_GT ? CONDITION_LT : CONDITION_LE;
}

static RESULT parse_comparison(struct partiql *p, const struct condition **out)
{
    enum condition_kind kind;
    if (at_function(p, &kind))
        return parse_function(p, kind, out);
    struct operand operands[3];
    TRY(partiql_operand(p, &operands[0]));
    if (take_operator(p, &kind)) {
        TRY(partiql_operand(p, &operands[1]));
        if (operands[0].kind == OPERAND_VALUE && operands[1].kind == OPERAND_PATH)
            mirror(operands, &kind);
        *out = make_comparison(p, kind, operands, 2);
        return RESULT_OK;
    }
    bool negated = partiql_take_word(p, STR("NOT"));
    if (partiql_take_word(p, STR("BETWEEN"))) {
        TRY(partiql_operand(p, &operands[1]));
        TRY(partiql_expect_word(p, STR("AND")));
        TRY(partiql_operand(p, &operands[2]));
        *out = make_comparison(p, CONDITION_BETWEEN, operands, 3);
    } else if (partiql_take_word(p, STR("IN"))) {
        TRY(parse_in(p, &operands[0], out));
    } else if (!negated && partiql_take_word(p, STR("IS"))) {
        return parse_is(p, &operands[0], out);
    } else {
        return partiql_malformed(p, "Unexpected term");
    }
    if (negated)
        *out = make_condition(p, CONDITION_NOT, *out, NULL);
    return RESULT_OK;
}

static RESULT parse_not(struct partiql *p, const struct condition **out)
{
    if (++p->depth > PARTIQL_DEPTH_MAX)
        return partiql_malformed(p, "Too many operators");
    if (partiql_take_word(p, STR("NOT"))) {
        const struct condition *inner = NULL;
        TRY(parse_not(p, &inner));
        *out = make_condition(p, CONDITION_NOT, inner, NULL);
    } else if (partiql_take(p, "(")) {
        TRY(partiql_condition(p, out));
        TRY(partiql_expect(p, ")"));
    } else {
        TRY(parse_comparison(p, out));
    }
    p->depth--;
    return RESULT_OK;
}

static RESULT parse_and(struct partiql *p, const struct condition **out)
{
    TRY(parse_not(p, out));
    while (partiql_take_word(p, STR("AND"))) {
        const struct condition *right = NULL;
        TRY(parse_not(p, &right));
        *out = make_condition(p, CONDITION_AND, *out, right);
    }
    return RESULT_OK;
}

RESULT partiql_condition(struct partiql *p, const struct condition **out)
{
    TRY(parse_and(p, out));
    while (partiql_take_word(p, STR("OR"))) {
        const struct condition *right = NULL;
        TRY(parse_and(p, &right));
        *out = make_condition(p, CONDITION_OR, *out, right);
    }
    return RESULT_OK;
}
