/* The grammar of conditions, filters and key conditions, and what AWS says of them before it looks
 * at an item.
 *
 *   or         = and { OR and }
 *   and        = not { AND not }
 *   not        = NOT not | comparison
 *   comparison = term [ (= | <> | < | <= | > | >=) term | BETWEEN term AND term | IN "(" term { ","
 * term } ")" ] term       = "(" or ")" | path | value | function "(" term { "," term } ")"
 *
 * A parenthesis may hold a condition or an operand: what it was is known at its end ("Condition and
 * filter expressions, operators, and functions in DynamoDB"). */
#include "base/vec.h"
#include "services/dynamodb/expression_int.h"

enum { DEPTH_MAX = EXPRESSION_OPERATORS_MAX + 10 };

/* Either a condition, or an operand that waits for its comparison. */
struct term {
    const struct condition *condition;
    struct operand operand;
    struct str function; /* the operand is a call of it */
    bool parenthesised;
};

struct function {
    struct str name;
    enum condition_kind condition;
    bool is_condition;
    bool is_operand; /* size */
    bool needs_path; /* first argument */
    uint8_t arguments;
    uint16_t types; /* that a value given as argument may have, a bit each */
};

#define TYPE(name) (1u << VALUE_##name)
#define TYPES_ALL 0xFFFFu
#define TYPES_ORDERED (TYPE(S) | TYPE(N) | TYPE(B))

static const struct function functions[] = {
    {STR_INIT("attribute_not_exists"), CONDITION_NOT_EXISTS, true, false, true, 1, TYPES_ALL},
    {STR_INIT("attribute_exists"), CONDITION_EXISTS, true, false, true, 1, TYPES_ALL},
    {STR_INIT("attribute_type"), CONDITION_TYPE, true, false, true, 2, TYPE(S)},
    {STR_INIT("begins_with"), CONDITION_BEGINS_WITH, true, false, false, 2, TYPE(S) | TYPE(B)},
    {STR_INIT("contains"), CONDITION_CONTAINS, true, false, false, 2, TYPES_ALL},
    {STR_INIT("size"), CONDITION_OR, false, true, false, 1,
     TYPE(S) | TYPE(B) | TYPE(SS) | TYPE(NS) | TYPE(BS) | TYPE(M) | TYPE(L)},
    /* Of updates: known, and refused. */
    {STR_INIT("if_not_exists"), CONDITION_OR, false, false, false, 2, TYPES_ALL},
    {STR_INIT("list_append"), CONDITION_OR, false, false, false, 2, TYPES_ALL},
};

static RESULT parse_or(struct parser *parser, struct term *out);

static const struct condition *make_condition(struct parser *parser, enum condition_kind kind,
                                              const struct condition *left,
                                              const struct condition *right)
{
    struct condition *condition = ARENA_NEW(parser->scope->arena, struct condition);
    *condition = (struct condition){.kind = kind, .left = left, .right = right};
    return condition;
}

static const struct condition *make_comparison(struct parser *parser, enum condition_kind kind,
                                               const struct operand *operands, size_t count)
{
    struct condition *condition = ARENA_NEW(parser->scope->arena, struct condition);
    struct operand *copy = arena_alloc_raw(parser->scope->arena, count * sizeof(struct operand));
    memcpy(copy, operands, count * sizeof(struct operand));
    *condition = (struct condition){.kind = kind, .operands = copy, .operand_count = count};
    return condition;
}

/* --- checks ----------------------------------------------------------------------------------- */

static void note_wrong_use(struct parser *parser, struct str function)
{
    parser_problem(parser, PROBLEM_FUNCTION_USE,
                   "The function is not allowed to be used this way in an expression; "
                   "function: %.*s",
                   PRSTR(function));
}

/* A value, or a size, which is a number, of a type that the operator cannot take; `what` is
 * "operator" or "operator or function". */
static void check_type(struct parser *parser, const char *what, struct str name,
                       const struct operand *operand, unsigned types)
{
    bool size = operand->kind == OPERAND_SIZE;
    if (!size && (operand->kind != OPERAND_VALUE || operand->value == NULL))
        return;
    enum value_type type = size ? VALUE_N : value_type(operand->value);
    if (!(types & 1u << type))
        parser_problem(parser, PROBLEM_OPERAND_TYPE,
                       "Incorrect operand type for operator or function; %s: %.*s, "
                       "operand type: %.*s",
                       what, PRSTR(name), PRSTR(value_type_name(type)));
}

static void check_distinct(struct parser *parser, struct str name, const struct operand *operands,
                           size_t count)
{
    if (operands[0].kind != OPERAND_PATH)
        return;
    for (size_t i = 1; i < count; i++) {
        if (operands[i].kind != OPERAND_PATH || !path_equal(&operands[0].path, &operands[i].path))
            continue;
        struct str text = path_text(parser->scope->arena, &operands[0].path);
        parser_problem(parser, PROBLEM_DISTINCT,
                       "The first operand must be distinct from the remaining operands for this "
                       "operator or function; operator: %.*s, first operand: %.*s",
                       PRSTR(name), PRSTR(text));
        return;
    }
}

static struct str value_text(struct arena *arena, const struct dynamodb_AttributeValue *value)
{
    struct str text = value->S.ptr != NULL ? value->S : value->N.ptr != NULL ? value->N : value->B;
    return str_format(arena, "AttributeValue: {%.*s:%.*s}",
                      PRSTR(value_type_name(value_type(value))), PRSTR(text));
}

static void check_between(struct parser *parser, const struct operand *low,
                          const struct operand *high)
{
    if (low->kind != OPERAND_VALUE || high->kind != OPERAND_VALUE || low->value == NULL ||
        high->value == NULL)
        return;
    bool same = value_type(low->value) == value_type(high->value);
    if (!(TYPES_ORDERED & 1u << value_type(low->value)) ||
        !(TYPES_ORDERED & 1u << value_type(high->value)) ||
        (same && value_compare(low->value, high->value) <= 0))
        return;
    struct arena *arena = parser->scope->arena;
    parser_problem(parser, PROBLEM_OPERAND_TYPE,
                   "The BETWEEN operator requires %s; lower bound operand: %.*s, "
                   "upper bound operand: %.*s",
                   same ? "upper bound to be greater than or equal to lower bound"
                        : "same data type for lower and upper bounds",
                   PRSTR(value_text(arena, low->value)), PRSTR(value_text(arena, high->value)));
}

static void check_type_name(struct parser *parser, const struct operand *operand)
{
    if (operand->kind != OPERAND_VALUE || operand->value == NULL || operand->value->S.ptr == NULL)
        return;
    for (enum value_type type = VALUE_S; type <= VALUE_BOOL; type++)
        if (str_eq(value_type_name(type), operand->value->S))
            return;
    parser_problem(parser, PROBLEM_OPERAND_TYPE,
                   "Invalid attribute type name found; type: %.*s, valid types: "
                   "{B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
                   PRSTR(operand->value->S));
}

/* --- functions -------------------------------------------------------------------------------- */

static void check_call(struct parser *parser, const struct function *function,
                       const struct operand *arguments, size_t count)
{
    if (!function->is_condition && !function->is_operand) {
        parser_problem(parser, PROBLEM_FUNCTION_USE,
                       "The function is not allowed in a %s expression; function: %.*s",
                       parser->kind == EXPRESSION_CONDITION ? "condition"
                       : parser->kind == EXPRESSION_FILTER  ? "filter"
                                                            : "key condition",
                       PRSTR(function->name));
        return;
    }
    if (count != function->arguments) {
        parser_problem(parser, PROBLEM_OPERAND_COUNT,
                       "Incorrect number of operands for operator or function; "
                       "operator or function: %.*s, number of operands: %zu",
                       PRSTR(function->name), count);
        return;
    }
    if (function->needs_path && arguments[0].kind != OPERAND_PATH)
        parser_problem(parser, PROBLEM_PATH,
                       "Operator or function requires a document path; operator or function: %.*s",
                       PRSTR(function->name));
    check_distinct(parser, function->name, arguments, count);
    for (size_t i = 0; i < count; i++)
        check_type(parser, "operator or function", function->name, &arguments[i], function->types);
    if (function->condition == CONDITION_TYPE)
        check_type_name(parser, &arguments[1]);
}

static RESULT parse_term(struct parser *parser, struct term *out);

/* An operand: a term that is no condition. */
static RESULT parse_operand(struct parser *parser, struct operand *out)
{
    struct term term;
    TRY(parse_term(parser, &term));
    if (term.operand.kind == OPERAND_CONDITION)
        note_wrong_use(parser, term.function);
    else if (term.condition != NULL)
        return parser_syntax(parser);
    *out = term.operand;
    return RESULT_OK;
}

static RESULT parse_arguments(struct parser *parser, struct operand **items, size_t *len)
{
    size_t cap = 0;
    *items = NULL;
    *len = 0;
    do {
        parser_next(parser); /* the open parenthesis, or a comma */
        struct operand operand;
        TRY(parse_operand(parser, &operand));
        VEC_PUSH(parser->scope->arena, *items, *len, cap, operand);
    } while (parser->token_kind == TOKEN_COMMA);
    return parser_expect(parser, TOKEN_CLOSE);
}

static RESULT parse_call(struct parser *parser, struct term *out)
{
    struct str name = parser->token;
    const struct function *function = NULL;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && function == NULL; i++)
        if (str_eq(functions[i].name, name))
            function = &functions[i];
    parser_next(parser);
    struct operand *arguments;
    size_t count;
    TRY(parse_arguments(parser, &arguments, &count));
    parser->operators++;
    *out = (struct term){.function = name, .operand = {.kind = OPERAND_VALUE}};
    if (function == NULL) {
        parser_problem(parser, PROBLEM_FUNCTION_NAME, "Invalid function name; function: %.*s",
                       PRSTR(name));
        return RESULT_OK;
    }
    check_call(parser, function, arguments, count);
    if (function->is_operand) {
        out->operand = (struct operand){.kind = OPERAND_SIZE, .left = &arguments[0]};
    } else if (function->is_condition) {
        out->operand.kind = OPERAND_CONDITION;
        out->condition = make_comparison(parser, function->condition, arguments, count);
    }
    return RESULT_OK;
}

/* --- terms and comparisons -------------------------------------------------------------------- */

static RESULT parse_parentheses(struct parser *parser, struct term *out)
{
    if (++parser->depth > DEPTH_MAX)
        return value_fail(parser->scope->arena, parser->scope->failure,
                          "Invalid %s: The expression has redundant parentheses;",
                          expression_kind_name(parser->kind));
    parser_next(parser);
    TRY(parse_or(parser, out));
    TRY(parser_expect(parser, TOKEN_CLOSE));
    parser->depth--;
    if (out->parenthesised)
        parser_problem(parser, PROBLEM_PARENTHESES, "The expression has redundant parentheses;");
    out->parenthesised = true;
    return RESULT_OK;
}

static bool at_keyword(const struct parser *parser)
{
    return parser_at_word(parser, STR("AND")) || parser_at_word(parser, STR("OR")) ||
           parser_at_word(parser, STR("NOT")) || parser_at_word(parser, STR("BETWEEN")) ||
           parser_at_word(parser, STR("IN"));
}

static RESULT parse_term(struct parser *parser, struct term *out)
{
    *out = (struct term){0};
    if (parser->token_kind == TOKEN_OPEN)
        return parse_parentheses(parser, out);
    if (parser->token_kind == TOKEN_VALUE_REF) {
        parser_value(parser, &out->operand);
        return RESULT_OK;
    }
    if (at_keyword(parser))
        return parser_syntax(parser);
    if (parser_at_function(parser))
        return parse_call(parser, out);
    out->operand.kind = OPERAND_PATH;
    return parser_path(parser, &out->operand.path);
}

static RESULT parse_between(struct parser *parser, struct operand *operands)
{
    parser_next(parser);
    TRY(parse_operand(parser, &operands[1]));
    if (!parser_at_word(parser, STR("AND")))
        return parser_syntax(parser);
    parser_next(parser);
    TRY(parse_operand(parser, &operands[2]));
    for (int i = 0; i < 3; i++)
        check_type(parser, "operator", STR("BETWEEN"), &operands[i], TYPES_ORDERED);
    check_distinct(parser, STR("BETWEEN"), operands, 3);
    check_between(parser, &operands[1], &operands[2]);
    return RESULT_OK;
}

static RESULT parse_in(struct parser *parser, const struct operand *first,
                       const struct condition **out)
{
    parser_next(parser);
    if (parser->token_kind != TOKEN_OPEN)
        return parser_syntax(parser);
    struct operand *items;
    size_t len;
    TRY(parse_arguments(parser, &items, &len));
    struct operand *all = arena_alloc_raw(parser->scope->arena, (len + 1) * sizeof(struct operand));
    all[0] = *first;
    memcpy(all + 1, items, len * sizeof(struct operand));
    if (len > EXPRESSION_IN_MAX)
        parser_problem(parser, PROBLEM_OPERAND_COUNT,
                       "The IN operator is provided with too many operands; number of operands: "
                       "%zu",
                       len);
    check_distinct(parser, STR("IN"), all, len + 1);
    *out = make_comparison(parser, CONDITION_IN, all, len + 1);
    return RESULT_OK;
}

static bool comparison_kind(enum token_kind token, enum condition_kind *kind)
{
    if (token < TOKEN_EQ || token > TOKEN_GE)
        return false;
    static const enum condition_kind kinds[] = {CONDITION_EQ, CONDITION_NE, CONDITION_LT,
                                                CONDITION_LE, CONDITION_GT, CONDITION_GE};
    *kind = kinds[token - TOKEN_EQ];
    return true;
}

static RESULT parse_compared(struct parser *parser, enum condition_kind kind,
                             struct operand *operands)
{
    struct str name = parser->token;
    parser_next(parser);
    TRY(parse_operand(parser, &operands[1]));
    check_distinct(parser, name, operands, 2);
    if (kind != CONDITION_EQ && kind != CONDITION_NE)
        for (int i = 0; i < 2; i++)
            check_type(parser, "operator", name, &operands[i], TYPES_ORDERED);
    return RESULT_OK;
}

static RESULT parse_comparison(struct parser *parser, struct term *out)
{
    TRY(parse_term(parser, out));
    enum condition_kind kind = CONDITION_OR;
    bool compared = comparison_kind(parser->token_kind, &kind);
    bool between = parser_at_word(parser, STR("BETWEEN"));
    bool in = parser_at_word(parser, STR("IN"));
    if (!compared && !between && !in) {
        if (out->condition != NULL) {
            out->operand.kind = OPERAND_PATH; /* a condition from here on */
            return RESULT_OK;
        }
        if (out->function.ptr != NULL) {
            note_wrong_use(parser, out->function);
            out->condition = make_condition(parser, CONDITION_NOT, NULL, NULL);
            return RESULT_OK;
        }
        /* An operand alone: only within parentheses, and compared behind them. */
        return parser->token_kind == TOKEN_CLOSE && parser->depth > 0 ? RESULT_OK
                                                                      : parser_syntax(parser);
    }
    if (out->operand.kind == OPERAND_CONDITION)
        note_wrong_use(parser, out->function);
    else if (out->condition != NULL)
        return parser_syntax(parser);
    parser->operators++;
    struct operand operands[3] = {out->operand};
    const struct condition *condition = NULL;
    if (in) {
        TRY(parse_in(parser, &operands[0], &condition));
    } else if (between) {
        TRY(parse_between(parser, operands));
        condition = make_comparison(parser, CONDITION_BETWEEN, operands, 3);
    } else {
        TRY(parse_compared(parser, kind, operands));
        condition = make_comparison(parser, kind, operands, 2);
    }
    *out = (struct term){.condition = condition};
    return RESULT_OK;
}

/* --- AND, OR, NOT ----------------------------------------------------------------------------- */

static RESULT parse_not(struct parser *parser, struct term *out)
{
    if (!parser_at_word(parser, STR("NOT")))
        return parse_comparison(parser, out);
    if (++parser->depth > 2 * DEPTH_MAX)
        return value_fail(parser->scope->arena, parser->scope->failure,
                          "Invalid %s: The expression contains too many operators; "
                          "operator count: %u",
                          expression_kind_name(parser->kind), EXPRESSION_OPERATORS_MAX + 1);
    parser->operators++;
    parser_next(parser);
    TRY(parse_not(parser, out));
    parser->depth--;
    if (out->condition == NULL)
        return parser_syntax(parser);
    *out = (struct term){.condition = make_condition(parser, CONDITION_NOT, out->condition, NULL)};
    return RESULT_OK;
}

static RESULT parse_and(struct parser *parser, struct term *out)
{
    TRY(parse_not(parser, out));
    while (parser_at_word(parser, STR("AND"))) {
        if (out->condition == NULL)
            return parser_syntax(parser);
        struct term right;
        parser->operators++;
        parser_next(parser);
        TRY(parse_not(parser, &right));
        if (right.condition == NULL)
            return parser_syntax(parser);
        *out = (struct term){
            .condition = make_condition(parser, CONDITION_AND, out->condition, right.condition)};
    }
    return RESULT_OK;
}

static RESULT parse_or(struct parser *parser, struct term *out)
{
    TRY(parse_and(parser, out));
    while (parser_at_word(parser, STR("OR"))) {
        if (out->condition == NULL)
            return parser_syntax(parser);
        struct term right;
        parser->operators++;
        parser_next(parser);
        TRY(parse_and(parser, &right));
        if (right.condition == NULL)
            return parser_syntax(parser);
        *out = (struct term){
            .condition = make_condition(parser, CONDITION_OR, out->condition, right.condition)};
    }
    return RESULT_OK;
}

RESULT condition_parse(struct expression_scope *scope, enum expression_kind kind, struct str text,
                       const struct condition **out)
{
    struct parser parser;
    TRY(parser_init(&parser, scope, kind, text));
    struct term term;
    TRY(parse_or(&parser, &term));
    if (term.condition == NULL)
        return parser_syntax(&parser);
    TRY(parser_finish(&parser));
    *out = term.condition;
    return RESULT_OK;
}

/* --- names in conditions ---------------------------------------------------------------------- */

static void add_name(struct arena *arena, struct str_list *names, size_t *cap, struct str name)
{
    for (size_t i = 0; i < names->len; i++)
        if (str_eq(names->items[i], name))
            return;
    VEC_PUSH(arena, names->items, names->len, *cap, name);
}

static void add_operand(struct arena *arena, struct str_list *names, size_t *cap,
                        const struct operand *operand)
{
    if (operand == NULL)
        return;
    if (operand->kind == OPERAND_PATH)
        add_name(arena, names, cap, operand->path.elements[0].name);
    add_operand(arena, names, cap, operand->left);
    add_operand(arena, names, cap, operand->right);
}

static void add_condition(struct arena *arena, struct str_list *names, size_t *cap,
                          const struct condition *condition)
{
    if (condition == NULL)
        return;
    add_condition(arena, names, cap, condition->left);
    add_condition(arena, names, cap, condition->right);
    for (size_t i = 0; i < condition->operand_count; i++)
        add_operand(arena, names, cap, &condition->operands[i]);
}

struct str_list condition_attributes(struct arena *arena, const struct condition *condition)
{
    struct str_list names = {.items = ARENA_ARRAY(arena, 1, struct str)};
    size_t cap = 1;
    add_condition(arena, &names, &cap, condition);
    return names;
}

struct str_list update_attributes(struct arena *arena, const struct update *update)
{
    struct str_list names = {.items = ARENA_ARRAY(arena, 1, struct str)};
    size_t cap = 1;
    for (size_t i = 0; i < update->len; i++) {
        add_name(arena, &names, &cap, update->clauses[i].path.elements[0].name);
        if (update->clauses[i].action != UPDATE_REMOVE)
            add_operand(arena, &names, &cap, &update->clauses[i].operand);
    }
    return names;
}

RESULT filter_check_keys(struct arena *arena, const struct condition *filter, const char *parameter,
                         struct str_list keys, struct value_failure *failure)
{
    struct str_list names = condition_attributes(arena, filter);
    for (size_t i = 0; i < names.len; i++)
        for (size_t k = 0; k < keys.len; k++)
            if (str_eq(names.items[i], keys.items[k]))
                return value_fail(arena, failure,
                                  "%s can only contain non-primary key attributes: Primary key "
                                  "attribute: %.*s",
                                  parameter, PRSTR(names.items[i]));
    return RESULT_OK;
}
