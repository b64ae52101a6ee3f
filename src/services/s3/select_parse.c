/* The query's text to a tree: a recursive descent over tokens. */
#include "base/arena.h"
#include "base/vec.h"
#include "services/s3/select_int.h"

enum { DEPTH_MAX = 64 };

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SIGN };
struct token {
    enum token_kind kind;
    struct str text;
};
struct parser {
    struct arena *arena;
    struct str rest;
    struct token token;
    struct select_query *query;
    struct select_failure *failure;
    unsigned depth;
    bool in_aggregate;
};

static bool fail(struct parser *p, const char *code, const char *message)
{
    if (p->failure->code == NULL)
        *p->failure = (struct select_failure){code, str_format(p->arena, "%s", message)};
    return false;
}

static bool fail_token(struct parser *p)
{
    if (p->failure->code != NULL)
        return false;
    struct str text = p->token.kind == TOKEN_END ? STR("end of expression") : p->token.text;
    *p->failure = (struct select_failure){
        "ParseUnexpectedToken", str_format(p->arena, "Unexpected token found: %.*s", PRSTR(text))};
    return false;
}

/* --- tokens --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

/* 'it''s', "a ""name""" */
static bool lex_quoted(struct parser *p, char quote)
{
    struct buf out;
    buf_init(&out, p->arena, p->rest.len + 1);
    for (size_t i = 1; i < p->rest.len; i++) {
        if (p->rest.ptr[i] != quote) {
            buf_append_char(&out, p->rest.ptr[i]);
            continue;
        }
        if (i + 1 < p->rest.len && p->rest.ptr[i + 1] == quote) {
            buf_append_char(&out, quote);
            i++;
            continue;
        }
        p->token.kind = quote == '\'' ? TOKEN_STRING : TOKEN_QUOTED;
        p->token.text = buf_str(&out);
        p->rest = str_slice(p->rest, i + 1, p->rest.len);
        return true;
    }
    return fail(p, "LexerInvalidLiteral", "A literal in the SQL expression is not closed.");
}

static void lex_number(struct parser *p)
{
    size_t n = 0;
    while (n < p->rest.len && is_digit(p->rest.ptr[n]))
        n++;
    if (n + 1 < p->rest.len && p->rest.ptr[n] == '.' && is_digit(p->rest.ptr[n + 1]))
        for (n++; n < p->rest.len && is_digit(p->rest.ptr[n]);)
            n++;
    if (n < p->rest.len && (p->rest.ptr[n] == 'e' || p->rest.ptr[n] == 'E')) {
        size_t m = n + 1;
        if (m < p->rest.len && (p->rest.ptr[m] == '+' || p->rest.ptr[m] == '-'))
            m++;
        if (m < p->rest.len && is_digit(p->rest.ptr[m]))
            for (n = m; n < p->rest.len && is_digit(p->rest.ptr[n]);)
                n++;
    }
    p->token = (struct token){TOKEN_NUMBER, str_slice(p->rest, 0, n)};
    p->rest = str_slice(p->rest, n, p->rest.len);
}

static bool lex_sign(struct parser *p)
{
    static const char *const signs[] = {"<>", "<=", ">=", "!=", "||", "(", ")", "[", "]", ",",
                                        ".",  "*",  "/",  "%",  "+",  "-", "=", "<", ">", ";"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        struct str sign = str_from_c(signs[i]);
        if (!str_starts_with(p->rest, sign))
            continue;
        p->token = (struct token){TOKEN_SIGN, sign};
        p->rest = str_slice(p->rest, sign.len, p->rest.len);
        return true;
    }
    return fail(p, "LexerInvalidChar", "The SQL expression contains an invalid character.");
}

static bool advance(struct parser *p)
{
    while (p->rest.len > 0 && (unsigned char)p->rest.ptr[0] <= ' ')
        p->rest = str_slice(p->rest, 1, p->rest.len);
    p->token = (struct token){TOKEN_END, STR("")};
    if (p->rest.len == 0)
        return true;
    char c = p->rest.ptr[0];
    if (c == '\'' || c == '"')
        return lex_quoted(p, c);
    if (is_digit(c)) {
        lex_number(p);
        return true;
    }
    if (!is_word(c))
        return lex_sign(p);
    size_t n = 1;
    while (n < p->rest.len && (is_word(p->rest.ptr[n]) || is_digit(p->rest.ptr[n])))
        n++;
    p->token = (struct token){TOKEN_WORD, str_slice(p->rest, 0, n)};
    p->rest = str_slice(p->rest, n, p->rest.len);
    return true;
}

static bool at(const struct parser *p, const char *text)
{
    return (p->token.kind == TOKEN_WORD || p->token.kind == TOKEN_SIGN) &&
           str_eq_nocase(p->token.text, str_from_c(text));
}

/* Steps over it when it is there. */
static bool take(struct parser *p, const char *text)
{
    return at(p, text) && advance(p);
}

static bool want(struct parser *p, const char *text)
{
    return at(p, text) ? advance(p) : fail_token(p);
}

/* Words that end an expression or an alias, or begin what is not spoken here ("Reserved keywords"):
 * DISTINCT must not be taken for a column. */
static bool at_keyword(const struct parser *p)
{
    static const char *const words[] = {
        "from",     "where", "limit",  "as",     "and",    "or",      "not",       "like",
        "between",  "in",    "is",     "escape", "case",   "when",    "then",      "else",
        "end",      "for",   "select", "order",  "group",  "having",  "join",      "union",
        "distinct", "all",   "any",    "some",   "exists", "except",  "intersect", "inner",
        "outer",    "left",  "right",  "full",   "cross",  "natural", "on",        "using",
        "values",   "by",    "asc",    "desc"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (at(p, words[i]))
            return true;
    return false;
}

/* --- nodes --- */

static struct select_node *node_new(struct parser *p, enum select_kind kind, int op, size_t count)
{
    struct select_node *node = ARENA_NEW(p->arena, struct select_node);
    node->kind = kind;
    node->op = op;
    node->count = count;
    node->args = ARENA_ARRAY(p->arena, count + 1, struct select_node *);
    return node;
}

static struct select_node *node_literal(struct parser *p, struct select_value value)
{
    struct select_node *node = node_new(p, SELECT_LITERAL, 0, 0);
    node->value = value;
    return node;
}

static bool parse_expression(struct parser *p, struct select_node **out);

/* "a, b, c)" */
static bool parse_list(struct parser *p, struct select_node *node)
{
    size_t cap = 0;
    node->args = NULL;
    node->count = 0;
    if (take(p, ")"))
        return p->failure->code == NULL;
    do {
        struct select_node *one;
        if (!parse_expression(p, &one))
            return false;
        VEC_PUSH(p->arena, node->args, node->count, cap, one);
    } while (take(p, ","));
    return want(p, ")");
}

/* What follows a dot, or stands in brackets; wildcards in FROM only. */
static bool parse_step(struct parser *p, bool dot, bool every, struct select_step *step)
{
    bool word = p->token.kind == TOKEN_WORD || p->token.kind == TOKEN_QUOTED;
    if (every && at(p, "*")) {
        step->every = true;
        step->members = dot;
    } else if (dot ? word : p->token.kind == TOKEN_STRING) {
        step->name = p->token.text;
        step->quoted = p->token.kind != TOKEN_WORD;
    } else if (dot || p->token.kind != TOKEN_NUMBER || !str_to_i64(p->token.text, &step->index)) {
        return fail(p, "ParseInvalidPathComponent",
                    "The SQL expression contains an invalid path component.");
    }
    return advance(p) && (dot || want(p, "]"));
}

/* ".name", "['name']", "[3]", "[*]", ".*", as many as follow. */
static bool parse_steps(struct parser *p, struct select_step **steps, size_t *count, size_t *cap,
                        bool every)
{
    while (at(p, ".") || at(p, "[")) {
        struct select_step step = {0};
        bool dot = at(p, ".");
        if (!advance(p) || !parse_step(p, dot, every, &step))
            return false;
        VEC_PUSH(p->arena, *steps, *count, *cap, step);
    }
    return true;
}

static bool parse_path(struct parser *p, struct select_node **out)
{
    struct select_node *node = node_new(p, SELECT_PATH, 0, 0);
    struct select_step first = {.name = p->token.text, .quoted = p->token.kind == TOKEN_QUOTED};
    size_t cap = 0;
    VEC_PUSH(p->arena, node->steps, node->count, cap, first);
    *out = node;
    return advance(p) && parse_steps(p, &node->steps, &node->count, &cap, false);
}

/* --- functions --- */

static const struct {
    struct str name;
    enum select_function function;
    size_t least, most;
} functions[] = {
    {STR_INIT("coalesce"), SELECT_COALESCE, 1, SIZE_MAX},
    {STR_INIT("nullif"), SELECT_NULLIF, 2, 2},
    {STR_INIT("char_length"), SELECT_CHAR_LENGTH, 1, 1},
    {STR_INIT("character_length"), SELECT_CHAR_LENGTH, 1, 1},
    {STR_INIT("lower"), SELECT_LOWER, 1, 1},
    {STR_INIT("upper"), SELECT_UPPER, 1, 1},
    {STR_INIT("to_string"), SELECT_TO_STRING, 2, 2},
    {STR_INIT("to_timestamp"), SELECT_TO_TIMESTAMP, 1, 1},
    {STR_INIT("utcnow"), SELECT_UTCNOW, 0, 0},
    {STR_INIT("count"), SELECT_COUNT, 1, 1},
    {STR_INIT("sum"), SELECT_SUM, 1, 1},
    {STR_INIT("avg"), SELECT_AVG, 1, 1},
    {STR_INIT("min"), SELECT_MIN, 1, 1},
    {STR_INIT("max"), SELECT_MAX, 1, 1},
};

static bool parse_aggregate(struct parser *p, struct select_node *node)
{
    if (p->in_aggregate)
        return fail(p, "UnsupportedSqlStructure", "Aggregates do not stand in aggregates.");
    node->kind = SELECT_AGGREGATE;
    node->slot = p->query->aggregates++;
    if (node->op == SELECT_COUNT && take(p, "*"))
        return want(p, ")");
    p->in_aggregate = true;
    bool good = parse_list(p, node);
    p->in_aggregate = false;
    if (good && node->count != 1)
        return fail(p, "EvaluatorInvalidArguments",
                    "Incorrect number of arguments in the "
                    "function call in the SQL expression.");
    return good;
}

static bool parse_call(struct parser *p, struct str name, struct select_node **out)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (!str_eq_nocase(functions[i].name, name))
            continue;
        struct select_node *node = node_new(p, SELECT_CALL, (int)functions[i].function, 0);
        *out = node;
        if (functions[i].function >= SELECT_COUNT)
            return parse_aggregate(p, node);
        if (!parse_list(p, node))
            return false;
        if (node->count < functions[i].least || node->count > functions[i].most)
            return fail(p, "EvaluatorInvalidArguments",
                        "Incorrect number of arguments in the "
                        "function call in the SQL expression.");
        return true;
    }
    return fail(p, "UnsupportedFunction", "Encountered an unsupported SQL function.");
}

/* CAST(x AS type) */
static bool parse_cast(struct parser *p, struct select_node **out)
{
    static const struct {
        const char *name;
        enum select_type type;
    } types[] = {
        {"bool", SELECT_BOOL},     {"boolean", SELECT_BOOL},  {"int", SELECT_INT},
        {"integer", SELECT_INT},   {"string", SELECT_STRING}, {"varchar", SELECT_STRING},
        {"char", SELECT_STRING},   {"float", SELECT_FLOAT},   {"decimal", SELECT_FLOAT},
        {"numeric", SELECT_FLOAT}, {"double", SELECT_FLOAT},  {"timestamp", SELECT_TIME},
    };
    struct select_node *node = node_new(p, SELECT_CAST, 0, 1);
    *out = node;
    if (!parse_expression(p, &node->args[0]) || !want(p, "as"))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!at(p, types[i].name))
            continue;
        node->op = (int)types[i].type;
        if (!advance(p))
            return false;
        if (take(p, "(")) { /* DECIMAL(10, 2): all that there is, is kept */
            while (p->token.kind == TOKEN_NUMBER || at(p, ","))
                if (!advance(p))
                    return false;
            if (!want(p, ")"))
                return false;
        }
        return want(p, ")");
    }
    return fail(p, "ParseExpectedTypeName",
                "Did not find the expected type name in the SQL "
                "expression.");
}

/* SUBSTRING(x FROM a FOR b), SUBSTRING(x, a, b) */
static bool parse_substring(struct parser *p, struct select_node **out)
{
    struct select_node *node = node_new(p, SELECT_CALL, SELECT_SUBSTRING, 3);
    *out = node;
    node->count = 2;
    if (!parse_expression(p, &node->args[0]) || !(at(p, "from") || at(p, ",")) || !advance(p))
        return fail_token(p);
    if (!parse_expression(p, &node->args[1]))
        return false;
    if (at(p, "for") || at(p, ",")) {
        node->count = 3;
        if (!advance(p) || !parse_expression(p, &node->args[2]))
            return false;
    }
    return want(p, ")");
}

/* TRIM([[LEADING|TRAILING|BOTH] [characters] FROM] text) */
static bool parse_trim(struct parser *p, struct select_node **out)
{
    struct select_node *node = node_new(p, SELECT_CALL, SELECT_TRIM, 2);
    struct select_node *first;
    *out = node;
    node->count = 1;
    bool named = at(p, "leading") || at(p, "trailing") || at(p, "both");
    if (named) {
        node->part = at(p, "leading") ? -1 : at(p, "trailing") ? 1 : 0;
        if (!advance(p))
            return false;
    }
    if (named && take(p, "from"))
        return parse_expression(p, &node->args[0]) && want(p, ")");
    if (!parse_expression(p, &first))
        return false;
    node->args[0] = first;
    if (at(p, "from")) {
        node->args[1] = first;
        node->count = 2;
        if (!advance(p) || !parse_expression(p, &node->args[0]))
            return false;
    }
    return want(p, ")");
}

/* EXTRACT(part FROM t), DATE_ADD(part, n, t), DATE_DIFF(part, a, b) */
static bool parse_of_part(struct parser *p, enum select_function function, struct select_node **out)
{
    enum select_part part;
    struct select_node *node = node_new(p, SELECT_CALL, (int)function, 2);
    *out = node;
    if (!select_part_named(p->token.text, &part) ||
        (function != SELECT_EXTRACT && part > SELECT_PART_SECOND))
        return fail(p, "ParseExpectedDatePart",
                    "Did not find the expected date part in the SQL "
                    "expression.");
    node->part = (int)part;
    if (!advance(p) || !want(p, function == SELECT_EXTRACT ? "from" : ","))
        return false;
    if (function == SELECT_EXTRACT) {
        node->count = 1;
        return parse_expression(p, &node->args[0]) && want(p, ")");
    }
    return parse_expression(p, &node->args[0]) && want(p, ",") &&
           parse_expression(p, &node->args[1]) && want(p, ")");
}

/* CASE [x] WHEN a THEN b ... [ELSE c] END */
static bool parse_case(struct parser *p, struct select_node **out)
{
    struct select_node *node = node_new(p, SELECT_CASE, 0, 0), *subject = NULL, *one;
    size_t cap = 0;
    *out = node;
    node->args = NULL;
    if (!at(p, "when")) {
        if (!parse_expression(p, &subject))
            return false;
        node->part = 1;
        VEC_PUSH(p->arena, node->args, node->count, cap, subject);
    }
    while (take(p, "when")) {
        if (!parse_expression(p, &one))
            return false;
        VEC_PUSH(p->arena, node->args, node->count, cap, one);
        if (!want(p, "then") || !parse_expression(p, &one))
            return false;
        VEC_PUSH(p->arena, node->args, node->count, cap, one);
    }
    if (node->count < 2)
        return fail_token(p);
    if (take(p, "else")) {
        if (!parse_expression(p, &one))
            return false;
        VEC_PUSH(p->arena, node->args, node->count, cap, one);
    }
    return want(p, "end");
}

/* --- expressions --- */

static bool parse_literal(struct parser *p, struct select_node **out, bool *found)
{
    struct select_value value = {0};
    *found = true;
    if (p->token.kind == TOKEN_STRING)
        value = select_string(p->token.text);
    else if (p->token.kind == TOKEN_NUMBER)
        (void)select_parse_number(p->token.text, &value);
    else if (at(p, "true") || at(p, "false"))
        value = select_bool(at(p, "true"));
    else if (at(p, "null"))
        value.type = SELECT_NULL;
    else if (at(p, "missing"))
        value.type = SELECT_MISSING;
    else
        *found = false;
    if (!*found)
        return true;
    *out = node_literal(p, value);
    return advance(p);
}

static bool parse_named(struct parser *p, struct select_node **out)
{
    struct parser before = *p;
    struct str name = p->token.text;
    if (!advance(p))
        return false;
    if (!at(p, "(")) {
        *p = before;
        return parse_path(p, out);
    }
    if (!advance(p))
        return false;
    if (str_eq_nocase(name, STR("cast")))
        return parse_cast(p, out);
    if (str_eq_nocase(name, STR("substring")))
        return parse_substring(p, out);
    if (str_eq_nocase(name, STR("trim")))
        return parse_trim(p, out);
    if (str_eq_nocase(name, STR("extract")))
        return parse_of_part(p, SELECT_EXTRACT, out);
    if (str_eq_nocase(name, STR("date_add")))
        return parse_of_part(p, SELECT_DATE_ADD, out);
    if (str_eq_nocase(name, STR("date_diff")))
        return parse_of_part(p, SELECT_DATE_DIFF, out);
    return parse_call(p, name, out);
}

static bool parse_primary(struct parser *p, struct select_node **out)
{
    bool found;
    if (!parse_literal(p, out, &found))
        return false;
    if (found)
        return true;
    if (take(p, "("))
        return parse_expression(p, out) && want(p, ")");
    if (take(p, "case"))
        return parse_case(p, out);
    if (p->token.kind == TOKEN_QUOTED)
        return parse_path(p, out);
    if (p->token.kind == TOKEN_WORD && !at_keyword(p))
        return parse_named(p, out);
    return fail_token(p);
}

static bool parse_unary(struct parser *p, struct select_node **out)
{
    if (take(p, "+"))
        return parse_unary(p, out);
    if (!at(p, "-"))
        return p->failure->code == NULL && parse_primary(p, out);
    struct select_node *node = node_new(p, SELECT_NEGATE, 0, 1);
    *out = node;
    if (++p->depth > DEPTH_MAX)
        return fail(p, "ParseUnsupportedSyntax", "The SQL expression is nested too deeply.");
    bool good = advance(p) && parse_unary(p, &node->args[0]);
    p->depth--;
    return good;
}

static const struct {
    const char *sign;
    enum select_op op;
    int level; /* binds tighter the higher it is */
} operators[] = {
    {"or", SELECT_OR, 0},    {"and", SELECT_AND, 1},    {"||", SELECT_CONCAT, 4},
    {"+", SELECT_ADD, 5},    {"-", SELECT_SUBTRACT, 5}, {"*", SELECT_MULTIPLY, 6},
    {"/", SELECT_DIVIDE, 6}, {"%", SELECT_MODULO, 6},   {"=", SELECT_EQ, 3},
    {"<>", SELECT_NE, 3},    {"!=", SELECT_NE, 3},      {"<", SELECT_LT, 3},
    {"<=", SELECT_LE, 3},    {">", SELECT_GT, 3},       {">=", SELECT_GE, 3},
};
enum { LEVEL_NOT = 2, LEVEL_COMPARE = 3, LEVEL_UNARY = 7 };

static bool parse_level(struct parser *p, int level, struct select_node **out);

/* LIKE, IN, BETWEEN, IS, with NOT before or within. */
static bool parse_predicate(struct parser *p, struct select_node **left, bool *found)
{
    struct parser before = *p;
    bool negated = take(p, "not");
    struct select_node *node = node_new(p, SELECT_LIKE, 0, 3);
    node->args[0] = *left;
    node->negated = negated;
    *found = true;
    if (take(p, "like")) {
        node->count = 2;
        if (!parse_level(p, LEVEL_COMPARE + 1, &node->args[1]))
            return false;
        if (take(p, "escape")) {
            node->count = 3;
            if (!parse_level(p, LEVEL_COMPARE + 1, &node->args[2]))
                return false;
        }
    } else if (take(p, "between")) {
        node->kind = SELECT_BETWEEN;
        if (!parse_level(p, LEVEL_COMPARE + 1, &node->args[1]) || !want(p, "and") ||
            !parse_level(p, LEVEL_COMPARE + 1, &node->args[2]))
            return false;
    } else if (take(p, "in")) {
        struct select_node list = {0};
        if (!want(p, "(") || !parse_list(p, &list))
            return false;
        struct select_node *in = node_new(p, SELECT_IN, 0, list.count + 1);
        in->negated = negated;
        in->args[0] = *left;
        for (size_t i = 0; i < list.count; i++)
            in->args[i + 1] = list.args[i];
        node = in;
    } else if (!negated && take(p, "is")) {
        node->kind = SELECT_IS;
        node->count = 1;
        node->negated = take(p, "not");
        node->op = at(p, "missing") ? SELECT_MISSING : SELECT_NULL;
        if (!at(p, "missing") && !at(p, "null"))
            return fail_token(p);
        if (!advance(p))
            return false;
    } else {
        *p = before;
        *found = false;
        return p->failure->code == NULL;
    }
    *left = node;
    return p->failure->code == NULL;
}

static bool parse_operators(struct parser *p, int level, struct select_node **out)
{
    for (;;) {
        size_t i = 0;
        size_t count = sizeof operators / sizeof operators[0];
        while (i < count && !(operators[i].level == level && at(p, operators[i].sign)))
            i++;
        bool found = false;
        if (i == count && level == LEVEL_COMPARE && !parse_predicate(p, out, &found))
            return false;
        if (i == count && !found)
            return p->failure->code == NULL;
        if (i == count)
            continue;
        struct select_node *node = node_new(p, SELECT_BINARY, (int)operators[i].op, 2);
        node->args[0] = *out;
        *out = node;
        if (!advance(p) || !parse_level(p, level + 1, &node->args[1]))
            return false;
    }
}

static bool parse_level(struct parser *p, int level, struct select_node **out)
{
    if (level == LEVEL_UNARY)
        return parse_unary(p, out);
    if (level == LEVEL_NOT) {
        if (!at(p, "not"))
            return parse_level(p, level + 1, out);
        struct select_node *node = node_new(p, SELECT_NOT, 0, 1);
        *out = node;
        if (++p->depth > DEPTH_MAX)
            return fail(p, "ParseUnsupportedSyntax", "The SQL expression is nested too deeply.");
        bool good = advance(p) && parse_level(p, level, &node->args[0]);
        p->depth--;
        return good;
    }
    return parse_level(p, level + 1, out) && parse_operators(p, level, out);
}

static bool parse_expression(struct parser *p, struct select_node **out)
{
    if (++p->depth > DEPTH_MAX)
        return fail(p, "ParseUnsupportedSyntax", "The SQL expression is nested too deeply.");
    bool good = parse_level(p, 0, out);
    p->depth--;
    return good;
}

/* --- the statement --- */

static bool parse_item(struct parser *p, struct select_item *item)
{
    if (!parse_expression(p, &item->node))
        return false;
    bool as = take(p, "as");
    bool name = p->token.kind == TOKEN_QUOTED || (p->token.kind == TOKEN_WORD && !at_keyword(p));
    if (as && !name)
        return fail(p, "ParseExpectedIdentForAlias",
                    "Did not find the expected identifier for the alias in the SQL expression.");
    if (!name)
        return p->failure->code == NULL;
    item->name = p->token.text;
    return advance(p);
}

/* "s.*" is "*". */
static bool take_all_of(struct parser *p)
{
    bool word = p->token.kind == TOKEN_WORD || p->token.kind == TOKEN_QUOTED;
    if (!word || !str_starts_with(p->rest, STR(".*")))
        return false;
    p->query->all_of = p->token.text;
    return advance(p) && advance(p) && advance(p);
}

static bool parse_items(struct parser *p)
{
    struct select_query *query = p->query;
    size_t cap = 0;
    bool all = take(p, "*") || take_all_of(p);
    if (all && !at(p, ","))
        return p->failure->code == NULL;
    if (at(p, "from"))
        return fail(p, "ParseEmptySelect", "The SQL expression contains an empty SELECT clause.");
    do {
        struct select_item item = {0};
        if (all || at(p, "*"))
            return fail(p, "ParseAsteriskIsNotAloneInSelectList",
                        "Other expressions are not allowed in the SELECT list when '*' is used.");
        if (!parse_item(p, &item))
            return false;
        VEC_PUSH(p->arena, query->items, query->item_count, cap, item);
    } while (take(p, ","));
    return p->failure->code == NULL;
}

/* S3Object, S3Object[*], S3Object[*].a.b[*] alias */
static bool parse_from(struct parser *p)
{
    struct select_query *query = p->query;
    size_t cap = 0;
    if (!take(p, "from"))
        return fail(p, "ParseSelectMissingFrom",
                    "The SQL expression does not have a FROM clause after SELECT.");
    if (p->token.kind != TOKEN_WORD || !str_eq_nocase(p->token.text, STR("s3object")))
        return fail(p, "InvalidDataSource",
                    "Invalid data source type. Only S3Object is "
                    "supported.");
    if (!advance(p) || !parse_steps(p, &query->from, &query->from_count, &cap, true))
        return false;
    /* The first [*] is the records themselves; a path must begin with it ("FROM clause"). */
    if (query->from_count > 0 && (!query->from[0].every || query->from[0].members))
        return fail(p, "ParseInvalidPathComponent",
                    "The SQL expression contains an invalid path component.");
    if (query->from_count > 0) {
        query->from++;
        query->from_count--;
    }
    /* What the path ends with names the row where nothing else does. */
    if (query->from_count > 0)
        query->alias = query->from[query->from_count - 1].name;
    bool as = take(p, "as");
    if (p->token.kind == TOKEN_QUOTED || (p->token.kind == TOKEN_WORD && !at_keyword(p))) {
        query->alias = p->token.text;
        return advance(p);
    }
    return as ? fail_token(p) : p->failure->code == NULL;
}

bool select_parse(struct arena *arena, struct str text, struct select_query *query,
                  struct select_failure *failure)
{
    struct parser p = {.arena = arena, .rest = text, .query = query, .failure = failure};
    *query = (struct select_query){.limit = -1};
    *failure = (struct select_failure){0};
    if (!advance(&p) || !want(&p, "select") || !parse_items(&p) || !parse_from(&p))
        return false;
    if (take(&p, "where") && !parse_expression(&p, &query->where))
        return false;
    if (take(&p, "limit")) {
        if (p.token.kind != TOKEN_NUMBER || !str_to_i64(p.token.text, &query->limit))
            return fail_token(&p);
        if (!advance(&p))
            return false;
    }
    (void)take(&p, ";");
    if (p.failure->code != NULL)
        return false;
    if (p.token.kind != TOKEN_END)
        return fail_token(&p);
    return select_settle(arena, query, failure);
}
