/* The grammar of updates ("Using update expressions in DynamoDB"). Each section stands once at
 * most.
 *
 *   update  = { SET set { "," set } | REMOVE path { "," path } | (ADD | DELETE) path value { ","
 * path value } } set     = path "=" sum sum     = operand [ ("+" | "-") operand ] operand = path |
 * value | (if_not_exists | list_append) "(" operand "," operand ")" | "(" sum ")" */
#include "base/vec.h"
#include "services/dynamodb/expression_int.h"

enum { DEPTH_MAX = EXPRESSION_OPERATORS_MAX + 10 };

struct parsed {
    struct operand operand;
    bool parenthesised;
};

static RESULT parse_sum(struct parser *parser, struct parsed *out);

static const struct operand *keep(struct parser *parser, const struct operand *operand)
{
    struct operand *copy = ARENA_NEW(parser->scope->arena, struct operand);
    *copy = *operand;
    return copy;
}

/* A value of another type than the function or operator takes. */
static void check_type(struct parser *parser, struct str name, const struct operand *operand,
                       enum value_type wanted)
{
    if (operand->kind != OPERAND_VALUE || operand->value == NULL ||
        value_type(operand->value) == wanted)
        return;
    parser_problem(parser, PROBLEM_OPERAND_TYPE,
                   "Incorrect operand type for operator or function; operator or function: %.*s, "
                   "operand type: %.*s",
                   PRSTR(name), PRSTR(value_type_name(value_type(operand->value))));
}

/* --- functions -------------------------------------------------------------------------------- */

static bool is_condition_function(struct str name)
{
    static const struct str names[] = {STR_INIT("attribute_exists"),     STR_INIT("size"),
                                       STR_INIT("attribute_not_exists"), STR_INIT("attribute_type"),
                                       STR_INIT("begins_with"),          STR_INIT("contains")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

static void check_call(struct parser *parser, struct str name, bool append,
                       const struct operand *arguments, size_t count)
{
    if (count != 2) {
        parser_problem(parser, PROBLEM_OPERAND_COUNT,
                       "Incorrect number of operands for operator or function; "
                       "operator or function: %.*s, number of operands: %zu",
                       PRSTR(name), count);
        return;
    }
    if (append) {
        check_type(parser, name, &arguments[0], VALUE_L);
        check_type(parser, name, &arguments[1], VALUE_L);
    } else if (arguments[0].kind != OPERAND_PATH) {
        parser_problem(parser, PROBLEM_PATH,
                       "Operator or function requires a document path; operator or function: %.*s",
                       PRSTR(name));
    }
}

static RESULT parse_operand(struct parser *parser, struct parsed *out);

static RESULT parse_call(struct parser *parser, struct operand *out)
{
    struct str name = parser->token;
    struct operand arguments[2] = {0};
    size_t count = 0;
    parser_next(parser);
    do {
        parser_next(parser);
        struct parsed argument;
        TRY(parse_operand(parser, &argument));
        if (count < 2)
            arguments[count] = argument.operand;
        count++;
    } while (parser->token_kind == TOKEN_COMMA);
    TRY(parser_expect(parser, TOKEN_CLOSE));
    parser->operators++;
    bool append = str_eq(name, STR("list_append"));
    if (append || str_eq(name, STR("if_not_exists")))
        check_call(parser, name, append, arguments, count);
    else if (is_condition_function(name))
        parser_problem(parser, PROBLEM_FUNCTION_USE,
                       "The function is not allowed in an update expression; function: %.*s",
                       PRSTR(name));
    else
        parser_problem(parser, PROBLEM_FUNCTION_NAME, "Invalid function name; function: %.*s",
                       PRSTR(name));
    *out = (struct operand){.kind = append ? OPERAND_LIST_APPEND : OPERAND_IF_NOT_EXISTS,
                            .left = keep(parser, &arguments[0]),
                            .right = keep(parser, &arguments[1])};
    return RESULT_OK;
}

/* --- operands --------------------------------------------------------------------------------- */

static bool at_section(const struct parser *parser)
{
    return parser_at_word(parser, STR("SET")) || parser_at_word(parser, STR("REMOVE")) ||
           parser_at_word(parser, STR("ADD")) || parser_at_word(parser, STR("DELETE"));
}

static RESULT parse_target(struct parser *parser, struct path *out)
{
    return at_section(parser) ? parser_syntax(parser) : parser_path(parser, out);
}

static RESULT too_deep(struct parser *parser)
{
    return value_fail(parser->scope->arena, parser->scope->failure,
                      "Invalid UpdateExpression: The expression contains too many operators; "
                      "operator count: %u",
                      EXPRESSION_OPERATORS_MAX + 1);
}

static RESULT parse_operand(struct parser *parser, struct parsed *out)
{
    *out = (struct parsed){0};
    if (parser->token_kind == TOKEN_VALUE_REF) {
        parser_value(parser, &out->operand);
        return RESULT_OK;
    }
    bool call = parser_at_function(parser);
    if (!call && parser->token_kind != TOKEN_OPEN) {
        out->operand.kind = OPERAND_PATH;
        return parse_target(parser, &out->operand.path);
    }
    if (++parser->depth > DEPTH_MAX)
        return too_deep(parser);
    if (call) {
        TRY(parse_call(parser, &out->operand));
    } else {
        parser_next(parser);
        TRY(parse_sum(parser, out));
        TRY(parser_expect(parser, TOKEN_CLOSE));
        if (out->parenthesised)
            parser_problem(parser, PROBLEM_PARENTHESES,
                           "The expression has redundant parentheses;");
        out->parenthesised = true;
    }
    parser->depth--;
    return RESULT_OK;
}

static RESULT parse_sum(struct parser *parser, struct parsed *out)
{
    TRY(parse_operand(parser, out));
    if (parser->token_kind != TOKEN_PLUS && parser->token_kind != TOKEN_MINUS)
        return RESULT_OK;
    struct str name = parser->token;
    enum operand_kind kind = parser->token_kind == TOKEN_PLUS ? OPERAND_ADD : OPERAND_SUBTRACT;
    parser->operators++;
    parser_next(parser);
    struct parsed right;
    TRY(parse_operand(parser, &right));
    check_type(parser, name, &out->operand, VALUE_N);
    check_type(parser, name, &right.operand, VALUE_N);
    *out = (struct parsed){.operand = {.kind = kind,
                                       .left = keep(parser, &out->operand),
                                       .right = keep(parser, &right.operand)}};
    return RESULT_OK;
}

/* --- sections --------------------------------------------------------------------------------- */

static const char *long_type_name(enum value_type type)
{
    static const char *const names[] = {
        [VALUE_NONE] = "",         [VALUE_S] = "STRING",      [VALUE_N] = "NUMBER",
        [VALUE_B] = "BINARY",      [VALUE_SS] = "STRING_SET", [VALUE_NS] = "NUMBER_SET",
        [VALUE_BS] = "BINARY_SET", [VALUE_M] = "MAP",         [VALUE_L] = "LIST",
        [VALUE_NULL] = "NULL",     [VALUE_BOOL] = "BOOLEAN",
    };
    return names[type];
}

static RESULT parse_member_change(struct parser *parser, struct update_clause *clause)
{
    TRY(parse_target(parser, &clause->path));
    if (parser->token_kind != TOKEN_VALUE_REF)
        return parser_syntax(parser);
    parser_value(parser, &clause->operand);
    if (clause->operand.value == NULL)
        return RESULT_OK;
    enum value_type type = value_type(clause->operand.value);
    bool add = clause->action == UPDATE_ADD;
    bool is_set = type == VALUE_SS || type == VALUE_NS || type == VALUE_BS;
    if (!is_set && !(add && type == VALUE_N))
        parser_problem(parser, PROBLEM_OPERAND_TYPE,
                       "Incorrect operand type for operator or function; operator: %s, "
                       "operand type: %s, typeSet: %s",
                       add ? "ADD" : "DELETE", long_type_name(type),
                       add ? "ALLOWED_FOR_ADD_OPERAND" : "ALLOWED_FOR_DELETE_OPERAND");
    return RESULT_OK;
}

static RESULT parse_clause(struct parser *parser, struct update_clause *clause)
{
    switch (clause->action) {
    case UPDATE_SET: {
        struct parsed value;
        TRY(parse_target(parser, &clause->path));
        TRY(parser_expect(parser, TOKEN_EQ));
        TRY(parse_sum(parser, &value));
        clause->operand = value.operand;
        return RESULT_OK;
    }
    case UPDATE_REMOVE:
        return parse_target(parser, &clause->path);
    case UPDATE_ADD:
    case UPDATE_DELETE:
        break;
    }
    return parse_member_change(parser, clause);
}

struct clauses {
    struct update_clause *items;
    size_t len, cap;
};

static RESULT parse_section(struct parser *parser, enum update_action action,
                            struct clauses *clauses)
{
    parser_next(parser);
    for (;;) {
        struct update_clause clause = {.action = action};
        TRY(parse_clause(parser, &clause));
        VEC_PUSH(parser->scope->arena, clauses->items, clauses->len, clauses->cap, clause);
        if (parser->token_kind != TOKEN_COMMA)
            return RESULT_OK;
        parser_next(parser);
    }
}

RESULT update_parse(struct expression_scope *scope, struct str text, const struct update **out)
{
    static const struct str sections[] = {STR_INIT("SET"), STR_INIT("REMOVE"), STR_INIT("ADD"),
                                          STR_INIT("DELETE")};
    enum { SECTIONS = sizeof(sections) / sizeof(sections[0]) };
    struct parser parser;
    TRY(parser_init(&parser, scope, EXPRESSION_UPDATE, text));
    struct clauses clauses = {0};
    bool seen[SECTIONS] = {false};
    do {
        size_t section = 0;
        while (section < SECTIONS && !parser_at_word(&parser, sections[section]))
            section++;
        if (section == SECTIONS)
            return parser_syntax(&parser);
        if (seen[section])
            parser_problem(&parser, PROBLEM_SECTION,
                           "The \"%.*s\" section can only be used once in an update expression;",
                           PRSTR(sections[section]));
        seen[section] = true;
        TRY(parse_section(&parser, (enum update_action)section, &clauses));
    } while (parser.token_kind != TOKEN_END);

    struct update *update = ARENA_NEW(scope->arena, struct update);
    update->clauses = clauses.items;
    update->len = clauses.len;
    for (size_t i = 0; i < clauses.len; i++)
        parser_add_path(&parser, &update->root, &clauses.items[i].path, &clauses.items[i]);
    TRY(parser_finish(&parser));
    *out = update;
    return RESULT_OK;
}

RESULT update_check_keys(struct arena *arena, const struct update *update, struct str_list keys,
                         struct value_failure *failure)
{
    for (size_t i = 0; i < update->len; i++) {
        struct str name = update->clauses[i].path.elements[0].name;
        for (size_t k = 0; k < keys.len; k++)
            if (str_eq(name, keys.items[k]))
                return value_fail(arena, failure,
                                  "One or more parameter values were invalid: Cannot update "
                                  "attribute %.*s. This attribute is part of the key",
                                  PRSTR(name));
    }
    return RESULT_OK;
}
