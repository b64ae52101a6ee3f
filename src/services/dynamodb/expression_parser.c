/* Tokens, names, values and paths: what the parsers of all expressions share. */
#include <stdarg.h>
#include <stdio.h>

#include "base/map.h"
#include "base/vec.h"
#include "services/dynamodb/expression_int.h"
#include "services/dynamodb/reserved.h"

const char *expression_kind_name(enum expression_kind kind)
{
    static const char *const names[] = {
        [EXPRESSION_CONDITION] = "ConditionExpression",
        [EXPRESSION_FILTER] = "FilterExpression",
        [EXPRESSION_PROJECTION] = "ProjectionExpression",
        [EXPRESSION_KEY_CONDITION] = "KeyConditionExpression",
        [EXPRESSION_UPDATE] = "UpdateExpression",
    };
    return names[kind];
}

/* --- tokens ----------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}
static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}
static bool is_name_part(char c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t name_end(struct str text, size_t at)
{
    while (at < text.len && is_name_part(text.ptr[at]))
        at++;
    return at;
}

/* A placeholder of '#' or ':' and at least one further character. */
static enum token_kind scan_placeholder(struct str text, size_t *end)
{
    size_t stop = name_end(text, *end);
    if (stop == *end)
        return TOKEN_OTHER;
    enum token_kind kind = text.ptr[*end - 1] == '#' ? TOKEN_NAME_REF : TOKEN_VALUE_REF;
    *end = stop;
    return kind;
}

static enum token_kind scan_symbol(struct str text, size_t *end)
{
    char next = *end < text.len ? text.ptr[*end] : '\0';
    switch (text.ptr[*end - 1]) {
    case '=':
        return TOKEN_EQ;
    case '<':
        if (next != '=' && next != '>')
            return TOKEN_LT;
        (*end)++;
        return next == '=' ? TOKEN_LE : TOKEN_NE;
    case '>':
        if (next != '=')
            return TOKEN_GT;
        (*end)++;
        return TOKEN_GE;
    case '(':
        return TOKEN_OPEN;
    case ')':
        return TOKEN_CLOSE;
    case ',':
        return TOKEN_COMMA;
    case '.':
        return TOKEN_DOT;
    case '[':
        return TOKEN_OPEN_INDEX;
    case ']':
        return TOKEN_CLOSE_INDEX;
    case '+':
        return TOKEN_PLUS;
    case '-':
        return TOKEN_MINUS;
    case '#':
    case ':':
        return scan_placeholder(text, end);
    default:
        break;
    }
    /* The rest of a character of several bytes belongs to it. */
    while (*end < text.len && ((unsigned char)text.ptr[*end] & 0xC0) == 0x80)
        (*end)++;
    return TOKEN_OTHER;
}

static enum token_kind scan(struct str text, size_t *at, struct str *token)
{
    size_t start = *at;
    while (start < text.len && is_space(text.ptr[start]))
        start++;
    size_t end = start;
    enum token_kind kind = TOKEN_END;
    if (start < text.len) {
        char c = text.ptr[end++];
        if (is_letter(c)) {
            end = name_end(text, end);
            kind = TOKEN_NAME;
        } else if (is_digit(c)) {
            while (end < text.len && is_digit(text.ptr[end]))
                end++;
            kind = TOKEN_NUMBER;
        } else {
            kind = scan_symbol(text, &end);
        }
    }
    *token = str_make(text.ptr + start, end - start);
    *at = end;
    return kind;
}

void parser_next(struct parser *parser)
{
    parser->before = parser->token;
    parser->token_kind = scan(parser->text, &parser->at, &parser->token);
}

RESULT parser_init(struct parser *parser, struct expression_scope *scope, enum expression_kind kind,
                   struct str text)
{
    *parser = (struct parser){.scope = scope, .kind = kind, .text = text, .rank = PROBLEM_NONE};
    if (str_is_empty(str_trim(text)))
        return value_fail(scope->arena, scope->failure,
                          "Invalid %s: The expression can not be empty;",
                          expression_kind_name(kind));
    if (text.len > EXPRESSION_SIZE_MAX && scope->scans && kind == EXPRESSION_FILTER)
        return value_fail(scope->arena, scope->failure,
                          "Invalid %s: Expression size has exceeded the maximum allowed size; "
                          "expression size: %zu",
                          expression_kind_name(kind), text.len);
    if (text.len > EXPRESSION_SIZE_MAX)
        return value_fail(scope->arena, scope->failure,
                          "Invalid %s: Expression size has exceeded the maximum allowed size;",
                          expression_kind_name(kind));
    parser->token_kind = scan(text, &parser->at, &parser->token);
    return RESULT_OK;
}

RESULT parser_finish(struct parser *parser)
{
    if (parser->token_kind != TOKEN_END)
        return parser_syntax(parser);
    if (parser->operators > EXPRESSION_OPERATORS_MAX)
        parser_problem(parser, PROBLEM_OPERATORS,
                       "The expression contains too many operators; operator count: %u",
                       EXPRESSION_OPERATORS_MAX + 1); /* it counts no further */
    if (parser->rank == PROBLEM_NONE)
        return RESULT_OK;
    return value_fail(parser->scope->arena, parser->scope->failure, "Invalid %s: %.*s",
                      expression_kind_name(parser->kind), PRSTR(parser->problem));
}

/* AWS shows the tokens on both sides, and what stands between. */
RESULT parser_syntax(struct parser *parser)
{
    struct str next;
    size_t at = parser->at;
    enum token_kind after = scan(parser->text, &at, &next);
    const char *start = parser->before.ptr != NULL ? parser->before.ptr : parser->token.ptr;
    const char *end = parser->token.ptr + parser->token.len;
    if (after != TOKEN_END)
        end = next.ptr + next.len;
    if (parser->token_kind == TOKEN_END && parser->before.ptr != NULL)
        end = parser->before.ptr + parser->before.len;
    struct str token = parser->token_kind == TOKEN_END ? STR("<EOF>") : parser->token;
    return value_fail(parser->scope->arena, parser->scope->failure,
                      "Invalid %s: Syntax error; token: \"%.*s\", near: \"%.*s\"",
                      expression_kind_name(parser->kind), PRSTR(token), (int)(end - start), start);
}

RESULT parser_expect(struct parser *parser, enum token_kind kind)
{
    if (parser->token_kind != kind)
        return parser_syntax(parser);
    parser_next(parser);
    return RESULT_OK;
}

bool parser_at_word(const struct parser *parser, struct str upper)
{
    return parser->token_kind == TOKEN_NAME && parser->token.len == upper.len &&
           str_eq_nocase(parser->token, upper);
}

bool parser_at_function(const struct parser *parser)
{
    size_t at = parser->at;
    struct str next;
    return parser->token_kind == TOKEN_NAME && scan(parser->text, &at, &next) == TOKEN_OPEN;
}

void parser_problem(struct parser *parser, enum problem_rank rank, const char *format, ...)
{
    if (rank >= parser->rank)
        return;
    char text[2 * EXPRESSION_SIZE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);
    size_t len = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
    parser->rank = rank;
    parser->problem = str_copy(parser->scope->arena, str_make(text, len));
}

/* --- names and values ------------------------------------------------------------------------- */

static struct str resolve_name(struct parser *parser, struct str reference)
{
    struct expression_scope *scope = parser->scope;
    const struct str_map_entry *found = NULL;
    if (scope->names_by_key != NULL) {
        found = map_get(scope->names_by_key, reference);
    } else {
        for (size_t i = 0; i < scope->names.len && found == NULL; i++)
            if (str_eq(scope->names.items[i].key, reference))
                found = &scope->names.items[i];
    }
    if (found == NULL) {
        parser_problem(parser, PROBLEM_NAME,
                       "An expression attribute name used in the document path is not defined; "
                       "attribute name: %.*s",
                       PRSTR(reference));
        return reference;
    }
    scope->names_used[found - scope->names.items] = true;
    return found->value;
}

void parser_value(struct parser *parser, struct operand *out)
{
    struct expression_scope *scope = parser->scope;
    const struct dynamodb_AttributeMap_entry *found = NULL;
    if (scope->values_by_key != NULL) {
        found = map_get(scope->values_by_key, parser->token);
    } else {
        for (size_t i = 0; i < scope->values.len && found == NULL; i++)
            if (str_eq(scope->values.items[i].key, parser->token))
                found = &scope->values.items[i];
    }
    *out = (struct operand){.kind = OPERAND_VALUE};
    if (found == NULL) {
        parser_problem(parser, PROBLEM_VALUE,
                       "An expression attribute value used in expression is not defined; "
                       "attribute value: %.*s",
                       PRSTR(parser->token));
    } else {
        scope->values_used[found - scope->values.items] = true;
        out->value = &found->value;
    }
    parser_next(parser);
}

/* --- paths ------------------------------------------------------------------------------------ */

static RESULT parse_path_name(struct parser *parser, struct path_element *out)
{
    if (parser->token_kind == TOKEN_NAME) {
        if (reserved_word(parser->token))
            parser_problem(parser, PROBLEM_RESERVED,
                           "Attribute name is a reserved keyword; reserved keyword: %.*s",
                           PRSTR(parser->token));
        out->name = parser->token;
    } else if (parser->token_kind == TOKEN_NAME_REF) {
        out->name = resolve_name(parser, parser->token);
    } else {
        return parser_syntax(parser);
    }
    parser_next(parser);
    return RESULT_OK;
}

static RESULT parse_index(struct parser *parser, struct path_element *out)
{
    if (parser->token_kind != TOKEN_NUMBER)
        return parser_syntax(parser);
    uint64_t index = 0;
    if (!str_to_u64(parser->token, &index) || index > INT32_MAX)
        parser_problem(parser, PROBLEM_PATH,
                       "List index is not within the allowable range; index: [%.*s]",
                       PRSTR(parser->token));
    out->name = (struct str){0};
    out->index = (size_t)index;
    parser_next(parser);
    return parser_expect(parser, TOKEN_CLOSE_INDEX);
}

RESULT parser_path(struct parser *parser, struct path *out)
{
    struct path_element elements[PATH_ELEMENTS_MAX]; /* its first `len` are set */
    size_t len = 1;
    elements[0] = (struct path_element){0};
    TRY(parse_path_name(parser, &elements[0]));
    for (;;) {
        struct path_element element = {0};
        if (parser->token_kind == TOKEN_DOT) {
            parser_next(parser);
            TRY(parse_path_name(parser, &element));
        } else if (parser->token_kind == TOKEN_OPEN_INDEX) {
            parser_next(parser);
            TRY(parse_index(parser, &element));
        } else {
            break;
        }
        if (len < PATH_ELEMENTS_MAX)
            elements[len] = element;
        len++;
    }
    if (len > PATH_ELEMENTS_MAX) {
        parser_problem(parser, PROBLEM_PATH,
                       "The document path has too many nesting elements; nesting levels: %zu", len);
        len = PATH_ELEMENTS_MAX;
    }
    struct path_element *copy =
        arena_alloc_raw(parser->scope->arena, len * sizeof(struct path_element));
    memcpy(copy, elements, len * sizeof(struct path_element));
    *out = (struct path){.elements = copy, .len = len};
    return RESULT_OK;
}

struct str path_text(struct arena *arena, const struct path *path)
{
    struct buf text;
    buf_init(&text, arena, SIZE_MAX / 2);
    buf_append_char(&text, '[');
    for (size_t i = 0; i < path->len; i++) {
        const struct path_element *element = &path->elements[i];
        if (i > 0)
            buf_append_c(&text, ", ");
        if (element->name.ptr != NULL)
            buf_append(&text, element->name);
        else
            buf_append_format(&text, "[%zu]", element->index);
    }
    buf_append_char(&text, ']');
    return buf_str(&text);
}
