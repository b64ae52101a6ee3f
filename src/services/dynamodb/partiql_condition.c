/* PartiQL's WHERE ("PartiQL functions for DynamoDB", "PartiQL arithmetic, comparison, and logical
 * operators for DynamoDB"). */
#include "base/vec.h"
#include "services/dynamodb/partiql_int.h"

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
    if (partiql_at_call(p))
        return value_fail(p->arena, p->failure, "Unrecognized function: %.*s at %.*s",
                          PRSTR(str_lower(p->arena, p->token)),
                          PRSTR(partiql_position(p, p->start, p->at)));
    if (!partiql_at_name(p))
        return partiql_unexpected(p);
    out->kind = OPERAND_PATH;
    return partiql_path(p, &out->path);
}

/* --- functions -------------------------------------------------------------------------------- */

enum { ARGUMENTS_MAX = 2 };
#define TYPES_TEXT (1u << VALUE_S | 1u << VALUE_B)
#define TYPES_ORDERED (TYPES_TEXT | 1u << VALUE_N)
#define TYPES_ALL 0xFFFFu

struct function {
    struct str name;
    const char *shown;
    enum condition_kind kind;
    size_t arguments;
    bool needs_path; /* first argument */
    unsigned types;  /* that a value given as argument may have, a bit each */
};

static RESULT check_types(struct partiql *p, const char *operator, unsigned types,
                          const struct operand *operands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (operands[i].kind != OPERAND_VALUE || types & 1u << value_type(operands[i].value))
            continue;
        return value_fail(p->arena, p->failure,
                          "Incorrect operand type for operator or function; operator or function: "
                          "%s, operand type: %.*s",
                          operator, PRSTR(value_type_name(value_type(operands[i].value))));
    }
    return RESULT_OK;
}

static const struct function *take_function(struct partiql *p)
{
    static const struct function functions[] = {
        {STR_INIT("BEGINS_WITH"), "begins_with", CONDITION_BEGINS_WITH, 2, false, TYPES_TEXT},
        {STR_INIT("CONTAINS"), "contains", CONDITION_CONTAINS, 2, false, TYPES_ALL},
        {STR_INIT("ATTRIBUTE_TYPE"), "attribute_type", CONDITION_TYPE, 2, true, 1u << VALUE_S},
        {STR_INIT("ATTRIBUTE_EXISTS"), "attribute_exists", CONDITION_EXISTS, 1, true, TYPES_ALL},
        {STR_INIT("ATTRIBUTE_NOT_EXISTS"), "attribute_not_exists", CONDITION_NOT_EXISTS, 1, true,
         TYPES_ALL},
    };
    if (!partiql_at_call(p))
        return NULL;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (partiql_take_word(p, functions[i].name))
            return &functions[i];
    return NULL;
}

/* What a function says may be compared with TRUE and FALSE. */
static RESULT parse_truth(struct partiql *p, const struct condition **out)
{
    struct operand truth;
    bool unequal = partiql_at(p, "<>") || partiql_at(p, "!=");
    if (!unequal && !partiql_at(p, "="))
        return RESULT_OK;
    partiql_next(p);
    TRY(partiql_need_right(p));
    TRY(partiql_operand(p, &truth));
    if (truth.kind != OPERAND_VALUE || !truth.value->BOOL.set)
        return partiql_unexpected(p);
    if (truth.value->BOOL.value == unequal)
        *out = make_condition(p, CONDITION_NOT, *out, NULL);
    return RESULT_OK;
}

static RESULT parse_function(struct partiql *p, const struct function *function,
                             const struct condition **out)
{
    struct operand operands[ARGUMENTS_MAX];
    size_t count = 0;
    partiql_next(p);
    while (!partiql_at(p, ")")) {
        struct operand operand;
        if (count > 0)
            TRY(partiql_expect(p, ","));
        TRY(partiql_operand(p, &operand));
        if (count < ARGUMENTS_MAX)
            operands[count] = operand;
        count++;
    }
    partiql_next(p);
    if (count != function->arguments)
        return value_fail(p->arena, p->failure,
                          "Incorrect number of operands for operator or function; operator or "
                          "function: %s, number of operands: %zu",
                          function->shown, count);
    if (function->needs_path && operands[0].kind != OPERAND_PATH)
        return value_fail(p->arena, p->failure,
                          "Operator or function requires a document path; operator or function: %s",
                          function->shown);
    TRY(check_types(p, function->shown, function->types, operands, count));
    *out = make_comparison(p, function->kind, operands, count);
    return parse_truth(p, out);
}

/* --- comparisons ------------------------------------------------------------------------------ */

/* Whether one of the list's names, which blanks part, stands here. */
static bool at_one_of(const struct partiql *p, const char *names)
{
    struct str rest = str_from_c(names);
    while (rest.len > 0) {
        size_t end = str_find_char(rest, ' ');
        if (partiql_at_word(p, str_slice(rest, 0, end)))
            return true;
        rest = str_slice(rest, end == SIZE_MAX ? end : end + 1, rest.len);
    }
    return false;
}

/* PartiQL's names of types, and DynamoDB's: one after the other. */
static RESULT take_type(struct partiql *p, const char **types)
{
    static const struct {
        const char *types, *names;
    } kinds[] = {
        {"NULL\0", "NULL"},
        {"BOOL\0", "BOOL BOOLEAN"},
        {"S\0", "STRING CHAR VARCHAR CHARACTER SYMBOL"},
        {"N\0", "INT INT2 INT4 INT8 INTEGER SMALLINT BIGINT FLOAT REAL DOUBLE DECIMAL NUMERIC"},
        {"B\0", "BLOB CLOB"},
        {"M\0", "STRUCT TUPLE"},
        {"L\0", "LIST"},
        {"SS\0NS\0BS\0", "BAG"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!at_one_of(p, kinds[i].names))
            continue;
        bool is_double = partiql_at_word(p, STR("DOUBLE"));
        bool varying = partiql_at_word(p, STR("CHARACTER"));
        *types = kinds[i].types;
        partiql_next(p);
        if (varying)
            (void)partiql_take_word(p, STR("VARYING"));
        if (!is_double || partiql_take_word(p, STR("PRECISION")))
            return RESULT_OK;
        break;
    }
    return partiql_malformed(p, "Expected type name");
}

static const struct condition *make_type(struct partiql *p, const struct operand *operand,
                                         const char *type)
{
    struct dynamodb_AttributeValue *name = ARENA_NEW(p->arena, struct dynamodb_AttributeValue);
    name->S = str_from_c(type);
    const struct operand operands[2] = {*operand, {.kind = OPERAND_VALUE, .value = name}};
    return make_comparison(p, CONDITION_TYPE, operands, 2);
}

/* IS [NOT] MISSING, IS [NOT] NULL, IS [NOT] STRING ... */
static RESULT parse_is(struct partiql *p, const struct operand *operand,
                       const struct condition **out)
{
    bool negated = partiql_take_word(p, STR("NOT"));
    const char *types = NULL;
    if (operand->kind != OPERAND_PATH)
        return partiql_unexpected(p);
    if (partiql_take_word(p, STR("MISSING"))) {
        *out = make_comparison(p, negated ? CONDITION_EXISTS : CONDITION_NOT_EXISTS, operand, 1);
        return RESULT_OK;
    }
    TRY(take_type(p, &types));
    *out = make_type(p, operand, types);
    for (types += strlen(types) + 1; *types != '\0'; types += strlen(types) + 1)
        *out = make_condition(p, CONDITION_OR, *out, make_type(p, operand, types));
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
    *out = make_comparison(p, CONDITION_IN, operands, len);
    return RESULT_OK;
}

static const char *take_operator(struct partiql *p, enum condition_kind *kind)
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
            return operators[i].symbol;
    }
    return NULL;
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
    const struct function *function = take_function(p);
    if (function != NULL)
        return parse_function(p, function, out);
    struct operand operands[3];
    TRY(partiql_operand(p, &operands[0]));
    const char *operator= take_operator(p, &kind);
    if (operator!= NULL) {
        TRY(partiql_need_right(p));
        TRY(partiql_operand(p, &operands[1]));
        if (kind != CONDITION_EQ && kind != CONDITION_NE)
            TRY(check_types(p, operator, TYPES_ORDERED, operands, 2));
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
        TRY(check_types(p, "BETWEEN", TYPES_ORDERED, operands, 3));
        *out = make_comparison(p, CONDITION_BETWEEN, operands, 3);
    } else if (partiql_take_word(p, STR("IN"))) {
        TRY(parse_in(p, &operands[0], out));
    } else if (!negated && partiql_take_word(p, STR("IS"))) {
        return parse_is(p, &operands[0], out);
    } else {
        return partiql_unexpected(p);
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
        TRY(partiql_need_right(p));
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
        TRY(partiql_need_right(p));
        TRY(parse_and(p, &right));
        *out = make_condition(p, CONDITION_OR, *out, right);
    }
    return RESULT_OK;
}
