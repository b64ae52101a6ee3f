/* Logs Insights QL: the text. */
#include "base/vec.h"
#include "services/logs/query.h"

enum { DEPTH = 64 };

struct parser {
    struct arena *arena;
    struct str text;
    size_t at;
    struct query_problem *problem;
    struct command *stats; /* whose aggregates may be named now; NULL: none */
    size_t aggregate_cap;
    bool had_stats;
    bool unmasks;
    int depth;
};

static bool fail(struct parser *p, const char *message)
{
    if (str_is_absent(p->problem->message)) {
        p->problem->message = str_from_c(message);
        p->problem->from = p->at;
        p->problem->to = p->at < p->text.len ? p->at + 1 : p->at;
    }
    return false;
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '@' || c == '.' || (unsigned char)c >= 0x80;
}

static char peek(struct parser *p)
{
    for (; p->at < p->text.len; p->at++) {
        char c = p->text.ptr[p->at];
        if (c == '#')
            while (p->at + 1 < p->text.len && p->text.ptr[p->at + 1] != '\n')
                p->at++;
        else if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return c;
    }
    return '\0';
}

static bool accept(struct parser *p, const char *text)
{
    struct str wanted = str_from_c(text);
    (void)peek(p);
    if (!str_starts_with(str_slice(p->text, p->at, p->text.len), wanted))
        return false;
    p->at += wanted.len;
    return true;
}

static struct str word_ahead(struct parser *p)
{
    (void)peek(p);
    size_t end = p->at;
    while (end < p->text.len && word_char(p->text.ptr[end]))
        end++;
    return str_slice(p->text, p->at, end);
}

static bool accept_word(struct parser *p, const char *text)
{
    struct str word = word_ahead(p);
    if (!str_eq_nocase(word, str_from_c(text)))
        return false;
    p->at += word.len;
    return true;
}

/* At a quotation mark or '/': up to the next of it. */
static bool parse_quoted(struct parser *p, struct str *out)
{
    char quote = peek(p);
    char *text = arena_alloc_raw(p->arena, p->text.len + 1);
    size_t len = 0, at = p->at + 1;
    for (; at < p->text.len && p->text.ptr[at] != quote; at++) {
        if (p->text.ptr[at] == '\\' && at + 1 < p->text.len &&
            (p->text.ptr[at + 1] == quote || quote != '/')) {
            at++;
            if (quote != '/' && p->text.ptr[at] != quote && p->text.ptr[at] != '\\')
                text[len++] = '\\';
        }
        text[len++] = p->text.ptr[at];
    }
    if (at >= p->text.len)
        return fail(p, "a quotation is not closed");
    p->at = at + 1;
    *out = str_make(text, len);
    return true;
}

/* Behind a name: "[2]" of a list, `a.b` of a map: parts of the path, as ".2" and "a.b" are. */
static bool parse_path(struct parser *p, struct buf *path)
{
    for (;;) {
        char c = p->at < p->text.len ? p->text.ptr[p->at] : '\0';
        size_t end = p->at + 1;
        struct str part;
        while (c == '[' && end < p->text.len && p->text.ptr[end] >= '0' && p->text.ptr[end] <= '9')
            end++;
        if (c == '[' && end > p->at + 1 && end < p->text.len && p->text.ptr[end] == ']') {
            buf_append_char(path, '.');
            buf_append(path, str_slice(p->text, p->at + 1, end));
            p->at = end + 1;
        } else if (c == '`' && path->len > 0 && path->ptr[path->len - 1] == '.') {
            if (!parse_quoted(p, &part))
                return false;
            buf_append(path, part);
        } else if (c == '.' && p->text.ptr[p->at - 1] != '.') {
            part = word_ahead(p);
            buf_append(path, part);
            p->at += part.len;
            if (part.len == 0)
                return true;
        } else {
            return true;
        }
    }
}

static bool parse_name(struct parser *p, struct str *out)
{
    struct buf path;
    if (peek(p) == '`')
        return parse_quoted(p, out);
    *out = word_ahead(p);
    p->at += out->len;
    char next = p->at < p->text.len ? p->text.ptr[p->at] : '\0';
    if (out->len == 0)
        return fail(p, "a field is missing");
    if (next != '[' && next != '`')
        return true;
    buf_init(&path, p->arena, SIZE_MAX);
    buf_append(&path, *out);
    if (!parse_path(p, &path))
        return false;
    *out = buf_str(&path);
    return true;
}

static bool parse_regex(struct parser *p, struct regex **out)
{
    struct str text, problem;
    if (!parse_quoted(p, &text))
        return false;
    return regex_compile(p->arena, text, out, &problem) || fail(p, str_to_c(p->arena, problem));
}

/* --- expressions --- */

static bool parse_expr(struct parser *p, struct expr **out);

static struct expr *expr_new(struct parser *p, enum expr_kind kind, char op, struct expr *left,
                             struct expr *right)
{
    struct expr *expr = ARENA_NEW(p->arena, struct expr);
    *expr = (struct expr){.kind = kind, .op = op};
    expr->args = ARENA_ARRAY(p->arena, 2, struct expr *);
    if (left != NULL)
        expr->args[expr->count++] = left;
    if (right != NULL)
        expr->args[expr->count++] = right;
    return expr;
}

/* 5m, 1h: milliseconds. */
static bool duration(struct str unit, double *times)
{
    static const struct {
        const char *units;
        double ms;
    } all[] = {
        {"ms millisecond milliseconds msec", 1},
        {"s second seconds sec", 1000},
        {"m minute minutes min", 60000},
        {"h hour hours hr", 3600000},
        {"d day days", 86400000},
        {"w week weeks", 604800000.0},
        {"mo month months mon", 2592000000.0},
        {"q quarter quarters qtr", 7776000000.0},
        {"y year years yr", 31536000000.0},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct str rest = str_from_c(all[i].units), one;
        while (!str_is_absent(rest)) {
            str_cut(rest, ' ', &one, &rest);
            if (str_eq_nocase(one, unit)) {
                *times = all[i].ms;
                return true;
            }
        }
    }
    return false;
}

static bool parse_number(struct parser *p, struct expr *expr)
{
    size_t end = p->at;
    double times = 1;
    while (end < p->text.len &&
           ((p->text.ptr[end] >= '0' && p->text.ptr[end] <= '9') || p->text.ptr[end] == '.'))
        end++;
    if (end + 1 < p->text.len && (p->text.ptr[end] | 0x20) == 'e' &&
        (p->text.ptr[end + 1] == '-' ||
         (p->text.ptr[end + 1] >= '0' && p->text.ptr[end + 1] <= '9')))
        for (end += 2; end < p->text.len && p->text.ptr[end] >= '0' && p->text.ptr[end] <= '9';)
            end++;
    if (!str_to_double(str_slice(p->text, p->at, end), &expr->value.number))
        return fail(p, "a number is not one");
    p->at = end;
    if (end < p->text.len && word_char(p->text.ptr[end])) {
        struct str unit = word_ahead(p);
        if (!duration(unit, &times))
            return fail(p, "a unit of time is not known");
        p->at += unit.len;
    }
    expr->kind = EXPR_VALUE;
    expr->value.kind = VALUE_NUMBER;
    expr->value.number *= times;
    return true;
}

static bool parse_arguments(struct parser *p, struct expr *expr, const char *close)
{
    size_t cap = 0;
    expr->args = NULL;
    expr->count = 0;
    if (accept(p, close))
        return true;
    do {
        struct expr *argument;
        if (!parse_expr(p, &argument))
            return false;
        VEC_PUSH(p->arena, expr->args, expr->count, cap, argument);
    } while (accept(p, ","));
    return accept(p, close) || fail(p, "a list is not closed");
}

static bool parse_aggregate(struct parser *p, struct expr *expr)
{
    expr->kind = EXPR_AGGREGATE;
    if (p->stats == NULL && p->had_stats) { /* a column of what stats yielded */
        expr->kind = EXPR_FIELD;
        return (expr->function == AGGREGATE_COUNT && accept(p, "*"))
                   ? accept(p, ")") || fail(p, "a list is not closed")
                   : parse_arguments(p, expr, ")");
    }
    if (p->stats == NULL)
        return fail(p, "an aggregation is allowed in stats alone");
    expr->slot = p->stats->aggregate_count;
    struct command *stats = p->stats;
    p->stats = NULL;
    bool fine = expr->function == AGGREGATE_COUNT && accept(p, "*")
                    ? accept(p, ")") || fail(p, "a list is not closed")
                    : parse_arguments(p, expr, ")");
    p->stats = stats;
    VEC_PUSH(p->arena, stats->aggregates, stats->aggregate_count, p->aggregate_cap, expr);
    size_t wanted = expr->function == AGGREGATE_PCT ? 2 : 1;
    if (fine && expr->count != wanted && expr->function != AGGREGATE_COUNT)
        return fail(p, "an aggregation has a wrong number of arguments");
    return fine;
}

static bool parse_call(struct parser *p, struct str name, struct expr *expr)
{
    size_t least, most;
    expr->function = query_aggregate(name);
    if (expr->function >= 0)
        return parse_aggregate(p, expr);
    if (str_eq_nocase(name, STR("unmask"))) {
        expr->kind = EXPR_UNMASK;
        p->unmasks = true;
        return parse_arguments(p, expr, ")") &&
               (expr->count == 1 || fail(p, "unmask has one argument"));
    }
    expr->kind = EXPR_CALL;
    expr->function = query_function(name, &least, &most);
    if (expr->function < 0)
        return fail(p, "a function is not known");
    if (!parse_arguments(p, expr, ")"))
        return false;
    return (expr->count >= least && expr->count <= most) ||
           fail(p, "a function has a wrong number of arguments");
}

static bool parse_primary(struct parser *p, struct expr **out)
{
    char c = peek(p);
    size_t start = p->at;
    struct expr *expr = *out = expr_new(p, EXPR_VALUE, 0, NULL, NULL);
    if (c == '(') {
        p->at++;
        return parse_expr(p, out) && (accept(p, ")") || fail(p, "a parenthesis is not closed"));
    }
    if (c == '-') {
        struct expr *inner;
        p->at++;
        if (++p->depth > DEPTH)
            return fail(p, "the expression is nested too deep");
        bool fine = parse_primary(p, &inner);
        p->depth--;
        *out = expr_new(p, EXPR_MINUS, 0, inner, NULL);
        return fine;
    }
    if (c == '"' || c == '\'') {
        expr->value.kind = VALUE_TEXT;
        return parse_quoted(p, &expr->value.text);
    }
    if (c >= '0' && c <= '9')
        return parse_number(p, expr);
    if (!parse_name(p, &expr->name))
        return false;
    expr->kind = EXPR_FIELD;
    if (c != '`' && accept(p, "(")) {
        if (!parse_call(p, expr->name, expr))
            return false;
        expr->name = str_slice(p->text, start, p->at);
    }
    return true;
}

static bool parse_binary(struct parser *p, int level, struct expr **out)
{
    static const char *const operators[] = {"+-", "*/%", "^"};
    if (level == 3)
        return parse_primary(p, out);
    if (!parse_binary(p, level + 1, out))
        return false;
    for (;;) {
        struct expr *right;
        char c = peek(p);
        if (c == '\0' || strchr(operators[level], c) == NULL)
            return true;
        p->at++;
        if (!parse_binary(p, level + 1, &right))
            return false;
        *out = expr_new(p, EXPR_ARITHMETIC, c, *out, right);
    }
}

static bool parse_like(struct parser *p, struct expr **out)
{
    struct expr *like = expr_new(p, EXPR_LIKE, 0, *out, NULL);
    *out = like;
    if (peek(p) == '/')
        return parse_regex(p, &like->regex);
    if (peek(p) != '"' && peek(p) != '\'')
        return fail(p, "like must be followed by a text or a regular expression");
    return parse_quoted(p, &like->value.text);
}

static bool parse_comparison(struct parser *p, struct expr **out)
{
    static const struct {
        const char *text;
        char op;
    } operators[] = {{"!=", '!'}, {"<=", 'l'}, {">=", 'g'}, {"==", '='},
                     {"=", '='},  {"<", '<'},  {">", '>'}};
    struct expr *right;
    if (!parse_binary(p, 0, out))
        return false;
    if (accept(p, "=~"))
        return parse_like(p, out);
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (accept(p, operators[i].text)) {
            if (!parse_binary(p, 0, &right))
                return false;
            *out = expr_new(p, EXPR_COMPARE, operators[i].op, *out, right);
            return true;
        }
    size_t back = p->at;
    bool not = accept_word(p, "not");
    bool fine = true;
    if (accept_word(p, "like")) {
        fine = parse_like(p, out);
    } else if (accept_word(p, "in")) {
        struct expr *in = expr_new(p, EXPR_IN, 0, NULL, NULL), *left = *out;
        if (!accept(p, "[") || !parse_arguments(p, in, "]"))
            return fail(p, "in must be followed by a list");
        size_t cap = in->count;
        VEC_PUSH(p->arena, in->args, in->count, cap, left); /* it stands behind the list */
        *out = in;
    } else {
        p->at = back;
        return true;
    }
    if (not )
        *out = expr_new(p, EXPR_NOT, 0, *out, NULL);
    return fine;
}

static bool parse_not(struct parser *p, struct expr **out)
{
    bool not = false;
    while (accept_word(p, "not"))
        not = !not ;
    if (!parse_comparison(p, out))
        return false;
    if (not )
        *out = expr_new(p, EXPR_NOT, 0, *out, NULL);
    return true;
}

static bool parse_and(struct parser *p, struct expr **out)
{
    struct expr *right;
    if (!parse_not(p, out))
        return false;
    while (accept_word(p, "and")) {
        if (!parse_not(p, &right))
            return false;
        *out = expr_new(p, EXPR_AND, 0, *out, right);
    }
    return true;
}

static bool parse_expr(struct parser *p, struct expr **out)
{
    struct expr *right;
    if (++p->depth > DEPTH)
        return fail(p, "the expression is nested too deep");
    bool fine = parse_and(p, out);
    while (fine && accept_word(p, "or")) {
        fine = parse_and(p, &right);
        if (fine)
            *out = expr_new(p, EXPR_OR, 0, *out, right);
    }
    p->depth--;
    return fine;
}

/* --- commands --- */

static bool parse_named(struct parser *p, struct named **items, size_t *count)
{
    size_t cap = 0;
    do {
        struct named item = {0};
        (void)peek(p);
        size_t start = p->at;
        if (!parse_expr(p, &item.expr))
            return false;
        item.name = item.expr->kind == EXPR_FIELD ? item.expr->name
                                                  : str_trim(str_slice(p->text, start, p->at));
        if (accept_word(p, "as") && !parse_name(p, &item.name))
            return false;
        VEC_PUSH(p->arena, *items, *count, cap, item);
    } while (accept(p, ",") || (peek(p) != '|' && peek(p) != '\0' && p->stats != NULL &&
                                !str_eq_nocase(word_ahead(p), STR("by"))));
    return true;
}

static bool parse_stats(struct parser *p, struct command *command)
{
    p->stats = command;
    p->aggregate_cap = 0;
    bool fine = parse_named(p, &command->items, &command->count);
    p->stats = NULL;
    if (fine && command->aggregate_count == 0)
        return fail(p, "stats needs an aggregation");
    return fine && (!accept_word(p, "by") || parse_named(p, &command->by, &command->by_count));
}

static bool parse_sort(struct parser *p, struct command *command)
{
    size_t cap = 0, flag_cap = 0, flags = 0;
    do {
        struct named item = {0};
        bool descending;
        if (!parse_expr(p, &item.expr))
            return false;
        descending = accept_word(p, "desc");
        if (!descending)
            (void)accept_word(p, "asc");
        VEC_PUSH(p->arena, command->items, command->count, cap, item);
        VEC_PUSH(p->arena, command->descending, flags, flag_cap, descending);
    } while (accept(p, ","));
    return true;
}

static bool parse_names(struct parser *p, struct command *command)
{
    size_t cap = 0;
    do {
        struct named item = {0};
        if (!parse_name(p, &item.name))
            return false;
        VEC_PUSH(p->arena, command->items, command->count, cap, item);
    } while (accept(p, ","));
    return true;
}

static bool parse_parse(struct parser *p, struct command *command)
{
    size_t stars = 0;
    command->expr = NULL;
    if (peek(p) != '"' && peek(p) != '\'' && peek(p) != '/') {
        command->expr = expr_new(p, EXPR_FIELD, 0, NULL, NULL);
        if (!parse_name(p, &command->expr->name))
            return false;
    } else {
        command->expr = expr_new(p, EXPR_FIELD, 0, NULL, NULL);
        command->expr->name = STR("@message");
    }
    if (peek(p) == '/')
        return parse_regex(p, &command->regex) &&
               (!accept_word(p, "as") || parse_names(p, command));
    if (peek(p) != '"' && peek(p) != '\'')
        return fail(p, "parse needs a glob in quotation marks or a regular expression");
    if (!parse_quoted(p, &command->glob))
        return false;
    for (size_t i = 0; i < command->glob.len; i++)
        stars += command->glob.ptr[i] == '*';
    if (!accept_word(p, "as"))
        return fail(p, "parse with a glob needs names");
    if (!parse_names(p, command))
        return false;
    return stars == command->count || fail(p, "a glob needs one name for each *");
}

static bool parse_limit(struct parser *p, struct command *command)
{
    struct str word = word_ahead(p);
    uint64_t limit;
    if (!str_to_u64(word, &limit) || limit == 0 || limit > 100000)
        return fail(p, "limit needs a number from 1 to 100000");
    p->at += word.len;
    command->limit = limit;
    return true;
}

/* unnest FIELD into NAME */
static bool parse_unnest(struct parser *p, struct command *command)
{
    command->items = ARENA_NEW(p->arena, struct named);
    command->count = 1;
    if (!parse_expr(p, &command->items->expr))
        return false;
    if (!accept_word(p, "into"))
        return fail(p, "into is expected");
    return parse_name(p, &command->items->name);
}

static bool parse_command(struct parser *p, struct command *command)
{
    static const char *const unbuilt[] = {"pattern", "diff",   "unmask", "unpack",
                                          "join",    "lookup", "anomaly"};
    if (accept_word(p, "fields")) {
        command->kind = COMMAND_FIELDS;
        return parse_named(p, &command->items, &command->count);
    }
    if (accept_word(p, "display")) {
        command->kind = COMMAND_DISPLAY;
        return parse_named(p, &command->items, &command->count);
    }
    /* An index is of use to how fast it is found alone. */
    if (accept_word(p, "filter") || accept_word(p, "filterIndex")) {
        command->kind = COMMAND_FILTER;
        return parse_expr(p, &command->expr);
    }
    if (accept_word(p, "parse")) {
        command->kind = COMMAND_PARSE;
        return parse_parse(p, command);
    }
    if (accept_word(p, "stats")) {
        command->kind = COMMAND_STATS;
        return parse_stats(p, command);
    }
    if (accept_word(p, "sort")) {
        command->kind = COMMAND_SORT;
        return parse_sort(p, command);
    }
    if (accept_word(p, "limit") || accept_word(p, "head")) {
        command->kind = COMMAND_LIMIT;
        return parse_limit(p, command);
    }
    if (accept_word(p, "dedup")) {
        command->kind = COMMAND_DEDUP;
        return parse_named(p, &command->items, &command->count);
    }
    if (accept_word(p, "unnest")) {
        command->kind = COMMAND_UNNEST;
        return parse_unnest(p, command);
    }
    for (size_t i = 0; i < sizeof unbuilt / sizeof unbuilt[0]; i++)
        p->problem->unbuilt |= str_eq_nocase(word_ahead(p), str_from_c(unbuilt[i]));
    return fail(p, "a command is expected");
}

static bool parse_texts(struct parser *p, struct str_list *out)
{
    size_t cap = 0;
    *out = (struct str_list){0};
    if (!accept(p, "["))
        return fail(p, "a list is expected");
    do {
        struct str text;
        if (peek(p) != '\'' && peek(p) != '"')
            return fail(p, "a text is expected");
        if (!parse_quoted(p, &text))
            return false;
        VEC_PUSH(p->arena, out->items, out->len, cap, text);
    } while (accept(p, ","));
    return accept(p, "]") || fail(p, "a list is not closed");
}

static bool parse_source(struct parser *p, struct query_source *source)
{
    source->given = true;
    if (!accept_word(p, "logGroups") || !accept(p, "("))
        return fail(p, "SOURCE needs logGroups(...)");
    if (accept(p, ")"))
        return true;
    do {
        struct str_list list;
        if (accept_word(p, "namePrefix")) {
            if (!accept(p, ":") || !parse_texts(p, &source->prefixes))
                return fail(p, "namePrefix needs a list of texts");
        } else if (accept_word(p, "class")) {
            if (!accept(p, ":") ||
                (peek(p) == '[' ? !parse_texts(p, &list) : !parse_quoted(p, &source->class)))
                return fail(p, "class needs a text");
            if (str_is_absent(source->class))
                source->class = list.items[0];
        } else {
            p->problem->unbuilt |= str_eq_nocase(word_ahead(p), STR("accountIdentifiers")) ||
                                   str_eq_nocase(word_ahead(p), STR("accountIdentifier"));
            return fail(p, "namePrefix or class is expected");
        }
    } while (accept(p, ","));
    return accept(p, ")") || fail(p, "a parenthesis is not closed");
}

bool query_parse(struct arena *arena, struct str text, struct query *out,
                 struct query_problem *problem)
{
    struct parser parser = {.arena = arena, .text = text, .problem = problem};
    size_t cap = 0, stats = 0;
    *out = (struct query){0};
    *problem = (struct query_problem){0};
    if (peek(&parser) == '|')
        parser.at++;
    if (accept_word(&parser, "source")) {
        if (!parse_source(&parser, &out->source))
            return false;
        if (peek(&parser) != '\0' && !accept(&parser, "|"))
            return fail(&parser, "a | is expected");
    }
    while (peek(&parser) != '\0') {
        struct command command = {0};
        if (!parse_command(&parser, &command))
            return false;
        stats += command.kind == COMMAND_STATS;
        parser.had_stats = stats > 0;
        VEC_PUSH(arena, out->commands, out->count, cap, command);
        if (peek(&parser) != '\0' && !accept(&parser, "|"))
            return fail(&parser, "a | is expected");
    }
    if (stats > 2)
        return fail(&parser, "a query has at most two stats");
    out->unmasks = parser.unmasks;
    return out->count > 0 || fail(&parser, "the query is empty");
}
